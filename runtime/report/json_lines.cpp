#include "runtime/report/json_lines.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "runtime/ir/error.h"

namespace marvin {
namespace {

constexpr size_t kPendingBytes = 1 << 14;

}  // namespace

JsonLines::JsonLines(const std::string& path)
    : path_(path), descriptor_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) fail();
}

JsonLines::~JsonLines() {
  try {
    flush();
  } catch (const Error&) {
    // The run ends for another reason, which is the one to report.
  }
  ::close(descriptor_);
}

void JsonLines::append(const Json& object) {
  pending_ += json_text(object);
  pending_ += '\n';
  if (pending_.size() >= kPendingBytes) flush();
}

void JsonLines::flush() {
  while (!pending_.empty()) {
    const ssize_t written = ::write(descriptor_, pending_.data(), pending_.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail();
    pending_.erase(0, static_cast<size_t>(written));
  }
}

void JsonLines::sync() {
  flush();
  // Pipes and some file systems cannot sync.
  if (::fsync(descriptor_) != 0 && errno != EINVAL) fail();
}

void JsonLines::fail() const { throw Error("cannot write '", path_, "': ", std::strerror(errno)); }

bool read_json_lines(const std::string& path, const std::function<void(const Json&)>& visit) {
  std::ifstream file(path, std::ios::binary);
  int64_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    const Json object = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (file.eof() && !object.is_object()) return false;
    const auto fail = [&](const char* why) {
      throw Error("'", path, "', line ", number, " is damaged: ", why, "; remove it, or the file, to go without");
    };
    if (!object.is_object()) fail("it is not a JSON object");
    try {
      visit(object);
    } catch (const Json::exception& error) {
      fail(error.what());
    } catch (const Error& error) {
      fail(error.what());
    }
  }
  return true;
}

}  // namespace marvin
