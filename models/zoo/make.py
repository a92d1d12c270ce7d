#!/usr/bin/env python3
"""Export small versions of known architectures in training mode, with a batch and ten steps of PyTorch.

Writes for every network NAME.onnx, NAME.npz (one batch under the names of the graph's inputs, and `labels`),
NAME.recipe.json (how to train it, for `marvin train --recipe`) and NAME.json (the losses of ten steps on that batch in
float32 and float64).  The distance between the two is rounding noise, which a comparison has to allow.  Needs
torch 1.13, onnx and numpy (Debian: python3-torch python3-onnx python3-numpy).
"""

import argparse
import copy
import io
import json
import pathlib
import re
import sys
import warnings

sys.dont_write_bytecode = True

import numpy as np
import onnx
import onnx.numpy_helper
import torch
from torch.nn import functional as F

import attention
import convolutional
import inception
import mobile
import others
import recommendation
import recurrent

SEED = 1
STEPS = 10
MOMENTUM = 0.9

NETWORKS = {**convolutional.NETWORKS, **inception.NETWORKS, **mobile.NETWORKS, **attention.NETWORKS,
            **recurrent.NETWORKS, **recommendation.NETWORKS, **others.NETWORKS}

LOSSES = {
    "cross-entropy": F.cross_entropy,
    "nll": F.nll_loss,
    "mse": F.mse_loss,
    "l1": F.l1_loss,
    "huber": F.huber_loss,
    "bce": F.binary_cross_entropy,
    "bce-with-logits": F.binary_cross_entropy_with_logits,
}


def export(entry, module, batch, path):
    """Write the module in training mode, as it is now."""
    names = list(entry.inputs)
    output = "loss" if entry.labels is None else "scores"
    axes = {name: {0: "batch"} for name in (names if entry.labels is None else [*names, output])}
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of shapes that tracing makes constant, and of num_batches_tracked
        torch.onnx.export(copy.deepcopy(module), tuple(batch[name] for name in names), buffer,
                          training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False,
                          opset_version=entry.opset, input_names=names, output_names=[output], dynamic_axes=axes)
    model = onnx.load_from_string(buffer.getvalue())
    # The export runs the network, and saves the running statistics as that run left them: put them back.
    state = module.state_dict()
    for tensor in model.graph.initializer:
        if tensor.name in state:
            tensor.CopyFrom(onnx.numpy_helper.from_array(state[tensor.name].numpy(), tensor.name))
    onnx.save(model, str(path))


def train(entry, module, batch, labels, dtype):
    """The loss of every step on the batch, before its update."""
    module = copy.deepcopy(module).to(dtype).train()
    optimizer = torch.optim.SGD(module.parameters(), lr=entry.lr, momentum=MOMENTUM)
    cast = lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        result = module(*(cast(batch[name]) for name in entry.inputs))
        loss = result if labels is None else LOSSES[entry.loss](result, cast(labels))
        loss.backward()
        optimizer.step()
        losses.append(float(f"{loss.item():.9g}"))
    return losses


def write_json(path, settings):
    """One key to a line."""
    lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in settings.items())
    path.write_text("{\n" + lines + "\n}\n")


def recipe(entry, module):
    """How to train it.  ONNX has no word for buffers: those of reals look like parameters, and must not be trained."""
    buffers = [re.escape(name) for name, buffer in module.named_buffers()
               if buffer.is_floating_point() and not name.endswith(("running_mean", "running_var"))]
    frozen = {"freeze": f"^({'|'.join(buffers)})$"} if buffers else {}
    return {"loss": entry.loss, "batch-size": entry.batch, "steps": STEPS, "shuffle": False, "lr": entry.lr,
            "momentum": MOMENTUM, **frozen}


def make(name, directory):
    entry = NETWORKS[name]
    torch.manual_seed(SEED)
    module = entry.build().train()
    batch = {key: sampler(entry.batch) for key, sampler in entry.inputs.items()}
    labels = entry.labels(entry.batch) if entry.labels else None
    arrays = {**batch, **({} if labels is None else {"labels": labels})}
    np.savez(directory / f"{name}.npz", **{key: tensor.numpy() for key, tensor in arrays.items()})
    export(entry, module, batch, directory / f"{name}.onnx")
    losses, exact = (train(entry, module, batch, labels, dtype) for dtype in (torch.float32, torch.float64))
    write_json(directory / f"{name}.recipe.json", recipe(entry, module))
    write_json(directory / f"{name}.json", {"losses": losses, "losses_float64": exact})
    parameters = sum(p.numel() for p in module.parameters())
    noise = max(abs(a - b) / max(abs(b), 1) for a, b in zip(losses, exact))
    print(f"{name:20} {parameters:>9,} parameters, loss {losses[0]:.5f} -> {losses[-1]:.5f}, "
          f"float32 within {noise:.1e} of float64", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="networks: " + " ".join(NETWORKS))
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks to make (default: all)")
    parser.add_argument("--out", required=True, type=pathlib.Path, metavar="DIR", help="folder to write to")
    args = parser.parse_args()
    unknown = set(args.names) - set(NETWORKS)
    if unknown:
        parser.error(f"unknown: {' '.join(sorted(unknown))}; there are {' '.join(NETWORKS)}")
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # one summation order, so that the files repeat
    for name in args.names or NETWORKS:
        make(name, args.out)


if __name__ == "__main__":
    main()
