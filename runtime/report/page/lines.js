// Line charts over steps, drawn by dygraphs. All charts of the page show the same steps: zooming one zooms all.

const charts = {
  all: new Map(),  // from the box to the graph in it
  busy: false,
  window: null,  // the steps shown; null: all
  sizes: new ResizeObserver((entries) => entries.forEach(({target}) => charts.all.get(target)?.resize())),
  add(box, graph) {
    charts.all.set(box, graph);
    charts.sizes.observe(box);
  },
  remove(owner) {
    for (const [box, graph] of charts.all) {
      if (!owner.contains(box)) continue;
      charts.sizes.unobserve(box);
      charts.all.delete(box);
      graph.destroy();
    }
  },
  // A drawCallback of dygraphs'.
  follow(graph, initial) {
    if (initial || charts.busy) return;
    const window = graph.isZoomed("x") ? graph.xAxisRange() : null;
    if (String(window) === String(charts.window)) return;
    charts.busy = true;
    charts.window = window;
    for (const other of charts.all.values())
      if (other !== graph) other.updateOptions({dateWindow: window});
    charts.busy = false;
  },
  retheme() {
    charts.busy = true;
    for (const graph of charts.all.values()) graph.updateOptions(themeOptions());
    charts.busy = false;
  },
};

function themeOptions() {
  return {
    gridLineColor: cssColor("--grid"),
    axisLineColor: cssColor("--line"),
    highlightSeriesBackgroundAlpha: 0.6,
    highlightSeriesBackgroundColor: cssColor("--card")
  };
}

// The index of the last element of the rising list `x` that is at most `at`; -1 where there is none.
function lastUpTo(x, at) {
  let low = 0, high = x.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (x[middle] <= at)
      low = middle + 1;
    else
      high = middle;
  }
  return low - 1;
}

const manyLines = 12;      // more of them have no legend; the one next to the pointer is named
const mostColumns = 1200;  // of curves that hold their value between changes

// Rows of dygraphs' data: every step at which a curve has a value, and those of `more`; null where a curve has none
// there.
function rowsOf(series, held, more = []) {
  let steps = [...new Set([...more, ...series.flatMap((one) => one.x)])].sort((a, b) => a - b);
  if (held && steps.length > mostColumns) {
    const first = steps[0], width = (steps[steps.length - 1] - first) / (mostColumns - 1);
    steps = Array.from({length: mostColumns}, (_, i) => first + i * width);
  }
  const at = series.map(() => 0);
  return steps.map((step) => [step, ...series.map((one, s) => {
                     if (held) {
                       const i = lastUpTo(one.x, step);
                       return i < 0 ? null : one.y[i];
                     }
                     while (at[s] < one.x.length && one.x[at[s]] < step) ++at[s];
                     const value = one.x[at[s]] === step ? one.y[at[s]] : null;
                     return isNumber(value) ? value : null;
                   })]);
}

function valueAt(one, step, held) {
  let i = lastUpTo(one.x, step);
  if (i < 0) return null;
  if (!held && i + 1 < one.x.length && one.x[i + 1] - step < step - one.x[i]) ++i;
  return {step: one.x[i], value: one.y[i]};
}

// Series with the same values as a later one, which is painted over them, get wider lines: both are seen.
function widened(series) {
  const values = series.map((one) => one.x + " " + one.y);
  return series.map((one, i) => {
    const above = values.slice(i + 1).filter((other) => other === values[i]).length;
    return {...one, width: (one.width || 1.5) + 3 * above, points: one.points && one.points + 2 * above, above};
  });
}

// The legend's entries: series of a group, of which the first one's colour and dash stand for all, are one.
function entriesOf(series) {
  const entries = new Map();
  series.forEach((one, i) => {
    const key = one.group || one.label;
    if (!entries.has(key)) entries.set(key, {label: key, first: one, members: []});
    entries.get(key).members.push(i);
  });
  return [...entries.values()];
}

function legendButton(graph, {label, first, members}) {
  const swatch = element("i.swatch.thin" + (first.dashed ? ".dashed" : ""), {style: {color: first.color}});
  const onclick = ({currentTarget}) => {
    const on = !graph.visibility()[members[0]];
    for (const i of members) graph.setVisibility(i, on);
    currentTarget.setAttribute("aria-pressed", on);
  };
  return element(
      "button", {type: "button", "aria-pressed": !first.hidden, title: "Show or hide", onclick}, swatch, label);
}

// series: [{label, group, color, x, y, width, points, dashed, hidden}]. options: {title, hint, format, held,
// logarithmic, height, zero, range, marks, span, nothing, compared}. `held`: curves keep their value until it changes;
// `marks`: the values to label; `span`: steps that are shown anyhow; `compared`: equal curves are told apart.
function lineChart(parent, series, options) {
  const box = element("div.chart", {style: {height: (options.height || 230) + "px"}});
  const drawn = series.filter((one) => one.x.length > 0), used = options.compared ? widened(drawn) : drawn;
  const many = used.length > manyLines;
  const legend = element("div.legend");
  const covered = new Set(used.filter((one) => one.above).map((one) => one.group || one.label));
  const same = covered.size ? "Drawn wider, under a curve that is the same: " + [...covered].join(", ") + "." : "";
  const hint = [options.hint, same].filter(Boolean).join(" ");
  parent.append(card(options.title, hint, many ? null : legend, box));
  if (!used.length) {
    box.replaceWith(element("p.muted", {}, options.nothing || "Nothing was recorded."));
    return;
  }
  const rows = rowsOf(used, options.held, options.span);
  const positive = (v) => (options.logarithmic && v !== null && v <= 0 ? null : v);
  const settings = Object.fromEntries(used.map((one, i) => ["s" + i, {
                                                 strokeWidth: one.width || 1.5,
                                                 drawPoints: !!one.points,
                                                 pointSize: one.points || 1,
                                                 strokePattern: one.dashed ? [6, 4] : null,
                                               }]));
  const labels = used.map((_, i) => "s" + i);
  const show = (event, step, name) => {
    const shown = used.map((one, i) => ({one, i}))
                      .filter(({i}) => graph.visibility()[i])
                      .filter(({i}) => !many || "s" + i === name);
    tip.show(event, "step " + text.count(step), shown.map(({one}) => {
      const found = valueAt(one, step, options.held);
      return {color: one.color, label: one.label, value: found ? options.format(found.value) : "–"};
    }));
  };
  const graph = new Dygraph(box, rows.map(([step, ...values]) => [step, ...values.map(positive)]), {
    labels: ["step", ...labels],
    colors: used.map((one) => one.color),
    series: settings,
    visibility: used.map((one) => !one.hidden),
    stepPlot: !!options.held,
    connectSeparatedPoints: true,
    legend: "never",
    logscale: !!options.logarithmic,
    includeZero: !!options.zero,
    valueRange: options.range || null,
    highlightCircleSize: many ? 0 : 3,
    highlightSeriesOpts: many ? {strokeWidth: 2.5} : null,
    dateWindow: charts.window,
    xRangePad: 4,
    yRangePad: 6,
    rightGap: 10,
    axes: {
      x: {axisLabelFormatter: (v) => text.number(v), drawGrid: false, axisLabelWidth: 70, pixelsPerLabel: 50},
      y: {
        axisLabelFormatter: (v) => options.format(v),
        axisLabelWidth: 66,
        pixelsPerLabel: 34,
        ...(options.marks ? {ticker: () => options.marks.map((v) => ({v, label: escapeHtml(options.format(v))}))} : {})
      },
    },
    highlightCallback: (event, step, points, row, name) => show(event, step, name),
    unhighlightCallback: () => tip.hide(),
    drawCallback: charts.follow,
    ...themeOptions(),
  });
  legend.append(...entriesOf(used).map((entry) => legendButton(graph, entry)));
  charts.add(box, graph);
}
