#include "runtime/kernels/onednn.h"

#include <stdexcept>

namespace marvin {

const dnnl::engine& onednn_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

const dnnl::stream& onednn_stream() {
  static const dnnl::stream stream(onednn_engine());
  return stream;
}

bool onednn_has_avx512() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::avx512_core:
    case dnnl::cpu_isa::avx512_core_vnni:
    case dnnl::cpu_isa::avx512_core_bf16:
    case dnnl::cpu_isa::avx512_core_amx:
      return true;
    default:
      return false;
  }
}

bool onednn_int8_is_exact() {
  const dnnl::cpu_isa isa = dnnl::get_effective_cpu_isa();
  return isa == dnnl::cpu_isa::avx2_vnni || (onednn_has_avx512() && isa != dnnl::cpu_isa::avx512_core);
}

dnnl::primitive_attr onednn_user_scratchpad() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

OnednnCall::OnednnCall(dnnl::primitive primitive, const std::vector<Argument>& arguments)
    : primitive_(std::move(primitive)) {
  for (const Argument& argument : arguments) {
    memories_.emplace_back(argument.second, onednn_engine(), static_cast<void*>(DNNL_MEMORY_NONE));
    arguments_.push_back({argument.first, memories_.back().get()});
  }
}

void OnednnCall::bind(int argument, const void* data) {
  for (const dnnl_exec_arg_t& known : arguments_) {
    if (known.arg == argument) {
      dnnl_memory_set_data_handle(known.memory, const_cast<void*>(data));
      return;
    }
  }
  throw std::logic_error("OnednnCall::bind: the primitive has no such argument");
}

void OnednnCall::run() const {
  dnnl::error::wrap_c_api(dnnl_primitive_execute(primitive_.get(), onednn_stream().get(),
                                                 static_cast<int>(arguments_.size()), arguments_.data()),
                          "could not execute a primitive");
  dnnl::error::wrap_c_api(dnnl_stream_wait(onednn_stream().get()), "could not wait for a stream");
}

}  // namespace marvin
