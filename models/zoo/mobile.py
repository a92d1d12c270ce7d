"""Networks of depthwise and grouped convolutions, in the block structure of torchvision's, narrow and shallow."""

import torch
from torch import nn
from torch.nn import functional as F

from entry import image_classifier


class ConvBN(nn.Sequential):
    """Convolution that keeps the size but for its stride, batch normalization and an activation, if any."""

    def __init__(self, channels, out, kernel=1, stride=1, groups=1, activation=None):
        layers = [nn.Conv2d(channels, out, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False),
                  nn.BatchNorm2d(out)]
        super().__init__(*layers, *([activation()] if activation else []))


class SqueezeExcitation(nn.Module):
    """A factor for each channel, from the means of all of them."""

    def __init__(self, channels, squeezed, activation=nn.ReLU, scale=nn.Sigmoid):
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)
        self.activation, self.scale = activation(), scale()

    def forward(self, x):
        factor = F.adaptive_avg_pool2d(x, 1)
        return x * self.scale(self.fc2(self.activation(self.fc1(factor))))


class InvertedResidual(nn.Module):
    """Wider by a 1x1, depthwise, squeezed and excited if asked, and narrow again by a linear 1x1."""

    def __init__(self, channels, out, kernel, stride, expand, activation, excitation=None):
        super().__init__()
        wide = channels * expand
        layers = [] if expand == 1 else [ConvBN(channels, wide, activation=activation)]
        layers.append(ConvBN(wide, wide, kernel, stride, groups=wide, activation=activation))
        layers += [excitation(wide)] if excitation else []
        self.block = nn.Sequential(*layers, ConvBN(wide, out))
        self.residual = stride == 1 and channels == out

    def forward(self, x):
        return x + self.block(x) if self.residual else self.block(x)


class Mobile(nn.Module):
    """A stem, inverted residuals, a 1x1 convolution, the mean and a classifier."""

    def __init__(self, blocks, last, activation, classifier):
        super().__init__()
        self.features = nn.Sequential(ConvBN(3, 8, 3, 2, activation=activation), *blocks,
                                      ConvBN(last[0], last[1], activation=activation))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = classifier

    def forward(self, x):
        return self.classifier(torch.flatten(self.pool(self.features(x)), 1))


def mobilenet_v2():
    plan = ((8, 8, 1, 1), (8, 12, 2, 6), (12, 12, 1, 6), (12, 16, 2, 6), (16, 16, 1, 6), (16, 24, 1, 6))
    blocks = [InvertedResidual(c, o, 3, stride, expand, nn.ReLU6) for c, o, stride, expand in plan]
    return Mobile(blocks, (24, 64), nn.ReLU6, nn.Sequential(nn.Dropout(0.0), nn.Linear(64, 10)))


def mobilenet_v3_small():
    def excitation(channels):
        return SqueezeExcitation(channels, max(8, channels // 4), nn.ReLU, nn.Hardsigmoid)

    blocks = [InvertedResidual(8, 8, 3, 2, 1, nn.ReLU, excitation),
              InvertedResidual(8, 12, 3, 2, 4, nn.ReLU), InvertedResidual(12, 12, 3, 1, 4, nn.ReLU),
              InvertedResidual(12, 16, 5, 2, 4, nn.Hardswish, excitation),
              InvertedResidual(16, 16, 5, 1, 6, nn.Hardswish, excitation)]
    classifier = nn.Sequential(nn.Linear(64, 64), nn.Hardswish(), nn.Dropout(0.0), nn.Linear(64, 10))
    return Mobile(blocks, (16, 64), nn.Hardswish, classifier)


def efficientnet_b0():
    plan = ((8, 8, 3, 1, 1), (8, 12, 3, 2, 6), (12, 12, 3, 1, 6), (12, 16, 5, 2, 6), (16, 16, 5, 1, 6),
            (16, 24, 3, 1, 6))
    blocks = [InvertedResidual(c, o, kernel, stride, expand, nn.SiLU,
                               lambda wide, c=c: SqueezeExcitation(wide, max(1, c // 4), nn.SiLU))
              for c, o, kernel, stride, expand in plan]
    return Mobile(blocks, (24, 64), nn.SiLU, nn.Sequential(nn.Dropout(0.0), nn.Linear(64, 10)))


def mnasnet():
    plan = ((8, 8, 3, 1, 1), (8, 12, 3, 2, 3), (12, 12, 3, 1, 3), (12, 16, 5, 2, 3), (16, 16, 5, 1, 3),
            (16, 24, 5, 1, 6))
    blocks = [InvertedResidual(c, o, kernel, stride, expand, nn.ReLU) for c, o, kernel, stride, expand in plan]
    return Mobile(blocks, (24, 64), nn.ReLU, nn.Sequential(nn.Dropout(0.0), nn.Linear(64, 10)))


def shuffle(x, groups):
    """Takes channels from each group in turn."""
    batch, channels, height, width = x.shape
    x = x.view(batch, groups, channels // groups, height, width).transpose(1, 2).contiguous()
    return x.view(batch, channels, height, width)


class ShuffleBlock(nn.Module):
    """Half of the channels pass through, or both halves see all of them where the size is halved."""

    def __init__(self, channels, out, stride):
        super().__init__()
        half = out // 2
        self.stride = stride
        if stride > 1:
            self.branch1 = nn.Sequential(ConvBN(channels, channels, 3, stride, channels),
                                         ConvBN(channels, half, activation=nn.ReLU))
        self.branch2 = nn.Sequential(
            ConvBN(channels if stride > 1 else half, half, activation=nn.ReLU),
            ConvBN(half, half, 3, stride, half), ConvBN(half, half, activation=nn.ReLU))

    def forward(self, x):
        if self.stride == 1:
            first, second = x.chunk(2, 1)
            return shuffle(torch.cat([first, self.branch2(second)], 1), 2)
        return shuffle(torch.cat([self.branch1(x), self.branch2(x)], 1), 2)


class ShuffleNetV2(nn.Module):
    """Three stages of shuffled blocks."""

    def __init__(self):
        super().__init__()
        layers, channels = [ConvBN(3, 8, 3, 2, activation=nn.ReLU), nn.MaxPool2d(3, 2, 1)], 8
        for out, count in ((16, 2), (32, 3), (64, 2)):
            layers += [ShuffleBlock(channels, out, 2), *(ShuffleBlock(out, out, 1) for _ in range(count - 1))]
            channels = out
        self.features = nn.Sequential(*layers, ConvBN(64, 96, activation=nn.ReLU))
        self.fc = nn.Linear(96, 10)

    def forward(self, x):
        return self.fc(self.features(x).mean([2, 3]))


class RegNetBlock(nn.Module):
    """A bottleneck with a grouped 3x3 convolution, squeezed and excited."""

    def __init__(self, channels, out, stride, group):
        super().__init__()
        self.shortcut = nn.Identity()
        if stride != 1 or channels != out:
            self.shortcut = ConvBN(channels, out, 1, stride)
        self.block = nn.Sequential(
            ConvBN(channels, out, activation=nn.ReLU),
            ConvBN(out, out, 3, stride, out // group, activation=nn.ReLU),
            SqueezeExcitation(out, channels // 4), ConvBN(out, out))

    def forward(self, x):
        return F.relu(self.shortcut(x) + self.block(x))


class RegNetY(nn.Module):
    """Four stages of widths 8 to 48 in groups of 4 or 8 channels."""

    def __init__(self):
        super().__init__()
        layers, channels = [ConvBN(3, 8, 3, 2, activation=nn.ReLU)], 8
        for out, count, group in ((8, 1, 4), (16, 1, 8), (32, 2, 8), (48, 1, 8)):
            for index in range(count):
                layers.append(RegNetBlock(channels, out, 2 if index == 0 else 1, group))
                channels = out
        self.features, self.fc = nn.Sequential(*layers), nn.Linear(channels, 10)

    def forward(self, x):
        return self.fc(F.adaptive_avg_pool2d(self.features(x), (1, 1)).flatten(1))


class LayerNorm2d(nn.LayerNorm):
    """LayerNorm over the channels of images."""

    def forward(self, x):
        x = x.permute(0, 2, 3, 1)
        x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class ConvNeXtBlock(nn.Module):
    """A depthwise 7x7, LayerNorm and a perceptron over the channels, scaled, beside a shortcut."""

    def __init__(self, channels):
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.up, self.down = nn.Linear(channels, 4 * channels), nn.Linear(4 * channels, channels)
        self.scale = nn.Parameter(torch.full((channels, 1, 1), 0.1))

    def forward(self, x):
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.down(F.gelu(self.up(y))).permute(0, 3, 1, 2)
        return x + self.scale * y


class ConvNeXt(nn.Module):
    """A 4x4 patch stem and stages with 2x2 convolutions between them."""

    def __init__(self, widths=(12, 24, 48)):
        super().__init__()
        layers = [nn.Conv2d(3, widths[0], 4, 4), LayerNorm2d(widths[0], eps=1e-6)]
        for index, width in enumerate(widths):
            if index:
                layers += [LayerNorm2d(widths[index - 1], eps=1e-6), nn.Conv2d(widths[index - 1], width, 2, 2)]
            layers += [ConvNeXtBlock(width), ConvNeXtBlock(width)]
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(LayerNorm2d(widths[-1], eps=1e-6), nn.Flatten(1), nn.Linear(widths[-1], 10))

    def forward(self, x):
        return self.head(F.adaptive_avg_pool2d(self.features(x), 1))


NETWORKS = {
    "mobilenet_v2": image_classifier(mobilenet_v2, lr=1e-3),
    "mobilenet_v3_small": image_classifier(mobilenet_v3_small, lr=5e-3),
    "efficientnet_b0": image_classifier(efficientnet_b0, lr=1e-3),
    "mnasnet": image_classifier(mnasnet, lr=1e-3, opset=14),
    "shufflenet_v2": image_classifier(ShuffleNetV2, size=64, lr=2e-4),
    "regnet_y": image_classifier(RegNetY, size=64, lr=1e-3),
    "convnext": image_classifier(ConvNeXt),
}
