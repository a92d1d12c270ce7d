"""What the zoo says of one network, and how its data are drawn."""

import dataclasses
from typing import Callable, Optional

import torch
from torch import nn

Sampler = Callable[[int], torch.Tensor]  # from a number of samples to so many of them


def reals(*shape) -> Sampler:
    """Standard normal values, `shape` to a sample."""
    return lambda samples: torch.randn(samples, *shape)


def indices(bound, *shape) -> Sampler:
    """Integers in [0, bound), `shape` to a sample: classes, tokens, rows of a table."""
    return lambda samples: torch.randint(bound, (samples, *shape))


def zero_or_one(*shape) -> Sampler:
    """Real labels of two classes."""
    return lambda samples: torch.randint(2, (samples, *shape)).float()


@dataclasses.dataclass(frozen=True)
class Entry:
    """A network, its data and how ten steps of it are trained."""

    build: Callable[[], nn.Module]
    inputs: dict  # from an input's name to its Sampler, in the order of forward's arguments
    labels: Optional[Sampler]  # None: the network's output is its loss
    loss: str  # as in `marvin train --loss`
    lr: float = 0.01
    batch: int = 16
    opset: int = 17


def image_classifier(build, size=32, **options):
    """The entry of a network from colour images to 10 classes."""
    return Entry(build, {"input": reals(3, size, size)}, indices(10), "cross-entropy", **options)
