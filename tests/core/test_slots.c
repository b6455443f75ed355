/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The coherence map between threads' and processes' owners. Proves: a slot is never owned twice, a dead owner's slot is
 * moved on and a living one's is not, a reused row owns nothing, dirty marks and distrust are seen by everybody, a damaged
 * or deleted map is made anew with versions that no old token equals, a lost root stops everything, and an onlooker sees
 * what others do and leaves everything as it is.
 */
#include "support/support.h"

#include "core/slots.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS 1024u

static const char *const tiers[] = {"warm", "cold"};

static lrd_slots *join(const char *root) {
  lrd_slots *slots = NULL;
  larder_error err = {0};
  lrd_slots_params params = {.root = root, .slots = SLOTS, .clock = lrd_clock_real(), .tiers = tiers, .tiers_len = 2};
  assert_ok(lrd_slots_open(&params, &slots, &err));
  lrd_slots_joined(slots);
  return slots;
}

static void an_owned_slot_gives_no_token_and_moves_when_released(void **state) {
  lrd_slots *slots = join(*state);
  uint64_t before = lrd_slot_token(slots, 5);
  uint64_t version;
  assert_ok(lrd_slot_own(slots, 5, 0, &version));
  assert_int_equal(version, before);
  assert_true(lrd_slot_token(slots, 5) == LRD_TOKEN_NONE);
  assert_false(lrd_slot_own_unmoved(slots, 5, before));
  assert_err(lrd_slot_own(slots, 5, 1000000, &version), LARDER_EBUSY);
  assert_int_equal(lrd_slot_release(slots, 5, true), before + 1);
  assert_int_equal(lrd_slot_token(slots, 5), before + 1);
  assert_false(lrd_slot_own_unmoved(slots, 5, before));
  assert_true(lrd_slot_own_unmoved(slots, 5, before + 1));
  assert_int_equal(lrd_slot_release(slots, 5, false), before + 1);
  assert_int_equal(lrd_slot_token(slots, 6), before); /* neighbours stay */
  lrd_slots_close(slots);
}

static void a_word_that_names_us_by_damage_is_set_right(void **state) {
  unsigned shift;
  uint64_t version;
  lrd_slots *slots = join(*state);
  _Atomic uint64_t *words = lrd_slots_base(slots, &shift);
  atomic_fetch_or(&words[5], (uint64_t)(lrd_slots_row(slots) + 1) << LRD_SLOT_VERSION_BITS);
  assert_ok(lrd_slot_own(slots, 6, 0, &version));
  assert_err(lrd_slot_own(slots, 5, 1000000, &version), LARDER_EBUSY); /* it may be the other thread's */
  (void)lrd_slot_release(slots, 6, true);
  assert_ok(lrd_slot_own(slots, 5, 1000000, &version));
  assert_int_equal(lrd_slot_release(slots, 5, true), version + 1);
  lrd_slots_close(slots);
}

static void who_joins_waits_for_a_check_after_an_unclean_stop(void **state) {
  lrd_clock_moved clock;
  lrd_slots *first = NULL;
  lrd_slots *second = NULL;
  larder_error err = {0};
  lrd_clock_moved_init(&clock, INT64_C(1700000000000));
  lrd_slots_params params = {.root = *state, .slots = SLOTS, .clock = &clock.clock, .tiers = tiers, .tiers_len = 2};
  assert_ok(lrd_slots_open(&params, &first, &err)); /* and checks, and salvages, before lrd_slots_joined */
  int64_t began_ns = lrd_mono_ns(&clock.clock);
  assert_err(lrd_slots_open(&params, &second, &err), LARDER_EBUSY);
  assert_in_range(lrd_mono_ns(&clock.clock) - began_ns, INT64_C(30000000000), INT64_C(90000000000));
  lrd_slots_joined(first);
  assert_ok(lrd_slots_open(&params, &second, &err));
  lrd_slots_close(second);
  lrd_slots_close(first);
}

static void ranges_of_slots_cover_every_hash_once(void **state) {
  lrd_slots *slots = join(*state);
  uint64_t next = 0;
  for (uint64_t slot = 0; slot < lrd_slot_count(slots); slot++) {
    uint64_t first;
    uint64_t last;
    lrd_slot_range(slots, slot, &first, &last);
    assert_int_equal(first, next);
    assert_int_equal(lrd_slot_of(slots, first), slot);
    assert_int_equal(lrd_slot_of(slots, last), slot);
    next = last + 1;
  }
  assert_int_equal(next, 0);
  lrd_slots_close(slots);
}

/* A child that owns slot 7, says so, and waits to be killed. */
static pid_t child_owning(const char *root, int *said) {
  int fds[2];
  assert_int_equal(pipe(fds), 0);
  pid_t pid = fork();
  if (pid == 0) {
    uint64_t version;
    lrd_slots *slots = join(root);
    if (lrd_slot_own(slots, 7, 0, &version) != LARDER_OK) {
      _exit(1);
    }
    lrd_slot_mark_dirty(slots, 1, 9);
    (void)!write(fds[1], "o", 1);
    for (;;) {
      pause();
    }
  }
  close(fds[1]);
  char c;
  assert_int_equal(read(fds[0], &c, 1), 1);
  *said = fds[0];
  return pid;
}

static void a_living_owner_is_waited_for_and_a_dead_one_replaced(void **state) {
  int said;
  lrd_slots *slots = join(*state);
  uint64_t before = lrd_slot_token(slots, 7);
  pid_t pid = child_owning(*state, &said);
  uint64_t version;
  assert_err(lrd_slot_own(slots, 7, 5000000, &version), LARDER_EBUSY);
  assert_int_equal(kill(pid, SIGSTOP), 0); /* stopped is not dead */
  assert_err(lrd_slot_own(slots, 7, 5000000, &version), LARDER_EBUSY);
  assert_true(lrd_slot_token(slots, 7) == LRD_TOKEN_NONE);
  assert_int_equal(kill(pid, SIGKILL), 0);
  assert_int_equal(waitpid(pid, NULL, 0), pid);
  assert_ok(lrd_slot_own(slots, 7, 1000000000, &version));
  assert_int_equal(version, before + 1); /* what the dead one knew counts no more */
  (void)lrd_slot_release(slots, 7, true);
  assert_true(lrd_slot_dirty(slots, 1, 9)); /* marks outlive their maker */
  close(said);
  lrd_slots_close(slots);
}

static void a_reader_frees_a_dead_owners_slot(void **state) {
  int said;
  lrd_slots *slots = join(*state);
  uint64_t before = lrd_slot_token(slots, 7);
  pid_t pid = child_owning(*state, &said);
  assert_int_equal(kill(pid, SIGKILL), 0);
  assert_int_equal(waitpid(pid, NULL, 0), pid);
  assert_true(lrd_slot_token(slots, 7) == LRD_TOKEN_NONE); /* this snapshot may have begun before */
  assert_int_equal(lrd_slot_token(slots, 7), before + 1);
  close(said);
  lrd_slots_close(slots);
}

static void a_reused_row_owns_nothing(void **state) {
  int said;
  lrd_slots *first = join(*state);
  pid_t pid = child_owning(*state, &said);
  assert_int_equal(kill(pid, SIGKILL), 0);
  assert_int_equal(waitpid(pid, NULL, 0), pid);
  lrd_slots *second = join(*state);
  assert_int_equal(lrd_slots_row(second), 1); /* the dead child's */
  uint64_t token = lrd_slot_token(second, 7);
  assert_true(token != LRD_TOKEN_NONE);
  assert_true(lrd_slot_own_unmoved(first, 7, token));
  (void)lrd_slot_release(first, 7, true);
  close(said);
  lrd_slots_close(second);
  lrd_slots_close(first);
}

static void queues_are_told_by_the_living_and_lost_traces_by_slot(void **state) {
  lrd_slots *slots = join(*state);
  assert_false(lrd_slots_queued_below(slots, UINT64_MAX));
  lrd_slots_queue_from(slots, 100);
  assert_true(lrd_slots_queued_below(slots, 100));
  assert_false(lrd_slots_queued_below(slots, 99));
  pid_t pid = fork();
  if (pid == 0) {
    lrd_slots *own = join(*state);
    lrd_slots_queue_from(own, 50);
    (void)kill(getpid(), lrd_slots_queued_below(own, 50) ? SIGKILL : SIGTERM); /* it dies having it queued */
  }
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  assert_false(lrd_slots_queued_below(slots, 99));
  lrd_slots *other = join(*state); /* on the dead one's row */
  assert_false(lrd_slots_queued_below(slots, 99));
  assert_true(lrd_slots_queued_below(other, 100));
  lrd_slots_queue_from(slots, 0);
  assert_false(lrd_slots_queued_below(other, UINT64_MAX));

  lrd_stamp last = lrd_stamp_next(lrd_slots_clock(slots), 1000, 0);
  assert_int_equal(lrd_slots_traceless(slots, 0, 7), 0);
  lrd_slots_traceless_raise(slots, 0, 7, last - 5);
  lrd_slots_traceless_raise(slots, 0, 7, last - 9);
  assert_true(lrd_slots_traceless(other, 0, 7) == last - 5);
  assert_int_equal(lrd_slots_traceless(other, 0, 8), 0);
  assert_int_equal(lrd_slots_traceless(other, 1, 7), 0);
  lrd_slots_traceless_raise(slots, 0, 7, UINT64_MAX);
  assert_true(lrd_slots_traceless(other, 0, 7) == last);
  lrd_slots_close(other);
  lrd_slots_close(slots);
  slots = join(*state); /* alone: nobody has anything queued */
  assert_int_equal(lrd_slots_traceless(slots, 0, 7), 0);
  lrd_slots_close(slots);
}

static void rows_live_as_long_as_their_holder(void **state) {
  lrd_slots *first = join(*state);
  lrd_slots *second = join(*state);
  unsigned row = lrd_slots_row(second);
  assert_int_not_equal(row, lrd_slots_row(first));
  assert_true(lrd_slots_row_alive(first, row));
  lrd_slots_close(second);
  assert_false(lrd_slots_row_alive(first, row));
  assert_false(lrd_slots_row_alive(first, LRD_ROWS_MAX));
  lrd_slots_close(first);
}

static void dirty_marks_are_found_in_order_and_cleared(void **state) {
  static const uint64_t marked[] = {0, 63, 64, 500, SLOTS - 1};
  lrd_slots *slots = join(*state);
  for (size_t i = 0; i < 5; i++) {
    lrd_slot_mark_dirty(slots, 0, marked[i]);
  }
  lrd_slot_mark_dirty(slots, 0, 63);
  assert_int_equal(lrd_slots_dirty_count(slots, 0), 5);
  assert_int_equal(lrd_slots_dirty_count(slots, 1), 0);
  assert_false(lrd_slot_dirty(slots, 1, 63));
  uint64_t slot = 0;
  for (size_t i = 0; i < 5; i++, slot++) {
    assert_true(lrd_slots_dirty_next(slots, 0, slot, &slot));
    assert_int_equal(slot, marked[i]);
  }
  assert_false(lrd_slots_dirty_next(slots, 0, slot, &slot));
  lrd_slots *other = join(*state);
  assert_true(lrd_slot_dirty(other, 0, 500));
  assert_int_equal(lrd_slots_dirty_count(other, 0), 5);
  for (size_t i = 0; i < 5; i++) {
    lrd_slot_clear_dirty(other, 0, marked[i]);
  }
  lrd_slot_clear_dirty(other, 0, 500);
  assert_int_equal(lrd_slots_dirty_count(slots, 0), 0);
  lrd_slots_close(other);
  lrd_slots_close(slots);
}

static void a_broken_tier_comes_back_through_one_who_is_alone(void **state) {
  lrd_slots *first = join(*state);
  lrd_slots *second = join(*state);
  uint64_t generation;
  uint64_t token = lrd_slot_token(first, 3);
  assert_true(lrd_slots_tier_enter(first, 1, false));
  assert_true(lrd_slots_tier_enter(second, 1, false));
  lrd_slots_distrust(first, 1);
  assert_int_equal(lrd_slots_trust(second, 1, &generation), LRD_TRUST_BROKEN);
  assert_int_equal(lrd_slots_trust(second, 0, NULL), LRD_TRUST_OK);
  lrd_slots_tier_leave(first, 1);
  assert_false(lrd_slots_tier_enter(first, 1, true)); /* the other still has it open */
  lrd_slots_tier_leave(second, 1);
  assert_true(lrd_slots_tier_enter(first, 1, true));
  assert_false(lrd_slots_tier_enter(second, 1, true));
  lrd_slot_mark_dirty(first, 1, 20);
  lrd_slots_tier_replaced(first, 1);
  uint64_t after;
  assert_int_equal(lrd_slots_trust(second, 1, &after), LRD_TRUST_OK);
  assert_int_equal(after, generation + 1);
  assert_int_equal(lrd_slots_dirty_count(second, 1), 1);  /* what was salvaged may hold what the mark is about */
  assert_int_equal(lrd_slot_token(second, 3), token + 1); /* no memory copy of the old content counts */
  lrd_slots_close(second);
  lrd_slots_close(first);
}

static void the_seed_outlives_the_map_and_new_versions_are_strange(void **state) {
  char *map = support_path(*state, "coherence.map");
  lrd_slots *slots = join(*state);
  uint64_t seed = lrd_slots_seed(slots);
  uint64_t token = lrd_slot_token(slots, 1);
  char id[LRD_ROOT_HERE_MAX + 1];
  char id_after[LRD_ROOT_HERE_MAX + 1];
  lrd_slots_root_here(slots, id);
  lrd_slots_close(slots);
  assert_int_equal(unlink(map), 0);
  slots = join(*state);
  assert_int_equal(lrd_slots_seed(slots), seed);
  lrd_slots_root_here(slots, id_after);
  assert_string_equal(id_after, id);
  assert_int_not_equal(lrd_slot_token(slots, 1), token);
  lrd_slots_close(slots);
  free(map);
}

static void a_damaged_head_makes_a_new_map(void **state) {
  char *map = support_path(*state, "coherence.map");
  for (size_t at = 0; at < 72; at += 3) {
    lrd_slots_close(join(*state));
    FILE *file = fopen(map, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
    (void)fputc(byte ^ 0x10, file);
    assert_int_equal(fclose(file), 0);
    lrd_slots *slots = join(*state);
    assert_int_equal(lrd_slot_count(slots), SLOTS);
    lrd_slots_close(slots);
  }
  free(map);
}

static void a_map_deleted_under_us_is_joined_anew(void **state) {
  char *map = support_path(*state, "coherence.map");
  lrd_slots *slots = join(*state);
  uint64_t token = lrd_slot_token(slots, 1);
  lrd_slots_queue_from(slots, 5);
  assert_true(lrd_slots_still_there(slots));
  assert_int_equal(unlink(map), 0);
  assert_true(lrd_slots_still_there(slots));
  assert_int_not_equal(lrd_slot_token(slots, 1), token);
  lrd_slots *other = join(*state); /* both in the new map now */
  assert_true(lrd_slots_queued_below(other, 5));
  uint64_t version;
  assert_ok(lrd_slot_own(other, 1, 0, &version));
  assert_true(lrd_slot_token(slots, 1) == LRD_TOKEN_NONE);
  (void)lrd_slot_release(other, 1, true);
  lrd_slots_distrust(other, 1);
  assert_int_equal(lrd_slots_trust(slots, 1, NULL), LRD_TRUST_BROKEN); /* and agree on the tiers' places */
  assert_int_equal(lrd_slots_trust(slots, 0, NULL), LRD_TRUST_OK);
  lrd_slots_close(other);
  lrd_slots_close(slots);
  free(map);
}

static void a_root_taken_away_stops_everything(void **state) {
  char *lock = support_path(*state, "LOCK");
  lrd_slots *slots = join(*state);
  uint64_t version;
  assert_int_equal(unlink(lock), 0);
  assert_false(lrd_slots_still_there(slots));
  assert_true(lrd_slot_token(slots, 1) == LRD_TOKEN_NONE);
  assert_err(lrd_slot_own(slots, 1, 0, &version), LARDER_EAWAY);
  lrd_slots_close(slots);
  free(lock);
}

static void a_clock_far_ahead_is_set_right_and_rises_otherwise(void **state) {
  lrd_slots *slots = join(*state);
  int64_t now_ms = lrd_wall_ms(lrd_clock_real());
  atomic_store(lrd_slots_clock(slots), lrd_stamp_from_wall_ms(now_ms + INT64_C(400) * 86400000));
  lrd_slots_close(slots);
  slots = join(*state);
  lrd_stamp stamp = lrd_stamp_next(lrd_slots_clock(slots), now_ms, 0);
  assert_in_range(lrd_stamp_wall_ms(stamp), now_ms - 10000, now_ms + 60000);
  assert_true(lrd_stamp_next(lrd_slots_clock(slots), now_ms - 100000, 0) > stamp);
  lrd_slots_close(slots);
}

/* Joins as somebody who may only read: LOCK's opening for writing is refused. */
static larder_err look_on(const char *root, lrd_slots **out, larder_error *err) {
  lrd_slots_params params = {.root = root, .slots = SLOTS, .clock = lrd_clock_real(), .tiers = tiers, .tiers_len = 2};
  support_fs_fail_at(LRD_FS_OPEN, 1, EROFS);
  larder_err result = lrd_slots_open(&params, out, err);
  (void)support_fs_end();
  if (result == LARDER_OK) {
    lrd_slots_joined(*out);
    assert_true(lrd_slots_onlooker(*out));
  }
  return result;
}

static void an_onlooker_sees_every_change_and_makes_none(void **state) {
  lrd_slots *writer = join(*state);
  lrd_slots *onlooker = NULL;
  uint64_t version;
  unsigned shift;
  assert_ok(look_on(*state, &onlooker, NULL));
  assert_false(lrd_slots_onlooker(writer));
  assert_int_equal(lrd_slots_seed(onlooker), lrd_slots_seed(writer));
  uint64_t token = lrd_slot_token(onlooker, 5);
  assert_int_equal(token, lrd_slot_token(writer, 5));
  assert_ok(lrd_slot_own(writer, 5, 0, &version));
  assert_true(lrd_slot_token(onlooker, 5) == LRD_TOKEN_NONE);
  (void)lrd_slot_release(writer, 5, true);
  assert_int_equal(lrd_slot_token(onlooker, 5), token + 1);
  assert_int_equal(atomic_load(&lrd_slots_base(onlooker, &shift)[5]), token + 1);
  assert_err(lrd_slot_own(onlooker, 5, 0, &version), LARDER_EACCES);
  assert_false(lrd_slot_own_unmoved(onlooker, 5, token + 1));
  lrd_slot_mark_dirty(writer, 1, 9);
  assert_true(lrd_slot_dirty(onlooker, 1, 9));
  assert_false(lrd_slot_dirty(onlooker, 0, 9));
  lrd_slots_distrust(onlooker, 0); /* what it finds it keeps to itself: the map is not its to write */
  assert_int_equal(lrd_slots_trust(writer, 0, NULL), LRD_TRUST_OK);
  lrd_slots_distrust(writer, 0);
  assert_int_equal(lrd_slots_trust(onlooker, 0, NULL), LRD_TRUST_BROKEN);
  assert_true(lrd_slots_row_alive(onlooker, lrd_slots_row(writer)));
  uint64_t last = lrd_stamp_next(lrd_slots_clock(writer), lrd_wall_ms(lrd_clock_real()) + 100000, 0);
  assert_true(lrd_stamp_next(lrd_slots_clock(onlooker), 1, 0) > last);
  assert_int_equal(atomic_load(lrd_slots_clock(writer)), last);
  lrd_slots_close(onlooker);
  lrd_slots_close(writer);
}

static void an_onlooker_keeps_whoever_wants_a_tier_alone_waiting(void **state) {
  lrd_slots *writer = join(*state);
  lrd_slots *onlooker = NULL;
  assert_ok(look_on(*state, &onlooker, NULL));
  assert_false(lrd_slots_tier_enter(onlooker, 0, true));
  assert_true(lrd_slots_tier_enter(onlooker, 0, false));
  assert_false(lrd_slots_tier_enter(writer, 0, true));
  lrd_slots_tier_leave(onlooker, 0);
  assert_true(lrd_slots_tier_enter(writer, 0, true));
  assert_false(lrd_slots_tier_enter(onlooker, 0, false));
  lrd_slots_close(onlooker);
  lrd_slots_close(writer);
}

static void an_onlooker_leaves_the_slot_of_the_dead_as_it_is(void **state) {
  lrd_slots *onlooker = NULL;
  uint64_t version;
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    lrd_slots *slots = join(*state);
    larder_err result = lrd_slot_own(slots, 5, 0, &version);
    lrd_slots_abandon(slots); /* frees; what is in the map stays as it is */
    _exit(result == LARDER_OK ? 0 : 1);
  }
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
  assert_ok(look_on(*state, &onlooker, NULL));
  for (unsigned i = 0; i < 3; i++) assert_true(lrd_slot_token(onlooker, 5) == LRD_TOKEN_NONE);
  assert_false(lrd_slots_row_alive(onlooker, 0));
  lrd_slots *writer = join(*state);
  assert_true(lrd_slot_token(onlooker, 5) != LRD_TOKEN_NONE);
  lrd_slots_close(writer);
  lrd_slots_close(onlooker);
}

static void made_without_a_map(const char *root, const char *map) {
  lrd_slots_close(join(root));
  assert_int_equal(unlink(map), 0);
}

/* Its own map would not move with the first change of a writer, so no token of it counts and no tier is read beside one. */
static void an_onlooker_without_a_map_remembers_nothing_until_there_is_one(void **state) {
  char *map = support_path(*state, "coherence.map");
  lrd_slots *onlooker = NULL;
  made_without_a_map(*state, map);
  assert_ok(look_on(*state, &onlooker, NULL));
  assert_true(access(map, F_OK) != 0);
  assert_true(lrd_slot_token(onlooker, 5) == LRD_TOKEN_NONE);
  assert_int_equal(lrd_slots_trust(onlooker, 0, NULL), LRD_TRUST_OK);
  assert_true(lrd_slots_still_there(onlooker));
  assert_true(lrd_slot_token(onlooker, 5) == LRD_TOKEN_NONE);
  lrd_slots *writer = join(*state);
  lrd_slot_mark_dirty(writer, 0, 9);
  assert_int_equal(lrd_slots_trust(onlooker, 0, NULL), LRD_TRUST_BROKEN);
  assert_true(lrd_slots_still_there(onlooker));
  assert_int_equal(lrd_slots_trust(onlooker, 0, NULL), LRD_TRUST_OK);
  assert_true(lrd_slot_dirty(onlooker, 0, 9));
  assert_int_equal(lrd_slot_token(onlooker, 5), lrd_slot_token(writer, 5));
  assert_int_equal(unlink(map), 0); /* goes on with that until there is another */
  assert_true(lrd_slots_still_there(onlooker));
  assert_int_equal(lrd_slot_token(onlooker, 5), lrd_slot_token(writer, 5));
  lrd_slots_close(writer);
  lrd_slots_close(onlooker);
  free(map);
}

static void an_onlooker_refuses_a_map_that_it_can_not_understand(void **state) {
  char *map = support_path(*state, "coherence.map");
  lrd_slots *onlooker = NULL;
  larder_error err = {0};
  size_t len = 0;
  lrd_slots_close(join(*state));
  char *bytes = support_file_read(map, &len);
  bytes[8] ^= 1;
  support_file_write(map, bytes, len);
  assert_err(look_on(*state, &onlooker, &err), LARDER_EFORMAT);
  assert_non_null(strstr(err.message, "coherence.map is damaged"));
  free(bytes);
  free(map);
}

static void an_onlooker_goes_by_no_map_of_another_size(void **state) {
  char *map = support_path(*state, "coherence.map");
  lrd_slots *onlooker = NULL;
  lrd_slots *writer = NULL;
  made_without_a_map(*state, map);
  assert_ok(look_on(*state, &onlooker, NULL));
  lrd_slots_params params = {.root = *state, .slots = 2 * SLOTS, .clock = lrd_clock_real(), .tiers = tiers, .tiers_len = 2};
  assert_ok(lrd_slots_open(&params, &writer, NULL));
  lrd_slots_joined(writer);
  assert_false(lrd_slots_still_there(onlooker));
  assert_true(lrd_slot_token(onlooker, 5) == LRD_TOKEN_NONE);
  lrd_slots_close(writer);
  lrd_slots_close(onlooker);
  free(map);
}

/* Whoever is stopped or slow while it looks must not shut out who opens. */
static void an_onlooker_never_holds_up_who_joins(void **state) {
  lrd_slots *onlooker = NULL;
  lrd_slots_params params = {.root = *state, .slots = SLOTS, .clock = lrd_clock_real(), .tiers = tiers, .tiers_len = 2};
  lrd_slots_close(join(*state));
  support_fs_fail_at(LRD_FS_OPEN, 1, EACCES);
  assert_ok(lrd_slots_open(&params, &onlooker, NULL));
  (void)support_fs_end();
  lrd_slots *writer = join(*state); /* before lrd_slots_joined of the onlooker, and the other way round */
  lrd_slots *another = NULL;
  assert_ok(lrd_slots_open(&params, &another, NULL));
  lrd_slots *late = NULL;
  assert_ok(look_on(*state, &late, NULL));
  lrd_slots_close(late);
  lrd_slots_close(another);
  lrd_slots_close(writer);
  lrd_slots_close(onlooker);
}

typedef struct made_later {
  char *lock;
  const char *text;
} made_later;

static void *make_later(void *context) {
  made_later *later = context;
  (void)usleep(200 * 1000);
  support_file_write(later->lock, later->text, strlen(later->text));
  return NULL;
}

static void an_onlooker_waits_for_a_root_that_is_being_made(void **state) {
  made_later later = {support_path(*state, "LOCK"), "larder root 0123456789abcdef0123456789abcdef seed 00000000000000ff\n"};
  lrd_slots *onlooker = NULL;
  pthread_t maker;
  support_file_write(later.lock, "", 0);
  assert_int_equal(pthread_create(&maker, NULL, make_later, &later), 0);
  assert_ok(look_on(*state, &onlooker, NULL));
  assert_int_equal(pthread_join(maker, NULL), 0);
  assert_int_equal(lrd_slots_seed(onlooker), 255);
  lrd_slots_close(onlooker);
  free(later.lock);
}

static void where_nobody_has_made_a_root_there_is_nothing_to_look_at(void **state) {
  char *lock = support_path(*state, "LOCK");
  lrd_slots *slots = NULL;
  larder_error err = {0};
  assert_err(look_on(*state, &slots, &err), LARDER_EACCES);
  assert_non_null(strstr(err.message, "no cache"));
  support_file_write(lock, "what is this", 12);
  assert_err(look_on(*state, &slots, &err), LARDER_EFORMAT);
  assert_non_null(strstr(err.message, "damaged"));
  free(lock);
}

/* Until then it has no marks to be read by. */
static void a_tier_is_away_for_an_onlooker_until_a_writer_comes_with_it(void **state) {
  lrd_slots *onlooker = NULL;
  uint64_t slot;
  const char *const one[] = {"cold"};
  lrd_slots_params params = {.root = *state, .slots = SLOTS, .clock = lrd_clock_real(), .tiers = one, .tiers_len = 1};
  lrd_slots *writer = NULL;
  assert_ok(lrd_slots_open(&params, &writer, NULL));
  lrd_slots_joined(writer);
  assert_ok(look_on(*state, &onlooker, NULL));
  assert_int_equal(lrd_slots_trust(onlooker, 1, NULL), LRD_TRUST_OK);
  assert_int_equal(lrd_slots_trust(onlooker, 0, NULL), LRD_TRUST_BROKEN);
  assert_false(lrd_slots_tier_enter(onlooker, 0, false));
  assert_int_equal(lrd_slots_dirty_count(onlooker, 0), 0);
  assert_false(lrd_slot_dirty(onlooker, 0, 7));
  assert_false(lrd_slots_dirty_next(onlooker, 0, 0, &slot));
  lrd_slots *both = join(*state); /* with warm and cold */
  lrd_slot_mark_dirty(both, 0, 7);
  assert_true(lrd_slots_still_there(onlooker));
  assert_int_equal(lrd_slots_trust(onlooker, 0, NULL), LRD_TRUST_OK);
  assert_true(lrd_slot_dirty(onlooker, 0, 7));
  assert_false(lrd_slot_dirty(onlooker, 1, 7));
  lrd_slots_close(both);
  lrd_slots_close(onlooker);
  lrd_slots_close(writer);
}

/* Its own map had numbered the tiers by its configuration; what it holds a byte of is told apart from what it means now. */
static void a_tier_with_another_number_is_left_where_it_was_entered(void **state) {
  char *map = support_path(*state, "coherence.map");
  lrd_slots *onlooker = NULL;
  lrd_slots *writer = NULL;
  const char *const turned[] = {"cold", "warm"};
  lrd_slots_params params = {.root = *state, .slots = SLOTS, .clock = lrd_clock_real(), .tiers = turned, .tiers_len = 2};
  made_without_a_map(*state, map);
  assert_ok(look_on(*state, &onlooker, NULL));
  assert_true(lrd_slots_tier_enter(onlooker, 0, false)); /* warm */
  assert_false(lrd_slots_tier_moved(onlooker, 0));
  assert_ok(lrd_slots_open(&params, &writer, NULL));
  lrd_slots_joined(writer);
  assert_true(lrd_slots_still_there(onlooker));
  assert_true(lrd_slots_tier_moved(onlooker, 0));
  assert_false(lrd_slots_tier_enter(writer, 0, true)); /* cold, which has warm's old number */
  lrd_slots_tier_leave(onlooker, 0);
  assert_true(lrd_slots_tier_enter(writer, 0, true));
  assert_true(lrd_slots_tier_enter(onlooker, 0, false));
  assert_false(lrd_slots_tier_moved(onlooker, 0));
  assert_false(lrd_slots_tier_enter(writer, 1, true));
  lrd_slots_close(writer);
  lrd_slots_close(onlooker);
  free(map);
}

static void opening_survives_every_failed_allocation_and_file_operation(void **state) {
  for (uint64_t n = 1;; n++) {
    lrd_slots *slots = NULL;
    lrd_slots_params params = {.root = *state, .slots = SLOTS, .clock = lrd_clock_real(), .tiers = tiers, .tiers_len = 2};
    int64_t live = support_alloc_live();
    support_alloc_fail_at(n);
    larder_err result = lrd_slots_open(&params, &slots, NULL);
    bool failed = support_alloc_end() >= n;
    if (result == LARDER_OK) {
      lrd_slots_close(slots);
    }
    assert_int_equal(support_alloc_live(), live);
    if (!failed) {
      break;
    }
  }
  char *map = support_path(*state, "coherence.map");
  for (uint64_t n = 1;; n++) {
    lrd_slots *slots = NULL;
    larder_error err = {0};
    lrd_slots_params params = {.root = *state, .slots = SLOTS, .clock = lrd_clock_real(), .tiers = tiers, .tiers_len = 2};
    (void)unlink(map);
    support_fs_fail_at(SUPPORT_ANY_OP, n, ENOSPC);
    larder_err result = lrd_slots_open(&params, &slots, &err);
    bool failed = support_fs_end() >= n;
    if (result == LARDER_OK) {
      lrd_slots_close(slots);
    }
    if (!failed) {
      break;
    }
    if (result != LARDER_OK) {
      assert_true(err.message[0] != 0);
    }
  }
  lrd_slots_close(join(*state));
  free(map);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SUPPORT_DIR_TEST(an_owned_slot_gives_no_token_and_moves_when_released),
      SUPPORT_DIR_TEST(a_word_that_names_us_by_damage_is_set_right),
      SUPPORT_DIR_TEST(who_joins_waits_for_a_check_after_an_unclean_stop),
      SUPPORT_DIR_TEST(ranges_of_slots_cover_every_hash_once),
      SUPPORT_DIR_TEST(a_living_owner_is_waited_for_and_a_dead_one_replaced),
      SUPPORT_DIR_TEST(a_reader_frees_a_dead_owners_slot),
      SUPPORT_DIR_TEST(a_reused_row_owns_nothing),
      SUPPORT_DIR_TEST(queues_are_told_by_the_living_and_lost_traces_by_slot),
      SUPPORT_DIR_TEST(rows_live_as_long_as_their_holder),
      SUPPORT_DIR_TEST(dirty_marks_are_found_in_order_and_cleared),
      SUPPORT_DIR_TEST(a_broken_tier_comes_back_through_one_who_is_alone),
      SUPPORT_DIR_TEST(the_seed_outlives_the_map_and_new_versions_are_strange),
      SUPPORT_DIR_TEST(a_damaged_head_makes_a_new_map),
      SUPPORT_DIR_TEST(a_map_deleted_under_us_is_joined_anew),
      SUPPORT_DIR_TEST(a_root_taken_away_stops_everything),
      SUPPORT_DIR_TEST(a_clock_far_ahead_is_set_right_and_rises_otherwise),
      SUPPORT_DIR_TEST(an_onlooker_sees_every_change_and_makes_none),
      SUPPORT_DIR_TEST(an_onlooker_keeps_whoever_wants_a_tier_alone_waiting),
      SUPPORT_DIR_TEST(an_onlooker_leaves_the_slot_of_the_dead_as_it_is),
      SUPPORT_DIR_TEST(an_onlooker_without_a_map_remembers_nothing_until_there_is_one),
      SUPPORT_DIR_TEST(an_onlooker_refuses_a_map_that_it_can_not_understand),
      SUPPORT_DIR_TEST(an_onlooker_goes_by_no_map_of_another_size),
      SUPPORT_DIR_TEST(an_onlooker_never_holds_up_who_joins),
      SUPPORT_DIR_TEST(an_onlooker_waits_for_a_root_that_is_being_made),
      SUPPORT_DIR_TEST(where_nobody_has_made_a_root_there_is_nothing_to_look_at),
      SUPPORT_DIR_TEST(a_tier_is_away_for_an_onlooker_until_a_writer_comes_with_it),
      SUPPORT_DIR_TEST(a_tier_with_another_number_is_left_where_it_was_entered),
      SUPPORT_DIR_TEST(opening_survives_every_failed_allocation_and_file_operation),
  };
  return cmocka_run_group_tests_name("slots", tests, NULL, NULL);
}
