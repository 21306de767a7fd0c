#include "ota/base/process.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace ota {

void open_standard_streams() {
  for (int wanted = 0; wanted <= 2; ++wanted) {
    if (::fcntl(wanted, F_GETFD) >= 0) continue;
    // open() returns the lowest free descriptor: this one, because those below are open.
    if (::open("/dev/null", O_RDWR) != wanted) ::_exit(1);
  }
}

void forbid_core_dumps() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

}  // namespace ota
