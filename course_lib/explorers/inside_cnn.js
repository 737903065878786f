// Chapter 06: a digit, drawn or taken from those held back, flows through a trained LeNet-5.
//
// The state is the widget's: image (32 × 32 numbers from 0, paper, to 1, ink), digit (which of the
// held-back digits that is, or null), layer, channel and position of the unit whose sum is shown,
// source (which of the maps below is opened in that sum), rectified (maps after their ReLU),
// digit_size (of the held-back digits) and score (how many of them it recognises, of how many). The
// weights and the held-back digits come with it. Everything drawn follows from these, in the page.
/* From common.js: el, setText, createRoot, createButton, createCheck, createAnnouncer, linkModel,
   readState, changedPart, same, formatNumber, range, clamp; from inside_cnn_network.js the network,
   the pictures and the words; from inside_cnn_flow.js layout, thingAt, createPainter; from
   inside_cnn_sum.js createSum. */

const NAMES = [
  ...["image", "digit", "layer", "channel", "position", "source", "rectified"],
  ...["digit_size", "score"],
];
const SHORT = 700; // milliseconds that the numbers of another digit take to the outputs
const LONG = 3500; // the same, to be watched
const HINT =
  "Draw with the mouse or a finger. Point at any map, kernel or unit to see the sum behind it; click " +
  "to keep it. By keyboard: Tab goes from layer to layer, the arrow keys walk in a map, Page Up and " +
  "Page Down change the map; on the drawing, the arrow keys move the pen and Space lowers and lifts it.";

function render({ model, el: host }) {
  const network = decode(model.get("weights"));
  const digits = model.get("digits");
  const values = createValues();
  let image = Float32Array.from(model.get("image").flat());
  let state = settled(read());
  let pointed = null; // the unit under the pointer
  let erasing = false;
  let pen = { at: [16, 16], down: false, shown: false };
  const painter = createPainter(network);
  let place = null; // where everything stands, once the width is known
  let news = "unit"; // what changed last, for a screen reader
  let front = Infinity; // how far numbers on their way have come, in pixels
  let frame = null;

  const link = linkModel(model, NAMES, () => {
    image = Float32Array.from(model.get("image").flat());
    state = settled(read());
    compute();
    draw();
  });

  function read() {
    return readState(model, NAMES.slice(1));
  }

  function compute() {
    forward(network, image, values);
  }

  function change(patch) {
    const next = settled({ ...state, ...patch });
    const changed = changedPart(NAMES.slice(1), next, state);
    state = next;
    news = "unit";
    draw();
    if (Object.keys(changed).length) link.push(changed);
  }

  /** Let the numbers run from left to right; whoever wants no motion sees them arrived. */
  function send(milliseconds) {
    cancelAnimationFrame(frame);
    front = Infinity;
    if (window.matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const start = performance.now();
    const from = place.columns["C1 kernels"].x - place.gap;
    const step = (now) => {
      front = from + ((place.width - from) * (now - start)) / milliseconds;
      if (front < place.width) {
        frame = requestAnimationFrame(step);
        drawNumbers();
      } else {
        front = Infinity;
        draw();
      }
    };
    front = from;
    frame = requestAnimationFrame(step);
  }

  /** Another picture: drawn (no digit), or one of those held back. */
  function show(next, digit = null) {
    image = next;
    state = { ...state, digit };
    if (digit === null) {
      cancelAnimationFrame(frame);
      front = Infinity;
    } else {
      send(SHORT);
    }
    news = "verdict";
    compute();
    draw();
    link.push({ digit, image: rowsOf(image) });
  }

  // -- the drawing
  const pad = el("canvas", {
    class: "cx-pad",
    tabindex: 0,
    role: "application",
    "aria-label":
      "drawing, 32 by 32 pixels: arrow keys move the pen, with Shift by four pixels, " +
      "Space lowers and lifts it, Delete clears",
  });
  const under = (event) => {
    const box = pad.getBoundingClientRect();
    return [
      ((event.clientY - box.top) / box.height) * SIZE,
      ((event.clientX - box.left) / box.width) * SIZE,
    ];
  };
  let last = null; // where the pen was, while a button is held
  pad.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    pad.setPointerCapture(event.pointerId);
    last = under(event);
    show(inked(image, last, last, PEN, erasing));
  });
  pad.addEventListener("pointermove", (event) => {
    if (!last) return;
    const at = under(event);
    show(inked(image, last, at, PEN, erasing));
    last = at;
  });
  for (const type of ["pointerup", "pointercancel"]) {
    pad.addEventListener(type, () => {
      last = null;
      draw();
    });
  }
  pad.addEventListener("focus", () => {
    pen.shown = pad.matches(":focus-visible");
    draw();
  });
  pad.addEventListener("blur", () => {
    pen = { ...pen, down: false, shown: false };
    draw();
  });
  pad.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? 4 : 1;
    const move = {
      ArrowLeft: [0, -step],
      ArrowRight: [0, step],
      ArrowUp: [-step, 0],
      ArrowDown: [step, 0],
    }[event.key];
    if (move) {
      const before = pen.at;
      pen = { ...pen, shown: true, at: before.map((n, i) => clamp(n + move[i], 0, SIZE)) };
      if (pen.down) show(inked(image, before, pen.at, PEN, erasing));
      else draw();
    } else if (event.key === " ") {
      pen = { ...pen, shown: true, down: !pen.down };
      if (pen.down) show(inked(image, pen.at, pen.at, PEN, erasing));
      else draw();
    } else if (event.key === "Delete" || event.key === "Backspace") {
      show(new Float32Array(SIZE * SIZE));
    } else {
      return;
    }
    event.preventDefault();
  });

  const eraser = createButton("Erase", () => {
    erasing = !erasing;
    eraser.setAttribute("aria-pressed", String(erasing));
  });
  eraser.setAttribute("aria-pressed", "false");

  // -- the held-back digits: one button for each class, and one for those the network gets wrong
  const first = range(10).map((label) => digits.findIndex((text) => Number(text[0]) === label));
  const thumbs = range(10).map((label) => {
    const picture = el("canvas", { width: SIZE, height: SIZE, "aria-hidden": "true" });
    const button = el(
      "button",
      { class: "cx-thumb-button", type: "button", "aria-label": `a held-back ${label}` },
      picture,
    );
    button.title = `a held-back ${label}; again for another`;
    let turn = first[label];
    button.addEventListener("click", () => {
      if (state.digit === turn) {
        const next = digits.findIndex((text, i) => Number(text[0]) === label && i > turn);
        turn = next < 0 ? first[label] : next;
      }
      show(enlarge(digits[turn], state.digit_size), turn);
    });
    return { button, picture };
  });
  const mistake = createButton("", () => {
    const from = state.digit ?? -1;
    for (let i = 1; i <= digits.length; i += 1) {
      const index = (from + i) % digits.length;
      const picture = enlarge(digits[index], state.digit_size);
      const { probabilities } = forward(network, picture, trial);
      if (probabilities.indexOf(Math.max(...probabilities)) !== Number(digits[index][0])) {
        show(picture, index);
        return;
      }
    }
  });
  const trial = createValues();
  const titled = (title, text, onClick) => {
    const button = createButton(text, onClick);
    button.title = title;
    return button;
  };
  const shelf = el(
    "div",
    { class: "cx-shelf", role: "group", "aria-label": "held-back digits" },
    el("div", { class: "cx-caption" }, "take a held-back digit"),
    el("div", { class: "cx-thumbs" }, ...thumbs.map(({ button }) => button)),
    el("div", { class: "cx-caption" }, "or draw one"),
  );
  const tools = el(
    "div",
    { class: "cx-tools" },
    titled("an empty picture", "Clear", () => show(new Float32Array(SIZE * SIZE))),
    titled("as large as the held-back digits, and in the middle", "Centre", () =>
      show(centred(image, state.digit_size)),
    ),
    eraser,
    titled("layer by layer, from left to right", "Watch it flow", () => {
      send(LONG);
      draw();
    }),
    mistake,
  );

  // -- the flow: one canvas for the picture, and elements over it for the keyboard and for words
  const canvas = el("canvas", { class: "cx-flow-picture", "aria-hidden": "true" });
  // Title, how many, of what size; narrow columns leave the noun out.
  const heads = {
    input: ["Input", "1", " channel", "32×32"],
    "C1 kernels": ["kernels", "6", "", "5×5"],
    C1: ["C1", "6", " maps", "28×28"],
    S2: ["S2", "6", " maps", "14×14"],
    "C3 kernels": ["kernels", "16 × 6", "", "5×5"],
    C3: ["C3", "16", " maps", "10×10"],
    S4: ["S4", "16", " maps", "5×5"],
    C5: ["C5", "120", "", "units"],
    F6: ["F6", "84", "", "units"],
    output: ["Output", "10", " classes", "softmax"],
  };
  const headings = Object.fromEntries(
    Object.entries(heads).map(([name, [title, count, noun, size]]) => [
      name,
      el(
        "div",
        { class: "cx-head", "aria-hidden": "true" },
        el("b", {}, title),
        el("span", {}, count, el("span", { class: "cx-noun" }, noun)),
        el("span", {}, size),
      ),
    ]),
  );
  const spots = {}; // layer → its maps' elements; C5 and F6 have one for all their units
  const classes = []; // the ten outputs: {row, fill, share}
  for (const { name, kind, maps, size } of LAYERS.slice(1)) {
    if (name === "output") {
      spots[name] = range(10).map((channel) => {
        const fill = el("i");
        const share = el("span", { class: "cx-percent" });
        const row = el(
          "div",
          { class: "cx-class", role: "application", "data-layer": name, "data-channel": channel },
          el("span", { class: "cx-class-name" }, String(channel)),
          el("span", { class: "cx-class-bar" }, fill),
          share,
        );
        classes.push({ row, fill, share });
        return row;
      });
      continue;
    }
    const one = kind === "full";
    spots[name] = range(one ? 1 : maps).map((channel) =>
      el("div", {
        class: "cx-spot",
        role: "application",
        "data-layer": name,
        "data-channel": one ? "" : channel,
        "aria-label": one
          ? `${name}: ${maps} units, arrow keys walk`
          : `${name}, map ${channel} of ${maps}, ${size} by ${size}: arrow keys walk, ` +
            "Page Up and Page Down change the map",
      }),
    );
  }
  const flow = el(
    "div",
    { class: "cx-flow" },
    canvas,
    shelf,
    pad,
    tools,
    ...Object.values(headings),
    ...Object.values(spots).flat(),
  );

  const unitAt = (event) => {
    const box = flow.getBoundingClientRect();
    const found = thingAt(place, event.clientX - box.left, event.clientY - box.top);
    if (!found) return null;
    const middle = LAYERS[indexOf(found.layer)].size >> 1;
    const position =
      found.position ?? (found.layer === state.layer ? state.position : [middle, middle]);
    return { source: state.source, ...found, position };
  };
  flow.addEventListener("pointermove", (event) => {
    if (last) return;
    const next = event.target === pad ? null : unitAt(event);
    if (same(next, pointed)) return;
    pointed = next;
    draw();
  });
  flow.addEventListener("pointerleave", () => {
    if (!pointed) return;
    pointed = null;
    draw();
  });
  flow.addEventListener("click", (event) => {
    const found = unitAt(event);
    if (!found) return;
    change(found);
    spotOf(state).focus({ preventScroll: true });
  });
  const spotOf = ({ layer, channel }) => spots[layer][spots[layer].length > 1 ? channel : 0];
  flow.addEventListener("focusin", (event) => {
    const { layer, channel } = event.target.dataset;
    if (layer === undefined || !event.target.matches(":focus-visible")) return;
    if (layer === state.layer) return;
    const { size } = LAYERS[indexOf(layer)];
    change({ layer, channel: Number(channel), position: [size >> 1, size >> 1] });
  });
  flow.addEventListener("keydown", (event) => {
    const { layer } = event.target.dataset;
    if (layer === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    const { maps, size } = LAYERS[indexOf(layer)];
    const [r, c] = state.position;
    const across = { C5: 3, F6: 2 }[layer] ?? 1;
    const walk = (step) => ({ channel: clamp(state.channel + step, 0, maps - 1) });
    const patch =
      size > 1
        ? {
            ArrowLeft: { position: [r, c - 1] },
            ArrowRight: { position: [r, c + 1] },
            ArrowUp: { position: [r - 1, c] },
            ArrowDown: { position: [r + 1, c] },
            PageUp: walk(-1),
            PageDown: walk(1),
          }[event.key]
        : {
            ArrowLeft: walk(-1),
            ArrowRight: walk(1),
            ArrowUp: walk(-across),
            ArrowDown: walk(across),
            PageUp: walk(-1),
            PageDown: walk(1),
          }[event.key];
    if (!patch) return;
    event.preventDefault();
    pointed = null;
    change({ layer, ...patch });
    const next = spotOf(state);
    if (next !== event.target) next.focus();
  });

  // -- under the flow: the scale, a setting
  const before = createCheck({
    label: "maps before their ReLU",
    onChange: (checked) => change({ rectified: !checked }),
  });
  const legend = el(
    "div",
    { class: "cx-legend" },
    el("span", {}, "below 0"),
    el("i", { class: "cx-scale", "aria-hidden": "true" }),
    el("span", {}, "above 0; full colour: the strongest values of a layer"),
    before.root,
  );

  const sum = createSum({
    painter,
    onSource: (source) => {
      const unit = pointed ?? state;
      pointed = null;
      change({ ...unit, source });
    },
  });
  const score = el("span");
  const verdict = el("p", { class: "cx-verdict" });
  const announcer = createAnnouncer();
  const root = createRoot(
    "inside",
    verdict,
    flow,
    legend,
    sum.root,
    el("p", { class: "cx-hint" }, HINT, score),
    announcer.root,
  );

  // -- drawing
  /** Place everything for the width there is. */
  function arrange() {
    place = painter.prepare(root, Math.max(flow.clientWidth, 300));
    const { rect, columns, plan, total } = place;
    flow.style.height = `${total}px`;
    flow.dataset.plan = plan.from;
    const stand = (node, [x, y, w, h]) => {
      node.style.left = `${x}px`;
      node.style.top = `${y}px`;
      node.style.width = `${w}px`;
      node.style.height = `${h}px`;
    };
    for (const [name, node] of Object.entries(headings)) {
      const { x, width: w } = columns[name];
      const wide = w + place.gap - 2;
      const left = name === "input" ? x : name === "output" ? x : x + w / 2 - wide / 2;
      stand(node, [left, 0, name === "input" || name === "output" ? w : wide, HEAD - 8]);
    }
    const [x, y, w] = rect("input");
    stand(pad, [x, y, w, w]);
    stand(shelf, [x, HEAD, w, y - HEAD]);
    stand(tools, [x, y + w + 10, w, 0]);
    for (const { name, maps } of LAYERS.slice(1)) {
      if (spots[name].length === 1) {
        const [left, top] = rect(name, 0);
        const [right, bottom, unit, tall] = rect(name, maps - 1);
        stand(spots[name][0], [left, top, right + unit - left, bottom + tall - top]);
      } else {
        spots[name].forEach((node, channel) => stand(node, rect(name, channel)));
      }
    }
    thumbs.forEach(({ picture }, label) =>
      painter.drawThumb(picture, enlarge(digits[first[label]], 32)),
    );
    draw();
  }

  function drawNumbers() {
    const unit = pointed ?? state;
    painter.drawFlow(canvas, { unit, values, image, rectified: state.rectified, front });
    for (const [name, node] of Object.entries(headings)) {
      const { x, width } = place.columns[name];
      node.classList.toggle("cx-passing", front >= x && front < x + width + place.gap);
    }
    drawClasses();
  }

  function drawClasses() {
    const { probabilities, output } = values;
    const here = front > place.columns.output.x; // have the numbers come so far?
    const told = here && inkBox(image) !== null;
    const winner = told ? probabilities.indexOf(Math.max(...probabilities)) : -1;
    classes.forEach(({ row, fill, share }, i) => {
      fill.style.width = here ? `${(100 * probabilities[i]).toFixed(1)}%` : 0;
      const text = percent(probabilities[i]).replace("under ", "<").replace("over ", ">");
      setText(share, here ? text : "");
      row.classList.toggle("cx-winner", i === winner);
      row.classList.toggle("cx-current", state.layer === "output" && state.channel === i);
      row.setAttribute(
        "aria-label",
        `output ${i}: ${percent(probabilities[i])}, logit ${formatNumber(output[i])}`,
      );
    });
  }

  function draw() {
    const unit = pointed ?? state;
    const { rectified } = state;
    const busy = last !== null;
    drawNumbers();
    painter.drawPad(pad, { unit, image, pen, busy, digitSize: state.digit_size });
    sum.draw({ unit, found: explain(network, values, unit), values, rectified, busy });
    for (const [name, nodes] of Object.entries(spots)) {
      const stop = name === state.layer && nodes.length > 1 ? state.channel : 0;
      nodes.forEach((node, i) => {
        if (node.tabIndex !== (i === stop ? 0 : -1)) node.tabIndex = i === stop ? 0 : -1;
      });
    }
    before.box.checked = !state.rectified;
    const [right, of] = state.score;
    mistake.disabled = right === of;
    setText(mistake, right === of ? "No mistakes" : `One of its ${of - right} mistakes`);
    setText(score, ` This network recognises ${right} of the ${of} held-back digits.`);
    thumbs.forEach(({ button }, label) => {
      const chosen = state.digit !== null && Number(digits[state.digit][0]) === label;
      button.setAttribute("aria-pressed", String(chosen));
    });
    const label = state.digit === null ? null : Number(digits[state.digit][0]);
    const words = verdictText(values.probabilities, inkBox(image) !== null, label);
    setText(verdict, front === Infinity ? words : "The numbers are on their way …");
    const { value } = explain(network, values, state);
    announcer.say(news === "verdict" ? words : `${unitName(state)} is ${formatNumber(value)}`);
  }

  host.append(root);
  compute();
  arrange();
  // Also when it is shown for the first time, and has a width and colours.
  const sizes = new ResizeObserver(() => {
    if (Math.max(flow.clientWidth, 300) !== place.width) arrange();
  });
  sizes.observe(flow);
  const themes = new MutationObserver(arrange);
  themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  return () => {
    sizes.disconnect();
    themes.disconnect();
    cancelAnimationFrame(frame);
    announcer.stop();
    link.stop();
    root.remove();
  };
}

export default { render };
