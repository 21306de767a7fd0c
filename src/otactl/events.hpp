// otactl events.
#pragma once

#include "otactl/verb.hpp"

namespace ota::otactl {

Verb events_verb();

}  // namespace ota::otactl
