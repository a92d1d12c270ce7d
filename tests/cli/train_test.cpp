#include "tests/cli/workshop.h"
#include "tests/importer/model_builder.h"

namespace marvin {
namespace {

TEST_CASE("training leaves a run directory that tells the whole run") {
  const Workshop workshop;
  const Outcome outcome = run_marvin(
      workshop.train(workshop.out, {"--steps", "6", "--batch-size", "16", "--lr", "0.1", "--momentum", "0.9"}));
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK(outcome.err.empty());

  const json run = json::parse(file_content(workshop.out + "/run.json"));
  CHECK(run.at("marvin").is_string());
  CHECK(run.at("versions").contains("onednn"));
  CHECK(run.at("machine").at("threads").get<int>() >= 1);
  CHECK(run.at("recipe").at("loss") == "cross-entropy");
  const json& summary = run.at("summary");
  CHECK(summary.at("accuracy").get<double>() > 0.5);
  CHECK(summary.at("steps") == 6);
  for (const char* key : {"loss", "wall_s", "train_s", "peak_bytes"}) CHECK(summary.at(key).get<double>() > 0);
  CHECK(summary.at("macs").at("le8").get<int64_t>() > 0);
  CHECK(summary.at("macs").at("total").get<int64_t>() >= summary.at("macs").at("le16").get<int64_t>());
  CHECK(summary.at("policy_s").get<double>() > 0);
  CHECK(summary.at("policy_s").get<double>() < summary.at("train_s").get<double>());
  const json& model = summary.at("model");
  for (const char* count : {"published", "dense", "sparse"}) {
    CHECK(model.at(count).at("training_speedup").get<double>() > 1);
    CHECK(model.at(count).at("model_size").get<double>() < 1);
  }
  CHECK(model.at("mean_wl").at("weight").get<double>() >= 8);
  CHECK(model.at("layers").size() == 3);
  CHECK(model.at("layers")[0].at("layer") == "fc1");
  CHECK(outcome.out.find("modelled speed-up") != std::string::npos);

  const std::vector<json> metrics = json_lines_of(workshop.out + "/metrics.jsonl");
  std::vector<int64_t> steps;
  for (const json& line : metrics)
    if (line.at("event") == "step") steps.push_back(line.at("step"));
  CHECK(steps == std::vector<int64_t>{1, 2, 3, 4, 5, 6});
  CHECK(metrics.back().at("event") == "eval");
  CHECK(metrics.back().at("accuracy") == summary.at("accuracy"));

  const std::vector<json> precision = json_lines_of(workshop.out + "/precision.jsonl");
  REQUIRE(precision.size() >= run.at("formats").size());
  for (size_t i = 0; i < run.at("formats").size(); ++i) {
    CHECK(precision[i].at("step") == 0);
    CHECK(precision[i].at("reason") == "begin");
    CHECK(precision[i].at("range") > 0);
    CHECK(precision[i].at("from").at("wl") == 32);
    CHECK(precision[i].at("slot") == run.at("formats")[i].at("slot"));
  }
  CHECK(fs::exists(workshop.out + "/trained.onnx"));
  CHECK(fs::exists(workshop.out + "/best.onnx"));
  CHECK(lines_of(outcome.out).back().starts_with("accuracy: "));
  CHECK(lines_of(outcome.out).back().ends_with(" %"));
}

TEST_CASE("eval repeats a run's last evaluation from the model's file alone") {
  const Workshop workshop;
  REQUIRE(run_marvin(workshop.train(workshop.out, {"--steps", "3", "--batch-size", "16", "--quiet"})).code == 0);
  const json summary = json::parse(file_content(workshop.out + "/run.json")).at("summary");
  const std::vector<std::string> eval = {
      "eval", workshop.out + "/trained.onnx", "--data", workshop.data, "--batch-size", "16", "--json"};
  const Outcome outcome = run_marvin(eval);
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK(outcome.json().at("precision") == "fixed point");
  CHECK(outcome.json().at("loss") == summary.at("loss"));
  CHECK(outcome.json().at("accuracy") == summary.at("accuracy"));

  std::vector<std::string> in_float = eval;
  in_float.insert(in_float.end(), {"--precision", "float32"});
  const Outcome float32 = run_marvin(in_float);
  CHECK(float32.json().at("precision") == "float32");
  CHECK(float32.json().at("loss") != summary.at("loss"));
}

TEST_CASE("what is said about the loss goes into recipe and model, and eval follows it") {
  const Workshop workshop;
  REQUIRE(run_marvin(workshop.train(workshop.out, {"--steps", "3", "--batch-size", "16", "--quiet", "--precision",
                                                   "float32", "--label-smoothing", "0.1", "--ignore-index", "7"}))
              .code == 0);
  CHECK(workshop.recipe_of(workshop.out).at("label-smoothing") == 0.1);
  CHECK(workshop.recipe_of(workshop.out).at("ignore-index") == 7);
  const json summary = json::parse(file_content(workshop.out + "/run.json")).at("summary");
  const std::vector<std::string> eval = {
      "eval", workshop.out + "/trained.onnx", "--data", workshop.data, "--batch-size", "16", "--json"};
  const Outcome same = run_marvin(eval);
  CHECK(same.json().at("loss") == summary.at("loss"));
  CHECK(same.json().at("accuracy") == summary.at("accuracy"));
  std::vector<std::string> plain = eval;
  plain.insert(plain.end(), {"--loss", "cross-entropy"});
  CHECK(run_marvin(plain).json().at("loss") != summary.at("loss"));
  plain.insert(plain.end(), {"--ignore-index", "7"});
  CHECK(run_marvin(plain).json().at("accuracy") == summary.at("accuracy"));
}

// labels i64[16,...], given as they are laid out
std::string write_integers(const std::string& path, const Shape& shape, const std::vector<int64_t>& labels) {
  Tensor x(Type{DType::f32, {16, 4}});
  for (size_t i = 0; i < x.as<float>().size(); ++i) x.as<float>()[i] = static_cast<float>(i * 7 % 13) / 13 - 0.5f;
  write_npz(path, std::vector<NamedArray>{{"x", std::move(x)}, {"labels", Tensor::of<int64_t>(shape, labels)}});
  return path;
}

// y [n,shape] = x [n,4] w
std::string write_linear(const std::string& path, const std::vector<int64_t>& shape) {
  Tensor w(Type{DType::f32, {4, elements(shape)}});
  for (size_t i = 0; i < w.as<float>().size(); ++i) w.as<float>()[i] = static_cast<float>(i % 5) / 5 - 0.4f;
  std::vector<int64_t> target = {-1};
  target.insert(target.end(), shape.begin(), shape.end());
  ModelBuilder model;
  model.input("x", {"n", 4}).initializer("w", w).node("MatMul", {"x", "w"}, {"a"});
  model.constant("to", Tensor::of<int64_t>({static_cast<int64_t>(target.size())}, target));
  model.node("Reshape", {"a", "to"}, {"y"}).output("y");
  return write_file(path, model.model.SerializeAsString());
}

TEST_CASE("the axis of the classes goes into recipe and model, and eval follows it") {
  const TemporaryDirectory directory;
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < 48; ++i) labels.push_back(i * 5 % 3);
  const std::string data = write_integers(directory / "d.npz", {16, 3}, labels), run = directory / "run";
  const std::string model = write_linear(directory / "m.onnx", {3, 3});
  std::vector<std::string> train = {"train", model, "--data", data, "--out", run, "--steps", "2", "--batch-size", "8"};
  const Outcome open = run_marvin(train);
  CHECK(open.code == 1);
  CHECK(open.says("fit scores [8,3,3] in two ways"));
  train.insert(train.end(), {"--class-axis", "-1"});
  const Outcome outcome = run_marvin(train);
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK(outcome.out.find("loss cross-entropy, classes on axis 2") != std::string::npos);
  const json summary = json::parse(file_content(run + "/run.json"));
  CHECK(summary.at("recipe").at("class-axis") == 2);
  const Outcome eval = run_marvin({"eval", run + "/trained.onnx", "--data", data, "--batch-size", "8", "--json"});
  CHECK(eval.json().at("loss") == summary.at("summary").at("loss"));
  const std::string flat = write_linear(directory / "flat.onnx", {3});
  const Outcome other = run_marvin({"train", flat, "--data", data, "--out", run, "--overwrite", "--quiet"});
  CHECK(other.says(
      "labels [16,3] do not fit scores [16,3] of 3 classes, which take labels [16]; where these are one-hot"));
}

TEST_CASE("scores that a model has flattened are evaluated at all of their positions") {
  const TemporaryDirectory directory;
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < 32; ++i) labels.push_back(i % 3);
  const std::string data = write_integers(directory / "d.npz", {16, 2}, labels);
  ModelBuilder model;
  model.input("x", {"n", 4}).initializer("w", Tensor::of<float>({2, 3}, {1, 2, 3, 3, 2, 1}));
  model.constant("to", Tensor::of<int64_t>({2}, {-1, 2})).node("Reshape", {"x", "to"}, {"rows"});
  model.node("MatMul", {"rows", "w"}, {"y"}).output("y");
  const std::string path = write_file(directory / "m.onnx", model.model.SerializeAsString());
  const std::string predictions = directory / "p.txt";
  const Outcome outcome =
      run_marvin({"eval", path, "--data", data, "--batch-size", "5", "--predictions", predictions, "--json"});
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK(lines_of(file_content(predictions)).size() == 32);
}

TEST_CASE("labels 0 and 1 train a model of one score, and others are refused with what to do") {
  const TemporaryDirectory directory;
  const std::string model = write_linear(directory / "m.onnx", {1}), data = directory / "d.npz";
  const auto train = [&](int64_t limit) {
    std::vector<int64_t> labels;
    for (int64_t i = 0; i < 16; ++i) labels.push_back(i % limit);
    write_integers(data, {16}, labels);
    return run_marvin({"train", model, "--data", data, "--out", directory / "run", "--overwrite"});
  };
  const Outcome outcome = train(2);
  CAPTURE(outcome.err);
  CHECK(outcome.code == 0);
  CHECK(outcome.out.find("loss bce-with-logits") != std::string::npos);
  CHECK(train(3).says("labels are 0 to 1; numbers to compare scores with need --loss mse, say"));
}

TEST_CASE("a batch without a label that counts is an error that says so") {
  const Workshop workshop;
  const std::string data = workshop.directory / "unlabelled.npz";
  std::vector<NamedArray> arrays = read_npz(workshop.data);
  for (NamedArray& array : arrays)
    if (array.name == "labels") std::ranges::fill(array.values.as<int64_t>().subspan(16, 16), int64_t{-1});
  write_npz(data, arrays);
  const Outcome outcome = run_marvin({"train", model_path("mlp.onnx"), "--data", data, "--out", workshop.out, "--quiet",
                                      "--batch-size", "16", "--no-shuffle", "--ignore-index", "-1"});
  CHECK(outcome.code == 1);
  CHECK(outcome.says("the batch of step 2 (epoch 1) has no label that counts: all are -1"));
  CHECK_FALSE(outcome.says("Lower --lr"));
}

TEST_CASE("fewer samples than the usual batch are one batch, unless --batch-size says otherwise") {
  const Workshop workshop;  // of 64 samples
  const Outcome usual = run_marvin(workshop.train(workshop.out, {"--steps", "1"}));
  CAPTURE(usual.err);
  CHECK(usual.code == 0);
  CHECK(usual.out.find("a batch is the 64 samples that there are to train on") != std::string::npos);
  CHECK(workshop.recipe_of(workshop.out).at("batch-size") == 64);
  const Outcome chosen = run_marvin(workshop.train(workshop.directory / "b", {"--batch-size", "65"}));
  CHECK(chosen.code == 1);
  CHECK(chosen.says("--batch-size 65 is more than the 64 samples to train on"));
}

TEST_CASE("settings of a loss that has not got them are refused") {
  const Workshop workshop;
  const Outcome named = run_marvin(workshop.train(workshop.out, {"--loss", "nll", "--label-smoothing", "0.1"}));
  CHECK(named.code == 2);
  CHECK(named.says("--label-smoothing"));
  const Outcome beyond = run_marvin(workshop.train(workshop.out, {"--label-smoothing", "1.5"}));
  CHECK(beyond.code == 1);
  CHECK(beyond.says("--label-smoothing 1.5 makes no sense"));
}

TEST_CASE("quiet prints nothing and json prints the summary alone") {
  const Workshop workshop;
  const Outcome quiet = run_marvin(workshop.train(workshop.out, {"--steps", "1", "--batch-size", "16", "--quiet"}));
  CHECK(quiet.code == 0);
  CHECK(quiet.out.empty());
  CHECK(quiet.err.empty());
  const Outcome as_json =
      run_marvin(workshop.train(workshop.out, {"--steps", "1", "--batch-size", "16", "--json", "--overwrite"}));
  CHECK(as_json.code == 0);
  CHECK(as_json.json() == json::parse(file_content(workshop.out + "/run.json")).at("summary"));
  const Outcome both = run_marvin(
      workshop.train(workshop.out, {"--steps", "1", "--batch-size", "16", "--json", "--quiet", "--overwrite"}));
  CHECK(both.json() == json::parse(file_content(workshop.out + "/run.json")).at("summary"));
}

// The digits of a line's number under `key`, from the first that is not 0.
size_t digits_of(const std::string& line, const std::string& key) {
  const size_t begin = line.find("\"" + key + "\":");
  REQUIRE(begin != std::string::npos);
  std::string digits;
  for (const char c : line.substr(begin + key.size() + 3, line.find_first_of(",}", begin) - begin - key.size() - 3)) {
    if (c == 'e') break;
    if (c >= '0' && c <= '9' && !(digits.empty() && c == '0')) digits += c;
  }
  return digits.size();
}

TEST_CASE("the numbers of a run have no more digits than they mean") {
  const Workshop workshop;
  REQUIRE(run_marvin(workshop.train(workshop.out, {"--steps", "4", "--batch-size", "16", "--quiet"})).code == 0);
  std::vector<std::string> lines = lines_of(file_content(workshop.out + "/metrics.jsonl"));
  lines.pop_back();  // the evaluation
  for (const std::string& line : lines) {
    CAPTURE(line);
    CHECK(digits_of(line, "loss") <= 9);  // float32
    CHECK(digits_of(line, "ms") <= 11);   // whole nanoseconds of less than 100 s
  }
}

TEST_CASE("a run directory that exists is replaced only when that is asked for, and only when it is a run") {
  const Workshop workshop;
  const std::vector<std::string> few = {"--steps", "1", "--batch-size", "16", "--quiet"};
  REQUIRE(run_marvin(workshop.train(workshop.out, few)).code == 0);
  const std::string notes = workshop.out + "/notes.txt", report = workshop.out + "/report.html";
  write_file(notes, "mine");
  write_file(report, "of the old run");

  const Outcome refused = run_marvin(workshop.train(workshop.out, few));
  CHECK(refused.code == 1);
  CHECK(refused.says("--overwrite"));
  const std::string before = file_content(workshop.out + "/run.json");
  for (const std::vector<std::string>& bad : {std::vector<std::string>{"--batch-size", "1000"},
                                              std::vector<std::string>{"--batch-size", "16", "--accumulate", "5"}}) {
    std::vector<std::string> flags = {"--steps", "1", "--overwrite"};
    flags.insert(flags.end(), bad.begin(), bad.end());
    CHECK(run_marvin(workshop.train(workshop.out, flags)).code == 1);
  }
  CHECK(file_content(report) == "of the old run");
  CHECK(file_content(workshop.out + "/run.json") == before);

  CHECK(
      run_marvin(workshop.train(workshop.out, {"--steps", "2", "--batch-size", "16", "--quiet", "--overwrite"})).code ==
      0);
  CHECK(file_content(report) != "of the old run");
  CHECK(file_content(notes) == "mine");
  CHECK(json::parse(file_content(workshop.out + "/run.json")).at("summary").at("steps") == 2);

  const std::string home = workshop.directory / "home";
  fs::create_directory(home);
  write_file(home + "/run.json", "{\"scripts\": {}}");
  const Outcome foreign = run_marvin(workshop.train(home, {"--steps", "1", "--batch-size", "16", "--overwrite"}));
  CHECK(foreign.code == 1);
  CHECK(foreign.says("not the directory of a run"));
  CHECK(file_content(home + "/run.json") == "{\"scripts\": {}}");
}

TEST_CASE("overwriting never removes what the run reads") {
  const Workshop workshop;
  REQUIRE(run_marvin(workshop.train(workshop.out, {"--steps", "1", "--batch-size", "16", "--quiet"})).code == 0);
  const std::string trained = workshop.out + "/trained.onnx";
  const Outcome outcome = run_marvin({"train", trained, "--data", workshop.data, "--out", workshop.out, "--overwrite"});
  CHECK(outcome.code == 1);
  CHECK(outcome.says("would remove"));
  CHECK(fs::exists(trained));
}

TEST_CASE("a run directory that cannot be made is found before training") {
  const Workshop workshop;
  write_file(workshop.directory / "file", "");
  const Outcome outcome =
      run_marvin(workshop.train(workshop.directory / "file/run", {"--steps", "1", "--batch-size", "16"}));
  CHECK(outcome.code == 1);
  CHECK(outcome.says("cannot make the run directory"));
}

// ---- Recipes --------------------------------------------------------------------------------------------------------

TEST_CASE("a recipe sets what the command line leaves open, and its flags win") {
  const Workshop workshop;
  const std::string recipe = workshop.directory / "recipe.json";
  write_file(recipe, R"({"epochs": 7, "batch-size": 8, "lr": 0.25, "shuffle": false, "optimizer": "adam",
                         "lr-schedule": "step", "step-epochs": [2, 3], "precision": "float32"})");
  const Outcome outcome =
      run_marvin(workshop.train(workshop.out, {"--recipe", recipe, "--steps", "1", "--batch-size", "16", "--quiet"}));
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  const json resolved = workshop.recipe_of(workshop.out);
  CHECK(resolved.at("steps") == 1);
  CHECK_FALSE(resolved.contains("epochs"));
  CHECK(resolved.at("batch-size") == 16);
  CHECK(resolved.at("lr") == 0.25);
  CHECK(resolved.at("shuffle") == false);
  CHECK(resolved.at("optimizer") == "adam");
  CHECK(resolved.at("step-epochs") == json({2, 3}));
}

TEST_CASE("settings of a recipe that a flag leaves without effect are passed over") {
  const Workshop workshop;
  const std::string recipe = workshop.directory / "recipe.json";
  write_file(recipe, R"({"optimizer": "sgd", "momentum": 0.9, "nesterov": true, "epochs": 3})");
  const Outcome outcome = run_marvin(
      workshop.train(workshop.out, {"--recipe", recipe, "--steps", "1", "--optimizer", "adam", "--batch-size", "16"}));
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  const json resolved = workshop.recipe_of(workshop.out);
  CHECK(resolved.at("optimizer") == "adam");
  for (const char* setting : {"momentum", "nesterov", "gamma", "epochs"}) CHECK_FALSE(resolved.contains(setting));

  const Outcome refused = run_marvin(workshop.train(workshop.out, {"--recipe", recipe, "--gamma", "0.5"}));
  CHECK(refused.code == 2);
  CHECK(refused.says("--gamma has no effect with --lr-schedule constant"));
}

TEST_CASE("settings of a recipe are checked although a flag overrides them") {
  const Workshop workshop;
  const std::string recipe = workshop.directory / "recipe.json";
  const std::vector<std::tuple<std::string, std::string, std::string>> cases = {
      {R"({"optimizer": "adm"})", "--optimizer=sgd", "Did you mean 'adam'?"},
      {R"({"lr": -1})", "--lr=0.1", "--lr -1"},
      {R"({"epochs": "many"})", "--epochs=1", "'epochs'"},
      {R"({"epochs": 0})", "--steps=1", "--epochs 0"},
      {R"({"precision": "fixed:99"})", "--precision=float32", "fixed:99"},
      {R"({"backend": "mkl"})", "--backend=openblas", "--backend"},
      {R"({"threads": 0})", "--threads=1", "'threads'"},
  };
  for (const auto& [content, flag, says] : cases) {
    write_file(recipe, content);
    const Outcome outcome = run_marvin(workshop.train(workshop.out, {"--recipe", recipe, flag}));
    CAPTURE(content, outcome.err);
    CHECK(outcome.code == 1);
    CHECK(outcome.says("the recipe '" + recipe + "'"));
    CHECK(outcome.says(says));
    CHECK_FALSE(fs::exists(workshop.out));
  }
}

TEST_CASE("what a run resolved is a recipe that gives the same run") {
  const Workshop workshop;
  REQUIRE(run_marvin(workshop.train(workshop.out, {"--steps", "2", "--batch-size", "16", "--quiet"})).code == 0);
  const std::string recipe = workshop.directory / "recipe.json", again = workshop.directory / "again";
  write_file(recipe, workshop.recipe_of(workshop.out).dump());
  const Outcome outcome = run_marvin({"train", model_path("mlp.onnx"), "--recipe", recipe, "--out", again, "--quiet"});
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK(workshop.recipe_of(again) == workshop.recipe_of(workshop.out));
  CHECK(file_content(again + "/trained.onnx") == file_content(workshop.out + "/trained.onnx"));
}

TEST_CASE("a recipe that is wrong is an error that names file and setting") {
  const Workshop workshop;
  const std::string recipe = workshop.directory / "recipe.json";
  struct Case {
    std::string content, says;
  };
  const std::vector<Case> cases = {
      {"{\"bacth-size\": 3}", "Did you mean 'batch-size'?"},
      {"{\"epochs\": \"many\"}", "'epochs'"},
      {"{\"epochs\": true}", "'epochs'"},
      {"{\"nesterov\": 3}", "'nesterov'"},
      {"{\"recipe\": \"other.json\"}", "no setting 'recipe'"},
      {"{\"epochs\": 1, \"steps\": 1}", "do not go together"},
      {"{\"optimizer\": \"adm\"}", "Did you mean 'adam'?"},
      {"{\"epochs\": ", "is not JSON"},
      {"[1]", "not a JSON object"},
      {"{\"preprocess\": {\"normalise\": true}}", "Did you mean 'normalize'?"},
      {"{\"preprocess\": {\"pad\": 2}}", "for images"},
      {"{\"lr\": 1, \"epochs\": 2, \"lr\": 1}", "has the key 'lr' twice"},
      {"{\"preprocess\": {\"pad\": 2, \"pad\": 2}}", "has the key 'pad' twice"},
      {"{\"shuffle\": true, \"no-shuffle\": true}", "'no-shuffle': is set twice"},
      {"{\"optimizer\": \"adam\", \"momentum\": 0.9}", "'momentum' has no effect with the optimizer adam"},
      {"{\"step-epochs\": [2]}", "'step-epochs' has no effect with the lr-schedule constant"},
  };
  for (const Case& c : cases) {
    write_file(recipe, c.content);
    const Outcome outcome = run_marvin(workshop.train(workshop.out, {"--recipe", recipe}));
    CAPTURE(c.content, outcome.err);
    CHECK(outcome.code == 1);
    CHECK(outcome.says(c.says));
    CHECK(outcome.says("marvin: "));
    CHECK_FALSE(fs::exists(workshop.out));
  }
}

TEST_CASE("settings that make no sense are errors that name the flag") {
  const Workshop workshop;
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--lr", "-1"}, "--lr"},
      {{"--batch-size", "0"}, "--batch-size"},
      {{"--optimizer", "sdg"}, "Did you mean 'sgd'?"},
      {{"--loss", "cross-entropie"}, "Did you mean 'cross-entropy'?"},
      {{"--backend", "mkl"}, "--backend"},
      {{"--precision", "adaptiv"}, "Did you mean 'adaptive'?"},
      {{"--switch-at", "batch"}, "--switch-at"},
      {{"--val-split", "1"}, "--val-split"},
  };
  for (const auto& [flags, says] : cases) {
    const Outcome outcome = run_marvin(workshop.train(workshop.out, flags));
    CAPTURE(flags.front(), outcome.err);
    CHECK(outcome.code == 1);
    CHECK(outcome.says(says));
    CHECK_FALSE(fs::exists(workshop.out));
  }
}

TEST_CASE("a list is one argument: the model may follow it") {
  const Workshop workshop;
  const Outcome outcome =
      run_marvin({"train", "--data", workshop.data, "--out", workshop.out, "--steps", "1", "--batch-size", "16",
                  "--quiet", "--lr-schedule", "step", "--step-epochs", "2,3", model_path("mlp.onnx")});
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK(workshop.recipe_of(workshop.out).at("step-epochs") == json({2, 3}));
}

// ---- Images ---------------------------------------------------------------------------------------------------------

TEST_CASE("preprocessing of a recipe is stored in the model, and eval repeats it") {
  const TemporaryDirectory directory;
  std::string pixels, labels;
  for (int n = 0; n < 40; ++n) {
    labels += static_cast<char>(n % 10);
    for (int i = 0; i < 24 * 24; ++i) pixels += static_cast<char>(i / 24 / 3 == n % 10 ? 200 : 20 + (n * i) % 30);
  }
  write_file(directory / "train-images-idx3-ubyte", idx({40, 24, 24}, pixels));
  write_file(directory / "train-labels-idx1-ubyte", idx({40}, labels));
  const std::string recipe = directory / "recipe.json", out = directory / "run";
  write_file(recipe,
             R"({"preprocess": {"normalize": {"mean": [0.25], "std": [0.5]}, "pad": 2, "crop": 1, "flip": true}})");
  const Outcome trained = run_marvin({"train", model_path("mlp.onnx"), "--data", directory.path(), "--out", out,
                                      "--recipe", recipe, "--steps", "3", "--batch-size", "8", "--quiet"});
  CAPTURE(trained.err);
  REQUIRE(trained.code == 0);
  const json run = json::parse(file_content(out + "/run.json"));
  CHECK(run.at("recipe").at("preprocess").at("pad") == 2);
  const Outcome outcome =
      run_marvin({"eval", out + "/trained.onnx", "--data", directory.path(), "--batch-size", "8", "--json"});
  CAPTURE(outcome.err);
  REQUIRE(outcome.code == 0);
  CHECK(outcome.json().at("loss") == run.at("summary").at("loss"));
}

}  // namespace
}  // namespace marvin
