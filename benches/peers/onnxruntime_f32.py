#!/usr/bin/env python3
"""perfkit's native engine beside ONNX Runtime f32 on a real model: same texts, same answers, alternating processes.

    python3 -m venv target/peers && target/peers/bin/pip install -r benches/peers/requirements.txt
    scripts/fetch-test-model && cargo build --release
    target/peers/bin/python benches/peers/onnxruntime_f32.py .models/all-MiniLM-L6-v2

Each round times both engines on the shipped corpus, as it comes and sorted by length, in batches of 32, one thread, in
an order drawn at random. Both take text in and give embeddings out, the model loaded before (ONNX Runtime's tokens come
from the Hugging Face tokenizer, which its users use). Reading and writing files is outside both times. Printed: the ratio of each round's medians, its median over the rounds and its range.
"""

import json
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROUNDS, PASSES, BATCH = 7, 2, 32


def serve(model, onnx_path, corpus, output):
    """One fresh process of ONNX Runtime: prints seconds per pass and writes the embeddings."""
    import numpy as np
    import onnxruntime
    from tokenizers import Tokenizer

    texts = pathlib.Path(corpus).read_text().splitlines()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(onnx_path, options, providers=["CPUExecutionProvider"])
    tokenizer = Tokenizer.from_file(f"{model}/tokenizer.json")
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()

    def embed():
        rows = []
        for start in range(0, len(texts), BATCH):
            encoded = tokenizer.encode_batch_fast(texts[start : start + BATCH])
            ids = np.array([e.ids for e in encoded], np.int64)
            mask = np.array([e.attention_mask for e in encoded], np.float32)
            rows.append(session.run(None, {"ids": ids, "mask": mask})[0])
        return np.concatenate(rows)

    embeddings = embed()
    seconds = []
    for _ in range(PASSES):
        start = time.perf_counter()
        embed()
        seconds.append(time.perf_counter() - start)
    np.save(output, embeddings)
    print(json.dumps({"seconds": seconds, "version": onnxruntime.__version__}))


def run_onnxruntime(model, onnx_path, corpus, output):
    command = [sys.executable, __file__, "--serve", model, onnx_path, corpus, output]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def run_perfkit(model, corpus, output):
    binary = HERE.parent.parent / "target" / "release" / "perfkit"
    command = [binary, "embed", "--model", model, "--threads", "1", "--batch", str(BATCH), "--json"]
    command += ["--input", corpus, "--output", output]
    runs = [subprocess.run(command, check=True, capture_output=True, text=True) for _ in range(PASSES)]
    return {"seconds": [json.loads(run.stdout)["seconds"] for run in runs]}


def compare(model, onnx_path, texts, name, folder):
    import numpy as np

    corpus = str(folder / f"{name}.txt")
    pathlib.Path(corpus).write_text("\n".join(texts) + "\n")
    ratios, rates = [], {"perfkit": [], "onnxruntime": []}
    for _ in range(ROUNDS):
        arms = [
            ("perfkit", lambda: run_perfkit(model, corpus, str(folder / "perfkit.npy"))),
            ("onnxruntime", lambda: run_onnxruntime(model, onnx_path, corpus, str(folder / "onnxruntime.npy"))),
        ]
        random.shuffle(arms)
        seconds = {}
        for arm, run in arms:
            seconds[arm] = statistics.median(run()["seconds"])
            rates[arm].append(len(texts) / seconds[arm])
        ratios.append(seconds["onnxruntime"] / seconds["perfkit"])
    ours, theirs = np.load(folder / "perfkit.npy"), np.load(folder / "onnxruntime.npy")
    cosine = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    assert cosine.min() > 0.9999, f"the answers differ: cosine {cosine.min()}"
    print(
        f"{name}: perfkit {statistics.median(rates['perfkit']):.0f} embeddings/s, "
        f"ONNX Runtime {statistics.median(rates['onnxruntime']):.0f}; ratio {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f} over {ROUNDS} rounds); smallest cosine {cosine.min():.6f}"
    )


def main():
    if sys.argv[1] == "--serve":
        return serve(*sys.argv[2:6])
    import bert_onnx

    model = sys.argv[1]
    texts = (HERE.parent.parent / "corpus" / "mixed.txt").read_text().splitlines()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        onnx_path = str(folder / "model.onnx")
        bert_onnx.write(model, onnx_path)
        compare(model, onnx_path, texts, "as it comes", folder)
        compare(model, onnx_path, sorted(texts, key=len), "sorted by length", folder)


if __name__ == "__main__":
    main()
