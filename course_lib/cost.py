"""What a layer costs: parameters, multiply-adds, memory; from its arguments alone.

A parameter is a learned value, a weight or a bias. A MAC is one multiplication and the addition
that follows it; FLOPs are twice the MACs. The additions of biases are not counted, as in the
published tables. Nothing is computed to find these numbers: they follow from the sizes.
"""

from __future__ import annotations

from typing import TypedDict

from course_lib._validate import IntOrPair, flag, integer, pair
from course_lib.geometry import output_shape

__all__ = ["ConvCost", "conv_cost", "conv_params", "fc_params"]


class ConvCost(TypedDict):
    """What `conv_cost` returns."""

    params: int
    macs: int
    flops: int
    output_shape: tuple[int, int, int]


def fc_params(n_in: int, n_out: int, bias: bool = True) -> int:
    """Parameters of a fully connected layer: one weight for each input of each output.

    With `bias`, each output has one value more that is added to its sum.

    Raises ValueError where `n_in` or `n_out` is below 1, TypeError for anything but integers.

    >>> fc_params(28 * 28, 512, bias=False)
    401408
    """
    n_in = integer(n_in, "n_in", at_least=1)
    n_out = integer(n_out, "n_out", at_least=1)
    return n_in * n_out + (n_out if flag(bias, "bias") else 0)


def conv_params(
    c_in: int, c_out: int, kernel_size: IntOrPair, bias: bool = True, groups: int = 1
) -> int:
    """Parameters of a convolution layer: for each output channel, a kernel over all input channels.

    In `groups`, a kernel sees its group's share of the channels only. The image's size does not
    occur: the same kernel serves every position.

    Raises ValueError where a number is below 1 or `groups` does not divide the channels, TypeError
    for anything but integers.

    >>> conv_params(3, 16, kernel_size=3)  # 16 * (3*3*3 weights + 1 bias)
    448
    """
    c_in = integer(c_in, "c_in", at_least=1)
    c_out = integer(c_out, "c_out", at_least=1)
    groups = integer(groups, "groups", at_least=1)
    for channels, name in ((c_in, "c_in"), (c_out, "c_out")):
        if channels % groups:
            raise ValueError(f"groups (={groups}) must divide {name} (={channels})")
    kernel_h, kernel_w = pair(kernel_size, "kernel_size", at_least=1)
    return c_out * (c_in // groups * kernel_h * kernel_w + (1 if flag(bias, "bias") else 0))


def conv_cost(
    c_in: int,
    c_out: int,
    kernel_size: IntOrPair,
    height: int,
    width: int,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    bias: bool = True,
) -> ConvCost:
    """What a convolution layer costs on one (c_in, height, width) image.

    A dict: `params`; `macs`, K_h·K_w·(c_in/groups)·c_out·H_out·W_out, since every kernel does its
    work at every output position; `flops`, twice that; `output_shape`, (c_out, H_out, W_out).

    Raises as `conv_params` and `geometry.output_shape` do.

    >>> conv_cost(3, 16, kernel_size=3, height=32, width=32, padding=1)
    {'params': 448, 'macs': 442368, 'flops': 884736, 'output_shape': (16, 32, 32)}
    """
    params = conv_params(c_in, c_out, kernel_size, bias, groups)
    weights = params - (int(c_out) if bias else 0)
    rows, columns = output_shape(height, width, kernel_size, stride, padding, dilation)
    macs = weights * rows * columns
    return {
        "params": params,
        "macs": macs,
        "flops": 2 * macs,
        "output_shape": (int(c_out), rows, columns),
    }
