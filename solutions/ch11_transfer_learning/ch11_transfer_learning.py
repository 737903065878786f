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
# # Chapter 11 · Starting from what others learned
#
# Somebody hands you fifty handwritten digits, five of each, and asks for a network that reads them.
# Trained on so few, chapter 06's networks learn them by heart. But to read a 5 you need not learn
# what a stroke is, nor a corner, nor a curve that closes. Another network knows that already, and
# it has never seen a digit.
#
# **What you will be able to do**
#
# - take a pretrained network, give it images as it expects them and a head of your own;
# - freeze what it knows, or let it learn on, layer by layer at the rate you choose;
# - write label smoothing and mixup, and measure whether they help;
# - say what transfer is worth with 1, 5, 20 and 100 labels a class, and when to start from scratch.
#
# **What you need**: a training loop, cross-entropy, BatchNorm (chapter 06), the residual network
# (chapter 07). PyTorch, and NumPy for the two losses.
#
# **Time and points**: about 3 hours, 39 points. The end of section 6 is a good place for a break.
#
# | section | exercise | points |
# | --- | --- | ---: |
# | 2 | `preprocess` | 6 |
# | 3 | `replace_head` | 4 |
# | 4 | `freeze` | 4 |
# | 7 | `layerwise_lr_groups` | 4 |
# | 8 | `label_smoothing_cross_entropy` | 4 |
# | 9 | `mixup` | 4 |
# | 11 | `fine_tune` | 5 |
# | 14 | `quiz_11` | 8 |
#
# Stuck on an exercise? `hint(preprocess)` in a cell of your own shows a hint, and a further one each
# time you run it. After the last hint, or once you have passed, `solution(preprocess)` shows our
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
from course_lib import data, training, transfer
from course_lib.transfer import resize

torch.set_num_threads(1)

# %%
from course_lib.data.letters import CLASSES
from course_lib.experiments import pretrain
from course_lib.experiments import transfer as experiment
from course_lib.experiments.transfer import Setting, accuracies
from course_lib.plots import described
from course_lib.plots import transfer as plots

results = experiment.load()  # of the full experiment, five seeds each
digits, truth = data.digits("test")  # 450 digits that no network here is trained on

# %% [markdown]
# ## 1 · A network that reads print
#
# The course brings a network of its own: chapter 07's residual network, 171,092 parameters, trained
# on letters. Not on handwriting: on letters rendered from the fonts that come with matplotlib, bent
# and moved a little, at 8×8 pixels. No digit is among its 44 classes. Such a network, kept for what
# it knows, is called a **backbone**. What is to be known of its weights stands on its card:

# %%
card = pretrain.load_card()
for key in ("task", "recipe", "accuracy", "accuracy_on", "command"):
    print(f"{key}: {card[key]}\n")

# %% [markdown]
# Now show it handwritten digits. It must answer with a letter; it knows nothing else. *Before you
# run the cell: what will it take a 0 for? A 2, a 5, a 6?*

# %% jupyter={"source_hidden": true}
# The figure.
backbone, preprocessing = transfer.load_backbone("letters")
with torch.no_grad():
    said = backbone(preprocessing(digits)).argmax(1).numpy()
counts = np.array([np.bincount(said[truth == d], minlength=len(CLASSES)) for d in range(10)])
shares = counts / counts.sum(axis=1, keepdims=True)
first = [np.flatnonzero(truth == d)[0] for d in range(10)]
printed = data.letters("train", 10, seed=4)
described(
    plots.picture_rows(
        {"learned": printed.images, "asked": digits[first]},
        {
            "learned": [CLASSES[label] for label in printed.labels],
            "asked": [f"{CLASSES[row.argmax()]} {row.max():.0%}" for row in shares],
        },
        title="Above: letters it was trained on. Below: digits, and what a kind is taken for most often",
    ),
    "Two rows of ten pictures. Above, letters in several fonts, blurred to 8 by 8 pixels. Below, the "
    "digits 0 to 9, and over each the letter that its kind is taken for most often: O for 0, Z for 2, S "
    "for 5, G for 6.",
)

# %% [markdown]
# O, Z, S, G: over 70 % of each. Nobody taught it that a 0 resembles an O. What it learned about
# curves and corners in order to tell letters apart tells digits apart as well. That is why transfer
# works: **the first layers of a network learn what many tasks need**. Only the end of it is about
# letters.
#
# The end can go. Take away the head, the last linear layer, and for each image 96 numbers come out,
# its *features*. The next cell trains nothing. It averages the features of five digits of each
# class, and calls every other digit by the nearest of these ten means. *Before you run the cell:
# with 96 features from a network that has random weights, or with the 64 pixels themselves, will it
# do as well?*


# %%
def body(model):
    """The network without its head: it returns the features."""
    model.fc = nn.Identity()
    return model.eval()


def nearest_mean(features, scale=preprocessing):
    """The share of digits whose features are nearest to their own class's mean, for five draws."""
    found = []
    for seed in range(5):
        images, labels = experiment.draw(5, seed)
        with torch.no_grad():
            known, asked = features(scale(images)).flatten(1), features(scale(digits)).flatten(1)
        means = torch.stack([known[torch.from_numpy(labels) == c].mean(0) for c in range(10)])
        found.append(np.mean(torch.cdist(asked, means).argmin(1).numpy() == truth))
    return np.array(found)


torch.manual_seed(0)
read = {
    "features of the backbone": nearest_mean(body(backbone)),
    "the pixels": nearest_mean(nn.Identity()),
    "features of random weights": nearest_mean(body(pretrain.backbone())),
}
for name, found in read.items():
    print(f"{name:27} {found.mean():.2f}  ({found.min():.2f} to {found.max():.2f})")

# %% [markdown]
# About 93 % with the backbone, without one step of training. With pixels about 85 %, and random
# weights are worse than none at all.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert card["parameters"] == 171_092
assert len(CLASSES) == 44
for digit, letter in ((0, "O"), (2, "Z"), (5, "S"), (6, "G")):
    assert CLASSES[shares[digit].argmax()] == letter
    assert shares[digit].max() > 0.70
pretrained, pixels, random = (found.mean() for found in read.values())
assert 0.91 < pretrained < 0.95
assert 0.82 < pixels < 0.87
assert random < pixels - 0.05
assert pretrain.backbone().fc.in_features == 96

# %% [markdown]
# ## 2 · Weights come with a way to scale
#
# The weights were fitted to letters of 8×8 pixels, with values from 0 to 1, less 0.31, divided by
# 0.36. Nothing in the file of weights says so, and this network takes any numbers, at any size.
# *Before you run the cell: the same backbone, the same digits, but scaled in other ways. Will you get
# an error? How many percent does each cost?*

# %%
mean, std = preprocessing.mean[0], preprocessing.std[0]
grey = lambda images: torch.from_numpy(np.asarray(images, np.float32))[:, None]
scales = {
    "as in pretraining": preprocessing,
    "mean and std forgotten": grey,
    "black on white": lambda images: preprocessing(1 - images),
    "twice the size": transfer.Preprocessing(16, (mean,), (std,)),
    "bytes, 0 to 255": lambda images: (grey(255 * images) - mean) / std,
}
misread = {name: nearest_mean(backbone, scale) for name, scale in scales.items()}
for name, found in misread.items():
    print(f"{name:24} {found.mean():.2f}")

# %% [markdown]
# No error anywhere, and each of the four is below the plain pixels. A network that is fed wrongly is
# not broken, only bad, and you would blame the idea of transfer for it. So weights and **preprocessing**
# belong together. `transfer.load_backbone` returns both, and refuses weights whose preprocessing it
# does not know.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert (mean, std) == (0.31, 0.36)
right, *wrong = (found.mean() for found in misread.values())
assert len(wrong) == 4
assert max(wrong) < pixels - 0.02
assert max(wrong) < right - 0.08

# %% [markdown]
# ### Exercise: `preprocess` (6 points)
#
# Bring one image into the form that a backbone expects. `image` is a NumPy array `(H, W)`, `(H, W,
# 3)` or `(H, W, 4)`; `size` is an int; `mean` and `std` are lists with one number for each channel.
# Return an array `(C, size, size)`, C the number of means. In this order:
#
# - Bytes (`np.uint8`) are divided by 255, 16-bit values (`np.uint16`) by 65,535. Floats lie in [0, 1]
#   already and stay.
# - The fourth channel, how opaque a pixel is, is dropped. Channels come first. A grey image is
#   repeated for each of the C channels. Colour images come with three means.
# - The *shorter* side becomes `size`, the longer one in proportion, rounded with `round`. For this,
#   `resize(channels, (height, width))` is there: it takes and returns `(C, H, W)`.
# - The middle `size` × `size` is cut out: it begins at row `(height − size) // 2`, and at the column
#   likewise.
# - Each channel loses its mean and is divided by its std.
#
# Do without `transfer.preprocess` and `transfer.Preprocessing`.
#
# For example, one pixel with the colours 1, 0.5, 0 becomes 2, 0, −1 with mean 0.5, 0.5, 0.5 and std
# 0.25, 0.25, 0.5.


# %% nbgrader={"grade": false, "grade_id": "preprocess", "locked": false, "schema_version": 3, "solution": true, "task": false}
def preprocess(image, size, mean, std):
    """An image as a backbone expects it: (H, W), (H, W, 3) or (H, W, 4) → (C, size, size)."""
    ### BEGIN SOLUTION
    largest = {"uint8": 255, "uint16": 65_535}.get(image.dtype.name, 1)
    x = image / largest
    x = x[None] if x.ndim == 2 else x[:, :, :3].transpose(2, 0, 1)
    x = np.broadcast_to(x, (len(mean), *x.shape[1:]))  # a grey image fills every channel
    height, width = x.shape[1:]
    scale = size / min(height, width)
    x = resize(x, (round(height * scale), round(width * scale)))
    top, left = (x.shape[1] - size) // 2, (x.shape[2] - size) // 2
    x = x[:, top : top + size, left : left + size]
    return (x - np.array(mean)[:, None, None]) / np.array(std)[:, None, None]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_preprocess", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check(preprocess)
### BEGIN HIDDEN TESTS
check(preprocess, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · A head of your own
#
# The nearest mean was a makeshift. What you want is a linear layer from the 96 features to ten
# classes, and it must be trained. In the model it takes the place of the old head. In some models
# that is `model.fc`, in others `model.classifier[6]` or `model.heads.head`. What they share: the
# head is the *last linear layer*. `named_modules` finds it:

# %%
model = transfer.load_backbone("letters").model
for name, layer in model.named_modules():
    if isinstance(layer, nn.Linear):
        print(name, layer)

# %% [markdown]
# ### Exercise: `replace_head` (4 points)
#
# Return the model with a new last linear layer: `nn.Linear` from as many inputs as the old one to
# `n_classes`, with bias, its weights random as PyTorch makes them. Everything else stays, weights
# included. The last linear layer is the last in the order of `model.named_modules()`. It may have any
# name, it may lie inside another part, and layers without weights may follow it. You may change the
# model itself or return a copy. Do without `course_lib.transfer`.


# %% nbgrader={"grade": false, "grade_id": "replace_head", "locked": false, "schema_version": 3, "solution": true, "task": false}
def replace_head(model, n_classes):
    """The model with a new last linear layer, for n_classes."""
    ### BEGIN SOLUTION
    linear = [(name, m) for name, m in model.named_modules() if isinstance(m, nn.Linear)]
    name, old = linear[-1]
    parent, _, own = name.rpartition(".")  # "classifier.6" → "classifier", "6"
    setattr(model.get_submodule(parent), own, nn.Linear(old.in_features, n_classes))
    return model
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_replace_head", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check(replace_head)
### BEGIN HIDDEN TESTS
check(replace_head, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 4 · Keep what it knows
#
# The simplest way to use a backbone: the new head learns, nothing else does. That is called
# **feature extraction**. The body is **frozen**: its parameters have `requires_grad` False, get no
# gradient, and no optimizer moves them. Here, 970 of 167,794 parameters learn.

# %%
model = transfer.freeze(transfer.replace_head(model, 10))
learn = sum(p.numel() for p in model.parameters() if p.requires_grad)
print(f"{learn:,} of {sum(p.numel() for p in model.parameters()):,} parameters learn")
assert (learn, sum(p.numel() for p in model.parameters())) == (970, 167_794)

# %% [markdown]
# ### Exercise: `freeze` (4 points)
#
# Return the model with all parameters frozen. With `except_head=True` the parameters of the last
# linear layer, weight and bias, do learn, also if they were frozen before. With `except_head=False`
# nothing learns. What the weights are does not change. Do without `course_lib.transfer`.


# %% nbgrader={"grade": false, "grade_id": "freeze", "locked": false, "schema_version": 3, "solution": true, "task": false}
def freeze(model, except_head=True):
    """The model with nothing to learn but its last linear layer, or nothing at all."""
    ### BEGIN SOLUTION
    model.requires_grad_(False)
    if except_head:
        head = [m for m in model.modules() if isinstance(m, nn.Linear)][-1]
        head.requires_grad_(True)
    return model
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_freeze", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check(freeze)
### BEGIN HIDDEN TESTS
check(freeze, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# Is a frozen body really at rest? Count what is different after one look at the digits, without any
# optimizer. *Before you run the cell: which tensors of a frozen model could change in
# `model.train()`?*

# %%
before = {key: value.clone() for key, value in model.state_dict().items()}
with torch.no_grad():
    model.train()(preprocessing(digits))
moved = [key for key, value in model.state_dict().items() if not torch.equal(value, before[key])]
model.load_state_dict(before)
print(len(moved), "tensors moved:", ", ".join(moved[:3]), "…")

# %% [markdown]
# BatchNorm's running means and variances are no parameters. In training mode they follow the images,
# frozen or not (chapter 06). The cure is to keep a frozen body in **eval mode**. What does it cost
# to forget that? Here, little: in the full experiment, with five labels a class, the frozen
# backbone reads 94.4 % with its own statistics and 94.1 % with moving ones, one seed up, the next
# down. Our digits look much like letters; where they do not, expect more.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert moved
assert all("running" in key or "num_batches" in key for key in moved)
frozen = accuracies(results, Setting("frozen", 5))
moving = accuracies(results, Setting("frozen", 5, norm_moves=True))
assert round(float(frozen.mean()), 3) == 0.944
assert round(float(moving.mean()), 3) == 0.941
assert (moving > frozen).any()
assert (moving < frozen).any()

# %% [markdown]
# ## 5 · What is it worth?
#
# Now measure it. Four ways to learn from the same digits, without augmentation:
#
# - **scratch**: the same network from random weights;
# - **frozen**: the new head alone;
# - **partly**: the head first, then the head and the last stage of the body;
# - **full**: the head first, then everything. The last two are called **fine-tuning**.
#
# Two draws of five digits a class, live:

# %%
live = {}
for strategy in ("scratch", "frozen", "full"):
    runs = [experiment.train(Setting(strategy, 5), seed).accuracy for seed in (10, 11)]
    live[strategy] = np.mean(runs)
    print(f"{strategy:8}", *(f"{accuracy:.3f}" for accuracy in runs))

# %% [markdown]
# The full experiment has 140 such runs: 1, 5, 20 and 100 labels a class, five draws each. It takes
# some minutes, so its results come with the course; `python -m course_lib.experiments.transfer`
# makes them anew. *Before you run the cell: with how many labels a class will the network from
# scratch catch up? And with how many does it pay to let the body learn on?*

# %% jupyter={"source_hidden": true}
# The figure.
curves = {
    strategy: [accuracies(results, Setting(strategy, n)) for n in experiment.LABELS]
    for strategy in ("scratch", "frozen", "partly", "full")
}
described(
    plots.label_curves(
        curves, experiment.LABELS, title="The fewer labels, the more a backbone is worth"
    ),
    "Accuracy on digits held back against 1, 5, 20 and 100 labels a class; bars span five draws. From "
    "scratch 59, 84, 94, 98 percent. The three that start from the backbone lie close together: about 80, "
    "94, 97, 98 to 99 percent.",
)

# %% [markdown]
# | labels a class | scratch | frozen | partly | full |
# | ---: | ---: | ---: | ---: | ---: |
# | 1 | 59.4 | 78.6 | 82.8 | 80.5 |
# | 5 | 84.4 | 94.4 | 94.8 | 93.5 |
# | 20 | 93.7 | 96.8 | 97.2 | 97.3 |
# | 100 | 97.9 | 98.1 | 98.8 | 98.7 |
#
# Read it by rows. With five labels the backbone saves two errors of three. With a hundred, fine-tuning
# is still ahead in each of the five draws, by 0.8 points on average. Read it by columns: a frozen
# backbone with 5 labels a class reads as well as a network from scratch with 20.
#
# And frozen or not? The usual rule: **with few labels freeze, with many let it learn.** At a hundred,
# learning on wins in each draw. At five, frozen wins in each of these five draws, by 0.9 points on
# average; but look at your two live draws, which are not among the five. On our computer both said
# the opposite, and with one label "full" wins four draws of five. So the second half of the rule is
# measured here; for the first half, five draws are too few. Letting the head and the last stage
# learn is never far from the best of the two.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
table = {name: [round(100 * float(a.mean()), 1) for a in column] for name, column in curves.items()}
assert table["scratch"] == [59.4, 84.4, 93.7, 97.9]
assert table["frozen"] == [78.6, 94.4, 96.8, 98.1]
assert table["partly"] == [82.8, 94.8, 97.2, 98.8]
assert table["full"] == [80.5, 93.5, 97.3, 98.7]
assert min(live["frozen"], live["full"]) > live["scratch"] + 0.02
assert len(results) == 140
(_, five, twenty, hundred) = range(4)
assert (1 - curves["frozen"][five].mean()) / (1 - curves["scratch"][five].mean()) < 0.4
assert (curves["full"][hundred] > curves["scratch"][hundred]).all()
assert round(100 * float(np.mean(curves["full"][hundred] - curves["scratch"][hundred])), 1) == 0.8
assert curves["frozen"][five].mean() > curves["scratch"][twenty].mean()
assert (curves["frozen"][five] > curves["full"][five]).all()
assert round(100 * float(np.mean(curves["frozen"][five] - curves["full"][five])), 1) == 0.9
assert (curves["full"][0] > curves["frozen"][0]).sum() == 4
assert (curves["full"][hundred] > curves["frozen"][hundred]).all()
for place in range(4):
    best = max(curves["frozen"][place].mean(), curves["full"][place].mean())
    assert curves["partly"][place].mean() > best - 0.003

# %% [markdown]
# ## 6 · The head first
#
# Why train the head alone before the body may learn? A new head has random weights. What it asks of
# the body in its first steps is noise. *Before you run the cell: how large is the gradient that
# reaches the body from a random head, compared with that from a trained one? Twice? Ten times?*

# %%
images, labels = experiment.draw(5, seed=0)
images, labels = preprocessing(images), torch.from_numpy(labels)
loss_of = nn.CrossEntropyLoss()


def gradient_of_the_body(model):
    """The length of the loss's gradient over all parameters but the head's."""
    model.zero_grad()
    model.requires_grad_(True)
    loss_of(model(images), labels).backward()
    body = [p.grad.norm() for name, p in model.named_parameters() if not name.startswith("fc")]
    return torch.stack(body).norm().item()


torch.manual_seed(0)
model = transfer.load_backbone("letters", num_classes=10).model  # in eval mode
random_head = gradient_of_the_body(model)
transfer.freeze(model)
optimizer = torch.optim.AdamW(model.fc.parameters(), lr=0.01)
for _ in range(150):
    loss = loss_of(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
trained_head = gradient_of_the_body(model)
print(f"random head {random_head:.2f}, trained head {trained_head:.2f}")

# %% [markdown]
# More than fifteen times. A head that has settled sends the body small corrections; a random one
# sends it away from what it knows.
#
# ## 7 · How fast?
#
# The body is good already, so its steps should be small: for networks from ImageNet 10 to 100 times
# smaller than from scratch, here, where the steps are few, five times. What if they are not? In the full experiment "too fast" means fifty times the rate of "full", 0.05
# in place of 0.001, after the same training of the head. *Before you run the cell: will it end up
# like a network from scratch? Better, because of the start? Worse?*

# %% jupyter={"source_hidden": true}
# The figure.
fast = {
    name: [accuracies(results, Setting(strategy, n)) for n in experiment.LABELS]
    for name, strategy in {
        "full": "full",
        "scratch": "scratch",
        "too fast": "too fast",
    }.items()
}
described(
    plots.label_curves(fast, experiment.LABELS, title="Too large a rate is worse than no backbone"),
    "Accuracy against 1, 5, 20, 100 labels a class. Fine-tuned in full 80 to 99 percent; from scratch 59 to "
    "98; fine-tuned too fast 28, 56, 66, 84 percent, with bars that are tens of percent long.",
)

# %% [markdown]
# Far worse, at every number of labels and in every draw. The first large steps destroy what the body
# knew, and what they leave is a worse start than random weights.
#
# Is one rate right for all layers? The first layers hold what every task needs, the last ones what
# letters need. So the usual recipe lets the rate fall from the head to the stem, each part at a fixed
# share of the next: **layer-wise decay**. In PyTorch an optimizer takes a list of *groups*, each with
# its parameters and its rate:
#
# ```python
# torch.optim.AdamW([{"params": [...], "lr": 0.0005}, {"params": [...], "lr": 0.001}])
# ```

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert random_head > 15 * trained_head
for n in experiment.LABELS:
    assert (
        accuracies(results, Setting("too fast", n)) < accuracies(results, Setting("scratch", n))
    ).all()
assert experiment.RATES["too fast"] / experiment.RATES["full"] == 50
assert experiment.RATES["scratch"] / experiment.RATES["full"] == 5

# %% [markdown]
# ### Exercise: `layerwise_lr_groups` (4 points)
#
# Return a list of groups, dicts with the keys `"params"` and `"lr"`, one for each child of the model
# (`model.children()`) that has parameters. Each holds *all* parameters of its child. The group of the
# last child has the rate `base_lr`, each one before it `decay` times the rate of the next.
# Children without parameters count for nothing. Do without `course_lib.transfer`.
#
# For example, a convolution, a ReLU and a linear layer with base_lr 0.5 and decay 0.5 give two
# groups, with the rates 0.25 and 0.5.


# %% nbgrader={"grade": false, "grade_id": "layerwise_lr_groups", "locked": false, "schema_version": 3, "solution": true, "task": false}
def layerwise_lr_groups(model, base_lr, decay):
    """A list of param groups: the last child at base_lr, each before it at decay times the next."""
    ### BEGIN SOLUTION
    parts = [list(child.parameters()) for child in model.children()]
    parts = [part for part in parts if part]
    return [
        {"params": part, "lr": base_lr * decay ** (len(parts) - 1 - place)}
        for place, part in enumerate(parts)
    ]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_layerwise_lr_groups", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check(layerwise_lr_groups)
### BEGIN HIDDEN TESTS
check(layerwise_lr_groups, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 8 · A goal that is not quite sure
#
# Cross-entropy with one-hot labels is never content: to reach 0 it wants a probability of 1, hence
# logits that grow without end. **Label smoothing** puts the goal within reach. With $K$ classes and a
# smoothing of $s$, the goal of an image of class $y$ is
#
# $$q_k = (1 - s)\,[k = y] + \frac{s}{K}, \qquad \text{loss} = -\sum_k q_k \log p_k .$$
#
# *Before you run the cell: ten classes, $s = 0.1$. Which probability does the right class get in the
# goal? And what is the smallest loss that any network can reach?*

# %%
goal = 0.9 * np.eye(10)[3] + 0.1 / 10
print(goal)
print("smallest loss", round(-(goal * np.log(goal)).sum(), 3))

# %% [markdown]
# 0.91: the right class is one of the ten that share the 0.1. And the loss can fall to 0.5, no
# further. It is reached with logits that lie ln 91 ≈ 4.5 apart, not infinitely far.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert np.isclose(goal[3], 0.91)
assert np.isclose(-(goal * np.log(goal)).sum(), 0.500, atol=5e-4)
assert abs(np.log(goal[3] / goal[0]) - 4.5) < 0.02
assert round(float(goal[3] / goal[0])) == 91

# %% [markdown]
# ### Exercise: `label_smoothing_cross_entropy` (4 points)
#
# `logits` is a NumPy array `(N, K)`, `targets` `(N,)` class numbers, `smoothing` a float from 0 to 1.
# Return the loss as a float: smoothing/K goes to *every* class, the right one included, natural
# logarithm, mean over the batch. It stays finite for logits of ±1000. Do without PyTorch's and
# SciPy's softmax and cross-entropy, and without the course's.
#
# For example, logits 2 and 0, target 0 and smoothing 0.2 give 0.327.


# %% nbgrader={"grade": false, "grade_id": "label_smoothing_cross_entropy", "locked": false, "schema_version": 3, "solution": true, "task": false}
def label_smoothing_cross_entropy(logits, targets, smoothing):
    """The mean cross-entropy with smoothed labels: (N, K) and (N,) → float."""
    ### BEGIN SOLUTION
    k = logits.shape[1]
    goal = (1 - smoothing) * np.eye(k)[targets] + smoothing / k
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-(goal * log_p).sum(axis=1).mean())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_label_smoothing_cross_entropy", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check(label_smoothing_cross_entropy)
### BEGIN HIDDEN TESTS
check(label_smoothing_cross_entropy, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 9 · Images between two images
#
# **Mixup** goes further. It blends two images, and their labels with the same weight: 70 % of a 3 and
# 30 % of an 8 is 70 % a 3. The weight $\lambda$ is drawn for each batch from a Beta($\alpha$,
# $\alpha$) distribution. For a small $\alpha$ it is mostly near 0 or 1, for a large one near a half.

# %% jupyter={"source_hidden": true}
# The figure.
three, eight = (digits[np.flatnonzero(truth == d)[2]] for d in (3, 8))
weights = np.linspace(1, 0, 6)
described(
    plots.picture_rows(
        {"a 3 and an 8": [w * three + (1 - w) * eight for w in weights]},
        {"a 3 and an 8": [f"λ = {w:.1f}" for w in weights]},
        title="Mixup: what the network sees between a 3 and an 8",
    ),
    "Six pictures from a handwritten 3 on the left to an 8 on the right, blended with weights from 1 to 0.",
)

# %% [markdown]
# ### Exercise: `mixup` (4 points)
#
# `x` is a batch of images `(N, C, H, W)`, `y_onehot` `(N, K)`, `alpha` a float above 0, `rng` a NumPy
# generator. Draw *one* weight for the whole batch, from Beta(`alpha`, `alpha`), and a random
# permutation of the batch: who stands at an image's place is its partner. Return the pair `(x, y)`:
# each image blended with its partner, weight times the one plus 1 − weight times the other, and the
# labels likewise. All chance comes from `rng`, in any order of draws.


# %% nbgrader={"grade": false, "grade_id": "mixup", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mixup(x, y_onehot, alpha, rng):
    """Each image blended with another of the batch, and the labels likewise: (x, y)."""
    ### BEGIN SOLUTION
    weight = rng.beta(alpha, alpha)
    partner = rng.permutation(len(x))
    mixed = weight * x + (1 - weight) * x[partner]
    return mixed, weight * y_onehot + (1 - weight) * y_onehot[partner]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_mixup", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check(mixup)
### BEGIN HIDDEN TESTS
check(mixup, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 10 · Does the recipe help?
#
# The recipe of many papers: a new head, the head first at a rate of about 1e-3, then all at 1e-5 to
# 1e-4 with a layer-wise decay of 0.9, label smoothing, mixup. Each part was measured somewhere. Does
# each help *here*? The full experiment changes one thing at a time in "full" with five labels a class,
# for the same five draws: layer-wise decay, label smoothing, mixup, BatchNorm in training mode, strong
# augmentation. *Before you run the cell: which of the five will help, and which will do harm?*

# %% jupyter={"source_hidden": true}
# The figure.
base = accuracies(results, Setting("full", 5))
changed = {
    "layer-wise decay 0.6": Setting("full", 5, decay=0.6),
    "label smoothing 0.1": Setting("full", 5, smoothing=0.1),
    "mixup, alpha 0.2": Setting("full", 5, mixup=0.2),
    "BatchNorm in training mode": Setting("full", 5, norm_moves=True),
    "augmentation, strong": Setting("full", 5, augmented=True),
}
changed = {name: accuracies(results, setting) for name, setting in changed.items()}
described(
    plots.changes(base, changed, title="Two parts help, one does nothing clear, two do harm"),
    "Change of the accuracy in percent points against plain fine-tuning, five seeds each. Layer-wise decay: "
    "1.1 to 1.6 up. Label smoothing: from 0.7 down to 1.3 up. Mixup: four of five down, by up to 2. BatchNorm "
    "in training mode: 0.9 to 2 up. Augmentation: 3 to 6 down.",
)

# %% [markdown]
# - **Layer-wise decay** helps in each of the five draws, by 1.3 points on average.
# - **Label smoothing** does nothing that five draws can show: 0.5 points up, once down.
# - **Mixup** does harm in four of five draws: 0.7 points down.
# - **BatchNorm in training mode** helps when *all* learns, in each draw: by 1.4 points. With the body
#   frozen it did nothing (section 4).
# - **Augmentation**, as strong as the letters were bent, costs 4.7 points. From scratch the *same*
#   augmentation helps in each draw, by 3.3 points. A likely reason: what augmentation teaches, the
#   backbone knew already, and some digits are bent beyond reading.
#
# So a recipe is a list of things to try, not of things that help. What is true of ImageNet networks
# fine-tuned for many epochs on thousands of images need not be true of fifty digits.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
gains = {name: 100 * (found - base) for name, found in changed.items()}
decayed, smoothed, mixed, normed, bent = gains.values()
assert (decayed > 0).all()
assert round(float(decayed.mean()), 1) == 1.3
assert round(float(smoothed.mean()), 1) == 0.5
assert (smoothed < 0).sum() == 1
assert (mixed < 0).sum() == 4
assert round(float(mixed.mean()), 1) == -0.7
assert (normed > 0).all()
assert round(float(normed.mean()), 1) == 1.4
assert (bent < 0).all()
assert round(float(bent.mean()), 1) == -4.7
from_scratch = accuracies(results, Setting("scratch", 5, augmented=True))
scratch_gain = 100 * (from_scratch - curves["scratch"][five])
assert (scratch_gain > 0).all()
assert round(float(scratch_gain.mean()), 1) == 3.3

# %% [markdown]
# ## 11 · Your own
#
# ### Exercise: `fine_tune` (5 points)
#
# Return a model that reads digits. `backbone` is the course's network with its head for letters, in
# eval mode; `x` is a NumPy array `(50, 1, 8, 8)`, float32, five digits of each class, *already scaled*
# as the backbone expects; `y` is `(50,)`, their class numbers; `n_classes` is 10. The model takes such
# a batch and returns ten scores for each image, `(N, 10)`, or the class numbers, `(N,)`. It may be an
# `nn.Module` (the judge puts it into eval mode) or a function of a NumPy array. You may change the
# backbone itself.
#
# The judge calls it for three draws of fifty digits, and asks it about 450 digits held back. For each
# draw it numbers the ten classes anew: what `y` calls 3 need not be a three. 80 % right on average
# earns 3 points, 90 % all 5. A training should take less than 3 seconds. Whoever ignores the
# backbone can hope for the 3: a network from scratch reached 84 % above. Your own functions of this
# chapter are allowed, and the course's. But learn from these fifty digits alone: do without
# `data.digits`, scikit-learn's `load_digits`, the experiment's `draw` and `train`, and the
# notebook's `digits` and `truth`.


# %% nbgrader={"grade": false, "grade_id": "fine_tune", "locked": false, "schema_version": 3, "solution": true, "task": false}
def fine_tune(backbone, x, y, n_classes):
    """The backbone, made a reader of these digits: (N, 1, 8, 8) → (N, n_classes)."""
    ### BEGIN SOLUTION
    images, labels = torch.from_numpy(x), torch.from_numpy(y)
    model = transfer.replace_head(backbone, n_classes).eval()

    def learn(steps, groups):
        optimizer = torch.optim.AdamW(groups)
        plan = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for _ in range(steps):
            loss = nn.functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            plan.step()

    transfer.freeze(model)
    learn(60, [{"params": model.fc.parameters(), "lr": 0.01}])
    model.requires_grad_(True)
    learn(20, transfer.layerwise_lr_groups(model, 0.001, 0.6))
    return model
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_fine_tune", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check(fine_tune)
### BEGIN HIDDEN TESTS
check(fine_tune, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 12 · In production code, and further reading
#
# Backbones trained on ImageNet's 1.28 million photographs come by name, through the same function as
# ours, where the package is installed and the weights are on your computer or can be downloaded:
#
# ```python
# model, preprocessing = transfer.load_backbone("torchvision:resnet18", num_classes=10)
# model, preprocessing = transfer.load_backbone("timm:convnext_tiny", num_classes=10)
# ```
#
# Offline it says which file is missing and where it goes. Weights of your own need their
# preprocessing beside them. Where something is missing, the package or the preprocessing, it says so:

# %%
try:
    transfer.load_backbone("torchvision:resnet18", weights="mine.safetensors")
except (ValueError, ImportError) as error:
    print(type(error).__name__, "·", error)

# %% [markdown]
# - `torchvision.models.get_model("resnet18", weights="DEFAULT")` is what it calls; the weights' own
#   `transforms()` hold their preprocessing. `timm.create_model(name, pretrained=True, num_classes=10)`
#   replaces the head by itself, `timm.data.resolve_model_data_config(model)` tells the preprocessing.
# - timm's optimizers take `layer_decay=0.75`: your `layerwise_lr_groups`, with groups that each model
#   defines for itself. `torch.nn.functional.cross_entropy` has `label_smoothing`, and takes
#   probabilities as targets, as mixup makes them; `torchvision.transforms.v2.MixUp` does it in the
#   loader.
# - `torchvision.ops.FrozenBatchNorm2d` is a BatchNorm that never moves: detectors are trained with it.
# - timm's mixup differs from the paper: a batch is blended with itself in reversed order, so that no
#   permutation is drawn. The loader has shuffled the images already.
#
# **When is it better to start from scratch?** When there are plenty of labels; when the images have
# nothing to do with those of pretraining (and even then the start seldom does harm: it is the rate that
# does); when the input is another, five channels of a satellite, say; when the network must be smaller
# than any that is pretrained; when the licence of weights or data forbids their use.
#
# **Read on**
#
# - Yosinski, Clune, Bengio and Lipson, *How transferable are features in deep neural networks?*
#   (arXiv:1411.1792): layer by layer, what is general and what is not.
# - Kornblith, Shlens and Le, *Do better ImageNet models transfer better?* (arXiv:1805.08974): mostly,
#   and on fine-grained classes hardly.
# - He, Girshick and Dollár, *Rethinking ImageNet pre-training* (arXiv:1811.08883): with enough labels
#   and time, training from scratch catches up.
# - Zhang, Cissé, Dauphin and Lopez-Paz, *mixup: beyond empirical risk minimization* (arXiv:1710.09412).
# - Müller, Kornblith and Hinton, *When does label smoothing help?* (arXiv:1906.02629).
# - Kumar and others, *Fine-tuning can distort pretrained features* (arXiv:2202.10054): the head first,
#   and why.
# - The fast.ai course, lessons 1 to 5: transfer as the first thing to try.

# %% [markdown]
# ## 13 · What you can now say
#
# **Why does transfer work at all?** The first layers learn what many tasks need. A network that read
# only print took a 0 for an O and a 5 for an S. *(Section 1)*
#
# **Feature extraction or fine-tuning?** The first trains a new head alone, the second lets the body
# learn on. With one and five labels a class they lay within two points of each other, with a hundred
# the second won in each draw. *(Sections 4 and 5)*
#
# **What must match pretraining?** Size, range, mean and std of the input. Nothing complains where they
# do not. *(Section 2)*
#
# **Why the head first?** Its random weights send large, meaningless gradients into the body: here more
# than fifteen times those of a trained head. *(Section 6)*
#
# **Why a small rate, and smaller for early layers?** Large steps destroy what the body knows: fifty
# times the rate was worse than no backbone at all. Early layers are right for most tasks already.
# *(Section 7)*
#
# **Which layers do you freeze?** The early ones. Letting the last stage and the head learn was never
# far from the best. *(Section 5)*
#
# **And BatchNorm?** Its running values move in training mode although its parameters are frozen: keep
# a frozen body in eval mode. *(Section 4)*
#
# **What do label smoothing and mixup do?** They make the goal reachable, and fill the space between
# images. Whether they help is to be measured; with fifty digits one did nothing clear and one did harm.
# *(Sections 8 to 10)*
#
# **When do you train from scratch?** With many labels, other inputs, or weights you may not use: at a
# hundred labels a class the backbone was worth less than a point. *(Sections 5 and 12)*

# %% [markdown]
# ## 14 · Quiz
#
# Eight questions, a point each. Their numbers are drawn from the seed: put another seed into both
# cells and you have a new set to practise on. Write a number, or the letter of your choice in quotes.

# %%
questions("11", seed=1)

# %% nbgrader={"grade": false, "grade_id": "quiz_11", "locked": false, "schema_version": 3, "solution": true, "task": false}
answers = {
    "quiz": "11",
    "seed": 1,
    "head": None,  # question 1
    "rate": None,  # question 2
    "smoothed": None,  # question 3
    "mixed": None,  # question 4
    "normalised": None,  # question 5
    "moved": None,  # question 6, a letter
    "first": None,  # question 7, a letter
    "silent": None,  # question 8, a letter
}
if None in answers.values():
    ### BEGIN SOLUTION
    answers.update(
        head=9_228,
        rate=0.00128,
        smoothed=0.84,
        mixed=0.37,
        normalised=-0.3416,
        moved="b",
        first="c",
        silent="d",
    )
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test_quiz_11", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
check(answers)
### BEGIN HIDDEN TESTS
check(answers, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# In chapter 01 a fully connected layer needed 77 million weights for one look at a photograph. You can
# now build what needs far fewer, say why each part is there, and start from what others have learned.
