// One canvas of a panel of points: what is behind the points, the points, and the marks on them.
const ARROWS = 11; // cells along each axis, in each of which at most one arrow is drawn
const NATS = 3; // log |det| at which the colours end

/** Draw on a square canvas in the units of a window; y grows upwards. */
class Sheet {
  constructor(canvas, view) {
    const side = Math.max(1, Math.round(canvas.clientWidth * devicePixelRatio));
    if (canvas.width !== side) canvas.width = canvas.height = side;
    this.side = side / devicePixelRatio;
    this.view = view;
    this.context = canvas.getContext("2d");
    this.context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    this.context.clearRect(0, 0, this.side, this.side);
  }

  x(value) { return (0.5 + (value - this.view.x) / (2 * this.view.half)) * this.side; }
  y(value) { return (0.5 - (value - this.view.y) / (2 * this.view.half)) * this.side; }

  /** Draw squares of points; `style(i)` returns [colour, size] or null. */
  dots(at, style) {
    const c = this.context;
    for (let i = 0; 2 * i < at.length; i++) {
      const how = style(i);
      if (!how) continue;
      const x = this.x(at[2 * i]), y = this.y(at[2 * i + 1]);
      if (!(x > -9 && x < this.side + 9 && y > -9 && y < this.side + 9)) continue;
      c.fillStyle = how[0];
      c.fillRect(x - how[1] / 2, y - how[1] / 2, how[1], how[1]);
    }
  }

  /** Draw rings around points of a set. */
  rings(at, chosen, colour, radius) {
    const c = this.context;
    c.strokeStyle = colour;
    c.lineWidth = 1.4;
    for (const i of chosen) {
      c.beginPath();
      c.arc(this.x(at[2 * i]), this.y(at[2 * i + 1]), radius, 0, 2 * Math.PI);
      c.stroke();
    }
  }

  /** Join the points of a set to where they are in another array. */
  links(from, to, chosen, colour) {
    const c = this.context;
    c.strokeStyle = colour;
    c.lineWidth = 0.8;
    c.beginPath();
    for (const i of chosen) {
      c.moveTo(this.x(from[2 * i]), this.y(from[2 * i + 1]));
      c.lineTo(this.x(to[2 * i]), this.y(to[2 * i + 1]));
    }
    c.stroke();
  }

  /** Draw every second row and column of a square lattice. */
  grid(at, colour) {
    const c = this.context, n = Math.round(Math.sqrt(at.length / 2));
    c.strokeStyle = colour;
    c.lineWidth = 0.7;
    c.globalAlpha = 0.75;
    c.beginPath();
    for (let i = 0; i < n; i += 2) {
      for (const step of [j => i * n + j, j => j * n + i]) {
        for (let j = 0; j < n; j++) c[j ? "lineTo" : "moveTo"](this.x(at[2 * step(j)]), this.y(at[2 * step(j) + 1]));
      }
    }
    c.stroke();
    c.globalAlpha = 1;
  }

  /** Fill the cells of a lattice, laid out as `at`, by the logarithm of the area of `moved` over that of `start`. */
  logdet(at, start, moved) {
    const c = this.context, n = Math.round(Math.sqrt(at.length / 2));
    const corners = (i, j) => [i * n + j, i * n + j + 1, (i + 1) * n + j + 1, (i + 1) * n + j];
    for (let i = 0; i < n - 1; i++) {
      for (let j = 0; j < n - 1; j++) {
        const quad = corners(i, j);
        c.fillStyle = diverging(Math.log(area(moved, quad) / area(start, quad)) / NATS);
        c.beginPath();
        quad.forEach((k, m) => c[m ? "lineTo" : "moveTo"](this.x(at[2 * k]), this.y(at[2 * k + 1])));
        c.fill();
      }
    }
  }

  /** Draw an image whose rows go upwards, in its box of the plane. */
  image(image, [left, bottom, right, top]) {
    const c = this.context;
    c.imageSmoothingEnabled = true;
    c.drawImage(image, this.x(left), this.y(top), this.x(right) - this.x(left), this.y(bottom) - this.y(top));
  }

  /** Draw arrows `[x, y, dx, dy]`, the longest as long as a cell. */
  arrows(list, colour) {
    const c = this.context, cell = this.side / ARROWS, longest = Math.max(1e-12, ...list.map(([, , dx, dy]) => Math.hypot(dx, dy)));
    c.strokeStyle = c.fillStyle = colour;
    c.lineWidth = 1.2;
    for (const [x, y, dx, dy] of list) {
      const length = Math.hypot(dx, dy) / longest;
      if (!(length > 0.02)) continue;
      const angle = Math.atan2(-dy, dx), reach = 0.95 * cell * Math.sqrt(length);
      const fromX = this.x(x), fromY = this.y(y), toX = fromX + reach * Math.cos(angle), toY = fromY + reach * Math.sin(angle);
      c.beginPath();
      c.moveTo(fromX, fromY);
      c.lineTo(toX, toY);
      for (const turn of [2.6, -2.6]) {
        c.moveTo(toX, toY);
        c.lineTo(toX + 4 * Math.cos(angle + turn), toY + 4 * Math.sin(angle + turn));
      }
      c.stroke();
    }
  }

  note(text, colour) {
    const c = this.context;
    c.fillStyle = colour;
    c.font = "10px system-ui, sans-serif";
    c.textAlign = "right";
    c.fillText(text, this.side - 4, this.side - 4);
  }
}

function area(at, [a, b, c, d]) {
  const cross = (i, j) => at[2 * i] * at[2 * j + 1] - at[2 * j] * at[2 * i + 1];
  return Math.abs(cross(a, b) + cross(b, c) + cross(c, d) + cross(d, a)) / 2;
}

/** Blue for -1 and below, clear at 0, orange for 1 and above; a colour-blind reader tells them apart. */
function diverging(value) {
  const v = Math.max(-1, Math.min(1, Number.isNaN(value) ? 0 : value));
  return `rgba(${v < 0 ? "33,102,172" : "217,95,2"},${(0.08 + 0.8 * Math.abs(v)).toFixed(3)})`;
}

/** A canvas of `shape` [rows, columns] in one colour with the opacity `alpha(value)`; the first row lies at the bottom. */
function shaded({ shape: [rows, columns], values }, colour, alpha) {
  const canvas = Object.assign(document.createElement("canvas"), { width: columns, height: rows });
  const context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
  const rgb = [1, 3, 5].map(i => parseInt(colour.slice(i, i + 2), 16));
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const to = 4 * ((rows - 1 - i) * columns + j);
      image.data.set([...rgb, 255 * alpha(values[i * columns + j] / 255)], to);
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** The mean way of samples to the next stage, in each cell of the window that holds at least two. */
function velocities(panel, time, view) {
  const [before] = between(panel.last, time), ahead = panel.samples.stages[Math.min(before + 1, panel.last)];
  const from = panel.samples.stages[before], at = placed(panel.samples, panel.last, time), cells = new Map();
  for (let i = 0; i < panel.samples.num; i++) {
    const [x, y] = [at[2 * i], at[2 * i + 1]];
    const u = Math.floor((0.5 + (x - view.x) / (2 * view.half)) * ARROWS), v = Math.floor((0.5 + (y - view.y) / (2 * view.half)) * ARROWS);
    if (!(u >= 0 && u < ARROWS && v >= 0 && v < ARROWS)) continue;
    const cell = cells.get(u * ARROWS + v) ?? [0, 0, 0, 0, 0];
    [x, y, ahead[2 * i] - from[2 * i], ahead[2 * i + 1] - from[2 * i + 1], 1].forEach((value, k) => { cell[k] += value; });
    cells.set(u * ARROWS + v, cell);
  }
  return [...cells.values()].filter(cell => cell[4] > 1).map(cell => cell.slice(0, 4).map(sum => sum / cell[4]));
}

/** The slope of the log density by differences over its grid, where the density is above its 10,000th part. */
function scores({ shape: [rows, columns], values, box: [left, bottom, right, top], depth }) {
  const list = [], nats = k => (values[k] / 255 - 1) * depth, step = Math.max(1, Math.floor(columns / 16));
  const [dx, dy] = [(right - left) / columns, (top - bottom) / rows];
  for (let i = step; i < rows - 1; i += step) {
    for (let j = step; j < columns - 1; j += step) {
      const k = i * columns + j;
      if (nats(k) < -9.2) continue;
      list.push([left + (j + 0.5) * dx, bottom + (i + 0.5) * dy, (nats(k + 1) - nats(k - 1)) / (2 * dx), (nats(k + columns) - nats(k - columns)) / (2 * dy)]);
    }
  }
  return list;
}
