"use strict";
// The live page of `edgemem listen`: one WebSocket in, one canvas and a few lists out.

const SPAN = 10;          // seconds across the picture
const DELAY = 0.2;        // seconds that the picture lags, so that it scrolls evenly
const HEADER = 16;        // bytes before a block's features, see web_frames.py
const BLANK = -32768;     // a frame that never came
const $ = (id) => document.getElementById(id);
const still = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");

let facts = null;         // what the server said of itself
let rule = null;          // the decision rule in force
let sound = null;         // the newest frames
let events = [];
let socket = null;
let pause = 500;          // milliseconds before the next try to connect
let heardAt = 0;          // when frames last came, by this page's clock
let rows = new Map();     // label -> elements of its row
let fresh = 0;

// --- frames ---

class Sound {
  // A ring of the newest frames, oldest first from `next` on.
  constructor(period, labels, stack) {
    this.period = period;
    this.labels = labels;
    this.stack = stack;   // frames of the front end in one feature vector
    this.n = Math.ceil((SPAN + 2) / period);
    this.features = null;
    this.posteriors = new Uint8Array(this.n * labels);
    this.next = 0;
    this.end = null;      // seconds at which the newest frame ends
    this.low = 0;
    this.high = 1;
    this.changed = false;
  }
  push(buffer) {
    const view = new DataView(buffer);
    const end = view.getFloat64(0, true);
    const k = view.getUint16(8, true), width = view.getUint16(10, true);
    const labels = view.getUint16(12, true);
    if (labels !== this.labels) return;
    if (!this.features || this.width !== width) {
      this.width = width;
      this.features = new Int16Array(this.n * width).fill(BLANK);
    }
    const features = new Int16Array(buffer, HEADER, k * width);
    const posteriors = new Uint8Array(buffer, HEADER + 2 * k * width, k * labels);
    if (this.end !== null) {
      const gap = Math.round((end - this.end) / this.period) - k;
      if (gap < -1 || gap > this.n) this.clear();
      else for (let i = 0; i < gap - 1; i++) this.put(null, null);
    }
    for (let i = 0; i < k; i++) {
      this.put(features.subarray(i * width, (i + 1) * width),
               posteriors.subarray(i * labels, (i + 1) * labels));
    }
    this.end = end;
    this.level = view.getInt16(14, true) / 10;
    this.changed = true;
  }
  put(features, posteriors) {
    const at = this.next;
    if (features) this.features.set(features, at * this.width);
    else this.features.fill(BLANK, at * this.width, (at + 1) * this.width);
    if (posteriors) this.posteriors.set(posteriors, at * this.labels);
    else this.posteriors.fill(0, at * this.labels, (at + 1) * this.labels);
    this.next = (at + 1) % this.n;
  }
  clear() {
    this.features.fill(BLANK);
    this.posteriors.fill(0);
  }
  // The range that colours stretch over: nearly all values, moved slowly.
  measure() {
    const values = [];
    for (let i = 0; i < this.features.length; i += 7) {
      if (this.features[i] !== BLANK) values.push(this.features[i]);
    }
    if (!values.length) return;
    values.sort((a, b) => a - b);
    const low = values[Math.floor(values.length * 0.03)];
    const high = Math.max(values[Math.floor(values.length * 0.998)], low + 64);
    const first = this.measured === undefined;
    this.low += (low - this.low) * (first ? 1 : 0.2);
    this.high += (high - this.high) * (first ? 1 : 0.2);
    this.measured = true;
  }
  newest(label) {
    return this.posteriors[((this.next + this.n - 1) % this.n) * this.labels + label] / 255;
  }
}

// --- colours ---

const MAPS = {
  dark: [[14, 22, 21], [16, 52, 66], [20, 92, 106], [38, 140, 122], [126, 188, 96], [240, 226, 120], [255, 250, 220]],
  light: [[247, 249, 246], [214, 231, 224], [150, 201, 192], [72, 153, 158], [28, 98, 122], [20, 54, 88], [12, 22, 44]],
};
let colours = null;
function paint() {
  const stops = MAPS[dark.matches ? "dark" : "light"];
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    const place = (i / 255) * (stops.length - 1);
    const left = Math.min(Math.floor(place), stops.length - 2), share = place - left;
    const [r, g, b] = stops[left].map((from, c) => Math.round(from + (stops[left + 1][c] - from) * share));
    table[i] = (255 << 24) | (b << 16) | (g << 8) | r;
  }
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(name).trim();
  colours = { table, ink: of("--ink"), soft: of("--soft"), line: of("--line"), well: of("--well"), accent: of("--accent"), card: of("--card") };
  if (!facts) return;
  const spoken = facts.labels.filter((label) => facts.fires.includes(label));
  colours.labels = facts.labels.map((label) => {
    const place = spoken.indexOf(label);
    if (place < 0) return colours.soft;
    const hue = (25 + (360 * place) / spoken.length) % 360;
    return dark.matches ? `oklch(0.78 0.14 ${hue})` : `oklch(0.58 0.15 ${hue})`;
  });
  facts.labels.forEach((label, i) => rows.get(label)?.row.style.setProperty("--colour", colours.labels[i]));
}
dark.addEventListener("change", () => { paint(); list(); if (sound) sound.changed = true; });

// --- the picture ---

const canvas = $("picture");
const context = canvas.getContext("2d");
const image = document.createElement("canvas");
let shown = null;         // seconds at the picture's right edge
let before = 0;

function render() {
  // All columns anew, in time order: a few ten thousand pixels.
  const { n, width, stack, features, next, low, high } = sound;
  const bands = Math.floor(width / stack), columns = n * stack;
  image.width = columns;
  image.height = bands;
  const pen = image.getContext("2d");
  const data = pen.createImageData(columns, bands);
  const pixels = new Uint32Array(data.data.buffer);
  const scale = 255 / Math.max(1, high - low);
  for (let column = 0; column < columns; column++) {
    const from = ((next + Math.floor(column / stack)) % n) * width + (column % stack) * bands;
    for (let band = 0; band < bands; band++) {
      const value = features[from + band];
      if (value === BLANK) continue;
      const shade = Math.min(255, Math.max(0, Math.round((value - low) * scale)));
      pixels[(bands - 1 - band) * columns + column] = colours.table[shade];
    }
  }
  pen.putImageData(data, 0, 0);
}

function draw(now) {
  requestAnimationFrame(draw);
  const step = Math.min(0.25, (now - before) / 1000);
  before = now;
  if (!sound || sound.end === null) return;
  const target = sound.end - DELAY;
  if (shown === null || Math.abs(target - shown) > 1 || still.matches) shown = target;
  else shown += step + (target - shown - step) * Math.min(1, 2 * step);
  if (sound.changed) {
    render();
    sound.changed = false;
  }
  const ratio = devicePixelRatio || 1;
  const w = canvas.clientWidth, h = canvas.clientHeight;
  if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) {
    canvas.width = Math.round(w * ratio);
    canvas.height = Math.round(h * ratio);
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, w, h);
  context.font = "12px system-ui, sans-serif";
  const left = 34, axis = 20, gap = 12;
  const top = { x: left, y: 0, w: w - left, h: Math.round((h - axis - gap) * 0.52) };
  const low = { x: left, y: top.h + gap, w: w - left, h: h - top.h - gap - axis };
  const x = (t) => top.x + top.w * (1 - (shown - t) / SPAN);
  drawFeatures(top, x);
  drawPosteriors(low, x);
  drawEvents(top, low, x);
  drawTimes(low, x);
}

function clipped(box, action) {
  context.save();
  context.beginPath();
  context.roundRect(box.x, box.y, box.w, box.h, 6);
  context.clip();
  action();
  context.restore();
}

function drawFeatures(box, x) {
  clipped(box, () => {
    context.fillStyle = colours.well;
    context.fillRect(box.x, box.y, box.w, box.h);
    const right = x(sound.end);
    const width = (sound.n * sound.period * box.w) / SPAN;
    context.imageSmoothingQuality = "high";
    context.drawImage(image, right - width, box.y, width, box.h);
  });
  context.save();
  context.fillStyle = colours.soft;
  context.textAlign = "center";
  context.translate(12, box.y + box.h / 2);
  context.rotate(-Math.PI / 2);
  context.fillText(facts.axis, 0, 0);
  context.restore();
}

function drawPosteriors(box, x) {
  const inset = 4;
  const y = (value) => box.y + inset + (box.h - 2 * inset) * (1 - value);
  context.lineWidth = 1;
  for (const [value, text] of [[0, "0"], [0.5, ".5"], [1, "1"]]) {
    context.strokeStyle = colours.line;
    context.beginPath();
    context.moveTo(box.x, y(value));
    context.lineTo(box.x + box.w, y(value));
    context.stroke();
    context.fillStyle = colours.soft;
    context.textAlign = "right";
    context.fillText(text, box.x - 7, y(value) + 4);
  }
  clipped(box, () => {
    const { n, labels, posteriors, next, period, end } = sound;
    const from = Math.max(0, n - Math.ceil((SPAN + 1) / period));
    facts.labels.forEach((label, k) => {
      const spoken = facts.fires.includes(label);
      context.strokeStyle = colours.labels[k];
      context.globalAlpha = spoken ? 1 : 0.45;
      context.lineWidth = spoken ? 2 : 1.25;
      context.lineJoin = "round";
      context.beginPath();
      for (let column = from; column < n; column++) {
        const value = posteriors[((next + column) % n) * labels + k] / 255;
        context.lineTo(x(end - (n - 1 - column) * period), y(value));
      }
      context.stroke();
      if (spoken) {
        context.globalAlpha = 0.13;
        context.fillStyle = colours.labels[k];
        context.lineTo(x(end), y(0));
        context.lineTo(x(end - (n - 1 - from) * period), y(0));
        context.fill();
      }
      context.globalAlpha = 1;
    });
    if (rule) {
      context.strokeStyle = colours.accent;
      context.setLineDash([6, 5]);
      context.lineWidth = 1.5;
      context.beginPath();
      context.moveTo(box.x, y(rule.threshold));
      context.lineTo(box.x + box.w, y(rule.threshold));
      context.stroke();
      context.setLineDash([]);
      for (const label of rule.own) {
        // a keyword's own threshold is a mark at the right edge
        context.fillStyle = colours.labels[facts.labels.indexOf(label)];
        context.fillRect(box.x + box.w - 14, y(rule.thresholds[label]) - 1.5, 14, 3);
      }
      const text = `threshold ${rule.threshold.toFixed(2)}`;
      const base = y(rule.threshold) + (rule.threshold > 0.86 ? 17 : -8);
      context.textAlign = "left";
      context.globalAlpha = 0.85;
      context.fillStyle = colours.card;
      context.beginPath();
      context.roundRect(box.x + 6, base - 12, context.measureText(text).width + 10, 16, 4);
      context.fill();
      context.globalAlpha = 1;
      context.fillStyle = colours.accent;
      context.fillText(text, box.x + 11, base);
    }
  });
}

function drawEvents(top, low, x) {
  context.textAlign = "left";
  for (const event of events) {
    const place = x(event.time);
    if (place < top.x || place > top.x + top.w) continue;
    const colour = colours.labels[facts.labels.indexOf(event.label)] || colours.ink;
    context.strokeStyle = colour;
    context.lineWidth = 1.5;
    context.beginPath();
    context.moveTo(place, top.y);
    context.lineTo(place, low.y + low.h);
    context.stroke();
    context.font = "600 13px system-ui, sans-serif";
    const width = context.measureText(event.label).width + 14;
    const at = Math.min(Math.max(place - width / 2, top.x), top.x + top.w - width);
    context.fillStyle = colour;
    context.beginPath();
    context.roundRect(at, top.y + 6, width, 21, 6);
    context.fill();
    context.fillStyle = dark.matches ? "#0e1312" : "#ffffff";
    context.fillText(event.label, at + 7, top.y + 21);
  }
  context.font = "12px system-ui, sans-serif";
}

function drawTimes(box, x) {
  context.fillStyle = colours.soft;
  context.textAlign = "center";
  for (let t = Math.ceil((shown - SPAN) / 2) * 2; t <= shown; t += 2) {
    const place = x(t);
    if (t < 0 || place < box.x + 14 || place > box.x + box.w - 14) continue;
    context.fillText(clock(t), place, box.y + box.h + 16);
  }
}

function clock(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const two = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(s / 3600), minutes = Math.floor(s / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(s % 60)}` : `${minutes}:${two(s % 60)}`;
}

// --- keywords and their thresholds ---

function element(kind, name, text) {
  const made = document.createElement(kind);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

function makeRows() {
  rows = new Map();
  $("rows").replaceChildren();
  const quietLast = [...facts.labels].sort((a, b) => facts.fires.includes(b) - facts.fires.includes(a));
  quietLast.forEach((label, i) => {
    const spoken = facts.fires.includes(label);
    const row = element("li", spoken ? "row" : "row silent");
    const name = element(spoken ? "label" : "span", "name");
    const track = element("div", "track"), bar = element("div", "bar"), fill = element("i");
    name.append(element("span", "swatch"), document.createTextNode(label));
    bar.append(fill);
    track.append(bar);
    const value = element("output");
    let slider = null;
    if (spoken) {
      slider = element("input");
      Object.assign(slider, { type: "range", min: 0, max: 1, step: 0.01, id: `keyword-${i}` });
      slider.dataset.label = label;
      slider.setAttribute("aria-label", `Threshold of ${label}`);
      name.htmlFor = value.htmlFor = slider.id;
      slider.addEventListener("input", () => move(slider, label));
      slider.addEventListener("dblclick", () => say({ kind: "threshold", label, value: null }));
      track.append(slider);
    }
    row.append(name, track, value);
    $("rows").append(row);
    rows.set(label, { row, fill, slider, value });
  });
}

const pending = new Map();
let sending = null;
function move(slider, label) {
  const value = Math.max(0.01, Number(slider.value));
  pending.set(label, value);
  slider.setAttribute("aria-valuetext", value.toFixed(2));
  (label === null ? $("common-value") : rows.get(label).value).textContent = value.toFixed(2);
  // Ten proposals a second are enough; the last one always goes.
  sending ??= setTimeout(() => {
    sending = null;
    for (const [key, wanted] of pending) say({ kind: "threshold", label: key, value: wanted });
    pending.clear();
  }, 100);
}

function say(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function set(slider, output, value) {
  if (document.activeElement !== slider || !sending) slider.value = value;
  slider.setAttribute("aria-valuetext", value.toFixed(2));
  output.textContent = value.toFixed(2);
}

function adopt(message) {
  rule = message;
  if (!pending.has(null)) set($("common"), $("common-value"), rule.threshold);
  for (const [label, value] of Object.entries(rule.thresholds)) {
    const row = rows.get(label);
    if (!row?.slider || pending.has(label)) continue;
    set(row.slider, row.value, value);
    row.row.classList.toggle("own", rule.own.includes(label));
  }
  $("toml").textContent = rule.toml;
  $("reset").hidden = !rule.moved;
}

// --- events ---

function list() {
  const items = events.slice(0, 50).map((event) => {
    const item = element("li");
    const time = element("time", "", new Date(event.at * 1000).toLocaleTimeString([], { hourCycle: "h23" }));
    time.dateTime = new Date(event.at * 1000).toISOString();
    time.title = `${clock(event.time)} after the start`;
    const word = element("span", "word"), score = element("span", "score"), fill = element("i");
    word.append(element("span", "swatch"), document.createTextNode(event.label));
    fill.style.transform = `scaleX(${event.score})`;
    score.append(fill);
    item.append(time, word, score, element("span", "number", event.score.toFixed(2)));
    item.style.setProperty("--colour", colours.labels[facts.labels.indexOf(event.label)] || colours.ink);
    return item;
  });
  if (!items.length) items.push(element("li", "none", "Say one of the keywords."));
  $("events").replaceChildren(...items);
}

function hear(event) {
  events.unshift(event);
  events.length = Math.min(events.length, 200);
  fresh += 1;
  $("count").textContent = fresh === 1 ? "1 since this page opened" : `${fresh} since this page opened`;
  list();
  const last = $("last");
  last.textContent = event.label;
  last.style.color = colours.labels[facts.labels.indexOf(event.label)];
  last.classList.add("fresh");
  requestAnimationFrame(() => setTimeout(() => last.classList.remove("fresh"), 700));
  const row = rows.get(event.label)?.row;
  row?.classList.add("firing");
  setTimeout(() => row?.classList.remove("firing"), 1200);
}

// --- status ---

function fact(name, text) {
  $(`${name}-fact`).hidden = text === null;
  $(name).textContent = text ?? "";
}

function status(message) {
  if (typeof message.share === "number") fact("share", `${(100 * message.share).toFixed(1)} %`);
  if (typeof message.source === "string") fact("source", message.source);
  if (typeof message.memory === "number") fact("memory", `${message.memory.toFixed(0)} MiB`);
  if (typeof message.dropped === "number") {
    const lost = message.dropped / facts.sample_rate + (message.missing || 0);
    fact("dropped", lost ? `${lost.toFixed(lost < 10 ? 1 : 0)} s` : "nothing");
    $("dropped").classList.toggle("some", lost > 0);
  }
}

function show(state, text) {
  if ($("state").textContent === text) return;
  $("state").dataset.state = state;
  $("state").textContent = text;
}

setInterval(() => {
  if (!sound || socket?.readyState !== WebSocket.OPEN) return;
  if (performance.now() - heardAt > 2000) show("waiting", "no sound");
  else show("live", "live");
  if (sound.end === null) return;
  sound.measure();
  $("heard").textContent = clock(sound.end);
}, 500);

function meters() {
  const level = Math.max(-60, Math.min(0, sound.level));
  const meter = $("level");
  meter.firstElementChild.style.transform = `scaleX(${(level + 60) / 60})`;
  meter.setAttribute("aria-valuenow", level.toFixed(0));
  meter.classList.toggle("clipped", sound.level > -0.1);
  $("decibels").textContent = sound.level < -90 ? "silence" : `${sound.level.toFixed(0)} dB`;
  facts.labels.forEach((label, i) => {
    rows.get(label).fill.style.transform = `scaleX(${sound.newest(i)})`;
    const row = rows.get(label);
    if (!row.slider) row.value.textContent = sound.newest(i).toFixed(2);
  });
}

// --- the connection ---

function welcome(message) {
  facts = message;
  $("network").textContent = message.name;
  document.title = `${message.name} · edgemem listen`;
  sound = new Sound(message.frame_period, message.labels.length, message.stack);
  shown = null;
  makeRows();
  paint();
  events = message.events.slice().reverse();
  adopt(message.rule);
  list();
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}/live`);
  socket.binaryType = "arraybuffer";
  socket.addEventListener("open", () => { pause = 500; });
  socket.addEventListener("message", ({ data }) => {
    if (typeof data !== "string") {
      if (!sound) return;
      const first = sound.end === null;
      sound.push(data);
      if (first) sound.measure();
      heardAt = performance.now();
      meters();
      return;
    }
    const message = JSON.parse(data);
    if (message.kind === "hello") welcome(message);
    else if (message.kind === "event") hear(message);
    else if (message.kind === "rule") adopt(message);
    else if (message.kind === "status") status(message);
    else if (message.kind === "refused") console.warn(message.reason);
  });
  socket.addEventListener("close", () => {
    show("gone", "not connected");
    setTimeout(connect, pause);
    pause = Math.min(5000, pause * 1.6);
  });
}

$("common").addEventListener("input", () => move($("common"), null));
$("common").addEventListener("dblclick", () => say({ kind: "threshold", label: null, value: null }));
$("reset").addEventListener("click", () => say({ kind: "reset" }));
$("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText($("toml").textContent);
    $("copy").textContent = "Copied";
  } catch {
    // Only pages from this machine or over TLS may use the clipboard: mark the text instead.
    getSelection().selectAllChildren($("toml"));
    $("copy").textContent = "Marked";
  }
  setTimeout(() => { $("copy").textContent = "Copy"; }, 1500);
});

paint();
connect();
requestAnimationFrame(draw);
