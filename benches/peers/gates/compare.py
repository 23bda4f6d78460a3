#!/usr/bin/env python3
"""Runs the regression gates side by side: the same kernels, the same minutes, the same seconds for each.

In every round every tool judges every kernel at every slowdown once, in random order. What a tool decides by its own rule
is written down as it says it; README.md beside this script tells those rules.
"""

import sys

sys.dont_write_bytecode = True  # before the neighbours are imported: no cache beside the sources

import argparse
import dataclasses
import json
import os
import pathlib
import random
import signal
import tempfile
import time

import stamp
import table
from judges import Answer, Trial, judges, why_not
from noise import Neighbours
from processes import Failed

KERNELS = ("spin", "stream")
DEFAULT_TOOLS = "criterion,tango,tango-outliers,zenbench,perfkit"
ROOT = stamp.HERE.parents[2]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words = lambda text: [word for word in text.split(",") if word]
    numbers = lambda text: [float(word) for word in words(text)]
    add = parser.add_argument
    add("--rounds", type=int, default=10, help="trials of each tool, kernel and slowdown (default 10)")
    add("--slowdowns", type=numbers, default=[0, 0.01, 0.02, 0.03, 0.05], help="shares (default 0,0.01,0.02,0.03,0.05)")
    add("--kernels", type=words, default=list(KERNELS), help="of spin,stream")
    add("--tools", type=words, default=words(DEFAULT_TOOLS), help=f"default {DEFAULT_TOOLS}; also zenbench-confirm")
    add("--seconds", type=float, help="measuring time of both arms together, for every tool (default: each tool's own)")
    add("--margin", type=float, metavar="PERCENT", help="practical margin of every tool (default: each tool's own)")
    add("--noise", action="store_true", help="run two bursty neighbours beside everything")
    add("--seed", type=int, help="of the random order (default: drawn, and printed)")
    add("--out", type=pathlib.Path, default=stamp.TARGET / "gates.jsonl", help="journal, one JSON row a line; appended")
    add("--timeout", type=float, default=180, help="seconds after which a trial has failed (default 180)")
    add("--perfkit", default=None, help="the perfkit command (default: on PATH, or this checkout's release build)")
    add("--perfkit-arg", action="append", default=[], help="one more argument for perfkit regress; may be repeated")
    add("--table", nargs="+", metavar="JOURNAL", help="run nothing; print the table of these journals")
    options = parser.parse_args()
    unknown = set(options.kernels) - set(KERNELS) | set(options.tools) - set(judges(None, []))
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return options


class Journal:
    """Rows, each on disk before the next trial starts."""

    def __init__(self, options):
        options.out.parent.mkdir(parents=True, exist_ok=True)
        self.file = open(options.out, "a")
        self.rows = []
        self.common = {"seconds": options.seconds, "margin_percent": options.margin, "noise": options.noise}
        self.common["seed"] = options.seed

    def write(self, kind, **fields):
        row = {"row": kind, **self.common, **fields}
        self.rows.append(row)
        self.file.write(json.dumps(row) + "\n")
        self.file.flush()
        os.fsync(self.file.fileno())


def pressure():
    """The share of the last ten seconds in which somebody waited for a CPU, in percent, where the kernel tells."""
    try:
        text = pathlib.Path("/proc/pressure/cpu").read_text()
        return float(text.split("avg10=")[1].split()[0])
    except (OSError, IndexError, ValueError):
        return None


def usable(options, journal):
    """The tools that can be asked here. The others are named with the reason, in the journal and on the terminal."""
    perfkit = options.perfkit or ("perfkit" if which("perfkit") else str(ROOT / "target" / "release" / "perfkit"))
    every = judges(perfkit, options.perfkit_arg)
    able = {}
    for tool in options.tools:
        why = why_not(every[tool])
        if why is None:
            able[tool] = every[tool]
        else:
            journal.write("skipped", tool=tool, why=why)
            print(f"{tool}: skipped: {why}", file=sys.stderr)
    if any(tool.startswith("tango") for tool in able) and len(os.sched_getaffinity(0)) < 2:
        print("tango runs two processes at once and has one CPU here: its row is not fair", file=sys.stderr)
    return able


def which(command):
    return any(os.access(pathlib.Path(folder) / command, os.X_OK) for folder in os.get_exec_path())


def ask(judge, trial):
    """The answer, or a failure as one; the whole time includes starting processes and analysing."""
    start = time.monotonic()
    try:
        answer = judge.judge(trial)
    except (Failed, OSError, ValueError, KeyError, IndexError) as error:
        answer = Answer("failed", f"{type(error).__name__}: {error}"[:300])
    return dataclasses.asdict(answer) | {"whole_seconds": time.monotonic() - start}


def measure(options, able, journal):
    draw = random.Random(options.seed)
    cells = [(kernel, slowdown, tool) for kernel in options.kernels for slowdown in options.slowdowns for tool in able]
    arms = stamp.Arms(sorted({judge.program for judge in able.values()}), sorted(set(options.slowdowns)))
    done, total = 0, options.rounds * len(cells)
    try:
        for round_ in range(options.rounds):
            arms.write()
            draw.shuffle(cells)
            for position, (kernel, slowdown, tool) in enumerate(cells):
                judge, before = able[tool], pressure()
                base, candidate = (arms.path(judge.program, arm, slowdown) for arm in ("base", "cand"))
                with tempfile.TemporaryDirectory(prefix="gates-") as folder:
                    folder = pathlib.Path(folder)
                    trial = Trial(
                        kernel, slowdown, base, candidate, folder, options.seconds, options.margin, options.timeout
                    )
                    row = ask(judge, trial)
                where = {"tool": tool, "kernel": kernel, "slowdown": slowdown, "round": round_, "position": position}
                journal.write("trial", **where, **row, pressure_percent=before)
                done += 1
                seconds = f"{row['whole_seconds']:.1f} s"
                print(f"{done}/{total} {tool} {kernel} {slowdown:+g}: {row['verdict']} {seconds}", file=sys.stderr)
    finally:
        arms.remove()


def interrupt(*_):
    raise KeyboardInterrupt


def main():
    options = arguments()
    if options.table:
        print(table.markdown(table.read(options.table)))
        return 0
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {options.seed}, journal {options.out}", file=sys.stderr)
    signal.signal(signal.SIGTERM, interrupt)
    journal, code = Journal(options), 0
    try:
        able = usable(options, journal)
        with Neighbours(options.noise, options.seed):
            measure(options, able, journal)
    except KeyboardInterrupt:
        print("interrupted: the table is of the trials that were finished", file=sys.stderr)
        code = 130
    print(table.markdown(journal.rows))
    return code


if __name__ == "__main__":
    sys.exit(main())
