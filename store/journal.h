#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include "core/loop.h"
#include "store/commit.h"

/*
 * An append-only file of "put key value" and "delete key", for state that changes often and is small: subscriptions.
 * Lines are written at the end of the loop's turn, so they survive kill -9; they reach the disk when the system sends
 * them there, and a power cut may cost the last seconds, which a refresh heals. When most of the file is history a
 * snapshot replaces it.
 */
struct journal;

/* One living entry while opening, in the order of the file; value == SLICE_NONE: deleted. */
typedef void (*journal_fn)(void *arg, struct slice key, struct slice value);

/* Calls journal_put for everything alive. */
typedef void (*journal_snapshot_fn)(void *arg, struct journal *j);

/*
 * journal_open: name below dirfd; damaged lines are passed over, with an error line in the log unless it is the torn
 * last one. max: octets that the file may have, so that the next start can read it; what is more is not kept, with an
 * error line, and a file that is larger is set aside.
 */
MUST_USE enum err journal_open(struct loop *l, struct commit *commit, int dirfd, const char *name, size_t max,
			       journal_fn replay, journal_snapshot_fn snapshot, void *arg, struct journal **out);

/* journal_free: writes what waits. */
void journal_free(struct journal *j);

/* key: printable without blanks. value: without line ends. */
void journal_put(struct journal *j, struct slice key, struct slice value);
void journal_delete(struct journal *j, struct slice key);

/* journal_line: reads one line (without its end). false when it is damaged. *value SLICE_NONE for a deletion. */
bool journal_line(struct slice line, struct slice *key, struct slice *value);

#endif
