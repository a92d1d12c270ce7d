#include "runtime/train/recipe.h"

#include <cmath>

#include "runtime/ir/error.h"
#include "runtime/train/policy_of.h"

namespace marvin {
namespace {

template <class T>
void require(bool holds, std::string_view flag, const T& value, std::string_view legal) {
  if (!holds) throw Error("--", flag, " ", value, " makes no sense; it is ", legal);
}

}  // namespace

void check_values(const Recipe& recipe) {
  require(recipe.epochs >= 1, "epochs", recipe.epochs, "at least 1");
  require(recipe.steps.value_or(1) >= 1, "steps", recipe.steps.value_or(0), "at least 1");
  require(recipe.loss.label_smoothing >= 0 && recipe.loss.label_smoothing <= 1, "label-smoothing",
          recipe.loss.label_smoothing, "at least 0 and at most 1");
  require(recipe.batch_size >= 1, "batch-size", recipe.batch_size, "at least 1");
  require(recipe.accumulate >= 1, "accumulate", recipe.accumulate, "at least 1");
  require(std::isfinite(recipe.l1) && recipe.l1 >= 0, "l1", recipe.l1, "a number that is not negative");
  require(std::isfinite(recipe.clip_grad_norm) && recipe.clip_grad_norm >= 0, "clip-grad-norm", recipe.clip_grad_norm,
          "a number that is not negative");
  require(recipe.schedule.patience >= 0, "patience", recipe.schedule.patience, "at least 0");
  require(recipe.evaluate_every >= 1, "eval-every", recipe.evaluate_every, "at least 1");
  require(recipe.validation_split >= 0 && recipe.validation_split < 1, "val-split", recipe.validation_split,
          "at least 0 and below 1");
  require(std::isfinite(recipe.schedule.lr) && recipe.schedule.lr >= 0, "lr", recipe.schedule.lr,
          "a number that is not negative");
  require(recipe.optimizer.momentum >= 0 && recipe.optimizer.momentum < 1, "momentum", recipe.optimizer.momentum,
          "at least 0 and below 1");
  require(std::isfinite(recipe.optimizer.weight_decay) && recipe.optimizer.weight_decay >= 0, "weight-decay",
          recipe.optimizer.weight_decay, "a number that is not negative");
  check_values(recipe.schedule);
  policy_of(recipe.precision);
}

void check(const Recipe& recipe) {
  check_values(recipe);
  if (recipe.optimizer.nesterov && recipe.optimizer.momentum == 0) {
    throw Error("--nesterov needs a momentum; add --momentum 0.9, say");
  }
  if (recipe.schedule.name == "step" && recipe.schedule.step_epochs.empty()) {
    throw Error("--lr-schedule step needs the epochs after which the rate falls; add --step-epochs 10,15, say");
  }
}

}  // namespace marvin
