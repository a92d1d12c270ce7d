// What the machine can do at most, remembered from one run to the next.
#pragma once

namespace marvin {

struct MachinePeaks {
  double copy_gb_per_s = 0;  // bytes read and written
  double f32_gmac_per_s = 0;
  double s8_gmac_per_s = 0;  // 0 where the machine has no instruction for it
};

// On the threads in use. Measured (a quarter of a second) once for a kind of CPU and a number of threads and kept in
// $XDG_CACHE_HOME/marvin/peaks.json, or ~/.cache/marvin/peaks.json, where that can be written; `anew`: measured
// whatever is kept.
MachinePeaks machine_peaks(bool anew);

}  // namespace marvin
