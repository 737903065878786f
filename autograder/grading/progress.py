"""How far a run is: a line that is rewritten on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import IO, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from autograder.grading.tally import Tally

EVERY = 15.0  # seconds between two lines where there is no terminal


def time_left(tally: Tally, seconds: float) -> str:
    """How long the rest will take, at the pace of the `seconds` so far.

    >>> time_left(Tally(total=100, graded=20, before=50), 60.0)
    'about 1 min 30 s left'
    """
    rest = tally.total - tally.done
    if not tally.graded or not rest:
        return ""
    left = round(seconds / tally.graded * rest)
    if left >= 3600:
        return f"about {left // 3600} h {left % 3600 // 60} min left"
    if left >= 60:
        return f"about {left // 60} min {left % 60} s left"
    return f"about {left} s left"


class Shown:
    """Shows how far a run is; a context manager."""

    def __init__(
        self,
        tally: Tally,
        stream: IO[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tally = tally
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._began = self._said = clock()
        self._bar: Progress | None = None
        if self._stream.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=16),  # all of it has room in 80 columns
                MofNCompleteColumn(),
                TextColumn("{task.fields[left]}", style="dim"),
                console=Console(file=self._stream),
                transient=True,
            )
            self._task = self._bar.add_task("", total=tally.total, left="")

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self) -> None:
        """Show what the tally says now."""
        now = self._clock()
        left = time_left(self._tally, now - self._began)
        if self._bar is not None:
            self._bar.update(
                self._task,
                completed=self._tally.done,
                description=self._tally.passed(),
                left=left,
            )
        elif now - self._said >= EVERY:
            self._said = now
            parts = [f"{self._tally.done:,} of {self._tally.total:,}", self._tally.counts(), left]
            self.say("; ".join(part for part in parts if part))

    def say(self, text: str) -> None:
        """A line that stays."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=self._stream, flush=True)
