#include "ota/download/service.hpp"

#include <utility>

#include "download/chunk_sender.hpp"
#include "download/context.hpp"
#include "download/downloads.hpp"
#include "download/path.hpp"

namespace ota::download {
namespace {

class ServiceParts final : public Service {
 public:
  ServiceParts(Options options, const Clock& clock, engine::Engine& engine, firmware::Store& store,
               AuthThrottle& throttle, RefusalLog& refusals, Hooks hooks)
      : context_{std::move(options), clock, engine, store, throttle, refusals, std::move(hooks)} {}

  bool owns(std::string_view path) const override { return path.starts_with(kDownloadPrefix); }
  boost::asio::awaitable<http::Reply> handle(http::Request& request) override { return downloads_.handle(request); }
  Result<http::Reply> file(const http::Request& request, const engine::ArtifactGrant& grant) override {
    return downloads_.file(request, grant);
  }
  Result<void> send_chunks(const DeviceId& device, const ChunkRequest& request,
                           const engine::ChunkGrant& grant) override {
    return chunks_.send(device, request, grant);
  }
  void stop_chunks() override { chunks_.stop(); }
  DeviceCounters counters() const override {
    DeviceCounters counters;
    counters.downloads = context_.downloads;
    counters.mqtt_chunks = context_.mqtt_chunks;
    counters.mqtt_chunk_bytes = context_.mqtt_chunk_bytes;
    counters.mqtt_chunks_lost = context_.mqtt_chunks_lost;
    return counters;
  }

 private:
  Context context_;
  ChunkSender chunks_{context_};
  Downloads downloads_{context_};
};

}  // namespace

std::unique_ptr<Service> Service::create(Options options, const Clock& clock, engine::Engine& engine,
                                         firmware::Store& store, AuthThrottle& throttle, RefusalLog& refusals,
                                         Hooks hooks) {
  return std::make_unique<ServiceParts>(std::move(options), clock, engine, store, throttle, refusals, std::move(hooks));
}

}  // namespace ota::download
