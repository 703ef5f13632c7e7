#ifndef SIP_IDENTITY_FETCH_H
#define SIP_IDENTITY_FETCH_H

#include "core/work.h"
#include "sip/settings.h"
#include "sip/transport/stream.h"

/*
 * GET of a small object by http or https, for what Identity-Info names (RFC 4474 6 step 1). Whoever signs a request
 * chooses the URL, so all of it is bounded: FETCH_MS in all, FETCH_MAX octets, FETCH_REDIRECTS redirections and these
 * on one host and scheme only, and the addresses that a server of its own network has (reach.h). On the stream layer,
 * since the HTTP client of libevent 2.1 knows TLS by OpenSSL only.
 */
#define FETCH_MS 5000
#define FETCH_MAX 16384
#define FETCH_REDIRECTS 2
#define FETCH_URL_MAX 1024

struct fetch_deps {
	struct loop *loop;
	struct work *work; /* resolves names */
	struct streams *streams;
	const struct settings *settings; /* name servers, reach, and TLS for https */
};

/* done, once, from the loop, never from within fetch_start: the object; or p NULL, and why is a clause. */
typedef void (*fetch_fn)(void *arg, struct slice body, const char *why);

/*
 * fetch_start: url is copied; deps must stay. It ends by itself, soon, and frees itself after done. fetch_free: for one
 * that was under way when workers and streams were freed: done will not be called. The loop comes after it.
 */
struct fetch;
struct fetch *fetch_start(const struct fetch_deps *deps, struct slice url, fetch_fn done, void *arg);

/* fetch_counts: *held is true until it holds neither connection nor worker any more, which may be after done. */
void fetch_counts(struct fetch *f, bool *held);
void fetch_free(struct fetch *f);

/* fetch_url: parts of an absolute http or https URL. false: another scheme, user information, or malformed. */
struct fetch_url {
	bool https;
	struct slice host;      /* without brackets */
	struct slice authority; /* host and port as written, for Host */
	uint16_t port;
	struct slice target; /* path and query; "/" is to be put before one that does not begin so */
};
bool fetch_url(struct slice url, struct fetch_url *out);

#endif
