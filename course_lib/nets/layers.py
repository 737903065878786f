"""Small layers that several of the later architectures share.

They hold their parts under the names torchvision gives them, so that published weights load.
"""

import torch
from torch import Tensor, nn

__all__ = [
    "Permute",
    "StochasticDepth",
    "conv_bn",
    "drop_rates",
    "initialise_convolutions",
    "make_divisible",
]


def conv_bn(
    c_in: int,
    c_out: int,
    kernel_size: int = 3,
    stride: int = 1,
    *,
    groups: int = 1,
    activation: type[nn.Module] | None = nn.ReLU,
) -> nn.Sequential:
    """Convolution without bias, BatchNorm, activation: (N, c_in, H, W) to (N, c_out, H/s, W/s).

    An odd `kernel_size` with its "same" padding, so that only the stride s changes the size
    (rounded up). The convolution needs no bias: BatchNorm adds one. None leaves the activation out.

    >>> [type(layer).__name__ for layer in conv_bn(3, 8, activation=None)]
    ['Conv2d', 'BatchNorm2d']
    """
    layers: list[nn.Module] = [
        nn.Conv2d(
            c_in, c_out, kernel_size, stride, (kernel_size - 1) // 2, groups=groups, bias=False
        ),
        nn.BatchNorm2d(c_out),
    ]
    if activation is not None:
        layers.append(activation())
    return nn.Sequential(*layers)


def make_divisible(channels: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to `channels`, at least 90 % of it and at least `divisor`.

    Source: the authors' code of MobileNetV2; hardware likes such numbers of channels.

    >>> [make_divisible(c) for c in (3, 16 * 1.1, 24 * 1.4, 11)]
    [8, 16, 32, 16]
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * channels else rounded + divisor


class StochasticDepth(nn.Module):
    """While training, drops the whole branch of an image with probability `p`; else passes it on.

    The branches that stay are divided by 1 − p, so that the mean stays. The input has any shape
    (N, …). Source: Huang et al., "Deep networks with stochastic depth", 2016.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"stochastic depth's probability (={p}) must be in [0, 1)")
        self.p = p

    def forward(self, branch: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return branch
        kept = torch.rand(branch.shape[:1], device=branch.device) >= self.p  # (N,)
        shape = (-1, *[1] * (branch.ndim - 1))  # (N, 1, 1, …)
        return branch * kept.to(branch.dtype).view(shape) / (1 - self.p)

    def extra_repr(self) -> str:
        return f"p={self.p:.3g}"


def drop_rates(last: float, n_blocks: int) -> list[float]:
    """Stochastic depth's probability of each block, rising in equal steps from 0 to `last`.

    >>> drop_rates(0.2, 3)
    [0.0, 0.1, 0.2]
    """
    return [last * i / max(1, n_blocks - 1) for i in range(n_blocks)]


class Permute(nn.Module):
    """Reorders the axes of its input, as `torch.permute`."""

    def __init__(self, *axes: int) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.axes)

    def extra_repr(self) -> str:
        return ", ".join(map(str, self.axes))


def initialise_convolutions(network: nn.Module) -> None:
    """Draws the weights of a network of convolutions anew, in place: He's rule, biases 0.

    Source: He et al., "Delving deep into rectifiers", 2015, with the spread that keeps the size of
    the gradients. The linear layers are small at first, so that all classes start out alike.
    """
    # Uniform and not normal: `normal_` on the meta device loads torch's compiler, about a second.
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_uniform_(layer.weight, mode="fan_out")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
