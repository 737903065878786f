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
#    padding: what is that line at the border, and why has it two colours?
# 3. Stride 2 halves the picture. What does it do to the second layer's receptive field? To the
#    tenth's?
# 4. Dilation 4 at kernel 3 sees as far as which kernel at dilation 1? Do the two pictures look
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

page = Playground(picture="gradient", padding=1)
columns = page.response[10]
print(
    f"2. inside {columns[5]:.3f} everywhere; left border {columns[0]:.3f}, right {columns[-1]:.3f}"
)
assert columns[0] > 0 > columns[-1]

fields = {s: Playground(stride=s, layers=10).receptive_fields for s in (1, 2)}
print("3. second and tenth layer:", {s: (f[1], f[9]) for s, f in fields.items()})

print("4. three taps at dilation 4 span", geometry.effective_kernel(3, dilation=4), "pixels")

for c_in, c_out in ((1, 128), (256, 1)):
    standard, separable = Playground(in_channels=c_in, out_channels=c_out).separable_weights
    print(f"5. {c_in} in, {c_out} out: {standard:,} against {separable:,} weights")
