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
 * the control socket); tests have one over fakes of the loop, the workers and the transport. This is the only place
 * that knows in which order the parts begin and end.
 */
struct site_deps {
	struct loop *loop;
	struct settings *settings;  /* complete, with users; the caller's, until site_free */
	struct domain_certs *certs; /* of the domain; the caller's, until site_free */
	int dirfd;                  /* of the store; the caller's */
	const uint8_t *master;      /* SEAL_KEY octets, not needed after site_new */
	unsigned workers;           /* threads for RSA and TLS handshakes */
};

/* All fields are for reading. */
struct site {
	struct loop *loop;
	struct settings *settings;
	int dirfd;
	struct work *work;        /* RSA, TLS handshakes, PBKDF2 */
	struct work *disk;        /* fsync, one thread */
	struct work *names;       /* DNS for the proxy; each thread may wait for seconds */
	struct work *fetch_names; /* DNS for certificates that strangers name: they hold up only each other */
	atomic_bool over;         /* nothing waits for name servers any more */
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
	unsigned protos; /* of the resolver: transports with a listener */
	struct web *web;
	struct credentials *credentials;
	struct notifier *notifier;
	struct registrar *registrar;
	struct record_route_keys route_keys;
	struct proxy *proxy;
	struct router router;
};

/*
 * site_new: builds all parts, and brings back credentials, subscriptions, registrations and the memory of replays from
 * the store. Nothing listens yet: transport_listen and stream_listen are the caller's. false: *why is one sentence.
 */
MUST_USE bool site_new(const struct site_deps *deps, struct site **out, struct buf *why);

/*
 * site_stop: nothing is accepted any more, all jobs of workers end, and their results are told. site_free: the rest;
 * it stops what was not stopped. Both ignore NULL.
 */
void site_stop(struct site *s);
void site_free(struct site *s);

/*
 * site_take: the settings of the site become those of *next, which gets the old ones. Who is no user any more loses
 * registrations and credential (T-48), and the credential subscriptions of a user with a new password end (CRD-24). A
 * server_tls that next lacks stays as it is, because there are listeners for it.
 */
void site_take(struct site *s, struct settings *next);

/* site_take_users: the same for the table of users alone. */
void site_take_users(struct site *s, struct users *next);

#endif
