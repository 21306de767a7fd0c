// Images, chunks and manifests over HTTP (docs/device-protocol.md, Chunks).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>

#include "download/context.hpp"
#include "download/path.hpp"
#include "ota/download/urls.hpp"
#include "ota/http/message.hpp"

namespace ota::download {

/// Thread-safe. An active transfer needs no command of the engine, a chunk layout in memory needs no disk access.
class Downloads {
 public:
  explicit Downloads(Context& context);

  /// As Service::handle.
  boost::asio::awaitable<http::Reply> handle(http::Request& request);
  /// As Service::file.
  Result<http::Reply> file(const http::Request& request, const engine::ArtifactGrant& artifact);

 private:
  using GridManifest = std::shared_ptr<const firmware::Manifest>;

  std::optional<Error> refuse_url(const http::Request& request, const DownloadPath& path, UrlGrant& grant) const;
  /// By the URL's signature, else by what the device itself shows. With a `claim` the engine must be asked.
  std::optional<Error> refuse(const http::Request& request, const DownloadPath& path, UrlGrant& grant,
                              std::optional<engine::DownloadClaim>& claim) const;
  std::optional<Error> refuse_proof(const http::Request& request, engine::DownloadProof proof, UrlGrant& grant,
                                    std::optional<engine::DownloadClaim>& claim) const;
  boost::asio::awaitable<std::optional<Error>> refuse_claim(engine::DownloadClaim claim, UrlGrant& grant,
                                                            std::optional<FirmwareSignature>& signature);
  boost::asio::awaitable<Result<GridManifest>> manifest(Digest image, std::uint32_t chunk_bytes);
  /// The image, or a chunk of it, whose digest is `content`; sent bytes are reported to the active transfer, except for
  /// HEAD.
  http::Reply file_reply(const DownloadPath& path, std::shared_ptr<firmware::Image> image, const UrlGrant& grant,
                         const Digest& content, std::uint64_t offset, std::uint64_t length, bool head) const;
  http::Reply manifest_reply(const http::Request& request, const firmware::Image& image, const UrlGrant& grant,
                             const firmware::Manifest& manifest,
                             const std::optional<FirmwareSignature>& signature) const;
  http::Reply refused(const http::Request& request, const UrlGrant& grant, const Error& error);

  Context& context_;
  const UrlSigner signer_;
};

}  // namespace ota::download
