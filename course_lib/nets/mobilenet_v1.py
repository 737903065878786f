"""MobileNet. Howard, Zhu, Chen et al., *MobileNets: efficient convolutional neural networks for
mobile vision applications*, 2017: https://arxiv.org/abs/1704.04861

Every 3×3 convolution but the first is taken apart: a depthwise one that looks at the neighbourhood
in each channel by itself, then a 1×1 one that mixes the channels. That costs 8 to 9 times less.
"""

from __future__ import annotations

from torch import Tensor, nn

from course_lib.nets.layers import conv_bn, initialise_convolutions
from course_lib.nets.net import Net, NetInfo

INFO = (
    NetInfo(
        name="mobilenet_v1",
        year=2017,
        title="MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
        authors="Howard et al.",
        paper="https://arxiv.org/abs/1704.04861",
        params=4_231_976,
        gmacs=0.569,
        input=(3, 224, 224),
        top1=70.6,
        top1_source="Table 8 of the paper",
        idea="A depthwise convolution that looks and a pointwise one that mixes do the work of a "
        "dense one for a ninth of the cost.",
        differs="The last depthwise convolution has stride 1: table 1 prints 2, and a 7×7 map on "
        "both sides of it.",
    ),
)

STEM = 32  # channels after the first convolution, stride 2

STAGES = (
    # channels, blocks, stride of the first block    size of the maps for a 224×224 image
    (64, 1, 1),  # 112×112
    (128, 2, 2),  # 56×56
    (256, 2, 2),  # 28×28
    (512, 6, 2),  # 14×14
    (1024, 2, 2),  # 7×7
)


class DepthwiseSeparable(nn.Sequential):
    """Depthwise 3×3, then pointwise 1×1, each with BatchNorm and ReLU.

    (N, c_in, H, W) to (N, c_out, H/stride, W/stride), rounded up. Source: figure 3 of the paper.
    """

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__(
            conv_bn(c_in, c_in, 3, stride, groups=c_in),
            conv_bn(c_in, c_out, 1),
        )


class MobileNetV1(Net):
    """The network of table 1: (N, in_channels, H, W) to logits (N, num_classes), any size.

    `width` is the paper's width multiplier α: it scales the channels of every layer.
    """

    def __init__(self, num_classes: int = 1000, in_channels: int = 3, *, width: float = 1) -> None:
        super().__init__()
        channels = round(STEM * width)
        layers: list[nn.Module] = [conv_bn(in_channels, channels, 3, stride=2)]
        for stage_channels, n_blocks, first_stride in STAGES:
            c_out = round(stage_channels * width)
            for i in range(n_blocks):
                layers.append(DepthwiseSeparable(channels, c_out, first_stride if i == 0 else 1))
                channels = c_out
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, num_classes)
        initialise_convolutions(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, 1024, H/32, W/32)
        x = self.avgpool(x).flatten(1)  # (N, 1024)
        x = self.classifier(x)  # (N, num_classes)
        return x


def mobilenet_v1(num_classes: int = 1000, in_channels: int = 3, *, width: float = 1) -> MobileNetV1:
    """MobileNet with the width multiplier `width`: 4.2 million parameters at 1."""
    return MobileNetV1(num_classes, in_channels, width=width)
