"""The exercises of chapter 09: making maps larger, looking back in time, and labels for pixels.

The references are written out below, each from the parts that a learner may get wrong, so that a
mistake is the same function or network with one part exchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from autograder.exercise import (
    Asked,
    Aspect,
    Case,
    FunctionExercise,
    Misconception,
    ModuleExercise,
    Question,
    QuestionExercise,
    TrainedExercise,
    choices,
)
from autograder.exercises.parts import Array, batch_of, distinct, hw, python_ints_only, reals, wh
from course_lib import data, geometry, ops
from course_lib.masks import iou as _iou
from course_lib.masks import mean_iou

# The example of the text: two pixels, a kernel of 2×2.
PIXELS = np.array([[[[1, 10]]]])
STAMP = np.array([[[[1, 2], [3, 4]]]])


SCIPY_CONVOLUTIONS = (
    "scipy.signal.convolve",
    "scipy.signal.convolve2d",
    "scipy.signal.correlate",
    "scipy.signal.correlate2d",
    "scipy.signal.fftconvolve",
    "scipy.signal.oaconvolve",
    "scipy.signal.lfilter",
    "scipy.signal.upfirdn",
    "scipy.ndimage.convolve",
    "scipy.ndimage.convolve1d",
    "scipy.ndimage.correlate",
    "scipy.ndimage.correlate1d",
)


# ── transposed_conv2d ───────────────────────────────────────────────────────────────────────────


def _cropped(full: Array, padding: tuple[int, int], extra: tuple[int, int]) -> Array:
    """`padding` off all sides of what was stamped, `extra` more rows and columns at the end."""
    (p_h, p_w), (e_h, e_w) = padding, extra
    wide = np.pad(full, ((0, 0), (0, 0), (0, e_h), (0, e_w)))
    return wide[:, :, p_h : wide.shape[2] - p_h, p_w : wide.shape[3] - p_w]


def _zeros_after(full: Array, padding: tuple[int, int], extra: tuple[int, int]) -> Array:
    cut = _cropped(full, padding, (0, 0))
    return np.pad(cut, ((0, 0), (0, 0), (0, extra[0]), (0, extra[1])))


def _extra_before(full: Array, padding: tuple[int, int], extra: tuple[int, int]) -> Array:
    wide = np.pad(full, ((0, 0), (0, 0), (extra[0], 0), (extra[1], 0)))
    (p_h, p_w) = padding
    return wide[:, :, p_h : wide.shape[2] - p_h, p_w : wide.shape[3] - p_w]


def _no_extra(full: Array, padding: tuple[int, int], extra: tuple[int, int]) -> Array:
    return _cropped(full, padding, (0, 0))


def _not_cropped(full: Array, padding: tuple[int, int], extra: tuple[int, int]) -> Array:
    return _cropped(full, (0, 0), extra)


def _cropped_at_the_start(full: Array, padding: tuple[int, int], extra: tuple[int, int]) -> Array:
    wide = np.pad(full, ((0, 0), (0, 0), (0, extra[0]), (0, extra[1])))
    return wide[:, :, padding[0] :, padding[1] :]


def _put_around(full: Array, padding: tuple[int, int], extra: tuple[int, int]) -> Array:
    (p_h, p_w), (e_h, e_w) = padding, extra
    return np.pad(full, ((0, 0), (0, 0), (p_h, p_h + e_h), (p_w, p_w + e_w)))


def _sliced_to_minus_zero(full: Array, padding: tuple[int, int], extra: tuple[int, int]) -> Array:
    """The slice p:-p, which is empty where p is 0."""
    wide = np.pad(full, ((0, 0), (0, 0), (0, extra[0]), (0, extra[1])))
    return wide[:, :, padding[0] : -padding[0], padding[1] : -padding[1]]


def _within_the_canvas(full: Array, padding: tuple[int, int], extra: tuple[int, int]) -> Array:
    """Fewer rows cut off at the end: none are there to keep where nothing was cut off."""
    (p_h, p_w), (e_h, e_w) = padding, extra
    return full[:, :, p_h : full.shape[2] - p_h + e_h, p_w : full.shape[3] - p_w + e_w]


def _stamped(x: Array, weight: Array, steps: tuple[int, int], overwrite: bool = False) -> Array:
    """Every pixel's stamp, before anything is cut off: (N, C_out, (H−1)s + K_h, (W−1)s + K_w)."""
    n, _, height, width = x.shape
    (s_h, s_w), (k_h, k_w) = steps, weight.shape[2:]
    out = np.zeros((n, weight.shape[1], (height - 1) * s_h + k_h, (width - 1) * s_w + k_w))
    for row in range(height):
        for column in range(width):
            stamp = np.einsum("nc,cokl->nokl", x[:, :, row, column], weight)
            place = (
                slice(None),
                slice(None),
                slice(row * s_h, row * s_h + k_h),
                slice(column * s_w, column * s_w + k_w),
            )
            if overwrite:
                out[place] = stamp
            else:
                out[place] += stamp
    return out


def _transposed_as(
    *,
    kernel: Callable[[Array], Array] = lambda weight: weight,
    pixels: Callable[[Array], Array] = lambda x: x,
    overwrite: bool = False,
    steps: Callable[[tuple[int, int]], tuple[int, int]] = lambda stride: stride,
    border: Callable[[Array, tuple[int, int], tuple[int, int]], Array] = _cropped,
    read: Callable[[Any], tuple[int, int]] = hw,
    read_stride: Callable[[Any], tuple[int, int]] | None = None,
) -> Callable[..., Array]:
    """Stamping that is right but for the parts that are given."""

    def transposed(
        x: Array, weight: Array, stride: Any = 1, padding: Any = 0, output_padding: Any = 0
    ) -> Array:
        strides = steps((read_stride or read)(stride))
        full = _stamped(pixels(np.asarray(x)), kernel(np.asarray(weight)), strides, overwrite)
        return border(full, read(padding), read(output_padding))

    return transposed


def _transposed_reference(
    x: Array, weight: Array, stride: Any = 1, padding: Any = 0, output_padding: Any = 0
) -> Array:
    return ops.conv_transpose2d(x, weight, None, stride, padding, output_padding)


def _between_zeros(
    x: Array, weight: Array, stride: Any = 1, padding: Any = 0, output_padding: Any = 0
) -> Array:
    """Zeros between the pixels, then an ordinary convolution with the kernel turned round."""
    (s_h, s_w), (p_h, p_w), (e_h, e_w) = hw(stride), hw(padding), hw(output_padding)
    n, c_in, height, width = x.shape
    k_h, k_w = weight.shape[2:]
    spread = np.zeros((n, c_in, (height - 1) * s_h + 1 + e_h, (width - 1) * s_w + 1 + e_w))
    spread[:, :, : (height - 1) * s_h + 1 : s_h, : (width - 1) * s_w + 1 : s_w] = x
    wide = np.pad(spread, ((0, 0), (0, 0), (k_h - 1, k_h - 1), (k_w - 1, k_w - 1)))
    windows = np.lib.stride_tricks.sliding_window_view(wide, (k_h, k_w), axis=(2, 3))
    out = np.einsum("nchwkl,cokl->nohw", windows, weight[:, :, ::-1, ::-1])
    return np.asarray(out[:, :, p_h : out.shape[2] - p_h, p_w : out.shape[3] - p_w])


def _tap_by_tap(
    x: Array, weight: Array, stride: Any = 1, padding: Any = 0, output_padding: Any = 0
) -> Array:
    """For each tap of the kernel, the whole image at once."""
    (s_h, s_w), (p_h, p_w), (e_h, e_w) = hw(stride), hw(padding), hw(output_padding)
    n, _, height, width = x.shape
    k_h, k_w = weight.shape[2:]
    tall, long = (height - 1) * s_h + k_h + e_h, (width - 1) * s_w + k_w + e_w
    out = np.zeros((n, weight.shape[1], tall, long))
    for r, c in np.ndindex(k_h, k_w):
        part = out[:, :, r : r + (height - 1) * s_h + 1 : s_h, c : c + (width - 1) * s_w + 1 : s_w]
        part += np.tensordot(x, weight[:, :, r, c], ([1], [0])).transpose(0, 3, 1, 2)
    return out[:, :, p_h : tall - p_h, p_w : long - p_w]


def _ordinary(
    x: Array, weight: Array, stride: Any = 1, padding: Any = 0, output_padding: Any = 0
) -> Array:
    """A convolution as in chapter 03: windows over the padded input."""
    (s_h, s_w), (p_h, p_w) = hw(stride), hw(padding)
    k_h, k_w = weight.shape[2:]
    wide = np.pad(x, ((0, 0), (0, 0), (p_h, p_h), (p_w, p_w)))
    rows, columns = (wide.shape[2] - k_h) // s_h + 1, (wide.shape[3] - k_w) // s_w + 1
    out = np.zeros((len(x), weight.shape[1], rows, columns))
    for r, c in np.ndindex(rows, columns):
        window = wide[:, :, r * s_h : r * s_h + k_h, c * s_w : c * s_w + k_w]
        out[:, :, r, c] = np.einsum("nckl,cokl->no", window, weight)
    return out


def _first_channel_only(x: Array) -> Array:
    kept = np.zeros(x.shape)
    kept[:, :1] = x[:, :1]
    return kept


def _first_image_only(x: Array) -> Array:
    return np.broadcast_to(x[:1], x.shape)


def _axes_exchanged(weight: Array) -> Array:
    """Read as (C_out, C_in, K, K); where the numbers of channels agree, nothing complains."""
    return weight.transpose(1, 0, 2, 3)


def _transposed_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(
        aspect: str, x: tuple[int, ...], maps: int, kernel: tuple[int, int], **sizes: Any
    ) -> Case:
        return Case(aspect, (reals(rng, *x), reals(rng, x[1], maps, *kernel)), sizes)

    one, step, many = "one stamp beside the other", "stride", "channels and batch"
    crop, more = "padding", "output_padding"
    # Two cases early on that tell most mistakes apart: a diagnosis need not look further.
    yield case(more, (2, 2, 3, 2), 3, (3, 4), stride=(2, 3), padding=(1, 0), output_padding=(1, 2))
    yield case(crop, (1, 2, 2, 3), 2, (4, 3), stride=(3, 2), padding=(1, 1))
    yield case(one, (1, 1, 1, 1), 1, (2, 3))
    yield case(one, (1, 1, 1, 3), 1, (1, 2))
    yield case(one, (1, 1, 2, 3), 1, (2, 2))
    yield case(one, (1, 1, 3, 2), 1, (3, 2))
    yield case(step, (1, 1, 1, 3), 1, (1, 3), stride=2)
    yield case(step, (1, 1, 2, 2), 1, (2, 2), stride=2)
    yield case(step, (1, 1, 3, 2), 1, (3, 2), stride=(2, 3))
    yield case(step, (1, 1, 2, 3), 1, (2, 1), stride=[3, 2])
    yield case(step, (1, 1, 2, 2), 1, (3, 2), stride=np.int64(2))
    yield case(many, (1, 2, 1, 2), 1, (1, 2))
    yield case(many, (1, 1, 2, 2), 3, (2, 1))
    yield case(many, (1, 2, 2, 2), 2, (2, 2), stride=2)
    yield case(many, (2, 3, 2, 1), 2, (1, 3), stride=2)
    yield case(many, (3, 1, 1, 2), 2, (2, 2))
    yield case(crop, (1, 1, 3, 3), 1, (3, 3), stride=2, padding=1)
    yield case(crop, (1, 1, 3, 2), 1, (2, 3), padding=(0, 1))
    yield case(crop, (2, 2, 2, 3), 1, (3, 2), stride=2, padding=[1, 0])
    yield case(more, (1, 1, 2, 2), 1, (3, 3), stride=2, padding=1, output_padding=1)
    yield case(more, (1, 1, 2, 3), 1, (2, 2), stride=3, output_padding=(0, 2))
    yield case(more, (1, 2, 2, 2), 2, (3, 4), stride=(2, 3), padding=1, output_padding=(1, 0))


TRANSPOSED_CONV2D = FunctionExercise(
    name="transposed_conv2d",
    chapter="09",
    signature="transposed_conv2d(x, weight, stride=1, padding=0, output_padding=0) -> array",
    aspects=(
        Aspect("one stamp beside the other", 2),
        Aspect("stride", 1),
        Aspect("channels and batch", 1),
        Aspect("padding", 1),
        Aspect("output_padding", 1),
    ),
    worked=(
        Case("one stamp beside the other", (PIXELS, STAMP), note="two pixels, the stamps overlap"),
        Case("stride", (PIXELS, STAMP), {"stride": 2}, note="two pixels, stamps side by side"),
    ),
    cases=_transposed_cases,
    reference=_transposed_reference,
    alternatives={
        "stamps": _transposed_as(),
        "zeros in between": _between_zeros,
        "tap by tap": _tap_by_tap,
    },
    misconceptions=(
        Misconception(
            "overwritten",
            "Where two stamps overlap, the later one wipes out the earlier: add them up.",
            _transposed_as(overwrite=True),
        ),
        Misconception(
            "flipped",
            "Your stamps are the kernel turned round by 180°: stamp it as it is.",
            _transposed_as(kernel=lambda w: w[:, :, ::-1, ::-1]),
        ),
        Misconception(
            "kernel_transposed",
            "Your kernels have rows and columns exchanged: the name means the matrix of the layer, "
            "not the kernel.",
            _transposed_as(kernel=lambda w: w.swapaxes(2, 3)),
        ),
        Misconception(
            "channels_exchanged",
            "You read the weight as (C_out, C_in, …): here the input channels come first.",
            _transposed_as(kernel=_axes_exchanged),
        ),
        Misconception(
            "first_channel_only",
            "Your output knows the first input channel only: the stamps of all of them add up.",
            _transposed_as(pixels=_first_channel_only),
        ),
        Misconception(
            "first_image_only",
            "All images of your batch come out like the first.",
            _transposed_as(pixels=_first_image_only),
        ),
        Misconception(
            "stride_ignored",
            "Your stamps always land one pixel apart: `stride` says how far.",
            _transposed_as(steps=lambda stride: (1, 1)),
        ),
        Misconception(
            "stride_swapped",
            "A stride of two numbers is (height, width): yours are the other way round.",
            _transposed_as(read_stride=wh),
        ),
        Misconception(
            "stride_of_the_rows",
            "You use the first number of the stride for both axes.",
            _transposed_as(read_stride=lambda value: (hw(value)[0],) * 2),
        ),
        Misconception(
            "gap_of_stride",
            "You leave `stride` empty pixels from one stamp's start to the next: it is the step "
            "itself.",
            _transposed_as(steps=lambda stride: (stride[0] + 1, stride[1] + 1)),
        ),
        Misconception(
            "padding_ignored",
            "Your output is too large where there is padding: here it is cut off each side.",
            _transposed_as(border=_not_cropped),
        ),
        Misconception(
            "padding_added",
            "You put the padding around the output: in a transposed convolution it is cut off.",
            _transposed_as(border=_put_around),
        ),
        Misconception(
            "padding_at_the_start",
            "You cut the padding off at the top and the left only: both ends of each axis lose it.",
            _transposed_as(border=_cropped_at_the_start),
        ),
        Misconception(
            "sliced_to_minus_zero",
            "Without padding your output is empty: a slice out[p:-p] ends at 0 where p is 0.",
            _transposed_as(border=_sliced_to_minus_zero),
        ),
        Misconception(
            "ordinary_convolution",
            "Your output is that of an ordinary convolution, a sum over each window: here each "
            "pixel lays its stamp on a larger output.",
            _ordinary,
        ),
        Misconception(
            "extra_within_the_canvas",
            "With output_padding your output is too small where less was cut off than it asks "
            "for: the canvas itself grows.",
            _transposed_as(border=_within_the_canvas),
        ),
        Misconception(
            "zeros_appended",
            "Your extra rows and columns are zeros: where padding was cut off, output_padding "
            "keeps what the stamps left there.",
            _transposed_as(border=_zeros_after),
        ),
        Misconception(
            "extra_at_the_start",
            "Your output_padding is at the top and the left: it belongs at the bottom and right.",
            _transposed_as(border=_extra_before),
        ),
        Misconception(
            "extra_ignored",
            "Your output has the same size with output_padding as without.",
            _transposed_as(border=_no_extra),
        ),
        Misconception(
            "python_ints_only",
            "An int of NumPy is one number too: yours fails on it.",
            _transposed_as(read=python_ints_only),
        ),
    ),
    forbidden=(
        "torch.nn.functional.conv_transpose2d",
        "torch.nn.functional.fold",
        "torch:aten.convolution",
        "torch:aten.convolution_backward",
        *SCIPY_CONVOLUTIONS,
        "course_lib.ops.conv_transpose2d",
        "course_lib.ops.conv2d_backward",
        "course_lib.ops.conv2d_single_backward",
        "course_lib.ops.col2im",
    ),
    hints=(
        "Begin with zeros of the full size, (H − 1)·stride + K_h by (W − 1)·stride + K_w. For each "
        "pixel of the input add its stamp: the kernel times the pixel.",
        "With channels the stamp of one position is a sum: np.einsum('nc,cokl->nokl', "
        "x[:, :, r, c], weight). It lands at rows r·stride to r·stride + K_h.",
        "Make the zeros larger by output_padding at the end of each axis before you stamp. Last of "
        "all return out[:, :, p_h : rows − p_h, p_w : columns − p_w].",
    ),
)


# ── transposed_output_size ──────────────────────────────────────────────────────────────────────

Size = Callable[..., int]


def _size_as(formula: Callable[[int, int, int, int, int, int], int]) -> Size:
    def size(
        n: int,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        output_padding: int = 0,
    ) -> int:
        return formula(*(int(v) for v in (n, kernel, stride, padding, dilation, output_padding)))

    return size


def _size_reference(
    n: int,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    output_padding: int = 0,
) -> int:
    return geometry.transposed_output_size(n, kernel, stride, padding, output_padding, dilation)


def _size_by_stamping(
    n: int,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    output_padding: int = 0,
) -> int:
    taps = {p * stride + t * dilation for p in range(n) for t in range(kernel)}
    return max(taps) + 1 - 2 * padding + output_padding


def _size_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(aspect: str, n: int, kernel: int, **sizes: int) -> Case:
        return Case(aspect, (n, kernel), sizes)

    def some(low: int, high: int) -> int:
        return int(rng.integers(low, high))

    # One case that tells nearly all mistakes apart.
    yield case(
        "dilation and output_padding", 7, 4, stride=3, padding=2, dilation=5, output_padding=1
    )
    for _ in range(3):
        yield case("stride", some(2, 9), some(2, 6))
        yield case("stride", some(3, 9), some(2, 7), stride=some(2, 5))
        yield case("padding", some(5, 9), some(4, 7), stride=some(2, 4), padding=some(1, 3))
        yield case("dilation and output_padding", some(3, 9), some(3, 6), dilation=some(2, 5))
        yield case(
            "dilation and output_padding",
            some(3, 9),
            some(3, 6),
            stride=some(3, 5),
            padding=1,
            output_padding=some(1, 3),
        )
        yield case(
            "dilation and output_padding",
            some(6, 9),
            some(3, 5),
            stride=some(2, 4),
            padding=some(1, 3),
            dilation=some(2, 4),
            output_padding=1,
        )


TRANSPOSED_OUTPUT_SIZE = FunctionExercise(
    name="transposed_output_size",
    chapter="09",
    signature="transposed_output_size(n, kernel, stride=1, padding=0, dilation=1, "
    "output_padding=0) -> int",
    aspects=(
        Aspect("stride", 1),
        Aspect("padding", 1),
        Aspect("dilation and output_padding", 1),
    ),
    worked=(
        Case("stride", (4, 2), {"stride": 2}),
        Case("padding", (7, 4), {"stride": 2, "padding": 1}),
    ),
    cases=_size_cases,
    reference=_size_reference,
    alternatives={
        "stamping": _size_by_stamping,
        "formula": _size_as(lambda n, k, s, p, d, e: (n - 1) * s - 2 * p + d * (k - 1) + e + 1),
    },
    misconceptions=(
        Misconception(
            "of_a_convolution",
            "That is the size of a convolution's output: here the output is the larger one.",
            _size_as(lambda n, k, s, p, d, e: (n + 2 * p - d * (k - 1) - 1) // s + 1),
        ),
        Misconception(
            "n_times_stride",
            "n·stride is right only where the kernel is as long as the stride and nothing is cut.",
            _size_as(lambda n, k, s, p, d, e: n * s),
        ),
        Misconception(
            "n_steps",
            "From the first of n stamps to the last there are n − 1 steps.",
            _size_as(lambda n, k, s, p, d, e: n * s - 2 * p + d * (k - 1) + e + 1),
        ),
        Misconception(
            "one_missing",
            "You are one short: a kernel of k taps covers k pixels, not k − 1.",
            _size_as(lambda n, k, s, p, d, e: (n - 1) * s - 2 * p + d * (k - 1) + e),
        ),
        Misconception(
            "padding_once",
            "The padding is cut off at both ends.",
            _size_as(lambda n, k, s, p, d, e: (n - 1) * s - p + d * (k - 1) + e + 1),
        ),
        Misconception(
            "padding_added",
            "You add the padding: here it is cut off.",
            _size_as(lambda n, k, s, p, d, e: (n - 1) * s + 2 * p + d * (k - 1) + e + 1),
        ),
        Misconception(
            "padding_ignored",
            "Your size does not answer to the padding.",
            _size_as(lambda n, k, s, p, d, e: (n - 1) * s + d * (k - 1) + e + 1),
        ),
        Misconception(
            "dilation_ignored",
            "Your size does not answer to the dilation: the last tap lies dilation·(k − 1) after "
            "the first.",
            _size_as(lambda n, k, s, p, d, e: (n - 1) * s - 2 * p + k + e),
        ),
        Misconception(
            "dilation_times_kernel",
            "k taps have k − 1 steps of the dilation between them.",
            _size_as(lambda n, k, s, p, d, e: (n - 1) * s - 2 * p + d * k + e),
        ),
        Misconception(
            "gaps_of_dilation",
            "From one tap to the next is one dilation: dilation 1 means neighbours.",
            _size_as(lambda n, k, s, p, d, e: (n - 1) * s - 2 * p + (d + 1) * (k - 1) + e + 1),
        ),
        Misconception(
            "extra_ignored",
            "Your size does not answer to output_padding.",
            _size_as(lambda n, k, s, p, d, e: (n - 1) * s - 2 * p + d * (k - 1) + 1),
        ),
        Misconception(
            "extra_twice",
            "output_padding is added at one end only.",
            _size_as(lambda n, k, s, p, d, e: (n - 1) * s - 2 * p + d * (k - 1) + 2 * e + 1),
        ),
    ),
    forbidden=(
        "course_lib.geometry.transposed_output_size",
        "course_lib.ops.conv_transpose2d",
        "torch:aten.convolution",
        "torch.nn.functional.conv_transpose1d",
        "torch.nn.functional.conv_transpose2d",
    ),
    hints=(
        "Where does the last stamp begin? How long is a stamp?",
        "The last of n stamps begins at (n − 1)·stride and is dilation·(kernel − 1) + 1 long.",
        "Add the two, subtract 2·padding, add output_padding.",
    ),
)


# ── overlap_counts ──────────────────────────────────────────────────────────────────────────────


def _overlaps(n: int, kernel: int, stride: int) -> Array:
    counts = np.zeros((n - 1) * stride + kernel, dtype=np.int64)
    for stamp in range(n):
        counts[stamp * stride : stamp * stride + kernel] += 1
    return counts


def _overlaps_of_ones(n: int, kernel: int, stride: int) -> Array:
    spread = np.zeros((n - 1) * stride + 1)
    spread[::stride] = 1
    return np.convolve(spread, np.ones(kernel))


def _overlaps_by_place(n: int, kernel: int, stride: int) -> Array:
    places = np.arange((n - 1) * stride + kernel)
    starts = np.arange(n)[:, None] * stride
    return np.asarray(((starts <= places) & (places < starts + kernel)).sum(axis=0))


def _visits(n: int, kernel: int, stride: int) -> Array:
    counts = np.zeros(n, dtype=np.int64)
    for start in range(0, n - kernel + 1, stride):
        counts[start : start + kernel] += 1
    return counts


def _stamps_to_the_end(n: int, kernel: int, stride: int) -> Array:
    counts = np.zeros((n - 1) * stride + kernel, dtype=np.int64)
    for start in range(0, len(counts), stride):
        counts[start : start + kernel] += 1
    return counts


def _overlap_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case("stamps that overlap", (5, 5, 2))
    yield Case("stamps that overlap", (3, 3, 1))
    yield Case("stamps that overlap", (1, 4, 2), note="one stamp")
    yield Case("gaps between stamps", (3, 1, 3))
    yield Case("gaps between stamps", (4, 2, 4))
    for _ in range(4):
        stride = int(rng.integers(2, 5))
        n = int(rng.integers(3, 9))
        yield Case("stamps that overlap", (n, stride + int(rng.integers(1, 5)), stride))
        yield Case("gaps between stamps", (n, int(rng.integers(1, stride)), stride))
        yield Case("stamps that overlap", (n, stride, stride), note="side by side")


OVERLAP_COUNTS = FunctionExercise(
    name="overlap_counts",
    chapter="09",
    signature="overlap_counts(n, kernel, stride) -> (length,)",
    aspects=(Aspect("stamps that overlap", 1), Aspect("gaps between stamps", 1)),
    worked=(Case("stamps that overlap", (3, 3, 2)),),
    cases=_overlap_cases,
    reference=_overlaps,
    alternatives={"a convolution of ones": _overlaps_of_ones, "by place": _overlaps_by_place},
    misconceptions=(
        Misconception(
            "of_a_convolution",
            "You count windows over n pixels: n is the input, whose pixels stamp a longer output.",
            _visits,
        ),
        Misconception(
            "covered_or_not",
            "You mark what is covered at all: count how many stamps land there.",
            lambda n, kernel, stride: np.minimum(_overlaps(n, kernel, stride), 1),
        ),
        Misconception(
            "stride_ignored",
            "Your stamps are one pixel apart, whatever the stride.",
            lambda n, kernel, stride: _overlaps(n, kernel, 1),
        ),
        Misconception(
            "length_n_times_stride",
            "Your output ends after n·stride pixels: the last stamp may end before or after that.",
            lambda n, kernel, stride: np.resize(
                np.pad(_overlaps(n, kernel, stride), (0, n * stride)), n * stride
            ),
        ),
        Misconception(
            "one_stamp_too_many",
            "You stamp n + 1 times: n is the number of input pixels.",
            lambda n, kernel, stride: _overlaps(n + 1, kernel, stride),
        ),
        Misconception(
            "one_stamp_too_few",
            "You stamp n − 1 times: n is the number of input pixels.",
            lambda n, kernel, stride: (
                _overlaps(n - 1, kernel, stride) if n > 1 else np.zeros(0, dtype=np.int64)
            ),
        ),
        Misconception(
            "stamps_to_the_end",
            "You go on stamping to the end of the output: after the last of the n input pixels no "
            "stamp begins.",
            _stamps_to_the_end,
        ),
        Misconception(
            "the_inner_pattern_everywhere",
            "At both ends fewer stamps land than in the middle.",
            lambda n, kernel, stride: np.array(
                [
                    len(range(place % stride, kernel, stride))
                    for place in range((n - 1) * stride + kernel)
                ]
            ),
        ),
    ),
    forbidden=("course_lib.geometry.visit_counts",),
    hints=(
        "Begin with zeros, as many as the output is long, and add 1 where each stamp lands.",
        "Stamp number i covers i·stride to i·stride + kernel; the output has "
        "(n − 1)·stride + kernel pixels.",
    ),
)


# ── upsample_nearest ────────────────────────────────────────────────────────────────────────────


def _nearest(x: Array, scale: Any) -> Array:
    down, across = hw(scale)
    return x.repeat(down, axis=2).repeat(across, axis=3)


def _nearest_by_index(x: Array, scale: Any) -> Array:
    down, across = hw(scale)
    rows = np.arange(x.shape[2] * down) // down
    columns = np.arange(x.shape[3] * across) // across
    return np.asarray(x[:, :, rows[:, None], columns])


def _nearest_by_kron(x: Array, scale: Any) -> Array:
    return np.asarray(np.kron(x, np.ones((1, 1, *hw(scale)), dtype=x.dtype)))


def _with_zeros(x: Array, scale: Any) -> Array:
    down, across = hw(scale)
    out = np.zeros((*x.shape[:2], x.shape[2] * down, x.shape[3] * across))
    out[:, :, ::down, ::across] = x
    return out


def _linear(x: Array, scale: Any) -> Array:
    """Straight lines between the pixels, corners kept."""
    out = np.asarray(x, float)
    for axis, factor in zip((2, 3), hw(scale), strict=True):
        n = out.shape[axis]
        at = np.linspace(0, n - 1, n * factor)
        first = np.minimum(at.astype(int), max(n - 2, 0))
        second = np.minimum(first + 1, n - 1)
        share = (at - first).reshape(-1, *[1] * (3 - axis))
        out = (1 - share) * out.take(first, axis) + share * out.take(second, axis)
    return np.asarray(out)


def _nearest_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(aspect: str, shape: tuple[int, ...], scale: Any) -> Case:
        return Case(aspect, (reals(rng, *shape), scale))

    yield case("two scales", (2, 3, 2, 3), (2, 3))
    yield case("one scale", (1, 1, 1, 2), 2)
    yield case("one scale", (1, 1, 2, 3), 2)
    yield case("one scale", (1, 1, 3, 2), 3)
    yield case("one scale", (1, 2, 2, 2), 2)
    yield case("one scale", (3, 2, 2, 3), 4)
    yield case("one scale", (1, 1, 2, 2), 1)
    yield case("one scale", (1, 1, 3, 3), np.int64(2))
    yield Case("one scale", (rng.integers(0, 255, (1, 3, 2, 2)), 2), note="whole numbers")
    yield case("two scales", (1, 1, 2, 3), (1, 2))
    yield case("two scales", (1, 2, 3, 2), [3, 1])
    yield case("two scales", (1, 1, 1, 3), (2, 4))


UPSAMPLE_NEAREST = FunctionExercise(
    name="upsample_nearest",
    chapter="09",
    signature="upsample_nearest(x, scale) -> array",
    aspects=(Aspect("one scale", 1), Aspect("two scales", 1)),
    worked=(Case("one scale", (np.arange(1, 5).reshape(1, 1, 2, 2), 2)),),
    cases=_nearest_cases,
    reference=_nearest,
    alternatives={"index": _nearest_by_index, "Kronecker": _nearest_by_kron},
    misconceptions=(
        Misconception(
            "tiled",
            "You lay whole copies of the image side by side: repeat each pixel where it is.",
            lambda x, scale: np.tile(x, (1, 1, *hw(scale))),
        ),
        Misconception(
            "rows_only",
            "Only the rows are repeated: the columns too.",
            lambda x, scale: x.repeat(hw(scale)[0], axis=2),
        ),
        Misconception(
            "columns_only",
            "Only the columns are repeated: the rows too.",
            lambda x, scale: x.repeat(hw(scale)[1], axis=3),
        ),
        Misconception(
            "zeros_between",
            "Between your pixels there are zeros: each should fill its whole block.",
            _with_zeros,
        ),
        Misconception(
            "interpolated",
            "You blend neighbouring pixels: nearest takes one of them as it is.",
            _linear,
        ),
        Misconception(
            "scales_swapped",
            "Two scales are (height, width): yours are the other way round.",
            lambda x, scale: _nearest(x, wh(scale)),
        ),
        Misconception(
            "first_scale_only",
            "You use the first scale for both axes.",
            lambda x, scale: _nearest(x, hw(scale)[0]),
        ),
        Misconception(
            "channels_repeated",
            "You repeat the channels as well: only height and width grow.",
            lambda x, scale: _nearest(x, scale).repeat(hw(scale)[0], axis=1),
        ),
        Misconception(
            "python_ints_only",
            "An int of NumPy is one number too: yours fails on it.",
            lambda x, scale: _nearest(x, python_ints_only(scale)),
        ),
    ),
    forbidden=(
        "torch.nn.functional.interpolate",
        "torch:aten.upsample_nearest2d",
        "scipy.ndimage.zoom",
        "skimage.transform.resize",
    ),
    hints=(
        "np.repeat repeats each entry along one axis, np.tile the whole.",
        "np.broadcast_to(scale, 2) reads an int and a pair alike. Repeat along axis 2, then along "
        "axis 3.",
    ),
)


# ── causal_dilated_conv1d ───────────────────────────────────────────────────────────────────────


def _causal_as(
    *,
    padding: Callable[[int, int], tuple[int, int]] = lambda taps, d: ((taps - 1) * d, 0),
    taps: Callable[[Array], Array] = lambda weight: weight,
    signal: Callable[[Array], Array] = lambda x: x,
    step: Callable[[int], int] = lambda dilation: dilation,
    mode: Any = "constant",
) -> Callable[[Array, Array, int], Array]:
    """A causal convolution that is right but for the parts that are given."""

    def causal(x: Array, weight: Array, dilation: int) -> Array:
        kernel, d = taps(np.asarray(weight)), step(int(dilation))
        before, after = padding(kernel.shape[2], d)
        wide = np.pad(signal(np.asarray(x, float)), ((0, 0), (0, 0), (before, after)), mode=mode)
        length = wide.shape[2] - (kernel.shape[2] - 1) * d
        if length < 1:
            raise ValueError("the kernel is longer than the signal")
        return np.asarray(
            sum(
                np.einsum("nct,oc->not", wide[:, :, k * d : k * d + length], kernel[:, :, k])
                for k in range(kernel.shape[2])
            )
        )

    return causal


_causal = _causal_as()


def _causal_sample_by_sample(x: Array, weight: Array, dilation: int) -> Array:
    n, c_in, length = x.shape
    out = np.zeros((n, len(weight), length))
    for b, o, t in np.ndindex(*out.shape):
        for c in range(c_in):
            for k in range(weight.shape[2]):
                then = t - (weight.shape[2] - 1 - k) * dilation
                if then >= 0:
                    out[b, o, t] += weight[o, c, k] * x[b, c, then]
    return out


def _causal_by_delays(x: Array, weight: Array, dilation: int) -> Array:
    out = np.zeros((len(x), len(weight), x.shape[2]))
    for k in range(weight.shape[2]):
        delay = (weight.shape[2] - 1 - k) * dilation
        if delay < x.shape[2]:
            heard = x[:, :, : x.shape[2] - delay]
            out[:, :, delay:] += np.tensordot(weight[:, :, k], heard, ([1], [1])).swapaxes(0, 1)
    return out


def _around_the_end(x: Array, weight: Array, dilation: int) -> Array:
    taps = weight.shape[2]
    return np.asarray(
        sum(
            np.einsum("nct,oc->not", np.roll(x, (taps - 1 - k) * dilation, axis=2), weight[:, :, k])
            for k in range(taps)
        )
    )


def _padded_as_without_dilation(x: Array, weight: Array, dilation: int) -> Array:
    """K − 1 zeros before the signal, and as many slices of T as there are taps."""
    taps, length = weight.shape[2], x.shape[2]
    wide = np.pad(x, ((0, 0), (0, 0), (taps - 1, 0)))
    return np.asarray(
        sum(
            np.einsum(
                "nct,oc->not", wide[:, :, k * dilation : k * dilation + length], weight[:, :, k]
            )
            for k in range(taps)
        )
    )


def _silent_at_first(x: Array, weight: Array, dilation: int) -> Array:
    out = _causal(x, weight, dilation).copy()
    out[:, :, : (weight.shape[2] - 1) * dilation] = 0
    return out


def _first_channel_of_a_signal(x: Array) -> Array:
    kept = np.zeros(x.shape)
    kept[:, :1] = x[:, :1]
    return kept


def _causal_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(aspect: str, n: int, c_in: int, t: int, c_out: int, taps: int, dilation: int) -> Case:
        return Case(aspect, (reals(rng, n, c_in, t), reals(rng, c_out, c_in, taps), dilation))

    plain, dilated, many = "the past", "dilation", "channels and batch"
    yield case(many, 2, 2, 9, 2, 3, 2)
    yield case(plain, 1, 1, 4, 1, 2, 1)
    yield case(plain, 1, 1, 6, 1, 3, 1)
    yield case(plain, 1, 1, 5, 1, 1, 1)
    yield case(plain, 1, 1, 2, 1, 4, 1)
    yield case(dilated, 1, 1, 6, 1, 2, 2)
    yield case(dilated, 1, 1, 9, 1, 3, 3)
    yield case(dilated, 1, 1, 3, 1, 3, 4)
    yield case(dilated, 1, 1, 8, 1, int(rng.integers(2, 5)), int(rng.integers(2, 4)))
    yield case(many, 1, 3, 6, 2, 2, 2)
    yield case(many, 2, 1, 5, 3, 2, 1)
    yield case(many, 3, 2, 7, 1, 3, 1)


CAUSAL = FunctionExercise(
    name="causal_dilated_conv1d",
    chapter="09",
    signature="causal_dilated_conv1d(x, weight, dilation) -> array",
    aspects=(Aspect("the past", 2), Aspect("dilation", 1), Aspect("channels and batch", 1)),
    worked=(
        Case(
            "dilation",
            (np.array([[[1, 2, 3, 4, 5]]]), np.array([[[10, 1]]]), 2),
            note="two taps, two samples apart",
        ),
    ),
    cases=_causal_cases,
    reference=_causal,
    alternatives={"sample by sample": _causal_sample_by_sample, "delays": _causal_by_delays},
    misconceptions=(
        Misconception(
            "centred",
            "Your output hears what comes after it: half of your padding stands at the end. All "
            "of it belongs before the first sample.",
            _causal_as(
                padding=lambda taps, d: (
                    (taps - 1) * d - (taps - 1) * d // 2,
                    (taps - 1) * d // 2,
                )
            ),
        ),
        Misconception(
            "centred_the_other_way",
            "Your output hears what comes after it: half of your padding stands at the end. All "
            "of it belongs before the first sample.",
            _causal_as(
                padding=lambda taps, d: (
                    (taps - 1) * d // 2,
                    (taps - 1) * d - (taps - 1) * d // 2,
                )
            ),
        ),
        Misconception(
            "padded_as_without_dilation",
            "K − 1 zeros are enough for neighbouring taps only: how far back does the first tap "
            "reach when they are `dilation` samples apart?",
            _padded_as_without_dilation,
        ),
        Misconception(
            "silent_at_first",
            "Your first outputs are 0: taps that fall on samples that are there count already.",
            _silent_at_first,
        ),
        Misconception(
            "future",
            "Your output hears the future and not the past: the padding goes before the first "
            "sample.",
            _causal_as(padding=lambda taps, d: (0, (taps - 1) * d)),
        ),
        Misconception(
            "taps_reversed",
            "Your first tap falls on the current sample: it should be the last.",
            _causal_as(taps=lambda weight: weight[:, :, ::-1]),
        ),
        Misconception(
            "not_padded",
            "Your output is shorter than the input: put zeros before the first sample.",
            _causal_as(padding=lambda taps, d: (0, 0)),
        ),
        Misconception(
            "padded_both_sides",
            "Your output is longer than the input: pad on one side only.",
            _causal_as(padding=lambda taps, d: ((taps - 1) * d, (taps - 1) * d)),
        ),
        Misconception(
            "dilation_ignored",
            "Your taps are neighbours, whatever the dilation.",
            _causal_as(step=lambda dilation: 1),
        ),
        Misconception(
            "gaps_of_dilation",
            "You leave out `dilation` samples between two taps: it is the step from tap to tap.",
            _causal_as(step=lambda dilation: dilation + 1),
        ),
        Misconception(
            "one_zero_too_many",
            "Your output is one sample late: at time t the last tap falls on sample t itself.",
            _causal_as(
                signal=lambda x: np.pad(x, ((0, 0), (0, 0), (1, 0)))[:, :, :-1],
            ),
        ),
        Misconception(
            "around_the_end",
            "Before the first sample you hear the last ones: there is silence, zeros.",
            _around_the_end,
        ),
        Misconception(
            "first_sample_repeated",
            "Before the first sample you repeat it: there is silence, zeros.",
            _causal_as(mode="edge"),
        ),
        Misconception(
            "first_channel_only",
            "Your output knows the first channel only: sum over all of them.",
            _causal_as(signal=_first_channel_of_a_signal),
        ),
    ),
    forbidden=(
        "torch.nn.functional.conv1d",
        "torch:aten.convolution",
        *SCIPY_CONVOLUTIONS,
        "course_lib.ops.conv1d",
        "course_lib.ops.conv2d",
    ),
    hints=(
        "Put zeros before the signal so that the first output has a past too. How many does the "
        "first tap need?",
        "(K − 1)·dilation zeros. Then tap k of every output is a slice that begins at k·dilation "
        "and is T long.",
        "sum over k of np.einsum('nct,oc->not', padded[:, :, k*dilation : k*dilation + T], "
        "weight[:, :, k]).",
    ),
)


# ── UNet ────────────────────────────────────────────────────────────────────────────────────────


def _transposed_up(c_in: int, c_out: int) -> Any:
    from torch import nn

    return nn.ConvTranspose2d(c_in, c_out, 2, stride=2)


def _up_without_bias(c_in: int, c_out: int) -> Any:
    from torch import nn

    return nn.ConvTranspose2d(c_in, c_out, 2, stride=2, bias=False)


def _nearest_up(c_in: int, c_out: int) -> Any:
    from torch import nn

    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(c_in, c_out, 3, padding=1))


def _bilinear_up(c_in: int, c_out: int) -> Any:
    from torch import nn

    return nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(c_in, c_out, 1))


def _beside_first(beside: Any, x: Any) -> Any:
    import torch

    return torch.cat([beside, x], dim=1)


def _below_first(beside: Any, x: Any) -> Any:
    import torch

    return torch.cat([x, beside], dim=1)


def _doubling(width: int, depth: int) -> list[int]:
    return [width * 2**level for level in range(depth + 1)]


def _unet_as(
    *,
    up: Callable[[int, int], Any] = _transposed_up,
    join: Callable[[Any, Any], Any] = _beside_first,
    joined: int = 2,
    convolutions: int = 2,
    norm: bool = True,
    bias: bool = False,
    relus: Sequence[bool] = (True, True),
    padding: int = 1,
    pool: str = "MaxPool2d",
    widths: Callable[[int, int], list[int]] = _doubling,
    head_kernel: int = 1,
    head_bias: bool = True,
    relu_first: bool = False,
    end: Callable[[Any], Any] = lambda x: x,
    after_up: Callable[[Any], Any] = lambda x: x,
    kept_after_pooling: bool = False,
) -> Callable[..., Any]:
    """A U-Net that is right but for the parts that are given."""

    def build(c_in: int, n_classes: int, width: int = 16, depth: int = 3) -> Any:
        from torch import nn

        def block(a: int, b: int) -> Any:
            layers: list[Any] = []
            for place in range(convolutions):
                layers.append(nn.Conv2d(a if place == 0 else b, b, 3, padding=padding, bias=bias))
                after: list[Any] = [nn.BatchNorm2d(b)] if norm else []
                if relus[place]:
                    after.append(nn.ReLU())
                layers += reversed(after) if relu_first else after
            return nn.Sequential(*layers)

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                sizes = widths(width, depth)
                self.pool = getattr(nn, pool)(2)
                self.down = nn.ModuleList(
                    block(a, b) for a, b in zip([c_in, *sizes], sizes, strict=False)
                )
                pairs = [*zip(sizes[:0:-1], sizes[-2::-1], strict=True)]
                self.up = nn.ModuleList(up(a, b) for a, b in pairs)
                self.merge = nn.ModuleList(block(joined * b, b) for _, b in pairs)
                self.head = nn.Conv2d(
                    sizes[0], n_classes, head_kernel, padding=head_kernel // 2, bias=head_bias
                )

            def forward(self, x: Any) -> Any:
                kept = []
                for down in self.down[:-1]:
                    x = down(x)
                    kept.append(self.pool(x) if kept_after_pooling else x)
                    x = self.pool(x)
                x = self.down[-1](x)
                for rise, merge, beside in zip(self.up, self.merge, kept[::-1], strict=True):
                    x = merge(join(beside, after_up(rise(x))))
                return end(self.head(x))

        return Net()

    return build


def _recursive_unet(c_in: int, n_classes: int, width: int = 16, depth: int = 3) -> Any:
    """Each level holds the next one: another honest way to write it."""
    import torch
    from torch import nn

    def twice(a: int, b: int) -> list[Any]:
        return [
            *(nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()),
            *(nn.Conv2d(b, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()),
        ]

    class Level(nn.Module):
        def __init__(self, a: int, b: int, below: int) -> None:
            super().__init__()
            self.first = nn.Sequential(*twice(a, b))
            self.inner = (
                nn.Sequential(*twice(b, 2 * b)) if below == 1 else Level(b, 2 * b, below - 1)
            )
            self.rise = nn.ConvTranspose2d(2 * b, b, kernel_size=2, stride=2)
            self.last = nn.Sequential(*twice(2 * b, b))

        def forward(self, x: Any) -> Any:
            x = self.first(x)
            below = self.inner(nn.functional.max_pool2d(x, 2))
            return self.last(torch.cat((x, self.rise(below)), 1))

    return nn.Sequential(Level(c_in, width, depth), nn.Conv2d(width, n_classes, 1))


def _unet_cases(rng: np.random.Generator) -> Iterator[Case]:
    other = "other widths and depths"
    plans = [((1, 2), {"width": 4, "depth": 2}), ((3, 4), {"width": 6, "depth": 1})]
    yield Case("values", (1, 2, 4, 2), inputs=(batch_of(rng, 2, 1, 8, 12),))
    for args, sizes in plans:
        step = 2 ** sizes["depth"]
        shape = (1, args[0], 2 * step, 3 * step)
        yield Case("shape", args, sizes, inputs=(batch_of(rng, *shape),), measure="shape")
        yield Case("parameters", args, sizes, measure="parameters")
        yield Case("values", args, sizes, inputs=(batch_of(rng, *shape),))
    # Too small for convolutions without padding; the message tells them from other mistakes.
    yield Case(
        "shape",
        (1, 2, 4),
        inputs=(batch_of(rng, 1, 1, 16, 8),),
        measure="shape",
        mentions=("Kernel",),
    )
    yield Case("parameters", (1, 2), measure="parameters", note="width 16 and depth 3")
    yield Case("values", (2, 3, 3, 2), inputs=(batch_of(rng, 1, 2, 8, 8),))
    deep = (1, 2, 2, 4)
    yield Case(other, deep, measure="parameters", note="four poolings")
    yield Case(other, deep, inputs=(batch_of(rng, 1, 1, 16, 32),))
    width = int(rng.integers(3, 8))
    yield Case(other, (2, 2), {"width": width, "depth": 3}, inputs=(batch_of(rng, 1, 2, 8, 16),))


def _nothing_handed_across(beside: Any, x: Any) -> Any:
    return x


def _softmaxed(x: Any) -> Any:
    return x.softmax(dim=1)


def _log_softmaxed(x: Any) -> Any:
    return x.log_softmax(dim=1)


def _sigmoid(x: Any) -> Any:
    return x.sigmoid()


def _relu(x: Any) -> Any:
    return x.relu()


UNET = ModuleExercise(
    name="UNet",
    chapter="09",
    signature="UNet(c_in, n_classes, width=16, depth=3)",
    aspects=(
        Aspect("shape", 1),
        Aspect("parameters", 1),
        Aspect("values", 3),
        Aspect("other widths and depths", 1),
    ),
    cases=_unet_cases,
    reference=_unet_as(),
    alternatives={"level in level": _recursive_unet},
    misconceptions=(
        Misconception(
            "no_skips",
            "Nothing goes across in your network: on the way up each level also gets the maps that "
            "it had on the way down.",
            _unet_as(join=_nothing_handed_across, joined=1),
        ),
        Misconception(
            "skips_added",
            "You add the maps from the way down: here the two are concatenated.",
            _unet_as(join=lambda beside, x: beside + x, joined=1),
        ),
        Misconception(
            "other_order",
            "You concatenate the maps from below first: those from the way down come first here.",
            _unet_as(join=_below_first),
        ),
        Misconception(
            "upsampled_twice_itself",
            "Your way up concatenates the upsampled maps with themselves: where are the kept ones?",
            _unet_as(join=lambda beside, x: _beside_first(x, x)),
        ),
        Misconception(
            "kept_after_pooling",
            "You keep the maps after the pooling, when they are too small: keep them before.",
            _unet_as(kept_after_pooling=True),
        ),
        Misconception(
            "nearest_and_convolution",
            "You go up by nearest neighbours and a convolution. It works, but here a transposed "
            "convolution is asked.",
            _unet_as(up=_nearest_up),
        ),
        Misconception(
            "bilinear",
            "You go up by interpolation: here a transposed convolution is asked.",
            _unet_as(up=_bilinear_up),
        ),
        Misconception(
            "relu_after_the_step_up",
            "There is a ReLU after your transposed convolutions: the ReLUs belong to the 3×3 ones.",
            _unet_as(after_up=_relu),
        ),
        Misconception(
            "one_convolution",
            "Each level has one 3×3 convolution: two are asked, on the way down and up.",
            _unet_as(convolutions=1),
        ),
        Misconception(
            "no_norm",
            "Your convolutions are not followed by BatchNorm.",
            _unet_as(norm=False),
        ),
        Misconception(
            "bias_in_place_of_norm",
            "Your 3×3 convolutions have a bias and no BatchNorm, as in the paper: here it is the "
            "other way round.",
            _unet_as(norm=False, bias=True),
        ),
        Misconception(
            "bias",
            "Your 3×3 convolutions have a bias: the BatchNorm behind each of them has one already.",
            _unet_as(bias=True),
        ),
        Misconception(
            "relu_before_norm",
            "Your ReLUs come before the BatchNorms: first the convolution, then BatchNorm, then "
            "ReLU.",
            _unet_as(relu_first=True),
        ),
        Misconception(
            "no_bias_on_the_step_up",
            "Your transposed convolutions have no bias: only the 3×3 convolutions do without.",
            _unet_as(up=_up_without_bias),
        ),
        Misconception(
            "no_bias_on_the_head",
            "Your last convolution has no bias: only the 3×3 convolutions do without.",
            _unet_as(head_bias=False),
        ),
        Misconception(
            "no_relu",
            "Nothing in your levels bends: a ReLU follows each BatchNorm.",
            _unet_as(relus=(False, False)),
        ),
        Misconception(
            "second_relu_missing",
            "The second convolution of your levels has no ReLU.",
            _unet_as(relus=(True, False)),
        ),
        Misconception(
            "not_padded",
            "Your 3×3 convolutions are not padded, as in the paper: here the output has the "
            "image's size.",
            _unet_as(padding=0),
        ),
        Misconception(
            "average_pooling",
            "You pool by the average: here the largest counts.",
            _unet_as(pool="AvgPool2d"),
        ),
        Misconception(
            "width_does_not_double",
            "Your levels all have the same width: each has twice the channels of the one above.",
            _unet_as(widths=lambda width, depth: [width] * (depth + 1)),
        ),
        Misconception(
            "bottom_not_wider",
            "Your lowest level is as wide as the one above it: it doubles there too.",
            _unet_as(
                widths=lambda width, depth: [*_doubling(width, depth)[:-1], width << depth - 1]
            ),
        ),
        Misconception(
            "one_level_too_many",
            "Your network pools once too often: `depth` counts the poolings.",
            lambda c_in, n_classes, width=16, depth=3: _unet_as()(
                c_in, n_classes, width, depth + 1
            ),
        ),
        Misconception(
            "head_of_3",
            "Your last convolution is 3×3: it is a 1×1 here.",
            _unet_as(head_kernel=3),
        ),
        Misconception(
            "softmax_at_the_end",
            "The scores of each pixel add up to 1: return the logits, as cross-entropy wants.",
            _unet_as(end=_softmaxed),
        ),
        Misconception(
            "log_softmax_at_the_end",
            "Your outputs are logarithms of probabilities: return the logits, as cross-entropy "
            "wants.",
            _unet_as(end=_log_softmaxed),
        ),
        Misconception(
            "sigmoid_at_the_end",
            "Your outputs lie between 0 and 1: return the logits, as cross-entropy wants.",
            _unet_as(end=_sigmoid),
        ),
        Misconception(
            "relu_at_the_end",
            "A ReLU on the last layer cuts off negative logits: leave it bare.",
            _unet_as(end=_relu),
        ),
    ),
    forbidden=(
        "course_lib.nets.create",
        "course_lib.nets.unet.UNet",
        "course_lib.nets.unet.unet",
        "course_lib.nets.unet.double_conv",
    ),
    hints=(
        "Write a function that makes one level, two convolutions with their BatchNorms and ReLUs, "
        "and use it on the way down, at the bottom and on the way up.",
        "Keep the levels in nn.ModuleList. In forward, append the maps of each level to a list "
        "before you pool; on the way up take them from its end.",
        "Up: nn.ConvTranspose2d(2 * c, c, 2, stride=2), then torch.cat([kept, x], dim=1) and a "
        "level from 2·c to c channels. Last: nn.Conv2d(width, n_classes, 1).",
    ),
)


# ── iou ─────────────────────────────────────────────────────────────────────────────────────────


def _iou_as(
    ratio: Callable[[float, float, float, int], float], empty: float | None = 1.0
) -> Callable[[Array, Array], float]:
    """A score of the two areas, what they share, and the number of pixels."""

    def score(pred: Array, target: Array) -> float:
        first, second = np.asarray(pred).astype(bool), np.asarray(target).astype(bool)
        if empty is not None and not first.any() and not second.any():
            return empty
        both = float((first & second).sum())
        with np.errstate(all="ignore"):
            return float(
                np.float64(
                    ratio(np.float64(first.sum()), np.float64(second.sum()), both, first.size)
                )
            )

    return score


def _iou_by_sets(pred: Array, target: Array) -> float:
    first, second = (set(np.flatnonzero(mask).tolist()) for mask in (pred, target))
    return len(first & second) / len(first | second) if first | second else 1.0


def _iou_by_float(pred: Array, target: Array) -> float:
    p, t = np.asarray(pred, float).ravel(), np.asarray(target, float).ravel()
    either = np.maximum(p, t).sum()
    return float(p @ t / either) if either else 1.0


def _mean_over_rows(pred: Array, target: Array) -> float:
    rows = zip(np.reshape(pred, (len(pred), -1)), np.reshape(target, (len(pred), -1)), strict=True)
    return float(np.mean([_iou_by_float(p, t) for p, t in rows]))


def _iou_cases(rng: np.random.Generator) -> Iterator[Case]:
    def masks(*shape: int) -> tuple[Array, Array]:
        pred, target = rng.random(shape) < 0.45, rng.random(shape) < 0.6
        pred.flat[0], pred.flat[1] = True, True
        target.flat[0], target.flat[1], target.flat[2] = True, False, True
        pred.flat[2] = False
        return pred, target

    yield Case("overlap", masks(3, 4))
    yield Case(
        "overlap",
        masks(
            5,
        ),
    )
    yield Case("overlap", masks(2, 3, 4))
    pred, target = masks(4, 5)
    yield Case("overlap", (pred.astype(int), target.astype(int)), note="zeros and ones")
    yield Case("overlap", (pred.astype(float), target), note="floats and booleans")
    yield Case("overlap", (pred.astype(np.uint8), target.astype(np.uint8)), note="8 bits")
    yield Case("overlap", (pred, pred), note="the same mask")
    yield Case("overlap", (target & ~pred, pred & ~target), note="nothing in common")
    for side in rng.integers(4, 9, 3):
        yield Case("overlap", masks(int(side), 6))
    nothing = np.zeros((3, 4), bool)
    yield Case("empty masks", (nothing, nothing), note="both empty")
    yield Case("empty masks", (nothing, masks(3, 4)[1]), note="nothing found")
    yield Case("empty masks", (masks(3, 4)[0], nothing), note="nothing to find")
    yield Case("empty masks", (nothing.astype(int), nothing.astype(int)), note="zeros")


IOU = FunctionExercise(
    name="iou",
    chapter="09",
    signature="iou(pred, target) -> float",
    aspects=(Aspect("overlap", 1), Aspect("empty masks", 1, needs=("overlap",))),
    worked=(Case("overlap", (np.array([[1, 1, 0]]), np.array([[0, 1, 1]]))),),
    cases=_iou_cases,
    reference=lambda pred, target: _iou(pred, target),
    alternatives={"sets": _iou_by_sets, "floats": _iou_by_float},
    misconceptions=(
        Misconception(
            "dice",
            "That is the Dice score, twice the intersection over the two areas: here each pixel of "
            "the union counts once.",
            _iou_as(lambda a, b, both, n: 2 * both / (a + b)),
        ),
        Misconception(
            "sum_for_union",
            "You divide by the sum of the two areas, which counts the intersection twice.",
            _iou_as(lambda a, b, both, n: both / (a + b)),
        ),
        Misconception(
            "share_of_the_target",
            "You divide by the target's area: a mask that covers everything would be perfect.",
            _iou_as(lambda a, b, both, n: both / b if b else 0.0),
        ),
        Misconception(
            "share_of_the_prediction",
            "You divide by the prediction's area: a mask of one right pixel would be perfect.",
            _iou_as(lambda a, b, both, n: both / a if a else 0.0),
        ),
        Misconception(
            "share_of_right_pixels",
            "You count all pixels that agree, background too: only the masks count.",
            _iou_as(lambda a, b, both, n: (n - a - b + 2 * both) / n),
        ),
        Misconception(
            "share_of_the_image",
            "You divide by all pixels: divide by those of the union.",
            _iou_as(lambda a, b, both, n: both / n),
        ),
        Misconception(
            "empty_is_nothing",
            "Two empty masks agree in every pixel: their IoU is 1.",
            _iou_as(lambda a, b, both, n: both / (a + b - both), empty=0.0),
        ),
        Misconception(
            "empty_is_nan",
            "With two empty masks you divide 0 by 0: their IoU is 1.",
            _iou_as(lambda a, b, both, n: both / (a + b - both), empty=None),
        ),
        Misconception(
            "smoothed",
            "You add 1 above and below the line: ask for an empty union instead, and return 1.0.",
            _iou_as(lambda a, b, both, n: (both + 1) / (a + b - both + 1), empty=None),
        ),
        Misconception(
            "small_number_added",
            "You add a small number above and below the line, and the result is a little off: ask "
            "for an empty union instead, and return 1.0.",
            _iou_as(lambda a, b, both, n: (both + 1e-6) / (a + b - both + 1e-6), empty=None),
        ),
        Misconception(
            "per_cent",
            "Your score is in per cent: it is a share, 0 to 1.",
            _iou_as(lambda a, b, both, n: 100 * both / (a + b - both), empty=100.0),
        ),
        Misconception(
            "mean_over_rows",
            "You take the mean over parts of the mask: count the pixels of all of it together.",
            _mean_over_rows,
        ),
        Misconception(
            "inverted",
            "You measure the overlap of the backgrounds.",
            _iou_as(lambda a, b, both, n: (n - a - b + both) / (n - both) if n > both else 1.0),
        ),
    ),
    forbidden=(
        "course_lib.masks.iou",
        "course_lib.masks.mean_iou",
        "sklearn.metrics.jaccard_score",
        "sklearn.metrics.confusion_matrix",
        "sklearn.metrics.f1_score",
        "scipy.spatial.distance.jaccard",
        "scipy.spatial.distance.dice",
    ),
    hints=(
        "Make both arrays boolean: then & is the intersection, | the union.",
        "Count the pixels of each and divide; where the union is empty return 1.0.",
    ),
)


# ── segmenter ───────────────────────────────────────────────────────────────────────────────────


def _as_masks(outputs: Any) -> Array | None:
    """Masks (N, H, W), or scores (N, 2, H, W) whose largest counts."""
    found = np.asarray(outputs)
    if found.ndim == 4 and found.shape[1] == 2:
        found = found.argmax(axis=1)
    if found.ndim != 3 or found.dtype.kind not in "biuf" or not np.isin(found, (0, 1)).all():
        return None
    return found


def _overlap_score(outputs: Any, targets: Any) -> float:
    found = _as_masks(outputs)
    if found is None or found.shape != np.shape(targets):
        return 0.0
    return mean_iou(found.astype(np.int64), targets)


def _segmenter_cases(rng: np.random.Generator) -> Iterator[Case]:
    given, hidden = (int(seed) for seed in rng.integers(0, 2**31, 2))
    images, masks = data.scenes("train", 500, seed=given)
    held_back, truth = data.scenes("test", 200, seed=hidden)
    yield Case("", (images, masks), inputs=(held_back,), targets=truth)


def _trained_unet(images: Any = None, masks: Any = None) -> Any:
    import torch
    from torch.nn import functional

    if images is None or masks is None:
        images, masks = data.scenes("train", 500)
    torch.manual_seed(0)
    net = _unet_as(after_up=_relu)(1, 2, width=10, depth=2)
    xs, ys = torch.from_numpy(images), torch.from_numpy(masks)
    adam = torch.optim.AdamW(net.parameters(), lr=0.01)
    steps = 8 * (len(xs) // 16)
    plan = torch.optim.lr_scheduler.OneCycleLR(adam, 0.01, total_steps=steps)
    for step in range(steps):
        if step % (len(xs) // 16) == 0:
            order = torch.randperm(len(xs))
        batch = order[:16]
        order = order[16:]
        loss = functional.cross_entropy(net(xs[batch]), ys[batch])
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        plan.step()
    return net


def _constant(label: int) -> Callable[..., Any]:
    def train(images: Any = None, masks: Any = None) -> Any:
        return lambda pictures: np.full((len(pictures), *pictures.shape[2:]), label)

    return train


def _marks(low: float, high: float) -> Callable[[Sequence[Any]], bool]:
    def recognise(values: Sequence[Any]) -> bool:
        found = [_as_masks(value) for value in values]
        return all(mask is not None and low <= np.mean(mask != 0) <= high for mask in found)

    return recognise


def _one_score(images: Any = None, masks: Any = None) -> Any:
    return lambda pictures: pictures


def _no_masks(values: Sequence[Any]) -> bool:
    """Numbers for the pixels, but neither 0 and 1 nor two scores: (N, 1, H, W), or shares."""
    arrays = [value for value in values if isinstance(value, np.ndarray) and value.ndim in (3, 4)]
    return len(arrays) == len(values) and all(_as_masks(value) is None for value in arrays)


SEGMENTER = TrainedExercise(
    name="segmenter",
    chapter="09",
    signature="segmenter(images=None, masks=None) -> model",
    aspects=(Aspect("mean IoU of 0.70", 2), Aspect("mean IoU of 0.85", 3)),
    thresholds={"mean IoU of 0.70": 0.70, "mean IoU of 0.85": 0.85},
    score=_overlap_score,
    score_name="mean IoU",
    cases=_segmenter_cases,
    alternatives={"another U-Net": _trained_unet},
    misconceptions=(
        Misconception(
            "all_background",
            "Your model finds no character anywhere: most pixels are background, and at first that "
            "is the safest answer. Does the training go on long enough?",
            _constant(0),
            recognise=_marks(0.0, 0.001),
        ),
        Misconception(
            "nearly_everything",
            "Your masks mark most of each picture: is 1 a character, 0 the background?",
            _constant(1),
            recognise=_marks(0.6, 1.0),
        ),
        Misconception(
            "neither_masks_nor_logits",
            "Your model's answers are neither logits (N, 2, 32, 32) nor masks (N, 32, 32) of 0 and "
            "1. One score for each pixel is not enough: with two, the larger says which.",
            _one_score,
            recognise=_no_masks,
        ),
    ),
    hints=(
        "Your UNet will do, with width 8: training.fit takes (images, masks) as they are, because "
        "cross-entropy knows maps of logits.",
        "Without a plan for the rate, it takes longer: begin at 0.01 and let it fall to nothing "
        "(CosineAnnealingLR with T_max=epochs). Batches of 16.",
        "net = UNet(1, 2, width=8); fit(net, (images, masks), epochs=8, batch_size=16, lr=0.01, "
        "scheduler=lambda adam: CosineAnnealingLR(adam, 8)); return net.",
    ),
    time_limit=120.0,
)


# ── quiz_09 ─────────────────────────────────────────────────────────────────────────────────────


def _ask_dilated(rng: np.random.Generator) -> Asked:
    kernel, dilation = int(rng.choice([3, 5])), int(rng.choice([3, 4, 6]))
    right = dilation * (kernel - 1) + 1
    return Asked(
        f"A {kernel}×{kernel} kernel has dilation {dilation}. How many pixels wide is the square "
        "that it spans, from its first tap to its last?",
        right,
        f"{dilation}·({kernel} − 1) + 1 = {right}",
        wrong=distinct(
            right,
            {
                "kernel_times_dilation": (kernel * dilation, "There are only K − 1 steps."),
                "one_short": (right - 1, "Both end taps belong to it."),
                "not_dilated": (kernel, "So wide is it without dilation."),
                "gaps_of_dilation": (
                    (dilation + 1) * (kernel - 1) + 1,
                    "From one tap to the next is one dilation, not one more.",
                ),
            },
        ),
    )


def _ask_heard(rng: np.random.Generator) -> Asked:
    layers, taps = int(rng.integers(4, 8)), int(rng.choice([2, 3]))
    rates = [2**i for i in range(layers)]
    right = 1 + (taps - 1) * sum(rates)
    return Asked(
        f"Causal convolutions of {taps} taps with the dilations "
        f"{', '.join(map(str, rates))} follow each other. On how many input samples does one "
        "output sample depend?",
        right,
        f"1 + {taps - 1}·({' + '.join(map(str, rates))}) = {right}",
        wrong=distinct(
            right,
            {
                "own_sample": (right - 1, "Its own sample counts too."),
                "not_dilated": (1 + (taps - 1) * layers, "So it would be without dilation."),
                "taps_times": (1 + taps * sum(rates), "A layer adds (taps − 1)·dilation."),
                "last_layer": (1 + (taps - 1) * rates[-1], "That is the last layer alone."),
            },
        ),
    )


def _ask_size(rng: np.random.Generator) -> Asked:
    n, stride = int(rng.integers(5, 12)), int(rng.choice([2, 3]))
    kernel = stride + int(rng.choice([1, 2]))
    right = (n - 1) * stride - 2 + kernel
    return Asked(
        f"A transposed convolution with kernel {kernel}, stride {stride} and padding 1 gets a row "
        f"of {n} pixels. How long is its output?",
        right,
        f"({n} − 1)·{stride} − 2·1 + {kernel} = {right}",
        wrong=distinct(
            right,
            {
                "no_padding": (right + 2, "The padding is cut off both ends."),
                "padding_once": (right + 1, "The padding is cut off *both* ends."),
                "padding_added": (right + 4, "The padding is cut off, not put on."),
                "n_times_stride": (n * stride, "The last stamp begins at (n − 1)·stride."),
                "convolution": (
                    (n + 2 - kernel) // stride + 1,
                    "That is a convolution's output.",
                ),
            },
        ),
    )


def _ask_overlap(rng: np.random.Generator) -> Asked:
    stride = int(rng.choice([2, 3, 4]))
    times = int(rng.choice([2, 3]))
    options, letter, wrong = choices(
        rng,
        f"{times * stride}",
        {
            "one_more": (f"{times * stride + 1}", "Then some pixels get one stamp more."),
            "one_less": (f"{times * stride - 1}", "Then some pixels get one stamp less."),
            "odd_by_two": (
                f"{times * stride + (1 if stride == 2 else 2)}"
                if stride != 2
                else f"{times * stride + 3}",
                "The stride must divide the kernel.",
            ),
        },
    )
    return Asked(
        f"A transposed convolution has stride {stride}. With which kernel do equally many stamps "
        "land on every pixel, away from the border?",
        letter,
        f"The stride must divide the kernel: {times * stride} = {times}·{stride}",
        options,
        wrong,
    )


def _ask_joined(rng: np.random.Generator) -> Asked:
    width, depth = int(rng.choice([8, 16, 32])), int(rng.choice([3, 4]))
    level = int(rng.integers(0, depth))
    channels = width * 2**level
    right = 9 * 2 * channels * channels
    size = 2**level
    return Asked(
        f"A U-Net as in this chapter, of width {width} and depth {depth}. On the way up, at the "
        f"level whose maps have 1/{size} of the image's height: how many weights has the first 3×3 "
        "convolution after the concatenation (no bias)?"
        if size > 1
        else f"A U-Net as in this chapter, of width {width} and depth {depth}. On the way up, at "
        "the level whose maps have the image's height: how many weights has the first 3×3 "
        "convolution after the concatenation (no bias)?",
        right,
        f"{channels} maps from the way down and {channels} from below: 9·{2 * channels}·"
        f"{channels} = {right:,}",
        wrong=distinct(
            right,
            {
                "not_joined": (9 * channels * channels, "It also reads what came across."),
                "joined_with_unhalved": (
                    9 * 3 * channels * channels,
                    "The step up has halved the channels from below.",
                ),
                "both_sides": (
                    9 * 4 * channels * channels,
                    "It gives half as many maps as it reads.",
                ),
                "one_tap": (2 * channels * channels, "A 3×3 kernel has nine taps."),
            },
        ),
    )


def _ask_iou(rng: np.random.Generator) -> Asked:
    both = int(rng.integers(20, 60))
    pred, target = both + int(rng.integers(5, 30)), both + int(rng.integers(31, 60))
    right = both / (pred + target - both)
    return Asked(
        f"A predicted mask has {pred} pixels, the true one {target}; {both} pixels are in both. "
        "What is their IoU? (To four digits or more.)",
        right,
        f"{both} / ({pred} + {target} − {both}) = {right:.4f}",
        wrong=distinct(
            right,
            {
                "dice": (2 * both / (pred + target), "That is the Dice score."),
                "sum": (both / (pred + target), "The shared pixels are counted twice there."),
                "recall": (both / target, "That is the share of the true mask."),
                "precision": (both / pred, "That is the share of the predicted mask."),
            },
        ),
    )


def _ask_grid(rng: np.random.Generator) -> Asked:
    side, boxes = int(rng.choice([7, 10, 13])), int(rng.choice([2, 3]))
    classes = int(rng.choice([10, 20, 80]))
    right = side * side * (5 * boxes + classes)
    return Asked(
        f"A detection head as in the figure lays a grid of {side}×{side} cells over the picture. "
        f"For each cell it gives {boxes} boxes (four numbers and one confidence each) and a score "
        f"for each of {classes} classes. How many numbers is that in all?",
        right,
        f"{side}·{side}·({boxes}·5 + {classes}) = {right:,}",
        wrong=distinct(
            right,
            {
                "four": (
                    side * side * (4 * boxes + classes),
                    "Each box has a confidence besides its four numbers.",
                ),
                "classes_for_each_box": (
                    side * side * boxes * (5 + classes),
                    "The classes are scored once for each cell here.",
                ),
                "one_cell": (5 * boxes + classes, "That is one cell."),
                "no_classes": (side * side * 5 * boxes, "The classes are scored too."),
            },
        ),
    )


def _ask_skips(rng: np.random.Generator) -> Asked:
    options, letter, wrong = choices(
        rng,
        "the place of edges, which the poolings threw away",
        {
            "context": (
                "what surrounds a pixel far away",
                "That comes from below, where each position sees much of the image.",
            ),
            "gradients": (
                "gradients, which otherwise vanish",
                "A network this shallow trains without them, but blurs its edges.",
            ),
            "weights": (
                "weights: the network gets smaller",
                "The convolutions after a concatenation have more weights, not fewer.",
            ),
            "speed": (
                "time: the lower levels can be left out",
                "All levels are computed either way.",
            ),
        },
    )
    return Asked(
        "What do the skip connections of a U-Net bring to its way up above all?",
        letter,
        "Fine maps from before the pooling: where exactly the edges are",
        options,
        wrong,
    )


QUIZ = QuestionExercise(
    name="quiz_09",
    chapter="09",
    questions=(
        Question("dilated", _ask_dilated),
        Question("heard", _ask_heard),
        Question("size", _ask_size),
        Question("overlap", _ask_overlap),
        Question("joined", _ask_joined),
        Question("overlapping", _ask_iou),
        Question("grid", _ask_grid),
        Question("skips", _ask_skips),
    ),
    hints=(
        "Draw a row of pixels and put the stamps, or the taps, under it.",
        "The functions of this chapter are allowed: compute with them.",
    ),
)

EXERCISES = (
    CAUSAL,
    TRANSPOSED_CONV2D,
    TRANSPOSED_OUTPUT_SIZE,
    OVERLAP_COUNTS,
    UPSAMPLE_NEAREST,
    UNET,
    IOU,
    SEGMENTER,
    QUIZ,
)
