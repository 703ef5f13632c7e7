#ifndef SIP_IDENTITY_REPLAY_H
#define SIP_IDENTITY_REPLAY_H

#include "core/err.h"
#include "core/slice.h"

/*
 * Memory of signed requests that were accepted, RFC 4474 13.1: the same one again is a replay. A request is known by
 * what the signature covers, From, Call-ID, CSeq number and method (T-07), kept as a keyed hash for
 * REPLAY_S seconds. Nothing living is ever forgotten to make room, and no domain has more than a quarter of it.
 */
#define REPLAY_S 7300 /* a Date may be an hour ahead when it comes, and is believed until it is an hour old */

struct replay;

/*
 * replay_new: max: requests that are remembered at once. replay_open: also across restarts, in the folder of the store
 * under a key made of its master key. now_ms: monotonic; now_s: since 1970. ERR_IO: errno.
 */
struct replay *replay_new(unsigned max);
MUST_USE enum err replay_open(unsigned max, int dirfd, struct slice master, int64_t now_ms, int64_t now_s,
			      struct replay **out);
void replay_free(struct replay *r);

struct replay_key {
	struct slice from, call_id, method;
	struct slice domain; /* of From */
	uint32_t cseq;
};

/* replay_enter: ERR_EXISTS: it was here before; ERR_BUSY: the memory, or the domain's part of it, is full. */
MUST_USE enum err replay_enter(struct replay *r, const struct replay_key *key, int64_t now_ms, int64_t now_s);

#endif
