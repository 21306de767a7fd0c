// Until the engine includes ota/base/backoff.hpp.
#pragma once

#include "ota/base/backoff.hpp"
