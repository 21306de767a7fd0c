// The MQTT version of the next connection.
#pragma once

#include "ota/mqtt/client.hpp"

namespace ota::mqtt {

/// With Version::automatic: 5 first, and 3.1.1 where the broker refuses 5 or hangs up before it answers. The latter has
/// other causes too, so a connection with 3.1.1 that follows is given up for one more try with 5; only where that fails
/// in the same way 3.1.1 is kept. What was kept comes first from then on, until it fails in its turn. With another
/// setting it is always that version. Not thread-safe.
class VersionChoice {
 public:
  explicit VersionChoice(Version setting)
      : setting_(setting), next_(setting == Version::v3_1_1 ? setting : Version::v5) {}

  /// v5 or v3_1_1.
  Version next() const { return next_; }

  // Results of connecting with next(). True: connect at once with next(), which has changed.

  /// The broker refused that version.
  bool refused();
  /// Its port is open, but it didn't answer.
  bool hung_up();
  /// It accepted the connection. True: close it.
  bool connected();

 private:
  bool go_to(Version next);

  const Version setting_;
  Version next_;
  bool sure_ = false;       // it supports 3.1.1 and not 5
  bool old_works_ = false;  // it just answered to 3.1.1
};

}  // namespace ota::mqtt
