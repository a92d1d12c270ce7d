#!/usr/bin/env python3
"""PyTorch's turn in compare_recipe.py: trains a network on Fashion-MNIST by a recipe, evaluates it after every epoch, and
prints as JSON what came of it.  A program of its own, so that its time is PyTorch's, and its environment."""

import argparse
import gzip
import json
import pathlib
import time

import numpy as np
import torch
from torch.nn import functional as F

from compare_networks import RECIPES

EVALUATION_BATCH = 500


def elements(path, header):
    return torch.from_numpy(np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header).copy())


def samples(directory, part, mean=None, deviation=None):
    """Images, scaled to mean 0 and deviation 1 by the given or their own, labels, mean and deviation."""
    images = elements(directory / f"{part}-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28).float() / 255
    labels = elements(directory / f"{part}-labels-idx1-ubyte.gz", 8).long()
    if mean is None:
        mean, deviation = images.mean(), images.std(unbiased=False)
    return (images - mean) / deviation, labels, mean, deviation


def accuracy(module, images, labels):
    module.eval()
    with torch.no_grad():
        correct = sum((module(x).argmax(1) == y).sum().item()
                      for x, y in zip(images.split(EVALUATION_BATCH), labels.split(EVALUATION_BATCH)))
    module.train()
    return correct / len(labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", choices=RECIPES)
    parser.add_argument("--recipe", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="a directory of Fashion-MNIST's four files")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--epochs", type=float, required=True)
    args = parser.parse_args()
    start = time.perf_counter()
    torch.set_num_threads(args.threads)
    recipe = json.loads(args.recipe.read_text())
    if recipe["optimizer"] != "sgd" or recipe["lr-schedule"] != "one-cycle":
        parser.error("only sgd with a one-cycle schedule is here")
    module = RECIPES[args.network].module(args.seed).to(memory_format=torch.channels_last)
    images, labels, mean, deviation = samples(args.data, "train")
    test_images, test_labels, _, _ = samples(args.data, "t10k", mean, deviation)
    batch = recipe["batch-size"]
    per_epoch = len(images) // batch
    steps = max(1, round(args.epochs * per_epoch))
    optimizer = torch.optim.SGD(module.parameters(), lr=recipe["lr"], momentum=recipe.get("momentum", 0),
                                weight_decay=recipe.get("weight-decay", 0))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe["lr"], total_steps=steps, cycle_momentum=False)
    torch.manual_seed(args.seed)
    reached = []
    for step in range(steps):
        if step % per_epoch == 0:
            order = torch.randperm(len(images))
        chosen = order[step % per_epoch * batch:][:batch]
        x = images[chosen].contiguous(memory_format=torch.channels_last)
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(module(x), labels[chosen]).backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % per_epoch == 0 or step + 1 == steps:
            reached.append(accuracy(module, test_images, test_labels))
    print(json.dumps({"seconds": time.perf_counter() - start, "steps": steps, "accuracy": reached[-1]}))


if __name__ == "__main__":
    main()
