"""The reference library of the course: what a chapter imports.

Shapes and counts (`geometry`, `cost`), operators with their backward passes (`ops`), how they
answer to a shift (`equivariance`) and pictures (`data`) are imported here and need NumPy alone.
What one chapter needs, figures (`course_lib.plots`) and interactive views (`course_lib.explorers`)
are imported by name where they are used.

>>> import course_lib
>>> course_lib.geometry.output_size(28, kernel=3, stride=2, padding=1)
14
"""

from course_lib import cost, data, equivariance, geometry, ops

__all__ = ["cost", "data", "equivariance", "geometry", "ops"]
