"""Scenes and coins: what they hold, and that nothing of a test picture is in training."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from skimage.measure import label, regionprops

from course_lib.data import coins, photograph, photograph_names, scenes
from course_lib.data import segmentation as made


def test_photographs_and_fonts_are_in_one_split_only():
    for table in (made.PHOTOGRAPHS, made.SCENE_FONTS):
        assert set(table) == {"train", "test"}
        assert not set(table["train"]) & set(table["test"])
    used = {name for names in made.PHOTOGRAPHS.values() for name in names}
    assert used == set(photograph_names()) - {"coins"}


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_split_shows_its_photographs_alone(split, monkeypatch):
    shown = set()
    monkeypatch.setattr(made, "photograph", lambda name: shown.add(name) or photograph(name))
    made._reduced.cache_clear()
    scenes(split, 60, seed=1)
    made._reduced.cache_clear()
    assert shown == set(made.PHOTOGRAPHS[split])


@pytest.mark.parametrize("size", [16, 32, 48, 96])
def test_what_a_scene_is(size):
    images, masks = scenes("train", 12, seed=3, size=size)
    assert images.shape == (12, 1, size, size)
    assert images.dtype == np.float32
    assert masks.shape == (12, size, size)
    assert masks.dtype == np.int64
    assert images.min() >= 0
    assert images.max() <= 1
    assert set(np.unique(masks)) == {0, 1}
    share = masks.mean(axis=(1, 2))
    assert share.min() > 0.005
    assert share.max() < 0.7


def test_one_seed_one_set_of_scenes():
    for split in ("train", "test"):
        first, again, other = (scenes(split, 4, seed) for seed in (1, 1, 2))
        assert np.array_equal(first.images, again.images)
        assert np.array_equal(first.masks, again.masks)
        assert not np.array_equal(first.masks, other.masks)
    assert not np.array_equal(scenes("train", 4, 1).masks, scenes("test", 4, 1).masks)
    assert np.array_equal(scenes("train", 2, 1).images, scenes("train", 4, 1).images[:2])


def test_characters_stand_out_from_what_they_cover(monkeypatch):
    """The mask marks the pixels that the characters changed."""
    monkeypatch.setattr(made, "_ink", lambda font, character, height, angle: np.full((6, 4), 255))
    monkeypatch.setattr(made, "_pick", lambda rng, options: options[0])
    images, masks = scenes("train", 20, seed=5)
    for image, mask in zip(images[:, 0], masks, strict=True):
        for part in regionprops(label(mask)):
            if part.area == 24:  # alone: one grey, but for the noise
                assert image[tuple(part.coords.T)].std() < 0.05


def test_none_is_an_empty_batch():
    images, masks = scenes("test", 0)
    assert images.shape == (0, 1, 32, 32)
    assert masks.shape == (0, 32, 32)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"split": "all"}, "split"),
        ({"count": -1}, r"count \(=-1\)"),
        ({"seed": -1}, r"seed \(=-1\)"),
        ({"size": 8}, r"size \(=8\) must be at least 16"),
        ({"size": 97}, r"size \(=97\) must be at most 96"),
    ],
)
def test_what_cannot_be_made_is_refused(given, words):
    with pytest.raises(ValueError, match=words):
        scenes(**given)


def test_the_halves_of_the_coins_share_no_pixel():
    left, right = coins("left"), coins("right")
    whole = photograph("coins")[:302, :384].reshape(151, 2, 192, 2).mean(axis=(1, 3))
    both = np.concatenate([left.image, right.image], axis=1)
    np.testing.assert_allclose(both, whole, atol=1e-6)
    assert left.mask.shape == right.mask.shape == (151, 96)
    assert left.mask.dtype == np.int64


def test_all_24_coins_are_found_and_are_round():
    _, mask = made._coins()
    found = regionprops(label(mask))
    assert len(found) == 24
    assert min(part.solidity for part in found) > 0.9
    both = np.concatenate([coins("left").mask, coins("right").mask], axis=1)
    assert label(both).max() == 24
    assert 0.2 < both.mean() < 0.4


def test_an_unknown_half_is_refused():
    with pytest.raises(ValueError, match="half"):
        coins("top")


def test_threads_that_draw_at_once_draw_the_same():
    alone = [scenes("train", 20, seed=seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda seed: scenes("train", 20, seed=seed), range(4)))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.masks, other.masks)
