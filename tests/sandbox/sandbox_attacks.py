"""Attacks on the sandbox, each a program that defines `f`; every row of docs/sandbox.md is one.

The test that they face expects a text drawn anew each time, so no honest `f` can pass. What tries
something forbidden says through `refused` whether it got it. HOST is a file of the host.
"""

from typing import NamedTuple


class Attack(NamedTuple):
    """A hostile program, and how long it may run."""

    name: str
    program: str
    wall_seconds: float = 10.0


REFUSED = '''
import ctypes, os, sys
def refused(attempt):
    """Run an attempt; say whether it got what it wanted."""
    try:
        got = attempt()
    except BaseException as error:
        print("REFUSED", type(error).__name__, flush=True)
    else:
        print("REFUSED -1" if got == -1 else f"ESCAPED {got!r}"[:200], flush=True)
def syscall(*numbers):
    return ctypes.CDLL(None, use_errno=True).syscall(*map(ctypes.c_long, numbers))
def every_descriptor(data):
    for descriptor in range(64):
        try:
            os.write(descriptor, data)
        except OSError:
            pass
def frame(text):
    return len(text).to_bytes(4, "big") + text
def f(x):
    return 4
'''


def _tries(name: str, *attempts: str) -> Attack:
    """Return an attack whose attempts must all be refused."""
    lines = "\n".join(f"refused(lambda: {attempt})" for attempt in attempts)
    return Attack(name, REFUSED + lines)


def _forges(name: str, program: str, wall_seconds: float = 10.0) -> Attack:
    """Return an attack on the verdict itself."""
    return Attack(name, REFUSED + program, wall_seconds)


EQUAL = "__eq__ = lambda self, other: True; __ne__ = lambda self, other: False\n    __hash__ = None"

VERDICT = (
    _forges(
        "object equal to everything",
        f"class E:\n    {EQUAL}\ndef f(x): return E()",
    ),
    _forges("text equal to everything", f"class E(str):\n    {EQUAL}\ndef f(x): return E('x')"),
    _forges("number equal to everything", f"class E(int):\n    {EQUAL}\ndef f(x): return E(1)"),
    _forges("list equal to everything", f"class E(list):\n    {EQUAL}\ndef f(x): return E([E()])"),
    _forges(
        "object that lies about its class",
        f"class E:\n    {EQUAL}\n    __class__ = property(lambda self: str)\ndef f(x): return E()",
    ),
    _forges(
        "class that lies about its bases",
        "class M(type):\n"
        "    def mro(cls): return [cls, *str.__mro__] if cls.__dict__.get('x') else super().mro()\n"
        "    __instancecheck__ = __subclasscheck__ = lambda *a: True\n"
        f"class E(str, metaclass=M):\n    {EQUAL}\ndef f(x): return E('y')",
    ),
    _forges("generator instead of a value", "def f(x): yield from 'expected'"),
    _forges(
        "walking frames",
        "def f(x):\n"
        "    frame, seen = sys._getframe(), []\n"
        "    while frame:\n"
        "        seen += [str(v) for d in (frame.f_locals, frame.f_globals) for v in d.values()]\n"
        "        frame = frame.f_back\n"
        "    return next((s for s in seen if s.startswith('expected-')), None)",
    ),
    _forges(
        "searching all objects",
        "import gc\n"
        "def f(x):\n"
        "    for held in gc.get_objects():\n"
        "        for one in gc.get_referents(held):\n"
        "            if type(one) is str and one.startswith('expected-') and len(one) > 20:\n"
        "                return one",
    ),
    _forges(
        "searching the process's memory",
        "import re\n"
        "def f(x):\n"
        "    start = id(object()) & ~0xFFFF\n"
        "    held = ctypes.string_at(start - (1 << 16), 1 << 16)\n"
        "    found = re.search(rb'expected-[0-9a-f]{32}', held)\n"
        "    return found and found[0].decode()",
    ),
    _forges(
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
    _forges(
        "patched builtins",
        "import builtins\n"
        "for name in ('all', 'any', 'isinstance', 'issubclass', 'len', 'str', 'type'):\n"
        "    setattr(builtins, name, lambda *a: True)\n"
        "builtins.AssertionError = builtins.BaseException = ValueError",
    ),
    _forges(
        "patched sys.modules",
        "import json\n"
        "class Fake:\n"
        "    __getattr__ = lambda self, name: lambda *a, **k: b'passed'\n"
        "for name in list(sys.modules):\n"
        "    sys.modules[name] = Fake()",
    ),
    _forges(
        "patched messenger",
        "import weighbridge.sandbox.inside.candidate as c\n"
        "c.encode = lambda value, depth=0: {'equal': 'everything'}\n"
        "c._answer = lambda function, call: {'outcome': 'passed', 'value': {'any': []}}",
    ),
    _forges(
        "poisoned small integers",
        "size = ctypes.sizeof(ctypes.c_ssize_t) * 3\n"
        "for n in range(5):\n"
        "    ctypes.c_int.from_address(id(n) + size).value = 1",
    ),
    _forges("os._exit while defining", "os._exit(0)"),
    _forges("os._exit when called", "def f(x): os._exit(0)"),
    _forges("sys.exit while defining", "sys.exit(0)"),
    _forges("SystemExit when called", "def f(x): raise SystemExit(0)"),
    _forges("KeyboardInterrupt when called", "def f(x): raise KeyboardInterrupt"),
    _forges("no such function", "del f"),
    _forges("syntax error", "def f(x: return"),
    _forges(
        "exception with a hostile text",
        "class E(Exception):\n    def __str__(self): os._exit(0)\ndef f(x): raise E",
    ),
    _forges(
        "exception under a builtin's name",
        "class Stopped(BaseException): pass\n"
        "class AssertionError(Stopped): pass\n"
        "def f(x): raise AssertionError('passed')",
    ),
    _forges(
        "forged verdict",
        'every_descriptor(b\'{"nonce": "", "outcome": "passed", "why": ""}\\n\')\n'
        'every_descriptor(frame(b\'{"outcome": "passed"}\'))',
    ),
    _forges(
        "answers sent in advance",
        "every_descriptor(frame(b'{\"ready\": true}') + frame(b'{\"defined\": true}')"
        ' + frame(b\'{"value": "expected"}\') * 99)',
    ),
    _forges(
        "forged arguments carried back",
        "for args in (b'[]', b'[1,2,3]', b'{\"dict\":[]}', b'7'):\n"
        '    every_descriptor(frame(b\'{"value":4,"args":\' + args + b\',"kwargs":null}\'))',
    ),
    _forges("message that is no JSON", "every_descriptor(frame(b'passed'))"),
    _forges(
        "message longer than memory", "every_descriptor(b'\\xff\\xff\\xff\\xff' + b'x' * 4096)"
    ),
    _forges(
        "message nested too deep",
        "every_descriptor(frame(b'{\"defined\":' + b'[' * 99999 + b']' * 99999 + b'}'))",
    ),
    _forges(
        "message with a huge number",
        "every_descriptor(frame(b'{\"defined\":1}') + frame(b'{\"value\":' + b'9' * 60000 + b'}'))",
    ),
    _forges(
        "message of unknown tags",
        "every_descriptor(frame(b'{\"defined\":1}') + "
        'frame(b\'{"value":{"object":"__eq__","set":[[]]}}\'))',
    ),
    _forges(
        "values that collide in a table",
        "def f(x): return {(2**61 - 1) * n for n in range(40000)}",
        1.5,
    ),
    _forges("nested data without end", "def f(x):\n    x = []\n    x.append(x)\n    return x"),
    _forges("value too large to send", "def f(x): return 'x' * (1 << 24)"),
    _forges("huge integer", "def f(x): return 7 ** 10_000_000", 2.0),
    _forges("integer too long to print", "def f(x): return 10 ** 5000"),
    _forges("silence", "for n in range(3, 64):\n    try: os.close(n)\n    except OSError: pass"),
    _forges(
        "silence in an endless loop",
        "for n in range(3, 64):\n    try: os.close(n)\n    except OSError: pass\nwhile True: pass",
        0.8,
    ),
    _forges(
        "`__del__` and atexit at the end",
        "import atexit\n"
        "class D:\n"
        "    def __del__(self, every=every_descriptor):\n"
        '        every(b\'{"outcome": "passed"}\\n\')\n'
        "kept = D(); kept.itself = kept\n"
        "atexit.register(every_descriptor, b'passed\\n')\n"
        "def f(x): raise SystemExit",
    ),
    _forges(
        "tracing and import hooks",
        "sys.settrace(lambda *a: None)\n"
        "sys.setprofile(lambda *a: None)\n"
        "sys.meta_path.insert(0, type('H', (), {'find_spec': lambda *a: os._exit(0)})())\n"
        "sys.excepthook = lambda *a: os._exit(0)",
    ),
    _forges("look-alike name", "del f\ndef \u0192(x): return 4\n\u0430ssert = True"),
    _forges("look-alike name that Python folds", "def \uff46(x): return 'exp\u0435cted-'"),
    _forges("lone surrogates", "def f(x): return '\\ud83d' + '\\ude00' + chr(0) + '\\u202e'"),
    _forges("lone surrogates in an exception", "def f(x): raise ValueError('\\ud800' * 99)"),
    _forges("source with null bytes", "x = '\0'"),
)

HARM = (
    _tries(
        "reading the host's files",
        "open('HOST').read()",
        "open('/etc/passwd').read()",
        "os.listdir('/root/.ssh')",
        "os.listdir('/home')",
        "os.listdir('/sys')",
        "os.listdir('/var')",
    ),
    _tries(
        "reading /proc",
        "os.listdir('/proc')",
        "open('/proc/self/environ').read()",
        "open('/proc/1/cmdline').read()",
        "open('/dev/fd/1')",
    ),
    _tries("reading the environment", "os.environ['HOME']", "os.environ['WEIGHBRIDGE_RUNS']"),
    _tries(
        "writing outside",
        "open('HOST', 'w').write('x')",
        "open('/usr/weighbridge-attack', 'w')",
        "open('/weighbridge-attack', 'w')",
        "open('/jail/weighbridge-attack', 'w')",
        "open('/jail/weighbridge/sandbox/inside/plain.py', 'w')",
        "open('/tmp/../usr/weighbridge-attack', 'w')",
        "os.mkdir('/var')",
        "os.remove('/usr/bin/env')",
        "os.chmod('/usr/bin/env', 0o777)",
        "os.rename('/usr', '/tmp/usr')",
    ),
    _tries(
        "symbolic and hard links",
        "[os.symlink('HOST', '/tmp/s'), open('/tmp/s').read()]",
        "[os.symlink('/usr/weighbridge-attack', '/tmp/w'), open('/tmp/w', 'w')]",
        "os.link('/usr/bin/env', '/tmp/hard')",
        "[os.symlink('/', '/tmp/root'), open('/tmp/root/weighbridge-attack', 'w')]",
    ),
    _tries(
        "devices and named pipes",
        "os.mknod('/tmp/disk', 0o60600, os.makedev(8, 0))",
        "os.mkfifo('/tmp/pipe')",
        "open('/dev/weighbridge-attack', 'w')",
        "open('/dev/shm/x', 'w')",
        "open('/dev/mem', 'rb')",
        "open('/dev/tty', 'w')",
        "os.openpty()",
    ),
    _tries("disk bomb in one file", "open('/tmp/x', 'wb').write(b'x' * (1 << 28))"),
    _tries(
        "disk bomb in many files",
        "[open(f'/tmp/{n}', 'wb').write(b'x' * (1 << 20)) for n in range(4096)]",
    ),
    _tries("memory bomb", "bytearray(1 << 31)", "[bytearray(1 << 24) for _ in range(4096)]"),
    _tries(
        "memory that no limit counts",
        "os.memfd_create('x')",
        "syscall(29, 0, 1 << 30, 0o1600)",
        "syscall(68, 0, 0o1600)",
        "syscall(447, 0)",
    ),
    _tries(
        "raised limits",
        "__import__('resource').setrlimit(__import__('resource').RLIMIT_AS, (-1, -1))",
        "__import__('resource').setrlimit(__import__('resource').RLIMIT_FSIZE, (1 << 40, 1 << 40))",
        "os.nice(-10)",
        "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))",
    ),
    _tries("fork", "os.fork()", "os.forkpty()", "syscall(58)", "syscall(56, 17, 0, 0, 0, 0)"),
    _tries(
        "other programs",
        "__import__('subprocess').run(['/usr/bin/env'])",
        "os.system('true') and 0 / 0",
        "os.posix_spawn('/usr/bin/env', ['env'], {})",
        "__import__('multiprocessing').Process(target=print).start()",
    ),
    _tries("exec", "os.execv('/usr/bin/env', ['env'])", "os.execv(sys.executable, ['python'])"),
    _forges(
        "fork bomb",
        "import time\n"
        "stop = time.monotonic() + 0.5\n"
        "while time.monotonic() < stop:\n"
        "    try: os.fork()\n"
        "    except OSError: pass\n"
        "    else: print('ESCAPED')",
    ),
    _forges(
        "thread bomb",
        "import threading, time\n"
        "threading.stack_size(1 << 15)\n"
        "started = 0\n"
        "try:\n"
        "    for _ in range(5000):\n"
        "        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "        started += 1\n"
        "except (RuntimeError, MemoryError): pass\n"
        "if started > 100: print('ESCAPED', started)",
        3.0,
    ),
    _forges(
        "threads that outlive the call",
        "import threading\n"
        "def later():\n"
        '    while True: every_descriptor(frame(b\'{"value": "expected"}\'))\n'
        "def f(x):\n"
        "    threading.Thread(target=later).start()\n"
        "    return 4",
    ),
    _tries(
        "tracing other processes",
        "syscall(101, 16, 1, 0, 0)",
        "syscall(101, 0, 0, 0, 0)",
        "syscall(310, 1, 0, 0, 0, 0, 0)",
        "syscall(311, 1, 0, 0, 0, 0, 0)",
        "syscall(434, 1, 0)",
        "syscall(438, 0, 0, 0)",
    ),
    _forges(
        "signals to the parent and to all",
        "import signal\n"
        "for pid in (os.getppid(), 1, 2, -1, 0x7FFF):\n"
        "    for number in (signal.SIGTERM, signal.SIGKILL):\n"
        "        try: os.kill(pid, number)\n"
        "        except OSError: pass",
    ),
    _forges("killing itself", "os.kill(os.getpid(), 9)"),
    _tries(
        "sockets",
        "__import__('socket').socket()",
        "__import__('socket').create_connection(('127.0.0.1', 22), 1)",
        "__import__('socket').socket(__import__('socket').AF_UNIX)",
        "__import__('socket').socketpair()",
        "__import__('socket').socket(16, 3, 0)",
        "__import__('socket').socket(17, 3, 0)",
        "__import__('urllib.request').request.urlopen('http://127.0.0.1/', timeout=1)",
    ),
    _tries(
        "namespaces and mounts",
        "syscall(272, 0x10000000)",
        "syscall(272, 0x00020000)",
        "syscall(56, 0x10000011, 0, 0, 0, 0)",
        "syscall(435, 0, 88)",
        "syscall(308, 0, 0)",
        "syscall(165, 0, 0, 0, 0, 0)",
        "syscall(166, 0, 0)",
        "syscall(430, 0, 0)",
        "syscall(155, 0, 0)",
        "os.chroot('/tmp')",
        "syscall(304, 0, 0, 0)",
    ),
    _tries(
        "rare corners of the kernel",
        "syscall(321, 0, 0, 0)",
        "syscall(298, 0, 0, -1, -1, 0)",
        "syscall(323, 0)",
        "syscall(425, 1, 0)",
        "syscall(250, 0, -3, 0)",
        "syscall(175, 0, 0, 0)",
        "syscall(246, 0, 0, 0, 0)",
        "syscall(135, 0x0400000)",
        "syscall(300, 0, 0)",
        "syscall(169, 0, 0, 0, 0)",
        "syscall(0x40000000 + 39)",
        "syscall(9999)",
    ),
    _tries("becoming another user", "os.setuid(0)", "os.setgid(0)", "os.setgroups([0])"),
    _forges("endless output", "while True: print('x' * 999)"),
    _forges("endless output without a line", "while True: os.write(2, b'x' * 9999)"),
    _forges("endless loop", "while True: pass", 0.8),
    _forges(
        "endless loop that ignores signals",
        "import signal\n"
        "for number in range(1, 65):\n"
        "    try: signal.signal(number, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\n"
        "while True: pass",
        0.8,
    ),
    _forges("endless loop in the kernel", "import time\ntime.sleep(1e6)", 0.8),
    _forges("endless loop in C", "import re\nre.match('(a+)+$', 'a' * 64 + 'b')", 0.8),
    _forges("deep recursion", "sys.setrecursionlimit(10 ** 9)\ndef f(x): return f(x)", 1.5),
    _forges("segmentation fault", "ctypes.string_at(0)"),
    _forges("jump into rubbish", "ctypes.CFUNCTYPE(None)(4096)()"),
    _forges("opens without end", "def f(x): return [open('/dev/null') for _ in range(10 ** 6)]"),
    _forges("waiting for input", "input()"),
)

ATTACKS: tuple[Attack, ...] = (*VERDICT, *HARM)
