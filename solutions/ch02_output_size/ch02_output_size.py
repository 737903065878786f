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
# # Chapter 02 · Slide, multiply, sum
#
# Lay a card of 3×3 squares on the corner of a sheet of 5×5 squares. Slide it along the top edge,
# one square at a time. How many places can it take before it hangs over? Three, not five. Whoever
# builds a network without seeing why spends an afternoon on PyTorch's *mat1 and mat2 shapes cannot
# be multiplied*.
#
# **What you will be able to do**
#
# - compute a convolution by hand, in plain loops, and without a Python loop;
# - say how large its output is, for every kernel, stride, padding and dilation, and which pixels it
#   never reads;
# - choose padding that keeps the size, and say what it does to the border;
# - read a 3×3 kernel: what will it find in a photograph?
# - carry a gradient back through a convolution, and see that it is a convolution again.
#
# **What you need**: slices of NumPy arrays, and from chapter 01 that a convolution uses one set of
# weights everywhere. The exercises need NumPy alone; PyTorch appears to compare with.
#
# **Time and points**: about 3 hours, 44 points. The end of section 5 is a good place for a break.
#
# | section | exercise | points |
# | --- | --- | ---: |
# | 2 | `output_size` | 6 |
# | 3 | `visit_counts` | 4 |
# | 4 | `zero_pad` | 2 |
# | 4 | `same_padding` | 3 |
# | 5 | `conv2d_single` | 7 |
# | 6 | `true_convolution` | 2 |
# | 7 | `edge_kernel` | 3 |
# | 8 | `conv2d_vectorised` | 3 |
# | 9 | `conv2d_single_backward` | 7 |
# | 12 | `quiz_02` | 7 |
#
# Stuck on an exercise? `hint(output_size)` in a cell of your own shows a hint, and a further one
# each time you run it. After the last hint, or once you have passed, `solution(output_size)` shows
# our answer.
#
# A few experiments run on your own functions. Where yours is not ready they take the course's, and
# say so. Run the notebook cell by cell: *Run All* stops at the first check that gives no points.
# Where you are asked for a guess and the next cell would give it away, its code is folded: run it
# first, then unfold it.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import time

import numpy as np

from autograder.check import check, hint, questions, solution
from course_lib import data, geometry, ops

# %%
from course_lib.explorers import SlidingKernel
from course_lib.plots import convolution as arithmetic
from course_lib.plots import described
from course_lib.plots import output_size as plots


def yours_or_ours(yours, ours, *example, **sizes):
    """Your function where it gets an example right, else the course's; says which one it is."""
    try:
        got, expected = yours(*example, **sizes), ours(*example, **sizes)
        right = all(np.allclose(a, b) for a, b in zip(got, expected, strict=True))
    except Exception:
        right = False
    print(f"This cell uses {'your' if right else 'the course’s'} {yours.__name__}.")
    return yours if right else ours


# %% [markdown]
# ## 1 · What does a convolution compute?
#
# Here is an image of 5×5 pixels and a **kernel**, a small table of weights.

# %%
image = np.add.outer(np.arange(1, 6), np.arange(5))
kernel = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]])
print(image, kernel, sep="\n\n")

# %% [markdown]
# Lay the kernel on the top left corner of the image. Nine pixels lie under nine weights: this part
# of the image is the **window**. Multiply each pixel by the weight on top of it, and add up.

# %%
window = image[0:3, 0:3]
products = window * kernel
print(products)
assert products.sum() == 1 + 3 + 3 + 3 + 5 == 15

# %% [markdown]
# Fifteen. That is one pixel of the output. Now slide the kernel one pixel to the right, and do it
# again. It has three places in a row and three rows of places.

# %%
output = np.array(
    [[(image[r : r + 3, c : c + 3] * kernel).sum() for c in range(3)] for r in range(3)]
)
assert output.tolist() == [[15, 20, 25], [20, 25, 30], [25, 30, 35]]

described(
    plots.one_window(image, kernel, output, row=1, column=2),
    "Four grids. A frame on the 5×5 image marks the window in rows 1 to 3, columns 2 "
    "to 4. The kernel has ones in its corners and centre. Five of the nine products "
    "are not zero; their sum, 30, is framed in the 3×3 output.",
)

# %% [markdown]
# In one line, with the image $x$, the kernel $k$ and the output $y$:
#
# $$y[r, c] = \sum_{i}\sum_{j} k[i, j]\; x[r+i,\; c+j]$$
#
# Slide, multiply, sum. All else in this chapter is a variation: larger steps, a border, weights
# further apart, the kernel turned round.
#
# Below is the same image to play with. Leave the sliders alone for now: section 2 says what they
# do.
#
# *Before you play:* move the window one to the right. Every pixel of this image is one larger than
# its left neighbour. By how much does the output grow? Say a number, then drag the window (or walk
# through the output with the arrow keys).
#
# Then change the kernel so that the output is the image's own middle. Which nine numbers do that?
# Type them in yourself; the menu of kernels knows the answer.

# %%
SlidingKernel()

# %% [markdown]
# Each of the nine products grows by its weight, so the output grows by the sum of the weights. And
# the kernel that changes nothing has a single 1 in its centre.

# %%
assert (np.diff(output, axis=1) == kernel.sum()).all() and kernel.sum() == 5

nothing_changes = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
assert np.array_equal(ops.conv2d_single(image, nothing_changes), image[1:4, 1:4])

# %% [markdown]
# ## 2 · How many windows fit?
#
# Stay on one axis: a row of $n$ pixels and a kernel of $K$ **taps**. Its first tap may stand on
# pixel 0, 1, 2 …, as long as the last tap still finds a pixel. Let Python try every place.


# %%
def windows_that_fit(n, kernel):
    return sum(start + kernel <= n for start in range(n))


for n, k in ((5, 3), (5, 1), (5, 5), (32, 5)):
    windows = windows_that_fit(n, k)
    print(f"{n:2} pixels, kernel {k}: {windows:2} windows, {n - windows} fewer than pixels")
    assert windows == n - k + 1

# %% [markdown]
# A kernel of 3 costs two places, a kernel of 5 costs four: $n - K + 1$ windows. You may read that a
# kernel shrinks its input by $K-1$ *on each side*. It is $K-1$ in all.
#
# ### Larger steps
#
# The kernel need not visit every place. With **stride** 2 it jumps two pixels at a time. *Before
# you run the cell: how many windows fit into eight pixels at stride 1, 2 and 3? Does the kernel
# always reach the last pixel?*

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.windows_along_axis(
        {f"stride {s}": {"n": 8, "kernel": 3, "stride": s} for s in (1, 2, 3)},
        title="A rest smaller than the stride holds no window",
    ),
    "A row of eight pixels, three times, with the windows below it. Stride 1: six "
    "windows. Stride 2: three windows, and pixel 7 is hatched because none reaches "
    "it. Stride 3: two windows; pixels 6 and 7 are hatched.",
)

# %% [markdown]
# After the first window, $n - K = 5$ pixels are left to move into. At stride 2 that makes two steps
# and a rest of one pixel; a rest holds no window. Two steps and the first window: three. Rounding
# down is what the brackets $\lfloor\;\rfloor$, the **floor**, stand for:
#
# $$\left\lfloor \frac{n-K}{S} \right\rfloor + 1$$
#
# Pixel 7 is not blurred or averaged in. It is not read at all. Make it a thousand times brighter
# and look at the output.

# %%
row = np.arange(8.0).reshape(1, 8)
brighter = row.copy()
brighter[0, 7] *= 1000

before, after = (ops.conv2d_single(x, np.ones((1, 3)), stride=2) for x in (row, brighter))
print(before, after)
print("no window touches pixel", *geometry.unused_pixels(8, kernel=3, stride=2))
assert np.array_equal(before, after)

# %% [markdown]
# The same happens in full-sized networks. On an image 224 pixels wide, a kernel of 3 at stride 2
# makes 111 windows. Without the floor the formula would promise 111.5, and the missing half is half
# a step: one column, the photograph's last.

# %%
assert (224 - 3) / 2 + 1 == 111.5
assert geometry.output_size(224, kernel=3, stride=2) == 111
assert geometry.unused_pixels(224, kernel=3, stride=2) == (223,)

# %% [markdown]
# ### Two more numbers
#
# **Padding** puts $P$ zeros on *each* end of the axis before the kernel starts, so $n$ becomes
# $n+2P$. Section 4 says what for.
#
# **Dilation** sets the taps $D$ pixels apart. Three taps have two steps between them, so at
# dilation 2 they reach over five pixels, and there are still only three weights. *Before you run
# the cell: how far do they reach at dilation 3?*

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.windows_along_axis(
        {f"dilation {d}": {"n": 9, "kernel": 3, "dilation": d} for d in (1, 2, 3)},
        title="Dilation spreads the taps: a longer window, still three weights",
    ),
    "A row of nine pixels, three times, with the windows below it: dark taps, light "
    "gaps between them. Three taps span three pixels at dilation 1, five at dilation "
    "2 and seven at dilation 3; seven, five and three windows fit.",
)

# %% jupyter={"source_hidden": true}
# The claims of the text below.
spans = [geometry.effective_kernel(3, dilation=d) for d in (1, 2, 3)]
assert spans == [d * (3 - 1) + 1 for d in (1, 2, 3)] == [3, 5, 7]

# %% [markdown]
# A kernel of $K$ taps spans $D(K-1)+1$ pixels. Put that in the place of $K$, and you have the whole
# formula, the one that interviews ask for:
#
# $$\text{output} = \left\lfloor \frac{n + 2P - D(K-1) - 1}{S} \right\rfloor + 1$$
#
# Height and width each have their own. Six sizes worth recognising:

# %%
print("  n   K  P  S   output")
for n, k, p, s, size in (
    (5, 3, 0, 1, 3),
    (28, 3, 1, 1, 28),
    (28, 3, 1, 2, 14),
    (32, 5, 0, 1, 28),
    (32, 3, 1, 1, 32),
    (224, 3, 0, 2, 111),
):
    assert geometry.output_size(n, k, stride=s, padding=p) == size
    print(f"{n:3} {k:3} {p:2} {s:2} {size:8}")

# %% [markdown]
# Does PyTorch count like that? Ask it about every small case.

# %%
import itertools

import torch

cases = list(itertools.product(range(6, 13), range(1, 4), range(1, 4), range(3), range(1, 3)))
for n, k, s, p, d in cases:
    length = torch.nn.functional.conv1d(
        torch.zeros(1, 1, n), torch.zeros(1, 1, k), stride=s, padding=p, dilation=d
    ).shape[-1]
    assert length == geometry.output_size(n, k, stride=s, padding=p, dilation=d)
print(f"PyTorch agrees in all {len(cases)} cases.")

# %% [markdown]
# *Before you play:* the image below is 6×6, the stride is 2. Which pixels will the kernel never
# touch? Then move the sliders: find a padding at which it reaches all of them, and look at the size
# formula while you do.

# %%
SlidingKernel(image=np.add.outer(np.arange(1, 7), np.arange(6)), stride=2, filled=True)

# %% jupyter={"source_hidden": true}
# The claims of the text below.
assert geometry.unused_pixels(6, kernel=3, stride=2) == (5,)
assert geometry.unused_pixels(6, kernel=3, stride=2, padding=1) == ()

# %% [markdown]
# Row 5 and column 5 are left out. With a padding of 1 the kernel starts one pixel earlier and
# reaches them; what the floor drops then is a zero of the padding, which nobody misses.

# %% [markdown]
# ### Exercise: `output_size` (6 points)
#
# Write the formula as a function of whole numbers. It returns an `int`. Where no window fits, it
# raises a `ValueError`: an empty output is nearly always a bug further up, and the sooner you hear
# of it the better. It raises a `ValueError` also where `n`, `kernel`, `stride` or `dilation` is
# below 1, or `padding` below 0. Do without the course's own functions here.
#
# For example, `output_size(28, 3, stride=2, padding=1)` is `14`: the padded row has 30 pixels, 27
# are left after the first window, and 27 pixels make 13 steps of 2. `output_size(2, 3)` raises a
# `ValueError`.


# %% nbgrader={"grade": false, "grade_id": "output_size", "locked": false, "schema_version": 3, "solution": true, "task": false}
def output_size(n, kernel, stride=1, padding=0, dilation=1):
    """How many windows fit along one axis of `n` pixels: an int.

    `padding` zeros are added at each end; neighbouring taps of the kernel are `dilation` pixels
    apart. Raises ValueError where no window fits, where n, kernel, stride or dilation is below 1,
    and where padding is below 0.
    """
    ### BEGIN SOLUTION
    if min(n, kernel, stride, dilation) < 1:
        raise ValueError("n, kernel, stride and dilation must be at least 1")
    if padding < 0:
        raise ValueError(f"padding (={padding}) must be at least 0")
    rest = n + 2 * padding - (dilation * (kernel - 1) + 1)
    if rest < 0:
        raise ValueError(f"kernel (={kernel}) must fit into the padded input")
    return rest // stride + 1
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_output_size", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check(output_size)
### BEGIN HIDDEN TESTS
check(output_size, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · Does every pixel get a hearing?
#
# Count the windows that touch one pixel. In a 5×5 image under a 3×3 kernel the corner pixel lies in
# one window. The centre lies in all nine of them: whatever is in the middle of a photograph reaches
# the output nine times, whatever is in its corner once.
#
# *Before you run the cell:* the first map below counts for a 5×7 image. Where do the 9s stand? In
# the second, a border of zeros is put around the same image. Does the corner now get its nine?

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.visit_maps(
        {
            "5×7, no padding": geometry.visit_counts(5, 7, kernel=3),
            "5×7, padding 1": geometry.visit_counts(5, 7, kernel=3, padding=1),
            "6×6, stride 2": geometry.visit_counts(6, 6, kernel=3, stride=2),
        },
        title="In how many 3×3 windows does each pixel take part?",
    ),
    "Three maps of counts. Without padding a 5×7 image has 1 in its corners and 9 "
    "only in the three pixels of its middle row that lie inside. With padding 1 the "
    "corners have 4, the edges 6, all other pixels 9. At stride 2 on 6×6 most pixels "
    "have 1 or 2; the last row and column are hatched, with 0.",
)

# %% [markdown]
# Padding evens the counts out and does not make them equal: the corner goes from 1 to 4, not to 9.
# Three of its four windows hang over the border and read zeros that were never in the picture; only
# the fourth, which starts on the corner itself, lies inside.
#
# One layer is not the trouble, depth is. Ten unpadded layers with 3×3 kernels take two pixels off
# each axis, every one of them.

# %%
without, padded = geometry.visit_counts(5, 5, 3), geometry.visit_counts(5, 5, 3, padding=1)
assert (without[0, 0], without[2, 2], padded[0, 0], padded[2, 2]) == (1, 9, 4, 9)
over_the_corner = [start for start in geometry.window_starts(5, 3, padding=1) if start <= 0]
assert over_the_corner == [-1, 0]  # along each axis: 2·2 windows, of which one starts at (0, 0)

size = 32
for layer in range(10):
    size = geometry.output_size(size, kernel=3)
print(f"32 pixels are {size} after ten unpadded layers")
assert size == 32 - 10 * 2 == 12

# %% [markdown]
# ### Exercise: `visit_counts` (4 points)
#
# Return the map for any image: an array of shape `(height, width)` that says for each pixel in how
# many windows it takes part. Only windows that fit count, and at least one always does. `kernel`,
# `stride` and `padding` are each one number or a pair `(height, width)`. Padding lets windows hang
# over the border, but the zeros themselves are not in the map. Do without the course's own
# functions here.
#
# For example, `visit_counts(3, 4, 2)` is
#
# ```
# [[1 2 2 1]
#  [2 4 4 2]
#  [1 2 2 1]]
# ```
#
# A number or a pair? `np.broadcast_to` turns both into two numbers, so that you can write the rest
# once:

# %%
for stride in (2, (1, 3)):
    stride_h, stride_w = np.broadcast_to(stride, 2)
    print(stride, "→", stride_h, stride_w)


# %% nbgrader={"grade": false, "grade_id": "visit_counts", "locked": false, "schema_version": 3, "solution": true, "task": false}
def visit_counts(height, width, kernel, stride=1, padding=0):
    """In how many windows each pixel takes part: an array of shape (height, width).

    `kernel`, `stride` and `padding` are an int or a (height, width) pair. The padding is not part
    of the map.
    """
    ### BEGIN SOLUTION
    k_h, k_w = np.broadcast_to(kernel, 2)
    s_h, s_w = np.broadcast_to(stride, 2)
    p_h, p_w = np.broadcast_to(padding, 2)
    counts = np.zeros((height + 2 * p_h, width + 2 * p_w), dtype=int)  # of the padded image
    for top in range(0, counts.shape[0] - k_h + 1, s_h):
        for left in range(0, counts.shape[1] - k_w + 1, s_w):
            counts[top : top + k_h, left : left + k_w] += 1
    return counts[p_h : p_h + height, p_w : p_w + width]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_visit_counts", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check(visit_counts)
### BEGIN HIDDEN TESTS
check(visit_counts, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 4 · What lies beyond the border?
#
# Nothing does, so something has to be made up. Zeros are the usual choice: they are cheap, and a
# product with zero adds nothing.
#
# ### Exercise: `zero_pad` (2 points)
#
# Return the image with rows and columns of zeros around it. `padding` is one number, for all four
# sides, or a pair `(height, width)`: so many rows above *and* below, so many columns left *and*
# right. Do not change the caller's image. `np.pad` and its like in PyTorch and the course are what
# you are writing here, so do without them; in every later exercise `np.pad` is yours to use.
#
# For example, `zero_pad(np.array([[1, 2], [3, 4]]), (0, 1))` is `[[0 1 2 0], [0 3 4 0]]`.


# %% nbgrader={"grade": false, "grade_id": "zero_pad", "locked": false, "schema_version": 3, "solution": true, "task": false}
def zero_pad(image, padding):
    """Put zeros around an (H, W) image: an array of shape (H + 2·pad_h, W + 2·pad_w).

    `padding` is an int or a (height, width) pair; each number counts for both sides of its axis.
    """
    ### BEGIN SOLUTION
    pad_h, pad_w = np.broadcast_to(padding, 2)
    height, width = image.shape
    out = np.zeros((height + 2 * pad_h, width + 2 * pad_w), dtype=image.dtype)
    out[pad_h : pad_h + height, pad_w : pad_w + width] = image
    return out
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_zero_pad", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check(zero_pad)
### BEGIN HIDDEN TESTS
check(zero_pad, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ### Valid, same, full
#
# How far may the kernel hang over the border? Three answers have names.

# %%
described(
    plots.windows_along_axis(
        {
            "valid": {"n": 5, "kernel": 3, "padding": 0},
            "same": {"n": 5, "kernel": 3, "padding": 1},
            "full": {"n": 5, "kernel": 3, "padding": 2},
        },
        title="Not at all, by half, or until one tap is left",
    ),
    "A row of five pixels, three times, with a kernel of three below it. Valid: no "
    "padding, three windows. Same: one dotted box at each end, five windows. Full: "
    "two dotted boxes at each end, seven windows; the first and last touch one pixel "
    "only.",
)

# %% [markdown]
# *Valid* shortens the axis by $K-1$, *same* keeps its length, *full* lengthens it by $K-1$. You
# will meet *full* again in section 9, in the backward pass.
#
# *Same* is what lets you stack fifty layers without watching the image vanish. The kernel takes
# $K-1$ pixels in all, so $K-1$ zeros have to go back on: $P = (K-1)/2$ on each side. You will see
# this written `padding = kernel_size // 2`. *Before you run the cell: for which kernels does that
# keep 28 pixels at 28?*

# %%
for k in range(1, 8):
    size = geometry.output_size(28, k, padding=k // 2)
    print(f"kernel {k}, padding {k // 2}: {size}")

# %% [markdown]
# For the odd ones. An even kernel takes an odd number of pixels, and an odd number of zeros cannot
# be shared equally between two sides. So one side gets one zero more than the other. PyTorch's
# `padding="same"` puts the odd one *after*, and so do we:

# %%
import warnings

for k in range(1, 8):
    keeps = geometry.output_size(28, k, padding=k // 2) == 28
    assert keeps == (k % 2 == 1)

ones = torch.ones(1, 1, 6)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # PyTorch warns that an even kernel costs it a copy
    by_torch = torch.nn.functional.conv1d(ones, torch.ones(1, 1, 4), padding="same")[0, 0]
print(by_torch.tolist())
lopsided = np.pad(np.ones((1, 6)), ((0, 0), (1, 2)))  # one zero before, two after
assert np.array_equal(by_torch, ops.conv2d_single(lopsided, np.ones((1, 4)))[0])

# %% [markdown]
# The first window lost one tap to the border, the last window two. A network made of such layers
# moves its image by half a pixel in each of them, which is one reason why nearly every kernel you
# meet is 3, 5 or 7 wide.
#
# ### Exercise: `same_padding` (3 points)
#
# Return how many zeros to put before and after an axis so that a kernel at stride 1 keeps its
# length: a tuple `(before, after)` of two ints. Count the dilation in. Add no more zeros than are
# needed, and share them evenly; where one is left over, it goes after. Do without the course's own
# function here.
#
# For example, `same_padding(3)` is `(1, 1)`, `same_padding(4)` is `(1, 2)`, and `same_padding(3,
# dilation=2)` is `(2, 2)`.


# %% nbgrader={"grade": false, "grade_id": "same_padding", "locked": false, "schema_version": 3, "solution": true, "task": false}
def same_padding(kernel, dilation=1):
    """The zeros (before, after) an axis that keep its length at stride 1: a tuple of two ints.

    Shared evenly; where their number is odd, `after` gets one more.
    """
    ### BEGIN SOLUTION
    missing = dilation * (kernel - 1)
    before = missing // 2
    return before, missing - before
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_same_padding", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check(same_padding)
### BEGIN HIDDEN TESTS
check(same_padding, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ### Must it be zeros?
#
# To a kernel, a border of zeros is a black frame around the photograph. There are other ways to go
# on:

# %%
described(
    plots.border_modes(data.photograph("coffee", size=(80, 100)), padding=24),
    "A photograph of a coffee cup, extended on all sides in four ways. Zeros: a black "
    "frame. Reflect: the picture is mirrored at its border. Replicate: the border "
    "pixels are drawn out into stripes. Circular: the opposite side comes in.",
)

# %% [markdown]
# A flat grey wall has no edges in it. *Before you run the cell: what does a kernel that looks for
# edges, dark on the left and bright on the right, find on such a wall when the wall is padded with
# zeros?*

# %% jupyter={"source_hidden": true}
# The figure.
wall = np.ones((4, 6))
looks_for_edges = np.array([[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]])

found = {
    mode: ops.conv2d_single(wall, looks_for_edges, padding=1, padding_mode=mode)
    for mode in ("zeros", "reflect", "replicate", "circular")
}
described(
    plots.grids(found, title="Edges found on a flat wall: only the black frame makes any"),
    "Four grids of 4×6 responses. With zeros, the left column is 2, 3, 3, 2 and the "
    "right column the same with a minus sign; everything between is 0. With reflect, "
    "replicate and circular padding every response is 0.",
)

# %% jupyter={"source_hidden": true}
# The claims of the text below.
assert found["zeros"][:, 0].tolist() == [2, 3, 3, 2]
assert found["zeros"][:, -1].tolist() == [-2, -3, -3, -2]
assert not any(found[mode].any() for mode in ("reflect", "replicate", "circular"))

# %% [markdown]
# An edge all along the frame. Networks with zero padding live with that, and even use it: the frame
# tells a unit where the image ends. Where it does harm, as in restoring photographs, *reflect* or
# *replicate* is chosen; *circular* is for data that closes on itself, such as a panorama or the
# longitudes of a map.

# %% [markdown]
# ## 5 · Write it
#
# You have all its parts: the window, the size, the padding, the steps.
#
# ### Exercise: `conv2d_single` (7 points)
#
# Slide a kernel over an image, both two-dimensional arrays, and return the output as an array.
# `stride`, `padding` and `dilation` are each one number or a pair `(height, width)`; padding is
# with zeros. The kernel is not flipped. All calls are legal, and at least one window fits. Loops
# are welcome, and so is `np.pad`; the ready-made convolutions of SciPy, PyTorch and `course_lib`
# are not.
#
# Two things to look out for. Neither the image nor the kernel need be square. And an image of
# integers under a kernel of fractions gives fractions.
#
# For example, with the image and the kernel of section 1, `conv2d_single(image, kernel, stride=2)`
# is `[[15 25], [25 35]]`: of the nine windows, only the four in the corners are left.


# %% nbgrader={"grade": false, "grade_id": "conv2d_single", "locked": false, "schema_version": 3, "solution": true, "task": false}
def conv2d_single(image, kernel, stride=1, padding=0, dilation=1):
    """Slide a kernel over an image: (H, W) and (K_h, K_w) → (H_out, W_out).

    `stride`, `padding` (zeros) and `dilation` are an int or a (height, width) pair. The kernel is
    not flipped.
    """
    ### BEGIN SOLUTION
    s_h, s_w = np.broadcast_to(stride, 2)
    p_h, p_w = np.broadcast_to(padding, 2)
    d_h, d_w = np.broadcast_to(dilation, 2)
    padded = np.pad(image, ((p_h, p_h), (p_w, p_w)))
    span_h = d_h * (kernel.shape[0] - 1) + 1
    span_w = d_w * (kernel.shape[1] - 1) + 1
    out_h = (padded.shape[0] - span_h) // s_h + 1
    out_w = (padded.shape[1] - span_w) // s_w + 1
    out = np.zeros((out_h, out_w))
    for r in range(out_h):
        for c in range(out_w):
            y, x = r * s_h, c * s_w
            window = padded[y : y + span_h : d_h, x : x + span_w : d_w]  # (K_h, K_w)
            out[r, c] = (window * kernel).sum()
    return out
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_conv2d_single", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(conv2d_single)
### BEGIN HIDDEN TESTS
check(conv2d_single, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ### What does a stride cost, and what does it save?
#
# Try it on a cat. A kernel of nine equal weights averages each neighbourhood. *Before you run the
# cell: if the stride doubles, by what factor does the work shrink?*

# %% jupyter={"source_hidden": true}
# The figure.
cat = data.photograph("chelsea", size=(150, 200))
average = np.full((3, 3), 1 / 9)

convolve = yours_or_ours(conv2d_single, ops.conv2d_single, cat[:9, :14], average, stride=4)
swept = {f"stride {s}": np.asarray(convolve(cat, average, stride=s)) for s in (1, 2, 4)}
described(
    plots.pictures(swept, title="The same sweep in larger steps: fewer pixels, coarser picture"),
    "A cat's face after averaging at stride 1, 2 and 4. The three pictures are drawn "
    "equally large; at stride 4 the whiskers are gone and single pixels show.",
)

# %% jupyter={"source_hidden": true}
# The count.
every, second = swept["stride 1"], swept["stride 2"]
print("multiplications:", [9 * picture.size for picture in swept.values()])
assert abs(second.size / every.size - 1 / 4) < 0.01
assert np.allclose(second, every[::2, ::2], atol=1e-5)

unread = {s: (geometry.visit_counts(*cat.shape, kernel=3, stride=s) == 0).mean() for s in (2, 4)}
for s, share in unread.items():
    print(f"at stride {s} no window reads {share:.1%} of the photograph")
assert np.round([unread[2], unread[4]], 3).tolist() == [0.012, 0.445]

# %% [markdown]
# A quarter. A stride of 2 is the stride-1 sweep with every second row and column left out, only
# that the others are never computed. So a stride is a cheap way to make maps smaller, and whatever
# follows is cheaper as well. What it gives up is position: neighbouring outputs of the stride-4
# sweep stand four pixels apart, and what lies between them has no output of its own.
#
# Some of it is not even read. A 3×3 kernel at stride 4 steps over every fourth row and column, and
# 44.5% of the photograph reaches no output. A stride longer than the kernel always leaves such
# gaps; at stride 2 nothing is missing but what the floor drops, about 1%.

# %%
described(
    arithmetic.stride_figure(11, kernel=3, stride=4),
    "An 11×11 image under a 3×3 kernel, twice. At stride 1 there are 81 windows, numbered in reading "
    "order. At stride 4 nine are left, with hatched rows and columns of one pixel between them.",
)

# %% [markdown]
# ## 6 · Is that really a convolution?
#
# A mathematician would say no. Look at what comes out when the image is black but for one bright
# pixel.

# %%
spot = np.zeros((3, 3), dtype=int)
spot[1, 1] = 1
one_to_four = np.array([[1, 2], [3, 4]])

described(
    plots.grids(
        {
            "image": spot,
            "kernel": one_to_four,
            "as it slides": ops.conv2d_single(spot, one_to_four),
            "kernel flipped first": ops.true_convolution(spot, one_to_four),
        },
        title="One bright pixel comes out as the kernel: turned round, or upright if it was flipped",
    ),
    "Four grids: an image with a 1 in its centre; the kernel 1 2, 3 4; the output of "
    "the sliding kernel, 4 3, 2 1; and the output of the kernel flipped beforehand, "
    "which is the kernel itself, 1 2, 3 4.",
)

# %% [markdown]
# The kernel comes out upside down and back to front. The reason is in the first window: there the
# bright pixel lies under the *last* tap. What you have computed so far is called
# **cross-correlation**. Flip the kernel on both axes first, and you have the **convolution** of
# mathematics, under which one bright pixel stamps the kernel upright.
#
# $$\text{convolution:}\quad y[r, c] = \sum_{i}\sum_{j} k[K_h-1-i,\; K_w-1-j]\; x[r+i,\; c+j]$$
#
# Every deep-learning library computes the first and calls it the second, and so does this course,
# except where a name says *true*.
#
# ### Exercise: `true_convolution` (2 points)
#
# Return the true convolution of an image with a kernel, *valid*: only windows that lie inside the
# image count. Do not change the caller's arrays. Your own `conv2d_single` may help; the ready-made
# convolutions of SciPy, PyTorch and `course_lib` are not for this exercise.
#
# For example, `true_convolution(spot, one_to_four)` is `[[1 2], [3 4]]`, as in the figure.


# %% nbgrader={"grade": false, "grade_id": "true_convolution", "locked": false, "schema_version": 3, "solution": true, "task": false}
def true_convolution(image, kernel):
    """Flip the kernel on both axes, then slide it: (H, W) → (H - K_h + 1, W - K_w + 1)."""
    ### BEGIN SOLUTION
    flipped = kernel[::-1, ::-1]
    k_h, k_w = kernel.shape
    out = np.zeros((image.shape[0] - k_h + 1, image.shape[1] - k_w + 1))
    for r in range(out.shape[0]):
        for c in range(out.shape[1]):
            out[r, c] = (image[r : r + k_h, c : c + k_w] * flipped).sum()
    return out
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_true_convolution", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check(true_convolution)
### BEGIN HIDDEN TESTS
check(true_convolution, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# What does the flip buy? Symmetry: in a true convolution, image and kernel may change places, as
# factors may. For cross-correlation that fails.

# %%
a, b = np.arange(6.0).reshape(2, 3) + 1, np.array([[1.0, -1.0], [2.0, 0.0]])


def full(operation, x, k):
    return operation(x, k, padding=(k.shape[0] - 1, k.shape[1] - 1))


assert np.array_equal(full(ops.true_convolution, a, b), full(ops.true_convolution, b, a))
assert not np.array_equal(full(ops.conv2d_single, a, b), full(ops.conv2d_single, b, a))

# %% [markdown]
# A network has no use for that. Its kernels are learned: if the flip were in, it would learn each
# kernel the other way round and compute the same. So the libraries leave it out. It comes back in
# section 9, where nobody put it in.

# %% [markdown]
# ## 7 · What can nine numbers see?
#
# This is a brick wall; its bricks stand upright.

# %%
bricks = data.photograph("brick", size=(150, 200))
described(
    plots.pictures({"a wall": bricks}),
    "A wall of upright bricks: long joints run from top to bottom, short ones from side to side.",
)

# %% [markdown]
# And here is a kernel with its negative weights on the left and its positive weights on the right,
# and the same kernel lying on its side.

# %%
across = np.array([[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]])
down = across.T
print(across, down, sep="\n\n")

# %% [markdown]
# *Before you run the cell: which joints of the wall does each kernel leave?*

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.kernel_gallery(
        bricks,
        {"vertical edges": across, "horizontal edges": down},
        {
            "vertical edges": ops.conv2d_single(bricks, across),
            "horizontal edges": ops.conv2d_single(bricks, down),
        },
        columns=3,
        title="Each kernel leaves its own joints (0 is middle grey)",
    ),
    "A wall of upright bricks. The kernel with −1 on the left and 1 on the right "
    "leaves the long vertical joints, each as a pair of a bright and a dark line. The "
    "same kernel turned leaves only the short horizontal joints.",
)

# %% [markdown]
# Read the first kernel as a question: *is it brighter on the right than on the left?* It adds up
# what is under its right column and takes away what is under its left. On plain brick the two
# cancel. At a joint one side wins, and the sign says which: brighter to the right is positive,
# drawn white; brighter to the left is negative, drawn black. Every joint has both, one on each
# flank.
#
# Nothing about position is in the nine numbers. The same question is asked everywhere, which is why
# one kernel finds every vertical joint of the wall.
#
# ### The classics
#
# People designed kernels by hand long before networks learned them. A few you should know on sight:

# %%
classics = {
    "vertical edge": across,
    "horizontal edge": down,
    "diagonal edge": np.array([[0, 1, 1], [-1, 0, 1], [-1, -1, 0]]),
    "Sobel, across": np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
    "blur": np.full((3, 3), 1 / 9),
    "sharpen": np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    "outline": np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]),
}
temple = data.photograph("china", size=(150, 200))
described(
    plots.kernel_gallery(
        temple,
        classics,
        {name: ops.conv2d_single(temple, k) for name, k in classics.items()},
        title="Nine numbers decide what comes through (0 is middle grey, but for blur and sharpen)",
    ),
    "A photograph of a temple and seven versions of it. Vertical edge and Sobel leave "
    "the pillars, horizontal edge leaves the roofs and steps, diagonal edge one side of "
    "each slope. Blur softens, sharpen makes every contour crisper, outline leaves "
    "thin contours in all directions on grey.",
)

# %% [markdown]
# One number tells you a good deal about a kernel before you slide it: the sum of its weights. On a
# flat patch of brightness $b$ the response is $b$ times that sum. *Before you run the cell: which
# of the seven sum to 0, and which to 1?*

# %%
grey_patch = np.full((3, 3), 0.5)
for name, k in classics.items():
    response = ops.conv2d_single(grey_patch, k)[0, 0]
    print(
        f"{name:16} weights add up to {k.sum():4.1f}   response to flat grey 0.5: {response:4.1f}"
    )

# %% [markdown]
# Sum 0: the kernel ignores how bright the scene is and answers to differences only. Sum 1: it keeps
# the brightness and changes the detail. A sharpener is the picture itself plus its outline, taken
# from the four direct neighbours.
#
# Sobel's kernel has a structure worth seeing. It is a difference across, $(-1, 0, 1)$, smoothed
# downwards with weights $(1, 2, 1)$. The smoothing makes it less nervous about single noisy pixels.

# %%
for k in classics.values():
    assert np.isclose(ops.conv2d_single(grey_patch, k)[0, 0], 0.5 * k.sum())

assert np.array_equal(np.outer([1, 2, 1], [-1, 0, 1]), classics["Sobel, across"])

identity = nothing_changes
four_neighbours = np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]])
assert np.array_equal(identity + four_neighbours, classics["sharpen"])

# %% [markdown]
# Nobody types these into a network. Train one on photographs and look at its first layer: many of
# the kernels it has found are edge detectors of all directions. Chapter 03 puts them beside the
# classics.
#
# ### Exercise: `edge_kernel` (3 points)
#
# Design one yourself: a function without arguments that returns a 3×3 array. Any kernel counts that
# does the following.
#
# - Where the image is *dark on the left and bright on the right*, with a straight upright edge
#   between, the response is above 0 in every window in which the edge falls: whether it runs
#   between the window's first and second column or between its second and third.
# - For the *mirrored* edge, bright on the left, the response is below 0 in these windows.
# - On a *flat* area of any brightness, and at every *horizontal* edge, it is 0.
#
# For example, `[[-1, 1, 0]]` three times over will not do. The edge below falls into two windows,
# and in one of them this kernel misses it. Kernels that you have met count. Can you find one whose
# three rows all differ?

# %%
edge = np.array([[0, 0, 0, 1, 1, 1]] * 3)
half_blind = np.array([[-1, 1, 0]] * 3)
print("half blind:", ops.conv2d_single(edge, half_blind)[0])
print("across:    ", ops.conv2d_single(edge, across)[0])


# %% nbgrader={"grade": false, "grade_id": "edge_kernel", "locked": false, "schema_version": 3, "solution": true, "task": false}
def edge_kernel():
    """A (3, 3) array that answers to upright edges: above 0 where it is brighter on the right.

    Below 0 where it is brighter on the left, 0 on flat areas and at horizontal edges.
    """
    ### BEGIN SOLUTION
    return np.array([[-1, 0, 1], [-3, 0, 3], [-1, 0, 1]])
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_edge_kernel", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check(edge_kernel)
### BEGIN HIDDEN TESTS
check(edge_kernel, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# See it at work.


# %%
def usable_kernel():
    """Your kernel where it answers to a step from dark to bright, else Sobel's."""
    step = np.array([[0, 0, 1, 1]] * 3)
    try:
        kernel = np.array(edge_kernel(), dtype=float)
        if kernel.shape == (3, 3) and (ops.conv2d_single(step, kernel) > 0).all():
            return "your kernel", kernel
    except Exception:
        pass
    return "Sobel's kernel (yours is not ready)", classics["Sobel, across"]


name, k = usable_kernel()
coins = data.photograph("coins", size=(150, 200))
described(
    plots.kernel_gallery(
        coins,
        {name: k},
        {name: ops.conv2d_single(coins, k)},
        columns=2,
        title="Bright left rims, dark right rims",
    ),
    "Coins on a dark ground. The kernel makes the left rim of every coin bright and "
    "its right rim dark: entering a coin from the left it gets brighter, leaving it "
    "on the right it gets darker. Top and bottom of the rims vanish.",
)

# %% [markdown]
# ## 8 · Must Python do the sliding?
#
# Two nested loops are the clearest way to write a convolution, and the slowest. NumPy can do all
# windows in one go, if you can show them to it in one go. `sliding_window_view` does, and copies
# nothing:

# %%
from numpy.lib.stride_tricks import sliding_window_view

windows = sliding_window_view(image, (3, 3))
print(windows.shape)
print(windows[1, 2])
assert windows.shape == (3, 3, 3, 3)
assert np.array_equal(windows[1, 2], image[1:4, 2:5])

# %% [markdown]
# The first two axes say which window, the last two which pixel in it. Another way is to turn the
# loops inside out. Python then walks over the nine weights instead of the thousands of pixels:
# weight $k[i, j]$ meets, in all windows at once, the image shifted by $(i, j)$. For the top left
# weight:

# %%
top_left = kernel[0, 0] * image[0:3, 0:3]  # what k[0, 0] adds to each of the 3×3 outputs
print(top_left)

# %% [markdown]
# ### Exercise: `conv2d_vectorised` (3 points)
#
# Return the same output as `conv2d_single(image, kernel)` at stride 1 and without padding, and let
# NumPy do the looping. A Python loop over the kernel's few cells is fine. One over the image's
# rows, columns or pixels is not, nor one over the windows: the check counts the Python instructions
# of your code that run, and list comprehensions and `np.vectorize` count like the loops they are. The ready-made
# convolutions of SciPy, PyTorch and `course_lib` are not for this exercise.
#
# For example, `conv2d_vectorised(image, kernel)` is `[[15 20 25], [20 25 30], [25 30 35]]`, with
# the image and the kernel of section 1.


# %% nbgrader={"grade": false, "grade_id": "conv2d_vectorised", "locked": false, "schema_version": 3, "solution": true, "task": false}
def conv2d_vectorised(image, kernel):
    """The valid stride-1 output (H - K_h + 1, W - K_w + 1), with no Python loop over pixels."""
    ### BEGIN SOLUTION
    windows = np.lib.stride_tricks.sliding_window_view(image, kernel.shape)
    return np.einsum("rcij,ij->rc", windows, kernel)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_conv2d_vectorised", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check(conv2d_vectorised)
### BEGIN HIDDEN TESTS
check(conv2d_vectorised, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# How much was it worth? *Guess first: ten times as fast? A hundred times?* The figures below are
# those of the machine that runs this notebook.

# %%
fast = yours_or_ours(conv2d_vectorised, ops.conv2d_single, cat[:9, :14], average)


def seconds(run):
    """The best of three: whatever else the machine does only makes a run slower."""
    runs = []
    for _ in range(3):
        start = time.perf_counter()
        run()
        runs.append(time.perf_counter() - start)
    return min(runs)


def with_loops():
    return ops.conv2d_single(cat, average, algorithm="loops")


def with_numpy():
    return fast(cat, average)


assert np.allclose(with_loops(), with_numpy(), atol=1e-5)
slow, quick = seconds(with_loops), seconds(with_numpy)
print(f"with loops {slow * 1e3:.3g} ms, without {quick * 1e3:.2g} ms")
print(f"about {float(f'{slow / quick:.1g}'):.0f} times as fast")

# %% [markdown]
# The arithmetic is the same; what went is Python's part of it. Chapter 03 takes the next step,
# which is how libraries do it: lay the windows side by side as the columns of a matrix, and the
# whole convolution is one matrix product.

# %% [markdown]
# ## 9 · How does a kernel learn?
#
# A network changes its weights a little in the direction that makes the loss smaller. For that it
# must know, for each weight of the kernel: if this number grows, how does the loss move? Take an
# example small enough for a pencil. The later layers hand us `grad_out`: by how much the loss moves
# with each of our four outputs.

# %%
x = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
k = np.array([[1, 2], [3, 4]])
grad_out = np.array([[1, 0], [0, 2]])


def loss(x, k):
    """A loss whose gradient at the output is grad_out."""
    return (grad_out * ops.conv2d_single(x, k)).sum()


# %% [markdown]
# Turn up the first weight by 1. It is used in all four windows, each time on the window's first
# pixel: 1, 2, 4 and 5. So the four outputs grow by 1, 2, 4 and 5, and the loss by what `grad_out`
# makes of that. *Before you run the cell: by how much?*

# %%
nudged = k + [[1, 0], [0, 0]]
print(loss(x, nudged) - loss(x, k))

# %% [markdown]
# Eleven: `grad_out` lies on the image's first 2×2 pixels, multiply, sum. For the next weight it
# lies one pixel further right. You know this movement. **The gradient of the kernel is the image,
# cross-correlated with `grad_out`.** Each weight collects from every window it was used in; that is
# what sharing a weight means on the way back.
#
# $$\frac{\partial L}{\partial k[i,j]} = \sum_{r}\sum_{c} g[r,c]\; x[r+i,\; c+j]$$

# %%
assert loss(x, nudged) - loss(x, k) == 1 * 1 + 0 * 2 + 0 * 4 + 2 * 5 == 11

grad_k = ops.conv2d_single(x, grad_out)
one_at_a_time = np.array(
    [
        [loss(x, k + np.eye(4, dtype=int)[2 * i + j].reshape(2, 2)) - loss(x, k) for j in range(2)]
        for i in range(2)
    ]
)
print(grad_k)
assert np.array_equal(grad_k, one_at_a_time)
assert grad_k.tolist() == [[11, 14], [20, 23]]

# %% [markdown]
# ### And the image?
#
# The layer below needs to know how the loss moves with each *pixel*, for its output is our image.
# Go the way back: output $(0, 0)$ was made from four pixels, each multiplied by its weight. So it
# hands its gradient, 1, back to the same four pixels, each times the same weight: it stamps the
# kernel on them. Output $(1, 1)$ stamps twice the kernel, one pixel further down and right. Where
# stamps overlap, they add.

# %%
grad_x = np.zeros((3, 3), dtype=int)
grad_x[0:2, 0:2] += 1 * k
grad_x[1:3, 1:3] += 2 * k
print(grad_x)
assert grad_x[1, 1] == 1 * 4 + 2 * 1

# %% [markdown]
# *Before you run the next cell:* section 6 had an operation in which each bright pixel stamps the
# kernel, upright. What was its name, and which border lets every overlap count, valid, same or
# full?

# %% jupyter={"source_hidden": true}
# The figure.
flipped = k[::-1, ::-1]
described(
    plots.grids(
        {
            "grad_out, padded by 1": np.pad(grad_out, 1),
            "the kernel, flipped": flipped,
            "gradient of the image": ops.conv2d_single(grad_out, flipped, padding=1),
        },
        title="Backwards, the flipped kernel slides over the padded gradient",
    ),
    "Three grids: grad_out with a border of zeros, 1 and 2 on its diagonal; the "
    "kernel flipped, 4 3, 2 1; and their cross-correlation, 1 2 0, 3 6 4, 0 6 8, "
    "which is the gradient of the image.",
)

# %% jupyter={"source_hidden": true}
# The claims of the text below.
assert np.array_equal(ops.conv2d_single(grad_out, flipped, padding=1), grad_x)
assert grad_x.tolist() == [[1, 2, 0], [3, 6, 4], [0, 6, 8]]

# %% [markdown]
# **The gradient of the image is a full convolution of `grad_out` with the kernel**, a true one: the
# flip that libraries leave out on the way forward appears by itself on the way back. A
# convolution's backward pass is made of convolutions.
#
# Three details settle the general case. With a *stride*, the windows stood further apart, so the
# stamps do too. With *padding*, stamp on the padded image and cut the border off at the end: the
# zeros were made up and have no use for a gradient. And a pixel that *the floor dropped* took no
# part in anything: its gradient is 0.
#
# If you slide instead of stamping, first spread `grad_out` out, with $S-1$ zeros between its
# numbers. That serves both gradients. For the kernel's, slide it over the *padded* image and keep
# the first $K_h \times K_w$ numbers: where the floor dropped something, it finds more places than
# there are weights.
#
# PyTorch's autograd agrees, with all three details at once:

# %%
rng = np.random.default_rng(2)
photo, weights, upstream = (rng.normal(size=size) for size in ((6, 9), (3, 3), (2, 3)))

tx = torch.tensor(photo[None, None], requires_grad=True)  # (N, C, H, W) with N = C = 1
tk = torch.tensor(weights[None, None], requires_grad=True)
out = torch.nn.functional.conv2d(tx, tk, stride=3, padding=1)
out.backward(torch.tensor(upstream[None, None]))

ours_x, ours_k = ops.conv2d_single_backward(upstream, photo, weights, stride=3, padding=1)
assert np.allclose(ours_x, tx.grad[0, 0])
assert np.allclose(ours_k, tk.grad[0, 0])

# The floor dropped the last row and the last column of these 6×9 pixels.
assert geometry.unused_pixels(6, 3, stride=3, padding=1) == (5,)
assert geometry.unused_pixels(9, 3, stride=3, padding=1) == (8,)
assert not ours_x[5].any() and not ours_x[:, 8].any()

spread = np.zeros((3 * (2 - 1) + 1, 3 * (3 - 1) + 1))  # of the 2×3 upstream gradient
spread[::3, ::3] = upstream
places = ops.conv2d_single(np.pad(photo, 1), spread)
assert places.shape == (5, 5)
assert np.allclose(places[:3, :3], ours_k)
print("autograd and the two convolutions agree")

# %% [markdown]
# ### Exercise: `conv2d_single_backward` (7 points)
#
# Return both gradients, `(grad_image, grad_kernel)`, of the forward pass `conv2d_single(image,
# kernel, stride, padding)`. `grad_out` has the shape of its output. Each gradient has the shape of
# what it belongs to, and pixels that no window touched have gradient 0. `stride` and `padding` are
# one number or a pair `(height, width)`; there is no dilation. Stamping in loops is as welcome as
# sliding, and here `ops.conv2d_single` is yours to use; ready-made backward passes are not.
#
# At stride 1 without padding the two gradients are marked apart, two points each: if you have one
# of them, return zeros of the right shape in the other's place. The three points for stride,
# padding and pairs need both.
#
# For example, with `x`, `k` and `grad_out` from above, `conv2d_single_backward(grad_out, x, k)` is
# `[[1 2 0], [3 6 4], [0 6 8]]` and `[[11 14], [20 23]]`.


# %% nbgrader={"grade": false, "grade_id": "conv2d_single_backward", "locked": false, "schema_version": 3, "solution": true, "task": false}
def conv2d_single_backward(grad_out, image, kernel, stride=1, padding=0):
    """The gradients (grad_image, grad_kernel), with the shapes of image and kernel.

    `grad_out` (H_out, W_out) is the gradient of the loss at the output of
    `conv2d_single(image, kernel, stride, padding)`; `stride` and `padding` are an int or a
    (height, width) pair.
    """
    ### BEGIN SOLUTION
    s_h, s_w = np.broadcast_to(stride, 2)
    p_h, p_w = np.broadcast_to(padding, 2)
    k_h, k_w = kernel.shape
    padded = np.pad(image, ((p_h, p_h), (p_w, p_w)))
    grad_padded = np.zeros(padded.shape)
    grad_kernel = np.zeros(kernel.shape)
    for r in range(grad_out.shape[0]):
        for c in range(grad_out.shape[1]):
            y, x = r * s_h, c * s_w
            grad_kernel += grad_out[r, c] * padded[y : y + k_h, x : x + k_w]
            grad_padded[y : y + k_h, x : x + k_w] += grad_out[r, c] * kernel
    height, width = image.shape
    return grad_padded[p_h : p_h + height, p_w : p_w + width], grad_kernel
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_conv2d_single_backward", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(conv2d_single_backward)
### BEGIN HIDDEN TESTS
check(conv2d_single_backward, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ### Let a kernel learn
#
# You have the forward and the backward pass; that is enough to train. Somebody has run a secret
# kernel over a photograph of gravel and gives you the photograph and the result. Start from nine
# random weights. Slide, compare, carry the error back, correct the weights a little, two hundred
# times. *Before you run the cells: is one small photograph enough to find nine numbers?*

# %%
backward = yours_or_ours(
    conv2d_single_backward, ops.conv2d_single_backward, grad_out / 4, x / 4, k / 4
)

secret = classics["Sobel, across"]
gravel = data.photograph("gravel", size=32)
gravel = (gravel - gravel.mean()) / gravel.std()
wanted = ops.conv2d_single(gravel, secret)

first = np.random.default_rng(0).normal(size=(3, 3))
weights, losses = first.copy(), []
for step in range(200):
    error = ops.conv2d_single(gravel, weights) - wanted
    losses.append((error**2).mean())
    _, gradient = backward(2 * error / error.size, gravel, weights)
    weights -= 0.15 * np.asarray(gradient)
print(f"loss: {losses[0]:.3g} before the first step, {losses[-1]:.1g} before the last")

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.learning(
        losses,
        {
            "random weights": first,
            "after 200 steps": np.round(weights, 2) + 0.0,
            "the secret kernel": secret,
        },
    ),
    "Left, the loss falls over 200 steps by many powers of ten. Right, three kernels: "
    "nine random weights, the learned weights, and the secret Sobel kernel; the last "
    "two are alike.",
)

# %% [markdown]
# It is. Every window of the photograph is one equation about the same nine numbers, and there are
# 900 windows. Sharing the weights is what makes so little data go so far.

# %%
assert np.allclose(weights, secret, atol=0.01)
assert wanted.size == 30 * 30 == 900

# %% [markdown]
# ## 10 · In production code, and further reading
#
# - The whole chapter is one line of PyTorch: `torch.nn.functional.conv2d(input, weight, bias,
#   stride, padding, dilation, groups)`; the module around it is `torch.nn.Conv2d`, which also knows
#   our four borders as `padding_mode`. Batches, channels and groups come in chapters 03 and 08.
# - `padding="same"` exists there too, but only at stride 1. TensorFlow's `SAME` also takes strides;
#   for a 3×3 kernel at stride 2 it then pads an even axis at its end only. A network carried over
# from there sees its image shifted by a pixel, unless it pads the same way: timm keeps a layer for
# it, `Conv2dSame`.
# - `scipy.signal.convolve2d` flips the kernel, `scipy.signal.correlate2d` does not. Only the second
#   is what a layer does.
# - On a GPU, cuDNN has several algorithms for one convolution; `torch.backends.cudnn.benchmark =
#   True` times them and keeps the fastest for each input shape.

# %%
sizes = {"stride": 2, "padding": 1, "dilation": 2}
x4 = torch.tensor(temple[None, None])  # (1, 1, 150, 200)
w4 = torch.tensor(across[None, None], dtype=torch.float32)  # (1, 1, 3, 3)
one_line = torch.nn.functional.conv2d(x4, w4, **sizes)[0, 0]
assert np.allclose(one_line, ops.conv2d_single(temple, across, **sizes), atol=1e-5)

try:
    torch.nn.Conv2d(1, 1, 3, stride=2, padding="same")
except ValueError as error:
    print("PyTorch:", error)

# %% [markdown]
# **Read on**
#
# - Dumoulin and Visin, *A guide to convolution arithmetic for deep learning* (arXiv:1603.07285):
#   every case of section 2 as a drawing, and the transposed convolutions of chapter 09.
# - Goodfellow, Bengio and Courville, *Deep Learning*, chapter 9 (deeplearningbook.org): convolution
#   as an operation, with the flip and what it is good for.
# - Zhang, Lipton, Li and Smola, *Dive into Deep Learning* (d2l.ai), the chapter on convolutional
#   neural networks: padding and stride with code in several frameworks.
# - Prince, *Understanding Deep Learning*, chapter 10 (udlbook.github.io): the same ground with
#   one-dimensional figures.
# - The notes of Stanford's CS231n on convolutional networks: sizes and hyperparameters as
#   practitioners choose them.

# %% [markdown]
# ## 11 · What you can now say
#
# **What does a convolution layer compute?** It slides a small table of weights over the image,
# multiplies it with the window under it and adds up. Strictly that is a cross-correlation; a true
# convolution flips the kernel first. *(Sections 1, 6)*
#
# **224×224 pixels, a 3×3 kernel, stride 2, no padding: how large is the output?** 111×111:
# (224−3)/2 is 110.5, the floor makes it 110, and the first window is one more. The last row and
# column are never read. *(Section 2)*
#
# **32×32 pixels, a 5×5 kernel, no padding?** 28×28. A kernel takes K − 1 in all. *(Section 2)*
#
# **What are *valid* and *same* padding?** None at all, and as much as keeps the size at stride 1:
# (K − 1) / 2 zeros on each side for an odd kernel, one more after than before for an even one.
# *(Section 4)*
#
# **Why pad at all?** To keep the size through many layers, and because border pixels lie in fewer
# windows: of a 3×3 kernel the corner is in one, the centre in nine. *(Section 3)*
#
# **What does stride 2 do?** It computes every second output along each axis: about a quarter of the
# work, and a coarser map. *(Section 5)*
#
# **What does dilation do?** It sets the taps apart. Three taps at dilation 2 span five pixels with
# three weights. *(Section 2)*
#
# **How do you know an edge detector when you see one?** Its weights add up to zero, so it ignores
# brightness; one side is positive, the other negative. *(Section 7)*
#
# **How do you backpropagate through a convolution?** With two convolutions. The kernel's gradient
# correlates the input with the upstream gradient. The input's is a full convolution of the upstream
# gradient with the kernel: sliding, with the kernel flipped. *(Section 9)*

# %% [markdown]
# ## 12 · Quiz
#
# Seven questions, a point each. Their numbers are drawn from the seed: put another seed into both
# cells and you have a new set to practise on. The functions of this chapter may help. Write a
# number, or the letter of your choice in quotes.

# %%
questions("02", seed=1)

# %% nbgrader={"grade": false, "grade_id": "quiz_02", "locked": false, "schema_version": 3, "solution": true, "task": false}
answers = {
    "quiz": "02",
    "seed": 1,
    "size": None,  # question 1
    "dilated": None,  # question 2
    "dropped": None,  # question 3
    "same": None,  # question 4, a letter
    "visits": None,  # question 5
    "flip": None,  # question 6, a letter
    "gradient": None,  # question 7
}
if None in answers.values():
    ### BEGIN SOLUTION
    answers.update(size=19, dilated=74, dropped=1, same="c", visits=6, flip="c", gradient=594)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test_quiz_02", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(answers)
### BEGIN HIDDEN TESTS
check(answers, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# One kernel, one grey image: so far. Photographs have three channels, and a layer has hundreds of
# kernels. Chapter 03 stacks them.
