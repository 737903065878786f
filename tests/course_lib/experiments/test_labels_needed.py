"""CNN and ViT on few labels: the data are whole and fair, runs resume and can be repeated."""

import doctest
from dataclasses import replace

import numpy as np
import pytest
import torch

from course_lib.experiments import labels_needed
from course_lib.experiments.labels_needed import (
    LABELS,
    NETWORKS,
    SEEDS,
    Setting,
    best,
    build,
    finals,
    load,
    run,
    subset,
    train,
    trials,
)

QUICK = Setting("vit", 50, 0.003, steps=5)


def test_the_examples_are_true():
    assert doctest.testmod(labels_needed).failed == 0


# ── the shipped data ────────────────────────────────────────────────────────────────────────────


def test_every_setting_has_every_seed_once():
    results = load()
    wanted = [(s, seed) for s in trials() for seed in labels_needed.TUNING_SEEDS]
    wanted += [(s, seed) for s in finals(results) for seed in SEEDS]
    assert [(r.setting, r.seed) for r in results] == wanted


@pytest.mark.parametrize("result", load(), ids=lambda r: f"{r.setting.network}-{r.seed}")
def test_a_result_is_whole(result):
    assert 0 <= result.accuracy <= 1
    assert np.isfinite(result.loss)
    layers = 4 if result.setting.network == "vit" else 0
    for reach in (result.reach_before, result.reach_after):
        assert len(reach) == layers
        assert all(len(heads) == 4 and 0 < min(heads) <= max(heads) < 8.5 for heads in reach)


def accuracies(network, labels, augment=False):
    return {
        r.seed: r.accuracy
        for r in load()
        if not r.setting.tuning
        and r.setting.steps == 300
        and (r.setting.network, r.setting.labels, r.setting.augment) == (network, labels, augment)
    }


@pytest.mark.parametrize("labels", LABELS)
def test_the_cnn_is_ahead_for_each_seed_and_less_with_more_labels(labels):
    cnn, vit = accuracies("cnn", labels), accuracies("vit", labels)
    assert set(cnn) == set(vit) == set(SEEDS)
    assert all(cnn[seed] > vit[seed] for seed in SEEDS)
    gaps = [
        np.mean(list(accuracies("cnn", n).values())) - np.mean(list(accuracies("vit", n).values()))
        for n in LABELS
    ]
    assert gaps == sorted(gaps, reverse=True)


def test_both_networks_are_of_one_size_and_tuned_alike():
    cnn, vit = (build(best(load(), name), 0) for name in NETWORKS)
    sizes = [sum(p.numel() for p in net.parameters()) for net in (cnn, vit)]
    assert sizes == [75_002, 80_290]
    assert [sum(t.network == name for t in trials()) for name in NETWORKS] == [6, 6]
    assert not set(labels_needed.TUNING_SEEDS) & set(SEEDS)


def test_a_shipped_run_begins_the_same_again():
    """What the untrained network looks at is the same to four digits on every machine."""
    shipped = next(r for r in load() if r.setting.network == "vit" and not r.setting.tuning)
    again = train(replace(shipped.setting, steps=1), shipped.seed)
    np.testing.assert_allclose(again.reach_before, shipped.reach_before, rtol=2e-3)


# ── the parts ───────────────────────────────────────────────────────────────────────────────────


def test_a_run_is_deterministic():
    assert train(QUICK, 3) == train(QUICK, 3)
    assert train(QUICK, 3).loss != train(QUICK, 4).loss


def test_a_subset_is_balanced_nested_and_apart_from_what_is_held_back():
    _, labels = labels_needed.training_images()
    few, _ = subset(labels.numpy(), 50, 0)
    many, held_back = subset(labels.numpy(), 200, 0)
    assert np.bincount(labels[few]).tolist() == [5] * 10
    assert set(few) <= set(many)
    assert len(set(many)) == 200
    assert len(held_back) == labels_needed.HELD_BACK
    assert not set(many) & set(held_back)
    assert set(few) != set(subset(labels.numpy(), 50, 1)[0])


@pytest.mark.parametrize("count", [0, 15, 5000])
def test_a_subset_that_cannot_be_is_refused(count):
    _, labels = labels_needed.training_images()
    with pytest.raises(ValueError, match="count"):
        subset(labels.numpy(), count, 0)


def test_augmentation_moves_the_digits_and_keeps_their_scale():
    images, _ = labels_needed.training_images()
    moved = labels_needed._augmented(images[:32], np.random.default_rng(0))
    assert moved.shape == (32, 1, 8, 8)
    assert moved.dtype == torch.float32
    assert float((moved - images[:32]).abs().mean()) > 0.1
    assert float(moved.min()) >= float(images[:32].min()) - 1e-4
    assert float(moved.max()) <= float(images[:32].max()) + 1e-4


def test_the_rate_grows_then_falls():
    shares = [labels_needed._share(step, 100) for step in range(100)]
    assert shares[0] == pytest.approx(0.1)
    assert np.argmax(shares) in (9, 10)
    assert shares[-1] < 0.01


def test_an_unknown_network_is_refused():
    with pytest.raises(ValueError, match="network"):
        build(replace(QUICK, network="mlp"), 0)


def test_without_trials_there_is_no_best():
    with pytest.raises(ValueError, match="no trial"):
        best((), "cnn")


# ── the file ────────────────────────────────────────────────────────────────────────────────────


def test_it_resumes_where_it_stopped(tmp_path, monkeypatch):
    path = tmp_path / "some.json"
    trained = []

    def counted(setting, seed):
        trained.append(seed)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return train(setting, seed)

    monkeypatch.setattr(labels_needed, "train", counted)
    with pytest.raises(KeyboardInterrupt):
        run(path, [QUICK], seeds=(0, 1), progress=False)
    assert [result.seed for result in load(path)] == [0]
    results = run(path, [QUICK], seeds=(0, 1), progress=False)
    assert trained == [0, 1, 1]
    assert results == load(path)


def test_a_negative_seed_is_refused(tmp_path):
    with pytest.raises(ValueError, match="seeds"):
        run(tmp_path / "some.json", [QUICK], (-1,), progress=False)
