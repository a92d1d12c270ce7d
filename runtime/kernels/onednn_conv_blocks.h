// How the oneDNN convolutions divide their work: images in blocks that depend on the shape alone, each computed by one
// thread with a primitive made for one thread. What surrounds the primitive (reorders, transpositions) then finds its
// data in that thread's cache, and results are the same to the bit for any number of threads; oneDNN itself would
// divide the sum of a weight gradient among its threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/kernels/onednn.h"

namespace marvin {

// Consecutive images in `count` blocks, whose sizes differ by at most one.
struct ImageBlocks {
  int64_t images = 1, count = 1;

  int64_t begin(int64_t block) const { return images * block / count; }
  int64_t size(int64_t block) const { return begin(block + 1) - begin(block); }
  // The sizes that occur: one or two.
  std::vector<int64_t> sizes() const;
  // Which of sizes() a block has.
  size_t variant(int64_t block) const { return size(block) == images / count ? 0 : 1; }
};

// Blocks of which each fits the second-level cache, and enough of them for many threads.
ImageBlocks blocks_in_cache(int64_t images, int64_t bytes_per_image);

// While it lives, primitives are made for one thread.
class SerialPrimitives {
 public:
  SerialPrimitives();
  ~SerialPrimitives();
  SerialPrimitives(const SerialPrimitives&) = delete;

 private:
  int threads_;
};

// Whether there is a kernel and it is not oneDNN's slow reference.
bool is_compiled(const dnnl::primitive_desc_base& desc);

// A reorder with its scratchpad as an argument.
struct Reorder {
  OnednnCall call;
  int64_t scratchpad_bytes = 0;

  Reorder() = default;
  Reorder(const dnnl::memory::desc& from, const dnnl::memory::desc& to);
  void run(const void* from, void* to, std::byte* scratchpad);
};

// A primitive some of whose arguments the caller has in another layout: these are reordered through scratch memory.
class StagedCall {
 public:
  struct Argument {
    int argument;               // DNNL_ARG_...
    dnnl::memory::desc chosen;  // the primitive's layout
    dnnl::memory::desc given;   // the caller's
    bool is_output = false;
  };

  StagedCall(const dnnl::primitive& primitive, const std::vector<Argument>& arguments,
             const dnnl::memory::desc& scratchpad);
  int64_t scratch_bytes() const { return scratch_bytes_; }
  // data: the caller's elements, in the order of the arguments.
  void run(std::span<const void* const> data, std::byte* scratch);

 private:
  struct Stage {
    int argument;
    bool is_output, reordered;
    int64_t offset;  // in scratch, of the reordered elements
    Reorder reorder;
  };
  std::vector<Stage> stages_;
  OnednnCall call_;
  int64_t scratchpad_offset_ = 0;
  int64_t scratch_bytes_ = 0;
};

}  // namespace marvin
