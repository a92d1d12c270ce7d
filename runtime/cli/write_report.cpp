#include "runtime/cli/write_report.h"

#include <filesystem>
#include <optional>

#include "importer/onnx_model.h"
#include "passes/pipeline.h"
#include "runtime/cli/options.h"
#include "runtime/ir/file.h"
#include "runtime/ops/op.h"
#include "runtime/report/graph_view.h"
#include "runtime/report/report_page.h"
#include "runtime/report/table.h"

namespace marvin {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStage = "insert_quantization";
constexpr size_t kMostNodes = 700;
constexpr size_t kMostSvgBytes = 3 << 20;
constexpr int kMostSeconds = 5;  // for the layout

// The trained model, or else the one that it began as.
std::string model_of(const RunRecord& record) {
  for (const char* name : {"trained.onnx", "best.onnx"}) {
    const fs::path path = fs::path(record.directory) / name;
    if (fs::exists(path)) return path.string();
  }
  const auto model = record.run.find("model");
  return model != record.run.end() && model->is_string() ? model->get<std::string>() : "";
}

Formats last_formats(const RunRecord& record) {
  Formats formats;
  for (const RunRecord::SlotHistory& slot : record.slots) {
    if (slot.formats.empty()) continue;
    const RunRecord::Format& last = slot.formats.back();
    formats[slot.name] = {static_cast<int8_t>(last.wl), static_cast<int8_t>(last.fl)};
  }
  return formats;
}

int64_t batch_size_of(const RunRecord& record) {
  const Json recipe = record.run.value("recipe", Json::object());
  const auto batch = recipe.find("batch-size");
  return batch != recipe.end() && batch->is_number_integer() && *batch > 0 ? batch->get<int64_t>() : 0;
}

// "inputs" of run.json: {"name": [extents]}.
InputShapes shapes_of(const RunRecord& record) {
  InputShapes shapes;
  const Json inputs = record.run.value("inputs", Json::object());
  for (const auto& [name, shape] : inputs.items()) shapes[name] = shape.get<Shape>();
  return shapes;
}

std::string svg_of_run(const RunRecord& record) {
  const std::string path = model_of(record);
  if (path.empty()) throw Error("there is no model");
  const OnnxModel model = OnnxModel::load(path);
  const Graph graph = importer_of(model, shapes_of(record))(batch_size_of(record), true);
  const Formats formats = last_formats(record);
  std::optional<Graph> quantized;
  PassRunner runner([&](std::string_view pass, const Graph& after) {
    if (pass == kStage) quantized = after;
  });
  compile(graph, {.formats = formats}, runner);
  if (live_nodes(*quantized).size() > kMostNodes) {
    throw Error("it has ", live_nodes(*quantized).size(), " nodes; `marvin inspect --format svg` draws it");
  }
  const auto defaults = [](std::string_view name) {
    const OpDef* op = find_op(name);
    return op ? &op->defaults : nullptr;
  };
  std::string svg = svg_of(to_dot(*quantized, {.defaults = defaults, .formats = formats}), kMostSeconds);
  svg.erase(0, svg.find("<svg"));
  if (svg.size() > kMostSvgBytes) throw Error("its picture has ", bytes_text(static_cast<int64_t>(svg.size())));
  return svg;
}

Json picture_of(const RunRecord& record) {
  try {
    return {{"svg", svg_of_run(record)}};
  } catch (const Error& error) {
    return {{"note", cat("The graph is not drawn: ", error.what(), ".")}};
  } catch (const Json::exception&) {
    return {{"note", "The graph is not drawn: run.json says what cannot be."}};
  }
}

}  // namespace

std::string report_path(const std::string& directory) { return (fs::path(directory) / "report.html").string(); }

WrittenReport write_report(const std::vector<std::string>& directories, const std::string& output) {
  std::vector<ReportedRun> runs;
  for (const std::string& directory : directories) runs.push_back({read_run(directory), nullptr});
  for (ReportedRun& run : runs) run.graph = picture_of(run.record);
  const std::string page = report_page(page_data(runs));
  write_file_atomically(output, page);
  WrittenReport written{.path = output, .bytes = static_cast<int64_t>(page.size())};
  for (ReportedRun& run : runs) written.runs.push_back(std::move(run.record));
  return written;
}

}  // namespace marvin
