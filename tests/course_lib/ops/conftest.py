"""One comparison with torch for all operators."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch


@pytest.fixture(scope="session")
def compare() -> Callable[..., None]:
    """`compare(forward, backward, reference, *arrays)`: equal to torch, forward and backward.

    All three take the arrays as positional arguments, `backward` after the gradient of the output.
    Without `single` only float64 is compared, for cases in which float32 keeps no five digits.
    """
    return _compare


def _compare(
    forward: Callable[..., Any],
    backward: Callable[..., Any] | None,
    reference: Callable[..., torch.Tensor],
    *arrays: np.ndarray,
    single: bool = True,
) -> None:
    for dtype, precision in (("float64", 1e-10), ("float32", 1e-5))[: 1 + single]:
        ours = [array.astype(dtype) for array in arrays]
        leaves = [torch.tensor(array, requires_grad=True) for array in ours]
        expected = reference(*leaves)
        out = forward(*ours)
        assert out.dtype == dtype
        _close(out, expected, precision, "forward")
        if backward is None:
            continue
        grad_out = np.random.default_rng(0).normal(size=tuple(expected.shape)).astype(dtype)
        expected.backward(torch.tensor(grad_out))
        grads = backward(grad_out, *ours)
        grads = grads if isinstance(grads, tuple) else (grads,)
        assert len(grads) == len(leaves)
        for position, (grad, leaf) in enumerate(zip(grads, leaves, strict=True)):
            _close(grad, leaf.grad, precision, f"gradient {position}")


def _close(ours: np.ndarray, theirs: torch.Tensor, precision: float, what: str) -> None:
    expected = theirs.detach().numpy()
    assert ours.shape == expected.shape, what
    # Relative to the largest value: a sum that cancels is no more precise than its terms.
    scale = max(1.0, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(ours, expected, precision, precision * scale, err_msg=what)
