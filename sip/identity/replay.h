#ifndef SIP_IDENTITY_REPLAY_H
#define SIP_IDENTITY_REPLAY_H

#include "core/err.h"
#include "core/slice.h"

/*
 * Memory of signed requests that were accepted (RFC 4474 13.1): the same request again is a replay.
 *
 * A request is known by From, Call-ID, CSeq number and method, all of which the signature covers (T-07). It is kept as
 * a keyed hash for REPLAY_S seconds. Nothing is forgotten before its time to make room, because that would let a flood
 * open the door to replays. No domain has more than a quarter of the memory, so that one domain cannot fill it for all.
 */
#define REPLAY_S 7300 /* a Date may be an hour ahead at first, and is believed until it is an hour old */

struct replay;

/*
 * replay_new: remembers up to max requests, until replay_free. replay_open: remembers over restarts, too, in the folder
 * dirfd of the store, with a key that is derived from master, the master key of the store. now_ms: loop_now_ms; now_s:
 * seconds since 1970. ERR_IO: errno is set. ERR_LIMIT. replay_free ignores NULL.
 */
struct replay *replay_new(unsigned max);
MUST_USE enum err replay_open(unsigned max, int dirfd, struct slice master, int64_t now_ms, int64_t now_s,
			      struct replay **out);
void replay_free(struct replay *r);

struct replay_key {
	struct slice from, call_id, method;
	struct slice domain; /* of From; whose part of the memory it takes */
	uint32_t cseq;
};

/*
 * replay_enter: remembers a request. ERR_EXISTS: it was here before. ERR_BUSY: the memory, or the part of its domain,
 * is full; the request is not remembered then, and must not be accepted.
 */
MUST_USE enum err replay_enter(struct replay *r, const struct replay_key *key, int64_t now_ms, int64_t now_s);

#endif
