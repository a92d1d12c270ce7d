#include "importer/inference_form.h"
#include "importer/model_patch.h"

namespace marvin {

void export_trained(const OnnxModel& model, const TensorMap& weights, const ExportOptions& options,
                    const std::string& path) {
  onnx::ModelProto proto = with_weights(model, weights);
  if (!options.keep_training_mode) to_inference_form(proto, model.opset());
  for (const auto& [key, value] : options.metadata) set_metadata(proto, key, value);
  save(std::move(proto), path);
}

}  // namespace marvin
