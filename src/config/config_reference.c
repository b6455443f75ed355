/* SPDX-License-Identifier: Apache-2.0 */
/* The page: what holds for all keys, then a table for each scope. */
#include "config/config_schema.h"

#include "config/option_value.h"
#include "config/yaml_tree.h"

static const char page_head[] =
    "# Configuration\n"
    "\n"
    "This page is printed from the table that the parser reads (`larder config schema` prints the same table as JSON Schema).\n"
    "\n"
    "## Where the file is\n"
    "\n"
    "The first of these: the file that is given (`--config`, `larder_options.config_file`), the environment variable\n"
    "`LARDER_CONFIG`, `./larder.yaml`, `$XDG_CONFIG_HOME/larder/larder.yaml` (`~/.config` without that variable). The first "
    "two\n"
    "must exist when they are named. Without any file the defaults below are in force: 256 MiB of memory over SQLite in\n"
    "`$XDG_CACHE_HOME/larder` (`~/.cache/larder`).\n"
    "\n"
    "Larder reads the section `cache` and leaves all others to those whose they are.\n"
    "\n"
    "## How values are written\n"
    "\n"
    "- **Durations**: `365d`, `2w`, `1.5h`, `90s`, `250ms`, sums such as `1h30m`, ISO 8601 such as `PT1H`, and `never` where "
    "the\n"
    "  table allows it. A bare number is in the unit that the table names: days under `ttl_policies`, seconds elsewhere.\n"
    "- **Sizes**: `256MiB`, `10KB`, `64k`. `KB MB GB` are decimal; `KiB MiB GiB` and the letters `k M G` are binary. A bare "
    "number\n"
    "  is in the unit that the table names: MiB for keys that end in `_mb`, KiB for `_kb`, else bytes.\n"
    "- **Parts**: `5%` or `0.05`.\n"
    "- **Switches**: `true false yes no on off`.\n"
    "- **Paths**: `~/` is the home folder. A relative `root` starts from the folder of the file (the working directory for a\n"
    "  configuration given as text, and for `--root`), and so do the paths of a maker; a relative path of a tier from the "
    "root.\n"
    "- **Variables**: `${VAR}` and `${VAR:-default}` in any value, the default also where the variable is empty; `$${` stands "
    "for\n"
    "  `${`. Within `{…}` and `[…]` put the value between quotes, since the braces mean something in YAML. An unset variable "
    "is\n"
    "  a mistake, save in a section that is switched off. What a variable holds is text: it adds no keys, and no\n"
    "  places to a template. `larder config show` prints texts as they are written, paths and numbers as they are in force.\n"
    "  So do mistakes. The messages of makers, checks and warming have `***` where such a value (of four bytes or more) would\n"
    "  stand, save in the name of the host that is asked.\n"
    "- A key without a value, or with `null`, counts as not given. `enabled` is accepted for `enable`.\n"
    "- Anchors, aliases and merge keys (`<<`) work. Tags of one's own (`!name`) are refused: data never becomes code.\n"
    "\n";

static const char page_mistakes[] =
    "\n"
    "## Mistakes and notices\n"
    "\n"
    "Every mistake is told as `FILE:LINE:COLUMN: what was found; what is expected`, with the nearest right name, and all of "
    "them\n"
    "at once (`larder config check`; up to 100). An alias that is wrong is told where its anchor stands. A key that needs a "
    "part\n"
    "which this build does not have is refused with `needs …, which this build does not have`. What is accepted but worth "
    "a\n"
    "look is told as a notice, which `larder_open` writes to the log.\n"
    "\n"
    "A tier that is switched off (`enable: false`) is left out of the chains that name it, which is told as a notice.\n"
    "\n"
    "## Chains\n"
    "\n"
    "`tiers: [memory, sqlite]` goes from the uppermost to the one that holds the truth. Memory, when there, is first. Further\n"
    "instances of a tier have their own path and limits: `tiers: [memory, {sqlite: {path: warm.db, max_entries: 5000}}, "
    "{sqlite:\n"
    "{path: cold.db}}]`. Keys that such an instance does not give are those of the section `sqlite`. Two chains that name the "
    "same\n"
    "type and path share one instance, which is described in one place only. A mapping without `path` limits the namespace "
    "within\n"
    "the main instance, as `limits` does. `limits` names a tier by its type, or a further instance as `sqlite:cold.db`; limits "
    "of\n"
    "`defaults` hold for each namespace that keeps the same tier and sets none.\n"
    "\n"
    "A namespace named under both `namespaces` and `ttl_policies` has the `ttl` of its section, if that gives one.\n";

static larder_err limits_put(lrd_buf *out) {
  return lrd_buf_printf(
      out,
      "## Limits\n\nA file has at most %zu KiB, %d levels of nesting, %d aliases, %d keys in a mapping, and %zu "
      "values\nonce aliases are followed. It is one document in UTF-8.\n",
      LRD_YAML_BYTES_MAX / 1024, LRD_YAML_DEPTH_MAX, LRD_YAML_ALIASES_MAX, LRD_YAML_KEYS_MAX, LRD_YAML_WEIGHT_MAX);
}

/* `|` would end the cell. */
static larder_err cell_put(lrd_buf *out, const char *text) {
  larder_err err = lrd_buf_append_str(out, " ");
  for (; *text != '\0' && err == LARDER_OK; text++)
    err = *text == '|' ? lrd_buf_append_str(out, "\\|") : lrd_buf_append_byte(out, (uint8_t)*text);
  return err == LARDER_OK ? lrd_buf_append_str(out, " |") : err;
}

static larder_err row_put(lrd_buf *out, const lrd_option *row) {
  char expected[LRD_EXPECTED_MAX];
  lrd_buf name = {0}, kind = {0}, text = {0};
  larder_err err = row->other == NULL ? lrd_buf_printf(&name, "`%s`", row->name)
                                      : lrd_buf_printf(&name, "`%s`, `%s`", row->name, row->other);
  if (err == LARDER_OK) err = lrd_buf_terminate(&name);
  if (err == LARDER_OK && row->type == LRD_OPTION_SECTION)
    err = lrd_buf_printf(
        &kind, "%s%s[%s](#%s)",
        (row->flags & LRD_OPTION_SHORT) != 0 ? lrd_option_expected(lrd_option_next(row->inside, NULL), expected) : "",
        (row->flags & LRD_OPTION_SHORT) != 0 ? ", or " : "", lrd_scope_infos[row->inside].name,
        lrd_scope_infos[row->inside].name);
  else if (err == LARDER_OK)
    err = lrd_buf_append_str(&kind, lrd_option_expected(row, expected));
  if (err == LARDER_OK) err = lrd_buf_terminate(&kind);
  if (err == LARDER_OK) err = lrd_buf_append_str(&text, row->sentence);
  if (err == LARDER_OK && row->needs != NULL)
    err = lrd_buf_printf(&text, " Needs %s, which this build does not have.", row->needs);
  if (err == LARDER_OK) err = lrd_buf_terminate(&text);
  if (err == LARDER_OK) err = lrd_buf_append_str(out, "|");
  if (err == LARDER_OK) err = cell_put(out, (const char *)name.data);
  if (err == LARDER_OK) err = cell_put(out, (const char *)kind.data);
  if (err == LARDER_OK) err = cell_put(out, row->fallback == NULL ? "" : row->fallback);
  if (err == LARDER_OK) err = cell_put(out, row->since);
  if (err == LARDER_OK) err = cell_put(out, (const char *)text.data);
  if (err == LARDER_OK) err = lrd_buf_append_str(out, "\n");
  lrd_buf_fini(&name);
  lrd_buf_fini(&kind);
  lrd_buf_fini(&text);
  return err;
}

static larder_err scope_put(lrd_buf *out, lrd_scope scope) {
  const lrd_scope_info *info = &lrd_scope_infos[scope];
  larder_err err = lrd_buf_printf(out, "\n## %s\n\n%s\n\n| key | value | default | since | meaning |\n|---|---|---|---|---|\n",
                                  info->name, info->sentence);
  for (const lrd_option *row = lrd_option_next(scope, NULL); row != NULL && err == LARDER_OK; row = lrd_option_next(scope, row))
    err = row_put(out, row);
  return err;
}

larder_err lrd_config_reference_text(char **out) {
  lrd_buf page = {0};
  larder_err err = lrd_buf_append_str(&page, page_head);
  if (err == LARDER_OK) err = limits_put(&page);
  if (err == LARDER_OK) err = lrd_buf_append_str(&page, page_mistakes);
  for (int scope = 0; scope < LRD_SCOPE_COUNT && err == LARDER_OK; scope++) err = scope_put(&page, (lrd_scope)scope);
  if (err == LARDER_OK) err = lrd_buf_terminate(&page);
  if (err == LARDER_OK)
    *out = (char *)page.data;
  else
    lrd_buf_fini(&page);
  return err;
}
