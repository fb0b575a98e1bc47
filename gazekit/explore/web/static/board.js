// Draws people by pictures, and opens the trial of a cell. Every number comes from the server.
const HEIGHT = 20;
const canvas = document.getElementById("cells"), line = document.getElementById("cell");
const answer = await fetch("/board.json" + location.search);
const board = await answer.json();
const people = board.people.length, pictures = board.pictures.length;
const room = document.getElementById("grid").clientWidth - document.querySelector(".names").offsetWidth - 20;
const width = Math.max(6, Math.min(36, Math.floor(room / Math.max(1, pictures))));
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
let row = 0, column = 0;

function draw() {
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, pictures * width * scale);
  canvas.height = Math.max(1, people * HEIGHT * scale);
  canvas.style.width = `${pictures * width}px`;
  canvas.style.height = `${people * HEIGHT}px`;
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.fillStyle = style("--none");
  for (let p = 0; p < people; p += 1) {
    for (let q = 0; q < pictures; q += 1) {
      if (board.session[p][q] < 0) { continue; }
      const colour = board.colour[p][q];
      pen.fillStyle = colour < 0 ? style("--lost") : board.palette[colour];
      pen.fillRect(q * width, p * HEIGHT, width - 1, HEIGHT - 1);
      if (board.left_out[p][q]) {
        pen.strokeStyle = colour >= 0 && colour < 36 ? "#fff" : "#000";
        pen.lineWidth = 1.5;
        const x = q * width + (width - 1) / 2, y = p * HEIGHT + (HEIGHT - 1) / 2, r = Math.min(5, width / 2 - 1);
        pen.beginPath();
        pen.moveTo(x - r, y - r); pen.lineTo(x + r, y + r);
        pen.moveTo(x - r, y + r); pen.lineTo(x + r, y - r);
        pen.stroke();
      }
      if (board.excluded[p][q]) {
        for (const colour_now of ["#fff", "#000"]) {
          pen.strokeStyle = colour_now; pen.lineWidth = colour_now === "#fff" ? 4 : 2;
          pen.beginPath();
          pen.arc(q * width + (width - 1) / 2, p * HEIGHT + (HEIGHT - 1) / 2, Math.min(7, width / 2), 0, 2 * Math.PI);
          pen.stroke();
        }
      }
    }
  }
  if (document.activeElement === canvas) {
    pen.strokeStyle = style("--focus");
    pen.lineWidth = 3;
    pen.strokeRect(column * width + 0.5, row * HEIGHT + 0.5, width - 2, HEIGHT - 2);
  }
}

function say(p, q) {
  if (!people || !pictures) { line.textContent = "no trial is chosen"; return; }
  const name = `${board.people[p]}, ${board.pictures[q] || "no picture"}`;
  const value = board.value[p][q];
  if (board.session[p][q] < 0) { line.textContent = `${name}: not shown`; return; }
  const figure = value === null ? "not known" : `${value} ${board.unit}`;
  line.textContent = `${name}: ${board.words} ${figure}${board.left_out[p][q] ? ", better left out" : ""}${board.excluded[p][q] ? ", excluded" : ""}`;
}

function open(p, q) {
  if (board.session[p]?.[q] >= 0) { location.href = `/trial/${board.sessions[board.session[p][q]]}/${board.number[p][q]}`; }
}

function place(event) {
  const box = canvas.getBoundingClientRect();
  return [Math.floor((event.clientY - box.top) / HEIGHT), Math.floor((event.clientX - box.left) / width)];
}

canvas.addEventListener("mousemove", (event) => { const [p, q] = place(event); if (p < people && q < pictures) { say(p, q); } });
canvas.addEventListener("click", (event) => { open(...place(event)); });
canvas.addEventListener("focus", () => { draw(); say(row, column); });
canvas.addEventListener("blur", draw);
canvas.addEventListener("keydown", (event) => {
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
    Home: [0, -pictures], End: [0, pictures], PageUp: [-10, 0], PageDown: [10, 0] };
  if (event.key === "Enter") { open(row, column); return; }
  const move = moves[event.key];
  if (!move) { return; }
  event.preventDefault();
  row = Math.max(0, Math.min(people - 1, row + move[0]));
  column = Math.max(0, Math.min(pictures - 1, column + move[1]));
  const grid = document.getElementById("grid"), left = document.querySelector(".names").offsetWidth;
  const x = left + column * width, y = row * HEIGHT;
  if (x - left < grid.scrollLeft) { grid.scrollLeft = x - left; }
  if (x + width > grid.scrollLeft + grid.clientWidth) { grid.scrollLeft = x + width - grid.clientWidth; }
  if (y < grid.scrollTop) { grid.scrollTop = y; }
  if (y + HEIGHT > grid.scrollTop + grid.clientHeight) { grid.scrollTop = y + HEIGHT - grid.clientHeight; }
  draw();
  say(row, column);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

const legend = document.getElementById("legend").getContext("2d");
board.palette.forEach((colour, n) => { legend.fillStyle = colour; legend.fillRect(n * 3, 0, 3, 12); });
draw();
canvas.dataset.ready = "yes";
