#include "runtime/ir/attrs.h"

#include <stdexcept>

#include "runtime/ir/error.h"

namespace marvin {

const Attr& Attrs::at(std::string_view name) const {
  const auto entry = entries_.find(name);
  if (entry == entries_.end()) throw std::logic_error(cat("no attribute '", name, "'"));
  return entry->second;
}

void Attrs::wrong_type(std::string_view name) { throw Error("attribute '", name, "' has the wrong type"); }

void Attrs::erase(std::string_view name) {
  if (const auto entry = entries_.find(name); entry != entries_.end()) entries_.erase(entry);
}

}  // namespace marvin
