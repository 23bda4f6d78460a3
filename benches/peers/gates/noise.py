"""A noisy neighbour: bursts of a busy loop, with exponential lengths of 60 ms on and 80 ms off on average.

Two of them make a host on which a gate has something to withstand, the same way every time. Each ends when its standard
input closes, so none survives the program that started it.
"""

import random
import select
import subprocess
import sys
import time

ON_SECONDS, OFF_SECONDS = 0.060, 0.080


def neighbour(seed):
    draw = random.Random(seed)
    while True:
        end = time.perf_counter() + draw.expovariate(1 / ON_SECONDS)
        while time.perf_counter() < end:
            pass
        # The pause ends early only when the pipe has closed.
        if select.select([sys.stdin], [], [], draw.expovariate(1 / OFF_SECONDS))[0]:
            return


class Neighbours:
    """Two neighbours for as long as the block lasts, or none when they were not asked for."""

    def __init__(self, wanted, seed):
        self.seeds = [seed, seed + 1] if wanted else []
        self.processes = []

    def __enter__(self):
        for seed in self.seeds:
            command = [sys.executable, __file__, str(seed)]
            self.processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True))
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()
            process.stdin.close()


if __name__ == "__main__":
    neighbour(int(sys.argv[1]))
