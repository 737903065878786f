"""Letters rendered from the fonts that ship with matplotlib, reduced to 8×8 as the digits are.

They are what the course's own backbone is pretrained on: print, no digit among them, as many as
you like. Each letter is drawn at 32×32, bent, turned, stretched, slanted and moved a little, made
bolder or not, and averaged over blocks of 4×4: the way in which the handwritten digits became 8×8.
"""

from __future__ import annotations

import functools
import string
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from course_lib._validate import Array, choice, integer
from course_lib.data._packages import package
from course_lib.data.augment import affine, elastic

__all__ = ["CLASSES", "FONTS", "Letters", "letters"]

SAME_IN_BOTH_CASES = "cosuvwxz"
CLASSES = tuple(
    letter
    for letter in string.ascii_uppercase + string.ascii_lowercase
    if letter not in SAME_IN_BOTH_CASES
)
"""What each label stands for. An o that fills its box looks like an O: they are one class."""

FONTS = {
    "train": (
        "DejaVuSans",
        "DejaVuSans-Bold",
        "DejaVuSans-BoldOblique",
        "DejaVuSans-Oblique",
        "DejaVuSansMono-Bold",
        "DejaVuSansMono-BoldOblique",
        "DejaVuSansMono-Oblique",
        "DejaVuSerif",
        "DejaVuSerif-Bold",
        "DejaVuSerif-BoldItalic",
        "STIXGeneral",
        "STIXGeneralBolIta",
        "STIXGeneralItalic",
        "cmb10",
        "cmmi10",
        "cmr10",
        "cmti10",
        "cmtt10",
    ),
    "test": ("DejaVuSansMono", "DejaVuSerif-Italic", "STIXGeneralBol", "cmss10"),
}
"""The fonts of each split: no font is in both."""

SIDE, BOX, BLOCK = 32, 31, 4  # of a drawing, of the letter in it, and of what becomes one pixel
NARROW = 0.7  # the width of every second drawing: people write narrower than fonts print


class Letters(NamedTuple):
    """Images (N, 8, 8), float32 in [0, 1], and their labels (N,), int64: indices of `CLASSES`."""

    images: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]


def letters(split: str = "train", count: int = 1000, seed: int = 0) -> Letters:
    """So many random letters in the fonts of a split, "train" or "test", white on black.

    One seed always gives the same letters. Every letter and font is as likely as any other.

    Raises ValueError for an unknown split, or a `count` or seed below 0.

    >>> images, labels = letters("test", count=3, seed=1)
    >>> images.shape, images.dtype, labels.dtype
    ((3, 8, 8), dtype('float32'), dtype('int64'))
    """
    choice(split, "split", tuple(FONTS))
    count = integer(count, "count", at_least=0)
    rng = np.random.default_rng(integer(seed, "seed", at_least=0))
    drawings, classes = _drawings(split)
    chosen = rng.integers(0, len(drawings), count)
    images = drawings[chosen][:, np.newaxis].astype(np.float32) / 255  # (N, 1, 32, 32)
    images = elastic(images, rng, strength=0.04)
    images = affine(images, rng, degrees=15, scale=0.2, shear=0.3, shift=0.06)
    bolder = rng.random(count) < 0.75
    images[bolder] = _bolder(images[bolder])
    blocks = images.reshape(count, SIDE // BLOCK, BLOCK, SIDE // BLOCK, BLOCK)
    return Letters(blocks.mean(axis=(2, 4)), classes[chosen])


def _bolder(images: Array) -> Array:
    """Strokes a pixel wider on each side: every pixel takes the largest of its four neighbours."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    rows, columns = padded[..., 1:-1], padded[..., 1:-1, :]
    neighbours = (rows[..., :-2, :], rows[..., 2:, :], columns[..., :-2], columns[..., 2:])
    return np.asarray(np.maximum.reduce([images, *neighbours]))


@functools.cache
def _drawings(split: str) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Every letter in every font of a split, as printed and narrow: (M, 32, 32), and its class."""
    drawn, classes = [], []
    for font in FONTS[split]:
        for letter in string.ascii_letters:
            same = letter.lower() in SAME_IN_BOTH_CASES
            ink = _fitting(font, letter)
            drawn += [_in_the_middle(ink), _in_the_middle(_narrower(ink))]
            classes += [CLASSES.index(letter.upper() if same else letter)] * 2
    return np.stack(drawn), np.array(classes, dtype=np.int64)


def _fitting(font: str, letter: str) -> npt.NDArray[np.uint8]:
    """A letter's ink at the size at which its longer side is 31 pixels."""
    size = 64 * BOX / max(_ink(font, letter, 64).shape)
    return _ink(font, letter, size)[:SIDE, :SIDE]


def _narrower(ink: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The ink at 0.7 of its width, read between its columns."""
    width = ink.shape[1]
    columns = np.linspace(0, width - 1, max(2, round(NARROW * width)))
    rows = [np.interp(columns, np.arange(width), row) for row in ink]
    return np.array(rows).round().astype(np.uint8)


def _in_the_middle(ink: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    height, width = ink.shape
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    drawing = np.zeros((SIDE, SIDE), np.uint8)
    drawing[top : top + height, left : left + width] = ink
    return drawing


def _ink(font: str, letter: str, size: float) -> npt.NDArray[np.uint8]:
    """The rectangle of a letter that holds ink, at a size in pixels."""
    folder = Path(package("matplotlib", "matplotlib").get_data_path()) / "fonts" / "ttf"
    face = package("matplotlib.ft2font", "matplotlib").FT2Font(str(folder / f"{font}.ttf"))
    face.set_size(size, 72)
    face.set_text(letter)
    face.draw_glyphs_to_bitmap()
    image = np.asarray(face.get_image())
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
