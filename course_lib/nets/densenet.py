"""DenseNet. Huang, Liu, van der Maaten and Weinberger, *Densely connected convolutional networks*,
2016: https://arxiv.org/abs/1608.06993

A layer sees the maps of every layer before it in its block, and adds a few (`growth`) of its own.
"""

from __future__ import annotations

import re
from collections import OrderedDict

import torch
from torch import Tensor, nn

from course_lib.nets.net import Net, NetInfo

INFO = (
    NetInfo(
        name="densenet121",
        year=2016,
        title="Densely connected convolutional networks",
        authors="Huang et al.",
        paper="https://arxiv.org/abs/1608.06993",
        params=7_978_856,
        gmacs=2.834,
        input=(3, 224, 224),
        top1=74.98,
        top1_source="the paper's table 3, one crop",
        idea="Every layer reads all maps before it, so that none has to be learned twice.",
    ),
)

GROWTH = 32
BLOCKS = (6, 12, 24, 16)
"""Layers in each dense block; a transition that halves channels and grid stands between two."""


class DenseLayer(nn.Module):
    """BN, ReLU, 1×1 to 4·growth, BN, ReLU, 3×3 to growth, put behind the input.

    (N, c_in, H, W) → (N, c_in + growth, H, W).
    """

    def __init__(self, c_in: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(c_in)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(c_in, 4 * growth, kernel_size=1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(4 * growth, growth, kernel_size=3, padding=1, bias=False)

    def new_maps(self, x: Tensor) -> Tensor:
        """What the layer adds: (N, growth, H, W)."""
        x = self.conv1(self.relu1(self.norm1(x)))  # (N, 4·growth, H, W)
        x = self.conv2(self.relu2(self.norm2(x)))  # (N, growth, H, W)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """The input with the new maps behind it."""
        return torch.cat([x, self.new_maps(x)], dim=1)


def dense_block(n_layers: int, c_in: int, growth: int) -> nn.Sequential:
    """Dense layers in a row: (N, c_in, H, W) → (N, c_in + n_layers·growth, H, W)."""
    layers = {
        f"denselayer{place + 1}": DenseLayer(c_in + place * growth, growth)
        for place in range(n_layers)
    }
    return nn.Sequential(OrderedDict[str, nn.Module](layers))


def transition(c_in: int) -> nn.Sequential:
    """Half the channels by a 1×1 convolution, half the grid by a pooling.

    (N, c_in, H, W) → (N, c_in // 2, H // 2, W // 2).
    """
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            norm=nn.BatchNorm2d(c_in),
            relu=nn.ReLU(),
            conv=nn.Conv2d(c_in, c_in // 2, kernel_size=1, bias=False),
            pool=nn.AvgPool2d(2),
        )
    )


class DenseNet(Net):
    """A stem, four dense blocks, global average pooling, a linear head (the paper's table 1).

    (N, in_channels, H, W) → (N, num_classes).
    """

    def __init__(self, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        c_in = 2 * GROWTH
        layers = OrderedDict[str, nn.Module](
            conv0=nn.Conv2d(in_channels, c_in, 7, stride=2, padding=3, bias=False),
            norm0=nn.BatchNorm2d(c_in),
            relu0=nn.ReLU(),
            pool0=nn.MaxPool2d(3, stride=2, padding=1),
        )
        for number, n_layers in enumerate(BLOCKS, 1):
            layers[f"denseblock{number}"] = dense_block(n_layers, c_in, GROWTH)
            c_in += n_layers * GROWTH
            if number < len(BLOCKS):
                layers[f"transition{number}"] = transition(c_in)
                c_in //= 2
        layers["norm5"] = nn.BatchNorm2d(c_in)
        self.features = nn.Sequential(layers)
        self.relu = nn.ReLU()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(c_in, num_classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch of images; shapes for 224×224."""
        x = self.relu(self.features(x))  # (N, 1024, 7, 7)
        x = self.avgpool(x).flatten(1)  # (N, 1024)
        x = self.classifier(x)  # (N, num_classes)
        return x

    @staticmethod
    def published_key(key: str) -> str | None:
        """The published file has `norm.1`, `conv.2` for `norm1`, `conv2`."""
        return re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", key)


def densenet121(num_classes: int = 1000, in_channels: int = 3) -> DenseNet:
    """DenseNet-121, growth 32: 2·(6 + 12 + 24 + 16) + 4 convolutions and a linear layer."""
    return DenseNet(num_classes, in_channels)
