// Loss, accuracy, learning rate and step time over steps.

// Beside others, a run is one entry of the legend.
const labelled = (run, runs, label) =>
    (runs.length > 1 ? {label: (run.name + " " + label).trim(), group: run.name, color: run.color} :
                       {label, color: run.color});

function evaluationSeries(runs, key, label, dashed) {
  return runs.map((run) => {
    const points = run.evaluations.filter((e) => isNumber(e[key]));
    return {
      ...labelled(run, runs, label),
      x: points.map((e) => e.step),
      y: points.map((e) => e[key]),
      points: 3,
      width: 2,
      dashed
    };
  });
}

function stepSeries(runs, key, label, options) {
  return runs.map((run) => ({...labelled(run, runs, label), x: run.steps.step, y: run.steps[key], ...options}));
}

function lossSeries(runs) {
  const smooth = stepSeries(runs, "smooth", "smoothed", {width: 2});
  const evaluated = evaluationSeries(runs, "loss", "evaluation", true);
  if (runs.length > 1) return runs.flatMap((_, i) => [smooth[i], evaluated[i]]);
  const raw = stepSeries(runs, "loss", "each step", {width: 1});
  raw[0].color = "#9aa7bb";
  evaluated[0].color = categories[1];
  return [raw[0], smooth[0], evaluated[0]];
}

function accuracySeries(runs) {
  const series = evaluationSeries(runs, "accuracy", runs.length > 1 ? "" : "accuracy");
  if (runs.length > 1) return series;
  const [top5] = evaluationSeries(runs, "top5", "top-5", true);
  return [...series, {...top5, color: categories[2], hidden: true}];
}

// The mean word length over all slots, at most `mostColumns` steps.
function meanWordLength(run) {
  const slots = run.slots.filter((slot) => slot.step.length > 0);
  const steps = rowsOf(slots.map((slot) => ({x: slot.step, y: slot.wl})), true).map((row) => row[0]);
  const end = lastOf(run.steps.step);
  if (isNumber(end) && lastOf(steps) < end) steps.push(end);
  const mean = (step) => {
    const values = slots.map((slot) => slot.wl[lastUpTo(slot.step, step)]).filter(isNumber);
    return values.reduce((a, b) => a + b, 0) / values.length;
  };
  return {x: slots.length ? steps : [], y: slots.length ? steps.map(mean) : []};
}

function showLearning(parent, runs) {
  const grid = element("div.grid"), span = [0, Math.max(...runs.map(lastStep))], compared = runs.length > 1;
  parent.append(
      element(
          "p.hint", {},
          "Drag across a chart to zoom, all charts follow; double-click to see everything; shift and drag to move."),
      grid);
  lineChart(grid, lossSeries(runs), {
    title: "Loss",
    hint: compared ? "Solid: of steps, smoothed. Dashed: of evaluations." : "",
    format: text.number,
    height: 270,
    span,
    compared
  });
  lineChart(grid, accuracySeries(runs), {
    title: "Accuracy of evaluations",
    format: text.percent,
    height: 270,
    span,
    compared,
    nothing: "No accuracy was measured."
  });
  lineChart(
      grid, stepSeries(runs, "lr", runs.length > 1 ? "" : "learning rate", {width: 2}),
      {title: "Learning rate", format: text.number, height: 180, span, compared});
  lineChart(
      grid, stepSeries(runs, "ms", runs.length > 1 ? "" : "a step"),
      {title: "Time of a step", format: text.ms, height: 180, span, zero: true});
  if (!compared) return;
  const words = runs.map((run) => ({label: run.name, color: run.color, width: 2, ...meanWordLength(run)}));
  lineChart(grid, words, {
    title: "Mean word length",
    hint: "Over all layers and roles; float32 counts as 32 bits.",
    format: text.number,
    held: true,
    height: 200,
    compared
  });
}
