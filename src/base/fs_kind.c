/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File systems by statfs magic number. Local means: one kernel sees every write, and its locks and shared mappings hold
 * between all users of the path. FUSE may be anything behind, so it is unknown, like every number that is not listed.
 */
#include "fs.h"

#include <errno.h>
#include <sys/vfs.h>

typedef struct fs_magic {
  uint32_t magic;
  lrd_fs_kind kind;
  bool counts; /* an open file wherever it was opened and mapped; overlays map another file than they open */
  const char *name;
} fs_magic;

static const fs_magic fs_magics[] = {
    {0x0000EF53u, LRD_FS_LOCAL, true, "ext4"},       {0x58465342u, LRD_FS_LOCAL, true, "xfs"},
    {0x9123683Eu, LRD_FS_LOCAL, true, "btrfs"},      {0x01021994u, LRD_FS_LOCAL, true, "tmpfs"},
    {0x858458F6u, LRD_FS_LOCAL, false, "ramfs"},     {0x794C7630u, LRD_FS_LOCAL, false, "overlayfs"},
    {0xF2F52010u, LRD_FS_LOCAL, true, "f2fs"},       {0x2FC12FC1u, LRD_FS_LOCAL, false, "zfs"},
    {0xCA451A4Eu, LRD_FS_LOCAL, false, "bcachefs"},  {0x3153464Au, LRD_FS_LOCAL, false, "jfs"},
    {0x52654973u, LRD_FS_LOCAL, false, "reiserfs"},  {0x00004D44u, LRD_FS_LOCAL, false, "vfat"},
    {0x2011BAB0u, LRD_FS_LOCAL, false, "exfat"},     {0x5346544Eu, LRD_FS_LOCAL, false, "ntfs"},
    {0x7366746Eu, LRD_FS_LOCAL, false, "ntfs3"},     {0x00003434u, LRD_FS_LOCAL, false, "nilfs"},
    {0x958458F6u, LRD_FS_LOCAL, false, "hugetlbfs"}, {0x73717368u, LRD_FS_LOCAL, false, "squashfs"},
    {0x0000F15Fu, LRD_FS_LOCAL, false, "ecryptfs"},  {0x00006969u, LRD_FS_NETWORK, false, "nfs"},
    {0x0000517Bu, LRD_FS_NETWORK, false, "smb"},     {0xFF534D42u, LRD_FS_NETWORK, false, "cifs"},
    {0xFE534D42u, LRD_FS_NETWORK, false, "smb2"},    {0x0BD00BD0u, LRD_FS_NETWORK, false, "lustre"},
    {0x47504653u, LRD_FS_NETWORK, false, "gpfs"},    {0x00C36400u, LRD_FS_NETWORK, false, "ceph"},
    {0x5346414Fu, LRD_FS_NETWORK, false, "afs"},     {0x73757245u, LRD_FS_NETWORK, false, "coda"},
    {0x01021997u, LRD_FS_NETWORK, false, "9p"},      {0x01161970u, LRD_FS_NETWORK, false, "gfs2"},
    {0x7461636Fu, LRD_FS_NETWORK, false, "ocfs2"},   {0x20030528u, LRD_FS_NETWORK, false, "orangefs"},
    {0x19830326u, LRD_FS_NETWORK, false, "beegfs"},  {0xAAD7AAEAu, LRD_FS_NETWORK, false, "panfs"},
    {0x786F4256u, LRD_FS_NETWORK, false, "vboxsf"},  {0xBACBACBCu, LRD_FS_NETWORK, false, "vmhgfs"},
    {0x65735546u, LRD_FS_UNKNOWN, false, "fuse"},
};

static const fs_magic *find(uint64_t magic) {
  static const fs_magic unknown = {0, LRD_FS_UNKNOWN, false, "an unknown file system"};
  for (size_t i = 0; i < sizeof fs_magics / sizeof *fs_magics; i++) {
    if (fs_magics[i].magic == magic) return &fs_magics[i];
  }
  return &unknown;
}

/* f_type is signed on some architectures: a magic with its top bit set must not grow ones in front. */
static uint64_t magic_of(const struct statfs *found) { return (uint64_t)(uint32_t)found->f_type; }

lrd_fs_kind lrd_fs_kind_of_magic(uint64_t magic, const char **name_out) {
  if (name_out) *name_out = find(magic)->name;
  return find(magic)->kind;
}

bool lrd_fs_counts_openings(int fd) {
  struct statfs found;
  return fstatfs(fd, &found) == 0 && find(magic_of(&found))->counts;
}

lrd_fs_kind lrd_fs_kind_of(const char *path, const char **name_out) {
  struct statfs found;
  size_t claimed = 0;
  int refused = lrd_fs_pass(LRD_FS_STAT, path, &claimed);
  if (refused || claimed != 0) {
    errno = refused;
    return lrd_fs_kind_of_magic(refused ? 0 : claimed, name_out);
  }
  int result;
  do {
    result = statfs(path, &found);
  } while (result && errno == EINTR);
  return lrd_fs_kind_of_magic(result ? 0 : magic_of(&found), name_out);
}
