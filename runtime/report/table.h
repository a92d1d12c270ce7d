// Tables and numbers as text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace marvin {

// Rows of cells in columns as wide as their widest cell, two spaces apart; the header is underlined. Ends with a
// newline.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header) : header_(std::move(header)) {}
  // Missing cells are empty.
  void add(std::vector<std::string> row);
  size_t rows() const { return rows_.size(); }
  std::string text() const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

std::string fixed_point_text(double value, int decimals);  // "91.20"; what is not a number has no sign
std::string percent_text(double share);                    // "91.20 %" of 0.912
std::string bytes_text(int64_t bytes);                     // "12.3 MiB"
std::string duration_text(double seconds);                 // "9.1 s", "2:05 min", "1:02:05 h"
std::string grouped_text(int64_t number);                  // "60,000"

}  // namespace marvin
