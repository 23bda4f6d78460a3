"""Builds the programs and writes copies of them that differ in the stamped slowdown and in nothing else."""

import os
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
TARGET = HERE / "target"
LABEL = b"GATES-SLOWDOWN-PPM="
DIGITS = 10


def build(program):
    """Builds one program at low priority; returns None, or why it cannot be built.

    The packages are built one by one, so that a peer that does not build here takes no other peer with it.
    """
    command = ["cargo", "build", "--release", "--locked", "--package", program, "--target-dir", str(TARGET)]
    try:
        run = subprocess.run(command, cwd=HERE, capture_output=True, text=True, preexec_fn=lambda: os.nice(10))
    except OSError as error:
        return f"cargo does not start: {error}"
    if run.returncode == 0:
        return None
    errors = [line for line in run.stderr.splitlines() if line.startswith("error")]
    return f"{program} does not build: {errors[0] if errors else run.stderr.strip()[-200:]}"


def built(program):
    return TARGET / "release" / program


def stamped(program, slowdown):
    """The bytes of a built program with the slowdown in its stamp."""
    code = built(program).read_bytes()
    places = code.count(LABEL)
    if places != 1:
        raise RuntimeError(f"{program} holds the stamp {places} times; it has to be there once")
    start = code.index(LABEL) + len(LABEL)
    digits = f"{round(slowdown * 1e6):+0{DIGITS}d}".encode()
    return code[:start] + digits + code[start + DIGITS :]


class Arms:
    """The two arms of every program and slowdown, as new files.

    New files lie on other pages of memory, so writing them again for every round keeps one lucky or unlucky placement
    from deciding a whole run. Their paths have the same length for both arms: a longer one moves the stack.
    """

    def __init__(self, programs, slowdowns):
        self.programs, self.slowdowns = programs, slowdowns
        self.folder = TARGET / "arms" / str(os.getpid())

    def write(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        for slowdown in self.slowdowns:
            for arm, share in (("base", 0.0), ("cand", slowdown)):
                for program in self.programs:
                    path = self.path(program, arm, slowdown)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(stamped(program, share))
                    path.chmod(0o755)

    def path(self, program, arm, slowdown):
        return self.folder / f"{arm}{round(slowdown * 1e6):+0{DIGITS}d}" / program

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)
