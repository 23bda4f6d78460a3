"""Writes a BERT-layout sentence-transformers folder as an ONNX graph, without PyTorch.

Inputs `ids` [batch, tokens] int64 and `mask` [batch, tokens] float; output `embedding` [batch, hidden]: mean pooling
over the mask and L2 normalisation are part of the graph, as in the models that people export for serving.
"""

import json
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file


class Graph:
    """Collects nodes and constants, naming each value once."""

    def __init__(self):
        self.nodes, self.constants, self.count = [], [], 0

    def constant(self, array):
        self.count += 1
        name = f"c{self.count}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, operator, *inputs, **attributes):
        self.count += 1
        name = f"v{self.count}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name


def write(folder, path):
    folder = pathlib.Path(folder)
    config = json.loads((folder / "config.json").read_text())
    weights = {k.removeprefix("bert."): v.astype(np.float32) for k, v in load_file(folder / "model.safetensors").items()}
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    width, epsilon = hidden // heads, config["layer_norm_eps"]
    g = Graph()
    integers = lambda *values: g.constant(np.array(values, np.int64))
    scalar = lambda value: g.constant(np.array(value, np.float32))

    def linear(x, name):
        product = g.node("MatMul", x, g.constant(weights[name + ".weight"].T))
        return g.node("Add", product, g.constant(weights[name + ".bias"]))

    def layer_norm(x, name):
        scale, bias = g.constant(weights[name + ".weight"]), g.constant(weights[name + ".bias"])
        return g.node("LayerNormalization", x, scale, bias, axis=-1, epsilon=epsilon)

    words = g.node("Gather", g.constant(weights["embeddings.word_embeddings.weight"]), "ids")
    tokens = g.node("Slice", g.node("Shape", "ids"), integers(1), integers(2))
    positions = g.node("Slice", g.constant(weights["embeddings.position_embeddings.weight"]), integers(0), tokens)
    types = g.constant(weights["embeddings.token_type_embeddings.weight"][0])
    x = layer_norm(g.node("Add", g.node("Add", words, types), positions), "embeddings.LayerNorm")
    # 0 where a token is, a large negative number where padding is.
    masked = g.node("Mul", g.node("Sub", scalar(1), g.node("Unsqueeze", "mask", integers(1, 2))), scalar(-1e9))

    def split_heads(x, order):
        return g.node("Transpose", g.node("Reshape", x, integers(0, 0, heads, width)), perm=order)

    for layer in range(config["num_hidden_layers"]):
        name = f"encoder.layer.{layer}."
        query = split_heads(linear(x, name + "attention.self.query"), [0, 2, 1, 3])
        key = split_heads(linear(x, name + "attention.self.key"), [0, 2, 3, 1])
        value = split_heads(linear(x, name + "attention.self.value"), [0, 2, 1, 3])
        scores = g.node("Div", g.node("MatMul", query, key), scalar(width**0.5))
        shares = g.node("Softmax", g.node("Add", scores, masked), axis=-1)
        mixed = g.node("Transpose", g.node("MatMul", shares, value), perm=[0, 2, 1, 3])
        attended = linear(g.node("Reshape", mixed, integers(0, 0, hidden)), name + "attention.output.dense")
        x = layer_norm(g.node("Add", attended, x), name + "attention.output.LayerNorm")
        inner = g.node("Gelu", linear(x, name + "intermediate.dense"))
        x = layer_norm(g.node("Add", linear(inner, name + "output.dense"), x), name + "output.LayerNorm")

    weight = g.node("Unsqueeze", "mask", integers(2))
    total = g.node("ReduceSum", g.node("Mul", x, weight), integers(1), keepdims=0)
    mean = g.node("Div", total, g.node("ReduceSum", weight, integers(1), keepdims=0))
    g.nodes.append(helper.make_node("LpNormalization", [mean], ["embedding"], axis=-1, p=2))

    graph = helper.make_graph(
        g.nodes,
        "bert",
        [
            helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "tokens"]),
            helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["batch", "tokens"]),
        ],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", hidden])],
        g.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, path)
