"""The experiment on skips: its data are whole, it resumes, and its runs can be repeated."""

import doctest

import numpy as np
import pytest

from course_lib.data import coins
from course_lib.experiments import segmentation
from course_lib.experiments.segmentation import SEEDS, Setting, load, run, settings


def test_the_examples_are_true():
    assert doctest.testmod(segmentation).failed == 0


def test_every_setting_has_every_seed_once():
    found = [(result.setting, result.seed) for result in load()]
    assert found == [(setting, seed) for setting in settings() for seed in SEEDS]
    assert len(SEEDS) >= 5


@pytest.mark.parametrize("result", load(), ids=lambda r: f"{r.setting}-{r.seed}")
def test_a_result_is_whole(result):
    net = segmentation.build(result.setting, result.seed)
    assert result.parameters == sum(weight.numel() for weight in net.parameters())
    assert 0 < result.iou < result.mean_iou < 1
    assert 0 < result.boundary_error < 1


@pytest.mark.parametrize("seed", SEEDS)
def test_the_gap_shows_for_each_seed(seed):
    def of(*setting):
        (found,) = (r for r in load() if r.setting == Setting(*setting) and r.seed == seed)
        return found

    assert of("scenes", True).mean_iou >= 0.90
    assert of("scenes", False).mean_iou < of("scenes", True).mean_iou - 0.1
    assert of("scenes", False).boundary_error > 2 * of("scenes", True).boundary_error
    assert of("coins", False).boundary_error > 2 * of("coins", True).boundary_error


@pytest.fixture
def tiny(monkeypatch):
    """The same experiment with next to nothing to train on."""
    for name, value in {"TRAINED": 32, "EPOCHS": 1, "JUDGED": 6, "CUTS": 32}.items():
        monkeypatch.setattr(segmentation, name, value)


def test_it_goes_on_where_it_was_interrupted(tiny, tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    which = [Setting("coins", True, 2), Setting("scenes", False, 2)]
    train = segmentation.train

    def until_the_second(setting, seed):
        if (setting, seed) == (which[1], 0):
            raise KeyboardInterrupt
        return train(setting, seed)

    monkeypatch.setattr(segmentation, "train", until_the_second)
    with pytest.raises(KeyboardInterrupt):
        run(path, which, seeds=(0,), progress=False)
    assert [r.setting for r in load(path)] == which[:1]
    trained = []
    monkeypatch.setattr(segmentation, "train", lambda s, seed: trained.append(s) or train(s, seed))
    first = run(path, which, seeds=(0,), progress=False)
    assert trained == which[1:]
    assert run(path, which, seeds=(0,), progress=False) == first == load(path)
    assert len(trained) == 1


def test_a_run_can_be_repeated(tiny):
    setting = Setting("scenes", True, 2)
    assert segmentation.train(setting, 3) == segmentation.train(setting, 3)


def test_training_lowers_the_loss():
    images, truth = segmentation.cuts(64, seed=0)
    losses = segmentation.fit(segmentation.build(Setting("coins", True, 4), 0), images, truth, 6)
    assert len(losses) == 6 * 4
    assert np.mean(losses[-4:]) < 0.85 * np.mean(losses[:4])


def test_cuts_lie_in_the_left_half():
    images, truth = segmentation.cuts(6, seed=1)
    assert images.shape == (6, 1, 32, 32)
    assert truth.shape == (6, 32, 32)
    left = np.lib.stride_tricks.sliding_window_view(coins("left").image, (32, 32))
    for cut in images[:, 0]:
        turns = [cut[::down, ::right] for down in (1, -1) for right in (1, -1)]
        assert any((left == turn).all(axis=(2, 3)).any() for turn in turns)


def test_masks_of_images_that_do_not_divide():
    net = segmentation.build(Setting("coins", True, 2), 0)
    image = np.random.default_rng(0).random((2, 1, 19, 33), dtype=np.float32)
    found = segmentation.masks_of(net, image)
    assert found.shape == (2, 19, 33)
    assert set(np.unique(found)) <= {0, 1}


def test_what_is_no_picture_or_seed_is_refused(tmp_path):
    with pytest.raises(ValueError, match="pictures"):
        segmentation.held_back("cats")
    with pytest.raises(ValueError, match="seeds"):
        run(tmp_path / "none.json", seeds=(-1,), progress=False)
