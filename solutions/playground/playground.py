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
# # The convolution playground
#
# Nothing here is graded. Four sliders set up one convolution; below them stands all that follows at
# once: the size of its output, what an edge detector of that shape makes of a picture, how far a stack
# of such layers sees, what a depthwise separable layer would save, and the line of PyTorch that
# builds it.
#
# Chapters 02, 05 and 08 explain what you see. Come back after each of them.

# %%
from course_lib.explorers import Playground

playground = Playground()
playground

# %% [markdown]
# ## Things to try
#
# Say what will happen before you move a slider.
#
# 1. The image is 64 pixels wide, the kernel 3. Which padding keeps the output at 64? And when the kernel
#    is 7? When it is 4?
# 2. Set the image to *gradient*. The edge detector gives the same answer everywhere. Why? Now add
#    padding: what is that line at the right border, and why is there none at the left?
# 3. Stride 2 halves the picture. What does it do to the second layer's receptive field? To the
#    tenth's?
# 4. Dilation 3 at kernel 3 sees as far as which kernel at dilation 1? Do the two pictures look
#    alike? Do they cost alike?
# 5. With one channel in, does a separable layer still save anything? With 256 in and one out?
#
# The sliders are an object too. What you set by hand you can read in a cell, and a cell can set them.

# %%
playground.kernel_size, playground.stride = 5, 2
print(playground.torch_line)
print("output:", playground.output_shape)
print("receptive fields:", playground.receptive_fields)
print("weights, standard and separable:", playground.separable_weights)

# %% [markdown]
# ## An image of your own
#
# Any array will do, grey or in colour. The largest square in its middle is cut out and made small.
# For a file, read it with `matplotlib.pyplot.imread("cat.png")` in place of the line with `data`.

# %%
from course_lib import data

Playground.of(data.photograph("coffee", grey=False), kernel_size=5, padding=2)

# %% [markdown]
# ## The answers, computed
#
# These cells check the questions above with the course's own functions. Run them after you have
# answered.

# %% jupyter={"source_hidden": true}
from course_lib import geometry

keeps = {
    k: [p for p in range(7) if geometry.output_size(64, k, padding=p) == 64] for k in (3, 7, 4)
}
print("1. padding that keeps 64:", keeps)
assert keeps == {3: [1], 7: [3], 4: []}
print("   An even kernel needs one pixel more on one side than on the other.")

page = Playground(picture="gradient", padding=1)
row = page.response[10]
print(f"2. left border {row[0]:.3f}, inside {row[5]:.3f} everywhere, right border {row[-1]:.3f}")
assert row[-1] < 0 < row[0] < row[5] and row[1:-1].max() - row[1:-1].min() < 1e-9
print("   The gradient rises evenly, and an edge detector measures the rise. The padding is black:")
print("   so is the image at its left border, but at its right one it is white.")

fields = {s: Playground(stride=s, layers=10).receptive_fields for s in (1, 2)}
for stride, seen in fields.items():
    print(f"3. stride {stride}: the second layer sees {seen[1]} pixels, the tenth {seen[9]:,}")
assert [seen[9] for seen in fields.values()] == [21, 2047]
print("   A stride doubles what every later layer adds.")

apart, dense = Playground(dilation=3), Playground(kernel_size=7)
assert geometry.effective_kernel(3, dilation=3) == 7
assert apart.receptive_fields == dense.receptive_fields
assert apart.output_shape == dense.output_shape
print("4. three taps at dilation 3 span", geometry.effective_kernel(3, dilation=3), "pixels")
print(
    f"   {apart.separable_weights[0]:,} weights against {dense.separable_weights[0]:,}. The edges"
)
print("   are the same, but nine taps with gaps between them make a rougher picture than 49.")

for c_in, c_out in ((1, 128), (256, 1)):
    standard, separable = Playground(in_channels=c_in, out_channels=c_out).separable_weights
    print(f"5. {c_in} in, {c_out} out: {standard:,} against {separable:,} weights")
    assert (separable < standard) == (c_out > 1)
print("   What it saves comes with the channels that go out.")
