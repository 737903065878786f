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
# # Chapter 05 · What a unit can see
#
# Roll a sheet of paper into a tube three pixels wide and look at a photograph through it. You see a
# bit of edge, a bit of grey. Nobody could say whether it belongs to a face. Yet every convolution of
# chapters 02 and 03 looks through such a tube. How does a network of them ever see the face?
#
# **What you will be able to do**
#
# - say how many pixels a unit of any stack depends on, and which ones;
# - say how deep a stack must be to see an object, and why real networks are not that deep;
# - replace a large kernel by small ones, and count what it saves;
# - use stride and dilation to see further at no weight, and know what each costs;
# - measure how much each pixel really counts, and say how that differs from the above.
#
# **What you need**: the output size with stride, padding and dilation (chapter 02), the weights of a
# layer (chapter 03). PyTorch's `backward()` for one exercise in section 8; NumPy for all others.
#
# **Time and points**: about 150 minutes, 34 points.
#
# | section | exercise | points |
# | --- | --- | ---: |
# | 1 | `rf_of_stack` | 2 |
# | 2 | `layers_to_see` | 2 |
# | 3 | `stack_params` | 2 |
# | 4 | `receptive_field` | 6 |
# | 5 | `input_region` | 3 |
# | 6 | `dilated_rf` | 3 |
# | 7 | `design_stack` | 4 |
# | 8 | `effective_receptive_field` | 5 |
# | 11 | `quiz_05` | 7 |
#
# Stuck on an exercise? `hint(rf_of_stack)` in a cell of your own shows a hint, and a further one each
# time you run it. After the last hint, or once you have passed, `solution(rf_of_stack)` shows our
# answer.
#
# The experiments run on the course's own functions, never on yours. Run the notebook cell by cell:
# *Run All* stops at the first check that gives no points. Where you are asked for a prediction and a
# cell would give it away, its code is folded: run it first, then unfold it.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import numpy as np
import torch

from autograder.check import check, hint, questions, solution
from course_lib import cost, data, geometry

torch.set_num_threads(1)

# %%
from course_lib import receptive_field_torch as fields
from course_lib.explorers import ReceptiveField
from course_lib.layer_tables import BACKBONES
from course_lib.plots import convolution as arithmetic
from course_lib.plots import described
from course_lib.plots import receptive_field as plots

# %% [markdown]
# ## 1 · How far does one unit see?
#
# Stay on one axis: a row of pixels and kernels of three taps. A number in a layer's output is called
# a **unit**. A unit of the first layer reads three pixels. A unit of the second layer reads three
# units of the first. *Before you run the cell: how many pixels stand behind it? Nine?*

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.cones(
        {"one layer": [(3,)], "two layers": [(3,)] * 2, "three layers": [(3,)] * 3},
        title="Each layer adds one pixel on the left and one on the right",
    ),
    "Three cones of cells, the unit on top and the pixels at the bottom. One layer reads three "
    "pixels, two layers five, three layers seven.",
)

# %% [markdown]
# Five: the dark cells at the bottom. The three windows below the unit overlap. The pixels that a unit
# depends on are its **receptive field**. You need no formula to find it: change one pixel at a time,
# and see whether the unit answers.


# %%
def row_through(row, layers):
    """A row of pixels through layers (kernel, stride, padding, dilation), every weight 1."""
    for kernel, stride, padding, dilation in layers:
        padded = np.pad(row, padding)
        span = dilation * (kernel - 1) + 1
        starts = range(0, len(padded) - span + 1, stride)
        row = np.array([padded[s : s + span : dilation].sum() for s in starts])
    return row


def pixels_that_move(unit, layers, n=60):
    """The pixels of a black row that change a unit when they light up, one at a time."""
    return [pixel for pixel in range(n) if row_through(np.eye(n)[pixel], layers)[unit] != 0]


two_layers = [(3, 1, 0, 1), (3, 1, 0, 1)]
print("unit 20 answers to pixels", pixels_that_move(20, two_layers))
assert pixels_that_move(20, two_layers) == [20, 21, 22, 23, 24]

# %% [markdown]
# A kernel of $k$ taps adds $k-1$ pixels, and so does every further layer. Without any layer, a unit
# is a pixel, and sees 1. So after $n$ layers at stride 1:
#
# $$\text{RF} = 1 + n\,(k-1)$$
#
# *Before you run the cell: what do 5, 10 and 50 layers of 3×3 see?*

# %%
for n in (5, 10, 50):
    seen = len(pixels_that_move(0, [(3, 1, 0, 1)] * n, n=120))
    print(f"{n} layers of 3 see {seen} pixels")

# %% [markdown]
# 11, 21 and 101. In an image the same holds along both axes: the field is a square, and when we say
# "11 pixels" we mean its side.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
for n, seen in ((5, 11), (10, 21), (50, 101)):
    assert len(pixels_that_move(0, [(3, 1, 0, 1)] * n, n=120)) == seen == 1 + n * (3 - 1)

# %% [markdown]
# ### Exercise: `rf_of_stack` (2 points)
#
# Return the side of the receptive field of `n_layers` equal layers at stride 1, without dilation, as
# an `int`. No layer at all sees one pixel. Do without the course's own functions.
#
# For example, `rf_of_stack(5)` is `11` and `rf_of_stack(2, kernel=5)` is `9`.


# %% nbgrader={"grade": false, "grade_id": "rf_of_stack", "locked": false, "schema_version": 3, "solution": true, "task": false}
def rf_of_stack(n_layers, kernel=3):
    """The receptive field, in pixels, of `n_layers` layers with this kernel at stride 1: an int."""
    ### BEGIN SOLUTION
    return 1 + n_layers * (kernel - 1)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_rf_of_stack", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check(rf_of_stack)
### BEGIN HIDDEN TESTS
check(rf_of_stack, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 2 · How deep to see it all?
#
# What does a small field cost? Here are two images. In one, two bright dots stand 6 pixels apart, in
# the other 12. A network of convolutions, each with its ReLU, runs over both, and at its end every
# channel is averaged over all positions, as global average pooling does. (`random_stack` makes such a
# network, with random weights.)
#
# *Before you run the cell:* with two layers of 3×3, a unit sees 5 pixels. Can the averages differ
# between the two images?


# %%
def two_dots(distance):
    image = torch.zeros(1, 1, 40, 60)
    image[0, 0, 20, 24] = image[0, 0, 20, 24 + distance] = 1
    return image


def averages(n_layers, distance, seed):
    network = fields.random_stack(n_layers, channels=8, seed=seed).double()
    with torch.no_grad():
        return torch.relu(network(two_dots(distance).double())).mean(dim=(2, 3))


differ = {}  # by the number of layers: for each of five networks, the largest difference
for n in (2, 3):
    differ[n] = [
        float((averages(n, 6, seed) - averages(n, 12, seed)).abs().max()) for seed in range(5)
    ]
    print(f"{n} layers, a field of {1 + 2 * n}: the averages differ by", np.round(differ[n], 6))

# %% [markdown]
# With a field of 5, no unit ever has both dots in view. Each dot then adds the same to the averages,
# wherever it stands, and they agree, up to rounding, for any weights. No training can help that
# network to tell the images apart. With three layers the field is 7, some units see both of the
# nearer dots, and the averages differ. **The field must cover what is to be recognised.**

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert max(differ[2]) < 1e-12
assert min(differ[3]) > 1e-6

# %% [markdown]
# Look at a photograph as such units do.

# %%
astronaut = data.photograph("astronaut", size=224)
seen_by = {"one layer": 3, "5 layers": 11, "30 layers": 61}
assert list(seen_by.values()) == [1 + 2 * n for n in (1, 5, 30)]
described(
    plots.field_frames(astronaut, seen_by, centre=(52, 98), title="The same place, three fields"),
    "A photograph of an astronaut with three nested frames around her face, and what each frame holds: "
    "3 pixels are a grey patch, 11 pixels a smudge, 61 pixels her face.",
)

# %% [markdown]
# You may read that thirty layers of 3×3 see a whole photograph of 224 pixels. They see a face.
# *Before you run the cell: how many layers does it take for all 224?*

# %%
print(
    "thirty layers see", geometry.rf_of_stack(30), "pixels; 224 take", geometry.layers_to_see(224)
)

# %% [markdown]
# 112. One layer fewer sees 223 pixels.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert geometry.rf_of_stack(30) == 61
assert geometry.layers_to_see(224) == 112
assert geometry.rf_of_stack(112) == 225 and geometry.rf_of_stack(111) == 223

# %% [markdown]
# ### Exercise: `layers_to_see` (2 points)
#
# Return the smallest number of stride-1 layers whose receptive field has at least `size` pixels, as
# an `int`. `kernel` is at least 2. One pixel needs no layer: `layers_to_see(1)` is `0`.
# Do without the course's own functions.
#
# For example, `layers_to_see(61)` is `30`, `layers_to_see(224)` is `112`, and `layers_to_see(224,
# 7)` is `38`.


# %% nbgrader={"grade": false, "grade_id": "layers_to_see", "locked": false, "schema_version": 3, "solution": true, "task": false}
def layers_to_see(size, kernel=3):
    """The fewest layers at stride 1 whose receptive field has at least `size` pixels: an int."""
    ### BEGIN SOLUTION
    return -(-(size - 1) // (kernel - 1))  # rounded up
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_layers_to_see", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check(layers_to_see)
### BEGIN HIDDEN TESTS
check(layers_to_see, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · One large kernel, or several small ones?
#
# Two layers of 3×3 see 5×5 pixels. So does one layer of 5×5. Which one is cheaper?

# %%
described(
    plots.cones(
        {"two of 3": [(3,)] * 2, "one of 5": [(5,)], "three of 3": [(3,)] * 3, "one of 7": [(7,)]},
        columns=2,
        title="Two layers of 3 see what one of 5 sees, three what one of 7 sees",
    ),
    "Four cones. Two layers of 3 and one of 5 both end on five pixels; three layers of 3 and one of "
    "7 both end on seven pixels.",
)

# %% [markdown]
# Take $C$ channels in and out of every layer. One 5×5 layer has $25\,C^2$ weights, two 3×3 layers
# have $2\cdot 9\,C^2 = 18\,C^2$. Three against one 7×7: $27\,C^2$ against $49\,C^2$. *Before you run
# the cell: what share of the weights does each exchange save?*

# %%
C = 64
for small, large in ((2, 5), (3, 7)):
    weights = small * cost.conv_params(C, C, 3, bias=False)
    before = cost.conv_params(C, C, large, bias=False)
    print(f"{small} layers of 3×3: {weights:,}   one of {large}×{large}: {before:,}", end="   ")
    print(f"saved: {1 - weights / before:.0%}")

# %% [markdown]
# 28 % and 45 %. And there is a second gain: between two layers stands a ReLU, so together they can
# compute what no single layer can. Without it two 3×3 layers would be *one* 5×5 layer, and with one
# channel not even every one: 18 weights stand for 25. (You may read that two 3×3 replace a 2×2. They
# replace a 5×5.)

# %% jupyter={"source_hidden": true}
# The claims of the text above.
one = {k: cost.conv_params(C, C, k, bias=False) for k in (3, 5, 7)}
assert one == {3: 9 * C**2, 5: 25 * C**2, 7: 49 * C**2}
assert round(100 * (1 - 2 * one[3] / one[5])) == 28
assert round(100 * (1 - 3 * one[3] / one[7])) == 45

# %% [markdown]
# ### Exercise: `stack_params` (2 points)
#
# Return how many weights a stack of layers has, each from `channels` to `channels` channels;
# `kernels` lists the side of each layer's square kernel. Weights only, no bias. An `int`.
# Do without the course's `cost`.
#
# For example, `stack_params(64, [3, 3])` is `73728`, and `stack_params(64, [5])` is `102400`.


# %% nbgrader={"grade": false, "grade_id": "stack_params", "locked": false, "schema_version": 3, "solution": true, "task": false}
def stack_params(channels, kernels):
    """The number of weights of layers from `channels` to `channels`, one kernel a layer: an int."""
    ### BEGIN SOLUTION
    return sum(k * k * channels * channels for k in kernels)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_stack_params", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check(stack_params)
### BEGIN HIDDEN TESTS
check(stack_params, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 4 · What does a stride change?
#
# A layer with stride 2 keeps every second unit. Its units are then two pixels apart, and so are the
# taps of a kernel that comes *after* it. How far neighbouring units stand apart, in pixels of the
# image, is called the **jump**. It starts at 1 and is multiplied by every stride.
#
# *Before you run the cell:* four layers of 3, with strides 1, 2, 1, 2. The first two see 3 and 5
# pixels. What do the next two see?

# %%
strided = [(3, 1, 0, 1), (3, 2, 0, 1), (3, 1, 0, 1), (3, 2, 0, 1)]
print("layer  stride  adds       sees  jump after it")
jump_before = 1
for depth, field in enumerate(geometry.field_by_layer(strided)[1:], start=1):
    stride = strided[depth - 1][1]
    print(
        f"{depth:5} {stride:7}  2·{jump_before} = {2 * jump_before} {field.size:9} {field.jump:5}"
    )
    jump_before = field.jump

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.cones(
        {"strides 1, 2, 1, 2": strided, "four times stride 1": [(3,)] * 4},
        title="A stride widens what comes after it",
    ),
    "Two cones of four layers. With strides 1, 2, 1, 2 the unit sees thirteen pixels, with stride 1 "
    "throughout it sees nine.",
)

# %% [markdown]
# Look at layer 2. Its stride is 2, and it adds 2 pixels, as layer 1 did: its own window still stands
# on neighbouring pixels. Layers 3 and 4 add 4 each. You may read that a stride of 2 doubles the field.
# It doubles what each *later* layer adds. At the very end of a stack it adds nothing at all, at the
# start it pays most.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
found = geometry.field_by_layer(strided)
assert [field.size for field in found[1:]] == [3, 5, 9, 13]
assert [field.jump for field in found[:-1]] == [1, 1, 2, 2]
for depth, field in enumerate(found):
    assert len(pixels_that_move(1, strided[:depth])) == field.size

# %% [markdown]
# Measure that on six layers with 64 channels and one stride of 2, first in front, then at the end. One
# GMAC is a billion multiply-accumulates (chapter 03).

# %%
plain = (3, 1, 1, 1)
halving = (3, 2, 1, 1)
work = {}
for name, layers in (("first", [halving] + [plain] * 5), ("last", [plain] * 5 + [halving])):
    size = geometry.receptive_field(layers).size
    n, products = 224, 0
    for layer in layers:
        n = geometry.output_size(n, *layer)
        products += 3 * 3 * C * C * n * n
    print(f"stride 2 in the {name} of six layers: sees {size} pixels, {products / 1e9:.1f} GMACs")
    assert size == {"first": 23, "last": 13}[name]
    work[name] = products

assert work["first"] < work["last"] / 3

# %% [markdown]
# The same six layers with the same number of weights. With the stride in front they see nearly twice
# as far for less than a third of the work, because every later layer runs on a quarter of the
# positions. That is why networks for photographs begin by making the image small. The price is
# detail: what a unit says, it says for a block of pixels.
#
# *Before you play:* below is the stack with strides 1, 2, 1, 2, now padded. Click a unit on top and see
# its cone. Which of the four strides could you set to 1 without changing the field? Then make the field
# as wide as you can by moving the 2s to other layers.

# %%
ReceptiveField(effective=False)

# %% [markdown]
# The last one. With both 2s in front the four layers see 23 pixels instead of 13.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
last_plain = [(3, 1, 1, 1), (3, 2, 1, 1), (3, 1, 1, 1), (3, 1, 1, 1)]
assert geometry.receptive_field(last_plain).size == 13
in_front = [(3, 2, 1, 1), (3, 2, 1, 1), (3, 1, 1, 1), (3, 1, 1, 1)]
assert geometry.receptive_field(in_front).size == 23

# %% [markdown]
# ### Exercise: `receptive_field` (6 points)
#
# Now for any stack. `layers` is a list of tuples `(kernel, stride, padding, dilation)`, all ints, the
# layer next to the image first. Return a tuple of three ints:
#
# - `size`: how many pixels a unit of the last layer sees, from the first to the last;
# - `jump`: how far two neighbouring units of the last layer stand apart, in pixels;
# - `start`: the first pixel that unit 0 covers. Padding moves it to the left, so it is 0 or negative:
#   each padded position of a layer is as long, in pixels, as the jump before that layer.
#
# A dilated kernel spans `dilation * (kernel - 1) + 1` positions of its own input (chapter 02). No
# layer at all gives `(1, 1, 0)`. Do without the course's own functions.
#
# For example, `receptive_field([(3, 1, 1, 1), (3, 2, 1, 1), (3, 1, 1, 1), (3, 2, 1, 1)])` is `(13, 4,
# -6)`. The start is −1 −1 −2 −2: the last two paddings count two pixels each.


# %% nbgrader={"grade": false, "grade_id": "receptive_field", "locked": false, "schema_version": 3, "solution": true, "task": false}
def receptive_field(layers):
    """The receptive field of a stack, along one axis: a tuple (size, jump, start) of ints.

    `layers` is a list of (kernel, stride, padding, dilation), the first one next to the image.
    """
    ### BEGIN SOLUTION
    size, jump, start = 1, 1, 0
    for kernel, stride, padding, dilation in layers:
        size += dilation * (kernel - 1) * jump
        start -= padding * jump
        jump *= stride  # last: a layer's own stride counts for the layers after it
    return size, jump, start
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_receptive_field", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check(receptive_field)
### BEGIN HIDDEN TESTS
check(receptive_field, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 5 · Which pixels are they?
#
# A detector says: unit 7 has found something. Where in the photograph is that? Unit 0's field begins at
# `start`, and every further unit's begins one jump later.

# %%
padded = [(3, 1, 1, 1), (3, 2, 1, 1), (3, 1, 1, 1), (3, 2, 1, 1)]
described(
    plots.regions(padded, indices=(0, 1, 2, 5), n=24, title="Each region begins a jump of 4 later"),
    "A row of 24 pixels with four bars below it. Unit 0 covers pixels −6 to 6, of which those below 0 "
    "lie in the padding; unit 1 covers −2 to 10, unit 2 covers 2 to 14, unit 5 covers 14 to 26, hanging "
    "over the other end.",
)

# %%
assert geometry.input_region(padded, 2) == (2, 14)
found = pixels_that_move(2, padded, n=24)
assert (found[0], found[-1]) == (2, 14)

# %% [markdown]
# Two things to see. Neighbouring regions overlap: 13 pixels long, 4 apart. And the regions of the
# first and last units reach into the padding (hatched), so part of what they see is made up.
#
# ### Exercise: `input_region` (3 points)
#
# Return the first and the last pixel that unit `index` of the last layer covers, a tuple of two ints.
# Both belong to the region. Do not clip it to the image: a negative first pixel lies in the padding. You
# may use your `receptive_field`, or `geometry.receptive_field`; do without the course's other functions.
#
# For example, with `layers = [(3, 1, 1, 1), (3, 2, 1, 1)]`, `input_region(layers, 0)` is `(-2, 2)` and
# `input_region(layers, 3)` is `(4, 8)`.


# %% nbgrader={"grade": false, "grade_id": "input_region", "locked": false, "schema_version": 3, "solution": true, "task": false}
def input_region(layers, index):
    """The first and the last pixel, both included, that unit `index` covers: a tuple of two ints.

    `layers` is a list of (kernel, stride, padding, dilation), the first one next to the image.
    """
    ### BEGIN SOLUTION
    first = last = index
    for kernel, stride, padding, dilation in reversed(layers):  # from the unit down to the pixels
        first = first * stride - padding
        last = last * stride - padding + dilation * (kernel - 1)
    return first, last
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_input_region", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check(input_region)
### BEGIN HIDDEN TESTS
check(input_region, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 6 · Can you see far and keep the detail?
#
# Strides see far, but blur *where*. There is another way: set the taps of a kernel $D$ pixels apart.

# %%
described(
    arithmetic.dilation_figure(7, kernel=3, dilation=2),
    "A 3×3 kernel on a 7×7 image, twice. At dilation 1 its nine taps fill a frame of 3×3 pixels; at "
    "dilation 2 the same nine stand in every second row and column of a frame of 5×5.",
)

# %% [markdown]
# Such a kernel has as many weights as before, and spans
#
# $$K + (K-1)(D-1)$$
#
# pixels, its **effective kernel**, the same number as $D(K-1)+1$. Give each layer twice the dilation
# of the layer before. *Before you run the cell: what do the dilations 1, 2, 4, 8 see?*

# %%
for n in range(1, 5):
    dilations = [1, 2, 4, 8][:n]
    layers = [(3, 1, 0, d) for d in dilations]
    seen = pixels_that_move(0, layers)
    print(f"dilations {dilations}: {len(seen)} pixels")

# %% jupyter={"source_hidden": true}
# The figure.
n = 12
described(
    plots.growth(
        {
            "plain 3×3": [geometry.rf_of_stack(i) for i in range(n + 1)],
            "stride 2 in every third layer": [
                geometry.receptive_field([(3, 2 if k % 3 == 2 else 1, 1, 1) for k in range(i)]).size
                for i in range(n + 1)
            ],
            "dilations 1, 2, 4, …": [
                geometry.dilated_rf([2**k for k in range(i)]) for i in range(8)
            ],
        },
        target=224,
        title="Plain layers add, strides and dilations multiply",
    ),
    "The field against the number of layers. Plain layers grow along a flat line to 25 after twelve "
    "layers. A stride in every third layer bends the line upwards, to 91. Doubling dilations reach 255 "
    "after seven layers.",
)

# %% [markdown]
# 3, 7, 15, 31: every layer doubles the field and adds one. Seven layers see more than a photograph of
# 224 pixels, and every one of them works at full resolution.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert [geometry.dilated_rf([2**k for k in range(n)]) for n in (1, 2, 3, 4)] == [3, 7, 15, 31]
assert all(3 + (3 - 1) * (d - 1) == geometry.effective_kernel(3, d) for d in (1, 2, 4, 8))
assert geometry.rf_of_stack(12) == 25
assert geometry.receptive_field([(3, 2 if k % 3 == 2 else 1, 1, 1) for k in range(12)]).size == 91
assert geometry.dilated_rf([2**k for k in range(7)]) == 255

# %% [markdown]
# Where is the catch? There are two. At full resolution every layer costs as much as the first. And the
# pattern must be chosen with care.
# *Before you run the cell:* three layers with dilation 2 each span 13 pixels. How many of the 13 does
# a unit read?

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.path_counts(
        {
            "2, 2, 2": [(3, 1, 0, 2)] * 3,
            "1, 2, 4": [(3, 1, 0, d) for d in (1, 2, 4)],
            "1, 3, 9": [(3, 1, 0, d) for d in (1, 3, 9)],
        },
        title="Equal dilations leave holes",
    ),
    "Bars for the number of paths from each pixel to a unit. Dilations 2, 2, 2 span thirteen pixels and "
    "read every second one, seven of them. Dilations 1, 2, 4 read all fifteen, over one to three paths "
    "each. Dilations 1, 3, 9 read all 27, over one path each.",
)

# %% [markdown]
# Seven; the hatched pixels are never read. Neighbouring units then look at different pixels altogether,
# and the output may show a chequered pattern, called *gridding*. A field says from where to where a unit
# sees, not that it reads all in between. (Tripling makes the most of three layers: 27 paths, 27 pixels.)

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert len(geometry.pixels_seen([(3, 1, 0, 2)] * 3)) == 7
assert len(geometry.pixels_seen([(3, 1, 0, d) for d in (1, 2, 4)])) == 15
assert len(geometry.pixels_seen([(3, 1, 0, d) for d in (1, 3, 9)])) == 27 == 3**3
own, neighbours = (set(geometry.pixels_seen([(3, 1, 0, 2)] * 3, unit)) for unit in (0, 1))
assert not own & neighbours

# %% [markdown]
# ### Exercise: `dilated_rf` (3 points)
#
# Return the receptive field of a stack of stride-1 layers with these dilations, one number a layer, all
# with the same kernel. An `int`. An empty list sees one pixel. Do without the course's own functions.
#
# For example, `dilated_rf([2])` is `5` and `dilated_rf([1, 2, 4, 8])` is `31`.


# %% nbgrader={"grade": false, "grade_id": "dilated_rf", "locked": false, "schema_version": 3, "solution": true, "task": false}
def dilated_rf(dilations, kernel=3):
    """The receptive field of stride-1 layers with the given dilations: an int."""
    ### BEGIN SOLUTION
    return 1 + (kernel - 1) * sum(dilations)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_dilated_rf", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check(dilated_rf)
### BEGIN HIDDEN TESTS
check(dilated_rf, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 7 · What do the famous networks see?
#
# All that a field depends on is a table of kernels and strides, poolings included.
# `course_lib.layer_tables` has those of four networks that you will build in chapter 07, down to the
# last layer with a window. *Before you run the cell: they were made for images of 224 pixels. In which
# of them can a unit see a whole one?*

# %% jupyter={"source_hidden": true}
# The figure.
sizes = {
    name: geometry.receptive_field(backbone.layers).size for name, backbone in BACKBONES.items()
}
assert list(sizes.values()) == [195, 212, 268, 483, 427]
described(
    plots.backbone_bars(sizes),
    "Bars: AlexNet 195 pixels, VGG-16 212, VGG-19 268, ResNet-50 with the stride in the 1×1 "
    "convolution 483, with the stride in the 3×3 convolution 427. A line at 224, the image's width, "
    "lies between VGG-16 and VGG-19.",
)

# %% [markdown]
# VGG-19 and ResNet-50. You may read that VGG-19 sees 101 of 224 pixels. That would be fifty layers at
# stride 1. VGG-19 has sixteen convolutions and five poolings, and each pooling doubles the jump. The
# poolings do most of the work:

# %%
vgg19 = BACKBONES["VGG-19"].layers
convolutions = [layer for layer in vgg19 if layer.kernel == 3]
assert len(convolutions) == 16 and len(vgg19) == 16 + 5
assert geometry.rf_of_stack(50) == 101
print("VGG-19 with its poolings:", geometry.receptive_field(vgg19).size)
print("its convolutions alone:  ", geometry.receptive_field(convolutions).size)
assert geometry.receptive_field(convolutions).size == 33

# %% [markdown]
# ResNet-50 stands in the figure twice. Its paper puts the stride of a block into the block's first 1×1
# convolution, PyTorch's torchvision into the 3×3 behind it. In the paper's version the 3×3 already
# takes doubled steps, so the field is larger. The 1×1 with stride 2, though, never reads three
# quarters of its input. The same name, two networks: ask which one.
#
# A ResNet has two paths through each block, and the skip sees less than the convolutions. A unit sees
# what *any* path shows it, so the longest one decides. `receptive_field_of` follows the paths of a PyTorch
# module:


# %%
class Block(torch.nn.Module):
    """Two convolutions, and the input added to what they find."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(4, 4, 3, padding=1)
        self.second = torch.nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x):
        return torch.relu(x + self.second(torch.relu(self.first(x))))


network = torch.nn.Sequential(
    torch.nn.Conv2d(3, 4, 7, 2, 3), torch.nn.MaxPool2d(2), Block(), Block()
)
height, width = fields.receptive_field_of(network)
print(height)
assert height == width
assert height == geometry.receptive_field([(7, 2, 3), (2, 2), *[(3, 1, 1)] * 4])

# %% [markdown]
# ### Exercise: `design_stack` (4 points)
#
# Your turn to build. Return a list of layers, each `(kernel, stride, padding, dilation)`, whose receptive
# field has at least `min_rf` pixels and which has at most `max_params` weights. Every layer has
# `channels` channels in and out and no bias: $K^2 \cdot$ `channels`$^2$ weights. Any stack that meets
# both is right.
#
# The budgets get tighter. For `design_stack(11, 10_000, 8)` nearly anything will do. For
# `design_stack(63, 2880, 8)`, five layers of 3×3 are all that you can pay for.


# %% nbgrader={"grade": false, "grade_id": "design_stack", "locked": false, "schema_version": 3, "solution": true, "task": false}
def design_stack(min_rf, max_params, channels):
    """Layers (kernel, stride, padding, dilation) that see `min_rf` pixels with few weights: a list.

    The weights of all layers, `kernel**2 * channels**2` each, must not exceed `max_params`.
    """
    ### BEGIN SOLUTION
    layers, seen, dilation = [], 1, 1
    while seen < min_rf:
        layers.append((3, 1, dilation, dilation))  # padding as large as the dilation keeps the size
        seen += 2 * dilation
        dilation *= 2
    return layers
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_design_stack", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check(design_stack)
### BEGIN HIDDEN TESTS
check(design_stack, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# The cheapest stack of all is one kernel of two taps per axis, `min_rf - 1` pixels apart. It meets both
# conditions. Would you use it? It reads four pixels of the image.

# %%
assert geometry.receptive_field([(2, 1, 0, 99)]).size == 100
assert len(geometry.pixels_seen([(2, 1, 0, 99)])) == 2

# %% [markdown]
# ## 8 · Does a unit use all that it sees?
#
# So far a pixel is in the field or not. But look at the cone of section 1: from the outermost pixel one
# path leads up to the unit, from the middle many do. With every weight 1, a pixel counts as often as
# it has paths.

# %%
described(
    plots.path_counts(
        {"one layer": [(3,)], "3 layers": [(3,)] * 3, "10 layers": [(3,)] * 10},
        title="Most paths start in the middle",
    ),
    "Bars for the number of paths from each pixel to a unit. After one layer all three pixels have one "
    "path; after three layers the seven pixels have 1, 3, 6, 7, 6, 3, 1; after ten layers the bars "
    "form a bell.",
)

# %% [markdown]
# A bell. Each layer shifts a path by −1, 0 or 1, so after $L$ layers its end is a sum of $L$ such
# steps, and a sum of many steps is spread like a **Gaussian**. One step has the variance 2/3.
# Variances add, so the standard deviation of the whole is $\sqrt{2L/3}$: it grows with the *square root* of the depth, while
# the field grows with the depth itself.
#
# Real weights are not 1, and there are ReLUs. How much a pixel counts is then the gradient of the unit
# with respect to that pixel: how far does the unit move if the pixel moves a little? The map of its
# magnitude is the **effective receptive field** (Luo, Li, Urtasun and Zemel, 2016). Here it is for
# stacks with random weights. *Before you run the cells: each picture is as large as the field of the
# sections above, which is called the theoretical one from here on. How much of it will be dark?*

# %%
depths = (5, 10, 20, 40)
maps = {
    f"{n} layers": fields.effective_receptive_field(
        fields.random_stack(n, channels=8, seed=0), (1, 2 * n + 1, 2 * n + 1)
    )
    for n in depths
}

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.effective_fields(maps, title="The deeper the stack, the smaller the share that counts"),
    "Four square maps, dark in the middle and white towards the border. The dark spot fills most of the "
    "field of 11 pixels and a small part of the field of 81 pixels.",
)

# %% [markdown]
# ### How wide is a bell?
#
# It has no edge, so a width must be agreed on. In this chapter it is **four standard deviations** of
# the map, read as weights of its pixels: the middle stretch that holds about 95 % of a Gaussian.
# `field_width` computes that. Let us measure it on five random networks of each depth, and fit a power:
# the $p$ in "the width grows like depth to the $p$". *Before you run the cell: what should $p$ be?*


# %%
def width_of(n_layers, seed):
    side = geometry.rf_of_stack(n_layers)
    network = fields.random_stack(n_layers, channels=8, seed=seed)
    return fields.field_width(fields.effective_receptive_field(network, (1, side, side), seed=seed))


def power(values):
    """The slope of a straight line through the points, both axes logarithmic."""
    return float(np.polyfit(np.log(depths), np.log(values), 1)[0])


widths = np.array([[width_of(n, seed) for n in depths] for seed in range(5)])  # (seeds, depths)
whole = [geometry.rf_of_stack(n) for n in depths]
powers = [power(row) for row in widths]

for n, column, full in zip(depths, widths.T, whole, strict=True):
    print(
        f"{n:2} layers: {column.mean():4.1f} ± {column.std():.1f} pixels wide, "
        f"{column.mean() / full:.0%} of the field's {full}"
    )
print(f"fitted power: {np.mean(powers):.2f}, from {min(powers):.2f} to {max(powers):.2f}")

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.width_by_depth(
        depths,
        {"theoretical field": whole, "effective field": widths},
        {"theoretical field": power(whole), "effective field": float(np.mean(powers))},
        title="Effective fields grow about with the square root of the depth",
    ),
    "Widths against depth, both axes logarithmic. The theoretical field is a steep straight line from 11 "
    "to 81 pixels. The effective field starts at about 9 and ends at about 29, with a slope of about one "
    "half.",
)

# %% [markdown]
# About one half, and the deeper, the closer: from 20 to 40 layers the line is flatter than from 5 to
# 10. And the share of the field that counts falls with depth.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert min(powers) > 0.45 and max(powers) < 0.62
assert (np.diff(widths.mean(axis=0) / whole) < 0).all()
mean = widths.mean(axis=0)
assert np.log2(mean[1] / mean[0]) > np.log2(mean[3] / mean[2]) > 0.45

# %% [markdown]
# With the weights all equal it is one half exactly:

# %%
for n in depths:
    network = fields.random_stack(n, channels=1, relu=False)
    for layer in network:
        torch.nn.init.constant_(layer.weight, 1 / 9)
    side = geometry.rf_of_stack(n)
    equal = fields.field_width(fields.effective_receptive_field(network, (1, side, side)))
    print(f"{n:2} layers, equal weights: {equal:4.1f}   4·√(2L/3) = {4 * np.sqrt(2 * n / 3):4.1f}")
    assert np.isclose(equal, 4 * np.sqrt(2 * n / 3), rtol=1e-3)

assert 1.3 < widths[:, -1].mean() / equal < 1.5

# %% [markdown]
# Random weights make it wider than equal ones. Paths of random sign partly cancel, so it is their
# *squares* that add up to a Gaussian, and the root of a Gaussian is a Gaussian $\sqrt 2$ times as wide.
#
# You may read that the effective field of seven 3×3 layers is "7 to 9 pixels" of the 15. Is it? It
# depends on what is measured, and on whose weights:

# %%
seven = 7
side = geometry.rf_of_stack(seven)
assert side == 15
random_map = np.mean(
    [
        fields.effective_receptive_field(fields.random_stack(seven, seed=s), (1, side, side))
        for s in range(5)
    ],
    axis=0,
)
network = fields.random_stack(seven, channels=1, relu=False)
for layer in network:
    torch.nn.init.constant_(layer.weight, 1 / 9)
equal_map = fields.effective_receptive_field(network, (1, side, side))

above_half, above_luo = {}, {}
for name, field in (("equal weights", equal_map), ("random weights", random_map)):
    four = fields.field_width(field)
    above_half[name] = float(np.sqrt((field > 0.5 * field.max()).sum()))
    above_luo[name] = float(np.sqrt((field > 0.0455 * field.max()).sum()))
    print(
        f"{name:15} four standard deviations {four:4.1f}   above half the maximum "
        f"{above_half[name]:4.1f}   above 4.55 % of it {above_luo[name]:4.1f}"
    )

found = [*above_half.values(), *above_luo.values()]
assert min(found) < 6 and max(found) > 11

# %% [markdown]
# From about 5 to about 13 pixels, all of them honest. (The last column follows the paper: the side of a
# square with as many pixels as lie above 4.55 % of the largest value.) Whoever gives you a number for an
# effective field owes you its definition.
#
# The paper goes on to things that this chapter does not measure: training widens the effective field, and
# so do strides and dilations, while skips make it smaller. For your own designs remember the share that
# you have seen: a theoretical field that just covers the object leaves its rim hardly noticed.
#
# ### Exercise: `effective_receptive_field` (5 points)
#
# Write the measurement. `model` is a PyTorch network that takes `(N, C, H, W)` and returns `(N, C', H', W')`;
# `input_shape` is `(C, H, W)`.
#
# - Take 16 random inputs of that shape.
# - Of each output take the unit in the centre, row `H' // 2`, column `W' // 2`, and add up its channels.
# - The absolute gradient of that sum with respect to the input, added up over the input's channels,
#   is a map `(H, W)`. Absolute values first, then the sum over channels.
# - Average the maps of the 16 inputs, and divide by the largest value, so that it becomes 1.
#
# Return the map, a NumPy array or a tensor. The inputs of a batch do not touch each other, so one
# backward pass serves all 16. (Adding up the absolute gradients of each output channel apart is
# accepted as well.) Do without `fields.effective_receptive_field`.
#
# For a single 3×3 convolution of weights 1 on a 5×5 image, the map is 1 on the middle nine pixels and 0
# around them.


# %% nbgrader={"grade": false, "grade_id": "effective_receptive_field", "locked": false, "schema_version": 3, "solution": true, "task": false}
def effective_receptive_field(model, input_shape):
    """How strongly each pixel moves the centre unit: a map (H, W) whose largest value is 1.

    `input_shape` is (C, H, W). The absolute gradient of the centre unit is added up over channels and
    averaged over 16 random inputs.
    """
    ### BEGIN SOLUTION
    x = torch.randn(16, *input_shape, requires_grad=True)
    out = model(x)  # (16, C', H', W')
    centre = out[:, :, out.shape[2] // 2, out.shape[3] // 2]  # (16, C')
    centre.sum().backward()
    field = x.grad.abs().sum(dim=1).mean(dim=0)  # (H, W)
    return (field / field.max()).numpy()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_effective_receptive_field", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check(effective_receptive_field)
### BEGIN HIDDEN TESTS
check(effective_receptive_field, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# *Before you play:* the explorer can lay the effective field over the cone. Choose "five layers of 3",
# then "one layer of 5" and the dilated stacks. Which of them treats all its pixels alike?

# %%
ReceptiveField(image_size=24, layers=[(3, 1, 1)] * 5, unit=(5, 12), effective=True)

# %% [markdown]
# A single layer does, whatever its size: from each of its pixels there is one path. The dilations 1, 2,
# 4, 8 have a ragged profile, with most paths near the middle; 2, 2, 2 have a bell with holes. Tripled
# ones, 1 and 3, treat all alike: set them in the table. The bell comes from stacking windows that
# overlap.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
for stack in ([(5, 1, 2)], [(3, 1, d, d) for d in (1, 3)]):
    explorer = ReceptiveField(image_size=64, layers=stack, unit=(len(stack), 32))
    assert set(explorer.paths) == {0, 1}

doubled = ReceptiveField(
    image_size=64, layers=[(3, 1, d, d) for d in (1, 2, 4, 8)], unit=(4, 32)
).paths
assert len(set(doubled)) > 2 and doubled[24:41].sum() > 0.5 * doubled.sum()

holes = ReceptiveField(image_size=24, layers=[(3, 1, 2, 2)] * 3, unit=(3, 12)).paths
assert holes[6:19].tolist() == [1, 0, 3, 0, 6, 0, 7, 0, 6, 0, 3, 0, 1]

# %% [markdown]
# ## 9 · In production code, and further reading
#
# - PyTorch has no function for a receptive field. torchvision's `resnet50` strides in the 3×3
#   convolution (`Bottleneck` in `torchvision/models/resnet.py` says so in a comment); the paper's
#   strides in the first 1×1. The weights of one load into the other without an error, and do not
#   belong there.
# - `replace_stride_with_dilation=[False, True, True]` of torchvision's ResNets turns the strides of the
#   last stages into dilations: the same field, sixteen times as many positions, for segmentation.
# - timm's models know their jump at each stage: `model.feature_info.reduction()`. Detectors read it to
#   turn a unit's index into a place in the image.
# - ConvNeXt (chapter 10) goes back to 7×7 kernels, one channel at a time, so that few layers see far.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
# ResNet-50, its last two strides turned into dilations of what comes after them.
strided_net = BACKBONES["ResNet-50 (stride in the 3×3)"].layers
dilated_net, strides, dilation = [], 0, 1
for layer in strided_net:
    turned = layer.stride == 2 and strides == 3
    dilated_net.append(
        (layer.kernel, 1 if turned else layer.stride, layer.padding * dilation, dilation)
    )
    strides += layer.stride == 2 and not turned
    dilation *= 2 if turned else 1
with_strides, with_dilations = map(geometry.receptive_field, (strided_net, dilated_net))
assert with_strides.size == with_dilations.size == 427
assert (with_strides.jump, with_dilations.jump) == (32, 8) and (32 // 8) ** 2 == 16
print("the last stage's jump:", with_strides.jump, "→", with_dilations.jump)

# %% [markdown]
# **Read on**
#
# - Luo, Li, Urtasun and Zemel, *Understanding the effective receptive field in deep convolutional neural
#   networks* (arXiv:1701.04128): the Gaussian, the square root, and what training does to both.
# - Araujo, Norris and Sim, *Computing receptive fields of convolutional neural networks* (Distill,
#   2019): size, start and jump for every kind of network, with drawings.
# - Simonyan and Zisserman, *Very deep convolutional networks* (arXiv:1409.1556): the argument for
#   3×3, in section 2.3.
# - Yu and Koltun, *Multi-scale context aggregation by dilated convolutions* (arXiv:1511.07122): doubling
#   dilations for segmentation.
# - Wang and others, *Understanding convolution for semantic segmentation* (arXiv:1702.08502): gridding,
#   and dilations without a common factor against it.

# %% [markdown]
# ## 10 · What you can now say
#
# **What is a receptive field?** The pixels that a unit can depend on. At stride 1 its side is
# 1 + n(k − 1): 11 after five layers of 3×3, 21 after ten, 101 after fifty. *(Section 1)*
#
# **How deep must a plain stack be to see 224 pixels?** 112 layers of 3×3; thirty see 61. *(Section 2)*
#
# **Why must the field cover the object?** A unit that never has both parts in view cannot know how they
# lie to each other, whatever its weights. *(Section 2)*
#
# **Why 3×3 instead of 5×5?** Two of them see the same with 18 C² weights instead of 25 C², and have one
# more non-linearity. *(Section 3)*
#
# **What does a stride do to the field?** It doubles, or multiplies, what each later layer adds. That is
# why backbones make the image small early: more field for less work. *(Section 4)*
#
# **What does dilation do?** It spreads the same weights over K + (K − 1)(D − 1) pixels. Dilations 1, 2,
# 4, 8 see 3, 7, 15, 31; equal dilations leave holes. *(Section 6)*
#
# **What do the well-known networks see?** AlexNet 195 pixels, VGG-16 212, VGG-19 268, ResNet-50 483 or
# 427, depending on where it strides. *(Section 7)*
#
# **What is the effective receptive field?** How much each pixel moves the unit. For a stack with random
# weights it looks like a Gaussian and grows about with the square root of the depth, so a deep unit
# uses mostly the middle of what it sees. *(Section 8)*

# %% [markdown]
# ## 11 · Quiz
#
# Seven questions, a point each. Their numbers are drawn from the seed: put another seed into both
# cells and you have a new set to practise on. The functions of this chapter may help. Write a
# number, or the letter of your choice in quotes.

# %%
questions("05", seed=1)

# %% nbgrader={"grade": false, "grade_id": "quiz_05", "locked": false, "schema_version": 3, "solution": true, "task": false}
answers = {
    "quiz": "05",
    "seed": 1,
    "stack": None,  # question 1
    "depth": None,  # question 2
    "strided": None,  # question 3
    "region": None,  # question 4
    "dilated": None,  # question 5
    "weights": None,  # question 6
    "effective": None,  # question 7, a letter
}
if None in answers.values():
    ### BEGIN SOLUTION
    answers.update(
        stack=45, depth=116, strided=31, region=84, dilated=43, weights=90_112, effective="c"
    )
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test_quiz_05", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(answers)
### BEGIN HIDDEN TESTS
check(answers, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# That closes the first half. You can build every layer of a network, backwards and forwards, and say what
# its units see. Chapter 06 puts the layers together and lets them learn.
