"""The experiment on depth: its data are whole, it resumes, and its runs can be repeated."""

import doctest
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from course_lib.experiments import degradation
from course_lib.experiments.degradation import SEEDS, Setting, build, load, run, settings, train

QUICK = Setting(8, skip=True, norm=True, steps=20)


def test_the_examples_are_true():
    assert doctest.testmod(degradation).failed == 0


# ── the shipped data ────────────────────────────────────────────────────────────────────────────


def test_every_setting_has_every_seed_once():
    found = [(result.setting, result.seed) for result in load()]
    assert found == [(setting, seed) for setting in settings() for seed in SEEDS]


@pytest.mark.parametrize("result", load(), ids=lambda r: f"{r.setting.depth}-{r.seed}")
def test_a_result_is_whole(result):
    setting = result.setting
    # The stem, two convolutions a block and the head: as many as the depth says.
    assert len(result.norms_before) == setting.depth
    assert min(result.norms_before) >= 0
    if result.diverged:
        assert np.isinf(result.loss)
        assert result.norms_after == ()
    else:
        assert len(result.norms_after) == setting.depth
        assert len(result.losses) == setting.steps // degradation.EVERY
        assert result.loss == pytest.approx(np.mean(result.losses[-2:]), rel=1e-3)
        assert 0 <= result.accuracy <= 1


@pytest.mark.parametrize("seed", SEEDS)
def test_degradation_and_its_cure_show_for_each_seed(seed):
    def loss(depth, skip):
        (found,) = (
            r for r in load() if r.setting == Setting(depth, skip, norm=True) and r.seed == seed
        )
        return found.loss

    plain = [loss(depth, False) for depth in degradation.DEPTHS]
    residual = [loss(depth, True) for depth in degradation.DEPTHS]
    assert plain == sorted(plain)
    assert plain[-1] > 50 * plain[0]
    assert residual[-1] < residual[0]


def test_a_shipped_run_can_be_repeated():
    """The start is the same to four digits; the rest of a run depends on the machine's rounding."""
    shipped = next(r for r in load() if r.setting == Setting(8, skip=False, norm=True))
    again = train(replace(shipped.setting, steps=20), shipped.seed)
    assert again.norms_before == pytest.approx(shipped.norms_before, rel=2e-3)
    assert again.losses == pytest.approx(shipped.losses[:2], rel=2e-2)


# ── the parts ───────────────────────────────────────────────────────────────────────────────────


def test_a_run_is_deterministic():
    assert train(QUICK, 3) == train(QUICK, 3)
    assert train(QUICK, 3).losses != train(QUICK, 4).losses


def test_training_lowers_the_loss():
    result = train(replace(QUICK, steps=60), 0)
    assert result.losses[-1] < result.losses[0] / 2
    assert result.accuracy > 0.5


def test_the_images_have_mean_zero_and_deviation_one():
    images, labels = degradation.training_images()
    assert images.shape == (len(labels), 1, 8, 8)
    assert float(images.mean()) == pytest.approx(0, abs=1e-4)
    assert float(images.std()) == pytest.approx(1, abs=1e-3)
    held_back, _ = degradation.training_images("test")
    assert held_back.min() == images.min()  # scaled by the training part's numbers


def test_zero_last_starts_as_the_stem_and_the_head():
    setting = Setting(20, skip=True, norm=False, zero_last=True)
    deep, shallow = build(setting, 0), build(replace(setting, depth=8), 0)
    shallow.load_state_dict(
        {k: v for k, v in deep.state_dict().items() if k in shallow.state_dict()}
    )
    images, _ = degradation.training_images()
    torch.testing.assert_close(deep(images[:4]), shallow(images[:4]))


def test_gradients_are_measured_without_a_trace():
    net = build(QUICK, 0)
    images, labels = degradation.training_images()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    degradation._norms(net, images, labels)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_a_run_that_explodes_ends():
    result = train(Setting(56, skip=True, norm=False, steps=10), 0)
    assert result.diverged
    assert result.loss == np.inf


# ── the file ────────────────────────────────────────────────────────────────────────────────────


def test_it_resumes_where_it_stopped(tmp_path, monkeypatch):
    path = tmp_path / "some.json"
    trained = []

    def counted(setting, seed):
        trained.append((setting.depth, seed))
        if len(trained) == 2:
            raise KeyboardInterrupt
        return train(setting, seed)

    monkeypatch.setattr(degradation, "train", counted)
    with pytest.raises(KeyboardInterrupt):
        run(path, [QUICK], seeds=(0, 1), progress=False)
    assert [result.seed for result in load(path)] == [0]
    results = run(path, [QUICK], seeds=(0, 1), progress=False)
    assert trained == [(8, 0), (8, 1), (8, 1)]
    assert [result.seed for result in results] == [0, 1]
    assert results == load(path)


def test_infinity_survives_the_file(tmp_path):
    path = tmp_path / "some.json"
    (result,) = run(path, [Setting(56, skip=True, norm=False, steps=5)], (0,), progress=False)
    assert json.loads(path.read_text())[0]["loss"] is None
    assert load(path) == (result,)


def test_the_loss_of_guessing_is_that_of_the_stuck_nets():
    stuck = [
        r.loss
        for r in load()
        if r.setting == Setting(56, skip=False, norm=False) and not r.diverged
    ]
    chance = float(functional.cross_entropy(torch.zeros(1, 10), torch.tensor([0])))
    assert stuck == pytest.approx([chance] * 5, abs=0.02)


def test_a_negative_seed_is_refused(tmp_path):
    with pytest.raises(ValueError, match="seeds"):
        run(tmp_path / "some.json", [QUICK], (-1,), progress=False)
