"""EfficientNet. Tan and Le, *EfficientNet: rethinking model scaling for convolutional neural
networks*, ICML 2019: https://arxiv.org/abs/1905.11946

B0 is a small network of inverted residuals with squeeze-and-excitation that an automatic search
found. B1 to B7 make it deeper, wider and its image larger, all three together.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn

from course_lib.nets.layers import (
    StochasticDepth,
    conv_bn,
    drop_rates,
    initialise_convolutions,
    make_divisible,
)
from course_lib.nets.net import Net, NetInfo


class Member(NamedTuple):
    """How far a member of the family is scaled up from B0, and what is known of it."""

    name: str
    width: float
    depth: float
    size: int
    dropout: float
    eps: float
    momentum: float
    params: int
    gmacs: float
    top1: float


MEMBERS = (
    # name, width, depth, image, dropout, BatchNorm's eps and momentum, parameters, GMACs, top-1
    Member("efficientnet_b0", 1.0, 1.0, 224, 0.2, 1e-5, 0.1, 5_288_548, 0.386, 77.1),
    Member("efficientnet_b1", 1.0, 1.1, 240, 0.2, 1e-5, 0.1, 7_794_184, 0.687, 79.1),
    Member("efficientnet_b2", 1.1, 1.2, 260, 0.3, 1e-5, 0.1, 9_109_994, 0.994, 80.1),
    Member("efficientnet_b3", 1.2, 1.4, 300, 0.3, 1e-5, 0.1, 12_233_232, 1.827, 81.6),
    Member("efficientnet_b4", 1.4, 1.8, 380, 0.4, 1e-5, 0.1, 19_341_616, 4.394, 82.9),
    Member("efficientnet_b5", 1.6, 2.2, 456, 0.4, 1e-3, 0.01, 30_389_784, 10.266, 83.6),
    Member("efficientnet_b6", 1.8, 2.6, 528, 0.5, 1e-3, 0.01, 43_040_704, 19.068, 84.0),
    Member("efficientnet_b7", 2.0, 3.1, 600, 0.5, 1e-3, 0.01, 66_347_960, 37.746, 84.3),
)

INFO = tuple(
    NetInfo(
        name=member.name,
        year=2019,
        title="EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
        authors="Tan and Le",
        paper="https://arxiv.org/abs/1905.11946",
        params=member.params,
        gmacs=member.gmacs,
        input=(3, member.size, member.size),
        top1=member.top1,
        top1_source="Table 2 of the paper (arXiv version 5)",
        idea="Depth, width and resolution grow together, in a fixed proportion.",
        differs="Strided convolutions pad all sides alike, where the authors' code pads less above "
        "and on the left than below and on the right.",
    )
    for member in MEMBERS
)

STEM = 32  # channels after the first convolution, stride 2

STAGES = (
    # t expansion, k kernel, s stride of the first, c channels, n blocks    size for 224×224
    (1, 3, 1, 16, 1),  # 112×112
    (6, 3, 2, 24, 2),  # 56×56
    (6, 5, 2, 40, 2),  # 28×28
    (6, 3, 2, 80, 3),  # 14×14
    (6, 5, 1, 112, 3),  # 14×14
    (6, 5, 2, 192, 4),  # 7×7
    (6, 3, 1, 320, 1),  # 7×7
)


class SqueezeExcite(nn.Module):
    """Weighs each channel by a number between 0 and 1 that all channels' means decide.

    (N, C, H, W) to the same shape. Here with SiLU between the two 1×1 convolutions, and `squeezed`
    hidden channels. Source: Hu et al., "Squeeze-and-excitation networks", 2018.
    """

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.activation = nn.SiLU()
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.scale_activation = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        squeeze = self.avgpool(x)  # (N, C, 1, 1)
        hidden = self.activation(self.fc1(squeeze))  # (N, squeezed, 1, 1)
        scale: Tensor = self.scale_activation(self.fc2(hidden))  # (N, C, 1, 1)
        return x * scale


class MBConv(nn.Module):
    """MobileNetV2's inverted residual with squeeze-and-excitation and SiLU.

    (N, c_in, H, W) to (N, c_out, H/stride, W/stride), rounded up. The squeeze has a quarter of
    c_in, not of the widened channels. `drop` is the probability to drop the branch in training.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        kernel_size: int = 3,
        stride: int = 1,
        expand: int = 6,
        *,
        drop: float = 0.0,
    ) -> None:
        super().__init__()
        wide = make_divisible(c_in * expand)
        layers: list[nn.Module] = []
        if wide != c_in:
            layers.append(conv_bn(c_in, wide, 1, activation=nn.SiLU))
        layers += [
            conv_bn(wide, wide, kernel_size, stride, groups=wide, activation=nn.SiLU),
            SqueezeExcite(wide, max(1, c_in // 4)),
            conv_bn(wide, c_out, 1, activation=None),
        ]
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(drop)
        self.has_skip = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.stochastic_depth(self.block(x)) if self.has_skip else self.block(x)
        return out


class EfficientNet(Net):
    """The network of table 1, scaled: (N, in_channels, H, W) to logits (N, num_classes), any size.

    `width` multiplies the channels, `depth` the blocks of each stage. `dropout` acts before the
    classifier; `drop` is the probability to drop the last block's branch in training (0 for the
    first block's). `eps` and `momentum` are BatchNorm's.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        *,
        width: float = 1.0,
        depth: float = 1.0,
        dropout: float = 0.2,
        drop: float = 0.2,
        eps: float = 1e-5,
        momentum: float = 0.1,
    ) -> None:
        super().__init__()
        repeats = [math.ceil(n * depth) for *_, n in STAGES]
        rates = iter(drop_rates(drop, sum(repeats)))

        channels = make_divisible(STEM * width)
        layers: list[nn.Module] = [conv_bn(in_channels, channels, 3, 2, activation=nn.SiLU)]
        for (t, k, s, c, _), n in zip(STAGES, repeats, strict=True):
            c_out = make_divisible(c * width)
            stage = []
            for i in range(n):
                stage.append(MBConv(channels, c_out, k, s if i == 0 else 1, t, drop=next(rates)))
                channels = c_out
            layers.append(nn.Sequential(*stage))
        layers.append(conv_bn(channels, 4 * channels, 1, activation=nn.SiLU))

        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(4 * channels, num_classes))
        initialise_convolutions(self)
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eps, layer.momentum = eps, momentum

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, 1280·width, H/32, W/32)
        x = self.avgpool(x).flatten(1)  # (N, 1280·width)
        x = self.classifier(x)  # (N, num_classes)
        return x


def _builder(member: Member) -> Callable[..., EfficientNet]:
    """The function that builds a member of the family; it takes what `EfficientNet` takes."""
    settings = ("width", "depth", "dropout", "eps", "momentum")
    return functools.partial(EfficientNet, **{key: getattr(member, key) for key in settings})


efficientnet_b0, efficientnet_b1, efficientnet_b2, efficientnet_b3 = map(_builder, MEMBERS[:4])
efficientnet_b4, efficientnet_b5, efficientnet_b6, efficientnet_b7 = map(_builder, MEMBERS[4:])
