#include "sip/server/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "core/harden.h"
#include "core/log.h"
#include "core/mem.h"
#include "sip/identity/web.h"
#include "sip/server/load.h"
#include "sip/trace.h"

/*
 * The order of starting: limits, settings, domain certificate, lock of the store, users, site, listeners, signals.
 * Nothing listens before everything else is ready, and the store is not touched before its lock is held.
 */

#define CERTS_FILE "identity" /* in the store: certificates of the domain, see keep_certs */
#define CERTS_MAX (1u << 20)  /* octets of it */
#define HEAP_MS 5000          /* between looks whether the heap has grown */
#define LISTENERS (5 * CONFIG_ADDRESSES)
#define LOOK_MS (24u * 3600 * 1000) /* between two looks at the dates of the certificates */

struct serve {
	struct settings settings;
	struct ends ends;   /* of the certificates in use */
	struct timer *look; /* at them, once a day */
	int64_t since_s;    /* wall time of the start */
	const char *const *overrides;
	const char *taken; /* what to do when a port is taken */
	struct loop *loop;
	int dirfd, lock; /* the folder of the store, and its lock file */
	bool locked;     /* harden_memory: nothing goes to swap */
	struct heap_lock {
		struct timer *timer;
		void *end; /* of the heap that was locked last */
		bool known, whole;
	} heap; /* without locked: see on_heap */
	unsigned workers;
	struct domain_certs *certs;
	struct site *site;
	struct stream_listener *web_tls[CONFIG_ADDRESSES]; /* https; a reload changes their TLS */
	unsigned web_tls_count;
	struct serve_listener listeners[LISTENERS];
	unsigned listener_count;
};

/* --- listeners --- */

static bool cannot_listen(const struct serve *s, const char *key, struct slice at, struct buf *why)
{
	buf_addf(why, "server.%s: cannot listen on %.*s: %s", key, SLICE_ARG(at), strerror(errno));
	if (errno == EADDRINUSE)
		buf_addf(why, "; another program has the port: %s", s->taken);
	if (errno == EACCES)
		buf_adds(why, "; " LOAD_LOW_PORT);
	return false;
}

/* next_address: the next address of a listen key. The configuration has checked the list. */
static bool next_address(struct slice *rest, struct slice *at, struct peer *p)
{
	return slice_item(rest, at) && peer_parse(*at, p);
}

/* note_listener: with the real port, which was 0 perhaps. key: "listen-udp". */
static void note_listener(struct serve *s, const char *key, const struct peer *at)
{
	if (s->listener_count < LISTENERS)
		s->listeners[s->listener_count++] = (struct serve_listener){key + sizeof("listen-") - 1, *at};
}

static bool listen_sip(struct serve *s, enum proto proto, const char *key, const char *value, struct buf *why)
{
	struct slice rest = slice_list(slice_str(value)), at, advertised;
	struct peer p;

	while (slice_item(&rest, &at) && config_listener(at, &p, &advertised)) {
		if (advertised.n == 0)
			advertised = slice_str(s->settings.config.address);
		if (transport_listen(s->site->transport, proto, &p, advertised, s->settings.server_tls) != ERR_OK)
			return cannot_listen(s, key, at, why);
		note_listener(s, key, &p);
	}
	return true;
}

static bool listen_web(struct serve *s, const char *key, const char *value, bool tls, struct buf *why)
{
	struct stream_listener *l;
	struct slice rest = slice_list(slice_str(value)), at;
	struct peer p;

	while (next_address(&rest, &at, &p)) {
		if (stream_listen(s->site->streams, &p, tls ? s->settings.server_tls : NULL, &web_user, s->site->web,
				  &l) != ERR_OK)
			return cannot_listen(s, key, at, why);
		note_listener(s, key, &p);
		if (tls)
			s->web_tls[s->web_tls_count++] = l;
	}
	return true;
}

static bool listen_all(struct serve *s, struct buf *why)
{
	const struct config *c = &s->settings.config;

	return listen_sip(s, PROTO_UDP, "listen-udp", c->listen_udp, why) &&
	       listen_sip(s, PROTO_TCP, "listen-tcp", c->listen_tcp, why) &&
	       listen_sip(s, PROTO_TLS, "listen-tls", c->listen_tls, why) &&
	       listen_web(s, "listen-https", c->listen_https, true, why) &&
	       listen_web(s, "listen-http", c->listen_http, false, why);
}

/* --- life --- */

static void on_stop(void *arg)
{
	struct serve *s = arg;

	loop_stop(s->loop);
}

static bool build_site(struct serve *s, struct buf *why)
{
	uint8_t master[SEAL_KEY];
	bool ok = load_master(&s->settings.config, master, why);

	if (ok)
		ok = site_new(&(struct site_deps){.loop = s->loop,
						  .settings = &s->settings,
						  .certs = s->certs,
						  .dirfd = s->dirfd,
						  .master = master,
						  .workers = s->workers},
			      &s->site, why);
	mem_wipe(master, sizeof(master));
	return ok;
}

/* lock_keys: an unprivileged server may lock little; its keys and the hashes of passwords fit into it. */
static void lock_keys(struct serve *s)
{
	struct heap_lock *h = &s->heap;
	bool whole;

	if (s->locked)
		return;
	whole = harden_heap();
	h->end = sbrk(0);
	if (!h->known || whole != h->whole)
		log_line(whole ? LOG_INFO : LOG_WARN, "event=memory_%s_locked reason=the_limit_of_locked_memory_is_%s",
			 whole ? "partly" : "not", whole ? "low" : "too_low");
	h->known = true;
	h->whole = whole;
}

/* on_heap: keys that users publish pass through memory that the heap has grown by. */
static void on_heap(void *arg)
{
	struct serve *s = arg;

	if (sbrk(0) != s->heap.end)
		lock_keys(s);
	timer_start(s->heap.timer, HEAP_MS);
}

/* --- certificates that end --- */

static void log_doubt(void *arg, const struct load_doubt *d)
{
	(void)arg;
	log_line(LOG_WARN, "event=%s %s", d->event, d->details);
}

/* look: at the start, at each reload, and once a day, because the days of a certificate go by without any event. */
static void look(void *arg)
{
	struct serve *s = arg;

	load_doubts(&s->settings, &s->ends, loop_wall_s(s->loop), log_doubt, NULL);
	timer_start(s->look, LOOK_MS);
}

/*
 * keep_certs: AUT-17: who got a request that was signed with an older certificate of the domain fetches that, also when
 * this server was started again meanwhile. A store that cannot be written keeps the server from nothing.
 */
static void keep_certs(struct serve *s, bool first)
{
	struct buf was = {0}, is = {0};
	enum err e = file_read(s->dirfd, CERTS_FILE, CERTS_MAX, &was);

	if (first && e == ERR_OK)
		domain_certs_restore(s->certs, buf_slice(&was), loop_wall_s(s->loop));
	domain_certs_write(s->certs, &is);
	if (!slice_eq(buf_slice(&was), buf_slice(&is)) && file_replace(s->dirfd, CERTS_FILE, buf_slice(&is)) != ERR_OK)
		log_line(LOG_WARN, "event=store_failed file=" CERTS_FILE " reason=%s",
			 log_esc(slice_str(strerror(errno))).text);
	buf_free(&was);
	buf_free(&is);
}

/* set_log: with log.level = trace every message is shown, both ways and over TLS, too. */
static void set_log(struct serve *s)
{
	log_set((enum log_level)s->settings.config.log_level);
	transport_trace(s->site->transport, log_on(LOG_TRACE) ? trace_message : NULL, NULL);
}

/* --- the start --- */

/* start: the order is that of the comment at the top. serve_free undoes what was done when it returns false. */
static bool start(struct serve *s, struct config *config, struct buf *why)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int64_t now = loop_wall_s(s->loop);
	struct load_start loaded;

	signal(SIGPIPE, SIG_IGN);
	log_set((enum log_level)config->log_level);
	s->locked = harden_memory();
	load_limits(config);
	s->workers = config->workers != 0 ? config->workers : cores > 0 ? (unsigned)cores : 1;
	if (!load_start(config, false, s->workers, now, s->certs, &loaded, why))
		return false;
	s->settings = loaded.settings;
	s->dirfd = loaded.dirfd;
	s->lock = loaded.lock;
	s->since_s = now;
	if (!build_site(s, why) || !listen_all(s, why))
		return false;
	set_log(s);
	keep_certs(s, true);
	lock_keys(s);
	if (!s->locked) {
		s->heap.timer = timer_new(s->loop, on_heap, s);
		timer_start(s->heap.timer, HEAP_MS);
	}
	notifier_start(s->site->notifier);
	ends_read(&s->settings.config, now, &s->ends);
	look(s);
	if (loop_signal(s->loop, SIGTERM, on_stop, s) == ERR_OK && loop_signal(s->loop, SIGINT, on_stop, s) == ERR_OK)
		return true;
	buf_adds(why, "signals cannot be handled");
	return false;
}

bool serve_new(struct config *config, const char *const *overrides, const char *taken, struct serve **out,
	       struct buf *why)
{
	struct serve *s = mem_alloc(sizeof(*s));

	s->overrides = overrides;
	s->taken = taken;
	s->dirfd = s->lock = -1;
	s->loop = loop_new();
	s->look = timer_new(s->loop, look, s);
	s->certs = domain_certs_new();
	if (!start(s, config, why)) {
		serve_free(s);
		return false;
	}
	*out = s;
	return true;
}

void serve_stop(struct serve *s)
{
	site_stop(s->site);
}

void serve_free(struct serve *s)
{
	site_free(s->site);
	timer_free(s->heap.timer);
	timer_free(s->look);
	ends_drop(&s->ends);
	loop_free(s->loop); /* runs the deferred calls, which may still read settings */
	domain_certs_free(s->certs);
	settings_drop(&s->settings);
	/* The lock goes last, because another process may take the store from then on. */
	if (s->lock >= 0)
		close(s->lock);
	if (s->dirfd >= 0)
		close(s->dirfd);
	mem_free(s);
}

void serve_run(struct serve *s)
{
	loop_run(s->loop);
}

struct site *serve_site(struct serve *s)
{
	return s->site;
}

/* first: the first listener of a kind; "-": there is none. */
static struct peer_text first(const struct serve *s, const char *kind)
{
	for (unsigned i = 0; i < s->listener_count; i++)
		if (strcmp(s->listeners[i].kind, kind) == 0)
			return peer_text(&s->listeners[i].at);
	return (struct peer_text){"-"};
}

void serve_ready(const struct serve *s, struct buf *out)
{
	buf_addf(out, "ready sip=%s tls=%s https=%s domain=%s\n", first(s, "udp").text, first(s, "tls").text,
		 first(s, "https").text, s->settings.config.domain);
}

unsigned serve_listeners(const struct serve *s, const struct serve_listener **list)
{
	*list = s->listeners;
	return s->listener_count;
}

const struct ends *serve_ends(const struct serve *s)
{
	return &s->ends;
}

int64_t serve_since(const struct serve *s)
{
	return s->since_s;
}

/* --- other settings --- */

/* A line for each key whose value differs: "changed", or "needs a restart" and what still runs. */
static void report_change(void *arg, const struct config_change *c)
{
	struct slice is = c->is.n > 0 ? c->is : S("nothing"), was = c->was.n > 0 ? c->was : S("nothing");

	buf_addf(arg, "%s: %s.%s = %.*s (%s %.*s)\n", c->needs_restart ? "needs a restart" : "changed", c->section,
		 c->key, SLICE_ARG(is), c->needs_restart ? "runs with" : "was", SLICE_ARG(was));
}

/*
 * load_next: makes the second settings, complete and checked. false: the running ones stay. The domain certificate is
 * last, because its table is used by the running ones, too, and nothing can fail behind it. report: the keys that
 * differ.
 */
static bool load_next(struct serve *s, struct settings *next, struct buf *report, struct buf *why)
{
	const struct config *running = &s->settings.config;
	int64_t now = loop_wall_s(s->loop);
	struct config config;

	if (!config_load(running->file, s->overrides, &config, why))
		return false;
	load_limits(&config); /* as at the start, or limits.connections would seem to differ */
	if (strcmp(config.domain, running->domain) != 0) {
		buf_adds(why, "server.domain cannot change while the server runs; restart it");
		config_free(&config);
		return false;
	}
	config_compare(running, &config, report_change, report);
	config_keep(&config, running);
	if (!load_settings(&config, s->workers, now, next, why))
		return false;
	if (load_users(&next->config, s->dirfd, s->settings.users, &next->users, why) &&
	    load_identity(&next->config, s->workers, now, s->certs, why))
		return true;
	settings_drop(next);
	return false;
}

bool serve_reload(struct serve *s, struct buf *out)
{
	struct buf why = {0}, report = {0};
	struct settings next = {0};
	bool ok = load_next(s, &next, &report, &why);

	if (ok) {
		site_take(s->site, &next);
		settings_drop(&next);
		ends_drop(&s->ends);
		ends_read(&s->settings.config, loop_wall_s(s->loop), &s->ends);
		look(s);
		lock_keys(s);
		for (unsigned i = 0; i < s->web_tls_count; i++)
			stream_listener_config(s->web_tls[i], s->settings.server_tls);
		set_log(s);
		keep_certs(s, false);
		buf_add(out, buf_slice(&report));
		buf_addf(out, "%zu users; certificates, keys and trust anchors were read again\n",
			 users_count(s->settings.users));
	} else {
		buf_addf(out, "not reloaded: %s\n", why.p);
	}
	log_line(ok ? LOG_INFO : LOG_ERROR, "event=reload ok=%d reason=%s", ok, log_esc(buf_slice(&why)).text);
	buf_free(&why);
	buf_free(&report);
	return ok;
}

bool serve_reload_users(struct serve *s, struct buf *out)
{
	struct users *next;

	if (!load_users(&s->settings.config, s->dirfd, s->settings.users, &next, out)) {
		buf_addc(out, '\n');
		return false;
	}
	site_take_users(s->site, next);
	lock_keys(s);
	buf_addf(out, "%zu users\n", users_count(next));
	return true;
}
