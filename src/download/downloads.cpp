#include "download/downloads.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <utility>

#include "download/manifest.hpp"
#include "download/transfer.hpp"
#include "ota/base/url.hpp"
#include "ota/firmware/hash.hpp"
#include "ota/http/await.hpp"
#include "ota/wire/bearer.hpp"
#include "ota/wire/errors.hpp"

namespace ota::download {
namespace asio = boost::asio;

namespace {

constexpr int kWaitingTaskRetryS = 30;
constexpr const char* kNotYours = "this token or certificate belongs to no device that has a task for this image";

/// The content of a URL never changes. A signed URL is itself the authorization, so a shared cache may keep its reply.
/// A reply that was authorized by the device's token or certificate is private, and other spellings of a signed URL
/// would fill the cache with copies.
std::string_view cache_control(const UrlGrant& grant) {
  return grant.as_signed ? "public, max-age=31536000, immutable" : "private, max-age=31536000, immutable";
}

unsigned download_status(Errc code) {
  if (code == Errc::task_ended) return 410;
  if (code == Errc::bad_chunk_range) return 404;
  return wire::http_status(code);
}

/// Reads the task that a query names; false if it is not a task id.
bool named_task(const QueryItems& query, std::optional<TaskId>& task) {
  for (const auto& [name, value] : query) {
    if (name != "task") continue;
    task = TaskId::parse(value);
    if (!task) return false;
  }
  return true;
}

/// A device with another chunk layout than its task's would get wrong bytes for a chunk.
bool names_other_grid(const QueryItems& query, std::uint32_t chunk_bytes) {
  return std::any_of(query.begin(), query.end(), [&](const auto& item) {
    return item.first == "bytes" && item.second != std::to_string(chunk_bytes);
  });
}

/// The name under which AuthThrottle counts a download's token: the task, because the URL names no device.
Credentials guess_of(const engine::DownloadProof& proof) {
  Credentials who;
  who.token_digest = proof.token;
  return who;
}

}  // namespace

Downloads::Downloads(Context& context) : context_(context), signer_(context.options.signing_keys) {}

asio::awaitable<http::Reply> Downloads::handle(http::Request& request) {
  const auto path = parse_download_path(request.path());
  if (!path) co_return wire::problem_reply(fail(Errc::not_found, "no such download; see the URLs in metadata"));
  const bool head = request.method() == http::Method::head;
  if (!head && request.method() != http::Method::get) co_return wire::method_not_allowed_reply("GET, HEAD");

  UrlGrant grant;
  std::optional<engine::DownloadClaim> claim;
  if (const auto error = refuse(request, *path, grant, claim)) co_return refused(request, grant, *error);
  std::optional<FirmwareSignature> signature;  // of a task without an active transfer
  if (claim) {
    auto asking = refuse_claim(std::move(*claim), grant, signature);
    const auto error = co_await std::move(asking);
    if (error) co_return refused(request, grant, *error);
  }
  auto image = context_.store.image(path->digest);
  if (!image)
    co_return refused(
        request, grant,
        fail(Errc::image_damaged, "the stored image is corrupted or missing; an operator must upload it again"));
  if (path->kind == DownloadPath::Kind::image) {
    context_.downloads.fetch_add(head ? 0 : 1, std::memory_order_relaxed);
    const auto size = image->size();
    co_return file_reply(*path, std::move(image), grant, path->digest, 0, size, head);
  }

  const ChunkGrid grid{image->size(), grant.chunk_bytes};
  const bool chunk = path->kind == DownloadPath::Kind::chunk;
  if (chunk && path->index >= grid.count())
    co_return refused(request, grant,
                      fail(Errc::bad_chunk_range,
                           fmt::format("there is no chunk {}: the last one is {}", path->index, grid.count() - 1)));
  auto digests = context_.store.find(path->digest, grant.chunk_bytes);
  if (!digests) {
    auto preparing = manifest(path->digest, grant.chunk_bytes);
    auto prepared = co_await std::move(preparing);
    if (!prepared) co_return refused(request, grant, prepared.error());
    digests = *prepared;
  }
  if (digests->size() != grid.count())
    co_return refused(request, grant, fail(Errc::server_fault, "the list of chunk digests does not match the image"));
  context_.downloads.fetch_add(head ? 0 : 1, std::memory_order_relaxed);
  if (chunk) {
    const auto index = static_cast<std::uint32_t>(path->index);
    co_return file_reply(*path, std::move(image), grant, (*digests)[index], grid.offset(index), grid.length(index),
                         head);
  }
  if (!claim) signature = context_.engine.transfers().signature(grant.task.number);
  co_return manifest_reply(request, *image, grant, *digests, signature);
}

Result<http::Reply> Downloads::file(const http::Request& request, const engine::ArtifactGrant& artifact) {
  auto image = context_.store.image(artifact.image);
  if (!image) return fail(Errc::image_damaged, "the stored image is corrupted or missing; an operator must upload it again");
  UrlGrant grant;
  grant.task = artifact.task;
  grant.chunk_bytes = artifact.chunk_bytes;
  const bool head = request.method() == http::Method::head;
  context_.downloads.fetch_add(head ? 0 : 1, std::memory_order_relaxed);
  const auto hex = to_hex(artifact.image);
  DownloadPath path;
  path.hex = hex;
  path.digest = artifact.image;
  const auto size = image->size();
  auto reply = file_reply(path, std::move(image), grant, artifact.image, 0, size, head);
  reply.headers.push_back({"Content-Disposition", fmt::format("attachment;filename={}", artifact.filename)});
  reply.headers.push_back({"X-Content-Type-Options", "nosniff"});
  return reply;
}

std::optional<Error> Downloads::refuse_url(const http::Request& request, const DownloadPath& path,
                                           UrlGrant& grant) const {
  const auto now = std::chrono::floor<std::chrono::seconds>(context_.clock.wall()).time_since_epoch().count();
  auto verdict = signer_.verify(path.hex, request.query(), now, grant);
  if (verdict != UrlVerdict::good && request.query().find('%') != std::string_view::npos) {
    // sign() writes no escapes, but a client may escape any character (RFC 3986, 2.3).
    if (const auto decoded = percent_decode(request.query())) verdict = signer_.verify(path.hex, *decoded, now, grant);
    grant.as_signed = false;
  }
  switch (verdict) {
    case UrlVerdict::good:
      return std::nullopt;
    case UrlVerdict::expired:
      return fail(Errc::not_authorized, "the URL has expired; send a request for a new one");
    case UrlVerdict::missing:
      return fail(Errc::not_authorized, "the URL has no signed query; use the URLs in metadata as they are");
    case UrlVerdict::unsigned_parameter:
      return fail(Errc::not_authorized,
                  "the URL's query has a parameter that was not signed; use the URLs in metadata as they are");
    case UrlVerdict::wrong:
      break;
  }
  return fail(Errc::not_authorized, "the URL's signature is wrong; use the URLs in metadata as they are");
}

std::optional<Error> Downloads::refuse(const http::Request& request, const DownloadPath& path, UrlGrant& grant,
                                       std::optional<engine::DownloadClaim>& claim) const {
  auto error = refuse_url(request, path, grant);
  if (!error) {
    if (!context_.engine.transfers().active(grant.task.number)) claim.emplace(engine::DownloadClaim{grant.task, {}});
    return std::nullopt;
  }
  engine::DownloadProof proof;
  proof.image = path.digest;
  proof.certified = request.client_name();
  const auto token = wire::bearer_token(request.header("Authorization"));
  if (!token.empty()) proof.token = firmware::sha256(token);
  if (!proof.token && proof.certified.empty()) return error;
  return refuse_proof(request, std::move(proof), grant, claim);
}

std::optional<Error> Downloads::refuse_proof(const http::Request& request, engine::DownloadProof proof, UrlGrant& grant,
                                             std::optional<engine::DownloadClaim>& claim) const {
  grant = {};
  grant.own = true;
  const auto query = parse_query(request.query());
  std::optional<TaskId> task;
  if (!query || !named_task(*query, task)) return fail(Errc::not_authorized, "the URL's query is malformed");
  if (const auto held = context_.engine.transfers().admit(proof, task)) {
    grant.task = held->task;
    grant.chunk_bytes = held->chunk_bytes;
    if (!names_other_grid(*query, grant.chunk_bytes)) return std::nullopt;
    return fail(Errc::not_authorized, fmt::format("the task's chunks have {} bytes", grant.chunk_bytes));
  }
  if (!task || context_.engine.transfers().active(task->number)) return fail(Errc::not_authorized, kNotYours);
  claim.emplace(engine::DownloadClaim{*task, std::move(proof)});
  return std::nullopt;
}

asio::awaitable<std::optional<Error>> Downloads::refuse_claim(engine::DownloadClaim claim, UrlGrant& grant,
                                                              std::optional<FirmwareSignature>& signature) {
  grant.task = claim.task;
  const auto guess = claim.proof ? guess_of(*claim.proof) : Credentials{};
  std::function<void(engine::Done<engine::Admission>)> ask = [this, &claim](engine::Done<engine::Admission> done) {
    context_.engine.download(std::move(claim), std::move(done));
  };
  auto asking = http::await_call<Result<engine::Admission>>(std::move(ask));
  auto admission = co_await std::move(asking);
  if (!admission) co_return admission.error();
  const auto access = admission->access;
  if (grant.own)
    if (auto slower = context_.throttle.record_result(grant.task.str(), guess, access != engine::Access::unknown))
      co_return slower;
  if (access == engine::Access::granted) {
    if (grant.own) grant.chunk_bytes = admission->chunk_bytes;
    signature = std::move(admission->signature);
    co_return std::nullopt;
  }
  if (access == engine::Access::ended) co_return fail(Errc::task_ended, "the task has ended");
  if (access == engine::Access::unknown)
    co_return fail(Errc::not_authorized, grant.own ? kNotYours : "the URL belongs to an unknown task");
  co_return wire::overloaded("the task is not active; metadata is sent when it may continue", kWaitingTaskRetryS);
}

asio::awaitable<Result<Downloads::GridManifest>> Downloads::manifest(Digest image, std::uint32_t chunk_bytes) {
  std::function<void(std::function<void(Result<GridManifest>)>)> prepare =
      [this, image, chunk_bytes](std::function<void(Result<GridManifest>)> done) {
        context_.store.prepare(image, chunk_bytes, std::move(done));
      };
  auto preparing = http::await_call<Result<GridManifest>>(std::move(prepare));
  auto prepared = co_await std::move(preparing);
  if (prepared && !*prepared) co_return fail(Errc::server_fault, "the list of chunk digests could not be made");
  co_return prepared;
}

http::Reply Downloads::file_reply(const DownloadPath& path, std::shared_ptr<firmware::Image> image,
                                  const UrlGrant& grant, const Digest& content, std::uint64_t offset,
                                  std::uint64_t length, bool head) const {
  auto sender = std::make_shared<DownloadTransfer>(std::move(image), context_, grant, path.hex, content);
  http::Reply reply;
  auto& file = reply.file.emplace();
  file.offset = offset;
  file.length = length;
  file.cache_control = cache_control(grant);
  file.etag = sender->etag();
  // RFC 9530: the representation at this address is the image or the chunk, so its digest goes with parts of it too.
  file.content_digest = file.repr_digest = sender->digest_field();
  if (!head) file.listener = sender;
  file.source = std::move(sender);
  return reply;
}

http::Reply Downloads::manifest_reply(const http::Request& request, const firmware::Image& image, const UrlGrant& grant,
                                      const firmware::Manifest& manifest,
                                      const std::optional<FirmwareSignature>& signature) const {
  http::Reply reply;
  reply.headers.push_back({"Cache-Control", std::string(cache_control(grant))});
  reply.headers.push_back({"Vary", "Accept"});
  if (prefers_octets(request.header("Accept"))) {
    reply.content_type = "application/octet-stream";
    reply.body = manifest_octets(manifest);
    return reply;
  }
  reply.content_type = "application/json";
  reply.body = manifest_json(image.digest(), {image.size(), grant.chunk_bytes}, manifest, signature);
  return reply;
}

http::Reply Downloads::refused(const http::Request& request, const UrlGrant& grant, const Error& error) {
  context_.refusals.write({}, grant.task.number > 0 ? std::optional(grant.task) : std::nullopt, error,
                          {request.remote(), request.path()});
  return wire::problem_reply(error, download_status(error.code));
}

}  // namespace ota::download
