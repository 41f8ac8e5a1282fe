"use strict";
// What the page can do with scripts on; everything it shows stands in the page without them, too. These files are joined
// in the order tables, …, start.

const make = (tag, options = {}, ...children) => {
  const { data, attributes, ...rest } = options;
  const element = Object.assign(document.createElement(tag), rest);
  if (data) Object.assign(element.dataset, data);
  for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
  element.append(...children);
  return element;
};

const widgets = {};

// --- tables: sort by a click on a column's name, filter by what is typed -----------------------------------------

const FEWEST_ROWS = 4;

const valueOf = (text) => {
  const found = /^\s*[<>]?\s*([−-]?[\d,]*\.?\d+)/.exec(text);
  return found ? Number(found[1].replace("−", "-").replaceAll(",", "")) : NaN;
};

const compare = (a, b) => {
  const [x, y] = [valueOf(a), valueOf(b)];
  if (!Number.isNaN(x) && !Number.isNaN(y) && x !== y) return x - y;
  if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
  return a.localeCompare(b, "en", { numeric: true });
};

const sortable = (table) => {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  heads.forEach((head, column) => {
    const button = make("button", { type: "button", textContent: head.textContent });
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].sort((a, b) => compare(a.cells[column].textContent, b.cells[column].textContent));
      body.append(...(down ? rows.reverse() : rows));
    });
  });
};

const filterable = (region, table) => {
  const rows = [...table.tBodies[0].rows];
  const input = make("input", { type: "search", placeholder: "words" });
  const label = make("label", {}, `Filter ${region.getAttribute("aria-label")} `, input);
  const count = make("output", { textContent: `${rows.length} rows` });
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += !row.hidden;
    }
    count.textContent = shown === rows.length ? `${shown} rows` : `${shown} of ${rows.length} rows`;
  });
  region.before(make("div", { className: "tools" }, label, count));
};

for (const region of document.querySelectorAll(".scroll")) {
  const table = region.querySelector("table");
  if (!table || table.tBodies[0].rows.length < FEWEST_ROWS) continue;
  sortable(table);
  filterable(region, table);
}
