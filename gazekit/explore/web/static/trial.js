// Shows a trial: draws what the server computed, and asks it again when a detector is changed.
const $ = (id) => document.getElementById(id);
const root = $("trial"), stage = $("stage"), traces = $("traces");
const layers = { picture: true, left: true, right: true, fixations: true, saccades: true };
const picture = new Image();
let waiting = 0, view = null, now = 0, playing = false, last = 0, asked = 0;
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const LABELS = ["--none", "--fixation", "--saccade", "--pso", "--pursuit", "--lost"];

function query(extra = {}) {
  const values = new URLSearchParams();
  for (const form of document.querySelectorAll("form.detector")) {
    const detector = form.elements[`${form.dataset.prefix}detector`];
    if (form.dataset.prefix && !detector.value) { continue; }
    for (const field of form.elements) {
      if (field.name && field.value !== "" && field.value !== field.dataset.default) { values.set(field.name, field.value); }
    }
  }
  for (const [name, value] of Object.entries(extra)) { values.set(name, value); }
  return values.toString();
}

async function load(window_ms = null) {
  const number = ++asked;
  const extra = window_ms ? { from: window_ms[0], to: window_ms[1] } : {};
  const answer = await fetch(`${root.dataset.at}/view.json?${query(extra)}`);
  const content = await answer.json();
  if (number !== asked) { return; }
  const fault = $("fault");
  fault.hidden = answer.ok;
  if (!answer.ok) { fault.textContent = content.error; root.dataset.ready = "fault"; return; }
  const same = view && content.pending && found_for === query();
  const detections = same ? view.detections : content.detections;
  view = content;
  view.detections = detections;
  if (!window_ms) { history.replaceState(null, "", `${root.dataset.at}?${query()}`); out(); }
  $("time").max = view.trial.duration_ms;
  summaries(); table(); draw();
  root.dataset.ready = String(Number(root.dataset.ready || 0) + 1);
  if (content.pending && !same) { later(); }
}

let found_for = null;
async function later() {  // of a long trial the events come when they are found
  const asked_for = query(), note = $("pending");
  note.hidden = false;
  const answer = await fetch(`${root.dataset.at}/detections.json?${asked_for}`);
  const content = await answer.json();
  if (asked_for !== query()) { return; }
  note.hidden = true;
  if (!answer.ok) { $("fault").hidden = false; $("fault").textContent = content.error; return; }
  view.detections = content.detections;
  found_for = asked_for;
  summaries(); table(); draw();
}

let outside = location.search.slice(1);
async function out() {
  const now_shown = query();
  if (now_shown === outside) { return; }
  outside = now_shown;
  const answer = await fetch(`${root.dataset.at}/recipe?${now_shown}`);
  if (answer.ok && outside === now_shown) { const open = $("out").querySelector("details").open; $("out").innerHTML = await answer.text(); $("out").querySelector("details").open = open; }
}

function element(name, text, kind = "") { const node = document.createElement(name); node.textContent = text; if (kind) { node.className = kind; } return node; }
const figure = (value, digits = 0) => value === null || value === undefined ? "–" : value.toFixed(digits);

function summaries() {
  document.querySelectorAll("form.detector").forEach((form, n) => {
    const found = view.detections[n], list = form.querySelector("dl");
    list.replaceChildren();
    if (!found) { return; }
    const s = found.summary;
    const rows = [["fixations", s.fixations], ["mean", `${figure(s.mean_fixation_ms)} ms`], ["saccades", s.saccades],
      ["mean amplitude", `${figure(s.mean_amplitude_deg, 2)} deg`], ["lost", `${figure(s.lost_percent, 1)} %`]];
    if (n === 0 && view.makers) { rows.push(["maker's fixations", view.makers.fixations]); }
    for (const [name, value] of rows) {
      const row = document.createElement("div");
      row.append(element("dt", name), element("dd", value));
      list.append(row);
    }
  });
}

function table() {
  const [low, high] = view.window_ms;
  const numbered = (view.detections[0]?.fixations || []).map((fixation, n) => [fixation, n]);
  const rows = numbered.filter(([fixation]) => fixation.end_ms >= low && fixation.begin_ms <= high).map(([fixation, n]) => {
    const row = document.createElement("tr");
    row.append(element("th", n + 1));
    row.firstChild.scope = "row";
    const cut = [fixation.cut_start ? "start" : "", fixation.cut_end ? "end" : ""].filter(Boolean).join(", ");
    const cells = [figure(fixation.begin_ms), figure(fixation.duration_ms), figure(fixation.x_px, 1), figure(fixation.y_px, 1),
      figure(fixation.rms_s2s_deg, 3), cut];
    row.append(...cells.map((cell) => element("td", cell)));
    return row;
  });
  $("fixations").replaceChildren(...rows);
}

function fit(canvas, width, height) {
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  return pen;
}

function sampleAt(time) {
  const stamps = view.gaze.time;
  let low = 0, high = stamps.length;
  while (low < high) { const middle = (low + high) >> 1; if (stamps[middle] <= time) { low = middle + 1; } else { high = middle; } }
  return low - 1;
}

function draw() {
  if (!view) { return; }
  drawStage(); drawTraces();
  $("time").value = now;
  $("now").textContent = `${now.toFixed(0)} ms`;
}

function drawStage() {
  const width = stage.parentElement.clientWidth, zoom = width / view.screen[0], height = view.screen[1] * zoom;
  const pen = fit(stage, width, height);
  pen.fillStyle = "#808080";
  pen.fillRect(0, 0, width, height);
  const [x, y, w, h] = view.trial.placement.map((value) => value * zoom);
  if (layers.picture && picture.complete && picture.naturalWidth) { pen.drawImage(picture, x, y, w, h); }
  else { pen.fillStyle = "#cdcdcd"; pen.fillRect(x, y, w, h); }
  const shown = playing || now > 0;
  const until = shown ? now : Infinity, first = view.detections[0] || { fixations: [] };
  if (layers.saccades) { path(pen, zoom, first.fixations, until, "#fff", []); if (view.detections[1]) { path(pen, zoom, view.detections[1].fixations, until, "#f0e442", [4, 3]); } }
  for (const side of ["left", "right"]) { if (layers[side] && view.gaze[side]) { dots(pen, zoom, view.gaze[side], side, shown); } }
  if (layers.fixations) {
    circles(pen, zoom, first.fixations, until, "#0072b2", true);
    if (view.detections[1]) { circles(pen, zoom, view.detections[1].fixations, until, "#d55e00", false); }
  }
}

function path(pen, zoom, fixations, until, colour, dash) {
  pen.save();
  pen.strokeStyle = colour; pen.lineWidth = 1.6; pen.setLineDash(dash);
  pen.shadowColor = "#000"; pen.shadowBlur = 2;
  pen.beginPath();
  fixations.filter((f) => f.begin_ms <= until && f.x_px !== null).forEach((f, n) => {
    if (n) { pen.lineTo(f.x_px * zoom, f.y_px * zoom); } else { pen.moveTo(f.x_px * zoom, f.y_px * zoom); }
  });
  pen.stroke();
  pen.restore();
}

function circles(pen, zoom, fixations, until, colour, filled) {
  pen.font = "11px system-ui, sans-serif"; pen.textAlign = "center"; pen.textBaseline = "middle";
  fixations.forEach((fixation, n) => {
    if (fixation.begin_ms > until || fixation.x_px === null) { return; }
    const lasted = Math.min(fixation.duration_ms, until - fixation.begin_ms);
    const radius = 5 + Math.sqrt(Math.max(lasted, 0)) * 0.7;
    pen.beginPath();
    pen.arc(fixation.x_px * zoom, fixation.y_px * zoom, radius, 0, 2 * Math.PI);
    pen.globalAlpha = 0.6; pen.fillStyle = colour;
    if (filled) { pen.fill(); }
    pen.globalAlpha = 1; pen.strokeStyle = filled ? "#fff" : colour; pen.lineWidth = filled ? 1 : 2.5; pen.stroke();
    if (filled) { pen.fillStyle = "#fff"; pen.fillText(n + 1, fixation.x_px * zoom, fixation.y_px * zoom); }
  });
}

function dots(pen, zoom, axes, side, shown) {
  const colour = side === "left" ? "#1b6ca8" : "#c8553d", at = sampleAt(now);
  pen.fillStyle = colour;
  const from = shown ? Math.max(0, at - 12) : 0, to = shown ? at : axes[0].length - 1;
  for (let n = from; n <= to; n += 1) {
    if (axes[0][n] === null || n < 0) { continue; }
    pen.globalAlpha = shown ? 0.25 + 0.75 * (n - from) / Math.max(1, to - from) : 0.45;
    const size = shown && n === to ? 7 : 2.5;
    pen.beginPath();
    pen.arc(axes[0][n] * zoom, axes[1][n] * zoom, size, 0, 2 * Math.PI);
    pen.fill();
    if (size > 3) { pen.strokeStyle = "#fff"; pen.lineWidth = 1.5; pen.stroke(); }
  }
  pen.globalAlpha = 1;
}

const ROWS = [["x", ["x"], "x, px"], ["y", ["y"], "y, px"], ["velocity", ["velocity"], "velocity, deg/s"], ["pupil", ["pupil_left", "pupil_right"], "pupil, mm"]];
const LONGEST = 120000;  // ms of a long trial at a time
const LEFT = 96, ROW = 74, STRIP = 20;

function strips() {
  const list = view.detections.map((found) => [found.detector, found.labels]);
  if (view.makers) { list.push(["maker's", view.makers.labels]); }
  return list;
}

function drawTraces() {
  const width = traces.parentElement.clientWidth, lines = ROWS.filter(([, names]) => names.some((name) => view.traces[name]));
  const below = strips(), height = lines.length * ROW + below.length * (STRIP + 4) + 26;
  const pen = fit(traces, width, height);
  traces.style.width = `${width}px`;
  const [low, high] = view.window_ms, across = (time) => LEFT + (width - LEFT - 6) * (time - low) / (high - low || 1);
  pen.font = "11px system-ui, sans-serif";
  for (const [begin, end] of view.holes) { pen.fillStyle = style("--line"); pen.fillRect(across(begin), 0, Math.max(1, across(end) - across(begin)), lines.length * ROW); }
  lines.forEach(([, names, words], row) => {
    const top = row * ROW + 6, values = names.flatMap((name) => view.traces[name] ? view.traces[name].flat() : []).filter((v) => v !== null);
    const least = Math.min(...values), most = Math.max(...values), down = (v) => top + (ROW - 14) * (1 - (v - least) / (most - least || 1));
    pen.fillStyle = style("--soft"); pen.textAlign = "left"; pen.textBaseline = "top";
    pen.fillText(words, 2, top);
    if (values.length) { pen.fillText(most.toFixed(most < 20 ? 2 : 0), 2, top + 16); pen.fillText(least.toFixed(most < 20 ? 2 : 0), 2, top + ROW - 24); }
    names.forEach((name, n) => { if (view.traces[name]) { line(pen, view.traces[name], across, down, names.length > 1 ? style(n ? "--right" : "--left") : style("--ink")); } });
    pen.strokeStyle = style("--line"); pen.lineWidth = 1;
    pen.beginPath(); pen.moveTo(LEFT, top + ROW - 8); pen.lineTo(width, top + ROW - 8); pen.stroke();
  });
  below.forEach(([name, labels], n) => {
    const top = lines.length * ROW + n * (STRIP + 4) + 4;
    pen.fillStyle = style("--soft"); pen.textAlign = "left"; pen.textBaseline = "middle"; pen.fillText(name, 2, top + STRIP / 2);
    for (const [begin, end, label] of labels) {
      if (end < low || begin > high) { continue; }
      const a = Math.max(LEFT, across(begin)), b = Math.min(width - 6, across(end));
      pen.fillStyle = style(LABELS[label]);
      const tall = label === 2 ? STRIP : label === 1 ? STRIP * 0.7 : STRIP * 0.45;
      pen.fillRect(a, top + STRIP - tall, Math.max(1, b - a), tall);
    }
  });
  pen.fillStyle = style("--soft"); pen.textAlign = "center"; pen.textBaseline = "bottom";
  const step = nice((high - low) / Math.max(2, Math.min(8, (width - LEFT) / 75)));
  for (let time = Math.ceil(low / step) * step; time <= high; time += step) { pen.fillText(`${Math.round(time)} ms`, Math.min(width - 24, across(time)), height - 2); }
  pen.strokeStyle = style("--focus"); pen.lineWidth = 2;
  pen.beginPath(); pen.moveTo(across(now), 0); pen.lineTo(across(now), height - 16); pen.stroke();
}

function line(pen, [lowest, highest], across, down, colour) {
  const times = view.traces.time;
  pen.strokeStyle = colour; pen.lineWidth = 1;
  pen.beginPath();
  let drawn = false;
  for (let n = 0; n < times.length; n += 1) {
    if (lowest[n] === null) { drawn = false; continue; }
    const x = across(times[n]);
    if (drawn) { pen.lineTo(x, down(lowest[n])); } else { pen.moveTo(x, down(lowest[n])); }
    pen.lineTo(x, down(highest[n]));
    drawn = true;
  }
  pen.stroke();
}

function nice(step) { const power = 10 ** Math.floor(Math.log10(Math.max(step, 1))); return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= step); }

function go(time) {
  now = Math.max(0, Math.min(view.trial.duration_ms, time));
  draw();
  const [low, high] = view.window_ms;
  if (view.pending && (now < low || now > high)) { clearTimeout(waiting); waiting = setTimeout(() => load([Math.max(0, now - 5000), Math.min(view.trial.duration_ms, now + 55000)]), 200); }
}
function play(wanted) {
  playing = wanted;
  $("play").textContent = playing ? "Pause" : "Play";
  if (playing) { if (now >= view.trial.duration_ms) { now = 0; } last = performance.now(); requestAnimationFrame(tick); }
}
function tick(time) {
  if (!playing) { return; }
  now += (time - last) * Number($("speed").value);
  last = time;
  if (now >= view.trial.duration_ms) { if ($("loop").checked) { now = 0; } else { now = view.trial.duration_ms; play(false); } }
  draw();
  if (playing) { requestAnimationFrame(tick); }
}
function step(by) { play(false); const at = Math.max(0, Math.min(view.gaze.time.length - 1, sampleAt(now) + by)); go(view.gaze.time[at] ?? 0); }
function zoom(factor) {
  const [low, high] = view.window_ms, all = view.trial.duration_ms, most = view.pending ? LONGEST : all;
  const length = Math.min((high - low) * factor, most), middle = now > low && now < high ? now : (low + high) / 2;
  const from = Math.max(0, Math.min(middle - length / 2, all - length));
  load(length >= all ? null : [from, from + length]);
}

$("play").addEventListener("click", () => play(!playing));
$("back").addEventListener("click", () => step(-1));
$("on").addEventListener("click", () => step(1));
$("time").addEventListener("input", (event) => { play(false); go(Number(event.target.value)); });
for (const box of document.querySelectorAll("[data-layer]")) { box.addEventListener("change", () => { layers[box.dataset.layer] = box.checked; draw(); }); }
function clicked(event) {
  const box = traces.getBoundingClientRect(), [low, high] = view.window_ms;
  play(false);
  go(low + (high - low) * (event.clientX - box.left - LEFT) / (box.width - LEFT - 6));
}
traces.addEventListener("pointerdown", (event) => { traces.setPointerCapture(event.pointerId); clicked(event); });
traces.addEventListener("pointermove", (event) => { if (event.buttons) { clicked(event); } });
document.addEventListener("keydown", (event) => {
  if (!view || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=checkbox]), select, textarea")) { return; }
  const onTraces = event.target === traces;
  const acts = { ",": () => step(-1), ".": () => step(1), "+": () => zoom(0.5), "-": () => zoom(2), 0: () => zoom(Infinity),
    "[": () => $("earlier")?.click(), "]": () => $("later")?.click(), x: () => $("exclude")?.click() };
  if (event.key === " " && !event.target.matches("button, a, summary, input")) { acts[" "] = () => play(!playing); }
  if (onTraces) { acts.ArrowLeft = () => step(-1); acts.ArrowRight = () => step(1); acts.Home = () => go(0); acts.End = () => go(view.trial.duration_ms); }
  const act = acts[event.key];
  if (act) { event.preventDefault(); act(); }
});

for (const form of document.querySelectorAll("form.detector")) {
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => {
    clearTimeout(waiting);
    if (event.target.name.endsWith("detector")) {  // other parameters: the server writes the fields
      const kept = new URLSearchParams(query());
      for (const name of [...kept.keys()]) { if (name !== event.target.name && name.startsWith(form.dataset.prefix) && name.startsWith("beside.") === Boolean(form.dataset.prefix) && !name.endsWith("detector")) { kept.delete(name); } }
      location.search = kept.toString();
      return;
    }
    waiting = setTimeout(() => load(), 150);
  });
}
addEventListener("resize", draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
picture.addEventListener("load", draw);
if (root.dataset.picture) { picture.src = `${root.dataset.at}/picture`; }
load();
