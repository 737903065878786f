# ruff: noqa: E501 (submissions are quoted as they are written)
"""Submissions that reach for what is outside, or leave something behind."""

from __future__ import annotations

from table.row import CHAPTERS, HASTY, HONEST, NAP, Row, attempt, blank, first, last, size

REST = ("zero_pad", "quiz_02")
# Calls of the C library: 0 or more is a success.
LIBC = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"

CALLS = {
    "new user namespace": "libc.unshare(0x10000000)",
    "new mount namespace": "libc.unshare(0x00020000)",
    "mounts": "libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)",
    "mounts proc": "libc.mount(b'proc', b'/tmp', b'proc', 0, None)",
    "binds": "libc.mount(b'/', b'/tmp', None, 4096, None)",
    "unmounts": "libc.umount2(b'/tmp', 2)",
    "remounts the root": "libc.mount(None, b'/', None, 32 | 4096, None)",
    "pivots": "libc.syscall(155, b'/tmp', b'/tmp')",
    "changes root": "libc.chroot(b'/tmp')",
    "a device": "libc.mknod(b'/tmp/disk', 0o60660, 0x0800)",
    "becomes root": "libc.setuid(0)",
    "becomes another": "libc.setresuid(0, 0, 0)",
    "another's namespace": "libc.setns(os.open('/proc/1/ns/mnt', 0), 0)",
    "loads a module": "libc.syscall(175, b'', 0, b'')",
    "swaps": "libc.swapon(b'/tmp', 0)",
    "sets the clock": "libc.clock_settime(0, ctypes.byref((ctypes.c_long * 2)(1, 1)))",
    "names the machine": "libc.sethostname(b'mine', 4)",
    "accounts": "libc.acct(b'/tmp/a')",
    "a file by its handle": "libc.open_by_handle_at(0, b'0' * 16, 0)",
    "reads the kernel's log": "libc.klogctl(3, ctypes.create_string_buffer(99), 99)",
    "a program for the kernel": "libc.syscall(321, 5, b'0' * 99, 72)",
    "the keys of its user": "libc.syscall(250, 11, -4, ctypes.create_string_buffer(99), 99)",
    "reboots": "libc.reboot(0)",
}


def _held(name: str, text: str, **more: object) -> Row:
    """An attack that must not work, run in a sandbox only."""
    return Row(name, attempt(text), **more)  # type: ignore[arg-type]


def _reaches(name: str, text: str) -> Row:
    """An attack that does no harm where it works, without a sandbox."""
    return Row(name, attempt(text), bare=True)


def _leaves(name: str, text: str) -> Row:
    """Leaves something that is none of the next submission's business; costs nothing."""
    return Row(name, first(text))


LEFT = "left-by-another"
ROWS = [
    # ── the network ──
    _reaches("a port of this machine",
             "with socket.create_connection(('127.0.0.1', int('@PORT@')), 2): return True"),
    _reaches("a socket in a file",
             "with socket.socket(socket.AF_UNIX) as s:\n    s.connect('@SOCKET@')\n    return True"),
    _reaches("a socket without a file",
             "with socket.socket(socket.AF_UNIX) as s:\n    s.connect('\\0@ABSTRACT@')\n"
             "    return True"),
    _held("a port by its other names",
          "for host in ('localhost', '::1', '0.0.0.0', '127.1.2.3', '@HOST@'):\n"
          "    try:\n        with socket.create_connection((host, int('@PORT@')), 1): return host\n"
          "    except OSError: pass"),
    _held("the names of hosts",
          "for name in ('localhost.localdomain', 'example.com', 'example.org', '@HOST@'):\n"
          "    try: found = socket.gethostbyname(name)\n"
          "    except OSError: continue\n"
          "    if found != '127.0.0.1': return name, found"),
    _held("a datagram", "with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:\n"
                        "    return s.sendto(b'x', ('192.0.2.1', 53))"),
    _held("interfaces", "return [n for _, n in socket.if_nameindex() if n != 'lo']"),
    _held("a raw socket", "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)\nreturn True"),
    _held("packets", "socket.socket(17, socket.SOCK_RAW, 768)\nreturn True"),
    _held("sockets of services",
          "paths = ('/var/run/docker.sock', '/run/dbus/system_bus_socket', '/tmp/.X11-unix/X0',"
          " '/run/systemd/private', '/run/containerd/containerd.sock')\n"
          "return [p for p in paths if os.path.exists(p)]"),
    # ── other processes ──
    _reaches("a signal to the process that grades", "os.kill(int('@PID@'), 0)\nreturn True"),
    _held("kills its parent",
          "import signal, time\nos.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(0.1)"),
    _held("kills everything it can",
          "import signal, time\nos.kill(-1, signal.SIGKILL)\ntime.sleep(0.1)"),
    _held("kills the first processes",
          "import signal, time\n"
          "for pid in range(1, 99):\n    if pid != os.getpid():\n"
          "        try: os.kill(pid, signal.SIGKILL)\n        except OSError: pass\n"
          "time.sleep(0.1)"),
    _held("stops its parent", "import signal\nos.kill(os.getppid(), signal.SIGSTOP)"),
    _held("traces others",
          f"{LIBC}return [p for p in (1, os.getppid(), int('@PID@')) if p != os.getpid() "
          "and libc.ptrace(16, p, 0, 0) == 0]"),
    _held("reads another's memory",
          f"{LIBC}"
          "class Part(ctypes.Structure):\n"
          "    _fields_ = [('base', ctypes.c_void_p), ('size', ctypes.c_size_t)]\n"
          "room = ctypes.create_string_buffer(8)\n"
          "mine = Part(ctypes.addressof(room), 8)\n"
          "theirs = Part(id(int), 8)\n"
          "return [p for p in (1, 2, os.getppid(), int('@PID@')) if p not in (0, os.getpid()) and "
          "libc.process_vm_readv(p, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0) == 8]"),
    _held("opens another's memory",
          "for pid in {1, 2, os.getppid(), int('@PID@')} - {0, os.getpid()}:\n"
          "    for what in ('mem', 'environ', 'maps', 'auxv', 'stack', 'syscall'):\n"
          "        try:\n            with open(f'/proc/{pid}/{what}', 'rb', 0) as file:\n"
          "                if what == 'mem' or file.read(1): return pid, what\n"
          "        except OSError: pass"),
    _held("goes through another's root",
          "for pid in {1, os.getppid()} - {os.getpid()}:\n"
          "    for what in ('root', 'cwd', 'exe', 'fd'):\n"
          "        try: return os.listdir(f'/proc/{pid}/{what}') or os.readlink(f'/proc/{pid}/{what}')\n"
          "        except OSError: pass"),
    _held("takes another's descriptor",
          f"{LIBC}for pid in {{1, os.getppid()}} - {{os.getpid()}}:\n"
          "    fd = libc.syscall(434, pid, 0)\n"
          "    if fd >= 0:\n"
          "        taken = [n for n in range(64) if libc.syscall(438, fd, n, 0) >= 0]\n"
          "        if taken: return pid, taken"),
    _held("counts the processes it sees",
          "seen = [p for p in os.listdir('/proc') if p.isdigit()]\nreturn len(seen) > 4 and seen"),
    _held("a priority above others'", "return os.nice(-5) < 0 or os.sched_setscheduler(0, 1, "
                                      "os.sched_param(50)) is None"),
    # ── out of the sandbox ──
    _held("calls that need privileges",
          LIBC + "done = []\n" + "".join(
              f"try:\n    if {call} >= 0: done.append({name!r})\nexcept OSError: pass\n"
              for name, call in CALLS.items()) + "return done"),
    _held("types on a terminal",
          "import fcntl, termios\n"
          "fds = [0, 1, 2]\n"
          "for path in ('/dev/tty', '/dev/console', '/dev/tty0', '/dev/ptmx'):\n"
          "    try: fds.append(os.open(path, os.O_RDWR | os.O_NOCTTY))\n"
          "    except OSError: pass\n"
          "for fd in fds:\n"
          "    try:\n        fcntl.ioctl(fd, termios.TIOCSTI, b'x')\n"
          "        if not os.ttyname(fd).startswith('/dev/pts'): return fd\n"
          "    except OSError: pass"),
    _held("settings of the kernel",
          "for path in ('/proc/sys/kernel/core_pattern', '/proc/sys/kernel/hostname',"
          " '/proc/sysrq-trigger', '/proc/sys/user/max_user_namespaces', '/sys/kernel/uevent_helper',"
          " '/proc/sys/vm/overcommit_memory', '/proc/1/oom_score_adj'):\n"
          "    try:\n        with open(path, 'r+') as file:\n            file.write('1')\n"
          "            return path\n"
          "    except OSError: pass"),
    _held("devices",
          "fine = {'null', 'zero', 'full', 'random', 'urandom', 'tty', 'console', 'fd', 'stdin',"
          " 'stdout', 'stderr', 'core', 'pts', 'ptmx', 'shm', 'mqueue'}\n"
          "return set(os.listdir('/dev')) - fine"),
    _held("control groups",
          "for folder, _, files in os.walk('/sys/fs/cgroup'):\n"
          "    if 'cgroup.procs' in files and os.access(folder + '/cgroup.procs', os.W_OK):\n"
          "        return folder"),
    _held("raises its limits",
          "import resource\nraised = []\n"
          "for name in ('NPROC', 'NOFILE', 'FSIZE', 'DATA', 'CPU', 'CORE', 'MEMLOCK', 'MSGQUEUE'):\n"
          "    kind = getattr(resource, 'RLIMIT_' + name)\n"
          "    before = resource.getrlimit(kind)\n"
          "    if before[1] == resource.RLIM_INFINITY: continue\n"
          "    try: resource.setrlimit(kind, (before[1] + 1,) * 2)\n"
          "    except (OSError, ValueError): continue\n"
          "    raised.append(name)\nreturn raised"),
    _held("a privilege by a program",
          "import subprocess\n"
          "for command in (['sudo', '-n', 'id', '-u'], ['su', '-c', 'id -u'], ['pkexec', 'id', '-u']):\n"
          "    try: said = subprocess.run(command, input=b'', capture_output=True, timeout=3).stdout\n"
          "    except (OSError, subprocess.TimeoutExpired): continue\n"
          "    if said.strip() == b'0': return command"),
    _held("capabilities",
          "text = open('/proc/self/status').read()\n"
          "return [m for m in re.findall('Cap(?:Prm|Eff|Bnd|Amb):\\t(\\w+)', text) "
          "if int(m, 16)] or 'NoNewPrivs:\\t1' not in text"),
    # ── files that are not its own ──
    *(_held(f"writes {name}", f"with open('@ROOM@/{path}', 'a') as file: file.write('mine')\n"
                              "return True")
      for name, path in {
          "to the gradebook": "class/gradebook.db",
          "another's work": "class/submitted/other/walls/walls.ipynb",
          "the class's own notebook": "class/source/walls/walls.ipynb",
          "a mark": "class/autograded/me/walls/walls.ipynb",
          "a new file": "class/new",
      }.items()),
    _held("deletes another's work",
          "import shutil\nshutil.rmtree('@ROOM@/class/submitted')\nreturn True"),
    _held("climbs to the gradebook",
          "for up in range(1, 9):\n    for path in ('gradebook.db', 'class/gradebook.db'):\n"
          "        if os.path.exists('../' * up + path): return up"),
    _held("another's permissions", "os.chmod('@ROOM@/class', 0o777)\nreturn True"),
    _held("writes to packages",
          "import autograder, course_lib, site\n"
          "for path in [np.__path__[0], list(autograder.__path__)[0], course_lib.__path__[0], "
          "*site.getsitepackages(), os.path.dirname(os.__file__), sys.prefix, sys.base_prefix, "
          "'/usr/bin', '/etc', '/', '/home', os.path.expanduser('~')]:\n"
          "    try:\n        with open(path + '/mine.pth', 'w') as file: file.write('x')\n"
          "    except OSError: continue\n"
          "    if not path.startswith('/tmp'): return path"),
    _held("writes into a package's file",
          "for path in (np.__file__, os.__file__, sys.executable):\n"
          "    try:\n        with open(path, 'r+b') as file: return path\n"
          "    except OSError: pass"),
    _held("makes root's programs", "path = '/tmp/mine'\nopen(path, 'w').close()\n"
                                   "os.chmod(path, 0o4755)\nos.chown(path, 0, 0)\nreturn True"),
    # ── what the next one would find ──
    _leaves("leaves files",
            f"""
            import os, pathlib
            for place in ("/tmp", "/dev/shm", "/var/tmp", "/run", os.path.expanduser("~"), ".",
                          "/", os.environ.get("TMPDIR", "/tmp"), os.environ.get("IPYTHONDIR", ".")):
                for name in ("{LEFT}", "numpy.py", "sitecustomize.py", "zero_pad.py"):
                    try:
                        (pathlib.Path(place) / name).write_text("answer = 3")
                    except OSError:
                        pass
            """),
    Row("finds files",
        attempt(f"""
        import glob
        places = ("/tmp", "/dev/shm", "/var/tmp", "/run", os.path.expanduser("~"), ".", "/",
                  os.environ.get("TMPDIR", "/tmp"), os.environ.get("IPYTHONDIR", "."))
        return [p for p in places if os.path.exists(os.path.join(p, "{LEFT}"))] or [
            p for p in ("/tmp", "/dev/shm") if os.listdir(p) and p != "/tmp"]
        """), after="leaves files"),
    _leaves("leaves memory",
            """
            import builtins, ctypes, os, sys, threading, time
            libc = ctypes.CDLL(None)
            shared = libc.shmget(31415, 4096, 0o1666)
            libc.semget(31415, 1, 0o1666)
            libc.msgget(31415, 0o1666)
            os.environ["LEFT"] = "3"
            sys.left = builtins.left = np.left = 3
            np.pad = np.zeros = None
            sys.modules["left"] = sys
            sys.path.insert(0, "/tmp")
            sys.setrecursionlimit(5000)
            """).declared_all("pass|error"),
    Row("finds memory",
        attempt("""
        import builtins, ctypes
        libc = ctypes.CDLL(None)
        return [libc.shmget(31415, 1, 0) >= 0, libc.semget(31415, 1, 0) >= 0,
                libc.msgget(31415, 0) >= 0, "LEFT" in os.environ, hasattr(sys, "left"),
                hasattr(builtins, "left"), hasattr(np, "left"), "left" in sys.modules,
                np.pad is None, sys.getrecursionlimit() == 5000].count(True)
        """), after="leaves memory"),
    _leaves("leaves a queue",
            """
            import ctypes, socket
            try:
                rt = ctypes.CDLL("librt.so.1", use_errno=True)
                rt.mq_open(b"/left", 0o102, 0o666, None)
            except (OSError, AttributeError):
                pass
            kept = [socket.socket(socket.AF_UNIX) for _ in range(2)]
            kept[0].bind("\\0left-by-another")
            kept[0].listen()
            """),
    Row("finds a queue",
        attempt("""
        import ctypes
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect("\\0left-by-another")
                return "socket"
            except OSError:
                pass
        rt = ctypes.CDLL("librt.so.1", use_errno=True)
        return rt.mq_open(b"/left", 0, 0, None) >= 0
        """), after="leaves a queue"),
    # ── what lives on ──
    _leaves("leaves a program",
            f"import subprocess\nsubprocess.Popen(['sleep', '{NAP}'], start_new_session=True)"),
    _leaves("leaves a daemon",
            f"""
            import os
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    os.execvp("sleep", ["sleep", "{NAP}"])
                os._exit(0)
            """),
    _leaves("leaves a stubborn program",
            f"import subprocess\nsubprocess.Popen(['sh', '-c', 'trap \"\" TERM HUP INT; setsid sleep"
            f" {NAP} & sleep {NAP}'], start_new_session=True)"),
    _leaves("leaves a program that holds the wire",
            f"import subprocess\nsubprocess.Popen(['sleep', '{NAP}'], close_fds=False,"
            " pass_fds=[fd for fd in range(3, 64) if __import__('os').path.exists("
            "f'/proc/self/fd/{fd}')])"),
    _leaves("leaves a stopped program",
            f"import os, signal, subprocess\np = subprocess.Popen(['sleep', '{NAP}'])\n"
            "os.kill(p.pid, signal.SIGSTOP)"),
    _leaves("leaves a fork", "import os, time\nif os.fork() == 0:\n    os.setsid()\n"
                             f"    os.execvp('sleep', ['sleep', '{NAP}'])"),
    _leaves("leaves a timer",
            f"""
            import atexit, signal, threading, time, weakref
            atexit.register(time.sleep, {NAP})
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.setitimer(signal.ITIMER_VIRTUAL, 1e6, 1e6)
            threading.Thread(target=time.sleep, args=[{NAP}]).start()
            class Last:
                def __del__(self): time.sleep({NAP})
            last = Last()
            weakref.finalize(last, time.sleep, {NAP})
            """),
    Row("forks and both go on", first("import os\nos.fork()\nos.fork()")),
    Row("a child answers too",
        size("import os\nif os.fork() == 0: return 0\nos.wait()\nreturn 1"),
        {"output_size": "wrong|time|crash|tampered"}, timeout=HASTY),
    Row("exits in __del__",
        first("class Last:\n    def __del__(self): raise SystemExit(3)\nLast()\nx = Last()")),
    # ── how a process may end ──
    *(Row(name, {"output_size": f"{text}\n{HONEST['output_size']}"},
          {"output_size": verdict}, timeout=HASTY)
      for name, text, verdict in (
          ("ends its process", "import os\nos._exit(0)", "crash"),
          ("ends with our own status", "import os\nos._exit(70)", "crash"),
          ("ends as if it had not started", "import os\nos._exit(71)", "crash"),
          ("ends like a signal", "import os\nos._exit(137)", "crash|memory"),
          ("a segmentation fault", "import ctypes\nctypes.string_at(0)", "crash"),
          ("aborts", "import os\nos.abort()", "crash"),
          ("kills itself", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
           "crash|memory"),
          ("kills its group", "import os, signal\nos.killpg(0, signal.SIGKILL)", "crash|memory"),
          ("stops itself", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", "time"),
          ("becomes another program", f"import os\nos.execvp('sleep', ['sleep', '{NAP}'])",
           "time|crash"),
          ("becomes true", "import os\nos.execvp('true', ['true'])", "crash"),
          ("ends later", "import faulthandler, time\n"
           "faulthandler.dump_traceback_later(0.2, exit=True, file=open('/dev/null', 'w'))\ntime.sleep(1)", "crash"),
          ("asks for a core", "import os, resource\n"
           "resource.setrlimit(resource.RLIMIT_CPU, (0, 0))\nwhile True: pass", "crash|time"),
      )),
    Row("ends its process when called", size("import os\nos._exit(0)"), {"output_size": "crash"}),
    Row("a segmentation fault when called", size("import ctypes\nctypes.string_at(0)"),
        {"output_size": "crash"}),
    Row("an alarm of its own",
        last("import signal\nsignal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)"),
        {"output_size": "pass|time|crash|error", **dict.fromkeys(REST, "pass|time|crash|error")},
        timeout=HASTY),
    Row("everything kills", dict.fromkeys(CHAPTERS["walls"], "import os\nos._exit(0)"),
        blank(verdict="crash")),
]  # fmt: skip
