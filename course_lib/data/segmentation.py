"""Pictures with a mask: letters and digits on photographs, and the coins cut in halves.

Nobody marked the pixels by hand. In a scene the course itself puts the characters there, so it
knows which pixels they cover; the coins are found by a rule that is written out below. No
photograph and no font is in both splits of the scenes, and no pixel in both halves of the coins.
"""

from __future__ import annotations

import functools
import string
import threading
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from course_lib._validate import Array, choice, integer
from course_lib.data._packages import package
from course_lib.data.photographs import photograph

__all__ = ["PHOTOGRAPHS", "SCENE_FONTS", "Coins", "Scenes", "coins", "scenes"]

PHOTOGRAPHS = {
    "train": ("astronaut", "brick", "camera", "coffee", "flower", "grass"),
    "test": ("chelsea", "china", "gravel"),
}
"""The photographs behind the scenes of each split. The coins are kept for `coins`."""

SCENE_FONTS = {
    "train": (
        "DejaVuSans",
        "DejaVuSans-Bold",
        "DejaVuSans-Oblique",
        "DejaVuSerif",
        "DejaVuSerif-Bold",
        "DejaVuSerif-Italic",
        "cmr10",
        "cmss10",
    ),
    "test": ("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "cmb10", "cmtt10"),
}
"""The fonts of each split."""

CHARACTERS = string.ascii_letters + string.digits
REDUCED = (1, 2, 3)  # a scene shows a photograph at its own size, a half or a third of it
FADED = 0.5  # what is left of a photograph's contrast
DARKEST = 0.25  # of the light at the far end of a scene
CONTRAST = 0.4  # least difference between a character and the mean of what it covers


class Scenes(NamedTuple):
    """Images (N, 1, H, W), float32 in [0, 1], and masks (N, H, W), int64: 1 is a character."""

    images: npt.NDArray[np.float32]
    masks: npt.NDArray[np.int64]


class Coins(NamedTuple):
    """An image (H, W), float32 in [0, 1], and its mask (H, W), int64: 1 is a coin."""

    image: npt.NDArray[np.float32]
    mask: npt.NDArray[np.int64]


def scenes(split: str = "train", count: int = 100, seed: int = 0, size: int = 32) -> Scenes:
    """So many scenes of a split, "train" or "test": letters and digits on grey photographs.

    Each is a random cut out of a photograph, `size` pixels square, with one or two characters in
    one grey each, lighter or darker than what they cover, turned by up to 20 degrees. Then light
    falls off to one side, and there is some noise. A pixel belongs to a character where at least
    half of it is covered. One seed always gives the same scenes.

    Raises ValueError for an unknown split, a `count` or seed below 0 or a `size` below 16 or
    above 96.

    >>> images, masks = scenes("test", count=3, seed=1)
    >>> images.shape, masks.shape, np.unique(masks).tolist()
    ((3, 1, 32, 32), (3, 32, 32), [0, 1])
    """
    choice(split, "split", tuple(PHOTOGRAPHS))
    count = integer(count, "count", at_least=0)
    own = tuple(PHOTOGRAPHS).index(split)  # the splits do not draw the same numbers
    rng = np.random.default_rng([integer(seed, "seed", at_least=0), own])
    size = integer(size, "size", at_least=16)
    if size > 96:
        raise ValueError(f"size (={size}) must be at most 96: the photographs are no larger")
    images = np.empty((count, 1, size, size), np.float32)
    masks = np.empty((count, size, size), np.int64)
    for image, mask in zip(images, masks, strict=True):
        image[0], mask[:] = _scene(split, size, rng)
    return Scenes(images, masks)


def _scene(split: str, size: int, rng: np.random.Generator) -> tuple[Array, Array]:
    photo = _pick(rng, PHOTOGRAPHS[split])
    picture = _reduced(photo, int(rng.choice(REDUCED)))
    top, left = (int(rng.integers(side - size + 1)) for side in picture.shape)
    image = picture[top : top + size, left : left + size].copy()
    if rng.random() < 0.5:
        image = image[:, ::-1].copy()
    mask = np.zeros((size, size), bool)
    for _ in range(int(rng.integers(1, 3))):
        height = int(rng.integers(3 * size // 5, size))
        font, character = _pick(rng, SCENE_FONTS[split]), _pick(rng, CHARACTERS)
        ink = _ink(font, character, height, int(rng.integers(-20, 21)))
        down, right = (int(rng.integers(max(1, size - side + 1))) for side in ink.shape)
        ink = ink[: size - down, : size - right] / 255
        place = (slice(down, down + ink.shape[0]), slice(right, right + ink.shape[1]))
        behind = float((image[place] * ink).sum() / ink.sum())
        image[place] += ink * (_grey(behind, rng) - image[place])
        mask[place] |= ink >= 0.5
    image *= _light(size, rng)
    image += rng.normal(0.0, 0.02, image.shape)
    return np.clip(image, 0.0, 1.0), mask


def _light(size: int, rng: np.random.Generator) -> Array:
    """Light from a random side, (size, size): 1 at one end, and down to `DARKEST` at the other."""
    angle = rng.uniform(0.0, 2 * np.pi)
    across = np.linspace(-1.0, 1.0, size)
    ramp = np.cos(angle) * across[:, np.newaxis] + np.sin(angle) * across
    ramp = (ramp - ramp.min()) / (ramp.max() - ramp.min())
    return np.asarray(1.0 - (1.0 - rng.uniform(DARKEST, 1.0)) * ramp)


def _grey(behind: float, rng: np.random.Generator) -> float:
    """A grey that stands out from another, lighter or darker, whichever there is room for."""
    lighter = rng.random() < 0.5
    if (1 - behind if lighter else behind) < CONTRAST:
        lighter = not lighter
    contrast = rng.uniform(CONTRAST, 1 - behind if lighter else behind)
    return behind + contrast if lighter else behind - contrast


def _pick(rng: np.random.Generator, options: tuple[str, ...] | str) -> str:
    return options[int(rng.integers(len(options)))]


@functools.cache
def _reduced(name: str, factor: int) -> Array:
    """A photograph, each block of factor × factor pixels as its mean."""
    picture = photograph(name)
    height, width = (side // factor for side in picture.shape)
    cut = picture[: height * factor, : width * factor]
    blocks = cut.reshape(height, factor, width, factor).mean(axis=(1, 3))
    return np.asarray(0.5 + FADED * (blocks - 0.5))


_DRAWING = threading.Lock()
"""A font keeps the text that it draws: two threads with one font must take turns."""


def _ink(font: str, character: str, height: int, angle: int) -> Array:
    """How much of each pixel a character covers, 0 to 255, in the rectangle that holds it all.

    `height` is that of the font's letters in pixels, ascenders included; a turn of `angle` degrees
    is anticlockwise.
    """
    with _DRAWING:
        face = _face(font)
        face.set_size(1.3 * height, 72)
        face.set_text(character, float(angle))
        face.draw_glyphs_to_bitmap()
        image = np.array(face.get_image())
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


@functools.cache
def _face(font: str) -> Any:
    """A font's file, opened once: that takes longer than all the drawing."""
    folder = Path(package("matplotlib", "matplotlib").get_data_path()) / "fonts" / "ttf"
    return package("matplotlib.ft2font", "matplotlib").FT2Font(str(folder / f"{font}.ttf"))


# ── coins ───────────────────────────────────────────────────────────────────────────────────────

DARK, BRIGHT = 30 / 255, 150 / 255  # surely background, surely coin
SMALLEST = 200  # pixels of a coin, at the photograph's own size


def coins(half: str = "left") -> Coins:
    """One half of the photograph *coins* at half its size, and a mask of its coins.

    The rule: pixels darker than 30 of 255 are surely background, pixels brighter than 150
    surely coin. From these two kinds a watershed floods the picture of edges (Sobel), so that
    they meet where the edge is strongest. Holes are filled, spots below 200 pixels left out. Blocks
    of 2×2 pixels become one, which is coin where at least half of it is.

    Raises ValueError for another half than "left" or "right".

    >>> image, mask = coins("right")
    >>> image.shape, mask.shape
    ((151, 96), (151, 96))
    """
    choice(half, "half", ("left", "right"))
    image, mask = (_halved(values) for values in _coins())
    middle = image.shape[1] // 2
    columns = slice(0, middle) if half == "left" else slice(middle, 2 * middle)
    return Coins(image[:, columns].astype(np.float32), (mask[:, columns] >= 0.5).astype(np.int64))


@functools.cache
def _coins() -> tuple[Array, Array]:
    """The whole photograph and its mask, at its own size."""
    picture = photograph("coins")
    edges = package("skimage.filters", "scikit-image").sobel(picture)
    sure = np.where(picture < DARK, 1, np.where(picture > BRIGHT, 2, 0))
    flooded = package("skimage.segmentation", "scikit-image").watershed(edges, sure) == 2
    filled = package("scipy.ndimage", "scipy").binary_fill_holes(flooded)
    spots = package("skimage.measure", "scikit-image").label(filled)
    sizes = np.bincount(spots.ravel())
    sizes[0] = 0  # the background
    return picture, sizes[spots] >= SMALLEST


def _halved(values: Array) -> Array:
    height, width = (side // 2 for side in values.shape)
    blocks = values[: 2 * height, : 2 * width].reshape(height, 2, width, 2)
    return np.asarray(blocks.mean(axis=(1, 3)))
