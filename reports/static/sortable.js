// Tables whose heads sort their rows: numbers by value, words by letter, empty ones last.

function keyOf(row, column) {
  const text = row.children[column].dataset.key ?? row.children[column].textContent;
  const value = Number(text);
  return text === '' || text === 'nan' ? null : Number.isNaN(value) ? text : value;
}

function compareKeys(a, b) {
  if (a === null || b === null) return (a === null) - (b === null);
  return typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b), 'en', { numeric: true });
}

for (const table of document.querySelectorAll('table[data-sortable]')) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = el('button', { type: 'button', class: 'sort' }, head.textContent);
    head.replaceChildren(button);
    button.addEventListener('click', () => {
      const falling = head.getAttribute('aria-sort') === 'ascending';
      for (const other of heads) other.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', falling ? 'descending' : 'ascending');
      const rows = [...table.tBodies[0].rows].map((row) => [keyOf(row, column), row]);
      rows.sort(([a], [b]) => (a === null || b === null ? compareKeys(a, b) : falling ? compareKeys(b, a) : compareKeys(a, b)));
      table.tBodies[0].append(...rows.map(([, row]) => row));
    });
  });
}
