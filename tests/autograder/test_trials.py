"""Where a training function is tried: the same stage for everybody, and what is seen of it."""

import numpy as np
import pytest
import torch
from torch import nn

from autograder import trials
from autograder.exercise import Aspect, Case, FunctionExercise
from autograder.judge import evaluate


def train(model, loader, optimizer):
    model.train()
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return len(loader.dataset)


def idle(model, loader, optimizer):
    return None


STAGES = [
    ("a small CNN", "12 images in batches of 4", "SGD 0.1"),
    ("one with BatchNorm in eval mode", "9 images in batches of 4", "SGD 0.1 momentum"),
    ("one with dropout", "12 images in batches of 4", "Adam 0.01"),
]


@pytest.mark.parametrize("stage", STAGES)
def test_the_stage_is_the_same_every_time_and_training_changes_it(stage):
    torch.manual_seed(8)
    first = trials.weights_after(train, *stage)
    torch.rand(3)
    assert np.array_equal(first, trials.weights_after(train, *stage))
    assert not np.allclose(first, trials.weights_after(idle, *stage))
    assert trials.returned(train, *stage) == int(stage[1].split()[0])


def test_statistics_move_in_training_mode_alone():
    still = trials.statistics_after(idle, *STAGES[1])
    assert not np.allclose(still, trials.statistics_after(train, *STAGES[1]))

    def in_eval(model, loader, optimizer):
        model.eval()
        for x, _ in loader:
            model(x)

    assert np.array_equal(still, trials.statistics_after(in_eval, *STAGES[1]))


def test_the_mode_that_a_network_is_left_in_is_seen():
    assert trials.left_in_training_mode(train, *STAGES[1])
    assert not trials.left_in_training_mode(idle, *STAGES[1])

    def last_layer_forgotten(model, loader, optimizer):
        train(model, loader, optimizer)
        model[-1].eval()

    assert not trials.left_in_training_mode(last_layer_forgotten, *STAGES[2])


def test_the_outside_generator_is_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    trials.weights_after(train, *STAGES[2])
    assert torch.equal(torch.rand(1), expected)


def test_a_function_is_judged_by_what_it_did_on_the_stage():
    exercise = FunctionExercise(
        name="train",
        chapter="99",
        signature="train(model, loader, optimizer)",
        aspects=(Aspect("weights", 1),),
        worked=(Case("weights", STAGES[0], measure="autograder.trials:weights_after"),),
        reference=train,
    )
    assert evaluate(exercise, train, 0).verdict == "pass"
    said = evaluate(exercise, idle, 0)
    assert said.score == 0
    assert "train(model='a small CNN', loader='12 images in batches of 4'" in said.message
