#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdbool.h>

#include "core/slice.h"

/*
 * One line per event on stderr: time in UTC, level, then "event=name key=value ...". Only the loop thread logs; workers
 * do not, because the state behind the log has no lock.
 *
 * error: the operator must act. warn: a peer misbehaved. info: what was done for a user. debug: state changes. trace:
 * whole messages, by whoever has them (sip/trace.h). Secrets
 * (keys, passwords, HA1, digest responses) are never logged.
 *
 * More than LOG_WARN_RATE warnings within a second are dropped and counted; the count comes as "event=suppressed"
 * before the next line. Other levels have no rate, so strangers must not be able to cause them at will.
 */
enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

#define LOG_WARN_RATE 50

/* log_set: lines up to this level are written from now on; the default is LOG_WARN. */
void log_set(enum log_level level);

/* log_on: would a line of this level be written? Asked before work that only makes a line. */
bool log_on(enum log_level level);

/*
 * log_line: fmt begins "event=..."; octets from the network go in through log_esc only. One write(2) of at most 1 kB; a
 * longer line is cut.
 */
void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * log_esc: octets as one printable word, to be used as log_esc(x).text inside the arguments of log_line. Everything
 * outside 0x21..0x7e, the double quote and the backslash become \xNN, so that no peer can end the line, forge a key or
 * steer a terminal (G43); secrets of URIs are left out (secret.h). Cut with "..." when long; "-" for an empty slice.
 */
struct log_text {
	char text[160];
};
struct log_text log_esc(struct slice s);

#endif
