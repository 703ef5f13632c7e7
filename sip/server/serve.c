#include "sip/server/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"
#include "sip/server/serve_private.h"
#include "sip/identity/cert_cache.h"
#include "sip/identity/replay.h"
#include "sip/identity/verifier.h"

#define NAME_THREADS 4      /* each may wait seconds for a name server */
#define FILES_KEPT 320      /* a batch of the store (256), listeners, workers, the control socket */
#define CONNECTIONS_LEAST 8 /* also where there are hardly any descriptors */

struct loop *app_loop(struct app *a)
{
	return a->loop;
}

int app_dirfd(const struct app *a)
{
	return a->dirfd;
}

static void on_request(void *arg, struct tx *tx)
{
	struct app *a = arg;

	router_request(&a->router, tx);
}

static void on_closed(void *arg, uint64_t flow_id, const char *why)
{
	struct app *a = arg;

	(void)why;
	notifier_flow_closed(a->notifier, flow_id);
	registrar_flow_closed(a->registrar, flow_id);
}

static void on_ack(void *arg, const struct flow *from, struct sip_msg *ack)
{
	struct app *a = arg;

	router_ack(&a->router, from, ack);
}

static void on_cancel(void *arg, struct tx *tx)
{
	struct app *a = arg;

	router_cancel(&a->router, tx);
}

static const struct tx_user tx_user = {
	.on_request = on_request, .on_ack = on_ack, .on_cancel = on_cancel, .on_closed = on_closed};

/* --- starting, in this order; app_free goes back the same way --- */

static bool open_store(struct app *a, struct buf *why)
{
	uint8_t master[SEAL_KEY];
	enum err e;
	bool ok = false;

	if (!load_master(&a->config, master, why) || !load_store(&a->config, true, &a->dirfd, why))
		return false;
	e = file_lock(a->dirfd, FILE_LOCK, &a->lock);
	if (e != ERR_OK) {
		struct buf path = {0};

		config_path(&a->config, a->config.store, &path);
		buf_addf(why, "the store %s %s", path.p,
			 e == ERR_EXISTS ? "is held by another running vouch; stop that one first"
					 : "cannot be locked");
		buf_free(&path);
		goto out;
	}
	record_route_keys(slice_of(master, sizeof(master)), &a->route_keys);
	if (replay_open(a->config.limit_replays, a->dirfd, slice_of(master, sizeof(master)), loop_now_ms(a->loop),
			loop_wall_s(a->loop), &a->replay) != ERR_OK) {
		buf_addf(why, "the replay memory in %s cannot be read: %s", a->config.store, strerror(errno));
		goto out;
	}
	file_remove_temporary(a->dirfd);
	a->commit = commit_new(a->disk, a->dirfd, a->config.limit_queue);
	a->users = users_new();
	e = users_load(a->users, a->dirfd);
	if (e != ERR_OK && e != ERR_NOTFOUND && e != ERR_SYNTAX) {
		buf_addf(why, "the users in %s cannot be read: %s", a->config.store, strerror(errno));
		goto out;
	}
	if (credential_store_open(a->dirfd, a->commit, master, &a->store, why) != ERR_OK) {
		if (why->n == 0)
			buf_addf(why, "the credentials in %s cannot be read: %s", a->config.store, strerror(errno));
		goto out;
	}
	ok = true;
out:
	mem_wipe(master, sizeof(master));
	return ok;
}

static bool load_keys(struct app *a, struct buf *why)
{
	int64_t now = loop_wall_s(a->loop);
	struct tls_pair tls = {0};
	struct buf base = {0};
	bool ok;

	load_identity_base(&a->config, &base);
	ok = load_identity(&a->config, base.p, a->workers, now, a->certs, why) &&
	     load_tls(&a->config, a->trust, a->workers, now, &tls, why);
	buf_free(&base);
	a->server_tls = tls.server;
	a->client_tls = tls.client;
	return ok;
}

static bool cannot_listen(const char *key, struct slice at, struct buf *why)
{
	buf_addf(why, "server.%s: cannot listen on %.*s: %s%s", key, SLICE_ARG(at), strerror(errno),
		 errno == EADDRINUSE ? "; another program has the port" : "");
	return false;
}

/* The i-th address of a listen key; the configuration has checked them. */
static bool next_address(const char *value, unsigned i, struct slice *at, struct peer *p)
{
	return config_list(value, i, at) && peer_parse(*at, p);
}

static bool listen_sip(struct app *a, enum proto proto, const char *key, const char *value, struct peer *first,
		       struct buf *why)
{
	struct slice at;
	struct peer p;

	for (unsigned i = 0; next_address(value, i, &at, &p); i++) {
		if (proto == PROTO_TLS && a->server_tls == NULL) {
			buf_addf(why, "server.%s needs tls.certificate and tls.key", key);
			return false;
		}
		if (transport_listen(a->transport, proto, &p, a->server_tls) != ERR_OK)
			return cannot_listen(key, at, why);
		if (i == 0 && first != NULL)
			*first = p;
	}
	return true;
}

static bool listen_web(struct app *a, const char *key, const char *value, bool tls, struct buf *why)
{
	struct stream_listener *l;
	struct slice at;
	struct peer p;

	for (unsigned i = 0; next_address(value, i, &at, &p); i++) {
		if (tls && a->server_tls == NULL) {
			buf_addf(why, "server.%s needs tls.certificate and tls.key", key);
			return false;
		}
		if (stream_listen(a->streams, &p, tls ? a->server_tls : NULL, &web_user, a->web, &l) != ERR_OK)
			return cannot_listen(key, at, why);
		if (i == 0 && tls)
			a->https = p;
		if (tls)
			a->web_tls[a->web_tls_count++] = l;
	}
	return true;
}

static bool listen_all(struct app *a, struct buf *why)
{
	const struct config *c = &a->config;

	return listen_sip(a, PROTO_UDP, "listen-udp", c->listen_udp, &a->sip, why) &&
	       listen_sip(a, PROTO_TCP, "listen-tcp", c->listen_tcp, NULL, why) &&
	       listen_sip(a, PROTO_TLS, "listen-tls", c->listen_tls, &a->tls, why) &&
	       listen_web(a, "listen-https", c->listen_https, true, why) &&
	       listen_web(a, "listen-http", c->listen_http, false, why);
}

/* A transport with a listener can be used: answers, and requests back, come by it. */
static unsigned listener_protos(const struct config *c)
{
	return (c->listen_udp[0] != '\0' ? PROTO_BIT(PROTO_UDP) : 0) |
	       (c->listen_tcp[0] != '\0' ? PROTO_BIT(PROTO_TCP) : 0) |
	       (c->listen_tls[0] != '\0' ? PROTO_BIT(PROTO_TLS) : 0);
}

bool app_fetch_rules(struct app *a, struct buf *why)
{
	a->dns = (struct dns_servers){0};
	if (a->config.dns[0] != '\0' && !dns_servers_list(slice_str(a->config.dns), &a->dns)) {
		buf_adds(why, "server.dns cannot be read");
		return false;
	}
	a->dns.over = &a->over;
	return load_reach(&a->config, &a->reach, why);
}

struct resolver_options app_resolver_options(const struct app *a, const struct config *c)
{
	return (struct resolver_options){.dns = c->dns, .protos = a->protos, .routes = load_routes(c)};
}

static void build_layers(struct app *a)
{
	const struct config *c = &a->config;
	const struct auth_options auth = {.realm = c->domain,
					  .sha256 = c->digest_sha256,
					  .md5 = c->digest_md5,
					  .nonce_lifetime_s = c->digest_nonce_lifetime,
					  .guesses_per_minute = c->digest_guesses};
	const struct stream_limits limits = {.connections = c->limit_connections,
					     .per_source = c->limit_connections_per_source,
					     .handshake_ms = c->limit_handshake_timeout * 1000,
					     .first_ms = c->limit_first_message_timeout * 1000,
					     .message_ms = c->limit_message_timeout * 1000,
					     .idle_ms = c->limit_idle_timeout * 1000,
					     .kept_idle_ms = c->limit_kept_idle_timeout * 1000,
					     .handshakes = c->limit_handshakes,
					     .handshakes_per_source = c->limit_handshakes_per_source,
					     .rsa_failures = c->limit_rsa_failures};

	struct resolver_options names;

	a->protos = listener_protos(c);
	names = app_resolver_options(a, c);
	a->auth = auth_new(a->loop, &auth, a->users);
	a->signer = signer_new(a->work, a->certs, c->identity_alg == ALG_RSA_SHA1 ? HASH_SHA1 : HASH_SHA256);
	a->web = web_new(a->loop, a->certs);
	a->streams = streams_new(a->loop, a->work, a->workers, &limits);
	a->transactions = tx_layer_new(a->loop, c->limit_transactions, &tx_user, a);
	a->transport = transport_new(a->loop, a->streams, c->limit_message, &tx_transport_user, a->transactions);
	tx_layer_attach(a->transactions, a->transport);
	a->resolver = resolver_new(a->loop, a->names, &names);
	a->verifier = verifier_new(&(struct verifier_deps){.fetch = {.loop = a->loop,
								     .work = a->fetch_names,
								     .streams = a->streams,
								     .tls = a->client_tls,
								     .reach = &a->reach,
								     .dns = &a->dns},
							   .work = a->work,
							   .checking_max = c->limit_queue / 2 + 1,
							   .trust = a->trust,
							   .date_skew_s = c->identity_date_skew,
							   .wildcard = c->identity_wildcard,
							   .replay = a->replay});
}

static bool build_services(struct app *a, struct buf *why)
{
	const struct access access = {.config = &a->config, .auth = a->auth};
	const struct credentials_deps credentials = {
		.loop = a->loop, .transactions = a->transactions, .access = access, .store = a->store, .work = a->work};
	const struct notifier_deps notifier = {.loop = a->loop,
					       .transactions = a->transactions,
					       .transport = a->transport,
					       .client_tls = a->client_tls,
					       .signer = a->signer,
					       .signing_max = 8 * a->workers,
					       .backlog_max = a->config.limit_queue,
					       .access = access,
					       .commit = a->commit,
					       .dirfd = a->dirfd,
					       .source = &credentials_source};
	const struct registrar_deps registrar = {
		.loop = a->loop, .transport = a->transport, .access = access, .commit = a->commit, .dirfd = a->dirfd};
	struct notifier_deps with_source = notifier;

	a->credentials = credentials_new(&credentials);
	with_source.source_arg = a->credentials;
	if (notifier_new(&with_source, &a->notifier) != ERR_OK) {
		buf_addf(why, "the subscriptions in %s cannot be read: %s", a->config.store, strerror(errno));
		return false;
	}
	if (registrar_new(&registrar, &a->registrar) != ERR_OK) {
		buf_addf(why, "the registrations in %s cannot be read: %s", a->config.store, strerror(errno));
		return false;
	}
	credentials_attach(a->credentials, a->notifier);
	a->proxy = proxy_new(&(struct proxy_deps){.loop = a->loop,
						  .transactions = a->transactions,
						  .transport = a->transport,
						  .client_tls = a->client_tls,
						  .resolver = a->resolver,
						  .registrar = a->registrar,
						  .access = access,
						  .keys = a->route_keys,
						  .signer = a->signer,
						  .signing_max = a->config.limit_queue / 2 + 1,
						  .verifier = a->verifier,
						  .replay = a->replay});
	a->router = (struct router){.domain = a->config.domain,
				    .credentials = a->credentials,
				    .notifier = a->notifier,
				    .registrar = a->registrar,
				    .proxy = a->proxy};
	return true;
}

static void on_hangup(void *arg)
{
	struct buf out = {0};

	app_reload(arg, &out);
	buf_free(&out);
}

static void on_stop(void *arg)
{
	struct app *a = arg;

	loop_stop(a->loop);
}

/* security.md 4.1: no core file, no debugger: memory holds keys. */
static void harden(void)
{
	const struct rlimit none = {0, 0};

	umask(077);
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	signal(SIGPIPE, SIG_IGN);
}

/* Connections must not take the descriptors that the store and the control socket need: a PUBLISH would be 500. */
static void reserve_files(struct config *c)
{
	struct rlimit files;
	rlim_t room = FILES_KEPT + CONNECTIONS_LEAST;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) != 0 && getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	if (files.rlim_cur > room)
		room = files.rlim_cur;
	if (c->limit_connections <= room - FILES_KEPT)
		return;
	c->limit_connections = (uint32_t)(room - FILES_KEPT);
	log_line(LOG_WARN, "event=connections_limited connections=%u files=%llu", c->limit_connections,
		 (unsigned long long)files.rlim_cur);
}

static bool start(struct app *a, struct buf *why)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	harden();
	log_set((enum log_level)a->config.log_level);
	reserve_files(&a->config);
	if (!load_rules(&a->config, why) || !app_fetch_rules(a, why))
		return false;
	a->workers = a->config.workers != 0 ? a->config.workers : cores > 0 ? (unsigned)cores : 1;
	a->loop = loop_new();
	a->work = work_new(a->loop, a->workers, a->config.limit_queue, 5);
	a->disk = work_new(a->loop, 1, 4, 0);
	a->names = work_new(a->loop, NAME_THREADS, a->config.limit_queue, 0);
	a->fetch_names = work_new(a->loop, CACHE_FETCHES, CACHE_FETCHES, 0);
	a->certs = domain_certs_new();
	if (!load_trust(&a->config, &a->trust, why) || !load_keys(a, why) || !open_store(a, why))
		return false;
	build_layers(a);
	if (!listen_all(a, why) || !build_services(a, why))
		return false;
	if (!control_open(a, a->dirfd, &a->config, &a->control, why))
		return false;
	if (loop_signal(a->loop, SIGTERM, on_stop, a) != ERR_OK || loop_signal(a->loop, SIGINT, on_stop, a) != ERR_OK ||
	    loop_signal(a->loop, SIGHUP, on_hangup, a) != ERR_OK) {
		buf_adds(why, "signals cannot be handled");
		return false;
	}
	return true;
}

bool app_new(struct config *config, const char *const *overrides, struct app **out, struct buf *why)
{
	struct app *a = mem_alloc(sizeof(*a));

	a->config = *config;
	*config = (struct config){0};
	a->overrides = overrides;
	a->dirfd = a->lock = -1;
	if (!start(a, why)) {
		app_free(a);
		return false;
	}
	*out = a;
	return true;
}

void app_free(struct app *a)
{
	if (a->streams != NULL)
		stream_stop_listening(a->streams);
	resolver_stop(a->resolver);
	atomic_store(&a->over, true);
	/* All jobs end first: what they belong to, and the other pools, are still there for their done(). */
	work_stop(a->work);
	work_stop(a->disk);
	work_stop(a->names);
	work_stop(a->fetch_names);
	work_free(a->work);
	work_free(a->disk);
	work_free(a->names);
	work_free(a->fetch_names);
	control_free(a->control);
	notifier_free(a->notifier);
	proxy_free(a->proxy);
	record_route_keys_drop(&a->route_keys);
	registrar_free(a->registrar);
	credentials_free(a->credentials);
	tx_layer_free(a->transactions);
	resolver_free(a->resolver);
	streams_free(a->streams);
	transport_free(a->transport);
	verifier_free(a->verifier);
	replay_free(a->replay);
	web_free(a->web);
	signer_free(a->signer);
	auth_free(a->auth);
	credential_store_free(a->store);
	users_free(a->users);
	commit_free(a->commit);
	domain_certs_free(a->certs);
	if (a->server_tls != NULL)
		tls_config_unref(a->server_tls);
	if (a->client_tls != NULL)
		tls_config_unref(a->client_tls);
	trust_unref(a->trust);
	if (a->loop != NULL)
		loop_free(a->loop);
	if (a->lock >= 0)
		close(a->lock);
	if (a->dirfd >= 0)
		close(a->dirfd);
	config_free(&a->config);
	mem_free(a);
}

void app_run(struct app *a)
{
	loop_run(a->loop);
}

void app_ready(const struct app *a, struct buf *out)
{
	buf_addf(out, "ready sip=%s", a->sip.u.sa.sa_family == 0 ? "-" : peer_text(&a->sip).text);
	buf_addf(out, " tls=%s", a->tls.u.sa.sa_family == 0 ? "-" : peer_text(&a->tls).text);
	buf_addf(out, " https=%s", a->https.u.sa.sa_family == 0 ? "-" : peer_text(&a->https).text);
	buf_addf(out, " domain=%s\n", a->config.domain);
}
