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
# # Chapter 06 · A network that learns to read
#
# Write a 7 on paper. Somebody who has never seen your hand reads it at once. So far your layers had
# kernels that a person chose. Who chooses the 61,706 numbers of a network that reads handwriting?
# Nobody: they start as noise, and each batch of examples pushes them a little. This chapter builds
# the network, the measure of how wrong it is, the loop that pushes, and what keeps it from learning
# its examples by heart.
#
# **What you will be able to do**
#
# - build LeNet-5, say the shape after each layer and where its parameters sit;
# - turn ten scores into a loss, and the loss into a gradient;
# - write the training loop, and tell its usual mistakes by their signs;
# - read training curves, and say which cure fits;
# - write dropout and BatchNorm, in both of their modes;
# - train a classifier that reads at least 97 % of digits that it has never seen.
#
# **What you need**: convolution, pooling and their shapes (chapters 02 to 04). PyTorch: that
# `nn.Conv2d` and `nn.Linear` are layers with weights, and that `loss.backward()` fills in gradients.
#
# **Time and points**: about 4 hours, 41 points. The end of section 4 is a good place for a break.
#
# | section | exercise | points |
# | --- | --- | ---: |
# | 1 | `LeNet` | 4 |
# | 2 | `softmax_cross_entropy` | 4 |
# | 3 | `train_one_epoch` | 5 |
# | 5 | `LeNetAnySize` | 4 |
# | 6 | `dropout` | 3 |
# | 7 | `augment` | 4 |
# | 8 | `batch_norm2d` | 5 |
# | 9 | `digit_classifier` | 5 |
# | 12 | `quiz_06` | 7 |
#
# Stuck on an exercise? `hint(LeNet)` in a cell of your own shows a hint, and a further one each time
# you run it. After the last hint, or once you have passed, `solution(LeNet)` shows our answer.
#
# One cell runs your own network and your own loop. Where yours are not ready it takes the course's,
# and says so. Run the notebook cell by cell: *Run All* stops at the first check that gives no
# points. Where you are asked for a prediction and a cell would give it away, its code is folded: run
# it first, then unfold it.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from autograder.check import check, hint, questions, solution
from course_lib import data, nets
from course_lib.training import evaluate, fit, predict, seed_everything

torch.set_num_threads(1)

# %%
from course_lib.explorers import InsideCNN
from course_lib.plots import described
from course_lib.plots import training as plots

# %% [markdown]
# ## 1 · How does a picture become ten numbers?
#
# scikit-learn ships 1,797 digits that 13 people wrote, 8×8 pixels each. LeNet-5, a network of 1998
# for reading cheques, takes images of 32×32, so we enlarge them. A quarter is **held back**: no
# training will see those images, and only they say what a network can do. (The same 13 people wrote
# both parts. How well it reads a stranger's hand, these images do not say.)


# %%
def enlarge(images):
    """(N, 8, 8) → (N, 1, 32, 32), between the pixels bilinear: one channel, grey."""
    pictures = torch.from_numpy(images)[:, None]
    return F.interpolate(pictures, size=(32, 32), mode="bilinear").numpy()


small, labels = data.digits("train")
held_small, held_labels = data.digits("test")
images, held_images = enlarge(small), enlarge(held_small)
print("to train with:", images.shape, "  held back:", held_images.shape)

# %% [markdown]
# Its pattern became the pattern of many networks: *convolution, ReLU, pooling*, again *convolution,
# ReLU, pooling*, then **flatten** the maps into one row of numbers, then **fully connected** layers,
# the last of them with one output for each class.
#
# *Before you run the cell:* it sends eight digits through LeNet-5 and prints the shape after each
# layer. A 5×5 kernel without padding, then 2×2 pooling, twice. What is left of 32×32? And which layer
# has the most parameters?

# %%
lenet = nets.create("lenet5")
layers = (
    ("C1  convolution 5×5", lenet.c1),
    ("    ReLU", lenet.relu),
    ("S2  max pooling 2×2", lenet.s2),
    ("C3  convolution 5×5", lenet.c3),
    ("    ReLU", lenet.relu),
    ("S4  max pooling 2×2", lenet.s4),
    ("    flatten", nn.Flatten()),
    ("C5  fully connected", lenet.c5),
    ("    ReLU", lenet.relu),
    ("F6  fully connected", lenet.f6),
    ("    ReLU", lenet.relu),
    ("    fully connected", lenet.output),
)
x, counts = torch.from_numpy(images[:8]), {}
print(f"{'images':24}{tuple(x.shape)!s:18}")
for name, layer in layers:
    x = layer(x)
    n = sum(p.numel() for p in layer.parameters())
    print(f"{name:24}{tuple(x.shape)!s:18}{n or '':>8}")
    if n:
        counts[f"{name}, {tuple(x.shape[1:])}"] = n
print(f"{'together':42}{sum(counts.values()):8}")

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.parameter_bars(
        counts, title="More than three quarters of LeNet's parameters sit in one layer"
    ),
    "Bars for the five layers with parameters. The two convolutions have 156 and 2,416, the three fully "
    "connected layers 48,120, 10,164 and 850.",
)

# %% [markdown]
# 32 → 28 → 14 → 10 → 5, and 16 maps of 5×5 are 400 numbers. The convolutions, which do most of the
# work, have 156 and 2,416 parameters. The first fully connected layer has 48,120, more than three
# quarters of all: every one of its 120 units has a weight for each of the 400 numbers.
#
# (You may read that LeNet-5 has 61,706 parameters, as here, or that it has 60,000. Both are right. The
# network of 1998 had pooling with 12 and 32 weights of its own, its second convolution let each map
# see only some of the six before it, which left 1,516, and its last layer was not trained: 60,000.
# This is the form in use today, with ReLU and max pooling.)

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert list(counts.values()) == [156, 2_416, 48_120, 10_164, 850]
assert sum(counts.values()) == 61_706 == nets.info("lenet5").params
in_1998 = 25 * (6 * 3 + 9 * 4 + 1 * 6) + 16  # 6 maps see 3 of the six, 9 see 4, and 1 all
assert in_1998 == 1_516 and 156 + 12 + in_1998 + 32 + 48_120 + 10_164 == 60_000
assert counts["C5  fully connected, (120,)"] == 120 * (400 + 1)
assert 0.75 < 48_120 / 61_706 < 0.8
by_convolutions, by_head = 28 * 28 * 150 + 10 * 10 * 2_400, 400 * 120 + 120 * 84 + 84 * 10
assert by_convolutions > 0.8 * (by_convolutions + by_head)  # of the multiply-adds

# %% [markdown]
# ### The batch axis stays
#
# Look at the first number of each shape: 8, from top to bottom. Every image of a batch has its own
# row, and no layer of LeNet mixes them. `flatten` is where this goes wrong.
#
# *Before you run the cell: what shape does `x.flatten()` make of eight times 16 maps of 5×5?*

# %% jupyter={"source_hidden": true}
# Both ways at work.
maps = torch.zeros(8, 16, 5, 5)
print("flatten(1):", tuple(maps.flatten(1).shape), "  flatten():", tuple(maps.flatten().shape))
try:
    lenet.c5(maps.flatten())
except RuntimeError as error:
    print("RuntimeError:", error)
print("one row:", tuple(maps[:1].flatten().shape), "→", tuple(lenet.c5(maps[:1].flatten()).shape))

# %% [markdown]
# All eight images end up in one row of 3,200, and the layer that expects 400 complains. With a
# single image there is no complaint at all: the row has 400 numbers, only the batch axis is gone.
# So try every network with a batch of two before you train it.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert maps.flatten().shape == (3_200,)
assert lenet.c5(maps[:1].flatten()).shape == (120,)

# %% [markdown]
# ### Exercise: `LeNet` (4 points)
#
# Write the network of the table: an `nn.Module` whose constructor takes no arguments and whose forward
# pass takes `(N, 1, 32, 32)` and returns `(N, 10)`.
#
# - two convolutions, 5×5, no padding, 6 and 16 kernels, with bias; after each a ReLU, then 2×2 max
#   pooling;
# - flatten; three fully connected layers with 120, 84 and 10 outputs, with bias, and a ReLU after
#   the first two;
# - it returns the ten scores as they are, without softmax (section 2 says why).
#
# How you call the layers is up to you. Do without the course's own, `nets.create("lenet5")`.


# %% nbgrader={"grade": false, "grade_id": "LeNet", "locked": false, "schema_version": 3, "solution": true, "task": false}
class LeNet(nn.Module):
    """LeNet-5: (N, 1, 32, 32) → (N, 10), ReLU and max pooling."""

    def __init__(self):
        super().__init__()
        ### BEGIN SOLUTION
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        x = self.pool(torch.relu(self.conv1(x)))  # (N, 6, 14, 14)
        x = self.pool(torch.relu(self.conv2(x)))  # (N, 16, 5, 5)
        x = x.flatten(1)  # (N, 400)
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return self.fc3(x)
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_LeNet", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check(LeNet)
### BEGIN HIDDEN TESTS
check(LeNet, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 2 · How wrong is it?
#
# The ten scores are called **logits**. They may be any numbers. **Softmax** makes probabilities of
# them: positive, and together 1.
#
# $$p_k = \frac{e^{z_k}}{\sum_j e^{z_j}}$$

# %%
logits = np.array([2.0, 1.0, 0.0])
powers = np.exp(logits)
p = powers / powers.sum()
print("softmax:      ", p.round(3), " together", p.sum().round(3))
shifted = np.exp(logits - 2.0)
print("all 2 smaller:", (shifted / shifted.sum()).round(3))

# %% [markdown]
# Only differences between logits count. That is worth knowing: $e^{1000}$ is too large for a
# computer, and $e^{0}$ is not, so one subtracts the largest logit first.
#
# How wrong is the network, if the first class is the right one? It gave it a probability of 0.665. The
# **cross-entropy** is the surprise at the truth, $-\ln p_\text{target}$: nothing where the probability
# is 1, without limit where it goes to 0. Here it is 0.408. Over a batch it is averaged.
#
# *Before you run the cell:* a network with random weights has no opinion: about the same logit for
# all ten digits. What is its loss?

# %%
seed_everything(0)
untrained = nets.create("lenet5")
at_first = evaluate(untrained, (held_images, held_labels))
print(f"loss {at_first.loss:.3f}, right {at_first.accuracy:.1%}")

# %% [markdown]
# $\ln 10 \approx 2.303$, and about a tenth of the answers are right by chance. Remember that
# number: a first loss far above it says that something is wrong before any training has begun.
#
# ### Which way is down?
#
# The gradient of the cross-entropy with respect to the logits is as short as can be: the probabilities,
# minus 1 at the target. $(0.665, 0.245, 0.090)$ becomes $(-0.335, 0.245, 0.090)$: raise the right
# logit, lower the others, each in proportion to how far off it was.
#
# This is why the network returns logits. PyTorch's `F.cross_entropy` applies the softmax itself.
# Whoever puts a softmax before it applies it twice. *Before you run the cell:* the network below is
# certain, and right: probability 1 for the target. With softmax twice, what does the loss come to?

# %%
certain, target = torch.tensor([[100.0] + [0.0] * 9]), torch.tensor([0])
once = F.cross_entropy(certain, target).item()
twice = F.cross_entropy(certain.softmax(dim=1), target).item()
print(f"logits: {once:.3f}   probabilities taken for logits: {twice:.3f}")

# %% [markdown]
# 1.461 at best, and no training gets below. A loss that will not fall under 1.46, with ten classes,
# has this cause.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert np.allclose(p, shifted / shifted.sum())
assert round(p[0], 3) == 0.665 and round(-np.log(p[0]), 3) == 0.408
assert abs(at_first.loss - np.log(10)) < 0.05 and at_first.accuracy < 0.25
assert np.allclose(p - [1, 0, 0], [-0.335, 0.245, 0.090], atol=5e-4)
assert once == 0 and round(twice, 3) == 1.461 and np.isclose(twice, np.log(1 + 9 / np.e))

# %% [markdown]
# ### Exercise: `softmax_cross_entropy` (4 points)
#
# `logits` is `(N, K)`, `targets` is `(N,)` with class numbers from 0 to K − 1, both NumPy arrays.
# Return two things: the loss, a float, the mean of the cross-entropy over the batch; and its
# gradient with respect to the logits, `(N, K)`. Mind the mean: it is in the gradient too.
#
# The loss must stay finite and exact for logits of ±1000: there a probability becomes 0, and its
# logarithm is not to be taken. NumPy alone; do without PyTorch's and the course's own functions.
#
# For example, for the logits `[[2, 1, 0]]` and the target `[0]` the loss is 0.408, and the gradient
# `[[-0.335, 0.245, 0.090]]`.


# %% nbgrader={"grade": false, "grade_id": "softmax_cross_entropy", "locked": false, "schema_version": 3, "solution": true, "task": false}
def softmax_cross_entropy(logits, targets):
    """The mean cross-entropy of a batch, and its gradient: (N, K), (N,) → float, (N, K)."""
    ### BEGIN SOLUTION
    rows = np.arange(len(targets))
    shifted = logits - logits.max(axis=1, keepdims=True)  # the largest is 0
    powers = np.exp(shifted)
    total = powers.sum(axis=1, keepdims=True)
    loss = (np.log(total[:, 0]) - shifted[rows, targets]).mean()
    grad = powers / total
    grad[rows, targets] -= 1
    return float(loss), grad / len(targets)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_softmax_cross_entropy", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check(softmax_cross_entropy)
### BEGIN HIDDEN TESTS
check(softmax_cross_entropy, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · How does it learn?
#
# Take a batch of images. Compute the outputs, the loss, the gradient of the loss for each of the 61,706
# weights. Move every weight a small step against its gradient. Take the next batch. When all
# images have had their turn, an **epoch** is over. In PyTorch:
#
#     for images, targets in loader:
#         loss = F.cross_entropy(model(images), targets)
#         optimizer.zero_grad()      # forget the gradients of the batch before
#         loss.backward()            # fill in the gradients of this one
#         optimizer.step()           # move the weights
#
# Each of these lines is forgotten now and then, and each leaves another trace. *Before you run the
# cell:* `backward()` does not overwrite gradients, it adds to them. What does the second call leave
# behind, if nobody clears the first?

# %%
weight = torch.tensor([1.0], requires_grad=True)
for call in (1, 2, 3):
    (3 * weight).sum().backward()
    print(f"after {call} calls of backward: gradient {weight.grad.item():g}")

# %% [markdown]
# The slope is 3 every time, and the gradient says 3, 6, 9. A network trained like this moves by the
# sum of all gradients since the beginning: faster and faster, in stale directions.
#
# | forgotten | what happens |
# | --- | --- |
# | `zero_grad()` | each step follows the sum of all gradients so far |
# | `backward()` or `step()` | the loss stays where it was at first, near ln K |
# | `model.train()` before training | after an `eval()`, dropout and BatchNorm stand still (sections 6 and 8) |
# | `model.eval()` before measuring | with dropout, the same image gets another answer each time |
#
# In chapters 07 to 11 these lines are taken for granted.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert weight.grad.item() == 9

# %% [markdown]
# ### Exercise: `train_one_epoch` (5 points)
#
# Put the model into training mode, go through the `loader` once, and make one step of the
# `optimizer` for each batch `(images, targets)`. The loss is `F.cross_entropy`. Return, as a
# number, the mean of the loss over all *images* of the epoch, each as it was when its batch had its
# turn. (The last batch may be smaller: weigh each batch's loss by its images.)
#
# Do without the course's `fit`. Leave the model in training mode.


# %% nbgrader={"grade": false, "grade_id": "train_one_epoch", "locked": false, "schema_version": 3, "solution": true, "task": false}
def train_one_epoch(model, loader, optimizer):
    """One step of the optimizer for each batch of the loader; the mean loss over its images."""
    ### BEGIN SOLUTION
    model.train()
    total = n = 0
    for images, targets in loader:
        loss = F.cross_entropy(model(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
        n += len(images)
    return total / n
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_train_one_epoch", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check(train_one_epoch)
### BEGIN HIDDEN TESTS
check(train_one_epoch, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# Your network, your loop, real digits. *Before you run the cell: after two epochs, how many of ten
# unseen digits does it read?*


# %%
def yours_if_it_works(model_class, loop):
    """Your network and loop where both run on two digits, else the course's."""
    try:
        model = model_class()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.0)
        two = [(torch.from_numpy(images[:2]), torch.from_numpy(labels[:2]))]
        right = np.isfinite(loop(model, two, optimizer))
    except Exception:
        right = False
    print(f"This cell uses {'your LeNet and your loop' if right else 'the course’s own'}.")
    return (model_class(), loop) if right else (nets.create("lenet5"), courses_loop)


def courses_loop(model, loader, optimizer):
    return fit(model, loader, epochs=1, optimizer=optimizer, progress=False).train_loss[0]


seed_everything(0)
model, loop = yours_if_it_works(LeNet, train_one_epoch)
digits = torch.utils.data.TensorDataset(torch.from_numpy(images), torch.from_numpy(labels))
loader = torch.utils.data.DataLoader(digits, batch_size=32, shuffle=True)
adam = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in (1, 2):
    loss = loop(model, loader, adam)
    found = evaluate(model, (held_images, held_labels))
    print(f"epoch {epoch}: training loss {loss:.3f}, held back {found.accuracy:.1%} right")

# %% [markdown]
# About nine of ten, and it has seen each training image twice. (Adam is an optimizer that gives
# each weight a step length of its own. Plain gradient descent, `SGD`, works as well, and wants its
# rate chosen with more care.)
#
# ### The same, with curves
#
# Longer trainings want more around the loop: a seed, curves, early stopping, a file to go on from
# after an interruption. `course_lib.training.fit` is this loop with those things. Press the stop
# button while it runs: it ends with the weights that it has. *Before you run the cell: which of the
# two loss curves ends lower?*

# %%
seed_everything(1)
reader = nets.create("lenet5")
before = reader.c1.weight.detach().clone()
history = fit(
    reader,
    (images, labels),
    (held_images, held_labels),
    epochs=8,
    batch_size=32,
    lr=2e-3,
    live=True,
    progress=False,
)

# %% [markdown]
# The dashed line is the loss on the images that the network trains with, the solid line that on
# images held back. The first ends lower: the network knows those images. The distance between the
# two is what sections 6 and 7 are about.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert found.accuracy > 0.7  # after two epochs
assert history.val_accuracy[-1] > 0.9
assert history.train_loss[-1] < history.val_loss[-1]

# %% [markdown]
# ## 4 · What has it learned?
#
# Chapter 02 had kernels that a person thought out: edges, lines, blurs. Here are the six of LeNet's
# first layer, before and after.

# %%
after = reader.c1.weight.detach()
described(
    plots.kernel_rows(
        {"at the start": before[:, 0].numpy(), "trained": after[:, 0].numpy()},
        title="Training gives the noise a slope, and leaves some of the noise",
    ),
    "Six 5×5 kernels in blue and orange, twice. At the start every cell is random. Trained, the "
    "cells have grown, and neighbouring cells agree more often.",
)

# %% [markdown]
# Training moved them by about their own length. What is new is smooth: a brighter side and a darker
# side, as Sobel's kernel has. To measure that, lay the best plane through each kernel and ask what
# share of it (of its squares) the plane explains. Random cells would give 3/25, or 12 %.

# %%
row, column = np.indices((5, 5)).reshape(2, 25)
planes = np.stack([np.ones(25), row, column], axis=1)  # (25, 3): level, slope down, slope aside
explained = {}
for name, kernels in (("at the start", before), ("trained", after)):
    flat = kernels.reshape(6, 25).double().numpy().T  # (25, 6)
    fitted = planes @ np.linalg.lstsq(planes, flat, rcond=None)[0]
    explained[name] = (fitted**2).sum() / (flat**2).sum()
    print(f"{name:13} {explained[name]:.0%} of the kernels is a plane")
moved = ((after - before).norm() / before.norm()).item()
print(f"they moved by {moved:.2f} of their own length")

# %% [markdown]
# Nobody asked for edges. They came out because they help. The fine grain stays, because enlarged
# digits are smooth and hardly answer to it: nothing pushes it away. Networks trained on a million
# photographs have first layers of clean edges and spots of colour.
#
# The explorer below holds a LeNet-5 that the course has trained, on digits with sharper strokes and
# an empty border, as a mouse draws them. *Before you play:* click a pixel of one of the 16 maps of
# C3, and the sum that makes it opens. How many products is it a sum of?

# %%
InsideCNN()

# %% [markdown]
# 150: 25 weights on each of the six maps before it, and then the bias. Now draw a 7, and add the
# small bar across it that many people write. Does the network change its mind? Then ask for one of
# its mistakes, and look which other class had nearly as long a bar.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert lenet.c3.weight[0].numel() == 6 * 25 == 150
assert 0.5 < moved < 2
assert explained["trained"] > explained["at the start"] + 0.1

# %% [markdown]
# ## 5 · Why does another image size break it?
#
# A convolution does not mind the size of its input. *Before you run the cell:* the same network gets an
# image of 36×36 pixels. Which layer complains?

# %% jupyter={"source_hidden": true}
# The larger images on their way.
larger = F.interpolate(torch.from_numpy(held_images), size=(36, 36), mode="bilinear")
try:
    predict(reader, larger)
except ValueError as error:
    print(error)

# %% [markdown]
# Four more pixels at the start leave maps of 6×6 instead of 5×5 at the end: 576 numbers for a layer
# that has weights for 400. The **head** is what fixes the size.
#
# Chapter 04 had the mend: pool whatever is left to a fixed size. Global average pooling makes one
# number of each map, and forgets where things were. **Adaptive** pooling to 5×5 cuts each map into
# 5×5 parts, as equal as they can be, and takes the mean of each. On maps that are 5×5 already it
# changes nothing, so a trained LeNet can be mended without training it again.
#
# ### Exercise: `LeNetAnySize` (4 points)
#
# Your `LeNet`, with the last maps averaged to 5×5 before the flatten. It has the same 61,706
# parameters, gives the same outputs on 32×32, and takes images of every size from 16×16 on, also
# ones that are not square. A bias everywhere, logits out, as before. `nn.AdaptiveAvgPool2d` is
# allowed; the course's own network is not.


# %% nbgrader={"grade": false, "grade_id": "LeNetAnySize", "locked": false, "schema_version": 3, "solution": true, "task": false}
class LeNetAnySize(nn.Module):
    """LeNet-5 for images of any size: (N, 1, H, W) → (N, 10)."""

    def __init__(self):
        super().__init__()
        ### BEGIN SOLUTION
        self.features = nn.Sequential(
            *(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        )
        self.pool = nn.AdaptiveAvgPool2d(5)
        self.head = nn.Sequential(
            *(nn.Linear(16 * 5 * 5, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU()),
            nn.Linear(84, 10),
        )
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        x = self.pool(self.features(x))  # (N, 16, 5, 5), whatever the size
        return self.head(x.flatten(1))
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_LeNetAnySize", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check(LeNetAnySize)
### BEGIN HIDDEN TESTS
check(LeNetAnySize, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# Taking any size is not the same as reading at any size. *Before you run the cell:* the trained
# LeNet, its head mended, reads the held-back digits at 28, 32, 40 and 64 pixels. Where does it read
# best?

# %%
mended = nn.Sequential(
    *(reader.c1, reader.relu, reader.s2, reader.c3, reader.relu, reader.s4),
    nn.AdaptiveAvgPool2d(5),
    *(nn.Flatten(), reader.c5, reader.relu, reader.f6, reader.relu, reader.output),
)
at_size = {}
for side in (28, 32, 40, 64):
    resized = F.interpolate(torch.from_numpy(held_images), size=(side, side), mode="bilinear")
    at_size[side] = evaluate(mended, (resized, held_labels)).accuracy
    print(f"{side} pixels: {at_size[side]:.1%}")

# %% [markdown]
# Near the size it was trained for. At 64 pixels it misreads several times as many: its kernels expect
# strokes of a certain width. A network that takes any size still wants to be trained with the sizes
# that it will meet.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert at_size[32] == history.val_accuracy[-1] > max(at_size.values()) - 0.01
assert 1 - at_size[64] > 2.5 * (1 - at_size[32])

# %% [markdown]
# ## 6 · What if there are only a hundred examples?
#
# 1,347 labelled digits are few, and somebody had to label them. Take ten of each class, and train long.
#
# *Before you run the cell* (it takes some seconds): the training loss will go to nothing. What will
# the loss on unseen digits do?


# %%
def few(seed, each=10):
    """So many digits of each class, to train with."""
    rng = np.random.default_rng(seed)
    chosen = [rng.permutation(np.flatnonzero(labels == k))[:each] for k in range(10)]
    return images[np.concatenate(chosen)], labels[np.concatenate(chosen)]


def train_on_few(seed, model=None, validation=None, **cure):
    seed_everything(seed)
    model = nets.create("lenet5") if model is None else model()
    settings = {"epochs": 50, "batch_size": 20, "lr": 2e-3, "seed": seed, "progress": False}
    return model, fit(model, few(seed), validation, **settings, **cure)


unseen = (held_images[:200], held_labels[:200])
plain, by_heart = train_on_few(0, validation=unseen)

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.training_curves(
        {"": by_heart}, title="By heart: one loss goes to nothing, the other turns"
    ),
    "Two panels over 50 epochs. The training loss falls to zero; the loss held back falls at first and "
    "then rises. Training accuracy is 1 long before the end, held back it stays below 0.95.",
)

# %% [markdown]
# It falls, and then it rises: **overfitting**. From some epoch on, what the network learns is true
# of these hundred digits and of no others. The loss rises while the accuracy hardly moves: the
# network does not make more mistakes, it is surer of those that it makes.
#
# Four cures, from the simplest on:
#
# - **Early stopping**: keep the weights of the epoch where the loss held back was lowest. `fit`
#   does it with `patience=10`. (What you stop by is no longer unseen: report the result on a third
#   set.)
# - **Weight decay**: at each step every weight shrinks a little. What the data does not ask for
#   again and again fades.
# - **Dropout**: in training, half of the units fall silent, others at each step. No unit can rely
#   on one particular other.
# - **Augmentation** (section 7): show each digit a little different every time.

# %%
best, last = min(by_heart.val_loss), by_heart.val_loss[-1]
print(f"lowest loss {best:.2f} in epoch {by_heart.best_epoch}, at the end {last:.2f}")
assert by_heart.train_loss[-1] < 0.02 and by_heart.train_accuracy[-1] == 1
assert by_heart.best_epoch < 40 and last > 1.15 * best
assert max(by_heart.val_accuracy) < 0.97

with torch.no_grad():
    p = plain(torch.from_numpy(held_images)).softmax(dim=1).numpy()
mistaken = p.argmax(axis=1) != held_labels
print(
    f"to its {mistaken.sum()} wrong answers it gives a probability of {p.max(axis=1)[mistaken].mean():.2f}"
)
assert p.max(axis=1)[mistaken].mean() > 0.6
assert abs(by_heart.val_accuracy[-1] - by_heart.val_accuracy[by_heart.best_epoch - 1]) < 0.06

# %% [markdown]
# ### Dropout, in numbers
#
# A unit of value 6 is kept with probability $1-p = 0.5$. On the average that leaves 3, and the next
# layer was used to 6. So the survivors are divided by $1-p$: half of the time 12, half of the time
# 0, on the average 6 again. Outside training nothing is dropped and nothing is scaled. *Before you
# run the cell: what is the mean of ten thousand such units, in training and after?*

# %%
layer, row = nn.Dropout(p=0.5), torch.full((10_000,), 6.0)
seed_everything(0)
in_training = layer.train()(row)
print("first five in training:", in_training[:5].tolist())
print(f"mean in training {in_training.mean():.2f}, in eval mode {layer.eval()(row).mean():.2f}")

# %% [markdown]
# Six, give or take the luck of the draw, and six.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert set(in_training.tolist()) == {0.0, 12.0} and abs(in_training.mean() - 6) < 0.3
assert layer.eval()(row).mean() == 6

# %% [markdown]
# ### Exercise: `dropout` (3 points)
#
# `x` is an array of any shape, `p` the probability to drop, from 0 to below 1, `rng` a NumPy
# generator. In training, set each value to zero with probability `p`, each by its own draw from
# `rng`, and divide the survivors by `1 − p`. Outside training return `x` as it is. Leave `x` itself
# unchanged, and use no other source of chance than `rng`. Do without PyTorch.


# %% nbgrader={"grade": false, "grade_id": "dropout", "locked": false, "schema_version": 3, "solution": true, "task": false}
def dropout(x, p, rng, training):
    """Drop each value with probability p and scale the others by 1 / (1 − p): the shape stays."""
    ### BEGIN SOLUTION
    if not training:
        return x
    keep = rng.random(x.shape) >= p
    return x * keep / (1 - p)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_dropout", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check(dropout)
### BEGIN HIDDEN TESTS
check(dropout, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 7 · Which changes leave a 6 a 6?
#
# A 6 moved by a pixel is a 6. So is one that leans a little. Such changes make new examples of old
# ones, with labels that are known. But not every change is harmless.
#
# *Before you run the cell:* six digits, then the same by a half turn, by a mirror, and by small
# random turns, slants and moves. Which of the rows would you label as before?

# %% jupyter={"source_hidden": true}
# The figure.
shown = []
for k in (2, 3, 4, 6, 7, 9):  # of each class the one that is nearest to its mean
    members = images[labels == k]
    shown.append(members[((members - members.mean(axis=0)) ** 2).sum(axis=(1, 2, 3)).argmin()])
shown = np.stack(shown)
rng = np.random.default_rng(0)
described(
    plots.image_rows(
        {
            "as written": shown[:, 0],
            "half turn": shown[:, 0, ::-1, ::-1],
            "mirrored": shown[:, 0, :, ::-1],
            "a little": data.augment_digits(shown, rng)[:, 0],
        },
        title="Turned by half, a 6 is a 9; the last row keeps its labels",
    ),
    "Six digits, 2, 3, 4, 6, 7 and 9, in four rows: as written; turned by a half turn, where 6 and 9 change "
    "places; mirrored, left to right; and leaning or moved a little.",
)

# %% [markdown]
# A half turn makes the 6 a 9 and the 9 a 6, and both keep the wrong label. (You may read that a
# vertical flip does that. A flip upside down makes of a 6 something that is no digit.) Mirror
# images are harmless for cats, and spoil everything that is read. What keeps the label depends on
# the task, and you have to know it.
#
# Ask a network that reads well. *Before you run the cell: of the 6s that it knows, how many does it
# call 9 after a half turn?*

# %%
sixes = held_images[held_labels == 6]
turned, flipped = sixes[:, :, ::-1, ::-1].copy(), sixes[:, :, ::-1].copy()
as_nine = {}
for name, pictures in (("as written", sixes), ("half turn", turned), ("upside down", flipped)):
    as_nine[name] = np.mean(predict(reader, pictures) == 9)
    print(f"{name:12} read as 6: {np.mean(predict(reader, pictures) == 6):5.1%}", end="   ")
    print(f"read as 9: {as_nine[name]:5.1%}")

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert as_nine["as written"] < 0.05 and as_nine["half turn"] > 0.5
assert as_nine["half turn"] > as_nine["upside down"]
assert np.mean(predict(reader, turned) == 6) < 0.2

# %% [markdown]
# Most of them. Now the measurement: a hundred labels, three seeds (each with other digits and other
# first weights), and four ways to train. It takes about a quarter of a minute. *Before you run the
# cell: which cure helps most?*


# %%
def with_dropout():
    net = nets.create("lenet5")
    return nn.Sequential(
        *(net.c1, nn.ReLU(), net.s2, net.c3, nn.ReLU(), net.s4, nn.Flatten()),
        *(nn.Dropout(0.5), net.c5, nn.ReLU(), nn.Dropout(0.5), net.f6, nn.ReLU(), net.output),
    )


cures = {
    "nothing": {},
    "weight decay": {"weight_decay": 1.0},
    "dropout": {"model": with_dropout},
    "augmentation": {"augment": data.augment_digits},
}
held_loss, held_accuracy = {}, {}
for name, cure in cures.items():
    found = []
    for seed in range(3):
        known = plain if not cure and seed == 0 else None  # the one from section 6
        model = known or train_on_few(seed, **cure)[0]
        found.append(evaluate(model, (held_images, held_labels)))
    held_loss[name] = np.array([f.loss for f in found])
    held_accuracy[name] = np.array([f.accuracy for f in found])
    print(
        f"{name:13} right {held_accuracy[name].mean():.1%} ± {held_accuracy[name].std():.1%}   "
        f"loss {held_loss[name].mean():.2f} ± {held_loss[name].std():.2f}"
    )

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.accuracy_dots(
        held_loss,
        title="A hundred labels: every cure lowers the loss on unseen digits",
        x="loss on 450 digits held back (a dot for each seed, joined; the bar is their mean)",
    ),
    "Four rows of three dots. Without a cure the losses lie highest, on the average; weight decay, "
    "dropout and augmentation lie lower.",
)

# %% [markdown]
# Every cure lowers the loss. Augmentation does so for each of the seeds, and comes out best or
# nearly so: it adds what we know about writing. In accuracy the gain is smaller, or none, and one
# seed differs from the next by as much as one cure from another. Whoever compares two recipes with one
# run each compares two seeds.
#
# *Before you run the cell: and with all 1,347 labels? Does augmentation gain more there, or less?*
# (Four trainings, again some ten seconds.)

# %%
with_all = {}
for name in ("nothing", "augmentation"):
    found = []
    for seed in (0, 1):
        seed_everything(seed)
        model = nets.create("lenet5")
        settings = {"epochs": 7, "batch_size": 32, "lr": 2e-3, "seed": seed, "progress": False}
        fit(model, (images, labels), **settings, **cures[name])
        found.append(evaluate(model, (held_images, held_labels)).accuracy)
    with_all[name] = np.array(found)
    print(f"{name:13} right {' and '.join(f'{a:.1%}' for a in found)}")

# %% [markdown]
# Both read far better than with a hundred labels, and the choice between them is worth a point or
# two at most, either way. Augmentation pays where data is scarce, and it wants more epochs,
# because it makes the task harder.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
for name in ("weight decay", "dropout", "augmentation"):
    assert held_loss[name].mean() < 0.9 * held_loss["nothing"].mean()
assert held_loss["augmentation"].mean() < min(loss.mean() for loss in held_loss.values()) + 0.08
assert (held_loss["augmentation"] < held_loss["nothing"]).all()
assert held_accuracy["augmentation"].mean() > held_accuracy["nothing"].mean()
for name, right in with_all.items():
    assert right.min() > held_accuracy[name].max()
assert abs(with_all["augmentation"].mean() - with_all["nothing"].mean()) < 0.03

# %% [markdown]
# ### Exercise: `augment` (4 points)
#
# `batch` is `(N, 1, 32, 32)`, digits with values in [0, 1], and `rng` a NumPy generator. Return a
# new batch of the same shape, values still in [0, 1], in which every image is changed a little,
# each by its own draw, and can still be read as the same digit. The kind of change is up to you.
# Leave `batch` itself unchanged, and use no other source of chance than `rng`. Do without the
# functions of `data.augment`.
#
# The judge reads your digits with the nearest of 6,300 examples, and asks that four of five are still
# read as before.


# %% nbgrader={"grade": false, "grade_id": "augment", "locked": false, "schema_version": 3, "solution": true, "task": false}
def augment(batch, rng):
    """Each digit a little different, and still the same digit: (N, 1, 32, 32) → the same."""
    ### BEGIN SOLUTION
    padded = np.pad(batch, ((0, 0), (0, 0), (2, 2), (2, 2)))
    moved = np.empty_like(batch)
    for i, (down, right) in enumerate(rng.integers(0, 5, (len(batch), 2))):
        moved[i] = padded[i, :, down : down + 32, right : right + 32]
    return moved
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_augment", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check(augment)
### BEGIN HIDDEN TESTS
check(augment, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 8 · What does BatchNorm do, and when?
#
# A layer is tuned to the values that it used to get, and each step of training changes the layers
# before it. **Batch normalisation** (Ioffe and Szegedy, 2015) was made to take this drift out: after
# a convolution, it gives each channel the mean 0 and the variance 1, then a scale $\gamma$ and a
# shift $\beta$ that are learned. (It makes training easier; whether the drift is why is disputed:
# section 10.)
#
# $$\hat x = \frac{x - \text{mean}}{\sqrt{\text{variance} + \varepsilon}}, \qquad y = \gamma\,\hat x + \beta$$
#
# *Before you run the cell:* a batch of 32 images has 6 maps of 14×14 behind the first pooling. How
# many means are taken, and over how many values each?

# %%
with torch.no_grad():
    maps = reader.s2(torch.relu(reader.c1(torch.from_numpy(held_images[:32]))))  # (32, 6, 14, 14)
norm = nn.BatchNorm2d(6)
out = norm.train()(maps).detach()
print("values in a channel:", maps[:, 0].numel(), "  channels:", maps.shape[1])
print("means before:", maps.mean(dim=(0, 2, 3)).numpy().round(2))
print("means after: ", out.mean(dim=(0, 2, 3)).numpy().round(2) + 0.0)
print("variances after:", out.var(dim=(0, 2, 3)).numpy().round(2))

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert maps[:, 0].numel() == 32 * 14 * 14 == 6_272
assert torch.allclose(out.mean(dim=(0, 2, 3)), torch.zeros(6), atol=1e-5)
assert torch.allclose(out.var(dim=(0, 2, 3)), torch.ones(6), atol=0.01)

# %% [markdown]
# Six means, one for each channel, each over all images and positions: 32·14·14 = 6,272 values.
#
# That has a price. In training, what comes out for an image depends on the images beside it. When
# one image is to be read, there are none beside it. So the layer keeps **running** values, a
# sliding mean of what it met in training, and uses those in eval mode. *Before you run the cell:*
# the same image, alone and in company, in both modes. Which two of the four outputs agree?

# %%
alone, company, same = maps[:1], maps, {}
for mode in (True, False):
    norm.train(mode)
    with torch.no_grad():
        a, b = norm(alone)[0], norm(company)[0]
    name = "training mode" if mode else "eval mode"
    print(f"{name:14} alone and in company differ by up to {(a - b).abs().max():.3f}")
    same[name] = torch.equal(a, b)

# %% [markdown]
# In eval mode they agree to the last digit. A model left in training mode after training gives each
# image an answer that depends on the batch, and keeps changing its running values with every
# prediction. Hence `model.eval()`.
#
# Two more things follow. A convolution before a BatchNorm needs no bias, because the mean takes it
# away again. And the order of most networks is **convolution, BatchNorm, ReLU**. *Before you run
# the cell: add 100 to the bias of a convolution. How far does the output behind the BatchNorm move,
# in training mode?*

# %%
convolution, norm = nn.Conv2d(1, 6, 5), nn.BatchNorm2d(6).train()
with torch.no_grad():
    x = torch.from_numpy(held_images[:32])
    before = norm(convolution(x))
    convolution.bias += 100
    moved = (norm(convolution(x)) - before).abs().max().item()
print(f"{moved:.4f}")

# %% [markdown]
# Not at all, but for rounding.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert same == {"training mode": False, "eval mode": True}
assert moved < 0.01

# %% [markdown]
# ### Exercise: `batch_norm2d` (5 points)
#
# `x` is `(N, C, H, W)`; `gamma`, `beta`, `running_mean` and `running_var` are `(C,)`, all NumPy
# arrays. Return three arrays: the output, and the running mean and variance afterwards.
#
# - In training, normalise each channel by the mean and variance of this batch, over N, H and W. The
#   variance divides by the number of values, $n$. The new running values are $(1 -
#   \text{momentum})$ times the old plus momentum times those of the batch; into the running
#   variance goes the one that divides by $n - 1$.
# - Otherwise normalise by the running values, and return them as they are.
# - `eps` is added to the variance, under the root. Return new arrays; leave the given ones unchanged.
#
# This is what PyTorch does. Do without it, and without the course's own function.


# %% nbgrader={"grade": false, "grade_id": "batch_norm2d", "locked": false, "schema_version": 3, "solution": true, "task": false}
def batch_norm2d(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5):
    """Normalise each channel: the output (N, C, H, W), the new running mean and variance (C,)."""
    ### BEGIN SOLUTION
    axes = (0, 2, 3)
    mean, var = running_mean, running_var
    if training:
        mean, var = x.mean(axis=axes), x.var(axis=axes)
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * x.var(axis=axes, ddof=1)
    x_hat = (x - mean[:, None, None]) / np.sqrt(var[:, None, None] + eps)
    out = gamma[:, None, None] * x_hat + beta[:, None, None]
    return out, running_mean, running_var
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_batch_norm2d", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check(batch_norm2d)
### BEGIN HIDDEN TESTS
check(batch_norm2d, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 9 · Your own reader
#
# You have all the parts: convolutions, BatchNorm, dropout, augmentation, a loop. How well can you
# make a network read?
#
# ### Exercise: `digit_classifier` (5 points)
#
# Return a trained model. It is trained on `images`, a NumPy array `(N, 1, 8, 8)` with values in [0,
# 1], and their `labels`; without arguments, on the course's training digits (the first lines do
# that). It takes a batch of such images and returns ten scores for each, `(N, 10)`, or the class
# numbers, `(N,)`. It may be an `nn.Module` (the judge puts it into eval mode) or a function of a
# NumPy array.
#
# The judge calls it on two different splits of the digits, and asks it about the 450 digits held
# back from each. 90 % right on average earns 2 points, 97 % all 5. Your training should take less
# than 8 seconds. Digits as small as 8×8 can be taken as they are, by small kernels with padding, or
# enlarged: `nn.Upsample(size=(32, 32), mode="bilinear")` is a layer.
#
# Everything of this chapter is allowed, but no other digits: where `images` are given, learn from
# them alone, without `data.digits` and without scikit-learn's `load_digits`. For each split the judge
# numbers the ten classes anew: what `labels` calls 3 need not be a three.


# %% nbgrader={"grade": false, "grade_id": "digit_classifier", "locked": false, "schema_version": 3, "solution": true, "task": false}
def digit_classifier(images=None, labels=None):
    """A model trained on these digits, (N, 1, 8, 8) and (N,), or on the course's."""
    if images is None:
        images, labels = data.digits("train")
        images = images[:, None]  # (N, 8, 8) → (N, 1, 8, 8)
    ### BEGIN SOLUTION

    def block(c_in, c_out):
        convolution = nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)
        return convolution, nn.BatchNorm2d(c_out), nn.ReLU()

    def a_little(batch, rng):
        return data.augment.affine(batch, rng, degrees=10, scale=0.1, shear=0.1, shift=0.08)

    model = nn.Sequential(
        *block(1, 16),
        *block(16, 16),
        nn.MaxPool2d(2),  # (N, 16, 4, 4)
        *block(16, 32),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(32 * 4 * 4, 10),
    )
    epochs = 12
    fit(
        model,
        (images, labels),
        epochs=epochs,
        batch_size=32,
        lr=5e-3,
        weight_decay=1e-2,
        augment=a_little,
        # The rate falls to zero along a cosine: the last steps are small.
        scheduler=lambda opt: torch.optim.lr_scheduler.CosineAnnealingLR(opt, epochs),
        device="cpu",
        progress=False,
    )
    return model
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_digit_classifier", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check(digit_classifier)
### BEGIN HIDDEN TESTS
check(digit_classifier, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 10 · In production code, and further reading
#
# - `torch.nn.functional.cross_entropy` takes logits and class numbers, and computes what your
#   function does; `label_smoothing=0.1` is one argument of it. `nn.NLLLoss` is the one that wants
#   logarithms of probabilities.
# - `nn.BatchNorm2d` keeps `running_mean` and `running_var` as *buffers*: no optimizer sees them,
#   `state_dict` saves them. Its `momentum=0.1` is the share of the new, elsewhere it is often that
#   of the old.
# - `nn.Dropout` scales in training, as yours; the paper of 2014 scaled at test time.
# - `torchvision.transforms.v2` augments images, boxes and masks together. timm's `create_transform`
#   builds the chains that its models were trained with.
# - Large trainings wrap the loop: PyTorch Lightning, Accelerate, timm's `train.py`. Inside is the
#   loop of section 3.
#
# **Read on**
#
# - LeCun, Bottou, Bengio and Haffner, *Gradient-based learning applied to document recognition*
#   (1998): LeNet-5 whole, with the data and the machine around it.
# - Srivastava and others, *Dropout: a simple way to prevent neural networks from overfitting*
#   (JMLR, 2014).
# - Ioffe and Szegedy, *Batch normalization* (arXiv:1502.03167); and Santurkar and others, *How does
#   batch normalization help optimization?* (arXiv:1805.11604), which doubts the first one's reason
#   and measures another.
# - Goodfellow, Bengio and Courville, *Deep learning* (2016), chapters 7 and 8: regularisation and
#   optimisation.
# - Karpathy, *A recipe for training neural networks* (2019): in which order to look for mistakes.

# %% [markdown]
# ## 11 · What you can now say
#
# **What are the stages of a CNN?** Convolution, ReLU, pooling, again and again; flatten; fully
# connected layers; softmax in the loss. *(Section 1)*
#
# **Where are LeNet's parameters?** 61,706 in all, 48,120 of them in the first fully connected
# layer; the two convolutions have 2,572. *(Section 1)*
#
# **Why keep the batch axis in a flatten?** Each image is a row of its own; flattened together they
# are one row that no layer fits. *(Section 1)*
#
# **What is the loss of a network that knows nothing?** ln K: 2.303 for ten classes. *(Section 2)*
#
# **Why does the network return logits?** Cross-entropy applies the softmax. Twice applied, it
# cannot fall below 1.461 with ten classes. *(Section 2)*
#
# **What is the gradient at the logits?** Softmax minus one-hot, divided by the batch's size.
# *(Section 2)*
#
# **Why `zero_grad`?** Gradients add up until they are cleared. *(Section 3)*
#
# **Why does a CNN not take every image size?** Its fully connected head counts on so many numbers.
# Adaptive or global pooling mends it; whether it reads well at that size is another matter.
# *(Section 5)*
#
# **What is overfitting, and what helps?** The training loss falls while the loss on unseen data
# rises. More data, augmentation, dropout, weight decay, early stopping. *(Sections 6 and 7)*
#
# **Which augmentations are allowed?** Those that keep the label: small turns for digits, no mirror
# and no half turn. *(Section 7)*
#
# **Over what does BatchNorm average?** Each channel over the batch and all positions: 32·14·14 =
# 6,272 values; in eval mode it uses running values. *(Section 8)*

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert sum(p.numel() for layer in (lenet.c1, lenet.c3) for p in layer.parameters()) == 2_572

# %% [markdown]
# ## 12 · Quiz
#
# Seven questions, a point each. Their numbers are drawn from the seed: put another seed into both
# cells and you have a new set to practise on. Write a number, or the letter of your choice in quotes.

# %%
questions("06", seed=1)

# %% nbgrader={"grade": false, "grade_id": "quiz_06", "locked": false, "schema_version": 3, "solution": true, "task": false}
answers = {
    "quiz": "06",
    "seed": 1,
    "flat": None,  # question 1
    "uniform": None,  # question 2
    "gradient": None,  # question 3
    "values": None,  # question 4
    "survivor": None,  # question 5
    "curves": None,  # question 6, a letter
    "label": None,  # question 7, a letter
}
if None in answers.values():
    ### BEGIN SOLUTION
    answers.update(
        flat=2_904, uniform=2.079, gradient=-0.0875, values=800, survivor=5.0, curves="b", label="b"
    )
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test_quiz_06", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
check(answers)
### BEGIN HIDDEN TESTS
check(answers, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# You have a network that learns. Chapter 07 asks why deeper ones learned worse, and what was done
# about it.
