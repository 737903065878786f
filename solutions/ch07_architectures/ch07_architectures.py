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
# # Chapter 07 · How networks became deep
#
# Take a network of 8 layers that learns its training images almost by heart, and add 48 layers. Now it
# cannot learn even those images, although the 48 could leave everything as it is. Nothing in chapters
# 01 to 06 forbids them to. What goes wrong, and which line of code cures it?
#
# **What you will be able to do**
#
# - tell the story of the landmark networks as problems and fixes, with their years, sizes and depths;
# - build their blocks: VGG, Inception, ResNet (two kinds), DenseNet;
# - show that depth hurts a plain network, on training images and with healthy gradients;
# - say what `F(x) + x` changes, and what it does not;
# - measure gradients layer by layer, and parameters part by part, in any model.
#
# **What you need**: PyTorch modules, BatchNorm, a training loop (chapter 06); shapes and counts of
# layers (chapters 02 and 03); the receptive field (chapter 05).
#
# **Time and points**: about 180 minutes, 39 points.
#
# | section | exercise | points |
# | --- | --- | ---: |
# | 1 | `parameter_table` | 3 |
# | 3 | `vgg_block` | 4 |
# | 4 | `InceptionModule` | 6 |
# | 6 | `gradient_norms` | 3 |
# | 7 | `BasicBlock` | 5 |
# | 9 | `Bottleneck` | 5 |
# | 10 | `DenseLayer` | 5 |
# | 14 | `quiz_07` | 8 |
#
# Stuck on an exercise? `hint(BasicBlock)` in a cell of your own shows a hint, and a further one each
# time you run it. After the last hint, or once you have passed, `solution(BasicBlock)` shows our
# answer.
#
# The experiments run on the course's own networks, unless a cell says that it uses yours. Run the
# notebook cell by cell: *Run All* stops at the first check that gives no points. Where you are asked
# for a prediction and a cell would give it away, its code is folded: run it first, then unfold it.

# %% nbgrader={"grade": false, "grade_id": "setup", "locked": true, "schema_version": 3, "solution": false, "task": false}
import numpy as np
import torch
from torch import nn

from autograder.check import check, hint, questions, solution
from course_lib import nets

torch.set_num_threads(1)

# %%
from course_lib import cost
from course_lib.experiments import degradation
from course_lib.explorers import Lineage
from course_lib.gradients_torch import block_gains
from course_lib.gradients_torch import gradient_norms as norms_by_layer
from course_lib.nets.resnet import BasicBlock as OurBasicBlock
from course_lib.nets.resnet import Bottleneck as OurBottleneck
from course_lib.nets.resnet_cifar import CifarBlock, resnet_cifar
from course_lib.plots import architectures as plots
from course_lib.plots import described


def numbers_in(module):
    """The weights and biases of a module, all together."""
    return sum(p.numel() for p in module.parameters())


# %% [markdown]
# ## 1 · What did each of them fix?
#
# Between 1998 and 2022 a handful of networks changed how people build. Each answers a problem that the
# one before it left open. Here are nine, with what was published about them. *Before you run the cell:
# which of the nine has the most parameters, and is it the most accurate?*

# %%
NINE = [
    "lenet5",
    "alexnet",
    "vgg16",
    "googlenet",
    "resnet50",
    "densenet121",
    "mobilenet_v2",
    "efficientnet_b0",
    "convnext_tiny",
]
facts = {name: nets.info(name) for name in NINE}
measured = {name: Lineage(model=name).network for name in NINE}

print("network          year  layers   parameters   top-1")
for name, known in facts.items():
    label, depth = measured[name]["label"], measured[name]["depth"]
    print(f"{label:15} {known.year:5} {depth:7} {known.params:12,} {known.top1:6.1f} %")

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.parameters_and_accuracy(
        [
            plots.Point(measured[name]["label"], known.year, known.params, known.top1)
            for name, known in facts.items()
            if name != "lenet5"
        ],
        title="Better with fewer parameters, most of the time",
        left=("VGG-16", "AlexNet", "DenseNet-121"),
    ),
    "Published accuracy against parameters. AlexNet, 2012, has 61 million and 57 percent; VGG-16,"
    " 2014, 138 million and 71.5 percent. All later ones have fewer than 30 million and, but for "
    "GoogLeNet, are more accurate; ConvNeXt-T, 2022, is highest with 82 percent.",
)

# %% [markdown]
# VGG-16 has the most, 138 million, and five of the nine do better with about a fifth of that, or less.
# `layers` counts convolutions and linear layers on the longest way from image to answer. LeNet's 99 %
# are handwritten digits; all others are the 1,000 classes of ImageNet, where `top-1` is the share of
# images whose first guess is right.
#
# Three warnings. The accuracies were measured by different people with different recipes
# (`nets.info(name).top1_source` says whose), and a recipe is worth as much as an architecture: chapter
# 10 shows by how much. The networks here are those whose weights are published, and some differ from
# their papers: `nets.info(name).differs` says how. And numbers that you read elsewhere count other
# variants: the AlexNet of the paper, in two halves, comes to 60,965,224, with its halves joined to 62.4
# million, and GoogLeNet with its two extra heads to more than ours.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
most = max(facts, key=lambda name: facts[name].params)
assert most == "vgg16" and round(facts[most].params / 1e6) == 138
better = [n for n in NINE if n != "lenet5" and facts[n].top1 > facts[most].top1]
assert len(better) == 5 and all(facts[n].params < 0.21 * facts[most].params for n in better)
published = dict(
    lenet5=99,
    alexnet=57.1,
    vgg16=71.5,
    googlenet=69.8,
    resnet50=76.0,
    densenet121=74.9,
    mobilenet_v2=71.8,
    efficientnet_b0=77.1,
    convnext_tiny=82.1,
)
assert all(abs(facts[name].top1 - value) < 0.11 for name, value in published.items())
years = [facts[name].year for name in NINE]
assert years == [1998, 2012, 2014, 2014, 2015, 2016, 2018, 2019, 2022]


def alexnet_of_2012(groups):
    """Its parameters: where the halves do not meet, each reads only its own half of the maps."""
    convolutions = ((3, 96, 11, 1), (96, 256, 5, groups), (256, 384, 3, 1))
    convolutions += ((384, 384, 3, groups), (384, 256, 3, groups))
    dense = ((256 * 6 * 6, 4096), (4096, 4096), (4096, 1000))
    return sum(cost.conv_params(i, o, k, groups=g) for i, o, k, g in convolutions) + sum(
        cost.fc_params(i, o) for i, o in dense
    )


assert alexnet_of_2012(groups=2) == 60_965_224 and alexnet_of_2012(groups=1) == 62_378_344
depths = {name: measured[name]["depth"] for name in NINE}
assert [depths[n] for n in NINE[:6]] == [5, 8, 16, 22, 50, 121]

# %% [markdown]
# | year | network | the problem | the fix |
# | --- | --- | --- | --- |
# | 1998 | LeNet-5 | dense layers learn every place anew | convolution and pooling, trained end to end |
# | 2012 | AlexNet | a million photographs ask for a large net; large nets are slow and learn by heart | ReLU, dropout, augmentation, two GPUs |
# | 2014 | VGG | which kernels, how many layers? | 3×3 only, up to 19 layers |
# | 2014 | GoogLeNet | one kernel size does not suit every detail, and large kernels cost | 1×1, 3×3, 5×5 and pooling side by side, 1×1 bottlenecks |
# | 2015 | ResNet | deeper plain nets train *worse* | F(x) + x |
# | 2016 | DenseNet | later layers learn again what earlier ones knew | every layer reads all maps before it |
# | 2017-2019 | MobileNet, EfficientNet | phones; what to enlarge first | chapter 08 |
# | 2020-2022 | ViT, ConvNeXt | reach from the first layer on; the recipe | chapter 10 |
#
# *Before you play:* guess which of VGG-16's stages holds most of its parameters, and which takes most of
# its multiply-adds. Then choose it on the timeline, and ResNet-50 after it: where did the head go?

# %%
Lineage(model="lenet5", stage=0, block=0)

# %% jupyter={"source_hidden": true}
# The claims of the text above.
vgg = Lineage(model="vgg16", stage=5)
assert vgg.facts["name"] == "head" and vgg.facts["params"] == 123_642_856
head_of_resnet = Lineage(model="resnet50", stage=5).facts
assert head_of_resnet["params"] == 2_049_000
work = {stage["name"]: stage["macs"] for stage in vgg.network["stages"]}
assert work["head"] < 0.01 * sum(work.values())
assert max(work.values()) == work["stage 3"] == work["stage 4"] == 4_624_220_160

# %% [markdown]
# Of VGG's 138 million, 123.6 million sit in the head, behind the flatten. Its convolutions do nearly
# all the work, stages 3 and 4 most of it: 4.6 billion multiply-adds each. ResNet-50 averages each
# channel and has one linear layer: 2 million.
#
# ### Exercise: `parameter_table` (3 points)
#
# That is worth knowing of any model. Return a list of pairs `(name, count)`, one for each module that
# holds parameters *of its own*, in the order of `model.named_modules()`:
#
# - `name` is its name there, the whole path, such as `layer1.0.conv1`, or `""` for the model itself;
# - `count` is how many numbers its own parameters hold, weights and biases together, an `int`. Frozen
#   ones count. BatchNorm's running values are no parameters.
# - Modules without parameters of their own get no row. A block whose layers hold all of them gets none;
#   a block that holds one *beside* its layers gets a row for that one.
#
# For `nn.Sequential(nn.Linear(3, 2))` that is `[("0", 8)]`. For `nets.create("lenet5")` it has five
# rows, 156, 2,416, 48,120, 10,164 and 850.


# %% nbgrader={"grade": false, "grade_id": "parameter_table", "locked": false, "schema_version": 3, "solution": true, "task": false}
def parameter_table(model):
    """The modules that hold parameters of their own: a list of (name, count)."""
    ### BEGIN SOLUTION
    table = []
    for name, module in model.named_modules():
        count = sum(p.numel() for p in module.parameters(recurse=False))
        if count > 0:
            table.append((name, count))
    return table
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_parameter_table", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check(parameter_table)
### BEGIN HIDDEN TESTS
check(parameter_table, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 2 · What do they share?
#
# Draw every stage as a slab: as high as its grid, as wide as it has channels.

# %%
described(
    plots.stage_shapes(
        {
            known["label"]: [tuple(s["shape"][:2]) for s in known["stages"] if len(s["shape"]) == 3]
            for known in (Lineage(model=name).network for name in NINE)
            if known["name"]
            in ("alexnet", "vgg16", "googlenet", "resnet50", "densenet121", "convnext_tiny")
        },
        title="The grid halves, the channels grow",
    ),
    "Six networks, each a row of slabs from left to right. In all of them the slabs become lower "
    "and wider: grids shrink from 224, 112 or 56 pixels to 14 or 7, channels grow from 64 to 512 "
    "or 2048.",
)

# %% [markdown]
# Different decades, one shape. A **stem** makes the image small at once (ResNet: a stride of 2 and a
# pooling; AlexNet: a stride of 4). Then come **stages**: inside a stage the grid stays; between stages
# it halves, and the channels about double. At the end one number is kept for each channel (**global
# average pooling**, chapter 04; AlexNet and VGG still flatten) and a **linear head** turns them into
# logits.
#
# Why this trade? Halving a grid divides the positions by four; doubling the channels multiplies the
# weights of a 3×3 layer by four. *Before you run the cell: so what does a layer of the next stage cost,
# in multiply-adds and in parameters?*

# %%
for channels, side in ((64, 56), (128, 28), (256, 14), (512, 7)):
    work = cost.conv_cost(channels, channels, 3, side, side, padding=1, bias=False)
    print(
        f"{channels:3} channels at {side:2}×{side:2}: {work['macs']:,} MACs, {work['params']:9,} weights"
    )

# %% [markdown]
# The same work, four times the weights. Fine grids are for finding where things are, wide channels for
# saying what they are, and every stage costs alike.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
layers = [
    cost.conv_cost(c, c, 3, s, s, padding=1, bias=False)
    for c, s in ((64, 56), (128, 28), (256, 14), (512, 7))
]
assert len({layer["macs"] for layer in layers}) == 1
weights = [layer["params"] for layer in layers]
assert weights == [weights[0] * 4**stage for stage in range(4)]

# %% [markdown]
# ### Why ReLU?
#
# LeNet bent its sums with a tanh, and many nets of its time with a sigmoid, $1/(1+e^{-z})$. AlexNet cut
# them off at zero. The backward pass multiplies by the slope of that function once a layer. The
# sigmoid's slope is at most 1/4. ReLU's is 1 wherever it lets anything through.
#
# *Before you run the cell:* eight convolutions, then the head. By what does the gradient shrink from
# the eighth convolution to the first, with sigmoids?


# %%
def eight_layers(activation, seed):
    torch.manual_seed(seed)
    layers, channels = [], 1
    for _ in range(8):
        conv = nn.Conv2d(channels, 8, 3, padding=1)
        if activation is nn.ReLU:
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        else:
            gain = nn.init.calculate_gain(activation.__name__.lower())
            nn.init.xavier_normal_(conv.weight, gain)
        nn.init.zeros_(conv.bias)
        layers += [conv, activation()]
        channels = 8
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))


images, labels = degradation.training_images()  # digits, 8×8, mean 0 and deviation 1
shares = {}
for activation in (nn.Sigmoid, nn.Tanh, nn.ReLU):
    name = activation.__name__
    shares[name] = []
    for seed in range(5):
        net = eight_layers(activation, seed)
        loss = nn.functional.cross_entropy(net(images[:256]), labels[:256])
        norms = norms_by_layer(net, loss)
        shares[name].append(norms[0] / norms[7])
    print(f"{name:8} first / eighth layer:", " ".join(f"{share:.1e}" for share in shares[name]))

# %% [markdown]
# By more than ten thousand: with sigmoids the first layer hardly hears of the loss, and a learning rate
# that suits the last layer leaves it where it is. ReLU keeps about a third. So does tanh at the start,
# if its weights are drawn with care; it fades as soon as its inputs grow, where its slope goes to 0. In
# AlexNet's paper a small net reaches the same training error six times sooner with ReLU than with tanh.
# And it costs one comparison.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert max(shares["Sigmoid"]) < 1e-4
assert 0.2 < np.median(shares["ReLU"]) < 0.5
assert min(shares["Tanh"]) > 0.3

# %% [markdown]
# ## 3 · Why nothing but 3×3?
#
# AlexNet begins with 11×11 and goes on with 5×5. VGG asks what happens if every kernel is 3×3, the
# smallest that knows left from right. You counted the answer in chapter 05: two see what one 5×5 sees,
# for 18 in place of 25 C² weights, with a ReLU more. What remains to choose is a number of layers, and
# a net becomes a short list: 2, 2, 3, 3, 3 convolutions for VGG-16, with a pooling after each group.
#
# ### Exercise: `vgg_block` (4 points)
#
# Write one group. `vgg_block(n_convs, c_in, c_out)` returns a module: `n_convs` convolutions of 3×3
# with padding 1 and bias, each followed by a ReLU; the first goes from `c_in` to `c_out` channels, the
# others keep `c_out`; then one 2×2 max pooling with stride 2 (an odd row or column at the end is
# dropped). No BatchNorm: it came a year later. Names and initial weights are free: the check fills in
# weights of its own. Do without `nets.vgg.vgg_block`.
#
# For example, `vgg_block(2, 3, 8)` turns `(1, 3, 6, 8)` into `(1, 8, 3, 4)`, and `vgg_block(2, 64,
# 128)` has 221,440 parameters.


# %% nbgrader={"grade": false, "grade_id": "vgg_block", "locked": false, "schema_version": 3, "solution": true, "task": false}
def vgg_block(n_convs, c_in, c_out):
    """n_convs times 3×3 convolution and ReLU, then 2×2 max pooling: an nn.Module."""
    ### BEGIN SOLUTION
    layers = []
    for place in range(n_convs):
        channels = c_in if place == 0 else c_out
        layers += [nn.Conv2d(channels, c_out, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.MaxPool2d(2))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_vgg_block", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
check(vgg_block)
### BEGIN HIDDEN TESTS
check(vgg_block, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# Now VGG-16 is five lines, and a head. This cell uses your block where it has the right parameters, and
# the course's where it has not yet.

# %%
try:
    block = vgg_block if numbers_in(vgg_block(2, 64, 128)) == 221_440 else nets.vgg.vgg_block
except Exception:
    block = nets.vgg.vgg_block
print("This cell uses", "your" if block is vgg_block else "the course’s", "vgg_block.")

with torch.device("meta"):
    plan = ((2, 3, 64), (2, 64, 128), (3, 128, 256), (3, 256, 512), (3, 512, 512))
    features = nn.Sequential(*(block(*row) for row in plan))
    head = nn.Sequential(nn.Linear(512 * 7 * 7, 4096), nn.Linear(4096, 4096), nn.Linear(4096, 1000))
print(f"convolutions {numbers_in(features):,} + head {numbers_in(head):,}", end=" ")
print(f"= {numbers_in(features) + numbers_in(head):,}; published: {facts['vgg16'].params:,}")

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert numbers_in(features) + numbers_in(head) == facts["vgg16"].params == 138_357_544
assert numbers_in(head) == 123_642_856

# %% [markdown]
# ## 4 · Which kernel size is right?
#
# A nose is small in one photograph and large in the next. GoogLeNet does not choose: it runs 1×1, 3×3,
# 5×5 and a pooling on the same input and puts their maps side by side. The next layer takes what it can
# use.
#
# The price is the 5×5. Take GoogLeNet's first module: 192 channels come in, at 28×28, and 32 maps of
# 5×5 are to go out. *Before you run the cell: a 1×1 convolution first makes 16 of the 192 channels. By
# what does that divide the work?*

# %%
direct = cost.conv_cost(192, 32, 5, 28, 28, padding=2)["macs"]
reduced = (
    cost.conv_cost(192, 16, 1, 28, 28)["macs"]
    + cost.conv_cost(16, 32, 5, 28, 28, padding=2)["macs"]
)
print(f"5×5 on 192 channels: {direct:,} MACs")
print(f"1×1 to 16, then 5×5: {reduced:,} MACs, {direct / reduced:.1f} times fewer")

# %% [markdown]
# Nearly ten. The narrow place in front of an expensive layer is called a **bottleneck**; you will meet
# it twice more. It may throw away what the 5×5 would have needed, and training decides what that is.
#
# (You may read of branches of "1×1, 3×3 and 5×3". The third is 5×5. And the GoogLeNet whose weights are
# published, ours too, has a 3×3 there by mistake.)

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert 9 < direct / reduced < 10
assert "3×3 where the paper has 5×5" in facts["googlenet"].differs

# %% [markdown]
# ### Exercise: `InceptionModule` (6 points)
#
# Write the module of the paper, a class that derives from `nn.Module`. On an input `(N, c_in, H, W)`
# four branches work side by side:
#
# 1. 1×1 to `c1` channels;
# 2. 1×1 to `c3_reduce`, then 3×3 to `c3`;
# 3. 1×1 to `c5_reduce`, then a true 5×5 to `c5`;
# 4. 3×3 max pooling at stride 1, then 1×1 to `pool_proj`.
#
# Every convolution has a bias and is followed by a ReLU; no BatchNorm. All keep the size. Return the
# branches' maps concatenated along the channels, in this order: `(N, c1 + c3 + c5 + pool_proj, H, W)`.
# Do without `nets.googlenet.Inception`.
#
# `InceptionModule(192, 64, 96, 128, 16, 32, 32)`, GoogLeNet's first, has 163,696 parameters and returns
# 256 channels.


# %% nbgrader={"grade": false, "grade_id": "InceptionModule", "locked": false, "schema_version": 3, "solution": true, "task": false}
class InceptionModule(nn.Module):
    """1×1, 3×3, 5×5 and pooling side by side: (N, c_in, H, W) → (N, c1 + c3 + c5 + pool_proj, H, W)."""

    def __init__(self, c_in, c1, c3_reduce, c3, c5_reduce, c5, pool_proj):
        super().__init__()
        ### BEGIN SOLUTION
        self.one = nn.Conv2d(c_in, c1, 1)
        self.three = nn.Sequential(
            nn.Conv2d(c_in, c3_reduce, 1), nn.ReLU(), nn.Conv2d(c3_reduce, c3, 3, padding=1)
        )
        self.five = nn.Sequential(
            nn.Conv2d(c_in, c5_reduce, 1), nn.ReLU(), nn.Conv2d(c5_reduce, c5, 5, padding=2)
        )
        self.pooled = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1), nn.Conv2d(c_in, pool_proj, 1)
        )
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        maps = torch.cat([self.one(x), self.three(x), self.five(x), self.pooled(x)], dim=1)
        return torch.relu(maps)
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_InceptionModule", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
check(InceptionModule)
### BEGIN HIDDEN TESTS
check(InceptionModule, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 5 · Is deeper better?
#
# VGG stopped at 19 layers, GoogLeNet at 22. Why not 56? Take a network A and put further layers behind
# it. If these leave everything as it is, the deeper network does exactly what A does. So the best
# deeper network cannot have a higher training error than the best shallow one. That is a proof, if the
# best one is found.
#
# Let us train some. `resnet_cifar` builds the networks of He, Zhang, Ren and Sun (2015) for small
# images: 3×3 convolutions with BatchNorm in three stages, 6n + 2 layers, no shortcut where
# `skip=False`. Ours have 8 channels in the first stage and learn the 1,347 training digits of chapter
# 01, 8×8 pixels. Two seeds, 100 steps; it takes a quarter of a minute. *Before you run the cell: which
# loss will be lower after 100 steps, that of 8 or that of 32 layers?*

# %%
live, trained = {}, {}  # by depth and skip, one for each seed: the loss at the end, the network
for skip, depth in ((False, 8), (False, 32), (True, 8), (True, 32)):
    setting = degradation.Setting(depth, skip, norm=True, steps=100)
    trained[depth, skip] = [degradation.build(setting, seed) for seed in (0, 1)]
    live[depth, skip] = [
        degradation.train(setting, seed, net).loss for seed, net in enumerate(trained[depth, skip])
    ]
    if skip:
        print(f"with shortcuts, {depth:2} layers: trained, for later")
    else:
        losses = " ".join(f"{loss:.3f}" for loss in live[depth, skip])
        print(f"plain, {depth:2} layers: training loss {losses}")

# %% [markdown]
# The deep one is worse by far, on its own training images. So this is not overfitting: a net that
# overfits is good at what it was trained on. The paper calls it the **degradation problem**.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
for seed in (0, 1):
    assert live[32, False][seed] > 2 * live[8, False][seed]
    assert live[32, True][seed] < live[32, False][seed] / 2

# %% [markdown]
# Two seeds and 100 steps are little. The course ran the whole experiment: depths 8, 20, 32 and 56, 300
# steps, five seeds each (`python -m course_lib.experiments.degradation`, about a quarter of an hour).
# *Before you run the cell: draw the line of the plain nets in your head. And that of the residual ones,
# which you have not seen yet?*

# %%
results = degradation.load()


def runs(depth, skip, norm=True, **more):
    """The five runs of one setting."""
    wanted = degradation.Setting(depth, skip, norm, **more)
    return [result for result in results if result.setting == wanted]


def final_losses(skip, norm=True, **more):
    return {d: [run.loss for run in runs(d, skip, norm, **more)] for d in degradation.DEPTHS}


plain, residual = final_losses(skip=False), final_losses(skip=True)

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.loss_by_depth(
        {"with BatchNorm, after 300 steps": {"plain": plain, "residual": residual}},
        title="Depth hurts the plain net and helps the residual one",
        guess=float(np.log(10)),
    ),
    "Training loss at the end against depth, both axes logarithmic, five dots for each depth. The"
    " plain nets rise from 0.01 at 8 layers to about 1.5 at 56; the residual ones fall from 0.01 "
    "to below 0.001. The dots of the two never mix from 20 layers on.",
)

# %% [markdown]
# For each of the five seeds, every step in depth makes the plain net worse, from 0.01 to above 1, where
# guessing gives 2.3. The residual nets, which have *exactly the same weights* and differ by one
# addition a block, get better with every step.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
for seed in degradation.SEEDS:
    by_depth = [plain[depth][seed] for depth in degradation.DEPTHS]
    assert by_depth == sorted(by_depth) and by_depth[0] < 0.02 and by_depth[-1] > 1
    assert all(residual[depth][seed] < plain[depth][seed] / 5 for depth in degradation.DEPTHS[1:])
    assert residual[56][seed] < residual[8][seed] / 5
assert np.all(np.diff([np.median(residual[depth]) for depth in degradation.DEPTHS]) < 0)
assert all(
    numbers_in(resnet_cifar(d, skip=True)) == numbers_in(resnet_cifar(d, skip=False))
    for d in (8, 32)
)

# %% [markdown]
# Before you believe an experiment, look for easy excuses. Was the learning rate wrong for 56 layers?
# Were 300 steps not enough? And what about digits that were held back?

# %%
for words, more in (
    ("rate 0.02, 300 steps", {}),
    ("rate 0.005", {"rate": 0.005}),
    ("rate 0.1", {"rate": 0.1}),
    ("900 steps", {"steps": 900}),
):
    losses = " ".join(f"{run.loss:.2f}" for run in runs(56, False, **more))
    print(f"plain, 56 layers, {words:20}: {losses}")
print()
for skip in (False, True):
    for depth in (8, 56):
        held_back = " ".join(f"{run.accuracy:.0%}" for run in runs(depth, skip))
        print(
            f"{'residual' if skip else 'plain':8} {depth:2} layers, digits held back: {held_back}"
        )

# %% [markdown]
# None of the three rates, nor three times the steps, brings any of the 56-layer nets near the 0.01 of 8
# layers. Of course the comparison is for a fixed effort: whether a plain net would arrive after a
# hundred times as many steps, this experiment does not say. The paper suspects exponentially slow
# convergence.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
for more in ({}, {"rate": 0.005}, {"rate": 0.1}, {"steps": 900}):
    assert len(runs(56, False, **more)) == 5
    assert min(run.loss for run in runs(56, False, **more)) > 0.5
assert min(run.accuracy for run in runs(56, True)) > 0.9
assert max(run.accuracy for run in runs(56, False)) < 0.7
assert min(run.accuracy for run in runs(8, False)) > 0.9

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.loss_curves(
        {
            name: {f"{d} layers": [run.losses for run in runs(d, skip)] for d in degradation.DEPTHS}
            for name, skip in (("plain", False), ("residual", True))
        },
        every=degradation.EVERY,
        title="The deeper, the slower, unless each block adds its input",
    ),
    "Training loss by step, logarithmic, bands over five seeds. Plain: the curve of 8 layers "
    "falls fastest, 56 layers hardly fall. Residual: four curves lie together and all fall below "
    "0.02.",
)

# %% [markdown]
# ## 6 · Did the gradients vanish?
#
# Many texts explain it so: each layer multiplies the gradient by something below 1, after fifty layers
# nothing is left, the first layers do not learn. You can measure that. You need the size of the
# gradient at each layer.
#
# ### Exercise: `gradient_norms` (3 points)
#
# `model` is an `nn.Module`; `loss` a scalar tensor that was computed with it. Return a list of floats:
# for every `nn.Conv2d` and `nn.Linear` in the model, in the order of `model.modules()`, the L2 norm
# (the root of the sum of squares) of the gradient of `loss` with respect to its `weight`. Biases and
# BatchNorm are left out.
#
# - The gradient of *this* loss: what an earlier `backward()` left in `weight.grad` must not be added to
#   it.
# - A weight that is frozen or takes no part in the loss counts 0.0.
#
# A model of one `nn.Linear(2, 1)` and the loss `model(torch.tensor([[3.0, 4.0]])).sum()` give `[5.0]`.
# Do without `norms_by_layer`.


# %% nbgrader={"grade": false, "grade_id": "gradient_norms", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gradient_norms(model, loss):
    """The L2 norm of each convolution's and linear layer's weight gradient, in module order: a list."""
    ### BEGIN SOLUTION
    model.zero_grad()
    loss.backward()
    norms = []
    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            grad = layer.weight.grad
            norms.append(0.0 if grad is None else float(grad.norm()))
    return norms
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_gradient_norms", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
check(gradient_norms)
### BEGIN HIDDEN TESTS
check(gradient_norms, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# *Before you run the cell:* four kinds of networks with 56 layers before their first step, plain or
# residual, with BatchNorm or without. In which of them has the gradient vanished at layer 1?

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.gradient_profiles(
        {
            words: {
                name: [run.norms_before for run in runs(56, skip, norm)]
                for name, skip in (("plain", False), ("residual", True))
            }
            for words, norm in (("without BatchNorm", False), ("with BatchNorm", True))
        },
        title="56 layers before the first step: gradients vanish in one of four",
    ),
    "Gradient norm by layer, logarithmic, bands over five seeds. Without BatchNorm the plain net "
    "stays near one millionth at every layer and the residual one between a hundred and some "
    "thousand. With BatchNorm the residual net lies near 1, and the plain one rises from 0.3 at "
    "the last layer to about a hundred at the first.",
)

# %%
for norm in (False, True):
    for skip in (False, True):
        first = np.array([run.norms_before[0] for run in runs(56, skip, norm)])
        print(
            f"{'residual' if skip else 'plain':8} {'with' if norm else 'without':7} BatchNorm: "
            f"the first layer's gradient {first.min():.0e} to {first.max():.0e}"
        )

# %% [markdown]
# In one: plain and without BatchNorm, all gradients are around a millionth, at every layer. A weight's
# gradient is the signal that reaches it from the image times the error that reaches it from the loss,
# and both fade from block to block: the first on its way forward, the second on its way back. There the
# explanation is right.
#
# **With BatchNorm they do not vanish.** In the plain net the gradient even grows on its way back, to
# around a hundred at the first layer, and that net degrades all the same, as you saw above. The paper
# says it too: its plain nets had BatchNorm, their gradients were healthy, and the authors thought
# vanishing gradients an unlikely reason. What the experiment shows is that optimisation fails.
# Vanishing is one way to fail, not the only one.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
first = {
    (skip, norm): [run.norms_before[0] for run in runs(56, skip, norm)]
    for skip in (False, True)
    for norm in (False, True)
}
assert max(first[False, False]) < 1e-4
assert min(first[False, True]) > 5 > min(first[True, True]) > 0.1
for run in runs(56, False, True):
    assert min(run.norms_before) > 0.01 and run.norms_before[0] > 10 * run.norms_before[-1]
assert min(first[True, False]) > 50

net = degradation.build(degradation.Setting(56, skip=False, norm=False), 0)
maps = []
for part in net.modules():
    if isinstance(part, CifarBlock):
        part.register_forward_hook(lambda block, inputs, output: maps.append(output))
loss = nn.functional.cross_entropy(net(images[:256]), labels[:256])
errors = torch.autograd.grad(loss, maps)
assert maps[-1].norm() < maps[0].norm() / 1000 and errors[0].norm() < errors[-1].norm() / 1000

# %% [markdown]
# And after training? *Before you run the cell: the plain net with BatchNorm is stuck at a loss above 1.
# Is its gradient small?*

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.gradient_profiles(
        {
            "with BatchNorm, after 300 steps": {
                name: [run.norms_after for run in runs(56, skip, True)]
                for name, skip in (("plain", False), ("residual", True))
            }
        },
        title="The stuck net has the larger gradients",
    ),
    "Gradient norm by layer after training. The plain net lies between a hundredth and one, the "
    "residual net around a thousandth, because it has little left to learn.",
)

# %% jupyter={"source_hidden": true}
# The claims of the text above.
for plain_run, residual_run in zip(runs(56, False), runs(56, True), strict=True):
    assert np.median(plain_run.norms_after) > 5 * np.median(residual_run.norms_after)

# %% [markdown]
# It is the larger of the two: the residual net has nearly nothing left to learn, the plain one is being
# pushed about and gets nowhere.
#
# ## 7 · What if a block has nothing to do?
#
# Back to the proof of section 5. The further layers only had to leave everything as it is. How hard is
# that for two convolutions with ReLUs? They would have to learn the identity, weight by weight. Now
# hand the input around them and add it:
#
# $$y = F(x) + x$$
#
# $F$ is what the two layers compute, called the **residual**: what is to be added to $x$. To do
# nothing, $F = 0$ is enough, and weights of 0 do that.

# %%
doing_nothing = OurBasicBlock(16, 16).eval()
for parameter in doing_nothing.parameters():
    nn.init.zeros_(parameter)
x = torch.relu(torch.randn(2, 16, 8, 8))  # what a ReLU before it hands on
print("all weights 0, residual: returns its input:", torch.equal(doing_nothing(x), x))

plain_block = CifarBlock(16, 16, skip=False).eval()
for parameter in plain_block.parameters():
    nn.init.zeros_(parameter)
print("all weights 0, plain:    returns nothing: ", not plain_block(x).any().item())
assert torch.equal(doing_nothing(x), x) and not plain_block(x).any()

# %% [markdown]
# That is no detail of theory. Here are nets without BatchNorm again, all with their weights drawn by
# the same rule. *Before you run the cell: gradients of residual nets without BatchNorm were in the
# hundreds at 56 layers. What will training do?*

# %% jupyter={"source_hidden": true}
# The figure.
without = {
    "plain": final_losses(False, norm=False),
    "residual": final_losses(True, norm=False),
    "residual, F = 0 at first": final_losses(True, norm=False, zero_last=True),
}
described(
    plots.loss_by_depth(
        {"without BatchNorm, after 300 steps": without},
        title="Without BatchNorm the shortcut alone is not enough",
        guess=float(np.log(10)),
    ),
    "Training loss against depth without BatchNorm. Plain nets learn at 8 layers and guess from "
    "32 on. Residual nets learn at 8 and 20 layers, guess at 32, and all five diverge at 56. "
    "Residual nets whose blocks start as F = 0 learn at every depth.",
)

# %% [markdown]
# The shortcut alone is *not* the cure. Every block adds as much as it gets, so signal and gradient grow
# from block to block: at 32 layers the residual nets learn nothing, at 56 their loss becomes infinite,
# for every seed. Let each block start at $F = 0$ (the last convolution of each block filled with zeros,
# nothing else changed) and 56 layers learn without any BatchNorm. BatchNorm, in the nets of section 5,
# keeps each $F$ small in its own way. What counts is to start near "do nothing", and only a residual
# block has that within reach.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
chance = float(np.log(10))
for seed in degradation.SEEDS:
    assert without["plain"][8][seed] < 0.2 and without["plain"][56][seed] > 0.95 * chance
    assert without["residual"][20][seed] < 0.5 and without["residual"][32][seed] > 0.8 * chance
    assert np.isinf(without["residual"][56][seed])
    assert all(without["residual, F = 0 at first"][d][seed] < 0.3 for d in degradation.DEPTHS)

# %% [markdown]
# ### Where the shapes change
#
# $F(x) + x$ needs both to have one shape. Between stages the grid halves and the channels double. Two
# ways are in use:
#
# - **Option A**: take every second pixel of $x$ and fill up with channels of zeros. No parameters.
#   `resnet_cifar` does that.
# - **Option B**: a **projection**, a 1×1 convolution with stride 2 and its BatchNorm. `resnet50` does
#   that.
#
# In the paper, option B makes ResNet-34's top-1 error 24.5 % in place of 25.0 %: a little better, and
# not what matters.
#
# ### Exercise: `BasicBlock` (5 points)
#
# Write the block of ResNet-18 and ResNet-34, a class that derives from `nn.Module`:
#
# - $F$: 3×3 convolution to `c_out` with the `stride`, BatchNorm, ReLU, 3×3 convolution, BatchNorm. Both
#   convolutions have padding 1 and no bias.
# - The shortcut: $x$ itself; where `stride != 1` or `c_in != c_out`, and only there, a 1×1 convolution
#   without bias and with the stride, followed by BatchNorm (option B).
# - Return relu(F(x) + shortcut(x)).
#
# `nn.BatchNorm2d` with its defaults. The check looks at the block in `eval()` and in `train()`. Do
# without the blocks of `nets` and torchvision.
#
# `BasicBlock(64, 64)` has 73,984 parameters, `BasicBlock(64, 128, 2)` has 230,144.


# %% nbgrader={"grade": false, "grade_id": "BasicBlock", "locked": false, "schema_version": 3, "solution": true, "task": false}
class BasicBlock(nn.Module):
    """relu(F(x) + x) with two 3×3 convolutions: (N, c_in, H, W) → (N, c_out, H / stride, W / stride)."""

    def __init__(self, c_in, c_out, stride=1):
        super().__init__()
        ### BEGIN SOLUTION
        self.residual = nn.Sequential(
            nn.Conv2d(c_in, c_out, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(c_out),
            nn.ReLU(),
            nn.Conv2d(c_out, c_out, 3, padding=1, bias=False),
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


# %% nbgrader={"grade": true, "grade_id": "test_BasicBlock", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check(BasicBlock)
### BEGIN HIDDEN TESTS
check(BasicBlock, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 8 · Is the gradient at least 1?
#
# Leave the last ReLU aside and write numbers for maps. Then
#
# $$\frac{\partial y}{\partial x} = \frac{\partial F}{\partial x} + 1.$$
#
# You may read that this is at least 1, so that gradients cannot vanish. *Before you run the cell: what
# is it for F(x) = −0.7 x?*

# %%
x = torch.tensor(2.0, requires_grad=True)
y = -0.7 * x + x
y.backward()
print(f"∂y/∂x = {x.grad:.1f}")

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert abs(float(x.grad) - 0.3) < 1e-6

# %% [markdown]
# 0.3. Nothing keeps $\partial F/\partial x$ positive. Is that only a trick with a number? Take the
# residual nets of 32 layers that you trained in section 5. In a block, every number $x_i$ of a map has
# its own $\partial y_i/\partial x_i = \partial F_i/\partial x_i + 1$. *Before you run the cell: which
# share of them lies below 1?*


# %%
def own_derivatives(block, x):
    """∂y_i/∂x_i of every number of a map, in a block whose shortcut is the identity."""
    jacobian = torch.func.jacrev(lambda flat: block.residual(flat.view(x.shape)).flatten())(
        x.flatten()
    )
    return (jacobian.diagonal() + 1).detach().numpy()


def by_block(net, image):
    """They, for each such block of a network; the block's last ReLU is left aside."""
    net.eval()
    found, x = [], net.relu(net.bn1(net.conv1(image))).detach()
    for block in (*net.layer1, *net.layer2, *net.layer3):
        if block.stride == 1:
            found.append(own_derivatives(block, x))
        x = block(x).detach()
    return found


derivatives = [by_block(net, images[:1]) for net in trained[32, True]]
for seed, found in enumerate(derivatives):
    below = [np.mean(block < 1) for block in found]
    low, high = np.percentile(np.concatenate(found), [5, 95])
    print(
        f"seed {seed}: below 1 in the blocks: {min(below):.0%} to {max(below):.0%}, "
        f"in all {np.mean(np.concatenate(found) < 1):.0%}; nine of ten lie from {low:.2f} to {high:.2f}"
    )

# %% [markdown]
# About half of them. $F$ adds as often as it takes away. "At least 1" is wrong; *near* 1 is right,
# because $F$ is small.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
for found in derivatives:
    together = np.concatenate(found)
    assert 0.35 < np.mean(together < 1) < 0.65
    low, high = np.percentile(together, [5, 95])
    assert 0.6 < low < 1 < high < 1.5

# %% [markdown]
# And a whole gradient, made of hundreds of such numbers? Divide its size before a block by its size
# behind it, the block's ReLU included. *Before you run the cell: five residual and five plain nets with
# 32 layers and BatchNorm, before their first step. By how much will the gradient grow or shrink in 15
# blocks?*


# %%
def gains(skip, seed):
    net = degradation.build(degradation.Setting(32, skip, norm=True), seed)
    blocks = [part for part in net.modules() if isinstance(part, CifarBlock)]
    return block_gains(blocks, lambda: nn.functional.cross_entropy(net(images[:256]), labels[:256]))


gained = {
    name: np.array([gains(skip, seed) for seed in range(5)])  # (seeds, blocks)
    for name, skip in (("plain", False), ("residual", True))
}
for name, values in gained.items():
    print(
        f"{name:8} block by block {values.min():.2f} to {values.max():.2f}, "
        f"through all 15 from {values.prod(axis=1).min():.0f} to {values.prod(axis=1).max():.0f}"
    )

# %% jupyter={"source_hidden": true}
# The figure.
described(
    plots.block_gains(gained, title="A residual block changes the size of a gradient less"),
    "For each of 15 blocks the gradient before it divided by that behind it, five dots for plain "
    "and five for residual nets. Residual blocks fall from about 2 at the first to a little above"
    " 1 at the last, but for blocks 6 and 11, which lie at 0.9; plain blocks lie between 1.1 and "
    "1.7 throughout.",
)

# %% [markdown]
# The whole grows a little in nearly every block. What the $+1$ hands through and what $F$ contributes
# are at right angles, nearly, and the sum of two such arrows is longer than either, although half of
# its numbers became smaller. In blocks 6 and 11 it shrinks: there the grid halves, and the shortcut of
# option A drops three pixels of four.
#
# Fifteen residual blocks in a row multiply the gradient by about ten, fifteen plain ones by around a
# hundred. The shortcut does not push gradients up. It keeps a long product in reach of 1, from *both*
# sides.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
halving = [5, 10]
assert (gained["residual"][:, halving] < 1).all()
assert (np.delete(gained["residual"], halving, axis=1) > 0.97).all()
assert (gained["residual"].prod(axis=1) < 0.5 * gained["plain"].prod(axis=1)).all()
assert 5 < np.median(gained["residual"].prod(axis=1)) < 20
assert 50 < np.median(gained["plain"].prod(axis=1)) < 200

# The angle, in blocks whose shortcut is the identity: what comes back through F and what came.
net = degradation.build(degradation.Setting(32, skip=True, norm=True), 0)
kept = []
for part in net.modules():
    if isinstance(part, CifarBlock):
        part.register_forward_hook(
            lambda block, inputs, output: kept.append((block, *inputs, output))
        )
loss = nn.functional.cross_entropy(net(images[:256]), labels[:256])
arriving = torch.autograd.grad(loss, [output for *_, output in kept])
for (block, x, output), error in zip(kept, arriving, strict=True):
    if block.stride == 1:
        handed = error * (output > 0)  # through the last ReLU
        x = x.detach().requires_grad_()
        (through,) = torch.autograd.grad(block.residual(x), x, handed)
        assert abs((handed * through).sum()) < 0.15 * handed.norm() * through.norm()

# %% [markdown]
# ## 9 · How do you get to 152 layers?
#
# A `BasicBlock` at 256 channels has two 3×3 convolutions, 1.2 million weights. Fifty of those would be
# a net for another machine. GoogLeNet's trick helps again: make the maps narrow in front of the
# expensive layer, and wide again behind it.
#
# *Before you run the cell: 256 channels come in and go out, the 3×3 in the middle works on 64. By what
# does that divide the weights?*

# %%
basic, narrow = numbers_in(OurBasicBlock(256, 256)), numbers_in(OurBottleneck(256, 64, 256))
print(f"two 3×3 at 256 channels: {basic:,}")
print(
    f"1×1 to 64, 3×3, 1×1 to 256: {narrow:,}, {basic / narrow:.1f} times fewer, with a layer more"
)

# %% [markdown]
# By seventeen. The maps between the blocks stay 256 channels wide, and so does the way of the shortcut;
# only inside a block it becomes narrow.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert 16 < basic / narrow < 17.5
assert round(basic / 1e6, 1) == 1.2

# %% [markdown]
# ### Exercise: `Bottleneck` (5 points)
#
# Write the block of ResNet-50 and deeper ones, a class that derives from `nn.Module`:
#
# - $F$: 1×1 convolution to `c_mid`, BatchNorm, ReLU; 3×3 convolution on `c_mid` channels with the
#   `stride` and padding 1, BatchNorm, ReLU; 1×1 convolution to `c_out`, BatchNorm. No convolution has a
#   bias.
# - The shortcut and the last ReLU as in `BasicBlock`.
#
# The stride is in the 3×3, as in torchvision. (The paper's first 1×1 takes it, and never looks at three
# quarters of its input.) Do without the blocks of `nets` and torchvision.
#
# `Bottleneck(256, 64, 256)` has 70,400 parameters, `Bottleneck(256, 128, 512, 2)` has 379,392.


# %% nbgrader={"grade": false, "grade_id": "Bottleneck", "locked": false, "schema_version": 3, "solution": true, "task": false}
class Bottleneck(nn.Module):
    """1×1 to c_mid, 3×3, 1×1 to c_out, and a shortcut: (N, c_in, H, W) → (N, c_out, H/s, W/s)."""

    def __init__(self, c_in, c_mid, c_out, stride=1):
        super().__init__()
        ### BEGIN SOLUTION
        self.residual = nn.Sequential(
            nn.Conv2d(c_in, c_mid, 1, bias=False),
            nn.BatchNorm2d(c_mid),
            nn.ReLU(),
            nn.Conv2d(c_mid, c_mid, 3, stride, padding=1, bias=False),
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


# %% nbgrader={"grade": true, "grade_id": "test_Bottleneck", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check(Bottleneck)
### BEGIN HIDDEN TESTS
check(Bottleneck, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# A ResNet is now a list of four numbers, as VGG was one of five. *Before you run the cell: ResNet-152
# has 3, 8, 36 and 3 bottlenecks. Where does its name come from?* (The cell builds the nets from your
# `Bottleneck` where its parameters are right, else from the course's.)

# %%
try:
    bottleneck = (
        Bottleneck if numbers_in(Bottleneck(256, 128, 512, 2)) == 379_392 else OurBottleneck
    )
except Exception:
    bottleneck = OurBottleneck
print("This cell uses", "your" if bottleneck is Bottleneck else "the course’s", "Bottleneck.")


def resnet(depths):
    layers = [
        nn.Conv2d(3, 64, 7, 2, 3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]
    c_in = 64
    for stage, depth in enumerate(depths):
        c_mid = 64 * 2**stage
        for place in range(depth):
            stride = 2 if stage > 0 and place == 0 else 1
            layers.append(bottleneck(c_in, c_mid, 4 * c_mid, stride))
            c_in = 4 * c_mid
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c_in, 1000))


built = {}
with torch.device("meta"):
    for name, depths in (
        ("resnet50", (3, 4, 6, 3)),
        ("resnet101", (3, 4, 23, 3)),
        ("resnet152", (3, 8, 36, 3)),
    ):
        built[name] = resnet(depths)
        count, published = numbers_in(built[name]), nets.info(name).params
        print(
            f"{name:9}: 1 + 3·{sum(depths)} + 1 = {3 * sum(depths) + 2:3} layers, {count:,}",
            end=" ",
        )
        print("as published" if count == published else f"where {published:,} are published")

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert 3 * (3 + 8 + 36 + 3) + 2 == 152
assert all(numbers_in(net) == nets.info(name).params for name, net in built.items())
assert nets.info("resnet152").params < nets.info("vgg16").params / 2
assert 0.7 < nets.info("resnet152").gmacs / nets.info("vgg16").gmacs < 0.8

# %% [markdown]
# Eight times as deep as VGG-19, less than half of VGG-16's parameters and three quarters of its
# multiply-adds.
#
# ### Is deeper always better, then?
#
# No. You may read that with shortcuts further layers never hurt. The same paper trained a residual net
# of 1,202 layers on CIFAR-10: its training error went to nearly zero, and on test images it made 7.93 %
# errors, where the one of 110 layers made 6.43 %. The authors suspect overfitting: 19.4 million
# parameters for 50,000 small images. The shortcut cures optimisation, and optimisation only.
#
# Does our small scale show that? *Before you run the cell: residual nets with BatchNorm at 8 and at 56
# layers, on digits held back. Which is better?*

# %%
for depth in degradation.DEPTHS:
    found = [run.accuracy for run in runs(depth, True)]
    print(
        f"residual, {depth:2} layers: held back {np.mean(found):.3f}, from {min(found):.3f} to {max(found):.3f}"
    )

# %% [markdown]
# Neither: the training loss at 56 layers is a tenth of that at 8, and on digits held back the seeds
# differ more than the depths. Eight layers are enough for 8×8 digits. The paper's 1,202 layers are
# beyond a laptop, so that claim stands here on its authors' word.

# %% jupyter={"source_hidden": true}
# The claims of the text above.
accuracies = {d: [run.accuracy for run in runs(d, True)] for d in degradation.DEPTHS}
means = [np.mean(found) for found in accuracies.values()]
assert max(means) - min(means) < max(max(found) - min(found) for found in accuracies.values())
assert min(min(found) for found in accuracies.values()) > 0.9
assert np.median(residual[56]) < np.median(residual[8]) / 8

# %% [markdown]
# ## 10 · Why add, if you can keep everything?
#
# $F(x) + x$ mixes the old with the new: afterwards nobody can tell them apart. DenseNet puts them side
# by side. Each layer reads *all* maps that came before it in its block, adds a few, `growth`, and hands
# everything on. With 64 maps at the start and a growth of 32, a block of 6 layers ends with 64 + 6·32 =
# 256.
#
# *Before you run the cell: a layer that reads 1,000 maps looks expensive. DenseNet-121 has 121 layers.
# More parameters than ResNet-50, or fewer?*

# %%
for name in ("resnet50", "densenet121"):
    known = nets.info(name)
    print(f"{name:12} {known.params:,} parameters, {known.gmacs} GMACs, top-1 {known.top1} %")

# %% [markdown]
# A third of them. Because nothing is lost, a layer need not repeat what an earlier one found, and can
# be narrow: 32 new maps, where ResNet's stages have 256 to 2,048. The price is memory: all those maps
# must be kept, and copied side by side. (And a bottleneck for the third time: 1×1 to four times the
# growth.)

# %% jupyter={"source_hidden": true}
# The claims of the text above.
assert nets.info("densenet121").params < nets.info("resnet50").params / 3
dense_stages = Lineage(model="densenet121").network["stages"]
assert dense_stages[1]["shape"][0] == 256 == 64 + 6 * 32

# %% [markdown]
# ### Exercise: `DenseLayer` (5 points)
#
# Write one layer, a class that derives from `nn.Module`: BatchNorm, ReLU, 1×1 convolution to `4 *
# growth` channels, BatchNorm, ReLU, 3×3 convolution with padding 1 to `growth` channels. No bias.
# (BatchNorm comes *before* each convolution here.) Return the input and the new maps, concatenated
# along the channels, the input first: `(N, c_in, H, W)` → `(N, c_in + growth, H, W)`. Do without
# `nets.densenet.DenseLayer`.
#
# `DenseLayer(64, 32)`, the first of DenseNet-121, has 45,440 parameters.


# %% nbgrader={"grade": false, "grade_id": "DenseLayer", "locked": false, "schema_version": 3, "solution": true, "task": false}
class DenseLayer(nn.Module):
    """`growth` new maps behind those that came in: (N, c_in, H, W) → (N, c_in + growth, H, W)."""

    def __init__(self, c_in, growth):
        super().__init__()
        ### BEGIN SOLUTION
        self.new_maps = nn.Sequential(
            nn.BatchNorm2d(c_in),
            nn.ReLU(),
            nn.Conv2d(c_in, 4 * growth, 1, bias=False),
            nn.BatchNorm2d(4 * growth),
            nn.ReLU(),
            nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
        )
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        return torch.cat([x, self.new_maps(x)], dim=1)
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_DenseLayer", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
check(DenseLayer)
### BEGIN HIDDEN TESTS
check(DenseLayer, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# ## 11 · Three constraints
#
# Look back over the table of section 1. Every row attacks one of three things:
#
# 1. **Parameters and compute.** Convolution in place of dense layers, 1×1 bottlenecks, global average
#    pooling in place of VGG's head; chapter 08 goes on with this.
# 2. **Depth and gradients.** ReLU, BatchNorm, shortcuts, dense connections: how long a chain can be and
#    still be trained.
# 3. **Reach.** Stacked 3×3, branches of several sizes, early downsampling; dilation (chapters 05 and
#    09) and attention (chapter 10).
#
# When you meet a new architecture, ask which of them it attacks, and what it pays with. *Before you
# play:* take ResNet-50 and set all weights of a block to zero with the box beside it. What arrives at
# its end?

# %%
Lineage(model="resnet50", stage=2, block=1, measure="depth")

# %% [markdown]
# What came in, unchanged: with $F = 0$ nothing is added to it. (In the first block of the stage nothing
# arrives: there the shortcut is a projection and has weights too.)
#
# ## 12 · In production code, and further reading
#
# - `torchvision/models/resnet.py` has `BasicBlock`, `Bottleneck` and `ResNet._make_layer`, one loop for
#   all depths. Its `Bottleneck` strides in the 3×3, the paper's in the first 1×1; a comment there calls
#   it "ResNet V1.5".
# - `zero_init_residual=True` in torchvision's and timm's ResNets fills the scale of each block's last
#   BatchNorm with 0: the $F = 0$ of section 7, as most recipes do today.
# - `torchvision/models/googlenet.py` keeps a 3×3 in the "5×5" branch, with a comment and a link to the
#   bug: the weights were trained so.
# - `timm.create_model("resnet50")` gives the same block with dozens of options;
#   `torch.utils.checkpoint` in `densenet.py` trades time for DenseNet's memory.
#
# **Read on**
#
# - He, Zhang, Ren and Sun, *Deep residual learning for image recognition* (arXiv:1512.03385): sections
#   3 and 4 are this chapter; figure 6 has the 1,202 layers.
# - He, Zhang, Ren and Sun, *Identity mappings in deep residual networks* (arXiv:1603.05027): BatchNorm
#   and ReLU moved before the convolutions, and why the shortcut should stay clean.
# - Krizhevsky, Sutskever and Hinton, *ImageNet classification with deep convolutional neural networks*
#   (NeurIPS 2012): nine pages that changed the field; section 3 for ReLU.
# - Simonyan and Zisserman, *Very deep convolutional networks for large-scale image recognition*
#   (arXiv:1409.1556), and Szegedy and others, *Going deeper with convolutions* (arXiv:1409.4842): the
#   two answers of 2014.
# - Huang, Liu, van der Maaten and Weinberger, *Densely connected convolutional networks*
#   (arXiv:1608.06993).
# - De and Smith, *Batch normalization biases residual blocks towards the identity function in deep
#   networks* (arXiv:2002.10444): how BatchNorm keeps F small, and what can take its place.
# - Balduzzi and others, *The shattered gradients problem* (arXiv:1702.08591): what is wrong with a
#   plain net's gradients, if not their size: they resemble noise.
# - *Dive into deep learning* (d2l.ai), chapter 8, builds all of them in code; Stanford's CS231n has a
#   lecture on them.

# %% [markdown]
# ## 13 · What you can now say
#
# **What did AlexNet bring?** ReLU, dropout, augmentation and training on two GPUs; by its paper, it
# won ImageNet in 2012 with 15.3 % errors in five guesses, the second had 26.2 %. *(Section 1)*
#
# **Why ReLU?** Its slope is 1 where it is open, so that depth does not fade the gradient. With sigmoids
# the first of eight layers gets less than a ten-thousandth of the last one's. *(Section 2)*
#
# **What shape do all of these nets share?** A stem, stages that halve the grid and widen the channels,
# global pooling, a linear head. *(Section 2)*
#
# **Why does VGG use only 3×3?** Two see what a 5×5 sees, with fewer weights and a ReLU more. Its 138
# million parameters sit in the head. *(Sections 1 and 3)*
#
# **What is an Inception module?** Several kernel sizes in parallel, concatenated, each behind a 1×1
# that makes it cheap. *(Section 4)*
#
# **What is the degradation problem?** A deeper plain net has a higher *training* error. So it is not
# overfitting. *(Section 5)*
#
# **Is it vanishing gradients?** Without BatchNorm, yes. With BatchNorm the gradients are large and the
# net still degrades. *(Section 6)*
#
# **What does a residual block change?** It learns what to add to its input. To do nothing, F = 0 is
# enough. *(Section 7)*
#
# **Do shortcuts keep the gradient at least at 1?** No: a derivative is ∂F/∂x + 1, and about half of
# them are below 1. Where F is small they are near 1, and that is what a long product needs. *(Section
# 8)*
#
# **What if the shapes do not match?** Zero-padding (option A, free) or a 1×1 projection (option B, a
# little better). *(Section 7)*
#
# **Where do the 152 layers come from?** Three for each of 3 + 8 + 36 + 3 bottlenecks, a stem and a
# head. *(Section 9)*
#
# **Does depth never hurt a ResNet?** It can: 1,202 layers tested worse than 110. *(Section 9)*
#
# **ResNet or DenseNet?** One adds, the other concatenates: fewer parameters, more memory. *(Section
# 10)*

# %% [markdown]
# ## 14 · Quiz
#
# Eight questions, a point each. Their numbers are drawn from the seed: put another seed into both cells
# and you have a new set to practise on. The blocks of this chapter may help. Write a number, or the
# letter of your choice in quotes.

# %%
questions("07", seed=1)

# %% nbgrader={"grade": false, "grade_id": "quiz_07", "locked": false, "schema_version": 3, "solution": true, "task": false}
answers = {
    "quiz": "07",
    "seed": 1,
    "depth": None,  # question 1
    "projection": None,  # question 2
    "inception": None,  # question 3
    "dense": None,  # question 4
    "bottleneck": None,  # question 5
    "derivative": None,  # question 6
    "degradation": None,  # question 7, a letter
    "lineage": None,  # question 8, a letter
}
if None in answers.values():
    ### BEGIN SOLUTION
    answers.update(
        depth=110,
        projection=2176,
        inception=368,
        dense=556,
        bottleneck=69632,
        derivative=0.064,
        degradation="b",
        lineage="b",
    )
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "test_quiz_07", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
check(answers)
### BEGIN HIDDEN TESTS
check(answers, hidden=True)
### END HIDDEN TESTS

# %% [markdown]
# You can now build networks as deep as you like. Chapter 08 asks what they cost, and how to pay less.
