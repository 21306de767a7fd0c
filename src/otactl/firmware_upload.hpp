// otactl firmware upload.
#pragma once

#include "otactl/verb.hpp"

namespace ota::otactl {

Verb upload_verb();

}  // namespace ota::otactl
