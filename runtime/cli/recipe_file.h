// Recipe files: a JSON object of flags by their names without dashes, and
//   "preprocess": {"normalize": true | false | {"mean": [..], "std": [..]}, "pad": N, "crop": N, "flip": true}
// normalize: with the training set's mean and deviation (true, and when left out), with these, or not at all; images
// are scaled to [0,1] first. pad: pixels on each side. crop: a random window of the image padded by N. flip: at random.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "runtime/data/preprocess.h"
#include "runtime/report/json.h"

namespace marvin {

// Throws Error when the file cannot be read, is no JSON object or has a key twice.
Json read_recipe(const std::string& path);

// Gives every option of the command that the command line left alone (it, and those that exclude it) the recipe's
// value. `source` is named in messages. Throws Error on unknown keys and on values that do not fit.
void apply_recipe(CLI::App& command, const Json& recipe, const std::string& source);

// The recipe's "preprocess"; null where it says nothing.
Json preprocess_of(const Json& recipe);

// Throws Error, naming `source`, on unknown keys and values of another kind, and when `train` are not images.
Preprocess parse_preprocess(const Json& json, const std::string& source, const Dataset& train);

// The inverse.
Json preprocess_json(const Preprocess& preprocess);

}  // namespace marvin
