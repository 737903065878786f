"""Weights from a file: read without running anything in it, and refused unless they fit exactly."""

from __future__ import annotations

import os
import pickle
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from course_lib.nets.net import Net

SHOWN = 3
"""How many keys of each kind an error lists."""


def load_weights(net: Net, path: str | os.PathLike[str], name: str) -> None:
    """Put the weights of a file, `.safetensors` or `.pth`, into a network called `name`.

    Raises FileNotFoundError where there is no such file; ValueError where it cannot be read, holds
    anything but tensors, or does not fit: another architecture's, another number of classes.
    """
    file = Path(path)
    if any(tensor.is_meta for tensor in net.parameters()):
        raise ValueError(
            f"weights (={file.name!r}) must be loaded outside the meta device, which holds none"
        )
    given = {net.published_key(key): value for key, value in read_weights(file).items()}
    state = {key: value for key, value in given.items() if key is not None}
    own = net.state_dict()
    for key, value in own.items():
        if key.endswith("num_batches_tracked"):  # files from before 2018 do not have this counter
            state.setdefault(key, torch.zeros_like(value))
    problem = _difference(own, state)
    if problem:
        raise ValueError(f"weights (={file.name!r}) must be those of {name}: {problem}")
    net.load_state_dict(state, strict=True)


def read_weights(file: Path) -> dict[str, Tensor]:
    """The tensors of a file by name; nothing in the file is run.

    Raises FileNotFoundError, and ValueError for a file that is damaged or holds anything else.
    """
    if not file.is_file():
        raise FileNotFoundError(f"weights (={str(file)!r}) must be a file, and there is none")
    if file.suffix not in (".safetensors", ".pth", ".pt"):
        raise ValueError(f"weights (={file.name!r}) must end in .safetensors, .pth or .pt")
    try:
        if file.suffix == ".safetensors":
            state = safetensors.torch.load_file(file)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about old formats, which are read all the same
                state = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if re.search("unsupported (global|class)", str(error), flags=re.IGNORECASE) is None:
            raise ValueError(_damaged(file)) from None
        raise ValueError(
            f"weights (={file.name!r}) must hold tensors alone: this file holds other Python "
            "objects, which could run code while they are loaded, and was not loaded"
        ) from None  # torch's own words say how to load it all the same
    except Exception:  # a damaged file makes its reader fail in many ways
        raise ValueError(_damaged(file)) from None
    if not isinstance(state, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise ValueError(
            f"weights (={file.name!r}) must hold a state_dict, tensors by their names, and holds "
            f"{_content(state)}"
        )
    return dict(state)


def _damaged(file: Path) -> str:
    return (
        f"weights (={file.name!r}) must be a file of weights: this one ({file.stat().st_size:,} "
        "bytes) is damaged, cut short, or of another kind"
    )


def _content(state: object) -> str:
    if isinstance(state, Mapping):
        return f"a dict with {_some([str(key) for key in state])}"
    return f"a {type(state).__name__}"


def _difference(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    """What keeps these weights from fitting, in a few words; "" if they fit."""
    missing = [key for key in own if key not in given]
    unexpected = [key for key in given if key not in own]
    misshaped = [key for key in own if key in given and own[key].shape != given[key].shape]
    if misshaped and not missing and not unexpected:
        option = _other_option(own, given, misshaped)
        if option:
            return option
    shapes = [f"{k} {tuple(given[k].shape)} for {tuple(own[k].shape)}" for k in misshaped]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    return "; ".join(f"{len(keys)} {kind} ({_some(keys)})" for kind, keys in kinds.items() if keys)


def _other_option(
    own: Mapping[str, Tensor], given: Mapping[str, Tensor], misshaped: Sequence[str]
) -> str:
    """That the file is for other classes or channels, where that is all; else ""."""
    ours, theirs = own[misshaped[0]].shape, given[misshaped[0]].shape
    head = list(own)[-2:]  # weight and bias of the last layer
    if misshaped == head and ours[1:] == theirs[1:]:
        return f"they are for num_classes={theirs[0]}, and this network has num_classes={ours[0]}"
    if len(misshaped) == 1 and ours[:1] + ours[2:] == theirs[:1] + theirs[2:] and len(ours) == 4:
        return f"they are for in_channels={theirs[1]}, and this network has in_channels={ours[1]}"
    return ""


def _some(keys: Sequence[str]) -> str:
    return ", ".join(keys[:SHOWN]) + (", …" if len(keys) > SHOWN else "")
