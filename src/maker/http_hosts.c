/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list with whoever was asked last in front: a program asks a handful of hosts. Redirects could lead to any number, so of
 * those without a rate the one that was not asked for longest gives way.
 */
#include "http_hosts.h"

#include "base/bytes.h"

struct lrd_http_host {
  lrd_http_host *next;
  double per_second; /* 0: none is given */
  lrd_rate rate;
  char name[];
};

void lrd_http_hosts_init(lrd_http_hosts *hosts, const lrd_clock *clock) {
  *hosts = (lrd_http_hosts){.clock = clock};
  lrd_mutex_init(&hosts->mutex);
}

static void host_free(lrd_http_host *host) {
  lrd_rate_fini(&host->rate);
  lrd_dealloc(host);
}

void lrd_http_hosts_fini(lrd_http_hosts *hosts) {
  while (hosts->first) {
    lrd_http_host *host = hosts->first;
    hosts->first = host->next;
    host_free(host);
  }
  lrd_mutex_fini(&hosts->mutex);
}

static void plain_drop_last(lrd_http_hosts *hosts) {
  lrd_http_host **last = NULL;
  for (lrd_http_host **at = &hosts->first; *at; at = &(*at)->next) {
    if ((*at)->per_second <= 0) {
      last = at;
    }
  }
  if (last) {
    lrd_http_host *host = *last;
    *last = host->next;
    host_free(host);
    hosts->plain--;
  }
}

/* The host's row, in front; made where there is none. NULL: out of memory. */
static lrd_http_host *host_find(lrd_http_hosts *hosts, const char *name) {
  lrd_http_host *host = NULL;
  for (lrd_http_host **at = &hosts->first; *at; at = &(*at)->next) {
    if (strcmp((*at)->name, name) == 0) {
      host = *at;
      *at = host->next;
      break;
    }
  }
  if (!host) {
    size_t len = strlen(name) + 1;
    host = lrd_alloc_zero(1, sizeof *host + len);
    if (!host) {
      return NULL;
    }
    memcpy(host->name, name, len);
    lrd_rate_init(&host->rate, hosts->clock, 0, 1);
    if (hosts->plain == LRD_HTTP_HOSTS_PLAIN) {
      plain_drop_last(hosts);
    }
    hosts->plain++;
  }
  host->next = hosts->first;
  hosts->first = host;
  return host;
}

larder_err lrd_http_hosts_limit(lrd_http_hosts *hosts, const char *host, double per_second) {
  larder_err result = LARDER_OK;
  lrd_lock(&hosts->mutex);
  lrd_http_host *found = host_find(hosts, host);
  if (!found) {
    result = LARDER_ENOMEM;
  } else if (found->per_second <= 0 || per_second < found->per_second) {
    hosts->plain -= found->per_second <= 0 ? 1 : 0;
    found->per_second = per_second;
    lrd_rate_fini(&found->rate); /* only ever used under our mutex */
    lrd_rate_init(&found->rate, hosts->clock, per_second, 1);
  }
  lrd_unlock(&hosts->mutex);
  return result;
}

int64_t lrd_http_hosts_take(lrd_http_hosts *hosts, const char *host) {
  lrd_lock(&hosts->mutex);
  lrd_http_host *found = host_find(hosts, host);
  int64_t wait_ns = found ? lrd_rate_take(&found->rate) : 0; /* out of memory: the request itself will tell */
  lrd_unlock(&hosts->mutex);
  return wait_ns;
}

void lrd_http_hosts_pause(lrd_http_hosts *hosts, const char *host, int64_t ns) {
  lrd_lock(&hosts->mutex);
  lrd_http_host *found = host_find(hosts, host);
  if (found) {
    lrd_rate_pause(&found->rate, ns);
  }
  lrd_unlock(&hosts->mutex);
}
