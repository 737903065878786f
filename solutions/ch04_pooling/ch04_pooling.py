# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Chapter 04 · Keep one of four
#
# Cover one pixel of a photograph with your finger. Could you guess it from the pixel beside it? Most
# of the time, closely. A feature map is like that, too: what was found here was found next door. A
# network that keeps all of it pays for it again in every layer above. So every few layers it throws
# three of four numbers away, and this chapter asks which three.
#
# **What you will be able to do**
#
# - shrink feature maps by max, average and global average pooling, and say what each throws away;
# - carry a gradient back through a pool, ties and overlaps included;
# - choose between a pool and a convolution with a stride, with numbers;
# - measure which shifts a pool forgives, and mend what a stride breaks;
# - cut the head of a network from a hundred million parameters to half a million.
#
# **What you need**: the size formula and the backward pass of chapter 02, and batches of channels
# from chapter 03. The exercises need NumPy alone; PyTorch appears to compare with and to train.
#
# **Time and points**: about 140 minutes, 40 points.
#
# | section | exercise | points |
# | --- | --- | ---: |
# | 1 | `max_pool2d` | 6 |
# | 2 | `avg_pool2d` | 5 |
# | 3 | `max_pool2d_backward` | 6 |
# | 3 | `avg_pool2d_backward` | 4 |
# | 5 | `shift_sensitivity` | 4 |
# | 6 | `blur_pool2d` | 4 |
# | 7 | `global_avg_pool2d` | 2 |
# | 7 | `head_params` | 2 |
# | 10 | `quiz_04` | 7 |
#
# Stuck on an exercise? `hint(max_pool2d)` in a cell of your own shows a hint, and a further one each
# time you run it. After the last hint, or once you have passed, `solution(max_pool2d)` shows our
# answer.
#
# A few experiments run on your own functions. Where yours is not ready they take the course's, and
# say so: you can run every experiment before you have solved anything. Run the notebook cell by cell:
# *Run All* stops at the first check that gives no points. Where you are asked for a guess and the next
# cell would give it away, its code is folded: run it first, then unfold it.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import functools
import math

import numpy as np

from autograder.check import check, hint, questions, solution
from course_lib import cost, data, equivariance, geometry, ops, shifts

# %%
from course_lib.explorers import Pooling
from course_lib.plots import described
from course_lib.plots import pooling as plots
from course_lib.plots.output_size import grids, learning, pictures, visit_maps


def yours_or_ours(yours, ours, *example):
    """Your function where it gets an example right, else the course's; says which one it is."""
    try:
        right = np.allclose(yours(*example), ours(*example))
    except Exception:
        right = False
    print(f"This cell uses {'your' if right else 'the course’s'} {yours.__name__}.")
    return yours if right else ours


# %% [markdown]
# ## 1 · Which of the four do you keep?
#
# First, is it true that a pixel tells you its neighbour? Ten photographs, 128 pixels wide: how far
# is a pixel from the one on its right, and how far from the one half the picture away?

# %%
photographs = {name: data.photograph(name, size=128) for name in data.photograph_names()}

for name, photo in photographs.items():
    beside = np.abs(np.diff(photo, axis=1)).mean()
    far = np.abs(photo[:, 64:] - photo[:, :64]).mean()
    print(f"{name:10} next pixel {beside:.3f}   64 pixels away {far:.3f}")
    assert beside < far
    photographs[name] = photo.astype(np.float64)

# %% [markdown]
# Neighbours repeat each other: closely in most photographs, less so in textures like grass. So take
# squares of 2×2 neighbours and keep one number of each. This is a map of 4×4; its numbers say how
# strongly a kernel answered at each place.

# %%
image = np.array([[1, 3, 2, 1], [4, 2, 6, 5], [7, 8, 1, 2], [3, 5, 9, 4]])
x = image[None, None]  # (N, C, H, W) with N = C = 1
print(image)

# %% [markdown]
# *Before you run the next cell: which four numbers would you keep?*

# %% jupyter={"source_hidden": true}
# The figure.
assert ops.max_pool2d(x, 2)[0, 0].tolist() == [[4, 6], [8, 9]]
assert ops.avg_pool2d(x, 2)[0, 0].tolist() == [[2.5, 3.5], [5.75, 4.0]]
described(
    plots.windows_and_winners(
        image,
        2,
        {"the largest": ops.max_pool2d(x, 2)[0, 0], "the mean": ops.avg_pool2d(x, 2)[0, 0]},
        title="One number for each window",
    ),
    "A 4×4 grid of numbers cut into four windows of 2×2, the largest number of each "
    "in a circle: 4, 6, 8 and 9. Beside it the grid of the largest, 4 6 over 8 9, and "
    "the grid of the means, 2.5 3.5 over 5.75 4.",
)

# %% [markdown]
# **Max pooling** keeps the largest of each window: 4, 6, 8, 9. It asks *was it found anywhere in
# here?* and forgets where. **Average pooling** keeps the mean and asks *how much of it is in here?*
#
# A pool slides a window like a convolution does, and chapter 02's size formula holds. Three things
# differ. Windows stand side by side unless you say otherwise: the stride is the window's size. Each
# channel is pooled by itself: what comes in as 64 maps leaves as 64 maps. And there is nothing to
# learn, in these two as in the third pool below, which section 7 explains.

# %%
import torch
from torch import nn

torch.set_num_threads(1)  # the networks below are small: a second thread would only wait

for layer in (nn.MaxPool2d(2), nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1)):
    print(f"{type(layer).__name__:18}", sum(p.numel() for p in layer.parameters()), "parameters")
    assert list(layer.parameters()) == []

maps = torch.zeros(1, 64, 56, 56)
assert nn.MaxPool2d(2)(maps).shape == (1, 64, 28, 28)

# %% [markdown]
# ### Windows that overlap
#
# Nothing forces the stride to be the window's size. AlexNet, the network that made convolutions
# famous in 2012, pools 3×3 windows at stride 2: each shares a row or column with its neighbour.
# *Before you run the cells: a map of 55×55 goes in. How large is what comes out? And in how many
# windows does a pixel take part?* (A map of 7×7 is enough to see that.)

# %%
print("55 pixels become", geometry.output_size(55, kernel=3, stride=2))

# %% jupyter={"source_hidden": true}
# The figure.
assert geometry.output_size(55, kernel=3, stride=2) == 27
described(
    visit_maps(
        {
            "2×2 at stride 2": geometry.visit_counts(7, 7, kernel=2, stride=2),
            "3×3 at stride 2": geometry.visit_counts(7, 7, kernel=3, stride=2),
        },
        title="In how many windows does each pixel take part?",
    ),
    "Two maps of 7×7 counts. With 2×2 windows at stride 2 every pixel has 1, but the "
    "last row and column are hatched with 0. With 3×3 windows at stride 2 pixels have "
    "1, 2 or 4: 4 where rows and columns of two windows cross.",
)

# %% [markdown]
# 27×27, and where windows overlap a pixel is heard up to four times. Section 5 measures what that is
# good for.
#
# ### The border
#
# A pool can be padded, too: ResNet's one max pool, 3×3 at stride 2, has a padding of 1. With what should
# the border be filled? Try zeros, as for a convolution, on a map whose numbers are all negative.

# %%
below_zero = np.array([[[[-5.0, -3.0], [-2.0, -7.0]]]])
with_zeros = ops.pad2d(below_zero, 1)
print(ops.max_pool2d(with_zeros, 2)[0, 0])
print(ops.max_pool2d(below_zero, 2, padding=1)[0, 0])
assert not ops.max_pool2d(with_zeros, 2).any()
assert np.array_equal(ops.max_pool2d(below_zero, 2, padding=1), below_zero)

# %% [markdown]
# Each zero is larger than all of the map, and wins: numbers that nobody found anywhere. A maximum
# needs a border that can never win, $-\infty$.
#
# ### Exercise: `max_pool2d` (6 points)
#
# `x` is a batch of images, an array `(N, C, H, W)`. Return the largest value of each window, for
# each image and channel by itself: an array `(N, C, H_out, W_out)` with the sizes of chapter 02's
# formula, floor included. Without a stride, windows stand side by side. The border holds $-\infty$.
# `kernel_size`, `stride` and `padding` are each one whole number (an `int` or a NumPy integer) or a
# pair `(height, width)`, tuple or list; the padding is at most half the window. Do without ready-made
# pools and filters, the course's own included.
#
# For example, `max_pool2d(x, 2)` with the `x` of above is `[[4 6], [8 9]]`, in the shape
# (1, 1, 2, 2), and `max_pool2d(x, 2, stride=1)` has the shape (1, 1, 3, 3).


# %% nbgrader={"grade": false, "grade_id": "max_pool2d", "locked": false, "schema_version": 3, "solution": true, "task": false}
def max_pool2d(x, kernel_size, stride=None, padding=0):
    """The largest value of each window: (N, C, H, W) → (N, C, H_out, W_out).

    `stride` is `kernel_size` where it is None; the padding holds minus infinity. Each of the three
    is an int or a (height, width) pair.
    """
    ### BEGIN SOLUTION
    k_h, k_w = np.broadcast_to(kernel_size, 2)
    s_h, s_w = np.broadcast_to(kernel_size if stride is None else stride, 2)
    p_h, p_w = np.broadcast_to(padding, 2)
    n, channels, height, width = x.shape
    padded = np.full((n, channels, height + 2 * p_h, width + 2 * p_w), -np.inf)
    padded[:, :, p_h : p_h + height, p_w : p_w + width] = x
    rows = (padded.shape[2] - k_h) // s_h + 1
    columns = (padded.shape[3] - k_w) // s_w + 1
    out = np.zeros((n, channels, rows, columns))
    for r in range(rows):
        for c in range(columns):
            window = padded[:, :, r * s_h : r * s_h + k_h, c * s_w : c * s_w + k_w]
            out[:, :, r, c] = window.max(axis=(2, 3))
    return out
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_max_pool2d", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check(max_pool2d)
### BEGIN HIDDEN TESTS
check(max_pool2d, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 2 · Or their mean?
#
# Here is what both do to a map that a network might have: the upright edges of a photograph, found
# by a kernel, cut off below 0 (the ReLU of chapter 06), and then pooled hard, by 4×4 windows.

# %%
pool = yours_or_ours(max_pool2d, ops.max_pool2d, x, 2)

upright = np.array([[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]])


def edges_of(photo):
    """The upright edges of a photograph (H, W), as a batch of one map (1, 1, H, W)."""
    response = ops.conv2d_single(photo, upright, padding=1, padding_mode="circular")
    return np.maximum(response, 0)[None, None]


found = edges_of(photographs["camera"])

# %% [markdown]
# *Before you run the next cell: after which of the two pools will a thin, bright edge be easier to
# see?*

# %% jupyter={"source_hidden": true}
# The figure.
described(
    pictures(
        {
            "the edges": found[0, 0],
            "the largest of 4×4": pool(found, 4)[0, 0],
            "the mean of 4×4": ops.avg_pool2d(found, 4)[0, 0],
        },
        title="Max pooling keeps a thin edge bright",
    ),
    "Three pictures: thin bright lines where a photograph of a man with a camera has "
    "upright edges; the largest of each 4×4 window, coarse, with the edges as bright "
    "as before; and the means, coarse and dark.",
)

# %%
print(f"strongest edge {found.max():.2f}, after max pooling {pool(found, 4).max():.2f}, ", end="")
print(f"after average pooling {ops.avg_pool2d(found, 4).max():.2f}")

# %% [markdown]
# A maximum keeps the strongest answer as strong as it was. A mean waters it down with the silence
# around it, and keeps something else: the average over the whole map does not change. Inside a
# network, where a map says *found it*, the maximum is the usual choice. At the end, where a map is
# boiled down to one number, it is the mean; section 7 shows why.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert pool(found, 4).max() == found.max() > 2 * ops.avg_pool2d(found, 4).max()
assert np.isclose(ops.avg_pool2d(found, 4).mean(), found.mean())

# %% [markdown]
# ### Exercise: `avg_pool2d` (5 points)
#
# Return the mean of each window, with the same arguments and the same sizes. The border holds zeros,
# and here they *count as pixels*: every sum is divided by the size of the whole window. (That is
# PyTorch's default. It has a switch for the other reading, `count_include_pad`.) Do without ready-made
# pools and filters here, too.
#
# For example, `avg_pool2d(x, 2)` is `[[2.5 3.5], [5.75 4.]]`. With `kernel_size=3`, `stride=2` and
# `padding=1` its first number is (1 + 3 + 4 + 2) / 9.


# %% nbgrader={"grade": false, "grade_id": "avg_pool2d", "locked": false, "schema_version": 3, "solution": true, "task": false}
def avg_pool2d(x, kernel_size, stride=None, padding=0):
    """The mean of each window: (N, C, H, W) → (N, C, H_out, W_out).

    Padded zeros count as pixels. `stride` is `kernel_size` where it is None. Each of the three is an
    int or a (height, width) pair.
    """
    ### BEGIN SOLUTION
    k_h, k_w = np.broadcast_to(kernel_size, 2)
    s_h, s_w = np.broadcast_to(kernel_size if stride is None else stride, 2)
    p_h, p_w = np.broadcast_to(padding, 2)
    padded = np.pad(x, ((0, 0), (0, 0), (p_h, p_h), (p_w, p_w)))
    rows = (padded.shape[2] - k_h) // s_h + 1
    columns = (padded.shape[3] - k_w) // s_w + 1
    out = np.zeros((*x.shape[:2], rows, columns))
    for r in range(rows):
        for c in range(columns):
            window = padded[:, :, r * s_h : r * s_h + k_h, c * s_w : c * s_w + k_w]
            out[:, :, r, c] = window.mean(axis=(2, 3))
    return out
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_avg_pool2d", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check(avg_pool2d)
### BEGIN HIDDEN TESTS
check(avg_pool2d, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · Who learns, when three of four are thrown away?
#
# Turn one pixel of the 4×4 map up a little. By how much do the four outputs grow, all together?
# *Before you run the cells: for which pixels is it nothing, with the maximum? And with the mean?*


# %%
def growth(pooling, x, step=0.01):
    """By how much the sum of the outputs grows with each pixel of the first map of x."""
    grown = np.zeros(x.shape[2:])
    for place in np.ndindex(grown.shape):
        turned_up = x.astype(float)
        turned_up[0, 0][place] += step
        grown[place] = (pooling(turned_up, 2).sum() - pooling(x, 2).sum()) / step
    return np.round(grown, 6)


# %% jupyter={"source_hidden": true}
# The figure.
described(
    grids(
        {
            "image": image,
            "growth with the maximum": growth(ops.max_pool2d, x),
            "growth with the mean": growth(ops.avg_pool2d, x),
        },
        title="A maximum listens to its winner, a mean to everybody",
    ),
    "Three grids of 4×4. The image; the growth of the pooled maxima, 1 at the largest "
    "pixel of each 2×2 window and 0 elsewhere; the growth of the means, 0.25 "
    "everywhere.",
)

# %% [markdown]
# There is the backward pass. **A maximum hands its gradient to the winner, whole. A mean shares it
# evenly among all.** Three details make it complete.
#
# *A tie.* Two pixels are largest. Turn either up, and the output follows; turn either down, and the
# other one holds it. There is no one right answer, so everybody needs the same convention: the first
# winner in reading order, row by row, gets everything.
#
# *An overlap.* A pixel in several windows collects from each that it wins, or shares in. Add, do not
# overwrite.
#
# *A remainder.* Pixels that no window touched get 0. They stay in the gradient, which has the shape of
# the input.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
ones = np.ones((1, 1, 2, 2))
assert np.allclose(growth(ops.max_pool2d, x), ops.max_pool2d_backward(ones, x, 2))
assert np.allclose(growth(ops.avg_pool2d, x), ops.avg_pool2d_backward(ones, x.shape, 2))
assert growth(ops.max_pool2d, x).sum() == growth(ops.avg_pool2d, x).sum() == 4

# %%
tie = torch.tensor([[[[2.0, 5.0], [5.0, 5.0]]]], requires_grad=True)
nn.functional.max_pool2d(tie, 2).backward(torch.tensor([[[[8.0]]]]))
print("PyTorch gives a tie to\n", tie.grad[0, 0].numpy())
assert tie.grad[0, 0].tolist() == [[0, 8], [0, 0]]

peak = np.array([[[[1, 2, 1], [3, 9, 4], [0, 5, 2]]]])
collected = ops.max_pool2d_backward(np.array([[[[1, 2], [3, 4]]]]), peak, 2, stride=1)
assert collected[0, 0].tolist() == [[0, 0, 0], [0, 1 + 2 + 3 + 4, 0], [0, 0, 0]]

# %% [markdown]
# *Before you play:* the explorer shows a pool, its windows, and in the third grid what each pixel
# gets when every output sends back a 1. Set the stride to 1: which pixels of the image will
# collect most? Then choose *average*. Does any pixel now get more than 1?

# %%
Pooling(image=image.tolist())

# %% [markdown]
# The 6 and the 8: each wins three of its four windows. With the mean no pixel gets more than 1: four
# windows, and a quarter from each.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
overlapping = ops.max_pool2d_backward(np.ones((1, 1, 3, 3)), x, 2, stride=1)
assert overlapping.max() == 3 and image[overlapping[0, 0] == 3].tolist() == [6, 8]
assert ops.avg_pool2d_backward(np.ones((1, 1, 3, 3)), x.shape, 2, stride=1).max() == 1

# %% [markdown]
# ### Exercise: `max_pool2d_backward` (6 points)
#
# `grad_out` has the shape of `max_pool2d(x, kernel_size, stride)` and holds the gradient of the loss
# at each output. Return its gradient at each pixel of `x`, in the shape of `x`. Of equal winners the
# first in reading order gets it all. `kernel_size` and `stride` come in the same forms as before; there
# is no padding. Do without ready-made pools, forwards and backwards.
#
# For example, with `grad_out` = `[[10 20], [30 40]]` and the `x` of above, `max_pool2d_backward(grad_out,
# x, 2)` is
#
# ```
# [[ 0  0  0  0]
#  [10  0 20  0]
#  [ 0 30  0  0]
#  [ 0  0 40  0]]
# ```


# %% nbgrader={"grade": false, "grade_id": "max_pool2d_backward", "locked": false, "schema_version": 3, "solution": true, "task": false}
def max_pool2d_backward(grad_out, x, kernel_size, stride=None):
    """The gradient of max_pool2d at x: (N, C, H_out, W_out) → (N, C, H, W).

    Of equal winners the first in reading order gets everything. `stride` is `kernel_size` where it is
    None; both are an int or a (height, width) pair.
    """
    ### BEGIN SOLUTION
    k_h, k_w = np.broadcast_to(kernel_size, 2)
    s_h, s_w = np.broadcast_to(kernel_size if stride is None else stride, 2)
    grad = np.zeros(x.shape)
    for (n, channel, r, c), g in np.ndenumerate(grad_out):
        top, left = r * s_h, c * s_w
        window = x[n, channel, top : top + k_h, left : left + k_w]
        row, column = divmod(np.argmax(window), k_w)  # argmax counts row by row
        grad[n, channel, top + row, left + column] += g
    return grad
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_max_pool2d_backward", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check(max_pool2d_backward)
### BEGIN HIDDEN TESTS
check(max_pool2d_backward, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise: `avg_pool2d_backward` (4 points)
#
# The same for the mean. The values of the input play no part, so only its shape is handed in,
# `(N, C, H, W)` as a tuple or list. Here, too, do without ready-made pools.
#
# For example, `avg_pool2d_backward(grad_out, (1, 1, 2, 4), 2)` with the two numbers 4 and 8 in
# `grad_out` is `[[1 1 2 2], [1 1 2 2]]`. With the shape (1, 1, 2, 3) and a stride of 1 it is
# `[[1 3 2], [1 3 2]]`: the middle column is in both windows.


# %% nbgrader={"grade": false, "grade_id": "avg_pool2d_backward", "locked": false, "schema_version": 3, "solution": true, "task": false}
def avg_pool2d_backward(grad_out, input_shape, kernel_size, stride=None):
    """The gradient of avg_pool2d: (N, C, H_out, W_out) → input_shape, which is (N, C, H, W).

    `stride` is `kernel_size` where it is None; both are an int or a (height, width) pair.
    """
    ### BEGIN SOLUTION
    k_h, k_w = np.broadcast_to(kernel_size, 2)
    s_h, s_w = np.broadcast_to(kernel_size if stride is None else stride, 2)
    share = grad_out / (k_h * k_w)
    grad = np.zeros(input_shape)
    for r in range(grad_out.shape[2]):
        for c in range(grad_out.shape[3]):
            top, left = r * s_h, c * s_w
            grad[:, :, top : top + k_h, left : left + k_w] += share[:, :, r : r + 1, c : c + 1]
    return grad
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_avg_pool2d_backward", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check(avg_pool2d_backward)
### BEGIN HIDDEN TESTS
check(avg_pool2d_backward, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ### So does the layer below starve?
#
# Behind a 2×2 max pool, three of four places of a map get no gradient. The convolution that made the
# map has a handful of weights, and each was used at *every* place. Count who hears anything: the
# places of the map, and the weights of the kernel.

# %%
backward = yours_or_ours(max_pool2d_backward, ops.max_pool2d_backward, np.ones((1, 1, 2, 2)), x, 2)

photo = photographs["gravel"]
kernel = np.random.default_rng(0).normal(size=(3, 3))
response = ops.conv2d_single(photo, kernel)[None, None]  # (1, 1, 126, 126)
upstream = np.random.default_rng(1).normal(size=ops.max_pool2d(response, 2).shape)

at_places = backward(upstream, response, 2)
_, at_weights = ops.conv2d_single_backward(at_places[0, 0], photo, kernel)

print(f"places of the map with a gradient:   {np.mean(at_places != 0):.0%}")
print(f"weights of the kernel with a gradient: {np.mean(at_weights != 0):.0%}")
assert np.mean(at_places != 0) == 0.25 and (at_weights != 0).all()

# %% [markdown]
# A quarter of the places is enough for all of the weights. Chapter 02 let a kernel learn from a
# photograph and what a secret kernel had made of it. Now put a max pool behind both, so that three of
# four results are never seen. *Before you run the cells: will nine weights still be found?*

# %%
secret = np.array([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
gravel = data.photograph("gravel", size=34).astype(np.float64)
gravel = (gravel - gravel.mean()) / gravel.std()


def pooled_response(kernel):
    response = ops.conv2d_single(gravel, kernel)[None, None]
    return response, ops.max_pool2d(response, 2)


_, wanted = pooled_response(secret)
first = np.random.default_rng(0).normal(size=(3, 3))
weights, losses = first.copy(), []
for step in range(150):
    response, out = pooled_response(weights)
    error = out - wanted
    losses.append((error**2).mean())
    at_places = backward(2 * error / error.size, response, 2)
    _, at_weights = ops.conv2d_single_backward(at_places[0, 0], gravel, weights)
    weights -= 0.1 * at_weights

# %% jupyter={"source_hidden": true}
# The figure.
assert np.allclose(weights, secret, atol=0.01)
described(
    learning(
        losses,
        {
            "random weights": first,
            "after 150 steps": np.round(weights, 2) + 0.0,
            "the secret kernel": secret,
        },
    ),
    "Left, the loss falls over 150 steps by many powers of ten. Right, three kernels: "
    "nine random weights, the learned weights, and the secret Sobel kernel; the last "
    "two are alike.",
)

# %% [markdown]
# They are. And the winners change from image to image, and from step to step: whoever got nothing now
# may get it next time.
#
# ## 4 · Pool, or a convolution that jumps?
#
# A convolution with stride 2 halves a map as well. Many newer networks have no pools but one at the
# end. Four things can be compared: what it costs, whom the gradient reaches, what is thrown away,
# and how well it does.
#
# ### What does it cost, and whom does the gradient reach?
#
# You may read that a stride-2 convolution passes its gradient to *all* places. *Before you run the
# cell: do you believe it, for a kernel of 3×3? For one of 1×1?*

# %%
rng = np.random.default_rng(0)
wide = rng.normal(size=(1, 1, 32, 32))
arriving = rng.normal(size=(1, 1, 16, 16))


def through_convolution(size):
    """The gradient at the input of a convolution with stride 2 and random weights."""
    grad, _ = ops.conv2d_single_backward(
        arriving[0, 0],
        wide[0, 0],
        rng.normal(size=(size, size)),
        stride=2,
        padding=(size - 1) // 2,
    )
    return grad


ways = {
    "max pool 2×2": (0, ops.max_pool2d_backward(arriving, wide, 2)),
    "average pool 2×2": (0, ops.avg_pool2d_backward(arriving, wide.shape, 2)),
    "convolution 1×1, stride 2": (cost.conv_params(64, 64, 1), through_convolution(1)),
    "convolution 2×2, stride 2": (cost.conv_params(64, 64, 2), through_convolution(2)),
    "convolution 3×3, stride 2": (cost.conv_params(64, 64, 3), through_convolution(3)),
}
print(f"{'64 channels to 64':28}{'parameters':>12}{'places with a gradient':>26}")
for name, (parameters, grad) in ways.items():
    print(f"{name:28}{parameters:12,}{np.mean(grad != 0):26.0%}")

# %% [markdown]
# It is true where the kernel is *at least as large as the stride*. A smaller one leaves gaps, on the
# way forward and on the way back: 1×1 at stride 2 reads one pixel of four, like a pool whose winner
# always sits in the same corner. (Networks have such layers: the shortcuts of chapter 07.) And where
# the kernel is larger than the stride but no multiple of it, some places get more than others: the
# counts 1, 2, 4 of section 1. Chapter 09 meets them again, as checkerboards.

# %% jupyter={"source_hidden": true}
# The numbers of the table above.
reached = [np.mean(grad != 0) for _, grad in ways.values()]
assert reached == [0.25, 1, 0.25, 1, 1]
assert [parameters for parameters, _ in ways.values()] == [0, 0, 4_160, 16_448, 36_928]

# %%
for kernel_size, stride in ((1, 2), (2, 2), (3, 2), (2, 3), (3, 3)):
    seen = geometry.visit_counts(36, 36, kernel_size, stride) > 0
    inside = seen[: 36 - kernel_size, : 36 - kernel_size]  # away from what the floor drops
    print(f"kernel {kernel_size}, stride {stride}: {'all' if inside.all() else 'not all'} places")
    assert inside.all() == (kernel_size >= stride)

# %% [markdown]
# ### What is thrown away?
#
# A max pool cannot see anything but its winners. Take a photograph, blacken every pixel that is not
# the largest of its 2×2 window, and pool. *Before you run the cells: can you tell the two results
# apart?*

# %%
small = data.photograph("camera", size=64).astype(np.float64)[None, None]
winners = ops.max_pool2d_backward(np.ones((1, 1, 32, 32)), small, 2)
blackened = small * winners

# %% jupyter={"source_hidden": true}
# The figure.
assert np.mean(blackened != small) > 0.7
assert np.array_equal(ops.max_pool2d(small, 2), ops.max_pool2d(blackened, 2))
described(
    pictures(
        {
            "a photograph": small[0, 0],
            "its winners only": blackened[0, 0],
            "the first, pooled": ops.max_pool2d(small, 2)[0, 0],
            "the second, pooled": ops.max_pool2d(blackened, 2)[0, 0],
        },
        title="Two pictures that are one to a max pool",
    ),
    "Four pictures. A photograph of a man with a camera; the same with three of four "
    "pixels black; and what 2×2 max pooling makes of both, which is the same picture.",
)

# %% [markdown]
# They are equal, number by number.
#
# An average pool and a convolution are linear, so they have a matrix (chapter 01), and its rank says
# how many independent numbers get through. From an image of 8×8 there are 64 to begin with.


# %%
def numbers_kept(kernels):
    """The rank of 2×2 convolutions at stride 2 on an 8×8 image, taken together."""
    return np.linalg.matrix_rank(
        np.vstack([ops.conv_matrix(kernel, 8, 8, stride=2) for kernel in kernels])
    )


kept = {
    "average pool": numbers_kept([np.full((2, 2), 1 / 4)]),
    "one learned kernel": numbers_kept(rng.normal(size=(1, 2, 2))),
    "two learned kernels": numbers_kept(rng.normal(size=(2, 2, 2))),
    "four learned kernels": numbers_kept(rng.normal(size=(4, 2, 2))),
}
for name, rank in kept.items():
    print(f"{name:22} {rank} of 64")
assert list(kept.values()) == [16, 16, 32, 64]

# %% [markdown]
# One map at half the height and width holds 16 of 64 numbers, however it was made. An average always
# keeps the same 16. A convolution may *choose* which, and with more output channels it may keep more:
# two kernels half of the numbers, four all of them. That is one reason why networks double their
# channels where they halve the size.
#
# ### Which reads better?
#
# The same small network four times, halving its maps in four ways, trained on real digits of 8×8
# pixels. You may skip the training code, it is that of chapter 01. The sixteen trainings, four seeds of
# each network, take ten to thirty seconds.

# %%
HALVE = {
    "max 2×2": lambda channels: nn.MaxPool2d(2),
    "average 2×2": lambda channels: nn.AvgPool2d(2),
    "convolution 2×2": lambda channels: nn.Conv2d(channels, channels, 2, stride=2),
    "max 3×3, overlapping": lambda channels: nn.MaxPool2d(3, stride=2, padding=1),
}
SEEDS = range(4)


def network(halve, head):
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        halve(16),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        head,
    )


def flatten_head():
    return nn.Sequential(nn.Flatten(), nn.Linear(32 * 4 * 4, 10))


@functools.cache
def digits_for(split, seed):
    images, labels = data.digits(split, seed=seed)
    return torch.from_numpy(images)[:, None], torch.from_numpy(labels)  # (N, 1, 8, 8), (N,)


def trained(halve, head, seed, epochs=12, batch=64, rate=0.01):
    torch.manual_seed(seed)
    model = network(halve, head())
    images, labels = digits_for("train", seed)
    optimiser = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=rate, total_steps=epochs * math.ceil(len(images) / batch)
    )
    for _ in range(epochs):
        for some in torch.randperm(len(images)).split(batch):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(images[some]), labels[some]).backward()
            optimiser.step()
            schedule.step()
    return model


def accuracy(model, seed, change=lambda images: images):
    """The share of the test digits that are read rightly after a change."""
    images, labels = digits_for("test", seed)
    with torch.no_grad():
        return float((model(change(images)).argmax(1) == labels).float().mean())


def spread(numbers):
    return f"{np.mean(numbers):.3f} ({min(numbers):.3f}-{max(numbers):.3f})"


# %%
models = {
    name: [trained(halve, flatten_head, seed) for seed in SEEDS] for name, halve in HALVE.items()
}
right = {
    name: [accuracy(model, seed) for model, seed in zip(each, SEEDS, strict=True)]
    for name, each in models.items()
}
for name, numbers in right.items():
    print(f"{name:22} {spread(numbers)}")

means = [np.mean(numbers) for numbers in right.values()]
assert min(min(numbers) for numbers in right.values()) > 0.94
assert max(means) - min(means) < 0.025

# %% [markdown]
# Means over four seeds, the smallest and the largest in brackets. The ways of halving lie about as
# close together as the seeds of one way: on digits that stand where they should, this network does
# not care. The next section moves the digits.
#
# ## 5 · Which shifts does a pool forgive?
#
# A bright pixel stands in the left half of a window of two. Move it one to the right: it is still in
# its window, the largest is the same, and no layer above can tell. Move it once more, and it is in the
# next window. A pool forgives a shift *as long as the winner stays in its window*.

# %%
bright = np.array([[[[1, 0, 0, 0]]]])
for shift in range(3):
    moved = np.roll(bright, shift, axis=-1)
    print(moved[0, 0, 0], "→", ops.max_pool2d(moved, (1, 2))[0, 0, 0])

# %% [markdown]
# How much is that worth on a photograph, where winners stand anywhere? Measure it. Shift the image by
# one pixel, by two, and so on; each time, compare the output with that of the image as it was.
#
# ### Exercise: `shift_sensitivity` (4 points)
#
# `op` is a function from a batch `(N, C, H, W)` to an array of any shape, always the same for the same
# input size. For each shift from 1 to `max_shift`, move `x` to the *right* by so many pixels (what
# leaves comes in on the left, as `np.roll` does) and take the mean absolute change of `op`'s
# output. Return the mean of these over the shifts, divided by the mean absolute value of
# `op(x)`: a float. It says by what part of its own size the output changes. Do without the course's own
# `shift_sensitivity`.
#
# For example, with `op` a max pool with windows of one by two and `x` the bright pixel of above,
# `shift_sensitivity(op, x, 1)` is 0. With `max_shift` 2 it is 1: the second shift changes both outputs,
# the mean change is as large as twice the mean output, and the first changed nothing.


# %% nbgrader={"grade": false, "grade_id": "shift_sensitivity", "locked": false, "schema_version": 3, "solution": true, "task": false}
def shift_sensitivity(op, x, max_shift):
    """How much op's output changes, in proportion, when x moves to the right: a float.

    The mean over the shifts 1 … max_shift along the last axis of the mean absolute change of op's
    output, divided by the mean absolute output of x as it is.
    """
    ### BEGIN SOLUTION
    before = op(x)
    changes = [
        np.abs(op(np.roll(x, shift, axis=-1)) - before).mean() for shift in range(1, max_shift + 1)
    ]
    return float(np.mean(changes) / np.abs(before).mean())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_shift_sensitivity", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check(shift_sensitivity)
### BEGIN HIDDEN TESTS
check(shift_sensitivity, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# Take the edges of all ten photographs, 128 pixels wide, and pool them with windows of several
# sizes. *Before you run the cells: which windows should forgive shifts of one pixel? Which those of up
# to eight?*

# %%
sensitivity = yours_or_ours(
    shift_sensitivity, shifts.shift_sensitivity, lambda x: ops.max_pool2d(x, (1, 2)), bright, 2
)
edge_maps = np.concatenate([edges_of(photo) for photo in photographs.values()])  # (10, 1, 128, 128)

pools = {
    "no pool": lambda x: x,
    "max 2×2": lambda x: ops.max_pool2d(x, 2),
    "max 4×4": lambda x: ops.max_pool2d(x, 4),
    "max 8×8": lambda x: ops.max_pool2d(x, 8),
    "global average": ops.global_avg_pool2d,
}
up_to = (1, 2, 4, 8)
curves = {name: [sensitivity(op, edge_maps, n) for n in up_to] for name, op in pools.items()}

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.against_shift(
        up_to,
        curves,
        title="A pool forgives shifts that are small beside its window",
        y="shift sensitivity",
    ),
    "Shift sensitivity against the largest shift, 1 to 8 pixels. Without a pool the "
    "output changes by about as much as it is large after one pixel, and more from "
    "there on. The curves of max pools of 2×2, 4×4 and 8×8 lie lower, the larger the window "
    "the lower, and rise with the shift. The global average stays at 0.",
)

# %% [markdown]
# Small shifts are forgiven, large ones are not, and the window says what is small. A shift by one changes
# the output of 2×2 windows by more than half of its size; 8×8 windows hardly notice it. The *global*
# average, one number for the whole map, forgives every shift. (Here what leaves comes in again. In a
# real photograph something else comes in.)

# %% jupyter={"source_hidden": true}
# The claims of the text above.
after_one = [curves[name][0] for name in pools]
assert after_one == sorted(after_one, reverse=True)
assert after_one[0] > 0.8 and 0.5 < after_one[1] < 0.7 and after_one[3] < 0.15
assert curves["max 2×2"][3] > 1 > 0.5 > curves["max 8×8"][3]
assert curves["global average"][3] < 1e-9

# %% [markdown]
# You will hear that convolutional networks are translation **invariant**. Keep the words of chapter
# 01 apart. A convolution is *equivariant*: its map moves along. What *invariance* there is comes from
# pooling, window by window, and is partial.
#
# ### Does the network forgive, too?
#
# Show the trained networks their test digits again: moved by one, two and three pixels, and turned.
# *Before you run the cell: they were never shown a digit out of place. What will one pixel cost,
# and what a turn by 15 degrees?*


# %%
def turned(degrees):
    """A function that turns a batch of images around their centres, filling with black."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    rotation = torch.tensor([[[c, -s, 0.0], [s, c, 0.0]]])

    def turn(images):
        grid = nn.functional.affine_grid(
            rotation.repeat(len(images), 1, 1), images.shape, align_corners=False
        )
        return nn.functional.grid_sample(images, grid, align_corners=False)

    return turn


changes = {
    "in place": lambda images: images,
    "1 pixel": lambda images: images.roll(1, dims=-1),
    "2 pixels": lambda images: images.roll(2, dims=-1),
    "3 pixels": lambda images: images.roll(3, dims=-1),
    "15°": turned(15),
    "45°": turned(45),
    "90°": turned(90),
}
table = {
    name: {
        what: [accuracy(model, seed, change) for model, seed in zip(each, SEEDS, strict=True)]
        for what, change in changes.items()
    }
    for name, each in models.items()
}
print(" " * 22 + "".join(f"{what:>10}" for what in changes))
for name, row in table.items():
    print(f"{name:22}" + "".join(f"{np.mean(numbers):10.2f}" for numbers in row.values()))

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.marks(
        {name.replace(", ", ",\n"): row["1 pixel"] for name, row in table.items()},
        title="Digits moved by one pixel: overlapping windows forgive most",
        y="test accuracy",
        top=1.0,
    ),
    "Test accuracy on digits moved by one pixel, a mark for each of four seeds. "
    "Overlapping 3×3 max pooling is highest, around eight tenths; the others lie lower, "
    "around five or six tenths.",
)

# %% [markdown]
# One pixel is an eighth of these images, and it costs a good deal whatever the network. Overlapping
# windows forgive most: a stroke that leaves one window is still in its neighbour. At three pixels the networks
# are close to guessing, and a quarter turn finishes them: nothing in a pool knows about rotation.
# A turn by 15 degrees they mostly read: it moves most pixels by less than one.
#
# What a network should forgive, show it in training. Chapter 06 does that, with augmentation.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
for row in table.values():
    cell = {what: np.mean(numbers) for what, numbers in row.items()}
    assert cell["in place"] - 0.05 > cell["1 pixel"] > cell["2 pixels"] + 0.1
    assert cell["3 pixels"] < 0.25 and cell["90°"] < 0.25
    assert cell["15°"] > cell["45°"] + 0.2
from_centre = np.hypot(*np.indices((8, 8)) - 3.5)
assert np.mean(from_centre * math.radians(15) < 1) > 0.8  # of the pixels, on their arcs
overlap = table["max 3×3, overlapping"]["1 pixel"]
others = [row["1 pixel"] for name, row in table.items() if row["1 pixel"] is not overlap]
assert all(np.mean(overlap) > np.mean(other) + 0.03 for other in others)

# %% [markdown]
# ## 6 · Why does a single step change so much?
#
# Look closer at the smallest shift. Here is a row, two dark, two bright, and so on, with a max pool
# under it. Then the same row one pixel to the right. *Before you run the cells: what does the second
# pool give?*

# %%
row = np.tile([0, 0, 1, 1], 3)
shifted = np.roll(row, 1)


def pooled_row(row):
    return ops.max_pool2d(row[None, None, None], (1, 2))[0, 0, 0]


# %% jupyter={"source_hidden": true}
# The figure.
assert pooled_row(row).tolist() == [0, 1] * 3
assert pooled_row(shifted).tolist() == [1] * 6
described(
    plots.rows_below(
        {
            "a row": row,
            "its pool": pooled_row(row),
            "the row, one pixel to the right": shifted,
            "its pool ": pooled_row(shifted),
        },
        title="One pixel, and the pattern is gone",
    ),
    "Four rows. 0 0 1 1 repeated; its 2-wide max pool, 0 1 repeated; the row moved by "
    "one pixel, 1 0 0 1 repeated; and its pool: 1 everywhere.",
)

# %% [markdown]
# The stripes are gone. Nothing was wrong with either pool; the windows fell on other pixels. That is
# **aliasing**: after a stride of 2 there are too few pixels to hold the finest detail, and what it
# turns into depends on where the counting starts. It happens wherever a stride is, in pools and in
# convolutions: the *stride* breaks the equivariance that the convolution had.
#
# Only at odd shifts, though. Two pixels of the image are exactly one pixel of the output.

# %%
one_map = edges_of(photographs["camera"])[0, 0]


def halved(image):
    return ops.max_pool2d(image[None, None], 2)[0, 0]


two_steps = np.abs(
    halved(equivariance.roll(one_map, (0, 2))) - np.roll(halved(one_map), 1, 1)
).max()
one_step = np.abs(halved(equivariance.roll(one_map, (0, 1))) - halved(one_map)).mean()
print(f"two pixels against one output pixel: off by up to {two_steps:.3f}")
print(
    f"one pixel against no output pixel:   off by {one_step / halved(one_map).mean():.2f} on average"
)
assert two_steps == 0 < one_step

# %% [markdown]
# After *one* pixel of shift the output should have moved by half of its own pixels. To be fair, then,
# move it by half a pixel: `moved_between_pixels` lays the smoothest curve through a row and
# reads it off in between. How far is the real output from that? For ten photographs, and for several
# ways of halving.
#
# The last two have a cure in them. Richard Zhang (2019) took it from signal processing, where one
# never skips samples without smoothing first: **blur, then skip**. His kernel is the outer product of
# 1 2 1 with itself, divided by 16. For a max pool, take the maximum at *stride 1*, which is as
# equivariant as a convolution, then blur, then skip.


# %%
def gap(op, x):
    """How far op is from moving along when x moves by one pixel and its output by half a pixel."""
    expected = shifts.moved_between_pixels(op(x), 0.5)
    return np.abs(op(np.roll(x, 1, axis=-1)) - expected).mean() / np.abs(op(x)).mean()


def max_blur_pool(x):
    return ops.blur_pool2d(ops.max_pool2d(x, 2, stride=1))


halving = {
    "keep every\nsecond": lambda x: x[:, :, ::2, ::2],
    "average\n2×2": lambda x: ops.avg_pool2d(x, 2),
    "max\n2×2": lambda x: ops.max_pool2d(x, 2),
    "blur,\nthen skip": ops.blur_pool2d,
    "max, blur,\nthen skip": max_blur_pool,
}
gaps = {name: [gap(op, one[None]) for one in edge_maps] for name, op in halving.items()}

described(
    plots.marks(
        gaps,
        title="Blurring before the skip brings equivariance back, most of it",
        y="distance from moving along",
    ),
    "How far five ways of halving are from moving along with the image, a mark for "
    "each of ten photographs. Keeping every second pixel lies highest, around 1; "
    "average and max pooling around 0.5; blurring before the skip around 0.35; "
    "maximum, blur and skip lowest, around 0.15.",
)

# %%
skip, _, plain_max, blurred, max_blurred = (np.array(numbers) for numbers in gaps.values())
assert (blurred < 0.6 * skip).all() and (max_blurred < 0.6 * plain_max).all()
print(f"skipping {skip.mean():.2f}, blurred first {blurred.mean():.2f}")
print(f"max pool {plain_max.mean():.2f}, blurred first {max_blurred.mean():.2f}")

# %% [markdown]
# In each of the ten photographs the blur takes away more than two fifths of the error, and there are no
# weights to learn. It has its price: detail as fine as single pixels is gone, and the layer before the
# blur runs at stride 1, at four times as many places.
#
# ### Exercise: `blur_pool2d` (4 points)
#
# Blur each channel of `x`, `(N, C, H, W)`, with the 3×3 binomial kernel
#
# $$\frac{1}{16}\begin{pmatrix}1 & 2 & 1\\ 2 & 4 & 2\\ 1 & 2 & 1\end{pmatrix}$$
#
# so that the size stays, then keep the rows and columns 0, `stride`, 2·`stride` and so on. At the
# border, reflect the image: outside of its first pixel stands its second. `stride` is one whole number;
# height and width are at least 2. The course's padding and convolutions are yours to use, its
# `blur_pool2d` is not.
#
# For example, a single bright line of 16 in column 1 of a 3×4 image, a column that is skipped, becomes
# `[[8 4], [8 4]]`: both neighbours have heard of it. `blur_pool2d(spot, stride=1)` of a single pixel of
# 16 far from the border is the kernel without its 1/16.


# %% nbgrader={"grade": false, "grade_id": "blur_pool2d", "locked": false, "schema_version": 3, "solution": true, "task": false}
def blur_pool2d(x, stride=2):
    """Blur with the binomial 3×3 kernel, then keep every `stride`-th row and column.

    (N, C, H, W) → (N, C, ⌈H / stride⌉, ⌈W / stride⌉); the border is reflected.
    """
    ### BEGIN SOLUTION
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
    padded = ops.pad2d(x, 1, mode="reflect")
    height, width = x.shape[2:]
    blurred = np.zeros(x.shape)
    for i in range(3):
        for j in range(3):
            blurred += kernel[i, j] * padded[:, :, i : i + height, j : j + width]
    return blurred[:, :, ::stride, ::stride]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_blur_pool2d", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check(blur_pool2d)
### BEGIN HIDDEN TESTS
check(blur_pool2d, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# Put it under the striped row, behind a maximum at stride 1. With the plain pool, the shift changed half
# of the outputs, from 0 to 1. *Before you run the cells: which outputs will it change now, and by how
# much?*

# %%
blur = yours_or_ours(
    blur_pool2d, ops.blur_pool2d, np.add.outer(np.arange(4), np.arange(6))[None, None]
)


def max_then_blurred(row):
    """A row's maximum over pairs at stride 1 (the row goes on in a circle), blurred, every second."""
    pairs = np.maximum(row, np.roll(row, -1))
    as_image = np.tile(pairs, (2, 1))[None, None]  # two equal rows: blurring downwards does nothing
    return blur(as_image)[0, 0, 0]


# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.rows_below(
        {
            "the row": row,
            "its maximum at stride 1, blurred, every second": max_then_blurred(row),
            "the row, one pixel to the right": shifted,
            "its maximum, blurred, every second": max_then_blurred(shifted),
        },
        title="With a blur before the skip, a shift makes less of a difference",
    ),
    "Four rows. 0 0 1 1 repeated, and below it values that alternate between a half "
    "and 1; the row moved by one pixel, and below it three quarters nearly everywhere.",
)

# %% [markdown]
# A quarter at every place, on average half of what it was. (The first and last numbers are left out:
# the row goes on in a circle, and the blur's border does not.) A wider blur would take away more.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
inside = slice(1, -1)  # away from the border, which is reflected
before, after = max_then_blurred(row)[inside], max_then_blurred(shifted)[inside]
plain_change = np.abs(pooled_row(shifted) - pooled_row(row))[inside].mean()
assert np.abs(after - before).mean() == 0.25 < plain_change == 0.5

# %% [markdown]
# *Before you play:* the explorer holds a handwritten 0. Shift it to the right, a pixel at a time, and
# watch how much the output changes, for each of the four kinds. Which kinds will come back to
# exactly the same numbers, only moved, at every second step? Which changes least at the first?

# %%
Pooling(kind="blur")

# %%
changed = {}
for kind in ("max", "average", "strided", "blur"):
    changed[kind] = Pooling(kind=kind, shift=1).change
    print(f"{kind:8} changes by {changed[kind]:.2f} at the first step")

# %% [markdown]
# The blur changes least at the first step, the strided convolution most. The two pools come back at the
# second: a shift by the stride is one of whole output pixels. The other two do so wherever they do not
# look over the border.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert min(changed, key=changed.get) == "blur" and max(changed, key=changed.get) == "strided"
for kind in ("max", "average", "strided", "blur"):
    start, second = (Pooling(kind=kind, shift=shift).output for shift in (0, 2))
    columns = slice(None) if kind in ("max", "average") else slice(2, -1)
    assert np.allclose(second[:, columns], np.roll(start, 1, axis=1)[:, columns])

# %% [markdown]
# ## 7 · What comes after the last pool?
#
# A classifier ends in one number for each class. VGG-16, of 2014, ends its convolutions with 512 maps
# of 7×7. It lays all of their numbers in one vector (it *flattens* them), and puts three fully
# connected layers on top: 4,096, 4,096 and 1,000 wide. *Before you run the cells: how many weights has
# the first of the three?*

# %%
print(f"{512 * 7 * 7:,} inputs · 4,096 outputs = {512 * 7 * 7 * 4096:,} weights")

# %% jupyter={"source_hidden": true}
# The figure.
assert 512 * 7 * 7 * 4096 == 102_760_448
heads = {
    "AlexNet": {
        "9,216 → 4,096": cost.fc_params(256 * 6 * 6, 4096),
        "4,096 → 4,096": cost.fc_params(4096, 4096),
        "4,096 → 1,000": cost.fc_params(4096, 1000),
    },
    "VGG-16": {
        "25,088 → 4,096": cost.fc_params(512 * 7 * 7, 4096),
        "4,096 → 4,096": cost.fc_params(4096, 4096),
        "4,096 → 1,000": cost.fc_params(4096, 1000),
    },
    "average, 512 → 1,000": {"512 → 1,000": cost.fc_params(512, 1000)},
}
sizes = {name: sum(layers.values()) for name, layers in heads.items()}
assert list(sizes.values()) == [58_631_144, 123_642_856, 513_000]

described(
    plots.head_costs(heads, title="The parameters of three heads for a thousand classes"),
    "Bars of the parameters of three heads. AlexNet's has 58.6 million, VGG-16's "
    "123.6 million, most of them in its first layer. The head with a global average "
    "has 0.5 million, hardly to be seen.",
)

# %% [markdown]
# One layer, a hundred million weights. The third bar begins with an idea of *Network in Network* (Lin,
# Chen and Yan, 2014): take the mean of each map, **global average pooling**. That paper made one map for
# each class, and its means were the answer. GoogLeNet, ResNet and most convolutional networks since put
# *one* linear layer on the means, here of 512 maps. Each map then has to answer one question about the
# whole image, *how much of it is there?*, and the layer weighs the answers.
#
# You may read that it cut heads "from about 100 million parameters to about 4 million". Count for
# yourself: VGG's head has 123.6 million, AlexNet's 58.6, and a global average with a linear layer
# from 512 to 1,000 has 0.51 million.
#
# ### Exercise: `global_avg_pool2d` (2 points)
#
# Return the mean of each map: `(N, C, H, W)` → `(N, C)`, two axes and no more. Do without ready-made
# pools.
#
# For example, `global_avg_pool2d(x)` with the 4×4 map of section 1 is `[[3.9375]]`.


# %% nbgrader={"grade": false, "grade_id": "global_avg_pool2d", "locked": false, "schema_version": 3, "solution": true, "task": false}
def global_avg_pool2d(x):
    """The mean of each map: (N, C, H, W) → (N, C)."""
    ### BEGIN SOLUTION
    return x.mean(axis=(2, 3))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_global_avg_pool2d", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check(global_avg_pool2d)
### BEGIN HIDDEN TESTS
check(global_avg_pool2d, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise: `head_params` (2 points)
#
# The last maps of a network are `(channels, height, width)`. How many parameters has a head that ends
# in `n_classes` numbers? With `head="flatten"` it is a flattening and one linear layer, with
# `head="gap"` a global average and one linear layer. The linear layer has a bias. Return an `int`, and
# do without the course's `cost`.
#
# For example, `head_params(512, 7, 7, 1000, "gap")` is 513000, and with `"flatten"` it is 25089000.


# %% nbgrader={"grade": false, "grade_id": "head_params", "locked": false, "schema_version": 3, "solution": true, "task": false}
def head_params(channels, height, width, n_classes, head):
    """The parameters, biases included, of a "flatten" or a "gap" head on (channels, height, width)."""
    ### BEGIN SOLUTION
    inputs = channels if head == "gap" else channels * height * width
    return (inputs + 1) * n_classes
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_head_params", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check(head_params)
### BEGIN HIDDEN TESTS
check(head_params, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ### Any size of image
#
# A convolution and a pool take images of any size. A linear layer has a weight for each input, so its
# number of inputs is fixed. *Before you run the cells: two networks learned to read digits of 8×8, one
# with a flatten head, one with a global average. What will each do with a digit of 12×16?*


# %%
def average_head():
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))


averaging = [trained(HALVE["max 2×2"], average_head, seed) for seed in SEEDS]
flattening = models["max 2×2"]
digits, _ = digits_for("test", 0)
larger = nn.functional.pad(digits, (4, 4, 2, 2))  # black around: (N, 1, 12, 16)

# %% jupyter={"source_hidden": true}
# Both networks at work.
print("global average:", tuple(averaging[0](larger).shape))
assert averaging[0](larger).shape == (len(digits), 10)
assert (flattening[0][-1][-1].in_features, 32 * 6 * 8) == (512, 1536)

try:
    flattening[0](larger)
except RuntimeError as error:
    print("flatten:", error)

# %% [markdown]
# The one with the average answers. The other has 512 inputs and was handed 1,536 numbers: 32 maps of
# 6×8. But that a network *runs* does not say that it reads well. Make the digits larger in two ways:
# with black around them, and with every pixel doubled. *Before you run the cell: will the network
# with the average read them?*


# %%
def with_black_around(images):
    return nn.functional.pad(images, (4, 4, 2, 2))


def doubled(images):
    return images.repeat_interleave(2, dim=-1).repeat_interleave(2, dim=-2)


sizes_read = {
    "8×8, as trained": lambda images: images,
    "12×16, black around": with_black_around,
    "16×16, doubled": doubled,
}
read = {
    name: [accuracy(model, seed, change) for model, seed in zip(averaging, SEEDS, strict=True)]
    for name, change in sizes_read.items()
}
for name, numbers in read.items():
    print(f"{name:22} {spread(numbers)}")

# %% [markdown]
# Badly. The black takes part in the mean: three times as many places, and no more strokes than before.
# And strokes twice as thick are no strokes that these kernels have learned. A head without a fixed size
# *lets* you use other sizes. Whether the network is any good there, you have to measure; mostly it
# needs to be shown such sizes in training.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
as_trained, around, double = (np.mean(numbers) for numbers in read.values())
assert as_trained > 0.85
assert max(around, double) < as_trained - 0.2

# %% [markdown]
# ## 8 · In production code, and further reading
#
# - `torch.nn.functional.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode,
#   return_indices)`. `ceil_mode=True` rounds the output's size up instead of down, so that what is left
#   over gets a smaller window of its own. `return_indices` also returns the winners' places, for the unpooling
#   of chapter 09.
# - `avg_pool2d` has `count_include_pad`, True unless you say otherwise. With False the border's means
#   are over the pixels that exist.
# - `nn.AdaptiveAvgPool2d(1)` is the global average, with two axes of length 1 left at the end.
#   torchvision's VGG has `AdaptiveAvgPool2d((7, 7))` before its head, which the paper has not: so this
#   VGG takes any size of image, flatten head and all.
# - torchvision's ResNet (`resnet.py`) has one `MaxPool2d(3, stride=2, padding=1)`, near its start;
#   from there on convolutions with stride 2 do the halving. timm can build many networks with an
#   anti-aliasing layer: `aa_layer="blurpc"` and the class `BlurPool2d`.

# %%
odd = torch.arange(25.0).reshape(1, 1, 5, 5)
functional = nn.functional
assert functional.max_pool2d(odd, 2).shape == (1, 1, 2, 2)
assert functional.max_pool2d(odd, 2, ceil_mode=True).shape == (1, 1, 3, 3)

_, places = functional.max_pool2d(
    torch.from_numpy(image[None, None].astype(float)), 2, return_indices=True
)
print("the winners' places in the flattened image:", places.flatten().tolist())
assert image.ravel()[places.flatten().numpy()].tolist() == [4, 6, 8, 9]

corner = functional.avg_pool2d(torch.ones(1, 1, 4, 4), 3, 1, padding=1)[0, 0, 0, 0]
without_zeros = functional.avg_pool2d(torch.ones(1, 1, 4, 4), 3, 1, 1, count_include_pad=False)
assert np.isclose(float(corner), 4 / 9) and (without_zeros == 1).all()

vgg_like = nn.Sequential(nn.AdaptiveAvgPool2d((7, 7)), nn.Flatten())
assert vgg_like(torch.zeros(1, 512, 9, 12)).shape == (1, 512 * 7 * 7)

# %% [markdown]
# **Read on**
#
# - Lin, Chen and Yan, *Network in Network* (arXiv:1312.4400): global average pooling, and 1×1
#   convolutions besides.
# - Springenberg, Dosovitskiy, Brox and Riedmiller, *Striving for simplicity: the all convolutional
#   net* (arXiv:1412.6806): what happens when every pool becomes a convolution with stride.
# - Zhang, *Making convolutional networks shift-invariant again* (arXiv:1904.11486): blur, then skip,
#   measured on large networks.
# - Azulay and Weiss, *Why do deep convolutional networks generalize so poorly to small image
#   transformations?* (arXiv:1805.12177): what one pixel does to networks that win competitions.
# - Scherer, Müller and Behnke, *Evaluation of pooling operations in convolutional architectures for
#   object recognition* (ICANN 2010): maximum against average.
# - The notes of Stanford's CS231n on convolutional networks: pooling as practitioners use it.

# %% [markdown]
# ## 9 · What you can now say
#
# **What does max pooling do?** It keeps the largest number of each window of each channel, usually
# 2×2 at stride 2: a quarter of the numbers, none of the places. *(Section 1)*
#
# **How many parameters has it?** None. *(Section 1)*
#
# **Why does it pad with minus infinity?** Zeros would win wherever all of a window is negative.
# *(Section 1)*
#
# **Max or average?** A maximum keeps a thin strong answer strong, a mean keeps the total. Inside the
# network the first is usual, at its end the second. *(Section 2)*
#
# **How does the gradient come back?** A maximum gives it to the winner, whole, and to nobody else; a
# mean shares it evenly. *(Section 3)*
#
# **Then how can the layers below learn?** Their weights are shared over all places, and a quarter of
# the places is plenty. *(Section 3)*
#
# **Pool or stride-2 convolution?** A pool costs nothing and always keeps the same kind of thing. A
# convolution costs weights, chooses what to keep, and with more channels may lose nothing. Its gradient
# reaches every place only if its kernel is at least as large as its stride. *(Section 4)*
#
# **Are CNNs translation invariant?** Convolutions are equivariant. Pools forgive shifts that are small
# beside their windows; a global average, whose window is the whole map, forgives large ones, too. A
# quarter turn, or twice the size, none of these networks forgave. *(Sections 5 and 7)*
#
# **What does a stride break, and what mends it?** Equivariance to shifts that are no multiple of it:
# fine detail is aliased. A blur before the skip takes much of that away. *(Section 6)*
#
# **Why global average pooling?** No weights for positions: half a million parameters in place of a
# hundred million, and an image of any size. *(Section 7)*

# %% [markdown]
# ## 10 · Quiz
#
# Seven questions, a point each. Their numbers are drawn from the seed: put another seed into both
# cells and you have a new set to practise on. The functions of this chapter may help. Write a
# number, or the letter of your choice in quotes.

# %%
questions("04", seed=1)

# %% nbgrader={"grade": false, "grade_id": "quiz_04", "locked": false, "schema_version": 3, "solution": true, "task": false}
answers = {
    "quiz": "04",
    "seed": 1,
    "pooled": None,  # question 1
    "size": None,  # question 2
    "learned": None,  # question 3
    "gradient": None,  # question 4
    "head": None,  # question 5
    "any_size": None,  # question 6, a letter
    "alias": None,  # question 7
}
if None in answers.values():
    ### BEGIN SOLUTION
    answers.update(
        pooled=-14, size=41, learned=2_328, gradient=21, head=122_880, any_size="c", alias=9
    )
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test_quiz_04", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(answers)
### BEGIN HIDDEN TESTS
check(answers, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# Every halving makes the units above it look at a larger piece of the photograph. How large? Chapter
# 05 counts.
