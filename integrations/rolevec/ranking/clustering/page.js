"use strict";
const { points, labels, texts, clusters } = JSON.parse(document.getElementById("data").textContent);
const UNITS = 10000, NOISE = "#9a9a9a", NEAR = 12;
const at = (id) => document.getElementById(id);
const canvas = at("map"), pen = canvas.getContext("2d"), tip = at("tip");
const count = labels.length;
const folded = texts.map((text) => text.toLocaleLowerCase());
let scale = 1, middle = [0, 0], width = 0, height = 0;
let chosen = new Set(), hovered = -1, needle = "", waiting = false;

const colour = (label) => (label < 0 ? NOISE : clusters[label].colour);
const fit = () => (Math.min(width, height) * 0.46) / UNITS;
const shown = (i) =>
  (chosen.size === 0 || chosen.has(labels[i])) && (!needle || folded[i].includes(needle));
const place = (i) => [
  width / 2 + (points[2 * i] - middle[0]) * fit() * scale,
  height / 2 - (points[2 * i + 1] - middle[1]) * fit() * scale,
];

// The middle of each cluster: the medians of its points.
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1] || 0;
const members = clusters.map(() => []);
labels.forEach((label, i) => label >= 0 && members[label].push(i));
const centres = members.map((own) => [
  median(own.map((i) => points[2 * i])),
  median(own.map((i) => points[2 * i + 1])),
]);

function disc(x, y, radius, fill) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fillStyle = fill;
  pen.fill();
}

function draw() {
  waiting = false;
  const style = getComputedStyle(document.documentElement);
  const dots = window.devicePixelRatio || 1;
  pen.setTransform(dots, 0, 0, dots, 0, 0);
  pen.clearRect(0, 0, width, height);
  const radius = Math.max(1.4, Math.min(7, 90 / Math.sqrt(count + 1))) * Math.min(2, scale ** 0.35);
  for (const lit of [false, true]) {
    pen.globalAlpha = lit ? 0.78 : 0.1;
    for (let i = 0; i < count; i++) {
      if (shown(i) !== lit) continue;
      const [x, y] = place(i);
      if (x < -9 || y < -9 || x > width + 9 || y > height + 9) continue;
      disc(x, y, radius, colour(labels[i]));
    }
  }
  pen.globalAlpha = 1;
  pen.font = "600 12px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  clusters.forEach((cluster, label) => {
    if (!members[label].length || (chosen.size && !chosen.has(label))) return;
    const x = width / 2 + (centres[label][0] - middle[0]) * fit() * scale;
    const y = height / 2 - (centres[label][1] - middle[1]) * fit() * scale;
    disc(x, y, 12, style.getPropertyValue("--panel"));
    disc(x, y, 10.5, cluster.colour);
    pen.fillStyle = "#fff";
    pen.fillText(label + 1, x, y + 0.5);
  });
  if (hovered >= 0) {
    const [x, y] = place(hovered);
    disc(x, y, radius + 4, style.getPropertyValue("--ink"));
    disc(x, y, radius + 2, colour(labels[hovered]));
  }
}

function redraw() {
  if (!waiting) requestAnimationFrame(draw);
  waiting = true;
}

function resize() {
  const box = at("view").getBoundingClientRect(), dots = window.devicePixelRatio || 1;
  [width, height] = [box.width, box.height];
  canvas.width = Math.round(width * dots);
  canvas.height = Math.round(height * dots);
  redraw();
}

function zoom(factor, x = width / 2, y = height / 2) {
  const next = Math.min(200, Math.max(0.5, scale * factor));
  // The point under (x, y) stays where it is.
  const move = 1 / (fit() * scale) - 1 / (fit() * next);
  middle = [middle[0] + (x - width / 2) * move, middle[1] - (y - height / 2) * move];
  scale = next;
  redraw();
}

function hover(x, y) {
  let best = NEAR * NEAR;
  hovered = -1;
  for (let i = 0; i < count; i++) {
    if (!shown(i)) continue;
    const [px, py] = place(i), far = (px - x) ** 2 + (py - y) ** 2;
    if (far < best) [best, hovered] = [far, i];
  }
  tip.hidden = hovered < 0;
  if (hovered >= 0) {
    const label = labels[hovered];
    const head = tip.querySelector("b");
    head.textContent = label < 0 ? "Noise" : label + 1;
    head.style.color = colour(label);
    at("words").textContent = label < 0 ? "" : clusters[label].keywords.slice(0, 4).join(", ");
    tip.querySelector("p").textContent = texts[hovered];
    const [px, py] = place(hovered);
    const left = px + tip.offsetWidth + 24 > width ? px - tip.offsetWidth - 14 : px + 14;
    tip.style.left = Math.max(6, left) + "px";
    tip.style.top = Math.max(6, Math.min(py + 12, height - tip.offsetHeight - 6)) + "px";
  }
  redraw();
}

// Pointers on the map: one moves it, two zoom it.
const down = new Map();
const spread = () => {
  const [a, b] = [...down.values()];
  return { far: Math.hypot(a[0] - b[0], a[1] - b[1]) || 1, x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2 };
};
const where = (event) => [event.offsetX, event.offsetY];
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  down.set(event.pointerId, where(event));
  canvas.classList.add("moving");
});
canvas.addEventListener("pointermove", (event) => {
  const [x, y] = where(event), before = down.get(event.pointerId);
  if (!before) return hover(x, y);
  const old = down.size === 2 ? spread() : null;
  down.set(event.pointerId, [x, y]);
  if (old) {
    const now = spread();
    zoom(now.far / old.far, now.x, now.y);
  } else {
    middle = [
      middle[0] - (x - before[0]) / (fit() * scale),
      middle[1] + (y - before[1]) / (fit() * scale),
    ];
    redraw();
  }
});
for (const name of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(name, (event) => {
    down.delete(event.pointerId);
    canvas.classList.toggle("moving", down.size > 0);
  });
}
canvas.addEventListener("pointerleave", () => { hovered = -1; tip.hidden = true; redraw(); });
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(Math.exp(-event.deltaY * 0.0015), ...where(event));
}, { passive: false });
const whole = () => { scale = 1; middle = [0, 0]; redraw(); };
canvas.addEventListener("dblclick", whole);
at("in").addEventListener("click", () => zoom(1.5));
at("out").addEventListener("click", () => zoom(1 / 1.5));
at("whole").addEventListener("click", whole);

function press() {
  for (const button of at("legend").querySelectorAll("button")) {
    button.ariaPressed = String(chosen.size === 0 || chosen.has(Number(button.dataset.label)));
  }
}

function entry(label, words, size) {
  const button = document.createElement("button");
  const badge = document.createElement("i"), names = document.createElement("span");
  const number = document.createElement("small");
  button.type = "button";
  button.dataset.label = label;
  badge.textContent = label < 0 ? "–" : label + 1;
  badge.style.background = colour(label);
  words.forEach((word, i) => {
    const name = document.createElement("bdi");
    name.textContent = word + (i + 1 < words.length ? "," : "");
    names.append(name, " ");
  });
  number.textContent = size.toLocaleString("en");
  button.append(badge, names, number);
  button.addEventListener("click", () => {
    if (!chosen.delete(label)) chosen.add(label);
    press();
    redraw();
  });
  const item = document.createElement("li");
  item.append(button);
  at("legend").append(item);
}
clusters.forEach(({ keywords, size }, label) => entry(label, keywords, size));
const noise = labels.filter((label) => label < 0).length;
if (noise) entry(-1, ["noise"], noise);

at("find").addEventListener("input", (event) => {
  needle = event.target.value.trim().toLocaleLowerCase();
  const hits = folded.filter((text) => text.includes(needle)).length;
  at("found").value = needle ? `${hits.toLocaleString("en")} of ${count.toLocaleString("en")}` : "";
  redraw();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
new ResizeObserver(resize).observe(at("view"));
press();
resize();
