"""ResNet. He, Zhang, Ren and Sun, *Deep residual learning for image recognition*, 2015:
https://arxiv.org/abs/1512.03385

A block adds what it computes to what it was given, F(x) + x, so that doing nothing is as easy as
F = 0. Where the shape changes, a 1×1 convolution brings x to the new shape (the paper's option B).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from course_lib.nets.net import Net, NetInfo


def _info(
    name: str, params: int, gmacs: float, top1: float, top1_source: str, differs: str
) -> NetInfo:
    return NetInfo(
        name=name,
        year=2015,
        title="Deep residual learning for image recognition",
        authors="He et al.",
        paper="https://arxiv.org/abs/1512.03385",
        params=params,
        gmacs=gmacs,
        input=(3, 224, 224),
        top1=top1,
        top1_source=top1_source,
        idea="Blocks learn what to add to their input, F(x) + x, so that depth no longer hurts.",
        differs=differs,
    )


_PAPER = "the paper's table 2, 10 crops"
_PROJECTED = (
    "Shortcuts that change shape are projections (option B); the accuracy is of a network with "
    "zero-padded ones (option A)."
)
_TAN_AND_LE = "Tan and Le 2019, table 2"
_AUTHORS = "the authors' models, one crop: https://github.com/KaimingHe/deep-residual-networks"
_STRIDE = "A block that halves the grid does it in its 3×3 convolution, the paper's in its 1×1."

INFO = (
    _info("resnet18", 11_689_512, 1.814, 72.12, _PAPER, _PROJECTED),
    _info("resnet34", 21_797_672, 3.664, 74.97, _PAPER, _PROJECTED),
    _info("resnet50", 25_557_032, 4.089, 76.0, _TAN_AND_LE, _STRIDE),
    _info("resnet101", 44_549_160, 7.801, 76.4, _AUTHORS, _STRIDE),
    _info("resnet152", 60_192_808, 11.514, 77.0, _AUTHORS, _STRIDE),
)


def projection(c_in: int, c_out: int, stride: int) -> nn.Sequential | None:
    """What brings x to the shape of F(x), (N, c_out, H/s, W/s); None where it has it already."""
    if stride == 1 and c_in == c_out:
        return None
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel_size=1, stride=stride, bias=False), nn.BatchNorm2d(c_out)
    )


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a shortcut: (N, c_in, H, W) → (N, c_out, H/stride, W/stride).

    The left of the paper's figure 5.
    """

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)
        self.relu = nn.ReLU()
        self.downsample = projection(c_in, c_out, stride)

    def residual(self, x: Tensor) -> Tensor:
        """F(x), of the output's shape."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        return x

    def shortcut(self, x: Tensor) -> Tensor:
        """x, or its projection where the shape changes."""
        return x if self.downsample is None else self.downsample(x)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output, relu(F(x) + x)."""
        x = self.relu(self.residual(x) + self.shortcut(x))
        return x


class Bottleneck(nn.Module):
    """1×1 down to c_mid channels, 3×3 there, 1×1 up to c_out, and a shortcut.

    (N, c_in, H, W) → (N, c_out, H/stride, W/stride). The right of the paper's figure 5; with
    `groups` its 3×3 convolution is ResNeXt's.
    """

    def __init__(self, c_in: int, c_mid: int, c_out: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_mid, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_mid)
        self.conv2 = nn.Conv2d(c_mid, c_mid, 3, stride, padding=1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(c_mid)
        self.conv3 = nn.Conv2d(c_mid, c_out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(c_out)
        self.relu = nn.ReLU()
        self.downsample = projection(c_in, c_out, stride)

    def residual(self, x: Tensor) -> Tensor:
        """F(x), of the output's shape."""
        x = self.relu(self.bn1(self.conv1(x)))  # (N, c_mid, H, W)
        x = self.relu(self.bn2(self.conv2(x)))  # (N, c_mid, H/s, W/s)
        x = self.bn3(self.conv3(x))  # (N, c_out, H/s, W/s)
        return x

    def shortcut(self, x: Tensor) -> Tensor:
        """x, or its projection where the shape changes."""
        return x if self.downsample is None else self.downsample(x)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output, relu(F(x) + x)."""
        x = self.relu(self.residual(x) + self.shortcut(x))
        return x


BuildBlock = Callable[[int, int, int], nn.Module]
"""From (channels in, width, stride) to a block."""

STAGES = (
    # width, stride of the first block
    (64, 1),
    (128, 2),
    (256, 2),
    (512, 2),
)


class ResNet(Net):
    """A stem, four stages of blocks, global average pooling, a linear head (the paper's table 1).

    (N, in_channels, H, W) → (N, num_classes). `depths` has the number of blocks in each stage; a
    block returns `expansion` times its stage's width.
    """

    def __init__(
        self,
        block: BuildBlock,
        expansion: int,
        depths: Sequence[int],
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        c_in = 64
        stages = []
        for (width, stride), depth in zip(STAGES, depths, strict=True):
            blocks = []
            for step in [stride] + [1] * (depth - 1):
                blocks.append(block(c_in, width, step))
                c_in = width * expansion
            stages.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(c_in, num_classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch of images; shapes for 224×224."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))  # (N, 64, 56, 56)
        x = self.layer1(x)  # (N, 64·expansion, 56, 56)
        x = self.layer2(x)  # (N, 128·expansion, 28, 28)
        x = self.layer3(x)  # (N, 256·expansion, 14, 14)
        x = self.layer4(x)  # (N, 512·expansion, 7, 7)
        x = self.avgpool(x).flatten(1)  # (N, 512·expansion)
        x = self.fc(x)  # (N, num_classes)
        return x


def _basic(c_in: int, width: int, stride: int) -> BasicBlock:
    return BasicBlock(c_in, width, stride)


def _bottleneck(c_in: int, width: int, stride: int) -> Bottleneck:
    return Bottleneck(c_in, width, 4 * width, stride)


def resnet18(num_classes: int = 1000, in_channels: int = 3) -> ResNet:
    """ResNet-18: 1 + 2·(2 + 2 + 2 + 2) convolutions and a linear layer."""
    return ResNet(_basic, 1, (2, 2, 2, 2), num_classes, in_channels)


def resnet34(num_classes: int = 1000, in_channels: int = 3) -> ResNet:
    """ResNet-34: 1 + 2·(3 + 4 + 6 + 3) convolutions and a linear layer."""
    return ResNet(_basic, 1, (3, 4, 6, 3), num_classes, in_channels)


def resnet50(num_classes: int = 1000, in_channels: int = 3) -> ResNet:
    """ResNet-50: the blocks of ResNet-34 as bottlenecks, three convolutions each."""
    return ResNet(_bottleneck, 4, (3, 4, 6, 3), num_classes, in_channels)


def resnet101(num_classes: int = 1000, in_channels: int = 3) -> ResNet:
    """ResNet-101: 23 blocks in its third stage."""
    return ResNet(_bottleneck, 4, (3, 4, 23, 3), num_classes, in_channels)


def resnet152(num_classes: int = 1000, in_channels: int = 3) -> ResNet:
    """ResNet-152: 3 + 8 + 36 + 3 blocks."""
    return ResNet(_bottleneck, 4, (3, 8, 36, 3), num_classes, in_channels)
