#!/usr/bin/env python3
"""A whole recipe on Fashion-MNIST, by marvin and by PyTorch: wall time of the process, and the accuracy that it reaches.

Both begin with the same weights of every seed (and draw batches of their own), train by the same file of models/recipes and
evaluate after every epoch; reading the data, and marvin's reading and compiling of the model, are in the time.  Runs of a seed
follow each other, so that what is compared lies close together.  PyTorch runs channels-last, with a malloc that keeps memory;
OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE are unset for it.

Needs torch, onnx and numpy (Debian: /usr/bin/python3 with python3-torch python3-onnx python3-numpy), and
dataset-fashion-mnist.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

from compare import CONTESTANTS, ROOT, SETTINGS, Others, check, make, run, text_of
from compare_networks import RECIPES


def torch_run(name, seed, args):
    environment = {key: value for key, value in os.environ.items()
                   if key not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    environment |= {"OMP_NUM_THREADS": str(args.threads)} | SETTINGS[-1][3]
    return run([sys.executable, str(ROOT / "bench" / "recipe_torch.py"), name, "--recipe", str(recipe_file(name)),
                "--data", str(args.data), "--seed", str(seed), "--threads", str(args.threads), "--epochs",
                str(epochs(name, args))], environment)


def marvin_run(name, seed, precision, args, directory):
    network = RECIPES[name]
    model, out = directory / f"{name}_{seed}.onnx", directory / f"{name}_{seed}_{precision.replace(':', '-')}"
    if not model.exists():
        make.export(network.entry, network.module(seed), network.data()[0], model)
    steps = max(1, round(epochs(name, args) * (60000 // network.batch)))
    command = [args.marvin, "train", str(model), "--data", str(args.data), "--recipe", str(recipe_file(name)), "--steps",
               str(steps), "--precision", precision, "--seed", str(seed), "--threads", str(args.threads), "--out", str(out),
               "--quiet"]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(f"compare_recipe.py: {' '.join(command)} failed: {done.stderr.strip()}")
    summary = json.loads((out / "run.json").read_text())["summary"]
    return {"seconds": seconds, "accuracy": summary["accuracy"]}


def recipe_file(name):
    return ROOT / "models" / "recipes" / f"{name}.json"


def epochs(name, args):
    return args.scale * json.loads(recipe_file(name).read_text())["epochs"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=RECIPES, default="resnet20", help="(default: %(default)s)")
    parser.add_argument("--contestants", nargs="+", default=["PyTorch float32", "marvin adaptive"], metavar="NAME",
                        choices=[name for name in CONTESTANTS if name != "PyTorch bf16"],
                        help="of %(choices)s, in quotes (default: %(default)s); times are compared with the first one's")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N", help="(default: 0 1 2)")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--scale", type=float, default=1, metavar="X", help="share of the recipe's epochs (default: 1)")
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("/usr/share/datasets/fashion-mnist"),
                        metavar="DIR", help="Fashion-MNIST's four files (default: %(default)s)")
    parser.add_argument("--force", action="store_true", help="report on a noisy machine, too, and say so")
    parser.add_argument("--marvin", default=str(ROOT / "build" / "release" / "marvin"), metavar="FILE",
                        help="the binary (default: %(default)s)")
    args = parser.parse_args()
    others, runs = Others(args.threads), {name: [] for name in args.contestants}
    with tempfile.TemporaryDirectory() as directory:
        for seed in args.seeds:
            for contestant in args.contestants:
                options = CONTESTANTS[contestant]
                result = (torch_run(args.network, seed, args) if contestant.startswith("PyTorch")
                          else marvin_run(args.network, seed, options, args, pathlib.Path(directory)))
                runs[contestant].append(result)
                print(f"seed {seed}, {contestant}: {result['seconds']:.1f} s, {result['accuracy']:.2%}", file=sys.stderr,
                      flush=True)
                check(others.complaints(), args.force)
    for complaint in others.complaints():
        print(f"NOISY, not to be quoted: {complaint}")
    first = [result["seconds"] for result in runs[args.contestants[0]]]
    rows = [["contestant", "seconds", "from", "to", "share", "accuracy", "from", "to"]]
    for contestant, results in runs.items():
        seconds, reached = [result["seconds"] for result in results], [100 * result["accuracy"] for result in results]
        share = statistics.median(own / other for own, other in zip(seconds, first))
        rows.append([contestant, f"{statistics.median(seconds):.1f}", f"{min(seconds):.1f}", f"{max(seconds):.1f}",
                     f"{share:.2f}", f"{statistics.mean(reached):.2f}", f"{min(reached):.2f}", f"{max(reached):.2f}"])
    print(f"{RECIPES[args.network].title} on Fashion-MNIST, {epochs(args.network, args):g} epochs, {args.threads} threads, "
          f"seeds {', '.join(map(str, args.seeds))}:\n\n{text_of(rows, False, 1)}")


if __name__ == "__main__":
    main()
