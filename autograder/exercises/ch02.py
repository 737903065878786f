"""The exercises of chapter 02: from one window of a kernel to its backward pass.

The mistakes below are written out as a learner would write them, loops and all, so that they fail
where a learner's code fails: at a rectangle, a remainder, an integer image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

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
from autograder.exercises.parts import (
    SCIPY_CONVOLUTIONS,
    Array,
    hw,
    python_ints_only,
    reals,
    wh,
    wholes,
)
from course_lib import geometry, ops

# The example that runs through the chapter.
RAMP = np.add.outer(np.arange(1, 6), np.arange(5))
CROSS = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]])

_LIBRARY_CONVOLUTIONS = (
    *SCIPY_CONVOLUTIONS,
    "torch:aten.convolution",
    "course_lib.ops.conv2d_single",
    "course_lib.ops.true_convolution",
    "course_lib.ops.conv_matrix",
    "course_lib.ops.conv2d",
    "course_lib.ops.im2col",
)


def _pencil(rng: np.random.Generator, *shape: int) -> Array:
    """Integers from -3 to 9 but 0, all different where they suffice: to check with a pencil."""
    digits = np.array([n for n in range(-3, 10) if n])
    return rng.choice(digits, shape, replace=int(np.prod(shape)) > len(digits))


def _padded(image: Array, padding: Any) -> Array:
    above, aside = hw(padding)
    return np.pad(image, ((above, above), (aside, aside)))


# ── output_size ─────────────────────────────────────────────────────────────────────────────────


def _refuse(n: int, kernel: int, stride: int, padding: int, dilation: int) -> None:
    if min(n, kernel, stride, dilation) < 1 or padding < 0:
        raise ValueError("an illegal number")
    if dilation * (kernel - 1) + 1 > n + 2 * padding:
        raise ValueError("no window fits")


def _size_in_one_formula(
    n: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    _refuse(n, kernel, stride, padding, dilation)
    return (n + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def _size_by_counting(
    n: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    _refuse(n, kernel, stride, padding, dilation)
    start = windows = 0
    while start + dilation * (kernel - 1) < n + 2 * padding:
        start, windows = start + stride, windows + 1
    return windows


def _size_as(formula: Callable[[int, int, int, int, int], Any]) -> Callable[..., Any]:
    """A size that refuses what it should, and is wrong where `formula` is."""

    def size(n: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Any:
        _refuse(n, kernel, stride, padding, dilation)
        return formula(n, kernel, stride, padding, dilation)

    return size


def _size_without_refusing(
    n: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    return (n + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def _size_zero_where_nothing_fits(
    n: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    return max(0, _size_without_refusing(n, kernel, stride, padding, dilation))


def _size_refusing_misfits_only(
    n: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    if dilation * (kernel - 1) + 1 > n + 2 * padding:
        raise ValueError("no window fits")
    return _size_without_refusing(n, kernel, stride, padding, dilation)


def _size_refusing_illegal_only(
    n: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    if min(n, kernel, stride, dilation) < 1 or padding < 0:
        raise ValueError("an illegal number")
    return _size_without_refusing(n, kernel, stride, padding, dilation)


def _size_letting_zero_pass(
    n: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    if min(n, kernel, stride, dilation) < 1 or padding < 0:
        raise ValueError("an illegal number")
    size = _size_without_refusing(n, kernel, stride, padding, dilation)
    if size < 0:
        raise ValueError("no window fits")
    return size


def _size_truncated(
    n: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    if min(n, kernel, stride, dilation) < 1 or padding < 0:
        raise ValueError("an illegal number")
    size = int((n + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1
    if size < 1:
        raise ValueError("no window fits")
    return size


def _size_refusing_an_exact_fit(
    n: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    if dilation * (kernel - 1) + 1 >= n + 2 * padding:
        raise ValueError("no window fits")
    return _size_in_one_formula(n, kernel, stride, padding, dilation)


def _size_one_less_and_refused(
    n: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    if min(n, kernel, stride, dilation) < 1 or padding < 0:
        raise ValueError("an illegal number")
    size = (n + 2 * padding - dilation * (kernel - 1) - 1) // stride
    if size < 1:
        raise ValueError("no window fits")
    return size


def _size_refusing_before_dilation(
    n: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    _refuse(n, kernel, stride, padding, dilation if dilation < 1 else 1)
    return _size_without_refusing(n, kernel, stride, padding, dilation)


def _size_refusing_before_padding(
    n: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    _refuse(n, kernel, stride, 0, dilation)
    return _size_in_one_formula(n, kernel, stride, padding, dilation)


def _size_refusing_with_padding_once(
    n: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    _refuse(n + padding, kernel, stride, 0, dilation)
    return _size_in_one_formula(n, kernel, stride, padding, dilation)


def _size_cases(rng: np.random.Generator) -> Iterator[Case]:
    def below(high: int, low: int = 1) -> int:
        return int(rng.integers(low, high))

    yield Case("kernel", (4, 4), note="a kernel as long as the axis")
    yield Case("padding", (1, 3), {"padding": 1}, note="it needs its padding at both ends")
    yield Case("padding", (2, 3), {"padding": 1}, note="it fits only with its padding")
    for kernel in (1, 2, 5):
        yield Case("kernel", (kernel + below(9), kernel))
    for kernel in (2, 3, 5):
        n = kernel + below(9)
        yield Case("padding", (n, kernel), {"padding": below(4)})
    for stride, rest in ((2, 1), (3, 1), (3, 2), (4, 0), (4, 3)):
        kernel = below(6, 2)
        n = kernel + stride * below(6) + rest
        yield Case("stride and floor", (n, kernel), {"stride": stride})
    yield Case("stride and floor", (np.int64(30 + below(9)), 5, np.int64(3), 1))
    for dilation in (2, 3):
        for kernel in (3, 4):
            n = dilation * kernel + below(9)
            yield Case("dilation", (n, kernel), {"dilation": dilation, "stride": below(3)})
    n = below(9, 3)
    yield Case("no window fits", (n, n + 1), note="one pixel too few")
    yield Case("no window fits", (2, 3), {"stride": 2}, note="one pixel too few, at stride 2")
    yield Case("no window fits", (5, 7), {"stride": 3}, note="two pixels too few, at stride 3")
    yield Case("no window fits", (n, n + 3 + below(4)), {"padding": 1, "stride": below(4)})
    yield Case(
        "no window fits", (5, 4), {"dilation": 2}, note="the dilated kernel spans seven pixels"
    )
    n = below(9, 5)
    yield Case("illegal numbers", (0, 1), {"padding": 2}, note="an image of no pixels")
    yield Case("illegal numbers", (n, 0))
    yield Case("illegal numbers", (n, 3), {"stride": 0})
    yield Case("illegal numbers", (n, 3), {"stride": -below(3)})
    yield Case("illegal numbers", (n, 3), {"padding": -1})
    yield Case("illegal numbers", (n, 3), {"dilation": 0})


OUTPUT_SIZE = FunctionExercise(
    name="output_size",
    chapter="02",
    signature="output_size(n, kernel, stride=1, padding=0, dilation=1) -> int",
    aspects=(
        Aspect("kernel", 1),
        Aspect("padding", 1),
        Aspect("stride and floor", 1),
        Aspect("dilation", 1),
        Aspect("no window fits", 1, needs=("kernel",)),
        Aspect("illegal numbers", 1, needs=("kernel",)),
    ),
    worked=(
        Case("kernel", (5, 3)),
        Case("kernel", (32, 5)),
        Case("padding", (28, 3), {"padding": 1}),
        Case("padding", (32, 3), {"padding": 1}),
        Case("stride and floor", (28, 3), {"stride": 2, "padding": 1}),
        Case("stride and floor", (224, 3), {"stride": 2}),
        Case("dilation", (7, 3), {"dilation": 2}),
        Case("no window fits", (2, 3)),
    ),
    cases=_size_cases,
    reference=geometry.output_size,
    alternatives={"one formula": _size_in_one_formula, "counting": _size_by_counting},
    misconceptions=(
        Misconception(
            "no_floor",
            "You cannot have half a window: what does `/` give where the stride leaves a rest, and "
            "of which type is it even where it leaves none?",
            _size_as(lambda n, k, s, p, d: (n + 2 * p - d * (k - 1) - 1) / s + 1),
        ),
        Misconception(
            "rounded",
            "You round to the nearest number: a window that fits more than half still does not "
            "fit.",
            _size_as(lambda n, k, s, p, d: round((n + 2 * p - d * (k - 1) - 1) / s) + 1),
        ),
        Misconception(
            "rounded_up",
            "You round up, so the last window hangs over the edge of the padded input.",
            _size_as(lambda n, k, s, p, d: -(-(n + 2 * p - d * (k - 1) - 1) // s) + 1),
        ),
        Misconception(
            "first_window_forgotten",
            "You count the steps from window to window: how many windows are there when you take "
            "no step at all?",
            _size_as(lambda n, k, s, p, d: (n + 2 * p - d * (k - 1) - 1) // s),
        ),
        Misconception(
            "first_window_refused",
            "You count the steps from window to window, and refuse where there is none: how many "
            "windows are there when you take no step at all?",
            _size_one_less_and_refused,
        ),
        Misconception(
            "one_window_too_many",
            "You have one window too many: how many pixels are left to move into when the kernel "
            "is as long as the axis?",
            _size_as(lambda n, k, s, p, d: (n + 2 * p - d * (k - 1)) // s + 1),
        ),
        Misconception(
            "positions_over_stride",
            "You divide the number of stride-1 positions by the stride: the first window costs no "
            "step, so add it after the division.",
            _size_as(lambda n, k, s, p, d: (n + 2 * p - d * (k - 1)) // s),
        ),
        Misconception(
            "padding_once",
            "Padding goes on at both ends of the axis.",
            _size_as(lambda n, k, s, p, d: (n + p - d * (k - 1) - 1) // s + 1),
        ),
        Misconception(
            "padding_ignored",
            "Your answer does not change with the padding.",
            _size_as(lambda n, k, s, p, d: (n - d * (k - 1) - 1) // s + 1),
        ),
        Misconception(
            "dilation_ignored",
            "Your answer does not change with the dilation: a dilated kernel spans more pixels "
            "than it has taps.",
            _size_as(lambda n, k, s, p, d: (n + 2 * p - k) // s + 1),
        ),
        Misconception(
            "dilation_times_kernel",
            "You stretch the kernel to dilation × kernel pixels: count the steps between its "
            "taps, there is one fewer than taps.",
            _size_as(lambda n, k, s, p, d: (n + 2 * p - d * k) // s + 1),
        ),
        Misconception(
            "kernel_shrinks_twice",
            "You take K − 1 off at each side: a kernel shortens the axis by K − 1 in all.",
            _size_as(lambda n, k, s, p, d: (n + 2 * p - 2 * d * (k - 1) - 1) // s + 1),
        ),
        Misconception(
            "refuses_nothing",
            "Your formula gives a number even where no window fits: raise a ValueError there, and "
            "for numbers that make no sense.",
            _size_without_refusing,
        ),
        Misconception(
            "zero_where_nothing_fits",
            "You return 0 where no window fits; a ValueError is asked, because an empty output is "
            "nearly always a bug further up.",
            _size_zero_where_nothing_fits,
        ),
        Misconception(
            "zero_passes",
            "You refuse a negative size and return 0 where the kernel is just too long: an empty "
            "output is to be refused as well.",
            _size_letting_zero_pass,
        ),
        Misconception(
            "truncated",
            "`int()` rounds towards zero, and a floor goes down: with too few pixels the quotient "
            "is negative, and `int` makes a window of it.",
            _size_truncated,
        ),
        Misconception(
            "accepts_illegal_numbers",
            "You refuse a kernel that does not fit, but let a stride of 0 or a padding of −1 pass.",
            _size_refusing_misfits_only,
        ),
        Misconception(
            "accepts_misfits",
            "You refuse numbers that make no sense, but return one where the kernel is larger than "
            "the padded input.",
            _size_refusing_illegal_only,
        ),
        Misconception(
            "refuses_before_padding",
            "You compare the kernel with the bare input: padding can make room for it.",
            _size_refusing_before_padding,
        ),
        Misconception(
            "refuses_an_exact_fit",
            "You refuse a kernel as long as the padded axis: it has one place.",
            _size_refusing_an_exact_fit,
        ),
        Misconception(
            "refuses_with_padding_once",
            "Your size counts the padding at both ends, but your test whether a window fits counts "
            "it once.",
            _size_refusing_with_padding_once,
        ),
        Misconception(
            "refuses_before_dilation",
            "You compare the number of taps with the padded input: dilation spreads them over more "
            "pixels.",
            _size_refusing_before_dilation,
        ),
    ),
    forbidden=(
        "course_lib.geometry.output_size",
        "course_lib.geometry.output_shape",
        "course_lib.geometry.window_starts",
        "torch:aten.convolution",
    ),
    hints=(
        "Start without stride: the padded input has n + 2·padding pixels, and the kernel spans "
        "dilation·(kernel − 1) + 1 of them. How many pixels are left for the kernel to move into?",
        "Each step takes `stride` of the pixels that are left; a rest too small for a step is "
        "lost: `//`. The first window needs no step.",
        "rest = n + 2 * padding - (dilation * (kernel - 1) + 1); raise a ValueError where it is "
        "negative (or a number is illegal); the answer is rest // stride + 1.",
    ),
)


# ── zero_pad ────────────────────────────────────────────────────────────────────────────────────


def _pad_by_stacking(image: Array, padding: Any) -> Array:
    above, aside = hw(padding)
    row = np.zeros((above, image.shape[1]), image.dtype)
    tall = np.concatenate([row, image, row])
    column = np.zeros((tall.shape[0], aside), image.dtype)
    return np.concatenate([column, tall, column], axis=1)


def _pad_into_zeros(image: Array, padding: Any) -> Array:
    above, aside = hw(padding)
    height, width = image.shape
    out = np.zeros((height + 2 * above, width + 2 * aside))
    for r in range(height):
        for c in range(width):
            out[above + r, aside + c] = image[r, c]
    return out


def _pad_as(place: Callable[[int, int], tuple[Any, Any]]) -> Callable[..., Array]:
    """Padding by the ((top, bottom), (left, right)) that `place` makes of (height, width)."""

    def pad(image: Array, padding: Any) -> Array:
        (top, bottom), (left, right) = place(*hw(padding))
        height, width = image.shape
        out = np.zeros((top + height + bottom, left + width + right), image.dtype)
        out[top : top + height, left : left + width] = image
        return out

    return pad


def _pad_repeating_the_border(image: Array, padding: Any) -> Array:
    above, aside = hw(padding)
    height, width = image.shape
    rows = np.clip(np.arange(-above, height + above), 0, height - 1)
    columns = np.clip(np.arange(-aside, width + aside), 0, width - 1)
    return np.asarray(image[np.ix_(rows, columns)])


def _pad_one_number_only(image: Array, padding: Any) -> Array:
    height, width = image.shape
    out = np.zeros((height + 2 * padding, width + 2 * padding))
    out[padding : padding + height, padding : padding + width] = image
    return out


def _pad_between_p_and_minus_p(image: Array, padding: Any) -> Array:
    above, aside = hw(padding)
    out = np.zeros((image.shape[0] + 2 * above, image.shape[1] + 2 * aside))
    out[above:-above, aside:-aside] = image
    return out


def _pad_image_in_the_corner(image: Array, padding: Any) -> Array:
    above, aside = hw(padding)
    out = np.zeros((image.shape[0] + 2 * above, image.shape[1] + 2 * aside))
    out[: image.shape[0], : image.shape[1]] = image
    return out


def _pad_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case("one number", (_pencil(rng, 1, 2), 2), note="one row")
    yield Case("one number", (reals(rng, 2, 3), 0), note="no padding at all")
    yield Case("one number", (wholes(rng, 3, 2) + 9, 1))
    yield Case("one number", (reals(rng, 4, 3), np.int64(3)))
    yield Case("a pair", (_pencil(rng, 2, 2), (1, 0)))
    yield Case("a pair", (_pencil(rng, 3, 3), (0, 2)))
    yield Case("a pair", (reals(rng, 2, 4), [2, 1]))
    height, width = (int(n) for n in rng.integers(2, 6, 2))
    yield Case("a pair", (reals(rng, height, width), (3, 1)))
    yield Case("a pair", (reals(rng, width, height), (1, 3)))


ZERO_PAD = FunctionExercise(
    name="zero_pad",
    chapter="02",
    signature="zero_pad(image, padding) -> array",
    aspects=(Aspect("one number", 1), Aspect("a pair", 1)),
    worked=(
        Case("one number", (np.array([[1, 2], [3, 4]]), 1)),
        Case("a pair", (np.array([[1, 2], [3, 4]]), (0, 1))),
    ),
    cases=_pad_cases,
    reference=ops.pad2d,
    alternatives={"stacking": _pad_by_stacking, "pixel by pixel": _pad_into_zeros},
    misconceptions=(
        Misconception(
            "before_only",
            "Your zeros are above and to the left only: padding goes on all four sides.",
            _pad_as(lambda h, w: ((h, 0), (w, 0))),
        ),
        Misconception(
            "after_only",
            "Your zeros are below and to the right only: padding goes on all four sides.",
            _pad_as(lambda h, w: ((0, h), (0, w))),
        ),
        Misconception(
            "image_in_the_corner",
            "The shape is right, but the image sits in the top left corner: which row and column "
            "is its first pixel to have?",
            _pad_image_in_the_corner,
        ),
        Misconception(
            "height_and_width_swapped",
            "A pair is (height, width): the first number adds rows.",
            _pad_as(lambda h, w: ((w, w), (h, h))),
        ),
        Misconception(
            "before_and_after",
            "You read the pair as (before, after); it is (height, width), each on both sides.",
            _pad_as(lambda h, w: ((h, w), (h, w))),
        ),
        Misconception(
            "first_number_for_both",
            "You use the first number of the pair for both axes.",
            _pad_as(lambda h, w: ((h, h), (h, h))),
        ),
        Misconception(
            "one_number_only",
            "Your function takes one number; it may also get a (height, width) pair.",
            _pad_one_number_only,
        ),
        Misconception(
            "python_ints_only",
            "A NumPy integer is no `int` to isinstance, and no pair either.",
            lambda image, padding: _pad_into_zeros(image, python_ints_only(padding)),
        ),
        Misconception(
            "minus_zero",
            "A slice [p:-p] is empty where p is 0: write its end as p + length.",
            _pad_between_p_and_minus_p,
        ),
        Misconception(
            "rows_only",
            "You add rows and no columns.",
            _pad_as(lambda h, w: ((h, h), (0, 0))),
        ),
        Misconception(
            "columns_only",
            "You add columns and no rows.",
            _pad_as(lambda h, w: ((0, 0), (w, w))),
        ),
        Misconception(
            "half_on_each_side",
            "You share the padding between the two sides: each side gets all of it.",
            _pad_as(lambda h, w: ((h // 2, h - h // 2), (w // 2, w - w // 2))),
        ),
        Misconception(
            "border_repeated",
            "You repeat the border pixels: zeros are asked.",
            _pad_repeating_the_border,
        ),
        Misconception(
            "integers_only",
            "Your zeros are integers, and what you write between them loses its decimals.",
            lambda image, padding: _pad_into_zeros(image, padding).astype(int),
        ),
    ),
    forbidden=(
        "numpy.pad",
        "course_lib.ops.pad2d",
        "torch:aten.constant_pad_nd",
    ),
    hints=(
        "How large is the result? Each axis grows by twice its padding. Make an array of zeros of "
        "that shape.",
        "`height_pad, width_pad = np.broadcast_to(padding, 2)` reads one number as well as a pair. "
        "Then write the image into a slice of the zeros: which rows, which columns?",
        "out[height_pad : height_pad + H, width_pad : width_pad + W] = image",
    ),
)


# ── conv2d_single ───────────────────────────────────────────────────────────────────────────────


def _windows(padded: Array, kernel: Array, stride: Any, dilation: Any) -> Array:
    """Every window of a padded image: (H_out, W_out, K_h, K_w)."""
    (s_h, s_w), (d_h, d_w) = hw(stride), hw(dilation)
    span = (d_h * (kernel.shape[0] - 1) + 1, d_w * (kernel.shape[1] - 1) + 1)
    return sliding_window_view(padded, span)[::s_h, ::s_w, ::d_h, ::d_w]


def _correlate(
    image: Array, kernel: Array, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Array:
    windows = _windows(_padded(image, padding), kernel, stride, dilation)
    return np.asarray(np.einsum("rcij,ij->rc", windows, kernel))


def _correlate_by_im2col(
    image: Array, kernel: Array, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Array:
    windows = _windows(_padded(image, padding), kernel, stride, dilation)
    columns = windows.reshape(-1, kernel.size)  # (H_out·W_out, K_h·K_w)
    return np.asarray((columns @ kernel.ravel()).reshape(windows.shape[:2]))


def _correlate_by_shifting(
    image: Array, kernel: Array, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Array:
    (s_h, s_w), (d_h, d_w) = hw(stride), hw(dilation)
    padded = _padded(image, padding)
    out_h = (padded.shape[0] - d_h * (kernel.shape[0] - 1) - 1) // s_h + 1
    out_w = (padded.shape[1] - d_w * (kernel.shape[1] - 1) - 1) // s_w + 1
    out = np.zeros((out_h, out_w))
    for i in range(kernel.shape[0]):
        for j in range(kernel.shape[1]):
            y, x = i * d_h, j * d_w
            shifted = padded[y : y + out_h * s_h : s_h, x : x + out_w * s_w : s_w]
            out += kernel[i, j] * shifted[:out_h, :out_w]
    return out


def _correlate_by_loops(
    image: Array, kernel: Array, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Array:
    return _loop(image, kernel, stride, padding, dilation)


def _loop(
    image: Array,
    kernel: Array,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    *,
    dtype: Any = float,
    size: Callable[[int, int], int] = lambda rest, stride: rest // stride + 1,
    one: Callable[[Array, Array], Any] = lambda patch, kernel: np.sum(patch * kernel),
    start: Callable[[int, int], int] = lambda index, stride: index * stride,
    kernel_shape: Callable[[Array], tuple[int, int]] = lambda kernel: (
        kernel.shape[0],
        kernel.shape[1],
    ),
    square_image: bool = False,
) -> Array:
    """Four loops' worth of convolution, with its parts exchangeable: a mistake changes one."""
    (s_h, s_w), (d_h, d_w) = hw(stride), hw(dilation)
    padded = _padded(image, padding)
    height, width = padded.shape
    if square_image:
        width = height
    k_h, k_w = kernel_shape(kernel)
    span_h, span_w = d_h * (k_h - 1) + 1, d_w * (k_w - 1) + 1
    out_h, out_w = size(height - span_h, s_h), size(width - span_w, s_w)
    out = np.zeros((out_h, out_w), dtype)
    for r in range(out_h):
        for c in range(out_w):
            y, x = start(r, s_h), start(c, s_w)
            out[r, c] = one(padded[y : y + span_h : d_h, x : x + span_w : d_w], kernel)
    return out


def _looped(**part: Any) -> Callable[..., Array]:
    def conv(image: Array, kernel: Array, **sizes: Any) -> Array:
        return _loop(image, kernel, **sizes, **part)

    return conv


def _with_kernel(change: Callable[[Array], Array]) -> Callable[..., Array]:
    return lambda image, kernel, **sizes: _correlate(image, change(kernel), **sizes)


def _with_sizes(**change: Callable[[Any], Any]) -> Callable[..., Array]:
    def conv(image: Array, kernel: Array, **sizes: Any) -> Array:
        default = {"stride": 1, "padding": 0, "dilation": 1, **sizes}
        changed = {name: change.get(name, lambda v: v)(value) for name, value in default.items()}
        return _correlate(image, kernel, **changed)

    return conv


def _conv_with_padding(pad: Callable[..., Array]) -> Callable[..., Array]:
    def conv(
        image: Array, kernel: Array, stride: Any = 1, padding: Any = 0, dilation: Any = 1
    ) -> Array:
        return _correlate(pad(image, padding), kernel, stride, 0, dilation)

    return conv


def _conv_of_one_number(
    image: Array, kernel: Array, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Array:
    for value in (stride, padding, dilation):
        if not isinstance(value, int | np.integer):
            raise TypeError("can only be one number")
    return _correlate(image, kernel, stride, padding, dilation)


def _conv_dilating_the_size_only(
    image: Array, kernel: Array, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Array:
    height, width = _correlate(image, kernel, stride, padding, dilation).shape
    return _correlate(image, kernel, stride, padding)[:height, :width]


def _conv_dilating_the_window_only(
    image: Array, kernel: Array, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Array:
    """A window over the edge makes a slice too short, which NumPy may or may not complain of."""
    (s_h, s_w), (d_h, d_w) = hw(stride), hw(dilation)
    padded, (k_h, k_w) = _padded(image, padding), kernel.shape
    out = np.zeros(((padded.shape[0] - k_h) // s_h + 1, (padded.shape[1] - k_w) // s_w + 1))
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            y, x = r * s_h, c * s_w
            window = padded[y : y + d_h * (k_h - 1) + 1 : d_h, x : x + d_w * (k_w - 1) + 1 : d_w]
            out[r, c] = (window * kernel).sum()
    return out


def _conv_stepping_inside_the_window(
    image: Array, kernel: Array, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Array:
    return _correlate(image, kernel, stride=dilation, padding=padding, dilation=stride)


def _conv_that_writes_into_the_image(image: Array, kernel: Array, **sizes: Any) -> Array:
    out = _correlate(image, kernel, **sizes)
    image += 1
    return out


def _conv_cases(rng: np.random.Generator) -> Iterator[Case]:
    # Square, but where height and width are what the aspect is about: one mistake, one aspect.
    one = "one window after another"
    yield Case(one, (_pencil(rng, 2, 2), _pencil(rng, 2, 2)))
    yield Case(one, (_pencil(rng, 3, 3), _pencil(rng, 2, 2)))
    yield Case(one, (wholes(rng, 4, 4), reals(rng, 3, 3)), note="integers under fractions")
    yield Case(one, (reals(rng, 4, 4), _pencil(rng, 2, 2)), note="fractions under integers")
    yield Case("rectangles", (_pencil(rng, 2, 4), _pencil(rng, 1, 3)))
    yield Case("rectangles", (_pencil(rng, 5, 3), _pencil(rng, 2, 2)))
    yield Case("rectangles", (reals(rng, 4, 5).astype(np.float32), reals(rng, 3, 2)))
    yield Case("stride", (_pencil(rng, 4, 4), _pencil(rng, 2, 2)), {"stride": 2})
    yield Case("stride", (_pencil(rng, 5, 5), _pencil(rng, 2, 2)), {"stride": np.int64(3)})
    yield Case("stride", (reals(rng, 6, 6), reals(rng, 3, 3)), {"stride": 2}, note="a rest is left")
    yield Case("padding", (_pencil(rng, 2, 2), _pencil(rng, 3, 3)), {"padding": 1})
    yield Case("padding", (reals(rng, 4, 4), reals(rng, 3, 3)), {"padding": np.int64(2)})
    yield Case("dilation", (_pencil(rng, 3, 3), _pencil(rng, 2, 2)), {"dilation": 2})
    yield Case("dilation", (_pencil(rng, 5, 5), _pencil(rng, 2, 2)), {"dilation": 3})
    yield Case("dilation", (reals(rng, 8, 8), reals(rng, 3, 3)), {"dilation": 3})
    pairs = "height and width apart"
    yield Case(pairs, (_pencil(rng, 4, 4), _pencil(rng, 2, 2)), {"stride": (1, 2)})
    yield Case(pairs, (_pencil(rng, 3, 3), _pencil(rng, 3, 3)), {"padding": [0, 2]})
    yield Case(pairs, (_pencil(rng, 4, 5), _pencil(rng, 2, 2)), {"dilation": (3, 1)})
    yield Case(
        pairs,
        (reals(rng, 5, 6), reals(rng, 2, 3)),
        {"stride": (2, 3), "padding": (1, 2), "dilation": [3, 2]},
        note="all of them at once",
    )


CONV2D_SINGLE = FunctionExercise(
    name="conv2d_single",
    chapter="02",
    signature="conv2d_single(image, kernel, stride=1, padding=0, dilation=1) -> array",
    aspects=(
        Aspect("one window after another", 2),
        Aspect("rectangles", 1),
        Aspect("stride", 1),
        Aspect("padding", 1),
        Aspect("dilation", 1),
        Aspect("height and width apart", 1),
    ),
    worked=(
        Case("one window after another", (RAMP, CROSS)),
        Case("stride", (RAMP, CROSS), {"stride": 2}),
        Case("padding", (RAMP, CROSS), {"stride": 2, "padding": 1}),
    ),
    cases=_conv_cases,
    reference=ops.conv2d_single,
    alternatives={
        "loops": _correlate_by_loops,
        "windows": _correlate,
        "im2col": _correlate_by_im2col,
        "shifted slices": _correlate_by_shifting,
    },
    misconceptions=(
        Misconception(
            "kernel_flipped",
            "You flip the kernel: a convolution layer slides it as it is.",
            _with_kernel(lambda k: k[::-1, ::-1]),
        ),
        Misconception(
            "kernel_transposed",
            "Your kernel lies on its side: rows and columns have changed places.",
            _with_kernel(lambda k: k.T),
        ),
        Misconception(
            "mean",
            "You average the products: add them up.",
            _looped(one=lambda patch, kernel: np.mean(patch * kernel)),
        ),
        Misconception(
            "matrix_product",
            "You multiply window and kernel as matrices (`@`): multiply number by number (`*`).",
            _looped(one=lambda patch, kernel: np.sum(patch @ kernel)),
        ),
        Misconception(
            "last_window_missing",
            "Your last row and column of windows are missing: how many positions has a kernel on "
            "an image of its own size?",
            _looped(size=lambda rest, stride: rest // stride),
        ),
        Misconception(
            "reads_outside",
            "You round the size up, so the last window hangs over the edge, where a slice is "
            "shorter than the kernel.",
            _looped(size=lambda rest, stride: -(-rest // stride) + 1),
        ),
        Misconception(
            "integers_only",
            "Your output array has the image's integer type, which cuts off the decimals of what "
            "you write into it.",
            lambda image, kernel, **sizes: _loop(image, kernel, **sizes, dtype=image.dtype),
        ),
        Misconception(
            "kernels_integers_only",
            "Your output array has the kernel's integer type, which cuts off the decimals of what "
            "you write into it.",
            lambda image, kernel, **sizes: _loop(image, kernel, **sizes, dtype=kernel.dtype),
        ),
        Misconception(
            "square_kernel",
            "You take the kernel's height for its width too.",
            _looped(kernel_shape=lambda kernel: (kernel.shape[0], kernel.shape[0])),
        ),
        Misconception(
            "square_image",
            "You take the image's height for its width too.",
            _looped(square_image=True),
        ),
        Misconception(
            "stride_ignored",
            "Your answer does not change with the stride.",
            _with_sizes(stride=lambda v: 1),
        ),
        Misconception(
            "windows_not_moved",
            "The size is right, but output r still reads from row r: where does its window start?",
            _looped(start=lambda index, stride: index),
        ),
        Misconception(
            "stride_inside_the_window",
            "You step by the stride inside the window: stride moves the window, dilation spreads "
            "its taps.",
            _conv_stepping_inside_the_window,
        ),
        Misconception(
            "stride_on_rows_only",
            "You jump along the rows' axis and not along the columns'.",
            _with_sizes(stride=lambda v: (hw(v)[0], 1)),
        ),
        Misconception(
            "padding_ignored",
            "Your answer does not change with the padding.",
            _with_sizes(padding=lambda v: 0),
        ),
        Misconception(
            "padding_before_only",
            "You pad above and to the left only.",
            _conv_with_padding(_pad_as(lambda h, w: ((h, 0), (w, 0)))),
        ),
        Misconception(
            "padding_before_and_after",
            "You read the padding's pair as (before, after), as `np.pad` does; it is (height, "
            "width), each on both sides.",
            _conv_with_padding(_pad_as(lambda h, w: ((h, w), (h, w)))),
        ),
        Misconception(
            "border_repeated",
            "You pad with copies of the border: pad with zeros.",
            _conv_with_padding(_pad_repeating_the_border),
        ),
        Misconception(
            "dilation_ignored",
            "Your answer does not change with the dilation.",
            _with_sizes(dilation=lambda v: 1),
        ),
        Misconception(
            "dilation_in_the_size_only",
            "Your output has the size that the dilation gives, but your windows still read "
            "neighbouring pixels.",
            _conv_dilating_the_size_only,
        ),
        Misconception(
            "dilation_in_the_window_only",
            "Your windows spread their taps, but your output is as large as without dilation, so "
            "the last windows run over the edge.",
            _conv_dilating_the_window_only,
        ),
        Misconception(
            "dilation_counts_gaps",
            "You skip `dilation` pixels between taps: it is the step from tap to tap, 1 where they "
            "are neighbours.",
            _with_sizes(dilation=lambda v: (hw(v)[0] + 1, hw(v)[1] + 1)),
        ),
        Misconception(
            "height_and_width_swapped",
            "A pair is (height, width): its first number belongs to the rows.",
            _with_sizes(stride=wh, padding=wh, dilation=wh),
        ),
        Misconception(
            "one_number_only",
            "Your function takes single numbers; each of them may also be a (height, width) pair.",
            _conv_of_one_number,
        ),
        Misconception(
            "python_ints_only",
            "A NumPy integer is no `int` to isinstance, and no pair either.",
            _with_sizes(
                stride=python_ints_only, padding=python_ints_only, dilation=python_ints_only
            ),
        ),
        Misconception(
            "changes_image",
            "You write into the image that you were given: work on a copy.",
            _conv_that_writes_into_the_image,
        ),
    ),
    forbidden=_LIBRARY_CONVOLUTIONS,
    hints=(
        "Pad first, then forget about padding. Two loops run over the output's rows and columns; "
        "its shape comes from the formula of output_size, once for each axis.",
        "Output (r, c) reads a window whose first pixel is (r·stride, c·stride) of the padded "
        "image. NumPy's slices take a step, and the dilation is one: `a[start : stop : step]`.",
        "patch = padded[y : y + span_h : d_h, x : x + span_w : d_w] with y = r·s_h, x = c·s_w and "
        "span = d·(K − 1) + 1; the output is (patch * kernel).sum(). Make the output array of "
        "floats: integers would cut off decimals.",
    ),
)


# ── true_convolution ────────────────────────────────────────────────────────────────────────────


def _convolve_by_stamping(image: Array, kernel: Array) -> Array:
    """Every pixel stamps the kernel, as bright as it is; then the full result is cut."""
    (height, width), (k_h, k_w) = image.shape, kernel.shape
    full = np.zeros((height + k_h - 1, width + k_w - 1))
    for r in range(height):
        for c in range(width):
            full[r : r + k_h, c : c + k_w] += image[r, c] * kernel
    return full[k_h - 1 : height, k_w - 1 : width]


def _convolve_full(image: Array, kernel: Array) -> Array:
    padding = (kernel.shape[0] - 1, kernel.shape[1] - 1)
    return _correlate(image, kernel[::-1, ::-1], padding=padding)


def _convolve_flipping_in_place(image: Array, kernel: Array) -> Array:
    kernel[:] = kernel[::-1, ::-1].copy()
    return _correlate(image, kernel)


def _convolution_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case("square", (_pencil(rng, 2, 2), _pencil(rng, 2, 2)))
    yield Case("square", (_pencil(rng, 4, 4), _pencil(rng, 2, 2)))
    yield Case("square", (wholes(rng, 4, 4), reals(rng, 3, 3)), note="integers under fractions")
    yield Case("square", (reals(rng, 4, 4), _pencil(rng, 2, 2)), note="fractions under integers")
    yield Case("rectangles", (_pencil(rng, 3, 4), _pencil(rng, 1, 3)))
    yield Case("rectangles", (_pencil(rng, 5, 4), _pencil(rng, 3, 2)))
    yield Case("rectangles", (reals(rng, 4, 6), reals(rng, 2, 3)))


SPOT = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
ONE_TO_FOUR = np.array([[1, 2], [3, 4]])

TRUE_CONVOLUTION = FunctionExercise(
    name="true_convolution",
    chapter="02",
    signature="true_convolution(image, kernel) -> array",
    aspects=(Aspect("square", 1), Aspect("rectangles", 1)),
    worked=(Case("square", (SPOT, ONE_TO_FOUR), note="one bright pixel"),),
    cases=_convolution_cases,
    reference=ops.true_convolution,
    alternatives={
        "flipped kernel": lambda image, kernel: _correlate(image, np.rot90(kernel, 2)),
        "stamping": _convolve_by_stamping,
    },
    misconceptions=(
        Misconception(
            "not_flipped",
            "This is cross-correlation: the kernel is not flipped.",
            lambda image, kernel: _correlate(image, kernel),
        ),
        Misconception(
            "rows_flipped_only",
            "You flip the kernel upside down, but not from left to right.",
            lambda image, kernel: _correlate(image, kernel[::-1]),
        ),
        Misconception(
            "columns_flipped_only",
            "You flip the kernel from left to right, but not upside down.",
            lambda image, kernel: _correlate(image, kernel[:, ::-1]),
        ),
        Misconception(
            "transposed",
            "You transpose the kernel: a flip turns it by half a turn.",
            lambda image, kernel: _correlate(image, kernel.T),
        ),
        Misconception(
            "quarter_turn",
            "`np.rot90` makes a quarter turn: a flip on both axes is half a turn.",
            lambda image, kernel: _correlate(image, np.rot90(kernel)),
        ),
        Misconception(
            "image_flipped",
            "You flip the image: then the result comes out flipped as well.",
            lambda image, kernel: _correlate(image[::-1, ::-1], kernel),
        ),
        Misconception(
            "output_flipped",
            "This is the cross-correlation turned by half a turn, as if you had turned the "
            "result, or image and kernel both: flip the kernel, and nothing else.",
            lambda image, kernel: _correlate(image, kernel)[::-1, ::-1],
        ),
        Misconception(
            "full",
            "You let the kernel hang over the border: only windows inside the image are asked.",
            _convolve_full,
        ),
        Misconception(
            "flips_in_place",
            "You turn round the kernel that you were given: the caller's array changes too.",
            _convolve_flipping_in_place,
        ),
    ),
    forbidden=_LIBRARY_CONVOLUTIONS,
    hints=(
        "Only the kernel differs from what you have done already.",
        "`kernel[::-1, ::-1]` is the kernel flipped on both axes; slide that.",
    ),
)


# ── same_padding ────────────────────────────────────────────────────────────────────────────────


def _same_as(split: Callable[[int, int], Any]) -> Callable[..., Any]:
    return lambda kernel, dilation=1: split(kernel, dilation)


def _same_by_search(kernel: int, dilation: int = 1) -> tuple[int, int]:
    before = after = 0
    while before + after < dilation * (kernel - 1):
        if before == after:
            after += 1
        else:
            before += 1
    return before, after


def _same_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case("odd kernels", (1,), note="nothing to make up for")
    for half in rng.choice(np.arange(2, 9), 3, replace=False):
        yield Case("odd kernels", (2 * int(half) + 1,))
    for half in rng.choice(np.arange(1, 9), 3, replace=False):
        yield Case("even kernels", (2 * int(half),))
    for kernel, dilation in ((3, 2), (5, 3), (2, 2), (4, 3), (6, 2)):
        more = int(rng.integers(0, 3))
        yield Case("dilation", (kernel + 2 * more, dilation))
    yield Case("dilation", (4,), {"dilation": 2}, note="an even kernel, but an even sum")


SAME_PADDING = FunctionExercise(
    name="same_padding",
    chapter="02",
    signature="same_padding(kernel, dilation=1) -> (before, after)",
    aspects=(Aspect("odd kernels", 1), Aspect("even kernels", 1), Aspect("dilation", 1)),
    worked=(
        Case("odd kernels", (3,)),
        Case("even kernels", (4,)),
        Case("dilation", (3,), {"dilation": 2}),
    ),
    cases=_same_cases,
    reference=geometry.same_padding,
    alternatives={
        "halves": _same_as(lambda k, d: (d * (k - 1) // 2, (d * (k - 1) + 1) // 2)),
        "one by one": _same_by_search,
    },
    misconceptions=(
        Misconception(
            "half_the_kernel",
            "kernel // 2 on both sides: for an even kernel that is one pixel too many.",
            _same_as(lambda k, d: ((d * (k - 1) + 1) // 2,) * 2),
        ),
        Misconception(
            "rounded_down_twice",
            "You round down on both sides: for an even kernel that is one pixel too few.",
            _same_as(lambda k, d: (d * (k - 1) // 2,) * 2),
        ),
        Misconception(
            "odd_one_before",
            "Where the pixels cannot be halved, the odd one goes after, not before.",
            _same_as(lambda k, d: ((d * (k - 1) + 1) // 2, d * (k - 1) // 2)),
        ),
        Misconception(
            "everything_on_each_side",
            "K − 1 pixels are missing in all, not on each side.",
            _same_as(lambda k, d: (d * (k - 1), d * (k - 1))),
        ),
        Misconception(
            "dilation_as_gaps",
            "You put `dilation` pixels between two taps: it is the step from one tap to the next, "
            "and at dilation 1 they are neighbours.",
            _same_as(lambda k, d: ((d + 1) * (k - 1) // 2, ((d + 1) * (k - 1) + 1) // 2)),
        ),
        Misconception(
            "floats",
            "A number of pixels is an int: divide with `//`.",
            _same_as(lambda k, d: (d * (k - 1) / 2, d * (k - 1) / 2)),
        ),
        Misconception(
            "one_number",
            "You return one number; two are asked, before and after.",
            _same_as(lambda k, d: d * (k - 1) // 2),
        ),
        Misconception(
            "dilation_ignored",
            "Your answer does not change with the dilation.",
            _same_as(lambda k, d: ((k - 1) // 2, k // 2)),
        ),
        Misconception(
            "dilation_times_kernel",
            "You stretch the kernel to dilation × kernel pixels: it has one step fewer than taps.",
            _same_as(lambda k, d: ((d * k - 1) // 2, d * k - 1 - (d * k - 1) // 2)),
        ),
        Misconception(
            "halves_dilated",
            "You halve first and multiply by the dilation afterwards: then an even kernel becomes "
            "more lopsided than it need be.",
            _same_as(lambda k, d: (d * ((k - 1) // 2), d * (k // 2))),
        ),
    ),
    forbidden=("course_lib.geometry.same_padding",),
    hints=(
        "At stride 1 a kernel that spans S pixels shortens the axis by S − 1. That much has to be "
        "put back, on both sides together.",
        "S = dilation·(kernel − 1) + 1. Halve S − 1; where it is odd, `after` gets the larger "
        "half.",
        "missing = dilation * (kernel - 1); before = missing // 2; after = missing - before",
    ),
)


# ── visit_counts ────────────────────────────────────────────────────────────────────────────────


def _visits(
    height: int,
    width: int,
    kernel: Any,
    stride: Any = 1,
    padding: Any = 0,
    *,
    size: Callable[[int, int], int] = lambda rest, stride: rest // stride + 1,
    crop: bool = True,
) -> Array:
    """Every window adds 1 to its pixels on the padded image, whose padding then comes off."""
    (k_h, k_w), (s_h, s_w), (p_h, p_w) = hw(kernel), hw(stride), hw(padding)
    counts = np.zeros((height + 2 * p_h, width + 2 * p_w), dtype=int)
    for r in range(size(counts.shape[0] - k_h, s_h)):
        for c in range(size(counts.shape[1] - k_w, s_w)):
            counts[r * s_h : r * s_h + k_h, c * s_w : c * s_w + k_w] += 1
    return counts[p_h : p_h + height, p_w : p_w + width] if crop else counts


def _visits_pixel_by_pixel(
    height: int, width: int, kernel: Any, stride: Any = 1, padding: Any = 0
) -> Array:
    (k_h, k_w), (s_h, s_w), (p_h, p_w) = hw(kernel), hw(stride), hw(padding)

    def along(position: int, n: int, k: int, s: int, p: int) -> int:
        starts = range(-p, n + p - k + 1, s)
        return sum(start <= position < start + k for start in starts)

    return np.array(
        [
            [along(r, height, k_h, s_h, p_h) * along(c, width, k_w, s_w, p_w) for c in range(width)]
            for r in range(height)
        ]
    )


def _visits_by_gradient(
    height: int, width: int, kernel: Any, stride: Any = 1, padding: Any = 0
) -> Array:
    """How much the sum of all outputs moves with each pixel, under a kernel of ones."""
    ones = np.ones(hw(kernel))
    image = np.zeros((height, width))
    grad_out = np.ones_like(_correlate(image, ones, stride, padding))
    return _image_gradient(grad_out, image, ones, stride, padding)


def _visits_added(height: int, width: int, kernel: Any, stride: Any = 1, padding: Any = 0) -> Array:
    (k_h, k_w), (s_h, s_w), (p_h, p_w) = hw(kernel), hw(stride), hw(padding)
    rows = _visits(height, 1, (k_h, 1), (s_h, 1), (p_h, 0))
    columns = _visits(1, width, (1, k_w), (1, s_w), (0, p_w))
    return rows + columns


def _visits_as(**change: Callable[[Any], Any]) -> Callable[..., Array]:
    def counts(height: int, width: int, kernel: Any, **sizes: Any) -> Array:
        given = {"kernel": kernel, "stride": 1, "padding": 0, **sizes}
        changed = {name: change.get(name, lambda v: v)(value) for name, value in given.items()}
        return _visits(height, width, **changed)

    return counts


def _visits_of_one_number(
    height: int, width: int, kernel: Any, stride: Any = 1, padding: Any = 0
) -> Array:
    for value in (kernel, stride, padding):
        if not isinstance(value, int | np.integer):
            raise TypeError("can only be one number")
    return _visits(height, width, kernel, stride, padding)


def _visits_between_p_and_minus_p(
    height: int, width: int, kernel: Any, stride: Any = 1, padding: Any = 0
) -> Array:
    p_h, p_w = hw(padding)
    return _visits(height, width, kernel, stride, padding, crop=False)[p_h:-p_h, p_w:-p_w]


def _visits_from_every_pixel(
    height: int, width: int, kernel: Any, stride: Any = 1, padding: Any = 0
) -> Array:
    """Windows up to the last pixel, where a slice is cut off without a word."""
    (k_h, k_w), (s_h, s_w), (p_h, p_w) = hw(kernel), hw(stride), hw(padding)
    counts = np.zeros((height + 2 * p_h, width + 2 * p_w), dtype=int)
    for top in range(0, counts.shape[0], s_h):
        for left in range(0, counts.shape[1], s_w):
            counts[top : top + k_h, left : left + k_w] += 1
    return counts[p_h : p_h + height, p_w : p_w + width]


def _visits_over_the_unpadded(
    height: int, width: int, kernel: Any, stride: Any = 1, padding: Any = 0
) -> Array:
    """The padding is in the map and comes off again, but no window reaches its far end."""
    (k_h, k_w), (s_h, s_w), (p_h, p_w) = hw(kernel), hw(stride), hw(padding)
    counts = np.zeros((height + 2 * p_h, width + 2 * p_w), dtype=int)
    for top in range(0, height - k_h + 1, s_h):
        for left in range(0, width - k_w + 1, s_w):
            counts[top : top + k_h, left : left + k_w] += 1
    return counts[p_h : p_h + height, p_w : p_w + width]


def _visits_from_minus_padding(
    height: int, width: int, kernel: Any, stride: Any = 1, padding: Any = 0
) -> Array:
    """Windows placed on the bare map: a slice that starts below 0 counts from the end."""
    (k_h, k_w), (s_h, s_w), (p_h, p_w) = hw(kernel), hw(stride), hw(padding)
    counts = np.zeros((height, width), dtype=int)
    for top in range(-p_h, height + p_h - k_h + 1, s_h):
        for left in range(-p_w, width + p_w - k_w + 1, s_w):
            counts[top : top + k_h, left : left + k_w] += 1
    return counts


def _visit_cases(rng: np.random.Generator) -> Iterator[Case]:
    def size(least: int) -> int:
        return least + int(rng.integers(0, 3))

    yield Case("stride 1", (2, 2, 2))
    yield Case("stride 1", (3, 3, 2))
    yield Case("stride 1", (size(5), size(5), 4))
    yield Case("rectangles", (2, 4, 2))
    yield Case("rectangles", (4, 3, (3, 1)))
    yield Case("rectangles", (size(4), size(7), [2, 3]))
    yield Case("stride", (4, 4, 2), {"stride": 3}, note="some pixels are never seen")
    yield Case("stride", (6, 6, 3), {"stride": 2}, note="a rest is left")
    yield Case("stride", (5, size(7), (2, 3)), {"stride": (1, 2)})
    yield Case("padding", (3, 3, 3), {"padding": 1})
    yield Case("padding", (3, 5, (2, 3)), {"padding": (2, 1)})
    yield Case("padding", (size(4), 6, 3), {"padding": np.int64(1), "stride": 2})


VISIT_COUNTS = FunctionExercise(
    name="visit_counts",
    chapter="02",
    signature="visit_counts(height, width, kernel, stride=1, padding=0) -> (height, width) array",
    aspects=(
        Aspect("stride 1", 1),
        Aspect("rectangles", 1),
        Aspect("stride", 1),
        Aspect("padding", 1),
    ),
    worked=(
        Case("stride 1", (5, 5, 3)),
        Case("rectangles", (3, 4, 2)),
        Case("padding", (5, 5, 3), {"padding": 1}),
    ),
    cases=_visit_cases,
    reference=geometry.visit_counts,
    alternatives={
        "stamping": lambda h, w, kernel, **sizes: _visits(h, w, kernel, **sizes),
        "pixel by pixel": _visits_pixel_by_pixel,
        "a gradient": _visits_by_gradient,
    },
    misconceptions=(
        Misconception(
            "seen_or_not",
            "You write 1 where a window passes: every further window adds one more.",
            lambda h, w, kernel, **sizes: np.minimum(_visits(h, w, kernel, **sizes), 1),
        ),
        Misconception(
            "kernel_area_everywhere",
            "Every pixel gets the number of the kernel's cells: near the border fewer windows "
            "reach it.",
            lambda h, w, kernel, **sizes: np.full((h, w), int(np.prod(hw(kernel)))),
        ),
        Misconception(
            "last_window_missing",
            "The last window of each axis is missing: a kernel as long as the axis has one.",
            lambda h, w, kernel, **sizes: _visits(
                h, w, kernel, **sizes, size=lambda rest, stride: rest // stride
            ),
        ),
        Misconception(
            "windows_hang_over",
            "You also count windows that hang over the far edge: the floor drops them.",
            lambda h, w, kernel, **sizes: _visits(
                h, w, kernel, **sizes, size=lambda rest, stride: -(-rest // stride) + 1
            ),
        ),
        Misconception(
            "a_window_from_every_pixel",
            "You let windows start anywhere, also where they hang over the far edge: which of them "
            "fit?",
            _visits_from_every_pixel,
        ),
        Misconception(
            "range_of_the_unpadded",
            "Your windows walk over the padded map only as far as the unpadded image reaches: how "
            "many fit into the padded one?",
            _visits_over_the_unpadded,
        ),
        Misconception(
            "starts_below_zero",
            "Your windows start at −padding, and a slice that starts below 0 counts from the end: "
            "count on the padded image, or cut each window off at 0.",
            _visits_from_minus_padding,
        ),
        Misconception(
            "added",
            "A window is one choice of rows together with one of columns: the two counts multiply.",
            _visits_added,
        ),
        Misconception(
            "turned",
            "Your map lies on its side: its shape is (height, width).",
            lambda h, w, kernel, **sizes: _visits(h, w, kernel, **sizes).T,
        ),
        Misconception(
            "height_and_width_swapped",
            "A pair is (height, width): its first number belongs to the rows.",
            _visits_as(kernel=wh, stride=wh, padding=wh),
        ),
        Misconception(
            "kernel_swapped",
            "The kernel's pair is (height, width): its first number belongs to the rows.",
            _visits_as(kernel=wh),
        ),
        Misconception(
            "stride_swapped",
            "The stride's pair is (height, width): its first number belongs to the rows.",
            _visits_as(stride=wh),
        ),
        Misconception(
            "padding_swapped",
            "The padding's pair is (height, width): its first number belongs to the rows.",
            _visits_as(padding=wh),
        ),
        Misconception(
            "stride_ignored",
            "Your answer does not change with the stride.",
            _visits_as(stride=lambda v: 1),
        ),
        Misconception(
            "padding_ignored",
            "Your answer does not change with the padding.",
            _visits_as(padding=lambda v: 0),
        ),
        Misconception(
            "padding_kept",
            "You return the counts of the padded image: cut the padding off again.",
            lambda h, w, kernel, **sizes: _visits(h, w, kernel, **sizes, crop=False),
        ),
        Misconception(
            "minus_zero",
            "A slice [p:-p] is empty where p is 0: write its end as p + length.",
            _visits_between_p_and_minus_p,
        ),
        Misconception(
            "one_number_only",
            "Your function takes single numbers; kernel, stride and padding may also be pairs.",
            _visits_of_one_number,
        ),
    ),
    forbidden=(
        "course_lib.geometry.visit_counts",
        "course_lib.ops.conv2d_single_backward",
        "torch:aten.convolution_backward",
    ),
    hints=(
        "Start from an array of zeros as large as the padded image. Visit the windows one by one: "
        "what does each do to the pixels it covers?",
        "counts[top : top + k_h, left : left + k_w] += 1, with top = r·s_h and left = c·s_w.",
        "At the end cut the padding off: counts[p_h : p_h + height, p_w : p_w + width].",
    ),
)


# ── conv2d_single_backward ──────────────────────────────────────────────────────────────────────


def _kernel_gradient(grad_out: Array, image: Array, kernel: Array, stride: Any, pad: Any) -> Array:
    windows = _windows(_padded(image, pad), kernel, stride, 1)  # (H_out, W_out, K_h, K_w)
    return np.asarray(np.einsum("rc,rcij->ij", grad_out, windows))


def _stamped(
    grad_out: Array,
    image: Array,
    kernel: Array,
    stride: Any,
    padding: Any,
    *,
    add: bool = True,
    start: Callable[[int, int], int] = lambda index, stride: index * stride,
    dtype: Any = float,
) -> Array:
    """The gradient of the padded image: every output stamps the kernel where its window stood."""
    (s_h, s_w), (k_h, k_w) = hw(stride), kernel.shape
    grad = np.zeros(_padded(image, padding).shape, dtype)
    for r in range(grad_out.shape[0]):
        for c in range(grad_out.shape[1]):
            y, x = start(r, s_h), start(c, s_w)
            stamp = (grad_out[r, c] * kernel).astype(dtype)
            old = grad[y : y + k_h, x : x + k_w] if add else 0
            grad[y : y + k_h, x : x + k_w] = old + stamp
    return grad


def _cropped(grad_padded: Array, padding: Any) -> Array:
    p_h, p_w = hw(padding)
    height, width = grad_padded.shape
    return grad_padded[p_h : height - p_h, p_w : width - p_w]


def _image_gradient(
    grad_out: Array, image: Array, kernel: Array, stride: Any, padding: Any, **part: Any
) -> Array:
    return _cropped(_stamped(grad_out, image, kernel, stride, padding, **part), padding)


def _backward(
    grad_out: Array, image: Array, kernel: Array, stride: Any = 1, padding: Any = 0
) -> tuple[Array, Array]:
    return (
        _image_gradient(grad_out, image, kernel, stride, padding),
        _kernel_gradient(grad_out, image, kernel, stride, padding),
    )


def _backward_by_full_convolution(
    grad_out: Array, image: Array, kernel: Array, stride: Any = 1, padding: Any = 0
) -> tuple[Array, Array]:
    """As the chapter says it: spread grad_out out, pad it fully, slide the flipped kernel."""
    (s_h, s_w), (p_h, p_w), (k_h, k_w) = hw(stride), hw(padding), kernel.shape
    height, width = image.shape[0] + 2 * p_h, image.shape[1] + 2 * p_w
    spread = np.zeros((height - k_h + 1, width - k_w + 1))
    spread[::s_h, ::s_w][: grad_out.shape[0], : grad_out.shape[1]] = grad_out
    grad_padded = _correlate(spread, kernel[::-1, ::-1], padding=(k_h - 1, k_w - 1))
    grad_kernel = _correlate(_padded(image, padding), spread)
    return _cropped(grad_padded, padding), grad_kernel


def _backward_by_matrix(
    grad_out: Array, image: Array, kernel: Array, stride: Any = 1, padding: Any = 0
) -> tuple[Array, Array]:
    """One pixel at a time: what does the forward pass make of it?"""
    grad_image = np.zeros(image.shape)
    for place in np.ndindex(*image.shape):
        only = np.zeros(image.shape)
        only[place] = 1
        grad_image[place] = np.sum(grad_out * _correlate(only, kernel, stride, padding))
    grad_kernel = np.zeros(kernel.shape)
    for place in np.ndindex(*kernel.shape):
        tap = np.zeros(kernel.shape)
        tap[place] = 1
        grad_kernel[place] = np.sum(grad_out * _correlate(image, tap, stride, padding))
    return grad_image, grad_kernel


def _backward_as(
    image_part: Callable[..., Array] = _image_gradient,
    kernel_part: Callable[..., Array] = _kernel_gradient,
) -> Callable[..., tuple[Array, Array]]:
    """A backward pass, one of whose gradients may be wrong."""

    def backward(
        grad_out: Array, image: Array, kernel: Array, stride: Any = 1, padding: Any = 0
    ) -> tuple[Array, Array]:
        given = (grad_out, image, kernel, stride, padding)
        return image_part(*given), kernel_part(*given)

    return backward


def _unflipped_convolution(
    grad_out: Array, image: Array, kernel: Array, stride: Any, padding: Any
) -> Array:
    return _image_gradient(grad_out, image, kernel[::-1, ::-1], stride, padding)


def _kernel_gradient_unpadded(
    grad_out: Array, image: Array, kernel: Array, stride: Any, padding: Any
) -> Array:
    """The windows laid on the bare image, as far as they find pixels there."""
    (s_h, s_w), (k_h, k_w) = hw(stride), kernel.shape
    grad = np.zeros(kernel.shape)
    for r in range(grad_out.shape[0]):
        for c in range(grad_out.shape[1]):
            window = image[r * s_h : r * s_h + k_h, c * s_w : c * s_w + k_w]
            grad[: window.shape[0], : window.shape[1]] += grad_out[r, c] * window
    return grad


def _last_window_only(
    grad_out: Array, image: Array, kernel: Array, stride: Any, padding: Any
) -> Array:
    windows = _windows(_padded(image, padding), kernel, stride, 1)
    return np.asarray(grad_out[-1, -1] * windows[-1, -1])


def _backward_without_stride(
    grad_out: Array, image: Array, kernel: Array, stride: Any = 1, padding: Any = 0
) -> tuple[Array, Array]:
    still = _image_gradient(
        grad_out, image, kernel, stride, padding, start=lambda index, stride: index
    )
    windows = _windows(_padded(image, padding), kernel, 1, 1)
    windows = windows[: grad_out.shape[0], : grad_out.shape[1]]
    return still, np.asarray(np.einsum("rc,rcij->ij", grad_out, windows))


def _backward_not_spread(
    grad_out: Array, image: Array, kernel: Array, stride: Any = 1, padding: Any = 0
) -> tuple[Array, Array]:
    """The two formulas of stride 1, whatever the stride."""
    full = (kernel.shape[0] - 1, kernel.shape[1] - 1)
    grad_padded = _correlate(grad_out, kernel[::-1, ::-1], padding=full)
    return _cropped(grad_padded, padding), _correlate(_padded(image, padding), grad_out)


def _between_p_and_minus_p(
    grad_out: Array, image: Array, kernel: Array, stride: Any, padding: Any
) -> Array:
    p_h, p_w = hw(padding)
    return _stamped(grad_out, image, kernel, stride, padding)[p_h:-p_h, p_w:-p_w]


def _dropped_pixels_left_out(
    grad_out: Array, image: Array, kernel: Array, stride: Any, padding: Any
) -> Array:
    """The gradient of what the windows cover: too small where the floor dropped pixels."""
    (s_h, s_w), (k_h, k_w) = hw(stride), kernel.shape
    used = ((grad_out.shape[0] - 1) * s_h + k_h, (grad_out.shape[1] - 1) * s_w + k_w)
    return _cropped(_stamped(grad_out, np.zeros(used), kernel, stride, 0), padding)


def _slid_rest_kept(grad_out: Array, image: Array, kernel: Array, stride: Any, pad: Any) -> Array:
    """Every place that the spread grad_out finds on the padded image: more where a rest is left."""
    s_h, s_w = hw(stride)
    spread = np.zeros(((grad_out.shape[0] - 1) * s_h + 1, (grad_out.shape[1] - 1) * s_w + 1))
    spread[::s_h, ::s_w] = grad_out
    return _correlate(_padded(image, pad), spread)


def _backward_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(aspect: str, image: Array, kernel: Array, note: str = "", **sizes: Any) -> Case:
        shape = _correlate(image, kernel, **sizes).shape
        small = image.dtype == kernel.dtype == int
        upstream = _pencil(rng, *shape) if small else reals(rng, *shape)
        return Case(aspect, (upstream, image, kernel), sizes, note=note)

    of_kernel, of_image = "gradient of the kernel", "gradient of the image"
    # Zeros on one side silence its partner: each gradient can earn its points alone.
    silent_kernel = "a kernel of zeros: the image's gradient is zero"
    silent_image = "an image of zeros: the kernel's gradient is zero"
    yield case(of_kernel, _pencil(rng, 2, 3), np.zeros((2, 2), int), silent_kernel)
    yield case(of_kernel, _pencil(rng, 4, 4), np.zeros((3, 2), int), silent_kernel)
    yield case(of_kernel, reals(rng, 3, 5), np.zeros((1, 3)), silent_kernel)
    yield case(of_kernel, reals(rng, 3, 4), np.zeros((2, 2), int), silent_kernel)
    mixed = (_pencil(rng, 2, 2), reals(rng, 3, 3), np.zeros((2, 2)))
    yield Case(of_kernel, mixed, note="integers arrive, the image has fractions")
    yield case(of_image, np.zeros((2, 3), int), _pencil(rng, 2, 2), silent_image)
    yield case(of_image, np.zeros((4, 4), int), _pencil(rng, 3, 2), silent_image)
    yield case(of_image, np.zeros((3, 5), int), reals(rng, 1, 3), silent_image)
    mixed = (_pencil(rng, 2, 2), np.zeros((3, 3)), reals(rng, 2, 2))
    yield Case(of_image, mixed, note="integers arrive, the kernel has fractions")
    yield case("stride", _pencil(rng, 4, 4), _pencil(rng, 2, 2), stride=2)
    yield case("stride", _pencil(rng, 4, 4), _pencil(rng, 1, 1), stride=3)
    yield case("stride", _pencil(rng, 5, 5), _pencil(rng, 2, 2), "a rest is left", stride=2)
    yield case("stride", reals(rng, 6, 5), reals(rng, 3, 2), "a rest is left", stride=2)
    yield case("padding", _pencil(rng, 2, 2), _pencil(rng, 2, 2), padding=1)
    yield case("padding", reals(rng, 3, 4), reals(rng, 3, 3), padding=np.int64(2))
    yield case("padding", _pencil(rng, 4, 4), _pencil(rng, 3, 3), padding=1, stride=2)
    apart = "height and width apart"
    yield case(apart, _pencil(rng, 4, 4), _pencil(rng, 2, 2), stride=(1, 2))
    yield case(apart, _pencil(rng, 3, 3), _pencil(rng, 3, 3), padding=[2, 0])
    yield case(apart, reals(rng, 5, 6), reals(rng, 2, 3), stride=(2, 3), padding=(0, 1))


_SMALL_IMAGE = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
_UPSTREAM = np.array([[1, 0], [0, 2]])

CONV2D_SINGLE_BACKWARD = FunctionExercise(
    name="conv2d_single_backward",
    chapter="02",
    signature=(
        "conv2d_single_backward(grad_out, image, kernel, stride=1, padding=0)"
        " -> (grad_image, grad_kernel)"
    ),
    aspects=(
        Aspect("gradient of the kernel", 2),
        Aspect("gradient of the image", 2),
        Aspect("stride", 1),
        Aspect("padding", 1),
        Aspect("height and width apart", 1),
    ),
    worked=(
        Case("gradient of the kernel", (_UPSTREAM, _SMALL_IMAGE, np.zeros((2, 2), int))),
        Case("gradient of the image", (_UPSTREAM, np.zeros((3, 3), int), ONE_TO_FOUR)),
    ),
    cases=_backward_cases,
    reference=ops.conv2d_single_backward,
    alternatives={
        "stamping": _backward,
        "full convolution": _backward_by_full_convolution,
        "one pixel at a time": _backward_by_matrix,
    },
    misconceptions=(
        Misconception(
            "kernel_not_flipped",
            "Your image gradient has the kernel the wrong way round. Stamping takes the kernel as "
            "it is, sliding takes it flipped: what reached an output through tap (i, j) must go "
            "back through tap (i, j).",
            _backward_as(image_part=_unflipped_convolution),
        ),
        Misconception(
            "kernel_gradient_flipped",
            "Your kernel gradient comes out flipped: tap (0, 0) meets the first pixel of each "
            "window.",
            _backward_as(kernel_part=lambda *given: _kernel_gradient(*given)[::-1, ::-1]),
        ),
        Misconception(
            "overwritten",
            "A pixel that takes part in several windows gets a gradient from each of them: add "
            "(`+=`), do not overwrite.",
            _backward_as(image_part=lambda *given: _image_gradient(*given, add=False)),
        ),
        Misconception(
            "kernel_gradient_overwritten",
            "The kernel is used in every window, so its gradient adds up over all of them; yours "
            "keeps the last.",
            _backward_as(kernel_part=_last_window_only),
        ),
        Misconception(
            "kernel_gradient_averaged",
            "Your kernel gradient is the mean over the windows: it is their sum.",
            _backward_as(
                kernel_part=lambda grad_out, *given: (
                    _kernel_gradient(grad_out, *given) / grad_out.size
                )
            ),
        ),
        Misconception(
            "upstream_ignored",
            "Your gradients do not depend on grad_out: by how much does the loss move with each "
            "output?",
            lambda grad_out, *given, **sizes: _backward(np.ones(grad_out.shape), *given, **sizes),
        ),
        Misconception(
            "order_swapped",
            "The image's gradient comes first, then the kernel's.",
            lambda *given, **sizes: _backward(*given, **sizes)[::-1],
        ),
        Misconception(
            "stride_missing",
            "The forward pass jumped by the stride: so must the windows of the backward pass.",
            _backward_without_stride,
        ),
        Misconception(
            "not_spread",
            "These are the formulas of stride 1: at a larger stride the outputs stood further "
            "apart, so spread grad_out before you slide.",
            _backward_not_spread,
        ),
        Misconception(
            "dropped_pixels_left_out",
            "The image's gradient has the image's shape: pixels that the floor dropped are in it, "
            "with zero.",
            _backward_as(image_part=_dropped_pixels_left_out),
        ),
        Misconception(
            "kernel_gradient_unpadded",
            "Your kernel gradient reads the image without its padding: the forward pass's windows "
            "stood on the padded one.",
            _backward_as(kernel_part=_kernel_gradient_unpadded),
        ),
        Misconception(
            "rest_kept",
            "Your kernel gradient grows where the floor drops pixels: grad_out then finds more "
            "places on the padded image than the kernel has weights, and only the first belong to "
            "weights.",
            _backward_as(kernel_part=_slid_rest_kept),
        ),
        Misconception(
            "rest_forgotten",
            "Where the floor drops pixels both of your gradients have the wrong shape: of the "
            "kernel's keep the first K_h × K_w numbers, to the image's add the dropped pixels, "
            "with zero.",
            _backward_as(image_part=_dropped_pixels_left_out, kernel_part=_slid_rest_kept),
        ),
        Misconception(
            "padding_kept",
            "You return the gradient of the padded image: cut the padding off again.",
            _backward_as(image_part=_stamped),
        ),
        Misconception(
            "minus_zero",
            "A slice [p:-p] is empty where p is 0: write its end as p + length.",
            _backward_as(image_part=_between_p_and_minus_p),
        ),
        Misconception(
            "integers_only",
            "Your image gradient has the image's integer type, which cuts off decimals.",
            _backward_as(
                image_part=lambda grad_out, image, *given: _image_gradient(
                    grad_out, image, *given, dtype=image.dtype
                )
            ),
        ),
        Misconception(
            "transposed",
            "Your kernel gradient lies on its side: rows and columns have changed places.",
            _backward_as(kernel_part=lambda *given: _kernel_gradient(*given).T),
        ),
    ),
    forbidden=(
        "course_lib.ops.conv2d_single_backward",
        "course_lib.ops.conv_matrix",
        "torch:aten.convolution_backward",
    ),
    hints=(
        "Walk through the windows as in the forward pass. Output (r, c) was the sum of patch · "
        "kernel, and g = grad_out[r, c] says how much the loss moves with it. What does g give to "
        "the kernel, what to the patch?",
        "The kernel gets g · patch, the patch gets g · kernel. Both add up over the windows, the "
        "second at the place in the padded image where the patch was. If you would rather slide: "
        "spread grad_out out by the stride; slid over the padded image it makes the kernel's "
        "gradient, of which the first K_h × K_w numbers count; padded by K − 1, under the flipped "
        "kernel, it makes the image's.",
        "grad_kernel += g * padded[window] and grad_padded[window] += g * kernel; at the end cut "
        "the padding off grad_padded. Start both from floats.",
    ),
)


# ── edge_kernel ─────────────────────────────────────────────────────────────────────────────────

_BRIGHTNESS = ((0.0, 1.0), (0.25, 0.75), (10.0, 200.0))  # dark and bright


def _edge_responses(kernel: Array, image: Array) -> Array:
    return _correlate(image, kernel)


def _step(dark: float, bright: float, at: int) -> Array:
    """A 3×3 image whose first `at` columns are dark."""
    return np.where(np.arange(3) < at, dark, bright) * np.ones((3, 1))


def _unusable_kernel(answer: Any) -> str | None:
    if not isinstance(answer, np.ndarray):
        return "a 3×3 array is expected: use np.array([[…], […], […]])"
    if answer.shape != (3, 3):
        return f"an array of shape (3, 3) is expected, yours has {answer.shape}"
    if not np.isfinite(answer.astype(float)).all():
        return "the kernel holds numbers that are not finite"
    return None


def _edge_condition(
    images: Callable[[float, float], list[Array]], wanted: str
) -> Callable[[Any, Case], str | None]:
    """A condition on the response to each of some 3×3 images: positive, negative or zero."""

    def condition(answer: Any, case: Case) -> str | None:
        unusable = _unusable_kernel(answer)
        if unusable is not None:
            return unusable
        kernel = answer.astype(float)
        for dark, bright in _BRIGHTNESS:
            for image in images(dark, bright):
                response = float(np.sum(kernel * image))
                # Rounding errors are no response.
                if abs(response) < 1e-9 * bright * np.abs(kernel).max(initial=1e-300):
                    response = 0.0
                if {"positive": response > 0, "negative": response < 0, "zero": response == 0}[
                    wanted
                ]:
                    continue
                rows = "; ".join(" ".join(f"{value:g}" for value in row) for row in image)
                return f"on the window [{rows}] the response is {response:g}, not {wanted}"
        return None

    return condition


def _flat_and_horizontal(dark: float, bright: float) -> list[Array]:
    flat = [np.full((3, 3), dark), np.full((3, 3), bright)]
    return flat + [_step(a, b, at).T for a, b in ((dark, bright), (bright, dark)) for at in (1, 2)]


def _edge_mistake(answer: Any) -> str | None:
    """Which of the mistakes below a kernel shows; each kernel shows one at most."""
    if not isinstance(answer, np.ndarray) or answer.ndim != 2:
        return None
    kernel = answer.astype(float)
    if kernel.shape != (3, 3):
        return "another_shape" if kernel.size else None
    if not np.isfinite(kernel).all():
        return None
    columns, rows = kernel.sum(axis=0), kernel.sum(axis=1)
    zero = 1e-9 * np.abs(kernel).max()
    if zero == 0:
        return "nothing"
    if abs(kernel.sum()) > zero:
        return "answers_to_brightness"
    level = np.abs(rows).max() <= zero  # horizontal edges leave it cold
    upright = np.abs(columns).max() <= zero  # vertical edges do
    left, right = columns[0], columns[2]
    if upright:
        return "lies_on_its_side" if not level else "blind"
    if left > zero and right < -zero:
        return "mirrored"
    if left < -zero and right > zero:
        return "slanted" if not level else None
    if abs(left) <= zero or abs(right) <= zero:
        return "one_step_only"
    return "line"


def _shows(mistake: str) -> Callable[[Any], bool]:
    return lambda values: _edge_mistake(values[0]) == mistake


def _edge_misconception(mistake: str, message: str, rows: list[list[float]]) -> Misconception:
    return Misconception(mistake, message, lambda: np.array(rows), recognise=_shows(mistake))


EDGE_KERNEL = PropertyExercise(
    name="edge_kernel",
    chapter="02",
    signature="edge_kernel() -> (3, 3) array",
    aspects=(
        Aspect("bright right of dark", 1),
        Aspect("the mirrored edge", 1, needs=("bright right of dark",)),
        Aspect("flat and horizontal", 1, needs=("bright right of dark",)),
    ),
    worked=(
        Case("bright right of dark", note="the edge may fall at either place in the window"),
        Case("the mirrored edge"),
        Case("flat and horizontal"),
    ),
    conditions={
        "bright right of dark": _edge_condition(
            lambda dark, bright: [_step(dark, bright, at) for at in (1, 2)], "positive"
        ),
        "the mirrored edge": _edge_condition(
            lambda dark, bright: [_step(bright, dark, at) for at in (1, 2)], "negative"
        ),
        "flat and horizontal": _edge_condition(_flat_and_horizontal, "zero"),
    },
    example=lambda: np.array([[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]]),
    alternatives={
        "Sobel": lambda: np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
        "Scharr": lambda: np.array([[-3, 0, 3], [-10, 0, 10], [-3, 0, 3]]) / 32,
        "uneven": lambda: np.array([[-2.0, 1.5, 0.5], [0.0, 0.0, 0.0], [-1.0, -3.0, 4.0]]),
    },
    misconceptions=(
        _edge_misconception(
            "mirrored",
            "Your kernel answers to the mirrored edge: on which side do the positive weights "
            "have to stand, if the brighter side is to win?",
            [[1, 0, -1], [1, 0, -1], [1, 0, -1]],
        ),
        _edge_misconception(
            "lies_on_its_side",
            "Your kernel finds horizontal edges and leaves vertical ones cold.",
            [[-1, -1, -1], [0, 0, 0], [1, 1, 1]],
        ),
        _edge_misconception(
            "answers_to_brightness",
            "On a flat wall the response is its brightness times the sum of all nine weights: what "
            "must that sum be?",
            [[-1, 0, 2], [-1, 0, 2], [-1, 0, 2]],
        ),
        _edge_misconception(
            "one_step_only",
            "An edge can fall at two places in the window, and your kernel is blind at one of "
            "them: look at its left and at its right column.",
            [[-1, 1, 0], [-1, 1, 0], [-1, 1, 0]],
        ),
        _edge_misconception(
            "slanted",
            "Your kernel also answers to horizontal edges: look at the sum of each row.",
            [[-1, -1, 0], [-1, 0, 1], [0, 1, 1]],
        ),
        _edge_misconception(
            "line",
            "Your kernel answers to a thin line: an edge lets one side win over the other.",
            [[-1, 2, -1], [-1, 2, -1], [-1, 2, -1]],
        ),
        _edge_misconception(
            "blind",
            "Your kernel leaves every straight edge cold: add up each of its columns.",
            [[-1, 0, 1], [0, 0, 0], [1, 0, -1]],
        ),
        _edge_misconception(
            "nothing",
            "A kernel of zeros answers to nothing.",
            [[0, 0, 0], [0, 0, 0], [0, 0, 0]],
        ),
        _edge_misconception(
            "another_shape",
            "Three rows of three numbers are asked.",
            [[-1, 0, 1]],
        ),
    ),
    hints=(
        "The response is bright weights minus dark weights, so to say. Put positive weights where "
        "you want it bright, negative ones where you want it dark.",
        "Flat: all nine weights add up to 0. Horizontal edges: so must each row.",
        "Every row the same, with a negative weight on the left, nothing in the middle and its "
        "opposite on the right.",
    ),
)


# ── conv2d_vectorised ───────────────────────────────────────────────────────────────────────────

# Many rows and columns, few taps: a loop over the kernel's cells takes some 400 instructions at
# most, one over the image's rows or columns 650 at least, one over its pixels tens of thousands.
_STEPS = 600


def _vectorised_by_fft(image: Array, kernel: Array) -> Array:
    spectrum = np.fft.rfft2(image) * np.conj(np.fft.rfft2(kernel, s=image.shape))
    circular = np.fft.irfft2(spectrum, s=image.shape)
    return circular[: image.shape[0] - kernel.shape[0] + 1, : image.shape[1] - kernel.shape[1] + 1]


def _vectorised_fft_unturned(image: Array, kernel: Array) -> Array:
    spectrum = np.fft.rfft2(image) * np.fft.rfft2(kernel, s=image.shape)
    return np.fft.irfft2(spectrum, s=image.shape)[kernel.shape[0] - 1 :, kernel.shape[1] - 1 :]


def _vectorised_by_index(image: Array, kernel: Array) -> Array:
    (height, width), (k_h, k_w) = image.shape, kernel.shape
    rows = np.arange(height - k_h + 1)[:, None, None, None] + np.arange(k_h)[:, None]
    columns = np.arange(width - k_w + 1)[:, None, None] + np.arange(k_w)
    return np.asarray((image[rows, columns] * kernel).sum(axis=(2, 3)))


def _vectorised_as(
    combine: Callable[[Array, Array], Array],
) -> Callable[[Array, Array], Array]:
    return lambda image, kernel: np.asarray(combine(_windows(image, kernel, 1, 1), kernel))


def _by_rolling(image: Array, kernel: Array) -> Array:
    out = np.zeros(image.shape)
    for i in range(kernel.shape[0]):
        for j in range(kernel.shape[1]):
            out += kernel[i, j] * np.roll(image, (-i, -j), axis=(0, 1))
    return out


def _shifted_too_short(image: Array, kernel: Array) -> Array:
    k_h, k_w = kernel.shape
    height, width = image.shape[0] - k_h, image.shape[1] - k_w
    out = np.zeros((height, width))
    for i in range(k_h):
        for j in range(k_w):
            out += kernel[i, j] * image[i : i + height, j : j + width]
    return out


def _shifted_in_place(image: Array, kernel: Array) -> Array:
    """NumPy refuses to add fractions to an array of integers in place."""
    k_h, k_w = kernel.shape
    height, width = image.shape[0] - k_h + 1, image.shape[1] - k_w + 1
    out = np.zeros((height, width), dtype=image.dtype)
    for i in range(k_h):
        for j in range(k_w):
            out += kernel[i, j] * image[i : i + height, j : j + width]
    return out


def _vectorised_cases(rng: np.random.Generator) -> Iterator[Case]:
    same = "the same numbers"
    yield Case(same, (wholes(rng, 3, 3), reals(rng, 2, 2)), note="integers under fractions")
    yield Case(same, (reals(rng, 3, 3), _pencil(rng, 2, 2)), note="fractions under integers")
    yield Case(same, (_pencil(rng, 3, 4), _pencil(rng, 2, 2)))
    yield Case(same, (reals(rng, 5, 4), reals(rng, 2, 3)))
    # A number of 4 bytes: who counts on 8 for a step through memory (`as_strided`) goes astray.
    single = reals(rng, 5, 6).astype(np.float32)
    yield Case(same, (single, reals(rng, 3, 2)), note="an image of float32")
    yield Case(same, (reals(rng, 4, 6), reals(rng, 3, 1)))
    large = (reals(rng, 60, 64), reals(rng, 2, 3))
    yield Case("no loop over pixels", large, max_steps=_STEPS)


CONV2D_VECTORISED = FunctionExercise(
    name="conv2d_vectorised",
    chapter="02",
    signature="conv2d_vectorised(image, kernel) -> array",
    aspects=(
        Aspect("the same numbers", 1),
        Aspect("no loop over pixels", 2, needs=("the same numbers",)),
    ),
    worked=(Case("the same numbers", (RAMP, CROSS)),),
    cases=_vectorised_cases,
    reference=ops.conv2d_single,
    alternatives={
        "sliding_window_view and einsum": lambda image, kernel: _correlate(image, kernel),
        "im2col": lambda image, kernel: _correlate_by_im2col(image, kernel),
        "shifted slices": lambda image, kernel: _correlate_by_shifting(image, kernel),
        "index arrays": _vectorised_by_index,
        "Fourier": _vectorised_by_fft,
    },
    misconceptions=(
        Misconception(
            "loops",
            "Your numbers are right, but Python still walks from window to window.",
            lambda image, kernel: _loop(image, kernel),
        ),
        Misconception(
            "kernel_flipped",
            "You flip the kernel: a convolution layer slides it as it is.",
            _vectorised_fft_unturned,
        ),
        Misconception(
            "kernel_transposed",
            "Rows and columns of the kernel have changed places in your sum.",
            _vectorised_as(lambda windows, kernel: np.einsum("rcij,ji->rc", windows, kernel)),
        ),
        Misconception(
            "summed_over_windows",
            "You add up over the windows: add up inside each of them, over the last two axes.",
            _vectorised_as(lambda windows, kernel: (windows * kernel).sum(axis=(0, 1))),
        ),
        Misconception(
            "mean",
            "You average the products: add them up.",
            _vectorised_as(lambda windows, kernel: (windows * kernel).mean(axis=(2, 3))),
        ),
        Misconception(
            "not_summed",
            "You multiply and do not add up: every window becomes one number.",
            _vectorised_as(lambda windows, kernel: windows * kernel),
        ),
        Misconception(
            "turned",
            "Your output lies on its side: its first axis counts rows.",
            _vectorised_as(lambda windows, kernel: np.einsum("rcij,ij->cr", windows, kernel)),
        ),
        Misconception(
            "flat",
            "Your numbers come in one long row: give them the output's shape back.",
            _vectorised_as(
                lambda windows, kernel: np.einsum("rcij,ij->rc", windows, kernel).ravel()
            ),
        ),
        Misconception(
            "wraps_around",
            "`np.roll` brings in the opposite border: only windows inside the image are asked.",
            _by_rolling,
        ),
        Misconception(
            "last_window_missing",
            "The last row and column of windows are missing.",
            _shifted_too_short,
        ),
        Misconception(
            "adds_fractions_to_integers",
            "Your output array has the image's integer type, and NumPy will not add fractions to "
            "it in place: make it of floats.",
            _shifted_in_place,
        ),
        Misconception(
            "integers_only",
            "Your output has the image's integer type, which cuts off the decimals.",
            lambda image, kernel: _correlate(image, kernel).astype(image.dtype),
        ),
    ),
    forbidden=_LIBRARY_CONVOLUTIONS,
    hints=(
        "Two ways lead there. One: `np.lib.stride_tricks.sliding_window_view(image, kernel.shape)` "
        "shows all windows at once; look at its shape. The other: loop over the kernel's cells "
        "instead of the image's pixels.",
        "With the view: multiply by the kernel (it broadcasts over the last two axes) and add up "
        "over those. With the cells: all outputs use kernel[i, j] at once, on the image shifted by "
        "(i, j).",
        'np.einsum("rcij,ij->rc", windows, kernel), or out += kernel[i, j] * image[i : i + H_out, '
        "j : j + W_out].",
    ),
)


# ── quiz_02 ─────────────────────────────────────────────────────────────────────────────────────


def _ask_size(rng: np.random.Generator) -> Asked:
    # Padding of two strides: whoever forgets an end, or both, misses more windows than one.
    stride = int(rng.integers(2, 4))
    padding = 2 * stride + int(rng.integers(0, 2))
    kernel = 2 * padding + int(rng.integers(-1, 3))
    rest = int(rng.integers(1, stride))
    n = int(rng.integers(8, 40)) * stride + rest + kernel - 2 * padding
    right = (n + 2 * padding - kernel) // stride + 1
    found = {
        "rounded_up": (right + 1, "The last window would hang over the edge: round down."),
        "first_window_forgotten": (
            right - 1,
            "You counted the steps; the first window needs none, so there is one more window.",
        ),
        "padding_once": ((n + padding - kernel) // stride + 1, "Padding goes on at both ends."),
        "padding_ignored": ((n - kernel) // stride + 1, "The padding makes the axis longer."),
    }
    values = [value for value, _ in found.values()]
    # What two mistakes lead to names neither.
    wrong = {name: said for name, said in found.items() if values.count(said[0]) == 1}
    return Asked(
        f"An axis of {n} pixels, kernel {kernel}, padding {padding}, stride {stride}. How long is "
        "the output?",
        right,
        f"⌊({n} + 2·{padding} − {kernel}) / {stride}⌋ + 1 = "
        f"⌊{(n + 2 * padding - kernel) / stride:.2f}⌋ + 1 = {right}",
        wrong=wrong,
    )


def _ask_dilated(rng: np.random.Generator) -> Asked:
    kernel, dilation = int(rng.choice([3, 5, 7])), int(rng.integers(2, 5))
    n = int(rng.integers(40, 100))
    span = dilation * (kernel - 1) + 1
    wrong: dict[str, tuple[int | float | str, str]] = {
        "dilation_ignored": (
            n - kernel + 1,
            "That is the size without dilation: the taps stand further apart.",
        ),
        "dilation_times_kernel": (
            n - dilation * kernel + 1,
            f"{kernel} taps have {kernel - 1} steps between them, not {kernel}.",
        ),
    }
    wrong["one_window_too_many"] = (
        n - span + 2,
        "That is one window too many: a kernel as long as the axis has one place.",
    )
    wrong["two_mistakes"] = (
        n - dilation * kernel,
        f"{kernel} taps have {kernel - 1} steps between them, not {kernel}; and a kernel as long "
        "as the axis has one place, not none.",
    )
    if dilation != 2:  # where it is the answer of the one above
        wrong["first_window_forgotten"] = (
            n - span,
            "A kernel as long as the axis has one place, not none.",
        )
    return Asked(
        f"An axis of {n} pixels, kernel {kernel} with dilation {dilation}, no padding, stride 1. "
        "How long is the output?",
        n - span + 1,
        f"The kernel spans {dilation}·({kernel} − 1) + 1 = {span} pixels: {n} − {span} + 1 = "
        f"{n - span + 1}",
        wrong=wrong,
    )


def _ask_dropped(rng: np.random.Generator) -> Asked:
    kernel, stride = int(rng.choice([3, 5, 7])), int(rng.integers(3, 6))
    rest = int(rng.integers(1, stride - 1)) if stride > 3 else 1
    n = kernel + stride * int(rng.integers(5, 20)) + rest
    windows = (n - kernel) // stride + 1
    wrong: dict[str, tuple[int | float | str, str]] = {
        "none": (0, "The floor throws something away: where does the last window end?"),
    }
    if n % stride not in (0, rest):
        wrong["kernel_forgotten"] = (
            n % stride,
            "That is what is left over when you divide the axis by the stride: the first window "
            "takes its kernel first.",
        )
    if stride - rest not in (rest, n % stride):
        wrong["missing_instead"] = (
            stride - rest,
            "So many pixels are missing for one more window; how many are left over?",
        )
    return Asked(
        f"An axis of {n} pixels, kernel {kernel}, stride {stride}, no padding. How many pixels at "
        "the end of the axis does no window touch?",
        rest,
        f"{windows} windows fit; the last ends after {(windows - 1) * stride + kernel} of the {n} "
        f"pixels: {rest} left over",
        wrong=wrong,
    )


def _ask_same(rng: np.random.Generator) -> Asked:
    kernel, dilation = int(rng.choice([4, 6, 8])), int(rng.choice([1, 3]))
    missing = dilation * (kernel - 1)
    options, letter, wrong = choices(
        rng,
        f"{missing // 2} before, {missing - missing // 2} after",
        {
            "half_on_both": (
                f"{missing - missing // 2} before, {missing - missing // 2} after",
                "Then the output is one longer than the input.",
            ),
            "everything_on_each_side": (
                f"{missing} before, {missing} after",
                "The kernel takes that much in all, not at each end.",
            ),
            "kernel_in_all": (
                f"{(missing + 1) // 2 - 1} before, {(missing + 1) // 2 - 1} after",
                "Then the output is one shorter than the input.",
            ),
        },
    )
    return Asked(
        f"A kernel of {kernel} taps with dilation {dilation}, stride 1. Which padding keeps the "
        "size? (Where it cannot be halved, the odd zero goes after.)",
        letter,
        f"{dilation}·({kernel} − 1) = {missing} in all, an odd number",
        options,
        wrong,
    )


def _ask_visits(rng: np.random.Generator) -> Asked:
    kernel = int(rng.choice([4, 5]))
    height, width = (int(n) for n in rng.integers(12, 30, 2))
    row, column = (int(n) for n in rng.choice(np.arange(1, kernel - 1), 2))
    right = (row + 1) * (column + 1)
    wrong: dict[str, tuple[int | float | str, str]] = {
        "kernel_area": (
            kernel * kernel,
            "So often are pixels seen that lie far enough inside; this one lies near a corner.",
        ),
    }
    if row * column != right:
        wrong["counted_from_one"] = (
            row * column,
            f"Rows count from 0: windows may start in row 0 to {row}.",
        )
    if row + column + 2 != right:
        wrong["added"] = (
            row + column + 2,
            "Each choice of rows goes with each choice of columns: multiply.",
        )
    return Asked(
        f"An image of {height}×{width} pixels, a {kernel}×{kernel} kernel, stride 1, no padding. "
        f"In how many windows does the pixel in row {row}, column {column} take part? (The first "
        "row and column are 0.)",
        right,
        f"A window over it starts in one of {row + 1} rows and one of {column + 1} columns: "
        f"{row + 1}·{column + 1} = {right}",
        wrong=wrong,
    )


def _ask_flip(rng: np.random.Generator) -> Asked:
    a, b, c, d = (int(n) for n in rng.choice(np.arange(1, 10), 4, replace=False))
    options, letter, wrong = choices(
        rng,
        f"[[{d}, {c}], [{b}, {a}]]",
        {
            "true_convolution": (
                f"[[{a}, {b}], [{c}, {d}]]",
                "A true convolution would give that; the layer does not flip its kernel.",
            ),
            "one_axis": (
                f"[[{b}, {a}], [{d}, {c}]]",
                "The kernel passes the pixel from right to left, and from bottom to top as well.",
            ),
            "transposed": (
                f"[[{a}, {c}], [{b}, {d}]]",
                "Nothing exchanges rows and columns here.",
            ),
        },
    )
    return Asked(
        "A 3×3 image is black but for a 1 in its centre. What does PyTorch's nn.Conv2d make of it "
        f"with the kernel [[{a}, {b}], [{c}, {d}]], without bias and padding?",
        letter,
        f"Window (0, 0) has the pixel under its last tap, {d}; window (1, 1) under its first, {a}: "
        "cross-correlation returns the kernel turned round",
        options,
        wrong,
    )


def _ask_gradient(rng: np.random.Generator) -> Asked:
    kernel = int(rng.choice([3, 5]))
    height, width = (int(n) for n in rng.choice(np.arange(10, 30), 2, replace=False))
    out = (height - kernel + 1, width - kernel + 1)
    right = out[0] * out[1]
    return Asked(
        f"A {height}×{width} image, a {kernel}×{kernel} kernel, stride 1, no padding. The gradient "
        "of one weight of the kernel is a sum: of how many products?",
        right,
        f"The weight is used once in every window, and there are {out[0]}·{out[1]} = {right}",
        wrong={
            "kernel_area": (
                kernel * kernel,
                "So many products make one output; one weight takes part in every output.",
            ),
            "every_pixel": (
                height * width,
                "The weight does not meet every pixel: count the windows.",
            ),
            "one": (1, "The weight is shared: it is used in every window."),
        },
    )


QUIZ = QuestionExercise(
    name="quiz_02",
    chapter="02",
    questions=(
        Question("size", _ask_size),
        Question("dilated", _ask_dilated),
        Question("dropped", _ask_dropped),
        Question("same", _ask_same),
        Question("visits", _ask_visits),
        Question("flip", _ask_flip),
        Question("gradient", _ask_gradient),
    ),
    hints=(
        "Draw the axis as a row of boxes and slide a bracket along it: every question but the last "
        "two can be counted that way.",
        "The functions of this chapter are allowed: compute with them.",
    ),
)

EXERCISES = (
    OUTPUT_SIZE,
    VISIT_COUNTS,
    ZERO_PAD,
    SAME_PADDING,
    CONV2D_SINGLE,
    TRUE_CONVOLUTION,
    EDGE_KERNEL,
    CONV2D_VECTORISED,
    CONV2D_SINGLE_BACKWARD,
    QUIZ,
)
