#!/usr/bin/env bash
# Builds the unit tests with AddressSanitizer and UndefinedBehaviorSanitizer and runs them.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

install_packages "${data_packages[@]}" "${test_packages[@]}"
"$root/scripts/build.sh" debug all
cd "$root"
ctest --preset debug
