/* SPDX-License-Identifier: Apache-2.0 */
#include "progress_bar.h"

#include "cli_text.h"
#include <larder/ext/maker.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BAR_CELLS                 24
#define REDRAW_NS                 80000000u
#define COLUMNS_OF_MOST_TERMINALS 80

void cli_progress_begin(const cli_call *call, cli_progress *progress) {
  bool wanted = !call->globals->quiet && !call->globals->json;
  bool terminal = isatty(STDERR_FILENO) != 0;
  *progress = (cli_progress){.lines = wanted && !terminal, .bar = wanted && terminal, .begin_ns = cli_mono_ns()};
}

static size_t terminal_columns(void) {
  struct winsize size;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return COLUMNS_OF_MOST_TERMINALS;
}

static void bar_draw(cli_progress *progress, uint64_t done, uint64_t total, const char *says) {
  cli_buf text = {0};
  uint64_t cells = total > 0 ? done * BAR_CELLS / total : BAR_CELLS;
  cli_buf_text(&text, "[");
  for (uint64_t i = 0; i < BAR_CELLS; i++) cli_buf_text(&text, i < cells ? "#" : ".");
  cli_buf_printf(&text, "] %llu/%llu  %s", (unsigned long long)done, (unsigned long long)total, says);
  cli_shorten(&text, terminal_columns() - 1);
  fprintf(stderr, "\r%s\033[K", cli_buf_str(&text));
  fflush(stderr);
  cli_buf_fini(&text);
  progress->drawn = true;
}

void cli_progress_step(cli_progress *progress, uint64_t done, uint64_t total, const char *says, const char *line) {
  if (progress->lines && line != NULL) cli_line_print(stderr, line);
  if (!progress->bar) return;
  uint64_t now = cli_mono_ns();
  if (progress->drawn && done < total && now - progress->at_ns < REDRAW_NS) return;
  progress->at_ns = now;
  bar_draw(progress, done, total, says);
}

uint64_t cli_progress_end(cli_progress *progress) {
  if (progress->drawn) fputs("\r\033[K", stderr);
  progress->drawn = false;
  return (cli_mono_ns() - progress->begin_ns) / 1000000;
}

static volatile sig_atomic_t interrupted; /* the signal; 0: none */
static volatile sig_atomic_t waits_for_second;
static larder *_Atomic cancels;

static void handler_set(void (*handler)(int)) {
  struct sigaction action = {.sa_handler = handler};
  sigemptyset(&action.sa_mask);
  (void)sigaction(SIGINT, &action, NULL);
  (void)sigaction(SIGTERM, &action, NULL);
}

static void on_interrupt(int number) {
  larder *cache = cancels;
  bool const first = interrupted == 0;
  interrupted = number;
  if (cache != NULL && first && waits_for_second && number == SIGINT) return;
  larder_makings_cancel(cache);
  handler_set(SIG_DFL);
}

void cli_interrupt_catch(void) { handler_set(on_interrupt); }

void cli_interrupt_cancels(larder *cache, bool at_once) {
  waits_for_second = !at_once;
  cancels = cache;
  if (interrupted != 0) larder_makings_cancel(cache); /* it came before anybody could be told */
}

bool cli_interrupted(void) { return interrupted != 0; }

int cli_exit_number(cli_exit code) { return code == CLI_FAILED && interrupted != 0 ? 128 + interrupted : (int)code; }
