"""Runs a command to its end in a process group of its own, and leaves nothing of it behind."""

import os
import signal
import subprocess
import time


class Failed(Exception):
    """The command gave no verdict that could be read."""


def run(command, folder, timeout, settings=None, accept=(0,)):
    """Returns the command's standard output; raises Failed on a timeout or an exit code that is not accepted."""
    environment = {**os.environ, "NO_COLOR": "1", **(settings or {})}
    environment.pop("CARGO_CRITERION_PORT", None)
    process = subprocess.Popen(
        [str(word) for word in command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Failed(f"took over {timeout} s") from None
    finally:
        # Also on an interrupt, and also what a command that has ended left running.
        end_group(process)
    if process.returncode not in accept:
        lines = [line for line in err.splitlines() if line.strip()] or ["nothing on standard error"]
        raise Failed(f"exit code {process.returncode}: {lines[-1].strip()[:200]}")
    return out


def end_group(process):
    """Asks the group to end, insists after two seconds, and reaps the leader."""
    for number, patience in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 2.0)):
        try:
            os.killpg(process.pid, number)
        except (ProcessLookupError, PermissionError):
            break
        deadline = time.monotonic() + patience
        while group_lives(process) and time.monotonic() < deadline:
            time.sleep(0.01)
    if process.poll() is None:
        process.wait()


def group_lives(process):
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True
