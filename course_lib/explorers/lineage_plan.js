// The plan of a block: a card for each step, with its small numbers, and lines between them.

const GAP = 24; // pixels between two rows of a plan, at the least

/**
 * A plan, read from top to bottom. `onPoint([step, row, column])` is called when the pointer or the
 * keyboard comes to a small number, and with null when it leaves.
 *   build(steps)                   other steps: other cards
 *   paint(steps, numbers, step, cell)  the numbers of the steps taken; `cell` is the one pointed at
 *   wire(step)                     the lines, once the cards stand where they stand
 */
function createPlan(onPoint) {
  const wires = svg("svg", { class: "cx-wires", "aria-hidden": "true" });
  const grid = el("div", { class: "cx-plan" });
  const root = el("div", { class: "cx-area" }, wires, grid);
  let cards = []; // {node, strip, step}

  /** What a card says of its step: its name, what comes before and after, its shape and weights. */
  function wordsOf(step, most) {
    const around = [step.before && `after ${step.before}`, step.after && `then ${step.after}`];
    const quiet = (words) => el("span", { class: "cx-quiet" }, words);
    const said = around.filter(Boolean).join("; ");
    const share = Math.max((100 * step.shape[0]) / most, 2);
    return el(
      "div",
      { class: "cx-step-words" },
      el("b", {}, step.name),
      ...(said ? [quiet(said)] : []),
      quiet(shapeText(step.shape) + (step.params ? `, ${shortCount(step.params)} weights` : "")),
      el("i", { class: "cx-wide", style: `width: ${share.toFixed(1)}%` }),
    );
  }

  function build(steps) {
    const lanes = range(4).filter((lane) => steps.some((step, i) => i && step.lane === lane));
    grid.style.setProperty("--cx-lanes", lanes.length);
    const most = Math.max(...steps.map(({ shape }) => shape[0]));
    cards = steps.map((step, i) => {
      const strip = createGrid({
        label: `${step.name}: arrow keys walk over the small numbers`,
        kind: "strip",
        onPoint: (r, c) => onPoint([i, r, c]),
        onLeave: () => onPoint(null),
      });
      const node = el(
        "div",
        { class: `cx-step-card cx-op-${step.op}` },
        wordsOf(step, most),
        strip.root,
      );
      const [column, row] = placeOf(steps, i, lanes);
      node.style.gridColumn = column;
      node.style.gridRow = row;
      return { node, strip, step };
    });
    grid.replaceChildren(...cards.map(({ node }) => node));
  }

  /** Where a card stands: what comes in and what joins all lanes spans them. */
  function placeOf(steps, i, lanes) {
    const step = steps[i];
    const first = step.row + 1;
    if (i === 0 || step.lane < 0) return ["1 / -1", String(first)];
    // What is alone in its lane stands beside the middle of all that it goes by.
    const alone = step.op === "same" || steps.every((one, j) => one.lane !== step.lane || j === i);
    const joined = steps.find(({ sources }) => sources.includes(i))?.row ?? first;
    const row = alone ? `${first} / ${Math.max(joined, first) + 1}` : String(first);
    return [String(lanes.indexOf(step.lane) + 1), row];
  }

  function paint(steps, numbers, taken, cell) {
    const most = largest(numbers.map(({ values }) => values));
    cards.forEach(({ node, strip }, i) => {
      const { op, order } = steps[i];
      const known = order <= taken;
      const { values } = numbers[i];
      strip.resize(...shapeOf(values));
      values.forEach((row, r) =>
        row.forEach((value, c) =>
          strip.paint(r, c, {
            text: known ? tenth(value) : "",
            strength: known ? Math.sign(value) * Math.sqrt(Math.abs(value) / most) : 0,
            states: cell && same(cell, [i, r, c]) ? "here" : known ? "" : "unknown",
            label: `channel ${r}, place ${c}: ${known ? tenth(value) : "not yet computed"}`,
          }),
        ),
      );
      node.classList.toggle("cx-now", i > 0 && op !== "same" && order === taken);
    });
  }

  function wire(taken) {
    const box = root.getBoundingClientRect();
    const edge = (node, bottom) => {
      const place = node.getBoundingClientRect();
      const y = (bottom ? place.bottom : place.top) - box.top;
      return [place.left + place.width / 2 - box.left, y];
    };
    put(wires, "viewBox", `0 0 ${box.width} ${box.height}`);
    put(wires, "width", box.width);
    put(wires, "height", box.height);
    const lines = cards.flatMap(({ node, step }) =>
      step.sources.map((source) => {
        const [x, y] = edge(cards[source].node, true);
        const [toX, toY] = edge(node, false);
        // It changes lanes in the gap above where ways meet, else in the gap below where they part.
        const [start, end] = step.sources.length > 1 ? [toY - GAP, toY] : [y, y + GAP];
        const middle = (start + end) / 2;
        const d = `M${x},${y}V${start}C${x},${middle} ${toX},${middle} ${toX},${end}V${toY}`;
        return svg("path", { d, class: step.order <= taken ? "cx-near" : "" });
      }),
    );
    wires.replaceChildren(...lines);
  }

  return { root, grid, build, paint, wire };
}
