// ota-agent: update client for Linux devices, also used by tests and demonstrations.
#include "agent/run.hpp"
#include "ota/base/process.hpp"

int main(int argc, char** argv) {
  ota::open_standard_streams();
  ota::forbid_core_dumps();
  return ota::agent::run_agent(argc, argv);
}
