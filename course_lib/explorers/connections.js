// Chapter 01: which pixels an output is connected to, and through which weights, in a dense layer
// and in a convolution.
//
// The state is the widget's: image_size, kernel_size, in_channels, out_channels, side ("input" or
// "output") and position (row and column of the cell pointed at, on that side). A weight's label is
// its name: a letter where all outputs share it, a number where it belongs to one output alone.
/* From common.js: el, setText, createRoot, createGrid, createSlider, createAnnouncer, linkModel,
   outputSize, windowPixels, windowsTouching, formatCount, listed, plural, range, clamp,
   changedPart, svg, readState. */

// ---------------------------------------------------------------- pure functions

/** The settings that the sliders offer. */
export const RANGES = {
  image_size: [3, 8],
  kernel_size: [1, 5],
  in_channels: [1, 16],
  out_channels: [1, 16],
};

/** The image sizes, beside the one drawn, that the table of counts compares. */
export const LARGER = [28, 224];

/** The name of a convolution's weight: a, b, c … row by row through the kernel. */
export function letterOf(tap) {
  return "abcdefghijklmnopqrstuvwxyz"[tap];
}

/** Weights of the two layers from an image to the same outputs, biases not counted. */
export function weightCounts(size, kernel, inChannels, outChannels) {
  const out = outputSize(size, kernel);
  return {
    dense: size * size * inChannels * out * out * outChannels,
    convolution: kernel * kernel * inChannels * outChannels,
  };
}

/** What an output is made of in a layer: [{cell: [r, c], label}]. */
export function inputsOf(layer, state, [row, col]) {
  const { image_size: n, kernel_size: k } = state;
  if (layer === "convolution") {
    return windowPixels(row, k).flatMap((r, i) =>
      windowPixels(col, k).map((c, j) => ({ cell: [r, c], label: letterOf(i * k + j) })),
    );
  }
  const first = (row * outputSize(n, k) + col) * n * n + 1; // weights counted output by output
  return range(n * n).map((i) => ({ cell: [Math.floor(i / n), i % n], label: String(first + i) }));
}

/** What a pixel feeds in a layer: [{cell: [row, col] of the output, label}]. */
export function outputsOf(layer, state, [r, c]) {
  const { image_size: n, kernel_size: k } = state;
  if (layer === "convolution") {
    return windowsTouching(r, n, k).flatMap((down) =>
      windowsTouching(c, n, k).map((across) => ({
        cell: [down.window, across.window],
        label: letterOf(down.tap * k + across.tap),
      })),
    );
  }
  const out = outputSize(n, k);
  return range(out * out).map((o) => ({
    cell: [Math.floor(o / out), o % out],
    label: String(o * n * n + r * n + c + 1),
  }));
}

/** "27 inputs (9 pixels × 3 channels)": a count over all channels, and where it comes from. */
function overChannels(count, noun, channels, all) {
  if (channels === 1) return plural(count, noun);
  return `${formatCount(count * channels)} ${all} (${plural(count, noun)} × ${channels} channels)`;
}

/** What the layer does with the cell pointed at, in a sentence or two. Counts are over all channels. */
export function sentenceOf(layer, state) {
  const { image_size: n, kernel_size: k, in_channels: cin, out_channels: cout } = state;
  const { side, position } = state;
  const at = `(${position.join(", ")})`;
  const dense = layer === "dense";
  if (side === "output") {
    const labels = inputsOf(layer, state, position).map(({ label }) => label);
    const [first, last] = [labels[0], labels[labels.length - 1]].map((label) =>
      dense ? formatCount(label) : label,
    );
    const names = labels.length > 1 ? `${first} to ${last}` : first;
    const many = labels.length * cin > 1;
    const through =
      cin > 1
        ? `${formatCount(labels.length * cin)} weights: ${names} in the channel shown`
        : `${many ? "weights" : "weight"} ${names}`;
    const made = `${dense ? "all " : ""}${overChannels(labels.length, "pixel", cin, "inputs")}`;
    const users = cout > 1 ? "Every output of the same channel uses" : "Every output uses";
    return (
      `Output ${at} is made of ${made}, through ${through}. ` +
      (dense
        ? "No other output uses them."
        : `${users} ${many ? "these same weights" : "this same weight"}.`)
    );
  }
  const pixel = `Pixel ${at}${cin > 1 ? " of the channel shown" : ""}`;
  const outputs = outputSize(n, k) ** 2;
  const labels = outputsOf(layer, state, position).map(({ label }) => label);
  if (dense) {
    const fed = overChannels(outputs, "position", cout, "outputs");
    return (
      `${pixel} feeds all ${cout > 1 ? fed : plural(outputs, "output")}, ` +
      "each through a weight of its own."
    );
  }
  const names = [...labels].sort();
  const named = names.length > 4 ? `${names[0]} to ${names[names.length - 1]}` : listed(names);
  const whole = names.length <= 4 || names.length === k * k;
  const through = whole
    ? `${names.length > 1 ? "weights" : "weight"} ${named}`
    : `${names.length} of the ${k * k} weights`;
  return (
    `${pixel} feeds ${labels.length * cout} of the ${plural(outputs * cout, "output")}` +
    (cout > 1
      ? ` (${labels.length} in each channel). In the channel shown, through ${through}.`
      : `, through ${through}.`)
  );
}

/** Where a layer's number of weights comes from. */
export function countText(layer, state) {
  const { image_size: n, kernel_size: k, in_channels: cin, out_channels: cout } = state;
  if (layer === "convolution") return `${k}·${k} kernel · ${cin} in · ${cout} out`;
  const out = outputSize(n, k);
  return (
    `${n}·${n}·${cin} inputs × ${out}·${out}·${cout} outputs = ` +
    `${formatCount(n * n * cin)} × ${formatCount(out * out * cout)}`
  );
}

/** What the layer's matrix holds. */
export function matrixText(layer, state) {
  const { image_size: n, kernel_size: k, in_channels: cin, out_channels: cout } = state;
  const rows = outputSize(n, k) ** 2;
  const cols = n * n;
  const held = rows * k * k;
  const entries =
    layer === "dense"
      ? `All ${formatCount(rows * cols)} entries are free.`
      : `${formatCount(rows * cols - held)} of ${formatCount(rows * cols)} entries are zero; ` +
        `the other ${formatCount(held)} hold ${plural(k * k, "weight")}.`;
  const pairs =
    cin * cout > 1 ? ` One such matrix for each of ${cin} × ${cout} pairs of channels.` : "";
  return `${rows} × ${cols} matrix: a row for each output, a column for each pixel. ${entries}${pairs}`;
}

/** The state with its position moved inside its side. */
export function settled(state) {
  const { image_size: n, kernel_size: k, side, position } = state;
  const last = (side === "input" ? n : outputSize(n, k)) - 1;
  return { ...state, position: position.map((i) => clamp(i, 0, last)) };
}

/**
 * How dark a weight is drawn, 0.2 to 1: in order through a kernel, and scattered over a dense
 * layer's numbers, so that neighbours differ and nothing repeats to the eye.
 */
export function toneOf(layer, label, k) {
  if (layer === "convolution") {
    const tap = "abcdefghijklmnopqrstuvwxyz".indexOf(label);
    return k > 1 ? 0.2 + (0.8 * tap) / (k * k - 1) : 0.6;
  }
  const scattered = Math.sin(Number(label) * 12.9898) * 43758.5453; // a hash in place of dice
  return 0.2 + 0.8 * (scattered - Math.floor(scattered));
}

// ---------------------------------------------------------------- the view

const unbroken = (text) => text.replace(/ × /g, "\u00a0×\u00a0"); // a product stays on one line
const GAP = 2; // between two cells, as in the style sheet
const DIGIT = 6; // pixels that a digit takes at the smallest size that is easy to read
const NAMES = ["image_size", "kernel_size", "in_channels", "out_channels", "side", "position"];
const HINT =
  "Point at an output to see its inputs, at a pixel to see its outputs, or use Tab and the arrow keys. " +
  "A label names a weight: the same label is the same weight.";

function render({ model, el: host }) {
  let state = settled(readState(model, NAMES));
  const link = linkModel(model, NAMES, () => {
    const next = readState(model, NAMES);
    // A cell that sets two settings may send them one by one; wait for the one that makes them fit.
    if (outputSize(next.image_size, next.kernel_size) < 1) return;
    state = settled(next);
    draw();
  });

  function change(patch) {
    const next = settled({ ...state, ...patch });
    const changed = changedPart(NAMES, next, state);
    if (!Object.keys(changed).length) return;
    state = next;
    draw();
    link.push(changed);
  }

  const pointAt = (side) => (r, c) => change({ side, position: [r, c] });
  const panels = [createPanel("dense", "Dense layer"), createPanel("convolution", "Convolution")];

  function createPanel(layer, title) {
    const inputs = createGrid({
      label: `${title}, image: arrow keys walk over the pixels`,
      kind: "input",
      onPoint: pointAt("input"),
      onPress: pointAt("input"),
    });
    const outputs = createGrid({
      label: `${title}, output: arrow keys walk over the outputs`,
      kind: "outputs",
      onPoint: pointAt("output"),
      onPress: pointAt("output"),
    });
    const path = svg("path");
    const wires = svg("svg", { class: "cx-wires", "aria-hidden": "true" }, path);
    const [inCaption, outCaption] = [0, 1].map(() => el("div", { class: "cx-caption" }));
    const pair = el(
      "div",
      { class: "cx-pair" },
      el("div", { class: "cx-figure" }, inCaption, inputs.root),
      el("div", { class: "cx-figure" }, outCaption, outputs.root),
      wires,
    );
    const sentence = el("p", { class: "cx-sentence" });
    const canvas = el("canvas", { class: "cx-entries" });
    const marker = el("div", { class: "cx-marker" });
    const matrix = el("div", { class: "cx-matrix", role: "img" }, canvas, marker);
    const about = el("p", { class: "cx-note" });
    matrix.addEventListener("pointermove", (event) => {
      const box = matrix.getBoundingClientRect();
      const out = outputSize(state.image_size, state.kernel_size);
      const row = clamp(
        Math.floor(((event.clientY - box.top) / box.height) * out * out),
        0,
        out * out - 1,
      );
      pointAt("output")(Math.floor(row / out), row % out);
    });
    const count = el("p", { class: "cx-count" });
    const root = el(
      "section",
      { class: "cx-panel", "aria-label": title },
      el("h3", { class: "cx-title" }, title),
      count,
      pair,
      sentence,
      matrix,
      about,
    );
    return {
      layer,
      inputs,
      outputs,
      wires,
      pair,
      inCaption,
      outCaption,
      sentence,
      canvas,
      marker,
      matrix,
      about,
      count,
      root,
    };
  }

  const sliders = {
    image_size: slider("image_size", "image size"),
    kernel_size: slider("kernel_size", "kernel size"),
    in_channels: slider("in_channels", "channels in"),
    out_channels: slider("out_channels", "channels out"),
  };
  function slider(name, label) {
    const [min, max] = RANGES[name];
    return createSlider({ label, min, max, onInput: (value) => change({ [name]: value }) });
  }

  const counts = el("table", { class: "cx-table" });
  const announcer = createAnnouncer();
  const root = createRoot(
    "connections",
    el("div", { class: "cx-sliders" }, ...Object.values(sliders).map((one) => one.root)),
    el("p", { class: "cx-hint" }, HINT),
    el("div", { class: "cx-panels" }, ...panels.map((panel) => panel.root)),
    counts,
    announcer.root,
  );

  function drawPanel(panel) {
    const {
      image_size: n,
      kernel_size: k,
      in_channels: cin,
      out_channels: cout,
      side,
      position,
    } = state;
    const out = outputSize(n, k);
    const { layer, inputs, outputs } = panel;
    const used = new Map(
      (side === "output" ? inputsOf : outputsOf)(layer, state, position).map(({ cell, label }) => [
        `${cell}`,
        label,
      ]),
    );
    panel.pair.style.setProperty("--cx-across", n + out);
    inputs.resize(n, n);
    outputs.resize(out, out);
    for (const [grid, name, here] of [
      [inputs, "input", side === "input"],
      [outputs, "output", side === "output"],
    ]) {
      for (let r = 0; r < grid.rows; r += 1) {
        for (let c = 0; c < grid.cols; c += 1) {
          const label = here ? undefined : used.get(`${[r, c]}`);
          const pointed = here && r === position[0] && c === position[1];
          const noun = name === "input" ? "pixel" : "output";
          grid.paint(r, c, {
            text: label ?? "",
            strength: label ? toneOf(layer, label, k) : 0,
            states: `${label ? "used" : ""} ${pointed ? "here" : ""}`,
            label: `${noun} row ${r}, column ${c}${label ? `, weight ${label}` : ""}`,
          });
        }
      }
      grid.root.dataset.sheets = Math.min(name === "input" ? cin : cout, 3);
      if (here) grid.setActive(...position);
    }
    const square = (size) => unbroken(`${size} × ${size}`);
    const times = (count) => (count > 1 ? `, ${count}\u00a0channels` : "");
    panel.inCaption.replaceChildren(el("b", {}, "Image"), ` ${square(n)}${times(cin)}`);
    panel.outCaption.replaceChildren(el("b", {}, "Output"), ` ${square(out)}${times(cout)}`);
    setText(panel.sentence, sentenceOf(layer, state));
    const total = weightCounts(n, k, cin, cout)[layer];
    panel.count.replaceChildren(
      el("b", { class: "cx-total" }, plural(total, "weight")),
      unbroken(` = ${countText(layer, state)}`),
    );
    setText(panel.about, unbroken(matrixText(layer, state)));
    panel.used = used;
    drawMatrix(panel);
  }

  /** Numbers that would be too small to read are left out; the sentence below still has them. */
  function makeRoom() {
    const widths = panels.map(({ inputs }) => inputs.cells[0][0].node.offsetWidth);
    panels.forEach(({ pair, used }, i) => {
      const longest = Math.max(...[...used.values()].map((label) => label.length));
      pair.classList.toggle("cx-crowded", widths[i] < longest * DIGIT);
    });
  }

  /** A line for each connection, from the right edge of the pixel to the left edge of the output. */
  function drawWires(panel) {
    const { side, position } = state;
    const box = panel.pair.getBoundingClientRect();
    const edgesOf = (grid, right) => {
      const place = grid.root.getBoundingClientRect();
      const pitch = (place.width + GAP) / grid.cols;
      const left = place.left - box.left + (right ? pitch - GAP : 0);
      const middle = place.top - box.top + (pitch - GAP) / 2;
      return ([r, c]) => `${(left + c * pitch).toFixed(1)},${(middle + r * pitch).toFixed(1)}`;
    };
    const [from, to] = [edgesOf(panel.inputs, true), edgesOf(panel.outputs, false)];
    const lines = [...panel.used.keys()].map((key) => {
      const cell = key.split(",").map(Number);
      const [pixel, output] = side === "output" ? [cell, position] : [position, cell];
      return `M${from(pixel)}L${to(output)}`;
    });
    panel.wires.firstChild.setAttribute("d", lines.join(""));
  }

  /** The layer as a matrix: one dot of the canvas for each entry, a box around the current row or column. */
  function drawMatrix({ layer, canvas, marker, matrix }) {
    const { image_size: n, kernel_size: k, side, position } = state;
    const out = outputSize(n, k);
    const [rows, cols] = [out * out, n * n];
    matrix.setAttribute("aria-label", `${layer} layer as a ${matrixText(layer, state)}`);
    if (matrix.dataset.shape !== `${n},${k}`) {
      matrix.dataset.shape = `${n},${k}`;
      matrix.style.setProperty("--cx-matrix-rows", rows);
      matrix.style.setProperty("--cx-matrix-columns", cols);
      [canvas.width, canvas.height] = [cols, rows];
      const pen = canvas.getContext("2d");
      for (let o = 0; o < rows; o += 1) {
        for (const { cell, label } of inputsOf(layer, state, [Math.floor(o / out), o % out])) {
          // Half-transparent blue looks right on a light and on a dark page.
          pen.fillStyle = `rgba(63, 127, 208, ${(0.8 * toneOf(layer, label, k)).toFixed(2)})`;
          pen.fillRect(cell[0] * n + cell[1], o, 1, 1);
        }
      }
    }
    const index = position[0] * (side === "output" ? out : n) + position[1];
    const box = side === "output" ? [index / rows, 0, 1 / rows, 1] : [0, index / cols, 1, 1 / cols];
    ["top", "left", "height", "width"].forEach((name, i) => {
      marker.style[name] = `${box[i] * 100}%`;
    });
  }

  function drawCounts() {
    const { image_size: n, kernel_size: k, in_channels: cin, out_channels: cout } = state;
    const sizes = [n, ...LARGER];
    const row = (name, layer) =>
      el(
        "tr",
        {},
        el("th", { scope: "row" }, name),
        ...sizes.map((size) => el("td", {}, formatCount(weightCounts(size, k, cin, cout)[layer]))),
      );
    counts.replaceChildren(
      el("caption", {}, "Weights, if the image were larger"),
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          el("td", {}),
          ...sizes.map((size) => el("th", { scope: "col" }, `${size} × ${size}`)),
        ),
      ),
      el("tbody", {}, row("Dense layer", "dense"), row("Convolution", "convolution")),
    );
  }

  function draw() {
    const { image_size: n, kernel_size: k } = state;
    panels.forEach(drawPanel);
    drawCounts();
    makeRoom();
    panels.forEach(drawWires); // last, as it asks where the cells ended up
    for (const [name, one] of Object.entries(sliders)) {
      const highest = name === "kernel_size" ? n : Infinity;
      const lowest = name === "image_size" ? k : -Infinity;
      one.update(state[name], { lowest, highest });
    }
    announcer.say(
      panels
        .map(({ layer, root: { ariaLabel } }) => `${ariaLabel}: ${sentenceOf(layer, state)}`)
        .join(" "),
    );
  }

  host.append(root);
  draw();
  const onResize = new ResizeObserver(() => {
    makeRoom();
    panels.forEach(drawWires); // the wires follow the cells
  });
  onResize.observe(root);
  return () => {
    onResize.disconnect();
    announcer.stop();
    link.stop();
    root.remove();
  };
}

export default { render };
