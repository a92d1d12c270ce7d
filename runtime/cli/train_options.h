// What train is told: by flags, and by a recipe file whose keys are the flags' names.
#pragma once

#include "runtime/cli/options.h"
#include "runtime/report/json.h"

namespace marvin {

struct TrainOptions {
  CommonOptions common;
  std::string model, data, eval_data, out;
  Recipe recipe;  // all but the rate, preprocess, backend and switch_at_epoch, which resolve() fills in
  std::optional<double> lr;
  std::string backend = "auto", switch_at = "step";
  std::string recipe_file;
  Json preprocess;  // of the recipe file; null where it says nothing
  std::optional<int64_t> replace_head;
  bool overwrite = false, keep_training_mode = false;
};

void add_train_options(CLI::App& command, TrainOptions& options);

// Checks what the command line says, and reads options.recipe_file, where there is one, into the options that it left
// alone. Throws Error, naming the flag, or file and key, on words that are not known (with a suggestion), on values
// that make no sense, those of the file that flags override among them, and on settings of the file that have no
// effect; CLI::ValidationError on flags that have none.
void read_settings(CLI::App& command, TrainOptions& options);

// The recipe for images or arrays. Throws Error on a preprocess that is none, and on settings that make no sense
// together.
Recipe resolve(const TrainOptions& options, const Dataset& train);

// What resolve() gave and the trainer chose, in the form of a recipe file.
Json recipe_json(const TrainOptions& options, const Recipe& recipe, const LossOptions& loss,
                 const Preprocess& preprocess);

}  // namespace marvin
