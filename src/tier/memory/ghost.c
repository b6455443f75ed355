/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time is counted in ticks of window/8192 evictions (one below 8192), kept modulo 2^16 without 0, so a cell's age is known
 * to about a ten-thousandth of the window; an older cell is overwritten long before its tick comes round again, because a
 * line takes a new entry in place of its oldest. A line that overflows loses its oldest early: small tables are built twice
 * as large as needed, so that it hardly ever happens where single entries matter.
 */
#include "ghost.h"

#define GHOST_CELLS 16u
#define GHOST_TICKS 8192u
#define GHOST_SMALL 8192u

void lrd_ghost_fini(lrd_ghost *ghost) {
  lrd_dealloc(ghost->cells);
  *ghost = (lrd_ghost){0};
}

size_t lrd_ghost_bytes(const lrd_ghost *ghost) { return (size_t)ghost->lines * GHOST_CELLS * sizeof(uint32_t); }

static void ghost_build(lrd_ghost *ghost, uint64_t entries, bool roomy) {
  uint64_t cells = roomy || entries < GHOST_SMALL ? entries * 2 + GHOST_CELLS : entries;
  uint32_t lines = (uint32_t)((cells + GHOST_CELLS - 1) / GHOST_CELLS);
  uint32_t *fresh = lrd_alloc_zero((size_t)lines * GHOST_CELLS, sizeof *fresh);
  uint32_t *before = ghost->cells;
  uint64_t evictions = ghost->evictions;
  if (fresh == NULL && before) return; /* the old table goes on */
  *ghost = (lrd_ghost){.cells = fresh, .lines = fresh ? lines : 0, .built_for = fresh ? entries : 0, .evictions = evictions};
  lrd_dealloc(before); /* last: what a thread forks meanwhile frees it, too */
}

static uint32_t *ghost_line(const lrd_ghost *ghost, uint64_t hash, uint32_t *fingerprint) {
  uint64_t mixed = hash * UINT64_C(0x9e3779b97f4a7c15);
  mixed ^= mixed >> 29;
  *fingerprint = (uint32_t)(mixed & 0xffff);
  return ghost->cells + ((mixed >> 32) * ghost->lines >> 32) * GHOST_CELLS;
}

static uint64_t ghost_tick_len(const lrd_ghost *ghost) {
  return ghost->built_for < GHOST_TICKS ? 1 : ghost->built_for / GHOST_TICKS;
}

static uint32_t ghost_now(const lrd_ghost *ghost) { return (uint32_t)(ghost->evictions / ghost_tick_len(ghost) % 0xffff) + 1; }

/* Ticks since a cell's time, over the gap at 0. */
static uint32_t ghost_age(uint32_t now, uint32_t cell) {
  uint32_t then = cell & 0xffff;
  return now >= then ? now - then : now + 0xffff - then;
}

void lrd_ghost_add(lrd_ghost *ghost, uint64_t hash, uint64_t window, bool roomy) {
  if (window == 0) return;
  if (window > ghost->built_for + ghost->built_for / 4) ghost_build(ghost, window, roomy);
  if (ghost->cells == NULL) return;
  if (ghost->credit >= 2)
    ghost->credit -= 2;
  else
    ghost->evictions++;
  uint32_t fingerprint, now = ghost_now(ghost), worst_age = 0;
  uint32_t *line = ghost_line(ghost, hash, &fingerprint), *worst = line;
  for (uint32_t i = 0; i < GHOST_CELLS; i++) {
    if (line[i] == 0 || line[i] >> 16 == fingerprint) {
      worst = &line[i];
      break;
    }
    uint32_t age = ghost_age(now, line[i]);
    if (age <= worst_age) continue;
    worst_age = age;
    worst = &line[i];
  }
  *worst = fingerprint << 16 | now;
}

bool lrd_ghost_take(lrd_ghost *ghost, uint64_t hash, uint64_t window) {
  if (ghost->cells == NULL) return false;
  uint32_t fingerprint, now = ghost_now(ghost);
  uint32_t *line = ghost_line(ghost, hash, &fingerprint);
  for (uint32_t i = 0; i < GHOST_CELLS; i++) {
    if (line[i] == 0 || line[i] >> 16 != fingerprint) continue;
    bool counts = ghost_age(now, line[i]) * ghost_tick_len(ghost) < window;
    line[i] = 0;
    if (counts) ghost->credit++;
    return counts;
  }
  return false;
}
