#!/usr/bin/env python3
"""Installs the libraries that `perfkit bench --peers` measures, and measures them.

Everything goes into a virtual environment below this folder. What is not to be had is named, and ends the script before
anything is measured; `--without NAME` leaves it out on purpose.
"""

import argparse
import glob
import os
import subprocess
import sys
import tarfile
import venv

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "venv")
SIMSIMD = "6.5.16"
# Which library a package brings, below the environment's folder; those of the system are the loader's.
PACKAGES = {
    "openblas": "lib/python3*/site-packages/numpy.libs/libscipy_openblas*.so*",
    "mkl": "lib/libmkl_rt.so*",
    "onednn": "lib/libdnnl.so*",
}
SYSTEM = {"blis": ("libblis.so.4", "libblis4-pthread")}
CRATES = ["gemm", "matrixmultiply", "faer"]


def run(*command, **more):
    print("+", " ".join(command), file=sys.stderr)
    subprocess.run(command, check=True, **more)


def install():
    """The environment with the locked packages; answers its python3."""
    python = os.path.join(FOLDER, "bin", "python3")
    if not os.path.exists(python):
        venv.create(FOLDER, with_pip=True)
    run(python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", "-r", os.path.join(HERE, "requirements.txt"))
    return python


def build_simsimd(python):
    """SimSIMD's shared library, from the sources of its package: the module in its wheel loads into Python alone."""
    target = os.path.join(FOLDER, "lib", f"libsimsimd-{SIMSIMD}.so")
    if os.path.exists(target):
        return target
    sources = os.path.join(FOLDER, "sources")
    run(python, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "-d", sources, f"simsimd=={SIMSIMD}")
    with tarfile.open(os.path.join(sources, f"simsimd-{SIMSIMD}.tar.gz")) as archive:
        archive.extractall(sources, filter="data")
    root = os.path.join(sources, f"simsimd-{SIMSIMD}")
    run("cc", "-O3", "-shared", "-fPIC", "-DSIMSIMD_DYNAMIC_DISPATCH=1", f"-I{root}/include", f"{root}/c/lib.c", "-o", target, "-lm")
    return target


def absent(environment):
    """What was to be installed and is not there, with what would bring it."""
    missing = []
    for name, pattern in PACKAGES.items():
        if not glob.glob(os.path.join(FOLDER, pattern)):
            missing.append((name, "its package is in requirements.txt, but brought no library"))
    if not os.path.exists(environment.get("PERFKIT_SIMSIMD_LIBRARY", "")):
        missing.append(("simsimd", f"neither the sources of simsimd {SIMSIMD} nor a C compiler may be missing"))
    known = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True).stdout
    for name, (library, package) in SYSTEM.items():
        if library not in known and f"PERFKIT_{name.upper()}_LIBRARY" not in environment:
            missing.append((name, f"install {package}, or name the library in PERFKIT_{name.upper()}_LIBRARY"))
    return missing


def missing_crates(perfkit, environment):
    command = [perfkit, "bench", "matmul/gemm-f32", "--quick", "--peers=" + ",".join(CRATES), "--dry-run"]
    listed = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout
    skipped = [line for line in listed.splitlines() if line.startswith("skipped:")]
    return [(name, "build perfkit with --features peers") for name in CRATES if any(f"/{name}-" in line for line in skipped)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--perfkit", default=os.path.join(HERE, "../../../target/release/perfkit"))
    parser.add_argument("--without", action="append", default=[], metavar="NAME")
    parser.add_argument("arguments", nargs="*", help="for `perfkit bench`, after `--`; without any: matmul/gemm-f32 similarity/dot-f32")
    options = parser.parse_args()
    perfkit = os.path.abspath(options.perfkit)
    if not os.path.exists(perfkit):
        sys.exit(f"there is no {perfkit}: cargo build --release --features peers")
    python = install()
    environment = dict(os.environ)
    environment["PATH"] = os.path.dirname(python) + os.pathsep + environment["PATH"]
    if "simsimd" not in options.without:
        environment["PERFKIT_SIMSIMD_LIBRARY"] = build_simsimd(python)
    missing = [row for row in absent(environment) + missing_crates(perfkit, environment) if row[0] not in options.without]
    if missing:
        sys.exit("\n".join(["absent:"] + [f"  {name}: {remedy}" for name, remedy in missing]))
    arguments = options.arguments or ["matmul/gemm-f32", "similarity/dot-f32"]
    sys.exit(subprocess.run([perfkit, "bench", "--peers", *arguments], env=environment).returncode)


if __name__ == "__main__":
    main()
