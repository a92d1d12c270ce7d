// What a trained model says about itself, in the metadata_props of its file:
//   marvin.preprocess     {"scale":true,"mean":[..],"std":[..],"pad":2}: what images are put through
//   marvin.loss           as --loss takes it; marvin.loss-output, marvin.label-smoothing and marvin.ignore-index where
//   they were
//                         given, marvin.class-axis where the scores have more axes than samples and classes
//   marvin.format.<slot>  "wl,fl": the fixed-point format of the value <slot>
//   marvin.fixed-point    "nodes" where nodes of the file compute in these formats (export --format qdq, qcdq,
//   intquant), else "formats"
#pragma once

#include <optional>

#include "importer/export.h"
#include "passes/pipeline.h"
#include "runtime/data/preprocess.h"
#include "runtime/report/json.h"

namespace marvin {

Json to_json(const Preprocess& preprocess);

Metadata training_metadata(const Preprocess& preprocess, const LossOptions& loss, const Formats& formats);

// Throw Error, naming the entry, where one is damaged.
std::optional<Preprocess> stored_preprocess(const OnnxModel& model);
// Whether the file computes in fixed point by its own nodes, as other runtimes do: its formats only document them.
bool has_fixed_point_nodes(const OnnxModel& model);
// Of a file that such nodes are added to.
Metadata fixed_point_nodes_metadata();
// Those to compute in: none where the file's nodes do so already.
Formats stored_formats(const OnnxModel& model);
LossOptions stored_loss(const OnnxModel& model);  // without a name where there is none

}  // namespace marvin
