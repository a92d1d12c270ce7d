#!/usr/bin/env bash
# Compiles everything with clang-tidy looking on; every warning is an error.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

install_packages clang-tidy-19 libomp-19-dev
"$root/scripts/build.sh" lint all
