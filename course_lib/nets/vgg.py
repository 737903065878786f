"""VGG. Simonyan and Zisserman, *Very deep convolutional networks for large-scale image
recognition*, 2014: https://arxiv.org/abs/1409.1556

Nothing but 3×3 convolutions, in five blocks that each end in a pooling: two of them see what one
5×5 sees, with fewer weights and one ReLU more.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from course_lib.nets.net import Net, NetInfo


def _info(name: str, params: int, gmacs: float, top1: float) -> NetInfo:
    return NetInfo(
        name=name,
        year=2014,
        title="Very deep convolutional networks for large-scale image recognition",
        authors="Simonyan and Zisserman",
        paper="https://arxiv.org/abs/1409.1556",
        params=params,
        gmacs=gmacs,
        input=(3, 224, 224),
        top1=top1,
        top1_source="the authors' weights, one crop: https://www.vlfeat.org/matconvnet/pretrained/",
        idea="Small 3×3 kernels only, and twice as many layers.",
    )


INFO = (
    _info("vgg16", 138_357_544, 15.470, 71.5),
    _info("vgg19", 143_667_240, 19.632, 71.3),
)

WIDTHS = (64, 128, 256, 512, 512)
"""The channels of the five blocks; how many convolutions each has is what tells 16 from 19."""


def vgg_block(n_convs: int, c_in: int, c_out: int) -> nn.Sequential:
    """3×3 convolutions with a ReLU each, then a 2×2 pooling.

    (N, c_in, H, W) → (N, c_out, H // 2, W // 2).

    >>> [type(layer).__name__ for layer in vgg_block(1, 3, 64)]
    ['Conv2d', 'ReLU', 'MaxPool2d']
    """
    layers: list[nn.Module] = []
    for place in range(n_convs):
        conv = nn.Conv2d(c_in if place == 0 else c_out, c_out, kernel_size=3, padding=1)
        layers += [conv, nn.ReLU()]
    return nn.Sequential(*layers, nn.MaxPool2d(2))


class VGG(Net):
    """Five blocks and three fully connected layers: (N, in_channels, H, W) → (N, num_classes)."""

    def __init__(self, convs: Sequence[int], num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        c_in = in_channels
        for n_convs, c_out in zip(convs, WIDTHS, strict=True):
            layers += vgg_block(n_convs, c_in, c_out)  # one flat list, like the published names
            c_in = c_out
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(4096, num_classes),
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=0.01)
            if isinstance(layer, (nn.Conv2d, nn.Linear)) and layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch of images; shapes for 224×224."""
        x = self.features(x)  # (N, 512, 7, 7)
        x = self.avgpool(x).flatten(1)  # (N, 25088)
        x = self.classifier(x)  # (N, num_classes)
        return x


def vgg16(num_classes: int = 1000, in_channels: int = 3) -> VGG:
    """VGG-16, column D of the paper's table 1: 13 convolutions and 3 linear layers."""
    return VGG((2, 2, 3, 3, 3), num_classes, in_channels)


def vgg19(num_classes: int = 1000, in_channels: int = 3) -> VGG:
    """VGG-19, column E of the paper's table 1: 16 convolutions and 3 linear layers."""
    return VGG((2, 2, 4, 4, 4), num_classes, in_channels)
