// The picture of the flow: where everything stands at a width, and how it is painted.
/* From common.js and inside_cnn_network.js: el, range, clamp; LAYERS, SIZE, K, indexOf, below,
   fieldIn, explain, inkBox. */

// ---------------------------------------------------------------- where everything stands

/* For a width from `from` on, in pixels: the drawing, C1's and S2's kernels (per weight) and maps, the
   maps of C3 and S4, a unit of C5 and F6, the column of the outputs. */
const PLANS = [
  { from: 1000, pad: 256, k1: 6, c1: 84, s2: 84, k2: 4, small: 30, c5: 12, f6: 12, out: 130 },
  { from: 830, pad: 192, k1: 5, c1: 70, s2: 70, k2: 3, small: 25, c5: 10, f6: 10, out: 110 },
  { from: 650, pad: 160, k1: 4, c1: 56, s2: 42, k2: 2, small: 20, c5: 8, f6: 8, out: 96 },
  { from: 0, pad: 112, k1: 2, c1: 42, s2: 28, k2: 1, small: 15, c5: 5, f6: 5, out: 84 },
];
const HEAD = 54; // the columns' names
const GAP = 8; // between two maps of C1

/** Columns and rows of the picture at a width; `rect` finds each thing in it: [x, y, width, height]. */
export function layout(width) {
  const plan = PLANS.find(({ from }) => width >= from);
  const k2 = K * plan.k2 + (plan.k2 > 2 ? 3 : 1); // from one kernel of C3 to the next
  const widths = {
    input: plan.pad,
    "C1 kernels": K * plan.k1,
    C1: plan.c1,
    S2: plan.s2,
    "C3 kernels": 6 * k2,
    C3: plan.small,
    S4: plan.small,
    C5: 3 * plan.c5,
    F6: 2 * plan.f6,
    output: plan.out,
  };
  const all = Object.values(widths).reduce((sum, w) => sum + w, 0);
  const gap = Math.max((width - all) / (Object.keys(widths).length - 1), 3);
  const columns = {};
  let x = 0;
  for (const [name, w] of Object.entries(widths)) {
    columns[name] = { x, width: w };
    x += w + gap;
  }
  const height = 6 * (plan.c1 + GAP) - GAP;
  /** The middle of row `i` of `n` rows. */
  const middle = (i, n) => HEAD + ((i + 0.5) * height) / n;
  const around = (name, i, n, w, h = w) => {
    const column = columns[name];
    return [column.x + (column.width - w) / 2, middle(i, n) - h / 2, w, h];
  };
  const strip = (name, i, across, unit) => {
    const rows = LAYERS[indexOf(name)].maps / across;
    const tall = height / rows;
    return [
      columns[name].x + (i % across) * unit,
      HEAD + Math.floor(i / across) * tall,
      unit,
      tall,
    ];
  };
  const rect = (name, i = 0, source = 0) => {
    if (name === "input") return around(name, 0, 1, plan.pad);
    if (name === "C1 kernels") return around(name, i, 6, K * plan.k1);
    if (name === "C1") return around(name, i, 6, plan.c1);
    if (name === "S2") return around(name, i, 6, plan.s2);
    if (name === "C3 kernels") {
      const [left, top, , tall] = around(name, i, 16, 6 * k2, K * plan.k2);
      return [left + source * k2, top, K * plan.k2, tall];
    }
    if (name === "C3" || name === "S4") return around(name, i, 16, plan.small);
    if (name === "C5") return strip(name, i, 3, plan.c5);
    if (name === "F6") return strip(name, i, 2, plan.f6);
    return [columns.output.x, middle(i, 10) - height / 20, plan.out, height / 10];
  };
  return { plan, columns, gap, top: HEAD, height, total: HEAD + height, width, rect, middle };
}

/** What stands at a point of the picture: {layer, channel, position, source} or null. */
export function thingAt(place, x, y) {
  const inside = ([left, top, w, h]) => x >= left && x < left + w && y >= top && y < top + h;
  for (const { name, maps, size } of LAYERS.slice(1)) {
    for (let channel = 0; channel < maps; channel += 1) {
      const box = place.rect(name, channel);
      if (inside(box)) {
        const cell = (from, length, at) =>
          clamp(Math.floor(((at - from) / length) * size), 0, size - 1);
        return {
          layer: name,
          channel,
          position: [cell(box[1], box[3], y), cell(box[0], box[2], x)],
        };
      }
    }
  }
  for (const [name, maps, sources] of [
    ["C1 kernels", 6, 1],
    ["C3 kernels", 16, 6],
  ]) {
    for (let channel = 0; channel < maps; channel += 1) {
      for (let source = 0; source < sources; source += 1) {
        if (inside(place.rect(name, channel, source))) {
          return { layer: name.slice(0, 2), channel, source, position: null };
        }
      }
    }
  }
  return null;
}

/** For the tests: the columns, and for the middle of each thing what is found there. */
export function layoutForTests(width) {
  const place = layout(width);
  const hits = [];
  const look = (wanted, [x, y, w, h]) => hits.push([wanted, thingAt(place, x + w / 2, y + h / 2)]);
  for (const { name, maps } of LAYERS.slice(1)) {
    range(maps).forEach((channel) => look({ layer: name, channel }, place.rect(name, channel)));
  }
  for (const [layer, maps, sources] of [
    ["C1", 6, 1],
    ["C3", 16, 6],
  ]) {
    range(maps * sources).forEach((i) => {
      const [channel, source] = [Math.floor(i / sources), i % sources];
      look({ layer, channel, source }, place.rect(`${layer} kernels`, channel, source));
    });
  }
  return [Object.values(place.columns), hits];
}

// ---------------------------------------------------------------- painting

const PEN = 1.5; // radius in pixels of the input
const FULL = 0.6; // the share of a layer's strongest value that gets the full colour

/** A colour of the style sheet as [red, green, blue]. */
function createColourReader(root) {
  const canvas = el("canvas", { width: 1, height: 1 });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  return (name) => {
    pen.fillStyle = getComputedStyle(root).getPropertyValue(name);
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
}

/** 511 colours, for −1 to 1: opaque pixels as 32-bit numbers. */
function createScale(paper, above, below) {
  const mix = (a, b, t) => a.map((v, i) => Math.round(v + (b[i] - v) * t));
  return Uint32Array.from({ length: 511 }, (_, i) => {
    const t = (i - 255) / 255;
    const [r, g, b] = mix(paper, t < 0 ? below : above, Math.abs(t));
    return (255 << 24) | (b << 16) | (g << 8) | r;
  });
}

/** A picture of one pixel a number, to be drawn enlarged. */
function createSheet(width, height) {
  const canvas = el("canvas", { width, height });
  const pen = canvas.getContext("2d", { willReadFrequently: true }); // written by the processor
  const image = pen.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  return {
    canvas,
    /** Numbers row by row; `most` is the one that gets the full colour. */
    fill(numbers, most, scale) {
      for (let i = 0; i < pixels.length; i += 1) {
        const share = i < numbers.length ? numbers[i] / most : 0;
        pixels[i] = scale[255 + Math.round(255 * clamp(share, -1, 1))];
      }
      pen.putImageData(image, 0, 0);
    },
  };
}

/** The largest size of a number in a flat list, never 0; typed arrays have no `flat`. */
const mostOf = (numbers) => {
  let most = 1e-12;
  for (let i = 0; i < numbers.length; i += 1) most = Math.max(most, Math.abs(numbers[i]));
  return most;
};

/** The maps of a layer, as they are shown: after their ReLU, or before it. */
const mapsShown = (values, name, rectified) =>
  (!rectified && values[`${name} sum`]) || values[name];

/** A canvas made ready for a picture of this size in pixels of the page. */
function prepared(target, width, height) {
  const scale = Math.max(window.devicePixelRatio || 1, 1);
  const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
  if (target.width !== w || target.height !== h) {
    target.width = w;
    target.height = h;
  }
  const context = target.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.imageSmoothingEnabled = false;
  context.clearRect(0, 0, width, height);
  return context;
}

/** What paints the pictures of one explorer, in the colours of its style sheet. */
function createPainter(network) {
  const sheets = {
    input: createSheet(SIZE, SIZE),
    C1: createSheet(28, 6 * 28),
    S2: createSheet(14, 6 * 14),
    C3: createSheet(10, 16 * 10),
    S4: createSheet(5, 16 * 5),
    C5: createSheet(3, 40),
    F6: createSheet(2, 42),
    "C1 kernels": createSheet(K, 6 * K),
    "C3 kernels": createSheet(K, 96 * K),
    parts: createSheet(K, 2 * 16 * K), // the patches, then the kernels of a sum
  };
  const still = el("canvas"); // the wires and kernels, which no drawing changes
  const css = ([r, g, b], alpha = 1) => `rgba(${r}, ${g}, ${b}, ${alpha})`;
  const strongest = Object.fromEntries(
    Object.entries(network).map(([name, { weight }]) => [name, mostOf(weight)]),
  );
  let place = null;
  let colours = null;

  /** A wire from one thing's right side to another's left. */
  function wire(context, [x0, y0, w0, h0], [x1, y1, , h1]) {
    const [a, b] = [x0 + w0, y0 + h0 / 2];
    const [c, d] = [x1, y1 + h1 / 2];
    const bend = (c - a) * 0.5;
    context.beginPath();
    context.moveTo(a, b);
    context.bezierCurveTo(a + bend, b, c - bend, d, c, d);
    context.stroke();
  }

  /** What no drawing changes: faint wires, the kernels. */
  function drawStill() {
    const { rect, width, total, columns, height } = place;
    const context = prepared(still, width, total);
    const { line } = colours;
    context.lineWidth = 1;
    context.strokeStyle = css(line, 0.35);
    for (let map = 0; map < 6; map += 1) {
      wire(context, rect("input"), rect("C1 kernels", map));
      wire(context, rect("C1 kernels", map), rect("C1", map));
      wire(context, rect("C1", map), rect("S2", map));
    }
    context.strokeStyle = css(line, 0.1);
    const row = (map) => {
      const [x, y, , h] = rect("C3 kernels", map);
      return [x, y, columns["C3 kernels"].width, h];
    };
    for (let map = 0; map < 16; map += 1) {
      for (let from = 0; from < 6; from += 1) wire(context, rect("S2", from), row(map));
    }
    context.strokeStyle = css(line, 0.35);
    for (let map = 0; map < 16; map += 1) {
      wire(context, row(map), rect("C3", map));
      wire(context, rect("C3", map), rect("S4", map));
    }
    // One wire for each pair would be 1,920, 10,080 and 840: some are enough.
    const sides = (name, rows) =>
      range(rows).map((i) => {
        const tall = height / rows;
        return [columns[name].x, HEAD + i * tall, columns[name].width, tall];
      });
    for (const [from, rows, to, others, alpha] of [
      ["S4", 16, "C5", 20, 0.06],
      ["C5", 20, "F6", 21, 0.05],
      ["F6", 21, "output", 10, 0.08],
    ]) {
      context.strokeStyle = css(line, alpha);
      for (const a of sides(from, rows)) for (const b of sides(to, others)) wire(context, a, b);
    }
    sheets["C1 kernels"].fill(network.C1.weight, FULL * strongest.C1, colours.scale);
    sheets["C3 kernels"].fill(network.C3.weight, FULL * strongest.C3, colours.scale);
    const kernelPicture = (name, map, source, sheet, index) => {
      const [x, y, w, h] = rect(name, map, source);
      context.drawImage(sheet.canvas, 0, index * K, K, K, x, y, w, h);
      context.strokeStyle = css(line, 0.45);
      context.strokeRect(x - 0.5, y - 0.5, w + 1, h + 1);
    };
    range(6).forEach((map) => kernelPicture("C1 kernels", map, 0, sheets["C1 kernels"], map));
    range(96).forEach((i) =>
      kernelPicture("C3 kernels", Math.floor(i / 6), i % 6, sheets["C3 kernels"], i),
    );
  }

  /** A frame that is seen on any colour. */
  function frame(context, [x, y, w, h], thick = 1.5) {
    const { paper, ink } = colours;
    context.strokeStyle = css(paper, 0.9);
    context.lineWidth = thick + 2;
    context.strokeRect(x, y, w, h);
    context.strokeStyle = css(ink);
    context.lineWidth = thick;
    context.strokeRect(x, y, w, h);
  }

  /** A box of a layer's pixels in one of its maps. */
  function boxIn(name, channel, [top, left, height, width]) {
    const [x, y, w, h] = place.rect(name, channel);
    const { size } = LAYERS[indexOf(name)];
    return [x + (left * w) / size, y + (top * h) / size, (width * w) / size, (height * h) / size];
  }

  /** The two lines from a field to the unit that looks at it, and what is between them. */
  function cone(context, [x, y, w, h], [ux, uy, , uh], alpha = 0.16) {
    const { above, ink } = colours;
    context.beginPath();
    context.moveTo(x + w, y);
    context.lineTo(ux, uy);
    context.lineTo(ux, uy + uh);
    context.lineTo(x + w, y + h);
    context.closePath();
    context.fillStyle = css(above, alpha);
    context.fill();
    context.strokeStyle = css(ink, 0.55);
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x + w, y);
    context.lineTo(ux, uy);
    context.moveTo(x + w, y + h);
    context.lineTo(ux, uy + uh);
    context.stroke();
  }

  /** Wires of a fully connected unit: thick where weight × value is large, dashed where negative. */
  function wires(context, parts, boxes, to, alpha) {
    const { above, below: orange } = colours;
    const most = mostOf(parts);
    parts.forEach((part, i) => {
      const share = Math.abs(part) / most;
      if (share < 0.04) return;
      context.lineWidth = 0.5 + 2 * share;
      context.strokeStyle = css(part < 0 ? orange : above, alpha * (0.15 + 0.85 * share));
      context.setLineDash(part < 0 ? [4, 3] : []);
      wire(context, boxes[i], to);
    });
    context.setLineDash([]);
  }

  const productsOf = ({ parts }) =>
    parts.length > 1
      ? parts.map(({ sum }) => sum)
      : parts[0].values.map((v, i) => v * parts[0].weights[i]);

  /**
   * Everything from C1's kernels to the wires of the outputs, and what makes one unit; while numbers
   * are on their way, only what lies to the left of `front`.
   */
  function drawFlow(canvas, { unit, values, image, rectified, front }) {
    const { rect, width, total, columns } = place;
    const { line, scale } = colours;
    const context = prepared(canvas, width, total);
    context.save();
    context.setTransform(1, 0, 0, 1, 0, 0);
    if (still.width) context.drawImage(still, 0, 0);
    context.restore();
    context.imageSmoothingEnabled = false;

    // Always: what speaks for the winner. Then what makes the unit that is looked at.
    const winner = values.probabilities.indexOf(Math.max(...values.probabilities));
    const units = (name) => range(LAYERS[indexOf(name)].maps).map((i) => rect(name, i));
    const speak = (layer, channel, alpha) => {
      const one = explain(network, values, { layer, channel, position: [0, 0] });
      wires(context, productsOf(one), units(below(layer).name), rect(layer, channel), alpha);
    };
    const arrived = front === Infinity;
    if (arrived && inkBox(image) && unit.layer !== "output") speak("output", winner, 0.45);
    if (arrived && LAYERS[indexOf(unit.layer)].kind === "full")
      speak(unit.layer, unit.channel, 0.9);

    for (const { name, maps, size } of LAYERS.slice(1, 7)) {
      const numbers = mapsShown(values, name, rectified);
      sheets[name].fill(numbers, FULL * Math.max(mostOf(numbers), 1), scale); // a bias alone: pale
      const paint = (from, [x, y, w, h]) => {
        if (arrived) {
          context.drawImage(sheets[name].canvas, ...from, x, y, w, h);
          return;
        }
        context.fillStyle = css(colours.paper);
        context.fillRect(x, y, w, h);
        context.save();
        context.beginPath();
        context.rect(0, 0, front, total);
        context.clip();
        context.drawImage(sheets[name].canvas, ...from, x, y, w, h);
        context.restore();
      };
      if (size === 1) {
        const { x, width: w } = columns[name];
        const { width: across, height: rows } = sheets[name].canvas;
        paint([0, 0, across, rows], [x, HEAD, w, place.height]);
        context.strokeStyle = css(line, 0.45);
        context.lineWidth = 1;
        context.strokeRect(x - 0.5, HEAD - 0.5, w + 1, place.height + 1);
        continue;
      }
      for (let map = 0; map < maps; map += 1) {
        const [x, y, w, h] = rect(name, map);
        paint([0, map * size, size, size], [x, y, w, h]);
        context.strokeStyle = css(line, 0.45);
        context.lineWidth = 1;
        context.strokeRect(x - 0.5, y - 0.5, w + 1, h + 1);
      }
    }

    if (!arrived) {
      const glow = context.createLinearGradient(front - 90, 0, front, 0);
      glow.addColorStop(0, css(colours.above, 0));
      glow.addColorStop(1, css(colours.above, 0.22));
      context.fillStyle = glow;
      context.fillRect(front - 90, HEAD, 90, total - HEAD);
      return;
    }

    // The unit, what it sees in every layer before it, and the lines between.
    const { layer, channel, position } = unit;
    const { size, kind } = LAYERS[indexOf(layer)];
    const here = boxIn(layer, channel, [...position, 1, 1]);
    const lower = below(layer).name;
    if (kind === "conv") {
      const row = rect(`${layer} kernels`, channel);
      const wide = columns[`${layer} kernels`].width;
      const kernels = [layer === "C1" ? row[0] : columns["C3 kernels"].x, row[1], wide, row[3]];
      const field = fieldIn(lower, layer, position);
      if (lower !== "input") {
        range(LAYERS[indexOf(lower)].maps).forEach((map) =>
          cone(context, boxIn(lower, map, field), kernels, 0.07),
        );
      } else {
        cone(context, boxIn(lower, 0, field), kernels);
      }
      cone(context, kernels, here, 0.2);
      frame(context, [kernels[0] - 1, kernels[1] - 1, kernels[2] + 2, kernels[3] + 2]);
    } else if (kind === "pool") {
      cone(context, boxIn(lower, channel, fieldIn(lower, layer, position)), here);
    }
    for (const earlier of LAYERS.slice(1, indexOf(layer))) {
      if (earlier.size === 1) continue;
      const field = fieldIn(earlier.name, layer, position);
      // Until the channels mix, a unit sees one map; after that, all of them.
      const mixed = LAYERS.slice(indexOf(earlier.name) + 1, indexOf(layer) + 1).some(
        ({ kind: between }) => between !== "pool",
      );
      const seen = mixed ? range(earlier.maps) : [channel];
      const whole = field[2] === earlier.size; // it sees all of every map: no need to insist
      context.strokeStyle = css(colours.ink, 0.7);
      context.lineWidth = 1;
      seen.forEach((map) => {
        const box = boxIn(earlier.name, map, field);
        if (whole) context.strokeRect(...box);
        else frame(context, box);
      });
    }
    if (size > 1) {
      const [x, y, w, h] = rect(layer, channel);
      frame(context, [x - 1.5, y - 1.5, w + 3, h + 3], 2);
    }
    frame(context, here, 2);
  }

  /** The drawing, what the unit sees of it, and the pen of the keyboard. */
  function drawPad(canvas, { unit, image, pen, busy, digitSize }) {
    const side = place.plan.pad;
    const context = prepared(canvas, side, side);
    const { line, ink, above } = colours;
    sheets.input.fill(image, 1, colours.inkScale);
    context.drawImage(sheets.input.canvas, 0, 0, side, side);
    if (!inkBox(image)) {
      // As large as the held-back digits.
      const guide = (side * digitSize) / SIZE - 4;
      context.strokeStyle = css(line, 0.7);
      context.setLineDash([4, 4]);
      context.strokeRect((side - guide) / 2, (side - guide) / 2, guide, guide);
      context.setLineDash([]);
    }
    const [top, left, height, width] = fieldIn("input", unit.layer, unit.position);
    if (!busy) {
      const step = side / SIZE;
      const box = [left * step, top * step, width * step, height * step];
      context.fillStyle = css(above, 0.12);
      context.fillRect(...box);
      if (unit.layer === "C1") {
        const [x, y] = place.rect("input");
        context.save();
        context.translate(-x, -y);
        cone(
          context,
          boxIn("input", 0, [top, left, height, width]),
          place.rect("C1 kernels", unit.channel),
        );
        context.restore();
      }
      frame(context, height === SIZE ? [2, 2, side - 4, side - 4] : box, 2);
    }
    if (pen.shown) {
      const [r, c] = pen.at.map((n) => (n / SIZE) * side);
      const radius = (PEN / SIZE) * side + 2;
      context.lineWidth = 2;
      context.strokeStyle = css(pen.down ? above : ink);
      context.fillStyle = css(above, pen.down ? 0.9 : 0.15);
      context.beginPath();
      context.arc(c, r, radius, 0, 2 * Math.PI);
      context.fill();
      context.stroke();
      context.beginPath();
      context.moveTo(c - radius - 5, r);
      context.lineTo(c + radius + 5, r);
      context.moveTo(c, r - radius - 5);
      context.lineTo(c, r + radius + 5);
      context.stroke();
    }
  }

  return {
    strongest,
    /** Take the colours from the style sheet, and places for a width. */
    prepare(root, width) {
      const readColour = createColourReader(root);
      const [paper, ink, line] = ["--cx-paper", "--cx-ink", "--cx-quiet"].map(readColour);
      const [above, below_] = ["--cx-above", "--cx-below"].map(readColour);
      const [most, least] = ["--cx-full-above", "--cx-full-below"].map(readColour);
      const scale = createScale(paper, most, least);
      const inkScale = createScale(paper, ink, least);
      colours = { paper, ink, line, above, below: below_, scale, inkScale };
      place = layout(width);
      drawStill();
      return place;
    },
    drawFlow,
    drawPad,
    /** A held-back digit, small. */
    drawThumb(canvas, image) {
      const sheet = createSheet(SIZE, SIZE);
      sheet.fill(image, 1, colours.inkScale);
      canvas.getContext("2d").drawImage(sheet.canvas, 0, 0);
    },
    /** For each part of a sum its patch × its kernel, small. */
    drawParts(canvases, parts, mostValue, mostWeight) {
      const scaled = (numbers, most) => numbers.map((number) => number / (FULL * most));
      sheets.parts.fill(
        [
          ...parts.flatMap(({ values }) => scaled(values, mostValue)),
          ...parts.flatMap(({ weights }) => scaled(weights, mostWeight)),
        ],
        1,
        colours.scale,
      );
      parts.forEach((_, i) => {
        const context = prepared(canvases[i], 60, 24);
        context.drawImage(sheets.parts.canvas, 0, i * K, K, K, 1, 1, 22, 22);
        context.drawImage(sheets.parts.canvas, 0, (parts.length + i) * K, K, K, 37, 1, 22, 22);
        context.strokeStyle = css(colours.line, 0.6);
        context.strokeRect(0.5, 0.5, 23, 23);
        context.strokeRect(36.5, 0.5, 23, 23);
        context.beginPath(); // a ×
        for (const [from, to] of [
          [9, 15],
          [15, 9],
        ]) {
          context.moveTo(27, from);
          context.lineTo(33, to);
        }
        context.stroke();
      });
    },
  };
}
