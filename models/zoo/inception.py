"""GoogLeNet and Inception v3, narrow.  Both train with auxiliary classifiers; their output is the loss of all."""

import torch
from torch import nn
from torch.nn import functional as F

from entry import Entry, indices, reals


class ConvBN(nn.Sequential):
    """Convolution, batch normalization, ReLU."""

    def __init__(self, channels, out, kernel, **options):
        super().__init__(nn.Conv2d(channels, out, kernel, bias=False, **options), nn.BatchNorm2d(out, eps=1e-3),
                         nn.ReLU(inplace=True))


class Branches(nn.ModuleList):
    """Modules beside each other, their outputs concatenated."""

    def forward(self, x):
        return torch.cat([branch(x) for branch in self], 1)


def loss_of(scores, auxiliary, labels, weight):
    """The loss of the last classifier and weighted ones of the others."""
    return F.cross_entropy(scores, labels) + weight * sum(F.cross_entropy(a, labels) for a in auxiliary)


class GoogLeNet(nn.Module):
    """Inception modules of four branches, and two auxiliary classifiers."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            ConvBN(3, 8, 7, stride=2, padding=3), nn.MaxPool2d(3, 2, ceil_mode=True),
            ConvBN(8, 8, 1), ConvBN(8, 16, 3, padding=1), nn.MaxPool2d(3, 2, ceil_mode=True))
        self.module3 = nn.Sequential(self.module(16, 8, 8, 12, 4, 6, 6), self.module(32, 8, 8, 12, 4, 6, 6),
                                     nn.MaxPool2d(3, 2, ceil_mode=True))
        self.module4a = self.module(32, 12, 8, 16, 4, 6, 6)
        self.module4b = self.module(40, 12, 8, 16, 4, 6, 6)
        self.module5 = nn.Sequential(nn.MaxPool2d(2, 2, ceil_mode=True), self.module(40, 16, 12, 24, 4, 12, 12))
        self.aux1, self.aux2 = self.auxiliary(40), self.auxiliary(40)
        self.fc = nn.Sequential(nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Dropout(0.0), nn.Linear(64, 10))

    @staticmethod
    def module(channels, c1, r3, c3, r5, c5, pool):
        return Branches([
            ConvBN(channels, c1, 1),
            nn.Sequential(ConvBN(channels, r3, 1), ConvBN(r3, c3, 3, padding=1)),
            nn.Sequential(ConvBN(channels, r5, 1), ConvBN(r5, c5, 3, padding=1)),
            nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True), ConvBN(channels, pool, 1))])

    @staticmethod
    def auxiliary(channels):
        return nn.Sequential(nn.AdaptiveAvgPool2d((2, 2)), ConvBN(channels, 16, 1), nn.Flatten(),
                             nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.0), nn.Linear(32, 10))

    def forward(self, x, labels):
        first = self.module4a(self.module3(self.stem(x)))
        second = self.module4b(first)
        scores = self.fc(self.module5(second))
        return loss_of(scores, (self.aux1(first), self.aux2(second)), labels, 0.3)


class Pooled(nn.Sequential):
    """Inception's branch of an average over 3x3, whose padding counts, and a 1x1 convolution."""

    def __init__(self, channels, out):
        super().__init__(nn.AvgPool2d(3, 1, 1), ConvBN(channels, out, 1))


def seven(channels, out, transposed=False):
    """A 7x7 convolution as a row and a column."""
    row, column = {"kernel": (1, 7), "padding": (0, 3)}, {"kernel": (7, 1), "padding": (3, 0)}
    first, second = (column, row) if transposed else (row, column)
    return nn.Sequential(ConvBN(channels, out, **first), ConvBN(out, out, **second))


class InceptionV3(nn.Module):
    """One module of each of the kinds A to E between unpadded convolutions, and an auxiliary classifier."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(ConvBN(3, 8, 3, stride=2), ConvBN(8, 8, 3), ConvBN(8, 12, 3, padding=1),
                                  nn.MaxPool2d(3, 2), ConvBN(12, 16, 1), ConvBN(16, 16, 3))
        self.a = Branches([
            ConvBN(16, 8, 1),
            nn.Sequential(ConvBN(16, 6, 1), ConvBN(6, 8, 5, padding=2)),
            nn.Sequential(ConvBN(16, 8, 1), ConvBN(8, 12, 3, padding=1), ConvBN(12, 12, 3, padding=1)),
            Pooled(16, 4)])
        self.b = Branches([
            ConvBN(32, 16, 3, stride=2),
            nn.Sequential(ConvBN(32, 8, 1), ConvBN(8, 8, 3, padding=1), ConvBN(8, 16, 3, stride=2)),
            nn.MaxPool2d(3, 2)])
        self.c = Branches([
            ConvBN(64, 16, 1),
            nn.Sequential(ConvBN(64, 8, 1), seven(8, 16)),
            nn.Sequential(ConvBN(64, 8, 1), seven(8, 8, transposed=True), seven(8, 16, transposed=True)),
            Pooled(64, 16)])
        self.aux = nn.Sequential(nn.AvgPool2d(2, 1), ConvBN(64, 16, 1), ConvBN(16, 24, 4), nn.AdaptiveAvgPool2d(1),
                                 nn.Flatten(), nn.Linear(24, 10))
        self.d = Branches([
            nn.Sequential(ConvBN(64, 16, 1), ConvBN(16, 24, 3, stride=2)),
            nn.Sequential(ConvBN(64, 16, 1), seven(16, 16), ConvBN(16, 16, 3, stride=2)),
            nn.MaxPool2d(3, 2)])
        self.e = Branches([
            ConvBN(104, 16, 1),
            nn.Sequential(ConvBN(104, 16, 1), self.split(16)),
            nn.Sequential(ConvBN(104, 16, 1), ConvBN(16, 16, 3, padding=1), self.split(16)),
            Pooled(104, 16)])
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d((1, 1)), nn.Dropout(0.0), nn.Flatten(), nn.Linear(96, 10))

    @staticmethod
    def split(channels):
        return Branches([ConvBN(channels, channels, (1, 3), padding=(0, 1)),
                         ConvBN(channels, channels, (3, 1), padding=(1, 0))])

    def forward(self, x, labels):
        x = self.c(self.b(self.a(self.stem(x))))
        return loss_of(self.head(self.e(self.d(x))), (self.aux(x),), labels, 0.4)


def classifier_with_loss(build, size, **options):
    return Entry(build, {"input": reals(3, size, size), "targets": indices(10)}, None, "output:loss", **options)


NETWORKS = {
    "googlenet": classifier_with_loss(GoogLeNet, 64, lr=1e-3),
    "inception_v3": classifier_with_loss(InceptionV3, 64, lr=1e-3),
}
