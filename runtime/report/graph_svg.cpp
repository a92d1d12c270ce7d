#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "runtime/ir/error.h"
#include "runtime/report/graph_view.h"

namespace marvin {
namespace {

// A file for the program to write to or read from; gone when this is. Files, not pipes: nobody waits for anybody.
class ScratchFile {
 public:
  ScratchFile() : path_((std::filesystem::temp_directory_path() / "marvin.XXXXXX").string()) {
    const int descriptor = ::mkstemp(path_.data());
    if (descriptor < 0) throw Error("cannot write to '", path_, "': ", std::strerror(errno));
    ::close(descriptor);
  }
  ~ScratchFile() { ::unlink(path_.c_str()); }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Waits for the program, but for no longer than is bearable.
int status_of(pid_t child, std::chrono::seconds most) {
  const auto begun = std::chrono::steady_clock::now();
  int status = 0;
  for (pid_t ended = 0; ended != child;) {
    ended = ::waitpid(child, &status, WNOHANG);
    if (ended < 0 && errno != EINTR) throw Error("cannot wait for Graphviz's `dot`: ", std::strerror(errno));
    if (ended == child) break;
    if (std::chrono::steady_clock::now() - begun > most) {
      ::kill(child, SIGKILL);
      ::waitpid(child, &status, 0);
      throw Error("Graphviz's `dot` did not draw the graph in ", most.count(),
                  " seconds; --format dot writes what it would draw");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return status;
}

// Runs `dot -Tsvg` and returns its exit status.
int run_dot(const std::string& input, const std::string& output, std::chrono::seconds most) {
  std::string program = "dot", format = "-Tsvg", to = "-o" + output, from = input;
  char* const arguments[] = {program.data(), format.data(), to.data(), from.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, "dot", &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error == ENOENT) {
    throw Error("a picture needs Graphviz's program `dot`, which is not installed (Debian: apt install graphviz); ",
                "--format dot writes what it would draw");
  }
  if (error != 0) throw Error("cannot run Graphviz's `dot`: ", std::strerror(error));
  return status_of(child, most);
}

}  // namespace

std::string svg_of(const std::string& dot, int most_seconds) {
  const ScratchFile input, output;
  std::ofstream file(input.path(), std::ios::binary);
  file << dot << std::flush;
  if (!file) throw Error("cannot write to '", input.path(), "'");
  const int status = run_dot(input.path(), output.path(), std::chrono::seconds(most_seconds));
  std::ifstream picture(output.path(), std::ios::binary);
  std::string svg{std::istreambuf_iterator<char>(picture), {}};
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || svg.empty()) {
    throw Error("Graphviz's `dot` could not draw the graph; try --format dot and draw a part of it");
  }
  return svg;
}

}  // namespace marvin
