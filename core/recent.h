#ifndef CORE_RECENT_H
#define CORE_RECENT_H

#include "core/loop.h"
#include "core/slice.h"

/*
 * A set of short keys that are each remembered for a while, such as addresses that have proven themselves. Over its
 * limit the ones that were added longest ago are forgotten first.
 */
struct recent;

#define RECENT_KEY 16 /* octets of the longest key */

/* recent_new: at most max keys. recent_free ignores NULL. */
struct recent *recent_new(struct loop *l, unsigned max);
void recent_free(struct recent *r);

/* recent_add: remembers key, copied, for so long from now. recent_has: is it remembered? */
void recent_add(struct recent *r, struct slice key, int64_t life_ms);
bool recent_has(const struct recent *r, struct slice key);

#endif
