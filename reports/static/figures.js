// Pictures: specification and data are joined when a picture scrolls into view, and again when the scheme changes.

const SHAPES = { // the order of Vega's symbols, drawn in a box from -1 to 1
  circle: 'M1,0A1,1,0,1,1,-1,0A1,1,0,1,1,1,0Z', square: 'M-.9,-.9H.9V.9H-.9Z', 'triangle-up': 'M0,-1L1,.85H-1Z',
  cross: 'M-1,-.35H-.35V-1H.35V-.35H1V.35H.35V1H-.35V.35H-1Z', diamond: 'M0,-1.1L1.1,0L0,1.1L-1.1,0Z',
  'triangle-right': 'M1,0L-.85,1V-1Z', 'triangle-down': 'M0,1L1,-.85H-1Z', 'triangle-left': 'M-1,0L.85,1V-1Z',
};
const shapeNames = Object.keys(SHAPES);
const FIRST = 4;
const dark = window.matchMedia('(prefers-color-scheme: dark)');
const drawn = new Map(); // host element -> {plate, view}

/** The charts take their colours from the style sheet, so that there is one palette: '--ink' is its colour of that name. */
function chartConfig() {
  const style = getComputedStyle(document.documentElement);
  const coloured = (node) => (typeof node === 'string' && node.startsWith('--') ? style.getPropertyValue(node).trim()
    : Array.isArray(node) ? node.map(coloured)
      : node && typeof node === 'object' ? Object.fromEntries(Object.entries(node).map(([k, v]) => [k, coloured(v)])) : node);
  return { ...coloured(page.config), font: style.fontFamily };
}

function seriesOf(plate) {
  return plate.sheets.filter((s) => s[2] === plate.kind).map((s) => s[1]);
}

/** Rows of a table, one object each, from columns. */
function rowsOf(columns, more = {}) {
  const names = Object.keys(columns);
  const length = names.length ? columns[names[0]].length : 0;
  const rows = new Array(length);
  for (let i = 0; i < length; i++) {
    const row = { ...more };
    for (const name of names) row[name] = columns[name][i];
    rows[i] = row;
  }
  return rows;
}

/** The size of a picture for a width: known before it is drawn, so that nothing moves when it is. */
function frame(plate, width) {
  const square = plate.shape === 'square-panels';
  if (square || plate.shape === 'panels') {
    let across = Math.max(1, Math.min(plate.panels, Math.floor(width / (square ? 150 : 165))));
    if (plate.together > 1 && across > 1) {
      // Panels that belong together stay in one row; on a phone there they are small rather than apart.
      across = Math.max(plate.together, across - across % plate.together);
    }
    const free = Math.max(plate.together > 1 ? 56 : 90, Math.floor((width - 8) / across) - (square ? 46 : 20));
    const side = square ? Math.min(free, 230) : free;
    return { across, side, height: Math.ceil(plate.panels / across) * ((square ? side : 96) + 42) };
  }
  const fixed = { square: Math.min(width, 440), tall: 320, rows: Math.min(620, 50 + 11 * plate.panels) };
  return { height: fixed[plate.shape] ?? (width < 480 ? 230 : 260) };
}

/** Put a plate's sizes, series and parameters into a copy of its specification. */
function specOf(plate, width) {
  const spec = structuredClone(page.specs[plate.spec]);
  const series = seriesOf(plate);
  (function walk(node) {
    if (!node || typeof node !== 'object') return;
    if (Array.isArray(node.domain) && node.domain[0] === '$series') node.domain = series;
    for (const child of Object.values(node)) walk(child);
  })(spec);
  spec.params = (spec.params ?? []).map((p) => (p.name in plate.params ? { ...p, value: plate.params[p.name] } : p));
  const { height, across, side } = frame(plate, width);
  if (plate.shape.endsWith('panels')) {
    spec.columns = across;
    spec.spec.width = side;
    spec.spec.height = plate.shape === 'panels' ? 96 : side;
  } else {
    spec.width = plate.shape === 'square' ? height : width;
    spec.height = height;
    spec.autosize = { type: 'fit', contains: 'padding' };
  }
  spec.datasets = { main: plate.sheets.flatMap(([d, series, kind]) => rowsOf(columnsOf(d).columns, { series, kind })) };
  for (const [name, columns] of Object.entries(plate.tables)) spec.datasets[name] = rowsOf(columns);
  return spec;
}

async function drawPlate(host) {
  const state = drawn.get(host);
  const width = Math.floor(host.clientWidth);
  if (!width || state.busy) return;
  state.busy = true;
  host.style.minHeight = frame(state.plate, width).height + 'px';
  try {
    const spec = specOf(state.plate, width);
    const heavy = spec.datasets.main.length > 1500;
    state.view?.finalize();
    const { view } = await window.vegaEmbed(host, spec, {
      actions: false, ast: true, renderer: heavy ? 'canvas' : 'svg', config: chartConfig(), tooltip: { theme: 'custom' },
      defaultStyle: false,
    });
    state.view = view;
    state.width = width;
    if (spec.columns) host.dataset.across = spec.columns;
    host.dataset.drawn = 'true';
  } catch (error) {
    host.textContent = 'This picture could not be drawn (' + error.message + '); its table is below.';
    host.dataset.drawn = 'failed';
  }
  state.busy = false;
}

const onSight = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    onSight.unobserve(target);
    drawPlate(target);
  }
}, { rootMargin: '400px 0px' });

function redraw(changed) {
  for (const [host, state] of drawn) {
    if (!host.isConnected) { state.view?.finalize(); drawn.delete(host); continue; }
    if (!state.view || (changed === 'width' && Math.abs(host.clientWidth - state.width) < 2)) continue;
    const box = host.getBoundingClientRect();
    if (box.bottom > -400 && box.top < innerHeight + 400) drawPlate(host);
    else onSight.observe(host);
  }
}
dark.addEventListener('change', () => redraw('scheme'));
window.addEventListener('resize', debounce(200, () => redraw('width')));

function swatch(i) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '-1.4 -1.4 2.8 2.8');
  svg.setAttribute('class', 'swatch');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', SHAPES[shapeNames[i % shapeNames.length]]);
  path.style.fill = 'var(--c' + (i % 8) + ')';
  svg.append(path);
  return svg;
}

function legend(plate, host) {
  const names = seriesOf(plate);
  const point = (name) => drawn.get(host)?.view?.signal('focus', name).runAsync();
  return el('ul', { class: 'legend' }, names.map((name, i) => {
    const result = resultAt(plate.owners[i] ?? plate.owners[0]);
    const events = { mouseenter: () => point(name), mouseleave: () => point(''), focusin: () => point(name), focusout: () => point('') };
    const item = el('li', {}, swatch(i), el('a', { href: result.href }, name), ' ', mark(result.verdict),
      plate.captions[i] ? el('span', { class: 'caption' }, plate.captions[i]) : '');
    for (const [type, listener] of Object.entries(events)) item.addEventListener(type, listener);
    return item;
  }));
}

/** The data behind a picture as text; the first rows at once, all on demand. */
function dataTable(plate, limit = 60) {
  const many = plate.sheets.length > 1;
  const names = [...new Set(plate.sheets.flatMap(([d]) => Object.keys(columnsOf(d).columns)))];
  const rows = plate.sheets.flatMap(([d, series, kind]) => rowsOf(columnsOf(d).columns, { series: series || kind }));
  const thinned = plate.sheets.reduce((sum, [d]) => sum + columnsOf(d).thinned, 0);
  const head = el('tr', {}, many ? el('th', { scope: 'col' }, 'series') : '', names.map((n) => el('th', { scope: 'col' }, n)));
  const value = (v) => (typeof v === 'number' ? num(v, 6) : v === undefined || v === null ? '–' : String(v));
  const body = el('tbody', {}, rows.slice(0, limit).map((row) => el('tr', {}, many ? el('td', { class: 'word' }, row.series) : '',
    names.map((n) => el('td', typeof row[n] === 'string' ? { class: 'word' } : {}, value(row[n]))))));
  const box = el('div', { class: 'scroll tall', tabindex: '0', role: 'region', 'aria-label': 'Data of the picture' },
    el('table', { class: 'numbers' }, el('thead', {}, head), body));
  const notes = [thinned ? `${thinned} rows were left out evenly; all are in record.jsonl.` : ''];
  const wrap = el('div', {}, box, notes[0] ? el('p', { class: 'notes' }, notes[0]) : '');
  if (rows.length > limit) {
    wrap.append(el('button', { type: 'button', class: 'more', onclick: () => wrap.replaceWith(dataTable(plate, Infinity)) },
      `Show all ${rows.length} rows`));
  }
  return wrap;
}

/** The element of one picture: caption, legend, chart, notes, table. */
function plateElement(index, own) {
  const plate = page.plates[index];
  const result = resultAt(plate.owners[0]);
  const place = own ? [] : [plate.problem, plate.dtype, plate.check];
  if (!own && !plate.legend) place.push(result.subject);
  const figure = el('figure', { class: 'plate ' + (plate.shape ?? 'table'), 'data-plate': index },
    el('figcaption', {}, el('h4', {}, own ? plate.title : plate.problem),
      el('p', {}, own ? '' : plate.title + ' · ' + place.slice(1).join(' · '),
        !own && !plate.legend ? [' ', mark(result.verdict), ' ', el('a', { href: result.href }, 'result')] : '')));
  if (plate.spec !== undefined) {
    const host = el('div', { class: 'chart', role: 'img', 'aria-label': `${plate.title}, ${plate.problem}: data in the table below` });
    drawn.set(host, { plate });
    host.style.minHeight = frame(plate, plate.shape.endsWith('panels') ? Math.min(innerWidth - 32, 1136) : 500).height + 'px';
    if (plate.legend) figure.append(legend(plate, host));
    figure.append(host);
    onSight.observe(host);
  }
  if (plate.notes.length) figure.append(el('p', { class: 'notes' }, plate.notes.join(' ')));
  const details = el('details', { class: 'data', open: plate.spec === undefined }, el('summary', {}, 'Data as a table'));
  const fill = () => { if (details.open && details.children.length === 1) details.append(dataTable(plate)); };
  details.addEventListener('toggle', fill);
  fill();
  figure.append(details);
  return figure;
}

function fillSection(host) {
  const { plates } = page.sections[Number(host.dataset.section)];
  let shown = 0;
  const more = el('button', { type: 'button', class: 'more' });
  const show = (count) => {
    const next = plates.slice(shown, shown + count).map((p) => plateElement(p, false));
    shown += next.length;
    host.append(...next);
    more.textContent = `Show ${Math.min(12, plates.length - shown)} of ${plates.length - shown} more`;
    if (shown >= plates.length) more.remove();
    return next[0];
  };
  more.addEventListener('click', () => { const first = show(12); first.tabIndex = -1; first.focus({ preventScroll: true }); });
  if (plates.length > FIRST) host.after(more);
  show(plates.length <= FIRST + 2 ? plates.length : FIRST);
}
