// The running version of the device.
#pragma once

#include <atomic>
#include <string>

#include "agent/options.hpp"
#include "ota/base/result.hpp"

namespace ota::agent {

/// Whether there is a source of the running version: `--version-command` or `--version-file`.
bool has_version_source(const Options& options);

/// Reads that source: the first line of the command's standard output (exit status 0, within 10 s) or of the file,
/// without blanks around it, printable, at most 128 bytes. It need not be a version in the protocol's sense. An error
/// says which source failed, and how. Only with has_version_source().
Result<std::string> ask_version(const Options& options, const std::string& device,
                                const std::atomic<bool>& interrupted);

}  // namespace ota::agent
