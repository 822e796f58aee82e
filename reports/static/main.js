// Start: the filter's controls, routes in the fragment, and the sections of pictures.

function distinct(name) {
  return [...new Set(ROWS.map((row) => get(row, name)))].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

function syncControls() {
  document.getElementById('q').value = filter.q;
  for (const chip of document.querySelectorAll('#chips button')) chip.setAttribute('aria-pressed', String(chip.value === filter.verdict));
  for (const select of document.querySelectorAll('#selects select')) select.value = filter[select.name];
}

function setFilter(changes, remember = true) {
  Object.assign(filter, changes);
  syncControls();
  renderResults();
  if (!remember) return;
  const chosen = new URLSearchParams(Object.entries(filter).filter(([, v]) => v));
  history.replaceState(null, '', '#results' + (String(chosen) ? '?' + chosen : ''));
}

const emptyFilter = () => Object.fromEntries(Object.keys(filter).map((name) => [name, '']));

function buildControls() {
  const tally = {};
  for (const row of ROWS) tally[get(row, 'verdict')] = (tally[get(row, 'verdict')] ?? 0) + 1;
  const present = Object.keys(page.verdicts).filter((v) => tally[v]);
  document.getElementById('chips').append(...present.map((v) => el('button', {
    type: 'button', value: v, 'aria-pressed': 'false', onclick: () => setFilter({ verdict: filter.verdict === v ? '' : v }),
  }, mark(v), page.verdicts[v][0], el('span', { class: 'n' }, tally[v].toLocaleString('en')))));
  document.getElementById('selects').append(...['subject', 'check', 'problem', 'dtype'].map((name) => el('select', {
    name, 'aria-label': 'Only this ' + name, onchange: (event) => setFilter({ [name]: event.target.value }),
  }, el('option', { value: '' }, 'any ' + name), distinct(name).map((v) => el('option', { value: v }, v)))));
  document.getElementById('q').addEventListener('input', debounce(120, (event) => setFilter({ q: event.target.value })));
  document.getElementById('clear').addEventListener('click', () => setFilter(emptyFilter()));
  document.querySelector('form.filters').addEventListener('submit', (event) => event.preventDefault());
}

/** Show one result: its group opened, its details under it. */
function showResult(id) {
  const index = ROWS.findIndex((row) => row[at.id] === id);
  if (index < 0) return;
  if (!matching().includes(index)) setFilter(emptyFilter(), false);
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

function route() {
  const fragment = location.hash.slice(1);
  if (fragment.startsWith('r=')) {
    let id = fragment.slice(2);
    try { id = decodeURIComponent(id); } catch { /* a fragment from elsewhere: taken literally */ }
    showResult(id);
  } else if (fragment.startsWith('results?')) {
    const chosen = new URLSearchParams(fragment.slice(8));
    setFilter(Object.fromEntries(Object.keys(filter).map((name) => [name, chosen.get(name) ?? ''])), false);
    document.getElementById('results').scrollIntoView();
  }
}

if (document.getElementById('results')) {
  buildControls();
  renderResults();
}
for (const host of document.querySelectorAll('.plates[data-section]')) fillSection(host);
window.addEventListener('hashchange', route);
// A second click on a link that is already in the address bar must work too.
document.addEventListener('click', (event) => {
  const link = event.target.closest?.('a[href^="#"]');
  if (link && link.getAttribute('href') === location.hash) route();
});
document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, select, textarea')) return;
  event.preventDefault();
  document.getElementById('q')?.focus();
});
if (location.hash) route();
document.documentElement.dataset.ready = 'true';
