#ifndef SIP_LOCATE_REACH_H
#define SIP_LOCATE_REACH_H

#include "sip/transport/peer.h"

/*
 * Which addresses this server connects to when a stranger has named the place (Identity-Info, RFC 4474 9): those of the
 * public Internet, and those that the administrator allows besides (G44). Ask about the address that a name has led to,
 * never about the name, and connect to that address: a name could lead elsewhere at the second look.
 */
#define REACH_MAX 32

struct reach {
	bool everywhere; /* everything is allowed: for the verbs of a user; never set by reach_read */
	unsigned count;
	struct {
		uint8_t octets[16]; /* IPv4 as its mapped IPv6 address */
		unsigned bits;
	} allowed[REACH_MAX];
};

/*
 * reach_read: reads "10.0.0.0/8, ::1": addresses and prefixes, perhaps none. false: *bad is the element that is
 * neither, or one too many.
 */
MUST_USE bool reach_read(struct slice list, struct reach *out, struct slice *bad);

/* reach_allows: is the address public (RFC 6890) and not one of this machine, or allowed by the list? */
bool reach_allows(const struct reach *r, const struct peer *p);

#endif
