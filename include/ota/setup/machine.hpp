// The machine that is set up: its folders, users, names and addresses.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "ota/base/clock.hpp"
#include "ota/base/result.hpp"

namespace ota::setup {

struct Machine {
  std::filesystem::path root = "/";    ///< all files are below it
  std::string host;                    ///< full host name; empty if it has none
  std::vector<std::string> addresses;  ///< IPv4, without loopback and link-local ones
  WallTime now{};

  /// Where the file that the machine calls `path` (absolute) is.
  std::filesystem::path at(const std::filesystem::path& path) const { return root / path.relative_path(); }
};

/// The machine that this runs on, with the files below `root`.
Machine this_machine(const std::filesystem::path& root);

struct Owner {
  uid_t user = 0;
  gid_t group = 0;
  bool operator==(const Owner&) const = default;
};

struct User {
  std::string name;
  Owner owner;
  std::string home;
};

/// Errc::not_found if the machine has no such user. Below another root than `/` its /etc/passwd is read.
Result<User> find_user(const Machine& machine, const std::string& name);

/// Runs `work` in a child process as that user and answers its result. Without root's rights, it runs as the caller.
/// Precondition: the process has one thread.
Result<std::string> as_user(const Owner& owner, const std::function<Result<std::string>()>& work);

}  // namespace ota::setup
