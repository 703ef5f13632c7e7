#ifndef SIP_LOCATE_RESOLVER_H
#define SIP_LOCATE_RESOLVER_H

#include "core/loop.h"
#include "core/work.h"
#include "sip/message/uri.h"
#include "sip/locate/hops.h"
#include "sip/locate/routes.h"

/*
 * The next hops of requests, RFC 3263 4: by the routes of the configuration, else by the DNS, whose answers are kept
 * for as long as they allow. The loop never waits: worker threads ask, once for all requests that want the same.
 */
struct resolver;

struct resolver_options {
	const struct dns_servers *dns; /* copied; count 0: those of the system */
	unsigned protos;               /* set of PROTO_BIT: the transports that have a listener */
	const struct routes *routes;   /* borrowed until the next resolver_reload, or the end */
};

#define RESOLVER_KNOWN_MAX 1024   /* answers that are kept; beyond it the one longest unused is dropped */
#define RESOLVER_WAITING_MAX 8192 /* requests that wait for an answer; beyond: ERR_BUSY */

/*
 * Called in the loop, once for each resolver_ask that returned ERR_AGAIN. h is valid during the call. h->count 0: why
 * is a clause that says what was asked and what came back. May call resolver_ask, but not resolver_free.
 */
typedef void (*resolver_fn)(void *arg, uint64_t id, const struct hops *h, const char *why);

/*
 * resolver_new: names is a pool of its own, because a silent name server must not hold up other work. Set *o->dns->over
 * to true before names is freed, or that waits for silent servers. resolver_free: call it after names was freed, which
 * has called back everybody who waited. NULL is ignored.
 */
struct resolver *resolver_new(struct loop *l, struct work *names, const struct resolver_options *o);
void resolver_free(struct resolver *r);

/*
 * resolver_reload: takes other options; all cached answers are dropped. Questions under way are answered, and their
 * answers not kept.
 */
void resolver_reload(struct resolver *r, const struct resolver_options *o);

/*
 * resolver_ask: where does a request to u go? u is the topmost Route or the Request-URI, a sip or sips URI; its slices
 * are not kept. large: the request has more than SIP_UDP_SAFE octets, so UDP is taken only when there is nothing else
 * or the URI demands it (RFC 3261 18.1.1).
 *
 * ERR_OK: *out is the answer, with at least one hop. ERR_AGAIN: done(arg, id, ...) is called later. ERR_BUSY: too many
 * wait. ERR_NOTFOUND: nothing leads there. ERR_UNSUPPORTED: a scheme or transport that is not served here. For the last
 * three *why is a clause, valid until the next call.
 */
MUST_USE enum err resolver_ask(struct resolver *r, const struct uri *u, bool large, struct hops *out, resolver_fn done,
			       void *arg, uint64_t id, const char **why);

#endif
