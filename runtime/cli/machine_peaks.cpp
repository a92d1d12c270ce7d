#include "runtime/cli/machine_peaks.h"

#include <omp.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "runtime/ir/error.h"
#include "runtime/ir/file.h"
#include "runtime/kernels/probe.h"
#include "runtime/report/json.h"
#include "runtime/report/machine.h"

namespace marvin {
namespace {

namespace fs = std::filesystem;

// Empty where the environment names no place.
fs::path cache_file() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache && fs::path(cache).is_absolute()) return fs::path(cache) / "marvin" / "peaks.json";
  const char* home = std::getenv("HOME");
  return home && *home ? fs::path(home) / ".cache" / "marvin" / "peaks.json" : fs::path();
}

// An empty object where there is none, or it is damaged.
Json kept_peaks(const fs::path& path) {
  std::ifstream file(path);
  const Json kept = Json::parse(file, nullptr, /*allow_exceptions=*/false);
  return kept.is_object() ? kept : Json::object();
}

std::optional<MachinePeaks> peaks_of(const Json& kept, const std::string& key) {
  const auto entry = kept.find(key);
  if (entry == kept.end() || !entry->is_object()) return std::nullopt;
  const auto number = [&](const char* name) {
    const auto value = entry->find(name);
    return value != entry->end() && value->is_number() ? value->get<double>() : -1;
  };
  const MachinePeaks peaks{number("copy_gb_per_s"), number("f32_gmac_per_s"), number("s8_gmac_per_s")};
  if (peaks.copy_gb_per_s <= 0 || peaks.f32_gmac_per_s <= 0 || peaks.s8_gmac_per_s < 0) return std::nullopt;
  return peaks;
}

// Peaks that cannot be kept are measured again next time.
void keep(const fs::path& path, const Json& peaks) {
  std::error_code ignored;
  fs::create_directories(path.parent_path(), ignored);
  try {
    write_file_atomically(path.string(), peaks.dump(2) + "\n");
  } catch (const Error&) {
    return;
  }
}

}  // namespace

MachinePeaks machine_peaks(bool anew) {
  const fs::path path = cache_file();
  const std::string key = cat(this_machine().cpu, ", threads: ", omp_get_max_threads());
  Json kept = kept_peaks(path);
  if (const std::optional<MachinePeaks> peaks = peaks_of(kept, key); peaks && !anew) return *peaks;
  const MachinePeaks peaks{copy_bytes_per_ns(), float_macs_per_ns(), byte_macs_per_ns()};
  kept[key] = {{"copy_gb_per_s", peaks.copy_gb_per_s},
               {"f32_gmac_per_s", peaks.f32_gmac_per_s},
               {"s8_gmac_per_s", peaks.s8_gmac_per_s}};
  if (!path.empty()) keep(path, kept);
  return peaks;
}

}  // namespace marvin
