#include "local/node/mounts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "local/node/fd.h"

namespace serin::local {

namespace fs = std::filesystem;
using base::Errc;
using base::fail;
using base::Result;

namespace {

Result<void> bind(const fs::path& source, const fs::path& target) {
  // Recursive: what a user namespace inherits cannot be bound without the mounts below it.
  if (::mount(source.c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) == 0) return {};
  return fail_errno(fmt::format("cannot mount {} at {}", source.native(), target.native()));
}

Result<void> make_read_only(const fs::path& target) {
  struct statvfs info{};
  if (::statvfs(target.c_str(), &info) != 0) return fail_errno("cannot inspect " + target.native());
  // Flags inherited from a more privileged namespace must be repeated, or the kernel refuses.
  unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY;
  if (info.f_flag & ST_NOSUID) flags |= MS_NOSUID;
  if (info.f_flag & ST_NODEV) flags |= MS_NODEV;
  if (info.f_flag & ST_NOEXEC) flags |= MS_NOEXEC;
  if (info.f_flag & ST_NOATIME) flags |= MS_NOATIME;
  if (info.f_flag & ST_NODIRATIME) flags |= MS_NODIRATIME;
  if (info.f_flag & ST_RELATIME) flags |= MS_RELATIME;
  if (::mount(nullptr, target.c_str(), nullptr, flags, nullptr) == 0) return {};
  return fail_errno("cannot make " + target.native() + " read-only");
}

Result<void> touch(const fs::path& file) {
  const Fd made(::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  if (!made) return fail_errno("cannot make " + file.native());
  return {};
}

Result<void> copy_entry(const fs::directory_entry& entry, const fs::path& copy) {
  std::error_code error;
  if (entry.is_symlink(error)) {
    fs::copy_symlink(entry.path(), copy, error);
    if (error) return fail(errno_error("cannot copy the link " + entry.path().native(), error.value()));
    return {};
  }
  if (entry.is_directory(error)) {
    fs::create_directory(copy, error);
  } else if (const Result<void> made = touch(copy); !made) {
    return made;
  }
  if (error) return fail(errno_error("cannot make " + copy.native(), error.value()));
  return bind(entry.path(), copy);
}

fs::path path_of(const Fd& fd) {
  return fmt::format("/proc/self/fd/{}", fd.get());
}

/// Replaces `folder` by a memory file system with the same entries, to which more can be added.
Result<void> make_extensible(const fs::path& folder) {
  constexpr int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  const Fd old_folder(::open(folder.c_str(), flags));
  if (!old_folder) return fail_errno("cannot open " + folder.native());
  if (::mount("serin", folder.c_str(), "tmpfs", 0, "mode=0755,size=16m") != 0) {
    return fail_errno("cannot mount a memory file system on " + folder.native());
  }
  // "/" still means the old root to this process; its ".." is what is mounted on it.
  const bool is_root = folder == "/";
  const Fd new_folder(::open(is_root ? "/.." : folder.c_str(), flags));
  if (!new_folder) return fail_errno("cannot open the new " + folder.native());
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(path_of(old_folder), error)) {
    const Result<void> copied = copy_entry(entry, path_of(new_folder) / entry.path().filename());
    if (!copied) return copied;
  }
  if (error) return fail(errno_error("cannot list " + folder.native(), error.value()));
  if (is_root && (::fchdir(new_folder.get()) != 0 || ::chroot(".") != 0)) {
    return fail_errno("cannot enter the new root directory");
  }
  return {};
}

Result<void> make_mount_point(const fs::path& target, bool directory) {
  std::error_code error;
  if (fs::exists(target, error)) {
    if (fs::is_directory(target, error) == directory) return {};
    return fail(Errc::invalid, fmt::format("{} is {} on this host", target.native(),
                                           directory ? "no directory" : "a directory"));
  }
  fs::path folder = target.parent_path();
  while (!fs::exists(folder, error)) folder = folder.parent_path();
  folder = fs::canonical(folder, error);
  if (const Result<void> ready = make_extensible(folder); !ready) return ready;
  fs::create_directories(directory ? target : target.parent_path(), error);
  if (error) return fail(errno_error("cannot make " + target.native(), error.value()));
  return directory ? Result<void>() : touch(target);
}

Result<void> apply(const BindMount& mount) {
  std::error_code error;
  const fs::path target = fs::path(mount.target).lexically_normal();
  if (!target.is_absolute()) return fail(Errc::invalid, mount.target + " is no absolute path");
  const bool directory = fs::is_directory(mount.source, error);
  // Held open: the source may be hidden by what is mounted on the way.
  const Fd source(::open(mount.source.c_str(), O_PATH | O_CLOEXEC));
  if (!source) return fail_errno("cannot open " + mount.source);
  if (const Result<void> ready = make_mount_point(target, directory); !ready) return ready;
  if (const Result<void> bound = bind(path_of(source), target); !bound) {
    return bound;
  }
  return mount.read_only ? make_read_only(target) : Result<void>();
}

}  // namespace

Result<void> make_mounts_private() {
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0) return {};
  return fail_errno("cannot make the mount namespace private");
}

Result<void> apply_mounts(const std::vector<BindMount>& mounts) {
  for (const BindMount& mount : mounts) {
    if (const Result<void> applied = apply(mount); !applied) {
      return fail(applied.error().within("mount " + mount.target));
    }
  }
  return {};
}

Result<void> mount_proc() {
  if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) == 0) return {};
  return fail_errno("cannot mount a /proc of its own");
}

}  // namespace serin::local
