#ifndef SIP_SERVER_SERVE_H
#define SIP_SERVER_SERVE_H

#include "sip/server/ends.h"
#include "sip/server/site.h"
#include "sip/transport/peer.h"

/*
 * The running server: the site of a domain with its store, its listeners, and the signals that end it. What an
 * administrator asks of it is in operate.h.
 */
struct serve;

/*
 * serve_new: builds and starts everything; requests are accepted afterwards. config is taken in either case. overrides:
 * as for config_load, for reloads; borrowed. taken: a clause that is told when a port is taken. false: *why is a
 * sentence, and nothing is left.
 */
MUST_USE bool serve_new(struct config *config, const char *const *overrides, const char *taken, struct serve **out,
			struct buf *why);

/* serve_ready: appends the "ready" line, with the real ports. serve_run: runs until SIGTERM or SIGINT. */
void serve_ready(const struct serve *s, struct buf *out);
void serve_run(struct serve *s);

/* serve_stop: accepts nothing more; all jobs of workers end, and their results are told. serve_free: frees the rest. */
void serve_stop(struct serve *s);
void serve_free(struct serve *s);

/*
 * serve_reload: reads the configuration and everything that it names again. true: *out has a line for each key that has
 * changed or needs a restart, and one with the number of users. false: nothing was changed, and *out says why.
 * serve_reload_users: the users alone.
 */
bool serve_reload(struct serve *s, struct buf *out);
bool serve_reload_users(struct serve *s, struct buf *out);

/* serve_site: valid until serve_free. */
struct site *serve_site(struct serve *s);

/* What the status tells of the server itself; all of it is valid until the next reload. */
struct serve_listener {
	const char *kind; /* "udp", "tcp", "tls", "https", "http" */
	struct peer at;   /* with its real port */
};
unsigned serve_listeners(const struct serve *s, const struct serve_listener **list);
const struct ends *serve_ends(const struct serve *s);
int64_t serve_since(const struct serve *s); /* seconds since 1970 */

#endif
