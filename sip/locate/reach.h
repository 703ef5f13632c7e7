#ifndef SIP_LOCATE_REACH_H
#define SIP_LOCATE_REACH_H

#include "sip/transport/peer.h"

/*
 * Which addresses this server connects to when a stranger has named the place (Identity-Info, RFC 4474 9): those of the
 * public Internet, and what the administrator allows besides. It is asked about the address that a name has led to,
 * never about the name.
 */
#define REACH_MAX 32

struct reach {
	bool everywhere; /* for the verbs of a user, who has named the place; never set by reach_read */
	unsigned count;
	struct {
		uint8_t octets[16]; /* IPv4 as its mapped IPv6 address */
		unsigned bits;
	} allowed[REACH_MAX];
};

/* reach_read: "10.0.0.0/8, ::1": addresses and prefixes, also none. false: it is no such list; *bad is the element. */
MUST_USE bool reach_read(struct slice list, struct reach *out, struct slice *bad);

/* reach_allows: public (RFC 6890) and not of this machine, or allowed. */
bool reach_allows(const struct reach *r, const struct peer *p);

#endif
