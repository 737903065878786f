"""The digits: the whole set, and a split that is the same each time and fair to each digit."""

import re

import numpy as np
import pytest
from sklearn.datasets import load_digits

from course_lib.data import digits


def rows(images):
    return [image.tobytes() for image in images]


def test_all_of_them():
    images, labels = digits()
    assert images.shape == (1797, 8, 8)
    assert images.dtype == np.float32
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(images * 16, load_digits().images)
    np.testing.assert_array_equal(labels, load_digits().target)


@pytest.mark.parametrize(("seed", "fraction"), [(0, 0.25), (7, 0.25), (0, 0.5), (3, 0.9)])
def test_the_two_parts_make_the_whole(seed, fraction):
    whole = digits()
    parts = [digits(split, seed, fraction) for split in ("train", "test")]
    # Some digits occur twice in the set, so bags of images are compared, not sets.
    assert sorted(rows(whole.images)) == sorted(rows(parts[0].images) + rows(parts[1].images))
    for label in range(10):
        total = (whole.labels == label).sum()
        in_test = (parts[1].labels == label).sum()
        assert in_test == pytest.approx(fraction * total, abs=0.5)
        assert in_test + (parts[0].labels == label).sum() == total


@pytest.mark.parametrize("split", ["train", "test"])
def test_labels_stay_with_their_images(split):
    known = {}
    for row, label in zip(rows(digits().images), digits().labels, strict=True):
        known.setdefault(row, set()).add(label)
    images, labels = digits(split)
    assert all(label in known[row] for row, label in zip(rows(images), labels, strict=True))


def test_a_seed_fixes_the_split_and_another_changes_it():
    first, again, other = digits("test"), digits("test"), digits("test", seed=1)
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert rows(first.images) != rows(other.images)


def test_changing_the_answer_leaves_the_next_one_alone():
    images, labels = digits()
    images[:], labels[:] = 0, 0
    assert digits().images.max() == 1
    assert digits().labels.max() == 9


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(split="tests"), ValueError, "did you mean 'test'?"),
        (dict(split="valid"), ValueError, "split (='valid') must be one of 'all', 'train', 'test'"),
        (dict(split=0), TypeError, "split (=0) must be a string"),
        (dict(seed=-1), ValueError, "seed (=-1) must be at least 0"),
        (dict(seed=1.0), TypeError, "seed (=1.0) must be an integer"),
        (dict(seed=None), TypeError, "seed (=None) must be an integer"),
        (dict(test_fraction=0), ValueError, "test_fraction (=0.0) must lie between 0 and 1"),
        (dict(test_fraction=1.0), ValueError, "test_fraction (=1.0) must lie between 0 and 1"),
        (dict(test_fraction=-0.5), ValueError, "test_fraction (=-0.5) must lie between 0 and 1"),
        (dict(test_fraction=float("nan")), ValueError, "test_fraction (=nan) must lie between"),
        (dict(test_fraction="0.5"), TypeError, "test_fraction (='0.5') must be a number, not str"),
        (dict(test_fraction=True), TypeError, "test_fraction (=True) must be a number, not bool"),
        (dict(test_fraction=0.001), ValueError, "(=0.001) must leave each part an image of every"),
        (dict(test_fraction=0.999), ValueError, "(=0.999) must leave each part an image of every"),
    ],
)
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        digits(**{"split": "train", **arguments})
