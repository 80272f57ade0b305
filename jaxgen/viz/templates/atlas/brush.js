// Marking points: with a pointer by a lasso, with the keyboard by a circle that the arrow keys move.

/** Say for each of the points, given in pixels, whether it lies inside a polygon [[x, y], ...] (Jordan's rule). */
function inside(polygon, x, y) {
  let within = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [ax, ay] = polygon[i], [bx, by] = polygon[j];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) within = !within;
  }
  return within;
}

const circle = ({ x, y, radius }) =>
  Array.from({ length: 24 }, (_, i) => [x + radius * Math.cos((i * Math.PI) / 12), y + radius * Math.sin((i * Math.PI) / 12)]);

/**
 * Let a canvas be marked on. `on.mark(polygon, add)` and `on.clear()` change what is marked, `on.draft(polygon)` shows a lasso in the
 * making, `on.hover(x, y, event)` and `on.leave()` follow the pointer; all places are pixels of the canvas.
 */
function brush(canvas, on) {
  let path = null;
  const at = event => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left - canvas.clientLeft, event.clientY - box.top - canvas.clientTop];
  };
  canvas.addEventListener("pointerdown", event => {
    if (event.button !== 0) return;
    path = { points: [at(event)], add: event.shiftKey };
    try { canvas.setPointerCapture(event.pointerId); } catch { /* a pointer that is gone already */ }
  });
  canvas.addEventListener("pointermove", event => {
    const [x, y] = at(event);
    if (!path) return on.hover(x, y, event);
    path.points.push([x, y]);
    on.draft(path.points);
    if (path.points.length > 3) on.mark(path.points, path.add);
  });
  canvas.addEventListener("pointerup", () => {
    if (path && extent(path.points) < 6) on.clear();
    path = null;
    on.draft(null);
  });
  canvas.addEventListener("pointercancel", () => { path = null; on.draft(null); });
  canvas.addEventListener("pointerleave", () => { if (!path) on.leave(); });
  keyboard(canvas, on);
}

function keyboard(canvas, on) {
  let spot = null;
  canvas.addEventListener("keydown", event => {
    const side = canvas.clientWidth, step = side * (event.shiftKey ? 0.01 : 0.05);
    spot ??= { x: side / 2, y: side / 2, radius: 0.14 * side };
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (moves[event.key]) {
      spot.x = Math.min(side, Math.max(0, spot.x + moves[event.key][0]));
      spot.y = Math.min(side, Math.max(0, spot.y + moves[event.key][1]));
      on.hover(spot.x, spot.y, null);
    } else if (event.key === "+" || event.key === "=") spot.radius *= 1.2;
    else if (event.key === "-") spot.radius /= 1.2;
    else if (event.key === "Enter") on.mark(circle(spot), event.shiftKey);
    else if (event.key === "Escape") on.clear();
    else return;
    event.preventDefault();
    event.stopPropagation();
    on.draft(circle(spot));
  });
  canvas.addEventListener("blur", () => { spot = null; on.draft(null); on.leave(); });
}

function extent(path) {
  const xs = path.map(([x]) => x), ys = path.map(([, y]) => y);
  return Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys));
}
