#include <fmt/format.h>

#include <atomic>
#include <utility>
#include <variant>

#include "device/encode.hpp"
#include "device/long_polls.hpp"
#include "device/message_log.hpp"
#include "ota/device/api.hpp"
#include "ota/download/refusal_log.hpp"

namespace ota::device {
namespace {

using MaxPayload = std::function<std::size_t(std::size_t topic_bytes)>;

bool critical(const Answer& answer) {
  return std::holds_alternative<SuccessAnswer>(answer) || std::holds_alternative<RetryAnswer>(answer) ||
         std::holds_alternative<FailedAnswer>(answer) || std::holds_alternative<CancelAnswer>(answer);
}

/// Whether messages of this type end a long poll.
bool ends_long_poll(const Answer& answer) {
  return std::holds_alternative<Offer>(answer) || std::holds_alternative<RetryAnswer>(answer) ||
         std::holds_alternative<CancelAnswer>(answer) || std::holds_alternative<SuccessAnswer>(answer) ||
         std::holds_alternative<HoldAnswer>(answer);
}

class BrokerNotifier final : public Notifier {
 public:
  BrokerNotifier(Options options, const Clock& clock, const firmware::ManifestProvider& manifests, Publish publish,
                 MaxPayload max_payload)
      : options_(std::move(options)),
        encoder_(options_, clock, manifests),
        publish_(std::move(publish)),
        max_payload_(std::move(max_payload)),
        refusals_(clock) {}

  void push(const std::string& device, const Answer& answer) override {
    // The engine repeats the others at the next request or verify, but not a cancel.
    if (ends_long_poll(answer)) {
      const auto payload_for = [&](const std::string& base) {
        auto payload = encoder_.encode(answer, base);
        return payload ? std::move(*payload) : error_payload(too_long(answer, payload.error()));
      };
      polls_.deliver(device, payload_for, std::holds_alternative<CancelAnswer>(answer));
    }
    publish(device, answer, encoder_.encode(answer, {}));
  }
  void send(const std::string& device, const Answer& answer) override { publish(device, answer, payload(answer, {})); }
  Result<std::string> payload(const Answer& answer, const std::string& base) override {
    // The device may continue, so a stored cancel is outdated.
    if (const auto* offer = offer_of(answer)) polls_.forget_kept(offer->device.str());
    return encoder_.encode(answer, base);
  }
  std::string image_url(const Offer& offer, const std::string& base) const override {
    return encoder_.image_url(offer, base);
  }
  std::string base_url(const std::string& base) const override { return encoder_.base_url(base); }
  std::optional<std::uint64_t> open_poll(const std::string& device, std::string base, PollDone done) override {
    return polls_.open(device, std::move(base), std::move(done));
  }
  void close_poll(const std::string& device, std::uint64_t poll) override { polls_.close(device, poll); }
  void stop_polls() override { polls_.stop(); }
  std::uint64_t unsent() const override { return unsent_; }
  void set_public_url(std::string url) override { encoder_.set_public_url(std::move(url)); }

 private:
  /// The largest payload of that type for the device.
  std::size_t room(const std::string& device, std::string_view type) const {
    const auto topic_bytes = options_.topic_root.size() + device.size() + type.size() + 2;
    const auto most = max_payload_ ? max_payload_(topic_bytes) : 0;
    return most > 0 ? most : std::string::npos;  // not connected yet
  }

  void publish(const std::string& device, const Answer& answer, Result<std::string> payload) {
    if (const auto most = room(device, type_of(answer)); payload && payload->size() > most)
      payload = encoder_.encode(answer, {}, most);
    if (payload) return publish(device, answer, std::move(*payload));
    const auto error = too_long(answer, payload.error());
    refusals_.write_unsent(device, error.task, type_of(answer), error.error.message);
    publish(device, error, error_payload(error, room(device, "error")));
  }

  void publish(const std::string& device, const Answer& answer, std::string payload) {
    auto topic = fmt::format("{}/{}/{}", options_.topic_root, device, type_of(answer));
    log_message("sent", "mqtt", device, topic, payload.size());
    const int qos = critical(answer) ? options_.critical_qos : options_.qos;
    if (!publish_(std::move(topic), std::move(payload), qos)) ++unsent_;
  }

  const Options options_;
  Encoder encoder_;
  const Publish publish_;
  const MaxPayload max_payload_;
  download::RefusalLog refusals_;
  LongPolls polls_;
  std::atomic<std::uint64_t> unsent_{0};
};

}  // namespace

std::unique_ptr<Notifier> Notifier::create(Options options, const Clock& clock, firmware::ManifestProvider& manifests,
                                           Publish publish, MaxPayload max_payload) {
  return std::make_unique<BrokerNotifier>(std::move(options), clock, manifests, std::move(publish),
                                          std::move(max_payload));
}

}  // namespace ota::device
