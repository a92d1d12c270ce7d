#include "runtime/report/json_lines.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "runtime/ir/error.h"

namespace marvin {
namespace {

constexpr size_t kPendingBytes = 1 << 14;

}  // namespace

double json_number(float value) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value);
  double number = value;
  std::from_chars(text, end, number);
  return static_cast<float>(number) == value ? number : value;
}

std::vector<double> json_numbers(std::span<const float> values) {
  std::vector<double> numbers;
  for (const float value : values) numbers.push_back(json_number(value));
  return numbers;
}

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
  pending_ += object.dump();
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

}  // namespace marvin
