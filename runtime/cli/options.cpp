#include "runtime/cli/options.h"

#include <omp.h>

#include <algorithm>
#include <charconv>
#include <iostream>
#include <limits>
#include <sstream>

#include "runtime/report/printable.h"

namespace marvin {
namespace {

constexpr uint64_t kMostThreads = 1024, kMostCount = 1'000'000'000'000;

}  // namespace

void add_common_options(CLI::App& command, CommonOptions& options) {
  command.add_flag("--json", options.json, "Print the result as JSON on standard output");
  command.add_flag("--quiet,-q", options.quiet, "Print errors alone, and what --json asks for");
  command
      .add_option("--threads", options.threads,
                  "Threads to compute with; all cores when not given. Fewer where other programs keep "
                  "cores busy: threads wait for each other")
      ->type_name("N")
      ->check(within("--threads", 1, kMostThreads));
  command.callback([&options] { use_threads(options); });
}

void use_threads(const CommonOptions& options) {
  if (options.threads > 0) omp_set_num_threads(options.threads);
}

CLI::Option* add_model(CLI::App& command, std::string& path, const std::string& description) {
  return command.add_option("MODEL.onnx", path, description)->type_name("")->required();
}

CLI::Option* add_batch_size(CLI::App& command, int64_t& batch_size) {
  CLI::Option* option = command.add_option("--batch-size", batch_size, "Samples to a batch")
                            ->type_name("N")
                            ->check(countable("--batch-size", 1));
  if (batch_size > 0) return option->capture_default_str();
  return option->description("Samples to a batch; as the file says when not given, else 1");
}

void add_backend(CLI::App& command, std::string& backend) {
  command.add_option("--backend", backend, "Whose kernels are preferred for products: auto, openblas or onednn")
      ->type_name("LIBRARY")
      ->capture_default_str();
}

CLI::Validator within(const std::string& flag, int64_t lowest, uint64_t highest) {
  const auto check = [flag, lowest, highest](const std::string& text) {
    const bool negative = text.starts_with('-');
    const std::string digits = text.substr(negative ? 1 : 0);
    const bool whole = !digits.empty() && digits.find_first_not_of("0123456789") == std::string::npos;
    uint64_t size = 0;
    const bool overflows = std::from_chars(digits.data(), digits.data() + digits.size(), size).ec != std::errc();
    const bool below = negative ? lowest >= 0 || size > 0 - static_cast<uint64_t>(lowest)
                                : lowest > 0 && size < static_cast<uint64_t>(lowest);
    const bool above = !negative && size > highest;
    if (whole && (overflows || below || above))
      throw Error(flag, " ", text, " makes no sense; it is from ", lowest, " to ", highest);
    return std::string();
  };
  return CLI::Validator(check, "");
}

CLI::Validator any_integer(const std::string& flag) {
  return within(flag, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max());
}

CLI::Validator countable(const std::string& flag, int64_t lowest) { return within(flag, lowest, kMostCount); }

void check_word(const std::string& flag, const std::string& word, std::span<const std::string> known) {
  if (std::ranges::find(known, word) != known.end()) return;
  throw Error(flag, " '", word, "' is not known; it is ", join(known, " or "), ".", suggestion(word, known));
}

std::optional<Backend> backend_named(const std::string& word) {
  static const std::vector<std::string> kWords = {"auto", "openblas", "onednn"};
  check_word("--backend", word, kWords);
  if (word == "auto") return std::nullopt;
  return word == "openblas" ? Backend::openblas : Backend::onednn;
}

std::vector<std::string> flags_of(const CLI::App& command) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
  return flags;
}

std::set<const CLI::Option*> given(const CLI::App& command) {
  std::set<const CLI::Option*> options;
  for (const CLI::Option* option : command.get_options())
    if (option->count() > 0) options.insert(option);
  return options;
}

void refuse_idle(const CLI::App& command, const std::string& flag, const std::string& what) {
  if (command.get_option(flag)->count() > 0) throw CLI::ValidationError(cat(flag, " has no effect with ", what));
}

void add_shapes(CLI::App& command, InputShapes& shapes) {
  command
      .add_option_function<std::vector<std::string>>(
          "--shape",
          [&shapes](const std::vector<std::string>& texts) {
            for (const std::string& text : texts) {
              const size_t middle = text.find('=');
              if (middle == std::string::npos || middle == 0)
                throw CLI::ValidationError("--shape " + text + " is not NAME=A,B,..");
              const auto [entry, added] = shapes.try_emplace(text.substr(0, middle));
              if (!added) throw CLI::ValidationError("--shape " + entry->first + " is given twice");
              Shape& shape = entry->second;
              std::istringstream extents(text.substr(middle + 1));
              for (std::string extent; std::getline(extents, extent, ',');) {
                int64_t number = 0;
                if (!CLI::detail::lexical_cast(extent, number) || number < 1)
                  throw CLI::ValidationError(cat("--shape ", text, ": '", extent, "' is no extent"));
                shape.push_back(number);
              }
            }
          },
          "The shape of an input whose axes the file leaves open")
      ->type_name("NAME=A,B,..")
      ->allow_extra_args(false);
}

ImportModel importer_of(const OnnxModel& model, const InputShapes& shapes) {
  return [model, shapes](int64_t batch, bool inference) {
    using Form = ImportOptions::Form;
    ImportOptions options{
        .batch = batch, .shapes = shapes, .widen = true, .form = inference ? Form::inference : Form::as_found};
    for (auto& [name, shape] : options.shapes)
      if (!shape.empty() && batch > 0) shape[0] = batch;
    return model.import(options);
  };
}

Graph import_with(const OnnxModel& model, const InputShapes& shapes, int64_t batch, bool inference) {
  const std::vector<std::string> names = model.inputs();
  for (const auto& [name, shape] : shapes) {
    if (std::ranges::find(names, name) == names.end())
      throw Error("--shape ", name, ": the model has no such input; its inputs are ", join(names), ".",
                  suggestion(name, names));
    if (batch == 0 && name == names[0] && !shape.empty()) batch = shape[0];
  }
  Graph graph = importer_of(model, shapes)(batch, inference);
  for (const ValueId input : graph.inputs) {
    const auto given = shapes.find(graph[input].name);
    if (given == shapes.end() || given->second == graph.type_of(input).shape) continue;
    throw Error("--shape ", given->first, "=", text_of(given->second), ": the model's input is ",
                text_of(graph.type_of(input)));
  }
  return graph;
}

InputShapes shapes_of(const Dataset& data) {
  InputShapes shapes;
  for (const NamedArray& array : data.arrays) shapes.emplace(array.name, array.values.type().shape);
  return shapes;
}

void print_line(const std::string& line) { std::cout << printable(line, "\n\t") << '\n' << std::flush; }

void print_result(const CommonOptions& options, const Json& json, const std::string& text) {
  if (options.json) {
    print_line(json_text(json));
  } else if (!options.quiet) {
    print_line(text);
  }
}

}  // namespace marvin
