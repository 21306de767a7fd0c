// Ids of devices and tasks, names of hardware types: checked once, when they are parsed.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ota {

/// The rule of a device id, for error messages.
inline constexpr const char* kDeviceIdRule =
    "must be 1 to 128 of A-Z a-z 0-9 _ . : @ -, and neither . nor .. (no URL can name those)";

/// The rule of a hardware type where empty means any, for error messages.
inline constexpr const char* kHardwareRule = "must be at most 64 of A-Z a-z 0-9 _ . : @ -";

/// The rule of an API key's name, for error messages.
inline constexpr const char* kKeyNameRule =
    "must be 1 to 64 of A-Z a-z 0-9 _ . : @ -, and neither . nor .. nor anonymous, device, engine or otad (these mean "
    "what acts without a key)";

/// 1 to 128 of `A-Z a-z 0-9 _ . : @ -`; not `.` or `..`, which clients resolve in URLs (RFC 3986, 5.2.4).
class DeviceId {
 public:
  static std::optional<DeviceId> parse(std::string_view text);
  const std::string& str() const noexcept { return text_; }
  auto operator<=>(const DeviceId&) const = default;

 private:
  explicit DeviceId(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// A UTC day, as 20261122, and a number from 1.
struct DatedNumber {
  std::int32_t day = 0;
  std::int64_t number = 0;
};
/// `<prefix><day>_<number, at least six digits>`.
std::optional<DatedNumber> parse_dated_number(std::string_view prefix, std::string_view text);

/// `OTA_<UTC day>_<number, at least six digits>`; the number alone is unique for ever.
struct TaskId {
  std::int32_t day = 0;     ///< 20261122
  std::int64_t number = 0;  ///< from 1

  static std::optional<TaskId> parse(std::string_view text);
  std::string str() const;
  auto operator<=>(const TaskId&) const = default;
};

/// A hardware type: empty (all devices) or 1 to 64 of `A-Z a-z 0-9 _ . : @ -`.
bool valid_hardware(std::string_view text);

/// The name of an API key, which is a part of its URL's path: 1 to 64 of `A-Z a-z 0-9 _ . : @ -`, neither `.` nor `..`
/// (RFC 3986, 5.2.4), and none that the audit log and `created_by` give to what acts without a key: `anonymous`, `device`,
/// `engine`, `otad`, in any case.
bool valid_key_name(std::string_view text);

/// A channel: 1 to 64 of `a-z 0-9 _ -`.
bool valid_channel(std::string_view text);

}  // namespace ota
