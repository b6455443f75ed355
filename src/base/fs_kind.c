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
  const char *name;
} fs_magic;

static const fs_magic fs_magics[] = {
    {0x0000EF53u, LRD_FS_LOCAL, "ext4"},      {0x58465342u, LRD_FS_LOCAL, "xfs"},
    {0x9123683Eu, LRD_FS_LOCAL, "btrfs"},     {0x01021994u, LRD_FS_LOCAL, "tmpfs"},
    {0x858458F6u, LRD_FS_LOCAL, "ramfs"},     {0x794C7630u, LRD_FS_LOCAL, "overlayfs"},
    {0xF2F52010u, LRD_FS_LOCAL, "f2fs"},      {0x2FC12FC1u, LRD_FS_LOCAL, "zfs"},
    {0xCA451A4Eu, LRD_FS_LOCAL, "bcachefs"},  {0x3153464Au, LRD_FS_LOCAL, "jfs"},
    {0x52654973u, LRD_FS_LOCAL, "reiserfs"},  {0x00004D44u, LRD_FS_LOCAL, "vfat"},
    {0x2011BAB0u, LRD_FS_LOCAL, "exfat"},     {0x5346544Eu, LRD_FS_LOCAL, "ntfs"},
    {0x7366746Eu, LRD_FS_LOCAL, "ntfs3"},     {0x00003434u, LRD_FS_LOCAL, "nilfs"},
    {0x958458F6u, LRD_FS_LOCAL, "hugetlbfs"}, {0x73717368u, LRD_FS_LOCAL, "squashfs"},
    {0x0000F15Fu, LRD_FS_LOCAL, "ecryptfs"},  {0x00006969u, LRD_FS_NETWORK, "nfs"},
    {0x0000517Bu, LRD_FS_NETWORK, "smb"},     {0xFF534D42u, LRD_FS_NETWORK, "cifs"},
    {0xFE534D42u, LRD_FS_NETWORK, "smb2"},    {0x0BD00BD0u, LRD_FS_NETWORK, "lustre"},
    {0x47504653u, LRD_FS_NETWORK, "gpfs"},    {0x00C36400u, LRD_FS_NETWORK, "ceph"},
    {0x5346414Fu, LRD_FS_NETWORK, "afs"},     {0x73757245u, LRD_FS_NETWORK, "coda"},
    {0x01021997u, LRD_FS_NETWORK, "9p"},      {0x01161970u, LRD_FS_NETWORK, "gfs2"},
    {0x7461636Fu, LRD_FS_NETWORK, "ocfs2"},   {0x20030528u, LRD_FS_NETWORK, "orangefs"},
    {0x19830326u, LRD_FS_NETWORK, "beegfs"},  {0xAAD7AAEAu, LRD_FS_NETWORK, "panfs"},
    {0x786F4256u, LRD_FS_NETWORK, "vboxsf"},  {0xBACBACBCu, LRD_FS_NETWORK, "vmhgfs"},
    {0x65735546u, LRD_FS_UNKNOWN, "fuse"},
};

lrd_fs_kind lrd_fs_kind_of_magic(uint64_t magic, const char **name_out) {
  for (size_t i = 0; i < sizeof fs_magics / sizeof *fs_magics; i++) {
    if (fs_magics[i].magic != magic) continue;
    if (name_out) *name_out = fs_magics[i].name;
    return fs_magics[i].kind;
  }
  if (name_out) *name_out = "an unknown file system";
  return LRD_FS_UNKNOWN;
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
  /* f_type is signed on some architectures: a magic with its top bit set must not grow ones in front. */
  return lrd_fs_kind_of_magic(result ? 0 : (uint64_t)(uint32_t)found.f_type, name_out);
}
