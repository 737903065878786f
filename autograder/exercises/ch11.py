"""The exercises of chapter 11: the handles of transfer, its losses, and a backbone fine-tuned.

The mistakes below are written out as a learner would write them. Where an answer is random or
trained, `recognise` reads the mistake off the values instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from autograder.exercise import (
    Asked,
    Aspect,
    Case,
    FunctionExercise,
    Misconception,
    PropertyExercise,
    Question,
    QuestionExercise,
    TrainedExercise,
    choices,
)
from autograder.exercises.parts import Array, renumbered, share_right
from autograder.plain import Made
from autograder.trials_transfer import BEHIND, FROZEN, GATED, NESTED, PLAIN, TIMES
from course_lib import data


def _trial(name: str) -> str:
    return f"autograder.trials_transfer:{name}"


def _linear(model: Any) -> list[tuple[str, Any]]:
    """The linear layers of a model, by name and in order."""
    from torch import nn

    return [(name, m) for name, m in model.named_modules() if isinstance(m, nn.Linear)]


def _put(model: Any, name: str, layer: Any) -> Any:
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, layer)
    return model


# ── replace_head ────────────────────────────────────────────────────────────────────────────────


def _replace_head(model: Any, n_classes: int) -> Any:
    from course_lib.transfer import replace_head

    return replace_head(model, n_classes, _linear(model)[-1][0])


def _by_walking_the_children(model: Any, n_classes: int) -> Any:
    import copy

    from torch import nn

    def walk(module: Any) -> bool:
        for name, child in reversed(list(module.named_children())):
            if isinstance(child, nn.Linear):
                setattr(module, name, nn.Linear(child.in_features, n_classes))
                return True
            if walk(child):
                return True
        return False

    model = copy.deepcopy(model)
    walk(model)
    return model


def _replace_as(
    which: Callable[[list[Any]], Any] = lambda layers: layers[-1],
    bias: bool = True,
    result: Callable[[Any, Any], Any] = lambda model, layer: model,
    after: Callable[[Any], None] = lambda model: None,
) -> Callable[[Any, int], Any]:
    """A new linear layer; the arguments are what a learner gets wrong."""

    def replace_head(model: Any, n_classes: int) -> Any:
        from torch import nn

        name, old = which(_linear(model))
        layer = nn.Linear(old.in_features, n_classes, bias=bias)
        _put(model, name, layer)
        after(model)
        return result(model, layer)

    return replace_head


def _always_fc(model: Any, n_classes: int) -> Any:
    from torch import nn

    model.fc = nn.Linear(model.fc.in_features, n_classes)
    return model


def _appended(model: Any, n_classes: int) -> Any:
    from torch import nn

    return nn.Sequential(model, nn.Linear(_linear(model)[-1][1].out_features, n_classes))


def _only_the_number(model: Any, n_classes: int) -> Any:
    _linear(model)[-1][1].out_features = n_classes
    return model


def _whole_last_child(model: Any, n_classes: int) -> Any:
    from torch import nn

    named = [(n, c) for n, c in model.named_children() if list(c.parameters())]
    name, child = named[-1]
    first = child if isinstance(child, nn.Linear) else child[0]
    setattr(model, name, nn.Linear(first.in_features, n_classes))
    return model


def _zero_head(model: Any, layer: Any) -> Any:
    from torch import nn

    nn.init.zeros_(layer.weight)
    return model


def _reset_all(model: Any) -> None:
    for layer in model.modules():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()


def _head_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(aspect: str, description: str, measure: str) -> Case:
        n = int(rng.choice([2, 3, 7, 10]))
        return Case(aspect, (description, n), measure=_trial(measure))

    yield case("the new head", PLAIN, "head_of")
    yield case("the body is kept", PLAIN, "body_of")
    yield case("the body is kept", NESTED, "body_of")
    for description in (GATED, NESTED, BEHIND):
        yield case("wherever it is", description, "head_of")
    yield case("the body is kept", GATED, "body_of")


REPLACE_HEAD = FunctionExercise(
    name="replace_head",
    chapter="11",
    signature="replace_head(model, n_classes) -> model",
    aspects=(
        Aspect("the new head", 1),
        Aspect("the body is kept", 1, needs=("the new head",)),
        Aspect("wherever it is", 2, needs=("the new head",)),
    ),
    cases=_head_cases,
    reference=_replace_head,
    alternatives={"walking the children": _by_walking_the_children},
    misconceptions=(
        Misconception(
            "always_fc",
            "You count on a layer called `fc`: find the last linear layer, whatever its name.",
            _always_fc,
        ),
        Misconception(
            "appended",
            "The old head is still there, and yours reads its outputs: the new one takes its place "
            "and its inputs.",
            _appended,
        ),
        Misconception(
            "only_the_number",
            "The old head is still in the model: neither a new `out_features` nor a layer under a "
            "name of your own changes it.",
            _only_the_number,
        ),
        Misconception(
            "whole_last_child",
            "You replace the whole last part of the network: only its last linear layer goes.",
            _whole_last_child,
        ),
        Misconception(
            "first_linear",
            "You replace the first linear layer: only the last one is the head.",
            _replace_as(which=lambda layers: layers[0]),
        ),
        Misconception(
            "no_bias",
            "Your new head has no bias.",
            _replace_as(bias=False),
        ),
        Misconception(
            "zeros",
            "Your new weights are all alike: leave them as `nn.Linear` draws them.",
            _replace_as(result=_zero_head),
        ),
        Misconception(
            "returns_the_layer",
            "You return the new layer: the whole model is asked.",
            _replace_as(result=lambda model, layer: layer),
        ),
        Misconception(
            "returns_nothing",
            "The model changes, but you return nothing: `return model`.",
            _replace_as(result=lambda model, layer: None),
        ),
        Misconception(
            "body_reset",
            "Your network starts from random weights everywhere: what it learned is lost.",
            _replace_as(after=_reset_all),
        ),
    ),
    forbidden=("course_lib.transfer.replace_head", "course_lib.transfer.load_backbone"),
    hints=(
        "`model.named_modules()` gives every layer with its name, in order, also those inside "
        "others. Keep the last that is an `nn.Linear`.",
        "The name of a layer inside others has dots: 'classifier.2' is the layer '2' of "
        "'classifier'. `model.get_submodule('classifier')` finds the parent.",
        "parent, _, own = name.rpartition('.'), then setattr(model.get_submodule(parent), own, "
        "nn.Linear(old.in_features, n_classes)), then return model.",
    ),
)


# ── freeze ──────────────────────────────────────────────────────────────────────────────────────


def _freeze(model: Any, except_head: bool = True) -> Any:
    from course_lib.transfer import freeze

    return freeze(model, except_head, _linear(model)[-1][0])


def _freeze_by_names(model: Any, except_head: bool = True) -> Any:
    head = _linear(model)[-1][0] + "."
    for name, parameter in model.named_parameters():
        parameter.requires_grad = except_head and name.startswith(head)
    return model


def _freeze_as(learns: Callable[[Any, str, Any, bool], bool]) -> Callable[..., Any]:
    """`learns(model, name, parameter, except_head)` is what a learner gets wrong."""

    def freeze(model: Any, except_head: bool = True) -> Any:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(learns(model, name, parameter, except_head))
        return model

    return freeze


def _in_head(model: Any, name: str) -> bool:
    return name.startswith(_linear(model)[-1][0] + ".")


def _no_effect(model: Any, except_head: bool = True) -> Any:
    model.requires_grad = False
    return model


def _eval_only(model: Any, except_head: bool = True) -> Any:
    for parameter in _linear(model)[-1][1].parameters():
        parameter.requires_grad_(except_head)
    return model.eval()


def _convolutions_only(model: Any, except_head: bool = True) -> Any:
    from torch import nn

    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            layer.requires_grad_(False)
    _linear(model)[-1][1].requires_grad_(except_head)
    return model


def _head_as_it_was(model: Any, except_head: bool = True) -> Any:
    for name, parameter in model.named_parameters():
        if not (except_head and _in_head(model, name)):
            parameter.requires_grad_(False)
    return model


def _last_child_learns(model: Any, except_head: bool = True) -> Any:
    model.requires_grad_(False)
    list(model.children())[-1].requires_grad_(except_head)
    return model


def _all_linear_learn(model: Any, name: str, parameter: Any, except_head: bool) -> bool:
    return except_head and any(name.startswith(n + ".") for n, _ in _linear(model))


def _zeroed(model: Any, except_head: bool = True) -> Any:
    import torch

    with torch.no_grad():
        for name, parameter in _freeze(model, except_head).named_parameters():
            if not _in_head(model, name):
                parameter.zero_()
    return model


def _freeze_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(aspect: str, description: str, measure: str = "learning", **kwargs: Any) -> Case:
        return Case(aspect, (description,), kwargs, measure=_trial(measure))

    networks = [PLAIN, *(str(name) for name in rng.permutation([NESTED, GATED, BEHIND]))]
    for description in networks:
        yield case("all but the head", description)
    yield case("all but the head", PLAIN, "weights_of")
    yield case("everything", PLAIN, except_head=False)
    yield case("everything", networks[1], except_head=False)
    yield case("the head learns again", FROZEN)
    yield case("the head learns again", FROZEN, except_head=True)


FREEZE = FunctionExercise(
    name="freeze",
    chapter="11",
    signature="freeze(model, except_head=True) -> model",
    aspects=(
        Aspect("all but the head", 2),
        Aspect("everything", 1, needs=("all but the head",)),
        Aspect("the head learns again", 1, needs=("all but the head",)),
    ),
    cases=_freeze_cases,
    reference=_freeze,
    alternatives={"by names": _freeze_by_names},
    misconceptions=(
        Misconception(
            "always_fc",
            "You look for layers called `fc`: find the last linear layer, whatever its name.",
            _freeze_as(lambda model, name, p, keep: keep and "fc" in name.split(".")),
        ),
        Misconception(
            "no_effect",
            "`model.requires_grad = False` gives the model an attribute that nobody reads: each "
            "parameter has its own, and `model.requires_grad_(False)`, with the underscore, sets "
            "them all.",
            _no_effect,
        ),
        Misconception(
            "eval_only",
            "`eval()` changes how dropout and BatchNorm work; it stops no gradient.",
            _eval_only,
        ),
        Misconception(
            "convolutions_only",
            "You freeze the convolutions: the other layers of the body have parameters too.",
            _convolutions_only,
        ),
        Misconception(
            "weights_only",
            "A bias of the body still learns: freeze every parameter, not `weight` alone.",
            _freeze_as(
                lambda model, name, p, keep: (
                    (name.endswith("bias") or _in_head(model, name)) if keep else False
                )
            ),
        ),
        Misconception(
            "head_weight_only",
            "The bias of the head stands still.",
            _freeze_as(
                lambda model, name, p, keep: (
                    keep and _in_head(model, name) and name.endswith("weight")
                )
            ),
        ),
        Misconception(
            "last_parameter",
            "Only the very last parameter learns: a head has a weight and a bias.",
            _freeze_as(lambda model, name, p, keep: keep and p is list(model.parameters())[-1]),
        ),
        Misconception(
            "everything_always",
            "Nothing learns any more: the head must, unless `except_head` is False.",
            _freeze_as(lambda model, name, p, keep: False),
        ),
        Misconception(
            "except_head_ignored",
            "With `except_head=False` nothing at all may learn.",
            _freeze_as(lambda model, name, p, keep: _in_head(model, name)),
        ),
        Misconception(
            "inverted",
            "It is the head that stands still with you, and the body that learns.",
            _freeze_as(lambda model, name, p, keep: not _in_head(model, name) if keep else False),
        ),
        Misconception(
            "all_linear_layers_learn",
            "Every linear layer learns with you: the head is the last one.",
            _freeze_as(_all_linear_learn),
        ),
        Misconception(
            "last_child_learns",
            "You let the last part of the model learn: that may be more than the last linear "
            "layer, or something else.",
            _last_child_learns,
        ),
        Misconception(
            "head_as_it_was",
            "The head stays as it came: if it was frozen before, it must learn again.",
            _head_as_it_was,
        ),
        Misconception(
            "weights_zeroed",
            "You change the weights: freezing leaves them what they are.",
            _zeroed,
        ),
    ),
    forbidden=("course_lib.transfer.freeze",),
    hints=(
        "Two steps: freeze everything, then let the head learn.",
        "`model.requires_grad_(False)` freezes all parameters of a model, `layer.requires_grad_()` "
        "frees those of a layer. The underscore matters.",
        "The head is the last of [m for m in model.modules() if isinstance(m, nn.Linear)].",
    ),
)


# ── layerwise_lr_groups ─────────────────────────────────────────────────────────────────────────


def _layerwise(model: Any, base_lr: float, decay: float) -> Any:
    from course_lib.transfer import layerwise_lr_groups

    return layerwise_lr_groups(model, base_lr, decay)


def _layerwise_backwards(model: Any, base_lr: float, decay: float) -> Any:
    groups: list[Any] = []
    rate = base_lr
    for child in reversed(list(model.children())):
        if any(True for _ in child.parameters()):
            groups.insert(0, {"lr": rate, "params": child.parameters()})
            rate *= decay
    return groups


def _layerwise_as(
    rate: Callable[[float, float, int, int], float] = lambda lr, d, k, n: lr * d ** (n - 1 - k),
    parts: Callable[[Any], list[Any]] | None = None,
) -> Callable[..., Any]:
    """`rate(base_lr, decay, place, number of groups)`; `parts(model)` are lists of parameters."""

    def layerwise_lr_groups(model: Any, base_lr: float, decay: float) -> Any:
        found = (parts or _by_child)(model)
        return [
            {"params": part, "lr": rate(base_lr, decay, k, len(found))}
            for k, part in enumerate(found)
            if part
        ]

    return layerwise_lr_groups


def _by_child(model: Any) -> list[Any]:
    return [part for child in model.children() if (part := list(child.parameters()))]


def _every_child(model: Any) -> list[Any]:
    return [list(child.parameters()) for child in model.children()]


def _by_layer(model: Any) -> list[Any]:
    leaves = [m for m in model.modules() if not list(m.children())]
    return [part for leaf in leaves if (part := list(leaf.parameters()))]


def _without_bias(model: Any) -> list[Any]:
    return [[p for p in part if p.ndim > 1] or part for part in _by_child(model)]


def _layerwise_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(aspect: str, description: str) -> Case:
        rate = float(rng.choice([1e-3, 5e-3, 2e-2]))
        decay = float(rng.choice([0.3, 0.6, 0.75, 0.9]))
        return Case(aspect, (description, rate, decay), measure=_trial("groups_of"))

    for description in (GATED, PLAIN):
        yield case("the rates", description)
    yield case("the rates", BEHIND)
    yield case("parts with layers of their own", NESTED)


LAYERWISE = FunctionExercise(
    name="layerwise_lr_groups",
    chapter="11",
    signature="layerwise_lr_groups(model, base_lr, decay) -> list of param groups",
    aspects=(
        Aspect("the rates", 3),
        Aspect("parts with layers of their own", 1, needs=("the rates",)),
    ),
    cases=_layerwise_cases,
    reference=_layerwise,
    alternatives={"from the last": _layerwise_backwards},
    misconceptions=(
        Misconception(
            "first_is_fastest",
            "Your first child has the largest rate: the last one has `base_lr`.",
            _layerwise_as(rate=lambda lr, d, k, n: lr * d**k),
        ),
        Misconception(
            "last_decays_too",
            "Your last group is slowed down as well: it learns at `base_lr`.",
            _layerwise_as(rate=lambda lr, d, k, n: lr * d ** (n - k)),
        ),
        Misconception(
            "divided",
            "Your earlier groups learn faster: multiply by decay, do not divide.",
            _layerwise_as(rate=lambda lr, d, k, n: lr / d ** (n - 1 - k)),
        ),
        Misconception(
            "linear_decay",
            "Your rates fall by equal steps: each is `decay` times the next.",
            _layerwise_as(rate=lambda lr, d, k, n: lr * d * (k + 1) / n if k < n - 1 else lr),
        ),
        Misconception(
            "decay_once",
            "All groups but the last have the same rate: the decay multiplies from child to child.",
            _layerwise_as(rate=lambda lr, d, k, n: lr if k == n - 1 else lr * d),
        ),
        Misconception(
            "no_decay",
            "Every group has the same rate.",
            _layerwise_as(rate=lambda lr, d, k, n: lr),
        ),
        Misconception(
            "counts_empty_children",
            "A child without parameters, such as a ReLU, counts as a step with you: skip it.",
            _layerwise_as(parts=_every_child),
        ),
        Misconception(
            "one_group_for_each_layer",
            "You go down to single layers: a group is a child of the model, with all inside it.",
            _layerwise_as(parts=_by_layer),
        ),
        Misconception(
            "one_group_for_each_parameter",
            "You make a group of each parameter: a child's parameters belong together.",
            _layerwise_as(parts=lambda model: [[p] for p in model.parameters()]),
        ),
        Misconception(
            "weights_only",
            "Some parameters are in no group: biases learn too.",
            _layerwise_as(parts=_without_bias),
        ),
    ),
    forbidden=("course_lib.transfer.layerwise_lr_groups",),
    hints=(
        "`model.children()` are the parts one level down; `list(child.parameters())` is empty for "
        "a ReLU.",
        "With n groups, the last has the rate base_lr·decay⁰, the one before base_lr·decay¹, the "
        "first base_lr·decay^(n − 1).",
        'Collect the lists that are not empty; then [{"params": part, "lr": base_lr * decay ** '
        "(len(parts) - 1 - i)} for i, part in enumerate(parts)].",
    ),
)


# ── preprocess ──────────────────────────────────────────────────────────────────────────────────


def _preprocess(image: Array, size: int, mean: Any, std: Any) -> Array:
    from course_lib.transfer import preprocess

    return preprocess(image, size, mean, std)


def _resize(channels: Array, size: tuple[int, int]) -> Array:
    from course_lib.transfer import resize

    return resize(channels, size)


def _preprocess_normalised_first(image: Array, size: int, mean: Any, std: Any) -> Array:
    """Normalise, then resize: the weights of a mean add up to 1, so the order is free."""
    import torch
    from torch.nn import functional

    limit = {"uint8": 255.0, "uint16": 65_535.0}.get(image.dtype.name, 1.0)
    pixels = torch.tensor((image / limit).astype(np.float32))
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels[..., :3]
    pixels = (pixels - torch.tensor(mean)) / torch.tensor(std)  # grey is repeated on the way
    x = pixels.permute(2, 0, 1)[None].float()
    h, w = x.shape[2:]
    shape = (size, round(w * size / h)) if h <= w else (round(h * size / w), size)
    x = functional.interpolate(x, size=shape, mode="bilinear", antialias=True)[0]
    top, left = (shape[0] - size) // 2, (shape[1] - size) // 2
    return np.asarray(x[:, top : top + size, left : left + size])


def _limit(image: Array) -> float:
    return {"uint8": 255.0, "uint16": 65_535.0}.get(image.dtype.name, 1.0)


def _shorter(x: Array, size: int) -> tuple[int, int]:
    height, width = x.shape[1:]
    scale = size / min(height, width)
    return round(height * scale), round(width * scale)


def _middle(x: Array, size: int) -> Array:
    top, left = (x.shape[1] - size) // 2, (x.shape[2] - size) // 2
    return x[:, top : top + size, left : left + size]


def _shorter_then_cut(x: Array, size: int) -> Array:
    return _middle(_resize(x, _shorter(x, size)), size)


def _square_first(x: Array, size: int) -> Array:
    return _resize(_middle(x, min(x.shape[1:])), (size, size))


def _preprocess_as(
    limit: Callable[[Array], float] = _limit,
    channels: Callable[[Array, int], Array] | None = None,
    fit: Callable[[Array, int], Array] | None = None,
    normal: Callable[[Array, Array, Array], Array] = lambda x, m, s: (x - m) / s,
    end: Callable[[Array], Array] = lambda x: x,
) -> Callable[..., Array]:
    """The steps in order; the arguments are what a learner gets wrong."""

    def preprocess(image: Array, size: int, mean: Any, std: Any) -> Array:
        x = image / limit(image)
        x = x[:, :, None] if x.ndim == 2 else x[:, :, :3]
        x = x.transpose(2, 0, 1) if channels is None else channels(image / limit(image), len(mean))
        if channels is None and len(x) == 1:
            x = np.repeat(x, len(mean), axis=0)
        x = (fit or _shorter_then_cut)(x, size)
        middle, spread = (np.array(v)[:, None, None] for v in (mean, std))
        return end(normal(x, middle, spread))

    return preprocess


def _squashed(x: Array, size: int) -> Array:
    return _resize(x, (size, size))


def _cut_only(x: Array, size: int) -> Array:
    return _middle(x, size) if min(x.shape[1:]) >= size else _resize(x, (size, size))


def _corner(x: Array, size: int) -> Array:
    return _resize(x, _shorter(x, size))[:, :size, :size]


def _longer(x: Array, size: int) -> Array:
    scale = size / max(x.shape[1:])
    return _resize(x, (round(x.shape[1] * scale), round(x.shape[2] * scale)))


def _rounded_down(x: Array, size: int) -> Array:
    height, width = x.shape[1:]
    shorter = min(height, width)
    return _middle(_resize(x, (height * size // shorter, width * size // shorter)), size)


def _uncut(x: Array, size: int) -> Array:
    return _resize(x, _shorter(x, size))


def _alpha_kept(image: Array, wanted: int) -> Array:
    x = image[:, :, None] if image.ndim == 2 else image
    x = x.transpose(2, 0, 1)
    return np.repeat(x, wanted, axis=0) if len(x) == 1 else x


def _grey_stays_one(image: Array, wanted: int) -> Array:
    x = image[None] if image.ndim == 2 else image[:, :, :3].transpose(2, 0, 1)
    return np.broadcast_to(x, (max(wanted, len(x)), *x.shape[1:])) * _first_only(len(x), wanted)


def _first_only(held: int, wanted: int) -> Array:
    """Ones, but zeros in the channels that a grey image does not fill."""
    ones = np.ones((wanted, 1, 1))
    if held == 1:
        ones[1:] = 0
    return ones


def _reversed(image: Array, wanted: int) -> Array:
    x = image[:, :, None] if image.ndim == 2 else image[:, :, :3][:, :, ::-1]
    x = x.transpose(2, 0, 1)
    return np.repeat(x, wanted, axis=0) if len(x) == 1 else x


def _turned(image: Array, wanted: int) -> Array:
    x = image[:, :, None] if image.ndim == 2 else image[:, :, :3]
    x = x.transpose(2, 1, 0)
    return np.repeat(x, wanted, axis=0) if len(x) == 1 else x


def _alpha_normalised(image: Array, size: int, mean: Any, std: Any) -> Array:
    """Four channels stay four; mean and std of the first stand for the fourth."""
    if image.ndim == 3 and image.shape[2] == 4:
        mean, std = [*mean, mean[0]], [*std, std[0]]
        return _preprocess_as(channels=_alpha_kept)(image, size, mean, std)
    return _preprocess_as()(image, size, mean, std)


def _preprocess_cases(rng: np.random.Generator) -> Iterator[Case]:
    def statistics(n: int) -> tuple[list[float], list[float]]:
        mean = [round(float(v), 3) for v in rng.uniform(0.3, 0.6, n)]
        return mean, [round(float(v), 3) for v in rng.uniform(0.15, 0.4, n)]

    def floats(*shape: int) -> Array:
        return np.round(rng.random(shape), 3)

    def case(aspect: str, image: Array, size: int, n: int = 3, note: str = "") -> Case:
        return Case(aspect, (image, size, *statistics(n)), note=note)

    def whole(kind: type, *shape: int) -> Array:
        return rng.integers(0, np.iinfo(kind).max, shape, endpoint=True).astype(kind)

    for side in (2, 5):
        yield case("the right size already", floats(side, side, 3), side)
    yield case("bytes and 16 bits", whole(np.uint8, 4, 4, 3), 4, note="bytes")
    yield case("bytes and 16 bits", whole(np.uint16, 4, 4, 3), 4, note="16 bits")
    yield case("bytes and 16 bits", np.zeros((3, 3, 3), np.uint8), 3, note="all bytes are 0")
    dark = rng.integers(0, 2, (3, 3, 3)).astype(np.uint8)
    yield case("bytes and 16 bits", dark, 3, note="bytes of 0 and 1")
    yield case("grey and RGBA", floats(4, 4), 4, note="grey, three channels asked")
    yield case("grey and RGBA", floats(4, 4), 4, 1, "grey, one channel asked")
    yield case("grey and RGBA", floats(4, 4, 4), 4, note="RGBA")
    yield case("grey and RGBA", whole(np.uint8, 3, 3, 4), 3, note="RGBA in bytes")
    small = int(rng.integers(4, 7))
    yield case("other sizes", floats(2 * small, 2 * small, 3), small, note="twice as large")
    yield case("other sizes", floats(small, small, 3), small + 3, note="smaller")
    # 16·5/9 = 8.9: whoever cuts the fraction off gets 8 columns, not 9.
    yield case("other sizes", floats(9, 16, 3), 5, note="wide")
    yield case("other sizes", floats(17, 9, 3), 6, note="high")
    yield case("other sizes", whole(np.uint8, 6, 11), 5, note="wide and grey")


PREPROCESS = FunctionExercise(
    name="preprocess",
    chapter="11",
    signature="preprocess(image, size, mean, std) -> (C, size, size)",
    aspects=(
        Aspect("the right size already", 2),
        Aspect("bytes and 16 bits", 1, needs=("the right size already",)),
        Aspect("grey and RGBA", 1, needs=("the right size already",)),
        Aspect("other sizes", 2, needs=("the right size already",)),
    ),
    worked=(
        Case(
            "the right size already",
            (np.array([[[1.0, 0.5, 0.0]]]), 1, [0.5, 0.5, 0.5], [0.25, 0.25, 0.5]),
        ),
    ),
    cases=_preprocess_cases,
    reference=_preprocess,
    alternatives={"normalised first": _preprocess_normalised_first, "steps": _preprocess_as()},
    rtol=1e-4,
    misconceptions=(
        Misconception(
            "never_divided",
            "Bytes go up to 255: bring them to [0, 1] before mean and std come in.",
            _preprocess_as(limit=lambda image: 1.0),
        ),
        Misconception(
            "always_by_255",
            "You divide every image by 255: floats are in [0, 1] already.",
            _preprocess_as(limit=lambda image: 255.0),
        ),
        Misconception(
            "sixteen_bits_by_255",
            "The largest value of 16 bits is 65,535.",
            _preprocess_as(limit=lambda image: 1.0 if image.dtype.kind == "f" else 255.0),
        ),
        Misconception(
            "by_its_largest_value",
            "You divide by the largest value in the image: a dark image would turn bright.",
            _preprocess_as(limit=lambda i: 1.0 if i.dtype.kind == "f" else float(max(1, i.max()))),
        ),
        Misconception(
            "by_256",
            "The largest byte is 255, not 256.",
            _preprocess_as(
                limit=lambda i: {"uint8": 256.0, "uint16": 65_536.0}.get(i.dtype.name, 1.0)
            ),
        ),
        Misconception(
            "squashed",
            "You press the image into a square: keep its proportions, and cut the middle out.",
            _preprocess_as(fit=_squashed),
        ),
        Misconception(
            "cut_without_resizing",
            "You cut a square out without resizing: the shorter side becomes `size` first.",
            _preprocess_as(fit=_cut_only),
        ),
        Misconception(
            "cut_at_the_corner",
            "You keep the corner at the top left: the middle is asked.",
            _preprocess_as(fit=_corner),
        ),
        Misconception(
            "longer_side",
            "You bring the longer side to `size`: then the shorter one is too short.",
            _preprocess_as(fit=_longer),
        ),
        Misconception(
            "rounded_down",
            "You cut the fraction of the longer side off: round it with `round`.",
            _preprocess_as(fit=_rounded_down),
        ),
        Misconception(
            "not_cut",
            "Your image is not square: cut its middle out after resizing.",
            _preprocess_as(fit=_uncut),
        ),
        Misconception(
            "square_first",
            "You cut before you resize: at the edges of the square a pixel then misses its "
            "neighbours.",
            _preprocess_as(fit=_square_first),
        ),
        Misconception(
            "alpha_kept",
            "The fourth channel of RGBA says how opaque a pixel is: it is no colour, drop it.",
            _alpha_normalised,
        ),
        Misconception(
            "grey_in_one_channel",
            "A grey image fills your first channel only: repeat it.",
            _preprocess_as(channels=_grey_stays_one),
        ),
        Misconception(
            "blue_first",
            "Your colours are in the order blue, green, red.",
            _preprocess_as(channels=_reversed),
        ),
        Misconception(
            "turned",
            "You exchange height and width: (H, W, C) becomes (C, H, W) by transpose(2, 0, 1).",
            _preprocess_as(channels=_turned),
        ),
        Misconception(
            "channels_last",
            "Your channels come last: (C, size, size) is asked.",
            _preprocess_as(end=lambda x: x.transpose(1, 2, 0)),
        ),
        Misconception(
            "not_normalised",
            "You stop at [0, 1]: subtract the mean, divide by std.",
            _preprocess_as(normal=lambda x, m, s: x + 0 * m),
        ),
        Misconception(
            "std_forgotten",
            "You subtract the mean: now divide by std.",
            _preprocess_as(normal=lambda x, m, s: x - m),
        ),
        Misconception(
            "divided_by_the_variance",
            "You divide by the square of std.",
            _preprocess_as(normal=lambda x, m, s: (x - m) / s**2),
        ),
        Misconception(
            "multiplied",
            "You multiply by std: divide.",
            _preprocess_as(normal=lambda x, m, s: (x - m) * s),
        ),
        Misconception(
            "added",
            "You add the mean: subtract it.",
            _preprocess_as(normal=lambda x, m, s: (x + m) / s),
        ),
        Misconception(
            "its_own_statistics",
            "You normalise by the image's own mean and spread: take those of pretraining.",
            _preprocess_as(
                normal=lambda x, m, s: (
                    (x - x.mean((1, 2), keepdims=True))
                    / (x.std((1, 2), keepdims=True) + 1e-6)
                    * np.ones_like(m)
                )
            ),
        ),
    ),
    forbidden=("course_lib.transfer.preprocess", "course_lib.transfer.Preprocessing"),
    hints=(
        "One step after the other: to [0, 1]; to (C, H, W), with as many channels as there are "
        "means; to the right size; then mean and std.",
        "image.dtype is np.uint8 or np.uint16 or a float. image[:, :, :3] drops the fourth "
        "channel. np.repeat(x, 3, axis=0) makes three channels of one.",
        "scale = size / min(height, width); resize(x, (round(height * scale), round(width * "
        "scale))); cut from top = (new_height − size) // 2. Mean and std become (C, 1, 1).",
    ),
)


# ── label_smoothing_cross_entropy ───────────────────────────────────────────────────────────────


def _log_softmax(logits: Array) -> Array:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def _naive_log_softmax(logits: Array) -> Array:
    with np.errstate(all="ignore"):
        powers = np.exp(logits)
        return np.asarray(np.log(powers / powers.sum(axis=1, keepdims=True)))


def _smoothed_as(
    goal: Callable[[Array, float], Array] = lambda chosen, s: (
        (1 - s) * chosen + s / chosen.shape[1]
    ),
    log_softmax: Callable[[Array], Array] = _log_softmax,
    gather: Callable[[Array], Any] = lambda losses: losses.mean(),
) -> Callable[[Array, Array, float], Any]:
    """Cross-entropy with a goal made of one-hot rows; the arguments are what goes wrong."""

    def label_smoothing_cross_entropy(logits: Array, targets: Array, smoothing: float) -> Any:
        chosen = np.eye(logits.shape[1])[targets]
        with np.errstate(all="ignore"):
            losses = -(goal(chosen, smoothing) * log_softmax(logits)).sum(axis=1)
        found = gather(losses)
        return found if isinstance(found, np.ndarray) else float(found)

    return label_smoothing_cross_entropy


def _smoothed_in_two_parts(logits: Array, targets: Array, smoothing: float) -> float:
    log_p = _log_softmax(logits)
    picked = log_p[np.arange(len(targets)), targets].mean()
    return float(-(1 - smoothing) * picked - smoothing * log_p.mean())


def _smoothing_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(aspect: str, n: int, k: int, s: float, spread: float = 2.0, note: str = "") -> Case:
        logits = np.round(rng.normal(0, spread, (n, k)), 2)
        return Case(aspect, (logits, rng.integers(0, k, n), s), note=note)

    for n, k in ((1, 3), (4, 5)):
        yield case("no smoothing", n, k, 0.0)
    for n, k in ((1, 2), (1, 4), (3, 3), (6, 10)):
        yield case("smoothed", n, k, float(rng.choice([0.1, 0.2, 0.3])))
    yield case("smoothed", 5, 4, 0.9, note="nearly all is spread")
    k = int(rng.integers(3, 6))
    for s in (0.0, 0.1):
        for largest in (1000.0, -1000.0):
            logits = np.full((2, k), largest) + np.round(rng.normal(0, 1, (2, k)), 2)
            targets = rng.integers(0, k, 2)
            yield Case("large logits", (logits, targets, s), note=f"all close to {largest:g}")


LABEL_SMOOTHING = FunctionExercise(
    name="label_smoothing_cross_entropy",
    chapter="11",
    signature="label_smoothing_cross_entropy(logits, targets, smoothing) -> float",
    aspects=(
        Aspect("no smoothing", 1),
        Aspect("smoothed", 2, needs=("no smoothing",)),
        Aspect("large logits", 1, needs=("no smoothing",)),
    ),
    worked=(Case("smoothed", (np.array([[2.0, 0.0]]), np.array([0]), 0.2)),),
    cases=_smoothing_cases,
    reference=_smoothed_as(),
    alternatives={"in two parts": _smoothed_in_two_parts},
    misconceptions=(
        Misconception(
            "spread_over_the_others",
            "You spread the share over the wrong classes alone: every class gets smoothing/K, the "
            "right one too.",
            _smoothed_as(lambda c, s: (1 - s) * c + s / max(1, c.shape[1] - 1) * (1 - c)),
        ),
        Misconception(
            "not_taken_from_the_target",
            "You add the spread and take nothing away: the goal's shares must add up to 1.",
            _smoothed_as(lambda c, s: c + s / c.shape[1]),
        ),
        Misconception(
            "not_divided",
            "Each class gets the whole of `smoothing` with you: it is shared among all K.",
            _smoothed_as(lambda c, s: (1 - s) * c + s),
        ),
        Misconception(
            "right_class_without_its_share",
            "The right class gets 1 − smoothing and nothing of the spread: it is one of the K.",
            _smoothed_as(lambda c, s: (1 - s) * c + s / c.shape[1] * (1 - c)),
        ),
        Misconception(
            "no_spread",
            "You make the right class less sure, but give nobody what you took.",
            _smoothed_as(lambda c, s: (1 - s) * c),
        ),
        Misconception(
            "exchanged",
            "You keep `smoothing` of the label and spread the rest: it is the other way round.",
            _smoothed_as(lambda c, s: s * c + (1 - s) / c.shape[1]),
        ),
        Misconception(
            "smoothing_ignored",
            "Your loss does not answer to `smoothing`.",
            _smoothed_as(lambda c, s: c),
        ),
        Misconception(
            "summed",
            "Your loss is the sum over the batch: take the mean.",
            _smoothed_as(gather=lambda losses: losses.sum()),
        ),
        Misconception(
            "mean_over_classes_too",
            "You average over classes as well: add up over the classes, average over the images.",
            _smoothed_as(lambda c, s: ((1 - s) * c + s / c.shape[1]) / c.shape[1]),
        ),
        Misconception(
            "loss_for_each_image",
            "You return a loss for each image: their mean is asked.",
            _smoothed_as(gather=lambda losses: losses),
        ),
        Misconception(
            "no_minus",
            "Your loss is negative: minus the sum of goal times log-probability.",
            _smoothed_as(gather=lambda losses: -losses.mean()),
        ),
        Misconception(
            "overflow",
            "Large logits overflow: subtract the largest of each row first.",
            _smoothed_as(log_softmax=_naive_log_softmax),
        ),
        Misconception(
            "no_logarithm",
            "You multiply the goal by probabilities: by their logarithms.",
            _smoothed_as(log_softmax=lambda z: np.exp(_log_softmax(z))),
        ),
        Misconception(
            "logits_as_log_probabilities",
            "Logits are no logarithms of probabilities yet: the softmax is missing.",
            _smoothed_as(log_softmax=lambda z: z),
        ),
    ),
    forbidden=(
        "torch.nn.functional.cross_entropy",
        "torch:aten._log_softmax",
        "torch:aten._softmax",
        "scipy.special.softmax",
        "scipy.special.log_softmax",
        "scipy.special.logsumexp",
        "course_lib.ops.cross_entropy",
        "course_lib.ops.softmax",
    ),
    hints=(
        "First the goal: a row for each image, 1 − smoothing at its class and 0 elsewhere, and "
        "then smoothing/K on top everywhere.",
        "log softmax: subtract each row's largest logit, then the log of the sum of exponentials.",
        "-(goal * log_p).sum(axis=1).mean() is the loss.",
    ),
)


# ── mixup ───────────────────────────────────────────────────────────────────────────────────────


def _mixup(
    x: Array, y_onehot: Array, alpha: float, rng: np.random.Generator
) -> tuple[Array, Array]:
    share = rng.beta(alpha, alpha)
    partner = rng.permutation(len(x))
    return (
        share * x + (1 - share) * x[partner],
        share * y_onehot + (1 - share) * y_onehot[partner],
    )


def _mixup_partner_first(x: Array, y_onehot: Array, alpha: float, rng: np.random.Generator) -> Any:
    order = np.arange(len(x))
    rng.shuffle(order)
    share = float(rng.beta(alpha, alpha))
    return x[order] * share + x * (1 - share), y_onehot[order] * share + y_onehot * (1 - share)


class _Mixed:
    """What many calls gave, for images and labels that are rows of the identity.

    `problem` says what is no mixup at all; `shares` and `partners` are what could be read.
    """

    def __init__(self, answer: Any, n: int, times: int) -> None:
        self.problem, self.fault = "", ""
        self.shares: list[float] = []
        self.partners: list[tuple[int, ...]] = []
        if not isinstance(answer, list | tuple) or len(answer) != times + 1:
            self.fail("", "your answers could not be read")
            return
        for place, pair in enumerate(answer):
            self.read(pair, n)
            if self.problem:
                return
            if place == times and not _alike(pair, answer[0]):
                self.fail("not_from_rng", "the same generator gives another mixture each time")

    def fail(self, fault: str, problem: str) -> None:
        if not self.problem:
            self.fault, self.problem = fault, problem

    def read(self, pair: Any, n: int) -> None:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            self.fail("", "a pair (x, y) is asked")
            return
        x, y = pair
        for name, part, shape in (("x", x, (n, 1, 1, n)), ("y", y, (n, n))):
            if not isinstance(part, np.ndarray) or part.shape != shape:
                self.fail("", f"{name} must be an array of shape {shape}")
                return
        x = x.reshape(n, n).astype(float)
        if not _is_mixture(x):
            self.fail("", "an image is no weighted mean of itself and one other image")
            return
        own = np.diag(x)
        mixed = own < 1 - 1e-6
        if mixed.any() and np.ptp(own[mixed]) > 1e-6:
            self.fail("weight_for_each", "the images of a batch have different weights")
            return
        other = x - np.diag(own)
        partner = np.where(mixed, other.argmax(axis=1), np.arange(n))
        if len(set(partner.tolist())) < n:
            self.fail("drawn_with_repeats", "two images have the same partner")
            return
        if not _near(y, x):
            self.label(x, y.astype(float), partner)
            return
        if mixed.any():
            self.shares.append(float(own[mixed][0]))
        self.partners.append(tuple(int(p) for p in partner))

    def label(self, x: Array, y: Array, partner: Array) -> None:
        """The images are right, the labels are not: why?"""
        n = len(x)
        mixed = partner != np.arange(n)
        if np.allclose(y, np.eye(n)):
            self.fail("labels_kept", "the labels are not mixed")
        elif np.allclose(y, np.eye(n)[partner]):
            self.fail("labels_of_the_partner", "the labels are those of the partners alone")
        elif _is_mixture(y) and np.allclose((np.diag(y) + np.diag(x))[mixed], 1, atol=1e-6):
            self.fail("labels_the_other_way", "the labels have the partner's weight")
        elif _is_mixture(y) and np.allclose(np.diag(y) + y[np.arange(n), partner], 1 + ~mixed):
            self.fail("labels_of_another_weight", "the labels have another weight than the images")
        else:
            self.fail(
                "labels_of_another_draw", "the labels are mixed in another way than the images"
            )


def _near(values: Array, wanted: Array | float) -> bool:
    """What np.allclose says of finite `wanted`, in a sixth of its time: a check asks it often."""
    return bool((np.abs(values - wanted) <= 1e-6 + 1e-5 * np.abs(wanted)).all())


def _is_mixture(rows: Array) -> bool:
    """Whether each row of numbers adds up to 1, with itself and at most one other place in it."""
    others = rows - np.diag(np.diag(rows))
    return bool(
        np.isfinite(rows).all()
        and _near(rows.sum(axis=1), 1.0)
        and (rows > -1e-6).all()
        and ((others > 1e-9).sum(axis=1) <= 1).all()
    )


def _alike(a: Any, b: Any) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(a, b, strict=True))


_IMAGES = 6


def _read_mixed(answer: Any, case: Case) -> _Mixed:
    return _Mixed(answer, len(case.args[0]), TIMES)


_LABEL_FAULTS = (
    "labels_kept",
    "labels_of_the_partner",
    "labels_the_other_way",
    "labels_of_another_weight",
    "labels_of_another_draw",
)


def _images_mixed(answer: Any, case: Case) -> str | None:
    found = _read_mixed(answer, case)
    if found.fault in _LABEL_FAULTS:
        return None
    if found.problem:
        return found.problem
    if not found.shares:
        return "nothing is mixed"
    return None if len(set(found.partners)) > 1 else "the partners are the same in every batch"


def _labels_mixed(answer: Any, case: Case) -> str | None:
    return _read_mixed(answer, case).problem or None


def _spread_of(alpha: float) -> float:
    """The variance of Beta(alpha, alpha)."""
    return 1 / (4 * (2 * alpha + 1))


def _weights_drawn(answer: Any, case: Case) -> str | None:
    found = _read_mixed(answer, case)
    if found.problem or len(found.shares) < TIMES / 3:
        return found.problem or "too few weights could be read"
    alpha = case.args[2]
    # A weight of 1 leaves every image as it is and cannot be read; it is 0 as often.
    missing = [1.0] * (len(found.partners) - len(found.shares))
    shares = np.array(found.shares + missing)
    if abs(shares.mean() - 0.5) > 0.13:
        return f"over many batches the weight is {shares.mean():.2f} on average, 0.5 is expected"
    variance = float(shares.var())
    if not 0.6 < variance / _spread_of(alpha) < 1.6:
        return (
            f"for alpha = {alpha:g} the variance of your weight is {variance:.3f}, "
            f"{_spread_of(alpha):.3f} is expected"
        )
    return None


def _mixup_mistake(values: Sequence[Any]) -> str:
    """Which mistake the answers show, all cases together; "" for none that is known."""
    found = [_Mixed(value, _IMAGES, TIMES) for value in values]
    faults = {f.fault for f in found if f.problem}
    if faults:
        return faults.pop() if len(faults) == 1 else ""
    # A weight close to 1 leaves all images as they are: then nobody's partner can be read.
    unread = tuple(range(_IMAGES))
    if all(len(set(f.partners) - {unread}) == 1 for f in found):
        return "always_the_same_partner"
    if any(not f.shares for f in found):
        return ""
    if all(np.ptp(f.shares) < 1e-9 for f in found):
        return "fixed_weight"
    if all(min(f.shares) >= 0.5 for f in found):
        return "larger_half"
    variances = [np.var(f.shares) for f in found]
    near = all(abs(np.mean(f.shares) - 0.5) < 0.13 for f in found)
    if near and all(abs(variance - 1 / 12) < 0.02 for variance in variances):
        return "uniform_weight"
    return ""


def _mixup_as(
    weight: Callable[[float, np.random.Generator, int], Any] = lambda a, rng, n: rng.beta(a, a),
    partner: Callable[[int, np.random.Generator], Array] = lambda n, rng: rng.permutation(n),
    labels: str = "",
) -> Callable[..., Any]:
    """Mixup with its parts exchangeable."""

    def mixup(x: Array, y_onehot: Array, alpha: float, rng: np.random.Generator) -> Any:
        share, order = weight(alpha, rng, len(x)), partner(len(x), rng)
        share_x = np.reshape(share, (-1, 1, 1, 1))
        mixed = share_x * x + (1 - share_x) * x[order]
        share_y = np.reshape(share, (-1, 1))
        if labels == "kept":
            return mixed, y_onehot
        if labels == "partner":
            return mixed, y_onehot[order]
        if labels == "other way":
            share_y = 1 - share_y
        if labels == "another weight":
            share_y = np.reshape(weight(alpha, rng, len(x)), (-1, 1))
        if labels == "another draw":
            order = partner(len(x), rng)
        return mixed, share_y * y_onehot + (1 - share_y) * y_onehot[order]

    return mixup


def _mixup_misconception(id: str, message: str, **parts: Any) -> Misconception:
    return Misconception(
        id, message, _mixup_as(**parts), recognise=lambda values: _mixup_mistake(values) == id
    )


def _mixup_cases(rng: np.random.Generator) -> Iterator[Case]:
    # Image number i is 1 at pixel i and 0 elsewhere: each can be told in a mixture.
    labels = np.eye(_IMAGES)
    images = labels.reshape(_IMAGES, 1, 1, _IMAGES)
    alphas = {"the images": [1.5], "the labels": [0.4], "the weight": [0.4, 4.0]}
    for aspect in alphas:
        for alpha in alphas[aspect]:
            chance = Made("numpy.random:default_rng", (int(rng.integers(2**31)),))
            args = (images, labels, alpha, chance)
            yield Case(aspect, args, note="200 batches", measure=_trial("mixed"))


MIXUP = PropertyExercise(
    name="mixup",
    chapter="11",
    signature="mixup(x, y_onehot, alpha, rng) -> (x, y)",
    aspects=(
        Aspect("the images", 2),
        Aspect("the labels", 1, needs=("the images",)),
        Aspect("the weight", 1, needs=("the images", "the labels")),
    ),
    conditions={
        "the images": _images_mixed,
        "the labels": _labels_mixed,
        "the weight": _weights_drawn,
    },
    cases=_mixup_cases,
    example=_mixup,
    alternatives={"partner first": _mixup_partner_first},
    misconceptions=(
        _mixup_misconception(
            "weight_for_each",
            "You draw a weight for each image: here one weight is for the whole batch.",
            weight=lambda a, rng, n: rng.beta(a, a, n),
        ),
        _mixup_misconception(
            "labels_kept",
            "Your labels stay what they were: an image that is 70 % a 3 has a label that is 70 % "
            "a 3.",
            labels="kept",
        ),
        _mixup_misconception(
            "labels_of_the_partner",
            "Your labels are the partner's alone: mix them with the weight of the images.",
            labels="partner",
        ),
        _mixup_misconception(
            "labels_the_other_way",
            "Your labels give the partner the weight that the image itself has in x.",
            labels="other way",
        ),
        _mixup_misconception(
            "labels_of_another_draw",
            "Your labels are mixed with other partners than the images: draw the permutation once.",
            labels="another draw",
        ),
        _mixup_misconception(
            "labels_of_another_weight",
            "You draw the weight twice: images and labels have the same one.",
            labels="another weight",
        ),
        _mixup_misconception(
            "always_the_same_partner",
            "Every batch has the same partners: draw a permutation with `rng`.",
            partner=lambda n, rng: np.arange(n)[::-1],
        ),
        _mixup_misconception(
            "drawn_with_repeats",
            "Some image is the partner of two, another of none: a permutation uses each once.",
            partner=lambda n, rng: rng.integers(0, n, n),
        ),
        _mixup_misconception(
            "larger_half",
            "Your weight is never below a half: take it as it is drawn.",
            weight=lambda a, rng, n: max(share := rng.beta(a, a), 1 - share),
        ),
        _mixup_misconception(
            "uniform_weight",
            "Your weight does not answer to `alpha`: it comes from Beta(alpha, alpha).",
            weight=lambda a, rng, n: rng.random(),
        ),
        _mixup_misconception(
            "fixed_weight",
            "Your weight is the same each time: it is drawn from Beta(alpha, alpha).",
            weight=lambda a, rng, n: 0.5,
        ),
        _mixup_misconception(
            "not_from_rng",
            "You draw from another generator than `rng`: the same `rng` must give the same "
            "mixture.",
            partner=lambda n, rng: np.random.default_rng().permutation(n),
        ),
    ),
    hints=(
        "Two draws: one weight from rng.beta(alpha, alpha), one order from "
        "rng.permutation(len(x)).",
        "x[order] are the partners, y_onehot[order] their labels.",
        "share * x + (1 - share) * x[order], and the same line for y_onehot.",
    ),
)


# ── fine_tune ───────────────────────────────────────────────────────────────────────────────────


def _scaled(images: Array) -> Array:
    """(N, 8, 8) as the backbone expects them: (N, 1, 8, 8)."""
    from course_lib.experiments import pretrain

    scaled = (images[:, None] - pretrain.MEAN) / pretrain.DEVIATION
    return np.asarray(scaled, dtype=np.float32)


LABELS, DRAWS = 5, 3


def _tune_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Three draws of five labels a class, numbered anew: the mean over them is what counts."""
    held_back, truth = data.digits("test")
    images, labels = data.digits("train")
    for _ in range(DRAWS):
        each = [rng.choice(np.flatnonzero(labels == c), LABELS, False) for c in range(10)]
        chosen = rng.permutation(np.concatenate(each))
        y, targets = renumbered(rng, labels[chosen], truth)
        args = (Made(_trial("letters_backbone")), _scaled(images[chosen]), y, 10)
        yield Case("", args, inputs=(_scaled(held_back),), targets=targets)


def _tuned(backbone: Any, x: Array, y: Array, n_classes: int) -> Any:
    """The recipe with PyTorch alone: the head on fixed features, then everything."""
    import torch
    from torch import nn
    from torch.nn import functional

    backbone.eval()
    name = _linear(backbone)[-1][0]
    inputs = backbone.get_submodule(name).in_features
    images, labels = torch.from_numpy(x), torch.from_numpy(y)
    model = _put(backbone, name, nn.Identity())
    with torch.no_grad():
        features = model(images)
    head = nn.Linear(inputs, n_classes)
    nn.init.zeros_(head.weight)

    def steps(n: int, forward: Callable[[], Any], parameters: Any, lr: float) -> None:
        optimizer = torch.optim.AdamW(parameters, lr=lr)
        plan = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n)
        for _ in range(n):
            loss = functional.cross_entropy(forward(), labels, label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            plan.step()

    steps(100, lambda: head(features), head.parameters(), 1e-2)
    _put(model, name, head)
    steps(40, lambda: model(images), model.parameters(), 1e-3)
    return model


def _still_letters(backbone: Any, x: Array, y: Array, n_classes: int) -> Any:
    return backbone


def _untrained_head(backbone: Any, x: Array, y: Array, n_classes: int) -> Any:
    from torch import nn

    model = _replace_head(backbone, n_classes)
    nn.init.zeros_(_linear(model)[-1][1].weight)
    return model


def _letters_answered(values: Sequence[Any]) -> bool:
    return all(isinstance(v, np.ndarray) and v.ndim == 2 and v.shape[1] > 10 for v in values)


def _always_the_same(values: Sequence[Any]) -> bool:
    """Whether each model says one class alone."""
    found = [v for v in values if isinstance(v, np.ndarray) and v.ndim in (1, 2)]
    said = [v.argmax(axis=1) if v.ndim == 2 else v for v in found if 0 not in v.shape]
    same = len(said) == len(values) and all(len(np.unique(v)) == 1 for v in said)
    return same and not _letters_answered(values)


FINE_TUNE = TrainedExercise(
    name="fine_tune",
    chapter="11",
    signature="fine_tune(backbone, x, y, n_classes) -> model",
    aspects=(Aspect("80 % right", 3), Aspect("90 % right", 2)),
    thresholds={"80 % right": 0.80, "90 % right": 0.90},
    score=share_right,
    cases=_tune_cases,
    alternatives={"with PyTorch alone": _tuned},
    misconceptions=(
        Misconception(
            "still_letters",
            "Your model still answers with the letters' classes: it needs a head for `n_classes`.",
            _still_letters,
            recognise=_letters_answered,
        ),
        Misconception(
            "always_the_same",
            "Your model says the same whatever it sees: was the new head trained, and did a large "
            "rate destroy the body?",
            _untrained_head,
            recognise=_always_the_same,
        ),
    ),
    forbidden=(
        "course_lib.data.digits",
        "course_lib.experiments.transfer.draw",
        "course_lib.experiments.transfer.train",
        "sklearn.datasets.load_digits",
    ),
    hints=(
        "Replace the head, freeze the rest, keep the model in eval mode, and train the head: a "
        "hundred steps of AdamW on all the images at once, at a rate of 0.01.",
        "That alone is enough on most draws. Then let everything learn, for some sixty steps at a "
        "rate of 0.001 that falls to 0.",
        "optimizer = torch.optim.AdamW(groups); in each step the loss of model(x), zero_grad, "
        "backward, step. x and y are arrays: torch.from_numpy makes tensors of them.",
    ),
)


# ── quiz_11 ─────────────────────────────────────────────────────────────────────────────────────

_Wrong = Mapping[str, tuple[int | float | str, str]]


def _different(right: float, wrong: _Wrong) -> dict[str, tuple[int | float | str, str]]:
    """The wrong answers that are wrong for these numbers, each value once."""
    near = 0.0 if isinstance(right, int) else 2e-3  # an int must be right to the last digit
    kept: dict[str, tuple[int | float | str, str]] = {}
    for name, (value, message) in wrong.items():
        others = [right, *(float(v) for v, _ in kept.values())]
        if not any(abs(float(value) - o) <= near * abs(o) for o in others):
            kept[name] = (value, message)
    return kept


def _ask_head(rng: np.random.Generator) -> Asked:
    inputs, old = int(rng.choice([512, 768, 1024, 1280, 2048])), 1000
    new = int(rng.choice([3, 7, 12, 20, 37]))
    right = (inputs + 1) * new
    return Asked(
        f"A backbone gives {inputs:,} features to its head, a linear layer with bias for {old:,} "
        f"classes. You put a head for {new} classes in its place and freeze the rest. How many "
        "parameters learn?",
        right,
        f"{inputs:,}·{new} + {new} = {right:,}",
        wrong=_different(
            right,
            {
                "no_bias": (inputs * new, "Each class has a bias too."),
                "old_head": ((inputs + 1) * old, "That was the old head."),
                "appended": ((old + 1) * new, "The new head reads the features, not old scores."),
                "bias_for_each_input": (inputs * (new + 1), "A bias belongs to each class."),
            },
        ),
    )


def _ask_rate(rng: np.random.Generator) -> Asked:
    n, decay = int(rng.integers(5, 9)), float(rng.choice([0.5, 0.7, 0.8, 0.9]))
    place, base = int(rng.integers(1, n - 1)), float(rng.choice([1e-3, 2e-3, 1e-4]))
    right = base * decay ** (n - place)
    return Asked(
        f"A network has {n} parts. The last learns at {base:g}, each one before it at {decay:g} "
        f"times the rate of the next. At which rate does part number {place} learn (the first is "
        "number 1)? (To four digits or more.)",
        right,
        f"{n - place} steps before the last: {base:g}·{decay:g}^{n - place} = {right:.4g}",
        wrong=_different(
            right,
            {
                "from_the_first": (base * decay**place, "The decay counts from the last part."),
                "one_too_many": (base * decay ** (n - place + 1), "The last has the full rate."),
                "one_too_few": (base * decay ** (n - place - 1), "Count the steps to the last."),
                "linear": (base * (1 - (1 - decay) * (n - place)), "Each step multiplies."),
            },
        ),
    )


def _ask_smoothed(rng: np.random.Generator) -> Asked:
    k, s = int(rng.choice([4, 5, 8, 10, 20])), float(rng.choice([0.1, 0.2, 0.3]))
    right = 1 - s + s / k
    return Asked(
        f"Label smoothing of {s:g} with {k} classes. What share has the right class in the goal? "
        "(To three digits or more.)",
        right,
        f"1 − {s:g} + {s:g}/{k} = {right:.4f}",
        wrong=_different(
            right,
            {
                "without_its_share": (1 - s, "It is one of the K classes that share the rest."),
                "others_share": (s / k, "So much has each of the wrong classes."),
                "not_smoothed": (1.0, "So it would be without smoothing."),
                "added": (1 + s / k, "What is spread is taken from it first."),
            },
        ),
    )


def _ask_mixed(rng: np.random.Generator) -> Asked:
    a, b = (int(n) for n in rng.choice(10, 2, replace=False))
    share = float(rng.choice([0.6, 0.7, 0.8, 0.9]))
    dark, light = float(rng.choice([0.1, 0.2])), float(rng.choice([0.5, 0.8, 1.0]))
    right = share * dark + (1 - share) * light
    return Asked(
        f"Mixup blends a {a} (weight {share:g}) with a {b}. A pixel has the value {dark:g} in the "
        f"{a} and {light:g} in the {b}. What is it in the mixture? (To three digits or more.)",
        right,
        f"{share:g}·{dark:g} + {1 - share:.1f}·{light:g} = {right:.3f}",
        wrong=_different(
            right,
            {
                "other_way": ((1 - share) * dark + share * light, "The first has the weight."),
                "sum": (dark + light, "Each has its weight."),
                "half": ((dark + light) / 2, "The weights are not equal."),
                "first_alone": (share * dark, "The partner adds its part."),
            },
        ),
    )


def _ask_normalised(rng: np.random.Generator) -> Asked:
    byte = int(rng.integers(60, 240))
    mean, std = round(float(rng.uniform(0.35, 0.55)), 2), round(float(rng.uniform(0.2, 0.3)), 2)
    right = (byte / 255 - mean) / std
    return Asked(
        f"A backbone was trained on values in [0, 1], mean {mean:g} and std {std:g}. What does it "
        f"expect in place of the byte {byte}? (To three digits or more.)",
        right,
        f"({byte}/255 − {mean:g})/{std:g} = {right:.3f}",
        wrong=_different(
            right,
            {
                "not_divided": ((byte - mean) / std, "Bytes become values in [0, 1] first."),
                "only_divided": (byte / 255, "Mean and std come next."),
                "no_std": (byte / 255 - mean, "Divide by std."),
                "times_std": ((byte / 255 - mean) * std, "Divide by std."),
            },
        ),
    )


def _ask_moved(rng: np.random.Generator) -> Asked:
    options, letter, wrong = choices(
        rng,
        "the running means and variances of its BatchNorm layers",
        {
            "weights": (
                "the weights of its convolutions",
                "They get no gradient, and the optimizer leaves them alone.",
            ),
            "nothing": (
                "nothing: every parameter is frozen",
                "Not everything in a layer is a parameter: some of it moves in training mode.",
            ),
            "scale": (
                "the scale and shift of its BatchNorm layers",
                "Those are parameters, and frozen.",
            ),
        },
    )
    return Asked(
        "You freeze all parameters of a backbone and train a new head, with `model.train()` before "
        "each epoch. What changes in the backbone all the same?",
        letter,
        "Running values are buffers: training mode moves them, frozen or not",
        options,
        wrong,
    )


def _ask_head_first(rng: np.random.Generator) -> Asked:
    options, letter, wrong = choices(
        rng,
        "its random weights send large, meaningless gradients into a body that is already good",
        {
            "memory": (
                "the body does not fit into memory while the head is random",
                "It takes the same memory whatever the head's weights are.",
            ),
            "forbidden": (
                "gradients cannot flow through a new layer",
                "They can, and that is the trouble.",
            ),
            "labels": (
                "the head needs fewer labels when it is random",
                "It needs the same labels at any time.",
            ),
        },
    )
    return Asked(
        "Why does the recipe train a new head alone before it lets the body learn?",
        letter,
        "A head that has settled sends the body small corrections",
        options,
        wrong,
    )


def _ask_silent(rng: np.random.Generator) -> Asked:
    options, letter, wrong = choices(
        rng,
        "its images are scaled in another way than in pretraining",
        {
            "classes": (
                "it has fewer classes than in pretraining",
                "A new head takes any number of classes.",
            ),
            "eval": (
                "the body is in eval mode",
                "That is how a frozen body should be.",
            ),
            "batch": (
                "the batch is smaller than in pretraining",
                "In eval mode an image's answer does not depend on the batch.",
            ),
        },
    )
    return Asked(
        "A frozen backbone with a new head trains without any error, and its accuracy is far below "
        "what others report. Which of these is a likely reason?",
        letter,
        "Weights and preprocessing belong together, and nothing checks it",
        options,
        wrong,
    )


QUIZ = QuestionExercise(
    name="quiz_11",
    chapter="11",
    questions=(
        Question("head", _ask_head),
        Question("rate", _ask_rate),
        Question("smoothed", _ask_smoothed),
        Question("mixed", _ask_mixed),
        Question("normalised", _ask_normalised),
        Question("moved", _ask_moved),
        Question("first", _ask_head_first),
        Question("silent", _ask_silent),
    ),
    hints=(
        "The first five are one line each. Your own functions of this chapter may help.",
        "For the last three: what is a parameter, what is a buffer, and what does nobody check?",
    ),
)

EXERCISES = (
    PREPROCESS,
    REPLACE_HEAD,
    FREEZE,
    LAYERWISE,
    LABEL_SMOOTHING,
    MIXUP,
    FINE_TUNE,
    QUIZ,
)
