#include "ota/setup/machine.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "ota/base/file.hpp"

namespace ota::setup {
namespace {

/// With the domain, where DNS or /etc/hosts knows it.
std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return {};
  addrinfo hints{};
  hints.ai_flags = AI_CANONNAME;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  std::string full = name.data();
  if (::getaddrinfo(name.data(), nullptr, &hints, &found) == 0) {
    // Where /etc/hosts names this machine "localhost" first, its own name says more.
    const std::string canonical = found->ai_canonname ? found->ai_canonname : "";
    if (canonical.starts_with(full + ".")) full = canonical;
    ::freeaddrinfo(found);
  }
  return full;
}

std::vector<std::string> ipv4_addresses() {
  std::vector<std::string> addresses;
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return addresses;
  for (const auto* one = all; one != nullptr; one = one->ifa_next) {
    if (!one->ifa_addr || one->ifa_addr->sa_family != AF_INET || (one->ifa_flags & IFF_LOOPBACK) != 0) continue;
    const auto& address = reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr;
    std::array<char, INET_ADDRSTRLEN> text{};
    if (!::inet_ntop(AF_INET, &address, text.data(), text.size())) continue;
    if (!std::string_view(text.data()).starts_with("169.254.")) addresses.emplace_back(text.data());
  }
  ::freeifaddrs(all);
  return addresses;
}

User to_user(const passwd& entry) { return {entry.pw_name, {entry.pw_uid, entry.pw_gid}, entry.pw_dir}; }

/// The first byte says whether the rest is the result or the message of an error.
std::string packed(const Result<std::string>& result) { return result ? "+" + *result : "-" + result.error().message; }

Result<std::string> unpacked(std::string text) {
  if (text.empty()) return fail(Errc::server_fault, "the work under another user ended without a result");
  const bool good = text.front() == '+';
  text.erase(0, 1);
  if (good) return text;
  return fail(Errc::server_fault, std::move(text));
}

[[noreturn]] void run_child(const Owner& owner, int out, const std::function<Result<std::string>()>& work) {
  std::string text;
  if (::setgroups(0, nullptr) != 0 || ::setgid(owner.group) != 0 || ::setuid(owner.user) != 0)
    text = "-can't become another user";
  else
    text = packed(work());
  for (std::string_view rest = text; !rest.empty();) {
    const auto written = ::write(out, rest.data(), rest.size());
    if (written <= 0) break;
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  ::_exit(0);
}

}  // namespace

Machine this_machine(const std::filesystem::path& root) {
  return {root, host_name(), ipv4_addresses(), SystemClock().wall()};
}

Result<User> find_user(const Machine& machine, const std::string& name) {
  if (machine.root == "/") {
    if (const auto* entry = ::getpwnam(name.c_str())) return to_user(*entry);
  } else {
    struct Close {
      void operator()(std::FILE* file) const { std::fclose(file); }
    };
    const std::unique_ptr<std::FILE, Close> file(std::fopen(machine.at("/etc/passwd").c_str(), "re"));
    while (const auto* entry = file ? ::fgetpwent(file.get()) : nullptr)
      if (name == entry->pw_name) return to_user(*entry);
  }
  return fail(Errc::not_found, fmt::format("this machine has no user {}", name));
}

Result<std::string> as_user(const Owner& owner, const std::function<Result<std::string>()>& work) {
  if (::geteuid() != 0 || owner.user == 0) return work();
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return fail(Errc::server_fault, "can't make a pipe");
  const auto child = ::fork();
  if (child < 0) return fail(Errc::server_fault, "can't start a process");
  if (child == 0) {
    ::close(pipe[0]);
    run_child(owner, pipe[1], work);
  }
  ::close(pipe[1]);
  std::string text;
  std::array<char, 4096> block{};
  for (;;) {
    const auto got = ::read(pipe[0], block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(block.data(), static_cast<std::size_t>(got));
  }
  ::close(pipe[0]);
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  return unpacked(std::move(text));
}

}  // namespace ota::setup
