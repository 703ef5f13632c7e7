#ifndef SIP_SERVER_SITE_H
#define SIP_SERVER_SITE_H

#include <stdatomic.h>

#include "crypto/seal.h"
#include "sip/server/router.h"
#include "sip/settings.h"

struct verifier;
struct replay;
struct web;

/*
 * The services of one domain, put together and taken apart. The program has one site (serve.c adds sockets, signals and
 * the control socket); tests have one over fakes of the loop, the workers and the transport. The order in which the
 * parts begin and end is known here only; site.c explains it.
 */
struct site_deps {
	struct loop *loop;
	struct settings *settings;  /* complete, with users; borrowed until site_free */
	struct domain_certs *certs; /* the domain certificate; borrowed until site_free */
	int dirfd;                  /* the folder of the store; borrowed until site_free */
	const uint8_t *master;      /* SEAL_KEY octets, not needed after site_new */
	unsigned workers;           /* threads for RSA and TLS handshakes */
};

/* All fields are for reading only. */
struct site {
	struct loop *loop;
	struct settings *settings;
	int dirfd;
	struct work *work;        /* RSA, TLS handshakes, PBKDF2 */
	struct work *disk;        /* fsync, one thread */
	struct work *names;       /* DNS for the proxy; each thread may wait for seconds */
	struct work *fetch_names; /* DNS for certificates that strangers name: they hold up only each other */
	atomic_bool over;         /* set at the end: nothing waits for name servers any more */
	struct commit *commit;
	struct credential_store *store;
	struct auth *auth;
	struct signer *signer;
	struct replay *replay;
	struct verifier *verifier;
	struct streams *streams;
	struct transport *transport;
	struct tx_layer *transactions;
	struct resolver *resolver;
	unsigned protos; /* transports with a listener, a set of PROTO_BIT */
	struct web *web;
	struct credentials *credentials;
	struct notifier *notifier;
	struct registrar *registrar;
	struct record_route_keys route_keys;
	struct proxy *proxy;
	char *domain; /* of the router */
	struct router router;
};

/*
 * site_new: builds all parts, and brings back credentials, subscriptions, registrations and the memory of replays from
 * the store. Nothing listens yet; the caller does that with transport_listen and stream_listen. false: *why is a
 * sentence.
 */
MUST_USE bool site_new(const struct site_deps *deps, struct site **out, struct buf *why);

/*
 * site_stop: accepts nothing more; all jobs of workers end, and their results are told. site_free: frees everything,
 * and stops it before if that was not done. Both ignore NULL.
 */
void site_stop(struct site *s);
void site_free(struct site *s);

/*
 * site_take: exchanges the settings of the site with *next. A user that is gone loses registrations and credential
 * (T-48). A user with a new password loses its credential subscriptions (CRD-24). If next has no server_tls, the
 * running one stays, because there are listeners for it.
 */
void site_take(struct site *s, struct settings *next);

/* site_take_users: the same for the table of users alone. */
void site_take_users(struct site *s, struct users *next);

#endif
