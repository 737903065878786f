"""The exercises of chapter 06: the parts of a training, LeNet, and a classifier of digits.

The mistakes below are written out as a learner would write them. Where an answer is random or
trained, `recognise` reads the mistake off the values instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from autograder.exercise import (
    Asked,
    Aspect,
    Case,
    FunctionExercise,
    Misconception,
    ModuleExercise,
    PropertyExercise,
    Question,
    QuestionExercise,
    TrainedExercise,
    choices,
)
from autograder.exercises.parts import Array, renumbered, share_right
from autograder.plain import Made
from course_lib import data, ops


def _rng(seed: int) -> Made:
    """A NumPy generator, made anew for each call."""
    return Made("numpy.random:default_rng", (seed,))


def _pick(rng: np.random.Generator, *values: Any) -> Any:
    return values[int(rng.integers(len(values)))]


# ── softmax_cross_entropy ───────────────────────────────────────────────────────────────────────


def _softmax_cross_entropy(logits: Array, targets: Array) -> tuple[float, Array]:
    loss = ops.cross_entropy(logits, targets)
    return float(loss), ops.cross_entropy_backward(1.0, logits, targets)


def _onehot(logits: Array, targets: Array) -> Array:
    return np.eye(logits.shape[1])[targets]


def _softmax(logits: Array, axis: int | None = 1) -> Array:
    powers = np.exp(logits - logits.max(axis=axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis=axis, keepdims=True))


def _by_one_hot(logits: Array, targets: Array) -> tuple[Any, Array]:
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    chosen = _onehot(logits, targets)
    return -(log_p * chosen).sum() / len(logits), (np.exp(log_p) - chosen) / len(logits)


def _row_by_row(logits: Array, targets: Array) -> tuple[float, Array]:
    total, grad = 0.0, np.zeros(logits.shape)
    for n, (row, target) in enumerate(zip(logits, targets, strict=True)):
        largest = max(row)
        total += float(np.log(sum(np.exp(value - largest) for value in row))) + largest
        total -= row[target]
        for k in range(len(row)):
            grad[n, k] = 1 / sum(np.exp(other - row[k]) for other in row) if len(row) > 1 else 1
        grad[n, target] -= 1
    return total / len(logits), grad / len(logits)


def _entropy_as(
    *,
    mean: bool = True,
    grad_mean: bool = True,
    sign: int = 1,
    base: Callable[[Any], Any] = np.log,
    probabilities: Callable[[Array], Array] = _softmax,
    grad: Callable[[Array, Array], Array] = lambda p, chosen: p - chosen,
    surprise: Callable[[Array, Array], Array] | None = None,
) -> Callable[[Array, Array], tuple[Any, Array]]:
    """Loss and gradient from probabilities; the keywords are what a learner gets wrong."""

    def answer(logits: Array, targets: Array) -> tuple[Any, Array]:
        p, chosen = probabilities(logits), _onehot(logits, targets)
        n = len(logits)
        with np.errstate(all="ignore"):
            each = (
                -base((p * chosen).sum(axis=1)) if surprise is None else surprise(logits, targets)
            )
        loss = sign * each.sum() / (n if mean else 1)
        return float(loss), grad(p, chosen) / (n if grad_mean else 1)

    return answer


def _exact_surprise(logits: Array, targets: Array) -> Array:
    shifted = logits - logits.max(axis=1, keepdims=True)
    found = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(targets)), targets]
    return np.asarray(found)


def _entropy_exact(**part: Any) -> Callable[[Array, Array], tuple[Any, Array]]:
    return _entropy_as(surprise=_exact_surprise, **part)


def _unshifted(logits: Array) -> Array:
    with np.errstate(all="ignore"):
        powers = np.exp(logits)
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _unshifted_logarithms(logits: Array, targets: Array) -> tuple[float, Array]:
    """Everything by way of log p = z − log(sum(exp(z))), with z as it is."""
    with np.errstate(all="ignore"):
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        chosen = log_p[np.arange(len(targets)), targets]
        return float(-chosen.mean()), (np.exp(log_p) - _onehot(logits, targets)) / len(logits)


def _shifted_by_one_maximum(logits: Array, targets: Array) -> tuple[float, Array]:
    return _unshifted_logarithms(logits - logits.max(), targets)


def _surprise_of_all(logits: Array, targets: Array) -> Array:
    """Every class counts, as in a two-class loss written for each of them."""
    p, chosen = _softmax(logits), _onehot(logits, targets)
    with np.errstate(all="ignore"):
        return np.asarray(-np.where(chosen == 1, np.log(p), np.log1p(-p)).sum(axis=1))


def _entropy_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(aspect: str, n: int, k: int, spread: float = 2.0, note: str = "") -> Case:
        logits = np.round(rng.normal(0, spread, (n, k)), 2)
        targets = rng.integers(0, k, n)
        targets[0] = int(rng.integers(1, k))
        return Case(aspect, (logits, targets), note=note)

    for k in (2, 3, 5, 10):
        yield case("one image", 1, k)
    yield Case("one image", (np.array([[3, -1, 2]]), np.array([2])), note="whole numbers")
    for n, k in ((2, 3), (4, 2), (3, 10), (7, 5)):
        yield case("a batch", n, k)
    yield case("a batch", 5, 4, 0.0, note="every logit is 0")
    k = int(rng.integers(3, 6))
    for largest in (1000.0, -1000.0, 800.0):
        logits = np.full((2, k), largest) + np.round(rng.normal(0, 1, (2, k)), 2)
        yield Case(
            "logits of ±1000", (logits, rng.integers(0, k, 2)), note=f"all close to {largest:g}"
        )
    logits = np.zeros((3, k))
    logits[:, 0], logits[:, 1] = 1000, -1000
    yield Case("logits of ±1000", (logits, np.array([0, 1, 2])), note="1000 and −1000 in a row")
    logits = np.round(rng.normal(0, 1, (3, k)), 2) + np.array([[1000.0], [0.0], [-1000.0]])
    yield Case(
        "logits of ±1000", (logits, rng.integers(0, k, 3)), note="a row near 1000, one near −1000"
    )


SOFTMAX_CROSS_ENTROPY = FunctionExercise(
    name="softmax_cross_entropy",
    chapter="06",
    signature="softmax_cross_entropy(logits, targets) -> (loss, grad)",
    aspects=(Aspect("one image", 2), Aspect("a batch", 1), Aspect("logits of ±1000", 1)),
    worked=(Case("one image", (np.array([[2.0, 1.0, 0.0]]), np.array([0]))),),
    cases=_entropy_cases,
    reference=_softmax_cross_entropy,
    alternatives={"one-hot": _by_one_hot, "row by row": _row_by_row},
    misconceptions=(
        Misconception(
            "overflow",
            "Large logits overflow in the exponential: subtract the largest of each row first. It "
            "changes no probability.",
            _entropy_as(probabilities=_unshifted),
        ),
        Misconception(
            "overflow_in_the_sum",
            "Large logits overflow in the sum of exponentials: subtract the largest of each row "
            "first. It changes no probability.",
            _unshifted_logarithms,
        ),
        Misconception(
            "one_maximum_for_all",
            "You subtract the largest logit of the whole batch: in a row far below it every "
            "exponential becomes 0. Each row has a largest of its own.",
            _shifted_by_one_maximum,
        ),
        Misconception(
            "log_of_zero",
            "You take the logarithm of a probability that has become 0: simplify log(exp(z) / sum) "
            "before you compute it.",
            _entropy_as(),
        ),
        Misconception(
            "loss_summed",
            "Your loss is the sum over the batch: divide by the number of images.",
            _entropy_exact(mean=False),
        ),
        Misconception(
            "all_summed",
            "Loss and gradient are those of the sum: both belong to the mean over the batch.",
            _entropy_exact(mean=False, grad_mean=False),
        ),
        Misconception(
            "gradient_not_averaged",
            "Your gradient belongs to the sum of the losses; your loss is their mean.",
            _entropy_exact(grad_mean=False),
        ),
        Misconception(
            "no_minus",
            "Your loss is negative: the logarithm of a probability is, the surprise is not.",
            _entropy_exact(sign=-1),
        ),
        Misconception(
            "base_two",
            "You measure in bits: the loss uses the natural logarithm.",
            _entropy_as(
                surprise=lambda logits, targets: _exact_surprise(logits, targets) / np.log(2)
            ),
        ),
        Misconception(
            "gradient_reversed",
            "Your gradient points the other way: raising the right logit lowers the loss.",
            _entropy_exact(grad=lambda p, chosen: chosen - p),
        ),
        Misconception(
            "gradient_is_softmax",
            "Your gradient is the softmax alone: something is subtracted at the target.",
            _entropy_exact(grad=lambda p, chosen: p),
        ),
        Misconception(
            "gradient_at_the_target_only",
            "Your gradient is zero but at the target: every logit is in the sum of exponentials.",
            _entropy_exact(grad=lambda p, chosen: (p - 1) * chosen),
        ),
        Misconception(
            "softmax_over_the_batch",
            "Your probabilities add up to 1 down the columns: normalise each row, one image.",
            _entropy_exact(probabilities=lambda logits: _softmax(logits, axis=0)),
        ),
        Misconception(
            "all_classes_count",
            "You add a term for every class: only the probability of the target counts.",
            _entropy_as(surprise=_surprise_of_all),
        ),
        Misconception(
            "loss_for_each_image",
            "You return a loss for each image: their mean is asked.",
            lambda logits, targets: (
                _exact_surprise(logits, targets),
                (_softmax(logits) - _onehot(logits, targets)) / len(logits),
            ),
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
        "course_lib.ops.cross_entropy_backward",
        "course_lib.ops.softmax",
    ),
    hints=(
        "Write the loss of one image first: −log of its target's probability. The gradient of that "
        "with respect to the logits is softmax minus one-hot.",
        "Subtract each row's largest logit. Then −log p[target] is "
        "log(sum(exp(shifted))) − shifted[target]: no probability has to be taken the log of.",
        "rows = np.arange(len(targets)); loss is the mean of np.log(np.exp(s).sum(1)) − "
        "s[rows, targets]; grad = softmax; grad[rows, targets] −= 1; grad /= len(targets).",
    ),
)


# ── train_one_epoch ─────────────────────────────────────────────────────────────────────────────

_WEIGHTS, _STATISTICS, _RETURNED, _MODE = (
    f"autograder.trials:{name}"
    for name in ("weights_after", "statistics_after", "returned", "left_in_training_mode")
)


def _train_as(
    *,
    mode: bool | None = True,
    zero: bool = True,
    step: bool = True,
    early_step: bool = False,
    mode_at_the_end: bool | None = None,
    loss: Callable[[Any, Any], Any] | None = None,
    one_batch: bool = False,
    sign: int = 1,
    result: str = "mean over images",
) -> Callable[[Any, Any, Any], Any]:
    """The loop of an epoch; the keywords are what a learner gets wrong."""

    def train_one_epoch(model: Any, loader: Any, optimizer: Any) -> Any:
        from torch.nn import functional

        if mode is not None:
            model.train(mode)
        losses, sizes = [], []
        for images, targets in loader:
            outputs = model(images)
            value = (loss or functional.cross_entropy)(outputs, targets)
            if zero:
                optimizer.zero_grad()
            if early_step:
                optimizer.step()
            (sign * value).backward()
            if step and not early_step:
                optimizer.step()
            losses.append(value.item())
            sizes.append(len(images))
            if one_batch:
                break
        if mode_at_the_end is not None:
            model.train(mode_at_the_end)
        return {
            "mean over images": float(np.average(losses, weights=sizes)),
            "mean over batches": float(np.mean(losses)),
            "sum": float(np.dot(losses, sizes)),
            "sum over batches": float(np.sum(losses)),
            "last": losses[-1],
            "none": None,
        }[result]

    return train_one_epoch


def _softmax_first(outputs: Any, targets: Any) -> Any:
    from torch.nn import functional

    return functional.cross_entropy(outputs.softmax(dim=1), targets)


def _zero_at_the_end(model: Any, loader: Any, optimizer: Any) -> float:
    from torch import nn

    model.train()
    criterion = nn.CrossEntropyLoss(reduction="sum")
    total = n = 0
    optimizer.zero_grad()
    for x, y in loader:
        loss = criterion(model(x), y)
        (loss / len(y)).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
        total, n = total + loss.detach(), n + len(y)
    return float(total / n)


_PLAIN, _NORM, _DROP = "a small CNN", "one with BatchNorm", "one with dropout"


# Torch's words when weights move between forward and backward: other errors are other mistakes.
_IN_PLACE = ("inplace operation",)


def _epoch_cases(rng: np.random.Generator) -> Iterator[Case]:
    batch_size = int(rng.integers(4, 7))
    even, ragged = (
        f"{n} images in batches of {batch_size}" for n in (3 * batch_size, 2 * batch_size + 1)
    )
    lr = round(float(rng.uniform(0.02, 0.1)), 3)
    for optimizer in (f"SGD {lr}", f"SGD {lr} momentum", f"Adam {lr}"):
        yield Case("the weights", (_PLAIN, even, optimizer), measure=_WEIGHTS, mentions=_IN_PLACE)
    yield Case("the weights", (_PLAIN, ragged, f"SGD {lr}"), measure=_WEIGHTS, mentions=_IN_PLACE)
    for model in (f"{_DROP} in eval mode", f"{_NORM} in eval mode", _DROP, _NORM):
        yield Case("training mode", (model, even, f"SGD {lr}"), measure=_WEIGHTS)
    yield Case("training mode", (f"{_NORM} in eval mode", even, f"SGD {lr}"), measure=_STATISTICS)
    note = "the mode that the model is left in"
    yield Case("training mode", (_DROP, even, f"SGD {lr}"), measure=_MODE, note=note)
    for loader in (even, ragged):
        yield Case("the loss", (_PLAIN, loader, f"SGD {lr}"), measure=_RETURNED)


TRAIN_ONE_EPOCH = FunctionExercise(
    name="train_one_epoch",
    chapter="06",
    signature="train_one_epoch(model, loader, optimizer) -> float",
    aspects=(
        Aspect("the weights", 3),
        Aspect("training mode", 1, needs=("the weights",)),
        Aspect("the loss", 1),
    ),
    cases=_epoch_cases,
    reference=_train_as(),
    alternatives={"zeroed at the end": _zero_at_the_end},
    misconceptions=(
        Misconception(
            "no_zero_grad",
            "Each backward adds to the gradients that are there: without `optimizer.zero_grad()` a "
            "step follows those of all batches so far.",
            _train_as(zero=False),
        ),
        Misconception(
            "no_step",
            "The weights are what they were: each batch needs its `backward()`, then "
            "`optimizer.step()`, and no `zero_grad()` between the two.",
            _train_as(step=False),
        ),
        Misconception(
            "step_before_backward",
            "You step before there is a gradient: first `backward()`, then `step()`.",
            _train_as(zero=False, early_step=True),
        ),
        Misconception(
            "mode_not_set",
            "The model came in eval mode and stayed there: call `model.train()` first.",
            _train_as(mode=None),
        ),
        Misconception(
            "in_eval_mode",
            "You set the model to eval mode, where dropout and BatchNorm do not train.",
            _train_as(mode=False),
        ),
        Misconception(
            "left_in_eval_mode",
            "You leave the model in eval mode: whoever evaluates it will set that; here it stays "
            "in training mode.",
            _train_as(mode_at_the_end=False),
        ),
        Misconception(
            "softmax_first",
            "`cross_entropy` takes logits and applies the softmax itself: yours is applied twice.",
            _train_as(loss=_softmax_first),
        ),
        Misconception(
            "one_batch_only",
            "You return after the first batch: is the `return` inside the loop?",
            _train_as(one_batch=True),
        ),
        Misconception(
            "uphill",
            "Your steps raise the loss: something has its sign turned round.",
            _train_as(sign=-1),
        ),
        Misconception(
            "mean_over_batches",
            "You average over the batches; the last may be smaller, and every image counts alike.",
            _train_as(result="mean over batches"),
        ),
        Misconception(
            "summed",
            "You return the sum over the images: their mean is asked.",
            _train_as(result="sum"),
        ),
        Misconception(
            "summed_over_batches",
            "You return the sum of the batches' losses: the mean over the images is asked.",
            _train_as(result="sum over batches"),
        ),
        Misconception(
            "last_loss",
            "You return the last batch's loss: the mean over the whole epoch is asked.",
            _train_as(result="last"),
        ),
        Misconception(
            "nothing_returned",
            "It trains. Now return the mean loss as well.",
            _train_as(result="none"),
        ),
    ),
    forbidden=("course_lib.training.fit",),
    hints=(
        "Put the model into training mode, then go once through the loader. For each batch: "
        "outputs, loss, gradients, step.",
        "Gradients add up until they are cleared: `optimizer.zero_grad()` before each "
        "`loss.backward()`, `optimizer.step()` after it.",
        "total += loss.item() * len(images), and at the end total divided by the number of images "
        "seen.",
    ),
    time_limit=20.0,
)


# ── LeNet ───────────────────────────────────────────────────────────────────────────────────────


def _lenet(
    activation: str = "ReLU",
    pool: str = "MaxPool2d",
    end: Callable[[Any], Any] = lambda x: x,
    flatten: Callable[[Any], Any] = lambda x: x.flatten(1),
    middle: Callable[[Any], Any] = lambda x: x,
    begin: Callable[[Any], Any] = lambda x: x,
    bias: bool = True,
    hidden: tuple[int, int] = (120, 84),
    channels: tuple[int, int] = (6, 16),
    padding: int = 0,
    relu_at_the_end: bool = False,
    relus: tuple[bool, bool, bool, bool] = (True, True, True, True),
    side: int = 5,
) -> Any:
    """LeNet-5 as the chapter states it; the keywords are what a learner gets wrong."""
    from torch import nn

    class LeNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            first, second = channels
            self.conv1 = nn.Conv2d(1, first, 5, padding=padding, bias=bias)
            self.conv2 = nn.Conv2d(first, second, 5, bias=bias)
            self.pool = getattr(nn, pool)(2)
            self.act = getattr(nn, activation)()
            self.fc1 = nn.Linear(second * side * side, hidden[0])
            self.fc2 = nn.Linear(hidden[0], hidden[1])
            self.fc3 = nn.Linear(hidden[1], 10)

        def forward(self, x: Any) -> Any:
            acts = [self.act if wanted else (lambda x: x) for wanted in relus]
            x = self.pool(acts[0](self.conv1(begin(x))))
            x = middle(self.pool(acts[1](self.conv2(x))))
            x = acts[2](self.fc1(flatten(x)))
            x = self.fc3(acts[3](self.fc2(x)))
            return end(self.act(x) if relu_at_the_end else x)

    return LeNet()


_NO_LENET = (
    "course_lib.nets.create",
    "course_lib.nets.lenet.LeNet5",
    "course_lib.nets.lenet.lenet5",
)


def _lenet_as(**part: Any) -> Callable[[], Any]:
    return lambda: _lenet(**part)


def _by_convolutions_alone() -> Any:
    """The first fully connected layer as a 5×5 convolution, as the paper draws it."""
    from torch import nn

    class Lenet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Sequential(
                nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU()
            )
            self.fc1 = nn.Linear(400, 120)
            self.head = nn.Sequential(nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))

        def forward(self, x: Any) -> Any:
            x = self.features(x)
            x = nn.functional.max_pool2d(x, 2).view(x.size(0), -1)
            return self.head(self.fc1(x))

    return Lenet()


def _sequential() -> Any:
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.MaxPool2d(2),
        nn.ReLU(),  # the largest of the positive parts is the positive part of the largest
        nn.Conv2d(6, 16, 5),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def _pictures(rng: np.random.Generator, n: int, height: int, width: int) -> Array:
    return rng.normal(0, 1, (n, 1, height, width)).astype(np.float32)


def _lenet_cases(rng: np.random.Generator) -> Iterator[Case]:
    for n in (1, 2, 5):
        yield Case("shape", inputs=(_pictures(rng, n, 32, 32),), measure="shape")
    yield Case("parameters", measure="parameters")
    for n in (1, 2, 4):
        yield Case("values", inputs=(_pictures(rng, n, 32, 32),))
    x = _pictures(rng, 2, 32, 32)
    note = "the gradient on its way back, in training mode"
    yield Case("values", inputs=(x,), train=True, measure="gradient", note=note)


_NOT_LOGITS = (
    "softmax_at_the_end",
    "Each row of your outputs adds up to 1: you return probabilities. Cross-entropy applies the "
    "softmax itself, so return the logits.",
)


def _end(name: str) -> Callable[[Any], Any]:
    return lambda x: getattr(x, name)(dim=1) if "softmax" in name else getattr(x, name)()


LENET = ModuleExercise(
    name="LeNet",
    chapter="06",
    signature="LeNet()",
    aspects=(Aspect("shape", 1), Aspect("parameters", 1), Aspect("values", 2)),
    cases=_lenet_cases,
    reference=_lenet_as(),
    alternatives={"sequential": _sequential, "in two parts": _by_convolutions_alone},
    misconceptions=(
        Misconception(*_NOT_LOGITS, _lenet_as(end=_end("softmax"))),
        Misconception(
            "log_softmax_at_the_end",
            "You return logarithms of probabilities: cross-entropy takes the logits as they are.",
            _lenet_as(end=_end("log_softmax")),
        ),
        Misconception(
            "relu_at_the_end",
            "A ReLU on the last layer cuts off negative logits: leave the last layer bare.",
            _lenet_as(relu_at_the_end=True),
        ),
        Misconception(
            "sigmoid_at_the_end",
            "You squash the logits through a sigmoid: return them as they are.",
            _lenet_as(end=_end("sigmoid")),
        ),
        Misconception(
            "batch_axis_flattened",
            "You flatten the batch axis too: each image keeps its own row, flatten from axis 1 on.",
            _lenet_as(flatten=lambda x: x.flatten()),
        ),
        Misconception(
            "all_images_in_one_row",
            "You put all images of the batch into one row: the first axis is the batch and stays.",
            _lenet_as(flatten=lambda x: x.reshape(1, -1)),
        ),
        Misconception(
            "tanh",
            "That is the activation of 1998: this LeNet uses ReLU.",
            _lenet_as(activation="Tanh"),
        ),
        Misconception(
            "sigmoid",
            "Your activations are sigmoids: this LeNet uses ReLU.",
            _lenet_as(activation="Sigmoid"),
        ),
        Misconception(
            "average_pooling",
            "You pool by the average: this LeNet takes the largest.",
            _lenet_as(pool="AvgPool2d"),
        ),
        Misconception(
            "tanh_and_average",
            "That is the network of 1998: this one uses ReLU and max pooling.",
            _lenet_as(activation="Tanh", pool="AvgPool2d"),
        ),
        Misconception(
            "no_activation",
            "There is no ReLU in your network: without it all layers are one linear map, but for "
            "the pooling.",
            _lenet_as(relus=(False,) * 4),
        ),
        Misconception(
            "no_activation_between_the_linear_layers",
            "Your fully connected layers follow each other without a ReLU.",
            _lenet_as(relus=(True, True, False, False)),
        ),
        Misconception(
            "no_activation_after_the_convolutions",
            "Your convolutions have no ReLU.",
            _lenet_as(relus=(False, False, True, True)),
        ),
        Misconception(
            "no_bias",
            "Your convolutions have no bias: in LeNet each kernel has one.",
            _lenet_as(bias=False),
        ),
        Misconception(
            "padded",
            "You pad the first convolution: that is for images of 28 pixels; these have 32.",
            _lenet_as(padding=2, side=6),
        ),
        Misconception(
            "one_layer_short",
            "You left out the layer of 84: after the 120 come 84, then the 10 classes.",
            lambda: _short_lenet(),
        ),
    ),
    forbidden=_NO_LENET,
    hints=(
        "Follow the table layer by layer and write the shape behind each line. In __init__ make "
        "the layers, in forward run them.",
        "Two convolutions of 5×5, each followed by ReLU and a 2×2 max pooling: 32 → 28 → 14 → 10 "
        "→ 5. Then x.flatten(1), of length 16·5·5.",
        "forward: x = pool(relu(conv1(x))); x = pool(relu(conv2(x))); x = x.flatten(1); "
        "x = relu(fc1(x)); x = relu(fc2(x)); return fc3(x).",
    ),
)


def _short_lenet() -> Any:
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 10),
    )


# ── LeNetAnySize ────────────────────────────────────────────────────────────────────────────────


def _adaptive(kind: str = "avg") -> Callable[[Any], Any]:
    def pooled(x: Any) -> Any:
        from torch.nn import functional

        return getattr(functional, f"adaptive_{kind}_pool2d")(x, 5)

    return pooled


def _resized(x: Any) -> Any:
    from torch.nn import functional

    return functional.interpolate(x, size=(32, 32), mode="bilinear")


def _cropped(x: Any) -> Any:
    from torch.nn import functional

    high, wide = max(0, 5 - x.shape[2]), max(0, 5 - x.shape[3])
    return functional.pad(x, (0, wide, 0, high))[:, :, :5, :5]


def _any_size_sequential() -> Any:
    from torch import nn

    layers = list(_sequential())
    return nn.Sequential(*layers[:6], nn.AdaptiveAvgPool2d((5, 5)), *layers[6:])


def _by_slices() -> Any:
    """The average over parts of rows and columns, written out."""
    import torch

    def pooled(x: Any) -> Any:
        height, width = x.shape[2:]
        rows = [
            x[:, :, i * height // 5 : -(-(i + 1) * height // 5)].mean(2, keepdim=True)
            for i in range(5)
        ]
        x = torch.cat(rows, dim=2)
        columns = [
            x[..., i * width // 5 : -(-(i + 1) * width // 5)].mean(3, keepdim=True)
            for i in range(5)
        ]
        return torch.cat(columns, dim=3)

    return _lenet(middle=pooled)


def _global_average() -> Any:
    from torch import nn

    return nn.Sequential(
        *list(_sequential())[:6], nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)
    )


def _global_average_wide() -> Any:
    from torch import nn

    return nn.Sequential(
        *list(_sequential())[:6],
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def _any_size_cases(rng: np.random.Generator) -> Iterator[Case]:
    for n in (1, 3):
        yield Case("as LeNet on 32×32", inputs=(_pictures(rng, n, 32, 32),))
    yield Case("parameters", measure="parameters")
    for height, width in ((28, 28), (36, 36), (48, 64), (int(rng.integers(40, 56)), 33)):
        picture = _pictures(rng, int(rng.integers(1, 4)), height, width)
        yield Case("any size", inputs=(picture,), note=f"{height}×{width}")


LENET_ANY_SIZE = ModuleExercise(
    name="LeNetAnySize",
    chapter="06",
    signature="LeNetAnySize()",
    aspects=(Aspect("as LeNet on 32×32", 1), Aspect("parameters", 1), Aspect("any size", 2)),
    cases=_any_size_cases,
    reference=_lenet_as(middle=_adaptive()),
    alternatives={"sequential": _any_size_sequential, "slices": _by_slices},
    misconceptions=(
        Misconception(
            "fixed_size",
            "Your head counts on 5×5 maps, and other images leave other maps: pool them to 5×5, "
            "whatever they are.",
            _lenet_as(),
        ),
        Misconception(
            "largest",
            "You pool to 5×5 by the largest value: the average is asked.",
            _lenet_as(middle=_adaptive("max")),
        ),
        Misconception(
            "input_resized",
            "You resize the image. It works, but what is asked is a pooling of the last maps.",
            _lenet_as(begin=_resized),
        ),
        Misconception(
            "cropped",
            "You cut a 5×5 corner out of the maps and throw the rest away: average over all of it.",
            _lenet_as(middle=_cropped),
        ),
        Misconception(
            "global_average",
            "You pool each map to one number. That takes any size too, but here the maps keep 5×5 "
            "positions and the head is LeNet's own.",
            _global_average,
        ),
        Misconception(
            "global_average_and_all_layers",
            "You pool each map to one number: to 5×5 is asked, so that the first linear layer "
            "keeps its 400 inputs.",
            _global_average_wide,
        ),
        Misconception(*_NOT_LOGITS, _lenet_as(middle=_adaptive(), end=_end("softmax"))),
        Misconception(
            "batch_axis_flattened",
            "You flatten the batch axis too: each image keeps its own row, flatten from axis 1 on.",
            _lenet_as(middle=_adaptive(), flatten=lambda x: x.flatten()),
        ),
    ),
    forbidden=_NO_LENET,
    hints=(
        "Which layer complains about another size, and what does it expect? Put something in front "
        "of it that always delivers that.",
        "nn.AdaptiveAvgPool2d takes the size of its output, not of its window.",
        "Your LeNet with one more line before the flatten: x = nn.AdaptiveAvgPool2d(5)(x).",
    ),
)


# ── dropout ─────────────────────────────────────────────────────────────────────────────────────

_SIX = np.arange(1.0, 7.0).reshape(2, 3)
_MAPS = (np.arange(1, 4609) / 100).reshape(4, 8, 12, 12)  # no value is 0


def _dropout(x: Array, p: float, rng: np.random.Generator, training: bool) -> Array:
    if not training:
        return x
    return np.asarray(x * (rng.random(x.shape) >= p) / (1 - p))


def _dropout_by_index(x: Array, p: float, rng: np.random.Generator, training: bool) -> Array:
    out = x.astype(float)
    if training:
        keep = rng.binomial(1, 1 - p, size=x.size).astype(bool).reshape(x.shape)
        out[~keep] = 0
        out[keep] = out[keep] / (1 - p)
    return out


def _dropout_as(
    *,
    keep: Callable[[Array, float, np.random.Generator], Array] = lambda x, p, rng: (
        rng.random(x.shape) >= p
    ),
    scale: Callable[[float], float] = lambda p: 1 / (1 - p),
    evaluation: Callable[[Array, float], Array] | None = lambda x, p: x,
) -> Callable[..., Array]:
    """Dropout in two lines; the keywords are what a learner gets wrong."""

    def dropout(x: Array, p: float, rng: np.random.Generator, training: bool) -> Array:
        if not training and evaluation is not None:
            return evaluation(x, p)
        return np.asarray(x * keep(x, p, rng) * scale(p))

    return dropout


def _shaped(answer: Any, x: Array) -> str | None:
    if not isinstance(answer, np.ndarray):
        return "an array is expected: return the changed copy of x"
    if answer.shape != np.shape(x):
        return f"the shape must stay {np.shape(x)}, yours has {answer.shape}"
    return "some values are NaN or infinite" if not np.isfinite(answer).all() else None


def _near(a: Any, b: Any) -> Any:
    return np.isclose(np.asarray(a, float), np.asarray(b, float), rtol=1e-4, atol=1e-9)


def _passes_all(answer: Any, case: Case) -> str | None:
    x = case.args[0]
    wrong = _shaped(answer, x)
    if wrong is None and not _near(answer, x).all():
        wrong = "outside training, x must come back as it is"
    return wrong


def _scales_survivors(answer: Any, case: Case) -> str | None:
    x, p = case.args[:2]
    wrong = _shaped(answer, x)
    if wrong is not None:
        return wrong
    odd = ~(_near(answer, 0) | _near(answer, x / (1 - p)))
    if odd.any():
        place = tuple(int(i) for i in np.argwhere(odd)[0])
        return (
            f"every value must be 0 or x / (1 − p): where x is {x[place]:g}, that is "
            f"{x[place] / (1 - p):.4g}, yours has {float(answer[place]):.4g}"
        )
    if not (answer != 0).any():
        return "no value survived"
    return None


def _drops_its_share(answer: Any, case: Case) -> str | None:
    x, p = case.args[:2]
    wrong = _shaped(answer, x)
    if wrong is not None:
        return wrong
    gone = answer == 0
    if abs(gone.mean() - p) > 0.05:
        return f"a share of {p:g} of the values must be dropped, of yours {gone.mean():.3f} are"
    for axis, what in enumerate(("image", "channel", "row", "column")):
        others = tuple(a for a in range(4) if a != axis)
        if np.ptp(gone.mean(axis=others)) > 0.3:
            return f"each value is dropped or kept by itself, not a whole {what}"
        first, second = (np.delete(gone, place, axis) for place in (-1, 0))
        if (first == second).all():
            return f"each value needs its own draw: along the {what}s yours are all alike"
    if gone.mean(axis=(2, 3)).std() > 0.2:
        return "each value is dropped or kept by itself, not a whole map"
    return None


def _dropout_mistake(values: Sequence[Any]) -> str | None:
    """Which known mistake the answers to the worked cases show."""
    evaluated, trained = values[0], values[1]
    if not all(isinstance(v, np.ndarray) for v in (evaluated, trained)):
        return None
    p = 0.2
    gone = trained == 0
    kept = trained[~gone] / _MAPS[~gone]
    if not kept.size or not _near(kept, kept[0]).all():
        return None
    factor = float(kept[0])
    same_outside = bool(_near(evaluated, _SIX).all())
    whole = gone.mean(axis=(2, 3))
    share = float(gone.mean())
    if _near(evaluated, _SIX * 0.5).all() and _near(factor, 1):
        return "scaled_outside_training"
    if not same_outside:
        alike = bool(((evaluated == 0) | _near(evaluated, _SIX * 2)).all())
        return "drops_always" if alike and _near(factor, 1 / (1 - p)) else None
    if abs(share - (1 - p)) < 0.05 and factor > 0:
        return "p_is_kept"
    if _near(factor, 1 / (1 - p)):
        if share > 0 and set(np.unique(whole)) <= {0.0, 1.0}:
            return "whole_maps"
        if 0 < share < 1 and (gone[0] == gone[1]).all():
            return "one_mask_for_all_images"
        return None
    if abs(share - p) < 0.05:
        for mistake, wrong in (("not_scaled", 1.0), ("scaled_by_p", 1 / p), ("shrunk", 1 - p)):
            if _near(factor, wrong):
                return mistake
    return None


def _dropout_misconception(
    mistake: str, message: str, implementation: Callable[..., Array]
) -> Misconception:
    return Misconception(
        mistake,
        message,
        implementation,
        recognise=lambda values: _dropout_mistake(values) == mistake,
    )


def _dropout_cases(rng: np.random.Generator) -> Iterator[Case]:
    x = np.round(rng.uniform(0.5, 9, (2, 3, 4)), 2)
    yield Case("outside training", (x, 0.5, _rng(4), False))
    yield Case("outside training", (x[0], 0.9, _rng(5), False))
    yield Case("survivors", (x, 0.0, _rng(6), True), note="nothing is dropped")
    for _ in range(2):
        p = float(_pick(rng, 0.1, 0.25, 0.4))
        yield Case("survivors", (x, p, _rng(int(rng.integers(100, 2**31))), True))
    for p in (0.5, float(_pick(rng, 0.15, 0.3)), float(_pick(rng, 0.6, 0.7))):
        x = np.round(rng.uniform(0.5, 9, (4, 8, 12, 12)), 2)
        yield Case("the share p", (x, p, _rng(int(rng.integers(100, 2**31))), True))


_OTHER_CHANCE = tuple(
    f"numpy.random.{name}"
    for name in (
        "default_rng",
        "rand",
        "randn",
        "random",
        "randint",
        "uniform",
        "normal",
        "binomial",
        "choice",
    )
)

DROPOUT = PropertyExercise(
    name="dropout",
    chapter="06",
    signature="dropout(x, p, rng, training) -> array",
    aspects=(
        Aspect("outside training", 1),
        Aspect("survivors", 1),
        Aspect("the share p", 1, needs=("survivors",)),
    ),
    worked=(
        Case("outside training", (_SIX, 0.5, _rng(1), False)),
        Case("survivors", (_MAPS, 0.2, _rng(2), True)),
        Case("the share p", (_MAPS, 0.2, _rng(3), True)),
    ),
    cases=_dropout_cases,
    conditions={
        "outside training": _passes_all,
        "survivors": _scales_survivors,
        "the share p": _drops_its_share,
    },
    example=_dropout,
    alternatives={
        "by index": _dropout_by_index,
        "uniform": _dropout_as(keep=lambda x, p, rng: rng.uniform(0, 1, x.shape) < 1 - p),
        "chosen": _dropout_as(keep=lambda x, p, rng: rng.choice([0, 1], x.shape, p=[p, 1 - p])),
    },
    misconceptions=(
        _dropout_misconception(
            "not_scaled",
            "Your survivors keep their value, so the sum that the next layer gets is smaller in "
            "training than later: divide by 1 − p.",
            _dropout_as(scale=lambda p: 1),
        ),
        _dropout_misconception(
            "scaled_by_p",
            "You divide by p, the share that goes: divide by the share that stays.",
            _dropout_as(scale=lambda p: 1 / p if p else 1),
        ),
        _dropout_misconception(
            "shrunk",
            "You multiply the survivors by 1 − p: they must grow, to make up for those that went.",
            _dropout_as(scale=lambda p: 1 - p),
        ),
        _dropout_misconception(
            "p_is_kept",
            "You keep a share of p: p is the probability to be dropped.",
            _dropout_as(keep=lambda x, p, rng: rng.random(x.shape) < p),
        ),
        _dropout_misconception(
            "drops_always",
            "You drop values outside training too: then x passes as it is.",
            _dropout_as(evaluation=None),
        ),
        _dropout_misconception(
            "scaled_outside_training",
            "You scale at evaluation, as the first paper did: here the survivors are scaled in "
            "training, and evaluation leaves x alone.",
            _dropout_as(scale=lambda p: 1, evaluation=lambda x, p: x * (1 - p)),
        ),
        _dropout_misconception(
            "whole_maps",
            "You drop whole maps, as `Dropout2d` does: each value is drawn by itself here.",
            _dropout_as(keep=lambda x, p, rng: rng.random((*x.shape[:2], 1, 1)[: x.ndim]) >= p),
        ),
        _dropout_misconception(
            "one_mask_for_all_images",
            "Every image of your batch loses the same values: draw for the whole batch.",
            _dropout_as(keep=lambda x, p, rng: rng.random(x.shape[1:]) >= p),
        ),
    ),
    forbidden=(
        "torch.nn.functional.dropout",
        "torch:aten.native_dropout",
        "torch:aten.bernoulli_",
        *_OTHER_CHANCE,
    ),
    hints=(
        "Draw one number from 0 to 1 for each value of x, with the generator that is given. Which "
        "of them stand for a probability of p?",
        "keep = rng.random(x.shape) >= p is True with probability 1 − p.",
        "Outside training return x. Otherwise return x * keep / (1 - p).",
    ),
)


# ── augment ─────────────────────────────────────────────────────────────────────────────────────


def _enlarged(images: Array) -> Array:
    """Digits (N, 8, 8) as (N, 1, 32, 32), bilinear, as torch's interpolate does it."""
    place = ((np.arange(32) + 0.5) / 4 - 0.5).clip(0, 7)
    low = np.minimum(place.astype(int), 6)
    weight = np.zeros((32, 8))
    weight[np.arange(32), low] = 1 - (place - low)
    weight[np.arange(32), low + 1] = place - low
    return np.asarray(weight @ images @ weight.T, dtype=np.float32)[:, None]


def _reduced(images: Array) -> Array:
    """(N, 1, 32, 32) → (N, 8, 8): the mean of each 4×4."""
    return np.asarray(images.reshape(len(images), 8, 4, 8, 4).mean(axis=(2, 4)), dtype=np.float64)


# The first seven of scikit-learn's digits: no mirror image or turn of it is a seven.
_SEVEN = np.array(
    [
        [0, 0, 7, 8, 13, 16, 15, 1],
        [0, 0, 7, 7, 4, 11, 12, 0],
        [0, 0, 0, 0, 8, 13, 1, 0],
        [0, 4, 8, 8, 15, 15, 6, 0],
        [0, 2, 11, 15, 15, 4, 0, 0],
        [0, 0, 0, 16, 5, 0, 0, 0],
        [0, 0, 9, 15, 1, 0, 0, 0],
        [0, 0, 13, 5, 0, 0, 0, 0],
    ]
)
_COPIES = 24


class _Reader:
    """The nearest of many digits: real ones, each also a little moved, as (K, 64) rows."""

    def __init__(self) -> None:
        images, labels = data.digits("train", seed=6)
        large = _enlarged(images[:700])[:, 0]
        moved = [
            np.roll(large, (down, right), axis=(1, 2))
            for down in (-2, 0, 2)
            for right in (-2, 0, 2)
        ]
        self.rows = np.concatenate([_reduced(m[:, None]).reshape(len(m), 64) for m in moved])
        self.labels = np.tile(labels[:700], len(moved))
        self.norms = (self.rows**2).sum(axis=1)

    def read(self, images: Array) -> Array:
        queries = _reduced(images).reshape(len(images), 64)
        distance = self.norms - 2 * queries @ self.rows.T
        return np.asarray(self.labels[distance.argmin(axis=1)])


_READER: list[_Reader] = []


def _read(images: Array) -> Array:
    if not _READER:
        _READER.append(_Reader())
    return _READER[0].read(images)


def _a_batch(answer: Any, case: Case) -> str | None:
    batch = case.args[0]
    wrong = _shaped(answer, batch)
    if wrong is not None:
        return wrong.replace("changed copy of x", "changed batch")
    if answer.min() < -0.01 or answer.max() > 1.01:
        return (
            f"pixels must stay in [0, 1], yours go from {float(answer.min()):.3g} to "
            f"{float(answer.max()):.3g}"
        )
    return None


def _draws(answer: Any, case: Case) -> str | None:
    wrong = _a_batch(answer, case)
    if wrong is not None:
        return wrong
    changed = np.abs(answer - case.args[0]).mean(axis=(1, 2, 3))
    if (changed > 1e-4).mean() < 0.5:
        return f"{int((changed <= 1e-4).sum())} of {len(answer)} images come back as they were"
    first, second = answer[:-1], answer[1:]
    if (np.abs(first - second).mean(axis=(1, 2, 3)) > 1e-4).mean() < 0.5:
        return "these are copies of one digit, and yours are still alike: draw for each image"
    return None


def _legible(answer: Any, case: Case) -> str | None:
    wrong = _a_batch(answer, case)
    if wrong is not None:
        return wrong
    before, after = _read(case.args[0]), _read(answer)
    kept = float(np.mean(before == after))
    if kept < LEGIBLE:
        return f"only {kept:.0%} of the digits are still read as what they were"
    return None


LEGIBLE = 0.8  # an honest augmentation keeps more than 90 %, a mirror on every second image 68 %

_TURNS: dict[str, Callable[[Array], Array]] = {
    "as it was": lambda x: x,
    "mirrored": lambda x: x[:, ::-1],
    "upside_down": lambda x: x[::-1],
    "half_turn": lambda x: x[::-1, ::-1],
    "quarter": lambda x: np.rot90(x),
    "other quarter": lambda x: np.rot90(x, -1),
}


def _augment_mistake(values: Sequence[Any]) -> str | None:
    """Which known mistake the answer to the first worked case, copies of a seven, shows."""
    answer = values[0]
    batch = _seven_copies()
    if not isinstance(answer, np.ndarray) or answer.shape != batch.shape:
        return None
    if not np.isfinite(answer).all():
        return None
    if np.abs(answer - batch).max() < 1e-4:
        return "nothing_changes"
    if np.abs(answer - answer[:1]).max() < 1e-4:
        return "one_draw_for_all"
    if answer.min() < -0.01 or answer.max() > 1.01:
        return "not_clipped"
    seven = _reduced(batch[:1])[0]
    small = _reduced(answer)
    turned = {name: turn(seven) for name, turn in _TURNS.items()}
    names = list(turned)
    distance = np.array([[((s - t) ** 2).sum() for t in turned.values()] for s in small])
    # A digit moved out of the picture is near to none of them.
    close = distance.min(axis=1) < 0.5 * (seven**2).sum()
    nearest = [names[place] for place in distance.argmin(axis=1)[close]]
    counts = {name: nearest.count(name) for name in names}
    far = counts["quarter"] + counts["other quarter"]
    if far >= 3:
        return "turned_too_far"
    for name in ("mirrored", "upside_down", "half_turn"):
        others = sum(counts[o] for o in ("mirrored", "upside_down", "half_turn") if o != name)
        if counts[name] >= 3 and not others and not far:
            return name
    return None


def _seven_copies() -> Array:
    return _enlarged(np.repeat(_SEVEN[None] / 16, _COPIES, axis=0))


def _augment_misconception(
    mistake: str, message: str, implementation: Callable[..., Any]
) -> Misconception:
    return Misconception(
        mistake,
        message,
        implementation,
        recognise=lambda values: _augment_mistake(values) == mistake,
    )


def _small_shifts(batch: Array, rng: np.random.Generator) -> Array:
    """Each digit up to two pixels away, zeros coming in."""
    out = np.zeros_like(batch)
    padded = np.pad(batch, ((0, 0), (0, 0), (2, 2), (2, 2)))
    for place, (down, right) in enumerate(rng.integers(0, 5, (len(batch), 2))):
        out[place] = padded[place, :, down : down + batch.shape[2], right : right + batch.shape[3]]
    return out


def _with_noise(batch: Array, rng: np.random.Generator) -> Array:
    return np.clip(batch + rng.normal(0, 0.1, batch.shape), 0, 1)


def _turned(degrees: float) -> Callable[[Array, np.random.Generator], Array]:
    """Turns by up to so many degrees, each pixel read from the nearest one."""

    def turn(batch: Array, rng: np.random.Generator) -> Array:
        out = np.zeros_like(batch)
        y, x = np.indices((32, 32)) - 15.5
        for place, angle in enumerate(np.deg2rad(rng.uniform(-degrees, degrees, len(batch)))):
            row = np.rint(15.5 + np.cos(angle) * y - np.sin(angle) * x).astype(int)
            column = np.rint(15.5 + np.sin(angle) * y + np.cos(angle) * x).astype(int)
            inside = (row >= 0) & (row < 32) & (column >= 0) & (column < 32)
            out[place, 0][inside] = batch[place, 0, row[inside], column[inside]]
        return out

    return turn


def _flipping(*axes: int) -> Callable[[Array, np.random.Generator], Array]:
    def flip(batch: Array, rng: np.random.Generator) -> Array:
        chosen = rng.random(len(batch)) < 0.5
        out = batch.copy()
        out[chosen] = np.flip(batch[chosen], axes)
        return out

    return flip


def _one_shift(batch: Array, rng: np.random.Generator) -> Array:
    down, right = rng.integers(1, 3, 2)
    return np.roll(batch, (int(down), int(right)), axis=(2, 3))


def _augment_cases(rng: np.random.Generator) -> Iterator[Case]:
    images, labels = data.digits("test", seed=6)
    for aspect, n in (("a batch as before", 16), ("each image another way", 0), ("legible", 200)):
        seed = _rng(int(rng.integers(2**31)))
        if n:
            batch = _enlarged(images[rng.permutation(len(images))[:n]])
        else:
            digit = int(rng.choice(np.flatnonzero(labels != 1)))
            batch = _enlarged(np.repeat(images[digit : digit + 1], 16, axis=0))
        yield Case(aspect, (batch, seed))


AUGMENT = PropertyExercise(
    name="augment",
    chapter="06",
    signature="augment(batch, rng) -> batch",
    aspects=(
        Aspect("a batch as before", 1),
        Aspect("each image another way", 1, needs=("a batch as before",)),
        Aspect("legible", 2, needs=("each image another way",)),
    ),
    worked=(
        # From 2 the first small whole numbers are not 0: one draw for all does change the batch.
        Case("each image another way", (_seven_copies(), _rng(2)), note="copies of one seven"),
    ),
    cases=_augment_cases,
    conditions={
        "a batch as before": _a_batch,
        "each image another way": _draws,
        "legible": _legible,
    },
    example=_small_shifts,
    alternatives={
        "noise": _with_noise,
        "turns": _turned(15),
        "brightness": lambda batch, rng: batch * rng.uniform(0.6, 1, (len(batch), 1, 1, 1)),
    },
    misconceptions=(
        _augment_misconception(
            "mirrored",
            "You mirror digits left to right: writing is not read in a mirror.",
            _flipping(3),
        ),
        _augment_misconception(
            "upside_down",
            "You turn digits upside down: that makes most of them something else.",
            _flipping(2),
        ),
        _augment_misconception(
            "half_turn",
            "You turn digits by 180°: a 6 becomes a 9, and keeps the label 6.",
            _flipping(2, 3),
        ),
        _augment_misconception(
            "turned_too_far",
            "You turn digits until they lie on their side: keep the angle small.",
            _turned(180),
        ),
        _augment_misconception(
            "nothing_changes", "Your batch comes back as it was.", lambda batch, rng: batch.copy()
        ),
        _augment_misconception(
            "one_draw_for_all",
            "The whole batch changes in the same way: draw for each image.",
            _one_shift,
        ),
        _augment_misconception(
            "not_clipped",
            "Some pixels are below 0 or above 1: clip to the range that an image has.",
            lambda batch, rng: batch + rng.normal(0, 0.1, batch.shape),
        ),
    ),
    forbidden=(
        *(f"course_lib.data.augment.{name}" for name in data.augment.__all__),
        *_OTHER_CHANCE,
    ),
    hints=(
        "Begin with one kind of change. Which changes of a digit would a person not even notice?",
        "Moves by a pixel or two will do: for each image draw how far, and cut the batch out of a "
        "padded one.",
        "padded = np.pad(batch, ((0, 0), (0, 0), (2, 2), (2, 2))); for each image i: down, right = "
        "rng.integers(0, 5, 2); out[i] = padded[i, :, down : down + 32, right : right + 32].",
    ),
    time_limit=20.0,
)


# ── batch_norm2d ────────────────────────────────────────────────────────────────────────────────


def _norm_as(
    *,
    axes: tuple[int, ...] = (0, 2, 3),
    ddof: int = 0,
    running_ddof: int = 1,
    swapped: bool = False,
    update: str = "training",
    uses: str = "batch in training",
    deviation: Callable[[Array, float], Array] = lambda var, eps: np.sqrt(var + eps),
    scale: bool = True,
    shift: bool = True,
    default_momentum: bool = False,
    default_eps: bool = False,
    in_place: bool = False,
    updated_first: bool = False,
) -> Callable[..., tuple[Array, Array, Array]]:
    """BatchNorm in a few lines; the keywords are what a learner gets wrong."""

    def batch_norm2d(
        x: Array,
        gamma: Array,
        beta: Array,
        running_mean: Array,
        running_var: Array,
        training: bool,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> tuple[Array, Array, Array]:
        momentum, eps = (0.1 if default_momentum else momentum), (1e-5 if default_eps else eps)
        batch_mean = x.mean(axis=axes, keepdims=True)
        batch_var = x.var(axis=axes, ddof=ddof, keepdims=True)
        new_mean, new_var = running_mean, running_var
        if update == "always" or update == ("training" if training else "evaluation"):
            share = 1 - momentum if swapped else momentum
            into_mean = x.mean(axis=(0, 2, 3))
            into_var = x.var(axis=(0, 2, 3), ddof=running_ddof)
            if in_place:
                running_mean *= 1 - share
                running_mean += share * into_mean
                running_var *= 1 - share
                running_var += share * into_var
            else:
                new_mean = (1 - share) * running_mean + share * into_mean
                new_var = (1 - share) * running_var + share * into_var
        own = {"batch in training": training, "batch in evaluation": not training}.get(
            uses, uses == "batch"
        )
        mean, var = (
            (batch_mean, batch_var)
            if own
            else (
                (new_mean if updated_first else running_mean)[:, None, None],
                (new_var if updated_first else running_var)[:, None, None],
            )
        )
        out = (x - mean) / deviation(var, eps)
        if scale:
            out = out * gamma[:, None, None]
        if shift:
            out = out + beta[:, None, None]
        return out, new_mean, new_var

    return batch_norm2d


def _norm_channel_by_channel(
    x: Array,
    gamma: Array,
    beta: Array,
    running_mean: Array,
    running_var: Array,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Array, Array, Array]:
    out, means, variances = np.empty(x.shape), running_mean * 1.0, running_var * 1.0
    for c in range(x.shape[1]):
        values = x[:, c].ravel()
        mean, var = running_mean[c], running_var[c]
        if training:
            n = len(values)
            mean = values.sum() / n
            var = ((values - mean) ** 2).sum() / n
            means[c] += momentum * (mean - means[c])
            variances[c] += momentum * (var * n / (n - 1) - variances[c])
        out[:, c] = gamma[c] * (x[:, c] - mean) / (var + eps) ** 0.5 + beta[c]
    return out, means, variances


def _norm_cases(rng: np.random.Generator) -> Iterator[Case]:
    def given(n: int, c: int, h: int, w: int) -> tuple[Any, ...]:
        x = np.round(rng.normal(rng.normal(0, 3, (1, c, 1, 1)), 2, (n, c, h, w)), 2)
        gamma, beta, mean = (np.round(rng.normal(1, 0.5, c), 2) for _ in range(3))
        return x, gamma, beta, mean, np.round(rng.uniform(0.5, 4, c), 2)

    for shape in ((1, 1, 2, 2), (2, 2, 1, 3), (2, 3, 4, 2)):
        yield Case("evaluation", (*given(*shape), False))
    for shape in ((1, 1, 2, 3), (2, 1, 2, 2), (3, 2, 2, 2), (2, 3, 1, 2), (4, 2, 3, 5)):
        yield Case("training", (*given(*shape), True))
    yield Case("momentum and eps", (*given(2, 1, 2, 2), True, 0.3, 1e-5))
    yield Case("momentum and eps", (*given(2, 2, 3, 2), True), {"momentum": 0.01, "eps": 0.5})
    yield Case("momentum and eps", (*given(1, 2, 2, 2), False), {"eps": 0.1})


BATCH_NORM2D = FunctionExercise(
    name="batch_norm2d",
    chapter="06",
    signature=(
        "batch_norm2d(x, gamma, beta, running_mean, running_var, training, momentum=0.1, eps=1e-5)"
        " -> (out, running_mean, running_var)"
    ),
    aspects=(
        Aspect("evaluation", 1),
        Aspect("training", 3),
        Aspect("momentum and eps", 1),
    ),
    worked=(
        Case(
            "training",
            (
                np.array([[[[1.0, 3.0]]]]),
                np.array([10.0]),
                np.array([5.0]),
                np.array([0.0]),
                np.array([1.0]),
                True,
            ),
        ),
    ),
    cases=_norm_cases,
    reference=ops.batch_norm2d,
    alternatives={"vectorised": _norm_as(), "channel by channel": _norm_channel_by_channel},
    misconceptions=(
        Misconception(
            "each_image_by_itself",
            "You normalise each image by itself: a channel's mean goes over the batch as well.",
            _norm_as(axes=(2, 3)),
        ),
        Misconception(
            "over_the_batch_only",
            "You normalise each pixel over the batch: all pixels of a channel share one mean.",
            _norm_as(axes=(0,)),
        ),
        Misconception(
            "over_all_channels",
            "You take one mean for all channels: each has its own.",
            _norm_as(axes=(0, 1, 2, 3)),
        ),
        Misconception(
            "layer_norm",
            "You normalise each image over its channels, as LayerNorm does.",
            _norm_as(axes=(1, 2, 3)),
        ),
        Misconception(
            "unbiased_to_normalise",
            "You divide by n − 1 to normalise: that variance is for the running value.",
            _norm_as(ddof=1),
        ),
        Misconception(
            "biased_running_variance",
            "Your running variance takes the one that divides by n; PyTorch keeps the one that "
            "divides by n − 1.",
            _norm_as(running_ddof=0),
        ),
        Misconception(
            "variances_exchanged",
            "You have the two variances the wrong way round: n normalises, n − 1 is kept.",
            _norm_as(ddof=1, running_ddof=0),
        ),
        Misconception(
            "momentum_swapped",
            "Your running values jump to the batch: momentum is the share of the new, 1 − momentum "
            "of the old.",
            _norm_as(swapped=True),
        ),
        Misconception(
            "running_values_unused",
            "Outside training you still use the batch's own mean: there the running values take "
            "its place.",
            _norm_as(uses="batch"),
        ),
        Misconception(
            "running_values_in_training",
            "In training you normalise by the running values: there the batch's own mean and "
            "variance do it.",
            _norm_as(uses="running"),
        ),
        Misconception(
            "updated_outside_training",
            "Outside training the running values must stay what they are.",
            _norm_as(update="always"),
        ),
        Misconception(
            "never_updated",
            "Your running values never move: in training they go a step towards the batch's.",
            _norm_as(update="never"),
        ),
        Misconception(
            "updated_in_place",
            "You change the running arrays that you were given: return new ones.",
            _norm_as(in_place=True),
        ),
        Misconception(
            "no_scale_and_shift",
            "Your output has mean 0 whatever gamma and beta are: multiply by gamma, add beta.",
            _norm_as(scale=False, shift=False),
        ),
        Misconception(
            "gamma_ignored",
            "Your output does not answer to `gamma`: multiply by it.",
            _norm_as(scale=False),
        ),
        Misconception(
            "beta_ignored",
            "Your output does not answer to `beta`: add it at the end.",
            _norm_as(shift=False),
        ),
        Misconception(
            "always_training",
            "You do the same in both modes: outside training the running values normalise, and "
            "stay what they are.",
            _norm_as(uses="batch", update="always"),
        ),
        Misconception(
            "modes_exchanged",
            "You have the two modes the wrong way round: is there a `not` too many?",
            _norm_as(uses="batch in evaluation", update="evaluation"),
        ),
        Misconception(
            "never_training",
            "You do the same in both modes: in training the batch's own mean and variance "
            "normalise, and the running values move.",
            _norm_as(uses="running", update="never"),
        ),
        Misconception(
            "eps_outside_the_root",
            "You add eps to the standard deviation: it belongs under the root.",
            _norm_as(deviation=lambda var, eps: np.sqrt(var) + eps),
        ),
        Misconception(
            "divided_by_the_variance",
            "You divide by the variance: divide by its root.",
            _norm_as(deviation=lambda var, eps: var + eps),
        ),
        Misconception(
            "momentum_ignored",
            "Your running values do not answer to `momentum`.",
            _norm_as(default_momentum=True),
        ),
        Misconception(
            "eps_ignored",
            "Your output does not answer to `eps`.",
            _norm_as(default_eps=True),
        ),
    ),
    forbidden=(
        "torch.nn.functional.batch_norm",
        "torch:aten.native_batch_norm",
        "torch:aten._native_batch_norm_legit",
        "course_lib.ops.batch_norm2d",
    ),
    hints=(
        "One mean and one variance for each channel, over all its values in the batch: "
        "x.mean(axis=(0, 2, 3)).",
        "Arrays of shape (C,) must become (C, 1, 1) before they meet x: gamma[:, None, None].",
        "In training: out from the batch's mean and x.var(axis=(0, 2, 3)); running_var becomes "
        "(1 − momentum)·running_var + momentum·x.var(axis=(0, 2, 3), ddof=1). Otherwise: out from "
        "the running values, which are returned as they came.",
    ),
)


# ── digit_classifier ────────────────────────────────────────────────────────────────────────────


def _nearest_neighbours(images: Array | None = None, labels: Array | None = None) -> Any:
    """The nearest training image, the training set also moved by a pixel each way."""
    if images is None or labels is None:
        pictures, labels = data.digits("train")
        images = pictures[:, None]
    padded = np.pad(images[:, 0], ((0, 0), (1, 1), (1, 1)))
    moves = [(1, 1), (0, 1), (2, 1), (1, 0), (1, 2)]
    rows = np.concatenate([padded[:, y : y + 8, x : x + 8].reshape(-1, 64) for y, x in moves])
    classes = np.tile(labels, len(moves))

    def predict(queries: Array) -> Array:
        flat = queries.reshape(len(queries), 64)
        distance = (rows**2).sum(axis=1) - 2 * flat @ rows.T
        return np.asarray(classes[distance.argmin(axis=1)])

    return predict


def _untrained(images: Any = None, labels: Any = None) -> Any:
    from torch import nn

    layer = nn.Linear(64, 10)
    nn.init.zeros_(layer.weight)
    return nn.Sequential(nn.Flatten(), layer)


def _digit_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Two splits, their classes numbered anew: the mean over both is what counts."""
    for seed in rng.integers(0, 2**31, 2):
        images, labels = data.digits("train", seed=int(seed))
        held_back, truth = data.digits("test", seed=int(seed))
        labels, truth = renumbered(rng, labels, truth)
        yield Case("", (images[:, None], labels), inputs=(held_back[:, None],), targets=truth)


DIGIT_CLASSIFIER = TrainedExercise(
    name="digit_classifier",
    chapter="06",
    signature="digit_classifier(images=None, labels=None) -> model",
    aspects=(Aspect("90 % right", 2), Aspect("97 % right", 3)),
    thresholds={"90 % right": 0.90, "97 % right": 0.97},
    score=share_right,
    cases=_digit_cases,
    forbidden=("course_lib.data.digits", "sklearn.datasets.load_digits"),
    alternatives={"nearest neighbours": _nearest_neighbours},
    misconceptions=(
        Misconception(
            "always_the_same",
            "Your model says the same whatever it sees: was it trained, and do its inputs reach "
            "the last layer?",
            _untrained,
            recognise=lambda values: all(
                len(np.unique(v.argmax(axis=1) if v.ndim == 2 else v)) == 1 for v in values
            ),
        ),
    ),
    hints=(
        "Any network of this chapter will do. Train it with `fit` on `(images, labels)` and look "
        "at how many it gets right on images that you kept out.",
        "Digits of 8×8 need small kernels: two or three 3×3 convolutions with padding 1 and "
        "BatchNorm, one pooling, a flatten, a linear layer. Ten epochs at a rate of 0.005.",
        "Give `fit` a scheduler that lets the rate fall to zero (CosineAnnealingLR) and small "
        "shifts and turns as `augment`: that makes the last percent.",
    ),
)


# ── quiz_06 ─────────────────────────────────────────────────────────────────────────────────────

_Wrong = dict[str, tuple[int | float | str, str]]


def _different(right: int | float, wrong: _Wrong) -> _Wrong:
    """The wrong answers that are wrong for these numbers, each value once."""
    kept: _Wrong = {}
    for name, (value, message) in wrong.items():
        others = [right, *(float(v) for v, _ in kept.values())]
        if not any(abs(float(value) - o) <= 2e-3 * abs(o) for o in others):
            kept[name] = (value, message)
    return kept


def _ask_flat(rng: np.random.Generator) -> Asked:
    side, channels = 4 * int(rng.integers(7, 17)), int(rng.choice([12, 16, 24, 32]))
    first = (side - 4) // 2
    last = (first - 4) // 2
    right = channels * last * last
    return Asked(
        f"LeNet's two convolutions (5×5, no padding, each followed by 2×2 pooling) run over an "
        f"image of {side}×{side}; the second has {channels} kernels. How many inputs has the first "
        "fully connected layer?",
        right,
        f"{side} → {side - 4} → {first} → {first - 4} → {last}: {channels}·{last}·{last} = {right}",
        wrong=_different(
            right,
            {
                "channels_forgotten": (last * last, "Each kernel makes a map of its own."),
                "last_pooling_forgotten": (
                    channels * (first - 4) ** 2,
                    "A pooling follows the second convolution too.",
                ),
                "as_if_padded": (
                    channels * (side // 4) ** 2,
                    "Without padding each 5×5 kernel costs four pixels.",
                ),
                "one_side": (channels * last, "A map has a height and a width."),
            },
        ),
    )


def _ask_uniform(rng: np.random.Generator) -> Asked:
    classes = int(rng.choice([5, 8, 12, 20, 50, 100]))
    right = float(np.log(classes))
    return Asked(
        f"An untrained network gives all {classes} classes the same logit. What is its "
        "cross-entropy? (three digits after the point)",
        round(right, 3),
        f"Every class has probability 1/{classes}: −ln(1/{classes}) = ln {classes} = {right:.3f}",
        wrong=_different(
            round(right, 3),
            {
                "probability": (round(1 / classes, 3), "That is the probability of each class."),
                "in_bits": (round(float(np.log2(classes)), 3), "The logarithm is the natural one."),
                "wrong_share": (round(1 - 1 / classes, 3), "That is the share of wrong guesses."),
                "negative": (round(-right, 3), "A surprise is not negative."),
            },
        ),
    )


def _ask_gradient(rng: np.random.Generator) -> Asked:
    n, percent = int(rng.choice([4, 5, 8, 10])), 5 * int(rng.integers(2, 10))
    p = percent / 100
    right = round((p - 1) / n, 6)
    return Asked(
        f"In a batch of {n} images, one image's right class has a probability of {p:g}. What is "
        "the gradient of the mean cross-entropy with respect to that class's logit?",
        right,
        f"(p − 1) / N = ({p:g} − 1) / {n} = {right:g}",
        wrong=_different(
            right,
            {
                "not_averaged": (round(p - 1, 6), f"The loss is a mean over {n} images."),
                "sign": (round((1 - p) / n, 6), "Raising the right logit lowers the loss."),
                "softmax_alone": (round(p / n, 6), "At the target, 1 is subtracted."),
                "of_the_log": (round(-1 / p / n, 6), "That is with respect to p, not the logit."),
            },
        ),
    )


def _ask_values(rng: np.random.Generator) -> Asked:
    n, c, side = (
        int(rng.choice([16, 32, 64])),
        int(rng.choice([6, 16, 24])),
        int(rng.integers(5, 29)),
    )
    right = n * side * side
    return Asked(
        f"A BatchNorm layer gets a batch of shape ({n}, {c}, {side}, {side}). Over how many values "
        "does each of its means go?",
        right,
        f"One channel, all images and positions: {n}·{side}·{side} = {right:,}",
        wrong=_different(
            right,
            {
                "all_channels": (n * c * side * side, "Each channel has its own mean."),
                "one_image": (side * side, "The batch is averaged over too."),
                "batch_only": (n, "All positions of a channel share one mean."),
                "one_image_all_channels": (c * side * side, "That is LayerNorm."),
            },
        ),
    )


def _ask_survivor(rng: np.random.Generator) -> Asked:
    p, value = float(rng.choice([0.2, 0.25, 0.4, 0.5, 0.6])), int(rng.integers(2, 12))
    right = round(value / (1 - p), 4)
    return Asked(
        f"Dropout with p = {p:g} in training: a unit of value {value} survives. What value goes "
        "on?",
        right,
        f"{value} / (1 − {p:g}) = {right:g}",
        wrong=_different(
            right,
            {
                "unscaled": (value, "Survivors are scaled up for those that went."),
                "divided_by_p": (round(value / p, 4), "Divide by the share that stays."),
                "multiplied": (round(value * (1 - p), 4), "Survivors grow, they do not shrink."),
            },
        ),
    )


def _ask_curves(rng: np.random.Generator) -> Asked:
    epoch = int(rng.integers(6, 20))
    options, letter, wrong = choices(
        rng,
        f"it overfits: stop at epoch {epoch}, or use more data, augmentation, dropout",
        {
            "too_small": (
                "it is too small: widen its layers",
                "A network that is too small cannot bring its training loss down.",
            ),
            "longer": (
                "it is not done: train longer",
                "The training loss will go on falling, the other will not.",
            ),
            "rate": (
                "its learning rate is too small",
                "Then both losses would still fall, slowly.",
            ),
        },
    )
    return Asked(
        "The training loss falls to almost nothing. The loss on images held back falls until "
        f"epoch {epoch} and rises from then on. What do you say of this network?",
        letter,
        "It learns its training images by heart: what falls on them rises elsewhere.",
        options,
        wrong,
    )


def _ask_label(rng: np.random.Generator) -> Asked:
    options, letter, wrong = choices(
        rng,
        "a turn by 8 degrees",
        {
            "half_turn": ("a turn by 180 degrees", "It makes a 6 a 9."),
            "mirror": (
                "a mirror image, left to right",
                "Nobody writes like that, and a 2 is none.",
            ),
            "upside_down": (
                "a mirror image, top to bottom",
                "A 6 turns into nothing that is read.",
            ),
        },
    )
    return Asked(
        "You train a network to read handwritten digits. Which change of a training image keeps "
        "its label?",
        letter,
        "Small turns happen when people write; flips do not.",
        options,
        wrong,
    )


QUIZ = QuestionExercise(
    name="quiz_06",
    chapter="06",
    questions=(
        Question("flat", _ask_flat),
        Question("uniform", _ask_uniform),
        Question("gradient", _ask_gradient),
        Question("values", _ask_values),
        Question("survivor", _ask_survivor),
        Question("curves", _ask_curves),
        Question("label", _ask_label),
    ),
    hints=(
        "The first five are sums of one line. Write the shapes down first.",
        "Where a batch comes in: what is averaged, and over how many?",
    ),
)

EXERCISES = (
    LENET,
    SOFTMAX_CROSS_ENTROPY,
    TRAIN_ONE_EPOCH,
    LENET_ANY_SIZE,
    DROPOUT,
    AUGMENT,
    BATCH_NORM2D,
    DIGIT_CLASSIFIER,
    QUIZ,
)
