/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key in the recipe's spelling is cut at `_`, and each piece given to the one parameter behind the last whose name it begins
 * with and whose value the rest can be. Whether that was right is seen by spelling what was read: it must give the key again.
 */
#include "recipe_maker.h"

#include "base/fail.h"
#include "config/key_template.h"
#include "config/mistakes.h"
#include "maker/attempts.h"
#include "recipes.h"
#include <larder/nearest.h>
#include <stdio.h>

#define LOOK_NS INT64_C(50000000)

struct lrd_recipe_maker {
  const lrd_maker *recipe;
  lrd_attempts attempts;
  uint64_t value_bytes_max;
  lrd_mutex alone; /* for a recipe that measures time */
};

/* --- keys --------------------------------------------------------------------------------------------------------------- */

/* Parameters as texts: pairs of offsets in one buffer, since that moves while it grows. */
typedef struct given_texts {
  lrd_buf texts;
  size_t name_at[LARDER_RECIPE_PARAMS_MAX];
  size_t value_at[LARDER_RECIPE_PARAMS_MAX];
  size_t count;
} given_texts;

static larder_err text_add(lrd_buf *texts, const void *text, size_t len, size_t *at) {
  *at = texts->len;
  larder_err result = lrd_buf_append(texts, text, len);
  return result == LARDER_OK ? lrd_buf_append_byte(texts, '\0') : result;
}

static larder_err given_add(given_texts *given, lrd_span name, lrd_span value) {
  larder_err result = text_add(&given->texts, name.data, name.len, &given->name_at[given->count]);
  if (result == LARDER_OK) {
    result = text_add(&given->texts, value.data, value.len, &given->value_at[given->count]);
  }
  given->count += result == LARDER_OK;
  return result;
}

static larder_err given_read(const lrd_maker *recipe, const given_texts *given, lrd_params *out, larder_error *err) {
  larder_param params[LARDER_RECIPE_PARAMS_MAX];
  const char *texts = (const char *)given->texts.data;
  for (size_t i = 0; i < given->count; i++) {
    params[i] = (larder_param){texts + given->name_at[i], texts + given->value_at[i]};
  }
  return lrd_maker_params_read(recipe, params, given->count, out, err);
}

static larder_err pairs_read(const lrd_maker *recipe, lrd_span key, given_texts *given, larder_error *err) {
  lrd_buf name = {0}, value = {0};
  size_t at = 0;
  larder_err result;
  while ((result = lrd_key_pair_next(key.data, key.len, &at, &name, &value)) == LARDER_OK) {
    if (given->count == LARDER_RECIPE_PARAMS_MAX || strlen((char *)name.data) != name.len ||
        strlen((char *)value.data) != value.len) {
      result = lrd_fail(err, LARDER_EINVAL, 0, "recipe",
                        "%s: the key has more pairs than there are parameters, or a NUL in one", recipe->shown.name);
      break;
    }
    result = given_add(given, lrd_span_of(name.data, name.len), lrd_span_of(value.data, value.len));
    if (result != LARDER_OK) {
      break;
    }
  }
  lrd_buf_fini(&name);
  lrd_buf_fini(&value);
  return result == LARDER_MISS ? LARDER_OK : result;
}

static larder_err spelling_refuse(const lrd_maker *recipe, larder_error *err) {
  return lrd_fail(err, LARDER_EINVAL, 0, "recipe",
                  "the key is none of the recipe %s; give the parameters behind a `|`, as in `%s|%s=…`%s", recipe->shown.name,
                  recipe->shown.name, recipe->shown.params[0].name, recipe->key ? "" : ", or spell it as `larder warm` does");
}

/* A text as a key has it: what cannot stand there is percent-encoded. */
static larder_err text_unescape(const char *text, size_t len, lrd_buf *out) {
  static const char hex[] = "0123456789ABCDEF";
  larder_err result = LARDER_OK;
  for (size_t i = 0; i < len && result == LARDER_OK; i++) {
    const char *high = text[i] == '%' && i + 2 < len ? memchr(hex, text[i + 1], 16) : NULL;
    const char *low = high ? memchr(hex, text[i + 2], 16) : NULL;
    result = lrd_buf_append_byte(out, low ? (uint8_t)((high - hex) << 4 | (low - hex)) : (uint8_t)text[i]);
    i += low ? 2 : 0;
  }
  return result == LARDER_OK ? lrd_buf_terminate(out) : result;
}

/* The rows behind *next that the piece may be of, and the value it has for the last of them. */
static larder_err piece_match(const larder_recipe *recipe, const char *piece, size_t len, size_t *next, size_t *matches,
                              lrd_buf *value) {
  lrd_buf text = {0};
  size_t from = *next;
  larder_err result = LARDER_OK;
  *matches = 0;
  for (size_t i = from; i < recipe->params_count && result == LARDER_OK; i++) {
    const larder_recipe_param *row = &recipe->params[i];
    size_t name_len = strlen(row->name);
    lrd_param_value read;
    if (len < name_len || memcmp(piece, row->name, name_len) != 0) {
      continue;
    }
    lrd_buf_clear(&text);
    result = text_unescape(piece + name_len, len - name_len, &text);
    if (result == LARDER_OK && lrd_param_read(recipe->name, row, (const char *)text.data, &read, NULL) == LARDER_OK) {
      ++*matches;
      *next = i + 1;
      lrd_buf_clear(value);
      result = lrd_buf_append(value, text.data, text.len);
    }
  }
  lrd_buf_fini(&text);
  return result;
}

static larder_err spelling_read(const lrd_maker *recipe, lrd_span key, given_texts *given, larder_error *err) {
  const char *text = key.data, *end = text + key.len;
  size_t name_len = strlen(recipe->shown.name), next = 0;
  lrd_buf value = {0};
  larder_err result = LARDER_OK;
  if (recipe->key || key.len < name_len || memcmp(text, recipe->shown.name, name_len) != 0 || memchr(text, 0, key.len)) {
    return spelling_refuse(recipe, err);
  }
  for (text += name_len; text < end && result == LARDER_OK;) {
    const char *piece = text + 1;
    if (*text != '_') {
      result = spelling_refuse(recipe, err);
      break;
    }
    text = memchr(piece, '_', (size_t)(end - piece));
    text = text ? text : end;
    size_t matches = 0;
    result = piece_match(&recipe->shown, piece, (size_t)(text - piece), &next, &matches, &value);
    if (result == LARDER_OK && matches != 1) {
      result = spelling_refuse(recipe, err);
    }
    if (result == LARDER_OK) {
      result = given_add(given, lrd_span_str(recipe->shown.params[next - 1].name), lrd_span_of(value.data, value.len));
    }
  }
  lrd_buf_fini(&value);
  return result;
}

/* Whether what was read is spelled as the key is. */
static larder_err spelling_check(const lrd_maker *recipe, lrd_span key, const lrd_params *params, larder_error *err) {
  lrd_buf spelled = {0};
  larder_err result = lrd_maker_key(recipe, params, &spelled);
  if (result == LARDER_OK && !lrd_span_equal(key, lrd_span_of(spelled.data, spelled.len))) {
    result = lrd_fail(err, LARDER_EINVAL, 0, "recipe", "the recipe %s spells this key otherwise: `%.*s`", recipe->shown.name,
                      spelled.len < 200 ? (int)spelled.len : 200, (const char *)spelled.data);
  }
  lrd_buf_fini(&spelled);
  return result;
}

larder_err lrd_recipe_key_read(const lrd_maker *recipe, const void *key, size_t key_len, lrd_params *out, larder_error *err) {
  lrd_span whole = lrd_span_of(key_len > 0 ? key : "", key_len);
  bool pairs = memchr(whole.data, '|', whole.len) != NULL;
  given_texts given = {0};
  lrd_params params;
  larder_err result = lrd_buf_reserve(&given.texts, 1);
  if (result == LARDER_OK) {
    result = pairs ? pairs_read(recipe, whole, &given, err) : spelling_read(recipe, whole, &given, err);
  }
  if (result == LARDER_OK) {
    result = given_read(recipe, &given, &params, err);
  }
  if (result == LARDER_OK && !pairs) {
    result = spelling_check(recipe, whole, &params, err);
  }
  if (result == LARDER_OK) {
    *out = params;
  }
  lrd_buf_fini(&given.texts);
  return result == LARDER_ENOMEM ? lrd_fail(err, LARDER_ENOMEM, 0, "recipe", "no memory to read a key") : result;
}

/* --- making ------------------------------------------------------------------------------------------------------------- */

typedef struct computed {
  lrd_buf value;
  lrd_buf version;
  lrd_buf meta;
} computed;

static void computed_free(computed *c) {
  if (!c) {
    return;
  }
  lrd_buf_fini(&c->value);
  lrd_buf_fini(&c->version);
  lrd_buf_fini(&c->meta);
  lrd_dealloc(c);
}

static void computed_release(void *context, const void *value) {
  (void)value;
  computed_free(context);
}

/* One after the other, for recipes whose making would disturb another's. */
static larder_err alone_begin(lrd_recipe_maker *m, const larder_making *making) {
  larder_err gone = LARDER_OK;
  while (gone == LARDER_OK && pthread_mutex_trylock(&m->alone) != 0) {
    m->attempts.clock->sleep_ns(m->attempts.clock, LOOK_NS);
    gone = lrd_making_look(making, m->attempts.clock);
  }
  return gone;
}

typedef struct asked {
  const larder_making *making;
  const lrd_clock *clock;
} asked;

static larder_err patience_look(void *context) {
  const asked *w = context;
  return lrd_making_look(w->making, w->clock);
}

static larder_err compute(lrd_recipe_maker *m, const larder_making *making, const lrd_params *params, computed *c,
                          larder_error *err) {
  if (m->recipe->alone) {
    larder_err gone = alone_begin(m, making);
    if (gone != LARDER_OK) {
      return lrd_fail(err, gone, 0, "recipe", "its time was over before another making was done");
    }
  }
  const lrd_patience patience = {.look = patience_look, .context = &(asked){making, m->attempts.clock}};
  larder_err result = m->recipe->make(params, &patience, &c->value, &c->version, &c->meta, err);
  if (m->recipe->alone) {
    lrd_unlock(&m->alone);
  }
  if (result == LARDER_EAWAY || result == LARDER_ECANCELLED) {
    return lrd_fail(err, result, 0, "recipe", "%s",
                    result == LARDER_EAWAY ? "its time was over before it was computed"
                                           : "nobody wants it any more; given up computing");
  }
  return result == LARDER_OK ? lrd_buf_terminate(&c->version) : result;
}

static larder_err attempt(void *context, const larder_making *making, larder_made *made, larder_error *err) {
  lrd_recipe_maker *m = context;
  larder_error why = {0};
  lrd_params params;
  computed *c = lrd_alloc_zero(1, sizeof *c);
  larder_err result = c ? lrd_recipe_key_read(m->recipe, making->key, making->key_len, &params, &why) : LARDER_ENOMEM;
  if (result == LARDER_OK) {
    result = lrd_maker_fits(m->recipe, &params, m->value_bytes_max, "the maker's max_size", &why);
  }
  if (result == LARDER_OK) {
    result = compute(m, making, &params, c, &why);
  }
  if (result == LARDER_OK && c->value.len > m->value_bytes_max) {
    result = lrd_fail(&why, LARDER_ETOOBIG, 0, "recipe", "%s makes %zu bytes of it, above the max_size of %llu bytes",
                      m->recipe->shown.name, c->value.len, (unsigned long long)m->value_bytes_max);
  }
  if (result != LARDER_OK) {
    computed_free(c);
    return lrd_making_fail(&m->attempts, making, result, why.os_errno, err, "%s",
                           why.message[0] != '\0' ? why.message : larder_err_text(result));
  }
  made->value = c->value.data ? (const void *)c->value.data : "";
  made->len = c->value.len;
  made->release = computed_release;
  made->release_context = c;
  made->put = (larder_put_options){.size = sizeof made->put,
                                   .kind = m->recipe->shown.kind,
                                   .version = c->version.len > 0 ? (const char *)c->version.data : NULL,
                                   .meta = c->meta.len > 0 ? c->meta.data : NULL,
                                   .meta_len = c->meta.len};
  return LARDER_OK;
}

larder_err lrd_recipe_maker_make(void *context, const larder_making *making, larder_made *made, larder_error *err) {
  lrd_recipe_maker *maker = context;
  return lrd_attempts_make(&maker->attempts, attempt, maker, making, made, err);
}

/* --- a maker ------------------------------------------------------------------------------------------------------------ */

static larder_err name_refuse(const char *name, const char *ns, larder_error *err) {
  char quoted[LRD_QUOTED_MAX], names[200];
  size_t len = 0;
  larder_nearest nearest = {.wanted = name};
  for (size_t i = 0; lrd_recipe_at(i) && len < sizeof names; i++) {
    const char *one = lrd_recipe_at(i)->shown.name;
    larder_nearest_offer(&nearest, one);
    len += (size_t)snprintf(names + len, sizeof names - len, "%s%s", i > 0 ? ", " : "", one);
  }
  const char *near = larder_nearest_best(&nearest);
  return lrd_fail(err, LARDER_EINVAL, 0, "maker", "%s: maker.recipe: found %s; expected one of %s%s%s", ns,
                  lrd_quote(name, strlen(name), quoted), names, near ? "; the nearest is " : "", near ? near : "");
}

larder_err lrd_recipe_maker_new(const lrd_config_maker *config, const char *ns, const char *secrets, const lrd_clock *clock,
                                lrd_recipe_maker **out, larder_error *err) {
  const lrd_maker *recipe = lrd_recipe_find(config->what);
  if (!recipe) {
    return name_refuse(config->what, ns, err);
  }
  lrd_recipe_maker *m = lrd_alloc_zero(1, sizeof *m);
  if (!m) {
    return lrd_fail(err, LARDER_ENOMEM, 0, "maker", "%s: no memory for its maker", ns);
  }
  m->recipe = recipe;
  m->value_bytes_max = config->value_bytes_max;
  lrd_attempts_init(&m->attempts, config, ns, secrets, clock);
  lrd_mutex_init(&m->alone);
  *out = m;
  return LARDER_OK;
}

void lrd_recipe_maker_free(lrd_recipe_maker *maker) {
  if (!maker) {
    return;
  }
  lrd_mutex_fini(&maker->alone);
  lrd_attempts_fini(&maker->attempts);
  lrd_dealloc(maker);
}
