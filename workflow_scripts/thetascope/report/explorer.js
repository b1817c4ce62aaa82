"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const LABELS = {
  dataset: "Data set", view: "View", encoder: "Encoder", method: "Method", model: "Model", attribution: "Map",
  metric: "Metric", compare: "Compare with",
};
const INPUTS = {
  original: { name: "Original image", symbol: "circle" },
  rotated: { name: "Rotated image, turned back", symbol: "square" },
  pair: { name: "Both images", symbol: "diamond" },
};
const COMPARED = {
  sobel: "No network: edges of the image", none: "No self-supervision", random: "Trained at random angles",
};
// what stands beside a value: column, words, strokes and gaps in pixels
const REFERENCES = [
  { field: "chance", name: "chance", dash: "7 4" },
  { field: "own_cut", name: "own cut: map of the original image, cut to the same pixels", dash: "8 3 2 3" },
];
const DOTS = "2 3";
const AXIS = { left: 52, right: 16, top: 10, bottom: 40 }; // pixels round the plot; the slider's margins follow them
const $ = (id) => document.getElementById(id);
const state = {}; // the chosen curve, what it is compared with, θ and item; the address holds it too
const root = getComputedStyle(document.documentElement);

// Names in the data are text of the user: they go into the page as text, never as markup.
function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function drawn(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const sameArm = (series, upTo) => data.fields.slice(0, upTo).every((f) => series[f] === state[f]);
const fixed = (value) => (value === null ? "no value" : value.toFixed(3));
const counted = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;
const nameOf = (field, value) => data.names[field]?.[value] ?? value;
const small = (words) => `${words[0].toLowerCase()}${words.slice(1)}`;

// ---- what is chosen -------------------------------------------------------------------------------

/** Offer what there is, given the choices before; keep the choice where it is still there. */
function offer() {
  data.fields.forEach((field, i) => {
    const there = data.series.filter((s) => s.trained === "theta" && sameArm(s, i));
    fill(field, [...new Set(there.map((s) => s[field]))], (value) => nameOf(field, value));
  });
  const others = Object.keys(COMPARED).filter((name) => compared(name).length);
  fill("compare", ["", ...others], (value) => COMPARED[value] ?? "nothing");
}

function fill(field, values, name) {
  if (!values.includes(state[field])) state[field] = values[0];
  $(field).replaceChildren(...values.map((value) => element("option", { value }, name(value))));
  $(field).value = state[field];
  $(field).parentElement.hidden = values.length < 2; // there is nothing to choose
}

const curves = () => data.series.filter((s) => s.trained === "theta" && sameArm(s));

function compared(name) {
  if (!Object.hasOwn(COMPARED, name)) return [];
  if (name !== "sobel") return data.series.filter((s) => s.trained === name && sameArm(s));
  if (state.model === "baseline") return [];
  const edges = { ...state, model: "baseline", attribution: "sobel" };
  return data.series.filter((s) => s.trained === "theta" && data.fields.every((f) => s[f] === edges[f]));
}

const thetas = () => [...new Set(curves().flatMap((s) => s.theta))].sort((a, b) => a - b);

/** Degrees between two angles, on the circle. */
function apart(a, b) {
  const turn = Math.abs(a - b) % 360;
  return Math.min(turn, 360 - turn);
}

const nearest = (angles, theta) => angles.includes(theta)
  ? theta : angles.reduce((best, a) => (apart(a, theta) < apart(best, theta) ? a : best));
const nearestOnAxis = (theta) =>
  thetas().reduce((best, a) => (Math.abs(a - theta) < Math.abs(best - theta) ? a : best));

// ---- curves ---------------------------------------------------------------------------------------

const references = (s) => REFERENCES.filter(({ field }) => s[field].some((value) => value !== null));

/** Line through what has a value, with a gap where there is none. */
function line(values, theta, x, y) {
  let pen = "M";
  return values.map((value, i) => {
    if (value === null) { pen = "M"; return ""; }
    const part = `${pen}${x(theta[i]).toFixed(1)},${y(value).toFixed(1)}`;
    pen = "L";
    return part;
  }).join("");
}

/** Outline of the intervals, one for each stretch of angles without a gap. */
function band({ theta, low, high }, x, y) {
  const at = (values) => (i) => `${x(theta[i]).toFixed(1)},${y(values[i]).toFixed(1)}`;
  let [path, stretch] = ["", []];
  theta.forEach((_, i) => {
    if (low[i] !== null) stretch.push(i);
    if (low[i] !== null && i < theta.length - 1) return;
    if (stretch.length) path += `M${[...stretch.map(at(low)), ...stretch.reverse().map(at(high))].join("L")}Z`;
    stretch = [];
  });
  return path;
}

function mark(symbol, cx, cy, r, look) {
  if (symbol === "circle") return drawn("circle", { cx, cy, r, ...look });
  const turn = symbol === "diamond" ? { transform: `rotate(45 ${cx} ${cy})` } : {};
  return drawn("rect", { x: cx - r, y: cy - r, width: 2 * r, height: 2 * r, ...turn, ...look });
}

/** Bounds of all that is drawn, and a step between ticks that is easy to read. */
function scale(series) {
  const every = series.flatMap((s) => [s.value, s.low, s.high, s.chance, s.own_cut].flat()).filter((v) => v !== null);
  const [low, high] = every.length ? [Math.min(...every), Math.max(...every)] : [0, 1];
  const rough = (high - low || 0.1) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  return { low: Math.floor(low / step) * step, high: Math.ceil(high / step + 1e-9) * step, step };
}

/** What is common to the large plot and the small ones: bands, references and lines of some curves. */
function shapes(series, others, x, y, size) {
  const [below, above] = [[], []];
  for (const s of series) {
    const colour = `var(--${s.input})`;
    const stroke = `fill: none; stroke: ${colour}`;
    below.push(drawn("path", { class: "band", d: band(s, x, y), style: `fill: ${colour}; fill-opacity: .18` }));
    for (const { field, dash } of references(s)) {
      const look = `${stroke}; stroke-width: 1.5; stroke-dasharray: ${dash}`;
      below.push(drawn("path", { class: field, d: line(s[field], s.theta, x, y), style: look }));
    }
    above.push(drawn("path", { class: "value", d: line(s.value, s.theta, x, y), style: `${stroke}; stroke-width: 2.25` }));
    s.theta.forEach((theta, i) => {
      if (s.value[i] === null || !size) return;
      const r = theta === state.theta ? 2 * size : size;
      const look = { class: "mark", style: `fill: ${colour}; stroke: var(--card)` };
      above.push(mark(INPUTS[s.input].symbol, x(theta), y(s.value[i]), r, look));
    });
  }
  for (const s of others) {
    const look = `fill: none; stroke: var(--${s.input}); stroke-width: 2; stroke-dasharray: ${DOTS}`;
    below.push(drawn("path", { class: "other", d: line(s.value, s.theta, x, y), style: look }));
  }
  return [...below, ...above];
}

function drawCurve(pointed = null) {
  const [width, height] = [$("plot").clientWidth, $("plot").clientHeight];
  const [series, others] = [curves(), compared(state.compare)];
  const { low, high, step } = scale([...series, ...others]);
  const x = (theta) => AXIS.left + (width - AXIS.left - AXIS.right) * theta / 360;
  const y = (value) => height - AXIS.bottom - (height - AXIS.bottom - AXIS.top) * (value - low) / (high - low);
  const text = (attributes, words) => drawn("text", {
    style: "fill: var(--ink); font: 13px system-ui, sans-serif", ...attributes,
  }, words);
  const rule = (x1, x2, y1, y2, colour) => drawn("line", { x1, x2, y1, y2, style: `stroke: var(--${colour})` });
  const parts = [];
  for (let n = 0; low + n * step <= high + step / 2; n += 1) {
    const value = low + n * step;
    parts.push(rule(x(0), x(360), y(value), y(value), "grid"));
    const digits = Math.max(0, -Math.floor(Math.log10(step)));
    parts.push(text({ x: AXIS.left - 8, y: y(value) + 4, "text-anchor": "end" }, value.toFixed(digits).replace("-", "−")));
  }
  for (const theta of [0, 90, 180, 270, 360]) {
    parts.push(rule(x(theta), x(theta), y(low), y(high), "grid"));
    parts.push(text({ x: x(theta), y: y(low) + 18, "text-anchor": "middle" }, `${theta}`));
  }
  parts.push(text({ x: x(180), y: height - 4, "text-anchor": "middle" }, "θ (degrees)"));
  parts.push(rule(x(state.theta), x(state.theta), y(low), y(high), "soft"));
  if (pointed !== null) parts.push(rule(x(pointed), x(pointed), y(low), y(high), "line"));
  $("plot").setAttribute("viewBox", `0 0 ${width} ${height}`);
  $("plot").replaceChildren(...parts, ...shapes(series, others, x, y, 3));
}

/** The angle of the curve that is nearest to a pointer. */
function pointedAt(event) {
  const box = $("plot").getBoundingClientRect();
  return nearestOnAxis(360 * (event.clientX - box.left - AXIS.left) / (box.width - AXIS.left - AXIS.right));
}

/** A curve in little, for the overview. */
function sparkline(series) {
  const { low, high } = scale(series);
  const [x, y] = [(theta) => 4 + 232 * theta / 360, (value) => 84 - 78 * (value - low) / (high - low)];
  return drawn("svg", { viewBox: "0 0 240 90", preserveAspectRatio: "none", "aria-hidden": "true" },
    ...shapes(series, [], x, y, 0));
}

function drawLegend() {
  const sample = (colour, dash) => drawn("svg", { viewBox: "0 0 32 10", "aria-hidden": "true" },
    drawn("path", { d: "M0,5H32", style: `stroke: var(--${colour}); stroke-width: 2.5; stroke-dasharray: ${dash}` }));
  const entry = (colour, dash, name) => element("li", {}, sample(colour, dash), name);
  $("legend").replaceChildren(
    ...curves().map((s) => entry(s.input, "none", INPUTS[s.input].name)),
    ...REFERENCES.filter((r) => curves().some((s) => references(s).includes(r)))
      .map(({ dash, name }) => entry("soft", dash, name)),
    ...(state.compare ? [entry("soft", DOTS, small(COMPARED[state.compare]))] : []),
    element("li", { className: "soft" }, "bands: bootstrap intervals"),
  );
}

const HEAD = ["θ", "Image", "Value", "Low", "High", "Chance", "Own cut", "Items", "Seeds"];
const numbers = () => curves().flatMap((s) => s.theta.map((theta, i) => [
  theta, s.input, s.value[i], s.low[i], s.high[i], s.chance[i], s.own_cut[i], s.items[i], s.seeds[i],
]));

function tableOf(head, rows) {
  return element("table", {},
    element("thead", {}, element("tr", {}, ...head.map((name) => element("th", { scope: "col" }, name)))),
    element("tbody", {}, ...rows.map(([first, ...cells]) => element("tr", {},
      element("th", { scope: "row" }, first), ...cells.map((cell) => element("td", {}, cell))))));
}

function drawNumbers() {
  const shown = numbers().map(([theta, input, ...rest]) =>
    [`${theta}°`, INPUTS[input].name, ...rest.map((value, i) => (i < 5 ? fixed(value) : `${value}`))]);
  $("numbers").replaceChildren(tableOf(HEAD, shown));
}

/** How much of the maps is no noise: 1 for all. */
function reliabilities() {
  const known = curves().filter((s) => s.reliability !== null);
  const said = known.map((s) => `${small(INPUTS[s.input].name)} ${s.reliability.toFixed(2)}`);
  return said.length ? ` Reliability of the maps: ${said.join("; ")}.` : "";
}

function describe() {
  const arm = data.fields.slice(1, 4).map((f) => state[f]).join(" · ");
  $("title").textContent = `${state.dataset}: ${nameOf("metric", state.metric)}`;
  $("meaning").textContent = `${nameOf("model", state.model)}, ${nameOf("attribution", state.attribution)}, ${arm}. ` +
    `${curves()[0].meaning}.${reliabilities()}`;
  $("plot").ariaLabel = `Curve over θ. ${$("title").textContent}. All numbers are in the table below.`;
  const tested = curves().filter((s) => s.finding);
  const said = tested.map((s) => `${INPUTS[s.input].name}, ${s.finding}`);
  if (!said.length) said.push("No test was declared for this curve; oscillation.csv has exploratory ones.");
  $("findings").replaceChildren(...said.map((text) => element("li", {}, text)));
}

/** Values at an angle in words: beside the curve, and for screen readers. */
function valuesAt(theta) {
  return curves().map((s) => {
    const i = s.theta.indexOf(theta);
    const name = INPUTS[s.input].name;
    if (i < 0 || s.value[i] === null) return `${name}: no value.`;
    return `${name}: ${fixed(s.value[i])}, interval ${fixed(s.low[i])} to ${fixed(s.high[i])}, ` +
      `${counted(s.items[i], "item")}, ${counted(s.seeds[i], "seed")}; ` +
      `${references(s).map(({ field, name: words }) => `${words.split(":")[0]} ${fixed(s[field][i])}`).join(", ")}.`;
  });
}

function tell(theta) {
  $("told").replaceChildren(element("p", {}, element("strong", {}, `θ = ${theta}°`)),
    ...valuesAt(theta).map((words) => element("p", {}, words)));
}

// ---- the maps -------------------------------------------------------------------------------------

function drawMaps() {
  $("pictures").replaceChildren();
  $("maps-title").textContent = "Saliency maps";
  $("items").hidden = true;
  const panel = data.panels.sets[state.dataset];
  if (!panel || !Object.entries(panel.arm).every(([field, value]) => state[field] === value)) {
    $("maps-note").textContent = panel ? `Maps are kept for ${Object.values(panel.arm).join(" · ")}; choose these.`
      : "No maps are kept for this data set.";
    return;
  }
  const theta = nearest(panel.angles, state.theta);
  const item = panel.items[state.item];
  const at = item.angles[panel.angles.indexOf(theta)];
  const of = (attribution) => ["original", "rotated"]
    .map((input) => [input, at.maps[`${state.model}.${input}.${attribution}`]]).filter((row) => row[1]);
  const own = of(state.attribution);
  const maps = own.length ? own : of("smoothgrad");
  if (!maps.length) {
    $("maps-note").textContent = "What is measured here has no map.";
    return;
  }
  $("maps-title").textContent = `Saliency maps at θ = ${theta}°`;
  const missing = theta === state.theta ? ""
    : `No maps are kept at θ = ${state.theta}°; these are of the nearest angle that has some, ${theta}°. `;
  const whose = own.length ? "" : "What is measured here has no map; these are maps of the same model. ";
  const outline = item.outline ? " The outline is that of the mask." : "";
  const left = panel.mapped > panel.items.length ? ` ${panel.items.length} of ${panel.mapped} mapped items are here.` : "";
  $("maps-note").textContent = `${whose}${missing}Seed ${panel.seed}.${outline}${left}`;
  $("items").hidden = panel.items.length < 2;
  $("item").textContent = `Item ${state.item + 1} of ${panel.items.length}: ${item.id}`;
  $("pictures").classList.toggle("unmarked", !item.outline); // without a mask nothing is marked
  const size = panel.size;
  for (const [input, { map, marked, value, chance, own_cut }] of maps) {
    const rotated = input === "rotated";
    const cut = own_cut === null ? "" : `, own cut ${fixed(own_cut)}`;
    $("pictures").append(
      picture(at[input], rotated ? `R_θ x: the image turned by ${theta}°` : "x: the image",
        rotated ? `The image turned by ${theta}°, as the model sees it` : "The image",
        rotated ? at.turned_outline : item.outline, size),
      picture(map, rotated ? "Its map, turned back" : "Its map", `${INPUTS[input].name}: saliency map at θ = ${theta}°`,
        item.outline, size),
    );
    if (!item.outline) continue;
    $("pictures").append(
      picture(marked, `Marked: Dice ${fixed(value)}, chance ${fixed(chance)}${cut}`,
        `${INPUTS[input].name}: as many pixels as the mask has, the map's highest`, item.outline, size),
    );
  }
}

function picture(place, caption, alt, outline, size) {
  const look = { d: outline, fill: "none", stroke: data.colours.outline, "stroke-width": 1.5,
    "vector-effect": "non-scaling-stroke" };
  return element("figure", {},
    element("div", { className: "picture" }, element("img", { src: data.panels.pictures[place], alt }),
      drawn("svg", { viewBox: `0 0 ${size} ${size}`, "aria-hidden": "true" }, drawn("path", look))),
    element("figcaption", {}, caption));
}

/** Show the item after, or before, this one; from the last on to the first. */
function step(by) {
  const count = data.panels.sets[state.dataset].items.length;
  state.item = (state.item + by + count) % count;
  drawMaps();
  remember(false);
}

// ---- to take away ---------------------------------------------------------------------------------

function save(blob, name) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const fileName = (ending) => `${data.fields.map((f) => state[f]).join("-")}.${ending}`.replace(/[^\w.-]/g, "_");

function savePicture() {
  const copy = $("plot").cloneNode(true);
  const [width, height] = [$("plot").clientWidth, $("plot").clientHeight];
  const above = [$("title").textContent, $("meaning").textContent.split(". ")[0]];
  const legend = [...$("legend").children].map((li) => [li.querySelector("svg"), li.textContent]);
  const top = 20 * (above.length + legend.length) + 12;
  copy.setAttribute("viewBox", `0 ${-top} ${width} ${height + top}`);
  copy.setAttribute("width", width);
  copy.setAttribute("height", height + top);
  const font = "fill: var(--ink); font: 13px system-ui, sans-serif";
  copy.prepend(drawn("rect", { x: 0, y: -top, width, height: height + top, style: "fill: var(--card)" }));
  above.forEach((words, i) => copy.append(drawn("text", { x: 8, y: 20 * (i + 1) - top, style: font }, words)));
  legend.forEach(([sample, words], i) => {
    const y = 20 * (above.length + i + 1) - top;
    if (sample) copy.append(drawn("g", { transform: `translate(8 ${y - 9})` }, sample.firstChild.cloneNode(true)));
    copy.append(drawn("text", { x: sample ? 48 : 8, y, style: font }, words));
  });
  // outside the page nothing says what the names of its colours mean
  const text = new XMLSerializer().serializeToString(copy)
    .replace(/var\((--[a-z]+)\)/g, (_, name) => root.getPropertyValue(name).trim());
  const image = new Image();
  image.onload = () => {
    const canvas = element("canvas", { width: 2 * width, height: 2 * (height + top) });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => save(blob, fileName("png")));
  };
  image.src = `data:image/svg+xml,${encodeURIComponent(text)}`;
}

function saveNumbers() {
  const quoted = (value) => (/[",\n]/.test(value) ? `"${`${value}`.replaceAll('"', '""')}"` : value ?? "");
  const names = ["theta", "input", "value", "ci_low", "ci_high", "chance", "own_cut", "n_items", "n_seeds"];
  const curve = data.fields.map((f) => state[f]); // all rows are of the same but for the input
  const rows = numbers().map((row) => [...curve, ...row]);
  const lines = [[...data.fields, ...names], ...rows].map((row) => row.map(quoted).join(","));
  save(new Blob([`${lines.join("\n")}\n`], { type: "text/csv" }), fileName("csv"));
}

async function copyLink() {
  try {
    await navigator.clipboard.writeText(location.href);
    $("copied").textContent = "The link is copied.";
  } catch {
    $("copied").textContent = location.href; // to copy by hand
  }
}

// ---- the overview ---------------------------------------------------------------------------------

const address = (curve) => `#${new URLSearchParams(curve)}`;
const chip = (verdict) => element("span", { className: "chip", style: `background: ${data.verdict_colours[verdict]}` });

function drawOverview() {
  const { sentence, verdicts, words, next } = data.opening;
  $("sentence").textContent = sentence;
  $("next").textContent = next.replaceAll("`", "");
  $("words").replaceChildren(...Object.entries(words).flatMap(([word, meaning]) =>
    [element("dt", {}, word), element("dd", {}, meaning)]));
  $("sets").replaceChildren(...[...new Set(data.series.map((s) => s.dataset))].map((dataset) => {
    const of = verdicts.filter((v) => v.curve.dataset === dataset);
    const first = data.series.find((s) => s.dataset === dataset && s.trained === "theta");
    const curve = of[0]?.curve ?? Object.fromEntries(data.fields.map((f) => [f, first[f]]));
    const series = data.series.filter((s) => s.trained === "theta" && data.fields.every((f) => s[f] === curve[f]));
    const counts = Object.entries(Object.groupBy(of, (v) => v.verdict));
    return element("a", { className: "card", href: address(curve) }, element("strong", {}, dataset), sparkline(series),
      element("small", { className: "soft" }, `${nameOf("model", curve.model)}, ${nameOf("metric", curve.metric)}`),
      ...counts.map(([verdict, rows]) => element("small", {}, chip(verdict), `${verdict}: ${counted(rows.length, "curve")}`)));
  }));
  $("glance-title").parentElement.hidden = !verdicts.length;
  if (!verdicts.length) return;
  $("glance").replaceChildren(tableOf(Object.keys(verdicts[0].cells), verdicts.map(({ cells, verdict, curve }) => {
    const [first, ...rest] = Object.values(cells);
    return [element("a", { href: address(curve) }, chip(verdict), first), ...rest];
  })));
}

// ---- all together ---------------------------------------------------------------------------------

/** Put what is chosen into the address; Back returns to the curve before, not to every angle. */
function remember(another) {
  const hash = address(state);
  if (hash === location.hash) return;
  try {
    history[another ? "pushState" : "replaceState"](null, "", hash);
  } catch { /* within a frame that has no address of its own */ }
}

function show(another) {
  offer();
  describe();
  drawLegend();
  drawNumbers();
  const count = data.panels.sets[state.dataset]?.items.length ?? 0;
  const item = Number(state.item ?? NaN);
  state.item = Number.isInteger(item) && item >= 0 && item < count ? item : data.panels.sets[state.dataset]?.first ?? 0;
  choose(Number(state.theta) || 0, another);
}

function choose(theta, another = false) {
  state.theta = nearest(thetas(), theta);
  $("theta").value = state.theta;
  $("theta").ariaValueText = `${state.theta} degrees`;
  $("degrees").textContent = `${state.theta}°`;
  drawCurve();
  tell(state.theta);
  $("spoken").replaceChildren(...[`θ = ${state.theta}°`, ...valuesAt(state.theta)].map((text) => element("p", {}, text)));
  drawMaps();
  remember(another);
}

/** Show what the address says: a curve, or the overview where it names none. */
function follow() {
  const asked = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  const overview = !Object.keys(asked).length;
  $("overview").hidden = !overview;
  $("detail").hidden = $("home").hidden = overview;
  $("copied").textContent = "";
  if (overview) return;
  for (const key of Object.keys(state)) delete state[key];
  Object.assign(state, asked);
  show(false);
}

for (const [field, label] of Object.entries(LABELS)) {
  const select = element("select", { id: field });
  select.addEventListener("change", () => {
    if (field === "dataset") delete state.item;
    state[field] = select.value;
    show(true);
  });
  $("choice").append(element("label", {}, label, select));
}
const KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -3, PageUp: 3, Home: -1e3, End: 1e3 };
$("theta").addEventListener("input", () => choose(nearestOnAxis(Number($("theta").value))));
$("theta").addEventListener("keydown", (event) => {
  if (!(event.key in KEYS)) return;
  event.preventDefault(); // from angle to angle, whatever the steps of the grid
  const place = thetas().indexOf(state.theta) + KEYS[event.key];
  choose(thetas()[Math.max(0, Math.min(thetas().length - 1, place))]);
});
$("plot").addEventListener("pointermove", (event) => {
  if (event.pointerType === "touch") return;
  drawCurve(pointedAt(event));
  tell(pointedAt(event));
});
$("plot").addEventListener("pointerleave", () => {
  drawCurve();
  tell(state.theta);
});
$("plot").addEventListener("click", (event) => choose(pointedAt(event)));
$("previous").addEventListener("click", () => step(-1));
$("following").addEventListener("click", () => step(1));
$("png").addEventListener("click", savePicture);
$("csv").addEventListener("click", saveNumbers);
$("link").addEventListener("click", copyLink);
window.addEventListener("hashchange", follow);
new ResizeObserver(() => { if (!$("detail").hidden) drawCurve(); }).observe($("plot"));
drawOverview();
follow();
