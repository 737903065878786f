"""The backbone: what ships is whole, its card is true, and its training resumes."""

import doctest
import json

import pytest
import torch

from course_lib.data import letters
from course_lib.experiments import pretrain
from course_lib.nets.weights import read_weights
from course_lib.training import evaluate


def test_the_examples_are_true():
    assert doctest.testmod(pretrain).failed == 0


def test_the_weights_are_small_and_fit():
    assert pretrain.PATH.stat().st_size < 2_000_000
    pretrain.backbone().load_state_dict(read_weights(pretrain.PATH), strict=True)


def test_the_card_is_what_the_script_writes():
    shipped = pretrain.load_card()
    assert pretrain.card(shipped["accuracy"]) == shipped
    assert {"data", "recipe", "seed", "accuracy", "command", "preprocessing"} <= set(shipped)


def test_the_accuracy_on_the_card_is_measured_on_fonts_held_back():
    model = pretrain.backbone()
    model.load_state_dict(read_weights(pretrain.PATH))
    images, labels = pretrain._scaled(*letters("test", 2000, seed=77))
    found = evaluate(model, (images, labels), device="cpu").accuracy
    assert found == pytest.approx(pretrain.load_card()["accuracy"], abs=0.02)
    assert found > 0.9


def test_batches_follow_torchs_generator():
    torch.manual_seed(5)
    first = [labels.tolist() for _, labels in pretrain.Drawn(2, 8)]
    torch.manual_seed(5)
    again = [labels.tolist() for _, labels in pretrain.Drawn(2, 8)]
    other = [labels.tolist() for _, labels in pretrain.Drawn(2, 8)]
    assert first == again != other
    assert len(pretrain.Drawn(2, 8)) == 2


def test_an_interrupted_training_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrain, "HELD_BACK", 64)
    whole, halves = tmp_path / "whole.safetensors", tmp_path / "halves.safetensors"
    card = pretrain.run(whole, epochs=2, batches=2, progress=False)
    assert json.loads(whole.with_suffix(".json").read_text()) == card
    assert not whole.with_suffix(".part").exists()

    real, calls = pretrain.Drawn.__iter__, []

    def stopped(self):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(self)

    monkeypatch.setattr(pretrain.Drawn, "__iter__", stopped)
    with pytest.raises(KeyboardInterrupt):
        pretrain.run(halves, epochs=2, batches=2, progress=False)
    assert halves.with_suffix(".part").exists()
    assert not halves.exists()
    pretrain.run(halves, epochs=2, batches=2, progress=False)
    assert len(calls) == 3  # the first epoch was not trained again
    ours, theirs = read_weights(whole), read_weights(halves)
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_another_ending_and_no_epoch_are_refused(tmp_path):
    with pytest.raises(ValueError, match="safetensors"):
        pretrain.run(tmp_path / "weights.pth", progress=False)
    with pytest.raises(ValueError, match="epochs"):
        pretrain.run(tmp_path / "weights.safetensors", epochs=0, progress=False)
