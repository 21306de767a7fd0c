// Runs the program.
#pragma once

namespace ota::otactl {

/// Parses, runs and reports; the exit status.
int run(int argc, const char* const* argv);

}  // namespace ota::otactl
