#ifndef STORE_SUBSCRIPTION_H
#define STORE_SUBSCRIPTION_H

#include "core/buf.h"

/*
 * A subscription as it is written to the journal: all that is needed to go on with its dialog after a restart (RFC 3261
 * 12.1.1).
 */
struct subscription {
	/* Wire text, any octets. Borrowed. */
	struct slice aor, package, event_id;
	struct slice call_id, local_tag, remote_tag;
	struct slice local;   /* value of From of our NOTIFYs, with tag */
	struct slice remote;  /* value of To, with tag */
	struct slice target;  /* Request-URI */
	struct slice contact; /* our Contact value */
	struct slice routes;  /* header lines */
	struct slice peer;    /* address that the last SUBSCRIBE came from */
	struct slice etag;    /* of the state that was delivered last; SLICE_NONE: in lines of older versions */
	uint32_t proto;
	uint32_t local_cseq, remote_cseq;
	uint64_t expires; /* seconds since 1970 */
};

/*
 * subscription_write: appends one line without line end. subscription_read: reads such a line; the texts of *out are
 * slices of *scratch, which the caller keeps and frees. ERR_SYNTAX, *out untouched.
 */
void subscription_write(const struct subscription *r, struct buf *out);
MUST_USE enum err subscription_read(struct slice line, struct buf *scratch, struct subscription *out);

#endif
