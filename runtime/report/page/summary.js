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

// What decides how much a step computes, and how fast: float32 is a measure for runs that share it.
const workOf = ({run}) => String([
  fileName(run.model), ...["batch-size", "accumulate", "backend"].map((key) => at(run, "recipe", key)),
  at(run, "machine", "cpu"), at(run, "machine", "threads")
]);

// How many times faster the steps were than those of the float32 run among `runs` that did the same work.
function measuredSpeedup(run, runs) {
  if (runs.length === 1) return undefined;
  const float =
      runs.find((other) => at(other.run, "recipe", "precision") === "float32" && workOf(other) === workOf(run));
  return float ? stepMs(float) / stepMs(run) : undefined;
}

const times = (ratio) => ratio.toFixed(2) + " ×";

const hints = {
  "a step": "On average over the run.",
  "measured speed-up, to float32":
      "The time of a step of the float32 run over this run's, where model, batch size, processor and threads are the " +
      "same. Step times depend on the number of threads and on what else the machine did meanwhile.",
  "modelled speed-up": "Counted, not measured: see the cost models.",
};

// What the head says of a run among `runs`, in the order in which it says it: [name, value, text, more].
function figuresOf(run, runs) {
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
    ["measured speed-up, to float32", measuredSpeedup(run, runs), times, ""],
    [
      "products in ≤ 8 bits", shareOfMacs(run, "le8"), text.percent,
      summary.macs ? text.macs(summary.macs.total) + " multiply-accumulates" : ""
    ],
    [
      "modelled speed-up", at(summary, "model", "published", "training_speedup"), times, "of training, by AdaPT's model"
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

const fileName = (path) => String(path || "").split("/").pop();

function optimizerOf(recipe) {
  if (!recipe.optimizer) return "";
  const settings =
      ["lr", "momentum", "weight-decay"].filter((key) => recipe[key] > 0).map((key) => [key, text.number(recipe[key])]);
  const parts = settings.map(([key, value]) => key.replace("-", " ") + " " + value);
  return [recipe.optimizer, ...parts, ...(recipe.nesterov ? ["nesterov"] : [])].join(", ");
}

// What identifies a run besides its name: [name, value]; a number says little without its name.
function originOf(run) {
  const recipe = run.run.recipe || {};
  return [
    ["model", fileName(run.run.model)], ["data", fileName(recipe.data)], ["precision", recipe.precision || ""],
    ["optimizer", optimizerOf(recipe)], ["batch size", recipe["batch-size"]],
    ["threads", at(run.run, "machine", "threads")], ["seed", recipe.seed], ["started", run.run.started || ""]
  ];
}

const subtitle = (run) =>
    originOf(run).map(([name, value]) => (isNumber(value) ? name + " " + value : value)).filter(Boolean).join(" · ");

function showSummary(parent, runs) {
  for (const run of runs) {
    for (const note of run.notes)
      parent.append(element("p.note.card", {}, runs.length > 1 ? run.name + ": " + note : note));
  }
  if (runs.length === 1) {
    parent.append(element(
        "div.figures", {},
        figuresOf(runs[0], runs)
            .filter(isKnown)
            .map(
                ([name, value, format, more]) => element(
                    "div.figure", {title: hints[name] || ""}, element("div.name", {}, name),
                    element("div.value", {}, format(value)), element("div.more", {}, more)))));
    return;
  }
  const figures = runs.map((run) => figuresOf(run, runs));
  const columns = [
    {name: ""},
    ...runs.map((run) => ({
                  name: element("span", {}, element("i.swatch", {style: {background: run.color}}), " " + run.name),
                  number: true
                }))
  ];
  const named = (name) => (hints[name] ? element("span.explained", {title: hints[name]}, name) : name);
  const rows =
      figures[0]
          .map((figure, f) => [named(figure[0]), ...figures.map((of) => (isKnown(of[f]) ? of[f][2](of[f][1]) : "–"))])
          .filter(([, ...values]) => values.some((value) => value !== "–"));
  const origins = runs.map(originOf);
  const heads = origins[0].map(([name], i) => [name, ...origins.map((of) => String(of[i][1] ?? "–"))]);
  parent.append(element("div.card", {}, table(columns, [...heads, ...rows], "div.scroll.whole")));
}
