// Heat maps: a row per layer, steps across. dygraphs has the axes and the zoom, in both directions; the cells are ours.

const axisHeight = 22;

const mostLetters = 22;  // of a row's name; what comes last tells layers apart
const nameOf = (label) => (label.length > mostLetters ? "…" + label.slice(1 - mostLetters) : label);

// Few rows are high, many low.
const mapHeight = (rows) => Math.min(Math.max(34 * Math.min(rows, 5), 15 * rows), 560) + axisHeight;

// For how many steps an observation stands: four usual gaps between them, and at least a fortieth of all.
function reachOf(x) {
  const gaps = x.slice(1).map((step, i) => step - x[i]).sort((a, b) => a - b);
  return gaps.length ? Math.max(4 * gaps[gaps.length >> 1], (lastOf(x) - x[0]) / 40) : Infinity;
}

// rows: [{label, x, y, tip(i)}]: y[i] holds from x[i] on, for `reach` steps at most; tip gives the tooltip's rows.
// options: {title, hint, color, legend, last, reach}: the colour of a value, an element, the last step.
function heatMap(parent, rows, options) {
  const box = element("div.chart", {style: {height: mapHeight(rows.length) + "px"}});
  parent.append(card(options.title, options.hint, options.legend, box));
  const used = rows.filter((row) => row.x.length > 0);
  if (!used.length) {
    box.replaceWith(element("p.muted", {}, "Nothing was recorded."));
    return;
  }
  const count = rows.length, letters = Math.max(6, ...rows.map((row) => nameOf(row.label).length));
  const first = Math.min(...used.map((row) => row.x[0]));
  const last = Math.max(options.last, first + 1);
  const reach = options.reach ?? Infinity;
  const rowAt = (y) => count - 1 - Math.round(y);

  const draw = (context, area, graph) => {
    context.fillStyle = cssColor("--empty");
    context.fillRect(area.x, area.y, area.w, area.h);
    const [from, to] = graph.xAxisRange();
    const right = (step) => Math.min(area.x + area.w, graph.toDomXCoord(Math.min(step, last)));
    rows.forEach((row, r) => {
      const top = graph.toDomYCoord(count - 1 - r + 0.5), bottom = graph.toDomYCoord(count - 1 - r - 0.5);
      if (bottom < area.y || top > area.y + area.h) return;
      const gap = bottom - top > 6 ? 1 : 0;
      for (let i = Math.max(0, lastUpTo(row.x, from)); i < row.x.length && row.x[i] <= to; ++i) {
        const value = row.y[i];
        if (!isNumber(value)) continue;
        let end = i + 1;
        while (end < row.x.length && row.y[end] === value && row.x[end] - row.x[end - 1] <= reach) ++end;
        const until = Math.min(end < row.x.length ? row.x[end] : last, row.x[end - 1] + reach);
        const left = Math.max(area.x, graph.toDomXCoord(row.x[i]));
        context.fillStyle = options.color(value);
        if (right(until) > left) context.fillRect(left, top, right(until) - left + 0.5, bottom - top - gap);
        i = end - 1;
      }
    });
  };
  const ticks = (low, high, pixels) => {
    const every = Math.max(1, Math.ceil((high - low) / Math.max(1, pixels / 14)));
    return rows.map((row, r) => ({v: count - 1 - r, label: escapeHtml(nameOf(row.label))}))
        .filter((_, r) => r % every === every >> 1);
  };
  const graph = new Dygraph(box, [[first, 0], [last, 0]], {
    labels: ["step", "value"],
    visibility: [false],
    legend: "never",
    valueRange: [-0.5, count - 0.5],
    dateWindow: charts.window,
    drawGrid: false,
    rightGap: 10,
    xRangePad: 0,
    underlayCallback: draw,
    axes: {
      x: {axisLabelFormatter: (v) => text.number(v), axisLabelWidth: 70},
      y: {ticker: ticks, axisLabelWidth: 14 + 7 * letters},
    },
    drawCallback: charts.follow,
    ...themeOptions(),
  });
  box.addEventListener("mousemove", (event) => {
    const [x, y] = graph.eventToDomCoords(event);
    const area = graph.getArea();
    const row = rows[rowAt(graph.toDataYCoord(y))];
    const inside = x >= area.x && x <= area.x + area.w && y >= area.y && y <= area.y + area.h;
    const step = graph.toDataXCoord(x), i = inside && row ? lastUpTo(row.x, step) : -1;
    if (i < 0 || step > row.x[i] + reach) return tip.hide();
    tip.show(event, row.label, row.tip(i));
  });
  box.addEventListener("mouseleave", tip.hide);
  charts.add(box, graph);
}
