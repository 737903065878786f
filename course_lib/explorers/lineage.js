// Chapter 07: the landmark networks on a timeline, their stages, and numbers through their blocks.
//
// The state is the widget's: measure (what the timeline's height shows), model, stage and block
// (what is looked at), step (how many steps of the block the small numbers have taken) and zero
// (whether all its weights are 0). DATA, which Python puts in front of this file, is what was
// measured of each network.
//
// The small numbers are a block of the same plan on a strip of 4 places and a few channels, with
// weights of −1, 0 and 1: small enough to follow, and calculated, not drawn. A "step" is a layer
// with the norm and the activation around it; BatchNorm is left out of the small numbers.
/* From common.js: el, setText, formatNumber, formatCount, listed, plural, range, clamp, factor,
   shapeOf, largest, same, changedPart, createRoot, put, svg, createGrid, createSelect, createCheck,
   createButton, createAnnouncer, readState, linkModel. */

// ---------------------------------------------------------------- pure functions

export const NETWORKS = DATA;

/** The constraints that every network attacks: [id, name, marker on the timeline]. */
export const CONSTRAINTS = [
  ["compute", "parameters and compute", "M-6,-6h12v12h-12z"],
  ["depth", "depth and gradients", "M0,-8l8,14h-16z"],
  ["reach", "reach", "M-7,0a7,7 0 1,0 14,0a7,7 0 1,0 -14,0z"],
];

/** What the timeline's height can show: [id, name, its ticks]. */
export const MEASURES = [
  ["params", "parameters", [1e5, 1e6, 1e7, 1e8]],
  ["macs", "multiply-adds", [1e6, 1e7, 1e8, 1e9, 1e10]],
  ["depth", "layers one behind the other", [5, 10, 20, 50, 100]],
];

/** 25557032 → 25.6 M, 4089184256 → 4.09 G. */
export function shortCount(count) {
  const [unit, name] = [
    [1e9, " G"],
    [1e6, " M"],
    [1e3, " k"],
    [1, ""],
  ].find(([size]) => count >= size) ?? [1, ""];
  const value = count / unit;
  const digits = unit === 1 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${Number(value.toFixed(digits))}${name}`;
}

export function networkOf({ model }) {
  return NETWORKS.find(({ name }) => name === model);
}

export function stageOf(state) {
  return networkOf(state).stages[state.stage];
}

/** The block looked at: its title, its counts, its steps with everything said that the data leave out. */
export function blockOf(state) {
  const block = networkOf(state).kinds[stageOf(state).blocks[state.block]];
  const steps = block.steps.map((step, i) => ({
    kernel: 1,
    stride: 1,
    params: 0,
    macs: 0,
    before: "",
    after: "",
    lane: 1,
    sources: i ? [i - 1] : [],
    ...step,
  }));
  const rows = [];
  let order = 0;
  steps.forEach((step, i) => {
    const above = step.sources.map((source) => rows[source]);
    rows.push(i ? Math.max(...above) + 1 : 0);
    step.row = rows[i];
    // What only passes x on takes no step of its own.
    step.order = i === 0 ? 0 : step.op === "same" ? steps[step.sources[0]].order : (order += 1);
  });
  return { ...block, steps, count: order };
}

/** The state with its stage, block and step moved inside. */
export function settled(state) {
  const { stages } = networkOf(state);
  const stage = clamp(state.stage, 0, stages.length - 1);
  const block = clamp(state.block, 0, stages[stage].blocks.length - 1);
  const next = { ...state, stage, block };
  return { ...next, step: clamp(state.step, 0, blockOf(next).count) };
}

// -- the small numbers

const PLACES = 4;
const X = [
  [1, 2, 0, 3],
  [2, 0, 1, 1],
  [0, 1, 3, 0],
  [1, 0, 2, 1],
];
const WEIGHTED = ["conv", "depthwise", "grouped", "pointwise", "patch", "dense"];
// Weights that leave something to see in every block: no step of it comes to zeros alone.
const PATTERN = [1, 0, 0, 1, -1, 0, 1, 1, 0, -1, 1];

/** How many channels each step of the small block has, from the real ones: more where it has more. */
export function smallChannels(steps) {
  const grouped = steps.some(({ op }) => op === "grouped");
  const stacks = steps.some(({ op }) => op === "concat");
  const normed = steps.some(({ before, after }) => `${before}${after}`.includes("LayerNorm"));
  const real = steps.filter(({ op }) => op === "input" || WEIGHTED.includes(op));
  const sizes = [...new Set(real.map(({ shape }) => shape[0]))].sort((a, b) => a - b);
  const rank = ({ shape }) => {
    if (grouped) return 4;
    if (stacks) return shape[0] < steps[0].shape[0] ? 1 : 2;
    return Math.min(sizes.indexOf(shape[0]) + (normed ? 3 : 2), 4);
  };
  const counts = [];
  steps.forEach((step, i) => {
    const below = step.sources.map((source) => counts[source]);
    if (step.op === "input") counts.push(stacks ? 2 : rank(step));
    else if (step.op === "concat") counts.push(below.reduce((sum, count) => sum + count, 0));
    else if (stacks && WEIGHTED.includes(step.op) && feedsStack(steps, i)) counts.push(1);
    else counts.push(WEIGHTED.includes(step.op) && step.op !== "depthwise" ? rank(step) : below[0]);
  });
  return counts;
}

const feedsStack = (steps, i) =>
  steps.some(({ op, sources }) => op === "concat" && sources.includes(i));

/** The places, along the strip, that output `place` of a layer reads: [place or null, tap]. */
function reads(step, place, n) {
  const stride = Math.min(step.stride, n);
  if (step.op === "patch") return range(stride).map((tap) => [place * stride + tap, tap]);
  const taps = Math.min(step.kernel, 5);
  const start = place * stride - (taps % 2 ? (taps - 1) / 2 : 0);
  return range(taps).map((tap) => {
    const at = start + tap;
    return [at >= 0 && at < n ? at : null, tap];
  });
}

/** The groups of places that attend to one another. */
function windowsOf(op, n) {
  if (op === "attention") return [range(n)];
  const size = 2;
  const shift = op === "shifted" ? 1 : 0;
  const groups = range(Math.ceil((n + shift) / size)).map((g) =>
    range(size)
      .map((i) => g * size + i - shift)
      .filter((at) => at >= 0 && at < n),
  );
  return groups.filter((group) => group.length);
}

const erf = (x) => {
  // Abramowitz and Stegun 7.1.26, good to 1.5e-7.
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const sum =
    ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(x) * (1 - sum * Math.exp(-x * x));
};
const ACTIVATIONS = {
  ReLU: (v) => Math.max(v, 0),
  ReLU6: (v) => clamp(v, 0, 6),
  GELU: (v) => (v / 2) * (1 + erf(v / Math.SQRT2)),
  SiLU: (v) => v / (1 + Math.exp(-v)),
  Sigmoid: (v) => 1 / (1 + Math.exp(-v)),
};

/** What norms and activations make of a strip, one after the other. */
function finished(values, words) {
  for (const word of words.split(", ")) {
    if (word === "LayerNorm") {
      const places = range(values[0].length).map((at) => values.map((row) => row[at]));
      const stats = places.map((all) => {
        const mean = all.reduce((sum, v) => sum + v, 0) / all.length;
        const spread = all.reduce((sum, v) => sum + (v - mean) ** 2, 0) / all.length;
        return [mean, Math.sqrt(spread + 1e-6)];
      });
      values = values.map((row) => row.map((v, at) => (v - stats[at][0]) / stats[at][1]));
    } else if (ACTIVATIONS[word]) {
      values = values.map((row) => row.map(ACTIVATIONS[word]));
    }
  }
  return values;
}

/** The weight of output channel o for input channel i at a tap, of the layer at place `layer`. */
function weightOf(layer, o, i, tap) {
  return PATTERN[(3 * o + 9 * i + 6 * tap + 8 * layer) % PATTERN.length];
}

/**
 * The small numbers of each step: {values, terms}. `values` are rows of channels; `terms[r][c]` lists
 * what one of them is made of: [number, weight] pairs whose products add up to it, before the
 * activation.
 */
export function smallNumbers(steps, zero = false) {
  const counts = smallChannels(steps);
  const made = [];
  steps.forEach((step, index) => {
    const below = step.sources.map((source) => made[source].values);
    const count = counts[index];
    let terms;
    if (step.op === "input") {
      made.push({ values: X.slice(0, count), terms: X.slice(0, count).map((r) => r.map(() => [])) });
      return;
    }
    const x = finished(below[0], step.before);
    const n = x[0].length;
    const places = range(Math.ceil(n / Math.min(step.stride, n)));
    // A sigmoid that is not to be 0 or 1 takes small numbers.
    const scale = zero ? 0 : step.after === "Sigmoid" ? 0.2 : 1;
    const weight = (o, i, tap) => scale * weightOf(index, o, i, tap);
    if (step.op === "same") {
      terms = x.map((row) => row.map((v) => [[v, 1]]));
    } else if (step.op === "add") {
      terms = x.map((row, r) => row.map((v, c) => below.map((one) => [one[r][c], 1])));
    } else if (step.op === "multiply") {
      terms = x.map((row, r) => row.map((v, c) => [[v, below[1][r][Math.min(c, below[1][r].length - 1)]]]));
    } else if (step.op === "concat") {
      terms = below.flatMap((one) => one.map((row) => row.map((v) => [[v, 1]])));
    } else if (step.op === "mean") {
      terms = x.map((row) => [row.map((v) => [v, 1 / n])]);
    } else if (step.op === "average") {
      terms = x.map((row) =>
        places.map((p) => {
          const seen = reads(step, p, n);
          return seen.map(([at]) => [at === null ? 0 : row[at], 1 / seen.length]);
        }),
      );
    } else if (step.op === "max") {
      terms = x.map((row) =>
        places.map((p) => {
          const seen = reads(step, p, n).filter(([at]) => at !== null);
          return [[Math.max(...seen.map(([at]) => row[at])), 1]];
        }),
      );
    } else if (step.op === "dense") {
      terms = range(count).map((o) => [
        x.flatMap((row, i) => row.map((v, at) => [v, weight(o, i, at)])),
      ]);
    } else if (["attention", "windows", "shifted"].includes(step.op)) {
      const token = (at) => x.map((row) => row[at]);
      const score = (a, b) =>
        token(a).reduce((sum, v, i) => sum + v * token(b)[i], 0) / Math.sqrt(x.length);
      const groups = windowsOf(step.op, n);
      terms = x.map((row) =>
        row.map((_, at) => {
          const group = groups.find((one) => one.includes(at));
          const powers = group.map((other) => Math.exp(score(at, other)));
          const total = powers.reduce((sum, p) => sum + p, 0);
          return group.map((other, i) => [row[other], zero ? 0 : powers[i] / total]);
        }),
      );
    } else {
      // A convolution: every channel of its group, at every tap.
      const groups = { depthwise: count, grouped: 2 }[step.op] ?? 1;
      const each = x.length / groups;
      terms = range(count).map((o) => {
        const first = Math.floor(o / (count / groups)) * each;
        return places.map((p) =>
          range(each).flatMap((i) =>
            reads(step, p, n).map(([at, tap]) => [
              at === null ? 0 : x[first + i][at],
              weight(o, i, tap),
            ]),
          ),
        );
      });
    }
    const sums = terms.map((row) =>
      row.map((all) => all.reduce((sum, [v, w]) => sum + v * w, 0)),
    );
    made.push({ values: finished(sums, step.after), terms });
  });
  return made;
}

const tenth = (value) => formatNumber(Math.round(value * 10) / 10);

/** How one of the small numbers came about. */
export function arithmeticText(steps, numbers, index, r, c) {
  const step = steps[index];
  const where = `channel ${r}, place ${c}`;
  const result = tenth(numbers[index].values[r][c]);
  if (step.op === "input") return `x, ${where}: ${result}.`;
  if (step.op === "same") return `${where}: ${result}, as it came.`;
  const all = numbers[index].terms[r][c];
  const sum = all.reduce((total, [v, w]) => total + v * w, 0);
  const words = step.after.split(", ").filter((word) => ACTIVATIONS[word] || word === "LayerNorm");
  const after = words.length ? `, after ${words.join(" and ")} ${result}` : "";
  if (step.op === "add") {
    const [f, x] = all.map(([v]) => factor(tenth(v)));
    return `${where}: F ${f} + x ${x} = ${tenth(sum)}${after}.`;
  }
  if (step.op === "multiply") {
    return `${where}: ${factor(tenth(all[0][0]))} × gate ${tenth(all[0][1])} = ${tenth(sum)}.`;
  }
  if (step.op === "concat") return `${where}: ${result}, one of the rows stacked here.`;
  if (step.op === "max") return `${where}: the largest of its window, ${result}.`;
  if (step.op === "mean") return `${where}: the mean of the row, ${result}.`;
  const kept = all.filter(([v, w]) => v !== 0 && w !== 0);
  const products = kept.map(([v, w]) => `${factor(tenth(v))}×${factor(tenth(w))}`).join(" + ");
  return `${where}: ${products || "nothing but zeros"} = ${tenth(sum)}${after}.`;
}

// -- words

/** "256 × 56 × 56". */
export const shapeText = (shape) => shape.join(" × ");

/** What a middle unit of a stage sees, in pixels of a side. */
export function seesText({ field, sees }, side) {
  if (field !== null && field > side) return `${formatCount(field)}: all`;
  return sees >= side ? "all" : `${sees}`;
}

/** The stage in a sentence. */
export function stageText(network, stage) {
  const share = (part, all) =>
    part < all / 200 ? "under 1 %" : `${Math.round((100 * part) / all)} %`;
  const side = network.input[1];
  const sees =
    stage.sees >= side
      ? `a unit in the middle sees all ${side} pixels of a side`
      : `a unit in the middle sees ${stage.sees} of ${side} pixels of a side`;
  return (
    `${stage.name}: ${plural(stage.blocks.length, "block")}, out comes ${shapeText(stage.shape)}; ` +
    `${shortCount(stage.params)} parameters (${share(stage.params, network.params)} of all), ` +
    `${shortCount(stage.macs)} multiply-adds (${share(stage.macs, network.macs)}); ${sees}.`
  );
}

/** The shape of the whole: the one that most networks share, or another. */
export function outlineText(network) {
  const stages = network.stages.filter(({ name }) => name.startsWith("stage"));
  const [first, last] = [stages[0], stages[stages.length - 1]].map(({ shape }) => shape);
  const [from, to] = [first, last].map(([, height, width]) => `${height} × ${width}`);
  if (from === to) {
    return `Not the shape of the others: one grid of ${from} and ${first[0]} channels from first to last.`;
  }
  return (
    `The shape they share: the grid shrinks from ${from} to ${to}, the channels widen from ` +
    `${formatCount(first[0])} to ${formatCount(last[0])}, then a head.`
  );
}

/** What a step does, and what it costs in the real network. */
export function stepText(step) {
  const does = {
    input: "What comes in",
    same: "x goes by untouched",
    add: "The two are added, number by number",
    concat: "The maps are stacked, none is changed",
    multiply: "Each map is multiplied by the one number of its gate",
    mean: "Each map becomes one number, its mean",
    max: "The largest number of each window goes on",
    average: "The mean of each window goes on",
    conv: "Each new channel sums a neighbourhood of all channels",
    grouped: "Each new channel sums a neighbourhood, in its own group of channels only",
    depthwise: "Each channel by itself: one kernel looks around in it",
    pointwise: "At each place by itself the channels are mixed",
    patch: "Each patch is taken as one, and no two overlap",
    dense: "Every number is mixed with every other",
    attention: "Each place takes a weighted mean of all places, more of those like itself",
    windows: "Each place takes a weighted mean of the places in its window",
    shifted: "The same in windows shifted by half, across the borders of before",
  }[step.op];
  const cost =
    step.params || step.macs
      ? `; ${shortCount(step.params)} parameters, ${shortCount(step.macs)} multiply-adds`
      : "";
  return `${does}. Out comes ${shapeText(step.shape)}${cost}.`;
}

/** What becomes of x when every weight of the block is 0. */
export function zeroText(steps) {
  if (!steps.some(({ params }) => params > 0)) return "There are no weights here.";
  const numbers = smallNumbers(steps, true);
  const [x, out] = [numbers[0].values, numbers[numbers.length - 1].values];
  const last = steps[steps.length - 1];
  if (same(x, out)) return "With all weights 0 the block hands x on: doing nothing is easy.";
  if (last.op === "concat" && x.every((row) => out.some((one) => same(one, row)))) {
    return "With all weights 0 x is still there, with zeros beside it.";
  }
  return last.op === "add"
    ? "With all weights 0 nothing is left: x changes its shape here, and its way has weights too."
    : "With all weights 0 nothing is left of x: even to hand it on would have to be learned.";
}

// -- the timeline

const FIRST_AFTER_GAP = 2012;

/** Where each network stands: {name, x, y, text, labelX, labelY, anchor}, y counted downwards. */
export function placesOf(measure, width, height) {
  const [, , ticks] = MEASURES.find(([id]) => id === measure);
  const values = NETWORKS.map((network) => network[measure]);
  const [low, high] = [Math.min(...values, ticks[0]), Math.max(...values)].map(Math.log);
  const left = 84;
  const unit = (width - left - 50) / 11.2;
  const xOf = (year) => left + (year < FIRST_AFTER_GAP ? 0 : 1.2 + year - FIRST_AFTER_GAP) * unit;
  const yOf = (value) => 18 + (1 - (Math.log(value) - low) / (high - low)) * (height - 60);
  const points = NETWORKS.map((network) => ({
    name: network.name,
    text: network.label,
    x: xOf(network.year),
    y: yOf(network[measure]),
  }));
  // Each label moves around its marker to where it covers least, a few times over.
  const marks = points.map(({ x, y }) => [x - 9, y - 9, x + 9, y + 9]);
  const shared = (a, b) =>
    Math.max(Math.min(a[2], b[2]) - Math.max(a[0], b[0]), 0) *
    Math.max(Math.min(a[3], b[3]) - Math.max(a[1], b[1]), 0);
  const optionsOf = ({ x, y, text }) => {
    const long = text.length * 7.2;
    return [
      [0, -14, "middle"],
      [0, 22, "middle"],
      [12, 4, "start"],
      [-12, 4, "end"],
      [10, -10, "start"],
      [-10, -10, "end"],
      [10, 18, "start"],
      [-10, 18, "end"],
      [0, -28, "middle"],
      [0, 36, "middle"],
    ].map(([dx, dy, anchor], rank) => {
      const start = x + dx - { start: 0, middle: long / 2, end: long }[anchor];
      const box = [start, y + dy - 11, start + long, y + dy + 3];
      const outside = box[0] < 44 || box[2] > width || box[1] < 0 || box[3] > height - 22;
      return { labelX: x + dx, labelY: y + dy, anchor, box, cost: rank + (outside ? 1e6 : 0) };
    });
  };
  const options = points.map(optionsOf);
  const chosen = options.map(([first]) => first);
  for (let round = 0; round < 5; round += 1) {
    options.forEach((mine, i) => {
      const costOf = (one) =>
        one.cost +
        marks.reduce((sum, mark) => sum + shared(one.box, mark), 0) +
        chosen.reduce((sum, other, j) => sum + (i === j ? 0 : shared(one.box, other.box)), 0);
      chosen[i] = mine.reduce((best, one) => (costOf(one) < costOf(best) ? one : best));
    });
  }
  points.forEach((point, i) => Object.assign(point, chosen[i]));
  return { points, xOf, yOf, ticks };
}

// ---------------------------------------------------------------- the view

const NAMES = ["measure", "model", "stage", "block", "step", "zero"];
const HEIGHT = 290; // of the timeline
const HINT =
  "Choose a network, then a stage, then a block: with the pointer, or with Tab and the arrow keys. " +
  "A line leads from what a network builds on.";
const GAP = 24; // pixels between two rows of a block's plan, at the least
const PACE = 1100; // milliseconds from one step to the next

/**
 * A row of things of which one is chosen: the arrow keys move the choice, Tab leaves it. `items`
 * lists the elements in their order; each is told by `chosen(i)`.
 */
function createChoice(root, onChoose) {
  const choice = { items: [] };
  const indexOf = (target) => choice.items.findIndex((item) => item.contains(target));
  root.addEventListener("click", (event) => {
    const index = indexOf(event.target);
    if (index >= 0) onChoose(index);
  });
  root.addEventListener("keydown", (event) => {
    const index = indexOf(event.target);
    if (index < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const last = choice.items.length - 1;
    const moves = {
      ArrowLeft: Math.max(index - 1, 0),
      ArrowUp: Math.max(index - 1, 0),
      ArrowRight: Math.min(index + 1, last),
      ArrowDown: Math.min(index + 1, last),
      Home: 0,
      End: last,
      Enter: index,
      " ": index,
    };
    if (moves[event.key] === undefined) return;
    event.preventDefault();
    onChoose(moves[event.key]);
    choice.items[moves[event.key]]?.focus();
  });
  choice.show = (index) =>
    choice.items.forEach((item, i) => {
      put(item, "aria-checked", String(i === index));
      put(item, "tabindex", i === index ? 0 : -1);
    });
  return choice;
}

function render({ model, el: host }) {
  let state = settled(readState(model, NAMES));
  let cell = null; // the small number pointed at: [step, row, column]
  let timer = null;
  const link = linkModel(model, NAMES, () => {
    stop();
    state = settled(readState(model, NAMES));
    cell = null;
    draw();
  });

  function change(patch) {
    const others = ["model", "stage", "block"].some(
      (name) => name in patch && patch[name] !== state[name],
    );
    const full = state.step > 0 && state.step === blockOf(state).count;
    // Another block starts anew, or is shown whole as the one before was.
    const next = settled({ ...state, ...(others ? { step: full ? 99 : 0 } : {}), ...patch });
    if (others) {
      stop();
      cell = null;
    }
    const changed = changedPart(NAMES, next, state);
    state = next;
    draw();
    if (Object.keys(changed).length) link.push(changed);
  }

  // -- the timeline
  const measure = createSelect({
    label: "Height",
    options: MEASURES.map(([id, name]) => [id, name]),
    onChange: (id) => change({ measure: id }),
  });
  const legend = el(
    "div",
    { class: "cx-marks" },
    ...CONSTRAINTS.map(([, name, path]) =>
      el(
        "span",
        {},
        svg("svg", { viewBox: "-9 -9 18 18", "aria-hidden": "true" }, svg("path", { d: path })),
        name,
      ),
    ),
  );
  const axis = svg("g", { class: "cx-axis", "aria-hidden": "true" });
  const lines = svg("g", { class: "cx-kin", "aria-hidden": "true" });
  const marks = NETWORKS.map((network) => {
    const path = CONSTRAINTS.find(([id]) => id === network.answers[0])[2];
    const shape = svg("path", { d: path });
    const text = svg("text");
    text.textContent = network.label;
    const hit = svg("circle", { class: "cx-hit", r: 13 }); // more to aim at than the marker is
    const node = svg("g", { class: "cx-mark", role: "radio" }, hit, shape, text);
    return { network, hit, shape, text, node };
  });
  const timeline = svg(
    "svg",
    { class: "cx-timeline", role: "radiogroup", "aria-label": "networks: arrow keys move on" },
    axis,
    lines,
    ...marks.map(({ node }) => node),
  );
  const networks = createChoice(timeline, (i) => change({ model: NETWORKS[i].name }));
  networks.items = marks.map(({ node }) => node);

  // -- the network and its stages
  const name = el("h3", { class: "cx-title" });
  const about = el("p", { class: "cx-note" });
  const story = el("dl", { class: "cx-readout cx-story" });
  const flow = el("div", { class: "cx-flow", role: "radiogroup" });
  put(flow, "aria-label", "stages: arrow keys move on");
  const stages = createChoice(flow, (i) => change({ stage: i, block: Math.min(1, lastOf(i)) }));
  const lastOf = (i) => networkOf(state).stages[i].blocks.length - 1;
  const outline = el("p", { class: "cx-sentence" });
  const stageLine = el("p", { class: "cx-sentence" });
  const chips = el("div", { class: "cx-chips", role: "radiogroup" });
  const blocks = createChoice(chips, (i) => change({ block: i }));

  // -- the block
  const blockName = el("h3", { class: "cx-title" });
  const blockCost = el("p", { class: "cx-note" });
  const next = createButton("Step", () => {
    stop();
    const { count } = blockOf(state);
    change({ step: state.step < count ? state.step + 1 : 1 });
  });
  const play = createButton("Play", () => (timer ? stop() : start()));
  const all = createButton("Show all", () => {
    stop();
    const { count } = blockOf(state);
    change({ step: state.step < count ? count : 0 });
  });
  const zero = createCheck({ label: "all weights 0", onChange: (on) => change({ zero: on }) });
  const wires = svg("svg", { class: "cx-wires", "aria-hidden": "true" });
  const plan = el("div", { class: "cx-plan" });
  const area = el("div", { class: "cx-area" }, wires, plan);
  let cards = [];
  let planFor = "";

  function start() {
    if (state.step >= blockOf(state).count) change({ step: 0 });
    timer = setInterval(() => {
      if (state.step >= blockOf(state).count) return stop();
      change({ step: state.step + 1 });
      if (state.step >= blockOf(state).count) stop();
    }, PACE);
    setText(play, "Stop");
  }
  function stop() {
    if (timer) clearInterval(timer);
    timer = null;
    setText(play, "Play");
  }

  // -- what is said
  const names = ["step", "number", "zero", "code"];
  const said = Object.fromEntries(names.map((one) => [one, el("dd", {})]));
  const readout = el(
    "dl",
    { class: "cx-readout" },
    ...[
      ["step", "Step"],
      ["number", "Number"],
      ["zero", "Weights 0"],
      ["code", "In code"],
    ].flatMap(([term, title]) => [el("dt", {}, title), said[term]]),
  );
  const announcer = createAnnouncer();
  const root = createRoot(
    "lineage",
    el("div", { class: "cx-bar" }, measure.root, legend),
    timeline,
    el("p", { class: "cx-hint" }, HINT),
    name,
    about,
    story,
    outline,
    flow,
    stageLine,
    chips,
    el("div", { class: "cx-heading" }, blockName, blockCost),
    el("div", { class: "cx-bar" }, el("div", { class: "cx-buttons" }, next, play, all), zero.root),
    area,
    el(
      "p",
      { class: "cx-note" },
      "Bars: how many channels there are. Small numbers: a block of this plan with a few channels (rows) and 4 places " +
        "(columns), weights of −1, 0 and 1, without BatchNorm.",
    ),
    readout,
    announcer.root,
  );

  function drawTimeline() {
    const width = Math.max(root.clientWidth - 8, 300);
    const { points, xOf, yOf, ticks } = placesOf(state.measure, width, HEIGHT);
    put(timeline, "viewBox", `0 0 ${width} ${HEIGHT}`);
    put(timeline, "width", width);
    put(timeline, "height", HEIGHT);
    const years = [1998, ...range(11).map((i) => 2012 + i)];
    const text = (x, y, words, anchor) => {
      const node = svg("text", { x, y, "text-anchor": anchor });
      node.textContent = words;
      return node;
    };
    const gap = (xOf(1998) + xOf(2012)) / 2;
    axis.replaceChildren(
      ...ticks.flatMap((tick) => [
        svg("path", { d: `M46,${yOf(tick)}H${width}` }),
        text(42, yOf(tick) + 4, shortCount(tick), "end"),
      ]),
      ...years.map((year) =>
        text(xOf(year), HEIGHT - 6, width < 620 ? `’${String(year).slice(2)}` : year, "middle"),
      ),
      text(gap, HEIGHT - 6, "…", "middle"),
    );
    const at = Object.fromEntries(points.map((point) => [point.name, point]));
    lines.replaceChildren(
      ...NETWORKS.flatMap((network) =>
        Object.keys(network.builds_on).map((parent) => {
          const [from, to] = [at[parent], at[network.name]];
          const mine = network.name === state.model || parent === state.model;
          const bend = (from.x + to.x) / 2;
          return svg("path", {
            class: mine ? "cx-near" : "",
            d: `M${from.x},${from.y}C${bend},${from.y} ${bend},${to.y} ${to.x},${to.y}`,
          });
        }),
      ),
    );
    const measured = MEASURES.find(([id]) => id === state.measure)[1];
    marks.forEach(({ network, hit, shape, text: label, node }) => {
      const { x, y, labelX, labelY, anchor } = at[network.name];
      for (const part of [hit, shape]) put(part, "transform", `translate(${x} ${y})`);
      put(label, "x", labelX);
      put(label, "y", labelY);
      put(label, "text-anchor", anchor);
      const count = shortCount(network[state.measure]);
      put(node, "aria-label", `${network.label}, ${network.year}: ${count} ${measured}`);
    });
    networks.show(NETWORKS.findIndex(({ name: one }) => one === state.model));
    if (measure.select.value !== state.measure) measure.select.value = state.measure;
  }

  function drawNetwork() {
    const network = networkOf(state);
    name.replaceChildren(
      `${network.label} `,
      el("span", { class: "cx-quiet" }, `${network.year}, ${network.authors}`),
    );
    setText(
      about,
      `${shortCount(network.params)} parameters, ${shortCount(network.macs)} multiply-adds for an image of ` +
        `${shapeText(network.input)}, ${network.depth} layers one behind the other.`,
    );
    const labelOf = (one) => NETWORKS.find(({ name: id }) => id === one).label;
    const kin = Object.entries(network.builds_on).map(([one, what]) => `${labelOf(one)}: ${what}`);
    const constraints = CONSTRAINTS.filter(([id]) => network.answers.includes(id));
    const rows = [
      ["Constraint", `${network.problem} (${constraints.map(([, words]) => words).join("; ")})`],
      ["Answer", network.answer],
      ["Builds on", kin.length ? `${kin.join(". ")}.` : "Nothing else on this line."],
      ...(network.differs ? [["Here", network.differs]] : []),
    ];
    story.replaceChildren(
      ...rows.flatMap(([term, words]) => [el("dt", {}, term), el("dd", {}, words)]),
    );
  }

  function drawStages() {
    const network = networkOf(state);
    const side = network.input[1];
    setText(outline, outlineText(network));
    flow.style.setProperty("--cx-columns", network.stages.length);
    const shares = (stage) => [
      [shortCount(stage.params), stage.params / network.params],
      [shortCount(stage.macs), stage.macs / network.macs],
      [seesText(stage, side), stage.sees / side],
    ];
    const value = (words, part) =>
      el(
        "span",
        { class: "cx-share" },
        el("span", {}, words),
        el("i", { style: `width: ${(100 * part).toFixed(1)}%` }),
      );
    const focused = flow.contains(document.activeElement);
    const heads = [
      [""],
      [""],
      ["channels"],
      ["grid"],
      ["parameters", "params"],
      ["multiply-adds", "MACs"],
      ["pixels seen", "sees"],
    ];
    stages.items = network.stages.map((stage) => {
      const [channels, grid] = stage.shape;
      const tall = 60 * Math.sqrt((grid ?? 1) / side);
      const wide = 64 * Math.sqrt(channels / 2048);
      const box = el("i", {
        class: "cx-volume",
        style: `height: ${tall.toFixed(1)}px; width: ${wide.toFixed(1)}px`,
      });
      const node = el(
        "div",
        { class: "cx-stage-card", role: "radio", "aria-label": stageText(network, stage) },
        el("span", { class: "cx-box" }, box),
        el(
          "span",
          { class: "cx-stage-name" },
          stage.name,
          stage.blocks.length > 1 ? el("span", { class: "cx-quiet cx-times" }, ` ×${stage.blocks.length}`) : "",
        ),
        el("span", {}, formatCount(channels)),
        el("span", {}, grid ? `${grid}\u2009×\u2009${grid}` : "–"),
        ...shares(stage).map(([words, part]) => value(words, part)),
      );
      return node;
    });
    flow.replaceChildren(
      el(
        "div",
        { class: "cx-row-heads", "aria-hidden": "true" },
        ...heads.map(([words, short]) =>
          el(
            "span",
            {},
            ...(short
              ? [el("span", { class: "cx-roomy" }, words), el("span", { class: "cx-tight" }, short)]
              : [words]),
          ),
        ),
      ),
      ...stages.items,
    );
    stages.show(state.stage);
    if (focused) stages.items[state.stage].focus();
    setText(stageLine, stageText(network, stageOf(state)));

    const stage = stageOf(state);
    const inChips = chips.contains(document.activeElement);
    blocks.items = stage.blocks.map((kind, i) => {
      const { title } = network.kinds[kind];
      const words = `block ${i + 1}: ${title}`;
      return el("div", { class: "cx-chip", role: "radio", title: words, "aria-label": words }, i + 1);
    });
    put(chips, "aria-label", `blocks of ${stage.name}: arrow keys move on`);
    chips.replaceChildren(el("span", { class: "cx-quiet" }, "blocks"), ...blocks.items);
    chips.hidden = blocks.items.length < 2;
    blocks.show(state.block);
    if (inChips) blocks.items[state.block].focus();
  }

  /** A card for each step, in its lane and row. */
  function buildPlan(block) {
    const key = JSON.stringify([state.model, state.stage, state.block]);
    if (key === planFor) return;
    planFor = key;
    const { steps } = block;
    const lanes = [...new Set(steps.map(({ lane }) => lane).filter((lane) => lane >= 0))].sort();
    if (steps.length > 1 && !lanes.includes(1)) lanes.push(1);
    const used = lanes.filter((lane) => steps.some((s, i) => i && s.lane === lane));
    plan.style.setProperty("--cx-lanes", Math.max(used.length, 1));
    const most = Math.max(...steps.map(({ shape }) => shape[0]));
    const last = Math.max(...steps.map(({ row }) => row));
    cards = steps.map((step, i) => {
      const strip = createGrid({
        label: `${step.name}: arrow keys walk over the small numbers`,
        kind: "strip",
        onPoint: (r, c) => {
          cell = [i, r, c];
          drawReadout();
          drawStrips();
        },
        onLeave: () => {
          cell = null;
          drawReadout();
          drawStrips();
        },
      });
      const words = [step.before, step.name, step.after].filter(Boolean);
      const node = el(
        "div",
        { class: `cx-step-card cx-op-${step.op}` },
        el(
          "div",
          { class: "cx-step-words" },
          el("b", {}, step.name),
          ...(words.length > 1
            ? [
                el(
                  "span",
                  { class: "cx-quiet" },
                  [step.before && `after ${step.before}`, step.after && `then ${step.after}`]
                    .filter(Boolean)
                    .join("; "),
                ),
              ]
            : []),
          el(
            "span",
            { class: "cx-quiet" },
            shapeText(step.shape) + (step.params ? `, ${shortCount(step.params)} weights` : ""),
          ),
          el("i", {
            class: "cx-wide",
            style: `width: ${Math.max((100 * step.shape[0]) / most, 2).toFixed(1)}%`,
          }),
        ),
        strip.root,
      );
      const wide = i === 0 || step.lane < 0;
      const lane = used.indexOf(step.lane) + 1;
      node.style.gridColumn = wide ? "1 / -1" : String(lane);
      // What goes by stands beside all that it goes by.
      const until = steps.find(({ sources }) => sources.includes(i))?.row ?? last;
      const alone = step.op === "same" || steps.every((s, j) => s.lane !== step.lane || j === i);
      node.style.gridRow =
        alone && !wide ? `${step.row + 1} / ${Math.max(until, step.row + 1) + 1}` : String(step.row + 1);
      return { node, strip, step };
    });
    plan.replaceChildren(...cards.map(({ node }) => node));
  }

  function drawStrips() {
    const { steps } = blockOf(state);
    const numbers = smallNumbers(steps, state.zero);
    const most = largest(numbers.map(({ values }) => values));
    cards.forEach(({ node, strip, step }, i) => {
      const { values } = numbers[i];
      const known = step.order <= state.step;
      strip.resize(...shapeOf(values));
      values.forEach((row, r) =>
        row.forEach((value, c) =>
          strip.paint(r, c, {
            text: known ? tenth(value) : "",
            strength: known ? Math.sign(value) * Math.sqrt(Math.abs(value) / most) : 0,
            states: cell && same(cell, [i, r, c]) ? "here" : known ? "" : "unknown",
            label: `channel ${r}, place ${c}: ${known ? tenth(value) : "not yet computed"}`,
          }),
        ),
      );
      const now = i > 0 && step.op !== "same" && step.order === state.step;
      node.classList.toggle("cx-now", now);
      node.classList.toggle("cx-known", known);
    });
  }

  /** A line from each step to those that it feeds, known ones dark. */
  function drawWires() {
    const box = area.getBoundingClientRect();
    const edge = (node, bottom) => {
      const place = node.getBoundingClientRect();
      return [place.left + place.width / 2 - box.left, (bottom ? place.bottom : place.top) - box.top];
    };
    put(wires, "viewBox", `0 0 ${box.width} ${box.height}`);
    put(wires, "width", box.width);
    put(wires, "height", box.height);
    wires.replaceChildren(
      ...cards.flatMap(({ node, step }) =>
        step.sources.map((source) => {
          const from = edge(cards[source].node, true);
          const to = edge(node, false);
          // It changes lanes in the gap above where ways meet, else in the gap below where they part.
          const meet = step.sources.length > 1;
          const [start, end] = meet ? [to[1] - GAP, to[1]] : [from[1], from[1] + GAP];
          const middle = (start + end) / 2;
          const d =
            `M${from}V${start}C${from[0]},${middle} ${to[0]},${middle} ${to[0]},${end}` +
            `V${to[1]}`;
          return svg("path", { d, class: step.order <= state.step ? "cx-near" : "" });
        }),
      ),
    );
  }

  function drawReadout() {
    const { steps, count } = blockOf(state);
    const index = cell ? cell[0] : steps.findIndex((s) => s.op !== "same" && s.order === state.step);
    const step = steps[index];
    const known = step.order <= state.step;
    const numbers = smallNumbers(steps, state.zero);
    setText(said.step, `${step.order} of ${count}, ${step.name}: ${stepText(step)}`);
    const [r, c] = cell ? cell.slice(1) : [0, Math.min(1, numbers[index].values[0].length - 1)];
    const arithmetic = known
      ? arithmeticText(steps, numbers, index, r, c)
      : "Not yet computed: press Step or Play.";
    setText(said.number, arithmetic);
    setText(said.zero, state.zero ? zeroText(steps) : "Tick the box, and see what is left of x.");
    said.code.replaceChildren(
      el("code", {}, `nets.create("${state.model}")`),
      el("span", { class: "cx-shapes" }, `course_lib/nets/${networkOf(state).file}.py`),
    );
    announcer.say(`${step.name}: ${arithmetic}${state.zero ? ` ${zeroText(steps)}` : ""}`);
  }

  function drawBlock() {
    const block = blockOf(state);
    const stage = stageOf(state);
    const many = stage.blocks.length > 1;
    setText(
      blockName,
      many ? `Block ${state.block + 1} of ${stage.name}: ${block.title}` : `${stage.name}: ${block.title}`,
    );
    if (stage.name === block.title) setText(blockName, `The ${stage.name}`);
    setText(
      blockCost,
      `${shortCount(block.params)} parameters, ${shortCount(block.macs)} multiply-adds`,
    );
    setText(all, state.step < block.count ? "Show all" : "Clear");
    zero.box.checked = state.zero;
    buildPlan(block);
    drawStrips();
    drawWires();
    drawReadout();
  }

  function draw() {
    drawTimeline();
    drawNetwork();
    drawStages();
    drawBlock();
  }

  host.append(root);
  draw();
  let width = root.clientWidth;
  const onResize = new ResizeObserver(() => {
    if (root.clientWidth !== width) drawTimeline();
    width = root.clientWidth;
    drawWires();
  });
  onResize.observe(root);
  onResize.observe(plan);
  return () => {
    onResize.disconnect();
    stop();
    announcer.stop();
    link.stop();
    root.remove();
  };
}

export default { render };
