#!/usr/bin/env bash
# Builds marvin, trains LeNet-5 on Fashion-MNIST in adaptive fixed point into runs/demo and exports it for ONNX Runtime.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

"$root/scripts/build.sh"
install_packages "${data_packages[@]}"
cd "$root"
marvin=build/release/marvin
$marvin train models/lenet5.onnx --recipe models/recipes/lenet5.json --data fashion-mnist --precision adaptive \
  --out runs/demo --overwrite
say 'Exporting runs/demo/qdq.onnx (QuantizeLinear, DequantizeLinear)'
$marvin export runs/demo --format qdq --output runs/demo/qdq.onnx
awk -F '"accuracy":' '/"event":"eval"/ {accuracy = $2} END {printf "accuracy: %.2f %%\n", 100 * accuracy}' \
  runs/demo/metrics.jsonl
