// Until everybody includes ota/base/url.hpp.
#pragma once

#include "ota/base/url.hpp"

namespace ota::http {
using ota::parse_query;
using ota::percent_decode;
using ota::percent_encode;
using ota::QueryItems;
using ota::split_path;
}  // namespace ota::http
