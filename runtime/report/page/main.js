// Puts the page together: sections of all runs, and sections of the run that is chosen.

const data = JSON.parse(document.getElementById("data").textContent);
const runs = data.runs;
runs.forEach((run, i) => {
  run.color = categories[i % categories.length];
});

const dark = window.matchMedia("(prefers-color-scheme: dark)");
function setScheme(name) {
  document.documentElement.dataset.scheme = name;
  charts.retheme();
}
setScheme(dark.matches ? "dark" : "light");
dark.addEventListener("change", () => setScheme(dark.matches ? "dark" : "light"));

const sections = [
  {id: "summary", name: "Summary", ofAll: showSummary},
  {id: "learning", name: "Learning", ofAll: showLearning},
  {id: "formats", name: "Formats", ofOne: showFormats},
  {id: "observations", name: "Observations", ofOne: showObservations},
  {id: "switches", name: "Switches", ofOne: showSwitches},
  {id: "cost", name: "Time and memory", ofOne: showCost},
  {id: "models", name: "Cost models", ofOne: showModels},
  {id: "graph", name: "Graph", ofOne: showGraph},
  {id: "configuration", name: "Configuration", ofAll: showConfiguration},
];

// What a damaged run.json makes impossible is one section's loss.
function draw(section, body, what) {
  try {
    (section.ofAll || section.ofOne)(body, what);
  } catch (error) {
    console.error(error);
    body.append(element("p.note", {}, "This could not be drawn from what the run left: " + error.message));
  }
}

let chosen = 0;
const bodies = new Map();

function showChosen() {
  for (const section of sections) {
    if (!section.ofOne) continue;
    const body = bodies.get(section.id);
    charts.remove(body);
    body.replaceChildren();
    if (runs.length > 1) {
      body.append(element("div.controls", {}, choice("Run", runs.map((run, i) => [i, run.name]), chosen, (i) => {
                            chosen = i;
                            showChosen();
                            document.getElementById(section.id).scrollIntoView();
                          })));
    }
    draw(section, body, runs[chosen]);
  }
}

function showPage() {
  const title = runs.map((run) => run.name).join(", ");
  document.title = title + " – marvin report";
  const report = document.getElementById("report");
  report.append(element(
      "header", {}, element("h1", {}, runs.length > 1 ? runs.length + " runs: " + title : title),
      runs.length > 1 ? null : element("p.muted", {}, subtitle(runs[0]))));
  for (const section of sections) {
    const body = element("div");
    bodies.set(section.id, body);
    report.append(
        element("section", {id: section.id}, section.id === "summary" ? null : element("h2", {}, section.name), body));
    if (section.ofAll) draw(section, body, runs);
  }
  showChosen();
  report.append(element(
      "footer", {}, "Written by marvin ", String(runs[0].run.marvin), ". Charts by dygraphs ", Dygraph.VERSION,
      " (MIT licence, in the source of this page)."));

  const links = sections.map((section) => element("a", {href: "#" + section.id}, section.name));
  document.getElementById("contents")
      .append(
          element("span.brand", {}, "marvin report"), ...links,
          element(
              "button", {
                type: "button",
                onclick: () => setScheme(document.documentElement.dataset.scheme === "dark" ? "light" : "dark"),
              },
              "light / dark"));
  const mark = () => {
    const tops = sections.map((section) => document.getElementById(section.id).getBoundingClientRect().top);
    const here = Math.max(0, tops.filter((top) => top < window.innerHeight / 3).length - 1);
    links.forEach((link, i) => link.classList.toggle("here", i === here));
  };
  window.addEventListener("scroll", mark, {passive: true});
  window.addEventListener("scroll", tip.hide, {passive: true});
  mark();
}

showPage();
