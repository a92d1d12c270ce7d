// Where the time went, what was multiplied in how many bits, and memory.

const phases = [["forward", "--forward"], ["backward", "--backward"], ["update", "--update"]];
const mostBars = 16, mostOutputs = 30;

// entries: [{label, parts: [[color, amount], ..], text}]; bars are as long as their parts over `whole`.
function bars(entries, whole) {
  return element(
      "div.bars", {},
      entries.flatMap(
          ({label, parts, value}) =>
              [element("span", {}, label),
               element(
                   "div.bar", {},
                   parts.map(
                       ([color, amount]) => element(
                           "i", {style: {width: (100 * amount) / whole + "%", background: "var(" + color + ")"}}))),
               element("span.amount", {}, value),
  ]));
}

function opBars(profile) {
  const byOp = new Map();
  for (const {op, phase, ms} of profile.ops) {
    const parts = byOp.get(op) || {};
    parts[phase] = (parts[phase] || 0) + ms;
    byOp.set(op, parts);
  }
  const sum = (parts) => Object.values(parts).reduce((a, b) => a + b, 0);
  const sorted = [...byOp].sort((a, b) => sum(b[1]) - sum(a[1]));
  const total = sorted.reduce((all, [, parts]) => all + sum(parts), 0);
  const shown = sorted.slice(0, mostBars), rest = sorted.slice(mostBars);
  if (rest.length) {
    const others = {};
    for (const [, parts] of rest)
      for (const [phase, ms] of Object.entries(parts)) others[phase] = (others[phase] || 0) + ms;
    shown.push([rest.length + " others", others]);
  }
  const longest = Math.max(...shown.map(([, parts]) => sum(parts)));
  const entries = shown.map(([op, parts]) => ({
                              label: op,
                              parts: phases.map(([phase, color]) => [color, parts[phase] || 0]),
                              value: text.ms(sum(parts)) + " · " + text.share(sum(parts) / total),
                            }));
  const legend = swatchLegend(phases.map(([phase, color]) => ["var(" + color + ")", phase]));
  return card(
      "Time per op", "Milliseconds of a step, on average; " + text.ms(total) + " in all.", legend,
      bars(entries, longest));
}

function outputTable(profile) {
  const total = profile.ops.reduce((all, row) => all + row.ms, 0);
  const rows =
      profile.outputs.slice(0, mostOutputs)
          .map((row) => [row.output, row.op, row.kernel, row.phase, text.ms(row.ms), text.share(row.ms / total)]);
  return card(
      "Slowest nodes", "",
      table(
          [
            {name: "output"}, {name: "op"}, {name: "kernel"}, {name: "phase"}, {name: "ms a step", number: true},
            {name: "share", number: true}
          ],
          rows));
}

function macBars(macs) {
  const {total, le8, le16} = macs;
  const part = (label, color, amount) =>
      ({label, parts: [[color, amount]], value: text.macs(amount) + " · " + text.percent(amount / total)});
  return card(
      "Multiply-accumulates",
      "Of forward and backward products, by the wider of the two operands; " + text.macs(total) + " in all.",
      bars(
          [
            part("at most 8 bits", "--bits8", le8), part("9 to 16 bits", "--bits16", le16 - le8),
            part("wider", "--wider", total - le16)
          ],
          total));
}

const isScalar = (value) => value === null || typeof value !== "object";
const isObject = (value) => !isScalar(value) && !Array.isArray(value);

// Numbers, texts and nested objects as rows of names and values. Lists of objects are left out.
function flatRows(value, prefix = "") {
  if (Array.isArray(value) && value.every(isScalar)) return [[prefix, value.map(text.any).join(", ") || "none"]];
  if (Array.isArray(value)) return [];
  if (isScalar(value)) return [[prefix, text.any(value)]];
  return Object.entries(value).flatMap(([key, member]) => flatRows(member, prefix ? prefix + " · " + key : key));
}
text.any = (value) =>
    (typeof value === "number"                 ? text.number(value) :
         value === null || value === undefined ? "–" :
                                                 String(value));

const nameValue = [{name: "name"}, {name: "value", number: true}];

function showCost(parent, run) {
  const summary = summaryOf(run), profile = run.run.profile;
  const grid = element("div.grid");
  parent.append(grid);
  if (profile && Array.isArray(profile.ops) && profile.ops.length)
    grid.append(opBars(profile));
  else
    grid.append(
        card("Time per op", "", element("p.muted", {}, "The run has no profile: it is written when a run ends.")));
  const side = element("div");
  grid.append(side);
  if (summary.macs && summary.macs.total > 0) side.append(macBars(summary.macs));
  const memory = [
    ["peak of the process", summary.peak_bytes, text.bytes],
    ["arena: values and scratch of a step", summary.arena_bytes, text.bytes],
    ["training steps", summary.train_s, text.duration], ["compiling", summary.compile_s, text.duration],
    ["all", summary.wall_s, text.duration]
  ];
  const rows = memory.filter(([, value]) => isNumber(value)).map(([name, value, format]) => [name, format(value)]);
  if (rows.length) side.append(card("Memory and time", "", table(nameValue, rows)));
  if (profile && Array.isArray(profile.outputs) && profile.outputs.length) parent.append(outputTable(profile));
}
