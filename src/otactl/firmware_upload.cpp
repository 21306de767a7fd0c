#include "otactl/firmware_upload.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>

#include "ota/base/file.hpp"
#include "otactl/bars.hpp"
#include "otactl/crypto.hpp"
#include "otactl/format.hpp"
#include "otactl/interrupt.hpp"
#include "otactl/output.hpp"
#include "otactl/show.hpp"

namespace ota::otactl {
namespace {

namespace fs = std::filesystem;

/// A line on standard error where that is a terminal, drawn again in its place.
class Progress {
 public:
  Progress(const Call& call, std::string what, std::uint64_t size)
      : call_(call), what_(std::move(what)), size_(size), shown_(call.terminal().err && !call.terminal().dumb) {}
  ~Progress() {
    if (shown_ && drawn_) write_note("");
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(std::uint64_t done) {
    const auto now = std::chrono::steady_clock::now();
    if (!shown_ || (now - last_ < std::chrono::milliseconds{100} && done < size_)) return;
    last_ = now;
    drawn_ = true;
    const auto seconds = std::chrono::duration<double>(now - begun_).count();
    const auto rate = seconds > 0.5 ? bytes_text(static_cast<std::uint64_t>(static_cast<double>(done) / seconds)) : "";
    const auto percent = size_ == 0 ? 100 : done * 100 / size_;
    auto text = fmt::format(" {:>3} %  {} of {}  {}{}", percent, bytes_text(done), bytes_text(size_), rate,
                            rate.empty() ? "" : "/s");
    const auto label = fmt::format("{} ", what_);
    write_error(fmt::format("\r\x1b[2K{}{}{}", label,
                            progress_bar(done, size_, bar_columns(call_), call_.terminal().style),
                            fitted(call_, std::move(text), label.size() + bar_columns(call_))));
  }

 private:
  const Call& call_;
  const std::string what_;
  const std::uint64_t size_;
  const bool shown_;
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point last_{};
  bool drawn_ = false;
};

File open_image(const std::string& path, std::uint64_t& size) {
  auto file = File::open(path, O_RDONLY);
  if (!file) throw Failure(kUsage, file.error().message);
  struct stat about {};
  if (::fstat(file->descriptor(), &about) != 0 || !S_ISREG(about.st_mode))
    throw Failure(kUsage, fmt::format("{} is no regular file", printable(path)));
  size = static_cast<std::uint64_t>(about.st_size);
  return std::move(*file);
}

Query query_of(const Call& call, std::uint64_t size, const std::string& digest) {
  const auto version = call.argument("version");
  const auto hardware = call.text("hardware").value_or("");
  Query query{{"version", version}, {"checksum", "sha256:" + digest}};
  if (!hardware.empty()) query.emplace_back("hardware", hardware);
  if (call.has("security")) query.emplace_back("security", "true");
  if (const auto notes = call.text("notes")) query.emplace_back("notes", *notes);
  if (const auto key = call.text("sign")) {
    query.emplace_back("signature", sign({hardware, version, size, digest}, *key));
    query.emplace_back("key_id", call.text("key-id").value_or(fs::path(*key).stem().string()));
  }
  return query;
}

int upload(Call& call) {
  const auto path = call.argument("FILE");
  std::uint64_t size = 0;
  const auto file = open_image(path, size);
  if (call.has("key-id") && !call.has("sign")) throw Failure(kUsage, "--key-id is for --sign");
  const CatchInterrupts catching;
  Request request;
  {
    Progress progress(call, "reading", size);
    const auto digest = digest_of(file.descriptor(), size, [&](auto done) { progress.show(done); });
    request.query = query_of(call, size, digest);
  }
  request.method = "POST";
  request.path = "/firmware";
  request.silence = std::chrono::seconds{300};  // the server syncs what it has
  Reply reply;
  {
    Progress progress(call, "sending", size);
    request.file = FileBody{file.descriptor(), size, [&](auto done) { progress.show(done); }};
    try {
      reply = call.client().call(request);
    } catch (const Failure& failure) {
      if (failure.status() != kInterrupted) throw;
      throw Failure(kInterrupted, "interrupted: the firmware is not in the catalogue, unless all of it had arrived");
    }
    progress.show(size);
  }
  const auto firmware = reply.json();
  auto text = fmt::format("firmware {}{} {}: {}, {}", text_at(firmware, "/version"),
                          at(firmware, "/hardware").is_null() ? "" : " for " + text_at(firmware, "/hardware"),
                          reply.status == 200 ? "was there already" : "is in the catalogue", bytes_text(size),
                          text_at(firmware, "/checksum"));
  if (at(firmware, "/signature").is_object()) text += ", signed by " + text_at(firmware, "/signature/key_id");
  answer(call, reply, text + "\n");
  return kDone;
}

}  // namespace

Verb upload_verb() {
  return {"upload",
          "Add an image to the catalogue",
          {argument("FILE", "The image", Completes::file), needed(option("version", "VERSION", "Its version")),
           option("hardware", "HARDWARE", "Hardware type that it is for; without it, for all devices",
                  Completes::hardware),
           flag("security", "It is a security update: its updates go first"),
           option("notes", "TEXT", "Notes for people"),
           option("sign", "KEY", "Sign it with this Ed25519 key (PEM), as otactl key new-signing makes one",
                  Completes::file),
           option("key-id", "ID", "Name of the key at the server and devices (default: the key file's name)")},
          upload,
          "The digest of the file is computed first and sent along, so that the server compares what it received."};
}

}  // namespace ota::otactl
