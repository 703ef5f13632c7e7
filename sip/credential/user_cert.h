#ifndef SIP_CREDENTIAL_USER_CERT_H
#define SIP_CREDENTIAL_USER_CERT_H

#include "core/buf.h"
#include "crypto/cert.h"

/*
 * Certificates of users and their credentials: what the server checks before it takes one and a user agent before it
 * sends or uses one (draft 7.10, 9.3), and the body in which certificate and key travel (draft 7.5).
 */
enum user_cert_fault { USER_CERT_FINE, USER_CERT_NOT_YET, USER_CERT_EXPIRED, USER_CERT_AUTHORITY };

enum user_cert_fault user_cert_check(const struct cert *c, int64_t now);
const char *user_cert_str(enum user_cert_fault f); /* a clause about "the certificate" */

/*
 * user_cert_names: does a URI name of the certificate have this AOR key (T-28)? email: an rfc822Name
 * counts too, as if "sip:" stood before it.
 */
bool user_cert_names(const struct cert *c, struct slice aor, bool email);

/*
 * user_cert_make: a key pair and its self-signed certificate for aor ("sip:user@domain") as draft 9.6 wants them, valid
 * from now for a year less some random days; appends the DER to cert. Takes a worker's time: hundreds of milliseconds.
 */
MUST_USE enum err user_cert_make(struct slice aor, int64_t now, enum hash_alg alg, struct key **key, struct buf *cert);

/*
 * user_cert_body: appends a multipart/mixed of cert and key (n = 0: none), both DER, to body, and its Content-Type
 * line to headers.
 */
void user_cert_body(struct slice cert, struct slice key, struct buf *headers, struct buf *body);

#endif
