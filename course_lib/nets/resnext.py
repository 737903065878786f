"""ResNeXt. Xie, Girshick, Dollár, Tu and He, *Aggregated residual transformations for deep neural
networks*, 2016: https://arxiv.org/abs/1611.05431

ResNet's bottleneck in many thin paths side by side, which a grouped convolution computes at once:
at the same cost, more paths help more than more width or depth.
"""

from __future__ import annotations

from course_lib.nets.net import NetInfo
from course_lib.nets.resnet import Bottleneck, ResNet

INFO = (
    NetInfo(
        name="resnext50_32x4d",
        year=2016,
        title="Aggregated residual transformations for deep neural networks",
        authors="Xie et al.",
        paper="https://arxiv.org/abs/1611.05431",
        params=25_028_904,
        gmacs=4.230,
        input=(3, 224, 224),
        top1=77.8,
        top1_source="the paper's table 3, one crop",
        idea="A bottleneck split into 32 paths of 4 channels, by a grouped convolution.",
    ),
)

GROUPS = 32
GROUP_WIDTH = 4
"""Channels of a path in the first stage, of width 64; twice as many with each later stage."""


def resnext_block(c_in: int, width: int, stride: int = 1) -> Bottleneck:
    """A bottleneck whose 3×3 convolution has 32 groups (the paper's figure 3c).

    (N, c_in, H, W) → (N, 4·width, H/stride, W/stride), through 2·width channels.
    """
    c_mid = GROUPS * GROUP_WIDTH * width // 64
    return Bottleneck(c_in, c_mid, 4 * width, stride, groups=GROUPS)


def resnext50_32x4d(num_classes: int = 1000, in_channels: int = 3) -> ResNet:
    """ResNeXt-50 with 32 groups of 4 channels, and the depths of ResNet-50."""
    return ResNet(resnext_block, 4, (3, 4, 6, 3), num_classes, in_channels)
