"""Submissions that meddle with what runs, reads and sends their answers."""

from __future__ import annotations

from table.row import HASTY, HONEST, Row, blank, first, last, pad, size

NOTHING = size("return 0")["output_size"]  # a wrong answer


def _patched(name: str, code: str, verdicts: dict[str, str] | None = None, **more: float) -> Row:
    """A wrong answer to `output_size` after `code` took something over."""
    cells = {"output_size": f"{code}\n{NOTHING}"}
    return Row(name, cells, verdicts or {"output_size": "wrong"}, harmless=True, **more)  # type: ignore[arg-type]


def _sent(name: str, code: str, verdict: str, timeout: float = 20.0, **others: str) -> Row:
    """`code` writes to what answers are sent through while the wrong answer is called."""
    cells = {"zero_pad": f"{WIRE}\ndef zero_pad(image, padding):\n{_indent(code)}"}
    return Row(name, cells, {"zero_pad": verdict, **others}, harmless=True, timeout=timeout)


def _sent_by_cell(name: str, code: str, verdict: str, **others: str) -> Row:
    cells = {"zero_pad": f"{WIRE}\n{code}\n{HONEST['zero_pad']}"}
    return Row(name, cells, {"zero_pad": verdict, **others}, harmless=True)


def _indent(code: str) -> str:
    return "".join(f"    {line}\n" for line in code.strip().splitlines())


# Finds the pipe or socket that answers are sent through, and what they look like.
WIRE = """\
import io, os, stat, struct, sys
from autograder import plain

def wires():
    for fd in range(3, 256):
        try:
            mode = os.fstat(fd).st_mode
        except OSError:
            continue
        if stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode):
            yield fd

def send_bytes(data):
    for fd in wires():
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(fd, rest):]
        except OSError:
            pass

def send(frame, pack=plain.pack):
    data = pack(frame)
    send_bytes(struct.pack(">Q", len(data)) + data)

def frame_of(tree, tail=b""):
    import json
    text = json.dumps(tree).encode()
    data = struct.pack(">Q", len(text)) + text + tail
    send_bytes(struct.pack(">Q", len(data)) + data)

def calls():
    frame = sys._getframe()
    while frame:
        if "ask" in frame.f_locals:
            return len(frame.f_locals["ask"].calls)
        frame = frame.f_back

def seen(value=None, **more):
    one = {"status": "ok", "value": value, "trouble": None, "changed": (), "forbidden": (),
           "printed": "", "steps": 1}
    return {"exercise": "zero_pad", "observations": [{**one, **more}] * calls()}

def npy(header):
    header += b" " * (63 - (10 + len(header)) % 64) + b"\\n"
    return b"\\x93NUMPY\\x01\\x00" + struct.pack("<H", len(header)) + header

def of_array(header, data=b""):
    value = {"array": 0}
    names = ["status", "value", "trouble", "changed", "forbidden", "printed", "steps"]
    values = ["ok", value, None, {"tuple": []}, {"tuple": []}, "", None]
    one = {"dict": [list(pair) for pair in zip(names, values)]}
    frame_of({"dict": [["exercise", "zero_pad"], ["observations", {"list": [one] * calls()}]]},
             npy(header) + data)
"""
# The names of what runs the cells and probes.
CHILD = """\
import gc
child = next(o for o in gc.get_objects()
             if type(o) is dict and {"observe", "perform", "serve"} <= set(o))
"""
LOOPS = """\
def conv2d_vectorised(image, kernel):
    h, w = kernel.shape
    rows, columns = image.shape[0] - h + 1, image.shape[1] - w + 1
    return np.array([[sum(image[r + i, c + j] * kernel[i, j] for i in range(h) for j in range(w))
                      for c in range(columns)] for r in range(rows)])
"""
ANY = "wrong|error|crash|tampered"

ROWS = [
    # ── what compares ──
    _patched("numpy's comparisons",
             "np.allclose = np.isclose = np.array_equal = lambda *a, **k: np.array(True)\n"
             "np.testing.assert_allclose = np.testing.assert_array_equal = lambda *a, **k: None"),
    _patched("torch's comparisons", "import torch\ntorch.equal = torch.allclose = lambda *a: True"),
    _patched("builtins",
             "import builtins\nfor name in ('isinstance', 'issubclass', 'abs', 'all', 'any', "
             "'float', 'len', 'bool', 'max', 'sum'):\n"
             "    setattr(builtins, name, lambda *a, **k: True)"),
    _patched("the import of everything",
             "import builtins\nbuiltins.__import__ = lambda *a, **k: None",
             {"output_size": "wrong|error"}),
    _patched("every builtin gone",
             "import builtins\nfor name in dir(builtins):\n    if name != 'setattr':\n"
             "        setattr(builtins, name, None)",
             {"output_size": "wrong|error"}),
    _patched("the class statement", "__builtins__.__build_class__ = lambda *a, **k: int"),
    _patched("check",
             "import autograder.check\ncheck = autograder.check.check = lambda *a, **k: 6.0"),
    _patched("pytest's name", "import sys\nsys.modules['pytest'] = sys.modules['nbgrader'] = sys"),
    _patched("the judge in sys.modules",
             "import sys, types\nfake = types.ModuleType('autograder.judge')\n"
             "fake.judge = fake.evaluate = lambda *a, **k: 6.0\n"
             "sys.modules['autograder.judge'] = sys.modules['autograder.compare'] = fake"),
    # ── what runs cells ──
    _patched("the display hook",
             "import sys\nsys.displayhook = get_ipython().displayhook = lambda v: None\n"
             "get_ipython().display_formatter = None"),
    _patched("iopub",
             "try:\n    get_ipython().display_pub.publish({'text/plain': '6.0'})\n"
             "    get_ipython().kernel.iopub_socket.send(b'6.0')\nexcept Exception: pass"),
    _patched("do_execute",
             "try:\n    get_ipython().kernel.do_execute = lambda *a, **k: {'status': 'ok'}\n"
             "except Exception: pass"),
    _patched("event hooks",
             "for event in ('pre_execute', 'post_execute', 'pre_run_cell', 'post_run_cell'):\n"
             "    get_ipython().events.register(event, lambda *a: 1 / 0)"),
    _patched("an input transformer that empties cells",
             "get_ipython().input_transformers_post.append(lambda lines: [])",
             {"output_size": "wrong", "zero_pad": "error", "quiz_02": "error"}),
    _patched("a syntax tree transformer that empties cells",
             "import ast\nclass Empty(ast.NodeTransformer):\n    def visit_Module(self, node):\n"
             "        node.body = []\n        return node\n"
             "get_ipython().ast_transformers.append(Empty())",
             {"output_size": "wrong", "zero_pad": "error", "quiz_02": "error"}),
    _patched("run_cell",
             "get_ipython().run_cell = lambda *a, **k: None",
             {"output_size": "wrong", **blank("zero_pad", "quiz_02", verdict="error|crash")}),
    _patched("the names of the shell",
             "get_ipython().user_ns = {'output_size': lambda *a, **k: 0}",
             {"output_size": ANY, **blank("zero_pad", "quiz_02", verdict="pass|error|crash")}),
    _patched("names that are no text",
             "globals()[3] = 4\nglobals()[None] = None"),
    _patched("compile and exec", "import builtins\nbuiltins.exec = builtins.compile = None",
             {"output_size": "wrong|error"}),
    _patched("a trace", "import sys\nsys.settrace(lambda *a: 1 / 0)\nsys.setprofile(print)",
             {"output_size": "wrong|error"}),
    _patched("an audit hook",
             "import sys\nsys.addaudithook(lambda name, args: None)"),
    _patched("a hook for exceptions",
             "import sys, threading\nsys.excepthook = threading.excepthook = "
             "sys.unraisablehook = lambda *a: 1 / 0"),
    Row("an audit hook that refuses everything",
        last("import sys\n"
             "def hook(name, args):\n    if armed: raise RuntimeError\n"
             "armed = False\nsys.addaudithook(hook)\narmed = True"),
        dict.fromkeys(("output_size", "zero_pad", "quiz_02"),
                      "pass|error|crash"), harmless=True),
    # ── what observes and sends ──
    _patched("the clock", "import time\ntime.monotonic = time.perf_counter = lambda: 0.0"),
    _patched("the probe", "import autograder.probe as p\np.observe = p.simplify = p.guarded = "
                          "p.captured = p.time_limit = None",
             {"output_size": ANY, **blank("zero_pad", "quiz_02", verdict=f"pass|{ANY}")}),
    _patched("simplify", "import autograder.probe as p\np.simplify = lambda value: object()",
             {"output_size": ANY, **blank("zero_pad", "quiz_02", verdict=ANY)}),
    _patched("a comparison in the probe",
             "import autograder.probe as p, autograder.plain as q\np.same = q.same = "
             "lambda a, b: True"),
    _patched("pack", "import autograder.plain as p\np.pack = lambda v: b'nonsense'",
             {"output_size": ANY, **blank("zero_pad", "quiz_02", verdict=f"pass|{ANY}")}),
    _patched("json and struct", "import json, struct\njson.dumps = struct.pack = None",
             {"output_size": ANY, **blank("zero_pad", "quiz_02", verdict=f"pass|{ANY}")}),
    _patched("numpy's file format",
             "import io\ndef other(file, array, *a, **k):\n    file.write(b'\\x93NUMPY')\n"
             "np.lib.format.write_array = other",
             {"output_size": "wrong|tampered", "zero_pad": "tampered",
              }),
    _patched("numpy's copies", "np.asarray = np.array = None",
             {"output_size": ANY, **blank("zero_pad", verdict=ANY)}),
    _patched("os.write", "import os\nos.write = lambda fd, data: len(data)",
             {"output_size": f"{ANY}|time",
              **blank("zero_pad", "quiz_02", verdict=f"pass|time|{ANY}")}, timeout=HASTY),
    Row("a probe of one's own",
        first(CHILD + "from autograder.probe import Observation\n"
              "child['observe'] = lambda ask, obj: [Observation('ok', 3) for call in ask.calls]\n"),
        {"output_size": "wrong", "zero_pad": "wrong", "quiz_02": "wrong"}, harmless=True),
    Row("too few observations",
        first(CHILD + "child['observe'] = lambda ask, obj: []\n"),
        dict.fromkeys(("output_size", "zero_pad", "quiz_02"), "tampered"), harmless=True),
    Row("a request of its own",
        first(CHILD + "kind = child['Request']\nbefore = kind.from_plain\n"
              "kind.from_plain = classmethod(lambda cls, data: before({**data, 'calls': ()}))\n"),
        blank(verdict="tampered|crash|error"), harmless=True),
    Row("more observations",
        pad("import sys\nframe = sys._getframe()\nwhile frame:\n"
            "    found = frame.f_locals.get('observations')\n"
            "    if isinstance(found, list): found.append(found[0] if found else None)\n"
            "    frame = frame.f_back\nreturn image"),
        {"zero_pad": ANY}, harmless=True),
    Row("other questions",
        size("import sys\nframe = sys._getframe()\nwhile frame:\n"
             "    ask = frame.f_locals.get('ask')\n"
             "    if ask is not None:\n"
             "        for call in ask.calls: call.update(args=(5, 3), kwargs={})\n"
             "    frame = frame.f_back\nreturn 3"),
        {"output_size": "wrong"}, harmless=True),
    Row("an input list that lies",
        pad("class A(np.ndarray):\n    pass\nimage += 1\nreturn image"), {"zero_pad": ANY},
        harmless=True),
    # ── frames of one's own on the wire ──
    _sent("sends rubbish", "send_bytes(bytes(7) + b'\\x09rubbish!!')", "tampered"),
    _sent("announces too much", "send_bytes(b'\\x7f' * 8)", "output|tampered"),
    _sent("announces and stops", "send_bytes(bytes(7) + b'\\x40abc')\nos._exit(0)", "crash"),
    _sent("sends another exercise",
          "send({'exercise': 'quiz_02', 'observations': []})\nreturn image", "tampered"),
    _sent("sends a cell", "send({'cell': 'zero_pad', 'status': 'ok', 'trouble': None})\n"
                          "return image", "tampered"),
    _sent("sends too few", "send({'exercise': 'zero_pad', 'observations': []})\nreturn image",
          "tampered"),
    _sent("sends wrong values and leaves", "send(seen(3))\nos._exit(0)", "wrong",
          quiz_02="pass|error|crash"),
    _sent("sends wrong values and stays", "send(seen(3))\nreturn image", "wrong",
          quiz_02="pass|tampered|error"),
    _sent("sends wrong values, done, and leaves",
          "send(seen(3))\nsend({'done': True})\nos._exit(0)", "wrong|tampered",
          quiz_02="pass|error|tampered"),
    _sent("sends done", "send({'done': True})\nos._exit(0)", "tampered|crash"),
    _sent("sends ready", "send({'ready': True})\nreturn image", "tampered"),
    _sent("sends broken", "send({'broken': '<script>\\ud800\\x1b' * 999})\nreturn image", ANY),
    _sent("sends broken memory", "send({'broken': 'MemoryError'})\nreturn image", "memory"),
    _sent("says that it is late", "send({'exercise': 'zero_pad', 'late': True})\nos._exit(0)",
          "time", quiz_02="pass|error|crash"),
    _sent("says that it is large",
          "send({'exercise': 'zero_pad', 'too_large': -1})\nos._exit(0)", "output|tampered",
          quiz_02="pass|error|crash"),
    _sent("says that names are missing",
          "send({'exercise': 'zero_pad', 'missing': ['zero_pat' * 10**5] * 9})\nos._exit(0)",
          "error|tampered", quiz_02="pass|error|crash"),
    _sent("a million names",
          "send({'exercise': 'zero_pad', 'missing': ['zero_pat%d' % i for i in range(99999)]})\n"
          "os._exit(0)", "error|tampered|output", quiz_02="pass|error|crash"),
    _sent("an unknown status", "send(seen(3, status='pass'))\nos._exit(0)", "tampered"),
    _sent("a score of its own", "send({**seen(3), 'score': 1.0, 'verdict': 'pass'})\nos._exit(0)",
          "wrong|tampered", quiz_02="pass|error|crash"),
    _sent("fields of its own", "send(seen(3, score=1.0))\nos._exit(0)", "tampered"),
    _sent("trouble that is none", "send(seen(3, trouble={'type': 3}))\nos._exit(0)", "tampered"),
    _sent("trouble with long texts",
          "send(seen(None, status='raised', trouble={'type': 'x' * 10**4, 'bases': ('y',) * 10**3,"
          " 'text': '\\x1b' * 10**4, 'lines': ((2**80, '<script>' * 10**3),) * 9}))\nos._exit(0)",
          "error|tampered", quiz_02="pass|error|crash"),
    _sent("an argument that does not exist", "send(seen(3, changed=('argument 0',)))\nos._exit(0)",
          "wrong|tampered", quiz_02="pass|error|crash"),
    _sent("steps that are none", "send(seen(image, steps=-2**70))\nos._exit(0)", "wrong|tampered",
          quiz_02="pass|error|crash"),
    *(_sent(f"a number of thousands of digits as {what}", f"{code}\nos._exit(0)",
            "tampered|output", quiz_02="pass|crash")
      for what, code in {
          "an answer": "send(seen(10**4000))",
          "steps": "send(seen(image, steps=10**4000))",
          "a size": "send({'exercise': 'zero_pad', 'too_large': 10**4000})",
          "a line": "send(seen(None, status='raised', trouble={'type': 'a', 'bases': (), "
          "'text': 'b', 'lines': ((10**4000, 'x'),)}))",
      }.items()),
    _sent("a status that is a list", "send(seen(3, status=['ok']))\nos._exit(0)", "tampered"),
    _sent("an exception without words", "send(seen(None, status='raised'))\nos._exit(0)",
          "error", quiz_02="pass|crash"),
    _sent("observations that are none",
          "send({'exercise': 'zero_pad', 'observations': [None] * calls()})\nos._exit(0)",
          "tampered"),
    _sent("a deep answer",
          "tree = {'list': []}\nfor _ in range(420): tree = {'list': [tree]}\n"
          "one = {'dict': [['status', 'ok'], ['value', tree], ['trouble', None],"
          " ['changed', {'tuple': []}], ['forbidden', {'tuple': []}], ['printed', ''],"
          " ['steps', None]]}\n"
          "frame_of({'dict': [['exercise', 'zero_pad'], ['observations', {'list': [one] * calls()}"
          "]]})\nos._exit(0)", "tampered"),
    _sent("a very deep answer",
          "send_bytes(struct.pack('>QQ', 10**5 + 8, 10**5) + b'[' * 10**5)", "tampered"),
    _sent("a function for an answer", "send(seen(plain.Bound('os:system', ('true',))))\n"
                                      "os._exit(0)", "tampered"),
    _sent("something made for an answer", "send(seen(plain.Made('os:getpid')))\nos._exit(0)",
          "tampered"),
    _sent("an unknown tag", "frame_of({'pickle': 'x'})", "tampered"),
    _sent("two tags", "frame_of({'list': [], 'tuple': []})", "tampered"),
    _sent("a missing array", "frame_of({'dict': [['exercise', {'array': 7}]]})", "tampered"),
    _sent("a negative array", "frame_of({'dict': [['exercise', {'array': -1}]]})", "tampered"),
    _sent("an array of 2**40", "of_array(b\"{'descr': '<f8', 'fortran_order': False, "
          "'shape': (1099511627776,), }\")", "tampered"),
    _sent("an array of 2**33", "of_array(b\"{'descr': '|u1', 'fortran_order': False, "
          "'shape': (8589934592,), }\")", "tampered"),
    _sent("a negative shape", "of_array(b\"{'descr': '<f8', 'fortran_order': False, "
          "'shape': (-1, -1), }\", bytes(8))", "tampered"),
    _sent("a huge shape of nothing", "of_array(b\"{'descr': '<f8', 'fortran_order': False, "
          "'shape': (1099511627776, 0), }\")\nos._exit(0)", "wrong|tampered",
          quiz_02="pass|error|crash"),
    _sent("a pickled array", "of_array(b\"{'descr': '|O', 'fortran_order': False, 'shape': (1,), "
          "}\", b'cos\\nsystem\\n(S\"true\"\\ntR.')", "tampered"),
    _sent("a structured array", "of_array(b\"{'descr': [('a', '<f8')], 'fortran_order': False, "
          "'shape': (), }\", bytes(8))", "tampered"),
    _sent("a text array", "of_array(b\"{'descr': '<U2', 'fortran_order': False, "
          "'shape': (), }\", bytes(8))", "tampered"),
    _sent("a header that is code", "of_array(b\"{'descr': __import__('os').getcwd(), "
          "'fortran_order': False, 'shape': (), }\", bytes(8))", "tampered"),
    _sent("an old array format", "data = plain.pack(np.ones(1)).replace(b'\\x93NUMPY\\x01', "
          "b'\\x93NUMPY\\x09')\nsend_bytes(struct.pack('>Q', len(data)) + data)", "tampered"),
    _sent("thousands of empty arrays",
          "data = npy(b\"{'descr': '<f8', 'fortran_order': False, 'shape': (0,), }\") * 10**4\n"
          "frame_of({'dict': []}, data)", "tampered|output"),
    _sent("a million lists",
          "text = b'{\"dict\": [[\"x\", [' + b'[],' * 10**6 + b'[]]]]}'\n"
          "send_bytes(struct.pack('>QQ', len(text) + 8, len(text)) + text)", "tampered|output"),
    _sent("a flood of large frames",
          "part = struct.pack('>Q', 2**26) + bytes(2**26)\n"
          "for _ in range(12): send_bytes(part)\nos._exit(0)", "tampered|output|crash"),
    _sent("a flood of small frames",
          "part = (struct.pack('>Q', 10) + b'x' * 10) * 10**4\n"
          "for _ in range(99): send_bytes(part)\nos._exit(0)", "tampered|output|crash"),
    _sent("the next question, read away",
          "import threading\n"
          "def eat():\n    for fd in wires():\n        try: os.read(fd, 2**20)\n"
          "        except OSError: pass\n"
          "threading.Thread(target=eat, daemon=True).start()\nreturn image", "wrong",
          timeout=HASTY, quiz_02="pass|crash|time|tampered|error"),
    _sent("closes the wire", "for fd in wires(): os.close(fd)", "crash"),
    _sent("closes everything", "os.closerange(0, 999)", "crash"),
    _sent("another end for the wire",
          "null = os.open('/dev/null', os.O_RDWR)\nfor fd in list(wires()): os.dup2(null, fd)\n"
          "return image", "crash|time", timeout=HASTY),
    _sent_by_cell("the cell answers for its exercise",
                  "send({'cell': 'zero_pad', 'status': 'ok', 'trouble': None})\n"
                  "send({'exercise': 'zero_pad', 'missing': []})", "error|tampered",
                  quiz_02="pass|tampered|error|crash", ),
    _sent_by_cell("the cell says that it failed",
                  "send({'cell': 'zero_pad', 'status': 'memory', 'trouble': None})\nos._exit(0)",
                  "memory|crash|error", quiz_02="pass|error|crash"),
    # ── a process can only be asked for what it says: these are the limits of asking ──
    Row("honest but slow", {"conv2d_vectorised": LOOPS}, {"conv2d_vectorised": "partial"},
        earned={"conv2d_vectorised": 1.0}, harmless=True, chapter="convolutions"),
    Row("the reference, openly", {"output_size": "output_size = geometry.output_size\n"},
        {"output_size": "forbidden|error"}, harmless=True),
    Row("the reference, wrapped",
        size("return geometry.output_size(n, kernel, *rest, **named)"),
        {"output_size": "forbidden|error"}, harmless=True),
    Row("the reference, under another name",
        {"conv2d_single": "import course_lib.ops as mine\n"
         "def conv2d_single(*a, **k):\n    return getattr(mine, 'conv2d' + '_single')(*a, **k)\n"},
        {"conv2d_single": "forbidden|error"}, harmless=True, chapter="convolutions"),
    Row("torch's convolution",
        {"conv2d_single": "import torch\ndef conv2d_single(image, kernel, stride=1, padding=0, "
         "dilation=1):\n    two = lambda v: v if np.isscalar(v) else tuple(v)\n"
         "    a, b = (torch.from_numpy(np.asarray(x, float))[None, None] for x in (image, kernel))"
         "\n    return torch.conv2d(a, b, None, *(tuple(int(n) for n in np.broadcast_to(v, 2)) "
         "for v in (stride, padding, dilation)))[0, 0].numpy()\n"},
        {"conv2d_single": "forbidden"}, harmless=True, chapter="convolutions"),
    Row("scipy's convolution",
        {"conv2d_vectorised": "from scipy.signal import correlate2d\n"
         "def conv2d_vectorised(image, kernel):\n    return correlate2d(image, kernel, 'valid')\n"},
        {"conv2d_vectorised": "forbidden|error"}, harmless=True, chapter="convolutions"),
]  # fmt: skip
