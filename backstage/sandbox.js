/* The XOR sandbox: a network with two inputs, two tanh units and one output, in the reader's page.

The notebook shows this module through anywidget, sandbox_page.py makes a page of it. The first part
computes, the second draws, the third answers to the reader. An array p holds the nine numbers in
the order of NAMES; points are pairs, labels 0 or 1. */

export const NAMES = ["w11", "w12", "b1", "w21", "w22", "b2", "v1", "v2", "c"];
const COLUMNS = [[0, 1, 2, 6, 8], [3, 4, 5, 7]]; // of sliders, one for each hidden unit
const CORNERS = { "00": [0, 0], "01": [0, 1], "10": [1, 0], "11": [1, 1] };
const LIMIT = 15; // the sliders reach from -15 to 15
const STEPS = 100; // of a training
const PAUSE = 30; // milliseconds between two of them, so that they can be watched
const TRAIN = "train from here";

// ---- the network ----

export function hidden(p, [x1, x2]) {
  return [Math.tanh(p[0] * x1 + p[1] * x2 + p[2]), Math.tanh(p[3] * x1 + p[4] * x2 + p[5])];
}

export function logit(p, x) {
  return outputUnit(p, hidden(p, x));
}

function outputUnit(p, [z1, z2]) {
  return p[6] * z1 + p[7] * z2 + p[8];
}

function sigmoid(a) {
  return 0.5 * (1 + Math.tanh(a / 2)); // without overflow
}

/* Mean binary cross-entropy [nats]. */
export function loss(p, points, labels) {
  const losses = points.map((x, i) => {
    const a = logit(p, x);
    return Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a))) - labels[i] * a;
  });
  return losses.reduce((sum, one) => sum + one) / points.length;
}

export function accuracy(p, points, labels) {
  const hits = points.filter((x, i) => logit(p, x) > 0 === labels[i] > 0);
  return hits.length / points.length;
}

/* Slope of the loss along each of the nine numbers, by the chain rule. */
export function gradient(p, points, labels) {
  const sum = p.map(() => 0);
  points.forEach(([x1, x2], i) => {
    const [z1, z2] = hidden(p, [x1, x2]);
    const error = (sigmoid(outputUnit(p, [z1, z2])) - labels[i]) / points.length;
    const back1 = error * p[6] * (1 - z1 * z1); // what the tanh passes on
    const back2 = error * p[7] * (1 - z2 * z2);
    const slopes = [back1 * x1, back1 * x2, back1, back2 * x1, back2 * x2, back2];
    [...slopes, error * z1, error * z2, error].forEach((slope, k) => (sum[k] += slope));
  });
  return sum;
}

/* The nine numbers after each step of Adam on all points. */
export function* adam(p, points, labels, rate = 0.1, steps = STEPS) {
  const mean = p.map(() => 0);
  const square = p.map(() => 0);
  for (let t = 1; t <= steps; t++) {
    gradient(p, points, labels).forEach((slope, k) => {
      mean[k] = 0.9 * mean[k] + 0.1 * slope;
      square[k] = 0.999 * square[k] + 0.001 * slope ** 2;
    });
    const size = square.map((value) => Math.sqrt(value / (1 - 0.999 ** t)) + 1e-8);
    p = p.map((value, k) => value - (rate * mean[k]) / (1 - 0.9 ** t) / size[k]);
    yield p;
  }
}

/* First weights as PyTorch draws them for two inputs. */
export function randomStart() {
  return NAMES.map(() => (2 * Math.random() - 1) / Math.SQRT2);
}

/* The two corners of different classes that lie closest in the plane of the hidden units. */
export function closest(p) {
  const pairs = [["00", "01"], ["00", "10"], ["01", "11"], ["10", "11"]].map((names) => {
    const [a, b] = names.map((name) => hidden(p, CORNERS[name]));
    return { names, distance: Math.hypot(a[0] - b[0], a[1] - b[1]) };
  });
  return pairs.sort((a, b) => a.distance - b.distance)[0];
}

/* Pieces [x, y, x, y] of the curve where a grid of n x n values changes its sign. */
export function zeroLine(values, n) {
  const pieces = [];
  for (let k = 0; k < n * (n - 1); k++) {
    if (k % n === n - 1) continue;
    const two = (at) => (values[at] > 0) + (values[at + 1] > 0);
    if ((two(k) + two(k + n)) % 4 === 0) continue; // all on one side
    const around = [k, k + 1, k + n + 1, k + n]; // the corners of a cell, one after the other
    const cuts = around.flatMap((from, side) => {
      const to = around[(side + 1) % 4];
      if (values[from] > 0 === values[to] > 0) return [];
      const share = values[from] / (values[from] - values[to]);
      const [x0, y0, x1, y1] = [from % n, Math.floor(from / n), to % n, Math.floor(to / n)];
      return [x0 + share * (x1 - x0), y0 + share * (y1 - y0)];
    });
    for (let at = 0; at < cuts.length; at += 4) pieces.push(cuts.slice(at, at + 4));
  }
  return pieces;
}

// ---- the pictures ----

const GRID = 141; // places along each side of a plane at which the network is evaluated
const TRACE = 200; // losses shown
const LEFT = 40; // pixels of the page around a plot
const RIGHT = 10;
const TOP = 8;
const BOTTOM = 22;

/* A pen for a canvas with as many pixels as the screen has; it counts in pixels of the page. */
function clean(canvas, ink) {
  const ratio = window.devicePixelRatio;
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(canvas.clientHeight * ratio);
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.fillStyle = ink;
  return pen;
}

function write(pen, text, x, y, align = "center") {
  pen.font = "13px system-ui, sans-serif";
  pen.textBaseline = "middle";
  pen.textAlign = align;
  pen.fillText(String(text).replace("-", "−"), x, y);
}

function stroke(pen, pieces, colour, width, dashes = []) {
  pen.beginPath();
  for (const [x0, y0, x1, y1] of pieces) {
    pen.moveTo(x0, y0);
    pen.lineTo(x1, y1);
  }
  pen.setLineDash(dashes);
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.stroke();
}

/* Probabilities as colour: one class's at 0, white at one half, the other's at 1. */
function colourMap(logits, classes) {
  const canvas = new OffscreenCanvas(GRID, GRID);
  const image = new ImageData(GRID, GRID);
  const data = image.data;
  const ends = classes.map((colour) => [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16)));
  logits.forEach((a, k) => {
    const lean = Math.tanh(a / 2); // from -1, surely class 0, to 1
    const end = ends[lean > 0 ? 1 : 0];
    for (let j = 0; j < 3; j++) data[4 * k + j] = 255 - 0.45 * Math.abs(lean) * (255 - end[j]);
    data[4 * k + 3] = 255;
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/* Class 0 as circles, class 1 as triangles, in the order of the data: neither hides the other. */
function drawPoints(pen, places, labels, classes) {
  const outlines = ["M-2 0a2 2 0 1 0 4 0a2 2 0 1 0-4 0", "M-2.5 2h5l-2.5-4.4z"];
  const shapes = outlines.map((outline) => new Path2D(outline));
  places.forEach(([x, y], i) => {
    pen.fillStyle = classes[labels[i]];
    pen.translate(x, y);
    pen.fill(shapes[labels[i]]);
    pen.translate(-x, -y);
  });
}

/* A corner's name, on that side of its place on which the corner lies in the input plane. */
function drawTag(pen, name, [x, y], classes) {
  const [first, second] = CORNERS[name];
  const left = x + 34 * first - 28;
  const top = y - 34 * second + 9;
  pen.fillStyle = classes[first ^ second];
  pen.fillRect(left, top, 22, 16);
  pen.fillStyle = first ^ second ? "black" : "white";
  write(pen, name, left + 11, top + 8.5);
}

/* A square plane: probabilities as colour, points, dashed lines, black where the logit is 0.

view: low, high, ticks, names of both axes, logit of a place, points, lines (a, b, c, colour) where
a u + b v + c = 0, tags: names of corners, and where they lie. */
function drawPlane(canvas, view, labels, classes, ink) {
  const pen = clean(canvas, ink);
  const { low, high, points, lines, tags } = view;
  const size = canvas.clientWidth - LEFT - RIGHT;
  const unit = size / (high - low);
  const cell = size / (GRID - 1);
  const place = ([u, v]) => [LEFT + unit * (u - low), TOP + unit * (high - v)];
  const across = Array.from({ length: GRID }, (_, k) => low + (k * cell) / unit);
  const logits = [...across].reverse().flatMap((v) => across.map((u) => view.logit([u, v])));
  for (const tick of view.ticks) {
    write(pen, tick, place([tick, low])[0], TOP + size + 11);
    write(pen, tick, LEFT - 6, place([low, tick])[1], "right");
  }
  write(pen, view.names[0], LEFT + 0.5 * size, TOP + size + 11);
  write(pen, view.names[1], LEFT - 6, TOP + 0.5 * size, "right");
  pen.beginPath();
  pen.rect(LEFT, TOP, size, size);
  pen.clip();
  const side = GRID * cell; // each pixel of the map lies around its place
  pen.drawImage(colourMap(logits, classes), LEFT - cell / 2, TOP - cell / 2, side, side);
  drawPoints(pen, points.map(place), labels, classes);
  const curve = zeroLine(logits, GRID).map((piece) =>
    piece.map((at, k) => (k % 2 ? TOP : LEFT) + cell * at));
  stroke(pen, curve, "black", 2.6);
  for (const [a, b, c, colour] of lines) {
    const length = Math.hypot(a, b) + 1e-9;
    const [right, up] = [a / length, b / length]; // at right angles to the line
    const away = -c / length; // of the line from the origin
    const ends = [-5, 5].map((far) => place([away * right - far * up, away * up + far * right]));
    stroke(pen, [ends.flat()], colour, 2, [7, 4]);
  }
  for (const [name, at] of tags) drawTag(pen, name, place(at), classes);
}

/* The losses shown last, on a logarithmic axis, with the plateau at half of ln 2. */
function drawTrace(canvas, losses, ink) {
  const pen = clean(canvas, ink);
  const right = canvas.clientWidth - 56;
  const bottom = canvas.clientHeight - BOTTOM;
  const level = (value) => { // from 10 nats down to 0.0005
    const share = Math.log10(10 / Math.min(Math.max(value, 5e-4), 10)) / Math.log10(2e4);
    return TOP + (bottom - TOP) * share;
  };
  const plateau = level(Math.LN2 / 2);
  for (const tick of [0.001, 0.01, 0.1, 1, 10]) write(pen, tick, LEFT - 4, level(tick), "right");
  write(pen, "½ ln 2", right + 6, plateau, "left");
  write(pen, `the last ${TRACE} changes and training steps`, (LEFT + right) / 2, bottom + 12);
  stroke(pen, [[LEFT, TOP, LEFT, bottom], [LEFT, bottom, right, bottom]], "#888", 1);
  stroke(pen, [[LEFT, plateau, right, plateau]], "#888", 1, [2, 3]);
  const step = (right - LEFT) / (TRACE - 1);
  const places = losses.slice(-TRACE).map((value, k) => [LEFT + step * k, level(value)]);
  stroke(pen, places.slice(1).map((end, k) => [...places[k], ...end]), ink, 1.5);
  pen.fillRect(places.at(-1)[0] - 3, places.at(-1)[1] - 3, 6, 6);
}

/* Dark ink on light pages, light ink on dark ones. */
function inkFor(element) {
  for (let node = element; node; node = node.parentElement) {
    const parts = getComputedStyle(node).backgroundColor.match(/[\d.]+/g).map(Number);
    const [red, green, blue, opacity = 1] = parts;
    if (opacity > 0.5) return red + 2 * green + blue < 510 ? "#eee" : "#111";
  }
  return getComputedStyle(element).color;
}

// ---- the panel ----

const PANEL = `
  <div class="buttons"></div>
  <div class="sliders"><div></div><div></div></div>
  <div><output class="score" aria-live="off"></output> <span class="apart"></span></div>
  <div class="planes">
    <figure><figcaption>input plane</figcaption><canvas role="img"></canvas></figure>
    <figure><figcaption>plane of the hidden units</figcaption><canvas role="img"></canvas></figure>
  </div>
  <div class="legend">
    <span><i class="class0">●</i> y = 0</span> <span><i class="class1">▲</i> y = 1</span>
    <span>p(y = 1): 0 <i class="map"></i> 1</span>
    <span><i class="line output"></i> output: p = ½</span>
    <span><i class="line unit1"></i> hidden unit 1</span>
    <span><i class="line unit2"></i> hidden unit 2</span>
  </div>
  <figure><figcaption>loss [nats]</figcaption><canvas class="trace" role="img"></canvas></figure>`;

function addButton(parent, text, action) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = text;
  button.addEventListener("click", action);
  parent.append(button);
  return button;
}

/* A number's name, a slider and a box to type in; gives a function that shows a value. */
function addSlider(parent, name, unit, move) {
  const row = document.createElement("label");
  const range = `min="${-LIMIT}" max="${LIMIT}" step="0.1"`;
  row.innerHTML = `<b>${name.replace(/(\d+)/, "<sub>$1</sub>")}</b>
    <input type="range" class="unit${unit}" aria-label="${name}" ${range}>
    <input type="number" aria-label="${name}, typed" ${range}>`;
  const [slider, box] = row.querySelectorAll("input");
  slider.addEventListener("input", () => move(slider.valueAsNumber));
  box.addEventListener("change", () => move(box.valueAsNumber));
  parent.append(row);
  return (value) => {
    slider.value = value;
    box.value = value.toFixed(2);
  };
}

/* What is shown now, and what each button does. */
class Panel {
  constructor(model, el) {
    this.model = model;
    for (const name of ["points", "labels", "colours"]) this[name] = model.get(name);
    this.p = [...model.get("weights")];
    this.losses = [loss(this.p, this.points, this.labels)];
    this.past = []; // [p, number of losses] before each change
    this.moved = null; // the slider that moved last: "undo" takes back all of its way
    this.timer = null; // of a training that goes on
    this.frame = null; // a drawing that is due
    this.root = document.createElement("div");
    this.root.className = "xor-sandbox";
    this.root.innerHTML = PANEL;
    this.root.dataset.lmSuppressShortcuts = "true"; // arrow keys move sliders, not Jupyter's cells
    this.root.addEventListener("keydown", (event) => event.stopPropagation());
    el.append(this.root);
    this.build();
  }

  build() {
    for (const name of ["class0", "class1", "unit1", "unit2"]) {
      this.root.style.setProperty(`--${name}`, this.colours[name]);
    }
    const buttons = this.root.querySelector(".buttons");
    const starts = Object.entries(this.model.get("starts"));
    for (const [name, p] of starts) addButton(buttons, name, () => this.set([...p]));
    addButton(buttons, "random start", () => this.set(randomStart()));
    this.trainButton = addButton(buttons, TRAIN, () => this.trainOrStop());
    addButton(buttons, "undo", () => this.undo());
    this.sliders = [];
    this.root.querySelectorAll(".sliders > div").forEach((column, j) => {
      for (const k of COLUMNS[j]) {
        const unit = NAMES[k] === "c" ? 0 : j + 1;
        this.sliders[k] = addSlider(column, NAMES[k], unit, (value) => this.move(k, value));
      }
    });
  }

  refresh() {
    this.sliders.forEach((show, k) => show(this.p[k]));
    this.frame ??= requestAnimationFrame(() => this.draw());
  }

  show(p) {
    this.p = p;
    this.losses.push(loss(p, this.points, this.labels));
    this.refresh();
    this.model.set("weights", p);
    this.model.save_changes();
  }

  remember(moved = null) {
    if (moved === null || moved !== this.moved) this.past.push([this.p, this.losses.length]);
    this.moved = moved;
  }

  set(p) {
    this.stop();
    this.remember();
    this.show(p);
  }

  move(k, value) {
    if (Number.isNaN(value)) return this.refresh(); // no number was typed
    this.stop();
    this.remember(k);
    this.show(this.p.map((old, j) => (j === k ? Math.min(Math.max(value, -LIMIT), LIMIT) : old)));
  }

  undo() {
    this.stop();
    this.moved = null;
    if (!this.past.length) return;
    const [p, count] = this.past.pop();
    this.losses.length = count - 1; // show adds that of p
    this.show(p);
  }

  trainOrStop() {
    if (this.timer !== null) return this.stop();
    this.remember();
    this.trainButton.textContent = "stop";
    const steps = adam(this.p, this.points, this.labels);
    const step = () => {
      const { value, done } = steps.next();
      if (done) return this.stop();
      this.show(value);
      this.timer = setTimeout(step, PAUSE);
    };
    step();
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = null;
    this.trainButton.textContent = TRAIN;
  }

  /* Python, or another view of the same sandbox, has set the weights. */
  hear() {
    const p = this.model.get("weights");
    if (p.every((value, k) => value === this.p[k])) return;
    this.stop();
    this.remember("heard");
    this.show([...p]);
  }

  draw() {
    this.frame = null;
    const { p, points, labels } = this;
    const { class0, class1, unit1, unit2 } = this.colours;
    const ink = inkFor(this.root.parentElement);
    this.root.style.color = ink;
    const [left, right, trace] = this.root.querySelectorAll("canvas");
    const input = { low: -0.7, high: 1.7, ticks: [0, 1], names: ["x₁", "x₂"], points, tags: [] };
    input.logit = (x) => logit(p, x);
    input.lines = [[...p.slice(0, 3), unit1], [...p.slice(3, 6), unit2]];
    const units = { low: -1.35, high: 1.35, ticks: [-1, 1], names: ["z₁", "z₂"], lines: [] };
    units.logit = (z) => outputUnit(p, z);
    units.points = points.map((x) => hidden(p, x));
    units.tags = Object.entries(CORNERS).map(([name, x]) => [name, hidden(p, x)]);
    drawPlane(left, input, labels, [class0, class1], ink);
    drawPlane(right, units, labels, [class0, class1], ink);
    drawTrace(trace, this.losses, ink);
    this.say(left, right, trace);
  }

  say(...canvases) {
    const { names, distance } = closest(this.p);
    const share = 100 * accuracy(this.p, this.points, this.labels);
    const score = `loss ${this.losses.at(-1).toFixed(4)} nats, accuracy ${share.toFixed(1)} %`;
    const pair = `${names.join(" and ")}, are ${distance.toFixed(2)} apart`;
    const apart = `hidden plane: the closest corners of different classes, ${pair}`;
    this.root.querySelector(".score").textContent = score;
    this.root.querySelector(".apart").textContent = apart;
    for (const canvas of canvases) canvas.ariaLabel = `${score}; ${apart}`;
  }
}

function render({ model, el }) {
  const panel = new Panel(model, el);
  const draw = () => panel.refresh();
  const hear = () => panel.hear();
  const resized = new ResizeObserver(draw);
  resized.observe(panel.root); // which also draws for the first time
  panel.root.addEventListener("pointerenter", draw); // the page may have turned dark meanwhile
  model.on("change:weights", hear);
  return () => {
    panel.stop();
    resized.disconnect();
    model.off("change:weights", hear);
  };
}

export default { render };
