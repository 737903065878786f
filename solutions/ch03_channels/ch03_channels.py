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
# # Chapter 03 · Channels
#
# Look at the pixel in the middle of an orange. A camera stores three numbers for it: a lot of red,
# some green, next to no blue. Now cover two of the three numbers with your hand. Can you still tell
# the orange from a tomato, from a lemon, from a white wall? No: each number by itself fits many
# things. A layer that is to find oranges has to look at all three at once.
#
# **What you will be able to do**
#
# - compute a whole convolution layer, batch, channels, bias and all, forwards and backwards;
# - count its parameters and its multiplications before it runs;
# - say what a 1×1 convolution is good for, and when it is good for nothing;
# - turn a convolution into one matrix product, and say why libraries do, and when they do not;
# - follow a shape through a network, and name the layer where it breaks.
#
# **What you need**: chapter 02, its size formula above all. The exercises need NumPy alone; PyTorch
# appears to compare with, and trains a small network in section 8.
#
# **Time and points**: about 3 hours, 45 points. The end of section 5 is a good place for a break.
#
# | section | exercise | points |
# | --- | --- | ---: |
# | 2 | `orange_detector` | 3 |
# | 3 | `conv2d` | 8 |
# | 4 | `conv_cost` | 6 |
# | 5 | `pointwise_conv` | 3 |
# | 6 | `im2col` | 5 |
# | 7 | `conv2d_backward` | 7 |
# | 9 | `trace_shapes` | 6 |
# | 12 | `quiz_03` | 7 |
#
# Stuck on an exercise? `hint(conv2d)` in a cell of your own shows a hint, and a further one each time
# you run it. After the last hint, or once you have passed, `solution(conv2d)` shows our answer.
#
# A few experiments run on your own functions. Where yours is not ready they take the course's, and
# say so. Run the notebook cell by cell: *Run All* stops at the first check that gives no points.
# Where you are asked for a guess and the next cell would give it away, its code is folded: run it
# first, then unfold it.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import functools
import time

import numpy as np

from autograder.check import check, hint, questions, solution
from course_lib import cost, cost_table, data, geometry, ops

# %%
from course_lib.explorers import Channels
from course_lib.plots import channels as plots
from course_lib.plots import convolution as arithmetic
from course_lib.plots import described
from course_lib.plots.output_size import grids


def yours_or_ours(yours, ours, *example, **sizes):
    """Your function where it gets an example right, else the course's; says which one it is."""
    try:
        got, expected = yours(*example, **sizes), ours(*example, **sizes)
        right = all(np.allclose(a, b) for a, b in zip(got, expected, strict=True))
    except Exception:
        right = False
    print(f"This cell uses {'your' if right else 'the course’s'} {yours.__name__}.")
    return yours if right else ours


# %%
import torch

torch.set_num_threads(1)

# %% [markdown]
# ## 1 · What does a kernel do with several channels?
#
# A grey image is one table of numbers. A colour image is three, one each for red, green and blue:
# its **channels**.

# %%
coffee = data.photograph("coffee", size=(150, 200), grey=False)
print(coffee.shape)
assert coffee.shape == (150, 200, 3)
described(
    plots.colour_channels(coffee, title="Three channels: how much red, green and blue there is"),
    "A cup of coffee on a red-brown table, in colour, and its three channels in grey. "
    "The table is brightest in the red channel and dark in the blue one; the white "
    "rim of the cup is bright in all three.",
)

# %% [markdown]
# PyTorch wants the channels first, and a whole batch of images at a time: $(N, C, H, W)$, for number,
# channels, height, width. The course does the same from here on.

# %%
batch = coffee.transpose(2, 0, 1)[None]  # (H, W, C) → (N, C, H, W) with N = 1
print(batch.shape)
assert batch.shape == (1, 3, 150, 200)

# %% [markdown]
# For arithmetic by hand, two channels are enough. The kernel has two **slices** now, one for each
# channel: together they make a little block, $C_{in} \times K_h \times K_w$.

# %%
image = np.array([[[1, 2, 0], [0, 1, 3], [2, 0, 1]], [[0, 1, 1], [2, 0, 1], [1, 3, 0]]])
kernel = np.array([[[1, 0], [0, 1]], [[0, 2], [1, 0]]])
print(image.shape, kernel.shape)
assert (image.shape, kernel.shape) == ((2, 3, 3), (2, 2, 2))

# %% [markdown]
# Each slice does on its channel what chapter 02 taught: multiply, sum. That gives two numbers. *Before
# you run the cell: the layer makes one map of it, so one number. How would you combine the two?*

# %% jupyter={"source_hidden": true}
# The figure.
window = image[:, 0:2, 0:2]  # (C_in, K_h, K_w): the first window reaches through both channels
described(
    plots.partial_sums(window, kernel),
    "Two rows of three grids. Channel 0: window 1 2, 0 1 times slice 1 0, 0 1, products "
    "that add up to 2. Channel 1: window 0 1, 2 0 times slice 0 2, 1 0, products that add "
    "up to 4. The title adds them: 2 + 4 = 6.",
)

# %% [markdown]
# They are added. **A kernel spans all input channels and sums over them into one map.**

# %%
partial = (window * kernel).sum(axis=(1, 2))  # one sum for each channel
print(partial, partial.sum())
assert partial.tolist() == [2, 4] and partial.sum() == 6

# %% [markdown]
# In one line, with the channel $c$ and the bias $b$, a number that is added at the end:
#
# $$y[r, q] = b + \sum_{c}\sum_{i}\sum_{j} k[c, i, j]\; x[c,\; r+i,\; q+j]$$
#
# You could just as well slide each slice over its own channel and add the two maps.

# %%
maps = [ops.conv2d_single(image[c], kernel[c]) for c in range(2)]
described(
    grids(
        {"channel 0": maps[0], "channel 1": maps[1], "their sum: one map": maps[0] + maps[1]},
        title="A map for each channel, added up",
    ),
    "Three 2×2 grids. Channel 0 gives 2 5, 0 2. Channel 1 gives 4 2, 1 5. Their sum is 6 7, 1 7.",
)

# %%
layer = ops.conv2d(image[None], kernel[None])  # one image, one kernel
print(layer[0, 0])
assert layer.shape == (1, 1, 2, 2)
assert np.array_equal(layer[0, 0], sum(maps))
assert layer[0, 0].tolist() == [[6, 7], [1, 7]]

# %% [markdown]
# The kernel slides down and across. It does not slide along the channels: it is as deep as the image
# already, so there is only one place for it.

# %% [markdown]
# ## 2 · Why add them up?
#
# A sum looks like a loss: three channels went in, one map comes out. Take the smallest layer that
# could find oranges, one kernel of a single pixel: three weights and a bias.
#
# $$y = w_r \cdot \text{red} + w_g \cdot \text{green} + w_b \cdot \text{blue} + b$$
#
# Say that $y > 0$ means *orange*. Here are ten colours to try a layer on.

# %%
palette = {
    "orange": (1.0, 0.55, 0.05),
    "black": (0.0, 0.0, 0.0),
    "grey": (0.5, 0.5, 0.5),
    "white": (1.0, 1.0, 1.0),
    "blue": (0.0, 0.0, 1.0),
    "green": (0.0, 1.0, 0.0),
    "cyan": (0.0, 1.0, 1.0),
    "magenta": (1.0, 0.0, 1.0),
    "red": (1.0, 0.0, 0.0),
    "yellow": (1.0, 1.0, 0.0),
}


def respond(weights, bias):
    """The response to each colour of the palette of a 1×1 layer."""
    colours = np.array(list(palette.values())).T.reshape(1, 3, 1, -1)  # an image of one row
    return ops.conv2d(colours, np.reshape(weights, (1, 3, 1, 1)), [bias])[0, 0, 0]


# %% [markdown]
# First let one channel try alone: weights (1, 0, 0), bias −0.75. *Before you run the cell: "much red" is
# true of an orange. Of which other colours in the palette is it true?*

# %% jupyter={"source_hidden": true}
# The figure.
red_only = respond([1, 0, 0], -0.75)
passing = [name for name, response in zip(palette, red_only, strict=True) if response > 0]
assert passing == ["orange", "white", "magenta", "red", "yellow"]
described(
    plots.colour_responses(palette, red_only, "Red alone: white and magenta pass as orange"),
    "Ten bars in their colours. Orange, white, magenta, red and yellow lie above 0; black, "
    "grey, blue, green and cyan below.",
)

# %% [markdown]
# White is as red as orange is. What gives white away is its blue. So blue has to speak *against*:
# a negative weight. That is what the sum is for. Each channel brings evidence, for or against, and the
# bias says how much evidence is asked. An orange needs high red, middling green and low blue **at
# once**, and only a number that all three went into can know.
#
# ### Exercise: `orange_detector` (3 points)
#
# Find three weights and a bias: a function without arguments that returns `weight`, an array of
# shape `(1, 3, 1, 1)`, and `bias`, of shape `(1,)`. The channels are red, green, blue, from 0 to 1.
# Any layer counts that does the following.
#
# - On every *orange* the response is above 0. Here that means: red from 0.9 to 1, green from 0.45
#   to 0.65, blue from 0 to 0.1.
# - On *black, white and every grey* between (three equal numbers) it is below 0.
# - On pure *blue, green, cyan and magenta*, as in the palette above, it is below 0.
#
# Red and yellow are free: what your detector says about them does not count. Why, you will see below.
#
# For example, weights (1, 0, 0) with bias −0.75, the detector of the figure, will not do: it takes
# white and magenta for orange.


# %% nbgrader={"grade": false, "grade_id": "orange_detector", "locked": false, "schema_version": 3, "solution": true, "task": false}
def orange_detector():
    """A 1×1 layer that finds orange: weight (1, 3, 1, 1) and bias (1,), above 0 on oranges."""
    ### BEGIN SOLUTION
    weight = np.array([2.0, 0.0, -2.0]).reshape(1, 3, 1, 1)  # red speaks for it, blue against it
    bias = np.array([-1.0])
    return weight, bias
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_orange_detector", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check(orange_detector)
### BEGIN HIDDEN TESTS
check(orange_detector, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# See it at work.


# %%
def usable_detector():
    """Your detector where it tells orange from white, else one of ours."""
    try:
        weight, bias = orange_detector()
        weights, b = np.reshape(weight, 3).astype(float), float(np.reshape(bias, 1)[0])
        if respond(weights, b)[0] > 0 > respond(weights, b)[3]:
            return "your detector", weights, b
    except Exception:
        pass
    return "our detector (yours is not ready)", np.array([2.0, 0.4, -2.6]), -1.0


whose, weights, bias = usable_detector()
described(
    plots.colour_responses(palette, respond(weights, bias), f"What {whose} says"),
    "The response to each of the ten colours: orange is above 0, white below.",
)

# %% [markdown]
# ### The colours that no detector can refuse
#
# Why were red and yellow free? Walk from red, (1, 0, 0), to yellow, (1, 1, 0), in a straight line.
# Half-way you pass (1, 0.5, 0): orange. The response is a weighted sum, so along a straight line it
# changes evenly. *Before you run the cell: if it is below 0 at both ends, can it be above 0 in the
# middle?*

# %% jupyter={"source_hidden": true}
# The figure.
share = np.linspace(0, 1, 41)
way = np.stack([np.ones(41), share, np.zeros(41)]).reshape(1, 3, 1, 41)  # red → orange → yellow
detectors = {
    "refuses yellow": ([1.0, -2.0, 0.0], 0.2),
    "refuses red": ([1.0, 2.0, 0.0], -1.8),
    "refuses both": ([-1.0, 0.5, 0.0], 0.2),
}
along = {
    name: ops.conv2d(way, np.reshape(w, (1, 3, 1, 1)), [b])[0, 0, 0]
    for name, (w, b) in detectors.items()
}
described(
    plots.between_colours(
        {name: palette[name] for name in ("red", "yellow")},
        np.array(list(along.values())),
        list(along),
    ),
    "Three straight lines over a strip that runs from red through orange to yellow. One "
    "falls and refuses yellow, one rises and refuses red, one is below 0 at both ends and "
    "therefore everywhere.",
)

# %% [markdown]
# It cannot: the response to orange is the mean of those to red and to yellow. Whoever refuses both
# refuses what lies between them. No weights and no bias get around that, with one kernel.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
middle = 20
for line in along.values():
    assert np.isclose(line[middle], (line[0] + line[-1]) / 2)

# %% [markdown]
# With two kernels and a second layer it is easy. One kernel measures *too yellow*, one *too red*, a
# ReLU cuts off what is below 0, and the second layer subtracts both. That is one
# reason why networks have more than one layer, and something bent in between.

# %%
too_yellow_too_red = np.array([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]]).reshape(2, 3, 1, 1)
hidden_maps = ops.conv2d(way, too_yellow_too_red, [-0.65, 0.45])  # green above 0.65, below 0.45
bent = np.maximum(hidden_maps, 0)
final = ops.conv2d(bent, np.array([-1.0, -1.0]).reshape(1, 2, 1, 1), [0.05])[0, 0, 0]

print(f"red {final[0]:.2f}, half-way {final[middle]:.2f}, yellow {final[-1]:.2f}")
assert final[0] < 0 < final[middle] and final[-1] < 0

# %% [markdown]
# ## 3 · And many kernels?
#
# One kernel makes one map, so one question is asked everywhere. Ask more questions: take more kernels.
# Each one spans all input channels, and each one has a bias of its own. **$C_{out}$ kernels make
# $C_{out}$ maps**, and the weights of a layer have four axes:
#
# $$\text{weight}: (C_{out},\; C_{in},\; K_h,\; K_w) \qquad \text{bias}: (C_{out},)$$
#
# Here are four kernels for the cup of coffee.

# %%
across = np.array([[-1.0, 0.0, 1.0]] * 3)
four = np.zeros((4, 3, 3, 3))  # (C_out, C_in, K_h, K_w)
four[0, :, 1, 1] = 2.0, 0.0, -2.0  # red against blue, in the centre tap
four[1] = across / 3  # the same edge in every channel
four[2] = across.T / 3
four[3, 0], four[3, 2] = across, -across  # an edge in red that blue does not have
biases = np.array([-1.0, 0.0, 0.0, 0.0])

answers_of_layer = ops.conv2d(batch, four, biases, padding=1)
print(batch.shape, "→", answers_of_layer.shape)
assert answers_of_layer.shape == (1, 4, 150, 200)

# %% [markdown]
# *Before you run the cell: which of the four maps will show the saucer as one light surface, and which
# only the borders of things?*

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.feature_maps(
        answers_of_layer[0],
        ["red against blue", "upright edges", "level edges", "edges of colour"],
        title="Four kernels, four maps (0 is middle grey)",
    ),
    "Four grey maps of the cup. Red against blue: saucer and coffee are light, the white "
    "rim is black. Upright and level edges: rims and spoon in black and white lines on "
    "grey. Edges of colour: lines where the red cup and saucer begin and end.",
)

# %% [markdown]
# The first map: the saucer is red and has little blue. The weights of the other three add up to 0 in each
# slice, so where nothing changes, they answer 0.
#
# Look at the two shapes above. Three channels went in, four came out, and the next layer
# will not care that they were called red and blue once. What one layer calls its **feature map** is
# a **channel** of the next: one thing, seen from two sides. The kernels of the next layer will be four
# slices deep.

# %%
next_layer = np.random.default_rng(0).normal(size=(5, 4, 3, 3))
assert ops.conv2d(answers_of_layer, next_layer, padding=1).shape == (1, 5, 150, 200)

try:
    ops.conv2d(answers_of_layer, four)  # these kernels are three slices deep
except ValueError as error:
    print(error)

# %% [markdown]
# *Before you play:* the image is an orange disc on blue ground; 0 is none of a colour, 9 all of it. The
# first kernel has the same slice for every channel: is it brighter on the right? At the disc's left
# rim the red channel says yes, 24, and so does the green one, 9. What will the blue channel say, and
# which number comes out? Then make its blue slice all zeros: how does the rim change? And what does a
# third kernel add to the number of parameters?

# %%
Channels()

# %% [markdown]
# Blue says −21, for the ground is bluer than the disc, and takes back most of what the others gave: 12
# come out. Without its slice they are 33. A kernel that asks the same of every channel is weak at a
# border where one colour gives way to another; the second kernel asks red and green different questions.
# A third one costs 27 weights and a bias.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
rim = Channels()
assert rim.partial_sums == [24, 9, -21] and sum(rim.partial_sums) == 12
assert rim.parameters == 2 * (3 * 3 * 3 + 1) == 56

without_blue = np.array(rim.kernels)
without_blue[0, 2] = 0
more = Channels(kernels=[*without_blue.tolist(), rim.kernels[1]])
assert sum(more.partial_sums) == 24 + 9 == 33
assert more.parameters - rim.parameters == 28

# %% [markdown]
# ### Exercise: `conv2d` (8 points)
#
# Write the layer. `x` is `(N, C_in, H, W)`, `weight` is `(C_out, C_in, K_h, K_w)`, and `bias`, if
# there is one, is `(C_out,)`. The output is `(N, C_out, H_out, W_out)`: for each image of the batch,
# a map for each kernel. `stride`, `padding` (zeros) and `dilation` are what they were in chapter 02,
# each one number or a pair `(height, width)`. The kernel is not flipped. Where the image, the kernel or
# the bias holds fractions, so does the output, even if the other two are integers.
#
# What you have built in chapter 02 is yours to use, so `ops.conv2d_single` is allowed, and loops are,
# too. Do without the ready-made layers and convolutions of the course, of PyTorch and of SciPy.
#
# For example, with the image and the kernel of section 1, `conv2d(image[None], kernel[None])` has
# shape `(1, 1, 2, 2)` and holds `[[6 7], [1 7]]`. With `bias=np.array([10])` it holds
# `[[16 17], [11 17]]`.


# %% nbgrader={"grade": false, "grade_id": "conv2d", "locked": false, "schema_version": 3, "solution": true, "task": false}
def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1):
    """A convolution layer: (N, C_in, H, W) → (N, C_out, H_out, W_out).

    `weight` is (C_out, C_in, K_h, K_w), `bias` (C_out,) or None. `stride`, `padding` (zeros) and
    `dilation` are an int or a (height, width) pair.
    """
    ### BEGIN SOLUTION
    s_h, s_w = np.broadcast_to(stride, 2)
    p_h, p_w = np.broadcast_to(padding, 2)
    d_h, d_w = np.broadcast_to(dilation, 2)
    c_out, _, k_h, k_w = weight.shape
    padded = np.pad(x, ((0, 0), (0, 0), (p_h, p_h), (p_w, p_w)))
    span_h, span_w = d_h * (k_h - 1) + 1, d_w * (k_w - 1) + 1
    out_h = (padded.shape[2] - span_h) // s_h + 1
    out_w = (padded.shape[3] - span_w) // s_w + 1
    out = np.zeros((len(x), c_out, out_h, out_w))
    for r in range(out_h):
        for q in range(out_w):
            top, left = r * s_h, q * s_w
            # (N, C_in, K_h, K_w): one window of every image
            windows = padded[:, :, top : top + span_h : d_h, left : left + span_w : d_w]
            for o in range(c_out):
                out[:, o, r, q] = (windows * weight[o]).sum(axis=(1, 2, 3))
    if bias is not None:
        out += bias[:, None, None]  # (C_out, 1, 1): the same at every position
    return out
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_conv2d", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
check(conv2d)
### BEGIN HIDDEN TESTS
check(conv2d, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# PyTorch computes the same numbers.

# %%
small = batch[:, :, :30, :40]
convolve = yours_or_ours(conv2d, ops.conv2d, small, four, biases, stride=2, padding=1)
theirs = torch.nn.functional.conv2d(
    torch.tensor(small, dtype=torch.float64),
    torch.tensor(four),
    torch.tensor(biases),
    stride=2,
    padding=1,
)
assert np.allclose(convolve(small, four, biases, stride=2, padding=1), theirs)
print("the two agree on", tuple(theirs.shape))

# %% [markdown]
# ## 4 · What does a layer cost?
#
# Two different things: numbers to *store*, and multiplications to *do*. Take a layer from 3 channels to
# 16, with 3×3 kernels. *Before you run the cell: how many weights has one of its kernels? How many
# parameters has the layer, biases included?*

# %% jupyter={"source_hidden": true}
# The count.
one_kernel = 3 * 3 * 3
weights_of_layer = 16 * one_kernel
params = weights_of_layer + 16
print(one_kernel, weights_of_layer, params)
assert (weights_of_layer, params) == (432, 448)
assert params == cost.conv_params(3, 16, kernel_size=3)

# %% [markdown]
# 27 weights a kernel, 16 such kernels, 16 biases: 448. In general $(K_h \cdot K_w \cdot C_{in} + 1) \cdot
# C_{out}$. Nothing about the image in it.
#
# The work is another matter. One output costs one product for each weight of its kernel, 27 here. A
# product and the addition that follows it are called a **MAC**, a multiply-accumulate. There are 16
# outputs at each position. And how many positions? As many as the *output* has: $H' \cdot W'$.
#
# $$\text{MACs} = K_h \cdot K_w \cdot C_{in} \cdot C_{out} \cdot H' \cdot W'$$
#
# Why $H'W'$ and not $HW$? A kernel works where it stands, and it stands once for each output. *Before
# you run the cell: by what factor do the MACs shrink at stride 2?*

# %%
for stride in (1, 2):
    found = cost.conv_cost(3, 16, 3, height=32, width=32, stride=stride, padding=1)
    print(f"stride {stride}: {found}")

# %% [markdown]
# By four: half the rows and half the columns. The parameters stay.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
for stride in (1, 2):
    found = cost.conv_cost(3, 16, 3, height=32, width=32, stride=stride, padding=1)
    _, rows, columns = found["output_shape"]
    assert found["macs"] == 3 * 3 * 3 * 16 * rows * columns

halved = cost.conv_cost(3, 16, 3, 32, 32, stride=2, padding=1)
full = cost.conv_cost(3, 16, 3, 32, 32, padding=1)
assert full["macs"] == 4 * halved["macs"] and full["params"] == halved["params"]

# %% [markdown]
# You also meet **FLOPs**, floating-point operations. A MAC is two of them, a multiplication and an
# addition, so FLOPs are twice the MACs. Papers mix the two up; when you read a number, ask which. The
# additions of the biases are so few that nobody counts them, and neither do we.
#
# Parameters and work need not live in the same place. Four layers of VGG-16, all with 3×3 kernels and
# padding 1. *Before you run the cell: guess which has the most parameters, and which does the most
# work.*

# %%
print("C_in C_out  image        params          MACs")
vgg = {}
for c_in, c_out, size in ((3, 64, 224), (64, 64, 224), (256, 256, 56), (512, 512, 14)):
    found = cost.conv_cost(c_in, c_out, 3, size, size, padding=1)
    vgg[c_in, c_out] = found
    print(f"{c_in:4} {c_out:5} {size:3}×{size:<3} {found['params']:12,} {found['macs']:14,}")

# %% [markdown]
# The last layer has sixty times the parameters of the second and does a quarter of its work: its kernels
# are deep, but its image is small. The second and the third do exactly the same work. The very first
# does little, with only three channels to read. After that, as a rule, early layers cost time and late
# layers cost storage.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert 60 < vgg[512, 512]["params"] / vgg[64, 64]["params"] < 65
assert vgg[64, 64]["macs"] == vgg[256, 256]["macs"] == 4 * vgg[512, 512]["macs"]
assert vgg[3, 64]["macs"] < vgg[512, 512]["macs"] / 5

# %% [markdown]
# One argument of a layer is still missing, a preview of chapter 08. In `groups=2` the channels that come
# in are cut into two equal halves, and so are those that go out: each kernel sees the channels of its own
# half only. It has `c_in // groups` slices in place of `c_in`; there are `c_out` kernels as before.

# %%
described(
    arithmetic.groups_figure(c_in=4, c_out=6, groups=2),
    "Left, lines from input channels 0 and 1 to the output channels 0, 1 and 2, and from 2 and 3 to "
    "3, 4 and 5. Right, a table of the slices: two dark blocks on the diagonal, the rest is empty.",
)

# %% [markdown]
# ### Exercise: `conv_cost` (6 points)
#
# Return a dict with four keys: `"params"`, `"macs"`, `"flops"`, three ints, and `"output_shape"`,
# the tuple `(C_out, H', W')` of one image. MACs as above: bias additions are not counted. FLOPs are
# twice the MACs. `kernel_size`, `stride`, `padding` and `dilation` are one number or a pair `(height,
# width)`; `bias` is True or False.
#
# `groups` divides both numbers of channels. `geometry` is yours to use. Do without the course's
# `cost.conv_cost`, and without running a layer.
#
# For example, `conv_cost(3, 16, 3, 32, 32, padding=1)` is `{"params": 448, "macs": 442368, "flops":
# 884736, "output_shape": (16, 32, 32)}`. And `conv_cost(4, 6, 3, 5, 5, groups=2)` has 6·(2·9 + 1) = 114
# parameters and 6·2·9·3·3 = 972 MACs.


# %% nbgrader={"grade": false, "grade_id": "conv_cost", "locked": false, "schema_version": 3, "solution": true, "task": false}
def conv_cost(
    c_in, c_out, kernel_size, height, width, stride=1, padding=0, dilation=1, groups=1, bias=True
):
    """What a convolution layer costs on one image: a dict of params, macs, flops, output_shape.

    The first three are ints, output_shape is (C_out, H', W').
    """
    ### BEGIN SOLUTION
    k_h, k_w = np.broadcast_to(kernel_size, 2)
    out_h, out_w = geometry.output_shape(height, width, kernel_size, stride, padding, dilation)
    weights = c_out * (c_in // groups) * int(k_h) * int(k_w)
    macs = weights * out_h * out_w
    return {
        "params": weights + (c_out if bias else 0),
        "macs": macs,
        "flops": 2 * macs,
        "output_shape": (c_out, out_h, out_w),
    }
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_conv_cost", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check(conv_cost)
### BEGIN HIDDEN TESTS
check(conv_cost, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 5 · What use is a kernel of one pixel?
#
# A 1×1 kernel sees no neighbours. On a grey image it has a single weight: it makes the picture
# brighter or darker, and nothing else. Pointless.
#
# On many channels it is another thing. The pixel there is a whole list of numbers, and the kernel takes
# its **dot product** with a list of weights. The orange detector was one. So is a change from colour to
# grey:

# %%
luminance = np.array([0.2125, 0.7154, 0.0721]).reshape(1, 3, 1, 1)
grey = ops.conv2d(batch, luminance)[0, 0]
assert np.allclose(grey, data.photograph("coffee", size=(150, 200)), atol=1e-5)

one_channel = ops.conv2d(grey[None, None], np.full((1, 1, 1, 1), 0.5))[0, 0]
assert np.allclose(one_channel, 0.5 * grey)  # on one channel: a scale, no more
print("colour to grey is a 1×1 convolution")

# %% [markdown]
# With $C_{out}$ kernels it is a matrix, $(C_{out}, C_{in})$, that multiplies the list of numbers in
# every pixel: a fully connected layer for each pixel, with the same weights everywhere.
#
# ### Exercise: `pointwise_conv` (3 points)
#
# Write it without sliding anything. `x` is `(N, C_in, H, W)`, `weight` is `(C_out, C_in, 1, 1)`,
# `bias` is `(C_out,)` or None; the output is `(N, C_out, H, W)`. Do without ready-made convolutions, the
# course's, PyTorch's and SciPy's.
#
# For example, one pixel with the channels 1, 2, 3 and the two kernels (1, 0, −1) and (2, 1, 0) gives
# 1 − 3 = −2 and 2 + 2 = 4.


# %% nbgrader={"grade": false, "grade_id": "pointwise_conv", "locked": false, "schema_version": 3, "solution": true, "task": false}
def pointwise_conv(x, weight, bias=None):
    """A 1×1 convolution: (N, C_in, H, W) → (N, C_out, H, W); `weight` is (C_out, C_in, 1, 1)."""
    ### BEGIN SOLUTION
    out = np.einsum("oc,nchw->nohw", weight[:, :, 0, 0], x)
    return out if bias is None else out + bias[:, None, None]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_pointwise_conv", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check(pointwise_conv)
### BEGIN HIDDEN TESTS
check(pointwise_conv, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ### Through the bottleneck
#
# What do networks want it for? Three things. It mixes channels, it changes their number, and with a
# ReLU behind it, it adds a bend to the function. The second saves a fortune. A 3×3 convolution from 256
# channels to 256 is dear. So first go down to 64 with a 1×1, do the 3×3 there, and come back up with
# another 1×1. *Before you run the cell: how much does that save?*

# %%
size = 28
plain = cost.conv_cost(256, 256, 3, size, size, padding=1, bias=False)
through = [
    cost.conv_cost(256, 64, 1, size, size, bias=False),
    cost.conv_cost(64, 64, 3, size, size, padding=1, bias=False),
    cost.conv_cost(64, 256, 1, size, size, bias=False),
]
for key in ("params", "macs"):
    narrow = sum(layer[key] for layer in through)
    print(f"{key:6} {plain[key]:12,} → {narrow:11,}   {plain[key] / narrow:.1f} times less")

# %% [markdown]
# More than eight times less, for maps of the same shape. It is not the same function: what 64 channels
# cannot carry is gone. This **bottleneck** is what the deeper ResNets are made of; chapter 07 builds it.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert plain["params"] == 589_824
assert sum(layer["params"] for layer in through) == 16_384 + 36_864 + 16_384 == 69_632
for key in ("params", "macs"):
    assert plain[key] > 8 * sum(layer[key] for layer in through)

# %% [markdown]
# And why the ReLU? Without one, two 1×1 convolutions in a row are a product of two matrices. That is
# one matrix: you could have taken one layer.

# %%
rng = np.random.default_rng(3)
x = rng.normal(size=(2, 6, 4, 5))
first, second = rng.normal(size=(8, 6, 1, 1)), rng.normal(size=(3, 8, 1, 1))
merged = (second[:, :, 0, 0] @ first[:, :, 0, 0])[:, :, None, None]  # (3, 6, 1, 1)

twice = ops.conv2d(ops.conv2d(x, first), second)
with_relu = ops.conv2d(np.maximum(ops.conv2d(x, first), 0), second)
assert np.allclose(twice, ops.conv2d(x, merged))
assert not np.allclose(with_relu, ops.conv2d(x, merged))
print("two 1×1 convolutions without a ReLU between them are one")

# %% [markdown]
# ## 6 · Is it a matrix multiplication?
#
# You may read that a convolution is *not* one: it slides. Look again at what happens at one position. A
# window is multiplied with a kernel and added up: a dot product. All kernels at one position: a matrix
# times a vector. All positions: a matrix times a matrix. You only have to write the windows side by
# side.

# %%
matrix = ops.im2col(image[None], kernel_size=2)[0]
print(matrix.shape)
assert matrix.shape == (2 * 2 * 2, 2 * 2)
described(
    plots.window_as_column(image, matrix, (2, 2), row=0, column=1),
    "Two 3×3 channels, each with a frame around its top right 2×2 window, and a matrix of "
    "eight rows and four columns. The framed second column reads 2 0 1 3 from channel 0, "
    "then 1 1 0 1 from channel 1.",
)

# %% [markdown]
# The second window, top right, has become the second column: its first channel from left to right and
# top to bottom, then its second channel. Write the kernel out in the same order, as a row, and
# multiply. *Before you run the cell: which four numbers come out?*

# %%
row = kernel.reshape(1, -1)  # (C_out, C_in·K_h·K_w) with C_out = 1
product = row @ matrix  # (C_out, H'·W')
print(product)

# %% [markdown]
# The map of section 1. "Slide and sum" and "one big matrix product" are the same numbers. The way from
# image to matrix is called **im2col**, image to columns.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert product.reshape(2, 2).tolist() == [[6, 7], [1, 7]]
assert np.array_equal(product.reshape(1, 2, 2), ops.conv2d(image[None], kernel[None])[0])

# %% [markdown]
# ### Exercise: `im2col` (5 points)
#
# Return an array `(N, C·K_h·K_w, L)`: for each image a matrix with a column for each of its $L = H'
# \cdot W'$ windows. Down a column the channel varies slowest, then the kernel's row, then its column.
# The columns run over the output positions row by row. `kernel_size`, `stride` and `padding` (zeros) are
# one number or a pair `(height, width)`; there is no dilation. Do without the course's `im2col` and
# PyTorch's `unfold`.
#
# For example, `im2col(np.arange(1, 10).reshape(1, 1, 3, 3), 2)` holds
#
# ```
# [[1 2 4 5]
#  [2 3 5 6]
#  [4 5 7 8]
#  [5 6 8 9]]
# ```


# %% nbgrader={"grade": false, "grade_id": "im2col", "locked": false, "schema_version": 3, "solution": true, "task": false}
def im2col(x, kernel_size, stride=1, padding=0):
    """Every window of each image as a column: (N, C, H, W) → (N, C·K_h·K_w, H_out·W_out)."""
    ### BEGIN SOLUTION
    k_h, k_w = np.broadcast_to(kernel_size, 2)
    s_h, s_w = np.broadcast_to(stride, 2)
    p_h, p_w = np.broadcast_to(padding, 2)
    padded = np.pad(x, ((0, 0), (0, 0), (p_h, p_h), (p_w, p_w)))
    out_h = (padded.shape[2] - k_h) // s_h + 1
    out_w = (padded.shape[3] - k_w) // s_w + 1
    columns = np.zeros((len(x), x.shape[1] * k_h * k_w, out_h * out_w), x.dtype)
    for r in range(out_h):
        for q in range(out_w):
            top, left = r * s_h, q * s_w
            window = padded[:, :, top : top + k_h, left : left + k_w]  # (N, C, K_h, K_w)
            columns[:, :, r * out_w + q] = window.reshape(len(x), -1)
    return columns
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_im2col", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check(im2col)
### BEGIN HIDDEN TESTS
check(im2col, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ### What does it buy?
#
# The number of multiplications is the same either way. Let three programs do them: Python loops that
# slide and sum; NumPy's own loop over the windows, without a matrix; and the matrix product. The times
# are those of the machine that runs this notebook.

# %%
x = rng.normal(size=(1, 64, 28, 28))
w = rng.normal(size=(64, 64, 3, 3))
work = cost.conv_cost(64, 64, 3, 28, 28, padding=1)["macs"]


def slide_and_sum():
    return ops.conv2d(x, w, padding=1, algorithm="loops")


def sum_over_windows():
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
    return np.einsum("ncrqij,ocij->norq", windows, w)


def one_product():
    return ops.conv2d(x, w, padding=1, algorithm="im2col")


def seconds(run, times):
    """The best of several runs."""
    best = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best


same = one_product()
fastest = seconds(one_product, 10)
for run in (slide_and_sum, sum_over_windows):
    start = time.perf_counter()
    assert np.allclose(run(), same)
    took = time.perf_counter() - start
    print(
        f"{run.__name__:16} {took * 1e3:7.1f} ms, {work / took / 1e9:6.2f} billion MACs a second: "
        f"{took / fastest:.0f} times the matrix product's time"
    )
print(
    f"one_product      {fastest * 1e3:7.1f} ms, {work / fastest / 1e9:6.2f} billion MACs a second"
)

# %% [markdown]
# The loops lose to Python's overhead. But the second program runs in compiled code, too, and still
# falls behind. What the product has on its side is decades of work on one routine: it keeps the numbers
# that it needs next close to the processor, uses each several times once they are there, multiplies
# several pairs at once, and takes more than one core where it finds them. A library that turns a
# convolution into a matrix product gets all of that for free. That is why they like to.
#
# The price is memory. *Before you run the cell: each pixel of a large image lies in nine windows of a
# 3×3 kernel. How much larger than the image is the matrix?*

# %%
pixels = 64 * 56 * 56
entries = ops.im2col(np.zeros((1, 64, 56, 56), np.float32), 3, padding=1).size
print(f"{pixels:,} numbers become {entries:,}: {entries / pixels:.0f} times as many")

# %% [markdown]
# Nine times. So libraries build it a piece at a time, or not at all: the routine fetches the pixels as if
# the matrix were there.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert entries == 9 * pixels

# %% [markdown]
# ### Are all these products needed?
#
# Three taps, two neighbouring outputs: six products. **Winograd** found a way with fewer. *Before you run
# the cell: count those that it takes.* (What is made of `g` alone is made once for a kernel, not once for
# a window.)

# %%
d, g = rng.normal(size=4), rng.normal(size=3)  # four pixels, three weights
m0 = (d[0] - d[2]) * g[0]
m1 = (d[1] + d[2]) * ((g[0] + g[1] + g[2]) / 2)
m2 = (d[2] - d[1]) * ((g[0] - g[1] + g[2]) / 2)
m3 = (d[1] - d[3]) * g[2]
agree = np.allclose([m0 + m1 + m2, m1 - m2 - m3], [d[0:3] @ g, d[1:4] @ g])
print("the same two outputs:", agree)

# %% [markdown]
# Four, and more additions. In two dimensions both axes gain: a patch of 2×2 outputs takes 4·4 = 16
# products in place of 36, and one of 4×4 outputs, by the same idea with six pixels to a side, 36 in place
# of 144.
#
# Another way leads through frequencies. The **Fourier transform** writes an image as a sum of waves. A
# kernel that slides over a wave gives the same wave, stronger or weaker and moved along. So each
# wave takes one product, with a complex number, and it does not matter how large the kernel was. The
# price is the transforms, there and back.
#
# `ops.conv2d` has all of them, by name and with the same arguments: `blocked` is the matrix a piece at a
# time, `auto` picks for you.

# %%
picture, kernels = rng.normal(size=(1, 3, 20, 24)), rng.normal(size=(4, 3, 3, 3))
expected = ops.conv2d(picture, kernels, algorithm="loops")
for algorithm in ops.CONV2D_ALGORITHMS:
    difference = np.abs(ops.conv2d(picture, kernels, algorithm=algorithm) - expected).max()
    print(f"{algorithm:13} largest difference from the loops: {difference:.0e}")
    assert difference < 1e-10

# %% [markdown]
# *Before you run the cell: which will be the fastest for a kernel of 3×3, which for one of 31×31? And
# which of them will round worst, in the short numbers (float32) that networks are computed in?*

# %%
largest_error = {}
for c, side, k in ((64, 56, 3), (8, 40, 31)):
    x, w = rng.normal(size=(1, c, side, side)), rng.normal(size=(c, c, k, k))
    expected = ops.conv2d(x, w, padding=k // 2, algorithm="fft")  # in float64
    x, w = x.astype(np.float32), w.astype(np.float32)
    print(f"{k}×{k}, {c} channels, {side}×{side} pixels")
    for algorithm in ("im2col", "fft", "winograd", "winograd_2x2")[: 4 if k == 3 else 2]:
        run = functools.partial(ops.conv2d, x, w, padding=k // 2, algorithm=algorithm)
        error = np.abs(run() - expected).max() / np.abs(expected).max()
        largest_error[algorithm, k] = error
        print(f"  {algorithm:13} {seconds(run, 2) * 1e3:7.1f} ms   largest error {error:.0e}")

# %% [markdown]
# At 3×3 the transforms are a waste; at 31×31 their way leaves the matrix far behind. Whether Winograd's
# ways beat the matrix depends on your machine; they gain less than they save in products, for additions
# take time, too. And patches of 4×4 (`winograd`) pay with about a digit: the terms are larger than what
# they add up to. No algorithm is the best one for every layer. Libraries choose for each anew.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
for patch, fewer, plain in ((2, 16, 36), (4, 36, 144)):
    assert (patch + 3 - 1) ** 2 == fewer and 3 * 3 * patch**2 == plain
assert 4 < largest_error["winograd", 3] / largest_error["im2col", 3] < 40
assert largest_error["winograd_2x2", 3] < largest_error["winograd", 3] / 4

# %% [markdown]
# ## 7 · How does a layer learn?
#
# Chapter 02 carried a gradient back through one kernel on one channel. Nothing new happens in a layer,
# but more of it: the same kernel slice serves every image, and the same channel feeds every kernel. One
# rule covers it. **Whatever is used in several places collects its gradient from all of them.**
#
# `grad_out`, of shape $(N, C_{out}, H', W')$, says how much the loss moves with each output.
#
# - A **bias** is added at every position of its map, in every image. It collects from all of them.
# - The **slice** `weight[o, c]` is used on channel `c` of every image to make map `o`. So it is chapter
#   02's kernel gradient for `x[n, c]` and `grad_out[n, o]`, summed over the images $n$.
# - The **channel** `x[n, c]` is looked at by every kernel. So it is chapter 02's image gradient for
#   `weight[o, c]` and `grad_out[n, o]`, summed over the kernels $o$.
#
# Forwards the layer sums over the input channels. Backwards the input's gradient sums over the output
# channels. *Before you run the cell: a `grad_out` of 1 everywhere, a batch of 4 images, maps of 5×6. What
# is the gradient of a bias?*

# %%
x = rng.normal(size=(4, 2, 7, 8))
weight = rng.normal(size=(3, 2, 3, 3))
ones = np.ones((4, 3, 5, 6))
grad_x, grad_weight, grad_bias = ops.conv2d_backward(ones, x, weight)
print(grad_x.shape, grad_weight.shape, grad_bias)

# %% [markdown]
# 120: each bias collects a 1 from all 30 positions of its map, in all 4 images. The other two sums can
# be had pair by pair, from chapter 02's backward pass; and PyTorch's autograd knows all three.

# %%
assert (grad_bias == 4 * 5 * 6).all()
assert (grad_x.shape, grad_weight.shape) == (x.shape, weight.shape)

pairs = {
    (n, o, c): ops.conv2d_single_backward(ones[n, o], x[n, c], weight[o, c])
    for n in range(4)
    for o in range(3)
    for c in range(2)
}
assert np.allclose(grad_weight[1, 0], sum(pairs[n, 1, 0][1] for n in range(4)))  # over the images
assert np.allclose(grad_x[2, 1], sum(pairs[2, o, 1][0] for o in range(3)))  # over the kernels

leaves = [torch.tensor(a, requires_grad=True) for a in (x, weight, np.zeros(3))]
torch.nn.functional.conv2d(*leaves).sum().backward()
for ours, leaf in zip((grad_x, grad_weight, grad_bias), leaves, strict=True):
    assert np.allclose(ours, leaf.grad)
print("pair by pair and autograd agree")

# %% [markdown]
# ### Exercise: `conv2d_backward` (7 points)
#
# Return the three gradients, `(grad_x, grad_weight, grad_bias)`, of the forward pass `conv2d(x, weight,
# bias, stride, padding)`. `grad_out` has the shape of its output. Each gradient has the shape of what it
# belongs to; pixels that no window touched have gradient 0. `stride` and `padding` are one number or a
# pair `(height, width)`; there is no dilation. `ops.conv2d_single_backward` is yours to use, and so is
# `ops.conv2d`. Do without the course's backward pass of a layer, its transposed convolution and PyTorch's
# autograd.
#
# The three are marked apart. If you miss one, return zeros of the right shape in its place.
#
# For example, with the `ones`, `x` and `weight` from above, `grad_bias` is `[120. 120. 120.]`.


# %% nbgrader={"grade": false, "grade_id": "conv2d_backward", "locked": false, "schema_version": 3, "solution": true, "task": false}
def conv2d_backward(grad_out, x, weight, stride=1, padding=0):
    """The gradients (grad_x, grad_weight, grad_bias) of a convolution layer.

    `grad_out` (N, C_out, H_out, W_out) is the gradient of the loss at the layer's output; `stride`
    and `padding` are an int or a (height, width) pair.
    """
    ### BEGIN SOLUTION
    grad_x = np.zeros(x.shape)
    grad_weight = np.zeros(weight.shape)
    for n in range(len(x)):
        for o in range(weight.shape[0]):
            for c in range(weight.shape[1]):
                of_image, of_kernel = ops.conv2d_single_backward(
                    grad_out[n, o], x[n, c], weight[o, c], stride, padding
                )
                grad_x[n, c] += of_image
                grad_weight[o, c] += of_kernel
    return grad_x, grad_weight, grad_out.sum(axis=(0, 2, 3))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_conv2d_backward", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(conv2d_backward)
### BEGIN HIDDEN TESTS
check(conv2d_backward, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ### Let it find orange
#
# You chose the weights of the orange detector by thinking. Now let the gradient choose. Draw 60
# oranges, and 60 colours to refuse; lay each lot out as an image of one row. The response should be at
# least 1 on an orange and at most −1 elsewhere; what is missing is the error, squared. *Before you run
# the cells: which signs will the weights of red and blue have, and which the bias?*

# %%
backward = yours_or_ours(conv2d_backward, ops.conv2d_backward, ones, x, weight)

rng = np.random.default_rng(0)
oranges = rng.uniform((0.9, 0.45, 0.0), (1.0, 0.65, 0.1), size=(60, 3))
refused = np.array([palette[name] for name in ("blue", "green", "cyan", "magenta")])
greys = np.repeat(rng.uniform(0, 1, size=(20, 1)), 3, axis=1)
others = np.concatenate([np.repeat(refused, 10, axis=0), greys])
colours = np.stack([oranges, others]).transpose(0, 2, 1)[:, :, None, :]
print(colours.shape)  # (N, C, H, W): two images of one row
wanted = np.array([1.0, -1.0]).reshape(2, 1, 1, 1)

w, b = np.zeros((1, 3, 1, 1)), np.zeros(1)
losses = []
for step in range(300):
    response = ops.conv2d(colours, w, b)
    missing = np.maximum(0, 1 - wanted * response)
    losses.append((missing**2).mean())
    upstream = -2 * wanted * missing / missing.size
    _, grad_w, grad_b = backward(upstream, colours, w)
    w, b = w - 0.5 * grad_w, b - 0.5 * grad_b

print(f"red {w[0, 0, 0, 0]:.2f}, blue {w[0, 2, 0, 0]:.2f}, bias {b[0]:.2f}")

# %% jupyter={"source_hidden": true}
# The figure.
assert w[0, 0, 0, 0] > 0 > w[0, 2, 0, 0] and b[0] < 0
described(
    plots.learned_weights(
        losses, dict(zip(("red", "green", "blue", "bias"), [*w.ravel(), *b], strict=True))
    ),
    "Left, the loss falls over 300 steps. Right, four bars: red is positive, "
    "blue and the bias are negative, green is small.",
)

# %% [markdown]
# Red for, blue against, a negative bias: what you found by thinking. Nobody told it about light.

# %%
learned_response = ops.conv2d(colours, w, b)
right = (np.sign(learned_response) == wanted).mean()
print(f"{right:.0%} of the colours on the right side")
assert right == 1

# %% [markdown]
# ## 8 · What do channels come to mean?
#
# In a deep network nobody writes the kernels. What do they find? Start with what two layers could do.
# The first has two kernels, one for top edges and one for left edges; a ReLU keeps what is above 0. The
# second layer has a single kernel, two slices deep: it wants a top edge that runs on to the right *and*
# a left edge that runs on downwards. *Before you run the cell: where on a white square will it fire?*

# %%
square = np.zeros((14, 14))
square[4:10, 4:10] = 1
edges = np.stack([across.T, across])[:, None]  # (2, 1, 3, 3): top edges, left edges

both = np.zeros((1, 2, 3, 3))
both[0, 0, 1, 1:] = 1  # the top edge, here and one to the right
both[0, 1, 1:, 1] = 1  # the left edge, here and one below

first_maps = np.maximum(ops.conv2d(square[None, None], edges, padding=1), 0)  # (1, 2, 14, 14)
second_map = np.maximum(ops.conv2d(first_maps, both, [-9.0], padding=1), 0)  # (1, 1, 14, 14)

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.feature_maps(
        np.stack([square, *first_maps[0], second_map[0, 0]]),
        ["the image", "top edges", "left edges", "both: a corner"],
        title="Edges in the first layer, a corner in the second (0 is middle grey)",
    ),
    "Four grey pictures: a white square; its top edge as a bright bar; its left edge as a "
    "bright bar; and a single bright pixel at the square's top left corner.",
)

# %% [markdown]
# One pixel, the top left corner. The sum over channels did it: neither edge alone has enough evidence to
# get over the bias of −9.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert np.argwhere(second_map[0, 0] > 0).tolist() == [[4, 4]]
for c in range(2):  # one kind of edge alone stays below 9
    assert ops.conv2d(first_maps[:, c : c + 1], both[:, c : c + 1], padding=1).max() == 6

# %% [markdown]
# This is how meaning grows with depth. Edges and colours come first, out of edges corners and textures,
# out of those parts (an eye, a wheel), out of parts whole objects. Zeiler and Fergus (2014) made that
# visible for a network like AlexNet. What a late channel stands for is what its kernel adds up from the channels
# before it.
#
# ### Watch a first layer learn
#
# The first layer is the easy one to look at, as its kernels have three slices and can be drawn in
# colour. Take the ten photographs of the course and cut small patches out of them, 25×25 pixels.

# %%
names = data.photograph_names()
pictures = [data.photograph(name, size=(120, 160), grey=False) for name in names]
described(
    plots.photographs(dict(zip(names, pictures, strict=True))),
    "Ten small photographs in colour, each with its name above it.",
)

# %% [markdown]
# A small network has to say which photograph a patch is from. It begins with random kernels, 7×7, sixteen
# of them. *Before you run the cells: what would you look at, if you had to tell these patches apart?*

# %%
photos = np.stack([picture.transpose(2, 0, 1) for picture in pictures])  # (10, 3, 120, 160)
patches = np.lib.stride_tricks.sliding_window_view(photos, (25, 25), axis=(2, 3))
print(photos.shape, "and all their patches:", patches.shape)


def train_first_layer(seed, steps=250, n=64):
    """Learn to tell the photographs' patches apart: kernels before and after, (16, 3, 7, 7)."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 7, stride=2),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(16, 32, 3),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(32, len(photos)),
    )
    before = net[0].weight.detach().numpy().copy()
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.3)
    right = []
    for _ in range(steps):
        which = rng.integers(0, len(photos), n)
        rows, columns = (rng.integers(0, size, n) for size in patches.shape[2:4])
        x = torch.from_numpy(patches[which, :, rows, columns] - np.float32(0.5))
        y = torch.from_numpy(which)
        logits = net(x)
        loss = torch.nn.functional.cross_entropy(logits, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        right.append((logits.argmax(1) == y).float().mean().item())
    return before, net[0].weight.detach().numpy(), float(np.mean(right[-30:]))


# %% [markdown]
# Two numbers describe a kernel. How alike are neighbouring weights: near 0 for noise, near 1 for a smooth
# picture. And how much of it is one flat colour: the part of its squared weights that is left when you
# replace each slice by its mean. The three trainings below take ten to thirty seconds.


# %%
def neighbours_alike(kernels):
    """How alike neighbouring weights are: about 0 for noise, 1 for a constant."""
    side = kernels.shape[-1]
    across = (kernels[..., :, :-1] * kernels[..., :, 1:]).sum()
    down = (kernels[..., :-1, :] * kernels[..., 1:, :]).sum()
    return (across + down) / 2 / (kernels**2).sum() * side / (side - 1)


def flatness(kernels):
    """The share of each kernel's squared weights that its three slice means account for."""
    means = (kernels.mean(axis=(2, 3)) ** 2).sum(axis=1) * kernels[0, 0].size
    return means / (kernels**2).sum(axis=(1, 2, 3))


runs = [train_first_layer(seed) for seed in range(3)]
print("seed  accuracy  neighbours alike  flat (over 0.6)  not flat (under 0.3)")
for seed, (before, after, accuracy) in enumerate(runs):
    flat = flatness(after)
    print(
        f"{seed:4}  {accuracy:8.2f}  {neighbours_alike(before):6.2f} → {neighbours_alike(after):.2f} "
        f"{(flatness(before) > 0.6).sum():10} → {(flat > 0.6).sum():2} {(flat < 0.3).sum():21}"
    )

# %% jupyter={"source_hidden": true}
# The figure.
ramp = np.linspace(-1, 1, 7)
classics = np.zeros((4, 3, 7, 7))
classics[0] = ramp[None, None, :]  # upright edge
classics[1] = ramp[None, :, None]  # level edge
classics[2] = ((ramp[:, None] + ramp[None, :]) / 2)[None]  # slanting edge
classics[3] = np.array([1.0, 0.1, -1.0])[:, None, None]  # orange, flat

rows = {"by hand: three edges and orange": classics}
for seed, (before, after, _) in enumerate(runs):
    if seed == 0:
        rows["random, as training begins"] = before
    rows[f"learned, seed {seed}"] = after[np.argsort(flatness(after))]
described(
    plots.kernel_tiles(rows, title="Out of noise: edges, bars and many colours"),
    "Rows of small coloured tiles. By hand: three grey edges and a flat orange. Random: "
    "coloured noise. Learned, three rows: on the left a few bars and edges, on the right "
    "many tiles of one colour, among them orange, blue and green.",
)

# %% [markdown]
# Noise has turned into patterns. On the left are those with the most structure: light beside dark,
# bars, edges. On the right are flat tiles, detectors of a colour, like the one you designed. That there
# are so many of them says something about the task: colour tells a flower from a cup quickly. Networks
# trained on a million photographs of a thousand things find edges of all directions in greater number,
# and colours beside them; that is the picture in the AlexNet paper.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
for before, after, _ in runs:
    assert neighbours_alike(before) < 0.2 and neighbours_alike(after) > 0.6
    assert (flatness(before) > 0.6).sum() == 0
    assert (flatness(after) > 0.6).sum() >= 5 and (flatness(after) < 0.3).sum() >= 1

# %% [markdown]
# ## 9 · Why do the shapes not fit?
#
# Most errors in a network's first hour are shapes. Follow one image, 3×32×32, through a small network: two
# convolutions, each with a pool that halves the image (chapter 04), then **flatten**, which writes all
# channels of an image out in one row.

# %%
layers = [
    torch.nn.Conv2d(3, 16, 3, padding=1),
    torch.nn.MaxPool2d(2),
    torch.nn.Conv2d(16, 32, 3),
    torch.nn.MaxPool2d(2),
    torch.nn.Flatten(),
]

# %% [markdown]
# A fully connected layer with ten outputs comes last, and must be told how many numbers arrive. *Before
# you run the cell: how many come out of flatten?*

# %% jupyter={"source_hidden": true}
# The figure.
network = torch.nn.Sequential(*layers, torch.nn.Linear(32 * 7 * 7, 10))
out, shapes = torch.zeros(1, 3, 32, 32), {"image": (3, 32, 32)}
for place, module in enumerate(network):
    out = module(out)
    name = {"Conv2d": "conv", "MaxPool2d": "pool"}.get(type(module).__name__)
    shapes[f"{place} {name or type(module).__name__.lower()}"] = tuple(out.shape[1:])
assert shapes["4 flatten"] == (32 * 7 * 7,) == (1568,)
described(
    plots.shape_flow(shapes, title="Height and width shrink, channels grow, flatten ends it"),
    "Seven blocks: an image 3×32×32; after conv 16×32×32; after pool 16×16×16; after conv "
    "32×14×14; after pool 32×7×7; after flatten a bar of 1568; after linear a bar of 10.",
)

# %% [markdown]
# 32 channels of 7×7: 1,568 numbers. Now somebody takes the padding out of the first convolution and
# forgets that the last layer, in PyTorch a *linear* one, was made for those.

# %%
network[0] = torch.nn.Conv2d(3, 16, 3)
try:
    network(torch.zeros(1, 3, 32, 32))
except RuntimeError as error:
    print("PyTorch:", error)

# %% [markdown]
# Which layer? It does not say; and the mistake is not where it shows. Write the shape beside every layer,
# and you see it at once: 32, 30, 15, 13, 6, so 32·6·6 numbers arrive and 32·7·7 were asked for. That
# habit cures more bugs than any other. Make a tool of it.

# %%
sizes = [32]
for kernel_size, stride in ((3, 1), (2, 2), (3, 1), (2, 2)):
    sizes.append(geometry.output_size(sizes[-1], kernel_size, stride))
print(sizes, 32 * sizes[-1] ** 2)
assert sizes == [32, 30, 15, 13, 6] and 32 * 6 * 6 == 1152

# %% [markdown]
# ### Exercise: `trace_shapes` (6 points)
#
# Return the shape after each layer: a list with one tuple for each layer, in order. The input's own shape
# is not in it. `input_shape` is `(N, C, H, W)`, and every shape begins with the batch, $N$. Layers are
# tuples:
#
# | layer | takes | gives |
# | --- | --- | --- |
# | `("conv", c_in, c_out, kernel, stride, padding)` | `(N, c_in, H, W)` | `(N, c_out, H', W')` |
# | `("pool", kernel, stride)` | `(N, C, H, W)` | `(N, C, H', W')` |
# | `("relu",)` | any shape | the same shape |
# | `("flatten",)` | `(N, C, H, W)` | `(N, C·H·W)` |
# | `("linear", n_in, n_out)` | `(N, n_in)` | `(N, n_out)` |
#
# All numbers are ints; `H'` and `W'` come from chapter 02's formula, for the pool without padding.
# `geometry` is yours to use. Do without the course's `cost_table`, and without running the layers.
#
# Where a layer does not fit what arrives, raise a `ValueError`: other channels or features than it
# takes; the wrong number of axes, such as maps in a linear layer; a kernel larger than its padded input.
# The message must name the layer, by its place in the list (from 0) and its name: `layer 2, linear: takes
# 3072 features, 16384 arrive`. The words around the two are yours.
#
# For example, `trace_shapes((1, 3, 32, 32), [("conv", 3, 16, 3, 1, 1), ("pool", 2, 2)])` is
# `[(1, 16, 32, 32), (1, 16, 16, 16)]`.


# %% nbgrader={"grade": false, "grade_id": "trace_shapes", "locked": false, "schema_version": 3, "solution": true, "task": false}
def trace_shapes(input_shape, layers):
    """The shape after each layer, a list of tuples; ValueError where a layer does not fit."""
    ### BEGIN SOLUTION

    def swept(n, kernel, stride, padding=0):
        if kernel > n + 2 * padding:
            raise ValueError(f"a kernel of {kernel} does not fit into {n} pixels")
        return (n + 2 * padding - kernel) // stride + 1

    def after(shape, name, *sizes):
        axes = {"conv": 4, "pool": 4, "flatten": 4, "linear": 2}.get(name, len(shape))
        if len(shape) != axes:
            raise ValueError(f"takes {axes} axes, {len(shape)} arrive")
        if name == "conv":
            c_in, c_out, *sweep = sizes
            if shape[1] != c_in:
                raise ValueError(f"takes {c_in} channels, {shape[1]} arrive")
            return (shape[0], c_out, *(swept(n, *sweep) for n in shape[2:]))
        if name == "pool":
            return (*shape[:2], *(swept(n, *sizes) for n in shape[2:]))
        if name == "flatten":
            return (shape[0], shape[1] * shape[2] * shape[3])
        if name == "linear":
            n_in, n_out = sizes
            if shape[1] != n_in:
                raise ValueError(f"takes {n_in} features, {shape[1]} arrive")
            return (shape[0], n_out)
        return shape

    shape, shapes = tuple(input_shape), []
    for place, layer in enumerate(layers):
        try:
            shape = after(shape, *layer)
        except ValueError as error:
            raise ValueError(f"layer {place}, {layer[0]}: {error}") from error
        shapes.append(shape)
    return shapes
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_trace_shapes", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check(trace_shapes)
### BEGIN HIDDEN TESTS
check(trace_shapes, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# The broken network again, through your function. Does the message name layer 5, and both numbers?

# %%
broken = [
    ("conv", 3, 16, 3, 1, 0),
    ("pool", 2, 2),
    ("conv", 16, 32, 3, 1, 0),
    ("pool", 2, 2),
    ("flatten",),
    ("linear", 32 * 7 * 7, 10),
]
try:
    print(trace_shapes((1, 3, 32, 32), broken))
except NotImplementedError:
    print("trace_shapes is not ready. Ours says: layer 5, linear: takes 1568 features, 1152 arrive")
except Exception as error:
    print(f"{type(error).__name__}: {error}")

# %% [markdown]
# The course has such a tool, with the costs of section 4 beside the shapes. *Before you run the cell:
# which layer of the mended network holds the most parameters, and which does the most work?*

# %%
mended = [*broken[:5], ("linear", 32 * 6 * 6, 10)]
table = cost_table.of_layers((1, 3, 32, 32), mended)
table

# %% [markdown]
# The linear layer holds the most, the second convolution works the most. The last column counts the
# numbers that a layer hands on, its **activations**: most of them have to be kept until the backward pass
# needs them. `cost_table.of_module` makes the same table of a PyTorch network.

# %%
network[5] = torch.nn.Linear(32 * 6 * 6, 10)
measured = cost_table.of_module(network, (1, 3, 32, 32))
assert (table.params, table.macs) == (measured.params, measured.macs)
assert max(table.rows, key=lambda row: row.params).name == "5 linear"
assert max(table.rows, key=lambda row: row.macs).name == "2 conv"
print(f"{measured.params:,} parameters, {measured.macs:,} MACs")

# %% [markdown]
# ## 10 · In production code, and further reading
#
# - `torch.nn.functional.conv2d(input, weight, bias, stride, padding, dilation, groups)` is your `conv2d`
#   with groups. `torch.nn.Conv2d` keeps the weight and the bias; its default weights are random, between
#   $-1/\sqrt{n}$ and $1/\sqrt{n}$, where $n = C_{in} K_h K_w$ counts what one kernel adds up.
# - `torch.nn.functional.unfold` is im2col with your layout. `fold` adds columns back up to an image: the
#   way back for a gradient, not an inverse.
# - `torch.backends.cudnn.benchmark = True`: on an NVIDIA card, the first image of each new size is computed
#   with several algorithms (matrix, Winograd, Fourier), and the fastest one is kept.
# - TensorFlow keeps its channels last, $(N, H, W, C)$, and its weights as $(K_h, K_w, C_{in}, C_{out})$.
#   PyTorch can store them that way too, `memory_format=torch.channels_last`, under the same shape.
# - `torch.utils.flop_counter` counts FLOPs as a network runs. On the `meta` device, which computes shapes
#   only, that takes hardly any memory or time.
# - In `torchvision/models/resnet.py`, `Bottleneck` is the 1×1, 3×3, 1×1 of section 5, with BatchNorm. The
#   paper puts a stride of 2 into the first 1×1, torchvision into the 3×3.
# - timm: `timm.create_model(name)` builds some hundreds of architectures. For images of other than three
#   channels say `in_chans=…`; with `pretrained=True` it adds up or repeats the slices of the first layer's
#   kernels for you.

# %%
module = torch.nn.Conv2d(3, 16, 3)
bound = 1 / np.sqrt(3 * 3 * 3)
assert module.weight.abs().max().item() <= bound
assert tuple(module.weight.shape) == (16, 3, 3, 3)

unfolded = torch.nn.functional.unfold(torch.tensor(image[None].astype(float)), 2)
assert np.array_equal(unfolded[0], matrix)

from torch.utils.flop_counter import FlopCounterMode

with FlopCounterMode(display=False) as counter:
    torch.nn.Conv2d(3, 16, 3, padding=1, device="meta")(torch.zeros(1, 3, 32, 32, device="meta"))
assert counter.get_total_flops() == cost.conv_cost(3, 16, 3, 32, 32, padding=1)["flops"]
print("PyTorch counts", f"{counter.get_total_flops():,}", "FLOPs")

# %% [markdown]
# **Read on**
#
# - Zeiler and Fergus, *Visualizing and understanding convolutional networks* (arXiv:1311.2901): what the
#   channels of each layer of a trained network answer to.
# - Olah, Mordvintsev and Schubert, *Feature visualization* (distill.pub/2017/feature-visualization): the
#   same question, with pictures that the network is made to paint.
# - Lin, Chen and Yan, *Network in network* (arXiv:1312.4400): where the 1×1 convolution comes from.
# - Chellapilla, Puri and Simard, *High performance convolutional neural networks for document
#   processing* (2006): an early use of the im2col trick.
# - Lavin and Gray, *Fast algorithms for convolutional neural networks* (arXiv:1509.09308): Winograd's
#   products, in two dimensions and over channels.
# - Zhang, Lipton, Li and Smola, *Dive into Deep Learning* (d2l.ai), *Multiple input and multiple output
#   channels*: the ground of sections 1 to 5, with code.
# - The notes of Stanford's CS231n on convolutional networks: the moving picture of two kernels over three
#   channels.

# %% [markdown]
# ## 11 · What you can now say
#
# **A kernel on a colour image: what shape has it?** Three slices deep: it spans all input channels, sums
# over them and makes one map. *(Section 1)*
#
# **Why sum over the channels?** Because what is looked for shows in all of them at once. An orange needs
# high red, middling green and low blue; each channel brings evidence for or against, and the bias says
# how much is enough. *(Section 2)*
#
# **What can such a sum not do?** Accept what lies between two colours and refuse both: it is linear. Two
# layers with a ReLU between them can. *(Section 2)*
#
# **What is the difference between a channel and a feature map?** None. It is the output of one layer and
# the input of the next. *(Section 3)*
#
# **How many parameters has a layer from 3 to 16 channels with 3×3 kernels?** 432 weights and 16 biases,
# 448. *(Section 4)*
#
# **And how much work is it?** K² · C_in · C_out MACs at each of the H′·W′ output positions; FLOPs are
# twice that. As a rule early layers, on large maps, work most, and late ones, with deep kernels, store
# most. *(Section 4)*
#
# **What is a 1×1 convolution for?** A dot product over the channels in every pixel: it mixes them,
# changes their number cheaply, and with a ReLU adds a bend. On a single channel it only scales.
# *(Section 5)*
#
# **What is a bottleneck?** 1×1 down, 3×3, 1×1 up. From 256 channels through 64 it takes 69,632 weights
# in place of 589,824. *(Section 5)*
#
# **Is a convolution a matrix multiplication?** After im2col, yes, the same numbers; libraries do it
# because a matrix product is the fastest thing they have. It costs memory: nine times the image for a
# 3×3 kernel. *(Section 6)*
#
# **Can it be done with fewer multiplications?** For 3×3 kernels Winograd's way takes 16 or 36 in place of
# 36 or 144; for very large kernels the Fourier transform pays, as its cost does not depend on the kernel's
# size. Which is fastest depends on the layer and the machine. *(Section 6)*
#
# **How does a layer's backward pass go?** Whatever is used in several places adds up its gradients:
# biases over images and positions, weights over images and windows, pixels over windows and kernels.
# *(Section 7)*
#
# **What do the first kernels of a trained network look like?** Edges, bars and spots of colour.
# *(Section 8)*
#
# **Your network says that shapes do not match. What do you do?** Write the shape beside every layer.
# *(Section 9)*

# %% [markdown]
# ## 12 · Quiz
#
# Seven questions, a point each. Their numbers are drawn from the seed: put another seed into both cells
# and you have a new set to practise on. The functions of this chapter may help. Write a number, or the
# letter of your choice in quotes.

# %%
questions("03", seed=1)

# %% nbgrader={"grade": false, "grade_id": "quiz_03", "locked": false, "schema_version": 3, "solution": true, "task": false}
answers = {
    "quiz": "03",
    "seed": 1,
    "weight": None,  # question 1, a letter
    "params": None,  # question 2
    "macs": None,  # question 3
    "bottleneck": None,  # question 4
    "columns": None,  # question 5
    "trace": None,  # question 6
    "bias": None,  # question 7
}
if None in answers.values():
    ### BEGIN SOLUTION
    answers.update(
        weight="c", params=660, macs=691_200, bottleneck=10496, columns=65664, trace=576, bias=1568
    )
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test_quiz_03", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(answers)
### BEGIN HIDDEN TESTS
check(answers, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# Your layers keep every position, or every second one. But does it matter whether the cat's ear is at
# pixel 100 or 101? Chapter 04 throws positions away on purpose, and asks what that costs.
