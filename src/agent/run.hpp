// The program, from its arguments to its exit status.
#pragma once

namespace ota::agent {

/// Blocks SIGTERM and SIGINT and ends on them. Call it before there are other threads, once a process.
int run_agent(int argc, char** argv);

}  // namespace ota::agent
