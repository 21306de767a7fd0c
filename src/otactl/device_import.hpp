// otactl device import.
#pragma once

#include "otactl/verb.hpp"

namespace ota::otactl {

Verb import_verb();

}  // namespace ota::otactl
