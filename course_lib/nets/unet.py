"""U-Net. Ronneberger, Fischer and Brox, *U-Net: Convolutional networks for biomedical image
segmentation*, 2015: https://arxiv.org/abs/1505.04597

Down to few positions, to know what is there, and up again, to say where; on the way up each level
gets the maps that the same level had on the way down.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from course_lib._validate import choice, flag, integer
from course_lib.nets.net import Net, NetInfo

INFO = (
    NetInfo(
        name="unet",
        year=2015,
        title="U-Net: Convolutional networks for biomedical image segmentation",
        authors="Ronneberger et al.",
        paper="https://arxiv.org/abs/1505.04597",
        params=482_466,
        gmacs=1.762,
        input=(1, 224, 224),
        top1=None,
        top1_source="",
        idea="Maps from the way down are handed across to the way up, so that a label for each "
        "pixel keeps sharp edges.",
        differs="Padded, so that the output is as large as the image; BatchNorm after each "
        "convolution; a quarter of the width and a level less.",
    ),
)

UPSAMPLES = ("transposed", "nearest")


def double_conv(c_in: int, c_out: int) -> nn.Sequential:
    """Twice a 3×3 convolution, BatchNorm and ReLU: (N, c_in, H, W) → (N, c_out, H, W)."""
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(),
        nn.Conv2d(c_out, c_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(),
    )


def up_conv(c_in: int, c_out: int, upsample: str) -> nn.Module:
    """Twice the size: (N, c_in, H, W) → (N, c_out, 2H, 2W).

    "transposed": a 2×2 transposed convolution of stride 2. "nearest": each pixel four times, then a
    3×3 convolution.
    """
    if upsample == "transposed":
        return nn.ConvTranspose2d(c_in, c_out, 2, stride=2)
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(c_in, c_out, 3, padding=1))


class UNet(Net):
    """U-Net: (N, in_channels, H, W) → logits (N, num_classes, H, W).

    `depth` poolings, each of which halves H and W and is followed by twice as many channels, from
    `width` on; as many steps up. With `skip=False` nothing is handed across, and the convolutions
    of the way up take only what comes from below.

    Raises ValueError in the forward pass where 2**depth does not divide H and W.
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 2,
        width: int = 16,
        depth: int = 3,
        skip: bool = True,
        upsample: str = "transposed",
    ) -> None:
        super().__init__()
        width = integer(width, "width", at_least=1)
        self.depth = integer(depth, "depth", at_least=1)
        self.skip = flag(skip, "skip")
        choice(upsample, "upsample", UPSAMPLES)
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList()
        c_in = in_channels
        for c_out in widths[:-1]:
            self.down.append(double_conv(c_in, c_out))
            c_in = c_out
        self.pool = nn.MaxPool2d(2)
        self.bottom = double_conv(c_in, widths[-1])
        self.up, self.merge = nn.ModuleList(), nn.ModuleList()
        for c_out in reversed(widths[:-1]):
            self.up.append(up_conv(2 * c_out, c_out, upsample))
            self.merge.append(double_conv(2 * c_out if skip else c_out, c_out))
        self.head = nn.Conv2d(width, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits for each pixel; shapes for one 48×48 image, width 16 and depth 3."""
        step = 2**self.depth
        if x.ndim == 4 and (x.shape[2] % step or x.shape[3] % step):
            raise ValueError(
                f"x has shape {tuple(x.shape)}: height and width must be divisible by {step}, "
                f"2 to the power of depth (={self.depth}); pad the image, for example with "
                "torch.nn.functional.pad"
            )
        kept = []
        for block in self.down:
            x = block(x)  # (N, 16, 48, 48), (N, 32, 24, 24), (N, 64, 12, 12)
            kept.append(x)
            x = self.pool(x)
        x = self.bottom(x)  # (N, 128, 6, 6)
        for up, merge, beside in zip(self.up, self.merge, reversed(kept), strict=True):
            x = up(x)  # (N, 64, 12, 12), (N, 32, 24, 24), (N, 16, 48, 48)
            x = merge(torch.cat([beside, x], dim=1) if self.skip else x)
        x = self.head(x)  # (N, num_classes, 48, 48)
        return x


def unet(
    num_classes: int = 2,
    in_channels: int = 1,
    width: int = 16,
    depth: int = 3,
    skip: bool = True,
    upsample: str = "transposed",
) -> UNet:
    """U-Net for images whose sides 2**depth divides; the paper's own has width 64 and depth 4.

    >>> unet(width=8)(torch.zeros(1, 1, 48, 32)).shape
    torch.Size([1, 2, 48, 32])
    """
    return UNet(in_channels, num_classes, width, depth, skip, upsample)
