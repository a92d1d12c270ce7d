#!/usr/bin/env python3
"""Export small versions of known architectures in training mode, with a batch and ten steps of PyTorch.

Writes for every network NAME.onnx, NAME.npz (one batch under the names of the graph's inputs, and `labels`),
NAME.recipe.json (how to train it, for `marvin train --recipe`) and NAME.json (the losses of ten steps on that batch in
float32 and float64).  Ten steps of a deep network may hang on the last bit of one number, a pixel that is the largest of
its window or not: weights and batch are those of the first seed at which they do not.  Needs torch 1.13, onnx and numpy (Debian: python3-torch python3-onnx python3-numpy).
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

SEEDS = range(1, 21)
STEPS = 10
NUDGES = 4       # how often the weights are moved by a unit in the last place
STEADY = 1e-4    # how far that may move a loss, relative or, below 1, absolute
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


def distance(losses, others):
    return max(abs(a - b) / max(abs(b), 1) for a, b in zip(losses, others))


def nudged(module):
    """A copy with every weight moved by one unit in the last place, up or down."""
    module = copy.deepcopy(module)
    with torch.no_grad():
        for parameter in module.parameters():
            up = torch.rand_like(parameter) < 0.5
            infinity = torch.full_like(parameter, float("inf"))
            parameter.copy_(torch.nextafter(parameter, torch.where(up, infinity, -infinity)))
    return module


class Trial:
    """A network with the weights and the batch of a seed, and its ten steps."""

    def __init__(self, entry, seed):
        self.seed = seed
        torch.manual_seed(seed)
        self.module = entry.build().train()
        self.batch = {key: sampler(entry.batch) for key, sampler in entry.inputs.items()}
        self.labels = entry.labels(entry.batch) if entry.labels else None
        steps = lambda module, dtype: train(entry, module, self.batch, self.labels, dtype)
        self.losses, self.exact = (steps(self.module, dtype) for dtype in (torch.float32, torch.float64))
        runs = [self.losses, *(steps(nudged(self.module), torch.float32) for _ in range(NUDGES))]
        self.noise = max(distance(run, self.exact) for run in runs)


def make(name, directory):
    entry = NETWORKS[name]
    trials = []
    for seed in SEEDS:
        trials.append(Trial(entry, seed))
        if trials[-1].noise <= STEADY:
            break
    trial = min(trials, key=lambda t: t.noise)
    arrays = {**trial.batch, **({} if trial.labels is None else {"labels": trial.labels})}
    np.savez(directory / f"{name}.npz", **{key: tensor.numpy() for key, tensor in arrays.items()})
    export(entry, trial.module, trial.batch, directory / f"{name}.onnx")
    write_json(directory / f"{name}.recipe.json", recipe(entry, trial.module))
    write_json(directory / f"{name}.json", {"losses": trial.losses, "losses_float64": trial.exact})
    parameters = sum(p.numel() for p in trial.module.parameters())
    print(f"{name:20} {parameters:>9,} parameters, loss {trial.losses[0]:.5f} -> {trial.losses[-1]:.5f}, "
          f"float32 within {trial.noise:.1e} of float64" + f", seed {trial.seed}", flush=True)


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
