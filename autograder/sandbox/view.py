"""What of the course a sandbox holds while the exercises of one chapter are judged.

Learners' code needs the course's library and the part of the autograder that runs beside it. A view
holds these two packages, and leaves out what would answer an exercise:

- Of `autograder`, only what `child` allows is there: nothing that judges, and no exercise.
- Of `course_lib`, what the chapter's exercises forbid is withheld: a function keeps its name and
  its signature, and raises `WithheldError`. Helpers that only such functions used are gone.
  Explorers and the results of experiments are left out: no set-up cell and no solution needs them.
- A name that one exercise forbids stays where another exercise of the chapter lends it (`LENT`):
  its statement allows it, or its cases hand it over. In views for the `groups` of a chapter, which
  keep such exercises apart, nothing stays that one of them forbids.
- The digits are there without their labels, in every chapter: models are marked on them.
"""

from __future__ import annotations

import gzip
import site
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from autograder.exercise import Exercise
from autograder.exercises import all_exercises
from autograder.probe import Trouble
from autograder.sandbox.bubblewrap import View
from autograder.sandbox.child import ALLOWED
from autograder.sandbox.strip import Package

OURS = Path(__file__).resolve().parents[2]
DATA = ("experiments/pretrain.json", "experiments/pretrain.safetensors")  # what is no source
LEFT_OUT = "explorers"  # each holds, in the page's language, what a chapter asks for
FIGURES = "plots"  # taken over as they are: they use the library by its public names alone
DIGITS = "the labels of the digits are not available where marks are made"
_DIGITS_FILE = "sklearn/datasets/data/digits.csv.gz"

LENT = {
    # By exercise: what it may use although another one of its chapter forbids it. A name that ends
    # in a dot stands for all that begin with it, but for what the exercise itself forbids.
    "equivariance_error": ("course_lib.ops.conv2d_single",),
    "conv2d": ("course_lib.ops.conv2d_single",),
    "shift_sensitivity": (
        "course_lib.ops.max_pool2d",
        "course_lib.ops.avg_pool2d",
        "course_lib.ops.global_avg_pool2d",
    ),
    "input_region": ("course_lib.geometry.receptive_field",),
    "digit_classifier": ("course_lib.",),  # "everything of this chapter is allowed"
    "segmenter": ("course_lib.nets.",),  # `nets.create("unet")` will do
    "parameter_table": ("course_lib.nets.resnet_cifar.CifarBlock",),
    "gradient_norms": ("course_lib.nets.resnet_cifar.CifarBlock",),
    "fine_tune": ("course_lib.",),  # all functions of the course are
}


def make_view(place: Path, chapter: str, exercises: Sequence[str] = ()) -> View:
    """Write the packages for a chapter (two digits) below `place`, and say what to bind where.

    With `exercises`, some of the chapter's, only what these forbid is withheld. One view serves as
    long as a worker lives; the same arguments always give the same files.

    Raises ValueError for an unknown chapter or exercise.
    """
    packages = place / "packages"
    for name, text in _files(chapter, tuple(exercises)).items():
        _write(packages / name, text.encode())
    for name in DATA:
        _write(packages / "course_lib" / name, (OURS / "course_lib" / name).read_bytes())
    return View(packages, tuple(_masks(place)))


def withheld(chapter: str, exercises: Sequence[str] = ()) -> dict[str, str]:
    """What is not there for these exercises, or for all of a chapter: dotted names and the reason.

    Raises ValueError for an unknown chapter or exercise.

    >>> withheld("01", ["fc_params"])["course_lib.cost.fc_params"]
    'the exercise fc_params asks you to do without it'
    """
    chosen = _chosen(chapter, exercises)
    asking: dict[str, list[str]] = {}
    for exercise in chosen:
        for name in exercise.forbidden:
            if name.startswith("course_lib."):
                asking.setdefault(name, []).append(exercise.name)
    reasons = {
        name: f"{_exercises(names)} to do without it"
        for name, names in asking.items()
        if not any(_lends(exercise, name) for exercise in chosen)
    }
    return {**reasons, "course_lib.data.digits": "it tells the labels that models are marked on"}


def groups(chapter: str) -> tuple[tuple[str, ...], ...]:
    """A chapter's exercises, apart where one lends what another forbids.

    In a view for one of these groups, nothing is there that its exercises forbid.

    >>> groups("05")[1]
    ('input_region',)
    """
    found: list[list[Exercise]] = []
    for exercise in _chosen(chapter, ()):
        for group in found:
            if not any(_collide(exercise, other) for other in group):
                group.append(exercise)
                break
        else:
            found.append([exercise])
    return tuple(tuple(exercise.name for exercise in group) for group in found)


def was_withheld(trouble: Trouble | None) -> bool:
    """Whether code failed because it called what a view withholds.

    Where its own exercise does not forbid that, it must be tried again in a view for this exercise
    alone: its answer is as good there as it was in the learner's own notebook.
    """
    return trouble is not None and trouble.type == "WithheldError"


def _collide(one: Exercise, other: Exercise) -> bool:
    """Whether one of two exercises lends what the other forbids."""
    return any(_lends(a, name) for a, b in ((one, other), (other, one)) for name in b.forbidden)


def _lends(exercise: Exercise, name: str) -> bool:
    if name in exercise.forbidden:
        return False
    lent = LENT.get(exercise.name, ())
    return any(name == own or (own.endswith(".") and name.startswith(own)) for own in lent)


def _exercises(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"the exercise {names[0]} asks you"
    return f"the exercises {', '.join(names[:-1])} and {names[-1]} ask you"


def _chosen(chapter: str, names: Sequence[str]) -> list[Exercise]:
    known = {e.name: e for e in all_exercises() if e.chapter == chapter}
    if not known:
        raise ValueError(f"chapter (={chapter!r}) must be the number of one with exercises")
    for name in names:
        if name not in known:
            raise ValueError(f"exercises (={name!r}) must be some of chapter {chapter}")
    return [known[name] for name in names or known]


# ── the packages ────────────────────────────────────────────────────────────────────────────────


@cache
def _files(chapter: str, exercises: tuple[str, ...]) -> dict[str, str]:
    """The sources of both packages, by their paths."""
    files = dict(_autograder())
    library, paths = _library(), _paths_of_modules()
    changed = library.without(withheld(chapter, exercises))
    for name, path in paths.items():
        own = (OURS / path).read_text(encoding="utf-8")
        files[path] = changed.pop(name, own)
    for name, text in changed.items():
        files[f"{name.replace('.', '/')}.py"] = text
    said = "the explorers are not available where marks are made: nobody would see them"
    files[f"course_lib/{LEFT_OUT}/__init__.py"] = f"raise ImportError({said!r})\n"
    return files


def _autograder() -> Iterator[tuple[str, str]]:
    for name in ("autograder", *sorted(ALLOWED)):
        path = OURS / name.replace(".", "/")
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if name != "autograder.check":  # `child` puts another in its place
            yield file.relative_to(OURS).as_posix(), file.read_text(encoding="utf-8")


@cache
def _paths_of_modules() -> dict[str, str]:
    root = OURS / "course_lib"
    found = {}
    for file in sorted(root.rglob("*.py")):
        path = file.relative_to(OURS)
        if path.parts[1] != LEFT_OUT:
            parts = path.parts[:-1] if path.name == "__init__.py" else path.with_suffix("").parts
            found[".".join(parts)] = path.as_posix()
    return found


@cache
def _library() -> Package:
    sources = {
        name: (OURS / path).read_text(encoding="utf-8")
        for name, path in _paths_of_modules().items()
        if not name.startswith(f"course_lib.{FIGURES}")
    }
    return Package("course_lib", sources)


def _write(path: Path, data: bytes) -> None:
    """A file that everybody may read, whatever the mask of this process."""
    for parent in reversed(path.parents):
        if not parent.exists():
            parent.mkdir()
            parent.chmod(0o755)
    path.write_bytes(data)
    path.chmod(0o644)


# ── what the Python installation holds ──────────────────────────────────────────────────────────


def _masks(place: Path) -> Iterator[tuple[Path, Path]]:
    """What must be covered in the places of packages, each with what lies over it.

    The file of digits; and the course itself where it is installed there, whole or as a path.
    """
    covers = place / "covers"
    digits, nothing, empty = covers / "digits.csv.gz", covers / "nothing", covers / "empty"
    # A table that cannot be read, and whose reader quotes what it could not read.
    _write(digits, gzip.compress(f"{DIGITS}\n".encode(), mtime=0))
    _write(nothing, b"")
    _write(empty / ".nothing", b"")
    for packages in _places_of_packages():
        if (packages / _DIGITS_FILE).is_file():
            yield packages / _DIGITS_FILE, digits
        for name in ("course_lib", "autograder"):
            if (packages / name).is_dir():
                yield packages / name, empty
        for path in sorted(packages.glob("*cnn_course*")):
            if path.suffix in (".pth", ".py", ".egg-link"):
                yield path, nothing


@cache
def _places_of_packages() -> tuple[Path, ...]:
    """Every directory of installed packages that could be seen from inside."""
    named = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    found = [Path(name) for name in (*named, *site.getsitepackages(), *sys.path)]
    roots = {sys.prefix, sys.base_prefix, "/usr", "/usr/local"}
    roots.add(str(Path(sys.executable).resolve().parent.parent))
    for root in sorted(roots):
        found += sorted(Path(root).glob("lib*/python3*/*-packages"))
    kept: dict[Path, Path] = {}  # each once, by the name that Python knows it by
    for path in found:
        if path.name.endswith("-packages") and path.is_dir():
            kept.setdefault(path.resolve(), path)
    return tuple(kept.values())
