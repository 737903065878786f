"""What each operator of `course_lib.ops` costs, from the shape that goes in and its arguments.

Counts follow `course_lib.cost` and the published tables. A MAC is a multiplication with a weight
(in attention: with a query or a weighting) and the addition after it. Biases, pooling,
normalisation and activation functions have none: next to the products their work is small. They do
take memory, which is counted for each: the numbers that they hand on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

from course_lib._validate import choice, flag, integer, shown
from course_lib.geometry import output_size, transposed_output_size

__all__ = ["OPERATORS", "OperatorCost", "operator_cost"]

Shape = tuple[int, ...]

FLOAT32_BYTES = 4


class OperatorCost(NamedTuple):
    """The cost of an operator; the shape begins with the batch, and all but `params` count it."""

    output_shape: Shape
    params: int
    macs: int

    @property
    def flops(self) -> int:
        """Floating-point operations: two for each MAC."""
        return 2 * self.macs

    @property
    def activations(self) -> int:
        """How many numbers the operator hands on."""
        return prod(self.output_shape)

    @property
    def activation_bytes(self) -> int:
        """The memory they take in float32."""
        return FLOAT32_BYTES * self.activations


def operator_cost(operator: str, input_shape: Sequence[int], **arguments: Any) -> OperatorCost:
    """The cost of an operator of `course_lib.ops` on an input of this shape, batch first.

    Arguments have the names that they have in `ops`; in place of arrays of weights stand their
    sizes: `c_out` and `kernel_size` of a convolution, `n_out` of a linear layer, `bias` (True
    unless said), `c_out` of a depthwise convolution (as many as channels unless said),
    `normalized_shape` of a layer norm (the last axis unless said), and of attention `keys`
    and `d_v`, the number of keys and the width of the values (both as of the queries unless said).

    Raises ValueError for an operator that is not there and sizes that do not fit, TypeError for
    arguments that it does not take.

    >>> cost = operator_cost("conv2d", (8, 3, 32, 32), c_out=16, kernel_size=3, padding=1)
    >>> cost.output_shape, cost.params, cost.macs, cost.activation_bytes
    ((8, 16, 32, 32), 448, 3538944, 524288)
    >>> operator_cost("conv_transpose2d", (1, 16, 7, 7), c_out=8, kernel_size=2, stride=2)
    OperatorCost(output_shape=(1, 8, 14, 14), params=520, macs=25088)
    >>> operator_cost("scaled_dot_product_attention", (1, 8, 49, 32)).macs  # 8 heads
    1229312
    """
    count = OPERATORS[choice(operator, "operator", tuple(OPERATORS))]
    shape = tuple(
        integer(n, f"input_shape[{axis}]", at_least=1 if axis else 0)
        for axis, n in enumerate(input_shape)
    )
    try:
        return count(shape, **arguments)
    except TypeError as error:
        if "argument" not in str(error):  # of Python's own: an unknown or a missing one
            raise
        reason = str(error).partition("() ")[2] or str(error)
        raise TypeError(f"{operator} {reason}") from None


# ── convolutions ────────────────────────────────────────────────────────────────────────────────


def _convolution(axes: int) -> Callable[..., OperatorCost]:
    def count(
        shape: Shape,
        c_out: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> OperatorCost:
        c_in, image = _channels_and_image(shape, axes)
        c_out = integer(c_out, "c_out", at_least=1)
        kernel = _each(kernel_size, "kernel_size", axes, 1)
        out = _windows(image, kernel, stride, padding, dilation)
        weights = c_out * _per_group(c_in, c_out, groups) * prod(kernel)
        params = weights + c_out * flag(bias, "bias")
        return OperatorCost((shape[0], c_out, *out), params, shape[0] * weights * prod(out))

    return count


def _depthwise(
    shape: Shape, kernel_size: Any, c_out: int | None = None, **rest: Any
) -> OperatorCost:
    c_in, _ = _channels_and_image(shape, 2)
    c_out = c_in if c_out is None else c_out
    return _convolution(2)(shape, c_out, kernel_size, groups=c_in, **rest)


def _pointwise(shape: Shape, c_out: int, stride: Any = 1, bias: bool = True) -> OperatorCost:
    return _convolution(2)(shape, c_out, 1, stride, bias=bias)


def _transposed(
    shape: Shape,
    c_out: int,
    kernel_size: Any,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    bias: bool = True,
) -> OperatorCost:
    """Each input pixel stamps every kernel once, whatever the padding cuts off afterwards."""
    c_in, image = _channels_and_image(shape, 2)
    c_out = integer(c_out, "c_out", at_least=1)
    kernel = _each(kernel_size, "kernel_size", 2, 1)
    settings = (
        _each(stride, "stride", 2, 1),
        _each(padding, "padding", 2, 0),
        _each(output_padding, "output_padding", 2, 0),
        _each(dilation, "dilation", 2, 1),
    )
    out = tuple(
        transposed_output_size(image[axis], kernel[axis], *(each[axis] for each in settings))
        for axis in (0, 1)
    )
    weights = c_out * _per_group(c_in, c_out, groups) * prod(kernel)
    params = weights + c_out * flag(bias, "bias")
    return OperatorCost((shape[0], c_out, *out), params, shape[0] * weights * prod(image))


def _per_group(c_in: int, c_out: int, groups: int) -> int:
    groups = integer(groups, "groups", at_least=1)
    for channels, name in ((c_in, "the channels of the input"), (c_out, "c_out")):
        if channels % groups:
            raise ValueError(f"groups (={groups}) must divide {name} (={channels})")
    return c_in // groups


# ── pooling ─────────────────────────────────────────────────────────────────────────────────────


def _max_pool(
    shape: Shape, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1
) -> OperatorCost:
    _, image = _channels_and_image(shape, 2)
    kernel = _each(kernel_size, "kernel_size", 2, 1)
    out = _windows(image, kernel, kernel if stride is None else stride, padding, dilation)
    return OperatorCost((*shape[:2], *out), 0, 0)


def _avg_pool(shape: Shape, kernel_size: Any, stride: Any = None, padding: Any = 0) -> OperatorCost:
    return _max_pool(shape, kernel_size, stride, padding)


def _global_avg_pool(shape: Shape) -> OperatorCost:
    _channels_and_image(shape, 2)
    return OperatorCost(shape[:2], 0, 0)


def _blur_pool(shape: Shape, stride: Any = 2, kernel_size: int = 3) -> OperatorCost:
    """A depthwise convolution whose weights nobody learns: its MACs count, its weights do not."""
    kernel = integer(kernel_size, "kernel_size", at_least=1)
    if kernel % 2 == 0:
        raise ValueError(f"kernel_size (={kernel}) must be odd")
    found = _depthwise(shape, kernel, stride=stride, padding=kernel // 2, bias=False)
    return found._replace(params=0)


# ── the rest ────────────────────────────────────────────────────────────────────────────────────


def _batch_norm(shape: Shape) -> OperatorCost:
    """A scale and a shift for each channel; the running statistics are not learned."""
    c_in, _ = _channels_and_image(shape, 2)
    return OperatorCost(shape, 2 * c_in, 0)


def _group_norm(shape: Shape, groups: int) -> OperatorCost:
    if len(shape) < 3:
        raise ValueError(f"input_shape (={shape}) must have at least 3 axes (N, C, …)")
    _per_group(shape[1], shape[1], groups)
    return OperatorCost(shape, 2 * shape[1], 0)


def _layer_norm(shape: Shape, normalized_shape: Any = None) -> OperatorCost:
    last = shape[-1:] if normalized_shape is None else normalized_shape
    last = (last,) if not isinstance(last, (tuple, list)) else tuple(last)
    if not last or shape[len(shape) - len(last) :] != last:
        raise ValueError(f"normalized_shape (={last}) must be the last axes of input_shape {shape}")
    return OperatorCost(shape, 2 * prod(last), 0)


def _elementwise(shape: Shape) -> OperatorCost:
    return OperatorCost(shape, 0, 0)


def _flatten(shape: Shape) -> OperatorCost:
    if len(shape) < 2:
        raise ValueError(f"input_shape (={shape}) must have at least 2 axes")
    return OperatorCost((shape[0], prod(shape[1:])), 0, 0)


def _cross_entropy(shape: Shape, reduction: str = "mean") -> OperatorCost:
    if len(shape) != 2:
        raise ValueError(f"input_shape (={shape}) must have 2 axes (N, classes)")
    reduced = choice(reduction, "reduction", ("mean", "sum", "none")) != "none"
    return OperatorCost(() if reduced else shape[:1], 0, 0)


def _linear(shape: Shape, n_out: int, bias: bool = True) -> OperatorCost:
    if not shape:
        raise ValueError("input_shape (=()) must have at least 1 axis")
    n_out = integer(n_out, "n_out", at_least=1)
    params = shape[-1] * n_out + n_out * flag(bias, "bias")
    return OperatorCost((*shape[:-1], n_out), params, prod(shape) * n_out)


def _attention(shape: Shape, keys: int | None = None, d_v: int | None = None) -> OperatorCost:
    """(…, L, d) queries: L·keys dot products of length d, then L weighted sums of the values."""
    if len(shape) < 2:
        raise ValueError(f"input_shape (={shape}) must have at least 2 axes (…, queries, d)")
    *batch, queries, d = shape
    keys = queries if keys is None else integer(keys, "keys", at_least=1)
    d_v = d if d_v is None else integer(d_v, "d_v", at_least=1)
    pairs = prod(batch) * queries * keys
    return OperatorCost((*batch, queries, d_v), 0, pairs * (d + d_v))


def _channels_and_image(shape: Shape, axes: int) -> tuple[int, Shape]:
    if len(shape) != 2 + axes:
        names = {1: "N, C, L", 2: "N, C, H, W", 3: "N, C, D, H, W"}[axes]
        raise ValueError(f"input_shape (={shape}) must have {2 + axes} axes ({names})")
    return shape[1], shape[2:]


def _each(value: Any, name: str, axes: int, at_least: int) -> Shape:
    """An int for all axes, or one for each."""
    if not isinstance(value, (tuple, list)):
        return (integer(value, name, at_least),) * axes
    if len(value) != axes:
        raise ValueError(f"{name} (={shown(value)}) must be an integer or one for each axis")
    return tuple(integer(n, f"{name}[{axis}]", at_least) for axis, n in enumerate(value))


def _windows(image: Shape, kernel: Shape, stride: Any, padding: Any, dilation: Any) -> Shape:
    settings = (
        _each(stride, "stride", len(image), 1),
        _each(padding, "padding", len(image), 0),
        _each(dilation, "dilation", len(image), 1),
    )
    return tuple(
        output_size(n, kernel[axis], *(each[axis] for each in settings))
        for axis, n in enumerate(image)
    )


OPERATORS: dict[str, Callable[..., OperatorCost]] = {
    "conv1d": _convolution(1),
    "conv2d": _convolution(2),
    "conv3d": _convolution(3),
    "depthwise_conv2d": _depthwise,
    "pointwise_conv2d": _pointwise,
    "conv_transpose2d": _transposed,
    "max_pool2d": _max_pool,
    "avg_pool2d": _avg_pool,
    "global_avg_pool2d": _global_avg_pool,
    "blur_pool2d": _blur_pool,
    "batch_norm2d": _batch_norm,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "relu": _elementwise,
    "gelu": _elementwise,
    "sigmoid": _elementwise,
    "silu": _elementwise,
    "softmax": _elementwise,
    "cross_entropy": _cross_entropy,
    "linear": _linear,
    "scaled_dot_product_attention": _attention,
    "flatten": _flatten,
}
"""The operators by name, each with the function that counts its cost."""
