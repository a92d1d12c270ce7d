"""Convolutional networks of few channels and blocks, in the block structure of torchvision's."""

import torch
from torch import nn
from torch.nn import functional as F

from entry import Entry, image_classifier, indices, reals


class AlexNet(nn.Module):
    """Five convolutions of falling size and three linear layers."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 11, stride=4, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
            nn.Conv2d(16, 32, 5, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2),
            nn.Conv2d(32, 48, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(48, 32, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Dropout(0.0), nn.Linear(32, 64), nn.ReLU(inplace=True),
            nn.Dropout(0.0), nn.Linear(64, 64), nn.ReLU(inplace=True), nn.Linear(64, 10))

    def forward(self, x):
        return self.classifier(torch.flatten(self.pool(self.features(x)), 1))


class VGG11BN(nn.Module):
    """Eight 3x3 convolutions with batch normalization, five max-pools, three linear layers."""

    PLAN = (8, "M", 16, "M", 32, 32, "M", 64, 64, "M", 64, 64, "M")

    def __init__(self):
        super().__init__()
        layers, channels = [], 3
        for step in self.PLAN:
            if step == "M":
                layers.append(nn.MaxPool2d(2, 2))
                continue
            layers += [nn.Conv2d(channels, step, 3, padding=1), nn.BatchNorm2d(step), nn.ReLU(inplace=True)]
            channels = step
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(64, 64), nn.ReLU(True), nn.Dropout(0.0),
            nn.Linear(64, 64), nn.ReLU(True), nn.Dropout(0.0), nn.Linear(64, 10))

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


class BasicBlock(nn.Module):
    """ResNet's block of two 3x3 convolutions."""

    expansion = 1

    def __init__(self, channels, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut(channels, width, stride)

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.downsample(x))


class Bottleneck(nn.Module):
    """ResNet's block of a 1x1, a 3x3 and a widening 1x1 convolution."""

    expansion = 4

    def __init__(self, channels, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        nn.init.constant_(self.bn3.weight, 0.2)  # sixteen blocks at 1 magnify rounding a thousandfold and more
        self.downsample = shortcut(channels, 4 * width, stride)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(F.relu(self.bn2(self.conv2(y)))))
        return F.relu(y + self.downsample(x))


def shortcut(channels, out, stride):
    """The identity, or a 1x1 convolution where a block changes the shape."""
    if stride == 1 and channels == out:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))


class ResNet(nn.Module):
    """A 7x7 convolution, a max-pool and four stages of blocks."""

    def __init__(self, block, blocks, width=8):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        stages, channels = [], width
        for stage, count in enumerate(blocks):
            for index in range(count):
                stride = 2 if stage > 0 and index == 0 else 1
                stages.append(block(channels, width << stage, stride))
                channels = (width << stage) * block.expansion
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(channels, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.fc(torch.flatten(self.pool(self.stages(x)), 1))


class Fire(nn.Module):
    """SqueezeNet's squeeze by 1x1 and expansion by 1x1 and 3x3."""

    def __init__(self, channels, squeeze, expand):
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, x):
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.expand1x1(x)), F.relu(self.expand3x3(x))], 1)


class SqueezeNet(nn.Module):
    """SqueezeNet 1.1: fire modules between max-pools that round up, and no linear layer."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, ceil_mode=True),
            Fire(16, 4, 16), Fire(32, 4, 16), nn.MaxPool2d(3, 2, ceil_mode=True),
            Fire(32, 8, 32), Fire(64, 8, 32), nn.MaxPool2d(3, 2, ceil_mode=True),
            Fire(64, 12, 48), Fire(96, 12, 48), Fire(96, 16, 64), Fire(128, 16, 64))
        self.classifier = nn.Sequential(
            nn.Dropout(0.0), nn.Conv2d(128, 10, 1), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1)))

    def forward(self, x):
        return torch.flatten(self.classifier(self.features(x)), 1)


class DenseLayer(nn.Module):
    """DenseNet's layer, which appends `growth` channels to all before it."""

    def __init__(self, channels, growth):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, features):
        x = self.conv1(F.relu(self.norm1(torch.cat(features, 1))))
        return self.conv2(F.relu(self.norm2(x)))


class DenseNet(nn.Module):
    """Dense blocks with transitions, which halve the channels and the size, between them."""

    def __init__(self, growth=4, blocks=(3, 4, 4, 3)):
        super().__init__()
        channels = 2 * growth
        self.conv0 = nn.Conv2d(3, channels, 7, 2, 3, bias=False)
        self.norm0 = nn.BatchNorm2d(channels)
        self.blocks, self.transitions = nn.ModuleList(), nn.ModuleList()
        for count in blocks:
            self.blocks.append(nn.ModuleList(DenseLayer(channels + i * growth, growth) for i in range(count)))
            channels += count * growth
            if len(self.blocks) < len(blocks):
                self.transitions.append(nn.Sequential(
                    nn.BatchNorm2d(channels), nn.ReLU(inplace=True),
                    nn.Conv2d(channels, channels // 2, 1, bias=False), nn.AvgPool2d(2, 2)))
                channels //= 2
        self.norm5 = nn.BatchNorm2d(channels)
        self.classifier = nn.Linear(channels, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm0(self.conv0(x))), 3, 2, 1)
        for index, block in enumerate(self.blocks):
            features = [x]
            for layer in block:
                features.append(layer(features))
            x = torch.cat(features, 1)
            if index < len(self.transitions):
                x = self.transitions[index](x)
        x = F.adaptive_avg_pool2d(F.relu(self.norm5(x)), (1, 1))
        return self.classifier(torch.flatten(x, 1))


class UNet(nn.Module):
    """Segmentation: two levels down and up again, with what was on the way down beside."""

    def __init__(self, classes=4):
        super().__init__()
        self.down1, self.down2, self.middle = self.double(3, 8), self.double(8, 16), self.double(16, 32)
        self.up2, self.up1 = nn.ConvTranspose2d(32, 16, 2, 2), nn.ConvTranspose2d(16, 8, 2, 2)
        self.merge2, self.merge1 = self.double(32, 16), self.double(16, 8)
        self.head = nn.Conv2d(8, classes, 1)

    @staticmethod
    def double(channels, out):
        return nn.Sequential(nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(True),
                             nn.Conv2d(out, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(True))

    def forward(self, x):
        first = self.down1(x)
        second = self.down2(F.max_pool2d(first, 2))
        x = self.middle(F.max_pool2d(second, 2))
        x = self.merge2(torch.cat([second, self.up2(x)], 1))
        x = self.merge1(torch.cat([first, self.up1(x)], 1))
        return self.head(x)


class UNetBilinear(UNet):
    """The U-Net that grows by bilinear interpolation and a 1x1 convolution."""

    def __init__(self):
        super().__init__()
        self.up2, self.up1 = (nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
                                            nn.Conv2d(2 * c, c, 1)) for c in (16, 8))


class Autoencoder(nn.Module):
    """Strided convolutions down, strided transposed convolutions up."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(),
                                     nn.Flatten(), nn.Linear(32 * 8 * 8, 32))
        self.decoder = nn.Sequential(nn.Linear(32, 32 * 8 * 8), nn.ReLU())
        self.images = nn.Sequential(nn.ConvTranspose2d(32, 16, 3, 2, 1, output_padding=1), nn.ReLU(),
                                    nn.ConvTranspose2d(16, 3, 4, 2, 1), nn.Tanh())

    def forward(self, x):
        return self.images(self.decoder(self.encoder(x)).view(-1, 32, 8, 8))


NETWORKS = {
    "alexnet": image_classifier(AlexNet, size=64, lr=0.05, opset=13),
    "vgg11_bn": image_classifier(VGG11BN, lr=1e-3),
    "resnet18": image_classifier(lambda: ResNet(BasicBlock, (2, 2, 2, 2)), size=64, lr=1e-3),
    "resnet50": image_classifier(lambda: ResNet(Bottleneck, (3, 4, 6, 3)), size=64, lr=2e-4),
    "squeezenet1_1": image_classifier(SqueezeNet, size=64, lr=0.1, opset=13),
    "densenet121": image_classifier(DenseNet, size=64, lr=1e-3),
    "unet": Entry(UNet, {"input": reals(3, 32, 32)}, indices(4, 32, 32), "cross-entropy", batch=4),
    "unet_bilinear": Entry(UNetBilinear, {"input": reals(3, 32, 32)}, indices(4, 32, 32), "cross-entropy",
                           batch=4),
    "autoencoder": Entry(Autoencoder, {"input": reals(3, 32, 32)}, reals(3, 32, 32), "mse", lr=0.1, opset=13),
}
