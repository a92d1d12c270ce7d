#include "runtime/ir/error.h"

#include <algorithm>
#include <numeric>

namespace marvin {
namespace {

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string suggestion(std::string_view wrong, std::span<const std::string> known) {
  const std::string* best = nullptr;
  size_t best_distance = std::max<size_t>(2, wrong.size() / 3) + 1;
  for (const std::string& word : known) {
    const size_t distance = edit_distance(wrong, word);
    if (distance < best_distance) {
      best = &word;
      best_distance = distance;
    }
  }
  return best ? cat(" Did you mean '", *best, "'?") : "";
}

std::string join(std::span<const std::string> words, std::string_view last) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? last : std::string_view(", ");
    text += words[i];
  }
  return text;
}

std::string join_some(std::span<const std::string> words, size_t most) {
  if (words.size() <= most + 1) return join(words);
  std::vector<std::string> some(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(most));
  some.push_back(cat(words.size() - most, " more"));
  return join(some);
}

}  // namespace marvin
