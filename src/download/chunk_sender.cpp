#include "download/chunk_sender.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "ota/base/fault.hpp"
#include "ota/base/file.hpp"
#include "ota/base/log.hpp"
#include "ota/firmware/hash.hpp"

namespace ota::download {

Result<void> ChunkSender::send(const DeviceId& device, const ChunkRequest& request, const engine::ChunkGrant& grant) {
  const auto image = context_.store.image(grant.image);
  if (!image) return fail(Errc::image_damaged, "the stored image is corrupted; an operator must upload it again");
  const ChunkGrid grid{image->size(), grant.chunk_bytes};
  if (auto right = check(device, request, grid); !right) return right;
  // Neither disk nor bandwidth for what isn't sent. The log named the device when that began. Counts as one.
  if (const auto& barred = context_.hooks.bulk_barred; barred && barred(group(device))) {
    context_.mqtt_chunks_lost.fetch_add(1, std::memory_order_relaxed);
    return {};
  }
  {
    const MutexLock lock(mutex_);
    if (stopped_) return {};
    if (!windows_.take({device, request.task, grant.image, grid, 0}, request.chunks))
      return fail(Errc::overloaded, "too many devices wait for chunks over MQTT: ask again later");
  }
  pump();
  return {};
}

Result<void> ChunkSender::check(const DeviceId& device, const ChunkRequest& request, const ChunkGrid& grid) const {
  const auto& task = request.task;
  std::uint32_t longest = 0;
  for (const auto& range : request.chunks) {
    if (!grid.holds(range))
      return fail(Errc::bad_chunk_range, fmt::format("task {} has chunks 0 to {}, not {} to {}", task.str(),
                                                     grid.count() - 1, range.first, range.last));
    longest = std::max(longest, grid.length(range.first));
  }
  if (grid.chunk_bytes > kMaxMqttChunkBytes)
    return fail(Errc::bad_chunk_range,
                fmt::format("task {} has chunks of {} bytes: over MQTT the limit is {}, download them over HTTP",
                            task.str(), grid.chunk_bytes, kMaxMqttChunkBytes));
  const auto& most = context_.hooks.max_broker_payload;
  const auto room = most ? most(topic({device, task, {}, grid, request.chunks.back().last}).size()) : 0;
  // 0: the broker is not connected. The device requests the chunks again.
  if (room > 0 && room < sizeof(Digest) + longest)
    return fail(Errc::bad_chunk_range,
                fmt::format("task {} has chunks of {} bytes, and the broker accepts at most {}: download them over "
                            "HTTP, or raise max_packet_size in the broker's settings",
                            task.str(), grid.chunk_bytes, room));
  return {};
}

std::string ChunkSender::group(const DeviceId& device) const {
  return fmt::format("{}/{}/chunk", context_.options.topic_root, device.str());
}

std::string ChunkSender::topic(const WantedChunk& chunk) const {
  return fmt::format("{}/{}/{}", group(chunk.device), chunk.task.str(), chunk.index);
}

void ChunkSender::stop() {
  const MutexLock lock(mutex_);
  stopped_ = true;
  while (jobs_ > 0 || pumping_) idle_.wait(mutex_);
}

/// Acquires bandwidth for held chunks, and passes allowed ones to the disk threads, up to kMaxJobs at a time. Callbacks
/// of the rate limiter call it again; only one thread runs the loop, so that the calls don't nest.
void ChunkSender::pump() {
  {
    const MutexLock lock(mutex_);
    if (std::exchange(pumping_, true)) {
      pump_again_ = true;
      return;
    }
  }
  for (bool again = true; again;) {
    while (auto chunk = next_to_allow()) pay(*chunk, chunk->bytes());
    while (auto chunk = begin()) {
      const bool wanted = context_.engine.transfers().active(chunk->task.number).has_value();
      if (wanted && context_.store.on_disk_thread([this, chunk = *chunk] { read(chunk); })) continue;
      read_done();
      finish(*chunk, false);
    }
    const MutexLock lock(mutex_);
    again = std::exchange(pump_again_, false);
    pumping_ = again;
    if (!again) idle_.notify_all();
  }
}

std::optional<WantedChunk> ChunkSender::next_to_allow() {
  const MutexLock lock(mutex_);
  return stopped_ ? std::nullopt : windows_.next_to_allow();
}

void ChunkSender::pay(const WantedChunk& chunk, std::size_t left) {
  const auto& may_send = context_.hooks.may_send;
  // The chunk of an ended task needs no bandwidth and is dropped.
  if (!may_send || !context_.engine.transfers().active(chunk.task.number)) return allow(chunk);
  const auto granted = [this, chunk, left](std::size_t size) {
    if (size < left)
      pay(chunk, left - size);
    else
      allow(chunk);
    pump();  // the rest may no longer need bandwidth
  };
  if (may_send(context_.bandwidth_of(chunk.task), left, granted)) allow(chunk);
}

void ChunkSender::allow(const WantedChunk& chunk) {
  const MutexLock lock(mutex_);
  windows_.allow(chunk);
}

std::optional<WantedChunk> ChunkSender::begin() {
  const MutexLock lock(mutex_);
  if (stopped_ || jobs_ >= kMaxJobs || ahead_bytes_ >= kMaxAheadBytes) return std::nullopt;
  auto chunk = windows_.next();
  if (!chunk) return std::nullopt;
  ++jobs_;
  ahead_bytes_ += chunk->bytes();
  return chunk;
}

void ChunkSender::read(const WantedChunk& chunk) {
  using Manifest = std::shared_ptr<const firmware::Manifest>;
  // Also after an exception: stop() waits for all reads in progress.
  const auto under_way = std::make_shared<Reading>(*this, chunk);
  context_.store.prepare(chunk.image, chunk.grid.chunk_bytes, [this, under_way](Result<Manifest> digests) {
    const auto& wanted = under_way->chunk;
    try {
      auto bytes = digests ? payload(wanted, **digests) : Result<std::string>(digests.error());
      if (bytes) {
        under_way->finished = true;
        publish(wanted, std::move(*bytes));
      } else {
        context_.refusals.write(wanted.device.str(), wanted.task, bytes.error());
      }
    } catch (...) {
      log::error(fmt::format("device={} task={}: sending chunk {} over MQTT failed with an internal error: {}",
                             wanted.device.str(), wanted.task.str(), wanted.index,
                             describe_exception(std::current_exception())));
    }
    under_way->end();
  });
}

void ChunkSender::Reading::end() {
  if (std::exchange(ended, true)) return;
  if (!finished) sender.finish(chunk, false);
  sender.pump();
  sender.read_done();
}

Result<std::string> ChunkSender::payload(const WantedChunk& chunk, const firmware::Manifest& digests) const {
  const auto image = context_.store.image(chunk.image);
  if (!image || digests.size() != chunk.grid.count())
    return fail(Errc::image_damaged, "the stored image is missing or corrupted");
  const auto& digest = digests[chunk.index];
  std::string payload(sizeof(Digest) + chunk.bytes(), '\0');
  std::copy(digest.begin(), digest.end(), payload.begin());
  const auto bytes = std::span(payload).subspan(sizeof(Digest));
  const auto offset = chunk.grid.offset(chunk.index);
  const auto got = read_at(image->descriptor(), bytes, offset, to_hex(chunk.image));
  if (got && *got == bytes.size() && firmware::sha256(std::string_view(bytes.data(), bytes.size())) == digest)
    return payload;
  // The check reads the blocks again, and quarantines the image if they are corrupt too.
  image->invalidate(offset, chunk.bytes());
  image->check(offset, chunk.bytes(), [](const Result<void>&) {});
  return fail(Errc::image_damaged, fmt::format("chunk {} no longer matches its digest and is not sent", chunk.index));
}

void ChunkSender::publish(const WantedChunk& chunk, std::string payload) {
  const auto& send = context_.hooks.publish_bulk;
  const auto sent = [this, chunk](bool written) {
    finish(chunk, written);
    pump();
  };
  if (!send || !send(group(chunk.device), topic(chunk), std::move(payload), sent)) finish(chunk, false);
}

void ChunkSender::read_done() {
  const MutexLock lock(mutex_);
  --jobs_;
  if (jobs_ == 0) idle_.notify_all();
}

void ChunkSender::finish(const WantedChunk& chunk, bool written) {
  if (written) {
    context_.engine.transfers().bytes(chunk.task.number, chunk.bytes());
    context_.mqtt_chunks.fetch_add(1, std::memory_order_relaxed);
    context_.mqtt_chunk_bytes.fetch_add(chunk.bytes(), std::memory_order_relaxed);
  } else {
    context_.mqtt_chunks_lost.fetch_add(1, std::memory_order_relaxed);
  }
  const MutexLock lock(mutex_);
  windows_.done(chunk);
  ahead_bytes_ -= chunk.bytes();
}

}  // namespace ota::download
