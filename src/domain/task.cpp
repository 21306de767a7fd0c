#include "ota/domain/task.hpp"

#include <array>

namespace ota {
namespace {
constexpr std::array<std::string_view, 3> kConfirm{"never", "always", "auto"};
}

std::string_view to_string(Confirm confirm) { return kConfirm.at(static_cast<std::size_t>(confirm)); }

std::optional<Confirm> parse_confirm(std::string_view text) {
  for (std::size_t i = 0; i < kConfirm.size(); ++i)
    if (kConfirm[i] == text) return static_cast<Confirm>(i);
  return {};
}

bool fits(const std::string& hardware, const Device& device) {
  const auto is = [&](const std::string& its) { return its.empty() || its == hardware; };
  return hardware.empty() || (is(device.hardware) && is(device.reported_hardware));
}

const std::string& Device::uplink() const {
  static const std::string none;
  const auto tag = tags.find("uplink");
  return tag == tags.end() ? none : tag->second;
}

}  // namespace ota
