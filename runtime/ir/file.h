// Writing files so that a reader sees the old contents or the new ones, never half of either.
#pragma once

#include <string>
#include <string_view>

namespace marvin {

// Writes `bytes` under a temporary name beside `path`, syncs, and renames: at every moment `path` is what it was or the
// whole of `bytes`. A symbolic link stays, and the file that it leads to is written. Throws Error when that is
// impossible (no such directory, no space, not a regular file); nothing is left behind then.
void write_file_atomically(const std::string& path, std::string_view bytes);

}  // namespace marvin
