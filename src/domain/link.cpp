#include "ota/domain/link.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace ota {
namespace {

constexpr std::array<std::string_view, 4> kVerdicts{"unknown", "good", "fair", "poor"};
constexpr double kWeight = 0.3;  // of the newest value
constexpr double kTroubleHalves = 600'000;
constexpr std::uint32_t kLooksToWorse = 2;
constexpr std::uint32_t kLooksToBetter = 6;
constexpr std::uint64_t kFewSegments = 32;  // a share of fewer segments is less significant and has less weight

struct Threshold {
  double fair;
  double poor;
};
constexpr Threshold kRtt{250, 1'000};
constexpr Threshold kLoss{0.02, 0.08};
constexpr Threshold kSlowness{-64 * 1024.0, -16 * 1024.0};
constexpr Threshold kWeakness{95, 110};
constexpr Threshold kTrouble{2, 5};

void smooth(std::optional<double>& kept, double newer, double weight = kWeight) {
  kept = kept ? *kept + weight * (newer - *kept) : newer;
}

/// The rating of one value; larger is worse.
LinkVerdict verdict_of(double figure, const Threshold& from) {
  if (figure >= from.poor) return LinkVerdict::poor;
  return figure >= from.fair ? LinkVerdict::fair : LinkVerdict::good;
}

}  // namespace

std::string_view to_string(LinkVerdict verdict) { return kVerdicts.at(static_cast<std::size_t>(verdict)); }

void LinkSample::merge(const LinkSample& newer) {
  if (newer.rtt_ms) rtt_ms = newer.rtt_ms;
  if (newer.rate) rate = newer.rate;
  segments += newer.segments;
  resent += newer.resent;
  acked += newer.acked;
}

void LinkRecord::see(const LinkSample& sample) {
  if (sample.rtt_ms) smooth(rtt_ms, *sample.rtt_ms);
  if (sample.rate) smooth(rate, *sample.rate);
  if (sample.segments == 0) return;
  const auto sent = static_cast<double>(sample.segments);
  const double share = std::min(1.0, static_cast<double>(sample.resent) / sent);
  const double weight = kWeight * std::min(1.0, sent / kFewSegments);
  if (!loss) loss = 0;
  smooth(loss, share, weight);
}

double LinkRecord::trouble_now(Millis now) const {
  const auto age = static_cast<double>(std::max<std::int64_t>(0, (now - trouble_at).count()));
  return trouble * std::exp2(-age / kTroubleHalves);
}

void LinkRecord::add(LinkTrouble kind, Millis now) {
  double weight = 1;
  switch (kind) {
    case LinkTrouble::stall:
      ++stalls;
      weight = 2;
      break;
    case LinkTrouble::resume:
      ++resumes;
      weight = 0.5;
      break;
    case LinkTrouble::mismatch:
      ++mismatches;
      break;
    case LinkTrouble::broken:
      ++broken;
      break;
  }
  trouble = trouble_now(now) + weight;
  trouble_at = now;
}

void LinkRecord::judge(const LinkReport& said, Millis now) {
  auto worst = LinkVerdict::unknown;
  const auto count = [&worst](const std::optional<double>& figure, const Threshold& from) {
    if (figure) worst = std::max(worst, verdict_of(*figure, from));
  };
  count(rtt_ms, kRtt);
  count(said.rtt_ms, kRtt);
  count(loss, kLoss);
  count(said.loss, kLoss);
  if (rate) count(-*rate, kSlowness);
  if (said.rssi) count(-*said.rssi, kWeakness);
  const double troubled = trouble_now(now);
  if (worst != LinkVerdict::unknown || troubled >= kTrouble.fair) count(troubled, kTrouble);
  if (worst == LinkVerdict::unknown) return;

  looks = worst == leaning ? looks + 1 : 1;
  leaning = worst;
  const auto needed = verdict == LinkVerdict::unknown ? 1 : worst > verdict ? kLooksToWorse : kLooksToBetter;
  if (looks >= needed) verdict = worst;
}

}  // namespace ota
