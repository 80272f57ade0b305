// The state that all panels share, the controls that change it, and what is redrawn when it changes.
const find = id => document.getElementById(`atlas-${id}`);
const root = document.getElementById("atlas"), grid = find("cards"), status = find("status"), tip = find("tip");
const data = JSON.parse(find("data").textContent);
const shared = colours(data.colours);
const state = { time: 1, brush: "samples", marked: new Set(), source: null, tile: null, hover: null, show: {}, arrows: "", images: "stages" };

const panels = data.panels.map((json, index) => {
  const card = find(index), panel = json.type === "images" ? images(json) : points(json);
  return Object.assign(panel, {
    card, name: json.label.name, accent: json.label.accent, now: card.querySelector(".now"), ofNoise: card.querySelector(".of-noise"), seen: true, draft: {},
    canvases: Object.fromEntries([...card.querySelectorAll("canvas")].map(canvas => [canvas.dataset.plane, canvas])),
  });
});

// Drawing ---------------------------------------------------------------------------------------------------------------------------------

let asked = false;
function redraw() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => { asked = false; panels.forEach(draw); });
}

function palette() {
  const style = getComputedStyle(document.documentElement), value = name => style.getPropertyValue(`--${name}`).trim();
  return { ink: value("ink"), soft: value("soft"), line: value("line"), page: value("page") };
}

function draw(panel) {
  const said = stageAt(panel, state.time);
  panel.now.textContent = caption(panel, said);
  if (panel.ofNoise) panel.ofNoise.textContent = state.brush === "rows" ? `noise: ${panel.found}` : panel.shared ? "noise" : "noise of its own";
  for (const [plane, canvas] of Object.entries(panel.canvases)) {
    const what = panel.type === "images" ? state.images : plane === "noise" ? "its noise" : said;
    canvas.setAttribute("aria-label", `${panel.name}, ${panel.label.family}: ${what}. ${state.marked.size ? `${markedIn(panel)} points marked.` : ""}`);
    if (!panel.seen || !canvas.clientWidth) continue;
    if (panel.type === "images") panel.tiles = drawTiles(canvas, panel, state.images, state.time, state.tile, "#d95f02");
    else drawPoints(panel, plane, canvas, palette());
  }
}

function caption(panel, said) {
  if (panel.type === "images") return state.images === "stages" ? said : state.images === "order" && !panel.order ? "no order: all pixels at once" : "";
  return said + (state.show.density && !panel.density ? (panel.wide ? "; no density in many coordinates" : "; no density") : "");
}

function drawPoints(panel, plane, canvas, { ink, soft, line }) {
  const time = plane === "noise" ? 0 : state.time, view = windowAt(panel.windows, time), sheet = new Sheet(canvas, view), show = state.show;
  if (plane === "moving" && show.density && panel.density) sheet.image(densityImage(panel), panel.density.box);
  if (show.dropped) drawDropped(panel, plane, sheet, soft);
  if (panel.lattice) {
    const at = placed(panel.lattice, panel.last, time);
    if (show.logdet) sheet.logdet(at, panel.lattice.stages[0], placed(panel.lattice, panel.last, state.time));
    if (show.grid) sheet.grid(at, soft);
  }
  if (plane === "moving" && show.real) sheet.dots(panel.real, () => [soft, 2.2]);
  const way = state.brush === "rows" ? panel.rows : panel.samples;
  if (way) drawWay(panel, sheet, way, placed(way, panel.last, time), ink, line);
  if (plane === "moving" && state.arrows === "velocity") sheet.arrows(velocities(panel, time, view), ink);
  if (plane === "moving" && state.arrows === "score" && panel.density) sheet.arrows(scores(panel.density), ink);
  if (panel.draft[plane]) drawPath(sheet, panel.draft[plane], ink);
  sheet.note(`±${Number(view.half.toPrecision(2))}`, soft);
}

function drawWay(panel, sheet, way, at, ink, line) {
  const colour = way.colours ?? shared, size = Math.max(2, Math.min(3.4, sheet.side / 90)), marked = marksOf(panel);
  if (marked.size) {
    sheet.dots(at, i => (marked.has(i) ? null : [line, size]));
    sheet.dots(at, i => (marked.has(i) ? [ink, size + 1.9] : null));
    sheet.dots(at, i => (marked.has(i) ? [colour[i], size + 0.5] : null));
  } else sheet.dots(at, i => [colour[i], size]);
  if (state.hover !== null && state.hover < way.num && linked(panel)) sheet.rings(at, [state.hover], ink, 6);
}

function drawDropped(panel, plane, sheet, soft) {
  for (const part of panel.dropped) {
    if (part.kind === "points" && plane === "noise") sheet.dots(part.at, () => [soft, 2.2]);
    if (part.kind === "field" && plane === "moving") {
      part.image ??= shaded(part, "#767676", value => 0.75 * value);
      sheet.image(part.image, part.box);
    }
  }
}

function densityImage(panel) {
  // The square root keeps thin bridges of mass in sight.
  panel.shade ??= shaded(panel.density, panel.accent, value => (value ? Math.exp(0.5 * (value - 1) * panel.density.depth) : 0));
  return panel.shade;
}

function drawPath(sheet, path, ink) {
  const c = sheet.context;
  c.strokeStyle = ink;
  c.lineWidth = 1.2;
  c.setLineDash([4, 3]);
  c.beginPath();
  path.forEach(([x, y], i) => c[i ? "lineTo" : "moveTo"](x, y));
  c.closePath();
  c.stroke();
  c.setLineDash([]);
}

// Marks -----------------------------------------------------------------------------------------------------------------------------------

// Rows of data are the same rows only in panels of the same data.
const linked = panel => state.brush === "samples" || !state.source || panel.data === state.source;
const marksOf = panel => (linked(panel) ? state.marked : new Set());
const markedIn = panel => (panel.type === "points" ? marksOf(panel).size : 0);

function within(panel, plane, polygon) {
  const way = panel[state.brush], canvas = panel.canvases[plane], found = [];
  if (!way) return found;
  const time = plane === "noise" ? 0 : state.time, at = placed(way, panel.last, time), view = windowAt(panel.windows, time), side = canvas.clientWidth;
  for (let i = 0; i < way.num; i++) {
    const x = (0.5 + (at[2 * i] - view.x) / (2 * view.half)) * side, y = (0.5 - (at[2 * i + 1] - view.y) / (2 * view.half)) * side;
    if (inside(polygon, x, y)) found.push(i);
  }
  return found;
}

function mark(panel, plane, polygon, add) {
  state.marked = new Set([...(add ? state.marked : []), ...within(panel, plane, polygon)]);
  state.source = state.brush === "rows" ? panel.data : null;
  say();
  redraw();
}

function clear() {
  state.marked = new Set();
  state.source = null;
  say();
  redraw();
}

function say() {
  const [what, whole] = state.brush === "rows" ? ["rows of the data", "rows"] : ["points of noise", "samples"];
  const total = Math.max(0, ...panels.map(panel => panel[whole]?.num ?? 0)), others = panels.filter(panel => panel.type === "points" && linked(panel)).length;
  status.textContent = state.marked.size
    ? `${state.marked.size} of ${total.toLocaleString("en")} ${what} are marked in ${others} panel${others === 1 ? "" : "s"}.`
    : state.brush === "rows"
      ? "Draw around data in any panel to see the noise behind them in all panels."
      : "Draw around points in any panel to mark them in all panels.";
}

// Hovering --------------------------------------------------------------------------------------------------------------------------------

function hover(panel, plane, x, y, event) {
  const way = panel[state.brush], canvas = panel.canvases[plane];
  if (!way) return;
  const time = plane === "noise" ? 0 : state.time, at = placed(way, panel.last, time), view = windowAt(panel.windows, time), side = canvas.clientWidth;
  let best = null, least = 14;
  for (let i = 0; i < way.num; i++) {
    const distance = Math.hypot((0.5 + (at[2 * i] - view.x) / (2 * view.half)) * side - x, (0.5 - (at[2 * i + 1] - view.y) / (2 * view.half)) * side - y);
    if (distance < least) [best, least] = [i, distance];
  }
  if (best !== state.hover) redraw();
  state.hover = best;
  tip.hidden = best === null;
  if (best === null) return;
  tip.textContent = told(panel, way, best);
  const box = canvas.getBoundingClientRect(), px = event ? event.clientX : box.left + x, py = event ? event.clientY : box.top + y;
  tip.style.left = `${Math.max(4, Math.min(px + 14, document.documentElement.clientWidth - tip.offsetWidth - 4))}px`;
  tip.style.top = `${Math.max(4, py + 18 + tip.offsetHeight > innerHeight ? py - tip.offsetHeight - 12 : py + 18)}px`;
  if (!event) status.textContent = tip.textContent.replaceAll("\n", ", ");
}

function told(panel, way, i) {
  const pair = at => `(${[0, 1].map(k => at[2 * i + k].toFixed(2).replace("-", "−")).join(", ")}${panel.wide ? ", ..." : ""})`;
  const density = way.logp ? `log p = ${way.logp[i].toFixed(2).replace("-", "−")} nats (${panel.kind})` : panel.kind === "implicit" ? "no log p: implicit" : `log p not asked (${panel.kind})`;
  return `${panel.name}\nz = ${pair(way.stages[0])}\nx = ${pair(way.stages[panel.last])}\n${density}`;
}

function leave() {
  tip.hidden = true;
  if (state.hover !== null) redraw();
  state.hover = null;
}

// Controls --------------------------------------------------------------------------------------------------------------------------------

const slider = find("time"), play = find("play");
let playing = null;

function setTime(time) {
  state.time = time;
  slider.value = Math.round(1000 * time);
  slider.setAttribute("aria-valuetext", time === 0 ? "noise" : time === 1 ? "data" : `${Math.round(100 * time)} % of the way`);
  find("now").textContent = `${Math.round(100 * time)} %`;
  redraw();
}

function setPlaying(on) {
  playing = on ? { from: state.time >= 1 ? 0 : state.time, since: null } : null;
  play.textContent = on ? "Pause" : "Play";
  play.setAttribute("aria-pressed", String(on));
  if (on) requestAnimationFrame(advance);
}

function advance(now) {
  if (!playing) return;
  playing.since ??= now;
  const time = Math.min(1, playing.from + (now - playing.since) / 4000);
  setTime(time);
  if (time < 1) requestAnimationFrame(advance);
  else setPlaying(false);
}

slider.addEventListener("input", () => { setPlaying(false); setTime(slider.value / 1000); });
play.addEventListener("click", () => setPlaying(!playing));
document.addEventListener("keydown", event => {
  if (event.key !== " " || event.target.closest("button, input, select, summary, a")) return;
  event.preventDefault();
  setPlaying(!playing);
});
find("clear")?.addEventListener("click", clear);
find("arrows")?.addEventListener("change", event => { state.arrows = event.target.value; redraw(); });
find("images")?.addEventListener("change", event => { state.images = event.target.value; redraw(); });
root.querySelectorAll("input[name=atlas-brush]").forEach(radio => radio.addEventListener("change", () => { state.brush = radio.value; leave(); clear(); }));
root.querySelectorAll("input[data-show]").forEach(box => box.addEventListener("change", () => show(box.dataset.show, box.checked)));

function show(what, on) {
  state.show[what] = on;
  root.querySelector(`input[data-show="${what}"]`).checked = on;
  if (what === "logdet") find("legend").hidden = !on;
  if (what === "noise") { root.classList.toggle("with-noise", on); arrange(); }
  redraw();
}

for (const panel of panels) {
  for (const [plane, canvas] of Object.entries(panel.canvases)) {
    if (panel.type === "points") {
      brush(canvas, {
        mark: (polygon, add) => { setPlaying(false); mark(panel, plane, polygon, add); },
        clear, leave,
        draft: path => { panel.draft[plane] = path; redraw(); },
        hover: (x, y, event) => hover(panel, plane, x, y, event),
      });
    } else canvas.addEventListener("click", event => choose(panel, event));
  }
}

function choose(panel, event) {
  if (state.images !== "stages" || !panel.tiles) return;
  const tile = Math.floor(event.offsetY / panel.tiles.cell) * panel.tiles.columns + Math.floor(event.offsetX / panel.tiles.cell);
  state.tile = tile < panel.tiles.num && tile !== state.tile ? tile : null;
  status.textContent = state.tile === null ? "No sample is outlined." : `Sample ${state.tile + 1} is outlined in all panels.`;
  redraw();
}

// Layout ----------------------------------------------------------------------------------------------------------------------------------

/** Choose the number of columns: the fewest with which all cards fit the first screen, and one on a phone. */
function arrange() {
  const width = grid.clientWidth, gap = 12, beside = root.classList.contains("with-noise") ? 2 : 1, num = panels.length;
  const room = Math.max(320, innerHeight - (grid.getBoundingClientRect().top + scrollY) - 8);
  const least = beside === 2 ? 230 : 118, most = Math.max(1, Math.min(num, Math.floor((width + gap) / (least + gap))));
  const height = columns => {
    const card = (width - gap * (columns - 1)) / columns;
    return Math.ceil(num / columns) * ((card - 18) / beside + 68 + gap);
  };
  let columns = 1;
  while (columns < most && height(columns) > room) columns++;
  grid.style.setProperty("--columns", width < 560 ? 1 : columns);
  redraw();
}

const seen = new IntersectionObserver(entries => {
  for (const entry of entries) panels[entry.target.id.slice(6)].seen = entry.isIntersecting;
  redraw();
}, { rootMargin: "200px" });
panels.forEach(panel => seen.observe(panel.card));
addEventListener("resize", arrange);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

if (find("clear")) {
  show("noise", panels.length <= 8);
  show("grid", true);
  say();
}
arrange();
setTime(1);
if (!matchMedia("(prefers-reduced-motion: reduce)").matches) setPlaying(true);
