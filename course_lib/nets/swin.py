"""Swin Transformer. Liu, Lin, Cao et al., *Swin transformer: hierarchical vision transformer using
shifted windows*, ICCV 2021: https://arxiv.org/abs/2103.14030

Tokens look only at the others in their window, so the cost grows with the image as a convolution's
does. Every second block shifts the windows by half, so that neighbours across a border meet.
Between the stages 2×2 tokens merge into one: maps halve and channels double, as in a ResNet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.nets.layers import Permute, StochasticDepth, drop_rates
from course_lib.nets.net import Net, NetInfo
from course_lib.nets.windows import (
    relative_position_index,
    shifted_window_mask,
    window_partition,
    window_reverse,
)

INFO = (
    NetInfo(
        name="swin_t",
        year=2021,
        title="Swin Transformer: Hierarchical Vision Transformer using Shifted Windows",
        authors="Liu et al.",
        paper="https://arxiv.org/abs/2103.14030",
        params=28_288_354,
        gmacs=4.491,
        input=(3, 224, 224),
        top1=81.3,
        top1_source="Table 1 of the paper, trained on ImageNet alone",
        idea="Attention within windows that shift from block to block, on maps that halve from "
        "stage to stage.",
    ),
)

STAGES_T = (
    # blocks, heads    channels and size for a 224×224 image
    (2, 3),  # 96, 56×56
    (2, 6),  # 192, 28×28
    (6, 12),  # 384, 14×14
    (2, 24),  # 768, 7×7
)


class WindowAttention(nn.Module):
    """Self-attention within windows, shifted or not: (N, H, W, dim) to the same shape.

    A learned bias for each offset between two tokens of a window says how they lie to one another.
    Maps that windows do not tile are padded with zeros; an axis that one window spans is not
    shifted. The weights, (N·n_windows, heads, window², window²), are what `softmax` returns.
    """

    relative_position_index: Tensor

    def __init__(self, dim: int, heads: int, window: int, shift: int) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"dim (={dim}) must be divisible by heads (={heads})")
        self.heads, self.window, self.shift = heads, window, shift
        self.qkv = nn.Linear(dim, 3 * dim)
        self.softmax = nn.Softmax(dim=-1)
        self.proj = nn.Linear(dim, dim)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("relative_position_index", relative_position_index(window))

    def forward(self, x: Tensor) -> Tensor:
        _, h, w, dim = x.shape
        x = x.permute(0, 3, 1, 2)  # (N, dim, H, W)
        x = nn.functional.pad(x, (0, -w % self.window, 0, -h % self.window))
        height, width = x.shape[2:]  # multiples of the window
        shift = tuple(self.shift if size > self.window else 0 for size in (height, width))
        mask = None
        if any(shift):
            x = x.roll((-shift[0], -shift[1]), dims=(2, 3))
            mask = shifted_window_mask(height, width, self.window, (shift[0], shift[1]))

        x = window_partition(x, self.window)  # (N·n_windows, dim, window, window)
        x = x.flatten(2).transpose(1, 2)  # (N·n_windows, window², dim)
        x = self.attend(x, mask)
        x = x.transpose(1, 2).reshape(-1, dim, self.window, self.window)
        x = window_reverse(x, self.window, height, width)  # (N, dim, height, width)

        x = x.roll(shift, dims=(2, 3))[:, :, :h, :w]
        return x.permute(0, 2, 3, 1)  # (N, H, W, dim)

    def attend(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Attention among the tokens of each window: (B, T, dim) to the same shape, T = window²."""
        b, t, dim = x.shape
        qkv = self.qkv(x).view(b, t, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, T, dim/heads)
        scores = q * (dim // self.heads) ** -0.5 @ k.transpose(-2, -1)  # (B, heads, T, T)
        bias = self.relative_position_bias_table[self.relative_position_index]  # (T·T, heads)
        scores = scores + bias.T.view(self.heads, t, t)
        if mask is not None:  # (n_windows, T, T), the same for every image and head
            each = scores.unflatten(0, (-1, len(mask)))  # (N, n_windows, heads, T, T)
            scores = (each + mask.to(x)[:, None]).flatten(0, 1)
        out: Tensor = self.proj((self.softmax(scores) @ v).transpose(1, 2).reshape(b, t, dim))
        return out


class SwinBlock(nn.Module):
    """Attention in windows, then a perceptron on each token: (N, H, W, dim) to the same shape.

    Source: equation 3 of the paper. `drop` is stochastic depth's probability.
    """

    def __init__(self, dim: int, heads: int, window: int, shift: int, drop: float = 0.0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, heads, window, shift)
        self.stochastic_depth = StochasticDepth(drop)
        self.norm2 = nn.LayerNorm(dim)
        # The published names are mlp.0 and mlp.3: dropout, which is 0, stands between.
        self.mlp = nn.Sequential(
            nn.Linear(dim, 4 * dim), nn.GELU(), nn.Identity(), nn.Linear(4 * dim, dim)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.stochastic_depth(self.attn(self.norm1(x)))
        x = x + self.stochastic_depth(self.mlp(self.norm2(x)))
        return x


class PatchMerging(nn.Module):
    """2×2 tokens become one with twice the channels: (N, H, W, dim) to (N, H/2, W/2, 2·dim).

    An odd height or width is padded with zeros first.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = nn.LayerNorm(4 * dim)

    def forward(self, x: Tensor) -> Tensor:
        _, h, w, _ = x.shape
        x = nn.functional.pad(x, (0, 0, 0, w % 2, 0, h % 2))
        corners = [x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)]  # down a column first
        x = torch.cat(corners, dim=-1)  # (N, H/2, W/2, 4·dim)
        merged: Tensor = self.reduction(self.norm(x))
        return merged


class SwinTransformer(Net):
    """(N, in_channels, H, W) to logits (N, num_classes), any size from one patch on.

    `depths` and `heads` have one number for each stage; `dim` is the first stage's channels, and
    each further stage has twice as many. `drop` is the last block's stochastic depth.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        *,
        dim: int,
        depths: Sequence[int],
        heads: Sequence[int],
        window: int = 7,
        patch: int = 4,
        drop: float = 0.2,
    ) -> None:
        super().__init__()
        rates = iter(drop_rates(drop, sum(depths)))
        stem = nn.Conv2d(in_channels, dim, kernel_size=patch, stride=patch)
        # From here on channels are last, for the linear layers and norms.
        layers: list[nn.Module] = [nn.Sequential(stem, Permute(0, 2, 3, 1), nn.LayerNorm(dim))]
        for stage, (n_blocks, n_heads) in enumerate(zip(depths, heads, strict=True)):
            if stage > 0:
                layers.append(PatchMerging(dim))
                dim = 2 * dim
            blocks = [
                SwinBlock(dim, n_heads, window, shift=i % 2 * (window // 2), drop=next(rates))
                for i in range(n_blocks)
            ]
            layers.append(nn.Sequential(*blocks))
        self.features = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(dim)
        self.permute = Permute(0, 3, 1, 2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(dim, num_classes)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):  # the authors' 0.02 is too small for narrow variants
                nn.init.xavier_uniform_(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        nn.init.trunc_normal_(self.head.weight, std=0.02)  # all classes start out nearly alike

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, H/32, W/32, 8·dim)
        x = self.permute(self.norm(x))  # (N, 8·dim, H/32, W/32)
        x = self.avgpool(x).flatten(1)  # (N, 8·dim)
        x = self.head(x)  # (N, num_classes)
        return x


def swin_t(num_classes: int = 1000, in_channels: int = 3, **options: Any) -> SwinTransformer:
    """Swin-T, "tiny". `options` are those of `SwinTransformer`."""
    depths, heads = zip(*STAGES_T, strict=True)
    settings: dict[str, Any] = {"dim": 96, "depths": depths, "heads": heads}
    return SwinTransformer(num_classes, in_channels, **(settings | options))
