"""MobileNetV2. Sandler, Howard, Zhu, Zhmoginov and Chen, *MobileNetV2: inverted residuals and
linear bottlenecks*, CVPR 2018: https://arxiv.org/abs/1801.04381

A block widens its few channels with a 1×1 convolution, filters them depthwise, and narrows them
again *without* an activation; the skip connects the narrow ends. So what is kept between the blocks
is small, and the ReLUs act where there are channels to spare.
"""

from __future__ import annotations

from torch import Tensor, nn

from course_lib.nets.layers import conv_bn, initialise_convolutions, make_divisible
from course_lib.nets.net import Net, NetInfo

INFO = (
    NetInfo(
        name="mobilenet_v2",
        year=2018,
        title="MobileNetV2: Inverted Residuals and Linear Bottlenecks",
        authors="Sandler et al.",
        paper="https://arxiv.org/abs/1801.04381",
        params=3_504_872,
        gmacs=0.301,
        input=(3, 224, 224),
        top1=71.8,
        top1_source="The authors' released weights (TensorFlow's slim); table 4 of the paper: 72.0",
        idea="The skip connects narrow bottlenecks, and the depthwise work is done between them "
        "on six times as many channels.",
    ),
)

STEM = 32  # channels after the first convolution, stride 2
HEAD = 1280  # channels of the last 1×1 convolution

STAGES = (
    # t expansion, c channels, n blocks, s stride of the first    size for a 224×224 image
    (1, 16, 1, 1),  # 112×112
    (6, 24, 2, 2),  # 56×56
    (6, 32, 3, 2),  # 28×28
    (6, 64, 4, 2),  # 14×14
    (6, 96, 3, 1),  # 14×14
    (6, 160, 3, 2),  # 7×7
    (6, 320, 1, 1),  # 7×7
)


class InvertedResidual(nn.Module):
    """1×1 to expand·c_in channels, depthwise 3×3, 1×1 to c_out, and the skip where shapes agree.

    (N, c_in, H, W) to (N, c_out, H/stride, W/stride), rounded up. Without expansion (1) the first
    1×1 convolution is left out. Source: section 3.3 and figure 3 of the paper.
    """

    def __init__(self, c_in: int, c_out: int, stride: int = 1, expand: int = 6) -> None:
        super().__init__()
        wide = c_in * expand
        layers: list[nn.Module] = []
        if expand != 1:
            layers.append(conv_bn(c_in, wide, 1, activation=nn.ReLU6))
        layers.append(conv_bn(wide, wide, 3, stride, groups=wide, activation=nn.ReLU6))
        layers.extend(conv_bn(wide, c_out, 1, activation=None))  # the linear bottleneck
        self.conv = nn.Sequential(*layers)
        self.has_skip = stride == 1 and c_in == c_out

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.conv(x) if self.has_skip else self.conv(x)
        return out


class MobileNetV2(Net):
    """The network of table 2: (N, in_channels, H, W) to logits (N, num_classes), any size.

    `width` scales the channels of every layer, rounded to multiples of 8; the last 1×1 convolution
    keeps its 1,280 for widths below 1. `dropout` acts before the classifier.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        *,
        width: float = 1,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        channels = make_divisible(STEM * width)
        head = make_divisible(HEAD * max(1.0, width))
        layers: list[nn.Module] = [conv_bn(in_channels, channels, 3, 2, activation=nn.ReLU6)]
        for t, c, n, s in STAGES:
            c_out = make_divisible(c * width)
            for i in range(n):
                layers.append(InvertedResidual(channels, c_out, s if i == 0 else 1, t))
                channels = c_out
        layers.append(conv_bn(channels, head, 1, activation=nn.ReLU6))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(head, num_classes))
        initialise_convolutions(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, 1280, H/32, W/32)
        x = self.avgpool(x).flatten(1)  # (N, 1280)
        x = self.classifier(x)  # (N, num_classes)
        return x


def mobilenet_v2(
    num_classes: int = 1000, in_channels: int = 3, *, width: float = 1, dropout: float = 0.2
) -> MobileNetV2:
    """MobileNetV2 with the width multiplier `width`: 3.5 million parameters at 1."""
    return MobileNetV2(num_classes, in_channels, width=width, dropout=dropout)
