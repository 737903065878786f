// Chapter 03: a kernel spans all channels: a slice for each, a partial sum from each, one number out.
//
// The state is the widget's: image ([red, green, blue], numbers from 0 to 9), kernels (each three
// slices of 3×3), bias (a number for each kernel), map and position (which output is looked at).
/* From common.js: el, setText, createRoot, createGrid, createSlider, createSelect, createAnnouncer,
   linkModel, outputSize, formatNumber, formatWeight, formatCount, range, clamp, resultText, factor,
   table, largest, same, changedPart, setCaption, orYourOwn, readState. */

// ---------------------------------------------------------------- pure functions

export const RANGES = { maps: [1, 4] };
export const COLOURS = ["red", "green", "blue"];
const FULL = 9; // a colour at its brightest
const K = 3; // the side of a kernel

/** An image from the colour of each pixel: [red, green, blue], 6 × 6 each. */
const picture = (colourAt) =>
  range(3).map((channel) => table(6, 6, (r, c) => colourAt(r, c)[channel]));
const slices = (weightAt) =>
  range(3).map((channel) => table(K, K, (r, c) => weightAt(channel, r, c)));

/** Images to start from: [id, name, image]. */
export const IMAGES = [
  [
    "orange",
    "an orange disc on blue",
    picture((r, c) => ((r - 2.5) ** 2 + (c - 2.5) ** 2 < 4 ? [9, 5, 0] : [1, 2, 7])),
  ],
  ["grey", "dark grey beside light grey", picture((r, c) => (c < 3 ? [2, 2, 2] : [7, 7, 7]))],
  ["redgreen", "red beside green", picture((r, c) => (c < 3 ? [8, 1, 1] : [1, 8, 1]))],
  ["stripes", "blue and yellow stripes", picture((r) => (r % 2 ? [8, 7, 0] : [1, 1, 8]))],
];

/** Kernels to start from, in the order in which new maps take them: [id, name, kernel]. */
export const KERNELS = [
  ["edge", "edge, any colour", slices((channel, r, c) => c - 1)],
  ["opponent", "edge from red to green", slices((channel, r, c) => [1 - c, c - 1, 0][channel])],
  [
    "blue",
    "blue, not red",
    slices((channel, r, c) => (r === 1 && c === 1 ? [-1, 0, 1][channel] : 0)),
  ],
  ["mean", "mean of everything", slices(() => 1 / 27)],
];

/** [rows, columns] of each map. */
export function outputShape({ image }) {
  return [image[0].length, image[0][0].length].map((n) => outputSize(n, K));
}

/** The products of one output: for each channel, for each row of the kernel, {value, weight, r, c}. */
export function terms(state, map, [row, col]) {
  return state.kernels[map].map((slice, channel) =>
    slice.map((weights, i) =>
      weights.map((weight, j) => ({
        value: state.image[channel][row + i][col + j],
        weight,
        r: row + i,
        c: col + j,
      })),
    ),
  );
}

/** What each channel adds to one output: [red, green, blue]. */
export function partialSums(state, map, position) {
  return terms(state, map, position).map((slice) =>
    slice.flat().reduce((sum, { value, weight }) => sum + value * weight, 0),
  );
}

/** One output: the partial sums and the bias. */
export function outputAt(state, map, position) {
  return partialSums(state, map, position).reduce((sum, part) => sum + part, state.bias[map]);
}

/** All maps, each a list of rows. */
export function mapsOf(state) {
  return state.kernels.map((_, map) =>
    table(...outputShape(state), (r, c) => outputAt(state, map, [r, c])),
  );
}

/** Red 24 + green 9 + blue (−21) + bias 0 = 12. */
export function sumText(state, map, position) {
  const parts = partialSums(state, map, position).map(
    (part, channel) => `${COLOURS[channel]} ${factor(formatNumber(part))}`,
  );
  const bias = `bias ${factor(formatNumber(state.bias[map]))}`;
  return `${[...parts, bias].join(" + ")} ${resultText(outputAt(state, map, position))}`;
}

/** One product, named: red pixel (1, 2): 9 × (−1) = −9. */
export function productText(state, map, position, [channel, i, j]) {
  const { value, weight, r, c } = terms(state, map, position)[channel][i][j];
  return (
    `${COLOURS[channel]} of pixel (${r}, ${c}) times its weight: ` +
    `${formatNumber(value)}×${factor(formatWeight(weight))} ${resultText(value * weight)}`
  );
}

/** Where the number of parameters comes from. */
export function parametersText({ kernels }) {
  const count = kernels.length;
  const each = `3·3 weights × 3 channels + 1 bias = 28`;
  if (count === 1) return `${each}.`;
  return `(${each}) × ${count} kernels = ${formatCount(28 * count)}.`;
}

/** Multiply-adds for all maps. */
export function macsText(state) {
  const [rows, cols] = outputShape(state);
  const count = state.kernels.length;
  const maps = count > 1 ? ` × ${count} maps` : "";
  return (
    `27 for each output × ${rows}·${cols} outputs${maps} = ` +
    `${formatCount(27 * rows * cols * count)} multiply-adds.`
  );
}

/** The kernels and biases of another number of maps: those there are, then presets not yet used. */
export function withMaps(state, count) {
  const kernels = state.kernels.slice(0, count);
  while (kernels.length < count) {
    const free = KERNELS.find(([, , kernel]) => !kernels.some((one) => same(one, kernel)));
    kernels.push((free ?? KERNELS[0])[2]);
  }
  return { kernels, bias: range(count).map((map) => state.bias[map] ?? 0) };
}

/** The id of the preset that a table equals, or "custom". */
export function presetOf(presets, value) {
  return presets.find(([, , made]) => same(made, value))?.[0] ?? "custom";
}

/** The state with its map and position moved inside. */
export function settled(state) {
  const [rows, cols] = outputShape(state);
  const [row, col] = state.position;
  return {
    ...state,
    map: clamp(state.map, 0, state.kernels.length - 1),
    position: [clamp(row, 0, rows - 1), clamp(col, 0, cols - 1)],
  };
}

// ---------------------------------------------------------------- the view

const NAMES = ["image", "kernels", "bias", "map", "position"];
const HINT =
  "Point at a pixel or an output to move the window, or use Tab and the arrow keys. Click a weight or a " +
  "bias to change it, double-click a number of the neighbourhood. Colours run from 0 to 9.";

function render({ model, el: host }) {
  let state = settled(readState(model, NAMES));
  let pointed = null; // [channel, row, column] in the kernel, of the product pointed at
  const link = linkModel(model, NAMES, () => {
    const next = readState(model, NAMES);
    // A cell that sets two settings may send them one by one; wait for the one that makes them fit.
    if (next.bias.length !== next.kernels.length) return;
    state = settled(next);
    draw();
  });

  function change(patch) {
    const next = settled({ ...state, ...patch });
    const changed = changedPart(NAMES, next, state);
    state = next;
    draw();
    if (Object.keys(changed).length) link.push(changed);
  }

  const point = (at) => {
    pointed = at;
    draw();
  };
  /** A copy of nested lists with one number changed. */
  const replaced = (nested, [first, ...rest], value) =>
    nested.map((one, i) => (i !== first ? one : rest.length ? replaced(one, rest, value) : value));

  // -- the colour image
  const image = createGrid({
    label: "image: arrow keys walk and take the window along",
    kind: "image",
    onPoint: (r, c) => change({ position: [r - 1, c - 1] }), // the window's middle
    onPress: (r, c) => change({ position: [r - 1, c - 1] }),
  });
  const frame = el("div", { class: "cx-window", "aria-hidden": "true" });

  // -- for each channel: its neighbourhood, its slice of the kernel, its partial sum
  const lines = COLOURS.map((colour, channel) => {
    const patch = createGrid({
      label: `${colour} of the neighbourhood: arrow keys walk, a number changes the pixel`,
      kind: "patch",
      editBy: "double-click",
      valueOf: (r, c) => terms(state, state.map, state.position)[channel][r][c].value,
      onEdit: (r, c, value) => {
        const [row, col] = state.position;
        const at = [channel, row + r, col + c];
        change({ image: replaced(state.image, at, clamp(value, 0, FULL)) });
      },
      onPoint: (r, c) => point([channel, r, c]),
      onLeave: () => point(null),
    });
    const slice = createGrid({
      label: `${colour} slice of the kernel: arrow keys walk, a number changes the weight`,
      kind: "slice",
      editBy: "click",
      valueOf: (r, c) => state.kernels[state.map][channel][r][c],
      onEdit: (r, c, value) =>
        change({ kernels: replaced(state.kernels, [state.map, channel, r, c], value) }),
      onPoint: (r, c) => point([channel, r, c]),
      onLeave: () => point(null),
    });
    const partial = el("span", { class: "cx-partial" });
    return { colour, patch, slice, partial };
  });
  const bias = createGrid({
    label: "bias of the current map: a number changes it",
    kind: "bias",
    editBy: "click",
    valueOf: () => state.bias[state.map],
    onEdit: (r, c, value) => change({ bias: replaced(state.bias, [state.map], value) }),
  });
  const total = el("b", { class: "cx-partial" });
  const sign = (text) => el("span", { class: "cx-sign", "aria-hidden": "true" }, text);
  const heads = range(3).map(() => el("span", { class: "cx-caption" }));
  const sums = el(
    "div",
    { class: "cx-sums" },
    el("span"),
    heads[0],
    el("span"),
    heads[1],
    el("span"),
    heads[2],
    ...lines.flatMap(({ colour, patch, slice, partial }) => [
      el("span", { class: "cx-channel" }, el("i", { class: `cx-dot cx-${colour}` }), colour),
      patch.root,
      sign("∗"),
      slice.root,
      sign("="),
      partial,
    ]),
    el("span", { class: "cx-channel cx-bias-name" }, "+ bias"),
    bias.root,
    sign("="),
    total,
  );

  // -- the maps
  const maps = []; // {root, name, grid}
  const shelf = el("div", { class: "cx-maps" });
  function createMap(index) {
    const moveTo = (r, c) => change({ map: index, position: [r, c] });
    const grid = createGrid({
      label: `map ${index}: arrow keys move the window`,
      kind: "map",
      onPoint: moveTo,
      onPress: moveTo,
    });
    const name = el("div", { class: "cx-caption" });
    return { name, grid, root: el("div", { class: "cx-figure" }, name, grid.root) };
  }

  // -- controls
  const imagePreset = createSelect({
    label: "Image",
    options: orYourOwn(IMAGES),
    onChange: (id) => {
      const found = IMAGES.find(([name]) => name === id);
      if (found) change({ image: found[2] });
      draw();
    },
  });
  const kernelPreset = createSelect({
    label: "Kernel",
    options: orYourOwn(KERNELS),
    onChange: (id) => {
      const found = KERNELS.find(([name]) => name === id);
      if (found) change({ kernels: replaced(state.kernels, [state.map], found[2]) });
      draw();
    },
  });
  const count = createSlider({
    label: "kernels, and so maps",
    min: RANGES.maps[0],
    max: RANGES.maps[1],
    onInput: (value) => change(withMaps(state, value)),
  });

  // -- what is said
  const imageCaption = el("div", { class: "cx-caption" });
  const stage = el(
    "div",
    { class: "cx-stage cx-spread" },
    el(
      "div",
      { class: "cx-figure" },
      imageCaption,
      el("div", { class: "cx-slide" }, frame, image.root),
    ),
    sums,
    el("div", { class: "cx-operator", "aria-hidden": "true" }, "→"),
    shelf,
  );
  const heading = el("dt", {});
  const said = Object.fromEntries(
    ["sum", "product", "parameters", "macs", "call"].map((name) => [name, el("dd", {})]),
  );
  const readout = el(
    "dl",
    { class: "cx-readout" },
    heading,
    said.sum,
    el("dt", {}, "Product"),
    said.product,
    el("dt", {}, "Parameters"),
    said.parameters,
    el("dt", {}, "Work"),
    said.macs,
    el("dt", {}, "PyTorch"),
    said.call,
  );
  const announcer = createAnnouncer();
  const root = createRoot(
    "channels",
    el("div", { class: "cx-bar" }, imagePreset.root, kernelPreset.root),
    el("div", { class: "cx-sliders" }, count.root),
    stage,
    el("p", { class: "cx-hint" }, HINT),
    readout,
    announcer.root,
  );

  function drawImage() {
    const [height, width] = [state.image[0].length, state.image[0][0].length];
    const [row, col] = state.position;
    image.resize(height, width);
    for (let r = 0; r < height; r += 1) {
      for (let c = 0; c < width; c += 1) {
        const colour = state.image.map((channel) => channel[r][c]);
        image.paint(r, c, {
          states: "colour",
          label:
            `pixel row ${r}, column ${c}: ` +
            COLOURS.map((name, i) => `${name} ${formatNumber(colour[i])}`).join(", "),
        });
        const shade = colour.map((value) => Math.round((255 * value) / FULL)).join(", ");
        image.cells[r][c].node.style.background = `rgb(${shade})`;
      }
    }
    for (const [name, value] of Object.entries({ y: row, x: col, h: K, w: K })) {
      frame.style.setProperty(`--cx-${name}`, value);
    }
    setCaption(imageCaption, "Image", `3 channels, ${height} × ${width}`);
  }

  function drawSums() {
    const { map, position } = state;
    const products = terms(state, map, position);
    const partials = partialSums(state, map, position);
    const heaviest = largest(state.kernels[map]);
    lines.forEach(({ colour, patch, slice, partial }, channel) => {
      patch.resize(K, K);
      slice.resize(K, K);
      products[channel].forEach((terms_, i) =>
        terms_.forEach(({ value, weight, r, c }, j) => {
          const states = same(pointed, [channel, i, j]) ? "linked" : "";
          patch.paint(i, j, {
            text: formatNumber(value),
            strength: value / FULL,
            states,
            label: `${colour} of pixel row ${r}, column ${c}: ${formatNumber(value)}`,
          });
          slice.paint(i, j, {
            text: formatWeight(weight),
            strength: weight / heaviest,
            states,
            label: `${colour} weight row ${i}, column ${j}: ${formatWeight(weight)}`,
          });
        }),
      );
      setText(partial, formatNumber(partials[channel]));
    });
    bias.resize(1, 1);
    const value = state.bias[map];
    bias.paint(0, 0, { text: formatNumber(value), label: `bias: ${formatNumber(value)}` });
    setText(total, formatNumber(outputAt(state, map, position)));
    setCaption(heads[0], "Pixels", "");
    setCaption(heads[1], `Kernel ${map}`, "");
    setCaption(heads[2], "Sum", "");
  }

  function drawMaps() {
    const values = mapsOf(state);
    const [rows, cols] = outputShape(state);
    while (maps.length > values.length) maps.pop().root.remove();
    while (maps.length < values.length) {
      maps.push(createMap(maps.length));
      shelf.append(maps[maps.length - 1].root);
    }
    const strongest = largest(values);
    maps.forEach(({ name, grid, root: figure }, map) => {
      grid.resize(rows, cols);
      figure.classList.toggle("cx-current", map === state.map);
      setCaption(name, `Map ${map}`, map === state.map ? `${rows} × ${cols}` : "");
      values[map].forEach((line, r) =>
        line.forEach((value, c) => {
          const here = r === state.position[0] && c === state.position[1];
          grid.paint(r, c, {
            text: formatNumber(value),
            strength: value / strongest,
            states: here ? (map === state.map ? "here" : "linked") : "",
            label: `map ${map}, row ${r}, column ${c}: ${formatNumber(value)}`,
          });
        }),
      );
      grid.setActive(...state.position);
    });
    const width = state.image[0][0].length;
    const across = maps.length > 2 ? 2 : 1;
    shelf.style.setProperty("--cx-shelf", across);
    stage.style.setProperty("--cx-across", width + 8 + across * cols * 0.72);
    stage.style.setProperty("--cx-widest", Math.max(width, 9));
  }

  function drawReadout() {
    const { map, position } = state;
    const [rows, cols] = outputShape(state);
    const [height, width] = [state.image[0].length, state.image[0][0].length];
    setText(heading, `Map ${map} (${position.join(", ")})`);
    const text = sumText(state, map, position);
    const cut = text.search(/[=≈] [^=≈]*$/);
    said.sum.replaceChildren(text.slice(0, cut), el("b", { class: "cx-result" }, text.slice(cut)));
    const product = pointed ? productText(state, map, position, pointed) : null;
    setText(said.product, product ?? "Point at a number to see which weight it meets.");
    setText(said.parameters, parametersText(state));
    setText(said.macs, macsText(state));
    const n = state.kernels.length;
    said.call.replaceChildren(
      el("code", {}, "F.conv2d(x, w, b)"),
      el(
        "span",
        { class: "cx-shapes" },
        `x: (1, 3, ${height}, ${width})   w: (${n}, 3, 3, 3)   b: (${n},)   gives (1, ${n}, ${rows}, ${cols})`,
      ),
    );
    announcer.say(
      product ?? `Map ${map} of ${n}, row ${position[0]}, column ${position[1]}: ${text}`,
    );
  }

  function draw() {
    drawImage();
    drawSums();
    drawMaps();
    drawReadout();
    count.update(state.kernels.length);
    imagePreset.select.value = presetOf(IMAGES, state.image);
    kernelPreset.select.value = presetOf(KERNELS, state.kernels[state.map]);
  }

  host.append(root);
  draw();
  return () => {
    announcer.stop();
    link.stop();
    root.remove();
  };
}

export default { render };
