"""Feedback pages: the card is there; hidden tests, seeds and expected answers are not."""

import html.parser
import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from nbgrader.api import Gradebook
from nbgrader.apps.api import NbGraderAPI
from nbgrader.coursedir import CourseDirectory

from autograder import exercises
from autograder.grading import engine, record, settings
from autograder.grading.batch import Request, grade_class
from autograder.grading.pool import ExecutorPool

CHAPTER = "ch02_output_size"
ATTACK = "</pre></code></div><script>alert(1)</script><img src=x onerror=alert(1)>"
# Right but for padding; fails in every other way in which a learner's text gets on a page.
NO_PADDING = f'''\
"""{ATTACK}"""
def output_size(n, kernel, stride=1, padding=0, dilation=1):
    print("{ATTACK}")
    if n < kernel:
        raise ValueError("{ATTACK}")
    if padding:
        return "{ATTACK}"
    return (n - kernel) // stride + 1
'''
RAISES = f"def same_padding(kernel, dilation=1):\n    raise KeyError('''{ATTACK}''')\n"


class Page(html.parser.HTMLParser):
    """A page's text, its tags, and what in it could run."""

    def __init__(self, text):
        super().__init__()
        self.text, self.tags, self.running = "", [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.running += [(tag, name) for name, _ in attributes if name.startswith("on")]
        if tag == "script":
            self.running.append((tag, dict(attributes).get("src")))

    def handle_data(self, data):
        if self.tags and self.tags[-1] not in ("script", "style"):
            self.text += data


def grade(directory, **request):
    grade_class(
        directory,
        Request(CHAPTER, sandbox=False, **request),
        lambda: ExecutorPool(lambda: ThreadPoolExecutor(1)),
    )
    engine.close()


def feedback(directory, student=None):
    """`nbgrader generate_feedback`, in this process; each student's page, or one's."""
    config = settings.load(directory).config
    api = NbGraderAPI(CourseDirectory(config=config), config=config)
    done = api.generate_feedback(CHAPTER, student)
    assert done["success"], done
    return {
        path.parent.parent.name: path.read_text("utf-8")
        for path in (directory / "feedback").glob(f"{student or '*'}/*/*.html")
    }


def reveal(directory):
    path = directory / "nbgrader_config.py"
    text = path.read_text("utf-8")
    assert "reveal_failing_case = False" in text
    path.write_text(text.replace("reveal_failing_case = False", "reveal_failing_case = True"))


@pytest.fixture(scope="module")
def pages(released_class, submit, tmp_path_factory):
    """The pages of a class, as it is made and with failing cases revealed."""
    directory = tmp_path_factory.mktemp("feedback") / "class"
    shutil.copytree(released_class, directory)
    submit(directory, "ada", solved=True, why="It *slides*.")
    path = submit(directory, "bob", output_size=NO_PADDING, same_padding=RAISES, why=ATTACK)
    notebook = json.loads(path.read_text("utf-8"))
    forged = {"data": {"text/html": ATTACK, "text/plain": "5.0"}, "metadata": {}}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "execute_result", "execution_count": 1, **forged}]
    notebook["metadata"]["title"] = ATTACK
    path.write_text(json.dumps(notebook))
    other = submit(directory, "cid")
    other.rename(other.with_name(f"{ATTACK.replace('/', '')}.ipynb"))
    submit(directory, "dan").write_text(ATTACK)
    grade(directory)
    with Gradebook(f"sqlite:///{directory / 'gradebook.db'}", "class") as gradebook:
        gradebook.find_student("bob").first_name = ATTACK
        gradebook.find_student("bob").last_name = ATTACK
        gradebook.db.commit()
    hidden = feedback(directory)
    grades = {name: record.load(directory, CHAPTER, name).grade for name in hidden}
    reveal(directory)
    grade(directory, students=("bob",))
    revealed = feedback(directory, "bob")
    return SimpleNamespace(hidden=hidden, grades=grades, revealed=revealed)


def test_everybody_has_a_page_with_cards(pages):
    assert set(pages.hidden) == {"ada", "bob", "cid", "dan"}
    for student, text in pages.hidden.items():
        assert text.count('class="cnncard ') == 2, student
    ada, bob = Page(pages.hidden["ada"]), Page(pages.hidden["bob"])
    assert "output_size: right · 6 of 6 points" in ada.text
    assert "output_size: partly right" in bob.text
    assert "same_padding: raised an error" in bob.text
    assert "not JSON" in Page(pages.hidden["dan"]).text


def test_the_score_is_the_one_that_was_earned(pages):
    for student, grade in pages.grades.items():
        shown = re.search(r"\(Score: ([\d.]+) / 11.0\)", pages.hidden[student])
        assert float(shown[1]) == pytest.approx(grade.earned)
    assert pages.grades["ada"].earned == 9.0
    assert 0 < pages.grades["bob"].earned < 6


@pytest.mark.parametrize("which", ["hidden", "revealed"])
def test_nothing_of_a_learner_runs(pages, which):
    texts = getattr(pages, which)
    ours = Page(pages.hidden["ada"])
    for student in set(texts) - {"ada"}:
        page = Page(texts[student])
        assert page.running == ours.running, student
        assert set(page.tags) <= set(ours.tags) | {"ul", "li", "pre", "br"}, student
    # What was written is there to be read, as text.
    assert "<script>alert(1)</script>" in Page(texts["bob"]).text


def test_hidden_stays_hidden(pages):
    for student, text in pages.hidden.items():
        page = Page(text)
        assert "hidden" not in page.text.lower(), student
        assert str(pages.grades[student].seed) not in text, student
        assert "smallest case" not in page.text, student
        assert "expected" not in page.text, student


def test_cases_stay_hidden(pages):
    """Not one call of an unseen case is in the page, whoever raised or returned what."""
    seed = pages.grades["bob"].seed
    exercise = exercises.get("output_size")
    unseen = [case for case in exercise.draw(seed) if case not in exercise.worked]
    assert len(unseen) > 10
    text = Page(pages.hidden["bob"]).text
    given = Page(pages.hidden["ada"]).text
    for case in unseen:
        inputs = ", ".join([*map(str, case.args), *(f"{k}={v}" for k, v in case.kwargs.items())])
        call = f"output_size({inputs})"
        assert call not in text or call in given  # the chapter has examples of its own


def test_the_smallest_case_is_shown_where_the_class_allows_it(pages):
    page = Page(pages.revealed["bob"])
    assert "The smallest case that fails: output_size(" in page.text
