#ifndef SIP_SERVER_LOAD_H
#define SIP_SERVER_LOAD_H

#include "crypto/tls.h"
#include "sip/config.h"
#include "sip/identity/domain_cert.h"
#include "sip/locate/reach.h"
#include "sip/locate/routes.h"
#include "store/file.h"

/* Everything that a configuration names, read and checked: for serve, reload and check alike. Sentences go to *why. */

/* load_file: a file named by the configuration; secret: refused when others may read it. */
MUST_USE bool load_file(const struct config *c, const char *value, bool secret, struct buf *out, struct buf *why);

/* load_rules: what one key alone cannot tell: that the domain is named, that switches go together. */
MUST_USE bool load_rules(const struct config *c, struct buf *why);

/* load_reach: where certificates may be fetched from. */
MUST_USE bool load_reach(const struct config *c, struct reach *out, struct buf *why);

/* load_routes: those of the configuration, for resolver_new; the caller's. */
struct routes *load_routes(const struct config *c);

MUST_USE bool load_trust(const struct config *c, struct trust **out, struct buf *why);

/*
 * load_tls: what this server is to TLS clients (NULL without tls.certificate), and what it is where it connects to: it
 * shows its first certificate to a server that asks for one (RFC 5922 7.4), so that the two domains prove themselves to
 * each other. Also checks names, dates, key type, and that no TLS key is the Identity key. *out: one reference each.
 */
struct tls_pair {
	struct tls_config *server, *client;
};
MUST_USE bool load_tls(const struct config *c, struct trust *trust, unsigned slots, int64_t now, struct tls_pair *out,
		       struct buf *why);

/* load_identity_base: appends identity.url, or "https://DOMAIN:PORT" of the first https (else http) listener. */
void load_identity_base(const struct config *c, struct buf *out);

MUST_USE bool load_identity(const struct config *c, const char *base, unsigned workers, int64_t now,
			    struct domain_certs *into, struct buf *why);

/* load_master: SEAL_KEY octets. load_store: opens (create: and makes) the store's folder. */
MUST_USE bool load_master(const struct config *c, uint8_t *key, struct buf *why);
MUST_USE bool load_store(const struct config *c, bool create, int *dirfd, struct buf *why);

/* load_check: all of the above without effect, for "vouch check". */
MUST_USE bool load_check(const struct config *c, int64_t now, struct buf *why);

#endif
