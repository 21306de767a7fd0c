// ota-agent: a device's end of over-the-air updates, for Linux devices, tests and demonstrations.
#include "agent/run.hpp"

int main(int argc, char** argv) { return ota::agent::run_agent(argc, argv); }
