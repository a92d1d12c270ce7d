#include "runtime/cli/train_options.h"

#include <limits>

#include "runtime/cli/recipe_file.h"
#include "runtime/train/initialize.h"
#include "runtime/train/policy_of.h"

namespace marvin {
namespace {

constexpr double kSgdRate = 0.1, kAdamRate = 0.001, kOtherRate = 0.01;

double usual_rate(const std::string& optimizer) {
  if (optimizer == "sgd") return kSgdRate;
  return optimizer.starts_with("adam") ? kAdamRate : kOtherRate;
}

void add_data_options(CLI::App& command, TrainOptions& o) {
  const char* kGroup = "Data and results";
  command
      .add_option("--data", o.data,
                  "fashion-mnist, a directory of idx or CIFAR files, or X.npz, whose arrays' first axis is the samples")
      ->type_name("DATA")
      ->group(kGroup);
  CLI::Option* eval_data =
      command.add_option("--eval-data", o.eval_data, "What to evaluate on; the data's test samples when not given")
          ->type_name("DATA")
          ->group(kGroup);
  command
      .add_option("--val-split", o.recipe.validation_split, "Share of the training data to set aside and evaluate on")
      ->type_name("X")
      ->group(kGroup)
      ->capture_default_str()
      ->excludes(eval_data);
  command.add_option("--out", o.out, "The run directory: metrics, switches, trained model")
      ->type_name("DIR")
      ->group(kGroup);
  command.add_flag("--overwrite", o.overwrite, "Replace the run in --out; files of other kinds in it stay")
      ->group(kGroup);
  command
      .add_flag("--keep-training-mode", o.keep_training_mode,
                "Leave BatchNormalization and Dropout of the trained model in training mode")
      ->group(kGroup);
  command
      .add_option("--recipe", o.recipe_file,
                  "Any of these flags by their names, and \"preprocess\", as JSON; flags given here win")
      ->type_name("FILE.json")
      ->group(kGroup);
}

void add_optimizer_options(CLI::App& command, TrainOptions& o) {
  const char* kGroup = "Loss and optimizer";
  command
      .add_option("--loss", o.recipe.loss.name,
                  join(loss_names(), ", ") +
                      " or output:NAME; the loss that the graph ends in when not given, else by the labels")
      ->type_name("LOSS")
      ->group(kGroup);
  command
      .add_option("--loss-output", o.recipe.loss.output,
                  "The output that is compared with the labels, of losses other than output:NAME; the first of real "
                  "numbers when not given")
      ->type_name("NAME")
      ->group(kGroup);
  command
      .add_option("--label-smoothing", o.recipe.loss.label_smoothing,
                  "Share of every label that is spread over all classes, of cross-entropy")
      ->type_name("X")
      ->group(kGroup)
      ->capture_default_str();
  command
      .add_option("--ignore-index", o.recipe.loss.ignore_index,
                  "The class label that counts for nothing, of cross-entropy and nll")
      ->type_name("N")
      ->check(any_integer("--ignore-index"))
      ->group(kGroup);
  command
      .add_option(
          "--class-axis", o.recipe.loss.class_axis,
          "The axis of the scores along which the classes lie, of cross-entropy and nll; -1 is the last. When not "
          "given, axis 1 ([N,C,...]) or the last ([N,...,C]), whichever fits the labels")
      ->type_name("N")
      ->check(any_integer("--class-axis"))
      ->group(kGroup);
  command.add_option("--optimizer", o.recipe.optimizer.name, join(optimizer_names(), " or "))
      ->type_name("NAME")
      ->group(kGroup)
      ->capture_default_str();
  command
      .add_option("--lr", o.lr,
                  cat("Learning rate; ", kSgdRate, " for sgd, ", kAdamRate, " for adam and adamw, ", kOtherRate,
                      " for the others when not given"))
      ->type_name("X")
      ->group(kGroup);
  command.add_option("--momentum", o.recipe.optimizer.momentum, "Of sgd and rmsprop")
      ->type_name("X")
      ->group(kGroup)
      ->capture_default_str();
  command.add_flag("--nesterov", o.recipe.optimizer.nesterov, "Nesterov's momentum, of sgd")->group(kGroup);
  command.add_option("--l1", o.recipe.l1, "Weight of the sum of absolute values, on every parameter")
      ->type_name("X")
      ->group(kGroup)
      ->capture_default_str();
  command
      .add_option("--clip-grad-norm", o.recipe.clip_grad_norm,
                  "The largest 2-norm of all gradients together; 0: they are not clipped")
      ->type_name("X")
      ->group(kGroup)
      ->capture_default_str();
  command
      .add_option("--init", o.recipe.init,
                  "The weights to begin with: keep the model's, or draw them anew by tnvs, he or xavier")
      ->type_name("NAME")
      ->group(kGroup)
      ->capture_default_str();
  command
      .add_option("--replace-head", o.replace_head,
                  "A new last layer of so many outputs, for other classes than the model was exported for")
      ->type_name("N")
      ->check(within("--replace-head", 1, 1 << 24))
      ->group(kGroup);
  command
      .add_option("--freeze", o.recipe.freeze,
                  "Parameters that are not trained: a regular expression on their names. Frozen running statistics put "
                  "their normalization into inference form")
      ->type_name("REGEX")
      ->group(kGroup);
  command.add_option("--weight-decay", o.recipe.optimizer.weight_decay, "On every parameter")
      ->type_name("X")
      ->group(kGroup)
      ->capture_default_str();
}

void add_schedule_options(CLI::App& command, TrainOptions& o) {
  const char* kGroup = "Schedule";
  CLI::Option* epochs = command.add_option("--epochs", o.recipe.epochs, "Passes over the training data")
                            ->type_name("N")
                            ->check(countable("--epochs", 1))
                            ->group(kGroup)
                            ->capture_default_str();
  command.add_option("--steps", o.recipe.steps, "Optimizer steps, instead of epochs")
      ->type_name("N")
      ->check(countable("--steps", 1))
      ->group(kGroup)
      ->excludes(epochs);
  add_batch_size(command, o.recipe.batch_size)->group(kGroup);
  command.add_option("--accumulate", o.recipe.accumulate, "Batches whose gradients make one optimizer step")
      ->type_name("N")
      ->check(countable("--accumulate", 1))
      ->group(kGroup)
      ->capture_default_str();
  command.add_option("--lr-schedule", o.recipe.schedule.name, join(schedule_names(), " or "))
      ->type_name("NAME")
      ->group(kGroup)
      ->capture_default_str();
  command.add_option("--step-epochs", o.recipe.schedule.step_epochs, "Epochs after which step lowers the rate")
      ->type_name("A,B,..")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->group(kGroup);
  command
      .add_option("--patience", o.recipe.schedule.patience,
                  "Evaluations without a lower loss that plateau lets pass before it lowers the rate")
      ->type_name("N")
      ->check(countable("--patience", 0))
      ->group(kGroup)
      ->capture_default_str();
  command.add_option("--gamma", o.recipe.schedule.gamma, "By which step and plateau multiply it")
      ->type_name("X")
      ->group(kGroup)
      ->capture_default_str();
  command.add_option("--warmup-steps", o.recipe.schedule.warmup_steps, "Over which the rate first rises from 0")
      ->type_name("N")
      ->check(countable("--warmup-steps", 0))
      ->group(kGroup)
      ->capture_default_str();
  command.add_flag("--shuffle,!--no-shuffle", o.recipe.shuffle, "A new order of the samples each epoch (default)")
      ->group(kGroup);
  command.add_option("--seed", o.recipe.seed, "Of shuffling, augmentation, rounding and dropout")
      ->check(within("--seed", 0, std::numeric_limits<uint64_t>::max()))
      ->type_name("N")
      ->group(kGroup)
      ->capture_default_str();
  command.add_option("--eval-every", o.recipe.evaluate_every, "Epochs between evaluations")
      ->type_name("N")
      ->check(countable("--eval-every", 1))
      ->group(kGroup)
      ->capture_default_str();
}

void add_precision_options(CLI::App& command, TrainOptions& o) {
  const char* kGroup = "Precision";
  command
      .add_option("--precision", o.recipe.precision,
                  "adaptive, float32, fixed:WL (the point follows the values), fixed:WL.FL, paper or paper:released "
                  "(MARViN/AdaPT), muppet, FILE.json (formats by slot) or RUN/precision.jsonl (replay); see below")
      ->type_name("SPEC")
      ->group(kGroup)
      ->capture_default_str();
  command.add_option("--switch-at", o.switch_at, "When formats may change: after a step or after an epoch")
      ->type_name("step|epoch")
      ->group(kGroup)
      ->capture_default_str();
}

// ---- Checks ---------------------------------------------------------------------------------------------------------

// The recipe but for its preprocess, which depends on the data. Throws Error on what is wrong by itself.
Recipe recipe_of(const TrainOptions& options) {
  static const std::vector<std::string> kSwitchAt = {"step", "epoch"};
  check_word("--switch-at", options.switch_at, kSwitchAt);
  check_word("--init", options.recipe.init, initializer_names());
  check_word("--optimizer", options.recipe.optimizer.name, optimizer_names());
  check_word("--lr-schedule", options.recipe.schedule.name, schedule_names());
  if (const std::string& loss = options.recipe.loss.name; !loss.empty() && !loss.starts_with("output:")) {
    check_word("--loss", loss, loss_names());
  }
  Recipe recipe = options.recipe;
  recipe.schedule.lr = options.lr.value_or(usual_rate(recipe.optimizer.name));
  recipe.switch_at_epoch = options.switch_at == "epoch";
  recipe.backend = backend_named(options.backend);
  check_values(recipe);
  return recipe;
}

// A setting that has an effect with some values of another only.
struct Dependence {
  std::string setting, on;
  bool (*holds)(const Recipe&);
};

const std::vector<Dependence>& dependences() {
  const auto sgd = [](const Recipe& recipe) { return recipe.optimizer.name == "sgd"; };
  const auto step = [](const Recipe& recipe) { return recipe.schedule.name == "step"; };
  const auto plateau = [](const Recipe& recipe) { return recipe.schedule.name == "plateau"; };
  const auto falls = [](const Recipe& recipe) {
    return recipe.schedule.name == "step" || recipe.schedule.name == "plateau";
  };
  const auto has_momentum = [](const Recipe& recipe) {
    return recipe.optimizer.name == "sgd" || recipe.optimizer.name == "rmsprop";
  };
  // Where no loss is named, the data choose it, and attach_loss judges.
  const auto smooths = [](const Recipe& recipe) {
    return recipe.loss.name.empty() || recipe.loss.name == "cross-entropy";
  };
  const auto classes = [](const Recipe& recipe) {
    return recipe.loss.name.empty() || recipe.loss.name == "cross-entropy" || recipe.loss.name == "nll";
  };
  const auto compares = [](const Recipe& recipe) { return !recipe.loss.name.starts_with("output:"); };
  // Formats of float32 and fixed:WL.FL stay as they are, those of a recording change when they did.
  const auto switches = [](const Recipe& recipe) {
    const std::unique_ptr<SwitchPolicy> policy = policy_of(recipe.precision);
    return policy && policy->switches();
  };
  static const std::vector<Dependence> list = {
      {"momentum", "optimizer", has_momentum}, {"nesterov", "optimizer", sgd},    {"loss-output", "loss", compares},
      {"label-smoothing", "loss", smooths},    {"ignore-index", "loss", classes}, {"class-axis", "loss", classes},
      {"step-epochs", "lr-schedule", step},    {"gamma", "lr-schedule", falls},   {"patience", "lr-schedule", plateau},
      {"switch-at", "precision", switches}};
  return list;
}

// `flags`: what the command line gave. A recipe's setting may lose its effect to a flag.
void check_effects(const CLI::App& command, const std::set<const CLI::Option*>& flags, const TrainOptions& options) {
  for (const auto& [setting, on, holds] : dependences()) {
    const CLI::Option* given = command.get_option("--" + setting);
    const CLI::Option* other = command.get_option("--" + on);
    if (given->count() == 0 || holds(options.recipe)) continue;
    const std::string value = other->as<std::string>();
    if (flags.contains(given)) refuse_idle(command, "--" + setting, cat("--", on, " ", value));
    if (flags.contains(other)) continue;
    throw Error("the recipe '", options.recipe_file, "': '", setting, "' has no effect with the ", on, " ", value);
  }
}

}  // namespace

void add_train_options(CLI::App& command, TrainOptions& options) {
  add_model(command, options.model);
  add_data_options(command, options);
  add_optimizer_options(command, options);
  add_schedule_options(command, options);
  add_precision_options(command, options);
  add_backend(command, options.backend);
  add_common_options(command, options.common);
}

void read_settings(CLI::App& command, TrainOptions& options) {
  recipe_of(options);
  const std::set<const CLI::Option*> flags = given(command);
  if (const std::string& path = options.recipe_file; !path.empty()) {
    const Json recipe = read_recipe(path);
    // By itself first: what flags override has to be right as well.
    TrainOptions alone;
    CLI::App app;
    add_train_options(app, alone);
    apply_recipe(app, recipe, path);
    with_context(cat("the recipe '", path, "'"), [&] { recipe_of(alone); });
    apply_recipe(command, recipe, path);
    options.preprocess = preprocess_of(recipe);
    use_threads(options.common);
  }
  check_effects(command, flags, options);
}

Recipe resolve(const TrainOptions& options, const Dataset& train) {
  Recipe recipe = recipe_of(options);
  if (!options.preprocess.is_null())
    recipe.preprocess = parse_preprocess(options.preprocess, options.recipe_file, train);
  check(recipe);
  return recipe;
}

Json recipe_json(const TrainOptions& options, const Recipe& recipe, const LossOptions& loss,
                 const Preprocess& preprocess) {
  Json json = {{"data", options.data}};
  if (!options.eval_data.empty()) json["eval-data"] = options.eval_data;
  json.update({{"loss", loss.name},
               {"optimizer", recipe.optimizer.name},
               {"lr", recipe.schedule.lr},
               {"momentum", json_number(recipe.optimizer.momentum)},
               {"nesterov", recipe.optimizer.nesterov},
               {"weight-decay", json_number(recipe.optimizer.weight_decay)},
               {"l1", json_number(recipe.l1)},
               {"clip-grad-norm", json_number(recipe.clip_grad_norm)},
               {"init", recipe.init},
               {"freeze", recipe.freeze},
               {"accumulate", recipe.accumulate},
               {"lr-schedule", recipe.schedule.name},
               {"step-epochs", recipe.schedule.step_epochs},
               {"gamma", recipe.schedule.gamma},
               {"patience", recipe.schedule.patience},
               {"warmup-steps", recipe.schedule.warmup_steps},
               {"batch-size", recipe.batch_size},
               {"shuffle", recipe.shuffle},
               {"seed", recipe.seed},
               {"precision", recipe.precision},
               {"switch-at", options.switch_at},
               {"eval-every", recipe.evaluate_every},
               {"keep-training-mode", options.keep_training_mode},
               {"backend", options.backend}});
  for (const Dependence& dependence : dependences())
    if (!dependence.holds(recipe)) json.erase(dependence.setting);
  if (options.replace_head) json["replace-head"] = *options.replace_head;
  if (!loss.output.empty()) json["loss-output"] = loss.output;
  if (loss.label_smoothing > 0) json["label-smoothing"] = loss.label_smoothing;
  if (loss.ignore_index) json["ignore-index"] = *loss.ignore_index;
  if (loss.class_axis) json["class-axis"] = *loss.class_axis;
  if (recipe.validation_split > 0) json["val-split"] = recipe.validation_split;
  if (recipe.steps) {
    json["steps"] = *recipe.steps;
  } else {
    json["epochs"] = recipe.epochs;
  }
  if (preprocess != Preprocess{}) json["preprocess"] = preprocess_json(preprocess);
  return json;
}

}  // namespace marvin
