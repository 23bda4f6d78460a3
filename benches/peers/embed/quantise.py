#!/usr/bin/env python3
"""Both int8 files of a model as the users of each engine make them: `quantise.py MODEL ONNX FOLDER`.

For ONNX Runtime by its `quantize_dynamic` (signed bytes, a scale an output), for OpenVINO by NNCF's post-training
quantisation with lines of the corpus that ships. Both start from the ONNX file that perfkit writes. Runs in the environment
that `run.py` makes; a file that is there already is kept, and one that is there is whole.
"""

import os
import sys

import nncf
import numpy
import openvino
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers import Tokenizer

CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../corpus/mixed.txt")
# As many lines as NNCF's own default takes, spread over the corpus.
CALIBRATION = 300


def lines():
    with open(CORPUS, encoding="utf-8") as file:
        every = [line.rstrip("\n") for line in file if line.strip()]
    return every[:: max(1, len(every) // CALIBRATION)][:CALIBRATION]


def main():
    model, onnx_path, folder = sys.argv[1:]
    dynamic, static = os.path.join(folder, "dynamic-int8.onnx"), os.path.join(folder, "nncf-int8.xml")
    if not os.path.exists(dynamic):
        quantize_dynamic(onnx_path, dynamic + ".part", per_channel=True, weight_type=QuantType.QInt8)
        os.replace(dynamic + ".part", dynamic)
    if os.path.exists(static):
        return
    tokenizer = Tokenizer.from_file(os.path.join(model, "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)

    def inputs(text):
        ids = numpy.array([tokenizer.encode(text).ids], numpy.int64)
        return {"input_ids": ids, "attention_mask": numpy.ones_like(ids)}

    network = openvino.Core().read_model(onnx_path)
    data = nncf.Dataset(lines(), inputs)
    options = {"model_type": nncf.ModelType.TRANSFORMER, "subset_size": CALIBRATION}
    # The weights stand in a second file of the same name, which is not looked for before the first one is there.
    unfinished = os.path.join(folder, "unfinished.xml")
    openvino.save_model(nncf.quantize(network, data, **options), unfinished, compress_to_fp16=False)
    for end in (".bin", ".xml"):
        os.replace(unfinished.removesuffix(".xml") + end, static.removesuffix(".xml") + end)


if __name__ == "__main__":
    main()
