// Recipe files: a JSON object of flags by their names without dashes, and
//   "preprocess": {"normalize": true | false | {"mean": [..], "std": [..]}, "pad": N, "crop": N, "flip": true}
// normalize: with the training set's mean and deviation (true, and when left out), with these, or not at all; images
// are scaled to [0,1] first. pad: pixels on each side. crop: a random window of the image padded by N. flip: at random.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "runtime/data/preprocess.h"
#include "runtime/report/json_lines.h"

namespace marvin {

// Gives every option of the command that the command line left alone (it, and those that exclude it) the file's value.
// Returns "preprocess", null when there is none. Throws Error naming file and key.
Json apply_recipe(CLI::App& command, const std::string& path);

// `source` is named in messages. Throws Error on unknown keys and values of another kind, and when `train` are not
// images.
Preprocess parse_preprocess(const Json& json, const std::string& source, const Dataset& train);

// The inverse.
Json preprocess_json(const Preprocess& preprocess);

}  // namespace marvin
