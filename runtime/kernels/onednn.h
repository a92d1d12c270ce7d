// What every kernel made of oneDNN primitives shares: one CPU engine, one stream, primitives bound to pointers per run.
#pragma once

#include <cstdint>
#include <oneapi/dnnl/dnnl.hpp>
#include <utility>
#include <vector>

namespace marvin {

const dnnl::engine& onednn_engine();
const dnnl::stream& onednn_stream();

// Whether s8 x s8 products are summed exactly in int32: the CPU, as far as oneDNN may use it (ONEDNN_MAX_CPU_ISA), has
// VNNI or AMX. Without them oneDNN adds pairs of products with saturation to 16 bits.
bool onednn_int8_is_exact();
// Whether oneDNN may use AVX-512.
bool onednn_has_avx512();

// Attributes that make a primitive take its scratchpad as an argument (DNNL_ARG_SCRATCHPAD) instead of allocating it.
dnnl::primitive_attr onednn_user_scratchpad();

// Rounds up to a multiple of the alignment that oneDNN and vector instructions like: one part of a scratch buffer after
// the other.
constexpr int64_t aligned_bytes(int64_t bytes) { return (bytes + 63) / 64 * 64; }

// A primitive with its arguments. Memory objects are made here, once; `bind` points them at data before each run, so
// that neither allocates.
class OnednnCall {
 public:
  using Argument = std::pair<int, dnnl::memory::desc>;  // DNNL_ARG_..., what is there

  OnednnCall() = default;
  // Arguments of zero size, an unused scratchpad, may be listed.
  OnednnCall(dnnl::primitive primitive, const std::vector<Argument>& arguments);

  // Every argument must be bound before the first run; inputs are not written to.
  void bind(int argument, const void* data);
  // Computes on the calling thread's OpenMP team and returns when done. Throws dnnl::error, never for bound arguments.
  void run() const;

 private:
  dnnl::primitive primitive_;
  std::vector<dnnl::memory> memories_;
  std::vector<dnnl_exec_arg_t> arguments_;
};

}  // namespace marvin
