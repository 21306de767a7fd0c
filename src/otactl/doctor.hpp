// otactl doctor.
#pragma once

#include "otactl/verb.hpp"

namespace ota::otactl {

Verb doctor_verb();

}  // namespace ota::otactl
