"""The exercises of chapter 04: pooling, forwards and backwards, and what it does to a shift.

The mistakes below are written out as a learner would write them, loops and all, so that they fail
where a learner's code fails: at a negative map, a second channel, a tie, an overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

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
from autograder.exercises.parts import Array, distinct, hw, python_ints_only, reals, wh
from autograder.plain import Bound
from course_lib import ops, shifts

Op = Callable[[Array], Array]

# The example that runs through the chapter: (1, 1, 4, 4).
FOUR = np.array([[[[1, 3, 2, 1], [4, 2, 6, 5], [7, 8, 1, 2], [3, 5, 9, 4]]]])

_LIBRARY_POOLS = (
    "scipy.ndimage.maximum_filter",
    "scipy.ndimage.uniform_filter",
    "scipy.ndimage.generic_filter",
    "skimage.measure.block_reduce",
    "torch:aten.max_pool2d_with_indices",
    "torch:aten.adaptive_max_pool2d",
    "torch:aten.avg_pool2d",
    "torch:aten._adaptive_avg_pool2d",
    "torch:aten.max_pool2d_with_indices_backward",
    "torch:aten.avg_pool2d_backward",
    "course_lib.ops.max_pool2d",
    "course_lib.ops.max_pool2d_backward",
    "course_lib.ops.avg_pool2d",
    "course_lib.ops.avg_pool2d_backward",
    "course_lib.ops.global_avg_pool2d",
    "course_lib.ops.global_avg_pool2d_backward",
)


def _whole(rng: np.random.Generator, *shape: int) -> Array:
    """Integers of both signs."""
    return rng.integers(-9, 10, shape)


def _negative(rng: np.random.Generator, *shape: int) -> Array:
    """Numbers with decimals, all below zero."""
    return np.round(-0.5 - 4 * rng.random(shape), 2)


def _single(value: Any) -> tuple[int, int]:
    """Read one number; a pair is a mistake that stops the program."""
    if not isinstance(value, int | np.integer):
        raise TypeError("can only be one number")
    return int(value), int(value)


def _bordered(x: Array, padding: tuple[int, int], border: float) -> Array:
    above, aside = padding
    height, width = x.shape[2:]
    out = np.full((*x.shape[:2], height + 2 * above, width + 2 * aside), border, dtype=float)
    out[:, :, above : above + height, aside : aside + width] = x
    return out


def _floor(rest: int, stride: int) -> int:
    return rest // stride + 1


def _ceil(rest: int, stride: int) -> int:
    return -(-rest // stride) + 1


def _one_short(rest: int, stride: int) -> int:
    return rest // stride


# ── pooling, as a learner loops it ──────────────────────────────────────────────────────────────

Reduce = Callable[[Array], Any]


def _pool(
    x: Array,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    *,
    one: Reduce,
    border: float = 0.0,
    size: Callable[[int, int], int] = _floor,
    read: Callable[[Any], tuple[int, int]] = hw,
    unsaid: Any = None,
    whole_numbers: bool = False,
) -> Array:
    """Pool in loops; the keywords are what a learner gets wrong.

    `one` makes (N, C) of the (N, C, K_h, K_w) under a window. `unsaid` is the stride where none is
    given, the kernel size where that is None.
    """
    k_h, k_w = read(kernel_size)
    if stride is None:
        stride = kernel_size if unsaid is None else unsaid
    s_h, s_w = read(stride)
    padded = _bordered(x, read(padding), border)
    rows, columns = size(padded.shape[2] - k_h, s_h), size(padded.shape[3] - k_w, s_w)
    kind = x.dtype if whole_numbers else np.dtype(float)
    out = np.zeros((*x.shape[:2], rows, columns), dtype=kind)
    for r in range(rows):
        for c in range(columns):
            top, left = r * s_h, c * s_w
            out[:, :, r, c] = one(padded[:, :, top : top + k_h, left : left + k_w])
    return out


def _largest(patch: Array) -> Array:
    return np.asarray(patch.max(axis=(2, 3)))


def _mean(patch: Array) -> Array:
    return np.asarray(patch.mean(axis=(2, 3)))


def _max_as(**part: Any) -> Callable[..., Array]:
    settings = {"one": _largest, "border": -np.inf, **part}
    return lambda x, kernel_size, stride=None, padding=0: _pool(
        x, kernel_size, stride, padding, **settings
    )


def _avg_as(**part: Any) -> Callable[..., Array]:
    settings = {"one": _mean, **part}
    return lambda x, kernel_size, stride=None, padding=0: _pool(
        x, kernel_size, stride, padding, **settings
    )


def _windows(x: Array, kernel: tuple[int, int], stride: tuple[int, int]) -> Array:
    """(N, C, H, W) → (N, C, H_out, W_out, K_h, K_w)."""
    found = sliding_window_view(x, kernel, axis=(2, 3))
    return np.asarray(found[:, :, :: stride[0], :: stride[1]])


def _by_windows(
    reduce: Callable[..., Any], border: float
) -> Callable[[Array, Any, Any, Any], Array]:
    def pool(x: Array, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Array:
        step = hw(kernel_size if stride is None else stride)
        padded = _bordered(x, hw(padding), border)
        return np.asarray(reduce(_windows(padded, hw(kernel_size), step), axis=(4, 5)))

    return pool


def _max_by_shifting(x: Array, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Array:
    """All windows at once, one pixel of the kernel after the other."""
    (k_h, k_w), (s_h, s_w) = hw(kernel_size), hw(kernel_size if stride is None else stride)
    padded = _bordered(x, hw(padding), -np.inf)
    rows, columns = _floor(padded.shape[2] - k_h, s_h), _floor(padded.shape[3] - k_w, s_w)
    out = np.full((*x.shape[:2], rows, columns), -np.inf)
    for i in range(k_h):
        for j in range(k_w):
            here = padded[:, :, i::s_h, j::s_w][:, :, :rows, :columns]
            out = np.maximum(out, here)
    return out


def _avg_by_summed_areas(x: Array, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Array:
    """The sum of a window from four corners of a table of sums."""
    (k_h, k_w), (s_h, s_w) = hw(kernel_size), hw(kernel_size if stride is None else stride)
    padded = _bordered(x, hw(padding), 0.0)
    table = np.pad(padded.cumsum(2).cumsum(3), ((0, 0), (0, 0), (1, 0), (1, 0)))
    high, wide = padded.shape[2] - k_h + 1, padded.shape[3] - k_w + 1
    total = (
        table[:, :, k_h : k_h + high, k_w : k_w + wide]
        - table[:, :, :high, k_w : k_w + wide]
        - table[:, :, k_h : k_h + high, :wide]
        + table[:, :, :high, :wide]
    )
    return np.asarray(total[:, :, ::s_h, ::s_w] / (k_h * k_w))


def _stride_given_ignored(pool: Callable[..., Array]) -> Callable[..., Array]:
    return lambda x, kernel_size, stride=None, padding=0: pool(x, kernel_size, None, padding)


def _padding_given_ignored(pool: Callable[..., Array]) -> Callable[..., Array]:
    return lambda x, kernel_size, stride=None, padding=0: pool(x, kernel_size, stride, 0)


def _stride_on_rows_only(pool: Callable[..., Array]) -> Callable[..., Array]:
    def pooled(x: Array, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Array:
        down = hw(kernel_size if stride is None else stride)[0]
        return pool(x, kernel_size, (down, 1), padding)

    return pooled


def _pool_cases(rng: np.random.Generator) -> Iterator[Case]:
    def pick(*values: Any) -> Any:
        return values[int(rng.integers(len(values)))]

    side = "windows side by side"
    yield Case(side, (_negative(rng, 1, 1, 2, 2), 2), note="all values are negative")
    yield Case(side, (_whole(rng, 1, 1, 4, 4), 2))
    yield Case(side, (reals(rng, 1, 1, 5, 6), 2), note="a rest is left")
    yield Case(side, (reals(rng, 1, 1, 6, 8), np.int64(3)), note="a rest is left")
    many = "batches and channels"
    yield Case(many, (reals(rng, 1, 3, 2, 4), 2))
    yield Case(many, (_negative(rng, 2, 1, 4, 4), 2))
    yield Case(many, (reals(rng, 3, 2, 4, 2), 2))
    step = "stride"
    yield Case(step, (reals(rng, 1, 1, 3, 4), 2, 1), note="windows overlap")
    yield Case(step, (reals(rng, 1, 2, 7, 5), 3), {"stride": 2}, note="windows overlap")
    yield Case(step, (reals(rng, 1, 1, 8, 6), 2), {"stride": np.int64(3)}, note="gaps between")
    border = "padding"
    yield Case(border, (_negative(rng, 1, 1, 2, 2), 2), {"padding": 1}, note="all are negative")
    yield Case(border, (reals(rng, 1, 2, 3, 4), 3, 1, 1))
    yield Case(border, (reals(rng, 2, 1, 6, 5), 3), {"stride": 2, "padding": 1})
    yield Case(border, (_negative(rng, 1, 1, 5, 7), pick(4, 5), 1), {"padding": np.int64(2)})
    far = np.round(_negative(rng, 1, 1, 2, 3) * 1e6)
    yield Case(border, (far, 2), {"padding": 1}, note="all are below minus 500,000")
    pairs = "height and width apart"
    yield Case(pairs, (reals(rng, 1, 1, 4, 6), (2, 3)))
    yield Case(pairs, (reals(rng, 1, 1, 4, 5), [1, 3]))
    yield Case(pairs, (reals(rng, 1, 2, 5, 6), 2), {"stride": (1, 3)})
    yield Case(pairs, (reals(rng, 1, 1, 3, 4), 3, 1), {"padding": [0, 1]})
    yield Case(
        pairs,
        (reals(rng, 2, 2, 7, 8), (2, 4)),
        {"stride": [3, 2], "padding": (1, 2)},
        note="all of them at once",
    )


_SWAPPED = (
    "height_and_width_swapped",
    "A pair is (height, width): its first number belongs to the rows.",
)
_ONE_NUMBER = (
    "one_number_only",
    "Your function takes single numbers; each of them may also be a (height, width) pair.",
)
_PYTHON_INTS = (
    "python_ints_only",
    "A NumPy integer is no `int` to isinstance, and no pair either.",
)
_STRIDE_ONE = (
    "stride_of_one",
    "Without a stride your windows move by one: pooling windows stand side by side unless a stride "
    "is given.",
)
_STRIDE_IGNORED = (
    "stride_ignored",
    "Your windows always stand side by side, whatever stride is given.",
)
_ROUNDED_UP = (
    "rounded_up",
    "Your last windows hang over the edge: a rest smaller than a window is left out.",
)
_LAST_MISSING = (
    "last_window_missing",
    "Your last row and column of windows are missing: how many windows are there when no step is "
    "taken at all?",
)
_ROWS_ONLY = (
    "stride_on_rows_only",
    "Your windows take the stride downwards, but move by one to the right.",
)
_RESHAPED = (
    "reshaped_into_blocks",
    "`reshape` does not cut a map into windows: the rows of a window are far apart in memory. "
    "Split each axis by itself, (H//k, k, W//k, k), and reduce the two of length k.",
)
_CHANNELS_MIXED = (
    "channels_mixed",
    "Every channel of yours holds the same numbers: each channel is pooled by itself.",
)
_ALL_MIXED = (
    "images_mixed",
    "You reduce the whole slice, images and channels together: only the last two axes are the "
    "window.",
)


def _over_channels(reduce: Callable[..., Any]) -> Reduce:
    return lambda patch: np.broadcast_to(reduce(patch, axis=(1, 2, 3))[:, None], patch.shape[:2])


def _start_at_zero(patch: Array) -> Array:
    return np.maximum(_largest(patch), 0)


def _largest_magnitude(patch: Array) -> Array:
    magnitude = np.where(np.isfinite(patch), np.abs(patch), 0)
    return np.asarray(magnitude.max(axis=(2, 3)))


def _reshaped_into_blocks(
    reduce: Callable[..., Any],
) -> Callable[[Array, Any, Any, Any], Array]:
    """Windows by one reshape, its axes in the order of the output; stride and padding forgotten."""

    def pooled(x: Array, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Array:
        k_h, k_w = hw(kernel_size)
        rows, columns = x.shape[2] // k_h, x.shape[3] // k_w
        used = x[:, :, : rows * k_h, : columns * k_w]
        blocks = used.reshape(*x.shape[:2], rows, columns, k_h, k_w)
        return np.asarray(reduce(blocks, axis=(4, 5)))

    return pooled


MAX_POOL2D = FunctionExercise(
    name="max_pool2d",
    chapter="04",
    signature="max_pool2d(x, kernel_size, stride=None, padding=0) -> array",
    aspects=(
        Aspect("windows side by side", 2),
        Aspect("batches and channels", 1),
        Aspect("stride", 1),
        Aspect("padding", 1),
        Aspect("height and width apart", 1),
    ),
    worked=(
        Case("windows side by side", (FOUR, 2)),
        Case("stride", (FOUR, 2, 1)),
        Case("padding", (FOUR, 3), {"stride": 2, "padding": 1}),
    ),
    cases=_pool_cases,
    reference=ops.max_pool2d,
    alternatives={
        "loops": _max_as(),
        "windows": _by_windows(np.max, -np.inf),
        "shifted slices": _max_by_shifting,
    },
    misconceptions=(
        Misconception(
            "pads_with_zeros",
            "Your padding wins windows in which every pixel is negative: with what must a border "
            "be filled that can never be the largest?",
            _max_as(border=0.0),
        ),
        Misconception(
            "starts_at_zero",
            "Where all pixels of a window are negative you answer 0: from what does your search "
            "for the largest start?",
            _max_as(one=_start_at_zero),
        ),
        Misconception(
            "largest_magnitude",
            "You compare without the sign: −5 is smaller than 2.",
            _max_as(one=_largest_magnitude),
        ),
        Misconception(
            "minimum",
            "You keep the smallest of each window.",
            _max_as(one=lambda patch: patch.min(axis=(2, 3)), border=np.inf),
        ),
        Misconception(
            "mean",
            "You average each window: keep its largest.",
            _avg_as(),
        ),
        Misconception(*_STRIDE_ONE, _max_as(unsaid=1)),
        Misconception(*_STRIDE_IGNORED, _stride_given_ignored(_max_as())),
        Misconception(*_ROWS_ONLY, _stride_on_rows_only(_max_as())),
        Misconception(
            "padding_ignored",
            "Your answer does not change with the padding.",
            _padding_given_ignored(_max_as()),
        ),
        Misconception(*_RESHAPED, _reshaped_into_blocks(np.max)),
        Misconception(*_CHANNELS_MIXED, _max_as(one=_over_channels(np.max))),
        Misconception(*_ALL_MIXED, _max_as(one=np.max)),
        Misconception(*_ROUNDED_UP, _max_as(size=_ceil)),
        Misconception(*_LAST_MISSING, _max_as(size=_one_short)),
        Misconception(*_SWAPPED, _max_as(read=wh)),
        Misconception(*_ONE_NUMBER, _max_as(read=_single)),
        Misconception(*_PYTHON_INTS, _max_as(read=python_ints_only)),
    ),
    forbidden=_LIBRARY_POOLS,
    hints=(
        "Take your convolution of one image and replace the sum by a maximum. Pad first, with a "
        "value that no pixel can be below; the output's size is that of chapter 02.",
        "A slice padded[:, :, y : y + k_h, x : x + k_w] holds one window of every image and "
        "channel. A maximum can be told which axes to go over.",
        "out[:, :, r, c] = padded[:, :, y : y + k_h, x : x + k_w].max(axis=(2, 3)) with y = r·s_h "
        "and x = c·s_w; padded comes from np.full(…, -np.inf), and stride is kernel_size where it "
        "is None.",
    ),
)


# ── avg_pool2d ──────────────────────────────────────────────────────────────────────────────────


def _avg_without_padding_in_the_count(
    x: Array, kernel_size: Any, stride: Any = None, padding: Any = 0
) -> Array:
    total = _avg_as()(x, kernel_size, stride, padding)
    share = _avg_as()(np.ones(x.shape), kernel_size, stride, padding)
    return np.asarray(total / share)


AVG_POOL2D = FunctionExercise(
    name="avg_pool2d",
    chapter="04",
    signature="avg_pool2d(x, kernel_size, stride=None, padding=0) -> array",
    aspects=(
        Aspect("windows side by side", 1),
        Aspect("batches and channels", 1),
        Aspect("stride", 1),
        Aspect("padding", 1),
        Aspect("height and width apart", 1),
    ),
    worked=(
        Case("windows side by side", (FOUR, 2)),
        Case("padding", (FOUR, 3), {"stride": 2, "padding": 1}),
    ),
    cases=_pool_cases,
    reference=ops.avg_pool2d,
    alternatives={
        "loops": _avg_as(),
        "windows": _by_windows(np.mean, 0.0),
        "summed areas": _avg_by_summed_areas,
    },
    misconceptions=(
        Misconception(
            "padding_not_counted",
            "At the border you divide by the pixels of the image alone: here the padded zeros "
            "count as pixels.",
            _avg_without_padding_in_the_count,
        ),
        Misconception(
            "pads_with_minus_infinity",
            "Minus infinity makes every sum it takes part in minus infinity: here the border is 0.",
            _avg_as(border=-np.inf),
            recognise=lambda values: any(bool(np.isneginf(value).any()) for value in values),
        ),
        Misconception(
            "sum",
            "You add each window up and do not divide.",
            _avg_as(one=lambda patch: patch.sum(axis=(2, 3))),
        ),
        Misconception("maximum", "You keep the largest: average the window.", _max_as(border=0.0)),
        Misconception(
            "median",
            "You take the middle value of each window: the mean is asked for.",
            _avg_as(one=lambda patch: np.median(patch, axis=(2, 3))),
        ),
        Misconception(
            "square_window",
            "You divide by the square of the window's height: a window may be wider than high.",
            _avg_as(one=lambda patch: patch.sum(axis=(2, 3)) / patch.shape[2] ** 2),
        ),
        Misconception(
            "rounds_down",
            "You divide with `//`, which throws decimals away.",
            _avg_as(one=lambda patch: np.floor(patch.mean(axis=(2, 3)))),
        ),
        Misconception(
            "integers_only",
            "Your output array has the image's integer type, which cuts off the decimals of what "
            "you write into it.",
            _avg_as(whole_numbers=True),
        ),
        Misconception(*_STRIDE_ONE, _avg_as(unsaid=1)),
        Misconception(*_STRIDE_IGNORED, _stride_given_ignored(_avg_as())),
        Misconception(
            "padding_ignored",
            "Your answer does not change with the padding.",
            _padding_given_ignored(_avg_as()),
        ),
        Misconception(*_RESHAPED, _reshaped_into_blocks(np.mean)),
        Misconception(*_CHANNELS_MIXED, _avg_as(one=_over_channels(np.mean))),
        Misconception(*_ALL_MIXED, _avg_as(one=np.mean)),
        Misconception(*_ROUNDED_UP, _avg_as(size=_ceil)),
        Misconception(*_LAST_MISSING, _avg_as(size=_one_short)),
        Misconception(*_SWAPPED, _avg_as(read=wh)),
        Misconception(*_ONE_NUMBER, _avg_as(read=_single)),
    ),
    forbidden=_LIBRARY_POOLS,
    hints=(
        "Two things differ from max_pool2d: what the border is filled with, and what is done with "
        "a window.",
        "Zeros around, then the mean over the last two axes of each slice. The zeros lie inside "
        "the slice, so the mean counts them by itself.",
        "out[:, :, r, c] = padded[:, :, y : y + k_h, x : x + k_w].mean(axis=(2, 3)), with out an "
        "array of floats.",
    ),
)


# ── max_pool2d_backward ─────────────────────────────────────────────────────────────────────────

Give = Callable[[Array, float], Array]


def _backward(
    grad_out: Array,
    shape: Sequence[int],
    kernel_size: Any,
    stride: Any,
    give: Callable[[tuple[int, ...], float], Array],
    *,
    add: bool = True,
    read: Callable[[Any], tuple[int, int]] = hw,
    unsaid: Any = None,
) -> Array:
    """Visit every window; `give((n, c, top, left), g)` is what it hands to its (K_h, K_w) pixels.

    Without `add`, a later window overwrites what an earlier one wrote.
    """
    k_h, k_w = read(kernel_size)
    if stride is None:
        stride = kernel_size if unsaid is None else unsaid
    s_h, s_w = read(stride)
    grad = np.zeros(tuple(shape))
    for (n, c, r, column), g in np.ndenumerate(grad_out):
        top, left = r * s_h, column * s_w
        window = grad[n, c, top : top + k_h, left : left + k_w]
        share = give((n, c, top, left), g)[: window.shape[0], : window.shape[1]]
        if add:
            window += share
        else:
            window[share != 0] = share[share != 0]
    return grad


def _max_backward_as(give: Give, **part: Any) -> Callable[..., Array]:
    """`give(patch, g)` shares g among the pixels of a window."""

    def backward(grad_out: Array, x: Array, kernel_size: Any, stride: Any = None) -> Array:
        k_h, k_w = part.get("read", hw)(kernel_size)

        def share(place: tuple[int, ...], g: float) -> Array:
            n, c, top, left = place
            return give(x[n, c, top : top + k_h, left : left + k_w], g)

        return _backward(grad_out, x.shape, kernel_size, stride, share, **part)

    return backward


def _to_the_first(patch: Array, g: float) -> Array:
    share = np.zeros(patch.shape)
    share.flat[int(np.argmax(patch))] = g
    return share


def _to_the_last(patch: Array, g: float) -> Array:
    return _to_the_first(patch[::-1, ::-1], g)[::-1, ::-1]


def _to_all_winners(patch: Array, g: float) -> Array:
    return np.asarray(np.where(patch == patch.max(), g, 0.0))


def _shared_by_winners(patch: Array, g: float) -> Array:
    wins = patch == patch.max()
    return np.asarray(np.where(wins, g / wins.sum(), 0.0))


def _first_by_columns(patch: Array, g: float) -> Array:
    return _to_the_first(patch.T, g).T


def _winner_misread(patch: Array, g: float) -> Array:
    """The number of the winner, taken apart by the window's height."""
    share = np.zeros(patch.shape)
    row, column = divmod(int(np.argmax(patch)), patch.shape[0])
    share[row, column] = g
    return share


def _largest_magnitude_wins(patch: Array, g: float) -> Array:
    return _to_the_first(np.abs(patch), g)


def _first_above_zero(patch: Array, g: float) -> Array:
    """A search that starts from 0 at the first pixel, and stays there if nothing is above 0."""
    return _to_the_first(np.maximum(patch, 0), g)


def _winners_of_channel_0(grad_out: Array, x: Array, kernel_size: Any, stride: Any = None) -> Array:
    first = np.broadcast_to(x[:, :1], x.shape)
    return _max_backward_as(_to_the_first)(grad_out, first, kernel_size, stride)


def _integer_gradient(grad_out: Array, x: Array, kernel_size: Any, stride: Any = None) -> Array:
    """The gradient in an array made by np.zeros_like(x)."""
    whole = _max_backward_as(_to_the_first)(grad_out, x, kernel_size, stride)
    return whole.astype(x.dtype)


def _used_rows(grad_out: Array, kernel_size: Any, stride: Any) -> tuple[int, int]:
    (k_h, k_w), (s_h, s_w) = hw(kernel_size), hw(kernel_size if stride is None else stride)
    return (grad_out.shape[2] - 1) * s_h + k_h, (grad_out.shape[3] - 1) * s_w + k_w


def _max_without_dropped_pixels(
    grad_out: Array, x: Array, kernel_size: Any, stride: Any = None
) -> Array:
    height, width = _used_rows(grad_out, kernel_size, stride)
    return _max_backward_as(_to_the_first)(grad_out, x, kernel_size, stride)[:, :, :height, :width]


def _max_backward_by_windows(
    grad_out: Array, x: Array, kernel_size: Any, stride: Any = None
) -> Array:
    """All windows at once: the winners' places, then np.add.at."""
    (k_h, k_w), step = hw(kernel_size), hw(kernel_size if stride is None else stride)
    rows, columns = grad_out.shape[2:]
    flat = _windows(x, (k_h, k_w), step)[:, :, :rows, :columns].reshape(*grad_out.shape, k_h * k_w)
    inside_row, inside_column = np.divmod(flat.argmax(axis=-1), k_w)
    n, c, r, column = np.indices(grad_out.shape)
    grad = np.zeros(x.shape)
    np.add.at(grad, (n, c, r * step[0] + inside_row, column * step[1] + inside_column), grad_out)
    return grad


def _max_backward_by_taps(grad_out: Array, x: Array, kernel_size: Any, stride: Any = None) -> Array:
    """One pixel of the kernel after the other, in reading order."""
    (k_h, k_w), (s_h, s_w) = hw(kernel_size), hw(kernel_size if stride is None else stride)
    largest = _max_as()(x, kernel_size, stride)
    rows, columns = grad_out.shape[2:]
    grad, left = np.zeros(x.shape), np.ones(grad_out.shape, bool)
    for i in range(k_h):
        for j in range(k_w):
            tap = (
                slice(None),
                slice(None),
                slice(i, i + (rows - 1) * s_h + 1, s_h),
                slice(j, j + (columns - 1) * s_w + 1, s_w),
            )
            wins = left & (x[tap] == largest)
            grad[tap] += np.where(wins, grad_out, 0)
            left &= ~wins
    return grad


def _out_shape(x: Array, kernel_size: Any, stride: Any = None) -> tuple[int, ...]:
    (k_h, k_w), (s_h, s_w) = hw(kernel_size), hw(kernel_size if stride is None else stride)
    return (*x.shape[:2], _floor(x.shape[2] - k_h, s_h), _floor(x.shape[3] - k_w, s_w))


def _with_upstream(
    rng: np.random.Generator, aspect: str, x: Array, kernel_size: Any, note: str = "", **size: Any
) -> Case:
    """A case with a gradient of the output's shape, no number of it 0."""
    shape = _out_shape(x, kernel_size, **size)
    grad_out = np.round(rng.choice([-1.0, 1.0], shape) * (0.1 + 3 * rng.random(shape)), 2)
    return Case(aspect, (grad_out, x, kernel_size), size, note)


def _tied(rng: np.random.Generator, *shape: int) -> Array:
    """Two values only, so that nearly every window has several winners."""
    return rng.integers(-1, 1, shape)


def _max_backward_cases(rng: np.random.Generator) -> Iterator[Case]:
    winner = "only the winner"
    yield _with_upstream(rng, winner, _negative(rng, 1, 1, 2, 2), 2, "all are negative")
    yield _with_upstream(rng, winner, _distinct(rng, 1, 1, 4, 4), 2, "integers")
    yield _with_upstream(rng, winner, _distinct(rng, 2, 3, 4, 6) * 0.5, 2, "two images, 3 channels")
    yield _with_upstream(rng, winner, _distinct(rng, 1, 2, 6, 3) * 0.5, np.int64(3))
    ties = "ties go to the first"
    yield _with_upstream(rng, ties, np.zeros((1, 1, 2, 2)), 2, "all equal")
    yield _with_upstream(rng, ties, np.array([[[[0.0, 5.0], [5.0, 0.0]]]]), 2)
    yield _with_upstream(rng, ties, np.array([[[[0, 0, 7], [7, 7, 0], [7, 0, 0]]]]), 3)
    yield _with_upstream(rng, ties, _tied(rng, 1, 2, 6, 4), 2)
    overlap = "overlapping windows"
    peak = np.array([[[[1.0, 2.0, 1.0], [3.0, 9.0, 4.0], [0.0, 5.0, 2.0]]]])
    yield _with_upstream(rng, overlap, peak, 2, "one pixel wins every window", stride=1)
    yield _with_upstream(rng, overlap, _distinct(rng, 1, 1, 5, 5) * 0.5, 3, stride=2)
    yield _with_upstream(rng, overlap, _distinct(rng, 1, 2, 5, 4) * 0.5, 3, stride=np.int64(1))
    dropped = "pixels that no window touches"
    yield _with_upstream(rng, dropped, _distinct(rng, 1, 1, 3, 3) * 0.5, 2, "a rest is left")
    yield _with_upstream(rng, dropped, _distinct(rng, 1, 1, 5, 7) * 0.5, 2, "a rest is left")
    yield _with_upstream(rng, dropped, _distinct(rng, 1, 1, 6, 5) * 0.5, 2, "gaps", stride=3)
    pairs = "height and width apart"
    yield _with_upstream(rng, pairs, _distinct(rng, 1, 1, 4, 6) * 0.5, (2, 3))
    yield _with_upstream(rng, pairs, _distinct(rng, 1, 1, 6, 4) * 0.5, [3, 1])
    yield _with_upstream(rng, pairs, _distinct(rng, 1, 2, 5, 6) * 0.5, 2, stride=(1, 2))
    yield _with_upstream(rng, pairs, _distinct(rng, 2, 2, 6, 9) * 0.5, (2, 4), stride=[3, 2])


def _distinct(rng: np.random.Generator, *shape: int) -> Array:
    """Different integers of both signs: no ties."""
    size = int(np.prod(shape))
    return (rng.permutation(size) - size // 2).reshape(shape)


_UPSTREAM = np.array([[[[10, 20], [30, 40]]]])
_TIED = np.array([[[[2, 5], [5, 5]]]])
_NOT_ADDED = (
    "overwritten",
    "Where windows overlap, the last one overwrites what the others gave: a pixel collects from "
    "all of them.",
)
_BACK_STRIDE_ONE = (
    "stride_of_one",
    "Without a stride your windows move by one: they stand side by side, as in the forward pass.",
)
_DROPPED = (
    "dropped_pixels_left_out",
    "Your gradient is smaller than the input: pixels that no window touched have a gradient, 0.",
)

MAX_POOL2D_BACKWARD = FunctionExercise(
    name="max_pool2d_backward",
    chapter="04",
    signature="max_pool2d_backward(grad_out, x, kernel_size, stride=None) -> array",
    aspects=(
        Aspect("only the winner", 2),
        Aspect("ties go to the first", 1),
        Aspect("overlapping windows", 1),
        Aspect("pixels that no window touches", 1, needs=("only the winner",)),
        Aspect("height and width apart", 1),
    ),
    worked=(
        Case("only the winner", (_UPSTREAM, FOUR, 2)),
        Case("ties go to the first", (np.array([[[[8]]]]), _TIED, 2)),
    ),
    cases=_max_backward_cases,
    reference=ops.max_pool2d_backward,
    alternatives={
        "loops": _max_backward_as(_to_the_first),
        "windows": _max_backward_by_windows,
        "taps": _max_backward_by_taps,
    },
    misconceptions=(
        Misconception(
            "every_winner",
            "Of equal winners each of yours gets the whole gradient: only the first gets it.",
            _max_backward_as(_to_all_winners),
        ),
        Misconception(
            "winners_share",
            "You share the gradient among equal winners: here the first in reading order gets all.",
            _max_backward_as(_shared_by_winners),
        ),
        Misconception(
            "last_winner",
            "Of equal winners yours is the last: the first in reading order is asked for.",
            _max_backward_as(_to_the_last),
        ),
        Misconception(
            "first_by_columns",
            "You read columns first: of equal winners the first in reading order, row by row, is "
            "asked for.",
            _max_backward_as(_first_by_columns),
        ),
        Misconception(
            "everybody",
            "You share the gradient among all pixels of the window: that is the backward pass of "
            "the average.",
            _max_backward_as(lambda patch, g: np.full(patch.shape, g / patch.size)),
        ),
        Misconception(
            "everybody_gets_all",
            "Every pixel of your window gets its gradient: what changes in the output when a pixel "
            "changes that is not the largest?",
            _max_backward_as(lambda patch, g: np.full(patch.shape, g)),
        ),
        Misconception(
            "starts_at_zero",
            "Where all pixels of a window are negative nobody wins yours: from what does your "
            "search for the largest start?",
            _max_backward_as(_first_above_zero),
        ),
        Misconception(
            "largest_magnitude_wins",
            "You look for the winner without the sign: −5 is smaller than 2.",
            _max_backward_as(_largest_magnitude_wins),
        ),
        Misconception(
            "ones",
            "Your winners get 1: that is only how they depend on the input; multiply by the "
            "window's own number in grad_out.",
            _max_backward_as(lambda patch, g: _to_the_first(patch, 1.0)),
        ),
        Misconception(
            "values",
            "Your winners get their own value: they should get the gradient that arrives.",
            _max_backward_as(lambda patch, g: _to_the_first(patch, float(patch.max()))),
        ),
        Misconception(
            "times_value",
            "You multiply the gradient by the winner's value: the output *is* that value, so how "
            "fast does it grow with it?",
            _max_backward_as(lambda patch, g: _to_the_first(patch, g * float(patch.max()))),
        ),
        Misconception(*_NOT_ADDED, _max_backward_as(_to_the_first, add=False)),
        Misconception(*_BACK_STRIDE_ONE, _max_backward_as(_to_the_first, unsaid=1)),
        Misconception(
            *_STRIDE_IGNORED,
            lambda grad_out, x, kernel_size, stride=None: _max_backward_as(_to_the_first)(
                grad_out, x, kernel_size
            ),
        ),
        Misconception(
            "winner_misread",
            "argmax numbers the pixels of a window row by row: how many are there in a row?",
            _max_backward_as(_winner_misread),
        ),
        Misconception(
            "winners_of_the_first_channel",
            "You take the winners of the first channel for all channels: each has its own.",
            _winners_of_channel_0,
        ),
        Misconception(
            "integers_only",
            "Your gradient has the input's integer type, which cuts off the decimals of what you "
            "write into it.",
            _integer_gradient,
        ),
        Misconception(*_DROPPED, _max_without_dropped_pixels),
        Misconception(*_SWAPPED, _max_backward_as(_to_the_first, read=wh)),
        Misconception(*_ONE_NUMBER, _max_backward_as(_to_the_first, read=_single)),
    ),
    forbidden=_LIBRARY_POOLS,
    hints=(
        "Start from zeros in the shape of x (of floats). Visit the windows as the forward pass "
        "does; each has one number in grad_out to hand on. To whom?",
        "np.argmax(window) is the number of the first largest pixel, counted row by row. Divided "
        "by the window's width it gives the row, and the rest is the column: divmod.",
        "row, column = divmod(np.argmax(window), k_w); grad[n, c, y + row, x + column] += "
        "grad_out[n, c, r, col], in four loops.",
    ),
)


# ── avg_pool2d_backward ─────────────────────────────────────────────────────────────────────────


def _avg_backward_as(share: Callable[[int, int], Array], **part: Any) -> Callable[..., Array]:
    """`share(k_h, k_w)` says what part of its gradient a window hands to each of its pixels."""

    def backward(
        grad_out: Array, input_shape: Sequence[int], kernel_size: Any, stride: Any = None
    ) -> Array:
        parts = share(*part.get("read", hw)(kernel_size))
        return _backward(
            grad_out, input_shape, kernel_size, stride, lambda place, g: g * parts, **part
        )

    return backward


def _evenly(k_h: int, k_w: int) -> Array:
    return np.full((k_h, k_w), 1 / (k_h * k_w))


def _one_pixel(row: Callable[[int], int]) -> Callable[[int, int], Array]:
    def share(k_h: int, k_w: int) -> Array:
        parts = np.zeros((k_h, k_w))
        parts[row(k_h), row(k_w)] = 1
        return parts

    return share


_right_average = _avg_backward_as(_evenly)


def _avg_overlap_averaged(
    grad_out: Array, input_shape: Sequence[int], kernel_size: Any, stride: Any = None
) -> Array:
    """What each pixel collects, divided by the number of windows it is in."""
    visits = _avg_backward_as(lambda k_h, k_w: np.ones((k_h, k_w)))(
        np.ones(grad_out.shape), input_shape, kernel_size, stride
    )
    return np.asarray(
        _right_average(grad_out, input_shape, kernel_size, stride) / np.maximum(visits, 1)
    )


def _avg_divided_by_image(
    grad_out: Array, input_shape: Sequence[int], kernel_size: Any, stride: Any = None
) -> Array:
    k_h, k_w = hw(kernel_size)
    share = _right_average(grad_out, input_shape, kernel_size, stride)
    return np.asarray(share * (k_h * k_w) / (input_shape[2] * input_shape[3]))


def _avg_divided_by_stride(
    grad_out: Array, input_shape: Sequence[int], kernel_size: Any, stride: Any = None
) -> Array:
    (k_h, k_w), (s_h, s_w) = hw(kernel_size), hw(kernel_size if stride is None else stride)
    share = _right_average(grad_out, input_shape, kernel_size, stride)
    return np.asarray(share * (k_h * k_w) / (s_h * s_w))


def _avg_without_dropped_pixels(
    grad_out: Array, input_shape: Sequence[int], kernel_size: Any, stride: Any = None
) -> Array:
    height, width = _used_rows(grad_out, kernel_size, stride)
    return _right_average(grad_out, input_shape, kernel_size, stride)[:, :, :height, :width]


def _avg_integers(
    grad_out: Array, input_shape: Sequence[int], kernel_size: Any, stride: Any = None
) -> Array:
    """The gradient in an array of grad_out's type."""
    share = _right_average(grad_out, input_shape, kernel_size, stride)
    return np.asarray(share.astype(grad_out.dtype))


def _avg_rounded_down(
    grad_out: Array, input_shape: Sequence[int], kernel_size: Any, stride: Any = None
) -> Array:
    k_h, k_w = hw(kernel_size)
    whole = _avg_backward_as(lambda k_h, k_w: np.ones((k_h, k_w)))
    return whole(grad_out // (k_h * k_w), input_shape, kernel_size, stride)


def _avg_backward_by_taps(
    grad_out: Array, input_shape: Sequence[int], kernel_size: Any, stride: Any = None
) -> Array:
    (k_h, k_w), (s_h, s_w) = hw(kernel_size), hw(kernel_size if stride is None else stride)
    rows, columns = grad_out.shape[2:]
    grad = np.zeros(tuple(input_shape))
    for i in range(k_h):
        for j in range(k_w):
            grad[
                :, :, i : i + (rows - 1) * s_h + 1 : s_h, j : j + (columns - 1) * s_w + 1 : s_w
            ] += grad_out
    return grad / (k_h * k_w)


def _avg_backward_by_matrix(
    grad_out: Array, input_shape: Sequence[int], kernel_size: Any, stride: Any = None
) -> Array:
    """Averaging is a matrix on each axis; its transpose carries the gradient back."""
    (k_h, k_w), (s_h, s_w) = hw(kernel_size), hw(kernel_size if stride is None else stride)

    def axis(n: int, n_out: int, k: int, s: int) -> Array:
        starts = s * np.arange(n_out)[:, None]
        pixels = np.arange(n)
        return ((starts <= pixels) & (pixels < starts + k)) / k  # (n_out, n)

    down = axis(input_shape[2], grad_out.shape[2], k_h, s_h)
    across = axis(input_shape[3], grad_out.shape[3], k_w, s_w)
    return np.asarray(down.T @ grad_out @ across)


def _avg_backward_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(aspect: str, shape: Any, kernel_size: Any, note: str = "", **size: Any) -> Case:
        drawn = _with_upstream(rng, aspect, np.zeros(tuple(shape)), kernel_size, note, **size)
        grad_out, _, kernel = drawn.args
        return Case(aspect, (grad_out, shape, kernel), size, note)

    def whole(shape: tuple[int, ...]) -> Array:
        return rng.choice([-7, -5, -3, -1, 1, 3, 5, 7, 9], shape)

    evenly = "shared evenly"
    yield case(evenly, (1, 1, 2, 2), 2)
    yield Case(evenly, (whole((1, 1, 2, 2)), (1, 1, 4, 4), 2), note="integers")
    yield case(evenly, (2, 3, 4, 6), 2, "two images, three channels")
    yield case(evenly, [1, 2, 6, 3], np.int64(3))
    overlap = "overlapping windows"
    yield case(overlap, (1, 1, 3, 3), 2, stride=1)
    yield case(overlap, (1, 2, 5, 5), 3, stride=2)
    yield case(overlap, (1, 1, 4, 5), 3, stride=np.int64(1))
    dropped = "pixels that no window touches"
    yield case(dropped, (1, 1, 3, 3), 2, "a rest is left")
    yield case(dropped, (1, 1, 5, 7), 2, "a rest is left")
    yield case(dropped, (1, 1, 6, 5), 2, "gaps between the windows", stride=3)
    pairs = "height and width apart"
    yield case(pairs, (1, 1, 4, 6), (2, 3))
    yield case(pairs, (1, 1, 6, 4), [3, 1])
    yield case(pairs, (1, 2, 5, 6), 2, stride=(1, 2))
    yield case(pairs, (2, 2, 6, 9), (2, 4), stride=[3, 2])


AVG_POOL2D_BACKWARD = FunctionExercise(
    name="avg_pool2d_backward",
    chapter="04",
    signature="avg_pool2d_backward(grad_out, input_shape, kernel_size, stride=None) -> array",
    aspects=(
        Aspect("shared evenly", 1),
        Aspect("overlapping windows", 1),
        Aspect("pixels that no window touches", 1, needs=("shared evenly",)),
        Aspect("height and width apart", 1),
    ),
    worked=(
        Case("shared evenly", (np.array([[[[4, 8]]]]), (1, 1, 2, 4), 2)),
        Case("overlapping windows", (np.array([[[[4, 8]]]]), (1, 1, 2, 3), 2, 1)),
    ),
    cases=_avg_backward_cases,
    reference=ops.avg_pool2d_backward,
    alternatives={
        "loops": _right_average,
        "taps": _avg_backward_by_taps,
        "matrix": _avg_backward_by_matrix,
    },
    misconceptions=(
        Misconception(
            "not_divided",
            "Each pixel of yours gets the window's whole gradient: how much does a mean of four "
            "grow when one of the four grows by 1?",
            _avg_backward_as(lambda k_h, k_w: np.ones((k_h, k_w))),
        ),
        Misconception(
            "one_pixel",
            "One pixel of each of your windows gets everything: that is how a maximum works.",
            _avg_backward_as(_one_pixel(lambda k: 0)),
        ),
        Misconception(
            "middle_pixel",
            "The middle pixel of each of your windows gets everything: all took part in the mean.",
            _avg_backward_as(_one_pixel(lambda k: k // 2)),
        ),
        Misconception(
            "divided_by_the_image",
            "You divide by the pixels of the image: a window's mean is over the window alone.",
            _avg_divided_by_image,
        ),
        Misconception(
            "divided_by_the_stride",
            "You divide by the stride's area: the mean was taken over the window, which may be "
            "larger or smaller.",
            _avg_divided_by_stride,
        ),
        Misconception(
            "square_window",
            "You divide by the square of the window's height: a window may be wider than high.",
            _avg_backward_as(lambda k_h, k_w: np.full((k_h, k_w), 1 / k_h**2)),
        ),
        Misconception(
            "averaged_over_windows",
            "Where windows overlap you average what they give: a pixel's gradient is the sum.",
            _avg_overlap_averaged,
        ),
        Misconception(*_NOT_ADDED, _avg_backward_as(_evenly, add=False)),
        Misconception(*_BACK_STRIDE_ONE, _avg_backward_as(_evenly, unsaid=1)),
        Misconception(
            *_STRIDE_IGNORED,
            lambda grad_out, input_shape, kernel_size, stride=None: _right_average(
                grad_out, input_shape, kernel_size
            ),
        ),
        Misconception(
            "rounds_down",
            "You divide with `//`, which throws decimals away.",
            _avg_rounded_down,
        ),
        Misconception(
            "integers_only",
            "Your gradient has the integer type of grad_out, which cuts off the decimals of what "
            "you write into it.",
            _avg_integers,
        ),
        Misconception(*_DROPPED, _avg_without_dropped_pixels),
        Misconception(*_SWAPPED, _avg_backward_as(_evenly, read=wh)),
        Misconception(*_ONE_NUMBER, _avg_backward_as(_evenly, read=_single)),
    ),
    forbidden=_LIBRARY_POOLS,
    hints=(
        "Start from zeros in input_shape. Each window has one number in grad_out, and K_h·K_w "
        "pixels to share it with.",
        "A slice can take the same number everywhere: grad[:, :, y : y + k_h, x : x + k_w] += … "
        "serves all images and channels at once.",
        "share = grad_out / (k_h * k_w); for every r and c: grad[:, :, y : y + k_h, x : x + k_w] "
        "+= share[:, :, r : r + 1, c : c + 1], with y = r·s_h and x = c·s_w.",
    ),
)


# ── shift_sensitivity ───────────────────────────────────────────────────────────────────────────


def _to_the_right(x: Array, shift: int) -> Array:
    return np.roll(x, shift, axis=-1)


def _mean_change(op: Op, x: Array, shift: int) -> float:
    return float(np.abs(op(_to_the_right(x, shift)) - op(x)).mean())


def _sensitivity(
    op: Op,
    x: Array,
    max_shift: int,
    *,
    steps: Callable[[int], Sequence[int]] = lambda n: range(1, n + 1),
    move: Callable[[Array, int], Array] = _to_the_right,
    change: Callable[[Array], Any] = lambda d: np.abs(d).mean(),
    gather: Callable[[list[float]], Any] = np.mean,
    scale: Callable[[Op, Array], Any] = lambda op, x: np.abs(op(x)).mean(),
) -> float:
    """The sensitivity to shifts; the keywords are what a learner gets wrong."""
    before = op(x)
    changes = [float(change(op(move(x, s)) - before)) for s in steps(max_shift)]
    return float(gather(changes) / scale(op, x))


def _sensitivity_as(**part: Any) -> Callable[..., float]:
    return lambda op, x, max_shift: _sensitivity(op, x, max_shift, **part)


def _shifted_in(x: Array, shift: int) -> Array:
    """Shift and fill with zeros what a roll would bring in from the other side."""
    moved = _to_the_right(x, shift).copy()
    moved[..., :shift] = 0
    return moved


def _equivariance_instead(op: Op, x: Array, max_shift: int) -> float:
    before = op(x)
    changes = [
        np.abs(op(_to_the_right(x, s)) - _to_the_right(before, s)).mean()
        for s in range(1, max_shift + 1)
    ]
    return float(np.mean(changes) / np.abs(before).mean())


def _step_by_step(op: Op, x: Array, max_shift: int) -> float:
    """Each shift compared with the one before it."""
    outputs = [op(_to_the_right(x, s)) for s in range(max_shift + 1)]
    changes = [np.abs(outputs[s] - outputs[s - 1]).mean() for s in range(1, max_shift + 1)]
    return float(np.mean(changes) / np.abs(outputs[0]).mean())


def _by_its_own_output(op: Op, x: Array, max_shift: int) -> float:
    """Each change divided by the mean of the shifted output."""
    parts = [
        _mean_change(op, x, s) / np.abs(op(_to_the_right(x, s))).mean()
        for s in range(1, max_shift + 1)
    ]
    return float(np.mean(parts))


def _pixel_by_pixel_ratio(op: Op, x: Array, max_shift: int) -> float:
    before = op(x)
    ratios = [
        np.mean(np.abs(op(_to_the_right(x, s)) - before) / np.abs(before))
        for s in range(1, max_shift + 1)
    ]
    return float(np.mean(ratios))


def _sensitivity_by_slices(op: Op, x: Array, max_shift: int) -> float:
    before = np.asarray(op(x))
    total = 0.0
    for s in range(1, max_shift + 1):
        cut = x.shape[-1] - s % x.shape[-1]
        moved = np.concatenate([x[..., cut:], x[..., :cut]], axis=-1)
        total += float(np.sum(np.abs(op(moved) - before))) / before.size
    return total / max_shift / float(np.sum(np.abs(before)) / before.size)


def _sensitivity_stacked(op: Op, x: Array, max_shift: int) -> Any:
    outputs = np.stack([op(_to_the_right(x, s)) for s in range(max_shift + 1)])
    return np.abs(outputs[1:] - outputs[0]).mean() / np.abs(outputs[0]).mean()


def _position_weights(rng: np.random.Generator, *shape: int) -> Bound:
    """An operation that treats every position in its own way; no output of it is 0."""
    weights = rng.choice([-1.0, 1.0], shape) * (0.2 + 2 * rng.random(shape))
    return Bound("numpy:multiply", (np.round(weights, 2),))


def _shift_cases(rng: np.random.Generator) -> Iterator[Case]:
    def image(*shape: int) -> Array:
        signs = rng.choice([-1.0, 1.0], shape)
        return np.round(signs * (0.2 + 3 * rng.random(shape)), 2)

    largest = Bound("course_lib.ops:max_pool2d", kwargs={"kernel_size": 2})
    mean = Bound("course_lib.ops:avg_pool2d", kwargs={"kernel_size": (1, 2)})
    one = "a shift by one"
    for shape in ((1, 1, 1, 3), (1, 1, 2, 4), (1, 1, 4, 6)):
        yield Case(one, (_position_weights(rng, *shape), image(*shape), 1))
    yield Case(one, (largest, image(1, 1, 4, 6), 1), note="max pooling")
    several = "several shifts"
    yield Case(several, (_position_weights(rng, 1, 1, 2, 4), image(1, 1, 2, 4), 2))
    yield Case(several, (largest, image(1, 1, 4, 6), 3), note="max pooling")
    yield Case(several, (_position_weights(rng, 1, 1, 3, 5), image(1, 1, 3, 5), 4))
    many = "batches and channels"
    yield Case(many, (_position_weights(rng, 2, 1, 2, 3), image(2, 1, 2, 3), 2))
    yield Case(many, (mean, image(3, 2, 3, 6), 2), note="average pooling")
    yield Case(many, (_position_weights(rng, 2, 3, 3, 4), image(2, 3, 3, 4), 3))
    nothing = "zero where nothing changes"
    everywhere = Bound("course_lib.ops:global_avg_pool2d")
    yield Case(nothing, (everywhere, image(1, 2, 3, 4), 3), note="global average pooling")
    stripes = np.broadcast_to(image(1, 1, 4, 1), (1, 1, 4, 6)).copy()
    yield Case(nothing, (largest, stripes, 2), note="level stripes")


SHIFT_SENSITIVITY = FunctionExercise(
    name="shift_sensitivity",
    chapter="04",
    signature="shift_sensitivity(op, x, max_shift) -> float",
    aspects=(
        Aspect("a shift by one", 1),
        Aspect("several shifts", 1),
        Aspect("batches and channels", 1),
        Aspect("zero where nothing changes", 1, needs=("a shift by one",)),
    ),
    worked=(
        Case(
            "a shift by one",
            (
                Bound("course_lib.ops:max_pool2d", kwargs={"kernel_size": (1, 2)}),
                np.array([[[[1, 0, 0, 0]]]]),
                1,
            ),
            note="a bright pixel that stays in its window",
        ),
        Case(
            "several shifts",
            (
                Bound("course_lib.ops:max_pool2d", kwargs={"kernel_size": (1, 2)}),
                np.array([[[[1, 0, 0, 0]]]]),
                2,
            ),
            note="it leaves its window with the second shift",
        ),
    ),
    cases=_shift_cases,
    reference=shifts.shift_sensitivity,
    alternatives={
        "loops": _sensitivity_as(),
        "slices": _sensitivity_by_slices,
        "stacked": _sensitivity_stacked,
    },
    forbidden=("course_lib.shifts.shift_sensitivity",),
    misconceptions=(
        Misconception(
            "rolled_along_the_height",
            "Your image moves up and down: the width is the last axis.",
            _sensitivity_as(move=lambda x, s: np.roll(x, s, axis=-2)),
        ),
        Misconception(
            "rolled_flat",
            "Without an axis np.roll runs over the ends of the rows: what leaves a row on the "
            "right comes in on the left of the next.",
            _sensitivity_as(move=lambda x, s: np.roll(x, s)),
        ),
        Misconception(
            "to_the_left",
            "Your image moves to the left: positive shifts go to the right, as those of np.roll.",
            _sensitivity_as(move=lambda x, s: np.roll(x, -s, axis=-1)),
        ),
        Misconception(
            "zeros_shifted_in",
            "Zeros come in on your left side: roll the image, so that no pixel is lost.",
            _sensitivity_as(move=_shifted_in),
        ),
        Misconception(
            "rolled_back",
            "You roll the output along and compare then: that asks for equivariance. Here the "
            "question is how much the output changes.",
            _equivariance_instead,
        ),
        Misconception(
            "signed",
            "You average the changes with their signs, so that a rise and a fall cancel.",
            _sensitivity_as(change=np.mean),
        ),
        Misconception(
            "largest_change",
            "You take the largest change in the output: the mean is asked for.",
            _sensitivity_as(change=lambda d: np.abs(d).max()),
        ),
        Misconception(
            "squared",
            "You average squares: absolute changes are asked for.",
            _sensitivity_as(change=lambda d: np.sqrt((d**2).mean())),
        ),
        Misconception(
            "not_relative",
            "Your number doubles where the image is twice as bright: divide by the mean absolute "
            "output.",
            _sensitivity_as(scale=lambda op, x: 1.0),
        ),
        Misconception(
            "relative_to_the_input",
            "You divide by the mean of the input: how large the change is depends on the size of "
            "the output.",
            _sensitivity_as(scale=lambda op, x: np.abs(x).mean()),
        ),
        Misconception(
            "relative_to_the_signed_mean",
            "You divide by the mean of the output with its signs, which may be close to 0.",
            _sensitivity_as(scale=lambda op, x: op(x).mean()),
        ),
        Misconception(
            "relative_to_the_shifted",
            "You divide by the mean of the shifted output: that of the image as it was is asked "
            "for.",
            _by_its_own_output,
        ),
        Misconception(
            "relative_pixel_by_pixel",
            "You divide number by number: where the output is nearly 0 that says nothing. Take "
            "both means first.",
            _pixel_by_pixel_ratio,
        ),
        Misconception(
            "starts_at_no_shift",
            "Your shifts start at 0, where nothing changes: range(max_shift) is 0 … max_shift − 1.",
            _sensitivity_as(steps=lambda n: range(n)),
        ),
        Misconception(
            "stops_one_short",
            "range(1, max_shift) ends at max_shift − 1: the largest shift belongs to it.",
            _sensitivity_as(steps=lambda n: range(1, n)),
        ),
        Misconception(
            "counts_no_shift",
            "You average a shift of 0 in, where nothing changes.",
            _sensitivity_as(steps=lambda n: range(n + 1)),
        ),
        Misconception(
            "largest_shift_only",
            "You measure the largest shift only: average over all from 1 on.",
            _sensitivity_as(steps=lambda n: [n]),
        ),
        Misconception(
            "summed",
            "You add the shifts up: average over them.",
            _sensitivity_as(gather=np.sum),
        ),
        Misconception(
            "step_by_step",
            "You compare each shift with the one before: compare with the image as it was.",
            _step_by_step,
        ),
    ),
    hints=(
        "Three means are inside each other: over the output, over the shifts, and one of the "
        "output itself to divide by.",
        "np.roll(x, shift, axis=-1) moves every image to the right. Call op once on x, keep the "
        "result, and compare each shifted answer with it.",
        "changes = [np.abs(op(np.roll(x, s, axis=-1)) - before).mean() for s in range(1, max_shift "
        "+ 1)]; the answer is np.mean(changes) / np.abs(before).mean().",
    ),
)


# ── blur_pool2d ─────────────────────────────────────────────────────────────────────────────────

_BINOMIAL = np.outer([1, 2, 1], [1, 2, 1]) / 16


def _blur(
    x: Array, stride: int = 2, *, kernel: Array = _BINOMIAL, mode: str = "reflect", start: int = 0
) -> Array:
    """Blur in nine shifted slices, then keep every `stride`-th pixel from `start` on."""
    pad: Any = mode
    padded = np.pad(x.astype(float), ((0, 0), (0, 0), (1, 1), (1, 1)), mode=pad)
    height, width = x.shape[2:]
    out = np.zeros(x.shape)
    for i in range(3):
        for j in range(3):
            out += kernel[i, j] * padded[:, :, i : i + height, j : j + width]
    return out[:, :, start::stride, start::stride]


def _blur_as(**part: Any) -> Callable[..., Array]:
    return lambda x, stride=2: _blur(x, stride, **part)


def _blur_one_axis_after_the_other(x: Array, stride: int = 2) -> Array:
    """1 2 1 down, then 1 2 1 across; the border mirrored by index."""

    def mirrored(n: int) -> Array:
        return np.concatenate([[1], np.arange(n), [n - 2]])

    tall = x[:, :, mirrored(x.shape[2])]
    down = (tall[:, :, :-2] + 2 * tall[:, :, 1:-1] + tall[:, :, 2:]) / 4
    wide = down[:, :, :, mirrored(x.shape[3])]
    across = (wide[..., :-2] + 2 * wide[..., 1:-1] + wide[..., 2:]) / 4
    return np.asarray(across[:, :, ::stride, ::stride])


def _blur_by_matrices(x: Array, stride: int = 2) -> Array:
    """Blurring and skipping an axis is one matrix."""

    def axis(n: int) -> Array:
        matrix = np.zeros((n, n))
        for i in range(n):
            for step, weight in ((-1, 0.25), (0, 0.5), (1, 0.25)):
                place = abs(i + step)
                matrix[i, place if place < n else 2 * n - 2 - place] += weight
        return matrix[::stride]

    return np.asarray(axis(x.shape[2]) @ x @ axis(x.shape[3]).T)


def _blur_inside_only(x: Array, stride: int = 2) -> Array:
    return _blur(x, 1)[:, :, 1:-1, 1:-1][:, :, ::stride, ::stride]


def _skip_then_blur(x: Array, stride: int = 2) -> Array:
    small = x[:, :, ::stride, ::stride]
    pad: Any = "reflect" if min(small.shape[2:]) > 1 else "edge"
    return _blur(small, 1, mode=pad)


def _channels_added(x: Array, stride: int = 2) -> Array:
    blurred = _blur(x, stride)
    return np.broadcast_to(blurred.sum(axis=1, keepdims=True), blurred.shape).copy()


def _rest_dropped(x: Array, stride: int = 2) -> Array:
    height, width = x.shape[2] // stride, x.shape[3] // stride
    return _blur(x, stride)[:, :, :height, :width]


def _max_then_blur(x: Array, stride: int = 2) -> Array:
    padded = np.pad(x.astype(float), ((0, 0), (0, 0), (0, 1), (0, 1)), mode="edge")
    return _blur(_max_as()(padded, 2, 1), stride)


def _framed(rng: np.random.Generator, height: int, width: int) -> Array:
    """An image whose border, two pixels wide, is black: how it is padded makes no difference."""
    x = np.zeros((1, 1, height, width))
    x[:, :, 2:-2, 2:-2] = reals(rng, 1, 1, height - 4, width - 4)
    return x


def _blur_cases(rng: np.random.Generator) -> Iterator[Case]:
    border = "the border"
    yield Case(border, (reals(rng, 1, 1, 2, 2), 1))
    yield Case(border, (_whole(rng, 1, 1, 3, 4), 1))
    yield Case(border, (reals(rng, 1, 1, 4, 3), 1))
    blur = "the blur"
    for height, width in ((5, 5), (5, 6), (7, 6)):
        yield Case(blur, (_framed(rng, height, width), 1), note="a black frame around")
    step = "stride"
    yield Case(step, (reals(rng, 1, 1, 4, 6),))
    yield Case(step, (reals(rng, 1, 1, 5, 7),), {"stride": 2}, note="an odd size")
    yield Case(step, (reals(rng, 1, 1, 7, 8),), {"stride": np.int64(3)})
    yield Case(step, (reals(rng, 1, 1, 8, 5), 4))
    many = "batches and channels"
    yield Case(many, (reals(rng, 1, 3, 4, 2),))
    yield Case(many, (reals(rng, 2, 1, 3, 5),))
    yield Case(many, (reals(rng, 2, 4, 6, 5), 1))


_LINE = np.zeros((1, 1, 3, 4))
_LINE[..., 1] = 16.0
_SPOT = np.zeros((1, 1, 5, 5))
_SPOT[..., 2, 2] = 16.0

BLUR_POOL2D = FunctionExercise(
    name="blur_pool2d",
    chapter="04",
    signature="blur_pool2d(x, stride=2) -> array",
    aspects=(
        Aspect("the blur", 1),
        Aspect("the border", 1),
        Aspect("stride", 1),
        Aspect("batches and channels", 1),
    ),
    worked=(
        Case("the blur", (_SPOT, 1), note="one bright pixel"),
        Case("stride", (_LINE,), note="a line in a column that is skipped"),
    ),
    cases=_blur_cases,
    reference=ops.blur_pool2d,
    alternatives={
        "shifted slices": _blur,
        "one axis after the other": _blur_one_axis_after_the_other,
        "matrices": _blur_by_matrices,
    },
    misconceptions=(
        Misconception(
            "not_normalised",
            "A flat area comes out 16 times as bright: the weights must add up to 1.",
            _blur_as(kernel=16 * _BINOMIAL),
        ),
        Misconception(
            "box",
            "All your nine weights are equal: the binomial kernel gives more to the middle.",
            _blur_as(kernel=np.full((3, 3), 1 / 9)),
        ),
        Misconception(
            "plus",
            "Your blur leaves the corners of the window out.",
            _blur_as(kernel=np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 8),
        ),
        Misconception(
            "down_only",
            "You blur down the columns and not along the rows.",
            _blur_as(kernel=np.outer([1, 2, 1], [0, 1, 0]) / 4),
        ),
        Misconception(
            "across_only",
            "You blur along the rows and not down the columns.",
            _blur_as(kernel=np.outer([0, 1, 0], [1, 2, 1]) / 4),
        ),
        Misconception(
            "no_blur",
            "You skip without blurring first: what stands between the pixels that you keep is "
            "lost.",
            lambda x, stride=2: x[:, :, ::stride, ::stride],
        ),
        Misconception(
            "zero_border",
            "Your border is darker than the image: reflect the image there, zeros have no place "
            "in it.",
            _blur_as(mode="constant"),
        ),
        Misconception(
            "border_repeated",
            "You repeat the outermost pixels: reflecting mirrors the image at them, so that the "
            "second pixel stands outside.",
            _blur_as(mode="edge"),
        ),
        Misconception(
            "circular_border",
            "Your border brings in the opposite side: reflect the image.",
            _blur_as(mode="wrap"),
        ),
        Misconception(
            "no_border",
            "Without padding your output starts one pixel inside the image.",
            _blur_inside_only,
        ),
        Misconception(
            "stride_ignored",
            "You keep every pixel: keep every stride-th.",
            lambda x, stride=2: _blur(x, 1),
        ),
        Misconception(
            "stride_always_two",
            "You keep every second pixel whatever the stride.",
            lambda x, stride=2: _blur(x, 2),
        ),
        Misconception(
            "starts_late",
            "You skip the first pixel: keep pixels 0, stride, 2·stride and so on.",
            lambda x, stride=2: _blur(x, stride, start=stride - 1),
        ),
        Misconception(
            "skips_first",
            "You skip first and blur what is left: then what you skipped is lost before the blur.",
            _skip_then_blur,
        ),
        Misconception(
            "rest_dropped",
            "Where the stride does not divide the size your last row or column is missing.",
            _rest_dropped,
        ),
        Misconception(
            "channels_added",
            "You add the channels up: each is blurred by itself.",
            _channels_added,
        ),
        Misconception(
            "maximum_first",
            "You take a maximum before the blur: that is a layer of its own, blur x itself.",
            _max_then_blur,
        ),
        Misconception(
            "integers_only",
            "Your output has the image's integer type, which cuts off the decimals.",
            lambda x, stride=2: _blur(x, stride).astype(x.dtype),
        ),
    ),
    forbidden=("course_lib.ops.blur_pool2d",),
    hints=(
        "Two steps: a convolution of every channel with one fixed kernel, with as many outputs as "
        "pixels, then a slice with a step.",
        "np.outer([1, 2, 1], [1, 2, 1]) is the kernel, but for what it must be divided by. "
        'ops.pad2d(x, 1, mode="reflect") pads the last two axes.',
        "Add nine shifted slices: out += kernel[i, j] * padded[:, :, i : i + H, j : j + W]; return "
        "out[:, :, ::stride, ::stride].",
    ),
)


# ── global_avg_pool2d ───────────────────────────────────────────────────────────────────────────


def _global_by_loops(x: Array) -> Array:
    n, c, height, width = x.shape
    out = np.zeros((n, c))
    for place in np.ndindex(n, c):
        out[place] = sum(float(v) for v in x[place].ravel()) / (height * width)
    return out


def _global_cases(rng: np.random.Generator) -> Iterator[Case]:
    one = "one map"
    yield Case(one, (_whole(rng, 1, 1, 1, 3),), note="one row")
    yield Case(one, (np.array([[[[2, 3], [3, 3]]]]) - int(rng.integers(0, 6)),))
    yield Case(one, (reals(rng, 1, 1, 4, 2),))
    yield Case(one, (reals(rng, 1, 1, 5, 7).astype(np.float32),))
    many = "batches and channels"
    yield Case(many, (reals(rng, 1, 3, 2, 2),))
    yield Case(many, (reals(rng, 3, 1, 2, 4),))
    yield Case(many, (reals(rng, 2, 5, 4, 3),))
    yield Case(many, (reals(rng, 4, 2, 3, 7),))


GLOBAL_AVG_POOL2D = FunctionExercise(
    name="global_avg_pool2d",
    chapter="04",
    signature="global_avg_pool2d(x) -> (N, C)",
    aspects=(Aspect("one map", 1), Aspect("batches and channels", 1)),
    worked=(
        Case("one map", (FOUR,)),
        Case("batches and channels", (np.array([[[[1, 2]], [[3, 6]]]]),)),
    ),
    cases=_global_cases,
    reference=ops.global_avg_pool2d,
    alternatives={
        "loops": _global_by_loops,
        "flattened": lambda x: x.reshape(*x.shape[:2], -1).mean(axis=2),
        "einsum": lambda x: np.einsum("nchw->nc", x) / (x.shape[2] * x.shape[3]),
    },
    misconceptions=(
        Misconception(
            "axes_kept",
            "Your answer has four axes, two of them of length 1: (N, C) is asked for.",
            lambda x: x.mean(axis=(2, 3), keepdims=True),
        ),
        Misconception(
            "maximum",
            "You keep the largest of each map: its mean is asked for.",
            lambda x: x.max(axis=(2, 3)),
        ),
        Misconception(
            "sum",
            "You add each map up and do not divide.",
            lambda x: x.sum(axis=(2, 3)),
        ),
        Misconception(
            "over_channels",
            "You average over the channels: each channel has a mean of its own.",
            lambda x: x.mean(axis=1),
        ),
        Misconception(
            "channels_last",
            "You average as if the channels came last: here the axes are (N, C, H, W).",
            lambda x: x.mean(axis=(1, 2)),
        ),
        Misconception(
            "one_axis",
            "You average over the rows only: height and width both go.",
            lambda x: x.mean(axis=2),
        ),
        Misconception(
            "columns_only",
            "You average over the columns only: height and width both go.",
            lambda x: x.mean(axis=3),
        ),
        Misconception(
            "images_mixed",
            "You average over the images of the batch too: each has its own numbers.",
            lambda x: x.mean(axis=(0, 2, 3)),
        ),
        Misconception(
            "channels_too",
            "You average all channels of an image into one number.",
            lambda x: x.mean(axis=(1, 2, 3)),
        ),
        Misconception(
            "everything",
            "You average the whole array into one number.",
            lambda x: x.mean(),
        ),
        Misconception(
            "square_map",
            "You divide by the square of the height: a map may be wider than high.",
            lambda x: x.sum(axis=(2, 3)) / x.shape[2] ** 2,
        ),
        Misconception(
            "divided_by_everything",
            "You divide by the size of the whole array: a map has H·W pixels.",
            lambda x: x.sum(axis=(2, 3)) / x.size,
        ),
        Misconception(
            "rounds_down",
            "You divide with `//`, which throws decimals away.",
            lambda x: x.sum(axis=(2, 3)) // (x.shape[2] * x.shape[3]),
        ),
        Misconception(
            "median",
            "You take the middle value of each map: the mean is asked for.",
            lambda x: np.median(x, axis=(2, 3)),
        ),
    ),
    forbidden=(
        "course_lib.ops.global_avg_pool2d",
        "course_lib.ops.avg_pool2d",
        "torch.nn.functional.adaptive_avg_pool2d",
        "torch.nn.AdaptiveAvgPool2d",  # for one place, torch takes a mean
        "torch:aten._adaptive_avg_pool2d",
        "torch:aten.avg_pool2d",
    ),
    hints=(
        "How many numbers come out? One for each image and channel, so two of the four axes go.",
        "x.mean can be told over which axes: a tuple.",
        "x.mean(axis=(2, 3))",
    ),
)


# ── head_params ─────────────────────────────────────────────────────────────────────────────────


def _head(channels: int, height: int, width: int, n_classes: int, head: str) -> int:
    if head == "gap":
        return channels * n_classes + n_classes
    return channels * height * width * n_classes + n_classes


def _head_counted(channels: int, height: int, width: int, n_classes: int, head: str) -> int:
    inputs = {"flatten": channels * height * width, "gap": channels}[head]
    weights = np.broadcast_to(np.int8(0), (n_classes, inputs))  # no memory behind it
    return weights.size + n_classes


def _head_per_class(channels: int, height: int, width: int, n_classes: int, head: str) -> int:
    one = 1 + channels * (height * width if head == "flatten" else 1)
    return sum(one for _ in range(n_classes))


def _head_as(
    flatten: Callable[[int, int, int, int], Any] | None = None,
    gap: Callable[[int, int, int, int], Any] | None = None,
) -> Callable[..., Any]:
    def count(channels: int, height: int, width: int, n_classes: int, head: str) -> Any:
        own = flatten if head == "flatten" else gap
        if own is None:
            return _head(channels, height, width, n_classes, head)
        return own(channels, height, width, n_classes)

    return count


def _head_cases(rng: np.random.Generator) -> Iterator[Case]:
    def sizes(low: int, high: int) -> tuple[int, int, int, int]:
        channels, height, width, n_classes = (
            int(n) for n in rng.choice(np.arange(low, high), 4, replace=False)
        )
        return channels, height, width, n_classes

    for low, high in ((2, 8), (5, 20), (10, 600)):
        yield Case("flatten", (*sizes(low, high), "flatten"))
        yield Case("gap", (*sizes(low, high), "gap"))
    yield Case("flatten", (*sizes(3, 40), "flatten"))
    yield Case("gap", (*sizes(3, 40), "gap"))


HEAD_PARAMS = FunctionExercise(
    name="head_params",
    chapter="04",
    signature="head_params(channels, height, width, n_classes, head) -> int",
    aspects=(Aspect("flatten", 1), Aspect("gap", 1)),
    worked=(
        Case("flatten", (512, 7, 7, 1000, "flatten")),
        Case("gap", (512, 7, 7, 1000, "gap")),
    ),
    cases=_head_cases,
    reference=_head,
    alternatives={"counted": _head_counted, "a class at a time": _head_per_class},
    misconceptions=(
        Misconception(
            "no_bias",
            "You left the biases out: each class has one.",
            _head_as(lambda c, h, w, n: c * h * w * n, lambda c, h, w, n: c * n),
        ),
        Misconception(
            "one_bias",
            "You count one bias for all: each class has its own.",
            _head_as(lambda c, h, w, n: c * h * w * n + 1, lambda c, h, w, n: c * n + 1),
        ),
        Misconception(
            "bias_per_input",
            "You count a bias for each input: there is one for each output.",
            _head_as(lambda c, h, w, n: c * h * w * (n + 1), lambda c, h, w, n: c * (n + 1)),
        ),
        Misconception(
            "bias_with_flatten_only",
            "Your gap head has no bias: the linear layer after the pooling is one like any other.",
            _head_as(gap=lambda c, h, w, n: c * n),
        ),
        Misconception(
            "bias_with_gap_only",
            "Your flatten head has no bias.",
            _head_as(flatten=lambda c, h, w, n: c * h * w * n),
        ),
        Misconception(
            "gap_keeps_positions",
            "Your two heads cost the same: how many numbers are left of a map after its average?",
            _head_as(gap=lambda c, h, w, n: c * h * w * n + n),
        ),
        Misconception(
            "flatten_forgets_positions",
            "Your two heads cost the same: flattening keeps every pixel of every map.",
            _head_as(flatten=lambda c, h, w, n: c * n + n),
        ),
        Misconception(
            "swapped",
            "You have the two heads in each other's place.",
            _head_as(lambda c, h, w, n: c * n + n, lambda c, h, w, n: c * h * w * n + n),
        ),
        Misconception(
            "flatten_forgets_channels",
            "You flatten one map: all channels are flattened.",
            _head_as(flatten=lambda c, h, w, n: h * w * n + n),
        ),
        Misconception(
            "square_maps",
            "You take the height for the width too.",
            _head_as(flatten=lambda c, h, w, n: c * h * h * n + n),
        ),
        Misconception(
            "height_only",
            "You flatten one column of each map: its width belongs to it, too.",
            _head_as(flatten=lambda c, h, w, n: c * h * n + n),
        ),
        Misconception(
            "pooling_with_weights",
            "You count weights for the pooling: a mean has nothing to learn.",
            _head_as(gap=lambda c, h, w, n: c * h * w + c * n + n),
        ),
        Misconception(
            "nothing_to_learn",
            "Only the pooling has nothing to learn; a linear layer follows it.",
            _head_as(gap=lambda c, h, w, n: 0),
        ),
        Misconception(
            "averaged_into_one",
            "You average all channels into one number: each keeps its own mean.",
            _head_as(gap=lambda c, h, w, n: n + n),
        ),
        Misconception(
            "added",
            "Inputs and outputs are all connected: multiply, do not add.",
            _head_as(lambda c, h, w, n: c * h * w + n, lambda c, h, w, n: c + n),
        ),
    ),
    forbidden=tuple(
        f"course_lib.cost.{name}" for name in ("fc_params", "conv_params", "conv_cost")
    ),
    hints=(
        "Both heads end in one linear layer, chapter 01's: inputs × outputs weights, and a bias "
        "for each output. Only the number of inputs differs.",
        "Flattening hands on every pixel of every map, the average one number for each map.",
        'inputs = channels if head == "gap" else channels * height * width; the answer is (inputs '
        "+ 1) * n_classes.",
    ),
)


# ── quiz_04 ─────────────────────────────────────────────────────────────────────────────────────

Wrong = dict[str, tuple[int | float | str, str]]


def _ask_pooled(rng: np.random.Generator) -> Asked:
    values = rng.choice(np.arange(-30, 0), 16, replace=False).reshape(4, 4)
    blocks = values.reshape(2, 2, 2, 2)
    largest = blocks.max(axis=(1, 3))
    right = int(largest.sum())
    rows = " / ".join(" ".join(str(v) for v in row) for row in values.tolist()).replace("-", "−")
    return Asked(
        f"Max pooling with a 2×2 window, no padding: the image has the rows {rows}. "
        "What do the four outputs add up to?",
        right,
        f"The outputs are {', '.join(str(v) for v in largest.ravel())}".replace("-", "−"),
        wrong=distinct(
            right,
            {
                "magnitude": (
                    int(blocks.min(axis=(1, 3)).sum()),
                    "Of negative numbers the largest is the one nearest to 0.",
                ),
                "zeros": (0, "There is no padding, and no 0 in the image: what is the largest?"),
                "stride_of_one": (
                    int(sliding_window_view(values, (2, 2)).max(axis=(2, 3)).sum()),
                    "Without a stride pooling windows stand side by side: four of them.",
                ),
            },
        ),
    )


def _ask_size(rng: np.random.Generator) -> Asked:
    n = 2 * int(rng.integers(12, 60)) + int(rng.integers(0, 2))
    right = (n - 3) // 2 + 1
    return Asked(
        f"AlexNet pools with 3×3 windows at stride 2, without padding. How wide is its output for "
        f"a map {n} wide?",
        right,
        f"⌊({n} − 3) / 2⌋ + 1 = ⌊{(n - 3) / 2:g}⌋ + 1 = {right}",
        wrong=distinct(
            right,
            {
                "window_as_stride": (
                    n // 3,
                    "So many windows stand side by side; these are two pixels apart and overlap.",
                ),
                "halved": (
                    n // 2,
                    "Half as many, nearly: the last window needs three pixels.",
                ),
                "first_window_forgotten": (
                    right - 1,
                    "You counted the steps: there is one more window than steps.",
                ),
            },
        ),
    )


def _ask_learned(rng: np.random.Generator) -> Asked:
    channels = int(rng.choice([16, 24, 32, 48, 64, 96]))
    kernel = int(rng.choice([2, 3]))
    right = (kernel * kernel * channels + 1) * channels
    return Asked(
        f"You replace a {kernel}×{kernel} max pooling at stride 2 by a {kernel}×{kernel} "
        f"convolution at stride 2 with bias, from {channels} channels to {channels}. How many "
        "parameters does that add to the network?",
        right,
        f"({kernel}·{kernel}·{channels} + 1)·{channels} = {right:,}, and the pooling had none",
        wrong=distinct(
            right,
            {
                "no_bias": (right - channels, "Each output channel has a bias."),
                "one_map": (
                    (kernel * kernel + 1) * channels,
                    "Each kernel goes through all input channels.",
                ),
                "pooling_counted": (
                    right - kernel * kernel,
                    "You took something off for the pooling: it has nothing to learn.",
                ),
            },
        ),
    )


def _ask_gradient(rng: np.random.Generator) -> Asked:
    low = [int(v) for v in rng.choice(np.arange(1, 6), 4, replace=False)]
    top = int(rng.integers(6, 10))
    first, second = (int(v) for v in rng.choice(np.arange(2, 20), 2, replace=False))
    row = [low[0], low[1], top, low[2], low[3]]
    return Asked(
        f"Max pooling on the row {' '.join(map(str, row))}, windows of 3 pixels, stride 2. The "
        f"gradients {first} and {second} arrive at its two outputs. What is the gradient of the "
        f"pixel in the middle, the {top}?",
        first + second,
        f"It lies in both windows and wins both: {first} + {second}",
        wrong=distinct(
            first + second,
            {
                "last_only": (second, "The first window counts as well: it wins both."),
                "first_only": (first, "The second window counts as well: it wins both."),
                "zero": (0, "It is the largest of its windows."),
                "times_value": (
                    (first + second) * top,
                    "The output is the value itself: it grows by 1 when the pixel grows by 1.",
                ),
            },
        ),
    )


def _ask_head(rng: np.random.Generator) -> Asked:
    channels = int(rng.choice([128, 256, 512, 1024]))
    side, n_classes = int(rng.integers(5, 13)), int(rng.choice([10, 20, 50, 100]))
    flatten, gap = _head(channels, side, side, n_classes, "flatten"), (channels + 1) * n_classes
    right = flatten - gap
    return Asked(
        f"The last maps of a network are {channels}×{side}×{side}. One head flattens them, another "
        f"takes their global averages; in both, one linear layer with bias follows, to {n_classes} "
        "classes. How many parameters does the second head save?",
        right,
        f"{channels}·{side}·{side}·{n_classes} − {channels}·{n_classes} = {right:,}; the biases "
        "are the same",
        wrong=distinct(
            right,
            {
                "whole_head": (
                    flatten,
                    "So many parameters has the first head; the second has some, too.",
                ),
                "what_is_left": (gap, "So many are left: how many are saved?"),
                "biases": (
                    right + n_classes,
                    "The second head's linear layer has biases as well.",
                ),
            },
        ),
    )


def _ask_any_size(rng: np.random.Generator) -> Asked:
    small = 32 * int(rng.integers(4, 8))
    large = small + 32 * int(rng.integers(1, 5))
    options, letter, wrong = choices(
        rng,
        "the one with the global average runs as it is, the one that flattens does not",
        {
            "both": (
                "both run as they are",
                "A linear layer has a weight for each of its inputs: how many are there after "
                "flattening?",
            ),
            "neither": (
                "neither runs",
                "Convolutions and averages take any size: which layer counts its inputs?",
            ),
            "reversed": (
                "the one that flattens runs as it is, the one with the global average does not",
                "How many numbers does each head hand to its linear layer?",
            ),
        },
    )
    return Asked(
        f"Two networks were trained on {small}×{small} images. Both are convolutions and poolings "
        "with a head of one linear layer; one flattens before it, the other takes the global "
        f"average. What happens with an image of {large}×{large}?",
        letter,
        "The average of a map is one number, whatever the map's size",
        options,
        wrong,
    )


def _ask_alias(rng: np.random.Generator) -> Asked:
    low = int(rng.integers(1, 10))
    high = low + 2 * int(rng.integers(2, 10))
    right = (low + high) // 2
    return Asked(
        f"A long row of pixels alternates: {low}, {high}, {low}, {high} … Blur it with the weights "
        "1 2 1, divided by 4, then keep every second pixel. Far from the border, all that you keep "
        "has one value: which?",
        right,
        f"({low} + 2·{high} + {low}) / 4 = ({high} + 2·{low} + {high}) / 4 = {right}: the same, "
        "wherever you start",
        wrong=distinct(
            right,
            {
                "not_blurred": (
                    low,
                    "Without the blur you keep that, or the other value after a shift by one.",
                ),
                "not_blurred_shifted": (
                    high,
                    "Without the blur you keep that, or the other value after a shift by one.",
                ),
                "not_divided": (4 * right, "Divide by the sum of the weights."),
            },
        ),
    )


QUIZ = QuestionExercise(
    name="quiz_04",
    chapter="04",
    questions=(
        Question("pooled", _ask_pooled),
        Question("size", _ask_size),
        Question("learned", _ask_learned),
        Question("gradient", _ask_gradient),
        Question("head", _ask_head),
        Question("any_size", _ask_any_size),
        Question("alias", _ask_alias),
    ),
    hints=(
        "Write the windows out: the first four questions need no more than a pencil.",
        "The functions of this chapter are allowed: compute with them.",
    ),
)

EXERCISES = (
    MAX_POOL2D,
    AVG_POOL2D,
    MAX_POOL2D_BACKWARD,
    AVG_POOL2D_BACKWARD,
    SHIFT_SENSITIVITY,
    BLUR_POOL2D,
    GLOBAL_AVG_POOL2D,
    HEAD_PARAMS,
    QUIZ,
)
