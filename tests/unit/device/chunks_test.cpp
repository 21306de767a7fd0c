// chunk/get: who is sent what, what is refused, and how far reading runs ahead of the broker.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <deque>
#include <fstream>
#include <nlohmann/json.hpp>

#include "download/chunk_sender.hpp"
#include "ota/firmware/hash.hpp"
#include "support/fakes.hpp"
#include "unit/device/doubles.hpp"

namespace ota::device {
namespace {

using test::DeviceWorld;
using test::Published;

using test::kTask;
using test::kChunk;

class FileImage final : public firmware::Image {
 public:
  FileImage(const std::string& file, const std::string& bytes)
      : digest_(firmware::sha256(bytes)), size_(bytes.size()), fd_(::open(file.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~FileImage() override { ::close(fd_); }
  const Digest& digest() const noexcept override { return digest_; }
  std::uint64_t size() const noexcept override { return size_; }
  int descriptor() const noexcept override { return fd_; }
  bool checked(std::uint64_t, std::uint64_t) const noexcept override { return invalidated.empty(); }
  void check(std::uint64_t offset, std::uint64_t, std::function<void(Result<void>)> done) override {
    checks.push_back(offset);
    done({});
  }
  void invalidate(std::uint64_t offset, std::uint64_t) noexcept override { invalidated.push_back(offset); }

  std::vector<std::uint64_t> checks, invalidated;

 private:
  const Digest digest_;
  const std::uint64_t size_;
  const int fd_;
};

/// A broker's client that takes bulk messages and writes them when the test says so.
struct Lane {
  struct Waiting {
    std::string topic, payload;
    std::function<void(bool)> sent;
  };
  void write(bool well = true) {
    auto message = std::move(waiting.front());
    waiting.pop_front();
    message.sent(well);
    written.push_back({message.topic, message.payload, 0});
  }
  std::deque<Waiting> waiting;
  std::vector<Published> written;
  bool takes = true;
  std::string barred;
  std::size_t room = 1u << 28;
};

/// A question to the caps.
struct Held {
  http::Bandwidth bandwidth;
  std::size_t wanted = 0;
  std::function<void(std::size_t)> granted;
};

class DeviceChunks : public testing::Test {
 protected:
  DeviceChunks() : world(hooks()) {}
  ~DeviceChunks() override {
    run_disk();
    world.api->stop_chunks();
  }

  download::Hooks hooks() {
    download::Hooks hooks;
    hooks.publish_bulk = [this](std::string group, std::string topic, std::string payload,
                                std::function<void(bool)> sent) {
      EXPECT_TRUE(topic.starts_with(group + "/")) << group << ' ' << topic;
      if (!lane.takes) return false;
      lane.waiting.push_back({std::move(topic), std::move(payload), std::move(sent)});
      return true;
    };
    hooks.bulk_barred = [this](const std::string& group) { return group == lane.barred; };
    hooks.may_send = [this](const http::Bandwidth& bandwidth, std::size_t wanted,
                            std::function<void(std::size_t)> granted) {
      if (!capped) return true;
      held.push_back({bandwidth, wanted, std::move(granted)});
      return false;
    };
    hooks.max_broker_payload = [this](std::size_t) { return lane.room; };
    return hooks;
  }
  /// An image of `count` chunks whose task is gw-17's.
  void open(std::uint32_t count, std::uint32_t chunk_bytes = kChunk, std::string device = "gw-17",
            TaskId task = kTask) {
    bytes.clear();
    while (bytes.size() < std::size_t{count} * chunk_bytes - chunk_bytes / 2)
      bytes += "bytes of the image " + std::to_string(bytes.size()) + " ";
    bytes.resize(std::size_t{count} * chunk_bytes - chunk_bytes / 2);  // the last chunk is half as long
    std::ofstream(dir / "image", std::ios::binary) << bytes;
    image = std::make_shared<FileImage>(dir / "image", bytes);
    auto manifest = std::make_shared<firmware::Manifest>();
    for (std::uint32_t i = 0; i < count; ++i)
      manifest->push_back(firmware::sha256(std::string_view(bytes).substr(std::size_t{i} * chunk_bytes, chunk_bytes)));
    world.store.images[image->digest()] = image;
    world.store.later[{image->digest(), chunk_bytes}] = manifest;
    world.store.disk.emplace();
    open_task(std::move(device), task, chunk_bytes, count);
  }
  void open_task(std::string device, TaskId task, std::uint32_t chunk_bytes, std::uint32_t count,
                 Priority priority = Priority::normal) {
    engine::Transfer transfer;
    transfer.priority = priority;
    transfer.task = task;
    transfer.device = std::move(device);
    transfer.image = image->digest();
    transfer.chunk_bytes = chunk_bytes;
    transfer.have = ChunkBitmap(count);
    world.engine.transfers().open(std::move(transfer));
  }
  void run_disk() {
    while (world.store.disk && !world.store.disk->empty()) {
      auto job = std::move(world.store.disk->front());
      world.store.disk->pop_front();
      job();
    }
  }
  void get(const std::string& chunks, const std::string& device = "gw-17", const TaskId& task = kTask) {
    world.api->on_message("/ota/" + device + "/chunk/get",
                          "{\"task_id\":\"" + task.str() + "\",\"chunks\":" + chunks + "}");
  }
  /// Reads and writes all that comes.
  void flow() {
    for (run_disk(); !lane.waiting.empty(); run_disk()) lane.write();
  }
  std::string topic(std::uint32_t index, const std::string& device = "gw-17") const {
    return "/ota/" + device + "/chunk/" + kTask.str() + "/" + std::to_string(index);
  }
  void expect_error(const std::string& code, const std::string& words = "") {
    ASSERT_EQ(world.published.size(), 1u) << code;
    const auto said = nlohmann::json::parse(world.published[0].payload);
    EXPECT_EQ(world.published[0].topic, "/ota/gw-17/error");
    EXPECT_EQ(said["code"], code) << said;
    EXPECT_NE(said["message"].get<std::string>().find(words), std::string::npos) << said;
    world.published.clear();
    EXPECT_TRUE(lane.waiting.empty());
    EXPECT_TRUE(world.store.disk->empty());
  }

  void grant(std::size_t size) {
    const auto question = std::move(held.front());
    held.pop_front();
    question.granted(size);
  }

  ota::test::TempDir dir;
  bool capped = false;
  std::deque<Held> held;
  Lane lane;
  std::string bytes;
  std::shared_ptr<FileImage> image;
  DeviceWorld world;
};

TEST_F(DeviceChunks, AreTheirDigestAndTheirBytes) {
  open(4);
  get("[[1,1],[3,3]]");
  flow();
  ASSERT_EQ(lane.written.size(), 2u);
  EXPECT_EQ(lane.written[0].topic, topic(1));
  EXPECT_EQ(lane.written[1].topic, topic(3));
  for (std::uint32_t i : {1u, 3u}) {
    const auto& payload = lane.written[i / 2].payload;
    const auto expected = bytes.substr(std::size_t{i} * kChunk, kChunk);
    const auto digest = firmware::sha256(expected);
    EXPECT_EQ(payload.substr(0, 32), std::string(digest.begin(), digest.end()));
    EXPECT_EQ(payload.substr(32), expected);
  }
  EXPECT_TRUE(world.published.empty());
  EXPECT_EQ(world.api->counters().mqtt_chunks, 2u);
  EXPECT_EQ(world.api->counters().mqtt_chunk_bytes, 1500u);
  const auto change = world.engine.transfers().collect(kTask.number);
  ASSERT_TRUE(change);
  EXPECT_EQ(change->bytes_sent, 1500u);
  EXPECT_EQ(change->have.have(), 0u) << "nothing says that they arrived";
  EXPECT_TRUE(change->heard);
}

TEST_F(DeviceChunks, AreNotReadWhereTheBrokerRejectsThem) {
  open(4);
  capped = true;
  lane.barred = "/ota/gw-17/chunk";
  get("[[0,3]]");
  EXPECT_TRUE(held.empty()) << "no bandwidth";
  EXPECT_TRUE(world.store.disk->empty());
  EXPECT_TRUE(world.published.empty());
  EXPECT_EQ(world.api->counters().mqtt_chunks_lost, 1u);
  capped = false;
  lane.barred = "/ota/gw-18/chunk";
  get("[[0,3]]");
  flow();
  EXPECT_EQ(lane.written.size(), 4u);
}

TEST_F(DeviceChunks, AreRefusedWithAReason) {
  open(4);
  get("[[0,4]]");
  expect_error("bad_chunk_range", "chunks 0 to 3, not 0 to 4");
  for (const auto* broken : {"[[2,1]]", "[3]", "\"1\"", "[[0,99999999]]", "[[-1,1]]", "{\"a\":1}", "[[1,1,1]]"}) {
    get(broken);
    expect_error("bad_chunk_range", "chunks");
  }
  for (const auto* blank : {"[]", "{}", "null"}) {
    get(blank);
    expect_error("bad_message", "\"chunks\" is missing");
  }
  world.api->on_message("/ota/gw-17/chunk/get", R"({"task_id":"OTA_20261122_000042"})");
  expect_error("bad_message", "chunks");
  world.api->on_message("/ota/gw-17/chunk/get", R"({"chunks":[[0,0]]})");
  expect_error("bad_message", "task_id");
  world.api->on_message("/ota/gw-17/chunk/get", "");
  expect_error("bad_message");
  EXPECT_EQ(world.api->counters().bad_messages, 13u);
}

TEST_F(DeviceChunks, OfAnotherTaskOrDeviceAreTheEnginesToJudge) {
  open(4, kChunk, "gw-18");
  world.engine.chunk_access =
      engine::ChunkAccess{Answer{ErrorAnswer{fail(Errc::unknown_task, "device gw-17 has no such task"), kTask}}};
  get("[[0,0]]");
  EXPECT_EQ(world.engine.fetched, std::vector<TaskId>{kTask});
  EXPECT_TRUE(world.engine.last_who.via_broker());
  expect_error("unknown_task", "no such task");
  world.engine.chunk_access = engine::ChunkAccess{Answer{QueuedAnswer{kTask, 3, 9}}};
  get("[[0,0]]");
  ASSERT_EQ(world.published.size(), 1u);
  EXPECT_EQ(world.published[0].topic, "/ota/gw-17/queued");
  world.published.clear();
  world.engine.chunk_access = fail(Errc::overloaded, "full");
  get("[[0,0]]");
  EXPECT_TRUE(world.published.empty()) << "the device asks again";
  EXPECT_EQ(world.api->counters().dropped, 1u);
}

TEST_F(DeviceChunks, TooLargeForMqttOrTheBrokerAreRefused) {
  open(2, kMaxMqttChunkBytes + 512);
  get("[[0,0]]");
  expect_error("bad_chunk_range", "over HTTP");
  open(4);
  lane.room = 1031;
  get("[[0,0]]");
  expect_error("bad_chunk_range", "max_packet_size");
  lane.room = 1032;
  get("[[0,0]]");
  flow();
  EXPECT_EQ(lane.written.size(), 1u);
}

TEST_F(DeviceChunks, AreSentUpToTheWindow) {
  open(100);
  get("[[0,99]]");
  flow();
  EXPECT_EQ(lane.written.size(), download::ChunkWindows::kMaxChunks);
  get("[[32,99]]");
  flow();
  ASSERT_EQ(lane.written.size(), 2 * download::ChunkWindows::kMaxChunks);
  EXPECT_EQ(lane.written.back().topic, topic(63));
}

TEST_F(DeviceChunks, AreReadNoFurtherAheadThanTheBrokerTakes) {
  constexpr std::uint32_t kLarge = 256u << 10;
  open(4, kLarge);
  for (int i = 0; i < 20; ++i) {
    const TaskId task{20261122, 100 + i};
    open_task("d" + std::to_string(i), task, kLarge, 4);
    get("[[0,3]]", "d" + std::to_string(i), task);
  }
  run_disk();
  std::size_t ahead = 0;
  for (const auto& message : lane.waiting) ahead += message.payload.size() - sizeof(Digest);
  EXPECT_GE(ahead, download::ChunkSender::kMaxAheadBytes);
  EXPECT_LT(ahead, download::ChunkSender::kMaxAheadBytes + kLarge);
  EXPECT_TRUE(world.store.disk->empty());
  for (auto i = ahead; i >= download::ChunkSender::kMaxAheadBytes; i -= std::min<std::size_t>(i, kLarge)) lane.write();
  EXPECT_FALSE(world.store.disk->empty()) << "some left, more are read";
  flow();
  EXPECT_EQ(lane.written.size(), 80u);
  EXPECT_EQ(world.store.most_jobs, download::ChunkSender::kMaxJobs);
}

TEST_F(DeviceChunks, OfOneDeviceDontHoldUpAnother) {
  open(100);
  const TaskId other{20261122, 43};
  open_task("gw-18", other, kChunk, 100);
  get("[[0,31]]");
  get("[[5,5]]", "gw-18", other);
  flow();
  std::size_t place = 0;
  while (lane.written.at(place).topic.find("gw-18") == std::string::npos) ++place;
  EXPECT_EQ(lane.written.size(), 33u);
  // What was on disk threads already, and its turn of 64 KiB: all of the small window.
  EXPECT_LE(place, 32u);
}

TEST_F(DeviceChunks, ThatRottedNeverLeave) {
  open(4);
  {
    std::fstream file(dir / "image", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(1500);
    file.put('!');
  }
  get("[[0,3]]");
  flow();
  ASSERT_EQ(lane.written.size(), 3u);
  for (const auto& message : lane.written) EXPECT_NE(message.topic, topic(1));
  EXPECT_EQ(image->invalidated, std::vector<std::uint64_t>{1000});
  EXPECT_EQ(image->checks, std::vector<std::uint64_t>{1000}) << "the store looks, and sets it aside";
  EXPECT_EQ(world.api->counters().mqtt_chunks_lost, 1u);
  world.store.images.clear();
  get("[[0,0]]");
  expect_error("server_fault", "corrupted");
}

TEST_F(DeviceChunks, ThatAreLostMayBeAskedForAgain) {
  open(4);
  lane.takes = false;
  get("[[0,3]]");
  flow();
  EXPECT_EQ(world.api->counters().mqtt_chunks_lost, 4u);
  lane.takes = true;
  get("[[0,3]]");
  run_disk();
  while (!lane.waiting.empty()) lane.write(false);  // the connection broke
  EXPECT_EQ(world.engine.transfers().view(kTask.number)->bytes_sent, 0u);
  lane.written.clear();
  get("[[0,3]]");
  flow();
  EXPECT_EQ(lane.written.size(), 4u);
  EXPECT_EQ(world.api->counters().mqtt_chunks, 4u);
}

TEST_F(DeviceChunks, OfATaskThatIsOverStay) {
  open(100);
  get("[[0,31]]");
  world.engine.transfers().close(kTask.number);
  flow();
  EXPECT_LE(lane.written.size(), download::ChunkSender::kMaxJobs) << "those that were being read";
}

TEST_F(DeviceChunks, AreNotSentOnceStopped) {
  open(4);
  world.api->stop_chunks();
  get("[[0,3]]");
  flow();
  EXPECT_TRUE(lane.written.empty());
}

TEST_F(DeviceChunks, LeaveWhenTheCapsAllowForAllOfThem) {
  open(4);
  capped = true;
  get("[[0,3]]");
  ASSERT_EQ(held.size(), 1u) << "of a device one at a time";
  EXPECT_EQ(held[0].wanted, kChunk);
  grant(600);
  run_disk();
  EXPECT_TRUE(lane.waiting.empty()) << "a part of it was paid";
  ASSERT_EQ(held.size(), 1u);
  EXPECT_EQ(held[0].wanted, 400u);
  grant(400);
  flow();
  ASSERT_EQ(lane.written.size(), 1u);
  EXPECT_EQ(lane.written[0].topic, topic(0));
  ASSERT_EQ(held.size(), 1u) << "the next one";
  capped = false;  // from here on
  grant(kChunk);
  flow();
  EXPECT_EQ(lane.written.size(), 4u);
  EXPECT_TRUE(held.empty());
}

TEST_F(DeviceChunks, LeaveWhereTheCapGoesWhenAPartIsPaid) {
  open(4);
  capped = true;
  get("[[0,0]]");
  ASSERT_EQ(held.size(), 1u);
  capped = false;
  grant(600);
  flow();
  ASSERT_EQ(lane.written.size(), 1u) << "nobody asked for it again";
  EXPECT_EQ(lane.written[0].topic, topic(0));
}

TEST_F(DeviceChunks, AreLostAtOnceWhereTheTaskEndsWhenAPartIsPaid) {
  open(4);
  capped = true;
  get("[[0,0]]");
  ASSERT_EQ(held.size(), 1u);
  world.engine.transfers().close(kTask.number);
  grant(600);
  EXPECT_TRUE(held.empty());
  EXPECT_EQ(world.api->counters().mqtt_chunks_lost, 1u);
}

TEST_F(DeviceChunks, PayForTheirDeviceAsDownloadsDo) {
  open(4);
  const TaskId urgent{20261122, 43};
  open_task("gw-18", urgent, kChunk, 4, Priority::security);
  capped = true;
  get("[[0,3]]");
  get("[[2,2]]", "gw-18", urgent);
  ASSERT_EQ(held.size(), 2u) << "who is held back holds nobody else";
  EXPECT_EQ(held[0].bandwidth.key, world.engine.transfers().active(kTask.number)->device);
  EXPECT_FALSE(held[0].bandwidth.urgent);
  EXPECT_EQ(held[1].bandwidth.key, world.engine.transfers().active(urgent.number)->device);
  EXPECT_TRUE(held[1].bandwidth.urgent);
  std::swap(held[0], held[1]);
  grant(kChunk);
  flow();
  ASSERT_EQ(lane.written.size(), 1u);
  EXPECT_EQ(lane.written[0].topic, "/ota/gw-18/chunk/" + urgent.str() + "/2");
}

TEST_F(DeviceChunks, OfATaskThatIsOverPayNothing) {
  open(4);
  capped = true;
  get("[[0,3]]");
  ASSERT_EQ(held.size(), 1u);
  world.engine.transfers().close(kTask.number);
  grant(kChunk);
  flow();
  EXPECT_TRUE(held.empty());
  EXPECT_TRUE(lane.written.empty());
  EXPECT_EQ(world.api->counters().mqtt_chunks_lost, 4u);
}

}  // namespace
}  // namespace ota::device
