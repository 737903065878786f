"""Interactive views of the course's ideas, for a notebook.

Each answers the pointer and the keyboard in the page, without asking the kernel; its state is
plain traits, so that a cell can set it and read it.
"""

from __future__ import annotations

from course_lib.explorers.channels import Channels
from course_lib.explorers.connections import Connections
from course_lib.explorers.inside_cnn import InsideCNN
from course_lib.explorers.lineage import Lineage
from course_lib.explorers.playground import Playground
from course_lib.explorers.pooling import Pooling
from course_lib.explorers.receptive_field import ReceptiveField
from course_lib.explorers.sliding_kernel import SlidingKernel
from course_lib.explorers.upsampling import Upsampling

__all__ = [
    "Channels",
    "Connections",
    "InsideCNN",
    "Lineage",
    "Playground",
    "Pooling",
    "ReceptiveField",
    "SlidingKernel",
    "Upsampling",
]
