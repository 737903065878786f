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
# # Chapter 01 · Why convolution?
#
# Cut a photograph of a cat into its pixels, shake them in a bag, and lay them out again in some other order. For you the cat
# is gone. Do the same to a thousand photographs, always in the same new order, and let a fully connected layer learn from them: it
# learns as well as before. Section 3 shows why, and section 4 measures it.
#
# A network that reads images should know what you know without thinking: that pixels have neighbours. This chapter is about
# the layer that knows it, what that saves, and what it costs.
#
# **What you will be able to do**
#
# - count the parameters of a fully connected layer and of a convolution, and say which of the two depends on the image's size;
# - say what is lost when an image becomes a vector, and measure who misses it;
# - name the three things that a convolution takes for granted about images, and what each is good for;
# - write a convolution as the matrix it is;
# - tell *equivariance* from *invariance*, and measure the first.
#
# **What you need**: NumPy arrays and the product of a matrix and a vector. You should have seen a neural network being trained
# once; you need not have written one. The exercises need NumPy alone.
#
# **Time and points**: about 100 minutes, 24 points.
#
# | section | exercise | points |
# | --- | --- | ---: |
# | 1 | `fc_params` | 2 |
# | 2 | `conv_params` | 4 |
# | 3 | `flattened_distance` | 3 |
# | 6 | `conv_as_matrix` | 4 |
# | 7 | `equivariance_error` | 4 |
# | 11 | `quiz_01` | 7 |
#
# Stuck on an exercise? `hint(fc_params)` in a cell of your own shows a hint, and a further one each time you run it. After
# the last hint, or once you have passed, `solution(fc_params)` shows our answer.
#
# The experiments below use the course's own functions, never yours: you can run them before you have solved anything. Where you
# are asked to predict what a cell will show, its code may be folded away behind three dots, since it would tell. Run it like any
# other; a click on the dots opens it.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import numpy as np

from autograder.check import check, hint, questions, solution
from course_lib import cost, data, equivariance, geometry, ops

# %%
from course_lib.explorers import Connections
from course_lib.plots import described
from course_lib.plots import why_convolution as plots

# %% [markdown]
# ## 1 · What does a fully connected layer cost?
#
# A fully connected layer, also called *dense*, draws a line from every input to every output. Each line is one weight. An output
# multiplies each input by the weight on its line and adds up; the outputs are also called **units**. Give the layer an image, and
# every pixel is an input; a colour image has three inputs a pixel.
#
# *Before you run the cell:* the smallest image below has 28×28 grey pixels and goes into 512 units. Thousands of weights?
# Hundreds of thousands? And how many for an ordinary photograph?

# %%
layers = [
    ("28×28 grey", 28 * 28, 512),
    ("224×224 colour", 224 * 224 * 3, 512),
    ("200×200 colour", 200 * 200 * 3, 1_000),
]
print("         image    inputs   units       weights")
for image, n_in, n_out in layers:
    print(f"{image:>14} {n_in:>9,} {n_out:>7,} {n_in * n_out:>13,}")

megabytes = 224 * 224 * 3 * 512 * 4 / 1e6  # a weight is a 32-bit number: four bytes
print(f"\nThe second layer's weights fill {megabytes:.0f} MB.")

# %% [markdown]
# The thumbnail already takes 401,408 weights. The photograph takes 77,070,336, and it is not a large photograph. With 1,000
# units, 200×200 pixels are enough for 120,000,000. That is one layer, and its work has hardly begun.
#
# Besides its weights, each output usually learns one number more: a **bias**, which it adds to its sum. Weights and biases together
# are the layer's **parameters**.
#
# *Before you write any code:* draw a layer with 3 inputs and 2 outputs on paper. How many lines are there? How many numbers does the
# layer learn?
#
# ### Exercise: `fc_params` (2 points)
#
# Count the parameters of a fully connected layer with `n_in` inputs and `n_out` outputs. Return an `int`: all the numbers that the
# layer learns. With `bias=False` the layer has no biases.
#
# For example, `fc_params(784, 512, bias=False)` is `401408`, and `fc_params(784, 512)` is `401920`.


# %% nbgrader={"grade": false, "grade_id": "fc_params", "locked": false, "schema_version": 3, "solution": true, "task": false}
def fc_params(n_in, n_out, bias=True):
    """How many parameters a fully connected layer has: an int.

    One weight for each input of each output; with `bias`, one more number for each output.
    """
    ### BEGIN SOLUTION
    weights = n_in * n_out
    return weights + n_out if bias else weights
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_fc_params", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check(fc_params)
### BEGIN HIDDEN TESTS
check(fc_params, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# In a formula, with $n_\text{in}$ inputs and $n_\text{out}$ outputs:
#
# $$\text{parameters} = n_\text{in} \cdot n_\text{out} + n_\text{out}$$
#
# So your drawing has six lines, and the layer learns eight numbers.
#
# ## 2 · Which of these weights can go?
#
# Look for the outline of a roof in a photograph. To say that an edge runs *here*, you look at a few pixels around here; the
# far corner has no say. And to find an edge over there, you do not need other eyes. You move the ones you have.
#
# That is two savings:
#
# - **local connectivity**: an output looks at a small window of the image, not at all of it;
# - **weight sharing**: all outputs look through the same weights, each at its own window.
#
# A layer with both is a **convolution**. Its one small table of weights is the **kernel**.
#
# *Before you play:* the image below has 6×6 pixels, the kernel 3×3 weights. It fits into 4×4 places, so there are 16 outputs.
# How many weights has a dense layer from the image to these outputs? How many has the convolution? Then make the image 8×8.
# Which of the two numbers moves?
#
# Point at an output, or walk with the arrow keys, and see which pixels it uses, through which weights. Turn it round, too: point
# at the corner pixel of the image. How many outputs hear of it? (Below each layer stands its matrix; section 6 comes back to it.)

# %%
Connections(image_size=6, kernel_size=3)

# %%
for size in (6, 7, 8):
    view = Connections(image_size=size, kernel_size=3)
    print(f"{size}×{size} pixels: dense {view.dense_weights:>5,}, convolution {view.conv_weights}")

# %% [markdown]
# Dense: 36 pixels times 16 outputs, 576 weights, and more with each pixel. Convolution: nine, whatever the image.
#
# Images have channels, such as red, green and blue, and a layer usually looks for more than one thing. So each kernel reaches
# over all $C_\text{in}$ input channels, with weights of its own in each; and there is one kernel for each of the
# $C_\text{out}$ output channels. Each output channel has one bias. Chapter 03 takes its time over this; for the count it is
# enough.
#
# *Before you write any code:* a layer takes a colour image, 3 channels, to 16 channels, through kernels of 3×3. How many weights is
# that? Write your number down, then set the explorer above to 3 channels in and 16 out. (It leaves the biases out.)
#
# ### Exercise: `conv_params` (4 points)
#
# Write the count of a convolution's parameters. It returns an `int`. `kernel_size` is one whole number for a square kernel, or
# a `(height, width)` pair, and it may come as an `int`, a NumPy integer, a tuple or a list: functions in PyTorch are as
# generous. With `bias=False` the layer has no biases.
#
# For example, `conv_params(3, 16, 3)` is `448`, and `conv_params(1, 4, (1, 5), bias=False)` is `20`.


# %% nbgrader={"grade": false, "grade_id": "conv_params", "locked": false, "schema_version": 3, "solution": true, "task": false}
def conv_params(c_in, c_out, kernel_size, bias=True):
    """How many parameters a convolution has: an int.

    Each of the `c_out` kernels reaches over all `c_in` channels; with `bias`, each output
    channel has one number more. `kernel_size` is a whole number (int or NumPy integer), or a
    (height, width) pair as a tuple or list.
    """
    ### BEGIN SOLUTION
    height, width = (
        kernel_size if isinstance(kernel_size, tuple | list) else (kernel_size, kernel_size)
    )
    weights = c_out * c_in * height * width
    return weights + c_out if bias else weights
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_conv_params", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check(conv_params)
### BEGIN HIDDEN TESTS
check(conv_params, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ### What does not occur in the count
#
# In a formula, with kernels of $K_h \times K_w$:
#
# $$\text{parameters} = C_\text{out} \cdot (C_\text{in} \cdot K_h \cdot K_w + 1)$$
#
# Look for the image's height and width in it. They are not there.

# %%
assert (cost.fc_params(3, 2, bias=False), cost.fc_params(3, 2)) == (6, 8)
assert Connections(image_size=6, kernel_size=3).dense_weights == 576
assert Connections(in_channels=3, out_channels=16).conv_weights == 448 - 16

sides = [8, 16, 32, 64, 128, 224]
described(
    plots.cost_growth(
        sides,
        {
            "dense, 512 units": [
                cost.fc_params(side * side * 3, 512, bias=False) for side in sides
            ],
            "convolution, 64 kernels of 3×3": [
                cost.conv_params(3, 64, 3, bias=False) for side in sides
            ],
        },
    ),
    "Weights against the side of a colour image, both axes logarithmic. The dense "
    "layer climbs in a straight line from about a hundred thousand at 8 pixels to 77 "
    "million at 224. The convolution stays at 1,728.",
)

# %% [markdown]
# ### Weights or work?
#
# A fair warning about this figure: it counts what is *learned and stored*, not what is *computed*. A dense layer uses each of
# its weights once for an image. A convolution uses each of its weights again at every position.
#
# And the two layers of the figure do not answer equally much: the dense one has 512 outputs, the convolution 64 at each of 224×224
# positions. To be fair, let a dense layer compute as many. And to tell the two savings apart, put a third layer between: it looks
# through 3×3 windows, but has other weights at each position. *Before you run the cell: which of the two savings will save
# multiplications?*

# %%
n_in, n_out = 224 * 224 * 3, 64 * 224 * 224  # with a border of padding, as many outputs as pixels
positions, window = 224 * 224, 3 * 3 * 3
layers = [  # name, weights, multiplications for one image
    ("dense, 512 outputs", n_in * 512, n_in * 512),
    ("dense, as many outputs as below", n_in * n_out, n_in * n_out),
    ("looks locally, shares nothing", window * n_out, window * n_out),
    ("looks locally and shares: convolution", window * 64, window * n_out),
]
print(f"{'':38}{'weights':>16}{'multiplications':>18}")
for name, weights, multiplications in layers:
    print(f"{name:38}{weights:>16,}{multiplications:>18,}")

# %% [markdown]
# **Local connectivity saves work**: each output multiplies 27 numbers, not 150,528. **Weight sharing saves weights**: they are the
# same at all 50,176 positions, and are used at each of them. To the same outputs a dense layer needs about 4.8 · 10¹¹
# multiplications, and as many weights.
#
# Read the first line and the last, too. A dense layer with few outputs can cost fewer multiplications than a convolution, which
# answers at every position. What that costs in a whole network is a subject of chapter 03; what sharing buys besides fewer weights,
# of section 7.

# %% jupyter={"source_hidden": true}
# The numbers of the text above.
assert (n_in, window, positions) == (150_528, 27, 50_176)
assert round(n_in * n_out / 1e11, 1) == 4.8
assert cost.conv_params(3, 64, 3, bias=False) == window * 64
assert layers[0][2] < layers[3][2] < layers[1][2]

# %% [markdown]
# ## 3 · What is lost when an image becomes a vector?
#
# Suppose that weights cost nothing. Is there anything else to say against a dense layer?
#
# Before an image can enter one, it has to be **flattened**: its rows are laid end to end, and a grid becomes a vector. Take the
# pixel in the middle of this small image and its four neighbours. *Before you run the cell: how far from it will each of the
# four stand in the vector?*

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.flattening(height=5, width=6, pixel=(2, 2)),
    "A grid of 5×6 pixels, numbered row by row, with pixel 14 and its neighbours 8, 13, "
    "15 and 20 framed. Below it the vector of 30 pixels: 13 and 15 still touch 14, "
    "while 8 and 20 stand six places away.",
)

# %%
for width in (6, 28):
    numbered = np.arange(5 * width).reshape(5, width)  # each pixel holds its place in the vector
    print(f"{width} pixels wide, around pixel (2, 2):")
    print(numbered[1:4, 1:4])
    print(f"row 2 ends with {numbered[2, -1]}, row 3 begins with {numbered[3, 0]}\n")

# %% [markdown]
# The neighbours to the left and right are still next to it. Those above and below are one row's length away: six places here,
# 28 places in an image 28 pixels wide. And the last pixel of a row has a new neighbour, which stood at the other end of the
# image.
#
# ### Exercise: `flattened_distance` (3 points)
#
# How far apart do two pixels end up? `p` and `q` are pixels, each a tuple `(row, column)`, both counted from 0. The image is
# `width` pixels wide and is flattened row by row. Return the distance of their positions in the vector: an `int`, not negative,
# whichever of the two comes first. (To begin with: at which position does one pixel end up?)
#
# For example, with `width=28`: `(0, 0)` and `(0, 1)` are `1` apart, `(0, 0)` and `(1, 0)` are `28` apart, and `(1, 0)` and
# `(0, 27)`, at opposite sides of the image, are `1` apart.


# %% nbgrader={"grade": false, "grade_id": "flattened_distance", "locked": false, "schema_version": 3, "solution": true, "task": false}
def flattened_distance(p, q, width):
    """How far apart two pixels stand in the flattened image: an int, at least 0.

    `p` and `q` are (row, column); the image is `width` pixels wide and flattened row by row.
    """
    ### BEGIN SOLUTION
    position_p = p[0] * width + p[1]
    position_q = q[0] * width + q[1]
    return abs(position_p - position_q)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_flattened_distance", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check(flattened_distance)
### BEGIN HIDDEN TESTS
check(flattened_distance, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# In an image of width $W$, pixel $(r, c)$ goes to position
#
# $$r \cdot W + c$$
#
# so a step to the right is a step of 1, and a step down is a step of $W$.
#
# ### Can the layer tell?
#
# You can tell 1 from 28. Can a dense layer? Take one with random weights, show it a photograph, and write down its outputs. Then
# shuffle the pixels of the photograph, and the columns of the weights in the same order.

# %%
rng = np.random.default_rng(0)
image = data.photograph("camera", size=64).astype(np.float64)
weights = rng.normal(size=(512, 64 * 64))  # one row for each output, one column for each pixel

order = rng.permutation(64 * 64)
shuffled_image = image.ravel()[order]
shuffled_weights = weights[:, order]

difference = np.abs(weights @ image.ravel() - shuffled_weights @ shuffled_image).max()
print(f"largest difference between the outputs: {difference:.1e}")
assert difference < 1e-9

described(
    plots.pictures(
        [image, shuffled_image.reshape(64, 64)],
        ["photograph", "shuffled"],
        "One layer's outputs for the left are another's for the right",
    ),
    "Left, a photographer at a tripod in 64×64 pixels. Right, the same pixels in "
    "random order: grey noise.",
)

# %% [markdown]
# Nothing changed but the rounding. A sum does not care for the order of its terms. So for every dense layer that reads
# photographs there is another, with the same weights in other places, that reads their shuffled pixels just as well. Training
# starts from random weights, and in a random matrix one order of the columns is as likely as another: it has no reason to find
# the one layer sooner than the other.
#
# To a dense layer, *next to* has no meaning. What it needs to know about neighbours it must learn from examples, pixel by pixel.
#
# ## 4 · Does a network miss what was lost?
#
# That was an argument. Here is the experiment, on 1,797 real handwritten digits of 8×8 pixels. We shuffle the pixels of all of
# them in **one fixed order**, the same for every image, training and test alike.

# %%
import torch
from torch import nn

torch.set_num_threads(1)  # these networks are so small that a second thread would only wait

images, labels = data.digits()
test_images, _ = data.digits("test")
print(f"{len(images):,} images of {images.shape[1]}×{images.shape[2]} pixels")
print(f"{len(test_images)} of them are held back for the test")
print(f"one of these more or less read moves an accuracy by {1 / len(test_images):.3f}")

examples = [int(np.flatnonzero(labels == digit)[0]) for digit in range(10)]
described(
    plots.before_and_after(
        images[examples],
        data.permute_pixels(images[examples], seed=0),
        [str(digit) for digit in range(10)],
        ("as scanned", "shuffled"),
        "The same pixels, all in one other order",
    ),
    "Ten handwritten digits of 8×8 pixels, 0 to 9. Below each, its pixels in the new "
    "order: no digit can be recognised.",
)

# %% [markdown]
# Two networks learn to read them. The **MLP** (*multilayer perceptron*: nothing but dense layers) flattens the image and has two
# dense layers.
#
# The **CNN** (*convolutional neural network*) has two convolutions. What a convolution answers through one kernel is an image again,
# a **map**; the second convolution has 32 kernels and returns 32 maps. The last part of a network, which decides by what the layers
# before have found, is its **head**. The head of this CNN averages each map to one number and decides by these 32 averages. (That
# is called *global average pooling*; chapter 04 is about it.)


# %%
def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(8 * 8, 64), nn.ReLU(), nn.Linear(64, 10))


def two_convolutions():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 32, 3, padding=1),
        nn.ReLU(),
    )


def average_head():
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))


def cnn():
    return nn.Sequential(two_convolutions(), average_head())


# %% [markdown]
# An ordinary training loop, run for four seeds. The seed decides everything that chance decides: which digits are held back for
# the test, the order of the pixels, the first weights, the order of the examples. You may skip the code.


# %%
import math


def accuracies(build, seeds=range(4), frozen=None):
    """Test accuracies on digits as they are and on shuffled ones, one for each seed.

    `frozen` builds layers that stand in front and keep their random weights.
    """
    as_scanned, shuffled = [], []
    for seed in seeds:
        as_scanned.append(train_and_test(build, seed, False, frozen))
        shuffled.append(train_and_test(build, seed, True, frozen))
        print(f"seed {seed}: {as_scanned[-1]:.3f} in their places, {shuffled[-1]:.3f} shuffled")
    return as_scanned, shuffled


def train_and_test(build, seed, shuffle, frozen, epochs=20, batch=64, rate=0.02):
    torch.manual_seed(seed)
    before = frozen() if frozen else nn.Identity()
    network = build()
    x, y = digits_for("train", seed, shuffle)
    x_test, y_test = digits_for("test", seed, shuffle)
    with torch.no_grad():
        x, x_test = before(x), before(x_test)
    optimiser = torch.optim.Adam(network.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=rate, total_steps=epochs * math.ceil(len(x) / batch)
    )
    for _ in range(epochs):
        for some in torch.randperm(len(x)).split(batch):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(x[some]), y[some]).backward()
            optimiser.step()
            schedule.step()
    with torch.no_grad():
        return float((network(x_test).argmax(1) == y_test).float().mean())


def digits_for(split, seed, shuffle):
    images, labels = data.digits(split, seed=seed)
    if shuffle:
        images = data.permute_pixels(images, seed=seed)
    return torch.from_numpy(images)[:, None], torch.from_numpy(labels)  # (N, 1, 8, 8), (N,)


def report(results):
    print(f"{'':34}{'in their places':>22}{'shuffled':>22}")
    for name, both in results.items():
        told = [f"{np.mean(a):.3f} ({min(a):.3f}-{max(a):.3f})" for a in both]
        print(f"{name:34}{told[0]:>22}{told[1]:>22}")


def fall(name):
    """How much lower the mean accuracy is on shuffled pixels."""
    in_their_places, shuffled = results[name]
    return np.mean(in_their_places) - np.mean(shuffled)


# %% [markdown]
# *Before you run the cell: which of the two will suffer from the shuffling, and how much? Will it still read any digits at all?* The
# cell trains 16 networks. That takes about half a minute; each seed says when it is done.

# %%
results = {}
for name, build in (("MLP", mlp), ("CNN, average head", cnn)):
    print(name)
    results[name] = accuracies(build)

print()
report(results)

# %% jupyter={"source_hidden": true}
# The figure.
assert fall("CNN, average head") > 0.03 > abs(fall("MLP"))

described(
    plots.accuracies(results, "Shuffling the pixels leaves the MLP alone and hurts the CNN"),
    "Test accuracy, a mark for each of four seeds. The MLP's marks stand equally high "
    "for pixels in their places and shuffled. The CNN's fall by several hundredths "
    "when the pixels are shuffled.",
)

# %% [markdown]
# The table has means over four seeds, with the smallest and largest in brackets. With 450 test images, one image more or less moves an
# accuracy by 0.002: differences of a few times that size say nothing.
#
# The MLP reads noise as well as digits. The CNN loses several hundredths: its kernels look for strokes in windows of neighbours, and
# there are no more strokes and no more neighbours. It stays far above guessing, which would be 0.1. The order is the same in every
# image, so even a window of nine strangers shows patterns that differ from digit to digit.
#
# So the convolution *relies on something* that the dense layer never assumed. Such an assumption, made before any data is seen,
# is called a **prior**, or an *inductive bias*.
#
# Read the left-hand column too. On digits in their places, this CNN is behind the MLP. A prior is a bet, and the bet of this
# network is steep: an average over a map forgets where on the map a stroke was, while in these small, centred digits the place
# tells much.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
in_their_places = {name: np.mean(both[0]) for name, both in results.items()}
shuffled = {name: np.mean(both[1]) for name, both in results.items()}
assert in_their_places["MLP"] > in_their_places["CNN, average head"]
assert min(shuffled.values()) > 0.5
assert len(test_images) == 450

# %% [markdown]
# ### Another head, another answer
#
# Leave the two convolutions as they are. In place of the averages, flatten all 32 maps into one vector and put a dense layer on
# that. *Before you run the cell: will this CNN fall, too?*


# %%
def flatten_head():
    return nn.Sequential(nn.Flatten(), nn.Linear(32 * 8 * 8, 10))


def cnn_with_flatten_head():
    return nn.Sequential(two_convolutions(), flatten_head())


results["CNN, flatten head"] = accuracies(cnn_with_flatten_head)
print()
report(results)

# %% [markdown]
# It hardly falls, and with the pixels in their places it is ahead of the average head, too. The same convolutions, the same
# noise. Why?
#
# The flatten head has a weight of its own for each of the 32 maps *at each of the 64 positions*. It is a dense layer, and to a
# dense layer any order of positions is as good as another. The convolutions below it still mix nine unrelated pixels in each
# window, but 32 mixtures at 64 positions leave the head enough to tell the digits apart.
#
# If that is the reason, the convolutions need not learn anything. Freeze them at their first, random weights and train the head
# alone. *Before you run the cell: will this one still read digits? Shuffled ones?*

# %%
results["random convolutions, flatten head"] = accuracies(flatten_head, frozen=two_convolutions)
print()
report(results)

# %% jupyter={"source_hidden": true}
# The figure.
assert fall("CNN, flatten head") < fall("CNN, average head") / 2
assert np.mean(results["CNN, flatten head"][0]) > in_their_places["CNN, average head"]

head_alone = results["random convolutions, flatten head"]
assert min(np.mean(head_alone, axis=1)) > in_their_places["CNN, average head"]
assert abs(fall("random convolutions, flatten head")) < fall("CNN, average head") / 2

described(
    plots.accuracies(
        {name.replace(", ", ",\n"): both for name, both in results.items()},
        "A flatten head reads shuffled pixels by itself",
    ),
    "Test accuracy, a mark for each of four seeds. The MLP, the CNN with a flatten "
    "head, and random convolutions with a flatten head all stay above nine tenths, "
    "shuffled or not. Only the CNN with the average head falls when the pixels are "
    "shuffled.",
)

# %% [markdown]
# With convolutions that learned nothing, on pixels in either order, the head reads the digits better than the whole CNN with the
# average head. On images as small as these, a flatten head can do the work alone.
#
# Keep two things from this section. What a network takes for granted depends on all of its layers: a dense layer over all
# positions can do without what the convolutions below it assume. And one head, one seed, one size of image tell little about the
# layer that you meant to test.
#
# ## 5 · Could we give the positions back?
#
# If flattening loses the positions, why not hand them in? Number the pixels, and feed the numbers along with them. It can be
# done. A vision transformer (chapter 10) takes an image as a *set* of pieces, and adds a **positional embedding** to each: a
# vector that says where the piece was.
#
# In a transformer every piece looks at all pieces. How much, it computes from what the two of them hold: a weight for each pair, and
# the weights of one piece add up to 1. That is called **attention**. The code below holds it in four lines, with random numbers where
# training would put learned ones. You may skip the code: what counts is what it prints.
#
# The pieces are the 64 pixels of one digit. We shuffle them, and ask whether every pixel looks at the same pixels as before, wherever
# these stand now. *Before you run the cell: will the weights change when the pixels come without positions? When they come with
# them?*


# %%
def attention(pieces, query, key):
    """Who looks at whom: row i holds the weights with which piece i looks at all pieces."""
    scores = (pieces @ query) @ (pieces @ key).T / np.sqrt(pieces.shape[1])
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)  # (64, 64), each row sums to 1


def random_parts(seed, width=32):
    """A vector for the grey value, one for each position, two matrices: all random."""
    rng = np.random.default_rng(seed)
    value, position = rng.normal(size=(1, width)), rng.normal(size=(64, width))
    query, key = rng.normal(size=(2, width, width)) / np.sqrt(width)
    return value, position, query, key


pixels = images[examples[3]].reshape(64, 1).astype(np.float64)
order = np.random.default_rng(0).permutation(64)
value, position, query, key = random_parts(seed=0)

change = {}
for name, added in (("without positions", 0.0), ("with positions", position)):
    before = attention(pixels * value + added, query, key)
    after = attention(pixels[order] * value + added, query, key)
    change[name] = np.abs(after - before[order][:, order]).max()  # the same pairs, side by side
    print(f"{name:17}: a weight changes by up to {change[name]:.2f}")

# %% [markdown]
# Without positions, nothing has changed but the order: attention sees a bag of pixels. With positions, it can tell.
#
# But does it know that *near* matters? Show it an empty sheet, so that nothing but the positions speaks. Here is how much one pixel,
# the framed one, looks at all the others, before any training: in two networks with different random numbers, and in a
# convolution. *Before you run the cell: what will the three maps look like?*

# %% jupyter={"source_hidden": true}
# The figure.
assert change["without positions"] < 1e-12 < 0.1 < change["with positions"]


def looks_on_an_empty_sheet(seed):
    """The attention weights (64, 64) of all pixels where every pixel is equally bright."""
    value, position, query, key = random_parts(seed)
    return attention(np.ones((64, 1)) * value + position, query, key)


some_kernel = np.random.default_rng(0).normal(size=(3, 3))
window = ops.conv_matrix(some_kernel, 8, 8, padding=1) != 0  # (64, 64): who is in whose window
here = (3, 4)
row_of_here = 3 * 8 + 4
described(
    plots.looked_at(
        {
            "attention, seed 0": looks_on_an_empty_sheet(0)[row_of_here].reshape(8, 8),
            "attention, seed 1": looks_on_an_empty_sheet(1)[row_of_here].reshape(8, 8),
            "3×3 convolution": window[row_of_here].reshape(8, 8).astype(int),
        },
        here,
        "Where one pixel looks, before any training",
    ),
    "Three maps of 8×8 pixels, one pixel framed in each. In the two maps of attention "
    "dark pixels lie scattered over the whole image, in other places for the other "
    "seed. In the map of the convolution the framed pixel and its eight neighbours are "
    "dark, all others white.",
)

# %% [markdown]
# Two seeds are no proof. So compare how much a pixel looks, on average, at one of its eight neighbours with how much it looks at
# any pixel further away, for 400 seeds. A 1 means: no preference.

# %%
rows, columns = np.divmod(np.arange(64), 8)
distance = np.maximum(np.abs(rows[:, None] - rows), np.abs(columns[:, None] - columns))  # (64, 64)


def preference_for_neighbours(looks):
    return looks[distance == 1].mean() / looks[distance > 1].mean()


preference = [preference_for_neighbours(looks_on_an_empty_sheet(seed)) for seed in range(400)]
low, high = np.quantile(preference, [0.05, 0.95])
print(f"untrained attention: {np.mean(preference):.2f} on average over 400 seeds")
print(f"                     nine in ten lie between {low:.2f} and {high:.2f}")
print(f"untrained 3×3 convolution: {window[distance > 1].sum()} weights reach further away")

# %% [markdown]
# Positions make locality *learnable*. They do not give it: before training, near pixels get on average no more attention than
# far ones, and every preference has to come out of data. A convolution has its preference before the first example, because the
# other weights do not exist.
#
# Which serves better, to be given it or to be free to learn it? Chapter 10 asks that with few labels and with many.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert 0.97 < np.mean(preference) < 1.03
assert window[distance > 1].sum() == 0

# %% [markdown]
# ## 6 · Is a convolution still a layer like any other?
#
# A dense layer is a matrix: a row for each output, a column for each pixel. A convolution multiplies pixels by weights and adds
# up, too. So it must have a matrix. What does it look like?
#
# Take an image of 5×6 pixels and a kernel of 3×3. The kernel fits into 3×4 places, so the matrix has 12 rows and 30 columns.
# *Before you run the cell: how many of its 360 entries will not be zero? How many different numbers stand in it?*

# %%
kernel = np.array([[1, 2, 3], [-4, 5, -6], [7, 8, -9]])
matrix = ops.conv_matrix(kernel, height=5, width=6)

image = np.random.default_rng(0).integers(0, 10, size=(5, 6))
by_matrix = matrix @ image.ravel()
by_sliding = ops.conv2d_single(image, kernel).ravel()
assert np.array_equal(by_matrix, by_sliding)

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.matrix_structure(matrix, height=5, width=6),
    "A matrix of 12 rows and 30 columns, its columns grouped by image rows. In each row "
    "the kernel's three rows of three weights stand six columns apart, all else is "
    "zero; one row further down, they have moved one column to the right. Beside it, "
    "the first and last row in the shape of the image: the kernel in its upper left "
    "and in its lower right corner.",
)

# %%
nonzero = np.count_nonzero(matrix)
different = len(np.unique(matrix[matrix != 0]))
print(f"{matrix.size} entries, {nonzero} not zero, {different} different numbers among these")

share = ops.conv_matrix(kernel, height=28, width=28) != 0
print(f"for an image of 28×28 pixels, {share.mean():.1%} of the entries are not zero")

# %% jupyter={"source_hidden": true}
# The claims of the text below.
assert (matrix.size, nonzero, different) == (360, 108, 9)

blocks = matrix.reshape(3, 4, 5, 6)  # output row and column, image row and column
assert np.array_equal(blocks[0, :, 0], blocks[1, :, 1])  # blocks repeat along the diagonal
assert np.array_equal(blocks[0, 0, 0, :5], blocks[0, 1, 0, 1:])  # and so do the entries in one

# %% [markdown]
# There are the two savings of section 2, written into a matrix. **Local connectivity** is the zeros: 252 of 360 weights may never
# be anything else. **Weight sharing** is the repetition: the other 108 are nine numbers, twelve times each. Every row is the row
# above it, moved on by one pixel, and at the end of a line by a whole kernel's width. A matrix that repeats itself along its
# diagonals is called a **Toeplitz** matrix; this one does it twice over, in blocks and inside the blocks.
#
# Give any one row the shape of the image, as on the right, and you see what that output looks at.
#
# So a convolution is a fully connected layer with most of its weights held at zero and the rest tied together. There is nothing
# that it can compute and a dense layer cannot. It is *less* free, and that is its whole point.
#
# ### Exercise: `conv_as_matrix` (4 points)
#
# Build that matrix. `kernel` is a 2-D array `(K_h, K_w)`; `height` and `width` are those of the image, never smaller than the
# kernel. Return an array `M` of shape `(H_out · W_out, H · W)` such that `M @ image.ravel()` is the convolution, flattened: the
# kernel as it is (not flipped), inside the image (no padding), one pixel a step. Outputs and pixels are both taken row by row.
# Here $H_\text{out} = H - K_h + 1$ and $W_\text{out} = W - K_w + 1$. Do it without the course's own operators and without a
# library's convolution.
#
# For example, the kernel `[[1, 2], [3, 4]]` on an image of 2×3 pixels has two places:
#
# ```
# [[1, 2, 0, 3, 4, 0],
#  [0, 1, 2, 0, 3, 4]]
# ```


# %% nbgrader={"grade": false, "grade_id": "conv_as_matrix", "locked": false, "schema_version": 3, "solution": true, "task": false}
def conv_as_matrix(kernel, height, width):
    """The matrix of a convolution on images (height, width).

    Returns an array M of shape (H_out · W_out, height · width): M @ image.ravel() is the
    convolution's output, flattened row by row. The kernel, an array (K_h, K_w), is not
    flipped, stays inside the image, and moves one pixel a step.
    """
    ### BEGIN SOLUTION
    kernel_height, kernel_width = kernel.shape
    rows = []
    for r in range(height - kernel_height + 1):
        for c in range(width - kernel_width + 1):
            canvas = np.zeros((height, width), dtype=kernel.dtype)
            canvas[r : r + kernel_height, c : c + kernel_width] = kernel
            rows.append(canvas.ravel())
    return np.array(rows)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_conv_as_matrix", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check(conv_as_matrix)
### BEGIN HIDDEN TESTS
check(conv_as_matrix, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 7 · What does sharing buy besides fewer weights?
#
# ### It learns from less
#
# Let both layers learn the same thing: the convolution above, on images of 5×6 pixels, from examples of images and answers. The
# dense layer looks for its 360 weights, the convolution for its nine. Both use least squares, which finds weights that fit the
# examples exactly. *Before you run the cell: how many images does the convolution need?*

# %%
rng = np.random.default_rng(0)
examples, unseen = rng.normal(size=(40, 5, 6)), rng.normal(size=(200, 5, 6))


def answers_of(kernel, images):
    return np.array([ops.conv2d_single(image, kernel) for image in images])  # (N, 3, 4)


def off(predicted, right):
    """How far off, in proportion: 0 is perfect, 1 is as bad as always answering 0."""
    return np.linalg.norm(predicted - right) / np.linalg.norm(right)


def learn_dense(images):
    x, y = images.reshape(len(images), 30), answers_of(kernel, images).reshape(len(images), 12)
    learned = np.linalg.lstsq(x, y, rcond=None)[0]  # (30, 12)
    return (unseen.reshape(-1, 30) @ learned).reshape(-1, 3, 4)


def learn_convolution(images):
    windows = np.lib.stride_tricks.sliding_window_view(images, (3, 3), axis=(1, 2))
    x, y = windows.reshape(-1, 9), answers_of(kernel, images).ravel()  # (N·3·4, 9), (N·3·4,)
    learned = np.linalg.lstsq(x, y, rcond=None)[0]
    return answers_of(learned.reshape(3, 3), unseen)


right = answers_of(kernel, unseen)
print("images   dense  convolution")
errors = {}
for n in (1, 5, 10, 20, 29, 30):
    errors[n] = off(learn_dense(examples[:n]), right), off(learn_convolution(examples[:n]), right)
    print(f"{n:6} {errors[n][0]:7.2f} {errors[n][1]:12.2f}")

# %% [markdown]
# One image is enough. It holds twelve windows, and each is an example for the same nine weights. The dense layer needs 30 images,
# one for each of its inputs, because what it learns at one place tells it nothing about another. A pattern learned in one corner
# has to be learned again in the next.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert errors[1][1] < 1e-9 and errors[1][0] > 0.9
assert errors[29][0] > 0.1 and errors[30][0] < 1e-6

# %% [markdown]
# ### It moves along
#
# Because the same weights look everywhere, a pattern gives the same answer wherever it stands. So when the image moves, the
# answer must move along. Here is a kernel that finds vertical edges, and a photograph that moves 6 pixels down and 20 to the right;
# what leaves on one side comes in on the other. The kernel answers with a positive number, blue, where the picture gets brighter to
# the right, and with a negative one, orange, where it gets darker: each has a panel of its own.

# %%
photo = data.photograph("camera", size=64).astype(np.float64)
edge = np.array([[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]])


def find_edges(image):
    return ops.conv2d_single(image, edge, padding=1, padding_mode="circular")


moved = equivariance.roll(photo, (6, 20))
described(
    plots.moved_along(photo, find_edges(photo), moved, find_edges(moved)),
    "Above, a photographer and two maps of the vertical edges in the photograph: where "
    "it gets brighter to the right, and where it gets darker. Below, the photograph "
    "moved down and to the right, and its maps of edges: the same maps, moved by as "
    "much.",
)

# %% [markdown]
# Two words are often confused, and interviewers like to ask for the difference. Write $T$ for the move and $f$ for the layer.
#
# - **Equivariant**: $f(T x) = T f(x)$. The answer moves along.
# - **Invariant**: $f(T x) = f(x)$. The answer stays as it was.
#
# *Before you run the cell: which of the two is the map of edges? Which is its average strength, taken over all positions? And will
# the map survive a quarter turn?*

# %%
before, after = find_edges(photo), find_edges(moved)
along = equivariance.roll(before, (6, 20))
turned, turned_along = find_edges(np.rot90(photo)), np.rot90(before)

print(f"the map stays as it was:  off by up to {np.abs(after - before).max():.2f}")
print(f"the map moves along:      off by up to {np.abs(after - along).max():.2f}")
print(f"its average strength:     off by {abs(np.abs(after).mean() - np.abs(before).mean()):.2f}")
print(f"its strongest answer:     off by {abs(np.abs(after).max() - np.abs(before).max()):.2f}")
print(f"the map turns along:      off by up to {np.abs(turned - turned_along).max():.2f}")

# %% [markdown]
# The map is equivariant, not invariant. Its average strength and its strongest answer are invariant: whoever asks for these no
# longer asks where. And the quarter turn breaks the map, since a kernel for vertical edges finds other edges in an image that lies on its
# side. Convolution knows about shifts, and about shifts alone.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert np.allclose(after, along) and not np.allclose(after, before)
assert np.isclose(np.abs(after).mean(), np.abs(before).mean())
assert np.abs(after).max() == np.abs(before).max()
assert not np.allclose(turned, turned_along)

# %% [markdown]
# So the sentence *CNNs are translation invariant*, which you will meet, claims too much. Convolution gives equivariance. Pooling
# over positions makes invariance of it, as far as it reaches.
#
# With that, the three priors of a convolution are together:
#
# | prior | in words | in the matrix | what it buys |
# | --- | --- | --- | --- |
# | local connectivity | near pixels belong together | zeros outside the window | less work, fewer weights |
# | weight sharing | what is worth finding here is worth finding there | the same numbers in each row | far fewer weights, fewer examples |
# | translation equivariance | what moves in the image moves in the map | rows are each other's shifts | found once, found anywhere |
#
# The third is no extra ingredient: it follows from the second.
#
# ### Exercise: `equivariance_error` (4 points)
#
# How far is an operation from equivariant? `op` is any function that takes a 2-D array and returns one. `shift` says how far to
# roll: an `int` (or NumPy integer) for both axes, or a pair `(dy, dx)`, tuple or list, for down and right; negative numbers go up
# and left. Compute both ways round, `op` and then roll, roll and then `op`, with `np.roll` along both axes. Return the largest
# absolute difference between the two results, as a `float`.
#
# For example, let `op` multiply the columns of `[[1, 2, 4]]` by 1, 10 and 100, and let `shift` be `(0, 1)`. First `op`, then
# roll: `[[400, 1, 20]]`. First roll, then `op`: `[[4, 10, 200]]`. The largest difference is `396.0`. An `op` that multiplies
# *all* pixels by 3 has the error `0.0`.


# %% nbgrader={"grade": false, "grade_id": "equivariance_error", "locked": false, "schema_version": 3, "solution": true, "task": false}
def equivariance_error(op, image, shift):
    """The largest absolute difference between op-then-roll and roll-then-op: a float.

    `op` takes and returns a 2-D array. `shift` is a whole number (int or NumPy integer) for
    both axes, or a pair (dy, dx), down and right, as a tuple or list.
    """
    ### BEGIN SOLUTION
    dy, dx = shift if isinstance(shift, tuple | list) else (shift, shift)
    op_then_roll = np.roll(op(image), (dy, dx), axis=(0, 1))
    roll_then_op = op(np.roll(image, (dy, dx), axis=(0, 1)))
    return float(np.abs(op_then_roll - roll_then_op).max())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_equivariance_error", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check(equivariance_error)
### BEGIN HIDDEN TESTS
check(equivariance_error, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ### Is it exact?
#
# At the border a window hangs over, and something has to be made up for the missing pixels: this is **padding**, a subject of
# chapter 02. Above we let the opposite border come in (*circular* padding). Networks mostly put zeros there. *Before you run the
# cell: where on the map will zeros break equivariance?*

# %%
outline = np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]])  # answers to edges on all sides
shift = (6, 20)
maps = {}
for mode in ("circular", "zeros"):
    layer = lambda image, mode=mode: ops.conv2d_single(image, outline, padding=1, padding_mode=mode)
    maps[mode] = equivariance.equivariance_map(layer, photo, shift)
    print(f"{mode:8}: error {maps[mode].max():.2g}")

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.error_maps({"circular padding": maps["circular"], "zero padding": maps["zeros"]}),
    "Two maps of equivariance errors. With circular padding the map is empty. With "
    "zero padding it is empty but for thin lines: along the four borders, and along "
    "two rows and two columns inside, where the borders have moved to.",
)

# %% [markdown]
# With circular padding the error is zero, to rounding. With zeros there are errors, and all of them lie on thin lines. Four lines are
# the frame of the picture: rows 0 and 63, columns 0 and 63. The others make a cross inside: rows 5 and 6, columns 19 and 20. That is
# the same frame, moved along: row 0 has come to row 6, and row 63, rolled over the edge, to row 5. Everywhere else no window touched
# a zero, before or after the move.

# %%
broken = maps["zeros"] > 1e-9
rows, columns = [0, 5, 6, 63], [0, 19, 20, 63]
elsewhere = np.delete(np.delete(broken, rows, axis=0), columns, axis=1)
print(f"positions with an error: {broken.sum():,} of {broken.size:,}")
print(f"of these, off the rows {rows} and columns {columns}: {elsewhere.sum()}")
assert maps["circular"].max() < 1e-9
assert broken.any() and not elsewhere.any()

# %% [markdown]
# That was one layer. Now stack three. *Before you run the cell: how will the lines change?*


# %%
def stack(image, layers):
    for _ in range(layers):
        image = ops.conv2d_single(image, outline / 8, padding=1, padding_mode="zeros")
    return image


broken_rows = {}
for depth in (1, 2, 3):
    errors = equivariance.equivariance_map(lambda image, n=depth: stack(image, n), photo, shift)
    mostly = (errors > 1e-9).mean(axis=1) > 0.5  # rows with an error at most of their pixels
    broken_rows[depth] = np.flatnonzero(mostly).tolist()
    print(f"layers: {depth}   rows with errors: {broken_rows[depth]}")

# %% [markdown]
# Each layer makes the lines wider by a pixel: the frame grows inwards, the cross inside to both of its sides. So near the border, a
# network with zero padding can tell where it is, and the deeper it is, the further in. What larger steps than one pixel do to
# equivariance is a question for chapter 04.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
for depth, found in broken_rows.items():
    frame = {*range(depth), *range(64 - depth, 64)}
    cross = set(range(6 - depth, 6 + depth))
    assert set(found) == frame | cross

# %% [markdown]
# ## 8 · Only for images?
#
# The idea asks for two things: neighbours that belong together, and patterns that mean the same wherever they stand. Sound over
# time has both, so has a temperature curve, or a heartbeat. There the kernel is a short row of weights. Here is a signal that you
# know, one row of the photograph, and the kernel $(-1, 0, 1)$.

# %%
signal = data.photograph("camera", size=128)[60]
change = np.correlate(signal, [-1, 0, 1], mode="valid")  # NumPy's name for sliding without flipping
assert np.allclose(change, signal[2:] - signal[:-2])

described(
    plots.signal_response(
        signal,
        change,
        "A kernel of three weights answers where the signal changes",
        ("brightness", "answer"),
        "pixel along the row",
    ),
    "Above, brightness along a row of 128 pixels: dark where the photographer's coat "
    "is, bright where the sky is. Below, the kernel's answer: near zero on level "
    "stretches, a spike at each jump, upwards where it gets brighter, downwards where "
    "it gets darker.",
)

# %% [markdown]
# And one axis more: a video has time as a third direction, a scan of a body has depth. The kernel becomes a small cube. The count
# of parameters follows the same rule, with one more factor.

# %%
print("8 kernels, 3 wide along each axis, on one channel:")
for dimensions, layer in ((1, nn.Conv1d), (2, nn.Conv2d), (3, nn.Conv3d)):
    parameters = sum(p.numel() for p in layer(1, 8, kernel_size=3).parameters())
    print(f"{dimensions}-D: {parameters:>4} parameters")
    assert parameters == 8 * (3**dimensions + 1)

# %% [markdown]
# ## 9 · In the margin
#
# ### In production code
#
# The two layers of this chapter are `torch.nn.Linear` and `torch.nn.Conv2d`; the functions behind them are
# `torch.nn.functional.linear` and `conv2d`. Both store their weights with the outputs first.

# %%
dense, convolution = nn.Linear(784, 512), nn.Conv2d(3, 16, kernel_size=3)
for layer in (dense, convolution):
    print(layer, "weight", tuple(layer.weight.shape), "bias", tuple(layer.bias.shape))

assert sum(p.numel() for p in dense.parameters()) == cost.fc_params(784, 512)
assert sum(p.numel() for p in convolution.parameters()) == cost.conv_params(3, 16, 3)

vgg_head = cost.fc_params(512 * 7 * 7, 4096, bias=False)
print(f"first layer of VGG's head: {vgg_head:,} weights")
assert vgg_head == 102_760_448

# %% [markdown]
# - `padding_mode="circular"` in `nn.Conv2d`, with steps of one pixel, gives the exactly equivariant layer of section 7.
# - A flatten head ties a network to one size of image. Look at `torchvision/models/vgg.py`: the paper's network flattens 512 maps
#   of 7×7 into its first dense layer, 102,760,448 weights. torchvision puts `nn.AdaptiveAvgPool2d((7, 7))` before it, which the paper
#   has not, so that images of other sizes fit.
# - In timm, `timm/models/vision_transformer.py` holds the positional embedding as `pos_embed`: a parameter, small random numbers at
#   first, learned like any other.
#
# ### Read on
#
# - Goodfellow, Bengio, Courville, *Deep Learning* (deeplearningbook.org), section 9.2: the same three reasons, under the names
#   sparse interactions, parameter sharing and equivariant representations.
# - Zhang et al., *Dive into Deep Learning* (d2l.ai), "From Fully Connected Layers to Convolutions": derives the formula of a
#   convolution from the two demands of section 2, step by step.
# - Prince, *Understanding Deep Learning* (udlbook.github.io), chapter 10: opens with the argument of this chapter, also for an image
#   of 224×224 pixels, and shuffles its pixels in thought.
# - Stanford CS231n, the notes on convolutional networks: the layer with worked sizes and counts.
# - MIT 6.S191, the lecture on convolutional networks: names the same two faults of a fully connected layer, space lost and too many
#   parameters, on its way to what networks do with images.
# - LeCun et al., *Gradient-based learning applied to document recognition*, 1998: argues for local receptive fields and shared
#   weights, on digits.
# - Kayhan and van Gemert, *On translation invariance in CNNs: convolutional layers can exploit absolute spatial location*, 2020
#   (arXiv:2003.07064): how networks learn places from the borders of images.
#
# ## 10 · What you can now say
#
# Say each answer aloud before you read it. In brackets stands the section that backs it.
#
# **Why not flatten the image and use a large MLP?** Two reasons. The cost: 224×224 in colour into 512 units is 77 million
# weights in one layer (section 1). And the structure: the layer cannot tell neighbours from strangers; shuffle all pixels, and it learns
# just as well (sections 3 and 4).
#
# **What does a convolution assume?** That near pixels belong together (local connectivity), that a pattern is worth finding
# everywhere (weight sharing), and so that the answer moves with the image (translation equivariance) (sections 2 and 7).
#
# **How many parameters has it?** $C_\text{out}(C_\text{in} K_h K_w + 1)$. The image's size does not occur (section 2).
#
# **So a convolution is cheaper to compute?** To the same outputs, yes, by far: each output looks at a window, not at the whole image.
# Local connectivity saves work; weight sharing saves weights, since each is used at every position. A dense layer with few outputs
# can still multiply less (section 2).
#
# **Equivariant or invariant?** The map is equivariant: it moves along. Invariance comes from pooling over positions. Neither
# covers turning (section 7). With zero padding the equivariance is broken near the border (section 7).
#
# **Why does sharing weights help beyond their number?** Every position is an example for the same weights. A convolution was learned
# from one image where a dense layer needed 30 (section 7).
#
# **Can a dense layer do what a convolution does?** Yes: the convolution is a matrix, mostly zero and tied. The dense layer would have
# to find these zeros and ties by itself (section 6).
#
# **Why not add positions to the pixels?** One can; vision transformers do. It lets a network learn locality. It does not
# give it (section 5).
#
# **Does a CNN always fail on shuffled pixels?** No. With a flatten head it hardly falls, because that head has a weight for each
# position (section 4). Ask for the whole network, not for one layer.
#
# ## 11 · Quiz (7 points)
#
# Seven questions, a point each. Their numbers are drawn from the seed: put another seed into both cells, and you have a new set to
# practise on. Write your answers into the second cell: a number, or the letter of your choice in quotes. You may compute, and
# your own functions may help.

# %%
questions("01", seed=1)

# %% nbgrader={"grade": false, "grade_id": "quiz_01", "locked": false, "schema_version": 3, "solution": true, "task": false}
answers = {
    "quiz": "01",
    "seed": 1,
    "dense_weights": None,
    "conv_parameters": None,
    "larger_image": None,
    "neighbours": None,
    "not_zero": None,
    "moved_digit": None,
    "positions": None,
}
if None in answers.values():
    ### BEGIN SOLUTION
    answers.update(
        dense_weights=216 * 216 * 3 * 1_000,
        conv_parameters=30 * (58 * 7 * 7 + 1),
        larger_image="a",
        neighbours=3 * 24 - 2,
        not_zero=(8 - 3 + 1) * (5 - 3 + 1) * 3 * 3,
        moved_digit="b",
        positions="b",
    )
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test_quiz_01", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(answers)
### BEGIN HIDDEN TESTS
check(answers, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# Next: chapter 02 slides the kernel by hand, and answers the question that stops most first networks: how large is what comes out?
