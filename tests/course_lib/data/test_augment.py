"""Augmentation: what each function does to an image, against scikit-image and plain slices."""

import numpy as np
import pytest
from skimage import transform

from course_lib import data
from course_lib.data import augment

ALL = [
    augment.shift,
    augment.affine,
    augment.mirror,
    augment.brightness,
    augment.noise,
    augment.cutout,
    augment.elastic,
    augment.random_resized_crop,
    augment.augment_digits,
    augment.augment_photographs,
]


def pictures(n=6, channels=2, height=9, width=12, dtype=np.float32):
    return np.random.default_rng(1).random((n, channels, height, width)).astype(dtype)


@pytest.mark.parametrize("function", ALL)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shape_and_type_stay_and_the_input_too(function, dtype):
    images = pictures(dtype=dtype)
    before = images.copy()
    out = function(images, np.random.default_rng(0))
    assert (out.shape, out.dtype) == (images.shape, dtype)
    assert np.array_equal(images, before)
    assert not np.shares_memory(out, images)
    assert out.min() >= 0
    assert out.max() <= 1


@pytest.mark.parametrize("function", ALL)
def test_each_draw_is_another_and_a_seed_repeats_it(function):
    images = pictures()
    first, again = (function(images, np.random.default_rng(3)) for _ in range(2))
    other = function(images, np.random.default_rng(4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, images)


@pytest.mark.parametrize("function", ALL)
def test_an_empty_batch_and_one_of_one_will_do(function):
    rng = np.random.default_rng(0)
    assert function(pictures(n=0), rng).shape == (0, 2, 9, 12)
    assert function(pictures(n=1), rng).shape == (1, 2, 9, 12)


@pytest.mark.parametrize("function", ALL)
def test_wrong_input_is_named(function):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="images has shape"):
        function(np.zeros((8, 8)), rng)
    with pytest.raises(TypeError, match=r"images .*must be floats"):
        function(np.zeros((1, 1, 8, 8), np.uint8), rng)


@pytest.mark.parametrize(
    ("function", "settings", "words"),
    [
        (augment.shift, {"pixels": -1}, "pixels"),
        (augment.affine, {"degrees": -1}, "degrees"),
        (augment.affine, {"scale": 1}, "scale"),
        (augment.affine, {"border": "mirror"}, "border"),
        (augment.mirror, {"share": 2}, "share"),
        (augment.brightness, {"limit": -0.1}, "limit"),
        (augment.noise, {"deviation": -1}, "deviation"),
        (augment.cutout, {"size": 0}, "size"),
        (augment.elastic, {"strength": -0.1}, "strength"),
        (augment.elastic, {"cells": 0}, "cells"),
        (augment.random_resized_crop, {"smallest": 1.5}, "smallest"),
    ],
)
def test_impossible_amounts_are_named(function, settings, words):
    with pytest.raises(ValueError, match=words):
        function(pictures(), np.random.default_rng(0), **settings)


def test_shifts_are_all_those_within_reach():
    image = np.zeros((1, 1, 7, 7))
    image[0, 0, 3, 3] = 1
    rng = np.random.default_rng(0)
    seen = {
        tuple(np.argwhere(augment.shift(image, rng, pixels=2)[0, 0])[0] - 3) for _ in range(400)
    }
    assert seen == {(down, right) for down in range(-2, 3) for right in range(-2, 3)}


def only(**amount):
    return {"degrees": 0.0, "scale": 0.0, "shear": 0.0, "shift": 0.0, **amount}


class Fixed:
    """A generator whose even draws all lie at the upper end."""

    def uniform(self, low, high, size):
        return np.full(size, float(high))


@pytest.mark.parametrize("border", ["zeros", "replicate"])
def test_a_turn_is_scikit_images(border):
    images = pictures(n=2)
    ours = augment.affine(images, Fixed(), **only(degrees=30), border=border)
    mode = {"zeros": "constant", "replicate": "edge"}[border]
    turned = [
        [transform.rotate(plane, -30, order=1, mode=mode) for plane in image]
        for image in images.astype(float)
    ]
    np.testing.assert_allclose(ours, turned, atol=1e-5)


def test_a_move_is_by_so_many_pixels():
    images = pictures(n=1, height=10, width=20)
    ours = augment.affine(images, Fixed(), **only(shift=0.1))
    expected = np.zeros_like(images)
    expected[:, :, 1:, 2:] = images[:, :, :-1, :-2]
    np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_a_stretch_makes_it_larger():
    image = np.zeros((1, 1, 21, 21))
    image[0, 0, 8:13, 8:13] = 1
    assert augment.affine(image, Fixed(), **only(scale=0.5)).sum() == pytest.approx(
        1.5**2 * 25, rel=0.1
    )


class Moving:
    """A generator whose normal draws move everything down by one standard deviation."""

    def standard_normal(self, shape):
        moves = np.zeros(shape)
        moves[:, 0] = -1
        return moves


def test_rubber_that_moves_alike_everywhere_shifts():
    images = pictures(n=2, height=10, width=12)
    moved = augment.elastic(images, Moving(), strength=0.1)
    np.testing.assert_allclose(moved[:, :, 1:], images[:, :, :-1], atol=1e-6)
    assert not moved[:, :, 0].any()


def test_rubber_bends_parts_by_themselves_and_neighbours_alike():
    stripes = np.tile(np.arange(32.0) / 32, (40, 1, 32, 1))  # (40, 1, 32, 32), brighter rightwards
    moves = augment.elastic(stripes, np.random.default_rng(0), 0.02)[:, 0, 8:24, 8:24]
    moves = moves - stripes[:, 0, 8:24, 8:24]
    far, near = moves[:, 0, 0] - moves[:, -1, -1], moves[:, 0, 0] - moves[:, 0, 1]
    assert far.std() > 5 * near.std()


def test_a_slant_moves_rows_aside():
    image = np.zeros((1, 1, 5, 9))
    image[0, 0, :, 4] = 1
    slanted = augment.affine(image, Fixed(), **only(shear=1.0))[0, 0]
    columns = slanted.argmax(axis=1) if slanted[0].any() else None
    assert columns is not None
    assert set(np.diff(columns)) in ({1}, {-1})


def test_a_mirror_flips_about_as_many_as_asked():
    images = pictures(n=400)
    out = augment.mirror(images, np.random.default_rng(0), share=0.25)
    flipped = (out == images[..., ::-1]).all(axis=(1, 2, 3))
    kept = (out == images).all(axis=(1, 2, 3))
    assert (flipped ^ kept).all()
    assert 60 < flipped.sum() < 140


def test_a_full_crop_is_the_image_and_a_crop_stays_within_its_range():
    images = pictures()

    class Whole(Fixed):
        def uniform(self, low, high, size):
            return np.full(size, 1.0 if low == 0.5 else 0.0)

        def random(self, size):
            return np.zeros(size)

    np.testing.assert_allclose(augment.random_resized_crop(images, Whole()), images, atol=1e-6)
    out = augment.random_resized_crop(images, np.random.default_rng(0), smallest=0.2)
    assert images.min() <= out.min() <= out.max() <= images.max()


def test_cutout_takes_a_square_of_every_channel():
    out = augment.cutout(np.ones((300, 3, 12, 12)), np.random.default_rng(0), size=4)
    gone = out == 0
    assert (gone.all(axis=1) == gone.any(axis=1)).all()
    sizes = gone[:, 0].sum(axis=(1, 2))
    assert sizes.max() == 16
    assert sizes.min() >= 4


def test_augmented_digits_are_still_closest_to_their_own_kind():
    """By the nearest of all real digits, the augmented one's own source left out."""
    images, labels = data.digits()
    images, labels = images[:600], labels[:600]
    rng = np.random.default_rng(0)
    large = images[:, None].repeat(4, axis=2).repeat(4, axis=3)
    changed = augment.augment_digits(large, rng).reshape(600, 8, 4, 8, 4).mean((2, 4))

    def right(queries):
        distance = ((queries[:, None] - images[None]) ** 2).sum((2, 3))
        np.fill_diagonal(distance, np.inf)
        return np.mean(labels[distance.argmin(1)] == labels)

    assert right(images) > 0.95
    assert right(changed) > 0.85
    assert right(images[:, ::-1, ::-1]) < 0.6  # what a half turn would do
