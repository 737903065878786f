"""Vision Transformer. Dosovitskiy, Beyer, Kolesnikov et al., *An image is worth 16×16 words:
transformers for image recognition at scale*, ICLR 2021: https://arxiv.org/abs/2010.11929

The image is cut into patches, each patch becomes a token (a vector), and a plain transformer
encoder lets every token look at every other from the first layer on. The grid is not built in: a
learned vector for each position is all that says where a patch was.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from course_lib.nets.net import Net, NetInfo

INFO = (
    NetInfo(
        name="vit_b_16",
        year=2020,
        title="An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale",
        authors="Dosovitskiy et al.",
        paper="https://arxiv.org/abs/2010.11929",
        params=86_567_656,
        gmacs=17.564,
        input=(3, 224, 224),
        top1=77.9,
        top1_source="Table 5 of the paper: trained on ImageNet alone, fine-tuned at 384×384 "
        "(84.0 after training on ImageNet-21k)",
        idea="Patches are words: with enough data a plain transformer needs no convolution.",
        differs="The head is one linear layer, as the paper's is for fine-tuning; while "
        "pre-training there is a hidden layer before it.",
    ),
)


class SelfAttention(nn.Module):
    """Multi-head self-attention: (N, T, dim) to the same shape, for T tokens.

    Each head compares all tokens with all others: T² products of vectors with dim/heads elements.
    The weights, (N, heads, T, T), are what the submodule `softmax` returns: a forward hook sees
    them. Source: appendix A of the paper.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"dim (={dim}) must be divisible by heads (={heads})")
        self.heads = heads
        self.in_proj_weight = nn.Parameter(
            torch.empty(3 * dim, dim)
        )  # q, k and v, one below the other
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dim))
        self.softmax = nn.Softmax(dim=-1)
        self.out_proj = nn.Linear(dim, dim)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(self, x: Tensor) -> Tensor:
        n, t, dim = x.shape
        qkv = x @ self.in_proj_weight.T + self.in_proj_bias  # (N, T, 3·dim)
        qkv = qkv.view(n, t, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (N, heads, T, dim/heads)
        weights = self.softmax(q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5)  # (N, heads, T, T)
        mixed = (weights @ v).transpose(1, 2).reshape(n, t, dim)  # (N, T, dim)
        out: Tensor = self.out_proj(mixed)
        return out


class EncoderBlock(nn.Module):
    """Attention, then a two-layer perceptron on each token: (N, T, dim) to the same shape.

    Both read a normalised copy and add to what they read. Source: equations 2 and 3 of the paper.
    """

    def __init__(self, dim: int, heads: int, mlp_dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(dim, eps=1e-6)
        self.self_attention = SelfAttention(dim, heads)
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(dim, mlp_dim),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(mlp_dim, dim),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.self_attention(self.ln_1(x)))
        x = x + self.mlp(self.ln_2(x))
        return x


class Encoder(nn.Module):
    """Positions added, then the blocks, then a LayerNorm: (N, T, dim) to the same shape."""

    def __init__(
        self,
        tokens: int,
        depth: int,
        dim: int,
        heads: int,
        mlp_dim: int,
        dropout: float,
        position_std: float = 0.02,
    ) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.empty(1, tokens, dim))
        nn.init.trunc_normal_(self.pos_embedding, std=position_std)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.Sequential()
        for i in range(depth):
            self.layers.add_module(f"encoder_layer_{i}", EncoderBlock(dim, heads, mlp_dim, dropout))
        self.ln = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(x + self.pos_embedding)
        encoded: Tensor = self.ln(self.layers(x))
        return encoded


class VisionTransformer(Net):
    """(N, in_channels, image_size, image_size) to logits (N, num_classes).

    The positions are learned for one size of image; for another, build it with that `image_size`,
    a multiple of `patch`. `mlp_dim` is 4·dim where it is not given. `position_std` is the spread
    of the positions at the start.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        in_channels: int = 3,
        *,
        image_size: int,
        patch: int,
        dim: int,
        depth: int,
        heads: int,
        mlp_dim: int | None = None,
        dropout: float = 0.0,
        position_std: float = 0.02,
    ) -> None:
        super().__init__()
        if image_size < patch or image_size % patch:
            raise ValueError(f"image_size (={image_size}) must be a multiple of patch (={patch})")
        self.image_size = image_size
        n_patches = (image_size // patch) ** 2
        # A convolution whose stride is its size sees each patch once: a linear map of its pixels.
        self.conv_proj = nn.Conv2d(in_channels, dim, kernel_size=patch, stride=patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.encoder = Encoder(
            n_patches + 1, depth, dim, heads, mlp_dim or 4 * dim, dropout, position_std
        )
        self.heads = nn.Sequential()
        head = nn.Linear(dim, num_classes)
        self.heads.add_module("head", head)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
            elif isinstance(layer, nn.Conv2d) and layer.bias is not None:
                nn.init.trunc_normal_(layer.weight, std=layer.weight[0].numel() ** -0.5)
                nn.init.zeros_(layer.bias)
        nn.init.trunc_normal_(head.weight, std=0.02)  # all classes start out nearly alike

    def forward(self, x: Tensor) -> Tensor:
        size = self.image_size
        if x.ndim == 4 and x.shape[2:] != (size, size):
            raise ValueError(
                f"layer pos_embedding of VisionTransformer has positions for images of "
                f"{size}×{size}, and x has shape {tuple(x.shape)}: the smallest and only input "
                f"that works is {size}×{size}, or build the network with another image_size"
            )
        x = self.conv_proj(x)  # (N, dim, image_size/patch, image_size/patch)
        x = x.flatten(2).transpose(1, 2)  # (N, n_patches, dim)
        class_token = self.class_token.expand(len(x), -1, -1)  # (N, 1, dim)
        x = torch.cat([class_token, x], dim=1)  # (N, 1 + n_patches, dim)
        x = self.encoder(x)
        x = self.heads(x[:, 0])  # (N, num_classes): the class token has looked at all patches
        return x


def vit_b_16(
    num_classes: int = 1000, in_channels: int = 3, *, image_size: int = 224, **options: Any
) -> VisionTransformer:
    """ViT-B/16: "base" size, patches of 16×16. `options` are those of `VisionTransformer`."""
    settings = {"patch": 16, "dim": 768, "depth": 12, "heads": 12} | options
    return VisionTransformer(num_classes, in_channels, image_size=image_size, **settings)
