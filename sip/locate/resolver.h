#ifndef SIP_LOCATE_RESOLVER_H
#define SIP_LOCATE_RESOLVER_H

#include "core/loop.h"
#include "core/work.h"
#include "sip/message/uri.h"
#include "sip/locate/hops.h"
#include "sip/locate/routes.h"

/*
 * The next hops of requests, RFC 3263 4: the routes of the configuration, else the DNS, whose answers are kept for as
 * long as they say. The loop never waits: questions are asked in worker threads, one for all who want the same.
 */
struct resolver;

struct resolver_options {
	const struct dns_servers *dns; /* copied; count 0: those of the system */
	unsigned protos;               /* set of PROTO_BIT: the transports that can be used */
	const struct routes *routes;   /* borrowed until the next resolver_reload, or the end */
};

#define RESOLVER_KNOWN_MAX 1024   /* answers that are kept; beyond, the one longest not asked for goes */
#define RESOLVER_WAITING_MAX 8192 /* requests that wait for an answer; beyond: ERR_BUSY */

/*
 * Called in the loop, once, for each resolver_ask that said ERR_AGAIN. h is good during the call. h->count 0: why is a
 * clause that says what was asked and what came back. May call resolver_ask, but not resolver_free.
 */
typedef void (*resolver_fn)(void *arg, uint64_t id, const struct hops *h, const char *why);

/*
 * resolver_new: names has threads of its own, because a name server that does not answer must not hold up other work.
 * Before names is freed o->dns->over should become true, or that waits for silent name servers.
 * resolver_free: after names was freed, which has called back everybody who waited. NULL is ignored.
 */
struct resolver *resolver_new(struct loop *l, struct work *names, const struct resolver_options *o);
void resolver_free(struct resolver *r);

/* resolver_reload: other options from now on; every answer that is known is forgotten. */
void resolver_reload(struct resolver *r, const struct resolver_options *o);

/*
 * resolver_ask: where a request to u goes; u is the topmost Route or the Request-URI, a sip or sips URI with slices
 * that need not outlive the call. large: it has more than SIP_UDP_SAFE octets, so that UDP is taken only when nothing
 * else is there or the URI demands it (RFC 3261 18.1.1). ERR_OK: *out is the answer, at least one hop. ERR_AGAIN:
 * done(arg, id, ...) comes later. ERR_BUSY: too many wait. ERR_NOTFOUND: nothing leads there. ERR_UNSUPPORTED: a scheme
 * or transport that is not done here. For these *why is a clause, good until the next call.
 */
MUST_USE enum err resolver_ask(struct resolver *r, const struct uri *u, bool large, struct hops *out, resolver_fn done,
			       void *arg, uint64_t id, const char **why);

#endif
