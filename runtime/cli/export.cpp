// marvin export: a trained model for other runtimes, and training graphs for viewers.
#include <filesystem>
#include <memory>
#include <optional>

#include "importer/node_list.h"
#include "runtime/cli/evaluate_model.h"
#include "runtime/cli/float_products.h"
#include "runtime/cli/model_metadata.h"
#include "runtime/cli/training_graph.h"
#include "runtime/cli/verbs.h"
#include "runtime/data/load.h"
#include "runtime/report/run_directory.h"
#include "runtime/report/table.h"

namespace marvin {
namespace {

namespace fs = std::filesystem;

struct ExportVerbOptions {
  CommonOptions common;
  GraphOptions graph;
  std::string source, format, output, verify;
};

// A file, or the trained model of a run directory.
std::string model_of(const std::string& source) {
  if (!fs::is_directory(source)) return source;
  const Json run = read_run_json(source);
  const fs::path trained = fs::path(source) / "trained.onnx";
  if (!fs::exists(trained)) {
    throw Error("the run '", source,
                "' holds no trained.onnx: it has not ended, or ended early (best.onnx may be there)");
  }
  return trained.string();
}

// Of one sample, as far as the run, the data of --verify or --shape say.
InputShapes known_shapes(const ExportVerbOptions& options) {
  InputShapes shapes = options.graph.shapes;
  if (!options.verify.empty()) shapes.merge(shapes_of(load_data(options.verify).train));
  if (fs::is_directory(options.source)) {
    try {
      shapes.merge(read_run_json(options.source).value("inputs", Json::object()).get<InputShapes>());
    } catch (const Json::exception&) {
      throw Error("the run.json of '", options.source, "' is damaged: its 'inputs' are no shapes");
    }
  }
  for (auto& [name, shape] : shapes)
    if (!shape.empty() && !options.graph.shapes.contains(name)) shape[0] = 1;
  return shapes;
}

// Refuses what marvin could not read again.
void export_float(const OnnxModel& model, const ExportVerbOptions& options) {
  importer_of(model, known_shapes(options))(0, true);
  export_trained(model, {}, {}, options.output);
}

// "lstm (LSTM) and y (Einsum)"
std::string text_of(const std::vector<FloatProducts::Layer>& layers) {
  std::vector<std::string> words;
  for (const FloatProducts::Layer& layer : layers) words.push_back(cat(layer.name, " (", layer.op, ")"));
  return join(words);
}

// The quantizers of --format; none where it writes no fixed point.
std::optional<QuantizerForm> form_of(const std::string& format) {
  if (format == "qdq") return QuantizerForm::qdq;
  if (format == "qcdq") return QuantizerForm::qcdq;
  if (format == "intquant") return QuantizerForm::intquant;
  return std::nullopt;
}

// Returns what stays in float32 in the file.
FloatProducts export_quantized(const OnnxModel& model, QuantizerForm form, const ExportVerbOptions& options) {
  if (has_fixed_point_nodes(model))
    throw Error("'", options.source, "' computes in fixed point by its nodes already; export the model it was made of");
  if (const std::vector<std::string> ops = quantizer_ops(model); !ops.empty())
    throw Error("'", options.source, "' rounds by nodes of its own already (", join(ops), "), which --format ",
                options.format,
                " would double; train and export the model in float32 that it was made of, or use --format float");
  const Formats formats = stored_formats(model);
  if (formats.empty()) {
    throw Error("'", options.source, "' carries no fixed-point formats, which --format ", options.format,
                " writes; train it with --precision adaptive or fixed:8");
  }
  const InputShapes shapes = options.verify.empty() ? InputShapes{} : shapes_of(load_data(options.verify).train);
  FloatProducts in_float = float_products(model, formats, shapes);
  if (in_float.all)
    throw Error(
        "--format ", options.format, " would leave all products in float32",
        in_float.layers.empty() ? "" : ", those of ", text_of(in_float.layers),
        ": it writes fixed point for products that are nodes of the model's own graph, not inside of other ops, ",
        "functions, branches or loops; use --format float");
  export_fixed_point(model, form, {}, formats, fixed_point_nodes_metadata(), options.output);
  return in_float;
}

// ---- The training graph ---------------------------------------------------------------------------------------------

// A run's trained.onnx is in inference form: its training graph is that of the model that was trained, with its
// weights.
Graph training_model(const OnnxModel& trained, const std::string& source, const GraphOptions& options) {
  if (!fs::is_directory(source)) return import_with(trained, options.shapes, options.batch_size, false);
  const Json run = read_run_json(source);
  const std::string original = run.value("model", std::string());
  if (!fs::exists(original)) {
    throw Error("the run '", source, "' was of the model '", original,
                "', which is not there any more; its training graph ",
                "needs it. Name another model instead of the run");
  }
  Graph graph = import_with(OnnxModel::load(original), options.shapes, options.batch_size, false);
  const Graph weights = import_with(trained, options.shapes, options.batch_size, true);
  for (uint32_t i = 0; i < graph.value_count(); ++i) {
    Value& value = graph[ValueId{i}];
    const ValueId same = value.kind == ValueKind::parameter ? weights.find(value.name) : ValueId{};
    if (same.valid() && weights[same].data && weights[same].type == value.type) value.data = weights[same].data;
  }
  return graph;
}

// What a run ended with, as far as its run.json says.
void add_final_formats(const std::string& source, Formats& formats) {
  if (!fs::is_directory(source)) return;
  const Json run = read_run_json(source);
  try {
    for (const Json& slot : run.value("formats", Json::array()))
      formats[slot.at("slot").get<std::string>()] = {slot.at("wl").get<int8_t>(), slot.at("fl").get<int8_t>()};
  } catch (const Json::exception&) {
    throw Error("the run.json of '", source, "' is damaged: its 'formats' are no list of slot, wl and fl");
  }
}

void export_training(const OnnxModel& model, const ExportVerbOptions& options) {
  GraphOptions graph_options = options.graph;
  if (graph_options.loss.empty()) {
    graph_options.loss = stored_loss(model).name;
    if (graph_options.loss_output.empty()) graph_options.loss_output = stored_loss(model).output;
    if (!graph_options.class_axis) graph_options.class_axis = stored_loss(model).class_axis;
  }
  const Graph graph = training_model(model, options.source, graph_options);
  Formats formats = assumed_formats(training_slots(graph, graph_options), graph_options.precision);
  if (graph_options.precision != "float32") {
    for (const auto& [slot, format] : stored_formats(model)) formats[slot] = format;
    add_final_formats(options.source, formats);
  }
  const Graph training = stage_after(graph, pass_names().back(), graph_options, formats).graph;
  export_graph(training, formats, options.output);
}

// ---- Verification ---------------------------------------------------------------------------------------------------

// What was written, as its nodes stand; of fixed point the model in float32 beside it.
Json verify(const OnnxModel& model, const ExportVerbOptions& options) {
  const DataSplits data = load_data(options.verify);
  Json result;
  const OnnxModel in_float = options.format == "float" ? OnnxModel::load(options.output) : model;
  const Evaluation float32 = evaluate_model(in_float, data, {.float32 = true});
  result["float32"] = to_json(float32);
  if (options.common.prints_text()) print_line(cat("float32: ", text_of(float32)));
  if (options.format == "float") return result;
  const Evaluation fixed_point = evaluate_model(OnnxModel::load(options.output), data, {});
  result["fixed_point"] = to_json(fixed_point);
  if (options.common.prints_text()) print_line(cat("fixed point: ", text_of(fixed_point)));
  return result;
}

void check_options(const CLI::App& command, const ExportVerbOptions& options) {
  static const std::vector<std::string> kFormats = {"float", "qdq", "qcdq", "intquant", "training"};
  check_word("--format", options.format, kFormats);
  if (options.format == "training") return refuse_idle(command, "--verify", "--format training");
  for (const GraphFlag& flag : graph_flags())
    if (options.format != "float" || flag.name != std::string_view("--shape"))
      refuse_idle(command, flag.name, "--format " + options.format);
}

int export_model(const CLI::App& command, const ExportVerbOptions& options) {
  check_options(command, options);
  const std::string source = model_of(options.source);
  std::error_code ignored;
  if (fs::equivalent(source, options.output, ignored))
    throw Error("--output '", options.output, "' is the model that is exported; give another name");
  const OnnxModel model = OnnxModel::load(source);
  if (options.format == "float") export_float(model, options);
  FloatProducts in_float;
  const std::optional<QuantizerForm> form = form_of(options.format);
  if (form) in_float = export_quantized(model, *form, options);
  if (options.format == "training") export_training(model, options);

  const auto bytes = static_cast<int64_t>(fs::file_size(options.output));
  if (options.common.prints_text()) {
    print_line(cat("wrote ", options.output, " (", options.format, ", ", bytes_text(bytes), ")"));
    if (!in_float.layers.empty())
      print_line(cat("in float32 in this file: ", text_of(in_float.layers),
                     ", whose products are inside of an op, a function, a branch or a loop"));
    if (!in_float.unknown.empty())
      print_line(cat("layers in float32 in this file are not known without shapes, which --verify DATA has: ",
                     in_float.unknown));
  }
  Json result = {{"output", options.output}, {"format", options.format}, {"bytes", bytes}};
  if (form) {
    result["in_float32"] = Json::array();
    for (const FloatProducts::Layer& layer : in_float.layers)
      result["in_float32"].push_back({{"name", layer.name}, {"op", layer.op}});
  }
  if (!options.verify.empty()) result["verify"] = verify(model, options);
  if (options.common.json) print_line(json_text(result));
  return kSuccess;
}

}  // namespace

Verb add_export(CLI::App& app) {
  const auto options = std::make_shared<ExportVerbOptions>();
  CLI::App* command = app.add_subcommand("export", "Write a trained model for other runtimes and viewers");
  command->add_option("RUN_DIR|MODEL.onnx", options->source, "A run directory (its trained.onnx), or a model")
      ->type_name("")
      ->required();
  command
      ->add_option("--format", options->format,
                   "float: inference form in float32; qdq, qcdq, intquant: fixed point as QuantizeLinear and "
                   "DequantizeLinear, the same with integer Clips between them, or QONNX's IntQuant; "
                   "training: the training graph, for viewers")
      ->type_name("float|qdq|qcdq|intquant|training")
      ->required();
  command->add_option("--output,-o", options->output, "The file to write")->type_name("FILE")->required();
  command->add_option("--verify", options->verify, "Evaluate what was written on these data (not training)")
      ->type_name("DATA");
  add_graph_options(*command, options->graph);
  add_common_options(*command, options->common);
  command->footer(
      "--batch-size, --shape, --loss, --loss-output, --class-axis, --optimizer, --precision and --backend are of "
      "--format training\n"
      "alone; --shape also of float, where a file that is no run leaves axes open.\n"
      "qdq, qcdq and intquant round to the same numbers, q * 2^-FL with q of WL bits, and differ in who reads the "
      "file:\n"
      "  qdq       runtimes that make integer products of neighbouring QuantizeLinear and DequantizeLinear. Where WL "
      "is below\n"
      "            8 (above 8: below 16) a Clip of real numbers stands before the two. Opset 10\n"
      "  qcdq      tools that read the word length from the nodes, such as QONNX: where WL is below 8, a Clip of int8 "
      "stands\n"
      "            between the two. Opset 12; before, and above 8 bits, it is qdq\n"
      "  intquant  QONNX's IntQuant with scale 2^-FL and bit width WL: any WL, any opset; weights stay float32\n"
      "In qdq and qcdq words of up to 8 bits are int8, of up to 16 bits int16 in models of opset 21 and more; others "
      "are\n"
      "rounded by Mul, Round, Clip, Mul (opset 11), and weights of them are int32.\n"
      "All reach products that are nodes of the model's own graph (Conv, Gemm, MatMul ...). Those inside of an Einsum, "
      "LSTM,\n"
      "GRU, RNN or Attention, of a function, branch or loop stay in float32 in that file, and export names them.\n"
      "The file's products are float32 ones: while sums of integer products stay below 2^24 (8-bit words, up to 1024 "
      "to a\n"
      "sum), eval gives to the bit what it gives of the trained model; beyond, up to float32's rounding.\n\n"
      "Examples:\n"
      "  marvin export runs/a --format qdq --output lenet5_int8.onnx --verify fashion-mnist\n"
      "  marvin export runs/a --format intquant --output lenet5_qonnx.onnx\n"
      "  marvin export runs/a --format float --output lenet5.onnx\n"
      "  marvin export models/mlp.onnx --format training --output mlp_training.onnx --batch-size 32");
  return {command, [options, command] { return export_model(*command, *options); }};
}

}  // namespace marvin
