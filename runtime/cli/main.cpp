// marvin VERB ...: parses the command line, runs the verb, and turns what it throws into one line and an exit code.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <new>

#include "importer/versions.h"
#include "runtime/cli/options.h"
#include "runtime/cli/verbs.h"
#include "runtime/kernels/versions.h"
#include "runtime/report/printable.h"

namespace marvin {
namespace {

constexpr const char* kDescription =
    "marvin trains exported ONNX models in fixed point on the CPU. While a model learns, marvin decides for every "
    "weight,\n"
    "activation and gradient how many bits it needs; the trained model is the ONNX file that came in with new "
    "weights.\n";

constexpr const char* kExamples =
    "A first session:\n"
    "  marvin check models/lenet5.onnx                                    can it be trained?\n"
    "  marvin train models/lenet5.onnx --data fashion-mnist --out runs/a  train it, in fixed point\n"
    "  marvin eval runs/a/trained.onnx --data fashion-mnist               how good is it, in fixed point?\n"
    "  marvin export runs/a --format qdq --output lenet5_int8.onnx        integers for another runtime\n"
    "  marvin report runs/a                                               how did it go? (runs/a/report.html)\n"
    "\n"
    "marvin VERB --help explains a verb. Exit codes: 0 success, 1 an error in files, data or values, 2 an error in "
    "the\n"
    "command line, 3 run --test-data is not applicable.";

std::string version() {
  return cat("marvin ", MARVIN_VERSION, "\nOpenBLAS ", openblas_version(), "\noneDNN ", onednn_version(), "\nONNX ",
             onnx_version(), ", opsets ", kMinOpset, " to ", kMaxOpset, "\nprotobuf ", protobuf_version());
}

std::vector<Verb> add_verbs(CLI::App& app) {
  return {add_train(app),     add_eval(app),   add_run(app),   add_check(app), add_inspect(app),
          add_gradcheck(app), add_export(app), add_bench(app), add_report(app)};
}

// Messages quote what stands in files.
void print_error(const std::string& text) { std::cerr << shortened(printable(text)) << '\n'; }

int usage_error(const std::string& command, const std::string& message) {
  print_error(cat(command, ": ", message, " See ", command, " --help."));
  return kUsage;
}

// What is left over after parsing a verb, said in one line.
std::string describe_extras(const CLI::App& command, const std::vector<std::string>& extras) {
  const auto flag = std::ranges::find_if(extras, [](const std::string& word) { return word.starts_with("-"); });
  if (flag == extras.end()) return cat("unexpected argument '", extras.front(), "'.");
  const std::string name = flag->substr(0, flag->find('='));
  return cat("there is no flag ", name, ".", suggestion(name, flags_of(command)));
}

// The verb that was asked for; null, having said why, where there is none.
const Verb* chosen(const CLI::App& app, const std::vector<Verb>& verbs) {
  for (const Verb& verb : verbs)
    if (verb.command->parsed()) return &verb;
  std::vector<std::string> names;
  for (const Verb& verb : verbs) names.push_back(verb.command->get_name());
  const std::vector<std::string> words = app.remaining();
  if (words.empty()) {
    usage_error("marvin", cat("say what to do: ", join(names, " or "), "."));
  } else {
    const bool flag = words.front().starts_with("-");
    usage_error("marvin", cat("there is no ", flag ? "flag " : "verb ", words.front(), ".",
                              suggestion(words.front(), flag ? flags_of(app) : names)));
  }
  return nullptr;
}

// CLI11's messages begin with names as the library writes them and end without a full stop.
std::string sentence(std::string text) {
  if (!text.empty() && text.back() != '.') text += '.';
  return text;
}

int run_verb(const Verb& verb) {
  const std::string command = "marvin " + verb.command->get_name();
  if (const std::vector<std::string> extras = verb.command->remaining(); !extras.empty()) {
    return usage_error(command, describe_extras(*verb.command, extras));
  }
  try {
    return verb.run();
  } catch (const CLI::ParseError& error) {
    return usage_error(command, sentence(error.what()));
  } catch (const std::bad_alloc&) {
    const bool has_batch_size = verb.command->get_option_no_throw("--batch-size") != nullptr;
    throw Error("out of memory; ", has_batch_size ? "a smaller --batch-size needs" : "fewer samples in a file need",
                " less");
  }
}

int parse_and_run(int argc, const char* const* argv) {
  CLI::App app(kDescription, "marvin");
  app.footer(kExamples);
  app.allow_extras();
  app.require_subcommand(0, 1);
  app.set_version_flag("--version", version);
  app.get_formatter()->column_width(36);
  app.get_formatter()->label("SUBCOMMAND", "VERB");
  const std::vector<Verb> verbs = add_verbs(app);
  for (const Verb& verb : verbs) verb.command->group("Verbs");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == kSuccess) return app.exit(error);
    const auto parsed = std::ranges::find_if(verbs, [](const Verb& verb) { return verb.command->parsed(); });
    return usage_error(parsed == verbs.end() ? "marvin" : "marvin " + parsed->command->get_name(),
                       sentence(error.what()));
  }
  const Verb* verb = chosen(app, verbs);
  return verb ? run_verb(*verb) : kUsage;
}

int guarded(int argc, const char* const* argv) {
  try {
    const int code = parse_and_run(argc, argv);
    std::cout.flush();
    if (!std::cout) throw Error("cannot write to standard output");
    return code;
  } catch (const Error& error) {
    print_error(cat("marvin: ", error.what()));
    return kFailure;
  } catch (const std::filesystem::filesystem_error& error) {
    print_error(cat("marvin: '", error.path1().string(), "': ", error.code().message()));
    return kFailure;
  } catch (const std::bad_alloc&) {
    print_error("marvin: out of memory");
    return kFailure;
  } catch (const std::exception& error) {
    print_error(cat("marvin: internal error: ", error.what()));
    return kDefect;
  }
}

}  // namespace
}  // namespace marvin

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that goes away is an error of writing, after the work is saved
  return marvin::guarded(argc, argv);
}
