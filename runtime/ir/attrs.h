// The attributes of a node.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace marvin {

using Attr =
    std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>, std::vector<std::string>>;

// Attributes by name. A node's are complete: make_node fills in the op's defaults, so kernels and gradients just get().
class Attrs {
 public:
  Attrs() = default;
  Attrs(std::initializer_list<std::pair<const std::string, Attr>> entries) : entries_(entries) {}

  bool has(std::string_view name) const { return entries_.find(name) != entries_.end(); }
  // Throws std::logic_error when the attribute is missing or of another type.
  template <class T>
  const T& get(std::string_view name) const {
    const T* value = std::get_if<T>(&at(name));
    if (!value) wrong_type(name);
    return *value;
  }
  int64_t integer(std::string_view name) const { return get<int64_t>(name); }
  float real(std::string_view name) const { return get<float>(name); }
  const std::string& string(std::string_view name) const { return get<std::string>(name); }
  const std::vector<int64_t>& integers(std::string_view name) const { return get<std::vector<int64_t>>(name); }
  const std::vector<float>& reals(std::string_view name) const { return get<std::vector<float>>(name); }
  const std::vector<std::string>& strings(std::string_view name) const { return get<std::vector<std::string>>(name); }

  void set(std::string name, Attr value) { entries_.insert_or_assign(std::move(name), std::move(value)); }
  void erase(std::string_view name);
  bool empty() const { return entries_.empty(); }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }
  bool operator==(const Attrs&) const = default;

 private:
  const Attr& at(std::string_view name) const;
  [[noreturn]] static void wrong_type(std::string_view name);
  std::map<std::string, Attr, std::less<>> entries_;
};

}  // namespace marvin
