#ifndef STORE_SEEN_H
#define STORE_SEEN_H

#include <stdint.h>

#include "core/buf.h"

/*
 * What was seen and must not be believed again for a while, on disk: records of SEEN_KEY octets and the second until
 * which they count, appended to one of two files. When the younger file has been begun keep_s ago the other one holds
 * nothing that counts, is emptied and goes on: nothing is ever rewritten. Not synced: a record may be lost with the
 * power, not with the process.
 */
#define SEEN_KEY 16

struct seen;

/* seen_open: calls on_record for all that still counts, as it was added. The files are NAME.0 and NAME.1. ERR_IO:
 * errno.
 */
typedef void (*seen_fn)(void *arg, const uint8_t key[SEEN_KEY], int64_t until_s);
MUST_USE enum err seen_open(int dirfd, const char *name, uint32_t keep_s, int64_t now_s, seen_fn on_record, void *arg,
			    struct seen **out);
void seen_free(struct seen *s);

/* seen_add: until now_s + keep_s. A failure is logged: what is in memory still counts. */
void seen_add(struct seen *s, const uint8_t key[SEEN_KEY], int64_t now_s);

#endif
