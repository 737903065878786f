"""What a layer costs: its parameters.

A count here is a number of learned values, weights and biases together.
"""

from __future__ import annotations

from course_lib._validate import IntOrPair, flag, integer, pair

__all__ = ["conv_params", "fc_params"]


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


def conv_params(c_in: int, c_out: int, kernel_size: IntOrPair, bias: bool = True) -> int:
    """Parameters of a convolution layer: for each output channel, a kernel over all input channels.

    The image's size does not occur: the same kernel serves every position.

    Raises ValueError where a number is below 1, TypeError for anything but integers.

    >>> conv_params(3, 16, kernel_size=3)  # 16 * (3*3*3 weights + 1 bias)
    448
    """
    c_in = integer(c_in, "c_in", at_least=1)
    c_out = integer(c_out, "c_out", at_least=1)
    kernel_h, kernel_w = pair(kernel_size, "kernel_size", at_least=1)
    return c_out * (c_in * kernel_h * kernel_w + (1 if flag(bias, "bias") else 0))
