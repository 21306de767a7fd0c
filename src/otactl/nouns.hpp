// The nouns, one file each.
#pragma once

#include "otactl/verb.hpp"

namespace ota::otactl {

Noun plain_verbs();  ///< those without a noun
Noun rollout_noun();
Noun channel_noun();
Noun device_noun();
Noun firmware_noun();
Noun task_noun();
Noun webhook_noun();
Noun key_noun();
Noun context_noun();

}  // namespace ota::otactl
