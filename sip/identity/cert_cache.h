#ifndef SIP_IDENTITY_CERT_CACHE_H
#define SIP_IDENTITY_CERT_CACHE_H

#include "core/list.h"
#include "sip/identity/fetch.h"
#include "sip/transport/flow.h"

/*
 * Domain certificates by the URL that Identity-Info names (RFC 4474 6 step 1): fetched once for all who wait, kept for
 * CACHE_S once a signature has proved one, and for CACHE_AGAIN_S otherwise, as failures are; one that was proved goes
 * on while there is no newer. Whoever sends a request chooses the URL, so fetches are few at once and few a second, for
 * each source and in all. A source is the address of a connection. Over UDP anybody can write any address: all of that
 * is one source, with half of everything.
 */
#define CACHE_MAX 64        /* certificates */
#define CACHE_S (24 * 3600) /* at most */
#define CACHE_AGAIN_S 60    /* a URL is not asked again before, whether it failed or what it gave did */
#define CACHE_FETCHES 12    /* at once; each may hold a thread that waits for the DNS */
#define CACHE_FETCHES_OF 2  /* at once for requests of one source */
#define CACHE_FETCHES_UDP 6
#define CACHE_WAITERS 128 /* for one URL */

struct cert_cache;

struct cert_cache *cert_cache_new(const struct fetch_deps *deps); /* kept by value */
void cert_cache_free(struct cert_cache *c);                       /* after workers and streams */

/*
 * Part of whoever waits, whose it is again with done(): from the loop, in the order of asking. der.n 0: it failed, why
 * is a clause; NULL: the cache is being freed.
 */
struct cert_waiter {
	struct list_node node;
	void (*done)(struct cert_waiter *w, struct slice der, const char *why);
};

/*
 * cert_cache_ask: ERR_OK: *der, good until the next call. ERR_AGAIN: w->done will say. ERR_NOTFOUND: it could not be
 * fetched of late, *why says what for. ERR_BUSY: too many are asked for; *why. source: what the request came by, or
 * NULL: no limits.
 */
MUST_USE enum err cert_cache_ask(struct cert_cache *c, struct slice url, const struct flow *source,
				 struct cert_waiter *w, struct slice *der, const char **why);

/*
 * cert_cache_again: der did not do; the domain may have a new one where it was. ERR_OK: there is another by now.
 * ERR_AGAIN: as above. ERR_NOTFOUND: it was asked for too short a time ago.
 */
MUST_USE enum err cert_cache_again(struct cert_cache *c, struct slice url, struct slice used, const struct flow *source,
				   struct cert_waiter *w, struct slice *der);

/* cert_cache_proved: a signature was right with it. */
void cert_cache_proved(struct cert_cache *c, struct slice url, struct slice der);

#endif
