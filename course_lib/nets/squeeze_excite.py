"""SE-ResNet. Hu, Shen, Albanie, Sun and Wu, *Squeeze-and-excitation networks*, 2017:
https://arxiv.org/abs/1709.01507

Each block looks at all of its maps as a whole, one mean a map, and decides how much of each to let
through.
"""

from __future__ import annotations

from torch import Tensor, nn

from course_lib.nets.net import NetInfo
from course_lib.nets.resnet import Bottleneck, ResNet

INFO = (
    NetInfo(
        name="se_resnet50",
        year=2017,
        title="Squeeze-and-excitation networks",
        authors="Hu et al.",
        paper="https://arxiv.org/abs/1709.01507",
        params=28_088_024,
        gmacs=4.092,
        input=(3, 224, 224),
        top1=76.71,
        top1_source="the paper's table 2, one crop",
        idea="A tiny network in each block weighs its channels by what the whole image shows.",
        differs="A block that halves the grid does it in its 3×3 convolution, the paper's in its "
        "1×1.",
    ),
)


class SqueezeExcite(nn.Module):
    """One factor in (0, 1) for each channel, from the means of all: (N, C, H, W) → (N, C, H, W).

    The paper's section 3; the hidden layer has max(1, channels // reduction) units.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, hidden, 1)  # on a 1×1 grid, a fully connected layer
        self.relu = nn.ReLU()
        self.fc2 = nn.Conv2d(hidden, channels, 1)
        self.sigmoid = nn.Sigmoid()

    def factors(self, x: Tensor) -> Tensor:
        """How much of each channel is let through: (N, C, 1, 1)."""
        x = self.avgpool(x)  # squeeze: (N, C, 1, 1)
        x = self.relu(self.fc1(x))  # (N, hidden, 1, 1)
        x = self.sigmoid(self.fc2(x))  # excite: (N, C, 1, 1)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """The input, each channel times its factor."""
        return x * self.factors(x)


class SEBottleneck(Bottleneck):
    """ResNet's bottleneck, its F(x) weighed by channel before x is added (the paper's figure 3)."""

    def __init__(self, c_in: int, c_mid: int, c_out: int, stride: int = 1) -> None:
        super().__init__(c_in, c_mid, c_out, stride)
        self.se = SqueezeExcite(c_out)

    def residual(self, x: Tensor) -> Tensor:
        """F(x), of the output's shape."""
        x = self.se(super().residual(x))
        return x


def _block(c_in: int, width: int, stride: int) -> SEBottleneck:
    return SEBottleneck(c_in, width, 4 * width, stride)


def se_resnet50(num_classes: int = 1000, in_channels: int = 3) -> ResNet:
    """SE-ResNet-50: ResNet-50 with a squeeze-and-excitation in each block."""
    return ResNet(_block, 4, (3, 4, 6, 3), num_classes, in_channels)
