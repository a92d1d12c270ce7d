// What train is told: by flags, and by a recipe file whose keys are the flags' names.
#pragma once

#include "runtime/cli/options.h"
#include "runtime/report/json_lines.h"

namespace marvin {

struct TrainOptions {
  CommonOptions common;
  std::string model, data, eval_data, out;
  Recipe recipe;  // all but the rate, preprocess, backend and switch_at_epoch, which resolve() fills in
  std::optional<double> lr;
  std::string backend = "auto", switch_at = "step";
  std::string recipe_file;
  Json preprocess;  // of the recipe file; null where it says nothing
  bool overwrite = false, keep_training_mode = false;
};

void add_train_options(CLI::App& command, TrainOptions& options);

// Reads options.recipe_file, where there is one, into the options that the command line left alone. Throws Error,
// naming file and key, on unknown keys (with a suggestion) and on values that do not fit.
void apply_recipe_file(CLI::App& command, TrainOptions& options);

// The recipe for images or arrays. Throws Error on words that are not known and on settings that make no sense.
Recipe resolve(const TrainOptions& options, const Dataset& train);

// What resolve() gave and the trainer chose, in the form of a recipe file.
Json recipe_json(const TrainOptions& options, const Recipe& recipe, const std::string& loss,
                 const Preprocess& preprocess);

}  // namespace marvin
