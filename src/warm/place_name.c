/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Case is taken away by Unicode's simple case folding (CaseFolding.txt of the Unicode Character Database 14.0, status C and S),
 * of the letters with which names of cities are written: Latin with its marks, Greek, Cyrillic and Armenian (African and
 * historic letters stay as they are). They are so regular that ranges say it: capitals lie a fixed distance before their small
 * letters, or are every other character.
 *
 * Marks are taken away by canonical decomposition (UnicodeData.txt, the same version): what is left when combining characters
 * are dropped. Tables hold that of the folded letters. Letters with a stroke decompose into nothing; they count as the plain
 * ones all the same, and the ligatures and sharp s as two, since that is how they are typed where a keyboard has them not.
 *
 * Names are walked side by side, a character at a time; nothing is copied.
 */
#include "place_name.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct walk {
  const unsigned char *at;
  bool plain;       /* without marks */
  uint32_t pending; /* the second letter of two; 0: none */
} walk;

/* --- case ----------------------------------------------------------------------------------------------------------------- */

typedef struct case_range {
  uint16_t first, last;
  int16_t to; /* how far the small letter lies behind; 1 with every: capital and small letter alternate */
  bool every;
} case_range;

static const case_range ranges[] = {
    {0x0041, 0x005A, 32, false}, {0x00C0, 0x00D6, 32, false},    {0x00D8, 0x00DE, 32, false}, {0x0100, 0x012E, 1, true},
    {0x0132, 0x0136, 1, true},   {0x0139, 0x0147, 1, true},      {0x014A, 0x0176, 1, true},   {0x0178, 0x0178, -121, false},
    {0x0179, 0x017D, 1, true},   {0x017F, 0x017F, -268, false},  {0x01A0, 0x01A4, 1, true},   {0x01AF, 0x01AF, 1, true},
    {0x01CD, 0x01DB, 1, true},   {0x01DE, 0x01EE, 1, true},      {0x01F4, 0x01F4, 1, true},   {0x01F8, 0x021E, 1, true},
    {0x0222, 0x0232, 1, true},   {0x0386, 0x0386, 38, false},    {0x0388, 0x038A, 37, false}, {0x038C, 0x038C, 64, false},
    {0x038E, 0x038F, 63, false}, {0x0391, 0x03A1, 32, false},    {0x03A3, 0x03AB, 32, false}, {0x03C2, 0x03C2, 1, false},
    {0x0400, 0x040F, 80, false}, {0x0410, 0x042F, 32, false},    {0x0460, 0x0480, 1, true},   {0x048A, 0x04BE, 1, true},
    {0x04C0, 0x04C0, 15, false}, {0x04C1, 0x04CD, 1, true},      {0x04D0, 0x052E, 1, true},   {0x0531, 0x0556, 48, false},
    {0x1E00, 0x1E94, 1, true},   {0x1E9E, 0x1E9E, -7615, false}, {0x1EA0, 0x1EFE, 1, true}};

static uint32_t case_fold(uint32_t c) {
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges && c >= ranges[i].first; i++) {
    if (c <= ranges[i].last)
      return ranges[i].every && (c - ranges[i].first) % 2 != 0 ? c : (uint32_t)((int32_t)c + ranges[i].to);
  }
  return c;
}

/* --- marks ---------------------------------------------------------------------------------------------------------------- */

/* The letter of ASCII that is left of each small letter from the first on, and of the one capital whose case has no simple
 * folding, U+0130; -: it stays. */
static const struct {
  uint32_t first;
  const char *letters;
} rows[] = {{0x00E0, "aaaaaa-ceeeeiiiidnooooo-ouuuuy-y-a-a-a-c-c-c-c-d-d-e-e-e-e-e-g-g-g-g-h-h-i-i-i-iii---j-kk-l-l-l-l-l-"
                     "n-n-nn-n-o-o-o---r-r-r-s-s-s-s-t-t-t-u-u-u-u-u-u-w-y--z-z-z-"},
            {0x01A0, "-o--------------u-----------------------------a-i-o-u-u-u-u-u--a-a-----g-k-o-o--j----g---n-a-----a-a"
                     "-e-e-i-i-o-o-r-r-u-u-s-t---h-------a-e-o-o-o-o-y"},
            {0x1E00, "-a-b-b-b-c-d-d-d-d-d-e-e-e-e-e-f-g-h-h-h-h-h-i-i-k-k-k-l-l-l-l-m-m-m-n-n-n-n-o-o-o-o-p-p-r-r-r-r-s-s"
                     "-s-s-s-t-t-t-t-u-u-u-u-u-v-v-w-w-w-w-w-x-x-y-z-z-zhtwy-------a-a-a-a-a-a-a-a-a-a-a-a-e-e-e-e-e-e-e-e"
                     "-i-i-o-o-o-o-o-o-o-o-o-o-o-o-u-u-u-u-u-u-u-y-y-y-y------"}};

/* Greek and Cyrillic. */
static const uint16_t others[][2] = {
    {0x390, 0x3B9}, {0x3AC, 0x3B1}, {0x3AD, 0x3B5}, {0x3AE, 0x3B7}, {0x3AF, 0x3B9}, {0x3B0, 0x3C5}, {0x3CA, 0x3B9},
    {0x3CB, 0x3C5}, {0x3CC, 0x3BF}, {0x3CD, 0x3C5}, {0x3CE, 0x3C9}, {0x439, 0x438}, {0x450, 0x435}, {0x451, 0x435},
    {0x453, 0x433}, {0x457, 0x456}, {0x45C, 0x43A}, {0x45D, 0x438}, {0x45E, 0x443}, {0x477, 0x475}, {0x4C2, 0x436},
    {0x4D1, 0x430}, {0x4D3, 0x430}, {0x4D7, 0x435}, {0x4DB, 0x4D9}, {0x4DD, 0x436}, {0x4DF, 0x437}, {0x4E3, 0x438},
    {0x4E5, 0x438}, {0x4E7, 0x43E}, {0x4EB, 0x4E9}, {0x4ED, 0x44D}, {0x4EF, 0x443}, {0x4F1, 0x443}, {0x4F3, 0x443},
    {0x4F5, 0x447}, {0x4F9, 0x44B},
};

/* Two letters of ASCII. */
static const struct {
  uint16_t from;
  char to[2];
} twins[] = {{0x00DF, {'s', 's'}}, {0x00E6, {'a', 'e'}}, {0x00FE, {'t', 'h'}}, {0x0133, {'i', 'j'}}, {0x0153, {'o', 'e'}}};

static bool is_mark(uint32_t c) { return c >= 0x0300 && c <= 0x036F; }

static uint32_t mark_drop(uint32_t c, uint32_t *second) {
  for (size_t i = 0; i < sizeof twins / sizeof *twins; i++) {
    if (twins[i].from != c) continue;
    *second = (uint32_t)twins[i].to[1];
    return (uint32_t)twins[i].to[0];
  }
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (c < rows[i].first || c - rows[i].first >= strlen(rows[i].letters)) continue;
    char const letter = rows[i].letters[c - rows[i].first];
    return letter == '-' ? c : (uint32_t)letter;
  }
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    if (others[i][0] == c) return others[i][1];
  }
  return c;
}

/* --- names ---------------------------------------------------------------------------------------------------------------- */

#define NO_CHARACTER 0x110000u /* and a byte that is part of none */

/* One character; 0 at the end, which is not passed. */
static uint32_t character_next(const unsigned char **at) {
  const unsigned char *p = *at;
  unsigned const more = p[0] < 0x80                   ? 0
                        : p[0] >= 0xC2 && p[0] < 0xE0 ? 1
                        : p[0] >= 0xE0 && p[0] < 0xF0 ? 2
                        : p[0] >= 0xF0 && p[0] < 0xF5 ? 3
                                                      : 4;
  uint32_t c = more == 0 ? p[0] : p[0] & (0x3Fu >> more);
  if (*p == '\0') return 0;
  for (unsigned i = 1; i <= more; i++) {
    if (more == 4 || (p[i] & 0xC0) != 0x80) {
      *at = p + 1;
      return NO_CHARACTER + p[0];
    }
    c = c << 6 | (p[i] & 0x3F);
  }
  *at = p + 1 + more;
  return c;
}

static uint32_t folded_next(walk *w) {
  uint32_t c = w->pending;
  if (c != 0) {
    w->pending = 0;
    return c;
  }
  do {
    c = case_fold(character_next(&w->at));
  } while (w->plain && is_mark(c));
  return w->plain && c >= 0x80 ? mark_drop(c, &w->pending) : c;
}

static bool folded_same(const char *name, const char *other, bool plain) {
  walk a = {.at = (const unsigned char *)name, .plain = plain}, b = {.at = (const unsigned char *)other, .plain = plain};
  for (;;) {
    uint32_t const c = folded_next(&a);
    if (c != folded_next(&b)) return false;
    if (c == 0) return true;
  }
}

lrd_name_likeness lrd_names_compare(const char *name, const char *other) {
  if (strcmp(name, other) == 0) return LRD_NAMES_SAME;
  if (folded_same(name, other, false)) return LRD_NAMES_CASE;
  return folded_same(name, other, true) ? LRD_NAMES_LETTERS : LRD_NAMES_DIFFER;
}
