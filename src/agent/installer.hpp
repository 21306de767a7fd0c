// From a verified image to an installed version.
#pragma once

#include <atomic>
#include <filesystem>
#include <string>

#include "agent/messages.hpp"
#include "agent/options.hpp"
#include "ota/firmware/signature.hpp"

namespace ota::agent {

/// Refuses what may not be installed: other hardware, or with a trusted key, what it has not signed.
Result<void> may_install(const Task& task, const std::string& hardware, const firmware::TrustedKeys* trusted);

/// The one key of `--trusted-key`, whatever id it has at the vendor's. Copies it into `<state_dir>/trusted`.
Result<firmware::TrustedKeys> load_trusted_key(const std::string& pem_file, const std::filesystem::path& state_dir);

/// Runs the install command on the image and waits, at most the install timeout; success where there is none. Its
/// output goes to standard error. `interrupted` ends it (SIGTERM) as failed.
Result<void> run_install(const Options& options, const std::string& device, const Task& task,
                         const std::filesystem::path& image, const std::atomic<bool>& interrupted);

}  // namespace ota::agent
