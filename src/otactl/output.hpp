// Standard output, each failure of which is seen.
#pragma once

#include <string>
#include <string_view>

namespace ota::otactl {

/// Writes all of it at once. Throws Failure where standard output takes no more (a full disk); where its reader has
/// gone, the process ends by SIGPIPE, as other programs do.
void write_out(std::string_view text);

/// On standard error; failures are ignored.
void write_error(std::string_view text);
/// The same, a line.
void write_note(std::string_view line);

/// Asks on the terminal, and throws Failure unless the answer is yes: kUsage without a terminal, kRefused for no.
/// `nothing_done`: such as `nothing was started`.
void confirm(bool yes_given, std::string_view question, std::string_view nothing_done);

}  // namespace ota::otactl
