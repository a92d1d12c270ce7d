#!/usr/bin/env bash
# Trains small versions of the architectures in models/zoo for ten steps, in float32, which must follow PyTorch's losses
# to 1e-3, and in adaptive fixed point, which must learn: scripts/test-long.sh [NAME...], by default all of them.
# MARVIN: the binary, instead of one that this script builds.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

install_packages python3-torch python3-onnx python3-numpy
[[ -n ${MARVIN:-} ]] || "$root/scripts/build.sh" release marvin
marvin=$(realpath "${MARVIN:-$root/build/release/marvin}")
zoo=$(mktemp -d)
trap 'rm -rf "$zoo"' EXIT

# run NAME PRECISION: ten steps into $zoo/NAME.PRECISION; says why not where they fail.
run() {
  "$marvin" train "$zoo/$1.onnx" --data "$zoo/$1.npz" --recipe "$zoo/$1.recipe.json" --precision "$2" \
    --out "$zoo/$1.$2" --quiet
}

# check NAME: one line of the table; fails where the network does.
check() {
  run "$1" float32 && run "$1" adaptive &&
    /usr/bin/python3 "$root/tests/zoo/compare.py" "$zoo/$1.json" "$zoo/$1.float32" "$zoo/$1.adaptive"
}

say 'Making the networks with PyTorch'
/usr/bin/python3 "$root/models/zoo/make.py" --out "$zoo" "$@"

say 'Ten steps of each'
passed=() failed=()
for file in "$zoo"/*.onnx; do
  name=$(basename "$file" .onnx)
  if line=$(check "$name" 2>&1); then passed+=("$name"); else failed+=("$name"); line="FAILED  $line"; fi
  printf '%-20s %s\n' "$name" "$line"
done

say "${#passed[@]} passed, ${#failed[@]} failed${failed[*]:+: ${failed[*]}}"
((${#failed[@]} == 0))
