// All series of a page of several records: a table with a small curve each, searched and shown a part at a time.

function sparkline(values, steps) {
  const known = values.map((v, i) => [i, v]).filter(([, v]) => v !== null);
  const low = Math.min(...known.map(([, v]) => v)), high = Math.max(...known.map(([, v]) => v));
  const x = (i) => 3 + (i * 90) / Math.max(1, values.length - 1);
  const y = (v) => (high > low ? 19 - (16 * (v - low)) / (high - low) : 11);
  const node = (name, attributes) => {
    const n = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const [k, v] of Object.entries(attributes)) n.setAttribute(k, v);
    return n;
  };
  const svg = node('svg', { viewBox: '0 0 96 22', width: 96, height: 22, 'aria-hidden': 'true', class: 'spark' });
  for (const s of steps) svg.append(node('line', { x1: x(Math.abs(s)), x2: x(Math.abs(s)), y1: 0, y2: 22, class: s > 0 ? 'worse' : 'better' }));
  svg.append(node('polyline', { points: known.map(([i, v]) => `${x(i)},${y(v)}`).join(' ') }));
  return svg;
}

function seriesRow([owner, name, unit, where, values, steps]) {
  const known = values.filter((v) => v !== null);
  const marks = steps.map((s) => `${s > 0 ? '▲' : '▽'} ${page.records[where[Math.abs(s)]].letter}`).join(' ');
  return el('tr', {}, el('td', {}, sparkline(values, steps)), el('td', { class: 'word' }, marks),
    el('td', { class: 'word' }, el('a', { href: hrefOf(owner) }, ['subject', 'check', 'problem', 'dtype'].map((n) => get(ROWS[owner], n)).join(' · '))),
    el('td', { class: 'word' }, name), el('td', {}, num(known[0])), el('td', {}, num(known[known.length - 1])), el('td', { class: 'word' }, unit),
    el('td', { class: 'word' }, `${values.length}`));
}

function fillSeries(wanted, limit) {
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  const found = page.history.filter(([owner, name]) => words.every((w) => (haystack(owner) + ' ' + name.toLowerCase()).includes(w)));
  const heads = ['', 'steps', 'case', 'what', 'first', 'last', 'unit', 'records'];
  const more = el('button', { type: 'button', class: 'more', onclick: () => fillSeries(wanted, limit + SHOW * 4) },
    `Show ${Math.min(SHOW * 4, found.length - limit)} of ${found.length - limit} more`);
  document.getElementById('series').replaceChildren(
    el('p', { class: 'status', role: 'status' }, `${found.length.toLocaleString('en')} of ${page.history.length.toLocaleString('en')} series`),
    el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Series' }, el('table', { class: 'numbers' },
      el('thead', {}, el('tr', {}, heads.map((h) => el('th', { scope: 'col', class: ['first', 'last'].includes(h) ? '' : 'word' }, h)))),
      el('tbody', {}, found.slice(0, limit).map(seriesRow)))), found.length > limit ? more : '');
}

for (const details of document.querySelectorAll('details.series')) {
  details.addEventListener('toggle', () => { if (details.open && !details.querySelector('table')) fillSeries('', SHOW); });
  document.getElementById('series-q').addEventListener('input', debounce(120, (event) => fillSeries(event.target.value, SHOW)));
}
