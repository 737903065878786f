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
# # Chapter 10 · Looking everywhere at once
#
# Point at the top left corner of a photograph of 224×224 pixels, then at the bottom right. How many
# 3×3 layers must a network have before one of its units has seen both? You have counted that in
# chapter 05. In 2020 a network appeared that needs one layer. It has no kernels, knows of no
# neighbours, and must learn from data that neighbouring pixels have something to do with each
# other. What does it gain, and what does it pay?
#
# **What you will be able to do**
#
# - cut an image into tokens, and say why that is a convolution;
# - compute self-attention, count what it costs, and say what it knows of positions;
# - say what a convolution's prior is worth in labels, from a measurement;
# - cut maps into windows, shift them, and mask what must not meet: the Swin Transformer;
# - build the block with which convolutions answered, and say what each step towards it brought.
#
# **What you need**: channels and `im2col` (chapter 03), the receptive field (chapter 05), depthwise
# layers (chapter 08). All exercises but one need NumPy alone; `ConvNeXtBlock` needs PyTorch.
#
# **Time and points**: about 3½ hours, 41 points. The end of section 8 is a good place for a break.
#
# | section | exercise | points |
# | --- | --- | ---: |
# | 2 | `patchify` | 4 |
# | 3 | `patch_embedding_as_conv` | 3 |
# | 4 | `self_attention` | 7 |
# | 6 | `attention_macs` | 2 |
# | 9 | `window_partition` | 3 |
# | 9 | `window_reverse` | 3 |
# | 10 | `shifted_window_mask` | 5 |
# | 12 | `ConvNeXtBlock` | 6 |
# | 15 | `quiz_10` | 8 |
#
# Stuck on an exercise? `hint(patchify)` in a cell of your own shows a hint, and a further one each
# time you run it. After the last hint, or once you have passed, `solution(patchify)` shows our
# answer.
#
# The experiments run on the course's own functions, never on yours. Run the notebook cell by cell:
# *Run All* stops at the first check that gives no points. Where you are asked for a prediction and
# a cell would give it away, its code is folded: run it first, then unfold it.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import numpy as np
import torch
from torch import nn

from autograder.check import check, hint, questions, solution

torch.set_num_threads(1)

# %%
from dataclasses import replace
from itertools import pairwise

from course_lib import cost_table, data, geometry, nets, ops
from course_lib.attention_distance import attention_maps, even_distance
from course_lib.experiments import labels_needed
from course_lib.nets import convnext, swin, windows
from course_lib.nets.digits import vit_digits
from course_lib.plots import described
from course_lib.plots import transformers as plots


def parameters(module):
    return sum(p.numel() for p in module.parameters())


# %% [markdown]
# ## 1 · How far does one layer see?
#
# A 3×3 layer of stride 1 adds two pixels to the field. A layer in which every position may look at
# every other sees all of the image at once. That is what **self-attention** does.
#
# *Before you run the cell: after how many 3×3 layers does a unit see 224 pixels?*

# %% jupyter={"source_hidden": true}
# The figure.
needed = geometry.layers_to_see(224)
described(
    plots.reach_by_depth(
        {
            "3×3 layers, stride 1": [geometry.rf_of_stack(n) for n in range(needed + 1)],
            "self-attention": [1] + [224] * needed,
        },
        target=224,
        title="Reach by depth, and reach in layer 1",
    ),
    "Receptive field against the number of layers. The line of 3×3 layers climbs by two pixels a layer "
    "and arrives at 224 after 112 layers. Self-attention jumps to 224 in the first layer.",
)

# %% [markdown]
# After 112. Real backbones get there sooner, because they halve their maps (chapter 05), but they
# all get there *by depth*: early layers see little, whatever the image. A transformer has the whole
# image in reach in layer 1, and depth is for something else.
#
# Do not read the figure as "more is better". A convolution that sees nine pixels has been told that
# those nine belong together. A layer that may look anywhere has been told nothing.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert needed == 112
assert geometry.rf_of_stack(112) >= 224 > geometry.rf_of_stack(111)

# %% [markdown]
# ## 2 · An image as a row of words
#
# Transformers come from language. They take a sequence of **tokens**, vectors of one length, and
# return as many. How does an image become a sequence? Dosovitskiy and others (2020) cut it into
# squares that do not overlap, **patches**, and write each one out as a long vector.
#
# *Before you run the cell: an image of 224×224 pixels, in colour, in patches of 16×16. How many
# tokens are that, and how many numbers has each?*

# %% jupyter={"source_hidden": true}
# The figure.
cat = data.photograph("chelsea", size=224, grey=False)
described(
    plots.patches(
        cat, 16, first=(3, 2), title="What the network is given: the squares on the right, in a row"
    ),
    "A cat's face under a grid of 14 by 14 squares. Beside it twelve of the squares by themselves, with "
    "their numbers: fur, and an eye in pieces.",
)

# %%
image = cat.transpose(2, 0, 1)[None]  # (1, 3, 224, 224)
side = 224 // 16
print(f"{side}·{side} = {side**2} tokens of 3·16·16 = {3 * 16 * 16} numbers")
print(f"{image.size:,} numbers before, {side**2 * 3 * 16 * 16:,} after")

# %% [markdown]
# 196 tokens of 768 numbers: as many numbers as before, in another order. Why not a token for each
# pixel? That would be 50,176 of them, and section 6 shows what comparing all with all would cost.
#
# Inside a patch, we choose an order and keep it: all pixels of channel 0 first, row by row, then
# channel 1. The next section shows why this order is a good one.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert side**2 == 196 and 3 * 16 * 16 == 768
assert 224 * 224 == 50_176
assert image.size == 196 * 768

# %% [markdown]
# ### Exercise: `patchify` (4 points)
#
# Cut images into patches. `x` is `(N, C, H, W)`; `patch` is an int that divides H and W, which may
# differ. Return an array `(N, n_patches, patch²·C)`. The patches of an image run row by row, from
# the top left. Inside a patch the channel varies slowest: all pixels of channel 0, row by row, then
# those of channel 1, and so on. Return an array, or a tensor, of the input's values.
#
# Do without `ops.im2col` and without PyTorch's `functional.unfold` and `pixel_unshuffle`, also as
# layers (`nn.Unfold`, `nn.PixelUnshuffle`).
#
# For example, the 4×4 image with the rows 0 1 2 3, 4 5 6 7, 8 9 10 11, 12 13 14 15 in patches of
# 2×2 gives 0 1 4 5, then 2 3 6 7, 8 9 12 13 and 10 11 14 15.


# %% nbgrader={"grade": false, "grade_id": "patchify", "locked": false, "schema_version": 3, "solution": true, "task": false}
def patchify(x, patch):
    """Images as tokens: (N, C, H, W) → (N, n_patches, patch²·C)."""
    ### BEGIN SOLUTION
    n, c, h, w = x.shape
    rows, columns = h // patch, w // patch
    blocks = x.reshape(n, c, rows, patch, columns, patch)
    blocks = blocks.transpose(0, 2, 4, 1, 3, 5)  # (N, rows, columns, C, patch, patch)
    return blocks.reshape(n, rows * columns, c * patch * patch)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_patchify", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check(patchify)
### BEGIN HIDDEN TESTS
check(patchify, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · "No convolutions": except the first layer
#
# A token of 768 raw pixel values goes through one linear layer, the same for all patches, to the
# width of the network. The same weights at every place of a grid: you know that from somewhere.
#
# *Before you run the cell: we multiply 12 patches by a matrix, and we run a convolution whose
# kernel and stride are both the patch's size. How far apart are the two answers?*

# %% jupyter={"source_hidden": true}
# The numbers.
rng = np.random.default_rng(0)
small, matrix = rng.normal(size=(1, 3, 6, 8)), rng.normal(size=(12, 5))  # patches of 2×2
columns = ops.im2col(small, 2, stride=2)  # (1, 12, 12): a column for each patch
by_matrix = columns[0].T @ matrix  # (12 patches, 5)
kernels = np.stack([column.reshape(3, 2, 2) for column in matrix.T])  # (5, 3, 2, 2)
by_convolution = ops.conv2d(small, kernels, stride=2)  # (1, 5, 3, 4)
apart = np.abs(by_matrix - by_convolution[0].reshape(5, 12).T).max()
print(f"largest difference: {apart:.0e}")

# %% [markdown]
# They are the same numbers. The patch embedding *is* a strided convolution, and libraries write it
# as one: `nn.Conv2d(3, 768, kernel_size=16, stride=16)`, with 590,592 parameters in ViT-B/16. Each
# column of the matrix is a kernel, written out in a line.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
with torch.device("meta"):
    base = nets.create("vit_b_16")
assert apart < 1e-12
assert base.conv_proj.kernel_size == base.conv_proj.stride == (16, 16)
assert parameters(base.conv_proj) == 590_592 == 768 * 768 + 768

# %% [markdown]
# ### Exercise: `patch_embedding_as_conv` (3 points)
#
# Turn the embedding's matrix into a convolution's weight. `weight` is `(patch²·channels, D)`: it
# multiplies the rows of `patchify(x, patch)` from the right, without bias. Return the array `(D,
# channels, patch, patch)` with which a convolution of stride `patch` gives the same numbers.
# `patch` and `channels` are ints. A convolution is a cross-correlation here, as everywhere in the
# course.
#
# For example, for one channel and patches of 2×2, the matrix with the rows 0 1, 2 3, 4 5, 6 7 gives
# two kernels: 0 2 / 4 6 and 1 3 / 5 7.


# %% nbgrader={"grade": false, "grade_id": "patch_embedding_as_conv", "locked": false, "schema_version": 3, "solution": true, "task": false}
def patch_embedding_as_conv(weight, patch, channels):
    """A matrix on patches as a convolution: (patch²·channels, D) → (D, channels, patch, patch)."""
    ### BEGIN SOLUTION
    return weight.T.reshape(-1, channels, patch, patch)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_patch_embedding_as_conv", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check(patch_embedding_as_conv)
### BEGIN HIDDEN TESTS
check(patch_embedding_as_conv, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 4 · Who looks at whom?
#
# Take two tokens. Each makes three things of itself: a **query** (what am I looking for?), a
# **key** (what do I have?) and a **value** (what do I hand over?). All three are linear maps of the
# token. A query meets every key in a dot product, its own as well. The softmax turns the products
# of one query into weights that add up to one, and the token takes the values in these shares.
#
# Let the two tokens hold the numbers 1 and 0, and let the three maps multiply by ln 3, by 1 and by
# 8:
#
# | token | query | key | value |
# | --- | --- | --- | --- |
# | 1 | ln 3 | 1 | 8 |
# | 0 | 0 | 0 | 0 |
#
# *Before you run the cell: what do the two tokens take?*

# %% jupyter={"source_hidden": true}
# The numbers.
tokens = np.array([[1.0], [0.0]])
query, key, value = tokens * np.log(3), tokens * 1, tokens * 8
scores = query @ key.T
shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
taken = shares @ value
for name, row, answer in zip(("token 1", "token 0"), shares, taken, strict=True):
    print(f"{name} takes {row[0]:.2f} of 8 and {row[1]:.2f} of 0: {answer[0]:.0f}")

# %% [markdown]
# The first has the scores ln 3 and 0, so the shares 3/4 and 1/4, and takes 6. The second has no
# preference, takes half of each, and gets 4. For all tokens at once:
#
# $$\text{attention}(Q, K, V) = \text{softmax}\left(\frac{Q K^\top}{\sqrt{d}}\right) V$$
#
# with $d$ the length of a query. A dot product of $d$ random numbers grows like $\sqrt d$;
# dividing by it keeps the softmax from deciding for one key before anything is learned.
#
# One such look gives one set of shares. **Several heads** cut the width into pieces, and each piece
# looks for itself; their answers stand side by side, and a last matrix mixes them.
#
# Compare this with a convolution. Its weights are fixed numbers, and *where* a weight applies
# depends on the offset between two positions. Here the weights are made anew for each image, and
# what decides is what the tokens *hold*.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert np.allclose(shares, [[0.75, 0.25], [0.5, 0.5]])
assert np.allclose(taken, [[6], [4]])
draws = rng.normal(size=(2, 4000, 64))
assert 0.9 < (draws[0] * draws[1]).sum(axis=1).std() / 64**0.5 < 1.1

# %% [markdown]
# ### Exercise: `self_attention` (7 points)
#
# Compute multi-head self-attention. `x` is `(N, T, D)`: N images of T tokens. `w_qkv` is `(D, 3D)`
# and multiplies from the right: the first D columns make the queries, the next D the keys, the last
# D the values. `n_heads` divides D. In each of the three blocks head 0 has the first D / n_heads
# columns, head 1 the next, and so on. Each head divides its scores by the root of D / n_heads and
# takes the softmax over the keys. The heads' answers stand side by side in their order, and `w_out`,
# `(D, D)`, multiplies them from the right. No bias, no mask, no skip. Return an array `(N, T, D)`.
#
# Scores of some thousands must not overflow: remember chapter 06. Do without PyTorch's
# `scaled_dot_product_attention`, `multi_head_attention_forward` and `nn.MultiheadAttention`, and
# without the course's `ops.scaled_dot_product_attention`.
#
# For example, the two tokens above: `x` = 1, 0, `w_qkv` = (ln 3, 1, 8), `w_out` = 1 and one head
# give 6 and 4.


# %% nbgrader={"grade": false, "grade_id": "self_attention", "locked": false, "schema_version": 3, "solution": true, "task": false}
def self_attention(x, w_qkv, w_out, n_heads):
    """Every token takes shares of all tokens' values: (N, T, D) → the same."""
    ### BEGIN SOLUTION
    n, t, dim = x.shape
    qkv = (x @ w_qkv).reshape(n, t, 3, n_heads, dim // n_heads)
    q, k, v = qkv.transpose(2, 0, 3, 1, 4)  # each (N, heads, T, D / heads)
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(dim // n_heads)  # (N, heads, T, T)
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares = powers / powers.sum(axis=-1, keepdims=True)
    return (shares @ v).swapaxes(1, 2).reshape(n, t, dim) @ w_out
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_self_attention", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(self_attention)
### BEGIN HIDDEN TESTS
check(self_attention, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 5 · Where am I?
#
# One more token joins the others in front: the **class token**, a learned vector that belongs to no
# patch. It looks at all patches, block after block, and the classifier reads it alone at the end.
#
# Something is still missing. Take a small ViT without anything else, and shuffle the patches of an
# image. *Before you run the cell: how much does the answer change?*


# %% jupyter={"source_hidden": true}
# The numbers.
def shuffled(images, order, patch=2):
    """Images whose patches stand in another order."""
    n, c, h, w = images.shape
    tiles = images.reshape(n, c, h // patch, patch, w // patch, patch).permute(0, 2, 4, 1, 3, 5)
    tiles = tiles.flatten(1, 2)[:, order].reshape(n, h // patch, w // patch, c, patch, patch)
    return tiles.permute(0, 3, 1, 4, 2, 5).reshape(n, c, h, w)


torch.manual_seed(0)
small_vit = vit_digits().eval()
noise, order = torch.rand(4, 1, 8, 8), torch.randperm(16)
changes = {}
with torch.no_grad():
    changes["with positions"] = (small_vit(noise) - small_vit(shuffled(noise, order))).abs().max()
    small_vit.encoder.pos_embedding.zero_()
    changes["without"] = (small_vit(noise) - small_vit(shuffled(noise, order))).abs().max()
for name, change in changes.items():
    print(f"{name:15} largest change of a logit: {change:.0e}")

# %% [markdown]
# Not at all, but for rounding. A weighted sum does not care in which order its terms come, so to
# attention an image is a *bag* of patches. A ViT therefore adds a learned vector to each token, one
# for each place: the **position embedding**. It says *where*, but not what is near what. That the
# vectors of neighbouring places should have something in common has to be learned, from the images.
#
# So it matters how they begin. The published network starts them with a spread of 0.02 and has a
# million images to make them grow. While tuning the small ViT of section 7, with 200 labels, we
# tried that, and 0.3:

# %%
results = labels_needed.load()
by_positions = {
    spread: [
        r.accuracy
        for r in results
        if r.setting.tuning and r.setting.network == "vit" and r.setting.positions == spread
    ]
    for spread in (0.02, 0.3)
}
for spread, found in by_positions.items():
    print(f"positions start with a spread of {spread}: {' '.join(f'{a:.3f}' for a in found)}")

# %% [markdown]
# The three numbers are three learning rates. No learning rate makes up for positions that hardly
# differ. (A single trial each: read the gap, not the third digit.)

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert changes["without"] < 1e-5 < 1e-3 < changes["with positions"]
assert base.encoder.pos_embedding.shape == (1, 197, 768)  # 196 patches and the class token
assert min(by_positions[0.3]) > max(by_positions[0.02]) + 0.05

# %% [markdown]
# ## 6 · The price
#
# Every token meets every token: $n$ tokens make $n^2$ scores. Twice the side of the image is four
# times the tokens and sixteen times the pairs.
#
# ### Exercise: `attention_macs` (2 points)
#
# Count the MACs of the two products that have the n×n map in them, for one image: the scores
# $QK^\top$, and the shares times the values. `dim` is D, the width of all heads together. The
# projections, the scaling and the softmax are not counted. Return an int.
#
# For example, `attention_macs(4, 3)` is 96, and `attention_macs(196, 768)` is 59,006,976.


# %% nbgrader={"grade": false, "grade_id": "attention_macs", "locked": false, "schema_version": 3, "solution": true, "task": false}
def attention_macs(n_tokens, dim):
    """The MACs of the two products with the n×n map of one image."""
    ### BEGIN SOLUTION
    scores = n_tokens * n_tokens * dim  # each pair of tokens: a dot product
    mixing = n_tokens * n_tokens * dim  # each of n·dim numbers: a sum over n tokens
    return scores + mixing
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_attention_macs", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
check(attention_macs)
### BEGIN HIDDEN TESTS
check(attention_macs, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# The number of heads does not appear: more heads are as much narrower. And how much of the whole is
# it? A block of a ViT also has four projections, of $n\,d^2$ MACs each, and a two-layer perceptron
# for each token with $8\,n\,d^2$. *Before you run the cell: at 224×224 pixels, what share of
# ViT-B/16's work are the two quadratic products?*

# %% jupyter={"source_hidden": true}
# The numbers.
width, depth = 768, 12


def block_macs(side, patch=16):
    """(quadratic, linear) MACs of one block of ViT-B, without the class token."""
    n = (side // patch) ** 2
    return 2 * n * n * width, 12 * n * width * width


share = {}
for pixels in (224, 448, 896, 1088, 1792):
    quadratic, linear = block_macs(pixels)
    share[pixels] = quadratic / (quadratic + linear)
    print(f"{pixels:5} pixels: {(pixels // 16) ** 2:6,} tokens, quadratic part {share[pixels]:.0%}")

# %% [markdown]
# Four per cent. At 224×224 the square of $n$ hurts nobody. It is the *growth* that hurts: the two
# parts are equal where $2n^2d = 12nd^2$, so at $n = 6d = 4608$ tokens, an image of about 1,088
# pixels. Photographs for segmentation and detection are that large.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
total = depth * sum(block_macs(224)) / 1e9
assert abs(total / nets.info("vit_b_16").gmacs - 1) < 0.02
assert 0.035 < share[224] < 0.045 and 6 * width == 4608
assert abs(share[1088] - 0.5) < 0.005

# %% [markdown]
# ## 7 · What is a prior worth?
#
# A convolution was *told* that neighbours belong together and that a pattern means the same
# everywhere. A ViT has to find both out. So how many labels is it worth to be told?
#
# We train both on 8×8 digits. To be fair: a residual network of 75,002 parameters and a ViT of
# 80,290 (patches of 2×2: 16 tokens); the same optimizer, schedule and number of steps; and the same
# budget for tuning, six settings each, tried with 200 labels and judged on training digits that the
# trial had not seen. The digits that judge the results below play no part in it. The ViT's six
# settings include the two spreads of section 5.
#
# A small version, live: 50 labels, a third of the steps. *Before you run the cell: which one is
# ahead, and by how much?*

# %%
live = {}
for network in labels_needed.NETWORKS:
    tuned = labels_needed.best(results, network)
    setting = replace(tuned, labels=50, tuning=False, steps=100)
    live[network] = labels_needed.train(setting, seed=0).accuracy
    print(f"{network}, 50 labels, 100 steps: {live[network]:.3f}")

# %% [markdown]
# Now in full: five seeds, three numbers of labels, 300 steps. On the right the same once more, with
# small turns, stretches and shifts of every batch (`data.augment_digits`, chapter 06). These runs
# take eight minutes, so the course ships their results; `python -m
# course_lib.experiments.labels_needed` makes them anew.
#
# *Before you run the cell: does the gap grow or shrink with more labels? And with augmentation?*


# %% jupyter={"source_hidden": true}
# The figure.
def runs(network, augment, steps=300):
    """By number of labels: the accuracies of all seeds."""
    found = {}
    for r in results:
        s = r.setting
        if (s.network, s.augment, s.steps, s.tuning) == (network, augment, steps, False):
            found.setdefault(s.labels, []).append(r.accuracy)
    return found


panels = {
    panel: {"CNN": runs("cnn", augment), "ViT": runs("vit", augment)}
    for panel, augment in (("as they are", False), ("augmented", True))
}
described(
    plots.against_labels(panels, title="What the prior is worth"),
    "Two panels: accuracy against 50, 200 and 800 labels, five dots at each. As they are: the CNN rises "
    "from 0.82 over 0.95 to 0.99, the ViT from 0.62 over 0.85 to 0.94. Augmented: the CNN from 0.91 over "
    "0.97 to 0.99, the ViT from 0.80 over 0.89 to 0.92.",
)

# %%
means = {
    (panel, network, labels): float(np.mean(found))
    for panel, networks in panels.items()
    for network, by_labels in networks.items()
    for labels, found in by_labels.items()
}
for panel, networks in panels.items():
    print(panel)
    for network, by_labels in networks.items():
        cells = (f"{np.mean(a):.3f} ({min(a):.3f}-{max(a):.3f})" for a in by_labels.values())
        print(f"   {network}:", "   ".join(cells))

# %% [markdown]
# The CNN is ahead for every seed and every number of labels. With 50 labels the gap is 0.20, with
# 200 it is 0.10, with 800 it is 0.05: what the CNN was told, the ViT finds out, label by label. Put
# the other way round, the ViT needs 200 labels to do slightly better than the CNN with 50, and with
# 800 it is still behind the CNN with 200.
#
# Augmentation is a prior too, told by examples: *a digit moved a little is the same digit*. With 50
# labels it brings the ViT 0.18, nearly as much as the change of architecture. That is the first
# sight of a theme of this chapter: **the recipe matters as much as the architecture.**
#
# And the exception belongs to the story. With 800 labels augmentation makes the ViT *worse*. It has
# more to learn from now, and 300 steps are not enough. With five times as many:

# %%
longer = {network: runs(network, True, labels_needed.LONGER)[800] for network in ("cnn", "vit")}
for network, found in longer.items():
    print(f"{network}, 800 labels, augmented, 1,500 steps: {np.mean(found):.3f}", end=" ")
    print(f"({min(found):.3f}-{max(found):.3f})")

# %% [markdown]
# Now the ViT is at 0.98, with the same 800 labels, and the CNN at 0.99. The gap that was 0.05 is 0.01.
# Nothing in either network has changed.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert live["cnn"] > live["vit"] + 0.05
nets_built = (labels_needed.build(labels_needed.best(results, n), 0) for n in ("cnn", "vit"))
assert [parameters(net) for net in nets_built] == [75_002, 80_290]
gaps = {n: means["as they are", "CNN", n] - means["as they are", "ViT", n] for n in (50, 200, 800)}
assert {n: round(gap, 2) for n, gap in gaps.items()} == {50: 0.20, 200: 0.10, 800: 0.05}
for networks in panels.values():
    for n in (50, 200, 800):
        assert all(c > v for c, v in zip(networks["CNN"][n], networks["ViT"][n], strict=True))
assert 0 < means["as they are", "ViT", 200] - means["as they are", "CNN", 50] < 0.05
assert means["as they are", "ViT", 800] < means["as they are", "CNN", 200]
assert round(means["augmented", "ViT", 50] - means["as they are", "ViT", 50], 2) == 0.18
assert means["augmented", "ViT", 800] < means["as they are", "ViT", 800] - 0.01
assert {network: round(float(np.mean(found)), 2) for network, found in longer.items()} == {
    "cnn": 0.99,
    "vit": 0.98,
}
assert round(float(np.mean(longer["cnn"]) - np.mean(longer["vit"])), 2) == 0.01

# %% [markdown]
# Digits are small and few. On 1.3 million images the paper's ViT was still behind comparable
# ResNets; trained on 303 million first, it overtook them. A prior is a gift while data are short,
# and a limit when they are not.
#
# | | convolution | attention |
# | --- | --- | --- |
# | sees in layer 1 | its kernel | everything |
# | weights | fixed, by offset | made for each image, by content |
# | nearness | built in | learned, from positions |
# | few data | better | worse, unless the recipe makes up for it |
# | cost in the number $n$ of positions | $n$ | $n^2$ |

# %% [markdown]
# ## 8 · Where does a trained ViT look?
#
# You may read that a ViT's early layers learn to look near by, as a convolution does, and its later
# layers far. That can be measured. For one patch, take the distance to every other patch, weighted
# by the share that it takes of it; average over patches and images. That is the **attention
# distance** of a head, its receptive field if you like.
#
# *Before you run the cell: the small ViT, with 800 labels, before training and after. Where do you
# expect the heads of layer 1?*

# %% jupyter={"source_hidden": true}
# The figure.
trained = [
    r for r in results if r.setting.network == "vit" and r.setting.steps == labels_needed.LONGER
]
reach = {
    "before training": np.concatenate([r.reach_before for r in trained], axis=1),
    "after 1,500 steps": np.concatenate([r.reach_after for r in trained], axis=1),
}
even = even_distance(4, 4, patch=2)
described(
    plots.reach_by_layer(
        reach,
        even,
        title="How far the heads look, four heads of five networks",
        y="attention distance, pixels",
    ),
    "Attention distance of each head in the four layers of a small ViT. Before and after training all "
    "heads but one lie within a third of a pixel of 4.0, the line of looking at all patches alike.",
)

# %%
for name, values in reach.items():
    layers = ", ".join(f"{row.mean():.2f}" for row in values)
    print(f"{name:18} mean by layer {layers}; closest head {values.min():.2f}")
print(f"looking everywhere alike: {even:.2f}")

# %% [markdown]
# Where they were. Looking everywhere alike has a distance of 4.0 pixels; a head that looked at
# itself would have 0, at one neighbour 2. Of the 80 heads after training the closest has 3.75, and
# no layer's mean is more than a tenth of a pixel from 4.0. In this small network **no layer has become
# local**, although it reads 98 % of the digits. Its heads choose by what patches hold and where they
# are, not by what is near.
#
# What the papers report is about other networks: in ViTs trained on 300 million images some heads
# of the first layers look only a few patches far and others across the whole image, and the
# distance grows with depth (Dosovitskiy and others, figure 7). Raghu and others (2021) report that
# it takes much data for early layers to learn to look near by. The recipe has a say too: on small
# data sets, one study got local heads by cutting and mixing images (arXiv:2605.16390). So ask of
# "transformers learn to be convolutions early on": trained on what, and how? Ours saw 800 digits.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert reach["after 1,500 steps"].shape == (4, 20)
assert abs(even - 4.0) < 0.02
assert round(reach["after 1,500 steps"].min(), 2) == 3.75
assert np.abs(reach["after 1,500 steps"].mean(axis=1) - even).max() < 0.1
assert np.abs(reach["before training"] - even).max() < 0.3

# %% [markdown]
# ## 9 · Look around, but in windows
#
# Back to the price. If near things matter most, do not pay for the far ones: cut the map into
# **windows** of 7×7 tokens, and let a token look at the 49 of its own window. That is the Swin
# Transformer (Liu and others, 2021). Its first stage has patches of 4×4 pixels, so 56×56 tokens for
# an image of 224.
#
# *Before you run the cell: how many times cheaper are the windows there? And on an image of twice
# the side?*

# %% jupyter={"source_hidden": true}
# The figure.
sides = (112, 224, 448, 896)
full = [2 * (s // 4) ** 4 * 96 / 1e6 for s in sides]
windowed = [2 * (s // 4) ** 2 * 49 * 96 / 1e6 for s in sides]
described(
    plots.costs(
        sides,
        {"every token with every token": full, "in windows of 7×7": windowed},
        title="Sixteen times, or four times, for twice the side",
        y="million MACs of one layer's maps",
    ),
    "MACs against the side of the image, both axes logarithmic. All with all rises from 118 to 483,000 "
    "million, in windows from 7 to 472 million, a line half as steep.",
)

# %% [markdown]
# 64 times at 224 pixels, and 256 times at 448. In windows the cost is $2\,n\,M^2 d$ for windows of
# $M \times M$: it grows with $n$, as a convolution's does. The square has moved from the image to
# the window, and the window does not grow.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
ratios = dict(zip(sides, (a / b for a, b in zip(full, windowed, strict=True)), strict=True))
assert ratios[224] == 64 and ratios[448] == 256
assert full[2] / full[1] == 16 and windowed[2] / windowed[1] == 4

# %% [markdown]
# ### Exercise: `window_partition` (3 points)
#
# Cut maps into windows. `x` is `(N, C, H, W)`; `window` is an int that divides H and W, which may
# differ. Return an array `(N·n_windows, C, window, window)`: first all windows of image 0, row by
# row from the top left, then those of image 1, and so on. Rows stay rows. Do without
# `course_lib.nets.windows`.
#
# For example, the 4×4 map with the rows 0 1 2 3, 4 5 6 7, 8 9 10 11, 12 13 14 15 in windows of 2×2
# gives 0 1 / 4 5, then 2 3 / 6 7, 8 9 / 12 13 and 10 11 / 14 15.


# %% nbgrader={"grade": false, "grade_id": "window_partition", "locked": false, "schema_version": 3, "solution": true, "task": false}
def window_partition(x, window):
    """Maps cut into windows: (N, C, H, W) → (N·n_windows, C, window, window)."""
    ### BEGIN SOLUTION
    n, c, h, w = x.shape
    blocks = x.reshape(n, c, h // window, window, w // window, window)
    return blocks.transpose(0, 2, 4, 1, 3, 5).reshape(-1, c, window, window)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_window_partition", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check(window_partition)
### BEGIN HIDDEN TESTS
check(window_partition, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise: `window_reverse` (3 points)
#
# Put the windows together again. `windows` is `(N·n_windows, C, window, window)` in the order above;
# `height` and `width` are those of the map, multiples of `window`. Return an array `(N, C, height,
# width)`; N follows from the number of windows, and is an axis for a single image too. Do without
# `course_lib.nets.windows`.
#
# For example, the four windows above, with window 2, height 4 and width 4, give the map back.


# %% nbgrader={"grade": false, "grade_id": "window_reverse", "locked": false, "schema_version": 3, "solution": true, "task": false}
def window_reverse(windows, window, height, width):
    """Windows put together again: (N·n_windows, C, window, window) → (N, C, height, width)."""
    ### BEGIN SOLUTION
    c = windows.shape[1]
    blocks = windows.reshape(-1, height // window, width // window, c, window, window)
    return blocks.transpose(0, 3, 1, 4, 2, 5).reshape(-1, c, height, width)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_window_reverse", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check(window_reverse)
### BEGIN HIDDEN TESTS
check(window_reverse, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 10 · Shift the windows, and mind the seam
#
# Windows alone are islands: two tokens on either side of a border never meet, however many blocks
# follow. (The groups of chapter 08 had the same trouble.) Swin's cure is to **shift** the windows
# by half their size in every second block.
#
# A map of 8×8 tokens, windows of 4×4, three blocks. We change the token in the corner. *Before you
# run the cell: how many tokens notice after one, two and three blocks, without the shift and with
# it?*

# %% jupyter={"source_hidden": true}
# The numbers.
noticed = {}
for name, block_shifts in (("never shifted", (0, 0, 0)), ("every second shifted", (0, 2, 0))):
    torch.manual_seed(0)
    before = torch.randn(1, 8, 8, 8)
    after = before.clone()
    after[0, 0, 0] = torch.randn(8)
    counts = []
    with torch.no_grad():
        for block_shift in block_shifts:
            block = swin.SwinBlock(8, heads=2, window=4, shift=block_shift).eval()
            before, after = block(before), block(after)
            counts.append(int(((after - before).abs().amax(-1) > 1e-7).sum()))
    noticed[name] = counts
    print(f"{name:22}", counts, "of 64")

# %% [markdown]
# 16, 16, 16 without the shift; 16, 36, 64 with it. Reach grows with depth again, as it does in a
# CNN, only in larger steps.
#
# Shifted windows make trouble at the border: some are cut off. Swin does not compute smaller
# windows. It **rolls** the map up and to the left, so that what falls out at the top comes in at
# the bottom, and cuts it into the same grid as before.

# %%
described(
    plots.shifts(6, 6, 3, 1, title="A map of 6×6 tokens, windows of 3×3, shift 1"),
    "Three maps of 36 numbered tokens. Windows: four squares of nine. Shifted by one: the borders move "
    "down and right, a row and a column stand outside, coloured. Rolled: the grid of four squares "
    "again; the last row and the last column hold the coloured tokens, token 0 in the corner.",
)

# %% [markdown]
# Look at the right. In the window at the top right, 6, 12 and 18 sit beside 10, 11, 16, 17: they
# come from the other end of the image, and are no neighbours. The window at the bottom right has
# tokens from all four corners. A **mask** keeps them apart: −100 is added to the score of every
# pair that must not meet, and the softmax makes about $e^{-100}$ of it.
#
# *Before you run the cell: four windows, nine tokens each, 81 pairs a window. In which windows is
# something masked, and how much in the last?*

# %% jupyter={"source_hidden": true}
# The numbers.
mask = windows.shifted_window_mask(6, 6, 3, 1)  # (4, 9, 9)
kept_apart = [int((m < 0).sum()) for m in mask]
for place, pairs in zip(
    ("top left", "top right", "bottom left", "bottom right"), kept_apart, strict=True
):
    print(f"{place:13} {pairs:2} of 81 pairs kept apart")

# %% [markdown]
# None in the first, 36 in the two at the sides, 56 at the bottom right, where four strangers' groups
# of 4, 2, 2 and 1 tokens share a window: $81 - 16 - 4 - 4 - 1$.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert noticed == {"never shifted": [16, 16, 16], "every second shifted": [16, 36, 64]}
assert kept_apart == [0, 36, 36, 56] and 81 - 16 - 4 - 4 - 1 == 56
assert torch.tensor([0.0, -100.0]).softmax(0)[1] < 1e-40
rolled = np.roll(np.arange(36).reshape(6, 6), (-1, -1), axis=(0, 1))
assert rolled[:3, 3:].tolist() == [[10, 11, 6], [16, 17, 12], [22, 23, 18]]

# %% [markdown]
# ### Exercise: `shifted_window_mask` (5 points)
#
# Make the mask. The map of `height` × `width` tokens was rolled by `shift` up and by `shift` to the
# left, then cut into windows row by row, as `window_partition` cuts. Return an array `(n_windows,
# window², window²)`; tokens of a window run row by row. Entry (w, i, j) is 0 where tokens i and j of
# window w may meet, and −100 where not. Two may meet if the roll brought both of them around the
# same borders: neither the bottom one nor the right one, only the bottom one, only the right one, or
# both. A token may always meet itself.
#
# `window` divides `height` and `width`, which may differ and are at least two windows; `shift` is
# an int from 0 to window − 1. With shift 0 all meet. Do without `course_lib.nets.windows`.
#
# For example, with height 4, width 4, window 2 and shift 1, window 0 has no −100; the first row of
# window 1 is 0, −100, 0, −100; the first row of window 3 is 0, −100, −100, −100.


# %% nbgrader={"grade": false, "grade_id": "shifted_window_mask", "locked": false, "schema_version": 3, "solution": true, "task": false}
def shifted_window_mask(height, width, window, shift):
    """Who may not meet after the roll: (n_windows, window², window²), 0 and −100."""
    ### BEGIN SOLUTION
    down = np.arange(height) >= height - shift  # rows that came around
    right = np.arange(width) >= width - shift
    region = 2 * down[:, None] + right  # (height, width): one of four numbers
    blocks = region.reshape(height // window, window, width // window, window)
    region = blocks.transpose(0, 2, 1, 3).reshape(-1, window * window)
    return np.where(region[:, :, None] == region[:, None, :], 0.0, -100.0)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_shifted_window_mask", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check(shifted_window_mask)
### BEGIN HIDDEN TESTS
check(shifted_window_mask, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# Swin also says how tokens lie to one another: a learned number for each *offset* within a window
# is added to the scores. That is a convolution's idea, a weight for each offset. And between its
# stages 2×2 tokens merge into one with twice the channels:

# %%
shapes = []
with torch.device("meta"), torch.no_grad():
    pyramid = nets.create("swin_t").eval()
    x = torch.zeros(1, 3, 224, 224)
    for layer in pyramid.features:
        x = layer(x)
        shapes.append(tuple(x.shape[1:]))
for stage, (height, width_, channels) in enumerate(shapes[1::2], start=1):
    print(f"stage {stage}: {height}×{width_} tokens of {channels} channels")

# %% [markdown]
# Maps that halve, channels that double: the pyramid of every CNN since VGG. A plain ViT keeps 196
# tokens of one width from the first block to the last. Detectors and U-Nets (chapter 09) want a
# pyramid, and so Swin became a backbone where ViT was a classifier. Locality, offsets, a pyramid,
# linear cost: the transformer had walked most of the way back to the CNN.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert shapes[1::2] == [(56, 56, 96), (28, 28, 192), (14, 14, 384), (7, 7, 768)]

# %% [markdown]
# ## 11 · Half and half
#
# Nothing forbids a mixture. The ViT paper has **hybrids** whose tokens come from a ResNet's maps
# rather than raw patches. Xiao and others (2021) only replace the patch embedding by a
# **convolutional stem**, a few 3×3 layers of stride 2. They report that the ViT depends less on the
# optimizer, its learning rate and the length of training, and ends about 1 to 2 points higher on
# ImageNet.
#
# *Before you run the cell: four 3×3 layers of stride 2. How many tokens come out of 224×224
# pixels, and how many pixels has each seen?*

# %% jupyter={"source_hidden": true}
# The numbers.
stem_channels = (3, 48, 96, 192, 384)
with torch.device("meta"):
    stem = nn.Sequential(
        *(
            nn.Sequential(nn.Conv2d(a, b, 3, stride=2, padding=1), nn.BatchNorm2d(b), nn.ReLU())
            for a, b in pairwise(stem_channels)
        ),
        nn.Conv2d(384, 768, 1),
    )
    stem_out = stem(torch.zeros(1, 3, 224, 224))
seen = geometry.receptive_field([(3, 2, 1, 1)] * 4)
print(f"tokens: {stem_out.shape[2]}·{stem_out.shape[3]} of {stem_out.shape[1]} numbers")
print(f"each has seen {seen.size}×{seen.size} pixels; patches would have seen 16×16")
print(f"parameters: {parameters(stem):,}; patch embedding: {parameters(base.conv_proj):,}")

# %% [markdown]
# The same 196 tokens, but they overlap: each has seen 31×31 pixels, and its neighbours half of
# them. Four small layers have told the network what nearness is, before attention begins.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert tuple(stem_out.shape) == (1, 768, 14, 14)
assert seen.size == 31 and seen.jump == 16

# %% [markdown]
# ## 12 · The convolutions' answer
#
# If a transformer gets better by becoming more like a CNN, how good is a CNN that becomes more like
# a transformer? Liu and others (2022) took a ResNet-50 and changed one thing at a time. First the
# *recipe*, and nothing else: more epochs, AdamW, mixup and more augmentation, as transformers are
# trained. Then the network, step by step.
#
# *Before you run the cell: a ResNet-50 has 76.1 % with the recipe of its time. How much of the way
# to 82.0 % is the recipe alone? And which of the steps do you expect to do harm?*

# %% jupyter={"source_hidden": true}
# The figure.
RESNET_50, RECIPE = 76.1, 78.8
STEPS = {
    "blocks by stage: 3, 3, 9, 3": 0.6,
    "patches as stem": 0.1,
    "depthwise, and wider": 1.0,
    "inverted bottleneck": 0.1,
    "depthwise moved up": -0.7,
    "depthwise kernel 7×7": 0.7,
    "GELU for ReLU": 0.0,
    "one activation a block": 0.7,
    "one norm a block": 0.1,
    "LayerNorm for BatchNorm": 0.1,
    "downsampling layers apart": 0.5,
}
described(
    plots.ladder(
        RECIPE,
        STEPS,
        title="From ResNet-50, with the new recipe, to ConvNeXt-T",
        x="top-1 accuracy on ImageNet, %",
    ),
    "Bars from 78.8 to 82.0 per cent. Blocks by stage +0.6, patches as stem +0.1, depthwise and wider "
    "+1.0, inverted bottleneck +0.1, depthwise moved up −0.7, kernel 7×7 +0.7, GELU 0, one activation a "
    "block +0.7, one norm a block +0.1, LayerNorm +0.1, downsampling layers apart +0.5.",
)

# %% [markdown]
# The recipe alone is worth 2.7 points, all changes of the network together 3.2. So much for
# comparing a new network, trained by a new recipe, with an old one trained by an old recipe.
# Many a table does that.
#
# Go through the steps with what you know:
#
# - *Blocks by stage*: 3, 3, 9, 3 in place of 3, 4, 6, 3, Swin's proportions.
# - *Patches as stem*: a 4×4 convolution of stride 4. Section 3 knows it.
# - *Depthwise, and wider*: chapter 08. Looking around and mixing channels come apart, as in
#   attention, where the shares look around and the perceptron mixes. What it saves pays for 96
#   channels in place of 64.
# - *Inverted bottleneck*: wide in the middle, as the perceptron of a transformer is.
# - *Depthwise moved up*: first in the block, on the narrow side. That costs 0.7, and makes room:
# - *7×7*: the size of Swin's windows. On the narrow side it is affordable, and brings the 0.7 back.
# - *Fewer activations, fewer norms, LayerNorm*: one GELU and one norm in a block, as a transformer
#   has. The GELU itself brings nothing; leaving out the others does.
# - *Downsampling apart*: a 2×2 layer of stride 2 between stages, with a norm, as Swin's merging.
#
# The end, 82.0, is Swin-T's 81.3 and a little more, at about the same size and cost, without
# attention. (The paper's table of results has 82.1 for the same network.) You may meet other
# numbers for these steps. These are the paper's, and they add up.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
at = RECIPE
for change in STEPS.values():
    at = round(at + change, 1)
assert at == 82.0 and round(sum(STEPS.values()), 1) == 3.2
assert round(RECIPE - RESNET_50, 1) == 2.7
assert nets.info("swin_t").top1 == 81.3 and nets.info("convnext_tiny").top1 == 82.1
assert [blocks for blocks, _ in convnext.STAGES_TINY] == [3, 3, 9, 3]
for count in ("params", "gmacs"):
    ours, theirs = (getattr(nets.info(name), count) for name in ("convnext_tiny", "swin_t"))
    assert abs(ours / theirs - 1) < 0.02

# %% [markdown]
# ### Exercise: `ConvNeXtBlock` (6 points)
#
# Write the block as a PyTorch module, for an input `(N, channels, H, W)`, with these steps:
#
# 1. a depthwise 7×7 convolution, padded with zeros so that the map keeps its size;
# 2. a LayerNorm over the channels, at each position by itself (`eps=1e-6`, gain and shift learned);
# 3. a 1×1 convolution from `channels` to `4·channels`;
# 4. GELU (the exact one, PyTorch's default);
# 5. a 1×1 convolution back to `channels`;
# 6. the **layer scale**: a factor for each channel, learned, that starts at 1e-6;
# 7. plus the input. Nothing follows.
#
# All three convolutions have a bias; the 1×1 ones may be linear layers. The layer scale is one
# parameter of shape `(channels,)` or `(channels, 1, 1)`. Do without the blocks of `course_lib.nets`
# and of torchvision. Names and order of your layers are free.
#
# For example, `ConvNeXtBlock(96)` has 79,296 parameters: 4,800 in the 7×7, 192 in the norm, 37,248
# and 36,960 in the 1×1 layers, 96 in the scale.


# %% nbgrader={"grade": false, "grade_id": "ConvNeXtBlock", "locked": false, "schema_version": 3, "solution": true, "task": false}
class ConvNeXtBlock(nn.Module):
    """Depthwise 7×7, LayerNorm, 1×1 up, GELU, 1×1 down, layer scale, skip: (N, C, H, W) → the same."""

    def __init__(self, channels):
        super().__init__()
        ### BEGIN SOLUTION
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.up = nn.Linear(channels, 4 * channels)
        self.down = nn.Linear(4 * channels, channels)
        self.scale = nn.Parameter(torch.full((channels,), 1e-6))
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        branch = self.depthwise(x).permute(0, 2, 3, 1)  # (N, H, W, C): LayerNorm wants C last
        branch = self.up(self.norm(branch))
        branch = self.scale * self.down(nn.functional.gelu(branch))
        return x + branch.permute(0, 3, 1, 2)
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_ConvNeXtBlock", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check(ConvNeXtBlock)
### BEGIN HIDDEN TESTS
check(ConvNeXtBlock, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# Why start the scale at 1e-6? The block then begins as the skip alone: it does nothing, and doing
# nothing is a good start for something deep (chapter 07).

# %% jupyter={"source_hidden": true}
# The claims of the text above.
reference_block = convnext.Block(96)
assert parameters(reference_block) == 79_296 == 4_800 + 192 + 37_248 + 36_960 + 96
with torch.no_grad():
    some = torch.randn(1, 96, 8, 8)
    assert (reference_block(some) - some).abs().max() < 1e-4

# %% [markdown]
# ## 13 · In production code, and further reading
#
# - `nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=…)` computes the formula of
#   section 4 without ever storing the n×n map where it can (FlashAttention). The MACs stay; the
#   memory goes from $n^2$ to $n$.
# - `nn.MultiheadAttention` keeps q, k and v in one `in_proj_weight` of shape `(3D, D)`: the transpose
#   of your `w_qkv`.
# - torchvision's `vision_transformer.py` has the embedding as `conv_proj`. For another image size
#   its positions must be interpolated: `interpolate_embeddings`.
# - torchvision's `swin_transformer.py` rolls, partitions and masks in one function,
#   `shifted_window_attention`; where a window spans the whole axis it does not shift.
# - torchvision's `convnext.py` has the block as `CNBlock`, with stochastic depth added: in training
#   whole branches are left out at random.
# - timm has hundreds of relatives, `timm.list_models("*vit*")`. Look which data a name was trained on
#   before you compare: `in21k`, `in1k`, `laion2b`.
#
# **Read on**
#
# - Dosovitskiy and others, *An image is worth 16×16 words* (arXiv:2010.11929): figure 3 is section 7
#   with hundreds of millions of images, figure 7 is section 8.
# - Raghu and others, *Do vision transformers see like convolutional neural networks?*
#   (arXiv:2108.08810): what early layers learn to see, and with how many images.
# - Touvron and others, *Training data-efficient image transformers* (DeiT, arXiv:2012.12877): the
#   recipe with which a ViT needs ImageNet only.
# - Liu and others, *Swin transformer* (arXiv:2103.14030): windows, shifts and the mask in figure 4.
# - Xiao and others, *Early convolutions help transformers see better* (arXiv:2106.14881).
# - Liu and others, *A ConvNet for the 2020s* (arXiv:2201.03545): the walk of section 12, its steps
#   in figure 2.
# - Cordonnier, Loukas and Jaggi, *On the relationship between self-attention and convolutional
#   layers* (arXiv:1911.03584): attention with enough heads can be any convolution.
# - Vaswani and others, *Attention is all you need* (arXiv:1706.03762): where it comes from.

# %% [markdown]
# ## 14 · What you can now say
#
# **How does reach differ?** A convolution's grows with depth: 112 layers of 3×3 for 224 pixels.
# Attention has the whole image in layer 1. *(Section 1)*
#
# **How does an image become tokens?** Patches of 16×16 of a 224×224 image: 196 tokens of 768
# numbers, through one linear layer, which is a convolution with stride 16. *(Sections 2 and 3)*
#
# **What is self-attention?** Every token takes shares of all tokens' values; the shares are a
# softmax of query times key. Its weights depend on content, a convolution's on offset. *(Section 4)*
#
# **Why positions?** Without them an image is a bag of patches: shuffling changes nothing.
# *(Section 5)*
#
# **What does O(n²) cost?** $2n^2d$ MACs a layer. In ViT-B/16 four per cent of the work at 224
# pixels, half of it at about 1,088. *(Section 6)*
#
# **Why do ViTs want more data?** They must learn what a convolution is told. On digits the CNN led
# by 0.20 with 50 labels and by 0.05 with 800; augmentation alone brought the ViT 0.18. *(Section 7)*
#
# **Do early layers become local?** In networks that saw hundreds of millions of images, some heads
# do. In a small one they did not: it was measured. *(Section 8)*
#
# **What does Swin do?** Attention within windows, linear in the image; shifts that let windows meet;
# a mask for what the roll brings together; a pyramid. *(Sections 9 and 10)*
#
# **What is a convolutional stem?** A few strided 3×3 layers in place of the patch embedding.
# *(Section 11)*
#
# **What did ConvNeXt show?** A ResNet with a transformer's recipe and proportions does as well as
# Swin: 76.1 → 78.8 by the recipe, → 82.0 by eleven steps. *(Section 12)*

# %% [markdown]
# ## 15 · Quiz
#
# Eight questions, a point each. Their numbers are drawn from the seed: put another seed into both
# cells and you have a new set to practise on. The functions of this chapter may help. Write a
# number, or the letter of your choice in quotes.

# %%
questions("10", seed=1)

# %% nbgrader={"grade": false, "grade_id": "quiz_10", "locked": false, "schema_version": 3, "solution": true, "task": false}
answers = {
    "quiz": "10",
    "seed": 1,
    "tokens": None,  # question 1
    "embedding": None,  # question 2
    "shuffled": None,  # question 3, a letter
    "attention": None,  # question 4
    "growth": None,  # question 5
    "windows": None,  # question 6
    "masked": None,  # question 7
    "block": None,  # question 8
}
if None in answers.values():
    ### BEGIN SOLUTION
    answers.update(
        tokens=50,
        embedding=295_296,
        shuffled="a",
        attention=29_503_488,
        growth=81,
        windows=1_769_472,
        masked=20,
        block=21_216,
    )
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test_quiz_10", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
check(answers)
### BEGIN HIDDEN TESTS
check(answers, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# You have seen the two families meet: convolutions that mix like transformers, transformers that
# look like convolutions. Chapter 11 takes what others have trained, and makes it yours.
