"""How long calls take, on a machine that does other things too.

Calls are timed in turn, round after round, so that a slow moment hits all of them. Where the
system counts it finely enough, the time is what the processor spent on the calling thread: waiting
for other programs does not count.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from course_lib._validate import integer

__all__ = ["seconds_of"]

FINE_ENOUGH = 1e-5  # seconds


def seconds_of(
    calls: Mapping[str, Callable[[], object]], rounds: int = 15
) -> dict[str, list[float]]:
    """The seconds of each call in each of `rounds` rounds; one round before them does not count.

    Work on other threads is not seen: give torch one thread first. Raises ValueError where `rounds`
    is below 1; what a call raises gets out.

    >>> times = seconds_of({"short": lambda: sum(range(10)), "long": lambda: sum(range(10**5))}, 5)
    >>> sorted(times), len(times["short"]), min(times["short"]) < min(times["long"])
    (['long', 'short'], 5, True)
    """
    rounds = integer(rounds, "rounds", at_least=1)
    fine = time.get_clock_info("thread_time").resolution <= FINE_ENOUGH
    clock = time.thread_time if fine else time.perf_counter
    for call in calls.values():
        call()  # what is done once only, such as choosing an algorithm, is done now
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = clock()
            call()
            seconds[name].append(clock() - start)
    return seconds
