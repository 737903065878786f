"""What a 2-D convolution is asked to do, checked once and handed to whichever algorithm does it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from course_lib._validate import (
    Array,
    IntOrPair,
    Margins,
    Padding,
    batch,
    choice,
    integer,
    margins,
    pair,
    shaped,
)
from course_lib.geometry import effective_kernel
from course_lib.ops._windows import window_grid
from course_lib.ops.padding import PADDING_MODES, check_copies_exist, pad_into, padded_shape

Pair = tuple[int, int]


class ConvSettings(NamedTuple):
    """Sizes in pixels, pairs as (height, width)."""

    kernel: Pair
    stride: Pair
    padding: Margins
    dilation: Pair
    groups: int
    padding_mode: str
    image: Pair  # (H, W)
    padded: Pair  # (H_p, W_p)
    out: Pair  # (H_out, W_out)

    @property
    def span(self) -> Pair:
        """How many pixels the kernel covers from its first tap to its last."""
        return (
            effective_kernel(self.kernel[0], self.dilation[0]),
            effective_kernel(self.kernel[1], self.dilation[1]),
        )

    @property
    def is_padded(self) -> bool:
        return self.padded != self.image


def settings_for(
    image: Pair,
    kernel: Pair,
    stride: IntOrPair,
    padding: Padding,
    dilation: IntOrPair,
    groups: int = 1,
    padding_mode: str = "zeros",
) -> ConvSettings:
    """Check the settings of a convolution on images (H, W); ValueError where no window fits."""
    strides = pair(stride, "stride", at_least=1)
    dilations = pair(dilation, "dilation", at_least=1)
    around = margins(padding)
    choice(padding_mode, "padding_mode", PADDING_MODES)
    check_copies_exist(image, around, padding_mode)
    padded = (image[0] + sum(around[0]), image[1] + sum(around[1]))
    out = window_grid(padded, kernel, strides, dilations)
    return ConvSettings(
        kernel, strides, around, dilations, groups, padding_mode, image, padded, out
    )


def images_and_weight(x: npt.ArrayLike, weight: npt.ArrayLike, groups: int) -> tuple[Array, Array]:
    """Check that (N, C, H, W) and (C_out, C/groups, K_h, K_w) go together in `groups` groups."""
    x = batch(x, "x", ("N", "C", "H", "W"))
    weight = whole_weight(weight, ("C_out", "C_in/groups", "K_h", "K_w"))
    check_groups(x.shape[1], weight.shape, groups)
    return x, weight


def whole_weight(weight: npt.ArrayLike, axes: tuple[str, ...]) -> Array:
    """Return `weight` as an array with these axes, none of them empty."""
    weight = batch(weight, "weight", axes)
    if weight.shape[0] == 0:
        raise ValueError(f"weight has shape {weight.shape}, must not be empty")
    return weight


def check_groups(channels: int, weight_shape: tuple[int, ...], groups: int) -> None:
    """Each group sees channels/groups of the input and makes C_out/groups of the output."""
    groups = integer(groups, "groups", at_least=1)
    if channels % groups:
        raise ValueError(f"groups (={groups}) must divide the {channels} channels of x")
    if weight_shape[0] % groups:
        raise ValueError(
            f"groups (={groups}) must divide the {weight_shape[0]} output channels of weight"
        )
    if weight_shape[1] != channels // groups:
        raise ValueError(
            f"weight has shape {weight_shape}, must have {channels // groups} input channels: "
            f"x has {channels} channels in groups (={groups})"
        )


def checked_bias(bias: npt.ArrayLike | None, channels: int) -> list[Array]:
    """The bias in a list of its own, or an empty list where there is none."""
    if bias is None:
        return []
    return [shaped(bias, "bias", (channels,), "one value for each output channel")]


def padded(x: Array, settings: ConvSettings) -> Array:
    """(N, C, H, W) → (N, C, H_p, W_p); x itself where there is nothing to pad."""
    if not settings.is_padded:
        return x
    out = np.zeros(padded_shape(x.shape, settings.padding), dtype=x.dtype)
    pad_into(out, x, settings.padding, settings.padding_mode)
    return out
