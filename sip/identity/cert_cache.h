#ifndef SIP_IDENTITY_CERT_CACHE_H
#define SIP_IDENTITY_CERT_CACHE_H

#include "core/list.h"
#include "sip/identity/fetch.h"
#include "sip/transport/flow.h"

/*
 * Domain certificates by the URL that Identity-Info names (RFC 4474 6 step 1).
 *
 * - A certificate is fetched once for all requests that wait for it (VER-03).
 * - It is kept for CACHE_AGAIN_S at first, and for CACHE_S once a signature has proved it. A failure is kept for
 *   CACHE_AGAIN_S (S-46).
 * - When a new fetch fails, the certificate that was there before stays in use.
 *
 * The sender of a request chooses the URL, so fetches are bounded for each source and in all, at once and a minute
 * (G44). A source is the address, or the IPv6 prefix, of a connection. Over UDP any source address can be forged, so
 * everything that comes by UDP is one source, which has half of everything.
 */
#define CACHE_MAX 64        /* entries: certificates, failures and fetches under way */
#define CACHE_S (24 * 3600) /* the most, counted from when it came */
#define CACHE_AGAIN_S 60    /* until a URL is asked again that failed or whose certificate proved nothing */
#define CACHE_FETCHES 12    /* at once; each may hold a thread that waits for the DNS */
#define CACHE_FETCHES_OF 2  /* at once for requests of one source */
#define CACHE_FETCHES_UDP 6 /* at once for all requests that came by UDP */
#define CACHE_WAITERS 128   /* requests that wait for one URL */

struct cert_cache;

struct cert_cache *cert_cache_new(const struct fetch_deps *deps); /* deps are copied */
void cert_cache_free(struct cert_cache *c);                       /* calls all waiters; see server/site.c */

/*
 * Embedded in the object that waits; the cache has it between ERR_AGAIN and done(). done is called from the loop, in
 * the order of asking. der is valid during the call. der.n 0: there is none, and why is a clause; why NULL: the cache
 * is being freed. done must not call the cache.
 */
struct cert_waiter {
	struct list_node node;
	void (*done)(struct cert_waiter *w, struct slice der, const char *why);
};

/*
 * cert_cache_ask: the certificate at url, DER. source: the flow of the request that names it; NULL: no limits.
 *
 * ERR_OK: *der is valid until the next call of the cache. ERR_AGAIN: w->done is called later. ERR_NOTFOUND: the last
 * fetch failed; *why says how, as a clause. ERR_BUSY: too many fetches or waiters; *why.
 */
MUST_USE enum err cert_cache_ask(struct cert_cache *c, struct slice url, const struct flow *source,
				 struct cert_waiter *w, struct slice *der, const char **why);

/*
 * cert_cache_again: the certificate used has not verified a request. Does the domain have another one at url by now?
 * ERR_OK: *der is another one. ERR_AGAIN: w->done is called later, perhaps with the same certificate. ERR_NOTFOUND: the
 * URL was asked less than CACHE_AGAIN_S ago, or a limit is reached.
 */
MUST_USE enum err cert_cache_again(struct cert_cache *c, struct slice url, struct slice used, const struct flow *source,
				   struct cert_waiter *w, struct slice *der);

/* cert_cache_proved: the certificate der of url has verified a signature, so it is kept for CACHE_S. */
void cert_cache_proved(struct cert_cache *c, struct slice url, struct slice der);

#endif
