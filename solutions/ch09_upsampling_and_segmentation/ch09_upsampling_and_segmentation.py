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
# # Chapter 09 · A label for every pixel
#
# Every network so far made its maps smaller, and ended in one answer for the whole image. Suppose you
# need an answer for each pixel: which of them belong to the cell, the road, the letter? Then what was
# pooled away has to come back. Can a network make a map larger again, and does it know where the
# edges were?
#
# **What you will be able to do**
#
# - see further with the same nine weights, and look back in time without looking ahead;
# - compute a transposed convolution, say how large its output is, and why it leaves checkerboards;
# - build a U-Net, train it to find characters on photographs, and measure what its skips save;
# - say how good a mask is, and what a detector predicts in place of a mask.
#
# **What you need**: convolution and its gradient (chapters 02 and 03), receptive fields (chapter 05),
# a training (chapter 06). `UNet` and `segmenter` need PyTorch, the other exercises NumPy alone.
#
# **Time and points**: about 3 hours, 38 points. The end of section 6 is a good place for a break.
#
# | section | exercise | points |
# | --- | --- | ---: |
# | 2 | `causal_dilated_conv1d` | 4 |
# | 3 | `transposed_conv2d` | 6 |
# | 5 | `transposed_output_size` | 3 |
# | 6 | `overlap_counts` | 2 |
# | 7 | `upsample_nearest` | 2 |
# | 9 | `UNet` | 6 |
# | 10 | `iou` | 2 |
# | 12 | `segmenter` | 5 |
# | 16 | `quiz_09` | 8 |
#
# Stuck on an exercise? `hint(transposed_conv2d)` in a cell of your own shows a hint, and a further
# one each time you run it. After the last hint, or once you have passed, `solution(transposed_conv2d)`
# shows our answer.
#
# The experiments run on the course's own functions, never on yours. Run the notebook cell by cell:
# *Run All* stops at the first check that gives no points. Where you are asked for a prediction and a
# cell would give it away, its code is folded: run it first, then unfold it.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import numpy as np
import torch
from torch import nn

from autograder.check import check, hint, questions, solution
from course_lib import data, training

torch.set_num_threads(1)

# %%
from course_lib import geometry, masks, nets, ops
from course_lib.data.segmentation import PHOTOGRAPHS, SCENE_FONTS
from course_lib.experiments import segmentation
from course_lib.nets.deeplab import AtrousPyramid
from course_lib.nets.fcn import FCN
from course_lib.nets.wavenet import CausalStack
from course_lib.plots import described
from course_lib.plots import upsampling as plots
from course_lib.plots.convolution import transposition_figure
from course_lib.plots.output_size import pictures, visit_maps
from course_lib.plots.training import accuracy_dots

# %% [markdown]
# ## 1 · Must the map get smaller at all?
#
# Maps were pooled so that later layers see more of the image. Dilation does that without pooling:
# three taps, two pixels apart, span five pixels (chapter 02). A 3×3 kernel at dilation 2 covers a 5×5
# square with nine weights, and the map keeps its size. So put two such layers on top of each other.
# The second one's pixel reaches over 9×9 pixels of the image.
#
# *Before you run the cell: how many of these 81 pixels does it really see? Count along one row first.*


# %% jupyter={"source_hidden": true}
# The figure.
def paths(*dilations):
    """In how many ways each pixel of the image reaches one pixel behind 3×3 layers."""
    side = 1 + 2 * sum(dilations)
    grid = np.zeros((1, 1, side, side), dtype=int)
    grid[..., side // 2, side // 2] = 1
    for dilation in dilations:
        grid = ops.conv2d(grid, np.ones((1, 1, 3, 3), int), padding=dilation, dilation=dilation)
    return grid[0, 0]


maps = {"dilation 2, then 2": paths(2, 2), "dilation 1, then 3": paths(1, 3)}
described(
    visit_maps(maps, title="Ways from each pixel to one pixel two layers on"),
    "Two maps of 9×9 pixels. With dilation 2 twice, only every second pixel of every second row is "
    "reached, 25 in all, those in the middle in up to 9 ways; the others are hatched. With dilation 1 and "
    "then 3, every one of the 81 pixels is reached in exactly one way.",
)

# %% [markdown]
# 25, every second one in every second row. Two neighbours in the output look at two different sets of
# pixels, which never meet: **gridding**. The cure costs nothing. Dilation 1 fills a square of 3×3, and
# dilation 3 after it sets nine such squares side by side: every pixel of the 9×9 is seen, each in
# exactly one way.
#
# Where the answer is a map, that is worth having. DeepLab, a network that labels pixels, looks at the
# same maps with several dilations at once, side by side, and lets a 1×1 convolution mix what they
# found: an **atrous pyramid** (*à trous*: with holes).

# %%
pyramid = AtrousPyramid(64, 32, dilations=(1, 6, 12)).eval()
with torch.no_grad():
    print(
        tuple(pyramid(torch.zeros(1, 64, 40, 60)).shape), "of (1, 64, 40, 60): nothing was pooled"
    )
for name, branch in zip((1, 6, 12), pyramid.dilated, strict=True):
    print(
        f"dilation {name:2}: {branch[0].weight.numel():,} weights, spans",
        geometry.effective_kernel(3, name),
    )

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert (maps["dilation 2, then 2"] > 0).sum() == 25
assert maps["dilation 2, then 2"].max() == 9
assert (maps["dilation 1, then 3"] == 1).all() and maps["dilation 1, then 3"].size == 81
assert not paths(2, 2)[::2, 1::2].any()  # what the neighbour to the right sees, all of it
assert geometry.effective_kernel(3, 2) == 5
assert {branch[0].weight.numel() for branch in pyramid.dilated} == {9 * 64 * 32}

# %% [markdown]
# ## 2 · Only the past
#
# A signal has a direction that an image has not. A network that continues a piece of music, sample by
# sample, must not hear what comes later. So its kernels look back only: the last tap falls on the
# present sample, the others before it. That is a **causal** convolution. Nothing changes but the
# padding, which all goes in front.
#
# WaveNet (2016) makes such layers of two taps and doubles the dilation from layer to layer.
# *Before you run the cell: how many samples does the last output hear through dilations 1, 2, 4, 8?*

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.causal_tree([1, 2, 4, 8], samples=20, title="Four layers of two taps"),
    "Five rows of twenty dots, the input at the bottom. From the last dot of the top row a tree of lines "
    "branches down: two dots, four, eight, and in the input the last sixteen of the twenty.",
)

# %% [markdown]
# Sixteen, and each in exactly one way. Ten layers of two taps hear 1,024 samples; without dilation it
# would be eleven. At 16,000 samples a second that is a sixteenth of a second of speech, so WaveNet
# repeats the ten layers a few times.

# %%
torch.manual_seed(0)
stack = CausalStack(4, dilations=(1, 2, 4, 8)).double()
signal = torch.rand(1, 4, 40, dtype=torch.double, requires_grad=True)
stack(signal)[0, :, 30].sum().backward()
heard = np.flatnonzero(signal.grad.abs().sum(dim=(0, 1)))
print("output 30 depends on the samples", heard.min(), "to", heard.max())

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert (heard.min(), heard.max()) == (15, 30)
assert stack.receptive_field == 16
ten = CausalStack(1, [2**i for i in range(10)]).receptive_field
assert ten == 1024 and round(16_000 / ten) == 16
assert CausalStack(1, [1] * 10).receptive_field == 11

# %% [markdown]
# ### Exercise: `causal_dilated_conv1d` (4 points)
#
# Compute such a layer. `x` is `(N, C, T)`, `weight` is `(C_out, C_in, K)`, `dilation` an int. The last
# tap falls on the current sample, the one before it `dilation` samples earlier, and so on; the kernel is
# not flipped. Before the first sample there are zeros. Sum over the input channels; there is no bias.
# Return an array `(N, C_out, T)`, as long as the input, for any T, also one that is shorter than the
# kernel. Do without the course's, SciPy's and PyTorch's convolutions.
#
# For example, the samples 1, 2, 3, 4, 5 with the taps (10, 1) at dilation 2 give 1, 2, 13, 24, 35.


# %% nbgrader={"grade": false, "grade_id": "causal_dilated_conv1d", "locked": false, "schema_version": 3, "solution": true, "task": false}
def causal_dilated_conv1d(x, weight, dilation):
    """A convolution along time that never looks ahead: (N, C, T) and (C_out, C_in, K) → (N, C_out, T)."""
    ### BEGIN SOLUTION
    length, taps = x.shape[2], weight.shape[2]
    padded = np.pad(x, ((0, 0), (0, 0), ((taps - 1) * dilation, 0)))
    return sum(
        np.einsum(
            "nct,oc->not", padded[:, :, k * dilation : k * dilation + length], weight[:, :, k]
        )
        for k in range(taps)
    )
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_causal_dilated_conv1d", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check(causal_dilated_conv1d)
### BEGIN HIDDEN TESTS
check(causal_dilated_conv1d, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · Stamps
#
# Dilation keeps maps large, and large maps are expensive. The other way is to pool and go up again. Take
# a row of two pixels, 1 and 10, and a kernel (1, 2, 3). A convolution would gather three pixels into
# one. Turn it around: let one pixel *spread* over three. The pixel 1 stamps 1, 2, 3 onto an empty
# row, the pixel 10 stamps 10, 20, 30, two places further on. Where stamps overlap, they add up.
#
# *Before you run the cell: write down the row that comes out.*

# %% jupyter={"source_hidden": true}
# The figure.
stamps = ops.conv_transpose2d([[[[1, 10]]]], [[[[1, 2, 3]]]], stride=2)[0, 0, 0]
print(stamps)
described(
    transposition_figure((1, 4), kernel=(1, 3), stride=(1, 2)),
    "Four input pixels in a row, and below them four stamps of three cells, each two places further to the "
    "right than the one before. In the output of nine pixels, every place where two stamps meet is counted "
    "2, the others 1.",
)

# %% [markdown]
# 1, 2, 13, 20, 30: in the middle, 3 and 10 met. The figure shows four pixels, numbered 0 to 3, with the
# same kernel and step, and counts the stamps on each place. This is the **transposed convolution**. Its
# *stride* is the step from stamp to stamp, so a larger stride makes a larger output. With channels,
# input channel c has its own kernel for each output channel, and all stamps on one output channel add
# up.
#
# $$\text{weight}: \left(C_{in},\; C_{out},\; K_h,\; K_w\right)$$
#
# Mind the first two axes: they are the other way round than in a convolution. Two more arguments trim
# the result. `padding` cuts that many pixels off each side. `output_padding` makes the canvas larger at
# the bottom and at the right; what the stamps leave there stays, the rest is zero.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert stamps.tolist() == [1, 2, 13, 20, 30]
assert geometry.transposed_output_size(4, 3, stride=2) == 9

# %% [markdown]
# ### Exercise: `transposed_conv2d` (6 points)
#
# Stamp. `x` is `(N, C_in, H, W)`, `weight` is `(C_in, C_out, K_h, K_w)`; `stride`, `padding` and
# `output_padding` are an int or a `(height, width)` pair; there is no bias and no dilation. The kernel
# is stamped as it is, not flipped. The canvas is $(H-1)\,s + K_h$ rows high, and as much wider than W.
# `output_padding`, which is smaller than the stride, adds rows at its bottom and columns at its right;
# then `padding` rows and columns are cut off each of its four sides. Return an array `(N, C_out, H_out,
# W_out)`.
#
# Do without the course's transposed convolution, its backward passes and `col2im`, and without SciPy's
# and PyTorch's convolutions.
#
# For example, the pixels 1, 10 and the kernel ((1, 2), (3, 4)) give (1, 12, 20) over (3, 34, 40); with
# stride 2 they give (1, 2, 10, 20) over (3, 4, 30, 40).


# %% nbgrader={"grade": false, "grade_id": "transposed_conv2d", "locked": false, "schema_version": 3, "solution": true, "task": false}
def transposed_conv2d(x, weight, stride=1, padding=0, output_padding=0):
    """Stamps of each pixel, added up: (N, C_in, H, W) and (C_in, C_out, K_h, K_w) → larger maps."""
    ### BEGIN SOLUTION
    (s_h, s_w), (p_h, p_w) = np.broadcast_to(stride, 2), np.broadcast_to(padding, 2)
    more_h, more_w = np.broadcast_to(output_padding, 2)
    n, _, height, width = x.shape
    _, c_out, k_h, k_w = weight.shape
    rows = (height - 1) * s_h + k_h + more_h
    columns = (width - 1) * s_w + k_w + more_w
    canvas = np.zeros((n, c_out, rows, columns))
    for r in range(height):
        for c in range(width):
            stamp = np.einsum("ni,iokl->nokl", x[:, :, r, c], weight)
            top, left = r * s_h, c * s_w
            canvas[:, :, top : top + k_h, left : left + k_w] += stamp
    return canvas[:, :, p_h : rows - p_h, p_w : columns - p_w]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_transposed_conv2d", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check(transposed_conv2d)
### BEGIN HIDDEN TESTS
check(transposed_conv2d, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 4 · You have computed it before
#
# In chapter 03 a gradient went back through a convolution: each output pixel's gradient was spread over
# the window that it came from, times the kernel, and where windows overlapped the parts were added. That
# is stamping. *Before you run the cell: what will the difference of the two be?*

# %%
rng = np.random.default_rng(0)
image = rng.normal(size=(1, 3, 11, 11))
kernels = rng.normal(size=(4, 3, 3, 3))  # a convolution from 3 to 4 channels
small = rng.normal(size=(1, 4, 5, 5))  # of its output's shape

gradient, *_ = ops.conv2d_backward(small, image, kernels, stride=2)
stamped = ops.conv_transpose2d(small, kernels, stride=2)
print("largest difference:", np.abs(gradient - stamped).max())

there = (ops.conv2d(image, kernels, stride=2) * small).sum()
back = (image * stamped).sum()
print(f"⟨conv(image), small⟩ = {there:.6f}   ⟨image, transposed(small)⟩ = {back:.6f}")

# %% [markdown]
# Zero. A convolution is a matrix A (chapter 01), its gradient goes back through $A^T$, and the
# transposed convolution is this $A^T$ used forwards: hence the name, and hence the order of the weight's
# axes. The second line is what transposing means: $\langle Ax, y\rangle = \langle x, A^Ty\rangle$. Mathematicians
# say **adjoint**.
#
# It turns shapes around, 5×5 back to 11×11. It does not undo the convolution: $A^T$ is not $A^{-1}$. So
# "deconvolution", as some call it, is a misleading word.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert np.abs(gradient - stamped).max() < 1e-12
assert abs(there - back) < 1e-9
round_trip = ops.conv_transpose2d(ops.conv2d(image, kernels, stride=2), kernels, stride=2)
assert round_trip.shape == image.shape and np.abs(round_trip - image).max() > 1

# %% [markdown]
# ## 5 · How large does it get?
#
# Where does the last of n stamps begin? n − 1 steps after the first, at $(n-1)\,s$. How long is it?
# $d\,(k-1) + 1$ with dilation d. Padding cuts both ends, the output padding adds at one:
#
# $$(n-1)\,s - 2p + d\,(k-1) + op + 1$$
#
# Why an output padding at all? A convolution with kernel 3, stride 2 and padding 1 makes 4 pixels of 7,
# and 4 of 8. *Before you run the cell: which of the two does the way back give?*

# %%
for n in (7, 8):
    down = geometry.output_size(n, kernel=3, stride=2, padding=1)
    up = [geometry.transposed_output_size(down, 3, 2, 1, output_padding=op) for op in (0, 1)]
    print(f"{n} → {down} → {up[0]} without output padding, {up[1]} with 1")

# %% [markdown]
# The smaller one. The floor in the convolution's formula made two sizes one, and `output_padding` says
# which of them you meant. To double a size exactly, two settings are common: kernel 2 at stride 2, and
# kernel 4 at stride 2 with padding 1.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert [geometry.output_size(n, 3, 2, 1) for n in (7, 8)] == [4, 4]
assert [geometry.transposed_output_size(4, 3, 2, 1, output_padding=op) for op in (0, 1)] == [7, 8]
for n in (1, 5, 16):
    assert geometry.transposed_output_size(n, 2, 2) == 2 * n
    assert geometry.transposed_output_size(n, 4, 2, 1) == 2 * n

# %% [markdown]
# ### Exercise: `transposed_output_size` (3 points)
#
# Return the length of the output along one axis, as an int. All arguments are ints and possible:
# nothing has to be refused. Do without the course's own function and without PyTorch.
#
# For example, `transposed_output_size(4, 2, stride=2)` is 8 and `transposed_output_size(7, 4, stride=2,
# padding=1)` is 14.


# %% nbgrader={"grade": false, "grade_id": "transposed_output_size", "locked": false, "schema_version": 3, "solution": true, "task": false}
def transposed_output_size(n, kernel, stride=1, padding=0, dilation=1, output_padding=0):
    """How long a transposed convolution's output is along one axis, as an int."""
    ### BEGIN SOLUTION
    last = (n - 1) * stride
    span = dilation * (kernel - 1) + 1
    return last + span - 2 * padding + output_padding
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_transposed_output_size", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check(transposed_output_size)
### BEGIN HIDDEN TESTS
check(transposed_output_size, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 6 · Where checkerboards come from
#
# Stamps of length 3 in steps of 2: does every output pixel get the same number? *Before you run the
# cell: with which of the kernels 3, 4 and 5 will the counts alternate?*


# %% jupyter={"source_hidden": true}
# The figure.
def overlaps(n, kernel, stride):
    """How many of n stamps land on each pixel of the output."""
    return geometry.visit_counts(1, (n - 1) * stride + kernel, (1, kernel), (1, stride))[0]


rows = {f"kernel {k}, stride 2": overlaps(8, k, 2) for k in (3, 4, 5)}
described(
    plots.rows_of_pixels(rows, title="Stamps that land on each pixel, eight input pixels"),
    "Three rows of bars. Kernel 3 at stride 2: 1, 1, 2, 1, 2, 1, up to the end. Kernel 4: 2 everywhere but "
    "at the ends. Kernel 5: 2 and 3 in turns.",
)

# %% [markdown]
# With 3 and with 5. Where the stride does not divide the kernel, some pixels get a stamp more than their
# neighbours. In two dimensions the counts multiply, and the pattern is that of a checkerboard. A grey
# area, flat in the small map, comes out with a pattern that nobody put in:

# %%
small = data.photograph("chelsea", size=40)[None, None].astype(float)
enlarged = {}
for k in (3, 4):
    kernel = np.full((1, 1, k, k), 4 / k**2)  # of each stamp a quarter for each new pixel
    enlarged[f"kernel {k}, stride 2"] = ops.conv_transpose2d(small, kernel, stride=2, padding=1)[
        0, 0
    ]
twice = nn.Upsample(scale_factor=2)(torch.from_numpy(small)).numpy()
smooth = ops.conv2d(ops.pad2d(twice, 1, "replicate"), np.full((1, 1, 3, 3), 1 / 9))
enlarged["each pixel 4 times, then 3×3"] = smooth[0, 0]
described(
    pictures(enlarged, title="The same picture of 40×40 pixels, twice as large"),
    "A cat's face, three times. Through kernel 3 at stride 2 a fine grid of light and dark pixels lies over "
    "all of it. Through kernel 4 there is none, and none where pixels are repeated and then averaged.",
)

# %% [markdown]
# The stamps of these pictures are flat. A network learns its kernels, and may learn weights that even
# the counts out. Odena and others (Distill, 2016) show that it often does not. And a kernel that is a
# multiple of the stride is no guarantee: the pixels of a 2×2 block are made by different weights, so
# with random weights a flat grey comes out in a pattern there too. Watch the stamps land:
#
# *Before you play: which is the smallest kernel at stride 3 that gives every pixel inside the same
# count? And the next one?*

# %%
from course_lib.explorers import Upsampling

Upsampling(image=[[1, 1, 1, 1, 1]], kernel_size=3, stride=2)


# %%
def pattern(layer):
    """How much a flat grey changes from pixel to pixel, inside, as a share of its mean size."""
    with torch.no_grad():
        inside = layer(torch.ones(1, 8, 12, 12))[0, :, 6:-6, 6:-6]
    return float(inside.std(dim=(1, 2)).mean() / inside.abs().mean())


layers = {
    "transposed, kernel 3": lambda: nn.ConvTranspose2d(8, 8, 3, stride=2, padding=1, bias=False),
    "transposed, kernel 4": lambda: nn.ConvTranspose2d(8, 8, 4, stride=2, padding=1, bias=False),
    "nearest, then 3×3": lambda: nn.Sequential(
        nn.Upsample(scale_factor=2), nn.Conv2d(8, 8, 3, padding=1, bias=False)
    ),
}
torch.manual_seed(0)
patterns = {name: [pattern(make()) for _ in range(10)] for name, make in layers.items()}
for name, values in patterns.items():
    print(f"{name:21} {np.mean(values):.2f} ± {np.std(values):.2f}")

# %% jupyter={"source_hidden": true}
# The claims of the text above.
inside = {k: set(overlaps(20, k, 2)[5:-5].tolist()) for k in (3, 4, 5)}
assert inside == {3: {1, 2}, 4: {2}, 5: {2, 3}}
for k in range(1, 10):
    assert (len(set(overlaps(20, k, 3)[10:-10].tolist())) == 1) == (k % 3 == 0)
assert min(min(patterns[f"transposed, kernel {k}"]) for k in (3, 4)) > 0.3
assert all(0.8 < np.mean(patterns[f"transposed, kernel {k}"]) < 1.3 for k in (3, 4))
assert max(patterns["nearest, then 3×3"]) < 1e-5

# %% [markdown]
# Kernel 3 is the smallest at stride 3, then 6: the multiples. The cell above takes untrained layers, ten
# of each, on a flat grey. Both transposed convolutions make a pattern as strong as the signal. The third
# layer makes none, whatever its weights: section 7 looks at it.
#
# ### Exercise: `overlap_counts` (2 points)
#
# How many stamps land on each output pixel, along one axis? `n` is the input's length, `kernel` and
# `stride` are ints, there is no padding. Return an array of whole numbers, `(n − 1)·stride + kernel`
# long. A kernel shorter than the stride leaves zeros. Do without the course's `visit_counts`.
#
# For example, `overlap_counts(3, 3, 2)` is `[1, 1, 2, 1, 2, 1, 1]`.


# %% nbgrader={"grade": false, "grade_id": "overlap_counts", "locked": false, "schema_version": 3, "solution": true, "task": false}
def overlap_counts(n, kernel, stride):
    """How many of n stamps land on each pixel of the output: (length,) whole numbers."""
    ### BEGIN SOLUTION
    counts = np.zeros((n - 1) * stride + kernel, dtype=int)
    for stamp in range(n):
        counts[stamp * stride : stamp * stride + kernel] += 1
    return counts
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_overlap_counts", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check(overlap_counts)
### BEGIN HIDDEN TESTS
check(overlap_counts, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 7 · Repeat first, learn afterwards
#
# A transposed convolution does two things in one step: it enlarges, and it learns. Take them apart. First
# enlarge without weights: each pixel four times, its **nearest neighbour**. Then let an ordinary
# convolution work on the large map.
#
# Why the convolution after? Alone, the repeated map knows nothing new: every 2×2 block holds one number.
# The 3×3 window sees neighbouring blocks, and lets the four pixels of a block differ. All of them get
# equally many taps, so a flat grey stays flat.
#
# *Before you run the cell: the two steps together are linear and have stride 2. Is there a transposed
# convolution that does the same?*

# %% jupyter={"source_hidden": true}
# The comparison.
kernel = rng.normal(size=(1, 1, 3, 3))
small = rng.normal(size=(1, 1, 6, 7))
large = nn.Upsample(scale_factor=2)(torch.from_numpy(small)).numpy()
two_steps = ops.conv2d(large, kernel, padding=1)

block = np.ones((1, 1, 2, 2))  # nearest neighbours: a stamp of four ones
stamp = ops.conv2d(ops.pad2d(block, 2), kernel)  # what one pixel becomes
one_step = ops.conv_transpose2d(small, stamp, stride=2, padding=1)
print("stamp:", stamp.shape[2:], "largest difference:", np.abs(two_steps - one_step).max())

# %% [markdown]
# Yes: one with a 4×4 stamp. But its sixteen weights are made of nine, in such a way that the four pixels
# of a block get the same sum. The checkerboard is not unlearned, it is ruled out. The price: the
# convolution works on the large map, at four times the positions.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert stamp.shape[2:] == (4, 4)
assert np.abs(two_steps - one_step).max() < 1e-12
sums = [stamp[0, 0, r::2, c::2].sum() for r in (0, 1) for c in (0, 1)]
assert np.allclose(sums, sums[0])

# %% [markdown]
# ### Exercise: `upsample_nearest` (2 points)
#
# Repeat each pixel. `x` is `(N, C, H, W)`, `scale` an int or a `(height, width)` pair of ints. Each pixel
# becomes a block of `scale` rows and columns; return an array `(N, C, H·scale, W·scale)`. Do without the
# resizing functions of PyTorch, SciPy and scikit-image.
#
# For example, the rows (1, 2) and (3, 4) become (1, 1, 2, 2) twice, then (3, 3, 4, 4) twice.


# %% nbgrader={"grade": false, "grade_id": "upsample_nearest", "locked": false, "schema_version": 3, "solution": true, "task": false}
def upsample_nearest(x, scale):
    """Each pixel as a block of equal pixels: (N, C, H, W) → (N, C, H·scale, W·scale)."""
    ### BEGIN SOLUTION
    down, across = np.broadcast_to(scale, 2)
    return np.repeat(np.repeat(x, down, axis=2), across, axis=3)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_upsample_nearest", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check(upsample_nearest)
### BEGIN HIDDEN TESTS
check(upsample_nearest, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 8 · A classifier that answers everywhere
#
# Now for the labels. You have a good classifier. Take away its global pooling and its last layer, and
# what is left, the **backbone**, makes a map of features, of any image. A 1×1 convolution, the **head**,
# turns each position's features into scores. That is a **fully convolutional network**, FCN (2014): the
# same backbone, and a dense head, one that answers at each position.

# %%
with torch.device("meta"):  # shapes without numbers
    fcn = FCN("resnet18", num_classes=21).eval()  # 20 kinds of things, and background
    for size in ((224, 224), (320, 480)):
        photo = torch.zeros(1, 3, *size)
        coarse = fcn.score(fcn.features(photo))
        print(size, "→ scores", tuple(coarse.shape[1:]), "→ enlarged", tuple(fcn(photo).shape[1:]))

# %% [markdown]
# One position for 32×32 pixels: the backbone halves the image five times. The features know *what* is
# there. How much of *where* is lost? Take true masks of characters (section 11 shows some), keep of each
# block only whether at least half of it is covered, and enlarge again. No network is in it: so much is
# lost even if every coarse label is right. *Before you run the cell: how much of the overlap is left at
# blocks of 2, 4, 8 pixels?*

# %%
_, truth = data.scenes("test", 200, size=32)


def through_blocks(mask, block):
    n, height, width = mask.shape
    shares = mask.reshape(n, height // block, block, width // block, block).mean(axis=(2, 4))
    return (shares >= 0.5).repeat(block, axis=1).repeat(block, axis=2)


left = {block: masks.iou(through_blocks(truth, block), truth) for block in (1, 2, 4, 8)}
for block, overlap in left.items():
    print(f"blocks of {block}: overlap {overlap:.2f}")

# %% [markdown]
# The overlap is the share of pixels that both masks have, of those that either has (section 10). At
# blocks of 4 about half is left, at 8 less than a third: strokes are thinner than a block. FCN's authors
# saw it on photographs, and added the scores of earlier, finer layers. That thought, carried through, is
# the next network.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert left[1] == 1
assert 0.6 < left[2] < 0.9 and 0.3 < left[4] < 0.65 and left[8] < 1 / 3
with torch.device("meta"):
    assert fcn.features(torch.zeros(1, 3, 224, 224)).shape == (1, 512, 7, 7)

# %% [markdown]
# ## 9 · U-Net
#
# Go down in levels: two 3×3 convolutions, then a pooling, with twice the channels each time. At the
# bottom there are few positions, and each sees most of the image. Then go up in the same levels: a
# transposed convolution doubles the size and halves the channels. And on each level, hand across the maps
# that were there on the way down, from *before* the pooling, and put them beside the maps from below.

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.unet_plan([(16, 32), (32, 16), (64, 8), (128, 4)], title="U-Net, width 16, depth 3"),
    "A U of bars. Down the left: 16 channels of 32×32, 32 of 16×16, 64 of 8×8. At the bottom 128 of 4×4. Up "
    "the right the same sizes in reverse. On each of the three upper levels an arrow goes across from left "
    "to right.",
)

# %% [markdown]
# What comes from below says what a pixel belongs to; what comes across says where the edges run. Two
# convolutions mix them. *Before you run the cell: concatenation doubles the channels that the first of
# these convolutions reads. Do the skips make the network twice as large?*


# %%
def parameters(net):
    return sum(weight.numel() for weight in net.parameters())


with_skips = nets.create("unet", width=8)
without = nets.create("unet", width=8, skip=False)
print(f"with skips {parameters(with_skips):,} parameters, without {parameters(without):,}")
share = parameters(with_skips) / parameters(without) - 1
print(f"{share:.0%} more")

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert 0.08 < share < 0.15
assert parameters(nets.create("unet", width=4, depth=2)) == 7_482
lowest = parameters(with_skips.bottom) + parameters(with_skips.up[0])
assert lowest > 0.5 * parameters(with_skips)

# %% [markdown]
# No: a ninth more. Half of the weights are in the bottom level and the first step up from it, where the
# channels are.
#
# ### Exercise: `UNet` (6 points)
#
# Write the network as a PyTorch module, `UNet(c_in, n_classes, width=16, depth=3)`.
#
# - A *level* from a to b channels: a 3×3 convolution from a to b, BatchNorm, ReLU, a 3×3 convolution from
#   b to b, BatchNorm, ReLU. Padding 1, no bias, BatchNorm with PyTorch's settings.
# - Down: `depth` levels, the first from `c_in` to `width` channels, each next one with twice the channels
#   of the one before. After each a 2×2 max pooling; keep the maps from before it.
# - Bottom: one more level, again with twice the channels.
# - Up, `depth` times, from the lowest kept maps to the first: a transposed convolution with kernel 2 and
#   stride 2 (with bias, no ReLU after it) from 2c to c channels; concatenate, the kept maps first, those
#   from below second; a level from 2c to c channels.
# - Head: a 1×1 convolution with bias from `width` to `n_classes` channels. Return the logits.
#
# An image's sides are multiples of $2^{depth}$; the output `(N, n_classes, H, W)` is as large as the
# image. Names of your layers are free. Do without the course's own U-Net.
#
# For example, `UNet(1, 2, width=4, depth=2)` has 7,482 parameters.


# %% nbgrader={"grade": false, "grade_id": "UNet", "locked": false, "schema_version": 3, "solution": true, "task": false}
class UNet(nn.Module):
    """A U-Net with skips: (N, c_in, H, W) → logits (N, n_classes, H, W)."""

    def __init__(self, c_in, n_classes, width=16, depth=3):
        super().__init__()

        ### BEGIN SOLUTION
        def level(a, b):
            return nn.Sequential(
                nn.Conv2d(a, b, 3, padding=1, bias=False),
                nn.BatchNorm2d(b),
                nn.ReLU(),
                nn.Conv2d(b, b, 3, padding=1, bias=False),
                nn.BatchNorm2d(b),
                nn.ReLU(),
            )

        widths = [width * 2**i for i in range(depth)]
        self.down = nn.ModuleList(
            level(a, b) for a, b in zip([c_in, *widths], widths, strict=False)
        )
        self.bottom = level(widths[-1], 2 * widths[-1])
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, 2, stride=2) for c in widths[::-1])
        self.merge = nn.ModuleList(level(2 * c, c) for c in widths[::-1])
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Conv2d(width, n_classes, 1)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        kept = []
        for level in self.down:
            x = level(x)
            kept.append(x)
            x = self.pool(x)
        x = self.bottom(x)
        for up, merge, beside in zip(self.up, self.merge, kept[::-1], strict=True):
            x = merge(torch.cat([beside, up(x)], dim=1))
        return self.head(x)
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_UNet", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check(UNet)
### BEGIN HIDDEN TESTS
check(UNet, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 10 · How good is a mask?
#
# Count the pixels that are right? On these scenes a mask that finds nothing at all is right in four
# pixels of five. So leave out what both call background. **Intersection over union**, IoU: the
# pixels that are in both masks, over those that are in either.
#
# *Before you run the cell: a mask of 10×10 pixels, found a pixel too far to the right. Its IoU?*

# %%
square, moved = np.zeros((14, 14), int), np.zeros((14, 14), int)
square[2:12, 2:12], moved[2:12, 3:13] = 1, 1
nothing = np.zeros_like(truth)
print(f"right pixels {np.mean(square == moved):.2f}, IoU {masks.iou(moved, square):.2f}")
print(
    f"finding nothing: right pixels {np.mean(truth == 0):.2f}, IoU {masks.iou(nothing, truth):.2f}"
)

# %% [markdown]
# 90 in both, 110 in either: 0.82, for one pixel. IoU is strict with small and thin things. Two more
# numbers are common. The **mean IoU** takes it for each class, background included, and averages. And to
# see how sharp the edges are, look only at pixels beside an edge of the true mask: the **boundary error**
# of this chapter is the share of them that is wrong.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert masks.iou(moved, square) == 90 / 110
assert 0.78 < np.mean(truth == 0) < 0.86
assert masks.iou(nothing, truth) == 0

# %% [markdown]
# ### Exercise: `iou` (2 points)
#
# Return the IoU of two masks, as a float. `pred` and `target` are arrays of one shape, any shape, of
# booleans or of zeros and ones (ints or floats). Two empty masks agree: 1; add no small number to get
# round the division. Do without the functions of the course, of SciPy and of scikit-learn.
#
# For example, the masks (1, 1, 0) and (0, 1, 1) have the IoU 1/3.


# %% nbgrader={"grade": false, "grade_id": "iou", "locked": false, "schema_version": 3, "solution": true, "task": false}
def iou(pred, target):
    """Intersection over union of two masks of equal shape; 1.0 where both are empty."""
    ### BEGIN SOLUTION
    pred, target = np.asarray(pred).astype(bool), np.asarray(target).astype(bool)
    union = (pred | target).sum()
    return float((pred & target).sum() / union) if union else 1.0
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_iou", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check(iou)
### BEGIN HIDDEN TESTS
check(iou, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 11 · What do the skips save?
#
# Nobody has to draw masks for this experiment. Letters and digits from fonts are put onto real
# photographs, some lighter than what they cover and some darker, and light falls from one side. So it
# is known which pixels they cover, and no single threshold finds them all. Six photographs and eight
# fonts are there to train, three other photographs and five other fonts to be judged on: nothing of a
# test image is in training.
#
# Train two small U-Nets for a few seconds each, one with skips and one without. (`prepared` takes each
# scene's mean off and divides by its deviation, whatever light falls on it.) *Before you run the cell:
# where will the one without be wrong?*

# %%
images, labels = data.scenes("train", 320, seed=0)
held_back, truth = data.scenes("test", 100, seed=0)
found = {}
for name, skip in (("with skips", True), ("without", False)):
    net = segmentation.build(segmentation.Setting("scenes", skip), seed=0)
    segmentation.fit(net, segmentation.prepared("scenes", images), labels, epochs=4)
    found[name] = segmentation.masks_of(net, segmentation.prepared("scenes", held_back))
    print(f"{name:10} mean IoU {masks.mean_iou(found[name], truth):.2f}")

# %% jupyter={"source_hidden": true}
# The figure.
for name, mask in found.items():
    print(f"{name:10} wrong beside edges {masks.boundary_error(mask, truth):.0%}")
described(
    plots.mask_rows(
        held_back[:7, 0],
        truth[:7],
        {name: mask[:7] for name, mask in found.items()},
        title="On photographs and fonts never seen: orange too much, blue missed",
    ),
    "Seven scenes in columns: photographs with characters, their true masks, and what two networks found. "
    "With skips the characters are white, with few coloured pixels, most along the edges. Without, the "
    "characters are lumps, with wide orange and blue seams along all edges.",
)

# %% jupyter={"source_hidden": true}
# The claims of the text above.
scores = {name: masks.mean_iou(mask, truth) for name, mask in found.items()}
errors = {name: masks.boundary_error(mask, truth) for name, mask in found.items()}
assert scores["with skips"] > scores["without"] + 0.04
assert errors["with skips"] < errors["without"] - 0.04
assert [len(PHOTOGRAPHS[split]) for split in ("train", "test")] == [6, 3]
assert [len(SCENE_FONTS[split]) for split in ("train", "test")] == [8, 5]
for names in (PHOTOGRAPHS, SCENE_FONTS):
    assert not set(names["train"]) & set(names["test"])

# %% [markdown]
# Along the edges. It does know that there is a character, and about where. The full experiment trained
# longer, with five seeds.

# %% jupyter={"source_hidden": true}
# The figure.
results = segmentation.load()


def rows_of(pictures, what):
    rows = {"with skips": [], "without": []}
    for result in results:
        if result.setting.pictures == pictures:
            rows["with skips" if result.setting.skip else "without"].append(getattr(result, what))
    return rows


scene_scores = rows_of("scenes", "mean_iou")
described(
    accuracy_dots(scene_scores, title="Characters on photographs never seen", x="mean IoU"),
    "Two rows of five dots. With skips all above 0.90. Without all below 0.80.",
)

# %%
for pictures_of in ("scenes", "coins"):
    for name, values in rows_of(pictures_of, "mean_iou").items():
        edges = rows_of(pictures_of, "boundary_error")[name]
        print(
            f"{pictures_of:7} {name:11} mean IoU {np.mean(values):.3f} ± {np.std(values):.3f}, "
            f"wrong beside edges {np.mean(edges):.1%} ± {np.std(edges):.1%}"
        )

# %% [markdown]
# With skips above 0.90 for every seed, without them below 0.80. Beside the edges a network without skips
# is wrong three to five times as often. (`python -m course_lib.experiments.segmentation` makes these
# numbers anew.)
#
# *Coins* is one photograph. The networks were trained on cuts out of its left half and judged on its right
# half, the masks come from a rule (`data.coins` says which). Coins are large and round, so the overlap
# is good either way. Their edges show the same gap.


# %% jupyter={"source_hidden": true}
# The claims of the text above.
def spread(pictures, what, name):
    values = rows_of(pictures, what)[name]
    return min(values), float(np.mean(values)), max(values)


assert all(len(values) == 5 for values in scene_scores.values())
assert (segmentation.BATCH, segmentation.RATE) == (16, 0.015)
assert spread("scenes", "mean_iou", "with skips")[0] > 0.90
assert spread("scenes", "mean_iou", "without")[2] < 0.80
for pictures_of in ("scenes", "coins"):
    better = spread(pictures_of, "boundary_error", "with skips")
    worse = spread(pictures_of, "boundary_error", "without")
    assert better[2] < worse[0] and 3 < worse[1] / better[1] < 5
assert spread("coins", "mean_iou", "without")[0] > 0.88

# %%
cuts, cut_masks = segmentation.cuts(160, seed=0)
net = segmentation.build(segmentation.Setting("coins", True), seed=0)
segmentation.fit(net, segmentation.prepared("coins", cuts), cut_masks, epochs=4)
right = data.coins("right")
coins_found = segmentation.masks_of(net, segmentation.prepared("coins", right.image[None, None]))
overlap = masks.iou(coins_found[0], right.mask)
print(f"trained on squares of 32×32, judged on {right.image.shape}: IoU {overlap:.2f}")
described(
    plots.mask_rows(right.image[None], right.mask[None], {"found": coins_found}),
    "The right half of the photograph: coins in four rows, their mask, and the mask that was found, white "
    "but for thin coloured rims and a few spots.",
)

# %% [markdown]
# No layer of a U-Net asks for a size. Trained on squares of 32×32, it runs on all of the right half at
# once. Only the poolings must come out even: `masks_of` pads the sides to multiples of 8 and cuts the
# mask again.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert masks.iou(coins_found[0], right.mask) > 0.8
assert right.image.shape[0] % 8

# %% [markdown]
# ## 12 · Your turn to train
#
# ### Exercise: `segmenter` (5 points)
#
# Write a function `segmenter(images=None, masks=None)` that returns a trained model. `images` are scenes
# `(N, 1, 32, 32)` between 0 and 1, `masks` are `(N, 32, 32)` with 1 for characters; without them take
# `data.scenes("train", 500)`. The check gives your function 500 scenes of the training split and judges
# the model on 200 scenes of the other split, whose masks it keeps. The model is a PyTorch module or a
# function; for images `(N, 1, 32, 32)` it returns logits `(N, 2, 32, 32)` or masks `(N, 32, 32)` of 0 and
# 1. A module gets tensors and is asked in eval mode, a function gets NumPy arrays.
#
# A mean IoU of 0.70 (all pixels together, background and characters) earns two points, 0.85 all five. A
# few seconds of training are enough; more than a minute is too long. `training.fit` knows masks:
# cross-entropy takes a label for each pixel as it takes one for each image. Its batches of 64 and rate of
# 0.001 learn slowly here: section 11 took batches of 16, with a rate that rose to 0.015 and fell again.
# Your `UNet`, the course's `nets.create("unet")` or a network of your own will do.


# %% nbgrader={"grade": false, "grade_id": "segmenter", "locked": false, "schema_version": 3, "solution": true, "task": false}
def segmenter(images=None, masks=None):
    """A model trained to find characters: (N, 1, 32, 32) → logits (N, 2, 32, 32)."""
    ### BEGIN SOLUTION
    if images is None or masks is None:
        images, masks = data.scenes("train", 500)
    training.seed_everything(0)
    net = UNet(1, 2, width=8, depth=2)
    training.fit(
        net,
        (images, masks),
        epochs=9,
        batch_size=16,
        lr=0.015,
        scheduler=lambda adam: torch.optim.lr_scheduler.CosineAnnealingLR(adam, 9),
        progress=False,
    )
    return net
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_segmenter", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check(segmenter)
### BEGIN HIDDEN TESTS
check(segmenter, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 13 · A box in place of a mask
#
# Often a box is enough: there is a cat, here. The same backbones do that too. **R-CNN** (2013) cuts some
# two thousand candidate boxes out of the photograph and asks a classifier about each; its successors run
# the backbone once and cut the boxes out of its feature map. **YOLO** (2015) needs no candidates. Its
# answer is a map, like an FCN's: each position answers for its cell of the image.

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.detection_head(
        data.photograph("chelsea", grey=False),
        grid=7,
        box=(135, 20, 200, 240),
        title="What a detection head predicts",
    ),
    "A cat's face under a grid of 7×7 cells with an orange box around it. The cell that holds the box's "
    "centre is blue. Beside it stands what this cell says: the centre's place in the cell, the box's width "
    "and height, a confidence, and a score for each class.",
)

# %% [markdown]
# The cell in which an object's centre falls is the one that must speak. It gives four numbers for a box,
# a confidence (how surely there is an object), and the class scores; YOLO lets each of its 7×7 cells
# give two boxes, with 20 classes: 7·7·(2·5 + 20) = 1,470 numbers. Several cells may find the same cat.
# So boxes that overlap a better one by too much are dropped (**non-maximum suppression**), and the
# overlap is measured by IoU, of boxes this time. A 1×1 convolution will do as a head; YOLO's first
# version had fully connected layers.

# %%
channels = 2 * 5 + 20
head = nn.Conv2d(512, channels, 1)  # on the last maps of a ResNet-18
with torch.no_grad():
    print(tuple(head(torch.zeros(1, 512, 7, 7)).shape), "is", 7 * 7 * channels, "numbers")

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert 7 * 7 * channels == 1470

# %% [markdown]
# ## 14 · In production code, and further reading
#
# - `torch.nn.ConvTranspose2d(in, out, kernel, stride, padding, output_padding)`: mind that
#   `output_padding` stands before `groups`, `bias` and `dilation`.
# - `nn.Upsample` and `F.interpolate` know "nearest", "bilinear" and others; for the latter,
#   `align_corners` decides whether corners or pixel edges are lined up. Two programs that disagree
#   there are half a pixel apart.
# - torchvision's `segmentation/fcn.py` and `deeplabv3.py` give their ResNets dilation in the last two
#   stages (`replace_stride_with_dilation`), so that their maps are 1/8 of the image; ours stay at 1/32.
# - The U-Net of 2015 is not padded: each convolution loses a border, and what is handed across is cropped.
#   Nearly everybody pads today.
# - Medical images have few foreground pixels: losses made of an overlap (Dice) often stand beside the
#   cross-entropy there.
#
# **Read on**
#
# - Dumoulin and Visin, *A guide to convolution arithmetic for deep learning* (arXiv:1603.07285), chapter
#   4: transposed convolutions, drawn.
# - Odena, Dumoulin and Olah, *Deconvolution and checkerboard artifacts* (Distill, 2016): section 6 with
#   trained networks.
# - Long, Shelhamer and Darrell, *Fully convolutional networks for semantic segmentation*
#   (arXiv:1411.4038): from FCN-32s to FCN-8s.
# - Ronneberger, Fischer and Brox, *U-Net* (arXiv:1505.04597): thirty images to train, and what was made of
#   them.
# - Chen and others, *Rethinking atrous convolution for semantic image segmentation* (arXiv:1706.05587):
#   the pyramid of section 1.
# - Van den Oord and others, *WaveNet* (arXiv:1609.03499): section 2, with gates.
# - Girshick and others, *Rich feature hierarchies* (R-CNN, arXiv:1311.2524), and Redmon and others, *You
#   only look once* (arXiv:1506.02640): the two ways to boxes.

# %% [markdown]
# ## 15 · What you can now say
#
# **What is a dilated convolution for?** A larger field with the same weights and no smaller map: 3×3 at
# dilation 2 spans 5×5 with nine weights. Equal ones above 1 in a row leave a grid of pixels unseen.
# *(Section 1)*
#
# **What makes a convolution causal?** All padding in front, so that no output depends on a later sample.
# With dilations 1, 2, 4, 8 four layers of two taps hear 16 samples. *(Section 2)*
#
# **What is a transposed convolution?** Each pixel stamps the kernel, times its value, a stride further on
# each time; overlaps add up. It is the gradient of a convolution used forwards, and no inverse.
# *(Sections 3 and 4)*
#
# **How large is its output?** (n − 1)·s − 2p + d·(k − 1) + op + 1. *(Section 5)*
#
# **Where do checkerboards come from?** From stamps that overlap unevenly: the stride does not divide the
# kernel. *(Section 6)*
#
# **And the remedy?** Repeat pixels, then convolve: every pixel gets equally many taps, and the
# convolution lets them differ. *(Section 7)*
#
# **What is an FCN?** A classifier without its global pooling and last layer, with a 1×1 convolution as
# dense head. Its scores are coarse: one for 32×32 pixels. *(Section 8)*
#
# **What do U-Net's skips save?** The place of edges. Here 0.93 mean IoU against 0.78 without, and less
# than a third of the mistakes along edges. *(Sections 9 and 11)*
#
# **Why IoU and not accuracy?** A mask that finds nothing is right in most pixels. *(Section 10)*
#
# **What does a detection head predict?** For each cell of a grid some boxes with a confidence, and class
# scores. *(Section 13)*

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert abs(np.mean(scene_scores["with skips"]) - 0.93) < 0.006
assert abs(np.mean(scene_scores["without"]) - 0.78) < 0.006

# %% [markdown]
# ## 16 · Quiz
#
# Eight questions, a point each. Their numbers are drawn from the seed: put another seed into both cells
# and you have a new set to practise on. The functions of this chapter may help. Write a number, or the
# letter of your choice in quotes.

# %%
questions("09", seed=1)

# %% nbgrader={"grade": false, "grade_id": "quiz_09", "locked": false, "schema_version": 3, "solution": true, "task": false}
answers = {
    "quiz": "09",
    "seed": 1,
    "dilated": None,  # question 1
    "heard": None,  # question 2
    "size": None,  # question 3
    "overlap": None,  # question 4, a letter
    "joined": None,  # question 5
    "overlapping": None,  # question 6
    "grid": None,  # question 7
    "skips": None,  # question 8, a letter
}
if None in answers.values():
    ### BEGIN SOLUTION
    answers.update(
        dilated=25,
        heard=16,
        size=17,
        overlap="d",
        joined=73_728,
        overlapping=55 / 97,
        grid=5_070,
        skips="e",
    )
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test_quiz_09", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
check(answers)
### BEGIN HIDDEN TESTS
check(answers, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# A convolution looks at neighbours, whatever you build with it. Chapter 10 meets networks that look
# everywhere at once.
