// For clang's libFuzzer: `fuzz TARGET [libFuzzer's arguments]`.
#include <cstdint>

#include "fuzz/target.hpp"
#include "ota/base/log.hpp"
#include "ota/base/settings.hpp"

namespace {
const ota::fuzz::Target* chosen = nullptr;
}

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  if (*argc > 1) chosen = ota::fuzz::find_target((*argv)[1]);
  if (chosen == nullptr) {
    std::fprintf(stderr, "usage: fuzz TARGET ...\n");
    std::exit(2);
  }
  (*argv)[1] = (*argv)[0];
  ++*argv;
  --*argc;
  ota::LogSettings quiet;
  quiet.file = "/dev/null";
  static_cast<void>(ota::log::configure(quiet));
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  chosen->run({reinterpret_cast<const char*>(data), size});
  return 0;
}
