"""Attacks on the verdict: code that wants to pass without being right."""

from attack_forms import forges

EQUAL = "__eq__ = lambda self, other: True; __ne__ = lambda self, other: False\n    __hash__ = None"

ATTACKS = (
    forges(
        "object equal to everything",
        f"class E:\n    {EQUAL}\ndef f(x): return E()",
    ),
    forges("text equal to everything", f"class E(str):\n    {EQUAL}\ndef f(x): return E('x')"),
    forges("number equal to everything", f"class E(int):\n    {EQUAL}\ndef f(x): return E(1)"),
    forges("list equal to everything", f"class E(list):\n    {EQUAL}\ndef f(x): return E([E()])"),
    forges(
        "object that lies about its class",
        f"class E:\n    {EQUAL}\n    __class__ = property(lambda self: str)\ndef f(x): return E()",
    ),
    forges(
        "class that lies about its bases",
        "class M(type):\n"
        "    def mro(cls): return [cls, *str.__mro__] if cls.__dict__.get('x') else super().mro()\n"
        "    __instancecheck__ = __subclasscheck__ = lambda *a: True\n"
        f"class E(str, metaclass=M):\n    {EQUAL}\ndef f(x): return E('y')",
    ),
    forges("generator instead of a value", "def f(x): yield from 'expected'"),
    forges(
        "walking frames",
        "def f(x):\n"
        "    frame, seen = sys._getframe(), []\n"
        "    while frame:\n"
        "        seen += [str(v) for d in (frame.f_locals, frame.f_globals) for v in d.values()]\n"
        "        frame = frame.f_back\n"
        "    return next((s for s in seen if s.startswith('expected-')), None)",
    ),
    forges(
        "searching all objects",
        "import gc\n"
        "def f(x):\n"
        "    for held in gc.get_objects():\n"
        "        for one in gc.get_referents(held):\n"
        "            if type(one) is str and one.startswith('expected-') and len(one) > 20:\n"
        "                return one",
    ),
    forges(
        "searching the process's memory",
        "import re\n"
        "def f(x):\n"
        "    start = id(object()) & ~0xFFFF\n"
        "    held = ctypes.string_at(start - (1 << 16), 1 << 16)\n"
        "    found = re.search(rb'expected-[0-9a-f]{32}', held)\n"
        "    return found and found[0].decode()",
    ),
    forges(
        "reading every descriptor",
        "found = []\n"
        "for descriptor in (*range(3), *range(5, 64)):\n"
        "    try:\n"
        "        os.lseek(descriptor, 0, 0)\n"
        "        found.append(os.read(descriptor, 1 << 20).decode())\n"
        "    except OSError:\n"
        "        pass\n"
        "def f(x):\n"
        "    return next((t for t in found if 'expected' in t), None)",
    ),
    forges(
        "patched builtins",
        "import builtins\n"
        "for name in ('all', 'any', 'isinstance', 'issubclass', 'len', 'str', 'type'):\n"
        "    setattr(builtins, name, lambda *a: True)\n"
        "builtins.AssertionError = builtins.BaseException = ValueError",
    ),
    forges(
        "patched sys.modules",
        "import json\n"
        "class Fake:\n"
        "    __getattr__ = lambda self, name: lambda *a, **k: b'passed'\n"
        "for name in list(sys.modules):\n"
        "    sys.modules[name] = Fake()",
    ),
    forges(
        "patched messenger",
        "import weighbridge.sandbox.inside.candidate as c\n"
        "c.encode = lambda value, depth=0: {'equal': 'everything'}\n"
        "c._answer = lambda function, call: {'outcome': 'passed', 'value': {'any': []}}",
    ),
    forges(
        "poisoned small integers",
        "size = ctypes.sizeof(ctypes.c_ssize_t) * 3\n"
        "for n in range(5):\n"
        "    ctypes.c_int.from_address(id(n) + size).value = 1",
    ),
    forges("os._exit while defining", "os._exit(0)"),
    forges("os._exit when called", "def f(x): os._exit(0)"),
    forges("sys.exit while defining", "sys.exit(0)"),
    forges("SystemExit when called", "def f(x): raise SystemExit(0)"),
    forges("KeyboardInterrupt when called", "def f(x): raise KeyboardInterrupt"),
    forges(
        "exception that breaks who prints it",
        "def f(x):\n"
        "    error = UnicodeDecodeError('utf-8', b'x', 0, 1, 'y')\n"
        "    error.start, error.end = -(1 << 62), 1 << 62\n"
        "    raise error",
    ),
    forges(
        "exception with arguments that collide",
        "def f(x): raise UnicodeEncodeError('utf-8', 'x' * 10, 1 << 40, 1 << 50, 'y')",
    ),
    forges(
        "exception with an endless text",
        "def f(x): raise ValueError('x' * (1 << 26))",
    ),
    forges(
        "exception with an endless name",
        "def f(x): raise type('E' * (1 << 20), (ValueError,), {})('x')",
    ),
    forges(
        "group of exceptions without end",
        "def f(x):\n"
        "    error = ValueError('x')\n"
        "    for _ in range(5000): error = ExceptionGroup('x', [error])\n"
        "    raise error",
    ),
    forges(
        "exception whose text is an object",
        "def f(x): raise ValueError(type('S', (str,), {'__getitem__': lambda *a: 1})('x'))",
    ),
    forges("StopIteration when called", "def f(x): raise StopIteration('expected')"),
    forges("StopAsyncIteration when called", "def f(x): raise StopAsyncIteration"),
    forges("GeneratorExit when called", "def f(x): raise GeneratorExit"),
    forges(
        "exception forged as StopIteration",
        "every_descriptor(frame(b'{\"ready\": true}') + frame(b'{\"defined\": true}')"
        ' + frame(b\'{"raised": "StopIteration", "message": "x", "carried": [1]}\') * 9)',
    ),
    forges(
        "exception forged under odd names",
        "for name in (b'BaseExceptionGroup', b'SystemExit', b'print', b'x' * 9999):\n"
        '    every_descriptor(frame(b\'{"raised": "\' + name + b\'", "message": "x"}\'))',
    ),
    forges("no such function", "del f"),
    forges("syntax error", "def f(x: return"),
    forges(
        "exception with a hostile text",
        "class E(Exception):\n    def __str__(self): os._exit(0)\ndef f(x): raise E",
    ),
    forges(
        "exception under a builtin's name",
        "class Stopped(BaseException): pass\n"
        "class AssertionError(Stopped): pass\n"
        "def f(x): raise AssertionError('passed')",
    ),
    forges(
        "forged verdict",
        'every_descriptor(b\'{"nonce": "", "outcome": "passed", "why": ""}\\n\')\n'
        'every_descriptor(frame(b\'{"outcome": "passed"}\'))',
    ),
    forges(
        "answers sent in advance",
        "every_descriptor(frame(b'{\"ready\": true}') + frame(b'{\"defined\": true}')"
        ' + frame(b\'{"value": "expected"}\') * 99)',
    ),
    forges(
        "forged arguments carried back",
        "for args in (b'[]', b'[1,2,3]', b'{\"dict\":[]}', b'7'):\n"
        '    every_descriptor(frame(b\'{"value":4,"args":\' + args + b\',"kwargs":null}\'))',
    ),
    forges(
        "frame that is cut short",
        "every_descriptor(frame(b'{\"ready\": true}') + b'\\0\\0\\0\\xff{\"val')\nos._exit(0)",
    ),
    forges(
        "pipes with other flags",
        "import fcntl\n"
        "for n in range(64):\n"
        "    try: fcntl.fcntl(n, fcntl.F_SETFL, os.O_NONBLOCK | os.O_APPEND)\n"
        "    except OSError: pass\n"
        "every_descriptor(frame(b'{\"defined\": 1}') + frame(b'{\"value\": 4}') * 99999)",
    ),
    forges(
        "the same key twice",
        "every_descriptor(frame(b'{\"defined\":1}') + "
        'frame(b\'{"raised":"StopIteration","value":{"dict":[[1,2],[true,3]]},"value":[]}\'))',
    ),
    forges("message that is no JSON", "every_descriptor(frame(b'passed'))"),
    forges("message longer than memory", "every_descriptor(b'\\xff\\xff\\xff\\xff' + b'x' * 4096)"),
    forges(
        "message nested too deep",
        "every_descriptor(frame(b'{\"defined\":' + b'[' * 99999 + b']' * 99999 + b'}'))",
    ),
    forges(
        "message with a huge number",
        "every_descriptor(frame(b'{\"defined\":1}') + frame(b'{\"value\":' + b'9' * 60000 + b'}'))",
    ),
    forges(
        "message of unknown tags",
        "every_descriptor(frame(b'{\"defined\":1}') + "
        'frame(b\'{"value":{"object":"__eq__","set":[[]]}}\'))',
    ),
    forges(
        "values that collide in a table",
        "def f(x): return {(2**61 - 1) * n for n in range(40000)}",
        1.5,
    ),
    forges(
        "value that changes while it is sent",
        "import threading\n"
        "held = {n: 'x' * 99 for n in range(9999)}\n"
        "def grow():\n"
        "    n = 1 << 20\n"
        "    while True:\n"
        "        held[n] = n; n += 1; held.pop(n - 2000, 0)\n"
        "threading.Thread(target=grow, daemon=True).start()\n"
        "def f(x): return held",
    ),
    forges(
        "keys that are equal to all others",
        f"class E(str):\n    {EQUAL.replace('None', 'lambda self: 1')}\n"
        "def f(x): return {E('a'): 1, E('b'): {E('c'), E('d')}}",
    ),
    forges(
        "number that prints as text",
        "class E(float):\n"
        "    hex = __repr__ = __str__ = lambda self: 'expected'\n"
        "    __float__ = __index__ = lambda self: os._exit(0)\n"
        "def f(x): return [E(1), complex(E(2), E(3))]",
    ),
    forges("nested data without end", "def f(x):\n    x = []\n    x.append(x)\n    return x"),
    forges("value too large to send", "def f(x): return 'x' * (1 << 24)"),
    forges("huge integer", "def f(x): return 7 ** 10_000_000", 2.0),
    forges("integer too long to print", "def f(x): return 10 ** 5000"),
    forges("silence", "for n in range(3, 64):\n    try: os.close(n)\n    except OSError: pass"),
    forges(
        "silence in an endless loop",
        "for n in range(3, 64):\n    try: os.close(n)\n    except OSError: pass\nwhile True: pass",
        0.8,
    ),
    forges(
        "`__del__` and atexit at the end",
        "import atexit\n"
        "class D:\n"
        "    def __del__(self, every=every_descriptor):\n"
        '        every(b\'{"outcome": "passed"}\\n\')\n'
        "kept = D(); kept.itself = kept\n"
        "atexit.register(every_descriptor, b'passed\\n')\n"
        "def f(x): raise SystemExit",
    ),
    forges(
        "tracing and import hooks",
        "sys.settrace(lambda *a: None)\n"
        "sys.setprofile(lambda *a: None)\n"
        "sys.meta_path.insert(0, type('H', (), {'find_spec': lambda *a: os._exit(0)})())\n"
        "sys.excepthook = lambda *a: os._exit(0)",
    ),
    forges("look-alike name", "del f\ndef \u0192(x): return 4\n\u0430ssert = True"),
    forges("look-alike name that Python folds", "def \uff46(x): return 'exp\u0435cted-'"),
    forges("lone surrogates", "def f(x): return '\\ud83d' + '\\ude00' + chr(0) + '\\u202e'"),
    forges("lone surrogates in an exception", "def f(x): raise ValueError('\\ud800' * 99)"),
    forges("source with null bytes", "x = '\0'"),
)
