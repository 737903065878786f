"""What no operator takes, and what each says then: the argument, its value and the rule.

A row is a call that works with one argument changed. Where the backward pass takes that argument
too, it must say the same.
"""

import inspect
import re
from typing import Any

import numpy as np
import pytest

from course_lib import ops

GOOD: dict[str, dict[str, Any]] = {
    "conv1d": dict(x=np.ones((2, 4, 9)), weight=np.ones((6, 2, 3)), bias=np.ones(6), groups=2),
    "conv2d": dict(
        x=np.ones((2, 4, 6, 5)), weight=np.ones((6, 2, 3, 2)), bias=np.ones(6), groups=2
    ),
    "conv3d": dict(
        x=np.ones((2, 4, 4, 5, 4)), weight=np.ones((6, 2, 2, 3, 2)), bias=np.ones(6), groups=2
    ),
    "depthwise_conv2d": dict(x=np.ones((2, 3, 6, 5)), weight=np.ones((6, 1, 3, 3))),
    "pointwise_conv2d": dict(x=np.ones((2, 3, 6, 5)), weight=np.ones((6, 3, 1, 1))),
    "conv_transpose2d": dict(
        x=np.ones((2, 4, 3, 5)), weight=np.ones((4, 3, 3, 2)), bias=np.ones(6), stride=2, groups=2
    ),
    "max_pool2d": dict(x=np.ones((2, 4, 6, 5)), kernel_size=2),
    "avg_pool2d": dict(x=np.ones((2, 4, 6, 5)), kernel_size=2),
    "global_avg_pool2d": dict(x=np.ones((2, 4, 6, 5))),
    "blur_pool2d": dict(x=np.ones((2, 4, 6, 5))),
    "batch_norm2d": dict(
        x=np.ones((2, 4, 6, 5)),
        gamma=np.ones(4),
        beta=np.ones(4),
        running_mean=np.ones(4),
        running_var=np.ones(4),
        training=True,
    ),
    "layer_norm": dict(x=np.ones((2, 4, 5)), gamma=np.ones((4, 5)), beta=np.ones((4, 5))),
    "group_norm": dict(x=np.ones((2, 4, 5)), groups=2, gamma=np.ones(4), beta=np.ones(4)),
    "relu": dict(x=np.ones((2, 4))),
    "gelu": dict(x=np.ones((2, 4))),
    "sigmoid": dict(x=np.ones((2, 4))),
    "silu": dict(x=np.ones((2, 4))),
    "softmax": dict(x=np.ones((2, 4))),
    "cross_entropy": dict(logits=np.ones((2, 4)), targets=np.array([0, 1])),
    "linear": dict(x=np.ones((2, 4)), weight=np.ones((3, 4)), bias=np.ones(3)),
    "scaled_dot_product_attention": dict(
        q=np.ones((2, 3, 4)), k=np.ones((2, 5, 4)), v=np.ones((2, 5, 6))
    ),
    "im2col": dict(x=np.ones((2, 4, 6, 5)), kernel_size=2),
    "col2im": dict(columns=np.ones((2, 8, 20)), image_size=(6, 4), kernel_size=(2, 1)),
    "pad2d": dict(image=np.ones((2, 4, 6, 5)), padding=1),
    "conv2d_single": dict(image=np.ones((6, 5)), kernel=np.ones((3, 2))),
    "true_convolution": dict(image=np.ones((6, 5)), kernel=np.ones((3, 2))),
    "conv_matrix": dict(kernel=np.ones((3, 2)), height=6, width=5),
}

LAYERS = ("conv1d", "conv2d", "conv3d", "conv_transpose2d")
WINDOWS = (
    *LAYERS,
    "depthwise_conv2d",
    "max_pool2d",
    "avg_pool2d",
    "im2col",
    "col2im",
    "conv2d_single",
    "true_convolution",
    "conv_matrix",
)
STRIDED = (*WINDOWS, "pointwise_conv2d", "blur_pool2d")
DILATED = tuple(name for name in WINDOWS if name != "avg_pool2d")
IMAGES = ("conv2d", "depthwise_conv2d", "pointwise_conv2d", "conv_transpose2d", "max_pool2d",
          "avg_pool2d", "global_avg_pool2d", "blur_pool2d", "batch_norm2d", "im2col")  # fmt: skip
NO_IMAGE = np.ones((2, 4, 0, 5))

Row = tuple[tuple[str, ...], dict[str, Any], type[Exception], str]

ROWS: list[Row] = [
    # sizes
    (STRIDED, dict(stride=0), ValueError, "stride (=0) must be at least 1"),
    (STRIDED, dict(stride=-1), ValueError, "stride (=-1) must be at least 1"),
    (STRIDED, dict(stride=1.0), TypeError, "stride (=1.0) must be an integer"),
    (STRIDED, dict(stride=True), TypeError, "stride (=True) must be an integer"),
    (STRIDED, dict(stride="2"), TypeError, "stride (='2') must be an integer"),
    (DILATED, dict(dilation=0), ValueError, "dilation (=0) must be at least 1"),
    (DILATED, dict(dilation=1.5), TypeError, "dilation (=1.5) must be an integer"),
    ((*WINDOWS, "pad2d"), dict(padding=-1), ValueError, "padding (=-1) must be at least 0"),
    ((*WINDOWS, "pad2d"), dict(padding=0.5), TypeError, "padding (=0.5) must be an integer"),
    ((*WINDOWS, "pad2d"), dict(padding="same"), TypeError, "padding (='same') must be an integer"),
    (("max_pool2d", "avg_pool2d"), dict(padding=2), ValueError,
     "padding (=(2, 2)) must be at most half of the window, which spans (2, 2)"),
    (("max_pool2d", "avg_pool2d", "im2col", "col2im", "blur_pool2d"), dict(kernel_size=0),
     ValueError, "kernel_size (=0) must be at least 1"),
    (("max_pool2d", "avg_pool2d", "im2col", "col2im"), dict(kernel_size=2.0), TypeError,
     "kernel_size (=2.0) must be an integer"),
    (("max_pool2d", "avg_pool2d", "im2col"), dict(kernel_size=9), ValueError,
     "kernel has shape (9, 9), must fit into the padded image: it spans (9, 9) pixels"),
    (("blur_pool2d",), dict(kernel_size=4), ValueError, "kernel_size (=4) must be odd"),
    (("blur_pool2d",), dict(kernel_size=11), ValueError,
     "kernel_size (=11) must be at most 9 on an image (6, 5)"),
    (("conv2d", "depthwise_conv2d"), dict(dilation=4), ValueError, "with dilation (=(4, 4))"),
    # groups and weights
    (LAYERS, dict(groups=0), ValueError, "groups (=0) must be at least 1"),
    (LAYERS, dict(groups=2.0), TypeError, "groups (=2.0) must be an integer"),
    ((*LAYERS, "group_norm"), dict(groups=3), ValueError, "groups (=3) must divide the 4 channels"),
    (("conv2d",), dict(groups=4), ValueError, "groups (=4) must divide the 6 output channels"),
    (("conv2d",), dict(groups=1), ValueError,
     "weight has shape (6, 2, 3, 2), must have 4 input channels: x has 4 channels in groups (=1)"),
    (("conv_transpose2d",), dict(weight=np.ones((6, 3, 3, 2))), ValueError,
     "weight has shape (6, 3, 3, 2), must have 4 input channels"),
    (("depthwise_conv2d",), dict(weight=np.ones((6, 3, 3, 3))), ValueError,
     "weight has shape (6, 3, 3, 3), must have shape (m·C, 1, K_h, K_w)"),
    (("depthwise_conv2d",), dict(weight=np.ones((4, 1, 3, 3))), ValueError,
     "weight has shape (4, 1, 3, 3), must have shape (m·C, 1, K_h, K_w): x has C=3 channels"),
    (("pointwise_conv2d",), dict(weight=np.ones((6, 3, 1, 3))), ValueError,
     "weight has shape (6, 3, 1, 3), must have shape (C_out, C, 1, 1)"),
    (("pointwise_conv2d",), dict(weight=np.ones((6, 4, 1, 1))), ValueError,
     "weight has shape (6, 4, 1, 1), must have 3 input channels"),
    (("linear",), dict(weight=np.ones((3, 5))), ValueError,
     "x has shape (2, 4), must have 5 values along its last axis, as weight of shape (3, 5)"),
    (("conv2d", "conv_transpose2d"), dict(weight=np.ones((4, 3))), ValueError,
     "weight has shape (4, 3), must have 4 dimensions"),
    (("conv2d", "conv_transpose2d"), dict(weight=np.ones((4, 0, 3, 3))), ValueError,
     "weight has shape (4, 0, 3, 3), must not be empty"),
    (LAYERS, dict(bias=np.ones(5)), ValueError,
     "bias has shape (5,), must have shape (6,): one value for each output channel"),
    (("linear",), dict(bias=np.ones(5)), ValueError, "bias has shape (5,), must have shape (3,)"),
    (("conv_transpose2d",), dict(output_padding=2), ValueError,
     "output_padding (=(2, 2)) must be smaller than stride (=(2, 2))"),
    (("conv_transpose2d",), dict(output_padding=(0, 3)), ValueError,
     "output_padding (=(0, 3)) must be smaller than stride (=(2, 2))"),
    (("conv_transpose2d",), dict(output_padding=-1), ValueError,
     "output_padding (=-1) must be at least 0"),
    (("conv_transpose2d",), dict(padding=4), ValueError,
     "padding (=(4, 4)) must leave some of the output"),
    # images
    (IMAGES, dict(x=np.ones((6, 5))), ValueError,
     "x has shape (6, 5), must have 4 dimensions (N, C, H, W)"),
    (IMAGES, dict(x=NO_IMAGE), ValueError, "x has shape (2, 4, 0, 5), must not be empty but"),
    (IMAGES, dict(x=np.ones((2, 0, 6, 5))), ValueError, "must not be empty but along N"),
    (("conv1d",), dict(x=np.ones((4, 9))), ValueError, "must have 3 dimensions (N, C, L)"),
    (("conv3d",), dict(x=np.ones((4, 4, 5, 4))), ValueError,
     "must have 5 dimensions (N, C, D, H, W)"),
    (("pad2d",), dict(image=np.ones((2, 0))), ValueError, "image has shape (2, 0), must not be"),
    (("pad2d",), dict(image=np.ones(3)), ValueError, "must have at least 2 dimensions"),
    (("conv2d_single", "true_convolution"), dict(image=np.ones((2, 6, 5))), ValueError,
     "image has shape (2, 6, 5), must have 2 dimensions (height, width)"),
    (("conv2d_single", "conv_matrix"), dict(kernel=np.ones((0, 2))), ValueError,
     "kernel has shape (0, 2), must not be empty"),
    (("conv_matrix",), dict(height=0), ValueError, "height (=0) must be at least 1"),
    (("col2im",), dict(columns=np.ones((2, 9, 20))), ValueError, "must have C·K_h·K_w rows"),
    (("col2im",), dict(columns=np.ones((2, 8, 19))), ValueError, "must have 20 columns"),
    (("col2im",), dict(image_size=0), ValueError, "image_size (=0) must be at least 1"),
    # names
    (("conv1d", "conv2d", "conv3d", "depthwise_conv2d", "im2col", "col2im", "conv2d_single"),
     dict(padding_mode="reflct"), ValueError, "padding_mode (='reflct') must be one of 'zeros'"),
    (("pad2d",), dict(mode="reflct"), ValueError, "did you mean 'reflect' or"),
    (("conv1d", "conv2d", "conv2d_single"), dict(algorithm="slow"), ValueError,
     "algorithm (='slow') must be one of"),
    (("cross_entropy",), dict(reduction="meen"), ValueError, "did you mean 'mean'?"),
    (("gelu",), dict(approximate="no"), ValueError, "approximate (='no') must be one of"),
    # norms, losses, attention
    (("batch_norm2d", "layer_norm", "group_norm"), dict(gamma=np.ones(3)), ValueError,
     "gamma has shape (3,), must"),
    (("batch_norm2d", "layer_norm", "group_norm"), dict(beta=np.ones(3)), ValueError,
     "beta has shape (3,), must"),
    (("batch_norm2d", "layer_norm", "group_norm"), dict(eps=0), ValueError,
     "eps (=0) must be above 0"),
    (("batch_norm2d",), dict(training=1), TypeError, "training (=1) must be True or False"),
    (("batch_norm2d",), dict(running_var=np.ones((4, 1))), ValueError,
     "running_var has shape (4, 1), must"),
    (("cross_entropy",), dict(targets=np.array([0, 4])), ValueError, "targets"),
    (("cross_entropy",), dict(targets=np.array([-1, 0])), ValueError, "targets"),
    (("cross_entropy",), dict(targets=np.array([0.0, 1.0])), TypeError, "targets"),
    (("cross_entropy",), dict(targets=np.array([0, 1, 2])), ValueError, "targets has shape (3,)"),
    (("scaled_dot_product_attention",), dict(k=np.ones((2, 5, 3))), ValueError, "k has shape"),
    (("scaled_dot_product_attention",), dict(v=np.ones((2, 4, 6))), ValueError, "v has shape"),
    (("scaled_dot_product_attention",), dict(mask=np.ones((7, 7), bool)), ValueError,
     "mask has shape (7, 7), must"),
    (("scaled_dot_product_attention",), dict(is_causal=1), TypeError,
     "is_causal (=1) must be True or False"),
    (("scaled_dot_product_attention",), dict(scale="x"), TypeError, "scale (='x') must be a"),
]  # fmt: skip

EACH = [(name, *row[1:]) for row in ROWS for name in row[0]]


def test_a_good_call_works():
    for name, arguments in GOOD.items():
        assert getattr(ops, name)(**arguments) is not None
    public = {
        name
        for name in ops.__all__
        if inspect.isfunction(getattr(ops, name)) and not name.endswith("_backward")
    }
    assert set(GOOD) == public


@pytest.mark.parametrize(
    ("name", "changed", "error", "message"),
    EACH,
    ids=[f"{name} {next(iter(changed))} {place}" for place, (name, changed, *_) in enumerate(EACH)],
)
def test_the_argument_its_value_and_the_rule(name, changed, error, message):
    function = getattr(ops, name)
    (argument,) = changed
    assert argument in inspect.signature(function).parameters
    with pytest.raises(error, match=re.escape(message)):
        function(**{**GOOD[name], **changed})
    backward = getattr(ops, f"{name}_backward", None)
    taken = inspect.signature(backward).parameters if backward else {}
    if argument in taken:
        out = function(**GOOD[name])
        out = out[0] if isinstance(out, tuple) else out
        given = {key: value for key, value in GOOD[name].items() if key in taken}
        if "input_shape" in taken:
            given["input_shape"] = GOOD[name]["x"].shape
        first = next(iter(taken))  # grad_out, or grad_padded
        with pytest.raises(error, match=re.escape(message)):
            backward(**{first: out}, **{**given, **changed})


@pytest.mark.parametrize("name", ["avg_pool2d", "global_avg_pool2d", "blur_pool2d"])
@pytest.mark.parametrize(
    ("shape", "error", "message"),
    [
        ((2, 4, 6), ValueError, "input_shape (=(2, 4, 6)) must be a shape (N, C, H, W)"),
        ((2, 4, 0, 5), ValueError, "input_shape[2] (=0) must be at least 1"),
        ((2, 4, 6.0, 5), TypeError, "input_shape[2] (=6.0) must be an integer"),
    ],
)
def test_a_shape_in_place_of_the_images(name, shape, error, message):
    given = {"kernel_size": 2} if name == "avg_pool2d" else {}
    with pytest.raises(error, match=re.escape(message)):
        getattr(ops, f"{name}_backward")(np.ones((2, 4, 3, 3)), shape, **given)


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_padding_takes_a_batch_of_no_images(mode):
    assert ops.pad2d(np.ones((0, 3, 4, 5)), 1, mode).shape == (0, 3, 6, 7)
    assert ops.pad2d_backward(np.ones((0, 3, 6, 7)), 1, mode).shape == (0, 3, 4, 5)


def test_columns_take_a_batch_of_no_images():
    columns = ops.im2col(np.ones((0, 4, 6, 5)), (2, 1))
    assert columns.shape == (0, 8, 25)
    assert ops.col2im(columns, (6, 5), (2, 1)).shape == (0, 4, 6, 5)


@pytest.mark.parametrize("algorithm", ops.CONV2D_ALGORITHMS)
@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
def test_every_algorithm_takes_what_conv2d_takes(algorithm, dtype):
    """No images, whole numbers, half precision, and arrays that lie in memory in another way."""
    rng = np.random.default_rng(0)
    x, weight = (rng.integers(0, 5, size).astype(dtype) for size in ((2, 4, 7, 6), (4, 2, 3, 3)))
    settings = dict(padding=1, groups=2, algorithm=algorithm)
    out = ops.conv2d(x, weight, **settings)
    assert out.dtype == ("int64" if dtype == "uint8" else dtype)
    exact = ops.conv2d(x.astype("float64"), weight.astype("float64"), padding=1, groups=2)
    np.testing.assert_allclose(out, exact, *((0, 0) if dtype == "uint8" else (2e-3, 2e-3)))
    assert ops.conv2d(x[:0], weight, **settings).shape == (0, 4, 7, 6)
    for rearranged in (x.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2), np.flip(x).copy()):
        view = rearranged if rearranged.strides != x.strides else np.flip(rearranged)
        view.setflags(write=False)
        np.testing.assert_array_equal(ops.conv2d(view, weight, **settings), out)
