"""The exercises of chapter 08: groups, depthwise layers, and the blocks of efficient networks.

The blocks are torch modules. Their references are written out below, each from the parts that a
learner may get wrong, so that a mistake is the same block with one part exchanged.
"""

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
    ModuleExercise,
    Question,
    QuestionExercise,
    choices,
)
from autograder.exercises.parts import (
    SCIPY_CONVOLUTIONS,
    Array,
    batch_of,
    distinct,
    hw,
    one_number,
    python_ints_only,
    reals,
    wh,
)
from course_lib import cost, ops

# The example of the text: four channels of two by two pixels, in two groups.
IMAGE = np.arange(1, 17).reshape(1, 4, 2, 2)
GROUP_KERNELS = np.array([[1, 0], [1, 1], [0, 1], [1, -1]]).reshape(4, 2, 1, 1)

_LIBRARY_CONVOLUTIONS = (
    *SCIPY_CONVOLUTIONS,
    "torch:aten.convolution",
    "course_lib.ops.conv2d",
    "course_lib.ops.conv3d",
    "course_lib.ops.depthwise_conv2d",
)


def _same(value: Any) -> Any:
    return value


def _add_bias(out: Array, bias: Array, groups: int) -> Array:
    return np.asarray(out + np.asarray(bias)[:, None, None])


def _dense(x: Array, weight: Array, stride: Any, padding: Any) -> Array:
    """An ordinary layer, from what the exercises allow."""
    k_h, k_w = weight.shape[2:]
    columns = ops.im2col(np.asarray(x, float), (k_h, k_w), stride, padding)
    height = (x.shape[2] + 2 * hw(padding)[0] - k_h) // hw(stride)[0] + 1
    out = weight.reshape(len(weight), -1) @ columns
    return np.asarray(out.reshape(len(x), len(weight), height, -1))


# ── grouped_conv2d ──────────────────────────────────────────────────────────────────────────────

Blocks = Callable[[Array, Array, int], tuple[list[Array], list[Array]]]


def _consecutive(x: Array, weight: Array, groups: int) -> tuple[list[Array], list[Array]]:
    return np.split(x, groups, axis=1), np.split(weight, groups, axis=0)


def _join(parts: list[Array]) -> Array:
    return np.concatenate(parts, axis=1)


def _grouped_as(
    blocks: Blocks = _consecutive,
    join: Callable[[list[Array]], Array] = _join,
    add: Callable[[Array, Array, int], Array] = _add_bias,
    *,
    stride: Callable[[Any], Any] = _same,
    padding: Callable[[Any], Any] = _same,
) -> Callable[..., Array]:
    """A grouped layer that is right but for the parts that are given."""
    read_stride, read_padding = stride, padding

    def grouped(
        x: Array, weight: Array, groups: int, bias: Any = None, stride: Any = 1, padding: Any = 0
    ) -> Array:
        s, p = read_stride(stride), read_padding(padding)
        channels, kernels = blocks(np.asarray(x), np.asarray(weight), groups)
        parts = [_dense(c, k, s, p) for c, k in zip(channels, kernels, strict=True)]
        out = join(parts)
        return out if bias is None else add(out, bias, groups)

    return grouped


_grouped = _grouped_as()


def _grouped_by_loops(
    x: Array, weight: Array, groups: int, bias: Any = None, stride: Any = 1, padding: Any = 0
) -> Array:
    (s_h, s_w), (p_h, p_w) = hw(stride), hw(padding)
    wide = np.pad(x, ((0, 0), (0, 0), (p_h, p_h), (p_w, p_w)))
    c_out, depth, k_h, k_w = weight.shape
    out_h, out_w = (wide.shape[2] - k_h) // s_h + 1, (wide.shape[3] - k_w) // s_w + 1
    out = np.zeros((len(x), c_out, out_h, out_w))
    for n, o, r, q in np.ndindex(*out.shape):
        first = o // (c_out // groups) * depth
        window = wide[n, first : first + depth, r * s_h : r * s_h + k_h, q * s_w : q * s_w + k_w]
        out[n, o, r, q] = (window * weight[o]).sum() + (0 if bias is None else bias[o])
    return out


def _grouped_by_columns(
    x: Array, weight: Array, groups: int, bias: Any = None, stride: Any = 1, padding: Any = 0
) -> Array:
    columns = ops.im2col(x, weight.shape[2:], stride, padding)  # (N, C·K_h·K_w, L)
    n, rows, places = columns.shape
    columns = columns.reshape(n, groups, rows // groups, places)
    matrix = weight.reshape(groups, len(weight) // groups, -1)
    out = np.einsum("gor,ngrl->ngol", matrix, columns)
    height = (x.shape[2] + 2 * hw(padding)[0] - weight.shape[2]) // hw(stride)[0] + 1
    out = out.reshape(n, len(weight), height, -1)
    return np.asarray(out if bias is None else out + bias.reshape(1, -1, 1, 1))


def _grouped_one_channel_at_a_time(
    x: Array, weight: Array, groups: int, bias: Any = None, stride: Any = 1, padding: Any = 0
) -> Array:
    c_out, depth = weight.shape[:2]
    per_group = c_out // groups
    maps = [
        [
            sum(
                ops.conv2d_single(image[o // per_group * depth + c], weight[o, c], stride, padding)
                for c in range(depth)
            )
            for o in range(c_out)
        ]
        for image in x
    ]
    return np.array(maps) + (0 if bias is None else np.asarray(bias)[:, None, None])


def _grouped_with_zeros(
    x: Array, weight: Array, groups: int, bias: Any = None, stride: Any = 1, padding: Any = 0
) -> Array:
    """A dense weight, zero wherever a kernel must not look, and a matrix product."""
    c_out, depth, k_h, k_w = weight.shape
    dense = np.zeros((c_out, x.shape[1], k_h, k_w))
    for o in range(c_out):
        group = o * groups // c_out
        dense[o, group * depth : (group + 1) * depth] = weight[o]
    out = _dense(x, dense, stride, padding)
    return out if bias is None else _add_bias(out, bias, groups)


def _every_nth(values: Array, groups: int, axis: int) -> list[Array]:
    return [np.take(values, range(g, values.shape[axis], groups), axis) for g in range(groups)]


def _interleaved_join(parts: list[Array]) -> Array:
    """Map o comes from group o % groups, and is that group's map o // groups."""
    stacked = np.stack(parts, axis=2)  # (N, C_out / groups, groups, H, W)
    return stacked.reshape(len(parts[0]), -1, *parts[0].shape[2:])


def _wrong_axis(parts: list[Array]) -> Array:
    return np.concatenate(parts, axis=0)


def _group_of_its_channel(
    x: Array, weight: Array, groups: int, bias: Any = None, stride: Any = 1, padding: Any = 0
) -> Array:
    """The group of map o found with the input's channels per group, as if C_out were C_in."""
    depth = weight.shape[1]
    maps = [_one_map(x, k, o // depth * depth, stride, padding) for o, k in enumerate(weight)]
    out = np.concatenate(maps, axis=1)
    return out if bias is None else _add_bias(out, bias, groups)


def _one_map(x: Array, kernel: Array, first: int, stride: Any, padding: Any) -> Array:
    block = x[:, first : first + len(kernel)]
    if block.shape[1] < len(kernel):
        raise IndexError(f"index {first} is out of bounds")
    return _dense(block, kernel[None], stride, padding)


def _grouped_asking_the_truth_of_an_array(
    x: Array, weight: Array, groups: int, bias: Any = None, stride: Any = 1, padding: Any = 0
) -> Array:
    out = _grouped(x, weight, groups, None, stride, padding)
    if bias:
        out = _add_bias(out, bias, groups)
    return out


def _first_biases_in_every_group(out: Array, bias: Array, groups: int) -> Array:
    return _add_bias(out, np.tile(np.asarray(bias)[: len(bias) // groups], groups), groups)


def _grouped_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(
        aspect: str,
        x: tuple[int, ...],
        maps: int,
        kernel: tuple[int, int],
        groups: int,
        bias: bool = False,
        note: str = "",
        **sizes: Any,
    ) -> Case:
        weight = reals(rng, maps, x[1] // groups, *kernel)
        given: list[Any] = [reals(rng, *x), weight, groups]
        if bias:
            given.append(reals(rng, maps) + 0.5)
        return Case(aspect, tuple(given), sizes, note=note)

    groups, depth = "groups", "depthwise"
    other, batch, sizes = "more or fewer maps", "batch and bias", "stride and padding"
    # Two cases early on that tell most mistakes apart: a diagnosis need not look further.
    yield case(batch, (2, 6, 3, 4), 4, (2, 3), 2, bias=True)
    yield case(sizes, (1, 4, 5, 4), 8, (2, 3), 2, bias=True, stride=(2, 1), padding=(0, 1))
    yield case(groups, (1, 4, 1, 1), 4, (1, 1), 2, note="one pixel, four channels, two groups")
    yield case(groups, (1, 4, 2, 3), 4, (1, 2), 2)
    yield case(groups, (1, 6, 3, 2), 6, (2, 2), 3)
    yield case(groups, (1, 6, 3, 4), 6, (3, 2), 2)
    yield case(groups, (1, 3, 3, 4), 3, (2, 3), 1, note="one group: an ordinary layer")
    yield case(other, (1, 4, 2, 2), 2, (1, 1), 2, note="two maps out of four channels")
    yield case(other, (1, 4, 3, 2), 8, (2, 1), 2)
    yield case(other, (1, 6, 2, 3), 9, (1, 2), 3)
    yield case(other, (1, 8, 3, 3), 4, (2, 2), 4)
    yield case(depth, (1, 3, 2, 3), 3, (2, 2), 3, note="a kernel for each channel")
    yield case(depth, (1, 4, 3, 3), 4, (3, 2), 4)
    yield case(depth, (1, 2, 3, 4), 6, (2, 2), 2, note="three kernels for each channel")
    yield case(batch, (3, 4, 2, 3), 4, (2, 2), 2)
    yield case(batch, (1, 4, 3, 4), 4, (2, 1), 2, bias=True)
    yield case(batch, (2, 3, 2, 3), 3, (1, 2), 3, bias=True, note="three maps, two columns")
    yield case(sizes, (1, 4, 5, 6), 4, (2, 2), 2, stride=2)
    yield case(sizes, (1, 4, 3, 2), 4, (3, 2), 2, padding=1)
    yield case(sizes, (2, 6, 5, 4), 6, (3, 3), 3, stride=[1, 2], padding=np.int64(1))
    yield case(sizes, (1, 4, 7, 5), 2, (3, 2), 2, stride=np.int64(2), padding=(2, 0))


GROUPED_CONV2D = FunctionExercise(
    name="grouped_conv2d",
    chapter="08",
    signature="grouped_conv2d(x, weight, groups, bias=None, stride=1, padding=0) -> array",
    aspects=(
        Aspect("groups", 2),
        Aspect("more or fewer maps", 1),
        Aspect("depthwise", 1),
        Aspect("batch and bias", 1),
        Aspect("stride and padding", 1),
    ),
    worked=(
        Case("groups", (IMAGE, GROUP_KERNELS, 2), note="four channels in two groups, 1×1 kernels"),
        Case("depthwise", (IMAGE, GROUP_KERNELS[:, :1], 4), note="four channels, four groups"),
    ),
    cases=_grouped_cases,
    reference=lambda x, weight, groups, bias=None, stride=1, padding=0: ops.conv2d(
        x, weight, bias, stride, padding, groups=groups
    ),
    alternatives={
        "loops": _grouped_by_loops,
        "split and concatenate": _grouped_one_channel_at_a_time,
        "im2col and einsum": _grouped_by_columns,
        "a dense weight with zeros": _grouped_with_zeros,
    },
    misconceptions=(
        Misconception(
            "inputs_interleaved",
            "You give group g every groups-th channel: a group's channels are neighbours.",
            _grouped_as(lambda x, w, g: (_every_nth(x, g, 1), np.split(w, g, axis=0))),
        ),
        Misconception(
            "kernels_interleaved",
            "You give group g every groups-th kernel, one group's maps after the other's: the "
            "first kernels belong to the first group.",
            _grouped_as(lambda x, w, g: (np.split(x, g, axis=1), _every_nth(w, g, 0))),
        ),
        Misconception(
            "groups_taken_in_turns",
            "You let map o look at group o % groups: the first maps all look at the first group.",
            _grouped_as(
                lambda x, w, g: (np.split(x, g, axis=1), _every_nth(w, g, 0)), _interleaved_join
            ),
        ),
        Misconception(
            "maps_shuffled",
            "Your maps are right but stand in another order: first all maps of the first group.",
            _grouped_as(join=_interleaved_join),
        ),
        Misconception(
            "everything_interleaved",
            "You deal out channels and kernels like cards: a group is a block of neighbours, of "
            "channels and of kernels.",
            _grouped_as(
                lambda x, w, g: (_every_nth(x, g, 1), _every_nth(w, g, 0)), _interleaved_join
            ),
        ),
        Misconception(
            "maps_reversed",
            "The groups' maps come out last group first.",
            _grouped_as(join=lambda parts: _join(parts[::-1])),
        ),
        Misconception(
            "every_group_sees_everything",
            "You let every kernel look at all groups, and repeat its slices for them: it belongs "
            "to one group, and sees that group's channels alone.",
            _grouped_as(lambda x, w, g: ([x], [np.tile(w, (1, g, 1, 1))]), lambda parts: parts[0]),
        ),
        Misconception(
            "first_group_only",
            "All your maps look at the first group's channels.",
            _grouped_as(lambda x, w, g: ([x[:, : w.shape[1]]], [w]), lambda parts: parts[0]),
        ),
        Misconception(
            "kernels_of_the_first_group",
            "Every group gets the first group's kernels: each has its own.",
            _grouped_as(lambda x, w, g: (np.split(x, g, axis=1), [w[: len(w) // g]] * g)),
        ),
        Misconception(
            "groups_summed",
            "You add the groups' maps up: they stand side by side, nothing is added across groups.",
            _grouped_as(
                join=lambda parts: np.sum(parts, axis=0),
                add=lambda out, bias, groups: _add_bias(out, bias[: out.shape[1]], groups),
            ),
        ),
        Misconception(
            "joined_along_the_batch",
            "You line the groups' maps up along the batch: they are channels, axis 1.",
            _grouped_as(
                join=_wrong_axis,
                add=lambda out, bias, groups: _add_bias(out, bias[: out.shape[1]], groups),
            ),
        ),
        Misconception(
            "as_many_maps_as_channels",
            "You find the group of a map as if there were as many maps as channels: a group has "
            "C_out / groups maps.",
            _group_of_its_channel,
        ),
        Misconception(
            "kernel_flipped",
            "You flip the kernels: a convolution layer slides them as they are.",
            _grouped_as(
                lambda x, w, g: (np.split(x, g, axis=1), np.split(w[:, :, ::-1, ::-1], g, axis=0))
            ),
        ),
        Misconception(
            "bias_ignored",
            "Your answer does not change with the bias.",
            _grouped_as(add=lambda out, bias, groups: out),
        ),
        Misconception(
            "first_biases_in_every_group",
            "Every group gets the first group's biases: map o has bias[o].",
            _grouped_as(add=_first_biases_in_every_group),
        ),
        Misconception(
            "bias_for_each_group",
            "You add the bias once for every group: a map belongs to one group, and gets it once.",
            _grouped_as(add=lambda out, bias, groups: _add_bias(out, groups * bias, groups)),
        ),
        Misconception(
            "bias_along_the_width",
            "`out + bias` lines the bias up with the last axis, the columns: it has one number for "
            "each map.",
            _grouped_as(add=lambda out, bias, groups: out + bias),
        ),
        Misconception(
            "truth_of_an_array",
            "`if bias:` asks an array whether it is true: ask whether it is None.",
            _grouped_asking_the_truth_of_an_array,
        ),
        Misconception(
            "stride_ignored",
            "Your answer does not change with the stride.",
            _grouped_as(stride=lambda value: 1),
        ),
        Misconception(
            "padding_ignored",
            "Your answer does not change with the padding.",
            _grouped_as(padding=lambda value: 0),
        ),
        Misconception(
            "stride_and_padding_ignored",
            "Your answer changes neither with the stride nor with the padding.",
            _grouped_as(stride=lambda value: 1, padding=lambda value: 0),
        ),
        Misconception(
            "height_and_width_swapped",
            "A pair is (height, width): its first number belongs to the rows.",
            _grouped_as(stride=wh, padding=wh),
        ),
        Misconception(
            "one_number_only",
            "Your function takes single numbers; stride and padding may also be a (height, width) "
            "pair.",
            _grouped_as(stride=one_number, padding=one_number),
        ),
        Misconception(
            "python_ints_only",
            "A NumPy integer is no `int` to isinstance, and no pair either.",
            _grouped_as(stride=python_ints_only, padding=python_ints_only),
        ),
    ),
    forbidden=(*_LIBRARY_CONVOLUTIONS, "course_lib.ops.pointwise_conv2d"),
    hints=(
        "The weight tells how many channels a kernel sees: weight.shape[1]. How many kernels has a "
        "group? Then: to which group does map o belong?",
        "Map o belongs to group g = o // (C_out // groups), which reads the channels from "
        "g * weight.shape[1] on. From there it is chapter 03: a sum over those channels.",
        "first = g * weight.shape[1], and out[n, o] = sum(ops.conv2d_single(x[n, first + c], "
        "weight[o, c], stride, padding) for c in range(weight.shape[1])), plus bias[o].",
    ),
)


# ── depthwise_separable ─────────────────────────────────────────────────────────────────────────


def _depthwise(x: Array, weight: Array, stride: Any, padding: Any) -> Array:
    maps = [_dense(x[:, c : c + 1], weight[c : c + 1], stride, padding) for c in range(len(weight))]
    return np.concatenate(maps, axis=1)


def _pointwise(x: Array, weight: Array) -> Array:
    return np.asarray(np.einsum("oc,nchw->nohw", weight[:, :, 0, 0], x))


def _separable_as(
    depthwise: Callable[[Array, Array, Any, Any], Array] = _depthwise,
    pointwise: Callable[[Array, Array], Array] = _pointwise,
    between: Callable[[Array], Array] = _same,
    *,
    stride: Callable[[Any], Any] = _same,
    padding: Callable[[Any], Any] = _same,
) -> Callable[..., Array]:
    """A depthwise-separable layer that is right but for the parts that are given."""
    read_stride, read_padding = stride, padding

    def separable(
        x: Array,
        depthwise_weight: Array,
        pointwise_weight: Array,
        stride: Any = 1,
        padding: Any = 0,
    ) -> Array:
        maps = depthwise(x, depthwise_weight, read_stride(stride), read_padding(padding))
        return pointwise(between(maps), pointwise_weight)

    return separable


def _separable_by_loops(
    x: Array, depthwise_weight: Array, pointwise_weight: Array, stride: Any = 1, padding: Any = 0
) -> Array:
    spatial = [
        [
            ops.conv2d_single(image[c], depthwise_weight[c, 0], stride, padding)
            for c in range(len(depthwise_weight))
        ]
        for image in x
    ]
    maps = [
        [
            sum(pointwise_weight[o, c, 0, 0] * image[c] for c in range(len(image)))
            for o in range(len(pointwise_weight))
        ]
        for image in spatial
    ]
    return np.array(maps)


def _separable_as_one_dense_kernel(
    x: Array, depthwise_weight: Array, pointwise_weight: Array, stride: Any = 1, padding: Any = 0
) -> Array:
    """The two weights multiplied into one dense weight, and a matrix product."""
    dense = pointwise_weight * depthwise_weight[:, 0][None]  # (C_out, C, K_h, K_w)
    return _dense(x, dense, stride, padding)


def _separable_striding_late(
    x: Array, depthwise_weight: Array, pointwise_weight: Array, stride: Any = 1, padding: Any = 0
) -> Array:
    """Every position first, then every stride-th: more work, the same answer."""
    s_h, s_w = hw(stride)
    maps = _separable_by_loops(x, depthwise_weight, pointwise_weight, 1, padding)
    return np.asarray(maps[:, :, ::s_h, ::s_w])


def _separable_by_einsum(
    x: Array, depthwise_weight: Array, pointwise_weight: Array, stride: Any = 1, padding: Any = 0
) -> Array:
    (s_h, s_w), (p_h, p_w) = hw(stride), hw(padding)
    wide = np.pad(x, ((0, 0), (0, 0), (p_h, p_h), (p_w, p_w)))
    window = np.lib.stride_tricks.sliding_window_view(wide, depthwise_weight.shape[2:], (2, 3))
    window = window[:, :, ::s_h, ::s_w]
    return np.asarray(
        np.einsum(
            "ncrqij,cij,oc->norq", window, depthwise_weight[:, 0], pointwise_weight[:, :, 0, 0]
        )
    )


def _pointwise_first(
    x: Array, depthwise_weight: Array, pointwise_weight: Array, stride: Any = 1, padding: Any = 0
) -> Array:
    mixed = _pointwise(x, pointwise_weight)
    maps = [
        _dense(mixed[:, c : c + 1], depthwise_weight[c][None], stride, padding)
        for c in range(mixed.shape[1])
    ]
    return np.concatenate(maps, axis=1)


def _padded_twice(
    x: Array, depthwise_weight: Array, pointwise_weight: Array, stride: Any = 1, padding: Any = 0
) -> Array:
    maps = _depthwise(x, depthwise_weight, stride, padding)
    return _dense(maps, pointwise_weight, 1, padding)


def _strided_twice(
    x: Array, depthwise_weight: Array, pointwise_weight: Array, stride: Any = 1, padding: Any = 0
) -> Array:
    maps = _depthwise(x, depthwise_weight, stride, padding)
    return _dense(maps, pointwise_weight, stride, 0)


def _separable_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(
        aspect: str,
        x: tuple[int, ...],
        maps: int,
        kernel: tuple[int, int],
        note: str = "",
        **sizes: Any,
    ) -> Case:
        weights = reals(rng, x[1], 1, *kernel), reals(rng, maps, x[1], 1, 1)
        return Case(aspect, (reals(rng, *x), *weights), sizes, note=note)

    steps = "the two steps"
    # Two cases early on that tell most mistakes apart: a diagnosis need not look further.
    yield case(steps, (2, 3, 3, 4), 3, (2, 3))
    yield case("stride", (1, 2, 5, 4), 2, (2, 1), stride=(2, 1))
    yield case(steps, (1, 1, 2, 2), 1, (2, 2), note="one channel in, one map out")
    yield case(steps, (1, 2, 2, 3), 2, (1, 2))
    yield case(steps, (1, 3, 3, 2), 2, (2, 2))
    yield case(steps, (2, 2, 3, 3), 4, (2, 2))
    yield case("stride", (1, 2, 4, 5), 3, (2, 2), stride=2)
    yield case("stride", (2, 3, 5, 7), 2, (3, 2), stride=(2, 3))
    yield case("stride", (1, 2, 6, 5), 2, (1, 2), stride=np.int64(3))
    yield case("padding", (1, 2, 2, 2), 2, (3, 3), padding=1)
    yield case("padding", (1, 3, 2, 3), 2, (3, 2), padding=[1, 0])
    yield case("padding", (2, 2, 3, 4), 3, (3, 3), stride=2, padding=np.int64(2))


DEPTHWISE_SEPARABLE = FunctionExercise(
    name="depthwise_separable",
    chapter="08",
    signature=(
        "depthwise_separable(x, depthwise_weight, pointwise_weight, stride=1, padding=0) -> array"
    ),
    aspects=(Aspect("the two steps", 2), Aspect("stride", 1), Aspect("padding", 1)),
    worked=(
        Case(
            "the two steps",
            (
                IMAGE[:, :2],
                np.array([[[[1, 1]]], [[[-1, 1]]]]),
                np.array([1, 10, 0, 1]).reshape(2, 2, 1, 1),
            ),
            note="two channels, kernels of 1×2, two maps",
        ),
    ),
    cases=_separable_cases,
    reference=lambda x, depthwise_weight, pointwise_weight, stride=1, padding=0: (
        ops.pointwise_conv2d(
            ops.depthwise_conv2d(x, depthwise_weight, None, stride, padding), pointwise_weight
        )
    ),
    alternatives={
        "loops": _separable_by_loops,
        "one dense kernel": _separable_as_one_dense_kernel,
        "the stride at the end": _separable_striding_late,
        "einsum": _separable_by_einsum,
    },
    misconceptions=(
        Misconception(
            "pointwise_first",
            "You mix the channels first: here each channel meets its own kernel before the mixing.",
            _pointwise_first,
        ),
        Misconception(
            "channels_summed_in_the_first_step",
            "Your first step adds the channels up: in it, each channel stays by itself.",
            _separable_as(
                lambda x, w, s, p: np.repeat(
                    _depthwise(x, w, s, p).sum(axis=1, keepdims=True), x.shape[1], axis=1
                )
            ),
        ),
        Misconception(
            "one_kernel_for_all_channels",
            "You slide the first kernel over every channel: channel c has depthwise_weight[c].",
            _separable_as(lambda x, w, s, p: _depthwise(x, np.repeat(w[:1], len(w), 0), s, p)),
        ),
        Misconception(
            "not_mixed",
            "Your channels never meet: the second step, the pointwise one, is missing.",
            _separable_as(pointwise=lambda maps, w: maps),
        ),
        Misconception(
            "mixed_only",
            "Your pixels never meet: the first step, the depthwise one, is missing.",
            _separable_as(lambda x, w, s, p: np.asarray(x)),
        ),
        Misconception(
            "relu_between",
            "You put a ReLU between the two steps: here there is none.",
            _separable_as(between=lambda maps: np.maximum(maps, 0)),
        ),
        Misconception(
            "pointwise_axes_swapped",
            "The pointwise weight's first axis counts output channels, its second input channels; "
            "you read them the other way round.",
            _separable_as(
                pointwise=lambda maps, w: np.asarray(
                    np.einsum("co,nchw->nohw", w[:, :, 0, 0], maps)
                )
            ),
        ),
        Misconception(
            "kernel_flipped",
            "You flip the kernels: a convolution layer slides them as they are.",
            _separable_as(lambda x, w, s, p: _depthwise(x, w[:, :, ::-1, ::-1], s, p)),
        ),
        Misconception(
            "stride_ignored",
            "Your answer does not change with the stride.",
            _separable_as(stride=lambda value: 1),
        ),
        Misconception(
            "strided_twice",
            "Both of your steps stride: only the depthwise one does.",
            _strided_twice,
        ),
        Misconception(
            "padding_ignored",
            "Your answer does not change with the padding.",
            _separable_as(padding=lambda value: 0),
        ),
        Misconception(
            "padded_twice",
            "Both of your steps pad: only the depthwise one does.",
            _padded_twice,
        ),
        Misconception(
            "stride_and_padding_ignored",
            "Your answer changes neither with the stride nor with the padding.",
            _separable_as(stride=lambda value: 1, padding=lambda value: 0),
        ),
        Misconception(
            "height_and_width_swapped",
            "A pair is (height, width): its first number belongs to the rows.",
            _separable_as(stride=wh, padding=wh),
        ),
        Misconception(
            "one_number_only",
            "Your function takes single numbers; stride and padding may also be a (height, width) "
            "pair.",
            _separable_as(stride=one_number, padding=one_number),
        ),
        Misconception(
            "python_ints_only",
            "A NumPy integer is no `int` to isinstance, and no pair either.",
            _separable_as(stride=python_ints_only, padding=python_ints_only),
        ),
    ),
    forbidden=(*_LIBRARY_CONVOLUTIONS, "course_lib.ops.pointwise_conv2d"),
    hints=(
        "Two layers, one after the other. The first has as many groups as channels; the second has "
        "kernels of one pixel.",
        "First a map for each channel: conv2d_single of x[n, c] and depthwise_weight[c, 0], with "
        "stride and padding. Then the sum over c of pointwise_weight[o, c, 0, 0] times map c.",
        'With the maps in an array (N, C, H, W): np.einsum("oc,nchw->nohw", '
        "pointwise_weight[:, :, 0, 0], maps).",
    ),
)


# ── separable_saving ────────────────────────────────────────────────────────────────────────────

Counts = tuple[Any, Any, Any]


def _saving(c_in: int, c_out: int, kernel: int) -> Counts:
    standard = cost.conv_params(c_in, c_out, kernel, bias=False)
    separable = cost.conv_params(c_in, c_in, kernel, bias=False, groups=int(c_in))
    separable += cost.conv_params(c_in, c_out, 1, bias=False)
    return standard, separable, separable / standard


def _saving_as(
    standard: Callable[[int, int, int], Any] = lambda i, o, k: k * k * i * o,
    separable: Callable[[int, int, int], Any] = lambda i, o, k: k * k * i + i * o,
    ratio: Callable[[Any, Any], Any] = lambda standard, separable: separable / standard,
) -> Callable[..., Counts]:
    """The three numbers, right but for the parts that are given."""

    def saving(c_in: int, c_out: int, kernel: int) -> Counts:
        dense, apart = standard(c_in, c_out, kernel), separable(c_in, c_out, kernel)
        return dense, apart, ratio(dense, apart)

    return saving


def _saving_by_the_formula(c_in: int, c_out: int, kernel: int) -> Counts:
    standard = c_in * c_out * kernel**2
    return standard, c_in * (kernel**2 + c_out), 1 / c_out + 1 / kernel**2


def _saving_of_weights_made(c_in: int, c_out: int, kernel: int) -> Counts:
    dense = np.empty((c_out, c_in, kernel, kernel), dtype=bool)
    apart = np.empty((c_in, 1, kernel, kernel), dtype=bool), np.empty((c_out, c_in, 1, 1), bool)
    return dense.size, apart[0].size + apart[1].size, (apart[0].size + apart[1].size) / dense.size


def _saving_cases(rng: np.random.Generator) -> Iterator[Case]:
    widths = [8, 12, 16, 20, 24, 32, 48, 64, 96, 128]
    same, any_width, any_kernel = "as many out as in", "any channels", "any kernel"
    for c in rng.choice(widths, 3, replace=False):
        yield Case(same, (int(c), int(c), 3))
    yield Case(any_width, (3, 5, 3))
    yield Case(any_width, (5, 1, 3), note="one map")
    for _ in range(4):
        c_in, c_out = rng.choice(widths, 2, replace=False)
        yield Case(any_width, (int(c_in), int(c_out), 3))
    yield Case(any_kernel, (2, 3, 1), note="kernels of one pixel")
    for kernel in (2, 5, 7):
        c_in, c_out = rng.choice(widths, 2, replace=False)
        yield Case(any_kernel, (int(c_in), int(c_out), kernel))
    yield Case(any_kernel, (np.int64(6), np.int64(10), np.int64(5)))


SEPARABLE_SAVING = FunctionExercise(
    name="separable_saving",
    chapter="08",
    signature="separable_saving(c_in, c_out, kernel) -> (standard, separable, ratio)",
    aspects=(
        Aspect("as many out as in", 1),
        Aspect("any channels", 1),
        Aspect("any kernel", 1),
    ),
    worked=(
        Case("as many out as in", (256, 256, 3)),
        Case("any channels", (64, 128, 3)),
        Case("any kernel", (16, 32, 5)),
    ),
    cases=_saving_cases,
    reference=_saving,
    alternatives={
        "the formula": _saving_by_the_formula,
        "weights made and counted": _saving_of_weights_made,
    },
    misconceptions=(
        Misconception(
            "ratio_inverted",
            "Your ratio is upside down: it is separable / standard, below 1 where something is "
            "saved.",
            _saving_as(ratio=lambda standard, separable: standard / separable),
        ),
        Misconception(
            "share_saved",
            "Your ratio is the share that is saved: what is asked is the share that is left.",
            _saving_as(ratio=lambda standard, separable: 1 - separable / standard),
        ),
        Misconception(
            "percent",
            "Your ratio is in percent.",
            _saving_as(ratio=lambda standard, separable: 100 * separable / standard),
        ),
        Misconception(
            "ratio_cut_off",
            "Your ratio is a whole number: `//` cuts off what you want to know.",
            _saving_as(ratio=lambda standard, separable: separable // standard),
        ),
        Misconception(
            "ratio_rounded",
            "Your ratio is rounded: return it as it is.",
            _saving_as(ratio=lambda standard, separable: round(separable / standard, 2)),
        ),
        Misconception(
            "bias_counted",
            "You count biases: only weights are asked.",
            _saving_as(
                lambda i, o, k: k * k * i * o + o, lambda i, o, k: k * k * i + i + i * o + o
            ),
        ),
        Misconception(
            "kernel_not_squared",
            "A kernel has K·K taps.",
            _saving_as(lambda i, o, k: k * i * o, lambda i, o, k: k * i + i * o),
        ),
        Misconception(
            "depthwise_of_the_outputs",
            "You give the depthwise step a kernel for each output channel: it works on what comes "
            "in.",
            _saving_as(separable=lambda i, o, k: k * k * o + i * o),
        ),
        Misconception(
            "depthwise_dense",
            "Your depthwise step is an ordinary layer: each of its kernels sees one channel.",
            _saving_as(separable=lambda i, o, k: k * k * i * i + i * o),
        ),
        Misconception(
            "pointwise_forgotten",
            "Your separable layer has no pointwise step.",
            _saving_as(separable=lambda i, o, k: k * k * i),
        ),
        Misconception(
            "pointwise_one_kernel",
            "Your pointwise step has one kernel: it has one for each output channel.",
            _saving_as(separable=lambda i, o, k: k * k * i + i),
        ),
        Misconception(
            "steps_multiplied",
            "You multiply the two steps' weights: they are two layers, so add.",
            _saving_as(separable=lambda i, o, k: k * k * i * i * o),
        ),
        Misconception(
            "standard_one_channel_deep",
            "The kernels of your standard layer see one channel: they span all of them.",
            _saving_as(lambda i, o, k: k * k * o),
        ),
        Misconception(
            "standard_last",
            "The first number is the standard layer's, the second the separable one's.",
            lambda c_in, c_out, kernel: (
                _saving_as()(c_in, c_out, kernel)[1],
                _saving_as()(c_in, c_out, kernel)[0],
                _saving_as()(c_in, c_out, kernel)[2],
            ),
        ),
        Misconception(
            "three_only",
            "Your answer does not change with the kernel.",
            lambda c_in, c_out, kernel: _saving_as()(c_in, c_out, 3),
        ),
    ),
    forbidden=("course_lib.cost.conv_params", "course_lib.cost.conv_cost"),
    hints=(
        "Write down the shapes of the three weights, and multiply each one out.",
        "(C_out, C_in, K, K) for the standard layer; (C_in, 1, K, K) and (C_out, C_in, 1, 1) for "
        "the two steps.",
        "standard = K·K·C_in·C_out, separable = K·K·C_in + C_in·C_out, ratio = separable / "
        "standard.",
    ),
)


# ── compound_scale ──────────────────────────────────────────────────────────────────────────────

ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15  # depth, width, resolution


def _scale_as(
    depth: Callable[[float], float] = lambda phi: ALPHA**phi,
    width: Callable[[float], float] = lambda phi: BETA**phi,
    resolution: Callable[[float], float] = lambda phi: GAMMA**phi,
) -> Callable[[float], tuple[float, float, float]]:
    return lambda phi: (float(depth(phi)), float(width(phi)), float(resolution(phi)))


def _scale_by_logarithms(phi: float) -> Any:
    depth, width, resolution = np.exp(phi * np.log([ALPHA, BETA, GAMMA]))
    return depth, width, resolution


def _scale_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case("phi = 0 and 1", (0,), note="B0 itself")
    yield Case("phi = 0 and 1", (1,))
    yield Case("phi = 0 and 1", (np.int64(1),))
    for phi in rng.permutation(np.arange(2, 8))[:4]:
        yield Case("any phi", (int(phi),))
    yield Case("any phi", (round(float(rng.uniform(0.3, 0.7)), 2),), note="between two models")
    yield Case("any phi", (round(float(rng.uniform(1.3, 5.7)), 2),))


COMPOUND_SCALE = FunctionExercise(
    name="compound_scale",
    chapter="08",
    signature="compound_scale(phi) -> (depth, width, resolution)",
    aspects=(Aspect("phi = 0 and 1", 1), Aspect("any phi", 1)),
    worked=(Case("phi = 0 and 1", (1,)), Case("any phi", (2,))),
    cases=_scale_cases,
    reference=_scale_as(),
    alternatives={"logarithms": _scale_by_logarithms},
    misconceptions=(
        Misconception(
            "linear",
            "You add the same at each step of phi: multiply by the same.",
            _scale_as(
                lambda phi: 1 + (ALPHA - 1) * phi,
                lambda phi: 1 + (BETA - 1) * phi,
                lambda phi: 1 + (GAMMA - 1) * phi,
            ),
        ),
        Misconception(
            "multiplied",
            "You multiply by phi: phi is an exponent. What must come out at phi = 0?",
            _scale_as(lambda phi: ALPHA * phi, lambda phi: BETA * phi, lambda phi: GAMMA * phi),
        ),
        Misconception(
            "base_and_exponent_exchanged",
            "You raise phi to the power of the constants: it is the other way round.",
            _scale_as(lambda phi: phi**ALPHA, lambda phi: phi**BETA, lambda phi: phi**GAMMA),
        ),
        Misconception(
            "cost_instead_of_multiplier",
            "You square width and resolution: that is how the cost answers, the multipliers "
            "themselves are not squared.",
            _scale_as(
                width=lambda phi: BETA ** (2 * phi), resolution=lambda phi: GAMMA ** (2 * phi)
            ),
        ),
        Misconception(
            "roots",
            "You take the root for width and resolution: the constants have that in them.",
            _scale_as(
                width=lambda phi: BETA ** (phi / 2), resolution=lambda phi: GAMMA ** (phi / 2)
            ),
        ),
        Misconception(
            "depth_and_width_exchanged",
            "Depth grows by 1.2 and width by 1.1, in that order.",
            _scale_as(lambda phi: BETA**phi, lambda phi: ALPHA**phi),
        ),
        Misconception(
            "width_and_resolution_exchanged",
            "Width grows by 1.1 and resolution by 1.15, in that order.",
            _scale_as(width=lambda phi: GAMMA**phi, resolution=lambda phi: BETA**phi),
        ),
        Misconception(
            "depth_and_resolution_exchanged",
            "Depth grows by 1.2 and resolution by 1.15; depth comes first.",
            _scale_as(lambda phi: GAMMA**phi, resolution=lambda phi: ALPHA**phi),
        ),
        Misconception(
            "in_turns_round",
            "Your three numbers are right and stand in another order: depth, width, resolution.",
            _scale_as(lambda phi: BETA**phi, lambda phi: GAMMA**phi, lambda phi: ALPHA**phi),
        ),
        Misconception(
            "phi_ignored",
            "Your answer does not change with phi.",
            _scale_as(lambda phi: ALPHA, lambda phi: BETA, lambda phi: GAMMA),
        ),
        Misconception(
            "twice_as_large_each",
            "You double each of the three: together they double the cost.",
            _scale_as(lambda phi: 2.0**phi, lambda phi: 2.0**phi, lambda phi: 2.0**phi),
        ),
        Misconception(
            "rounded",
            "You round: return the multipliers as they are.",
            _scale_as(
                lambda phi: round(ALPHA**phi, 1),
                lambda phi: round(BETA**phi, 1),
                lambda phi: round(GAMMA**phi, 1),
            ),
        ),
        Misconception(
            "steps_counted",
            "You go up step by step, as many steps as phi has whole ones: phi may be 0.5.",
            _scale_as(
                lambda phi: ALPHA ** int(phi),
                lambda phi: BETA ** int(phi),
                lambda phi: GAMMA ** int(phi),
            ),
        ),
    ),
    hints=(
        "At phi = 0 nothing is scaled: all three are 1. Each step of phi multiplies by the same.",
        "alpha ** phi, beta ** phi and gamma ** phi, in the order depth, width, resolution.",
    ),
)


# ── SqueezeExcite ───────────────────────────────────────────────────────────────────────────────

Tensor = Any  # a torch tensor: torch is imported when a module is built, not before
Activation = Callable[[Tensor], Tensor]


def _relu(x: Tensor) -> Tensor:
    return x.relu()


def _relu6(x: Tensor) -> Tensor:
    return x.clamp(0, 6)


def _mean(x: Tensor) -> Tensor:
    return x.mean((2, 3), keepdim=True)


def _hidden(channels: int, reduction: int) -> int:
    return max(1, channels // reduction)


def _squeeze_excite_as(
    *,
    hidden: Callable[[int, int], int] = _hidden,
    squeeze: Activation = _mean,
    inside: Activation = _relu,
    gate: Activation = lambda s: s.sigmoid(),
    use: Callable[[Tensor, Tensor], Tensor] = lambda x, gates: x * gates,
    bias: bool = True,
) -> Callable[..., Any]:
    """A squeeze-and-excitation block that is right but for the parts that are given."""

    def build(channels: int, reduction: int = 16) -> Any:
        from torch import nn

        class Block(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                width = hidden(channels, reduction)
                self.down = nn.Conv2d(channels, width, 1, bias=bias)
                self.up = nn.Conv2d(width, channels, 1, bias=bias)

            def forward(self, x: Tensor) -> Tensor:
                return use(x, gate(self.up(inside(self.down(squeeze(x))))))

        return Block()

    return build


_BACK = "the gradient on its way back"


def _squeeze_excite_of_linear_layers(channels: int, reduction: int = 16, least: int = 1) -> Any:
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            hidden = max(least, channels // reduction)
            self.gate = nn.Sequential(
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Linear(channels, hidden),
                nn.ReLU(inplace=True),
                nn.Linear(hidden, channels),
                nn.Sigmoid(),
            )

        def forward(self, x: Tensor) -> Tensor:
            return torch.einsum("nchw,nc->nchw", x, self.gate(x))

    return Block()


def _squeeze_excite_of_plain_parameters(channels: int, reduction: int = 16) -> Any:
    import torch
    from torch import nn
    from torch.nn import functional

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            hidden = max(1, channels // reduction)
            self.b2 = nn.Parameter(torch.zeros(channels))
            self.w2 = nn.Parameter(torch.zeros(channels, hidden))
            self.w1 = nn.Parameter(torch.zeros(hidden, channels))
            self.b1 = nn.Parameter(torch.zeros(hidden))

        def forward(self, x: Tensor) -> Tensor:
            s = functional.relu(x.flatten(2).mean(-1) @ self.w1.T + self.b1)
            return x * torch.sigmoid(functional.linear(s, self.w2, self.b2))[:, :, None, None]

    return Block()


def _squeeze_excite_cases(rng: np.random.Generator) -> Iterator[Case]:
    def gates(aspect: str, channels: int, *reduction: int, note: str = "") -> Case:
        shape = (int(rng.integers(2, 4)), channels, int(rng.integers(2, 4)), 4)
        x = batch_of(rng, *shape) + rng.normal(0, 1, (1, channels, 1, 1))
        given = x.astype(np.float32)
        return Case(aspect, (channels, *reduction), inputs=(given,), note=note)

    def count(aspect: str, *arguments: int, note: str = "") -> Case:
        return Case(aspect, arguments, measure="parameters", note=note)

    one, other = "reduction 16", "any reduction"
    wide = int(rng.choice([32, 48, 64]))
    yield count("parameters", 16, note="hidden width 1")
    yield count("parameters", wide)
    yield gates(one, 16)
    yield gates(one, wide)
    yield gates(one, wide)
    yield gates(other, 8, 2)
    yield gates(other, 12, 4)
    for rest in rng.choice([11, 15, 19]), rng.choice([9, 13, 17]):
        yield gates(other, int(rest), 4, note="the division leaves a rest")
        yield count(other, int(rest), 4)
    yield gates(other, 6, 8, note="fewer channels than the reduction")
    yield Case(other, (24,), {"reduction": 6}, inputs=(batch_of(rng, 1, 24, 2, 3),))
    x = batch_of(rng, 2, 8, 2, 3)
    yield Case(other, (8, 4), inputs=(x,), note=_BACK, measure="gradient")


SQUEEZE_EXCITE = ModuleExercise(
    name="SqueezeExcite",
    chapter="08",
    signature="SqueezeExcite(channels, reduction=16)",
    aspects=(Aspect("parameters", 1), Aspect("reduction 16", 2), Aspect("any reduction", 1)),
    worked=(
        Case("parameters", (64,), measure="parameters"),
        Case(
            "reduction 16",
            (32,),
            inputs=(np.linspace(-1, 1, 32 * 6, dtype=np.float32).reshape(1, 32, 2, 3),),
        ),
        Case("any reduction", (8, 4), measure="parameters"),
    ),
    cases=_squeeze_excite_cases,
    reference=_squeeze_excite_as(),
    alternatives={
        "linear layers": _squeeze_excite_of_linear_layers,
        "plain parameters": _squeeze_excite_of_plain_parameters,
    },
    misconceptions=(
        Misconception(
            "not_squeezed",
            "You make a gate for every pixel: squeeze the map first, one number for each channel.",
            _squeeze_excite_as(squeeze=lambda x: x),
        ),
        Misconception(
            "squeezed_by_the_maximum",
            "You squeeze with the maximum: take the mean.",
            _squeeze_excite_as(squeeze=lambda x: x.amax((2, 3), keepdim=True)),
        ),
        Misconception(
            "squeezed_by_the_sum",
            "You squeeze with the sum: take the mean, or the gates will depend on the map's size.",
            _squeeze_excite_as(squeeze=lambda x: x.sum((2, 3), keepdim=True)),
        ),
        Misconception(
            "mean_over_the_batch",
            "You take the mean over the batch too: each image has gates of its own.",
            _squeeze_excite_as(squeeze=lambda x: x.mean((0, 2, 3), keepdim=True)),
        ),
        Misconception(
            "sigmoid_missing",
            "Nothing keeps your gates between 0 and 1.",
            _squeeze_excite_as(gate=lambda s: s),
        ),
        Misconception(
            "relu_last",
            "Your gates come out of a ReLU: a gate lies between 0 and 1.",
            _squeeze_excite_as(gate=_relu),
        ),
        Misconception(
            "softmax_last",
            "You let the channels compete for one share: each gate opens and closes by itself.",
            _squeeze_excite_as(gate=lambda s: s.softmax(1)),
        ),
        Misconception(
            "activations_exchanged",
            "ReLU stands between the two layers and the sigmoid at the end: you have them the "
            "other way round.",
            _squeeze_excite_as(inside=lambda s: s.sigmoid(), gate=_relu),
        ),
        Misconception(
            "sigmoid_twice",
            "Between your two layers stands a sigmoid: there it is a ReLU.",
            _squeeze_excite_as(inside=lambda s: s.sigmoid()),
        ),
        Misconception(
            "relu_missing",
            "Between your two layers stands nothing: they might as well be one.",
            _squeeze_excite_as(inside=lambda s: s),
        ),
        Misconception(
            "gates_returned",
            "You return the gates: multiply the maps by them.",
            _squeeze_excite_as(use=lambda x, gates: gates),
        ),
        Misconception(
            "gates_added",
            "You add the gates: multiply.",
            _squeeze_excite_as(use=lambda x, gates: x + gates),
        ),
        Misconception(
            "input_added",
            "You add the input once more: this block has no skip of its own.",
            _squeeze_excite_as(use=lambda x, gates: x + x * gates),
        ),
        Misconception(
            "squeezed_maps_returned",
            "Your maps are one pixel large: the gates multiply the input, not its mean.",
            _squeeze_excite_as(use=lambda x, gates: _mean(x) * gates),
        ),
        Misconception(
            "bias_missing",
            "Your layers have no bias.",
            _squeeze_excite_as(bias=False),
        ),
        Misconception(
            "not_reduced",
            "Your hidden layer is as wide as the input: reduce it.",
            _squeeze_excite_as(hidden=lambda channels, reduction: channels),
        ),
        Misconception(
            "hidden_is_the_reduction",
            "Your hidden layer has `reduction` channels: it has channels // reduction.",
            _squeeze_excite_as(hidden=lambda channels, reduction: reduction),
        ),
        Misconception(
            "always_sixteen",
            "Your answer does not change with the reduction.",
            _squeeze_excite_as(hidden=lambda channels, reduction: max(1, channels // 16)),
        ),
        Misconception(
            "rounded_up",
            "You round the hidden width up: channels // reduction.",
            _squeeze_excite_as(hidden=lambda channels, reduction: -(-channels // reduction)),
        ),
        Misconception(
            "rounded",
            "You round the hidden width to the nearest: channels // reduction.",
            _squeeze_excite_as(hidden=lambda channels, reduction: round(channels / reduction)),
        ),
        Misconception(
            "no_hidden_channel_left",
            "With few channels nothing is left of your hidden layer: keep at least one.",
            _squeeze_excite_as(hidden=lambda channels, reduction: channels // reduction),
        ),
        Misconception(
            "no_hidden_unit_left",  # a convolution without channels is refused, a linear layer not
            "With few channels nothing is left of your hidden layer: keep at least one.",
            lambda channels, reduction=16: _squeeze_excite_of_linear_layers(channels, reduction, 0),
        ),
    ),
    forbidden=(
        "torchvision.ops.SqueezeExcitation",
        "torchvision.ops.misc.SqueezeExcitation",
        "course_lib.nets.squeeze_excite.SqueezeExcite",
        "course_lib.nets.efficientnet.SqueezeExcite",
    ),
    hints=(
        "Follow the shapes: (N, C, H, W) → the mean of each map (N, C, 1, 1) → hidden (N, C/r, 1, "
        "1) → gates (N, C, 1, 1) → times the input.",
        "Two nn.Conv2d with kernel_size=1, ReLU after the first, sigmoid after the second. The "
        "mean is x.mean((2, 3), keepdim=True).",
        "return x * torch.sigmoid(self.up(torch.relu(self.down(x.mean((2, 3), keepdim=True)))))",
    ),
)


# ── InvertedResidual ────────────────────────────────────────────────────────────────────────────

SkipRule = Callable[[int, int, int], bool]


def _skips(c_in: int, c_out: int, stride: int) -> bool:
    return stride == 1 and c_in == c_out


def _inverted_as(
    *,
    hidden: Callable[[int, int, int], int] = lambda c_in, c_out, expand: c_in * expand,
    expands: Callable[[int], bool] = lambda expand: expand != 1,
    after_expansion: Activation = _relu6,
    after_depthwise: Activation = _relu6,
    after_projection: Activation = _same,
    after_sum: Activation = _same,
    skips: SkipRule = _skips,
    stride_at: str = "depthwise",
    dense: bool = False,
    padding: int = 1,
    bias: bool = False,
    norms: tuple[str, ...] = ("expansion", "depthwise", "projection"),
    projected_skip: bool = False,
    activation_first: bool = False,
) -> Callable[..., Any]:
    """An inverted residual that is right but for the parts that are given."""

    def build(c_in: int, c_out: int, stride: int, expand: int) -> Any:
        from torch import nn

        width = hidden(c_in, c_out, expand)
        first = c_in if not expands(expand) else width

        def conv(a: int, b: int, kernel: int, name: str, **sizes: Any) -> Any:
            step = stride if stride_at == name else 1
            layer = nn.Conv2d(a, b, kernel, step, bias=bias, **sizes)
            return nn.Sequential(layer, nn.BatchNorm2d(b)) if name in norms else layer

        class Block(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                if expands(expand):
                    self.expansion = conv(c_in, width, 1, "expansion")
                groups = 1 if dense else first
                self.depthwise = conv(first, first, 3, "depthwise", padding=padding, groups=groups)
                self.projection = conv(first, c_out, 1, "projection")
                if projected_skip and not _skips(c_in, c_out, stride):
                    self.skip = nn.Sequential(
                        nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out)
                    )

            def forward(self, x: Tensor) -> Tensor:
                def through(part: Any, act: Activation, x: Tensor) -> Tensor:
                    return part[1](act(part[0](x))) if activation_first else act(part(x))

                out = x
                if expands(expand):
                    out = through(self.expansion, after_expansion, out)
                out = through(self.depthwise, after_depthwise, out)
                out = after_projection(self.projection(out))
                if hasattr(self, "skip"):
                    return after_sum(self.skip(x) + out)
                return after_sum(x + out if skips(c_in, c_out, stride) else out)

        return Block()

    return build


def _inverted_in_one_sequence(c_in: int, c_out: int, stride: int, expand: int) -> Any:
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers: list[nn.Module] = []
            width = c_in * expand
            if expand > 1:
                layers += [nn.Conv2d(c_in, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU6()]
            layers += [
                nn.Conv2d(width, width, 3, stride, 1, groups=width, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU6(inplace=True),
                nn.Conv2d(width, c_out, 1, bias=False),
                nn.BatchNorm2d(c_out),
            ]
            self.conv = nn.Sequential(*layers)
            self.use_skip = stride == 1 and c_in == c_out

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x) + x if self.use_skip else self.conv(x)

    return Block()


def _inverted_with_functions(c_in: int, c_out: int, stride: int, expand: int) -> Any:
    import torch
    from torch import nn
    from torch.nn import functional

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            width = c_in * expand
            self.project = nn.Parameter(torch.zeros(c_out, width, 1, 1))
            self.spatial = nn.Parameter(torch.zeros(width, 1, 3, 3))
            self.norm_out, self.norm_mid = nn.BatchNorm2d(c_out), nn.BatchNorm2d(width)
            if expand != 1:
                self.widen = nn.Parameter(torch.zeros(width, c_in, 1, 1))
                self.norm_in = nn.BatchNorm2d(width)

        def forward(self, x: Tensor) -> Tensor:
            wide = x
            if expand != 1:
                mixed = torch.einsum("oc,nchw->nohw", self.widen[:, :, 0, 0], x)
                wide = functional.hardtanh(self.norm_in(mixed), 0, 6)
            wide = functional.conv2d(wide, self.spatial, None, stride, 1, 1, len(self.spatial))
            wide = functional.relu6(self.norm_mid(wide))
            out = self.norm_out(functional.conv2d(wide, self.project))
            return out + x if out.shape == x.shape and stride == 1 else out

    return Block()


def _inverted_cases(rng: np.random.Generator) -> Iterator[Case]:
    def run(
        aspect: str,
        *arguments: int,
        scale: float = 0.2,
        train: bool = False,
        note: str = "",
        measure: str = "output",
    ) -> Case:
        shape = (2, arguments[0], int(rng.integers(4, 6)), int(rng.integers(6, 8)))
        x = batch_of(rng, *shape, scale=scale)
        return Case(aspect, arguments, inputs=(x,), train=train, note=note, measure=measure)

    def count(aspect: str, *arguments: int) -> Case:
        return Case(aspect, arguments, measure="parameters")

    # Small values stay below 6, so that ReLU for ReLU6 costs one aspect and not all of them.
    layers, steps, none = "parameters", "wide, apart, narrow", "expand = 1"
    yield count(layers, 4, 6, 1, 3)
    yield count(layers, 8, 8, 1, 2)
    yield count(layers, 6, 4, 2, 6)
    yield run(steps, 3, 4, 1, 2)
    yield run(steps, 5, 6, 1, 3)
    yield run(steps, 5, int(rng.choice([3, 4])), 1, 3)
    yield run(steps, 4, 5, 1, 2, train=True, note="in training mode: BatchNorm uses the batch")
    yield run("stride 2", 5, 6, 2, 3)
    yield run("stride 2", 3, 3, 2, 2, note="as many channels, half the size")
    yield run("stride 2", 3, 5, 2, 2, train=True)
    yield run("skip", 3, 3, 1, 2)
    yield run("skip", 5, 5, 1, 3)
    yield run("skip", 4, 4, 1, 2, train=True)
    yield run("skip", 3, 3, 1, 2, note=_BACK, measure="gradient")
    yield count(none, 4, 6, 1, 1)
    # In training mode, or the small values would all be positive, and an activation unseen.
    yield run(none, 4, 6, 1, 1, train=True)
    yield run(none, 5, 5, 1, 1, note="with a skip")
    yield run(none, 6, 4, 2, 1, train=True)
    yield run("ReLU6", 4, 6, 1, 3, scale=9.0, note="large values")
    yield run("ReLU6", 6, 4, 2, 2, scale=9.0, note="large values")


INVERTED_RESIDUAL = ModuleExercise(
    name="InvertedResidual",
    chapter="08",
    signature="InvertedResidual(c_in, c_out, stride, expand)",
    aspects=(
        Aspect("parameters", 1),
        Aspect("wide, apart, narrow", 2),
        Aspect("stride 2", 1),
        Aspect("skip", 1),
        Aspect("expand = 1", 1),
        Aspect("ReLU6", 1),
    ),
    worked=(
        Case("parameters", (24, 24, 1, 6), measure="parameters"),
        Case("expand = 1", (32, 16, 1, 1), measure="parameters"),
        Case(
            "skip",
            (5, 5, 1, 3),
            inputs=(np.linspace(-0.4, 0.4, 5 * 16, dtype=np.float32).reshape(1, 5, 4, 4),),
        ),
    ),
    cases=_inverted_cases,
    reference=_inverted_as(),
    alternatives={
        "one sequence": _inverted_in_one_sequence,
        "functions": _inverted_with_functions,
    },
    misconceptions=(
        Misconception(
            "relu",
            "Large values come through: this block uses ReLU6, which stops at 6.",
            _inverted_as(after_expansion=_relu, after_depthwise=_relu),
        ),
        Misconception(
            "activation_after_the_projection",
            "You put an activation after the projection: the narrow end stays linear.",
            _inverted_as(after_projection=_relu6),
        ),
        Misconception(
            "activation_after_the_sum",
            "You put an activation after the sum, as a ResNet does: this block ends linear.",
            _inverted_as(after_sum=_relu6),
        ),
        Misconception(
            "relu_everywhere",
            "You put a ReLU after each of the three: it is ReLU6 after the first two, and nothing "
            "after the last.",
            _inverted_as(after_expansion=_relu, after_depthwise=_relu, after_projection=_relu),
        ),
        Misconception(
            "no_activation_after_the_expansion",
            "Nothing stands between your expansion and the depthwise convolution but BatchNorm.",
            _inverted_as(after_expansion=_same),
        ),
        Misconception(
            "no_activation_after_the_depthwise",
            "Nothing stands between your depthwise convolution and the projection but BatchNorm.",
            _inverted_as(after_depthwise=_same),
        ),
        Misconception(
            "never_skips",
            "Your input never reaches the output: where is the skip?",
            _inverted_as(skips=lambda c_in, c_out, stride: False),
        ),
        Misconception(
            "skips_despite_the_stride",
            "You add the input wherever the channels agree: at stride 2 the sizes do not.",
            _inverted_as(skips=lambda c_in, c_out, stride: c_in == c_out),
        ),
        Misconception(
            "skips_despite_the_channels",
            "You add the input wherever the stride is 1: the channels may still differ.",
            _inverted_as(skips=lambda c_in, c_out, stride: stride == 1),
        ),
        Misconception(
            "always_skips",
            "You always add the input: look at the shapes when the stride is 2 or the channels "
            "differ.",
            _inverted_as(skips=lambda c_in, c_out, stride: True),
        ),
        Misconception(
            "projected_skip",
            "You project the skip where shapes change, as a ResNet does: here it is left out then.",
            _inverted_as(projected_skip=True),
        ),
        Misconception(
            "expands_by_one",
            "At expand = 1 your block still has an expansion layer.",
            _inverted_as(expands=lambda expand: True),
        ),
        Misconception(
            "expands_the_output",
            "You expand c_out: the wide part has c_in·expand channels.",
            _inverted_as(hidden=lambda c_in, c_out, expand: c_out * expand),
        ),
        Misconception(
            "narrow_in_the_middle",
            "Your block is narrow in the middle, as a ResNet's: this one is the other way round.",
            _inverted_as(hidden=lambda c_in, c_out, expand: max(1, c_in // expand)),
        ),
        Misconception(
            "dense",
            "Your 3×3 convolution mixes channels: give it as many groups as channels.",
            _inverted_as(dense=True),
        ),
        Misconception(
            "stride_in_the_expansion",
            "You stride in the expansion: the 3×3 convolution has the stride.",
            _inverted_as(stride_at="expansion"),
        ),
        Misconception(
            "stride_in_the_projection",
            "You stride in the projection: the 3×3 convolution has the stride.",
            _inverted_as(stride_at="projection"),
        ),
        Misconception(
            "stride_ignored",
            "Your answer does not change with the stride.",
            _inverted_as(stride_at=""),
        ),
        Misconception(
            "norm_after_the_activation",
            "Your BatchNorms come after the activations: they follow the convolutions.",
            _inverted_as(activation_first=True),
        ),
        Misconception(
            "not_padded",
            "Your 3×3 convolution is not padded.",
            _inverted_as(padding=0),
        ),
        Misconception(
            "bias",
            "Your convolutions have a bias: the BatchNorm behind each of them has one already.",
            _inverted_as(bias=True),
        ),
        Misconception(
            "no_norm",
            "BatchNorm is missing after your convolutions.",
            _inverted_as(norms=()),
        ),
        Misconception(
            "no_norm_at_the_end",
            "BatchNorm is missing after the projection: linear means no activation.",
            _inverted_as(norms=("expansion", "depthwise")),
        ),
    ),
    forbidden=(
        "torchvision.models.mobilenetv2.InvertedResidual",
        "course_lib.nets.mobilenet_v2.InvertedResidual",
    ),
    hints=(
        "Three convolutions in a row: 1×1 from c_in to c_in·expand, 3×3 with a group for each "
        "channel, 1×1 down to c_out. BatchNorm after each, ReLU6 after the first two.",
        "The 3×3 is nn.Conv2d(hidden, hidden, 3, stride, padding=1, groups=hidden, bias=False). At "
        "expand = 1 leave the first 1×1 out, with its BatchNorm and its ReLU6.",
        "Build a list of layers and nn.Sequential(*layers); forward returns x + self.layers(x) if "
        "stride == 1 and c_in == c_out, else self.layers(x).",
    ),
)


# ── ResNeXtBlock ────────────────────────────────────────────────────────────────────────────────


def _resnext_as(
    *,
    width: Callable[[int, int], int] = lambda c_mid, groups: c_mid,
    grouped: Callable[[int, int], int] = lambda c_mid, groups: groups,
    pointwise_groups: Callable[[int], int] = lambda groups: 1,
    first: Activation = _relu,
    second: Activation = _relu,
    third: Activation = _same,
    last: Activation = _relu,
    stride_at: int = 1,
    projects: Callable[[int, int, int], bool] = lambda i, o, s: s != 1 or i != o,
    projection_norm: bool = True,
    projection_stride: bool = True,
    skip: bool = True,
    bias: bool = False,
    norm: bool = True,
    activation_first: bool = False,
    padding: int = 1,
) -> Callable[..., Any]:
    """A ResNeXt block that is right but for the parts that are given."""

    def build(c_in: int, c_mid: int, c_out: int, groups: int, stride: int = 1) -> Any:
        from torch import nn

        middle = width(c_mid, groups)

        def conv(a: int, b: int, kernel: int, place: int, g: int = 1, pad: int = 0) -> Any:
            step = stride if stride_at == place else 1
            layer = nn.Conv2d(a, b, kernel, step, pad, groups=g, bias=bias)
            return nn.Sequential(layer, nn.BatchNorm2d(b)) if norm else layer

        class Block(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                ends = pointwise_groups(groups)
                self.one = conv(c_in, middle, 1, 0, ends)
                self.two = conv(middle, middle, 3, 1, grouped(c_mid, groups), padding)
                self.three = conv(middle, c_out, 1, 2, ends)
                if skip and projects(c_in, c_out, stride):
                    step = stride if projection_stride else 1
                    layers: list[nn.Module] = [nn.Conv2d(c_in, c_out, 1, step, bias=bias)]
                    if norm and projection_norm:
                        layers.append(nn.BatchNorm2d(c_out))
                    self.projection = nn.Sequential(*layers)

            def forward(self, x: Tensor) -> Tensor:
                out = x
                for part, act in ((self.one, first), (self.two, second), (self.three, third)):
                    out = part[1](act(part[0](out))) if activation_first else act(part(out))
                if skip:
                    out = out + (self.projection(x) if hasattr(self, "projection") else x)
                return last(out)

        return Block()

    return build


def _resnext_in_one_sequence(
    c_in: int, c_mid: int, c_out: int, groups: int, stride: int = 1
) -> Any:
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shortcut: nn.Module = nn.Identity()
            if stride != 1 or c_in != c_out:
                self.shortcut = nn.Sequential(
                    nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out)
                )
            self.residual = nn.Sequential(
                nn.Conv2d(c_in, c_mid, kernel_size=1, bias=False),
                nn.BatchNorm2d(c_mid),
                nn.ReLU(inplace=True),
                nn.Conv2d(c_mid, c_mid, 3, stride, padding=1, groups=groups, bias=False),
                nn.BatchNorm2d(c_mid),
                nn.ReLU(inplace=True),
                nn.Conv2d(c_mid, c_out, kernel_size=1, bias=False),
                nn.BatchNorm2d(c_out),
            )

        def forward(self, x: Tensor) -> Tensor:
            return (self.residual(x) + self.shortcut(x)).relu()

    return Block()


def _resnext_group_by_group(c_in: int, c_mid: int, c_out: int, groups: int, stride: int = 1) -> Any:
    import torch
    from torch import nn
    from torch.nn import functional

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.narrow = nn.Conv2d(c_in, c_mid, 1, bias=False)
            self.kernels = nn.Parameter(torch.zeros(c_mid, c_mid // groups, 3, 3))
            self.widen = nn.Conv2d(c_mid, c_out, 1, bias=False)
            self.n1, self.n2 = nn.BatchNorm2d(c_mid), nn.BatchNorm2d(c_mid)
            self.n3 = nn.BatchNorm2d(c_out)
            if (stride, c_in) != (1, c_out):
                self.project = nn.Conv2d(c_in, c_out, 1, stride, bias=False)
                self.n4 = nn.BatchNorm2d(c_out)

        def forward(self, x: Tensor) -> Tensor:
            out = functional.relu(self.n1(self.narrow(x)))
            pairs = zip(out.chunk(groups, 1), self.kernels.chunk(groups, 0), strict=True)
            out = torch.cat([functional.conv2d(a, k, None, stride, 1) for a, k in pairs], dim=1)
            out = self.n3(self.widen(functional.relu(self.n2(out))))
            same = (stride, c_in) == (1, c_out)
            return functional.relu(out + (x if same else self.n4(self.project(x))))

    return Block()


def _resnext_cases(rng: np.random.Generator) -> Iterator[Case]:
    def run(
        aspect: str,
        *arguments: int,
        train: bool = False,
        even: bool = False,
        note: str = "",
        measure: str = "output",
    ) -> Case:
        grid = (4, 6) if even else (int(rng.integers(4, 6)), int(rng.integers(6, 8)))
        x = batch_of(rng, 2, arguments[0], *grid)
        return Case(aspect, arguments, inputs=(x,), train=train, note=note, measure=measure)

    def count(aspect: str, *arguments: int) -> Case:
        return Case(aspect, arguments, measure="parameters")

    yield count("parameters", 8, 4, 8, 2)
    yield count("parameters", 12, 8, 12, 4)
    yield count("parameters", 6, 6, 6, 3)
    yield run("groups", 8, 4, 8, 2)
    yield run("groups", 6, 12, 6, int(rng.choice([3, 4])))
    yield run("groups", 4, 4, 4, 1, note="one group: a ResNet's bottleneck")
    yield run("groups", 4, 6, 4, 6, note="a group for each channel")
    yield run("groups", 8, 8, 8, 4, train=True, note="in training mode: BatchNorm uses the batch")
    yield run("groups", 6, 4, 6, 2, note=_BACK, measure="gradient")
    yield count("projection", 6, 4, 8, 2)
    yield run("projection", 6, 4, 8, 2)
    yield run("projection", 8, 6, 4, int(rng.choice([2, 3])))
    yield run("projection", 4, 8, 6, 4, train=True)
    yield run("stride", 6, 4, 8, 2, 2, even=True)
    yield run("stride", 8, 4, 8, 2, 2, note="as many channels, half the size")
    yield count("stride", 8, 4, 8, 2, 2)
    yield run("stride", 4, 6, 8, 3, 2, train=True)


RESNEXT_BLOCK = ModuleExercise(
    name="ResNeXtBlock",
    chapter="08",
    signature="ResNeXtBlock(c_in, c_mid, c_out, groups, stride=1)",
    aspects=(
        Aspect("parameters", 1),
        Aspect("groups", 2),
        Aspect("projection", 1),
        Aspect("stride", 1),
    ),
    worked=(
        Case("parameters", (64, 32, 64, 8), measure="parameters"),
        Case("projection", (16, 32, 64, 8), measure="parameters"),
        Case(
            "groups",
            (8, 4, 8, 2),
            inputs=(np.linspace(-1, 1, 8 * 16, dtype=np.float32).reshape(1, 8, 4, 4),),
        ),
    ),
    cases=_resnext_cases,
    reference=_resnext_as(),
    alternatives={
        "one sequence": _resnext_in_one_sequence,
        "group by group": _resnext_group_by_group,
    },
    misconceptions=(
        Misconception(
            "groups_ignored",
            "Your 3×3 convolution has one group.",
            _resnext_as(grouped=lambda c_mid, groups: 1),
        ),
        Misconception(
            "depthwise",
            "Your 3×3 convolution has a group for each channel: it has `groups` of them.",
            _resnext_as(grouped=lambda c_mid, groups: c_mid),
        ),
        Misconception(
            "group_width_for_groups",
            "You take c_mid // groups for the number of groups: so many channels has each of them.",
            _resnext_as(grouped=lambda c_mid, groups: c_mid // groups),
        ),
        Misconception(
            "width_of_each_group",
            "You take c_mid for the width of one group: it is the width of all together.",
            _resnext_as(width=lambda c_mid, groups: c_mid * groups),
        ),
        Misconception(
            "pointwise_grouped",
            "Your 1×1 convolutions are grouped too: they mix all channels, or the groups would "
            "never meet.",
            _resnext_as(pointwise_groups=lambda groups: 2 if groups % 2 == 0 else 1),
        ),
        Misconception(
            "stride_in_the_first",
            "You stride in the first 1×1 convolution: the 3×3 has the stride.",
            _resnext_as(stride_at=0),
        ),
        Misconception(
            "stride_in_the_last",
            "You stride in the last 1×1 convolution: the 3×3 has the stride.",
            _resnext_as(stride_at=2),
        ),
        Misconception(
            "relu_before_the_sum",
            "Your last ReLU comes before the sum: add first.",
            _resnext_as(third=_relu, last=_same),
        ),
        Misconception(
            "relu_before_and_after_the_sum",
            "Your residual goes through a ReLU before the sum: then it can only add, never take "
            "away.",
            _resnext_as(third=_relu),
        ),
        Misconception(
            "no_relu_after_the_sum",
            "After the sum comes a ReLU.",
            _resnext_as(last=_same),
        ),
        Misconception(
            "no_first_relu",
            "Nothing bends what goes from your first 1×1 to the 3×3: a ReLU is missing.",
            _resnext_as(first=_same),
        ),
        Misconception(
            "no_second_relu",
            "Nothing bends what goes from your 3×3 to the last 1×1: a ReLU is missing.",
            _resnext_as(second=_same),
        ),
        Misconception(
            "relu6",
            "You use ReLU6: this block has plain ReLUs.",
            _resnext_as(first=_relu6, second=_relu6, last=_relu6),
        ),
        Misconception(
            "no_skip",
            "Your input never reaches the output: where is the skip?",
            _resnext_as(skip=False),
        ),
        Misconception(
            "always_projects",
            "You project the skip also where shapes agree: there it is the input itself.",
            _resnext_as(projects=lambda i, o, s: True),
        ),
        Misconception(
            "never_projects",
            "Your skip does not fit where shapes change: project it.",
            _resnext_as(projects=lambda i, o, s: False),
        ),
        Misconception(
            "projects_for_channels_only",
            "You project where the channels change: a stride changes the shape too.",
            _resnext_as(projects=lambda i, o, s: i != o),
        ),
        Misconception(
            "projects_for_strides_only",
            "You project where there is a stride: the channels may also change without one.",
            _resnext_as(projects=lambda i, o, s: s != 1),
        ),
        Misconception(
            "projection_without_norm",
            "Your projection has no BatchNorm.",
            _resnext_as(projection_norm=False),
        ),
        Misconception(
            "projection_without_stride",
            "Your projection does not stride along.",
            _resnext_as(projection_stride=False),
        ),
        Misconception(
            "bias",
            "Your convolutions have a bias: the BatchNorm behind each of them has one already.",
            _resnext_as(bias=True),
        ),
        Misconception(
            "no_norm",
            "BatchNorm is missing after your convolutions.",
            _resnext_as(norm=False),
        ),
        Misconception(
            "norm_after_the_relu",
            "Your BatchNorms come after the ReLUs: they follow the convolutions.",
            _resnext_as(activation_first=True),
        ),
        Misconception(
            "not_padded",
            "Your 3×3 convolution is not padded.",
            _resnext_as(padding=0),
        ),
    ),
    forbidden=("torchvision.models.resnet.Bottleneck", "course_lib.nets.resnet.Bottleneck"),
    hints=(
        "It is chapter 07's bottleneck with one argument more: the 3×3 convolution gets groups.",
        "nn.Conv2d(c_mid, c_mid, 3, stride, padding=1, groups=groups, bias=False) in the middle; "
        "BatchNorm after each of the three, ReLU after the first two.",
        "Where stride != 1 or c_in != c_out the skip is a 1×1 convolution with the stride, then "
        "BatchNorm. Return torch.relu(residual + skip).",
    ),
)


# ── quiz_08 ─────────────────────────────────────────────────────────────────────────────────────


def _ask_grouped(rng: np.random.Generator) -> Asked:
    c_in, c_out = (int(n) for n in rng.choice([64, 96, 128, 192, 256], 2, replace=False))
    groups = int(rng.choice([4, 8, 16, 32]))
    right = 9 * c_in * c_out // groups
    return Asked(
        f"A 3×3 convolution from {c_in} to {c_out} channels in {groups} groups, no bias. How many "
        "weights has it?",
        right,
        f"{c_out} kernels, each 3·3·{c_in // groups}: {right:,}",
        wrong=distinct(
            right,
            {
                "dense": (9 * c_in * c_out, "So many has it in one group."),
                "one_group": (right // groups, "That is one of the groups."),
                "times_groups": (
                    9 * c_in * c_out * groups,
                    "Groups save weights: every kernel is shorter.",
                ),
                "one_channel_deep": (9 * c_out, "So it would be with a group for each channel."),
            },
        ),
    )


def _ask_feeds(rng: np.random.Generator) -> Asked:
    groups, depth, maps = int(rng.choice([3, 4])), int(rng.choice([3, 4])), 2
    group, within = int(rng.integers(1, groups)), int(rng.integers(0, maps))
    c_in, c_out, o = groups * depth, groups * maps, group * maps + within
    options, letter, wrong = choices(
        rng,
        f"{group * depth} to {group * depth + depth - 1}",
        {
            "interleaved": (
                ", ".join(str(c) for c in range(o % groups, c_in, groups)),
                "The channels of a group are neighbours.",
            ),
            "all": (f"0 to {c_in - 1}", "So it would be in one group."),
            "one": (f"{o} alone", "So it would be with a group for each channel."),
            "first": (f"0 to {depth - 1}", "Those belong to the first group."),
        },
    )
    return Asked(
        f"A convolution with groups={groups} takes {c_in} channels to {c_out}, both numbered from "
        f"0. Which input channels does output channel {o} see?",
        letter,
        f"A group has {maps} output channels, so {o} is in group {group}; a group has {depth} "
        f"input channels: {group * depth} to {group * depth + depth - 1}",
        options,
        wrong,
    )


def _ask_separable_macs(rng: np.random.Generator) -> Asked:
    c_in, c_out = (int(n) for n in rng.choice([16, 24, 32, 48, 64], 2, replace=False))
    size = int(rng.choice([14, 28, 56]))
    right = (9 * c_in + c_in * c_out) * size * size
    return Asked(
        f"{c_in} maps of {size}×{size} pixels go through a 3×3 depthwise convolution (stride 1, "
        f"padding 1) and a 1×1 convolution to {c_out} channels. How many MACs is that?",
        right,
        f"(9·{c_in} + {c_in}·{c_out})·{size}·{size} = {right:,}",
        wrong=distinct(
            right,
            {
                "dense": (
                    9 * c_in * c_out * size * size,
                    "So many takes the dense 3×3 convolution.",
                ),
                "weights": (
                    9 * c_in + c_in * c_out,
                    "Those are the weights: they work everywhere.",
                ),
                "depthwise_only": (9 * c_in * size * size, "That is the first step."),
                "pointwise_only": (c_in * c_out * size * size, "That is the second step."),
                "depthwise_of_the_outputs": (
                    (9 * c_out + c_in * c_out) * size * size,
                    "The depthwise step works on the channels that come in.",
                ),
            },
        ),
    )


def _ask_ratio(rng: np.random.Generator) -> Asked:
    c_out, kernel = int(rng.choice([16, 32, 64, 128])), int(rng.choice([3, 5, 7]))
    right = 1 / c_out + 1 / kernel**2
    return Asked(
        f"A dense {kernel}×{kernel} convolution to {c_out} channels is exchanged for a depthwise-"
        "separable one. What share of its weights is left? (A number between 0 and 1, to four "
        "digits or more.)",
        right,
        f"1/{c_out} + 1/{kernel}² = {right:.4f}",
        wrong={
            "inverted": (1 / right, "So many times fewer: the share is one over that."),
            "saved": (1 - right, "That is what is saved; what is left?"),
            "product": (1 / (c_out * kernel**2), "The two parts are added."),
            "kernel_not_squared": (1 / c_out + 1 / kernel, "A kernel has K·K taps."),
        },
    )


def _ask_inverted(rng: np.random.Generator) -> Asked:
    channels, expand = int(rng.choice([16, 24, 32, 64])), int(rng.choice([2, 3, 4, 6]))
    wide = channels * expand
    right = 2 * channels * wide + 9 * wide
    return Asked(
        f"An inverted residual from {channels} to {channels} channels with expand = {expand} and a "
        "3×3 depthwise convolution. How many weights have its convolutions (no bias, BatchNorm not "
        "counted)?",
        right,
        f"Wide part: {wide}. {channels}·{wide} + 9·{wide} + {wide}·{channels} = {right:,}",
        wrong=distinct(
            right,
            {
                "dense": (
                    2 * channels * wide + 9 * wide * wide,
                    "The 3×3 convolution is depthwise.",
                ),
                "one_pointwise": (
                    channels * wide + 9 * wide,
                    "There is a 1×1 on either side of the 3×3.",
                ),
                "pointwise_only": (2 * channels * wide, "The 3×3 has weights too."),
                "not_expanded": (
                    2 * channels * channels + 9 * channels,
                    "The middle is expanded.",
                ),
            },
        ),
    )


def _ask_squeeze(rng: np.random.Generator) -> Asked:
    channels, reduction = int(rng.choice([64, 128, 256, 512])), int(rng.choice([4, 8, 16]))
    hidden = channels // reduction
    right = 2 * channels * hidden + hidden + channels
    return Asked(
        f"A squeeze-and-excitation block on {channels} channels, reduction {reduction}, its two "
        "layers with bias. How many parameters has it?",
        right,
        f"Hidden width {hidden}: {channels}·{hidden} + {hidden} and {hidden}·{channels} + "
        f"{channels}: {right:,}",
        wrong=distinct(
            right,
            {
                "without_bias": (2 * channels * hidden, "Both layers have a bias."),
                "one_layer": (channels * hidden + hidden, "There are two layers: down and up."),
                "one_bias": (
                    2 * channels * hidden + channels,
                    "The first layer has a bias too, as wide as it is.",
                ),
                "not_reduced": (
                    2 * (channels * channels + channels),
                    "The hidden layer is narrower.",
                ),
            },
        ),
    )


def _ask_scaled_cost(rng: np.random.Generator) -> Asked:
    depth, width, resolution = (
        round(float(rng.choice(options)), 2)
        for options in ([1.5, 2.0, 3.0], [1.2, 1.4, 1.6], [1.1, 1.3, 1.7])
    )
    right = depth * width**2 * resolution**2
    return Asked(
        f"A convolutional network gets {depth:g} times as many layers, {width:g} times as many "
        f"channels in each, and images with sides {resolution:g} times as long. By what factor do "
        "its MACs grow? (To four digits or more; take it that every layer grows alike.)",
        right,
        f"{depth:g}·{width:g}²·{resolution:g}² = {right:.4f}",
        wrong=distinct(
            right,
            {
                "nothing_squared": (
                    depth * width * resolution,
                    "More channels means more in and more out; longer sides, more rows and more "
                    "columns.",
                ),
                "width_not_squared": (
                    depth * width * resolution**2,
                    "More channels means more in *and* more out.",
                ),
                "resolution_not_squared": (
                    depth * width**2 * resolution,
                    "Longer sides means more rows *and* more columns.",
                ),
                "added": (
                    depth + width**2 + resolution**2,
                    "One growth works on top of the other: multiply.",
                ),
                "all_squared": ((depth * width * resolution) ** 2, "Depth counts once."),
            },
        ),
    )


def _ask_intensity(rng: np.random.Generator) -> Asked:
    fewer, faster = int(rng.choice([60, 120, 240])), int(rng.choice([6, 9, 12]))
    options, letter, wrong = choices(
        rng,
        "it does few operations on each number that it fetches, so it waits for memory",
        {
            "more_weights": (
                "it has more weights to load",
                "A depthwise layer has far fewer weights.",
            ),
            "more_output": (
                "its output is larger",
                "Both layers give the same number of maps of the same size.",
            ),
            "no_bias": (
                "MACs do not count the biases, which take the time",
                "One addition for each output is next to nothing.",
            ),
            "python": (
                "its loop over the channels runs in Python",
                "Neither layer runs in Python: what differs is how much work each byte brings.",
            ),
        },
    )
    return Asked(
        f"On some machine, a depthwise layer with {fewer} times fewer MACs than a dense one is "
        f"{faster} times faster. Which of these is a reason that it is not {fewer} times?",
        letter,
        "Its arithmetic intensity, MACs for each byte moved, is low",
        options,
        wrong,
    )


QUIZ = QuestionExercise(
    name="quiz_08",
    chapter="08",
    questions=(
        Question("grouped", _ask_grouped),
        Question("feeds", _ask_feeds),
        Question("macs", _ask_separable_macs),
        Question("ratio", _ask_ratio),
        Question("inverted", _ask_inverted),
        Question("squeeze", _ask_squeeze),
        Question("scaled", _ask_scaled_cost),
        Question("time", _ask_intensity),
    ),
    hints=(
        "Write down the shape of each weight; most of the questions are then sums of products.",
        "The functions of this chapter are allowed: compute with them.",
    ),
)

EXERCISES = (
    GROUPED_CONV2D,
    RESNEXT_BLOCK,
    DEPTHWISE_SEPARABLE,
    SEPARABLE_SAVING,
    INVERTED_RESIDUAL,
    SQUEEZE_EXCITE,
    COMPOUND_SCALE,
    QUIZ,
)
