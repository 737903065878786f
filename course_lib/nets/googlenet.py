"""GoogLeNet. Szegedy et al., *Going deeper with convolutions*, 2014: https://arxiv.org/abs/1409.4842

A module looks at its input through several kernel sizes at once and stacks what they see; 1×1
convolutions narrow the input of the costly ones first.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from course_lib.nets.net import Net, NetInfo

INFO = (
    NetInfo(
        name="googlenet",
        year=2014,
        title="Going deeper with convolutions",
        authors="Szegedy et al.",
        paper="https://arxiv.org/abs/1409.4842",
        params=6_624_904,
        gmacs=1.498,
        input=(3, 224, 224),
        top1=69.8,
        top1_source="Howard et al. 2017 (https://arxiv.org/abs/1704.04861), table 8",
        idea="Branches of several kernel sizes side by side, made cheap by 1×1 convolutions.",
        differs="BatchNorm after every convolution, 3×3 where the paper has 5×5, and neither the "
        "two auxiliary heads nor local response normalisation.",
    ),
)

MODULES = (
    # 1×1, 3×3 reduced to, 3×3, "5×5" reduced to, "5×5", after the pool
    (64, 96, 128, 16, 32, 32),  # 3a
    (128, 128, 192, 32, 96, 64),  # 3b
    (192, 96, 208, 16, 48, 64),  # 4a
    (160, 112, 224, 24, 64, 64),  # 4b
    (128, 128, 256, 24, 64, 64),  # 4c
    (112, 144, 288, 32, 64, 64),  # 4d
    (256, 160, 320, 32, 128, 128),  # 4e
    (256, 160, 320, 32, 128, 128),  # 5a
    (384, 192, 384, 48, 128, 128),  # 5b
)


class ConvBlock(nn.Module):
    """Convolution, BatchNorm, ReLU: (N, c_in, H, W) → (N, c_out, H/stride, W/stride)."""

    def __init__(self, c_in: int, c_out: int, kernel_size: int, stride: int = 1) -> None:
        super().__init__()
        padding = kernel_size // 2
        self.conv = nn.Conv2d(c_in, c_out, kernel_size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(c_out, eps=0.001)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """The block's output, no value negative."""
        x = self.relu(self.bn(self.conv(x)))
        return x


class Inception(nn.Module):
    """Four branches side by side: (N, c_in, H, W) → (N, c1 + c3 + c5 + pool_proj, H, W).

    Figure 2(b) of the paper. Its third branch has a 3×3 convolution where the paper's has a 5×5,
    as the published weights do.
    """

    def __init__(
        self, c_in: int, c1: int, c3_reduce: int, c3: int, c5_reduce: int, c5: int, pool_proj: int
    ) -> None:
        super().__init__()
        self.branch1 = ConvBlock(c_in, c1, 1)
        self.branch2 = nn.Sequential(ConvBlock(c_in, c3_reduce, 1), ConvBlock(c3_reduce, c3, 3))
        self.branch3 = nn.Sequential(ConvBlock(c_in, c5_reduce, 1), ConvBlock(c5_reduce, c5, 3))
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1), ConvBlock(c_in, pool_proj, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """The maps of the four branches, one after the other."""
        branches = [self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)]
        return torch.cat(branches, dim=1)


class GoogLeNet(Net):
    """A stem, nine Inception modules, global average pooling, a linear head (the paper's table 1).

    (N, in_channels, H, W) → (N, num_classes). The published weights want pixels from −1 to 1,
    (x − 0.5) / 0.5 of a photograph in [0, 1].
    """

    def __init__(self, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        self.conv1 = ConvBlock(in_channels, 64, 7, stride=2)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = ConvBlock(64, 64, 1)
        self.conv3 = ConvBlock(64, 192, 3)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        c_in = 192
        modules = []
        for c1, c3_reduce, c3, c5_reduce, c5, pool_proj in MODULES:
            modules.append(Inception(c_in, c1, c3_reduce, c3, c5_reduce, c5, pool_proj))
            c_in = c1 + c3 + c5 + pool_proj
        self.inception3a, self.inception3b = modules[:2]
        self.inception4a, self.inception4b, self.inception4c = modules[2:5]
        self.inception4d, self.inception4e = modules[5:7]
        self.inception5a, self.inception5b = modules[7:]
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(c_in, num_classes)
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.normal_(layer.weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch of images; shapes for 224×224."""
        x = self.maxpool1(self.conv1(x))  # (N, 64, 56, 56)
        x = self.maxpool2(self.conv3(self.conv2(x)))  # (N, 192, 28, 28)
        x = self.inception3b(self.inception3a(x))  # (N, 480, 28, 28)
        x = self.maxpool3(x)  # (N, 480, 14, 14)
        x = self.inception4c(self.inception4b(self.inception4a(x)))  # (N, 512, 14, 14)
        x = self.inception4e(self.inception4d(x))  # (N, 832, 14, 14)
        x = self.maxpool4(x)  # (N, 832, 7, 7)
        x = self.inception5b(self.inception5a(x))  # (N, 1024, 7, 7)
        x = self.avgpool(x).flatten(1)  # (N, 1024)
        x = self.fc(self.dropout(x))  # (N, num_classes)
        return x

    @staticmethod
    def published_key(key: str) -> str | None:
        """The published file also has the auxiliary heads, which only training uses."""
        return None if key.startswith(("aux1.", "aux2.")) else key


def googlenet(num_classes: int = 1000, in_channels: int = 3) -> GoogLeNet:
    """GoogLeNet without the auxiliary heads."""
    return GoogLeNet(num_classes, in_channels)
