#include "runtime/report/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "runtime/report/table.h"

namespace marvin {
namespace {

constexpr std::chrono::milliseconds kRedraw(100);
constexpr std::chrono::milliseconds kMeasure(1000);
constexpr int64_t kShortestBar = 10, kLongestBar = 40;

int64_t terminal_width() {
  winsize size = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string general_text(const char* format, double value) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::vector<std::string> parts_of(const ProgressState& state, double steps_per_s) {
  std::vector<std::string> parts = {"step " + std::to_string(state.step) + "/" + std::to_string(state.total_steps),
                                    "epoch " + std::to_string(state.epoch), "loss " + fixed_point_text(state.loss, 4),
                                    "lr " + general_text("%.3g", state.lr)};
  if (steps_per_s > 0) {
    parts.push_back(general_text("%.3g steps/s", steps_per_s));
    parts.push_back("ETA " + duration_text(static_cast<double>(state.total_steps - state.step) / steps_per_s));
  }
  return parts;
}

std::string bar(double share, int64_t cells) {
  const int64_t full = std::clamp<int64_t>(static_cast<int64_t>(share * static_cast<double>(cells)), 0, cells);
  std::string text(static_cast<size_t>(full), '=');
  if (full < cells) text += '>';
  text.resize(static_cast<size_t>(cells), ' ');
  return "[" + text + "]";
}

}  // namespace

std::string progress_line(const ProgressState& state, double steps_per_s, int64_t width) {
  const double share = static_cast<double>(state.step) / static_cast<double>(std::max<int64_t>(1, state.total_steps));
  const std::string percent = std::to_string(static_cast<int64_t>(100 * share));
  std::string text = std::string(percent.size() < 3 ? 3 - percent.size() : 0, ' ') + percent + " %";
  const int64_t room = width - kShortestBar - 2;  // and the brackets
  for (const std::string& part : parts_of(state, steps_per_s)) {
    if (static_cast<int64_t>(text.size() + 2 + part.size()) > room) break;
    text += "  " + part;
  }
  const int64_t cells = std::min(width - 2 - static_cast<int64_t>(text.size()), kLongestBar);
  return cells >= kShortestBar ? bar(share, cells) + text
                               : text.substr(0, static_cast<size_t>(std::max<int64_t>(0, width)));
}

ProgressBar::ProgressBar(bool enabled) : enabled_(enabled && isatty(STDERR_FILENO) == 1) {}

void ProgressBar::update(const ProgressState& state) {
  if (!enabled_) return;
  const Clock::time_point now = Clock::now();
  if (measured_ == Clock::time_point()) {
    measured_ = now;
    measured_step_ = state.step;
  } else if (now - measured_ >= kMeasure) {
    steps_per_s_ =
        static_cast<double>(state.step - measured_step_) / std::chrono::duration<double>(now - measured_).count();
    measured_ = now;
    measured_step_ = state.step;
  }
  if (now - drawn_ < kRedraw) return;
  drawn_ = now;
  visible_ = true;
  // One column less than there are: a cursor behind the last one would wrap.
  std::fprintf(stderr, "\r\033[K%s", progress_line(state, steps_per_s_, terminal_width() - 1).c_str());
  std::fflush(stderr);
}

void ProgressBar::clear() {
  if (!visible_) return;
  visible_ = false;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
}

}  // namespace marvin
