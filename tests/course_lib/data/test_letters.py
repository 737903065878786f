"""Rendered letters: what they look like, that fonts do not mix, and what a seed gives."""

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from course_lib import data
from course_lib.data.letters import CLASSES, FONTS, NARROW, _drawings, letters

FOLDER = Path(matplotlib.get_data_path()) / "fonts" / "ttf"


def test_shapes_types_and_range():
    images, labels = letters("train", 50, seed=2)
    assert (images.shape, images.dtype) == ((50, 8, 8), np.float32)
    assert (labels.shape, labels.dtype) == ((50,), np.int64)
    assert 0 <= images.min() < images.max() <= 1
    assert len(letters("test", 0).images) == 0


def test_a_seed_repeats_them_and_another_does_not():
    first, again, other = (letters("test", 20, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.images, again.images)
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.images, other.images)


def test_no_digit_is_a_class_and_every_class_comes():
    assert not any(name.isdigit() for name in CLASSES)
    assert len(set(CLASSES)) == len(CLASSES) == 44
    for split in FONTS:
        assert set(_drawings(split)[1].tolist()) == set(range(44))


def test_no_font_is_in_both_splits_and_each_is_matplotlibs():
    assert not set(FONTS["train"]) & set(FONTS["test"])
    assert all((FOLDER / f"{font}.ttf").exists() for fonts in FONTS.values() for font in fonts)


def test_a_drawing_is_the_fonts_letter():
    """Against Pillow, which renders with its own copy of FreeType."""
    drawings, classes = _drawings("test")
    font = ImageFont.truetype(str(FOLDER / f"{FONTS['test'][0]}.ttf"), 200)
    for letter in "AgEkR":
        picture = Image.new("L", (400, 400))
        ImageDraw.Draw(picture).text((100, 60), letter, font=font, fill=255)
        ink = picture.crop(picture.getbbox())
        height, width = (max(2, round(31 * side / max(ink.size))) for side in ink.size[::-1])
        theirs = np.zeros((32, 32))
        top, left = (32 - height) // 2, (32 - width) // 2
        theirs[top : top + height, left : left + width] = ink.resize((width, height))
        (place, *_) = np.flatnonzero(classes == CLASSES.index(letter))  # the first font, as printed
        agree = np.corrcoef(drawings[place].ravel(), theirs.ravel())[0, 1]
        assert agree > 0.85


def test_every_second_drawing_is_narrow():
    drawings, _ = _drawings("test")
    widths = drawings.any(axis=1).sum(axis=1)
    wide = widths[::2] > 20
    assert wide.any()
    assert widths[1::2][wide] / widths[::2][wide] == pytest.approx(NARROW, abs=0.05)
    assert drawings.any(axis=2).sum(axis=1).max() <= 32


def test_they_are_as_bright_as_the_digits():
    """Numbers of a backbone's preprocessing: they must do for both."""
    ours, digits = letters("train", 2000).images, data.digits().images
    assert abs(ours.mean() - digits.mean()) < 0.03
    assert abs(ours.std() - digits.std()) < 0.04


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("all",), "split"), (("train", -1), "count"), (("train", 1, -1), "seed")],
)
def test_impossible_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        letters(*arguments)
