// Start: the filter's controls, routes in the fragment, and the sections of pictures.

const TITLE = document.title;

function distinct(name) {
  return [...new Set(ROWS.map((row) => get(row, name)))].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

function syncControls() {
  document.getElementById('q').value = filter.q;
  for (const chip of document.querySelectorAll('#chips button')) chip.setAttribute('aria-pressed', String(chip.value === filter.verdict));
  for (const select of document.querySelectorAll('#selects select')) select.value = filter[select.name];
}

/** Change the filter. ``remember``: '' not at all, 'replace' in this entry of the history, 'push' in one of its own. */
function setFilter(changes, remember = 'push') {
  Object.assign(filter, changes);
  syncControls();
  renderResults();
  if (!remember) return;
  const chosen = new URLSearchParams(Object.entries(filter).filter(([, v]) => v));
  history[remember + 'State'](null, '', '#results' + (String(chosen) ? '?' + chosen : ''));
}

const emptyFilter = () => Object.fromEntries(Object.keys(filter).map((name) => [name, '']));

function buildControls() {
  const tally = {};
  for (const row of ROWS) tally[get(row, 'verdict')] = (tally[get(row, 'verdict')] ?? 0) + 1;
  const present = Object.keys(page.verdicts).filter((v) => tally[v]);
  document.getElementById('chips').append(...present.map((v) => el('button', {
    type: 'button', value: v, 'aria-pressed': 'false', onclick: () => setFilter({ verdict: filter.verdict === v ? '' : v }),
  }, mark(v), page.verdicts[v][0], el('span', { class: 'n' }, tally[v].toLocaleString('en')))));
  const several = EXACT.slice(1).map((name) => [name, distinct(name)]).filter(([, values]) => values.length > 1);
  document.getElementById('selects').append(...several.map(([name, values]) => el('select', {
    name, 'aria-label': 'Only this ' + name, onchange: (event) => setFilter({ [name]: event.target.value }),
  }, el('option', { value: '' }, 'any ' + name), values.map((v) => el('option', { value: v }, v)))));
  document.getElementById('q').addEventListener('input', debounce(120, (event) => setFilter({ q: event.target.value }, 'replace')));
  document.getElementById('clear').addEventListener('click', () => setFilter(emptyFilter()));
  document.querySelector('form.filters').addEventListener('submit', (event) => event.preventDefault());
}

/** Show one result of one record: its group opened, its details under it. */
function showResult(id, record) {
  const index = ROWS.findIndex((row) => row[at.id] === id && row[at.record] === record);
  if (index < 0) return;
  if (!matching().includes(index)) setFilter(emptyFilter(), '');
  const subject = get(ROWS[index], 'subject');
  const details = [...document.querySelectorAll('#groups details.group')].find((d) => d.dataset.subject === subject);
  details.open = true;
  details.show(Math.ceil((details.members.indexOf(index) + 1) / SHOW) * SHOW);
  const tr = details.querySelector(`tr[data-row="${index}"]`);
  toggle(tr, index, true);
  for (const old of document.querySelectorAll('tr.target')) old.classList.remove('target');
  tr.classList.add('target');
  tr.scrollIntoView({ block: 'start' });
  tr.querySelector('button').focus({ preventScroll: true });
}

const left = { y: 0, followed: false }; // where the overview was left, and whether a link was followed since

/** Show what the fragment names: a result, a filter, a view of its own, or a place in the overview. */
function route() {
  const fragment = location.hash.slice(1);
  const [, kind, record, rest] = /^([a-z]+)(\d*)=([^]*)$/.exec(fragment) ?? [];
  let name = rest ?? '';
  try { name = decodeURIComponent(name); } catch { /* a fragment from elsewhere: taken literally */ }
  const followed = left.followed;
  left.followed = false;
  document.title = TITLE;
  if (VIEWS[kind] && showView(kind, name)) {
    document.title = `${name} · ${TITLE}`;
    return;
  }
  const back = !document.getElementById('page').hidden && !followed;
  showOverview();
  if (kind === 'r') {
    showResult(name, Number(record));
  } else if (fragment === '' || fragment === 'results' || fragment.startsWith('results?')) {
    const chosen = new URLSearchParams(fragment.slice(8));
    const wanted = Object.fromEntries(Object.keys(filter).map((n) => [n, chosen.get(n) ?? '']));
    if (Object.keys(filter).some((n) => filter[n] !== wanted[n])) setFilter(wanted, '');
    if (!back && fragment) document.getElementById('results').scrollIntoView();
  } else if (!back) {
    document.getElementById(fragment)?.scrollIntoView();
  }
  if (back && kind !== 'r') scrollTo(0, left.y);
}

/** Move the focus to the next result or failure in sight, or the one before. */
function step(by) {
  const all = [...document.querySelectorAll('.failure h3 a.who, tr.result button.open, details.group > summary')]
    .filter((n) => n.checkVisibility());
  const now = document.activeElement;
  const from = all.indexOf(now);
  const after = all.findIndex((n) => now.compareDocumentPosition(n) & Node.DOCUMENT_POSITION_FOLLOWING);
  const next = from >= 0 ? from + by : by > 0 ? after : (after < 0 ? all.length : after) - 1;
  all[Math.max(0, Math.min(all.length - 1, next))]?.focus();
}

if (document.getElementById('results')) {
  buildControls();
  renderResults();
}
for (const host of document.querySelectorAll('.plates[data-section]')) fillSection(host);
window.addEventListener('hashchange', route);
window.addEventListener('scroll', () => {
  if (!document.getElementById('overview').hidden) left.y = scrollY;
}, { passive: true });
document.addEventListener('click', (event) => {
  const link = event.target.closest?.('a[href^="#"]');
  if (!link) return;
  left.followed = true;
  // A second click on a link that is already in the address bar must work too.
  if (link.getAttribute('href') === location.hash) route();
});
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const typing = event.target.closest?.('input, select, textarea');
  if (event.key === 'Escape') {
    if (typing) typing.blur();
    else if (!document.getElementById('page').hidden) location.hash = '#main';
  } else if (!typing && event.key === '/' && document.getElementById('q')) {
    event.preventDefault();
    if (!document.getElementById('page').hidden) showOverview();
    document.getElementById('q').focus();
  } else if (!typing && (event.key === 'j' || event.key === 'k')) {
    step(event.key === 'j' ? 1 : -1);
  }
});
if (location.hash) route();
document.documentElement.dataset.ready = 'true';
