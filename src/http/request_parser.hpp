// Parses a request's head and chunked body (RFC 9112), on Beast's parser, without copying or allocating.
#pragma once

#include <array>
#include <boost/beast/http/basic_parser.hpp>
#include <cstdint>
#include <span>
#include <string_view>

#include "ota/http/message.hpp"

namespace ota::http {

/// More header fields than this: 431.
inline constexpr std::size_t kMaxFields = 64;

/// Remembers where in the caller's buffer method, target and fields stand. The buffer may move while the head is
/// incomplete, not after parse_head() answered `done`.
class RequestParser final : private boost::beast::http::basic_parser<true> {
 public:
  using Known = boost::beast::http::field;
  enum class Progress { need_more, done, bad };

  explicit RequestParser(std::size_t max_target_bytes);

  /// `head`: all received bytes of this request. After `bad`, status() and problem() have the reply.
  Progress parse_head(std::string_view head);

  unsigned status() const { return status_; }
  std::string_view problem() const { return problem_; }

  Method method() const { return method_; }
  std::string_view target() const { return view(target_); }
  bool http11() const { return version_ == 11; }
  bool keep_alive() const { return basic_parser::keep_alive(); }
  bool chunked() const { return basic_parser::chunked(); }
  /// 0 without a body; nothing for a chunked one.
  std::optional<std::uint64_t> content_length() const;
  std::size_t head_size() const { return consumed_; }

  /// The first such field's value, empty without one.
  std::string_view field(std::string_view name) const;
  std::string_view field(Known name) const;
  /// Calls `visit(value)` for each.
  template <class Visit>
  void each(Known name, Visit visit) const {
    for (std::size_t i = 0; i < count_; ++i) {
      if (fields_[i].known == name) visit(view(fields_[i].value));
    }
  }

  struct Chunked {
    Progress progress = Progress::need_more;
    std::size_t consumed = 0;  ///< of `raw`
    std::size_t produced = 0;  ///< put into `into`
  };
  /// Decodes chunked coding; what wasn't consumed must come again at the front of the next `raw`.
  Chunked decode(std::string_view raw, std::span<char> into);

 private:
  using error_code = boost::system::error_code;
  using string_view = boost::beast::string_view;
  struct Place {
    std::uint32_t at;
    std::uint32_t size;
  };
  struct Field {
    Known known;
    Place name;
    Place value;
  };

  std::string_view view(Place place) const { return {base_ + place.at, place.size}; }
  bool place(string_view text, Place& into) const;
  void refuse(unsigned status, std::string_view problem, error_code& ec);
  void translate(const error_code& ec, std::string_view head);

  void on_request_impl(boost::beast::http::verb, string_view, string_view, int, error_code&) override;
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(Known, string_view, string_view, error_code&) override;
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
  std::size_t on_body_impl(string_view, error_code&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view, error_code&) override;
  void on_finish_impl(error_code&) override {}

  const std::size_t max_target_bytes_;
  const char* base_ = nullptr;
  std::size_t available_ = 0;
  std::size_t consumed_ = 0;
  Place target_{};
  Method method_ = Method::other;
  int version_ = 11;
  bool head_done_ = false;
  bool has_length_ = false;
  bool has_host_ = false;
  bool in_chunk_ = false;
  std::uint64_t chunk_left_ = 0;
  unsigned status_ = 0;
  std::string_view problem_;
  std::span<char> into_;
  std::size_t produced_ = 0;
  std::size_t count_ = 0;
  std::array<Field, kMaxFields> fields_;  // the first count_ are set
};

}  // namespace ota::http
