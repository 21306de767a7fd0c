#include "ota/domain/firmware.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ota/base/text.hpp"

namespace ota {
namespace {

constexpr std::size_t kLongestFilename = 200;

bool is_filename_char(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '+' ||
         c == '-';
}

}  // namespace

bool valid_filename(std::string_view text) {
  return !text.empty() && text.size() <= kLongestFilename && text.front() != '.' && text.front() != '-' &&
         std::all_of(text.begin(), text.end(), is_filename_char);
}

std::string default_filename(const Firmware& firmware, bool swupdate) {
  auto name = fmt::format("{}-{}.{}", firmware.hardware.empty() ? "firmware" : firmware.hardware, firmware.version,
                          swupdate ? "swu" : "bin");
  for (char& c : name)
    if (!is_filename_char(c)) c = '_';
  if (name.front() == '.' || name.front() == '-') name.front() = '_';
  return name;
}

}  // namespace ota
