#ifndef SIP_LOCATE_ROUTES_H
#define SIP_LOCATE_ROUTES_H

#include "sip/locate/locate.h"

/*
 * Routes of the configuration: where requests for a domain go, whatever the DNS says. A value is "tls:host:port, ...",
 * in the order to try the targets.
 */
struct routes;

#define ROUTES_MAX 1000 /* domains */

struct route {
	unsigned count;
	struct locate_step steps[LOCATE_STEPS_MAX]; /* each LOCATE_HOST */
};

/*
 * route_parse: adds the comma-separated targets to *out: tls:, tcp: or udp:, a host name or address (IPv6 in brackets),
 * a port. ERR_SYNTAX. ERR_LIMIT: more than LOCATE_STEPS_MAX in all. *out is as before then.
 */
MUST_USE enum err route_parse(struct slice targets, struct route *out);

struct routes *routes_new(void);
void routes_free(struct routes *r);

/*
 * routes_add: domain is a host name or an address. If it is there already, the targets are added behind its own. Errors
 * of route_parse; ERR_LIMIT also for more than ROUTES_MAX domains. routes_free ignores NULL.
 */
MUST_USE enum err routes_add(struct routes *r, struct slice domain, struct slice targets);

/* routes_find: the route of a name as locate_name writes it, or NULL. */
const struct route *routes_find(const struct routes *r, const char *name);

#endif
