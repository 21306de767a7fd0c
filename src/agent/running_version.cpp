#include "agent/running_version.hpp"

#include <fmt/format.h>

#include "agent/command.hpp"
#include "agent/files.hpp"
#include "ota/base/text.hpp"

namespace ota::agent {
namespace {

constexpr std::chrono::seconds kPatience{10};
constexpr std::size_t kMost = 128;

// Its first line, trimmed and printable.
std::string version_in(std::string_view text) {
  std::string version;
  append_printable(version, trim(text.substr(0, text.find('\n')), " \t\r"));
  return version;
}

Result<std::string> checked(std::string version, const std::string& source) {
  if (version.empty()) return fail(Errc::server_fault, source + " names no version in its first line");
  if (version.size() > kMost)
    return fail(Errc::server_fault, fmt::format("{} names a version of more than {} bytes", source, kMost));
  return version;
}

}  // namespace

bool has_version_source(const Options& options) {
  return !options.version_command.empty() || !options.version_file.empty();
}

Result<std::string> ask_version(const Options& options, const std::string& device,
                                const std::atomic<bool>& interrupted) {
  if (options.version_command.empty()) {
    const auto content = read_small_file(options.version_file);
    if (!content) return fail(Errc::server_fault, "the version file: " + content.error().message);
    return checked(version_in(*content), "the version file " + options.version_file);
  }
  Command command{options.version_command, {}, {"OTA_DEVICE=" + device}, kPatience, false};
  const auto outcome = run_command(command, interrupted);
  if (!outcome.succeeded()) return fail(Errc::server_fault, describe("the version command", outcome));
  return checked(version_in(outcome.first), "the version command");
}

}  // namespace ota::agent
