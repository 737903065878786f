// Chapter 05: a stack of layers along one axis, and what one of its units sees.
//
// The state is the widget's: image_size, layers (each [kernel, stride, padding, dilation], the first
// next to the pixels), unit ([layer, index], layers counted from 1) and effective. Row 0 of the
// drawing holds the pixels, row l the units of layer l, each above the middle of what it sees.
/* From common.js: el, setText, createRoot, createSlider, createSelect, createCheck, createButton,
   createAnnouncer, linkModel, effectiveKernel, outputSize, windowPixels, formatCount, plural,
   range, clamp, same, changedPart, put, svg, orYourOwn, readState. */

// ---------------------------------------------------------------- pure functions

/** What the page offers; the four numbers of a layer in their order. */
export const RANGES = {
  image_size: [8, 64],
  kernel: [1, 7],
  stride: [1, 4],
  padding: [0, 8],
  dilation: [1, 8],
};
export const MAX_LAYERS = 8;
const PARTS = ["kernel", "stride", "padding", "dilation"];

const signed = (number) => String(number).replace("-", "−");

/** Stacks to start from: [id, name, image size, layers]. */
export const STACKS = [
  ["strides", "strides 1, 2, 1, 2", 24, [1, 2, 1, 2].map((stride) => [3, stride, 1, 1])],
  ["plain", "five layers of 3", 24, range(5).map(() => [3, 1, 1, 1])],
  ["two", "two layers of 3", 16, range(2).map(() => [3, 1, 1, 1])],
  ["one", "one layer of 5", 16, [[5, 1, 2, 1]]],
  [
    "dilated",
    "dilations 1, 2, 4, 8",
    48,
    [1, 2, 4, 8].map((dilation) => [3, 1, dilation, dilation]),
  ],
  ["gridding", "dilations 2, 2, 2", 24, range(3).map(() => [3, 1, 2, 2])],
  [
    "vgg",
    "VGG's first layers: 3, 3, pool, 3, 3, pool",
    48,
    [
      [3, 1, 1, 1],
      [3, 1, 1, 1],
      [2, 2, 0, 1],
      [3, 1, 1, 1],
      [3, 1, 1, 1],
      [2, 2, 0, 1],
    ],
  ],
];

/** How many pixels there are and how many units in each layer; 0 from where no window fits. */
export function unitCounts({ image_size: n, layers }) {
  const counts = [n];
  for (const [kernel, stride, padding, dilation] of layers) {
    const below = counts[counts.length - 1];
    counts.push(below > 0 ? outputSize(below, kernel, stride, padding, dilation) : 0);
  }
  return counts;
}

/** Size, jump and start before the first layer, after it, … : the recursion of the chapter. */
export function fieldsOf(layers) {
  const fields = [{ size: 1, jump: 1, start: 0 }];
  for (const [kernel, stride, padding, dilation] of layers) {
    const { size, jump, start } = fields[fields.length - 1];
    fields.push({
      size: size + (effectiveKernel(kernel, dilation) - 1) * jump,
      jump: jump * stride,
      start: start - padding * jump,
    });
  }
  return fields;
}

/** The middle of what each unit of a layer sees, in pixels of the image: a function of its index. */
export function centresOf(layers) {
  return fieldsOf(layers).map(
    ({ size, jump, start }) =>
      (index) =>
        start + (size - 1) / 2 + index * jump,
  );
}

/** The first and the last pixel that a unit sees, not clipped to the image. */
export function regionOf(layers, [layer, index]) {
  const { size, jump, start } = fieldsOf(layers)[layer];
  const first = start + index * jump;
  return [first, first + size - 1];
}

/**
 * The cone below a unit: for each layer, from the pixels up, a list of {index, paths, inside}. What
 * lies in the padding is listed and leads no further.
 */
export function coneOf(state, [layer, index]) {
  const counts = unitCounts(state);
  const cone = [[{ index, paths: 1, inside: true }]];
  for (let below = layer - 1; below >= 0; below -= 1) {
    const [kernel, stride, padding, dilation] = state.layers[below];
    const paths = new Map();
    for (const unit of cone[0].filter(({ inside }) => inside)) {
      for (const i of windowPixels(unit.index * stride - padding, kernel, dilation)) {
        paths.set(i, (paths.get(i) ?? 0) + unit.paths);
      }
    }
    cone.unshift(
      [...paths.entries()]
        .sort(([a], [b]) => a - b)
        .map(([i, count]) => ({ index: i, paths: count, inside: i >= 0 && i < counts[below] })),
    );
  }
  return cone;
}

/** The number of paths from each pixel to a unit: its gradient if every weight is 1. */
export function pathsOf(state, unit) {
  const paths = range(state.image_size).map(() => 0);
  for (const { index, paths: count, inside } of coneOf(state, unit)[0]) {
    if (inside) paths[index] = count;
  }
  return paths;
}

/** The fewest pixels on which at least half of all paths end. */
export function halfOf(paths) {
  const total = paths.reduce((sum, count) => sum + count, 0);
  let held = 0;
  return (
    [...paths]
      .sort((a, b) => b - a)
      .findIndex((count) => {
        held += count;
        return 2 * held >= total;
      }) + 1
  );
}

/** The steps of the recursion for one layer, with numbers. */
export function stepsOf(layers, layer) {
  const fields = fieldsOf(layers);
  const [before, after] = [fields[layer - 1], fields[layer]];
  const [kernel, stride, padding, dilation] = layers[layer - 1];
  const reach = dilation > 1 ? `(${kernel} − 1)·${dilation}` : `(${kernel} − 1)`;
  return {
    size: `${before.size} + ${reach}·${before.jump} = ${after.size}`,
    jump: `${before.jump}·${stride} = ${after.jump}`,
    start: `${signed(before.start)} − ${padding}·${before.jump} = ${signed(after.start)}`,
  };
}

/** What a unit sees, in words. */
export function unitText(state, unit) {
  const { image_size: n, layers } = state;
  const [first, last] = regionOf(layers, unit);
  const { size, jump, start } = fieldsOf(layers)[unit[0]];
  const [before, after] = [
    Math.min(Math.max(-first, 0), size),
    Math.min(Math.max(last - n + 1, 0), size),
  ];
  const outside = before + after;
  const sees =
    size > 1
      ? `sees ${size} pixels, ${signed(first)} to ${signed(last)}`
      : `sees 1 pixel, ${signed(first)}`;
  return (
    `Unit ${unit[1]} of layer ${unit[0]} ${sees} ` +
    `(from ${signed(start)} + ${unit[1]}·${jump} on)` +
    (outside ? `; ${outside} of them lie${outside === 1 ? "s" : ""} beyond the border.` : ".")
  );
}

/** The effective field in words. */
export function effectiveText(state, unit) {
  const paths = pathsOf(state, unit);
  const total = paths.reduce((sum, count) => sum + count, 0);
  const reached = paths.filter((count) => count > 0).length;
  if (total === 0) return "No path leads from a pixel to this unit: it sees padding alone.";
  return (
    `${plural(total, "path")} from ${plural(reached, "pixel")} to this unit; ` +
    `half of them start at ${halfOf(paths)} of the pixels.`
  );
}

/** What a pixel has to do with a unit. */
export function pixelText(state, unit, pixel) {
  const paths = pathsOf(state, unit);
  const total = paths.reduce((sum, count) => sum + count, 0);
  const [first, last] = regionOf(state.layers, unit);
  if (paths[pixel] > 0) {
    const share = ((100 * paths[pixel]) / total).toFixed(1);
    return `Pixel ${pixel}: ${formatCount(paths[pixel])} of the ${plural(total, "path")}, ${share} %.`;
  }
  return pixel >= first && pixel <= last
    ? `Pixel ${pixel} lies inside the field, but no path leads from it: the taps step over it.`
    : `Pixel ${pixel} lies outside the field: nothing it holds reaches this unit.`;
}

/** Whether every window fits. */
export function fits(state) {
  return unitCounts(state).every((count) => count > 0);
}

/** The state with its unit moved inside the stack. */
export function settled(state) {
  const counts = unitCounts(state);
  const layer = clamp(state.unit[0], 1, state.layers.length);
  return { ...state, unit: [layer, clamp(state.unit[1], 0, counts[layer] - 1)] };
}

/** The same with the unit in the middle of the last layer. */
export function onTop(state) {
  const counts = unitCounts(state);
  const layer = state.layers.length;
  return { ...state, unit: [layer, counts[layer] >> 1] };
}

/** The smallest image, of those that the page offers, in which every window fits; null if none. */
export function leastImage(state) {
  const [low, high] = RANGES.image_size;
  for (let n = low; n <= high; n += 1) if (fits({ ...state, image_size: n })) return n;
  return null;
}

// ---------------------------------------------------------------- the view

const NAMES = ["image_size", "layers", "unit", "effective"];
const HINT =
  "Click a unit to see its cone, or walk with Tab and the arrow keys. Point at a pixel to see its paths. " +
  "Drawn along one axis; an image has two, and their fields multiply.";
const LABELS = 62; // pixels to the left of the drawing, for the names of the rows
const ROW = 44; // pixels from one row to the next
const BARS = 64; // the height of the effective field

function render({ model, el: host }) {
  let state = settled(readState(model, NAMES));
  let pixel = null; // the pixel pointed at
  let active = [...state.unit]; // the unit or pixel in the tab order
  const link = linkModel(model, NAMES, () => {
    const next = readState(model, NAMES);
    // A cell that sets two settings may send them one by one; wait for the one that makes them fit.
    if (!fits(next)) return;
    state = settled(next);
    active = [...state.unit];
    draw();
  });

  function change(patch, adjust = settled) {
    const proposed = { ...state, ...patch };
    if (!fits(proposed)) return draw();
    const next = adjust(proposed);
    const changed = changedPart(NAMES, next, state);
    state = next;
    if (changed.unit || changed.layers || changed.image_size) active = [...state.unit];
    draw();
    if (Object.keys(changed).length) link.push(changed);
  }

  // -- controls
  const preset = createSelect({
    label: "Stack",
    options: orYourOwn(STACKS),
    onChange: (id) => {
      const found = STACKS.find(([name]) => name === id);
      if (found) change({ image_size: found[2], layers: found[3] }, onTop);
      draw();
    },
  });
  const toggle = createCheck({
    label: "effective field",
    onChange: (effective) => change({ effective }),
  });
  const addButton = createButton("Add a layer", () => {
    const layers = [...state.layers, [3, 1, 1, 1]];
    change({ layers }, onTop);
  });
  const dropButton = createButton("Remove the last", () =>
    change({ layers: state.layers.slice(0, -1) }, onTop),
  );
  const size = createSlider({
    label: "pixels",
    min: RANGES.image_size[0],
    max: RANGES.image_size[1],
    onInput: (n) => change({ image_size: n }),
  });

  // -- the drawing: an SVG whose unit is the pixel of the screen
  const picture = svg("svg", { class: "cx-stack", role: "grid" });
  picture.setAttribute("aria-label", "stack: arrow keys walk over units and pixels");
  const behind = svg("g", { "aria-hidden": "true" });
  const wires = svg("path", { class: "cx-cone" });
  const bracket = svg("path", { class: "cx-bracket" });
  const ends = [0, 1].map(() => svg("text", { class: "cx-end" }));
  const bars = svg("g");
  behind.append(wires, bracket, ...ends, bars);
  picture.append(behind);
  const rows = []; // from the pixels up: {node, name, units, padding}

  /** As many rows and units as the state has; what stays in the page is left where it is. */
  function resize(counts) {
    while (rows.length > counts.length) rows.pop().node.remove();
    while (rows.length < counts.length) {
      const layer = rows.length;
      const name = svg("text", { class: "cx-row-name", "aria-hidden": "true" });
      name.textContent = layer ? `layer ${layer}` : "pixels";
      const padding = svg("path", { class: "cx-beyond", "aria-hidden": "true" });
      const node = svg("g", { role: "row" });
      node.append(name, padding);
      rows.push({ node, name, padding, units: [] });
      picture.append(node);
    }
    counts.forEach((count, layer) => {
      const { node, units } = rows[layer];
      while (units.length > count) units.pop().remove();
      while (units.length < count) {
        const unit = svg("rect", { role: "gridcell", tabindex: -1, rx: 2 });
        unit.dataset.layer = layer;
        unit.dataset.index = units.length;
        units.push(unit);
        node.append(unit);
      }
    });
    for (let i = bars.children.length; i < counts[0]; i += 1) bars.append(svg("rect"));
    while (bars.children.length > counts[0]) bars.lastChild.remove();
  }

  const placeOf = (target) =>
    target instanceof Element && target.dataset.layer !== undefined
      ? [Number(target.dataset.layer), Number(target.dataset.index)]
      : null;

  function look(place, focus = false) {
    const [layer, index] = place;
    active = place;
    if (layer > 0) {
      pixel = null;
      change({ unit: place });
    } else {
      pixel = index;
      draw();
    }
    if (focus) rows[layer].units[index].focus();
  }
  picture.addEventListener("click", (event) => {
    const place = placeOf(event.target);
    if (place) look(place);
  });
  picture.addEventListener("pointerover", (event) => {
    const place = placeOf(event.target);
    const next = place?.[0] === 0 ? place[1] : null;
    if (next === pixel) return;
    pixel = next;
    draw();
  });
  picture.addEventListener("pointerleave", () => {
    pixel = null;
    draw();
  });
  picture.addEventListener("focusin", (event) => {
    const place = placeOf(event.target);
    if (place && event.target.matches(":focus-visible") && !same(place, active)) look(place);
  });
  picture.addEventListener("keydown", (event) => {
    const place = placeOf(event.target);
    if (!place || event.ctrlKey || event.metaKey || event.altKey) return;
    const counts = unitCounts(state);
    const [layer, index] = place;
    const beside = (other) => {
      const to = clamp(other, 0, counts.length - 1);
      const { size: width, jump, start } = fieldsOf(state.layers)[to];
      const at = centresOf(state.layers)[layer](index) - start - (width - 1) / 2;
      return [to, clamp(Math.round(at / jump), 0, counts[to] - 1)];
    };
    const moves = {
      ArrowLeft: () => [layer, Math.max(index - 1, 0)],
      ArrowRight: () => [layer, Math.min(index + 1, counts[layer] - 1)],
      ArrowUp: () => beside(layer + 1),
      ArrowDown: () => beside(layer - 1),
      Home: () => [layer, 0],
      End: () => [layer, counts[layer] - 1],
      Enter: () => place,
    };
    if (!moves[event.key]) return;
    event.preventDefault();
    look(moves[event.key](), true);
  });

  // -- the table: a row for each layer, its numbers to choose, and what follows from them
  const body = el("tbody", {});
  const layerTable = el(
    "table",
    { class: "cx-table cx-layers" },
    el("caption", {}, "The stack, layer by layer"),
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        el("td", {}),
        ...[...PARTS, "units", "size", "jump", "start"].map((name) =>
          el("th", { scope: "col" }, name),
        ),
      ),
    ),
    body,
  );
  const lines = []; // {node, selects, numbers}
  let tableFor = null; // the stack that the table shows

  function createLine(layer) {
    const selects = PARTS.map((part, i) => {
      const select = el(
        "select",
        { class: "cx-select", "aria-label": `${part} of layer ${layer}` },
        ...range(RANGES[part][1] - RANGES[part][0] + 1).map((k) =>
          el("option", {}, String(RANGES[part][0] + k)),
        ),
      );
      select.addEventListener("change", () =>
        change({ layers: withPart(layer - 1, i, Number(select.value)) }),
      );
      return select;
    });
    const numbers = range(4).map(() => el("td", {}));
    const node = el(
      "tr",
      {},
      el("th", { scope: "row" }, `layer ${layer}`),
      ...selects.map((select) => el("td", {}, select)),
      ...numbers,
    );
    return { node, selects, numbers };
  }

  const withPart = (place, part, value) =>
    state.layers.map((layer, l) =>
      layer.map((old, i) => (l === place && i === part ? value : old)),
    );

  // -- what is said
  const said = Object.fromEntries(
    ["unit", "size", "jump", "start", "effective", "pixel"].map((name) => [name, el("dd", {})]),
  );
  const heading = el("dt", {}, "Unit");
  const effectiveTerm = el("dt", {}, "Effective");
  const about = el(
    "p",
    { class: "cx-note" },
    "Bars: the effective field, each pixel’s number of paths to the unit. It is the unit’s gradient " +
      "if all weights were equal and nothing non-linear stood between.",
  );
  const readout = el(
    "dl",
    { class: "cx-readout" },
    heading,
    said.unit,
    el("dt", {}, "Size"),
    said.size,
    el("dt", {}, "Jump"),
    said.jump,
    el("dt", {}, "Start"),
    said.start,
    effectiveTerm,
    said.effective,
    el("dt", {}, "Pixel"),
    said.pixel,
  );
  const announcer = createAnnouncer();
  const root = createRoot(
    "receptive",
    el(
      "div",
      { class: "cx-bar" },
      preset.root,
      toggle.root,
      el("div", { class: "cx-buttons" }, addButton, dropButton),
    ),
    picture,
    about,
    el("p", { class: "cx-hint" }, HINT),
    el("div", { class: "cx-sliders" }, size.root),
    layerTable,
    readout,
    announcer.root,
  );

  function drawPicture() {
    const counts = unitCounts(state);
    const cone = coneOf(state, state.unit);
    const [top, index] = state.unit;
    const centres = centresOf(state.layers);
    resize(counts);
    const width = Math.max(root.clientWidth - 8, 300);
    // Room for the padding of every layer, at both ends.
    const edges = state.layers.flatMap(([, , padding], l) => [
      centres[l](-padding),
      centres[l](counts[l] - 1 + padding),
    ]);
    const [left, right] = [Math.min(0, ...edges) - 0.5, Math.max(counts[0] - 1, ...edges) + 0.5];
    const pitch = (width - LABELS) / (right - left);
    const side = clamp(pitch * 0.8, 3, 18);
    const x = (at) => LABELS + (at - left) * pitch;
    const y = (layer) => 14 + (counts.length - 1 - layer) * ROW;
    const bottom = y(0) + side / 2;
    const height = bottom + 26 + (state.effective ? BARS : 0);
    put(picture, "viewBox", `0 0 ${width} ${height}`);
    put(picture, "width", width);
    put(picture, "height", height);

    const [first, last] = regionOf(state.layers, state.unit);
    const most = Math.max(...cone[0].map(({ paths }) => paths));
    rows.forEach(({ name, units, padding }, layer) => {
      put(name, "y", y(layer) + 4);
      const seen = new Map((cone[layer] ?? []).map((unit) => [unit.index, unit]));
      const square = (i) => [x(centres[layer](i)) - side / 2, y(layer) - side / 2];
      put(
        padding,
        "d",
        [...seen.values()]
          .filter(({ inside }) => !inside)
          .map(({ index: i }) => `M${square(i).join(",")}h${side}v${side}h${-side}z`)
          .join(""),
      );
      units.forEach((unit, i) => {
        const [at, above] = square(i);
        for (const [key, value] of Object.entries({ x: at, y: above, width: side, height: side })) {
          put(unit, key, value.toFixed(2));
        }
        const paths = seen.get(i)?.paths ?? 0;
        const here = layer === top && i === index;
        put(
          unit,
          "class",
          `cx-unit ${paths ? "cx-seen" : ""} ${here ? "cx-chosen" : ""} ` +
            `${layer === 0 && i === pixel ? "cx-pointed" : ""}`,
        );
        const share = layer === 0 && state.effective ? paths / most : 1;
        unit.style.setProperty("--cx-mix", paths ? Math.round(25 + 75 * share) : 0);
        put(unit, "tabindex", layer === active[0] && i === active[1] ? 0 : -1);
        put(
          unit,
          "aria-label",
          layer
            ? `unit ${i} of layer ${layer}${here ? ", chosen" : ""}${paths && !here ? ", in the cone" : ""}`
            : `pixel ${i}${paths ? `, ${plural(paths, "path")}` : ""}`,
        );
      });
    });

    const lines_ = [];
    for (let layer = top; layer > 0; layer -= 1) {
      const [kernel, stride, around, dilation] = state.layers[layer - 1];
      for (const { index: i, inside } of cone[layer]) {
        if (!inside) continue;
        const from = `${x(centres[layer](i)).toFixed(1)},${(y(layer) + side / 2).toFixed(1)}`;
        for (const below of windowPixels(i * stride - around, kernel, dilation)) {
          const to = `${x(centres[layer - 1](below)).toFixed(1)},${(y(layer - 1) - side / 2).toFixed(1)}`;
          lines_.push(`M${from}L${to}`);
        }
      }
    }
    put(wires, "d", lines_.join(""));

    // The theoretical field: a bracket under the pixels, open where it leaves the drawing.
    const [from, to] = [x(Math.max(first - 0.5, left)), x(Math.min(last + 0.5, right))];
    const under = bottom + 6;
    put(
      bracket,
      "d",
      `${first - 0.5 >= left ? `M${from},${under - 4}v4` : `M${from},${under}`}H${to}` +
        (last + 0.5 <= right ? "v-4" : ""),
    );
    [
      [first, from, "start"],
      [last, to, "end"],
    ].forEach(([value, at, anchor], i) => {
      const one = first === last && i === 1;
      ends[i].textContent = one ? "" : signed(value);
      put(ends[i], "x", at);
      put(ends[i], "y", under + 14);
      const narrow = to - from < 44; // no room for both numbers between the ends
      const outwards = anchor === "start" ? "end" : "start";
      put(ends[i], "text-anchor", first === last ? "start" : narrow ? outwards : anchor);
    });

    const paths = pathsOf(state, state.unit);
    const highest = Math.max(...paths, 1);
    [...bars.children].forEach((bar, i) => {
      const tall = state.effective ? (BARS * paths[i]) / highest : 0;
      put(bar, "class", i === pixel ? "cx-path-bar cx-now" : "cx-path-bar");
      put(bar, "x", (x(i) - side / 2).toFixed(2));
      put(bar, "y", under + 18);
      put(bar, "width", side.toFixed(2));
      put(bar, "height", tall.toFixed(2));
    });
    about.hidden = !state.effective;
  }

  function drawTable() {
    const counts = unitCounts(state);
    const fields = fieldsOf(state.layers);
    while (lines.length > state.layers.length) lines.pop().node.remove();
    while (lines.length < state.layers.length) {
      lines.push(createLine(lines.length + 1));
      body.append(lines[lines.length - 1].node);
    }
    const others = !same(tableFor, [state.image_size, state.layers]);
    tableFor = [state.image_size, state.layers];
    lines.forEach(({ node, selects, numbers }, l) => {
      node.classList.toggle("cx-current", l + 1 === state.unit[0]);
      selects.forEach((select, part) => {
        select.value = String(state.layers[l][part]);
        // A setting for which some window would not fit cannot be chosen.
        if (!others) return;
        for (const option of select.options) {
          const layers = withPart(l, part, Number(option.value));
          option.disabled = !fits({ ...state, layers });
        }
      });
      const { size: wide, jump, start } = fields[l + 1];
      [counts[l + 1], wide, jump, start].forEach((value, i) => setText(numbers[i], signed(value)));
    });
    addButton.disabled =
      lines.length >= MAX_LAYERS || !fits({ ...state, layers: [...state.layers, [3, 1, 1, 1]] });
    dropButton.disabled = lines.length <= 1;
    size.update(state.image_size, { lowest: leastImage(state) });
    toggle.box.checked = state.effective;
    const found = STACKS.find(
      ([, , n, layers]) => n === state.image_size && same(layers, state.layers),
    );
    preset.select.value = found?.[0] ?? "custom";
  }

  function drawReadout() {
    const steps = stepsOf(state.layers, state.unit[0]);
    const reads = unitText(state, state.unit);
    setText(said.unit, reads);
    const formulas = {
      size: "size before + (kernel − 1)·dilation·jump before",
      jump: "jump before · stride",
      start: "start before − padding·jump before",
    };
    for (const [name, formula] of Object.entries(formulas)) {
      said[name].replaceChildren(steps[name], el("span", { class: "cx-shapes" }, formula));
    }
    setText(said.effective, effectiveText(state, state.unit));
    effectiveTerm.hidden = said.effective.hidden = !state.effective;
    const pointed = pixel === null ? null : pixelText(state, state.unit, pixel);
    setText(said.pixel, pointed ?? "Point at a pixel to see how many paths lead from it.");
    announcer.say(pointed ?? `${reads} ${state.effective ? effectiveText(state, state.unit) : ""}`);
  }

  function draw() {
    if (pixel !== null && pixel >= state.image_size) pixel = null;
    if (active[0] === 0) active[1] = Math.min(active[1], state.image_size - 1);
    drawPicture();
    drawTable();
    drawReadout();
  }

  host.append(root);
  draw();
  let width = root.clientWidth;
  const onResize = new ResizeObserver(() => {
    if (root.clientWidth === width) return; // its height follows from the drawing itself
    width = root.clientWidth;
    drawPicture();
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
