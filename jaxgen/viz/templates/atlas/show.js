// What a panel shows of the state that all panels share: its caption, its label for screen readers, and its canvases.
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
  panel.now.title = panel.now.textContent = caption(panel, said);
  if (panel.ofNoise) panel.ofNoise.title = panel.ofNoise.textContent = state.brush === "rows" ? `noise: ${panel.found}` : panel.shared ? "noise" : "noise of its own";
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
  if (way && plane === "moving" && time === 1 && show.real && state.brush === "rows") sheet.links(way.stages[panel.last], panel.real, marksOf(panel), ink);
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
