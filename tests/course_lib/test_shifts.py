"""Shifts of whole pixels against a loop, shifts between pixels against waves in closed form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.shifts import moved_between_pixels, shift_sensitivity


def test_sensitivity_is_the_mean_over_the_shifts():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 6))
    op = np.tanh
    expected = 0.0
    for shift in (1, 2, 3):
        moved = np.empty_like(x)
        for column in range(6):
            moved[..., (column + shift) % 6] = x[..., column]
        expected += np.abs(op(moved) - op(x)).mean() / 3
    assert shift_sensitivity(op, x, 3) == pytest.approx(expected / np.abs(op(x)).mean())


def test_what_does_not_notice_has_no_sensitivity():
    x = np.random.default_rng(0).normal(size=(1, 2, 4, 6))
    assert shift_sensitivity(lambda a: a.sum(axis=(2, 3)), x, 5) == pytest.approx(0, abs=1e-12)


def test_it_does_not_depend_on_brightness():
    x = np.random.default_rng(0).normal(size=(4, 6))
    assert shift_sensitivity(np.abs, 7 * x, 2) == pytest.approx(shift_sensitivity(np.abs, x, 2))


def test_integers_do_not_wrap_around():
    x = np.array([[200, 0, 100, 0]], dtype=np.uint8)
    assert shift_sensitivity(lambda a: a, x, 1) == 2.0


@pytest.mark.parametrize(
    ("op", "x", "max_shift", "error"),
    [
        (3, [1.0], 1, TypeError),
        (np.abs, [1.0, 2.0], 0, ValueError),
        (np.abs, [0.0, 0.0], 1, ValueError),
    ],
)
def test_sensitivity_refuses(op, x, max_shift, error):
    with pytest.raises(error, match="must"):
        shift_sensitivity(op, x, max_shift)


@given(st.integers(3, 9), st.integers(-9, 9))
def test_a_whole_shift_is_a_roll(width, shift):
    x = np.random.default_rng(width).normal(size=(2, width))
    np.testing.assert_allclose(moved_between_pixels(x, shift), np.roll(x, shift, -1), atol=1e-12)


@given(st.floats(-3, 3), st.integers(0, 3), st.floats(0, 6))
def test_a_wave_moves_as_it_should(shift, frequency, phase):
    places = np.arange(9)
    wave = np.cos(2 * np.pi * frequency * places / 9 + phase)
    moved = np.cos(2 * np.pi * frequency * (places - shift) / 9 + phase)
    np.testing.assert_allclose(moved_between_pixels(wave, shift), moved, atol=1e-12)
