#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdbool.h>

#include "core/slice.h"

/*
 * One line per event on stderr: time, level, then "event=name key=value ...". The loop thread logs; workers do not.
 * error: the operator must act. warn: a peer misbehaved (at most LOG_WARN_RATE a second; what is left out is counted).
 * info: what was done for a user. debug: state changes. Secrets (keys, passwords, HA1, digest responses) never.
 */
enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

#define LOG_WARN_RATE 50

/* log_set: what is written from now on. log_set_name: "error" ... "debug"; false for another word. */
void log_set(enum log_level level);
bool log_set_name(const char *name);

/* log_on: would a line of this level be written? To save the work of making one. */
bool log_on(enum log_level level);

/* log_line: fmt begins "event=..."; text from the network goes in by log_esc only. One write(2), at most 1 kB. */
void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * log_esc: octets as one printable word, for use as log_esc(x).text inside the call of log_line: everything outside
 * 0x21..0x7e, and " and \, becomes \xNN; cut with "..." when long; "-" for nothing.
 */
struct log_text {
	char text[160];
};
struct log_text log_esc(struct slice s);

#endif
