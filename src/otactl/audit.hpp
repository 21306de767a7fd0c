// otactl audit.
#pragma once

#include "otactl/verb.hpp"

namespace ota::otactl {

Verb audit_verb();

}  // namespace ota::otactl
