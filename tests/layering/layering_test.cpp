// The rules of docs/architecture.md, read from its tables: which folder may include what, how long a file may be, and
// the list of passes.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>

#include "passes/pipeline.h"

namespace marvin {
namespace {

constexpr int kLongestFile = 600;

using Words = std::vector<std::string>;

struct Rules {
  std::map<std::string, Words> folders;    // folder: what it may include
  std::map<std::string, Words> libraries;  // library: its headers, "dir/*" for all below dir
};

Words words_in_backticks(const std::string& text) {
  static const std::regex word("`([^`]+)`");
  Words words;
  for (std::sregex_iterator match(text.begin(), text.end(), word), end; match != end; ++match) {
    words.push_back((*match)[1]);
  }
  return words;
}

// Rows "| `name` | `word`, `word` |" below the header "| folder |" or "| library |".
Rules parse_rules(const std::string& markdown) {
  Rules rules;
  std::map<std::string, Words>* table = nullptr;
  std::istringstream lines(markdown);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("| folder |")) table = &rules.folders;
    if (line.starts_with("| library |")) table = &rules.libraries;
    if (!line.starts_with("|")) table = nullptr;
    Words words = words_in_backticks(line);
    if (!table || words.empty()) continue;
    (*table)[words.front()] = Words(words.begin() + 1, words.end());
  }
  return rules;
}

bool is_below(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && path.size() > folder.size() && path[folder.size()] == '/';
}

bool is_header_of(const std::string& header, const Words& patterns) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    return pattern.ends_with("/*") ? is_below(header, pattern.substr(0, pattern.size() - 2)) : header == pattern;
  });
}

// The library that a header in angle brackets belongs to; empty when none does.
std::string library_of(const std::string& header, const Rules& rules) {
  for (const auto& [library, headers] : rules.libraries) {
    if (is_header_of(header, headers)) return library;
  }
  return header.find_first_of("./") == std::string::npos ? "std" : "";
}

// The row that a source file falls under; empty when none does.
std::string folder_of(const std::string& path, const Rules& rules) {
  for (const auto& [folder, allowed] : rules.folders) {
    if (is_below(path, folder)) return folder;
  }
  return "";
}

std::string joined(const Words& words) {
  std::string text = "itself, std";
  for (const std::string& word : words) text += ", " + word;
  return text;
}

bool may_include(const std::string& folder, char bracket, const std::string& header, const Rules& rules) {
  const Words& allowed = rules.folders.at(folder);
  if (bracket == '<') {
    const std::string library = library_of(header, rules);
    return library == "std" || std::find(allowed.begin(), allowed.end(), library) != allowed.end();
  }
  return is_below(header, folder) || std::any_of(allowed.begin(), allowed.end(), [&](const std::string& entry) {
           return header == entry || is_below(header, entry);
         });
}

// One line for everything in the source that breaks a rule: "path:line: what; the rule".
std::string violations(const std::string& path, const std::string& source, const Rules& rules) {
  static const std::regex include("\\s*#\\s*include\\s*([<\"])([^>\"]+)[>\"].*");
  const std::string folder = folder_of(path, rules);
  if (folder.empty()) return path + ": its folder is not in the table\n";
  std::ostringstream found;
  std::istringstream lines(source);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    std::smatch match;
    if (!std::regex_match(line, match, include)) continue;
    if (may_include(folder, match.str(1)[0], match.str(2), rules)) continue;
    found << path << ":" << number << ": includes " << match.str(2) << "; " << folder << " may include "
          << joined(rules.folders.at(folder)) << "\n";
  }
  if (number > kLongestFile) {
    found << path << ": has " << number << " lines; a file may have " << kLongestFile << "\n";
  }
  return found.str();
}

std::string text_of_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

const std::filesystem::path kRoot = MARVIN_SOURCE_DIR;

TEST_CASE("Every source file keeps to the layering and the length of docs/architecture.md", "[layering]") {
  const Rules rules = parse_rules(text_of_file(kRoot / "docs/architecture.md"));
  REQUIRE(rules.folders.count("runtime/ir") == 1);
  REQUIRE(rules.libraries.count("cblas") == 1);
  std::string found;
  int files = 0;
  for (const char* top : {"runtime", "passes", "importer", "tests"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(kRoot / top)) {
      const std::string extension = entry.path().extension();
      if (extension != ".h" && extension != ".cpp") continue;
      found += violations(entry.path().lexically_relative(kRoot), text_of_file(entry.path()), rules);
      ++files;
    }
  }
  CHECK(files > 100);
  CHECK(found == "");
}

TEST_CASE("Every word of the tables is a folder, a file or a library that exists", "[layering]") {
  const Rules rules = parse_rules(text_of_file(kRoot / "docs/architecture.md"));
  for (const auto& [folder, allowed] : rules.folders) {
    CHECK(std::filesystem::is_directory(kRoot / folder));
    for (const std::string& word : allowed) {
      INFO(folder << " may include " << word);
      CHECK((rules.libraries.count(word) == 1 || std::filesystem::exists(kRoot / word)));
    }
  }
}

TEST_CASE("A violation names the file, the line and the rule", "[layering]") {
  const Rules rules = parse_rules(
      "| folder | may include |\n|---|---|\n| `a/b` | `a/c`, `a/d/one.h`, `blas` |\n| `a/c` | |\n\n"
      "| library | headers |\n|---|---|\n| `blas` | `blas.h`, `blas/*` |\n| `std` | plain, `sys/*` |\n");
  const auto check = [&](const std::string& path, const std::string& line) {
    return violations(path, "#pragma once\n" + line + "\n", rules);
  };
  CHECK(check("a/b/x.h", "#include <vector>") == "");
  CHECK(check("a/b/x.h", "#include <sys/stat.h>") == "");
  CHECK(check("a/b/x.h", "#include <blas/level3.h>") == "");
  CHECK(check("a/b/x.h", "#include \"a/b/y.h\"") == "");
  CHECK(check("a/b/x.h", "#include \"a/d/one.h\"") == "");
  CHECK(check("a/b/x.h", "#include \"a/d/two.h\"") ==
        "a/b/x.h:2: includes a/d/two.h; a/b may include itself, std, a/c, a/d/one.h, blas\n");
  CHECK(check("a/c/x.cpp", "  #  include <blas.h>  // why not") ==
        "a/c/x.cpp:2: includes blas.h; a/c may include itself, std\n");
  CHECK(check("a/c/x.cpp", "#include \"y.h\"") == "a/c/x.cpp:2: includes y.h; a/c may include itself, std\n");
  CHECK(check("a/c/x.cpp", "#include <boost/any.hpp>") ==
        "a/c/x.cpp:2: includes boost/any.hpp; a/c may include itself, std\n");
  CHECK(check("a/bc/x.cpp", "") == "a/bc/x.cpp: its folder is not in the table\n");
  CHECK(violations("a/b/x.h", std::string(kLongestFile, '\n'), rules) == "");
  CHECK(violations("a/b/x.h", std::string(kLongestFile + 1, '\n'), rules) ==
        "a/b/x.h: has 601 lines; a file may have 600\n");
}

TEST_CASE("docs/architecture.md lists the passes in the order in which they run", "[layering]") {
  static const std::regex item("\\d+\\. `(\\w+)`.*");
  std::vector<std::string> listed;
  std::istringstream lines(text_of_file(kRoot / "docs/architecture.md"));
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, item)) listed.push_back(match[1]);
  }
  CHECK(listed == pass_names());
}

}  // namespace
}  // namespace marvin
