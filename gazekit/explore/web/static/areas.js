// Draws areas and saves them. What people did in them is measured by the server, with the code of `gazekit measures`.
const at = (id) => document.getElementById(id);
const place = at("drawing").dataset, canvas = at("sheet"), pen = canvas.getContext("2d");
const image = place.image, layer = place.layer, colours = place.colours.split(" ");
const here = new URLSearchParams({ image, layer }).toString();
const who = browserName(), page = Math.random().toString(36).slice(2, 14);
const picture = new Image();
const masks = new Map(); // of areas that are mask pictures
let areas = {}, figures = [], synced = {}, version = 0, size = [1, 1], marked = {}, chosen = new Set(), tool = "rectangle", draft = null, scale = 1;
let past = [], future = [], cross = null, moving = null, dirty = false, saving = false, saveTimer = 0, measureTimer = 0, asked = 0, reached = true;

function browserName() {
  let name = localStorage.getItem("gazekit-who");
  if (!name) { name = `browser ${Math.random().toString(36).slice(2, 6)}`; localStorage.setItem("gazekit-who", name); }
  return name;
}

async function ask(address, body) {
  const init = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(address, init);
  const content = await answer.json();
  if (!answer.ok) { throw Object.assign(new Error(content.error || answer.statusText), { refused: true }); }
  return content;
}

const say = (words) => { at("said").textContent = words || "\u00a0"; };
function tell(lines) { at("told").textContent = lines.join("\n"); at("told").hidden = !lines.length; }

// ---- geometry: only for drawing; nothing is measured here
const clone = (value) => JSON.parse(JSON.stringify(value));
const round = (n) => Math.round(n * 10) / 10;
const formOf = (a) => Array.isArray(a) ? "polygon" : typeof a === "string" ? "mask" : ["rectangle", "ellipse", "polygon", "brush", "mask"].find((f) => f in a);
const bodyOf = (a) => Array.isArray(a) || typeof a === "string" ? a : a[formOf(a)];
const looksOf = (a) => Array.isArray(a) || typeof a === "string" ? {} : { ...(a.colour && { colour: a.colour }), ...(a.group && { group: a.group }) };
const withLooks = (a, looks) => ({ [formOf(a)]: bodyOf(a), ...Object.fromEntries(Object.entries({ ...looksOf(a), ...looks }).filter(([, v]) => v)) });
function boundsOf(a) {
  const form = formOf(a), body = bodyOf(a);
  if (form === "rectangle" || form === "ellipse") { return body; }
  if (form === "mask") { return [0, 0, size[1], size[0]]; }
  const points = form === "polygon" ? body : body.flatMap((s) => s.points);
  const room = form === "brush" ? Math.max(...body.map((s) => s.radius)) : 0;
  const xs = points.map((p) => p[0]), ys = points.map((p) => p[1]);
  const left = Math.min(...xs) - room, top = Math.min(...ys) - room;
  return [left, top, Math.max(...xs) + room - left, Math.max(...ys) + room - top];
}
function moved(a, dx, dy) {
  const form = formOf(a), body = bodyOf(a), shift = (p) => [round(p[0] + dx), round(p[1] + dy)];
  if (form === "mask") { return a; }
  const to = form === "polygon" ? body.map(shift) : form === "brush" ? body.map((s) => ({ ...s, points: s.points.map(shift) })) : [...shift(body), body[2], body[3]];
  return { [form]: to, ...looksOf(a) };
}
function path(a) {
  const form = formOf(a), body = bodyOf(a), shape = new Path2D();
  if (form === "rectangle") { shape.rect(...body); }
  if (form === "ellipse") { shape.ellipse(body[0] + body[2] / 2, body[1] + body[3] / 2, body[2] / 2, body[3] / 2, 0, 0, 7); }
  if (form === "polygon") { body.forEach((p, n) => (n ? shape.lineTo(...p) : shape.moveTo(...p))); shape.closePath(); }
  return shape;
}
function maskOf(name) {
  if (!masks.has(name)) {
    const kept = new Image();
    masks.set(name, kept);
    kept.addEventListener("load", draw);
    const owner = Object.keys(areas).find((n) => bodyOf(areas[n]) === name);
    if (owner) { kept.src = `/areas/mask.png?${here}&${new URLSearchParams({ name: owner })}`; }
  }
  return masks.get(name);
}

// ---- drawing
function fit() {
  const room = canvas.parentElement.clientWidth - 2, ratio = window.devicePixelRatio || 1;
  const width = Math.max(200, Math.floor(Math.min(room, Math.max(300, 0.6 * innerHeight) * size[1] / size[0])));  // all of it is seen
  scale = width / size[1];
  canvas.style.width = `${width}px`;
  canvas.style.height = `${Math.round(size[0] * scale)}px`;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(size[0] * scale * ratio);
  draw();
}
function paint(target, a, colour, strong) {
  const form = formOf(a), body = bodyOf(a);
  target.fillStyle = target.strokeStyle = colour;
  target.lineWidth = (strong ? 3.5 : 2) / scale;
  if (form === "brush" || form === "mask") {
    const sheet = new OffscreenCanvas(canvas.width, canvas.height), ink = sheet.getContext("2d");
    ink.setTransform(target.getTransform());
    ink.strokeStyle = ink.fillStyle = colour;
    ink.lineCap = ink.lineJoin = "round";
    if (form === "mask") {
      const kept = maskOf(body);
      if (kept.complete && kept.naturalWidth) {
        ink.drawImage(kept, 0, 0, size[1], size[0]);
        ink.globalCompositeOperation = "multiply";
        ink.fillRect(0, 0, size[1], size[0]);
      }
    }
    for (const stroke of form === "brush" ? body : []) {
      ink.globalCompositeOperation = stroke.erases ? "destination-out" : "source-over";
      ink.lineWidth = 2 * stroke.radius;
      ink.beginPath();
      stroke.points.forEach((p, n) => (n ? ink.lineTo(...p) : ink.moveTo(...p)));
      ink.lineTo(...stroke.points.at(-1));
      ink.stroke();
    }
    target.save();
    target.resetTransform();
    target.globalAlpha = strong ? 0.6 : 0.4;
    if (form === "mask") { target.globalCompositeOperation = "screen"; }
    target.drawImage(sheet, 0, 0);
    target.restore();
    return;
  }
  const shape = path(a);
  target.globalAlpha = strong ? 0.35 : 0.2;
  target.fill(shape);
  target.globalAlpha = 1;
  target.stroke(shape);
}
const colourOf = (name) => looksOf(areas[name]).colour || colours[Math.max(0, Object.keys(areas).indexOf(name)) % colours.length];
function draw() {
  const ratio = canvas.width / (canvas.clientWidth || 1);
  pen.setTransform(scale * ratio, 0, 0, scale * ratio, 0, 0);
  pen.fillStyle = "#a0a0a0";
  pen.fillRect(0, 0, size[1], size[0]);
  if (picture.complete && picture.naturalWidth) { pen.drawImage(picture, 0, 0, size[1], size[0]); }
  if (at("marked").checked) {
    pen.setLineDash([6 / scale, 4 / scale]);
    pen.lineWidth = 1.5 / scale;
    for (const boxes of Object.values(marked)) {
      for (const box of boxes) { pen.strokeStyle = "#000"; pen.strokeRect(...box); pen.strokeStyle = "#fff"; pen.lineDashOffset = 5 / scale; pen.strokeRect(...box); pen.lineDashOffset = 0; }
    }
    pen.setLineDash([]);
  }
  pen.font = `600 ${13 / scale}px system-ui, sans-serif`;
  for (const [name, a] of Object.entries(areas)) {
    paint(pen, a, colourOf(name), chosen.has(name));
    const [x, y] = boundsOf(a);
    pen.lineWidth = 3 / scale;
    pen.strokeStyle = "#000";
    pen.fillStyle = "#fff";
    pen.strokeText(name, Math.max(2, x + 4 / scale), Math.max(14 / scale, y + 15 / scale));
    pen.fillText(name, Math.max(2, x + 4 / scale), Math.max(14 / scale, y + 15 / scale));
  }
  if (draft) {
    const whole = finished(draft);
    if (whole) { paint(pen, whole, "#ffffff", true); }
    if (draft.tool === "polygon") {
      pen.strokeStyle = "#fff";
      pen.lineWidth = 2 / scale;
      pen.beginPath();
      draft.points.forEach((p, n) => (n ? pen.lineTo(...p) : pen.moveTo(...p)));
      if (draft.hover) { pen.lineTo(...draft.hover); }
      pen.stroke();
      for (const p of draft.points) { pen.fillStyle = "#fff"; pen.fillRect(p[0] - 3 / scale, p[1] - 3 / scale, 6 / scale, 6 / scale); }
    }
  }
  if (cross && document.activeElement === canvas) {
    for (const [colour, width] of [["#000", 3], ["#fff", 1]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = width / scale;
      pen.beginPath();
      pen.moveTo(cross[0] - 12 / scale, cross[1]); pen.lineTo(cross[0] + 12 / scale, cross[1]);
      pen.moveTo(cross[0], cross[1] - 12 / scale); pen.lineTo(cross[0], cross[1] + 12 / scale);
      pen.stroke();
    }
  }
}

// ---- what is being drawn
function finished(d) {
  if (d.tool === "rectangle" || d.tool === "ellipse") {
    const [a, b] = [d.points[0], d.points[1] || d.points[0]];
    const box = [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.abs(a[0] - b[0]), Math.abs(a[1] - b[1])].map(round);
    return box[2] >= 1 && box[3] >= 1 ? { [d.tool]: box } : null;
  }
  if (d.tool === "polygon") { return d.points.length > 2 ? { polygon: d.points } : null; }
  const stroke = { points: d.points, radius: Number(at("radius").value), ...(d.tool === "erase" && { erases: true }) };
  const before = d.into && formOf(areas[d.into]) === "brush" ? bodyOf(areas[d.into]) : [];
  return { brush: [...before, stroke], ...(d.into && looksOf(areas[d.into])) };
}
function nextName() { let n = 1; while (`area ${n}` in areas) { n += 1; } return `area ${n}`; }
function nameOf(d) { d.name ||= d.into || nextName(); return d.name; }
function begin(point) {
  const brushed = [...chosen].find((name) => formOf(areas[name]) === "brush");
  if (tool === "erase" && !brushed) { say("choose an area that was painted with the brush; the eraser takes away from it"); return; }
  draft = { tool, points: [point], into: tool === "brush" || tool === "erase" ? brushed : undefined };
}
function current() {
  const whole = draft && finished(draft);
  return whole ? { ...areas, [nameOf(draft)]: whole } : areas;
}
function end() {
  if (!draft) { return; }
  const whole = finished(draft), name = whole && nameOf(draft);
  draft = null;
  if (whole) { change({ ...areas, [name]: whole }, [name]); say(`${name} drawn`); } else { draw(); changed(); }
}
function change(next, choose = [...chosen]) {
  past.push(areas);
  if (past.length > 200) { past.shift(); }
  future = [];
  areas = clone(next);
  chosen = new Set(choose.filter((name) => name in areas));
  changed();
}
function back(from, to, words) {
  if (!from.length) { say(`nothing to ${words}`); return; }
  to.push(areas);
  areas = from.pop();
  chosen = new Set([...chosen].filter((name) => name in areas));
  say(words === "undo" ? "taken back" : "done again");
  changed();
}
function changed() {
  dirty = true;
  draw();
  list();
  clearTimeout(saveTimer);
  saveTimer = setTimeout(save, 150);
  measureSoon();
}

// ---- saving: each change within a fraction of a second, and again when the server could not be reached
async function save() {
  if (saving) { return; }
  saving = true;
  const sent = clone(current()), text = JSON.stringify(sent);
  dirty = false;
  try {
    const answer = await ask("/areas/save.json", { image, layer, base: version, areas: sent, who, page });
    reached = true;
    at("rescue").hidden = true;
    if (answer.told.length) {
      tell(answer.told);
      if (!draft && JSON.stringify(current()) === text) { adopt(answer, answer.theirs); } else { goOnBeside(answer); }
    } else {
      version = answer.version;
      synced = answer.areas;
      if (!draft) { say("saved"); }
    }
  } catch (error) {
    dirty = !error.refused;
    reached = Boolean(error.refused);
    if (error.refused) { tell([`not saved: ${error.message}`]); } else { rescue(sent); }
  }
  saving = false;
  if (dirty) { clearTimeout(saveTimer); saveTimer = setTimeout(save, reached ? 150 : 1000); }
}
function rescue(unsaved) {
  say("the server cannot be reached: not saved yet, trying again; leave this page open");
  URL.revokeObjectURL(at("rescue").href);
  at("rescue").href = URL.createObjectURL(new Blob([JSON.stringify({ [image]: unsaved })], { type: "application/json" }));
  at("rescue").hidden = false;
}
// What others changed stays when something of one's own is taken back.
function rebased(states, theirs) {
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  const foreign = [...new Set([...Object.keys(synced), ...Object.keys(theirs)])].filter((name) => !same(synced[name], theirs[name]));
  return states.map((kept) => {
    const next = { ...kept };
    for (const name of foreign) {
      if (!same(kept[name], synced[name])) { continue; }
      if (name in theirs) { next[name] = theirs[name]; } else { delete next[name]; }
    }
    return next;
  });
}
function adopt(state, theirs = state.areas) {
  past = rebased(past, theirs);
  future = rebased(future, theirs);
  areas = state.areas;
  synced = state.areas;
  version = state.version;
  chosen = new Set([...chosen].filter((name) => name in areas));
  draw();
  list();
  measureSoon();
}
// Others saved while something was still drawn here: it goes on beside what they did, under the name it has been given.
function goOnBeside(answer) {
  const named = (name) => answer.renamed[name] || name;
  if (draft) { draft.name = draft.name && named(draft.name); draft.into = draft.into && named(draft.into); }
  const mine = Object.fromEntries(Object.entries(areas).map(([name, area]) => [named(name), area]));
  past = rebased(past, answer.theirs);
  future = rebased(future, answer.theirs);
  [areas] = rebased([mine], answer.theirs);
  synced = answer.areas;
  version = answer.version;
  dirty = true;
  draw();
  list();
}
async function follow() {
  if (dirty || saving || draft || document.hidden) { return; }
  const known = version;
  try {
    const state = await ask(`/areas/state.json?${here}`);
    if (version !== known) { return; }  // it was saved meanwhile: the answer may be from before
    if (state.version !== version && !dirty && !saving && !draft) { adopt(state); tell(["another browser changed the areas of this picture; they are shown now"]); }
  } catch { /* the next save says it */ }
}
setInterval(follow, 4000);
setInterval(() => { if (draft) { dirty = true; save(); } }, 500);
addEventListener("beforeunload", (event) => { if (dirty || saving) { event.preventDefault(); } });

// ---- measures
function measureSoon() { clearTimeout(measureTimer); measureTimer = setTimeout(measure, 120); }
const span = () => (at("from").value || at("to").value ? `${at("from").value || 0}:${at("to").value || 1e7}` : "");
async function measure() {
  const mine = (asked += 1);
  try {
    const found = await ask("/areas/figures.json", { image, layer, areas: current(), window: span() });
    if (mine === asked) { show(found); }
  } catch (error) { if (mine === asked && error.refused) { tell([error.message]); } }
}
const figure = (value, digits = 0) => (value === null || value === undefined ? "\u2013" : value.toFixed(digits));
function row(cells, data = {}) {
  const line = document.createElement("tr");
  cells.forEach(([label, text], n) => {
    const cell = document.createElement(n ? "td" : "th");
    if (!n) { cell.scope = "row"; } else if (label) { cell.dataset.label = label; }
    cell.textContent = text;
    line.append(cell);
  });
  Object.assign(line.dataset, data);
  return line;
}
const numbers = (r) => [["dwell, ms", figure(r.fixation_ms)], ["share of dwell", figure(r.dwell_share, 3)], ["first after, ms", figure(r.time_to_first_ms)], ["first fixation, ms", figure(r.first_fixation_ms)], ["visits", figure(r.visits, 1)], ["fixations", figure(r.fixations, 1)]];
function dwells() {
  for (const place of document.querySelectorAll(".dwell")) {
    const r = figures.find((one) => one.area === place.dataset.of);
    place.textContent = r ? `${figure(r.fixation_ms)} ms, ${r.people} of ${r.of}` : "";
  }
}
function show(found) {
  figures = found.summary;
  dwells();
  const drawn = draft?.name && figures.find((one) => one.area === draft.name);
  if (drawn) { say(`${drawn.area}: ${figure(drawn.fixation_ms)} ms in the mean, ${drawn.people} of ${drawn.of} looked in`); }
  at("command").textContent = found.command;
  at("python").textContent = found.python;
  for (const link of document.querySelectorAll(".files a")) { link.href = `${link.pathname}?${here}&${new URLSearchParams({ window: span() })}`; }
  at("figures").replaceChildren(...found.summary.map((r) => row([["", r.area], ["looked in", `${r.people} of ${r.of}`], ...numbers(r)], { area: r.area, dwell: r.fixation_ms })));
  at("people").replaceChildren(...Object.entries(found.people).flatMap(([name, rows]) => rows.map((r) => row([["", r.participant + (r.showing > 1 ? ` (${r.showing})` : "")], ["", name], ...numbers(r)], { area: name, participant: r.participant, dwell: r.fixation_ms }))));
  at("steps").replaceChildren(...found.steps.map((s) => row([["", s.from], ["", s.to], ["", s.count]])));
}

// ---- the list and the chosen area
function list() {
  const rows = Object.keys(areas).map((name) => {
    const item = document.createElement("li"), label = document.createElement("label"), box = document.createElement("input"), swatch = document.createElement("canvas");
    box.type = "checkbox";
    box.checked = chosen.has(name);
    box.addEventListener("change", () => { if (box.checked) { chosen.add(name); } else { chosen.delete(name); } draw(); one(); });
    swatch.width = swatch.height = 14;
    const ink = swatch.getContext("2d");
    ink.fillStyle = colourOf(name);
    ink.fillRect(0, 0, 14, 14);
    const group = looksOf(areas[name]).group;
    label.append(box, swatch, document.createTextNode(`${name} (${formOf(areas[name])}${group ? `, ${group}` : ""})`));
    const dwell = document.createElement("span");
    dwell.className = "dwell soft";
    dwell.dataset.of = name;
    item.append(label, dwell);
    return item;
  });
  const focused = [...at("list").children].findIndex((item) => item.contains(document.activeElement));
  at("list").replaceChildren(...rows);
  if (focused >= 0) { at("list").children[focused]?.querySelector("input").focus(); }
  dwells();
  one();
}
const only = () => (chosen.size === 1 ? [...chosen][0] : null);
function one() {
  const name = only();
  at("one").disabled = at("mask").hidden = !name;
  at("numbers").hidden = !name || !["rectangle", "ellipse"].includes(formOf(areas[name]));
  if (!name) { for (const id of ["name", "group"]) { at(id).value = ""; } return; }
  const looks = looksOf(areas[name]);
  at("name").value = name;
  at("group").value = looks.group || "";
  at("colour").value = colourOf(name);
  at("mask").href = `/areas/mask.png?${here}&${new URLSearchParams({ name })}`;
  if (!at("numbers").hidden) { ["left", "top", "width", "height"].forEach((id, n) => { at(id).value = bodyOf(areas[name])[n]; }); }
}
at("name").addEventListener("change", () => {
  const name = only(), fresh = at("name").value.trim();
  if (!name || fresh === name) { return; }
  if (!fresh || fresh in areas) { tell([fresh ? `there is an area ${fresh} already` : "an area needs a name"]); one(); return; }
  change(Object.fromEntries(Object.entries(areas).map(([key, a]) => [key === name ? fresh : key, a])), [fresh]);
});
for (const id of ["group", "colour"]) {
  at(id).addEventListener("change", () => { const name = only(); if (name) { change({ ...areas, [name]: withLooks(areas[name], { [id]: at(id).value.trim() }) }); } });
}
for (const id of ["left", "top", "width", "height"]) {
  at(id).addEventListener("change", () => {
    const name = only(), box = ["left", "top", "width", "height"].map((n) => Number(at(n).value));
    if (name && box.every(Number.isFinite) && box[2] > 0 && box[3] > 0) { change({ ...areas, [name]: { [formOf(areas[name])]: box, ...looksOf(areas[name]) } }); } else { one(); }
  });
}
function remove() {
  if (!chosen.size) { return; }
  say(`${[...chosen].join(", ")} deleted`);
  change(Object.fromEntries(Object.entries(areas).filter(([name]) => !chosen.has(name))), []);
}
at("delete").addEventListener("click", remove);
for (const button of document.querySelectorAll("[data-align]")) {
  button.addEventListener("click", () => {
    const names = [...chosen], how = button.dataset.align, boxes = names.map((name) => boundsOf(areas[name]));
    if (names.length < 2) { say("choose two areas or more"); return; }
    const axis = ["left", "centre", "right"].includes(how) ? 0 : 1, part = { left: 0, top: 0, centre: 0.5, middle: 0.5, right: 1, bottom: 1 }[how];
    const low = Math.min(...boxes.map((b) => b[axis])), high = Math.max(...boxes.map((b) => b[axis] + b[axis + 2]));
    const next = { ...areas };
    names.forEach((name, n) => {
      const shift = low + part * (high - low) - (boxes[n][axis] + part * boxes[n][axis + 2]);
      next[name] = moved(areas[name], axis ? 0 : shift, axis ? shift : 0);
    });
    change(next);
  });
}

// ---- mouse, pen and finger
const point = (event) => { const box = canvas.getBoundingClientRect(); return [round((event.clientX - box.left - canvas.clientLeft) / scale), round((event.clientY - box.top - canvas.clientTop) / scale)]; };
function under(p) {
  const names = Object.keys(areas).reverse();
  return names.find((name) => {
    const form = formOf(areas[name]);
    if (["rectangle", "ellipse", "polygon"].includes(form)) { pen.save(); pen.resetTransform(); const hit = pen.isPointInPath(path(areas[name]), ...p); pen.restore(); return hit; }
    if (form === "brush") { return bodyOf(areas[name]).some((s) => s.points.some((q) => Math.hypot(q[0] - p[0], q[1] - p[1]) <= s.radius)); }
    return false;
  });
}
canvas.addEventListener("pointerdown", (event) => {
  if (event.button) { return; }
  canvas.focus();
  cross = null;
  const p = point(event);
  if (tool === "select") {
    const name = under(p);
    if (!event.shiftKey && !chosen.has(name)) { chosen.clear(); }
    if (name) { chosen.add(name); moving = { from: p, before: areas }; canvas.setPointerCapture(event.pointerId); }
    draw();
    list();
    return;
  }
  if (tool === "polygon") {
    if (draft) { draft.points.push(p); changed(); } else { begin(p); }
    draw();
    return;
  }
  canvas.setPointerCapture(event.pointerId);
  begin(p);
  draw();
});
canvas.addEventListener("pointermove", (event) => {
  const p = point(event);
  if (moving) {
    const next = { ...moving.before };
    for (const name of chosen) { next[name] = moved(moving.before[name], p[0] - moving.from[0], p[1] - moving.from[1]); }
    areas = next;
    draw();
    measureSoon();
    return;
  }
  if (!draft) { return; }
  if (draft.tool === "polygon") { draft.hover = p; draw(); return; }
  if (draft.tool === "rectangle" || draft.tool === "ellipse") { draft.points[1] = p; } else {
    const last = draft.points.at(-1);
    if (Math.hypot(p[0] - last[0], p[1] - last[1]) < 2 / scale) { return; }
    draft.points.push(p);
  }
  draw();
  measureSoon();
});
for (const kind of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(kind, () => {
    if (moving) { const next = areas; areas = moving.before; moving = null; if (JSON.stringify(next) !== JSON.stringify(areas)) { change(next); } return; }
    if (draft && draft.tool !== "polygon") { end(); }
  });
}
canvas.addEventListener("dblclick", () => { if (draft?.tool === "polygon") { draft.points.pop(); end(); } });

// ---- keyboard
const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
canvas.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) { return; }
  const step = steps[event.key], far = event.shiftKey ? 10 : 1;
  if (step && tool === "select" && chosen.size) {
    const next = { ...areas };
    for (const name of chosen) { next[name] = moved(areas[name], step[0] * far, step[1] * far); }
    change(next);
  } else if (step) {
    cross ||= [size[1] / 2, size[0] / 2];
    const pace = Math.max(1, Math.round(size[1] / 200)) * far;
    cross = [Math.min(size[1], Math.max(0, cross[0] + step[0] * pace)), Math.min(size[0], Math.max(0, cross[1] + step[1] * pace))].map(round);
    if (draft && draft.tool !== "polygon") { if (draft.tool === "brush" || draft.tool === "erase") { draft.points.push(cross); } else { draft.points[1] = cross; } measureSoon(); }
    say(`${cross[0]}, ${cross[1]}`);
    draw();
  } else if (event.key === "Enter" && tool !== "select") {
    if (draft?.tool === "polygon") {
      const last = draft.points.at(-1);
      if (cross && (last[0] !== cross[0] || last[1] !== cross[1])) { draft.points.push(cross); say(`corner ${draft.points.length}; Enter again ends`); changed(); } else { end(); }
    } else if (draft) { end(); } else if (cross) { begin(cross); say("begun; arrow keys, then Enter"); draw(); } else { cross = [size[1] / 2, size[0] / 2]; draw(); }
  } else if (event.key === "Escape") { draft = null; say("given up"); changed(); } else if (event.key === "Delete" || event.key === "Backspace") { remove(); } else { return; }
  event.preventDefault();
});
addEventListener("keydown", (event) => {
  const writes = event.target.matches("input:not([type=checkbox]):not([type=range]), select, textarea");
  if ((event.ctrlKey || event.metaKey) && !writes) {
    if (event.key.toLowerCase() === "z" && !event.shiftKey) { back(past, future, "undo"); event.preventDefault(); }
    if (event.key.toLowerCase() === "y" || (event.key.toLowerCase() === "z" && event.shiftKey)) { back(future, past, "redo"); event.preventDefault(); }
    return;
  }
  if (writes || event.altKey) { return; }
  const button = document.querySelector(`[aria-keyshortcuts="${event.key.toUpperCase()}"]`);
  if (button) { button.click(); }
});
for (const button of document.querySelectorAll("[data-tool]")) {
  button.addEventListener("click", () => {
    if (draft) { end(); }
    tool = button.dataset.tool;
    for (const other of document.querySelectorAll("[data-tool]")) { other.setAttribute("aria-pressed", String(other === button)); }
  });
}
at("undo").addEventListener("click", () => back(past, future, "undo"));
at("redo").addEventListener("click", () => back(future, past, "redo"));
at("marked").addEventListener("change", draw);
at("window").addEventListener("submit", (event) => { event.preventDefault(); measure(); });

// ---- other pictures, files, layers, history
at("copy").addEventListener("click", async () => {
  const to = [...at("targets").selectedOptions].map((o) => o.value);
  if (!chosen.size || !to.length) { say("choose areas, and pictures to copy them to"); return; }
  await save();
  try { tell((await ask("/areas/copy.json", { image, layer, names: [...chosen], to, scaled: at("scaled").checked, who })).told); } catch (error) { tell([error.message]); }
});
at("take").addEventListener("change", async () => {
  const file = at("take").files[0];
  if (!file) { return; }
  try {
    if (file.name.toLowerCase().endsWith(".png")) {
      const answer = await fetch(`/areas/mask.json?${here}`, { method: "POST", body: file });
      const content = await answer.json();
      if (!answer.ok) { throw new Error(content.error); }
      let name = file.name.slice(0, -4).slice(0, 90), n = 2;
      while (name in areas) { name = `${file.name.slice(0, -4).slice(0, 90)} ${n}`; n += 1; }
      change({ ...areas, [name]: { mask: content.mask } }, [name]);
    } else {
      const told = (await ask("/areas/import.json", { layer, who, areas: JSON.parse(await file.text()) })).told;
      adopt(await ask(`/areas/state.json?${here}`));
      tell(told);
    }
  } catch (error) { tell([`not taken: ${error.message}`]); }
  at("take").value = "";
});
at("agree").addEventListener("click", async () => {
  const found = await ask(`/areas/agreement.json?${here}`);
  const lines = found.drawn.map((r) => `${r.area}: ${r.person_1} and ${r.person_2} share ${figure(100 * r.overlap)} % of what either drew`);
  if (found.marked.people > 1) { lines.push(`what ${found.marked.people} participants marked: two share ${figure(100 * found.marked.overlap)} % in the mean`); }
  at("agreement").replaceChildren(...(lines.length ? lines : ["there is one layer only"]).map((text) => { const p = document.createElement("p"); p.textContent = text; return p; }));
});
at("past").addEventListener("click", async () => {
  const states = await ask(`/areas/history.json?${here}`);
  at("history").replaceChildren(...states.map((state) => {
    const item = document.createElement("li"), button = document.createElement("button");
    button.type = "button";
    button.textContent = "Bring back";
    button.addEventListener("click", () => { change(state.areas, []); say("an earlier state is back"); });
    item.append(button, document.createTextNode(`${new Date(state.utc).toLocaleString()}, ${state.who || "?"}: ${Object.keys(state.areas).join(", ") || "none"}`));
    return item;
  }));
});

const state = await ask(`/areas/state.json?${here}`);
size = state.size;
marked = state.marked;
at("excluded").textContent = state.excluded.join("; ");
picture.addEventListener("load", draw);
picture.src = `/areas/picture?${here}`;
document.querySelector('[data-tool="rectangle"]').click();
new ResizeObserver(fit).observe(canvas.parentElement);
addEventListener("resize", fit);
fit();
adopt(state);
place.ready = "true";
