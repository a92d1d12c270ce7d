#!/usr/bin/env python3
"""Make the ONNX models of this folder from small plain PyTorch definitions.

Every model is a few lines of torch.nn with PyTorch's own initialisation from
a fixed seed: no download, no pretrained weights.  Needs torch and onnx; the
committed files come from torch 1.13 (Debian: python3-torch python3-onnx).
"""

import argparse
import copy
import io
import pathlib
import sys
import warnings

sys.dont_write_bytecode = True

try:
    import onnx
    import onnx.numpy_helper
    import torch
    from torch import nn
    from torch.nn import functional as F
except ImportError as error:
    sys.exit(f"{error} in {sys.executable}; Debian's packages belong to /usr/bin/python3")

HERE = pathlib.Path(__file__).resolve().parent
SEED = 1


# ----------------------------------------------------------------- networks


class MLP(nn.Module):
    """784-256-128-10 with ReLU."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(784, 256)
        self.fc2 = nn.Linear(256, 128)
        self.fc3 = nn.Linear(128, 10)

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

    The first convolution pads by 3, so a 28x28 image becomes a 32x32 map and
    the five max-pools end at 1x1.  Convolutions have 1/width of the channels.
    """

    PLAN = [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"]

    def __init__(self, width=1):
        super().__init__()
        self.features = nn.Sequential()
        channels, pool, index = 1, 0, 0
        for step in self.PLAN:
            if step == "M":
                pool += 1
                self.features.add_module(f"pool{pool}", nn.MaxPool2d(2))
                continue
            index += 1
            out = step // width
            padding = 3 if index == 1 else 1
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


# ------------------------------------------------------------------ exports


class Spec:
    """One model to export: its network, input shape, opset and mode."""

    def __init__(self, network, shape, opset, inference=False, warm_up=0, committed=True):
        self.network = network  # a function that builds the module
        self.shape = shape  # of one example
        self.opset = opset
        self.inference = inference  # a plain eval-mode export
        self.warm_up = warm_up  # training-mode passes on random data before the export
        self.committed = committed  # part of `all`


MODELS = {
    "mlp": Spec(MLP, (1, 28, 28), 13),
    "mlp_tabular": Spec(TabularMLP, (32,), 17),
    "lenet5": Spec(LeNet5, (1, 28, 28), 17),
    "lenet5_inference": Spec(LeNet5, (1, 28, 28), 16, inference=True),
    "alexnet_narrow": Spec(lambda: AlexNet(width=8, hidden=256), (3, 32, 32), 13),
    "alexnet": Spec(AlexNet, (3, 32, 32), 13, committed=False),
    "alexnet_cifar": Spec(AlexNetCIFAR, (3, 32, 32), 17, committed=False),
    "alexnet_1x32x32": Spec(lambda: AlexNetCIFAR(1), (1, 32, 32), 17, committed=False),
    "vgg11_bn_narrow": Spec(lambda: VGG11BN(width=8), (1, 28, 28), 15),
    "vgg11_bn_half": Spec(lambda: VGG11BN(width=2), (1, 28, 28), 17, committed=False),
    "vgg11_bn": Spec(VGG11BN, (1, 28, 28), 15, committed=False),
    "resnet20": Spec(lambda: ResNet20(1), (1, 28, 28), 17),
    "resnet20_inference": Spec(
        lambda: ResNet20(1), (1, 28, 28), 16, inference=True, warm_up=5
    ),
    "resnet20_3x32x32": Spec(lambda: ResNet20(3), (3, 32, 32), 14),
}


def build(name, seed=SEED):
    """The named network with freshly initialised weights."""
    torch.manual_seed(seed)
    return MODELS[name].network()


def parameter_count(module):
    return sum(p.numel() for p in module.parameters())


def export(name, directory, seed=SEED, opset=None, width=None, hidden=None):
    """Write <directory>/<name>.onnx and return its path."""
    spec = MODELS[name]
    if width is not None or hidden is not None:
        torch.manual_seed(seed)
        if name == "alexnet":
            module = AlexNet(width=width or 1, hidden=hidden or 4096 // (width or 1))
        else:
            module = VGG11BN(width=width or 1)
    else:
        module = build(name, seed)
    example = torch.randn(2, *spec.shape)
    module.train()
    for _ in range(spec.warm_up):
        with torch.no_grad():
            module(torch.randn(64, *spec.shape))
    if spec.inference:
        module.eval()
        mode = torch.onnx.TrainingMode.EVAL
    else:
        mode = torch.onnx.TrainingMode.TRAINING

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # BatchNorm2d counts its batches; ONNX has no such counter and drops it.
        warnings.filterwarnings("ignore", message=".*num_batches_tracked.*")
        torch.onnx.export(
            copy.deepcopy(module),
            example,
            buffer,
            training=mode,
            do_constant_folding=spec.inference,
            opset_version=opset or spec.opset,
            input_names=["input"],
            output_names=["logits"],
            dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}},
        )
    model = onnx.load_from_string(buffer.getvalue())
    if not spec.inference:
        # Exporting in training mode runs the network, and the running statistics
        # of BatchNormalization are saved as that run left them: put them back.
        state = module.state_dict()
        for tensor in model.graph.initializer:
            tensor.CopyFrom(onnx.numpy_helper.from_array(state[tensor.name].numpy(), tensor.name))
    path = pathlib.Path(directory) / f"{name}.onnx"
    onnx.save(model, str(path))
    check(path, module, spec)
    return path, module


def check(path, module, spec):
    """Fail unless the file is valid and, in training mode, says what the module says."""
    model = onnx.load(str(path))
    onnx.checker.check_model(model, full_check=True)
    if spec.inference:
        return
    stored = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    for key, value in module.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        if not (stored[key] == value.numpy()).all():
            raise SystemExit(f"{path.name}: {key} differs from the module's")
    for node in model.graph.node:
        if node.op_type != "BatchNormalization":
            continue
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if attributes.get("training_mode") != 1 or len(node.output) != 3:
            raise SystemExit(f"{path.name}: {node.name} is not in training mode")


def main():
    names = "\n".join(
        f"  {name:20}{parameter_count(build(name)):>11,} parameters, "
        f"Nx{'x'.join(map(str, s.shape))}, opset {s.opset}, "
        f"{'inference' if s.inference else 'training'}"
        f"{'' if s.committed else ' (not in `all`)'}"
        for name, s in MODELS.items()
    ) if {"-h", "--help"} & set(sys.argv) else ""
    parser = argparse.ArgumentParser(
        description=__doc__ + "\nmodels:\n" + names,
        epilog="""examples:
  models/export.py all                       every committed file, into this folder
  models/export.py lenet5 -o /tmp            one model, somewhere else
  models/export.py lenet5 --opset 14 -o /tmp the same, as an older exporter would
  models/export.py lenet5 --seed 7 -o /tmp   other starting weights
  models/export.py alexnet -o /tmp           the full AlexNet, about 80 MB
  models/export.py alexnet --width 4 -o /tmp a quarter of the channels

A training export keeps Dropout and BatchNormalization as they run in training,
and names every initializer after its PyTorch parameter.  An inference export is
what torch.onnx.export writes by default: BatchNormalization is folded into the
convolutions before it, Dropout is gone.
""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", nargs="+", choices=["all", *MODELS], metavar="MODEL",
                        help="names from the list above, or `all`")
    parser.add_argument("-o", "--output", default=HERE, type=pathlib.Path, metavar="DIR",
                        help="folder to write to (default: this script's)")
    parser.add_argument("--seed", type=int, default=SEED,
                        help="of the starting weights (default: %(default)s)")
    parser.add_argument("--opset", type=int, help="ONNX opset, 7 to 17 (default: each model's own; "
                        "BatchNormalization in training mode needs 14 or later)")
    parser.add_argument("--width", type=int, metavar="N",
                        help="alexnet and vgg11_bn only: 1/N of the channels and of the hidden layers")
    parser.add_argument("--hidden", type=int, metavar="H",
                        help="alexnet only: hidden size of the classifier")
    args = parser.parse_args()

    names = []
    for name in args.model:
        names += [n for n, s in MODELS.items() if s.committed] if name == "all" else [name]
    for name in names:
        if args.width is not None and name not in ("alexnet", "vgg11_bn"):
            parser.error(f"--width is for alexnet and vgg11_bn, not {name}")
        if args.hidden is not None and name != "alexnet":
            parser.error(f"--hidden is for alexnet, not {name}")
    args.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # one summation order, so that the files repeat
    for name in names:
        path, module = export(name, args.output, args.seed, args.opset, args.width, args.hidden)
        print(f"{path.name}: {parameter_count(module):,} parameters, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
