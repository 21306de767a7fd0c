#include "ota/domain/task.hpp"

namespace ota {

const std::string& Device::uplink() const {
  static const std::string none;
  const auto tag = tags.find("uplink");
  return tag == tags.end() ? none : tag->second;
}

}  // namespace ota
