// ONNX files in.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/ir/graph.h"
#include "runtime/ir/tensor.h"

namespace marvin {

// The opsets of the default domain that marvin reads. Everything older than the newest is rewritten to it on import.
constexpr int64_t kMinOpset = 1;
constexpr int64_t kMaxOpset = 24;

struct ImportOptions {
  // The extent of every input's first axis that the file leaves open, or fixes as that of its first input; 0: what the
  // file fixes, else 1.
  int64_t batch = 0;
  std::map<std::string, int64_t> dims;  // extents of other symbolic axes by their names (ONNX: dim_param)
  // Shapes of inputs, for the axes that the file leaves open; a shape of another rank than the file's is passed over.
  std::map<std::string, Shape> shapes;
  // Inputs with known values are constants. For models whose shapes are computed from their inputs' values.
  TensorMap values;
  // Inputs and outputs that the file declares as 16-bit floats are float32, as training feeds and reads them.
  bool widen = false;
  // as_found: BatchNormalization and Dropout do what the file says. inference: neither is in training mode.
  enum class Form : uint8_t { as_found, inference };
  Form form = Form::as_found;
};

// A model as its file has it. Copies share it; it never changes.
class OnnxModel {
 public:
  struct File;

  // Reads an ONNX file. Throws Error when there is none, it is not ONNX or cut short, is over 2 GiB (larger models keep
  // their weights in files beside), or is of an IR version or opset that marvin does not read. Weights in files beside
  // the model are read by import and export; paths that lead out of the model's directory are refused then.
  static OnnxModel load(const std::string& path);

  int64_t opset() const;
  int64_t ir_version() const;
  const std::map<std::string, std::string>& metadata() const;
  // "" when the file has no such key.
  std::string metadata(const std::string& key) const;
  // The graph's inputs without those that have an initializer.
  std::vector<std::string> inputs() const;
  std::vector<std::string> outputs() const;

  // The model as a graph in canonical form (opset 24), shapes known everywhere and shape arithmetic folded. Values and
  // nodes keep their names; intermediate values get new ones. Which tensors become parameters is said in weights.h.
  // BatchNormalization in training mode updates its running statistics. Throws Error, naming the node, on whatever
  // marvin cannot run.
  Graph import(const ImportOptions& options) const;

  // For importer/ alone.
  explicit OnnxModel(std::shared_ptr<const File> file) : file_(std::move(file)) {}
  const File& file() const { return *file_; }

 private:
  std::shared_ptr<const File> file_;
};

}  // namespace marvin
