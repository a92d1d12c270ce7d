#!/usr/bin/env bash
# Trains LeNet-5 shortly and looks at its report in headless Chromium: page.sh [MARVIN [FOLDER FOR SCREENSHOTS]]. Exit
# code 77, skipped, where Chromium or Node.js is not installed (scripts/test.sh does).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
marvin=$(realpath "${1:-$root/build/release/marvin}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for program in chromium node; do
  if ! command -v "$program" >/dev/null; then
    echo "$program is not installed: skipped"
    exit 77
  fi
done

train() {
  "$marvin" train "$root/models/lenet5.onnx" --data fashion-mnist --steps 300 --batch-size 32 --lr 0.02 --momentum 0.9 \
    --val-split 0.02 --quiet --out "$work/$1" --precision "$2"
}
train adaptive adaptive
train float32 float32
train again adaptive
"$marvin" report "$work/adaptive" "$work/float32" "$work/again" --output "$work/compared.html" --quiet
node "$root/tests/report/page.mjs" "$marvin" "$work" "${2:-$work}"
