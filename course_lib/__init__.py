"""The reference library of the course: what a chapter imports.

Shapes and counts (`geometry`, `cost`), operators with their backward passes (`ops`), how they
answer to a shift (`equivariance`) and pictures (`data`) are imported here and need NumPy alone. Figures and interactive views live in
`course_lib.plots` and `course_lib.explorers`; import those by name where you use them.

>>> import course_lib
>>> course_lib.geometry.output_size(28, kernel=3, stride=2, padding=1)
14
"""

from course_lib import cost, data, equivariance, geometry, ops

__all__ = ["cost", "data", "equivariance", "geometry", "ops"]
