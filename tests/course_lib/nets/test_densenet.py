"""DenseNet's layer and block: every map stays, new ones go behind."""

import torch

from course_lib.nets.densenet import DenseLayer, dense_block, transition


def test_layer_keeps_its_input_and_puts_new_maps_behind_it():
    torch.manual_seed(0)
    layer = DenseLayer(5, growth=3).eval()
    x = torch.randn(2, 5, 6, 4)
    out = layer(x)
    assert out.shape == (2, 8, 6, 4)
    assert torch.equal(out[:, :5], x)
    torch.testing.assert_close(out[:, 5:], layer.new_maps(x))
    assert (layer.conv1.out_channels, layer.conv1.bias, layer.conv2.bias) == (12, None, None)


def test_block_grows_by_equal_steps():
    block = dense_block(4, c_in=6, growth=2).eval()
    assert [layer.conv1.in_channels for layer in block] == [6, 8, 10, 12]
    x = torch.randn(1, 6, 5, 5)
    assert block(x).shape == (1, 14, 5, 5)
    assert torch.equal(block(x)[:, :6], x)


def test_transition_halves_channels_and_grid():
    assert transition(10).eval()(torch.randn(1, 10, 8, 6)).shape == (1, 5, 4, 3)
