"""The networks that export.py writes as ONNX files, in plain torch.nn.  Needs torch alone."""

import torch
from torch import nn
from torch.nn import functional as F


class MLP(nn.Module):
    """784-256-128-10 with ReLU, or with other hidden layers."""

    def __init__(self, hidden1=256, hidden2=128):
        super().__init__()
        self.fc1 = nn.Linear(784, hidden1)
        self.fc2 = nn.Linear(hidden1, hidden2)
        self.fc3 = nn.Linear(hidden2, 10)

    def forward(self, x):
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


class LeNet5(nn.Module):
    """LeNet-5 with ReLU and max-pooling, 28x28 input padded to 32x32."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


class TabularMLP(nn.Module):
    """32-64-64-4 with ReLU, for a table of numbers."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(32, 64)
        self.fc2 = nn.Linear(64, 64)
        self.fc3 = nn.Linear(64, 4)

    def forward(self, x):
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


class AlexNetCIFAR(nn.Module):
    """AlexNet as it is used on CIFAR: five convolutions and one linear layer, no dropout."""

    def __init__(self, channels=3):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 11, stride=4, padding=5)
        self.conv2 = nn.Conv2d(64, 192, 5, padding=2)
        self.conv3 = nn.Conv2d(192, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 256, 3, padding=1)
        self.conv5 = nn.Conv2d(256, 256, 3, padding=1)
        self.fc = nn.Linear(256, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)  # 32 -> 8 -> 4
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # 4 -> 2
        x = F.relu(self.conv3(x))
        x = F.relu(self.conv4(x))
        x = F.max_pool2d(F.relu(self.conv5(x)), 2)  # 2 -> 1
        return self.fc(torch.flatten(x, 1))


class AlexNet(nn.Module):
    """AlexNet for 32x32 images.  Convolutions have 1/width of the channels."""

    def __init__(self, width=1, hidden=4096):
        super().__init__()
        c1, c2, c3, c4, c5 = (c // width for c in (64, 192, 384, 256, 256))
        self.conv1 = nn.Conv2d(3, c1, 11, stride=4, padding=5)
        self.conv2 = nn.Conv2d(c1, c2, 5, padding=2)
        self.conv3 = nn.Conv2d(c2, c3, 3, padding=1)
        self.conv4 = nn.Conv2d(c3, c4, 3, padding=1)
        self.conv5 = nn.Conv2d(c4, c5, 3, padding=1)
        self.drop1 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(c5, hidden)
        self.drop2 = nn.Dropout(0.5)
        self.fc2 = nn.Linear(hidden, hidden)
        self.fc3 = nn.Linear(hidden, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)  # 32 -> 8 -> 4
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # 4 -> 2
        x = F.relu(self.conv3(x))
        x = F.relu(self.conv4(x))
        x = F.max_pool2d(F.relu(self.conv5(x)), 2)  # 2 -> 1
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(self.drop1(x)))
        x = F.relu(self.fc2(self.drop2(x)))
        return self.fc3(x)


class VGG11BN(nn.Module):
    """VGG-11 with batch normalisation and one linear head.

    The first convolution pads a 28x28 image by 3, so that it becomes a 32x32
    map and the five max-pools end at 1x1.  Convolutions have 1/width of the channels.
    """

    PLAN = [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"]

    def __init__(self, width=1, channels=1, size=28):
        super().__init__()
        self.features = nn.Sequential()
        pool, index = 0, 0
        for step in self.PLAN:
            if step == "M":
                pool += 1
                self.features.add_module(f"pool{pool}", nn.MaxPool2d(2))
                continue
            index += 1
            out = step // width
            padding = (34 - size) // 2 if index == 1 else 1
            # The bias is redundant before BatchNormalization, but the
            # original has it, and so do most exports of it.
            self.features.add_module(f"conv{index}", nn.Conv2d(channels, out, 3, padding=padding))
            self.features.add_module(f"bn{index}", nn.BatchNorm2d(out))
            self.features.add_module(f"relu{index}", nn.ReLU())
            channels = out
        self.fc = nn.Linear(channels, 10)

    def forward(self, x):
        return self.fc(torch.flatten(self.features(x), 1))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut; 1x1 convolution where the shape changes."""

    def __init__(self, channels, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.shortcut = None
        if stride != 1 or channels != out:
            self.shortcut = nn.Sequential()
            self.shortcut.add_module("conv", nn.Conv2d(channels, out, 1, stride=stride, bias=False))
            self.shortcut.add_module("bn", nn.BatchNorm2d(out))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.shortcut is None else self.shortcut(x)))


class ResNet20(nn.Module):
    """The CIFAR ResNet-20: three stages of three basic blocks, 16/32/64 channels."""

    def __init__(self, channels=1):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.stage1 = self.stage(16, 16, 1)
        self.stage2 = self.stage(16, 32, 2)
        self.stage3 = self.stage(32, 64, 2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(64, 10)

    @staticmethod
    def stage(channels, out, stride):
        return nn.Sequential(
            BasicBlock(channels, out, stride), BasicBlock(out, out, 1), BasicBlock(out, out, 1)
        )

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.stage3(self.stage2(self.stage1(x)))
        return self.fc(torch.flatten(self.pool(x), 1))
