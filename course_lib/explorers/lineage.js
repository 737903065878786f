// Chapter 07: the landmark networks on a timeline, their stages, and numbers through their blocks.
//
// The state is the widget's: measure (what the timeline's height shows), model, stage and block
// (what is looked at), step (how many steps of the block the small numbers have taken) and zero
// (whether all its weights are 0).
/* From common.js: formatCount, range, same, changedPart, el, createRoot, setText, put, svg,
   createSelect, createCheck, createButton, createAnnouncer, readState, linkModel; from
   lineage_networks.js NETWORKS, CONSTRAINTS, MEASURES, shortCount, networkOf, stageOf, blockOf,
   settled, shapeText, seesText, stageText, outlineText, stepText, placesOf; from lineage_numbers.js
   smallNumbers, arithmeticText, zeroText; from lineage_plan.js createPlan. */

const NAMES = ["measure", "model", "stage", "block", "step", "zero"];
const HEIGHT = 290; // of the timeline
const HINT =
  "Choose a network, then a stage, then a block: with the pointer, or with Tab and the arrow " +
  "keys. A line leads from what a network builds on.";
const PACE = 1100; // milliseconds from one step to the next

/**
 * Things of which one is chosen: the arrow keys move the choice, Tab leaves it. `items` lists the
 * elements in their order, `show(index)` marks the one that is chosen.
 */
function createChoice(root, onChoose) {
  const choice = { items: [] };
  const indexOf = (target) => choice.items.findIndex((item) => item.contains(target));
  root.addEventListener("click", (event) => {
    const index = indexOf(event.target);
    if (index >= 0) onChoose(index);
  });
  root.addEventListener("keydown", (event) => {
    const index = indexOf(event.target);
    if (index < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    const last = choice.items.length - 1;
    const moves = {
      ArrowLeft: Math.max(index - 1, 0),
      ArrowUp: Math.max(index - 1, 0),
      ArrowRight: Math.min(index + 1, last),
      ArrowDown: Math.min(index + 1, last),
      Home: 0,
      End: last,
      Enter: index,
      " ": index,
    };
    if (moves[event.key] === undefined) return;
    event.preventDefault();
    onChoose(moves[event.key]);
    choice.items[moves[event.key]]?.focus();
  });
  choice.show = (index) =>
    choice.items.forEach((item, i) => {
      put(item, "aria-checked", String(i === index));
      put(item, "tabindex", i === index ? 0 : -1);
    });
  return choice;
}

function render({ model, el: host }) {
  let state = settled(readState(model, NAMES));
  let cell = null; // the small number pointed at: [step, row, column]
  let timer = null;
  const link = linkModel(model, NAMES, () => {
    stop();
    state = settled(readState(model, NAMES));
    cell = null;
    draw();
  });

  function change(patch) {
    const others = ["model", "stage", "block"].some(
      (name) => name in patch && patch[name] !== state[name],
    );
    const full = state.step > 0 && state.step === blockOf(state).count;
    // Another block starts anew, or is shown whole as the one before was.
    const next = settled({ ...state, ...(others ? { step: full ? 99 : 0 } : {}), ...patch });
    if (others) {
      stop();
      cell = null;
    }
    const changed = changedPart(NAMES, next, state);
    state = next;
    draw();
    if (Object.keys(changed).length) link.push(changed);
  }

  // -- the timeline
  const measure = createSelect({
    label: "Height",
    options: MEASURES.map(([id, name]) => [id, name]),
    onChange: (id) => change({ measure: id }),
  });
  const legend = el(
    "div",
    { class: "cx-marks" },
    ...CONSTRAINTS.map(([, name, path]) =>
      el(
        "span",
        {},
        svg("svg", { viewBox: "-9 -9 18 18", "aria-hidden": "true" }, svg("path", { d: path })),
        name,
      ),
    ),
  );
  const axis = svg("g", { class: "cx-axis", "aria-hidden": "true" });
  const lines = svg("g", { class: "cx-kin", "aria-hidden": "true" });
  const marks = NETWORKS.map((network) => {
    const path = CONSTRAINTS.find(([id]) => id === network.answers[0])[2];
    const shape = svg("path", { d: path });
    const text = svg("text");
    text.textContent = network.label;
    const hit = svg("circle", { class: "cx-hit", r: 13 }); // more to aim at than the marker is
    const node = svg("g", { class: "cx-mark", role: "radio" }, hit, shape, text);
    return { network, hit, shape, text, node };
  });
  const timeline = svg(
    "svg",
    { class: "cx-timeline", role: "radiogroup", "aria-label": "networks: arrow keys move on" },
    axis,
    lines,
    ...marks.map(({ node }) => node),
  );
  const networks = createChoice(timeline, (i) => change({ model: NETWORKS[i].name }));
  networks.items = marks.map(({ node }) => node);

  // -- the network and its stages
  const name = el("h3", { class: "cx-title" });
  const about = el("p", { class: "cx-note" });
  const story = el("dl", { class: "cx-readout cx-story" });
  const flow = el("div", { class: "cx-stages", role: "radiogroup" });
  put(flow, "aria-label", "stages: arrow keys move on");
  const stages = createChoice(flow, (i) => change({ stage: i, block: Math.min(1, lastOf(i)) }));
  const lastOf = (i) => networkOf(state).stages[i].blocks.length - 1;
  const outline = el("p", { class: "cx-sentence" });
  const stageLine = el("p", { class: "cx-sentence" });
  const chips = el("div", { class: "cx-chips", role: "radiogroup" });
  const blocks = createChoice(chips, (i) => change({ block: i }));

  // -- the block
  const blockName = el("h3", { class: "cx-title" });
  const blockCost = el("p", { class: "cx-note" });
  const next = createButton("Step", () => {
    stop();
    const { count } = blockOf(state);
    change({ step: state.step < count ? state.step + 1 : 1 });
  });
  const play = createButton("Play", () => (timer ? stop() : start()));
  const all = createButton("Show all", () => {
    stop();
    const { count } = blockOf(state);
    change({ step: state.step < count ? count : 0 });
  });
  const zero = createCheck({ label: "all weights 0", onChange: (on) => change({ zero: on }) });
  const plan = createPlan((at) => {
    cell = at;
    drawNumbers();
  });
  const shown = {}; // for which state each part was last built: what does not change stays in place

  function start() {
    if (state.step >= blockOf(state).count) change({ step: 0 });
    timer = setInterval(() => {
      if (state.step >= blockOf(state).count) return stop();
      change({ step: state.step + 1 });
      if (state.step >= blockOf(state).count) stop();
    }, PACE);
    setText(play, "Stop");
  }
  function stop() {
    if (timer) clearInterval(timer);
    timer = null;
    setText(play, "Play");
  }

  // -- what is said
  const names = ["step", "number", "zero", "code"];
  const said = Object.fromEntries(names.map((one) => [one, el("dd", {})]));
  const readout = el(
    "dl",
    { class: "cx-readout" },
    ...[
      ["step", "Step"],
      ["number", "Number"],
      ["zero", "Weights 0"],
      ["code", "In code"],
    ].flatMap(([term, title]) => [el("dt", {}, title), said[term]]),
  );
  const announcer = createAnnouncer();
  const root = createRoot(
    "lineage",
    el("div", { class: "cx-bar" }, measure.root, legend),
    timeline,
    el("p", { class: "cx-hint" }, HINT),
    name,
    about,
    story,
    outline,
    flow,
    stageLine,
    chips,
    el("div", { class: "cx-heading" }, blockName, blockCost),
    el("div", { class: "cx-bar" }, el("div", { class: "cx-buttons" }, next, play, all), zero.root),
    plan.root,
    el(
      "p",
      { class: "cx-note" },
      "Bars: how many channels there are. Small numbers: a block of this plan with a few " +
        "channels (rows) and 4 places (columns), weights of −1, 0 and 1, without BatchNorm.",
    ),
    readout,
    announcer.root,
  );

  function drawTimeline() {
    if (!isNew("timeline", state.measure, state.model, root.clientWidth)) return;
    const width = Math.max(root.clientWidth - 8, 300);
    const { points, xOf, yOf, ticks } = placesOf(state.measure, width, HEIGHT);
    put(timeline, "viewBox", `0 0 ${width} ${HEIGHT}`);
    put(timeline, "width", width);
    put(timeline, "height", HEIGHT);
    const years = [1998, ...range(11).map((i) => 2012 + i)];
    const text = (x, y, words, anchor) => {
      const node = svg("text", { x, y, "text-anchor": anchor });
      node.textContent = words;
      return node;
    };
    const gap = (xOf(1998) + xOf(2012)) / 2;
    axis.replaceChildren(
      ...ticks.flatMap((tick) => [
        svg("path", { d: `M46,${yOf(tick)}H${width}` }),
        text(42, yOf(tick) + 4, shortCount(tick), "end"),
      ]),
      ...years.map((year) =>
        text(xOf(year), HEIGHT - 6, width < 620 ? `’${String(year).slice(2)}` : year, "middle"),
      ),
      text(gap, HEIGHT - 6, "…", "middle"),
    );
    const at = Object.fromEntries(points.map((point) => [point.name, point]));
    lines.replaceChildren(
      ...NETWORKS.flatMap((network) =>
        Object.keys(network.builds_on).map((parent) => {
          const [from, to] = [at[parent], at[network.name]];
          const mine = network.name === state.model || parent === state.model;
          const bend = (from.x + to.x) / 2;
          return svg("path", {
            class: mine ? "cx-near" : "",
            d: `M${from.x},${from.y}C${bend},${from.y} ${bend},${to.y} ${to.x},${to.y}`,
          });
        }),
      ),
    );
    const measured = MEASURES.find(([id]) => id === state.measure)[1];
    marks.forEach(({ network, hit, shape, text: label, node }) => {
      const { x, y, labelX, labelY, anchor } = at[network.name];
      for (const part of [hit, shape]) put(part, "transform", `translate(${x} ${y})`);
      put(label, "x", labelX);
      put(label, "y", labelY);
      put(label, "text-anchor", anchor);
      const count = shortCount(network[state.measure]);
      put(node, "aria-label", `${network.label}, ${network.year}: ${count} ${measured}`);
    });
    networks.show(NETWORKS.findIndex(({ name: one }) => one === state.model));
    if (measure.select.value !== state.measure) measure.select.value = state.measure;
  }

  function drawNetwork() {
    if (!isNew("network", state.model)) return;
    const network = networkOf(state);
    name.replaceChildren(
      `${network.label} `,
      el("span", { class: "cx-quiet" }, `${network.year}, ${network.authors}`),
    );
    setText(
      about,
      `${shortCount(network.params)} parameters, ${shortCount(network.macs)} multiply-adds for ` +
        `an image of ${shapeText(network.input)}, ${network.depth} layers one behind the other.`,
    );
    const labelOf = (one) => NETWORKS.find(({ name: id }) => id === one).label;
    const kin = Object.entries(network.builds_on).map(([one, what]) => `${labelOf(one)}: ${what}`);
    const constraints = CONSTRAINTS.filter(([id]) => network.answers.includes(id));
    const rows = [
      ["Constraint", `${network.problem} (${constraints.map(([, words]) => words).join("; ")})`],
      ["Answer", network.answer],
      ["Builds on", kin.length ? `${kin.join(". ")}.` : "Nothing else on this line."],
      ...(network.differs ? [["Here", network.differs]] : []),
    ];
    story.replaceChildren(
      ...rows.flatMap(([term, words]) => [el("dt", {}, term), el("dd", {}, words)]),
    );
  }

  /** Whether a part is to be built anew: the first time, and when what it shows is another. */
  function isNew(part, ...of) {
    if (same(shown[part], of)) return false;
    shown[part] = of;
    return true;
  }

  function drawStages() {
    const network = networkOf(state);
    const stage = stageOf(state);
    if (isNew("stages", state.model)) {
      setText(outline, outlineText(network));
      flow.style.setProperty("--cx-columns", network.stages.length);
      stages.items = network.stages.map((one) => createStage(network, one));
      flow.replaceChildren(rowHeads(), ...stages.items);
    }
    stages.show(state.stage);
    setText(stageLine, stageText(network, stage));
    if (isNew("blocks", state.model, state.stage)) {
      blocks.items = stage.blocks.map((kind, i) => {
        const words = `block ${i + 1}: ${network.kinds[kind].title}`;
        const told = { role: "radio", title: words, "aria-label": words };
        return el("div", { class: "cx-chip", ...told }, i + 1);
      });
      put(chips, "aria-label", `blocks of ${stage.name}: arrow keys move on`);
      chips.replaceChildren(el("span", { class: "cx-quiet" }, "blocks"), ...blocks.items);
      chips.hidden = blocks.items.length < 2;
    }
    blocks.show(state.block);
  }

  /** What the rows of the stages' cards show; short words where there is little room. */
  function rowHeads() {
    const words = (roomy, tight) => [
      el("span", { class: "cx-roomy" }, roomy),
      el("span", { class: "cx-tight" }, tight),
    ];
    return el(
      "div",
      { class: "cx-row-heads", "aria-hidden": "true" },
      el("span"),
      el("span"),
      el("span", {}, "channels"),
      el("span", {}, "grid"),
      el("span", {}, ...words("parameters", "params")),
      el("span", {}, ...words("multiply-adds", "MACs")),
      el("span", {}, ...words("pixels seen", "sees")),
    );
  }

  /** A stage as a card: its volume as wide as its channels are many, its numbers, their shares. */
  function createStage(network, stage) {
    const [channels, grid] = stage.shape;
    const side = network.input[1];
    const tall = 60 * Math.sqrt((grid ?? 1) / side);
    const wide = 64 * Math.sqrt(channels / 2048);
    const size = `height: ${tall.toFixed(1)}px; width: ${wide.toFixed(1)}px`;
    const many = stage.blocks.length > 1 ? ` ×${stage.blocks.length}` : "";
    const share = (words, part) =>
      el(
        "span",
        { class: "cx-share" },
        el("span", {}, words),
        el("i", { style: `width: ${(100 * part).toFixed(1)}%` }),
      );
    return el(
      "div",
      { class: "cx-stage-card", role: "radio", "aria-label": stageText(network, stage) },
      el("span", { class: "cx-box" }, el("i", { class: "cx-volume", style: size })),
      el(
        "span",
        { class: "cx-stage-name" },
        stage.name,
        el("span", { class: "cx-quiet cx-times" }, many),
      ),
      el("span", {}, formatCount(channels)),
      el("span", {}, grid ? `${grid}\u2009×\u2009${grid}` : "–"),
      share(shortCount(stage.params), stage.params / network.params),
      share(shortCount(stage.macs), stage.macs / network.macs),
      share(seesText(stage, side), stage.sees / side),
    );
  }

  function drawNumbers() {
    const { steps } = blockOf(state);
    plan.paint(steps, smallNumbers(steps, state.zero), state.step, cell);
    drawReadout();
  }

  function drawReadout() {
    const { steps, count } = blockOf(state);
    const current = steps.findIndex(({ op, order }) => op !== "same" && order === state.step);
    const index = cell ? cell[0] : current;
    const step = steps[index];
    const known = step.order <= state.step;
    const numbers = smallNumbers(steps, state.zero);
    setText(said.step, `${step.order} of ${count}, ${step.name}: ${stepText(step)}`);
    const [r, c] = cell ? cell.slice(1) : [0, Math.min(1, numbers[index].values[0].length - 1)];
    const arithmetic = known
      ? arithmeticText(steps, numbers, index, r, c)
      : "Not yet computed: press Step or Play.";
    setText(said.number, arithmetic);
    setText(said.zero, state.zero ? zeroText(steps) : "Tick the box, and see what is left of x.");
    said.code.replaceChildren(
      el("code", {}, `nets.create("${state.model}")`),
      el("span", { class: "cx-shapes" }, `course_lib/nets/${networkOf(state).file}.py`),
    );
    announcer.say(`${step.name}: ${arithmetic}${state.zero ? ` ${zeroText(steps)}` : ""}`);
  }

  function drawBlock() {
    const block = blockOf(state);
    const stage = stageOf(state);
    const which =
      stage.blocks.length > 1 ? `Block ${state.block + 1} of ${stage.name}` : stage.name;
    setText(blockName, stage.name === block.title ? which : `${which}: ${block.title}`);
    setText(
      blockCost,
      `${shortCount(block.params)} parameters, ${shortCount(block.macs)} multiply-adds`,
    );
    setText(all, state.step < block.count ? "Show all" : "Clear");
    zero.box.checked = state.zero;
    if (isNew("plan", state.model, state.stage, state.block)) plan.build(block.steps);
    drawNumbers();
    plan.wire(state.step);
  }

  function draw() {
    drawTimeline();
    drawNetwork();
    drawStages();
    drawBlock();
  }

  host.append(root);
  draw();
  let width = root.clientWidth;
  const onResize = new ResizeObserver(() => {
    if (root.clientWidth !== width) drawTimeline();
    width = root.clientWidth;
    plan.wire(state.step);
  });
  onResize.observe(root);
  onResize.observe(plan.grid);
  return () => {
    onResize.disconnect();
    stop();
    announcer.stop();
    link.stop();
    root.remove();
  };
}

export default { render };
