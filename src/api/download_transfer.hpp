// A download under way: the image's bytes for the HTTP server, and the book on what was handed out.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "ota/domain/chunks.hpp"
#include "ota/engine/board.hpp"
#include "ota/firmware/store.hpp"
#include "ota/http/message.hpp"

namespace ota::api {

/// Which chunks of a grid one request covered from end to end, told once each as its bytes go. A gap, as between the
/// parts of a multi-range reply, starts anew. Not thread-safe.
class ChunkCover {
 public:
  explicit ChunkCover(const ChunkGrid& grid) : grid_(grid) {}
  /// Bytes of the image that went; true where chunks are whole by that: `whole`.
  bool add(std::uint64_t offset, std::uint64_t length, ChunkRange& whole);

 private:
  ChunkGrid grid_;
  std::uint64_t end_ = 0;   ///< of the run of bytes
  std::uint64_t next_ = 0;  ///< first chunk that starts inside the run and isn't whole yet
};

/// One allocation a request: the server's source and listener in one.
class DownloadTransfer final : public http::FileSource, public http::TransferListener {
 public:
  DownloadTransfer(std::shared_ptr<firmware::Image> image, engine::TransferBoard& board, std::int64_t task,
                   std::uint32_t chunk_bytes)
      : image_(std::move(image)),
        board_(board),
        task_(task),
        chunk_bytes_(chunk_bytes),
        cover_({image_->size(), chunk_bytes}) {}

  int descriptor() const noexcept override { return image_->descriptor(); }
  bool checked(std::uint64_t offset, std::uint64_t length) const noexcept override {
    return image_->checked(offset, length);
  }
  void check(std::uint64_t offset, std::uint64_t length, std::function<void(Result<void>)> done) override {
    image_->check(offset, length, std::move(done));
  }
  void sent(std::uint64_t offset, std::uint64_t length) override;
  void ended(bool whole) override;
  void line(const http::LineFigures& figures) override;

 private:
  std::shared_ptr<firmware::Image> image_;
  engine::TransferBoard& board_;
  std::int64_t task_;
  std::uint32_t chunk_bytes_;
  ChunkCover cover_;
};

}  // namespace ota::api
