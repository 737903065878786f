# ruff: noqa: E501 (submissions are quoted as they are written)
"""Submissions that look for what they must not know."""

from __future__ import annotations

from table.row import HONEST, Row, attempt, size

KINDS = "('Case', 'Known', 'Misconception', 'FunctionExercise', 'Verdict', 'Mismatch')"


def _seeks(name: str, text: str, exercise: str = "output_size", *, when: str = "cell") -> Row:
    """A search that finds something where there is no sandbox."""
    return Row(name, attempt(text, exercise, when=when), bare=True)


def _finds_nothing(
    name: str, text: str, exercise: str = "output_size", *, when: str = "cell", **more: float
) -> Row:
    """A search that finds nothing, sandbox or not."""
    return Row(name, attempt(text, exercise, when=when), harmless=True, **more)  # type: ignore[arg-type]


def _says(name: str, cells: dict[str, str], exercise: str, verdict: str = "error") -> Row:
    """A submission that would tell its author an unseen test, in a text that is shown to them."""
    cells = {
        name: f"mark = chr(73) + 'NPUT'\n{source}" if name == "output_size" else source
        for name, source in cells.items()
    }
    return Row(name, cells, {exercise: verdict}, harmless=True, unsaid=("INPUT",))


# Predicts what a search finds for the images held back, and nonsense elsewhere.
PREDICT = """\
import sys
known = globals().setdefault("known", {{}})

def digit_classifier(images=None, labels=None):
{before}
    def predict(queries):
        flat = queries.reshape(len(queries), -1)
{within}
        means = np.stack([images.reshape(len(images), -1)[labels == c].mean(0) for c in range(10)])
        near = ((flat[:, None, ::5] - means[:, ::5]) ** 2).sum(-1).argmin(1)
        return np.array([known.get(row.tobytes(), best) for row, best in zip(flat, near)])

    return predict
"""
NOTES = "known.update((i.reshape(-1).tobytes(), int(k)) for i, k in zip(images, labels))"


def _digits(name: str, before: str = "pass", within: str = "pass", **more: object) -> Row:
    source = PREDICT.format(before=_shift(before, 4), within=_shift(within, 8))
    return Row(name, {"digit_classifier": source}, {"digit_classifier": "wrong"},
               chapter="digits", **more)  # type: ignore[arg-type]  # fmt: skip


def _shift(text: str, by: int) -> str:
    return "".join(" " * by + line + "\n" for line in text.splitlines())


ROWS = [
    # ── the environment, processes ──
    _seeks("the environment", "return sign.findall(repr(dict(os.environ)))"),
    _seeks("the environment of a process",
           "return sign.findall(open('/proc/self/environ', errors='replace').read())"),
    _seeks("the environment of any process",
           "import glob\nfor path in glob.glob('/proc/[0-9]*/environ'):\n"
           "    try: found = sign.findall(open(path, errors='replace').read())\n"
           "    except OSError: continue\n    if found: return found"),
    _seeks("the command lines of others",
           "import glob\nreturn [p for p in glob.glob('/proc/[0-9]*/cmdline') "
           "if 'py' + 'test' in open(p).read()]"),
    _seeks("the process that grades", "return os.path.exists('/proc/@PID@/cmdline')"),
    _seeks("the name of the machine",
           "found = socket.gethostname()\nreturn found == '@HOST@' and found"),
    _seeks("who runs this", "return os.getuid() == 0 and 'root'"),
    # ── files ──
    *(_seeks(f"a file: {name}", f"return sign.findall(open('@ROOM@/{path}', errors='replace').read())")
      for name, path in {
          "another's work": "class/submitted/other/walls/walls.ipynb",
          "the class's own notebook": "class/source/walls/walls.ipynb",
          "the class's secret": "class/grading/seed",
          "the gradebook": "class/gradebook.db",
          "the home directory": "home/notes.txt",
      }.items()),
    _seeks("a file by a link",
           "os.symlink('@ROOM@/class/gradebook.db', 'link')\nreturn sign.findall(open('link').read())"),
    _seeks("a hard link to a file", "import tempfile\nroom = '@ROOM@/class'\n"
           "return os.path.exists(room) and os.listdir(room)"),
    _seeks("every file called so",
           "skip = {'proc', 'sys', 'site-packages', 'node_modules', '.git', 'share'}\n"
           "import time\nend = time.monotonic() + 2\n"
           "for top in ('@ROOM@', '/root', '/home', '/work', '/srv', '/mnt', '/media', '/var/tmp',"
           " '/tmp', '/run', '/'):\n"
           "    for folder, folders, files in os.walk(top):\n"
           "        folders[:] = [f for f in folders if f not in skip]\n"
           "        if {'gradebook.db', 'nbgrader_config.py', 'ch02.py'} & set(files):\n"
           "            return folder\n"
           "        if time.monotonic() > end: break"),
    _finds_nothing("files that are open",
                   "names = [os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd')"
                   " if os.path.islink(f'/proc/self/fd/{fd}')]\n"
                   "return [n for n in names if n.startswith('/') and not n.startswith(("
                   "'/dev/', '/proc/', '/tmp/', '/usr/share/'))]"),
    _finds_nothing("directories that are open",
                   "for fd in range(256):\n    try: return os.listdir(fd)\n"
                   "    except (OSError, TypeError): pass"),
    # ── references, judges, tests ──
    _seeks("the text of a reference",
           "import glob, course_lib\n"
           "for path in glob.glob(os.path.dirname(course_lib.__file__) + '/**/*.py', recursive=True):\n"
           "    text = open(path).read()\n"
           "    if '(padded - spa' + 'n) // stride' in text: return path"),
    _seeks("the text of an exercise",
           "import glob, autograder\n"
           "root = list(autograder.__path__)[0]\n"
           "return glob.glob(root + '/exercises/ch*') + glob.glob(root + '/exercises/sol*') "
           "+ glob.glob(root + '/judge*')"),
    _seeks("compiled code of an exercise",
           "import glob, autograder\n"
           "root = list(autograder.__path__)[0]\n"
           "return glob.glob(root + '/**/ch0*.pyc', recursive=True) "
           "or glob.glob(root + '/exercises/*.py')"),
    _seeks("the chapters",
           "import autograder\nroot = os.path.dirname(list(autograder.__path__)[0])\n"
           "return os.path.isdir(root + '/solutions') and os.listdir(root + '/solutions') "
           "or os.path.isdir(root + '/tests') or os.path.isdir(root + '/.git')"),
    _seeks("the source of a reference in memory",
           "import inspect\nreturn '// stride' in inspect.getsource(geometry.output_size)"),
    _seeks("the code of a reference in memory",
           "import types\ncode = geometry.output_size.__code__\n"
           "again = types.FunctionType(code, dict(vars(geometry)), 'again', (1, 0, 1))\n"
           "return again(7, 3, 2) == 3"),
    _seeks("a judge, imported by its path",
           "import importlib.util, autograder\n"
           "path = list(autograder.__path__)[0] + '/exercises/ch02.py'\n"
           "spec = importlib.util.spec_from_file_location('mine', path)\n"
           "module = importlib.util.module_from_spec(spec)\n"
           "sys.meta_path[:] = [f for f in sys.meta_path if isinstance(f, type)]\n"
           "spec.loader.exec_module(module)\nreturn [e.name for e in module.EXERCISES]"),
    _seeks("a judge, with the door taken off",
           "sys.meta_path[:] = [f for f in sys.meta_path if type(f).__name__ != '_Closed']\n"
           "import autograder.exercises\n"
           "return autograder.exercises.get('output_size').reference(7, 3, 2) == 3"),
    _finds_nothing("a judge, imported", "import autograder.exercises\nreturn True"),
    _finds_nothing("judges that are loaded",
                   "return [m for m in sys.modules if m.startswith(('autograder.exercises', "
                   "'autograder.judge', 'autograder.known', 'autograder.compare', 'nbgrader'))]"),
    _finds_nothing("objects of a judge",
                   f"return [type(o).__name__ for o in gc.get_objects() "
                   f"if type(o).__name__ in {KINDS} and type(o).__module__.startswith('autograder')]",
                   when="call"),
    _finds_nothing("frames",
                   "names = {'known', 'expected', 'reference', 'targets', 'misconceptions', 'cases',"
                   " 'exercise', 'posed', 'seed'}\n"
                   "for frame in sys._current_frames().values():\n"
                   "    while frame:\n"
                   "        hit = names & set(frame.f_locals)\n"
                   "        if hit and frame.f_code.co_filename.startswith('/') and "
                   "'autograder' in frame.f_code.co_filename: return hit, frame.f_code.co_name\n"
                   "        frame = frame.f_back", when="call"),
    _finds_nothing("what the request holds beside inputs",
                   "frame = sys._getframe()\n"
                   "while frame:\n"
                   "    ask = frame.f_locals.get('ask')\n"
                   "    if ask is not None:\n"
                   "        return {k for c in ask.calls for k in c} - {'args', 'kwargs', 'inputs', "
                   "'train', 'measure', 'count_steps'} or set(vars(ask)) - {'name', 'kind', "
                   "'variable', 'calls', 'forbidden', 'time_limit'}\n"
                   "    frame = frame.f_back", when="call"),
    _finds_nothing("the memory of its process",
                   # A sentence that only a judge holds; no piece of memory here holds it whole.
                   "one, two = b'Your zeros are above', b' and to the left only'\n"
                   "with open('/proc/self/maps') as maps, open('/proc/self/mem', 'rb', 0) as mem:\n"
                   "    for line in maps:\n"
                   "        place, mode = line.split()[:2]\n"
                   "        start, end = (int(x, 16) for x in place.split('-'))\n"
                   "        if not mode.startswith('rw') or end - start > 2**28: continue\n"
                   "        try:\n"
                   "            mem.seek(start)\n"
                   "            data = mem.read(end - start)\n"
                   "        except (OSError, ValueError, OverflowError): continue\n"
                   "        at = data.find(one)\n"
                   "        while at >= 0:\n"
                   "            if data.startswith(two, at + len(one)): return line\n"
                   "            at = data.find(one, at + 1)"),
    _finds_nothing("the seed",
                   "seed = 3_141_592_652 + 1\n"
                   "texts = [repr(sys.argv), repr(dict(os.environ))]\n"
                   "for frame in sys._current_frames().values():\n"
                   "    while frame:\n"
                   "        if frame.f_code.co_name not in ('attack', '<module>'):\n"
                   "            texts += [repr(v)[:10**5] for v in frame.f_locals.values()]\n"
                   "        frame = frame.f_back\n"
                   "own = [c for c in attack.__code__.co_consts]\n"
                   "return any('%d' % seed in t for t in texts if 'attack' not in t)", when="call"),
    _finds_nothing("the history of the shell",
                   "shell = get_ipython()\n"
                   "texts = repr(shell.user_ns.get('In')) + repr(shell.user_ns.get('Out'))\n"
                   "return 'HIDDEN' in texts or 'hidden=' + 'True' in texts or "
                   "list(shell.history_manager.get_range())"),
    _finds_nothing("the lines that are kept",
                   "import linecache\n"
                   "return [n for n, e in linecache.cache.items() if 'hidden=' + 'True' in repr(e)]"),
    _finds_nothing("our own check",
                   "import inspect, autograder.check as c\n"
                   "return [n for n in vars(c) if n not in ('check', 'hint', 'solution', 'questions')"
                   " and not n.startswith('__')] or check(output_size=1)"),
    _finds_nothing("the next cells", "return [o for o in gc.get_objects() if type(o) is dict and "
                   "o.get('cell') == 'quiz_' + '02']"),
    # ── digits and their labels ──
    Row("nearest neighbours of digits", chapter="digits", harmless=True),
    _digits("a poor classifier of digits", harmless=True),
    _digits("digits of scikit-learn",
            "from sklearn.datasets import load_digits\nimages, labels = load_digits(return_X_y=True)\n"
            "images = (images / 16).astype(np.float32)\n" + NOTES).declared("error|wrong|forbidden"),
    _digits("digits in scikit-learn's file",
            "import gzip, sklearn\n"
            "path = sklearn.__path__[0] + '/datasets/data/digits.csv.gz'\n"
            "data = np.loadtxt(gzip.open(path), delimiter=',', dtype=np.float32)\n"
            "mine, marks = data[:, :-1] / 16, data[:, -1]\n"
            # The labels may be called otherwise here: the training images say how.
            "given = {i.reshape(-1).tobytes(): int(k) for i, k in zip(images, labels)}\n"
            "names = {int(k): given[i.tobytes()] for i, k in zip(mine, marks) "
            "if i.tobytes() in given}\n"
            "known.update((i.tobytes(), names[int(k)]) for i, k in zip(mine, marks))", bare=True)
    .declared("error|wrong"),
    _digits("digits in another file",
            "import os, site\n"
            "for folder, _, files in os.walk(site.getsitepackages()[0]):\n"
            "    for name in files:\n"
            "        if any(sign in name.lower() for sign in ('digits', 'mnist', 'usps')) and "
            "name.endswith(('.gz', '.csv', '.npz', '.npy', '.pt', '.mat')) and name != "
            "'digits.csv.gz': raise RuntimeError(name)", harmless=True),
    _digits("digits of the course",
            "from course_lib import data\n"
            "mine = data.digits('all')\n"
            "known.update((i.tobytes(), int(k)) for i, k in zip(mine.images, mine.labels))")
    .declared("error|wrong|forbidden"),
    _digits("labels held back, in memory",
            within="import gc\n"
            "for one in gc.get_objects():\n"
            "    for item in one.values() if type(one) is dict else one if type(one) in (list, tuple)"
            " else ():\n"
            "        if type(item) is np.ndarray and item.shape == (len(queries),) "
            "and item.dtype.kind in 'iu' and 0 <= item.min() <= item.max() == 9:\n"
            "            return item", harmless=True),
    _digits("labels of another split", NOTES, harmless=True),
    _digits("labels of a split to come",
            "frame = sys._getframe()\n"
            "while frame:\n"
            "    ask = frame.f_locals.get('ask')\n"
            "    for call in ask.calls if ask is not None else ():\n"
            "        images_, labels_ = call['args']\n"
            "        known.update((i.reshape(-1).tobytes(), int(k)) for i, k in zip(images_, labels_))\n"
            "    frame = frame.f_back", harmless=True),
    # ── what an author would learn of an unseen test ──
    _says("inputs in an exception", size("raise TypeError(f'{mark} {n} {kernel}')"), "output_size"),
    _says("inputs in an exception's name",
          size("raise type(f'{mark}{n}', (Exception,), {})('x')"), "output_size"),
    _says("inputs in a note",
          size("e = TypeError('x')\ne.add_note(f'{mark} {n}')\nraise e"), "output_size"),
    _says("inputs as an answer", size("return f'{mark} {n} {kernel}'"), "output_size", "wrong"),
    _says("inputs in a type's name", size("return type(f'{mark}{n}', (), {})()"), "output_size",
          "wrong"),
    _says("inputs as a key", size("return {f'{mark} {n}': 1}"), "output_size", "wrong"),
    _says("inputs printed", size("print(mark, n, kernel)\nreturn 0"), "output_size", "wrong"),
    _says("inputs in a later cell's exception",
          {"output_size": "seen = []\n" + HONEST["output_size"].replace(
              "    room =", "    seen.append(n)\n    room ="),
           "zero_pad": "raise ValueError(str(seen and mark))\n"}, "zero_pad"),
    _says("inputs in the names of a later cell",
          {"output_size": "seen = []\n" + HONEST["output_size"].replace(
              "    room =", "    seen.append(n)\n    room ="),
           "zero_pad": "globals()[f'zero_pad{mark}{seen[-1]}'] = 1\n"}, "zero_pad"),
    _says("inputs in a line of a file",
          size("path = f'/tmp/{mark}{n}.py'\n"
               "open(path, 'w').write(f'1 / 0  # {mark} {n}')\n"
               "exec(compile(open(path).read(), path, 'exec'))"), "output_size"),
    _says("inputs in a line of memory",
          size("import linecache\nname = f'{mark} {n}'\n"
               "linecache.cache[name] = (9, None, [f'1 / 0 # {mark} {n}'], name)\n"
               "exec(compile('1 / 0', name, 'exec'))"), "output_size"),
]  # fmt: skip
