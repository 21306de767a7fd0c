#include "download/transfer.hpp"

#include <initializer_list>

#include "ota/firmware/hash.hpp"

namespace ota::download {
namespace {

/// Precondition: the parts together are as long as the array.
template <std::size_t size>
void fill(std::array<char, size>& into, std::initializer_list<std::string_view> parts) {
  char* to = into.data();
  for (const auto part : parts) to += part.copy(to, static_cast<std::size_t>(into.data() + size - to));
}

}  // namespace

DownloadTransfer::DownloadTransfer(std::shared_ptr<firmware::Image> image, const Context& context,
                                   const UrlGrant& grant, std::string_view hex, const Digest& content)
    : image_(std::move(image)),
      context_(context),
      task_(grant.task),
      grid_{image_->size(), grant.chunk_bytes},
      bandwidth_(context.bandwidth_of(grant.task)) {
  fill(etag_, {"\"", hex, "\""});
  fill(digest_field_, {"sha-256=:", firmware::base64(content), ":"});
}

void DownloadTransfer::sent(std::uint64_t offset, std::uint64_t length) {
  context_.engine.transfers().sent(task_.number, grid_, offset, length);
}

void DownloadTransfer::ended(bool whole) {
  if (!whole) context_.engine.transfers().broken(task_.number);
}

void DownloadTransfer::on_stats(const http::ConnectionStats& stats) {
  LinkSample sample;
  sample.rtt_ms = stats.rtt_ms;
  sample.segments = stats.segments;
  sample.resent = stats.resent;
  sample.rate = stats.rate;
  sample.acked = stats.acked;
  context_.engine.transfers().line(task_.number, sample);
}

}  // namespace ota::download
