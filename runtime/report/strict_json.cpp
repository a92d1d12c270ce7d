#include "runtime/report/strict_json.h"

#include <set>

#include "runtime/ir/error.h"

namespace marvin {
namespace {

// "1e400" of "number overflow parsing '1e400'".
std::string quoted_in(const std::string& message) {
  const size_t first = message.find('\''), last = message.rfind('\'');
  return first == last ? message : message.substr(first + 1, last - first - 1);
}

}  // namespace

Json parse_strictly(std::istream& text) {
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto watch = [&](int, Json::parse_event_t event, const Json& parsed) {
    using Event = Json::parse_event_t;
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key && !keys.back().insert(parsed.get<std::string>()).second) {
      throw Error("has the key '", parsed.get<std::string>(), "' twice");
    }
    return true;
  };
  try {
    return Json::parse(text, watch);
  } catch (const Json::parse_error& error) {
    throw Error("is not JSON: error at byte ", error.byte);
  } catch (const Json::out_of_range& error) {
    throw Error("holds a number that is too large: ", quoted_in(error.what()));
  }
}

}  // namespace marvin
