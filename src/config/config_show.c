/* SPDX-License-Identifier: Apache-2.0 */
/* Walks the option table as the reader does, row by row, with the writer instead of the tree. */
#include "config/config_show.h"

#include "base/redact.h"
#include "config/config_writer.h"
#include "config/option_value.h"
#include "config/value_read.h"

typedef struct shower {
  const lrd_settings *settings;
  lrd_config_writer writer;
  char *secrets; /* for base/redact.h */
} shower;

static void scope_show(shower *s, lrd_scope scope, const void *section, unsigned without);

/* A `${` that is meant as it stands. */
static larder_err escape_variables(lrd_buf *text) {
  lrd_buf escaped = {0};
  larder_err err = LARDER_OK;
  for (size_t i = 0; i < text->len && err == LARDER_OK; i++) {
    if (i + 1 < text->len && text->data[i] == '$' && text->data[i + 1] == '{') err = lrd_buf_append_byte(&escaped, '$');
    if (err == LARDER_OK) err = lrd_buf_append_byte(&escaped, text->data[i]);
  }
  lrd_buf_fini(text);
  *text = escaped;
  return err;
}

/* A text of the settings as the file has it: what variables hold is not shown, and a `${` that is none is escaped. veiled:
 * there may be secrets in it, which are hidden. */
static larder_err text_write(const shower *s, const char *text, bool veiled, lrd_buf *out) {
  const char *written = lrd_written_text(s->settings, text);
  lrd_hidden hidden = {0};
  larder_err err =
      veiled ? lrd_redact_text(s->secrets, written, strlen(written), false, out, &hidden) : lrd_buf_append_str(out, written);
  return err == LARDER_OK && written == text ? escape_variables(out) : err;
}

static void value_show(shower *s, const lrd_option *row, const void *section) {
  lrd_config_writer *w = &s->writer;
  lrd_buf text = {0};
  bool is_text = row->type == LRD_OPTION_SCHEDULE || row->type == LRD_OPTION_TEXT || row->type == LRD_OPTION_PATH;
  const char *own = is_text ? *(const char *const *)((const char *)section + row->offset) : NULL;
  if (w->err == LARDER_OK)
    w->err =
        own != NULL ? text_write(s, own, (row->flags & LRD_OPTION_VEILED) != 0, &text) : lrd_option_get(row, section, &text);
  if (w->err == LARDER_OK) w->err = lrd_buf_terminate(&text);
  if (w->err == LARDER_OK) {
    const char *value = (const char *)text.data;
    if ((row->flags & LRD_OPTION_SECRET) != 0)
      lrd_writer_string(w, row->name, "(hidden)");
    else if (is_text || row->type == LRD_OPTION_SIGN)
      lrd_writer_string(w, row->name, value);
    else if (row->type == LRD_OPTION_DURATION || row->type == LRD_OPTION_SIZE || row->type == LRD_OPTION_CHOICE ||
             row->type == LRD_OPTION_RATE)
      lrd_writer_word(w, row->name, value);
    else
      lrd_writer_raw(w, row->name, value);
  }
  lrd_buf_fini(&text);
}

/* `name=value` lines, as members of the map that is open. */
static void lines_show(shower *s, const char *text, bool secret) {
  lrd_config_writer *w = &s->writer;
  const char *lines = text != NULL ? lrd_written_text(s->settings, text) : NULL;
  while (lines != NULL && *lines != '\0' && w->err == LARDER_OK) {
    size_t name_len = strcspn(lines, "="), line_len = strcspn(lines, "\n");
    char *name = lrd_strndup(lines, name_len);
    lrd_buf value = {0};
    w->err = name == NULL ? LARDER_ENOMEM
             : secret     ? lrd_buf_append_str(&value, LRD_REDACTED)
                          : lrd_buf_append(&value, lines + name_len + 1, line_len - name_len - 1);
    if (w->err == LARDER_OK) w->err = lrd_buf_terminate(&value);
    if (w->err == LARDER_OK) lrd_writer_string(w, name, (const char *)value.data);
    lrd_buf_fini(&value);
    lrd_dealloc(name);
    lines += line_len + 1;
  }
}

static void pairs_show(shower *s, const lrd_option *row, const void *section) {
  lrd_writer_map_open(&s->writer, row->name, true);
  lines_show(s, *(const char *const *)((const char *)section + row->offset), (row->flags & LRD_OPTION_SECRET) != 0);
  lrd_writer_map_close(&s->writer);
}

/* Whether an argument says that the next one is a secret: `--token`. */
static bool names_secret(const shower *s, const char *argument) {
  return argument[0] == '-' && strchr(argument, '=') == NULL && lrd_secret_name(s->secrets, argument, strlen(argument));
}

static void argv_show(shower *s, const lrd_option *row, const void *section) {
  lrd_config_writer *w = &s->writer;
  const char *const *argv = *(const char *const *const *)((const char *)section + row->offset);
  lrd_writer_list_open(w, row->name);
  for (size_t i = 0; argv[i] != NULL && w->err == LARDER_OK; i++) {
    lrd_buf text = {0};
    bool secret = i > 0 && names_secret(s, argv[i - 1]);
    w->err = secret ? lrd_buf_append_str(&text, LRD_REDACTED) : text_write(s, argv[i], true, &text);
    if (w->err == LARDER_OK) w->err = lrd_buf_terminate(&text);
    if (w->err == LARDER_OK) lrd_writer_string(w, NULL, (const char *)text.data);
    lrd_buf_fini(&text);
  }
  lrd_writer_list_close(w);
}

static void warm_show(shower *s, const lrd_option *row, const lrd_settings_policy *policy) {
  lrd_writer_list_open(&s->writer, row->name);
  for (size_t i = 0; i < policy->warm_len; i++) {
    lrd_writer_map_open(&s->writer, NULL, true);
    lrd_writer_string(&s->writer, "recipe", lrd_written_text(s->settings, policy->warm[i].recipe));
    lines_show(s, policy->warm[i].params, false);
    lrd_writer_map_close(&s->writer);
  }
  lrd_writer_list_close(&s->writer);
}

static void names_show(shower *s, const lrd_option *row, const void *section) {
  lrd_config_writer *w = &s->writer;
  const char *text = *(const char *const *)((const char *)section + row->offset);
  if (text == NULL) return;
  const char *lines = lrd_written_text(s->settings, text);
  lrd_writer_list_open(w, row->name);
  for (size_t len; *lines != '\0' && w->err == LARDER_OK; lines += len + 1) {
    lrd_buf name = {0};
    len = strcspn(lines, "\n");
    w->err = lrd_buf_append(&name, lines, len);
    if (w->err == LARDER_OK) w->err = lrd_buf_terminate(&name);
    if (w->err == LARDER_OK) lrd_writer_string(w, NULL, (const char *)name.data);
    lrd_buf_fini(&name);
  }
  lrd_writer_list_close(w);
}

static void chain_show(shower *s, const lrd_option *row, const lrd_settings_policy *policy) {
  lrd_config_writer *w = &s->writer;
  lrd_writer_list_open(w, row->name);
  for (size_t i = 0; i < policy->chain_len; i++) {
    const lrd_settings_instance *one = &s->settings->instances[policy->chain[i].instance];
    if (one->main) {
      lrd_writer_string(w, NULL, one->type);
      continue;
    }
    lrd_writer_map_open(w, NULL, true);
    lrd_writer_map_open(w, one->type, true);
    if (strcmp(one->type, "sqlite") == 0)
      scope_show(s, LRD_SCOPE_SQLITE, &one->sqlite, LRD_OPTION_MAIN);
    else if (strcmp(one->type, "files") == 0)
      scope_show(s, LRD_SCOPE_FILES, &one->files, LRD_OPTION_MAIN);
    else
      scope_show(s, LRD_SCOPE_EXTRA, &one->extra, 0);
    lrd_writer_map_close(w);
    lrd_writer_map_close(w);
  }
  lrd_writer_list_close(w);
}

static void limits_show(shower *s, const lrd_option *row, const lrd_settings_policy *policy) {
  lrd_config_writer *w = &s->writer;
  lrd_writer_map_open(w, row->name, true);
  for (size_t i = 0; i < policy->chain_len; i++) {
    const lrd_settings_limit *limit = &policy->chain[i].limit;
    if (limit->bytes_max == 0 && limit->entries_max == 0) continue;
    lrd_writer_map_open(w, s->settings->instances[policy->chain[i].instance].name, true);
    scope_show(s, LRD_SCOPE_LIMIT, limit, 0);
    lrd_writer_map_close(w);
  }
  lrd_writer_map_close(w);
}

static void policies_show(shower *s, const lrd_option *row) {
  bool short_form = row->type == LRD_OPTION_TTLS;
  lrd_writer_map_open(&s->writer, row->name, false);
  for (size_t i = 0; i < s->settings->policies_len; i++) {
    const lrd_settings_policy *policy = &s->settings->policies[i];
    if (policy->named_only != short_form) continue;
    if (short_form) {
      lrd_option one = *lrd_option_find(LRD_SCOPE_POLICY, "ttl");
      one.name = policy->name;
      value_show(s, &one, policy);
      continue;
    }
    lrd_writer_map_open(&s->writer, policy->name, false);
    scope_show(s, LRD_SCOPE_POLICY, policy, 0);
    lrd_writer_map_close(&s->writer);
  }
  lrd_writer_map_close(&s->writer);
}

/* Which rows a section has nothing to say about: what a maker, or a check, of another type would. */
static unsigned without_of(const lrd_option *row, const void *section) {
  if (row->inside == LRD_SCOPE_CHECK)
    return ((const lrd_settings_health *)section)->check.type == LRD_CHECK_HTTP ? 0 : LRD_OPTION_HTTP;
  if (row->inside != LRD_SCOPE_MAKER) return 0;
  uint32_t type = ((const lrd_settings_maker *)(const void *)((const char *)section + row->offset))->type;
  return (type == LRD_MAKER_HTTP ? 0u : LRD_OPTION_HTTP) | (type == LRD_MAKER_COMMAND ? 0u : LRD_OPTION_COMMAND);
}

static void row_show(shower *s, const lrd_option *row, const void *section) {
  switch (row->type) {
  case LRD_OPTION_ANY:
    break;
  case LRD_OPTION_SECTION:
    lrd_writer_map_open(&s->writer, row->name, false);
    scope_show(s, row->inside, (const char *)section + row->offset, without_of(row, section));
    lrd_writer_map_close(&s->writer);
    break;
  case LRD_OPTION_TTLS:
  case LRD_OPTION_POLICIES:
    policies_show(s, row);
    break;
  case LRD_OPTION_CHAIN:
    chain_show(s, row, section);
    break;
  case LRD_OPTION_LIMITS:
    limits_show(s, row, section);
    break;
  case LRD_OPTION_WARM:
    warm_show(s, row, section);
    break;
  case LRD_OPTION_ARGV:
    argv_show(s, row, section);
    break;
  case LRD_OPTION_PAIRS:
    pairs_show(s, row, section);
    break;
  case LRD_OPTION_NAMES:
    names_show(s, row, section);
    break;
  default:
    value_show(s, row, section);
    break;
  }
}

static void scope_show(shower *s, lrd_scope scope, const void *section, unsigned without) {
  for (const lrd_option *row = lrd_option_next(scope, NULL); row != NULL; row = lrd_option_next(scope, row)) {
    bool hidden = (row->flags & (LRD_OPTION_SAME | without)) != 0;
    if (row->type == LRD_OPTION_WARM) hidden = ((const lrd_settings_policy *)section)->warm_len == 0;
    if (row->type == LRD_OPTION_SECTION && row->inside == LRD_SCOPE_MAKER)
      hidden = ((const lrd_settings_policy *)section)->maker.type == LRD_MAKER_NONE;
    if (row->type == LRD_OPTION_SECTION && row->inside == LRD_SCOPE_NEARBY)
      hidden = ((const lrd_settings_policy *)section)->nearby.places == NULL;
    if (row->type == LRD_OPTION_SECTION && row->inside == LRD_SCOPE_IMPORT)
      hidden = !((const lrd_settings_policy *)section)->import.given;
    if (row->type == LRD_OPTION_SECTION && row->inside == LRD_SCOPE_PREDICT)
      hidden = !((const lrd_settings_policy *)section)->predict.given;
    if (row->type == LRD_OPTION_SECTION && row->inside == LRD_SCOPE_AGENT)
      hidden = !((const lrd_settings_policy *)section)->agent.given;
    if (row->type == LRD_OPTION_SECTION && row->inside == LRD_SCOPE_HEALTH)
      hidden = !((const lrd_settings_policy *)section)->health.given;
    if (row->type == LRD_OPTION_SECTION && row->inside == LRD_SCOPE_CHECK)
      hidden = ((const lrd_settings_health *)section)->check.type == LRD_CHECK_NONE;
    if (!hidden && !lrd_option_unset(row, section)) row_show(s, row, section);
  }
}

larder_err lrd_config_show_text(const lrd_settings *settings, bool as_json, char **out) {
  shower s = {.settings = settings, .writer = {.json = as_json}};
  larder_err err = lrd_secrets_make(settings->cache.secrets, &s.secrets);
  if (err != LARDER_OK) return err;
  lrd_writer_map_open(&s.writer, NULL, false);
  lrd_writer_map_open(&s.writer, "cache", false);
  scope_show(&s, LRD_SCOPE_CACHE, &settings->cache, 0);
  lrd_writer_map_close(&s.writer);
  lrd_writer_map_close(&s.writer);
  char *text = lrd_writer_finish(&s.writer, &err);
  lrd_dealloc(s.secrets);
  if (err == LARDER_OK) *out = text;
  return err;
}
