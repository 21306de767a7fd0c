// The question of clients that only ask whether there is something newer (docs/simple-clients.md).
#pragma once

#include <optional>
#include <string>

#include "ota/domain/ids.hpp"

namespace ota::engine {

struct LatestQuery {
  std::optional<DeviceId> device;      ///< nothing: the one whose token it is
  std::optional<std::string> hardware;
  std::optional<std::string> current;  ///< the version that it runs, any text; nothing: it doesn't know
  bool looks = false;                  ///< it only wants to know, and asks again before it downloads
};

}  // namespace ota::engine
