// When a connection is cut for want of progress.
#pragma once

#include <algorithm>
#include <cstdint>

namespace ota::http {

/// A peer that is waited for must move something within the first span, and kLeastRate in the long run: one that sends
/// or takes a byte now and then would hold its connection for ever. Each byte that it moves pays for 1 / kLeastRate
/// seconds, up to kGrace spans ahead, so a peer may be silent for a while after a burst: how its receive window opens
/// is not its application's choice. Counts in ticks of its worker.
class Deadline {
 public:
  /// Bytes a second, below the worst link that an image could ever be fetched over.
  static constexpr double kLeastRate = 64;
  /// So many times kLeastRate is what nobody needs to hold a connection for nothing.
  static constexpr double kSteady = 8;
  /// How many spans a phase may take without any speed.
  static constexpr std::uint32_t kGrace = 2;

  Deadline(const std::uint32_t& now, std::uint32_t span, double tick_seconds)
      : now_(now), span_(span), bytes_per_tick_(kLeastRate * tick_seconds) {}

  /// A new phase begins: a request, a reply.
  void touch() {
    suspended_ = false;
    begun_ = now_;
    moved_ = 0;
    at_ = now_ + span_;
    paid_until_ = now_ + kGrace * span_;
  }
  /// The peer sent, took or acknowledged so many bytes. Passed over while it isn't the peer that is waited for.
  void moved(std::uint64_t bytes) {
    if (bytes == 0 || suspended_) return;
    moved_ += bytes;
    paid_until_ = std::min(paid_until_ + static_cast<double>(bytes) / bytes_per_tick_, 1.0 * now_ + kGrace * span_);
    at_ = paid_until_;
  }
  /// At most `ticks` from now.
  void shorten(std::uint32_t ticks) {
    suspended_ = false;
    at_ = now_ + std::min(ticks, span_);
    paid_until_ = at_;
  }
  /// It isn't the peer that is waited for.
  void suspend() {
    if (!suspended_) since_ = now_;
    suspended_ = true;
  }
  /// The phase goes on.
  void resume() {
    if (!suspended_) return;
    suspended_ = false;
    at_ += now_ - since_;
    paid_until_ += now_ - since_;
  }
  /// The peer is waited for, and brings less than kSteady times kLeastRate since the phase began.
  bool owed() const {
    return !suspended_ && static_cast<double>(moved_) < kSteady * bytes_per_tick_ * (now_ - begun_ + 1);
  }
  bool suspended() const { return suspended_; }
  bool passed() const { return !suspended_ && now_ > at_; }

 private:
  const std::uint32_t& now_;
  const std::uint32_t span_;
  const double bytes_per_tick_;
  std::uint32_t begun_ = 0;  // of the phase
  std::uint64_t moved_ = 0;  // in it
  double at_ = 0;            // in ticks, as the next
  double paid_until_ = 0;    // becomes `at_` with the first byte
  std::uint32_t since_ = 0;  // when it was suspended
  bool suspended_ = true;    // nothing is waited for before the first touch()
};

}  // namespace ota::http
