"""ConvNeXt. Liu, Mao, Wu, Feichtenhofer, Darrell and Xie, *A ConvNet for the 2020s*, CVPR 2022:
https://arxiv.org/abs/2201.03545

A ResNet walked step by step towards a Swin Transformer, without attention: a 7×7 depthwise
convolution looks around where Swin has its windows, two linear layers mix the channels, and a block
has one LayerNorm and one GELU.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.nets.layers import Permute, StochasticDepth, drop_rates
from course_lib.nets.net import Net, NetInfo

INFO = (
    NetInfo(
        name="convnext_tiny",
        year=2022,
        title="A ConvNet for the 2020s",
        authors="Liu et al.",
        paper="https://arxiv.org/abs/2201.03545",
        params=28_589_128,
        gmacs=4.456,
        input=(3, 224, 224),
        top1=82.1,
        top1_source="Table 1 of the paper, trained on ImageNet alone",
        idea="With a transformer's recipe and proportions a network of convolutions does as well.",
    ),
)

STAGES_TINY = (
    # blocks, channels    size for a 224×224 image
    (3, 96),  # 56×56
    (3, 192),  # 28×28
    (9, 384),  # 14×14
    (3, 768),  # 7×7
)


class LayerNorm2d(nn.LayerNorm):
    """LayerNorm over the channels at each position: (N, C, H, W) to the same shape."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)  # (N, H, W, C)
        x = nn.functional.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class Block(nn.Module):
    """Depthwise 7×7, LayerNorm, 1×1 to 4·dim, GELU, 1×1 back, layer scale, and the skip.

    (N, dim, H, W) to the same shape. The 1×1 convolutions are linear layers on the last axis. Each
    channel of the branch has a factor, `layer_scale` at the start. `drop` is the probability to
    drop the branch in training. Source: figure 4 of the paper.
    """

    def __init__(self, dim: int, layer_scale: float = 1e-6, drop: float = 0.0) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim),
            Permute(0, 2, 3, 1),  # (N, H, W, dim)
            nn.LayerNorm(dim, eps=1e-6),
            nn.Linear(dim, 4 * dim),
            nn.GELU(),
            nn.Linear(4 * dim, dim),
            Permute(0, 3, 1, 2),  # (N, dim, H, W)
        )
        self.layer_scale = nn.Parameter(torch.full((dim, 1, 1), layer_scale))
        self.stochastic_depth = StochasticDepth(drop)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.stochastic_depth(self.layer_scale * self.block(x))
        return out


class ConvNeXt(Net):
    """(N, in_channels, H, W) to logits (N, num_classes), any size from the total stride on.

    `depths` and `dims` have one number for each stage: its blocks and its channels. The stem cuts
    the image into patches of `patch` pixels, and each further stage halves the maps.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        *,
        depths: Sequence[int],
        dims: Sequence[int],
        patch: int = 4,
        layer_scale: float = 1e-6,
        drop: float = 0.1,
    ) -> None:
        super().__init__()
        rates = iter(drop_rates(drop, sum(depths)))
        layers: list[nn.Module] = []
        channels = in_channels
        for stage, (n_blocks, dim) in enumerate(zip(depths, dims, strict=True)):
            if stage == 0:  # the stem
                steps = [nn.Conv2d(channels, dim, patch, stride=patch), LayerNorm2d(dim, eps=1e-6)]
            else:
                steps = [LayerNorm2d(channels, eps=1e-6), nn.Conv2d(channels, dim, 2, stride=2)]
            blocks = [Block(dim, layer_scale, next(rates)) for _ in range(n_blocks)]
            layers += [nn.Sequential(*steps), nn.Sequential(*blocks)]
            channels = dim
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            LayerNorm2d(channels, eps=1e-6), nn.Flatten(), nn.Linear(channels, num_classes)
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, 768, H/32, W/32)
        x = self.avgpool(x)  # (N, 768, 1, 1)
        x = self.classifier(x)  # (N, num_classes)
        return x


def convnext_tiny(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> ConvNeXt:
    """ConvNeXt-T, "tiny". `options` are those of `ConvNeXt`."""
    depths, dims = zip(*STAGES_TINY, strict=True)
    settings: dict[str, Any] = {"depths": depths, "dims": dims}
    return ConvNeXt(num_classes, in_channels, **(settings | options))
