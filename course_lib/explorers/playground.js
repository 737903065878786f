// The playground: one convolution's settings, and at once all that follows from them.
//
// The state is the widget's; everything drawn is computed here, in the page.
/* From common.js: el, setText, createRoot, createSlider, createSelect, createAnnouncer, linkModel,
   outputSize, effectiveKernel, formatNumber, formatCount, plural, range, clamp, setCaption,
   readState. */

// ---------------------------------------------------------------- pure functions

/** What the sliders offer; channels come in steps. */
export const RANGES = {
  kernel_size: [2, 7],
  stride: [1, 4],
  padding: [0, 6],
  dilation: [1, 4],
  layers: [1, 10],
};
export const CHANNELS = [1, 3, 16, 32, 64, 128, 256, 512, 1024];

const convolveRow = (row, other) =>
  range(row.length + other.length - 1).map((i) =>
    other.reduce((sum, value, j) => sum + value * (row[i - j] ?? 0), 0),
  );
const times = (n, row, start) => range(n).reduce((now) => convolveRow(now, row), start);

/** A Sobel-like kernel of any size from 2: a difference across, a binomial blur down. */
export function sobelX(size) {
  const blur = times(size - 1, [1, 1], [1]);
  const difference = times(size - 2, [1, 1], [-1, 1]);
  return blur.map((weight) => difference.map((value) => weight * value));
}

/** An image that grows brighter from left to right. */
export function gradient(size) {
  return range(size).map(() => range(size).map((c) => c / (size - 1)));
}

/** Slide, multiply, sum, with zeros around the image. */
export function respond(image, kernel, stride, padding, dilation) {
  const [height, width] = [image.length, image[0].length];
  const rows = outputSize(height, kernel.length, stride, padding, dilation);
  const cols = outputSize(width, kernel[0].length, stride, padding, dilation);
  return range(rows).map((r) =>
    range(cols).map((c) => {
      let sum = 0;
      for (let i = 0; i < kernel.length; i += 1) {
        const pixels = image[r * stride - padding + i * dilation];
        if (!pixels) continue;
        for (let j = 0; j < kernel[0].length; j += 1) {
          sum += kernel[i][j] * (pixels[c * stride - padding + j * dilation] ?? 0);
        }
      }
      return sum;
    }),
  );
}

/** The receptive field after 1, 2, … layers of such convolutions. */
export function receptiveFields({ kernel_size, stride, dilation, layers }) {
  let field = 1;
  let jump = 1;
  return range(layers).map(() => {
    field += (effectiveKernel(kernel_size, dilation) - 1) * jump;
    jump *= stride;
    return field;
  });
}

/** [weights of the convolution, weights of a depthwise and a pointwise one in its place]. */
export function separableWeights({ kernel_size: k, in_channels: cin, out_channels: cout }) {
  return [k * k * cin * cout, k * k * cin + cin * cout];
}

/** The same in words. */
export function savingText(state) {
  const [standard, separable] = separableWeights(state);
  const k = state.kernel_size;
  const sums =
    `${k}·${k}·${state.in_channels}·${state.out_channels} = ${formatCount(standard)} weights; ` +
    `depthwise and pointwise ${k}·${k}·${state.in_channels} + ` +
    `${state.in_channels}·${state.out_channels} = ${formatCount(separable)}`;
  if (separable >= standard) return `${sums}: nothing is saved.`;
  return `${sums}: ${formatNumber(Math.round((standard / separable) * 10) / 10)} times fewer.`;
}

/** The line of PyTorch that builds this layer. */
export function torchLine(state) {
  const words = [`${state.in_channels}, ${state.out_channels}, kernel_size=${state.kernel_size}`];
  const defaults = { stride: 1, padding: 0, dilation: 1 };
  for (const [name, usual] of Object.entries(defaults)) {
    if (state[name] !== usual) words.push(`${name}=${state[name]}`);
  }
  return `nn.Conv2d(${words.join(", ")})`;
}

/** The size formula with its numbers, in one line. */
export function sizeText(n, { kernel_size, stride, padding, dilation }) {
  const rest = n + 2 * padding - effectiveKernel(kernel_size, dilation);
  const size = outputSize(n, kernel_size, stride, padding, dilation);
  return (
    `⌊(${n} + 2·${padding} − ${dilation}·(${kernel_size} − 1) − 1) / ${stride}⌋ + 1 = ` +
    `⌊${rest} / ${stride}⌋ + 1 = ${size}`
  );
}

/** [smallest, largest] of a table. */
export function extent(rows) {
  let [low, high] = [Infinity, -Infinity];
  for (const row of rows) {
    for (const value of row) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return [low, high];
}

// ---------------------------------------------------------------- the view

const NAMES = [
  "kernel_size",
  "stride",
  "padding",
  "dilation",
  "layers",
  "in_channels",
  "out_channels",
  "picture",
  "own",
  "photograph",
];

function render({ model, el: host }) {
  let state = readState(model, NAMES);
  const link = linkModel(model, NAMES, () => {
    state = readState(model, NAMES);
    draw();
  });

  function change(patch) {
    state = { ...state, ...patch };
    draw();
    link.push(patch);
  }

  // -- controls
  const slider = (name, label) =>
    createSlider({
      label,
      min: RANGES[name][0],
      max: RANGES[name][1],
      onInput: (value) => change({ [name]: value }),
    });
  const steps = (name, label) =>
    createSlider({
      label,
      min: 0,
      max: CHANNELS.length - 1,
      onInput: (place) => change({ [name]: CHANNELS[place] }),
    });
  const sliders = {
    kernel_size: slider("kernel_size", "kernel size"),
    stride: slider("stride", "stride"),
    padding: slider("padding", "padding"),
    dilation: slider("dilation", "dilation"),
  };
  const layers = slider("layers", "layers");
  const channels = {
    in_channels: steps("in_channels", "channels in"),
    out_channels: steps("out_channels", "channels out"),
  };
  const picture = createSelect({
    label: "Image",
    options: [
      ["gradient", "gradient"],
      ["photograph", "photograph"],
      ["your own", "your own"],
    ],
    onChange: (name) => change({ picture: name }),
  });

  // -- pictures
  const drawing = () => el("canvas", { class: "cx-picture", role: "img" });
  const [before, after] = [drawing(), drawing()];
  const captions = [0, 1].map(() => el("div", { class: "cx-caption" }));
  const notes = [0, 1].map(() => el("div", { class: "cx-note" }));
  const size = el("dd", { class: "cx-plain" });
  const bars = el("dd", { class: "cx-reaches" });
  const saving = el("dd", {});
  const line = el("code", {});
  const announcer = createAnnouncer();
  const term = (text) => el("dt", {}, text);
  const root = createRoot(
    "playground",
    el("div", { class: "cx-sliders" }, ...Object.values(sliders).map((one) => one.root)),
    el("div", { class: "cx-bar cx-choice" }, picture.root),
    el(
      "div",
      { class: "cx-pictures" },
      el("div", { class: "cx-figure" }, captions[0], before, notes[0]),
      el("div", { class: "cx-operator", "aria-hidden": "true" }, "→"),
      el("div", { class: "cx-figure" }, captions[1], after, notes[1]),
    ),
    el("dl", { class: "cx-readout" }, term("PyTorch"), el("dd", {}, line), term("Size"), size),
    el(
      "dl",
      { class: "cx-readout" },
      term("Receptive field"),
      el("dd", {}, el("div", { class: "cx-sliders cx-one" }, layers.root)),
      term(""),
      bars,
    ),
    el(
      "dl",
      { class: "cx-readout" },
      term("Separable"),
      el(
        "dd",
        {},
        el("div", { class: "cx-sliders" }, ...Object.values(channels).map((one) => one.root)),
      ),
      term(""),
      saving,
    ),
    announcer.root,
  );

  const shown = () =>
    state.picture === "gradient"
      ? gradient(64)
      : state.picture === "your own"
        ? state.own
        : state.photograph;

  /** Paint a table into a canvas, one canvas pixel for each number; `colour` gives [r, g, b]. */
  function paint(canvas, rows, colour) {
    const [height, width] = [rows.length, rows[0].length];
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(width, height);
    let place = 0;
    for (const row of rows) {
      for (const value of row) {
        const [r, g, b] = colour(value);
        pixels.data[place] = r;
        pixels.data[place + 1] = g;
        pixels.data[place + 2] = b;
        pixels.data[place + 3] = 255;
        place += 4;
      }
    }
    context.putImageData(pixels, 0, 0);
  }
  const ends = { above: [31, 95, 168], below: [179, 88, 6] };
  const diverging = (most) => (value) => {
    const t = most > 0 ? clamp(value / most, -1, 1) : 0;
    const end = t < 0 ? ends.below : ends.above;
    return end.map((channel) => Math.round(255 + (channel - 255) * Math.abs(t)));
  };
  const grey =
    ([low, high]) =>
    (value) => {
      const level = Math.round(high > low ? ((value - low) / (high - low)) * 255 : 0);
      return [level, level, level];
    };

  function draw() {
    const image = shown();
    const kernel = sobelX(state.kernel_size);
    const response = respond(image, kernel, state.stride, state.padding, state.dilation);
    const [low, high] = extent(response);
    const shape = (rows) => `${rows.length} × ${rows[0].length}`;
    paint(before, image, grey(extent(image)));
    paint(after, response, diverging(Math.max(-low, high)));
    before.setAttribute("aria-label", `image, ${state.picture}, ${shape(image)} pixels`);
    const flat = high - low < 1e-9;
    const told = flat
      ? `everywhere ${formatNumber(high)}`
      : `from ${formatNumber(low)} to ${formatNumber(high)}`;
    after.setAttribute("aria-label", `response, ${shape(response)}, ${told}`);
    setCaption(captions[0], "Image", shape(image));
    setCaption(captions[1], "Sobel across", shape(response));
    setText(notes[0], "dark 0, bright 1");
    setText(notes[1], `${told}; blue: brighter to the right, orange: darker`);
    for (const [name, one] of Object.entries(sliders)) one.update(state[name]);
    layers.update(state.layers);
    for (const [name, one] of Object.entries(channels)) {
      const place = CHANNELS.findIndex((count) => count >= state[name]);
      one.update(place < 0 ? CHANNELS.length - 1 : place, { text: String(state[name]) });
    }
    if (picture.select.value !== state.picture) picture.select.value = state.picture;
    const [n, m] = [image.length, image[0].length];
    setText(
      size,
      n === m ? sizeText(n, state) : `height ${sizeText(n, state)}; width ${sizeText(m, state)}`,
    );
    setText(line, torchLine(state));
    const fields = receptiveFields(state);
    bars.replaceChildren(
      ...fields.map((field, i) =>
        el(
          "div",
          { class: "cx-reach-row" },
          el("span", { class: "cx-reach-name" }, plural(i + 1, "layer")),
          el("span", {
            class: `cx-reach-mark${field >= m ? " cx-reach-full" : ""}`,
            style: `width: ${Math.min(field / m, 1) * 55}%`,
            "aria-hidden": "true",
          }),
          el(
            "span",
            { class: "cx-reach-number" },
            `${formatCount(field)}${field >= m ? ", all of the image" : ""}`,
          ),
        ),
      ),
    );
    setText(saving, savingText(state));
    const last = fields[fields.length - 1];
    announcer.say(
      `Output ${shape(response)}. Receptive field ${formatCount(last)} after ` +
        `${plural(fields.length, "layer")}. ${savingText(state)}`,
    );
  }

  host.append(root);
  draw();
  return () => {
    link.stop();
    announcer.stop();
    root.remove();
  };
}

export default { render };
