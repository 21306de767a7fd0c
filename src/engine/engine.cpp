// What callers see of the engine: each call becomes a command of the loop, and its answer leaves after the commit.
#include "ota/engine/engine.hpp"

#include <atomic>

#include "engine/action_commands.hpp"
#include "engine/commands.hpp"
#include "engine/device_latest.hpp"
#include "engine/engine_loop.hpp"
#include "engine/fleet_control.hpp"
#include "engine/key_commands.hpp"
#include "engine/orders.hpp"
#include "engine/task_service.hpp"
#include "engine/webhook_commands.hpp"

namespace ota::engine {
namespace {

/// A device's answer that may lie with a request until digests are there. Where the request goes with the service, the
/// device is told to come again.
class KeptReply {
 public:
  KeptReply(Reply reply, std::shared_ptr<const std::atomic<bool>> serving)
      : reply_(std::move(reply)), serving_(std::move(serving)) {}
  ~KeptReply() {
    if (reply_ && *serving_)
      (*this)(ErrorAnswer{fail(Errc::overloaded, "the server could not handle this message: repeat it"), {}});
  }
  KeptReply(const KeptReply&) = delete;
  KeptReply& operator=(const KeptReply&) = delete;

  void operator()(std::optional<Answer> answer) {
    if (const auto reply = std::exchange(reply_, nullptr)) reply(std::move(answer));
  }

 private:
  Reply reply_;
  const std::shared_ptr<const std::atomic<bool>> serving_;
};

std::optional<Answer> kept_within(TaskService& service, const DeviceId& device, std::optional<std::uint32_t> said,
                                  std::optional<Answer> answer) {
  if (answer) keep_within(service, device, said, *answer);
  return answer;
}

class EngineImpl final : public Engine {
 public:
  EngineImpl(storage::Backend& storage, const Options& options, const Clock& clock, Random& random, Images& images,
             DeviceNotifier& notifier)
      : loop_(storage, options, clock, random, images, notifier) {}

  ~EngineImpl() override { stop(); }

  Result<void> open() { return loop_.open(); }
  void start() override { loop_.start(); }

  void stop() override {
    loop_.stop();
    *serving_ = false;
  }

  void apply(const Options& options) override { loop_.apply(options); }

  void request(DeviceId device, Credentials who, DeviceRequest message, Reply reply) override {
    auto decide = [device, who, message = std::move(message)](TaskService& service) {
      return kept_within(service, device, message.max_message_bytes, on_request(service, device, who, message));
    };
    auto shared = std::make_shared<KeptReply>(std::move(reply), serving_);
    loop_.send({[shared, decide, device](TaskService& service) { give_when_ready(service, shared, device, decide); },
                refuse_by(shared),
                {device.str()}});
  }

  void latest(LatestQuery query, Credentials who, Reply reply) override {
    auto shared = std::make_shared<KeptReply>(std::move(reply), serving_);
    auto work = [shared, query, who](TaskService& service) {
      const auto device = device_that_asks(service, query, who);
      if (!device) return give(service, shared, ErrorAnswer{device.error(), {}});
      give_when_ready(service, shared, *device, [device = *device, query, who](TaskService& now) {
        return std::optional<Answer>{on_latest(now, device, who, query)};
      });
    };
    loop_.send({std::move(work), refuse_by(shared), {query.device ? query.device->str() : std::string()}});
  }

  void progress(DeviceId device, Credentials who, ProgressReport message, Reply reply) override {
    if (loop_.transfers().report(device.str(), who, message)) return reply({});
    auto work = [device, who, message = std::move(message)](TaskService& service) {
      return kept_within(service, device, {}, on_progress(service, device, who, message));
    };
    from_device(std::move(reply), {device.str()}, std::move(work));
  }

  void verify(DeviceId device, Credentials who, VerifyReport message, Reply reply) override {
    auto work = [device, who, message = std::move(message)](TaskService& service) {
      return kept_within(service, device, {}, on_verify(service, device, who, message));
    };
    from_device(std::move(reply), {device.str()}, std::move(work));
  }

  void set_attributes(DeviceId device, Credentials who, AttributeReport report, Reply reply) override {
    from_device(std::move(reply), {device.str()}, [device, who, report = std::move(report)](TaskService& service) {
      return on_set_attributes(service, device, who, report);
    });
  }

  void listen(DeviceId device, Credentials who, Done<std::optional<Answer>> done) override {
    submit<std::optional<Answer>>(loop_, std::move(done), {device.str()},
                                  [device, who](TaskService& service) { return on_listen(service, device, who); });
  }

  void download(DownloadClaim claim, Done<Admission> done) override {
    submit<Admission>(loop_, std::move(done), {{}, claim.task.number},
                      [claim](TaskService& service) { return Result<Admission>{on_download(service, claim)}; });
  }

  void fetch(DeviceId device, Credentials who, TaskId task, Done<ChunkAccess> done) override {
    if (const auto grant = loop_.transfers().fetch(device.str(), who, task)) return done(ChunkAccess{*grant});
    submit<ChunkAccess>(loop_, std::move(done), {device.str()}, [device, who, task](TaskService& service) {
      auto access = on_fetch(service, device, who, task);
      if (auto* told = std::get_if<Answer>(&access)) keep_within(service, device, {}, *told);
      return Result<ChunkAccess>{std::move(access)};
    });
  }

  void upgrade(UpgradeOrder order, Caller caller, Done<UpgradeOutcome> done) override {
    auto target = order.device + " " + order.version;
    order_by<UpgradeOutcome>(
        loop_, std::move(done), caller, "upgrade", std::move(target), {order.device, 0, key_of(order, caller.name)},
        [order, name = caller.name](TaskService& service) { return on_upgrade(service, order, name); });
  }

  void cancel(TaskId task, Caller caller, Done<Task> done) override {
    order_by<Task>(loop_, std::move(done), caller, "task.cancel", task.str(), {{}, task.number},
                   [task, name = caller.name](TaskService& service) { return on_cancel(service, task, name); });
  }

  void retry(TaskId task, Caller caller, Done<Task> done) override {
    order_by<Task>(loop_, std::move(done), caller, "task.retry", task.str(), {{}, task.number},
                   [task, name = caller.name](TaskService& service) { return on_retry(service, task, name); });
  }

  void set_priority(TaskId task, Priority priority, Caller caller, Done<Task> done) override {
    order_by<Task>(loop_, std::move(done), caller, "task.priority", task.str() + " " + std::string(to_string(priority)),
                   {{}, task.number}, [task, priority, name = caller.name](TaskService& service) {
                     return on_set_priority(service, task, priority, name);
                   });
  }

  void change_device(DeviceChange change, Caller caller, Done<PutDevice> done) override {
    auto target = change.device;
    order_by<PutDevice>(loop_, std::move(done), caller, change.may_create ? "device.put" : "device.patch",
                        std::move(target), {change.device},
                        [change](TaskService& service) { return on_change_device(service, change); });
  }

  void remove_device(std::string device, Caller caller, Done<void> done) override {
    order_by<void>(
        loop_, std::move(done), caller, "device.remove", device, {device},
        [device, name = caller.name](TaskService& service) { return on_remove_device(service, device, name); });
  }

  void set_device_secret(std::string device, Digest secret, Caller caller, Done<void> done) override {
    order_by<void>(loop_, std::move(done), caller, "device.token", device, {device},
                   [device, secret](TaskService& service) { return on_set_secret(service, device, secret); });
  }

  void add_firmware(Firmware firmware, Caller caller, Done<AddedFirmware> done) override {
    auto target = firmware.version + " " + firmware.hardware + " " + to_checksum(firmware.checksum);
    // Its image would stay on the disk until the next start, perhaps the disk that is full.
    Done<AddedFirmware> told = [this, image = firmware.checksum, done = std::move(done)](Result<AddedFirmware> result) {
      if (!result) loop_.image_unneeded(image);
      done(std::move(result));
    };
    order_by<AddedFirmware>(
        loop_, std::move(told), caller, "firmware.add", std::move(target), {},
        [firmware = std::move(firmware)](TaskService& service) { return on_add_firmware(service, firmware); });
  }

  void remove_firmware(std::int64_t id, Caller caller, Done<Firmware> done) override {
    order_by<Firmware>(loop_, std::move(done), caller, "firmware.remove", std::to_string(id), {},
                       [id](TaskService& service) { return on_remove_firmware(service, id); });
  }

  void image_damaged(Digest image) override { loop_.image_damaged(image); }
  void image_changed(Digest image) override { loop_.image_changed(image); }
  void image_hashed(const firmware::Stored& image) override { loop_.image_hashed(image); }

  void put_key(KeyChange change, Caller caller, Done<ApiKey> done) override {
    auto target = change.name;
    const auto* const action = action_of(change.what);
    order_by<ApiKey>(loop_, std::move(done), caller, action, std::move(target), {},
                     [change = std::move(change)](TaskService& service) { return on_put_key(service, change); });
  }
  void remove_key(std::string name, Caller caller, Done<void> done) override {
    auto target = name;
    order_by<void>(loop_, std::move(done), caller, "key.remove", std::move(target), {},
                   [name = std::move(name)](TaskService& service) { return on_remove_key(service, name); });
  }

  void audit(AuditEntry entry) override {
    loop_.send({[entry = std::move(entry)](TaskService& service) { service.audit(entry); }, [](const Error&) {}});
  }

  void key_used(std::string name) override {
    loop_.later([name = std::move(name)](TaskService& service) { service.rows.api_keys.used(name, service.wall()); });
  }

  void note_health(std::string component, std::string trouble) override {
    loop_.later([component = std::move(component), trouble = std::move(trouble)](TaskService& service) {
      service.events.server(trouble.empty() ? EventType::server_recovered : EventType::server_degraded, component,
                            trouble);
    });
  }

  Actions& actions() noexcept override { return actions_; }
  FleetControl& fleet() noexcept override { return fleet_; }
  WebhookControl& webhooks() noexcept override { return webhooks_; }
  ActiveTransfers& transfers() noexcept override { return loop_.transfers(); }
  Stats stats() const override { return loop_.stats(); }

 private:
  /// The answer goes before what the command brings others, and the device itself.
  template <class R>
  static void give(TaskService& service, const std::shared_ptr<R>& reply, std::optional<Answer> answer) {
    service.after_commit([reply, answer = std::move(answer)] { (*reply)(answer); });
    service.scheduler.schedule();
  }

  /// Digests may be on their way: the same request again in a moment brings the offer.
  template <class Decide>
  static void give_when_ready(TaskService& service, const std::shared_ptr<KeptReply>& reply, const DeviceId& device,
                              Decide decide) {
    auto answer = decide(service);
    const bool later = answer && std::holds_alternative<QueuedAnswer>(*answer) &&
                       service.digests.defer(device.str(), [reply, decide](TaskService& again) {
                         give(again, reply, decide(again));
                       });
    if (!later) give(service, reply, std::move(answer));
  }

  template <class R>
  static std::function<void(Error)> refuse_by(const std::shared_ptr<R>& reply) {
    return [reply](Error error) { (*reply)(ErrorAnswer{std::move(error), {}}); };
  }

  template <class Work>
  void from_device(Reply reply, About about, Work work) {
    auto shared = std::make_shared<Reply>(std::move(reply));
    loop_.send({[shared, work = std::move(work)](TaskService& service) { give(service, shared, work(service)); },
                refuse_by(shared), std::move(about)});
  }

  const std::shared_ptr<std::atomic<bool>> serving_ = std::make_shared<std::atomic<bool>>(true);
  EngineLoop loop_;
  ActionCommands actions_{loop_};
  FleetCommands fleet_{loop_};
  WebhookCommands webhooks_{loop_};
};

}  // namespace

Result<std::unique_ptr<Engine>> Engine::create(storage::Backend& storage, Options options, const Clock& clock,
                                               Random& random, Images& images, DeviceNotifier& notifier) {
  auto engine = std::make_unique<EngineImpl>(storage, options, clock, random, images, notifier);
  if (auto opened = engine->open(); !opened) return opened.error();
  return std::unique_ptr<Engine>(std::move(engine));
}

}  // namespace ota::engine
