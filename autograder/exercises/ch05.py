"""The exercises of chapter 05: what a stack of layers can see, and what it does see."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from autograder.exercise import (
    Asked,
    Aspect,
    Case,
    FunctionExercise,
    Misconception,
    PropertyExercise,
    Question,
    QuestionExercise,
    choices,
)
from autograder.exercises.parts import Array, below, distinct
from autograder.plain import Made
from course_lib import cost, geometry

Layers = Sequence[tuple[int, int, int, int]]  # (kernel, stride, padding, dilation)

_OURS = (
    *(
        f"course_lib.geometry.{name}"
        for name in (
            "receptive_field",
            "field_by_layer",
            "input_region",
            "pixels_seen",
            "rf_of_stack",
            "layers_to_see",
            "dilated_rf",
            "effective_kernel",
        )
    ),
    "course_lib.receptive_field_torch.receptive_field_of",
)


# ── rf_of_stack ─────────────────────────────────────────────────────────────────────────────────


def _stack_layer_by_layer(n_layers: int, kernel: int = 3) -> int:
    size = 1
    for _ in range(n_layers):
        size += kernel - 1
    return size


def _stack_by_recursion(n_layers: int, kernel: int = 3) -> int:
    return 1 if n_layers == 0 else _stack_by_recursion(n_layers - 1, kernel) + kernel - 1


def _stack_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case("3×3 layers", (0,), note="no layer at all: the unit is the pixel")
    yield Case("3×3 layers", (1,))
    for high in (9, 30, 200):
        yield Case("3×3 layers", (below(rng, high, 3),))
    yield Case("any kernel", (1, 5))
    yield Case("any kernel", (below(rng, 9, 2), 1), note="a 1×1 kernel reaches no neighbour")
    for kernel in (2, 4, 7, 11):
        yield Case("any kernel", (below(rng, 12, 2), kernel))
    yield Case("any kernel", (np.int64(below(rng, 9, 2)),), {"kernel": np.int64(5)})


RF_OF_STACK = FunctionExercise(
    name="rf_of_stack",
    chapter="05",
    signature="rf_of_stack(n_layers, kernel=3) -> int",
    aspects=(Aspect("3×3 layers", 1), Aspect("any kernel", 1)),
    worked=(
        Case("3×3 layers", (2,)),
        Case("3×3 layers", (5,)),
        Case("3×3 layers", (10,)),
        Case("3×3 layers", (50,)),
        Case("any kernel", (2, 5)),
    ),
    cases=_stack_cases,
    reference=geometry.rf_of_stack,
    alternatives={"layer by layer": _stack_layer_by_layer, "recursion": _stack_by_recursion},
    misconceptions=(
        Misconception(
            "kernels_added",
            "You add whole kernels: neighbouring windows overlap, so a further layer adds less.",
            lambda n_layers, kernel=3: n_layers * kernel,
        ),
        Misconception(
            "one_forgotten",
            "You count what the layers add: to what? With no layer at all, a unit sees its own "
            "pixel.",
            lambda n_layers, kernel=3: n_layers * (kernel - 1),
        ),
        Misconception(
            "three_only",
            "Your answer does not change with the kernel.",
            lambda n_layers, kernel=3: 1 + 2 * n_layers,
        ),
        Misconception(
            "one_side",
            "You count one side of the window: it grows to the left and to the right.",
            lambda n_layers, kernel=3: 1 + n_layers * (kernel - 1) // 2,
        ),
        Misconception(
            "both_sides_twice",
            "You add K − 1 on each side: a kernel of K adds K − 1 in all.",
            lambda n_layers, kernel=3: 1 + 2 * n_layers * (kernel - 1),
        ),
        Misconception(
            "one_layer_ahead",
            "You are one layer ahead: what does a unit see after no layer, and after one?",
            lambda n_layers, kernel=3: kernel + n_layers * (kernel - 1),
        ),
        Misconception(
            "grows_like_a_power",
            "You multiply from layer to layer: at stride 1 every layer adds the same.",
            lambda n_layers, kernel=3: int(kernel) ** int(n_layers),
        ),
        Misconception(
            "kernel_added_each_time",
            "You add K for every layer: one of the K taps falls on what was seen already.",
            lambda n_layers, kernel=3: 1 + n_layers * kernel,
        ),
        Misconception(
            "area",
            "You count all pixels of the square: the length of one side is asked.",
            lambda n_layers, kernel=3: (1 + n_layers * (kernel - 1)) ** 2,
        ),
        Misconception(
            "float",
            "Your numbers are right but for their type: a field is a whole number of pixels.",
            lambda n_layers, kernel=3: 1.0 + n_layers * (kernel - 1),
        ),
    ),
    forbidden=_OURS,
    hints=(
        "Start with no layer: a unit sees its own pixel, 1. What does one layer of 3×3 add, and "
        "what a second?",
        "Each layer adds (K − 1) / 2 pixels on the left and as many on the right.",
        "1 + n_layers * (kernel - 1)",
    ),
)


# ── receptive_field ─────────────────────────────────────────────────────────────────────────────


def _field_backwards(layers: Layers) -> tuple[int, int, int]:
    """From the unit down to the image: the first and the last position that unit 0 needs."""
    first = last = 0
    jump = 1
    for kernel, stride, padding, dilation in reversed(layers):
        first = first * stride - padding
        last = last * stride - padding + dilation * (kernel - 1)
        jump *= stride
    return last - first + 1, jump, first


def _field_by_sums(layers: Layers) -> tuple[int, int, int]:
    if not len(layers):
        return 1, 1, 0
    kernel, stride, padding, dilation = np.array(layers).T
    jumps = np.cumprod(np.concatenate([[1], stride]))  # before each layer, then the last
    size = 1 + int((jumps[:-1] * dilation * (kernel - 1)).sum())
    return size, int(jumps[-1]), -int((jumps[:-1] * padding).sum())


def _field_as(
    step: Callable[[int, int, int, int, int, int, int], tuple[int, int, int]],
    start: tuple[int, int, int] = (1, 1, 0),
) -> Callable[[Layers], tuple[int, int, int]]:
    """The recursion with its step exchangeable: (size, jump, start, k, s, p, d) to the next."""

    def field(layers: Layers) -> tuple[int, int, int]:
        state = start
        for k, s, p, d in layers:
            state = step(*state, k, s, p, d)
        return state

    return field


def _right_step(
    size: int, jump: int, start: int, k: int, s: int, p: int, d: int
) -> tuple[int, int, int]:
    return size + d * (k - 1) * jump, jump * s, start - p * jump


def _field_without_last_stride(layers: Layers) -> tuple[int, int, int]:
    size, jump, start = _field_by_sums(layers)
    return size, jump // layers[-1][1] if len(layers) else jump, start


def _field_reversed(layers: Layers) -> tuple[int, int, int]:
    return _field_by_sums(list(reversed(layers)))


def _layer(
    rng: np.random.Generator, stride: int = 1, padding: int = 0, dilation: int = 1
) -> tuple[int, int, int, int]:
    return int(rng.choice([2, 3, 5])), stride, padding, dilation


def _field_cases(rng: np.random.Generator) -> Iterator[Case]:
    def one(stride: int = 1, padding: int = 0, dilation: int = 1) -> tuple[int, int, int, int]:
        return _layer(rng, stride, padding, dilation)

    yield Case("stride 1", ([],), note="no layer at all")
    yield Case("stride 1", ([one()],))
    yield Case("stride 1", ([one(), (1, 1, 0, 1), one()],), note="a 1×1 layer in between")
    yield Case("stride 1", ([one() for _ in range(below(rng, 9, 4))],))
    strided = "strides and jumps"
    yield Case(strided, ([one(2)],), note="a single layer's stride changes nothing in its own size")
    yield Case(strided, ([one(), one(3)],))
    yield Case(strided, ([one(3), one(), (1, 2, 0, 1)],))
    yield Case(strided, ([one(2), one(3), one(), one(2), one()],))
    yield Case(strided, ([(int(rng.choice([3, 5])), np.int64(2), 0, 1), one(3), one()],))
    yield Case("padding and start", ([one(1, 1)],))
    yield Case("padding and start", ([one(2, 1), one(1, below(rng, 4, 2))],))
    yield Case("padding and start", ([one(3, 2), one(2, 0), one(1, 1), one(2, 3)],))
    yield Case("padding and start", ([one(1, 1), one(2, 2), one(2, 1)],))
    yield Case("dilation", ([one(dilation=2)],))
    yield Case("dilation", ([one(), one(dilation=3), one(dilation=below(rng, 6, 4))],))
    yield Case(
        "dilation", ([one(2, 1, 3), one(3, 2), one(1, 4, 2), one(2, 1)],), note="all at once"
    )
    yield Case("dilation", ([(3, 2, 2, 2), one(2, 3, 3), one(1, 1, 2)],))


RECEPTIVE_FIELD = FunctionExercise(
    name="receptive_field",
    chapter="05",
    signature="receptive_field(layers) -> (size, jump, start)",
    aspects=(
        Aspect("stride 1", 1),
        Aspect("strides and jumps", 2),
        Aspect("padding and start", 2),
        Aspect("dilation", 1),
    ),
    worked=(
        Case("stride 1", ([(3, 1, 0, 1), (3, 1, 0, 1)],)),
        Case("strides and jumps", ([(3, 1, 0, 1), (3, 2, 0, 1), (3, 1, 0, 1), (3, 2, 0, 1)],)),
        Case("padding and start", ([(3, 1, 1, 1), (3, 2, 1, 1), (3, 1, 1, 1), (3, 2, 1, 1)],)),
        Case("dilation", ([(3, 1, 1, 1), (3, 1, 2, 2), (3, 1, 4, 4)],)),
    ),
    cases=_field_cases,
    reference=lambda layers: tuple(geometry.receptive_field(layers)),
    alternatives={"backwards": _field_backwards, "sums": _field_by_sums},
    misconceptions=(
        Misconception(
            "own_stride_counted",
            "You multiply the jump by a layer's stride before you use it: a layer's own stride "
            "sets its outputs apart, not the taps of its own window.",
            _field_as(lambda r, j, a, k, s, p, d: (r + d * (k - 1) * j * s, j * s, a - p * j)),
        ),
        Misconception(
            "own_stride_counted_everywhere",
            "You multiply the jump by a layer's stride first, and then use it for the size and "
            "the start: its own stride comes last.",
            _field_as(lambda r, j, a, k, s, p, d: (r + d * (k - 1) * j * s, j * s, a - p * j * s)),
        ),
        Misconception(
            "own_stride_counted_in_the_start",
            "You multiply the jump by a layer's stride before you use it for the start: a layer's "
            "padding is made of positions of its input, so its own stride comes last.",
            _field_as(lambda r, j, a, k, s, p, d: (r + d * (k - 1) * j, j * s, a - p * j * s)),
        ),
        Misconception(
            "kernel_added_each_time",
            "You add whole kernels: neighbouring windows overlap, so K taps add K − 1 steps.",
            _field_as(lambda r, j, a, k, s, p, d: (r + d * k * j, j * s, a - p * j)),
        ),
        Misconception(
            "strides_ignored",
            "Your answer does not change with the strides.",
            _field_as(lambda r, j, a, k, s, p, d: (r + d * (k - 1), 1, a - p)),
        ),
        Misconception(
            "size_without_jump",
            "Your size grows by the same at every layer: a step of a later layer is as long as the "
            "jump before it.",
            _field_as(lambda r, j, a, k, s, p, d: (r + d * (k - 1), j * s, a - p * j)),
        ),
        Misconception(
            "start_without_jump",
            "Your start counts every layer's padding as pixels: one position of a later layer is "
            "as long as the jump before it.",
            _field_as(lambda r, j, a, k, s, p, d: (r + d * (k - 1) * j, j * s, a - p)),
        ),
        Misconception(
            "previous_stride_only",
            "You take the stride of the layer before: the jump is the product of all strides "
            "before.",
            _field_as(lambda r, j, a, k, s, p, d: (r + d * (k - 1) * j, s, a - p * j)),
        ),
        Misconception(
            "strides_added",
            "You add the strides up: two steps of 2 make one of 4, so multiply.",
            _field_as(lambda r, j, a, k, s, p, d: (r + d * (k - 1) * j, j + s - 1, a - p * j)),
        ),
        Misconception(
            "stride_multiplies_the_field",
            "You multiply the field by the stride: a stride changes what the layers after it add, "
            "not what has been seen so far.",
            _field_as(lambda r, j, a, k, s, p, d: ((r + d * (k - 1) * j) * s, j * s, a - p * j)),
        ),
        Misconception(
            "jump_of_the_last_layer_missing",
            "Your jump leaves out the stride of the last layer: how far apart are two units of the "
            "output?",
            _field_without_last_stride,
        ),
        Misconception(
            "start_positive",
            "Your start has the wrong sign: padding lets unit 0 look at what lies before pixel 0.",
            _field_as(lambda r, j, a, k, s, p, d: (r + d * (k - 1) * j, j * s, a + p * j)),
        ),
        Misconception(
            "padding_ignored",
            "Your start does not change with the padding.",
            _field_as(lambda r, j, a, k, s, p, d: (r + d * (k - 1) * j, j * s, 0)),
        ),
        Misconception(
            "padding_shrinks_the_field",
            "You take the padding off the size: a window in the padding is as long as any other.",
            _field_as(lambda r, j, a, k, s, p, d: (r + (d * (k - 1) - p) * j, j * s, a - p * j)),
        ),
        Misconception(
            "dilation_ignored",
            "Your answer does not change with the dilation.",
            _field_as(lambda r, j, a, k, s, p, d: (r + (k - 1) * j, j * s, a - p * j)),
        ),
        Misconception(
            "dilation_times_kernel",
            "You stretch the kernel to dilation × kernel pixels: K taps have K − 1 steps.",
            _field_as(lambda r, j, a, k, s, p, d: (r + (d * k - 1) * j, j * s, a - p * j)),
        ),
        Misconception(
            "starts_from_nothing",
            "Before any layer a unit sees one pixel, not none.",
            _field_as(_right_step, start=(0, 1, 0)),
        ),
        Misconception(
            "other_end_first",
            "You go through the layers from the last to the first: then jump and field must be "
            "carried differently.",
            _field_reversed,
        ),
    ),
    forbidden=_OURS,
    hints=(
        "Carry three numbers through the layers: size = 1, jump = 1, start = 0 before the first. "
        "What does one layer do to each?",
        "The taps of a layer are dilation positions of its own input apart, and one such position "
        "is `jump` pixels long. The same holds for its padding, to the left.",
        "size += dilation * (kernel - 1) * jump, then start -= padding * jump, and last of all "
        "jump *= stride.",
    ),
)


# ── input_region ────────────────────────────────────────────────────────────────────────────────


def _region_backwards(layers: Layers, index: int) -> tuple[int, int]:
    first = last = index
    for kernel, stride, padding, dilation in reversed(layers):
        first = first * stride - padding
        last = last * stride - padding + dilation * (kernel - 1)
    return first, last


def _region_as(
    place: Callable[[int, int, int, int], tuple[int, int]],
) -> Callable[[Layers, int], tuple[int, int]]:
    return lambda layers, index: place(*_field_by_sums(layers), int(index))


def _region_without_padding(layers: Layers, index: int) -> tuple[int, int]:
    return _region_backwards([(k, s, 0, d) for k, s, _, d in layers], index)


def _region_padding_not_strided(layers: Layers, index: int) -> tuple[int, int]:
    size, jump, _ = _field_by_sums(layers)
    first = index * jump - sum(layer[2] for layer in layers)
    return first, first + size - 1


def _region_top_down(layers: Layers, index: int) -> tuple[int, int]:
    return _region_backwards(list(reversed(layers)), index)


def _region_without_dilation(layers: Layers, index: int) -> tuple[int, int]:
    return _region_backwards([(k, s, p, 1) for k, s, p, _ in layers], index)


def _region_cases(rng: np.random.Generator) -> Iterator[Case]:
    def one(stride: int = 1, padding: int = 0, dilation: int = 1) -> tuple[int, int, int, int]:
        return _layer(rng, stride, padding, dilation)

    def index() -> int:
        return below(rng, 20, 3)

    yield Case("unit 0", ([one(2, 0)], 0))
    yield Case("unit 0", ([(2, 1, 3, 1)], 0), note="the whole region lies in the padding")
    yield Case("unit 0", ([one(3, 1), one(2, 2)], 0))
    yield Case("unit 0", ([one(2, 1, 2), one(1, 3), one(2, 1)], 0))
    yield Case("any unit", ([], index()), note="no layer at all: unit i is pixel i")
    yield Case("any unit", ([one()], index()))
    yield Case("any unit", ([one(2, 1)], np.int64(index())))
    yield Case("any unit", ([one(2, 1), one(3, 2), one(1, 1)], index()))
    yield Case("any unit", ([one(3, 0), one(), one(2, 0)], index()))
    yield Case("any unit", ([one(1, 1), one(2, 3, 3), one(2, 2)], index()))
    yield Case("any unit", ([one(2, 3, 2), one(3, 1), one(2, 2, 2), one(2, 1)], 1))


INPUT_REGION = FunctionExercise(
    name="input_region",
    chapter="05",
    signature="input_region(layers, index) -> (first, last)",
    aspects=(Aspect("unit 0", 1), Aspect("any unit", 2)),
    worked=(
        Case("unit 0", ([(3, 1, 1, 1), (3, 2, 1, 1)], 0)),
        Case("any unit", ([(3, 1, 1, 1), (3, 2, 1, 1)], 3)),
    ),
    cases=_region_cases,
    reference=geometry.input_region,
    alternatives={
        "backwards": _region_backwards,
        "size, jump, start": _region_as(lambda r, j, a, i: (a + i * j, a + i * j + r - 1)),
    },
    misconceptions=(
        Misconception(
            "end_not_included",
            "Your last pixel is one too far: it is the last that belongs to the region.",
            _region_as(lambda r, j, a, i: (a + i * j, a + i * j + r)),
        ),
        Misconception(
            "clipped",
            "You clip the region at pixel 0: leave it as it is, negative in the padding.",
            _region_as(lambda r, j, a, i: (max(0, a + i * j), max(0, a + i * j + r - 1))),
        ),
        Misconception(
            "clipped_at_the_front",
            "Your first pixel never goes below 0: leave it as it is, negative in the padding.",
            _region_as(lambda r, j, a, i: (max(0, a + i * j), a + i * j + r - 1)),
        ),
        Misconception(
            "no_jump",
            "Neighbouring units are not always one pixel apart: by how much do their regions "
            "shift?",
            _region_as(lambda r, j, a, i: (a + i, a + i + r - 1)),
        ),
        Misconception(
            "side_by_side",
            "You lay the regions end to end: those of neighbouring units overlap.",
            _region_as(lambda r, j, a, i: (a + i * r, a + i * r + r - 1)),
        ),
        Misconception(
            "always_unit_0",
            "Your answer does not change with the index.",
            _region_as(lambda r, j, a, i: (a, a + r - 1)),
        ),
        Misconception(
            "counted_from_one",
            "You count units from 1: the first of them is unit 0.",
            _region_as(lambda r, j, a, i: (a + (i - 1) * j, a + (i - 1) * j + r - 1)),
        ),
        Misconception(
            "padding_ignored",
            "Your region does not change with the padding.",
            _region_without_padding,
        ),
        Misconception(
            "padding_in_pixels",
            "You add up the paddings of all layers: one position of a later layer is several "
            "pixels long.",
            _region_padding_not_strided,
        ),
        Misconception(
            "centred",
            "You take index × jump as the region's centre: padding decides where it lies.",
            _region_as(lambda r, j, a, i: (i * j - r // 2, i * j - r // 2 + r - 1)),
        ),
        Misconception(
            "wrong_end_first",
            "You walk through the layers from the image up: to come down from the unit, begin with "
            "the last layer.",
            _region_top_down,
        ),
        Misconception(
            "dilation_ignored",
            "Your region does not change with the dilation.",
            _region_without_dilation,
        ),
    ),
    forbidden=tuple(name for name in _OURS if name != "course_lib.geometry.receptive_field"),
    hints=(
        "receptive_field tells where unit 0's region starts, how long it is, and by how much the "
        "region moves from one unit to the next.",
        "The first pixel is start + index · jump. How many pixels further is the last one, if "
        "there are `size` of them?",
        "first = start + index * jump; last = first + size - 1",
    ),
)


# ── layers_to_see ───────────────────────────────────────────────────────────────────────────────


def _layers_by_stacking(size: int, kernel: int = 3) -> int:
    layers, seen = 0, 1
    while seen < size:
        layers, seen = layers + 1, seen + kernel - 1
    return layers


def _layers_by_ceil(size: int, kernel: int = 3) -> int:
    return math.ceil(Fraction(int(size) - 1, int(kernel) - 1))


def _see_cases(rng: np.random.Generator) -> Iterator[Case]:
    fits, rest = "it fits exactly", "a rest needs a layer too"
    yield Case(fits, (1,), note="a unit sees its own pixel without any layer")
    yield Case(fits, (1 + 2 * below(rng, 9),))
    for kernel in (2, 5, 7):
        yield Case(fits, (1 + (kernel - 1) * below(rng, 15, 3), kernel))
    yield Case(rest, (2,))
    yield Case(rest, (2 + 2 * below(rng, 50, 5),))
    for kernel, more in ((4, 1), (5, 1), (7, 2), (11, 9)):
        yield Case(rest, (1 + (kernel - 1) * below(rng, 15, 2) + more, kernel))
    yield Case(rest, (np.int64(2 + 2 * below(rng, 90, 5)),), {"kernel": np.int64(3)})


LAYERS_TO_SEE = FunctionExercise(
    name="layers_to_see",
    chapter="05",
    signature="layers_to_see(size, kernel=3) -> int",
    aspects=(Aspect("it fits exactly", 1), Aspect("a rest needs a layer too", 1)),
    worked=(
        Case("it fits exactly", (5,)),
        Case("it fits exactly", (61,)),
        Case("a rest needs a layer too", (224,)),
        Case("a rest needs a layer too", (224, 7)),
    ),
    cases=_see_cases,
    reference=geometry.layers_to_see,
    alternatives={"stacking": _layers_by_stacking, "ceil": _layers_by_ceil},
    misconceptions=(
        Misconception(
            "rounded_down",
            "You round down: the last pixels are not seen by then.",
            lambda size, kernel=3: (size - 1) // (kernel - 1),
        ),
        Misconception(
            "first_pixel_forgotten",
            "Where it fits exactly, you have a layer too many: one pixel is seen without any.",
            lambda size, kernel=3: -(-size // (kernel - 1)),
        ),
        Misconception(
            "side_by_side",
            "You lay whole kernels side by side: each layer adds less than its kernel.",
            lambda size, kernel=3: -(-size // kernel),
        ),
        Misconception(
            "divided_by_the_kernel",
            "You divide by the kernel: by how many pixels does a layer widen the field?",
            lambda size, kernel=3: -(-(size - 1) // kernel),
        ),
        Misconception(
            "three_only",
            "Your answer does not change with the kernel.",
            lambda size, kernel=3: size // 2,
        ),
        Misconception(
            "first_layer_not_counted",
            "You start from the first layer's field and count the layers after it: the first one "
            "counts too.",
            lambda size, kernel=3: max(0, -(-(size - kernel) // (kernel - 1))),
        ),
        Misconception(
            "float",
            "You divide with `/` and get a float: layers are counted in whole numbers.",
            lambda size, kernel=3: (size - 1) / (kernel - 1),
        ),
        Misconception(
            "rounded_to_nearest",
            "You round to the nearest number: less than half a layer is a layer all the same.",
            lambda size, kernel=3: round((int(size) - 1) / (int(kernel) - 1)),
        ),
    ),
    forbidden=_OURS,
    hints=(
        "Turn 1 + n·(K − 1) ≥ size round: which n is the smallest?",
        "n is (size − 1) / (K − 1), rounded up. A loop that stacks until it sees enough does it "
        "too.",
        "-(-(size - 1) // (kernel - 1)): `//` rounds down, and minus before and after turns that "
        "into up.",
    ),
)


# ── dilated_rf ──────────────────────────────────────────────────────────────────────────────────


def _dilated_by_hand(dilations: Sequence[int], kernel: int = 3) -> int:
    size = 1
    for dilation in dilations:
        effective = kernel + (kernel - 1) * (dilation - 1)
        size += effective - 1
    return size


def _dilated_as(term: Callable[[int, int], int], start: int = 1) -> Callable[..., int]:
    """A sum over the layers, of a term of (dilation, kernel)."""

    def field(dilations: Sequence[int], kernel: int = 3) -> int:
        return start + sum(term(dilation, kernel) for dilation in dilations)

    return field


def _dilated_largest_only(dilations: Sequence[int], kernel: int = 3) -> int:
    return 1 + (kernel - 1) * max(dilations, default=0)


def _dilated_like_strides(dilations: Sequence[int], kernel: int = 3) -> int:
    size = jump = 1
    for dilation in dilations:
        size, jump = size + (kernel - 1) * jump, jump * dilation
    return size


def _dilated_products(dilations: Sequence[int], kernel: int = 3) -> int:
    size = jump = 1
    for dilation in dilations:
        jump *= dilation
        size += (kernel - 1) * jump
    return size


def _dilated_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case("one layer", ([below(rng, 9, 3)],))
    yield Case("one layer", ([1], 5))
    for kernel in (2, 5, 7):
        yield Case("one layer", ([below(rng, 12, 2)],), {"kernel": kernel})
    yield Case("several layers", ([],), note="no layer at all")
    yield Case("several layers", ([1, 1, 1],))
    for count in (2, 3, 5):
        yield Case("several layers", ([int(n) for n in rng.integers(2, 9, count)],))
    yield Case("several layers", (tuple(int(n) for n in rng.integers(2, 9, 3)), 5))
    yield Case("several layers", ([int(n) for n in rng.permutation([1, 3, 4, 9])], np.int64(4)))


DILATED_RF = FunctionExercise(
    name="dilated_rf",
    chapter="05",
    signature="dilated_rf(dilations, kernel=3) -> int",
    aspects=(Aspect("one layer", 1), Aspect("several layers", 2)),
    worked=(
        Case("one layer", ([1],)),
        Case("one layer", ([2],)),
        Case("several layers", ([1, 2],)),
        Case("several layers", ([1, 2, 4],)),
        Case("several layers", ([1, 2, 4, 8],)),
    ),
    cases=_dilated_cases,
    reference=geometry.dilated_rf,
    alternatives={
        "effective kernels": _dilated_by_hand,
        "one sum": lambda dilations, kernel=3: 1 + (kernel - 1) * sum(dilations),
        "layers": lambda dilations, kernel=3: _field_by_sums(
            [(int(kernel), 1, 0, d) for d in dilations]
        )[0],
    },
    misconceptions=(
        Misconception(
            "float_of_an_empty_list",
            "NumPy's sum of an empty list is the float 0.0: Python's own `sum` stays with ints.",
            lambda dilations, kernel=3: 1 + np.sum(dilations) * (kernel - 1),
        ),
        Misconception(
            "dilation_ignored",
            "Your answer does not change with the dilations.",
            _dilated_as(lambda d, k: k - 1),
        ),
        Misconception(
            "dilation_times_kernel",
            "You stretch the kernel to dilation × kernel pixels: K taps have K − 1 steps.",
            _dilated_as(lambda d, k: d * k - 1),
        ),
        Misconception(
            "whole_kernels_added",
            "You add whole effective kernels: each overlaps what was seen before it by a pixel.",
            _dilated_as(lambda d, k: d * (k - 1) + 1),
        ),
        Misconception(
            "one_forgotten",
            "You count what the layers add: before any layer a unit sees one pixel.",
            _dilated_as(lambda d, k: d * (k - 1), start=0),
        ),
        Misconception(
            "effective_kernels_summed",
            "You lay effective kernels side by side: each overlaps what was seen before it by a "
            "pixel.",
            _dilated_as(lambda d, k: d * (k - 1) + 1, start=0),
        ),
        Misconception(
            "dilation_counts_gaps",
            "You skip `dilation` pixels between taps: it is the step from tap to tap, 1 where they "
            "are neighbours.",
            _dilated_as(lambda d, k: (d + 1) * (k - 1)),
        ),
        Misconception(
            "largest_only",
            "You look at the largest dilation alone: every layer adds its part.",
            _dilated_largest_only,
        ),
        Misconception(
            "like_strides",
            "You carry the dilation to the layers after it, as a stride: it spreads the taps of "
            "its own layer only.",
            _dilated_like_strides,
        ),
        Misconception(
            "dilations_multiplied",
            "You multiply the dilations from layer to layer: each counts for its own layer, "
            "because all strides are 1.",
            _dilated_products,
        ),
        Misconception(
            "three_only",
            "Your answer does not change with the kernel.",
            lambda dilations, kernel=3: 1 + 2 * sum(dilations),
        ),
        Misconception(
            "one_side",
            "You count one side of the window.",
            lambda dilations, kernel=3: 1 + (kernel - 1) * sum(dilations) // 2,
        ),
    ),
    forbidden=_OURS,
    hints=(
        "How many pixels does one dilated layer span from its first tap to its last? It adds one "
        "fewer than that.",
        "K taps have K − 1 steps between them, each `dilation` pixels long; strides are 1, so the "
        "jump stays 1.",
        "1 + (kernel - 1) * sum(dilations)",
    ),
)


# ── stack_params ────────────────────────────────────────────────────────────────────────────────


def _params_of_stack(channels: int, kernels: Sequence[int]) -> int:
    return sum(cost.conv_params(channels, channels, kernel, bias=False) for kernel in kernels)


def _params_by_shapes(channels: int, kernels: Sequence[int]) -> int:
    return int(sum(np.zeros((channels, channels, k, k), np.int8).size for k in kernels))


def _params_as(term: Callable[[int, int], int]) -> Callable[[int, Sequence[int]], int]:
    """A sum over the kernels, of a term of (channels, kernel)."""
    return lambda channels, kernels: sum(term(channels, kernel) for kernel in kernels)


def _params_cases(rng: np.random.Generator) -> Iterator[Case]:
    def channels() -> int:
        return below(rng, 40, 4)

    yield Case("one layer", (1, [3]))
    for kernel in (1, 3, 5):
        yield Case("one layer", (channels(), [kernel]))
    yield Case("several layers", (channels(), [2, 5]))
    yield Case("several layers", (channels(), [3, 3, 3]))
    yield Case("several layers", (channels(), [1, 3, 1]))
    yield Case("several layers", (np.int64(channels()), (7, 2, 4)))
    yield Case("several layers", (channels(), [int(k) for k in rng.integers(2, 8, 4)]))


STACK_PARAMS = FunctionExercise(
    name="stack_params",
    chapter="05",
    signature="stack_params(channels, kernels) -> int",
    aspects=(Aspect("one layer", 1), Aspect("several layers", 1)),
    worked=(
        Case("one layer", (64, [5])),
        Case("several layers", (64, [3, 3])),
        Case("several layers", (64, [3, 3, 3])),
    ),
    cases=_params_cases,
    reference=_params_of_stack,
    alternatives={
        "shapes": _params_by_shapes,
        "one sum": lambda channels, kernels: int(channels) ** 2 * sum(k * k for k in kernels),
    },
    misconceptions=(
        Misconception(
            "one_channel_in",
            "A kernel has weights for every channel that comes in: count C × C pairs of channels.",
            _params_as(lambda c, k: k * k * c),
        ),
        Misconception(
            "bias_counted",
            "You count the biases too: weights only.",
            _params_as(lambda c, k: k * k * c * c + c),
        ),
        Misconception(
            "one_bias_a_layer",
            "You add one for each layer: weights only, no bias.",
            _params_as(lambda c, k: k * k * c * c + 1),
        ),
        Misconception(
            "kernel_not_squared",
            "A kernel is a square: K rows of K weights.",
            _params_as(lambda c, k: k * c * c),
        ),
        Misconception(
            "kernels_added_first",
            "You add the kernels up before you square: every layer has its own K².",
            lambda channels, kernels: sum(kernels) ** 2 * channels**2,
        ),
        Misconception(
            "first_layer_only",
            "Only the first layer's weights come back: does a `return` stand inside your loop?",
            lambda channels, kernels: int(kernels[0]) ** 2 * channels**2,
        ),
        Misconception(
            "first_kernel_only",
            "You take the first kernel for all layers.",
            lambda channels, kernels: (
                len(kernels) * kernels[0] ** 2 * channels**2 if len(kernels) else 0
            ),
        ),
        Misconception(
            "last_kernel_only",
            "You count the last layer alone: add the layers up.",
            lambda channels, kernels: kernels[-1] ** 2 * channels**2 if len(kernels) else 0,
        ),
        Misconception(
            "multiplied_layers",
            "You multiply the layers' counts: weights of different layers add up.",
            lambda channels, kernels: int(
                np.prod([float(k * k * int(channels) ** 2) for k in kernels])
            ),
        ),
        Misconception(
            "twice_the_channels",
            "Channels in and channels out multiply: you add them.",
            _params_as(lambda c, k: k * k * 2 * c),
        ),
    ),
    forbidden=("course_lib.cost.conv_params", "course_lib.cost.conv_cost"),
    hints=(
        "A layer from C channels to C channels has how many kernels, of how many weights each?",
        "C output channels, each with a K×K×C kernel: K²·C² weights. Add up the layers.",
        "sum(k * k * channels * channels for k in kernels)",
    ),
)


# ── effective_receptive_field ───────────────────────────────────────────────────────────────────


def _reference_field(model: Any, input_shape: Sequence[int]) -> Array:
    from course_lib.receptive_field_torch import effective_receptive_field

    return effective_receptive_field(model, input_shape)


def _gradients(
    model: Any,
    input_shape: Sequence[int],
    n: int = 16,
    pick: Callable[[Any], Any] | None = None,
) -> Array:
    """The gradients (n, C, H, W) of a unit of the output at n random inputs."""
    import torch

    x = torch.randn(n, *input_shape, requires_grad=True)
    unit = (pick or _centre)(model(x))
    (gradient,) = torch.autograd.grad(unit.sum(), x)
    return np.asarray(gradient.double().numpy())


def _centre(out: Any) -> Any:
    return out[:, :, out.shape[2] // 2, out.shape[3] // 2]


def _scaled(field: Array) -> Array:
    largest = field.max()
    return field / largest if largest else field


def _effective_as(
    combine: Callable[[Array], Array] = lambda g: _scaled(np.abs(g).sum(1).mean(0)),
    **how: Any,
) -> Callable[[Any, Sequence[int]], Array]:
    """The effective field with its parts exchangeable: a mistake changes one."""
    return lambda model, input_shape: combine(_gradients(model, input_shape, **how))


def _from_the_smallest(field: Array) -> Array:
    return np.asarray(field - field.min())


def _effective_one_by_one(model: Any, input_shape: Sequence[int]) -> Array:
    import torch

    total = np.zeros(tuple(input_shape[1:]))
    for _ in range(16):
        x = torch.randn(1, *input_shape, requires_grad=True)
        _centre(model(x)).sum().backward()
        assert x.grad is not None
        total += x.grad[0].abs().sum(dim=0).double().numpy()
    return _scaled(total)


def _effective_channel_by_channel(model: Any, input_shape: Sequence[int]) -> Array:
    """Each output channel's own absolute gradient: the other order of adding up."""
    import torch

    total = np.zeros(tuple(input_shape[1:]))
    for _ in range(16):
        x = torch.randn(1, *input_shape, requires_grad=True)
        for unit in _centre(model(x))[0]:
            (gradient,) = torch.autograd.grad(unit, x, retain_graph=True)
            total += gradient[0].abs().sum(0).double().numpy()
    return _scaled(total)


def _effective_unscaled_by_the_sum(gradient: Array) -> Array:
    field = np.abs(gradient).sum(1).mean(0)
    return np.asarray(field / field.sum())


def _effective_as_a_tensor(model: Any, input_shape: Sequence[int]) -> Any:
    import torch

    total = torch.zeros(tuple(input_shape[1:]))
    for _ in range(16):
        x = torch.rand(1, *input_shape, requires_grad=True)
        _centre(model(x)).sum().backward()
        assert x.grad is not None
        total += x.grad[0].abs().sum(0)
    return total / total.max()


_NETS = "course_lib.known_fields:"


def _linear(
    channels: tuple[int, ...],
    kernels: tuple[Any, ...],
    shape: tuple[int, int, int],
    seed: int,
    **more: Any,
) -> tuple[Made, tuple[int, int, int]]:
    made = {"channels": channels, "kernels": kernels, "seed": seed, **more}
    return Made(_NETS + "linear_net", (), made), shape


def _effective_cases(rng: np.random.Generator) -> Iterator[Case]:
    def seed() -> int:
        return below(rng, 2**31)

    centre, channels = "the centre unit", "signs and channels"
    wide = (1, 7, 13)
    yield Case(centre, _linear((1, 1), (3,), (1, 5, 7), seed(), padding=1, signed=False))
    yield Case(
        centre,
        _linear((1, 1), (3,), (1, 3, 3), seed(), signed=False),
        note="the field is the whole image",
    )
    yield Case(
        centre,
        _linear((1, 1), (3,), (1, 6, 8), seed(), padding=1, signed=False),
        note="an even number of units",
    )
    yield Case(
        centre,
        _linear((1, 1), ((1, 3),), wide, seed(), padding=1, signed=False),
        note="a flat kernel",
    )
    yield Case(centre, _linear((1, 2, 1), (3, 2), (1, 8, 6), seed(), signed=False))
    yield Case(
        centre, _linear((1, 1, 1), (3, 3), (1, 11, 15), seed(), strides=(2, 1), signed=False)
    )
    yield Case(channels, _linear((1, 1), (3,), (1, 3, 5), seed()))
    yield Case(channels, _linear((3, 1), (3,), (3, 5, 3), seed()), note="three channels go in")
    yield Case(
        channels,
        _linear((1, 4), (3,), (1, 5, 7), seed(), signed=False),
        note="four channels come out",
    )
    yield Case(channels, _linear((2, 3, 1), (3, (3, 1)), (2, 7, 5), seed()))
    for c_in, kernel, shape in ((1, 3, (1, 5, 3)), (2, (3, 5), (2, 5, 7))):
        yield Case(
            "sixteen inputs",
            (
                Made(
                    _NETS + "alternating_net", (), {"c_in": c_in, "kernel": kernel, "seed": seed()}
                ),
                shape,
            ),
            note="a network whose gradient is another one at each input",
        )


EFFECTIVE_RECEPTIVE_FIELD = FunctionExercise(
    name="effective_receptive_field",
    chapter="05",
    signature="effective_receptive_field(model, input_shape) -> (H, W) array",
    aspects=(
        Aspect("the centre unit", 2),
        Aspect("signs and channels", 2),
        Aspect("sixteen inputs", 1),
    ),
    worked=(
        Case("the centre unit", _linear((1, 1), (3,), (1, 5, 5), 1, signed=False)),
        Case("signs and channels", _linear((2, 3, 1), (3, 3), (2, 7, 7), 2)),
    ),
    cases=_effective_cases,
    reference=_reference_field,
    alternatives={
        "one after the other": _effective_one_by_one,
        "in one batch": _effective_as(),
        "channel by channel": _effective_channel_by_channel,
        "a tensor": _effective_as_a_tensor,
    },
    misconceptions=(
        Misconception(
            "signed",
            "Your map has negative values: take the absolute gradient, or positive and negative "
            "ones cancel.",
            _effective_as(lambda g: _scaled(g.sum(1).mean(0))),
        ),
        Misconception(
            "absolute_after_the_channels",
            "You add the input channels before you take the absolute value, so they cancel.",
            _effective_as(lambda g: _scaled(np.abs(g.sum(1)).mean(0))),
        ),
        Misconception(
            "absolute_after_the_average",
            "You average before you take the absolute value: gradients of different inputs cancel.",
            _effective_as(lambda g: _scaled(np.abs(g.mean(0)).sum(0))),
        ),
        Misconception(
            "squared",
            "You square the gradient: its absolute value is asked.",
            _effective_as(lambda g: _scaled((g**2).sum(1).mean(0))),
        ),
        Misconception(
            "not_scaled",
            "Your map is not scaled: its largest value has to be 1.",
            _effective_as(lambda g: np.abs(g).sum(1).mean(0)),
        ),
        Misconception(
            "scaled_to_sum_1",
            "Your map adds up to 1: scale it so that its largest value is 1.",
            _effective_as(_effective_unscaled_by_the_sum),
        ),
        Misconception(
            "every_unit",
            "You take the gradient of all units together: only the one in the centre counts.",
            _effective_as(pick=lambda out: out),
        ),
        Misconception(
            "corner_unit",
            "You take the unit in the corner: its field hangs over the image's border.",
            _effective_as(pick=lambda out: out[:, :, 0, 0]),
        ),
        Misconception(
            "height_for_width",
            "You take half the height for both coordinates of the centre: the output need not be "
            "square.",
            _effective_as(pick=lambda out: out[:, :, out.shape[2] // 2, out.shape[2] // 2]),
        ),
        Misconception(
            "centre_of_the_input",
            "You halve the input's height and width: the output is smaller, and its centre has "
            "other numbers.",
            lambda model, input_shape: _effective_as(
                pick=lambda out: out[:, :, input_shape[1] // 2, input_shape[2] // 2]
            )(model, input_shape),
        ),
        Misconception(
            "one_before_the_centre",
            "Where the number of units is even your centre is one too early: row H' // 2 and "
            "column W' // 2 are asked.",
            _effective_as(
                pick=lambda out: out[:, :, (out.shape[2] - 1) // 2, (out.shape[3] - 1) // 2]
            ),
        ),
        Misconception(
            "scaled_from_the_smallest",
            "You subtract the smallest value: the largest becomes 1 by a division alone.",
            _effective_as(lambda g: _scaled(_from_the_smallest(np.abs(g).sum(1).mean(0)))),
        ),
        Misconception(
            "first_channel_out",
            "You look at the output's first channel only: add them all up.",
            _effective_as(pick=lambda out: _centre(out)[:, :1]),
        ),
        Misconception(
            "first_channel_in",
            "You look at the input's first channel only: add them all up.",
            _effective_as(lambda g: _scaled(np.abs(g)[:, 0].mean(0))),
        ),
        Misconception(
            "channels_kept",
            "Your map still has its channels: one value for each pixel is asked.",
            _effective_as(lambda g: _scaled(np.abs(g).mean(0))),
        ),
        Misconception(
            "one_input",
            "You try one input: where a network is not linear, another input has another gradient. "
            "Average over 16.",
            _effective_as(n=1),
        ),
        Misconception(
            "largest_of_all",
            "You take the largest gradient of the 16: their average is asked.",
            _effective_as(lambda g: _scaled(np.abs(g).sum(1).max(0))),
        ),
    ),
    forbidden=("course_lib.receptive_field_torch.effective_receptive_field",),
    rtol=1e-4,
    time_limit=20.0,  # torch may have to be imported first
    proof_seeds=5,
    hints=(
        "Make 16 random inputs that ask for a gradient: torch.randn(16, *input_shape, "
        "requires_grad=True). What number do you call backward() on?",
        "Of the output, take the pixel in the centre, out[:, :, h // 2, w // 2], and add up what "
        "it holds. One backward() fills x.grad for all 16 inputs at once.",
        "field = x.grad.abs().sum(dim=1).mean(dim=0); field / field.max()",
    ),
)


# ── design_stack ────────────────────────────────────────────────────────────────────────────────

# (min_rf, max_params, channels) of the worked cases: by these a wrong design is recognised.
_FREE = ((3, 9, 1), (11, 10_000, 8), (24, 100_000, 16))
_BUDGETS = ((5, 18 * 16, 4), (12, 6 * 9 * 64, 8))
_TIGHT = ((63, 5 * 9 * 64, 8), (100, 8 * 9 * 16, 4))


def _stack_of(answer: Any) -> list[tuple[int, int, int, int]] | str:
    """The layers in an answer, or what keeps it from being a stack."""
    if isinstance(answer, np.ndarray) and answer.ndim in (1, 2) and answer.dtype.kind in "iu":
        answer = answer.tolist()
    if not isinstance(answer, list | tuple):
        return "a list of layers (kernel, stride, padding, dilation) is expected"
    if isinstance(answer, tuple) and len(answer) == 4 and all(map(_is_int, answer)):
        return "a list of layers is expected, this is one layer: put it into a list"
    layers = []
    for given in answer:
        numbers: Any = given.tolist() if isinstance(given, np.ndarray) else given
        numbers = [numbers] if _is_int(numbers) else numbers  # a kernel by itself: a plain layer
        if not isinstance(numbers, list | tuple) or not 1 <= len(numbers) <= 4:
            return "every layer must be a tuple (kernel, stride, padding, dilation)"
        if not all(_is_int(number) for number in numbers):
            return "every number of a layer must be an int"
        kernel, stride, padding, dilation = list(numbers) + [1, 0, 1][len(numbers) - 1 :]
        if min(kernel, stride, dilation) < 1 or padding < 0:
            whole = (kernel, stride, padding, dilation)
            return f"there is no layer (kernel, stride, padding, dilation) = {whole}"
        layers.append((int(kernel), int(stride), int(padding), int(dilation)))
    return layers


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _field_of(layers: Layers) -> int:
    return _field_backwards(layers)[0]


def _weights_of(layers: Layers, channels: int) -> int:
    return sum(kernel * kernel * channels * channels for kernel, *_ in layers)


def _unmet(answer: Any, case: Case) -> str | None:
    """What a design misses: both conditions, in words."""
    min_rf, max_params, channels = case.args
    layers = _stack_of(answer)
    if isinstance(layers, str):
        return layers
    seen = _field_of(layers)
    if seen < min_rf:
        return f"your stack sees {seen} pixels, {min_rf} are asked"
    weights = _weights_of(layers, channels)
    if weights > max_params:
        return f"your stack has {weights:,} weights, {max_params:,} are allowed"
    return None


def _wide_enough(answer: Any, case: Case) -> str | None:
    return _unmet(answer, Case(case.aspect, (case.args[0], 10**18, case.args[2])))


def _of_threes(min_rf: int, max_params: int, channels: int) -> list[tuple[int, ...]]:
    return [(3, 1, 1, 1)] * -(-(min_rf - 1) // 2)


def _doubling_dilations(min_rf: int, max_params: int, channels: int) -> list[tuple[int, ...]]:
    layers: list[tuple[int, ...]] = []
    dilation, seen = 1, 1
    while seen < min_rf:
        layers.append((3, 1, dilation, dilation))
        dilation, seen = 2 * dilation, seen + 2 * dilation
    return layers


def _doubling_strides(min_rf: int, max_params: int, channels: int) -> list[tuple[int, ...]]:
    layers: list[tuple[int, ...]] = []
    while not layers or _field_of(layers) < min_rf:  # type: ignore[arg-type]
        layers.append((3, 2, 1, 1))
    return layers


def _small_kernels_by_strides(min_rf: int, max_params: int, channels: int) -> list[tuple[int, ...]]:
    layers: list[tuple[int, ...]] = [(2, 2, 0, 1)]
    while _field_of(layers) < min_rf:  # type: ignore[arg-type]
        layers.append((2, 2, 0, 1))
    return layers


def _cheapest_that_fits(min_rf: int, max_params: int, channels: int) -> list[Any]:
    threes = _of_threes(min_rf, max_params, channels)
    if 9 * channels**2 * len(threes) <= max_params:
        return [3] * len(threes)
    return _doubling_dilations(min_rf, max_params, channels)


def _strides_counted_too_early(
    min_rf: int, max_params: int, channels: int
) -> list[tuple[int, ...]]:
    layers: list[tuple[int, ...]] = []
    jump, seen = 1, 1
    while seen < min_rf:
        jump *= 2
        seen += 2 * jump
        layers.append((3, 2, 1, 1))
    return layers


def _dilations_in_the_strides_place(
    min_rf: int, max_params: int, channels: int
) -> list[tuple[int, ...]]:
    return [(k, d, p, s) for k, s, p, d in _doubling_dilations(min_rf, max_params, channels)]


def _design_mistake(values: Sequence[Any]) -> str | None:
    """Which of the mistakes below the answers to the worked cases show; one at most."""
    asked = (*_FREE, *_BUDGETS, *_TIGHT)
    answers = list(values[: len(asked)])
    if all(_is_int(answer) for answer in answers):
        return "number_of_layers"
    stacks = [_stack_of(answer) for answer in answers]
    if any(isinstance(stack, str) for stack in stacks):
        return None
    designs = [(stack, *numbers) for stack, numbers in zip(stacks, asked, strict=True)]
    if not any(stack for stack in stacks):
        return "empty"

    def made_by(build: Callable[..., Any]) -> bool:
        return all(_stack_of(build(*numbers)) == stack for stack, *numbers in designs)

    for mistake, build in _DESIGNS.items():
        if made_by(build):
            return mistake
    layers = [layer for stack in stacks for layer in stack]
    if all(layer[1] == 1 and layer[3] == 1 for layer in layers):
        wide = all(_field_of(stack) >= rf for stack, rf, *_ in designs)  # type: ignore[arg-type]
        return "neither_stride_nor_dilation" if wide else None
    return None


_DESIGNS: dict[str, Callable[..., Any]] = {
    "one_large_kernel": lambda min_rf, max_params, channels: [(min_rf, 1, 0, 1)],
    "fields_added_up": lambda min_rf, max_params, channels: [(3, 1, 1, 1)] * -(-min_rf // 3),
    "one_layer_short": lambda min_rf, max_params, channels: [(3, 1, 1, 1)] * ((min_rf - 1) // 2),
    "own_stride_counted": _strides_counted_too_early,
    "dilation_times_kernel": lambda min_rf, max_params, channels: [(3, 1, 0, -(-min_rf // 3))],
    "dilations_in_the_strides_place": _dilations_in_the_strides_place,
    "no_jump_at_the_end": lambda min_rf, max_params, channels: [(3, min_rf, 0, 1)],
}


def _design_misconception(mistake: str, message: str, build: Callable[..., Any]) -> Misconception:
    return Misconception(
        mistake, message, build, recognise=lambda values: _design_mistake(values) == mistake
    )


def _design_cases(rng: np.random.Generator) -> Iterator[Case]:
    for high in (20, 60):
        yield Case("wide enough", (below(rng, high, 5), 10**9, below(rng, 64, 2)))
    for n in (below(rng, 6, 2), below(rng, 15, 6)):
        channels = int(rng.choice([4, 8, 16, 32]))
        yield Case(
            "within the budget",
            (2 * n + int(rng.integers(0, 2)), 9 * channels**2 * n, channels),
            note=f"{n} layers of 3×3 are enough",
        )
    for doublings in (5, 6, 7):
        channels = int(rng.choice([4, 8, 16, 32]))
        reach = 2 ** (doublings + 1) - 1
        yield Case(
            "a tight budget",
            (int(rng.integers(reach - 9, reach + 1)), 9 * channels**2 * doublings, channels),
            note=f"{doublings} layers of 3×3 can do it, but not plain ones",
        )


DESIGN_STACK = PropertyExercise(
    name="design_stack",
    chapter="05",
    signature="design_stack(min_rf, max_params, channels) -> list of (kernel, stride, padding, "
    "dilation)",
    aspects=(
        Aspect("wide enough", 1),
        Aspect("within the budget", 1, needs=("wide enough",)),
        Aspect("a tight budget", 2, needs=("wide enough",)),
    ),
    worked=(
        *(Case("wide enough", numbers) for numbers in _FREE),
        *(Case("within the budget", numbers) for numbers in _BUDGETS),
        *(Case("a tight budget", numbers) for numbers in _TIGHT),
    ),
    cases=_design_cases,
    conditions={
        "wide enough": _wide_enough,
        "within the budget": _unmet,
        "a tight budget": _unmet,
    },
    example=_doubling_dilations,
    alternatives={
        "strides": _doubling_strides,
        "small kernels": _small_kernels_by_strides,
        "the plainest that fits": _cheapest_that_fits,
        "one spread pair": lambda min_rf, max_params, channels: [(2, 1, 0, min_rf - 1)],
    },
    misconceptions=(
        _design_misconception(
            "one_large_kernel",
            "One kernel as large as the field sees enough, but its weights grow with the square of "
            "its size.",
            _DESIGNS["one_large_kernel"],
        ),
        _design_misconception(
            "neither_stride_nor_dilation",
            "Plain stacks see enough, and cost too much where the budget is tight: what lets a "
            "layer reach further at the same number of weights?",
            _of_threes,
        ),
        _design_misconception(
            "fields_added_up",
            "You lay whole kernels side by side: at stride 1 a 3×3 layer adds 2 pixels, not 3.",
            _DESIGNS["fields_added_up"],
        ),
        _design_misconception(
            "one_layer_short",
            "You round the number of layers down: where the field is even, a layer is missing.",
            _DESIGNS["one_layer_short"],
        ),
        _design_misconception(
            "own_stride_counted",
            "You count a layer's own stride in its own reach: it counts from the next layer on.",
            _DESIGNS["own_stride_counted"],
        ),
        _design_misconception(
            "dilation_times_kernel",
            "Three taps have two steps between them: at dilation D they span 2·D + 1 pixels, not "
            "3·D.",
            _DESIGNS["dilation_times_kernel"],
        ),
        _design_misconception(
            "dilations_in_the_strides_place",
            "Your dilations stand where the stride is read: a layer is (kernel, stride, padding, "
            "dilation).",
            _DESIGNS["dilations_in_the_strides_place"],
        ),
        _design_misconception(
            "no_jump_at_the_end",
            "The stride of the last layer widens nothing: no layer comes after it to take longer "
            "steps.",
            _DESIGNS["no_jump_at_the_end"],
        ),
        _design_misconception(
            "empty",
            "An empty stack costs nothing and sees one pixel.",
            lambda min_rf, max_params, channels: [],
        ),
        _design_misconception(
            "number_of_layers",
            "You return how many layers it takes: return the layers, each as (kernel, stride, "
            "padding, dilation).",
            lambda min_rf, max_params, channels: -(-(min_rf - 1) // 2),
        ),
    ),
    hints=(
        "Begin with the field alone: add 3×3 layers until receptive_field says enough. Then look "
        "at what they cost.",
        "Neither stride nor dilation costs a weight, and each lets the layers reach further. With "
        "dilations 1, 2, 4, … every layer about doubles the field.",
        "dilation = 1; while the stack sees too little: append (3, 1, dilation, dilation) and "
        "double the dilation.",
    ),
)


# ── quiz_05 ─────────────────────────────────────────────────────────────────────────────────────

_Wrong = dict[str, tuple[int | float | str, str]]


def _ask_stack(rng: np.random.Generator) -> Asked:
    layers, kernel = below(rng, 30, 6), int(rng.choice([3, 5, 7]))
    right = 1 + layers * (kernel - 1)
    return Asked(
        f"{layers} convolutions in a row, kernel {kernel}×{kernel}, stride 1. How many pixels wide "
        "is the receptive field?",
        right,
        f"1 + {layers}·({kernel} − 1) = {right}",
        wrong=distinct(
            right,
            {
                "kernels_added": (layers * kernel, "Neighbouring windows overlap: add K − 1."),
                "one_forgotten": (right - 1, "Before any layer a unit sees one pixel."),
                "one_layer_ahead": (right + kernel - 1, "The first layer counts as one of them."),
            },
        ),
    )


def _ask_depth(rng: np.random.Generator) -> Asked:
    size, kernel = 2 * below(rng, 250, 60), int(rng.choice([3, 5]))
    right = -(-(size - 1) // (kernel - 1))
    return Asked(
        f"How many {kernel}×{kernel} convolutions with stride 1 does it take at least until a unit "
        f"sees {size} pixels along an axis?",
        right,
        f"({size} − 1) / {kernel - 1} = {(size - 1) / (kernel - 1):g}, rounded up",
        wrong=distinct(
            right,
            {
                "rounded_down": (
                    (size - 1) // (kernel - 1),
                    "So many layers see a little less: round up.",
                ),
                "side_by_side": (-(-size // kernel), "Neighbouring windows overlap."),
                "one_too_many": (right + 1, "One fewer is enough: the first pixel is free."),
            },
        ),
    )


def _ask_strided(rng: np.random.Generator) -> Asked:
    kernels = [int(k) for k in rng.choice([3, 5], 4)]
    strides = [int(s) for s in rng.permutation([1, 2, 2, 3])]
    right, *_ = _field_by_sums(list(zip(kernels, strides, (0,) * 4, (1,) * 4, strict=True)))
    early = jump = 1
    for k, s in zip(kernels, strides, strict=True):
        jump *= s
        early += (k - 1) * jump
    parts, jump = [], 1
    for k, s in zip(kernels, strides, strict=True):
        parts.append(f"{k - 1}·{jump}")
        jump *= s
    return Asked(
        f"Four layers with kernels {_listed(kernels)} and strides {_listed(strides)}, in this "
        "order. How many pixels wide is the receptive field?",
        right,
        f"1 + {' + '.join(parts)} = {right}: each kernel less one, times the strides before",
        wrong=distinct(
            right,
            {
                "own_stride_counted": (early, "A layer's own stride counts from the next one on."),
                "strides_ignored": (
                    1 + sum(kernels) - 4,
                    "The strides let later layers take longer steps.",
                ),
            },
        ),
    )


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _ask_region(rng: np.random.Generator) -> Asked:
    index, padding = below(rng, 30, 5), int(rng.choice([1, 2]))
    layers = [(3, 2, padding, 1), (3, 2, 1, 1)]
    size, jump, start = _field_by_sums(layers)
    right = start + index * jump
    return Asked(
        f"Two 3×3 convolutions with stride 2, the first with padding {padding}, the second with "
        f"padding 1. Which is the first input pixel that unit {index} of the output covers?",
        right,
        f"Unit 0 starts at −{padding} − 1·2 = {start}, neighbours are 2·2 = {jump} apart: "
        f"{start} + {index}·{jump} = {right}",
        wrong=distinct(
            right,
            {
                "padding_ignored": (index * jump, "Padding shifts the field to the left."),
                "padding_in_pixels": (
                    index * jump - padding - 1,
                    "A position of the second layer is two pixels long, its padding too.",
                ),
                "last_pixel": (right + size - 1, "That is the last one."),
                "counted_from_one": (right - jump, "The first unit is unit 0."),
            },
        ),
    )


def _ask_dilated(rng: np.random.Generator) -> Asked:
    dilations = sorted(int(d) for d in rng.choice(np.arange(2, 12), 3, replace=False))
    kernel = int(rng.choice([3, 5]))
    right = 1 + (kernel - 1) * sum(dilations)
    return Asked(
        f"Three {kernel}×{kernel} convolutions with dilations {_listed(dilations)}, stride 1. How "
        "many pixels wide is the receptive field?",
        right,
        f"1 + {kernel - 1}·({' + '.join(map(str, dilations))}) = {right}",
        wrong=distinct(
            right,
            {
                "dilation_ignored": (1 + 3 * (kernel - 1), "Dilation sets the taps apart."),
                "dilation_times_kernel": (
                    1 + sum(kernel * d - 1 for d in dilations),
                    f"{kernel} taps have {kernel - 1} steps between them.",
                ),
                "whole_kernels_added": (
                    1 + sum((kernel - 1) * d + 1 for d in dilations),
                    "Each layer adds one less than its effective kernel.",
                ),
            },
        ),
    )


def _ask_weights(rng: np.random.Generator) -> Asked:
    channels, layers = 16 * below(rng, 17, 2), below(rng, 5, 2)
    large = 2 * layers + 1
    right = (large**2 - 9 * layers) * channels**2
    return Asked(
        f"{layers} convolutions of 3×3 take the place of one of {large}×{large}; every layer has "
        f"{channels} channels in and out, no bias. How many weights does that save?",
        right,
        f"({large}² − {layers}·9)·{channels}² = {large**2 - 9 * layers}·{channels**2:,} "
        f"= {right:,}",
        wrong=distinct(
            right,
            {
                "one_channel_in": (
                    (large**2 - 9 * layers) * channels,
                    "Each kernel has weights for every channel that comes in.",
                ),
                "one_layer": (
                    (large**2 - 9) * channels**2,
                    "The small kernels are several layers.",
                ),
                "what_is_left": (
                    9 * layers * channels**2,
                    "So many are left; how many fewer are they?",
                ),
            },
        ),
    )


def _ask_effective(rng: np.random.Generator) -> Asked:
    base, factor = int(rng.choice([5, 6, 8])), int(rng.choice([4, 9]))
    root = round(factor**0.5)
    options, letter, wrong = choices(
        rng,
        f"about {root} times as wide",
        {
            "like_the_field": (
                f"about {factor} times as wide",
                "So grows the theoretical field: the outermost pixels hardly count.",
            ),
            "not_at_all": (
                "as wide as before",
                "It grows, but slower than the theoretical field.",
            ),
            "squared": (
                f"about {factor * factor} times as wide",
                "It cannot outgrow the theoretical field.",
            ),
        },
    )
    return Asked(
        f"A stack of {base} 3×3 convolutions at stride 1, weights at random, grows to "
        f"{base * factor} layers. How does the width of its effective receptive field change?",
        letter,
        f"It grows with the square root of the depth: √{factor} = {root}",
        options,
        wrong,
    )


QUIZ = QuestionExercise(
    name="quiz_05",
    chapter="05",
    questions=(
        Question("stack", _ask_stack),
        Question("depth", _ask_depth),
        Question("strided", _ask_strided),
        Question("region", _ask_region),
        Question("dilated", _ask_dilated),
        Question("weights", _ask_weights),
        Question("effective", _ask_effective),
    ),
    hints=(
        "All but the last are sums: what does each layer add, in pixels of the image?",
        "The functions of this chapter are allowed: compute with them.",
    ),
)

EXERCISES = (
    RF_OF_STACK,
    LAYERS_TO_SEE,
    STACK_PARAMS,
    RECEPTIVE_FIELD,
    INPUT_REGION,
    DILATED_RF,
    DESIGN_STACK,
    EFFECTIVE_RECEPTIVE_FIELD,
    QUIZ,
)
