#include "tests/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"
#include "crypto/encode.h"
#include "crypto/pkcs8.h"
#include "sip/message/header.h"
#include "sip/message/mime.h"
#include "tests/scenario/world.h"
#include "tests/unit/vector.h"

#define DAY_S 86400

/* All transports have a listener, so that requests go out by each; the numbers are small enough for tests to reach. */
#define CONF \
	"[server]\ndomain = example.com\nlisten-udp = 192.0.2.1:5060\nlisten-tcp = 192.0.2.1:5060\n" \
	"listen-tls = 192.0.2.1:5061\n[limits]\nreplays = 100\n[credential]\nrealm = credential.example.com\n" \
	"[digest]\nsha-256 = on\nprefer = sha-256\n"

struct letter {
	struct letter *next;
	struct sip_msg *m;
	struct flow to;
};

/* --- the server --- */

static void add_user(struct world *w, const char *name)
{
	char aor[64], password[32];
	struct ha1 h;

	snprintf(aor, sizeof(aor), "sip:%s@example.com", name);
	snprintf(password, sizeof(password), "%s-pw", name);
	ha1_make(slice_str(name), S("example.com"), S("credential.example.com"), slice_str(password), &h);
	users_set(w->settings.users, slice_str(aor), &h);
}

/* Another certificate each time, since its first second is another. */
void world_roll_over(struct world *w)
{
	const struct slice names[] = {S("example.com"), SLICE_NONE};
	const struct cert_params p = {.common_name = S("example.com"),
				      .dns = names,
				      .not_before = FAKE_START_S - 20LL * 365 * DAY_S + w->roll_overs++,
				      .not_after = FAKE_START_S + 20LL * 365 * DAY_S,
				      .alg = HASH_SHA256};
	struct buf key_pem = vector_file("pkcs8/rsa2048.plain.pem"), der = {0}, pem = {0}, why = {0};
	struct key *key;

	assert_int_equal(pkcs8_read(buf_slice(&key_pem), SLICE_NONE, &key), ERR_OK);
	assert_int_equal(cert_make(&p, key, NULL, key, &der), ERR_OK);
	pem_write(&pem, "CERTIFICATE", buf_slice(&der));
	assert_true(domain_certs_set(w->certs, buf_slice(&pem), buf_slice(&key_pem), S("example.com"),
				     S("https://example.com"), 1, loop_wall_s(w->loop), &why));
	key_free(key);
	buf_free(&key_pem);
	buf_free(&der);
	buf_free(&pem);
	buf_free(&why);
}

static void start(struct world *w)
{
	static const uint8_t master[SEAL_KEY] = {1};
	struct buf why = {0};

	if (!site_new(&(struct site_deps){.loop = w->loop,
					  .settings = &w->settings,
					  .certs = w->certs,
					  .dirfd = w->dirfd,
					  .master = master,
					  .workers = 1},
		      &w->site, &why))
		fail_msg("%s", why.p);
	notifier_start(w->site->notifier);
	fake_settle(w->loop);
	buf_free(&why);
}

static void drop_inbox(struct world *w)
{
	while (w->inbox != NULL) {
		struct letter *l = w->inbox;

		w->inbox = l->next;
		msg_unref(l->m);
		mem_free(l);
	}
}

static void stop(struct world *w)
{
	fake_settle(w->loop);
	site_free(w->site);
	fake_settle(w->loop);
	drop_inbox(w);
}

static void add_routes(struct world *w)
{
	struct routes *r = routes_new();

	assert_int_equal(routes_add(r, S("two.example"), S(WORLD_FIRST_HOP ", " WORLD_SECOND_HOP)), ERR_OK);
	assert_int_equal(routes_add(r, S("tcp.example"), S(WORLD_TCP_HOP ", " WORLD_SECOND_HOP)), ERR_OK);
	w->settings.routes = r;
}

struct world *world_new(const char *const *options)
{
	struct world *w = mem_alloc(sizeof(*w));
	struct buf why = {0}, text = {0}, path = {0};

	log_set(LOG_ERROR);
	signal(SIGXFSZ, SIG_IGN);
	snprintf(w->dir, sizeof(w->dir), "/tmp/vouch-scenario-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	assert_int_equal(file_open_dir(w->dir, false, &w->dirfd, &why), ERR_OK);
	assert_int_equal(file_replace(w->dirfd, "vouch.conf", S(CONF)), ERR_OK);
	buf_addf(&path, "%s/vouch.conf", w->dir);
	if (!config_load(path.p, options, &w->settings.config, &why))
		fail_msg("%s", why.p);
	w->loop = loop_new();
	w->settings.fetch_reach.public = w->settings.proxy_reach.public = w->settings.proxy_reach.private = true;
	add_routes(w);
	w->settings.users = users_new(S("credential.example.com"));
	add_user(w, "alice");
	add_user(w, "bob");
	w->pkcs8 = vector_file("pkcs8/ecp256.plain.der");
	assert_int_equal(key_read_private(buf_slice(&w->pkcs8), &w->user_key), ERR_OK);
	w->certs = domain_certs_new();
	w->settings.trust = trust_new();
	world_roll_over(w);
	start(w);
	buf_free(&why);
	buf_free(&text);
	buf_free(&path);
	return w;
}

static bool remove_one(void *arg, const char *name)
{
	return unlinkat(*(const int *)arg, name, 0) == 0;
}

void world_free(struct world *w)
{
	stop(w);
	domain_certs_free(w->certs);
	settings_drop(&w->settings);
	key_free(w->user_key);
	buf_free(&w->pkcs8);
	assert_int_equal(file_each(w->dirfd, remove_one, &w->dirfd), ERR_OK);
	close(w->dirfd);
	assert_int_equal(rmdir(w->dir), 0);
	loop_free(w->loop);
	mem_free(w);
}

void world_restart(struct world *w)
{
	stop(w);
	start(w);
}

void world_break_store(bool broken)
{
	struct rlimit limit;

	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = broken ? 0 : limit.rlim_max;
	setrlimit(RLIMIT_FSIZE, &limit);
}

struct buf world_cert(struct world *w, const char *user, int64_t not_after_s)
{
	char uri[64];
	const struct slice uris[] = {slice_of(uri, (size_t)snprintf(uri, sizeof(uri), "sip:%s@example.com", user)),
				     SLICE_NONE};
	const struct cert_params p = {.common_name = slice_str(user),
				      .uris = uris,
				      .not_before = loop_wall_s(w->loop) - 60,
				      .not_after = not_after_s,
				      .user = true,
				      .alg = HASH_SHA256};
	struct buf der = {0};

	assert_int_equal(cert_make(&p, w->user_key, NULL, w->user_key, &der), ERR_OK);
	return der;
}

/* --- messages --- */

static void fetch(struct world *w)
{
	struct letter **at = &w->inbox;
	struct sip_msg *m;
	struct flow to;

	while (*at != NULL)
		at = &(*at)->next;
	while ((m = fake_next(w->site->transport, &to)) != NULL) {
		*at = mem_alloc(sizeof(**at));
		(*at)->m = m;
		(*at)->to = to;
		at = &(*at)->next;
	}
}

struct sip_msg *world_take(struct world *w, const char *call_id, struct flow *to)
{
	fetch(w);
	for (struct letter **at = &w->inbox; *at != NULL; at = &(*at)->next) {
		struct letter *l = *at;
		struct sip_msg *m = l->m;

		if (!slice_eq(m->call_id, slice_str(call_id)))
			continue;
		*at = l->next;
		if (to != NULL)
			*to = l->to;
		mem_free(l);
		return m;
	}
	return NULL;
}

struct sip_msg *world_ask(struct world *w, const struct flow *from, const struct ask *a)
{
	unsigned cseq = a->cseq != 0 ? a->cseq : 1;
	struct buf out = {0};
	char call_id[32];

	snprintf(call_id, sizeof(call_id), "call-%u", ++w->calls);
	buf_addf(&out, "%s %s SIP/2.0\r\nVia: SIP/2.0/%s 192.0.2.4:5070;branch=z9hG4bK%u%s\r\nMax-Forwards: 70\r\n",
		 a->method, a->uri, flow_proto_name(from->proto), w->calls, a->old_via ? "" : ";rport");
	buf_addf(&out, "From: %s\r\nTo: %s%s%s\r\n", a->from != NULL ? a->from : "<sip:watcher@example.org>;tag=w1",
		 a->to != NULL ? "" : "<", a->to != NULL ? a->to : a->uri, a->to != NULL ? "" : ">");
	buf_addf(&out, "Call-ID: %s\r\nCSeq: %u %s\r\n", a->call_id != NULL ? a->call_id : call_id, cseq, a->method);
	if (a->authorization != NULL)
		buf_addf(&out, "Authorization: %s\r\n", a->authorization);
	if (a->headers != NULL)
		buf_adds(&out, a->headers);
	buf_adds(&out, PHONE_LINES);
	build_end(&out, a->body);
	fake_inject(w->site->transport, from, buf_slice(&out));
	buf_free(&out);
	return world_take(w, a->call_id != NULL ? a->call_id : call_id, NULL);
}

bool has(const struct sip_msg *m, enum header h, const char *start)
{
	return slice_starts(msg_value(m, h), slice_str(start));
}

bool body_has(const struct sip_msg *m, struct slice octets)
{
	return slice_find(m->body, octets, 0) < m->body.n;
}

/* --- digest --- */

bool answer_read(struct answer *a, const struct sip_msg *challenge)
{
	enum header which = challenge->status == 407 ? HDR_PROXY_AUTHENTICATE : HDR_WWW_AUTHENTICATE;

	for (const struct sip_header *h = msg_each(challenge, which, NULL); h != NULL;
	     h = msg_each(challenge, which, h)) {
		struct digest_params d;

		if (digest_params_parse(h->value, &d) == ERR_OK &&
		    slice_ieq(d.algorithm, a->md5 ? S("MD5") : S("SHA-256"))) {
			snprintf(a->nonce, sizeof(a->nonce), "%.*s", SLICE_ARG(d.nonce));
			snprintf(a->realm, sizeof(a->realm), "%.*s", SLICE_ARG(d.realm));
			return true;
		}
	}
	return false;
}

static void hash_text(bool md5, struct buf *text, char out[2 * HASH_MAX + 1])
{
	struct slice s = buf_slice(text);

	hash_hex(md5 ? HASH_MD5 : HASH_SHA256, &s, 1, out);
	buf_free(text);
}

void answer_make(const struct answer *a, struct buf *out)
{
	char ha1[2 * HASH_MAX + 1], ha2[2 * HASH_MAX + 1], response[2 * HASH_MAX + 1];
	struct buf text = {0};

	buf_addf(&text, "%s:%s:%s", a->user, a->realm, a->password);
	hash_text(a->md5, &text, ha1);
	buf_addf(&text, "%s:%s", a->method, a->uri);
	hash_text(a->md5, &text, ha2);
	buf_addf(&text, "%s:%s:%08x:cn:auth:%s", ha1, a->nonce, a->nc, ha2);
	hash_text(a->md5, &text, response);
	buf_addf(out,
		 "Digest username=\"%s\", realm=\"%s\", nonce=\"%s\", uri=\"%s\", algorithm=%s, "
		 "cnonce=\"cn\", nc=%08x, qop=auth, response=\"%s\"",
		 a->user, a->realm, a->nonce, a->uri, a->md5 ? "MD5" : "SHA-256", a->nc, response);
}

struct sip_msg *world_ask_as(struct world *w, const struct flow *from, const char *user, struct ask a)
{
	char password[32];
	struct answer answer = {.user = user, .password = password, .method = a.method, .uri = a.uri, .nc = 1};
	struct sip_msg *m = world_ask(w, from, &a);
	struct buf value = {0};

	if (slice_eq(slice_str(user), S("anonymous"))) /* RFC 3261 22.1 */
		password[0] = '\0';
	else
		snprintf(password, sizeof(password), "%s-pw", user);
	if (m == NULL || m->status != 401)
		return m;
	assert_true(answer_read(&answer, m));
	msg_unref(m);
	answer_make(&answer, &value);
	a.authorization = value.p;
	a.cseq = (a.cseq != 0 ? a.cseq : 1) + 1;
	m = world_ask(w, from, &a);
	buf_free(&value);
	return m;
}

/* --- PUBLISH --- */

struct sip_msg *world_publish(struct world *w, const struct flow *from, const struct publish *p)
{
	struct buf headers = {0}, body = {0};
	struct sip_msg *m;
	char uri[64];

	snprintf(uri, sizeof(uri), "sip:%s@example.com", p->user);
	buf_adds(&headers, "Event: credential\r\n");
	if (p->if_match != NULL)
		buf_addf(&headers, "SIP-If-Match: %s\r\n", p->if_match);
	if (p->expires != NULL)
		buf_addf(&headers, "Expires: %s\r\n", p->expires);
	if (p->key.n > 0) {
		mime_add_part(&body, S("scenario"), "application/pkix-cert", p->cert);
		mime_add_part(&body, S("scenario"), "application/pkcs8", p->key);
		mime_close(&body, S("scenario"));
		buf_adds(&headers, "Content-Type: multipart/mixed;boundary=scenario\r\n");
	} else if (p->cert.n > 0) {
		buf_add(&body, p->cert);
		buf_adds(&headers, "Content-Type: application/pkix-cert\r\n");
	}
	m = world_ask_as(w, from, p->user,
			 (struct ask){.method = "PUBLISH", .uri = uri, .headers = headers.p, .body = buf_slice(&body)});
	buf_free(&headers);
	buf_free(&body);
	return m;
}

void world_set(struct world *w, const struct flow *from, const char *user, int64_t valid_s, char etag[64])
{
	struct buf cert = world_cert(w, user, loop_wall_s(w->loop) + valid_s);
	struct sip_msg *m = world_publish(
		w, from, &(struct publish){.user = user, .cert = buf_slice(&cert), .key = buf_slice(&w->pkcs8)});

	assert_non_null(m);
	assert_int_equal(m->status, 200);
	snprintf(etag, 64, "%.*s", SLICE_ARG(msg_value(m, HDR_SIP_ETAG)));
	msg_unref(m);
	buf_free(&cert);
}

void world_revoke(struct world *w, const struct flow *from, const char *user)
{
	struct sip_msg *m = world_publish(w, from, &(struct publish){.user = user});

	assert_non_null(m);
	assert_int_equal(m->status, 200);
	msg_unref(m);
}

/* --- watchers --- */

struct watcher watcher_of(struct world *w, const struct flow *flow, const char *user, const char *event)
{
	struct watcher s = {.w = w, .flow = *flow, .user = user, .event = event};

	snprintf(s.call_id, sizeof(s.call_id), "watch-%u", ++w->calls);
	return s;
}

unsigned watch(struct watcher *s, const char *expires)
{
	char uri[64], own[96];
	struct ask a = {.method = "SUBSCRIBE", .uri = uri, .to = s->to[0] != '\0' ? s->to : NULL};
	struct buf headers = {0};
	struct sip_msg *m;
	unsigned status;

	snprintf(uri, sizeof(uri), "sip:%s@example.com", s->user);
	snprintf(own, sizeof(own), "<sip:watcher@%s%s>", peer_text(&s->flow.remote).text,
		 s->flow.proto == PROTO_TCP ? ";transport=tcp" : "");
	buf_addf(&headers, "Event: %s\r\nContact: %s\r\n", s->event, own);
	if (expires != NULL)
		buf_addf(&headers, "Expires: %s\r\n", expires);
	a.headers = headers.p;
	a.call_id = s->call_id;
	a.cseq = s->cseq + 1;
	s->cseq += 2;
	m = world_ask_as(s->w, &s->flow, slice_eq(slice_str(s->event), S("credential")) ? s->user : "anonymous", a);
	assert_non_null(m);
	assert_false(m->request);
	status = m->status;
	if (status == 200) {
		snprintf(s->to, sizeof(s->to), "%.*s", SLICE_ARG(msg_value(m, HDR_TO)));
		assert_true(slice_u32(msg_value(m, HDR_EXPIRES), UINT32_MAX, &s->granted));
	}
	msg_unref(m);
	buf_free(&headers);
	return status;
}

struct sip_msg *notified(struct watcher *s)
{
	struct flow to;
	struct sip_msg *m = world_take(s->w, s->call_id, &to);

	if (m == NULL)
		return NULL;
	assert_true(m->request);
	assert_int_equal(m->method, METHOD_NOTIFY);
	if (s->notified != 0)
		assert_int_equal(m->cseq, s->notified + 1); /* EVT-19 */
	s->notified = m->cseq;
	assert_true(msg_value(m, HDR_IDENTITY).n > 0); /* CRT-18 */
	s->back = to;
	return m;
}

void respond(struct watcher *s, struct sip_msg *notify, unsigned code)
{
	struct buf out = {0};

	build_reply(&out, notify, &(struct build_reply){.code = code, .received = S("192.0.2.1"), .rport = 5060});
	msg_unref(notify);
	fake_inject(s->w->site->transport, &s->back, buf_slice(&out));
	buf_free(&out);
}

struct sip_msg *notified_ok(struct watcher *s)
{
	struct sip_msg *m = notified(s);

	if (m != NULL)
		respond(s, msg_ref(m), 200);
	return m;
}
