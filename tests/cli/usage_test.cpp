#include <catch2/catch.hpp>

#include "tests/cli/command.h"

namespace marvin {
namespace {

const std::vector<std::string> kVerbs = {"train", "eval", "run", "check", "inspect", "export", "bench"};

TEST_CASE("help names every verb and every verb has help with examples") {
  const Outcome help = run_marvin({"--help"});
  CHECK(help.code == 0);
  for (const std::string& verb : kVerbs) {
    CAPTURE(verb);
    CHECK(help.out.find("\n  " + verb + " ") != std::string::npos);
    const Outcome outcome = run_marvin({verb, "--help"});
    CHECK(outcome.code == 0);
    CHECK(outcome.out.find("Example") != std::string::npos);
    for (const char* flag : {"--json", "--quiet", "--threads"}) CHECK(outcome.out.find(flag) != std::string::npos);
  }
}

TEST_CASE("the version names marvin and its libraries") {
  const Outcome version = run_marvin({"--version"});
  CHECK(version.code == 0);
  for (const char* library : {"marvin ", "OpenBLAS ", "oneDNN ", "ONNX ", "protobuf "}) {
    CHECK(version.out.find(library) != std::string::npos);
  }
}

TEST_CASE("a wrong command line exits with 2, in one line that suggests what was meant") {
  struct Case {
    std::vector<std::string> arguments;
    std::string says;
  };
  const std::vector<Case> cases = {
      {{}, "say what to do"},
      {{"trian", "model.onnx"}, "Did you mean 'train'?"},
      {{"--versoin"}, "Did you mean '--version'?"},
      {{"train", model_path("mlp.onnx"), "--epoch", "3"}, "Did you mean '--epochs'?"},
      {{"train"}, "MODEL.onnx"},
      {{"train", model_path("mlp.onnx")}, "--data is required"},
      {{"train", model_path("mlp.onnx"), "--data", "x.npz"}, "--out is required"},
      {{"train", model_path("mlp.onnx"), "--epochs", "many"}, "--epochs"},
      {{"train", model_path("mlp.onnx"), "--epochs", "1", "--steps", "1"}, "excludes"},
      {{"check", model_path("mlp.onnx"), "--threads", "two"}, "--threads"},
      {{"check", model_path("mlp.onnx"), "another.onnx"}, "unexpected argument 'another.onnx'"},
      {{"run", model_path("mlp.onnx")}, "--test-data"},
      {{"run", model_path("mlp.onnx"), "--inputs", "x.npz"}, "--inputs needs --outputs"},
      {{"inspect", model_path("mlp.onnx"), "--format", "onnx"}, "needs --output"},
      {{"inspect", model_path("mlp.onnx"), "--after", "plan_memory", "--format", "dot"}, "text or json"},
      {{"inspect", model_path("mlp.onnx"), "--timings", "--format", "svg"}, "text or json"},
      {{"bench", model_path("mlp.onnx")}, "--batch-size is required"},
      {{"train", model_path("mlp.onnx"), "--seed", "1e3"}, "--seed"},
      {{"train", model_path("mlp.onnx"), "--accumulate", "1e3"}, "--accumulate"},
      {{"train", model_path("mlp.onnx"), "--replace-head", "ten"}, "--replace-head"},
      {{"train", model_path("mlp.onnx"), "--lr", "fast"}, "--lr"},
      {{"train", model_path("mlp.onnx"), "--val-split", "0.1", "--eval-data", "x.npz"}, "excludes"},
  };
  for (const Case& c : cases) {
    const Outcome outcome = run_marvin(c.arguments);
    CAPTURE(outcome.err, c.says);
    CHECK(outcome.code == 2);
    CHECK(outcome.out.empty());
    CHECK(outcome.says(c.says));
    CHECK(lines_of(outcome.err).size() == 1);
  }
}

TEST_CASE("a flag that has no effect exits with 2 and says because of what") {
  const std::string mlp = model_path("mlp.onnx");
  struct Case {
    std::vector<std::string> arguments;
    std::string says;
  };
  const std::vector<Case> cases = {
      {{"train", mlp, "--optimizer", "adam", "--momentum", "0.9"}, "--momentum has no effect with --optimizer adam."},
      {{"train", mlp, "--optimizer", "rmsprop", "--momentum", "0.9", "--nesterov"},
       "--nesterov has no effect with --optimizer rmsprop."},
      {{"train", mlp, "--step-epochs", "2,3"}, "--step-epochs has no effect with --lr-schedule constant."},
      {{"train", mlp, "--gamma", "0.5", "--lr-schedule", "cosine"}, "--gamma has no effect with --lr-schedule cosine."},
      {{"train", mlp, "--switch-at", "epoch", "--precision", "float32"},
       "--switch-at has no effect with --precision float32."},
      {{"train", mlp, "--switch-at", "step", "--precision", "fixed:8.4"},
       "--switch-at has no effect with --precision fixed:8.4."},
      {{"inspect", mlp, "--precision", "fixed:8"}, "--precision has no effect with --after import."},
      {{"inspect", mlp, "--after", "differentiate", "--optimizer", "adam"},
       "--optimizer has no effect with --after differentiate."},
      {{"export", mlp, "--format", "float", "-o", "x.onnx", "--loss", "mse"},
       "--loss has no effect with --format float."},
      {{"export", mlp, "--format", "training", "-o", "x.onnx", "--verify", "x.npz"},
       "--verify has no effect with --format training."},
  };
  for (const Case& c : cases) {
    const Outcome outcome = run_marvin(c.arguments);
    CAPTURE(outcome.err, c.says);
    CHECK(outcome.code == 2);
    CHECK(outcome.says(c.says));
    CHECK(lines_of(outcome.err).size() == 1);
  }
}

TEST_CASE("wrong files, data and values exit with 1, in one line that says what to do") {
  const TemporaryDirectory directory;
  write_file(directory / "text.onnx", "this is not a model");
  const std::string mlp = model_path("mlp.onnx"), out = directory / "run";
  struct Case {
    std::vector<std::string> arguments;
    std::string says;
  };
  const std::vector<Case> cases = {
      {{"check", directory / "none.onnx"}, "cannot open the model"},
      {{"check", directory / "text.onnx"}, "is not an ONNX file"},
      {{"train", mlp, "--data", directory / "none.npz", "--out", out}, "No such file"},
      {{"train", mlp, "--data", "fashion-mnst", "--out", out}, "Did you mean 'fashion-mnist'?"},
      {{"eval", mlp, "--data", directory / "none.npz"}, "No such file"},
      {{"inspect", mlp, "--after", "differntiate"}, "Did you mean 'differentiate'?"},
      {{"inspect", mlp, "--format", "dto"}, "Did you mean 'dot'?"},
      {{"inspect", mlp, "--after", "select_kernels", "--optimizer", "adm"}, "Did you mean 'adam'?"},
      {{"export", mlp, "--format", "qdq", "--output", directory / "q.onnx"}, "carries no fixed-point formats"},
      {{"export", mlp, "--format", "intquant", "--output", directory / "q.onnx"}, "which --format intquant writes"},
      {{"export", directory.path(), "--format", "float", "--output", directory / "f.onnx"}, "holds no run.json"},
      {{"bench", mlp, "--batch-size", "4", "--steps", "0"}, "--steps 0"},
      {{"bench", mlp, "--batch-size", "4", "--precision", "fixed:99"}, "--precision fixed:99"},
      {{"run", mlp, "--test-data", directory.path()}, "input_0.pb"},
      {{"train", mlp, "--data", "fashion-mnist", "--out", directory / std::string(300, 'x')}, "File name too long"},
      {{"export", mlp, "--format", "float", "--output", mlp}, "is the model that is exported"},
      {{"export", mlp, "--format", "float", "--output", "/dev/null"}, "not a regular file"},
      {{"check", mlp, "--shape", "inptu=1,1,28,28"}, "Did you mean 'input'?"},
      {{"check", mlp, "--shape", "input=1,2"}, "--shape input=1,2: the model's input is f32[1,1,28,28]"},
      {{"check", mlp, "--shape", "input="}, "the model's input is f32[1,1,28,28]"},
      {{"inspect", mlp, "--batch-size", "4", "--shape", "input=2,1,28,28"}, "the model's input is f32[4,1,28,28]"},
      {{"gradcheck", mlp, "--inputs", directory / "x.npz", "--tolerance", "nan"}, "--tolerance nan"},
      {{"gradcheck", mlp, "--inputs", directory / "x.npz", "--seed", "-1"}, "--seed -1 makes no sense"},
      {{"check", mlp, "--threads", "0"}, "--threads 0 makes no sense; it is from 1 to 1024"},
      {{"check", mlp, "--threads", "99999999999999999999"}, "--threads 99999999999999999999 makes no sense"},
      {{"train", mlp, "--replace-head", "0"}, "--replace-head 0 makes no sense; it is from 1 to 16777216"},
      {{"train", mlp, "--seed", "-1"}, "--seed -1 makes no sense; it is from 0 to 18446744073709551615"},
      {{"train", mlp, "--epochs", "99999999999999999999"},
       "--epochs 99999999999999999999 makes no sense; it is from 1"},
      {{"train", mlp, "--batch-size", "-3"}, "--batch-size -3 makes no sense; it is from 1 to 1000000000000"},
      {{"check", mlp, "--batch-size", "99999999999999999999"}, "--batch-size 99999999999999999999 makes no sense"},
      {{"train", mlp, "--ignore-index", "99999999999999999999"}, "--ignore-index 99999999999999999999 makes no sense"},
      {{"train", mlp, "--accumulate", "0"}, "--accumulate 0 makes no sense"},
      {{"train", mlp, "--lr", "-1"}, "--lr -1 makes no sense"},
      {{"train", mlp, "--optimizer", "foo"}, "--optimizer 'foo' is not known"},
      {{"train", mlp, "--precision", "fixed:1"}, "--precision fixed:1"},
  };
  for (const Case& c : cases) {
    const Outcome outcome = run_marvin(c.arguments);
    CAPTURE(outcome.err, c.says);
    CHECK(outcome.code == 1);
    CHECK(outcome.says(c.says));
    CHECK(outcome.err.starts_with("marvin: "));
    CHECK(lines_of(outcome.err).size() == 1);
  }
  CHECK_FALSE(std::filesystem::exists(out));
}

TEST_CASE("what cannot be written to standard output is an error") {
  const std::string command = std::string(MARVIN_BINARY) + " --version >/dev/full 2>/dev/null";
  CHECK(WEXITSTATUS(std::system(command.c_str())) == 1);
}

}  // namespace
}  // namespace marvin
