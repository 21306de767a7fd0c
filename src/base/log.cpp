#include "ota/base/log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/formatter.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <exception>
#include <memory>
#include <utility>

#include "base/log_line.hpp"
#include "ota/base/mutex.hpp"
#include "ota/base/settings.hpp"

namespace ota::log {
namespace {

using Logger = std::shared_ptr<spdlog::logger>;

/// Passes a line from format_line() to spdlog.
class LineFormatter final : public spdlog::formatter {
 public:
  explicit LineFormatter(Format format) : format_(format) {}

  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const auto level = static_cast<Level>(message.level == spdlog::level::off ? spdlog::level::err : message.level);
    const std::string line = format_line(format_, std::chrono::floor<Millis>(message.time), level,
                                         {message.payload.data(), message.payload.size()});
    out.append(line.data(), line.data() + line.size());
  }

  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<LineFormatter>(format_); }

 private:
  Format format_;
};

Logger make_logger(spdlog::sink_ptr sink, Format format) {
  auto logger = std::make_shared<spdlog::logger>("otad", std::move(sink));
  logger->set_formatter(std::make_unique<LineFormatter>(format));
  logger->set_level(spdlog::level::trace);
  logger->flush_on(spdlog::level::info);
  return logger;
}

Logger stderr_logger(Format format) { return make_logger(std::make_shared<spdlog::sinks::stderr_sink_st>(), format); }

struct Log {
  std::atomic<int> level{static_cast<int>(Level::info)};
  Mutex mutex;  // held while one line is written
  Logger logger OTA_GUARDED_BY(mutex) = stderr_logger(Format::text);
};

/// Never destroyed, so that threads may log until the process ends.
Log& the_log() {
  static Log* const log = new Log;
  return *log;
}

/// Creates a missing file with mode 0640; spdlog would use 0666.
Result<void> prepare_file(const std::string& file) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
  if (fd < 0)
    return fail(Errc::malformed, fmt::format("log.file {}: {}; name a file in a folder that otad may write to", file,
                                             std::strerror(errno)));
  ::close(fd);
  return {};
}

}  // namespace

std::optional<Level> parse_level(std::string_view word) {
  for (const Level level : {Level::trace, Level::debug, Level::info, Level::warn, Level::error, Level::off})
    if (word == level_name(level)) return level;
  return {};
}

Result<void> configure(Level level, const std::string& file, Format format) {
  Logger logger;
  if (file.empty()) {
    logger = stderr_logger(format);
  } else {
    if (auto prepared = prepare_file(file); !prepared) return prepared.error();
    try {
      logger = make_logger(std::make_shared<spdlog::sinks::basic_file_sink_st>(file), format);
    } catch (const std::exception& e) {
      return fail(Errc::malformed, fmt::format("log.file {}: {}", file, e.what()));
    }
  }
  Log& log = the_log();
  {
    const MutexLock lock(log.mutex);
    log.logger.swap(logger);
  }
  log.level = static_cast<int>(level);
  return {};
}

Result<void> configure(const LogSettings& settings) {
  const auto level = parse_level(settings.level);
  if (!level) return fail(Errc::malformed, fmt::format("log.level {} is no level", settings.level));
  return configure(*level, settings.file, settings.format == "json" ? Format::json : Format::text);
}

void write(Level level, std::string_view message) {
  if (!enabled(level)) return;
  Log& log = the_log();
  const MutexLock lock(log.mutex);
  log.logger->log(static_cast<spdlog::level::level_enum>(level), spdlog::string_view_t(message.data(), message.size()));
}

bool enabled(Level level) {
  return level != Level::off && static_cast<int>(level) >= the_log().level.load(std::memory_order_relaxed);
}

}  // namespace ota::log
