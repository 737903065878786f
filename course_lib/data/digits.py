"""1,797 handwritten digits, 8×8 pixels, that come with scikit-learn."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from course_lib._validate import choice, integer, shown
from course_lib.data._packages import package

__all__ = ["Digits", "digits"]


class Digits(NamedTuple):
    """Images (N, 8, 8), float32 in [0, 1], and their labels (N,), int64 from 0 to 9."""

    images: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]


def digits(split: str = "all", seed: int = 0, test_fraction: float = 0.25) -> Digits:
    """Real handwritten digits: all 1,797 of them, or one part of a split into "train" and "test".

    The split is stratified: of each digit, the same fraction goes to the test part. One `seed` and
    one `test_fraction` always give the same split, so "train" and "test" share no image. Within a
    part the images keep the order they have in the data set. For "all" neither matters.

    Raises ValueError for an unknown split, a negative seed, or a fraction that leaves a part
    without some digit.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998 (its
    test part).

    >>> images, labels = digits("train")
    >>> images.shape, images.dtype, labels.shape
    ((1347, 8, 8), dtype('float32'), (1347,))
    """
    choice(split, "split", ("all", "train", "test"))
    seed = integer(seed, "seed", at_least=0)
    fraction = _fraction(test_fraction)
    images, labels = _whole()
    if split == "all":
        return Digits(images.copy(), labels.copy())
    in_test = _stratified(labels, fraction, seed)
    chosen = in_test if split == "test" else ~in_test
    return Digits(images[chosen], labels[chosen])


@functools.cache
def _whole() -> Digits:
    """The set as its package has it, read once: shared between calls, so never handed out."""
    loaded = package("sklearn.datasets", "scikit-learn").load_digits()
    images = (loaded.images / 16.0).astype(np.float32)  # (1797, 8, 8), stored as 0 … 16
    return Digits(images, loaded.target.astype(np.int64))


def _stratified(labels: npt.NDArray[np.int64], fraction: float, seed: int) -> npt.NDArray[np.bool_]:
    """Which items go to the test part, so that it holds `fraction` of each class."""
    rng = np.random.default_rng(seed)
    in_test = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        n_test = round(fraction * len(members))
        if not 0 < n_test < len(members):
            raise ValueError(
                f"test_fraction (={fraction}) must leave each part an image of every class"
            )
        in_test[members[:n_test]] = True
    return in_test


def _fraction(value: object) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(
        value, (int, float, np.integer, np.floating)
    ):
        raise TypeError(
            f"test_fraction (={shown(value)}) must be a number, not {type(value).__name__}"
        )
    fraction = float(value)
    if not 0.0 < fraction < 1.0:  # true of NaN as well
        raise ValueError(f"test_fraction (={fraction}) must lie between 0 and 1")
    return fraction
