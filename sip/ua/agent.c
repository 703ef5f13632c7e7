#include "sip/ua/agent_private.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "sip/identity/replay.h"
#include "sip/trace.h"
#include "store/named.h"

/*
 * The way of a request (struct call):
 *
 *   agent_request -> (waiting) find_server -> connect_now -> transmit -> on_answer -> done
 *                                                 ^              ^           |
 *                                                 |              +-----------+ challenge, answered
 *                                                 +-- on_closed: the next address, while the server has said nothing
 *
 * There is one connection at a time. Digest nonces are bound to it, so what is known of them goes with it.
 */

#define WORKERS 2         /* threads: one may wait for the DNS while another one checks a signature */
#define QUEUE 16          /* jobs */
#define MESSAGE_MAX 65536 /* octets of one message */
#define CA_MAX (4u << 20) /* octets of the file of CAs */
#define DATE_SKEW_S 3600  /* RFC 4474 13.1 */
#define REPLAY_MAX 65536  /* NOTIFYs that are remembered, for the whole run */
#define END_MS 2000       /* the longest that closing the connection may take, in milliseconds */

/* --- the connection --- */

/*
 * is_silence: is this what comes of TLS on a port of plain TCP? The server waits there for the rest of a message, and
 * closes when it has waited long enough, or we do.
 */
static bool is_silence(const char *why)
{
	return strcmp(why, "closed by the peer") == 0 || strcmp(why, "the TLS handshake took too long") == 0;
}

/* no_connection: fails the calls with "no connection to tls:192.0.2.1:5061 for example.com: WHY". */
static void no_connection(struct agent *a, const char *why)
{
	unsigned last = a->target < a->targets.count ? a->target : a->targets.count - 1;
	struct buf text = {0};

	bool silent = !a->spoke && a->account->proto == PROTO_TLS && is_silence(why);

	buf_addf(&text, "%s to %s:%s for %.*s%s: %s%s", a->spoke ? "the connection" : "no connection",
		 a->account->proto == PROTO_TLS ? "tls" : "tcp", peer_text(&a->targets.peers[last]).text,
		 SLICE_ARG(a->account->domain), a->spoke ? " ended" : "", why,
		 silent ? "; is that a port for TLS?" : "");
	call_fail_all(a, text.p);
	buf_free(&text);
}

/* connect_now: a new connection to the current address, or to the next one that can be tried. */
static void connect_now(struct agent *a)
{
	const struct account *acc = a->account;
	bool tls = acc->proto == PROTO_TLS;
	enum err e;

	call_forget_answers(a);
	a->spoke = false;
	for (;; a->target++) {
		e = transport_connect(a->transport, acc->proto, &a->targets.peers[a->target],
				      tls ? a->settings.client_tls : NULL, tls ? acc->domain : SLICE_NONE, &a->flow);
		if (e == ERR_OK || a->target + 1 >= a->targets.count)
			break;
	}
	if (e == ERR_OK) {
		/* The user has chosen this server; what other domains name there must not be nearer to him. */
		reach_no_nearer(&a->targets.peers[a->target], &a->settings.fetch_reach);
		call_send_all(a);
		return;
	}
	a->flow = (struct flow){0};
	no_connection(a, e == ERR_IO ? strerror(errno) : err_str(e));
}

static void on_resolved(void *arg, const struct resolved *r, const char *why)
{
	struct agent *a = arg;

	a->resolving = false;
	a->targets = *r;
	a->target = 0;
	if (r->count > 0)
		connect_now(a);
	else
		call_fail_all(a, why);
}

/* find_server: deferred by agent_request, so that a failure never calls done within it. */
static void find_server(void *arg)
{
	struct agent *a = arg;
	const struct account *acc = a->account;
	struct resolved r = {.count = 1};
	enum err e;

	if (acc->has_server && peer_of(slice_str(acc->host), acc->port, &r.peers[0])) {
		on_resolved(a, &r, NULL);
		return;
	}
	e = acc->has_server ? resolve_host(a->work, &a->settings.dns, slice_str(acc->host), acc->port, on_resolved, a)
			    : resolve_sips(a->work, &a->settings.dns, acc->domain, on_resolved, a);
	if (e != ERR_OK)
		on_resolved(a, &(struct resolved){0}, "the name of the server is no DNS name");
}

void agent_request(struct agent *a, const struct agent_request *r)
{
	struct call *c = call_new(a, r);

	if (a->flow.id != 0 && transport_alive(a->transport, &a->flow)) {
		call_transmit(c);
		return;
	}
	c->waiting = true;
	if (!a->resolving) {
		a->resolving = true;
		loop_defer(a->loop, find_server, a);
	}
}

/*
 * on_closed: the connection is over. If the server never answered on it, the next address is tried (RFC 3263 4.3);
 * otherwise the requests fail, since the server may have acted on them.
 */
static void on_closed(void *arg, uint64_t flow_id, const char *why)
{
	struct agent *a = arg;
	bool had_calls = call_any_lost(a);

	if (flow_id != a->flow.id)
		return;
	a->flow = (struct flow){0};
	if (a->ending != NULL) {
		loop_stop(a->loop);
		return;
	}
	if (!had_calls && a->user->on_lost != NULL)
		a->user->on_lost(a->arg, why);
	else if (!a->spoke && ++a->target < a->targets.count)
		connect_now(a); /* RFC 3263 4.3 */
	else
		no_connection(a, why);
}

/* --- requests from the server --- */

static void on_request(void *arg, struct tx *tx)
{
	struct agent *a = arg;

	if (tx_merged(tx))
		tx_reply_code(tx, 482, NULL);
	else if (tx_request(tx)->method == METHOD_NOTIFY)
		a->user->on_request(a->arg, tx);
	else if (tx_request(tx)->method == METHOD_OPTIONS)
		tx_reply(tx, &(struct build_reply){.code = 200, .headers = S("Allow: NOTIFY, OPTIONS\r\n")});
	else
		tx_reply(tx, &(struct build_reply){.code = 405, .headers = S("Allow: NOTIFY, OPTIONS\r\n")});
}

static const struct tx_user tx_user = {.on_request = on_request, .on_closed = on_closed};

/* --- life --- */

/* SIGHUP comes when the terminal is gone. nohup has it ignored. */
static bool is_hangup_meant(void)
{
	struct sigaction now;

	return sigaction(SIGHUP, NULL, &now) == 0 && now.sa_handler != SIG_IGN;
}

static void on_signal(void *arg)
{
	struct agent *a = arg;

	if (a->ending != NULL)
		return;
	/* A second signal ends the program at once: a look-up in the DNS cannot be interrupted. */
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	if (a->user != NULL && a->user->on_stop != NULL)
		a->user->on_stop(a->arg);
	else
		agent_finish(a, 3);
}

static bool load_anchors(struct agent *a, struct buf *why)
{
	struct buf pem = {0};
	size_t count = 0;
	bool ok;

	a->settings.trust = trust_new();
	ok = named_guarded(a->account->ca, why) && named_read(a->account->ca, false, CA_MAX, &pem, why);
	if (ok && (trust_add_pem(a->settings.trust, buf_slice(&pem), &count) != ERR_OK || count == 0)) {
		buf_addf(why, "%s: %s has no certificates that can be read; expected PEM", a->account->file,
			 a->account->ca);
		ok = false;
	}
	buf_free(&pem);
	return ok;
}

static bool build(struct agent *a, struct buf *why)
{
	static const struct stream_limits limits = {.connections = 16,
						    .per_source = 16,
						    .handshake_ms = 10000,
						    .first_ms = 32000,
						    .message_ms = 32000,
						    .idle_ms = INT32_MAX, /* the verb decides */
						    .kept_idle_ms = INT32_MAX};
	const struct tls_params tls = {.static_rsa = true, .slots = 1, .trust = a->settings.trust};

	a->settings.config.identity_date_skew = DATE_SKEW_S;
	a->settings.config.identity_wildcard = true;
	if (tls_config_new(&tls, &a->settings.client_tls) != ERR_OK) {
		buf_adds(why, "the TLS library refuses the client configuration");
		return false;
	}
	a->streams = streams_new(a->loop, a->work, 1, &limits);
	a->transactions = tx_layer_new(a->loop, 64, &tx_user, a);
	a->transport = transport_new(a->loop, a->streams, MESSAGE_MAX, &tx_transport_user, a->transactions);
	tx_layer_attach(a->transactions, a->transport);
	a->replay = replay_new(REPLAY_MAX);
	a->verifier = verifier_new(&(struct verifier_deps){
		.fetch = {.loop = a->loop, .work = a->work, .streams = a->streams, .settings = &a->settings},
		.replay = a->replay,
		.work = a->work,
		.checking_max = QUEUE});
	if (a->options.verbose)
		transport_trace(a->transport, trace_message, NULL);
	if (loop_signal(a->loop, SIGTERM, on_signal, a) != ERR_OK ||
	    loop_signal(a->loop, SIGINT, on_signal, a) != ERR_OK ||
	    (is_hangup_meant() && loop_signal(a->loop, SIGHUP, on_signal, a) != ERR_OK)) {
		buf_adds(why, "signals cannot be handled");
		return false;
	}
	return true;
}

bool agent_new(const struct account *account, const struct agent_options *o, struct agent **out, struct buf *why)
{
	struct agent *a;

	if (account->has_server && account->proto == PROTO_UDP) {
		buf_addf(why,
			 "%s: server = udp:... is not enough: signed NOTIFYs do not fit into a datagram; use "
			 "tls:host:port",
			 account->file);
		return false;
	}
	if (o->secure && account->has_server && account->proto != PROTO_TLS) {
		buf_addf(why, "%s: private keys and passwords go over TLS only; use server = tls:host:port",
			 account->file);
		return false;
	}
	signal(SIGPIPE, SIG_IGN);
	log_set(LOG_ERROR);
	a = mem_alloc(sizeof(*a));
	a->account = account;
	a->options = *o;
	list_init(&a->calls);
	a->loop = loop_new();
	a->work = work_new(a->loop, WORKERS, QUEUE, 0);
	if (!load_anchors(a, why) || !build(a, why)) {
		agent_free(a);
		return false;
	}
	*out = a;
	return true;
}

void agent_user(struct agent *a, const struct agent_user *user, void *arg)
{
	a->user = user;
	a->arg = arg;
}

int agent_run(struct agent *a)
{
	loop_run(a->loop);
	/* From here on nothing calls back, so users may free what their callbacks use. */
	work_free(a->work);
	a->work = NULL;
	return a->code;
}

static void on_end(void *arg)
{
	struct agent *a = arg;

	loop_stop(a->loop);
}

void agent_finish(struct agent *a, int code)
{
	if (a->ending != NULL)
		return;
	a->code = code;
	a->ending = timer_new(a->loop, on_end, a);
	timer_start(a->ending, a->flow.id == 0 ? 0 : END_MS);
	if (a->flow.id != 0)
		transport_close(a->transport, &a->flow, "done");
}

void agent_free(struct agent *a)
{
	if (a->work != NULL)
		work_free(a->work);
	tx_layer_free(a->transactions);
	streams_free(a->streams);
	transport_free(a->transport);
	verifier_free(a->verifier);
	replay_free(a->replay);
	for (struct list_node *n; (n = list_first(&a->calls)) != NULL;)
		call_free(LIST_ENTRY(n, struct call, node));
	call_forget_answers(a);
	timer_free(a->ending);
	settings_drop(&a->settings);
	loop_free(a->loop);
	mem_free(a);
}

const struct account *agent_account(const struct agent *a)
{
	return a->account;
}

struct loop *agent_loop(struct agent *a)
{
	return a->loop;
}

struct tx_layer *agent_transactions(struct agent *a)
{
	return a->transactions;
}

const struct trust *agent_trust(const struct agent *a)
{
	return a->settings.trust;
}

struct verifier *agent_verifier(struct agent *a)
{
	return a->verifier;
}

bool agent_is_current(const struct agent *a, const struct tx *tx)
{
	return tx_flow(tx)->id == a->flow.id;
}
