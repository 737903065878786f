// The networks of the lineage: what was measured of each, in words, and where the timeline has it.
//
// DATA, which Python puts in front of this file, is `lineage.json`.

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

/** The block looked at, its steps with everything said that the data leave out. */
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

// ---------------------------------------------------------------- words

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
  const blocks = plural(stage.blocks.length, "block");
  const params = `${shortCount(stage.params)} parameters`;
  const macs = `${shortCount(stage.macs)} multiply-adds`;
  return (
    `${stage.name}: ${blocks}, out comes ${shapeText(stage.shape)}; ` +
    `${params} (${share(stage.params, network.params)} of all), ` +
    `${macs} (${share(stage.macs, network.macs)}); ${sees}.`
  );
}

/** The shape of the whole: the one that most networks share, or another. */
export function outlineText(network) {
  const stages = network.stages.filter(({ name }) => name.startsWith("stage"));
  const [first, last] = [stages[0], stages[stages.length - 1]].map(({ shape }) => shape);
  const [from, to] = [first, last].map(([, height, width]) => `${height} × ${width}`);
  if (from === to) {
    return (
      `Not the shape of the others: one grid of ${from} and ${first[0]} channels from first to ` +
      "last."
    );
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

// ---------------------------------------------------------------- the timeline

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
    const long = text.length * 7.8; // as wide as in bold
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
