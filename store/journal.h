#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include "core/loop.h"
#include "store/commit.h"

/*
 * An append-only file of "put key value" and "delete key" lines with checksums, for state that is small and changes
 * often: bindings and subscriptions. Lines are written at the end of the turn, so they survive kill -9. They are not
 * synced: a power cut may cost the last seconds, which the refreshes of the clients heal. When most of the file is
 * history, a snapshot of what is alive replaces it.
 */
struct journal;

/* Called while opening for each line, in the order of the file; value == SLICE_NONE: the key was deleted. */
typedef void (*journal_fn)(void *arg, struct slice key, struct slice value);

/* Must call journal_put for everything that is alive. Called in the loop, behind a flush. */
typedef void (*journal_snapshot_fn)(void *arg, struct journal *j);

/*
 * journal_open: opens the file name in dirfd and calls replay for its lines. Damaged lines are skipped, with an error
 * line in the log unless it is the torn last one. max: the size that the file may reach, so that the next start can
 * read it. Lines beyond it are dropped with an error line; a file that is larger already is set aside. ERR_IO, errno is
 * set.
 */
MUST_USE enum err journal_open(struct loop *l, struct commit *commit, int dirfd, const char *name, size_t max,
			       journal_fn replay, journal_snapshot_fn snapshot, void *arg, struct journal **out);

/* journal_free: writes what waits. NULL is ignored. */
void journal_free(struct journal *j);

/*
 * journal_put: key is printable and without blanks, value without line ends; both are copied. journal_delete: the key
 * is no more.
 */
void journal_put(struct journal *j, struct slice key, struct slice value);
void journal_delete(struct journal *j, struct slice key);

/*
 * journal_line: takes one line (without its end) apart. false: damaged. *value is SLICE_NONE for a deletion. For
 * journal_open and its fuzzer.
 */
bool journal_line(struct slice line, struct slice *key, struct slice *value);

#endif
