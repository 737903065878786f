// Chapter 04: four ways to shrink an image: who wins, where the gradient goes, what a shift does.
//
// The state is the widget's: image, kind, kernel_size, stride, kernel, shift, position (row and
// column of the current output) and filled (whether all bars are shown, or those the shift has been
// at). Max pooling, average pooling, a strided convolution and blur-pool are all drawn as one
// thing: an output is the sum of its window's pixels, each times a weight. For max pooling the
// weight is 1 for the winner and 0 for the others. The gradient goes back through the same weights.
/* From common.js: el, setText, createRoot, createGrid, createSlider, createSelect, createCheck,
   createAnnouncer, linkModel, outputSize, formatNumber, formatWeight, plural, range, clamp,
   resultText, factor, table, shapeOf, largest, same, changedPart, setCaption, orYourOwn, readState. */

// ---------------------------------------------------------------- pure functions

/** The settings that the sliders offer. */
export const RANGES = { kernel_size: [1, 4], stride: [1, 4], shift: [0, 9] };

/** The four operations: [id, name]. */
export const KINDS = [
  ["max", "Max pooling"],
  ["average", "Average pooling"],
  ["strided", "Strided convolution"],
  ["blur", "Blur-pool"],
];

/** a modulo n, not negative. */
const mod = (a, n) => ((a % n) + n) % n;

/** Images to start from: [id, name, rows]. */
export const IMAGES = [
  [
    "zero",
    "a handwritten 0",
    [
      [0, 0, 5, 13, 9, 1, 0, 0],
      [0, 0, 13, 15, 10, 15, 5, 0],
      [0, 3, 15, 2, 0, 11, 8, 0],
      [0, 4, 12, 0, 0, 8, 8, 0],
      [0, 5, 8, 0, 0, 9, 8, 0],
      [0, 4, 11, 0, 1, 12, 7, 0],
      [0, 2, 14, 5, 10, 12, 0, 0],
      [0, 0, 6, 13, 10, 0, 0, 0],
    ],
  ],
  [
    "numbers",
    "4 × 4 numbers",
    [
      [1, 3, 2, 1],
      [4, 2, 6, 5],
      [7, 8, 1, 2],
      [3, 5, 9, 4],
    ],
  ],
  ["line", "a thin line", table(8, 8, (r, c) => (c === 3 ? 9 : 0))],
  ["stripes", "thin stripes", table(8, 8, (r, c) => (c % 2 ? 9 : 0))],
  [
    "square",
    "a bright square",
    table(8, 8, (r, c) => (Math.max(Math.abs(r - 3.5), Math.abs(c - 3.5)) < 2 ? 9 : 0)),
  ],
];

/** Weights of the strided convolution to start from: [id, name, rows]. */
export const KERNELS = [
  ["centre", "the middle pixel alone", table(3, 3, (r, c) => Number(r === 1 && c === 1))],
  ["edge", "vertical edge", table(3, 3, (r, c) => c - 1)],
  [
    "sharpen",
    "sharpen",
    [
      [0, -1, 0],
      [-1, 5, -1],
      [0, -1, 0],
    ],
  ],
];

/** The image shifted to the right; what leaves on one side comes in on the other. */
export function rolled(image, shift) {
  const [rows, cols] = shapeOf(image);
  return table(rows, cols, (r, c) => image[r][mod(c - shift, cols)]);
}

/** The image as it is now, shifted. */
const shown = (state) => rolled(state.image, state.shift);

/** The window of an operation: kernel, stride and padding, the same along both axes. */
export function windowOf(state, kind = state.kind) {
  const pools = kind === "max" || kind === "average";
  return { kernel: pools ? state.kernel_size : 3, stride: state.stride, padding: pools ? 0 : 1 };
}

/** [rows, columns] of the output; 0 where no window fits. */
export function outputShape(state, kind = state.kind) {
  const { kernel, stride, padding } = windowOf(state, kind);
  return shapeOf(state.image).map((n) => outputSize(n, kernel, stride, padding));
}

/** The pixel that a mirror at the border shows at position i, the border pixel not repeated. */
function mirrored(i, n) {
  return i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i;
}

/**
 * The pixels of one window with their weights, a row for each row of the window: {r, c, value,
 * weight, inside}. Where blur-pool looks over the border, r and c are the mirrored pixel's.
 */
export function terms(state, [row, col], kind = state.kind, image = shown(state)) {
  const [height, width] = shapeOf(image);
  const { kernel: k, stride, padding } = windowOf(state, kind);
  const found = table(k, k, (i, j) => {
    let r = row * stride - padding + i;
    let c = col * stride - padding + j;
    if (kind === "blur") [r, c] = [mirrored(r, height), mirrored(c, width)];
    const inside = r >= 0 && r < height && c >= 0 && c < width;
    const weight = {
      max: 0,
      average: 1 / (k * k),
      strided: state.kernel[i]?.[j],
      blur: ([1, 2, 1][i] * [1, 2, 1][j]) / 16,
    }[kind];
    return { r, c, value: inside ? image[r][c] : 0, weight, inside };
  });
  if (kind === "max") {
    const all = found.flat();
    const most = Math.max(...all.map(({ value }) => value));
    all.find(({ value }) => value === most).weight = 1; // of equal ones the first
  }
  return found;
}

/** One output: the sum of its pixels, each times its weight. */
export function outputAt(state, position, kind = state.kind, image = shown(state)) {
  return terms(state, position, kind, image)
    .flat()
    .reduce((sum, { value, weight }) => sum + value * weight, 0);
}

/** The whole output, as a list of rows. */
export function outputOf(state, kind = state.kind, shift = state.shift) {
  const image = rolled(state.image, shift);
  return table(...outputShape(state, kind), (r, c) => outputAt(state, [r, c], kind, image));
}

/** What each pixel of the shifted image gets if every output sends back 1. */
export function gradientOf(state) {
  const image = shown(state);
  const sums = table(...shapeOf(image), () => 0);
  const [rows, cols] = outputShape(state);
  for (let row = 0; row < rows; row += 1) {
    for (let col = 0; col < cols; col += 1) {
      for (const { r, c, weight, inside } of terms(state, [row, col], state.kind, image).flat()) {
        if (inside) sums[r][c] += weight;
      }
    }
  }
  return sums;
}

const total = (values) => values.flat().reduce((sum, value) => sum + Math.abs(value), 0);

/** How much one shift changes an output: mean |new − old| over mean |old|; null where old is 0. */
export function changeOf(
  state,
  kind = state.kind,
  shift = state.shift,
  old = outputOf(state, kind, 0),
) {
  const size = total(old);
  const now = outputOf(state, kind, shift);
  return size > 0 ? total(now.map((row, r) => row.map((v, c) => v - old[r][c]))) / size : null;
}

/** The same for every shift, from 0 to one less than the image's width. */
export function changesOf(state, kind) {
  const old = outputOf(state, kind, 0);
  return range(shapeOf(state.image)[1]).map((shift) => changeOf(state, kind, shift, old));
}

/** By how many columns the whole output moved, every value kept; null where values changed. */
export function movedBy(state, kind = state.kind, shift = state.shift) {
  const old = outputOf(state, kind, 0);
  const now = outputOf(state, kind, shift);
  const alike = (a, b) => a.every((row, r) => row.every((v, c) => Math.abs(v - b[r][c]) < 1e-9));
  return range(shapeOf(old)[1]).find((step) => alike(rolled(old, step), now)) ?? null;
}

/** The windows that a pixel of the image is in, each with the pixel's weight there. */
export function windowsOf(state, [r, c]) {
  const image = shown(state);
  const { kernel, stride, padding } = windowOf(state);
  const [rows, cols] = outputShape(state).map(range);
  const near = (index, i) => {
    const first = index * stride - padding;
    return first <= i && i < first + kernel;
  };
  return rows
    .filter((row) => near(row, r))
    .flatMap((row) =>
      cols
        .filter((col) => near(col, c))
        .map((col) => {
          // A mirror at the border may show a pixel to its own window again.
          const mine = terms(state, [row, col], state.kind, image)
            .flat()
            .filter((term) => term.inside && term.r === r && term.c === c);
          return {
            position: [row, col],
            weight: mine.reduce((sum, { weight }) => sum + weight, 0),
          };
        }),
    );
}

/** The window, of those that a pixel is in, whose middle is nearest to it; null if it is in none. */
export function nearestWindow(state, pixel) {
  const { kernel, stride, padding } = windowOf(state);
  const middle = (index) => index * stride - padding + (kernel - 1) / 2;
  const distance = ({ position }) =>
    position.reduce((sum, index, axis) => sum + (middle(index) - pixel[axis]) ** 2, 0);
  const found = windowsOf(state, pixel);
  const least = Math.min(...found.map(distance));
  return found.find((one) => distance(one) === least)?.position ?? null;
}

/** How the current output comes about: max(1, 3, 4, 2) = 4. */
export function arithmeticText(state, position) {
  const all = terms(state, position).flat();
  const values = all.map(({ value }) => formatNumber(value));
  const result = resultText(outputAt(state, position));
  if (state.kind === "max") return `max(${values.join(", ")}) ${result}`;
  if (state.kind === "average") {
    const sum = values.map((text, i) => (i ? factor(text) : text)).join(" + ");
    return `(${sum}) / ${all.length} ${result}`;
  }
  const products = all.map(
    ({ weight }, i) => `${factor(values[i])}×${factor(formatWeight(weight))}`,
  );
  return `${products.join(" + ")} ${result}`;
}

/** Where the gradient of the current output goes. */
export function gradientText(state, position) {
  const all = terms(state, position).flat();
  const { kind, kernel_size: k } = state;
  if (kind === "max") {
    const { r, c, value } = all.find(({ weight }) => weight === 1);
    const ties = all.filter((term) => term.value === value).length - 1;
    return (
      `All of it goes to the winner, pixel (${r}, ${c})` +
      (ties ? `, the first of ${ties + 1} equal ones` : "") +
      (all.length > 1 ? `. The other ${all.length - 1} get nothing.` : ".")
    );
  }
  if (kind === "average") {
    return k > 1
      ? `It is shared evenly: ${formatWeight(1 / (k * k))} to each of the ${k * k} pixels.`
      : "All of it goes to the one pixel.";
  }
  if (kind === "blur")
    return "To each pixel its fixed weight: most to the middle, least to the corners.";
  return "To each pixel its weight, learned or typed; a weight of 0 sends nothing.";
}

/** What a pixel is in, and what it gets back. */
export function pixelText(state, [r, c]) {
  const found = windowsOf(state, [r, c]);
  const value = formatNumber(rolled(state.image, state.shift)[r][c]);
  if (!found.length) return `Pixel (${r}, ${c}) = ${value} is in no window.`;
  const total = found.reduce((sum, { weight }) => sum + weight, 0);
  const wins = found.filter(({ weight }) => weight === 1).length;
  const won =
    state.kind === "max" ? ` and wins ${found.length === 1 ? (wins ? "it" : "none") : wins}` : "";
  return (
    `Pixel (${r}, ${c}) = ${value} is in ${plural(found.length, "window")}${won}: ` +
    `it gets ${formatWeight(total)}.`
  );
}

const percent = (change) => (change === null ? "–" : `${Math.round(change * 100)} %`);

/** What the shift did to the output. */
export function shiftText(state) {
  const { shift } = state;
  if (shift === 0) return "Move the image by a pixel and see what becomes of the output.";
  const change = changeOf(state);
  if (change === null) return "The output is zero everywhere: there is nothing to compare.";
  const steps = movedBy(state);
  const moved = `The image moved by ${plural(shift, "pixel")}`;
  if (steps === 0) return `${moved}, the output is the same.`;
  if (steps === null) {
    return `${moved}, and the output holds other values: a change of ${percent(change)}.`;
  }
  return (
    `${moved}, the output by ${plural(steps, "column")}: the same values in other places ` +
    `(a change of ${percent(change)}).`
  );
}

/** What there is to learn. */
export function learnedText({ kind }) {
  return kind === "strided"
    ? "9 weights for each pair of channels, found by training. Here you set them."
    : "Nothing: no weights to train.";
}

/** The line of PyTorch that computes this output. */
export function torchCall({ kind, kernel_size: k, stride }) {
  const step = stride === 1 ? "" : `, stride=${stride}`;
  if (kind === "strided") return `F.conv2d(x, w${step}, padding=1)`;
  if (kind === "blur") return `F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), blur${step})`;
  const name = kind === "max" ? "max_pool2d" : "avg_pool2d";
  return `F.${name}(x, ${k}${stride === k ? "" : `, stride=${stride}`})`;
}

/** The state with its shift and position moved inside. */
export function settled(state) {
  const [rows, cols] = outputShape(state);
  const [row, col] = state.position;
  return {
    ...state,
    shift: clamp(state.shift, 0, shapeOf(state.image)[1] - 1),
    position: [clamp(row, 0, rows - 1), clamp(col, 0, cols - 1)],
  };
}

// ---------------------------------------------------------------- the view

const NAMES = ["image", "kind", "kernel_size", "stride", "kernel", "shift", "position", "filled"];
const HINT =
  "Point at an output or a pixel, or use Tab and the arrow keys. A ring marks the winner, dashes mark " +
  "the pixels that get a share of this output’s gradient. Double-click a pixel to change it.";

function render({ model, el: host }) {
  let state = settled(readState(model, NAMES));
  let pixel = null; // the pixel pointed at
  let changes = []; // for each operation, what each shift changes
  let changesFor = "";
  let passed = new Set(); // the shifts that the reader has been at
  const link = linkModel(model, NAMES, () => {
    const next = readState(model, NAMES);
    // A cell that sets two settings may send them one by one; wait for the one that makes them fit.
    if (outputShape(next).some((size) => size < 1)) return;
    state = settled(next);
    pixel = null;
    draw();
  });

  function change(patch) {
    const next = settled({ ...state, ...patch });
    if (outputShape(next).some((size) => size < 1)) return;
    const changed = changedPart(NAMES, next, state);
    state = next;
    draw();
    if (Object.keys(changed).length) link.push(changed);
  }

  // -- the grids
  const padding = () => windowOf(state).padding;
  const inImage = (r, c) => {
    const at = [r - padding(), c - padding()];
    const [height, width] = shapeOf(state.image);
    return at[0] >= 0 && at[0] < height && at[1] >= 0 && at[1] < width ? at : null;
  };
  const pointAt = (at) => {
    pixel = at;
    change(at ? { position: nearestWindow(state, at) ?? state.position } : {});
  };
  const image = createGrid({
    label: "image: arrow keys walk, a number changes the pixel",
    kind: "image",
    editBy: "double-click",
    valueOf: (r, c) => {
      const at = inImage(r, c);
      return at ? rolled(state.image, state.shift)[at[0]][at[1]] : null;
    },
    onEdit: (r, c, value) => {
      const [i, j] = inImage(r, c);
      const column = mod(j - state.shift, shapeOf(state.image)[1]);
      change({
        image: state.image.map((row, p) =>
          row.map((old, q) => (p === i && q === column ? value : old)),
        ),
      });
    },
    onPoint: (r, c) => pointAt(inImage(r, c)),
    onLeave: () => pointAt(null),
  });
  const moveTo = (r, c) => change({ position: [r, c] });
  const output = createGrid({
    label: "output: arrow keys move the window",
    kind: "output",
    onPoint: moveTo,
    onPress: moveTo,
  });
  const gradient = createGrid({
    label: "gradient: arrow keys walk over the pixels",
    kind: "gradient",
    onPoint: (r, c) => pointAt([r, c]),
    onLeave: () => pointAt(null),
  });
  const kernel = createGrid({
    label: "weights: arrow keys walk, a number changes the weight",
    kind: "kernel",
    editBy: "click",
    valueOf: (r, c) => state.kernel[r][c],
    onEdit: (r, c, value) =>
      change({
        kernel: state.kernel.map((row, i) =>
          row.map((old, j) => (i === r && j === c ? value : old)),
        ),
      }),
  });
  const frame = el("div", { class: "cx-window", "aria-hidden": "true" });

  // -- controls
  const imagePreset = createSelect({
    label: "Image",
    options: orYourOwn(IMAGES),
    onChange: (id) => {
      const made = IMAGES.find(([name]) => name === id)?.[2];
      if (made) change({ image: made });
      draw();
    },
  });
  const kernelPreset = createSelect({
    label: "Weights",
    options: orYourOwn(KERNELS),
    onChange: (id) => {
      const made = KERNELS.find(([name]) => name === id)?.[2];
      if (made) change({ kernel: made });
      draw();
    },
  });
  const slider = (name, label) =>
    createSlider({
      label,
      min: RANGES[name][0],
      max: RANGES[name][1],
      onInput: (value) => change({ [name]: value }),
    });
  const sliders = {
    shift: slider("shift", "shift to the right"),
    kernel_size: slider("kernel_size", "kernel of the pools"),
    stride: slider("stride", "stride"),
  };

  const fill = createCheck({
    label: "bars of all shifts",
    onChange: (filled) => change({ filled }),
  });

  // -- the four operations side by side: each a button with its output and its bars
  const cards = KINDS.map(([kind, name]) => createCard(kind, name));
  function createCard(kind, name) {
    const canvas = el("canvas", { class: "cx-thumb", "aria-hidden": "true" });
    const bars = el("span", { class: "cx-bars", "aria-hidden": "true" });
    const figure = el("b", {});
    const node = el(
      "button",
      { class: "cx-card", type: "button" },
      el("span", { class: "cx-card-name" }, name),
      el("span", { class: "cx-card-picture" }, canvas, bars),
      el("span", { class: "cx-card-change" }, "changed by ", figure),
    );
    node.addEventListener("click", () => {
      pixel = null;
      change({ kind });
    });
    return { kind, name, node, canvas, bars, figure };
  }

  // -- what is said
  const captions = range(4).map(() => el("div", { class: "cx-caption" }));
  const figure = (caption, ...content) => el("div", { class: "cx-figure" }, caption, ...content);
  const operator = (text) => el("div", { class: "cx-operator", "aria-hidden": "true" }, text);
  const star = operator("∗");
  const weights = figure(captions[1], kernel.root);
  const stage = el(
    "div",
    { class: "cx-stage" },
    figure(captions[0], el("div", { class: "cx-slide" }, frame, image.root)),
    star,
    weights,
    operator("→"),
    figure(captions[2], output.root),
    operator("⇢"),
    figure(captions[3], gradient.root),
  );
  const heading = el("dt", {});
  const said = Object.fromEntries(
    ["sum", "back", "pixel", "shift", "learned", "call"].map((name) => [name, el("dd", {})]),
  );
  const readout = el(
    "dl",
    { class: "cx-readout" },
    heading,
    said.sum,
    el("dt", {}, "Gradient"),
    said.back,
    el("dt", {}, "Pixel"),
    said.pixel,
    el("dt", {}, "Shift"),
    said.shift,
    el("dt", {}, "To learn"),
    said.learned,
    el("dt", {}, "PyTorch"),
    said.call,
  );
  const legend = el("p", { class: "cx-note" });
  const announcer = createAnnouncer();
  const root = createRoot(
    "pooling",
    el("div", { class: "cx-bar" }, imagePreset.root, kernelPreset.root, fill.root),
    el("div", { class: "cx-sliders" }, ...Object.values(sliders).map((one) => one.root)),
    el(
      "div",
      { class: "cx-cards", role: "group", "aria-label": "operation" },
      ...cards.map(({ node }) => node),
    ),
    legend,
    stage,
    el("p", { class: "cx-hint" }, HINT),
    readout,
    announcer.root,
  );

  const shape = ([rows, cols]) => `${rows}\u00a0×\u00a0${cols}`; // stays on one line

  function drawStage() {
    const { kind, stride, position } = state;
    const strided = kind === "strided";
    const values = outputOf(state);
    const now = shown(state);
    const [height, width] = shapeOf(now);
    const [rows, cols] = shapeOf(values);
    const around = padding();
    const window = terms(state, position);
    const shares = new Map();
    for (const { r, c, weight, inside } of window.flat()) {
      if (inside) shares.set(`${r},${c}`, (shares.get(`${r},${c}`) ?? 0) + weight);
    }
    const { kernel: span } = windowOf(state);
    const [top, left] = position.map((index) => index * stride);
    const across = width + 2 * around + cols + width + (strided ? 3 : 0);
    stage.style.setProperty("--cx-across", across + (strided ? 3 : 0));
    stage.style.setProperty("--cx-widest", width + 2 * around + cols + 2);

    image.resize(height + 2 * around, width + 2 * around);
    const brightest = largest(now);
    for (let r = 0; r < image.rows; r += 1) {
      for (let c = 0; c < image.cols; c += 1) {
        const at = inImage(r, c);
        const beyond =
          kind === "blur" ? [mirrored(r - around, height), mirrored(c - around, width)] : null;
        const [i, j] = at ?? beyond ?? [-1, -1];
        const value = now[i]?.[j] ?? 0;
        const term = window[r - top]?.[c - left];
        const won = kind === "max" && term?.weight === 1;
        const border = kind === "blur" ? "mirror" : "padding";
        image.paint(r, c, {
          text: formatNumber(value),
          tag: term && kind !== "max" ? `×${formatWeight(term.weight)}` : "",
          strength: at ? value / brightest : 0,
          states: [
            at ? "" : "padding",
            term ? "tap" : "",
            won ? "won" : "",
            pixel && at && i === pixel[0] && j === pixel[1] ? "pointed" : "",
          ].join(" "),
          label: [
            at
              ? `row ${i}, column ${j}: ${formatNumber(value)}`
              : `${border}, ${formatNumber(value)}`,
            won
              ? "wins the window"
              : term
                ? `in the window, weight ${formatWeight(term.weight)}`
                : "",
          ]
            .filter(Boolean)
            .join(", "),
        });
      }
    }
    for (const [name, value] of Object.entries({ y: top, x: left, h: span, w: span })) {
      frame.style.setProperty(`--cx-${name}`, value);
    }

    star.hidden = weights.hidden = kernelPreset.root.hidden = !strided;
    kernel.resize(3, 3);
    const heaviest = largest(state.kernel);
    state.kernel.forEach((row, r) =>
      row.forEach((weight, c) =>
        kernel.paint(r, c, {
          text: formatWeight(weight),
          strength: weight / heaviest,
          label: `weight row ${r}, column ${c}: ${formatWeight(weight)}`,
        }),
      ),
    );

    const fed = new Set((pixel ? windowsOf(state, pixel) : []).map(({ position: at }) => `${at}`));
    const strongest = largest(values);
    output.resize(rows, cols);
    values.forEach((row, r) =>
      row.forEach((value, c) =>
        output.paint(r, c, {
          text: formatNumber(value),
          strength: value / strongest,
          states: `${r === position[0] && c === position[1] ? "here" : ""} ${fed.has(`${[r, c]}`) ? "linked" : ""}`,
          label: `output row ${r}, column ${c}: ${formatNumber(value)}`,
        }),
      ),
    );
    output.setActive(...position);

    const sums = gradientOf(state);
    const most = largest(sums);
    gradient.resize(height, width);
    sums.forEach((row, r) =>
      row.forEach((value, c) =>
        gradient.paint(r, c, {
          text: formatNumber(value),
          strength: value / most,
          states: shares.get(`${r},${c}`) ? "linked" : "",
          label:
            `gradient of pixel row ${r}, column ${c}: ${formatNumber(value)}` +
            (shares.get(`${r},${c}`)
              ? `, of this output ${formatWeight(shares.get(`${r},${c}`))}`
              : ""),
        }),
      ),
    );

    const border = around ? (kind === "blur" ? ", mirrored border" : ", zeros around") : "";
    setCaption(captions[0], "Image", shape([height, width]) + border);
    setCaption(captions[1], "Weights", shape([3, 3]));
    setCaption(captions[2], "Output", shape([rows, cols]));
    setCaption(captions[3], "Gradient", "if every output sends back 1");
  }

  function drawCards() {
    const width = shapeOf(state.image)[1];
    const { image: pixels, kernel_size: k, stride, kernel: taps } = state;
    const settings = JSON.stringify([pixels, k, stride, taps]);
    if (settings !== changesFor) {
      changes = cards.map(({ kind }) => changesOf(state, kind));
      changesFor = settings; // neither a hover nor a shift changes what the bars show
      passed = new Set();
    }
    if (state.filled) passed.clear(); // so that hiding them hides them
    passed.add(state.shift);
    setText(
      legend,
      `Bars: how much each shift from 0 to ${width - 1} changes the output, mean |new − old| over ` +
        "mean |old|, all four on one scale." +
        (state.filled ? "" : " Each shows once you have been at its shift."),
    );
    const highest = Math.max(...changes.flat().map((change) => change ?? 0), 1e-12);
    cards.forEach(({ kind, name, node, canvas, bars, figure: number }, i) => {
      node.setAttribute("aria-pressed", String(kind === state.kind));
      const mine = changes[i];
      const now = percent(mine[state.shift]);
      node.setAttribute("aria-label", `${name}: shift ${state.shift} changes the output by ${now}`);
      setText(number, now);
      while (bars.children.length > width) bars.lastChild.remove();
      while (bars.children.length < width) bars.append(el("span", {}));
      [...bars.children].forEach((bar, shift) => {
        bar.className = shift === state.shift ? "cx-now" : "";
        const known = state.filled || passed.has(shift);
        bar.style.height = known ? `${(100 * (mine[shift] ?? 0)) / highest}%` : "0";
      });
      drawThumb(canvas, outputOf(state, kind));
    });
  }

  /** An output as a picture: a dot for each value. */
  function drawThumb(canvas, values) {
    const [rows, cols] = shapeOf(values);
    [canvas.width, canvas.height] = [cols, rows];
    canvas.style.aspectRatio = `${cols} / ${rows}`;
    const pen = canvas.getContext("2d");
    const strongest = largest(values);
    values.forEach((row, r) =>
      row.forEach((value, c) => {
        const hue = value < 0 ? "217, 119, 43" : "63, 127, 208"; // as in the style sheet
        pen.fillStyle = `rgba(${hue}, ${Math.abs(value / strongest).toFixed(2)})`;
        pen.fillRect(c, r, 1, 1);
      }),
    );
  }

  function drawReadout() {
    const { position } = state;
    setText(heading, `Output (${position.join(", ")})`);
    const sum = arithmeticText(state, position);
    const cut = sum.search(/[=≈] [^=≈]*$/);
    said.sum.replaceChildren(sum.slice(0, cut), el("b", { class: "cx-result" }, sum.slice(cut)));
    setText(said.back, gradientText(state, position));
    setText(
      said.pixel,
      pixel ? pixelText(state, pixel) : "Point at a pixel to see which windows it is in.",
    );
    setText(said.shift, shiftText(state));
    setText(said.learned, learnedText(state));
    const given = {
      strided: "   w: (1, 1, 3, 3)",
      blur: "   blur: (1, 1, 3, 3), rows 1 2 1, 2 4 2, 1 2 1 over 16",
    };
    said.call.replaceChildren(
      el("code", {}, torchCall(state)),
      el(
        "span",
        { class: "cx-shapes" },
        `x: (1, 1, ${shapeOf(state.image).join(", ")})${given[state.kind] ?? ""}`,
      ),
    );
    const name = KINDS.find(([kind]) => kind === state.kind)[1];
    announcer.say(
      pixel
        ? pixelText(state, pixel)
        : `${name}, output row ${position[0]}, column ${position[1]}: ${sum}. ` +
            `${gradientText(state, position)} ${state.shift ? shiftText(state) : ""}`,
    );
  }

  function drawControls() {
    const [height, width] = shapeOf(state.image);
    sliders.shift.update(state.shift, {
      highest: width - 1,
      reason: `the image is ${width} pixels wide`,
    });
    sliders.kernel_size.update(state.kernel_size, { highest: Math.min(height, width) });
    sliders.stride.update(state.stride);
    fill.box.checked = state.filled;
    const idOf = (presets, rows) => presets.find(([, , made]) => same(made, rows))?.[0] ?? "custom";
    imagePreset.select.value = idOf(IMAGES, state.image);
    kernelPreset.select.value = idOf(KERNELS, state.kernel);
  }

  function draw() {
    drawStage();
    drawCards();
    drawReadout();
    drawControls();
  }

  host.append(root);
  draw();
  // Small cells have no room for the weight in their corner.
  const onResize = new ResizeObserver(() => {
    root.classList.toggle("cx-small", image.cells[0][0].node.offsetWidth < 30);
  });
  onResize.observe(stage);
  onResize.observe(image.root);
  return () => {
    onResize.disconnect();
    announcer.stop();
    link.stop();
    root.remove();
  };
}

export default { render };
