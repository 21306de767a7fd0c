// What a device remembers on disk: the version that it runs, the task that it is in, images and parts of images.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "agent/messages.hpp"

namespace ota::agent {

/// `<state>/<id>/`: `device.json`, `task.json`, `<checksum hex>.part`, `image-<version>`. One thread at a time.
class StateDir {
 public:
  /// Creates it and takes it for this process, until the last copy goes. Errc::in_use where another agent has it,
  /// Errc::server_fault where it cannot be made.
  static Result<StateDir> open(const std::filesystem::path& state, const std::string& device);

  std::string current_version() const;  ///< empty until an install was recorded
  Result<void> set_current_version(const std::string& version);

  std::optional<KeptTask> task() const;
  Result<void> keep_task(const Task& task, std::string_view phase, bool confirm);
  void drop_task();

  std::filesystem::path part(const Digest& checksum) const;
  std::filesystem::path image(const std::string& version) const;
  void drop_part(const Digest& checksum);
  /// Keeps the newest few parts (an update that gave way to a more urgent one goes on from its own) and `checksum`'s.
  void prune_parts(const Digest& checksum);
  /// Keeps the image of `version` alone.
  void prune_images(const std::string& version);

 private:
  StateDir(std::filesystem::path dir, std::shared_ptr<const int> lock) : dir_(std::move(dir)), lock_(std::move(lock)) {}
  std::filesystem::path dir_;
  std::shared_ptr<const int> lock_;  // a descriptor
};

}  // namespace ota::agent
