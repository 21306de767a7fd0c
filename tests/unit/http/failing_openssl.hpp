// Lets OpenSSL run out of memory.
#pragma once

#include <gtest/gtest.h>
#include <openssl/crypto.h>

#include <atomic>
#include <cstdlib>

namespace ota::http::test {

/// While one lives OpenSSL gets no memory, on whichever thread. One at a time.
class FailingOpenssl {
 public:
  FailingOpenssl() {
    EXPECT_TRUE(installed) << "OpenSSL had allocated before its memory could be replaced";
    failing = true;
  }
  ~FailingOpenssl() { failing = false; }
  FailingOpenssl(const FailingOpenssl&) = delete;
  FailingOpenssl& operator=(const FailingOpenssl&) = delete;

 private:
  static void* take(std::size_t size, const char*, int) { return failing ? nullptr : std::malloc(size); }
  static void* change(void* block, std::size_t size, const char*, int) {
    return failing ? nullptr : std::realloc(block, size);
  }
  static void give(void* block, const char*, int) { std::free(block); }

  static inline std::atomic<bool> failing{false};
  // Before main, since OpenSSL takes it only until its first allocation.
  static inline const bool installed = CRYPTO_set_mem_functions(take, change, give) == 1;
};

}  // namespace ota::http::test
