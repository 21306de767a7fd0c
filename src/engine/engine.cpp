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
#include "engine/registry_control.hpp"
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

  void receive(DeviceId device, Credentials who, DeviceMessage message, Reply reply) override {
    const auto* report = std::get_if<ProgressReport>(&message);
    if (report && loop_.transfers().report(device.str(), who, *report)) return reply({});
    const auto* request = std::get_if<DeviceRequest>(&message);
    const bool asks = request != nullptr;
    const auto said = asks ? request->max_message_bytes : std::nullopt;
    auto decide = [device, who, said, message = std::move(message)](TaskService& service) {
      auto answer = std::visit([&](const auto& one) { return on_message(service, device, who, one); }, message);
      if (answer) keep_within(service, device, said, *answer);
      return answer;
    };
    auto shared = std::make_shared<KeptReply>(std::move(reply), serving_);
    auto work = [shared, device, asks, decide = std::move(decide)](TaskService& service) {
      asks ? give_when_ready(service, shared, device, decide) : give(service, shared, decide(service));
    };
    loop_.send({std::move(work), refuse_by(shared), {device.str()}});
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

  void audit(AuditEntry entry) override {
    loop_.send({[entry = std::move(entry)](TaskService& service) { service.audit(entry); }, [](const Error&) {}});
  }

  void note_health(std::string component, std::string trouble) override {
    loop_.later([component = std::move(component), trouble = std::move(trouble)](TaskService& service) {
      service.events.server(trouble.empty() ? EventType::server_recovered : EventType::server_degraded, component,
                            trouble);
    });
  }

  Actions& actions() noexcept override { return actions_; }
  FleetControl& fleet() noexcept override { return fleet_; }
  RegistryControl& registry() noexcept override { return registry_; }
  KeyControl& keys() noexcept override { return keys_; }
  ImageObserver& images() noexcept override { return loop_; }
  WebhookControl& webhooks() noexcept override { return webhooks_; }
  ActiveTransfers& transfers() noexcept override { return loop_.transfers(); }
  Stats stats() const override { return loop_.stats(); }

 private:
  /// The answer goes before what the command brings others, and the device itself.
  static void give(TaskService& service, const std::shared_ptr<KeptReply>& reply, std::optional<Answer> answer) {
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

  static std::function<void(Error)> refuse_by(const std::shared_ptr<KeptReply>& reply) {
    return [reply](Error error) { (*reply)(ErrorAnswer{std::move(error), {}}); };
  }

  const std::shared_ptr<std::atomic<bool>> serving_ = std::make_shared<std::atomic<bool>>(true);
  EngineLoop loop_;
  ActionCommands actions_{loop_};
  FleetCommands fleet_{loop_};
  RegistryCommands registry_{loop_};
  KeyCommands keys_{loop_};
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
