#!/usr/bin/env python3
"""The models that cost.py measures: cost_models.py NAME FILE.onnx.  A program of its own, since PyTorch's memory must not
count as the measured process's."""

import pathlib
import sys
import warnings

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "models" / "zoo"))

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import torch

import attention


class TracedMask(attention.WindowAttention):
    """Draws its mask anew in every pass, as torchvision does: tracing writes that out, in some hundred nodes a block."""

    def __init__(self, *args):
        super().__init__(*args)
        if self.shift:
            del self.mask

    def forward(self, x):
        if self.shift:
            regions = x.new_zeros((x.shape[1], x.shape[2]))
            edges = ((0, -self.window), (-self.window, -self.shift), (-self.shift, None))
            for i, rows in enumerate(edges):
                for j, columns in enumerate(edges):
                    regions[rows[0]:rows[1], columns[0]:columns[1]] = 3 * i + j
            n = x.shape[1] // self.window
            regions = regions.view(n, self.window, n, self.window).permute(0, 2, 1, 3).reshape(n * n, -1)
            mask = regions.unsqueeze(1) - regions.unsqueeze(2)
            self.mask = mask.masked_fill(mask != 0, -100.0).masked_fill(mask == 0, 0.0)[None, :, None]
        return super().forward(x)


def export(module, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of shapes that tracing makes constant
        torch.onnx.export(module.train(), torch.randn(2, 3, 224, 224), str(path), opset_version=17,
                          training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False, input_names=["input"],
                          output_names=["scores"], dynamic_axes={"input": {0: "batch"}, "scores": {0: "batch"}})


def swin_t(path):
    attention.WindowAttention = TracedMask
    export(attention.Swin(96, 224, 4, (2, 2, 6, 2), (3, 6, 12, 24), (7, 7, 7, 7)), path)


def vit_b(path):
    export(attention.VisionTransformer(768, 12, 12, 224, 16), path)


def chain(nodes):
    """Layers of MatMul, Add and Relu."""
    def make(path):
        random = np.random.default_rng(0)
        graph = onnx.GraphProto(name="chain")
        value = "x"
        for i in range(nodes // 3):
            for name, shape in ((f"w{i}", (8, 8)), (f"b{i}", (8,))):
                weights = (0.3 * random.standard_normal(shape)).astype(np.float32)
                graph.initializer.append(onnx.numpy_helper.from_array(weights, name))
            graph.node.append(onnx.helper.make_node("MatMul", [value, f"w{i}"], [f"m{i}"]))
            graph.node.append(onnx.helper.make_node("Add", [f"m{i}", f"b{i}"], [f"a{i}"]))
            graph.node.append(onnx.helper.make_node("Relu", [f"a{i}"], [f"r{i}"]))
            value = f"r{i}"
        graph.input.append(onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", 8]))
        graph.output.append(onnx.helper.make_tensor_value_info(value, onnx.TensorProto.FLOAT, ["batch", 8]))
        onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), str(path))
    return make


MODELS = {"swin_t": swin_t, "vit_b_16": vit_b, "chain of 1,000": chain(1000), "chain of 10,000": chain(10000),
          "chain of 100,000": chain(100000)}


if __name__ == "__main__":
    torch.manual_seed(0)
    model_name, path = sys.argv[1:]
    MODELS[model_name](path)
    print(len(onnx.load(path).graph.node))
