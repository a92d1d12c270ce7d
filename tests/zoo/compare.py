#!/usr/bin/env python3
"""Compare a float32 and an adaptive training run of marvin with PyTorch's: compare.py NAME.json FLOAT32 ADAPTIVE.

The losses of the float32 run's steps must be PyTorch's to 1e-3, relative or, where they are below 1, absolute; those
of the adaptive run, of the same steps on one repeated batch, finite and falling.  The run directories hold
metrics.jsonl.  Prints what was measured in one line; exit code 1 where something is not so.
"""

import json
import math
import pathlib
import sys

TOLERANCE = 1e-3


def step_losses(run):
    lines = (pathlib.Path(run) / "metrics.jsonl").read_text().splitlines()
    return [event["loss"] for event in map(json.loads, lines) if event["event"] == "step"]


def is_finite(loss):
    return isinstance(loss, (int, float)) and math.isfinite(loss)


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    expected = json.loads(pathlib.Path(sys.argv[1]).read_text())["losses"]
    losses, adaptive = step_losses(sys.argv[2]), step_losses(sys.argv[3])

    problems = []
    error = math.inf
    if len(losses) != len(expected) or not all(map(is_finite, losses)):
        problems.append(f"float32 losses {losses}")
    else:
        error = max(abs(loss - other) / max(abs(other), 1) for loss, other in zip(losses, expected))
        if error > TOLERANCE:
            problems.append(f"float32 is not PyTorch's to {TOLERANCE}: {losses}, PyTorch {expected}")
    if len(adaptive) != len(expected) or not all(map(is_finite, adaptive)):
        problems.append(f"adaptive losses {adaptive}")
    elif adaptive[-1] >= adaptive[0]:
        problems.append(f"the adaptive loss does not fall: {adaptive}")

    span = lambda values: f"{values[0]:.4f} -> {values[-1]:.4f}" if values and all(map(is_finite, values)) else "none"
    print(f"PyTorch {span(expected)}, float32 within {error:.1e}, adaptive {span(adaptive)}"
          + "".join(f"; {problem}" for problem in problems))
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
