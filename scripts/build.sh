#!/usr/bin/env bash
# Installs what the build needs and builds marvin: scripts/build.sh [PRESET [TARGET...]], by default release marvin.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

preset=${1:-release}
targets=("${@:2}")
((${#targets[@]})) || targets=(marvin)

install_packages "${build_packages[@]}"
cd "$root"
say "Building ${targets[*]} ($preset) in build/$preset"
cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset" --parallel "$(build_jobs)" --target "${targets[@]}"
