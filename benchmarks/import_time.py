"""What `import course_lib` adds to `import numpy`: the median over fresh interpreters.

    python benchmarks/import_time.py [runs]

Absolute times depend on the machine; the difference and the ratio are what to look at. The two
are timed by turns, so that a busy moment of the machine falls on both.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

AT_MOST = 0.2  # seconds that the library may add


def seconds(statement: str) -> float:
    """How long a new interpreter takes to start, run one statement and end."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    seconds("import course_lib")  # writes the byte code, warms the file cache
    times = [(seconds("import numpy"), seconds("import course_lib")) for _ in range(runs)]
    numpy = statistics.median(n for n, _ in times)
    course = statistics.median(c for _, c in times)
    added = statistics.median(c - n for n, c in times)
    ratio = statistics.median(c / n for n, c in times)
    print(f"runs                {runs}")
    print(f"import numpy        {numpy:.3f} s")
    print(f"import course_lib   {course:.3f} s")
    print(f"added               {added:.3f} s (at most {AT_MOST})")
    print(f"ratio               {ratio:.2f}")
    return 0 if added <= AT_MOST else 1


if __name__ == "__main__":
    sys.exit(main())
