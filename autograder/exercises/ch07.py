"""The exercises of chapter 07: the blocks of the landmark networks, and what to measure in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from autograder.exercise import (
    Asked,
    Aspect,
    Case,
    FunctionExercise,
    Misconception,
    ModuleExercise,
    Question,
    QuestionExercise,
    choices,
)
from autograder.exercises.parts import Array, below, distinct
from autograder.plain import Made

Convolution = tuple[int, int, int, int]  # (channels in, channels out, kernel, stride)


def _maps(rng: np.random.Generator, channels: int, height: int, width: int, n: int = 2) -> Array:
    """A batch of feature maps (N, C, H, W), of either sign."""
    return rng.standard_normal((n, channels, height, width)).astype(np.float32)


def _theirs(file: str, name: str, *args: Any, **kwargs: Any) -> Any:
    """A block of `course_lib.nets`, imported when it is built."""
    import importlib

    block = getattr(importlib.import_module(f"course_lib.nets.{file}"), name)
    return block(*args, **kwargs)


# ── vgg_block ───────────────────────────────────────────────────────────────────────────────────


def _vgg(
    n_convs: int,
    c_in: int,
    c_out: int,
    *,
    kernel: int = 3,
    padding: bool = True,
    bias: bool = True,
    norm: bool = False,
    relu: str = "each",
    pool: str = "max",
    first_only: bool = False,
) -> Any:
    from torch import nn

    pools: dict[str, Callable[[], Any]] = {
        "max": lambda: nn.MaxPool2d(2),
        "average": lambda: nn.AvgPool2d(2),
        "overlapping": lambda: nn.MaxPool2d(3, stride=2, padding=1),
        "ceil": lambda: nn.MaxPool2d(2, ceil_mode=True),
        "stride 1": lambda: nn.MaxPool2d(2, stride=1),
        "each": lambda: nn.MaxPool2d(2),
        "first": lambda: nn.MaxPool2d(2),
    }
    layers: list[Any] = [pools[pool]()] if pool == "first" else []
    for place in range(n_convs):
        channels = c_in if place == 0 or first_only else c_out
        layers.append(
            nn.Conv2d(channels, c_out, kernel, padding=kernel // 2 if padding else 0, bias=bias)
        )
        if norm:
            layers.append(nn.BatchNorm2d(c_out))
        last = place == n_convs - 1
        if relu == "each" or (relu == "last" and last) or (relu == "between" and not last):
            layers.append(nn.ReLU())
        if pool == "each":
            layers.append(pools[pool]())
    if pool == "strided":
        layers[-2].stride = (2, 2)
    elif pool in pools and pool not in ("each", "first"):
        layers.append(pools[pool]())
    return nn.Sequential(*layers)


def _vgg_class(n_convs: int, c_in: int, c_out: int) -> Any:
    """The block as a module of its own, with functions instead of layers."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            widths = [c_in, *[c_out] * n_convs]
            self.convs = nn.ModuleList(
                nn.Conv2d(a, b, 3, padding="same") for a, b in pairwise(widths)
            )

        def forward(self, x: Any) -> Any:
            for conv in self.convs:
                x = torch.nn.functional.relu(conv(x))
            return torch.nn.functional.max_pool2d(x, 2)

    return Block()


def _vgg_cases(rng: np.random.Generator) -> Iterator[Case]:
    c_in, c_out = below(rng, 4, 2), below(rng, 8, 5)
    for n, c, height, width in ((1, c_in, 6, 8), (2, c_out, 8, 6), (3, c_in, 7, 9)):
        x = _maps(rng, c, height, width)
        note = "an odd row and column are dropped" if height % 2 else ""
        yield Case("shape", (n, c, c_out), inputs=(x,), measure="shape", note=note)
    for n in (1, 2, 4):
        yield Case("parameters", (n, c_in, c_out), measure="parameters")
    for c in (c_in, c_out):
        x = _maps(rng, c, 10, 12, n=4)
        yield Case("one convolution", (1, c, c_out), inputs=(x,))
    # Below zero on the whole: negative sums must be there for a missing ReLU to show.
    x = _maps(rng, c_in, 10, 12, n=4) - 1
    yield Case("one convolution", (1, c_in, c_out), inputs=(x,))
    for n, c in ((2, c_in), (3, c_out), (below(rng, 6, 4), c_in)):
        yield Case("several convolutions", (n, c, c_out), inputs=(_maps(rng, c, 12, 10, n=4) - 1,))


_ONE_IMAGE = np.linspace(-1, 1, 3 * 6 * 8, dtype=np.float32).reshape(1, 3, 6, 8)

VGG_BLOCK = ModuleExercise(
    name="vgg_block",
    chapter="07",
    signature="vgg_block(n_convs, c_in, c_out)",
    aspects=(
        Aspect("shape", 1),
        Aspect("parameters", 1),
        Aspect("one convolution", 1),
        Aspect("several convolutions", 1),
    ),
    worked=(
        Case("shape", (2, 3, 8), inputs=(_ONE_IMAGE,), measure="shape"),
        Case("parameters", (2, 64, 128), measure="parameters"),
    ),
    cases=_vgg_cases,
    reference=_vgg,
    alternatives={
        "a class": _vgg_class,
        # ReLU and max pooling may change places: the largest stays the largest.
        "pool before the last ReLU": lambda n_convs, c_in, c_out: _pool_before_relu(
            n_convs, c_in, c_out
        ),
    },
    misconceptions=(
        Misconception(
            "no_padding",
            "Each of your convolutions takes off a border: pad them so that only the pooling "
            "changes the size.",
            partial(_vgg, padding=False),
        ),
        Misconception(
            "no_relu",
            "Your convolutions follow each other without a ReLU: together they are one linear map.",
            partial(_vgg, relu="none"),
        ),
        Misconception(
            "relu_at_the_end_only",
            "Only your last convolution has a ReLU: each of them has one.",
            partial(_vgg, relu="last"),
        ),
        Misconception(
            "last_relu_missing",
            "Your last convolution has no ReLU.",
            partial(_vgg, relu="between"),
        ),
        Misconception("no_pool", "The pooling is missing.", partial(_vgg, pool="none")),
        Misconception(
            "average_pool",
            "You average the windows: this block takes the largest value.",
            partial(_vgg, pool="average"),
        ),
        Misconception(
            "strided_convolution",
            "Your last convolution makes the map smaller: here a pooling does.",
            partial(_vgg, pool="strided"),
        ),
        Misconception(
            "overlapping_pool",
            "Your pooling windows overlap, as AlexNet's: here they are 2×2.",
            partial(_vgg, pool="overlapping"),
        ),
        Misconception(
            "pool_stride_one",
            "Your pooling windows move by one pixel: they stand side by side.",
            partial(_vgg, pool="stride 1"),
        ),
        Misconception(
            "rounded_up",
            "At an odd size you round up: a row that fills no window is dropped.",
            partial(_vgg, pool="ceil"),
        ),
        Misconception(
            "pool_after_each",
            "You pool after each convolution: one pooling ends the block.",
            partial(_vgg, pool="each"),
        ),
        Misconception(
            "pool_first",
            "You pool before the convolutions: they work on the large map.",
            partial(_vgg, pool="first"),
        ),
        Misconception(
            "channels_not_handed_on",
            "All your convolutions expect `c_in` channels: what does the first one hand on?",
            partial(_vgg, first_only=True),
        ),
        Misconception(
            "one_convolution_only",
            "Your block has one convolution whatever `n_convs` says.",
            lambda n_convs, c_in, c_out: _vgg(1, c_in, c_out),
        ),
        Misconception(
            "one_too_many",
            "You have one convolution more than `n_convs`.",
            lambda n_convs, c_in, c_out: _vgg(n_convs + 1, c_in, c_out),
        ),
        Misconception(
            "five_by_five",
            "Your kernels are 5×5: VGG's idea is that two of 3×3 see as far with fewer weights.",
            partial(_vgg, kernel=5),
        ),
        Misconception(
            "batch_norm",
            "You normalise after each convolution: VGG is a year older than BatchNorm.",
            partial(_vgg, norm=True),
        ),
        Misconception(
            "no_bias",
            "Your convolutions have no bias: without BatchNorm they need it.",
            partial(_vgg, bias=False),
        ),
    ),
    forbidden=("course_lib.nets.vgg.vgg_block",),
    hints=(
        "`nn.Sequential` takes as many layers as you like: gather them in a list and write "
        "`nn.Sequential(*layers)`.",
        "The first convolution goes from `c_in` to `c_out` channels, every other from `c_out` to "
        "`c_out`.",
        "layers += [nn.Conv2d(c_in, c_out, 3, padding=1), nn.ReLU()]; c_in = c_out, n_convs "
        "times; then nn.MaxPool2d(2).",
    ),
)


def _pool_before_relu(n_convs: int, c_in: int, c_out: int) -> Any:
    from torch import nn

    *front, relu, pool = _vgg(n_convs, c_in, c_out)
    return nn.Sequential(*front, pool, relu)


# ── InceptionModule ─────────────────────────────────────────────────────────────────────────────


def _inception(
    c_in: int,
    c1: int,
    c3_reduce: int,
    c3: int,
    c5_reduce: int,
    c5: int,
    pool_proj: int,
    *,
    large: int = 5,
    order: Sequence[int] = (0, 1, 2, 3),
    bias: bool = True,
    norm: bool = False,
    relu: bool = True,
    reduce_relu: bool = True,
    end_relu: bool = True,
    pool_relu: bool = True,
    pool: str = "projected",
    reduce: bool = True,
    join: str = "channels",
) -> Any:
    import torch
    from torch import nn

    def conv(a: int, b: int, kernel: int, active: bool = relu) -> list[Any]:
        layers: list[Any] = [nn.Conv2d(a, b, kernel, padding=kernel // 2, bias=bias)]
        if norm:
            layers.append(nn.BatchNorm2d(b))
        return [*layers, nn.ReLU()] if active else layers

    def reduced(middle: int, out: int, kernel: int) -> Any:
        if not reduce:
            return nn.Sequential(*conv(c_in, out, kernel))
        return nn.Sequential(
            *conv(c_in, middle, 1, relu and reduce_relu),
            *conv(middle, out, kernel, relu and end_relu),
        )

    flat = nn.AvgPool2d if pool == "average" else nn.MaxPool2d
    pooled: list[Any] = [flat(3, stride=1, padding=1)]
    if pool == "after":
        pooled = [*conv(c_in, pool_proj, 1), *pooled]
    elif pool == "none":
        pooled = conv(c_in, pool_proj, 1)
    elif pool != "bare":
        pooled += conv(c_in, pool_proj, 1, relu and end_relu and pool_relu)
    all_branches = (
        nn.Sequential(*conv(c_in, c1, 1, relu and end_relu)),
        reduced(c3_reduce, c3, 3),
        reduced(c5_reduce, c5, large),
        nn.Sequential(*pooled),
    )

    class Inception(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.branches = nn.ModuleList(all_branches[place] for place in order)

        def forward(self, x: Any) -> Any:
            if join == "chained":
                for branch in self.branches:
                    x = branch(x)
                return x
            outputs = [branch(x) for branch in self.branches]
            if join == "sum":
                total = outputs[0]
                for output in outputs[1:]:
                    total = total + output
                return total
            return torch.cat(outputs, dim={"channels": 1, "batch": 0, "height": 2}[join])

    return Inception()


def _inception_by_hand(
    c_in: int, c1: int, c3_reduce: int, c3: int, c5_reduce: int, c5: int, pool_proj: int
) -> Any:
    """The module with a name for each layer, registered in another order."""
    import torch
    from torch import nn
    from torch.nn import functional

    class Inception(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.proj = nn.Conv2d(c_in, pool_proj, 1)
            self.five = nn.Conv2d(c5_reduce, c5, 5, padding=2)
            self.before_five = nn.Conv2d(c_in, c5_reduce, 1)
            self.three = nn.Conv2d(c3_reduce, c3, 3, padding=1)
            self.before_three = nn.Conv2d(c_in, c3_reduce, 1)
            self.one = nn.Conv2d(c_in, c1, 1)

        def forward(self, x: Any) -> Any:
            first = self.one(x)
            second = self.three(functional.relu(self.before_three(x)))
            third = self.five(self.before_five(x).clamp(min=0))
            fourth = self.proj(functional.max_pool2d(x, 3, 1, 1))
            return functional.relu(torch.cat((first, second, third, fourth), 1))

    return Inception()


def _inception_cases(rng: np.random.Generator) -> Iterator[Case]:
    # All widths differ, so that no two layers have weights of one shape.
    widths = [int(n) for n in rng.permutation(np.arange(2, 8))]
    for sizes, (height, width) in ((widths, (6, 8)), (widths[::-1], (5, 7))):
        c_in = below(rng, 12, 8)
        c1, _, c3, _, c5, pool_proj = sizes
        ends = np.cumsum([0, c1, c3, c5, pool_proj])
        x = _maps(rng, c_in, height, width) - 0.5
        args = (c_in, *sizes)
        yield Case("shape", args, inputs=(x,), measure="shape")
        yield Case("parameters", args, measure="parameters")
        for name, first, last in zip(_BRANCHES, ends[:-1], ends[1:], strict=True):
            yield Case(name, args, inputs=(x,), measure=f"channels {first}:{last}")
    # All maps as wide as the input: here sums and chains are possible at all.
    same = (4, 4, 3, 4, 2, 4, 4)
    x = _maps(rng, 4, 6, 7)
    yield Case("shape", same, inputs=(x,), measure="shape", note="every branch returns 4 maps")
    yield Case("1×1 branch", same, inputs=(x,), measure="channels 0:4")


_BRANCHES = ("1×1 branch", "3×3 branch", "5×5 branch", "pooling branch")
_3A = (192, 64, 96, 128, 16, 32, 32)  # GoogLeNet's first module

INCEPTION_MODULE = ModuleExercise(
    name="InceptionModule",
    chapter="07",
    signature="InceptionModule(c_in, c1, c3_reduce, c3, c5_reduce, c5, pool_proj)",
    aspects=(
        Aspect("shape", 1),
        Aspect("parameters", 1),
        *(Aspect(name, 1) for name in _BRANCHES),
    ),
    worked=(Case("parameters", _3A, measure="parameters", note="GoogLeNet's first module"),),
    cases=_inception_cases,
    reference=_inception,
    alternatives={"a name for each layer": _inception_by_hand},
    misconceptions=(
        Misconception(
            "three_for_five",
            "Your third branch uses 3×3, as torchvision's GoogLeNet does: here, as in the paper, "
            "it is a true 5×5.",
            partial(_inception, large=3),
        ),
        Misconception(
            "pool_without_projection",
            "Your pooling branch hands on all of its channels: its 1×1 convolution is missing.",
            partial(_inception, pool="bare"),
        ),
        Misconception(
            "projection_before_pool",
            "Your pooling branch convolves first: the pooling comes first.",
            partial(_inception, pool="after"),
        ),
        Misconception(
            "average_pool",
            "Your pooling branch averages: here it takes the largest value.",
            partial(_inception, pool="average"),
        ),
        Misconception(
            "pool_forgotten",
            "Your last branch does not pool.",
            partial(_inception, pool="none"),
        ),
        Misconception(
            "no_reduction",
            "Your large convolutions read all channels of the input: a 1×1 in front of each makes "
            "them cheap.",
            partial(_inception, reduce=False),
        ),
        Misconception(
            "reductions_without_relu",
            "Your 1×1 reductions have no ReLU.",
            partial(_inception, reduce_relu=False),
        ),
        Misconception(
            "no_relu",
            "Your convolutions have no ReLU.",
            partial(_inception, relu=False),
        ),
        Misconception(
            "ends_without_relu",
            "Your branches end with a convolution: each convolution is followed by a ReLU.",
            partial(_inception, end_relu=False),
        ),
        Misconception(
            "pool_projection_without_relu",
            "The 1×1 after your pooling has no ReLU.",
            partial(_inception, pool_relu=False),
        ),
        Misconception(
            "five_before_three",
            "You concatenate the 5×5 branch before the 3×3 one: keep the order of the arguments.",
            partial(_inception, order=(0, 2, 1, 3)),
        ),
        Misconception(
            "pool_first",
            "You concatenate the pooling branch first: keep the order of the arguments.",
            partial(_inception, order=(3, 0, 1, 2)),
        ),
        Misconception(
            "backwards",
            "You concatenate from the last branch to the first: keep the order of the arguments.",
            partial(_inception, order=(3, 2, 1, 0)),
        ),
        Misconception(
            "no_one_by_one",
            "Your 1×1 branch, `c1`, is missing.",
            partial(_inception, order=(1, 2, 3)),
        ),
        Misconception(
            "along_the_batch",
            "You concatenate along axis 0, the images of the batch: channels are axis 1.",
            partial(_inception, join="batch"),
        ),
        Misconception(
            "along_the_height",
            "You concatenate along axis 2, the rows: channels are axis 1.",
            partial(_inception, join="height"),
        ),
        Misconception(
            "added",
            "You add the branches up: that takes equal widths. Put them side by side.",
            partial(_inception, join="sum"),
        ),
        Misconception(
            "chained",
            "You send the output of one branch into the next: every branch reads the input.",
            partial(_inception, join="chained"),
        ),
        Misconception(
            "arguments_swapped",
            "You take each reduction's width for its branch's: `c3_reduce` comes before `c3`.",
            lambda c_in, c1, c3_reduce, c3, c5_reduce, c5, pool_proj: _inception(
                c_in, c1, c3, c3_reduce, c5, c5_reduce, pool_proj
            ),
        ),
        Misconception(
            "batch_norm",
            "You normalise after each convolution: the paper's module is older than BatchNorm.",
            partial(_inception, norm=True),
        ),
        Misconception(
            "no_bias",
            "Your convolutions have no bias: without BatchNorm they need it.",
            partial(_inception, bias=False),
        ),
    ),
    forbidden=(
        "course_lib.nets.googlenet.Inception",
        "torchvision.models.googlenet.Inception",
    ),
    hints=(
        "Four branches, all of them reading the same input. Build each as an `nn.Sequential` in "
        "`__init__`, and join their outputs in `forward`.",
        "Every branch must keep the size: padding 1 for 3×3 and for the pooling (at stride 1), "
        "padding 2 for 5×5.",
        "torch.cat([self.one(x), self.three(x), self.five(x), self.pooled(x)], dim=1)",
    ),
)


# ── residual blocks ─────────────────────────────────────────────────────────────────────────────


def _residual(
    convs: Sequence[Convolution],
    c_in: int,
    c_out: int,
    stride: int,
    *,
    bias: bool = False,
    norm: str = "each",
    between: bool = True,
    before: bool = False,
    after: bool = True,
    shortcut: str = "projection",
    join: str = "add",
) -> Any:
    """A residual block from its convolutions, right unless a keyword makes it wrong."""
    import torch
    from torch import nn

    class Frozen(nn.BatchNorm2d):
        def train(self, mode: bool = True) -> Any:
            return super().train(False)

    class Zeros(nn.Module):
        """Option A: every stride-th pixel, and channels of zeros; surplus channels are left out."""

        def forward(self, x: Any) -> Any:
            x = x[:, :c_out, ::stride, ::stride]
            return nn.functional.pad(x, (0, 0, 0, 0, 0, c_out - x.shape[1]))

    only = nn.BatchNorm2d(c_out)
    norms: dict[str, Callable[[int], Any]] = {
        "each": nn.BatchNorm2d,
        "none": lambda _: nn.Identity(),
        "shared": lambda _: only,
        "no running values": partial(nn.BatchNorm2d, track_running_stats=False),
        "frozen": Frozen,
    }
    make = norms.get(norm, nn.BatchNorm2d)
    body: list[Any] = []
    for place, (a, b, kernel, step) in enumerate(convs):
        last = place == len(convs) - 1
        behind = [make(b), *([nn.ReLU()] if (before if last else between) else [])]
        if norm == "after the ReLU":
            behind.reverse()
        body += [nn.Conv2d(a, b, kernel, step, kernel // 2, bias=bias), *behind]
    if norm == "last missing":
        body.pop()
    # A shared norm is for the convolutions; the projection has its own.
    own = nn.BatchNorm2d if norm == "shared" else make

    def projection(kernel: int = 1, step: int = stride) -> Any:
        conv = nn.Conv2d(c_in, c_out, kernel, step, kernel // 2, bias=bias)
        return nn.Sequential(conv, own(c_out))

    changes = stride != 1 or c_in != c_out
    ways: dict[str, Callable[[], Any]] = {
        "projection": lambda: projection() if changes else nn.Identity(),
        "identity": nn.Identity,
        "none": lambda: None,
        "always": projection,
        "where the stride": lambda: projection() if stride != 1 else nn.Identity(),
        "where the channels": lambda: projection() if c_in != c_out else nn.Identity(),
        "bare": lambda: projection()[0] if changes else nn.Identity(),
        "biased": lambda: (
            nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride), nn.BatchNorm2d(c_out))
            if changes
            else nn.Identity()
        ),
        "3×3": lambda: projection(3) if changes else nn.Identity(),
        "stride forgotten": lambda: projection(1, 1) if changes else nn.Identity(),
        "with ReLU": lambda: nn.Sequential(projection(), nn.ReLU()) if changes else nn.Identity(),
        "pooled": lambda: (
            nn.Sequential(nn.AvgPool2d(stride), projection(1, 1)) if changes else nn.Identity()
        ),
        "zeros": Zeros,
    }

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(*body)
            self.way = ways[shortcut]()

        def forward(self, x: Any) -> Any:
            out = self.body(x)
            if self.way is None:
                return torch.relu(out)
            way = self.way(x)
            if join == "concatenate":
                out = torch.cat([out, way], dim=1)
            elif join == "multiply":
                out = out * way
            else:
                out = out - way if join == "subtract" else out + way
            return torch.relu(out) if after else out

    return Block()


def _basic(c_in: int, c_out: int, stride: int = 1, strides: str = "first", **wrong: Any) -> Any:
    """A BasicBlock; `strides` says which of its convolutions takes the stride."""
    first = stride if strides in ("first", "both") else 1
    second = stride if strides in ("second", "both") else 1
    convs = [(c_in, c_out, 3, first), (c_out, c_out, 3, second)]
    return _residual(convs, c_in, c_out, stride, **wrong)


def _preactivated(convs: Sequence[Convolution], c_in: int, c_out: int, stride: int) -> Any:
    """The block of He et al. 2016: BatchNorm and ReLU before each convolution."""
    from torch import nn

    body: list[Any] = []
    for a, b, kernel, step in convs:
        body += [
            nn.BatchNorm2d(a),
            nn.ReLU(),
            nn.Conv2d(a, b, kernel, step, kernel // 2, bias=False),
        ]
    block = _residual(convs, c_in, c_out, stride, after=False)
    block.body = nn.Sequential(*body)
    return block


def _stride_as_given(case: Case) -> Case:
    """The case with its stride by keyword, as most people write it."""
    *args, stride = case.args
    return Case(
        case.aspect,
        tuple(args),
        {"stride": stride},
        case.note,
        inputs=case.inputs,
        train=case.train,
        measure=case.measure,
    )


_SAME = "same shape: the stride's default of 1"


def _basic_cases(rng: np.random.Generator) -> Iterator[Case]:
    c, wider = below(rng, 5, 3), below(rng, 9, 6)
    odd = _maps(rng, c, 7, 9)
    even = _maps(rng, c, 6, 8)
    shapes: tuple[tuple[tuple[int, ...], Array], ...] = (
        ((c, c), even),
        ((c, wider, 1), even),
        ((c, c, 2), odd),
        ((c, wider, 2), even),
    )
    for args, x in shapes:
        yield Case("shape", args, inputs=(x,), measure="shape")
    for args, _ in shapes:
        yield Case("parameters", args, measure="parameters")
    yield Case("identity shortcut", (c, c), inputs=(odd,), note=_SAME)
    yield Case("identity shortcut", (wider, wider, 1), inputs=(_maps(rng, wider, 5, 4) - 1,))
    yield Case("projection", (c, wider, 1), inputs=(even,), note="more channels, the same grid")
    yield Case("projection", (c, c, 2), inputs=(odd,), note="the same channels, half the grid")
    yield _stride_as_given(Case("projection", (wider, c, 2), inputs=(_maps(rng, wider, 8, 6),)))
    yield Case("projection", (c, wider, 3), inputs=(_maps(rng, c, 9, 7),))
    yield Case("in training", (c, c), inputs=(_maps(rng, c, 5, 6, n=3),), train=True)
    yield Case("in training", (wider, wider), inputs=(_maps(rng, wider, 4, 7),), train=True)
    yield _on_its_way_back("in training", (c, c), _maps(rng, c, 4, 5))


def _on_its_way_back(aspect: str, args: tuple[int, ...], x: Array) -> Case:
    note = "the gradient on its way back"
    return Case(aspect, args, inputs=(x,), train=True, measure="gradient", note=note)


def _block_misconceptions(block: Callable[..., Any]) -> tuple[Misconception, ...]:
    """The mistakes that both residual blocks invite; `block` takes the keywords of `_residual`."""
    named: Mapping[str, tuple[str, dict[str, Any]]] = {
        "no_shortcut": (
            "Your block returns relu(F(x)): what makes it residual is that x is added.",
            {"shortcut": "none"},
        ),
        "projection_forgotten": (
            "You add x as it is, which fails where F(x) has another shape: there a 1×1 "
            "convolution with the block's stride must bring x to it.",
            {"shortcut": "identity"},
        ),
        "projection_always": (
            "You project every shortcut: where the shapes agree, x is added as it is.",
            {"shortcut": "always"},
        ),
        "projection_only_for_a_stride": (
            "You project where the grid changes, not where only the channels do.",
            {"shortcut": "where the stride"},
        ),
        "projection_only_for_channels": (
            "You project where the channels change, not where only the grid does.",
            {"shortcut": "where the channels"},
        ),
        "projection_without_norm": (
            "Your projection has no BatchNorm: every convolution of the block has one.",
            {"shortcut": "bare"},
        ),
        "projection_with_bias": (
            "Your projection has a bias: the BatchNorm after it takes it out again.",
            {"shortcut": "biased"},
        ),
        "projection_of_3x3": (
            "Your projection is 3×3: it is to change the shape and nothing else, 1×1 is enough.",
            {"shortcut": "3×3"},
        ),
        "projection_without_stride": (
            "Your projection keeps the grid where F halves it: it takes the stride as well.",
            {"shortcut": "stride forgotten"},
        ),
        "projection_with_relu": (
            "Your projection ends in a ReLU: the shortcut should carry negative values too.",
            {"shortcut": "with ReLU"},
        ),
        "zero_padding": (
            "You fill up with zeros where the channels change (the paper's option A): here a "
            "projection is asked for (option B).",
            {"shortcut": "zeros"},
        ),
        "relu_before_the_addition": (
            "You put the last ReLU before the addition: then F can only add, never take away.",
            {"before": True, "after": False},
        ),
        "relu_before_and_after": (
            "You have a ReLU before the addition and one after: only the second belongs there.",
            {"before": True},
        ),
        "last_relu_missing": ("The ReLU after the addition is missing.", {"after": False}),
        "relu_between_missing": (
            "There is no ReLU between your convolutions: without it they are one linear map.",
            {"between": False},
        ),
        "concatenated": (
            "You concatenate F(x) and x, as DenseNet does: here they are added.",
            {"join": "concatenate"},
        ),
        "multiplied": ("You multiply F(x) by x: they are added.", {"join": "multiply"}),
        "subtracted": ("You subtract x from F(x): it is added.", {"join": "subtract"}),
        "bias": (
            "Your convolutions have a bias: the BatchNorm after each has one already.",
            {"bias": True},
        ),
        "no_batch_norm": ("BatchNorm is missing: it follows every convolution.", {"norm": "none"}),
        "last_norm_missing": (
            "The BatchNorm after your last convolution is missing: it comes before the addition.",
            {"norm": "last missing"},
        ),
        "norm_after_the_relu": (
            "Your BatchNorm comes after the ReLU: it follows the convolution.",
            {"norm": "after the ReLU"},
        ),
        "batch_statistics_in_eval": (
            "Your BatchNorm normalises by the batch also after `model.eval()`: there it uses "
            "its running values.",
            {"norm": "no running values"},
        ),
        "running_values_in_training": (
            "Your BatchNorm uses its running values also in training: there it normalises by the "
            "batch.",
            {"norm": "frozen"},
        ),
    }
    return tuple(
        Misconception(name, message, partial(block, **wrong))
        for name, (message, wrong) in named.items()
    )


def _basic_by_hand(c_in: int, c_out: int, stride: int = 1) -> Any:
    """With functions for ReLU, a linear layer's worth of projection, names of its own."""
    import torch
    from torch import nn
    from torch.nn import functional

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.needs = (c_in, 1) != (c_out, stride)
            if self.needs:
                self.norm_of_way = nn.BatchNorm2d(c_out)
                self.way = nn.Conv2d(c_in, c_out, kernel_size=1, stride=stride, bias=False)
            self.second = nn.Conv2d(c_out, c_out, 3, padding="same", bias=False)
            self.first = nn.Conv2d(c_in, c_out, (3, 3), (stride, stride), (1, 1), bias=False)
            self.norms = nn.ModuleDict({"b": nn.BatchNorm2d(c_out), "a": nn.BatchNorm2d(c_out)})

        def forward(self, x: Any) -> Any:
            out = functional.relu_(self.norms["a"](self.first(x)))
            out = self.norms["b"](self.second(out))
            out += self.norm_of_way(self.way(x)) if self.needs else x
            return torch.clamp(out, min=0)

    return Block()


BASIC_BLOCK = ModuleExercise(
    name="BasicBlock",
    chapter="07",
    signature="BasicBlock(c_in, c_out, stride=1)",
    aspects=(
        Aspect("shape", 1),
        Aspect("parameters", 1),
        Aspect("identity shortcut", 1),
        Aspect("projection", 1),
        Aspect("in training", 1),
    ),
    worked=(
        Case("parameters", (64, 64), measure="parameters"),
        Case("parameters", (64, 128, 2), measure="parameters"),
    ),
    cases=_basic_cases,
    reference=partial(_theirs, "resnet", "BasicBlock"),
    alternatives={"from parts": _basic, "by hand": _basic_by_hand},
    misconceptions=(
        *_block_misconceptions(_basic),
        Misconception(
            "norm_shared",
            "Your two convolutions share one BatchNorm: each has scales, shifts and running values "
            "of its own.",
            partial(_basic, norm="shared"),
        ),
        Misconception(
            "stride_in_the_second",
            "Your second convolution takes the stride: here the first does.",
            partial(_basic, strides="second"),
        ),
        Misconception(
            "stride_in_both",
            "Both of your convolutions take the stride: only the first does.",
            partial(_basic, strides="both"),
        ),
        Misconception(
            "stride_ignored",
            "Your block does not change with the stride.",
            lambda c_in, c_out, stride=1: _basic(c_in, c_out),
        ),
        Misconception(
            "norm_and_relu_first",
            "BatchNorm and ReLU stand before your convolutions, as in the later “pre-activation” "
            "block: here they follow.",
            lambda c_in, c_out, stride=1: _preactivated(
                [(c_in, c_out, 3, stride), (c_out, c_out, 3, 1)], c_in, c_out, stride
            ),
        ),
        Misconception(
            "one_convolution",
            "Your F is one convolution: it has two.",
            lambda c_in, c_out, stride=1: _residual(
                [(c_in, c_out, 3, stride)], c_in, c_out, stride
            ),
        ),
    ),
    forbidden=(
        "course_lib.nets.resnet.BasicBlock",
        "course_lib.nets.resnet_cifar.CifarBlock",
        "torchvision.models.resnet.BasicBlock",
    ),
    hints=(
        "F is convolution, BatchNorm, ReLU, convolution, BatchNorm. The last ReLU comes after the "
        "addition.",
        "Decide in `__init__` whether the shortcut needs a projection: where `stride != 1 or c_in "
        "!= c_out`. Else `nn.Identity()`.",
        "return torch.relu(self.bn2(self.conv2(out)) + self.shortcut(x)), with a projection "
        "nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))",
    ),
)


# ── Bottleneck ──────────────────────────────────────────────────────────────────────────────────


def _bottleneck(
    c_in: int, c_mid: int, c_out: int, stride: int = 1, strides: int = 1, **wrong: Any
) -> Any:
    """A Bottleneck; `strides` is the place of the convolution that takes the stride."""
    steps = [stride if place == strides else 1 for place in range(3)]
    convs = [
        (c_in, c_mid, 1, steps[0]),
        (c_mid, c_mid, 3, steps[1]),
        (c_mid, c_out, 1, steps[2]),
    ]
    return _residual(convs, c_in, c_out, stride, **wrong)


def _bottleneck_by_hand(c_in: int, c_mid: int, c_out: int, stride: int = 1) -> Any:
    from torch import nn

    def layers(a: int, b: int, kernel: int = 1, step: int = 1) -> list[Any]:
        return [nn.Conv2d(a, b, kernel, step, kernel // 2, bias=False), nn.BatchNorm2d(b)]

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.shortcut = nn.Sequential()  # does nothing
            if stride > 1 or c_in != c_out:
                self.shortcut = nn.Sequential(*layers(c_in, c_out, step=stride))
            self.up = nn.Sequential(*layers(c_mid, c_out))
            self.middle = nn.Sequential(*layers(c_mid, c_mid, 3, stride), nn.ReLU(inplace=True))
            self.down = nn.Sequential(*layers(c_in, c_mid), nn.ReLU(inplace=True))

        def forward(self, x: Any) -> Any:
            return (self.up(self.middle(self.down(x))) + self.shortcut(x)).relu()

    return Block()


def _bottleneck_cases(rng: np.random.Generator) -> Iterator[Case]:
    c_in, c_mid = 2 * below(rng, 5, 3), below(rng, 5, 3)
    other = c_in + below(rng, 5, 3)
    odd = _maps(rng, c_in, 7, 9)
    even = _maps(rng, c_in, 6, 8)
    shapes: tuple[tuple[tuple[int, ...], Array], ...] = (
        ((c_in, c_mid, c_in), even),
        ((c_in, c_mid, other, 1), even),
        ((c_in, c_mid, c_in, 2), odd),
        ((c_in, c_mid, other, 2), odd),
    )
    for args, x in shapes:
        yield Case("shape", args, inputs=(x,), measure="shape")
    for args, _ in shapes:
        yield Case("parameters", args, measure="parameters")
    yield Case("identity shortcut", (c_in, c_mid, c_in), inputs=(odd,), note=_SAME)
    x = _maps(rng, other, 5, 4) - 1
    yield Case("identity shortcut", (other, c_mid, other, 1), inputs=(x,))
    yield Case("projection", (c_in, c_mid, other, 1), inputs=(even,), note="more channels")
    yield Case("projection", (c_in, c_mid, c_in, 2), inputs=(odd,), note="half the grid")
    x = _maps(rng, other, 8, 6)
    yield _stride_as_given(Case("projection", (other, c_mid, c_in, 2), inputs=(x,)))
    x = _maps(rng, c_in, 9, 7)
    yield Case("projection", (c_in, c_mid, other, 3), inputs=(x,))
    # In eval mode a stride in the last 1×1 gives the same values, for four times the work.
    x = _maps(rng, c_in, 7, 6)
    yield Case("projection", (c_in, c_mid, other, 2), inputs=(x,), train=True, note="in training")
    x = _maps(rng, c_in, 5, 6, n=3)
    yield Case("in training", (c_in, c_mid, c_in), inputs=(x,), train=True)
    x = _maps(rng, other, 4, 7)
    yield Case("in training", (other, c_mid, other), inputs=(x,), train=True)
    yield _on_its_way_back("in training", (c_in, c_mid, c_in), _maps(rng, c_in, 4, 5))


BOTTLENECK = ModuleExercise(
    name="Bottleneck",
    chapter="07",
    signature="Bottleneck(c_in, c_mid, c_out, stride=1)",
    aspects=(
        Aspect("shape", 1),
        Aspect("parameters", 1),
        Aspect("identity shortcut", 1),
        Aspect("projection", 1),
        Aspect("in training", 1),
    ),
    worked=(
        Case("parameters", (256, 64, 256), measure="parameters"),
        Case("parameters", (256, 128, 512, 2), measure="parameters"),
    ),
    cases=_bottleneck_cases,
    reference=partial(_theirs, "resnet", "Bottleneck"),
    alternatives={"from parts": _bottleneck, "by hand": _bottleneck_by_hand},
    misconceptions=(
        *_block_misconceptions(_bottleneck),
        Misconception(
            "stride_in_the_first",
            "Your first 1×1 takes the stride. So does the paper's, and three quarters of x are "
            "never read; here, as in torchvision, the 3×3 takes it.",
            partial(_bottleneck, strides=0),
        ),
        Misconception(
            "stride_in_the_last",
            "Your last 1×1 takes the stride: here the 3×3 does.",
            partial(_bottleneck, strides=2),
        ),
        Misconception(
            "stride_ignored",
            "Your block does not change with the stride.",
            lambda c_in, c_mid, c_out, stride=1: _bottleneck(c_in, c_mid, c_out),
        ),
        Misconception(
            "four_times_as_wide",
            "Your block returns four times `c_out` channels: here `c_out` is the width that it "
            "returns.",
            lambda c_in, c_mid, c_out, stride=1: _bottleneck(c_in, c_mid, 4 * c_out, stride),
        ),
        Misconception(
            "no_bottleneck",
            "Your 3×3 works on `c_out` channels: the first 1×1 makes them `c_mid`, few enough for "
            "it to be cheap.",
            lambda c_in, c_mid, c_out, stride=1: _bottleneck(c_in, c_out, c_out, stride),
        ),
        Misconception(
            "two_convolutions",
            "Your F ends with the 3×3: a 1×1 widens it again.",
            lambda c_in, c_mid, c_out, stride=1: _residual(
                [(c_in, c_mid, 1, 1), (c_mid, c_out, 3, stride)], c_in, c_out, stride
            ),
        ),
        Misconception(
            "all_of_3x3",
            "Your convolutions are all 3×3: only the one in the middle is.",
            lambda c_in, c_mid, c_out, stride=1: _residual(
                [(c_in, c_mid, 3, 1), (c_mid, c_mid, 3, stride), (c_mid, c_out, 3, 1)],
                c_in,
                c_out,
                stride,
            ),
        ),
        Misconception(
            "norm_and_relu_first",
            "BatchNorm and ReLU stand before your convolutions, as in the later “pre-activation” "
            "block: here they follow.",
            lambda c_in, c_mid, c_out, stride=1: _preactivated(
                [(c_in, c_mid, 1, 1), (c_mid, c_mid, 3, stride), (c_mid, c_out, 1, 1)],
                c_in,
                c_out,
                stride,
            ),
        ),
    ),
    forbidden=(
        "course_lib.nets.resnet.Bottleneck",
        "torchvision.models.resnet.Bottleneck",
    ),
    hints=(
        "Three convolutions with a BatchNorm each: 1×1 from c_in to c_mid, 3×3 with the stride and "
        "padding 1, 1×1 from c_mid to c_out.",
        "ReLU after the first and the second, none after the third: it comes after the addition.",
        "The shortcut is that of `BasicBlock`: nn.Identity(), or a 1×1 convolution with the stride "
        "and its BatchNorm.",
    ),
)


# ── DenseLayer ──────────────────────────────────────────────────────────────────────────────────


def _dense(
    c_in: int,
    growth: int,
    *,
    order: str = "norm first",
    middle: str = "4 growth",
    kernel: int = 3,
    bias: bool = False,
    first: bool = True,
    relus: tuple[bool, bool] = (True, True),
    returns: str = "both",
    grows_by: int | None = None,
    norm: bool = True,
) -> Any:
    import torch
    from torch import nn

    out = growth if grows_by is None else grows_by
    width = {"4 growth": 4 * growth, "growth": growth, "4 c_in": 4 * c_in}.get(middle, c_in)

    def part(a: int, b: int, k: int, relu: bool, whole: bool = True) -> list[Any]:
        conv = nn.Conv2d(a, b, k, padding=k // 2, bias=bias)
        active: list[Any] = [nn.ReLU()] if relu else []
        if order == "norm last":
            return [conv, *([nn.BatchNorm2d(b)] if norm else []), *active]
        ahead = [*([nn.BatchNorm2d(a)] if norm else []), *active]
        if order == "ReLU first":
            ahead.reverse()
        return [*ahead, conv] if whole else [conv]

    layers = part(c_in, width, 1, relus[0], first) if middle != "none" else []
    layers += part(width if middle != "none" else c_in, out, kernel, relus[1])

    class Dense(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(*layers)

        def forward(self, x: Any) -> Any:
            new = self.layers(x)
            if returns == "new":
                return new
            if returns in ("normalised", "active"):
                x = self.layers[: 1 if returns == "normalised" else 2](x)
            if returns == "new first":
                return torch.cat([new, x], dim=1)
            if returns == "batch":
                return torch.cat([x, new], dim=0)
            return x + new if returns == "sum" else torch.cat([x, new], dim=1)

    return Dense()


def _dense_by_hand(c_in: int, growth: int) -> Any:
    import torch
    from torch import nn
    from torch.nn import functional

    class Dense(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv2 = nn.Conv2d(4 * growth, growth, 3, 1, "same", bias=False)
            self.conv1 = nn.Conv2d(c_in, 4 * growth, 1, bias=False)
            self.norm2 = nn.BatchNorm2d(4 * growth)
            self.norm1 = nn.BatchNorm2d(c_in)

        def forward(self, x: Any) -> Any:
            out = self.conv1(functional.relu(self.norm1(x)))
            out = self.conv2(functional.relu(self.norm2(out)))
            return torch.concat((x, out), dim=-3)

    return Dense()


def _dense_cases(rng: np.random.Generator) -> Iterator[Case]:
    c_in, growth = below(rng, 12, 8), below(rng, 5, 2)
    pairs = ((c_in, growth), (c_in + 3, growth + 1), (growth, growth))
    inputs = [
        _maps(rng, c, height, width)
        for (c, _), (height, width) in zip(pairs, ((6, 5), (4, 7), (5, 5)), strict=True)
    ]
    for args, x in zip(pairs, inputs, strict=True):
        yield Case("shape", args, inputs=(x,), measure="shape")
    for args in pairs:
        yield Case("parameters", args, measure="parameters")
    for (c, g), x in zip(pairs, inputs, strict=True):
        yield Case("input kept", (c, g), inputs=(x,), measure=f"channels 0:{c}")
    for (c, g), x in zip(pairs, inputs, strict=True):
        yield Case("new maps", (c, g), inputs=(x,), measure=f"channels {c}:{c + g}")
    for c, g in pairs[:2]:
        x = _maps(rng, c, 5, 6, n=3)
        yield Case("in training", (c, g), inputs=(x,), train=True)
    yield _on_its_way_back("in training", pairs[0], inputs[0])


DENSE_LAYER = ModuleExercise(
    name="DenseLayer",
    chapter="07",
    signature="DenseLayer(c_in, growth)",
    aspects=(
        Aspect("shape", 1),
        Aspect("parameters", 1),
        Aspect("input kept", 1, needs=("shape",)),
        Aspect("new maps", 1),
        Aspect("in training", 1),
    ),
    worked=(Case("parameters", (64, 32), measure="parameters", note="DenseNet-121's first layer"),),
    cases=_dense_cases,
    reference=_dense,
    alternatives={"by hand": _dense_by_hand},
    misconceptions=(
        Misconception(
            "new_maps_only",
            "You return the new maps alone: the input goes on beside them.",
            partial(_dense, returns="new"),
        ),
        Misconception(
            "new_maps_first",
            "You put the new maps in front: the input comes first.",
            partial(_dense, returns="new first"),
        ),
        Misconception(
            "added",
            "You add, as ResNet does: here the new maps stand beside the input.",
            partial(_dense, returns="sum"),
        ),
        Misconception(
            "added_at_full_width",
            "You make as many maps as came in and add them, as ResNet does: here `growth` new ones "
            "stand beside the input.",
            lambda c_in, growth: _dense(c_in, growth, grows_by=c_in, returns="sum"),
        ),
        Misconception(
            "along_the_batch",
            "You concatenate along axis 0, the images of the batch: channels are axis 1.",
            partial(_dense, returns="batch"),
        ),
        Misconception(
            "norm_last",
            "You convolve first: BatchNorm and ReLU come before each convolution here.",
            partial(_dense, order="norm last"),
        ),
        Misconception(
            "no_bottleneck",
            "Your 3×3 reads all `c_in` maps: a 1×1 to 4·growth comes before it.",
            partial(_dense, middle="none"),
        ),
        Misconception(
            "bottleneck_of_growth",
            "Your 1×1 makes `growth` maps: it makes four times as many.",
            partial(_dense, middle="growth"),
        ),
        Misconception(
            "bottleneck_of_the_input",
            "Your 1×1 makes 4·c_in maps: its width depends on `growth`.",
            partial(_dense, middle="4 c_in"),
        ),
        Misconception(
            "bottleneck_without_narrowing",
            "Your 1×1 keeps `c_in` maps: it makes 4·growth of them.",
            partial(_dense, middle="c_in"),
        ),
        Misconception(
            "grows_by_the_input",
            "Your layer makes as many new maps as came in: it makes `growth`.",
            lambda c_in, growth: _dense(c_in, growth, grows_by=c_in),
        ),
        Misconception(
            "grows_to",
            "Your layer fills up to `growth` maps in all: it adds `growth` new ones.",
            lambda c_in, growth: _dense(c_in, growth, grows_by=max(1, growth - c_in)),
        ),
        Misconception(
            "first_norm_missing",
            "Your first convolution reads the input as it is: BatchNorm and ReLU come before it.",
            partial(_dense, first=False),
        ),
        Misconception(
            "no_batch_norm",
            "BatchNorm is missing, before both convolutions.",
            partial(_dense, norm=False),
        ),
        Misconception(
            "no_relu",
            "ReLU is missing, before both convolutions.",
            partial(_dense, relus=(False, False)),
        ),
        Misconception(
            "first_relu_missing",
            "Between your first BatchNorm and its convolution the ReLU is missing.",
            partial(_dense, relus=(False, True)),
        ),
        Misconception(
            "second_relu_missing",
            "Between your second BatchNorm and its convolution the ReLU is missing.",
            partial(_dense, relus=(True, False)),
        ),
        Misconception(
            "relu_before_norm",
            "Your ReLUs come before the BatchNorms: the order is BatchNorm, ReLU, convolution.",
            partial(_dense, order="ReLU first"),
        ),
        Misconception(
            "active_input_returned",
            "You hand on relu(norm(x)): put the new maps behind x as it came in. (Is `x` "
            "overwritten?)",
            partial(_dense, returns="active"),
        ),
        Misconception(
            "normalised_input_returned",
            "You hand on norm(x): put the new maps behind x as it came in. (Is `x` overwritten?)",
            partial(_dense, returns="normalised"),
        ),
        Misconception(
            "one_by_one_twice",
            "Both of your convolutions are 1×1: the second is 3×3.",
            partial(_dense, kernel=1),
        ),
        Misconception("bias", "Your convolutions have a bias.", partial(_dense, bias=True)),
    ),
    forbidden=(
        "course_lib.nets.densenet.DenseLayer",
        "torchvision.models.densenet._DenseLayer",
    ),
    hints=(
        "The order is BatchNorm, ReLU, convolution, and all that twice. The first convolution is "
        "1×1, the second 3×3 with padding 1.",
        "Widths: c_in → 4·growth → growth. The first BatchNorm has c_in channels, the second "
        "4·growth.",
        "return torch.cat([x, self.layers(x)], dim=1)",
    ),
)


# ── gradient_norms ──────────────────────────────────────────────────────────────────────────────


def _with_loss(aspect: str, kind: str, seed: int, note: str = "") -> Case:
    """A case of a model and its loss: the second is made from the first."""
    model, loss = (
        Made(f"course_lib.gradient_examples:example_{what}", (kind, seed))
        for what in ("model", "loss")
    )
    return Case(aspect, (model, loss), note=note)


def _layers_of(model: Any, convolutions_only: bool = False) -> list[Any]:
    from torch import nn

    kinds = (nn.Conv2d,) if convolutions_only else (nn.Conv2d, nn.Linear)
    return [layer for layer in model.modules() if isinstance(layer, kinds)]


def _weights_of(model: Any) -> list[Any]:
    return [layer.weight for layer in _layers_of(model)]


def _norms_as(
    measure: Callable[[Any], Any] = lambda gradient: gradient.norm(),
    choose: Callable[[Any], list[Any]] = lambda model: _weights_of(model),
    clear: bool = True,
    arrange: Callable[[list[float]], Any] = lambda norms: norms,
) -> Callable[[Any, Any], Any]:
    """`gradient_norms` with its parts exchangeable."""

    def gradient_norms(model: Any, loss: Any) -> Any:
        if clear:
            model.zero_grad()
        loss.backward()
        norms = []
        for weight in choose(model):
            norms.append(0.0 if weight.grad is None else float(measure(weight.grad)))
        return arrange(norms)

    return gradient_norms


def _ours(model: Any, loss: Any) -> list[float]:
    from course_lib.gradients_torch import gradient_norms

    return gradient_norms(model, loss)


def _by_dict(model: Any, loss: Any) -> list[Any]:
    """By the names of parameters: tensors in the list, and no loop over modules."""
    import torch
    from torch import nn

    kinds = dict(model.named_modules())
    named = [
        weight
        for name, weight in model.named_parameters()
        if name.endswith("weight")
        and isinstance(kinds[name.rpartition(".")[0]], nn.Conv2d | nn.Linear)
    ]
    live = [weight for weight in named if weight.requires_grad]
    found = dict(
        zip(map(id, live), torch.autograd.grad(loss, live, allow_unused=True), strict=True)
    )
    gradients = [found.get(id(weight)) for weight in named]
    return [torch.tensor(0.0) if g is None else g.pow(2).sum().sqrt() for g in gradients]


def _without_missing(model: Any, loss: Any) -> list[float]:
    model.zero_grad()
    loss.backward()
    grads = [layer.weight.grad for layer in _layers_of(model)]
    return [float(grad.norm()) for grad in grads if grad is not None]


def _no_care_for_none(model: Any, loss: Any) -> list[float]:
    model.zero_grad()
    loss.backward()
    return [float(layer.weight.grad.norm()) for layer in _layers_of(model)]


def _with_bias(model: Any, loss: Any) -> list[float]:
    model.zero_grad()
    loss.backward()
    norms = []
    for layer in _layers_of(model):
        squares = [p.grad.pow(2).sum() for p in layer.parameters() if p.grad is not None]
        norms.append(float(sum(squares) ** 0.5))
    return norms


def _weight_norms(model: Any, loss: Any) -> list[float]:
    return [float(layer.weight.detach().norm()) for layer in _layers_of(model)]


def _of_children(model: Any) -> list[Any]:
    from torch import nn

    return [m.weight for m in model.children() if isinstance(m, nn.Conv2d | nn.Linear)]


def _norm_cases(rng: np.random.Generator) -> Iterator[Case]:
    def seed() -> int:
        return below(rng, 1000)

    stack, nested = "a stack of layers", "blocks and norms"
    for _ in range(3):
        yield _with_loss(stack, "stack", seed())
    yield _with_loss(nested, "normed", seed())
    yield _with_loss(nested, "residual", seed())
    yield _with_loss(nested, "head first", seed(), "its head is registered before its body")
    yield _with_loss(nested, "scaled", seed())
    special = "old and missing gradients"
    yield _with_loss(special, "stale", seed(), "it holds the gradients of another loss")
    yield _with_loss(special, "stale", seed(), "it holds the gradients of another loss")
    yield _with_loss(special, "frozen", seed(), "its first convolution does not learn")
    yield _with_loss(special, "unused", seed(), "one convolution takes no part in the loss")


GRADIENT_NORMS = FunctionExercise(
    name="gradient_norms",
    chapter="07",
    signature="gradient_norms(model, loss) -> list",
    aspects=(
        Aspect("a stack of layers", 1),
        Aspect("blocks and norms", 1),
        Aspect("old and missing gradients", 1, needs=("a stack of layers",)),
    ),
    cases=_norm_cases,
    reference=_ours,
    alternatives={"backward": _norms_as(), "by name": _by_dict},
    misconceptions=(
        Misconception(
            "squares",
            "You return squared norms: the root is missing.",
            _norms_as(lambda g: g.pow(2).sum()),
        ),
        Misconception(
            "absolute_sum",
            "You add up absolute values: the L2 norm is the root of the sum of squares.",
            _norms_as(lambda g: g.abs().sum()),
        ),
        Misconception(
            "largest",
            "You return the largest value of each gradient: the norm counts them all.",
            _norms_as(lambda g: g.abs().max()),
        ),
        Misconception(
            "mean",
            "You average: then a layer with many weights seems to have a small gradient.",
            _norms_as(lambda g: g.abs().mean()),
        ),
        Misconception(
            "root_mean_square",
            "You divide by the number of weights: the L2 norm does not.",
            _norms_as(lambda g: g.pow(2).mean().sqrt()),
        ),
        Misconception(
            "all_parameters",
            "You list every parameter: biases and the scales of BatchNorm are left out.",
            _norms_as(choose=lambda model: list(model.parameters())),
        ),
        Misconception(
            "all_weights",
            "You list everything that is called weight: BatchNorm's are left out.",
            _norms_as(
                choose=lambda model: [
                    p for name, p in model.named_parameters() if name.endswith("weight")
                ]
            ),
        ),
        Misconception(
            "convolutions_only",
            "The linear layers are missing.",
            _norms_as(choose=lambda model: [m.weight for m in _layers_of(model, True)]),
        ),
        Misconception(
            "children_only",
            "You look at the outermost layers only: `model.modules()` also goes into blocks.",
            _norms_as(choose=_of_children),
        ),
        Misconception(
            "weights_not_gradients",
            "These are the norms of the weights: their gradients are asked for.",
            _weight_norms,
        ),
        Misconception(
            "bias_included",
            "You put the bias's gradient into the norm: the weight's alone is asked for.",
            _with_bias,
        ),
        Misconception(
            "gradients_add_up",
            "Gradients of an earlier `backward()` are still in your answer: PyTorch adds to them.",
            _norms_as(clear=False),
        ),
        Misconception(
            "missing_left_out",
            "A layer without gradient is missing from your list: its norm is 0.0.",
            _without_missing,
        ),
        Misconception(
            "missing_not_expected",
            "A weight that is frozen, or takes no part in the loss, has `grad` None: count 0.0.",
            _no_care_for_none,
        ),
        Misconception(
            "backwards",
            "Your list starts with the last layer: keep the order of `model.modules()`.",
            _norms_as(arrange=lambda norms: norms[::-1]),
        ),
        Misconception(
            "sorted",
            "You sort the norms: which layer is which?",
            _norms_as(arrange=sorted),
        ),
        Misconception(
            "one_for_all",
            "You return one norm for the whole model: one for each layer is asked for.",
            _norms_as(arrange=lambda norms: float(np.sqrt(np.sum(np.square(norms))))),
        ),
    ),
    forbidden=("course_lib.gradients_torch.gradient_norms",),
    rtol=1e-4,
    proof_seeds=5,
    hints=(
        "`model.zero_grad()`, then `loss.backward()`: every weight now has its gradient in "
        "`weight.grad`.",
        "`for layer in model.modules()` goes through all of them, outside in. "
        "`isinstance(layer, (nn.Conv2d, nn.Linear))` picks those that are asked for.",
        "float(layer.weight.grad.norm()), or 0.0 where `layer.weight.grad is None`.",
    ),
)


# ── parameter_table ─────────────────────────────────────────────────────────────────────────────


def _table(model: Any) -> list[tuple[str, int]]:
    rows = []
    for name, module in model.named_modules():
        count = sum(p.numel() for p in module.parameters(recurse=False))
        if count:
            rows.append((name, count))
    return rows


def _table_by_prefix(model: Any) -> list[list[Any]]:
    """From the names of parameters, gathered by what stands before the last point."""
    order = {name: place for place, (name, _) in enumerate(model.named_modules())}
    counts: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        layer = name.rpartition(".")[0]
        counts[layer] = counts.get(layer, 0) + int(np.prod(parameter.shape))
    return [[name, counts[name]] for name in sorted(counts, key=order.__getitem__)]


def _table_as(
    row: Callable[[str, Any], tuple[str, int] | None],
) -> Callable[[Any], list[tuple[str, int]]]:
    def table(model: Any) -> list[tuple[str, int]]:
        rows = [row(name, module) for name, module in model.named_modules()]
        return [found for found in rows if found is not None and found[1]]

    return table


def _own(module: Any) -> int:
    return sum(p.numel() for p in module.parameters(recurse=False))


def _is_leaf(module: Any) -> bool:
    return next(module.children(), None) is None


def _layer(path: str, *args: Any, **kwargs: Any) -> Made:
    return Made(f"torch.nn:{path}", args, kwargs)


def _table_cases(rng: np.random.Generator) -> Iterator[Case]:
    a, b = below(rng, 6, 2), below(rng, 9, 6)
    stack = _layer(
        "Sequential",
        _layer("Conv2d", 1, a, 3),
        _layer("ReLU"),
        _layer("Conv2d", a, b, (3, 5), bias=False),
        _layer("Flatten"),
        _layer("Linear", b, 10),
    )
    yield Case("a stack of layers", (stack,))
    yield Case("a stack of layers", (Made("course_lib.nets:create", ("lenet5",)),))
    inner = _layer("Sequential", _layer("Conv2d", a, b, 1), _layer("BatchNorm2d", b))
    outer = _layer("Sequential", _layer("Conv2d", 3, a, 7), inner, _layer("ReLU"), inner)
    yield Case("blocks", (outer,))
    small = Made("course_lib.nets.resnet_cifar:resnet_cifar", (8,), {"width": a, "num_classes": b})
    yield Case("blocks", (small,))
    yield Case("own parameters", (Made("course_lib.gradient_examples:example_model", ("scaled",)),))
    frozen = Made("course_lib.gradient_examples:example_model", ("frozen",))
    yield Case("own parameters", (frozen,), note="its first convolution is frozen")
    yield Case("own parameters", (_layer("Linear", a, b),), note="the model is a layer itself")


PARAMETER_TABLE = FunctionExercise(
    name="parameter_table",
    chapter="07",
    signature="parameter_table(model) -> list",
    aspects=(Aspect("a stack of layers", 1), Aspect("blocks", 1), Aspect("own parameters", 1)),
    worked=(Case("a stack of layers", (_layer("Sequential", _layer("Linear", 3, 2)),)),),
    cases=_table_cases,
    reference=_table,
    alternatives={"by prefix": _table_by_prefix},
    misconceptions=(
        Misconception(
            "a_row_a_tensor",
            "Your rows are single parameters: put a layer's weight and bias into one row.",
            lambda model: [(name, p.numel()) for name, p in model.named_parameters()],
        ),
        Misconception(
            "blocks_count_again",
            "Blocks have rows too, so that everything in them counts twice: a row counts what a "
            "module holds itself, `parameters(recurse=False)`.",
            _table_as(lambda name, m: (name, sum(p.numel() for p in m.parameters()))),
        ),
        Misconception(
            "blocks_count_again_without_the_whole",
            "Blocks have rows too, so that everything in them counts twice: a row counts what a "
            "module holds itself.",
            _table_as(
                lambda name, m: (name, sum(p.numel() for p in m.parameters())) if name else None
            ),
        ),
        Misconception(
            "outermost_only",
            "Your rows are the outermost parts: go into the blocks, with `named_modules()`.",
            lambda model: [
                (name, count)
                for name, child in model.named_children()
                if (count := sum(p.numel() for p in child.parameters()))
            ],
        ),
        Misconception(
            "leaves_only",
            "You list innermost layers only: a block may hold a parameter beside its layers.",
            _table_as(lambda name, m: (name, _own(m)) if _is_leaf(m) else None),
        ),
        Misconception(
            "weights_only",
            "The biases are missing.",
            _table_as(
                lambda name, m: (
                    name,
                    sum(p.numel() for n, p in m.named_parameters(recurse=False) if n != "bias"),
                )
            ),
        ),
        Misconception(
            "trainable_only",
            "Frozen parameters are missing: they count too.",
            _table_as(
                lambda name, m: (
                    name,
                    sum(p.numel() for p in m.parameters(recurse=False) if p.requires_grad),
                )
            ),
        ),
        Misconception(
            "buffers_counted",
            "You count BatchNorm's running values: they are state, not parameters.",
            _table_as(
                lambda name, m: (name, _own(m) + sum(b.numel() for b in m.buffers(recurse=False)))
            ),
        ),
        Misconception(
            "convolutions_and_linear_only",
            "You list convolutions and linear layers only: whatever holds parameters counts.",
            _table_as(
                lambda name, m: (
                    (name, _own(m)) if type(m).__name__ in ("Conv2d", "Linear") else None
                )
            ),
        ),
        Misconception(
            "empty_rows",
            "You list layers without parameters: leave them out.",
            lambda model: [(name, _own(module)) for name, module in model.named_modules()],
        ),
        Misconception(
            "kinds_for_names",
            "You return the layers' kinds: their names in the model are asked for.",
            _table_as(lambda name, m: (type(m).__name__, _own(m))),
        ),
        Misconception(
            "last_part_of_the_name",
            "You return the last part of each name: the whole path is asked for.",
            _table_as(lambda name, m: (name.rpartition(".")[2], _own(m))),
        ),
        Misconception(
            "swapped",
            "Your pairs are (count, name): the name comes first.",
            lambda model: [(count, name) for name, count in _table(model)],
        ),
        Misconception(
            "tensors_not_numbers",
            "You count the parameters, not the numbers in them: `p.numel()`.",
            _table_as(lambda name, m: (name, len(list(m.parameters(recurse=False))))),
        ),
        Misconception(
            "sorted_by_size",
            "You sort by size: keep the order of the modules.",
            lambda model: sorted(_table(model), key=lambda row: -row[1]),
        ),
        Misconception(
            "a_dict",
            "You return a dict: a list of pairs is asked for.",
            lambda model: dict(_table(model)),
        ),
    ),
    hints=(
        "`for name, module in model.named_modules()` goes through every part of the model.",
        "`module.parameters(recurse=False)` are the parameters that a module holds itself.",
        "count = sum(p.numel() for p in module.parameters(recurse=False)); append (name, count) "
        "where count is above 0.",
    ),
)


# ── the quiz ────────────────────────────────────────────────────────────────────────────────────


def _ask_depth(rng: np.random.Generator) -> Asked:
    stages = [3, below(rng, 9, 4), below(rng, 41, 20), 3]
    blocks = sum(stages)
    right = 3 * blocks + 2
    return Asked(
        f"A ResNet has {stages[0]}, {stages[1]}, {stages[2]} and {stages[3]} bottleneck blocks in "
        "its four stages. Which number does its name carry? (It counts convolutions and linear "
        "layers, projections not.)",
        right,
        f"stem + 3·({' + '.join(map(str, stages))}) + head = 1 + {3 * blocks} + 1 = {right}",
        wrong=distinct(
            right,
            {
                "stem_and_head_forgotten": (3 * blocks, "The stem and the head are layers too."),
                "two_a_block": (2 * blocks + 2, "A bottleneck has three convolutions."),
                "blocks": (blocks, "These are the blocks: how many layers has each?"),
            },
        ),
    )


def _ask_projection(rng: np.random.Generator) -> Asked:
    c_in = int(rng.choice([32, 48, 64, 96]))
    c_out = 2 * c_in
    right = c_in * c_out + 2 * c_out
    return Asked(
        f"A BasicBlock goes from {c_in} to {c_out} channels with stride 2. How many parameters has "
        "its shortcut, with a projection as in this chapter?",
        right,
        f"a 1×1 convolution without bias, {c_in}·{c_out} = {c_in * c_out:,}, and BatchNorm's scale "
        f"and shift, 2·{c_out}: {right:,}",
        wrong=distinct(
            right,
            {
                "norm_forgotten": (c_in * c_out, "The projection has its own BatchNorm."),
                "three_by_three": (
                    9 * c_in * c_out + 2 * c_out,
                    "The projection only changes the shape: 1×1.",
                ),
                "with_bias": (
                    c_in * c_out + 3 * c_out,
                    "Before a BatchNorm the convolution needs no bias.",
                ),
                "identity": (0, "x has another shape than F(x) here."),
            },
        ),
    )


def _ask_inception(rng: np.random.Generator) -> Asked:
    c_in = int(rng.choice([192, 256, 480]))
    one, three, five, pool = (8 * below(rng, n, n // 2) for n in (20, 24, 10, 9))
    reduce3, reduce5 = 8 * below(rng, 12, 8), 8 * below(rng, 4, 2)
    right = one + three + five + pool
    return Asked(
        f"InceptionModule({c_in}, {one}, {reduce3}, {three}, {reduce5}, {five}, {pool}): how many "
        "channels does it return?",
        right,
        f"the ends of the four branches side by side: {one} + {three} + {five} + {pool} = {right}",
        wrong=distinct(
            right,
            {
                "reductions_counted": (
                    right + reduce3 + reduce5,
                    "The reductions stay inside their branches.",
                ),
                "input_counted": (right + c_in, "The input itself is not handed on."),
                "pool_not_projected": (
                    right - pool + c_in,
                    "The pooling branch ends in a 1×1 convolution.",
                ),
            },
        ),
    )


def _ask_dense(rng: np.random.Generator) -> Asked:
    c_in, growth, layers = 16 * below(rng, 9, 2), 4 * below(rng, 9, 3), below(rng, 25, 6)
    right = c_in + layers * growth
    return Asked(
        f"A dense block gets {c_in} channels and has {layers} layers of growth {growth}. How many "
        "channels does it return?",
        right,
        f"each layer adds {growth}: {c_in} + {layers}·{growth} = {right}",
        wrong=distinct(
            right,
            {
                "new_only": (layers * growth, "The input stays beside the new maps."),
                "bottleneck_counted": (
                    c_in + 4 * layers * growth,
                    "The four times as many maps stay inside a layer.",
                ),
                "one_layer": (c_in + growth, "Every layer adds its maps."),
                "doubling": (c_in * 2**layers, "A layer adds `growth` maps, whatever it gets."),
            },
        ),
    )


def _ask_bottleneck(rng: np.random.Generator) -> Asked:
    middle = int(rng.choice([32, 48, 64, 96, 128]))
    wide = 4 * middle
    right = 2 * wide * middle + 9 * middle**2
    return Asked(
        f"Bottleneck({wide}, {middle}, {wide}): how many weights have its three convolutions?",
        right,
        f"{wide}·{middle} + 9·{middle}·{middle} + {middle}·{wide} = {right:,}; two 3×3 at {wide} "
        f"channels would have {18 * wide**2:,}",
        wrong=distinct(
            right,
            {
                "two_of_3x3": (18 * wide**2, "This is a BasicBlock of that width."),
                "all_of_3x3": (
                    9 * (2 * wide * middle + middle**2),
                    "Only the middle one is 3×3.",
                ),
                "one_narrow": (
                    wide * middle + 9 * middle**2,
                    "There are two 1×1: one down, one up.",
                ),
                "wide_in_the_middle": (
                    2 * wide * middle + 9 * wide * middle,
                    "The 3×3 works on the narrow maps on both sides.",
                ),
            },
        ),
    )


def _ask_derivative(rng: np.random.Generator) -> Asked:
    slope = -below(rng, 9, 3) / 10
    blocks = below(rng, 4, 2)
    right = round((1 + slope) ** blocks, 6)
    sign = str(slope).replace("-", "−")
    return Asked(
        f"Numbers in place of maps: {blocks} residual blocks y = F(x) + x follow each other, "
        f"without ReLU at their ends, and each has ∂F/∂x = {sign}. By what is a gradient "
        "multiplied on its way back through all of them?",
        right,
        f"each block by {sign} + 1 = {1 + slope:.1f}, together (1 − {-slope})^{blocks} = {right:g}",
        wrong=distinct(
            right,
            {
                "at_least_one": (1.0, "∂F/∂x is added to the 1, and may be negative."),
                "plain": (
                    round(slope**blocks, 6),
                    "So it would be without shortcuts.",
                ),
                "one_block": (round(1 + slope, 6), "This is one block."),
                "added_up": (
                    round(1 + blocks * slope, 6),
                    "One block after the other: their factors multiply.",
                ),
            },
        ),
    )


def _ask_degradation(rng: np.random.Generator) -> Asked:
    shallow, deep = (20, 56) if rng.integers(2) else (18, 34)
    train = sorted(round(float(error), 1) for error in rng.uniform(2, 12, 2))
    while train[1] - train[0] < 2:
        train = sorted(round(float(error), 1) for error in rng.uniform(2, 12, 2))
    options, letter, wrong = choices(
        rng,
        "the deep net is not optimised as well as the shallow one",
        {
            "overfitting": (
                "the deep net overfits",
                "A net that overfits does well on what it was trained on.",
            ),
            "capacity": (
                "the deep net cannot represent what the shallow one can",
                "It can: the further layers only have to hand on what they get.",
            ),
            "vanishing": (
                "the gradients of the deep net must have vanished",
                "With BatchNorm they did not: chapter and paper measured it.",
            ),
        },
    )
    return Asked(
        f"Two plain nets with BatchNorm, {shallow} and {deep} layers, are trained alike. Errors on "
        f"the training images: {train[0]} % and {train[1]} %; the deep net's error on held-back "
        "images is higher as well. What follows?",
        letter,
        "a higher error on the training images themselves: optimisation failed, and neither "
        "capacity nor generalisation is the reason",
        options,
        wrong,
    )


_IDEAS = {
    "AlexNet": "ReLU, dropout, augmentation and two GPUs",
    "VGG": "nothing but 3×3 convolutions, up to 19 layers of weights",
    "GoogLeNet": "parallel branches of several kernel sizes, made cheap by 1×1 convolutions",
    "ResNet": "blocks that add their input to what they compute",
    "DenseNet": "layers that read the maps of all layers before them in their block",
}


def _ask_lineage(rng: np.random.Generator) -> Asked:
    names = [str(name) for name in rng.permutation(list(_IDEAS))][:4]
    right, *others = names
    options, letter, wrong = choices(
        rng, right, {name.lower(): (name, f"{name}: {_IDEAS[name]}.") for name in others}
    )
    return Asked(
        f"Which network brought this: {_IDEAS[right]}?",
        letter,
        f"{right}",
        options,
        wrong,
    )


QUIZ = QuestionExercise(
    name="quiz_07",
    chapter="07",
    questions=(
        Question("depth", _ask_depth),
        Question("projection", _ask_projection),
        Question("inception", _ask_inception),
        Question("dense", _ask_dense),
        Question("bottleneck", _ask_bottleneck),
        Question("derivative", _ask_derivative),
        Question("degradation", _ask_degradation),
        Question("lineage", _ask_lineage),
    ),
    hints=(
        "The blocks of this chapter can be counted: `sum(p.numel() for p in block.parameters())`.",
        "Section 7 has the projection, 8 the derivative, 9 the bottlenecks, 10 the growth.",
    ),
)

EXERCISES = (
    PARAMETER_TABLE,
    VGG_BLOCK,
    INCEPTION_MODULE,
    GRADIENT_NORMS,
    BASIC_BLOCK,
    BOTTLENECK,
    DENSE_LAYER,
    QUIZ,
)
