"""Small torch networks whose effective fields are known exactly, whatever is fed to them.

An effective field is measured on random inputs. These networks are linear in each input, so that
the measurement has one right answer and no luck in it.

Importing this module does not load torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from course_lib._validate import IntOrPair, pair

if TYPE_CHECKING:
    import torch

__all__ = ["alternating_net", "linear_net"]


def linear_net(
    channels: Sequence[int],
    kernels: Sequence[IntOrPair],
    strides: Sequence[IntOrPair] | None = None,
    padding: int = 0,
    signed: bool = True,
    seed: int = 0,
) -> torch.nn.Sequential:
    """A stack of convolutions and nothing else: `kernels[i]` leads to `channels[i + 1]` channels.

    The weights lie between 0.5 and 1.5, with random signs where `signed`. Strides are 1 unless
    said; every layer has the same padding.

    Raises ValueError where `channels` is not one longer than `kernels`.

    >>> [tuple(layer.weight.shape) for layer in linear_net((3, 2, 1), (3, (1, 5)))]
    [(2, 3, 3, 3), (1, 2, 1, 5)]
    """
    import torch

    if len(channels) != len(kernels) + 1:
        raise ValueError(f"channels (={channels}) must be one longer than kernels (={kernels})")
    rng = np.random.default_rng(seed)
    layers = []
    for place, kernel in enumerate(kernels):
        conv = torch.nn.Conv2d(
            channels[place],
            channels[place + 1],
            pair(kernel, "kernel", at_least=1),
            pair(1 if strides is None else strides[place], "stride", at_least=1),
            padding,
            bias=False,
        )
        with torch.no_grad():
            conv.weight.copy_(torch.from_numpy(_weights(rng, tuple(conv.weight.shape), signed)))
        layers.append(conv)
    return torch.nn.Sequential(*layers)


def _weights(rng: np.random.Generator, shape: tuple[int, ...], signed: bool) -> Any:
    magnitudes = rng.uniform(0.5, 1.5, shape)
    return magnitudes * rng.choice([-1.0, 1.0], shape) if signed else magnitudes


def alternating_net(
    c_in: int = 1, kernel: IntOrPair = 3, period: int = 16, seed: int = 0
) -> torch.nn.Module:
    """A convolution that takes another kernel for each new image, `period` of them in turn.

    It stands in for a network with non-linearities, whose gradient is another one at each input.
    Every kernel keeps about half of its pixels and has 1 as the largest sum over channels of its
    magnitudes. One after the other or in a batch, `period` different images meet each kernel once;
    an image that comes again meets its own again.

    Raises ValueError where `kernel` is below 1.

    >>> import torch
    >>> net, x = alternating_net(), torch.ones(1, 1, 3, 3)
    >>> bool(net(x) == net(x)), bool(net(2 * x) == 2 * net(x))
    (True, False)
    """
    import torch

    height, width = pair(kernel, "kernel", at_least=1)
    rng = np.random.default_rng(seed)
    bank = _weights(rng, (period, 1, c_in, height, width), signed=True)
    bank *= rng.random((period, 1, 1, height, width)) < 0.5
    bank[:, :, :, height // 2, width // 2] = 1.0  # so that no kernel is empty
    bank /= np.abs(bank).sum(axis=2, keepdims=True).max(axis=(3, 4), keepdims=True)

    class Alternating(torch.nn.Module):
        """Remembers the images that it has seen."""

        def __init__(self) -> None:
            super().__init__()
            self.bank = torch.nn.Parameter(torch.from_numpy(bank.astype(np.float32)))
            self.seen: dict[bytes, int] = {}

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            outputs = []
            for image in x:
                place = self.seen.setdefault(image.detach().numpy().tobytes(), len(self.seen))
                weight = self.bank[place % period]  # (1, C, K_h, K_w)
                outputs.append(torch.nn.functional.conv2d(image[None], weight))
            return torch.cat(outputs)

    return Alternating()
