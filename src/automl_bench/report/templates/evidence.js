
// --- answers, sample by sample: confusion matrices, classes, a gallery, and label suspects --------------------------------

const NO_ANSWER = -1;
const PAGE = 24;
const WIDEST_MATRIX = 40;

widgets.evidence = (place, data) => {
  const suspects = new Map();
  let dataset, draws, a, b, kind, cell, page;

  const option = (text, value) => make("option", { textContent: text, value });
  const pick = (label) => {
    const select = make("select");
    return { select, row: make("label", {}, `${label} `, select) };
  };
  const controls = { dataset: pick("Dataset"), a: pick("Variant A"), b: pick("Variant B"), draw: pick("Draw") };
  const matrixOf = make("select", {}, option("A", "a"), option("B", "b"), option("A minus B", "difference"));
  const KINDS = {
    "only-a": "only A is right", "only-b": "only B is right", both: "both are wrong", suspects: "every variant contradicts the label",
  };
  const kinds = make("select", {}, ...Object.entries(KINDS).map(([value, text]) => option(text, value)));
  const said = make("p", { attributes: { "aria-live": "polite" }, className: "answer" });
  const matrix = make("div", { className: "scroll", tabIndex: 0, attributes: { role: "region", "aria-label": "Confusion matrix" } });
  const classes = make("div", { className: "scroll", tabIndex: 0, attributes: { role: "region", "aria-label": "Classes" } });
  const gallery = make("ul", { className: "gallery" });
  const shown = make("p", { attributes: { "aria-live": "polite" } });
  const before = make("button", { type: "button", textContent: "Previous" });
  const after = make("button", { type: "button", textContent: "Next" });
  const marked = make("span", { className: "count" });
  const save = make("button", { type: "button", textContent: "Save suspects.csv" });

  const text = (code) => (code === NO_ANSWER ? "no answer" : code < 0 ? "another answer" : dataset.texts[code]);
  const told = (variant, fold) => variant.draws.find((one) => one.fold === fold);
  const right = (variant, sample, fold) => told(variant, fold).told[sample] === dataset.truth[sample];

  // Every (sample, draw) for which both variants have an answer.
  const pairs = function* () {
    for (const fold of draws) {
      if (!told(a, fold) || !told(b, fold)) continue;
      for (let sample = 0; sample < dataset.samples.length; sample += 1) yield [sample, fold];
    }
  };

  const contradicted = (sample, fold) => dataset.variants.every((one) => {
    const found = told(one, fold);
    return !found || (found.told[sample] !== NO_ANSWER && found.told[sample] !== dataset.truth[sample]);
  });

  const wanted = (sample, fold) => {
    if (cell && cell.missed) return dataset.truth[sample] === cell.truth && !(right(a, sample, fold) && right(b, sample, fold));
    if (cell) {
      const answers = [a, b].filter((_, number) => cell.of === "difference" || cell.of === "ab"[number]);
      return dataset.truth[sample] === cell.truth && answers.some((one) => told(one, fold).told[sample] === cell.told);
    }
    const [ofA, ofB] = [right(a, sample, fold), right(b, sample, fold)];
    return { "only-a": ofA && !ofB, "only-b": ofB && !ofA, both: !ofA && !ofB, suspects: contradicted(sample, fold) }[kind];
  };

  const counts = (variant) => {
    const found = new Map();
    for (const [sample, fold] of pairs()) {
      const key = `${dataset.truth[sample]} ${told(variant, fold).told[sample]}`;
      found.set(key, (found.get(key) || 0) + 1);
    }
    return found;
  };

  const columnsOf = (...many) => {
    const found = new Set(Array.from({ length: dataset.labels }, (_, code) => code));
    for (const one of many) for (const key of one.keys()) found.add(Number(key.split(" ")[1]));
    return [...found].sort((x, y) => (x < 0) - (y < 0) || x - y);
  };

  const drawMatrix = (ofA, ofB) => {
    const of = matrixOf.value;
    const columns = columnsOf(ofA, ofB);
    if (dataset.labels > WIDEST_MATRIX) {
      matrix.replaceChildren(make("p", { className: "notes", textContent: `${dataset.labels} classes are too many for a matrix; the table of classes and results.json have them.` }));
      return;
    }
    const value = (key) => (of === "a" ? ofA.get(key) || 0 : of === "b" ? ofB.get(key) || 0 : (ofA.get(key) || 0) - (ofB.get(key) || 0));
    const head = make("tr", {}, make("th", { textContent: "class ↓ answer →", scope: "col" }), ...columns.map((code) => make("th", { textContent: text(code), scope: "col" })));
    const rows = Array.from({ length: dataset.labels }, (_, truth) => make("tr", {}, make("th", { textContent: text(truth), scope: "row" }), ...columns.map((code) => {
      const count = value(`${truth} ${code}`);
      const inner = count === 0 ? "0" : make("button", {
        type: "button", className: "cell", textContent: of === "difference" && count > 0 ? `+${count}` : String(count).replace("-", "−"),
        attributes: { "aria-label": `${text(truth)} answered as ${text(code)}: ${count}; show the samples` },
      });
      if (count !== 0) inner.addEventListener("click", () => { cell = { truth, told: code, of }; page = 0; drawGallery(); said.scrollIntoView({ block: "nearest" }); });
      return make("td", { className: `number${truth === code ? " same" : ""}` }, inner);
    })));
    matrix.replaceChildren(make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)));
  };

  const drawClasses = (ofA, ofB) => {
    const measure = (found, code) => {
      let [hit, support, claimed] = [0, 0, 0];
      for (const [key, count] of found) {
        const [truth, answer] = key.split(" ").map(Number);
        if (truth === code) support += count;
        if (answer === code) claimed += count;
        if (truth === code && answer === code) hit += count;
      }
      return { recall: support ? hit / support : null, precision: claimed ? hit / claimed : null, f1: support + claimed ? (2 * hit) / (support + claimed) : null, support };
    };
    const percent = (value) => (value === null ? "—" : (100 * value).toFixed(1));
    const minus = (x, y) => (x === null || y === null ? "—" : `${x >= y ? "+" : "−"}${(100 * Math.abs(x - y)).toFixed(1)}`);
    const heads = ["class", "samples", "recall A %", "recall B %", "A − B", "precision A %", "precision B %", "A − B", "F1 A %", "F1 B %", "A − B"];
    const rows = Array.from({ length: dataset.labels }, (_, code) => {
      const [x, y] = [measure(ofA, code), measure(ofB, code)];
      const cells = [text(code), x.support, ...["recall", "precision", "f1"].flatMap((name) => [percent(x[name]), percent(y[name]), minus(x[name], y[name])])];
      const missed = make("button", { type: "button", className: "cell", textContent: text(code), attributes: { "aria-label": `${text(code)}: show the samples that A or B gets wrong` } });
      missed.addEventListener("click", () => { cell = { truth: code, missed: true }; page = 0; drawGallery(); said.scrollIntoView({ block: "nearest" }); });
      return make("tr", {}, ...cells.map((value, column) => make("td", { className: column ? "number" : "tight" }, column ? String(value) : missed)));
    });
    const table = make("table", {}, make("thead", {}, make("tr", {}, ...heads.map((name) => make("th", { textContent: name, scope: "col" })))), make("tbody", {}, ...rows));
    classes.replaceChildren(table);
    sortable(table);
  };

  const keyOf = (sample) => `${dataset.folder}\n${dataset.samples[sample]}`;

  const drawMarked = () => {
    marked.textContent = `${suspects.size} marked`;
    save.disabled = suspects.size === 0;
  };

  const item = (sample, folds) => {
    const answer = (variant, letter) => {
      const found = told(variant, folds[0]);
      const sure = found.sure[sample] < 0 ? "" : ` (${found.sure[sample]} %)`;
      const good = found.told[sample] === dataset.truth[sample];
      return make("span", { className: good ? "right" : "wrong", textContent: `${letter}: ${text(found.told[sample])}${sure}${good ? " ✓" : " ✗"}` });
    };
    const source = dataset.pictures[sample];
    const name = dataset.samples[sample].slice(0, 12);
    const picture = source ? make("img", { src: source, alt: `sample ${name}, labelled ${text(dataset.truth[sample])}`, loading: "lazy" }) : make("span", { className: sample in dataset.excerpts ? "excerpt" : "no-picture", textContent: dataset.excerpts[sample] ?? name });
    const box = make("input", { type: "checkbox", checked: suspects.has(keyOf(sample)) });
    box.addEventListener("change", () => {
      if (box.checked) suspects.set(keyOf(sample), { dataset: dataset.folder, sample: dataset.samples[sample], label: text(dataset.truth[sample]) });
      else suspects.delete(keyOf(sample));
      drawMarked();
    });
    const draw = draws.length > 1 ? make("span", { className: "notes", textContent: `draw ${folds.join(", ")}` }) : "";
    return make("li", {}, picture, make("strong", { textContent: text(dataset.truth[sample]) }), answer(a, "A"), answer(b, "B"), draw, make("label", {}, box, " label is suspect"));
  };

  function canBeSeen(sample) {
    return sample in dataset.pictures || sample in dataset.excerpts;
  }

  function drawGallery() {
    const found = new Map();
    for (const [sample, fold] of pairs()) if (wanted(sample, fold)) found.set(sample, [...(found.get(sample) || []), fold]);
    const order = [...found.keys()].sort((x, y) => canBeSeen(y) - canBeSeen(x) || x - y);
    const what = cell && cell.missed
      ? `${text(cell.truth)} that A or B gets wrong`
      : cell
      ? `${text(cell.truth)} answered as ${text(cell.told)} by ${cell.of === "difference" ? "A or B" : cell.of.toUpperCase()}`
      : KINDS[kind];
    said.textContent = `${order.length} samples: ${what}`;
    const last = Math.max(0, Math.ceil(order.length / PAGE) - 1);
    page = Math.min(page, last);
    gallery.replaceChildren(...order.slice(page * PAGE, (page + 1) * PAGE).map((sample) => item(sample, found.get(sample))));
    shown.textContent = order.length ? `${page * PAGE + 1} to ${Math.min(order.length, (page + 1) * PAGE)} of ${order.length}` : "none";
    before.disabled = page === 0;
    after.disabled = page === last;
  }

  const update = () => {
    a = dataset.variants[Number(controls.a.select.value)];
    b = dataset.variants[Number(controls.b.select.value)];
    const all = [...new Set(dataset.variants.flatMap((one) => one.draws.map((draw) => draw.fold)))].sort((x, y) => x - y);
    draws = controls.draw.select.value === "all" ? all : [Number(controls.draw.select.value)];
    [kind, cell, page] = [kinds.value, null, 0];
    const [ofA, ofB] = [counts(a), counts(b)];
    drawMatrix(ofA, ofB);
    drawClasses(ofA, ofB);
    drawGallery();
    drawMarked();
  };

  const choose = () => {
    dataset = data.datasets[Number(controls.dataset.select.value)];
    const names = dataset.variants.map((one, number) => `${one.name}, ${one.shots} shots`);
    for (const one of [controls.a, controls.b]) one.select.replaceChildren(...names.map((name, number) => option(name, number)));
    controls.b.select.value = String(Math.min(1, names.length - 1));
    const folds = [...new Set(dataset.variants.flatMap((one) => one.draws.map((draw) => draw.fold)))].sort((x, y) => x - y);
    controls.draw.select.replaceChildren(option("all", "all"), ...folds.map((fold) => option(String(fold), fold)));
    notes.replaceChildren(...dataset.notes.map((note) => make("li", { textContent: note })));
    update();
  };

  const csv = (value) => (/[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  save.addEventListener("click", () => {
    const lines = ["dataset,sample,label", ...[...suspects.values()].map((one) => [one.dataset, one.sample, one.label].map(csv).join(","))];
    const link = make("a", { href: URL.createObjectURL(new Blob([`${lines.join("\n")}\n`], { type: "text/csv" })), download: "suspects.csv" });
    link.click();
    URL.revokeObjectURL(link.href);
  });
  before.addEventListener("click", () => { page -= 1; drawGallery(); });
  after.addEventListener("click", () => { page += 1; drawGallery(); });

  const notes = make("ul", { className: "notes" });
  controls.dataset.select.append(...data.datasets.map((one, number) => option(one.name, number)));
  controls.dataset.select.addEventListener("change", choose);
  for (const select of [controls.a.select, controls.b.select, controls.draw.select, matrixOf, kinds]) select.addEventListener("change", update);
  place.append(
    make("div", { className: "tools" }, ...Object.values(controls).map((one) => one.row)), notes,
    make("div", { className: "tools" }, make("label", {}, "Confusion matrix of ", matrixOf)), matrix, classes,
    make("div", { className: "tools" }, make("label", {}, "Samples where ", kinds)), said, gallery,
    make("div", { className: "tools" }, before, shown, after, marked, save),
    make("p", { className: "notes" }, "Mark labels that look wrong, save them, and run ", make("code", { textContent: data.again }), " for the verdict with and without them."),
  );
  choose();
};
