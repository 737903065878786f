"""Training: a loop that is seeded, can be watched, interrupted and resumed, and stops at nonsense.

`fit` is the loop that chapter 06 builds by hand, with what a long run needs around it. `evaluate`
and `predict` ask a trained model. Each epoch depends on nothing but the weights, the optimizer's
state, the seed and the epoch's number, so that a resumed run ends where an uninterrupted one does.

Importing this module loads torch.
"""

from __future__ import annotations

import contextlib
import math
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from course_lib._validate import Array, integer, number, shown
from course_lib.transfer import load_backbone

__all__ = [
    "Evaluation",
    "History",
    "choose_device",
    "evaluate",
    "fit",
    "load_backbone",
    "predict",
    "seed_everything",
]

Data: TypeAlias = "tuple[Any, Any] | Iterable[Any]"
Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
Augment: TypeAlias = Callable[[Array, np.random.Generator], Any]
Weights: TypeAlias = dict[str, Tensor]


class Evaluation(NamedTuple):
    """The mean loss and the share of right answers over `n` images.

    The accuracy is NaN where the targets are no class numbers.
    """

    loss: float
    accuracy: float
    n: int


@dataclass
class History:
    """What happened in each epoch, as plain lists, and how the training ended.

    Loss and accuracy on the training images are those seen on the way: with augmentation and
    dropout, by weights that change from batch to batch. `val_loss` and `val_accuracy` stay empty
    without validation. `seconds` is the time of each epoch, `lr` the rate at its start.
    `best_epoch`, counted from 1, is the one with the lowest validation loss.

    >>> history = History(train_loss=[0.7, 0.4])
    >>> History.from_dict(history.to_dict()) == history, history.epochs
    (True, 2)
    """

    train_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val_accuracy: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    best_epoch: int | None = None
    interrupted: bool = False
    stopped_early: bool = False

    @property
    def epochs(self) -> int:
        """How many epochs were completed."""
        return len(self.train_loss)

    def to_dict(self) -> dict[str, Any]:
        """The history as plain data, fit for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> History:
        """The history that `to_dict` wrote. Raises ValueError for unknown names."""
        unknown = sorted(set(data) - {f.name for f in fields(cls)})
        if unknown:
            raise ValueError(f"data must hold the fields of a History, not {', '.join(unknown)}")
        return cls(**data)


def seed_everything(seed: int) -> None:
    """Seed the generators of Python, NumPy and torch (on every device).

    Raises ValueError for a seed below 0.

    >>> seed_everything(3); first = torch.rand(2)
    >>> seed_everything(3); bool((torch.rand(2) == first).all())
    True
    """
    seed = integer(seed, "seed", at_least=0)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def choose_device(name: str = "auto") -> torch.device:
    """The device of this name; "auto" takes CUDA or Apple's MPS where present, else the CPU.

    Raises ValueError for an unknown device and for one that this machine does not have.

    >>> choose_device("cpu")
    device(type='cpu')
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(
            f"device (={shown(name)}) must be 'auto' or one that torch knows: 'cpu', 'cuda', 'mps'"
        ) from None
    lacking = (device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()) or (
        device.type == "mps" and not mps
    )
    if lacking:
        raise ValueError(f"device (={shown(name)}) is not on this machine: 'auto' takes what is")
    return device


# ── the loop ────────────────────────────────────────────────────────────────────────────────────


def fit(
    model: nn.Module,
    train: Data,
    validation: Data | None = None,
    *,
    epochs: int,
    batch_size: int = 64,
    optimizer: torch.optim.Optimizer | None = None,
    lr: float = 1e-3,
    weight_decay: float = 0.0,
    loss: Loss | None = None,
    augment: Augment | None = None,
    scheduler: LRScheduler | Callable[[torch.optim.Optimizer], LRScheduler] | None = None,
    patience: int | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: bool = True,
    live: bool = False,
    checkpoint: str | Path | None = None,
) -> History:
    """Train a model in place and return what happened.

    `train` and `validation` are a pair (images, labels) of arrays or tensors, or a DataLoader.
    `optimizer` is AdamW with `lr` and `weight_decay` unless one is given. `loss` takes (outputs,
    targets) and is cross-entropy unless one is given. `augment(batch, rng)` changes each training
    batch, a NumPy array. `scheduler` is a torch scheduler, or makes one of the optimizer; it
    steps after each epoch.

    With `patience`, training stops after so many epochs in a row without a lower validation loss,
    and the model ends with its best weights. An interrupt (Ctrl-C, the notebook's stop button)
    ends the training, not the program: the best weights so far stay in the model where there is
    validation, the present ones where there is none, and the history says so.

    `checkpoint` is a file that each epoch is saved to. Where it exists already, training goes on
    from there, and ends as it would have without the break. `progress` shows a bar; `live` redraws
    the curves after each epoch, in a notebook.

    The model is trained on `device` (see `choose_device`) and comes back to its own.

    Raises FloatingPointError where a loss or gradient is not finite (the weights are those from
    before that step), ValueError for no data, shapes that do not fit and impossible settings.

    >>> images, labels = np.array([[0.0], [1.0]] * 20), np.array([0, 1] * 20)
    >>> history = fit(nn.Linear(1, 2), (images, labels), epochs=30, lr=0.1, progress=False)
    >>> history.train_accuracy[-1]
    1.0
    """
    epochs = integer(epochs, "epochs", at_least=1)
    batch_size = integer(batch_size, "batch_size", at_least=1)
    seed = integer(seed, "seed", at_least=0)
    if patience is not None:
        patience = integer(patience, "patience", at_least=1)
        if validation is None:
            raise ValueError(f"patience (={patience}) needs validation data to watch")
    lr = number(lr, "lr", above=0)
    optimizer = _optimizer_for(model, optimizer, lr, weight_decay)
    if scheduler is not None and not isinstance(scheduler, LRScheduler):
        scheduler = scheduler(optimizer)
    to_train = _prepared(train, "train", batch_size, loss)
    to_validate = None if validation is None else _prepared(validation, "validation", 256, loss)
    run = _Run(model, optimizer, scheduler, History())
    settings = {"seed": seed, "batch_size": batch_size, "lr": lr, "weight_decay": weight_decay}

    display = _Display(epochs, progress, live)
    with _on_device(model, choose_device(device)) as place, display:
        if checkpoint is not None and Path(checkpoint).exists():
            run.load(Path(checkpoint), settings, to_train.generator)
            display.show(run.history)
        try:
            for epoch in range(run.history.epochs + 1, epochs + 1):
                if run.history.stopped_early:
                    break
                with _seeded(place, seed, epoch):
                    start, rate = time.perf_counter(), float(optimizer.param_groups[0]["lr"])
                    trained = _train(run, to_train, loss, augment, epoch, seed)
                    tested = None if to_validate is None else _test(model, to_validate, loss)
                    run.record(trained, tested, rate, time.perf_counter() - start)
                run.step_plan()
                run.history.stopped_early = patience is not None and run.waited() >= patience
                if checkpoint is not None:
                    run.save(Path(checkpoint), settings, to_train.generator)
                display.show(run.history)
        except KeyboardInterrupt:
            run.history.interrupted = True
        if run.best is not None and (patience is not None or run.history.interrupted):
            model.load_state_dict(run.best)
    return run.history


def _optimizer_for(
    model: nn.Module, optimizer: torch.optim.Optimizer | None, lr: float, weight_decay: float
) -> torch.optim.Optimizer:
    if not isinstance(model, nn.Module):
        raise TypeError(f"model (={shown(model)}) must be a torch.nn.Module")
    learned = [p for p in model.parameters() if p.requires_grad]
    if not learned:
        raise ValueError("model must have a parameter that is trained: none has requires_grad")
    if optimizer is None:
        if not number(weight_decay, "weight_decay") >= 0:
            raise ValueError(f"weight_decay (={weight_decay}) must be at least 0")
        return torch.optim.AdamW(learned, lr=lr, weight_decay=weight_decay)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if not any(id(p) in held for p in learned):
        raise ValueError("optimizer must hold parameters of this model: was it made for another?")
    return optimizer


def _train(
    run: _Run, data: _Batches, loss: Loss | None, augment: Augment | None, epoch: int, seed: int
) -> Evaluation:
    """One epoch of training; the loss and accuracy that were seen on the way."""
    rng = np.random.default_rng([seed, epoch])
    seen = _Tally()
    run.model.train()
    place = _device_of(run.model)
    for step, (images, targets) in enumerate(data.shuffled(rng), start=1):
        if augment is not None:
            images = _augmented(augment, images, rng)
        images, targets = images.to(place), targets.to(place)
        outputs = _forward(run.model, images)
        value = _loss_of(outputs, targets, loss)
        run.optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        norm = _gradient_norm(run.model)
        if not (math.isfinite(value.item()) and math.isfinite(norm)):
            what = "loss" if not math.isfinite(value.item()) else "gradient"
            bad = value.item() if what == "loss" else norm
            raise FloatingPointError(
                f"the {what} is {bad} in epoch {epoch}, step {step}: is the learning rate too "
                "large, or an input not finite? The weights are those from before this step"
            )
        run.optimizer.step()
        seen.add(value, outputs, targets)
    return seen.result("train")


@torch.no_grad()
def _test(model: nn.Module, data: _Batches, loss: Loss | None) -> Evaluation:
    seen, place = _Tally(), _device_of(model)
    with _evaluating(model):
        for images, targets in data.in_order():
            images, targets = images.to(place), targets.to(place)
            outputs = _forward(model, images)
            seen.add(_loss_of(outputs, targets, loss), outputs, targets)
    return seen.result(data.name)


def evaluate(
    model: nn.Module,
    data: Data,
    *,
    batch_size: int = 256,
    loss: Loss | None = None,
    device: str = "auto",
) -> Evaluation:
    """The mean loss and accuracy of a model on data, given as for `fit`, in eval mode.

    The model's mode and device are afterwards what they were.

    >>> evaluate(nn.Identity(), (np.array([[2.0, 0.0], [9.0, 0.0]]), [0, 1])).accuracy
    0.5
    """
    prepared = _prepared(data, "data", integer(batch_size, "batch_size", at_least=1), loss)
    with _on_device(model, choose_device(device)):
        return _test(model, prepared, loss)


@torch.no_grad()
def predict(
    model: nn.Module, images: Any, *, batch_size: int = 256, device: str = "auto"
) -> npt.NDArray[np.int64]:
    """The class with the largest output for each image, in eval mode: (N,) class numbers.

    >>> predict(nn.Identity(), np.array([[2.0, 0.0], [0.0, 9.0]]))
    array([0, 1])
    """
    pictures = _images(images, "images")
    batch_size = integer(batch_size, "batch_size", at_least=1)
    with _on_device(model, choose_device(device)) as place, _evaluating(model):
        found = [
            _forward(model, part.to(place)).argmax(1) for part in torch.split(pictures, batch_size)
        ]
    return torch.cat(found).cpu().numpy()


# ── data ────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class _Batches:
    """Images and targets in batches, from memory or from a DataLoader."""

    name: str
    batch_size: int
    pair: tuple[Tensor, Tensor] | None = None
    loader: Any = None

    @property
    def generator(self) -> torch.Generator | None:
        """A DataLoader's own generator: the one thing that an epoch's seed does not set."""
        found = getattr(self.loader, "generator", None)
        return found if isinstance(found, torch.Generator) else None

    def shuffled(self, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of one epoch; a DataLoader shuffles, or not, as it was made."""
        if self.pair is None:
            yield from self.in_order()
            return
        images, targets = self.pair
        order = torch.from_numpy(rng.permutation(len(images)))
        parts = list(torch.split(order, self.batch_size))
        if len(parts) > 1 and len(parts[-1]) == 1:
            # BatchNorm cannot take a variance over one image's single values.
            parts[-2:] = [torch.cat(parts[-2:])]
        for part in parts:
            yield images[part], targets[part]

    def in_order(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches as the data has them."""
        if self.pair is not None:
            images, targets = (torch.split(part, self.batch_size) for part in self.pair)
            yield from zip(images, targets, strict=True)
            return
        for batch in self.loader:
            if not isinstance(batch, tuple | list) or len(batch) != 2:
                raise ValueError(f"{self.name} must give pairs (images, targets)")
            yield batch[0], batch[1]


def _prepared(data: Any, name: str, batch_size: int, loss: Loss | None) -> _Batches:
    if isinstance(data, tuple) and len(data) == 2:
        images, targets = _images(data[0], f"{name} images"), torch.as_tensor(data[1])
        if len(images) != len(targets):
            raise ValueError(f"{name} has {len(images)} images and {len(targets)} labels")
        if loss is None:
            if targets.is_floating_point() or targets.is_complex():
                raise TypeError(
                    f"{name} labels (of type {targets.dtype}) must be class numbers, integers"
                )
            targets = targets.long()
        return _Batches(name, batch_size, pair=(images, targets))
    if not isinstance(data, Iterable) or isinstance(data, tuple | Tensor | np.ndarray | str):
        raise TypeError(f"{name} must be a pair (images, labels) or a DataLoader")
    with contextlib.suppress(TypeError):  # some loaders do not know how many batches they have
        if len(data) == 0:  # type: ignore[arg-type]
            raise ValueError(f"{name} has no batch: the loader is empty (drop_last, few images?)")
    return _Batches(name, batch_size, loader=data)


def _images(images: Any, name: str) -> Tensor:
    """Images as a float tensor; whole numbers are refused, because they are rarely in [0, 1]."""
    tensor = torch.as_tensor(images)
    if tensor.ndim < 2:
        raise ValueError(f"{name} have shape {tuple(tensor.shape)}, must be (N, …)")
    if len(tensor) == 0:
        raise ValueError(f"{name} are none: shape {tuple(tensor.shape)}")
    if not tensor.is_floating_point():
        raise TypeError(f"{name} (of type {tensor.dtype}) must be floats: divide bytes by 255")
    if not bool(torch.isfinite(tensor).all()):
        raise ValueError(f"{name} must be finite: some values are NaN or infinite")
    return tensor.to(torch.get_default_dtype())


def _augmented(augment: Augment, images: Tensor, rng: np.random.Generator) -> Tensor:
    changed = torch.as_tensor(np.ascontiguousarray(augment(images.numpy(), rng)))
    if len(changed) != len(images):
        raise ValueError(f"augment must return {len(images)} images, it returned {len(changed)}")
    return changed.to(images.dtype)


# ── one step ────────────────────────────────────────────────────────────────────────────────────


def _forward(model: nn.Module, images: Tensor) -> Tensor:
    """The model's outputs; where shapes do not fit, say at which layer."""
    try:
        outputs = model(images)
    except (NotImplementedError, torch.OutOfMemoryError):
        raise  # RuntimeErrors too, but not of shapes
    except RuntimeError as error:
        raise ValueError(_where_it_fails(model, images, error)) from error
    if not isinstance(outputs, Tensor):
        raise TypeError(f"model must return a tensor, it returned {type(outputs).__name__}")
    return outputs


def _where_it_fails(model: nn.Module, images: Tensor, error: RuntimeError) -> str:
    """The layer that a forward pass dies in, found by running it once more."""
    inside: list[str] = []
    done: list[str] = []

    def enter(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...]) -> None:
            shapes = ", ".join(str(tuple(a.shape)) for a in args if isinstance(a, Tensor))
            inside.append(f"layer {name!r} ({module}) got an input of shape {shapes}")

        return hook

    def leave(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            inside.pop()
            done.append(f"{name!r} ({module})")

        return hook

    leaves = [(name, m) for name, m in model.named_modules() if name and not list(m.children())]
    handles = [m.register_forward_pre_hook(enter(name)) for name, m in leaves]
    handles += [m.register_forward_hook(leave(name)) for name, m in leaves]
    try:
        with torch.no_grad():
            model(images)
    except RuntimeError:
        pass
    finally:
        for handle in handles:
            handle.remove()
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    if inside:
        return f"{inside[-1]}: {first}"
    place = f"after layer {done[-1]}" if done else "before its first layer"
    return f"model fails {place} on images of shape {tuple(images.shape)}: {first}"


def _loss_of(outputs: Tensor, targets: Tensor, loss: Loss | None) -> Tensor:
    if loss is not None:
        return loss(outputs, targets)
    if outputs.ndim < 2 or len(outputs) != len(targets):
        raise ValueError(
            f"model returned shape {tuple(outputs.shape)} for {len(targets)} images, must be "
            f"({len(targets)}, classes): flatten all axes but the first"
        )
    classes = outputs.shape[1]
    if len(targets) and not 0 <= int(targets.min()) <= int(targets.max()) < classes:
        raise ValueError(
            f"labels from {int(targets.min())} to {int(targets.max())} must be class numbers "
            f"below {classes}, the number of the model's outputs"
        )
    return nn.functional.cross_entropy(outputs, targets)


def _gradient_norm(model: nn.Module) -> float:
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    return float(nn.utils.get_total_norm(gradients)) if gradients else 0.0


class _Tally:
    """Losses and right answers added up over batches."""

    def __init__(self) -> None:
        self.loss, self.right, self.labels, self.n = 0.0, 0, 0, 0

    def add(self, loss: Tensor, outputs: Tensor, targets: Tensor) -> None:
        n = len(outputs)
        self.n += n
        self.loss += n * loss.item()
        if not targets.is_floating_point() and outputs.ndim == targets.ndim + 1:
            self.right += int((outputs.argmax(1) == targets).sum())
            self.labels += targets.numel()

    def result(self, name: str) -> Evaluation:
        if self.n == 0:
            raise ValueError(f"{name} has no batch: the loader is empty")
        accuracy = self.right / self.labels if self.labels else math.nan
        return Evaluation(self.loss / self.n, accuracy, self.n)


# ── a run, its best weights and its file ────────────────────────────────────────────────────────


@dataclass
class _Run:
    """All that changes from epoch to epoch."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    plan: LRScheduler | None
    history: History
    best: Weights | None = None

    def record(
        self, trained: Evaluation, tested: Evaluation | None, rate: float, seconds: float
    ) -> None:
        """Write an epoch down all at once, so that an interrupt never leaves half of it."""
        history = self.history
        if tested is not None and tested.loss < min(history.val_loss, default=math.inf):
            history = replace(history, best_epoch=history.epochs + 1)
            state = self.model.state_dict()
            self.best = {name: value.detach().clone() for name, value in state.items()}
        self.history = replace(
            history,
            train_loss=[*history.train_loss, trained.loss],
            train_accuracy=[*history.train_accuracy, trained.accuracy],
            val_loss=[*history.val_loss, *([tested.loss] if tested else [])],
            val_accuracy=[*history.val_accuracy, *([tested.accuracy] if tested else [])],
            lr=[*history.lr, rate],
            seconds=[*history.seconds, seconds],
        )

    def waited(self) -> int:
        """Epochs since the best one."""
        return self.history.epochs - (self.history.best_epoch or 0)

    def step_plan(self) -> None:
        """Let the scheduler set the next epoch's rate."""
        if isinstance(self.plan, ReduceLROnPlateau):
            self.plan.step((self.history.val_loss or self.history.train_loss)[-1])
        elif self.plan is not None:
            self.plan.step()

    def save(
        self, path: Path, settings: Mapping[str, float], generator: torch.Generator | None
    ) -> None:
        """Write everything to a file, at once: an interrupt leaves the old one or the new."""
        content = {
            "settings": dict(settings),
            "history": self.history.to_dict(),
            "model": self.model.state_dict(),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if self.plan is None else self.plan.state_dict(),
            "generator": None if generator is None else generator.get_state(),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f"{path.name}.part")
        torch.save(content, unfinished)
        unfinished.replace(path)

    def load(
        self, path: Path, settings: Mapping[str, float], generator: torch.Generator | None
    ) -> None:
        """Take up what `save` wrote. ValueError where it is no checkpoint of this training."""
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            saved = content["settings"]
        except Exception as error:
            raise ValueError(f"checkpoint ({path}) cannot be read: is it one of fit's?") from error
        for name, value in settings.items():
            if saved.get(name) != value:
                raise ValueError(
                    f"checkpoint ({path}) was made with {name} {saved.get(name)}, not {value}: "
                    "delete it to start anew"
                )
        try:
            self.model.load_state_dict(content["model"])
            self.optimizer.load_state_dict(content["optimizer"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise ValueError(f"checkpoint ({path}) is of another model or optimizer") from error
        if self.plan is not None and content["scheduler"] is not None:
            self.plan.load_state_dict(content["scheduler"])
        if generator is not None and content["generator"] is not None:
            generator.set_state(content["generator"])
        self.history, self.best = History.from_dict(content["history"]), content["best"]


# ── around the loop ─────────────────────────────────────────────────────────────────────────────


def _device_of(model: nn.Module) -> torch.device:
    return next((p.device for p in model.parameters()), torch.device("cpu"))


@contextlib.contextmanager
def _on_device(model: nn.Module, device: torch.device) -> Iterator[torch.device]:
    before = _device_of(model)
    model.to(device)
    try:
        # A model without parameters is nowhere: it works where its input is.
        yield _device_of(model)
    finally:
        model.to(before)


@contextlib.contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Eval mode in the body; afterwards each part has its own mode again."""
    modes = [(part, part.training) for part in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


@contextlib.contextmanager
def _seeded(device: torch.device, seed: int, epoch: int) -> Iterator[None]:
    """torch's generators seeded for an epoch (dropout, a DataLoader's order), then as before."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0]))
        yield


class _Display:
    """A bar on the standard output, curves in a notebook."""

    def __init__(self, epochs: int, progress: bool, live: bool) -> None:
        self.epochs, self.progress = epochs, progress
        ipython = sys.modules.get("IPython")
        # Outside a notebook there is nothing to draw in.
        self.live = live and ipython is not None and ipython.get_ipython() is not None
        self.bar: Any = None
        self.handle: Any = None
        self.pending: History | None = None
        self.drawn = -math.inf

    def __enter__(self) -> _Display:
        if self.progress:
            from tqdm import tqdm

            # Not stderr: nbgrader takes whatever appears there for a failure.
            self.bar = tqdm(total=self.epochs, unit="epoch", file=sys.stdout)
        return self

    def __exit__(self, *exc: object) -> None:
        if self.bar is not None:
            self.bar.close()
        if self.pending is not None:
            self._draw(self.pending)

    def show(self, history: History) -> None:
        """The state after an epoch; curves are drawn twice a second at most, and at the end."""
        if self.bar is not None:
            last = {"loss": f"{history.train_loss[-1]:.3f}"}
            if history.val_accuracy:
                last["held back"] = f"{history.val_accuracy[-1]:.3f}"
            self.bar.set_postfix(last, refresh=False)
            self.bar.update(history.epochs - self.bar.n)
        if self.live:
            self.pending = history
            if time.perf_counter() - self.drawn > 0.5:
                self._draw(history)

    def _draw(self, history: History) -> None:
        from IPython.display import display

        from course_lib.plots import described
        from course_lib.plots.training import curves_in_words, training_curves

        figure = described(
            training_curves({"": history}, epochs=self.epochs), curves_in_words(history)
        )
        if self.handle is None:
            self.handle = display(figure, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self.handle.update(figure)
        self.pending, self.drawn = None, time.perf_counter()
