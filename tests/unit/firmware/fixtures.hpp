// A folder of its own for each test, images to put there, and waits with a deadline.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "ota/firmware/hash.hpp"
#include "ota/firmware/store.hpp"

namespace ota::firmware {

namespace fs = std::filesystem;

inline constexpr auto kPatience = std::chrono::seconds(30);

class TempDir {
 public:
  TempDir() {
    auto name = (fs::temp_directory_path() / "ota-firmware-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path_ = name;
  }
  ~TempDir() { fs::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

inline std::string random_image(std::size_t size, unsigned seed = 1) {
  std::mt19937_64 random(seed);
  std::string bytes(size, '\0');
  for (auto& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

inline void flip(const fs::path& file, std::uint64_t offset) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(offset));
  const char byte = static_cast<char>(stream.get());
  stream.seekp(static_cast<std::streamoff>(offset));
  stream.put(static_cast<char>(byte ^ 1));
  ASSERT_TRUE(stream.good()) << file;
}

inline std::string contents(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// What a callback said.
template <class T>
class Answer {
 public:
  std::function<void(T)> callback() {
    return [promise = promise_](T value) { promise->set_value(std::move(value)); };
  }
  bool ready() const { return future_.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }
  T get() {
    if (future_.wait_for(kPatience) != std::future_status::ready) throw std::runtime_error("no answer came");
    return future_.get();
  }

 private:
  std::shared_ptr<std::promise<T>> promise_ = std::make_shared<std::promise<T>>();
  std::future<T> future_ = promise_->get_future();
};

/// What one of the store's events named.
template <class T>
class ReportsOf {
 public:
  std::function<void(const T&)> callback() {
    return [this](const T& named) {
      const std::lock_guard lock(mutex_);
      named_.push_back(named);
      changed_.notify_all();
    };
  }
  bool wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return named_.size() >= count; });
  }
  std::vector<T> all() const {
    const std::lock_guard lock(mutex_);
    return named_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<T> named_;
};
using Reports = ReportsOf<Digest>;

class StoreTest : public testing::Test {
 protected:
  void open() {
    store_.reset();
    options_.dir = dir_.path() / "images";
    auto store = Store::open(options_, {damages_.callback(), losses_.callback(), returns_.callback(),
                                        hashed_.callback()});
    ASSERT_TRUE(store) << store.error().message;
    store_ = std::move(*store);
  }
  void SetUp() override { open(); }

  Stored upload(const std::string& bytes) {
    auto upload = store_->begin_upload();
    if (!upload) throw std::runtime_error(upload.error().message);
    for (std::size_t at = 0; at < bytes.size(); at += 300'000) {
      const auto done =
          (*upload)->write(std::span(bytes).subspan(at, std::min<std::size_t>(300'000, bytes.size() - at)));
      if (!done) throw std::runtime_error(done.error().message);
    }
    const auto stored = (*upload)->finish();
    if (!stored) throw std::runtime_error(stored.error().message);
    const auto image = (*upload)->commit();
    if (!image) throw std::runtime_error(image.error().message);
    return *stored;
  }
  static std::vector<KnownImage> known_images(const std::vector<Stored>& known) {
    std::vector<KnownImage> images;
    for (const auto& stored : known) images.push_back({stored.checksum, stored.size, false});
    return images;
  }
  void reopen(const std::vector<Stored>& known) {
    open();
    const auto found = store_->reconcile(known_images(known));
    ASSERT_TRUE(found.missing.empty());
  }
  Result<void> check(const Digest& digest, std::uint64_t offset, std::uint64_t length) {
    Answer<Result<void>> answer;
    store_->image(digest)->check(offset, length, answer.callback());
    return answer.get();
  }
  Result<std::shared_ptr<const Manifest>> prepare(const Digest& digest, std::uint32_t chunk_bytes) {
    Answer<Result<std::shared_ptr<const Manifest>>> answer;
    store_->prepare(digest, chunk_bytes, answer.callback());
    return answer.get();
  }
  fs::path file(const Digest& digest, const std::string& ending) const {
    return options_.dir / (to_hex(digest) + ending);
  }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(options_.dir)) {
      if (!entry.is_directory()) names.push_back(fs::relative(entry.path(), options_.dir).string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  TempDir dir_;
  StoreOptions options_;
  Reports damages_;
  Reports losses_;
  Reports returns_;
  ReportsOf<Stored> hashed_;
  std::unique_ptr<Store> store_;
};

inline Manifest expected_manifest(const std::string& bytes, std::size_t chunk_bytes) {
  Manifest manifest;
  for (std::size_t at = 0; at < bytes.size(); at += chunk_bytes)
    manifest.push_back(sha256(std::string_view(bytes).substr(at, chunk_bytes)));
  return manifest;
}

}  // namespace ota::firmware
