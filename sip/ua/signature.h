#ifndef SIP_UA_SIGNATURE_H
#define SIP_UA_SIGNATURE_H

#include "crypto/key.h"
#include "sip/message/digest_string.h"

/* The signature of RFC 4474 9 over a saved request, and guesses why it does not hold. */
struct signature_parts {
	const struct digest_string *ds;
	struct slice tail; /* octets behind the body that Content-Length names; see capture.h */
	enum hash_alg alg;
	struct slice sig; /* octets, not base64 */
};

/* signature_hash: the hash of the digest-string followed by more. out has room for HASH_MAX octets. */
void signature_hash(const struct digest_string *ds, struct slice more, enum hash_alg alg, uint8_t *out);

/*
 * signature_holds: does it hold over the body as a receiver takes it? signature_holds_with_tail: does it hold when tail
 * counts as part of the body? false without a tail.
 */
bool signature_holds(const struct signature_parts *p, struct key *k);
bool signature_holds_with_tail(const struct signature_parts *p, struct key *k);

/* signature_guess: the probable cause why a signature does not hold, as a static clause. */
const char *signature_guess(const struct signature_parts *p, struct key *k);

/*
 * signature_escape: appends the digest-string on one line, with \\, \r, \n, \t, and \xNN for all other than printable
 * ASCII.
 */
void signature_escape(const struct digest_string *ds, struct buf *out);

#endif
