#include "mqtt/version_choice.hpp"

#include <utility>

namespace ota::mqtt {

bool VersionChoice::go_to(Version next) {
  next_ = next;
  return true;
}

bool VersionChoice::refused() {
  if (setting_ != Version::automatic) return false;
  sure_ = next_ == Version::v5;
  if (sure_) return go_to(Version::v3_1_1);
  go_to(Version::v5);
  return false;
}

bool VersionChoice::hung_up() {
  if (setting_ != Version::automatic) return false;
  sure_ = std::exchange(old_works_, false) && next_ == Version::v5;
  if (next_ == Version::v5) return go_to(Version::v3_1_1);
  go_to(Version::v5);
  return false;
}

bool VersionChoice::connected() {
  const bool keep = setting_ != Version::automatic || sure_ || next_ == Version::v5;
  old_works_ = !keep;
  return !keep && go_to(Version::v5);
}

}  // namespace ota::mqtt
