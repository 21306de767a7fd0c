// otactl rollout start.
#pragma once

#include "otactl/verb.hpp"

namespace ota::otactl {

Verb rollout_start_verb();

}  // namespace ota::otactl
