#ifndef CORE_RATE_H
#define CORE_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/slice.h"

/*
 * Token buckets by key (a source address, an account) in a table of fixed size, about 48 kB, which strangers cannot
 * make grow. A key that is not in the table has a full bucket. When the place for a new key is taken, the bucket with
 * most tokens left is forgotten: that can only be generous to its owner, and the owner who took most is remembered
 * longest.
 */
struct rate;

/*
 * rate_new: each key may take per_minute tokens a minute and up to burst at once. per_minute 0 means no limit. The
 * caller frees it; rate_free ignores NULL.
 */
struct rate *rate_new(uint32_t per_minute, uint32_t burst);
void rate_free(struct rate *r);

/*
 * rate_take: takes a token and returns true, or returns false when none is left. rate_ok: is there a token? Takes none.
 * now_ms: loop_now_ms, never 0 and never going back.
 */
bool rate_take(struct rate *r, struct slice key, int64_t now_ms);
bool rate_ok(const struct rate *r, struct slice key, int64_t now_ms);

#endif
