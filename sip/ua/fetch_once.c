#include "sip/ua/fetch_once.h"

#include <signal.h>

#include "core/log.h"
#include "sip/identity/fetch.h"

/* A loop, workers and streams for one fetch. */

struct once {
	struct timer *end;
	struct buf *body, *why;
	struct loop *loop;
};

static void on_end(void *arg)
{
	const struct once *o = arg;

	loop_stop(o->loop);
}

static void on_fetched(void *arg, struct slice body, const char *why)
{
	struct once *o = arg;

	if (body.n > 0)
		buf_add(o->body, body);
	else
		buf_adds(o->why, why != NULL ? why : "the answer is empty");
	timer_start(o->end, 0); /* the loop ends in the next turn, because the connection ends in this one */
}

bool fetch_once(struct slice url, struct trust *trust, const struct reach *reach, struct buf *body, struct buf *why)
{
	static const struct stream_limits limits = {.connections = 16,
						    .per_source = 16,
						    .handshake_ms = FETCH_MS,
						    .first_ms = FETCH_MS,
						    .message_ms = FETCH_MS,
						    .idle_ms = FETCH_MS,
						    .kept_idle_ms = FETCH_MS};
	const struct tls_params params = {.static_rsa = true, .slots = 1, .trust = trust};
	struct once o = {.body = body, .why = why};
	struct settings settings = {.fetch_reach = *reach, .trust = trust_ref(trust)};
	struct fetch_deps deps = {.settings = &settings};
	size_t before = body->n;

	if (tls_config_new(&params, &settings.client_tls) != ERR_OK) {
		settings_drop(&settings);
		buf_adds(why, "the TLS library refuses the client configuration");
		return false;
	}
	signal(SIGPIPE, SIG_IGN);
	log_set(LOG_ERROR);
	o.loop = deps.loop = loop_new();
	o.end = timer_new(o.loop, on_end, &o);
	deps.work = work_new(o.loop, 1, 4, 0);
	deps.streams = streams_new(o.loop, deps.work, 1, &limits);
	fetch_start(&deps, url, on_fetched, &o);
	loop_run(o.loop);
	work_free(deps.work);
	streams_free(deps.streams);
	timer_free(o.end);
	loop_free(o.loop);
	settings_drop(&settings);
	return body->n > before;
}
