#!/usr/bin/env bash
# Feeds the importer damaged and malicious models, made from ONNX's own, with AddressSanitizer and UndefinedBehavior-
# Sanitizer looking on: scripts/fuzz.sh [SECONDS], an hour by default. What breaks it is left in build/fuzz.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

install_packages clang-19 libclang-rt-19-dev libomp-19-dev "${test_packages[@]}"
"$root/scripts/build.sh" fuzz import_fuzzer
cd "$root/build/fuzz"
seeds=$(mktemp -d) corpus=$(mktemp -d)
trap 'rm -rf "$seeds" "$corpus"' EXIT
for model in /usr/share/libonnx-testdata/data/{node,simple,pytorch-operator}/*/model.onnx; do
  cp "$model" "$seeds/$(basename "$(dirname "$model")").onnx"
done
OMP_NUM_THREADS=1 ./import_fuzzer -max_total_time="${1:-3600}" -timeout=60 -rss_limit_mb=3072 -malloc_limit_mb=1024 \
  -max_len=65536 -print_final_stats=1 "$corpus" "$seeds"
