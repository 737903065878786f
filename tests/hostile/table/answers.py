# ruff: noqa: E501 (submissions are quoted as they are written)
"""Answers that lie about what they are, and scores that are no scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from table.row import CHAPTERS, HONEST, Row, blank, first, last, pad, size

LIAR = """\
class Liar{base}:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __lt__ = __le__ = __gt__ = __ge__ = __eq__
    def __hash__(self): return 0
    def __bool__(self): return True
    def __sub__(self, other): return self
    __rsub__ = __add__ = __radd__ = __mul__ = __rmul__ = __truediv__ = __sub__
    def __abs__(self): return self
    def __float__(self): return 0.0
    def __index__(self): return 0
    __int__ = __index__
    def __len__(self): return 1
    def __getitem__(self, key): return self
    def __array__(self, *args, **named): raise MemoryError("no")
    def __array_function__(self, *args, **named): return True
    def __array_ufunc__(self, *args, **named): return True
    def __repr__(self): return "1"
"""
ARRAY = """\
class Same(np.ndarray):
    def __eq__(self, other): return np.array(True)
    def __array_function__(self, func, types, args, kwargs): return True
    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs): return np.array(True)
    def astype(self, *a, **k): raise SystemExit(0)
    shape = property(lambda self: (3, 3))
    dtype = property(lambda self: np.dtype(float))
    nbytes = property(lambda self: 0)
"""

# What may be taken for a score, and arrays that are none or too many.
POINTLESS = (
    "float('nan')",
    "float('inf')",
    "-100",
    "'6'",
    "10**400",
    "-(2**8000)",
    "6.0",
    "True",
    "1j",
    "b'6'",
    "None",
    "NotImplemented",
    "...",
    "[]",
    "{}",
    "np.datetime64('2026-01-01')",
    "np.str_('6')",
    "np.nan",
    "range(6)",
)
ARRAYS = (
    "np.full((3, 3), np.nan)",
    "np.array(None)",
    "np.array([args[0], None, {}], object)",
    "np.zeros((3, 3), 'V8')",
    "np.zeros(9, [('a', float), ('b', 'U3')])",
    "np.full((4, 4), 5e-324)",
    "np.zeros((0,))",
    "np.zeros((2,) * 12)",
    "np.zeros((3, 3), complex)",
    "np.zeros((4, 4), 'M8[s]')",
    "np.zeros(3, 'S9')",
    "np.broadcast_to(np.float64(0), (2**20, 2**20))",
    "np.lib.stride_tricks.as_strided(np.zeros(1), (2**40,), (0,))",
    "np.zeros((99, 99), np.longdouble)",
    "memoryview(b'123456789')",
    "np.random",
    "np",
)


def _wrong(name: str, cells: dict[str, str], verdict: str = "wrong", **more: object) -> Row:
    exercise = "zero_pad" if "def zero_pad" in cells.get("zero_pad", "") else "output_size"
    return Row(name, cells, {exercise: verdict}, harmless=True, **more)  # type: ignore[arg-type]


def _returning(values: Sequence[str]) -> Iterator[Row]:
    """Two of the values in each submission, as answers to two exercises."""
    for one, other in zip(values[::2], [*values[1::2], "None"], strict=False):
        cells = {
            name: f"def {name}(*args, **named):\n    return {value}\n"
            for name, value in (("output_size", one), ("zero_pad", other))
        }
        verdicts = dict.fromkeys(cells, "wrong")
        yield Row(f"returns {one} and {other}", cells, verdicts, harmless=True)


def _with(before: str, cells: dict[str, str]) -> dict[str, str]:
    return {name: f"{before}\n{source}" for name, source in cells.items()}


def _forever(method: str) -> dict[str, str]:
    return _with(f"class Forever:\n    def {method}(self, *a):\n        while True: pass\n",
                 pad("return Forever()"))  # fmt: skip


ROWS = [
    # ── equal to everything ──
    _wrong("always equal", _with(LIAR.format(base=""), size("return Liar()"))),
    _wrong("always equal, an array", _with(LIAR.format(base=""), pad("return Liar()"))),
    _wrong("an int that lies", _with(LIAR.format(base="(int)"), size("return Liar()"))),
    _wrong("a float that lies", _with(LIAR.format(base="(float)"), size("return Liar()"))),
    _wrong("a str that lies", _with(LIAR.format(base="(str)"), size("return Liar('3')"))),
    _wrong("a dict that lies", _with(LIAR.format(base="(dict)"), size("return Liar(a=1)"))),
    _wrong("a tuple that lies", _with(LIAR.format(base="(tuple)"), pad("return Liar([image])"))),
    _wrong("an array that lies", _with(ARRAY, pad("return np.zeros((3, 3)).view(Same)"))),
    _wrong("a masked array", pad("return np.ma.masked_all((99, 99))")),
    _wrong("a matrix", pad("return np.matrix(image)")),
    _wrong("a mock", _with("from unittest.mock import MagicMock, ANY", size("return MagicMock()"))),
    _wrong("mock's ANY", _with("from unittest.mock import ANY", size("return ANY"))),
    _wrong("a lie about __class__",
           _with("class A:\n    __class__ = property(lambda self: int)", size("return A()"))),
    _wrong("a lying metaclass",
           _with("class M(type):\n    def __instancecheck__(c, o): return True\n"
                 "    def __subclasscheck__(c, o): return True\n    __name__ = None\n"
                 "    def mro(c): return [c, int, object]\n"
                 "class A(metaclass=M): pass", size("return A")),
           "wrong|error"),
    _wrong("a descriptor for an answer",
           _with("class A:\n    def __get__(self, o, t=None): return 1", size("return A()"))),
    _wrong("an attribute for everything",
           _with("class A:\n    def __getattr__(self, name): return A()\n"
                 "    def __call__(self, *a, **k): return A()", size("return A()"))),
    # ── scores that are no scores: a value and a print mean nothing ──
    *_returning(POINTLESS),
    *_returning(ARRAYS),
    _wrong("prints a score", _with("print(6.0)\nprint('6.0 of 6.0 points')", size("return 0"))),
    _wrong("displays a score",
           _with("get_ipython().displayhook(6.0)\nfrom IPython.display import display\n"
                 "display({'text/plain': '6.0'}, raw=True)", size("return 0"))),
    _wrong("ends in a score", {"output_size": size("return 0")["output_size"] + "\n6.0\n"}),
    _wrong("raises a score", size("raise ValueError(6.0)"), "error"),
    _wrong("raises StopIteration", size("raise StopIteration(3)"), "error"),
    _wrong("raises GeneratorExit", size("raise GeneratorExit"), "error"),
    _wrong("raises KeyboardInterrupt", size("raise KeyboardInterrupt"), "error"),
    _wrong("raises NotImplementedError", size("raise NotImplementedError"), "not_attempted"),
    _wrong("raises our own time limit",
           size("from autograder.probe import TimeUp\nraise TimeUp"), "time"),
    _wrong("raises an exception group", size("raise ExceptionGroup('x', [ValueError('no')])"),
           "error"),
    _wrong("an exception that cannot be read",
           _with("class E(Exception):\n    def __str__(self): raise E\n    __repr__ = __str__\n"
                 "    __notes__ = property(lambda self: 1 / 0)", size("raise E")), "error"),
    _wrong("a ValueError for everything", size("raise ValueError('no window fits')"), "error"),
    _wrong("a class called ValueError",
           _with("class ValueError(BaseException): pass", size("raise ValueError('no')")), "error"),
    _wrong("something that runs when it is unpickled",
           _with("import os\nclass A:\n    def __reduce__(self):\n"
                 "        return os.mkdir, ('unpickled',)", size("return A()"))),
    _wrong("a generator", size("yield 3")),
    _wrong("a coroutine", {"output_size": "async def output_size(*a, **k):\n    return 3\n"}),
    _wrong("no function", {"output_size": "output_size = 6.0\n"}, "error"),
    _wrong("not there", {"output_size": "x = 1\n"}, "error"),
    _wrong("deleted by itself", {"output_size": HONEST["output_size"] + "del output_size\n"},
           "error"),
    _wrong("empty cell", {"output_size": ""}, "error|not_attempted"),
    _wrong("a syntax error", {"output_size": "def output_size(:\n"}, "error"),
    _wrong("a null byte", {"output_size": "x = '\0'\n" + size("return 1")["output_size"]},
           "error|wrong"),
    # ── endless in a method that a careless judge would call ──
    Row("an endless __iter__", _forever("__iter__"), {"zero_pad": "wrong"}, harmless=True),
    Row("an endless __len__", _forever("__len__"), {"zero_pad": "wrong"}, harmless=True),
    Row("an endless __repr__", _forever("__repr__"), {"zero_pad": "wrong"}, harmless=True),
    Row("an endless __array__", _forever("__array__"), {"zero_pad": "wrong"}, harmless=True),
    Row("an endless __eq__", _forever("__eq__"), {"zero_pad": "wrong"}, harmless=True),
    Row("an endless list", _with("class L(list):\n    def __iter__(self):\n"
                                 "        while True: yield 1\n", pad("return L([1])")),
        {"zero_pad": "wrong"}, harmless=True),
    Row("a list that holds itself", pad("a = []\na.append(a)\nreturn a"), {"zero_pad": "wrong"},
        harmless=True),
    Row("a deep tuple", pad("a = ()\nfor _ in range(10**4): a = (a,)\nreturn a"),
        {"zero_pad": "wrong"}, harmless=True),
    Row("a million dicts", pad("return [{} for _ in range(200_000)]"), {"zero_pad": "wrong"},
        harmless=True),
    Row("a long text", pad("return 'x' * (2 * 10**7)"), {"zero_pad": "wrong|output"}, harmless=True),
    # ── answers that change, or come from elsewhere ──
    _wrong("a table for the worked examples",
           size("return {(5, 3): 3, (32, 5): 28, (28, 3): 28, (32, 3): 32}.get((n, kernel), 1)")),
    _wrong("a table by id",
           _with("seen = {}", pad("return seen.setdefault(id(image), image)"))),
    _wrong("the answer before",
           _with("before = []", size("before.append(n)\nreturn before[-2] if before[1:] else 3"))),
    _wrong("chance", _with("import random", size("return random.randrange(1, 1000)")), "wrong"),
    _wrong("its input, changed in place", pad("image[:] = 0\nreturn image")),
    _wrong("its input, made larger",
           pad("image.resize((3, 3), refcheck=False)\nreturn image"), "wrong|error"),
    # ── texts for whoever reads them ──
    *(Row(f"{name} in an exception",
          size(f"raise TypeError({text})"), {"output_size": "error"}, harmless=True)
      for name, text in {
          "a script": "'</code><script>alert(1)</script><img src=x onerror=alert(1)>'",
          "markup between backticks": "'`<script>alert(1)</script>`'",
          "terminal codes": r"'\x1b[2J\x1b]0;owned\x07\x9b31m\r\x08'",
          "a lone surrogate": r"'\ud800 and \udfff'",
          "a null": r"'a\0b'",
          "much text": "'x' * 10**7",
          "many lines": r"'\n' * 10**5",
          "right-to-left marks": r"'\u202e\u2066'",
          "a template": "'{{ 7 * 7 }} {% raw %} ${7*7}'",
          "a formula": "'=HYPERLINK(\"http://localhost\")'",
          "a script on a long line": "'" + "<script>" * 10**4 + "'",
      }.items()),
    _wrong("a script as an answer", size("return '<script>alert(1)</script>'")),
    _wrong("a script as a type", size("return type('<script>alert(1)</script>', (), {})()")),
    _wrong("a type with a long name", size("return type('x' * 10**6, (), {})()")),
    _wrong("a type with terminal codes", size("return type('\\x1b[2J\\x9b', (), {})()")),
    _wrong("a script as a key", size("return {'<script>\\ud800\\x1b': 1}")),
    _wrong("an exception with a script for a name",
           size("raise type('<script>alert(1)</script>\\x1b[2J', (Exception,), {})('x')"),
           "error"),
    _wrong("prints a script",
           size("print('<script>alert(1)</script>\\x1b[2J\\ud800\\0')\nreturn 0")),
    _wrong("a script in the line that fails",
           size("1 / 0  # <script>alert(1)</script> \u202e"), "error"),
    _wrong("a script for a name", {"output_size": "globals()['<script>\\ud800\\x1b'] = 1\n"},
           "error"),
    Row("a surrogate in the source", first("name = '\ud800'  # \udcff"),
        {"output_size": "pass|error"}, harmless=True),
    Row("control characters in the source", first("# \x1b[2J \x07\x00".replace("\0", "")),
        harmless=True),
    Row("markup in the source", first("# </textarea></pre><script>alert(1)</script> ]]>"),
        harmless=True),
    Row("a script in a name that is missing",
        {"output_size": size("return eval('unknown')")["output_size"] + "# <script>"},
        {"output_size": "error"}, harmless=True),
    # ── the quiz ──
    *(Row(f"a quiz: {name}", {"quiz_02": source}, {"quiz_02": verdict}, harmless=True)
      for name, source, verdict in (
          ("a list", "answers = [1]\n", "wrong"),
          ("no seed", "answers = {}\n", "wrong"),
          ("a huge seed", "answers = {'quiz': '02', 'seed': 2**9000}\n", "wrong"),
          ("a seed that is none", "answers = {'quiz': '02', 'seed': float('nan')}\n", "wrong"),
          ("always equal",
           LIAR.format(base="(str)") + HONEST["quiz_02"].partition("\n")[0]
           + "\nanswers = {k: v if k in ('quiz', 'seed') else Liar('z') for k, v in "
           "answers.items()}\n", "wrong"),
          ("a dict that lies",
           "class D(dict):\n    def get(self, *a): return 1\n    __getitem__ = get\n"
           "    def items(self): return ()\nanswers = D(quiz='02', seed=1, x=2)\n",
           "wrong|not_attempted"),
          ("every letter at once",
           HONEST["quiz_02"] + "answers = {k: v if k in ('quiz', 'seed') else 'abcd' for k, v in "
           "answers.items()}\n", "wrong"),
          ("NaN for everything",
           HONEST["quiz_02"] + "answers = {k: v if k in ('quiz', 'seed') else float('nan') "
           "for k, v in answers.items()}\n", "wrong"),
          ("a call", "def answers(*a): return 1\n", "wrong"),
      )),
    Row("a quiz: another's number", {"quiz_02": HONEST["quiz_02"].replace("'02'", "'01'")},
        {"quiz_02": "pass|wrong"}, harmless=True),
    # ── in the end ──
    Row("all at the end", last("output_size = lambda *a, **k: 1"), {"output_size": "wrong"},
        harmless=True),
    Row("all wrong", {name: "x = 1\n" for name in CHAPTERS["walls"]}, blank(verdict="error"), harmless=True),
]  # fmt: skip
