"""Convolution in NumPy against torch, one thread each: ``python benchmarks/ops.py [seconds]``.

Each case runs the two by turns for some seconds (2 unless told otherwise), so that a busy moment of
the machine falls on both, and prints the median of the ratios of their times: below 1, NumPy is
the faster one. The time is the processor's, all threads together: what other programs take does not
count. Absolute times depend on the machine; the ratios carry over. float32 throughout. A backward
pass gives the gradients of x and of the weight. The exit status is 1 where a target is missed.

The libraries read their number of threads, and the C library how it keeps freed memory, when they
are loaded. So this program sets both and starts itself again. Without the second, every large
result is fresh memory from the operating system, and its page faults, the same for both sides,
hide what is measured.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(2**25),  # the largest that glibc accepts
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
}


class Case(NamedTuple):
    name: str
    x: tuple[int, int, int, int]
    weight: tuple[int, int, int, int]
    settings: dict[str, int]
    forward: float  # targets: at most so many times as long as torch
    backward: float


CASES = (
    Case("small", (8, 3, 32, 32), (16, 3, 3, 3), {}, 1.0, 0.9),
    Case("middle", (8, 64, 56, 56), (64, 64, 3, 3), {"padding": 1}, 1.35, 1.4),
    Case("stem", (1, 3, 224, 224), (64, 3, 7, 7), {"stride": 2, "padding": 3}, 1.4, 0.6),
    Case("depthwise", (8, 64, 56, 56), (64, 1, 3, 3), {"padding": 1, "groups": 64}, 4.0, 5.0),
)

# How the named algorithms do on the middle case, and the one target among them.
ALGORITHMS = {"winograd": 0.9, "winograd_2x2": None, "im2col": None, "fft": None}


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0

    import numpy as np
    import torch
    from torch.nn import functional

    from course_lib import ops

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    missed = 0
    print(f"{'case':10} {'what':22} {'NumPy ms':>9} {'torch ms':>9} {'ratio':>7} {'target':>7}")

    def row(case: str, what: str, ours: Callable[[], Any], theirs: Callable[[], Any],
            target: float | None) -> int:  # fmt: skip
        numpy_ms, torch_ms, ratio = alternate(ours, theirs, seconds)
        late = target is not None and ratio > target
        shown = "" if target is None else f"{target:.2f}"
        print(
            f"{case:10} {what:22} {numpy_ms:9.3f} {torch_ms:9.3f} {ratio:7.2f} {shown:>7}"
            + ("  missed" if late else ""),
            flush=True,
        )
        return int(late)

    for case in CASES:
        x = rng.normal(size=case.x).astype(np.float32)
        weight = rng.normal(size=case.weight).astype(np.float32)
        settings = case.settings
        tensors = torch.tensor(x), torch.tensor(weight)

        def torch_forward(tensors: Any = tensors, settings: Any = settings) -> Any:
            with torch.no_grad():
                return functional.conv2d(*tensors, **settings)

        missed += row(
            case.name,
            "conv2d",
            lambda x=x, weight=weight, settings=settings: ops.conv2d(x, weight, **settings),
            torch_forward,
            case.forward,
        )
        for name, target in ALGORITHMS.items() if case.name == "middle" else ():
            missed += row(
                case.name,
                f"conv2d {name}",
                lambda x=x, weight=weight, settings=settings, name=name: ops.conv2d(
                    x, weight, **settings, algorithm=name
                ),
                torch_forward,
                target,
            )

        leaves = tuple(tensor.requires_grad_() for tensor in tensors)
        out = functional.conv2d(*leaves, **settings)
        grad = rng.normal(size=tuple(out.shape)).astype(np.float32)
        torch_grad = torch.tensor(grad)
        missed += row(
            case.name,
            "conv2d_backward",
            lambda x=x, weight=weight, settings=settings, grad=grad: ops.conv2d_backward(
                grad, x, weight, **settings
            ),
            lambda out=out, leaves=leaves, grad=torch_grad: torch.autograd.grad(
                out, leaves, grad, retain_graph=True
            ),
            case.backward,
        )
    return int(missed > 0)


def alternate(
    ours: Callable[[], Any], theirs: Callable[[], Any], seconds: float
) -> tuple[float, float, float]:
    """Median milliseconds of each, and the median of the ratios, over runs by turns."""
    ours(), theirs()  # warm
    times = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        start = time.process_time()
        ours()
        middle = time.process_time()
        theirs()
        times.append((middle - start, time.process_time() - middle))
    return (
        1000 * statistics.median(a for a, _ in times),
        1000 * statistics.median(b for _, b in times),
        statistics.median(a / b for a, b in times),
    )


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ENVIRONMENT})
    sys.exit(main())
