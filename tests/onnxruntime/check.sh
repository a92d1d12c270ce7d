#!/usr/bin/env bash
# Trains models shortly and compares marvin's evaluation with ONNX Runtime's, in float32 and in fixed point:
# check.sh [MARVIN]. Exit code 77, skipped, where Node.js or onnxruntime-node is not installed (scripts/test.sh does).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
marvin=$(realpath "${1:-$root/build/release/marvin}")
compare=("node" "$root/tests/onnxruntime/compare.mjs")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! command -v node >/dev/null || [[ ! -d $root/node_modules/onnxruntime-node ]]; then
  echo 'onnxruntime-node is not installed: skipped'
  exit 77
fi

# predict NAME MODEL FLAG...: marvin's predictions to $work/NAME.txt.
predict() {
  "$marvin" eval "$2" --data fashion-mnist --quiet --predictions "$work/$1.txt" "${@:3}"
}

# check MODEL FLAG...: trains, exports and compares.
check() {
  local name=$1 run=$work/$1
  "$marvin" train "$root/models/$name.onnx" --data fashion-mnist --precision adaptive --out "$run" --quiet "${@:2}"
  "$marvin" export "$run" --format qdq --output "$run/qdq.onnx" --quiet

  # Float32: the same, but for the order of sums, which may decide where two classes are level.
  predict "$name.float" "$run/trained.onnx" --precision float32
  "${compare[@]}" "$run/trained.onnx" --predictions "$work/$name.float.txt" --images 1 --agreement 99.98

  # Fixed point: ONNX Runtime rounds in other places, between layers.
  predict "$name.fixed" "$run/trained.onnx"
  "${compare[@]}" "$run/qdq.onnx" --predictions "$work/$name.fixed.txt" --images 20 --agreement 99.5
}

check lenet5 --steps 400 --batch-size 64 --lr 0.02 --momentum 0.9
check resnet20 --steps 60 --batch-size 64 --lr 0.05 --momentum 0.9

# Words of 6 bits, for which nodes say where they end. Executed as they are written, nothing is rounded elsewhere.
run=$work/six
"$marvin" train "$root/models/lenet5.onnx" --data fashion-mnist --precision fixed:6 --out "$run" --quiet \
  --steps 400 --batch-size 64 --lr 0.02 --momentum 0.9
predict six "$run/trained.onnx"
for format in qdq qcdq; do
  "$marvin" export "$run" --format $format --output "$run/$format.onnx" --quiet
  "${compare[@]}" "$run/$format.onnx" --as-written --predictions "$work/six.txt" --images 1 --agreement 99.98
done
