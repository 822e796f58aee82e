// What the other scripts share: the embedded data, small DOM helpers, numbers, copying.

const page = JSON.parse(document.getElementById('payload').textContent);
const parsed = new Map();

/** Columns of one embedded Data, parsed when first asked for. */
function columnsOf(index) {
  if (!parsed.has(index)) parsed.set(index, JSON.parse(document.getElementById('d' + index).textContent));
  return parsed.get(index);
}

/** An element with attributes and children; strings become text, never markup. */
function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== ''));
  return node;
}

/** A verdict's symbol with its name for those who do not see it. */
function mark(verdict) {
  const [name, symbol] = page.verdicts[verdict] ?? [verdict, '·'];
  return el('span', { class: 'mark ' + verdict, title: name },
    el('span', { 'aria-hidden': 'true' }, symbol), el('span', { class: 'quiet' }, name));
}

/** Four significant digits, no padding; the record's full digits stay in the tooltip. */
function num(value, digits = 4) {
  if (value === null || value === undefined) return '–';
  if (typeof value !== 'number') return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value).replace('-', '−');
  const text = value.toPrecision(digits);
  const [mantissa, exponent] = Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6
    ? value.toExponential(digits - 1).split('e') : [text, ''];
  const trimmed = mantissa.includes('.') ? mantissa.replace(/0+$/, '').replace(/\.$/, '') : mantissa;
  return (trimmed + (exponent ? 'e' + Number(exponent) : '')).replaceAll('-', '−');
}

const counted = (n, one) => `${n.toLocaleString('en')} ${one}${n === 1 ? '' : 's'}`;

function anchorOf(id, record = 0) {
  return '#r' + (record || '') + '=' + encodeURIComponent(id).replaceAll('%2F', '/');
}

/** A command that breaks between its options only, with a button that copies it. */
function command(line) {
  const words = line.split(' --').map((w, i) => [i ? ' ' : '', el('span', {}, (i ? '--' : '') + w)]);
  return el('div', { class: 'command' }, el('code', {}, words.flat()),
    el('button', { type: 'button', class: 'copy', 'data-copy': true, 'aria-label': 'Copy the command' }, 'Copy'));
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = el('textarea', { class: 'quiet', readonly: true, 'aria-hidden': 'true' });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}

document.addEventListener('click', async (event) => {
  const button = event.target.closest?.('button[data-copy]');
  if (!button) return;
  const done = await copyText(button.parentElement.querySelector('code').textContent);
  button.textContent = done ? 'Copied' : 'Select and copy';
  setTimeout(() => { button.textContent = 'Copy'; }, 1600);
});

function debounce(milliseconds, action) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), milliseconds);
  };
}
