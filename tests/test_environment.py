"""The three lists of packages agree: pyproject.toml, constraints.txt, environment.yml."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]

# conda-forge's names, where they are not PyPI's.
CONDA_NAMES = {
    "matplotlib": "matplotlib-base",
    "playwright": "playwright-python",
    "torch": "pytorch-cpu",
}
# What pip needs nobody to list: the interpreter, pip itself, the build, and Node for the tests.
CONDA_ONLY = {"python", "pip", "setuptools", "nodejs"}


def requirements(lines):
    return {
        canonicalize_name(requirement.name): requirement.specifier
        for requirement in map(Requirement, lines)
    }


def conda_requirements():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    found = {}
    for entry in environment["dependencies"]:
        name, bounds = re.fullmatch(r"([a-z0-9-]+)(.*)", entry).groups()
        found[name] = SpecifierSet(bounds)
    return found


def pins():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_conda_has_names_and_versions_of_pyproject():
    wanted = requirements([*PROJECT["dependencies"], *EXTRAS["dev"]])
    renamed = {CONDA_NAMES.get(name, name): bounds for name, bounds in wanted.items()}
    conda = conda_requirements()
    assert set(conda) == set(renamed) | CONDA_ONLY
    assert {name: conda[name] for name in renamed} == renamed


def test_conda_has_the_same_python_and_build_tool():
    conda = conda_requirements()
    assert conda["python"] == SpecifierSet(PROJECT["requires-python"])
    built_with = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert requirements(built_with["build-system"]["requires"]) == {
        "setuptools": conda["setuptools"]
    }


def test_every_pin_is_one_exact_public_version():
    names = []
    for line in pins():
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][0-9a-z.]*)", line)
        assert match, line
        names.append(canonicalize_name(match[1]))
    assert len(names) == len(set(names))


@pytest.mark.parametrize("group", ["dependencies", *EXTRAS])
def test_every_requirement_is_pinned_within_its_bounds(group):
    wanted = requirements(PROJECT["dependencies"] if group == "dependencies" else EXTRAS[group])
    pinned = {canonicalize_name(name): version for name, version in (p.split("==") for p in pins())}
    for name, bounds in wanted.items():
        assert pinned[name] in bounds, name


def test_torch_is_the_version_that_the_course_is_measured_with():
    assert "torch==2.13.0" in pins()
