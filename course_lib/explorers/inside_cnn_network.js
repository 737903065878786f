// The network inside a CNN: its arithmetic on typed arrays, the pictures it takes, and the words for
// what it does. Nothing here knows of a page; inside_cnn_network.py is the same in Python.
/* From common.js: factor, resultText, formatNumber, range, clamp. */

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

/** For the tests, from packed weights and rows of pixels: all values, and the sums of some units. */
export function valuesAndSums(packed, rows, units) {
  const network = decode(packed);
  const values = forward(network, Float32Array.from(rows.flat()));
  const plain = Object.fromEntries(Object.entries(values).map(([name, all]) => [name, [...all]]));
  return [plain, units.map((unit) => explain(network, values, unit))];
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
 * (16); 8 × 8 becomes `size` × `size` by cubic interpolation, in the middle of an empty picture, greys
 * below 0.3 paper and above 0.7 ink.
 */
export function enlarge(text, size = 24) {
  const grey = [...text.slice(1)].map((character) => parseInt(character, 17) / 16);
  const weights = range(size).map((i) =>
    range(8).map((j) => cubic(Math.abs(((i + 0.5) * 8) / size - 0.5 - j))),
  );
  const border = (SIZE - size) / 2;
  const across = range(8).map((r) =>
    weights.map((line) => line.reduce((sum, w, c) => sum + w * grey[8 * r + c], 0)),
  );
  const image = new Float32Array(SIZE * SIZE);
  weights.forEach((line, r) =>
    range(size).forEach((c) => {
      const value = line.reduce((sum, w, i) => sum + w * across[i][c], 0);
      image[(r + border) * SIZE + c + border] = hundredths(clamp((value - 0.3) / 0.4, 0, 1));
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

/** The drawing made as large as the held-back digits, and put in the middle. */
export function centred(image, size = 24) {
  const box = inkBox(image);
  if (!box) return Float32Array.from(image);
  const [top, left, bottom, right] = box;
  const zoom = Math.min(size / Math.max(bottom - top, right - left), 3);
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
  const next =
    sure && probabilities[second] >= 0.01 ? ` Next comes ${second}, with ${p(second)}.` : "";
  const wrong = label !== null && label !== first ? ` Whoever wrote it meant ${label}.` : "";
  return start + next + wrong;
}

/** C3, map 5, row 2, column 7; C5, unit 17; output 3. */
export function unitName({ layer, channel, position }) {
  if (layer === "output") return `output ${channel}`;
  if (LAYERS[indexOf(layer)].size === 1) return `${layer}, unit ${channel}`;
  return `${layer}, map ${channel}, row ${position[0]}, column ${position[1]}`;
}

const signed = (value) =>
  formatNumber(value).startsWith("−") ? formatNumber(value) : `+${formatNumber(value)}`;

/** From the parts to the unit's value: [[what, number], …], one line each. */
export function steps(found, layer, source) {
  const { parts, bias, total, value, won } = found;
  if (won !== undefined) {
    const place = ["top left", "top right", "bottom left", "bottom right"][won];
    return [
      ["largest of the four", formatNumber(value)],
      [`it stands at the ${place}`, ""],
    ];
  }
  const open = parts[Math.min(source, parts.length - 1)];
  const lines = [[`sum of these ${open.values.length} products`, formatNumber(open.sum)]];
  if (parts.length > 1) {
    const rest = parts.reduce((sum, part) => sum + part.sum, 0) - open.sum;
    lines.push(["the other maps", signed(rest)]);
  }
  lines.push(["bias", signed(bias)]);
  if (layer === "output") return [...lines, ["together: the logit", formatNumber(total)]];
  lines.push(["together", formatNumber(total)]);
  lines.push([total > 0 ? "ReLU lets it pass" : "ReLU makes it 0", formatNumber(value)]);
  return lines;
}

/** Where a number of a part stands: unit 17, or row 1, column 4. */
const placeText = ({ cols }, [r, c]) =>
  cols > K ? `unit ${r * cols + c}` : `row ${r}, column ${c}`;

/** Row 1, column 4: 0.5 × (−0.2) = −0.1. */
export function productText(part, [r, c]) {
  const i = r * part.cols + c;
  const [value, weight] = [part.values[i], part.weights[i]];
  const where = placeText(part, [r, c]);
  return (
    `${where[0].toUpperCase()}${where.slice(1)}: ${formatNumber(value)} × ` +
    `${factor(formatNumber(weight))} ${resultText(value * weight)}`
  );
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
