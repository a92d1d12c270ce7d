#!/usr/bin/env python3
"""Networks x precisions x seeds: accuracy, word lengths, modelled and measured speed-up.

Trains every combination with `marvin train` into a directory of its own below --out and prints a table; that of the
whole grid also goes into docs/precision.md.  Runs that are finished with the same settings are kept: the same command
goes on where it was interrupted.  Remove what a new build of marvin is to train anew.  Only the standard library is
needed, and for models that are not committed models/export.py with its torch and onnx.
"""

import argparse
import json
import math
import os
import pathlib
import random
import resource
import shutil
import statistics
import struct
import subprocess
import sys
import time
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PRECISIONS = ("float32", "fixed:8", "muppet", "paper:sound", "paper:released", "adaptive")
BEGIN, END = "<!-- experiments -->", "<!-- /experiments -->"
ROLES = ("weight", "activation", "gradient")


class Network:
    def __init__(self, title, model, recipe, gmacs, data="fashion-mnist", samples=60000):
        self.title = title
        self.model = model  # of models/, or of models/export.py where it is not committed
        self.recipe = recipe  # of models/recipes
        self.gmacs = gmacs  # billions of multiply-accumulates of a forward pass of 1000 samples
        self.data = data
        self.samples = samples  # to train on


NETWORKS = {
    "lenet5": Network("LeNet-5", "lenet5", "lenet5", 0.42),
    "alexnet": Network("AlexNet (CIFAR form)", "alexnet_1x32x32", "alexnet", 14),
    "resnet20": Network("ResNet-20", "resnet20", "resnet20", 31),
    "vgg11": Network("VGG-11, half of the channels", "vgg11_bn_half", "vgg11", 39),
    "mlp_tabular": Network("MLP, one column in other units", "mlp_tabular", "mlp_tabular", 0.0064, "tabular", 32768),
}


# ------------------------------------------------------------------ tabular data


def npy(descr, shape, data):
    """An array as numpy's format 1.0 has it."""
    header = str({"descr": descr, "fortran_order": False, "shape": shape})
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


TABLE_TEST_SAMPLES = 16384


def table_file(out, samples):
    return out / f"table_{samples}.npz"


def write_table(path, samples, seed):
    """32 columns of normal numbers, the first of them 100 times as large; 4 classes that the other 31 decide on."""
    teacher = random.Random(0)
    hidden = [[teacher.gauss(0, 1) / 5 for _ in range(31)] for _ in range(8)]
    scores = [[teacher.gauss(0, 1) for _ in range(8)] for _ in range(4)]
    rng = random.Random(seed)
    rows, labels = [], []
    for _ in range(samples):
        row = [rng.gauss(0, 1) for _ in range(32)]
        h = [math.tanh(sum(w * x for w, x in zip(weights, row[1:]))) for weights in hidden]
        y = [sum(w * x for w, x in zip(weights, h)) for weights in scores]
        labels.append(y.index(max(y)))
        rows += [100 * row[0]] + row[1:]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("input.npy", npy("<f4", (samples, 32), struct.pack(f"<{len(rows)}f", *rows)))
        archive.writestr("labels.npy", npy("<i8", (samples,), struct.pack(f"<{samples}q", *labels)))


# -------------------------------------------------------------------------- runs


class Run:
    def __init__(self, network, precision, seed, args):
        self.network, self.precision, self.seed = network, precision, seed
        self.directory = args.out / f"{network}_{precision.replace(':', '-')}_{seed}"
        self.record = self.directory / "experiment.json"  # what the finished run is the result of
        self.args = args

    def spec(self):
        return NETWORKS[self.network]

    def recipe(self):
        return json.loads((ROOT / "models" / "recipes" / f"{self.spec().recipe}.json").read_text())

    def steps(self):
        recipe = self.recipe()
        per_epoch = self.spec().samples // recipe["batch-size"]
        return max(1, round(self.args.scale * recipe["epochs"] * per_epoch))

    def settings(self):
        return {"model": self.spec().model, "recipe": self.recipe(), "steps": self.steps(), "init": "tnvs",
                "precision": self.precision, "seed": self.seed, "threads": self.args.threads}

    def work(self):
        """What the run costs, roughly, in billions of multiply-accumulates."""
        return 3e-3 * self.spec().gmacs * self.steps() * self.recipe()["batch-size"]

    def result(self):
        """The summary of the finished run and what it took, {"failure": ...} of one that diverged, None of others."""
        try:
            record = json.loads(self.record.read_text())
            if record["settings"] != self.settings():
                return None
            if "failure" in record:
                return {"failure": record["failure"]}
            summary = json.loads((self.directory / "run.json").read_text())["summary"]
            return summary | {"processor_seconds": record["processor_seconds"]}
        except (OSError, ValueError, KeyError):
            return None

    def command(self):
        data = {"fashion-mnist": ["--data", "fashion-mnist"],
                "tabular": ["--data", str(table_file(self.args.out, self.spec().samples)),
                            "--eval-data", str(table_file(self.args.out, TABLE_TEST_SAMPLES))]}[self.spec().data]
        return [self.args.marvin, "train", str(model_file(self.spec().model, self.args.out)), *data,
                "--recipe", str(ROOT / "models" / "recipes" / f"{self.spec().recipe}.json"),
                "--steps", str(self.steps()), "--init", "tnvs", "--precision", self.precision,
                "--seed", str(self.seed), "--threads", str(self.args.threads), "--out", str(self.directory), "--quiet"]

    def start(self):
        """Trains. Returns an error that is none of training, or None."""
        if self.directory.exists():
            shutil.rmtree(self.directory)
        begun, used = time.monotonic(), processor_seconds()
        done = subprocess.run(self.command(), capture_output=True, text=True)
        record = {"settings": self.settings(), "seconds": time.monotonic() - begun,
                  "processor_seconds": processor_seconds() - used}
        if done.returncode != 0:
            if "not finite" not in done.stderr:
                return done.stderr.strip() or f"marvin ended with {done.returncode}"
            record["failure"] = done.stderr.strip()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.record.write_text(json.dumps(record, indent=2) + "\n")
        return None

    def seconds(self):
        return json.loads(self.record.read_text())["seconds"]


def processor_seconds():
    """Of the processes that this one has started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def model_file(name, out):
    committed = ROOT / "models" / f"{name}.onnx"
    return committed if committed.exists() else out / f"{name}.onnx"


def prepare(networks, args):
    """Makes the models and data that are not there yet."""
    args.out.mkdir(parents=True, exist_ok=True)
    for spec in (NETWORKS[name] for name in networks):
        if not model_file(spec.model, args.out).exists():
            export = [args.python, str(ROOT / "models" / "export.py"), spec.model, "-o", str(args.out)]
            subprocess.run(export, check=True)
        if spec.data == "tabular" and not table_file(args.out, TABLE_TEST_SAMPLES).exists():
            write_table(table_file(args.out, spec.samples), spec.samples, seed=1)
            write_table(table_file(args.out, TABLE_TEST_SAMPLES), TABLE_TEST_SAMPLES, seed=2)


class Estimate:
    """Of the time that runs take, from those that are finished: of the same network and precision, else of the network,
    else of all."""

    DEFAULT_RATE = 50  # billions of multiply-accumulates a second

    def __init__(self, runs):
        self.done = [(run, run.seconds()) for run in runs if run.result() is not None]

    def add(self, run):
        self.done.append((run, run.seconds()))

    def seconds(self, run):
        for alike in (lambda r: (r.network, r.precision) == (run.network, run.precision),
                      lambda r: r.network == run.network, lambda r: True):
            known = [(seconds, r.work()) for r, seconds in self.done if alike(r)]
            if known:
                return sum(s for s, _ in known) / sum(w for _, w in known) * run.work()
        return run.work() / self.DEFAULT_RATE


def duration(seconds):
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60}:{minutes % 60:02} h"
    return f"{minutes} min" if seconds >= 120 else f"{seconds:.0f} s"


def outcome(result):
    if "failure" in result:
        return "diverged: " + result["failure"].removeprefix("marvin: ")
    return (f"accuracy {100 * result['accuracy']:.2f} %, {duration(result['train_s'])} of training steps, "
            f"{100 * result['macs']['le8'] / result['macs']['total']:.1f} % in at most 8 bits")


def train(runs):
    """Trains what is not finished. Returns the number of runs that could not be trained."""
    todo = [run for run in runs if run.result() is None]
    estimate = Estimate(runs)
    print(f"{len(runs) - len(todo)} of {len(runs)} runs are finished; the others take about "
          f"{duration(sum(map(estimate.seconds, todo)))}", flush=True)
    errors = 0
    for i, run in enumerate(todo):
        print(f"[{i + 1}/{len(todo)}] {run.directory.name}, about {duration(estimate.seconds(run))} ...", flush=True)
        error = run.start()
        if error:
            errors += 1
            print(f"    failed: {error}", flush=True)
            continue
        estimate.add(run)
        left = sum(map(estimate.seconds, todo[i + 1:]))
        print(f"    {outcome(run.result())}; {duration(left)} left", flush=True)
    return errors


# ------------------------------------------------------------------------- table


def mean(values):
    values = [value for value in values if value is not None]
    return statistics.mean(values) if values else None


def cell(value, text):
    return "-" if value is None else text.format(value)


def spread(values):
    """Mean and standard deviation of percentages."""
    if len(values) < 2:
        return f"{values[0]:.2f}"
    return f"{statistics.mean(values):.2f} ± {statistics.stdev(values):.2f}"


def row(network, precision, results, reference):
    """A line of the table. `results` and `reference` (float32) are summaries by seed."""
    good = {seed: result for seed, result in results.items() if "failure" not in result}
    name = [NETWORKS[network].title, f"`{precision}`"]
    if not good:
        return name + [f"diverged ({len(results)} of {len(results)})"] + ["-"] * 9
    accuracy = spread([100 * result["accuracy"] for result in good.values()])
    if len(good) < len(results):
        accuracy += f" (diverged: {len(results) - len(good)} of {len(results)})"
    pairs = [(result, reference[seed]) for seed, result in good.items()
             if "failure" not in reference.get(seed, {"failure": ""})]
    words = [mean(result["model"]["mean_wl"][role] for result in good.values()) for role in ROLES]
    macs = [result["macs"] for result in good.values()]
    shares = [mean(counts[key] / counts["total"] for counts in macs) for key in ("le8", "le16")]
    return name + [
        accuracy,
        cell(mean(100 * (result["accuracy"] - other["accuracy"]) for result, other in pairs), "{:+.2f}"),
        " / ".join(cell(word, "{:.1f}") for word in words),
        *(cell(100 * share, "{:.1f} %") for share in shares),
        cell(mean(result["model"]["published"]["training_speedup"] for result in good.values()), "{:.2f}"),
        cell(mean(result["model"]["dense"]["training_speedup"] for result in good.values()), "{:.2f}"),
        cell(mean(other["processor_seconds"] / result["processor_seconds"] for result, other in pairs), "{:.2f}"),
        cell(mean(result["switches"] for result in good.values()), "{:.0f}"),
        cell(mean(100 * result["policy_s"] / result["train_s"] for result in good.values()), "{:.1f} %"),
    ]


HEADER = ["network", "precision", "accuracy, %", "to float32, points", "mean word length W / A / G", "in ≤ 8 bits",
          "in ≤ 16 bits", "modelled speed-up, published", "modelled, true counts", "measured speed-up", "switches",
          "policy's time"]


def table(runs, args):
    lines = ["| " + " | ".join(HEADER) + " |", "|---|---|" + "---:|" * (len(HEADER) - 2)]
    for network in dict.fromkeys(run.network for run in runs):
        by_precision = {}
        for run in runs:
            result = run.result() if run.network == network else None
            if result is not None:
                by_precision.setdefault(run.precision, {})[run.seed] = result
        for precision, results in by_precision.items():
            lines.append("| " + " | ".join(row(network, precision, results, by_precision.get("float32", {}))) + " |")
    lengths = f"{args.scale:g} of the recipes' epochs" if args.scale != 1 else "the recipes' epochs"
    threads = f"{args.threads} thread{'s' * (args.threads > 1)}"
    lines += ["", f"Seeds {', '.join(map(str, args.seeds))}; {lengths}; {threads}."]
    return "\n".join(lines)


def write_between_markers(path, text):
    page = path.read_text()
    begin, end = page.find(BEGIN), page.find(END)
    if begin < 0 or end < begin:
        sys.exit(f"{path}: has no {BEGIN} ... {END}")
    path.write_text(page[:begin] + BEGIN + "\n" + text + "\n" + page[end:])
    print(f"\nwritten into {path}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS), metavar="NAME",
                        help=f"of {', '.join(NETWORKS)} (default: all)")
    parser.add_argument("--precisions", nargs="+", default=list(PRECISIONS), metavar="SPEC",
                        help=f"what `marvin train --precision` takes (default: {' '.join(PRECISIONS)})")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N", help="(default: 0 1 2)")
    parser.add_argument("--scale", type=float, default=1, metavar="X", help="share of the recipes' epochs (default: 1)")
    parser.add_argument("--threads", type=int, default=1, metavar="N",
                        help="of each run; runs follow one another (default: 1)")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "runs" / "experiments", metavar="DIR",
                        help="for runs, and models and data that have to be made (default: runs/experiments)")
    parser.add_argument("--docs", type=pathlib.Path, metavar="FILE",
                        help="the page between whose markers the table goes (default: docs/precision.md where all "
                             "networks and precisions are run at full length, else none)")
    parser.add_argument("--table", action="store_true", help="train nothing; the table of what is finished")
    parser.add_argument("--marvin", default=str(ROOT / "build" / "release" / "marvin"), metavar="FILE",
                        help="the binary (default: %(default)s)")
    parser.add_argument("--python", default="/usr/bin/python3", metavar="FILE", help="a Python with torch and onnx")
    args = parser.parse_args()
    if not args.scale > 0:
        parser.error("--scale must be positive")
    is_whole = set(args.networks) == set(NETWORKS) and set(args.precisions) == set(PRECISIONS) and args.scale == 1
    if args.docs is None and is_whole:
        args.docs = ROOT / "docs" / "precision.md"
    return args


def main():
    args = arguments()
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # Precisions of one seed run one after the other, so that the times that are compared are close to each other.
    runs = [Run(network, precision, seed, args)
            for network in args.networks for seed in args.seeds for precision in args.precisions]
    errors = 0
    if not args.table:
        prepare(args.networks, args)
        errors = train(runs)
    if not any(run.result() for run in runs):
        sys.exit("there is no finished run to make a table of")
    text = table(runs, args)
    print("\n" + text)
    if args.docs:
        write_between_markers(args.docs, text)
    if errors:
        sys.exit(f"{errors} runs could not be trained; the same command tries them again")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\ninterrupted; the same command goes on from here")
