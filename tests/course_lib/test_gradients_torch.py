"""Gradients by layer and block against closed forms, finite differences and `backward`."""

import doctest

import pytest
import torch
from torch import nn

from course_lib import gradient_examples, gradients_torch
from course_lib.gradient_examples import KINDS, example_loss, example_model
from course_lib.gradients_torch import block_gains, gradient_norms, weight_layers


@pytest.mark.parametrize("module", [gradients_torch, gradient_examples])
def test_the_examples_are_true(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("kind", KINDS)
def test_norms_are_those_of_backward(kind):
    norms = gradient_norms(example_model(kind, 1), example_loss(kind, 1))
    model = example_model(kind, 1)
    loss = example_loss(kind, 1)
    model.zero_grad()
    loss.backward()
    grads = [layer.weight.grad for layer in weight_layers(model)]
    assert norms == pytest.approx([0.0 if g is None else float(g.norm()) for g in grads])


def test_nothing_is_stored():
    model, loss = example_model("stale"), example_loss("stale")
    before = [p.grad.clone() for p in model.parameters()]
    gradient_norms(model, loss)
    assert all(torch.equal(a, p.grad) for a, p in zip(before, model.parameters(), strict=True))


def test_a_frozen_and_an_unused_layer_count_nothing():
    frozen = gradient_norms(example_model("frozen"), example_loss("frozen"))
    unused = gradient_norms(example_model("unused"), example_loss("unused"))
    assert frozen[0] == 0 < min(frozen[1:])
    assert unused[1] == 0 < min(unused[0], unused[2])


def test_a_model_without_layers_has_no_norms():
    x = torch.ones(1, requires_grad=True)
    assert gradient_norms(nn.ReLU(), x.sum()) == []


def test_a_norm_is_the_steepest_slope():
    """A small step along the gradient changes the loss by the norm times the step."""
    model = nn.Linear(3, 1, bias=False).double()
    x = torch.tensor([[1.0, -2.0, 0.5]], dtype=torch.float64)

    def loss():
        return model(x).pow(2).sum()

    (norm,) = gradient_norms(model, loss())
    start = float(loss().detach())
    step = 1e-6
    direction = torch.autograd.grad(loss(), [model.weight])[0] / norm
    with torch.no_grad():
        model.weight += step * direction
    assert (float(loss().detach()) - start) / step == pytest.approx(norm, rel=1e-4)


def test_block_gains_multiply_to_the_gain_of_the_whole():
    blocks = [nn.Linear(4, 4, bias=False) for _ in range(3)]
    net = nn.Sequential(nn.Linear(4, 4), *blocks)
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    whole = nn.Sequential(*blocks)
    gains = block_gains(blocks, lambda: net(x).pow(2).sum())
    (together,) = block_gains([whole], lambda: whole(net[0](x)).pow(2).sum())
    assert gains[0] * gains[1] * gains[2] == pytest.approx(together, rel=1e-5)


def test_an_identity_has_gain_one_and_its_hooks_are_gone():
    block = nn.Identity()
    net = nn.Sequential(nn.Linear(2, 2), block)
    assert block_gains([block], lambda: net(torch.ones(1, 2)).sum()) == [1.0]
    assert not block._forward_hooks


def test_one_seed_one_network():
    first, second, other = (example_model("residual", seed) for seed in (3, 3, 4))
    assert torch.equal(first.conv1.weight, second.conv1.weight)
    assert not torch.equal(first.conv1.weight, other.conv1.weight)


def test_building_an_example_leaves_the_random_numbers_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    example_model("stack", 5)
    assert torch.equal(torch.rand(1), expected)


def test_a_loss_without_a_model_builds_it():
    example_loss("stack", 77).backward()


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind"):
        example_model("stak")
