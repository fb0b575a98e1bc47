"use strict";
const $ = (id) => document.getElementById(id);
const known = {};
const trail = [];
const texts = JSON.parse(document.body.dataset.texts);
const number = (value, digits = 0) => value.toLocaleString(`${document.documentElement.lang}-u-nu-latn`,
  { maximumFractionDigits: digits, minimumFractionDigits: digits, useGrouping: false });
const signed = (value, digits = 0) => (value < 0 ? "\u2212" : "+") + number(Math.abs(value), digits);
// A text of the catalogue with values in its places; a key that is not there stands for itself.
function say(key, values = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);
}
const named = (prefix, name) => { const key = `${prefix}_${name.toLowerCase().replaceAll(" ", "_")}`;
  return key in texts ? texts[key] : name; };
// In a text that runs from the right, what has a direction of its own is kept together.
const alone = (text) => `\u2066${text}\u2069`;
let frames = 0, framesFrom = performance.now(), shownPicture = null;

function send(content) {
  return fetch("/", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content) })
    .catch(() => { $("reply").textContent = say("not_sent"); });
}
const command = (name, text = "") => send({ command: name, text });

function connect() {
  const news = new EventSource("/news");
  news.onmessage = (event) => { update(JSON.parse(event.data)); };
  news.onerror = () => { if (!known.over) { $("phase").textContent = say("no_connection"); } };
}

function update(content) {
  Object.assign(known, content);
  frames += 1;
  const now = performance.now();
  if (now - framesFrom > 1000) {
    document.body.dataset.hz = (1000 * frames / (now - framesFrom)).toFixed(1);
    $("hz").textContent = say("a_second", { number: number(Number(document.body.dataset.hz), 1) });
    frames = 0; framesFrom = now;
  }
  if ("participant" in content) { $("participant").textContent = known.participant; }
  $("phase").textContent = named("phase", known.over ? "over" : known.phase ?? "starting");
  $("phase").className = known.phase === "TRACKER LOST" ? "lost" : "";
  $("over").hidden = !known.over;
  const paused = known.phase === "paused";
  if ($("pause").dataset.command !== (paused ? "go on" : "pause")) {
    $("pause").dataset.command = paused ? "go on" : "pause";
    $("pause").firstChild.textContent = `${say(paused ? "go_on" : "pause")} `;
  }
  if (!("samples" in known)) { $("phase").textContent = say("waiting"); return; }
  facts();
  if ("picture" in content || "screen" in content) { picture(); }
  if ("notices" in content) { list($("notices"), known.notices.map((text) => element("li", text))); }
  if ("planned" in content || "verdicts" in content || "trial" in content) { trials(); }
  if ("asking" in content) { asking(); }
  if ("reply" in content) { $("reply").textContent = named("reply", content.reply); }
  drawGaze(); drawHead();
}

function element(name, text) { const node = document.createElement(name); node.textContent = text; return node; }
function list(parent, nodes) { parent.replaceChildren(...nodes); }
function set(id, text, bad) { const node = $(id); node.textContent = text;
  node.className = bad === undefined ? "" : bad ? "bad" : "good"; }

function facts() {
  const total = (known.planned || []).length, left = known.seconds_left || 0;
  set("trial", say("of", { number: number(known.trial), total: number(total) }));
  set("left", `${number(Math.floor(left / 60))}:${number(left % 60).padStart(2, number(0))}`);
  const slow = known.rate !== null && known.planned_hz && known.rate < 0.95 * known.planned_hz;
  set("rate", known.rate === null ? "..." : say("hz", { rate: number(known.rate), planned: number(known.planned_hz) }), slow);
  set("loss", known.loss === null ? "..." : percent(known.loss), known.loss > 0.2);
  const lost = known.samples ? known.lost / known.samples : 0;
  set("lost", say("of", { number: percent(lost, 1), total: number(known.samples) }), lost > 0.2);
  set("missing", say("in_gaps", { missing: number(known.missing), gaps: number(known.gaps) }), known.gaps > 0);
  if (known.head) { set("head", headWords(known.head), known.head.advice !== "good"); }
}

const percent = (share, digits = 0) => `${number(100 * share, digits)} %`;

function headWords({ unit, place }) {
  if (!place) { return say("head_unseen"); }
  const [x, y, z] = place;
  return unit === "mm" ? say("head_mm", { x: alone(signed(x)), y: alone(signed(y)), z: alone(number(z)) })
    : say("head_box", { x: alone(signed(x, 2)), y: alone(signed(y, 2)), z: alone(signed(z, 2)) });
}

function picture() {
  const image = $("picture"), shown = known.picture;
  if (known.screen) { $("screen").style.aspectRatio = `${known.screen[0]} / ${known.screen[1]}`; }
  image.hidden = !shown;
  if (shown && shown.id !== shownPicture) { image.src = `/picture?${encodeURIComponent(shown.id)}`; }
  shownPicture = shown ? shown.id : null;
  if (shown) {
    const [x, y, width, height] = shown.place.map((value) => `${100 * value}%`);
    Object.assign(image.style, { left: x, top: y, width, height });
    image.alt = say("picture_alt", { id: shown.id });
  }
}

function drawGaze() {
  const canvas = $("gaze"), box = canvas.getBoundingClientRect();
  if (canvas.width !== Math.round(box.width)) { canvas.width = Math.round(box.width);
    canvas.height = Math.round(box.height); }
  trail.push(known.gaze || [null, null]);
  if (trail.length > 12) { trail.shift(); }
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, canvas.width, canvas.height);
  trail.forEach((eyes, n) => eyes.forEach((point, side) => {
    if (!point) { return; }
    pen.globalAlpha = (n + 1) / trail.length;
    pen.beginPath();
    pen.arc(point[0] * canvas.width, point[1] * canvas.height, n === trail.length - 1 ? 9 : 4, 0, 7);
    pen.fillStyle = side ? "#c83c28" : "#1446c8"; pen.fill();
    pen.strokeStyle = "#fff"; pen.lineWidth = 2; pen.stroke();
  }));
}

function drawHead() {
  const canvas = $("eyes"), pen = canvas.getContext("2d"), head = known.head;
  pen.clearRect(0, 0, canvas.width, canvas.height);
  if (!head) { return; }
  pen.strokeStyle = head.advice === "good" ? "#c8f5d2" : "#ffb4a6"; pen.lineWidth = 4;
  pen.strokeRect(canvas.width * 0.35, canvas.height * 0.3, canvas.width * 0.3, canvas.height * 0.4);
  pen.fillStyle = "#fff";
  for (const [x, y] of head.eyes) {
    pen.beginPath(); pen.arc(canvas.width * (0.5 + x / 2), canvas.height * (0.5 - y / 2), 8, 0, 7); pen.fill();
  }
}

function trials() {
  const verdicts = Object.fromEntries((known.verdicts || []).map((row) => [row.image, row]));
  list($("trials"), (known.planned || []).map((image, n) => {
    const row = document.createElement("tr"), verdict = verdicts[image];
    if (n + 1 === known.trial) { row.className = "now"; }
    const cells = [number(n + 1), image, verdict ? percent(verdict.valid) : "",
      verdict ? number(verdict.frames_missed) : "", verdict ? named("verdict", verdict.verdict) : ""];
    cells.forEach((text) => row.append(element("td", text)));
    if (verdict) { row.lastChild.className = verdict.verdict === "good" ? "good" : "bad"; }
    return row;
  }));
}

function asking() {
  const { review, question } = known.asking || {};
  $("asked").hidden = !review && !question;
  $("points").hidden = $("vectors").hidden = !review;
  if (question) {
    $("question").textContent = question.text;
    list($("answers"), Object.entries(question.keys).map(([key, what]) =>
      answer(what, () => send({ decide: "answer", value: key }))));
  }
  if (review) { showReview(review); }
}

function answer(words, act) {
  const button = element("button", words);
  button.type = "button";
  button.addEventListener("click", act);
  return button;
}

function showReview(review) {
  $("question").textContent = `${say("review", { attempt: number(review.attempt), attempts: number(review.attempts) })} ` +
    (review.failed.length ? say("review_failed", { number: number(review.failed.length) }) : say("review_lines"));
  const choices = review.targets.map((target, n) => {
    const label = document.createElement("label"), box = document.createElement("input");
    box.type = "checkbox"; box.value = n; box.checked = review.failed.includes(n);
    label.append(box, ` ${number(n + 1)} `);
    return label;
  });
  list($("points"), [element("legend", say("points_again")), ...choices]);
  const chosen = () => [...$("points").querySelectorAll("input:checked")].map((box) => Number(box.value));
  const decide = (value) => () => send({ decide: "review", value: value() });
  list($("answers"), [answer(say("go_on"), decide(() => [])), answer(say("review_chosen"), decide(chosen)),
    answer(say("review_all"), decide(() => review.targets.map((target, n) => n)))]);
  drawVectors(review);
}

function drawVectors(review) {
  const canvas = $("vectors"), pen = canvas.getContext("2d");
  const at = ([x, y]) => [x * canvas.width, y * canvas.height];
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.font = "13px sans-serif"; pen.lineWidth = 2;
  review.targets.forEach((target, n) => {
    const [x, y] = at(target);
    pen.fillStyle = "#fff"; pen.beginPath(); pen.arc(x, y, 4, 0, 7); pen.fill(); pen.fillText(n + 1, x - 4, y - 8);
  });
  for (const row of review.errors) {
    if (row.dx === null) { continue; }
    const [x, y] = at([row.x, row.y]), [u, v] = at([row.x + 5 * row.dx, row.y + 5 * row.dy]);
    pen.strokeStyle = pen.fillStyle = row.eye === "left" ? "#0b2f8f" : "#7d1405";
    pen.beginPath(); pen.moveTo(x, y); pen.lineTo(u, v); pen.stroke();
    pen.fillText(row.error_deg.toFixed(2), x + (row.eye === "left" ? -34 : 10), y + 18);
  }
}

function askEnd() { if (!$("sure").open) { $("sure").showModal(); $("sure-no").focus(); } }
$("end").addEventListener("click", askEnd);
$("sure-no").addEventListener("click", () => $("sure").close());
$("sure-yes").addEventListener("click", async () => { $("sure").close(); await command("end"); await command("end"); });
$("actions").addEventListener("click", (event) => {
  const name = event.target.closest("button")?.dataset.command;
  if (name) { command(name); }
});
$("note-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if ($("note").value.trim()) { command("note", $("note").value); $("note").value = ""; }
});
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input") || event.ctrlKey || event.metaKey || event.altKey || $("sure").open) { return; }
  if (event.key === "n") { event.preventDefault(); $("note").focus(); return; }
  if (event.key === "e") { askEnd(); return; }
  const button = document.querySelector(`#actions button[aria-keyshortcuts="${CSS.escape(event.key)}"]`);
  if (button?.dataset.command && !event.repeat) { command(button.dataset.command); }
});
connect();
