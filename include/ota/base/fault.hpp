// What an exception says, where it is caught at the edge of a thread or a request.
#pragma once

#include <exception>
#include <string>

namespace ota {

/// Its what(), or a fixed text if it is not a std::exception. Precondition: `fault` is not null.
inline std::string describe_exception(const std::exception_ptr& fault) {
  try {
    std::rethrow_exception(fault);
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an exception that is no std::exception";
  }
}

}  // namespace ota
