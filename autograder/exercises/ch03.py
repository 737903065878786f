"""The exercises of chapter 03: from one channel to a layer, its cost and its backward pass.

The mistakes below are written out where a learner would make them: in what is summed, in which
axis is which, and in the sizes that chapter 02 was about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
    one_number,
    python_ints_only,
    reals,
    wh,
    wholes,
)
from course_lib import cost, ops

# The example that runs through the chapter: one image of two channels, two kernels.
IMAGE = np.array([[[[1, 2, 0], [0, 1, 3], [2, 0, 1]], [[0, 1, 1], [2, 0, 1], [1, 3, 0]]]])
KERNELS = np.array([[[[1, 0], [0, 1]], [[0, 2], [1, 0]]], [[[1, -1], [0, 0]], [[0, 0], [1, 0]]]])

_LIBRARY_CONVOLUTIONS = (
    *SCIPY_CONVOLUTIONS,
    "torch:aten.convolution",
    "course_lib.ops.conv2d",
    "course_lib.ops.conv3d",
    "course_lib.ops.pointwise_conv2d",
)


def _same(value: Any) -> Any:
    return value


def _padded(x: Array, padding: Any) -> Array:
    above, aside = hw(padding)
    return np.pad(x, ((0, 0), (0, 0), (above, above), (aside, aside)))


def _padded_before_only(x: Array, padding: Any) -> Array:
    above, aside = hw(padding)
    return np.pad(x, ((0, 0), (0, 0), (above, 0), (aside, 0)))


def _padded_on_every_axis(x: Array, padding: Any) -> Array:
    above, aside = hw(padding)
    return np.pad(x, ((above, above), (above, above), (above, above), (aside, aside)))


def _padded_with_the_border(x: Array, padding: Any) -> Array:
    above, aside = hw(padding)
    return np.pad(x, ((0, 0), (0, 0), (above, above), (aside, aside)), mode="edge")


def _windows(padded: Array, kernel_size: Any, stride: Any, dilation: Any = 1) -> Array:
    """Every window of a padded batch: (N, C, H_out, W_out, K_h, K_w)."""
    (k_h, k_w), (s_h, s_w), (d_h, d_w) = hw(kernel_size), hw(stride), hw(dilation)
    span = (d_h * (k_h - 1) + 1, d_w * (k_w - 1) + 1)
    view = sliding_window_view(padded, span, axis=(2, 3))
    return np.asarray(view[:, :, ::s_h, ::s_w, ::d_h, ::d_w])


# ── conv2d ──────────────────────────────────────────────────────────────────────────────────────


def _contract(windows: Array, weight: Array) -> Array:
    """(N, C, H_out, W_out, K_h, K_w) and (C_out, C, K_h, K_w) → (N, C_out, H_out, W_out)."""
    return np.asarray(np.einsum("ncrqij,ocij->norq", windows, weight))


def _add_bias(out: Array, bias: Array, weight: Array) -> Array:
    return np.asarray(out + np.asarray(bias)[:, None, None])


def _layer_as(
    contract: Callable[[Array, Array], Array] = _contract,
    add: Callable[[Array, Array, Array], Array] = _add_bias,
    pad: Callable[[Array, Any], Array] = _padded,
    *,
    stride: Callable[[Any], Any] = _same,
    padding: Callable[[Any], Any] = _same,
    dilation: Callable[[Any], Any] = _same,
) -> Callable[..., Array]:
    """A layer that is right but for the parts that are given."""
    read_stride, read_padding, read_dilation = stride, padding, dilation

    def layer(
        x: Array,
        weight: Array,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
    ) -> Array:
        wide = pad(x, read_padding(padding))
        windows = _windows(wide, weight.shape[2:], read_stride(stride), read_dilation(dilation))
        out = contract(windows, weight)
        return out if bias is None else add(out, bias, weight)

    return layer


_layer = _layer_as()


def _layer_by_loops(
    x: Array, weight: Array, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Array:
    (s_h, s_w), (d_h, d_w) = hw(stride), hw(dilation)
    c_out, c_in, k_h, k_w = weight.shape
    wide = _padded(x, padding)
    out_h = (wide.shape[2] - d_h * (k_h - 1) - 1) // s_h + 1
    out_w = (wide.shape[3] - d_w * (k_w - 1) - 1) // s_w + 1
    out = np.zeros((len(x), c_out, out_h, out_w))
    for n, o, r, q in np.ndindex(*out.shape):
        total = 0.0 if bias is None else float(bias[o])
        for c in range(c_in):
            for i in range(k_h):
                for j in range(k_w):
                    total += weight[o, c, i, j] * wide[n, c, r * s_h + i * d_h, q * s_w + j * d_w]
        out[n, o, r, q] = total
    return out


def _layer_by_im2col(
    x: Array, weight: Array, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Array:
    windows = _windows(_padded(x, padding), weight.shape[2:], stride, dilation)
    n, _, out_h, out_w = windows.shape[:4]
    columns = windows.transpose(0, 1, 4, 5, 2, 3).reshape(n, weight[0].size, out_h * out_w)
    out = (weight.reshape(len(weight), -1) @ columns).reshape(n, len(weight), out_h, out_w)
    return np.asarray(out if bias is None else out + bias.reshape(1, -1, 1, 1))


def _layer_of_single_channels(
    x: Array, weight: Array, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Array:
    maps = [
        [
            sum(
                ops.conv2d_single(channel, part, stride, padding, dilation)
                for channel, part in zip(image, kernel, strict=True)
            )
            for kernel in weight
        ]
        for image in x
    ]
    out = np.array(maps)
    return out if bias is None else _add_bias(out, bias, weight)


def _layer_by_unfold(
    x: Array, weight: Array, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Any:
    import torch

    batch = torch.tensor(np.asarray(x, float))
    k_h, k_w = weight.shape[2:]
    p_h, p_w = hw(padding)
    columns = torch.nn.functional.unfold(batch, (k_h, k_w), hw(dilation), (p_h, p_w), hw(stride))
    d_h, s_h = hw(dilation)[0], hw(stride)[0]
    out_h = (x.shape[2] + 2 * p_h - d_h * (k_h - 1) - 1) // s_h + 1
    matrix = torch.tensor(np.asarray(weight, float)).reshape(len(weight), -1)
    out = (matrix @ columns).reshape(len(x), len(weight), out_h, -1)
    return out if bias is None else out + torch.tensor(np.asarray(bias, float))[:, None, None]


def _channels_kept_apart(windows: Array, weight: Array) -> Array:
    n, c, out_h, out_w = windows.shape[:4]
    apart = np.einsum("ncrqij,ocij->nocrq", windows, weight)
    return np.asarray(apart.reshape(n, len(weight) * c, out_h, out_w))


def _first_image_only(windows: Array, weight: Array) -> Array:
    return np.repeat(_contract(windows[:1], weight), len(windows), axis=0)


def _shared_kernel(windows: Array, weight: Array) -> Array:
    return _contract(windows.sum(axis=1, keepdims=True), weight[:, :1])


def _layer_asking_the_truth_of_an_array(
    x: Array, weight: Array, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Array:
    out = _layer(x, weight, None, stride, padding, dilation)
    if bias:
        out = _add_bias(out, bias, weight)
    return out


def _layer_stepping_inside_the_window(
    x: Array, weight: Array, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Array:
    return _layer(x, weight, bias, dilation, padding, stride)


def _layer_that_adds_bias_to_integers(
    x: Array, weight: Array, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Array:
    return _layer(x, weight, bias, stride, padding, dilation).astype(x.dtype)


def _layer_with_integers_of_the_kernel(
    x: Array, weight: Array, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1
) -> Array:
    return _layer(x, weight, bias, stride, padding, dilation).astype(weight.dtype)


def _layer_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(
        aspect: str,
        x: tuple[int, ...],
        weight: tuple[int, ...],
        bias: bool = False,
        note: str = "",
        **sizes: Any,
    ) -> Case:
        given = [reals(rng, *x), reals(rng, *weight)]
        if bias:
            given.append(reals(rng, weight[0]) + 0.5)
        return Case(aspect, tuple(given), sizes, note=note)

    yield case("channels", (1, 2, 1, 1), (1, 2, 1, 1), note="one pixel, two channels")
    # Two cases early on that tell most mistakes apart: a diagnosis need not look further.
    yield case("bias", (2, 3, 3, 3), (2, 3, 2, 3), bias=True)
    yield case("dilation", (1, 1, 7, 5), (1, 1, 2, 2), stride=2, padding=1, dilation=(3, 1))
    yield case("channels", (1, 3, 3, 4), (1, 3, 2, 2))
    yield case("channels", (1, 2, 4, 3), (1, 2, 3, 2))
    whole = (wholes(rng, 1, 2, 3, 3) + 7, np.round(reals(rng, 1, 2, 2, 2) + 0.25, 2))
    yield Case("channels", whole, note="an image of integers")
    whole = (np.round(reals(rng, 1, 2, 3, 3) + 0.25, 2), wholes(rng, 1, 2, 2, 2) + 5)
    yield Case("channels", whole, note="a kernel of integers")
    yield case("kernels", (1, 1, 2, 3), (2, 1, 2, 2))
    yield case("kernels", (1, 2, 3, 4), (2, 2, 2, 3), note="as many kernels as channels")
    yield case("kernels", (1, 3, 3, 3), (4, 3, 2, 1))
    yield case("batch", (2, 1, 2, 3), (1, 1, 2, 2))
    yield case("batch", (3, 2, 3, 3), (2, 2, 2, 2))
    yield case("batch", (2, 2, 4, 3), (3, 2, 3, 2))
    yield case("bias", (1, 2, 2, 2), (1, 2, 2, 2), bias=True)
    yield case("bias", (1, 2, 3, 4), (3, 2, 2, 2), bias=True, note="three maps, three columns")
    only = (wholes(rng, 1, 2, 3, 3), wholes(rng, 2, 2, 2, 2), np.array([0.25, -1.5]))
    yield Case("bias", only, note="fractions in the bias alone")
    yield case("stride", (1, 2, 4, 4), (2, 2, 2, 2), stride=2)
    yield case("stride", (2, 1, 5, 7), (1, 1, 2, 3), stride=(2, 3))
    yield case("stride", (1, 2, 6, 5), (2, 2, 3, 2), bias=True, stride=np.int64(2))
    yield case("padding", (1, 2, 2, 2), (1, 2, 2, 2), padding=1)
    yield case("padding", (2, 1, 2, 3), (2, 1, 3, 2), padding=[1, 0])
    yield case("padding", (1, 2, 3, 2), (2, 2, 2, 3), bias=True, padding=(0, 2))
    yield case("dilation", (1, 2, 4, 4), (1, 2, 2, 2), dilation=2)
    yield case("dilation", (1, 2, 4, 6), (2, 2, 2, 3), dilation=(3, 2))


CONV2D = FunctionExercise(
    name="conv2d",
    chapter="03",
    signature="conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1) -> array",
    aspects=(
        Aspect("channels", 2),
        Aspect("kernels", 1),
        Aspect("batch", 1),
        Aspect("bias", 1),
        Aspect("stride", 1),
        Aspect("padding", 1),
        Aspect("dilation", 1),
    ),
    worked=(
        Case("channels", (IMAGE, KERNELS[:1]), note="one image of two channels, one kernel"),
        Case("kernels", (IMAGE, KERNELS), note="the same image, two kernels"),
    ),
    cases=_layer_cases,
    reference=ops.conv2d,
    alternatives={
        "loops": _layer_by_loops,
        "sliding_window_view and einsum": _layer,
        "im2col": _layer_by_im2col,
        "one channel at a time": _layer_of_single_channels,
        "torch's unfold": _layer_by_unfold,
    },
    misconceptions=(
        Misconception(
            "channels_not_summed",
            "You keep a map for every input channel: a kernel adds its channels up into one map.",
            _layer_as(
                _channels_kept_apart,
                lambda out, bias, weight: out + np.repeat(bias, weight.shape[1])[:, None, None],
            ),
        ),
        Misconception(
            "first_channel_only",
            "Only the first input channel reaches your output.",
            _layer_as(lambda windows, weight: _contract(windows[:, :1], weight[:, :1])),
        ),
        Misconception(
            "last_channel_only",
            "Only the last input channel is left in your output: does each overwrite the one "
            "before?",
            _layer_as(lambda windows, weight: _contract(windows[:, -1:], weight[:, -1:])),
        ),
        Misconception(
            "mean_over_channels",
            "You average over the input channels: add them up.",
            _layer_as(lambda windows, weight: _contract(windows, weight) / weight.shape[1]),
        ),
        Misconception(
            "kernel_shared_by_channels",
            "You use the same slice of the kernel for every input channel: each has its own, "
            "weight[o, c].",
            _layer_as(_shared_kernel),
        ),
        Misconception(
            "channels_added_first",
            "You add up the channels before you multiply: each channel meets its own slice of the "
            "kernel, and the products are added.",
            _layer_as(
                lambda windows, weight: _contract(
                    windows.sum(axis=1, keepdims=True), weight.sum(axis=1, keepdims=True)
                )
            ),
        ),
        Misconception(
            "squeezed",
            "Axes of length 1 are missing in your output: one image or one map still has its axis.",
            lambda *given, **sizes: np.squeeze(_layer(*given, **sizes)),
        ),
        Misconception(
            "one_kernel_for_all",
            "All your maps come from the first kernel: map o is made by weight[o].",
            _layer_as(
                lambda windows, weight: np.repeat(
                    _contract(windows, weight[:1]), len(weight), axis=1
                )
            ),
        ),
        Misconception(
            "weight_axes_swapped",
            "The weight's first axis counts output channels, its second input channels; you read "
            "them the other way round.",
            _layer_as(
                lambda windows, weight: np.asarray(np.einsum("ncrqij,coij->norq", windows, weight))
            ),
        ),
        Misconception(
            "first_image_only",
            "Every image of your batch gets the first image's maps.",
            _layer_as(_first_image_only),
        ),
        Misconception(
            "batch_mixed",
            "You add up over the images of the batch: each keeps its own maps.",
            _layer_as(
                lambda windows, weight: _contract(windows, weight).sum(axis=0, keepdims=True)
            ),
        ),
        Misconception(
            "channels_last",
            "Your channels come last: the output is (N, C_out, H_out, W_out).",
            _layer_as(
                lambda windows, weight: np.asarray(np.einsum("ncrqij,ocij->nrqo", windows, weight)),
                lambda out, bias, weight: out + bias,
            ),
        ),
        Misconception(
            "kernels_before_images",
            "Your first two axes are exchanged: the output is (N, C_out, H_out, W_out).",
            _layer_as(
                lambda windows, weight: np.asarray(np.einsum("ncrqij,ocij->onrq", windows, weight)),
                lambda out, bias, weight: out + np.asarray(bias)[:, None, None, None],
            ),
        ),
        Misconception(
            "sum_carried_over",
            "Every map holds the maps before it too: begin each kernel's sum at 0.",
            _layer_as(lambda windows, weight: _contract(windows, weight).cumsum(axis=1)),
        ),
        Misconception(
            "turned",
            "Your maps lie on their side: rows come before columns.",
            _layer_as(lambda windows, weight: _contract(windows, weight).swapaxes(2, 3)),
        ),
        Misconception(
            "bias_ignored",
            "Your answer does not change with the bias.",
            _layer_as(add=lambda out, bias, weight: out),
        ),
        Misconception(
            "bias_for_each_channel",
            "You add the bias once for each input channel: it belongs to the finished sum.",
            _layer_as(add=lambda out, bias, weight: _add_bias(out, bias * weight.shape[1], weight)),
        ),
        Misconception(
            "bias_for_each_product",
            "You add the bias to every product, before the sum: it is added once to each output.",
            _layer_as(add=lambda out, bias, weight: _add_bias(out, bias * weight[0].size, weight)),
        ),
        Misconception(
            "bias_along_the_width",
            "`out + bias` lines the bias up with the last axis, the columns: it has one number for "
            "each map.",
            _layer_as(add=lambda out, bias, weight: out + bias),
        ),
        Misconception(
            "first_bias_for_all",
            "You add the first bias to every map: map o has bias[o].",
            _layer_as(add=lambda out, bias, weight: out + bias[0]),
        ),
        Misconception(
            "truth_of_an_array",
            "`if bias:` asks an array whether it is true: ask whether it is None.",
            _layer_asking_the_truth_of_an_array,
        ),
        Misconception(
            "kernel_flipped",
            "You flip the kernel: a convolution layer slides it as it is.",
            _layer_as(lambda windows, weight: _contract(windows, weight[:, :, ::-1, ::-1])),
        ),
        Misconception(
            "kernel_transposed",
            "Rows and columns of the kernel have changed places in your sum.",
            _layer_as(
                lambda windows, weight: np.asarray(np.einsum("ncrqij,ocji->norq", windows, weight))
            ),
        ),
        Misconception(
            "cut_to_integers",
            "Your output has the image's integer type, which cuts off decimals.",
            _layer_that_adds_bias_to_integers,
        ),
        Misconception(
            "cut_to_the_kernels_integers",
            "Your output has the kernel's integer type, which cuts off decimals.",
            _layer_with_integers_of_the_kernel,
        ),
        Misconception(
            "stride_ignored",
            "Your answer does not change with the stride.",
            _layer_as(stride=lambda v: 1),
        ),
        Misconception(
            "stride_inside_the_window",
            "You have exchanged stride and dilation: stride moves the window, dilation spreads its "
            "taps.",
            _layer_stepping_inside_the_window,
        ),
        Misconception(
            "padding_ignored",
            "Your answer does not change with the padding.",
            _layer_as(padding=lambda v: 0),
        ),
        Misconception(
            "padding_before_only",
            "You pad above and to the left only.",
            _layer_as(pad=_padded_before_only),
        ),
        Misconception(
            "pads_every_axis",
            "You pad all four axes: only height and width get zeros, not the batch and not the "
            "channels.",
            _layer_as(pad=_padded_on_every_axis),
        ),
        Misconception(
            "border_repeated",
            "You pad with copies of the border: pad with zeros.",
            _layer_as(pad=_padded_with_the_border),
        ),
        Misconception(
            "dilation_ignored",
            "Your answer does not change with the dilation.",
            _layer_as(dilation=lambda v: 1),
        ),
        Misconception(
            "height_and_width_swapped",
            "A pair is (height, width): its first number belongs to the rows.",
            _layer_as(stride=wh, padding=wh, dilation=wh),
        ),
        Misconception(
            "one_number_only",
            "Your function takes single numbers; each of them may also be a (height, width) pair.",
            _layer_as(stride=one_number, padding=one_number, dilation=one_number),
        ),
        Misconception(
            "python_ints_only",
            "A NumPy integer is no `int` to isinstance, and no pair either.",
            _layer_as(stride=python_ints_only, padding=python_ints_only, dilation=python_ints_only),
        ),
    ),
    forbidden=_LIBRARY_CONVOLUTIONS,
    hints=(
        "Forget the batch, the bias and all but one kernel. A window of the image is now a block "
        "(C_in, K_h, K_w), and so is the kernel: multiply the two and add up everything.",
        "Around that go loops over the images n, the kernels o and the output's rows and columns; "
        "map o gets bias[o] once its sum is made. `ops.conv2d_single` does one channel, so the sum "
        "over c of conv2d_single(x[n, c], weight[o, c], …) is map o without its bias.",
        "out[n, o] = sum(ops.conv2d_single(x[n, c], weight[o, c], stride, padding, dilation) for c "
        "in range(C_in)), and in the end, if bias is not None, out + bias[:, None, None].",
    ),
)


# ── pointwise_conv ──────────────────────────────────────────────────────────────────────────────


def _pointwise_as(
    mix: Callable[[Array, Array], Array],
    add: Callable[[Array, Array, Array], Array] = _add_bias,
) -> Callable[..., Array]:
    """A 1×1 convolution that is right but for `mix` of x and the weight (C_out, C_in), or `add`."""

    def pointwise(x: Array, weight: Array, bias: Any = None) -> Array:
        out = np.asarray(mix(x, weight[:, :, 0, 0]))
        return out if bias is None else add(out, bias, weight[:, :, 0, 0])

    return pointwise


def _mix(x: Array, weight: Array) -> Array:
    return np.asarray(np.einsum("oc,nchw->nohw", weight, x))


def _pointwise_by_matrix(x: Array, weight: Array, bias: Any = None) -> Array:
    n, c, height, width = x.shape
    out = weight.reshape(len(weight), c) @ x.reshape(n, c, height * width)
    if bias is not None:
        out = out + bias[:, None]
    return np.asarray(out.reshape(n, len(weight), height, width))


def _pointwise_by_loops(x: Array, weight: Array, bias: Any = None) -> Array:
    n, _, height, width = x.shape
    out = np.zeros((n, len(weight), height, width))
    for image, o, r, q in np.ndindex(*out.shape):
        out[image, o, r, q] = np.dot(weight[o, :, 0, 0], x[image, :, r, q])
        if bias is not None:
            out[image, o, r, q] += bias[o]
    return out


def _pointwise_in_torch(x: Array, weight: Array, bias: Any = None) -> Any:
    import torch

    pixels = torch.tensor(np.asarray(x, float)).permute(0, 2, 3, 1)  # (N, H, W, C)
    out = pixels @ torch.tensor(np.asarray(weight, float))[:, :, 0, 0].T
    if bias is not None:
        out = out + torch.tensor(np.asarray(bias, float))
    return out.permute(0, 3, 1, 2)


def _pointwise_reshaping_pixels(x: Array, weight: Array) -> Array:
    """(N·H·W, C) by reshape alone: its rows are not pixels."""
    n, c, height, width = x.shape
    rows = x.reshape(n * height * width, c) @ weight.T
    return rows.reshape(n, height, width, len(weight)).transpose(0, 3, 1, 2)


def _pointwise_reshaping_back(x: Array, weight: Array) -> Array:
    n, _, height, width = x.shape
    rows = np.einsum("oc,nchw->nhwo", weight, x)
    return np.asarray(rows.reshape(n, len(weight), height, width))


def _pointwise_squeezed(x: Array, weight: Array, bias: Any = None) -> Array:
    out = np.asarray(np.einsum("oc,nchw->nohw", np.squeeze(weight), x))
    return out if bias is None else _add_bias(out, bias, weight)


def _pointwise_asking_the_truth(x: Array, weight: Array, bias: Any = None) -> Array:
    out = _mix(x, weight[:, :, 0, 0])
    return _add_bias(out, bias, weight) if bias else out


def _pointwise_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(
        aspect: str, x: tuple[int, ...], c_out: int, bias: bool = False, note: str = ""
    ) -> Case:
        given = [reals(rng, *x), reals(rng, c_out, x[1], 1, 1)]
        if bias:
            given.append(reals(rng, c_out) + 0.5)
        return Case(aspect, tuple(given), note=note)

    one = "one pixel"
    yield case(one, (1, 2, 1, 1), 2)
    yield case(one, (1, 4, 1, 1), 3)
    yield case(one, (1, 3, 1, 1), 1, note="one kernel")
    maps = "a batch of maps"
    yield case(maps, (1, 2, 2, 3), 2, note="as many kernels as channels")
    yield case(maps, (2, 3, 2, 2), 2)
    yield case(maps, (2, 1, 2, 3), 3, note="one channel")
    yield case(maps, (3, 4, 3, 2), 3)
    yield case("bias", (1, 2, 2, 2), 1, bias=True)
    yield case("bias", (2, 2, 2, 3), 3, bias=True, note="three maps, three columns")
    yield case("bias", (1, 3, 3, 2), 4, bias=True)


POINTWISE_CONV = FunctionExercise(
    name="pointwise_conv",
    chapter="03",
    signature="pointwise_conv(x, weight, bias=None) -> array",
    aspects=(Aspect("one pixel", 1), Aspect("a batch of maps", 1), Aspect("bias", 1)),
    worked=(
        Case(
            "one pixel",
            (
                np.array([1, 2, 3]).reshape(1, 3, 1, 1),
                np.array([[1, 0, -1], [2, 1, 0]]).reshape(2, 3, 1, 1),
            ),
        ),
    ),
    cases=_pointwise_cases,
    reference=ops.pointwise_conv2d,
    alternatives={
        "einsum": _pointwise_as(_mix),
        "one matrix product": _pointwise_by_matrix,
        "loops": _pointwise_by_loops,
        "torch, channels last": _pointwise_in_torch,
    },
    misconceptions=(
        Misconception(
            "weight_transposed",
            "Row o of the weight makes output channel o; you read its columns.",
            _pointwise_as(lambda x, weight: np.einsum("co,nchw->nohw", weight, x)),
        ),
        Misconception(
            "channels_not_summed",
            "You scale the channels and do not add them up: an output pixel is a dot product.",
            _pointwise_as(
                lambda x, weight: np.einsum("oc,nchw->nochw", weight, x).reshape(
                    len(x), -1, *x.shape[2:]
                ),
                lambda out, bias, weight: out + np.repeat(bias, weight.shape[1])[:, None, None],
            ),
        ),
        Misconception(
            "mean_over_channels",
            "You average over the input channels: add them up.",
            _pointwise_as(lambda x, weight: _mix(x, weight) / weight.shape[1]),
        ),
        Misconception(
            "first_channel_only",
            "Only the first input channel reaches your output.",
            _pointwise_as(lambda x, weight: _mix(x[:, :1], weight[:, :1])),
        ),
        Misconception(
            "space_mixed",
            "You add up over the pixels too: a 1×1 kernel never looks at a neighbour.",
            _pointwise_as(
                lambda x, weight: np.broadcast_to(
                    _mix(x, weight).sum(axis=(2, 3), keepdims=True),
                    (len(x), len(weight), *x.shape[2:]),
                )
            ),
        ),
        Misconception(
            "channels_last",
            "Your channels come last: the output is (N, C_out, H, W).",
            _pointwise_as(
                lambda x, weight: _mix(x, weight).transpose(0, 2, 3, 1),
                lambda out, bias, weight: out + bias,
            ),
        ),
        Misconception(
            "kernels_before_images",
            "Your first two axes are exchanged: the output is (N, C_out, H, W).",
            _pointwise_as(
                lambda x, weight: _mix(x, weight).swapaxes(0, 1),
                lambda out, bias, weight: out + np.asarray(bias)[:, None, None, None],
            ),
        ),
        Misconception(
            "weight_reshaped",
            "`reshape` to (C_in, C_out) does not transpose: the weight is (C_out, C_in, 1, 1).",
            _pointwise_as(
                lambda x, weight: np.einsum("co,nchw->nohw", weight.reshape(weight.shape[::-1]), x)
            ),
        ),
        Misconception(
            "reshape_does_not_move",
            "`reshape` to (N·H·W, C) does not bring a pixel's channels together: move the channel "
            "axis to the end first.",
            _pointwise_as(_pointwise_reshaping_pixels),
        ),
        Misconception(
            "reshaped_back",
            "Your sums are right and stand in the wrong places: the channels came last before you "
            "reshaped, so move that axis back.",
            _pointwise_as(_pointwise_reshaping_back),
        ),
        Misconception(
            "squeezed",
            "`squeeze` takes away every axis of length 1: with one kernel, or one channel, that is "
            "one too many. Index the last two axes.",
            _pointwise_squeezed,
        ),
        Misconception(
            "bias_ignored",
            "Your answer does not change with the bias.",
            _pointwise_as(_mix, lambda out, bias, weight: out),
        ),
        Misconception(
            "bias_for_each_channel",
            "You add the bias once for each input channel: it belongs to the finished sum.",
            _pointwise_as(
                _mix, lambda out, bias, weight: _add_bias(out, bias * weight.shape[1], weight)
            ),
        ),
        Misconception(
            "bias_along_the_width",
            "`out + bias` lines the bias up with the last axis, the columns: it has one number for "
            "each map.",
            _pointwise_as(_mix, lambda out, bias, weight: out + bias),
        ),
        Misconception(
            "truth_of_an_array",
            "`if bias:` asks an array whether it is true: ask whether it is None.",
            _pointwise_asking_the_truth,
        ),
    ),
    forbidden=(*_LIBRARY_CONVOLUTIONS, "course_lib.ops.conv2d_single"),
    hints=(
        "Take one pixel: it is a vector of C_in numbers. Output channel o is that vector's dot "
        "product with weight[o, :, 0, 0].",
        "All kernels at once: the matrix weight[:, :, 0, 0], (C_out, C_in), times the vector. All "
        "pixels at once: times a matrix whose columns are the pixels, x.reshape(N, C_in, H·W).",
        'np.einsum("oc,nchw->nohw", weight[:, :, 0, 0], x), then bias[:, None, None] where there '
        "is one.",
    ),
)


# ── im2col ──────────────────────────────────────────────────────────────────────────────────────


def _columns_as(
    order: str = "ncrqij->ncijrq",
    rows: int = 3,
    pad: Callable[[Array, Any], Array] = _padded,
    *,
    kernel_size: Callable[[Any], Any] = _same,
    stride: Callable[[Any], Any] = _same,
    padding: Callable[[Any], Any] = _same,
    flip: bool = False,
    shift: int = 0,
) -> Callable[..., Array]:
    """im2col with the windows' axes put in `order`: the first `rows` of them run down a column."""
    read_kernel, read_stride, read_padding = kernel_size, stride, padding

    def im2col(x: Array, kernel_size: Any, stride: Any = 1, padding: Any = 0) -> Array:
        wide = pad(x, read_padding(padding))
        windows = _windows(wide, read_kernel(kernel_size), read_stride(stride))
        if flip:
            windows = windows[..., ::-1, ::-1]
        if shift:
            windows = windows[:, :, : -shift or None, : -shift or None]
        turned = np.einsum(order, windows)
        down = int(np.prod(turned.shape[1 : 1 + rows]))
        return np.asarray(turned.reshape(len(x), down, -1))

    return im2col


_columns = _columns_as()


def _columns_by_loops(x: Array, kernel_size: Any, stride: Any = 1, padding: Any = 0) -> Array:
    (k_h, k_w), (s_h, s_w) = hw(kernel_size), hw(stride)
    wide = _padded(x, padding)
    out_h, out_w = (wide.shape[2] - k_h) // s_h + 1, (wide.shape[3] - k_w) // s_w + 1
    columns = np.zeros((len(x), x.shape[1] * k_h * k_w, out_h * out_w))
    for n in range(len(x)):
        for r in range(out_h):
            for q in range(out_w):
                window = wide[n, :, r * s_h : r * s_h + k_h, q * s_w : q * s_w + k_w]
                columns[n, :, r * out_w + q] = window.ravel()
    return columns


def _columns_tap_by_tap(x: Array, kernel_size: Any, stride: Any = 1, padding: Any = 0) -> Array:
    """Row by row: one row of the matrix is the image, shifted by the tap and cut."""
    (k_h, k_w), (s_h, s_w) = hw(kernel_size), hw(stride)
    wide = _padded(x, padding)
    height, width = wide.shape[2] - k_h + 1, wide.shape[3] - k_w + 1
    rows = [
        wide[:, c, i : i + height : s_h, j : j + width : s_w].reshape(len(x), -1)
        for c in range(x.shape[1])
        for i in range(k_h)
        for j in range(k_w)
    ]
    return np.stack(rows, axis=1)


def _columns_merged(x: Array, kernel_size: Any, stride: Any = 1, padding: Any = 0) -> Array:
    columns = _columns(x, kernel_size, stride, padding)
    return columns.transpose(1, 0, 2).reshape(columns.shape[1], -1)


def _columns_of_first_image(x: Array, kernel_size: Any, stride: Any = 1, padding: Any = 0) -> Array:
    return np.asarray(_columns(x[:1], kernel_size, stride, padding)[0])


def _columns_by_plain_reshape(
    x: Array, kernel_size: Any, stride: Any = 1, padding: Any = 0
) -> Array:
    windows = _windows(_padded(x, padding), kernel_size, stride)
    n, c, out_h, out_w, k_h, k_w = windows.shape
    return windows.reshape(n, c * k_h * k_w, out_h * out_w)


def _columns_not_flattened(x: Array, kernel_size: Any, stride: Any = 1, padding: Any = 0) -> Array:
    windows = _windows(_padded(x, padding), kernel_size, stride)
    return np.ascontiguousarray(windows.transpose(0, 1, 4, 5, 2, 3))


def _columns_of_tiles(x: Array, kernel_size: Any, stride: Any = 1, padding: Any = 0) -> Array:
    return _columns(x, kernel_size, kernel_size, padding)


def _columns_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case("one channel", (wholes(rng, 1, 1, 2, 3), 2))
    yield Case("one channel", (reals(rng, 1, 1, 4, 3), (2, 1)))
    yield Case("one channel", (reals(rng, 1, 1, 3, 4), [1, 3]))
    yield Case("one channel", (reals(rng, 1, 1, 4, 4), np.int64(2)))
    yield Case("channels", (reals(rng, 1, 2, 2, 2), 2))
    yield Case("channels", (reals(rng, 1, 3, 3, 4), (2, 3)))
    yield Case("channels", (reals(rng, 1, 2, 4, 3), 1), note="a kernel of one pixel")
    yield Case("batch", (reals(rng, 2, 1, 2, 3), 2))
    yield Case("batch", (reals(rng, 3, 2, 3, 3), (2, 2)))
    yield Case("batch", (reals(rng, 2, 3, 4, 3), (1, 2)))
    yield Case("stride", (reals(rng, 1, 1, 4, 4), 2), {"stride": 2})
    yield Case("stride", (reals(rng, 1, 2, 5, 4), (3, 2)), {"stride": (2, 1)})
    yield Case("stride", (reals(rng, 2, 1, 6, 5), 3), {"stride": [1, 2]})
    yield Case("padding", (reals(rng, 1, 1, 2, 2), 2), {"padding": 1})
    yield Case("padding", (reals(rng, 1, 2, 2, 3), 3), {"padding": (1, 0), "stride": 1})
    yield Case("padding", (reals(rng, 2, 2, 3, 2), (2, 3)), {"padding": np.int64(2), "stride": 3})


IM2COL = FunctionExercise(
    name="im2col",
    chapter="03",
    signature="im2col(x, kernel_size, stride=1, padding=0) -> (N, C·K_h·K_w, L) array",
    aspects=(
        Aspect("one channel", 1),
        Aspect("channels", 1),
        Aspect("batch", 1),
        Aspect("stride", 1),
        Aspect("padding", 1),
    ),
    worked=(
        Case("one channel", (np.arange(1, 10).reshape(1, 1, 3, 3), 2)),
        Case("channels", (IMAGE, 2)),
    ),
    cases=_columns_cases,
    reference=ops.im2col,
    alternatives={
        "sliding_window_view": _columns,
        "loops over windows": _columns_by_loops,
        "tap by tap": _columns_tap_by_tap,
    },
    misconceptions=(
        Misconception(
            "transposed",
            "Your windows stand in rows: each is to be a column.",
            _columns_as("ncrqij->nrqcij", rows=2),
        ),
        Misconception(
            "channel_fastest",
            "Down a column, all of the first channel's pixels come first, then the second's.",
            _columns_as("ncrqij->nijcrq"),
        ),
        Misconception(
            "pixels_down_the_columns",
            "Inside a window you go down its columns: go along its rows, as reading does.",
            _columns_as("ncrqij->ncjirq"),
        ),
        Misconception(
            "windows_down_the_columns",
            "Your windows follow each other from top to bottom: go along the rows first.",
            _columns_as("ncrqij->ncijqr"),
        ),
        Misconception(
            "reshape_does_not_move",
            "`reshape` keeps the order in which the numbers lie: bring the axes into the order "
            "(N, C, K_h, K_w, H_out, W_out) before you reshape.",
            _columns_by_plain_reshape,
        ),
        Misconception(
            "not_flattened",
            "Three axes are asked: (N, C·K_h·K_w, L).",
            _columns_not_flattened,
        ),
        Misconception(
            "batch_merged",
            "The columns of different images stand in one matrix: each image has its own.",
            _columns_merged,
        ),
        Misconception(
            "first_image_only",
            "You return one matrix: one for each image is asked, (N, C·K_h·K_w, L).",
            _columns_of_first_image,
        ),
        Misconception(
            "flipped",
            "Your windows are turned by half a turn: write them out from their first pixel on.",
            _columns_as(flip=True),
        ),
        Misconception(
            "tiles",
            "Your windows lie side by side without overlap: they move by the stride, not by their "
            "own size.",
            _columns_of_tiles,
        ),
        Misconception(
            "last_window_missing",
            "The last row and column of windows are missing.",
            _columns_as(shift=1),
        ),
        Misconception(
            "stride_ignored",
            "Your answer does not change with the stride.",
            _columns_as(stride=lambda v: 1),
        ),
        Misconception(
            "padding_ignored",
            "Your answer does not change with the padding.",
            _columns_as(padding=lambda v: 0),
        ),
        Misconception(
            "padding_before_only",
            "You pad above and to the left only.",
            _columns_as(pad=_padded_before_only),
        ),
        Misconception(
            "border_repeated",
            "You pad with copies of the border: pad with zeros.",
            _columns_as(pad=_padded_with_the_border),
        ),
        Misconception(
            "height_and_width_swapped",
            "A pair is (height, width): its first number belongs to the rows.",
            _columns_as(kernel_size=wh, stride=wh, padding=wh),
        ),
        Misconception(
            "one_number_only",
            "Your function takes single numbers; each of them may also be a (height, width) pair.",
            _columns_as(kernel_size=one_number, stride=one_number, padding=one_number),
        ),
        Misconception(
            "python_ints_only",
            "A NumPy integer is no `int` to isinstance, and no pair either.",
            _columns_as(
                kernel_size=python_ints_only, stride=python_ints_only, padding=python_ints_only
            ),
        ),
    ),
    forbidden=(
        "torch.nn.functional.unfold",
        "torch:aten.im2col",
        "course_lib.ops.im2col",
    ),
    hints=(
        "Take one image. A window is a block (C, K_h, K_w), and `window.ravel()` writes it out in "
        "the order that is asked: that is one column.",
        "Loop over the output's rows r and columns q; the window of (r, q) goes into column "
        "r·W_out + q. The matrix has C·K_h·K_w rows and H_out·W_out columns.",
        "columns[n, :, r * W_out + q] = padded[n, :, r*s_h : r*s_h + K_h, q*s_w : q*s_w + "
        "K_w].ravel(); without loops: sliding_window_view over axes (2, 3), then transpose to "
        "(N, C, K_h, K_w, H_out, W_out), then reshape.",
    ),
)


# ── conv2d_backward ─────────────────────────────────────────────────────────────────────────────


def _weight_gradient(grad_out: Array, x: Array, weight: Array, stride: Any, padding: Any) -> Array:
    windows = _windows(_padded(x, padding), weight.shape[2:], stride)
    windows = windows[:, :, : grad_out.shape[2], : grad_out.shape[3]]
    return np.asarray(np.einsum("norq,ncrqij->ocij", grad_out, windows))


def _stamped(
    grad_out: Array,
    x: Array,
    weight: Array,
    stride: Any,
    padding: Any,
    *,
    add: bool = True,
    dtype: Any = float,
    start: Callable[[int, int], int] = lambda index, step: index * step,
) -> Array:
    """The gradient of the padded batch: every output stamps its kernel where its window stood."""
    (s_h, s_w), (k_h, k_w) = hw(stride), weight.shape[2:]
    grad = np.zeros(_padded(x, padding).shape, dtype)
    for r in range(grad_out.shape[2]):
        for q in range(grad_out.shape[3]):
            top, left = start(r, s_h), start(q, s_w)
            stamp = np.einsum("no,ocij->ncij", grad_out[:, :, r, q], weight).astype(dtype)
            old = grad[:, :, top : top + k_h, left : left + k_w] if add else 0
            grad[:, :, top : top + k_h, left : left + k_w] = old + stamp
    return grad


def _cropped(grad_padded: Array, padding: Any) -> Array:
    p_h, p_w = hw(padding)
    height, width = grad_padded.shape[2:]
    return grad_padded[:, :, p_h : height - p_h, p_w : width - p_w]


def _input_gradient(
    grad_out: Array, x: Array, weight: Array, stride: Any, padding: Any, **part: Any
) -> Array:
    return _cropped(_stamped(grad_out, x, weight, stride, padding, **part), padding)


def _bias_gradient(grad_out: Array) -> Array:
    return np.asarray(grad_out.sum(axis=(0, 2, 3)))


Gradients = tuple[Array, Array, Array]


def _backward_as(
    input_part: Callable[..., Array] = _input_gradient,
    weight_part: Callable[..., Array] = _weight_gradient,
    bias_part: Callable[[Array], Any] = _bias_gradient,
) -> Callable[..., Gradients]:
    """A backward pass, some of whose gradients may be wrong."""

    def backward(
        grad_out: Array, x: Array, weight: Array, stride: Any = 1, padding: Any = 0
    ) -> Gradients:
        given = (grad_out, x, weight, stride, padding)
        return input_part(*given), weight_part(*given), bias_part(grad_out)

    return backward


_backward = _backward_as()


def _backward_of_single_channels(
    grad_out: Array, x: Array, weight: Array, stride: Any = 1, padding: Any = 0
) -> Gradients:
    """Each pair of a kernel and a channel is chapter 02's backward pass."""
    grad_x, grad_weight = np.zeros(x.shape), np.zeros(weight.shape)
    for n in range(len(x)):
        for o in range(len(weight)):
            for c in range(x.shape[1]):
                of_image, of_kernel = ops.conv2d_single_backward(
                    grad_out[n, o], x[n, c], weight[o, c], stride, padding
                )
                grad_x[n, c] += of_image
                grad_weight[o, c] += of_kernel
    return grad_x, grad_weight, grad_out.sum(axis=(0, 2, 3))


def _backward_by_columns(
    grad_out: Array, x: Array, weight: Array, stride: Any = 1, padding: Any = 0
) -> Gradients:
    """The matrix product's backward pass, and the columns added back where they came from."""
    n, c_out = grad_out.shape[:2]
    flat = grad_out.reshape(n, c_out, -1)  # (N, C_out, L)
    columns = _columns(x, weight.shape[2:], stride, padding)
    grad_weight = np.einsum("nol,nkl->ok", flat, columns).reshape(weight.shape)
    grad_columns = np.einsum("ok,nol->nkl", weight.reshape(c_out, -1), flat)
    (s_h, s_w), (k_h, k_w) = hw(stride), weight.shape[2:]
    out_h, out_w = grad_out.shape[2:]
    pieces = grad_columns.reshape(n, x.shape[1], k_h, k_w, out_h, out_w)
    grad = np.zeros(_padded(x, padding).shape)
    for i in range(k_h):
        for j in range(k_w):
            rows = slice(i, i + (out_h - 1) * s_h + 1, s_h)
            across = slice(j, j + (out_w - 1) * s_w + 1, s_w)
            grad[:, :, rows, across] += pieces[:, :, i, j]
    return _cropped(grad, padding), grad_weight, flat.sum(axis=(0, 2))


def _unflipped(grad_out: Array, x: Array, weight: Array, stride: Any, padding: Any) -> Array:
    return _input_gradient(grad_out, x, weight[:, :, ::-1, ::-1], stride, padding)


def _kernels_not_summed(
    grad_out: Array, x: Array, weight: Array, stride: Any, padding: Any
) -> Array:
    return _input_gradient(grad_out[:, -1:], x, weight[-1:], stride, padding)


def _input_gradient_shared(
    grad_out: Array, x: Array, weight: Array, stride: Any, padding: Any
) -> Array:
    """Every channel gets what all of them together should: the kernel summed over its channels."""
    total = np.broadcast_to(weight.sum(axis=1, keepdims=True), weight.shape)
    return _input_gradient(grad_out, x, total, stride, padding)


def _weight_gradient_of_all_channels(
    grad_out: Array, x: Array, weight: Array, stride: Any, padding: Any
) -> Array:
    total = np.broadcast_to(x.sum(axis=1, keepdims=True), x.shape)
    return _weight_gradient(grad_out, total, weight, stride, padding)


def _weight_gradient_of_last_image(
    grad_out: Array, x: Array, weight: Array, stride: Any, padding: Any
) -> Array:
    return _weight_gradient(grad_out[-1:], x[-1:], weight, stride, padding)


def _weight_gradient_averaged(
    grad_out: Array, x: Array, weight: Array, stride: Any, padding: Any
) -> Array:
    return _weight_gradient(grad_out, x, weight, stride, padding) / len(x)


def _backward_without_stride(
    grad_out: Array, x: Array, weight: Array, stride: Any = 1, padding: Any = 0
) -> Gradients:
    grad_x = _input_gradient(grad_out, x, weight, stride, padding, start=lambda index, step: index)
    return grad_x, _weight_gradient(grad_out, x, weight, 1, padding), _bias_gradient(grad_out)


def _dropped_pixels_left_out(
    grad_out: Array, x: Array, weight: Array, stride: Any, padding: Any
) -> Array:
    """The gradient of what the windows cover: too small where the floor dropped pixels."""
    (s_h, s_w), (k_h, k_w) = hw(stride), weight.shape[2:]
    used_h, used_w = (grad_out.shape[2] - 1) * s_h + k_h, (grad_out.shape[3] - 1) * s_w + k_w
    used = np.zeros((*x.shape[:2], used_h, used_w))
    return _cropped(_stamped(grad_out, used, weight, stride, 0), padding)


def _between_p_and_minus_p(
    grad_out: Array, x: Array, weight: Array, stride: Any, padding: Any
) -> Array:
    p_h, p_w = hw(padding)
    return _stamped(grad_out, x, weight, stride, padding)[:, :, p_h:-p_h, p_w:-p_w]


def _unpadded_weight_gradient(
    grad_out: Array, x: Array, weight: Array, stride: Any, padding: Any
) -> Array:
    """The windows of the image as it is, as many of them as there are."""
    windows = _windows(x, weight.shape[2:], stride)
    part = grad_out[:, :, : windows.shape[2], : windows.shape[3]]
    return np.asarray(np.einsum("norq,ncrqij->ocij", part, windows))


def _backward_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(aspect: str, x: Array, weight: Array, note: str = "", **sizes: Any) -> Case:
        shape = _layer(x, weight, None, **sizes).shape
        upstream = wholes(rng, *shape) if note else reals(rng, *shape)
        if note and "bias" not in aspect:
            # Its sum over each map is 0, so that the bias may be wrong without harm.
            flat = upstream.swapaxes(0, 1).reshape(shape[1], -1)
            upstream[-1, :, -1, -1] -= flat.sum(axis=1)
        return Case(aspect, (upstream, x, weight), sizes, note=note)

    of_bias, of_weight, of_input = (
        f"gradient of the {part}" for part in ("bias", "weight", "input")
    )
    # Zeros on one side silence its partner: each gradient can earn its points alone.
    silent_both = "image and kernels of zeros: only the bias has a gradient"
    silent_weight = "kernels of zeros, and no gradient for the bias"
    silent_input = "an image of zeros, and no gradient for the bias"
    yield case(of_bias, np.zeros((1, 1, 2, 2)), np.zeros((2, 1, 2, 2)), silent_both)
    yield case(of_bias, np.zeros((2, 1, 2, 3)), np.zeros((2, 1, 1, 2)), silent_both)
    yield case(of_bias, np.zeros((2, 2, 3, 3)), np.zeros((3, 2, 2, 1)), silent_both)
    yield case(of_weight, reals(rng, 1, 2, 2, 3), np.zeros((1, 2, 2, 2)), silent_weight)
    yield case(of_weight, reals(rng, 2, 2, 3, 3), np.zeros((3, 2, 2, 2)), silent_weight)
    yield case(of_weight, reals(rng, 2, 3, 4, 3), np.zeros((2, 3, 3, 2)), silent_weight)
    yield case(of_input, np.zeros((1, 2, 2, 3)), reals(rng, 1, 2, 2, 2), silent_input)
    yield case(of_input, np.zeros((2, 2, 3, 3)), reals(rng, 3, 2, 2, 2), silent_input)
    yield case(of_input, np.zeros((2, 3, 4, 3), int), reals(rng, 2, 3, 2, 1), silent_input)
    yield case("stride", reals(rng, 1, 1, 4, 4), reals(rng, 2, 1, 2, 2), stride=2)
    yield case("stride", reals(rng, 2, 2, 4, 5), reals(rng, 1, 2, 3, 2), stride=(1, 2))
    yield case("stride", reals(rng, 1, 2, 6, 5), reals(rng, 2, 2, 2, 2), stride=np.int64(3))
    yield case("padding", reals(rng, 1, 1, 2, 2), reals(rng, 1, 1, 2, 2), padding=1)
    yield case("padding", reals(rng, 2, 2, 3, 2), reals(rng, 2, 2, 3, 2), padding=[2, 1])
    yield case("padding", reals(rng, 1, 2, 4, 3), reals(rng, 2, 2, 2, 3), padding=(0, 1), stride=2)


_UPSTREAM = np.array([[[[1, 0], [0, 2]], [[0, 3], [0, 0]]]])

CONV2D_BACKWARD = FunctionExercise(
    name="conv2d_backward",
    chapter="03",
    signature=(
        "conv2d_backward(grad_out, x, weight, stride=1, padding=0)"
        " -> (grad_x, grad_weight, grad_bias)"
    ),
    aspects=(
        Aspect("gradient of the bias", 1),
        Aspect("gradient of the weight", 2),
        Aspect("gradient of the input", 2),
        Aspect("stride", 1),
        Aspect("padding", 1),
    ),
    worked=(
        Case("gradient of the bias", (_UPSTREAM, np.zeros_like(IMAGE), np.zeros_like(KERNELS))),
    ),
    cases=_backward_cases,
    reference=ops.conv2d_backward,
    alternatives={
        "stamping": _backward,
        "one channel at a time": _backward_of_single_channels,
        "im2col": _backward_by_columns,
    },
    misconceptions=(
        Misconception(
            "bias_averaged",
            "Your bias gradient is a mean: the bias is added at every position of every image, so "
            "its gradient adds up.",
            _backward_as(bias_part=lambda grad_out: grad_out.mean(axis=(0, 2, 3))),
        ),
        Misconception(
            "bias_for_each_image",
            "Your bias gradient has a row for each image: the images share the bias, so add up "
            "over them as well.",
            _backward_as(bias_part=lambda grad_out: grad_out.sum(axis=(2, 3))),
        ),
        Misconception(
            "bias_for_each_position",
            "Your bias gradient keeps its positions: one number for each output channel is asked.",
            _backward_as(bias_part=lambda grad_out: grad_out.sum(axis=0)),
        ),
        Misconception(
            "bias_summed_to_one",
            "You add up the bias gradient over the maps too: each output channel has its own.",
            _backward_as(bias_part=lambda grad_out: grad_out.sum(keepdims=True).reshape(1)),
        ),
        Misconception(
            "kernel_not_flipped",
            "Your input gradient uses the kernel flipped the wrong way: what reached an output "
            "through tap (i, j) must go back through tap (i, j).",
            _backward_as(input_part=_unflipped),
        ),
        Misconception(
            "last_map_only",
            "Your input gradient comes from the last output channel alone: a pixel is used by all "
            "kernels, so add up over them.",
            _backward_as(input_part=_kernels_not_summed),
        ),
        Misconception(
            "input_gradient_not_apart",
            "Each input channel gets back what went out through its own slice of the kernel; yours "
            "all get the sum.",
            _backward_as(input_part=_input_gradient_shared),
        ),
        Misconception(
            "overwritten",
            "A pixel that takes part in several windows gets a gradient from each of them: add "
            "(`+=`), do not overwrite.",
            _backward_as(input_part=lambda *given: _input_gradient(*given, add=False)),
        ),
        Misconception(
            "weight_gradient_not_apart",
            "Slice (o, c) of the weight meets input channel c alone; your gradient mixes them all.",
            _backward_as(weight_part=_weight_gradient_of_all_channels),
        ),
        Misconception(
            "last_image_only",
            "Your weight gradient comes from the last image alone: the kernels serve every image, "
            "so add up over the batch.",
            _backward_as(weight_part=_weight_gradient_of_last_image),
        ),
        Misconception(
            "weight_gradient_averaged",
            "Your weight gradient is a mean over the batch: the loss decides about means, this is "
            "the sum.",
            _backward_as(weight_part=_weight_gradient_averaged),
        ),
        Misconception(
            "weight_gradient_flipped",
            "Your weight gradient comes out flipped: tap (0, 0) meets the first pixel of each "
            "window.",
            _backward_as(weight_part=lambda *given: _weight_gradient(*given)[:, :, ::-1, ::-1]),
        ),
        Misconception(
            "weight_gradient_axes_swapped",
            "Your weight gradient has input and output channels exchanged: it has the weight's "
            "shape.",
            _backward_as(weight_part=lambda *given: _weight_gradient(*given).swapaxes(0, 1)),
        ),
        Misconception(
            "upstream_ignored",
            "Your gradients do not depend on grad_out: by how much does the loss move with each "
            "output?",
            lambda grad_out, *given, **sizes: _backward(np.ones(grad_out.shape), *given, **sizes),
        ),
        Misconception(
            "order_swapped",
            "The order is input, weight, bias.",
            lambda *given, **sizes: tuple(_backward(*given, **sizes)[place] for place in (1, 0, 2)),
        ),
        Misconception(
            "stride_missing",
            "The forward pass jumped by the stride: so must the windows of the backward pass.",
            _backward_without_stride,
        ),
        Misconception(
            "dropped_pixels_left_out",
            "The input's gradient has the input's shape: pixels that the floor dropped are in it, "
            "with zero.",
            _backward_as(input_part=_dropped_pixels_left_out),
        ),
        Misconception(
            "padding_kept",
            "You return the gradient of the padded input: cut the padding off again.",
            _backward_as(input_part=_stamped),
        ),
        Misconception(
            "minus_zero",
            "A slice [p:-p] is empty where p is 0: write its end as p + length.",
            _backward_as(input_part=_between_p_and_minus_p),
        ),
        Misconception(
            "weight_gradient_unpadded",
            "The kernels met the padded input: so does their gradient.",
            _backward_as(weight_part=_unpadded_weight_gradient),
        ),
        Misconception(
            "integers_only",
            "Your input gradient has the input's integer type, which cuts off decimals.",
            _backward_as(
                input_part=lambda grad_out, x, *given: _input_gradient(
                    grad_out, x, *given, dtype=x.dtype
                )
            ),
        ),
    ),
    forbidden=(
        "course_lib.ops.conv2d_backward",
        "course_lib.ops.pointwise_conv2d_backward",
        "course_lib.ops.depthwise_conv2d_backward",
        "course_lib.ops.conv_transpose2d",
        "torch:aten.convolution_backward",
    ),
    hints=(
        "The bias first: it is added to every position of its map in every image. Then think of "
        "one kernel o and one channel c: that pair is chapter 02's backward pass.",
        "`ops.conv2d_single_backward(grad_out[n, o], x[n, c], weight[o, c], stride, padding)` "
        "gives the two gradients of a pair. Which pairs share the pixel map x[n, c], which the "
        "slice weight[o, c]?",
        "Loop over n, o and c: grad_x[n, c] += of_image and grad_weight[o, c] += of_kernel, both "
        "from zeros of floats; grad_bias = grad_out.sum(axis=(0, 2, 3)).",
    ),
)


# ── conv_cost ───────────────────────────────────────────────────────────────────────────────────

Cost = dict[str, Any]


def _cost_as(
    *,
    per_output: Callable[[int, int, int, int], Any] = lambda c_in, groups, k_h, k_w: (
        c_in // groups * k_h * k_w
    ),
    weights: Callable[[int, int, int, int, int], Any] | None = None,
    biases: Callable[[int, int, bool], int] = lambda c_in, c_out, bias: c_out if bias else 0,
    macs: Callable[[Any, int, int, int, int, int], Any] = lambda one, c_out, h, w, height, width: (
        one * c_out * h * w
    ),
    flops: Callable[[Any], Any] = lambda macs: 2 * macs,
    shape: Callable[[int, int, int], Any] = lambda c_out, h, w: (c_out, h, w),
    sizes: Callable[..., tuple[int, int]] | None = None,
    kernel: Callable[[Any], tuple[int, int]] = hw,
) -> Callable[..., Cost]:
    """The cost of a layer, right but for the parts that are given."""

    def conv_cost(
        c_in: int,
        c_out: int,
        kernel_size: Any,
        height: int,
        width: int,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> Cost:
        k_h, k_w = kernel(kernel_size)
        h, w = (sizes or _out_size)(height, width, (k_h, k_w), stride, padding, dilation)
        one = per_output(c_in, groups, k_h, k_w)
        weight = weights(c_in, c_out, groups, k_h, k_w) if weights else c_out * one
        products = macs(one, c_out, h, w, height, width)
        return {
            "params": weight + biases(c_in, c_out, bias),
            "macs": products,
            "flops": flops(products),
            "output_shape": shape(c_out, h, w),
        }

    return conv_cost


def _out_size(
    height: int, width: int, kernel: tuple[int, int], stride: Any, padding: Any, dilation: Any
) -> tuple[int, int]:
    sizes = []
    for axis, n in enumerate((height, width)):
        span = hw(dilation)[axis] * (kernel[axis] - 1) + 1
        sizes.append((n + 2 * hw(padding)[axis] - span) // hw(stride)[axis] + 1)
    return sizes[0], sizes[1]


def _cost_by_counting(
    c_in: int,
    c_out: int,
    kernel_size: Any,
    height: int,
    width: int,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    bias: bool = True,
) -> Cost:
    """Make the arrays and look how large they are."""
    weight = np.zeros((c_out, c_in // groups, *hw(kernel_size)))
    image = np.zeros((1, 1, height, width))
    windows = _windows(_padded(image, padding), kernel_size, stride, dilation)
    positions = windows.shape[2] * windows.shape[3]
    macs = sum(kernel.size for kernel in weight) * positions
    return {
        "params": weight.size + (len(weight) if bias else 0),
        "macs": macs,
        "flops": macs + macs,
        "output_shape": [c_out, *windows.shape[2:4]],
    }


def _size_as(change: Callable[..., tuple[Any, Any, Any]]) -> Callable[..., tuple[int, int]]:
    """The output's size with stride, padding and dilation read as `change` says."""

    def size(
        height: int, width: int, kernel: tuple[int, int], stride: Any, padding: Any, dilation: Any
    ) -> tuple[int, int]:
        return _out_size(height, width, kernel, *change(stride, padding, dilation))

    return size


def _padding_once(
    height: int, width: int, kernel: tuple[int, int], stride: Any, padding: Any, dilation: Any
) -> tuple[int, int]:
    p_h, p_w = hw(padding)
    return _out_size(height + p_h, width + p_w, kernel, stride, 0, dilation)


def _cost_cases(rng: np.random.Generator) -> Iterator[Case]:
    def below(high: int, low: int = 2) -> int:
        return int(rng.integers(low, high))

    def channels() -> tuple[int, int]:
        first, second = (int(n) for n in rng.choice(np.arange(2, 12), 2, replace=False))
        return first, second

    plain, spread, apart = "a plain layer", "stride, padding, dilation", "height and width apart"
    yield Case(plain, (2, 3, 2, 4, 4))
    yield Case(plain, (*channels(), 3, 7 + below(9), 17 + below(9)))
    yield Case(plain, (*channels(), 1, below(9), 9 + below(9)), note="a kernel of one pixel")
    yield Case("with and without bias", (*channels(), 3, 8, 9), {"bias": False})
    yield Case("with and without bias", (*channels(), 5, 9, 8), {"bias": True})
    yield Case("with and without bias", (*channels(), 2, 6, 4), {"bias": False})
    yield Case(spread, (*channels(), 3, 12, 15), {"stride": 2, "padding": 1})
    yield Case(spread, (*channels(), 3, 11 + below(6), 20), {"padding": np.int64(2)})
    yield Case(spread, (*channels(), 3, 14, 11 + below(6)), {"dilation": 3, "stride": 2})
    yield Case(apart, (*channels(), (3, 5), 9 + below(4), 16))
    yield Case(apart, (*channels(), [5, 2], 14, 8), {"stride": (3, 1), "padding": [0, 2]})
    yield Case(apart, (*channels(), 3, 9, 15), {"dilation": (1, 4), "padding": (2, 1)})
    for groups, more in ((2, 3), (3, 2)):
        c_in, c_out = groups * below(5), groups * (more + below(4))
        yield Case("groups", (c_in, c_out, 3, 8, 10), {"groups": groups})
    many = below(9, 4)
    yield Case(
        "groups",
        (many, many, 3, 9, 7),
        {"groups": many, "padding": 1, "bias": False},
        note="a kernel for each channel: depthwise",
    )


CONV_COST = FunctionExercise(
    name="conv_cost",
    chapter="03",
    signature=(
        "conv_cost(c_in, c_out, kernel_size, height, width, stride=1, padding=0, dilation=1, "
        "groups=1, bias=True) -> dict"
    ),
    aspects=(
        Aspect("a plain layer", 2),
        Aspect("with and without bias", 1),
        Aspect("stride, padding, dilation", 1),
        Aspect("height and width apart", 1),
        Aspect("groups", 1),
    ),
    worked=(
        Case("a plain layer", (3, 16, 3, 32, 32), {"padding": 1}),
        Case("groups", (4, 6, 3, 5, 5), {"groups": 2}),
    ),
    cases=_cost_cases,
    reference=cost.conv_cost,
    alternatives={"formulas": _cost_as(), "counting": _cost_by_counting},
    misconceptions=(
        Misconception(
            "flops_are_macs",
            "Your FLOPs equal your MACs: a multiply-add is a multiplication and an addition.",
            _cost_as(flops=lambda macs: macs),
        ),
        Misconception(
            "macs_of_one_position",
            "Your MACs are those of a single window: the kernels do their work at every output "
            "position.",
            _cost_as(macs=lambda one, c_out, h, w, height, width: one * c_out),
        ),
        Misconception(
            "macs_at_every_input_pixel",
            "You count a window for every input pixel: count the outputs, H' times W'.",
            _cost_as(macs=lambda one, c_out, h, w, height, width: one * c_out * height * width),
        ),
        Misconception(
            "macs_of_one_kernel",
            "Your MACs are those of one kernel: there are c_out of them.",
            _cost_as(macs=lambda one, c_out, h, w, height, width: one * h * w),
        ),
        Misconception(
            "one_channel_deep",
            "Your kernels are one channel deep: each spans all the channels of its input.",
            _cost_as(per_output=lambda c_in, groups, k_h, k_w: k_h * k_w),
        ),
        Misconception(
            "bias_counted_as_mac",
            "You count the additions of the bias: the statement leaves them out.",
            _cost_as(
                macs=lambda one, c_out, h, w, height, width: (one + 1) * c_out * h * w,
            ),
        ),
        Misconception(
            "bias_always",
            "You count biases where bias is False.",
            _cost_as(biases=lambda c_in, c_out, bias: c_out),
        ),
        Misconception(
            "bias_never",
            "You count no biases: where bias is True, each kernel has one.",
            _cost_as(biases=lambda c_in, c_out, bias: 0),
        ),
        Misconception(
            "one_bias_for_the_layer",
            "You count one bias for the whole layer: each kernel has its own.",
            _cost_as(biases=lambda c_in, c_out, bias: int(bias)),
        ),
        Misconception(
            "bias_for_each_slice",
            "You count a bias for every slice of every kernel: it is added to the finished sum.",
            _cost_as(biases=lambda c_in, c_out, bias: c_in * c_out if bias else 0),
        ),
        Misconception(
            "weights_at_every_position",
            "Your parameters grow with the image: all positions share the same kernels.",
            lambda *given, **sizes: _with_shared_weights_forgotten(*given, **sizes),
        ),
        Misconception(
            "shape_without_channels",
            "output_shape is (C_out, H', W'): the channels are missing.",
            _cost_as(shape=lambda c_out, h, w: (h, w)),
        ),
        Misconception(
            "channels_last",
            "output_shape is (C_out, H', W'): the channels come first.",
            _cost_as(shape=lambda c_out, h, w: (h, w, c_out)),
        ),
        Misconception(
            "batch_in_the_shape",
            "output_shape is (C_out, H', W'), that of one image: leave the batch out.",
            _cost_as(shape=lambda c_out, h, w: (1, c_out, h, w)),
        ),
        Misconception(
            "stride_ignored",
            "Your answer does not change with the stride.",
            _cost_as(sizes=_size_as(lambda s, p, d: (1, p, d))),
        ),
        Misconception(
            "padding_ignored",
            "Your answer does not change with the padding.",
            _cost_as(sizes=_size_as(lambda s, p, d: (s, 0, d))),
        ),
        Misconception(
            "padding_once",
            "Padding goes on at both ends of an axis.",
            _cost_as(sizes=_padding_once),
        ),
        Misconception(
            "dilation_ignored",
            "Your answer does not change with the dilation: it leaves the weights as many, and the "
            "output smaller.",
            _cost_as(sizes=_size_as(lambda s, p, d: (s, p, 1))),
        ),
        Misconception(
            "dilation_adds_weights",
            "You count the gaps of a dilated kernel as weights: it has as many weights as before, "
            "further apart.",
            lambda *given, **sizes: _with_the_gaps_counted(*given, **sizes),
        ),
        Misconception(
            "height_and_width_swapped",
            "A pair is (height, width): its first number belongs to the rows.",
            _cost_as(
                sizes=lambda height, width, kernel, stride, padding, dilation: _out_size(
                    height,
                    width,
                    (kernel[1], kernel[0]),
                    wh(stride),
                    wh(padding),
                    wh(dilation),
                )
            ),
        ),
        Misconception(
            "square_kernels_only",
            "You square the kernel's first number: a kernel may be a (height, width) pair.",
            _cost_as(kernel=lambda value: (hw(value)[0], hw(value)[0])),
        ),
        Misconception(
            "one_number_only",
            "Your function takes single numbers; sizes may also be (height, width) pairs.",
            _cost_as(
                kernel=lambda value: (one_number(value), one_number(value)),
                sizes=_size_as(lambda s, p, d: (one_number(s), one_number(p), one_number(d))),
            ),
        ),
        Misconception(
            "python_ints_only",
            "A NumPy integer is no `int` to isinstance, and no pair either.",
            _cost_as(
                kernel=python_ints_only,
                sizes=_size_as(
                    lambda s, p, d: (
                        python_ints_only(s),
                        python_ints_only(p),
                        python_ints_only(d),
                    )
                ),
            ),
        ),
        Misconception(
            "groups_ignored",
            "Your answer does not change with the groups.",
            _cost_as(per_output=lambda c_in, groups, k_h, k_w: c_in * k_h * k_w),
        ),
        Misconception(
            "groups_taken_twice",
            "You divide both the input and the output channels by the groups: each kernel sees "
            "fewer channels, but there are as many kernels as before.",
            lambda *given, **sizes: _with_groups_taken_twice(*given, **sizes),
        ),
        Misconception(
            "groups_multiply",
            "You multiply by the groups: a kernel of a grouped convolution sees fewer channels.",
            _cost_as(per_output=lambda c_in, groups, k_h, k_w: c_in * groups * k_h * k_w),
        ),
        Misconception(
            "floats",
            "Counts are ints: divide with `//`.",
            _cost_as(per_output=lambda c_in, groups, k_h, k_w: c_in / groups * k_h * k_w),
        ),
    ),
    forbidden=("course_lib.cost.conv_cost", "torch:aten.convolution"),
    hints=(
        "One output is one kernel laid on one window: how many products is that? Then how many "
        "kernels are there, and at how many places does each do its work?",
        "A kernel has c_in/groups · K_h · K_w weights, and there are c_out kernels, each with a "
        "bias if asked. H' and W' come from chapter 02's formula; geometry.output_shape is "
        "yours to use.",
        "one = c_in // groups * k_h * k_w; params = c_out * one + (c_out if bias else 0); macs = "
        "one * c_out * H' * W'; flops = 2 * macs; output_shape = (c_out, H', W').",
    ),
)


def _with_groups_taken_twice(
    c_in: int, c_out: int, *given: Any, groups: int = 1, bias: bool = True, **sizes: Any
) -> Cost:
    answer = _cost_as()(c_in, c_out, *given, groups=groups, bias=False, **sizes)
    weights, macs = answer["params"] // groups, answer["macs"] // groups
    params = weights + (c_out if bias else 0)
    return {**answer, "params": params, "macs": macs, "flops": 2 * macs}


def _with_the_gaps_counted(
    c_in: int, c_out: int, kernel_size: Any, *given: Any, dilation: Any = 1, **sizes: Any
) -> Cost:
    spans = [d * (k - 1) + 1 for d, k in zip(hw(dilation), hw(kernel_size), strict=True)]
    return _cost_as()(c_in, c_out, spans, *given, **sizes)


def _with_shared_weights_forgotten(*given: Any, **sizes: Any) -> Cost:
    answer = _cost_as()(*given, **sizes)
    _, height, width = answer["output_shape"]
    return {**answer, "params": answer["params"] * height * width}


# ── orange_detector ─────────────────────────────────────────────────────────────────────────────

# Red, green, blue. A linear detector that accepts the corners of a box accepts all of it.
ORANGES = tuple(
    (red, green, blue) for red in (0.9, 1.0) for green in (0.45, 0.65) for blue in (0.0, 0.1)
)
GREYS = {"black": (0.0, 0.0, 0.0), "grey": (0.5, 0.5, 0.5), "white": (1.0, 1.0, 1.0)}
COLOURS = {
    "blue": (0.0, 0.0, 1.0),
    "green": (0.0, 1.0, 0.0),
    "cyan": (0.0, 1.0, 1.0),
    "magenta": (1.0, 0.0, 1.0),
}


def _detector(answer: Any) -> tuple[Array, float] | str:
    """The three weights and the bias in an answer, or what is wrong with it."""
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return "two arrays are expected: return weight, bias"
    for value, name, shape in zip(answer, ("weight", "bias"), ((1, 3, 1, 1), (1,)), strict=True):
        if not isinstance(value, np.ndarray):
            return f"{name} is expected as an array: use np.array(…)"
        if value.shape != shape:
            return f"{name} is expected with shape {shape}, yours has {value.shape}"
        if not np.isfinite(value.astype(float)).all():
            return f"{name} holds a number that is not finite"
    return answer[0].astype(float).ravel(), float(answer[1][0])


def _responses(detector: tuple[Array, float], colours: Sequence[tuple[float, ...]]) -> Array:
    weight, bias = detector
    found = np.array(colours) @ weight + bias
    size = np.abs(weight).sum() + abs(bias)
    return np.where(np.abs(found) < 1e-9 * size, 0.0, found)  # rounding errors are no response


def _colour_condition(
    colours: Mapping[str, tuple[float, ...]], above: bool
) -> Callable[[Any, Case], str | None]:
    """A condition on the response to some colours: all above 0, or all below."""

    def condition(answer: Any, case: Case) -> str | None:
        detector = _detector(answer)
        if isinstance(detector, str):
            return detector
        for (name, colour), found in zip(
            colours.items(), _responses(detector, list(colours.values())), strict=True
        ):
            if not (found > 0 if above else found < 0):
                red, green, blue = colour
                wanted = "above 0" if above else "below 0"
                where = f"on {name} ({red:g}, {green:g}, {blue:g})"
                return f"{where} the response is {found:g}, not {wanted}"
        return None

    return condition


def _orange_mistake(answer: Any) -> str | None:
    """Which of the mistakes below a detector shows; each detector shows one at most."""
    detector = _detector(answer)
    if answer is None or (isinstance(detector, str) and "finite" in detector):
        return None  # what is wrong has been said
    if isinstance(detector, str):
        return "another_shape"
    weight, bias = detector
    if not weight.any():
        return "no_weights"

    def passes(candidate: tuple[Array, float]) -> bool:
        return bool(
            (_responses(candidate, ORANGES) > 0).all()
            and (_responses(candidate, [*GREYS.values(), *COLOURS.values()]) < 0).all()
        )

    if passes(detector):
        return None
    if passes((-weight, -bias)):
        return "upside_down"
    if passes((weight[::-1], bias)):
        return "blue_first"
    if passes((weight, -bias)):
        return "bias_with_the_wrong_sign"
    oranges = _responses(detector, ORANGES)
    black, _, white = _responses(detector, list(GREYS.values()))
    _, green, cyan, magenta = _responses(detector, list(COLOURS.values()))
    if not (oranges > 0).all():
        return "misses_oranges"
    if black >= 0:
        return "answers_to_black"
    if magenta >= 0:
        return "blue_counts_for_nothing" if white >= 0 else "answers_to_magenta"
    if green >= 0 or cyan >= 0:
        return "answers_to_green"
    return "answers_to_white" if white >= 0 else None


def _orange_misconception(mistake: str, message: str, answer: Any) -> Misconception:
    return Misconception(
        mistake,
        message,
        lambda: answer,
        recognise=lambda values: _orange_mistake(values[0]) == mistake,
    )


def _as_layer(red: float, green: float, blue: float, bias: float) -> tuple[Array, Array]:
    return np.array([red, green, blue], float).reshape(1, 3, 1, 1), np.array([bias])


ORANGE_DETECTOR = PropertyExercise(
    name="orange_detector",
    chapter="03",
    signature="orange_detector() -> (weight (1, 3, 1, 1), bias (1,))",
    aspects=(
        Aspect("oranges", 1),
        Aspect("black, grey, white", 1, needs=("oranges",)),
        Aspect("other colours", 1, needs=("oranges",)),
    ),
    worked=(
        Case("oranges", note="red 0.9 to 1, green 0.45 to 0.65, blue 0 to 0.1"),
        Case("black, grey, white"),
        Case("other colours", note="blue, green, cyan, magenta"),
    ),
    conditions={
        "oranges": _colour_condition({f"orange {i}": c for i, c in enumerate(ORANGES, 1)}, True),
        "black, grey, white": _colour_condition(GREYS, False),
        "other colours": _colour_condition(COLOURS, False),
    },
    example=lambda: _as_layer(2, 0, -2, -1),
    alternatives={
        "with some green": lambda: _as_layer(1, 0.2, -1.5, -0.5),
        "against green": lambda: _as_layer(3, -1, -3, -1),
        "integers": lambda: (np.array([4, 1, -5]).reshape(1, 3, 1, 1), np.array([-2])),
    },
    misconceptions=(
        _orange_misconception(
            "another_shape",
            "A layer's weight is (C_out, C_in, K_h, K_w), here (1, 3, 1, 1), and its bias (1,): "
            "return both, as arrays.",
            (np.array([2.0, 0.0, -2.0]), np.array([-1.0])),
        ),
        _orange_misconception(
            "no_weights",
            "A detector without weights answers the same to every colour.",
            _as_layer(0, 0, 0, 0),
        ),
        _orange_misconception(
            "upside_down",
            "Your detector answers the other way round: above 0 means that it has found orange.",
            _as_layer(-2, 0, 2, 1),
        ),
        _orange_misconception(
            "blue_first",
            "You have found blue: the channels come in the order red, green, blue.",
            _as_layer(-2, 0, 2, -1),
        ),
        _orange_misconception(
            "bias_with_the_wrong_sign",
            "On black only the bias speaks: which sign must it have?",
            _as_layer(2, 0, -2, 1),
        ),
        _orange_misconception(
            "answers_to_black",
            "On black the response is the bias alone, and it is to be below 0.",
            _as_layer(2, 0, -3, 0),
        ),
        _orange_misconception(
            "misses_oranges",
            "Not every orange gets through: look at the least red and the most blue of them.",
            _as_layer(2, 0, -2, -1.9),
        ),
        _orange_misconception(
            "blue_counts_for_nothing",
            "White and magenta are as red as orange is: which channel tells them apart, and with "
            "which sign?",
            _as_layer(2, 0, 0, -1),
        ),
        _orange_misconception(
            "answers_to_magenta",
            "Magenta is red and blue at full strength: let blue count for more against it.",
            _as_layer(3, -2, -1, -0.6),
        ),
        _orange_misconception(
            "answers_to_green",
            "Your detector lets plain green through: red is to weigh more, or the bias is to ask "
            "for more.",
            _as_layer(2, 2, -4, -1),
        ),
        _orange_misconception(
            "answers_to_white",
            "White has everything that orange has: the three weights and the bias together must "
            "come out below 0.",
            _as_layer(2, 0.9, -1.9, -1),
        ),
    ),
    hints=(
        "The response to a colour is w_r·red + w_g·green + w_b·blue + bias. Black is (0, 0, 0): "
        "what does that say about the bias?",
        "Orange has much red and hardly any blue. White and magenta have as much red, and much "
        "blue: so the blue weight is to be negative.",
        "Leave green out at first: red minus blue is near 1 on every orange, and 0 or less on all "
        "the colours to refuse. Put the threshold in between.",
    ),
)


# ── trace_shapes ────────────────────────────────────────────────────────────────────────────────

Shape = tuple[int, ...]
Layers = list[tuple[Any, ...]]


def _trace_as(
    *,
    conv: Callable[[Shape, Sequence[int]], Shape] | None = None,
    pool: Callable[[Shape, Sequence[int]], Shape] | None = None,
    flatten: Callable[[Shape], Shape] = lambda shape: (shape[0], int(np.prod(shape[1:]))),
    linear: Callable[[Shape, Sequence[int]], Shape] = lambda shape, sizes: (shape[0], sizes[1]),
    checks: tuple[str, ...] = ("axes", "channels", "features", "window"),
    error: type[Exception] = ValueError,
    words: str = "layer {place}, {name}: does not fit",
    result: Callable[[Shape, list[Shape]], Any] = lambda start, shapes: shapes,
) -> Callable[[Shape, Layers], Any]:
    """trace_shapes that is right but for the parts that are given."""
    after_conv, after_pool = conv or _after_conv, pool or _after_pool

    def misfit(name: str, shape: Shape, sizes: Sequence[int]) -> bool:
        """Whether one of the `checks` finds that a layer does not fit."""
        wanted = {"conv": 4, "pool": 4, "flatten": 4, "linear": 2}.get(name, len(shape))
        if len(shape) != wanted:
            return "axes" in checks
        if name == "conv" and shape[1] != sizes[0]:
            return "channels" in checks
        if name == "linear" and shape[1] != sizes[0]:
            return "features" in checks
        if name not in ("conv", "pool"):
            return False
        kernel, padding = (sizes[2], sizes[4]) if name == "conv" else (sizes[0], 0)
        room = min(shape[2:]) + 2 * padding
        too_large = {
            "window": kernel > room,
            "window before padding": kernel > min(shape[2:]),
            "window with a rest": kernel >= room,
        }
        return any(large for check, large in too_large.items() if check in checks)

    def trace(input_shape: Shape, layers: Layers) -> Any:
        shape, shapes = tuple(input_shape), []
        for place, (name, *sizes) in enumerate(layers):
            if misfit(name, shape, sizes):
                raise error(words.format(place=place, after=place + 1, name=name))
            if name == "conv":
                shape = after_conv(shape, sizes)
            elif name == "pool":
                shape = after_pool(shape, sizes)
            elif name == "flatten":
                shape = flatten(shape)
            elif name == "linear":
                shape = linear(shape, sizes)
            shapes.append(shape)
        return result(tuple(input_shape), shapes)

    return trace


def _after_conv(shape: Shape, sizes: Sequence[int]) -> Shape:
    _, c_out, kernel, stride, padding = sizes
    return (shape[0], c_out, *((n + 2 * padding - kernel) // stride + 1 for n in shape[2:]))


def _after_pool(shape: Shape, sizes: Sequence[int]) -> Shape:
    kernel, stride = sizes
    return (*shape[:2], *((n - kernel) // stride + 1 for n in shape[2:]))


_trace = _trace_as()


def _trace_by_building(input_shape: Shape, layers: Layers) -> list[Shape]:
    """Make every array, and let NumPy say its shape."""
    x = np.zeros(input_shape, dtype=bool)
    shapes = []
    for place, layer in enumerate(layers):
        try:
            x = _built(x, *layer)
        except (ValueError, TypeError, IndexError) as error:
            raise ValueError(f"layer {place} ({layer[0]}): {error}") from error
        shapes.append(x.shape)
    return shapes


def _built(x: Array, name: str, *sizes: int) -> Array:
    if name == "conv":
        c_in, c_out, kernel, stride, padding = sizes
        if x.ndim != 4 or x.shape[1] != c_in:
            raise ValueError(f"{c_in} channels are asked, the input is {x.shape}")
        windows = _windows(_padded(x, padding), kernel, stride)
        return np.repeat(windows[:, :1, :, :, 0, 0], c_out, axis=1)
    if name == "pool":
        return _windows(x, *sizes)[..., 0, 0]
    if name == "flatten":
        if x.ndim != 4:
            raise ValueError(f"flatten takes maps, the input is {x.shape}")
        return x.reshape(len(x), -1)
    if name == "linear":
        return x.reshape(len(x), x.shape[1]) @ np.zeros(sizes, dtype=bool)
    return x


def _trace_until_it_breaks(input_shape: Shape, layers: Layers) -> list[Shape]:
    for n in range(len(layers), 0, -1):
        try:
            return list(_trace(input_shape, layers[:n]))
        except ValueError:
            continue
    return []


def _trace_unlike_the_ends(input_shape: Shape, layers: Layers) -> list[Shape]:
    turned = _trace((*input_shape[:2], *input_shape[:1:-1]), layers)
    return [
        tuple(shape) if len(shape) < 4 else (*shape[:2], shape[3], shape[2]) for shape in turned
    ]


def _conv_rounding_up(shape: Shape, sizes: Sequence[int]) -> Shape:
    _, c_out, kernel, stride, padding = sizes
    return (shape[0], c_out, *(-(-(n + 2 * padding - kernel) // stride) + 1 for n in shape[2:]))


def _pool_rounding_up(shape: Shape, sizes: Sequence[int]) -> Shape:
    kernel, stride = sizes
    return (*shape[:2], *(-(-(n - kernel) // stride) + 1 for n in shape[2:]))


def _conv_in_floats(shape: Shape, sizes: Sequence[int]) -> Any:
    _, c_out, kernel, stride, padding = sizes
    return (shape[0], c_out, *((n + 2 * padding - kernel) / stride + 1 for n in shape[2:]))


def _named_fault(input_shape: Shape, layers: Layers) -> Case:
    """A stack whose last layer does not fit: the message must name it."""
    place, name = len(layers) - 1, layers[-1][0]
    return Case("the layer is named", (input_shape, layers), mentions=(str(place), name))


def _trace_cases(rng: np.random.Generator) -> Iterator[Case]:
    def some(low: int, high: int) -> int:
        return int(rng.integers(low, high))

    n, c = some(2, 9), some(3, 7)
    yield Case("conv and pool", ((n, c, 6, 8), [("conv", c, c + 2, 3, 1, 0)]))
    yield Case("conv and pool", ((n, c, 9, 6), [("pool", 3, 2)]))
    yield Case(
        "conv and pool",
        (
            (n, 3, 2 * some(7, 12) + 1, 30),
            [("conv", 3, 8, 5, 2, 1), ("relu",), ("conv", 8, c, 3, 1, 2)],
        ),
    )
    yield Case(
        "conv and pool",
        ((1, c, 28, 21), [("conv", c, 12, 3, 1, 1), ("pool", 2, 2), ("conv", 12, 4, 4, 3, 0)]),
    )
    height, width = some(3, 6), some(6, 9)
    yield Case("the head", ((n, c, height, width), [("flatten",)]))
    yield Case(
        "the head",
        ((n, c, 4, 5), [("flatten",), ("linear", 20 * c, 30), ("relu",), ("linear", 30, 10)]),
    )
    yield Case("the head", ((n, c, 1, 1), [("flatten",), ("linear", c, c + 1)]))
    side = 2 * some(4, 8)
    first = ("conv", 3, 8, 3, 1, 1)
    half = side // 2
    yield Case(
        "the head",
        (
            (n, 3, side, side),
            [first, ("relu",), ("pool", 2, 2), ("flatten",), ("linear", 8 * half * half, 10)],
        ),
        note="a whole small network",
    )
    wrong, breaks = "channels or features differ", "the wrong kind of input"
    yield Case(wrong, ((n, 3, 9, 9), [("conv", 4, 8, 3, 1, 0)]))
    yield Case(wrong, ((n, 3, 9, 9), [first, ("pool", 2, 2), ("conv", 3, 8, 3, 1, 0)]))
    yield Case(wrong, ((n, c, 3, 4), [("flatten",), ("linear", 12 * c + 1, 10)]))
    yield Case(
        wrong,
        ((n, 3, side, side), [first, ("flatten",), ("linear", 3 * side * side, 10)]),
        note="the features before the convolution",
    )
    yield Case(breaks, ((n, c, 3, c), [("linear", c, 10)]), note="flatten is missing")
    yield Case(breaks, ((n, c, 3, 4), [("flatten",), ("conv", 12 * c, 8, 1, 1, 0)]))
    yield Case(breaks, ((n, c, 4, 4), [("flatten",), ("pool", 2, 2)]))
    yield Case("no window fits", ((n, c, 9, 2), [("conv", c, 4, 3, 1, 0)]))
    yield Case("no window fits", ((n, c, 4, 5), [("pool", 2, 2), ("relu",), ("pool", 3, 3)]))
    yield Case("no window fits", ((n, c, 3, 8), [("conv", c, 4, 6, 1, 1)]))
    just = "no window fits"  # but these do
    yield Case(just, ((n, c, 3, 5), [("pool", 3, 1)]), note="a window as high as its input")
    yield Case(just, ((n, c, 2, 6), [("conv", c, 5, 3, 1, 1)]), note="the padding makes room")
    wide = [("conv", c, 4, 3, 1, 1), ("relu",), ("flatten",)]
    yield _named_fault((n, c, 5, 6), [("conv", c + 1, 4, 3, 1, 0)])
    yield _named_fault((n, c, 5, 6), [*wide, ("linear", 4 * 5 * 7, 10)])
    yield _named_fault((n, c, 5, 6), [wide[0], ("pool", 2, 2), ("relu",), ("conv", 4, 9, 4, 1, 0)])


TRACE_SHAPES = FunctionExercise(
    name="trace_shapes",
    chapter="03",
    signature="trace_shapes(input_shape, layers) -> list",
    aspects=(
        Aspect("conv and pool", 1),
        Aspect("the head", 1),
        Aspect("channels or features differ", 1, needs=("conv and pool",)),
        Aspect("the wrong kind of input", 1, needs=("conv and pool",)),
        Aspect("no window fits", 1, needs=("conv and pool",)),
        Aspect("the layer is named", 1, needs=("conv and pool",)),
    ),
    worked=(
        Case("conv and pool", ((1, 3, 32, 32), [("conv", 3, 16, 3, 1, 1), ("pool", 2, 2)])),
        Case("the head", ((1, 16, 5, 5), [("flatten",), ("linear", 400, 10)])),
        Case(
            "channels or features differ",
            ((1, 3, 32, 32), [("conv", 3, 16, 3, 1, 1), ("flatten",), ("linear", 3072, 10)]),
        ),
    ),
    cases=_trace_cases,
    reference=_trace,
    alternatives={"making the arrays": _trace_by_building},
    misconceptions=(
        Misconception(
            "input_in_the_list",
            "Your list begins with the input's own shape: one entry for each layer is asked.",
            _trace_as(result=lambda start, shapes: [start, *shapes]),
        ),
        Misconception(
            "last_shape_only",
            "You return the last shape: one for each layer is asked.",
            _trace_as(result=lambda start, shapes: shapes[-1]),
        ),
        Misconception(
            "relu_left_out",
            "A shape is missing: each layer has its own in the list, a ReLU too.",
            lambda input_shape, layers: [
                shape
                for shape, layer in zip(_trace(input_shape, layers), layers, strict=True)
                if layer[0] != "relu"
            ],
        ),
        Misconception(
            "one_list_for_all",
            "All entries of your list are the last shape: you append one list and go on changing "
            "it. Append tuple(shape).",
            _trace_as(result=lambda start, shapes: shapes[-1:] * len(shapes)),
        ),
        Misconception(
            "no_batch_axis",
            "The batch axis belongs to every shape: it goes through all layers unchanged.",
            _trace_as(result=lambda start, shapes: [shape[1:] for shape in shapes]),
        ),
        Misconception(
            "flattens_the_batch",
            "`flatten` keeps the batch axis: each image becomes one row.",
            _trace_as(flatten=lambda shape: (int(np.prod(shape)),), checks=("channels", "window")),
        ),
        Misconception(
            "flatten_forgets_channels",
            "You flatten height and width only: the channels go into the row as well.",
            _trace_as(flatten=lambda shape: (shape[0], shape[2] * shape[3])),
        ),
        Misconception(
            "flatten_keeps_channels",
            "You keep the channels apart: flatten makes one row of each image.",
            _trace_as(flatten=lambda shape: (*shape[:2], shape[2] * shape[3])),
        ),
        Misconception(
            "channels_stay",
            "After a convolution there are as many channels as it has kernels: c_out, not c_in.",
            _trace_as(conv=lambda shape, sizes: (*shape[:2], *_after_conv(shape, sizes)[2:])),
        ),
        Misconception(
            "conv_keeps_the_size",
            "A convolution changes height and width too, unless its padding makes up for it.",
            _trace_as(conv=lambda shape, sizes: (shape[0], sizes[1], *shape[2:])),
        ),
        Misconception(
            "conv_without_stride",
            "The stride of your convolutions is missing.",
            _trace_as(conv=lambda shape, sizes: _after_conv(shape, (*sizes[:3], 1, sizes[4]))),
        ),
        Misconception(
            "conv_without_padding",
            "The padding of your convolutions is missing.",
            _trace_as(conv=lambda shape, sizes: _after_conv(shape, (*sizes[:4], 0))),
        ),
        Misconception(
            "stride_and_padding_swapped",
            "You have exchanged stride and padding: the stride comes first.",
            _trace_as(
                conv=lambda shape, sizes: _after_conv(
                    shape, (*sizes[:3], max(1, sizes[4]), sizes[3])
                )
            ),
        ),
        Misconception(
            "pool_divides",
            "You divide by the pool's kernel: its stride says how far it jumps.",
            _trace_as(pool=lambda shape, sizes: (*shape[:2], *(n // sizes[0] for n in shape[2:]))),
        ),
        Misconception(
            "pool_at_stride_one",
            "The stride of your pools is missing.",
            _trace_as(pool=lambda shape, sizes: _after_pool(shape, (sizes[0], 1))),
        ),
        Misconception(
            "rounds_up",
            "You round up: a window that does not fit is not there.",
            _trace_as(conv=_conv_rounding_up, pool=_pool_rounding_up),
        ),
        Misconception(
            "floats",
            "Sizes are ints: divide with `//`.",
            _trace_as(conv=_conv_in_floats),
        ),
        Misconception(
            "height_and_width_swapped",
            "Height and width have changed places: shapes are (N, C, H, W).",
            _trace_as(
                conv=lambda shape, sizes: (
                    *_after_conv(shape, sizes)[:2],
                    *_after_conv(shape, sizes)[:1:-1],
                )
            ),
        ),
        Misconception(
            "refuses_nothing",
            "Your function never complains: raise a ValueError where a layer does not fit what "
            "comes in.",
            _trace_as(checks=()),
        ),
        Misconception(
            "channels_unchecked",
            "A convolution made for other channels than those that arrive goes unnoticed.",
            _trace_as(checks=("axes", "features", "window")),
        ),
        Misconception(
            "features_unchecked",
            "A linear layer made for other features than those that arrive goes unnoticed.",
            _trace_as(checks=("axes", "channels", "window")),
        ),
        Misconception(
            "axes_unchecked",
            "Maps go into a linear layer, or a row into a convolution, and nobody complains: check "
            "how many axes a shape has.",
            lambda input_shape, layers: _trace_lenient(input_shape, layers),
        ),
        Misconception(
            "windows_unchecked",
            "A kernel larger than its padded input makes a size of 0 or less: raise a ValueError.",
            _trace_as(checks=("axes", "channels", "features")),
        ),
        Misconception(
            "padding_makes_no_room",
            "You compare the kernel with the input before its padding: the padded input counts.",
            _trace_as(checks=("axes", "channels", "features", "window before padding")),
        ),
        Misconception(
            "exact_fit_refused",
            "A kernel as large as its padded input fits: there is one place for it.",
            _trace_as(checks=("axes", "channels", "features", "window with a rest")),
        ),
        Misconception(
            "window_height_only",
            "A kernel must fit into the width as well as into the height.",
            lambda input_shape, layers: _trace_looking_at_heights(input_shape, layers),
        ),
        Misconception(
            "stops_quietly",
            "You return the shapes up to the fault: raise a ValueError instead.",
            _trace_until_it_breaks,
        ),
        Misconception(
            "layer_unnamed",
            "Your error does not say which layer: give its place and name.",
            _trace_as(words="does not fit"),
        ),
        Misconception(
            "layers_from_one",
            "Your error counts the layers from 1; places in a list are counted from 0.",
            _trace_as(words="layer {after}, {name}: does not fit"),
        ),
        Misconception(
            "place_without_name",
            "Your error gives the layer's place but not its name, conv or linear.",
            _trace_as(words="layer {place} does not fit"),
        ),
        Misconception(
            "asserts",
            "An assertion raises AssertionError: a ValueError is asked.",
            _trace_as(error=AssertionError),
        ),
    ),
    forbidden=(
        "torch:aten.convolution",
        "course_lib.ops.conv2d",
        "course_lib.ops.max_pool2d",
        "course_lib.cost_table.of_layers",
    ),
    hints=(
        "Keep one variable, the shape that arrives, and walk through the layers with enumerate. "
        "`name, *sizes = layer` takes a layer apart.",
        "First the check, then the new shape: conv and pool want four numbers, linear two; conv "
        "wants shape[1] == c_in, linear shape[1] == n_in. geometry.output_size raises the "
        "ValueError for a kernel that does not fit; catch it to add the layer's place and name.",
        "flatten: (n, c * h * w); linear: (n, n_out); conv: (n, c_out, output_size(h, …), "
        'output_size(w, …)). raise ValueError(f"layer {place}, {name}: …").',
    ),
)


def _trace_lenient(input_shape: Shape, layers: Layers) -> list[Shape]:
    """Reads the axes it needs from whichever end they are found at."""
    shape, shapes = tuple(input_shape), []
    for place, (name, *sizes) in enumerate(layers):
        if name == "linear":
            if shape[-1] != sizes[0]:
                raise ValueError(f"layer {place}, {name}: {sizes[0]} features are asked")
            shape = (*shape[:-1], sizes[1])
        elif name in ("conv", "pool") and len(shape) == 2:
            shape = (shape[0], sizes[1]) if name == "conv" else shape
        else:
            words = f"layer {place}, {{name}}: does not fit"
            shape = _trace_as(words=words)(shape, [(name, *sizes)])[0]
        shapes.append(shape)
    return shapes


def _trace_looking_at_heights(input_shape: Shape, layers: Layers) -> list[Shape]:
    """Compares each kernel with the height; a width too small comes out as 0 or less."""
    relaxed = _trace_as(checks=("axes", "channels", "features"))
    shapes = list(relaxed(input_shape, layers))
    arriving = [tuple(input_shape), *shapes]
    for place, ((name, *sizes), shape) in enumerate(zip(layers, arriving, strict=False)):
        if name in ("conv", "pool"):
            kernel, padding = (sizes[2], sizes[4]) if name == "conv" else (sizes[0], 0)
            if kernel > shape[2] + 2 * padding:
                raise ValueError(f"layer {place}, {name}: does not fit")
    return shapes


# ── quiz_03 ─────────────────────────────────────────────────────────────────────────────────────


def _ask_weights(rng: np.random.Generator) -> Asked:
    c_in, c_out = (int(n) for n in rng.choice([16, 24, 32, 48, 64], 2, replace=False))
    kernel = int(rng.choice([3, 5]))
    options, letter, wrong = choices(
        rng,
        f"({c_out}, {c_in}, {kernel}, {kernel})",
        {
            "axes_swapped": (
                f"({c_in}, {c_out}, {kernel}, {kernel})",
                "A kernel for each output channel: those come first.",
            ),
            "one_channel_deep": (
                f"({c_out}, 1, {kernel}, {kernel})",
                "So it would be if each kernel saw one channel; it spans all of them.",
            ),
            "kernel_first": (
                f"({kernel}, {kernel}, {c_in}, {c_out})",
                "That order is TensorFlow's; PyTorch's, and ours, has the kernel last.",
            ),
        },
    )
    return Asked(
        f"A convolution layer makes {c_out} maps out of {c_in} with {kernel}×{kernel} kernels. "
        "Which shape has its weight?",
        letter,
        f"{c_out} kernels, each {c_in}×{kernel}×{kernel}",
        options,
        wrong,
    )


def _ask_params(rng: np.random.Generator) -> Asked:
    c_in, c_out = (int(n) for n in rng.choice([3, 6, 12, 20, 40], 2, replace=False))
    kernel = int(rng.choice([3, 5, 7]))
    right = (kernel * kernel * c_in + 1) * c_out
    return Asked(
        f"A convolution layer with {kernel}×{kernel} kernels and bias takes {c_in} channels to "
        f"{c_out}. How many parameters has it?",
        right,
        f"({kernel}·{kernel}·{c_in} + 1)·{c_out} = {right}",
        wrong={
            "bias_forgotten": (right - c_out, "Each kernel has a bias."),
            "one_bias": (right - c_out + 1, "Each kernel has a bias of its own."),
            "one_channel_deep": (
                (kernel * kernel + 1) * c_out,
                "A kernel spans all input channels.",
            ),
            "one_kernel": (kernel * kernel * c_in + 1, "That is one kernel and its bias."),
        },
    )


def _ask_macs(rng: np.random.Generator) -> Asked:
    c_in, c_out = (int(n) for n in rng.choice([8, 16, 24, 32], 2, replace=False))
    size = int(rng.choice([20, 28, 32, 40]))
    half = size // 2
    right = 9 * c_in * c_out * half * half
    return Asked(
        f"{c_in} maps of {size}×{size} pixels go through a 3×3 convolution with stride 2, padding "
        f"1 and {c_out} kernels. How many MACs does it take (multiply-adds, biases not counted)?",
        right,
        f"The output is {half}×{half}: 3·3·{c_in}·{c_out}·{half}·{half} = {right:,}",
        wrong={
            "at_every_input_pixel": (
                4 * right,
                "The kernels stand at the outputs' positions: at stride 2 those are fewer.",
            ),
            "flops": (2 * right, "Those are FLOPs: a MAC counts as one here."),
            "one_position": (9 * c_in * c_out, "That is the work at one position."),
            "one_channel_deep": (
                9 * c_out * half * half,
                "Every kernel spans all the channels of its input.",
            ),
        },
    )


def _ask_bottleneck(rng: np.random.Generator) -> Asked:
    wide, narrow = int(rng.choice([128, 256, 512])), int(rng.choice([16, 32, 64]))
    right = wide * narrow + 9 * narrow * narrow + narrow * wide
    return Asked(
        f"In place of one 3×3 convolution from {wide} to {wide} channels you take a 1×1 "
        f"convolution down to {narrow}, a 3×3 convolution from {narrow} to {narrow}, and a 1×1 "
        f"back up to {wide}, all without bias. How many weights are that?",
        right,
        f"{wide}·{narrow} + 9·{narrow}·{narrow} + {narrow}·{wide} = {right:,}, against "
        f"9·{wide}·{wide} = {9 * wide * wide:,}",
        wrong={
            "without_the_way_up": (
                right - wide * narrow,
                "The last 1×1 convolution has weights too.",
            ),
            "plain": (9 * wide * wide, "That is the convolution which it replaces."),
            "wide_in_the_middle": (
                wide * narrow + 9 * wide * wide + narrow * wide,
                "The 3×3 convolution works on the narrow maps: that is the point.",
            ),
        },
    )


def _ask_columns(rng: np.random.Generator) -> Asked:
    channels, kernel = int(rng.choice([3, 8, 16])), int(rng.choice([3, 5]))
    height, width = (int(n) for n in rng.choice(np.arange(10, 30), 2, replace=False))
    positions = (height - kernel + 1) * (width - kernel + 1)
    right = channels * kernel * kernel * positions
    return Asked(
        f"One image of {channels} channels, {height}×{width} pixels, a {kernel}×{kernel} kernel, "
        "stride 1, no padding. How many numbers does the im2col matrix hold?",
        right,
        f"{channels}·{kernel}·{kernel} rows, {height - kernel + 1}·{width - kernel + 1} columns: "
        f"{right:,}, where the image holds {channels * height * width:,}",
        wrong={
            "one_channel": (
                kernel * kernel * positions,
                "A column holds the window of every channel.",
            ),
            "the_image": (
                channels * height * width,
                "So many does the image hold: windows overlap, and their pixels are copied.",
            ),
            "columns_at_every_pixel": (
                channels * kernel * kernel * height * width,
                "There is a column for each window that fits.",
            ),
        },
    )


def _ask_trace(rng: np.random.Generator) -> Asked:
    size = 4 * int(rng.integers(4, 9))
    first, second = (int(n) for n in rng.choice([8, 12, 16, 24], 2, replace=False))
    left = ((size - 2) // 2 - 2) // 2
    right = second * left * left
    padded = size // 4
    return Asked(
        f"Images (N, 3, {size}, {size}) go through: a 3×3 convolution to {first} channels, a 2×2 "
        f"pool with stride 2, a 3×3 convolution to {second} channels, a 2×2 pool with stride 2, "
        "flatten, a linear layer. No padding anywhere, stride 1 in the convolutions. How many "
        "input features has the linear layer?",
        right,
        f"{size} → {size - 2} → {(size - 2) // 2} → {(size - 2) // 2 - 2} → {left}: "
        f"{second}·{left}·{left} = {right}",
        wrong={
            "as_if_padded": (
                second * padded * padded,
                "Without padding each convolution takes two pixels off an axis.",
            ),
            "channels_forgotten": (left * left, "Flatten takes the channels along."),
            "first_channels": (
                first * left * left,
                "The channels that arrive are those of the second convolution.",
            ),
        },
    )


def _ask_bias_gradient(rng: np.random.Generator) -> Asked:
    images, maps = int(rng.choice([8, 16, 32])), int(rng.choice([6, 10, 12]))
    height, width = (int(n) for n in rng.choice(np.arange(5, 15), 2, replace=False))
    right = images * height * width
    return Asked(
        f"A convolution layer's output has shape ({images}, {maps}, {height}, {width}). The "
        "gradient of one bias is a sum: of how many numbers of grad_out?",
        right,
        f"It is added at {height}·{width} positions of {images} images: {right}",
        wrong={
            "one_image": (height * width, "The images of the batch share the bias."),
            "every_map": (
                images * maps * height * width,
                "Each map has a bias of its own: count one map.",
            ),
            "once": (1, "The bias is added at every position of its map."),
        },
    )


QUIZ = QuestionExercise(
    name="quiz_03",
    chapter="03",
    questions=(
        Question("weight", _ask_weights),
        Question("params", _ask_params),
        Question("macs", _ask_macs),
        Question("bottleneck", _ask_bottleneck),
        Question("columns", _ask_columns),
        Question("trace", _ask_trace),
        Question("bias", _ask_bias_gradient),
    ),
    hints=(
        "Write the shape beside every arrow of the drawing; each question is then one product.",
        "The functions of this chapter are allowed: compute with them.",
    ),
)

EXERCISES = (
    ORANGE_DETECTOR,
    CONV2D,
    CONV_COST,
    POINTWISE_CONV,
    IM2COL,
    CONV2D_BACKWARD,
    TRACE_SHAPES,
    QUIZ,
)
