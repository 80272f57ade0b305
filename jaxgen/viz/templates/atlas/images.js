// A panel of images: tiles side by side on one canvas, as samples at a time, interpolations, a plane of noise, or the order of pixels.

/** Unpack the four pictures of a panel of images. */
function images(json) {
  const unpack = part => part && { shape: part.shape, values: bytes(part.values) };
  return { ...json, stages: unpack(json.stages), lines: unpack(json.lines), plane: unpack(json.plane), order: unpack(json.order) };
}

/** Which tiles a panel shows: the array, the first tile, and the numbers of rows and columns. */
function tilesOf(panel, what, time) {
  if (what === "lines" || what === "plane") return { part: panel[what], first: 0, rows: panel[what].shape[0], columns: panel[what].shape[1] };
  if (what === "order") return panel.order && { part: panel.order, first: 0, rows: 1, columns: 1 };
  const [count, num] = panel.stages.shape, side = Math.ceil(Math.sqrt(num));
  return { part: panel.stages, first: Math.round(time * (count - 1)) * num, rows: Math.ceil(num / side), columns: side, num };
}

/** Draw the tiles on a canvas and return their layout, from which a pointer finds the tile under it. */
function drawTiles(canvas, panel, what, time, marked, ink) {
  const ratio = devicePixelRatio, side = Math.max(1, Math.round(canvas.clientWidth * ratio)), context = canvas.getContext("2d");
  if (canvas.width !== side) canvas.width = canvas.height = side;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, side, side);
  const tiles = tilesOf(panel, what, time);
  if (!tiles) return null;
  const [height, width, channels] = tiles.part.shape.slice(-3), gap = 2 * ratio, cells = Math.max(tiles.rows, tiles.columns);
  const room = (side - gap * (cells - 1)) / cells, scale = room / Math.max(height, width);
  context.imageSmoothingEnabled = false;
  for (let tile = 0; tile < (tiles.num ?? tiles.rows * tiles.columns); tile++) {
    const picture = tileCanvas(tiles.part.values, (tiles.first + tile) * height * width * channels, height, width, channels);
    const x = (tile % tiles.columns) * (room + gap), y = Math.floor(tile / tiles.columns) * (room + gap);
    context.drawImage(picture, x, y, width * scale, height * scale);
    if (marked === tile && what === "stages") {
      context.strokeStyle = ink;
      context.lineWidth = 3 * ratio;
      context.strokeRect(x, y, width * scale, height * scale);
    }
  }
  return { ...tiles, cell: (room + gap) / ratio };
}

function tileCanvas(values, start, height, width, channels) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height }), context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let i = 0; i < height * width; i++) {
    for (let k = 0; k < 3; k++) image.data[4 * i + k] = values[start + channels * i + (channels === 3 ? k : 0)];
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
