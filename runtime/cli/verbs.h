// The verbs of the command line, one file each.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace marvin {

constexpr int kSuccess = 0;
constexpr int kFailure = 1;        // the user's files, data or values (numbers out of range, unknown words) are wrong
constexpr int kUsage = 2;          // the command line is: flags, or numbers that are none
constexpr int kNotApplicable = 3;  // of run --test-data
constexpr int kDefect = 70;        // marvin itself is wrong: EX_SOFTWARE of sysexits.h

struct Verb {
  CLI::App* command = nullptr;
  std::function<int()> run;  // after parsing; returns the exit code
};

// Each adds its verb to the app. What they throw from run: Error; CLI::ParseError where flags do not go together.
Verb add_train(CLI::App& app);
Verb add_eval(CLI::App& app);
Verb add_run(CLI::App& app);
Verb add_check(CLI::App& app);
Verb add_inspect(CLI::App& app);
Verb add_gradcheck(CLI::App& app);
Verb add_export(CLI::App& app);
Verb add_bench(CLI::App& app);
Verb add_report(CLI::App& app);

}  // namespace marvin
