"""What transfer functions are tried on: networks as described, and answers read without judging."""

import numpy as np
import pytest
import torch
from torch import nn

from autograder import trials_transfer as trials
from course_lib import transfer
from course_lib.experiments import pretrain

ALL = (trials.PLAIN, trials.NESTED, trials.GATED, trials.BEHIND, trials.FROZEN)


@pytest.mark.parametrize("description", ALL)
def test_a_network_is_the_same_each_time_and_gives_five_scores(description):
    state = torch.get_rng_state()
    model, again = trials.network(description), trials.network(description)
    assert torch.equal(torch.get_rng_state(), state)
    assert model(torch.zeros(2, 1, 4, 4)).shape == (2, 5)
    for a, b in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    assert all(p.requires_grad != (description == trials.FROZEN) for p in model.parameters())


def test_the_backbone_is_the_courses():
    model = trials.letters_backbone()
    assert sum(p.numel() for p in model.parameters()) == pretrain.load_card()["parameters"]
    assert not model.training


def test_a_head_and_a_body_are_read_apart():
    def unchanged(model, n_classes):
        return model

    shape, head, drawn = trials.head_of(unchanged, trials.NESTED, 3)
    assert (shape, head, drawn) == ((2, 5), (6, 5, 5), True)
    body = trials.body_of(unchanged, trials.NESTED, 3)
    np.testing.assert_array_equal(body, trials.body_of(transfer.replace_head, trials.NESTED, 3))
    assert trials.head_of(lambda model, n: "no model", trials.PLAIN, 3) == "no model"


def test_what_learns_is_told_by_name():
    flags = trials.learning(transfer.freeze, trials.PLAIN)
    assert [name for name, learns in flags.items() if learns] == ["fc.weight", "fc.bias"]
    assert trials.learning(lambda model: None, trials.PLAIN) is None
    assert trials.weights_of(lambda model: 3, trials.PLAIN) == 3


def test_groups_are_read_whatever_holds_the_parameters_and_in_any_order():
    def groups(model, rate, decay):
        return transfer.layerwise_lr_groups(model, rate, decay)

    def as_iterators(model, rate, decay):
        found = groups(model, rate, decay)[::-1]
        return [{"params": iter(group["params"]), "lr": group["lr"]} for group in found]

    ours, theirs = (trials.groups_of(f, trials.PLAIN, 0.1, 0.5) for f in (groups, as_iterators))
    assert [rate for rate, _ in ours] == [rate for rate, _ in theirs]
    for (_, a), (_, b) in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)
    single = trials.groups_of(
        lambda model, *_: [{"params": nn.Parameter(torch.ones(2))}], trials.PLAIN, 0.1, 0.5
    )
    assert single[0][0] is None
    assert trials.groups_of(lambda *_: None, trials.PLAIN, 0.1, 0.5) is None


def test_the_last_mixture_starts_where_the_first_did():
    def once(x, y, alpha, rng):
        return x * rng.random(), y

    rng = np.random.default_rng(5)
    found = trials.mixed(once, np.ones((2, 1, 1, 1)), np.eye(2), 1.0, rng)
    assert len(found) == trials.TIMES + 1
    np.testing.assert_array_equal(found[-1][0], found[0][0])
    assert not np.array_equal(found[1][0], found[0][0])
