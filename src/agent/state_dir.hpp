// The state of a device on disk: its running version, its current task, images and partial images.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/messages.hpp"
#include "ota/base/file.hpp"

namespace ota::agent {

/// The versions that ran on the device.
struct VersionRecord {
  std::string current;  ///< of the last install, as far as only the install command's status confirms it
  std::string given;    ///< `--current-version` when `current` was recorded
  std::string highest;  ///< that ever ran and passed its health command
  std::string unwell;   ///< whose health command failed after its install
  bool operator==(const VersionRecord&) const = default;
};

/// `<state>/<id>/`: `device.json`, `task.json`, `<checksum hex>.part`, `image-<version>`. One thread at a time.
class StateDir {
 public:
  /// Creates it and takes it for this process, until the object goes. Errc::in_use where another agent has it,
  /// Errc::forbidden where `state` or the folder in it is another user's or others may write to it (what lies there is
  /// believed, and installed), Errc::server_fault where it cannot be made.
  static Result<StateDir> open(const std::filesystem::path& state, const std::string& device);

  VersionRecord versions() const;
  Result<void> set_versions(const VersionRecord& versions);

  std::optional<KeptTask> task() const;
  Result<void> keep_task(const Assignment& task, std::string_view phase, bool confirm,
                         const InstallRecord& install = {});
  void drop_task();

  /// Errc::disk_full where an image of `size` bytes can't be had, what its part holds already counted in. Drops the
  /// parts of other updates where that makes the room.
  Result<void> make_room(const Digest& checksum, std::uint64_t size);

  std::filesystem::path part(const Digest& checksum) const;
  std::filesystem::path image(const std::string& version) const;
  void drop_part(const Digest& checksum);
  /// Keeps the newest few parts (an update that gave way to a more urgent one goes on from its own) and `checksum`'s.
  void prune_parts(const Digest& checksum);
  /// Keeps the image of `version` alone.
  void prune_images(const std::string& version);
  void drop_image(const std::string& version);

 private:
  std::vector<std::filesystem::path> other_parts(const Digest& checksum) const;
  StateDir(std::filesystem::path dir, File lock)
      : dir_(std::move(dir)), lock_(std::move(lock)) {}
  std::filesystem::path dir_;
  File lock_;  // the folder, locked
};

/// Who could put another folder in the place of `state`, and what to do: a folder above it that belongs to neither root
/// nor this user, or to which others may write without a sticky bit. Nothing where nobody could.
std::optional<std::string> warning_of_ancestors(const std::filesystem::path& state);

}  // namespace ota::agent
