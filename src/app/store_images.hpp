// The store as the engine sees it.
#pragma once

#include "ota/engine/engine.hpp"
#include "ota/firmware/store.hpp"

namespace ota::app {

/// Thread-safe, as the store is.
class StoreImages final : public engine::Images {
 public:
  explicit StoreImages(firmware::Store& store) : store_(store) {}

  std::shared_ptr<const firmware::Manifest> find(const Digest& image, std::uint32_t chunk_bytes) const override {
    return store_.find(image, chunk_bytes);
  }
  void prepare(const Digest& image, std::uint32_t chunk_bytes,
               std::function<void(Result<std::shared_ptr<const firmware::Manifest>>)> done) override {
    store_.prepare(image, chunk_bytes, std::move(done));
  }
  bool exists(const Digest& image) const override { return store_.image(image) != nullptr; }
  bool missing(const Digest& image) const override { return store_.missing(image); }
  void remove(const Digest& image) override { store_.remove(image); }

 private:
  firmware::Store& store_;
};

}  // namespace ota::app
