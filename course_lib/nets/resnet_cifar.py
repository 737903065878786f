"""Residual and plain networks for small images. He, Zhang, Ren and Sun, *Deep residual learning for
image recognition*, 2015, section 4.2: https://arxiv.org/abs/1512.03385

The networks with which the paper shows that depth hurts a plain network and helps a residual one.
A shortcut has no weights at all: where the shape changes it takes every second pixel and adds
channels of zeros (option A), so that the plain and the residual network have the same weights.
"""

from __future__ import annotations

from torch import Tensor, nn

from course_lib._validate import flag, integer
from course_lib.nets.net import Net, NetInfo

INFO = (
    NetInfo(
        name="resnet_cifar",
        year=2015,
        title="Deep residual learning for image recognition",
        authors="He et al.",
        paper="https://arxiv.org/abs/1512.03385",
        params=269_722,
        gmacs=0.041,
        input=(3, 32, 32),
        top1=91.25,
        top1_source="CIFAR-10 test set, depth 20, 8.75 % errors (table 6)",
        idea="One network of any depth, with shortcuts or without, to measure what shortcuts do.",
    ),
)

STAGES = (
    # width as a multiple of the first, stride of the first block
    (1, 1),
    (2, 2),
    (4, 2),
)


class CifarBlock(nn.Module):
    """Two 3×3 convolutions, with or without a shortcut and BatchNorm.

    (N, c_in, H, W) → (N, c_out, H/stride, W/stride). Without BatchNorm the convolutions have a
    bias in its place.
    """

    def __init__(
        self, c_in: int, c_out: int, stride: int = 1, skip: bool = True, norm: bool = True
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1, bias=not norm)
        self.bn1 = nn.BatchNorm2d(c_out) if norm else nn.Identity()
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=not norm)
        self.bn2 = nn.BatchNorm2d(c_out) if norm else nn.Identity()
        self.relu = nn.ReLU()
        self.skip = skip
        self.stride = stride
        self.new_channels = c_out - c_in

    def residual(self, x: Tensor) -> Tensor:
        """F(x), of the output's shape."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        return x

    def shortcut(self, x: Tensor) -> Tensor:
        """x in the output's shape: every stride-th pixel, and zeros in the new channels."""
        x = x[:, :, :: self.stride, :: self.stride]  # (N, c_in, H/s, W/s)
        x = nn.functional.pad(x, (0, 0, 0, 0, 0, self.new_channels))  # (N, c_out, H/s, W/s)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """The block's output: relu(F(x) + x), of a plain block relu(F(x))."""
        x = self.residual(x) + self.shortcut(x) if self.skip else self.residual(x)
        x = self.relu(x)
        return x


class CifarResNet(Net):
    """A convolution, three stages of `blocks` blocks each, global average pooling, a linear head.

    (N, in_channels, H, W) → (N, num_classes), for images of any size. Weights of convolutions start
    out normal, with the spread that keeps a signal's size (He et al. 2015).
    """

    def __init__(
        self,
        blocks: int,
        skip: bool = True,
        norm: bool = True,
        num_classes: int = 10,
        in_channels: int = 3,
        width: int = 16,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, padding=1, bias=not norm)
        self.bn1 = nn.BatchNorm2d(width) if norm else nn.Identity()
        self.relu = nn.ReLU()
        c_in = width
        stages = []
        for factor, stride in STAGES:
            stage = []
            for step in [stride] + [1] * (blocks - 1):
                stage.append(CifarBlock(c_in, factor * width, step, skip, norm))
                c_in = factor * width
            stages.append(nn.Sequential(*stage))
        self.layer1, self.layer2, self.layer3 = stages
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(c_in, num_classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch of images; shapes for 32×32 and width 16."""
        x = self.relu(self.bn1(self.conv1(x)))  # (N, 16, 32, 32)
        x = self.layer1(x)  # (N, 16, 32, 32)
        x = self.layer2(x)  # (N, 32, 16, 16)
        x = self.layer3(x)  # (N, 64, 8, 8)
        x = self.avgpool(x).flatten(1)  # (N, 64)
        x = self.fc(x)  # (N, num_classes)
        return x


def resnet_cifar(
    depth: int = 20,
    skip: bool = True,
    norm: bool = True,
    num_classes: int = 10,
    in_channels: int = 3,
    width: int = 16,
) -> CifarResNet:
    """The paper's network for CIFAR-10 with `depth` = 6n + 2 layers: 8, 14, 20, 32, 44, 56, 110.

    `skip=False` is the plain network of the same weights, `norm=False` has no BatchNorm, `width`
    is the number of channels in the first stage. It takes 8×8 images as well as 32×32.

    Raises ValueError for another depth.

    >>> sum(weight.numel() for weight in resnet_cifar(depth=56).parameters())
    853018
    """
    depth = integer(depth, "depth", at_least=8)
    if depth % 6 != 2:
        raise ValueError(f"depth (={depth}) must be 6n + 2: 8, 14, 20, 26, 32, …")
    width = integer(width, "width", at_least=1)
    skip, norm = flag(skip, "skip"), flag(norm, "norm")
    return CifarResNet((depth - 2) // 6, skip, norm, num_classes, in_channels, width)
