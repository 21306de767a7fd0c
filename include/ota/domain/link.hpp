// How good a device's link is, from what was measured and what the device says: a smoothed record and a verdict.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "ota/base/clock.hpp"
#include "ota/domain/messages.hpp"

namespace ota {

enum class LinkVerdict : std::uint8_t { unknown, good, fair, poor };
std::string_view to_string(LinkVerdict verdict);

/// What was measured on a device's connections since the last look.
struct LinkSample {
  std::optional<double> rtt_ms;
  std::uint64_t segments = 0;  ///< that were sent
  std::uint64_t resent = 0;    ///< of these, sent again
  std::optional<double> rate;  ///< bytes/s at which the peer took them, where the line was what held them up
  std::uint64_t acked = 0;     ///< bytes that arrived

  /// Takes over what `newer` saw.
  void merge(const LinkSample& newer);
};

/// What went wrong on a link.
enum class LinkTrouble : std::uint8_t { stall, resume, mismatch, broken };

/// A value; its times are on the engine's timeline.
///
/// A figure speaks for `fair` or `poor` from these on: round trip 250 and 1,000 ms, loss 2 and 8 %, rate below 64 and
/// 16 KiB/s, signal below -95 and -110 dBm, trouble 2 and 5; the worst counts. A stall counts 2, a chunk that arrived
/// wrong 1, a reply that was cut 1, a device that came back amid a download 0.5; all of it halves in ten minutes. The
/// verdict becomes worse after two looks in a row that say so, better after six; the first is taken at once.
struct LinkRecord {
  std::optional<double> rtt_ms;  ///< measured, smoothed
  std::optional<double> loss;    ///< share of segments sent again, 0 to 1, smoothed
  std::optional<double> rate;    ///< bytes/s, smoothed
  double trouble = 0;            ///< at `trouble_at`
  Millis trouble_at{0};
  std::uint32_t stalls = 0;  ///< these four: ever since the device is known
  std::uint32_t resumes = 0;
  std::uint32_t mismatches = 0;
  std::uint32_t broken = 0;
  LinkVerdict verdict = LinkVerdict::unknown;
  LinkVerdict leaning = LinkVerdict::unknown;  ///< what the last looks said
  std::uint32_t looks = 0;                     ///< how many of them in a row
  Millis mqtt_heard{0};                        ///< when it last said something over MQTT
  Millis mqtt_first_until{0};                  ///< until then MQTT is recommended before HTTP; 0: it isn't

  void see(const LinkSample& sample);
  void add(LinkTrouble trouble, Millis now);
  double trouble_now(Millis now) const;
  /// One look at all figures, the device's own too; brings the verdict up to date.
  void judge(const LinkReport& said, Millis now);
};

}  // namespace ota
