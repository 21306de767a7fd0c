#include <gmock/gmock.h>

#include "engine/fleet_commands.hpp"
#include "unit/engine/fixture.hpp"

namespace ota::engine {
namespace {

class DeviceCommands : public TaskServiceTest {
 protected:
  /// gw-1's task for 2.0.0, of which it has a chunk, while a security task for 3.0.0 is active.
  struct Preempted {
    TaskId task;
    TaskId by;
  };
  Preempted preempted() {
    add_firmware("3.0.0", "gw-a", 2);
    const auto task = task_for("gw-1", "2.0.0");
    chunk("gw-1", task, 0, 0);
    const auto by = task_for("gw-1", "3.0.0", Priority::security);
    EXPECT_EQ(state_of(task), TaskState::queued);
    return {task, by};
  }
};
using testing::HasSubstr;

TEST_F(DeviceCommands, AnUnknownDeviceIsTakenInAndUpToDate) {
  const auto answer = request("gw-1", says("gw-a", "1.0.0"));
  EXPECT_EQ(std::get<UpToDateAnswer>(answer).version, "1.0.0");
  EXPECT_EQ(row_of("gw-1")->hardware, "gw-a");
}

TEST_F(DeviceCommands, ClosedRegistrationRefusesAStranger) {
  options.devices.registration = "closed";
  service->set_options(options);
  EXPECT_EQ(error_in(request("gw-1")).error.code, Errc::unknown_device);
  EXPECT_FALSE(row_of("gw-1"));
}

TEST_F(DeviceCommands, TheWholeWayToSuccess) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  EXPECT_EQ(pushes(), std::vector<std::string>{"gw-1 metadata"}) << "its turn came at once, and it was heard";
  const auto offer = std::get<Offer>(request("gw-1"));
  EXPECT_EQ(offer.task, id);
  EXPECT_EQ(offer.missing, (ChunkRanges{{0, 3}}));
  EXPECT_EQ(state_of(id), TaskState::offered);

  EXPECT_FALSE(chunk("gw-1", id, 0, 1));
  EXPECT_EQ(state_of(id), TaskState::downloading);
  EXPECT_EQ(std::get<Offer>(request("gw-1")).missing, (ChunkRanges{{2, 3}}));
  EXPECT_FALSE(chunk("gw-1", id, 2, 3));
  EXPECT_EQ(std::get<SuccessAnswer>(verify("gw-1", id, 1)).version, "2.0.0");
  EXPECT_EQ(state_of(id), TaskState::succeeded);
  EXPECT_EQ(row_of("gw-1")->current_version, "2.0.0");
  EXPECT_EQ(std::get<SuccessAnswer>(verify("gw-1", id, 1)).task, id) << "said again, answered again";
  EXPECT_EQ(std::get<SuccessAnswer>(verify("gw-1", id, 9)).task, id);
}

TEST_F(DeviceCommands, ANamedVersionMakesOneTask) {
  add_firmware("2.0.0");
  auto message = says();
  message.version = "2.0.0";
  const auto first = std::get<Offer>(request("gw-1", message));
  const auto second = std::get<Offer>(request("gw-1", message));
  EXPECT_EQ(first.task, second.task);
  EXPECT_EQ(first.priority, Priority::normal);
}

TEST_F(DeviceCommands, ANamedVersionThatCannotBeIsRefused) {
  add_firmware("2.0.0");
  add_firmware("3.0.0", "gw-b", 2);
  auto message = says("gw-a", "2.5.0");
  message.version = "9.9.9";
  EXPECT_EQ(error_in(request("gw-1", message)).error.code, Errc::no_such_firmware);
  message.version = "3.0.0";
  EXPECT_EQ(error_in(request("gw-1", message)).error.code, Errc::wrong_hardware);
  message.version = "2.0.0";
  EXPECT_EQ(error_in(request("gw-1", message)).error.code, Errc::downgrade);
  message.current_version = "2.0.0";
  EXPECT_TRUE(std::holds_alternative<UpToDateAnswer>(request("gw-1", message)));
}

TEST_F(DeviceCommands, MaxChunkBytesCapsTheGridOfANewTask) {
  add_firmware("2.0.0");
  auto message = says();
  message.version = "2.0.0";
  message.max_chunk_bytes = 65'536;
  EXPECT_EQ(std::get<Offer>(request("gw-1", message)).grid.chunk_bytes, 65'536u);
}

TEST_F(DeviceCommands, SmallerChunksThanATaskHasAreGivenAtTheNextRequest) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  chunk("gw-1", id, 1, 2);
  auto message = says();
  message.max_chunk_bytes = 150'000;
  const auto offer = std::get<Offer>(request("gw-1", message));
  EXPECT_EQ(offer.task, id);
  EXPECT_EQ(offer.grid.chunk_bytes, 149'504u) << "multiples of 512";
  EXPECT_EQ(offer.grid.count(), 15u);
  EXPECT_EQ(offer.missing, (ChunkRanges{{0, 3}, {10, 14}})) << "those that lie in chunks 1 and 2 of before it has";
  EXPECT_EQ(row(id).chunk_bytes, 149'504u);
  EXPECT_EQ(row(id).attempt, 1);
  const auto grant = transfers().fetch("gw-1", {}, id);
  ASSERT_TRUE(grant);
  EXPECT_EQ(grant->chunk_bytes, 149'504u);
  transfers().chunks(id.number, {0, 0}, Transport::http, 524'288);
  chunk("gw-1", id, 14, 14);
  EXPECT_EQ(row(id).chunks_have, 7u) << "a chunk of the layout before counts no more";

  message.max_chunk_bytes = 1'000'000;
  EXPECT_EQ(std::get<Offer>(request("gw-1", message)).grid.chunk_bytes, 149'504u);
}

TEST_F(DeviceCommands, SmallerChunksWaitForTheirDigests) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  images.slow = images.hangs = true;
  auto message = says();
  message.max_chunk_bytes = 65'536;
  const auto queued = std::get<QueuedAnswer>(request("gw-1", message));
  EXPECT_EQ(queued.task, id);
  EXPECT_EQ(queued.retry_after_s, 5);
  EXPECT_EQ(state_of(id), TaskState::offered);
  EXPECT_EQ(row(id).chunk_bytes, 524'288u);
  images.prepared.insert({digest_of(1), 65'536});
  EXPECT_EQ(std::get<Offer>(request("gw-1", message)).grid.chunk_bytes, 65'536u);
}

TEST_F(DeviceCommands, ChunksSmallerThanTheImageAllowsAreRefused) {
  add_firmware("2.0.0", "gw-a", 1, 512ull * 65'536 + 1);
  const auto id = task_for("gw-1", "2.0.0");
  auto message = says();
  message.max_chunk_bytes = 512;
  const auto answer = request("gw-1", message);
  EXPECT_EQ(error_in(answer).error.code, Errc::image_too_large);
  EXPECT_EQ(error_in(answer).task, id);
  EXPECT_EQ(row(id).chunk_bytes, 524'288u);
}

TEST_F(DeviceCommands, TheFirstOfferNeedsChunksThatTheDeviceAccepts) {
  add_firmware("2.0.0", "gw-a", 1, 512ull * 65'536 + 1);
  ASSERT_TRUE(upgrade(order("gw-1", "2.0.0"))) << "it was never heard, so nothing is known of its chunks";
  auto message = says();
  message.max_chunk_bytes = 512;
  const auto answer = request("gw-1", message);
  EXPECT_EQ(error_in(answer).error.code, Errc::image_too_large);
  const auto id = error_in(answer).task.value();
  EXPECT_EQ(state_of(id), TaskState::queued);
  EXPECT_EQ(row(id).wait_reason, WaitReason::chunk_size);
  EXPECT_EQ(error_in(request("gw-1", says())).error.code, Errc::image_too_large) << "asked again, answered again";
  EXPECT_TRUE(pushes().empty());
  const auto told = unit([](auto& s) { return explain_device(s, "gw-1"); });
  EXPECT_EQ(told.verdict, "queued");
  EXPECT_NE(told.text.find("max_chunk_bytes"), std::string::npos) << told.text;

  add_firmware("1.5.0", "gw-a", 2);
  const auto other = upgrade(order("gw-1", "1.5.0")).value().task.id;
  EXPECT_EQ(std::get<Offer>(request("gw-1")).task, other) << "another task of the device goes first";
  ASSERT_TRUE(unit([&](auto& s) { return on_cancel(s, other, "tester"); }));
  EXPECT_EQ(row(id).wait_reason, WaitReason::chunk_size);

  message.max_chunk_bytes = 1'024;
  EXPECT_EQ(std::get<Offer>(request("gw-1", message)).grid.chunk_bytes, 1'024u);
}

TEST_F(DeviceCommands, ATaskThatWaitsAgainNeedsChunksThatTheDeviceAccepts) {
  add_firmware("2.0.0", "gw-a", 1, 512ull * 65'536 + 1);
  const auto [id, urgent] = preempted();
  auto message = says();
  message.max_chunk_bytes = 512;
  EXPECT_EQ(std::get<Offer>(request("gw-1", message)).task, urgent);
  ASSERT_TRUE(unit([by = urgent](auto& s) { return on_cancel(s, by, "tester"); }));
  EXPECT_EQ(state_of(id), TaskState::queued);
  EXPECT_EQ(row(id).wait_reason, WaitReason::chunk_size);
  EXPECT_EQ(error_in(request("gw-1")).task, id);
  message.max_chunk_bytes = 1'048'576;
  EXPECT_EQ(std::get<Offer>(request("gw-1", message)).grid.chunk_bytes, 524'288u) << "as it was offered before";
}

TEST_F(DeviceCommands, ATaskThatComesAgainHasChunksThatItsDeviceTakesNow) {
  add_firmware("2.0.0");
  const auto [id, urgent] = preempted();
  auto message = says();
  message.max_chunk_bytes = 262'144;
  EXPECT_EQ(std::get<Offer>(request("gw-1", message)).task, urgent);
  ASSERT_TRUE(unit([by = urgent](auto& s) { return on_cancel(s, by, "tester"); }));
  ASSERT_EQ(state_of(id), TaskState::offered);
  EXPECT_EQ(row(id).chunk_bytes, 262'144u);
  EXPECT_EQ(row(id).chunks_have, 2u);
}

TEST_F(DeviceCommands, AnswersKnowTheBoundThatTheDeviceSaidOnce) {
  add_firmware("2.0.0");
  auto message = says();
  message.version = "2.0.0";
  message.max_message_bytes = 1'024;
  const auto offer = std::get<Offer>(request("gw-1", message));
  EXPECT_EQ(offer.max_message_bytes, 1'024u);
  message.max_message_bytes.reset();
  EXPECT_EQ(std::get<Offer>(request("gw-1", message)).max_message_bytes, 1'024u);

  Answer refused = ErrorAnswer{fail(Errc::bad_message, "no"), {}};
  const auto bound_for = [&](const char* device, std::optional<std::uint32_t> said) {
    keep_within(*service, *DeviceId::parse(device), said, refused);
    return std::get<ErrorAnswer>(refused).max_message_bytes;
  };
  EXPECT_EQ(bound_for("gw-1", {}), 1'024u);
  EXPECT_EQ(bound_for("gw-2", 300), 300u) << "said by the message that is refused";
  EXPECT_FALSE(bound_for("gw-2", {}));
}

TEST_F(DeviceCommands, WrongImagesSpendAttemptsUntilItFails) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  chunk("gw-1", id, 0, 3);
  const auto retry = std::get<RetryAnswer>(verify("gw-1", id, 9, 1, ChunkRanges{{1, 2}}));
  EXPECT_EQ(retry.offer.attempt, 2);
  EXPECT_EQ(retry.reason, "checksum_mismatch");
  EXPECT_EQ(retry.offer.missing, (ChunkRanges{{1, 2}}));
  EXPECT_EQ(retry.retry_after_s, 2);
  EXPECT_EQ(state_of(id), TaskState::retry_wait);

  const auto repeated = std::get<RetryAnswer>(verify("gw-1", id, 9, 1));
  EXPECT_EQ(repeated.offer.attempt, 2) << "the same verify again spends nothing";
  EXPECT_EQ(repeated.offer.missing, retry.offer.missing);
  EXPECT_EQ(std::get<RetryAnswer>(verify("gw-1", id, 9)).offer.attempt, 2) << "without attempt: before retry_after";

  clock.advance(3s);
  EXPECT_EQ(std::get<RetryAnswer>(verify("gw-1", id, 9)).offer.attempt, 3) << "without attempt: after retry_after";
  EXPECT_EQ(std::get<RetryAnswer>(verify("gw-1", id, 9, 2)).offer.attempt, 3);
  const auto failed = std::get<FailedAnswer>(verify("gw-1", id, 9, 3));
  EXPECT_EQ(failed.reason, "checksum_mismatch");
  EXPECT_EQ(failed.attempts, 3);
  EXPECT_EQ(std::get<FailedAnswer>(verify("gw-1", id, 9, 3)).attempts, 3);
  EXPECT_EQ(std::get<FailedAnswer>(verify("gw-1", id, 1)).attempts, 3) << "an end state never changes";
}

TEST_F(DeviceCommands, AVerifyThatComesLateIsARepeatThoughChunksCame) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  verify("gw-1", id, 9);
  chunk("gw-1", id, 0, 0);
  EXPECT_EQ(state_of(id), TaskState::downloading);
  EXPECT_EQ(std::get<RetryAnswer>(verify("gw-1", id, 9)).offer.attempt, 2);
  clock.advance(3s);
  EXPECT_EQ(std::get<RetryAnswer>(verify("gw-1", id, 9)).offer.attempt, 3);
}

TEST_F(DeviceCommands, WithoutBadChunksEverythingIsFetchedAgain) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  chunk("gw-1", id, 0, 3);
  EXPECT_EQ(std::get<RetryAnswer>(verify("gw-1", id, 9)).offer.missing, (ChunkRanges{{0, 3}}));
  EXPECT_EQ(std::get<Offer>(request("gw-1")).missing, (ChunkRanges{{0, 3}}));
}

TEST_F(DeviceCommands, VerifyOfAnAttemptThatWasNeverOfferedIsRefused) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  EXPECT_EQ(error_in(verify("gw-1", id, 9, 2)).error.code, Errc::bad_message);
  EXPECT_EQ(error_in(verify("gw-1", id, 9, 1, ChunkRanges{{3, 4}})).error.code, Errc::bad_chunk_range);
  EXPECT_EQ(row(id).attempt, 1);
}

TEST_F(DeviceCommands, AnothersTaskLooksLikeNone) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  request("gw-2");
  EXPECT_EQ(error_in(verify("gw-2", id, 1)).error.code, Errc::unknown_task);
  EXPECT_EQ(error_in(*chunk("gw-2", id, 0, 0)).error.code, Errc::unknown_task);
  auto wrong_day = id;
  wrong_day.day += 1;
  EXPECT_EQ(error_in(verify("gw-1", wrong_day, 1)).error.code, Errc::unknown_task);
  EXPECT_EQ(state_of(id), TaskState::offered);
}

TEST_F(DeviceCommands, ChunksPastTheGridAreRefused) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  EXPECT_EQ(error_in(*chunk("gw-1", id, 3, 4)).error.code, Errc::bad_chunk_range);
  EXPECT_EQ(state_of(id), TaskState::offered);
}

TEST_F(DeviceCommands, TheThirdMismatchOfAChunkSpendsAnAttempt) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  chunk("gw-1", id, 0, 3);
  for (int i = 0; i < 2; ++i) {
    const auto retry = std::get<RetryAnswer>(*chunk("gw-1", id, 2, 2, true));
    EXPECT_EQ(retry.offer.attempt, 1);
    EXPECT_EQ(retry.reason, "chunk_mismatch");
    EXPECT_EQ(retry.offer.missing, (ChunkRanges{{2, 2}}));
    EXPECT_EQ(retry.retry_after_s, 0);
    chunk("gw-1", id, 2, 2);
  }
  chunk("gw-1", id, 1, 1, true);
  EXPECT_EQ(row(id).attempt, 1) << "another chunk counts by itself";
  EXPECT_EQ(std::get<RetryAnswer>(*chunk("gw-1", id, 2, 2, true)).offer.attempt, 2);
  EXPECT_EQ(std::get<RetryAnswer>(*chunk("gw-1", id, 2, 2, true)).offer.attempt, 2) << "counted anew in each attempt";
}

TEST_F(DeviceCommands, MismatchesAloneCanUseTheAttemptsUp) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  std::optional<Answer> last;
  for (int i = 0; i < 9; ++i) last = chunk("gw-1", id, 0, 0, true);
  EXPECT_EQ(std::get<FailedAnswer>(*last).reason, "chunk_mismatch");
}

TEST_F(DeviceCommands, AFailedDeviceSpendsOneAttemptHoweverOftenItSaysSo) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  EXPECT_EQ(std::get<RetryAnswer>(*state("gw-1", id, DeviceState::failed)).reason, "device_failed");
  EXPECT_EQ(std::get<RetryAnswer>(*state("gw-1", id, DeviceState::failed)).offer.attempt, 2);
  clock.advance(3s);
  EXPECT_EQ(std::get<RetryAnswer>(*state("gw-1", id, DeviceState::failed)).offer.attempt, 3);
  clock.advance(5s);
  EXPECT_EQ(std::get<FailedAnswer>(*state("gw-1", id, DeviceState::failed)).reason, "device_failed");
  EXPECT_EQ(std::get<FailedAnswer>(*state("gw-1", id, DeviceState::failed)).reason, "device_failed")
      << "said again, answered again";
  EXPECT_EQ(error_in(*state("gw-1", id, DeviceState::downloading)).error.code, Errc::task_ended);
}

TEST_F(DeviceCommands, CopiesOfBadNewsSpendNoAttempt) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  ProgressReport wrong;
  wrong.task = id;
  wrong.chunks = {{0, 0}};
  wrong.mismatch = true;
  wrong.attempt = 1;
  for (int i = 0; i < 12; ++i) EXPECT_EQ(std::get<RetryAnswer>(*progress("gw-1", wrong)).offer.attempt, i < 2 ? 1 : 2);
  ProgressReport failed;
  failed.task = id;
  failed.state = DeviceState::failed;
  failed.attempt = 1;
  clock.advance(100s);
  EXPECT_EQ(std::get<RetryAnswer>(*progress("gw-1", failed)).offer.attempt, 2) << "late, of the attempt before";
  failed.attempt = 2;
  EXPECT_EQ(std::get<RetryAnswer>(*progress("gw-1", failed)).offer.attempt, 3);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(std::get<RetryAnswer>(*progress("gw-1", wrong)).offer.attempt, 3);
}

TEST_F(DeviceCommands, ConfirmationByTheNewVersion) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0", {}, true);
  const auto success = std::get<SuccessAnswer>(verify("gw-1", id, 1));
  ASSERT_TRUE(success.confirm_by);
  EXPECT_EQ(state_of(id), TaskState::installing);
  EXPECT_EQ(std::get<SuccessAnswer>(request("gw-1", says("gw-a", "1.0.0"))).confirm_by, success.confirm_by);
  EXPECT_EQ(std::get<UpToDateAnswer>(request("gw-1", says("gw-a", "2.0.0"))).version, "2.0.0");
  EXPECT_EQ(state_of(id), TaskState::succeeded);
}

TEST_F(DeviceCommands, ConfirmationByProgress) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0", {}, true);
  EXPECT_EQ(error_in(*state("gw-1", id, DeviceState::installed)).error.code, Errc::bad_message) << "not verified yet";
  verify("gw-1", id, 1);
  EXPECT_FALSE(state("gw-1", id, DeviceState::installing));
  EXPECT_FALSE(state("gw-1", id, DeviceState::rebooting));
  EXPECT_EQ(state_of(id), TaskState::installing);
  EXPECT_FALSE(state("gw-1", id, DeviceState::installed));
  EXPECT_EQ(state_of(id), TaskState::succeeded);
}

TEST_F(DeviceCommands, ALateWordOfAnOlderInstallationSetsNoVersionBack) {
  add_firmware("2.0.0");
  add_firmware("3.0.0", "gw-a", 3);
  const auto older = task_for("gw-1", "2.0.0");
  verify("gw-1", older, 1);
  const auto newer = task_for("gw-1", "3.0.0");
  verify("gw-1", newer, 3);
  state("gw-1", older, DeviceState::installed);
  EXPECT_EQ(row_of("gw-1")->current_version, "3.0.0");
  request("gw-1", says("gw-a", "2.0.0"));
  state("gw-1", newer, DeviceState::installed);
  EXPECT_EQ(row_of("gw-1")->current_version, "3.0.0");
}

TEST_F(DeviceCommands, ARollBackEndsItAtOnce) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0", {}, true);
  verify("gw-1", id, 1);
  EXPECT_EQ(std::get<FailedAnswer>(*state("gw-1", id, DeviceState::rolled_back)).reason, "rolled_back");
  EXPECT_EQ(row(id).attempt, 1);
}

TEST_F(DeviceCommands, NoConfirmationInTimeEndsIt) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0", {}, true);
  verify("gw-1", id, 1);
  pushes();
  advance(899s);
  EXPECT_EQ(state_of(id), TaskState::installing);
  advance(2s);
  EXPECT_EQ(state_of(id), TaskState::failed);
  EXPECT_EQ(row(id).reason, "confirm_timeout");
  EXPECT_EQ(pushes(), std::vector<std::string>{"gw-1 failed"});
}

TEST_F(DeviceCommands, AFailedInstallationEndsItAtOnce) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0", {}, true);
  verify("gw-1", id, 1);
  EXPECT_EQ(std::get<FailedAnswer>(*state("gw-1", id, DeviceState::failed)).reason, "device_failed");
  EXPECT_EQ(state_of(id), TaskState::failed) << "a device's installer isn't run again by itself";
  EXPECT_EQ(row(id).attempt, 1);
}

TEST_F(DeviceCommands, AfterASuccessWaitingTasksForOlderVersionsAreNeedless) {
  add_firmware("2.0.0");
  add_firmware("1.5.0", "gw-a", 2);
  add_firmware("3.0.0", "gw-a", 3);
  const auto id = task_for("gw-1", "2.0.0");
  const auto older = task_for("gw-1", "1.5.0");
  const auto newer = task_for("gw-1", "3.0.0");
  auto forced_order = order("gw-1", "1.5.0");
  verify("gw-1", id, 1);
  EXPECT_EQ(state_of(older), TaskState::cancelled);
  EXPECT_EQ(row(older).reason, "superseded");
  EXPECT_EQ(state_of(newer), TaskState::offered) << "the next one's turn";
}

TEST_F(DeviceCommands, ForcedOnesAreNotSuperseded) {
  add_firmware("2.0.0");
  add_firmware("1.5.0", "gw-a", 2);
  const auto id = task_for("gw-1", "2.0.0");
  auto forced = order("gw-1", "1.5.0");
  forced.force = true;
  const auto older = upgrade(forced).value().task.id;
  verify("gw-1", id, 1);
  EXPECT_EQ(state_of(older), TaskState::offered);
}

TEST_F(DeviceCommands, TokensAreAskedForWhereTheyMustBe) {
  request("gw-1");
  const Digest right = digest_of(7);
  unit([&](auto& s) { return on_set_secret(s, "gw-1", right); });
  auto ask = [&](Credentials who) {
    return unit([&](auto& s) { return on_message(s, *DeviceId::parse("gw-1"), who, DeviceRequest{}); }).value();
  };
  Credentials none, good, bad, broker, cert;
  good.token_digest = right;
  bad.token_digest = digest_of(8);
  bad.protocol = Protocol::mqtt;
  broker.protocol = Protocol::mqtt;
  cert.certified = true;
  EXPECT_EQ(error_in(ask(none)).error.code, Errc::not_authorized);
  EXPECT_EQ(error_in(ask(bad)).error.code, Errc::not_authorized);
  EXPECT_TRUE(std::holds_alternative<UpToDateAnswer>(ask(good)));
  EXPECT_TRUE(std::holds_alternative<UpToDateAnswer>(ask(broker)));
  EXPECT_TRUE(std::holds_alternative<UpToDateAnswer>(ask(cert)));
  options.devices.token_required = true;
  service->set_options(options);
  EXPECT_EQ(error_in(ask(broker)).error.code, Errc::not_authorized);
  EXPECT_TRUE(std::holds_alternative<UpToDateAnswer>(ask(good)));
}

class AttributesTest : public TaskServiceTest {
 protected:
  using Mode = AttributeReport::Mode;
  using Texts = std::map<std::string, std::string>;

  std::optional<Answer> report(Mode mode, Texts values) {
    return unit([&](auto& s) {
      return on_message(s, *DeviceId::parse("gw-1"), {}, AttributeReport{mode, std::move(values)});
    });
  }
  Device device() { return service->rows.devices().find("gw-1").value(); }
};

TEST_F(AttributesTest, AreMergedReplacedAndRemoved) {
  EXPECT_FALSE(report(Mode::merge, {{"serial", "7"}, {"rev", "A"}}));
  EXPECT_EQ(device().attributes, (Texts{{"serial", "7"}, {"rev", "A"}}));
  EXPECT_TRUE(device().last_seen);
  report(Mode::merge, {{"rev", "B"}, {"mac", ""}});
  EXPECT_EQ(device().attributes, (Texts{{"serial", "7"}, {"rev", "B"}, {"mac", ""}}));
  report(Mode::remove, {{"serial", ""}, {"unknown", "x"}});
  EXPECT_EQ(device().attributes, (Texts{{"rev", "B"}, {"mac", ""}}));
  report(Mode::replace, {{"only", "this"}});
  EXPECT_EQ(device().attributes, (Texts{{"only", "this"}}));
  report(Mode::replace, {});
  EXPECT_TRUE(device().attributes.empty());
}

TEST_F(AttributesTest, OneTooManyChangesNothing) {
  Texts most;
  for (std::size_t i = 0; i < AttributeReport::kMost; ++i) most[std::to_string(i)] = "x";
  EXPECT_FALSE(report(Mode::replace, most));
  const auto refused = report(Mode::merge, {{"0", "y"}, {"another", "y"}});
  ASSERT_TRUE(refused);
  EXPECT_EQ(error_in(*refused).error.code, Errc::malformed);
  EXPECT_EQ(device().attributes, most);
  EXPECT_FALSE(report(Mode::merge, {{"0", "y"}})) << "those that are there may change";
}

TEST_F(AttributesTest, SomeAreVersionAndHardware) {
  options.ddi.version_attribute = "version";
  options.ddi.hardware_attribute = "board";
  service->set_options(options);
  report(Mode::merge, {{"version", "1.0.0"}, {"board", "gw-a"}});
  EXPECT_EQ(device().current_version, "1.0.0");
  EXPECT_TRUE(device().version_confirmed);
  EXPECT_EQ(device().hardware, "gw-a");
  report(Mode::remove, {{"version", "9"}, {"board", "gw-b"}});
  report(Mode::merge, {{"version", ""}, {"board", "no hardware"}});
  EXPECT_EQ(device().current_version, "1.0.0") << "nothing is said there";
  EXPECT_EQ(device().hardware, "gw-a");

  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  report(Mode::merge, {{"version", "2.0.0"}});
  EXPECT_EQ(state_of(id), TaskState::succeeded) << "as a request says it";
  unit([&](auto& s) {
    auto known = s.registry.find("gw-1").value();
    known.registered = true;
    s.rows.unit.put(known);
    return 0;
  });
  const auto refused = report(Mode::merge, {{"board", "gw-b"}});
  ASSERT_TRUE(refused);
  EXPECT_EQ(error_in(*refused).error.code, Errc::wrong_hardware);
  EXPECT_EQ(device().attributes.at("board"), "gw-b") << "what it says is kept";
  EXPECT_EQ(device().hardware, "gw-a");
}

TEST_F(DeviceCommands, TheWayAndTheClientOfTheLastMessageAreKept) {
  request("gw-1");
  Credentials who;
  who.protocol = Protocol::ddi;
  who.client = "libcurl-agent/1.0";
  unit([&](auto& s) { return on_message(s, *DeviceId::parse("gw-1"), who, DeviceRequest{}); });
  auto device = service->rows.devices().find("gw-1").value();
  EXPECT_EQ(device.protocol, Protocol::ddi);
  EXPECT_EQ(device.client, "libcurl-agent/1.0");
  request("gw-1");
  device = service->rows.devices().find("gw-1").value();
  EXPECT_EQ(device.protocol, Protocol::http);
  EXPECT_EQ(device.client, "");
}

class FirstContact : public TaskServiceTest {
 protected:
  static Credentials with(std::uint8_t seed, bool fit = true) {
    Credentials who;
    who.token_digest = digest_of(seed);
    who.token_fit = fit;
    return who;
  }
  bool welcome(const std::string& device, const Credentials& who) {
    const auto answer = unit([&](auto& s) { return on_message(s, *DeviceId::parse(device), who, says()); }).value();
    const auto* refused = std::get_if<ErrorAnswer>(&answer);
    EXPECT_TRUE(!refused || refused->error.code == Errc::not_authorized);
    return !refused;
  }
  std::size_t audited() { return service->rows.audit_log.list({}, 0, 100).size(); }
};

TEST_F(FirstContact, AnUnfitTokenIsRefusedBesideACertificateToo) {
  auto certified = with(7, false);
  certified.certified = true;
  EXPECT_FALSE(welcome("gw-1", certified));
  EXPECT_FALSE(row_of("gw-1"));
}

TEST_F(FirstContact, TheTokenOfANewDeviceIsItsSecretFromThenOn) {
  auto first = with(7);
  first.remote = "192.0.2.7:4711";
  EXPECT_TRUE(welcome("gw-1", first));
  EXPECT_EQ(row_of("gw-1")->secret, digest_of(7));
  EXPECT_TRUE(welcome("gw-1", with(7)));
  EXPECT_FALSE(welcome("gw-1", with(8)));
  EXPECT_FALSE(welcome("gw-1", {}));
  const auto entries = service->rows.audit_log.list({}, 0, 100);
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries[0].caller.name, "device");
  EXPECT_EQ(entries[0].caller.remote, "192.0.2.7:4711");
  EXPECT_EQ(entries[0].action + " " + entries[0].target + " " + entries[0].outcome, "device.token gw-1 done");
  unit([&](auto& s) { return on_set_secret(s, "gw-1", digest_of(9)); });
  EXPECT_FALSE(welcome("gw-1", with(7))) << "an issued one replaces it";
  EXPECT_TRUE(welcome("gw-1", with(9)));
  restart();
  EXPECT_TRUE(welcome("gw-1", with(9)));
}

TEST_F(FirstContact, WhateverItsFirstMessageIs) {
  const DeviceId one = *DeviceId::parse("gw-1"), two = *DeviceId::parse("gw-2"), three = *DeviceId::parse("gw-3"),
                 four = *DeviceId::parse("gw-4");
  ProgressReport report;
  report.task = {20261122, 42};
  VerifyReport right;
  right.task = report.task;
  unit([&](auto& s) { return on_message(s, one, with(1), report); });
  unit([&](auto& s) { return on_message(s, two, with(2), right); });
  unit([&](auto& s) { return on_listen(s, three, with(3)); });
  unit([&](auto& s) { return on_fetch(s, four, with(4), report.task); });
  for (std::uint8_t seed = 1; seed <= 4; ++seed)
    EXPECT_EQ(row_of("gw-" + std::to_string(seed))->secret, digest_of(seed)) << int{seed};
  EXPECT_EQ(audited(), 4u);
}

TEST_F(FirstContact, AKnownDeviceWithoutASecretGetsNoneThisWay) {
  EXPECT_TRUE(welcome("gw-1", {}));
  EXPECT_TRUE(welcome("gw-1", with(7)));
  EXPECT_TRUE(welcome("gw-1", with(8)));
  EXPECT_FALSE(row_of("gw-1")->secret);
  DeviceChange wanted;
  wanted.device = "gw-2";
  wanted.may_create = true;
  ASSERT_TRUE(unit([&](auto& s) { return on_change_device(s, wanted); }));
  EXPECT_TRUE(welcome("gw-2", with(7)));
  EXPECT_FALSE(row_of("gw-2")->secret);
  add_firmware("2.0.0");
  ASSERT_TRUE(upgrade(order("gw-3", "2.0.0")));
  EXPECT_TRUE(welcome("gw-3", with(7)));
  EXPECT_FALSE(row_of("gw-3")->secret);
  EXPECT_EQ(audited(), 0u);
}

TEST_F(FirstContact, AnUnfitTokenIsRefusedByItsRule) {
  const auto answer =
      unit([&](auto& s) { return on_message(s, *DeviceId::parse("gw-1"), with(7, false), says()); }).value();
  EXPECT_EQ(error_in(answer).error.code, Errc::not_authorized);
  EXPECT_THAT(error_in(answer).error.message, HasSubstr("device gw-1 is new"));
  EXPECT_THAT(error_in(answer).error.message, HasSubstr("16 to 128 visible characters of ASCII, no blanks"));
  EXPECT_FALSE(row_of("gw-1")) << "it would count as one without a secret, for anybody to speak as";
  EXPECT_EQ(audited(), 0u);
  EXPECT_TRUE(welcome("gw-1", with(8)));
  EXPECT_TRUE(row_of("gw-1")->secret);
}

TEST_F(FirstContact, WhereTokensAreRequiredOnlyAFitOneLetsANewDeviceIn) {
  options.devices.token_required = true;
  service->set_options(options);
  EXPECT_FALSE(welcome("gw-1", {}));
  EXPECT_FALSE(welcome("gw-1", with(7, false)));
  EXPECT_FALSE(row_of("gw-1")) << "a refused one is not taken in";
  auto over_mqtt = with(7);
  over_mqtt.protocol = Protocol::mqtt;
  EXPECT_TRUE(welcome("gw-1", over_mqtt));
  EXPECT_EQ(service->rows.audit_log.list({}, 0, 100).at(0).caller.remote, "mqtt");
  over_mqtt.token_digest = digest_of(8);
  EXPECT_FALSE(welcome("gw-1", over_mqtt));
}

TEST_F(FirstContact, ClosedRegistrationTakesNoSecrets) {
  options.devices.registration = "closed";
  service->set_options(options);
  const auto answer = unit([&](auto& s) { return on_message(s, *DeviceId::parse("gw-1"), with(7), says()); }).value();
  EXPECT_EQ(error_in(answer).error.code, Errc::unknown_device);
  EXPECT_FALSE(row_of("gw-1"));
  EXPECT_EQ(audited(), 0u);
}

TEST_F(DeviceCommands, HardwareOfARegisteredDeviceIsTheOperators) {
  DeviceChange wanted;
  wanted.device = "gw-1";
  wanted.may_create = true;
  wanted.hardware = "gw-a";
  EXPECT_TRUE(unit([&](auto& s) { return on_change_device(s, wanted); }).value().created);
  EXPECT_EQ(error_in(request("gw-1", says("gw-b"))).error.code, Errc::wrong_hardware);
  EXPECT_EQ(row_of("gw-1")->hardware, "gw-a");
  request("gw-2", says("gw-a"));
  request("gw-2", says("gw-b"));
  EXPECT_EQ(row_of("gw-2")->hardware, "gw-b") << "one that nobody registered says it itself";
}

TEST_F(DeviceCommands, ARegisteredDeviceThatReportsOtherHardwareGetsNoImage) {
  add_firmware("2.0.0");
  add_firmware("3.0.0", "", 2);
  DeviceChange wanted;
  wanted.device = "gw-1";
  wanted.may_create = wanted.registers = true;
  wanted.hardware = "gw-a";
  unit([&](auto& s) { return on_change_device(s, wanted); }).value();
  const auto waiting = upgrade(order("gw-1", "2.0.0")).value().task.id;
  EXPECT_EQ(error_in(request("gw-1", says("gw-b", "1.5.0"))).error.code, Errc::wrong_hardware);
  EXPECT_EQ(row(waiting).reason, "wrong_hardware");
  EXPECT_EQ(row_of("gw-1")->reported_hardware, "gw-b");
  EXPECT_TRUE(row_of("gw-1")->last_seen) << "it was heard";
  EXPECT_EQ(row_of("gw-1")->current_version, "") << "perhaps another unit's";

  EXPECT_EQ(upgrade(order("gw-1", "2.0.0")).error().code, Errc::wrong_hardware);
  auto forced = order("gw-1", "2.0.0");
  forced.force = true;
  EXPECT_EQ(upgrade(forced).error().code, Errc::wrong_hardware);
  auto silent = says();
  silent.hardware.reset();
  EXPECT_TRUE(std::holds_alternative<UpToDateAnswer>(request("gw-1", silent)));
  silent.version = "2.0.0";
  EXPECT_EQ(error_in(request("gw-1", silent)).error.code, Errc::wrong_hardware);
  EXPECT_EQ(unit([](auto& s) { return explain_device(s, "gw-1"); }).verdict, "wrong_hardware");
  restart();
  EXPECT_EQ(upgrade(order("gw-1", "2.0.0")).error().code, Errc::wrong_hardware) << "known after a restart";
  const auto universal = upgrade(order("gw-1", "3.0.0")).value().task.id;
  EXPECT_EQ(state_of(universal), TaskState::offered) << "it is for all hardware";
  ASSERT_TRUE(unit([&](auto& s) { return on_cancel(s, universal, "tester"); }));

  request("gw-1", says("gw-a", "1.0.0"));
  EXPECT_EQ(row_of("gw-1")->current_version, "1.0.0");
  EXPECT_EQ(state_of(upgrade(order("gw-1", "2.0.0")).value().task.id), TaskState::offered) << "it corrected itself";

  request("gw-1", says("gw-b"));
  wanted.hardware = "gw-b";
  unit([&](auto& s) { return on_change_device(s, wanted); }).value();
  EXPECT_EQ(row_of("gw-1")->reported_hardware, "") << "an operator corrected it";
}

TEST_F(DeviceCommands, AVersionBesideOtherHardwareIsTakenOver) {
  add_firmware("2.0.0");
  task_for("gw-1", "2.0.0");
  EXPECT_EQ(error_in(request("gw-1", says("gw-b", "1.1.0"))).error.code, Errc::wrong_hardware);
  EXPECT_EQ(row_of("gw-1")->hardware, "gw-b");
  EXPECT_EQ(row_of("gw-1")->current_version, "1.1.0");
}

TEST_F(DeviceCommands, AnImageForOtherHardwareIsNeverOffered) {
  add_firmware("2.0.0");
  const auto id = upgrade(order("gw-1", "2.0.0")).value().task.id;  // made before the device was ever heard
  const auto answer = request("gw-1", says("gw-b", "1.0.0"));
  EXPECT_EQ(error_in(answer).error.code, Errc::wrong_hardware);
  EXPECT_EQ(error_in(answer).task, id);
  EXPECT_EQ(state_of(id), TaskState::failed);
  EXPECT_EQ(row(id).reason, "wrong_hardware");
  EXPECT_TRUE(pushes().empty());
  EXPECT_TRUE(std::holds_alternative<UpToDateAnswer>(request("gw-1", says("gw-b", "1.0.0"))));
}

TEST_F(DeviceCommands, OtherHardwareEndsATaskInEveryState) {
  add_firmware("2.0.0");
  options.tasks.max_active = 10;
  service->set_options(options);
  const std::vector<std::pair<std::string, std::function<void(const TaskId&)>>> ways = {
      {"offered", [](const TaskId&) {}},
      {"downloading", [&](const TaskId& id) { chunk("downloading", id, 0, 0); }},
      {"retry_wait", [&](const TaskId& id) { verify("retry_wait", id, 9); }},
      {"installing", [&](const TaskId& id) { verify("installing", id, 1); }},
  };
  for (const auto& [device, bring] : ways) {
    const auto id = task_for(device, "2.0.0", {}, true);
    bring(id);
    ASSERT_EQ(to_string(state_of(id)), device);
    EXPECT_EQ(error_in(request(device, says("gw-b"))).error.code, Errc::wrong_hardware) << device;
    EXPECT_EQ(state_of(id), TaskState::failed) << device;
    EXPECT_EQ(row(id).reason, "wrong_hardware") << device;
  }
}

TEST_F(DeviceCommands, ADeviceRegisteredAsOtherHardwareLosesTasksThatDoNotFit) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  pushes();
  DeviceChange wanted;
  wanted.device = "gw-1";
  wanted.hardware = "gw-b";
  unit([&](auto& s) { return on_change_device(s, wanted); }).value();
  EXPECT_EQ(state_of(id), TaskState::failed);
  EXPECT_EQ(row(id).reason, "wrong_hardware");
  EXPECT_EQ(pushes(), std::vector<std::string>{"gw-1 failed"});
}

TEST_F(DeviceCommands, ReasonAndDetailAreThoseOfTheState) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  const auto fails = [&](const char* why) {
    ProgressReport report;
    report.task = id;
    report.state = DeviceState::failed;
    report.reason = why;
    progress("gw-1", report);
  };
  fails("no space on /data");
  EXPECT_EQ(row(id).reason, "device_failed");
  EXPECT_EQ(row(id).detail, "no space on /data");
  chunk("gw-1", id, 0, 0);
  EXPECT_EQ(state_of(id), TaskState::downloading);
  EXPECT_EQ(row(id).reason + row(id).detail, "") << "the next attempt goes well so far";
  verify("gw-1", id, 9, 2);
  EXPECT_EQ(row(id).reason, "checksum_mismatch");
  EXPECT_EQ(row(id).detail, "") << "said of another attempt";
  EXPECT_EQ(std::get<RetryAnswer>(*chunk("gw-1", id, 0, 0, true)).reason, "chunk_mismatch");
  verify("gw-1", id, 1);
  EXPECT_EQ(state_of(id), TaskState::succeeded);
  EXPECT_EQ(row(id).reason, "");
  fails("does not boot");
  EXPECT_EQ(row(id).reason + ": " + row(id).detail, "device_failed: does not boot");
}

TEST_F(DeviceCommands, AFailureAfterACancelIsInTheLogOfTheTask) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0", {}, true);
  verify("gw-1", id, 1);
  ASSERT_EQ(state_of(id), TaskState::installing);
  ASSERT_TRUE(unit([&](auto& s) { return on_cancel(s, id, "tester"); }));
  ProgressReport report;
  report.task = id;
  report.state = DeviceState::failed;
  report.reason = "mkfs: broken";
  EXPECT_EQ(error_in(*progress("gw-1", report)).error.code, Errc::task_ended);
  EXPECT_EQ(log_of(id).back().detail, "mkfs: broken");
}

TEST_F(DeviceCommands, LateWordsForAnEndedTaskAreTold) {
  add_firmware("2.0.0");
  const auto id = task_for("gw-1", "2.0.0");
  unit([&](auto& s) { return on_cancel(s, id, "tester"); });
  EXPECT_EQ(error_in(*chunk("gw-1", id, 0, 0)).error.code, Errc::task_ended);
  EXPECT_EQ(error_in(verify("gw-1", id, 1)).error.code, Errc::task_ended);
  EXPECT_EQ(state_of(id), TaskState::cancelled);
}

TEST_F(DeviceCommands, DownloadsMayOnlyBeOfATaskWhoseTurnItIs) {
  add_firmware("2.0.0");
  auto ask = [&](TaskId id) { return unit([&](auto& s) { return on_download(s, {id, {}}); }).access; };
  const auto a = task_for("gw-1", "2.0.0");
  task_for("gw-2", "2.0.0");
  const auto c = task_for("gw-3", "2.0.0");
  EXPECT_EQ(ask(a), Access::granted);
  EXPECT_EQ(ask(c), Access::not_now) << "both slots are held";
  EXPECT_EQ(ask({20261122, 999}), Access::unknown);
  verify("gw-1", a, 1);
  EXPECT_EQ(ask(a), Access::ended);
  EXPECT_EQ(ask(c), Access::granted);
}

TEST_F(DeviceCommands, ADownloadIsProvenByItsOwnDevice) {
  add_firmware("2.0.0");
  add_firmware("3.0.0", "gw-a", 2);
  const auto a = task_for("gw-1", "2.0.0");
  const auto b = task_for("gw-2", "2.0.0");
  unit([&](auto& s) { return on_set_secret(s, "gw-1", digest_of(71)); }).value();
  unit([&](auto& s) { return on_set_secret(s, "gw-2", digest_of(72)); }).value();

  const auto admit = [&](const DownloadProof& proof, TaskId task) {
    const auto held = transfers().admit(proof, task);
    const auto asked = unit([&](auto& s) { return on_download(s, {task, proof}); });
    EXPECT_EQ(held.has_value(), asked.access == Access::granted) << "active transfers and engine agree";
    EXPECT_EQ(held ? held->chunk_bytes : 0, asked.chunk_bytes);
    return held.has_value();
  };
  DownloadProof first{digest_of(1), digest_of(71), ""};
  EXPECT_TRUE(admit(first, a));
  EXPECT_EQ(transfers().admit(first, {})->task, a) << "found by the secret";
  EXPECT_FALSE(admit(first, b));
  EXPECT_FALSE(admit({digest_of(2), digest_of(71), ""}, a)) << "another image";
  EXPECT_FALSE(admit({digest_of(1), digest_of(99), ""}, a));
  EXPECT_FALSE(admit({digest_of(1), {}, ""}, a));
  EXPECT_TRUE(admit({digest_of(1), {}, "gw-1"}, a));
  EXPECT_EQ(transfers().admit({digest_of(1), {}, "gw-2"}, {})->task, b);
  EXPECT_FALSE(admit({digest_of(1), {}, "gw-1"}, b));
  EXPECT_FALSE(transfers().admit(first, TaskId{20261121, a.number})) << "the day is a part of the name";

  unit([&](auto& s) { return on_set_secret(s, "gw-1", digest_of(73)); }).value();
  EXPECT_FALSE(admit(first, a)) << "the secret was changed";
  EXPECT_FALSE(transfers().admit(first, {}));
  first.token = digest_of(73);
  EXPECT_TRUE(admit(first, a));

  unit([&](auto& s) { return on_cancel(s, a, "tester"); }).value();
  EXPECT_FALSE(transfers().admit(first, {}));
}

TEST_F(DeviceCommands, ChunksGoOnlyToTheDeviceOfATaskWhoseTurnItIs) {
  add_firmware("2.0.0");
  auto fetch = [&](const std::string& device, TaskId id, Credentials who = {}) {
    who.protocol = Protocol::mqtt;
    return unit([&](auto& s) { return on_fetch(s, *DeviceId::parse(device), who, id); });
  };
  auto refusal = [&](const ChunkAccess& access) { return std::get<ErrorAnswer>(std::get<Answer>(access)).error.code; };
  const auto a = task_for("gw-1", "2.0.0");
  task_for("gw-2", "2.0.0");
  const auto c = task_for("gw-3", "2.0.0");
  const auto granted = std::get<ChunkGrant>(fetch("gw-1", a));
  EXPECT_EQ(granted.image, row(a).checksum);
  EXPECT_EQ(granted.chunk_bytes, row(a).chunk_bytes);
  EXPECT_EQ(std::get<QueuedAnswer>(std::get<Answer>(fetch("gw-3", c))).task, c) << "both slots are held";
  EXPECT_EQ(refusal(fetch("gw-2", a)), Errc::unknown_task);
  EXPECT_EQ(refusal(fetch("gw-1", {20261122, 999})), Errc::unknown_task);
  verify("gw-1", a, 1);
  EXPECT_EQ(refusal(fetch("gw-1", a)), Errc::task_ended);
  EXPECT_TRUE(std::holds_alternative<ChunkGrant>(fetch("gw-3", c)));
  Credentials wrong;
  wrong.token_digest = Digest{1};
  unit([&](auto& s) { return on_set_secret(s, "gw-3", Digest{7}); });
  EXPECT_EQ(refusal(fetch("gw-3", c, wrong)), Errc::not_authorized);
}

TEST_F(DeviceCommands, WhoListensHearsWhatItHasNotBegun) {
  add_firmware("2.0.0");
  auto listen = [&] { return unit([&](auto& s) { return on_listen(s, *DeviceId::parse("gw-1"), {}); }).value(); };
  EXPECT_FALSE(listen());
  const auto id = task_for("gw-1", "2.0.0");
  EXPECT_EQ(std::get<Offer>(*listen()).task, id);
  chunk("gw-1", id, 0, 0);
  EXPECT_FALSE(listen()) << "it is at it";
  verify("gw-1", id, 9);
  EXPECT_EQ(std::get<RetryAnswer>(*listen()).offer.attempt, 2);
}

}  // namespace
}  // namespace ota::engine
