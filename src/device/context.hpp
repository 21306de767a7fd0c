// State that the MQTT and the HTTP transport share.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "ota/device/api.hpp"
#include "ota/download/service.hpp"

namespace ota::device {

struct Context {
  Context(Options device_options, const Clock& clock, engine::Engine& the_engine, firmware::Store& store,
          Notifier& the_notifier, download::Hooks hooks)
      : options(std::move(device_options)),
        engine(the_engine),
        notifier(the_notifier),
        throttle(clock),
        refusals(clock),
        downloads(download::Service::create({options.topic_root, options.signing_keys}, clock, engine, store, throttle,
                                            refusals, std::move(hooks))) {}

  /// Base of URLs for a client that reached the server this way; empty: the public URL.
  std::string base_url(const http::Request& request) const {
    const auto host = request.authority();
    if (!options.public_url.empty() || host.empty()) return {};
    return std::string(options.tls ? "https://" : "http://").append(host);
  }

  const Options options;
  engine::Engine& engine;
  Notifier& notifier;
  download::AuthThrottle throttle;
  download::RefusalLog refusals;
  const std::unique_ptr<download::Service> downloads;
  std::atomic<std::uint64_t> messages{0};
  std::atomic<std::uint64_t> bad_messages{0};
  std::atomic<std::uint64_t> dropped{0};
};

}  // namespace ota::device
