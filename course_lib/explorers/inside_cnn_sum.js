// The sum behind one unit: patch × kernel = products for each map below it, and the steps from there.
/* From common.js, inside_cnn_network.js and inside_cnn_flow.js: el, setText, setCaption, createGrid,
   formatNumber, range, same; K, below, unitName, fieldText, placeText, productText, steps, percent;
   mostOf, mapsShown. */

/** The panel that explains a unit; `onSource(index)` is called when another map below is opened. */
function createSum({ painter, onSource }) {
  let now = null; // what was drawn last: {unit, found, values, rectified, busy}
  const shownName = el("b");
  const shownField = el("span");
  const sources = range(16).map((index) => {
    const picture = el("canvas", { "aria-hidden": "true" });
    const number = el("span", { class: "cx-source-sum" });
    const part = el("i", { class: "cx-part", "aria-hidden": "true" });
    const name = el("span", { class: "cx-source-name" }, String(index));
    const pieces = [name, picture, number, part];
    const button = el("button", { class: "cx-source", type: "button" }, ...pieces);
    button.addEventListener("click", () => onSource(index));
    return { button, picture, number, part };
  });
  let linked = null; // the place in the three grids that is pointed at
  const link = (at) => {
    linked = at;
    drawDetail(now);
  };
  const [patch, kernel, products] = ["patch", "weights", "products"].map((kind) =>
    createGrid({
      label: { patch: "values below", weights: "weights", products: "products" }[kind],
      kind: `sum-${kind}`,
      onPoint: (r, c) => link([r, c]),
      onLeave: () => link(null),
    }),
  );
  const captions = range(4).map(() => el("div", { class: "cx-caption" }));
  const product = el("p", { class: "cx-note" });
  const [times, equals] = ["×", "="].map((text) =>
    el("div", { class: "cx-operator", "aria-hidden": "true" }, text),
  );
  const sum = el("dl", { class: "cx-steps" });
  const list = el("div", { class: "cx-sources" }, ...sources.map(({ button }) => button));
  const listFigure = el("div", { class: "cx-figure" }, captions[3], list);
  const figures = [patch, kernel, products].map((grid, i) =>
    el("div", { class: "cx-figure" }, captions[i], grid.root),
  );
  const detail = el(
    "div",
    { class: "cx-detail" },
    el("p", { class: "cx-shown" }, shownName, " ", shownField),
    el(
      "div",
      { class: "cx-workings" },
      listFigure,
      figures[0],
      times,
      figures[1],
      equals,
      figures[2],
      el("div", { class: "cx-figure" }, el("div", { class: "cx-caption" }, "Step by step"), sum),
    ),
    product,
  );

  function drawDetail(given) {
    now = given;
    const { unit, found, values, rectified, busy } = given;
    const { parts, won } = found;
    const source = Math.min(unit.source ?? 0, parts.length - 1);
    const part = parts[source];
    const many = parts.length > 1;
    const mostValue = mostOf(mapsShown(values, below(unit.layer).name, rectified));
    setText(shownName, `${unitName(unit)} = ${formatNumber(found.value)}.`);
    setText(shownField, fieldText(unit));

    listFigure.hidden = !many;
    if (many) {
      const mostSum = mostOf(parts.map(({ sum: one }) => one));
      list.classList.toggle("cx-many", parts.length > 6);
      painter.drawParts(
        sources.map(({ picture }) => picture),
        parts,
        mostValue,
        painter.strongest[unit.layer],
      );
      sources.forEach(({ button, number, part: share }, i) => {
        button.hidden = i >= parts.length;
        if (button.hidden) return;
        const one = parts[i];
        setText(number, formatNumber(one.sum));
        share.style.setProperty("--cx-share", (one.sum / mostSum).toFixed(3));
        share.classList.toggle("cx-minus", one.sum < 0);
        button.setAttribute("aria-pressed", String(i === source));
        button.setAttribute("aria-label", `${one.name}: adds ${formatNumber(one.sum)}`);
      });
      captions[3].replaceChildren(el("b", {}, `${parts.length} maps`), " × kernel = part");
    }

    const grids = [patch, kernel, products];
    const shown = won === undefined ? 3 : 1;
    const crowded = part.cols > K;
    const texts = (number) => (crowded ? "" : formatNumber(number));
    const made = part.weights?.map((w, i) => w * part.values[i]);
    const mosts = [
      mostValue,
      shown > 1 ? painter.strongest[unit.layer] : 1,
      shown > 1 ? mostOf(made) : 1,
    ];
    detail.style.setProperty("--cx-cell", crowded ? "15px" : won === undefined ? "34px" : "48px");
    detail.style.setProperty("--cx-gap", crowded ? "1px" : "2px");
    // A screen reader does not read along while the pen moves: 360 labels can wait until it stops.
    const label = (k, r, c, number) =>
      k === 2 ? productText(part, [r, c]) : `${placeText(part, [r, c])}: ${formatNumber(number)}`;
    grids.forEach((grid, k) => {
      figures[k].hidden = k >= shown;
      if (k >= shown) return;
      grid.resize(part.rows, part.cols);
      const numbers = [part.values, part.weights, made][k];
      numbers.forEach((number, i) => {
        const [r, c] = [Math.floor(i / part.cols), i % part.cols];
        const here = same(linked, [r, c]);
        grid.paint(r, c, {
          text: texts(number),
          strength: number / mosts[k],
          states: i === won ? "won" : here ? "linked" : "",
          label: (busy && grid.cells[r][c].label) || label(k, r, c, number),
        });
      });
    });
    times.hidden = equals.hidden = shown === 1;
    setCaption(captions[0], part.name, "");
    setCaption(captions[1], crowded ? "weights" : "kernel", crowded ? "" : "5 × 5");
    setCaption(captions[2], "products", "");

    setText(product, linked && made ? productText(part, linked) : " ");
    const lines = steps(found, unit.layer, source);
    if (unit.layer === "output") {
      lines.push(["softmax", percent(values.probabilities[unit.channel])]);
    }
    sum.replaceChildren(
      ...lines.flatMap(([what, number]) => [el("dt", {}, what), el("dd", {}, number)]),
    );
  }

  return { root: detail, draw: drawDetail };
}
