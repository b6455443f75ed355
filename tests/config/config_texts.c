/* SPDX-License-Identifier: Apache-2.0 */
#include "support/support.h"

#include "config_texts.h"
#include <stdio.h>
#include <stdlib.h>

const char config_text_design[] =
    "cache:\n"
    "  root: .cache/larder\n"
    "  memory:      {enable: true, size_mb: 256, policy: adaptive}\n"
    "  sqlite:      {enable: true, path: larder.db, max_mb: 4096}\n"
    "  compression: {enable: true, codec: zlib, threshold_kb: 10, level: 6}\n"
    "  redis:       {enable: false, host: localhost, port: 6379, db: 0, password: \"${REDIS_PASSWORD}\", ttl_default: 7d, "
    "cluster: false, tls: false}\n"
    "  defaults:    {ttl: 30d, jitter: 5%, durability: commit}\n"
    "  ttl_policies: {census_acs: 365d, census_permits: 30d, bls_ces: 7d, epa_aqs: 1h}\n"
    "  prefetch:    {enabled: true, nearby_radius_miles: 50, max_parallel_requests: 5, min_probability: 0.3}\n"
    "  monitoring:  {alert_on_low_hit_rate: 0.5, alert_on_high_latency_ms: 20}\n"
    "  namespaces:\n"
    "    bls_ces:\n"
    "      tiers: [memory, sqlite, redis]\n"
    "      ttl: 7d\n"
    "      stale_while_revalidate: 1d\n"
    "      stale_if_error: 30d\n"
    "      maker: {http: \"https://api.example.org/ces/{key}\", rate: 5/s, parallel: 5, soft_timeout: 300ms, hard_timeout: "
    "10s}\n"
    "    fractional_kernels: {kind: array, tiers: [memory, files], maker: {recipe: kernel}}\n"
    "    proxies: {kind: json, tiers: [memory, jsonl, sqlite], limits: {memory: 1000, jsonl: 5000}, ttl: 1h, health: "
    "{failures: "
    "3}, seal: aes-256-gcm}\n";

const char config_text_data[] = "# Written for the platform's own loader.\n"
                                "data_sources:\n"
                                "  census: {api_key: \"${CENSUS_API_KEY}\", rate_limit: 500}\n"
                                "logging: !platform/logger {level: INFO}\n"
                                "cache:\n"
                                "  graceful_mode: yes\n"
                                "  memory:\n"
                                "    enabled: yes\n"
                                "    size_mb: 256\n"
                                "  sqlite:\n"
                                "    enabled: on\n"
                                "    path: data/cache.db\n"
                                "    max_mb: 2048\n"
                                "  compression:\n"
                                "    enabled: true\n"
                                "    threshold_kb: 10\n"
                                "    level: 0\n"
                                "  redis:\n"
                                "    enabled: no\n"
                                "    host: ${LARDER_TEST_UNSET_HOST}\n"
                                "    port: ${LARDER_TEST_UNSET_PORT}\n"
                                "    password: \"${LARDER_TEST_UNSET_PASSWORD}\"\n"
                                "  ttl_policies:\n"
                                "    census: 365d\n"
                                "    permits: 30\n"
                                "    bls: 7d\n"
                                "    epa: 1h\n"
                                "  prefetch:\n"
                                "    enabled: true\n"
                                "    nearby_radius_miles: 50\n"
                                "    max_parallel_requests: 5\n"
                                "  monitoring:\n"
                                "    log_cache_hits: false\n"
                                "    alert_on_low_hit_rate: 0.5\n"
                                "    alert_on_high_latency_ms: 20\n"
                                "    alert_on_high_eviction_rate: 100\n";

const char config_text_everything[] =
    "cache:\n"
    "  root: /srv/larder\n"
    "  shared_filesystem: allow\n"
    "  slots: 4096\n"
    "  graceful_mode: false\n"
    "  statistics: false\n"
    "  checksums: false\n"
    "  sweep_interval: 90s\n"
    "  secrets: [licence_number, '=pin', '-token', '$${x']\n"
    "  memory: {size_mb: 64, max_entries: 1000, policy: lru}\n"
    "  sqlite: {path: main.db, max_bytes: 512MiB, max_entries: 70000, mmap: 0, blob_threshold: 128KiB, wal_max: 32MiB, "
    "readers: 4, busy_timeout: 2s}\n"
    "  redis: {enable: false, host: cache.example.org, port: 6380, db: 2, username: larder, password: 'hunter2', ttl_default: "
    "never}\n"
    "  compression: {enable: false, codec: zstd, threshold_kb: 20, level: 19}\n"
    "  breaker: {failures: 5, retry: 10s}\n"
    "  prefetch: {enable: false, nearby_radius_miles: 12.5, max_parallel_requests: 2, min_probability: 40%}\n"
    "  monitoring: {log_cache_hits: true, alert_on_low_hit_rate: 25%, alert_on_high_latency_ms: 1.5, "
    "alert_on_high_eviction_rate: 600}\n"
    "  defaults: {ttl: 2w, jitter: 10%, durability: behind, kind: json, max_entry: 10MB, policy: sieve, limits: {memory: "
    "500}}\n"
    "  ttl_policies: {weekly: 7, half: 1.5h, iso: PT1H, forever: never, \"two words\": 2w}\n"
    "  namespaces:\n"
    "    plain: {}\n"
    "    layered:\n"
    "      tiers: [memory, {sqlite: {path: warm.db, max_entries: 5000}}, {sqlite: {path: '/mnt/$${cold}.db'}}]\n"
    "      limits: {memory: {max_entries: 10, max_mb: 1}, 'sqlite:warm.db': 100}\n"
    "      ttl: 1h\n"
    "      stale_while_revalidate: 5m\n"
    "      stale_if_error: 1d\n"
    "      durability: sync\n"
    "      policy: w-tinylfu\n"
    "    warm: {tiers: [{sqlite: {path: warm.db}}], kind: text}\n"
    "    small: {tiers: [memory, {sqlite: {max_entries: 9, max_bytes: 4096}}], jitter: 0}\n"
    "    fetched: {negative_ttl: 1m, error_ttl: 0, early_refresh: 1.5, version: '2026', keep_versions: 5, maker: {http: "
    "'https://h/{1}?{query}', separator: /, "
    "parallel: 3, rate: 300/min, burst: 2.5, soft_timeout: 300ms, hard_timeout: 8s, max_size: 1MB, retries: 5, retry_delay: "
    "1s, "
    "headers: {Authorization: 'Bearer hunter2', Accept: text/plain}, ca_file: /etc/ca.pem, connect_timeout: 1s, timeout: 2s, "
    "redirects: 0, host_rate: 1000/h, cache_control: yes, proxy: 'http://us:hunter2@proxy.example:3128'}}\n"
    "    run: {maker: {command: [sh, -c, 'echo \"$1\" $${HOME}', '{key}', --password, hunter2, 5], inherit_environment: yes, "
    "environment: {API_KEY: hunter2, EMPTY: ''}, folder: /srv, absent_exit: 3}}\n"
    "    checked: {health: {failures: 5, evict: no, decay: never, retry: 30s, retry_max: 2h, check: {http: 'http://h/{1}/up', "
    "separator: /, method: GET, every: 90s, jitter: 10%, timeout: 3s, parallel: 4, redirects: 3, headers: {Authorization: "
    "'Bearer hunter2'}, ca_file: /etc/ca.pem, proxy: none}}}\n"
    "    tried: {health: {check: {command: [test, -e, '{key}']}}}\n"
    "    counted: {health: 7}\n"
    "    computed: {maker: {recipe: kernel}}\n"
    "    loaded: {import: {key: 'county:{state}:{fips}', value_row: yes, ttl_field: lasts, version_field: rev, tags_field: "
    "marks}}\n"
    "    loaded_too: {import: {key_field: sku, value_field: price}}\n"
    "    called: {maker: {callback: ours, retries: 1}}\n";

char *config_complaints(const char *text) {
  lrd_config_look look;
  larder_error err = {0};
  const lrd_config_source source = {.text = text, .root = "/srv/larder"};
  assert_ok(lrd_config_look_at(&source, &look, &err));
  size_t len = 0;
  char *out = NULL;
  FILE *stream = open_memstream(&out, &len);
  assert_non_null(stream);
  for (const lrd_mistake *one = look.mistakes.first; one != NULL; one = one->next)
    fprintf(stream, "%d:%d: %s\n", one->place.line, one->place.column, one->message);
  for (const lrd_mistake *one = look.mistakes.first_notice; one != NULL; one = one->next)
    fprintf(stream, "notice %d:%d: %s\n", one->place.line, one->place.column, one->message);
  fclose(stream);
  lrd_config_look_fini(&look);
  return out;
}
