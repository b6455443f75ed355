/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting polls: a blocked fcntl could be left neither when a mission stops nor when a signal is to be passed on. */
#include "mission/flight_lock.h"

#include "base/fs.h"
#include "base/path.h"
#include "core/cache.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>

#define POLL_MS_FIRST 1
#define POLL_MS_MOST  20

static int64_t byte_of(const lrd_job_key *key) { return (int64_t)(lrd_get_u64(key->digest) & ((UINT64_C(1) << 62) - 1)); }

static bool made_above(const lrd_job_key *key) {
  char hex[LRD_SHA256_HEX_LEN + 1];
  const char *above = getenv(LRD_MAKING_VARIABLE);
  lrd_sha256_hex(key->digest, hex);
  return above && strstr(above, hex) != NULL;
}

char *lrd_job_flight_environment(const lrd_job_key *key) {
  char hex[LRD_SHA256_HEX_LEN + 1];
  const char *above = getenv(LRD_MAKING_VARIABLE);
  lrd_buf text = {0};
  lrd_sha256_hex(key->digest, hex);
  if (lrd_buf_printf(&text, LRD_MAKING_VARIABLE "=%s%s%s", above ? above : "", above ? ":" : "", hex) == LARDER_OK &&
      lrd_buf_terminate(&text) == LARDER_OK)
    return (char *)text.data;
  lrd_buf_fini(&text);
  return NULL;
}

static int flights_open(larder_ns *ns) {
  const char *root = ns->cache->root;
  char *path = root ? lrd_path_join(root, LRD_FLIGHTS_FILE) : NULL;
  int fd = path ? lrd_fs_open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600) : -1;
  lrd_dealloc(path);
  return fd;
}

larder_err lrd_job_flight_take(larder_ns *ns, const lrd_job_key *key, lrd_job_flight_wait wait, lrd_job_flight *out,
                               bool *waited) {
  if (waited) *waited = false;
  int fd = flights_open(ns);
  if (fd < 0 && made_above(key)) return LARDER_EBUSY; /* without a lock to meet, it would run itself for ever */
  for (int pause_ms = POLL_MS_FIRST; fd >= 0 && lrd_fs_lock_try(fd, byte_of(key), 1, LRD_FS_EXCLUSIVE); pause_ms *= 2) {
    if (errno != EAGAIN) { /* a file system without locks */
      lrd_fs_close(fd);
      fd = -1;
      break;
    }
    if (made_above(key)) {
      lrd_fs_close(fd);
      return LARDER_EBUSY;
    }
    if (waited) *waited = true;
    struct pollfd fds[] = {{.fd = wait.stop_fd, .events = POLLIN}, {.fd = wait.signal_fd, .events = POLLIN}};
    if (pause_ms > POLL_MS_MOST) pause_ms = POLL_MS_MOST;
    if (poll(fds, 2, pause_ms) > 0) {
      lrd_fs_close(fd);
      return LARDER_ECLOSED;
    }
  }
  *out = (lrd_job_flight){.fd = fd, .byte = byte_of(key)};
  return LARDER_OK;
}

void lrd_job_flight_end(lrd_job_flight *flight) {
  /* Not by closing alone: what the command left running, or a process that was forked meanwhile, has the descriptor too. */
  if (flight->fd >= 0) (void)lrd_fs_lock_try(flight->fd, flight->byte, 1, LRD_FS_UNLOCK);
  lrd_fs_close(flight->fd);
  flight->fd = -1;
}
