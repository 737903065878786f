"""How much an output changes when its image moves, and how to move one by part of a pixel.

Images are shifted with `np.roll`, so that what leaves on one side comes in on the other and no
pixel is made up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from course_lib._validate import Array, integer

__all__ = ["moved_between_pixels", "shift_sensitivity"]


def shift_sensitivity(op: Callable[[Array], Any], x: npt.ArrayLike, max_shift: int) -> float:
    """How much the output of `op` changes, in proportion, when its images move to the right.

    For each shift from 1 to `max_shift` pixels along the last axis of `x`, the mean absolute change
    of the output; the mean of these, divided by the mean absolute output. Zero for an operation
    that does not notice.

    Raises TypeError where `op` is no function, ValueError where `max_shift` is below 1 or the
    output is zero everywhere, so that there is nothing to compare with.

    >>> shift_sensitivity(np.negative, [1, 0, 0, 0], max_shift=1)
    2.0
    """
    if not callable(op):
        raise TypeError(f"op must be a function of an array, not {type(op).__name__}")
    images = np.asarray(x)
    before = np.asarray(op(images), dtype=np.float64)
    size = float(np.abs(before).mean())
    if size == 0:
        raise ValueError("op(x) must not be zero everywhere")
    changes = [
        np.abs(np.asarray(op(np.roll(images, shift, axis=-1)), dtype=np.float64) - before).mean()
        for shift in range(1, integer(max_shift, "max_shift", at_least=1) + 1)
    ]
    return float(np.mean(changes)) / size


def moved_between_pixels(x: npt.ArrayLike, shift: float) -> npt.NDArray[np.float64]:
    """Arrays moved to the right by `shift` pixels, which need not be a whole number.

    Between the pixels of the last axis runs the smoothest periodic curve through them (the sum of
    waves that the Fourier transform finds); its values at the new places are returned.

    >>> print(np.round(moved_between_pixels([0.0, 1.0, 2.0, 1.0], shift=1), 3))
    [1. 0. 1. 2.]
    """
    values = np.asarray(x, dtype=np.float64)
    waves = np.fft.rfft(values, axis=-1)
    turns = np.exp(-2j * np.pi * np.fft.rfftfreq(values.shape[-1]) * shift)
    return np.asarray(np.fft.irfft(waves * turns, n=values.shape[-1], axis=-1))
