"""How far attention looks: against distances counted by hand, and on networks."""

import doctest

import numpy as np
import pytest
import torch
from torch import nn

from course_lib import attention_distance as module
from course_lib.attention_distance import (
    attention_distance,
    attention_maps,
    distances,
    even_distance,
)
from course_lib.nets.digits import swin_digits, vit_digits


def test_the_examples_are_true():
    assert doctest.testmod(module).failed == 0


def test_distances_are_those_of_the_centres():
    centres = [(5 * row, 5 * column) for row in range(2) for column in range(3)]
    expected = [[np.hypot(a - c, b - d) for c, d in centres] for a, b in centres]
    np.testing.assert_allclose(distances(2, 3, patch=5), expected)


def test_a_head_that_looks_at_itself_looks_nowhere():
    assert attention_distance(np.eye(6), 2, 3) == 0


def test_a_head_that_looks_one_to_the_side_looks_one_patch_far():
    swap = np.eye(4)[[1, 0, 3, 2]]  # neighbours in a row look at each other
    assert attention_distance(swap, 2, 2, patch=16) == 16


def test_even_attention_is_the_mean_of_all_distances():
    weights = np.full((2, 5, 12, 12), 1 / 12)
    np.testing.assert_allclose(attention_distance(weights, 3, 4), even_distance(3, 4))
    assert attention_distance(weights, 3, 4).shape == (2, 5)


def test_what_a_class_token_takes_does_not_count():
    weights = np.zeros((5, 5))
    weights[:, 0] = 0.75  # everybody looks at the class token most
    weights[1:, 1:] = 0.25 * np.eye(4)[[1, 0, 3, 2]]
    assert attention_distance(weights, 2, 2, extra=1) == pytest.approx(1)


@pytest.mark.parametrize("shape", [(4,), (4, 5), (2, 5, 5)])
def test_weights_of_another_grid_are_refused(shape):
    with pytest.raises(ValueError, match="T=4"):
        attention_distance(np.ones(shape), 2, 2)


def test_the_maps_are_those_of_each_layer_and_add_up_to_one():
    net = vit_digits(depth=3).train()
    maps = attention_maps(net, torch.rand(2, 1, 8, 8))
    assert [layer.shape for layer in maps] == [(2, 4, 17, 17)] * 3
    for layer in maps:
        np.testing.assert_allclose(layer.sum(-1), 1, rtol=1e-5)
    assert net.training
    assert not any(layer._forward_hooks for layer in net.modules())


def test_windows_have_maps_too():
    maps = attention_maps(swin_digits(), torch.rand(1, 1, 8, 8))
    assert maps[0].shape == (4, 2, 4, 4)  # four windows of four tokens, two heads


def test_a_network_without_attention_is_refused():
    with pytest.raises(ValueError, match="no layer"):
        attention_maps(nn.Conv2d(1, 1, 3), torch.rand(1, 1, 8, 8))
