/* SPDX-License-Identifier: Apache-2.0 */
#include "child_signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static int signal_pipe[2] = {-1, -1};

static void signal_caught(int number) {
  int before = errno;
  unsigned char byte = (unsigned char)number;
  ssize_t written = write(signal_pipe[1], &byte, 1);
  (void)written;
  errno = before;
}

/* What whoever started us ignores, as nohup does, stays ignored. */
static void handler_set(const int *numbers, size_t count, void (*handler)(int)) {
  for (size_t i = 0; i < count; i++) {
    struct sigaction found;
    struct sigaction caught = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&caught.sa_mask);
    if (sigaction(numbers[i], NULL, &found) == 0 && found.sa_handler != SIG_IGN) (void)sigaction(numbers[i], &caught, NULL);
  }
}

int cli_signals_catch(void) {
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
  /* Not waited for on either side: a full pipe loses a signal that came thousands of times. */
  if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0) return 0;
  handler_set(numbers, sizeof numbers / sizeof numbers[0], signal_caught);
  return signal_pipe[0];
}

static larder_mission *_Atomic stopping;

static void signal_stops(int number) {
  (void)number;
  larder_mission_stop(stopping);
}

void cli_signals_stop(larder_mission *mission) {
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
  stopping = mission;
  handler_set(numbers, sizeof numbers / sizeof numbers[0], signal_stops);
}
