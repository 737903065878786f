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
# # Start here
#
# *15 minutes · 5 points · needs: a little Python and NumPy*
#
# This course is meant to be done, not read. You will write a convolution, train networks, take
# famous architectures apart, and each time the notebook will tell you at once whether your code is
# right and, if it is not, which mistake it makes. This page shows how that works. At its end you
# can:
#
# - write an answer into a cell, check it, and read the card that comes back;
# - ask for a hint, and for our solution;
# - use an explorer, with the mouse or the keyboard;
# - read the course's notation.
#
# Run a cell with **Shift+Enter**. Run them from top to bottom: later cells need earlier ones.
#
# Some texts ask you for a prediction before you run a cell. Where the code would tell, it is folded
# away behind three dots. Run such a cell like any other; a click on the dots opens it.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import numpy as np

from autograder.check import check, hint, questions, solution

# %% [markdown]
# ## An exercise
#
# Every exercise has a statement like this one.
#
# > **`brightest(image) -> (row, column)`** · 3 points
# >
# > `image` is a NumPy array with two dimensions, height and width. Return the place of its largest
# > value as a tuple of two ints: row first, counted from 0 at the top, then column, counted from 0
# > at the left. Where several pixels share the largest value, return the first of them in reading
# > order: row by row, each row from left to right.
#
# For this image the answer is `(0, 1)`: the 7 stands in the top row, second from the left.

# %%
image = np.array([[1, 7], [3, 2]])
print(image)
assert image[0, 1] == image.max() == 7

# %% [markdown]
# The cell below is yours. It holds a line that raises `NotImplementedError`: that is the line to
# replace. Before you do, run the cell as it is, and the check below it too. The check will end in
# red, with *0 points*. It does so on purpose: an error is how the grading software learns that an
# exercise earned nothing.


# %% nbgrader={"grade": false, "grade_id": "brightest", "locked": false, "schema_version": 3, "solution": true, "task": false}
def brightest(image):
    """Return (row, column) of the largest value, the first of equals in reading order."""
    ### BEGIN SOLUTION
    place = int(image.argmax())  # in the flattened image, which is what argmax searches
    return divmod(place, image.shape[1])
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_brightest", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check(brightest)
### BEGIN HIDDEN TESTS
check(brightest, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## What the card says
#
# Here is somebody else's answer. It looks right, and on the image above it is. *Before you run the
# cell: on which images will it go wrong?*


# %%
def somebody_elses(image):
    rows, columns = np.where(image == image.max())
    return int(rows[-1]), int(columns[-1])


check(somebody_elses, exercise="brightest")

# %% [markdown]
# The card lists the **aspects** of the exercise. Each is worth points by itself, so an answer that is
# half right earns half. For the first aspect that fails you see the smallest case that shows it: the
# call, what was expected, what came back. The last line, after the arrow, names the mistake where
# it is one that the course knows. Behind an aspect you may find *counts once “one maximum” is right*:
# it earns its points only together with that other aspect.
#
# Some things to know about the check:
#
# - It tries worked examples and practice cases. In a graded class, other cases of the same kind are
#   drawn, so an answer that only knows the examples earns nothing.
# - It does not mind prints, warnings or plots. What your function printed in the failing case is
#   shown on the card: use `print` to look inside.
# - It does mind a function that changes the array it is given, that takes longer than ten seconds (a
#   minute where it trains a network), or that calls the very library function you are asked to
#   write. It tells you each time.
# - The number after the card is your points. At zero there is the red error instead.
# - It judges the function that was last defined. Where your cell ends in an error of its own, such as a
#   `SyntaxError`, it has defined nothing: the check then still judges the version before it. Mend
#   the cell and run it again, then check.
#
# ## Hints, and our solution
#
# If you are stuck, ask. Each time you run this cell you get the next hint.

# %%
hint("brightest")

# %% [markdown]
# After a pass, or after the last hint, `solution(brightest)` shows how we did it. Write it into a cell
# of your own: **+** in the toolbar adds one. What you add is never graded, and nothing that is graded
# may depend on it: keep everything a solution needs inside the solution cell.
#
# ## Notation
#
# | we write | we mean |
# | --- | --- |
# | $N$, $C$, $H$, $W$ | images in a batch, channels, height, width: the order of the axes of an array |
# | $C_{in}$, $C_{out}$ | channels that go into a layer, channels that come out |
# | $K$, $S$, $P$, $D$ | kernel size, stride, padding, dilation: one int, or a pair (height, width) |
# | $H'$, $W'$ | height and width of the output |
# | `x`, `weight`, `bias` | arrays of shape $(N, C_{in}, H, W)$, $(C_{out}, C_{in}, K_h, K_w)$, $(C_{out},)$ |
# | $\lfloor a \rfloor$ | $a$ rounded down |
# | pixel $(r, c)$ | row $r$, column $c$, both counted from 0 at the top left |
# | convolution | what deep learning calls so: the kernel slides as it is. Chapter 02 tells the story |
# | MACs, FLOPs | multiply-adds, and twice as many floating-point operations |
#
# A single image in grey has just the axes $(H, W)$. Chapters 01 and 02 need no more than that.

# %%
batch = np.zeros((2, 3, 6, 8))  # two colour images, 6 rows high, 8 columns wide
n, c, h, w = batch.shape
print(f"N = {n}, C = {c}, H = {h}, W = {w}: {batch.size:,} numbers")

# %% [markdown]
# ## A quiz
#
# Every chapter ends with a quiz. Its numbers are drawn from a **seed**. Choose another seed and you
# get other numbers, as often as you want to practise.

# %%
questions("00", seed=1)

# %% [markdown]
# Write your answers in place of `None`: a number as it is, a choice as its letter in quotes. If you
# chose another seed, write that too.

# %% nbgrader={"grade": false, "grade_id": "quiz_00", "locked": false, "schema_version": 3, "solution": true, "task": false}
answers = {
    "quiz": "00",
    "seed": 1,
    "numbers": None,
    "shape": None,
}
if None in answers.values():
    ### BEGIN SOLUTION
    answers.update(numbers=3 * 53 * 21, shape="c")
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test_quiz_00", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check(answers)
### BEGIN HIDDEN TESTS
check(answers, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# After a pass, or after the hints, `solution(answers)` shows the steps that lead to each answer.
#
# ## An explorer
#
# Some things are better seen than told. An explorer is a picture that answers while you drag. The one
# below lays a small grid of numbers, the *kernel*, on an image, multiplies each pixel in the frame by
# the number on it, and adds up. Chapter 02 is about what you see.
#
# The image is dark but for two things: one very bright pixel, a 9, and a faint cross of five 3s.
# *Before you touch it: where will the sum be largest, at the bright pixel or at the faint cross?*
#
# Then take hold of the framed window and slide it over the image; or press **Tab** until the image is
# marked and use the arrow keys.

# %%
from course_lib.explorers import SlidingKernel

explorer = SlidingKernel(
    image=[
        [0, 0, 0, 0, 0, 0, 0],
        [0, 9, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 3, 0, 3, 0],
        [0, 0, 0, 0, 3, 0, 0],
        [0, 0, 0, 3, 0, 3, 0],
        [0, 0, 0, 0, 0, 0, 0],
    ]
)
explorer

# %% [markdown]
# The faint cross wins, since the kernel is a cross, too: where the two lie on each other, all five
# pixels count. A kernel looks for a pattern, not for brightness alone.
#
# An explorer is also a Python object. What you set by hand you can read in a cell, and the other way
# round. Run the next cell and look up: the window in the picture has moved, and all sums are shown.

# %%
explorer.position = [3, 3]
explorer.filled = True
explorer.value, int(explorer.output.max())

# %% jupyter={"source_hidden": true}
# The claims of the text above.
sums = explorer.output
assert sums.max() == sums[3, 3] == 5 * 3
assert (sums == sums.max()).sum() == 1
assert sums[:3, :3].max() == 9 + 3

# %% [markdown]
# ## What the course needs of you
#
# - **Python**: functions, loops, tuples. From chapter 06 on, classes.
# - **NumPy**: arrays, shapes, slices such as `image[2:5, ::2]`, broadcasting.
# - **Mathematics**: sums and products. Derivatives where a chapter explains a backward pass; knowing
#   the chain rule is enough.
# - **PyTorch**: nothing yet. Chapters 01 to 04 ask for NumPy alone.
# - **A computer**: any laptop. Nothing needs a graphics card, an account or, once installed, a network.
#
# ## The way through the course
#
# Eleven chapters, each built on those before it. A link opens its notebook.
#
# | | chapter | the question it answers | points |
# | --- | --- | --- | ---: |
# | 01 | [Why convolution?](../ch01_why_convolution/ch01_why_convolution.ipynb) | What is lost when an image becomes a list of numbers, and which layer keeps it? | 24 |
# | 02 | [Slide, multiply, sum](../ch02_output_size/ch02_output_size.ipynb) | What does a convolution compute, and how large is what comes out? | 44 |
# | 03 | [Channels](../ch03_channels/ch03_channels.ipynb) | How does a layer look at red, green and blue at once, and what does that cost? | 45 |
# | 04 | [Keep one of four](../ch04_pooling/ch04_pooling.ipynb) | Which three of four numbers may a network throw away? | 40 |
# | 05 | [What a unit can see](../ch05_receptive_field/ch05_receptive_field.ipynb) | How do small windows ever come to see a whole face? | 34 |
# | 06 | [A network that learns to read](../ch06_training_a_cnn/ch06_training_a_cnn.ipynb) | Who chooses the kernels, and what keeps them from learning by heart? | 41 |
# | 07 | [How networks became deep](../ch07_architectures/ch07_architectures.ipynb) | Why do more layers make a network worse, and which line of code cures it? | 39 |
# | 08 | [Doing with less](../ch08_efficient_convolutions/ch08_efficient_convolutions.ipynb) | How many weights can a layer spare, and is it faster without them? | 39 |
# | 09 | [A label for every pixel](../ch09_upsampling_and_segmentation/ch09_upsampling_and_segmentation.ipynb) | How does a map become large again, and where were the edges? | 38 |
# | 10 | [Looking everywhere at once](../ch10_vision_transformers/ch10_vision_transformers.ipynb) | What does a network gain that sees all of an image in its first layer, and what does it pay? | 41 |
# | 11 | [Starting from what others learned](../ch11_transfer_learning/ch11_transfer_learning.ipynb) | How do fifty labelled images suffice? | 39 |
# | | [The convolution playground](../playground/playground.ipynb) | What follows from four sliders, all at once? For breaks, from chapter 02 on | |
# | | [References](../references/references.ipynb) | Where does it come from, and where can you read on? | |
#
# ## What you can now say
#
# - *How do I know that my code is right?* `check` runs it on examples and on cases drawn at random,
#   compares with an answer we trust, and shows the smallest case that differs.
# - *Why is the row first?* Because an array is indexed so: `image[row, column]`, and its shape is
#   (height, width).
#
# Chapter 01 begins with a photograph of a cat, cut into its pixels.
