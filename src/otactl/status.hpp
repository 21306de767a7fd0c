// otactl status.
#pragma once

#include "otactl/verb.hpp"

namespace ota::otactl {

Verb status_verb();

}  // namespace ota::otactl
