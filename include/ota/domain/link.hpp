// The quality of a device's link, from the server's measurements and the device's reports.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "ota/base/clock.hpp"
#include "ota/domain/messages.hpp"

namespace ota {

enum class LinkVerdict : std::uint8_t { unknown, good, fair, poor };
std::string_view to_string(LinkVerdict verdict);

/// Measurements of a device's connections since the last sample.
struct LinkSample {
  std::optional<double> rtt_ms;
  std::uint64_t segments = 0;  ///< sent
  std::uint64_t resent = 0;    ///< of these, retransmitted
  std::optional<double> rate;  ///< bytes/s at which the peer received them, if the link was the bottleneck
  std::uint64_t acked = 0;     ///< bytes acknowledged by the peer

  /// Adds the measurements of `newer`.
  void merge(const LinkSample& newer);
};

/// An incident on a link.
enum class LinkTrouble : std::uint8_t { stall, resume, mismatch, broken };

/// A value; its times are the engine's persistent time.
///
/// Thresholds of `fair` and `poor`: round trip 250 and 1,000 ms, loss 2 and 8 %, rate below 64 and 16 KiB/s, signal
/// below -95 and -110 dBm, incidents 2 and 5; the worst value counts. A stall counts 2, a corrupt chunk 1, an aborted
/// reply 1, a device that reconnects during a download 0.5; the sum halves in ten minutes. The quality becomes worse
/// after two samples in a row that say so, better after six; the first sample is used at once.
struct LinkRecord {
  std::optional<double> rtt_ms;  ///< measured, smoothed
  std::optional<double> loss;    ///< share of retransmitted segments, 0 to 1, smoothed
  std::optional<double> rate;    ///< bytes/s, smoothed
  double trouble = 0;            ///< at `trouble_at`
  Millis trouble_at{0};
  std::uint32_t stalls = 0;  ///< these four: since the device is known
  std::uint32_t resumes = 0;
  std::uint32_t mismatches = 0;
  std::uint32_t broken = 0;
  LinkVerdict verdict = LinkVerdict::unknown;
  LinkVerdict leaning = LinkVerdict::unknown;  ///< quality by the last samples
  std::uint32_t looks = 0;                     ///< number of these samples in a row
  Millis mqtt_heard{0};                        ///< time of its last message over MQTT
  Millis mqtt_first_until{0};                  ///< until then MQTT is recommended before HTTP; 0: it isn't

  void see(const LinkSample& sample);
  void add(LinkTrouble trouble, Millis now);
  double trouble_now(Millis now) const;
  /// Takes one sample of all values, including the device's reports, and updates the quality.
  void judge(const LinkReport& said, Millis now);
};

}  // namespace ota
