// The table of all results: search, filter, groups by subject, details and permalinks.

const S = page.results.strings;
const FIELDS = ['id', 'check', 'claim', 'subject', 'kind', 'problem', 'dtype', 'device', 'seed', 'alpha', 'verdict', 'reason', 'link',
  'measurements', 'notes', 'tags', 'claims', 'seconds', 'reproduce', 'traceback', 'evidence', 'plates', 'record'];
const INTERNED = new Set(['check', 'claim', 'subject', 'kind', 'problem', 'dtype', 'device', 'verdict', 'reason', 'link']);
const at = Object.fromEntries(FIELDS.map((name, i) => [name, i]));
const ROWS = page.results.rows;
const SHOW = 60;

function get(row, name) {
  if (name === 'machine') return page.records[row[at.record]].machine;
  if (name === 'record') return page.records[row[at.record]].letter;
  return INTERNED.has(name) ? S[row[at[name]]] : row[at[name]];
}

function resultAt(index) {
  return { href: hrefOf(index), verdict: get(ROWS[index], 'verdict'), subject: get(ROWS[index], 'subject') };
}

/** The address of a result; on a page of several records it says of which. */
const hrefOf = (index) => anchorOf(ROWS[index][at.id], ROWS[index][at.record]);

const EXACT = ['verdict', 'subject', 'check', 'problem', 'dtype', 'machine', 'record'];
const filter = Object.fromEntries(['q', ...EXACT].map((name) => [name, '']));
const filterHref = (chosen) => '#results?' + new URLSearchParams(chosen);
const haystacks = new Array(ROWS.length);

function haystack(i) {
  haystacks[i] ??= [ROWS[i][at.id], get(ROWS[i], 'reason'), get(ROWS[i], 'kind'), ...ROWS[i][at.tags].map((t) => S[t])].join(' ').toLowerCase();
  return haystacks[i];
}

function matching() {
  const words = filter.q.toLowerCase().split(/\s+/).filter(Boolean);
  const exact = EXACT.filter((name) => filter[name]);
  const found = [];
  for (let i = 0; i < ROWS.length; i++) {
    if (exact.every((name) => get(ROWS[i], name) === filter[name]) && words.every((w) => haystack(i).includes(w))) found.push(i);
  }
  return found;
}

const severity = (row) => page.verdicts[get(row, 'verdict')]?.[2] ?? 9;
const M = { name: 0, value: 1, bound: 2, relation: 3, origin: 4, why: 5, interval: 6, margin: 7, detectable: 8, confidence: 9, unit: 10, verdict: 11 };
const size = (margin) => (typeof margin === 'number' ? margin : margin === null ? -1 : Infinity);

/** The judged number nearest to, or furthest outside, its bound. */
function critical(measurements) {
  let worst = null;
  for (const m of measurements) if (m[M.bound] !== null && (!worst || size(m[M.margin]) > size(worst[M.margin]))) worst = m;
  return worst;
}

const relation = (m) => (m[M.bound] === null ? '' : (m[M.relation] ? '≥ ' : '≤ ') + num(m[M.bound]));

function measurementTable(measurements) {
  const heads = ['', 'measured', 'value', 'bound', 'of bound', 'interval', 'detectable', 'origin', 'why'];
  return el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Measurements' }, el('table', { class: 'numbers' },
    el('thead', {}, el('tr', {}, heads.map((h, i) => el('th', { scope: 'col', class: i < 2 || i > 6 ? 'word' : '' }, h)))),
    el('tbody', {}, measurements.map((m) => el('tr', {},
      el('td', {}, S[m[M.verdict]] ? mark(S[m[M.verdict]]) : ''), el('td', { class: 'word' }, S[m[M.name]]),
      el('td', { title: String(m[M.value]) }, num(m[M.value]) + (S[m[M.unit]] ? ' ' + S[m[M.unit]] : '')),
      el('td', { title: String(m[M.bound]) }, relation(m)),
      el('td', {}, m[M.bound] === null ? '' : num(m[M.margin], 3) + (typeof m[M.margin] === 'number' ? '×' : '')),
      el('td', {}, m[M.interval] ? num(m[M.interval][0]) + ' to ' + num(m[M.interval][1]) : ''),
      el('td', {}, m[M.detectable] === null ? '' : num(m[M.detectable])),
      el('td', { class: 'word' }, S[m[M.origin]] + (m[M.confidence] === null ? '' : `, ${num(m[M.confidence], 8)}`)),
      el('td', { class: 'word why' }, S[m[M.why]]))))));
}

function recordName(index) {
  const { letter, commit, created, machine } = page.records[index];
  return [letter, commit, created, machine].filter(Boolean).join(' · ');
}

function pairs(list) {
  return el('dl', { class: 'pairs' }, list.filter(([, v]) => v !== '' && v !== null)
    .map(([k, v]) => el('div', {}, el('dt', {}, k), el('dd', {}, v))));
}

function claimsOf(row) {
  return row[at.claims] < 0 ? [] : Object.entries(JSON.parse(S[row[at.claims]]))
    .filter(([, v]) => v !== null && v !== '' && v !== false && !(Array.isArray(v) && !v.length))
    .map(([k, v]) => `${k.replaceAll('_', ' ')} ${Array.isArray(v) ? v.join(', ') : v}`);
}

const tagsOf = (row) => row[at.tags].map((t) => S[t]).join(', ');

function detail(i) {
  const row = ROWS[i];
  const link = get(row, 'link');
  const plates = row[at.plates].map((p) => plateElement(p, true));
  const reason = get(row, 'reason');
  return el('div', { class: 'detail' },
    get(row, 'claim') ? el('p', { class: 'claim' }, get(row, 'claim')) : '',
    reason ? el('p', { class: 'reason' }, reason, link ? [' ', el('a', { class: 'outside', href: link, rel: 'noopener noreferrer' }, link)] : '') : '',
    row[at.reproduce] ? command(row[at.reproduce]) : '',
    row[at.measurements].length ? measurementTable(row[at.measurements]) : '',
    row[at.notes].length ? el('ul', { class: 'notes' }, row[at.notes].map((n) => el('li', {}, S[n]))) : '',
    plates.length ? el('div', { class: 'plates' }, plates) : '',
    row[at.traceback] ? el('details', {}, el('summary', {}, 'Traceback'), el('pre', {}, row[at.traceback])) : '',
    pairs([['claims', claimsOf(row).join(' · ')], ['tags', tagsOf(row)], ['device', get(row, 'device')], ['seed', row[at.seed]],
      ['share of the false-alarm budget', row[at.alpha] ? num(row[at.alpha], 3) : ''], ['time', num(row[at.seconds], 3) + ' s'],
      ['record', page.records.length > 1 ? recordName(row[at.record]) : ''],
      ['evidence', row[at.evidence].map((e) => S[e]).join('; ')]]),
    el('p', { class: 'permalink' }, el('a', { href: hrefOf(i) }, 'Permalink to this result'),
      ...['subject', 'problem', 'machine'].map((kind) => el('a', { href: pageHref(kind, get(row, kind)) }, `Page of this ${kind}`))));
}

function toggle(tr, i, open = tr.nextElementSibling?.className !== 'under') {
  const button = tr.querySelector('button');
  const there = tr.nextElementSibling?.className === 'under';
  button.setAttribute('aria-expanded', String(open));
  if (open && !there) tr.after(el('tr', { class: 'under' }, el('td', { colspan: 8 }, detail(i))));
  if (!open && there) tr.nextElementSibling.remove();
}

function resultRow(i) {
  const row = ROWS[i];
  const m = critical(row[at.measurements]);
  const tr = el('tr', { class: 'result', 'data-row': i },
    el('td', {}, mark(get(row, 'verdict'))),
    el('td', { class: 'word' }, el('button', { type: 'button', class: 'open', 'aria-expanded': 'false' }, get(row, 'check'))),
    el('td', { class: 'word' }, get(row, 'problem')),
    el('td', { class: 'word wide' }, get(row, 'dtype')),
    m ? [el('td', { class: 'word wide' }, S[m[M.name]]), el('td', {}, num(m[M.value]), ' ', el('span', { class: 'bound' }, relation(m))),
      el('td', { class: 'wide' }, num(m[M.margin], 3) + (typeof m[M.margin] === 'number' ? '×' : ''))]
      : el('td', { class: 'word reason', colspan: 3 }, get(row, 'reason').slice(0, 160)),
    page.records.length > 1 ? el('td', { class: 'word' }, get(row, 'record')) : '');
  tr.addEventListener('click', (event) => {
    if (!event.target.closest('a') && !String(getSelection())) toggle(tr, i);
  });
  return tr;
}

function group(subject, members, open) {
  const tally = {};
  for (const i of members) tally[get(ROWS[i], 'verdict')] = (tally[get(ROWS[i], 'verdict')] ?? 0) + 1;
  const marks = Object.keys(tally).sort((a, b) => page.verdicts[a][2] - page.verdicts[b][2])
    .map((v) => el('span', { class: 'tally' }, mark(v), String(tally[v])));
  const body = el('tbody');
  const heads = ['', 'check', 'problem', 'dtype', 'nearest to its bound', 'value', 'of bound', ...(page.records.length > 1 ? ['record'] : [])];
  const table = el('table', { class: 'numbers results' }, el('thead', {}, el('tr', {},
    heads.map((h, i) => el('th', { scope: 'col', class: (i < 5 ? 'word' : '') + ([3, 4, 6].includes(i) ? ' wide' : '') }, h)))), body);
  const all = el('button', { type: 'button', class: 'more' }, 'Open every result: all measurements');
  const more = el('button', { type: 'button', class: 'more' });
  const details = el('details', { class: 'group', 'data-subject': subject },
    el('summary', {}, el('b', {}, subject), el('span', { class: 'tallies' }, marks)));
  let shown = 0;
  details.show = (until) => {
    if (!shown) {
      details.append(el('div', { class: 'scroll' }, table), el('p', { class: 'buttons' }, more, all,
        el('a', { class: 'more', href: pageHref('subject', subject) }, 'Page of this subject')));
    }
    const end = Math.min(members.length, until);
    for (; shown < end; shown++) body.append(resultRow(members[shown]));
    more.textContent = `Show ${Math.min(SHOW, members.length - shown)} of ${members.length - shown} more`;
    more.hidden = shown >= members.length;
  };
  details.members = members;
  details.addEventListener('toggle', () => { if (details.open && !shown) details.show(SHOW); });
  more.addEventListener('click', () => details.show(shown + SHOW));
  all.addEventListener('click', () => body.querySelectorAll('tr.result').forEach((tr) => toggle(tr, Number(tr.dataset.row), true)));
  if (open) { details.open = true; details.show(SHOW); }
  return details;
}

function renderResults() {
  const found = matching();
  found.sort((a, b) => severity(ROWS[a]) - severity(ROWS[b]) || a - b);
  const bySubject = new Map();
  for (const i of found) {
    const subject = get(ROWS[i], 'subject');
    if (!bySubject.has(subject)) bySubject.set(subject, []);
    bySubject.get(subject).push(i);
  }
  const active = Object.values(filter).some(Boolean);
  let budget = active ? 150 : 0;
  const groups = [...bySubject].map(([subject, members]) => {
    const open = budget > 0;
    budget -= members.length;
    return group(subject, members, open);
  });
  document.getElementById('groups').replaceChildren(...groups);
  document.getElementById('status').textContent = active ? `${found.length.toLocaleString('en')} of ${ROWS.length.toLocaleString('en')} results`
    : `${counted(ROWS.length, 'result')} of ${counted(bySubject.size, 'subject')}`;
  document.getElementById('clear').hidden = !active;
}
