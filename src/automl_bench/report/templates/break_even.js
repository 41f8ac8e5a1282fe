
// --- what use will cost: sliders, a curve, a ranking and how much it hangs on the weights --------------------------------

const DAYS_A_MONTH = 30.4375;
const SVG = "http://www.w3.org/2000/svg";

const draw = (tag, attributes, ...children) => {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};

const dollars = (usd) =>
  usd > 0 && usd < 0.005 ? "< $0.01" : usd.toLocaleString("en", { style: "currency", currency: "USD", maximumFractionDigits: usd < 1000 ? 2 : 0, minimumFractionDigits: usd < 1000 ? 2 : 0 });

const figures = (value) => Number(value.toPrecision(3)).toLocaleString("en");

// Returns dollars a month, or null where a price is unknown; the same rules as running_costs.py.
const monthOf = (prices, calls, hours) => {
  if (prices.unknown.length || (prices.hour === null && hours > 0)) return null;
  const plans = prices.plans.filter((plan) => plan.month !== null && plan.call !== null);
  if (!plans.length) return null;
  const least = Math.min(...plans.map((plan) => plan.month + Math.max(0, calls - plan.included) * plan.call));
  return least + (prices.hour || 0) * hours * DAYS_A_MONTH;
};

const slider = (label, { min, max, step, value, shown }) => {
  const output = make("span", { className: "value", textContent: shown(value) });
  const input = make("input", { type: "range", min, max, step, value, attributes: { "aria-label": label } });
  input.addEventListener("input", () => {
    output.textContent = shown(Number(input.value));
    input.setAttribute("aria-valuetext", output.textContent);
  });
  input.setAttribute("aria-valuetext", output.textContent);
  return { row: make("label", { className: "slider" }, make("span", { textContent: label }), output, input), input };
};

widgets["break-even"] = (place, data) => {
  const datasets = [...new Set(data.variants.map((one) => one.dataset))];
  const names = [...new Set(data.variants.map((one) => one.name))].sort();
  const volume = (at) => Number((10 ** at).toPrecision(2));
  const percent = (value) => `${value} %`;
  const controls = {
    calls: slider("Calls a month", { min: 2, max: 8, step: 0.05, value: Math.log10(Math.max(100, data.use.calls)), shown: (at) => volume(at).toLocaleString("en") }),
    hours: slider("Hours of service a day", { min: 0, max: 24, step: 1, value: data.use.hours, shown: (hours) => `${hours} h` }),
    labels: slider("Labelled samples", { min: 0, max: Math.max(2000, 4 * data.use.labels), step: 10, value: data.use.labels, shown: (count) => count.toLocaleString("en") }),
    label: slider("Price of a label", { min: 0, max: Math.max(1, 2 * (data.use.label || 0)), step: 0.01, value: data.use.label || 0, shown: (usd) => dollars(usd) }),
    quality: slider("Weight of quality", { min: 0, max: 100, step: 5, value: 60, shown: percent }),
    speed: slider("Weight of speed", { min: 0, max: 100, step: 5, value: 20, shown: percent }),
    cost: slider("Weight of cost", { min: 0, max: 100, step: 5, value: 20, shown: percent }),
  };
  const choice = make("select", {}, ...datasets.map((name) => make("option", { textContent: name, value: name })));
  const sentence = make("p", { className: "answer", attributes: { "aria-live": "polite" } });
  const sensitivity = make("p", { className: "notes" });
  const curve = make("div", { className: "chart curve" });
  const body = make("tbody");
  const heads = ["variant", "tier", "accuracy %", "p95 ms", "$ a month", "$ per 1,000 calls", "first year $", "score"];
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...heads.map((name) => make("th", { textContent: name, scope: "col" })))), body);
  const legend = make("p", { className: "legend" }, ...names.map((name, number) => {
    const swatch = draw("svg", { viewBox: "0 0 12 12", width: 12, height: 12, "aria-hidden": "true" }, draw("circle", { cx: 6, cy: 6, r: 5, class: `dot s${number % 8}` }));
    return make("span", {}, swatch, ` ${name} `);
  }));

  const own = () => data.variants.filter((one) => one.dataset === choice.value);
  const state = () => Object.fromEntries(Object.entries(controls).map(([name, one]) => [name, Number(one.input.value)]));

  // Shares of 1: the best of each is 1, half as good is 0.5; of quality what counts is how few errors there are.
  const scored = (rows, weights) => {
    const sum = weights[0] + weights[1] + weights[2] || 1;
    const least = (key) => Math.min(...rows.map((one) => one[key]).filter((value) => value !== null));
    const error = least("error"), p95 = least("p95"), usd = least("usd");
    const ratio = (best, value, floor) => (value === null ? 0 : (best + floor) / (value + floor));
    return rows.map((one) => (weights[0] * ratio(error, one.error, 0.005) + weights[1] * ratio(p95, one.p95, 1) + weights[2] * ratio(usd, one.usd, 10)) / sum);
  };

  const firstBy = (rows, weights) => {
    const scores = scored(rows, weights);
    return scores.indexOf(Math.max(...scores));
  };

  const cheapest = (priced, calls, hours) => {
    const months = priced.map((one) => monthOf(one.prices, calls, hours));
    const least = Math.min(...months);
    const who = priced.filter((one, number) => months[number] <= least + 0.005).map((one) => one.name);
    return who.length > 1 ? `${who.slice(0, -1).join(", ")} and ${who.at(-1)} alike` : who[0];
  };

  const breakEven = (rows, hours) => {
    const priced = rows.filter((one) => monthOf(one.prices, 1000, hours) !== null);
    if (!priced.length) return "no price is known in full";
    const steps = [{ calls: 0, who: cheapest(priced, 101, hours) }];
    for (let at = 2.01; at <= 9; at += 0.01) {
      const who = cheapest(priced, 10 ** at, hours);
      if (who === steps.at(-1).who) continue;
      let [before, after] = [10 ** (at - 0.01), 10 ** at];
      for (let round = 0; round < 40; round += 1) {
        const middle = (before + after) / 2;
        if (cheapest(priced, middle, hours) === steps.at(-1).who) before = middle;
        else after = middle;
      }
      steps.push({ calls: after, who });
    }
    if (steps.length === 1) return `${steps[0].who} at every volume`;
    return steps.map((one, number) => {
      if (number === 0) return `below ${figures(steps[1].calls)} calls a month ${one.who}`;
      if (number === steps.length - 1) return `above ${figures(one.calls)} ${one.who}`;
      return `from ${figures(one.calls)} to ${figures(steps[number + 1].calls)} ${one.who}`;
    }).join(", ");
  };

  const drawCurve = (rows, calls, hours) => {
    const narrow = window.innerWidth <= 700;
    const [width, height, left, bottom] = narrow ? [360, 250, 66, 214] : [760, 300, 74, 262];
    const right = width - 36;
    const [low, high] = [2, 8];
    const usd = rows.flatMap((one) => [low, high].map((at) => monthOf(one.prices, 10 ** at, hours))).filter((value) => value > 0);
    const [bottomUsd, topUsd] = usd.length ? [Math.floor(Math.log10(Math.min(...usd))), Math.ceil(Math.log10(Math.max(...usd)))] : [0, 3];
    const x = (at) => left + ((at - low) / (high - low)) * (right - left);
    const y = (value) => (value <= 0 ? bottom : bottom - 14 - ((Math.log10(value) - bottomUsd) / Math.max(1, topUsd - bottomUsd)) * (bottom - 34));
    const parts = [];
    const text = (px, py, words, anchor, kind = "faint") => parts.push(draw("text", { x: px, y: py, "text-anchor": anchor, "font-size": 12, class: kind }, words));
    for (let power = bottomUsd; power <= topUsd; power += Math.max(1, Math.ceil((topUsd - bottomUsd) / 6))) {
      parts.push(draw("line", { x1: left, x2: right, y1: y(10 ** power), y2: y(10 ** power), class: "grid" }));
      text(left - 5, y(10 ** power) + 4, `$${(10 ** power).toLocaleString("en", { maximumFractionDigits: 3 })}`, "end");
    }
    for (let at = low; at <= high; at += narrow ? 2 : 1) text(x(at), bottom + 17, (10 ** at).toLocaleString("en"), "middle");
    parts.push(draw("polyline", { points: `${left},14 ${left},${bottom} ${right},${bottom}`, class: "axis", fill: "none" }));
    text(left + 4, 12, "dollars a month", "start", "title");
    text((left + right) / 2, bottom + 33, "calls a month", "middle", "title");
    for (const one of rows) {
      if (monthOf(one.prices, 1000, hours) === null) continue;
      const points = [];
      for (let at = low; at <= high + 1e-9; at += 0.05) points.push(`${x(at).toFixed(1)},${y(monthOf(one.prices, 10 ** at, hours)).toFixed(1)}`);
      parts.push(draw("polyline", { points: points.join(" "), class: `cost s${names.indexOf(one.name) % 8}`, fill: "none" }));
    }
    const at = Math.log10(calls);
    parts.push(draw("line", { x1: x(at), x2: x(at), y1: 14, y2: bottom, class: "here" }));
    const label = `Dollars a month against calls a month: ${sentence.textContent}`;
    curve.replaceChildren(draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, ...parts));
  };

  const update = () => {
    const now = state();
    const calls = volume(now.calls);
    const rows = own().map((one) => ({ ...one, error: 1 - one.accuracy, usd: monthOf(one.prices, calls, now.hours) }));
    const weights = [now.quality, now.speed, now.cost];
    const scores = scored(rows, weights);
    const order = rows.map((_, number) => number).sort((a, b) => scores[b] - scores[a]);
    const billed = rows.filter((one) => one.prices.as_of);
    const some = billed.length && billed.length < rows.length ? ` Of those that somebody bills: ${breakEven(billed, now.hours)}.` : "";
    sentence.textContent = `Least cost in use, ${now.hours} h a day: ${breakEven(rows, now.hours)}.${some}`;
    body.replaceChildren(...order.map((number) => {
      const one = rows[number];
      const once = now.labels * now.label + (one.train || 0);
      const cells = [
        one.name, one.tier, (100 * one.accuracy).toFixed(1), one.p95 === null ? "—" : figures(one.p95),
        one.usd === null ? "unknown" : `${dollars(one.usd)}${one.prices.invented ? " simulated" : ""}`,
        one.usd === null ? "unknown" : dollars((1000 * one.usd) / calls),
        one.usd === null ? "unknown" : dollars(12 * one.usd + once), scores[number].toFixed(2),
      ];
      return make("tr", {}, ...cells.map((cell, column) => make("td", { textContent: cell, className: column ? "number" : "tight" })));
    }));
    const wins = new Map();
    let all = 0;
    for (let q = 0; q <= 20; q += 1) for (let s = 0; s + q <= 20; s += 1) {
      const name = rows[firstBy(rows, [q, s, 20 - q - s])].name;
      wins.set(name, (wins.get(name) || 0) + 1);
      all += 1;
    }
    const near = [0, 1, 2].flatMap((which) => [-10, 10].map((by) => weights.map((weight, place) => Math.max(0, weight + (place === which ? by : 0)))));
    const winner = rows[order[0]].name;
    const others = [...new Set(near.map((changed) => rows[firstBy(rows, changed)].name))].filter((name) => name !== winner);
    const shares = [...wins].sort((a, b) => b[1] - a[1]).map(([name, count]) => `${name} ${Math.round((100 * count) / all)} %`);
    sensitivity.textContent = `${winner} is first with these weights; ${others.length ? `a change of one weight by 10 makes ${others.join(" or ")} first` : "no change of one weight by 10 makes another one first"}. First among all possible weights: ${shares.join(", ")}.`;
    drawCurve(rows, calls, now.hours);
  };

  const sources = [...new Set(data.variants.map((one) => one.prices).filter((one) => one.as_of).map((one) => `${one.as_of}: ${one.sources.join("; ")}`))];
  const notes = [
    ...data.assumptions,
    "First year: twelve months, the labels and one training. Score: 1 for the best of the three, half as good 0.5, weighted; quality by errors left, where variants that are not separated count alike. A score is your taste, not a finding.",
    ...(sources.length ? [`Prices as read on ${sources.join(" · ")}.`] : []),
  ];
  place.append(
    make("div", { className: "tools" }, make("label", {}, "Dataset ", choice)),
    make("div", { className: "sliders" }, ...Object.values(controls).map((one) => one.row)),
    sentence, curve, legend,
    make("div", { className: "scroll", tabIndex: 0, attributes: { role: "region", "aria-label": "Ranking by your weights" } }, table),
    sensitivity, make("ul", { className: "notes" }, ...notes.map((note) => make("li", { textContent: note }))),
  );
  for (const one of Object.values(controls)) one.input.addEventListener("input", update);
  choice.addEventListener("change", update);
  window.addEventListener("resize", update);
  update();
};
