// Colours. Sequences are perceptually even and stay apart for the colour-blind.

const categories =
    ["#3b82f6", "#f08a3c", "#2fa374", "#c2528b", "#8b6fe0", "#b59a1f", "#2aa7b8", "#d2564a", "#7d8ba1", "#6d9c2f"];

// Viridis, nine stops.
const ramp = [
  [68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99],
  [170, 220, 50], [253, 231, 37]
];

function between(share) {
  const at = Math.max(0, Math.min(1, share)) * (ramp.length - 1);
  const i = Math.min(Math.floor(at), ramp.length - 2);
  const mixed = ramp[i].map((from, c) => Math.round(from + (ramp[i + 1][c] - from) * (at - i)));
  return "rgb(" + mixed.join(",") + ")";
}

// Of line i of n: few lines get colours that are far apart, many a sequence from the first layer to the last.
function lineColor(i, n) {
  if (n <= categories.length) return categories[i];
  return "hsl(" + Math.round(225 - (255 * i) / (n - 1)) + " 62% 52%)";
}

const floatColor = "#8a8f98";
// More of the ramp is for the shorter words, which are the usual ones.
const wordMarks = [[2, 0], [4, 0.06], [8, 0.47], [16, 0.8], [24, 0.94], [31, 1]];
function wordColor(wl) {
  if (wl > 31) return floatColor;
  const i = Math.max(1, wordMarks.findIndex(([mark]) => wl <= mark));
  const [[low, from], [high, to]] = [wordMarks[i - 1], wordMarks[i]];
  return between(from + ((wl - low) / (high - low)) * (to - from));
}

// A scale over values: linear from lowest to highest, or logarithmic over the positive ones (zero is the lowest
// colour). Outliers, one in a hundred at either end, do not stretch it.
function scaleOf(values, logarithmic) {
  const place = logarithmic ? (v) => Math.log(v) : (v) => v;
  const used = values.filter((v) => isNumber(v) && (!logarithmic || v > 0)).sort((a, b) => a - b);
  const low = used.length ? used[Math.floor((used.length - 1) * (logarithmic ? 0.01 : 0))] : 0;
  const high = used.length ? used[Math.ceil((used.length - 1) * 0.99)] : 1;
  const from = used.length ? place(low) : 0;
  const width = used.length && place(high) > from ? place(high) - from : 1;
  return {low, high, color: (v) => between(logarithmic && v <= 0 ? 0 : (place(v) - from) / width)};
}

function rampLegend(scale, format) {
  const stops = ramp.map((_, i) => between(i / (ramp.length - 1))).join(",");
  return element(
      "div.legend", {},
      element(
          "span", {}, format(scale.low),
          element("i.ramp", {style: {background: "linear-gradient(to right," + stops + ")"}}), format(scale.high)));
}

function swatchLegend(entries) {
  return element(
      "div.legend", {},
      entries.map(([color, label]) => element("span", {}, element("i.swatch", {style: {background: color}}), label)));
}

const cssColor = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
