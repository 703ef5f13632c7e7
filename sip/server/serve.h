#ifndef SIP_SERVER_SERVE_H
#define SIP_SERVER_SERVE_H

#include "sip/server/site.h"

/*
 * The running server: the site of a domain with its store, its listeners and the signals that end it. What an
 * administrator asks of it is operate.h.
 */
struct serve;

/*
 * serve_new: config is taken in any case. overrides: as config_load has them, for reloading; kept. Nothing is left
 * half-started when it says false, and *why is one sentence then.
 */
MUST_USE bool serve_new(struct config *config, const char *const *overrides, struct serve **out, struct buf *why);

/* serve_ready: appends the line that says the real ports. serve_run: returns after SIGTERM or SIGINT. */
void serve_ready(const struct serve *s, struct buf *out);
void serve_run(struct serve *s);

/* serve_stop: no new work, and every result is told. serve_free: the rest. */
void serve_stop(struct serve *s);
void serve_free(struct serve *s);

/*
 * serve_reload: reads the configuration and everything that it names again. A wrong file changes nothing, and *out says
 * why; else *out says what has changed and what needs a restart, a line each. serve_reload_users: the users alone.
 */
bool serve_reload(struct serve *s, struct buf *out);
bool serve_reload_users(struct serve *s, struct buf *out);

struct site *serve_site(struct serve *s);

#endif
