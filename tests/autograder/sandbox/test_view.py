"""A view of the course holds what learners' code needs, and nothing that answers an exercise."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import struct
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograder import judge, plain, probe
from autograder.exercise import Case, Exercise, TrainedExercise
from autograder.exercises import all_exercises, get
from autograder.known import Known
from autograder.sandbox import view
from autograder.sandbox.bubblewrap import Sandbox, View
from autograder.sandbox.view import LENT, groups, make_view, withheld
from autograder.transplant import chapters, read_notebook, transplant
from autograder.verdict import Verdict

ROOT = Path(__file__).resolve().parents[3]
CHAPTERS = sorted({exercise.chapter for exercise in all_exercises()})
GROUPS = [(chapter, group) for chapter in CHAPTERS for group in groups(chapter)]
IDS = [f"{chapter}-{group[0]}" for chapter, group in GROUPS]
ENOUGH = 2  # cases of each aspect: what is asked here is whether an answer can work at all

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap exists on Linux only")


def forbidden(exercise: Exercise) -> set[str]:
    return {name for name in exercise.forbidden if name.startswith("course_lib.")}


def few_cases(exercise: Exercise) -> list[Case]:
    """Some cases of each aspect; for a model, one with little to learn from."""
    if isinstance(exercise, TrainedExercise):
        return [_little(exercise.draw(0)[0])]
    seen: Counter[tuple[str, str]] = Counter()
    chosen = []
    for case in exercise.draw(0):
        seen[case.aspect, case.measure] += 1
        if seen[case.aspect, case.measure] <= ENOUGH:
            chosen.append(case)
    return chosen


def _little(case: Case) -> Case:
    def cut(value: Any) -> Any:
        return value[:50] if isinstance(value, np.ndarray) else value

    return replace(
        case,
        args=tuple(map(cut, case.args)),
        inputs=tuple(map(cut, case.inputs)),
        targets=cut(case.targets),
    )


# ── what is in it ───────────────────────────────────────────────────────────────────────────────


def files(place: Path) -> dict[str, bytes]:
    return {
        path.relative_to(place).as_posix(): path.read_bytes()
        for path in place.rglob("*")
        if path.is_file()
    }


@cache
def bodies(text: str) -> frozenset[str]:
    """What the functions in a source do, their docstrings apart."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            told = ast.get_docstring(node) is not None
            found.add("\n".join(ast.dump(part) for part in node.body[told:]))
    return frozenset(found)


@cache
def own_bodies(dotted: str) -> frozenset[str]:
    """Those of a function or class, but for what its neighbours in the file do as well."""
    module, _, name = dotted.rpartition(".")
    found = getattr(importlib.import_module(module), name)
    source = textwrap.dedent(inspect.getsource(found))
    rest = inspect.getsource(sys.modules[found.__module__]).replace(source, "")
    return frozenset(filter(does_something, bodies(source) - bodies(rest)))


def does_something(body: str) -> bool:
    return len(body) > 300  # less than that is a line that others may have written as well


@pytest.mark.parametrize(("chapter", "group"), GROUPS, ids=IDS)
def test_no_forbidden_function_is_there_under_any_name(
    chapter: str, group: tuple[str, ...], tmp_path: Path
) -> None:
    names = {name for exercise in group for name in forbidden(get(exercise))}
    hidden = set().union(*(own_bodies(name) for name in names | {"course_lib.data.digits"}))
    assert hidden
    packages = make_view(tmp_path, chapter, group).packages
    for path in packages.rglob("*.py"):
        common = bodies(path.read_text(encoding="utf-8")) & hidden
        assert not common, path


def test_the_search_for_bodies_does_find_one() -> None:
    source = (ROOT / "course_lib/ops/conv.py").read_text(encoding="utf-8")
    one = next(filter(does_something, bodies(source)))
    assert one in bodies(source.replace("def conv2d_single(", "def innocent("))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_only_sources_and_the_backbone_are_in_it(chapter: str, tmp_path: Path) -> None:
    found = set(files(make_view(tmp_path, chapter).packages))
    ours = {name for name in found if name.startswith("autograder/")}
    assert ours == {
        "autograder/__init__.py",
        "autograder/exercise.py",
        "autograder/plain.py",
        "autograder/pristine.py",
        "autograder/probe.py",
        "autograder/sandbox/__init__.py",
        "autograder/sandbox/child.py",
        "autograder/sandbox/namespaces.py",
        "autograder/trials.py",
        "autograder/trials_transfer.py",
    }
    other = {name for name in found - ours if not name.endswith(".py")}
    assert other == {f"course_lib/experiments/pretrain.{kind}" for kind in ("json", "safetensors")}
    assert all(path.stat().st_mode & 0o777 in (0o644, 0o755) for path in tmp_path.rglob("*"))


def test_the_same_is_written_each_time(tmp_path: Path) -> None:
    first, second = make_view(tmp_path / "a", "03"), make_view(tmp_path / "b", "03")
    assert files(first.packages) == files(second.packages)
    assert files(tmp_path / "a/covers") == files(tmp_path / "b/covers")


@cache
def names_in(text: str) -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
    """What a module defines or imports at its top, and what of the course it imports from where."""
    tree = ast.parse(text)
    defined: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom | ast.Import):
            defined.update(part.asname or part.name for part in node.names)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            defined.update(part.id for part in ast.walk(node) if isinstance(part, ast.Name))
    wanted = {
        (node.module, part.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("course_lib")
        for part in node.names
    }
    return frozenset(defined), frozenset((module or "", name) for module, name in wanted)


@pytest.mark.parametrize(("chapter", "group"), GROUPS, ids=IDS)
def test_what_a_module_imports_from_another_is_there(
    chapter: str, group: tuple[str, ...], tmp_path: Path
) -> None:
    packages = make_view(tmp_path, chapter, group).packages
    for path in packages.rglob("*.py"):
        for module, name in names_in(path.read_text(encoding="utf-8"))[1]:
            place = packages / module.replace(".", "/")
            file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
            inner = (place / name, place / f"{name}.py")
            defined = names_in(file.read_text(encoding="utf-8"))[0]
            assert name in defined or any(one.exists() for one in inner), (path, module, name)


# ── what is withheld ────────────────────────────────────────────────────────────────────────────


def test_all_that_an_exercise_forbids_is_withheld_in_its_group() -> None:
    for chapter in CHAPTERS:
        for group in groups(chapter):
            names = {name for exercise in group for name in forbidden(get(exercise))}
            assert names <= set(withheld(chapter, group))
        together = sorted(name for group in groups(chapter) for name in group)
        assert together == sorted(e.name for e in all_exercises() if e.chapter == chapter)


def test_what_one_exercise_lends_stays_in_a_view_for_the_whole_chapter() -> None:
    assert "course_lib.ops.max_pool2d" in withheld("04", ["max_pool2d"])
    assert "course_lib.ops.max_pool2d" not in withheld("04")
    assert "course_lib.ops.blur_pool2d" in withheld("04")
    assert all(name in {exercise.name for exercise in all_exercises()} for name in LENT)
    assert all("course_lib.data.digits" in withheld(chapter) for chapter in CHAPTERS)


def test_what_is_no_chapter_or_none_of_its_exercises_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"chapter \(='2'\)"):
        make_view(tmp_path, "2")
    with pytest.raises(ValueError, match=r"exercises \(='LeNet'\) must be some of chapter 02"):
        make_view(tmp_path, "02", ["LeNet"])
    with pytest.raises(ValueError, match="LeNet"):
        withheld("02", ["LeNet"])


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_honest_answers_need_nothing_that_is_withheld(
    chapter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The alternatives of each exercise, where what is withheld raises."""
    asked = [
        (exercise, Known(exercise, few_cases(exercise)))
        for exercise in all_exercises()
        if exercise.chapter == chapter and exercise.kind in ("function", "property")
    ]
    for exercise, known in asked:
        if exercise.kind == "function":
            known.expected()  # by a reference that may use anything
    for group in groups(chapter):
        for exercise, known in asked:
            for alternative in exercise.alternatives.values() if exercise.name in group else ():
                with monkeypatch.context() as patch:
                    for name in withheld(chapter, group):
                        take_away(patch, name)
                    ask = probe.request(exercise, known.cases)
                    found = probe.observe(replace(ask, forbidden=()), alternative)
                said = judge.judge(exercise, known.cases, found, known)
                assert said.verdict == "pass", said


def take_away(patch: pytest.MonkeyPatch, dotted: str) -> None:
    module, _, name = dotted.rpartition(".")
    original = getattr(importlib.import_module(module), name)
    if isinstance(original, type):
        return  # honest answers to exercises on functions make no networks

    def missing(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError(f"{dotted} is withheld")

    for found in [m for key, m in sys.modules.items() if key.startswith(("course_", "autograder"))]:
        for key, value in list(vars(found).items()):
            if value is original:
                patch.setattr(found, key, missing)


# ── inside ──────────────────────────────────────────────────────────────────────────────────────

INSIDE = '''
"""Runs in the sandbox: does each job in a fork of its own, with a view of its own."""
import importlib, inspect, os, struct, sys, traceback

out = os.dup(1)
os.dup2(2, 1)
import numpy, torch
import torch._dynamo, torch.utils._python_dispatch  # what takes long is loaded once for all views
torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0).step()

def attempt(run):
    try:
        return str(run())
    except BaseException as error:
        return f"{type(error).__name__}: {error}"

def look(wanted):
    """What can be seen from here."""
    facts = {"signatures": {}, "calls": {}, "imports": {}}
    for name in wanted["changed"]:
        facts["imports"][name] = attempt(lambda: importlib.import_module(name) and "")
    for dotted in wanted["withheld"]:
        module, _, name = dotted.rpartition(".")
        found = getattr(importlib.import_module(module), name)
        facts["signatures"][dotted] = attempt(lambda: inspect.signature(found))
        taken = inspect.signature(found).parameters.values()
        plain = [1 for one in taken if one.kind is one.POSITIONAL_OR_KEYWORD]
        named = {one.name: 1 for one in taken if one.kind is one.KEYWORD_ONLY}
        facts["calls"][dotted] = attempt(lambda: found(*plain, **named))
    sys.meta_path[:] = [f for f in sys.meta_path if type(f).__name__ != "_Closed"]
    for name in wanted["absent"]:
        facts["imports"][name] = attempt(lambda: importlib.import_module(name) and "")
    facts["host"] = [path for path in wanted["host"] if os.path.exists(path)]
    facts["finders"] = [str(f) for f in sys.meta_path if "editable" in str(f)]
    if wanted["digits"]:
        from sklearn.datasets import load_digits
        facts["sklearn"] = attempt(load_digits)
    return facts

def do(place):
    sys.path.insert(0, open(place + ".view").read())
    from autograder import plain
    from autograder.sandbox import child
    child.prepare()
    steps = plain.unpack(open(place + ".steps", "rb").read())
    frames = []
    child.perform({"notebook": False, "seconds": 600.0}, iter(steps).__next__, frames.append)
    wanted = plain.unpack(open(place + ".wanted", "rb").read())
    facts = look(wanted) if wanted else {}
    data = plain.pack({"name": os.path.basename(place), "frames": frames, "facts": facts})
    data = struct.pack(">Q", len(data)) + data
    while data:
        data = data[os.write(out, data):]

for name in sorted(os.listdir("/course/jobs")):
    if name.endswith(".steps"):
        sys.stderr.flush()
        pid = os.fork()
        if not pid:
            try:
                do("/course/jobs/" + name.removesuffix(".steps"))
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        if os.waitpid(pid, 0)[1]:
            sys.exit(f"{name} failed")
'''
ABSENT = ("autograder.exercises", "autograder.exercises.ch02", "autograder.judge",
          "autograder.known", "autograder.runner", "autograder.sandbox.view",
          "autograder.grading")  # fmt: skip
HOST = (str(ROOT / "autograder"), str(ROOT / "course_lib"), str(ROOT / "solutions"))


def cell(name: str, source: str) -> dict[str, Any]:
    return {"cell": name, "source": source, "seconds": 60.0}


def trial(exercise: Exercise) -> dict[str, Any]:
    asked = probe.request(exercise, few_cases(exercise)).to_plain()
    return {"exercise": exercise.name, "probe": asked, "seconds": 60.0}


def own_solutions(chapter: str, group: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The cells of a chapter as the course has solved them, then the trials of a group."""
    name = next(c for c in course() if c[:4] in (f"ch{chapter}", f"{chapter}_s"))
    submission = transplant(
        read_notebook(ROOT / f"solutions/{name}/{name}.ipynb"), [course()[name]]
    )
    for one in course()[name].cells:
        if one.role == "setup":
            yield cell(one.id, one.released)
        elif one.role == "solution":
            yield cell(one.id, submission.sources[one.id])
    for exercise in group:
        if get(exercise).kind != "question":
            yield trial(get(exercise))


@cache
def course() -> Mapping[str, Any]:
    return {chapter.name: chapter for chapter in chapters(ROOT)}


PADS = """
from course_lib import ops
def conv2d_single(image, kernel, stride=1, padding=0, dilation=1):
    import numpy as np
    (s, t), (d, e) = np.broadcast_to(stride, 2), np.broadcast_to(dilation, 2)
    image = ops.pad2d(image, padding if isinstance(padding, int) else tuple(padding))
    h, w = (kernel.shape[0] - 1) * d + 1, (kernel.shape[1] - 1) * e + 1
    windows = np.lib.stride_tricks.sliding_window_view(image, (h, w))[::s, ::t, ::d, ::e]
    return np.einsum("rcij,ij->rc", windows, kernel)
"""
CHEATS = {
    # By name: the chapter, the exercise, and what somebody hands in.
    "called": ("02", "conv2d_single", """
from course_lib import ops
def conv2d_single(*args, **kwargs):
    return ops.conv2d_single(*args, **kwargs)
"""),
    "swallowed": ("02", "true_convolution", """
import course_lib.ops as o
def true_convolution(image, kernel):
    try:
        return o.true_convolution(image, kernel)
    except Exception:
        return image
"""),
    "handed in": ("04", "avg_pool2d", "from course_lib.ops import avg_pool2d"),
    "inherited": ("07", "DenseLayer", """
from course_lib.nets.densenet import DenseLayer as Theirs
class DenseLayer(Theirs):
    pass
"""),
    "made": ("09", "UNet", """
from course_lib import nets
def UNet(*args, **kwargs):
    return nets.unet.UNet(*args, **kwargs)
"""),
    "digits": ("06", "digit_classifier", """
from course_lib import data
def digit_classifier(images=None, labels=None):
    everything = data.digits()
    return lambda x: everything.labels[:len(x)]
"""),
}  # fmt: skip


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What came back from each job: all of them in one sandbox that holds every view."""
    jobs: dict[str, tuple[str, tuple[str, ...], list[dict[str, Any]], Any]] = {}
    for (chapter, group), name in zip(GROUPS, IDS, strict=True):
        names = sorted(withheld(chapter, group))
        changed = sorted(view._library().without(withheld(chapter, group)))
        wanted = {"withheld": names, "absent": ABSENT, "host": HOST, "digits": chapter == "06"}
        wanted["changed"] = ["course_lib.explorers", *changed]
        jobs[name] = (chapter, group, list(own_solutions(chapter, group)), wanted)
    for name, (chapter, exercise, source) in CHEATS.items():
        group = next(group for group in groups(chapter) if exercise in group)
        jobs[name] = (chapter, group, [cell(exercise, source), trial(get(exercise))], {})
    for name, group in (("pads", groups("02")[0]), ("pads alone", ("conv2d_single",))):
        steps = [cell("conv2d_single", PADS), trial(get("conv2d_single"))]
        jobs[name] = ("02", group, steps, {})

    def all_views(place: Path) -> View:
        course = place / "all"
        (course / "jobs").mkdir(parents=True)
        (course / "inside.py").write_text(INSIDE, encoding="utf-8")
        masks: tuple[tuple[Path, Path], ...] = ()
        for name, (chapter, group, steps, wanted) in jobs.items():
            own = make_view(course / name, chapter, group)
            masks = own.masks
            (course / f"jobs/{name}.view").write_text(f"/course/{name}/packages", encoding="utf-8")
            (course / f"jobs/{name}.steps").write_bytes(plain.pack([*steps, {"end": True}]))
            (course / f"jobs/{name}.wanted").write_bytes(plain.pack(wanted))
        return View(course, masks)

    sandbox = Sandbox(all_views)
    try:
        command = sandbox.command([sys.executable, "-P", "/course/inside.py"])
        done = subprocess.run(command, capture_output=True, timeout=300, stdin=subprocess.DEVNULL)
    finally:
        sandbox.close()
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    # Nothing is said by `site` either, which reads what is masked.
    assert done.stderr == b""
    answers = {}
    data = done.stdout
    while data:
        (length,) = struct.unpack(">Q", data[:8])
        answer = plain.unpack(data[8 : 8 + length])
        answers[answer["name"]] = answer
        data = data[8 + length :]
    assert set(answers) == set(jobs)
    return answers


def observed(answer: Mapping[str, Any], exercise: str) -> list[probe.Observation]:
    (frame,) = (f for f in answer["frames"] if f.get("exercise") == exercise)
    assert "observations" in frame, frame
    return [probe.Observation.from_plain(one) for one in frame["observations"]]


def judged(answer: Mapping[str, Any], exercise: Exercise) -> Verdict:
    return judge.judge(exercise, few_cases(exercise), observed(answer, exercise.name))


@pytest.mark.parametrize("name", IDS)
def test_the_courses_own_solutions_run_and_pass(name: str, seen: Mapping[str, Any]) -> None:
    group = GROUPS[IDS.index(name)][1]
    for frame in seen[name]["frames"]:
        if "cell" in frame:
            assert frame["status"] == "ok", frame
    for exercise in map(get, group):
        if exercise.kind == "trained":  # on a handful of images: that it can train is enough
            (found,) = observed(seen[name], exercise.name)
            assert found.status == "ok", found
            assert len(found.value) == len(few_cases(exercise)[0].targets)
        elif exercise.kind != "question":
            said = judged(seen[name], exercise)
            assert said.verdict == "pass", said


@pytest.mark.parametrize("name", IDS)
def test_what_is_withheld_can_be_imported_and_looked_at_but_not_called(
    name: str, seen: Mapping[str, Any]
) -> None:
    facts = seen[name]["facts"]
    chapter, group = GROUPS[IDS.index(name)]
    assert sorted(facts["calls"]) == sorted(withheld(chapter, group))
    for dotted, said in facts["calls"].items():
        assert said.startswith(f"WithheldError: {dotted} is not available where marks are made: ")
        module, _, attribute = dotted.rpartition(".")
        ours = inspect.signature(getattr(importlib.import_module(module), attribute))
        assert facts["signatures"][dotted] == str(ours)


@pytest.mark.parametrize("name", IDS)
def test_every_module_that_was_changed_can_be_imported_and_none_that_judges(
    name: str, seen: Mapping[str, Any]
) -> None:
    facts = seen[name]["facts"]
    for module in ABSENT:
        assert facts["imports"].pop(module).startswith("ModuleNotFoundError"), module
    said = facts["imports"].pop("course_lib.explorers")
    assert said.startswith("ImportError: the explorers are not available")
    assert set(facts["imports"].values()) == {""}, facts["imports"]
    assert facts["host"] == []
    assert facts["finders"] == []


def test_scikit_learn_says_why_it_has_no_digits(seen: Mapping[str, Any]) -> None:
    answers = [answer["facts"] for answer in seen.values() if "sklearn" in answer["facts"]]
    assert answers
    for facts in answers:
        assert facts["sklearn"].startswith("ValueError: ")
        assert view.DIGITS in facts["sklearn"]


@pytest.mark.parametrize("name", CHEATS)
def test_calling_what_is_forbidden_gets_the_verdict_forbidden(
    name: str, seen: Mapping[str, Any]
) -> None:
    said = judged(seen[name], get(CHEATS[name][1]))
    assert (said.verdict, said.score) == ("forbidden", 0.0), said


def test_what_another_exercise_forbids_is_there_when_one_is_tried_alone(
    seen: Mapping[str, Any],
) -> None:
    """`zero_pad` forbids `ops.pad2d`, `conv2d_single` does not."""
    exercise = get("conv2d_single")
    assert all(view.was_withheld(one.trouble) for one in observed(seen["pads"], "conv2d_single"))
    assert "exercise zero_pad asks" in judged(seen["pads"], exercise).message
    assert judged(seen["pads alone"], exercise).verdict == "pass"
    assert not any(
        view.was_withheld(one.trouble) for one in observed(seen["pads alone"], "conv2d_single")
    )


def test_doctests() -> None:
    assert doctest.testmod(view).failed == 0


# ── what is installed ───────────────────────────────────────────────────────────────────────────


def test_a_course_that_is_installed_whole_is_covered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / "lib/python3.11/site-packages"
    installed = ("course_lib", "autograder", "sklearn/datasets/data")
    for name in installed:
        (packages / name).mkdir(parents=True)
    for name in ("__editable__.cnn_course-0.1.0.pth", "sklearn/datasets/data/digits.csv.gz"):
        (packages / name).write_text("")
    (packages / "other.pth").write_text("")
    monkeypatch.setattr(view, "_places_of_packages", lambda: (packages,))
    covered = dict(make_view(tmp_path / "view", "00").masks)
    assert set(covered) == {
        packages / "course_lib",
        packages / "autograder",
        packages / "__editable__.cnn_course-0.1.0.pth",
        packages / "sklearn/datasets/data/digits.csv.gz",
    }
    assert all(over.is_dir() == under.is_dir() for under, over in covered.items())


def test_no_other_copy_of_the_digits_is_installed() -> None:
    """A row of them, as bytes and as text, in the packages that hold data."""
    from sklearn.datasets import load_digits

    row = [int(n) for n in load_digits().data[0][8:40]]
    signs = [bytes(row), np.array(row, "<f8").tobytes(), ",".join(map(str, row)).encode()]
    found = []
    for place in view._places_of_packages():
        for package in ("sklearn", "skimage", "torchvision", "timm", "matplotlib"):
            for path in (place / package).rglob("*"):
                if path.suffix in (".npz", ".npy", ".csv", ".gz", ".pkl", ".rst", ".txt", ".json"):
                    data = _unpacked(path)
                    found += [path.name for sign in signs if sign in data]
    assert found == ["digits.csv.gz"]


def _unpacked(path: Path) -> bytes:
    import gzip
    import zipfile

    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".npz":
        with zipfile.ZipFile(path) as archive:
            return b"".join(archive.read(name) for name in archive.namelist())
    return path.read_bytes()
