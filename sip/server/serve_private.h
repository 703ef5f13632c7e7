#ifndef SIP_SERVER_SERVE_PRIVATE_H
#define SIP_SERVER_SERVE_PRIVATE_H

#include "sip/server/control.h"
#include "sip/server/load.h"
#include "sip/server/router.h"
#include "sip/identity/web.h"
#include "sip/locate/resolver.h"

/* The running server, for serve.c (its life) and operate.c (what an administrator asks of it). Nobody else includes
 * this. */
struct app {
	struct config config;
	const char *const *overrides;
	struct loop *loop;
	struct work *work, *disk, *names, *fetch_names;
	int dirfd, lock;
	struct commit *commit;
	struct users *users;
	struct credential_store *store;
	struct auth *auth;
	struct trust *trust;
	struct tls_config *server_tls, *client_tls;
	struct domain_certs *certs;
	struct signer *signer;
	struct reach reach;     /* of fetches */
	struct dns_servers dns; /* of fetches */
	atomic_bool over;
	struct replay *replay;
	struct verifier *verifier;
	struct streams *streams;
	struct transport *transport;
	struct tx_layer *transactions;
	struct resolver *resolver;
	struct credentials *credentials;
	struct notifier *notifier;
	struct registrar *registrar;
	struct record_route_keys route_keys;
	struct proxy *proxy;
	struct web *web;
	struct stream_listener *web_tls[CONFIG_ADDRESSES]; /* https */
	unsigned web_tls_count;
	struct control *control;
	struct router router;
	unsigned workers;
	unsigned protos;             /* that have a listener */
	struct peer sip, tls, https; /* the first of each, for the ready line */
};

/* Where and by which name servers certificates are fetched, after a->config. */
MUST_USE bool app_fetch_rules(struct app *a, struct buf *why);

/* What the resolver is to do after configuration c; the routes are the caller's. */
struct resolver_options app_resolver_options(const struct app *a, const struct config *c);

#endif
