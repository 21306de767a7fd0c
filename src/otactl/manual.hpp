// Help and man page: one text.
#pragma once

#include <string>
#include <string_view>

namespace ota::otactl {

/// What the program is, in one sentence.
std::string_view about();
/// Contexts, environment, output and exit statuses.
std::string_view footer();
/// otactl(1) in man(7) macros.
std::string man_page();

}  // namespace ota::otactl
