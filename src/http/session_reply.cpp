// How a session writes its replies.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "http/file_plan.hpp"
#include "http/session.hpp"
#include "ota/base/log.hpp"
#include "ota/http/await.hpp"
#include "ota/http/problem.hpp"

namespace ota::http {
namespace asio = boost::asio;

namespace {

/// Between slices other connections of the thread get their turn.
constexpr std::size_t kSlice = 512 * 1024;
/// A body up to this size leaves in one piece with its head.
constexpr std::size_t kJoinedBody = 8 * 1024;

bool may_have_body(unsigned status) { return status >= 200 && status != 204 && status != 304; }

std::size_t slice_of(ByteRange range, std::uint64_t done) {
  return static_cast<std::size_t>(std::min<std::uint64_t>(range.length - done, kSlice));
}

std::string_view content_type_of(const Reply& reply) {
  return reply.content_type.empty() ? std::string_view("application/octet-stream") : reply.content_type;
}

/// 412 or 416.
Reply refuse(unsigned status, const FileBody& file) {
  const bool unmatched = status == 412;
  Reply reply = problem(
      {status, unmatched ? "precondition_failed" : "range_not_satisfiable", reason_phrase(status),
       unmatched ? "the ETag does not match If-Match" : "none of the ranges is within the content"});
  if (!file.etag.empty()) reply.headers.push_back({"ETag", std::string(file.etag)});
  if (status == 416) reply.headers.push_back({"Content-Range", fmt::format("bytes */{}", file.length)});
  return reply;
}

/// A reply that says why the file's bytes don't come.
Reply unusable(const Error& error) {
  if (error.code == Errc::overloaded) {
    Reply reply = problem({503, "overloaded", kOverloaded, "the server's disk is busy; try again later"});
    reply.headers.push_back({"Retry-After", std::to_string(std::max(1, error.retry_after_s))});
    return reply;
  }
  if (error.code == Errc::image_damaged) {
    return problem({503, "image_damaged", kImageDamaged, "the stored image is corrupted and is not served"});
  }
  return problem({500, "server_fault", kServerFault,
                  "the stored image can't be read; the server's log has the reason"});
}

}  // namespace

void Session::start_head(HeaderWriter& writer, const IncomingRequest& request, const Reply& reply, unsigned status,
                         bool keep) {
  writer.status(status);
  writer.field("Date", worker_.date());
  for (const Header& header : reply.headers) writer.field(header);
  writer.connection(!keep                       ? Connection::close
                    : request.parser().http11() ? Connection::keep_alive
                                                : Connection::keep_alive_http10);
}

asio::awaitable<bool> Session::write_plain(const IncomingRequest& request, const Reply& reply, bool keep) {
  std::string head = worker_.take_text();
  HeaderWriter writer(head);
  start_head(writer, request, reply, reply.status, keep);
  if (may_have_body(reply.status)) {
    if (!reply.content_type.empty()) writer.field("Content-Type", reply.content_type);
    writer.number("Content-Length", reply.body.size());
  }
  writer.end();
  std::string_view body = reply.body;
  if (request.method() == Method::head || !may_have_body(reply.status)) body = {};
  if (body.size() <= kJoinedBody) {
    head += body;
    body = {};
  }
  bool written = co_await stream_->write(head, !body.empty());
  if (written && !body.empty()) written = co_await stream_->write(body, false);
  worker_.give_text(std::move(head));
  co_return written;
}

void Session::file_head(std::string& head, const IncomingRequest& request, const Reply& reply, const FilePlan& plan,
                        const std::string& boundary, bool keep) {
  const FileBody& file = *reply.file;
  HeaderWriter writer(head);
  start_head(writer, request, reply, plan.status, keep);
  if (!file.cache_control.empty()) writer.field("Cache-Control", file.cache_control);
  if (!file.etag.empty()) writer.field("ETag", file.etag);
  if (plan.status != 304) {
    writer.field("Accept-Ranges", "bytes");
    if (plan.status == 200 && !file.content_digest.empty()) writer.field("Content-Digest", file.content_digest);
    if (!file.repr_digest.empty()) writer.field("Repr-Digest", file.repr_digest);
    if (!boundary.empty()) {
      writer.field("Content-Type", "multipart/byteranges; boundary=" + boundary);
      writer.number("Content-Length", multipart_length(boundary, content_type_of(reply), plan.ranges, file.length));
    } else {
      writer.field("Content-Type", content_type_of(reply));
      if (plan.status == 206) writer.content_range(plan.ranges.front(), file.length);
      writer.number("Content-Length", plan.ranges.empty() ? 0 : plan.ranges.front().length);
    }
  }
  writer.end();
}

asio::awaitable<bool> Session::write_file(const IncomingRequest& request, const Reply& reply, bool keep) {
  const FileBody& file = *reply.file;
  const FilePlan plan = reply.status == 200 ? plan_file(request.parser(), file) : plan_whole(reply.status, file);
  const bool head_only = request.method() == Method::head || plan.status == 304 || plan.ranges.empty();
  Reply refusal;
  if (plan.status == 412 || plan.status == 416) {
    refusal = refuse(plan.status, file);
  } else if (!head_only) {
    // The first slice is verified before the reply's header is sent.
    const ByteRange first = plan.ranges.front();
    const std::uint64_t at = file.offset + first.offset;
    if (!file.source->checked(at, slice_of(first, 0))) {
      auto checking = check(file, at, slice_of(first, 0));
      const Result<void> right = co_await std::move(checking);
      if (!right) refusal = unusable(right.error());
    }
  }
  if (refusal.status != 200) {
    log::debug(fmt::format("http: {} answered {} for {}", peer_.remote, refusal.status, request.path()));
    auto refusing = write_plain(request, refusal, keep);
    co_return co_await std::move(refusing);
  }

  const bool several = plan.status == 206 && plan.ranges.size() > 1;
  const std::string boundary = several ? make_boundary() : std::string();
  std::string head = worker_.take_text();
  file_head(head, request, reply, plan, boundary, keep);

  bool written = true;
  if (head_only) {
    written = co_await stream_->write(head, false);
  } else {
    stats_listener_ = file.listener;
    replying_ = true;
    for (std::size_t i = 0; written && i < plan.ranges.size(); ++i) {
      const ByteRange range = plan.ranges[i];
      if (several) append_part_head(head, boundary, content_type_of(reply), range, file.length);
      written = co_await send_range(file, range, head, i == 0, several);
      head.clear();
    }
    if (written && several) {
      append_part_end(head, boundary);
      written = co_await stream_->write(head, false);
    }
    replying_ = false;
    if (file.listener) {
      if (!worker_.draining()) file.listener->ended(written);
      if (stats_listener_ && tcp_info_read_ != worker_.now()) read_stats(true);
    }
  }
  worker_.give_text(std::move(head));
  co_return written;
}

/// Every file byte leaves through here, at the bandwidth that the caps leave it. `head` goes in front; `checked`: the
/// first slice is known to be right.
asio::awaitable<bool> Session::send_range(const FileBody& file, ByteRange range, std::string_view head, bool checked,
                                          bool more) {
  const Bandwidth bandwidth = file.source->bandwidth();
  std::uint64_t right_to = checked ? slice_of(range, 0) : 0;
  for (std::uint64_t done = 0; done < range.length;) {
    const std::uint64_t at = file.offset + range.offset + done;
    if (done == right_to) {
      if (done > 0) co_await asio::post(asio::use_awaitable);
      right_to += slice_of(range, done);
      if (!file.source->checked(at, right_to - done)) {
        auto checking = check(file, at, right_to - done);
        const Result<void> right = co_await std::move(checking);
        if (!right) {
          // The announced length can't be sent: the peer notices the early end.
          log::debug(fmt::format("http: reply to {} broken off: {}", peer_.remote, right.error().message));
          co_return false;
        }
      }
    }
    std::size_t size = static_cast<std::size_t>(right_to - done);
    const bool paced = context_->limiter->limits(bandwidth);
    if (paced) size = co_await acquire(bandwidth, size);
    // A paced piece leaves by itself: what follows may be long in coming.
    const FileSlice slice{file.source->descriptor(), at, size, !paced && (more || done + size < range.length)};
    const std::size_t sent = co_await stream_->write_file(done == 0 ? head : std::string_view(), slice);
    worker_.file_bytes.add(sent);
    if (sent > 0 && file.listener) file.listener->sent(at, sent);
    if (sent != size) co_return false;
    done += size;
  }
  co_return true;
}

/// Waits for a cap; answers how much of `wanted` may leave. A connection that is held back is not idle.
asio::awaitable<std::size_t> Session::acquire(Bandwidth bandwidth, std::size_t wanted) {
  deadline_.suspend();
  BandwidthLimiter* limiter = context_->limiter;
  std::function<void(BandwidthLimiter::Granted)> start = [limiter, bandwidth,
                                                          wanted](BandwidthLimiter::Granted granted) {
    limiter->acquire(bandwidth, wanted, std::chrono::steady_clock::now(), std::move(granted));
  };
  auto asking = await_call<std::size_t>(std::move(start));
  const std::size_t size = co_await std::move(asking);
  deadline_.resume();
  co_return size;
}

asio::awaitable<Result<void>> Session::check(const FileBody& file, std::uint64_t offset, std::uint64_t length) {
  deadline_.suspend();
  FileSource* source = file.source.get();
  std::function<void(std::function<void(Result<void>)>)> start = [source, offset,
                                                                  length](std::function<void(Result<void>)> done) {
    source->check(offset, length, std::move(done));
  };
  auto checking = await_call<Result<void>>(std::move(start));
  Result<void> right = co_await std::move(checking);
  deadline_.resume();
  co_return right;
}

}  // namespace ota::http
