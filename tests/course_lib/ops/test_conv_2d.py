"""The convolution layer against torch, in every algorithm, forward and backward."""

import re

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from course_lib.ops import CONV2D_ALGORITHMS, conv2d, conv2d_backward, conv2d_single, pad2d
from course_lib.ops.padding import PADDING_MODES

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

algorithms = pytest.mark.parametrize("algorithm", CONV2D_ALGORITHMS)

PRECISIONS = {"float64": 1e-10, "float32": 1e-5}
FOR_3X3 = ("winograd", "winograd_2x2")


@st.composite
def problems(draw, only_3x3=False):
    """x, weight, bias, and settings under which at least one window fits."""
    small = st.integers(1, 3)
    groups, per_group, outputs_each = draw(small), draw(small), draw(small)
    if only_3x3:
        kernel, stride, dilation = (3, 3), (1, 1), (1, 1)
    else:
        kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
        stride, dilation = draw(st.tuples(small, small)), draw(st.tuples(small, small))
    padding = draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    mode = draw(st.sampled_from(PADDING_MODES))
    image = []
    for k, p, d in zip(kernel, padding, dilation, strict=True):
        needed = {"reflect": p + 1, "circular": p}.get(mode, 1)
        image.append(max(1, d * (k - 1) + 1 - 2 * p, needed) + draw(st.integers(0, 6)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.normal(size=(draw(st.integers(1, 3)), groups * per_group, *image))
    weight = rng.normal(size=(groups * outputs_each, per_group, *kernel))
    bias = rng.normal(size=len(weight)) if draw(st.booleans()) else None
    chosen = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
    return x, weight, bias, chosen | dict(padding_mode=mode)


def torch_conv(x, weight, bias, stride, padding, dilation, groups, padding_mode):
    (p_h, p_w), mode = padding, "constant" if padding_mode == "zeros" else padding_mode
    padded = functional.pad(x, (p_w, p_w, p_h, p_h), mode=mode)
    return functional.conv2d(padded, weight, bias, stride, 0, dilation, groups)


def close(ours, theirs, precision, what):
    """Relative to the largest value: a sum that cancels is no more precise than its terms."""
    theirs = theirs.detach().numpy()
    scale = max(1.0, np.abs(theirs).max(initial=0))
    np.testing.assert_allclose(ours, theirs, precision, precision * scale, err_msg=what)


def against_torch(problem, names):
    x, weight, bias, chosen = problem
    for dtype, precision in PRECISIONS.items():
        arrays = [None if a is None else a.astype(dtype) for a in (x, weight, bias)]
        leaves = [None if a is None else torch.tensor(a, requires_grad=True) for a in arrays]
        expected = torch_conv(*leaves, **chosen)
        for name in names:
            out = conv2d(*arrays, **chosen, algorithm=name)
            assert out.dtype == dtype
            close(out, expected, precision, name)
        grad_out = np.random.default_rng(0).normal(size=tuple(expected.shape)).astype(dtype)
        expected.backward(torch.tensor(grad_out))
        grads = conv2d_backward(grad_out, *arrays[:2], **chosen)
        for grad, leaf, name in zip(grads, leaves, ("x", "weight", "bias"), strict=True):
            if leaf is not None:
                close(grad, leaf.grad, precision, f"gradient of {name}")


@given(problems())
@quick
def test_against_torch(problem):
    against_torch(problem, [name for name in CONV2D_ALGORITHMS if name not in FOR_3X3])


@given(problems(only_3x3=True))
@settings(quick, max_examples=30)
def test_3x3_kernels_against_torch(problem):
    against_torch(problem, CONV2D_ALGORITHMS)


@pytest.mark.parametrize(
    ("x_shape", "weight_shape", "stride", "padding", "groups"),
    [
        ((2, 16, 40, 40), (24, 16, 3, 3), 1, 1, 1),  # several blocks an image
        ((2, 64, 30, 31), (64, 1, 3, 3), 1, 1, 64),
        ((1, 3, 64, 65), (32, 3, 7, 7), 2, 3, 1),
        ((5, 8, 9, 9), (4, 8, 1, 1), 1, 0, 1),
        ((3, 8, 12, 12), (32, 4, 5, 5), (2, 1), (2, 0), 2),
        ((20, 4, 6, 6), (3, 4, 3, 3), 1, 1, 1),  # several images a block
    ],
)
def test_layers_as_networks_have_them(x_shape, weight_shape, stride, padding, groups, monkeypatch):
    monkeypatch.setattr("course_lib.ops.conv_fast.BLOCK_BYTES", 2**15)
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=x_shape), rng.normal(size=weight_shape)
    leaves = torch.tensor(x, requires_grad=True), torch.tensor(weight, requires_grad=True)
    expected = functional.conv2d(*leaves, None, stride, padding, 1, groups)
    close(conv2d(x, weight, None, stride, padding, 1, groups), expected, 1e-10, "forward")
    grad_out = rng.normal(size=tuple(expected.shape))
    expected.backward(torch.tensor(grad_out))
    grads = conv2d_backward(grad_out, x, weight, stride, padding, 1, groups)
    for grad, leaf in zip(grads, leaves, strict=False):
        close(grad, leaf.grad, 1e-10, "backward")


@algorithms
def test_one_channel_is_conv2d_single(algorithm):
    rng = np.random.default_rng(0)
    image, kernel = rng.normal(size=(7, 8)), rng.normal(size=(3, 3))
    for padding in (0, 1, ((1, 0), (2, 3))):
        expected = conv2d_single(image, kernel, padding=padding, algorithm="loops")
        out = conv2d(image[None, None], kernel[None, None], padding=padding, algorithm=algorithm)
        np.testing.assert_allclose(out[0, 0], expected, 1e-10, 1e-12)


@algorithms
@pytest.mark.parametrize("mode", PADDING_MODES)
def test_lopsided_padding_is_padding_by_hand(algorithm, mode):
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(2, 3, 6, 5)), rng.normal(size=(2, 3, 3, 3))
    around = ((2, 0), (1, 3))
    expected = conv2d(pad2d(x, around, mode), weight)
    out = conv2d(x, weight, padding=around, padding_mode=mode, algorithm=algorithm)
    np.testing.assert_allclose(out, expected, 1e-10, 1e-12)
    grad_x, _, _ = conv2d_backward(np.ones_like(out), x, weight, 1, around, padding_mode=mode)
    assert np.vdot(grad_x, x) == pytest.approx(out.sum(), rel=1e-9)


# What goes in, and what comes out.


@algorithms
@pytest.mark.parametrize("groups", [1, 2])
def test_integers_are_exact_in_every_algorithm(algorithm, groups):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (2, 4, 6, 7)).astype(np.uint8)
    weight = rng.integers(-99, 100, (6, 4 // groups, 3, 3))
    bias = np.arange(6, dtype=np.uint64)
    exact = torch_conv(
        *(torch.tensor(a.astype(np.int64)) for a in (x, weight, bias)),
        (1, 1), (1, 1), (1, 1), groups, "zeros",
    )  # fmt: skip
    out = conv2d(x, weight, bias, padding=1, groups=groups, algorithm=algorithm)
    assert out.dtype == np.int64
    np.testing.assert_array_equal(out, exact.numpy())


@pytest.mark.parametrize("algorithm", ["fft", "winograd", "winograd_2x2"])
def test_integers_too_large_for_a_detour_are_refused(algorithm):
    x, weight = np.full((1, 1, 3, 3), 2**38), np.full((1, 1, 3, 3), 1)
    assert conv2d(x, weight) == 9 * 2**38
    with pytest.raises(ValueError, match=r"can add up to 2.47e\+12, must stay below 1.1e\+12"):
        conv2d(x, weight, algorithm=algorithm)


@algorithms
@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_a_batch_of_no_images_gives_one(algorithm, dtype):
    x, weight = np.ones((0, 4, 5, 6), dtype), np.ones((2, 2, 3, 3), dtype)
    out = conv2d(x, weight, padding=1, groups=2, algorithm=algorithm)
    assert out.shape == (0, 2, 5, 6)
    assert out.dtype == dtype


@algorithms
def test_unsigned_integers_stay_integers(algorithm):
    x, weight = np.full((1, 1, 3, 3), 7, np.uint64), np.full((1, 1, 3, 3), -1)
    out = conv2d(x, weight, algorithm=algorithm)
    assert out.dtype == np.int64
    assert out == -63


@pytest.mark.parametrize("algorithm", ["auto", "loops", "im2col", "blocked"])
def test_nan_reaches_the_windows_that_hold_it(algorithm):
    x = np.zeros((2, 2, 5, 5))
    x[1, 0, 0, 1] = np.nan
    out = conv2d(x, np.ones((3, 2, 2, 2)), algorithm=algorithm)
    expected = np.zeros((2, 3, 4, 4), dtype=bool)
    expected[1, :, 0, :2] = True
    np.testing.assert_array_equal(np.isnan(out), expected)


@pytest.mark.parametrize("algorithm", ["fft", "winograd", "winograd_2x2"])
def test_nan_reaches_at_least_those(algorithm):
    x = np.zeros((2, 2, 9, 9))
    x[1, 0, 0, 1] = np.nan
    out = conv2d(x, np.ones((3, 2, 3, 3)), algorithm=algorithm)
    assert np.isnan(out[1, :, 0, :2]).all()
    assert not np.isnan(out[0]).any()


@algorithms
def test_a_layer_takes_lists_and_any_integer(algorithm):
    x, weight = np.arange(32.0).reshape(1, 2, 4, 4), np.ones((1, 2, 3, 3))
    expected = conv2d(x, weight, algorithm=algorithm)
    for one in (np.int64(1), [1, 1], (np.int8(1), 1), np.array([1, 1])):
        out = conv2d(x.tolist(), torch.tensor(weight), [0.0], one, 0, one, algorithm=algorithm)
        np.testing.assert_array_equal(out, expected)


# Bad input.

BAD = [
    (dict(x=np.ones((4, 6, 6))), "x has shape (4, 6, 6), must have 4 dimensions (N, C, H, W)"),
    (dict(x=np.ones((2, 4, 0, 6))), "x has shape (2, 4, 0, 6), must not be empty but along N"),
    (dict(weight=np.ones((3, 3))),
     "weight has shape (3, 3), must have 4 dimensions (C_out, C_in/groups, K_h, K_w)"),
    (dict(weight=np.ones((0, 4, 3, 3))), "weight has shape (0, 4, 3, 3), must not be empty"),
    (dict(weight=np.ones((6, 4, 0, 3))), "weight has shape (6, 4, 0, 3), must not be empty"),
    (dict(weight=np.ones((6, 3, 3, 3))),
     "weight has shape (6, 3, 3, 3), must have 4 input channels: x has 4 channels in groups (=1)"),
    (dict(groups=2), "must have 2 input channels: x has 4 channels in groups (=2)"),
    (dict(groups=3), "groups (=3) must divide the 4 channels of x"),
    (dict(groups=4, weight=np.ones((6, 1, 3, 3))),
     "groups (=4) must divide the 6 output channels of weight"),
    (dict(groups=0), "groups (=0) must be at least 1"),
    (dict(bias=np.ones(5)),
     "bias has shape (5,), must have shape (6,): one value for each output channel"),
    (dict(bias=1.0), "bias has shape (), must have shape (6,)"),
    (dict(stride=0), "stride (=0) must be at least 1"),
    (dict(padding=(0, -1)), "padding[1] (=-1) must be at least 0"),
    (dict(dilation=0), "dilation (=0) must be at least 1"),
    (dict(dilation=3), "it spans (7, 7) pixels with dilation (=(3, 3)), and the padded image has"),
    (dict(weight=np.ones((6, 4, 7, 1))), "kernel has shape (7, 1), must fit into the padded image"),
    (dict(padding=6, padding_mode="reflect"), "must be at most 5 along the height in mode 'refl"),
    (dict(padding_mode="reflct"), "padding_mode (='reflct') must be one of"),
]  # fmt: skip

GOOD = {"x": np.ones((2, 4, 6, 6)), "weight": np.ones((6, 4, 3, 3))}


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        conv2d(**GOOD | arguments)
    if "bias" not in arguments:
        with pytest.raises(ValueError, match=re.escape(message)):
            conv2d_backward(**{"grad_out": np.ones((2, 6, 4, 4))} | GOOD | arguments)


@pytest.mark.parametrize("name", ["stride", "padding", "dilation", "groups"])
@pytest.mark.parametrize("value", [1.0, True, "1", None])
def test_sizes_are_integers(name, value):
    with pytest.raises(TypeError, match=re.escape(f"{name} (={value!r}) must be an integer")):
        conv2d(**GOOD | {name: value})


@pytest.mark.parametrize("algorithm", FOR_3X3)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(weight=np.ones((6, 4, 5, 3))), "kernel (=(5, 3)) must be (3, 3) for Winograd's"),
        (dict(stride=(1, 2)), "stride (=(1, 2)) must be (1, 1) for Winograd's algorithm"),
        (dict(dilation=2), "dilation (=(2, 2)) must be (1, 1) for Winograd's algorithm"),
    ],
)
def test_winograd_is_for_3x3_at_stride_1(algorithm, arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        conv2d(**GOOD | arguments, algorithm=algorithm)


def test_an_unknown_algorithm():
    with pytest.raises(ValueError, match=r"algorithm \(='winogrd'\) must be one of .*'winograd'"):
        conv2d(**GOOD, algorithm="winogrd")
