#include "runtime/kernels/onednn_conv_blocks.h"

#include <omp.h>

#include <algorithm>
#include <string_view>

namespace marvin {
namespace {

int64_t bytes_of(const dnnl::memory::desc& desc) { return static_cast<int64_t>(desc.get_size()); }

}  // namespace

std::vector<int64_t> ImageBlocks::sizes() const {
  const int64_t smaller = images / count;
  if (images % count == 0) return {smaller};
  return {smaller, smaller + 1};
}

ImageBlocks blocks_in_cache(int64_t images, int64_t bytes_per_image) {
  constexpr int64_t kCacheBytes = 1 << 19, kManyThreads = 16;
  const int64_t fitting = (images * bytes_per_image + kCacheBytes - 1) / kCacheBytes;
  return {images, std::clamp(fitting, std::min(images, kManyThreads), images)};
}

SerialPrimitives::SerialPrimitives() : threads_(omp_get_max_threads()) { omp_set_num_threads(1); }

SerialPrimitives::~SerialPrimitives() { omp_set_num_threads(threads_); }

bool is_compiled(const dnnl::primitive_desc_base& desc) {
  return desc && std::string_view(desc.impl_info_str()).substr(0, 3) != "ref";
}

Reorder::Reorder(const dnnl::memory::desc& from, const dnnl::memory::desc& to) {
  const dnnl::reorder::primitive_desc desc(onednn_engine(), from, onednn_engine(), to, onednn_user_scratchpad());
  scratchpad_bytes = bytes_of(desc.scratchpad_desc());
  call = OnednnCall(dnnl::reorder(desc),
                    {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}, {DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc()}});
}

void Reorder::run(const void* from, void* to, std::byte* scratchpad) {
  call.bind(DNNL_ARG_FROM, from);
  call.bind(DNNL_ARG_TO, to);
  call.bind(DNNL_ARG_SCRATCHPAD, scratchpad);
  call.run();
}

StagedCall::StagedCall(const dnnl::primitive& primitive, const std::vector<Argument>& arguments,
                       const dnnl::memory::desc& scratchpad) {
  std::vector<OnednnCall::Argument> chosen = {{DNNL_ARG_SCRATCHPAD, scratchpad}};
  int64_t scratchpad_bytes = bytes_of(scratchpad);
  for (const Argument& argument : arguments) {
    chosen.emplace_back(argument.argument, argument.chosen);
    Stage stage{.argument = argument.argument,
                .is_output = argument.is_output,
                .reordered = argument.chosen != argument.given,
                .offset = scratch_bytes_,
                .reorder = {}};
    if (stage.reordered) {
      stage.reorder =
          argument.is_output ? Reorder(argument.chosen, argument.given) : Reorder(argument.given, argument.chosen);
      scratchpad_bytes = std::max(scratchpad_bytes, stage.reorder.scratchpad_bytes);
      scratch_bytes_ += aligned_bytes(bytes_of(argument.chosen));
    }
    stages_.push_back(std::move(stage));
  }
  call_ = OnednnCall(primitive, chosen);
  scratchpad_offset_ = scratch_bytes_;
  scratch_bytes_ += aligned_bytes(scratchpad_bytes);
}

void StagedCall::run(std::span<const void* const> data, std::byte* scratch) {
  std::byte* scratchpad = scratch + scratchpad_offset_;
  for (size_t i = 0; i < stages_.size(); ++i) {
    Stage& stage = stages_[i];
    call_.bind(stage.argument, stage.reordered ? scratch + stage.offset : data[i]);
    if (stage.reordered && !stage.is_output) stage.reorder.run(data[i], scratch + stage.offset, scratchpad);
  }
  call_.bind(DNNL_ARG_SCRATCHPAD, scratchpad);
  call_.run();
  for (size_t i = 0; i < stages_.size(); ++i) {
    Stage& stage = stages_[i];
    if (stage.reordered && stage.is_output)
      stage.reorder.run(scratch + stage.offset, const_cast<void*>(data[i]), scratchpad);
  }
}

}  // namespace marvin
