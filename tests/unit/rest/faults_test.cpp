// What nobody foresaw ends the one call that it belongs to.
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <stdexcept>

#include "ota/base/fault.hpp"
#include "rest/context.hpp"
#include "rest/upload_pump.hpp"
#include "unit/rest/doubles.hpp"

namespace ota::rest::test {
namespace {

/// What the coroutine threw; empty where it didn't.
std::string thrown_by(boost::asio::awaitable<void> work) {
  boost::asio::io_context io;
  std::string what;
  boost::asio::co_spawn(io, std::move(work), [&what](std::exception_ptr fault) {
    if (fault) what = describe_exception(fault);
  });
  io.run();
  return what;
}

TEST(Faults, OfAReadingThreadReachTheCall) {
  Bench bench;
  const auto reading = [&]() -> boost::asio::awaitable<void> {
    std::function<Result<int>(storage::ReadView&)> job = [](storage::ReadView&) -> Result<int> {
      throw std::out_of_range("a row that can't be");
    };
    co_await read<int>(*bench.readers, std::move(job));
  };
  for (int i = 0; i < 10; ++i) EXPECT_EQ(thrown_by(reading()), "a row that can't be");
  EXPECT_EQ(bench.get("/tasks").reply.status, 200u) << "every reader is there still";
}

TEST(Faults, OfTheDatabaseAreErrors) {
  Bench bench;
  Errc code = Errc::malformed;
  const auto reading = [&]() -> boost::asio::awaitable<void> {
    std::function<Result<int>(storage::ReadView&)> job = [](storage::ReadView&) -> Result<int> {
      throw storage::Fault(storage::Fault::Kind::broken, "no such table");
    };
    const auto done = co_await read<int>(*bench.readers, std::move(job));
    code = done.error().code;
  };
  EXPECT_EQ(thrown_by(reading()), "");
  EXPECT_EQ(code, Errc::server_fault);
}

TEST(Faults, OfADiskStepReachTheUpload) {
  Bench bench;
  const auto uploading = [&]() -> boost::asio::awaitable<void> {
    DiskSteps steps(*bench.store, std::move(*bench.store->begin_upload()));
    DiskSteps::Step step = [](firmware::Upload&) -> Result<void> { throw std::runtime_error("no room in memory"); };
    co_await steps.run(std::move(step));
  };
  EXPECT_EQ(thrown_by(uploading()), "no room in memory");
  EXPECT_EQ(bench.files_in_store(), 0u);
}

}  // namespace
}  // namespace ota::rest::test
