"""Start child processes, give them jobs, take back plain data, and end them.

A `Worker` runs one job at a time. Whatever a learner's code does to its process, `Worker.run`
comes back with what was observed until then and with how it ended. With a `Sandbox`, nothing that
the code does reaches anything outside.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from autograder import plain
from autograder.plain import readable
from autograder.probe import PRINTED, STATUSES, TEXT, Observation, Trouble
from autograder.sandbox import child
from autograder.sandbox.bubblewrap import SETTINGS, Sandbox
from autograder.sandbox.namespaces import SIGNALLED

GRACE = 0.5  # seconds beyond its own limits that a child gets before it is killed
START_LIMIT = 60.0  # seconds for a child to be ready: imports on a slow disk
REPLY_LIMIT = 10.0  # seconds for a template to answer
MEMORY = 2 * 2**30  # bytes of data that a job may hold
MAX_FRAME = 80 * 2**20
MAX_JOB = 4 * MAX_FRAME  # bytes of all frames of a job together
MAX_TEXT = 8 * 2**20  # of a frame's JSON: it grows when it is read
MAX_ARRAYS = 20_000  # of a frame
MAX_NAME = 100  # characters of a type's or a definition's name
# What takes long to import, and the sign in a source that it will be imported.
_SLOW_IMPORTS = {
    "matplotlib.pyplot": re.compile(r"\bmatplotlib|\bcourse_lib\.plots|\bimport plots", re.M),
    "torch": re.compile(r"^\s*(?:import|from)\s+torch\b", re.M),
    "scipy.signal": re.compile(r"^\s*(?:import|from)\s+scipy\b", re.M),
}
_CHANGED = re.compile(r"argument \d{1,4}|\w{1,100}")
# macOS has fork too, but its numerical libraries do not survive it.
CAN_FORK = sys.platform == "linux"


class WorkerError(RuntimeError):
    """A child process could not be started or did not do its own part."""


@dataclass(frozen=True)
class Outcome:
    """What came back from a job: its frames, and how it ended.

    `ending` is "done"; "died" (`status` is the exit status, or the negative number of the signal,
    or None where nobody knows); "time"; "memory" or "cpu" (a limit of the sandbox ended it);
    "flood" (too much data); "rubbish" (data that no honest child sends); "broken" (`detail` says
    which exception ended the child); "unready" (it ended before any learner's code ran).
    """

    frames: tuple[dict[str, Any], ...]
    ending: str
    status: int | None = None
    detail: str = ""


class Worker:
    """Runs jobs in child processes, one after the other; a context manager.

    With `fork`, the default on Linux, a template process is forked for each job; without, each job
    starts an interpreter. In a `sandbox`, which the worker closes with itself, the template lives
    there; `ahead` names modules that it imports before the first job.
    """

    def __init__(
        self,
        fork: bool = CAN_FORK,
        sandbox: Sandbox | None = None,
        ahead: Sequence[str] = (),
    ) -> None:
        self._fork = fork or sandbox is not None
        self._sandbox = sandbox
        self._ahead = tuple(ahead)
        # Resolved: a child compares paths in it with what its working directory is called.
        self._place = Path(tempfile.mkdtemp(prefix="course-")).resolve()
        self._template: _Template | None = None
        self._closed = False

    @property
    def sandbox(self) -> Sandbox | None:
        """What its jobs are shut in."""
        return self._sandbox

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the template, whatever job it runs, and remove every job's directory."""
        self._closed = True
        if self._template is not None:
            self._template.close()
        if self._sandbox is not None:
            self._sandbox.close()
        shutil.rmtree(self._place, ignore_errors=True)

    def run(
        self,
        steps: Sequence[Mapping[str, Any]],
        *,
        seconds: float = float("inf"),
        notebook: bool = False,
        memory: int = MEMORY,
    ) -> Outcome:
        """Run the steps of a job (see `child`), each within its ``seconds``, all in `seconds`."""
        directory = tempfile.mkdtemp(dir=self._place)
        job = {
            "notebook": notebook,
            "seconds": seconds,
            "memory": memory,
            "directory": directory,
        }
        try:
            process = self._start((*self._ahead, *_slow_imports(steps, notebook)))
            if self._sandbox is None:
                return _listen(process, job, steps, seconds)
            with self._sandbox.watching(self._template_pid()) as watch:
                outcome = _listen(process, job, steps, seconds)
            broken_limit = watch.exceeded()
            if broken_limit and outcome.ending in ("died", "broken", "time"):
                return replace(outcome, ending=broken_limit)
            return outcome
        finally:
            shutil.rmtree(directory, ignore_errors=True)
            if self._sandbox is not None and not self._sandbox.reusable:
                self._end_template()

    def _template_pid(self) -> int | None:
        return None if self._template is None else self._template.pid

    def _end_template(self) -> None:
        if self._template is not None:
            self._template.close()

    def _start(self, imports: Sequence[str]) -> _Process:
        if not self._fork:
            return _Fresh(self._place)
        for attempt in (1, 2):
            if self._closed:
                raise WorkerError("the worker is closed")
            try:
                if self._template is None or self._template.dead:
                    self._template = _Template(self._place, self._sandbox)
                self._template.import_ahead(imports)
                return self._template.start()
            except OSError as error:
                # An earlier job may have killed it: a new one gets the job, once.
                if self._template is None:
                    raise WorkerError(f"the child process did not start: {error}") from None
                self._template.close()
                if attempt == 2 or not self._template.has_worked:
                    reason = self._template.last_words() or error
                    raise WorkerError(f"the child process did not start: {reason}") from None
        raise AssertionError("unreachable")


def _slow_imports(steps: Sequence[Mapping[str, Any]], notebook: bool) -> list[str]:
    sources = [step["source"] for step in steps if "source" in step]
    found = [name for name, sign in _SLOW_IMPORTS.items() if any(map(sign.search, sources))]
    return ["IPython", *found] if notebook else found


def environment(place: Path) -> dict[str, str]:
    """The environment of a child: ours, without the course's secrets; one thread, no window."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COURSE_")}
    ours = str(Path(__file__).resolve().parents[2])
    path = [ours, *filter(None, [kept.get("PYTHONPATH")])]
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(path),
        "IPYTHONDIR": str(place / "ipython"),
        **SETTINGS,
    }


def _command(*arguments: str) -> list[str]:
    # -P: what lies in the working directory is nothing to import.
    return [sys.executable, "-P", "-m", "autograder.sandbox.child", *arguments]


# ── two ways to have a process for a job ────────────────────────────────────────────────────────


class _Process:
    """The process of one job: frames arrive on `frames`, `send` gives it a message, `stop` ends it.

    `send` may block as long as the process does not read.
    """

    frames: BinaryIO

    def send(self, message: bytes) -> None:
        """Give it a message."""
        raise NotImplementedError

    def stop(self, grace: float) -> int | None:
        """End it and what it started; its exit status, minus a signal's number, or None."""
        raise NotImplementedError


class _Template:
    """A warm interpreter that forks once for each job."""

    def __init__(self, place: Path, sandbox: Sandbox | None) -> None:
        self._control, theirs = socket.socketpair()
        self._control.settimeout(START_LIMIT)
        self._log = place / "template.log"
        self._confined = sandbox is not None
        self._imported: set[str] = set()
        self.dead = False
        self.has_worked = False
        serve = _command("--serve", str(theirs.fileno()))
        with theirs, open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                serve if sandbox is None else sandbox.command(serve),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(theirs.fileno(),),
                cwd=place,
                env=environment(place) if sandbox is None else {},
                start_new_session=True,  # an interrupt from the keyboard is not for it
            )

    @property
    def pid(self) -> int:
        """The number of the process that was started: bubblewrap's, where there is a sandbox."""
        return self._process.pid

    def import_ahead(self, names: Sequence[str]) -> None:
        """Import modules once, so that each fork has them."""
        new = [name for name in names if name not in self._imported]
        if new:
            self._control.settimeout(START_LIMIT)
            self._send(b"P", ",".join(new).encode())
            self._reply()
            self._imported.update(new)

    def start(self) -> _Forked:
        """Fork for a job."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                head = struct.pack(">cQ", b"J", 0)
                socket.send_fds(self._control, [head], [theirs.fileno()])
            pid = self._reply()
        except OSError:
            ours.close()
            raise
        self.has_worked = True
        self._control.settimeout(REPLY_LIMIT)
        return _Forked(self, pid, ours, self._confined)

    def stop(self, pid: int, grace: float) -> int | None:
        """End the fork; None where the template itself is gone."""
        try:
            self._send(b"S", struct.pack(">d", grace))
            return self._reply()
        except OSError:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            self.close()
            return None

    def close(self) -> None:
        """End it. It ends its fork by itself when the control socket closes, if it still can."""
        self.dead = True
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)  # wakes whoever waits for an answer
        self._control.close()
        try:
            self._process.wait(timeout=2.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def last_words(self) -> str:
        """The last line that it wrote, if any: why it could not work."""
        with contextlib.suppress(OSError):
            lines = self._log.read_text(encoding="utf-8", errors="replace").split("\n")
            return next((line for line in reversed(lines) if line.strip()), "")
        return ""

    def _send(self, kind: bytes, content: bytes) -> None:
        self._control.sendall(struct.pack(">cQ", kind, len(content)) + content)

    def _reply(self) -> int:
        data = b""
        while len(data) < 8:
            part = self._control.recv(8 - len(data))
            if not part:
                raise ConnectionError("the template process has ended")
            data += part
        return int(struct.unpack(">q", data)[0])


class _Forked(_Process):
    def __init__(self, template: _Template, pid: int, line: socket.socket, confined: bool) -> None:
        self._template, self._pid, self._line = template, pid, line
        self._confined = confined
        self.frames = line.makefile("rb")

    def send(self, message: bytes) -> None:
        self._line.sendall(message)

    def stop(self, grace: float) -> int | None:
        status = self._template.stop(self._pid, grace)
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)  # wakes whoever reads or writes
        self._line.close()
        if self._confined and status is not None and status > SIGNALLED:
            return SIGNALLED - status
        return status


class _Fresh(_Process):
    """An interpreter of its own for one job."""

    def __init__(self, place: Path) -> None:
        self._process = subprocess.Popen(
            _command("--once"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=place,
            env=environment(place),
            start_new_session=os.name == "posix",
        )
        assert self._process.stdout is not None
        self.frames = self._process.stdout  # type: ignore[assignment]

    def send(self, message: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(message)
        self._process.stdin.flush()

    def stop(self, grace: float) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            if grace:
                self._process.wait(timeout=grace)
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        status = self._process.wait()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        return status


# ── listening ───────────────────────────────────────────────────────────────────────────────────


class _Reader(threading.Thread):
    """Reads frames as they are asked for, so that waiting can have a limit on every platform.

    At most one frame lies here unread: a child cannot fill this process's memory.
    """

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._stopped = threading.Event()
        self.frames: queue.Queue[bytes | str] = queue.Queue(maxsize=1)

    def run(self) -> None:
        """Put each frame into the queue, at last "died" or "flood"."""
        end = "died"
        # The other end may be closed with something unread, or this one while it is read.
        with contextlib.suppress(OSError, ValueError), self._stream:
            end = self._read()
        self._put(end)

    def stop(self) -> None:
        """No more frames are wanted."""
        self._stopped.set()

    def _read(self) -> str:
        left = MAX_JOB
        while len(head := self._stream.read(8)) == 8:
            (length,) = struct.unpack(">Q", head)
            left -= length
            if length > MAX_FRAME or left < 0:
                return "flood"
            frame = self._stream.read(length)
            if len(frame) < length:
                break
            self._put(frame)
        return "died"

    def _put(self, item: bytes | str) -> None:
        while not self._stopped.is_set():
            with contextlib.suppress(queue.Full):
                self.frames.put(item, timeout=0.2)
                return


class _Writer(threading.Thread):
    """Sends messages, so that a child that does not read holds nobody up."""

    def __init__(self, process: _Process) -> None:
        super().__init__(daemon=True)
        self._process = process
        self.messages: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def run(self) -> None:
        """Send what is put into the queue until None is."""
        with contextlib.suppress(OSError, ValueError):  # nobody reads any more
            while (message := self.messages.get()) is not None:
                data = plain.pack(message)
                self._process.send(struct.pack(">Q", len(data)) + data)


def _listen(
    process: _Process, job: Mapping[str, Any], steps: Sequence[Mapping[str, Any]], seconds: float
) -> Outcome:
    reader, writer = _Reader(process.frames), _Writer(process)
    reader.start()
    writer.start()
    writer.messages.put(job)
    frames: list[dict[str, Any]] = []
    ending, detail = _collect(reader, writer, steps, seconds, frames)
    writer.messages.put(None)
    reader.stop()
    # One that died by itself shall be seen to have: it gets time to do so.
    status = process.stop(1.0 if ending == "died" else 0.0)
    reader.join(timeout=1.0)
    writer.join(timeout=1.0)
    return Outcome(tuple(frames), ending, status if ending == "died" else None, detail)


def _collect(
    reader: _Reader,
    writer: _Writer,
    steps: Sequence[Mapping[str, Any]],
    seconds: float,
    frames: list[dict[str, Any]],
) -> tuple[str, str]:
    """Give steps and take frames until the job ends, one way or another: how, and a detail."""
    allowance, deadline, ready = START_LIMIT, float("inf"), False
    while True:
        try:
            data = reader.frames.get(timeout=allowance)
        except queue.Empty:
            return "time", ""
        if isinstance(data, str):
            return (data, "") if ready else ("unready", "the child process ended early")
        try:
            frame = decode(data)
            if "broken" in frame:
                return "broken" if ready else "unready", str(frame["broken"])[:500]
            if "done" in frame and len(frames) == len(steps):
                return "done", ""
            if ready:
                check_frame(frame, steps[len(frames)])
                frames.append(frame)
            elif "ready" in frame:
                ready, deadline = True, time.monotonic() + seconds
            # Not before the step before is answered: nobody sees inputs that are not used yet.
            writer.messages.put(steps[len(frames)] if len(frames) < len(steps) else {"end": True})
        except TooMuchError as error:
            return "flood", str(error)
        except (ValueError, IndexError) as error:
            return "rubbish", str(error)[:500]
        step_limit = steps[len(frames)]["seconds"] if len(frames) < len(steps) else 1.0
        # Not below zero: what has arrived by the deadline counts.
        allowance = max(0.0, min(step_limit, deadline - time.monotonic())) + GRACE


# ── what a child sends is a stranger's word ─────────────────────────────────────────────────────


class TooMuchError(ValueError):
    """A frame holds more than anybody needs to say."""


def decode(data: bytes) -> dict[str, Any]:
    """A frame's content; ValueError where it is anything but honest plain data."""
    if len(data) >= 8 and MAX_TEXT < struct.unpack(">Q", data[:8])[0] <= len(data) - 8:
        raise TooMuchError(f"a frame holds more than {MAX_TEXT:,} bytes of text")
    try:
        frame = plain.unpack(data, MAX_ARRAYS)
        if not isinstance(frame, dict):
            raise ValueError("a frame must be a dict")
        check_honest(frame)
    except Exception as error:  # whatever odd bytes make a parser raise
        raise ValueError(f"{type(error).__name__}: {error}") from None
    return frame


def check_honest(value: Any, depth: int = plain.MAX_DEPTH + 10) -> None:
    """ValueError where plain data holds what `plain.simplify` never makes."""
    if depth < 0:
        raise ValueError("data is nested too deeply")
    if isinstance(value, np.ndarray) and value.dtype.kind not in "biuf":
        raise ValueError(f"an array of dtype {value.dtype}")
    if isinstance(value, np.generic | plain.Bound | plain.Made):
        raise ValueError("a function or a NumPy scalar for an answer")
    if isinstance(value, plain.Opaque) and len(value.type) + len(value.text) > 4 * MAX_NAME:
        raise ValueError("a type is described at length")
    if isinstance(value, int) and value.bit_length() > plain.MAX_DIGITS_BITS:
        raise ValueError("a number is too long")
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            check_honest(item, depth - 1)


def check_frame(frame: Mapping[str, Any], step: Mapping[str, Any]) -> None:
    """ValueError where a frame is no answer to its step."""
    if "source" in step:
        if frame.get("cell") != step["cell"] or frame.get("status") not in STATUSES:
            raise ValueError(f"a frame is no answer to the cell {step['cell']}")
        frame_trouble(frame)
        return
    if frame.get("exercise") != step["exercise"]:
        raise ValueError(f"a frame is no answer to the exercise {step['exercise']}")
    if "missing" in frame:
        names = frame["missing"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("the names that are defined must be text")
        if len(names) > child.NAMES or any(len(name) > MAX_NAME for name in names):
            raise ValueError("more names are defined than any child tells")
    elif "too_large" in frame:
        if not isinstance(frame["too_large"], int):
            raise ValueError("a size must be an int")
    elif "late" not in frame:
        frame_observations(frame, step["probe"])


def frame_trouble(frame: Mapping[str, Any]) -> Trouble | None:
    """The exception that ended a cell, if one did."""
    status = "ok" if frame.get("trouble") is None else "raised"
    found = Observation.from_plain({"status": status, "trouble": frame.get("trouble")})
    return _credible(found, ()).trouble


def frame_observations(frame: Mapping[str, Any], ask: Mapping[str, Any]) -> list[Observation]:
    """The observations of an exercise's calls; `ask` is the request as plain data."""
    sent = frame.get("observations")
    if not isinstance(sent, list) or len(sent) != len(ask["calls"]):
        raise ValueError(f"{len(ask['calls'])} observations are expected")
    return [_credible(Observation.from_plain(data), ask["forbidden"]) for data in sent]


def _credible(observation: Observation, forbidden: Sequence[str]) -> Observation:
    """The observation as a probe could have made it: texts of its lengths, names that exist."""
    trouble = observation.trouble
    if trouble is not None:
        lines = [(line, text) for line, text in trouble.lines]
        honest = all(isinstance(line, int) and isinstance(text, str) for line, text in lines)
        texts = (trouble.type, trouble.text, *trouble.bases)
        if not honest or not all(isinstance(text, str) for text in texts):
            raise ValueError("an exception is described by numbers and text")
        trouble = Trouble(
            readable(trouble.type[:MAX_NAME]),
            tuple(base[:MAX_NAME] for base in trouble.bases[:20]),
            readable(trouble.text[:TEXT]),
            tuple((line, readable(text[:200])) for line, text in lines[:6]),
        )
    if not all(_CHANGED.fullmatch(name) for name in observation.changed):
        raise ValueError("what was changed is an argument")
    return replace(
        observation,
        trouble=trouble,
        printed=readable(observation.printed[: 2 * PRINTED]),
        forbidden=tuple(name for name in observation.forbidden if name in forbidden),
    )
