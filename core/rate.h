#ifndef CORE_RATE_H
#define CORE_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/slice.h"

/*
 * Token buckets by key (a source address, an account) in a table of fixed size: a stranger cannot make it grow. When it
 * is full the fullest bucket of a row makes way, which can only be generous to somebody, and least to who took most.
 */
struct rate;

/* rate_new: each key may take per_minute tokens a minute, burst at once. per_minute 0 = no limit. */
struct rate *rate_new(uint32_t per_minute, uint32_t burst);
void rate_free(struct rate *r);

/* rate_take: takes a token; false when there is none. rate_ok: is there one? It stays. */
bool rate_take(struct rate *r, struct slice key, int64_t now_ms);
bool rate_ok(const struct rate *r, struct slice key, int64_t now_ms);

#endif
