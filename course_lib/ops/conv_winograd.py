"""Winograd's minimal filtering: fewer multiplications for 3×3 kernels.

The outputs of neighbouring windows share work. In one dimension, two outputs of a 3-tap kernel take
6 multiplications; Winograd found 4 that suffice, paid for with additions. In two dimensions
a patch of m×m outputs takes (m + 2)² in place of 9·m²:

    Y = Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A        g the kernel, d a tile of m + 2 pixels, Y m×m outputs

With many channels the element-wise product becomes a matrix product over channels, one for each
of the (m + 2)² places in a tile: that is where the time goes, and what is saved.

The price is accuracy: the matrices hold numbers from 1/24 to 8, so the terms that are added up are
larger than what they add up to, and float32 loses about a digit at m = 4.

Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from course_lib._validate import Array
from course_lib.ops._dtypes import in_floats
from course_lib.ops._settings import ConvSettings
from course_lib.ops.padding import pad_into

# For m outputs: Bᵀ (m+2, m+2), G (m+2, 3), Aᵀ (m, m+2). Section 4 of the paper.
TRANSFORMS = {
    2: (
        [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]],
        [[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]],
        [[1, 1, 1, 0], [0, 1, -1, -1]],
    ),
    4: (
        [
            [4, 0, -5, 0, 1, 0],
            [0, -4, -4, 1, 1, 0],
            [0, 4, -4, -1, 1, 0],
            [0, -2, -1, 2, 1, 0],
            [0, 2, -1, -2, 1, 0],
            [0, 4, 0, -5, 0, 1],
        ],
        [
            [1 / 4, 0, 0],
            [-1 / 6, -1 / 6, -1 / 6],
            [-1 / 6, 1 / 6, -1 / 6],
            [1 / 24, 1 / 12, 1 / 6],
            [1 / 24, -1 / 12, 1 / 6],
            [0, 0, 1],
        ],
        [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
    ),
}

BLOCK_BYTES = 2**20
"""How much of the transformed pixels is made at a time: half of what a core's cache holds, as the
products are as large again."""


@in_floats
def winograd(x: Array, weight: Array, settings: ConvSettings) -> Array:
    """F(4×4, 3×3): convolution in patches of 4×4 outputs. 3×3 kernels at stride 1 only."""
    return _minimal_filtering(x, weight, settings, m=4)


@in_floats
def winograd_2x2(x: Array, weight: Array, settings: ConvSettings) -> Array:
    """F(2×2, 3×3): convolution in patches of 2×2 outputs. 3×3 kernels at stride 1 only."""
    return _minimal_filtering(x, weight, settings, m=2)


def _minimal_filtering(x: Array, weight: Array, settings: ConvSettings, m: int) -> Array:
    for name, value, needed in (
        ("kernel", settings.kernel, (3, 3)),
        ("stride", settings.stride, (1, 1)),
        ("dilation", settings.dilation, (1, 1)),
    ):
        if value != needed:
            raise ValueError(f"{name} (={value}) must be {needed} for Winograd's algorithm")
    b_t, g, a_t = (np.array(matrix, dtype=weight.dtype) for matrix in TRANSFORMS[m])
    images, channels, c_out, groups = *x.shape[:2], len(weight), settings.groups
    (out_h, out_w), tile = settings.out, m + 2
    tiles_h, tiles_w = -(-out_h // m), -(-out_w // m)  # the last tiles may stand over the border
    kernels = g @ weight @ g.T  # (C_out, C/G, tile, tile)
    kernels = kernels.transpose(2, 3, 0, 1).reshape(tile * tile, groups, c_out // groups, -1)

    image = np.zeros((channels, tiles_h * m + 2, tiles_w * m + 2), dtype=weight.dtype)
    inside = image[:, : settings.padded[0], : settings.padded[1]]
    tiles = sliding_window_view(image, (tile, tile), axis=(1, 2))[:, ::m, ::m]
    tiles = tiles.transpose(3, 4, 0, 1, 2)  # (tile, tile, C, T_h, T_w), a view of image
    row_bytes = tile * tile * channels * tiles_w * weight.itemsize
    rows_each = max(BLOCK_BYTES // row_bytes, 1)
    out = np.empty((images, c_out, out_h, out_w), dtype=weight.dtype)
    fits = (tiles_h * m, tiles_w * m) == (out_h, out_w)
    spare = np.empty(0 if fits else (c_out, tiles_h * m, tiles_w * m), dtype=weight.dtype)
    for n in range(images):
        # Split into patches, which the results come in: a view of the image, not a copy.
        patches = (out[n] if fits else spare).reshape(c_out, tiles_h, m, tiles_w, m)
        pad_into(inside, x[n], settings.padding, settings.padding_mode)
        for top in range(0, tiles_h, rows_each):  # as many rows of tiles as stay in the cache
            d = tiles[:, :, :, top : top + rows_each]
            rows = d.shape[3]
            d = b_t @ d.reshape(tile, -1)  # (tile, tile·C·T): Bᵀ from the left
            d = b_t @ d.reshape(tile, tile, -1)  # (tile, tile, C·T): and B from the right
            d = d.reshape(tile * tile, groups, channels // groups, rows * tiles_w)
            y = kernels @ d  # (tile², G, C_out/G, T): the products, and their sum over channels
            y = a_t @ y.reshape(tile, -1)  # (m, tile·C_out·T): Aᵀ from the left
            y = a_t @ y.reshape(m, tile, -1)  # (m, m, C_out·T): and A from the right
            y = y.reshape(m, m, c_out, rows, tiles_w).transpose(2, 3, 0, 4, 1)
            patches[:, top : top + rows] = y  # (C_out, T_h, m, T_w, m)
        if not fits:
            out[n] = spare[:, :out_h, :out_w]
    return out
