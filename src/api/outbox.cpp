#include <fmt/format.h>

#include <atomic>
#include <utility>
#include <variant>

#include "api/device_encode.hpp"
#include "api/device_lines.hpp"
#include "ota/api/device_api.hpp"

namespace ota::api {
namespace {

bool critical(const Answer& answer) {
  return std::holds_alternative<SuccessAnswer>(answer) || std::holds_alternative<RetryAnswer>(answer) ||
         std::holds_alternative<FailedAnswer>(answer) || std::holds_alternative<CancelAnswer>(answer);
}

/// What `next` is for.
bool told_by_next(const Answer& answer) {
  return std::holds_alternative<Offer>(answer) || std::holds_alternative<RetryAnswer>(answer) ||
         std::holds_alternative<CancelAnswer>(answer);
}

/// What tells the device to go on, so that a cancel from before no longer holds.
const Offer* offer_of(const Answer& answer) {
  const auto* retry = std::get_if<RetryAnswer>(&answer);
  return retry ? &retry->offer : std::get_if<Offer>(&answer);
}

class BrokerOutbox final : public Outbox {
 public:
  BrokerOutbox(DeviceOptions options, const Clock& clock, const firmware::Grids& grids, Publish publish)
      : options_(std::move(options)), encoder_(options_, clock, grids), publish_(std::move(publish)) {}

  void push(const std::string& device, const Answer& answer) override {
    // Offers and retries are the engine's to repeat; of a cancel nothing is left there.
    if (told_by_next(answer)) {
      const auto payload_for = [&](const std::string& base) { return encoder_.payload(answer, base); };
      lines_.deliver(device, payload_for, std::holds_alternative<CancelAnswer>(answer));
    }
    publish(device, answer, encoder_.payload(answer, {}));
  }
  void send(const std::string& device, const Answer& answer) override { publish(device, answer, payload(answer, {})); }
  std::string payload(const Answer& answer, const std::string& base) override {
    if (const auto* offer = offer_of(answer)) lines_.forget_kept(offer->device.str());
    return encoder_.payload(answer, base);
  }
  std::optional<std::uint64_t> open_line(const std::string& device, std::string base, LineDone done) override {
    return lines_.open(device, std::move(base), std::move(done));
  }
  void close_line(const std::string& device, std::uint64_t line) override { lines_.close(device, line); }
  void stop_lines() override { lines_.stop(); }
  std::uint64_t unsent() const override { return unsent_; }
  void set_public_url(std::string url) override { encoder_.set_public_url(std::move(url)); }

 private:
  void publish(const std::string& device, const Answer& answer, std::string payload) {
    auto topic = fmt::format("{}/{}/{}", options_.topic_root, device, type_of(answer));
    const int qos = critical(answer) ? options_.critical_qos : options_.qos;
    if (!publish_(std::move(topic), std::move(payload), qos)) ++unsent_;
  }

  const DeviceOptions options_;
  DeviceEncoder encoder_;
  const Publish publish_;
  DeviceLines lines_;
  std::atomic<std::uint64_t> unsent_{0};
};

}  // namespace

std::unique_ptr<Outbox> Outbox::create(DeviceOptions options, const Clock& clock, firmware::Grids& grids,
                                       Publish publish) {
  return std::make_unique<BrokerOutbox>(std::move(options), clock, grids, std::move(publish));
}

}  // namespace ota::api
