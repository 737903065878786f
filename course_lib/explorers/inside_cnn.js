// Chapter 06: a digit, drawn or taken from those held back, flows through a trained LeNet-5.
//
// The state is the widget's: image (32 × 32 numbers from 0, paper, to 1, ink), digit (which of the
// held-back digits that is, or null), layer, channel and position of the unit whose sum is shown,
// source (which of the maps below is opened in that sum), rectified (maps after their ReLU). The
// weights and the held-back digits come with it. Everything drawn follows from these, in the page.
/* From common.js: el, setText, setCaption, createRoot, createGrid, createButton, createCheck,
   createAnnouncer, linkModel, readState, changedPart, same, formatNumber, range, clamp. */

// ---------------------------------------------------------------- the network

export const SIZE = 32;
const K = 5; // the kernels are 5 × 5

/** The layers from left to right: name, kind, maps, and the height and width of each. */
export const LAYERS = [
  { name: "input", kind: "input", maps: 1, size: SIZE },
  { name: "C1", kind: "conv", maps: 6, size: 28 },
  { name: "S2", kind: "pool", maps: 6, size: 14 },
  { name: "C3", kind: "conv", maps: 16, size: 10 },
  { name: "S4", kind: "pool", maps: 16, size: 5 },
  { name: "C5", kind: "full", maps: 120, size: 1 },
  { name: "F6", kind: "full", maps: 84, size: 1 },
  { name: "output", kind: "full", maps: 10, size: 1 },
];
const indexOf = (name) => LAYERS.findIndex((layer) => layer.name === name);
const below = (name) => LAYERS[indexOf(name) - 1];
const WEIGHTED = LAYERS.filter(({ kind }) => kind === "conv" || kind === "full");

function bytesOf(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = characters.charCodeAt(i);
  return bytes.buffer;
}

/** One packed tensor: float32, or bytes times one scale for each row. */
function decodeOne(packed) {
  if (packed.float32 !== undefined) return new Float32Array(bytesOf(packed.float32));
  const whole = new Int8Array(bytesOf(packed.int8));
  const scale = new Float32Array(bytesOf(packed.scale));
  const row = whole.length / scale.length;
  return Float32Array.from(whole, (value, i) => value * scale[Math.floor(i / row)]);
}

/** {C1: {weight, bias}, C3: …} from the packed tensors: weight, bias, weight, … */
export function decode(packed) {
  return Object.fromEntries(
    WEIGHTED.map(({ name }, i) => [
      name,
      { weight: decodeOne(packed[2 * i]), bias: decodeOne(packed[2 * i + 1]) },
    ]),
  );
}

/** Room for every layer's values; "C1 sum" is what goes into C1's ReLU. */
export function createValues() {
  const values = {};
  for (const { name, kind, maps, size } of LAYERS) {
    values[name] = new Float32Array(maps * size * size);
    if (kind === "conv" || name === "C5" || name === "F6") {
      values[`${name} sum`] = new Float32Array(maps * size * size);
    }
  }
  values.probabilities = new Float32Array(10);
  return values;
}

function convolve({ weight, bias }, x, channels, n, out, maps) {
  const size = n - K + 1;
  for (let map = 0; map < maps; map += 1) {
    const start = map * size * size;
    out.fill(bias[map], start, start + size * size);
    for (let channel = 0; channel < channels; channel += 1) {
      for (let i = 0; i < K; i += 1) {
        for (let j = 0; j < K; j += 1) {
          const w = weight[((map * channels + channel) * K + i) * K + j];
          for (let r = 0; r < size; r += 1) {
            const from = channel * n * n + (r + i) * n + j;
            const to = start + r * size;
            for (let c = 0; c < size; c += 1) out[to + c] += w * x[from + c];
          }
        }
      }
    }
  }
}

function pool(x, maps, n, out) {
  const size = n / 2;
  for (let map = 0; map < maps; map += 1) {
    for (let r = 0; r < size; r += 1) {
      for (let c = 0; c < size; c += 1) {
        const at = map * n * n + 2 * r * n + 2 * c;
        out[(map * size + r) * size + c] = Math.max(x[at], x[at + 1], x[at + n], x[at + n + 1]);
      }
    }
  }
}

function connect({ weight, bias }, x, out) {
  for (let unit = 0; unit < out.length; unit += 1) {
    let sum = bias[unit];
    for (let i = 0; i < x.length; i += 1) sum += weight[unit * x.length + i] * x[i];
    out[unit] = sum;
  }
}

function rectify(sums, out) {
  for (let i = 0; i < sums.length; i += 1) out[i] = sums[i] > 0 ? sums[i] : 0;
}

/** Every layer's values for an image of 1,024 numbers, written into `values`. */
export function forward(network, image, values = createValues()) {
  values.input.set(image);
  let x = values.input;
  for (const layer of LAYERS.slice(1)) {
    const { maps: channels, size: n } = below(layer.name);
    const sums = values[`${layer.name} sum`] ?? values[layer.name];
    if (layer.kind === "conv") {
      convolve(network[layer.name], x, channels, n, sums, layer.maps);
    } else if (layer.kind === "pool") {
      pool(x, layer.maps, n, sums);
    } else {
      connect(network[layer.name], x, sums);
    }
    if (sums !== values[layer.name]) rectify(sums, values[layer.name]);
    x = values[layer.name];
  }
  const highest = Math.max(...x);
  let total = 0;
  x.forEach((logit, i) => (total += values.probabilities[i] = Math.exp(logit - highest)));
  x.forEach((_, i) => (values.probabilities[i] /= total));
  return values;
}

/** The same as plain lists, for the tests: packed weights and rows of pixels in. */
export function forwardLists(packed, rows) {
  const values = forward(decode(packed), Float32Array.from(rows.flat()));
  return Object.fromEntries(Object.entries(values).map(([name, all]) => [name, [...all]]));
}

/** The part of an earlier layer that a unit can see: [top, left, height, width]. */
export function fieldIn(earlier, name, [row, column]) {
  let box = [row, column, 1, 1];
  for (let i = indexOf(name); LAYERS[i].name !== earlier; i -= 1) {
    const [top, left, height, width] = box;
    const { kind } = LAYERS[i];
    const { size } = LAYERS[i - 1];
    if (kind === "full") box = [0, 0, size, size];
    else if (kind === "pool") box = box.map((n) => 2 * n);
    else box = [top, left, height + K - 1, width + K - 1];
  }
  return box;
}

/**
 * The sum that makes a unit, one part for each map below it: {name, rows, cols, values, weights,
 * sum}; a fully connected layer above another has one part, its 120 or 84 inputs in rows of 12. A
 * pooling layer has one part without weights, and `won`, the place of the largest of its four.
 */
export function explain(network, values, { layer: name, channel, position }) {
  const layer = LAYERS[indexOf(name)];
  const from = below(name);
  const x = values[from.name];
  const at = channel * layer.size * layer.size + position[0] * layer.size + position[1];
  const value = values[name][at];
  const [top, left, height, width] = fieldIn(from.name, name, position);
  const pixels = (map) =>
    range(height * width).map((i) => {
      const [r, c] = [top + Math.floor(i / width), left + (i % width)];
      return x[map * from.size * from.size + r * from.size + c];
    });
  if (layer.kind === "pool") {
    const four = pixels(channel);
    const part = { name: `${from.name}, map ${channel}`, rows: 2, cols: 2, values: four };
    return { parts: [part], won: four.indexOf(Math.max(...four)), value };
  }
  const { weight, bias } = network[name];
  const inputs = weight.length / layer.maps;
  const mine = weight.subarray(channel * inputs, (channel + 1) * inputs);
  const flat = from.size === 1; // one number a map: shown together
  const parts = range(flat ? 1 : from.maps).map((map) => {
    const count = flat ? inputs : height * width;
    const seen = flat ? [...x] : pixels(map);
    const weights = [...mine.subarray(map * count, (map + 1) * count)];
    return {
      name: from.maps === 1 ? "input" : flat ? from.name : `${from.name}, map ${map}`,
      rows: flat ? inputs / 12 : height,
      cols: flat ? 12 : width,
      values: seen,
      weights,
      sum: weights.reduce((sum, w, i) => sum + w * seen[i], 0),
    };
  });
  const total = (values[`${name} sum`] ?? values[name])[at];
  return { parts, bias: bias[channel], total, value };
}

// ---------------------------------------------------------------- pictures

const hundredths = (value) => Math.round(value * 100) / 100;

/** The weight of a pixel at a distance, in Catmull and Rom's cubic interpolation. */
function cubic(distance) {
  if (distance < 1) return 1.5 * distance ** 3 - 2.5 * distance ** 2 + 1;
  if (distance < 2) return -0.5 * distance ** 3 + 2.5 * distance ** 2 - 4 * distance + 2;
  return 0;
}

/**
 * A held-back digit as the network takes it. `text` is its label and 64 grey values from 0 to g
 * (16); 8 × 8 becomes 24 × 24 by cubic interpolation, greys below 0.3 paper and above 0.7 ink, in a
 * border of 4.
 */
export function enlarge(text) {
  const grey = [...text.slice(1)].map((character) => parseInt(character, 17) / 16);
  const weights = range(24).map((i) => range(8).map((j) => cubic(Math.abs((i + 0.5) / 3 - 0.5 - j))));
  const across = range(8).map((r) =>
    weights.map((line) => line.reduce((sum, w, c) => sum + w * grey[8 * r + c], 0)),
  );
  const image = new Float32Array(SIZE * SIZE);
  weights.forEach((line, r) =>
    range(24).forEach((c) => {
      const value = line.reduce((sum, w, i) => sum + w * across[i][c], 0);
      image[(r + 4) * SIZE + c + 4] = hundredths(clamp((value - 0.3) / 0.4, 0, 1));
    }),
  );
  return image;
}

/** An image with a straight line of the pen in it, or rubbed out of it; points are [row, column]. */
export function inked(image, [r0, c0], [r1, c1], radius, erase = false) {
  const next = Float32Array.from(image);
  const [dr, dc] = [r1 - r0, c1 - c0];
  const length = dr * dr + dc * dc;
  const reach = radius + 1;
  const first = (a, b) => clamp(Math.floor(Math.min(a, b) - reach), 0, SIZE - 1);
  const last = (a, b) => clamp(Math.ceil(Math.max(a, b) + reach), 0, SIZE - 1);
  for (let r = first(r0, r1); r <= last(r0, r1); r += 1) {
    for (let c = first(c0, c1); c <= last(c0, c1); c += 1) {
      const [y, x] = [r + 0.5 - r0, c + 0.5 - c0]; // a pixel's middle
      const t = length ? clamp((y * dr + x * dc) / length, 0, 1) : 0;
      const ink = hundredths(clamp(radius + 0.5 - Math.hypot(y - t * dr, x - t * dc), 0, 1));
      const at = r * SIZE + c;
      next[at] = erase ? Math.min(next[at], 1 - ink) : Math.max(next[at], ink);
    }
  }
  return next;
}

/** The rows and columns that hold ink, [top, left, bottom, right], the last two excluded; or null. */
export function inkBox(image) {
  const found = [SIZE, SIZE, 0, 0];
  image.forEach((value, i) => {
    if (value < 0.2) return;
    const [r, c] = [Math.floor(i / SIZE), i % SIZE];
    found[0] = Math.min(found[0], r);
    found[1] = Math.min(found[1], c);
    found[2] = Math.max(found[2], r + 1);
    found[3] = Math.max(found[3], c + 1);
  });
  return found[2] ? found : null;
}

/** The drawing made as large as the digits that the network learned from, and put in the middle. */
export function centred(image) {
  const box = inkBox(image);
  if (!box) return Float32Array.from(image);
  const [top, left, bottom, right] = box;
  const zoom = Math.min(24 / Math.max(bottom - top, right - left), 3);
  const at = (r, c) => (r < 0 || c < 0 || r >= SIZE || c >= SIZE ? 0 : image[r * SIZE + c]);
  return Float32Array.from(image, (_, i) => {
    const y = (Math.floor(i / SIZE) + 0.5 - SIZE / 2) / zoom + (top + bottom) / 2 - 0.5;
    const x = ((i % SIZE) + 0.5 - SIZE / 2) / zoom + (left + right) / 2 - 0.5;
    const [r, c] = [Math.floor(y), Math.floor(x)];
    const [v, h] = [y - r, x - c];
    return hundredths(
      (1 - v) * ((1 - h) * at(r, c) + h * at(r, c + 1)) +
        v * ((1 - h) * at(r + 1, c) + h * at(r + 1, c + 1)),
    );
  });
}

const rowsOf = (image) =>
  range(SIZE).map((r) => range(SIZE).map((c) => hundredths(image[r * SIZE + c])));

// ---------------------------------------------------------------- words

/** 0.974 → 97 %; never 0 % or 100 % of what is between. */
export function percent(share) {
  if (share < 0.005) return "under 1 %";
  if (share > 0.995) return "over 99 %";
  return `${Math.round(100 * share)} %`;
}

/** Who wins, in words; `label` is the digit it should be, where that is known. */
export function verdictText(probabilities, inkThere, label = null) {
  if (!inkThere) return "Nothing to see yet: draw a digit.";
  const order = range(10).sort((a, b) => probabilities[b] - probabilities[a]);
  const [first, second] = order;
  const p = (i) => percent(probabilities[i]);
  const sure = probabilities[first] > 0.6;
  const start = sure
    ? `The network says ${first}, with ${p(first)}.`
    : `The network wavers: ${first} with ${p(first)}, ${second} with ${p(second)}.`;
  const next = sure && probabilities[second] >= 0.01 ? ` Next comes ${second}, with ${p(second)}.` : "";
  const wrong = label !== null && label !== first ? ` Whoever wrote it meant ${label}.` : "";
  return start + next + wrong;
}

/** C3, map 5, row 2, column 7; C5, unit 17; output 3. */
export function unitName({ layer, channel, position }) {
  if (layer === "output") return `output ${channel}`;
  if (LAYERS[indexOf(layer)].size === 1) return `${layer}, unit ${channel}`;
  return `${layer}, map ${channel}, row ${position[0]}, column ${position[1]}`;
}

const signed = (value) => (formatNumber(value).startsWith("−") ? formatNumber(value) : `+${formatNumber(value)}`);

/** From the parts to the unit's value: [[what, number], …], one line each. */
export function steps(found, layer, source) {
  const { parts, bias, total, value, won } = found;
  if (won !== undefined) {
    const place = ["top left", "top right", "bottom left", "bottom right"][won];
    return [["largest of the four", formatNumber(value)], [`it stands at the ${place}`, ""]];
  }
  const open = parts[Math.min(source, parts.length - 1)];
  const lines = [[`sum of these ${open.values.length} products`, formatNumber(open.sum)]];
  if (parts.length > 1) {
    const rest = parts.reduce((sum, part) => sum + part.sum, 0) - open.sum;
    lines.push([`the other ${parts.length - 1} maps`, signed(rest)]);
  }
  lines.push(["bias", signed(bias)]);
  if (layer === "output") return [...lines, ["together: the logit", formatNumber(total)]];
  lines.push(["together", formatNumber(total)]);
  lines.push([total > 0 ? "ReLU lets it pass" : "ReLU makes it 0", formatNumber(value)]);
  return lines;
}

/** What a unit can see of the input, in words. */
export function fieldText({ layer, position }) {
  const [top, left, height, width] = fieldIn("input", layer, position);
  if (height === SIZE) return "It sees the whole input.";
  return (
    `It sees ${height} × ${width} pixels of the input: ` +
    `rows ${top} to ${top + height - 1}, columns ${left} to ${left + width - 1}.`
  );
}

/** The unit moved inside its layer. */
export function settled(state) {
  const { maps, size } = LAYERS[indexOf(state.layer)];
  return {
    ...state,
    channel: clamp(state.channel, 0, maps - 1),
    position: state.position.map((n) => clamp(n, 0, size - 1)),
  };
}

// ---------------------------------------------------------------- where everything stands

/* For a width from `from` on, in pixels: the drawing, C1's and S2's kernels (per weight) and maps, the
   maps of C3 and S4, a unit of C5 and F6, the column of the outputs. */
const PLANS = [
  { from: 1000, pad: 224, k1: 6, c1: 84, s2: 84, k2: 4, small: 30, c5: 12, f6: 12, out: 130 },
  { from: 830, pad: 192, k1: 5, c1: 70, s2: 70, k2: 3, small: 25, c5: 10, f6: 10, out: 110 },
  { from: 650, pad: 160, k1: 4, c1: 56, s2: 42, k2: 2, small: 20, c5: 8, f6: 8, out: 96 },
  { from: 0, pad: 112, k1: 2, c1: 42, s2: 28, k2: 1, small: 15, c5: 6, f6: 6, out: 62 },
];
const HEAD = 54; // the columns' names
const GAP = 8; // between two maps of C1

/** Columns and rows of the picture at a width; `rect` finds each thing in it: [x, y, width, height]. */
export function layout(width) {
  const plan = PLANS.find(({ from }) => width >= from);
  const k2 = K * plan.k2 + (plan.k2 > 2 ? 3 : 1); // from one kernel of C3 to the next
  const widths = {
    input: plan.pad,
    "C1 kernels": K * plan.k1,
    C1: plan.c1,
    S2: plan.s2,
    "C3 kernels": 6 * k2,
    C3: plan.small,
    S4: plan.small,
    C5: 3 * plan.c5,
    F6: 2 * plan.f6,
    output: plan.out,
  };
  const all = Object.values(widths).reduce((sum, w) => sum + w, 0);
  const gap = Math.max((width - all) / (Object.keys(widths).length - 1), 3);
  const columns = {};
  let x = 0;
  for (const [name, w] of Object.entries(widths)) {
    columns[name] = { x, width: w };
    x += w + gap;
  }
  const height = 6 * (plan.c1 + GAP) - GAP;
  /** The middle of row `i` of `n` rows. */
  const middle = (i, n) => HEAD + ((i + 0.5) * height) / n;
  const around = (name, i, n, w, h = w) => {
    const column = columns[name];
    return [column.x + (column.width - w) / 2, middle(i, n) - h / 2, w, h];
  };
  const strip = (name, i, across, unit) => {
    const rows = LAYERS[indexOf(name)].maps / across;
    const tall = height / rows;
    return [columns[name].x + (i % across) * unit, HEAD + Math.floor(i / across) * tall, unit, tall];
  };
  const rect = (name, i = 0, source = 0) => {
    if (name === "input") return around(name, 0, 1, plan.pad);
    if (name === "C1 kernels") return around(name, i, 6, K * plan.k1);
    if (name === "C1") return around(name, i, 6, plan.c1);
    if (name === "S2") return around(name, i, 6, plan.s2);
    if (name === "C3 kernels") {
      const [left, top, , tall] = around(name, i, 16, 6 * k2, K * plan.k2);
      return [left + source * k2, top, K * plan.k2, tall];
    }
    if (name === "C3" || name === "S4") return around(name, i, 16, plan.small);
    if (name === "C5") return strip(name, i, 3, plan.c5);
    if (name === "F6") return strip(name, i, 2, plan.f6);
    return [columns.output.x, middle(i, 10) - height / 20, plan.out, height / 10];
  };
  return { plan, columns, gap, top: HEAD, height, total: HEAD + height, width, rect, middle };
}

/** What stands at a point of the picture: {layer, channel, position, source} or null. */
export function thingAt(place, x, y) {
  const inside = ([left, top, w, h]) => x >= left && x < left + w && y >= top && y < top + h;
  for (const { name, maps, size } of LAYERS.slice(1)) {
    for (let channel = 0; channel < maps; channel += 1) {
      const box = place.rect(name, channel);
      if (inside(box)) {
        const cell = (from, length, at) => clamp(Math.floor(((at - from) / length) * size), 0, size - 1);
        return { layer: name, channel, position: [cell(box[1], box[3], y), cell(box[0], box[2], x)] };
      }
    }
  }
  for (const [name, maps, sources] of [
    ["C1 kernels", 6, 1],
    ["C3 kernels", 16, 6],
  ]) {
    for (let channel = 0; channel < maps; channel += 1) {
      for (let source = 0; source < sources; source += 1) {
        if (inside(place.rect(name, channel, source))) {
          return { layer: name.slice(0, 2), channel, source, position: null };
        }
      }
    }
  }
  return null;
}

// ---------------------------------------------------------------- the view

const NAMES = ["image", "digit", "layer", "channel", "position", "source", "rectified"];
const PEN = 1.5; // radius in pixels of the input
const HINT =
  "Draw with the mouse or a finger. Point at any map, kernel or unit to see the sum behind it; click to " +
  "keep it. By keyboard: Tab goes from layer to layer, the arrow keys walk in a map, Page Up and Page " +
  "Down change the map; on the drawing, the arrow keys move the pen and Space lowers and lifts it.";

/** A colour of the style sheet as [red, green, blue]. */
function createColourReader(root) {
  const canvas = el("canvas", { width: 1, height: 1 });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  return (name) => {
    pen.fillStyle = getComputedStyle(root).getPropertyValue(name);
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
}

/** 511 colours, for −1 to 1: opaque pixels as 32-bit numbers. */
function createScale(paper, above, below) {
  const mix = (a, b, t) => a.map((v, i) => Math.round(v + (b[i] - v) * t));
  return Uint32Array.from({ length: 511 }, (_, i) => {
    const t = (i - 255) / 255;
    const [r, g, b] = mix(paper, t < 0 ? below : above, Math.abs(t));
    return (255 << 24) | (b << 16) | (g << 8) | r;
  });
}

/** A picture of one pixel a number, to be drawn enlarged. */
function createSheet(width, height) {
  const canvas = el("canvas", { width, height });
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  return {
    canvas,
    /** Numbers row by row; `most` is the one that gets the full colour. */
    fill(numbers, most, scale) {
      for (let i = 0; i < pixels.length; i += 1) {
        pixels[i] = scale[255 + Math.round(255 * clamp(numbers[i] / most, -1, 1))];
      }
      pen.putImageData(image, 0, 0);
    },
  };
}

/** The largest size of a number in a flat list, never 0; typed arrays have no `flat`. */
const mostOf = (numbers) => {
  let most = 1e-12;
  for (let i = 0; i < numbers.length; i += 1) most = Math.max(most, Math.abs(numbers[i]));
  return most;
};

function render({ model, el: host }) {
  const network = decode(model.get("weights"));
  const digits = model.get("digits");
  const values = createValues();
  let image = Float32Array.from(model.get("image").flat());
  let state = settled(read());
  let pointed = null; // the unit under the pointer
  let erasing = false;
  let pen = { at: [16, 16], down: false, shown: false };
  let place = layout(1000);
  let colours = null;
  let news = "unit"; // what changed last, for a screen reader

  const link = linkModel(model, NAMES, () => {
    image = Float32Array.from(model.get("image").flat());
    state = settled(read());
    compute();
    draw();
  });

  function read() {
    return readState(model, NAMES.slice(1));
  }

  function compute() {
    forward(network, image, values);
  }

  function change(patch) {
    const next = settled({ ...state, ...patch });
    const changed = changedPart(NAMES.slice(1), next, state);
    state = next;
    news = "unit";
    draw();
    if (Object.keys(changed).length) link.push(changed);
  }

  /** Another picture: drawn (no digit), or one of those held back. */
  function show(next, digit = null) {
    image = next;
    state = { ...state, digit };
    news = "verdict";
    compute();
    draw();
    link.push({ digit, image: rowsOf(image) });
  }

  // -- the drawing
  const pad = el("canvas", {
    class: "cx-pad",
    tabindex: 0,
    role: "application",
    "aria-label":
      "drawing, 32 by 32 pixels: arrow keys move the pen, with Shift by four pixels, " +
      "Space lowers and lifts it, Delete clears",
  });
  const under = (event) => {
    const box = pad.getBoundingClientRect();
    return [
      ((event.clientY - box.top) / box.height) * SIZE,
      ((event.clientX - box.left) / box.width) * SIZE,
    ];
  };
  let last = null; // where the pen was, while a button is held
  pad.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    pad.setPointerCapture(event.pointerId);
    last = under(event);
    show(inked(image, last, last, PEN, erasing));
  });
  pad.addEventListener("pointermove", (event) => {
    if (!last) return;
    const at = under(event);
    show(inked(image, last, at, PEN, erasing));
    last = at;
  });
  for (const type of ["pointerup", "pointercancel"]) {
    pad.addEventListener(type, () => {
      last = null;
    });
  }
  pad.addEventListener("focus", () => {
    pen.shown = pad.matches(":focus-visible");
    draw();
  });
  pad.addEventListener("blur", () => {
    pen = { ...pen, down: false, shown: false };
    draw();
  });
  pad.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? 4 : 1;
    const move = {
      ArrowLeft: [0, -step],
      ArrowRight: [0, step],
      ArrowUp: [-step, 0],
      ArrowDown: [step, 0],
    }[event.key];
    if (move) {
      const before = pen.at;
      pen = { ...pen, shown: true, at: before.map((n, i) => clamp(n + move[i], 0, SIZE)) };
      if (pen.down) show(inked(image, before, pen.at, PEN, erasing));
      else draw();
    } else if (event.key === " ") {
      pen = { ...pen, shown: true, down: !pen.down };
      if (pen.down) show(inked(image, pen.at, pen.at, PEN, erasing));
      else draw();
    } else if (event.key === "Delete" || event.key === "Backspace") {
      show(new Float32Array(SIZE * SIZE));
    } else {
      return;
    }
    event.preventDefault();
  });

  const eraser = createButton("Erase", () => {
    erasing = !erasing;
    eraser.setAttribute("aria-pressed", String(erasing));
  });
  eraser.setAttribute("aria-pressed", "false");
  const desk = el(
    "div",
    { class: "cx-desk" },
    pad,
    el(
      "div",
      { class: "cx-tools" },
      createButton("Clear", () => show(new Float32Array(SIZE * SIZE))),
      createButton("Centre", () => show(centred(image))),
      eraser,
    ),
  );

  // -- the held-back digits: one button for each class, and one for those the network gets wrong
  const first = range(10).map((label) => digits.findIndex((text) => Number(text[0]) === label));
  const thumbs = range(10).map((label) => {
    const picture = el("canvas", { width: SIZE, height: SIZE, "aria-hidden": "true" });
    const button = el(
      "button",
      { class: "cx-thumb-button", type: "button", "aria-label": `a held-back ${label}` },
      picture,
    );
    button.title = `a held-back ${label}; again for another`;
    let turn = first[label];
    button.addEventListener("click", () => {
            if (state.digit === turn) {
        const next = digits.findIndex((text, i) => Number(text[0]) === label && i > turn);
        turn = next < 0 ? first[label] : next;
      }
      show(enlarge(digits[turn]), turn);
    });
    return { button, picture };
  });
  const mistake = createButton("One it gets wrong", () => {
    const from = state.digit ?? -1;
    for (let i = 1; i <= digits.length; i += 1) {
      const index = (from + i) % digits.length;
      const picture = enlarge(digits[index]);
      const { probabilities } = forward(network, picture, trial);
      if (probabilities.indexOf(Math.max(...probabilities)) !== Number(digits[index][0])) {
        show(picture, index);
        return;
      }
    }
    mistake.disabled = true;
    setText(mistake, "It gets none wrong");
  });
  const trial = createValues();
  const bar = el(
    "div",
    { class: "cx-bar" },
    el(
      "div",
      { class: "cx-field", role: "group", "aria-label": "held-back digits" },
      el("span", {}, "Held-back digits"),
      el("div", { class: "cx-thumbs" }, ...thumbs.map(({ button }) => button)),
    ),
    mistake,
  );

  // -- the flow: one canvas for the picture, and elements over it for the keyboard and for words
  const canvas = el("canvas", { class: "cx-flow-picture", "aria-hidden": "true" });
  const heads = {
    input: ["Input", "32 × 32"],
    "C1 kernels": ["6 kernels", "5 × 5"],
    C1: ["C1", "6 maps", "28 × 28"],
    S2: ["S2", "6 maps", "14 × 14"],
    "C3 kernels": ["16 × 6 kernels", "5 × 5"],
    C3: ["C3", "16 maps", "10 × 10"],
    S4: ["S4", "16 maps", "5 × 5"],
    C5: ["C5", "120"],
    F6: ["F6", "84"],
    output: ["Output", "10 classes"],
  };
  const headings = Object.fromEntries(
    Object.entries(heads).map(([name, [title, ...rest]]) => [
      name,
      el(
        "div",
        { class: "cx-head", "aria-hidden": "true" },
        el("b", {}, title),
        ...rest.map((text) => el("span", {}, text)),
      ),
    ]),
  );
  const spots = {}; // layer → its maps' elements; C5 and F6 have one for all their units
  const classes = []; // the ten outputs: {row, fill, share}
  for (const { name, kind, maps, size } of LAYERS.slice(1)) {
    if (name === "output") {
      spots[name] = range(10).map((channel) => {
        const fill = el("i");
        const share = el("span", { class: "cx-share" });
        const row = el(
          "div",
          { class: "cx-class", role: "application", "data-layer": name, "data-channel": channel },
          el("span", { class: "cx-class-name" }, String(channel)),
          el("span", { class: "cx-class-bar" }, fill),
          share,
        );
        classes.push({ row, fill, share });
        return row;
      });
      continue;
    }
    const one = kind === "full";
    spots[name] = range(one ? 1 : maps).map((channel) =>
      el("div", {
        class: "cx-spot",
        role: "application",
        "data-layer": name,
        "data-channel": one ? "" : channel,
        "aria-label": one
          ? `${name}: ${maps} units, arrow keys walk`
          : `${name}, map ${channel} of ${maps}, ${size} by ${size}: arrow keys walk, ` +
            "Page Up and Page Down change the map",
      }),
    );
  }
  const flow = el(
    "div",
    { class: "cx-flow" },
    canvas,
    desk,
    ...Object.values(headings),
    ...Object.values(spots).flat(),
  );

  const unitAt = (event) => {
    const box = flow.getBoundingClientRect();
    const found = thingAt(place, event.clientX - box.left, event.clientY - box.top);
    if (!found) return null;
    const middle = LAYERS[indexOf(found.layer)].size >> 1;
    const position = found.position ?? (found.layer === state.layer ? state.position : [middle, middle]);
    return { source: state.source, ...found, position };
  };
  flow.addEventListener("pointermove", (event) => {
    if (last) return;
    const next = event.target === pad ? null : unitAt(event);
    if (same(next, pointed)) return;
    pointed = next;
    draw();
  });
  flow.addEventListener("pointerleave", () => {
    if (!pointed) return;
    pointed = null;
    draw();
  });
  flow.addEventListener("click", (event) => {
    if (desk.contains(event.target)) return;
    const found = unitAt(event);
    if (!found) return;
    change(found);
    spotOf(state).focus({ preventScroll: true });
  });
  const spotOf = ({ layer, channel }) => spots[layer][spots[layer].length > 1 ? channel : 0];
  flow.addEventListener("focusin", (event) => {
    const { layer, channel } = event.target.dataset;
    if (layer === undefined || !event.target.matches(":focus-visible")) return;
    if (layer === state.layer) return;
    const { size } = LAYERS[indexOf(layer)];
    change({ layer, channel: Number(channel), position: [size >> 1, size >> 1] });
  });
  flow.addEventListener("keydown", (event) => {
    const { layer } = event.target.dataset;
    if (layer === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const { maps, size } = LAYERS[indexOf(layer)];
    const [r, c] = state.position;
    const across = { C5: 3, F6: 2 }[layer] ?? 1;
    const walk = (step) => ({ channel: clamp(state.channel + step, 0, maps - 1) });
    const patch =
      size > 1
        ? {
            ArrowLeft: { position: [r, c - 1] },
            ArrowRight: { position: [r, c + 1] },
            ArrowUp: { position: [r - 1, c] },
            ArrowDown: { position: [r + 1, c] },
            PageUp: walk(-1),
            PageDown: walk(1),
          }[event.key]
        : {
            ArrowLeft: walk(-1),
            ArrowRight: walk(1),
            ArrowUp: walk(-across),
            ArrowDown: walk(across),
            PageUp: walk(-1),
            PageDown: walk(1),
          }[event.key];
    if (!patch) return;
    event.preventDefault();
    pointed = null;
    change({ layer, ...patch });
    const next = spotOf(state);
    if (next !== event.target) next.focus();
  });

  // -- under the flow: the scale, a setting
  const before = createCheck({
    label: "maps before their ReLU",
    onChange: (checked) => change({ rectified: !checked }),
  });
  const legend = el(
    "div",
    { class: "cx-legend" },
    el("span", {}, "below 0"),
    el("i", { class: "cx-scale", "aria-hidden": "true" }),
    el("span", {}, "above 0; the strongest value of a layer has the full colour"),
    before.root,
  );

  // -- the sum behind one unit
  const shownName = el("b");
  const shownField = el("span");
  const sources = range(16).map((index) => {
    const picture = el("canvas", { "aria-hidden": "true" });
    const number = el("span", { class: "cx-source-sum" });
    const button = el("button", { class: "cx-source", type: "button" }, picture, number);
    button.addEventListener("click", () => {
      const unit = pointed ?? state;
      pointed = null;
      change({ ...unit, source: index });
    });
    return { button, picture, number };
  });
  let linked = null; // the place in the three grids that is pointed at
  const link3 = (at) => {
    linked = at;
    drawDetail();
  };
  const [patch, kernel, products] = ["patch", "weights", "products"].map((kind) =>
    createGrid({
      label: { patch: "values below", weights: "weights", products: "products" }[kind],
      kind: `sum-${kind}`,
      onPoint: (r, c) => link3([r, c]),
      onLeave: () => link3(null),
    }),
  );
  const captions = range(4).map(() => el("div", { class: "cx-caption" }));
  const [times, equals] = ["×", "="].map((text) =>
    el("div", { class: "cx-operator", "aria-hidden": "true" }, text),
  );
  const sum = el("dl", { class: "cx-steps" });
  const list = el("div", { class: "cx-sources" }, ...sources.map(({ button }) => button));
  const listFigure = el("div", { class: "cx-figure" }, captions[3], list);
  const figures = [patch, kernel, products].map((grid, i) =>
    el("div", { class: "cx-figure" }, captions[i], grid.root),
  );
  const detail = el(
    "div",
    { class: "cx-detail" },
    el("p", { class: "cx-shown" }, shownName, " ", shownField),
    el(
      "div",
      { class: "cx-sum" },
      listFigure,
      figures[0],
      times,
      figures[1],
      equals,
      figures[2],
      el("div", { class: "cx-figure" }, el("div", { class: "cx-caption" }, "Step by step"), sum),
    ),
  );

  const verdict = el("p", { class: "cx-verdict" });
  const announcer = createAnnouncer();
  const root = createRoot(
    "inside",
    verdict,
    bar,
    flow,
    legend,
    detail,
    el("p", { class: "cx-hint" }, HINT),
    announcer.root,
  );

  // -- drawing
  const sheets = {
    input: createSheet(SIZE, SIZE),
    C1: createSheet(28, 6 * 28),
    S2: createSheet(14, 6 * 14),
    C3: createSheet(10, 16 * 10),
    S4: createSheet(5, 16 * 5),
    C5: createSheet(3, 40),
    F6: createSheet(2, 42),
    "C1 kernels": createSheet(K, 6 * K),
    "C3 kernels": createSheet(K, 96 * K),
    patch: createSheet(K, K),
    kernel: createSheet(K, K),
  };
  const still = el("canvas"); // the wires and kernels, which no drawing changes
  const readColour = createColourReader(root);
  const strongest = Object.fromEntries(
    Object.entries(network).map(([name, { weight }]) => [name, mostOf(weight)]),
  );

  function readColours() {
    const [paper, ink, line] = ["--cx-paper", "--cx-ink", "--cx-quiet"].map(readColour);
    const css = ([r, g, b], alpha = 1) => `rgba(${r}, ${g}, ${b}, ${alpha})`;
    const [above, below_] = ["--cx-full-above", "--cx-full-below"].map(readColour);
    colours = {
      css,
      paper,
      ink,
      line,
      above: readColour("--cx-above"),
      below: readColour("--cx-below"),
      scale: createScale(paper, above, below_),
      inkScale: createScale(paper, ink, below_),
    };
  }

  const ratio = () => Math.max(window.devicePixelRatio || 1, 1);
  function prepared(target, width, height) {
    const scale = ratio();
    const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
    if (target.width !== w || target.height !== h) {
      target.width = w;
      target.height = h;
    }
    const context = target.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.imageSmoothingEnabled = false;
    context.clearRect(0, 0, width, height);
    return context;
  }

  /** A wire from one thing's right side to another's left. */
  function wire(context, [x0, y0, w0, h0], [x1, y1, , h1]) {
    const [a, b] = [x0 + w0, y0 + h0 / 2];
    const [c, d] = [x1, y1 + h1 / 2];
    const bend = (c - a) * 0.5;
    context.beginPath();
    context.moveTo(a, b);
    context.bezierCurveTo(a + bend, b, c - bend, d, c, d);
    context.stroke();
  }

  /** Place everything for the width there is. */
  function arrange() {
    const width = Math.max(flow.clientWidth, 300);
    place = layout(width);
    const { rect, columns, plan, total } = place;
    flow.style.height = `${total}px`;
    flow.dataset.plan = plan.from;
    const stand = (node, [x, y, w, h]) => {
      node.style.left = `${x}px`;
      node.style.top = `${y}px`;
      node.style.width = `${w}px`;
      node.style.height = `${h}px`;
    };
    for (const [name, node] of Object.entries(headings)) {
      const { x, width: w } = columns[name];
      const wide = w + place.gap - 2;
      const left = name === "input" ? x : name === "output" ? x : x + w / 2 - wide / 2;
      stand(node, [left, 0, name === "input" || name === "output" ? w : wide, HEAD - 8]);
    }
    const [x, y, w] = rect("input");
    stand(desk, [x, y, w, w]);
    pad.style.width = pad.style.height = `${w}px`;
    for (const { name, maps } of LAYERS.slice(1)) {
      if (spots[name].length === 1) {
        const [left, top] = rect(name, 0);
        const [right, bottom, unit, tall] = rect(name, maps - 1);
        stand(spots[name][0], [left, top, right + unit - left, bottom + tall - top]);
      } else {
        spots[name].forEach((node, channel) => stand(node, rect(name, channel)));
      }
    }
    drawStill();
  }

  /** What no drawing changes: faint wires, the kernels. */
  function drawStill() {
    const { rect, width, total, columns, height } = place;
    const context = prepared(still, width, total);
    const { css, line } = colours;
    context.lineWidth = 1;
    context.strokeStyle = css(line, 0.35);
    for (let map = 0; map < 6; map += 1) {
      wire(context, rect("input"), rect("C1 kernels", map));
      wire(context, rect("C1 kernels", map), rect("C1", map));
      wire(context, rect("C1", map), rect("S2", map));
    }
    context.strokeStyle = css(line, 0.1);
    const row = (map) => {
      const [x, y, , h] = rect("C3 kernels", map);
      return [x, y, columns["C3 kernels"].width, h];
    };
    for (let map = 0; map < 16; map += 1) {
      for (let from = 0; from < 6; from += 1) wire(context, rect("S2", from), row(map));
    }
    context.strokeStyle = css(line, 0.35);
    for (let map = 0; map < 16; map += 1) {
      wire(context, row(map), rect("C3", map));
      wire(context, rect("C3", map), rect("S4", map));
    }
    context.fillStyle = css(line, 0.07);
    for (const [from, to] of [
      ["S4", "C5"],
      ["C5", "F6"],
      ["F6", "output"],
    ]) {
      const left = columns[from].x + columns[from].width + 2;
      context.fillRect(left, HEAD, columns[to].x - 2 - left, height);
    }
    sheets["C1 kernels"].fill(network.C1.weight, strongest.C1, colours.scale);
    sheets["C3 kernels"].fill(network.C3.weight, strongest.C3, colours.scale);
    const kernelPicture = (name, map, source, sheet, index) => {
      const [x, y, w, h] = rect(name, map, source);
      context.drawImage(sheet.canvas, 0, index * K, K, K, x, y, w, h);
      context.strokeStyle = css(line, 0.45);
      context.strokeRect(x - 0.5, y - 0.5, w + 1, h + 1);
    };
    range(6).forEach((map) => kernelPicture("C1 kernels", map, 0, sheets["C1 kernels"], map));
    range(96).forEach((i) =>
      kernelPicture("C3 kernels", Math.floor(i / 6), i % 6, sheets["C3 kernels"], i),
    );
  }

  const mapsShown = (name) =>
    (!state.rectified && values[`${name} sum`]) || values[name];

  /** A frame that is seen on any colour. */
  function frame(context, [x, y, w, h], thick = 1.5) {
    const { css, paper, ink } = colours;
    context.strokeStyle = css(paper, 0.9);
    context.lineWidth = thick + 2;
    context.strokeRect(x, y, w, h);
    context.strokeStyle = css(ink);
    context.lineWidth = thick;
    context.strokeRect(x, y, w, h);
  }

  /** A box of a layer's pixels in one of its maps. */
  function boxIn(name, channel, [top, left, height, width]) {
    const [x, y, w, h] = place.rect(name, channel);
    const { size } = LAYERS[indexOf(name)];
    return [x + (left * w) / size, y + (top * h) / size, (width * w) / size, (height * h) / size];
  }

  /** The two lines from a field to the unit that looks at it, and what is between them. */
  function cone(context, [x, y, w, h], [ux, uy, , uh], alpha = 0.16) {
    const { css, above, ink } = colours;
    context.beginPath();
    context.moveTo(x + w, y);
    context.lineTo(ux, uy);
    context.lineTo(ux, uy + uh);
    context.lineTo(x + w, y + h);
    context.closePath();
    context.fillStyle = css(above, alpha);
    context.fill();
    context.strokeStyle = css(ink, 0.55);
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x + w, y);
    context.lineTo(ux, uy);
    context.moveTo(x + w, y + h);
    context.lineTo(ux, uy + uh);
    context.stroke();
  }

  /** Wires of a fully connected unit: thick where weight × value is large, dashed where negative. */
  function wires(context, parts, boxes, to, alpha) {
    const { css, above, below: orange } = colours;
    const most = mostOf(parts);
    parts.forEach((part, i) => {
      const share = Math.abs(part) / most;
      if (share < 0.04) return;
      context.lineWidth = 0.5 + 2 * share;
      context.strokeStyle = css(part < 0 ? orange : above, alpha * (0.15 + 0.85 * share));
      context.setLineDash(part < 0 ? [4, 3] : []);
      wire(context, boxes[i], to);
    });
    context.setLineDash([]);
  }

  const productsOf = ({ parts }) =>
    parts.length > 1 ? parts.map(({ sum }) => sum) : parts[0].values.map((v, i) => v * parts[0].weights[i]);

  function drawFlow(unit) {
    const { rect, width, total, columns } = place;
    const { css, line, scale } = colours;
    const context = prepared(canvas, width, total);
    context.save();
    context.setTransform(1, 0, 0, 1, 0, 0);
    if (still.width) context.drawImage(still, 0, 0);
    context.restore();
    context.imageSmoothingEnabled = false;

    // Always: what speaks for the winner. Then what makes the unit that is looked at.
    const winner = values.probabilities.indexOf(Math.max(...values.probabilities));
    const units = (name) => range(LAYERS[indexOf(name)].maps).map((i) => rect(name, i));
    const speak = (layer, channel, alpha) => {
      const one = explain(network, values, { layer, channel, position: [0, 0] });
      wires(context, productsOf(one), units(below(layer).name), rect(layer, channel), alpha);
    };
    if (inkBox(image) && unit.layer !== "output") speak("output", winner, 0.45);
    if (LAYERS[indexOf(unit.layer)].kind === "full") speak(unit.layer, unit.channel, 0.9);

    for (const { name, maps, size } of LAYERS.slice(1, 7)) {
      const numbers = mapsShown(name);
      sheets[name].fill(numbers, mostOf(numbers), scale);
      if (size === 1) {
        const { x, width: w } = columns[name];
        context.drawImage(sheets[name].canvas, x, HEAD, w, place.height);
        context.strokeStyle = css(line, 0.45);
        context.lineWidth = 1;
        context.strokeRect(x - 0.5, HEAD - 0.5, w + 1, place.height + 1);
        continue;
      }
      for (let map = 0; map < maps; map += 1) {
        const [x, y, w, h] = rect(name, map);
        context.drawImage(sheets[name].canvas, 0, map * size, size, size, x, y, w, h);
        context.strokeStyle = css(line, 0.45);
        context.lineWidth = 1;
        context.strokeRect(x - 0.5, y - 0.5, w + 1, h + 1);
      }
    }

    // The unit, what it sees in every layer before it, and the lines between.
    const { layer, channel, position } = unit;
    const { size, kind } = LAYERS[indexOf(layer)];
    const here = boxIn(layer, channel, [...position, 1, 1]);
    const lower = below(layer).name;
    if (kind === "conv") {
      const row = rect(`${layer} kernels`, channel);
      const wide = columns[`${layer} kernels`].width;
      const kernels = [layer === "C1" ? row[0] : columns["C3 kernels"].x, row[1], wide, row[3]];
      const field = fieldIn(lower, layer, position);
      if (lower !== "input") {
        range(LAYERS[indexOf(lower)].maps).forEach((map) =>
          cone(context, boxIn(lower, map, field), kernels, 0.07),
        );
      } else {
        cone(context, boxIn(lower, 0, field), kernels);
      }
      cone(context, kernels, here, 0.2);
      frame(context, [kernels[0] - 1, kernels[1] - 1, kernels[2] + 2, kernels[3] + 2]);
    } else if (kind === "pool") {
      cone(context, boxIn(lower, channel, fieldIn(lower, layer, position)), here);
    }
    for (const earlier of LAYERS.slice(1, indexOf(layer))) {
      if (earlier.size === 1) continue;
      const field = fieldIn(earlier.name, layer, position);
      // Until the channels mix, a unit sees one map; after that, all of them.
      const mixed = LAYERS.slice(indexOf(earlier.name) + 1, indexOf(layer) + 1).some(
        ({ kind: between }) => between !== "pool",
      );
      const seen = mixed ? range(earlier.maps) : [channel];
      seen.forEach((map) => frame(context, boxIn(earlier.name, map, field)));
    }
    if (size > 1) {
      const [x, y, w, h] = rect(layer, channel);
      frame(context, [x - 1.5, y - 1.5, w + 3, h + 3], 2);
    }
    frame(context, here, 2);
  }

  function drawPad(unit) {
    const side = place.plan.pad;
    const context = prepared(pad, side, side);
    const { css, line, ink, above } = colours;
    sheets.input.fill(image, 1, colours.inkScale);
    context.drawImage(sheets.input.canvas, 0, 0, side, side);
    if (!inkBox(image)) {
      // As large as the digits that the network learned from.
      context.strokeStyle = css(line, 0.7);
      context.setLineDash([4, 4]);
      context.strokeRect(side / 8, side / 8, (side * 3) / 4, (side * 3) / 4);
      context.setLineDash([]);
    }
    const [top, left, height, width] = fieldIn("input", unit.layer, unit.position);
    if (!last) {
      const step = side / SIZE;
      const box = [left * step, top * step, width * step, height * step];
      context.fillStyle = css(above, 0.12);
      context.fillRect(...box);
      frame(context, height === SIZE ? [2, 2, side - 4, side - 4] : box, 2);
    }
    if (pen.shown) {
      const [r, c] = pen.at.map((n) => (n / SIZE) * side);
      const radius = (PEN / SIZE) * side + 2;
      context.lineWidth = 2;
      context.strokeStyle = css(pen.down ? above : ink);
      context.fillStyle = css(above, pen.down ? 0.9 : 0.15);
      context.beginPath();
      context.arc(c, r, radius, 0, 2 * Math.PI);
      context.fill();
      context.stroke();
      context.beginPath();
      context.moveTo(c - radius - 5, r);
      context.lineTo(c + radius + 5, r);
      context.moveTo(c, r - radius - 5);
      context.lineTo(c, r + radius + 5);
      context.stroke();
    }
  }

  function drawClasses() {
    const { probabilities, output } = values;
    const winner = probabilities.indexOf(Math.max(...probabilities));
    classes.forEach(({ row, fill, share }, i) => {
      fill.style.width = `${(100 * probabilities[i]).toFixed(1)}%`;
      setText(share, percent(probabilities[i]).replace("under ", "<").replace("over ", ">"));
      row.classList.toggle("cx-winner", i === winner);
      row.classList.toggle("cx-current", state.layer === "output" && state.channel === i);
      row.setAttribute(
        "aria-label",
        `output ${i}: ${percent(probabilities[i])}, logit ${formatNumber(output[i])}`,
      );
    });
  }

  function drawDetail(unit = pointed ?? state, found = explain(network, values, unit)) {
    const { parts, won } = found;
    const source = Math.min(unit.source ?? 0, parts.length - 1);
    const part = parts[source];
    const many = parts.length > 1;
    setText(shownName, `${unitName(unit)} = ${formatNumber(found.value)}.`);
    setText(shownField, fieldText(unit));

    listFigure.hidden = !many;
    if (many) {
      const mostPatch = mostOf(mapsShown(below(unit.layer).name));
      const mostSum = mostOf(parts.map(({ sum: one }) => one));
      list.classList.toggle("cx-two", parts.length > 6);
      sources.forEach(({ button, picture, number }, i) => {
        button.hidden = i >= parts.length;
        if (button.hidden) return;
        const one = parts[i];
        const context = prepared(picture, 60, 24);
        sheets.patch.fill(one.values, mostPatch, colours.scale);
        sheets.kernel.fill(one.weights, strongest[unit.layer], colours.scale);
        context.drawImage(sheets.patch.canvas, 1, 1, 22, 22);
        context.drawImage(sheets.kernel.canvas, 37, 1, 22, 22);
        context.strokeStyle = colours.css(colours.line, 0.6);
        context.strokeRect(0.5, 0.5, 23, 23);
        context.strokeRect(36.5, 0.5, 23, 23);
        context.fillStyle = colours.css(colours.line);
        context.font = "12px system-ui, sans-serif";
        context.fillText("×", 27, 16);
        setText(number, formatNumber(one.sum));
        button.style.setProperty("--cx-share", Math.abs(one.sum) / mostSum);
        button.classList.toggle("cx-negative", one.sum < 0);
        button.setAttribute("aria-pressed", String(i === source));
        button.setAttribute("aria-label", `${one.name}: adds ${formatNumber(one.sum)}`);
      });
      captions[3].replaceChildren(el("b", {}, `${parts.length} maps`), " × kernel = part");
    }

    const grids = [patch, kernel, products];
    const shown = won === undefined ? 3 : 1;
    const crowded = part.cols > K;
    const texts = (number) => (crowded ? "" : formatNumber(number));
    const made = part.weights?.map((w, i) => w * part.values[i]);
    const mosts = [
      mostOf(mapsShown(below(unit.layer).name)),
      shown > 1 ? strongest[unit.layer] : 1,
      shown > 1 ? mostOf(made) : 1,
    ];
    detail.style.setProperty("--cx-cell", crowded ? "15px" : won === undefined ? "34px" : "48px");
    detail.style.setProperty("--cx-gap", crowded ? "1px" : "2px");
    grids.forEach((grid, k) => {
      figures[k].hidden = k >= shown;
      if (k >= shown) return;
      grid.resize(part.rows, part.cols);
      const numbers = [part.values, part.weights, made][k];
      numbers.forEach((number, i) => {
        const [r, c] = [Math.floor(i / part.cols), i % part.cols];
        const here = linked && linked[0] === r && linked[1] === c;
        grid.paint(r, c, {
          text: texts(number),
          strength: number / mosts[k],
          states: i === won ? "won" : here ? "linked" : "",
          label:
            k === 2
              ? `${formatNumber(part.values[i])} × ${formatNumber(part.weights[i])} = ${formatNumber(number)}`
              : `row ${r}, column ${c}: ${formatNumber(number)}`,
        });
      });
    });
    times.hidden = equals.hidden = shown === 1;
    setCaption(captions[0], part.name, "");
    setCaption(captions[1], crowded ? "weights" : "kernel", crowded ? "" : "5 × 5");
    setCaption(captions[2], "products", "");

    const lines = steps(found, unit.layer, source);
    if (unit.layer === "output") {
      lines.push(["softmax", percent(values.probabilities[unit.channel])]);
    }
    sum.replaceChildren(
      ...lines.flatMap(([what, number]) => [el("dt", {}, what), el("dd", {}, number)]),
    );
  }

  function drawThumbs() {
    thumbs.forEach(({ picture }, label) => {
      const sheet = createSheet(SIZE, SIZE);
      sheet.fill(enlarge(digits[first[label]]), 1, colours.inkScale);
      picture.getContext("2d").drawImage(sheet.canvas, 0, 0);
    });
  }

  function draw() {
    if (!colours) return;
    const unit = pointed ?? state;
    const found = explain(network, values, unit);
    drawFlow(unit);
    drawPad(unit);
    drawClasses();
    drawDetail(unit, found);
    for (const [name, nodes] of Object.entries(spots)) {
      const stop = name === state.layer && nodes.length > 1 ? state.channel : 0;
      nodes.forEach((node, i) => {
        if (node.tabIndex !== (i === stop ? 0 : -1)) node.tabIndex = i === stop ? 0 : -1;
      });
    }
    before.box.checked = !state.rectified;
    thumbs.forEach(({ button }, label) => {
      const chosen = state.digit !== null && Number(digits[state.digit][0]) === label;
      button.setAttribute("aria-pressed", String(chosen));
    });
    const label = state.digit === null ? null : Number(digits[state.digit][0]);
    const words = verdictText(values.probabilities, inkBox(image) !== null, label);
    setText(verdict, words);
    announcer.say(
      news === "verdict" ? words : `${unitName(state)} is ${formatNumber(explain(network, values, state).value)}`,
    );
  }

  function restyle() {
    readColours();
    drawThumbs();
    arrange();
    draw();
  }

  host.append(root);
  compute();
  restyle();
  const sizes = new ResizeObserver(() => {
    if (Math.max(flow.clientWidth, 300) !== place.width) restyle(); // also when it first gets one
  });
  sizes.observe(flow);
  const themes = new MutationObserver(restyle);
  themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  return () => {
    sizes.disconnect();
    themes.disconnect();
    announcer.stop();
    link.stop();
    root.remove();
  };
}

export default { render };
