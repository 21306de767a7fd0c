// An upload in progress.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "firmware/chunk_hasher.hpp"
#include "ota/base/file.hpp"
#include "ota/firmware/store.hpp"

namespace ota::firmware {

/// Puts a synced temporary file under its content's name and answers the image.
using Publish = std::function<Result<std::shared_ptr<Image>>(const std::filesystem::path& temporary,
                                                             const Stored& stored, Manifest blocks)>;

/// Holds one block in memory however long the image. After a failed write all else fails with the same error.
class UploadFile final : public Upload {
 public:
  UploadFile(File file, std::uint64_t max_bytes, Publish publish, std::shared_ptr<void> ticket);
  ~UploadFile() override;

  Result<void> write(std::span<const char> bytes) override;
  Result<Stored> finish() override;
  Result<std::shared_ptr<Image>> commit() override;

 private:
  Result<void> write_block();

  File file_;
  const std::uint64_t max_bytes_;
  const Publish publish_;
  const std::shared_ptr<void> ticket_;  // its destruction makes room for another upload
  std::vector<char> block_;             // what is not on the file yet
  std::uint64_t written_ = 0;
  std::uint64_t writeback_from_ = 0;
  ImageHasher whole_;
  ChunkHasher blocks_;
  std::optional<Error> failed_;
  std::optional<Stored> stored_;
  bool commit_begun_ = false;  // from then on the bytes may be an image's
};

}  // namespace ota::firmware
