#!/usr/bin/env python3
"""Make the ONNX models of this folder from the small plain PyTorch definitions of networks.py.

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
except ImportError as error:
    sys.exit(f"{error} in {sys.executable}; Debian's packages belong to /usr/bin/python3")

from networks import MLP, AlexNet, AlexNetCIFAR, LeNet5, ResNet20, TabularMLP, VGG11BN

HERE = pathlib.Path(__file__).resolve().parent
SEED = 1


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
