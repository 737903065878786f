"""What runs beside a learner's code, in a process of its own.

The child is told what to run, one step after the other (sources and the inputs of cases), and
answers with plain data: how each cell ended and what each probe observed. It holds no reference, no
expected value and no mark; whoever started it judges.

Started with ``--serve FD`` it is a *template*: a warm interpreter that forks once for each job, so
that imports are paid once. With ``--user NUMBER`` it lives in a sandbox: it gives up root, and each
fork shuts namespaces of its own behind itself (see `namespaces`). Started with ``--once`` it does
one job, for platforms without fork.

A job begins with ``{"notebook": bool, "seconds": float, "memory": bytes, "directory": path}``. Then
come the steps, each when the one before it is answered: a cell, ``{"cell": id, "source": text,
"seconds": float}``, or a probe, ``{"exercise": name, "probe": a Request as plain data, "seconds":
float}``; at last ``{"end": True}``. All seconds are limits that the child keeps by itself as long
as the learner's code lets it; whoever started it ends it otherwise.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.abc
import linecache
import os
import random
import signal
import socket
import struct
import sys
import tempfile
import time
import types
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, BinaryIO

import numpy as np

from autograder import plain
from autograder.pristine import restore_builtins
from autograder.probe import Request, captured, guarded, observe

MAX_ANSWER_BYTES = 64 * 2**20  # of all arrays of one exercise together
MAX_FILE_BYTES = 2**30  # that a job may write to one file
CPU_SECONDS = 600  # of one process of a job; how long it may take at all is counted outside
CUT_OFF = 70  # exit status of a child that cannot send
NOT_STARTED = 71  # exit status of a fork that could not make its own place
NAMES = 200  # of a learner's definitions that are told where the one asked for is missing
_MISSING = object()
_STAGES = ("trials", "trials_transfer")  # what cases run in, imported when one of them does
_HERE = ("sandbox", "sandbox.child", "sandbox.namespaces")
ALLOWED = frozenset(
    f"autograder.{name}"
    for name in ("check", "exercise", "plain", "pristine", "probe", *_HERE, *_STAGES)
)


@dataclass(frozen=True)
class Place:
    """Where jobs run: on the host, or in a sandbox.

    There each job has namespaces of its own, unless the sandbox serves only one; `keep` as in
    `namespaces.enter`.
    """

    sandboxed: bool = False
    one_job: bool = False
    keep: tuple[str, ...] = ()


HOST = Place()
Receive = Callable[[], dict[str, Any]]
Send = Callable[[dict[str, Any]], None]


# ── where cells run ─────────────────────────────────────────────────────────────────────────────


class Script:
    """The namespace of a plain Python file: a module that is imported, not run as a program."""

    def __init__(self) -> None:
        module = types.ModuleType("submission")
        sys.modules["submission"] = module
        self.names: dict[str, Any] = module.__dict__

    def run(self, name: str, source: str) -> None:
        """Run a file's source; `name` is what its tracebacks show."""
        remember_source(name, source)
        self.names["__file__"] = name
        exec(compile(source, name, "exec"), self.names)


class Notebook:
    """The namespace of a notebook: cells run as in Jupyter, magics and top-level await included."""

    def __init__(self) -> None:
        self.shell = shell()
        self.names: dict[str, Any] = self.shell.user_ns

    def run(self, name: str, source: str) -> None:
        """Run a cell and let its exception out."""
        result = self.shell.run_cell(source, store_history=False)
        error = result.error_before_exec or result.error_in_exec
        if error is not None:
            raise error


def remember_source(name: str, source: str) -> None:
    """Let tracebacks show the lines of a source that is no file here."""
    # No time of change (None): linecache must not look for a file of that name.
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)


def shell() -> Any:
    """IPython's shell without history, start-up files, tracebacks or windows."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    class QuietShell(InteractiveShell):
        def showtraceback(self, *args: Any, **kwargs: Any) -> None:
            """Nobody would read it: the exception itself is reported."""

        def ask_exit(self) -> None:
            """What ``exit()`` calls."""
            raise SystemExit

        def enable_gui(self, gui: Any = None) -> None:
            """``%matplotlib`` asks for it; there is no window to care for."""

    if InteractiveShell.initialized():
        return InteractiveShell.instance()
    config = Config()
    config.HistoryManager.enabled = False  # it would start a thread, and write a file
    config.InteractiveShell.ast_node_interactivity = "none"
    return QuietShell.instance(config=config)


# ── a job ───────────────────────────────────────────────────────────────────────────────────────


def perform(job: dict[str, Any], receive: Receive, send: Send) -> None:
    """Run the steps of a job as they come and send a frame after each.

    Frames: ``{"ready": True}`` first; ``{"cell": id, "status": …, "trouble": …}``;
    ``{"exercise": name, "observations": […]}``, or in place of observations ``"missing": [names
    defined]``, ``"too_large": bytes`` or ``"late": True`` (no time was left); ``{"done": True}``
    last.
    """
    own = os.getpid()
    deadline = time.monotonic() + job["seconds"]
    space = Notebook() if job["notebook"] else Script()
    send({"ready": True})
    while "end" not in (step := receive()):
        left = deadline - time.monotonic()
        seconds = max(0.001, min(step["seconds"], left))
        if "source" in step:
            frame = _cell(space, step, seconds)
        elif left > 0:
            frame = _probe(space, step, seconds)
        else:
            frame = {"exercise": step["exercise"], "late": True}
        if os.getpid() != own:  # the learner's code forked: only one of the two goes on
            os._exit(0)
        send(frame)
    send({"done": True})


def _cell(space: Script | Notebook, step: dict[str, Any], seconds: float) -> dict[str, Any]:
    def run() -> None:
        try:
            space.run(step["cell"], step["source"])
        finally:
            restore_builtins()
            sys.settrace(None)
            sys.setprofile(None)

    with captured():
        outcome = guarded(run, seconds)
    trouble = asdict(outcome.trouble) if outcome.trouble is not None else None
    return {"cell": step["cell"], "status": outcome.status, "trouble": trouble}


def _probe(space: Script | Notebook, step: dict[str, Any], seconds: float) -> dict[str, Any]:
    ask = Request.from_plain(step["probe"])
    ask = replace(ask, time_limit=min(ask.time_limit, seconds))
    obj = space.names.get(ask.variable, _MISSING)
    if obj is _MISSING:
        return {"exercise": step["exercise"], "missing": _defined(space.names)}
    observations = observe(ask, obj)
    restore_builtins()
    weight = sum(_weight(o.value) for o in observations)
    if weight > MAX_ANSWER_BYTES:
        return {"exercise": step["exercise"], "too_large": weight}
    return {"exercise": step["exercise"], "observations": [o.to_plain() for o in observations]}


def _defined(names: dict[str, Any]) -> list[str]:
    public = [name for name in names if isinstance(name, str) and name[:1] != "_"]
    hidden = {"In", "Out", "exit", "quit", "open", "get_ipython"}  # IPython's own
    return [name[:100] for name in public if name not in hidden][:NAMES]


def _weight(value: Any) -> int:
    """About how many bytes a plain value takes."""
    if isinstance(value, np.ndarray):
        return int(value.nbytes)
    if isinstance(value, dict):
        return sum(_weight(item) for item in value.values())
    if isinstance(value, list | tuple):
        return 8 + sum(_weight(item) for item in value)
    return len(value) if isinstance(value, str) else 8


# ── what a learner's code finds around it ───────────────────────────────────────────────────────


class _Closed(importlib.abc.MetaPathFinder):
    """Says that the judging part of the course is not here, where learners' code runs."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Refuse what judges; know nothing of any other module."""
        if name.startswith("autograder.") and name not in ALLOWED:
            raise ModuleNotFoundError(f"{name} is not available where marks are made", name=name)


def _stand_in_for_check() -> types.ModuleType:
    """``autograder.check`` for the set-up cells that import it: here its functions do nothing."""
    module = types.ModuleType("autograder.check")

    def nothing(*args: Any, **kwargs: Any) -> None:
        """Exercises are judged elsewhere."""

    for name in ("check", "hint", "solution", "questions"):
        setattr(module, name, nothing)
    return module


def prepare() -> None:
    """Make this interpreter ready for learners' code."""
    check = _stand_in_for_check()
    sys.modules["autograder.check"] = check
    sys.modules["autograder"].check = check  # type: ignore[attr-defined]
    sys.meta_path.insert(0, _Closed())


def _import_ahead(names: Sequence[str]) -> None:
    for name in names:
        with contextlib.suppress(ImportError):  # the cell that needs it will say so
            importlib.import_module(name)
    if "IPython" in names:
        shell()


def _silence() -> None:
    """Nothing to read on standard input, and nobody who hears what is written."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)


def _settle(job: dict[str, Any], place: Place) -> None:
    """Give the process of a job what is its own: directory, limits, signals, chance."""
    directory = "/tmp" if place.sandboxed else job["directory"]
    os.chdir(directory)
    os.environ["TMPDIR"] = tempfile.tempdir = directory
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if place.sandboxed:
        from autograder.sandbox import namespaces

        namespaces.limit(job["memory"], CPU_SECONDS)
    else:
        _limit_resources(job["memory"])
    random.seed(0)
    np.random.seed(0)


def _limit_resources(memory: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, MAX_FILE_BYTES),
        # Data rather than address space: torch reserves far more addresses than it uses.
        (resource.RLIMIT_DATA, memory),
    ):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))


def do_job(reading: BinaryIO, out: int, place: Place = HOST) -> None:
    """Do one job and end the process, without exit handlers or waiting for threads.

    The exit status is 0 where the last word could be sent, else 70.
    """

    def receive() -> dict[str, Any]:
        message = plain.unpack(_read_message(reading))
        assert isinstance(message, dict)
        return message

    def send(frame: dict[str, Any]) -> None:
        _write_all(out, plain.pack(frame))

    exit_now = os._exit
    try:
        _silence()
        job = receive()
        _settle(job, place)
        perform(job, receive, send)
    except BaseException as error:
        try:
            restore_builtins()
            send({"broken": f"{type(error).__name__}: {error}"[:500]})
        except BaseException:
            exit_now(CUT_OFF)
    exit_now(0)


# ── messages: a length, then that many bytes ────────────────────────────────────────────────────


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(struct.pack(">Q", len(data)) + data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _read_message(stream: BinaryIO) -> bytes:
    head = stream.read(8)
    (length,) = struct.unpack(">Q", head) if len(head) == 8 else (0,)
    data = stream.read(length)
    if not length or len(data) != length:
        raise EOFError
    return data


# ── a template: one fork for each job ───────────────────────────────────────────────────────────


def serve(control: socket.socket, place: Place = HOST) -> None:
    """Take jobs from a socket until it closes, one at a time.

    A job (``J``) comes as one end of a socket of its own, which only the fork reads and writes, so
    that nothing of one job stays here for the next. It is answered with the process id of the
    fork. ``S``, after some seconds of grace, ends that process and everything it started, and is
    answered with how it ended: its exit status, or the negative number of the signal. ``P`` names
    modules to import ahead of the jobs that need them.
    """
    _adopt_orphans()
    running: int | None = None
    while True:
        try:
            kind, payload, fd = _receive(control)
        except (EOFError, OSError):
            break
        if kind == b"J":
            running = _fork(control, fd, place)
            control.sendall(struct.pack(">q", running))
        elif kind == b"P":
            _import_ahead(payload.decode().split(","))
            control.sendall(struct.pack(">q", 0))
        elif running is not None:
            (grace,) = struct.unpack(">d", payload)
            control.sendall(struct.pack(">q", _stop(running, grace)))
            running = None
    if running is not None:
        _stop(running, 0.0)


def _receive(control: socket.socket) -> tuple[bytes, bytes, int]:
    """A message: its kind, its content; and the socket of a job."""
    head, fds, _, _ = socket.recv_fds(control, 9, 1)
    while head and len(head) < 9:
        head += control.recv(9 - len(head))
    if not head:
        raise EOFError
    kind, length = struct.unpack(">cQ", head)
    content = bytearray()
    while len(content) < length:
        part = control.recv(min(length - len(content), 2**20))
        if not part:
            raise EOFError
        content += part
    for fd in fds:
        os.set_inheritable(fd, False)  # programs that a learner's code starts do not hold it open
    return kind, bytes(content), fds[0] if fds else -1


def _fork(control: socket.socket, job: int, place: Place) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            control.close()
            os.setsid()
            if place.sandboxed and not place.one_job:
                from autograder.sandbox import namespaces

                namespaces.enter(place.keep)
            with open(job, "rb", closefd=False) as reading:
                do_job(reading, job, place)
        except BaseException as error:
            print(f"no place for a job: {error}", file=sys.stderr, flush=True)
        os._exit(NOT_STARTED)
    os.close(job)
    return pid


def _adopt_orphans() -> None:
    """On Linux, let what a job leaves behind become a child of this process, to be found there."""
    if sys.platform != "linux":
        return
    import ctypes

    PR_SET_CHILD_SUBREAPER = 36
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _stop(pid: int, grace: float) -> int:
    """End a job's process, its group and its orphans; how the process itself ended."""
    deadline = time.monotonic() + grace
    while grace and time.monotonic() < deadline and not _has_ended(pid):
        time.sleep(0.002)
    # While it is not yet reaped, its number and its group's cannot mean another process.
    for kill in (os.kill, os.killpg):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    _sweep()
    return os.waitstatus_to_exitcode(status)


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _sweep() -> None:
    """Kill and reap whatever else has become a child of this process."""
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        try:
            reaped, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not reaped:
            for child in _children():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(child, signal.SIGKILL)
            time.sleep(0.001)


def _children() -> list[int]:
    own = os.getpid()
    found = []
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                # The name in brackets may hold anything, brackets and spaces included.
                parent = int(file.read().rpartition(")")[2].split()[1])
            if parent == own:
                found.append(int(entry))
    return found


# ── without fork: one interpreter for each job ──────────────────────────────────────────────────


def once() -> None:
    """Do the one job that standard input tells; frames go to standard output."""
    reading = os.fdopen(os.dup(0), "rb")
    do_job(reading, os.dup(1))


def main(arguments: Sequence[str]) -> None:
    """``--serve FD [--user NUMBER [--one-job] [--keep PATH]…]`` or ``--once``."""
    parser = argparse.ArgumentParser(prog="child")
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--serve", type=int)
    parser.add_argument("--user", type=int)
    parser.add_argument("--one-job", action="store_true")
    parser.add_argument("--keep", action="append", default=[])
    given = parser.parse_args(arguments)
    prepare()
    if given.once:
        once()
        return
    if given.user is not None:
        from autograder.sandbox import namespaces

        namespaces.be_nobody(given.user)
    place = Place(given.user is not None, given.one_job, tuple(given.keep))
    with socket.socket(fileno=given.serve) as control:
        serve(control, place)


if __name__ == "__main__":
    main(sys.argv[1:])
