#ifndef SIP_CREDENTIAL_PUBLISH_BODY_H
#define SIP_CREDENTIAL_PUBLISH_BODY_H

#include "crypto/cert.h"
#include "sip/config.h"
#include "sip/message/msg.h"

/* The body of a PUBLISH of credentials, draft 7.9 and 7.10: a certificate, or a certificate and its PKCS#8 key in a
 * multipart. */
struct publish_body {
	struct cert *cert;
	struct buf key; /* PKCS#8 DER; n = 0: none */
};

/* Why a body is refused; code 0: it is not. */
struct refusal {
	unsigned code;
	const char *reason;  /* NULL: the default phrase */
	const char *headers; /* further header lines, or NULL */
};

/*
 * publish_body_read: the parts of m's body, decoded and well-formed: 400, 413, 415. publish_body_check: what the server
 * must check before it takes them for aor at time now: 403, 437, 400. Free with publish_body_free in every case.
 */
struct refusal publish_body_read(const struct sip_msg *m, const struct config *c, struct publish_body *out);
struct refusal publish_body_check(const struct publish_body *p, const struct config *c, struct slice aor, int64_t now);
void publish_body_free(struct publish_body *p);

#endif
