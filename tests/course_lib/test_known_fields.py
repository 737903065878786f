"""The networks whose fields are known do what they say, whatever is fed to them."""

import doctest

import pytest
import torch

from course_lib import known_fields


@pytest.mark.parametrize("signed", [False, True])
def test_a_linear_net_is_linear_and_comes_from_its_seed(signed):
    shape = {"channels": (2, 3, 1), "kernels": (3, (1, 2)), "strides": (1, 2), "padding": 1}
    net, again, other = (
        known_fields.linear_net(**shape, signed=signed, seed=seed) for seed in (4, 4, 5)
    )
    x, y = torch.randn(2, 1, 2, 7, 8)
    torch.testing.assert_close(net(x + 2 * y), net(x) + 2 * net(y), rtol=1e-4, atol=1e-4)
    assert torch.equal(net(x), again(x))
    assert not torch.equal(net(x), other(x))
    weights = torch.cat([layer.weight.detach().ravel() for layer in net])
    assert 0.5 <= weights.abs().min() <= weights.abs().max() <= 1.5
    assert bool((weights < 0).any()) == signed


def test_channels_and_kernels_must_agree():
    with pytest.raises(ValueError, match="one longer"):
        known_fields.linear_net((1, 1), (3, 3))


def test_the_alternating_net_depends_on_the_image_alone_and_uses_every_kernel():
    net = known_fields.alternating_net(c_in=2, kernel=(3, 1), seed=1)
    images = torch.randn(16, 2, 3, 1)
    together = net(images)
    assert torch.equal(together, torch.cat([net(image[None]) for image in images]))
    assert len({place % 16 for place in net.seen.values()}) == 16
    largest = net.bank.abs().sum(dim=2).amax(dim=(2, 3))
    assert torch.allclose(largest, torch.ones(16, 1))


def test_examples_are_true():
    assert doctest.testmod(known_fields).failed == 0
