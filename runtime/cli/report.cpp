// marvin report: runs as one page.
#include <memory>

#include "runtime/cli/options.h"
#include "runtime/cli/verbs.h"
#include "runtime/cli/write_report.h"
#include "runtime/report/table.h"

namespace marvin {
namespace {

struct ReportOptions {
  CommonOptions common;
  std::vector<std::string> runs;
  std::string output;
};

Json to_json(const RunRecord& run) {
  int64_t switches = 0;
  for (const auto& [reason, roles] : run.switch_counts)
    for (const auto& [role, count] : roles) switches += count;
  return {{"run", run.directory},
          {"finished", run.is_finished()},
          {"steps", run.steps.empty() ? 0 : run.steps.back().step},
          {"evaluations", run.evaluations.size()},
          {"slots", run.slots.size()},
          {"switches", switches},
          {"observations", run.observed_steps.size()},
          {"notes", run.notes}};
}

int report(const ReportOptions& options) {
  const std::string output = options.output.empty() ? report_path(options.runs.front()) : options.output;
  const WrittenReport written = write_report(options.runs, output);
  Json json = {{"output", output}, {"bytes", written.bytes}, {"runs", Json::array()}};
  std::string text = cat("wrote ", output, " (", bytes_text(written.bytes), ")");
  for (const RunRecord& run : written.runs) {
    json["runs"].push_back(to_json(run));
    for (const std::string& note : run.notes) text += cat("\n", run.directory, ": ", note);
  }
  print_result(options.common, json, text);
  return kSuccess;
}

}  // namespace

Verb add_report(CLI::App& app) {
  const auto options = std::make_shared<ReportOptions>();
  CLI::App* command = app.add_subcommand("report", "Show runs as a page: curves, formats, time; several are compared");
  command->add_option("RUN_DIR", options->runs, "Run directories; runs that still go on or broke off will do")
      ->type_name("")
      ->required();
  command->add_option("--output,-o", options->output, "The page to write; report.html in the first run when not given")
      ->type_name("FILE.html");
  add_common_options(*command, options->common);
  command->footer(
      "The page needs nothing besides itself: no network, no other file. train writes it too, when it ends.\n\n"
      "Examples:\n"
      "  marvin report runs/a                          rewrites runs/a/report.html\n"
      "  marvin report runs/a runs/b -o compared.html  two runs in one page, curve over curve");
  return {command, [options] { return report(*options); }};
}

}  // namespace marvin
