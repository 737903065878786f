"""What a forked job shuts behind itself, on Linux: namespaces, limits, privileges.

Every job of a warm process gets a user, process, mount, IPC, network and host-name namespace of its
own, an empty ``/tmp``, and no privilege. Runs inside bubblewrap, before any learner's code; NumPy
and the standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import signal
from collections.abc import Sequence
from typing import Any

SIGNALLED = 128  # an exit status from here on is this plus the number of a signal
NEW = "/new"  # an empty directory of the sandbox, where a job's /tmp is put together
TMP_BYTES = 256 * 2**20
TMP_FILES = 10_000
PROCESSES = 64  # threads count as well
OPEN_FILES = 256

_NEW_NS = 0x0002_0000
_NEW_UTS = 0x0400_0000
_NEW_IPC = 0x0800_0000
_NEW_USER = 0x1000_0000
_NEW_PID = 0x2000_0000
_NEW_NET = 0x4000_0000
_NOSUID_NODEV = 2 | 4
_BIND, _MOVE, _RECURSIVE = 0x1000, 0x2000, 0x4000
_NOSUID_NODEV_NOEXEC = 2 | 4 | 8
_SET_PDEATHSIG, _SET_DUMPABLE, _CAPBSET_DROP, _SET_NO_NEW_PRIVS = 1, 4, 24, 38
_JOIN_SESSION_KEYRING = 1
_KEYCTL = {"x86_64": 250, "aarch64": 219, "riscv64": 219, "ppc64le": 271, "s390x": 280}
_CAPABILITY_VERSION_3 = 0x2008_0522
_INSIDE = 1000  # what the job's user is called in its own namespace


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _must(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def be_nobody(user: int) -> None:
    """Become the unprivileged `user`, where this process is root; hide it from its descendants."""
    libc = _libc()
    if os.geteuid() == 0:
        # A /proc without anything over it: a job may mount its own only where it sees one.
        _must(libc.mount(b"proc", b"/proc", b"proc", _NOSUID_NODEV_NOEXEC, None), "mount /proc")
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    if 0 in os.getresuid() or 0 in os.getresgid():
        raise OSError("the privileges of root could not be given up")
    libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # Nobody of the same user may look into this process.
    libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0)


def enter(keep: Sequence[str] = ()) -> None:
    """Return in a new process, the second one of new namespaces; the caller itself never returns.

    `keep` names directories below ``/tmp`` that stay there: an installation of Python, say.
    The caller waits for it and ends with its exit status, or with 128 and the number of the signal
    that ended it. Whatever the new process leaves behind ends with the namespaces.
    """
    libc = _libc()
    user, group = os.getuid(), os.getgid()
    libc.prctl(_SET_DUMPABLE, 1, 0, 0, 0)  # or the maps below could not be written
    everything = _NEW_USER | _NEW_NS | _NEW_PID | _NEW_IPC | _NEW_UTS | _NEW_NET
    _must(libc.unshare(everything), "unshare")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{_INSIDE} {user} 1")
    _write("/proc/self/gid_map", f"{_INSIDE} {group} 1")
    libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    first = os.fork()
    if first:
        _end_as(first)
    # The first process of the namespaces: when it ends, the kernel ends all others in them.
    libc.prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    size = f"size={TMP_BYTES},nr_inodes={TMP_FILES},mode=700".encode()
    _must(libc.mount(b"tmpfs", b"/dev/shm", b"tmpfs", _NOSUID_NODEV, size), "mount /dev/shm")
    _must(libc.mount(b"tmpfs", NEW.encode(), b"tmpfs", _NOSUID_NODEV, size), f"mount {NEW}")
    for path in keep:
        copy = NEW + path.removeprefix("/tmp")
        os.makedirs(copy, mode=0o755)
        flags = _BIND | _RECURSIVE
        _must(libc.mount(path.encode(), copy.encode(), None, flags, None), f"mount {path}")
    _must(libc.mount(NEW.encode(), b"/tmp", None, _MOVE, None), "mount /tmp")
    _must(libc.mount(b"proc", b"/proc", b"proc", _NOSUID_NODEV_NOEXEC, None), "mount /proc")
    for kind in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"):
        with contextlib.suppress(OSError):  # not every kernel has every kind
            _write(f"/proc/sys/user/max_{kind}_namespaces", "0")
    _forget_keys(libc)
    _drop_capabilities(libc)
    second = os.fork()
    if second:
        _end_as(second)
    libc.prctl(_SET_DUMPABLE, 1, 0, 0, 0)


def limit(memory: int, seconds: int) -> None:
    """Limits of the kernel for this process and those it starts."""
    import resource

    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, TMP_BYTES),
        # Data rather than address space: torch reserves far more addresses than it uses.
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_NPROC, PROCESSES),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        resource.setrlimit(kind, (most, most))


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _end_as(child: int) -> None:
    """Wait for a child and end as it ended."""
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else SIGNALLED - code)


def _forget_keys(libc: Any) -> None:
    """A keyring of its own: what a job stores there ends with it."""
    number = _KEYCTL.get(platform.machine())
    if number is not None:
        libc.syscall(number, _JOIN_SESSION_KEYRING, None, 0, 0, 0)


def _drop_capabilities(libc: Any) -> None:
    for capability in range(64):
        if libc.prctl(_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _must(libc.capset(header, nothing), "capset")
    libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
