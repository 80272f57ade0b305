// Which points are marked, and what a pointer over a point is told.
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
