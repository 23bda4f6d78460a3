#!/usr/bin/env python3
"""perfkit's native engine beside ONNX Runtime and OpenVINO on a real model: f32, bf16 and int8, as their users run them.

    cargo build --release
    benches/peers/embed/run.py --model .models/all-MiniLM-L6-v2

Everything goes into a virtual environment below this folder (or --venv). What is not to be had is named, and ends the
script before anything is measured. int8 is made as users make it: for ONNX Runtime by its `quantize_dynamic` (signed bytes,
a scale an output), for OpenVINO by NNCF's post-training quantisation with lines of the corpus that ships. Both start from the
ONNX file that perfkit writes. Then `perfkit embed --engine all` runs at the shapes of the goals, and one table is printed.
"""

import argparse
import glob
import json
import os
import subprocess
import sys
import tempfile
import venv

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "../../..")
CORPUS = os.path.join(ROOT, "corpus", "mixed.txt")
SHAPES = ["32x64", "1x16", "256xmixed", "32x256"]
PRECISIONS = ["f32", "bf16", "int8"]
# As many lines as NNCF's own default takes, spread over the corpus.
CALIBRATION = 300
# By precision and engine, at least so many times as fast: the goals.
GOALS = {
    ("32x64", "f32"): {"openvino": 1.15, "onnxruntime": 1.25, "candle": 3.5},
    ("32x64", "bf16"): {"openvino": 1.2},
    ("32x64", "int8"): {"openvino": 1.3, "onnxruntime": 2.4},
    ("1x16", None): {"": 1.3},
    ("256xmixed", None): {"openvino": 3.0, "openvino-sorted": 1.2},
}


def run(command, **more):
    print("+", " ".join(map(str, command)), file=sys.stderr)
    return subprocess.run(command, check=True, text=True, **more)


def install(folder):
    python = os.path.join(folder, "bin", "python3")
    if not os.path.exists(python):
        venv.create(folder, with_pip=True)
    run([python, "-m", "pip", "install", "--quiet", "-r", os.path.join(HERE, "requirements.txt")])
    missing = [
        name
        for name in ["numpy", "onnx", "onnxruntime", "openvino", "nncf", "tokenizers"]
        if subprocess.run([python, "-c", f"import {name}"], capture_output=True).returncode != 0
    ]
    if missing:
        sys.exit(f"absent: {', '.join(missing)}; requirements.txt names them, and pip did not bring them")
    return python


def lines():
    with open(CORPUS, encoding="utf-8") as file:
        every = [line.rstrip("\n") for line in file if line.strip()]
    return every[:: max(1, len(every) // CALIBRATION)][:CALIBRATION]


def quantise(model, onnx_path, folder):
    """In the environment's python: both int8 files, made once."""
    import nncf
    import numpy
    import openvino
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from tokenizers import Tokenizer

    dynamic, static = os.path.join(folder, "dynamic-int8.onnx"), os.path.join(folder, "nncf-int8.xml")
    if not os.path.exists(dynamic):
        quantize_dynamic(onnx_path, dynamic, per_channel=True, weight_type=QuantType.QInt8)
    if not os.path.exists(static):
        tokenizer = Tokenizer.from_file(os.path.join(model, "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(256)

        def inputs(text):
            ids = numpy.array([tokenizer.encode(text).ids], numpy.int64)
            return {"input_ids": ids, "attention_mask": numpy.ones_like(ids)}

        network = openvino.Core().read_model(onnx_path)
        data = nncf.Dataset(lines(), inputs)
        options = {"model_type": nncf.ModelType.TRANSFORMER, "subset_size": CALIBRATION}
        openvino.save_model(nncf.quantize(network, data, **options), static, compress_to_fp16=False)
    print(json.dumps({"onnxruntime": dynamic, "openvino": static}))


def embed(perfkit, model, environment, arguments):
    command = [perfkit, "embed", "--model", model, "--json", "--threads", "1", *arguments]
    answer = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if not answer.stdout:
        sys.exit("perfkit embed failed")
    return json.loads(answer.stdout)


def goal(shape, precision, engine):
    wanted = {**GOALS.get((shape, None), {}), **GOALS.get((shape, precision), {})}
    return wanted.get(engine, wanted.get(engine.split("-")[0], wanted.get("")) if "-sorted" not in engine else None)


def table(documents):
    columns = "| shape | precision | engine | version | native | it | native is N times as fast | goal | least cosine | cold start | peak memory |"
    print(columns)
    print("|" + " --- |" * (columns.count("|") - 1))
    for document in documents:
        measured = {row["case"]: row for row in document["outcomes"] if row["outcome"] == "measured"}
        for row in document.get("engines", []):
            peer, native = measured[row["case"]], measured[row["native"]]
            benchmark, engine, shape, _ = row["case"].rsplit("/", 3)
            engine, precision = engine.split("@")[0], benchmark.rsplit("-", 1)[1]
            ratio, wanted = row["ratio"], goal(shape, precision, engine)
            cells = [shape, precision, engine, peer["peer"]["version"]]
            cells += [f"{1e3 * one['derived']['median_seconds']:.3g} ms" for one in (native, peer)]
            cells += [f"{ratio['value']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})", f"{wanted}" if wanted else ""]
            cells += [f"{peer['facts'].get('cosine_minimum', float('nan')):.5f}"]
            for fact, of in (("cold_start_seconds", lambda one: one["facts"].get("cold_start_seconds")), ("memory", lambda one: one.get("peak_rss_bytes"))):
                both = [of(peer), of(native)]
                shown = [("?" if x is None else f"{1e3 * x:.0f} ms" if fact != "memory" else f"{x / 2**20:.0f} MiB") for x in both]
                cells.append(f"{shown[0]} (native {shown[1]})")
            print("| " + " | ".join(cells) + " |")
        for row in document["outcomes"]:
            if row["outcome"] != "measured":
                print(f"{row['outcome']}: {row['case']}: {row['why']}", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--perfkit", default=os.path.join(ROOT, "target/release/perfkit"))
    parser.add_argument("--model", default=os.path.join(ROOT, ".models/all-MiniLM-L6-v2"))
    parser.add_argument("--venv", default=os.path.join(HERE, "venv"))
    parser.add_argument("--files", default=os.path.join(HERE, "files"), help="where the quantised files are kept")
    parser.add_argument("--precision", action="append", choices=PRECISIONS)
    parser.add_argument("--shape", action="append", help="BATCHxTOKENS or BATCHxmixed, any number of times")
    parser.add_argument("--engine", default="all")
    parser.add_argument("--quantise", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quantise:
        return quantise(*options.quantise)
    perfkit, model = os.path.abspath(options.perfkit), os.path.abspath(options.model)
    for path, remedy in ((perfkit, "cargo build --release"), (model, "scripts/fetch-test-model")):
        if not os.path.exists(path):
            sys.exit(f"there is no {path}: {remedy}")
    python = install(os.path.abspath(options.venv))
    os.makedirs(options.files, exist_ok=True)
    environment = dict(os.environ)
    environment["PATH"] = os.path.dirname(python) + os.pathsep + environment["PATH"]
    files = os.path.abspath(options.files)
    with tempfile.TemporaryDirectory() as cache:
        embed(perfkit, model, {**environment, "XDG_CACHE_HOME": cache}, ["--engine", "onnxruntime", "--batch", "1", "--sequence", "16", "--quick"])
        written = glob.glob(os.path.join(cache, "perfkit", "packed", "*-f32.onnx"))
        if not written:
            sys.exit("perfkit wrote no ONNX file")
        made = run([python, os.path.abspath(__file__), "--quantise", model, written[0], files], stdout=subprocess.PIPE).stdout
    quantised = json.loads(made.strip().splitlines()[-1])
    documents = []
    for precision in options.precision or PRECISIONS:
        for shape in options.shape or SHAPES:
            batch, tokens = shape.split("x")
            arguments = ["--engine", options.engine, "--precision", precision, "--batch", batch, "--sequence", tokens]
            for engine, path in quantised.items():
                arguments += ["--engine-file", f"{engine}:int8={path}"]
            documents.append(embed(perfkit, model, environment, arguments))
    table(documents)


if __name__ == "__main__":
    main()
