// When a connection is cut for want of progress.
#pragma once

#include <algorithm>
#include <cstdint>

namespace ota::http {

/// A peer that is waited for must move something within each span, and in the long run kLeastRate: one that sends or
/// takes a byte now and then would hold its connection for ever. Counts in ticks of its worker.
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
    until_ = now_ + kGrace * span_;
  }
  /// The peer sent or took so many bytes.
  void moved(std::size_t bytes) {
    moved_ += bytes;
    if (bytes == 0 || at_ == 0) return;
    at_ = now_ + span_;
    until_ = std::min(until_ + static_cast<double>(bytes) / bytes_per_tick_, 1.0 * now_ + kGrace * span_);
  }
  /// At most `ticks` from now.
  void shorten(std::uint32_t ticks) {
    at_ = now_ + std::min(ticks, span_);
    until_ = at_;
  }
  /// It isn't the peer that is waited for.
  void suspend() {
    if (!suspended_) since_ = now_;
    suspended_ = true;
    at_ = 0;
  }
  /// The phase goes on.
  void resume() {
    if (suspended_) until_ += now_ - since_;
    suspended_ = false;
    at_ = now_ + span_;
  }
  /// The peer is waited for, and brings less than kSteady times kLeastRate since the phase began.
  bool owed() const {
    return at_ != 0 && static_cast<double>(moved_) < kSteady * bytes_per_tick_ * (now_ - begun_ + 1);
  }
  bool passed() const { return at_ != 0 && (now_ > at_ || now_ > until_); }

 private:
  const std::uint32_t& now_;  // > 0
  const std::uint32_t span_;
  const double bytes_per_tick_;
  std::uint32_t begun_ = 0;  // of the phase
  std::uint64_t moved_ = 0;  // in it
  std::uint32_t at_ = 0;     // 0: none
  double until_ = 0;         // in ticks
  std::uint32_t since_ = 0;  // when it was suspended
  bool suspended_ = false;
};

}  // namespace ota::http
