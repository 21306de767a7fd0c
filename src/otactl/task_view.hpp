// A task as lines.
#pragma once

#include <string>
#include <vector>

#include "otactl/watch.hpp"

namespace ota::otactl {

/// Versions, a bar of what has arrived, why it is in its state, its timeline.
std::vector<std::string> task_lines(const Call& call, const Json& task);

/// For --watch: ended when it succeeded (kDone), failed, was cancelled or expired (kBadEnd).
Look look_at_task(const Call& call, const Json& task);

/// Watches the task of that id.
int watch_task(Call& call, const std::string& id);

}  // namespace ota::otactl
