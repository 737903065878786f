"""The experiment on transfer: its data are whole, it resumes, and a setting means what it says."""

import doctest
from dataclasses import replace

import numpy as np
import pytest
import torch

from course_lib import data
from course_lib.experiments import transfer
from course_lib.experiments.transfer import (
    LABELS,
    SEEDS,
    STRATEGIES,
    Setting,
    accuracies,
    draw,
    load,
    run,
    settings,
    train,
)

QUICK = Setting("frozen", 1)


def test_the_examples_are_true():
    assert doctest.testmod(transfer).failed == 0


def test_every_setting_has_every_seed_once():
    found = [(result.setting, result.seed) for result in load()]
    assert found == [(setting, seed) for setting in settings() for seed in SEEDS]
    assert {(s.strategy, s.labels) for s in settings()} >= {
        (strategy, labels) for strategy in STRATEGIES for labels in LABELS
    }
    assert all(0 <= result.accuracy <= 1 for result in load())


@pytest.mark.parametrize("labels", LABELS)
def test_transfer_shows_for_each_seed(labels):
    results = load()
    scratch, full, fast = (
        accuracies(results, Setting(name, labels)) for name in ("scratch", "full", "too fast")
    )
    assert (full > scratch).all()
    assert (fast < scratch).all()


def test_a_shipped_run_can_be_repeated():
    """But for rounding, which differs between machines."""
    shipped = next(r for r in load() if r.setting == Setting("frozen", 5))
    assert train(shipped.setting, shipped.seed).accuracy == pytest.approx(
        shipped.accuracy, abs=0.02
    )


def test_a_draw_is_of_the_training_part_and_another_for_each_seed():
    images, classes = draw(3, 1)
    assert np.bincount(classes).tolist() == [3] * 10
    pool = {image.tobytes() for image in data.digits("train").images}
    assert all(image.tobytes() in pool for image in images)
    assert len({image.tobytes() for image in images}) == 30
    assert not np.array_equal(images, draw(3, 2)[0])


def changed_parts(setting, monkeypatch):
    """The parts of the network that a run leaves different from the pretrained one."""
    kept = []
    build = transfer._network

    def keep(*args):
        kept.append(build(*args))
        kept.append({key: value.clone() for key, value in kept[0].state_dict().items()})
        return kept[0]

    monkeypatch.setattr(transfer, "_network", keep)
    monkeypatch.setattr(transfer, "HEAD_STEPS", 2)
    monkeypatch.setattr(transfer, "STEPS", {1: 2})
    train(setting, 0)
    model, before = kept
    moved = [k for k, v in model.state_dict().items() if not torch.equal(v, before[k])]
    return {key.partition(".")[0] for key in moved}, any("running" in key for key in moved)


@pytest.mark.parametrize(
    ("setting", "parts", "norms"),
    [
        (QUICK, {"fc"}, False),
        (replace(QUICK, mixup=0.2), {"fc"}, False),
        (
            replace(QUICK, norm_moves=True),
            {"bn1", "layer1", "layer2", "layer3", "fc"},
            True,
        ),
        (Setting("partly", 1), {"layer3", "fc"}, False),
        (
            Setting("full", 1, decay=0.6),
            {"conv1", "bn1", "layer1", "layer2", "layer3", "fc"},
            False,
        ),
    ],
)
def test_a_strategy_changes_what_it_says(setting, parts, norms, monkeypatch):
    assert changed_parts(setting, monkeypatch) == (parts, norms)


def test_a_run_is_deterministic(monkeypatch):
    monkeypatch.setattr(transfer, "HEAD_STEPS", 5)
    noisy = replace(QUICK, augmented=True, mixup=0.4)
    assert train(noisy, 3) == train(noisy, 3)


def test_it_resumes_where_it_stopped(tmp_path, monkeypatch):
    path = tmp_path / "some.json"
    trained = []

    def counted(setting, seed):
        trained.append(seed)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return transfer.Result(setting, seed, 0.5)

    monkeypatch.setattr(transfer, "train", counted)
    with pytest.raises(KeyboardInterrupt):
        run(path, [QUICK], seeds=(0, 1), progress=False)
    assert [result.seed for result in load(path)] == [0]
    results = run(path, [QUICK], seeds=(0, 1), progress=False)
    assert trained == [0, 1, 1]
    assert results == load(path)


def test_wrong_arguments_are_refused(tmp_path):
    with pytest.raises(ValueError, match="seeds"):
        run(tmp_path / "some.json", [QUICK], (-1,), progress=False)
    with pytest.raises(ValueError, match="did you mean 'frozen'"):
        train(Setting("frozn", 1), 0)
    with pytest.raises(ValueError, match="labels"):
        draw(0, 0)
