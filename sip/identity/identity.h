#ifndef SIP_IDENTITY_IDENTITY_H
#define SIP_IDENTITY_IDENTITY_H

#include "core/buf.h"
#include "crypto/hash.h"
#include "sip/message/msg.h"

/*
 * What a request says about its signature, RFC 4474 9. RFC 8224 uses the name Identity for something else: a token with
 * parameters, no quotes, and possibly several of them in one request (T-36).
 */
enum identity_fault {
	IDENTITY_FINE,
	IDENTITY_ABSENT,
	IDENTITY_RFC8224, /* there are such ones only */
	IDENTITY_SEVERAL, /* quoted ones: which is the signature? */
	IDENTITY_MALFORMED,
	IDENTITY_EMPTY, /* quoted, but what stands there is no base64 of a signature */
};

/* identity_is_there: one or more in the form of RFC 4474, whatever they hold. */
bool identity_is_there(const struct sip_msg *m);

/*
 * identity_read: the one quoted Identity among all of m; what stands beside it in the form of RFC 8224 is not looked
 * at. Appends the octets of the signature to sig; blanks and folds inside the quotes are skipped. On a fault sig is as
 * before.
 */
MUST_USE enum identity_fault identity_read(const struct sip_msg *m, struct buf *sig);

/* identity_fault_str: what is wrong, a clause. identity_fault_code: the status that RFC 4474 6 has for it. */
const char *identity_fault_str(enum identity_fault f);
unsigned identity_fault_code(enum identity_fault f);

/*
 * identity_complete: appends m with a Date of that time and a Content-Length where they are missing, behind all other
 * header fields (RFC 4474 5): what is signed needs both.
 */
MUST_USE enum err identity_complete(const struct sip_msg *m, int64_t date_s, struct buf *out);

/* identity_add: appends m with this signature as Identity and Identity-Info, behind all other header fields. */
MUST_USE enum err identity_add(const struct sip_msg *m, struct slice sig, const char *url, enum hash_alg alg,
			       struct buf *out);

/* identity_info_parse: "<absoluteURI>;alg=token", RFC 4474 9. alg is SLICE_NONE when absent. */
MUST_USE enum err identity_info_parse(struct slice s, struct slice *url, struct slice *alg);

/* identity_alg: "rsa-sha1", "rsa-sha256", without case. false: another. identity_alg_name: the other way. */
MUST_USE bool identity_alg(struct slice name, enum hash_alg *out);
const char *identity_alg_name(enum hash_alg alg);

#endif
