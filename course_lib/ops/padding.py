"""Padding: what a convolution sees beyond the border of its image.

A kernel needs neighbours, and a border pixel lacks some. Padding makes them up. For the row
`1 2 3 4` and three pixels on each side:

    zeros      0 0 0 | 1 2 3 4 | 0 0 0     black beyond the border
    reflect    4 3 2 | 1 2 3 4 | 3 2 1     a mirror; the border pixel itself is not repeated
    replicate  1 1 1 | 1 2 3 4 | 4 4 4     the border pixel goes on
    circular   2 3 4 | 1 2 3 4 | 1 2 3     the opposite border comes in

All but the first only *copy* pixels, so both directions can be told by one list for each axis:
which pixel does each padded position copy? Forward reads through that list; backward sends each
gradient to the pixel that was copied and adds up there, because a pixel that was copied three
times had three ways to change the loss.

The names of the modes are those of `torch.nn.Conv2d(padding_mode=…)`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from course_lib._validate import Array, Margins, Padding, choice, margins, planes
from course_lib.ops._dtypes import computing_and_result_types

__all__ = ["PADDING_MODES", "pad2d", "pad2d_backward"]

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def pad2d(image: npt.ArrayLike, padding: Padding, mode: str = "zeros") -> Array:
    """Pad the last two axes of an array: (…, H, W) → (…, top + H + bottom, left + W + right).

    `padding`, in pixels, is an int, a (height, width) pair, or ((top, bottom), (left, right)).
    The type of the array stays what it is.

    Raises ValueError for a negative padding, for "reflect" beyond H - 1 or W - 1 pixels (a mirror
    has no more to show) and for "circular" beyond H or W.

    >>> print(pad2d([[1, 2], [3, 4]], padding=1))
    [[0 0 0 0]
     [0 1 2 0]
     [0 3 4 0]
     [0 0 0 0]]
    >>> print(pad2d([[1, 2, 3, 4]], padding=(0, 3), mode="reflect"))
    [[4 3 2 1 2 3 4 3 2 1]]
    """
    image = planes(image, "image")
    around = margins(padding)
    choice(mode, "mode", PADDING_MODES)
    height, width = image.shape[-2:]
    check_copies_exist((height, width), around, mode)
    padded = np.zeros(padded_shape(image.shape, around), dtype=image.dtype)
    pad_into(padded, image, around, mode)
    return padded


def pad2d_backward(grad_padded: npt.ArrayLike, padding: Padding, mode: str = "zeros") -> Array:
    """The gradient of `pad2d`: from that of the padded array to that of the image.

    (…, top + H + bottom, left + W + right) → (…, H, W), with the same `padding` and `mode` as
    forward. Zeros came from nowhere, so the gradient that arrives there goes nowhere: it is cut
    off. In the other modes each padded pixel hands its gradient back to the pixel it copied.

    Raises ValueError where the array is too small to have been padded so, and as `pad2d` does.

    >>> print(pad2d_backward(np.ones((1, 6), dtype=int), padding=(0, 1), mode="zeros"))
    [[1 1 1 1]]
    >>> print(pad2d_backward(np.ones((1, 6), dtype=int), padding=(0, 1), mode="replicate"))
    [[2 1 1 2]]
    """
    grad_padded = planes(grad_padded, "grad_padded")
    around = margins(padding)
    choice(mode, "mode", PADDING_MODES)
    (top, bottom), (left, right) = around
    height = grad_padded.shape[-2] - top - bottom
    width = grad_padded.shape[-1] - left - right
    if height < 1 or width < 1:
        raise ValueError(
            f"grad_padded has shape {grad_padded.shape}, must be larger than the padding "
            f"(={around}) along both axes"
        )
    check_copies_exist((height, width), around, mode)
    computing, result = computing_and_result_types(grad_padded)
    return unpad(grad_padded.astype(computing), around, mode).astype(result)


def padded_shape(shape: tuple[int, ...], around: Margins) -> tuple[int, ...]:
    """(…, H, W) → (…, top + H + bottom, left + W + right)."""
    return (*shape[:-2], shape[-2] + sum(around[0]), shape[-1] + sum(around[1]))


def pad_into(padded: Array, image: Array, around: Margins, mode: str) -> None:
    """Write an image and its border into an array that has room for both.

    In mode "zeros" only the image is written: the array was made of zeros, and the next image
    to be padded in it lies in the same place.
    """
    (top, bottom), (left, right) = around
    height, width = image.shape[-2:]
    inside = padded[..., top : top + height, left : left + width]
    inside[...] = image
    if mode == "zeros":
        return
    for position, copied in _border(width, left, right, mode):
        padded[..., top : top + height, position] = inside[..., copied]
    for position, copied in _border(height, top, bottom, mode):
        padded[..., position, :] = padded[..., top + copied, :]


def unpad(grad_padded: Array, around: Margins, mode: str) -> Array:
    """Undo `pad_into` for a gradient: a view of its inside, to which the border has been added.

    Changes `grad_padded`. The steps of `pad_into` in the opposite order, copies turned into sums.
    """
    (top, bottom), (left, right) = around
    height = grad_padded.shape[-2] - top - bottom
    width = grad_padded.shape[-1] - left - right
    inside = grad_padded[..., top : top + height, left : left + width]
    if mode == "zeros":
        return inside
    for position, copied in _border(height, top, bottom, mode):
        grad_padded[..., top + copied, :] += grad_padded[..., position, :]
    for position, copied in _border(width, left, right, mode):
        inside[..., copied] += grad_padded[..., top : top + height, position]
    return inside


def check_copies_exist(shape: tuple[int, int], around: Margins, mode: str) -> None:
    """Raise ValueError where a mode would copy more pixels than the image (H, W) has."""
    if mode not in ("reflect", "circular"):
        return
    for n, (before, after), axis in zip(shape, around, ("height", "width"), strict=True):
        most = n - 1 if mode == "reflect" else n
        if max(before, after) > most:
            raise ValueError(
                f"padding (={around}) must be at most {most} along the {axis} in mode {mode!r}: "
                f"the image's {axis} is {n}"
            )


def _border(n: int, before: int, after: int, mode: str) -> list[tuple[int, int]]:
    """The padded positions of one axis outside its n pixels, each with the pixel it copies."""
    copied = _copied_positions(n, before, after, mode)
    outside = (*range(before), *range(before + n, before + n + after))
    return [(position, int(copied[position])) for position in outside]


def _copied_positions(n: int, before: int, after: int, mode: str) -> npt.NDArray[np.intp]:
    """For each position of a padded axis, the position of the pixel that it copies."""
    # 0 … n-1 inside, negative before, from n on after
    positions: npt.NDArray[np.intp] = np.arange(-before, n + after)
    if mode == "replicate":
        return np.clip(positions, 0, n - 1)
    if mode == "circular":
        return positions % n
    positions = np.abs(positions)  # reflect: fold at the first pixel,
    return (n - 1) - np.abs((n - 1) - positions)  # then at the last
