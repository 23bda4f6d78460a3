#!/usr/bin/env python3
"""A worker in Python: perfkit's worker protocol, version 1, around one small kernel, and every way to break it.

Started as `worker.py [--mode MODE] __worker`. Where only a program can be named, the mode comes from WORKER_MODE, or from
the name of the file: a copy or a link called `hang` hangs. WORKER_SLOWDOWN=0.1 adds 10 % of work in any mode.
"""

import os
import pathlib
import resource
import signal
import sys
import time

CASE = "own/spin-u64/loop@baseline/1000/t1"
STEPS = 1000

MODES = {
    "well": "does as the protocol says",
    "slower": "the same with 10 % more work",
    "exit-at-once": "ends before it has said a word",
    "hang-at-start": "reads the greeting and never answers",
    "garbage": "answers the greeting with bytes that are no text",
    "endless-line": "answers the greeting with a line that never ends",
    "no-cases": "lists nothing",
    "refuse": "answers `prepare` with an error line",
    "crash-in-prepare": "dies of a signal on `prepare`",
    "grandchild": "leaves a child behind on `prepare` that keeps its pipes open",
    "grandchild-session": "the same child in a session of its own",
    "crash-in-sample": "dies of a signal on `sample`",
    "exit-in-sample": "ends with code 3 on `sample`",
    "hang": "never answers `sample`",
    "garbage-in-sample": "answers `sample` with bytes that are no text",
    "words-in-sample": "answers `sample` with words for numbers",
    "huge-numbers": "answers `sample` with numbers that no 64 bits hold",
    "zero-times": "answers `sample` with a wall time of zero",
    "negative-times": "answers `sample` with times below zero",
    "deaf-to-quit": "does not end on `quit`, nor at the end of its input, nor when asked by a signal",
}

# Long enough to be found, short enough to do no harm where a test fails to end it.
STAY_SECONDS = 60

GARBAGE = b"\x00\xff\xfe sample \x80\x1b[31m 12 \xc3\x28\n"


def chosen():
    """The mode and the slowdown."""
    mode = os.environ.get("WORKER_MODE", pathlib.Path(sys.argv[0]).stem)
    if "--mode" in sys.argv[:-1]:
        mode = sys.argv[sys.argv.index("--mode") + 1]
    mode = "well" if mode == "worker" else mode
    if mode not in MODES:
        sys.exit(f"worker.py has no mode {mode}; it has {', '.join(MODES)}")
    return mode, float(os.environ.get("WORKER_SLOWDOWN", "0.1" if mode == "slower" else "0"))


def say(line):
    print(line, flush=True)


def say_bytes(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def stay():
    time.sleep(STAY_SECONDS)
    sys.exit(1)


def crash():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.kill(os.getpid(), signal.SIGSEGV)


def endless_line():
    # Bounded by time as well, for a reader that takes all of it.
    end = time.monotonic() + STAY_SECONDS
    while time.monotonic() < end:
        say_bytes(b"x" * 65536)
    sys.exit(1)


def leave_grandchild(own_session):
    """Its process id goes to the file that WORKER_PID_FILE names, so that a test can look whether it is gone."""
    child = os.fork()
    if child == 0:
        if own_session:
            os.setsid()
        time.sleep(STAY_SECONDS)
        os._exit(0)
    if path := os.environ.get("WORKER_PID_FILE"):
        pathlib.Path(path).write_text(str(child))


def scheduler():
    """Involuntary switches, nanoseconds of waiting for a CPU, and the CPU; None for what this system does not tell."""
    switches = waited = cpu = None
    if hasattr(resource, "RUSAGE_THREAD"):
        switches = resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw
    try:
        waited = int(pathlib.Path("/proc/thread-self/schedstat").read_text().split()[1])
        # The 39th field of proc(5)'s stat; the program's name before it may hold spaces and ends with a parenthesis.
        cpu = int(pathlib.Path("/proc/thread-self/stat").read_text().rpartition(")")[2].split()[36])
    except (OSError, ValueError, IndexError):
        pass
    return switches, waited, cpu


def spin(steps):
    state = 1
    for _ in range(steps):
        state = ((state ^ (state >> 29)) * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    return state


def sample(count, steps):
    switches_before, waited_before, _ = scheduler()
    cpu_start = time.thread_time_ns()
    wall_start = time.perf_counter_ns()
    for _ in range(count):
        spin(steps)
    wall = time.perf_counter_ns() - wall_start
    cpu = time.thread_time_ns() - cpu_start
    switches, waited, place = scheduler()
    since = lambda now, before: "-" if now is None or before is None else now - before
    say(
        f"sample {wall} {cpu} {since(switches, switches_before)} {since(waited, waited_before)} "
        f"{'-' if place is None else place}"
    )


def greet(mode):
    if mode == "hang-at-start":
        stay()
    if mode == "endless-line":
        endless_line()
    if mode == "garbage":
        return say_bytes(GARBAGE)
    say("perfkit-worker 1 python-worker 0.1")


def prepare(mode, case):
    """Whether the case may be sampled from now on."""
    if mode == "crash-in-prepare":
        crash()
    if mode == "refuse":
        say("error the model file is not there")
        return False
    if mode.startswith("grandchild"):
        leave_grandchild(own_session=mode == "grandchild-session")
    say("ready" if case == CASE else f"error no case {case}")
    return case == CASE


# Answers that are wrong by themselves.
WRONG_SAMPLES = {
    "garbage-in-sample": GARBAGE,
    "words-in-sample": b"sample fast quick none little one\n",
    "huge-numbers": b"sample 99999999999999999999999999 99999999999999999999999999 1e400 18446744073709551616 4294967296\n",
    "zero-times": b"sample 0 0 0 0 0\n",
    "negative-times": b"sample -1000000 -1000000 -1 -5 -1\n",
}


def answer_sample(mode, count, steps):
    if mode == "crash-in-sample":
        crash()
    if mode == "exit-in-sample":
        sys.exit(3)
    if mode == "hang":
        stay()
    if mode in WRONG_SAMPLES:
        return say_bytes(WRONG_SAMPLES[mode])
    sample(count, steps)


def serve(mode, steps):
    prepared = False
    # Not `for line in sys.stdin`, which in older Pythons reads ahead.
    while line := sys.stdin.readline():
        match line.split():
            case ["quit"]:
                return
            case ["perfkit-worker", _]:
                greet(mode)
            case ["list"]:
                if mode != "no-cases":
                    say(f"case {CASE}")
                say("end")
            case ["prepare", case, *_]:
                prepared = prepare(mode, case)
            case ["sample", count] if not prepared:
                say("error nothing is prepared")
            case ["sample", count] if count.isdigit():
                answer_sample(mode, int(count), steps)
            case _:
                say("unknown")


def main():
    mode, slowdown = chosen()
    if sys.argv[-1] != "__worker":
        sys.exit("a worker for perfkit: its last argument is __worker")
    if mode == "exit-at-once":
        return
    if mode == "deaf-to-quit":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(mode, round(STEPS * (1 + slowdown)))
    if mode == "deaf-to-quit":
        stay()


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        # The reader has gone. Without this Python complains again while it closes standard output.
        os._exit(1)
