#include "app/commands.hpp"

#include <iostream>

namespace ota::app {

int complain(const std::string& message, int status) {
  std::cerr << "otad: " << message << '\n';
  return status;
}

}  // namespace ota::app
