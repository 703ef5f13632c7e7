#include "sip/server/site.h"

#include <errno.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "sip/identity/cert_cache.h"
#include "sip/identity/replay.h"
#include "sip/identity/verifier.h"
#include "sip/identity/web.h"

/*
 * The order of beginning is from the bottom up: pools of workers, the store, transport and transactions, services,
 * router. A part gets pointers only to parts that exist already; notifier and credentials need each other, so
 * credentials_attach closes that circle. The order of ending is explained at site_stop and site_free.
 */

#define NAME_THREADS 4     /* threads; each may wait for seconds for a name server */
#define NICENESS 5         /* of the workers: the loop goes first */
#define SIGNING_A_WORKER 8 /* NOTIFYs at the signer: enough to keep a worker busy, too few to fill its queue */
#define DISK_QUEUE 4       /* jobs; each writes a batch, so few are enough */

/* --- what the transactions hand up --- */

static void on_request(void *arg, struct tx *tx)
{
	struct site *s = arg;

	router_request(&s->router, tx);
}

static void on_ack(void *arg, const struct flow *from, struct sip_msg *ack)
{
	struct site *s = arg;

	router_ack(&s->router, from, ack);
}

static void on_cancel(void *arg, struct tx *tx)
{
	struct site *s = arg;

	router_cancel(&s->router, tx);
}

/* The services that depend on a connection. Transactions have been told before (tx_user). */
static void on_closed(void *arg, uint64_t flow_id, const char *why)
{
	struct site *s = arg;

	(void)why;
	notifier_flow_closed(s->notifier, flow_id);
	registrar_flow_closed(s->registrar, flow_id);
}

static const struct tx_user tx_user = {
	.on_request = on_request, .on_ack = on_ack, .on_cancel = on_cancel, .on_closed = on_closed};

/* --- the beginning --- */

/* open_store: what the store needs before any service: the memory of replays, no torn files, the credentials. */
static bool open_store(struct site *s, const struct site_deps *deps, struct buf *why)
{
	const struct config *c = &s->settings->config;
	struct slice master = slice_of(deps->master, SEAL_KEY);

	if (replay_open(c->limit_replays, s->dirfd, master, loop_now_ms(s->loop), loop_wall_s(s->loop), &s->replay) !=
	    ERR_OK) {
		buf_addf(why, "the replay memory in %s cannot be read: %s", c->store, strerror(errno));
		return false;
	}
	file_remove_temporary(s->dirfd);
	s->commit = commit_new(s->disk, s->dirfd, c->limit_queue);
	if (credential_store_open(s->dirfd, s->commit, deps->master, &s->store, why) == ERR_OK)
		return true;
	if (why->n == 0)
		buf_addf(why, "the credentials in %s cannot be read: %s", c->store, strerror(errno));
	return false;
}

static struct stream_limits limits_of(const struct config *c)
{
	return (struct stream_limits){.connections = c->limit_connections,
				      .per_source = c->limit_connections_per_source,
				      .handshake_ms = c->limit_handshake_timeout * 1000,
				      .first_ms = c->limit_first_message_timeout * 1000,
				      .message_ms = c->limit_message_timeout * 1000,
				      .idle_ms = c->limit_idle_timeout * 1000,
				      .kept_idle_ms = c->limit_kept_idle_timeout * 1000,
				      .handshakes = c->limit_handshakes,
				      .handshakes_per_source = c->limit_handshakes_per_source,
				      .rsa_failures = c->limit_rsa_failures};
}

/* listener_protos: only a transport with a listener can be used, because requests of the other side come back by it. */
static unsigned listener_protos(const struct config *c)
{
	return (c->listen_udp[0] != '\0' ? PROTO_BIT(PROTO_UDP) : 0) |
	       (c->listen_tcp[0] != '\0' ? PROTO_BIT(PROTO_TCP) : 0) |
	       (c->listen_tls[0] != '\0' ? PROTO_BIT(PROTO_TLS) : 0);
}

static struct resolver_options names_of(const struct site *s)
{
	return (struct resolver_options){.dns = &s->settings->dns, .protos = s->protos, .routes = s->settings->routes};
}

static void build_layers(struct site *s, const struct site_deps *deps)
{
	const struct config *c = &s->settings->config;
	const struct stream_limits limits = limits_of(c);
	struct resolver_options names;

	s->streams = streams_new(s->loop, s->work, deps->workers, &limits);
	s->transactions = tx_layer_new(s->loop, c->limit_transactions, &tx_user, s);
	s->transport = transport_new(s->loop, s->streams, c->limit_message, &tx_transport_user, s->transactions);
	tx_layer_attach(s->transactions, s->transport);
	s->protos = listener_protos(c);
	names = names_of(s);
	s->resolver = resolver_new(s->loop, s->names, &names);
	s->auth = auth_new(s->loop, s->settings);
	s->signer = signer_new(s->work, deps->certs, s->settings);
	s->web = web_new(s->loop, deps->certs);
	s->verifier = verifier_new(&(struct verifier_deps){
		.fetch = {.loop = s->loop, .work = s->fetch_names, .streams = s->streams, .settings = s->settings},
		.work = s->work,
		.checking_max = c->limit_queue / 2 + 1,
		.replay = s->replay});
}

static bool build_services(struct site *s, const struct site_deps *deps, struct buf *why)
{
	const struct config *c = &s->settings->config;
	const struct access access = {
		.settings = s->settings, .auth = s->auth, .loop = s->loop, .transport = s->transport};

	s->credentials = credentials_new(&(struct credentials_deps){.loop = s->loop,
								    .transactions = s->transactions,
								    .access = access,
								    .store = s->store,
								    .work = s->work});
	if (notifier_new(&(struct notifier_deps){.loop = s->loop,
						 .transactions = s->transactions,
						 .transport = s->transport,
						 .resolver = s->resolver,
						 .signer = s->signer,
						 .signing_max = SIGNING_A_WORKER * deps->workers,
						 .backlog_max = c->limit_queue,
						 .access = access,
						 .commit = s->commit,
						 .dirfd = s->dirfd,
						 .source = &credentials_source,
						 .source_arg = s->credentials},
			 &s->notifier) != ERR_OK) {
		buf_addf(why, "the subscriptions in %s cannot be read: %s", c->store, strerror(errno));
		return false;
	}
	credentials_attach(s->credentials, s->notifier);
	if (registrar_new(&(struct registrar_deps){.loop = s->loop,
						   .transport = s->transport,
						   .access = access,
						   .commit = s->commit,
						   .dirfd = s->dirfd},
			  &s->registrar) != ERR_OK) {
		buf_addf(why, "the registrations in %s cannot be read: %s", c->store, strerror(errno));
		return false;
	}
	registrar_enforce(s->registrar);
	record_route_keys(slice_of(deps->master, SEAL_KEY), &s->route_keys);
	s->proxy = proxy_new(&(struct proxy_deps){.loop = s->loop,
						  .transactions = s->transactions,
						  .transport = s->transport,
						  .resolver = s->resolver,
						  .registrar = s->registrar,
						  .access = access,
						  .keys = s->route_keys,
						  .signer = s->signer,
						  .signing_max = c->limit_queue / 2 + 1,
						  .verifier = s->verifier,
						  .replay = s->replay});
	auth_announce(s->auth);
	s->domain = mem_strdup(c->domain);
	s->router = (struct router){.settings = s->settings,
				    .credentials = s->credentials,
				    .notifier = s->notifier,
				    .registrar = s->registrar,
				    .proxy = s->proxy,
				    .transport = s->transport,
				    .domain = s->domain};
	return true;
}

bool site_new(const struct site_deps *deps, struct site **out, struct buf *why)
{
	struct site *s = mem_alloc(sizeof(*s));
	uint32_t queue = deps->settings->config.limit_queue;

	s->loop = deps->loop;
	s->settings = deps->settings;
	s->dirfd = deps->dirfd;
	atomic_init(&s->over, false);
	s->settings->dns.over = &s->over;
	s->work = work_new(s->loop, deps->workers, queue, NICENESS);
	s->disk = work_new(s->loop, 1, DISK_QUEUE, 0);
	s->names = work_new(s->loop, NAME_THREADS, queue, 0);
	s->fetch_names = work_new(s->loop, CACHE_FETCHES, CACHE_FETCHES, 0);
	if (open_store(s, deps, why)) {
		build_layers(s, deps);
		if (build_services(s, deps, why)) {
			*out = s;
			return true;
		}
	}
	site_free(s);
	return false;
}

/* --- the end --- */

/*
 * All pools stop before the first one is freed, because a result of one may be a job for another. Afterwards nothing
 * calls a service from below any more.
 */
void site_stop(struct site *s)
{
	struct work *pools[4];

	if (s == NULL || s->work == NULL)
		return;
	pools[0] = s->work;
	pools[1] = s->disk;
	pools[2] = s->names;
	pools[3] = s->fetch_names;
	if (s->streams != NULL)
		stream_stop_listening(s->streams);
	atomic_store(&s->over, true);
	for (unsigned i = 0; i < 4; i++)
		work_stop(pools[i]);
	for (unsigned i = 0; i < 4; i++)
		work_free(pools[i]);
	s->work = s->disk = s->names = s->fetch_names = NULL;
}

/*
 * The order of ending, described here only. Services forget their transactions and let go of their connections, so they
 * end before these layers. The layers end from the top down. A fetch of the verifier holds a connection, so the
 * verifier ends after the streams have closed it. Signer, digest and store are only called, and call nobody, so they
 * end last.
 */
void site_free(struct site *s)
{
	if (s == NULL)
		return;
	site_stop(s);
	notifier_free(s->notifier);
	proxy_free(s->proxy);
	record_route_keys_drop(&s->route_keys);
	registrar_free(s->registrar);
	credentials_free(s->credentials);
	tx_layer_free(s->transactions);
	resolver_free(s->resolver);
	streams_free(s->streams);
	transport_free(s->transport);
	verifier_free(s->verifier);
	replay_free(s->replay);
	web_free(s->web);
	signer_free(s->signer);
	auth_free(s->auth);
	credential_store_free(s->store);
	commit_free(s->commit);
	mem_free(s->domain);
	mem_free(s);
}

/* --- other settings --- */

/* Compares two tables of users; next is the new one. */
struct comparison {
	struct site *site;
	const struct users *next;
};

static void compare_user(void *arg, const struct user *u)
{
	const struct comparison *c = arg;
	const struct user *next = users_find(c->next, slice_str(u->aor));

	if (next == NULL || next->secret != u->secret) {
		notifier_deactivate(c->site->notifier, slice_str(u->aor));
		registrar_forget(c->site->registrar, slice_str(u->aor));
		proxy_forget(c->site->proxy, slice_str(u->aor));
	}
	/* T-48: also when there is another user of that name already. */
	if (next == NULL || next->account != u->account)
		credentials_gone(c->site->credentials, slice_str(u->aor));
}

/* The new table is in the settings already: what is ended here asks about its user there. */
static void compare_users(struct site *s, const struct users *old)
{
	users_each(old, compare_user, &(struct comparison){.site = s, .next = s->settings->users});
}

void site_take_users(struct site *s, struct users *next)
{
	struct users *old = s->settings->users;

	s->settings->users = next;
	compare_users(s, old);
	users_free(old);
}

void site_take(struct site *s, struct settings *next)
{
	struct resolver_options names;

	if (next->server_tls == NULL && s->settings->server_tls != NULL)
		tls_config_ref(next->server_tls = s->settings->server_tls);
	next->dns.over = &s->over;
	settings_swap(s->settings, next);
	names = names_of(s);
	resolver_reload(s->resolver, &names);
	if (s->settings->server_tls != NULL)
		transport_tls(s->transport, s->settings->server_tls);
	compare_users(s, next->users);
	notifier_enforce(s->notifier);
}
