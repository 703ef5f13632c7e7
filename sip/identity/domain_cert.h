#ifndef SIP_IDENTITY_DOMAIN_CERT_H
#define SIP_IDENTITY_DOMAIN_CERT_H

#include "core/loop.h"
#include "crypto/cert.h"

/*
 * The certificate and key of the domain with which Identity is made (RFC 4474 5, 13.4), and where it is served. Its URI
 * ends in a hash of the certificate, so a new one has a new URI by itself (RFC 4474 9); the old ones are served for
 * DOMAIN_CERT_KEEP_S more.
 */
#define DOMAIN_CERT_KEEP_S (24 * 3600)
#define DOMAIN_CERT_PATH "/identity/" /* then 32 hexadecimal digits and ".cer" */

/* One generation. Counted by reference: jobs of a roll-over keep the one they began with. */
struct domain_cert {
	unsigned refs;
	struct cert *cert;
	char *path;        /* of its URI */
	char *url;         /* all of it */
	struct key **keys; /* one copy for each worker */
	unsigned workers;
};

void domain_cert_unref(struct domain_cert *d);

struct domain_certs;

struct domain_certs *domain_certs_new(void);
void domain_certs_free(struct domain_certs *all);

/*
 * domain_certs_set: cert_pem and key_pem become the current generation; base is the URL that path is appended to. false
 * and *why is a sentence when they do not fit together or the domain: RSA of 2048 bits or more, digitalSignature, the
 * domain as its subject, in its validity at now. The old generation stays current then.
 */
MUST_USE bool domain_certs_set(struct domain_certs *all, struct slice cert_pem, struct slice key_pem,
			       struct slice domain, struct slice base, unsigned workers, int64_t now, struct buf *why);

/* domain_certs_current: the caller may keep it by counting refs up. */
struct domain_cert *domain_certs_current(const struct domain_certs *all);

/* domain_certs_find: DER of the certificate served at path now, or SLICE_NONE. */
struct slice domain_certs_find(const struct domain_certs *all, struct slice path, int64_t now);

#endif
