"""Source is parsed in several threads at a time, as answers are graded."""

import gc
import inspect
import sys
import threading
import time

import pytest

from weighbridge.sources import python_code


class LetsOthersRun:
    """Collected as rubbish while a tree is built, it hands the interpreter to another thread."""

    def __del__(self):
        time.sleep(0)


@pytest.mark.slow
def test_trees_are_built_in_several_threads():
    """`ast.parse` alone fails within some thousand trees here, with a SystemError."""
    source, failed = inspect.getsource(threading), []

    def build():
        for _ in range(40):
            loops = [LetsOthersRun() for _ in range(3)]
            for one in loops:
                one.itself = one
            del loops, one
            try:
                python_code.syntax_tree(source)
                assert python_code.literal("[1, {'a': (2, 3)}]") == [1, {"a": (2, 3)}]
            except BaseException as error:
                failed.append(error)

    switching, threshold = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(5, 2, 2)
    try:
        threads = [threading.Thread(target=build) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(switching)
        gc.set_threshold(*threshold)
    assert failed == []
