/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A logistic regression of "asked for again within so many requests, before it expires" over what is known of an entry: how
 * often it was asked for and guessed, by counts that fade sooner or later, how long ago, how long it may be kept, of which kind
 * it is, and all products of two of these. Time is counted in requests, so that a rush is no ageing.
 *
 * The weights are kept up to date as those of a ridge regression are (learner_ridge.c), each target weighing as much as a
 * logistic one does. What is watched lies in a ring in the order in which it was drawn, and is learned from when its time has
 * passed; those of the same number are a list, so that a request finds them.
 */
#include "worth.h"

#include "base/bytes.h"
#include <math.h>
#include <string.h>

#define ASKED   4u /* counts of requests, by how soon they fade */
#define GUESSED 2u
#define WATCHED 8192u
#define NONE    UINT32_MAX

enum { PLAIN = 1 + ASKED + GUESSED + 4, PRODUCTS = PLAIN * (PLAIN + 1) / 2, ROW = 1 + PLAIN + PRODUCTS + LRD_WORTH_KINDS };

#define HALF_LIVES  4.0 /* of counts, in lives of an entry */
#define PATIENCE    1.5 /* until one that was not asked for is learned from, likewise */
#define PRIOR       0.01
#define FORGET      0.9998
#define LEAST_COUNT (1.0 / 64)
#define LEAST_LEFT  (1.0 / 16)
#define LEAST_PULL  0.02 /* of a target that was as good as certain */
#define GAP_PART    0.005

/* The parts of the half-life by which counts fade. */
static const double asked_parts[ASKED] = {1.0 / 32, 1.0 / 8, 1, 8};
static const double guessed_parts[GUESSED] = {1.0 / 32, 1.0 / 8};

/* What is known of a number. */
typedef struct mark {
  uint64_t asked_at; /* requests, of all, at the last one for it; 0: never */
  uint64_t moved_at; /* when the counts were as they stand */
  float asked[ASKED];
  float guessed[GUESSED];
  float both;
  uint32_t watched; /* the newest of those that are watched of it */
  uint8_t kind;
} mark;

typedef struct watched {
  float row[ROW];
  double expires_ms;
  uint64_t due_at; /* requests */
  uint32_t number;
  uint32_t older; /* of the same number */
  bool listed;
  bool asked;
  bool forgotten;
} watched;

struct lrd_worth {
  double half_life; /* requests */
  uint64_t patience;
  uint64_t requests;
  double gap_ms, before_ms; /* between two requests, lately */
  mark *marks;
  watched *ring;
  uint64_t first, end; /* of those in the ring */
  double weights[ROW];
  double inverse[ROW * ROW];
};

void lrd_worth_live(lrd_worth *worth, uint64_t life) {
  worth->half_life = HALF_LIVES * (double)life;
  worth->patience = (uint64_t)(PATIENCE * (double)life) + 1;
  for (uint64_t i = worth->first; i < worth->end; i++) { /* who is watched already is not waited for longer than the next */
    uint64_t *due_at = &worth->ring[i % WATCHED].due_at;
    if (*due_at > worth->requests + worth->patience) *due_at = worth->requests + worth->patience;
  }
}

larder_err lrd_worth_open(uint32_t numbers, uint64_t life, lrd_worth **out) {
  lrd_worth *worth = lrd_alloc_zero(1, sizeof *worth);
  if (worth == NULL) return LARDER_ENOMEM;
  lrd_worth_live(worth, life);
  worth->marks = lrd_alloc_zero(numbers, sizeof *worth->marks);
  worth->ring = lrd_alloc_zero(WATCHED, sizeof *worth->ring);
  if (worth->marks == NULL || worth->ring == NULL) {
    lrd_worth_close(worth);
    return LARDER_ENOMEM;
  }
  for (uint32_t i = 0; i < numbers; i++) worth->marks[i].watched = NONE;
  for (unsigned i = 0; i < ROW; i++) worth->inverse[i * ROW + i] = PRIOR;
  worth->weights[1] = 0.5; /* of `both` */
  *out = worth;
  return LARDER_OK;
}

void lrd_worth_close(lrd_worth *worth) {
  if (worth == NULL) return;
  lrd_dealloc(worth->marks);
  lrd_dealloc(worth->ring);
  lrd_dealloc(worth);
}

/* --- a row of numbers ----------------------------------------------------------------------------------------------------- */

static void fade(const lrd_worth *worth, mark *m) {
  double lives = (double)(worth->requests - m->moved_at) / worth->half_life;
  if (lives <= 0) return;
  for (unsigned i = 0; i < ASKED; i++) m->asked[i] *= (float)exp2(-lives / asked_parts[i]);
  for (unsigned i = 0; i < GUESSED; i++) m->guessed[i] *= (float)exp2(-lives / guessed_parts[i]);
  m->both *= (float)exp2(-lives);
  m->moved_at = worth->requests;
}

static double count_log(double count) { return (log2(count + LEAST_COUNT) + 3) / 2; }

static void row_of(const lrd_worth *worth, uint32_t number, const lrd_worth_entry *entry, double now_ms, float row[ROW]) {
  mark m = worth->marks[number];
  fade(worth, &m);
  row[0] = 1;
  float *plain = row + 1, *at = plain;
  *at++ = (float)log2(m.both + LEAST_COUNT) + 2;
  for (unsigned i = 0; i < ASKED; i++) *at++ = (float)count_log(m.asked[i]);
  for (unsigned i = 0; i < GUESSED; i++) *at++ = (float)count_log(m.guessed[i]);
  double age = m.asked_at ? (double)(worth->requests - m.asked_at) / worth->half_life : 64;
  *at++ = (float)(log2(fmin(age, 64) + LEAST_COUNT) + 2) / 2;
  *at++ = entry->ahead;
  double left = worth->gap_ms > 0 ? (entry->expires_ms - now_ms) / worth->gap_ms / worth->half_life : 1;
  left = fmin(fmax(left, 0), 16);
  *at++ = (float)fmin(left / 4, 1);
  *at++ = (float)log2(left + LEAST_LEFT) / 2;
  for (unsigned i = 0; i < PLAIN; i++)
    for (unsigned j = 0; j <= i; j++) *at++ = plain[i] * plain[j];
  for (unsigned i = 0; i < LRD_WORTH_KINDS; i++) *at++ = m.kind % LRD_WORTH_KINDS == i;
}

static double value_of(const lrd_worth *worth, const float row[ROW]) {
  double value = 0;
  for (unsigned i = 0; i < ROW; i++) value += worth->weights[i] * row[i];
  return value;
}

double lrd_worth_of(const lrd_worth *worth, uint32_t number, const lrd_worth_entry *entry, double now_ms) {
  float row[ROW];
  row_of(worth, number, entry, now_ms, row);
  return value_of(worth, row);
}

/* --- learning ------------------------------------------------------------------------------------------------------------- */

static void learn(lrd_worth *worth, const float row[ROW], bool asked) {
  double likely = 1 / (1 + exp(-value_of(worth, row))), pull = fmax(likely * (1 - likely), LEAST_PULL);
  const unsigned row_len = ROW;
  double gain[ROW], sum = 0, trace = 0;
  for (unsigned i = 0; i < ROW; i++) {
    const double *inverse = worth->inverse + i * ROW;
    gain[i] = 0;
    for (unsigned j = 0; j < ROW; j++) gain[i] += inverse[j] * row[j];
    sum += gain[i] * row[i];
    trace += inverse[i];
  }
  sum = 1 + pull * sum;
  if (!(sum >= 1)) return;
  double grown = trace < row_len * PRIOR ? 1 / FORGET : 1, error = (asked ? 1.0 : 0.0) - likely;
  for (unsigned i = 0; i < ROW; i++) worth->weights[i] += gain[i] / sum * error;
  for (unsigned i = 0; i < ROW; i++)
    for (unsigned j = 0; j <= i; j++)
      worth->inverse[i * ROW + j] = worth->inverse[j * ROW + i] =
          (worth->inverse[i * ROW + j] - gain[i] * gain[j] * pull / sum) * grown;
}

static void unlist(lrd_worth *worth, uint32_t place) {
  watched *one = &worth->ring[place];
  uint32_t *at = &worth->marks[one->number].watched;
  while (*at != place) at = &worth->ring[*at].older;
  *at = one->older;
}

static void due_learn(lrd_worth *worth) {
  while (worth->first < worth->end && worth->ring[worth->first % WATCHED].due_at <= worth->requests) {
    uint32_t place = (uint32_t)(worth->first++ % WATCHED);
    if (worth->ring[place].listed) unlist(worth, place);
    if (!worth->ring[place].forgotten) learn(worth, worth->ring[place].row, worth->ring[place].asked);
  }
}

void lrd_worth_asked(lrd_worth *worth, uint32_t number, unsigned kind, double now_ms) {
  mark *m = &worth->marks[number];
  if (worth->requests > 0) {
    double part = fmax(1 / (double)worth->requests, GAP_PART);
    worth->gap_ms += part * (now_ms - worth->before_ms - worth->gap_ms);
  }
  worth->before_ms = now_ms;
  for (; m->watched != NONE; m->watched = worth->ring[m->watched].older) {
    worth->ring[m->watched].asked = now_ms < worth->ring[m->watched].expires_ms;
    worth->ring[m->watched].listed = false;
  }
  worth->requests++;
  fade(worth, m);
  for (unsigned i = 0; i < ASKED; i++) m->asked[i] += 1;
  m->both += 1;
  m->asked_at = worth->requests;
  m->kind = (uint8_t)kind;
  due_learn(worth);
}

void lrd_worth_guessed(lrd_worth *worth, uint32_t number, unsigned kind, double probability) {
  mark *m = &worth->marks[number];
  fade(worth, m);
  for (unsigned i = 0; i < GUESSED; i++) m->guessed[i] += (float)probability;
  m->both += (float)probability;
  m->kind = (uint8_t)kind;
}

void lrd_worth_watch(lrd_worth *worth, uint32_t number, const lrd_worth_entry *entry, double now_ms) {
  if (worth->requests % (worth->patience / WATCHED + 1) != 0 || worth->end - worth->first == WATCHED) return;
  uint32_t place = (uint32_t)(worth->end++ % WATCHED);
  watched *one = &worth->ring[place];
  row_of(worth, number, entry, now_ms, one->row);
  one->expires_ms = entry->expires_ms;
  one->due_at = worth->requests + worth->patience;
  one->number = number;
  one->older = worth->marks[number].watched;
  one->listed = true;
  one->asked = one->forgotten = false;
  worth->marks[number].watched = place;
}

void lrd_worth_forget(lrd_worth *worth, uint32_t number) {
  mark *m = &worth->marks[number];
  for (; m->watched != NONE; m->watched = worth->ring[m->watched].older) {
    worth->ring[m->watched].forgotten = true;
    worth->ring[m->watched].listed = false;
  }
  *m = (mark){.watched = NONE};
}
