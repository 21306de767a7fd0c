// A rollout as lines.
#pragma once

#include <string>
#include <vector>

#include "otactl/call.hpp"
#include "otactl/watch.hpp"

namespace ota::otactl {

/// `1.5.0 to stable, hardware gw-a`
std::string rollout_name(const Json& rollout);

/// State, a bar for each stage, what it waits for, figures; each line fits the terminal.
std::vector<std::string> rollout_lines(const Call& call, const Json& rollout);

/// For --watch: ended when it is completed (kDone), halted, cancelled, expired or superseded (kBadEnd).
Look look_at_rollout(const Call& call, const Json& rollout);

/// Watches the rollout of that id.
int watch_rollout(Call& call, const std::string& id);

}  // namespace ota::otactl
