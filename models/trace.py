#!/usr/bin/env python3
"""Record the losses of the first training steps in float32 PyTorch.

Each trace starts from the weights inside the committed .onnx file and trains on
the first batches of Fashion-MNIST in file order, so that another runtime that
reads the same files can be compared with it step by step.

Pixels are scaled to [0, 1] and normalised with the mean and the population
standard deviation of the whole training set.  The loss is the mean
cross-entropy of the batch before the step's update.  Weight decay applies to
every parameter.  Each trace also holds the losses of the same run in float64:
their distance from the float32 ones is rounding noise, which a comparison with
the trace has to allow.  Needs torch, onnx and numpy, and the Debian package
dataset-fashion-mnist or the same four files elsewhere (--data).
"""

import argparse
import gzip
import json
import pathlib
import sys

sys.dont_write_bytecode = True

import numpy as np

import export  # checks that torch and onnx are here
import onnx
import onnx.numpy_helper
import torch
from torch.nn import functional as F

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
DATA = pathlib.Path("/usr/share/datasets/fashion-mnist")

SGD = {"optimizer": "sgd", "nesterov": False, "lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4}
# Networks with batch normalisation magnify rounding at their start: a single
# activation that rounds to the other side of a ReLU or of a max-pool moves the
# gradients of all layers below by up to 1%, and from there, at a rate of 0.01,
# the losses of ten steps by up to 1%.  At this rate rounding moves them by 1e-5
# or less, while the updates move them by about 1e-2 or more.
GENTLE = {**SGD, "lr": 1e-4}
NESTEROV = {**SGD, "nesterov": True}
ADAM = {"optimizer": "adam", "nesterov": False, "lr": 1e-3, "momentum": 0.0, "weight_decay": 0.0,
        "betas": [0.9, 0.999], "eps": 1e-8}
ADAMW = {**ADAM, "optimizer": "adamw", "weight_decay": 0.01}
ADAGRAD = {"optimizer": "adagrad", "nesterov": False, "lr": 0.01, "momentum": 0.0, "weight_decay": 5e-4}
# At 1e-3 the loss jumps between the steps, and magnifies the rounding of a single activation as above.
RMSPROP = {"optimizer": "rmsprop", "nesterov": False, "lr": 1e-4, "momentum": 0.0, "weight_decay": 5e-4}

TRACES = {
    "mlp": ("mlp", SGD),
    "lenet5": ("lenet5", SGD),
    "lenet5_nesterov": ("lenet5", NESTEROV),
    "lenet5_adam": ("lenet5", ADAM),
    "lenet5_adamw": ("lenet5", ADAMW),
    "lenet5_adagrad": ("lenet5", ADAGRAD),
    "lenet5_rmsprop": ("lenet5", RMSPROP),
    "vgg11_bn_narrow": ("vgg11_bn_narrow", GENTLE),
    "resnet20": ("resnet20", GENTLE),
}


def read_idx(path):
    """A gzipped IDX file of bytes as an array."""
    data = gzip.decompress(path.read_bytes())
    if data[:3] != b"\0\0\x08":
        raise SystemExit(f"{path}: not an IDX file of bytes")
    shape = np.frombuffer(data, ">i4", data[3], 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


def load_weights(module, path):
    """Replace every parameter and running statistic by the file's tensor of that name."""
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(str(path)).graph.initializer}
    state = module.state_dict()
    wanted = {key for key in state if not key.endswith("num_batches_tracked")}
    if wanted != set(stored):
        raise SystemExit(f"{path.name}: names differ: {sorted(wanted ^ set(stored))}")
    for key in wanted:
        state[key] = torch.from_numpy(stored[key].copy())
    module.load_state_dict(state)


def make_optimizer(module, o):
    if o["optimizer"] == "sgd":
        return torch.optim.SGD(module.parameters(), lr=o["lr"], momentum=o["momentum"],
                               weight_decay=o["weight_decay"], nesterov=o["nesterov"])
    if o["optimizer"] == "adagrad":
        return torch.optim.Adagrad(module.parameters(), lr=o["lr"], weight_decay=o["weight_decay"])
    if o["optimizer"] == "rmsprop":
        return torch.optim.RMSprop(module.parameters(), lr=o["lr"], momentum=o["momentum"],
                                   weight_decay=o["weight_decay"])
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[o["optimizer"]]
    return kind(module.parameters(), lr=o["lr"], betas=o["betas"], eps=o["eps"],
                weight_decay=o["weight_decay"])


def train(model, options, batches, dtype=torch.float32):
    """The loss of every step, before its update."""
    module = export.build(model, seed=0)  # another seed: the weights come from the file
    load_weights(module, HERE / f"{model}.onnx")
    module.to(dtype).train()
    optimizer = make_optimizer(module, options)
    losses = []
    for images, labels in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(module(images.to(dtype)), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def main():
    parser = argparse.ArgumentParser(
        description=__doc__ + "\ntraces:\n" + "\n".join(
            f"  {name:18}{model}.onnx, {o['optimizer']}{' nesterov' if o['nesterov'] else ''}, "
            f"lr {o['lr']}, weight decay {o['weight_decay']}"
            for name, (model, o) in TRACES.items()),
        epilog="""examples:
  models/trace.py all               every committed trace, into tests/data/traces
  models/trace.py lenet5 -o /tmp    one trace, somewhere else
  models/trace.py mlp --steps 100 -o /tmp
""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("trace", nargs="+", choices=["all", *TRACES], metavar="TRACE",
                        help="names from the list above, or `all`")
    parser.add_argument("-o", "--output", default=ROOT / "tests/data/traces", type=pathlib.Path,
                        metavar="DIR", help="folder to write to (default: tests/data/traces)")
    parser.add_argument("--data", default=DATA, type=pathlib.Path, metavar="DIR",
                        help="folder of the four Fashion-MNIST .gz files (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=10, help="(default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=64, help="(default: %(default)s)")
    args = parser.parse_args()

    torch.set_num_threads(1)  # one summation order, so that the files repeat
    pixels = read_idx(args.data / "train-images-idx3-ubyte.gz")
    labels = read_idx(args.data / "train-labels-idx1-ubyte.gz")
    # Mean and deviation in exact integer sums, then float64.
    counts = np.bincount(pixels.reshape(-1), minlength=256)
    values = np.arange(256) / 255.0
    mean = float((counts * values).sum() / counts.sum())
    std = float(np.sqrt((counts * (values - mean) ** 2).sum() / counts.sum()))

    used = args.steps * args.batch_size
    if used > len(pixels):
        parser.error(f"{used} images wanted, {len(pixels)} in the training set")
    images = pixels[:used, None].astype(np.float32) / np.float32(255)
    images = (images - np.float32(mean)) / np.float32(std)
    batches = list(zip(torch.from_numpy(images).split(args.batch_size),
                       torch.from_numpy(labels[:used].astype(np.int64)).split(args.batch_size)))

    args.output.mkdir(parents=True, exist_ok=True)
    for name in TRACES if "all" in args.trace else args.trace:
        model, options = TRACES[name]
        losses = train(model, options, batches)
        exact = train(model, options, batches, torch.float64)
        result = {
            "model": f"models/{model}.onnx",
            "data": "Fashion-MNIST training images in file order",
            "batch_size": args.batch_size,
            **options,
            "steps": args.steps,
            "mean": [mean],
            "std": [std],
            "losses": [float(f"{loss:.9g}") for loss in losses],
            "losses_float64": [float(f"{loss:.9g}") for loss in exact],
        }
        lines = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in result.items())
        (args.output / f"{name}.json").write_text("{\n" + lines + "\n}\n")
        noise = max(abs(a - b) / abs(b) for a, b in zip(losses, exact))
        print(f"{name}: loss {losses[0]:.6f} -> {losses[-1]:.6f}, "
              f"float32 within {noise:.1e} of float64")


if __name__ == "__main__":
    main()
