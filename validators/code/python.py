"""What runs inside the interpreter, on both sides of a check.

Two interpreters, each with a memory of its own: one has the code under test,
the other the tests. They speak in frames that the host carries; the code under
test never sees a test, an expected value or a verdict, and its answers are
values, taken apart and put together again on the other side.
"""

import builtins
import sys
import time

_read = sys.stdin.buffer.read
_write = sys.stdout.buffer.write
_flush = sys.stdout.buffer.flush


class Gone(BaseException):
    """The other side does not answer any more."""


class Apart(TypeError):
    """Something was asked for that two interpreters cannot share."""


def _send(kind, body):
    _write(b"%s%d:" % (kind, len(body)))
    _write(body)
    _flush()


def _receive():
    head = b""
    while True:
        c = _read(1)
        if not c:
            raise Gone
        if c == b":":
            break
        head += c
    size = int(head[1:])
    body = _read(size)
    if len(body) != size:
        raise Gone
    return head[:1], body


# Values as bytes: a letter for the type, lengths in decimal, nothing that has
# to be believed.

_seqs = {list: b"l", tuple: b"t", set: b"S", frozenset: b"F"}
_made = {b"l": list, b"t": tuple, b"S": set, b"F": frozenset}


def _put(out, v, side, depth=0):
    t = type(v)
    if depth > 200:
        raise Apart("a value is nested too deep")
    if v is None:
        out.append(b"N")
    elif v is True:
        out.append(b"T")
    elif v is False:
        out.append(b"U")
    elif t is int:
        h = b"%x" % v if v >= 0 else b"-%x" % -v
        out.append(b"i%d:%s" % (len(h), h))
    elif t is float:
        h = v.hex().encode()
        out.append(b"f%d:%s" % (len(h), h))
    elif t is str:
        h = v.encode("utf-8", "surrogatepass")
        out.append(b"s%d:" % len(h))
        out.append(h)
    elif t is bytes:
        out.append(b"b%d:" % len(v))
        out.append(v)
    elif t in _seqs:
        out.append(b"%s%d:" % (_seqs[t], len(v)))
        for x in sorted(v, key=repr) if t in (set, frozenset) else v:
            _put(out, x, side, depth + 1)
    elif t is dict:
        out.append(b"d%d:" % len(v))
        for k, x in v.items():
            _put(out, k, side, depth + 1)
            _put(out, x, side, depth + 1)
    elif t is complex:
        out.append(b"c0:")
        _put(out, v.real, side, depth)
        _put(out, v.imag, side, depth)
    elif t is Far and v._side is side:
        out.append(b"r%d:" % v._id)
    else:
        out.append(b"h%d:%d:" % (side.keep(v), 1 if callable(v) else 0))
        name = getattr(t, "__name__", "object").encode("utf-8", "replace")[:80]
        out.append(b"%d:" % len(name))
        out.append(name)


def _pack(v, side):
    out = []
    _put(out, v, side)
    return b"".join(out)


class _Bytes:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self):
        end = self.data.index(b":", self.at, self.at + 20)
        n = int(self.data[self.at:end])
        self.at = end + 1
        return n

    def take(self, n):
        piece = self.data[self.at:self.at + n]
        if len(piece) != n:
            raise Gone
        self.at += n
        return piece


def _get(b, side):
    k = b.take(1)
    if k == b"N":
        return None
    if k == b"T":
        return True
    if k == b"U":
        return False
    n = b.number()
    if k == b"i":
        return int(b.take(n), 16)
    if k == b"f":
        return float.fromhex(b.take(n).decode())
    if k == b"s":
        return b.take(n).decode("utf-8", "surrogatepass")
    if k == b"b":
        return b.take(n)
    if k in _made:
        return _made[k]([_get(b, side) for _ in range(n)])
    if k == b"c":
        return complex(_get(b, side), _get(b, side))
    if k == b"d":
        return {_get(b, side): _get(b, side) for _ in range(n)}
    if k == b"r":
        return side.kept[n]
    if k == b"h":
        calls = b.number()
        name = b.take(b.number()).decode("utf-8", "replace")
        return Far(side, n, name, calls)
    raise Gone


def _unpack(data, side):
    try:
        return _get(_Bytes(data), side)
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, RecursionError):
        raise Gone from None  # what is no value is no answer


class Far:
    """Something of the other side that is no plain value."""

    def __init__(self, side, id, name, calls):
        self.__dict__.update(_side=side, _id=id, _type=name, _calls=calls)

    def _ask(self, what, *args, **named):
        return self._side.ask(self._id, what, args, named)

    def __call__(self, *args, **named):
        return self._ask("call", *args, **named)

    def __getattr__(self, name):
        return self._ask("get", name)

    def __setattr__(self, name, value):
        self._ask("set", name, value)

    def __repr__(self):
        return self._ask("repr")

    __str__ = lambda self: self._ask("str")

    def __iter__(self):
        it = self._ask("iter")
        while True:
            done, value = it._ask("next")
            if done:
                return
            yield value

    def __next__(self):
        done, value = self._ask("next")
        if done:
            raise StopIteration
        return value

    def __hash__(self):
        return self._ask("hash")


# What compares or converts is the other side's word: it is told that a verdict
# rests on it.
for _op in "eq ne lt le gt ge bool len contains getitem setitem add sub mul truediv neg radd abs int float index".split():
    def _make(op):
        def method(self, *args):
            self._side.trusted = True
            return self._ask("op", op, *args)
        return method
    setattr(Far, "__%s__" % _op, _make(_op))


class Side:
    """One end of the line: what it lends, and how it asks and answers."""

    def __init__(self):
        self.kept = []
        self.trusted = False
        self.calls = []  # what was asked last, for evidence

    def keep(self, v):
        for i, k in enumerate(self.kept):
            if k is v:
                return i
        self.kept.append(v)
        return len(self.kept) - 1

    def ask(self, id, what, args, named):
        args = list(args)
        sent = [_pack(a, self) for a in args]
        _send(b"A", _pack((id, what, args, named), self))
        while True:
            kind, body = _receive()
            if kind == b"A":
                self.answer(body)
                continue
            break
        got = _unpack(body, self)
        for i, new in got[1].items():
            _restore(args[i], new)
        if got[0] == "raised":
            raise _error(*got[2:])
        return got[2]

    def answer(self, body):
        id, what, args, named = _unpack(body, self)
        before = [_pack(a, self) for a in args]
        changed = {}
        try:
            value = _do(self.kept[id], what, args, named)
            for i, a in enumerate(args):
                if type(a) in (list, dict, set) and _pack(a, self) != before[i]:
                    changed[i] = a
            reply = _pack(("gave", changed, value), self)
        except Gone:
            raise
        except BaseException as e:
            bases = [t.__name__ for t in type(e).__mro__ if getattr(builtins, t.__name__, None) is t]
            plain = [a for a in e.args if type(a) in (int, float, str, bytes, bool, type(None))]
            reply = _pack(("raised", {}, type(e).__name__, bases[0] if bases else "Exception", plain, _line(e), _text(e)), self)
        _send(b"B", reply)


def _text(e):
    try:
        return str(e)[:500]
    except BaseException:
        return ""


def _restore(old, new):
    if type(old) is list:
        old[:] = new
    elif type(old) in (dict, set):
        old.clear()
        old.update(new)


_ops = {"eq": lambda a, b: a == b, "ne": lambda a, b: a != b, "lt": lambda a, b: a < b, "le": lambda a, b: a <= b,
        "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b, "bool": bool, "len": len, "contains": lambda a, b: b in a,
        "getitem": lambda a, b: a[b], "setitem": lambda a, b, c: a.__setitem__(b, c), "add": lambda a, b: a + b,
        "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "truediv": lambda a, b: a / b, "neg": lambda a: -a,
        "radd": lambda a, b: b + a, "abs": abs, "int": int, "float": float, "index": lambda a: a.__index__()}


def _do(target, what, args, named):
    if what == "call":
        return target(*args, **named)
    if what == "get":
        return getattr(target, args[0])
    if what == "set":
        return setattr(target, args[0], args[1])
    if what == "op":
        return _ops[args[0]](target, *args[1:])
    if what == "next":
        try:
            return (False, next(target))
        except StopIteration:
            return (True, None)
    return {"repr": repr, "str": str, "iter": iter, "hash": hash}[what](target)


_errors = {}


def _error(name, base, args, line, text):
    base = getattr(builtins, base, Exception)
    if not (isinstance(base, type) and issubclass(base, BaseException)):
        base = Exception
    kind = base
    if base.__name__ != name:
        kind = _errors.setdefault((name, base), type(name, (base,), {}))
    try:
        e = kind(*args)
    except BaseException:
        e = Exception(text)
    e._far = (name, text, line)
    return e


def _line(e, file="<code>"):
    line, tb = 0, e.__traceback__
    while tb is not None:
        if tb.tb_frame.f_code.co_filename == file:
            line = tb.tb_lineno
        tb = tb.tb_next
    if isinstance(e, SyntaxError) and e.filename == file:
        line = e.lineno or 0
    return line


# What can be said of code without running it.

_known = {"__name__", "__file__", "__doc__", "__builtins__", "__spec__", "__loader__", "__package__", "__class__", "__annotations__",
          "__qualname__", "__module__", "__debug__", "WindowsError"}


def _look(source):
    """Returns the findings of a source: (kind, name, line, nearest)."""
    import _ast
    import _symtable as st
    tree = compile(source, "<code>", "exec", _ast.PyCF_ONLY_AST, dont_inherit=True)
    nodes = list(_walk(tree, False))
    imports, found, free = {}, [], False
    for node, guarded in nodes:
        t = type(node)
        if t is _ast.Import:
            for a in node.names:
                top = a.name.split(".")[0]
                _module(found, a.name, node.lineno, guarded)
                imports[a.asname or top] = a.name if a.asname else top
        elif t is _ast.ImportFrom and not node.level:
            _module(found, node.module, node.lineno, guarded)
            for a in node.names:
                if a.name == "*" or node.module == "__future__":
                    free = True
                elif not guarded:
                    _attribute(found, node.module, a.name, node.lineno)
                    imports.pop(a.asname or a.name, None)
        elif t is _ast.Call and type(node.func) is _ast.Name and node.func.id in ("exec", "globals", "eval", "vars", "locals", "setattr"):
            free = True
    bound = {}
    for node, _ in nodes:
        if type(node) is _ast.Name and type(node.ctx) is not _ast.Load:
            bound[node.id] = True
        elif type(node) is _ast.arg:
            bound[node.arg] = True
    for node, guarded in nodes:
        if type(node) is _ast.Attribute and type(node.value) is _ast.Name and not guarded:
            name = node.value.id
            if name in imports and name not in bound and type(node.ctx) is _ast.Load:
                _attribute(found, imports[name], node.attr, node.lineno)
    if not free:
        top = st.symtable(source, "<code>", "exec")
        defined = {n for n, f in top.symbols.items() if f & (st.DEF_LOCAL | st.DEF_IMPORT | st.DEF_PARAM)}
        missing = set()
        _names(top, defined, missing, st, True)
        lines = {}
        for node, guarded in nodes:
            if type(node) is _ast.Name and type(node.ctx) is _ast.Load and node.id in missing and not guarded:
                lines[node.id] = min(lines.get(node.id, node.lineno), node.lineno)
        for name, line in lines.items():
            found.append(("undefined_name", name, line, _nearest(name, list(defined) + dir(builtins))))
    return found


def _walk(node, guarded):
    import _ast
    yield node, guarded
    for field in node._fields:
        value = getattr(node, field, None)
        inside = guarded or (type(node) is _ast.Try and field == "body" and any(_catches(h) for h in node.handlers))
        for x in value if type(value) is list else (value,):
            if isinstance(x, _ast.AST):
                yield from _walk(x, inside)


def _catches(handler):
    import _ast
    t = handler.type
    names = [t] if t is not None and type(t) is not _ast.Tuple else (t.elts if t is not None else [])
    ids = [getattr(n, "id", "") for n in names]
    return not ids or any(i in ("ImportError", "ModuleNotFoundError", "NameError", "AttributeError", "Exception", "BaseException") for i in ids)


def _names(table, defined, missing, st, top):
    for name, flags in table.symbols.items():
        scope = (flags >> st.SCOPE_OFF) & st.SCOPE_MASK
        reads = flags & st.USE
        if not reads or name in defined or name in _known or hasattr(builtins, name):
            continue
        if scope in (st.GLOBAL_IMPLICIT, st.GLOBAL_EXPLICIT) or (top and scope == 0):
            missing.add(name)
    for child in table.children:
        # A name that a function declares global and assigns is the module's.
        for name, flags in child.symbols.items():
            if (flags >> st.SCOPE_OFF) & st.SCOPE_MASK == st.GLOBAL_EXPLICIT and flags & st.DEF_LOCAL:
                defined.add(name)
    for child in table.children:
        _names(child, defined, missing, st, False)


# Modules of the standard library that this interpreter was built without.
_absent = set()


def _module(found, name, line, guarded):
    top = name.split(".")[0]
    if top not in sys.stdlib_module_names and top not in sys.builtin_module_names:
        if not guarded:
            found.append(("package", top, line, ""))
        return
    try:
        __import__(name)
    except ImportError:
        parent, _, last = name.rpartition(".")
        try:
            if not parent:
                raise ImportError
            whole = __import__(parent, fromlist=["x"])
        except BaseException:
            found.append(("absent_module", name, line, ""))
            return
        if not guarded:
            if parent in ("os", "collections", "json", "math", "string", "random", "itertools", "functools", "datetime", "re"):
                found.append(("invented_module", name, line, parent + "." + _nearest(last, dir(whole)) if _nearest(last, dir(whole)) else ""))
            else:
                found.append(("absent_module", name, line, ""))
    except BaseException:
        found.append(("absent_module", name, line, ""))


# Names of the standard library that are there on other systems alone.
_elsewhere = {"os", "sys", "signal", "socket", "select", "time", "posix", "subprocess", "multiprocessing", "threading", "ctypes", "locale", "errno",
              "mmap", "resource", "fcntl", "termios", "asyncio", "tempfile", "shutil", "platform"}


def _attribute(found, module, name, line):
    top = module.split(".")[0]
    if top not in sys.stdlib_module_names or top in _elsewhere or name.startswith("__"):
        return
    try:
        m = __import__(module, fromlist=["x"])
    except BaseException:
        return
    if hasattr(m, name):
        return
    try:
        __import__(module + "." + name)
        return
    except BaseException:
        pass
    found.append(("invented_name", module + "." + name, line, _nearest(name, dir(m), module + ".")))


def _nearest(name, names, prefix=""):
    import difflib
    near = difflib.get_close_matches(name, [n for n in names if not n.startswith("_")], 1, 0.6)
    return prefix + near[0] if near else ""


def _sleep(seconds):
    """Waits by looking at the clock: there is nothing to wait on here."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


time.sleep = _sleep

# The parts that an interpreter can play.

class _Noise:
    """Where prints go: kept up to a limit, then counted."""

    encoding, errors, newlines = "utf-8", "replace", None

    def __init__(self, limit):
        self.limit, self.parts, self.size = limit, [], 0

    def write(self, text):
        if self.size < self.limit:
            self.parts.append(str(text)[:self.limit - self.size])
        self.size += len(text)
        return len(text)

    def flush(self):
        pass

    def isatty(self):
        return False

    def text(self):
        return "".join(self.parts)


class _Nothing:
    """The standard input of what is not given any."""

    def read(self, n=-1):
        return ""

    readline = read

    def readlines(self):
        return []

    def __iter__(self):
        return iter(())


def _load(source, noise, imports=()):
    names = {"__name__": "__main__", "__builtins__": builtins}
    for line in imports:
        try:
            exec(line, names)
        except Exception:
            pass
    sys.stdin, sys.stdout, sys.stderr = _Nothing(), noise, noise
    exec(compile(source, "<code>", "exec", dont_inherit=True), names)
    return names


def _fault(e):
    name, text, line = getattr(e, "_far", (type(e).__name__, _text(e), _line(e)))
    return (name, text, line)


def code(source, imports):
    """Plays the code under test: says what can be seen, runs it, answers. The
    tests were written to stand in one file with it, so that it finds what they
    import; it is told nothing else of them."""
    side, noise = Side(), _Noise(20000)
    try:
        seen = _look(source)
    except (SyntaxError, ValueError) as e:
        _send(b"R", _pack(("syntax", [], (type(e).__name__, getattr(e, "msg", "") or _text(e), getattr(e, "lineno", 0) or 0)), side))
        return
    except (RecursionError, MemoryError) as e:
        _send(b"R", _pack(("unread", [], _fault(e)), side))
        return
    _send(b"R", _pack(("seen", seen, None), side))
    try:
        names = _load(source, noise, imports)
    except Gone:
        return
    except BaseException as e:
        _send(b"R", _pack(("raised", [], _fault(e)), side))
        return
    mine = {k: v for k, v in names.items() if not k.startswith("__") and type(v) is not type(sys)}
    _send(b"R", _pack(("ran", sorted(map(str, mine)), None), side))
    table = [(k, v) for k, v in mine.items() if type(k) is str]
    _send(b"B", _pack(("gave", {}, dict(table)), side))
    try:
        while True:
            kind, body = _receive()
            side.answer(body)
    except Gone:
        pass


def tests(source, entry):
    """Plays the tests: the code's names are stand-ins that ask for values."""
    side, noise = Side(), _Noise(20000)
    kind, body = _receive()
    theirs = _unpack(body, side)[2]
    names = {"__name__": "__main__", "__builtins__": builtins}
    for name, value in theirs.items():
        if type(value) is Far and value._type == "type":
            side.strange = True
        if type(value) is Far and value._calls:
            value = _stand_in(side, name, value)
        names[name] = value
    if entry and entry in names:
        names.setdefault("candidate", names[entry])
    sys.stdout = sys.stderr = noise
    try:
        exec(compile(source, "<tests>", "exec", dont_inherit=True), names)
        how = ("held", None, 0)
    except Gone:
        how = ("gone", None, 0)
    except BaseException as e:
        how = ("exit" if isinstance(e, SystemExit) and not hasattr(e, "_far") else "failed", _fault(e), _line(e, "<tests>"))
        if how[0] == "exit" and not e.code:
            how = ("held", None, 0)
        elif isinstance(e, Apart):
            how = ("apart", _fault(e), 0)
        elif not hasattr(e, "_far") and not isinstance(e, AssertionError) and side.strange:
            how = ("apart", _fault(e), 0)
    last = side.calls[-1] if side.calls else None
    _send(b"R", _pack((how[0], how[1], how[2], last, side.trusted, len(side.calls)), side))


Side.strange = False


def _short(v):
    try:
        text = repr(v)
    except BaseException:
        text = "?"
    return text if len(text) <= 400 else text[:400] + "…"


def _stand_in(side, name, far):
    """Makes a function of the other side one of this side, and remembers what
    it was asked last."""
    def stand_in(*args, **named):
        said = ", ".join([_short(a) for a in args] + ["%s=%s" % (k, _short(v)) for k, v in named.items()])
        call = ["%s(%s)" % (name, said), ""]
        side.calls.append(call)
        del side.calls[:-50]
        side.count = getattr(side, "count", 0) + 1
        try:
            got = far(*args, **named)
        except Exception as e:
            call[1] = "raised %s: %s" % (getattr(e, "_far", (type(e).__name__, _text(e)))[:2])
            raise
        call[1] = _short(got) if type(got) is not Far else got._type
        if type(got) is Far:
            side.strange = True
        return got
    stand_in.__name__ = stand_in.__qualname__ = name
    return stand_in


def together(source, check, entry):
    """Runs code and tests in one interpreter, where the tests cannot be kept
    from the code: its verdict is said to trust it."""
    side, noise = Side(), _Noise(20000)
    names = None
    try:
        names = _load(source, noise)
        if entry and entry in names:
            names.setdefault("candidate", names[entry])
        exec(compile(check, "<tests>", "exec", dont_inherit=True), names)
        how = ("held", None, 0)
    except BaseException as e:
        how = ("failed", _fault(e), _line(e, "<tests>"))
        if isinstance(e, SystemExit) and not e.code and names is not None:
            how = ("held", None, 0)
    _send(b"R", _pack((how[0], how[1], how[2], None, True, 0), side))


def program(source, text):
    """Runs the code as a program: what it prints is what it is judged by."""
    import io
    side, noise, errors = Side(), _Noise(1 << 20), _Noise(20000)
    try:
        seen = _look(source)
    except (SyntaxError, ValueError) as e:
        _send(b"R", _pack(("syntax", [], (type(e).__name__, getattr(e, "msg", "") or _text(e), getattr(e, "lineno", 0) or 0)), side))
        return
    except (RecursionError, MemoryError) as e:
        _send(b"R", _pack(("unread", [], _fault(e)), side))
        return
    _send(b"R", _pack(("seen", seen, None), side))
    sys.stdin = io.StringIO(text)
    sys.stdout, sys.stderr = noise, errors
    how, code_ = None, 0
    try:
        exec(compile(source, "<code>", "exec", dont_inherit=True), {"__name__": "__main__", "__builtins__": builtins})
    except SystemExit as e:
        code_ = e.code if type(e.code) is int else (0 if e.code is None else 1)
    except BaseException as e:
        how, code_ = _fault(e), 1
    _send(b"R", _pack(("printed", noise.text(), how, code_, noise.size), side))


def _main():
    kind, body = _receive()
    part, args = _unpack(body, Side())
    {"code": code, "tests": tests, "together": together, "program": program}[part](*args)


_main()
