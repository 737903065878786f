// Chapter 09: from few pixels to many: stamps that overlap, and resizing with a convolution after.
//
// The state is the widget's: image (one row: a strip), kernel_size, stride, padding,
// output_padding, weights, show ("counts" or "values"), landed (stamps so far, in reading order) and
// position (row and column of the current output). The stamps land on a canvas; the padding cuts its
// border off, and what is left is the output. Down a strip of one row nothing happens: there the
// kernel and the stride are 1.
/* From common.js: el, setText, createRoot, createGrid, createSlider, createSelect, createButton,
   createAnnouncer, linkModel, formatNumber, formatWeight, listed, plural, range, clamp, resultText,
   factor, table, shapeOf, largest, same, changedPart, setCaption, orYourOwn, readState. */

// ---------------------------------------------------------------- pure functions

/** The settings that the sliders offer. */
export const RANGES = {
  image: [1, 5],
  kernel_size: [1, 6],
  stride: [1, 3],
  padding: [0, 3],
  output_padding: [0, 2],
};

/** Images to start from: [id, name, the pixel at row r and column c]. */
export const IMAGES = [
  ["ones", "flat, all ones", () => 1],
  ["ramp", "ramp 1 2 3 …", (r, c) => r + c + 1],
  ["edge", "an edge", (r, c, n) => (2 * c >= n ? 9 : 1)],
];

const makeImage = (id, rows, cols) =>
  table(rows, cols, (r, c) => IMAGES.find(([name]) => name === id)[2](r, c, cols));

/** The id of the preset that an image equals, or "custom"; `chosen` where several are the same. */
export function presetOf(image, chosen = "") {
  const ids = IMAGES.map(([id]) => id).sort((a, b) => (b === chosen) - (a === chosen));
  return ids.find((id) => same(makeImage(id, ...shapeOf(image)), image)) ?? "custom";
}

/** An image of another size: its preset at that size, or its own pixels and zeros beyond them. */
export function resizedImage(image, rows, cols, chosen = "") {
  const preset = presetOf(image, chosen);
  if (preset !== "custom") return makeImage(preset, rows, cols);
  return table(rows, cols, (r, c) => image[r]?.[c] ?? 0);
}

const isStrip = ({ image }) => image.length === 1;

/** The two axes of a state: [n, kernel, stride, padding, output_padding] down and across. */
export function axesOf(state) {
  const { image, kernel_size: k, stride, padding, output_padding: extra } = state;
  const [height, width] = shapeOf(image);
  const across = [width, k, stride, padding, extra];
  return [isStrip(state) ? [1, 1, 1, 0, 0] : [height, k, stride, padding, extra], across];
}

/** How long the output is along one axis; below 1 where nothing is left. */
export function transposedSize([n, k, s, p, extra]) {
  return (n - 1) * s - 2 * p + (k - 1) + extra + 1;
}

/** How long the canvas is: every stamp, and what the output padding puts behind them. */
export function canvasSize(axis) {
  const [n, k, s, p] = axis;
  return Math.max((n - 1) * s + k, p + transposedSize(axis));
}

export const outputShape = (state) => axesOf(state).map(transposedSize);
export const resizedShape = (state) => axesOf(state).map(([n, , s]) => n * s);
const pixelCount = ({ image }) => image.length * image[0].length;

/** Whether a state has an output. */
const possible = (state) =>
  outputShape(state).every((size) => size >= 1) && state.output_padding < state.stride;

/** The lowest and highest value of each slider that leaves an output, the others kept. */
export function limits(state) {
  const { kernel_size: k, stride: s, padding: p, output_padding: extra } = state;
  const n = Math.min(...axesOf(state).slice(isStrip(state) ? 1 : 0).map(([size]) => size));
  const lack = 1 + 2 * p - k - extra; // what the other stamps must make up for
  const within = (name, low, high) => [
    Math.max(low, RANGES[name][0]),
    Math.min(high, RANGES[name][1]),
  ];
  return {
    image: within("image", Math.ceil(lack / s) + 1, Infinity),
    kernel_size: within("kernel_size", 1 + 2 * p - extra - (n - 1) * s, Infinity),
    stride: within("stride", Math.max(extra + 1, n > 1 ? Math.ceil(lack / (n - 1)) : 1), Infinity),
    padding: within("padding", 0, Math.floor(((n - 1) * s + k + extra - 1) / 2)),
    output_padding: within("output_padding", 1 + 2 * p - k - (n - 1) * s, s - 1),
  };
}

/** One row of weights: all ones, or falling evenly from the middle. */
const row = (size, weights) =>
  range(size).map((i) =>
    weights === "ones" ? 1 : 1 - Math.abs(i - (size - 1) / 2) / Math.floor((size + 1) / 2),
  );

/** The kernel, a list of rows. */
export function kernelOf(state) {
  const [down, across] = axesOf(state).map(([, k]) => row(k, state.weights));
  return down.map((a) => across.map((b) => a * b));
}

/** The stamps along one axis that reach place i of the canvas, each with the tap that lands there. */
function reaching(i, [n, k, s]) {
  return range(n)
    .map((stamp) => ({ stamp, tap: i - stamp * s }))
    .filter(({ tap }) => tap >= 0 && tap < k);
}

/** The stamps that reach one place of the canvas: {pixel, order, value, weight}. */
export function stampsAt(state, [r, c], kernel = kernelOf(state)) {
  const [height, width] = axesOf(state);
  return reaching(r, height).flatMap((down) =>
    reaching(c, width).map((across) => ({
      pixel: [down.stamp, across.stamp],
      order: down.stamp * width[0] + across.stamp,
      value: state.image[down.stamp][across.stamp],
      weight: kernel[down.tap][across.tap],
    })),
  );
}

/** Where an output stands on the canvas. */
const onCanvas = (state, position) => axesOf(state).map(([, , , p], axis) => position[axis] + p);

/** Which output a place of the canvas is; null where the padding cuts it off. */
export function outputAt(state, place) {
  const position = axesOf(state).map(([, , , p], axis) => place[axis] - p);
  const shape = outputShape(state);
  return position.every((index, axis) => index >= 0 && index < shape[axis]) ? position : null;
}

/** What the whole canvas holds, of the first `landed` stamps: {counts, values}, lists of rows. */
export function canvasOf(state, landed = state.landed) {
  const { image } = state;
  const kernel = kernelOf(state);
  const axes = axesOf(state);
  const [down, across] = axes.map(([, , stride]) => stride);
  const shape = axes.map(canvasSize);
  const counts = table(...shape, () => 0);
  const values = table(...shape, () => 0);
  const cols = image[0].length;
  for (let order = 0; order < Math.min(landed, pixelCount(state)); order += 1) {
    const [i, j] = [Math.floor(order / cols), order % cols];
    kernel.forEach((weights, a) =>
      weights.forEach((weight, b) => {
        counts[i * down + a][j * across + b] += 1;
        values[i * down + a][j * across + b] += image[i][j] * weight;
      }),
    );
  }
  return { counts, values };
}

/** The same of the output alone: the padding is cut off. */
export function outputOf(state, landed = state.landed) {
  const { counts, values } = canvasOf(state, landed);
  const [top, left] = onCanvas(state, [0, 0]);
  const [rows, cols] = outputShape(state);
  const cut = (cells) => table(rows, cols, (r, c) => cells[top + r][left + c]);
  return { counts: cut(counts), values: cut(values) };
}

/** The pixels along one axis that an output of resize + convolution reads, once for each tap. */
function reading(i, [n, k, s]) {
  const before = Math.floor((k - 1) / 2);
  return range(k).map((tap) => Math.floor(clamp(i - before + tap, 0, n * s - 1) / s));
}

/** What an output of resize + convolution sums: {pixel, value, count, weight}, each pixel once. */
export function resizedTerms(state, [r, c], kernel = kernelOf(state)) {
  const [height, width] = axesOf(state);
  const found = new Map();
  reading(r, height).forEach((i, a) =>
    reading(c, width).forEach((j, b) => {
      const key = `${i},${j}`;
      const term = found.get(key) ?? { pixel: [i, j], value: state.image[i][j], count: 0, weight: 0 };
      term.count += 1;
      term.weight += kernel[a][b];
      found.set(key, term);
    }),
  );
  return [...found.values()];
}

/** The output of resize + convolution: {counts of products, values}. */
export function resizedOf(state) {
  const { image } = state;
  const kernel = kernelOf(state);
  const axes = axesOf(state);
  const [rows, cols] = axes.map((axis) => range(axis[0] * axis[2]).map((i) => reading(i, axis)));
  const sum = (down, across) => {
    let total = 0;
    for (let a = 0; a < down.length; a += 1) {
      for (let b = 0; b < across.length; b += 1) total += image[down[a]][across[b]] * kernel[a][b];
    }
    return total;
  };
  return {
    counts: rows.map((down) => cols.map((across) => down.length * across.length)),
    values: rows.map((down) => cols.map((across) => sum(down, across))),
  };
}

/** The inside along one axis, first and last place of the canvas: no stamp is missing there. */
export function insideOf(axis) {
  const [n, k, s, p] = axis;
  const first = Math.max(k - s, p, 0);
  const last = Math.min(n * s, p + transposedSize(axis)) - 1;
  return first <= last ? [first, last] : null;
}

/** The different counts inside, once all stamps have landed, in order; [] where there is no inside. */
export function insideCounts(state) {
  const [down, across] = axesOf(state).map((axis) => {
    const inside = insideOf(axis);
    if (!inside) return [];
    return range(inside[1] - inside[0] + 1).map((i) => reaching(inside[0] + i, axis).length);
  });
  const products = down.flatMap((a) => across.map((b) => a * b));
  return [...new Set(products)].sort((a, b) => a - b);
}

const allLanded = (state) => state.landed === pixelCount(state);
const isFlat = ({ image }) => image.flat().every((value) => value === image[0][0]);
const flatName = (state) => (isStrip(state) ? "a flat strip" : "a flat image");

/** What becomes of a flat image inside, where that is to be seen; else nothing. */
function flatText(state) {
  if (state.show === "counts" || !isFlat(state)) return "";
  const [[top, bottom], [left, right]] = axesOf(state).map(insideOf);
  const inside = canvasOf(state)
    .values.slice(top, bottom + 1)
    .flatMap((cells) => cells.slice(left, right + 1));
  const [low, high] = [Math.min(...inside), Math.max(...inside)];
  const flat = flatName(state);
  if (high - low > 1e-9) {
    return `, so ${flat} comes out as ${formatNumber(low)} to ${formatNumber(high)}`;
  }
  const uneven = insideCounts(state).length > 1;
  return `${uneven ? ", but with these weights" : ", so"} ${flat} stays flat`;
}

/** Whether the stamps overlap evenly inside, in a few words; nothing before all have landed. */
export function verdictText(state) {
  if (!allLanded(state)) return "Not all stamps have landed yet";
  const counts = insideCounts(state);
  if (!counts.length) return "Too few stamps to have an inside";
  const even = counts.length === 1;
  return (
    (even
      ? `Even inside: ${plural(counts[0], "stamp")} on each pixel`
      : `Uneven inside: ${listed(counts.map(String))} stamps`) + flatText(state)
  );
}

/** The same for resize + convolution. */
export function resizedVerdict(state) {
  const taps = axesOf(state).reduce((product, [, k]) => product * k, 1);
  const flat = state.show === "values" && isFlat(state) ? `, so ${flatName(state)} stays flat` : "";
  return `Even everywhere: ${plural(taps, "product")} in each pixel${flat}`;
}

/** Why: the kernel and the stride. */
export function overlapText(state) {
  const { kernel_size: k, stride: s } = state;
  const strip = isStrip(state);
  if (!allLanded(state)) return "Land all stamps to see whether they overlap evenly.";
  if (k === s) return `The kernel is as long as the stride, ${k}: the stamps lie side by side.`;
  if (k % s === 0) {
    const along = `${k / s} stamps reach each pixel along a row`;
    return (
      `${k} is ${k / s} times the stride ${s}: away from the border ${along}` +
      `${strip ? "" : `, and ${(k / s) ** 2} in all`}.`
    );
  }
  if (k < s) {
    return `The kernel, ${k}, is shorter than the stride, ${s}: no stamp reaches the pixels between.`;
  }
  const turns = range(s).map((i) => Math.ceil((k - i) / s)); // taps that land on each of s pixels
  return (
    `${k} is not a multiple of the stride ${s}: along a row the counts repeat ${turns.join(", ")}. ` +
    (strip
      ? `The count of every ${s === 2 ? "2nd" : "3rd"} pixel stands out.`
      : "Down the columns too, and the two multiply: a checkerboard of counts.")
  );
}

const place = ([r, c], strip) => (strip ? String(c) : `(${r}, ${c})`);
const product = ({ value, weight }) =>
  `${factor(formatNumber(value))}×${factor(formatWeight(weight))}`;

/** Which stamps reach one output, and in "values" what they add up to. */
export function outputText(state, position) {
  const all = stampsAt(state, onCanvas(state, position));
  const here = all.filter(({ order }) => order < state.landed);
  const strip = isStrip(state);
  if (!all.length) return "No stamp reaches it: it stays 0.";
  if (state.show === "values") {
    const total = here.reduce((sum, { value, weight }) => sum + value * weight, 0);
    return here.length
      ? `${here.map(product).join(" + ")} ${resultText(total)}`
      : "Nothing has landed here yet.";
  }
  const from = listed(all.map(({ pixel }) => place(pixel, strip)));
  const pixels = `from pixel${all.length > 1 ? "s" : ""} ${from}`;
  if (here.length < all.length) {
    return `${here.length} of ${plural(all.length, "stamp")} so far: ${pixels}.`;
  }
  return `${plural(all.length, "stamp")}: ${pixels}.`;
}

/** What one output of resize + convolution sums. */
export function resizedText(state, position) {
  const terms = resizedTerms(state, position);
  const strip = isStrip(state);
  const count = terms.reduce((sum, term) => sum + term.count, 0);
  const total = terms.reduce((sum, { value, weight }) => sum + value * weight, 0);
  const name = `Pixel ${place(position, strip)}`;
  if (state.show === "values") {
    return `${name}: ${terms.map(product).join(" + ")} ${resultText(total)}`;
  }
  const from = terms.map((term) => `${term.count} of pixel ${place(term.pixel, strip)}`);
  return `${name} sums ${plural(count, "product")}: ${listed(from)}.`;
}

export function landedText(state) {
  return `${state.landed} of ${plural(pixelCount(state), "stamp")} landed`;
}

/** The size formula with the numbers of one axis: (5 − 1)·2 − 2·0 + (3 − 1) + 0 + 1 = 11. */
export function formulaText(axis) {
  const [n, k, s, p, extra] = axis;
  return `(${n} − 1)·${s} − 2·${p} + (${k} − 1) + ${extra} + 1 = ${transposedSize(axis)}`;
}

/** The lines of PyTorch that compute the two outputs: {transposed, resized}, lists of lines. */
export function torchLines(state) {
  const { kernel_size: k, stride, padding, output_padding: extra } = state;
  const d = isStrip(state) ? 1 : 2;
  const settings = [
    stride !== 1 ? `, stride=${stride}` : "",
    padding !== 0 ? `, padding=${padding}` : "",
    extra !== 0 ? `, output_padding=${extra}` : "",
  ].join("");
  const around = range(d)
    .flatMap(() => [Math.floor((k - 1) / 2), Math.floor(k / 2)])
    .join(", ");
  const padded = k > 1 ? `F.pad(u, (${around}), mode="replicate")` : "u";
  return {
    transposed: [`y = F.conv_transpose${d}d(x, w${settings})`],
    resized: [
      `u = F.interpolate(x, scale_factor=${stride}, mode="nearest")`,
      `y = F.conv${d}d(${padded}, w)`,
    ],
  };
}

/** The weights in words: all ones, or one row of them. */
export function weightsText({ weights, kernel_size: k }) {
  const along = row(k, weights).map(formatWeight).join("  ");
  return weights === "ones" ? "all ones" : `along each axis ${along}`;
}

/** The state with its position and its stamps moved inside. */
export function settled(state) {
  const shape = outputShape(state);
  return {
    ...state,
    landed: clamp(state.landed, 0, pixelCount(state)),
    position: state.position.map((index, axis) => clamp(index, 0, shape[axis] - 1)),
  };
}

// ---------------------------------------------------------------- the view

const NAMES = [
  "image",
  "kernel_size",
  "stride",
  "padding",
  "output_padding",
  "weights",
  "show",
  "landed",
  "position",
];
const HINT =
  "Point at an output to see which pixels it comes from, at a pixel to see its stamp; or Tab and the " +
  "arrow keys. Click a pixel, or Enter: the stamps up to it land.";
const STAMP_LEGEND = "Solid frame: the stamp that landed last, or that of the pixel you point at.";
const INSIDE_LEGEND = "Dashed frame: the inside, where no stamp is missing at the border.";
const CUT_LEGEND = "Hatched: cut off by the padding.";
const SMALLEST = 18; // pixels of a cell: with less than that, resize + convolution goes below

function render({ model, el: host }) {
  let state = readState(model, NAMES);
  let pixel = null; // the pixel of the image pointed at
  let resizedAt = null; // the output of resize + convolution pointed at
  let play = null;
  const link = linkModel(model, NAMES, () => {
    const next = readState(model, NAMES);
    // A cell that sets two settings may send them one by one; wait for the one that makes them fit.
    if (!possible(next)) return;
    stopPlay();
    pixel = resizedAt = null;
    state = settled(next);
    draw();
  });

  function change(patch) {
    const all = allLanded(state);
    let next = { ...state, ...patch };
    if (!possible(next)) return;
    if (all && !("landed" in patch)) next.landed = pixelCount(next); // all stay all
    next = settled(next);
    const changed = changedPart(NAMES, next, state);
    state = next;
    draw();
    if (Object.keys(changed).length) link.push(changed);
  }

  // -- the grids
  // A strip stands upright beside its stamps, a row for each.
  const pixelOf = (r, c) => (isStrip(state) ? [0, r] : [r, c]);
  const pointPixel = (at) => {
    [pixel, resizedAt] = [at, null];
    draw();
  };
  const image = createGrid({
    label: "image: arrow keys walk over the pixels, Enter lands the stamps up to one",
    kind: "image",
    onPoint: (r, c) => pointPixel(pixelOf(r, c)),
    onLeave: () => pointPixel(null),
    onPress: (r, c) => {
      stopPlay();
      const [i, j] = pixelOf(r, c);
      change({ landed: i * state.image[0].length + j + 1 });
    },
  });
  const stamps = createGrid({
    label: "stamps, a row for each pixel",
    kind: "stamps",
    onPoint: (r, c) => {
      pixel = [0, r];
      pointOutput(0, c);
    },
    onLeave: () => pointPixel(null),
  });
  const pointOutput = (r, c) => {
    resizedAt = null;
    change({ position: outputAt(state, [r, c]) ?? state.position });
  };
  const output = createGrid({
    label: "transposed convolution: arrow keys walk over the outputs",
    kind: "output",
    onPoint: pointOutput,
    onPress: pointOutput,
  });
  const enlarged = createGrid({ label: "enlarged image", kind: "enlarged" });
  const resized = createGrid({
    label: "resize and convolution: arrow keys walk over the outputs",
    kind: "resized",
    onPoint: (r, c) => {
      [pixel, resizedAt] = [null, [r, c]];
      draw();
    },
    onLeave: () => {
      resizedAt = null;
      draw();
    },
  });
  const createFrame = (name) => el("div", { class: `cx-window ${name}`, "aria-hidden": "true" });
  const [stampFrame, rowFrame] = [createFrame("cx-stamp"), createFrame("cx-stamp")];
  const insideFrame = createFrame("cx-inside");
  const putFrame = (node, [y, x, h, w]) => {
    for (const [name, value] of Object.entries({ y, x, h, w })) {
      node.style.setProperty(`--cx-${name}`, value);
    }
  };

  // -- controls
  const kindSelect = createSelect({
    label: "Input",
    options: [
      ["image", "an image"],
      ["strip", "a strip"],
    ],
    onChange: (kind) => {
      stopPlay();
      const n = state.image[0].length;
      const made = resizedImage(state.image, kind === "strip" ? 1 : n, n, presets.select.value);
      // A single pixel is the same either way; an image is told by its rows.
      change({ image: kind === "image" && n === 1 ? makeImage("ones", 2, 2) : made });
      drawControls();
    },
  });
  const showSelect = createSelect({
    label: "Show",
    options: [
      ["counts", "stamps on each pixel"],
      ["values", "values"],
    ],
    onChange: (show) => change({ show }),
  });
  const presets = createSelect({
    label: "Pixels",
    options: orYourOwn(IMAGES),
    onChange: (id) => {
      if (id !== "custom") change({ image: makeImage(id, ...shapeOf(state.image)) });
      drawControls();
    },
  });
  const weights = createSelect({
    label: "Weights",
    options: [
      ["ones", "all ones"],
      ["tent", "a tent"],
    ],
    onChange: (id) => change({ weights: id }),
  });
  const step = (by) => {
    stopPlay();
    change({ landed: clamp(state.landed + by, 0, pixelCount(state)) });
  };
  const playButton = createButton("Play", () => (play ? stopPlay() : startPlay()));
  const backButton = createButton("Back", () => step(-1));
  const stepButton = createButton("Step", () => step(1));
  const allButton = createButton("Clear", () =>
    step(allLanded(state) ? -Infinity : Infinity),
  );
  function startPlay() {
    const all = pixelCount(state);
    change({ landed: state.landed >= all ? 0 : state.landed });
    setText(playButton, "Stop");
    play = setInterval(
      () => {
        change({ landed: state.landed + 1 });
        if (state.landed >= all) stopPlay();
      },
      clamp(6000 / all, 200, 700),
    );
  }
  function stopPlay() {
    if (!play) return;
    clearInterval(play);
    play = null;
    setText(playButton, "Play");
  }

  const slider = (name, label, onInput = (value) => change({ [name]: value })) =>
    createSlider({
      label,
      min: RANGES[name][0],
      max: RANGES[name][1],
      onInput: (value) => {
        stopPlay();
        pixel = resizedAt = null;
        onInput(value);
      },
    });
  const sliders = {
    kernel_size: slider("kernel_size", "kernel"),
    stride: slider("stride", "stride"),
    padding: slider("padding", "padding"),
    output_padding: slider("output_padding", "output padding"),
    image: slider("image", "image", (n) =>
      change({
        image: resizedImage(state.image, isStrip(state) ? 1 : n, n, presets.select.value),
      }),
    ),
  };

  // -- what is said
  const captions = range(5).map(() => el("div", { class: "cx-caption" }));
  const verdicts = range(2).map(() => el("div", { class: "cx-evenness" }));
  const legend = el("span", {});
  const landed = el("span", { class: "cx-landed" });
  const onStamps = el("div", { class: "cx-slide cx-rows" }, rowFrame, stamps.root);
  const onEnlarged = el("div", { class: "cx-rows" }, captions[3], enlarged.root);
  const stage = el(
    "div",
    { class: "cx-stage" },
    el("div", { class: "cx-figure" }, captions[0], image.root),
    el(
      "div",
      { class: "cx-figure" },
      captions[1],
      onStamps,
      captions[4],
      el("div", { class: "cx-slide" }, insideFrame, stampFrame, output.root),
      verdicts[0],
    ),
    el("div", { class: "cx-figure" }, captions[2], onEnlarged, resized.root, verdicts[1]),
  );
  const heading = el("dt", {});
  const said = Object.fromEntries(
    ["output", "overlap", "resized", "size", "call"].map((name) => [name, el("dd", {})]),
  );
  const readout = el(
    "dl",
    { class: "cx-readout" },
    heading,
    said.output,
    el("dt", {}, "Overlap"),
    said.overlap,
    el("dt", {}, "Resize"),
    said.resized,
    el("dt", {}, "Size"),
    said.size,
    el("dt", {}, "PyTorch"),
    said.call,
  );
  const announcer = createAnnouncer();
  const root = createRoot(
    "upsampling",
    el(
      "div",
      { class: "cx-bar" },
      kindSelect.root,
      showSelect.root,
      presets.root,
      weights.root,
      el("div", { class: "cx-buttons" }, landed, backButton, stepButton, playButton, allButton),
    ),
    el("div", { class: "cx-sliders" }, ...Object.values(sliders).map((one) => one.root)),
    stage,
    el("p", { class: "cx-hint" }, legend, " ", HINT),
    readout,
    announcer.root,
  );
  const shape = ([rows, cols]) => (isStrip(state) ? String(cols) : `${rows}\u00a0×\u00a0${cols}`);
  const numbered = (value, unit) =>
    state.show === "counts" ? plural(value, unit) : formatNumber(value);

  let cells = { beside: 1, above: 1 }; // cells in a row, with resize + convolution or without
  function fit() {
    const beside = (root.clientWidth - 110) / cells.beside >= SMALLEST;
    stage.style.setProperty("--cx-across", beside ? cells.beside : cells.above);
  }

  /** What a cell shows of a value: one decimal; its label and the sums below say more. */
  const short = (value) => formatNumber(Math.round(value * 10) / 10);

  /** The pixels that the current output, or the one pointed at, comes from. */
  function sources() {
    const terms = resizedAt
      ? resizedTerms(state, resizedAt)
      : stampsAt(state, onCanvas(state, state.position));
    return new Set(terms.map((term) => `${term.pixel}`));
  }

  function drawImage() {
    const [rows, cols] = shapeOf(state.image);
    const strip = isStrip(state);
    const from = sources();
    const brightest = largest(state.image);
    image.resize(strip ? cols : rows, strip ? 1 : cols);
    for (let r = 0; r < image.rows; r += 1) {
      for (let c = 0; c < image.cols; c += 1) {
        const [i, j] = pixelOf(r, c);
        const value = state.image[i][j];
        const done = i * cols + j < state.landed;
        image.paint(r, c, {
          text: formatNumber(value),
          strength: (0.6 * value) / brightest,
          states: [
            same(stampShown(), [i, j]) ? "here" : from.has(`${[i, j]}`) ? "linked" : "",
            done ? "" : "waiting",
          ].join(" "),
          label:
            `pixel ${place([i, j], strip)}: ${formatNumber(value)}, ` +
            (done ? "its stamp has landed" : "its stamp has not landed yet"),
        });
      }
    }
  }

  /** The pixel whose stamp is framed: the one pointed at, or the last that landed. */
  function stampShown() {
    if (pixel) return pixel;
    if (!state.landed) return null;
    const cols = state.image[0].length;
    return [Math.floor((state.landed - 1) / cols), (state.landed - 1) % cols];
  }

  function drawStamped() {
    const axes = axesOf(state);
    const [down, across] = axes;
    const [rows, cols] = axes.map(canvasSize);
    const strip = isStrip(state);
    const canvas = canvasOf(state)[state.show];
    const most = largest(canvasOf(state, Infinity)[state.show]);
    const fed = resizedAt ? null : onCanvas(state, state.position);
    output.resize(rows, cols);
    canvas.forEach((cells, r) =>
      cells.forEach((value, c) => {
        const at = outputAt(state, [r, c]);
        output.paint(r, c, {
          text: at || value ? short(value) : "",
          strength: at ? value / most : 0,
          states: at ? (same(fed, [r, c]) ? "here" : "") : "cut",
          label: at
            ? `output ${place(at, strip)}: ${numbered(value, "stamp")}`
            : "cut off by the padding",
        });
      }),
    );
    output.setActive(...onCanvas(state, state.position));

    const shown = stampShown();
    stampFrame.hidden = rowFrame.hidden = !shown;
    if (shown) {
      const [y, x] = shown.map((index, axis) => index * axes[axis][2]);
      putFrame(stampFrame, [y, x, down[1], across[1]]);
      putFrame(rowFrame, [shown[1], x, 1, across[1]]);
    }
    const inside = axes.map(insideOf);
    insideFrame.hidden = inside.includes(null) || !allLanded(state);
    if (!insideFrame.hidden) {
      const [[top, bottom], [left, right]] = inside;
      putFrame(insideFrame, [top, left, bottom - top + 1, right - left + 1]);
    }

    onStamps.hidden = captions[4].hidden = !strip;
    if (!strip) return;
    const kernel = kernelOf(state)[0];
    const heaviest = largest(state.image) * largest(kernel);
    stamps.resize(across[0], cols);
    for (let r = 0; r < stamps.rows; r += 1) {
      for (let c = 0; c < cols; c += 1) {
        const weight = kernel[c - r * state.stride];
        const lands = weight !== undefined && r < state.landed;
        const value = state.show === "counts" ? 1 : state.image[0][r] * weight;
        stamps.paint(r, c, {
          text: lands ? short(value) : "",
          strength: lands ? (state.show === "counts" ? 0.5 : value / heaviest) : 0,
          states: lands ? (fed && c === fed[1] ? "linked" : "") : "empty",
          label: lands
            ? `stamp of pixel ${r}, place ${c}: ${numbered(value, "stamp")}`
            : "nothing lands here",
        });
      }
    }
  }

  function drawResized() {
    const [rows, cols] = resizedShape(state);
    const strip = isStrip(state);
    const values = resizedOf(state)[state.show];
    const most = largest(values) / (state.show === "counts" ? 0.6 : 1);
    resized.resize(rows, cols);
    values.forEach((cells, r) =>
      cells.forEach((value, c) =>
        resized.paint(r, c, {
          text: short(value),
          strength: value / most,
          states: same(resizedAt, [r, c]) ? "here" : "",
          label: `output ${place([r, c], strip)}: ${numbered(value, "product")}`,
        }),
      ),
    );
    onEnlarged.hidden = !strip;
    if (!strip) return;
    const read = new Set();
    if (resizedAt) {
      const { kernel_size: k } = state;
      const first = resizedAt[1] - Math.floor((k - 1) / 2);
      for (const i of range(k)) read.add(clamp(first + i, 0, cols - 1));
    }
    const brightest = largest(state.image);
    enlarged.resize(1, cols);
    for (const c of range(cols)) {
      const value = state.image[0][Math.floor(c / state.stride)];
      enlarged.paint(0, c, {
        text: formatNumber(value),
        strength: (0.6 * value) / brightest,
        states: read.has(c) ? "linked" : "",
        label: `enlarged ${c}: ${formatNumber(value)}`,
      });
    }
  }

  function drawStage() {
    const axes = axesOf(state);
    const shown = axes.map(insideOf);
    const pixels = isStrip(state) ? 1 : state.image[0].length;
    const [, canvas] = axes.map(canvasSize);
    cells = { beside: pixels + canvas + resizedShape(state)[1], above: pixels + canvas };
    fit();
    drawImage();
    drawStamped();
    drawResized();
    const strip = isStrip(state);
    setCaption(captions[0], strip ? "Strip" : "Image", shape(shapeOf(state.image)));
    setCaption(captions[1], "Transposed convolution", shape(outputShape(state)));
    setCaption(captions[2], "Resize + convolution", shape(resizedShape(state)));
    setText(captions[3], "the strip, enlarged");
    setText(captions[4], state.show === "counts" ? "stamps on each pixel" : "added up");
    setText(verdicts[0], verdictText(state));
    const inside = !shown.includes(null) && allLanded(state);
    setText(
      legend,
      [STAMP_LEGEND, inside ? INSIDE_LEGEND : "", state.padding ? CUT_LEGEND : ""]
        .filter(Boolean)
        .join(" "),
    );
    setText(verdicts[1], resizedVerdict(state));
  }

  function drawReadout() {
    const strip = isStrip(state);
    const where = place(state.position, strip);
    setText(heading, `Output ${where}`);
    setText(said.output, outputText(state, state.position));
    setText(said.overlap, overlapText(state));
    setText(
      said.resized,
      resizedAt ? resizedText(state, resizedAt) : "Point at one of its outputs to see what it sums.",
    );
    const [down, across] = axesOf(state);
    const lines =
      strip || same(down, across) ? [["", across]] : [["height ", down], ["width ", across]];
    said.size.replaceChildren(
      el("div", {}, "(n − 1)·stride − 2·padding + (kernel − 1) + output padding + 1"),
      ...lines.map(([name, axis]) => {
        const text = formulaText(axis);
        const cut = text.lastIndexOf("=") + 2;
        return el("div", {}, `${name}= ${text.slice(0, cut)}`, el("b", {}, text.slice(cut)));
      }),
    );
    const { transposed, resized: after } = torchLines(state);
    const dims = strip ? [state.kernel_size] : [state.kernel_size, state.kernel_size];
    const x = strip ? [state.image[0].length] : shapeOf(state.image);
    const lineOf = (text, note = "") =>
      el("div", {}, el("code", {}, text), note ? el("span", { class: "cx-shapes" }, note) : "");
    said.call.replaceChildren(
      ...transposed.map((text) =>
        lineOf(text, `x: (1, 1, ${x.join(", ")})   w: (1, 1, ${dims.join(", ")}), ${weightsText(state)}`),
      ),
      ...after.map((text, i) => lineOf(text, i ? "" : "resize + convolution")),
    );
    announcer.say(
      resizedAt
        ? resizedText(state, resizedAt)
        : `${landedText(state)}, output of ${shape(outputShape(state))}. ${verdictText(state)}. ` +
            `Output ${where}: ${outputText(state, state.position)}`,
    );
  }

  function drawControls() {
    const allowed = limits(state);
    const below = "output padding must be below the stride";
    const left = "some of the output must be left";
    for (const name of ["kernel_size", "stride", "padding", "output_padding"]) {
      const [lowest, highest] = allowed[name];
      const tied =
        name === "output_padding"
          ? highest < RANGES[name][1]
          : lowest === state.output_padding + 1;
      const reason = ["stride", "output_padding"].includes(name) && tied ? below : left;
      sliders[name].update(state[name], { lowest, highest, reason });
    }
    const [rows, cols] = shapeOf(state.image);
    const strip = isStrip(state);
    sliders.image.update(cols, {
      text: strip || rows === cols ? String(cols) : `${rows} × ${cols}`,
      lowest: Math.max(allowed.image[0], strip ? 1 : 2),
      highest: allowed.image[1],
      reason: allowed.image[0] > 2 ? left : "an image has two rows at least; one row is a strip",
    });
    kindSelect.select.value = strip ? "strip" : "image";
    showSelect.select.value = state.show;
    presets.select.value = presetOf(state.image, presets.select.value);
    weights.select.value = state.weights;
    presets.root.hidden = weights.root.hidden = state.show === "counts";
    backButton.disabled = state.landed === 0;
    stepButton.disabled = allLanded(state);
    setText(allButton, allLanded(state) ? "Clear" : "Land all");
    setText(landed, landedText(state));
  }

  function draw() {
    drawStage();
    drawReadout();
    drawControls();
  }

  state = settled(state);
  host.append(root);
  draw();
  const onResize = new ResizeObserver(fit);
  onResize.observe(root);
  return () => {
    onResize.disconnect();
    stopPlay();
    announcer.stop();
    link.stop();
    root.remove();
  };
}

export default { render };
