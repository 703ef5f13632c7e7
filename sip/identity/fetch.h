#ifndef SIP_IDENTITY_FETCH_H
#define SIP_IDENTITY_FETCH_H

#include "core/work.h"
#include "sip/identity/web_url.h"
#include "sip/settings.h"
#include "sip/transport/stream.h"

/*
 * GET of a small object by http or https: the certificate that Identity-Info names (RFC 4474 6 step 1).
 *
 * The sender of a request chooses the URL, so everything is bounded (G44, VER-18): FETCH_MS in all, FETCH_MAX octets of
 * body, FETCH_REDIRECTS redirections on the same host, port and scheme, and only addresses that identity.fetch-allow
 * and sip/locate/reach.h allow. It is built on the stream layer, because the HTTP client of libevent 2.1 does TLS with
 * OpenSSL only.
 */
#define FETCH_MS 5000   /* from fetch_start to done */
#define FETCH_MAX 16384 /* octets */
#define FETCH_REDIRECTS 2

struct fetch_deps {
	struct loop *loop;
	struct work *work; /* resolves names; its threads may wait for seconds */
	struct streams *streams;
	const struct settings *settings; /* name servers, reach, and TLS for https */
};

/* Called once, from the loop, never within fetch_start. body is valid during the call; p NULL: why is a clause. */
typedef void (*fetch_fn)(void *arg, struct slice body, const char *why);

/*
 * fetch_start: begins to fetch url, which is copied and may be anything: a malformed one fails in done. deps must stay
 * until the fetch is gone. After done the fetch lets go of its connection and of the resolver, and frees itself.
 *
 * fetch_free: ends a fetch that is under way when the program ends; done is not called. See server/site.c.
 */
struct fetch;
struct fetch *fetch_start(const struct fetch_deps *deps, struct slice url, fetch_fn done, void *arg);

/*
 * fetch_counts: *held is true from now on, and becomes false when the fetch holds neither a connection nor a worker any
 * more. That may be long after done, because a look-up in the DNS cannot be interrupted.
 */
void fetch_counts(struct fetch *f, bool *held);
void fetch_free(struct fetch *f);

#endif
