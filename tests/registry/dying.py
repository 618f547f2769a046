"""Processes that kill themselves at their nth change of a lake's files."""

STEP = """
steps = 0
def step(whole):
    def run(*args, **kwargs):
        global steps
        steps += 1
        if steps == last:  # half of the deaths come before the step, half after it
            if last % 2:
                whole(*args, **kwargs)
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(*args, **kwargs)
    return run
"""
"""`step` wraps what changes a file: the process, which imports os and signal, dies at its `last` call."""

DYING = f"""
import os, signal, sys
from pathlib import Path
from registry import compaction
from registry.generations import Files
from registry.lake import Lake
home, last = Path(sys.argv[1]), int(sys.argv[2])
{STEP}
Files.put = step(Files.put)
compaction._take_over = step(compaction._take_over)
"""
"""How such a script begins: `home` and `last` are its first arguments; `step` wraps what else changes a file."""
