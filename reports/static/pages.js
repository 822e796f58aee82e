// Views of one subject, problem or machine, made from the same rows as everything else, each with an address.

const VIEWS = { subject: 'subject', problem: 'problem', machine: 'machine' };
const pageHref = (kind, name) => '#' + kind + '=' + encodeURIComponent(name).replaceAll('%2F', '/');
const BAD = new Set(['failed', 'unexpected_pass', 'error']);
const WRITTEN_OUT = 8;

function tallyOf(indices) {
  const tally = {};
  for (const i of indices) tally[get(ROWS[i], 'verdict')] = (tally[get(ROWS[i], 'verdict')] ?? 0) + 1;
  return Object.entries(tally).sort(([a], [b]) => page.verdicts[a][2] - page.verdicts[b][2]);
}

const spelled = (verdict, n) => page.verdicts[verdict][n === 1 ? 0 : 3];

/** Results of one place, worst verdict first. */
function rowsWhere(name, wanted) {
  const found = [];
  for (let i = 0; i < ROWS.length; i++) if (get(ROWS[i], name) === wanted) found.push(i);
  return found.sort((a, b) => severity(ROWS[a]) - severity(ROWS[b]) || a - b);
}

/** A table whose cells hold the worst verdict of what they stand for and lead to its results. */
function crossTable(indices, down, across, fixed) {
  const cells = new Map();
  for (const i of indices) {
    const key = get(ROWS[i], down) + '\n' + get(ROWS[i], across);
    if (!cells.has(key)) cells.set(key, []);
    cells.get(key).push(i);
  }
  const values = (name) => [...new Set(indices.map((i) => get(ROWS[i], name)))].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  const columns = values(across);
  const link = (name, value) => (name === 'check' ? filterHref({ ...fixed, check: value }) : pageHref(name, value));
  const cell = (row, column) => {
    const members = cells.get(row + '\n' + column);
    if (!members) return el('td');
    const [verdict, n] = tallyOf(members)[0];
    return el('td', {}, el('a', { class: 'cell ' + verdict, href: filterHref({ ...fixed, [down]: row, [across]: column }),
      title: `${row}, ${column}: ${tallyOf(members).map(([v, k]) => `${k} ${spelled(v, k)}`).join(', ')}` },
    el('span', { 'aria-hidden': 'true' }, page.verdicts[verdict][1]), el('span', { class: 'quiet' }, page.verdicts[verdict][0]),
    ' ' + (n === members.length ? n : `${n}/${members.length}`)));
  };
  return el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': `${down} and ${across}` }, el('table', { class: 'matrix' },
    el('thead', {}, el('tr', {}, el('th', { scope: 'col', class: 'kind' }, down),
      columns.map((c) => el('th', { scope: 'col' }, el('a', { href: link(across, c) }, c))))),
    el('tbody', {}, values(down).map((row) => el('tr', {}, el('th', { scope: 'row' }, el('a', { href: link(down, row), title: row }, row)),
      columns.map((c) => cell(row, c)))))));
}

function failureArticle(i, kind) {
  const row = ROWS[i];
  const bad = row[at.measurements].filter((m) => BAD.has(S[m[M.verdict]])).sort((a, b) => size(b[M.margin]) - size(a[M.margin]));
  const place = ['subject', 'check', 'problem'].filter((name) => name !== kind).map((name) => get(row, name));
  return el('article', { class: 'failure' },
    el('h3', {}, mark(get(row, 'verdict')), el('a', { class: 'who', href: hrefOf(i) }, place.join(' on ')), ' ', el('span', { class: 'aside' }, get(row, 'dtype'))),
    get(row, 'claim') ? el('p', { class: 'claim' }, get(row, 'claim')) : '',
    bad.length ? el('ul', { class: 'broken' }, bad.slice(0, 3).map((m) => el('li', {}, S[m[M.name]] + ': ', el('b', {}, num(m[M.value])),
      (S[m[M.unit]] ? ' ' + S[m[M.unit]] : '') + ', expected ' + relation(m), ' ', el('span', { class: 'aside' }, S[m[M.why]] || S[m[M.origin]]))))
      : el('p', { class: 'reason' }, get(row, 'reason').slice(0, 700)),
    row[at.reproduce] ? command(row[at.reproduce]) : '');
}

/** Pictures of these results: those of failures first, a few at once. */
function picturesOf(indices) {
  const plates = indices.flatMap((i) => ROWS[i][at.plates].filter((p) => page.plates[p].spec !== undefined));
  const box = el('div', { class: 'plates' });
  let shown = 0;
  const more = el('button', { type: 'button', class: 'more' });
  const show = (count) => {
    box.append(...plates.slice(shown, shown + count).map((p) => plateElement(p, false)));
    shown = Math.min(plates.length, shown + count);
    more.textContent = `Show ${Math.min(12, plates.length - shown)} of ${plates.length - shown} more`;
    more.hidden = shown >= plates.length;
  };
  more.addEventListener('click', () => show(12));
  show(FIRST);
  return plates.length ? el('section', {}, el('h2', {}, 'Pictures'), box, more) : '';
}

function factsOf(kind, name, indices) {
  const row = ROWS[indices[0]];
  if (kind === 'machine') {
    return page.records.filter((r) => r.machine === name).map((r) => el('div', { class: 'columns' },
      ...[['Run and machine', r.facts], ['Versions', r.versions]].map(([caption, facts]) => el('table', { class: 'facts' },
        el('caption', {}, caption + (page.records.length > 1 ? `, record ${r.letter}` : '')),
        el('tbody', {}, facts.map(([k, v]) => el('tr', {}, el('th', { scope: 'row' }, k), el('td', {}, v))))))));
  }
  if (kind === 'problem') return [];
  const evidence = [...new Set(indices.flatMap((i) => ROWS[i][at.evidence]))].map((e) => S[e]);
  return [pairs([['kind', get(row, 'kind')], ['claims', claimsOf(row).join(' · ')], ['tags', tagsOf(row)],
    ['what was loaded', evidence.length ? el('ul', {}, evidence.map((e) => el('li', {}, e))) : '']])];
}

/** Cases on which this machine and another disagree: only a page of several records has any. */
function disagreements(name) {
  const cases = new Map();
  for (let i = 0; i < ROWS.length; i++) {
    const key = ROWS[i][at.id];
    if (!cases.has(key)) cases.set(key, {});
    cases.get(key)[get(ROWS[i], 'machine')] = i;
  }
  const apart = [...cases].filter(([, by]) => name in by && new Set(Object.values(by).map((i) => get(ROWS[i], 'verdict'))).size > 1);
  if (!apart.length) return '';
  const machines = [...new Set(page.records.map((r) => r.machine))];
  return el('section', {}, el('h2', {}, 'Other machines answer otherwise'),
    el('div', { class: 'scroll' }, el('table', { class: 'numbers' },
      el('thead', {}, el('tr', {}, el('th', { class: 'word' }, 'case'), machines.map((m) => el('th', { scope: 'col', class: 'word' }, m)))),
      el('tbody', {}, apart.slice(0, 200).map(([id, by]) => el('tr', {}, el('td', { class: 'word' }, id),
        machines.map((m) => el('td', { class: 'word' }, m in by ? el('a', { href: hrefOf(by[m]) }, mark(get(ROWS[by[m]], 'verdict'))) : '–'))))))));
}

const TABLES = { subject: ['check', 'problem'], problem: ['subject', 'check'], machine: ['subject', 'check'] };

/** One table a kind of subject, so that a column without a single result never appears. */
function crossTables(kind, name, indices) {
  const kinds = [...new Set(indices.map((i) => get(ROWS[i], 'kind')))].sort();
  return kinds.map((k) => crossTable(indices.filter((i) => get(ROWS[i], 'kind') === k), ...TABLES[kind], { [kind]: name }));
}

/** Put the view of one subject, problem or machine in place of the overview; false if there is none of that name. */
function showView(kind, name) {
  const host = document.getElementById('page');
  const indices = rowsWhere(kind, name);
  if (!indices.length) return false;
  const tally = tallyOf(indices);
  const bad = indices.filter((i) => BAD.has(get(ROWS[i], 'verdict')));
  const bySubject = new Map();
  for (const i of indices) {
    const subject = get(ROWS[i], 'subject');
    if (!bySubject.has(subject)) bySubject.set(subject, []);
    bySubject.get(subject).push(i);
  }
  const again = kind === 'subject' ? page.whole[name] : '';
  const heading = el('h1', { tabindex: '-1' }, mark(tally[0][0]), el('span', {}, name));
  host.replaceChildren(
    el('header', { class: 'verdict ' + tally[0][0] },
      el('p', { class: 'crumb' }, el('a', { href: '#main' }, '← The whole report'), ' ', el('span', {}, kind)),
      heading,
      el('div', { class: 'bar', 'aria-hidden': 'true' }, tally.map(([v, n]) => { const i = el('i', { class: v }); i.style.flexGrow = n; return i; })),
      el('ul', { class: 'counts' }, tally.map(([v, n]) => el('li', {}, el('a', { href: filterHref({ [kind]: name, verdict: v }) },
        mark(v), el('b', {}, n.toLocaleString('en')), ' ' + spelled(v, n)))))),
    bad.length ? el('section', {}, el('h2', {}, 'What broke'), bad.slice(0, WRITTEN_OUT).map((i) => failureArticle(i, kind)),
      bad.length > WRITTEN_OUT ? el('p', {}, el('a', { href: filterHref({ [kind]: name, verdict: get(ROWS[bad[WRITTEN_OUT]], 'verdict') }) },
        `${bad.length - WRITTEN_OUT} more in the table of results`)) : '') : '',
    again ? el('section', {}, el('h2', {}, 'How to repeat it'), command(again)) : '',
    el('section', {}, el('h2', {}, 'What was tried'), ...factsOf(kind, name, indices), ...crossTables(kind, name, indices)),
    kind === 'machine' ? disagreements(name) : '',
    picturesOf(indices),
    el('section', {}, el('h2', {}, 'Results'), [...bySubject].map(([subject, members]) => group(subject, members, bySubject.size === 1))));
  document.getElementById('overview').hidden = true;
  host.hidden = false;
  scrollTo(0, 0);
  heading.focus({ preventScroll: true });
  return true;
}

/** The overview again, where it was left. */
function showOverview() {
  document.getElementById('page').hidden = true;
  document.getElementById('page').replaceChildren();
  document.getElementById('overview').hidden = false;
}
