"""Every network of `course_lib.nets`: time to build, parameters and cost, beside those on record.

    python benchmarks/nets.py [NAME…]

Builds each on the meta device, where no number is drawn: the median of five, after one that is not
counted (at most 1 s). Parameters and multiply-adds are counted by torch on the same network, for
the default image. The exit status is 1 where a limit is missed or a count is not the one on record.
"""

from __future__ import annotations

import statistics
import sys
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from course_lib import nets

AT_MOST = 1.0  # seconds to build one
RUNS = 5


def seconds_to_build(name: str) -> float:
    """How long the network takes to build without numbers."""
    start = time.perf_counter()
    with torch.device("meta"):
        nets.create(name)
    return time.perf_counter() - start


def count(name: str) -> tuple[int, float]:
    """Parameters, and multiply-adds of one default image in thousand millions."""
    with torch.device("meta"), torch.no_grad():
        net = nets.create(name).eval()
        with FlopCounterMode(display=False) as counter:
            net(torch.zeros(1, *nets.info(name).input))
    params = sum(weight.numel() for weight in net.parameters())
    return params, counter.get_total_flops() / 2e9


def main(names: list[str]) -> int:
    torch.set_num_threads(1)
    missed = False
    print(f"{'network':18}{'year':>5}{'build s':>9}{'parameters':>13}{'GMACs':>10}{'input':>7}")
    for name in names or nets.list():
        row = nets.info(name)
        seconds_to_build(name)
        seconds = statistics.median(seconds_to_build(name) for _ in range(RUNS))
        params, gmacs = count(name)
        known = row.gmacs is None or round(gmacs, 6 if row.gmacs < 0.01 else 3) == row.gmacs
        fits = seconds <= AT_MOST and params == row.params and known
        missed |= not fits
        print(
            f"{name:18}{row.year:5}{seconds:9.3f}{params:13,}{gmacs:10.3f}{row.input[1]:7}"
            + ("" if fits else "   MISSED")
        )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
