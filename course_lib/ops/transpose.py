"""Transposed convolution: from few pixels to many.

Each input pixel stamps the kernel, times its own value, onto the output; the next stamp lands
`stride` pixels further on, and where stamps overlap they add up. Where a convolution gathers a
window into one pixel, this spreads one pixel over a window.

So it is what the backward pass of a convolution does to its gradient (the product with the
transposed matrix, hence the name), and here it is computed as just that. It undoes a convolution's
change of shape; it does not undo the convolution.

    H_out = (H - 1)·stride - 2·padding + dilation·(K_h - 1) + output_padding + 1

Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016, chapter 4.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from course_lib._validate import Array, IntOrPair, batch, integer, pair, shaped
from course_lib.ops._dtypes import computing_and_result_types
from course_lib.ops._settings import ConvSettings, checked_bias, settings_for, whole_weight
from course_lib.ops.conv_fast import blocked, input_gradient, weight_gradient

__all__ = ["conv_transpose2d", "conv_transpose2d_backward"]


def conv_transpose2d(
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    output_padding: IntOrPair = 0,
    groups: int = 1,
    dilation: IntOrPair = 1,
) -> Array:
    """(N, C, H, W) and (C, C_out/groups, K_h, K_w) → (N, C_out, H_out, W_out).

    Mind the weight's first two axes: input channels come first. `padding` cuts that many pixels off
    each side of the output. With a stride, several sizes shrink to the same one in a convolution;
    `output_padding`, smaller than the stride, says which of them to go back to: it adds
    pixels at the bottom and the right. Arguments are in the order of
    `torch.nn.functional.conv_transpose2d`; types are as in `conv2d`.

    Raises TypeError and ValueError as `conv2d` does, and ValueError for an output_padding that is
    not smaller than the stride and for a padding that leaves nothing.

    >>> print(conv_transpose2d([[[[1, 10]]]], [[[[1, 2, 3]]]], stride=2)[0, 0])
    [[ 1  2 13 20 30]]
    """
    x, weight, settings = _checked(x, weight, stride, padding, output_padding, groups, dilation)
    biases = checked_bias(bias, weight.shape[1] * settings.groups)
    computing, result = computing_and_result_types(x, weight, *biases)
    out = input_gradient(x.astype(computing), weight.astype(computing, copy=False), settings)
    for values in biases:
        out += values.astype(computing)[:, np.newaxis, np.newaxis]  # (C_out, 1, 1)
    return out.astype(result, copy=False)


def conv_transpose2d_backward(
    grad_out: npt.ArrayLike,
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    output_padding: IntOrPair = 0,
    groups: int = 1,
    dilation: IntOrPair = 1,
) -> tuple[Array, Array, Array]:
    """The gradients of `conv_transpose2d`: (N, C_out, H_out, W_out) → those of x, weight and bias.

    The transposed convolution is a convolution's backward pass, so its own backward pass is that
    convolution; in the gradient of the weight, x and grad_out have changed places. Types and
    errors are as in `conv_transpose2d`, and ValueError where grad_out has not the output's shape.

    >>> x, weight, grad_out = [[[[1.0, 2.0]]]], [[[[10.0, 1.0]]]], [[[[1.0, 1.0, 5.0]]]]
    >>> grads = conv_transpose2d_backward(grad_out, x, weight)
    >>> print(*(grad.ravel() for grad in grads))
    [11. 15.] [ 3. 11.] [7.]
    """
    x, weight, settings = _checked(x, weight, stride, padding, output_padding, groups, dilation)
    out_shape = (len(x), weight.shape[1] * settings.groups, *settings.image)
    grad_out = shaped(grad_out, "grad_out", out_shape, "that of the forward pass's output")
    computing, result = computing_and_result_types(grad_out, x, weight)
    grad_out = grad_out.astype(computing, copy=False)
    grad_x = blocked(grad_out, weight.astype(computing, copy=False), settings)
    grad_weight = weight_gradient(x.astype(computing, copy=False), grad_out, settings)
    grad_bias = grad_out.sum(axis=(0, 2, 3))  # (C_out,)
    return (
        grad_x.astype(result, copy=False),
        grad_weight.astype(result, copy=False),
        grad_bias.astype(result, copy=False),
    )


def _checked(
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    stride: IntOrPair,
    padding: IntOrPair,
    output_padding: IntOrPair,
    groups: int,
    dilation: IntOrPair,
) -> tuple[Array, Array, ConvSettings]:
    """The settings of the convolution of which this is the backward pass: its image, our output."""
    x = batch(x, "x", ("N", "C", "H", "W"))
    weight = whole_weight(weight, ("C_in", "C_out/groups", "K_h", "K_w"))
    groups = integer(groups, "groups", at_least=1)
    strides = pair(stride, "stride", at_least=1)
    paddings = pair(padding, "padding", at_least=0)
    dilations = pair(dilation, "dilation", at_least=1)
    extra = pair(output_padding, "output_padding", at_least=0)
    if len(weight) != x.shape[1]:
        raise ValueError(
            f"weight has shape {weight.shape}, must have {x.shape[1]} input channels (the first "
            f"axis), as x has"
        )
    if x.shape[1] % groups:
        raise ValueError(f"groups (={groups}) must divide the {x.shape[1]} channels of x")
    if extra[0] >= strides[0] or extra[1] >= strides[1]:
        raise ValueError(f"output_padding (={extra}) must be smaller than stride (={strides})")
    height, width = (
        (x.shape[2 + axis] - 1) * strides[axis]
        + dilations[axis] * (weight.shape[2 + axis] - 1)
        + extra[axis]
        + 1
        - 2 * paddings[axis]
        for axis in (0, 1)
    )
    if height < 1 or width < 1:
        raise ValueError(
            f"padding (={paddings}) must leave some of the output: it would be {(height, width)}"
        )
    kernel = (weight.shape[2], weight.shape[3])
    settings = settings_for((height, width), kernel, strides, paddings, dilations, groups)
    return x, weight, settings
