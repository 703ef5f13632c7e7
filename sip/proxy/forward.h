#ifndef SIP_PROXY_FORWARD_H
#define SIP_PROXY_FORWARD_H

#include "sip/proxy/passage.h"

/*
 * What a proxy changes in a message that it forwards (RFC 3261 16.6, 16.7). Content-Length is always ours: one line,
 * in the form that all readers take alike. Everything else stays octet for octet, because RFC 4474 signs octets. Pure
 * functions on text.
 */
struct forward {
	struct slice uri;          /* new Request-URI; SLICE_NONE: as it came */
	struct slice received;     /* the address that the request came from, for its topmost Via */
	uint16_t rport;            /* the port that it came from */
	const char *proto;         /* transport in our Via: "UDP", "TCP" or "TLS" */
	const char *sent_by;       /* "host:port" in our Via */
	struct slice branch;       /* branch parameter of our Via */
	struct slice record_route; /* whole Record-Route lines, or empty */
	bool new_routes;           /* all Route header fields are replaced by routes */
	struct slice routes;       /* values separated by commas; empty: no Route */
	unsigned max_forwards;     /* the new value of Max-Forwards */
	struct slice asserted;     /* a whole P-Asserted-Identity line, or empty */
	unsigned max_breadth;      /* 0: no such header field */
	struct passage passage;    /* what is taken out */
};

/* forward_request: appends m with these changes. ERR_LIMIT: more changes than an edit list takes. */
MUST_USE enum err forward_request(const struct sip_msg *m, const struct forward *f, struct buf *out);

/* forward_size: the octets that forward_request would append; 0: it would fail. Nothing is written. */
size_t forward_size(const struct sip_msg *m, const struct forward *f);

/*
 * forward_response: appends m without its topmost Via, and with lines behind its other header fields. ERR_NOTFOUND: no
 * other Via is left, so m is not for forwarding (16.7 3). ERR_SYNTAX, ERR_LIMIT.
 */
MUST_USE enum err forward_response(const struct sip_msg *m, struct slice lines, struct buf *out);

#endif
