// One connection: reads a request, calls the handler, writes the reply, and repeats.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <exception>
#include <memory>
#include <optional>

#include "http/bandwidth_limiter.hpp"
#include "http/deadline.hpp"
#include "http/file_plan.hpp"
#include "http/header_writer.hpp"
#include "http/incoming_request.hpp"
#include "http/open_count.hpp"
#include "http/tcp_info.hpp"
#include "http/worker.hpp"
#include "ota/http/server.hpp"

namespace ota::http {

/// State that all sessions of a listener share. Outlives them.
struct SessionContext {
  ServerOptions options;
  Handler handler;
  BandwidthLimiter* limiter;  ///< of the server
};

/// Lives on its worker's thread, from start() to the end of its coroutine.
class Session final : public SessionHook, public std::enable_shared_from_this<Session> {
 public:
  /// `tls` may be null; `place`: the connection counts as open until its end.
  Session(Worker& worker, std::shared_ptr<const SessionContext> context, OpenPlace place,
          boost::asio::ip::tcp::socket socket, std::shared_ptr<boost::asio::ssl::context> tls, std::string remote);
  ~Session() override;

  void start();

  void on_tick() override;
  void on_drain() override;
  void on_cut() override;
  bool owed() const override { return resting_ || (writing_ ? deadline_.stalled() : deadline_.owed()); }
  void on_give_way() override;

 private:
  static boost::asio::awaitable<void> run(std::shared_ptr<Session> self);
  boost::asio::awaitable<bool> serve_request();
  boost::asio::awaitable<void> refuse_head(const IncomingRequest& request);
  Reply reply_to_fault(const IncomingRequest& request, const std::exception_ptr& fault) const;
  boost::asio::awaitable<bool> write_plain(const IncomingRequest& request, const Reply& reply, bool keep);
  void file_head(std::string& head, const IncomingRequest& request, const Reply& reply, const FilePlan& plan,
                 const std::string& boundary, bool keep);
  boost::asio::awaitable<bool> write_file(const IncomingRequest& request, const Reply& reply, bool keep);
  boost::asio::awaitable<bool> write_stream(const IncomingRequest& request, const Reply& reply);
  boost::asio::awaitable<std::optional<std::string>> next_piece(const IncomingRequest& request, BodyStream& source);
  void end_stream(bool reset);
  boost::asio::awaitable<bool> send_range(const FileBody& file, ByteRange range, std::string_view head, bool checked,
                                          bool more);
  void read_stats(bool replied);
  void follow_peer();
  void begin_reply();
  boost::asio::awaitable<std::size_t> acquire(Bandwidth bandwidth, std::size_t wanted);
  boost::asio::awaitable<Result<void>> check(const FileBody& file, std::uint64_t offset, std::uint64_t length);
  boost::asio::awaitable<void> finish();
  void start_head(HeaderWriter& writer, const IncomingRequest& request, const Reply& reply, unsigned status, bool keep);

  Worker& worker_;
  const OpenPlace place_;  // first member, so destroyed last: a stop waits for it
  const std::shared_ptr<const SessionContext> context_;
  Peer peer_;
  Deadline deadline_;
  TcpInfo tcp_info_;
  std::uint32_t tcp_info_read_ = 0;                   // tick of the last sample
  bool replying_ = false;                             // a file
  std::shared_ptr<TransferListener> stats_listener_;  // until the peer has what it was sent
  std::unique_ptr<Stream> stream_;
  boost::asio::cancellation_signal cut_;
  bool resting_ = false;    // waits for the first byte of a request
  bool writing_ = false;    // a reply, or waits at its end for the peer to take the last one
  bool linger_ = false;     // something the peer sent may be unread
  bool follows_ = false;    // bytes that the peer acknowledges keep the connection open
  bool under_way_ = false;  // sent bytes were not acknowledged at the last sample, with follows_
  bool finishing_ = false;
  BodyStream* streaming_ = nullptr;  // the body that is being sent
  bool awaits_piece_ = false;        // of it
  Input input_;
};

}  // namespace ota::http
