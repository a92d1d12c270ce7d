#include "importer/onnx_model.h"

#include <fcntl.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "importer/graph_names.h"
#include "importer/onnx_file.h"
#include "importer/prepare_file.h"
#include "runtime/ir/error.h"

namespace marvin {
namespace {

// With IR 3 came opsets as they still are. 13 is the newest published.
constexpr int64_t kMinIrVersion = 3;
constexpr int64_t kMaxIrVersion = 13;

class Descriptor {
 public:
  explicit Descriptor(const std::string& path) : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (descriptor_ < 0) throw Error("cannot open the model '", path, "': ", std::strerror(errno));
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { ::close(descriptor_); }
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

// Whether it is an ONNX file but for messages inside of messages.
bool parses_deeply(int descriptor) {
  constexpr int kDeepest = 2000;
  google::protobuf::io::FileInputStream file(descriptor);
  google::protobuf::io::CodedInputStream coded(&file);
  coded.SetRecursionLimit(kDeepest);
  return onnx::ModelProto().ParseFromCodedStream(&coded) && coded.ConsumedEntireMessage();
}

onnx::ModelProto read(const std::string& path) {
  const Descriptor file(path);
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0) throw Error("cannot read the model '", path, "': ", std::strerror(errno));
  if (S_ISDIR(status.st_mode)) throw Error("the model '", path, "' is a directory; name the .onnx file in it");
  if (!S_ISREG(status.st_mode)) throw Error("the model '", path, "' is not a regular file");
  if (status.st_size == 0) throw Error("the model '", path, "' is empty");
  if (status.st_size > std::numeric_limits<int32_t>::max()) {
    throw Error("the model '", path, "' is over 2 GiB, which protobuf cannot read; save it with external data");
  }
  onnx::ModelProto proto;
  if (proto.ParseFromFileDescriptor(file.get())) return proto;
  if (::lseek(file.get(), 0, SEEK_SET) == 0 && parses_deeply(file.get())) {
    throw Error("'", path, "' is nested too deeply: protobuf reads ",
                google::protobuf::io::CodedInputStream::GetDefaultRecursionLimit(),
                " messages inside of each other, and a branch or body takes three");
  }
  throw Error("'", path, "' is not an ONNX file, or is cut short");
}

int64_t default_opset(const onnx::ModelProto& proto) {
  for (const onnx::OperatorSetIdProto& import : proto.opset_import())
    if (is_default_domain(import.domain())) return import.version();
  const bool has_onnx_ops = std::ranges::any_of(
      proto.graph().node(), [](const onnx::NodeProto& node) { return is_default_domain(node.domain()); });
  if (!has_onnx_ops && proto.opset_import_size() > 0 && proto.graph().node_size() > 0) return kMaxOpset;
  throw Error("the model does not say which opset it uses; it is cut short, or uses no ONNX ops");
}

void check_versions(const onnx::ModelProto& proto, int64_t opset) {
  if (proto.ir_version() < kMinIrVersion || proto.ir_version() > kMaxIrVersion) {
    throw Error("the file is of IR version ", proto.ir_version(), "; marvin reads ", kMinIrVersion, " to ",
                kMaxIrVersion, ". Export the model again with a current exporter");
  }
  if (opset < kMinOpset || opset > kMaxOpset) {
    throw Error("the model uses opset ", opset, "; marvin reads ", kMinOpset, " to ", kMaxOpset,
                ". Export it again, e.g. torch.onnx.export(..., opset_version=17), or convert it with "
                "onnx.version_converter");
  }
}

std::vector<std::string> names_of(const google::protobuf::RepeatedPtrField<onnx::ValueInfoProto>& values,
                                  const Names& without) {
  std::vector<std::string> names;
  for (const onnx::ValueInfoProto& value : values)
    if (!without.contains(value.name())) names.push_back(value.name());
  return names;
}

}  // namespace

bool is_default_domain(const std::string& domain) { return domain.empty() || domain == "ai.onnx"; }

OnnxModel OnnxModel::load(const std::string& path) {
  auto file = std::make_shared<File>();
  file->proto = read(path);
  file->directory = std::filesystem::path(path).parent_path();
  with_context(cat("reading '", path, "'"), [&] {
    if (!file->proto.has_graph()) throw Error("there is no graph in it; it is not an ONNX model, or is cut short");
    file->opset = default_opset(file->proto);
    check_versions(file->proto, file->opset);
    check_names(file->proto);
    make_tensors_of_lists(file->proto);
  });
  for (const onnx::StringStringEntryProto& entry : file->proto.metadata_props())
    file->metadata.insert_or_assign(entry.key(), entry.value());
  return OnnxModel(std::move(file));
}

int64_t OnnxModel::opset() const { return file_->opset; }
int64_t OnnxModel::ir_version() const { return file_->proto.ir_version(); }
const std::map<std::string, std::string>& OnnxModel::metadata() const { return file_->metadata; }

std::string OnnxModel::metadata(const std::string& key) const {
  const auto entry = file_->metadata.find(key);
  return entry == file_->metadata.end() ? "" : entry->second;
}

std::vector<std::string> OnnxModel::inputs() const {
  return names_of(file_->proto.graph().input(), names_initialized(file_->proto.graph()));
}

std::vector<std::string> OnnxModel::outputs() const { return names_of(file_->proto.graph().output(), {}); }

}  // namespace marvin
