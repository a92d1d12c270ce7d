// report.html: one page that shows runs, with everything that it needs inside.
#pragma once

#include <string>
#include <vector>

#include "runtime/report/run_record.h"

namespace marvin {

struct ReportedRun {
  RunRecord record;
  Json graph;  // {"svg": "<svg ..>"} or {"note": "why there is none"}
};

// {"runs": [..]}: what the page's scripts draw. Curves of very many points are thinned: of the training loss the lowest
// and the highest value of every stretch stay, of formats the last of every stretch.
Json page_data(const std::vector<ReportedRun>& runs);

// The page around the data. Nothing in the data can end the script element that holds them.
std::string report_page(const Json& data);

}  // namespace marvin
