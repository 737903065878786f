"""Settings for all tests."""

import os

# Two test processes on two cores: threads of their own would only fight for them. Set before NumPy
# and torch are imported, and passed on to the processes that tests start.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
