#ifndef SIP_IDENTITY_IDENTITY_H
#define SIP_IDENTITY_IDENTITY_H

#include "core/buf.h"
#include "crypto/hash.h"
#include "sip/message/msg.h"

/*
 * Identity and Identity-Info of a request: the header fields that carry the signature of its domain (RFC 4474 9). Pure
 * functions on text.
 *
 * RFC 8224 uses the name Identity for something else: a token with parameters and without quotes, of which a request
 * may have several. Such values are recognised, left where they are, and never taken for a signature (T-36).
 */
enum identity_fault {
	IDENTITY_FINE,
	IDENTITY_ABSENT,
	IDENTITY_RFC8224,   /* only the form of RFC 8224 */
	IDENTITY_SEVERAL,   /* more than one quoted value: which of them is the signature? */
	IDENTITY_MALFORMED, /* neither form */
	IDENTITY_EMPTY,     /* quoted, but no base64, or too long for a signature */
};

/* identity_is_there: has m at least one quoted Identity? What the quotes hold is not looked at. */
bool identity_is_there(const struct sip_msg *m);

/*
 * identity_read: decodes the only quoted Identity of m and appends the octets of the signature to sig. Values in the
 * form of RFC 8224 beside it are ignored. Blanks and folds inside the quotes are skipped. On a fault sig is unchanged.
 */
MUST_USE enum identity_fault identity_read(const struct sip_msg *m, struct buf *sig);

/*
 * identity_fault_str: what is wrong, as a clause (static). identity_fault_code: the status that RFC 4474 6 and 14 have
 * for it; 0 for IDENTITY_FINE.
 */
const char *identity_fault_str(enum identity_fault f);
unsigned identity_fault_code(enum identity_fault f);

/*
 * identity_complete: appends m to out, with a Date of date_s (seconds since 1970) and a Content-Length where m lacks
 * them. RFC 4474 5 asks for both before signing. New lines go behind all other header fields. ERR_LIMIT: no room for
 * the edit.
 */
MUST_USE enum err identity_complete(const struct sip_msg *m, int64_t date_s, struct buf *out);

/*
 * identity_add: appends m to out with sig (octets, not base64) as Identity, and an Identity-Info of url and alg, both
 * behind all other header fields. m has neither field. ERR_LIMIT: no room for the edit.
 */
MUST_USE enum err identity_add(const struct sip_msg *m, struct slice sig, const char *url, enum hash_alg alg,
			       struct buf *out);

/*
 * identity_info_parse: reads "<absoluteURI>;alg=token" (RFC 4474 9). *url is the text between the brackets, unchecked.
 * *alg is SLICE_NONE when it is absent; both lie in s. ERR_SYNTAX.
 */
MUST_USE enum err identity_info_parse(struct slice s, struct slice *url, struct slice *alg);

/*
 * identity_alg: the hash of "rsa-sha1" or "rsa-sha256", compared without case; false: another name. identity_alg_name:
 * the name for HASH_SHA1 or HASH_SHA256.
 */
MUST_USE bool identity_alg(struct slice name, enum hash_alg *out);
const char *identity_alg_name(enum hash_alg alg);

#endif
