#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ota/base/clock.hpp"
#include "ota/domain/digest.hpp"
#include "ota/domain/messages.hpp"

namespace ota {

/// The rule of a file name, for error messages.
inline constexpr const char* kFilenameRule = "must be 1 to 200 of A-Z a-z 0-9 . _ + - with no . or - in front";

/// An image as the file that clients download by its name, who may check SHA-1 or MD5.
struct FirmwareFile {
  std::string name;  ///< valid_filename()
  Sha1Digest sha1{};
  Md5Digest md5{};
};

/// One row of the catalogue: a version for a hardware type, with the digest of its image.
struct Firmware {
  std::int64_t id = 0;
  std::string version;
  std::string hardware;  ///< empty: for all devices
  std::uint64_t size = 0;
  Digest checksum{};
  bool security = false;
  std::string notes;
  std::optional<FirmwareSignature> signature;
  WallTime created{};
  bool damaged = false;  ///< its image was found corrupt and quarantined
  std::optional<std::string> blocked;  ///< why an operator blocked it; nothing: it isn't
  std::optional<FirmwareFile> file;    ///< nothing: uploaded before schema 15, and not read again yet
};

/// 1 to 200 of `A-Z a-z 0-9 . _ + -`, neither `.` nor `-` first: the same in a path of a URL and on each file system.
bool valid_filename(std::string_view text);

/// `<hardware>-<version>.bin`, or `firmware-<version>.bin` for all devices; `.swu` for an image of SWUpdate, which
/// installs no file without it. Characters that file names can't have become `_`.
std::string default_filename(const Firmware& firmware, bool swupdate);

}  // namespace ota
