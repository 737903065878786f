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
# # Chapter 08 · Doing with less
#
# A 3×3 layer from 256 to 256 channels has 589,824 weights. Each of its kernels looks at nine pixels
# of every channel, all 256 of them. Cross out half of these connections, then half of what is left,
# and go on. How far can you go before the layer stops doing its job? And is it twice as fast each
# time?
#
# **What you will be able to do**
#
# - say which channels meet in a layer, and compute one in which not all of them do;
# - build the blocks of ResNeXt, MobileNetV2 and squeeze-and-excitation, and count what they cost;
# - say why a layer with a hundred times fewer operations is not a hundred times faster, and measure
#   it;
# - scale a network in three directions at once, and say what each one costs.
#
# **What you need**: a layer's weights and its MACs (chapter 03), the bottleneck and the residual
# block (chapter 07). The first exercises need NumPy, the three blocks PyTorch.
#
# **Time and points**: about 3 hours, 39 points. The end of section 6 is a good place for a break.
#
# | section | exercise | points |
# | --- | --- | ---: |
# | 2 | `grouped_conv2d` | 6 |
# | 3 | `ResNeXtBlock` | 5 |
# | 4 | `depthwise_separable` | 4 |
# | 5 | `separable_saving` | 3 |
# | 8 | `InvertedResidual` | 7 |
# | 9 | `SqueezeExcite` | 4 |
# | 10 | `compound_scale` | 2 |
# | 13 | `quiz_08` | 8 |
#
# Stuck on an exercise? `hint(grouped_conv2d)` in a cell of your own shows a hint, and a further one
# each time you run it. After the last hint, or once you have passed, `solution(grouped_conv2d)`
# shows our answer.
#
# The experiments run on the course's own functions, never on yours. Run the notebook cell by cell:
# *Run All* stops at the first check that gives no points. Where you are asked for a prediction and
# a cell would give it away, its code is folded: run it first, then unfold it.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import numpy as np
import torch
from torch import nn

from autograder.check import check, hint, questions, solution
from course_lib import ops

torch.set_num_threads(1)

# %%
from course_lib import cost, cost_table, data, nets, training
from course_lib.nets.squeeze_excite import SqueezeExcite as SqueezeExcitation
from course_lib.plots import described
from course_lib.plots import efficient as plots
from course_lib.plots.pooling import marks
from course_lib.timing import seconds_of


def weights(c_in, c_out, kernel, groups=1):
    """The weights of a convolution without bias."""
    return cost.conv_params(c_in, c_out, kernel, bias=False, groups=groups)


# %% [markdown]
# ## 1 · Make it narrow first
#
# The number of weights of a 3×3 layer is $9\,C_{in}\,C_{out}$. Both channel numbers are in it, so
# half as many channels, in and out, make a quarter. That is the oldest trick: a 1×1 convolution
# takes the 256 channels down to 64, the 3×3 works on the 64, and a second 1×1 takes them up again.
# A 1×1 convolution looks at one pixel and mixes its channels (chapter 03), so it is cheap.
# It can keep only 64 mixtures of the 256; training finds which.
#
# *Before you run the cell: three layers in place of one. What share of the 589,824 weights is
# left?*

# %% jupyter={"source_hidden": true}
# The figure.
bottleneck = {
    "1×1 down": weights(256, 64, 1),
    "3×3": weights(64, 64, 3),
    "1×1 up": weights(64, 256, 1),
}
described(
    plots.weight_bars(
        {
            "3×3, 256 → 256": {"1×1 down": 0, "3×3": weights(256, 256, 3)},
            "256 → 64 → 64 → 256": bottleneck,
        },
        title="Narrow in the middle: an eighth of the weights",
    ),
    "Two bars. The 3×3 layer from 256 to 256 channels has 589,824 weights. The bottleneck has 69,632: "
    "16,384 in the first 1×1, 36,864 in the 3×3, 16,384 in the second 1×1.",
)

# %% [markdown]
# About an eighth: 69,632. This is the **bottleneck** of GoogLeNet and ResNet that you built in
# chapter 07. Note what became expensive. The two 1×1 layers, which look at no neighbour at all, now
# have nearly as many weights as the 3×3. Most of the cost of a layer lies in *mixing channels*, not
# in looking around.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert weights(256, 256, 3) == 589_824
assert list(bottleneck.values()) == [16_384, 36_864, 16_384]
assert sum(bottleneck.values()) == 69_632
assert 8 < weights(256, 256, 3) / sum(bottleneck.values()) < 9

# %% [markdown]
# ## 2 · Must every channel meet every other?
#
# In the layers so far, every output channel reads every input channel. Put the channels into
# **groups** instead: the first half of the outputs reads the first half of the inputs, the second
# half the second.
#
# *Before you run the cell: eight channels in, eight out, all connected: 64 lines. How many are left
# with two groups? And with eight?*

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.wiring(
        8,
        8,
        {"1 group": 1, "2 groups": 2, "4 groups": 4, "8 groups": 8},
        marked=5,
        title="What output channel 5 reads",
    ),
    "Eight input channels below, eight output channels above, lines between those that meet. One group: "
    "all 64 lines. Two groups: 32, output 5 reads inputs 4 to 7. Four groups: 16, output 5 reads inputs "
    "4 and 5. Eight groups: 8, output 5 reads input 5 alone.",
)

# %% [markdown]
# 32, then 16, then 8. With $G$ groups every kernel has $C_{in}/G$ slices in place of $C_{in}$, so
# weights and MACs are divided by $G$:
#
# $$\text{weight}: \left(C_{out},\; \frac{C_{in}}{G},\; K_h,\; K_w\right)$$
#
# Groups are blocks of *neighbours*. With 12 channels in 3 groups, the first group reads the
# channels 0 to 3, the second 4 to 7, the third 8 to 11. The outputs are cut into $G$ equal blocks
# in the same way.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
lines = {groups: 8 * 8 // groups for groups in (1, 2, 4, 8)}
assert lines == {1: 64, 2: 32, 4: 16, 8: 8}
for groups, n in lines.items():
    assert weights(8, 8, 1, groups) == n
probe = np.eye(8).reshape(8, 8, 1, 1)  # image c has a 1 in channel c alone
for groups, readers in ((1, range(8)), (2, range(4, 8)), (4, range(4, 6)), (8, range(5, 6))):
    answer = ops.conv2d(probe, np.ones((8, 8 // groups, 1, 1)), groups=groups)[:, 5, 0, 0]
    assert np.flatnonzero(answer).tolist() == list(readers)

# %% [markdown]
# Groups were not invented to save weights. AlexNet (2012) was cut in two because it did not fit on
# one graphics card: each card had half of the channels, and they met in some of the layers only.
#
# What do you give up? Put three layers with two groups on top of each other, and change the first
# input channel. *Before you run the cell: which of the eight channels that come out can notice?*

# %%
rng = np.random.default_rng(0)
x = rng.normal(size=(1, 8, 6, 6))
changed = x.copy()
changed[0, 0] += 1
grouped = [rng.normal(size=(8, 4, 3, 3)) for _ in range(3)]
mixing = rng.normal(size=(8, 8, 1, 1))


def through(image, mix):
    for weight in grouped:
        image = ops.conv2d(image, weight, padding=1, groups=2)
        if mix:
            image = ops.conv2d(image, mixing)
    return image


notices = {}
for mix in (False, True):
    moved = np.abs(through(changed, mix) - through(x, mix)).max(axis=(0, 2, 3)) > 1e-9
    notices[mix] = np.flatnonzero(moved).tolist()
    print("with a 1×1 layer after each:" if mix else "groups alone:", "channels", notices[mix])

# %% [markdown]
# Only the first four. Two groups that never meet are two networks side by side. A 1×1 layer in
# between, without groups, lets all of them meet again. Keep that pair in mind, cheap looking and
# full mixing: the rest of this chapter is made of it.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert notices == {False: [0, 1, 2, 3], True: list(range(8))}

# %% [markdown]
# ### Exercise: `grouped_conv2d` (6 points)
#
# Compute a grouped convolution layer, as chapter 03's `conv2d` with one argument more. `x` is `(N,
# C_in, H, W)`, `weight` is `(C_out, C_in/groups, K_h, K_w)`, `bias` is None or `(C_out,)`. Output
# channels and input channels are cut into `groups` blocks of neighbours; block number g of the
# output reads block number g of the input. `groups` divides both. `stride` and `padding` (zeros)
# are an int or a `(height, width)` pair. The kernel is not flipped. Return an array `(N, C_out,
# H_out, W_out)`.
#
# You may use `ops.conv2d_single` (one channel, one kernel) and `ops.im2col`. Do without the
# course's other convolutions, and without SciPy's and PyTorch's.
#
# For example, with one pixel that has the channels 1, 2, 3, 4, two groups and the kernels (1, 0),
# (1, 1), (0, 1), (1, −1), the answer is 1, 3, 4, −1.


# %% nbgrader={"grade": false, "grade_id": "grouped_conv2d", "locked": false, "schema_version": 3, "solution": true, "task": false}
def grouped_conv2d(x, weight, groups, bias=None, stride=1, padding=0):
    """A convolution layer in groups: (N, C_in, H, W) and (C_out, C_in/groups, K_h, K_w) → maps."""
    ### BEGIN SOLUTION
    c_out, depth = weight.shape[:2]  # depth: the channels that one kernel reads
    maps_per_group = c_out // groups
    out = []
    for image in x:
        maps = []
        for o in range(c_out):
            first = o // maps_per_group * depth  # the first channel of this map's group
            channels = image[first : first + depth]
            pairs = zip(channels, weight[o], strict=True)
            maps.append(sum(ops.conv2d_single(c, k, stride, padding) for c, k in pairs))
        out.append(maps)
    out = np.array(out)
    return out if bias is None else out + np.asarray(bias)[:, None, None]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_grouped_conv2d", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check(grouped_conv2d)
### BEGIN HIDDEN TESTS
check(grouped_conv2d, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · More groups, or fewer channels?
#
# If groups make a layer cheap, you can afford a wider one. ResNeXt (2016) does that in ResNet's
# bottleneck: twice as many channels in the middle, in 32 groups. Its authors call the number of
# groups the **cardinality**.
#
# *Before you run the cell: does the wider block cost more?*

# %% jupyter={"source_hidden": true}
# The figure.
blocks = {
    "ResNet: 256 → 64 → 256": (64, 1),
    "ResNeXt: 256 → 128 → 256, 32 groups": (128, 32),
}
parts = {
    name: {
        "1×1 down": weights(256, middle, 1),
        "3×3": weights(middle, middle, 3, groups),
        "1×1 up": weights(middle, 256, 1),
    }
    for name, (middle, groups) in blocks.items()
}
described(
    plots.weight_bars(parts, title="Twice as wide for the same price"),
    "Two bars of nearly the same length. ResNet's bottleneck has 69,632 weights, 36,864 of them in the "
    "3×3. ResNeXt's has 70,144, of which only 4,608 in the 3×3 and 32,768 in each 1×1.",
)

# %% [markdown]
# Hardly: 70,144 weights against 69,632. The 3×3 with its 32 groups has shrunk to 4,608, and what it
# saves pays for the width. In the paper's comparison on ImageNet (its table 3) the error falls from
# 23.9 % to 22.2 %, at the same cost. At twice the cost, more groups did more for it than more depth
# or more width (table 4).
#
# The whole networks, as the course has them:

# %%
for name in ("resnet50", "resnext50_32x4d"):
    info = nets.info(name)
    print(f"{name:16} {info.params / 1e6:.1f} million parameters, {info.gmacs:.2f} GMACs")

# %% jupyter={"source_hidden": true}
# The claims of the text above.
plain, cardinal = (sum(p.values()) for p in parts.values())
assert (plain, cardinal) == (69_632, 70_144)
assert [p["3×3"] for p in parts.values()] == [36_864, 4_608]
assert parts["ResNeXt: 256 → 128 → 256, 32 groups"]["1×1 up"] == 32_768
assert abs(nets.info("resnext50_32x4d").params / nets.info("resnet50").params - 1) < 0.05

# %% [markdown]
# ### Exercise: `ResNeXtBlock` (5 points)
#
# Write the block as a PyTorch module.
#
# - A 1×1 convolution from `c_in` to `c_mid` channels; a 3×3 convolution from `c_mid` to `c_mid` in
#   `groups` groups, with the stride and padding 1; a 1×1 convolution from `c_mid` to `c_out`.
#   `c_mid` is the width of all groups together, and `groups` divides it.
# - Every convolution is without bias and followed by BatchNorm (PyTorch's settings). After the
#   first two BatchNorms comes a ReLU, after the third none.
# - The shortcut is the input itself where shapes agree. Where the stride is not 1 or `c_in` is not
#   `c_out` it is a 1×1 convolution with the stride, without bias, followed by BatchNorm.
# - Add the two, then a ReLU.
#
# For the groups take the argument `groups=` of `nn.Conv2d`: one layer, not one for each group. Do
# without the blocks of `course_lib.nets` and of torchvision. Names and order of your layers are
# free.
#
# For example, `ResNeXtBlock(256, 128, 256, 32)` has 71,168 parameters: 70,144 weights and, in the
# BatchNorms, 1,024.


# %% nbgrader={"grade": false, "grade_id": "ResNeXtBlock", "locked": false, "schema_version": 3, "solution": true, "task": false}
class ResNeXtBlock(nn.Module):
    """ResNeXt's block: 1×1, 3×3 in groups, 1×1, and the shortcut: (N, c_in, H, W) → (N, c_out, …)."""

    def __init__(self, c_in, c_mid, c_out, groups, stride=1):
        super().__init__()
        ### BEGIN SOLUTION
        self.residual = nn.Sequential(
            nn.Conv2d(c_in, c_mid, 1, bias=False),
            nn.BatchNorm2d(c_mid),
            nn.ReLU(),
            nn.Conv2d(c_mid, c_mid, 3, stride, padding=1, groups=groups, bias=False),
            nn.BatchNorm2d(c_mid),
            nn.ReLU(),
            nn.Conv2d(c_mid, c_out, 1, bias=False),
            nn.BatchNorm2d(c_out),
        )
        self.shortcut = nn.Identity()
        if stride != 1 or c_in != c_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out)
            )
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        return torch.relu(self.residual(x) + self.shortcut(x))
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_ResNeXtBlock", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check(ResNeXtBlock)
### BEGIN HIDDEN TESTS
check(ResNeXtBlock, hidden=True)
### END HIDDEN TESTS


# %% [markdown]
# ## 4 · One kernel for each channel
#
# Take groups to the end: as many groups as channels. Every kernel then has a single slice and looks
# at a single channel. That is a **depthwise** convolution. It looks around and mixes nothing. A 1×1
# convolution, called **pointwise** in this company, mixes and looks at nothing. One after the other
# they are a **depthwise-separable** layer:
#
# $$(C, H, W)\ \xrightarrow{\ K\times K,\ C\text{ groups}\ }\ (C, H', W')\ \xrightarrow{\ 1\times1\ }\ (C_{out}, H', W')$$

# %%
described(
    plots.wiring(
        6,
        6,
        {"dense 3×3": 1, "depthwise 3×3": 6, "then pointwise 1×1": 1},
        title="Look around, then mix",
    ),
    "Six channels. The dense layer connects all with all, 36 lines, each a 3×3 kernel. The depthwise "
    "layer has 6 lines, each a 3×3 kernel. The pointwise layer again connects all with all, 36 lines, "
    "each a single number.",
)

# %%
assert weights(6, 6, 3) == 36 * 9 and weights(6, 6, 3, groups=6) == 6 * 9
assert weights(6, 6, 1) == 36

# %% [markdown]
# Is it the same layer, only cheaper? *Before you run the cell:* below, a depthwise kernel and a
# pointwise weight are multiplied into one dense weight, `dense[o, c] = pointwise[o, c] *
# depthwise[c]`. Will the dense layer give the same answer as the two steps? And could you go the
# other way, from any dense weight to two steps?

# %%
rng = np.random.default_rng(1)
maps = rng.normal(size=(2, 6, 9, 9))
depthwise, pointwise = rng.normal(size=(6, 1, 3, 3)), rng.normal(size=(8, 6, 1, 1))

two_steps = ops.pointwise_conv2d(ops.depthwise_conv2d(maps, depthwise, padding=1), pointwise)
dense = pointwise * depthwise[:, 0]  # (8, 6, 1, 1) times (6, 3, 3) → (8, 6, 3, 3)
one_step = ops.conv2d(maps, dense, padding=1)
print("largest difference:", np.abs(two_steps - one_step).max())

for name, weight in (("multiplied", dense), ("any dense weight", rng.normal(size=dense.shape))):
    slices = weight[:, 0].reshape(8, 9)  # what the eight kernels do with channel 0
    print(f"{name}: rank of the eight slices for channel 0 is {np.linalg.matrix_rank(slices)}")

# %% [markdown]
# There, yes; back, no. In a depthwise-separable layer all kernels look at channel 0 with *the same*
# nine numbers, each only louder or softer: eight slices of rank 1. In a dense layer each kernel has
# nine numbers of its own for every channel. So it is a restriction, not a trick of arithmetic. What
# it costs in accuracy is a question for an experiment (section 7).

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert np.abs(two_steps - one_step).max() < 1e-10
assert np.linalg.matrix_rank(dense[:, 0].reshape(8, 9)) == 1
assert np.linalg.matrix_rank(rng.normal(size=(8, 9))) == 8

# %% [markdown]
# ### Exercise: `depthwise_separable` (4 points)
#
# Compute the two steps, depthwise first. `x` is `(N, C, H, W)`, `depthwise_weight` is `(C, 1, K_h,
# K_w)`, `pointwise_weight` is `(C_out, C, 1, 1)`. `stride` and `padding` (zeros), each an int or a
# `(height, width)` pair, belong to the depthwise step. No bias, and nothing between the two steps.
# Return an array `(N, C_out, H_out, W_out)`.
#
# You may use your `grouped_conv2d`, `ops.conv2d_single` and `ops.im2col`. Do without the course's
# other convolutions, and without SciPy's and PyTorch's.
#
# For example, two channels with the rows (1, 2), (3, 4) and (5, 6), (7, 8), depthwise kernels (1,
# 1) and (−1, 1), pointwise weights (1, 10) and (0, 1): the depthwise maps are 3, 7 and 1, 1, and
# the answer is 13, 17 and 1, 1.


# %% nbgrader={"grade": false, "grade_id": "depthwise_separable", "locked": false, "schema_version": 3, "solution": true, "task": false}
def depthwise_separable(x, depthwise_weight, pointwise_weight, stride=1, padding=0):
    """A kernel for each channel, then a mixture of the channels: (N, C, H, W) → (N, C_out, …)."""
    ### BEGIN SOLUTION
    looked = [
        [
            ops.conv2d_single(channel, kernel[0], stride, padding)
            for channel, kernel in zip(image, depthwise_weight, strict=True)
        ]
        for image in x
    ]
    return np.einsum("oc,nchw->nohw", pointwise_weight[:, :, 0, 0], np.array(looked))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_depthwise_separable", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check(depthwise_separable)
### BEGIN HIDDEN TESTS
check(depthwise_separable, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 5 · What does that save?
#
# Count the weights for 3×3 from 64 to 128 channels. Depthwise: 64 kernels of 9, that is 576.
# Pointwise: 64·128, that is 8,192. Together 8,768, where the dense layer has 73,728. *Before you
# run the cell: for 256 to 256 channels, which of the two steps will have more weights, and how much
# more?*


# %% jupyter={"source_hidden": true}
# The figure.
def both(c_in, c_out):
    return {"depthwise": weights(c_in, c_in, 3, groups=c_in), "pointwise": weights(c_in, c_out, 1)}


described(
    plots.weight_bars(
        {
            "dense, 64 → 128": {"dense": weights(64, 128, 3)},
            "separable, 64 → 128": both(64, 128),
            "dense, 256 → 256": {"dense": weights(256, 256, 3)},
            "separable, 256 → 256": both(256, 256),
        },
        title="An eighth to a ninth is left, nearly all of it pointwise",
    ),
    "Four bars. 64 to 128 channels: 73,728 weights dense, 8,768 separable. 256 to 256 channels: 589,824 "
    "dense, 67,840 separable, of which 65,536 are pointwise.",
)

# %% [markdown]
# 2,304 against 65,536. Looking around is next to free now; the mixing is what you pay for. The
# share that is left is
#
# $$\frac{K^2 C_{in} + C_{in} C_{out}}{K^2 C_{in} C_{out}} = \frac{1}{C_{out}} + \frac{1}{K^2}$$
#
# and since every weight works once at every position, the same holds for the MACs. With many
# channels the first part vanishes: for 3×3 kernels you can never save more than a factor of 9. The
# "8 to 9 times" that you read everywhere is that 9.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert both(64, 128) == {"depthwise": 576, "pointwise": 8_192}
assert sum(both(64, 128).values()) == 8_768 and weights(64, 128, 3) == 73_728
assert both(256, 256) == {"depthwise": 2_304, "pointwise": 65_536}
assert sum(both(256, 256).values()) == 67_840
assert round(weights(256, 256, 3) / 67_840, 1) == 8.7
for c_in, c_out in ((64, 128), (256, 256), (3, 10_000)):
    share = sum(both(c_in, c_out).values()) / weights(c_in, c_out, 3)
    assert np.isclose(share, 1 / c_out + 1 / 9) and share > 1 / 9

# %% [markdown]
# ### Exercise: `separable_saving` (3 points)
#
# Return a tuple of three numbers: the weights of a dense layer, the weights of the
# depthwise-separable one in its place (both steps together), and `ratio`, separable / standard, not
# rounded. `kernel` is the side of the square kernel, an int. No biases. The first two are ints. Do
# without `cost.conv_params` and `cost.conv_cost`.
#
# For example, `separable_saving(256, 256, 3)` is `(589824, 67840, 0.115…)`.


# %% nbgrader={"grade": false, "grade_id": "separable_saving", "locked": false, "schema_version": 3, "solution": true, "task": false}
def separable_saving(c_in, c_out, kernel):
    """The weights (standard, separable, separable / standard) of a layer, without bias."""
    ### BEGIN SOLUTION
    standard = kernel * kernel * c_in * c_out
    separable = kernel * kernel * c_in + c_in * c_out
    return standard, separable, separable / standard
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_separable_saving", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check(separable_saving)
### BEGIN HIDDEN TESTS
check(separable_saving, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 6 · Is it as much faster?
#
# A MAC is a multiplication and an addition. If that were what takes the time, time would follow the
# MACs. Measure it: a layer from 128 to 128 channels on maps of 28×28, dense, in groups, depthwise,
# and pointwise, on this machine, one thread.
#
# *Before you run the cells: the depthwise layer has 128 times fewer MACs than the dense one. How
# many times faster will it be?*


# %%
def layers_of(channels):
    """Layers from `channels` to as many, by name; the 3×3 ones keep the size."""

    def conv(groups):
        return nn.Conv2d(channels, channels, 3, padding=1, groups=groups, bias=False)

    look, mix = conv(channels), nn.Conv2d(channels, channels, 1, bias=False)
    return {
        "dense": conv(1),
        "4 groups": conv(4),
        "32 groups": conv(32),
        "depthwise": look,
        "pointwise": mix,
        "separable": nn.Sequential(look, mix),
    }


def measured(channels, size, rounds=21):
    """For each layer on maps of size×size: its MACs, and its seconds in each round."""
    maps = torch.randn(1, channels, size, size)
    found = layers_of(channels)
    calls = {name: lambda layer=layer: layer(maps) for name, layer in found.items()}
    with torch.no_grad():
        seconds = seconds_of(calls, rounds)
    macs = {
        name: size * size * sum(weight.numel() for weight in layer.parameters())
        for name, layer in found.items()
    }
    return macs, {name: np.array(times) for name, times in seconds.items()}


channels, size = 128, 28
macs, seconds = measured(channels, size)


# %% jupyter={"source_hidden": true}
# The figure.
def times_faster(seconds):
    """(low, median, high) of how many times faster than dense: the middle half of the rounds."""
    usual = np.median(seconds["dense"])
    return {
        name: tuple(float(usual / np.quantile(times, q)) for q in (0.75, 0.5, 0.25))
        for name, times in seconds.items()
        if name != "dense"
    }


fewer = {name: macs["dense"] / n for name, n in macs.items() if name != "dense"}
faster = times_faster(seconds)
for name in fewer:
    print(f"{name:10} {fewer[name]:6.1f} times fewer MACs, {faster[name][1]:5.1f} times faster")
described(
    plots.speedups(fewer, faster, title="Fewer operations, but not as much faster"),
    "Points for five layers, by how many times fewer MACs they have than the dense layer and how many "
    "times faster they ran. The depthwise layer lies far below the line where time follows the MACs.",
)

# %% [markdown]
# Each mark is the median of 21 rounds, each upright bar the middle half of them. The depthwise
# layer is faster than the dense one, but nowhere near 128 times. Was that one unlucky size? Take
# others, and look at how much of the saving in MACs arrives as time.

# %%
kept = {}
for sizes in ((32, 56), (64, 28), (128, 28), (256, 14)):
    other_macs, other_seconds = (macs, seconds) if sizes == (128, 28) else measured(*sizes)
    saved = other_macs["dense"] / other_macs["depthwise"]
    gained = times_faster(other_seconds)["depthwise"][1]
    kept[sizes] = gained / saved
    print(
        f"{sizes[0]:3} channels, {sizes[1]}×{sizes[1]}: depthwise has {saved:3.0f} times fewer MACs "
        f"and is {gained:4.1f} times faster: {kept[sizes]:.0%} arrives"
    )

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert macs["dense"] == cost.conv_cost(128, 128, 3, 28, 28, padding=1)["macs"]
assert macs["depthwise"] == cost.conv_cost(128, 128, 3, 28, 28, padding=1, groups=128)["macs"]
assert round(fewer["depthwise"]) == 128
assert faster["depthwise"][1] > 1.2
assert faster["depthwise"][1] < 0.6 * fewer["depthwise"]
assert max(kept.values()) < 0.6

# %% [markdown]
# At every size, much of what the MACs promise does not arrive. Why? Before a processor can multiply
# two numbers, they must come to it from memory, and the result must go back. Count the bytes of a
# layer, four for each number: the input, the output and the weights, each moved once. Its
# **arithmetic intensity** is how many MACs it does for each byte.
#
# *Before you run the cell: a depthwise 3×3 reads a number, writes a number, and does nine MACs for
# it. How many MACs a byte is that?*


# %%
def intensity(c_in, c_out, kernel, size, groups=1):
    """MACs for each byte moved: input, output and weights, each once, four bytes a number."""
    spent = cost.conv_cost(
        c_in, c_out, kernel, size, size, padding=kernel // 2, groups=groups, bias=False
    )
    numbers = c_in * size * size + c_out * size * size + spent["params"]
    return spent["macs"] / (4 * numbers)


kinds = {
    "dense": (3, 1),
    "4 groups": (3, 4),
    "32 groups": (3, 32),
    "depthwise": (3, channels),
    "pointwise": (1, 1),
}
per_byte = {
    name: intensity(channels, channels, kernel, size, groups)
    for name, (kernel, groups) in kinds.items()
}
for name, n in per_byte.items():
    print(f"{name:10} {n:5.1f} MACs for each byte")

# %% [markdown]
# Nine MACs for eight bytes: 1.1. The dense layer uses every number that it fetches again and again,
# for 128 output channels, and comes to 83. Now see what this machine can do: how fast it moves
# bytes (copying a large array) and how fast it multiplies (a product of two matrices). These two
# are a **roof** over every layer.

# %%
many, copy = torch.randn(8_000_000), torch.empty(8_000_000)
a, b = torch.randn(512, 512), torch.randn(512, 512)
machine = seconds_of({"copy": lambda: copy.copy_(many), "product": lambda: a @ b}, rounds=11)
bandwidth = 2 * 4 * many.numel() / min(machine["copy"]) / 1e9  # each number is read and written
speed = {name: macs[name] / np.median(seconds[name]) / 1e9 for name in kinds}
product = 512**3 / min(machine["product"]) / 1e9
peak = max(product, *speed.values())  # the most that we have seen it do

print(f"this machine moves {bandwidth:.0f} billion bytes or does {peak:.0f} billion MACs a second:")
print(f"with fewer than {peak / bandwidth:.1f} MACs a byte, a layer waits for memory")

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.roofline(
        {name: (per_byte[name], speed[name]) for name in kinds},
        bandwidth,
        peak,
        title="A depthwise layer stands where the roof is low",
    ),
    "Five layers under a roof that rises with the MACs for each byte and then is flat. The depthwise layer "
    "stands furthest left and low, under the rising part; pointwise and dense layers stand right, under "
    "the flat part.",
)

# %% [markdown]
# The depthwise layer stands on the left, under the slope: even if multiplying cost nothing at all,
# it could be no faster than the bytes arrive. That is a part of the answer. The rest is work which
# is no MAC: finding the windows, minding the borders, starting the layer; a dense layer has so many
# MACs that it hardly notices. And libraries put most of their tuning into what dense layers do.

# %%
print(f"dense: {speed['dense']:.0f} billion MACs a second, depthwise: {speed['depthwise']:.0f}")
whole = macs["dense"] / macs["separable"]
print(f"depthwise + pointwise: {whole:.1f} times fewer, {faster['separable'][1]:.1f} times faster")

# %% [markdown]
# For the whole separable layer the news is better: most of its work is the pointwise step, a matrix
# product, and machines are good at those. Still: **count MACs to compare designs, measure time to
# choose one.** On another machine, with another library, or with a larger batch, the order may
# change.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert round(per_byte["depthwise"], 1) == 1.1 and round(per_byte["dense"]) == 83
assert per_byte["depthwise"] < 1.5 * peak / bandwidth < per_byte["dense"]
assert speed["dense"] > 1.5 * speed["depthwise"]
assert 1 < faster["separable"][1] < whole

# %% [markdown]
# ## 7 · A network of nothing else
#
# MobileNet (2017) is a stem and thirteen depthwise-separable layers. Build it, and a dense
# MobileNet to compare: each pair of a depthwise and a pointwise layer replaced by the one 3×3
# convolution that it stands for.
#
# *Before you run the cell: a separable layer saves 8 to 9 times. Will the whole network be 8 times
# smaller?*


# %%
def on_paper(name):
    """A network without values: enough to count."""
    with torch.device("meta"):
        return nets.create(name)


mobilenet = on_paper("mobilenet_v1")
spent = cost_table.of_module(mobilenet, (1, 3, 224, 224))


def kind_of(layer):
    if isinstance(layer, nn.Conv2d):
        return (
            "pointwise"
            if layer.kernel_size == (1, 1)
            else "depthwise"
            if layer.groups > 1
            else "stem"
        )
    return "the last layer" if isinstance(layer, nn.Linear) else "BatchNorm"


layers = dict(mobilenet.named_modules())
by_kind = {}
for row in spent.rows:
    kind = kind_of(layers[row.name.split()[0]])
    so_far = by_kind.get(kind, np.zeros(2, dtype=int))
    by_kind[kind] = so_far + (row.macs, row.params)

convolutions = [layer for layer in layers.values() if isinstance(layer, nn.Conv2d)]
dense_weights = spent.params
for look, mix in zip(convolutions[1::2], convolutions[2::2], strict=True):
    dense_weights += 9 * mix.weight.numel() - look.weight.numel() - mix.weight.numel()
    dense_weights -= 2 * look.out_channels  # the BatchNorm between the two

print(
    f"MobileNet: {spent.params / 1e6:.2f} million parameters, dense: {dense_weights / 1e6:.1f} million"
)
for kind, (n_macs, n_params) in by_kind.items():
    print(
        f"{kind:15} {n_macs / spent.macs:6.1%} of the MACs, {n_params / spent.params:6.1%} of the parameters"
    )

# %% [markdown]
# 4.23 million against 29.3 million, 7 times; the last layer, which classifies, is the same in both.
# 95 % of MobileNet's MACs are pointwise. And what does it cost in accuracy? The paper trained both
# on ImageNet (its table 4): 71.7 % dense, 70.6 % depthwise-separable. A point of accuracy for a
# seventh of the weights.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert spent.params == nets.info("mobilenet_v1").params == 4_231_976
assert round(dense_weights / 1e6, 1) == 29.3
assert 6.5 < dense_weights / spent.params < 7.5
assert len(convolutions) == 1 + 2 * 13
assert round(100 * by_kind["pointwise"][0] / spent.macs) == 95
assert nets.info("mobilenet_v1").top1 == 70.6

# %% [markdown]
# Does a tiny network agree? Three nets on the course's digits, of the same depth: one dense; one
# with separable layers of the same width; and one dense again, but so narrow that it has as many
# parameters as the separable one. Three trainings each, from different seeds; it takes about a
# quarter of a minute. *Before you run the cells: which one will be best, and which second?*


# %%
def digit_net(width, separable):
    def layer(c_in, c_out):
        if separable:
            steps = [
                nn.Conv2d(c_in, c_in, 3, padding=1, groups=c_in, bias=False),
                nn.Conv2d(c_in, c_out, 1, bias=False),
            ]
        else:
            steps = [nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)]
        return [*steps, nn.BatchNorm2d(c_out), nn.ReLU()]

    stem = [nn.Conv2d(1, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * width, 10)]
    middle = [*layer(width, 2 * width), nn.MaxPool2d(2), *layer(2 * width, 2 * width)]
    return nn.Sequential(*stem, *middle, *head)


def slowing(optimizer):
    """A learning rate that falls to 0 over five epochs: the end depends less on luck."""
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=5)


seen, held_back = data.digits("train"), data.digits("test")
nets_tried = {"dense": (32, False), "separable": (32, True), "dense, narrow": (12, False)}
errors, counts = {}, {}
for name, (width, separable) in nets_tried.items():
    errors[name] = []
    for seed in range(3):
        training.seed_everything(seed)
        net = digit_net(width, separable)
        counts[name] = sum(p.numel() for p in net.parameters())
        images = seen.images[:, None]  # (N, 8, 8) → (N, 1, 8, 8)
        training.fit(
            net,
            (images, seen.labels),
            epochs=5,
            lr=1e-2,
            scheduler=slowing,
            seed=seed,
            device="cpu",
            progress=False,
        )
        result = training.evaluate(net, (held_back.images[:, None], held_back.labels), device="cpu")
        errors[name].append(100 * (1 - result.accuracy))
        print(f"{name}: training {seed + 1} of 3 done")

# %% jupyter={"source_hidden": true}
# The figure.
for name, values in errors.items():
    print(f"{name:14} {counts[name]:6,} parameters, errors in %:", *(f"{v:.1f}" for v in values))
described(
    marks(
        {f"{name}\n{counts[name]:,}": values for name, values in errors.items()},
        title="Errors on digits held back, three trainings each",
        y="errors, %",
        top=8,
    ),
    "Marks for three trainings of three nets: a dense one with 56,554 parameters, a separable one with "
    "8,266 and a narrow dense one with 8,254. All make few errors, and the three groups of marks lie "
    "close to each other.",
)

# %% [markdown]
# All three make a few errors in a hundred. Seven times the parameters buy a point or two at most,
# not much more than one training differs from the next. And between the two small ones there is no
# winner that you could trust after three trainings: on 8×8 digits, a narrow dense net does as well
# as a wide separable one. Digits need few channels. What MobileNet's own comparison shows is for a
# thousand classes, where width is worth more. A saving on paper is a reason to try, not a result.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert counts == {"dense": 56_554, "separable": 8_266, "dense, narrow": 8_254}
mean = {name: float(np.mean(values)) for name, values in errors.items()}
assert max(max(values) for values in errors.values()) < 8
assert mean["dense"] < min(mean["separable"], mean["dense, narrow"]) + 0.7
assert max(mean.values()) - min(mean.values()) < 2.5

# %% [markdown]
# ## 8 · Wide inside, narrow outside
#
# MobileNetV2 (2018) asks where a separable layer should be wide. A ResNet's bottleneck is wide
# outside, narrow in the middle, because its 3×3 is expensive. A depthwise 3×3 is nearly free, so
# turn the block around: a 1×1 **expands** 24 channels to 144, the depthwise 3×3 looks around in all
# of them, a 1×1 **projects** back to 24. The shortcut joins the narrow ends, so that what must be
# kept between the blocks is small. That is the **inverted residual**.

# %%
wide = 6 * 24
block = {
    "expand": weights(24, wide, 1),
    "depthwise": weights(wide, wide, 3, wide),
    "project": weights(wide, 24, 1),
}
print("inverted residual:", {name: f"{n:,}" for name, n in block.items()})
print(f"a dense 3×3 in its middle would have {weights(wide, wide, 3):,} weights")
assert (block["expand"], block["depthwise"], block["project"]) == (3_456, 1_296, 3_456)
assert weights(wide, wide, 3) == 186_624

# %% [markdown]
# One more thing is odd about it: after the projection comes *no* ReLU. The narrow end stays linear.
# Why? Send a curve of two channels through a random layer with $n$ channels and a ReLU, and try to
# get it back with the best linear layer that there is. *Before you run the cell: a ReLU cuts off
# half of every axis. From which $n$ on can you recognise the curve?*

# %% jupyter={"source_hidden": true}
# The figure.
turn = np.linspace(0, 1, 200)
spiral = (turn * np.stack([np.cos(4 * np.pi * turn), np.sin(4 * np.pi * turn)])).T  # (200, 2)
spiral -= spiral.mean(axis=0)


def there_and_back(n, seed):
    """Two channels to n, a ReLU, and the best linear way back to two."""
    hidden = np.maximum(spiral @ np.random.default_rng([n, seed]).normal(size=(2, n)), 0)
    way_back, *_ = np.linalg.lstsq(hidden, spiral, rcond=None)
    return hidden @ way_back


lost = {
    n: [
        np.linalg.norm(there_and_back(n, seed) - spiral) / np.linalg.norm(spiral)
        for seed in range(20)
    ]
    for n in (2, 3, 5, 10, 30)
}
for n, values in lost.items():
    print(
        f"{n:2} channels: {np.median(values):5.1%} lost (between {min(values):.1%} and {max(values):.1%})"
    )
described(
    plots.through_relu(
        spiral,
        {f"{n} channels": there_and_back(n, 0) for n in (2, 3, 5, 30)},
        title="Through a ReLU and back",
    ),
    "A spiral, and what comes back of it. Through two channels it collapses, through three and five it is "
    "bent, through thirty it comes back as it was.",
)

# %% [markdown]
# With two channels, even the best way back misses more than half. With thirty, next to nothing is
# lost: what one channel cuts off, another one keeps. So a ReLU belongs where there are many
# channels, and the narrow end does without. (The block's ReLUs are **ReLU6**, $\min(\max(x, 0),
# 6)$. The bound was made for arithmetic with few bits.)

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert min(lost[2]) > 0.5
assert max(lost[30]) < 0.02
assert np.median(lost[3]) > np.median(lost[5]) > np.median(lost[10])

# %% [markdown]
# ### Exercise: `InvertedResidual` (7 points)
#
# Write the block as a PyTorch module. With `hidden = c_in * expand`:
#
# - a 1×1 convolution from `c_in` to `hidden`, BatchNorm, ReLU6. With `expand` = 1 all three are
#   left out;
# - a depthwise 3×3 convolution from `hidden` to `hidden` with the stride and padding 1, BatchNorm,
#   ReLU6;
# - a 1×1 convolution from `hidden` to `c_out`, BatchNorm, and no activation;
# - where the stride is 1 and `c_in` equals `c_out`, the input is added, with no activation after
#   it. Elsewhere there is no shortcut at all.
#
# No convolution has a bias; the BatchNorms have PyTorch's settings. Do without the blocks of
# `course_lib.nets` and of torchvision. Names and order of your layers are free.
#
# For example, `InvertedResidual(24, 24, 1, 6)` has 8,832 parameters: 8,208 weights and, in the
# BatchNorms, 624.


# %% nbgrader={"grade": false, "grade_id": "InvertedResidual", "locked": false, "schema_version": 3, "solution": true, "task": false}
class InvertedResidual(nn.Module):
    """MobileNetV2's block: expand, look around, project: (N, c_in, H, W) → (N, c_out, …)."""

    def __init__(self, c_in, c_out, stride, expand):
        super().__init__()
        ### BEGIN SOLUTION
        hidden = c_in * expand
        layers = []
        if expand != 1:
            layers += [nn.Conv2d(c_in, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU6()]
        layers += [
            nn.Conv2d(hidden, hidden, 3, stride, padding=1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(),
            nn.Conv2d(hidden, c_out, 1, bias=False),
            nn.BatchNorm2d(c_out),
        ]
        self.layers = nn.Sequential(*layers)
        self.has_shortcut = stride == 1 and c_in == c_out
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        return x + self.layers(x) if self.has_shortcut else self.layers(x)
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_InvertedResidual", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(InvertedResidual)
### BEGIN HIDDEN TESTS
check(InvertedResidual, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 9 · Which channels matter today?
#
# A kernel sees a few pixels. Whether the whole image is a beach or a kitchen, it cannot know, and
# yet that would tell which channels are worth listening to. **Squeeze-and-excitation** (2017) gives
# every channel a volume control:
#
# 1. *squeeze*: the mean of each map, one number for each channel;
# 2. *excite*: a small network of two layers, $C \to C/r \to C$, with a ReLU between and a sigmoid
#    at the end, makes a **gate** between 0 and 1 for each channel;
# 3. every map is multiplied by its gate.

# %%
block = SqueezeExcitation(2, reduction=2)  # two channels, one hidden unit
with torch.no_grad():
    block.fc1.weight.copy_(torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1))  # how much of channel 0?
    block.fc2.weight.copy_(torch.tensor([0.0, -8.0]).reshape(2, 1, 1, 1))  # the more, the less of 1
    block.fc1.bias.zero_()
    block.fc2.bias.copy_(torch.tensor([4.0, 4.0]))

    gates = {}
    for brightness in (0.0, 0.5, 1.0):
        two_maps = torch.rand(1, 2, 12, 12) * 0.1
        two_maps[0, 0] += brightness
        gates[brightness] = block.factors(two_maps).flatten().tolist()
        print(
            f"channel 0 around {brightness}: gates", [f"{gate:.2f}" for gate in gates[brightness]]
        )
        rolled = two_maps.roll((3, 5), dims=(2, 3))
        assert torch.allclose(block.factors(rolled), block.factors(two_maps), atol=1e-5)

# %% [markdown]
# This little block was set by hand: the more there is of channel 0 *anywhere*, the more it closes
# channel 1 *everywhere*. No convolution of a few pixels can do that. Where in the map things stand
# does not matter to the gates: roll the maps, and they stay as they are.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert all(first > 0.9 for first, _ in gates.values())
assert gates[0.0][1] > 0.9 and gates[1.0][1] < 0.1

# %% [markdown]
# The means are single numbers, so the two layers cost next to nothing to compute. *Before you run
# the cell: what do you expect of the parameters and of the MACs of a ResNet-50, with such a block
# in each of its sixteen?*

# %%
plain, gated = nets.info("resnet50"), nets.info("se_resnet50")
more_parameters, more_work = gated.params / plain.params - 1, gated.gmacs / plain.gmacs - 1
print(
    f"{plain.params / 1e6:.1f} → {gated.params / 1e6:.1f} million parameters, {more_parameters:+.1%}"
)
print(f"{plain.gmacs:.3f} → {gated.gmacs:.3f} GMACs, {more_work:+.2%}")

# %% [markdown]
# A tenth more parameters, less than a thousandth more work. In the paper's comparison (its table 2) the
# accuracy on ImageNet rises from 75.2 % to 76.7 %. MobileNetV3 and EfficientNet took the block over.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert 0.09 < more_parameters < 0.11
assert 0 < more_work < 0.001
assert round(gated.top1, 1) == 76.7

# %% [markdown]
# ### Exercise: `SqueezeExcite` (4 points)
#
# Write the block as a PyTorch module, for an input `(N, channels, H, W)` of any size. The mean of
# each map; a layer from `channels` to `max(1, channels // reduction)`; ReLU; a layer back to
# `channels`; sigmoid; the input times its gates. Both layers have a bias. They may be 1×1
# convolutions or linear layers. The output has the input's shape. Do without the blocks of
# `course_lib.nets` and of torchvision. Names and order of your layers are free.
#
# For example, `SqueezeExcite(64)` has 580 parameters: 64·4 + 4 and 4·64 + 64.


# %% nbgrader={"grade": false, "grade_id": "SqueezeExcite", "locked": false, "schema_version": 3, "solution": true, "task": false}
class SqueezeExcite(nn.Module):
    """A gate between 0 and 1 for each channel, from the means of all: (N, C, H, W) → the same."""

    def __init__(self, channels, reduction=16):
        super().__init__()
        ### BEGIN SOLUTION
        hidden = max(1, channels // reduction)
        self.down = nn.Conv2d(channels, hidden, 1)
        self.up = nn.Conv2d(hidden, channels, 1)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        squeezed = x.mean((2, 3), keepdim=True)  # (N, C, 1, 1)
        return x * torch.sigmoid(self.up(torch.relu(self.down(squeezed))))
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_SqueezeExcite", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check(SqueezeExcite)
### BEGIN HIDDEN TESTS
check(SqueezeExcite, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 10 · Deeper, wider, or a larger image?
#
# You have a good small network and four times the computer. What do you make larger? *Before you
# run the cell: EfficientNet-B0 with twice as many channels in every layer, or with images of twice
# the side, or with four times as many blocks. Which of the three costs most?*


# %%
def gmacs(size, **scaled):
    with torch.device("meta"):
        network = nets.create("efficientnet_b0", **scaled)
    return cost_table.of_module(network, (1, 3, size, size)).macs / 1e9


scaled = {
    "B0": gmacs(224),
    "depth × 4": gmacs(224, depth=4.0),
    "width × 2": gmacs(224, width=2.0),
    "resolution × 2": gmacs(448),
}
for name, n in scaled.items():
    print(f"{name:15} {n:.2f} GMACs, {n / scaled['B0']:.2f} times")

# %% [markdown]
# About the same, near 4 times each. More channels means more in *and* more out, a longer side means
# more rows *and* more columns: both count twice. With $d$ for depth, $w$ for width and $r$ for
# resolution,
#
# $$\text{MACs} \sim d \cdot w^2 \cdot r^2$$
#
# So at one price there are many shapes. Tan and Le (2019, table 7) trained four. Depth alone brought B0
# to 79.0 % on ImageNet, width alone to 78.9 %, resolution alone to 79.1 %. A bit of each, at the same
# price: 81.1 %. They call that **compound scaling**:
#
# $$d = \alpha^\phi \qquad w = \beta^\phi \qquad r = \gamma^\phi \qquad\text{with}\quad \alpha \cdot \beta^2 \cdot \gamma^2 \approx 2$$
#
# One step of $\phi$ about doubles the work, so $\phi$ says how much you want to spend, and the
# three constants say how to share it. $\alpha = 1.2$, $\beta = 1.1$, $\gamma = 1.15$ are theirs.
# You may read that a neural architecture search found these. It found B0; the three numbers come
# from a small grid search, with $\phi = 1$, on networks small enough to train many. How many
# triples are there to try?

# %%
steps = np.arange(100, 201, 5) / 100
grid = [
    (alpha, beta, gamma)
    for alpha in steps
    for beta in steps
    for gamma in steps
    if abs(alpha * beta**2 * gamma**2 - 2) <= 0.1
]
print(len(grid), "triples in steps of 0.05 about double the work")
print("one step of theirs:", f"{1.2 * 1.1**2 * 1.15**2:.2f} times")

# %% jupyter={"source_hidden": true}
# The claims of the text above.
times = {name: n / scaled["B0"] for name, n in scaled.items()}
assert all(3.6 < n < 4.2 for name, n in times.items() if name != "B0")
assert (1.2, 1.1, 1.15) in grid and 50 < len(grid) < 200
assert abs(1.2 * 1.1**2 * 1.15**2 - 2) < 0.1

# %% [markdown]
# ### Exercise: `compound_scale` (2 points)
#
# Return the multipliers for depth, width and resolution, in this order, for a given `phi`: a tuple
# of three floats, not rounded, with $\alpha = 1.2$, $\beta = 1.1$, $\gamma = 1.15$. `phi` is an int
# or a float, 0 or larger.
#
# For example, `compound_scale(0)` is `(1.0, 1.0, 1.0)` and `compound_scale(1)` is `(1.2, 1.1,
# 1.15)`.


# %% nbgrader={"grade": false, "grade_id": "compound_scale", "locked": false, "schema_version": 3, "solution": true, "task": false}
def compound_scale(phi):
    """The multipliers (depth, width, resolution) of compound scaling: a tuple of three floats."""
    ### BEGIN SOLUTION
    return 1.2**phi, 1.1**phi, 1.15**phi
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_compound_scale", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check(compound_scale)
### BEGIN HIDDEN TESTS
check(compound_scale, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# The published family goes from B0 to B7. Set it beside the networks that you know.


# %%
def family(prefix, *members):
    """By member: its parameters in millions and its published accuracy."""
    found = {member: nets.info(prefix + member.lower()) for member in members}
    return {member: (info.params / 1e6, info.top1) for member, info in found.items()}


described(
    plots.families(
        {
            "EfficientNet": family("efficientnet_", *(f"B{n}" for n in range(8))),
            "ResNet": family("resnet", "18", "34", "50", "101", "152"),
            "MobileNet": family("mobilenet_", "V2", "V1"),
        },
        title="More accuracy for each parameter",
        x="parameters, millions",
    ),
    "Published accuracy on ImageNet against millions of parameters. The EfficientNets run from 77.1 at 5.3 "
    "million to 84.3 at 66 million, above and left of the ResNets. The two MobileNets stand at about 4 "
    "million, between 70 and 72.",
)

# %%
b0, b7 = nets.info("efficientnet_b0"), nets.info("efficientnet_b7")
print(f"B7: {b7.params:,} parameters, {b7.gmacs / b0.gmacs:.0f} times the MACs of B0")
print(f"phi by its work: {np.log2(b7.gmacs / b0.gmacs):.1f}")
for name, ratio, base in (
    ("depth", 3.1, 1.2),
    ("width", 2.0, 1.1),
    ("resolution", 600 / 224, 1.15),
):
    print(f"phi by its {name}: {np.log(ratio) / np.log(base):.1f}")
print(f"8.4 times as many parameters: {8.4 * b7.params / 1e6:.0f} million")

# %% [markdown]
# B7 reached 84.3 % with 66 million parameters. GPipe's network, until then the best that was
# trained on ImageNet alone, had reached the same with 557 million: 8.4 times as many (table 2 of Tan
# and Le). A published member is rounded to what a machine likes, so no single $\phi$ gives all three
# of its numbers.
#
# Two cautions. The points of the figure come from papers of different years, and newer ones also
# trained longer and with more augmentation: ResNet-50 reached 80.4 % with a recipe of 2021, without
# a change to the network. And the horizontal axis shows parameters, not time: section 6 applies to
# EfficientNet too, which is full of depthwise layers.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert b7.params == 66_347_960 and b7.top1 == 84.3
assert round(8.4 * b7.params / 1e6) == 557
assert round(557 / (b7.params / 1e6), 1) == 8.4

# %% [markdown]
# ## 11 · In production code, and further reading
#
# - `nn.Conv2d(c, c, 3, padding=1, groups=c)` is a depthwise layer in PyTorch. With `groups=c` and
#   `m * c` output channels, channel 0 makes the first `m` maps: outputs are blocks of neighbours
#   there too.
# - `channels_last` memory, `torch.backends.cudnn.benchmark = True`, several threads, a graphics
#   card: each of them can change the figures of section 6. Measure where the network will run.
# - torchvision's `mobilenetv2.py` has `InvertedResidual`; it rounds every channel number to a
#   multiple of 8, as the authors' code does.
# - torchvision's `efficientnet.py` calls the block `MBConv`. Its squeeze-and-excitation reduces
#   from the block's *input* channels, not from the expanded ones, and uses SiLU where section 9 has
#   a ReLU.
# - timm builds such gates by name, `timm.layers.create_attn("se", channels)`, and has a dozen
#   relatives of them.
#
# **Read on**
#
# - Howard and others, *MobileNets* (arXiv:1704.04861): the cost in formulas, and the comparison
#   with the dense network in table 4.
# - Sandler and others, *MobileNetV2* (arXiv:1801.04381): the spiral of section 8 is its figure 1.
# - Xie and others, *Aggregated residual transformations for deep neural networks*
#   (arXiv:1611.05431): three ways to draw the same block.
# - Hu and others, *Squeeze-and-excitation networks* (arXiv:1709.01507): where the gates help, and
#   what they learn layer by layer.
# - Tan and Le, *EfficientNet* (arXiv:1905.11946): compound scaling, with the one-sided scalings
#   beside it.
# - Huang and others, *GPipe* (arXiv:1811.06965): the network with 557 million parameters.
# - Wightman, Touvron and Jégou, *ResNet strikes back* (arXiv:2110.00476): what a recipe is worth.
# - Williams, Waterman and Patterson, *Roofline* (2009): the picture of section 6, for any program.

# %% [markdown]
# ## 12 · What you can now say
#
# **What is a 1×1 convolution good for here?** It mixes channels at one pixel. Taking 256 channels
# down to 64 before a 3×3 and up again leaves an eighth of the weights. *(Section 1)*
#
# **What is a grouped convolution?** Channels in G blocks; each output reads its own block. Weights
# and MACs are divided by G, and blocks never meet until something mixes them. *(Section 2)*
#
# **What is cardinality?** The number of groups. ResNeXt spends what 32 groups save on width, and is
# better at the same cost. *(Section 3)*
#
# **What is a depthwise-separable convolution?** A kernel for each channel, then a 1×1 that mixes
# them. From 256 to 256 channels: 67,840 weights in place of 589,824, 8.7 times fewer. The share
# that is left is 1/C_out + 1/K². *(Sections 4 and 5)*
#
# **Is it 8.7 times faster?** No. The depthwise step does about one MAC for each byte that it moves,
# so it waits for memory. Measure. *(Section 6)*
#
# **What is inverted about an inverted residual, and why is its end linear?** It is wide inside,
# where depthwise is nearly free, and narrow outside. A ReLU on few channels destroys what it cuts
# off; on many, another channel keeps it. *(Section 8)*
#
# **What does squeeze-and-excitation do?** It looks at the mean of every map and gives each channel
# a gate between 0 and 1: a tenth more parameters and less than a thousandth more work in a
# ResNet-50. *(Section 9)*
#
# **What did compound scaling find?** That growing depth, width and resolution together beats
# growing one of them. The proportions 1.2, 1.1, 1.15 came from a small grid search on a B0 that
# architecture search had found. *(Section 10)*

# %% [markdown]
# ## 13 · Quiz
#
# Eight questions, a point each. Their numbers are drawn from the seed: put another seed into both
# cells and you have a new set to practise on. The functions of this chapter may help. Write a
# number, or the letter of your choice in quotes.

# %%
questions("08", seed=1)

# %% nbgrader={"grade": false, "grade_id": "quiz_08", "locked": false, "schema_version": 3, "solution": true, "task": false}
answers = {
    "quiz": "08",
    "seed": 1,
    "grouped": None,  # question 1
    "feeds": None,  # question 2, a letter
    "macs": None,  # question 3
    "ratio": None,  # question 4
    "inverted": None,  # question 5
    "squeeze": None,  # question 6
    "scaled": None,  # question 7
    "time": None,  # question 8, a letter
}
if None in answers.values():
    ### BEGIN SOLUTION
    answers.update(
        grouped=13_824,
        feeds="e",
        macs=940_800,
        ratio=1 / 128 + 1 / 49,
        inverted=5_472,
        squeeze=33_312,
        scaled=1.5 * 1.2**2 * 1.3**2,
        time="c",
    )
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test_quiz_08", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
check(answers)
### BEGIN HIDDEN TESTS
check(answers, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# You have the whole line now, from LeNet to EfficientNet. So far a network took an image and gave
# one answer. Chapter 09 turns it around and gives an answer for every pixel.
