"""Permuted pixels: every value kept, one permutation for all, the same from the same seed."""

import re

import numpy as np
import pytest

from course_lib.data import permute_pixels


def images_of(shape):
    return np.random.default_rng(0).normal(size=shape)


@pytest.mark.parametrize("shape", [(8, 8), (5, 8, 8), (4, 3, 7, 6), (2, 1, 9)])
def test_each_image_keeps_its_pixels(shape):
    images = images_of(shape)
    permuted = permute_pixels(images, seed=0)
    assert permuted.shape == shape
    for before, after in zip(
        images.reshape(-1, shape[-2] * shape[-1]),
        permuted.reshape(-1, shape[-2] * shape[-1]),
        strict=True,
    ):
        np.testing.assert_array_equal(np.sort(before), np.sort(after))
        assert (before != after).any()


def test_one_permutation_for_all_images_and_channels():
    image = np.arange(42.0).reshape(6, 7)
    stack = np.broadcast_to(image, (4, 3, 6, 7))
    expected = permute_pixels(image, seed=5)
    np.testing.assert_array_equal(
        permute_pixels(stack, seed=5), np.broadcast_to(expected, (4, 3, 6, 7))
    )


def test_the_seed_decides():
    images = images_of((3, 8, 8))
    np.testing.assert_array_equal(permute_pixels(images, 1), permute_pixels(images[:], np.int64(1)))
    assert (permute_pixels(images, 1) != permute_pixels(images, 2)).any()


def test_the_permutation_does_not_depend_on_how_many_images_there_are():
    images = images_of((10, 8, 8))
    np.testing.assert_array_equal(permute_pixels(images, 3)[:4], permute_pixels(images[:4], 3))


@pytest.mark.parametrize("dtype", ["uint8", "float32", "bool"])
def test_the_type_stays(dtype):
    assert permute_pixels(np.ones((2, 3, 3), dtype), 0).dtype == dtype


def test_the_input_is_unchanged_and_may_be_any_view():
    base = images_of((4, 6, 8))
    before = base.copy()
    base.setflags(write=False)
    view = base[::2, ::-1, ::3]
    permuted = permute_pixels(view, 0)
    np.testing.assert_array_equal(permuted, permute_pixels(view.copy(), 0))
    np.testing.assert_array_equal(base, before)
    assert permuted.flags.writeable
    assert not np.shares_memory(permuted, base)


def test_a_single_pixel_is_copied():
    image = np.ones((1, 1))
    assert not np.shares_memory(permute_pixels(image, 0), image)


@pytest.mark.parametrize(
    ("images", "seed", "error", "message"),
    [
        ([1, 2, 3], 0, ValueError, "images has shape (3,), must have at least 2 dimensions"),
        (np.zeros((8, 0, 8)), 0, ValueError, "images has shape (8, 0, 8), must not be empty"),
        ("digits", 0, TypeError, "images (='digits') must be an array of real numbers"),
        (np.zeros((2, 2)), -1, ValueError, "seed (=-1) must be at least 0"),
        (np.zeros((2, 2)), 0.5, TypeError, "seed (=0.5) must be an integer"),
        (np.zeros((2, 2)), None, TypeError, "seed (=None) must be an integer"),
    ],
)
def test_bad_input(images, seed, error, message):
    with pytest.raises(error, match=re.escape(message)):
        permute_pixels(images, seed)
