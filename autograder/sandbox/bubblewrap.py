"""The wall around learners' code: bubblewrap, with limits on everything behind it.

Behind the wall there are the Python installation, a view of the course's packages, and nothing
else: no network, no file of the host, no process of it, no root.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from autograder.paths import CourseError
from autograder.sandbox.limits import Group, Limits, Watch
from autograder.sandbox.namespaces import NEW

_USERS = 2_000_000  # numbers from here on are nobody's
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_READABLE = ("/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/etc/alternatives")
_IN_WORDS = {
    "memory": "memory (looked at a few times a second instead of enforced; what a process holds in "
    "files without a name is not seen)",
    "pids": "the number of processes, other than by the job's own limit",
    "cpu": "processor time (looked at a few times a second instead of enforced)",
    "forks": "a warm interpreter: a system that lets nobody make namespaces inside of others "
    "gets a new one for each submission",
}
# The environment of every child, inside a sandbox and outside: one thread, no window.
SETTINGS = {
    "PYTHONHASHSEED": "0",  # the same seed gives the same verdict, sets included
    "PYTHONDONTWRITEBYTECODE": "1",
    "MPLBACKEND": "Agg",
    # Threads of a numerical library do not live on in a fork.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
_PASSWD = "learner:x:1000:1000::/tmp:/bin/sh\nroot:x:0:0::/:/bin/sh\n"
_GROUP = "learner:x:1000:\nroot:x:0:\n"


@dataclass(frozen=True)
class View:
    """What of the course a sandbox holds.

    `packages` is the directory with its packages; `masks` are pairs of a path and of the file that
    lies over it.
    """

    packages: Path
    masks: tuple[tuple[Path, Path], ...] = ()


class Sandbox:
    """One sandbox, for one warm interpreter after the other.

    `make_view` gets a directory of the sandbox's own to work in. `unlimited` names in words what
    cannot be limited here; `reusable` says whether an interpreter may serve more than one job.
    """

    def __init__(self, make_view: Callable[[Path], View], limits: Limits | None = None) -> None:
        program = shutil.which("bwrap")
        reason = why_not()
        if program is None or reason is not None:
            raise CourseError(f"no sandbox: {reason}")
        self._program = program
        self._limits = limits or Limits()
        self._group = Group(self._limits)
        self._place = Path(tempfile.mkdtemp(prefix="course-sandbox-"))
        self._place.chmod(0o755)
        self._view = make_view(self._place)
        _write_users(self._place)
        self.reusable = _can_nest()
        self.unlimited = _in_words(self._group.missing)
        self._watched = tuple(k for k in self._group.missing if k in ("memory", "cpu"))

    def command(self, serve: Sequence[str]) -> list[str]:
        """The command that runs the child's command `serve` behind the wall."""
        user = _USERS + os.getpid()
        inside = [self._program, *_arguments(self._view, self._place), "--", *serve]
        inside += ["--user", str(user)] + ([] if self.reusable else ["--one-job"])
        for path in _kept():
            inside += ["--keep", path]
        return _in_groups(self._group.entrances, inside)

    @contextlib.contextmanager
    def watching(self, process: int | None = None) -> Iterator[Watched]:
        """While a job runs: whether it exceeds a limit of the whole sandbox."""
        watched = Watched(self._group)
        if process is None or not self._watched:
            yield watched
            return
        with Watch(process, self._limits, self._watched) as watch:
            watched.watch = watch
            yield watched

    def close(self) -> None:
        """Remove what it made outside; its processes have ended."""
        self._group.close()
        shutil.rmtree(self._place, ignore_errors=True)


@dataclass
class Watched:
    """What was noticed while a job ran."""

    group: Group
    watch: Watch | None = None
    before: int = field(init=False)

    def __post_init__(self) -> None:
        self.before = self.group.killed()

    def exceeded(self) -> str:
        """ "memory" or "cpu" where the job used too much of it, else the empty text."""
        if self.group.killed() > self.before:
            return "memory"
        return self.watch.found if self.watch is not None else ""


def _in_groups(entrances: Sequence[Path], command: Sequence[str]) -> list[str]:
    if not entrances:
        return list(command)
    enter = "".join(f'echo $$ > "${i}" && ' for i in range(1, len(entrances) + 1))
    script = f'{enter}shift {len(entrances)} && exec "$@"'
    return ["/bin/sh", "-c", script, "sh", *map(str, entrances), *command]


# ── what is behind the wall ─────────────────────────────────────────────────────────────────────


def _arguments(view: View, place: Path) -> list[str]:
    words = [*_walls(), "--unshare-cgroup-try", "--hostname", "sandbox"]
    words += ["--die-with-parent", "--new-session", "--clearenv"]
    words += ["--proc", "/proc", "--dev", "/dev"]
    words += ["--perms", "1777", "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
    words += ["--perms", "1777", "--tmpfs", "/tmp"]
    words += ["--perms", "0755", "--dir", NEW]
    bound: list[Path] = []
    for name in _SYSTEM:
        path = Path(name)
        if path.is_symlink():
            words += ["--symlink", os.readlink(path), name]
        elif path.is_dir():
            words += ["--ro-bind", name, name]
            bound.append(path)
    shown = [(path, path) for path in _python_places()]
    shown += [(Path(os.path.realpath(name)), Path(name)) for name in _READABLE]
    shown += [(place / "passwd", Path("/etc/passwd")), (place / "group", Path("/etc/group"))]
    shown += [(view.packages, Path("/course"))]
    shown += [(cover, covered) for covered, cover in view.masks]
    made = {Path("/tmp")}
    for source, target in shown:
        if not source.exists():
            continue
        for parent in reversed(target.parents[:-1]):
            if parent not in made and not any(parent.is_relative_to(path) for path in bound):
                # Open to whoever has no rights: bubblewrap's own would be closed.
                words += ["--perms", "0755", "--dir", str(parent)]
                made.add(parent)
        words += ["--ro-bind", str(source), str(target)]
        bound.append(target)
    fonts = _font_cache()
    if fonts is not None:
        words += ["--perms", "1777", "--dir", "/tmp/matplotlib"]
        words += ["--ro-bind", str(fonts), f"/tmp/matplotlib/{fonts.name}"]
    for name, value in _environment().items():
        words += ["--setenv", name, value]
    return [*words, "--chdir", "/tmp", "--remount-ro", "/"]


def _walls() -> list[str]:
    """A user namespace for whoever is not root; root gives its rights up by itself, for good."""
    walls = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    return walls if os.geteuid() == 0 else [*walls, "--unshare-user"]


def _write_users(place: Path) -> None:
    (place / "passwd").write_text(_PASSWD, encoding="ascii")
    (place / "group").write_text(_GROUP, encoding="ascii")


def _python_places() -> list[Path]:
    """The Python installation and the environment, without what lies in them twice."""
    found: list[Path] = []
    real = Path(os.path.realpath(sys.executable)).parent.parent
    for path in (Path(sys.base_prefix), real, Path(sys.prefix)):
        inside_system = any(path.is_relative_to(name) for name in _SYSTEM)
        if not inside_system and not any(path.is_relative_to(other) for other in found):
            found.append(path)
    return found


def _kept() -> list[str]:
    """What of Python lies below ``/tmp``, of which every job gets an empty one of its own."""
    return [str(path) for path in _python_places() if path.is_relative_to("/tmp")]


def _environment() -> dict[str, str]:
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": "/tmp",
        "USER": "learner",
        "LOGNAME": "learner",
        "TMPDIR": "/tmp",
        "LANG": "C.UTF-8",
        "PYTHONPATH": "/course",
        "PYTHONNOUSERSITE": "1",
        "MPLCONFIGDIR": "/tmp/matplotlib",
        "IPYTHONDIR": "/tmp/ipython",
        **SETTINGS,
    }


@cache
def _font_cache() -> Path | None:
    """matplotlib's list of fonts, which takes seconds to make."""
    import matplotlib
    import matplotlib.font_manager  # makes it where it is missing

    found = sorted(Path(matplotlib.get_cachedir()).glob("fontlist-*.json"))
    return found[-1] if found else None


# ── whether it works here ───────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Refusal:
    """Why there can be no sandbox, and what would change that."""

    problem: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.problem}: {self.remedy}" if self.remedy else self.problem


def why_not() -> Refusal | None:
    """Why there can be no sandbox on this machine; None where there can: it is tried."""
    if sys.platform != "linux":
        return Refusal("bubblewrap works on Linux only")
    program = shutil.which("bwrap")
    if program is None:
        return Refusal("bubblewrap is missing", "install the package bubblewrap")
    everything = ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
    done = _run([program, *_walls(), *everything, "true"])
    if done is None:
        return Refusal("bubblewrap is here, but it hangs")
    if done.returncode:
        said = done.stderr.strip().splitlines()
        reason = said[0] if said else f"exit status {done.returncode}"
        return Refusal(f"bubblewrap is here, but it fails ({reason})", _remedy())
    return None


def _remedy() -> str:
    settings = {
        "kernel.unprivileged_userns_clone": "0",
        "user.max_user_namespaces": "0",
        "kernel.apparmor_restrict_unprivileged_userns": "1",
    }
    for name, closed in settings.items():
        path = Path("/proc/sys") / name.replace(".", "/")
        with contextlib.suppress(OSError):
            if path.read_text(encoding="ascii").strip() == closed:
                return f"the kernel setting {name} is {closed}, so nobody may make namespaces"
    return "this system lets nobody make namespaces (a container needs that right from outside)"


def not_enforced() -> tuple[str, ...]:
    """What a sandbox cannot limit on this machine, in words."""
    group = Group(Limits())
    group.close()
    return _in_words(group.missing)


def _in_words(missing: Sequence[str]) -> tuple[str, ...]:
    return tuple(_IN_WORDS[kind] for kind in (*missing, *(() if _can_nest() else ("forks",))))


@cache
def _can_nest() -> bool:
    """Whether a process in the sandbox may make namespaces of its own."""
    code = (
        "from autograder.sandbox import namespaces as n; import sys; "
        "n.be_nobody(int(sys.argv[1])); n.enter(sys.argv[2:])"
    )
    with tempfile.TemporaryDirectory(prefix="course-sandbox-") as name:
        place = Path(name)
        place.chmod(0o755)
        package = place / "packages" / "autograder"
        (package / "sandbox").mkdir(parents=True)
        for part in ("__init__.py", "sandbox/__init__.py", "sandbox/namespaces.py"):
            shutil.copy(Path(__file__).parents[1] / part, package / part)
        _write_users(place)
        program = shutil.which("bwrap")
        assert program is not None
        arguments = _arguments(View(place / "packages"), place)
        user = str(_USERS + os.getpid())
        done = _run([program, *arguments, "--", sys.executable, "-P", "-c", code, user, *_kept()])
    return done is not None and done.returncode == 0


def _run(command: list[str]) -> subprocess.CompletedProcess[str] | None:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
