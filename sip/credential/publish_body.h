#ifndef SIP_CREDENTIAL_PUBLISH_BODY_H
#define SIP_CREDENTIAL_PUBLISH_BODY_H

#include "crypto/cert.h"
#include "sip/config.h"
#include "sip/message/msg.h"

/*
 * The body of a PUBLISH of credentials (draft 7.9, 7.10): a certificate alone, or certificate and PKCS#8 key in a
 * multipart.
 */
struct publish_body {
	struct cert *cert;
	struct buf key; /* PKCS#8 DER as it was published; n = 0: none */
};

/* An answer that refuses a body; code 0: none, the body is fine. All texts are static. */
struct refusal {
	unsigned code;
	const char *reason;  /* NULL: the default phrase */
	const char *headers; /* further header lines with their CR LF, or NULL */
};

/*
 * publish_body_read: takes certificate and key out of the body of m. They are well-formed then, and nothing more: 400,
 * 413, 415, and 437 for a kind of key that is unknown. *out is zero before.
 *
 * publish_body_check: may aor publish this at now (seconds since 1970)? Name, validity, CA, size of the key, and
 * whether a plain key belongs to the certificate: 403, 437, 400.
 *
 * publish_body_free: in every case; wipes the key.
 */
struct refusal publish_body_read(const struct sip_msg *m, const struct config *c, struct publish_body *out);
struct refusal publish_body_check(const struct publish_body *p, const struct config *c, struct slice aor, int64_t now);
void publish_body_free(struct publish_body *p);

#endif
