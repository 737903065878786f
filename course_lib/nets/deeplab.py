"""The dilated head of DeepLab. Chen, Papandreou, Schroff and Adam, *Rethinking atrous convolution
for semantic image segmentation*, 2017: https://arxiv.org/abs/1706.05587

Several 3×3 convolutions look at the same maps, each with its taps further apart, beside a 1×1
and the mean of the whole image: the small and the large surroundings of a pixel, at one
resolution. The paper also dilates the last stages of its backbone; here the backbone stays as it
is.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from course_lib._validate import integer
from course_lib.nets.fcn import feature_layers, out_channels
from course_lib.nets.net import Net


def dilated_conv(c_in: int, c_out: int, dilation: int) -> nn.Sequential:
    """A 3×3 convolution with its taps `dilation` apart, BatchNorm, ReLU; the size stays."""
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, 3, padding=dilation, dilation=dilation, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(),
    )


class AtrousPyramid(nn.Module):
    """Dilated convolutions side by side, a 1×1 over all they found: (N, c_in, H, W) → c_out maps.

    One branch for each of `dilations`, one 1×1, one that sees the mean of each map.

    >>> AtrousPyramid(8, 4, dilations=(1, 2)).eval()(torch.zeros(1, 8, 5, 7)).shape
    torch.Size([1, 4, 5, 7])
    """

    def __init__(self, c_in: int, c_out: int, dilations: Sequence[int] = (6, 12, 18)) -> None:
        super().__init__()
        rates = [integer(d, f"dilations[{i}]", at_least=1) for i, d in enumerate(dilations)]
        if not rates:
            raise ValueError("dilations must hold at least one number")
        self.point = nn.Sequential(
            nn.Conv2d(c_in, c_out, 1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU()
        )
        self.dilated = nn.ModuleList(dilated_conv(c_in, c_out, rate) for rate in rates)
        # Without BatchNorm: a batch of one image has a single value here for each channel.
        self.image = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(c_in, c_out, 1), nn.ReLU())
        self.project = nn.Sequential(
            nn.Conv2d((len(rates) + 2) * c_out, c_out, 1, bias=False),
            nn.BatchNorm2d(c_out),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """All branches on the same maps, then mixed."""
        everywhere = self.image(x).expand(-1, -1, *x.shape[2:])  # (N, c_out, H, W)
        branches = [self.point(x), *(branch(x) for branch in self.dilated), everywhere]
        mixed: Tensor = self.project(torch.cat(branches, dim=1))  # (N, c_out, H, W)
        return mixed


class DeepLab(nn.Module):
    """A classifier's features, an `AtrousPyramid`, a 1×1 convolution, enlarged to the image's size.

    (N, C, H, W) → logits (N, num_classes, H, W).

    >>> DeepLab("resnet18", 2, dilations=(1, 2)).eval()(torch.zeros(1, 3, 64, 48)).shape
    torch.Size([1, 2, 64, 48])
    """

    def __init__(
        self,
        backbone: str | Net,
        num_classes: int,
        dilations: Sequence[int] = (6, 12, 18),
        width: int = 256,
    ) -> None:
        super().__init__()
        self.features = feature_layers(backbone)
        width = integer(width, "width", at_least=1)
        self.pyramid = AtrousPyramid(out_channels(self.features), width, dilations)
        self.score = nn.Conv2d(width, integer(num_classes, "num_classes", at_least=1), 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits for each pixel."""
        scores = self.score(self.pyramid(self.features(x)))
        return functional.interpolate(scores, x.shape[2:], mode="bilinear")
