#ifndef SIP_LOCATE_ROUTES_H
#define SIP_LOCATE_ROUTES_H

#include "sip/locate/locate.h"

/*
 * Where requests for a domain go because the configuration says so, whatever the DNS says: "tls:host:port, ...", in the
 * order in which they are to be tried.
 */
struct routes;

#define ROUTES_MAX 1000 /* domains */

struct route {
	unsigned count;
	struct locate_step steps[LOCATE_STEPS_MAX]; /* each LOCATE_HOST */
};

/*
 * route_parse: adds the comma-separated targets to *out: tls:, tcp: or udp:, a host name or address (IPv6 in brackets),
 * a port. ERR_SYNTAX; ERR_LIMIT: more than LOCATE_STEPS_MAX in all. *out is as before then.
 */
MUST_USE enum err route_parse(struct slice targets, struct route *out);

struct routes *routes_new(void);
void routes_free(struct routes *r); /* NULL is ignored */

/* routes_add: domain is a host name or an address; for one that is there already the targets go behind its own. Errors
 * as route_parse. */
MUST_USE enum err routes_add(struct routes *r, struct slice domain, struct slice targets);

/* routes_find: name as locate_name makes it; NULL: no route. */
const struct route *routes_find(const struct routes *r, const char *name);

#endif
