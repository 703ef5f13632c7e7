#ifndef SIP_SETTINGS_H
#define SIP_SETTINGS_H

#include "crypto/tls.h"
#include "sip/config.h"
#include "sip/locate/dns.h"
#include "sip/locate/reach.h"
#include "sip/locate/routes.h"
#include "store/user.h"

/*
 * Everything that an administrator can change while the server runs: the configuration and what its files hold. A
 * domain has one struct settings, and every service holds one const pointer to it. A reload builds a second struct,
 * checks it whole, swaps the contents of the two and drops the old ones (server/load.h, server/site.h). So a service
 * reads through its pointer each time and keeps nothing of it across a turn of the loop; a worker job takes a
 * reference (trust_ref, tls_config_ref) instead.
 *
 * The certificate of the domain is not here: older ones stay valid for requests that were signed with them
 * (identity/domain_cert.h).
 */
struct settings {
	struct config config;
	struct users *users;           /* owned */
	struct tls_config *server_tls; /* for TLS listeners, one reference; NULL: there is no tls.certificate */
	struct tls_config *client_tls; /* for connections that are made here, one reference; NULL: none can be made */
	struct trust *trust;           /* anchors for certificates of peers and domains, one reference */
	struct trust *client_trust;    /* anchors of credential.client-ca, one reference; NULL: it is not looked at */
	struct routes *routes;         /* [route], owned */
	struct reach fetch_reach;      /* where certificates may be fetched from */
	struct reach proxy_reach;      /* where requests may go that users, or remote ends of their dialogs, aim */
	struct dns_servers dns;        /* count 0: those of the system */
};

/* settings_alg: the hash of the Identity signatures that are made here. */
enum hash_alg settings_alg(const struct settings *s);

/* settings_drop: gives back everything in *s, which is zero afterwards. A zeroed *s may be dropped, too. */
void settings_drop(struct settings *s);

/* settings_swap: exchanges the contents of the two. */
void settings_swap(struct settings *a, struct settings *b);

#endif
