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
# Libraries of the system's own packages, fetched into the folder where the loader has none: what the loader knows them by, the
# package, and the file in it.
SYSTEM = {"blis": ("libblis.so.4", "libblis4-pthread", "usr/lib/*/blis-pthread/libblis.so.4")}
# A static library alone is packaged; a shared one is linked from it.
LIBXSMM = "libxsmm-dev"
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


def sources_of(python, package, version):
    """The unpacked sources of a package: the module in a wheel loads into Python alone."""
    folder = os.path.join(FOLDER, "sources")
    root = os.path.join(folder, f"{package}-{version}")
    if not os.path.isdir(root):
        run(python, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "-d", folder, f"{package}=={version}")
        with tarfile.open(os.path.join(folder, f"{package}-{version}.tar.gz")) as archive:
            archive.extractall(folder, filter="data")
    return root


def build(target, make):
    """A shared library that is made once; none where that fails, which `absent` names."""
    try:
        if not os.path.exists(target):
            make(target)
        return target
    except (OSError, subprocess.CalledProcessError, tarfile.TarError, IndexError) as error:
        print(f"{os.path.basename(target)}: {error}", file=sys.stderr)
        return ""


def build_simsimd(python):
    def make(target):
        root = sources_of(python, "simsimd", SIMSIMD)
        run("cc", "-O3", "-shared", "-fPIC", "-DSIMSIMD_DYNAMIC_DISPATCH=1", f"-I{root}/include", f"{root}/c/lib.c", "-o", target, "-lm")

    return build(os.path.join(FOLDER, "lib", f"libsimsimd-{SIMSIMD}.so"), make)


def unpacked(package):
    """A package of the system below the folder, which needs no rights to install it."""
    folder = os.path.join(FOLDER, "packages", package)
    if not os.path.isdir(folder):
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        run("apt-get", "download", package, cwd=os.path.dirname(folder))
        archive = sorted(glob.glob(f"{folder}_*.deb"))[-1]
        run("dpkg-deb", "-x", archive, folder)
    return folder


def build_libxsmm():
    def make(target):
        installed = glob.glob("/usr/lib/libxsmm.a") + glob.glob("/usr/lib/*/libxsmm.a")
        archive = (installed or glob.glob(os.path.join(unpacked(LIBXSMM), "usr/lib/libxsmm.a")))[0]
        # What it would have of a BLAS, it has in a library of its own that needs none.
        parts = [archive, archive.replace("libxsmm.a", "libxsmmnoblas.a")]
        run("cc", "-shared", "-o", target, "-Wl,--whole-archive", *parts, "-Wl,--no-whole-archive", "-lpthread", "-lrt", "-ldl", "-lm")

    known = glob.glob(os.path.join(FOLDER, "lib", "libxsmm-*.so"))
    if known:
        return known[0]
    listed = subprocess.run(["apt-cache", "policy", LIBXSMM], capture_output=True, text=True, check=False).stdout
    version = next((line.split()[1].split("-")[0] for line in listed.splitlines() if "Candidate:" in line), "unknown")
    return build(os.path.join(FOLDER, "lib", f"libxsmm-{version}.so"), make)


def system_library(name):
    """Where a library of the system's packages lies that the loader does not know; none where it does."""
    library, package, pattern = SYSTEM[name]
    if library in subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=False).stdout:
        return None
    try:
        return next(iter(glob.glob(os.path.join(unpacked(package), pattern))), "")
    except (OSError, subprocess.CalledProcessError, IndexError) as error:
        print(f"{package}: {error}", file=sys.stderr)
        return ""


def absent(environment):
    """What was to be installed and is not there, with what would bring it."""
    missing = []
    for name, pattern in PACKAGES.items():
        if not glob.glob(os.path.join(FOLDER, pattern)):
            missing.append((name, "its package is in requirements.txt, but brought no library"))
    built = {
        "simsimd": f"neither the sources of simsimd {SIMSIMD} nor a C compiler may be missing",
        "libxsmm": f"neither the package {LIBXSMM} nor a C compiler may be missing",
        "blis": f"install {SYSTEM['blis'][1]}, or name the library in PERFKIT_BLIS_LIBRARY",
    }
    for name, remedy in built.items():
        path = environment.get(f"PERFKIT_{name.upper()}_LIBRARY")
        if path is not None and not os.path.exists(path):
            missing.append((name, remedy))
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
    makers = {
        "simsimd": lambda: build_simsimd(python),
        "libxsmm": build_libxsmm,
        "blis": lambda: system_library("blis"),
    }
    for name, make in makers.items():
        variable = f"PERFKIT_{name.upper()}_LIBRARY"
        if name not in options.without and variable not in environment:
            path = make()
            if path is not None:
                environment[variable] = path
    missing = [row for row in absent(environment) + missing_crates(perfkit, environment) if row[0] not in options.without]
    if missing:
        sys.exit("\n".join(["absent:"] + [f"  {name}: {remedy}" for name, remedy in missing]))
    arguments = options.arguments or ["matmul/gemm-f32", "similarity/dot-f32"]
    sys.exit(subprocess.run([perfkit, "bench", "--peers", *arguments], env=environment).returncode)


if __name__ == "__main__":
    main()
