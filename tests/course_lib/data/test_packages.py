"""A missing package is named together with the command that installs it."""

import importlib
import re
import sys

import pytest

from course_lib.data import digits, photograph, photographs
from course_lib.data._packages import package


@pytest.mark.parametrize(
    ("call", "blocked", "command"),
    [
        (lambda: digits(), "sklearn.datasets", "python -m pip install scikit-learn"),
        (lambda: photograph("china"), "sklearn.datasets", "python -m pip install scikit-learn"),
        (lambda: photograph("camera"), "skimage.data", "python -m pip install scikit-image"),
    ],
)
def test_what_is_missing_and_what_installs_it(monkeypatch, call, blocked, command):
    photographs._original.cache_clear()
    importlib.import_module("course_lib.data.digits")._whole.cache_clear()
    monkeypatch.setitem(sys.modules, blocked, None)  # Python's own way to say "not installed"
    with pytest.raises(ModuleNotFoundError, match=re.escape(command)):
        call()


def test_a_package_with_a_broken_need_is_not_called_missing(monkeypatch, tmp_path):
    (tmp_path / "leaning.py").write_text("import something_it_leans_on\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'something_it_leans_on'$"):
        package("leaning", "leaning")
