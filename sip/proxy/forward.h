#ifndef SIP_PROXY_FORWARD_H
#define SIP_PROXY_FORWARD_H

#include "sip/message/msg.h"

/*
 * What a proxy changes in a message that it passes on, RFC 3261 16.6 and 16.7: all else stays octet for octet.
 */
struct forward {
	struct slice uri;      /* the new Request-URI; SLICE_NONE: as it came */
	struct slice received; /* source address of the request in text, and its port, for its topmost Via */
	uint16_t rport;
	const char *proto; /* of our Via */
	const char *sent_by;
	struct slice branch;
	struct slice record_route; /* header lines, or empty */
	bool new_routes;           /* routes replaces every Route */
	struct slice routes;       /* values, comma-separated; empty: none */
	unsigned max_forwards;
	bool asserts; /* every P-Asserted-Identity goes, for what is in asserted, a header line or empty */
	struct slice asserted;
	unsigned max_breadth; /* 0: no such header field */
	const char *realm;    /* Proxy-Authorization for it has done its work and goes no further */
};

/* forward_request: appends m as it goes on. ERR_LIMIT: too many changes. */
MUST_USE enum err forward_request(const struct sip_msg *m, const struct forward *f, struct buf *out);

/* forward_size: how many octets forward_request would append, without writing them; 0: it would not. */
size_t forward_size(const struct sip_msg *m, const struct forward *f);

/* forward_response: appends m without its topmost Via, with more header lines. ERR_NOTFOUND: it had no other Via. */
MUST_USE enum err forward_response(const struct sip_msg *m, struct slice lines, struct buf *out);

#endif
