"""torchvision as an independent oracle for the networks: a tool of these tests alone.

A test asks for the fixture it needs: `torchvision_models` (the module), `randomise`, `same_shapes`,
`same_outputs`.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

torch.set_num_threads(1)

NMS = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


@pytest.fixture(scope="session")
def torchvision_models() -> ModuleType:
    """`torchvision.models`. Its usual wheel is built for CUDA; beside a torch for the CPU its own
    operators are missing, and it imports only once two of them, which no test calls, are named.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the missing readers of images
        try:
            return importlib.import_module("torchvision.models")
        except RuntimeError:
            library = torch.library.Library("torchvision", "FRAGMENT")
            for operator in ("nms", "qnms"):
                library.define(operator + NMS)
            models = importlib.import_module("torchvision.models")
            models.course_keeps_library = library  # the operators go when it goes
            return models


def _randomise(net: nn.Module, seed: int = 0) -> None:
    """Give every number of a network a value that shows whether it is used, and where.

    No factor is 0 or 1, no statistic of BatchNorm what it starts as; the signal keeps its size.
    """
    generator = torch.Generator().manual_seed(seed)

    def uniform(tensor: torch.Tensor, low: float, high: float) -> torch.Tensor:
        # Numbers are slow to draw: a large tensor repeats a block, of a length no axis has.
        size = tensor.numel()
        block = torch.empty(min(size, 1_000_003)).uniform_(low, high, generator=generator)
        return block.repeat(-(-size // len(block)))[:size].view(tensor.shape)

    with torch.no_grad():
        for key, tensor in net.state_dict().items():
            if not tensor.is_floating_point():  # counters, indices
                continue
            if key.endswith("running_var") or (tensor.ndim == 1 and key.endswith("weight")):
                tensor.copy_(uniform(tensor, 0.5, 1.5))
            elif tensor.ndim == 1 or key.endswith("layer_scale"):
                tensor.copy_(uniform(tensor, -0.5, 0.5))
            elif key.endswith(("table", "token", "embedding")):
                tensor.copy_(uniform(tensor, -1, 1))
            else:  # a linear map: keeps the variance of its input
                edge = (3 / tensor[0].numel()) ** 0.5
                tensor.copy_(uniform(tensor, -edge, edge))


@pytest.fixture(scope="session")
def randomise() -> Callable[..., None]:
    return _randomise


@pytest.fixture(scope="session")
def same_shapes(torchvision_models: ModuleType) -> Callable[..., None]:
    """`same_shapes(build, name, **theirs)`: equal keys, order and shapes, on the meta device."""

    def check(build: Callable[[], nn.Module], name: str, **theirs: Any) -> None:
        with torch.device("meta"):
            ours = build().state_dict()
            other = getattr(torchvision_models, name)(**theirs).state_dict()
        assert [(k, v.shape) for k, v in ours.items()] == [(k, v.shape) for k, v in other.items()]

    return check


@pytest.fixture(scope="session")
def same_outputs(torchvision_models: ModuleType) -> Callable[..., None]:
    """`same_outputs(build, name, shape, **theirs)`: equal logits for equal weights, in eval mode.

    Buffers come with the weights: a network that computes one has a test of its own for it.
    """

    def check(
        build: Callable[[], nn.Module], name: str, shape: tuple[int, ...], **theirs: Any
    ) -> None:
        other = getattr(torchvision_models, name)(**theirs).eval()
        _randomise(other)
        with torch.device("meta"):
            ours = build().eval()
        ours.load_state_dict(other.state_dict(), strict=True, assign=True)  # the same memory
        x = torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 2 - 1
        with torch.no_grad():
            wanted, got = other(x), ours(x)
        assert wanted.std() > 0.01  # else the weights were trivial, and equality would say nothing
        torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5)

    return check
