#!/usr/bin/env python3
"""Training steps of marvin beside PyTorch's: time and memory of the same networks, from the same weights.

Contestants are PyTorch in float32 and under bfloat16 autocast, and marvin in float32, fixed:8 and adaptive.  Each turn is a
process of its own: three steps of SGD with momentum 0.9 on cross-entropy that do not count, then --steps of which the median
does, or more where PyTorch needs less than a second for them; normally distributed inputs (random tokens), random labels.  Turns go round, --rounds times; what is printed is the
median over rounds, the smallest and the largest, and the peak memory of the process (median too).  PyTorch runs at its best:
before the rounds each network tries the settings below one after the other and keeps what is faster.  OPENBLAS_CORETYPE and
OPENBLAS_L2_SIZE are unset for PyTorch, and nothing is changed for marvin.

Where other processes took processor time, or the middle half of a contestant's rounds lies too far apart, nothing is reported
(exit code 1), or with --force is marked as noisy.

Needs torch, onnx and numpy (Debian: /usr/bin/python3 with python3-torch python3-onnx python3-numpy).
"""

import argparse
import contextlib
import json
import math
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True

try:
    from compare_networks import NETWORKS
    import make  # of models/zoo
except ImportError as error:
    sys.exit(f"{error} in {sys.executable}; Debian's packages belong to /usr/bin/python3")

ROOT = pathlib.Path(__file__).resolve().parent.parent
CONTESTANTS = {"PyTorch float32": [], "PyTorch bf16": ["--bf16"],
               "marvin float32": "float32", "marvin fixed:8": "fixed:8", "marvin adaptive": "adaptive"}
RATIOS = (("PyTorch float32", "marvin adaptive"), ("PyTorch bf16", "marvin adaptive"),
          ("PyTorch float32", "marvin float32"), ("marvin float32", "marvin adaptive"))
LEAST_MS = 1000  # of a turn's timed steps, at PyTorch's pace
GIBIBYTE = str(1 << 30)

# What PyTorch may gain from: name, whether it applies, more arguments, more environment.
SETTINGS = (
    ("channels_last", lambda network: network.convolves(), ["--channels-last"], {}),
    ("AVX-512", lambda network: machine()["has_avx512"], [], {"ATEN_CPU_CAPABILITY": "avx512"}),
    ("malloc that keeps memory", lambda network: True, [],
     {"MALLOC_MMAP_THRESHOLD_": GIBIBYTE, "MALLOC_TRIM_THRESHOLD_": GIBIBYTE, "MALLOC_TOP_PAD_": str(64 << 20)}),
)


def machine():
    with open("/proc/cpuinfo") as file:
        fields = dict(map(str.strip, line.split(":", 1)) for line in file if ":" in line)
    return {"cpu": fields.get("model name", "unknown"), "cpus": len(os.sched_getaffinity(0)),
            "has_avx512": "avx512dq" in fields.get("flags", "").split()}


# ----------------------------------------------------------------------- noise


class Others:
    """Processor time that other processes take."""

    CORES = 0.05  # that they may take of each thread's

    def __init__(self, threads):
        self.most = os.cpu_count() - threads + self.CORES * threads
        self.start = (time.monotonic(), self.busy(), self.own())

    @staticmethod
    def busy():
        """Processor time of all processes, in seconds: all columns of /proc/stat but idle and iowait; user has guest."""
        with open("/proc/stat") as file:
            ticks = [int(word) for word in file.readline().split()[1:]]
        return (sum(ticks[:3]) + sum(ticks[5:8])) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def own():
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(usage.ru_utime + usage.ru_stime for usage in used)

    def cores(self):
        elapsed, busy, own = (now - then for now, then in
                              zip((time.monotonic(), self.busy(), self.own()), self.start))
        return max(0, busy - own) / elapsed

    def complaints(self):
        cores = self.cores()
        return [] if cores <= self.most else [f"other processes took {cores:.2f} cores (at most {self.most:.2f})"]


def spread(values):
    """How far the quartiles lie apart, as a share of the median."""
    if len(values) < 2:
        return 0
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / middle


MOST_SPREAD = 0.2  # of a contestant's rounds


def unsteady(results):
    """The contestants whose rounds differ too much."""
    complaints = []
    for name, contestants in results.items():
        for contestant, result in contestants.items():
            found = spread([turn["ms"] for turn in result["turns"]])
            if found > MOST_SPREAD:
                complaints.append(f"the middle half of {contestant}'s rounds at {name} lies {found:.0%} apart "
                                  f"(at most {MOST_SPREAD:.0%})")
    return complaints


def check(complaints, force):
    if complaints and not force:
        sys.exit(f"compare.py: the machine is too noisy to compare on: {'; '.join(complaints)}; stop what else runs, "
                 "take more --rounds, or give --force")


# ----------------------------------------------------------------------- turns


def run(command, environment):
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"compare.py: {' '.join(command)} failed: {done.stderr.strip()}")
    return json.loads(done.stdout)


def torch_turn(name, args, steps, options, settings):
    environment = {key: value for key, value in os.environ.items()
                   if key not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    environment["OMP_NUM_THREADS"] = str(args.threads)
    command = [sys.executable, str(ROOT / "bench" / "compare_torch.py"), name, "--steps", str(steps),
               "--threads", str(args.threads), *options]
    for _, _, arguments, variables in settings:
        command += arguments
        environment |= variables
    return run(command, environment)


def marvin_turn(model, batch, args, steps, precision):
    result = run([args.marvin, "bench", str(model), "--batch-size", str(batch), "--steps", str(steps),
                  "--threads", str(args.threads), "--precision", precision, "--json"], os.environ)
    return {"ms": result["step_ms"]["median"], "bytes": result["peak_bytes"], "share_le8": result["share_le8"],
            "resized_after": result["resized_after"]}


def best_settings(name, args, options):
    """The settings with which PyTorch's fastest step is fastest, tried one after the other, and what that takes, in ms."""
    chosen = []
    best = torch_turn(name, args, args.steps, options, chosen)["fastest_ms"]
    for setting in SETTINGS:
        if not setting[1](NETWORKS[name]):
            continue
        ms = torch_turn(name, args, args.steps, options, [*chosen, setting])["fastest_ms"]
        if ms < best:
            best, chosen = ms, [*chosen, setting]
    return chosen, best


def measure(name, args):
    """Every contestant's turns at a network."""
    network = NETWORKS[name]
    with contextlib.nullcontext(args.keep) if args.keep else tempfile.TemporaryDirectory() as directory:
        model = pathlib.Path(directory) / f"{name}.onnx"
        make.export(network.entry, network.module(), network.data()[0], model)
        best = {contestant: best_settings(name, args, options)
                for contestant, options in CONTESTANTS.items() if contestant.startswith("PyTorch")}
        settings = {contestant: chosen for contestant, (chosen, _) in best.items()}
        steps = max(args.steps, math.ceil(LEAST_MS / min(ms for _, ms in best.values())))
        turns = {contestant: [] for contestant in CONTESTANTS}
        names = list(CONTESTANTS)
        for index in range(args.rounds):
            for contestant in names[index % len(names):] + names[:index % len(names)]:
                options = CONTESTANTS[contestant]
                turns[contestant].append(torch_turn(name, args, steps, options, settings[contestant])
                                         if contestant in settings
                                         else marvin_turn(model, network.batch, args, steps, options))
            print(f"{name}: round {index + 1} of {args.rounds}", file=sys.stderr, flush=True)
    return {contestant: {"settings": [setting[0] for setting in settings.get(contestant, [])], "steps": steps, "turns": rounds}
            for contestant, rounds in turns.items()}


# --------------------------------------------------------------------- results


def median(result, key):
    return statistics.median(turn[key] for turn in result["turns"])


def remark(contestant, result):
    """What PyTorch runs with, and what adaptive words have come to."""
    if contestant.startswith("PyTorch"):
        return ", ".join(result["settings"]) or "as it comes"
    if contestant != "marvin adaptive":
        return ""
    last = max(turn["resized_after"] for turn in result["turns"])
    text = f"{median(result, 'share_le8'):.1%} of products in at most 8 bits"
    return text + (f", words last resized after step {last}" if last else "")


def times_table(results):
    rows = [["network", "contestant", "ms a step", "from", "to", "peak MB", ""]]
    for name, contestants in results.items():
        for contestant, result in contestants.items():
            times = [turn["ms"] for turn in result["turns"]]
            rows.append([f"{NETWORKS[name].title}, batch {NETWORKS[name].batch}", contestant, f"{median(result, 'ms'):.2f}",
                         f"{min(times):.2f}", f"{max(times):.2f}", f"{median(result, 'bytes') / 1e6:.0f}",
                         remark(contestant, result)])
    return rows


def ratios_table(results, key):
    rows = [["network", *(f"{a} / {b}" for a, b in RATIOS)]]
    for name, contestants in results.items():
        ratios = (median(contestants[a], key) / median(contestants[b], key) for a, b in RATIOS)
        rows.append([NETWORKS[name].title, *(f"{ratio:.2f}" for ratio in ratios)])
    return rows


def text_of(rows, markdown, words):
    """Columns of equal width; all but the first `words` and the last one, if it is without a title, are numbers."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    is_word = [i < words or not title for i, title in enumerate(rows[0])]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) if word else cell.rjust(width) for cell, width, word in zip(row, widths, is_word)]
        lines.append(f"| {' | '.join(cells)} |" if markdown else "  ".join(cells).rstrip())
    if markdown:
        lines.insert(1, f"|{'|'.join('---' if word else '---:' for word in is_word)}|")
    return "\n".join(lines)


def about(args, results, versions, others, complaints):
    """On what, with what and how quietly it was measured."""
    here = machine()
    widest = max(spread([turn["ms"] for turn in result["turns"]])
                 for contestants in results.values() for result in contestants.values())
    first = next(iter(results.values()))["PyTorch float32"]["turns"][0]
    kernels = list(dict.fromkeys(contestants[contestant]["turns"][0]["kernels"] for contestants in results.values()
                                 for contestant in ("PyTorch float32", "PyTorch bf16")))
    lines = [f"machine: {here['cpu']}, {args.threads} threads on {here['cpus']} processors",
             *kernels, f"PyTorch's process has {first['idle_bytes'] / 1e6:.0f} MB before there is a network",
             "; ".join(versions),
             f"rounds: {args.rounds}, of at least {args.steps} steps; other processes took {others.cores():.2f} cores; the middle "
             f"half of a contestant's rounds lies at most {widest:.0%} apart"]
    return [f"NOISY, not to be quoted: {complaint}" for complaint in complaints] + lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="networks: " + ", ".join(f"{name} ({network.title})"
                                                                     for name, network in NETWORKS.items()))
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS), metavar="NAME",
                        help="of the list below (default: all)")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="of every contestant (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="turns of every contestant (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=10, metavar="N", help="timed steps of a turn, at least (default: %(default)s)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write every turn there")
    parser.add_argument("--keep", type=pathlib.Path, metavar="DIR", help="leave the networks there, as NAME.onnx")
    parser.add_argument("--markdown", action="store_true", help="print tables as Markdown")
    parser.add_argument("--force", action="store_true", help="report on a noisy machine, too, and say so")
    parser.add_argument("--marvin", default=str(ROOT / "build" / "release" / "marvin"), metavar="FILE",
                        help="the binary (default: %(default)s)")
    args = parser.parse_args()
    if min(args.threads, args.rounds, args.steps) < 1:
        parser.error("--threads, --rounds and --steps are at least 1")
    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
    versions = subprocess.run([args.marvin, "--version"], check=True, capture_output=True, text=True).stdout.splitlines()
    others = Others(args.threads)
    time.sleep(1)  # a look before anything runs
    check(others.complaints(), args.force)
    results = {}
    for name in args.networks:
        results[name] = measure(name, args)
        check(others.complaints() + unsteady(results), args.force)
    complaints = others.complaints() + unsteady(results)
    lines = about(args, results, versions, others, complaints)
    print("\n".join(f"* {line}" if args.markdown else line for line in lines))
    print(f"\nTime and memory of a training step:\n\n{text_of(times_table(results), args.markdown, 2)}")
    print(f"\nTime, a ratio of medians:\n\n{text_of(ratios_table(results, 'ms'), args.markdown, 1)}")
    print(f"\nMemory, a ratio of medians:\n\n{text_of(ratios_table(results, 'bytes'), args.markdown, 1)}")
    if args.json:
        record = {"machine": machine(), "threads": args.threads, "rounds": args.rounds, "steps": args.steps,
                  "about": lines, "cores_of_others": others.cores(), "results": results}
        args.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
