#!/usr/bin/env python3
"""What it costs to get from an ONNX file to a plan: import, differentiate, quantize, plan.

Makes swin_t and ViT-B/16 as PyTorch exports them, and chains of 1,000, 10,000 and 100,000 nodes, and prints for each the
time of all stages (median of some runs of `marvin inspect --timings`), the time per node, and the peak memory of the whole
process.  Needs torch 1.13, onnx and numpy (Debian: python3-torch python3-onnx python3-numpy).
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODELS = ("swin_t", "vit_b_16", "chain of 1,000", "chain of 10,000", "chain of 100,000")


def measure(marvin, path):
    """All stages in ms, and the peak memory of the process in bytes."""
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen([marvin, "inspect", str(path), "--timings", "--json"], stdout=output)
        _, status, usage = os.wait4(child.pid, 0)
        if status != 0:
            sys.exit(f"marvin inspect {path} failed")
        output.seek(0)
        stages = json.load(output)["timings"]
    return {stage["stage"]: stage["ms"] for stage in stages}, usage.ru_maxrss * 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--marvin", default=str(ROOT / "build" / "release" / "marvin"), metavar="FILE", help="the binary")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="of which the median counts (default: 3)")
    parser.add_argument("--stages", action="store_true", help="say where the time goes")
    args = parser.parse_args()
    print(f"{'model':18} {'nodes':>8} {'MB':>7} {'ms':>9} {'us/node':>8} {'peak MB':>8} {'of file':>8}")
    with tempfile.TemporaryDirectory() as directory:
        for name in MODELS:
            path = pathlib.Path(directory) / "model.onnx"
            made = subprocess.run([sys.executable, str(ROOT / "bench" / "cost_models.py"), name, str(path)],
                                  check=True, capture_output=True, text=True)
            nodes, size = int(made.stdout.split()[-1]), path.stat().st_size
            runs = [measure(args.marvin, path) for _ in range(args.runs)]
            total = statistics.median(sum(stages.values()) for stages, _ in runs)
            peak = max(peak for _, peak in runs)
            print(f"{name:18} {nodes:8,} {size / 1e6:7.1f} {total:9.1f} {1e3 * total / nodes:8.1f} {peak / 1e6:8.1f} {peak / size:8.2f}",
                  flush=True)
            if args.stages:
                for stage, ms in runs[-1][0].items():
                    print(f"    {stage:22} {ms:9.1f}")


if __name__ == "__main__":
    main()
