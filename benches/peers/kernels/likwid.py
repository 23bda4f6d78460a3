#!/usr/bin/env python3
"""Holds perfkit's memory ceilings against likwid-bench: ten pairs of processes, in alternating order, one CPU.

Both walk over the same number of bytes with loads, stores, a copy or a triad of the same instruction set. The ratio of a
pair is perfkit over likwid-bench; the table has the median of the pairs, and the script fails where one is below 0.95.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# likwid-bench's kernels for a pattern, by instruction set; streaming stores in memory, as `stream-nt` has.
KERNELS = {
    ("read", "avx512"): ["load_avx512"], ("read", "avx2"): ["load_avx"],
    ("write", "avx512"): ["store_avx512", "store_mem_avx512"], ("write", "avx2"): ["store_avx", "store_mem_avx"],
    ("copy", "avx512"): ["copy_avx512", "copy_mem_avx512"], ("copy", "avx2"): ["copy_avx", "copy_mem_avx"],
    ("triad", "avx512"): ["stream_avx512_fma", "stream_mem_avx512"], ("triad", "avx2"): ["stream_avx_fma", "stream_mem_avx"],
}
LEAST = 0.95
SHORT_RUNS = 5


def perfkit_rate(perfkit, cpu, filter_, tier, seconds):
    """The best of the ceilings' bytes per second, by the fastest tenth of samples, and its footprint."""
    command = [perfkit, "bench", filter_, "--tier", tier, "--threads", "1", "--cpus", str(cpu), "--time", str(seconds), "--json", "--quiet"]
    document = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    best = (0.0, 0)
    for outcome in document["outcomes"]:
        if outcome["outcome"] != "measured" or "small-pages" in outcome["case"]:
            continue
        samples = sorted(outcome["seconds"]["samples"])
        rate = outcome["cost"]["core_bytes"] / samples[len(samples) // 10]
        best = max(best, (rate, int(outcome["cost"]["working_set_bytes"])))
    return best


def likwid_rate(cpu, kernels, size, seconds):
    """The best of the kernels' bytes per second over so many bytes, by the fastest of a few short runs: its figure is a
    mean over all of a run, and a host that takes the CPU away for a part of it would stand in that."""
    best = 0.0
    iterations = max(3, round(seconds / SHORT_RUNS * 1e11 / size))
    for kernel in kernels * SHORT_RUNS:
        command = ["likwid-bench", "-t", kernel, "-w", f"N:{max(size // 1000, 1)}kB:1", "-i", str(iterations)]
        said = subprocess.run(["taskset", "-c", str(cpu), *command], capture_output=True, text=True)
        found = re.search(r"MByte/s:\s+([\d.]+)", said.stdout)
        if found:
            best = max(best, float(found.group(1)) * 1e6)
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--perfkit", default=os.path.join(HERE, "../../../target/release/perfkit"))
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--cpu", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.2, help="of each measurement")
    parser.add_argument("--tier", default="avx512", choices=["avx512", "avx2"])
    parser.add_argument("--levels", default="l1,l2,l3,dram")
    parser.add_argument("--patterns", default="read,write,copy,triad")
    options = parser.parse_args()
    missing = [f"{name}: install {package}" for name, package in [("likwid-bench", "likwid"), ("taskset", "util-linux")] if not shutil.which(name)]
    if not os.path.exists(options.perfkit):
        missing.append(f"{options.perfkit}: cargo build --release")
    if missing:
        sys.exit("\n".join(["absent:"] + [f"  {row}" for row in missing]))
    print(f"{'ceiling':16} {'bytes':>12} {'perfkit':>12} {'likwid':>12} {'ratio':>7}  (median of {options.pairs} pairs)")
    low = False
    for level in options.levels.split(","):
        for pattern in options.patterns.split(","):
            name = f"memory/{pattern}-{level}-u8"
            _, size = perfkit_rate(options.perfkit, options.cpu, name, options.tier, 0.1)
            pairs = []
            for pair in range(options.pairs):
                ours = lambda: perfkit_rate(options.perfkit, options.cpu, name, options.tier, options.seconds)[0]
                theirs = lambda: likwid_rate(options.cpu, KERNELS[pattern, options.tier], size, options.seconds)
                # Who begins alternates: a drift of the host falls on both alike.
                if pair % 2 == 0:
                    a = ours()
                    b = theirs()
                else:
                    b = theirs()
                    a = ours()
                if b > 0:
                    pairs.append((a / b, a, b))
            if not pairs:
                print(f"{pattern}-{level:12} likwid-bench gave no figure")
                continue
            ratio, a, b = (statistics.median(column) for column in zip(*pairs))
            low |= ratio < LEAST
            print(f"{pattern + ' ' + level:16} {size:12d} {a / 1e9:7.1f} GB/s {b / 1e9:7.1f} GB/s {ratio:7.3f}", flush=True)
    sys.exit(1 if low else 0)


if __name__ == "__main__":
    main()
