// The graph, and what the runs were told and ran on.

function showGraph(parent, run) {
  if (!run.graph || !run.graph.svg) {
    parent.append(element("p.muted", {}, (run.graph && run.graph.note) || "There is no picture of the graph."));
    return;
  }
  // Parsed as a picture, what is in it does not run.
  const picture = new DOMParser().parseFromString(run.graph.svg, "image/svg+xml").documentElement;
  if (picture.localName !== "svg") return;
  const frame = element("div.graph", {}, document.adoptNode(picture));
  // The first node drawn is the model's input: a wide graph is shown from there.
  const showInput = () => {
    const input = picture.querySelector("g.node");
    if (!input) return;
    const node = input.getBoundingClientRect(), window = frame.getBoundingClientRect();
    frame.scrollLeft += node.left + node.width / 2 - window.left - window.width / 2;
    frame.scrollTop += node.top - window.top - 16;
  };
  const size = choice("Size", [["full", "full size"], ["fit", "fit the width"]], "full", (value) => {
    frame.classList.toggle("fit", value === "fit");
    if (value === "full") showInput();
  });
  parent.append(card(
      "",
      "The model in the formats of the end: Quantize violet, parameters yellow. Gradients' formats are in the table above.",
      element("div.controls", {}, size), frame));
  showInput();
}

// Rows of settings, a column per run; those that differ are marked.
function comparison(runs, part) {
  const flat = runs.map((run) => new Map(flatRows(part(run) || {})));
  const keys = [...new Set(flat.flatMap((rows) => [...rows.keys()]))];
  const rows = keys.map((key) => {
    const values = flat.map((of) => (of.has(key) ? of.get(key) : "–"));
    const row = [key, ...values];
    row.differs = values.some((value) => value !== values[0]);
    return row;
  });
  return table([{name: ""}, ...runs.map((run) => ({name: runs.length > 1 ? run.name : "value"}))], rows, "div");
}

function showConfiguration(parent, runs) {
  const grid = element("div.grid");
  parent.append(grid);
  grid.append(card(
      "Recipe", runs.length > 1 ? "Settings that differ are marked." : "As resolved; --recipe takes it.",
      comparison(runs, (run) => run.run.recipe)));
  const rest = element("div");
  grid.append(rest);
  rest.append(card("Machine", "", comparison(runs, (run) => run.run.machine)));
  const origin = ({run}) => ({marvin: run.marvin, ...(run.versions || {}), model: run.model, started: run.started});
  const figures = (run) => {
    const {model, ...others} = summaryOf(run);
    return others;
  };
  rest.append(card("Versions and origin", "", comparison(runs, origin)));
  rest.append(card("Summary", "All figures of run.json but the cost models.", comparison(runs, figures)));
}
