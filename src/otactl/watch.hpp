// Something that goes on at the server, shown until its end.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "otactl/call.hpp"

namespace ota::otactl {

/// What is shown of one answer.
struct Look {
  std::vector<std::string> lines;  ///< drawn in place on a terminal; colours allowed, each cut to its width
  std::string plain;               ///< elsewhere: one line whenever it differs from the one before
  std::optional<int> status;       ///< the exit status, once it has ended
};

/// GETs `path` again and again until it has ended, `--timeout` is over (kTimedOut), or a signal came (kInterrupted).
/// With -o json each answer that differs from the one before is printed. A server that can't be reached is tried again
/// for five minutes. `goes_on`: said after a signal.
int watch(Call& call, const std::string& path, Look (*look)(const Call& call, const Json& json),
          std::string_view goes_on);

}  // namespace ota::otactl
