"""Transfer: a network that others trained, made ready for a task of your own.

`load_backbone` gets one, with the preprocessing that its weights expect: the course's own, or any
of torchvision's and timm's where the package is installed and the weights can be had.
`replace_head`, `freeze` and `layerwise_lr_groups` are the three handles that fine-tuning turns.

Importing this module loads torch.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from course_lib._validate import Array, integer, number, numbers, pair, shown
from course_lib.nets.weights import read_weights

__all__ = [
    "Backbone",
    "Preprocessing",
    "find_head",
    "freeze",
    "layerwise_lr_groups",
    "load_backbone",
    "preprocess",
    "replace_head",
    "resize",
]

LUMA = (0.299, 0.587, 0.114)  # how bright red, green and blue look: ITU-R BT.601
SOURCES = ("torchvision", "timm")


# ── images as the weights expect them ───────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Preprocessing:
    """What a network's weights expect of an image: its size, and the mean and spread of a channel.

    Called with a sequence of images, each as for `preprocess`, it returns a batch.

    >>> Preprocessing(8, (0.31,), (0.36,))(np.zeros((5, 16, 12))).shape
    torch.Size([5, 1, 8, 8])
    """

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        integer(self.size, "size", at_least=1)
        _statistics(self.mean, self.std)

    def __call__(self, images: Iterable[npt.ArrayLike]) -> Tensor:
        """The images as one tensor (N, C, size, size), float32."""
        found = [preprocess(image, self.size, self.mean, self.std) for image in images]
        empty = np.empty((0, len(self.mean), self.size, self.size), np.float32)
        return torch.from_numpy(np.stack(found) if found else empty)


def preprocess(
    image: npt.ArrayLike, size: int, mean: Sequence[float], std: Sequence[float]
) -> npt.NDArray[np.float32]:
    """An image as a network's weights expect it: (C, size, size), one channel for each mean.

    `image` is (H, W), or (H, W, C) with 1, 3 or 4 channels; the fourth says how opaque a pixel is
    and is dropped. Bytes are divided by 255, 16-bit values by 65,535; floats must lie in [0, 1].
    A grey image is repeated for each channel; a colour image becomes grey where one channel is
    asked. The shorter side becomes `size` (see `resize`), the longer one in proportion, and the
    middle is cut out. At last each channel loses its mean and is divided by its std.

    Raises ValueError for other shapes, values out of range, and means and stds that do not fit;
    TypeError for other types.

    >>> float(preprocess(np.full((10, 20), 255, np.uint8), 4, (0.5,), (0.5,)).max())
    1.0
    """
    size = integer(size, "size", at_least=1)
    middle, spread = _statistics(mean, std)
    channels = _in_channels(_in_range(image), len(middle))  # (C, H, W)
    height, width = channels.shape[1:]
    scale = size / min(height, width)
    channels = resize(channels, (round(height * scale), round(width * scale)))
    top, left = (channels.shape[1] - size) // 2, (channels.shape[2] - size) // 2
    cut = channels[:, top : top + size, left : left + size]
    normalised = (cut - middle[:, None, None]) / spread[:, None, None]
    return np.asarray(normalised, dtype=np.float32)


def resize(channels: npt.ArrayLike, size: int | tuple[int, int]) -> npt.NDArray[np.float32]:
    """An image (C, H, W) at another size, an int or (height, width): bilinear, smoothed.

    Smoothed means that a smaller image averages what falls on a pixel, as Pillow does it.

    >>> resize([[[0.0, 1.0], [0.0, 1.0]]], 1)
    array([[[0.5]]], dtype=float32)
    """
    image = numbers(channels, "channels")
    if image.ndim != 3 or image.size == 0:
        raise ValueError(f"channels has shape {image.shape}, must be (C, H, W) and not empty")
    height, width = pair(size, "size", at_least=1)
    tensor = torch.from_numpy(np.array(image, dtype=np.float32))[None]
    if (height, width) == image.shape[1:]:
        return tensor[0].numpy()
    found = functional.interpolate(
        tensor, size=(height, width), mode="bilinear", align_corners=False, antialias=True
    )
    return found[0].numpy()


def _in_range(image: npt.ArrayLike) -> Array:
    """The values in [0, 1], whatever type they came in."""
    found = numbers(image, "image")
    if found.size == 0:
        raise ValueError(f"image has shape {found.shape}, must not be empty")
    if found.dtype == np.uint8:
        return found / 255
    if found.dtype == np.uint16:
        return found / 65_535
    if found.dtype.kind not in "fb":
        raise TypeError(
            f"image (of type {found.dtype.name}) must be of bytes (uint8), 16-bit values (uint16) "
            "or floats: divide by the largest value it can have"
        )
    low, high = float(found.min()), float(found.max())
    if not (low >= 0 and high <= 1):  # false of NaN as well
        raise ValueError(
            f"image has values from {low:g} to {high:g}, floats must lie in [0, 1]: divide by the "
            "largest value it can have"
        )
    return found.astype(np.float64)


def _in_channels(image: Array, wanted: int) -> Array:
    """(H, W) or (H, W, C) as (wanted, H, W)."""
    if image.ndim == 2:
        image = image[:, :, None]
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4):
        raise ValueError(
            f"image has shape {image.shape}, must be (H, W) or (H, W, C) with 1, 3 or 4 channels: "
            "channels come last here"
        )
    image = image[:, :, :3].transpose(2, 0, 1)
    if len(image) == wanted:
        return image
    if len(image) == 3 and wanted == 1:
        return np.tensordot(LUMA, image, axes=1)[None]
    if len(image) == 1:
        return np.repeat(image, wanted, axis=0)
    raise ValueError(f"image has {len(image)} channels, and the network takes {wanted}")


def _statistics(mean: Sequence[float], std: Sequence[float]) -> tuple[Array, Array]:
    middle, spread = np.atleast_1d(numbers(mean, "mean")), np.atleast_1d(numbers(std, "std"))
    if middle.ndim != 1 or middle.shape != spread.shape or not len(middle):
        raise ValueError(
            f"mean and std have shapes {middle.shape} and {spread.shape}, must hold a number for "
            "each channel"
        )
    if not (np.isfinite(middle).all() and np.isfinite(spread).all() and (spread > 0).all()):
        raise ValueError(f"std (={shown(std)}) must be above 0, and both must be finite")
    return middle, spread


# ── the handles ─────────────────────────────────────────────────────────────────────────────────


def find_head(model: nn.Module) -> str:
    """The name of the layer that gives the classes: the last one with parameters, if it is linear.

    Raises ValueError where the last layer with parameters is no `nn.Linear`, and names what could
    be meant.

    >>> find_head(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 10)))
    '2'
    """
    layers = _layers(model)
    if layers and isinstance(layers[-1][1], nn.Linear):
        return layers[-1][0]
    linear = [name for name, layer in layers if isinstance(layer, nn.Linear)][-3:]
    named = dict(layers)
    candidates = list(dict.fromkeys([*linear, *(name for name, _ in layers[-3:])]))
    listed = ", ".join(f"{name!r} ({type(named[name]).__name__})" for name in candidates)
    raise ValueError(
        "model has no head that is easily told: its last layer with parameters is no nn.Linear. "
        f"Name one with head=…; candidates: {listed or 'none, it has no parameters'}"
    )


def _layers(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The modules without children that have parameters, in order; not the model itself."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model (={shown(model)}) must be a torch.nn.Module")
    return [
        (name, layer)
        for name, layer in model.named_modules()
        if name and not any(layer.children()) and any(True for _ in layer.parameters())
    ]


def _named(model: nn.Module, head: str | None) -> tuple[str, nn.Module]:
    if head is None:
        head = find_head(model)
    try:
        return head, model.get_submodule(head)
    except AttributeError:
        names = ", ".join(repr(name) for name, _ in _layers(model)[-3:])
        raise ValueError(f"head (={head!r}) must name a layer of the model, as {names}") from None


def replace_head(model: nn.Module, num_classes: int, head: str | None = None) -> nn.Module:
    """Put a new layer for `num_classes` in place of the head, with random weights; the same model.

    The head is `find_head(model)` unless `head` names another, an `nn.Linear` or `nn.Conv2d`. The
    new one takes the same inputs and has a bias where the old one has.

    Raises ValueError where no head is found, or the layer named cannot be one.

    >>> model = replace_head(nn.Sequential(nn.Flatten(), nn.Linear(64, 44)), 10)
    >>> model[1]
    Linear(in_features=64, out_features=10, bias=True)
    """
    num_classes = integer(num_classes, "num_classes", at_least=1)
    name, old = _named(model, head)
    bias = getattr(old, "bias", None) is not None
    new: nn.Module
    if isinstance(old, nn.Linear):
        new = nn.Linear(old.in_features, num_classes, bias=bias)
    elif isinstance(old, nn.Conv2d) and old.groups == 1:
        new = nn.Conv2d(
            old.in_channels,
            num_classes,
            old.kernel_size,  # type: ignore[arg-type]
            old.stride,  # type: ignore[arg-type]
            old.padding,  # type: ignore[arg-type]
            bias=bias,
        )
    else:
        raise ValueError(f"head (={name!r}) is a {type(old).__name__}, must be a Linear or Conv2d")
    place = next(old.parameters())
    new = new.to(place.device, place.dtype).train(old.training)
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, new)
    return model


def freeze(model: nn.Module, except_head: bool = True, head: str | None = None) -> nn.Module:
    """Let nothing of a model learn but its head, or nothing at all; the same model.

    This stops gradients. BatchNorm's running values are no parameters: in training mode they still
    move, so keep a frozen part in eval mode.

    >>> model = freeze(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)))
    >>> [weight.requires_grad for weight in model.parameters()]
    [False, False, True, True]
    """
    kept = _named(model, head)[1] if except_head else None
    model.requires_grad_(False)
    if kept is not None:
        kept.requires_grad_(True)
    return model


def layerwise_lr_groups(model: nn.Module, base_lr: float, decay: float) -> list[dict[str, Any]]:
    """Groups for an optimizer, one for each child with parameters: the last learns at `base_lr`.

    Each child before it learns at `decay` times the rate of the next. Parameters that the model
    holds itself, outside its children, join the first group.

    Raises ValueError for a rate or decay that is not above 0, or a model without children that
    have parameters.

    >>> model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> [group["lr"] for group in layerwise_lr_groups(model, 0.5, 0.5)]
    [0.25, 0.5]
    """
    base_lr, decay = number(base_lr, "base_lr", above=0), number(decay, "decay", above=0)
    parts = [list(child.parameters()) for child in model.children()]
    parts = [part for part in parts if part]
    if not parts:
        raise ValueError("model must have children with parameters, one for each group")
    parts[0] = [*model.parameters(recurse=False), *parts[0]]
    last = len(parts) - 1
    return [
        {"params": part, "lr": base_lr * decay ** (last - place)}
        for place, part in enumerate(parts)
    ]


# ── backbones by name ───────────────────────────────────────────────────────────────────────────


class Backbone(NamedTuple):
    """A pretrained network, in eval mode, and what its weights expect of an image."""

    model: nn.Module
    preprocessing: Preprocessing


def load_backbone(
    name: str = "letters",
    num_classes: int | None = None,
    weights: str | os.PathLike[str] | None = None,
    preprocessing: Preprocessing | None = None,
    head: str | None = None,
) -> Backbone:
    """A pretrained network by name, with its preprocessing; with `num_classes`, a new head.

    "letters" is the course's own (see `course_lib.experiments.pretrain`). "torchvision:NAME" and
    "timm:NAME" are models of those packages, with their default weights, which are downloaded
    once, or with the `weights` of a file. What the weights of a file expect cannot be read off
    them, so `preprocessing` must then be given. `head` names the layer to replace where it is not
    the last one (see `replace_head`).

    Raises ValueError for unknown names and weights that do not fit or whose preprocessing is not
    known, ModuleNotFoundError and ImportError where the package is missing or broken, and
    ConnectionError where weights cannot be had: each says what to do.

    >>> model, preprocessing = load_backbone(num_classes=10)
    >>> model(preprocessing(np.zeros((2, 32, 32)))).shape
    torch.Size([2, 10])
    """
    if not isinstance(name, str):
        raise TypeError(f"name (={shown(name)}) must be a string, not {type(name).__name__}")
    source, _, own = name.partition(":")
    if name == "letters":
        found = _letters(weights, preprocessing)
    elif source in SOURCES and own:
        load = _torchvision if source == "torchvision" else _timm
        found = load(own, None if weights is None else Path(weights), preprocessing)
    else:
        raise ValueError(
            f"name (={shown(name)}) must be 'letters', 'torchvision:NAME' or 'timm:NAME', such as "
            "'torchvision:resnet18'"
        )
    if num_classes is not None:
        replace_head(found.model, num_classes, head)
    return Backbone(found.model.eval(), found.preprocessing)


def _letters(
    weights: str | os.PathLike[str] | None, preprocessing: Preprocessing | None
) -> Backbone:
    from course_lib.experiments import pretrain

    card = pretrain.load_card()["preprocessing"]
    model = pretrain.backbone()
    _fill(model, Path(pretrain.PATH if weights is None else weights), "letters")
    own = Preprocessing(card["size"], tuple(card["mean"]), tuple(card["std"]))
    return Backbone(model, own if preprocessing is None else preprocessing)


def _torchvision(name: str, file: Path | None, preprocessing: Preprocessing | None) -> Backbone:
    models = _package("torchvision.models", "torchvision")
    known = models.list_models(module=models)  # classification alone
    if name not in known:
        raise ValueError(_unknown("torchvision", name, known))
    if file is not None:
        model = models.get_model(name, weights=None)
        return _with_file(model, file, f"torchvision:{name}", preprocessing)
    default = models.get_model_weights(name).DEFAULT
    try:
        model = models.get_model(name, weights=default)
    except OSError as error:  # no network, no such host, a broken connection
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise ConnectionError(
            f"the weights of torchvision:{name} are not on this computer and could not be "
            f"downloaded ({_short(error)}). Either connect it and call this again, or fetch "
            f"{default.url} elsewhere and put the file into {folder}"
        ) from None
    recipe = default.transforms()
    if preprocessing is None:
        preprocessing = Preprocessing(recipe.crop_size[0], tuple(recipe.mean), tuple(recipe.std))
    return Backbone(model, preprocessing)


def _timm(name: str, file: Path | None, preprocessing: Preprocessing | None) -> Backbone:
    timm = _package("timm", "timm")
    known = timm.list_models()
    if name.partition(".")[0] not in known:
        raise ValueError(_unknown("timm", name, known))
    if file is not None:
        model = timm.create_model(name, pretrained=False)
        return _with_file(model, file, f"timm:{name}", preprocessing)
    try:
        model = timm.create_model(name, pretrained=True)
    except (OSError, RuntimeError) as error:  # no network; or timm knows of no weights
        raise ConnectionError(
            f"the weights of timm:{name} are not on this computer and could not be downloaded "
            f"({_short(error)}). Either connect it and call this again, or fetch the file of "
            f"weights elsewhere and name it: load_backbone('timm:{name}', weights=…, "
            "preprocessing=…)"
        ) from None
    if preprocessing is None:
        said = dict(getattr(model, "pretrained_cfg", None) or {})
        missing = [key for key in ("input_size", "mean", "std") if not said.get(key)]
        if missing:
            raise ValueError(_needs_preprocessing(f"timm:{name}", f"no {' and '.join(missing)}"))
        preprocessing = Preprocessing(
            int(said["input_size"][-1]), tuple(said["mean"]), tuple(said["std"])
        )
    return Backbone(model, preprocessing)


def _with_file(
    model: nn.Module, file: Path, name: str, preprocessing: Preprocessing | None
) -> Backbone:
    if preprocessing is None:
        raise ValueError(_needs_preprocessing(name, "only weights"))
    _fill(model, file, name)
    return Backbone(model, preprocessing)


def _needs_preprocessing(name: str, held: str) -> str:
    return (
        f"preprocessing must be given for {name}: there is {held} to read it from, and images "
        "scaled in another way than in pretraining mislead a network without any error. For "
        "example preprocessing=Preprocessing(224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))"
    )


def _fill(model: nn.Module, file: Path, name: str) -> None:
    """Put the weights of a file into a model; all must fit."""
    state = read_weights(file)
    try:
        model.load_state_dict(state, strict=True)
    except RuntimeError:
        own = model.state_dict()
        wrong = [k for k in own if k not in state or own[k].shape != state[k].shape]
        extra = [k for k in state if k not in own]
        names = ", ".join([*wrong, *extra][:3])
        raise ValueError(
            f"weights (={file.name!r}) must be those of {name}: {len(wrong)} of its {len(own)} "
            f"tensors are missing or of another shape, {len(extra)} are not its own ({names}, …)"
        ) from None


def _package(module: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != name:
            raise
        raise ModuleNotFoundError(
            f"this needs the package {name}: python -m pip install {name}", name=name
        ) from error
    except (RuntimeError, OSError) as error:
        raise ImportError(
            f"{name} is installed but does not load beside torch {torch.__version__} "
            f"({_short(error)}): install the {name} that was built for this torch"
        ) from error


def _unknown(source: str, name: str, known: Sequence[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, known)
    hint = f": did you mean {' or '.join(map(repr, near))}?" if near else ""
    return f"{source} has no model called {name!r}{hint}"


def _short(error: BaseException) -> str:
    text = str(error).strip()
    line = text.splitlines()[0] if text else type(error).__name__
    return line if len(line) <= 120 else line[:117] + "..."
