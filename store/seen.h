#ifndef STORE_SEEN_H
#define STORE_SEEN_H

#include <stdint.h>

#include "core/buf.h"

/*
 * Keys that were seen and must not be accepted again for a while, on disk, so that a restart opens no door for replays
 * (VER-10). A record is SEEN_KEY octets and the second until which it counts. Records are appended to one of two files.
 * keep_s after the younger file was begun, nothing in the older one counts any more: it is emptied and becomes the
 * younger one. So nothing is ever rewritten.
 *
 * Not synced: a power cut may cost records, the end of the process does not.
 */
#define SEEN_KEY 16

struct seen;

/*
 * seen_open: opens NAME.0 and NAME.1 in dirfd and calls on_record for each record that still counts, in the order of
 * adding. now_s: seconds since 1970. ERR_LIMIT, ERR_IO (errno is set).
 */
typedef void (*seen_fn)(void *arg, const uint8_t key[SEEN_KEY], int64_t until_s);
MUST_USE enum err seen_open(int dirfd, const char *name, uint32_t keep_s, int64_t now_s, seen_fn on_record, void *arg,
			    struct seen **out);
void seen_free(struct seen *s);

/*
 * seen_add: the key counts until now_s + keep_s. A failure is logged once and not returned, because the memory of the
 * caller still has the key.
 */
void seen_add(struct seen *s, const uint8_t key[SEEN_KEY], int64_t now_s);

#endif
