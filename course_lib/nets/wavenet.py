"""The stack of WaveNet. Van den Oord and others, *WaveNet: A generative model for raw audio*, 2016:
https://arxiv.org/abs/1609.03499

Dilated convolutions along time that never look ahead: with the dilations 1, 2, 4, 8, … each layer
doubles what an output sample hears of the past.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from course_lib._validate import integer


class CausalConv(nn.Module):
    """A dilated convolution whose last tap is the present: (N, c_in, T) → (N, c_out, T)."""

    def __init__(self, c_in: int, c_out: int, kernel_size: int = 2, dilation: int = 1) -> None:
        super().__init__()
        kernel_size = integer(kernel_size, "kernel_size", at_least=1)
        dilation = integer(dilation, "dilation", at_least=1)
        self.past = (kernel_size - 1) * dilation
        self.conv = nn.Conv1d(c_in, c_out, kernel_size, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        """All of the padding goes before the first sample."""
        out: Tensor = self.conv(functional.pad(x, (self.past, 0)))
        return out


class GatedBlock(nn.Module):
    """What is heard times how much it counts, added to the input; and a share for the output.

    (N, channels, T) → the block's output and its share of the network's, both (N, channels, T).
    """

    def __init__(self, channels: int, kernel_size: int, dilation: int) -> None:
        super().__init__()
        self.heard = CausalConv(channels, channels, kernel_size, dilation)
        self.gate = CausalConv(channels, channels, kernel_size, dilation)
        self.residual = nn.Conv1d(channels, channels, 1)
        self.skip = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x + F(x), and what goes to the end at once."""
        z = torch.tanh(self.heard(x)) * torch.sigmoid(self.gate(x))
        return x + self.residual(z), self.skip(z)


class CausalStack(nn.Module):
    """Gated blocks, one for each of `dilations`, their shares summed: (N, channels, T) → the same.

    Output t depends on the inputs t - receptive_field + 1 to t, and on nothing later.

    >>> stack = CausalStack(4, dilations=(1, 2, 4, 8))
    >>> stack.receptive_field, stack(torch.zeros(1, 4, 20)).shape
    (16, torch.Size([1, 4, 20]))
    """

    def __init__(
        self, channels: int, dilations: Sequence[int] = (1, 2, 4, 8), kernel_size: int = 2
    ) -> None:
        super().__init__()
        channels = integer(channels, "channels", at_least=1)
        rates = [integer(d, f"dilations[{i}]", at_least=1) for i, d in enumerate(dilations)]
        if not rates:
            raise ValueError("dilations must hold at least one number")
        self.blocks = nn.ModuleList(GatedBlock(channels, kernel_size, rate) for rate in rates)
        self.receptive_field = 1 + sum((kernel_size - 1) * rate for rate in rates)
        """How many samples an output depends on, itself included."""

    def forward(self, x: Tensor) -> Tensor:
        """The sum of all blocks' shares."""
        total = torch.zeros_like(x)
        for block in self.blocks:
            x, share = block(x)
            total = total + share
        return total
