"""The photographs: what they are, how they are cut and resized, and that nobody can spoil them."""

import re

import numpy as np
import pytest
import skimage.color
import skimage.data
from sklearn.datasets import load_sample_image

from course_lib.data import photograph, photograph_names


def test_the_names():
    assert photograph_names() == (
        "astronaut", "brick", "camera", "chelsea", "china",
        "coffee", "coins", "flower", "grass", "gravel",
    )  # fmt: skip


@pytest.mark.parametrize("name", photograph_names())
def test_every_photograph_in_grey_and_in_colour(name):
    grey, colour = photograph(name), photograph(name, grey=False)
    assert colour.shape == (*grey.shape, 3)
    for image in (grey, colour):
        assert image.dtype == np.float32
        assert image.min() >= 0
        assert image.max() <= 1
        assert image.std() > 0.05  # a picture, not a plain field
    np.testing.assert_allclose(skimage.color.rgb2gray(colour), grey, atol=1e-6)


def test_values_are_the_pixels_over_255():
    np.testing.assert_array_equal(photograph("camera"), np.float32(skimage.data.camera() / 255.0))
    china = load_sample_image("china.jpg") / 255.0
    np.testing.assert_array_equal(photograph("china", grey=False), np.float32(china))


@pytest.mark.parametrize(
    ("size", "shape"),
    [
        (32, (32, 32)),
        ((20, 50), (20, 50)),
        ([50, 20], (50, 20)),
        (600, (600, 600)),
        (np.int64(1), (1, 1)),
        ((1, 400), (1, 400)),
    ],
)
@pytest.mark.parametrize("grey", [True, False])
def test_sizes(size, shape, grey):
    image = photograph("chelsea", size, grey)
    assert image.shape == (shape if grey else (*shape, 3))
    assert image.dtype == np.float32
    assert image.min() >= 0
    assert image.max() <= 1


def test_a_size_of_its_own_changes_nothing():
    np.testing.assert_allclose(photograph("coins", (303, 384)), photograph("coins"), atol=1e-6)


def test_resizing_cuts_around_the_centre_and_stretches_nothing():
    whole, square = photograph("coffee"), photograph("coffee", 100)  # 400×600, and its middle
    blocks = whole[:, 100:500].reshape(100, 4, 100, 4).mean(axis=(1, 3))
    # Anti-aliasing weighs a block's pixels otherwise than a mean does: alike, not equal.
    assert np.corrcoef(square.ravel(), blocks.ravel())[0, 1] > 0.99
    left_edge = whole[:, :400].reshape(100, 4, 100, 4).mean(axis=(1, 3))
    assert np.corrcoef(square.ravel(), left_edge.ravel())[0, 1] < 0.9


def test_resizing_blurs_before_it_samples():
    bricks = photograph("brick")
    sampled = bricks[::16, ::16]
    assert photograph("brick", 32).std() < sampled.std()


def test_changing_a_photograph_leaves_the_next_one_alone():
    for grey in (True, False):
        first = photograph("camera", grey=grey)
        before = first.copy()
        first[:] = 0
        np.testing.assert_array_equal(photograph("camera", grey=grey), before)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(name="camra"), ValueError, "name (='camra') must be one of 'astronaut', 'brick',"),
        (dict(name="camra"), ValueError, "did you mean 'camera'?"),
        (dict(name="Chelsea"), ValueError, "did you mean 'chelsea'?"),
        (dict(name="gras"), ValueError, "did you mean 'grass'"),
        (dict(name=""), ValueError, "name (='') must be one of"),
        (dict(name=3), TypeError, "name (=3) must be a string, not int"),
        (dict(size=0), ValueError, "size (=0) must be at least 1"),
        (dict(size=(10, -1)), ValueError, "size[1] (=-1) must be at least 1"),
        (dict(size=10.0), TypeError, "size (=10.0) must be an integer"),
        (dict(size=(1, 2, 3)), ValueError, "size (=(1, 2, 3)) must be an integer or a pair"),
        (dict(grey=1), TypeError, "grey (=1) must be True or False"),
    ],
)
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        photograph(**{"name": "camera", **arguments})
