// What models of cost say of a run: figures that are counted, not measured.

const formatsOfModels = {
  times,
  share: text.share,
  count: text.macs,
  bytes: text.bytes,
  bits: (value) => (isNumber(value) ? text.number(value) + " bits" : "–"),
};

// The tables of `summary.model`: `columns` and `also` are members of its own, `rows` are members of the columns.
const modelTables = [
  {
    title: "Cost beside float32",
    hint:
        "What a run gains where a multiply-accumulate costs as much as it has bits: by the AdaPT paper's counts, by " +
        "all operations, and if weights that are zero cost nothing.",
    columns: [["published", "as published"], ["dense", "all operations"], ["sparse", "without zeros"]],
    rows: [
      ["training_speedup", "training speed-up", "times"], ["inference_speedup", "inference speed-up", "times"],
      ["model_size", "size of weights", "share"], ["memory", "size in training", "share"],
      ["overhead", "cost of deciding", "share"]
    ],
  },
  {
    title: "Products",
    hint:
        "A bit operation is a multiply-accumulate times the bits of both operands, over the whole run; the speed-up " +
        "counts those of the wider one alone.",
    columns: [["bit_operations", "bit operations"], ["float32_bit_operations", "in float32"]],
    rows: [["forward", "forward", "count"], ["backward", "backward", "count"]],
    also: [["products_speedup", "speed-up by the wider operand", "times"]],
  },
  {
    title: "Mean word length",
    hint: "Over steps and multiply-accumulates, by what is multiplied.",
    columns: [["mean_wl", ""]],
    rows: [["weight", "weights", "bits"], ["activation", "activations", "bits"], ["gradient", "gradients", "bits"]],
  },
  {
    title: "Weights that products read",
    hint: "In the formats of the last step; in memory they have float32 masters beside them.",
    columns: [["weights", ""]],
    rows: [["elements", "number", "count"], ["bits", "bits of their words", "count"], ["bytes", "in memory", "bytes"]],
  },
];

function modelTable(model, {title, hint, columns, rows, also = []}) {
  const known = columns.filter(([key]) => isObject(model[key]));
  if (!known.length) return null;
  const shown = (value, format) => (isNumber(value) ? formatsOfModels[format](value) : "–");
  const body = rows.map(([member, name, format]) => [name, ...known.map(([key]) => shown(model[key][member], format))]);
  const single = also.map(([key, name, format]) => [name, shown(model[key], format), ...known.slice(1).map(() => "")]);
  const heads = known.map(([, name]) => ({name, number: true}));
  return card(title, hint, table([{name: ""}, ...heads], [...body, ...single]));
}

const layerColumns = [
  ["multiply-accumulates", (layer) => text.count(layer.macs)], ["weights", (layer) => text.count(layer.weights)],
  ...roles.map(([role, name]) => ["bits of " + name.toLowerCase(), (layer) => text.number(at(layer, "mean_wl", role))]),
  ["weights not zero", (layer) => text.share(layer.nonzero)],
  ["training speed-up", (layer) => text.any(layer.training_speedup && times(layer.training_speedup))]
];

function modelledLayers(layers) {
  const columns = [{name: "layer"}, ...layerColumns.map(([name]) => ({name, number: true}))];
  return card(
      "Layers",
      "Multiply-accumulates of one sample's forward pass; bits on average over the run; speed-up by all operations.",
      table(columns, layers.map((layer) => [String(layer.layer), ...layerColumns.map(([, value]) => value(layer))])));
}

// Members that the tables above do not know, under their own names.
function otherFigures(model) {
  const known =
      new Set(["layers", ...modelTables.flatMap(({columns, also = []}) => [...columns, ...also].map(([key]) => key))]);
  const rows = flatRows(Object.fromEntries(Object.entries(model).filter(([key]) => !known.has(key))));
  return rows.length ? card("Other figures", "As run.json names them.", table(nameValue, rows)) : null;
}

function showModels(parent, run) {
  const {model} = summaryOf(run);
  if (!isObject(model)) {
    parent.append(element("p.muted", {}, "The run has no models of cost: they are written when a run ends."));
    return;
  }
  const cards = [...modelTables.map((one) => modelTable(model, one)), otherFigures(model)].filter(Boolean);
  parent.append(element("div.grid", {}, cards));
  if (Array.isArray(model.layers) && model.layers.length) parent.append(modelledLayers(model.layers));
}
