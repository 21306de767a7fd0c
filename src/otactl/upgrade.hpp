// otactl upgrade.
#pragma once

#include "otactl/verb.hpp"

namespace ota::otactl {

Verb upgrade_verb();

}  // namespace ota::otactl
