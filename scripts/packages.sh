# Sourced by the other scripts: where the project is, how many jobs fit the machine, and apt packages when they are
# missing (Debian 12).

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

build_packages=(g++ cmake ninja-build pkg-config libonnx-dev libprotobuf-dev protobuf-compiler libopenblas-openmp-dev
                libdnnl-dev ocl-icd-opencl-dev nlohmann-json3-dev catch2 libcli11-dev libre2-dev zlib1g-dev libzip-dev zipcmp
                zipmerge ziptool libjs-dygraphs graphviz)
data_packages=(dataset-fashion-mnist)
test_packages=(libonnx-testdata chromium)

say() { printf '== %s\n' "$*"; }

# install_packages NAME...: installs those that are not there.
install_packages() {
  local missing=() name
  for name in "$@"; do
    dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
  done
  ((${#missing[@]})) || return 0
  say "Installing ${missing[*]}"
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq)
  ((EUID == 0)) || apt=(sudo "${apt[@]}")
  "${apt[@]}" update
  "${apt[@]}" install --yes --no-install-recommends "${missing[@]}" >/dev/null
}

# build_jobs: one per core, and 1.5 GB of free memory for each.
build_jobs() {
  local cores memory_kb
  cores=$(nproc)
  memory_kb=$(awk '/MemAvailable/ {print $2}' /proc/meminfo)
  local fit=$((memory_kb / 1500000))
  echo $((fit < 1 ? 1 : fit < cores ? fit : cores))
}

# install_node: Node.js and npm from apt where there are none.
install_node() {
  command -v node >/dev/null || install_packages nodejs
  command -v npm >/dev/null || install_packages npm
}
