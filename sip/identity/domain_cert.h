#ifndef SIP_IDENTITY_DOMAIN_CERT_H
#define SIP_IDENTITY_DOMAIN_CERT_H

#include "core/loop.h"
#include "crypto/cert.h"

/*
 * The certificate and key of the domain that sign Identity (RFC 4474 5, 13.4), and the path at which the certificate is
 * served. The path ends in a hash of the certificate, so that a new certificate has a new URL by itself (RFC 4474 9,
 * AUT-17). Older ones are served for DOMAIN_CERT_KEEP_S more, because requests that were signed with them are still
 * under way.
 */
#define DOMAIN_CERT_KEEP_S (24 * 3600)
#define DOMAIN_CERT_PATH "/identity/" /* then 32 hexadecimal digits and ".cer" */

/*
 * One generation. It is counted by reference in the loop, because a signing job keeps the generation that it began with
 * over a roll-over.
 */
struct domain_cert {
	unsigned refs;
	struct cert *cert;
	char *path;        /* of its URL */
	char *url;         /* whole, for Identity-Info */
	struct key **keys; /* one copy for each worker: a key of mbedTLS is locked while it signs */
	unsigned workers;
};

/* domain_cert_unref: gives one reference back. NULL is ignored. */
void domain_cert_unref(struct domain_cert *d);

struct domain_certs;

/* domain_certs_new: has no certificate yet. domain_certs_free ignores NULL. */
struct domain_certs *domain_certs_new(void);
void domain_certs_free(struct domain_certs *all);

/*
 * domain_certs_set: cert_pem and key_pem become the current generation, and the one before is retired. base is the URL
 * that path is appended to; workers is the number of copies of the key.
 *
 * false: *why is a sentence, and the generation before stays current. Demanded are RSA of at least 2048 bits, key usage
 * digitalSignature, a subject that is domain, validity at now (seconds since 1970), and an unencrypted key that belongs
 * to the certificate.
 */
MUST_USE bool domain_certs_set(struct domain_certs *all, struct slice cert_pem, struct slice key_pem,
			       struct slice domain, struct slice base, unsigned workers, int64_t now, struct buf *why);

/* domain_certs_current: NULL: there is none. To keep it over time the caller counts refs up. */
struct domain_cert *domain_certs_current(const struct domain_certs *all);

/*
 * domain_certs_write: appends what a restart must not forget: a line for each certificate, with the time until which it
 * is served, 0 for the current one. domain_certs_restore: takes such lines; what was current then, and is not now, is
 * retired at now. Lines that cannot be read are passed over.
 */
void domain_certs_write(const struct domain_certs *all, struct buf *out);
void domain_certs_restore(struct domain_certs *all, struct slice text, int64_t now);

/* domain_certs_find: the DER of the certificate that path names at now, current or older; SLICE_NONE: none. */
struct slice domain_certs_find(const struct domain_certs *all, struct slice path, int64_t now);

#endif
