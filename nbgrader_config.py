"""nbgrader's settings for this repository: stock nbgrader commands work in its root."""

from pathlib import Path

c = get_config()

c.CourseDirectory.root = str(Path(__file__).resolve().parent)
c.CourseDirectory.course_id = "cnn-course"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "notebooks"
# Chapters are edited as text beside the notebooks that are built from them.
c.CourseDirectory.ignore = ["*.py", ".ipynb_checkpoints", "*.pyc", "__pycache__"]

# Where a solution was, a learner finds code that says so when it runs.
c.ClearSolutions.code_stub = {"python": 'raise NotImplementedError("your code here")'}

# Seconds that one cell may take: the chapters train small networks.
c.Execute.timeout = 120

# Live figures are shown on feedback pages as they are in a notebook without a kernel: from their
# own page, which needs no network. Stored widget state would be preferred to it, and does.
c.Execute.store_widget_state = False
