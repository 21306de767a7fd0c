// The engine's thread: takes what waits, one transaction for all of it, one commit, then the effects.
#include "ota/engine/engine.hpp"

#include <pthread.h>

#include <atomic>
#include <set>
#include <thread>

#include "engine/command_queue.hpp"
#include "engine/commands.hpp"
#include "engine/ledger.hpp"
#include "ota/base/log.hpp"

namespace ota::engine {
namespace {

using std::chrono::steady_clock;

constexpr Millis kFlushEvery{1'000};  // what the board knows is written down that often
constexpr Millis kHousekeepingEvery{60'000};
constexpr Millis kHousekeepingOn{1'000};  // while more is left
constexpr Millis kReopenEvery{1'000};     // tries, while the database can't be written
constexpr Millis kLongestSleep{1'000};    // keeps last_turn young for the watchdog

/// A device's answer that may lie with a request until digests are there. Where the request goes with the ledger, the
/// device is told to come again.
class KeptReply {
 public:
  KeptReply(Reply reply, std::shared_ptr<const std::atomic<bool>> serving)
      : reply_(std::move(reply)), serving_(std::move(serving)) {}
  ~KeptReply() {
    if (reply_ && *serving_)
      (*this)(ErrorAnswer{fail(Errc::overloaded, "the server could not decide this: ask again"), {}});
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
  EngineImpl(std::string path, Options options, const Clock& clock, Random& random, Images& images, Courier& courier)
      : path_(std::move(path)),
        options_(options),
        clock_(clock),
        random_(random),
        images_(images),
        courier_(courier),
        let_go_(std::move(options.let_go)),
        queue_(options.max_waiting),
        board_(clock, [this] { queue_.stir(); }) {}

  ~EngineImpl() override { stop(); }

  Result<void> open() {
    auto db = storage::Database::open(path_, storage::Mode::writer);
    if (!db) return db.error();
    try {
      db_ = std::move(db.value());
      ledger_ = std::make_unique<Ledger>(*db_, options(), clock_, random_, board_, images_, courier_,
                                         [this](std::function<void(Ledger&)> job) { later(std::move(job)); });
      ledger_->stats = counters_;
      ledger_->resync();
    } catch (const storage::Fault& e) {
      ledger_.reset();
      db_.reset();
      return fail(Errc::server_fault, "the database " + path_ + " can't be read: " + e.what());
    }
    return {};
  }

  void start() override {
    thread_ = std::thread([this] { loop(); });
    pthread_setname_np(thread_.native_handle(), "otad-engine");
    later([](Ledger& ledger) { ledger.resume_active(); });
  }

  void stop() override {
    queue_.close();
    if (thread_.joinable()) thread_.join();
    *serving_ = false;
  }

  void apply(const Options& options) override {
    std::lock_guard lock(mutex_);
    options_ = options;
    options_changed_ = true;
  }

  void request(DeviceId device, Credentials who, DeviceRequest message, Reply reply) override {
    auto shared = std::make_shared<KeptReply>(std::move(reply), serving_);
    auto decide = [device, who, message = std::move(message)](Ledger& ledger) {
      return on_request(ledger, device, who, message);
    };
    send({[shared, decide, device = device.str()](Ledger& ledger) {
            auto answer = decide(ledger);
            // Digests are on their way: the same request again in a moment brings the offer.
            const bool later =
                answer && std::holds_alternative<QueuedAnswer>(*answer) &&
                ledger.defer(device, [shared, decide](Ledger& then) { give(then, shared, decide(then)); });
            if (!later) give(ledger, shared, std::move(answer));
          },
          [shared](Error error) {
            (*shared)(ErrorAnswer{std::move(error), {}});
          }});
  }

  void progress(DeviceId device, Credentials who, ProgressReport message, Reply reply) override {
    if (board_.report(device.str(), who, message)) return reply({});
    from_device(std::move(reply), [device = std::move(device), who, message = std::move(message)](Ledger& ledger) {
      return on_progress(ledger, device, who, message);
    });
  }

  void verify(DeviceId device, Credentials who, VerifyReport message, Reply reply) override {
    from_device(std::move(reply), [device = std::move(device), who, message = std::move(message)](Ledger& ledger) {
      return on_verify(ledger, device, who, message);
    });
  }

  void listen(DeviceId device, Credentials who, Done<std::optional<Answer>> done) override {
    submit<std::optional<Answer>>(
        std::move(done), [device = std::move(device), who](Ledger& ledger) { return on_listen(ledger, device, who); });
  }

  void download(DownloadClaim claim, Done<Admission> done) override {
    submit<Admission>(std::move(done), [claim = std::move(claim)](Ledger& ledger) {
      return Result<Admission>{on_download(ledger, claim)};
    });
  }

  void fetch(DeviceId device, Credentials who, TaskId task, Done<ChunkAccess> done) override {
    if (const auto grant = board_.fetch(device.str(), who, task)) return done(ChunkAccess{*grant});
    submit<ChunkAccess>(std::move(done), [device = std::move(device), who, task](Ledger& ledger) {
      return Result<ChunkAccess>{on_fetch(ledger, device, who, task)};
    });
  }

  void upgrade(UpgradeOrder order, Caller caller, Done<UpgradeOutcome> done) override {
    auto target = order.device + " " + order.version;
    order_by<UpgradeOutcome>(
        std::move(done), caller, "upgrade", std::move(target),
        [order = std::move(order), name = caller.name](Ledger& ledger) { return on_upgrade(ledger, order, name); });
  }

  void cancel(TaskId task, Caller caller, Done<Task> done) override {
    order_by<Task>(std::move(done), caller, "task.cancel", task.str(),
                   [task, name = caller.name](Ledger& ledger) { return on_cancel(ledger, task, name); });
  }

  void retry(TaskId task, Caller caller, Done<Task> done) override {
    order_by<Task>(std::move(done), caller, "task.retry", task.str(),
                   [task, name = caller.name](Ledger& ledger) { return on_retry(ledger, task, name); });
  }

  void set_priority(TaskId task, Priority priority, Caller caller, Done<Task> done) override {
    order_by<Task>(
        std::move(done), caller, "task.priority", task.str() + " " + std::string(to_string(priority)),
        [task, priority, name = caller.name](Ledger& ledger) { return on_set_priority(ledger, task, priority, name); });
  }

  void put_device(Device device, Caller caller, Done<PutDevice> done) override {
    auto target = device.id;
    order_by<PutDevice>(std::move(done), caller, "device.put", std::move(target),
                        [device = std::move(device)](Ledger& ledger) { return on_put_device(ledger, device); });
  }

  void remove_device(std::string device, Caller caller, Done<void> done) override {
    order_by<void>(std::move(done), caller, "device.remove", device,
                   [device, name = caller.name](Ledger& ledger) { return on_remove_device(ledger, device, name); });
  }

  void set_device_secret(std::string device, Digest secret, Caller caller, Done<void> done) override {
    order_by<void>(std::move(done), caller, "device.token", device,
                   [device, secret](Ledger& ledger) { return on_set_secret(ledger, device, secret); });
  }

  void add_firmware(Firmware firmware, Caller caller, Done<AddedFirmware> done) override {
    auto target = firmware.version + " " + firmware.hardware + " " + to_checksum(firmware.checksum);
    // Its image would stay on the disk until the next start, perhaps the disk that is full.
    Done<AddedFirmware> told = [this, image = firmware.checksum, done = std::move(done)](Result<AddedFirmware> result) {
      if (!result) note(unneeded_, image);
      done(std::move(result));
    };
    order_by<AddedFirmware>(
        std::move(told), caller, "firmware.add", std::move(target),
        [firmware = std::move(firmware)](Ledger& ledger) { return on_add_firmware(ledger, firmware); });
  }

  void remove_firmware(std::int64_t id, Caller caller, Done<Firmware> done) override {
    order_by<Firmware>(std::move(done), caller, "firmware.remove", std::to_string(id),
                       [id](Ledger& ledger) { return on_remove_firmware(ledger, id); });
  }

  void image_damaged(Digest image) override { note(damaged_, image); }

  void audit(AuditEntry entry) override {
    send({[entry = std::move(entry)](Ledger& ledger) { ledger.audit(entry); }, [](const Error&) {}});
  }

  void key_used(std::string name) override {
    later([name = std::move(name)](Ledger& ledger) { ledger.keys.used(name, ledger.wall()); });
  }

  TransferBoard& board() noexcept override { return board_; }

  Stats stats() const override {
    std::lock_guard lock(mutex_);
    auto stats = published_;
    stats.waiting = queue_.size();
    stats.refused = refused_.load(std::memory_order_relaxed);
    stats.last_turn = Millis{last_turn_.load(std::memory_order_relaxed)};
    return stats;
  }

 private:
  Options options() const {
    std::lock_guard lock(mutex_);
    return options_;
  }

  void send(Command command) {
    const auto put = queue_.put(command);
    if (put == CommandQueue::Put::taken) return;
    if (put == CommandQueue::Put::closed) return command.failed(fail(Errc::cancelled, "the server is stopping"));
    refused_.fetch_add(1, std::memory_order_relaxed);
    auto full = fail(Errc::overloaded, "too much waits to be decided: try again later");
    full.retry_after_s = spread_s();
    command.failed(std::move(full));
  }

  /// A job of the engine's own; one that fails is repeated by whoever asked for it.
  void later(std::function<void(Ledger&)> job) {
    Command command{std::move(job), [](const Error&) {}};
    queue_.put(command, true);
  }

  template <class T, class Work>
  void submit(Done<T> done, Work work) {
    auto shared = std::make_shared<Done<T>>(std::move(done));
    send({[shared, work = std::move(work)](Ledger& ledger) {
            auto result = work(ledger);
            ledger.after_commit([shared, result = std::move(result)] { (*shared)(result); });
            ledger.settle();
          },
          [shared](Error error) { (*shared)(std::move(error)); }});
  }

  /// An operator's command: what was done is in the audit log with it. What was refused the api tells by audit().
  template <class T, class Work>
  void order_by(Done<T> done, const Caller& caller, std::string action, std::string target, Work work) {
    AuditEntry entry;
    entry.caller = caller;
    entry.action = std::move(action);
    entry.target = std::move(target);
    entry.outcome = "done";
    submit<T>(std::move(done), [entry = std::move(entry), work = std::move(work)](Ledger& ledger) {
      auto result = work(ledger);
      if (result) ledger.audit(entry);
      return result;
    });
  }

  /// The answer goes before what the command brings others, and the device itself.
  template <class R>
  static void give(Ledger& ledger, const std::shared_ptr<R>& reply, std::optional<Answer> answer) {
    ledger.after_commit([reply, answer = std::move(answer)] { (*reply)(answer); });
    ledger.settle();
  }

  template <class Work>
  void from_device(Reply reply, Work work) {
    auto shared = std::make_shared<Reply>(std::move(reply));
    send({[shared, work = std::move(work)](Ledger& ledger) { give(ledger, shared, work(ledger)); },
          [shared](Error error) {
            (*shared)(ErrorAnswer{std::move(error), {}});
          }});
  }

  void loop() {
    while (!queue_.done()) {
      last_turn_.store(clock_.steady().count(), std::memory_order_relaxed);
      auto commands = queue_.take(next_turn(), max_batch());
      if (!ledger_ && !reopen()) {
        for (auto& command : commands) command.failed(unwritable());
        continue;
      }
      if (!turn(commands)) reopen();
    }
    if (ledger_) {
      std::vector<Command> last{{[](Ledger& ledger) {
                                   ledger.flush_board();
                                   ledger.housekeeping();
                                 },
                                 [](const Error&) {}}};
      turn(last);
    }
  }

  /// Kept until a commit says that it was dealt with.
  void note(std::set<Digest>& images, const Digest& image) {
    {
      std::lock_guard lock(mutex_);
      images.insert(image);
    }
    queue_.stir();
  }

  /// Before the commands, so that an upload which heals an image comes after the word of its damage.
  void see_to_images(Ledger& ledger) {
    std::set<Digest> damaged;
    {
      std::lock_guard lock(mutex_);
      damaged = damaged_;
      unneeded_now_ = unneeded_;
    }
    damaged_now_.clear();
    for (const auto& image : damaged) {
      const bool whole_again = images_.exists(image);
      if (whole_again || on_image_damaged(ledger, image)) damaged_now_.insert(image);
    }
    ledger.settle();
    for (const auto& image : unneeded_now_) remove_unneeded(ledger, image);
  }

  void forget_images() {
    bool more = false;
    {
      std::lock_guard lock(mutex_);
      for (const auto& image : damaged_now_) damaged_.erase(image);
      for (const auto& image : unneeded_now_) unneeded_.erase(image);
      more = !damaged_.empty();
    }
    if (more) queue_.stir();
  }

  std::size_t max_batch() const { return options().max_batch; }

  steady_clock::time_point next_turn() {
    auto wait = ledger_ ? kLongestSleep : kReopenEvery;
    if (ledger_) {
      if (timer_) wait = std::clamp(*timer_ - ledger_->timeline().now(), Millis{0}, wait);
    }
    return steady_clock::now() + wait;
  }

  /// One unit of work. False where the database must be opened afresh.
  bool turn(std::vector<Command>& commands) {
    auto& ledger = *ledger_;
    const auto counted = ledger.stats;
    Command images_turn{[this](Ledger& to) { see_to_images(to); },
                        [this](const Error&) {
                          damaged_now_.clear();
                          unneeded_now_.clear();
                        }};
    std::vector<bool> undone(commands.size(), false);
    try {
      db_->begin();
      run(ledger, images_turn);
      if (take_new_options()) ledger.set_options(options());
      for (std::size_t i = 0; i < commands.size(); ++i) undone[i] = !run(ledger, commands[i]);
      chores(ledger);
      const auto began = steady_clock::now();
      db_->commit();
      ledger.stats.commit_seconds += std::chrono::duration<double>(steady_clock::now() - began).count();
    } catch (const storage::Fault& e) {
      db_->rollback();
      counters_ = counted;
      ++counters_.commit_faults;
      log::error(std::string("the database can't be written: ") + e.what() +
                 "; nothing of this was answered as done; check the disk (space, rights, errors)");
      close(e.what());
      for (std::size_t i = 0; i < commands.size(); ++i)
        if (!undone[i]) commands[i].failed(unwritable());
      return false;
    }
    forget_images();
    ledger.stats.commands += commands.size();
    ledger.stats.commits += commands.empty() ? 0 : 1;
    for (auto& effect : ledger.take_effects()) act(effect);
    publish({});
    return checkpoint();
  }

  /// What was committed lies in the write-ahead log; now and then it moves on. False where the disk failed a sync.
  bool checkpoint() {
    try {
      db_->checkpoint_when_due();
      log_stays_ = false;
      return true;
    } catch (const storage::Fault& e) {
      const bool full = e.kind() == storage::Fault::Kind::disk_full;
      // The log keeps all that was committed, and grows until there is room.
      if (full && std::exchange(log_stays_, true)) return true;
      log::error(std::string("the write-ahead log can't be copied into the database: ") + e.what() +
                 (full ? "; make room on its disk" : "; check the disk, the database is opened afresh"));
      if (full) return true;
      counters_ = ledger_->stats;
      ++counters_.commit_faults;
      distrusted_ = true;
      db_->distrust();
      close(e.what());
      return false;
    }
  }

  void close(const std::string& why) {
    ledger_.reset();
    db_.reset();
    publish(why);
  }

  /// False where the command alone was undone; a fault of the database undoes the whole unit.
  bool run(Ledger& ledger, Command& command) {
    ledger.set_clock();
    const auto effects = ledger.effects();
    storage::Database::Savepoint savepoint(*db_);
    try {
      command.run(ledger);
      savepoint.release();
      return true;
    } catch (const std::exception& e) {
      const auto* fault = dynamic_cast<const storage::Fault*>(&e);
      if (fault && fault->kind() != storage::Fault::Kind::constraint) throw;
      log::error(std::string("a command failed and was undone: ") + e.what());
      ledger.drop_effects(effects);
      command.failed(fail(Errc::server_fault, "the server could not do this; its log says why"));
      resync_ = true;
      return false;
    }
  }

  void chores(Ledger& ledger) {
    ledger.set_clock();
    if (std::exchange(resync_, false)) ledger.resync();
    const auto now = ledger.now();
    const bool flush = now - flushed_ >= kFlushEvery;
    if (flush || board_.take_urgent()) {
      ledger.flush_board();
      flushed_ = now;
    }
    ledger.run_timers();
    if (now - kept_ >= kHousekeepingEvery) {
      const bool more = ledger.housekeeping();
      kept_ = more ? now - kHousekeepingEvery + kHousekeepingOn : now;
    }
    timer_ = ledger.next_timer();
  }

  static void act(const Effect& effect) {
    try {
      effect();
    } catch (const std::exception& e) {
      log::error(std::string("an answer could not be given: ") + e.what());
    }
  }

  bool take_new_options() {
    std::lock_guard lock(mutex_);
    return std::exchange(options_changed_, false);
  }

  bool reopen() {
    if (steady_clock::now() < reopen_after_) return false;
    reopen_after_ = steady_clock::now() + kReopenEvery;
    if (distrusted_ && let_go_) let_go_();
    distrusted_ = false;
    auto opened = open();
    if (opened) opened = prove();
    if (opened) {
      log::info("the database was opened afresh");
      later([](Ledger& ledger) { ledger.resume_active(); });
      return true;
    }
    publish(opened.error().message);
    return false;
  }

  /// That the disk takes and keeps what is written, before anything is answered on it: all of the write-ahead log once
  /// more, and a commit.
  Result<void> prove() {
    try {
      db_->checkpoint_all();
      db_->begin();
      ledger_->keep_time();
      db_->commit();
      return {};
    } catch (const storage::Fault& e) {
      distrusted_ = e.kind() == storage::Fault::Kind::io;
      if (distrusted_) db_->distrust();
      ledger_.reset();
      db_.reset();
      return fail(Errc::server_fault, std::string("the database can't be written: ") + e.what());
    }
  }

  Error unwritable() {
    auto error = fail(Errc::server_fault, "the database can't be written now: try again later");
    error.retry_after_s = spread_s();
    return error;
  }

  /// When to come back, for those who are refused together.
  int spread_s() { return 5 + static_cast<int>(random_.unit() * 25); }

  void publish(std::string fault) {
    std::lock_guard lock(mutex_);
    published_ = ledger_ ? ledger_->stats : counters_;
    if (ledger_) published_.slots_held = ledger_->slots();
    published_.fault = std::move(fault);
  }

  const std::string path_;
  mutable std::mutex mutex_;
  Options options_;               // protected by mutex_
  bool options_changed_ = false;  // protected by mutex_
  Stats published_;               // protected by mutex_
  std::set<Digest> damaged_;      // protected by mutex_; images that were set aside
  std::set<Digest> unneeded_;     // protected by mutex_; images that may belong to no firmware
  const Clock& clock_;
  Random& random_;
  Images& images_;
  Courier& courier_;
  const std::function<void()> let_go_;
  const std::shared_ptr<std::atomic<bool>> serving_ = std::make_shared<std::atomic<bool>>(true);
  CommandQueue queue_;
  TransferBoard board_;
  std::atomic<std::uint64_t> refused_{0};
  std::atomic<std::int64_t> last_turn_{0};

  // The engine thread's own.
  std::unique_ptr<storage::Database> db_;
  std::unique_ptr<Ledger> ledger_;
  Stats counters_;
  std::optional<Millis> timer_;
  Millis flushed_{0};
  Millis kept_{0};
  bool resync_ = false;
  bool log_stays_ = false;         // the write-ahead log could not be copied for lack of room
  bool distrusted_ = false;        // a sync failed
  std::set<Digest> damaged_now_;   // dealt with in this turn
  std::set<Digest> unneeded_now_;  // dealt with in this turn
  steady_clock::time_point reopen_after_{};
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Engine>> Engine::create(const std::string& database, Options options, const Clock& clock,
                                               Random& random, Images& images, Courier& courier) {
  auto engine = std::make_unique<EngineImpl>(database, options, clock, random, images, courier);
  if (auto opened = engine->open(); !opened) return opened.error();
  return std::unique_ptr<Engine>(std::move(engine));
}

}  // namespace ota::engine
