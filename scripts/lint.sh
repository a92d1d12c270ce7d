#!/usr/bin/env bash
# Checks that all sources are formatted, and compiles everything with clang-tidy looking on; every warning is an error.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

install_packages clang-format-14 clang-tidy-19 libomp-19-dev
cd "$root"
git ls-files '*.cpp' '*.h' | xargs clang-format-14 --dry-run --Werror
"$root/scripts/build.sh" lint all
