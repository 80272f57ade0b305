// What `encode.py` and `panel.py` packed as text, as typed arrays; and where points are at a time between two stages.
const REACH = 8 / 32767; // a coordinate is packed in units of eight half widths of its stage's window
const MISSING = -32768;

const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));

/** Unpack the places of `num` points: one Float32Array of x, y, x, y ... for each stage. */
function places(track, windows) {
  const raw = new Int16Array(bytes(track.places).buffer);
  return windows.map(([x, y, half], stage) => {
    const at = new Float32Array(2 * track.num);
    for (let i = 0; i < at.length; i++) {
      const q = raw[stage * at.length + i];
      at[i] = q === MISSING ? NaN : (i % 2 ? y : x) + q * REACH * half;
    }
    return at;
  });
}

const colours = text => {
  const rgb = bytes(text);
  return Array.from({ length: rgb.length / 3 }, (_, i) => `rgb(${rgb[3 * i]},${rgb[3 * i + 1]},${rgb[3 * i + 2]})`);
};

function way(json, windows) {
  if (!json) return null;
  return {
    num: json.num, stages: places(json, windows), logp: json.logp && new Float32Array(bytes(json.logp).buffer),
    colours: json.colours && colours(json.colours),
  };
}

/** Unpack a panel of points. */
function points(json) {
  const last = json.windows.length - 1;
  return {
    ...json, last,
    samples: way(json.samples, json.windows), rows: way(json.rows, json.windows), lattice: way(json.lattice, json.windows),
    real: places(json.real, [json.windows[last]])[0],
    density: json.density && { ...json.density, values: bytes(json.density.values) },
    dropped: json.dropped.map(part =>
      part.kind === "points" ? { ...part, at: places(part, [json.windows[0]])[0] } : { ...part, values: bytes(part.values) }),
  };
}

/** The stage before a time in [0, 1], and how far the next one is reached. */
function between(last, time) {
  const at = time * last, before = Math.min(Math.floor(at), last - 1);
  return [before, at - before];
}

/** Where points are at a time: on the straight line between the two stages around it. */
function placed(way, last, time) {
  const [before, share] = between(last, time), a = way.stages[before], b = way.stages[before + 1];
  if (share === 0) return a;
  if (share === 1) return b;
  return a.map((x, i) => x + share * (b[i] - x));
}

/** The window at a time. Its width changes by a factor, so that wide noise comes closer evenly. */
function windowAt(windows, time) {
  const [before, share] = between(windows.length - 1, time), [ax, ay, ah] = windows[before], [bx, by, bh] = windows[before + 1];
  return { x: ax + share * (bx - ax), y: ay + share * (by - ay), half: ah * (bh / ah) ** share };
}

/** What a caption says of a time. */
function stageAt(panel, time) {
  if (time === 0) return "noise";
  if (time === 1) return "output";
  if (panel.line) return `straight line, ${Math.round(100 * time)} %`;
  const count = panel.type === "images" ? panel.stages.shape[0] - 1 : panel.last;
  const kept = Math.ceil(time * count - 1e-9);
  return panel.stage.replace("{step}", panel.steps?.[kept - 1] ?? kept).replace("{time}", time.toFixed(2)).replace(/\{time:.2f\}/, time.toFixed(2));
}
