#ifndef SIP_MESSAGE_VIA_H
#define SIP_MESSAGE_VIA_H

#include "core/slice.h"

/* One Via element, RFC 3261 20.42, RFC 3581. */
struct via {
	struct slice text;      /* the whole element */
	struct slice transport; /* "UDP", "TCP", "TLS", as written */
	struct slice host;
	uint32_t port; /* 0 = none given */
	struct slice params;
	struct slice branch;   /* SLICE_NONE when absent */
	struct slice received; /* SLICE_NONE when absent */
	bool rport;            /* present, with or without a value */
};

/*
 * via_parse: s is one element of the list; slices point into s. ERR_SYNTAX. ERR_UNSUPPORTED: another protocol than
 * SIP/2.0; *out is filled all the same, for the answer (505).
 */
MUST_USE enum err via_parse(struct slice s, struct via *out);

/*
 * via_is_rfc3261: does the branch begin with the magic cookie, so that it identifies the transaction (RFC 3261
 * 8.1.1.7)?
 */
bool via_is_rfc3261(const struct via *v);

#endif
