#!/usr/bin/env bash
# Builds marvin and its tests in release form and runs them all: unit, layering and command-line tests, and the
# comparisons with ONNX Runtime.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

install_packages "${data_packages[@]}" "${test_packages[@]}"
install_node
"$root/scripts/build.sh" release all
cd "$root"
if [[ package-lock.json -nt node_modules/.package-lock.json ]]; then
  say 'Installing ONNX Runtime for Node.js, and models by others, in node_modules'
  npm ci --include=dev --loglevel=error
fi
say 'Testing'
ctest --preset release
