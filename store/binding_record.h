#ifndef STORE_BINDING_RECORD_H
#define STORE_BINDING_RECORD_H

#include "core/buf.h"

/* One binding of an AOR to a Contact, RFC 3261 10 and RFC 5626 6, and how it is written to the journal. */
struct binding_record {
	/* Any octets. Borrowed. */
	struct slice aor;
	struct slice uri;     /* of the Contact, as it was given */
	struct slice params;  /* its other parameters as they were given, without expires: ";q=0.5;+sip.instance=..." */
	struct slice call_id; /* of the last REGISTER */
	struct slice path;    /* values of Path in their order, comma-separated; empty: none */
	struct slice flow;    /* the flow that the REGISTER came by, packed by sip/transport/flow; empty: none */
	uint64_t secret;      /* the secret generation of the user (store/user.h) that has registered it */
	uint64_t flow_id;     /* the connection of flow; 0: a datagram flow, which outlives a restart, or none */
	uint32_t cseq;        /* of the last REGISTER */
	uint32_t reg_id;      /* RFC 5626; 0: none */
	uint32_t interval_s;  /* how long it was granted for by the last REGISTER */
	uint16_t q;           /* thousandths */
	bool flow_only;       /* flow is the only way to the Contact */
};

/*
 * binding_record_write: appends one line without line end. until_s: the end in seconds since 1970. brief: the journal
 * has this binding already, so only what a refresh changes is written, because flash wears. The flow of a connection is
 * left out, since connections end with the process. Lines of versions before generations have 0.
 *
 * binding_record_read: reads such a line; the texts of *out are slices of *scratch, which the caller keeps and frees. A
 * brief line sets cseq, interval_s and *until_s only. ERR_SYNTAX, *out untouched.
 */
void binding_record_write(const struct binding_record *r, uint64_t until_s, bool brief, struct buf *out);
MUST_USE enum err binding_record_read(struct slice line, struct buf *scratch, struct binding_record *out,
				      uint64_t *until_s, bool *brief);

#endif
