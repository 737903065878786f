"""Small members of the last three families, for grey images of 8×8 pixels: they train on a CPU.

Patches of 2×2 pixels make a grid of 4×4 tokens; the published 4×4 or 16×16 would leave next to
none. Each function passes its `options` on to the network's class.
"""

from __future__ import annotations

from typing import Any

from course_lib.nets.convnext import ConvNeXt
from course_lib.nets.swin import SwinTransformer
from course_lib.nets.vit import VisionTransformer

__all__ = ["convnext_digits", "swin_digits", "vit_digits"]


def vit_digits(num_classes: int = 10, in_channels: int = 1, **options: Any) -> VisionTransformer:
    """A ViT of four blocks with 40 channels, for 8×8 images (`image_size` for others).

    The positions start out with a spread of 0.3, not the published 0.02: short trainings on few
    images do not make them grow, and what they cannot tell apart they cannot place.

    >>> net = vit_digits()
    >>> sum(weight.numel() for weight in net.parameters())
    80290
    """
    settings = {"image_size": 8, "patch": 2, "dim": 40, "depth": 4, "heads": 4}
    return VisionTransformer(
        num_classes, in_channels, **({"position_std": 0.3} | settings | options)
    )


def swin_digits(num_classes: int = 10, in_channels: int = 1, **options: Any) -> SwinTransformer:
    """A Swin Transformer of two stages, windows of 2×2 tokens, for images from 8×8 on.

    >>> sum(weight.numel() for weight in swin_digits().parameters())
    76654
    """
    settings: dict[str, Any] = {"dim": 24, "depths": (2, 2), "heads": (2, 4), "window": 2}
    return SwinTransformer(
        num_classes, in_channels, **({"patch": 2, "drop": 0.0} | settings | options)
    )


def convnext_digits(num_classes: int = 10, in_channels: int = 1, **options: Any) -> ConvNeXt:
    """A ConvNeXt of two stages, for images from 4×4 on.

    Layer scale starts at 1: with so few blocks the published 1e-6 only delays the start.

    >>> sum(weight.numel() for weight in convnext_digits().parameters())
    59890
    """
    settings: dict[str, Any] = {"depths": (2, 2), "dims": (24, 48), "layer_scale": 1.0}
    return ConvNeXt(num_classes, in_channels, **({"patch": 2, "drop": 0.0} | settings | options))
