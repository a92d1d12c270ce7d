// Elements, numbers as text, and the tooltip. Names come from models: they become text nodes, never markup.

// element("div.card", {title: "..."}, child, "text", [more, children]); event listeners as onclick: function.
function element(kind, attributes, ...children) {
  const [tag, ...classes] = kind.split(".");
  const result = document.createElement(tag);
  if (classes.length) result.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on"))
      result.addEventListener(name.slice(2), value);
    else if (name === "style")
      Object.assign(result.style, value);
    else
      result.setAttribute(name, value);
  }
  result.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return result;
}

function escapeHtml(text) {
  const names = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"};
  return String(text).replace(/[&<>"']/g, (c) => names[c]);
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

const text = {
  count: (value) => (isNumber(value) ? Math.round(value).toLocaleString("en-US") : "–"),
  number(value) {
    if (!isNumber(value)) return "–";
    const size = Math.abs(value);
    if (Number.isInteger(value)) return size < 1e9 ? text.count(value) : text.macs(value);
    if (size < 1e-4 || size >= 1e7) return value.toExponential(2).replace("e+", "e");
    return String(Number(value.toPrecision(4)));
  },
  percent: (share) => (isNumber(share) ? (100 * share).toFixed(2) + " %" : "–"),
  share: (share) => (isNumber(share) ? Number((100 * share).toPrecision(3)) + " %" : "–"),
  ms: (value) =>
      (isNumber(value) ? (value === 0    ? "0" :
                              value < 10 ? value.toFixed(3) :
                                           value.toFixed(1)) +
               " ms" :
                         "–"),
  bytes(value) {
    if (!isNumber(value)) return "–";
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    for (; value >= 1024 && unit + 1 < units.length; ++unit) value /= 1024;
    return (unit ? value.toFixed(1) : value) + " " + units[unit];
  },
  duration(seconds) {
    if (!isNumber(seconds)) return "–";
    if (seconds < 60) return seconds.toFixed(1) + " s";
    const two = (n) => String(Math.floor(n)).padStart(2, "0");
    if (seconds < 3600) return Math.floor(seconds / 60) + ":" + two(seconds % 60) + " min";
    return Math.floor(seconds / 3600) + ":" + two((seconds / 60) % 60) + ":" + two(seconds % 60) + " h";
  },
  macs: (value) =>
      (isNumber(value) && value >= 1e6 ? Number(value.toPrecision(4)).toExponential().replace("e+", "e") :
                                         text.count(value)),
  word: (wl) => (wl > 31 ? "float32" : wl + " bits"),
  format: (wl, fl) => (wl > 31 ? "float32" : "<" + wl + "," + fl + ">"),
};

// rows: [{color, label, value}] beside the pointer.
const tip = {
  box: document.getElementById("tip"),
  show(event, title, rows) {
    const cells = rows.map(
        (row) =>
            [element("i.swatch", {style: {background: row.color || "transparent"}}),
             element("span", {}, row.label),
             element("em", {}, row.value),
    ]);
    tip.box.replaceChildren(element("b", {}, title), element("div", {}, cells.flat()));
    tip.box.hidden = false;
    const {width, height} = tip.box.getBoundingClientRect();
    const right = event.clientX + 16 + width < window.innerWidth;
    const top = Math.min(event.clientY + 14, window.innerHeight - height - 6);
    tip.box.style.left = Math.max(4, right ? event.clientX + 16 : event.clientX - width - 16) + "px";
    tip.box.style.top = Math.max(4, top) + "px";
  },
  hide() {
    tip.box.hidden = true;
  },
};

// A row of buttons of which one is pressed. options: [[value, label], ..].
function choice(label, options, value, onchange) {
  const buttons = options.map(
      ([option, name]) => element(
          "button", {
            type: "button",
            "aria-pressed": option === value,
            onclick: () => {
              for (const [i, other] of buttons.entries()) other.setAttribute("aria-pressed", options[i][0] === option);
              onchange(option);
            },
          },
          name));
  return element("div.choice", {role: "group", "aria-label": label}, buttons);
}

// columns: [{name, number}]; rows: lists of texts or elements. The row's first cell is its head.
function table(columns, rows, kind = "div.scroll") {
  const cells = (row, tag) =>
      row.map((cell, i) => element((i === 0 ? "th" : tag) + (columns[i].number ? ".number" : ""), {}, cell));
  return element(
      kind, {},
      element(
          "table", {}, element("thead", {}, element("tr", {}, cells(columns.map((column) => column.name), "th"))),
          element("tbody", {}, rows.map((row) => {
            const differs = row.differs ? ".differs" : "";
            return element("tr" + differs, {}, cells(row, "td"));
          }))));
}

function card(title, hint, ...children) {
  return element("div.card", {}, element("h3", {}, title), hint ? element("p.hint", {}, hint) : null, children);
}
