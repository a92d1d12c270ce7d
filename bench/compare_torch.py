#!/usr/bin/env python3
"""PyTorch's turn in compare.py: trains one network for some steps and prints as JSON what they took.  A program of its own,
so that its memory is PyTorch's, and its environment."""

import argparse
import ctypes
import json
import re
import statistics
import time

import torch
from torch.nn import functional as F

from compare_networks import NETWORKS

UNTIMED_STEPS = 3
# dnnl_cpu_isa_t of oneDNN 2.6.
ISA = {0x1: "sse4.1", 0x3: "avx", 0x7: "avx2", 0xf: "avx2 with vnni", 0x27: "avx512", 0x67: "avx512 with vnni",
       0xe7: "avx512 with vnni and bf16", 0x3e7: "avx512 with amx"}


def status(key):
    """A size in /proc/self/status, in bytes."""
    with open("/proc/self/status") as file:
        return 1024 * int(re.search(rf"^{key}:\s*(\d+) kB", file.read(), re.M).group(1))


def called(function, result):
    """What a function without arguments of some loaded library returns; none where no library has it."""
    with open("/proc/self/maps") as file:
        libraries = {line.split()[-1] for line in file if ".so" in line}
    for path in sorted(path for path in libraries if re.search(r"blas|dnnl|mkl|torch_cpu", path)):
        try:
            found = getattr(ctypes.CDLL(path), function)
        except (OSError, AttributeError):
            continue
        found.restype = result
        return found()
    return None


def kernels():
    """What PyTorch computes with, once it has computed."""
    config = torch.__config__.show()
    capability = re.search(r"CPU capability usage: (\S+)", config)
    onednn = re.search(r"(?:MKL-DNN|oneDNN) v(\S+)", config)
    isa = called("dnnl_get_effective_cpu_isa", ctypes.c_int)
    text = f"PyTorch {torch.__version__}, {capability.group(1) if capability else 'unknown'} kernels"
    if onednn:
        text += f"; oneDNN {onednn.group(1)}, {ISA.get(isa, 'instruction set unknown')}"
    if core := called("openblas_get_corename", ctypes.c_char_p):
        version = called("openblas_get_config", ctypes.c_char_p).decode().split()[1]
        text += f"; OpenBLAS {version}, {core.decode()} kernels"
    elif torch.backends.mkl.is_available():
        text += "; MKL"
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--bf16", action="store_true", help="autocast")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    idle_bytes = status("VmHWM")
    network = NETWORKS[args.network]
    module = network.module()
    inputs, labels = network.data()
    inputs = list(inputs.values())
    if args.channels_last:
        module = module.to(memory_format=torch.channels_last)
        inputs = [x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x for x in inputs]
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9)
    times = []
    for _ in range(UNTIMED_STEPS + args.steps):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.bf16):
            output = module(*inputs)
            loss = output if labels is None else F.cross_entropy(output, labels)
        loss.backward()
        optimizer.step()
        times.append(1e3 * (time.perf_counter() - start))
    times = times[UNTIMED_STEPS:]
    print(json.dumps({"ms": statistics.median(times), "fastest_ms": min(times), "bytes": status("VmHWM"),
                      "idle_bytes": idle_bytes, "loss": loss.item(), "kernels": kernels()}))


if __name__ == "__main__":
    main()
