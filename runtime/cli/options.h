// Flags that verbs share.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "importer/onnx_model.h"
#include "runtime/ops/op.h"
#include "runtime/report/json.h"
#include "runtime/train/trainer.h"

namespace marvin {

// Of every verb.
struct CommonOptions {
  bool json = false;
  bool quiet = false;
  int threads = 0;  // 0: one per core
  bool prints_text() const { return !json && !quiet; }
};
// --threads takes effect when the command line is parsed.
void add_common_options(CLI::App& command, CommonOptions& options);
void use_threads(const CommonOptions& options);

CLI::Option* add_model(CLI::App& command, std::string& path, const std::string& description = "The ONNX model");
CLI::Option* add_batch_size(CLI::App& command, int64_t& batch_size);
void add_backend(CLI::App& command, std::string& backend);

// Checks whole numbers given for `flag`. One out of range is an error in a value (Error); text that is none is left to
// the option, which finds the command line wrong.
CLI::Validator within(const std::string& flag, int64_t lowest, uint64_t highest);
// The same for whole numbers of 64 bits, and for counts from `lowest` up to 10^12, of which products are still such
// numbers.
CLI::Validator any_integer(const std::string& flag);
CLI::Validator countable(const std::string& flag, int64_t lowest);

// Throws Error with a suggestion when `word`, given for `flag`, is not one of the known ones.
void check_word(const std::string& flag, const std::string& word, std::span<const std::string> known);

// "auto" (none), "openblas" or "onednn". Throws Error on another word.
std::optional<Backend> backend_named(const std::string& word);

// The long flags of a command, with their dashes, --help among them.
std::vector<std::string> flags_of(const CLI::App& command);

// The options that have been given a value.
std::set<const CLI::Option*> given(const CLI::App& command);

// Throws CLI::ValidationError where `flag` is given: it has no effect with `what`, "--format float".
void refuse_idle(const CLI::App& command, const std::string& flag, const std::string& what);

// --shape NAME=A,B,..: shapes of inputs whose axes the file leaves open.
using InputShapes = std::map<std::string, Shape>;
void add_shapes(CLI::App& command, InputShapes& shapes);

// For training and evaluation. `shapes`: of inputs, whose first axis is the batch; for the axes that the file leaves
// open.
ImportModel importer_of(const OnnxModel& model, const InputShapes& shapes);
// The same for shapes that the user gave. Batch 0 is theirs, else the file's. Throws Error where one fits no input.
Graph import_with(const OnnxModel& model, const InputShapes& shapes, int64_t batch, bool inference);

// Of the arrays that are fed as they are.
InputShapes shapes_of(const Dataset& data);

// Prints a line, or several, to standard output, without control characters.
void print_line(const std::string& line);
// A verb's result: as JSON where that is asked for, else as text unless quiet.
void print_result(const CommonOptions& options, const Json& json, const std::string& text);

}  // namespace marvin
