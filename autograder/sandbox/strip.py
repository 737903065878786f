"""A package's sources without some of its functions, and without what only these functions used.

A function or class that is withheld keeps its name, its signature and the words of its docstring,
so that imports, `help`, `isinstance` and `inspect.signature` go on working. Its body raises
`WithheldError`. What is left over, a helper that nobody uses any more, goes as well: so nothing in
the package holds the source of a function that is withheld.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

Place = tuple[str, str]  # a module, and the name of something that it defines
MARKER = "_withheld"  # the module that is added to the package

_MARKER_SOURCE = '''"""What is said in place of functions that are not here."""


class WithheldError(RuntimeError):
    """A function of the course was called that is not available where marks are made."""
'''


class Package:
    """The sources of a package, by the dotted names of its modules, and who uses what in them."""

    def __init__(self, name: str, sources: Mapping[str, str]) -> None:
        self.name = name
        self.modules = {dotted: _Module(dotted, text) for dotted, text in sources.items()}
        self._uses: dict[int, frozenset[Place]] = {}  # by the identity of a statement

    def find(self, dotted: str) -> Place:
        """Where a name is defined that may be imported from elsewhere, as Python would find it.

        >>> sources = {"a": "from a.b import f", "a.b": "def f(): pass"}
        >>> Package("a", sources).find("a.f")
        ('a.b', 'f')
        """
        found = self._follow(self.name, dotted.split(".")[1:])
        if found is None:
            raise KeyError(f"{self.name} defines no {dotted}")
        return found

    def without(self, withheld: Mapping[str, str]) -> dict[str, str]:
        """The sources that change, and the module that is added, by their dotted names.

        `withheld` maps dotted names to the reason, words that follow "is not available where marks
        are made: ".

        >>> package = Package("a", {"a": "def f(x): return _g(x)\\n\\ndef _g(x): return x + 1"})
        >>> print(package.without({"a.f": "write it yourself"})["a"])
        def f(x):
            from a._withheld import WithheldError
            raise WithheldError('a.f is not available where marks are made: write it yourself')
        """
        stubs: dict[Place, str] = {}
        for dotted, reason in withheld.items():
            stubs.setdefault(
                self.find(dotted), f"{dotted} is not available where marks are made: {reason}"
            )
        changed = {place: self._stub(place, text) for place, text in stubs.items()}
        gone = self._left_over(changed)
        texts = {f"{self.name}.{MARKER}": _MARKER_SOURCE}
        for module in self.modules.values():
            text = module.rewritten(
                {name: node for (owner, name), node in changed.items() if owner == module.name},
                {name for owner, name in gone if owner == module.name},
                {alias for alias, where in module.imported(self) if where in gone},
            )
            if text is not None:
                texts[module.name] = text
        return texts

    def left_over(self, withheld: Mapping[str, str]) -> set[Place]:
        """What only the functions in `withheld` used, so that it goes with them."""
        places = {self.find(dotted) for dotted in withheld}
        return self._left_over({place: self._stub(place, "") for place in places})

    def _stub(self, place: Place, text: str) -> ast.stmt:
        (node,) = self.modules[place[0]].definitions[place[1]]
        return _stub(node, text, f"{self.name}.{MARKER}")

    # ── who uses what ───────────────────────────────────────────────────────────────────────────

    def _left_over(self, changed: dict[Place, ast.stmt]) -> set[Place]:
        """What has lost every user, directly or through others that have; `changed` may grow.

        What a module offers to everybody stays, but for a table (a variable) of such helpers,
        which is emptied.
        """
        suspects = self._reached(changed, self._used_by) - set(changed)
        suspects = {p for p in suspects if not self._offered(p) or self._is_table(p)}
        needed: set[Place] = set()
        for module in self.modules.values():
            for name, node in module.statements:
                place = (module.name, name)
                if place not in suspects:
                    needed |= self._uses_of(module, changed.get(place, node))
        needed = self._reached(needed, lambda p: self._used_by(p) if p in suspects else set())
        gone = suspects - needed
        for place in [place for place in gone if self._offered(place)]:
            changed[place] = _emptied(self.modules[place[0]].definitions[place[1]][0])
            gone.remove(place)
        return gone

    def _reached(self, start: Iterable[Place], uses: Callable[[Place], set[Place]]) -> set[Place]:
        """All that some places lead to, and themselves."""
        found, waiting = set(start), list(start)
        while waiting:
            new = uses(waiting.pop()) - found
            found |= new
            waiting.extend(new)
        return found

    def _used_by(self, place: Place) -> set[Place]:
        module = self.modules[place[0]]
        nodes = module.definitions[place[1]]
        return set().union(*(self._uses_of(module, node) for node in nodes))

    def _uses_of(self, module: _Module, node: ast.stmt) -> frozenset[Place]:
        if id(node) in self._uses:
            return self._uses[id(node)]
        found = {place for path in _paths(node) for place in self._meant(module, path)}
        if any(node is own for _, own in module.statements):  # and not one of some stub
            self._uses[id(node)] = frozenset(found)
        return frozenset(found)

    def _meant(self, module: _Module, path: tuple[str, ...]) -> Iterator[Place]:
        """What `a.b.c` in a module stands for; a module as a whole stands for all that it holds."""
        first, *rest = path
        if first in module.definitions:
            yield (module.name, first)
            return
        if first not in module.imports:
            return
        target, name = module.imports[first]
        parts = [*([name] if name is not None else []), *rest]
        found = self._follow(target, parts)
        if found is not None:
            yield found
            return
        whole = self._module_at(target, parts)
        if whole is not None:
            yield from ((whole, name) for name in self.modules[whole].definitions)

    def _follow(self, module: str, parts: list[str]) -> Place | None:
        """The definition that attributes lead to from a module."""
        for place, part in enumerate(parts):
            here = self.modules.get(module)
            if here is None:
                return None
            if part in here.definitions:
                return (module, part)
            if part in here.imports and here.imports[part] != (module, part):
                target, name = here.imports[part]
                head = [] if name is None else [name]
                return self._follow(target, [*head, *parts[place + 1 :]])
            module = f"{module}.{part}"
        return None

    def _module_at(self, module: str, parts: list[str]) -> str | None:
        for place, part in enumerate(parts):
            here = self.modules.get(module)
            if here is not None and here.imports.get(part, (module, part)) != (module, part):
                target, name = here.imports[part]
                head = [] if name is None else [name]
                return self._module_at(target, [*head, *parts[place + 1 :]])
            inner = f"{module}.{part}"
            if inner not in self.modules:
                return None  # an attribute of something else
            module = inner
        return module if module in self.modules and parts else None

    @cached_property
    def _offers(self) -> set[Place]:
        found = set()
        for module in self.modules.values():
            for name in module.exported:
                place = self._follow(module.name, [name])
                if place is not None:
                    found.add(place)
        return found

    def _offered(self, place: Place) -> bool:
        return place in self._offers

    def _is_table(self, place: Place) -> bool:
        nodes = self.modules[place[0]].definitions[place[1]]
        return all(isinstance(node, ast.Assign | ast.AnnAssign) for node in nodes)


# ── one module ──────────────────────────────────────────────────────────────────────────────────


@dataclass
class _Module:
    """A module's statements, what they define and what they import.

    `imports` maps a name to a module and a name in it, or to a module and None.
    """

    name: str
    text: str
    statements: list[tuple[str, ast.stmt]] = field(init=False)
    definitions: dict[str, list[ast.stmt]] = field(init=False)
    imports: dict[str, tuple[str, str | None]] = field(init=False)
    exported: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self.tree = ast.parse(self.text)
        # What defines nothing has a name of its own all the same, which nobody can use.
        self.statements = [
            (_defines(node) or f"<{place}>", node)
            for place, node in enumerate(self.tree.body)
            if not isinstance(node, ast.Import | ast.ImportFrom)
        ]
        self.definitions = {}
        for name, node in self.statements:
            if not name.startswith("<") and name != "__all__":
                self.definitions.setdefault(name, []).append(node)
        self.imports = dict(_imports(self.tree))
        self.exported = {
            word.value
            for name, node in self.statements
            if name == "__all__"
            for word in ast.walk(node)
            if isinstance(word, ast.Constant) and isinstance(word.value, str)
        }

    def imported(self, package: Package) -> Iterator[tuple[str, Place | None]]:
        """The names that the module imports, and what of the package each stands for."""
        for alias, (target, name) in self.imports.items():
            if name is not None and alias not in self.definitions:
                yield alias, package._follow(target, [name])

    def rewritten(
        self, changed: Mapping[str, ast.stmt], gone: set[str], not_imported: set[str]
    ) -> str | None:
        """The module's text with some definitions changed or gone; None where it stays as it is."""
        if not (changed or gone or not_imported):
            return None
        body: list[ast.stmt] = []
        for node in self.tree.body:
            name = _defines(node)
            if name in gone:
                continue
            if name is not None and name in changed:
                body.append(changed[name])
            elif isinstance(node, ast.ImportFrom):
                kept = [a for a in node.names if (a.asname or a.name) not in not_imported]
                if kept:
                    body.append(ast.ImportFrom(node.module, kept, node.level))
            else:
                body.append(node)
        return ast.unparse(ast.fix_missing_locations(ast.Module(body, [])))


def _defines(node: ast.stmt) -> str | None:
    """The one name that a statement defines, if it does."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target: ast.expr = node.targets[0]
    elif isinstance(node, ast.AnnAssign):
        target = node.target
    else:
        return None
    return target.id if isinstance(target, ast.Name) else None


def _imports(tree: ast.Module) -> Iterator[tuple[str, tuple[str, str | None]]]:
    for node in _statements(tree):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                yield alias.asname or alias.name, (node.module, alias.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname is not None:
                    yield alias.asname, (alias.name, None)
                else:
                    first = alias.name.partition(".")[0]
                    yield first, (first, None)


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Every statement, those inside of others too: a twentieth of all the nodes."""
    for node in getattr(tree, "body", ()):
        yield node
        yield from _statements(node)
    for branch in ("orelse", "finalbody", "handlers"):
        for node in getattr(tree, branch, ()):
            yield node
            yield from _statements(node)


def _paths(node: ast.AST) -> Iterator[tuple[str, ...]]:
    """Every `a.b.c` in some code, as long as it goes, in its annotations too."""
    if isinstance(node, ast.Name):
        yield (node.id,)
        return
    if isinstance(node, ast.Attribute):
        names, inner = [node.attr], node.value
        while isinstance(inner, ast.Attribute):
            names.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name):
            yield (inner.id, *reversed(names))
            return
    for child in ast.iter_child_nodes(node):
        yield from _paths(child)


# ── stubs ───────────────────────────────────────────────────────────────────────────────────────


def _stub(node: ast.stmt, text: str, marker: str) -> ast.stmt:
    """A function or class of the same name and signature that raises instead of working."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return _function(node, _raising(text, marker), decorators=[])
    if isinstance(node, ast.ClassDef):
        return _class(node, _raising(text, marker))
    raise TypeError(f"{_defines(node)} must be a function or a class to be withheld")


def _function(
    node: ast.FunctionDef | ast.AsyncFunctionDef,
    body: list[ast.stmt],
    decorators: list[ast.expr],
) -> ast.FunctionDef:
    words = _docstring(node)
    return ast.FunctionDef(node.name, node.args, [*words, *body], decorators, node.returns)


def _class(node: ast.ClassDef, body: list[ast.stmt]) -> ast.ClassDef:
    """The fields and methods of a class: whoever makes one, or calls one, is told."""
    kept: list[ast.stmt] = list(_docstring(node))
    names = set()
    for part in node.body:
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(part.name)
            kept.append(_function(part, body, part.decorator_list))
        elif isinstance(part, ast.AnnAssign | ast.Assign):
            kept.append(part)
    if not names & {"__init__", "__post_init__"}:
        # The first of the two that a dataclass makes by itself keeps the signature.
        fields = any("dataclass" in ast.unparse(word) for word in node.decorator_list)
        taken = "self" if fields else "self, *args, **kwargs"
        arguments = ast.parse(f"lambda {taken}: None", mode="eval").body
        assert isinstance(arguments, ast.Lambda)
        name = "__post_init__" if fields else "__init__"
        kept.append(ast.FunctionDef(name, arguments.args, body, []))
    return ast.ClassDef(node.name, node.bases, node.keywords, kept, node.decorator_list)


def _docstring(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> list[ast.stmt]:
    """A docstring without its examples."""
    words = ast.get_docstring(node, clean=False)
    if words is None:
        return []
    lines = itertools.takewhile(lambda line: not line.lstrip().startswith(">>>"), words.split("\n"))
    return [ast.Expr(ast.Constant("\n".join(lines).rstrip()))]


def _raising(text: str, marker: str) -> list[ast.stmt]:
    return [
        ast.ImportFrom(marker, [ast.alias("WithheldError")], 0),
        ast.Raise(ast.Call(ast.Name("WithheldError", ast.Load()), [ast.Constant(text)], [])),
    ]


def _emptied(node: ast.stmt) -> ast.stmt:
    """A table without its entries."""
    assert isinstance(node, ast.Assign | ast.AnnAssign)
    value: ast.expr = ast.Constant(None)
    if isinstance(node.value, ast.Dict):
        value = ast.Dict([], [])
    elif isinstance(node.value, ast.Tuple | ast.List):
        value = ast.Tuple([], ast.Load())
    name = _defines(node)
    assert name is not None
    return ast.Assign([ast.Name(name, ast.Store())], value)
