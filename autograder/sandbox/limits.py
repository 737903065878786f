"""Limits on everything in a sandbox together: control groups, or a watch where there are none.

The kernel's control groups count what all processes of a sandbox use. They need root or a
delegated group; elsewhere a thread adds up the processes a few times a second, and ends the sandbox
that exceeds its share.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

GIB = 2**30
_CGROUPS = Path("/sys/fs/cgroup")
_PERIOD = 100_000  # microseconds in which a share of a processor is given
_NAME = "cnn-course-"
_TICK = 0.05  # seconds between two looks of the watch


@dataclass(frozen=True)
class Limits:
    """What all processes of a sandbox may use together.

    `memory` is in bytes, the warm interpreter and what is written to ``/tmp`` included; `processes`
    counts threads as well; `processors` is how many may be kept busy.
    """

    memory: int = 3 * GIB
    processes: int = 80
    processors: float = 1.0


class Group:
    """Control groups for one sandbox. `missing` says, in words, which limits they do not give."""

    def __init__(self, limits: Limits, root: Path = _CGROUPS, own: str | None = None) -> None:
        self._files: dict[str, Path] = {}
        self._made: list[Path] = []
        name = f"{_NAME}{os.getpid()}-{id(self):x}"
        if own is None:
            own = Path("/proc/self/cgroup").read_text(encoding="utf-8")
        places = _places(own, root)
        wanted: dict[str, dict[str, str]] = (
            {
                "memory": {"memory.max": str(limits.memory), "memory.swap.max": "0"},
                "pids": {"pids.max": str(limits.processes)},
                "cpu": {"cpu.max": f"{int(limits.processors * _PERIOD)} {_PERIOD}"},
            }
            if "" in places
            else {
                "memory": {"memory.limit_in_bytes": str(limits.memory)},
                "pids": {"pids.max": str(limits.processes)},
                "cpu": {
                    "cpu.cfs_period_us": str(_PERIOD),
                    "cpu.cfs_quota_us": str(int(limits.processors * _PERIOD)),
                },
            }
        )
        self.missing = tuple(
            kind
            for kind, settings in wanted.items()
            if not self._make(kind, places.get("", places.get(kind)), name, settings)
        )

    def _make(self, kind: str, parent: Path | None, name: str, settings: dict[str, str]) -> bool:
        if parent is None:
            return False
        group = parent / name
        try:
            if group not in self._made:
                with contextlib.suppress(OSError):
                    # Version 2: a controller is handed down to the groups below.
                    (parent / "cgroup.subtree_control").write_text(f"+{kind}")
                _remove_left_over(parent)
                group.mkdir()
                self._made.append(group)
            for setting, value in settings.items():
                if setting == "memory.swap.max" and not (group / setting).exists():
                    continue  # a kernel without swap accounting
                (group / setting).write_text(value)
        except OSError:
            return False
        self._files[kind] = group
        return True

    @property
    def entrances(self) -> tuple[Path, ...]:
        """The files in which a process writes its number to be in the groups."""
        return tuple(dict.fromkeys(group / "cgroup.procs" for group in self._files.values()))

    def killed(self) -> int:
        """How often the kernel ended a process here for want of memory."""
        group = self._files.get("memory")
        if group is None:
            return 0
        for name in ("memory.events", "memory.oom_control"):
            with contextlib.suppress(OSError, ValueError):
                for line in (group / name).read_text(encoding="utf-8").splitlines():
                    key, _, value = line.partition(" ")
                    if key == "oom_kill":
                        return int(value)
        return 0

    def close(self) -> None:
        """Remove the groups; their processes have ended."""
        for group in self._made:
            deadline = time.monotonic() + 2.0
            while group.exists() and time.monotonic() < deadline:
                with contextlib.suppress(OSError):
                    group.rmdir()
                    break
                time.sleep(0.01)


def _remove_left_over(parent: Path) -> None:
    """Remove the groups of processes that were killed before they could."""
    for group in parent.glob(f"{_NAME}*-*"):
        pid = group.name.removeprefix(_NAME).partition("-")[0]
        if pid.isdecimal() and not Path("/proc", pid).exists():
            with contextlib.suppress(OSError):  # not empty: what ran there is about to end
                group.rmdir()


def _places(own: str, root: Path) -> dict[str, Path]:
    """Where this process may make groups, by controller; under "" where all are in one tree."""
    found: dict[str, Path] = {}
    for line in own.splitlines():
        _, _, rest = line.partition(":")
        kinds, _, path = rest.partition(":")
        place = path.lstrip("/")
        for kind in kinds.split(","):
            if kind in ("memory", "pids", "cpu") and (root / kind / place).is_dir():
                found[kind] = root / kind / place
        if kinds == "" and (root / "cgroup.controllers").exists():
            # A group that holds processes itself can hand nothing down: beside it, not below.
            group = root / place
            found[""] = group.parent if group != root else group
    return found


class Watch:
    """Looks at all processes below one, while a job runs, for limits that no group enforces.

    A process that exceeds them is seen a moment later, not at once.
    """

    def __init__(self, root: int, limits: Limits, kinds: Sequence[str]) -> None:
        self._root, self._limits, self._kinds = root, limits, tuple(kinds)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.found = ""

    def __enter__(self) -> Watch:
        self._before = cpu_seconds(self._root)
        self._start = time.monotonic()
        if self._kinds:
            self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        if self._kinds:
            self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(_TICK):
            pids = list(descendants(self._root))
            if "memory" in self._kinds and sum(map(memory, pids)) > self._limits.memory:
                self._end("memory", pids)
            allowed = 2.0 + self._limits.processors * 1.5 * (time.monotonic() - self._start)
            if "cpu" in self._kinds and cpu_seconds(self._root) - self._before > allowed:
                self._end("cpu", pids)

    def _end(self, kind: str, pids: Sequence[int]) -> None:
        self.found = self.found or kind
        # The youngest are the job's; the warm interpreter is the oldest, and stays.
        for pid in reversed(pids[2:]):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def descendants(root: int) -> Iterator[int]:
    """The processes below one, the oldest first; without `root` itself."""
    todo = [root]
    while todo:
        pid = todo.pop(0)
        with contextlib.suppress(OSError, ValueError):
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                    children = [int(word) for word in file.read().split()]
                todo.extend(children)
                yield from children


def memory(pid: int) -> int:
    """The bytes that a process holds in memory, other than those of files on disk."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line)
        kilobytes = (fields[name].split()[0] for name in ("RssAnon", "RssShmem"))
        return 1024 * sum(map(int, kilobytes))
    return 0


def cpu_seconds(root: int) -> float:
    """The processor time of everything below a process, the ended ones included."""
    ticks = 0
    for pid in [root, *descendants(root)]:
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")
