"""Convolution over depth, height and width: videos and scans. Forward only.

A kernel K_d frames deep looks at K_d frames at once, and each of its layers is a 2-D kernel for one
of them. So a 3-D convolution is K_d 2-D convolutions, added up:

    output[z] = sum over k of  conv2d(P[z·s + k·d], weight[k])

Source: Tran et al., "Learning spatiotemporal features with 3D convolutional networks", 2015.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt

from course_lib._validate import Array, batch, choice, triple
from course_lib.ops._dtypes import computing_and_result_types
from course_lib.ops._settings import check_groups, checked_bias, settings_for, whole_weight
from course_lib.ops.conv_2d import conv2d
from course_lib.ops.padding import PADDING_MODES, check_copies_exist, pad_into

__all__ = ["conv3d"]

IntOrTriple: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
"""One integer for all axes, or a (depth, height, width) triple."""


def conv3d(
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    stride: IntOrTriple = 1,
    padding: IntOrTriple = 0,
    dilation: IntOrTriple = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
) -> Array:
    """(N, C, D, H, W) and (C_out, C/groups, K_d, K_h, K_w) → (N, C_out, D_out, H_out, W_out).

    `stride`, `padding` and `dilation` are an int or a (depth, height, width) triple. The rest,
    types and errors are as in `conv2d`.

    >>> frames = np.arange(3).reshape(1, 1, 3, 1, 1)  # a pixel that grows brighter
    >>> conv3d(frames, [[[[[-1]], [[1]]]]]).ravel()  # what changes from frame to frame
    array([1, 1])
    """
    x = batch(x, "x", ("N", "C", "D", "H", "W"))
    weight = whole_weight(weight, ("C_out", "C_in/groups", "K_d", "K_h", "K_w"))
    check_groups(x.shape[1], weight.shape, groups)
    biases = checked_bias(bias, len(weight))
    s_d, s_h, s_w = triple(stride, "stride", at_least=1)
    p_d, p_h, p_w = triple(padding, "padding", at_least=0)
    d_d, d_h, d_w = triple(dilation, "dilation", at_least=1)
    choice(padding_mode, "padding_mode", PADDING_MODES)
    computing, result = computing_and_result_types(x, weight, *biases)
    images, channels, depth, height, width = x.shape

    # Depth and width alone are an image too: it knows how many windows fit, and how to pad.
    (k_d, k_w), along_depth = (weight.shape[2], weight.shape[4]), ((p_d, p_d), (0, 0))
    check_copies_exist((depth, height * width), along_depth, padding_mode)
    deep = settings_for((depth, width), (k_d, k_w), (s_d, s_w), (p_d, p_w), (d_d, d_w))
    padded = np.zeros((images, channels, depth + 2 * p_d, height * width), dtype=computing)
    frames = x.reshape(images, channels, depth, height * width)
    pad_into(padded, frames, along_depth, padding_mode)
    padded = padded.reshape(images, channels, depth + 2 * p_d, height, width)  # (N, C, D_p, H, W)

    out: Array = np.zeros((), dtype=computing)
    for k in range(k_d):
        last = k * d_d + (deep.out[0] - 1) * s_d
        some = padded[:, :, k * d_d : last + 1 : s_d]  # (N, C, D_out, H, W): what layer k meets
        some = some.swapaxes(1, 2).reshape(images * deep.out[0], channels, height, width)
        # (N·D_out, C, H, W): each frame an image of its own
        kernels = weight[:, :, k].astype(computing)  # (C_out, C/G, K_h, K_w)
        out = out + conv2d(
            some, kernels, None, (s_h, s_w), (p_h, p_w), (d_h, d_w), groups, padding_mode
        )
    for values in biases:
        out = out + values.astype(computing)[:, np.newaxis, np.newaxis]
    out = out.reshape(images, deep.out[0], len(weight), *out.shape[2:])
    return out.swapaxes(1, 2).astype(result)  # (N, C_out, D_out, H_out, W_out)
