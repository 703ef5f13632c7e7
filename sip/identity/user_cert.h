#ifndef SIP_IDENTITY_USER_CERT_H
#define SIP_IDENTITY_USER_CERT_H

#include "core/buf.h"
#include "crypto/cert.h"

/*
 * Certificates of users, and the body in which certificate and key travel (draft 7.5). The server checks a certificate
 * before it takes it, a user agent before it sends or uses it (draft 7.10, 9.3). Pure functions on DER.
 */
enum user_cert_fault { USER_CERT_FINE, USER_CERT_NOT_YET, USER_CERT_EXPIRED, USER_CERT_AUTHORITY };

/* user_cert_check: its validity at now (seconds since 1970), and that it is no CA (PUB-08 to PUB-10). */
enum user_cert_fault user_cert_check(const struct cert *c, int64_t now);
const char *user_cert_str(enum user_cert_fault f); /* a clause, static */

/*
 * user_cert_names: does SubjectAltName have a sip or sips URI of this AOR (T-28)? email: an e-mail address counts as
 * well, as if "sip:" stood in front of it.
 */
bool user_cert_names(const struct cert *c, struct slice aor, bool email);

/*
 * user_cert_make: makes an RSA key, which is the caller's, and its self-signed certificate for aor ("sip:user@domain")
 * as draft 9.6 demands, and appends the DER to cert. It is valid from now (seconds since 1970) for a year less some
 * random days. Takes hundreds of milliseconds, so it is for workers. ERR_CRYPTO.
 */
MUST_USE enum err user_cert_make(struct slice aor, int64_t now, enum hash_alg alg, struct key **key, struct buf *cert);

/*
 * user_cert_body: appends a multipart/mixed of cert and key (n = 0: none), both DER, to body, and its Content-Type line
 * to headers.
 */
void user_cert_body(struct slice cert, struct slice key, struct buf *headers, struct buf *body);

#endif
