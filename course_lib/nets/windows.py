"""Windows of maps and their cyclic shift: what the Swin Transformer's attention is made of.

Source: Liu, Lin, Cao et al., *Swin transformer: hierarchical vision transformer using shifted
windows*, 2021, section 3.2: https://arxiv.org/abs/2103.14030
"""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor


def window_partition(x: Tensor, window: int) -> Tensor:
    """Cut maps into windows: (N, C, H, W) to (N·n_windows, C, window, window), row by row.

    H and W must be multiples of `window`.

    >>> window_partition(torch.arange(16).view(1, 1, 4, 4), 2)[1, 0]
    tensor([[2, 3],
            [6, 7]])
    """
    n, c, h, w = x.shape
    if h % window or w % window:
        raise ValueError(f"x's height and width (={h}, {w}) must be multiples of window={window}")
    x = x.view(n, c, h // window, window, w // window, window)
    return x.permute(0, 2, 4, 1, 3, 5).reshape(-1, c, window, window)


def window_reverse(windows: Tensor, window: int, height: int, width: int) -> Tensor:
    """Put windows together again: (N·n_windows, C, window, window) to (N, C, height, width).

    >>> x = torch.rand(2, 3, 4, 6)
    >>> torch.equal(window_reverse(window_partition(x, 2), 2, 4, 6), x)
    True
    """
    c = windows.shape[1]
    x = windows.view(-1, height // window, width // window, c, window, window)
    return x.permute(0, 3, 1, 4, 2, 5).reshape(-1, c, height, width)


def shifted_window_mask(
    height: int, width: int, window: int, shift: int | tuple[int, int]
) -> Tensor:
    """What keeps tokens apart that share a window only because the shift wraps around the image.

    (n_windows, window², window²): 0 where two tokens may meet, −100 where not, to be added before
    the softmax. `shift` is one for both axes, or (down, right).

    >>> shifted_window_mask(2, 4, window=2, shift=(0, 1))[1, 0]   # the last column came around
    tensor([   0., -100.,    0., -100.])
    """
    down, right = (shift, shift) if isinstance(shift, int) else shift
    region = 2 * _came_around(height, down)[:, None] + _came_around(width, right)  # (H, W)
    region = window_partition(region[None, None], window).flatten(1)  # (n_windows, window²)
    apart = region[:, :, None] != region[:, None, :]
    return torch.where(apart, -100.0, 0.0)


def _came_around(size: int, shift: int) -> Tensor:
    """1 for the rows, or columns, that the shift brought from the other end; 0 for the rest."""
    return (torch.arange(size) >= size - shift).int()


def relative_position_index(window: int) -> Tensor:
    """For each pair of tokens of a window, the number of the offset from the second to the first.

    (window⁴,), from 0 to (2·window − 1)² − 1: the offsets in a window's rows and columns run from
    1 − window to window − 1, and are numbered row by row.

    >>> relative_position_index(2).view(4, 4)[0]   # from each of the four to the first
    tensor([4, 3, 1, 0])
    """
    side, n_offsets = range(window), 2 * window - 1
    numbers = [
        (row - i + window - 1) * n_offsets + column - j + window - 1
        for row, column in product(side, side)
        for i, j in product(side, side)
    ]
    return torch.tensor(numbers)
