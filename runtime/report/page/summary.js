// The heads of the page: what runs came to. One run: figures. Several: a table side by side.

const summaryOf = (run) => run.run.summary || {};

// A member of nested objects, undefined where a part is missing.
const at = (object, ...path) => path.reduce((o, key) => (o === null || o === undefined ? undefined : o[key]), object);

const lastOf = (list) => list[list.length - 1];

function best(run, key, better) {
  const values = run.evaluations.map((e) => e[key]).filter(isNumber);
  return values.length ? values.reduce((a, b) => (better(b, a) ? b : a)) : undefined;
}

function stepMs(run) {
  const seconds = at(summaryOf(run), "train_s"), steps = at(summaryOf(run), "steps");
  if (isNumber(seconds) && steps > 0) return (1e3 * seconds) / steps;
  const ms = run.steps.ms.filter(isNumber).sort((a, b) => a - b);
  return ms[Math.floor(ms.length / 2)];
}

function shareOfMacs(run, key) {
  const macs = summaryOf(run).macs;
  return macs && macs.total > 0 ? macs[key] / macs.total : undefined;
}

function totalSwitches(run) {
  return Object.values(run.switches.counts).flatMap((byRole) => Object.values(byRole)).reduce((a, b) => a + b, 0);
}

// What the head says of a run, in the order in which it says it: [name, value, text, more].
function figuresOf(run) {
  const summary = summaryOf(run), last = lastOf(run.evaluations) || {};
  const accuracy = best(run, "accuracy", (a, b) => a > b), loss = best(run, "loss", (a, b) => a < b);
  const steps = lastOf(run.steps.step);
  return [
    ["accuracy", last.accuracy, text.percent, isNumber(accuracy) ? "best " + text.percent(accuracy) : ""],
    ["evaluation loss", last.loss, text.number, isNumber(loss) ? "best " + text.number(loss) : ""],
    [
      "steps", steps, text.count,
      at(run.run, "recipe", "batch-size") ? "of " + text.count(run.run.recipe["batch-size"]) + " samples" : ""
    ],
    ["a step", stepMs(run), text.ms, isNumber(summary.train_s) ? text.duration(summary.train_s) + " of training" : ""],
    [
      "products in ≤ 8 bits", shareOfMacs(run, "le8"), text.percent,
      summary.macs ? text.macs(summary.macs.total) + " multiply-accumulates" : ""
    ],
    [
      "modelled speed-up", at(summary, "model", "published", "training_speedup"), (v) => v.toFixed(2) + " ×",
      "of training, by AdaPT's model"
    ],
    [
      "format switches", run.slots.length ? totalSwitches(run) : undefined, text.count,
      text.count(run.switches.words) + " of the word length"
    ],
    [
      "peak memory", summary.peak_bytes, text.bytes,
      isNumber(summary.arena_bytes) ? "arena " + text.bytes(summary.arena_bytes) : ""
    ],
  ];
}

const isKnown = (figure) => isNumber(figure[1]);
const lastStep = (run) => Math.max(1, lastOf(run.steps.step) || 1, lastOf(run.observations.step) || 1);

// What identifies a run besides its name: [name, value].
function originOf(run) {
  const recipe = run.run.recipe || {}, file = (path) => String(path || "").split("/").pop();
  return [
    ["model", file(run.run.model)], ["data", file(recipe.data)], ["precision", recipe.precision || ""],
    ["optimizer", recipe.optimizer ? recipe.optimizer + ", lr " + text.number(recipe.lr) : ""],
    ["started", run.run.started || ""]
  ];
}

const subtitle = (run) => originOf(run).map(([, value]) => value).filter(Boolean).join(" · ");

function showSummary(parent, runs) {
  for (const run of runs) {
    for (const note of run.notes)
      parent.append(element("p.note.card", {}, runs.length > 1 ? run.name + ": " + note : note));
  }
  if (runs.length === 1) {
    parent.append(element(
        "div.figures", {},
        figuresOf(runs[0]).filter(isKnown).map(
            ([name, value, format, more]) => element(
                "div.figure", {}, element("div.name", {}, name), element("div.value", {}, format(value)),
                element("div.more", {}, more)))));
    return;
  }
  const figures = runs.map(figuresOf);
  const columns = [
    {name: ""},
    ...runs.map((run) => ({
                  name: element("span", {}, element("i.swatch", {style: {background: run.color}}), " " + run.name),
                  number: true
                }))
  ];
  const rows =
      figures[0].map((figure, f) => [figure[0], ...figures.map((of) => (isKnown(of[f]) ? of[f][2](of[f][1]) : "–"))]);
  const origins = runs.map(originOf);
  const heads = origins[0].map(([name], i) => [name, ...origins.map((of) => String(of[i][1]))]);
  parent.append(element("div.card", {}, table(columns, [...heads, ...rows])));
}
