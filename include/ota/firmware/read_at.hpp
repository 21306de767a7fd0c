// Until everybody includes ota/base/file.hpp.
#pragma once

#include "ota/base/file.hpp"

namespace ota::firmware {
using ota::read_at;
}  // namespace ota::firmware
