// Chapter 02: a kernel slides over a small image.
//
// The state is the widget's: image, kernel, stride, padding, dilation, position (row and column of
// the current output), filled. Everything drawn follows from it, in the page, without the kernel.
/* From common.js: el, setText, createRoot, createGrid, createSlider, createSelect, createButton,
   createAnnouncer, linkModel, outputSize, effectiveKernel, windowsTouching, unusedPixels,
   droppedTail, formatNumber, formatWeight, listed, plural, range, clamp, resultText, factor, table,
   shapeOf, largest, same, changedPart, setCaption, orYourOwn, readState. */

// ---------------------------------------------------------------- pure functions

/** The settings that the sliders offer. */
export const RANGES = {
  image: [1, 10],
  kernel: [1, 5],
  stride: [1, 4],
  padding: [0, 4],
  dilation: [1, 3],
};

const binomial = (k) =>
  range(k).reduce((row, i) => [...row, i === 0 ? 1 : (row[i - 1] * (k - i)) / i], []);

/** Kernels to start from: [id, name, the sizes it exists in (null: any), how to make it]. */
export const KERNELS = [
  ["checkerboard", "X, a checkerboard", null, (k) => table(k, k, (r, c) => ((r + c) % 2 ? 0 : 1))],
  [
    "identity",
    "identity",
    null,
    (k) => table(k, k, (r, c) => Number(r === (k - 1) >> 1 && c === r)),
  ],
  ["vertical", "vertical edge", null, (k) => table(k, k, (r, c) => Math.sign(2 * c - k + 1))],
  ["horizontal", "horizontal edge", null, (k) => table(k, k, (r) => Math.sign(2 * r - k + 1))],
  ["diagonal", "diagonal edge", null, (k) => table(k, k, (r, c) => Math.sign(c - r))],
  ["sobel_x", "Sobel, across", 3, () => table(3, 3, (r, c) => [1, 2, 1][r] * (c - 1))],
  ["sobel_y", "Sobel, down", 3, () => table(3, 3, (r, c) => [1, 2, 1][c] * (r - 1))],
  ["blur", "box blur", null, (k) => table(k, k, () => 1 / (k * k))],
  [
    "gaussian",
    "Gaussian blur",
    null,
    (k) => table(k, k, (r, c) => (binomial(k)[r] * binomial(k)[c]) / 4 ** (k - 1)),
  ],
  [
    "sharpen",
    "sharpen",
    3,
    () => [
      [0, -1, 0],
      [-1, 5, -1],
      [0, -1, 0],
    ],
  ],
  [
    "outline",
    "outline",
    3,
    () => [
      [-1, -1, -1],
      [-1, 8, -1],
      [-1, -1, -1],
    ],
  ],
];

/** Images to start from: [id, name, the value at row r and column c of n]. */
export const IMAGES = [
  ["ramp", "ramp 1 2 3 …", (r, c) => r + c + 1],
  ["vertical", "a vertical edge", (r, c, n) => (2 * c >= n ? 9 : 0)],
  ["horizontal", "a horizontal edge", (r, c, n) => (2 * r >= n ? 9 : 0)],
  [
    "square",
    "a bright square",
    (r, c, n) => (Math.min(r, c, n - 1 - r, n - 1 - c) >= n / 4 ? 9 : 0),
  ],
  ["dot", "a single dot", (r, c, n) => (r === n >> 1 && c === r ? 9 : 0)],
];

/** A preset at a size: an image of n × n, a kernel of k × k (of its own size where it has only one). */
export const makeImage = (id, n) =>
  table(n, n, (r, c) => IMAGES.find(([name]) => name === id)[2](r, c, n));
export const makeKernel = (id, k) => {
  const [, , size, make] = KERNELS.find(([name]) => name === id);
  return make(size ?? k);
};

/**
 * The id of the preset that a table equals, or "custom". At 1×1 several presets are the same table:
 * `chosen` is the one to prefer.
 */
export function presetOf(values, kind, chosen = "") {
  const [rows, cols] = shapeOf(values);
  const presets = kind === "image" ? IMAGES : KERNELS;
  const make = kind === "image" ? makeImage : makeKernel;
  const ids = presets.map(([id]) => id).sort((a, b) => (b === chosen) - (a === chosen));
  return (rows === cols && ids.find((id) => same(make(id, rows), values))) || "custom";
}

/** An image of another size: its preset at that size, or its own pixels and zeros beyond them. */
export function resizedImage(image, n, chosen = "") {
  const preset = presetOf(image, "image", chosen);
  if (preset !== "custom") return makeImage(preset, n);
  return table(n, n, (r, c) => image[r]?.[c] ?? 0);
}

/** A kernel of another size: its preset at that size, or its own weights about the centre. */
export function resizedKernel(kernel, k, chosen = "") {
  const preset = presetOf(kernel, "kernel", chosen);
  if (preset !== "custom") {
    const made = makeKernel(preset, k);
    if (made.length === k) return made;
  }
  const [rows, cols] = shapeOf(kernel);
  const shift = (size) => Math.floor((k - size) / 2);
  return table(k, k, (r, c) => kernel[r - shift(rows)]?.[c - shift(cols)] ?? 0);
}

/** The two axes of a state: [n, kernel, stride, padding, dilation] along the height and the width. */
const axesOf = ({ image, kernel, stride, padding, dilation }) =>
  [0, 1].map((axis) => [shapeOf(image)[axis], shapeOf(kernel)[axis], stride, padding, dilation]);

/** [rows, columns] of the output; 0 where no window fits. */
export function outputShape(state) {
  return axesOf(state).map((axis) => outputSize(...axis));
}

/** The lowest and highest value of each slider with which a window still fits, the others kept. */
export function limits(state) {
  const { padding, dilation } = state;
  const span = Math.max(...shapeOf(state.kernel).map((k) => effectiveKernel(k, dilation)));
  const least = Math.min(...shapeOf(state.image));
  const taps = Math.max(...shapeOf(state.kernel));
  const lack = Math.max(...axesOf(state).map(([n, k]) => effectiveKernel(k, dilation) - n));
  const stretch = Math.min(
    ...axesOf(state).map(([n, k]) =>
      k > 1 ? Math.floor((n + 2 * padding - 1) / (k - 1)) : Infinity,
    ),
  );
  const within = (name, low, high) => [
    Math.max(low, RANGES[name][0]),
    Math.min(high, RANGES[name][1]),
  ];
  return {
    image: within("image", span - 2 * padding, Infinity),
    kernel: within("kernel", 1, Math.floor((least + 2 * padding - 1) / dilation) + 1),
    stride: within("stride", 1, Infinity),
    padding: within("padding", Math.ceil(lack / 2), Infinity),
    dilation: within("dilation", 1, taps > 1 ? stretch : Infinity),
  };
}

/** The products of one output: a row for each row of the kernel, each {pixel, weight, r, c, inside}. */
export function terms(state, [row, col]) {
  const { image, kernel, stride, padding, dilation } = state;
  const [height, width] = shapeOf(image);
  const top = row * stride - padding;
  const left = col * stride - padding;
  return kernel.map((weights, i) =>
    weights.map((weight, j) => {
      const r = top + i * dilation;
      const c = left + j * dilation;
      const inside = r >= 0 && r < height && c >= 0 && c < width;
      return { pixel: inside ? image[r][c] : 0, weight, r, c, inside };
    }),
  );
}

/** One output: the sum of its products. */
export function outputAt(state, position) {
  return terms(state, position)
    .flat()
    .reduce((sum, { pixel, weight }) => sum + pixel * weight, 0);
}

/** The whole output, as a list of rows. */
export function convolve(state) {
  const [rows, cols] = outputShape(state);
  return table(rows, cols, (r, c) => outputAt(state, [r, c]));
}

/** 2×(−1): one product as text. */
export function termText({ pixel, weight }) {
  return `${factor(formatNumber(pixel))}×${factor(formatWeight(weight))}`;
}

/** 1×1 + 2×0 + … = 15. */
export function arithmeticText(state, position) {
  const products = terms(state, position).flat().map(termText).join(" + ");
  return `${products} ${resultText(outputAt(state, position))}`;
}

/** The size formula with the numbers of one axis, its steps from left to right. */
export function formulaSteps([n, kernel, stride, padding, dilation]) {
  const rest = n + 2 * padding - effectiveKernel(kernel, dilation);
  const windows = outputSize(n, kernel, stride, padding, dilation);
  return {
    above: `${n} + 2·${padding} − ${dilation}·(${kernel} − 1) − 1`,
    below: String(stride),
    rest: String(rest),
    quotient: rest % stride === 0 ? null : formatNumber(rest / stride),
    windows: String(windows),
  };
}

/** The same in one line: ⌊(5 + 2·0 − 1·(3 − 1) − 1) / 1⌋ + 1 = ⌊2 / 1⌋ + 1 = 3. */
export function formulaText(axis) {
  const { above, below, rest, quotient, windows } = formulaSteps(axis);
  const floored = quotient === null ? "" : `⌊${quotient}⌋ + 1 = `;
  return `⌊(${above}) / ${below}⌋ + 1 = ⌊${rest} / ${below}⌋ + 1 = ${floored}${windows}`;
}

/** The line of PyTorch that computes this output. */
export function torchCall({ stride, padding, dilation }) {
  const settings = [
    stride !== 1 ? `, stride=${stride}` : "",
    padding !== 0 ? `, padding=${padding}` : "",
    dilation !== 1 ? `, dilation=${dilation}` : "",
  ];
  return `F.conv2d(x, w${settings.join("")})`;
}

/** The pixels of one axis that reach no output: those behind the last window, and those jumped over. */
export function leftOut(axis) {
  const [n, , , padding] = axis;
  const tail = droppedTail(...axis);
  const firstOfTail = n + padding - tail; // in the image's own coordinates
  const unused = unusedPixels(...axis);
  return {
    tail,
    dropped: unused.filter((i) => i >= firstOfTail),
    skipped: unused.filter((i) => i < firstOfTail),
  };
}

/** In words, which pixels no window touches, and why: [{kind: "dropped", "skipped" or "", text}]. */
export function leftOutReasons(state) {
  const [height, width] = axesOf(state);
  const [down, across] = [leftOut(height), leftOut(width)];
  const some = (noun, indices) =>
    indices.length
      ? [`${noun}${indices.length > 1 ? "s" : ""} ${listed(indices.map(String))}`]
      : [];
  const name = (kind) => {
    const text = listed([...some("row", down[kind]), ...some("column", across[kind])]);
    return text && text[0].toUpperCase() + text.slice(1);
  };
  const tails = [...new Set([down.tail, across.tail])].filter((tail) => tail > 0);
  const why = `because the stride leaves ${listed(tails.map(String))} over.`;
  const reasons = [];
  if (name("dropped")) {
    const them = down.dropped.length + across.dropped.length > 1 ? "them" : "it";
    reasons.push({ kind: "dropped", text: `${name("dropped")}: the floor drops ${them}, ${why}` });
  } else if (tails.length) {
    reasons.push({ kind: "dropped", text: `Only padding at the end: the floor drops it, ${why}` });
  }
  if (name("skipped")) {
    const them = down.skipped.length + across.skipped.length > 1 ? "them" : "it";
    reasons.push({ kind: "skipped", text: `${name("skipped")}: every window steps over ${them}.` });
  }
  if (!name("dropped") && !name("skipped")) {
    reasons.push({ kind: "", text: "Every pixel is in at least one window." });
  }
  return reasons;
}

/** The outputs that a pixel feeds, each with the kernel cell that meets it there. */
export function outputsOf(state, [r, c]) {
  const [height, width] = axesOf(state);
  return windowsTouching(r, ...height).flatMap((down) =>
    windowsTouching(c, ...width).map((across) => ({
      position: [down.window, across.window],
      tap: [down.tap, across.tap],
    })),
  );
}

/** The same in words. */
export function pixelText(state, [r, c]) {
  const [rows, cols] = outputShape(state);
  const fed = outputsOf(state, [r, c]).length;
  const value = formatNumber(state.image[r][c]);
  return `Pixel (${r}, ${c}) = ${value} is in ${fed} of the ${plural(rows * cols, "window")}.`;
}

/** The state with its position moved inside the output. */
export function settled(state) {
  const [rows, cols] = outputShape(state);
  const [row, col] = state.position;
  return { ...state, position: [clamp(row, 0, rows - 1), clamp(col, 0, cols - 1)] };
}

// ---------------------------------------------------------------- the view

const NAMES = ["image", "kernel", "stride", "padding", "dilation", "position", "filled"];
const HINT =
  "Drag the window, or use Tab and the arrow keys. Point at an output to see its inputs, at a pixel to " +
  "see its outputs. Click a weight to change it, double-click a pixel.";

function render({ model, el: host }) {
  let state = settled(readState(model, NAMES));
  let pixel = null; // the pixel pointed at
  let seen = new Set(); // the outputs that the window has passed, as "row,column"
  let sweep = null;
  const link = linkModel(model, NAMES, () => {
    const next = readState(model, NAMES);
    // A cell that sets two settings may send them one by one; wait for the one that makes them fit.
    if (outputShape(next).some((size) => size < 1)) return;
    stopSweep();
    adopt(settled(next));
  });

  /** Take a new state, forgetting which outputs were seen if it makes other outputs. */
  function adopt(next) {
    const others = ["image", "kernel", "stride", "padding", "dilation"].some(
      (name) => !same(next[name], state[name]),
    );
    if (others || (state.filled && !next.filled)) seen = new Set();
    if (others) pixel = null;
    state = next;
    draw();
  }

  function change(patch) {
    const next = settled({ ...state, ...patch });
    if (outputShape(next).some((size) => size < 1)) return;
    const changed = changedPart(NAMES, next, state);
    if (!Object.keys(changed).length) return;
    adopt(next);
    link.push(changed);
  }

  const moveTo = (row, col) => change({ position: [row, col] });

  // -- the three grids
  const padded = (r, c) => [r - state.padding, c - state.padding];
  const image = createGrid({
    label: "image: arrow keys walk, a number changes the pixel",
    kind: "image",
    editBy: "double-click",
    valueOf: (r, c) => {
      const [i, j] = padded(r, c);
      return state.image[i]?.[j] ?? null;
    },
    onEdit: (r, c, value) => {
      const [i, j] = padded(r, c);
      change({
        image: table(...shapeOf(state.image), (p, q) =>
          p === i && q === j ? value : state.image[p][q],
        ),
      });
    },
    onPoint: (r, c) => {
      if (drag) return;
      const [i, j] = padded(r, c);
      pixel = state.image[i]?.[j] === undefined ? null : [i, j];
      draw();
    },
    onLeave: () => {
      pixel = null;
      draw();
    },
  });
  const kernel = createGrid({
    label: "kernel: arrow keys walk, a number changes the weight",
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
  const output = createGrid({
    label: "output: arrow keys move the window",
    kind: "output",
    onPoint: (r, c) => {
      stopSweep();
      moveTo(r, c);
    },
    onPress: moveTo,
  });

  // -- the window
  const frame = el("div", { class: "cx-window", role: "application", tabindex: 0 });
  frame.setAttribute("aria-roledescription", "sliding window");
  frame.addEventListener("keydown", (event) => {
    const [rows, cols] = outputShape(state);
    const [row, col] = state.position;
    const moves = {
      ArrowLeft: [row, col - 1],
      ArrowRight: [row, col + 1],
      ArrowUp: [row - 1, col],
      ArrowDown: [row + 1, col],
      Home: [0, 0],
      End: [rows - 1, cols - 1],
    };
    if (!moves[event.key]) return;
    event.preventDefault();
    stopSweep();
    moveTo(...moves[event.key]);
  });

  let drag = null; // where inside the window the pointer holds it, in cells
  const pointed = (event) => {
    const first = image.cells[0][0].node.getBoundingClientRect();
    const next = (image.cells[1]?.[0] ?? image.cells[0][0]).node.getBoundingClientRect();
    const pitch = next.top > first.top ? next.top - first.top : first.height;
    return [(event.clientY - first.top) / pitch, (event.clientX - first.left) / pitch];
  };
  image.root.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || image.editing) return;
    stopSweep();
    const spans = shapeOf(state.kernel).map((k) => effectiveKernel(k, state.dilation));
    const at = pointed(event);
    const held = at.map((where, axis) => where - state.position[axis] * state.stride);
    const inside = held.every((offset, axis) => offset >= 0 && offset <= spans[axis]);
    drag = inside ? held : spans.map((span) => span / 2);
    pixel = null;
    image.root.setPointerCapture(event.pointerId);
    image.root.classList.add("cx-dragging");
    dragTo(at);
  });
  const dragTo = (at) =>
    moveTo(...at.map((where, axis) => Math.round((where - drag[axis]) / state.stride)));
  image.root.addEventListener("pointermove", (event) => {
    if (drag) dragTo(pointed(event));
  });
  const drop = () => {
    if (!drag) return;
    drag = null;
    image.root.classList.remove("cx-dragging");
    link.flush();
  };
  image.root.addEventListener("pointerup", drop);
  image.root.addEventListener("pointercancel", drop);

  // -- the bar on top
  const kernelPreset = createSelect({
    label: "Kernel",
    options: orYourOwn(KERNELS),
    onChange: (id) => {
      if (id === "custom") return draw();
      const made = makeKernel(id, clamp(shapeOf(state.kernel)[0], ...limits(state).kernel));
      // Sobel, sharpen and outline come in 3×3 only: where that does not fit, pad until it does.
      const needed = limits({ ...state, kernel: made });
      change({ kernel: made, padding: Math.max(state.padding, needed.padding[0]) });
      draw();
    },
  });
  const imagePreset = createSelect({
    label: "Image",
    options: orYourOwn(IMAGES),
    onChange: (id) => {
      if (id === "custom") return draw();
      change({ image: makeImage(id, Math.max(...shapeOf(state.image))) });
      draw();
    },
  });
  const sweepButton = createButton("Sweep", () => (sweep ? stopSweep() : startSweep()));
  const fillButton = createButton("Fill in", () => {
    stopSweep();
    const full = state.filled || allSeen();
    if (full && !state.filled) {
      seen = new Set();
      draw();
    } else {
      change({ filled: !full });
    }
  });

  const allSeen = () => {
    const [rows, cols] = outputShape(state);
    return seen.size >= rows * cols;
  };
  function startSweep() {
    const [rows, cols] = outputShape(state);
    const every = clamp(6000 / (rows * cols), 40, 350); // a large output must not take all day
    change({ filled: false, position: [0, 0] });
    seen = new Set();
    draw();
    sweep = setInterval(() => {
      const next = state.position[0] * cols + state.position[1] + 1;
      if (next >= rows * cols) return stopSweep();
      moveTo(Math.floor(next / cols), next % cols);
    }, every);
    setText(sweepButton, "Stop");
  }
  function stopSweep() {
    if (!sweep) return;
    clearInterval(sweep);
    sweep = null;
    setText(sweepButton, "Sweep");
  }

  // -- sliders
  const slider = (name, label, onInput) =>
    createSlider({ label, min: RANGES[name][0], max: RANGES[name][1], onInput });
  const sliders = {
    image: slider("image", "image", (n) =>
      change({ image: resizedImage(state.image, n, imagePreset.select.value) }),
    ),
    kernel: slider("kernel", "kernel", (k) =>
      change({ kernel: resizedKernel(state.kernel, k, kernelPreset.select.value) }),
    ),
    stride: slider("stride", "stride", (stride) => change({ stride })),
    padding: slider("padding", "padding", (padding) => change({ padding })),
    dilation: slider("dilation", "dilation", (dilation) => change({ dilation })),
  };

  // -- what is said
  const captions = [0, 1, 2].map(() => el("div", { class: "cx-caption" }));
  const figure = (caption, ...content) => el("div", { class: "cx-figure" }, caption, ...content);
  const stage = el(
    "div",
    { class: "cx-stage" },
    figure(captions[0], el("div", { class: "cx-slide" }, frame, image.root)),
    el("div", { class: "cx-operator", "aria-hidden": "true" }, "∗"),
    figure(captions[1], kernel.root),
    el("div", { class: "cx-operator", "aria-hidden": "true" }, "="),
    figure(captions[2], output.root),
  );
  const sum = el("dd", { class: "cx-sum" });
  const goes = el("dd", {});
  const size = el("dd", { class: "cx-formula" });
  const call = el("dd", {});
  const unused = el("dd", {});
  const heading = el("dt", {});
  const readout = el(
    "dl",
    { class: "cx-readout" },
    heading,
    sum,
    el("dt", {}, "Pixel"),
    goes,
    el("dt", {}, "Size"),
    size,
    el("dt", {}, "Left out"),
    unused,
    el("dt", {}, "PyTorch"),
    call,
  );
  const announcer = createAnnouncer();
  const root = createRoot(
    "sliding",
    el(
      "div",
      { class: "cx-bar" },
      kernelPreset.root,
      imagePreset.root,
      el("div", { class: "cx-buttons" }, sweepButton, fillButton),
    ),
    stage,
    el("p", { class: "cx-hint" }, HINT),
    el("div", { class: "cx-sliders" }, ...Object.values(sliders).map((one) => one.root)),
    readout,
    announcer.root,
  );

  const shape = ([rows, cols]) => `${rows} × ${cols}`;

  function drawStage(values) {
    const { padding, dilation, stride, position } = state;
    const [height, width] = shapeOf(state.image);
    const [rows, cols] = shapeOf(values);
    const [down, across] = axesOf(state).map(leftOut);
    const window = new Map(
      terms(state, position)
        .flat()
        .map((term) => [`${term.r},${term.c}`, term]),
    );
    const fed = new Map(
      (pixel ? outputsOf(state, pixel) : []).map(({ position: at, tap }) => [`${at}`, tap]),
    );

    stage.style.setProperty("--cx-across", width + 2 * padding + shapeOf(state.kernel)[1] + cols);
    stage.style.setProperty(
      "--cx-widest",
      Math.max(width + 2 * padding, shapeOf(state.kernel)[1] + cols + 2),
    );
    image.resize(height + 2 * padding, width + 2 * padding);
    const brightest = largest(state.image);
    for (let r = 0; r < image.rows; r += 1) {
      for (let c = 0; c < image.cols; c += 1) {
        const [i, j] = padded(r, c);
        const value = state.image[i]?.[j];
        const term = window.get(`${i},${j}`);
        const dropped = i >= height + padding - down.tail || j >= width + padding - across.tail;
        const skipped = !dropped && (down.skipped.includes(i) || across.skipped.includes(j));
        const words = [
          value === undefined ? "padding, 0" : `row ${i}, column ${j}: ${formatNumber(value)}`,
          term ? `times ${formatWeight(term.weight)}` : "",
          dropped ? "dropped by the floor" : "",
          skipped ? "stepped over" : "",
        ];
        image.paint(r, c, {
          text: formatNumber(value ?? 0),
          tag: term ? `×${formatWeight(term.weight)}` : "",
          strength: (value ?? 0) / brightest,
          states: [
            value === undefined ? "padding" : "",
            term ? "tap" : "",
            dropped ? "dropped" : "",
            skipped ? "skipped" : "",
            pixel && i === pixel[0] && j === pixel[1] ? "pointed" : "",
          ].join(" "),
          label: words.filter(Boolean).join(", "),
        });
      }
    }
    const spans = shapeOf(state.kernel).map((k) => effectiveKernel(k, dilation));
    frame.style.setProperty("--cx-y", position[0] * stride);
    frame.style.setProperty("--cx-x", position[1] * stride);
    frame.style.setProperty("--cx-h", spans[0]);
    frame.style.setProperty("--cx-w", spans[1]);
    frame.setAttribute("aria-label", `window of output row ${position[0]}, column ${position[1]}`);

    const heaviest = largest(state.kernel);
    kernel.resize(...shapeOf(state.kernel));
    const meets = new Set([...fed.values()].map(String));
    state.kernel.forEach((row, r) =>
      row.forEach((weight, c) =>
        kernel.paint(r, c, {
          text: formatWeight(weight),
          strength: weight / heaviest,
          states: meets.has(`${[r, c]}`) ? "linked" : "",
          label: `kernel row ${r}, column ${c}: ${formatWeight(weight)}`,
        }),
      ),
    );

    const strongest = largest(values);
    output.resize(rows, cols);
    values.forEach((row, r) =>
      row.forEach((value, c) => {
        const known = state.filled || seen.has(`${r},${c}`);
        const here = r === position[0] && c === position[1];
        const tap = fed.get(`${[r, c]}`);
        output.paint(r, c, {
          text: known ? formatNumber(value) : "",
          tag: tap ? `×${formatWeight(state.kernel[tap[0]][tap[1]])}` : "",
          strength: known ? value / strongest : 0,
          states: `${known ? "" : "unknown"} ${here ? "here" : ""} ${tap ? "linked" : ""}`,
          label: `output row ${r}, column ${c}: ${known ? formatNumber(value) : "not yet computed"}`,
        });
      }),
    );
    output.setActive(...position);

    const spread = dilation > 1 && spans.some((span) => span > 1) ? `, spans ${shape(spans)}` : "";
    setCaption(
      captions[0],
      "Image",
      shape([height, width]) + (padding ? `, padded to ${shape([image.rows, image.cols])}` : ""),
    );
    setCaption(captions[1], "Kernel", shape(shapeOf(state.kernel)) + spread);
    setCaption(captions[2], "Output", shape([rows, cols]));
  }

  function drawReadout() {
    const { position } = state;
    setText(heading, `Output (${position[0]}, ${position[1]})`);
    const rows = terms(state, position);
    const result = el("b", { class: "cx-result" }, ` ${resultText(outputAt(state, position))}`);
    sum.replaceChildren(
      ...rows.flatMap((row, i) => [
        // One row of the kernel stays on one line; lines break between rows.
        el(
          "span",
          { class: "cx-terms" },
          ...row.flatMap((term, j) => [
            i || j ? "+ " : "",
            el(
              "span",
              { class: term.pixel * term.weight === 0 ? "cx-zero" : "cx-term" },
              termText(term),
            ),
            j < row.length - 1 ? " " : "",
          ]),
          ...(i === rows.length - 1 ? [result] : []),
        ),
        " ",
      ]),
    );
    announcer.say(
      pixel
        ? pixelText(state, pixel)
        : `Output row ${position[0]}, column ${position[1]}: ${arithmeticText(state, position)}`,
    );

    setText(
      goes,
      pixel
        ? pixelText(state, pixel)
        : "Point at a pixel of the image to see which outputs it feeds.",
    );
    const [height, width] = axesOf(state);
    const lines = same(height, width)
      ? [["", height]]
      : [
          ["height ", height],
          ["width ", width],
        ];
    size.replaceChildren(...lines.map(([name, axis]) => formula(name, axis)));
    unused.replaceChildren(
      ...leftOutReasons(state).flatMap(({ kind, text }) => [
        ...(kind ? [el("span", { class: `cx-swatch cx-${kind}`, "aria-hidden": "true" })] : []),
        `${text} `,
      ]),
    );
    call.replaceChildren(
      el("code", {}, torchCall(state)),
      el(
        "span",
        { class: "cx-shapes" },
        `x: (1, 1, ${shapeOf(state.image).join(", ")})   w: (1, 1, ${shapeOf(state.kernel).join(", ")})`,
      ),
    );
  }

  /** The size formula as a fraction between floor brackets; read aloud as one line. */
  function formula(name, axis) {
    const { above, below, rest, quotient, windows } = formulaSteps(axis);
    const floored = (over, under) =>
      el(
        "span",
        { class: "cx-floor" },
        under === null
          ? over
          : el("span", { class: "cx-fraction" }, el("span", {}, over), el("span", {}, under)),
      );
    const steps = [
      floored("n + 2·padding − dilation·(kernel − 1) − 1", "stride"),
      floored(above, below),
      floored(rest, below),
      ...(quotient === null ? [] : [floored(quotient, null)]),
    ];
    return el(
      "div",
      { class: "cx-formula-line", role: "math", "aria-label": `${name}${formulaText(axis)}` },
      name,
      ...steps.flatMap((step, i) => [
        el("span", { class: "cx-step" }, i ? "= " : "", step, " + 1 "),
      ]),
      el("span", { class: "cx-step" }, "= ", el("b", {}, windows)),
    );
  }

  function drawControls() {
    const allowed = limits(state);
    const one = ([rows, cols]) => (rows === cols ? String(rows) : `${rows} × ${cols}`);
    const put = (name, value, text = String(value)) =>
      sliders[name].update(value, { text, lowest: allowed[name][0], highest: allowed[name][1] });
    put("image", Math.max(...shapeOf(state.image)), one(shapeOf(state.image)));
    put("kernel", Math.max(...shapeOf(state.kernel)), one(shapeOf(state.kernel)));
    for (const name of ["stride", "padding", "dilation"]) put(name, state[name]);
    kernelPreset.select.value = presetOf(state.kernel, "kernel", kernelPreset.select.value);
    imagePreset.select.value = presetOf(state.image, "image", imagePreset.select.value);
    setText(fillButton, state.filled || allSeen() ? "Clear" : "Fill in");
  }

  function draw() {
    seen.add(`${state.position[0]},${state.position[1]}`);
    drawStage(convolve(state));
    drawReadout();
    drawControls();
  }

  host.append(root);
  draw();
  // Small cells have no room for the weight in their corner.
  const onResize = new ResizeObserver(() => {
    root.classList.toggle("cx-small", image.cells[0][0].node.offsetWidth < 32);
  });
  onResize.observe(stage);
  onResize.observe(image.root);
  return () => {
    onResize.disconnect();
    stopSweep();
    announcer.stop();
    link.stop();
    root.remove();
  };
}

export default { render };
