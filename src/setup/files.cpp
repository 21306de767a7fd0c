#include "setup/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <vector>

#include "ota/base/file.hpp"

namespace ota::setup {
namespace {

constexpr std::size_t kLargestFile = std::size_t{256} << 20;  ///< a password file of a million devices
constexpr std::size_t kMostLines = 2000;                      ///< that are compared one by one

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

/// Of the longest common subsequence of the rests of `a` from i and of `b` from j, at [i * (b.size() + 1) + j].
std::vector<std::uint16_t> common_lengths(const std::vector<std::string_view>& a,
                                          const std::vector<std::string_view>& b) {
  const auto width = b.size() + 1;
  std::vector<std::uint16_t> length((a.size() + 1) * width, 0);
  for (auto i = a.size(); i-- > 0;)
    for (auto j = b.size(); j-- > 0;)
      length[i * width + j] = a[i] == b[j] ? static_cast<std::uint16_t>(length[(i + 1) * width + j + 1] + 1)
                                           : std::max(length[(i + 1) * width + j], length[i * width + j + 1]);
  return length;
}

}  // namespace

Result<std::optional<FileState>> look(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return std::optional<FileState>();
    return io_error(errno, "look at", path);
  }
  auto content = read_file(path, kLargestFile);
  if (!content) return content.error();
  return std::optional(FileState{std::move(*content), status.st_mode & 07777, {status.st_uid, status.st_gid}});
}

Result<void> put(const std::filesystem::path& path, const FileState& file) {
  const std::filesystem::path fresh = path.string() + ".new";
  // What a kill left there may be open to others.
  ::unlink(fresh.c_str());
  const auto out = ota::File::open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!out) return out.error();
  if (auto written = out->write_at(file.content, 0); !written) return written;
  if (::geteuid() == 0 && ::fchown(out->descriptor(), file.owner.user, file.owner.group) != 0)
    return io_error(errno, "change the owner of", fresh);
  if (::fchmod(out->descriptor(), file.mode) != 0) return io_error(errno, "set the mode of", fresh);
  if (auto synced = out->sync(); !synced) return synced;
  return rename_durably(fresh, path);
}

std::string difference(const std::string& from, const std::string& to, const std::string& indent) {
  const auto a = lines_of(from);
  const auto b = lines_of(to);
  if (a.size() > kMostLines || b.size() > kMostLines) return indent + "(too long to be shown)\n";
  const auto length = common_lengths(a, b);
  const auto width = b.size() + 1;
  std::string text;
  const auto add = [&](char sign, std::string_view line) { text += indent + sign + std::string(line) + '\n'; };
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < a.size() || j < b.size()) {
    if (i < a.size() && j < b.size() && a[i] == b[j]) {
      ++i, ++j;
    } else if (j == b.size() || (i < a.size() && length[(i + 1) * width + j] >= length[i * width + j + 1])) {
      add('-', a[i++]);
    } else {
      add('+', b[j++]);
    }
  }
  return text;
}

}  // namespace ota::setup
