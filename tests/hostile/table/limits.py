# ruff: noqa: E501 (submissions are quoted as they are written)
"""Submissions that take more than their share: of time, memory, processes, files, output."""

from __future__ import annotations

from table.row import HASTY, HONEST, NAP, Row, attempt, blank, first, pad, size

SWALLOW = "while True:\n    try:\n        while True: pass\n    except BaseException: pass"
DEAF = (
    "import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))\n"
    f"while True: time.sleep({NAP})"
)


def _time(name: str, cells: dict[str, str], verdict: str = "time", **more: object) -> Row:
    (exercise,) = cells
    return Row(name, cells, {exercise: verdict}, timeout=HASTY, **more)  # type: ignore[arg-type]


def _before(text: str) -> dict[str, str]:
    """Something before the honest answer to `zero_pad`, which nothing else needs."""
    return {"zero_pad": f"{text}\n{HONEST['zero_pad']}"}


def _memory(name: str, text: str, verdict: str = "memory") -> Row:
    return Row(name, _before(text), {"zero_pad": verdict})


ROWS = [
    # ── time ──
    _time("an endless cell", _before("while True: pass")),
    _time("an endless call", pad("while True: pass")),
    _time("an endless call that swallows", pad(SWALLOW)),
    _time("an endless cell that swallows", _before(SWALLOW)),
    _time("an endless call in C", pad("return sum(range(10**13))")),
    _time("an endless sort", pad("return sorted(iter(int, 1))"), "time|memory"),
    _time("sleeps", pad(f"import time\ntime.sleep({NAP})")),
    _time("sleeps through everything",
          pad(f"import time\nwhile True:\n    try: time.sleep({NAP})\n"
              "    except BaseException: pass")),
    _time("deaf to signals", pad(DEAF)),
    _time("a deaf cell", _before(DEAF)),
    _time("waits for a lock", pad("import threading\nlock = threading.Lock()\nlock.acquire()\n"
                                  "lock.acquire()")),
    _time("waits for a child", pad(f"import subprocess\nsubprocess.run(['sleep', '{NAP}'])")),
    _time("waits for input", _before("input()"), "error"),
    _time("a slow pattern", pad("import re\nreturn re.match('(a|a?)+$', 'a' * 60 + 'b')")),
    _time("a long number to print", pad("import sys\nsys.set_int_max_str_digits(0)\n"
                               "return str(3 ** (10**8))"), "time|memory"),
    _time("a large power", pad("return 10 ** 10 ** 10"), "time|memory"),
    _time("a number too long to print", size("return 10 ** 5000"), "wrong"),
    _time("endless on the last cases only",
          size("while kernel == 0: pass\nreturn 1"), "time|wrong"),
    _time("endless in __del__",
          pad("class Last:\n    def __del__(self):\n        while True: pass\nLast()\nreturn image"),
          "time|wrong"),
    _time("endless while it is told to stop",
          pad("try:\n    while True: pass\nfinally:\n    while True: pass")),
    _time("its own time limit",
          pad("import signal\nsignal.setitimer(signal.ITIMER_REAL, 0)\n"
              f"signal.signal(signal.SIGALRM, signal.SIG_IGN)\nimport time\ntime.sleep({NAP})")),
    _time("recursion that never ends", pad("return zero_pad(image, padding)"), "error"),
    _time("recursion without a limit",
          pad("import sys\nsys.setrecursionlimit(10**9)\ndef deep(n):\n"
              "    return [deep(n + 1) for _ in (1,)]\nreturn deep(0)"), "crash|memory|time|error"),

    # ── memory ──
    _memory("a memory bomb", "kept = []\nwhile True: kept.append(bytearray(2**30))"),
    _memory("a memory bomb of arrays",
            "kept = []\nwhile True: kept.append(np.empty(2**25))"),
    _memory("all memory at once", "kept = np.ones(2**40)"),
    _memory("memory that swallows",
            "kept = []\nwhile len(kept) < 200:\n    try: kept.append(np.empty(2**25))\n"
            "    except MemoryError: break\n", "pass|memory|crash|error"),
    _memory("shared memory",
            "import mmap\nkept = []\n"
            "flags = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE\n"
            "for _ in range(48): kept.append(mmap.mmap(-1, 2**27, flags=flags))"),
    _memory("memory in files that have no name",
            "import os\nzeros = bytes(2**27)\n"
            "for _ in range(40): os.write(os.memfd_create('x'), zeros)"),
    _memory("memory of many processes",
            "import os, time\n"
            "for _ in range(8):\n    if os.fork() == 0:\n        kept = np.ones(2**26)\n"
            f"        time.sleep({NAP})\ntime.sleep(2)", "pass|memory|crash|time|error"),
    _memory("memory in shared files",
            "parts = []\n"
            "for place in ('/dev/shm', '/tmp', '.'):\n    try:\n"
            "        with open(place + '/big', 'wb') as file:\n"
            "            for _ in range(64): file.write(bytes(2**26))\n"
            "    except OSError as error: parts.append(error)\n"
            "if len(parts) < 3: raise RuntimeError(parts)", "pass|memory|crash"),
    _memory("an array file that announces too much",
            "import io\nhead = b\"{'descr': '<f8', 'fortran_order': False, 'shape': (2**50,)}\"\n"
            "np.load(io.BytesIO(b'\\x93NUMPY\\x01\\x00' + len(head).to_bytes(2, 'little') + head))",
            "error|memory"),
    # ── processes, threads, files ──
    Row("a fork bomb",
        _before("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"),
        {"zero_pad": "time|crash|error|memory"}, timeout=HASTY),
    Row("a fork bomb that leaves its group",
        _before("import os\nwhile True:\n    try:\n        os.fork()\n        os.setsid()\n"
                "    except OSError: pass"),
        {"zero_pad": "time|crash|error|memory"}, timeout=HASTY),
    Row("a fork bomb of programs",
        _before("import subprocess\nkept = []\ntry:\n    while True:\n"
                f"        kept.append(subprocess.Popen(['sleep', '{NAP}']))\n"
                "except OSError: pass\n"
                "if len(kept) > 500: raise RuntimeError(len(kept))"),
),
    Row("a flood of threads",
        _before("import threading, time\nkept = []\ntry:\n    while len(kept) < 5000:\n"
                f"        kept.append(threading.Thread(target=time.sleep, args=[{NAP}], "
                "daemon=True))\n        kept[-1].start()\n"
                "except RuntimeError: pass\n"
                "if len(kept) >= 5000: raise OverflowError"),
        {"zero_pad": "pass|memory|crash"}),
    Row("a flood of descriptors",
        _before("import os\nkept = []\ntry:\n    while len(kept) < 10**5: "
                "kept.append(os.open('/dev/null', 0))\n"
                "except OSError: pass\nenough = len(kept) < 10**5\n"
                "for fd in kept: os.close(fd)\nif not enough: raise OverflowError"),
),
    Row("a flood of descriptors, kept",
        _before("import os\nkept = []\ntry:\n    while True: kept.append(os.dup(0))\n"
                "except OSError: pass"),
        {"zero_pad": "pass|crash|error", "quiz_02": "pass|crash|error"}),
    Row("a flood of files",
        _before("import os\ntry:\n    for i in range(50_000): open(f'{i}.txt', 'w').close()\n"
                "except OSError: pass\nelse: raise OverflowError")),
    Row("a disk flood",
        _before("try:\n    with open('big', 'wb') as file:\n"
                "        for _ in range(64): file.write(bytes(2**26))\n"
                "except OSError: pass\nelse: raise OverflowError")),
    Row("a disk flood everywhere",
        attempt("import tempfile\n"
                "places = {'/tmp', '/var/tmp', '/dev/shm', '/run', '/dev', '/proc', '/home', '/',"
                " os.path.expanduser('~'), '.', tempfile.gettempdir()}\n"
                "total = 0\n"
                "for n in range(40):\n    for place in places:\n        try:\n"
                "            with open(f'{place}/flood{n}', 'wb') as file:\n"
                "                total += file.write(bytes(2**25))\n"
                "        except OSError: pass\n"
                "for n in range(40):\n    for place in places:\n"
                "        try: os.remove(f'{place}/flood{n}')\n        except OSError: pass\n"
                "return total > 2**30 and total"),
        {"output_size": "pass|memory|crash"}),
    # ── output ──
    Row("an endless print", _before("while True: print('x' * 10**6)"), {"zero_pad": "time"},
        timeout=HASTY),
    Row("an endless write", _before("import os\nwhile True: os.write(1, b'x' * 10**6)"),
        {"zero_pad": "time"}, timeout=HASTY),
    Row("an output flood", _before("import os, sys\nfor _ in range(200):\n"
                                   "    os.write(1, b'x' * 10**6)\n    os.write(2, b'x' * 10**6)\n"
                                   "    sys.__stdout__.write('x' * 10**6)")),
    Row("a flood of figures",
        _before("import matplotlib.pyplot as plt\nfor _ in range(30): plt.figure()")),
    Row("answers that are too large", pad("return np.zeros(5_000_000)"),
        {"zero_pad": "output|wrong"}),
    Row("a warning for everything", first("import warnings\nfor i in range(10**4): "
                                          "warnings.warn(f'w{i}')")),
    Row("everything at once", blank("zero_pad", verdict=(
        "import os, threading\nfor _ in range(3): os.fork()\n"
        "threading.Thread(target=lambda: [0] * 10**9, daemon=True).start()\n"
        "while True: open('x', 'ab').write(bytes(10**6))\n")),
        {"zero_pad": "time|crash|error|memory|output"}, timeout=HASTY),
]  # fmt: skip
