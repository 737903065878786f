"""Operators in NumPy, each with its backward pass beside it in the same file.

    padding          pad2d: what lies beyond the border of an image
    toeplitz         conv_matrix: a convolution written out as the matrix it is
    conv             conv2d_single, true_convolution: one image, one kernel
    columns          im2col, col2im: the windows of an image as a matrix
    conv_2d          conv2d: batches, channels, groups; in several ways, from loops to Winograd
    conv_1d          conv1d: signals
    conv_3d          conv3d: videos and scans (forward only)
    separable        depthwise_conv2d, pointwise_conv2d
    transpose        conv_transpose2d
    pool             max_pool2d, avg_pool2d, global_avg_pool2d
    blur_pool        blur_pool2d
    norm             batch_norm2d, layer_norm, group_norm
    activation       relu, gelu, sigmoid, silu
    loss             softmax, cross_entropy
    fully_connected  linear
    attention        scaled_dot_product_attention

Behind `conv2d` stand `conv_fast` (what it does unless told otherwise), `conv_fft` and
`conv_winograd`.

"Convolution" means what deep learning means by it, cross-correlation: the kernel slides over the
image as it is. `true_convolution` is the one that flips it. `conv2d_single` takes one (H, W) array;
everything else takes batches (N, C, H, W) and weights (C_out, C_in/groups, K_h, K_w).

The backward pass of `f(x, …)` is `f_backward(grad_out, x, …)` with those arguments of the forward
pass that it needs; it returns the gradients in their order. Nothing is remembered between the two.

Everywhere: the inputs are never changed and the results are new arrays. The type of a result
follows NumPy's promotion of the types that went in, with two additions. Integers and booleans are
computed in int64 and come back as int64, because the product of two 8-bit pixels needs more than 8
bits; where the answer is no integer (means, norms, exponentials) they give float64. float16 is
computed in float32 and rounded once, at the end. A batch may be empty: the result is, too.
"""

from course_lib.ops.activation import (
    gelu,
    gelu_backward,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    silu,
    silu_backward,
)
from course_lib.ops.attention import (
    scaled_dot_product_attention,
    scaled_dot_product_attention_backward,
)
from course_lib.ops.blur_pool import blur_pool2d, blur_pool2d_backward
from course_lib.ops.columns import col2im, im2col
from course_lib.ops.conv import conv2d_single, conv2d_single_backward, true_convolution
from course_lib.ops.conv_1d import conv1d, conv1d_backward
from course_lib.ops.conv_2d import CONV2D_ALGORITHMS, conv2d, conv2d_backward
from course_lib.ops.conv_3d import conv3d
from course_lib.ops.fully_connected import linear, linear_backward
from course_lib.ops.loss import (
    cross_entropy,
    cross_entropy_backward,
    softmax,
    softmax_backward,
)
from course_lib.ops.norm import (
    batch_norm2d,
    batch_norm2d_backward,
    group_norm,
    group_norm_backward,
    layer_norm,
    layer_norm_backward,
)
from course_lib.ops.padding import pad2d, pad2d_backward
from course_lib.ops.pool import (
    avg_pool2d,
    avg_pool2d_backward,
    global_avg_pool2d,
    global_avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
)
from course_lib.ops.separable import (
    depthwise_conv2d,
    depthwise_conv2d_backward,
    pointwise_conv2d,
    pointwise_conv2d_backward,
)
from course_lib.ops.toeplitz import conv_matrix
from course_lib.ops.transpose import conv_transpose2d, conv_transpose2d_backward

__all__ = [
    "CONV2D_ALGORITHMS",
    "avg_pool2d",
    "avg_pool2d_backward",
    "batch_norm2d",
    "batch_norm2d_backward",
    "blur_pool2d",
    "blur_pool2d_backward",
    "col2im",
    "conv1d",
    "conv1d_backward",
    "conv2d",
    "conv2d_backward",
    "conv2d_single",
    "conv2d_single_backward",
    "conv3d",
    "conv_matrix",
    "conv_transpose2d",
    "conv_transpose2d_backward",
    "cross_entropy",
    "cross_entropy_backward",
    "depthwise_conv2d",
    "depthwise_conv2d_backward",
    "gelu",
    "gelu_backward",
    "global_avg_pool2d",
    "global_avg_pool2d_backward",
    "group_norm",
    "group_norm_backward",
    "im2col",
    "layer_norm",
    "layer_norm_backward",
    "linear",
    "linear_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "pad2d",
    "pad2d_backward",
    "pointwise_conv2d",
    "pointwise_conv2d_backward",
    "relu",
    "relu_backward",
    "scaled_dot_product_attention",
    "scaled_dot_product_attention_backward",
    "sigmoid",
    "sigmoid_backward",
    "silu",
    "silu_backward",
    "softmax",
    "softmax_backward",
    "true_convolution",
]
