"""The networks that compare.py and compare_recipe.py time: the very modules that PyTorch trains and that are exported for
marvin.  Needs torch alone, since what else is imported would count as PyTorch's memory."""

import dataclasses
import pathlib
import sys

MODELS = pathlib.Path(__file__).resolve().parent.parent / "models"
sys.dont_write_bytecode = True
sys.path[:0] = [str(MODELS), str(MODELS / "zoo")]

import torch

from attention import GPT, VisionTransformer
from convolutional import BasicBlock, ResNet
from entry import Entry, image_classifier, indices, reals
from networks import MLP, VGG11BN, AlexNetCIFAR, LeNet5, ResNet20

SEED = 1
VOCABULARY, LENGTH = 1000, 128


def gray(build):
    """The entry of a network from images of 28x28 to 10 classes."""
    return Entry(build, {"input": reals(1, 28, 28)}, indices(10), "cross-entropy")


def gpt():
    return GPT(VOCABULARY, LENGTH, width=256, heads=8, blocks=6)


@dataclasses.dataclass(frozen=True)
class Network:
    title: str
    entry: Entry
    batch: int

    def module(self, seed=SEED):
        """With the weights of that seed."""
        torch.manual_seed(seed)
        return self.entry.build().train()

    def convolves(self):
        return any(isinstance(part, torch.nn.Conv2d) for part in self.module().modules())

    def data(self):
        """One batch of inputs by name, and labels; none where the network's output is its loss."""
        torch.manual_seed(SEED)
        inputs = {name: sampler(self.batch) for name, sampler in self.entry.inputs.items()}
        return inputs, self.entry.labels(self.batch) if self.entry.labels else None


TOKENS = indices(VOCABULARY, LENGTH)
NETWORKS = {
    "mlp": Network("MLP 784-1024-1024-10", gray(lambda: MLP(1024, 1024)), 128),
    "lenet5": Network("LeNet-5", gray(LeNet5), 128),
    "alexnet": Network("AlexNet for 3x32x32", image_classifier(AlexNetCIFAR), 128),
    "resnet20": Network("ResNet-20, 3x32x32", image_classifier(lambda: ResNet20(3)), 128),
    "resnet18": Network("ResNet-18, 3x64x64",
                        image_classifier(lambda: ResNet(BasicBlock, (2, 2, 2, 2), width=64), size=64), 32),
    "vgg11_bn": Network("VGG-11-BN, 3x32x32", image_classifier(lambda: VGG11BN(channels=3, size=32)), 128),
    "vit_tiny": Network("ViT-tiny, 3x32x32",
                        image_classifier(lambda: VisionTransformer(width=192, blocks=12, heads=3, patch=4)), 64),
    "gpt": Network("GPT, 6 layers of 256, 128 tokens",
                   Entry(gpt, {"tokens": TOKENS, "targets": TOKENS}, None, "output:loss"), 16),
}

# What compare_recipe.py trains on Fashion-MNIST, by the recipe of the same name.
RECIPES = {
    "lenet5": Network("LeNet-5", gray(LeNet5), 64),
    "resnet20": Network("ResNet-20", gray(lambda: ResNet20(1)), 128),
}
