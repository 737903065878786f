"""The exercises of chapter 01: what a layer costs, and what it knows about positions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from autograder.exercise import (
    Asked,
    Aspect,
    Case,
    FunctionExercise,
    Misconception,
    Question,
    QuestionExercise,
    choices,
)
from autograder.exercises.parts import Array
from autograder.plain import Bound
from course_lib import cost, equivariance, geometry, ops


def _whole(rng: np.random.Generator, low: int, high: int) -> int:
    """A whole number from `low` to `high`, both included."""
    return int(rng.integers(low, high + 1))


def _two_different(rng: np.random.Generator, low: int, high: int) -> tuple[int, int]:
    first, second = rng.choice(np.arange(low, high + 1), size=2, replace=False)
    return int(first), int(second)


# ── fc_params ───────────────────────────────────────────────────────────────────────────────────


def _fc_by_layer(n_in: int, n_out: int, bias: bool = True) -> int:
    import torch

    layer = torch.nn.Linear(n_in, n_out, bias=bias, device="meta")
    return sum(parameter.numel() for parameter in layer.parameters())


def _fc_by_unit(n_in: int, n_out: int, bias: bool = True) -> int:
    return sum(n_in + bias for _ in range(n_out))


def _fc_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case("weights", (3, 2), {"bias": False})
    yield Case("bias", (3, 2))
    for most in (9, 40, 900, 2_000, 2_000):
        n_in, n_out = _two_different(rng, 3, most)
        yield Case("weights", (n_in, n_out), {"bias": False})
        n_in, n_out = _two_different(rng, 3, most)
        yield Case("bias", (n_in, n_out), {"bias": True} if most == 40 else {})
    yield Case("weights", (np.int64(_whole(rng, 10**4, 10**5)), 200, False), note="a large layer")
    yield Case("bias", (1, _whole(rng, 3, 9)), note="one input")
    yield Case("bias", (_whole(rng, 3, 9), 1), note="one output")


FC_PARAMS = FunctionExercise(
    name="fc_params",
    chapter="01",
    signature="fc_params(n_in, n_out, bias=True) -> int",
    aspects=(Aspect("weights", 1), Aspect("bias", 1)),
    reference=cost.fc_params,
    worked=(
        Case("weights", (28 * 28, 512), {"bias": False}, "the small grey image"),
        Case("bias", (28 * 28, 512)),
        Case("weights", (224 * 224 * 3, 512), {"bias": False}, "the photograph"),
    ),
    cases=_fc_cases,
    alternatives={"layer": _fc_by_layer, "unit by unit": _fc_by_unit},
    forbidden=("course_lib.cost.fc_params",),
    misconceptions=(
        Misconception(
            "bias_forgotten",
            "You count the weights only: each output adds one learned number of its own.",
            lambda n_in, n_out, bias=True: n_in * n_out,
        ),
        Misconception(
            "bias_always",
            "You count biases even when the caller says that the layer has none.",
            lambda n_in, n_out, bias=True: n_in * n_out + n_out,
        ),
        Misconception(
            "bias_inverted",
            "You count biases where the layer has none, and leave them out where it has them: look "
            "at your condition.",
            lambda n_in, n_out, bias=True: n_in * n_out + (0 if bias else n_out),
        ),
        Misconception(
            "bias_per_input",
            "You count one bias for each input: to which sum is a bias added?",
            lambda n_in, n_out, bias=True: n_in * n_out + (n_in if bias else 0),
        ),
        Misconception(
            "bias_per_input_always",
            "You add the inputs once more, whatever the caller says about biases: to which sums is "
            "a bias added, and does this layer have any?",
            lambda n_in, n_out, bias=True: n_in * n_out + n_in,
        ),
        Misconception(
            "one_bias",
            "You count a single bias for the whole layer: do all outputs share it?",
            lambda n_in, n_out, bias=True: n_in * n_out + (1 if bias else 0),
        ),
        Misconception(
            "bias_per_weight",
            "You count a bias for every weight: how many numbers does one output add to its sum?",
            lambda n_in, n_out, bias=True: n_in * n_out * (2 if bias else 1),
        ),
        Misconception(
            "bias_on_both_sides",
            "You give the inputs a bias as well as the outputs: only sums get one.",
            lambda n_in, n_out, bias=True: n_in * n_out + (n_in + n_out if bias else 0),
        ),
        Misconception(
            "added",
            "You add the two numbers: how many lines lead from every input to every output?",
            lambda n_in, n_out, bias=True: n_in + n_out + (n_out if bias else 0),
        ),
    ),
    hints=(
        "Draw 3 inputs, 2 outputs, and a line from every input to every output. Each line is one "
        "weight.",
        "Each output adds one more number, its bias, to its sum, if the layer has biases at all.",
        "n_in · n_out weights, and n_out biases where bias is True.",
    ),
)


# ── conv_params ─────────────────────────────────────────────────────────────────────────────────


def _sides(kernel_size: Any) -> tuple[int, int]:
    height, width = np.broadcast_to(kernel_size, 2)
    return int(height), int(width)


def _conv_count(
    count: Callable[[int, int, int, int, bool], int],
) -> Callable[..., int]:
    """A count of c_in, c_out, height, width, bias, as a function of the asked signature."""

    def conv_params(c_in: int, c_out: int, kernel_size: Any, bias: bool = True) -> int:
        return count(c_in, c_out, *_sides(kernel_size), bias)

    return conv_params


def _conv_by_layer(c_in: int, c_out: int, kernel_size: Any, bias: bool = True) -> int:
    import torch

    layer = torch.nn.Conv2d(c_in, c_out, _sides(kernel_size), bias=bias, device="meta")
    return sum(parameter.numel() for parameter in layer.parameters())


def _conv_by_shape(c_in: int, c_out: int, kernel_size: Any, bias: bool = True) -> Any:
    one_kernel = (c_in, *np.broadcast_to(kernel_size, 2))
    return c_out * (np.prod(one_kernel) + int(bias))


def _conv_square_only(c_in: int, c_out: int, kernel_size: Any, bias: bool = True) -> int:
    return int(c_in * c_out * kernel_size**2 + (c_out if bias else 0))


def _conv_pair_only(c_in: int, c_out: int, kernel_size: Any, bias: bool = True) -> int:
    height, width = kernel_size
    return int(c_in * c_out * height * width + (c_out if bias else 0))


def _conv_int_or_unpack(c_in: int, c_out: int, kernel_size: Any, bias: bool = True) -> int:
    height, width = (kernel_size, kernel_size) if type(kernel_size) is int else kernel_size
    return int(c_in * c_out * height * width + (c_out if bias else 0))


def _conv_tuple_or_int(c_in: int, c_out: int, kernel_size: Any, bias: bool = True) -> int:
    height, width = kernel_size if type(kernel_size) is tuple else (kernel_size, kernel_size)
    return int(c_in * c_out * height * width + (c_out if bias else 0))


def _conv_not_squared(c_in: int, c_out: int, kernel_size: Any, bias: bool = True) -> int:
    size = kernel_size if np.ndim(kernel_size) == 0 else np.prod(kernel_size)
    return int(c_in * c_out * size + (c_out if bias else 0))


def _conv_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case("square kernel", (2, 3, 3), {"bias": False})
    yield Case("bias", (2, 3, 3))
    yield Case("rectangular kernel", (2, 3, (1, 4)), {"bias": False})
    for most in (6, 20, 70, 300):
        c_in, c_out = _two_different(rng, 2, most)
        yield Case("square kernel", (c_in, c_out, _whole(rng, 3, 9)), {"bias": False})
        c_in, c_out = _two_different(rng, 2, most)
        yield Case("bias", (c_in, c_out, _whole(rng, 3, 7)), {"bias": True} if most == 20 else {})
        c_in, c_out = _two_different(rng, 2, most)
        yield Case("rectangular kernel", (c_in, c_out, _two_different(rng, 2, 9)), {"bias": False})
    c_in, c_out = _two_different(rng, 2, 40)
    yield Case("square kernel", (c_in, c_out, 1), {"bias": False}, "a 1×1 kernel")
    yield Case("bias", (1, c_out, 5), note="one input channel")
    yield Case("bias", (c_in, 1, 5), note="one output channel")
    size = _whole(rng, 3, 7)
    yield Case(
        "any form of kernel_size", (c_in, c_out, np.int64(size)), {"bias": False}, "a NumPy integer"
    )
    yield Case(
        "any form of kernel_size",
        (c_in, c_out, list(_two_different(rng, 2, 7))),
        {"bias": False},
        "a list",
    )


CONV_PARAMS = FunctionExercise(
    name="conv_params",
    chapter="01",
    signature="conv_params(c_in, c_out, kernel_size, bias=True) -> int",
    aspects=(
        Aspect("square kernel", 1),
        Aspect("bias", 1),
        Aspect("rectangular kernel", 1),
        Aspect("any form of kernel_size", 1),
    ),
    reference=cost.conv_params,
    worked=(
        Case("square kernel", (1, 1, 3), {"bias": False}, "one 3×3 kernel"),
        Case("bias", (3, 16, 3), note="16 kernels over an RGB image"),
        Case("rectangular kernel", (1, 4, (1, 5)), {"bias": False}),
        Case("any form of kernel_size", (1, 4, [1, 5]), {"bias": False}, "a list"),
    ),
    cases=_conv_cases,
    alternatives={"layer": _conv_by_layer, "shape": _conv_by_shape},
    forbidden=("course_lib.cost.conv_params",),
    misconceptions=(
        Misconception(
            "bias_forgotten",
            "You count the weights only: each output channel adds one learned number.",
            _conv_count(lambda c_in, c_out, h, w, bias: c_out * c_in * h * w),
        ),
        Misconception(
            "bias_always",
            "You count biases even when the caller says that the layer has none.",
            _conv_count(lambda c_in, c_out, h, w, bias: c_out * (c_in * h * w + 1)),
        ),
        Misconception(
            "bias_inverted",
            "You count biases where the layer has none, and leave them out where it has them: look "
            "at your condition.",
            _conv_count(lambda c_in, c_out, h, w, bias: c_out * (c_in * h * w + (not bias))),
        ),
        Misconception(
            "bias_per_slice",
            "You count a bias for each input channel of each kernel: the channels are summed "
            "first, and that sum gets one bias.",
            _conv_count(lambda c_in, c_out, h, w, bias: c_out * c_in * (h * w + bias)),
        ),
        Misconception(
            "bias_per_pixel",
            "You count a bias for every pixel of the kernel: to how many numbers does an output "
            "channel add its bias, and is it each time another one?",
            _conv_count(lambda c_in, c_out, h, w, bias: c_out * h * w * (c_in + bias)),
        ),
        Misconception(
            "bias_per_input_channel",
            "You count one bias for each input channel: biases belong to what comes out.",
            _conv_count(
                lambda c_in, c_out, h, w, bias: c_out * c_in * h * w + (c_in if bias else 0)
            ),
        ),
        Misconception(
            "one_bias",
            "You count a single bias for the whole layer: do all output channels share it?",
            _conv_count(lambda c_in, c_out, h, w, bias: c_out * c_in * h * w + bool(bias)),
        ),
        Misconception(
            "c_out_forgotten",
            "You count one kernel: the layer has a kernel of its own for each output channel.",
            _conv_count(lambda c_in, c_out, h, w, bias: c_in * h * w + bool(bias)),
        ),
        Misconception(
            "c_in_forgotten",
            "Your kernels are flat: each reaches over all the input channels, with its own weights "
            "in each.",
            _conv_count(lambda c_in, c_out, h, w, bias: c_out * (h * w + bool(bias))),
        ),
        Misconception(
            "not_squared",
            "You count the kernel's side where it is its area that counts: a 3×3 kernel has how "
            "many weights?",
            _conv_not_squared,
        ),
        Misconception(
            "sides_added",
            "You add the kernel's height and width: how many cells has a rectangle?",
            _conv_count(lambda c_in, c_out, h, w, bias: c_out * (c_in * (h + w) + bool(bias))),
        ),
        Misconception(
            "height_twice",
            "You use the kernel's height for both sides: look at a kernel of 1×4.",
            _conv_count(lambda c_in, c_out, h, w, bias: c_out * (c_in * h * h + bool(bias))),
        ),
        Misconception(
            "width_twice",
            "You use the kernel's width for both sides: look at a kernel of 4×1.",
            _conv_count(lambda c_in, c_out, h, w, bias: c_out * (c_in * w * w + bool(bias))),
        ),
        Misconception(
            "int_only",
            "Your code takes kernel_size as one number: it may also be a (height, width) pair.",
            _conv_square_only,
        ),
        Misconception(
            "pair_only",
            "Your code takes kernel_size as a pair: it may also be one number for both sides.",
            _conv_pair_only,
        ),
        Misconception(
            "int_or_unpack",
            "Right for int and for pairs, but np.int64(3) is no Python int, and no pair either: "
            "ask whether it is a pair instead.",
            _conv_int_or_unpack,
        ),
        Misconception(
            "tuple_or_int",
            "Right for tuples and numbers, but a pair may come as a list too.",
            _conv_tuple_or_int,
        ),
    ),
    hints=(
        "Begin with one output channel: its kernel has a weight for each of its cells, in each "
        "input channel.",
        "There are c_out such kernels, and each output channel has one bias, if any.",
        "Bring kernel_size into one form first: np.broadcast_to(kernel_size, 2) gives its height "
        "and width for a number and for every kind of pair.",
    ),
)


# ── flattened_distance ──────────────────────────────────────────────────────────────────────────

Pixel = tuple[int, int]


def _distance_by_unravelling(p: Pixel, q: Pixel, width: int) -> int:
    height = max(p[0], q[0]) + 1
    return int(abs(np.diff(np.ravel_multi_index(np.transpose([p, q]), (height, width)))[0]))


def _distance_by_walking(p: Pixel, q: Pixel, width: int) -> int:
    first, last = sorted([p, q])
    steps = 0
    while first != last:
        row, column = first
        first = (row, column + 1) if column + 1 < width else (row + 1, 0)
        steps += 1
    return steps


def _distance_cases(rng: np.random.Generator) -> Iterator[Case]:
    for _ in range(4):
        width = _whole(rng, 5, 30)
        left, right = sorted(_two_different(rng, 0, width - 1))
        row = _whole(rng, 1, 9)
        yield Case("along a row", ((row, left), (row, right)), {"width": width})
    for _ in range(4):
        width = _whole(rng, 5, 30)
        upper, lower = sorted(_two_different(rng, 0, 12))
        column = _whole(rng, 1, width - 1)
        yield Case("down a column", ((upper, column), (lower, column)), {"width": width})
    yield Case("any two pixels", ((1, 0), (0, 0)), {"width": 3}, "q comes before p")
    yield Case("any two pixels", ((0, 2), (1, 0)), {"width": 3}, "from a row's end to the next")
    for _ in range(6):
        width = _whole(rng, 5, 30)
        upper, lower = sorted(_two_different(rng, 0, 12))
        left, right = sorted(_two_different(rng, 0, width - 1))
        pixels = [(upper, left), (lower, right)]
        if rng.random() < 0.5:
            pixels = [(upper, right), (lower, left)]
        order = (0, 1) if rng.random() < 0.5 else (1, 0)
        yield Case("any two pixels", (pixels[order[0]], pixels[order[1]]), {"width": width})
    pixel = (_whole(rng, 1, 9), _whole(rng, 1, 4))
    yield Case("any two pixels", (pixel, pixel), {"width": 5}, "a pixel and itself")
    # Down to the left and up to the right: where signs are lost too early.
    yield Case("any two pixels", ((2, 4), (5, 1)), {"width": _whole(rng, 6, 30)})
    yield Case("any two pixels", ((7, 0), (3, 3)), {"width": _whole(rng, 6, 30)})


FLATTENED_DISTANCE = FunctionExercise(
    name="flattened_distance",
    chapter="01",
    signature="flattened_distance(p, q, width) -> int",
    aspects=(
        Aspect("along a row", 1),
        Aspect("down a column", 1),
        Aspect("any two pixels", 1),
    ),
    reference=geometry.flattened_distance,
    worked=(
        Case("along a row", ((0, 0), (0, 1)), {"width": 28}, "neighbours in a row"),
        Case("down a column", ((0, 0), (1, 0)), {"width": 28}, "neighbours in a column"),
        Case("any two pixels", ((1, 0), (0, 27)), {"width": 28}, "the vector's neighbours"),
    ),
    cases=_distance_cases,
    alternatives={"unravelling": _distance_by_unravelling, "walking": _distance_by_walking},
    forbidden=("course_lib.geometry.flattened_distance",),
    misconceptions=(
        Misconception(
            "signed",
            "Your distance turns negative where q comes before p: a distance has no sign.",
            lambda p, q, width: (q[0] - p[0]) * width + q[1] - p[1],
        ),
        Misconception(
            "signed_other_way",
            "Your distance turns negative where p comes before q: a distance has no sign.",
            lambda p, q, width: (p[0] - q[0]) * width + p[1] - q[1],
        ),
        Misconception(
            "brackets_missing",
            "You subtract one half of a position and add its other half: brackets are missing.",
            lambda p, q, width: abs(q[0] * width + q[1] - p[0] * width + p[1]),
        ),
        Misconception(
            "each_axis_apart",
            "You take the absolute value of rows and columns apart: one step down and one to the "
            "left partly cancel in the vector.",
            lambda p, q, width: abs(q[0] - p[0]) * width + abs(q[1] - p[1]),
        ),
        Misconception(
            "axes_swapped",
            "You read a pixel as (column, row): here the row comes first.",
            lambda p, q, width: abs((q[1] - p[1]) * width + q[0] - p[0]),
        ),
        Misconception(
            "on_the_grid",
            "You measure on the image: the question is how far apart the two are in the vector.",
            lambda p, q, width: abs(q[0] - p[0]) + abs(q[1] - p[1]),
        ),
        Misconception(
            "straight_line",
            "You measure a straight line on the image: the question is how far apart the two are "
            "in the vector.",
            lambda p, q, width: int(np.hypot(q[0] - p[0], q[1] - p[1])),
        ),
        Misconception(
            "both_ends_counted",
            "You count both pixels: neighbours in the vector are 1 apart.",
            lambda p, q, width: abs((q[0] - p[0]) * width + q[1] - p[1]) + 1,
        ),
        Misconception(
            "pixels_between",
            "You count the pixels between the two: neighbours in the vector are 1 apart.",
            lambda p, q, width: abs((q[0] - p[0]) * width + q[1] - p[1]) - 1,
        ),
        Misconception(
            "row_too_long",
            "Your rows are one too long: a row of 28 pixels ends at position 27, and the next row "
            "begins at 28.",
            lambda p, q, width: abs((q[0] - p[0]) * (width + 1) + q[1] - p[1]),
        ),
        Misconception(
            "row_too_short",
            "Your rows are one too short: how many positions has a row of 28 pixels?",
            lambda p, q, width: abs((q[0] - p[0]) * (width - 1) + q[1] - p[1]),
        ),
        Misconception(
            "rows_only",
            "You look at the rows only: the columns move a pixel in the vector too.",
            lambda p, q, width: abs(q[0] - p[0]) * width,
        ),
    ),
    hints=(
        "Find the position of one pixel first: how many pixels stand before (row, column) when the "
        "rows are laid end to end?",
        "row full rows of width pixels, then column more.",
        "Subtract the two positions, then take the absolute value, once and at the end.",
    ),
)


# ── conv_as_matrix ──────────────────────────────────────────────────────────────────────────────


_LIBRARY_CONVOLUTIONS = (
    "course_lib.ops.conv_matrix",
    "course_lib.ops.conv2d_single",
    "course_lib.ops.conv2d_single_backward",
    "course_lib.ops.true_convolution",
    "course_lib.ops.conv2d",
    "course_lib.ops.im2col",
    "course_lib.ops.col2im",
    "scipy.linalg.convolution_matrix",
    "scipy.signal.convolve",
    "scipy.signal.convolve2d",
    "scipy.signal.correlate",
    "scipy.signal.correlate2d",
    "scipy.ndimage.convolve",
    "scipy.ndimage.correlate",
    "torch:aten.convolution",
)


def _matrix_from(
    start: Callable[[int, int, int, int], int],
    row_step: Callable[[int, int, int], int],
) -> Callable[[Array, int, int], Array]:
    """A matrix whose row (r, c) holds kernel row i from `start(r, c, …)` + i · `row_step` on."""

    def conv_as_matrix(kernel: Array, height: int, width: int) -> Array:
        k_h, k_w = kernel.shape
        out_h, out_w = height - k_h + 1, width - k_w + 1
        matrix = np.zeros((out_h * out_w, height * width))
        for r in range(out_h):
            for c in range(out_w):
                for i in range(k_h):
                    for j in range(k_w):
                        place = start(r, c, width, out_w) + i * row_step(height, width, k_w) + j
                        matrix[r * out_w + c, place] = kernel[i, j]
        return matrix

    return conv_as_matrix


def _matrix_by_indices(
    out_row_length: Callable[[int, int], int] = lambda out_h, out_w: out_w,
    image_row_length: Callable[[int, int], int] = lambda height, width: width,
    short: int = 0,
) -> Callable[[Array, int, int], Array]:
    """A matrix filled entry by entry, its row and column numbers computed in ways to choose."""

    def conv_as_matrix(kernel: Array, height: int, width: int) -> Array:
        k_h, k_w = kernel.shape
        out_h, out_w = height - k_h + 1 - short, width - k_w + 1 - short
        matrix = np.zeros((out_h * out_w, height * width))
        for r in range(out_h):
            for c in range(out_w):
                for i in range(k_h):
                    for j in range(k_w):
                        row = r * out_row_length(out_h, out_w) + c
                        column = (r + i) * image_row_length(height, width) + c + j
                        matrix[row, column] = kernel[i, j]
        return matrix

    return conv_as_matrix


def _matrix_one_side_of_kernel(kernel: Array, height: int, width: int) -> Array:
    size = kernel.shape[0]
    out_h, out_w = height - size + 1, width - size + 1
    matrix = np.zeros((out_h * out_w, height * width))
    for r in range(out_h):
        for c in range(out_w):
            for i in range(size):
                for j in range(size):
                    matrix[r * out_w + c, (r + i) * width + c + j] = kernel[i, j]
    return matrix


def _matrix_square_slice(axis: int) -> Callable[[Array, int, int], Array]:
    """The kernel laid on a square slice of an empty image: an error where it is no square."""

    def conv_as_matrix(kernel: Array, height: int, width: int) -> Array:
        size = kernel.shape[axis]
        rows = []
        for r in range(height - size + 1):
            for c in range(width - size + 1):
                canvas = np.zeros((height, width))
                canvas[r : r + size, c : c + size] = kernel
                rows.append(canvas.ravel())
        return np.array(rows)

    return conv_as_matrix


def _matrix_truncated(kernel: Array, height: int, width: int) -> Array:
    return _matrix_by_canvas(kernel, height, width).astype(int)


def _matrix_first_row_only(kernel: Array, height: int, width: int) -> Array:
    first = np.zeros(kernel.shape)
    first[0] = kernel[0]
    return _matrix_by_canvas(first, height, width)


def _matrix_canvas_not_cleared(kernel: Array, height: int, width: int) -> Array:
    k_h, k_w = kernel.shape
    canvas = np.zeros((height, width))
    rows = []
    for r in range(height - k_h + 1):
        for c in range(width - k_w + 1):
            canvas[r : r + k_h, c : c + k_w] = kernel
            rows.append(canvas.flatten())
    return np.array(rows)


def _matrix_same_size(kernel: Array, height: int, width: int) -> Array:
    k_h, k_w = kernel.shape
    above, left = k_h // 2, k_w // 2
    padded = _matrix_by_canvas(kernel, height + k_h - 1, width + k_w - 1)
    views = padded.reshape(height * width, height + k_h - 1, width + k_w - 1)
    inside = views[:, above : above + height, left : left + width]
    return np.asarray(inside.reshape(height * width, height * width))


def _matrix_by_canvas(kernel: Array, height: int, width: int) -> Array:
    k_h, k_w = kernel.shape
    rows = []
    for r in range(height - k_h + 1):
        for c in range(width - k_w + 1):
            canvas = np.zeros((height, width))
            canvas[r : r + k_h, c : c + k_w] = kernel
            rows.append(canvas.ravel())
    return np.array(rows)


def _matrix_by_kronecker(kernel: Array, height: int, width: int) -> Array:
    k_h, k_w = kernel.shape
    out_h, out_w = height - k_h + 1, width - k_w + 1
    total = np.zeros((out_h * out_w, height * width))
    for i in range(k_h):
        rows = np.eye(out_h, height, k=i)
        columns = sum(kernel[i, j] * np.eye(out_w, width, k=j) for j in range(k_w))
        total += np.kron(rows, columns)
    return total


def _matrix_by_unit_images(kernel: Array, height: int, width: int) -> Array:
    """Each column is the answer to an image with a single bright pixel."""
    units = np.eye(height * width).reshape(-1, height, width)
    windows = np.lib.stride_tricks.sliding_window_view(units, kernel.shape, axis=(1, 2))
    answers = np.einsum("nrcij,ij->nrc", windows, kernel)  # (H·W, H_out, W_out)
    return np.asarray(answers.reshape(height * width, -1).T)


def _kernel(rng: np.random.Generator, height: int, width: int) -> Array:
    """A kernel of different numbers, none of them zero, as integers or with decimals."""
    numbers = rng.permutation([n for n in range(-13, 14) if n])[: height * width]
    if rng.random() < 0.5:
        return numbers.reshape(height, width)
    return numbers.reshape(height, width) / 4


def _decimals(rng: np.random.Generator, height: int, width: int) -> Array:
    """A kernel in which every number has decimals: an array of ints would cut them off."""
    numbers = rng.permutation([n for n in range(-13, 14) if n % 4])[: height * width]
    return numbers.reshape(height, width) / 4


def _matrix_cases(rng: np.random.Generator) -> Iterator[Case]:
    square = "square image and kernel"
    yield Case(square, (_kernel(rng, 2, 2), 3, 3))
    yield Case(square, (_decimals(rng, 2, 2), 4, 4), note="decimals in the kernel")
    for size, side in ((3, 4), (3, _whole(rng, 5, 6))):
        yield Case(square, (_kernel(rng, size, size), side, side))
    size = _whole(rng, 2, 3)
    short, long = _whole(rng, 3, 4), _whole(rng, 5, 7)
    yield Case("non-square image", (_kernel(rng, 2, 2), 2, 4))
    yield Case("non-square image", (_kernel(rng, size, size), short, long))
    yield Case("non-square image", (_kernel(rng, size, size), long, short))
    flat, high = _two_different(rng, 1, 4)
    yield Case("rectangular kernel", (_kernel(rng, 1, 2), 3, 3))
    yield Case("rectangular kernel", (_kernel(rng, 2, 1), 3, 3))
    yield Case("rectangular kernel", (_kernel(rng, flat, high), 5, _whole(rng, 4, 6)))
    yield Case("rectangular kernel", (_kernel(rng, high, flat), 4, _whole(rng, 5, 6)))
    yield Case("extreme kernels", (_kernel(rng, 1, 1), 2, 3), note="a 1×1 kernel")
    yield Case("extreme kernels", (_kernel(rng, 3, 4), 3, 4), note="as large as the image")
    yield Case("extreme kernels", (_kernel(rng, 1, 3), 1, 5), note="an image of one row")


CONV_AS_MATRIX = FunctionExercise(
    name="conv_as_matrix",
    chapter="01",
    signature="conv_as_matrix(kernel, height, width) -> (H_out·W_out, H·W)",
    aspects=(
        Aspect("square image and kernel", 1),
        Aspect("non-square image", 1),
        Aspect("rectangular kernel", 1),
        Aspect("extreme kernels", 1, needs=("square image and kernel",)),
    ),
    reference=ops.conv_matrix,
    worked=(
        Case("square image and kernel", (np.array([[1, 2], [3, 4]]), 3, 3)),
        Case("non-square image", (np.array([[1, 2], [3, 4]]), 2, 3)),
        Case("rectangular kernel", (np.array([[1, 2]]), 2, 3)),
    ),
    cases=_matrix_cases,
    alternatives={
        "canvas": _matrix_by_canvas,
        "kronecker": _matrix_by_kronecker,
        "unit images": _matrix_by_unit_images,
    },
    forbidden=_LIBRARY_CONVOLUTIONS,
    misconceptions=(
        Misconception(
            "flipped",
            "Your kernel is upside down: the window lays it on the image as it is.",
            lambda kernel, height, width: _matrix_by_canvas(kernel[::-1, ::-1], height, width),
        ),
        Misconception(
            "matrix_transposed",
            "Your matrix is the right one, turned over: outputs belong to rows, pixels to columns.",
            lambda kernel, height, width: _matrix_by_canvas(kernel, height, width).T,
        ),
        Misconception(
            "kernel_transposed",
            "Rows and columns of your kernel have changed places.",
            lambda kernel, height, width: _matrix_by_canvas(kernel.T, height, width),
        ),
        Misconception(
            "one_pixel_a_row",
            "Each row of your matrix moves on by one pixel: at the end of an output row the window "
            "does not run on, it goes to the next image row.",
            _matrix_from(
                lambda r, c, width, out_w: r * out_w + c, lambda height, width, k_w: width
            ),
        ),
        Misconception(
            "kernel_in_one_piece",
            "You write the kernel's rows side by side: the second lies one image row further on.",
            _matrix_from(lambda r, c, width, out_w: r * width + c, lambda height, width, k_w: k_w),
        ),
        Misconception(
            "height_for_width",
            "Right for square images: but the length of an image row is its width, not its height.",
            _matrix_by_indices(image_row_length=lambda height, width: height),
        ),
        Misconception(
            "out_height_for_out_width",
            "Look at the number of each row of your matrix: outputs are taken row by row, and an "
            "output row is as long as the output is wide.",
            _matrix_by_indices(out_row_length=lambda out_h, out_w: out_h),
        ),
        Misconception(
            "heights_for_widths",
            "Right for square images: but a row's length, in the image and in the output, is a "
            "width, not a height.",
            _matrix_by_indices(lambda out_h, out_w: out_h, lambda height, width: height),
        ),
        Misconception(
            "column_major",
            "You flatten column by column: ravel() goes row by row.",
            lambda kernel, height, width: _matrix_by_canvas(kernel.T, width, height),
        ),
        Misconception(
            "one_short",
            "You stop one window early along each axis: how many places has a window of 2 in a row "
            "of 3?",
            _matrix_by_indices(short=1),
        ),
        Misconception(
            "one_side_of_kernel",
            "You use the kernel's height for both of its sides.",
            _matrix_one_side_of_kernel,
        ),
        Misconception(
            "height_for_both_sides",
            "You cut a square out for the kernel, with its height as both sides: kernel.shape "
            "holds two numbers.",
            _matrix_square_slice(0),
        ),
        Misconception(
            "width_for_both_sides",
            "You cut a square out for the kernel, with its width as both sides: kernel.shape "
            "holds two numbers.",
            _matrix_square_slice(1),
        ),
        Misconception(
            "decimals_cut_off",
            "Your matrix holds whole numbers only: what was its type when you made it, and what "
            "happens to −2.25 in there?",
            _matrix_truncated,
        ),
        Misconception(
            "first_kernel_row",
            "Only the first row of the kernel arrives in your matrix.",
            _matrix_first_row_only,
        ),
        Misconception(
            "canvas_not_cleared",
            "In each row of your matrix stand the weights of the windows before it too: start "
            "each row from zeros.",
            _matrix_canvas_not_cleared,
        ),
        Misconception(
            "same_size",
            "You let the window hang over the border: the valid convolution keeps it inside.",
            _matrix_same_size,
        ),
        Misconception(
            "ones",
            "You mark where the weights stand: write the kernel's numbers there.",
            lambda kernel, height, width: _matrix_by_canvas(np.ones(kernel.shape), height, width),
        ),
    ),
    hints=(
        "Each row of M belongs to one output pixel. What would that row look like if you gave it "
        "the image's shape?",
        "Lay the kernel on an image of zeros, with its corner at (r, c). Flatten that: it is the "
        "row of output (r, c).",
        "Loop over r from 0 to height − K_h and c from 0 to width − K_w, both included; row number "
        "r · W_out + c.",
    ),
)


# ── equivariance_error ──────────────────────────────────────────────────────────────────────────

Op = Callable[[Array], Array]


def _rolled(image: Array, shift: Any) -> Array:
    return np.roll(image, tuple(int(n) for n in np.broadcast_to(shift, 2)), axis=(-2, -1))


def _difference(op: Op, image: Array, shift: Any) -> Array:
    return np.asarray(_rolled(op(image), shift) - op(_rolled(image, shift)))


def _error_on_one_axis(op: Op, image: Array, shift: Any) -> float:
    down = int(np.broadcast_to(shift, 2)[0])
    return float(np.abs(np.roll(op(image), down, axis=0) - op(np.roll(image, down, axis=0))).max())


def _error_flattened(op: Op, image: Array, shift: Any) -> float:
    return float(np.abs(np.roll(op(image), shift) - op(np.roll(image, shift))).max())


def _error_flattened_and_signed(op: Op, image: Array, shift: Any) -> float:
    return float((np.roll(op(image), shift) - op(np.roll(image, shift))).max())


def _error_of_the_maxima(op: Op, image: Array, shift: Any) -> float:
    return float(abs(_rolled(op(image), shift).max() - op(_rolled(image, shift)).max()))


def _error_of_the_first(op: Op, image: Array, shift: Any) -> float:
    down = int(np.broadcast_to(shift, 2)[0])
    return float(np.abs(_difference(op, image, down)).max())


def _error_with_int_shift(op: Op, image: Array, shift: Any) -> float:
    return float(np.abs(_difference(op, image, (shift, shift))).max())


def _error_with_pair_shift(op: Op, image: Array, shift: Any) -> float:
    down, right = shift
    return float(np.abs(_difference(op, image, (down, right))).max())


def _shifted_in(image: Array, shift: Any) -> Array:
    """Shift and fill with zeros what a roll would bring in from the other side."""
    down, right = (int(n) for n in np.broadcast_to(shift, 2))
    moved = _rolled(image, shift)
    rows, columns = np.arange(image.shape[0]) - down, np.arange(image.shape[1]) - right
    inside = np.outer(
        (rows >= 0) & (rows < image.shape[0]), (columns >= 0) & (columns < image.shape[1])
    )
    return moved * inside


def _error_by_loops(op: Op, image: Array, shift: Any) -> float:
    down, right = (int(n) for n in np.broadcast_to(shift, 2))

    def moved(array: Array) -> Array:
        height, width = array.shape
        out = np.zeros(array.shape)
        for r in range(height):
            for c in range(width):
                out[(r + down) % height, (c + right) % width] = array[r, c]
        return out

    before, after = moved(np.asarray(op(image))), op(moved(image))
    pairs = zip(before.ravel(), np.asarray(after).ravel(), strict=True)
    return float(max(abs(a - b) for a, b in pairs))


def _error_by_slices(op: Op, image: Array, shift: Any) -> Any:
    down, right = (int(n) for n in np.broadcast_to(shift, 2))

    def moved(array: Array) -> Array:
        down_, right_ = down % array.shape[0], right % array.shape[1]
        array = np.concatenate([array[-down_:], array[:-down_]]) if down_ else array
        parts = [array[:, -right_:], array[:, :-right_]]
        return np.concatenate(parts, axis=1) if right_ else array

    return np.max(np.abs(moved(op(image)) - op(moved(image))))


def _convolution(rng: np.random.Generator, padding_mode: str) -> Bound:
    kernel = np.round(rng.normal(0, 2, (3, 3)), 2)
    return Bound(
        "course_lib.ops:conv2d_single",
        kwargs={"kernel": kernel, "padding": 1, "padding_mode": padding_mode},
    )


def _ramp(rng: np.random.Generator, height: int, width: int) -> Bound:
    """An operation that treats every position in its own way."""
    return Bound("numpy:multiply", (np.round(rng.normal(0, 2, (height, width)), 2),))


def _image(rng: np.random.Generator, height: int, width: int) -> Array:
    return np.round(rng.normal(0, 3, (height, width)), 2)


def _error_cases(rng: np.random.Generator) -> Iterator[Case]:
    both = "the same shift along both axes"
    pair = "a shift for each axis"
    for height, width in ((2, 3), (4, 3), (5, 6)):
        image = _image(rng, height, width)
        yield Case(both, (_ramp(rng, height, width), image, 1), note="every position differs")
    yield Case(both, (_convolution(rng, "zeros"), _image(rng, 6, 5), 2), note="zero padding")
    yield Case(both, (_ramp(rng, 5, 4), _image(rng, 5, 4), -1), note="up and left")
    for height, width, shift in (
        (3, 4, (0, 1)),
        (4, 5, (1, 0)),
        (5, 6, (2, -1)),
        (6, 4, (-1, 3)),
    ):
        image = _image(rng, height, width)
        yield Case(pair, (_ramp(rng, height, width), image, shift))
    yield Case(pair, (_convolution(rng, "zeros"), _image(rng, 7, 6), (3, 1)), note="zero padding")
    equivariant = "zero where the operation is equivariant"
    square = Bound("numpy:square")
    yield Case(equivariant, (square, _image(rng, 3, 4), (1, 2)), note="pixel by pixel")
    circular = _convolution(rng, "circular")
    yield Case(equivariant, (circular, _image(rng, 5, 6), 2), note="circular padding")
    yield Case(equivariant, (circular, _image(rng, 6, 5), (3, -2)), note="circular padding")
    forms = "any form of shift"
    yield Case(forms, (_ramp(rng, 4, 5), _image(rng, 4, 5), np.int64(2)), note="a NumPy integer")
    yield Case(forms, (_ramp(rng, 4, 5), _image(rng, 4, 5), [1, 2]), note="a list")


EQUIVARIANCE_ERROR = FunctionExercise(
    name="equivariance_error",
    chapter="01",
    signature="equivariance_error(op, image, shift) -> float",
    aspects=(
        Aspect("the same shift along both axes", 1),
        Aspect("a shift for each axis", 1),
        Aspect(
            "zero where the operation is equivariant",
            1,
            needs=("the same shift along both axes",),
        ),
        Aspect("any form of shift", 1),
    ),
    reference=equivariance.equivariance_error,
    worked=(
        Case(
            "a shift for each axis",
            (Bound("numpy:multiply", (np.array([[1, 10, 100]]),)), np.array([[1, 2, 4]]), (0, 1)),
            note="columns times 1, 10, 100",
        ),
        Case(
            "zero where the operation is equivariant",
            (Bound("numpy:multiply", (3,)), np.array([[1, 2], [3, 4]]), (0, 1)),
            note="all pixels times 3",
        ),
    ),
    cases=_error_cases,
    alternatives={"loops": _error_by_loops, "slices": _error_by_slices},
    forbidden=(
        "course_lib.equivariance.equivariance_error",
        "course_lib.equivariance.equivariance_map",
    ),
    misconceptions=(
        Misconception(
            "not_rolled_back",
            "You compare op(image) with op of the rolled image: that asks whether the answer stays "
            "the same (invariance). Here it should move along.",
            lambda op, image, shift: float(np.abs(op(image) - op(_rolled(image, shift))).max()),
        ),
        Misconception(
            "image_not_rolled",
            "You roll what comes out of op, but not the image that goes in the other time.",
            lambda op, image, shift: float(np.abs(_rolled(op(image), shift) - op(image)).max()),
        ),
        Misconception(
            "opposite_ways",
            "Your two shifts go opposite ways: give both rolls the same sign.",
            lambda op, image, shift: float(
                np.abs(_rolled(op(image), -np.asarray(shift)) - op(_rolled(image, shift))).max()
            ),
        ),
        Misconception(
            "signed",
            "You take the largest difference with its sign: −5 is further from equal than 2.",
            lambda op, image, shift: float(_difference(op, image, shift).max()),
        ),
        Misconception(
            "mean",
            "You take the mean of the differences: the largest is asked for.",
            lambda op, image, shift: float(np.abs(_difference(op, image, shift)).mean()),
        ),
        Misconception(
            "sum",
            "You add up the differences: the largest is asked for.",
            lambda op, image, shift: float(np.abs(_difference(op, image, shift)).sum()),
        ),
        Misconception(
            "squared",
            "You square the differences: their absolute value is asked for.",
            lambda op, image, shift: float((_difference(op, image, shift) ** 2).max()),
        ),
        Misconception(
            "flattened",
            "Your roll has no axis: np.roll then flattens the image and rolls the vector.",
            _error_flattened,
        ),
        Misconception(
            "flattened_and_signed",
            "Two things: your roll has no axis, so that np.roll flattens the image; and your "
            "largest difference keeps its sign.",
            _error_flattened_and_signed,
        ),
        Misconception(
            "maxima_compared",
            "You compare the largest value of one result with the largest of the other: subtract "
            "pixel by pixel first.",
            _error_of_the_maxima,
        ),
        Misconception(
            "rows_only",
            "You roll along one axis only: the shift has a part for each.",
            _error_on_one_axis,
        ),
        Misconception(
            "first_for_both",
            "You use the first number of the pair for both axes.",
            _error_of_the_first,
        ),
        Misconception(
            "pair_swapped",
            "You read the pair as (right, down): here the vertical shift comes first.",
            lambda op, image, shift: float(
                np.abs(_difference(op, image, np.broadcast_to(shift, 2)[::-1])).max()
            ),
        ),
        Misconception(
            "filled_with_zeros",
            "You fill with zeros what the shift leaves empty: a roll brings it in from the other "
            "side.",
            lambda op, image, shift: float(
                np.abs(_shifted_in(op(image), shift) - op(_shifted_in(image, shift))).max()
            ),
        ),
        Misconception(
            "int_only",
            "Your code takes shift as one number: it may also be a pair.",
            _error_with_int_shift,
        ),
        Misconception(
            "pair_only",
            "Your code takes shift as a pair: it may also be one number for both axes.",
            _error_with_pair_shift,
        ),
    ),
    hints=(
        "There are two ways round: op first and roll its result, or roll the image and give that "
        "to op. Compute both.",
        "np.roll(image, (dy, dx), axis=(0, 1)) shifts along both axes; np.broadcast_to(shift, 2) "
        "turns a number into a pair.",
        "Subtract the two results, take absolute values, then the largest, as a float.",
    ),
)


# ── quiz_01 ─────────────────────────────────────────────────────────────────────────────────────


def _ask_dense_weights(rng: np.random.Generator) -> Asked:
    side = 8 * _whole(rng, 3, 30)
    units = int(rng.choice([100, 256, 512, 1_000]))
    weights = side * side * 3 * units
    return Asked(
        f"An RGB image of {side}×{side} pixels is flattened and goes into a fully connected layer "
        f"of {units:,} units. How many weights has that layer, biases not counted?",
        weights,
        f"{side} · {side} · 3 = {side * side * 3:,} inputs, each with a weight to each of "
        f"{units:,} units: {weights:,}.",
        wrong={
            "one_channel": (
                side * side * units,
                "An RGB image has three numbers a pixel: all of them are inputs.",
            ),
            "with_biases": (weights + units, "You count the biases too: weights are asked for."),
            "one_side": (
                side * 3 * units,
                "An image has as many pixels as its height times its width.",
            ),
            "inputs_only": (
                side * side * 3,
                "You count the inputs: every unit has a weight for each of them.",
            ),
        },
    )


def _ask_conv_params(rng: np.random.Generator) -> Asked:
    c_in, c_out = _two_different(rng, 2, 64)
    kernel = int(rng.choice([3, 5, 7]))
    right = c_out * (c_in * kernel * kernel + 1)
    return Asked(
        f"A convolution with {kernel}×{kernel} kernels takes {c_in} channels to {c_out}, with "
        "biases. How many parameters has it?",
        right,
        f"Each of the {c_out} kernels has {c_in} · {kernel} · {kernel} = {c_in * kernel * kernel} "
        f"weights and one bias: {c_out} · {c_in * kernel * kernel + 1} = {right:,}.",
        wrong={
            "no_bias": (
                c_out * c_in * kernel * kernel,
                "These are the weights: each output channel has a bias too.",
            ),
            "one_kernel": (
                c_in * kernel * kernel + 1,
                "This is one kernel: there is one for each output channel.",
            ),
            "flat_kernels": (
                c_out * (kernel * kernel + 1),
                "Each kernel reaches over all input channels, with other weights in each.",
            ),
            "bias_per_slice": (
                c_out * c_in * (kernel * kernel + 1),
                "The channels are summed first, and that sum gets one bias.",
            ),
        },
    )


def _ask_growth(rng: np.random.Generator) -> Asked:
    factor = _whole(rng, 2, 9)
    options, right, wrong = choices(
        rng,
        f"{factor * factor} times as many in the dense layer; as many as before in the convolution",
        {
            "side_only": (
                f"{factor} times as many in the dense layer; as many as before in the convolution",
                "The image grows along both sides.",
            ),
            "conv_grows": (
                f"{factor * factor} times as many in both",
                "The kernel meets more positions, but it is the same kernel at each of them.",
            ),
            "conv_grows_less": (
                f"{factor * factor} times as many in the dense layer; {factor} times as many in "
                "the convolution",
                "What in the convolution's count depends on the image?",
            ),
        },
    )
    return Asked(
        f"A grey image becomes {factor} times as high and {factor} times as wide. A dense layer "
        "keeps its number of units, a convolution its kernels. What happens to their weights?",
        right,
        f"The dense layer has a weight for each pixel and unit, and there are {factor}² = "
        f"{factor * factor} times as many pixels. The convolution's count knows no image size.",
        choices=options,
        wrong=wrong,
    )


def _ask_neighbours(rng: np.random.Generator) -> Asked:
    width = _whole(rng, 10, 99)
    row, column = _whole(rng, 3, 90), _whole(rng, 3, width - 4)
    down, across = _two_different(rng, 1, 3)  # different: else rows for columns would be no mistake
    side = int(rng.choice([-1, 1]))
    right = down * width + side * across
    direction, sign, leads = ("left", "−", "back") if side < 0 else ("right", "+", "on")
    return Asked(
        f"An image is {width} pixels wide. It is flattened row by row. How many positions apart "
        f"are the pixels (row {row}, column {column}) and (row {row + down}, column "
        f"{column + side * across}) in the vector?",
        right,
        f"{_counted(down, 'row')} down: {down} · {width} = {down * width} positions on; "
        f"{_counted(across, 'column')} to the {direction}: {across} {leads}. "
        f"{down * width} {sign} {across} = {right}.",
        wrong={
            "other_way": (
                down * width - side * across,
                "Every row down leads on, every column to the right too, every column to the left "
                "leads back.",
            ),
            "row_only": (down * width, "The columns count too."),
            "axes_swapped": (
                abs(side * across * width + down),
                "You read the pixels as (column, row): here the row comes first.",
            ),
            "on_the_grid": (
                down + across,
                "You count steps on the image, not positions in the vector.",
            ),
        },
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _ask_nonzeros(rng: np.random.Generator) -> Asked:
    kernel = _whole(rng, 2, 4)
    height, width = _two_different(rng, kernel + 2, 12)
    outputs = (height - kernel + 1) * (width - kernel + 1)
    right = outputs * kernel * kernel
    return Asked(
        f"A {kernel}×{kernel} kernel without zeros slides over an image of {height}×{width} "
        "pixels and stays inside it. Written as a matrix, how many of the convolution's entries "
        "are not zero?",
        right,
        f"{height - kernel + 1} · {width - kernel + 1} = {outputs} outputs, a row for each, with "
        f"{kernel}² = {kernel * kernel} weights in a row: {right:,}.",
        wrong={
            "different_values": (
                kernel * kernel,
                "So many different values stand in the matrix: each appears once in every row.",
            ),
            "all_entries": (
                outputs * height * width,
                "This counts all entries: in each row most are zero.",
            ),
            "rows": (outputs, "This counts the rows: each holds a whole kernel."),
            "same_size": (
                height * width * kernel * kernel,
                "The window stays inside the image: it has fewer places than there are pixels.",
            ),
        },
    )


def _ask_shift(rng: np.random.Generator) -> Asked:
    pixels = _whole(rng, 2, 9)
    side = str(rng.choice(["right", "left"]))
    options, right, wrong = choices(
        rng,
        f"It holds the same numbers, {pixels} pixels further to the {side}",
        {
            "invariance": (
                "It stays as it was",
                "That would be invariance: here the map moves along, which is equivariance.",
            ),
            "recomputed": (
                "It holds other numbers, since other weights meet the digit now",
                "Which weights meet the digit at its new place, in a convolution?",
            ),
            "other_way": (
                f"It holds the same numbers, {pixels} pixels further to the "
                f"{'left' if side == 'right' else 'right'}",
                "Follow the digit with a finger: the window that finds it moves with it.",
            ),
        },
    )
    return Asked(
        f"A digit in the middle of a large black image moves {pixels} pixels to the {side}, far "
        "from any border. What happens to the output map of a convolution that moves its kernel "
        "one pixel a step?",
        right,
        "The same kernel meets the same pixels, only at the new place: the map moves along. This "
        "is equivariance.",
        choices=options,
        wrong=wrong,
    )


def _ask_positions(rng: np.random.Generator) -> Asked:
    options, right, wrong = choices(
        rng,
        "The network can learn from data that near pixels belong together, but nothing in it "
        "prefers them from the start",
        {
            "locality_given": (
                "The network looks at near pixels first, as a convolution does",
                "Knowing where a token stands is not the same as preferring its neighbours.",
            ),
            "nothing_gained": (
                "Nothing: the network cannot make use of positions",
                "Without positions it could not tell orders apart; with them, training can.",
            ),
            "weights_shared": (
                "The same weights are used at all positions, as in a convolution",
                "Sharing weights is one thing, knowing positions another.",
            ),
        },
    )
    return Asked(
        "A network takes pixels as an unordered set. Now a position embedding is added to each of "
        "them. What does that change?",
        right,
        "With positions the network can tell pixels apart, so it can learn locality. A convolution "
        "has it before the first step of training: its other weights do not exist.",
        choices=options,
        wrong=wrong,
    )


QUIZ = QuestionExercise(
    name="quiz_01",
    chapter="01",
    questions=(
        Question("dense_weights", _ask_dense_weights),
        Question("conv_parameters", _ask_conv_params),
        Question("larger_image", _ask_growth),
        Question("neighbours", _ask_neighbours),
        Question("not_zero", _ask_nonzeros),
        Question("moved_digit", _ask_shift),
        Question("positions", _ask_positions),
    ),
    hints=(
        "Your own functions answer the first two and `neighbours`. For `not_zero`, build the "
        "matrix with your own function and count: np.count_nonzero.",
        "For `larger_image`, put a small image and a larger one through your two counts and "
        "divide. For `moved_digit`, look at the photograph that moves in section 7; for "
        "`positions`, at the two numbers that section 5 ends with.",
    ),
)


EXERCISES = (
    FC_PARAMS,
    CONV_PARAMS,
    FLATTENED_DISTANCE,
    CONV_AS_MATRIX,
    EQUIVARIANCE_ERROR,
    QUIZ,
)
