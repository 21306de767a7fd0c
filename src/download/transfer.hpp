// A download in progress: the image's bytes for the HTTP server, and the record of the bytes that were sent.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "download/context.hpp"
#include "ota/domain/chunks.hpp"
#include "ota/download/urls.hpp"
#include "ota/firmware/store.hpp"
#include "ota/http/message.hpp"

namespace ota::download {

/// The server's source and listener in one object, so that a request needs one allocation.
class DownloadTransfer final : public http::FileSource, public http::TransferListener {
 public:
  /// `context` outlives it; `hex` and `content`: the digests of the image and of the representation that is sent.
  DownloadTransfer(std::shared_ptr<firmware::Image> image, const Context& context, const UrlGrant& grant,
                   std::string_view hex, const Digest& content);

  /// A strong entity tag: the content of a URL never changes.
  std::string_view etag() const { return {etag_.data(), etag_.size()}; }
  /// RFC 9530's form of the representation's digest.
  std::string_view digest_field() const { return {digest_field_.data(), digest_field_.size()}; }

  int descriptor() const noexcept override { return image_->descriptor(); }
  bool checked(std::uint64_t offset, std::uint64_t length) const noexcept override {
    return image_->checked(offset, length);
  }
  void check(std::uint64_t offset, std::uint64_t length, std::function<void(Result<void>)> done) override {
    image_->check(offset, length, std::move(done));
  }
  http::Bandwidth bandwidth() override { return bandwidth_; }
  void sent(std::uint64_t offset, std::uint64_t length) override;
  void ended(bool whole) override;
  void on_stats(const http::ConnectionStats& stats) override;

 private:
  std::shared_ptr<firmware::Image> image_;
  const Context& context_;
  TaskId task_;
  ChunkGrid grid_;
  http::Bandwidth bandwidth_;
  std::array<char, 66> etag_;
  std::array<char, 54> digest_field_;
};

}  // namespace ota::download
