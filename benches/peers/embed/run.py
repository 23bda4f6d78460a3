#!/usr/bin/env python3
"""perfkit's native engine beside ONNX Runtime, OpenVINO, candle and rten on a real model, at the shapes of the goals.

    cargo build --release --features engine-candle,engine-rten
    benches/peers/embed/run.py

Everything goes below target/peers/embed: a virtual environment (or --venv), the int8 files that `quantise.py` makes, one JSON
document a measurement, and the table. What is not to be had is named, and ends the script before anything is measured; an
engine that fails afterwards stands under "Not measured" with its reason. Nothing else should run meanwhile. A measurement takes
a quarter of a minute to a minute; --resume keeps those that are whole and were made by this program in this way.
"""

import argparse
import glob
import hashlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
import venv

import rows
import table

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "../../..")
OWN = os.path.join(ROOT, "target/peers/embed")


def install(folder):
    """The environment's python3, with every package of requirements.txt in it."""
    python = os.path.join(folder, "bin", "python3")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # One that was left half made has no pip.
    if not os.path.exists(python) or subprocess.run([*pip[:3], "--version"], capture_output=True).returncode != 0:
        try:
            venv.create(folder, with_pip=True, clear=os.path.exists(python))
        except (OSError, subprocess.CalledProcessError) as error:
            sys.exit(f"cannot make a virtual environment in {folder}: {error}; name one that is there with --venv")
    with open(os.path.join(HERE, "requirements.txt"), encoding="utf-8") as file:
        wanted = file.read().split()
    if subprocess.run([*pip, *wanted]).returncode != 0:
        absent = [name for name in wanted if subprocess.run([*pip, name], capture_output=True).returncode != 0]
        sys.exit(f"pip does not bring: {', '.join(absent) or 'these together'}; requirements.txt names them")
    return python


def file_hash(*paths):
    whole = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            whole.update(file.read())
    return whole.hexdigest()


def write_whole(path, text):
    """A file that is there is whole, whenever the script was stopped."""
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".part", path)


def read_json(path):
    """None where there is none, or it is torn."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def read_text(path):
    """None where there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:  # a process that has ended, too
        return None


class Measuring:
    """Runs the program and keeps what it says."""

    def __init__(self, options, environment, files):
        self.options, self.environment, self.files = options, environment, files
        self.program = file_hash(options.perfkit)
        self.count = 0

    def document(self, name, arguments):
        """The document of `perfkit embed`, kept under a name; none where it gave none."""
        self.count += 1
        path, made = (os.path.join(self.options.results, name + end) for end in (".json", ".made"))
        model = ["--model", os.path.abspath(self.options.model)]
        arguments = ["embed", *model, "--json", *arguments]
        # A document of another build, or of other arguments, is another measurement.
        words = f"{self.program} {shlex.join(arguments)}\n"
        if self.options.resume and read_text(made) == words and table.is_whole(document := read_json(path)):
            return document
        command = [*shlex.split(self.options.under), self.options.perfkit, *arguments]
        print(f"+ {self.count}, {name}:", shlex.join(command), file=sys.stderr)
        for old in (made, path):
            if os.path.exists(old):
                os.remove(old)
        answer = subprocess.run(command, env=self.environment, stdout=subprocess.PIPE, text=True)
        # 2 where an engine failed: the others were measured, and its reason is told.
        if not answer.stdout or answer.returncode not in (0, 2):
            print(f"{name}: no answer (exit code {answer.returncode})", file=sys.stderr)
            return None
        write_whole(path, answer.stdout)
        write_whole(made, words)
        return read_json(path)

    def contest(self, contest, corpus):
        """By engine: ours in turns with it."""
        shape = ["--precision", contest.precision, "--sequence", str(contest.tokens)]
        documents = {}
        for engine in (one for one in rows.ENGINES[contest.precision] if one not in self.options.without):
            arguments = ["--threads", "1", "--corpus", corpus, "--engine", engine, *shape]
            arguments += ["--batch", str(contest.texts(engine))]
            for name, path in self.files.items():
                arguments += ["--engine-file", f"{name}:int8={path}"]
            documents[engine] = self.document(f"{contest.name}-{engine}", arguments + self.options.length)
        return documents

    def alone(self, name, precision, threads, shape, corpus=None):
        """Ours without others."""
        batch, tokens = shape
        arguments = ["--precision", precision, "--batch", str(batch), "--sequence", str(tokens), "--quick"]
        arguments += ["--threads", str(threads)] + (["--corpus", corpus] if corpus else [])
        return self.document(name, arguments)


def written_network(measuring):
    """The path of the ONNX file that perfkit writes for an engine."""
    arguments = ["--engine", "onnxruntime", "--batch", "1", "--sequence", "16", "--quick", "--json"]
    model = ["--model", os.path.abspath(measuring.options.model)]
    subprocess.run(
        [measuring.options.perfkit, "embed", *model, *arguments], env=measuring.environment, stdout=subprocess.DEVNULL
    )
    written = glob.glob(os.path.join(measuring.environment["XDG_CACHE_HOME"], "perfkit/packed/*-f32.onnx"))
    if not written:
        sys.exit("perfkit wrote no ONNX file: is ONNX Runtime in the environment? What it said stands above")
    return written[0]


def corpus_lines(folder):
    """A file of some lines of the corpus, spread over it."""
    with open(os.path.join(ROOT, "corpus/mixed.txt"), encoding="utf-8") as file:
        every = [line for line in file if line.strip()]
    path = os.path.join(os.path.abspath(folder), f"lines-{rows.LINES}.txt")
    write_whole(path, "".join(every[:: len(every) // rows.LINES][: rows.LINES]))
    return path


def quantised_files(python, measuring, folder):
    """Makes the int8 files where they are not there, or not those of this network and these versions."""
    model, quantise = os.path.abspath(measuring.options.model), os.path.join(HERE, "quantise.py")
    network = written_network(measuring)
    tokenizer = os.path.join(model, "tokenizer.json")
    words = file_hash(quantise, os.path.join(HERE, "requirements.txt"), network, tokenizer)
    made = os.path.join(folder, "made")
    needed = [os.path.join(folder, name) for name in ("dynamic-int8.onnx", "nncf-int8.xml", "nncf-int8.bin")]
    if read_text(made) == words and all(map(os.path.exists, needed)):
        return
    for old in (made, *needed):
        if os.path.exists(old):
            os.remove(old)
    if subprocess.run([python, quantise, model, network, folder]).returncode != 0:
        sys.exit("quantise.py made no int8 files; what it said stands above")
    write_whole(made, words)


def base_memory(measuring):
    """The largest resident size of a process that loads no model, in bytes; none where the system does not show it. What the
    system counts of a child at its end would hold the peak of this script, which started it."""
    process = subprocess.Popen([measuring.options.perfkit, "detect"], stdout=subprocess.DEVNULL)
    peak = None
    while process.poll() is None:
        lines = (read_text(f"/proc/{process.pid}/status") or "").splitlines()
        sizes = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")]
        peak = max(sizes, default=peak)
        time.sleep(0.001)
    return peak


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--perfkit", default=os.path.join(ROOT, "target/release/perfkit"))
    parser.add_argument("--model", default=os.path.join(ROOT, ".models/all-MiniLM-L6-v2"))
    parser.add_argument("--venv", default=os.path.join(OWN, "venv"))
    parser.add_argument("--files", default=os.path.join(OWN, "files"), help="where the quantised files are kept")
    parser.add_argument("--results", default=os.path.join(OWN, "results"), help="where the documents and the table go")
    names = [*(contest.name for contest in rows.CONTESTS), "threads", "alone"]
    engines = sorted({engine for engines in rows.ENGINES.values() for engine in engines})
    parser.add_argument("--only", action="append", default=[], choices=names, metavar="NAME",
                        help=f"any number of times one of: {', '.join(names)}")
    parser.add_argument("--without", action="append", default=[], choices=engines,
                        metavar="ENGINE", help=f"leave an engine out on purpose: {', '.join(engines)}")
    parser.add_argument("--under", default="", help="a command to put in front of every measurement, such as taskset -c 1")
    parser.add_argument("--resume", action="store_true", help="measure only what has no whole document yet")
    parser.add_argument("--quick", dest="length", action="store_const", const=["--quick"], default=[], help="shorter samples")
    options = parser.parse_args()
    for path, remedy in ((options.perfkit, "cargo build --release"), (options.model, "scripts/fetch-test-model")):
        if not os.path.exists(path):
            sys.exit(f"there is no {path}: {remedy}")
    options.perfkit = os.path.abspath(options.perfkit)
    return options


def main():
    options = arguments()
    python = install(os.path.abspath(options.venv))
    files = os.path.abspath(options.files)
    for folder in (files, options.results):
        os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory() as own:
        environment = dict(os.environ, XDG_CACHE_HOME=own)
        environment["PATH"] = os.path.dirname(python) + os.pathsep + environment["PATH"]
        quantised = {"onnxruntime": "dynamic-int8.onnx", "openvino": "nncf-int8.xml", "rten": "dynamic-int8.onnx"}
        quantised = {engine: os.path.join(files, name) for engine, name in quantised.items()}
        measuring = Measuring(options, environment, quantised)
        quantised_files(python, measuring, files)
        wanted = lambda name: not options.only or name in options.only
        corpus = corpus_lines(options.results)
        contests = [(one, measuring.contest(one, corpus)) for one in rows.CONTESTS if wanted(one.name)]
        alternating, whole, starts = {}, {}, []
        if wanted("threads"):
            for precision in rows.THREADS[0]:
                alternating[precision] = [
                    tuple(measuring.alone(f"{turn}-t{n}-{precision}", precision, n, (32, 64), corpus) for n in (1, 2))
                    for turn in range(rows.ALTERNATIONS)
                ]
        if wanted("alone"):
            whole = {p: measuring.alone(f"corpus-{p}", p, 1, (1, 16)) for p in rows.COSINES}
            turns = range(rows.ALTERNATIONS)
            starts = [measuring.alone(f"{turn}-start", "f32", 1, (1, 16), corpus) for turn in turns]
        base = base_memory(measuring) if wanted("alone") else None
    text = table.markdown(contests, alternating, whole, starts, base)
    write_whole(os.path.join(options.results, "table.md"), text)
    print(text, end="")


if __name__ == "__main__":
    main()
