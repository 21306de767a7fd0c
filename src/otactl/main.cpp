// otactl: what operators type.
#include "ota/base/process.hpp"
#include "otactl/run.hpp"

int main(int argc, char** argv) {
  ota::open_standard_streams();
  ota::forbid_core_dumps();
  return ota::otactl::run(argc, argv);
}
