"""The cost of every operator: shapes by running it, parameters by its arrays, MACs by torch."""

import doctest
import inspect
import re

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from course_lib import operator_costs, ops
from course_lib.operator_costs import OPERATORS, operator_cost

CONV = dict(stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2)
UP = dict(stride=(2, 3), padding=(1, 0), output_padding=(1, 2), groups=2, dilation=(2, 1))
POOL = dict(kernel_size=(3, 2), stride=2, padding=1)

# The operator, the shape of x, the shapes of its learned arrays, settings that `ops` and
# `operator_cost` share, arguments that stand for the arrays, torch's function where it has MACs.
CASES = {
    "conv1d": ((2, 4, 9), [(6, 2, 3), (6,)], dict(stride=2, padding=2, dilation=2, groups=2),
               dict(c_out=6, kernel_size=3), functional.conv1d),
    "conv2d": ((2, 4, 6, 5), [(6, 2, 3, 2), (6,)], CONV, dict(c_out=6, kernel_size=(3, 2)),
               functional.conv2d),
    "conv3d": ((2, 2, 4, 5, 4), [(3, 2, 2, 3, 2)], dict(stride=(1, 2, 1)),
               dict(c_out=3, kernel_size=(2, 3, 2), bias=False), functional.conv3d),
    "depthwise_conv2d": ((2, 3, 6, 5), [(6, 1, 3, 3), (6,)], dict(stride=2, padding=1),
                         dict(kernel_size=3, c_out=6),
                         lambda *a, **s: functional.conv2d(*a, **s, groups=3)),
    "pointwise_conv2d": ((2, 3, 4, 5), [(4, 3, 1, 1), (4,)], dict(stride=2), dict(c_out=4),
                         functional.conv2d),
    "conv_transpose2d": ((2, 4, 3, 5), [(4, 3, 3, 2), (6,)], UP,
                         dict(c_out=6, kernel_size=(3, 2)), functional.conv_transpose2d),
    "max_pool2d": ((2, 4, 6, 5), [], POOL | dict(dilation=2), {}, None),
    "avg_pool2d": ((2, 4, 6, 5), [], dict(kernel_size=2), {}, None),
    "global_avg_pool2d": ((2, 4, 6, 5), [], {}, {}, None),
    "batch_norm2d": ((3, 4, 2, 5), [(4,), (4,)], {}, {}, None),
    "layer_norm": ((3, 4, 5), [(4, 5), (4, 5)], {}, dict(normalized_shape=(4, 5)), None),
    "group_norm": ((3, 4, 2, 5), [(4,), (4,)], dict(groups=2), {}, None),
    "relu": ((3, 4), [], {}, {}, None),
    "gelu": ((3, 4), [], {}, {}, None),
    "sigmoid": ((3, 4), [], {}, {}, None),
    "silu": ((3, 4), [], {}, {}, None),
    "softmax": ((3, 4), [], {}, {}, None),
    "linear": ((3, 7, 4), [(5, 4), (5,)], {}, dict(n_out=5), functional.linear),
}  # fmt: skip

rng = np.random.default_rng(0)


@pytest.mark.parametrize("name", CASES)
def test_shape_parameters_and_work(name):
    shape, learned, settings, sizes, theirs = CASES[name]
    found = operator_cost(name, shape, **settings, **sizes)
    arrays = [rng.normal(size=each) for each in (shape, *learned)]
    keywords = dict(settings)
    if name == "batch_norm2d":
        keywords |= dict(running_mean=np.zeros(4), running_var=np.ones(4), training=False)
    if name == "group_norm":
        keywords |= dict(gamma=arrays.pop(), beta=arrays.pop())
    out = getattr(ops, name)(*arrays, **keywords)
    assert found.output_shape == (out[0] if isinstance(out, tuple) else out).shape
    assert found.params == sum(int(np.prod(each)) for each in learned)
    if theirs is None:
        assert found.macs == 0
    else:
        with FlopCounterMode(display=False) as counter:
            theirs(*map(torch.tensor, arrays), **settings)
        assert found.flops == 2 * found.macs == counter.get_total_flops()
    assert found.activations == np.prod(found.output_shape)
    assert found.activation_bytes == np.zeros(found.output_shape, np.float32).nbytes
    assert all(type(n) is int for n in (*found.output_shape, found.params, found.macs))


def test_attention_and_its_work():
    q, k, v = (torch.zeros(2, 3, *each) for each in ((5, 4), (7, 4), (7, 6)))
    with FlopCounterMode(display=False) as counter:
        out = torch.softmax(q @ k.mT, -1) @ v
    found = operator_cost("scaled_dot_product_attention", (2, 3, 5, 4), keys=7, d_v=6)
    assert (found.output_shape, found.flops) == (tuple(out.shape), counter.get_total_flops())
    alone = operator_cost("scaled_dot_product_attention", (5, 4))
    assert (alone.output_shape, alone.macs) == ((5, 4), 2 * 5 * 5 * 4)


def test_blur_works_but_learns_nothing():
    found = operator_cost("blur_pool2d", (2, 3, 7, 8), kernel_size=5)
    out = ops.blur_pool2d(np.zeros((2, 3, 7, 8)), kernel_size=5)
    assert found == (out.shape, 0, out.size * 25)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_gives_one_number_or_one_for_each(reduction):
    out = ops.cross_entropy(np.zeros((3, 4)), np.zeros(3, int), reduction=reduction)
    assert operator_cost("cross_entropy", (3, 4), reduction=reduction).output_shape == np.shape(out)


def test_no_operator_is_forgotten():
    layers = {
        name
        for name in ops.__all__
        if inspect.isfunction(getattr(ops, name)) and not name.endswith("_backward")
    }
    tools = {"conv2d_single", "true_convolution", "conv_matrix", "pad2d", "im2col", "col2im"}
    assert set(OPERATORS) == (layers - tools) | {"flatten"}
    tested_apart = {"scaled_dot_product_attention", "blur_pool2d", "cross_entropy", "flatten"}
    assert set(CASES) == set(OPERATORS) - tested_apart


def test_the_examples_are_true():
    assert doctest.testmod(operator_costs).failed == 0


def test_an_empty_batch_costs_its_parameters():
    found = operator_cost("conv2d", (0, 3, 8, 8), c_out=4, kernel_size=3)
    assert found == ((0, 4, 6, 6), 112, 0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: operator_cost("conv2", (1, 3, 8, 8)), ValueError, "did you mean 'conv2d'"),
        (lambda: operator_cost("relu", (1, -3)), ValueError, "input_shape[1] (=-3) must be at"),
        (lambda: operator_cost("conv2d", (3, 8, 8), c_out=4, kernel_size=3), ValueError,
         "input_shape (=(3, 8, 8)) must have 4 axes (N, C, H, W)"),
        (lambda: operator_cost("conv1d", (3, 8), c_out=4, kernel_size=3), ValueError,
         "must have 3 axes (N, C, L)"),
        (lambda: operator_cost("conv2d", (1, 3, 8, 8), c_out=4), TypeError,
         "conv2d missing 1 required positional argument: 'kernel_size'"),
        (lambda: operator_cost("relu", (1, 3), slope=1), TypeError,
         "relu got an unexpected keyword argument 'slope'"),
        (lambda: operator_cost("conv2d", (1, 3, 8, 8), c_out=4, kernel_size=3, groups=2),
         ValueError, "groups (=2) must divide the channels of the input (=3)"),
        (lambda: operator_cost("conv2d", (1, 3, 8, 8), c_out=4, kernel_size=3.0), TypeError,
         "kernel_size (=3.0) must be an integer"),
        (lambda: operator_cost("conv2d", (1, 3, 8, 8), c_out=4, kernel_size=3, dilation=0),
         ValueError, "dilation (=0) must be at least 1"),
        (lambda: operator_cost("conv2d", (1, 3, 8, 8), c_out=4, kernel_size=(3, 3, 3)),
         ValueError, "kernel_size (=(3, 3, 3)) must be an integer or one for each axis"),
        (lambda: operator_cost("conv_transpose2d", (1, 3, 8, 8), c_out=4, kernel_size=3,
                               output_padding=1), ValueError, "must be smaller than stride (=1)"),
        (lambda: operator_cost("max_pool2d", (1, 3, 2, 8), kernel_size=3), ValueError, "must fit"),
        (lambda: operator_cost("layer_norm", (1, 3, 4), normalized_shape=3), ValueError,
         "normalized_shape (=(3,)) must be the last axes of input_shape (1, 3, 4)"),
        (lambda: operator_cost("group_norm", (1, 3, 4, 4), groups=2), ValueError,
         "groups (=2) must divide"),
    ],
)  # fmt: skip
def test_bad_input(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()
