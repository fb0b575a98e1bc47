// Shows a map while sliders move. The map, its mask and every number come from the server; here they get their colours.
const at = (id) => document.getElementById(id);
const form = at("choice"), canvas = at("sheet"), pen = canvas.getContext("2d");
const picture = new Image();
const colours = await (await fetch("/maps/colours.json")).json();
const longest = Number(at("to").max);
let asked = 0, timer = 0;

function query() {
  const data = new FormData(form), values = new URLSearchParams();
  for (const [name, value] of data) {
    const field = form.querySelector(`[name="${name}"]`);
    if (name === "name" || name === "versus") { continue; }
    if (field.closest("label")?.hidden) { continue; }
    values.set(name, value);
  }
  const who = values.get("who");
  if (values.get("view") === "difference") { values.set("who", "group"); values.set("versus", form.querySelector('[name="versus"]').value); }
  if (values.get("who") !== "everyone") {
    const names = values.get("who") === "group" ? "groups" : "people";
    values.set("name", form.querySelector(`[data-names="${names}"]`).value);
  }
  if (Number(at("from").value) > 0 || Number(at("to").value) < longest) { values.set("window", `${at("from").value}:${Math.max(Number(at("to").value), Number(at("from").value) + 50)}`); }
  return values;
}
function tidy() {
  const view = form.querySelector('[name="view"]').value, who = view === "difference" ? "group" : form.querySelector('[name="who"]').value, mask = form.querySelector('[name="mask"]').value;
  for (const label of form.querySelectorAll("[data-for]")) { label.hidden = !label.dataset.for.split(" ").includes(who); }
  for (const label of form.querySelectorAll("[data-view]")) { label.hidden = label.dataset.view !== view; }
  for (const label of form.querySelectorAll("[data-mask]")) { label.hidden = label.dataset.mask !== mask; }
  for (const output of form.querySelectorAll("output")) { output.textContent = output.previousElementSibling.value; }
}
async function kept(address) {
  const answer = await fetch(address);
  if (!answer.ok) { const words = await answer.text(); let said = words; try { said = JSON.parse(words).error; } catch { /* a page */ } throw new Error(said.replace(/<[^>]*>/g, " ").trim().slice(0, 400)); }
  return answer;
}
async function bitmap(address) { return createImageBitmap(await (await kept(address)).blob()); }

const words = (list) => new Uint32Array(new Uint8ClampedArray(list.flat()).buffer);
const heat = words(colours), veil = words(colours.map((_, value) => [0, 0, 0, 255 - value]));
function coloured(level, view, [height, width]) {
  const sheet = new OffscreenCanvas(width, height), ink = sheet.getContext("2d");
  const data = new ImageData(width, height), pixels = new Uint32Array(data.data.buffer), table = view === "opacity" ? veil : heat;
  for (let k = 0; k < pixels.length; k += 1) { pixels[k] = table[level[k]]; }
  ink.putImageData(data, 0, 0);
  return sheet;
}
function draw(view, facts, layer) {
  const [height, width] = facts.size, unit = Math.max(height, width) / 300;
  canvas.width = width;
  canvas.height = height;
  canvas.style.width = `${Math.floor(Math.min(canvas.parentElement.clientWidth, Math.max(300, 0.8 * innerHeight) * width / height))}px`;
  pen.fillStyle = "#a0a0a0";
  pen.fillRect(0, 0, width, height);
  if (view === "masked" || view === "difference") { pen.drawImage(layer, 0, 0, width, height); } else if (picture.naturalWidth) { pen.drawImage(picture, 0, 0, width, height); }
  if (view === "heatmap" || view === "opacity") { pen.drawImage(coloured(layer, view, facts.size), 0, 0, width, height); }
  const strokes = [["#000", 2 * unit], ["#fff", unit]];
  if (view === "contour") {
    const shades = ["#56b4e9", "#f0e442", "#d55e00"];
    Object.values(facts.lines).forEach((lines, n) => {
      for (const line of lines) { for (const [colour, wide] of [["#000", 2 * unit], [shades[n], unit]]) { trace(line, colour, wide); } }
    });
  } else if (view !== "difference") {
    if (form.querySelector('[name="mask"]').value === "region") { for (const line of facts.outlines) { for (const [colour, wide] of strokes) { trace(line, colour, wide); } } } else {
      for (const [top, left, bottom, right] of facts.boxes) { for (const [colour, wide] of strokes) { pen.strokeStyle = colour; pen.lineWidth = wide; pen.strokeRect(left, top, right - left, bottom - top); } }
    }
  }
}
function trace(line, colour, wide) {
  pen.strokeStyle = colour;
  pen.lineWidth = wide;
  pen.beginPath();
  line.forEach((p, n) => (n ? pen.lineTo(...p) : pen.moveTo(...p)));
  pen.closePath();
  pen.stroke();
}
const percent = (share) => `${(100 * share).toFixed(1)} %`;
async function show() {
  const mine = (asked += 1), values = query(), view = values.get("view");
  tidy();
  try {
    const drawn = view === "masked" || view === "difference";
    const layered = view === "contour" ? null : drawn ? bitmap(`/maps/shown.jpg?${values}`) : kept(`/maps/level.bin?${values}`).then(async (answer) => new Uint8Array(await answer.arrayBuffer()));
    const [facts, layer] = await Promise.all([kept(`/maps/facts.json?${values}`).then((answer) => answer.json()), layered]);
    if (mine !== asked) { return; }
    at("told").hidden = true;
    draw(view, facts, layer);
    for (const name of ["viewers", "fixations"]) { at(name).textContent = facts[name]; }
    for (const name of ["kept_mass", "kept_area", "mass", "area"]) { at(name).textContent = percent(facts[name]); }
    at("peak").textContent = `${facts.peak_percent.toFixed(2)} % of attention in a square of one sigma (${facts.sigma_px.toFixed(1)} px)`;
    at("excluded").textContent = facts.excluded.join("; ");
    at("words").textContent = `${view} of ${facts.who}: ${facts.viewers} viewers, ${facts.fixations} fixations; the mask holds ${percent(facts.kept_mass)} on ${percent(facts.kept_area)} of the picture`;
    at("command").textContent = facts.command;
    at("python").textContent = facts.python;
    for (const link of at("files").querySelectorAll("a")) { link.href = `${link.pathname}?${values}`; }
    history.replaceState(null, "", `/maps?${values}`);
    at("drawing").dataset.shown = String(values);
  } catch (error) {
    if (mine !== asked) { return; }
    at("told").textContent = error.message;
    at("told").hidden = false;
  }
}
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", (event) => {
  if (event.target.name === "image") { location.href = `/maps?${query()}`; return; }
  tidy();
  clearTimeout(timer);
  timer = setTimeout(show, 40);
});
picture.addEventListener("load", show);
picture.addEventListener("error", show);
tidy();
picture.src = `/maps/picture?${new URLSearchParams({ image: at("drawing").dataset.image })}`;
