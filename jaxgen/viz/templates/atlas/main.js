// The controls, each of which changes the state and asks for a new drawing; then the layout, and the start.
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
    } else {
      canvas.addEventListener("click", event => outline(panel, tileAt(panel, event.offsetX, event.offsetY)));
      canvas.addEventListener("keydown", event => {
        const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (step) outline(panel, state.tile === null ? 0 : state.tile + step);
        if (event.key === "Escape") outline(panel, null);
      });
    }
  }
}

const tileAt = (panel, x, y) => panel.tiles && Math.floor(y / panel.tiles.cell) * panel.tiles.columns + Math.floor(x / panel.tiles.cell);

/** Outline a sample in all panels of images, or none if it is outlined already or does not exist. */
function outline(panel, tile) {
  if (state.images !== "stages" || !panel.tiles) return;
  state.tile = tile !== null && tile >= 0 && tile < panel.tiles.num && tile !== state.tile ? tile : null;
  status.textContent = state.tile === null ? "No sample is outlined." : `Sample ${state.tile + 1} is outlined in all panels.`;
  redraw();
}

// Layout and start.

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
  // Few cards could be as wide as the page and higher than the screen.
  const highest = room / Math.ceil(num / columns) - gap - 68;
  grid.style.setProperty("--widest", width < 560 ? "none" : `${Math.max(least, highest * beside + 18)}px`);
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
