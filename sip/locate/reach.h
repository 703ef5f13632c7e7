#ifndef SIP_LOCATE_REACH_H
#define SIP_LOCATE_REACH_H

#include "sip/transport/peer.h"

/*
 * The address policy: which addresses this server connects to when somebody else has named the place: a stranger
 * (Identity-Info, RFC 4474 9; the remote target of a dialog) or a user (Request-URI, Route, Contact). Otherwise it
 * could be aimed at services that only it reaches (G44). Ask about the address that a name has led to, never about the
 * name, and connect to that address: a name could lead elsewhere at the second look.
 */
#define REACH_MAX 32

struct reach {
	bool everywhere; /* everything is allowed; for the verbs of a user, too */
	bool public;     /* the public Internet (RFC 6890), without the addresses of this machine */
	bool private;    /* the networks of a site: RFC 1918, RFC 6598, RFC 4193; also without them */
	unsigned count;
	struct {
		uint8_t octets[16]; /* IPv4 as its mapped IPv6 address */
		unsigned bits;
	} allowed[REACH_MAX];
};

/*
 * reach_read: reads "public, 10.0.0.0/8, ::1": the words public, private and any, addresses and prefixes, perhaps none;
 * they are added to *out, which the caller has set before. false: *bad is the element that is none of these, or one too
 * many.
 */
MUST_USE bool reach_read(struct slice list, struct reach *out, struct slice *bad);
bool reach_allows(const struct reach *r, const struct peer *p);

/*
 * reach_no_nearer: what somebody who is behind a server may aim at who has chosen that server: nothing that is nearer
 * than it. The public Internet; if the server is in the own site, that too; if it is on this machine, everything.
 */
void reach_no_nearer(const struct peer *server, struct reach *out);

/*
 * reach_is_special: p is not of the public Internet, so the same address may be another host elsewhere. reach_beside:
 * both are in one network of this machine's interfaces. reach_is_loopback: nobody but this machine gets there.
 */
bool reach_is_special(const struct peer *p);
bool reach_is_loopback(const struct peer *p);
bool reach_beside(const struct peer *a, const struct peer *b);

#endif
