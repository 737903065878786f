"""Equivariance by roll, against torch's circular convolution and brute force."""

import doctest

import numpy as np
import pytest
import torch

from course_lib import equivariance
from course_lib.equivariance import equivariance_error, equivariance_map, roll


def brute_force_roll(image, down, right):
    height, width = image.shape
    out = np.empty_like(image)
    for r in range(height):
        for c in range(width):
            out[(r + down) % height, (c + right) % width] = image[r, c]
    return out


@pytest.mark.parametrize("shift", [1, -2, (0, 3), [2, -1], np.int64(4), (7, 9)])
def test_roll_moves_every_pixel_down_and_right(shift):
    image = np.arange(20).reshape(4, 5)
    down, right = np.broadcast_to(shift, 2)
    np.testing.assert_array_equal(roll(image, shift), brute_force_roll(image, down, right))


def convolution(padding_mode):
    layer = torch.nn.Conv2d(1, 1, 3, padding=1, padding_mode=padding_mode, dtype=torch.float64)

    def op(image):
        with torch.no_grad():
            return layer(torch.from_numpy(np.ascontiguousarray(image))[None, None])[0, 0].numpy()

    return op


@pytest.mark.parametrize("shift", [1, (2, 3), (-1, 4)])
def test_a_circular_convolution_is_equivariant_and_zero_padding_breaks_it(shift):
    torch.manual_seed(0)
    image = np.random.default_rng(0).normal(size=(9, 8))
    assert equivariance_error(convolution("circular"), image, shift) < 1e-12
    assert equivariance_error(convolution("zeros"), image, shift) > 0.01


def test_the_map_of_an_operation_that_knows_the_position():
    image = np.array([[1.0, 2.0, 4.0]])
    got = equivariance_map(lambda x: x * [1, 10, 100], image, (0, 1))
    # op then roll: 400 1 20; roll then op: 4 10 200
    np.testing.assert_array_equal(got, [[396.0, 9.0, 180.0]])


def test_the_error_is_the_largest_value_of_the_map_and_never_negative():
    image = np.random.default_rng(1).integers(0, 255, (5, 6)).astype(np.uint8)
    op = np.cumsum
    error = equivariance_error(lambda x: op(x, axis=1), image, 2)
    assert isinstance(error, float)
    assert error == equivariance_map(lambda x: op(x, axis=1), image, 2).max() > 0


def test_unsigned_pixels_do_not_wrap_around():
    image = np.array([[1, 200]], dtype=np.uint8)
    # op then roll: 0 1; roll then op: 0 200. As bytes, 1 - 200 would be 57.
    assert equivariance_error(lambda x: x * np.array([[0, 1]], np.uint8), image, (0, 1)) == 200.0


def test_an_operation_may_change_the_size():
    image = np.random.default_rng(2).normal(size=(6, 6))
    assert equivariance_map(lambda x: x[::2, ::2], image, 1).shape == (3, 3)


def test_an_operation_that_works_in_place_leaves_the_image_alone():
    image = np.ones((3, 3))

    def op(x):
        x *= 2
        return x

    assert equivariance_error(op, image, 1) == 0.0
    assert image.sum() == 9


@pytest.mark.parametrize(
    ("op", "image", "shift", "error", "said"),
    [
        (np.negative, np.zeros(3), 1, ValueError, r"image has shape \(3,\)"),
        (np.negative, np.zeros((2, 2)), (1, 2, 3), ValueError, "shift"),
        (np.negative, np.zeros((2, 2)), 1.5, TypeError, r"shift \(=1.5\)"),
        (np.ravel, np.zeros((2, 2)), 1, ValueError, r"op\(image\) has shape \(4,\)"),
        (3, np.zeros((2, 2)), 1, TypeError, "op must be a function"),
    ],
)
def test_errors_name_the_argument(op, image, shift, error, said):
    with pytest.raises(error, match=said):
        equivariance_error(op, image, shift)


def test_the_examples_in_the_docstrings_are_true():
    result = doctest.testmod(equivariance)
    assert result.attempted > 0
    assert result.failed == 0
