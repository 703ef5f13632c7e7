#ifndef SIP_UA_SIGNATURE_H
#define SIP_UA_SIGNATURE_H

#include "crypto/key.h"
#include "sip/message/digest_string.h"

/* The signature of RFC 4474 9 over a request that was saved, and why it may not fit. */
struct signature_parts {
	const struct digest_string *ds;
	struct slice tail; /* behind the body that Content-Length names, see capture.h */
	enum hash_alg alg;
	struct slice sig;
};

/* signature_hash: the digest of the canonical string and, behind it, more; out has room for HASH_MAX. */
void signature_hash(const struct digest_string *ds, struct slice more, enum hash_alg alg, uint8_t *out);

/* signature_holds, signature_holds_with_tail: over the body as a receiver takes it, and with what is behind it. */
bool signature_holds(const struct signature_parts *p, struct key *k);
bool signature_holds_with_tail(const struct signature_parts *p, struct key *k);

/* signature_guess: why a signature does not hold, as far as can be found out, a clause. */
const char *signature_guess(const struct signature_parts *p, struct key *k);

/* signature_escape: appends the canonical string on one line: "\\", "\r", "\n", "\t" and "\xNN" for all but ASCII. */
void signature_escape(const struct digest_string *ds, struct buf *out);

#endif
