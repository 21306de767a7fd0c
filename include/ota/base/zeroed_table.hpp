// A large table that starts as zeros and is sparsely used.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>

namespace ota {

/// The kernel allocates memory only for pages that are written, so unused parts cost nothing. Thread-safe.
template <class T>
class ZeroedTable {
  static_assert(std::is_trivial_v<T>);

 public:
  /// `size` > 0. Throws bad_alloc.
  explicit ZeroedTable(std::size_t size) : size_(size), table_(static_cast<T*>(std::calloc(size, sizeof(T)))) {
    if (!table_) throw std::bad_alloc();
  }

  /// The entry of a hash.
  std::atomic_ref<T> operator[](std::uint64_t hash) const {
    return std::atomic_ref<T>(table_.get()[static_cast<std::size_t>(hash % size_)]);
  }

 private:
  struct Free {
    void operator()(T* table) const { std::free(table); }
  };
  std::size_t size_;
  std::unique_ptr<T[], Free> table_;
};

}  // namespace ota
