// Formats, observations and switches of one run.

const roles = [["weight", "Weights"], ["activation", "Activations"], ["gradient", "Gradients"]];

const metrics = {
  wl: {name: "word length", hint: "Bits of a word, the sign included.", format: (v) => text.word(v), held: true},
  fl: {
    name: "fractional length",
    hint: "Bits behind the point; more than the word has means that all values are small.",
    format: text.number,
    held: true
  },
  needed_wl: {
    name: "needed word",
    hint: "The shortest word that passed the policy's tests when it was last asked.",
    format: (v) => text.word(v),
    held: true
  },
  divergence: {
    name: "divergence",
    hint: "Kullback-Leibler divergence, in nats, between a sample's histogram and that of the rounded sample.",
    format: text.number,
    logarithmic: true
  },
  diversity: {
    name: "gradient diversity",
    hint: "1: the gradients since the last decision all point the same way; the more they differ, the larger.",
    format: text.number,
    logarithmic: true
  },
  saturated:
      {name: "saturation", hint: "Share of elements that were larger than the format holds.", format: text.share},
  underflowed:
      {name: "underflow", hint: "Share of elements that are not zero but were rounded to zero.", format: text.share},
  sparsity: {
    name: "sparsity",
    hint: "Share of zeros after rounding: those that were zero before, in a sample, and the underflowed.",
    format: text.share
  },
  magnitude_error: {
    name: "magnitude error",
    hint: "By how much rounding changed the mean magnitude.",
    format: text.share,
    logarithmic: true
  },
  absmax: {name: "largest magnitude", hint: "Of all elements.", format: text.number, logarithmic: true},
};
// Every switch of them is on record; all else is known of the steps that were observed.
const isExact = (key) => key === "wl" || key === "fl";
const formatMetrics = ["wl", "fl", "needed_wl"];
const metricOf = (key) => metrics[key] || {name: key, hint: "", format: text.number};

// Where a layer comes in the model: gradients are met in the opposite order.
function layerOrder(run) {
  const forward = run.slots.filter((slot) => slot.role !== "gradient").map((slot) => slot.layer);
  return new Map([...new Set(forward)].map((layer, i) => [layer, i]));
}

// Rows of one role and metric, in the order of the layers: {label, slot, x, y}. null where the metric says nothing.
function metricRows(run, role, key, filter) {
  const wanted = filter.trim().toLowerCase();
  const matches = (slot) => !wanted || (slot.layer + " " + slot.slot).toLowerCase().includes(wanted);
  const rows = [];
  run.slots.forEach((slot, s) => {
    if (slot.role !== role || !matches(slot)) return;
    const at = run.observations.slots.indexOf(s), recorded = run.observations.rows[key];
    let x = slot.step, y = slot[key];
    if (key === "fl") y = y.map((fl, i) => (slot.wl[i] > 31 ? null : fl));
    if (!isExact(key)) {
      x = recorded && at >= 0 ? run.observations.step : [];
      y = recorded && at >= 0 ?
          recorded.map(
              (row) => (row && isNumber(row[at]) && !(key === "needed_wl" && row[at] === 0) ? row[at] : null)) :
          [];
    }
    if (y.some(isNumber)) rows.push({label: slot.layer || slot.slot, slot, x, y});
  });
  // A layer may have several slots of a role: then their own names tell them apart.
  const uses = new Map();
  for (const {label} of rows) uses.set(label, (uses.get(label) || 0) + 1);
  for (const row of rows)
    if (uses.get(row.label) > 1) row.label = row.slot.slot;
  const order = layerOrder(run), place = (row) => order.get(row.slot.layer) ?? order.size;
  return rows.sort((a, b) => place(a) - place(b));
}

// The axis of word lengths: those that occur, or, where they are many, some between them.
function wordAxis(lengths) {
  const low = lengths[0], high = lengths[lengths.length - 1];
  const marks = lengths.length <= 6 ? lengths : [2, 4, 8, 12, 16, 20, 24, 32].filter((wl) => wl >= low && wl <= high);
  const room = Math.max(1, (high - low) / 8);
  return {range: [low - room, high + room], marks};
}

const formatAt = (slot, step) => {
  const i = lastUpTo(slot.step, step);
  return i < 0 ? "–" : text.format(slot.wl[i], slot.fl[i]);
};

// A map and its lines side by side; false where there is nothing to show.
function metricCharts(parent, run, key, role, name, filter) {
  const metric = metricOf(key), rows = metricRows(run, role, key, filter);
  if (!rows.length) return false;
  const words = key === "wl" || key === "needed_wl";
  const values = rows.flatMap((row) => row.y);
  const scale = words ? null : scaleOf(values, metric.logarithmic);
  const lengths = [...new Set(values.filter(isNumber))].sort((a, b) => a - b);
  for (const row of rows) {
    row.tip = (i) =>
        [{label: row.slot.slot, value: ""},
         {label: "step", value: text.count(row.x[i])},
         {
           color: isNumber(row.y[i]) ? (words ? wordColor : scale.color)(row.y[i]) : null,
           label: metric.name,
           value: isNumber(row.y[i]) ? metric.format(row.y[i]) : "–"
         },
         ...(isExact(key) ? [{label: "format", value: formatAt(row.slot, row.x[i])}] : []),
    ];
  }
  heatMap(parent, rows, {
    title: name + ": " + metric.name,
    color: words ? wordColor : scale.color,
    last: lastStep(run),
    reach: isExact(key) ? Infinity : reachOf(run.observations.step),
    legend: words ? swatchLegend(lengths.map((wl) => [wordColor(wl), text.word(wl)])) :
                    rampLegend(scale, metric.format),
  });
  const lines = rows.map((row, i) => ({
                           label: row.label,
                           color: lineColor(i, rows.length),
                           x: metric.held ? [...row.x, lastStep(run)] : row.x,
                           y: metric.held ? [...row.y, lastOf(row.y)] : row.y,
                           points: isExact(key) ? 0 : 1.5,
                           width: 1.5
                         }));
  lineChart(parent, lines, {
    title: name + ": " + metric.name,
    format: metric.format,
    held: metric.held,
    logarithmic: metric.logarithmic,
    ...(words ? wordAxis(lengths) : {}),
    height: Math.min(420, Math.max(200, mapHeight(rows.length))),
    hint: rows.length > manyLines ? "First layer blue, last red; point at a line for its name." : ""
  });
  return true;
}

// A box of maps and lines for one of several metrics, with the choice of it and a filter above.
function explorer(parent, run, keys, usual) {
  const body = element("div.explorer");
  const state = {key: keys.includes(usual) ? usual : keys[0], filter: ""};
  const hint = element("p.hint");
  const draw = () => {
    charts.remove(body);
    body.replaceChildren();
    hint.textContent = metricOf(state.key).hint;
    const grid = element("div.grid");
    body.append(grid);
    let any = false;
    for (const [role, name] of roles) any = metricCharts(grid, run, state.key, role, name, state.filter) || any;
    if (!any)
      body.replaceChildren(element(
          "p.muted", {},
          state.filter ? "No layer's name has that in it." : "The policy of this run does not compute it."));
  };
  let waiting = 0;
  const filter = element("input", {
    type: "search",
    placeholder: "filter layers",
    "aria-label": "Filter layers by name",
    oninput: (event) => {
      state.filter = event.target.value;
      clearTimeout(waiting);
      waiting = setTimeout(draw, 150);
    }
  });
  const pick = choice("What to show", keys.map((key) => [key, metricOf(key).name]), state.key, (key) => {
    state.key = key;
    draw();
  });
  parent.append(element("div.controls", {}, pick, filter), hint, body);
  draw();
}

// The formats that a run ends with: a row per layer, a column per role.
function formatTable(run) {
  const needed = run.observations.rows.needed_wl, last = needed ? lastOf(needed) : null;
  const layers = new Map();
  run.slots.forEach((slot, s) => {
    const at = run.observations.slots.indexOf(s), word = last && at >= 0 ? last[at] : 0;
    const cell = formatAt(slot, Infinity) + (word > 0 ? " needs " + word : "");
    const row = layers.get(slot.layer) || {};
    row[slot.role] = (row[slot.role] ? row[slot.role] + ", " : "") + cell;
    layers.set(slot.layer, row);
  });
  return table(
      [{name: "layer"}, ...roles.map(([, name]) => ({name}))],
      [...layers].map(([layer, row]) => [layer, ...roles.map(([role]) => row[role] || "")]));
}

function showFormats(parent, run) {
  if (!run.slots.length) {
    parent.append(element("p.muted", {}, "Everything was computed in float32."));
    return;
  }
  explorer(parent, run, formatMetrics.filter((key) => key !== "needed_wl" || run.observations.rows[key]), "wl");
  parent.append(card(
      "Formats at the end", "<word length, fractional length>; the shortest word that the policy's tests let through.",
      formatTable(run)));
}

function showObservations(parent, run) {
  const {step, rows} = run.observations;
  const saysSomething = (key) => rows[key].some((row) => row && row.some(isNumber));
  const keys = [...Object.keys(metrics), ...Object.keys(rows).filter((key) => !metrics[key]).sort()].filter(
      (key) => !formatMetrics.includes(key) && rows[key] && saysSomething(key));
  if (!keys.length) {
    parent.append(element(
        "p.muted", {},
        run.slots.length ? "The run has no record of observations." : "Everything was computed in float32."));
    return;
  }
  const shown = "What " + text.count(step.length) + " steps showed of every slot";
  parent.append(element("p.hint", {}, shown + ": the points of the curves. Maps are blank where none is near."));
  explorer(parent, run, keys, "divergence");
}

function showSwitches(parent, run) {
  const counts = run.switches.counts, reasons = Object.keys(counts);
  if (!reasons.length) {
    parent.append(element("p.muted", {}, "No format was switched."));
    return;
  }
  const cell = (n) => (n ? text.count(n) : "");
  const rows = reasons.map(
      (reason) =>
          [reason, ...roles.map(([role]) => cell(counts[reason][role])),
           cell(Object.values(counts[reason]).reduce((a, b) => a + b, 0))]);
  parent.append(card(
      "By reason", "",
      table(
          [{name: "reason"}, ...roles.map(([, name]) => ({name, number: true})), {name: "all", number: true}], rows)));
  const list = run.switches.list;
  if (!list.length) return;
  const hint = "The " +
      (run.switches.words > list.length ? "last " + list.length + " of " + text.count(run.switches.words) :
                                          text.count(list.length)) +
      " switches of a word length, and why.";
  const evidence = (s) =>
      [text.count(s.step), s.layer, s.role, text.format(s.from.wl, s.from.fl) + " → " + text.format(s.to.wl, s.to.fl),
       s.reason, text.number(s.divergence), s.role === "weight" ? text.number(s.diversity) : "–",
       text.share(s.saturated), text.share(s.underflowed)];
  parent.append(card(
      "Word lengths", hint,
      table(
          [
            {name: "step"}, {name: "layer"}, {name: "role"}, {name: "format"}, {name: "reason"},
            {name: "divergence", number: true}, {name: "diversity", number: true}, {name: "saturated", number: true},
            {name: "underflowed", number: true}
          ],
          list.map(evidence).reverse())));
}
