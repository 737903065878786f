"""Time and memory of every chapter: ``python benchmarks/chapters.py [CHAPTER…]``.

Runs each instructor's notebook from top to bottom in a fresh kernel and prints the wall-clock
time with the kernel's start, and the peak resident memory of the kernel. Limits: 60 s and 1 GiB
(2 GiB from chapter 06 on), six minutes together. The exit status is 1 where a limit is missed.
"""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SECONDS, TOGETHER = 60.0, 360.0

# A process of its own for each chapter, so that its children's peak is the kernel's alone.
RUN = """
import resource, sys
import nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=600, resources={"metadata": {"path": "."}}).execute()
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def gibibytes(name: str) -> float:
    """The memory that a chapter may take: torch trains from chapter 06 on."""
    number = name.removeprefix("ch")[:2]
    return 2.0 if number.isdecimal() and int(number) >= 6 else 1.0


def main(names: list[str]) -> int:
    chapters = names or sorted(path.parent.name for path in ROOT.glob("solutions/*/*.py"))
    missed, total = False, 0.0
    print(f"{'chapter':28}{'seconds':>9}{'peak GiB':>10}")
    for name in chapters:
        notebook = ROOT / "solutions" / name / f"{name}.ipynb"
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", RUN, str(notebook)], capture_output=True, text=True
        )
        spent = time.perf_counter() - start
        if done.returncode:
            print(f"{name}: {done.stderr.strip().splitlines()[-1]}")
            missed = True
            continue
        unit = 2**30 if sys.platform == "darwin" else 2**20  # bytes there, KiB elsewhere
        peak = int(done.stdout.split()[-1]) / unit
        total += spent
        missed |= spent > SECONDS or peak > gibibytes(name)
        print(f"{name:28}{spent:9.1f}{peak:10.2f}")
    print(f"{'together':28}{total:9.1f}")
    return int(missed or total > TOGETHER)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
