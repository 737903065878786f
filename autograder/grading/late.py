"""What lateness costs: a part of the score for each day begun, after some time of grace."""

from __future__ import annotations

import math

from nbgrader.plugins import LateSubmissionPlugin
from traitlets import Float

DAY = 86_400  # seconds


class PercentPerDay(LateSubmissionPlugin):  # type: ignore[misc]
    """nbgrader's plugin for late submissions, for a class that wants a number of its own.

    In the class's nbgrader_config.py::

        c.AssignLatePenalties.plugin_class = "autograder.grading.late.PercentPerDay"
        c.PercentPerDay.percent = 10
    """

    percent = Float(
        10.0, min=0.0, max=100.0, help="Of the score, what each day begun costs, in per cent."
    ).tag(config=True)
    grace_minutes = Float(0.0, min=0.0, help="Minutes that cost nothing.").tag(config=True)
    most = Float(
        100.0, min=0.0, max=100.0, help="Of the score, what lateness costs at most, in per cent."
    ).tag(config=True)

    def late_submission_penalty(
        self, student_id: str, score: float, total_seconds_late: float
    ) -> float | None:
        """The points that a submission loses; None where it loses none.

        >>> PercentPerDay(percent=10).late_submission_penalty("ada", 20.0, 1.5 * DAY)
        4.0
        """
        late = total_seconds_late - 60 * self.grace_minutes
        if late <= 0:
            return None
        # The days count from when the work was due: grace forgives, it does not postpone.
        days = math.ceil(total_seconds_late / DAY)
        return float(round(score * min(days * self.percent, self.most) / 100, 6))
