"""A graph of a million nodes goes forward, backward and away with a stack of 512 kB."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import gc, sys, threading
import pydl

gc.disable()  # reference counting frees it all, and passes over a growing graph take long

def walk_and_free(n):
    x = pydl.ones(1, requires_grad=True)
    y = x
    for i in range(n):
        y = y * 1.0 if i % 2 else y + 0.0
    y.backward()
    assert x.grad.item() == 1.0

def free_unwalked(n):
    x = pydl.ones(1, requires_grad=True)
    y, z = x, x
    for _ in range(n // 2):
        y, z = y * z, z * 1.0
    del y, z

task, n = globals()[sys.argv[1]], int(sys.argv[2])
task(n)
threading.stack_size(512 * 1024)
thread = threading.Thread(target=task, args=(n // 10,))
thread.start()
thread.join()
print("done")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the stack of a process is fixed there")
@pytest.mark.parametrize("task", ["walk_and_free", "free_unwalked"])
def test_a_million_nodes_with_a_small_stack(task: str) -> None:
    import resource

    def small_stack() -> None:
        resource.setrlimit(resource.RLIMIT_STACK, (512 * 1024, 512 * 1024))

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, task, "1000000"],
        preexec_fn=small_stack,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
