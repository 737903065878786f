// What the explorers share: the geometry of a convolution, numbers as text, and a few pieces of a
// page (a grid of cells, a slider, a link to the widget's state).
//
// Python puts this text in front of an explorer's own file and loads the two as one module, because
// a widget's module comes from a blob address, where a relative import has nothing to be relative
// to. What is exported here is exported for the tests: Node imports the same module.

// ---------------------------------------------------------------- geometry, one axis at a time

/** Pixels that a kernel spans from its first tap to its last. */
export function effectiveKernel(kernel, dilation = 1) {
  return dilation * (kernel - 1) + 1;
}

/** How many windows fit; 0 where none does. */
export function outputSize(n, kernel, stride = 1, padding = 0, dilation = 1) {
  const rest = n + 2 * padding - effectiveKernel(kernel, dilation);
  return rest < 0 ? 0 : Math.floor(rest / stride) + 1;
}

/** The input position of each window's first tap; negative where it stands in the padding. */
export function windowStarts(n, kernel, stride = 1, padding = 0, dilation = 1) {
  const windows = outputSize(n, kernel, stride, padding, dilation);
  return Array.from({ length: windows }, (_, i) => i * stride - padding);
}

/** The input positions that the taps of one window touch. */
export function windowPixels(start, kernel, dilation = 1) {
  return Array.from({ length: kernel }, (_, tap) => start + tap * dilation);
}

/** Positions at the end of the padded input that the floor throws away. */
export function droppedTail(n, kernel, stride = 1, padding = 0, dilation = 1) {
  return (n + 2 * padding - effectiveKernel(kernel, dilation)) % stride;
}

/** The input positions that no window touches. */
export function unusedPixels(n, kernel, stride = 1, padding = 0, dilation = 1) {
  const used = new Set(
    windowStarts(n, kernel, stride, padding, dilation).flatMap((start) =>
      windowPixels(start, kernel, dilation),
    ),
  );
  return range(n).filter((i) => !used.has(i));
}

/** The windows along one axis that touch position `i`, each with the tap that meets it. */
export function windowsTouching(i, n, kernel, stride = 1, padding = 0, dilation = 1) {
  const found = [];
  windowStarts(n, kernel, stride, padding, dilation).forEach((start, window) => {
    const tap = windowPixels(start, kernel, dilation).indexOf(i);
    if (tap >= 0) found.push({ window, tap });
  });
  return found;
}

// ---------------------------------------------------------------- numbers and words

const MINUS = "−"; // the sign, not the hyphen

/** A number with at most two decimals: 3, −0.5, 4.33. */
export function formatNumber(value) {
  const rounded = Math.round(value * 100) / 100;
  const text = String(Math.abs(rounded));
  return rounded < 0 ? MINUS + text : text;
}

/** A weight, as a fraction where that is shorter than the decimals: 1/9, −3/16, 0.5. */
export function formatWeight(value) {
  if (value === Math.round(value * 100) / 100) return formatNumber(value);
  for (let below = 3; below <= 256; below += 1) {
    const above = Math.round(value * below);
    if (above !== 0 && Math.abs(value * below - above) < 1e-9) {
      return `${above < 0 ? MINUS : ""}${Math.abs(above)}/${below}`;
    }
  }
  return formatNumber(value);
}

/** The number that a learner typed (2, -0.5, −1, 1/9), or null if it is none. */
export function parseNumber(text) {
  const match = /^\s*([-−+]?(?:\d+\.?\d*|\.\d+))\s*(?:\/\s*(\d+\.?\d*))?\s*$/.exec(text);
  if (!match) return null;
  const value = Number(match[1].replace(MINUS, "-")) / (match[2] ? Number(match[2]) : 1);
  return Number.isFinite(value) ? value : null;
}

/** 401408 → 401,408. */
export function formatCount(count) {
  return String(count).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

/** ["a", "b", "c"] → "a, b and c". */
export function listed(words) {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} and ${words[words.length - 1]}`;
}

/** 1 pixel, 2 pixels. */
export function plural(count, noun) {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

export function range(n) {
  return Array.from({ length: n }, (_, i) => i);
}

export function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

/** "= 15", or "≈ 4.33" where two decimals do not hold the number. */
export function resultText(value) {
  const exact = Math.abs(value - Math.round(value * 100) / 100) < 1e-9;
  return `${exact ? "=" : "≈"} ${formatNumber(value)}`;
}

/** A number as a factor or a term: −1 goes into brackets. */
const factor = (text) => (text.startsWith(MINUS) ? `(${text})` : text);

// ---------------------------------------------------------------- tables and states

/** A list of rows, each number from its place. */
const table = (rows, cols, value) => range(rows).map((r) => range(cols).map((c) => value(r, c)));

const shapeOf = (rows) => [rows.length, rows[0].length];

/** The largest size of a number in nested lists, never 0: to divide by. */
const largest = (nested) => Math.max(...nested.flat(Infinity).map(Math.abs), 1e-12);

/** Whether two pieces of plain data are the same. */
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** The part of a state, of these names, that differs from another. */
const changedPart = (names, next, state) =>
  Object.fromEntries(
    names.filter((name) => !same(next[name], state[name])).map((name) => [name, next[name]]),
  );

// ---------------------------------------------------------------- pieces of a page

/** An element with attributes and children; attributes that are null or false are left out. */
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === false) continue;
    node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children);
  return node;
}

/**
 * The outermost element of an explorer. JupyterLab has shortcuts for single keys (an arrow leaves
 * the cell, a digit makes it a heading) and leaves them to an element that carries this attribute;
 * it must be the very element that has the focus.
 */
function createRoot(name, ...children) {
  const root = el("div", { class: `cx-root cx-${name}` }, ...children);
  root.addEventListener("focusin", (event) => {
    event.target.setAttribute("data-lm-suppress-shortcuts", "true");
  });
  return root;
}

/** Change text only where it differs: most cells keep theirs while a window moves. */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Set an attribute only where it differs. */
function put(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/** An element of a drawing. */
function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** What stands above a picture: its name, and a word on it. */
function setCaption(node, name, text) {
  node.replaceChildren(el("b", {}, name), ` ${text}`);
}

/**
 * A grid of cells, reached by Tab and walked by the arrow keys. One cell at a time is in the tab
 * order. Callbacks, all optional:
 *   onPoint(r, c)       the pointer came to a cell, or the keyboard did
 *   onLeave()           neither points at any cell any more
 *   onPress(r, c)       click, or Enter where the grid is not editable
 *   onEdit(r, c, value) a number was typed into a cell; `editBy` is "click" or "double-click"
 */
function createGrid({ label, kind, onPoint, onLeave, onPress, onEdit, editBy, valueOf }) {
  const root = el("div", { class: `cx-grid cx-${kind}`, role: "grid", "aria-label": label });
  const grid = { root, rows: 0, cols: 0, cells: [], editing: null };
  const lines = []; // the rows: {node, cells}
  let active = [0, 0];
  let resizing = false;

  grid.resize = (rows, cols) => {
    if (rows === grid.rows && cols === grid.cols) return;
    const hadFocus = root.contains(document.activeElement);
    grid.rows = rows;
    grid.cols = cols;
    const field = grid.editing;
    grid.editing = null; // before it goes: a field that is taken away loses the focus and reports
    field?.remove();
    // What stays in the page is left where it is: the browser's work is in what comes and goes.
    while (lines.length > rows) lines.pop().node.remove();
    while (lines.length < rows) {
      lines.push({ node: el("div", { class: "cx-row", role: "row" }), cells: [] });
      root.append(lines[lines.length - 1].node);
    }
    lines.forEach(({ node, cells }, r) => {
      while (cells.length > cols) cells.pop().node.remove();
      while (cells.length < cols) {
        cells.push(createCell(r, cells.length));
        node.append(cells[cells.length - 1].node);
      }
    });
    grid.cells = lines.map(({ cells }) => cells);
    root.style.setProperty("--cx-columns", cols);
    active = [clamp(active[0], 0, rows - 1), clamp(active[1], 0, cols - 1)];
    if (rows && cols) {
      grid.cells[active[0]][active[1]].node.tabIndex = 0;
      resizing = true; // the focus comes back to where it was: nobody pointed at a cell
      if (hadFocus) grid.cells[active[0]][active[1]].node.focus();
      resizing = false;
    }
  };

  /** Put one cell in the tab order, and the focus on it if asked. */
  grid.setActive = (r, c, focus = false) => {
    const next = grid.cells[r]?.[c];
    if (!next) return;
    const before = grid.cells[active[0]]?.[active[1]];
    if (before) before.node.tabIndex = -1;
    active = [r, c];
    next.node.tabIndex = 0;
    if (focus) next.node.focus();
  };

  /** What a cell shows. `strength` from −1 to 1 colours it; `states` are class names, cx- left out. */
  grid.paint = (r, c, { text = "", tag = "", strength = 0, states = "", label: name }) => {
    const cell = grid.cells[r][c];
    const className = `cx-cell ${strength < 0 ? "cx-negative " : ""}${states
      .split(" ")
      .filter(Boolean)
      .map((state) => `cx-${state}`)
      .join(" ")}`;
    if (cell.className !== className) cell.node.className = cell.className = className;
    const mix = Math.round(Math.min(Math.abs(strength), 1) * 100);
    if (cell.mix !== mix) cell.node.style.setProperty("--cx-mix", (cell.mix = mix));
    if (cell.text !== text) {
      cell.number.textContent = cell.text = text;
      cell.number.className = `cx-number cx-long-${clamp(text.length, 1, 6)}`;
    }
    if (cell.tag !== tag) cell.corner.textContent = cell.tag = tag;
    if (cell.label !== name) cell.node.setAttribute("aria-label", (cell.label = name));
  };

  function createCell(r, c) {
    const number = el("span", { class: "cx-number" });
    const corner = el("span", { class: "cx-corner" });
    const node = el(
      "div",
      { class: "cx-cell", role: "gridcell", tabindex: -1, "data-r": r, "data-c": c },
      number,
      corner,
    );
    return { node, number, corner };
  }

  function cellAt(target) {
    const node = target instanceof Element ? target.closest(".cx-cell") : null;
    return node ? [Number(node.dataset.r), Number(node.dataset.c)] : null;
  }

  // A grid that captured the pointer for a drag is itself the target of the click that ends it.
  function cellUnder(event) {
    return cellAt(event.target) ?? cellAt(document.elementFromPoint(event.clientX, event.clientY));
  }

  function edit(r, c, firstCharacter = null) {
    if (!onEdit || grid.editing) return;
    const cell = grid.cells[r][c].node;
    const before = valueOf(r, c);
    if (before === null) return; // padding: there is nothing to edit
    const field = el("input", {
      class: "cx-edit",
      type: "text",
      inputmode: "decimal",
      autocomplete: "off",
      "aria-label": `new value of row ${r}, column ${c}`,
      title: "a number such as 2, -0.5 or 1/9; Enter keeps it, Escape does not",
    });
    field.value = firstCharacter ?? formatWeight(before);
    grid.editing = field;
    cell.append(field);
    field.focus();
    if (firstCharacter === null) field.select();
    const close = (keep, refocus) => {
      if (grid.editing !== field) return;
      const value = parseNumber(field.value);
      if (keep && value === null && refocus) {
        field.setAttribute("aria-invalid", "true"); // stay: the learner still has the keyboard
        return;
      }
      grid.editing = null;
      field.remove();
      if (refocus) grid.setActive(r, c, true);
      if (keep && value !== null && value !== before) onEdit(r, c, value);
    };
    field.addEventListener("input", () => field.removeAttribute("aria-invalid"));
    field.addEventListener("blur", () => close(true, false));
    field.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") close(true, true);
      if (event.key === "Escape") close(false, true);
    });
  }

  root.addEventListener("pointerover", (event) => {
    const at = cellAt(event.target);
    if (at) onPoint?.(...at);
  });
  root.addEventListener("pointerleave", () => onLeave?.());
  root.addEventListener("focusin", (event) => {
    const at = cellAt(event.target);
    if (!at) return;
    grid.setActive(...at);
    if (resizing || grid.editing) return;
    if (event.target.matches(":focus-visible")) onPoint?.(...at);
  });
  root.addEventListener("focusout", (event) => {
    if (!root.contains(event.relatedTarget)) onLeave?.();
  });
  root.addEventListener("click", (event) => {
    const at = cellUnder(event);
    if (!at || grid.editing?.contains(event.target)) return;
    onPress?.(...at);
    if (onEdit && editBy === "click") edit(...at);
  });
  root.addEventListener("dblclick", (event) => {
    const at = cellUnder(event);
    if (at && editBy === "double-click") edit(...at);
  });
  root.addEventListener("keydown", (event) => {
    const at = cellAt(event.target);
    if (!at || event.ctrlKey || event.metaKey || event.altKey) return;
    const [r, c] = at;
    const moves = {
      ArrowLeft: [r, c - 1],
      ArrowRight: [r, c + 1],
      ArrowUp: [r - 1, c],
      ArrowDown: [r + 1, c],
      Home: [r, 0],
      End: [r, grid.cols - 1],
    };
    if (moves[event.key]) {
      const [toRow, toCol] = moves[event.key];
      grid.setActive(clamp(toRow, 0, grid.rows - 1), clamp(toCol, 0, grid.cols - 1), true);
    } else if (onEdit && /^[-−.\d]$/.test(event.key)) {
      edit(r, c, event.key);
    } else if (event.key === "Enter" || event.key === " ") {
      if (onEdit) edit(r, c);
      else onPress?.(r, c);
    } else {
      return;
    }
    event.preventDefault();
  });
  return grid;
}

/**
 * A slider whose scale is fixed and whose thumb stops where a setting becomes impossible; the
 * stretch it cannot reach is hatched.
 */
function createSlider({ label, min, max, onInput }) {
  const input = el("input", { type: "range", min, max, step: 1, "aria-label": label });
  const number = el("span", { class: "cx-slider-value" });
  const root = el(
    "label",
    { class: "cx-slider" },
    el("span", { class: "cx-slider-head" }, el("span", {}, label), number),
    input,
  );
  let low = min;
  let high = max;
  input.addEventListener("input", () => {
    const value = clamp(Number(input.value), low, high);
    input.value = value;
    onInput(value);
  });
  const percent = (value) => `${max > min ? ((value - min) / (max - min)) * 100 : 0}%`;
  const update = (value, settings = {}) => {
    const { text = String(value), lowest = min, highest = max } = settings;
    const { reason = "a window must fit" } = settings; // why the thumb stops before an end
    low = Math.max(lowest, min);
    high = Math.min(highest, max);
    if (Number(input.value) !== value) input.value = value;
    setText(number, text);
    root.style.setProperty("--cx-low", percent(low));
    root.style.setProperty("--cx-high", percent(high));
    const limits = [low > min ? `at least ${low}` : "", high < max ? `at most ${high}` : ""].filter(
      Boolean,
    );
    const why = limits.length ? `${limits.join(", ")}: ${reason}` : "";
    input.setAttribute("aria-valuetext", why ? `${text} (${why})` : text);
    root.title = why;
  };
  return { root, input, update };
}

/** A labelled drop-down list. */
function createSelect({ label, options, onChange }) {
  const select = el(
    "select",
    { class: "cx-select", "aria-label": label },
    ...options.map(([value, text]) => el("option", { value }, text)),
  );
  select.addEventListener("change", () => onChange(select.value));
  const root = el("label", { class: "cx-field" }, el("span", {}, label), select);
  return { root, select };
}

/** A labelled box to tick. */
function createCheck({ label, onChange }) {
  const box = el("input", { type: "checkbox" });
  box.addEventListener("change", () => onChange(box.checked));
  return { root: el("label", { class: "cx-check" }, box, label), box };
}

/** What a drop-down list offers: the presets, each [id, name, …], and what is none of them. */
const orYourOwn = (presets) => [...presets.map(([id, name]) => [id, name]), ["custom", "your own"]];

function createButton(text, onClick) {
  const button = el("button", { class: "cx-button", type: "button" }, text);
  button.addEventListener("click", onClick);
  return button;
}

/** Text for a screen reader, spoken once the reader stops moving. */
function createAnnouncer() {
  const root = el("div", { class: "cx-spoken", role: "status", "aria-live": "polite" });
  let timer = null;
  let last = null;
  return {
    root,
    say(text) {
      const news = last !== null && text !== last; // what an explorer opens with is none
      last = text;
      if (!news) return;
      clearTimeout(timer);
      timer = setTimeout(() => setText(root, text), 200);
    },
    stop() {
      clearTimeout(timer);
    },
  };
}

/** The state as the widget holds it now. */
const readState = (model, names) =>
  Object.fromEntries(names.map((name) => [name, model.get(name)]));

/**
 * Keep a view and the widget's state in step. The page draws first and tells the kernel
 * afterwards: `push` changes the state at once, and the message to the kernel waits until the
 * reader pauses. `onOutside` is called when a cell, or another view of the widget, changed
 * something.
 */
function linkModel(model, names, onOutside) {
  let pushing = false;
  let timer = null;
  const changed = () => {
    if (!pushing) onOutside();
  };
  for (const name of names) model.on(`change:${name}`, changed);
  const flush = () => {
    if (timer === null) return;
    clearTimeout(timer);
    timer = null;
    model.save_changes();
  };
  return {
    push(patch) {
      pushing = true;
      for (const [name, value] of Object.entries(patch)) model.set(name, value);
      pushing = false;
      clearTimeout(timer);
      timer = setTimeout(flush, 100);
    },
    flush,
    stop() {
      flush();
      for (const name of names) model.off(`change:${name}`, changed);
    },
  };
}
