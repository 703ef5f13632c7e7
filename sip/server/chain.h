#ifndef SIP_SERVER_CHAIN_H
#define SIP_SERVER_CHAIN_H

#include "core/buf.h"
#include "crypto/cert.h"

#define CHAIN_MAX 8 /* certificates of a file that are looked at; no peer reads more */

/* The certificates of a PEM file that are shown to peers, in its order: the own one, then those of authorities. */
struct chain {
	struct cert *list[CHAIN_MAX]; /* NULL: there is one, but of a kind that is not read here */
	unsigned count;
};

/* chain_read: false: there is none, or a malformed one. chain_drop: in either case. */
MUST_USE bool chain_read(struct slice pem, struct chain *out);
void chain_drop(struct chain *c);

/*
 * chain_holds: are the certificates of authorities valid at now, and does each of them sign another one of the file? A
 * peer that is sent something else refuses the connection, or looks no further. false: *why is a clause.
 */
bool chain_holds(const struct chain *c, int64_t now, struct buf *why);

/* chain_leads: is there a path from the own certificate to an anchor? Dates are not looked at. */
bool chain_leads(const struct chain *c, const struct trust *anchors, int64_t now);

/* chain_signed_by: does this very anchor end a path from the own certificate? */
bool chain_signed_by(const struct chain *c, const struct cert *anchor, int64_t now);

/* chain_end: the earliest notAfter of all of them; count is not 0. */
int64_t chain_end(const struct chain *c);

#endif
