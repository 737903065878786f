// Small numbers through a block: a strip of 4 places and a few channels takes the real block's way.
//
// A block of the same plan is calculated with weights of −1, 0 and 1 (a fifth of that before a
// sigmoid): small enough to follow. A step is a layer with the norm and the activation around it;
// BatchNorm, which starts out doing nothing, is left out.

const X = [
  [1, 2, 0, 3],
  [2, 0, 1, 1],
  [0, 1, 3, 0],
  [1, 0, 2, 1],
];
const WEIGHTED = ["conv", "depthwise", "grouped", "pointwise", "patch", "dense"];
// Weights that leave something to see in every block: no step of it comes to zeros alone.
const PATTERN = [0, 1, 1, -1, 0, 1, 0, -1, 1, 1, 0];

/** How many channels each step of the small block has: more where the real one has more. */
export function smallChannels(steps) {
  const grouped = steps.some(({ op }) => op === "grouped");
  const stacks = steps.some(({ op }) => op === "concat");
  const normed = steps.some(({ before, after }) => `${before}${after}`.includes("LayerNorm"));
  const real = steps.filter(({ op }) => op === "input" || WEIGHTED.includes(op));
  const sizes = [...new Set(real.map(({ shape }) => shape[0]))].sort((a, b) => a - b);
  const rank = ({ shape }) => {
    if (grouped) return 4;
    if (stacks) return shape[0] < steps[0].shape[0] ? 1 : 2;
    return Math.min(sizes.indexOf(shape[0]) + (normed ? 3 : 2), 4);
  };
  const counts = [];
  steps.forEach((step, i) => {
    const below = step.sources.map((source) => counts[source]);
    if (step.op === "input") counts.push(stacks ? 2 : rank(step));
    else if (step.op === "concat") counts.push(below.reduce((sum, count) => sum + count, 0));
    else if (stacks && WEIGHTED.includes(step.op) && feedsStack(steps, i)) counts.push(1);
    else counts.push(WEIGHTED.includes(step.op) && step.op !== "depthwise" ? rank(step) : below[0]);
  });
  return counts;
}

const feedsStack = (steps, i) =>
  steps.some(({ op, sources }) => op === "concat" && sources.includes(i));

/** The places, along the strip, that output `place` of a layer reads: [place or null, tap]. */
function reads(step, place, n) {
  const stride = Math.min(step.stride, n);
  if (step.op === "patch") return range(stride).map((tap) => [place * stride + tap, tap]);
  const taps = Math.min(step.kernel, 5);
  const start = place * stride - (taps % 2 ? (taps - 1) / 2 : 0);
  return range(taps).map((tap) => {
    const at = start + tap;
    return [at >= 0 && at < n ? at : null, tap];
  });
}

/** The groups of places that attend to one another. */
function windowsOf(op, n) {
  if (op === "attention") return [range(n)];
  const size = 2;
  const shift = op === "shifted" ? 1 : 0;
  const groups = range(Math.ceil((n + shift) / size)).map((g) =>
    range(size)
      .map((i) => g * size + i - shift)
      .filter((at) => at >= 0 && at < n),
  );
  return groups.filter((group) => group.length);
}

const erf = (x) => {
  // Abramowitz and Stegun 7.1.26, good to 1.5e-7.
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const sum =
    ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(x) * (1 - sum * Math.exp(-x * x));
};
const ACTIVATIONS = {
  ReLU: (v) => Math.max(v, 0),
  ReLU6: (v) => clamp(v, 0, 6),
  GELU: (v) => (v / 2) * (1 + erf(v / Math.SQRT2)),
  SiLU: (v) => v / (1 + Math.exp(-v)),
  Sigmoid: (v) => 1 / (1 + Math.exp(-v)),
};

/** What norms and activations make of a strip, one after the other. */
function finished(values, words) {
  for (const word of words.split(", ")) {
    if (word === "LayerNorm") {
      const places = range(values[0].length).map((at) => values.map((row) => row[at]));
      const stats = places.map((all) => {
        const mean = all.reduce((sum, v) => sum + v, 0) / all.length;
        const spread = all.reduce((sum, v) => sum + (v - mean) ** 2, 0) / all.length;
        return [mean, Math.sqrt(spread + 1e-6)];
      });
      values = values.map((row) => row.map((v, at) => (v - stats[at][0]) / stats[at][1]));
    } else if (ACTIVATIONS[word]) {
      values = values.map((row) => row.map(ACTIVATIONS[word]));
    }
  }
  return values;
}

/** The weight of output channel o for input channel i at a tap, of the layer at place `layer`. */
function weightOf(layer, o, i, tap) {
  return PATTERN[(3 * o + 6 * i + tap + 9 * layer) % PATTERN.length];
}

/**
 * What the numbers of a step are made of, by its op: for each row and place, [number, weight]
 * pairs. `x` is what it reads, `below` all that feeds it, `places` those of its output.
 */
const TERMS = {
  same: ({ x }) => x.map((row) => row.map((v) => [[v, 1]])),
  add: ({ x, below }) => x.map((row, r) => row.map((v, c) => below.map((one) => [one[r][c], 1]))),
  multiply: ({ x, below: [, gate] }) => x.map((row, r) => row.map((v) => [[v, gate[r][0]]])),
  concat: ({ below }) => below.flat().map((row) => row.map((v) => [[v, 1]])),
  mean: ({ x }) => x.map((row) => [row.map((v) => [v, 1 / row.length])]),
  average: ({ step, x, places }) =>
    x.map((row) =>
      places.map((place) => {
        const seen = reads(step, place, row.length);
        return seen.map(([at]) => [at === null ? 0 : row[at], 1 / seen.length]);
      }),
    ),
  max: ({ step, x, places }) =>
    x.map((row) =>
      places.map((place) => {
        const seen = reads(step, place, row.length).filter(([at]) => at !== null);
        return [[Math.max(...seen.map(([at]) => row[at])), 1]];
      }),
    ),
  dense: ({ x, count, weight }) =>
    range(count).map((o) => [x.flatMap((row, i) => row.map((v, at) => [v, weight(o, i, at)]))]),
};
for (const op of ["attention", "windows", "shifted"]) TERMS[op] = attended;
for (const op of ["conv", "depthwise", "grouped", "pointwise", "patch"]) TERMS[op] = convolved;

/** Of each place, the places of its window, each weighted by how alike they are. */
function attended({ step, x, zero }) {
  const n = x[0].length;
  const alike = (a, b) => x.reduce((sum, row) => sum + row[a] * row[b], 0) / Math.sqrt(x.length);
  const groups = windowsOf(step.op, n);
  return x.map((row) =>
    row.map((_, at) => {
      const group = groups.find((one) => one.includes(at));
      const powers = group.map((other) => Math.exp(alike(at, other)));
      const total = powers.reduce((sum, power) => sum + power, 0);
      return group.map((other, i) => [row[other], zero ? 0 : powers[i] / total]);
    }),
  );
}

/** A convolution along the strip: every channel of its group, at every tap. */
function convolved({ step, x, places, count, weight }) {
  const groups = { depthwise: count, grouped: 2 }[step.op] ?? 1;
  const each = x.length / groups;
  return range(count).map((o) => {
    const first = Math.floor(o / (count / groups)) * each;
    return places.map((place) =>
      range(each).flatMap((i) =>
        reads(step, place, x[0].length).map(([at, tap]) => [
          at === null ? 0 : x[first + i][at],
          weight(o, i, tap),
        ]),
      ),
    );
  });
}

/**
 * The small numbers of each step: {values, terms}. `values` are rows of channels; `terms` has for
 * each of them the [number, weight] pairs whose products add up to it, before the activation.
 */
export function smallNumbers(steps, zero = false) {
  const counts = smallChannels(steps);
  const made = [];
  steps.forEach((step, index) => {
    const count = counts[index];
    if (step.op === "input") {
      const values = X.slice(0, count);
      made.push({ values, terms: values.map((row) => row.map(() => [])) });
      return;
    }
    const below = step.sources.map((source) => made[source].values);
    const x = finished(below[0], step.before);
    const n = x[0].length;
    const places = range(Math.ceil(n / Math.min(step.stride, n)));
    // Large numbers would make every gate 0 or 1.
    const scale = zero ? 0 : step.after === "Sigmoid" ? 0.2 : 1;
    const weight = (o, i, tap) => scale * weightOf(index, o, i, tap);
    const terms = TERMS[step.op]({ step, x, below, places, count, weight, zero });
    const sums = terms.map((row) => row.map((all) => all.reduce((sum, [v, w]) => sum + v * w, 0)));
    made.push({ values: finished(sums, step.after), terms });
  });
  return made;
}

const tenth = (value) => formatNumber(Math.round(value * 10) / 10);

/** How one of the small numbers came about. */
export function arithmeticText(steps, numbers, index, r, c) {
  const step = steps[index];
  const where = `channel ${r}, place ${c}`;
  const result = tenth(numbers[index].values[r][c]);
  if (step.op === "input") return `x, ${where}: ${result}.`;
  if (step.op === "same") return `${where}: ${result}, as it came.`;
  const all = numbers[index].terms[r][c];
  const sum = all.reduce((total, [v, w]) => total + v * w, 0);
  const words = step.after.split(", ").filter((word) => ACTIVATIONS[word] || word === "LayerNorm");
  const after = words.length ? `, after ${words.join(" and ")} ${result}` : "";
  if (step.op === "add") {
    const [f, x] = all.map(([v]) => factor(tenth(v)));
    return `${where}: F ${f} + x ${x} = ${tenth(sum)}${after}.`;
  }
  if (step.op === "multiply") {
    return `${where}: ${factor(tenth(all[0][0]))} × gate ${tenth(all[0][1])} = ${tenth(sum)}.`;
  }
  if (step.op === "concat") return `${where}: ${result}, one of the rows stacked here.`;
  if (step.op === "max") return `${where}: the largest of its window, ${result}.`;
  if (step.op === "mean") return `${where}: the mean of the row, ${result}.`;
  const kept = all.filter(([v, w]) => v !== 0 && w !== 0);
  const products = kept.map(([v, w]) => `${factor(tenth(v))}×${factor(tenth(w))}`).join(" + ");
  return `${where}: ${products || "nothing but zeros"} = ${tenth(sum)}${after}.`;
}

/** What becomes of x when every weight of the block is 0. */
export function zeroText(steps) {
  if (!steps.some(({ params }) => params > 0)) return "There are no weights here.";
  const numbers = smallNumbers(steps, true);
  const [x, out] = [numbers[0].values, numbers[numbers.length - 1].values];
  const last = steps[steps.length - 1];
  if (same(x, out)) return "With all weights 0 the block hands x on: doing nothing is easy.";
  if (last.op === "concat" && x.every((row) => out.some((one) => same(one, row)))) {
    return "With all weights 0 x is still there, with zeros beside it.";
  }
  return last.op === "add"
    ? "With all weights 0 nothing is left: x changes its shape here, and its way has weights too."
    : "With all weights 0 nothing is left of x: even to hand it on would have to be learned.";
}
