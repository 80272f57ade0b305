// The panels of the page, and the state that all of them share.
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
