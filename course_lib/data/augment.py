"""Augmentation: each image a little different each time, its label the same.

Every function takes a batch (N, C, H, W) of floats and a NumPy generator, changes each image by its
own draw, and returns a new batch of the same shape and type. Which changes keep the label is for
you to know: a half turn makes a 6 a 9, a mirror spoils writing and leaves a cat a cat.
`augment_digits` and `augment_photographs` are chains that do for digits and for photographs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from course_lib._validate import Array, batch, choice, integer, number

__all__ = [
    "affine",
    "augment_digits",
    "augment_photographs",
    "brightness",
    "cutout",
    "elastic",
    "mirror",
    "noise",
    "random_resized_crop",
    "shift",
]

BORDERS = ("zeros", "replicate")


def shift(images: npt.ArrayLike, rng: np.random.Generator, pixels: int = 1) -> Array:
    """Move each image by whole pixels, up to `pixels` along either axis; zeros come in.

    Raises ValueError for `pixels` below 0 or for anything but (N, C, H, W).

    >>> image = np.ones((1, 1, 1, 3))
    >>> sorted({int(shift(image, np.random.default_rng(s)).sum()) for s in range(20)})
    [0, 2, 3]
    """
    images = _floats(images)
    pixels = integer(pixels, "pixels", at_least=0)
    n, _, height, width = images.shape
    by = rng.integers(-pixels, pixels + 1, (n, 2))
    padded = np.pad(images, ((0, 0), (0, 0), (pixels, pixels), (pixels, pixels)))
    moved = np.empty_like(images)
    for place, (down, right) in enumerate(by):
        top, left = pixels - down, pixels - right
        moved[place] = padded[place, :, top : top + height, left : left + width]
    return moved


def affine(
    images: npt.ArrayLike,
    rng: np.random.Generator,
    degrees: float = 10.0,
    scale: float = 0.1,
    shear: float = 0.1,
    shift: float = 0.05,
    border: str = "zeros",
) -> Array:
    """Turn, stretch, slant and move each image, reading between pixels (bilinear).

    Each amount is drawn evenly up to its limit either way: a turn of `degrees`, a height and a
    width times 1 - `scale` to 1 + `scale`, a slant of `shear` (pixels to the side for each pixel
    down), a move of `shift` times the image's size. What comes in from outside is zero, or with
    the border "replicate" the nearest pixel.

    Raises ValueError for a negative amount, a `scale` of 1 or more, or an unknown border.

    >>> image = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> rng = np.random.default_rng(0)
    >>> bool((affine(image, rng, degrees=0, scale=0, shear=0, shift=0) == image).all())
    True
    """
    images = _floats(images)
    limits = {"degrees": degrees, "scale": scale, "shear": shear, "shift": shift}
    for name, limit in limits.items():
        if number(limit, name) < 0:
            raise ValueError(f"{name} (={limit}) must be at least 0")
    if scale >= 1:
        raise ValueError(f"scale (={scale}) must be below 1")
    choice(border, "border", BORDERS)
    n, _, height, width = images.shape
    angle = np.deg2rad(degrees) * rng.uniform(-1, 1, (n,))
    stretch = 1 + scale * rng.uniform(-1, 1, (n, 2))
    slant = shear * rng.uniform(-1, 1, (n,))
    move = shift * rng.uniform(-1, 1, (n, 2)) * (height, width)
    # From an output position, as seen from the centre, to the input position it reads.
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn.transpose(2, 0, 1) / stretch[:, np.newaxis]  # (N, 2, 2)
    matrix[:, :, 0] += slant[:, np.newaxis] * matrix[:, :, 1]
    centre = np.array([(height - 1) / 2, (width - 1) / 2])
    grid = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"))  # (2, H, W)
    seen = grid.reshape(2, -1) - centre[:, np.newaxis]  # (2, H·W)
    read = matrix @ seen + (centre - move)[:, :, np.newaxis]  # (N, 2, H·W)
    return _read_between(images, read[:, 0], read[:, 1], border).reshape(images.shape)


def elastic(
    images: npt.ArrayLike, rng: np.random.Generator, strength: float = 0.05, cells: int = 4
) -> Array:
    """Bend each image as if drawn on rubber: neighbours move alike, far parts by themselves.

    The moves are normal, with a standard deviation of `strength` times the image's size, drawn at
    (cells + 1)² points and read between them. What comes in from outside is zero.

    Raises ValueError for a negative `strength` or `cells` below 1.

    Source: Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied
    to visual document analysis", 2003, here with a coarse grid in place of their blurred noise.

    >>> image = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> bool((elastic(image, np.random.default_rng(0), strength=0) == image).all())
    True
    """
    images = _floats(images)
    if number(strength, "strength") < 0:
        raise ValueError(f"strength (={strength}) must be at least 0")
    cells = integer(cells, "cells", at_least=1)
    n, _, height, width = images.shape
    grid = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"))  # (2, H, W)
    y, x = grid.reshape(2, 1, -1) + np.zeros((n, 1))  # (N, H·W) each
    moves = strength * rng.standard_normal((n, 2, cells + 1, cells + 1))
    down, right = cells * y / max(1, height - 1), cells * x / max(1, width - 1)
    by = _read_between(moves, down, right, "replicate")  # (N, 2, H·W)
    moved = _read_between(images, y + height * by[:, 0], x + width * by[:, 1], "zeros")
    return moved.reshape(images.shape)


def mirror(images: npt.ArrayLike, rng: np.random.Generator, share: float = 0.5) -> Array:
    """Flip a `share` of the images left to right. Not for anything that is read.

    >>> mirror([[[[1.0, 2.0]]]], np.random.default_rng(0), share=1.0)
    array([[[[2., 1.]]]])
    """
    images = _floats(images)
    flipped = rng.random(len(images)) < _fraction(share, "share")
    out = images.copy()
    out[flipped] = out[flipped, :, :, ::-1]
    return out


def brightness(images: npt.ArrayLike, rng: np.random.Generator, limit: float = 0.2) -> Array:
    """Multiply each image by a factor from 1 - `limit` to 1 + `limit`, and clip to [0, 1].

    >>> bright = brightness(np.full((1, 1, 1, 1), 0.5), np.random.default_rng(0), limit=0.2)
    >>> 0.4 <= bright.item() <= 0.6
    True
    """
    images = _floats(images)
    factor = 1 + _fraction(limit, "limit") * rng.uniform(-1, 1, (len(images), 1, 1, 1))
    return np.clip(images * factor, 0, 1).astype(images.dtype)


def noise(images: npt.ArrayLike, rng: np.random.Generator, deviation: float = 0.05) -> Array:
    """Add Gaussian noise of this standard deviation to every value, and clip to [0, 1].

    >>> noise(np.zeros((1, 1, 2, 2)), np.random.default_rng(0), deviation=0.0).sum()
    np.float64(0.0)
    """
    images = _floats(images)
    if number(deviation, "deviation") < 0:
        raise ValueError(f"deviation (={deviation}) must be at least 0")
    grain = rng.standard_normal(images.shape) * deviation
    return np.clip(images + grain, 0, 1).astype(images.dtype)


def cutout(images: npt.ArrayLike, rng: np.random.Generator, size: int = 4) -> Array:
    """Set a square of each image to zero; its centre may be anywhere, so it may hang over.

    Source: DeVries and Taylor, "Improved regularization of convolutional neural networks with
    cutout", 2017.

    >>> cutout(np.ones((1, 1, 9, 9)), np.random.default_rng(0), size=3).sum()
    np.float64(72.0)
    """
    images = _floats(images)
    size = integer(size, "size", at_least=1)
    out = images.copy()
    height, width = images.shape[2:]
    for image in out:
        top = int(rng.integers(height)) - size // 2
        left = int(rng.integers(width)) - size // 2
        image[:, max(0, top) : max(0, top + size), max(0, left) : max(0, left + size)] = 0
    return out


def random_resized_crop(
    images: npt.ArrayLike, rng: np.random.Generator, smallest: float = 0.5
) -> Array:
    """Cut a window out of each image and stretch it to the full size again (bilinear).

    A window has from `smallest` to all of the area, and is up to a third wider or higher than the
    image's own shape.

    Source: Szegedy and others, "Going deeper with convolutions", 2014, section 6.

    >>> random_resized_crop(np.ones((2, 3, 4, 4)), np.random.default_rng(0)).min()
    np.float64(1.0)
    """
    images = _floats(images)
    smallest = _fraction(smallest, "smallest")
    n, _, height, width = images.shape
    area = rng.uniform(smallest, 1, n)
    ratio = np.exp(rng.uniform(-1, 1, n) * np.log(4 / 3))
    share = np.stack([np.sqrt(area / ratio), np.sqrt(area * ratio)], axis=1).clip(max=1)  # (N, 2)
    free = 1 - share
    start = free * rng.random((n, 2))
    rows = _positions(start[:, 0], share[:, 0], height)  # (N, H)
    columns = _positions(start[:, 1], share[:, 1], width)  # (N, W)
    y = np.repeat(rows, width, axis=1)  # (N, H·W), row by row
    x = np.tile(columns, (1, height))
    return _read_between(images, y, x, "replicate").reshape(images.shape)


def augment_digits(images: npt.ArrayLike, rng: np.random.Generator) -> Array:
    """A chain that keeps a digit's label: small turns, stretches, slants and moves. No flip.

    >>> augment_digits(np.zeros((2, 1, 32, 32), np.float32), np.random.default_rng(0)).dtype
    dtype('float32')
    """
    return affine(images, rng, degrees=12, scale=0.12, shear=0.15, shift=0.06)


def augment_photographs(images: npt.ArrayLike, rng: np.random.Generator) -> Array:
    """A chain for photographs of things: crops, mirror images, other light.

    >>> augment_photographs(np.ones((2, 3, 8, 8)), np.random.default_rng(0)).shape
    (2, 3, 8, 8)
    """
    return brightness(mirror(random_resized_crop(images, rng), rng), rng)


# ── reading between pixels ──────────────────────────────────────────────────────────────────────


def _positions(start: Array, share: Array, size: int) -> Array:
    """Where the pixels of a stretched window lie along an axis of the image: (N, size)."""
    centres = (np.arange(size) + 0.5) / size
    return (start[:, np.newaxis] + share[:, np.newaxis] * centres) * size - 0.5


def _read_between(images: Array, y: Array, x: Array, border: str) -> Array:
    """The values at positions (y, x), each (N, P), of images (N, C, H, W): (N, C, P)."""
    n, channels, height, width = images.shape
    if border == "replicate":
        y, x = y.clip(0, height - 1), x.clip(0, width - 1)
    # A frame of zeros, two pixels wide: whatever lies outside reads it.
    padded = np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2)))
    padded = padded.reshape(n, channels, (height + 4) * (width + 4))
    y, x = (y + 2).clip(0, height + 2.5), (x + 2).clip(0, width + 2.5)
    top, left = np.floor(y).astype(np.intp), np.floor(x).astype(np.intp)
    down, right = (y - top)[:, np.newaxis], (x - left)[:, np.newaxis]  # (N, 1, P)
    first = (top * (width + 4) + left)[:, np.newaxis]  # (N, 1, P), in the flattened image

    def at(step: int) -> Array:
        return np.take_along_axis(padded, first + step, axis=2)

    above = at(0) * (1 - right) + at(1) * right
    below = at(width + 4) * (1 - right) + at(width + 5) * right
    return np.asarray(above * (1 - down) + below * down, dtype=images.dtype)


def _floats(images: npt.ArrayLike) -> Array:
    found = batch(images, "images", ("N", "C", "H", "W"))
    if found.dtype.kind != "f":
        raise TypeError(f"images (of type {found.dtype.name}) must be floats")
    return found


def _fraction(value: float, name: str) -> float:
    if not 0 <= number(value, name) <= 1:
        raise ValueError(f"{name} (={value}) must lie between 0 and 1")
    return float(value)
