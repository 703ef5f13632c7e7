#include <pthread.h>
#include <stdatomic.h>

#include "core/mem.h"
#include "crypto/cert.h"
#include "sip/message/msg.h"
#include "sip/ua/answer.h"
#include "tests/bench/client.h"

/*
 * Load for bench.py: load MODE PORT CONNECTIONS SECONDS [CA|- [PASSWORD]]. Each mode prints "name value" lines.
 * Users are u0, u1 ... of example.com with one password.
 */

struct shared {
	unsigned port, count;
	double seconds, until;
	const char *ca;
	char *password;
	struct tls_config *tls;
	atomic_ulong done;
	atomic_uint ready;
};

struct worker {
	struct shared *s;
	unsigned index;
	pthread_t thread;
	struct conn c;
	struct answer answer;
	unsigned cseq;
};

static void request(struct worker *w, const char *method, const char *target, const char *headers, struct slice body,
		    bool authorize)
{
	const char *proto = w->s->tls != NULL ? "TLS" : "TCP";
	char user[24];
	struct buf out = {0};

	snprintf(user, sizeof(user), "u%u", w->index);
	w->cseq++;
	buf_addf(&out,
		 "%s %s SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1:9;branch=z9hG4bK%u.%u.%d;rport\r\nMax-Forwards: 70\r\n"
		 "From: <sip:%s@example.com>;tag=%u\r\nTo: <%s>\r\nCall-ID: %u-%u-%d\r\nCSeq: %u %s\r\n"
		 "Contact: <sip:%s@127.0.0.1:9;transport=tcp>\r\n%s",
		 method, target, proto, w->index, w->cseq, (int)getpid(), user, w->cseq, target, w->index, w->cseq,
		 (int)getpid(), w->cseq, method, user, headers);
	if (authorize) {
		const struct answer_request r = {.user = slice_str(user),
						 .password = slice_str(w->s->password),
						 .method = slice_str(method),
						 .uri = slice_str(target),
						 .body = body};

		answer_make(&w->answer, &r, &out);
	}
	buf_addf(&out, "Content-Length: %zu\r\n\r\n", body.n);
	buf_add(&out, body);
	conn_send(&w->c, buf_slice(&out));
	buf_free(&out);
}

/* Answers a NOTIFY with 200, by its own lines. */
static void answer_notify(struct worker *w, struct slice m)
{
	static const char *const names[] = {"Via", "From", "To", "Call-ID", "CSeq"};
	struct buf out = {0};

	buf_adds(&out, "SIP/2.0 200 OK\r\n");
	for (size_t i = 0; i < 5; i++)
		buf_addf(&out, "%s: %.*s\r\n", names[i], SLICE_ARG(value_of(m, names[i])));
	buf_adds(&out, "Content-Length: 0\r\n\r\n");
	conn_send(&w->c, buf_slice(&out));
	buf_free(&out);
}

/* A SUBSCRIBE with its 200 and its signed NOTIFY. */
static void fetch_one(struct worker *w, const char *headers)
{
	bool answered = false, notified = false;

	request(w, "SUBSCRIBE", "sip:u0@example.com", headers, SLICE_NONE, false);
	while (!answered || !notified) {
		struct slice m = conn_next(&w->c);

		if (status_of(m) == 200) {
			answered = true;
		} else if (status_of(m) == 0) {
			notified = true;
			answer_notify(w, m);
		} else {
			fprintf(stderr, "%.*s\n", SLICE_ARG(m));
			exit(1);
		}
	}
}

static void *run_fetch(void *arg)
{
	struct worker *w = arg;

	conn_open(&w->c, w->s->port, NULL, NULL);
	while (now_s() < w->s->until) {
		fetch_one(w, "Event: certificate\r\nExpires: 0\r\n");
		atomic_fetch_add(&w->s->done, 1);
	}
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* OPTIONS round trips, one every few milliseconds, while others make load. */
static void probe(struct shared *s)
{
	static double trips[200000];
	struct worker w = {.s = s, .index = 9999};
	size_t n = 0;

	conn_open(&w.c, s->port, NULL, NULL);
	while (now_s() < s->until && n < sizeof(trips) / sizeof(trips[0])) {
		double begin = now_s();

		request(&w, "OPTIONS", "sip:example.com", "", SLICE_NONE, false);
		if (status_of(conn_next(&w.c)) != 200)
			die("OPTIONS");
		trips[n++] = now_s() - begin;
		usleep(2000);
	}
	qsort(trips, n, sizeof(trips[0]), by_value);
	printf("options-p50-ms %.3f\noptions-p99-ms %.3f\noptions-count %zu\n", trips[n / 2] * 1e3,
	       trips[n * 99 / 100] * 1e3, n);
	conn_close(&w.c);
}

static void make_key(struct key **key)
{
	if (key_generate(KEY_EC, 256, key) != ERR_OK)
		die("key");
}

/* A self-signed certificate of the worker's user. */
static void make_body(const struct worker *w, struct key *key, struct buf *cert)
{
	char aor[64];
	struct slice uris[2] = {SLICE_NONE, SLICE_NONE};
	struct cert_params p = {.uris = uris,
				.not_before = time(NULL) - 60,
				.not_after = time(NULL) + 86400 * 30,
				.user = true,
				.alg = HASH_SHA256};

	snprintf(aor, sizeof(aor), "sip:u%u@example.com", w->index);
	uris[0] = p.common_name = slice_str(aor);
	if (cert_make(&p, key, NULL, key, cert) != ERR_OK)
		die("certificate");
}

static bool challenged(struct worker *w, struct slice m)
{
	struct sip_msg *msg;
	const char *why;
	bool stale, ok;

	if (msg_parse(m, &msg, &why) != ERR_OK)
		die("response");
	ok = msg->status == 401 && answer_take(&w->answer, msg, SLICE_NONE, HASH_MD5, &stale);
	if (!ok && msg->status != 200)
		fprintf(stderr, "%.*s\n", SLICE_ARG(m));
	msg_unref(msg);
	return ok;
}

static void *run_publish(void *arg)
{
	struct worker *w = arg;
	struct buf cert = {0};
	struct key *key;
	char own[64];

	snprintf(own, sizeof(own), "sips:u%u@example.com", w->index);
	make_key(&key);
	make_body(w, key, &cert);
	conn_open(&w->c, w->s->port, w->s->tls, NULL);
	atomic_fetch_add(&w->s->ready, 1);
	while (atomic_load(&w->s->ready) < w->s->count)
		usleep(1000);
	for (double until = now_s() + w->s->seconds; now_s() < until;) {
		request(w, "PUBLISH", own, "Event: credential\r\nContent-Type: application/pkix-cert\r\n",
			buf_slice(&cert), w->answer.nonce != NULL);
		if (!challenged(w, conn_next(&w->c)))
			atomic_fetch_add(&w->s->done, 1);
	}
	return NULL;
}

/* Many users publish one certificate each, over one connection; their keys may be the same. */
static void publish_once(struct shared *s)
{
	struct worker w = {.s = s};
	struct key *key;
	struct buf cert = {0};

	make_key(&key);
	conn_open(&w.c, s->port, s->tls, NULL);
	for (w.index = 0; w.index < s->count; w.index++) {
		char own[64];

		snprintf(own, sizeof(own), "sips:u%u@example.com", w.index);
		make_body(&w, key, &cert);
		for (bool again = true; again;) {
			request(&w, "PUBLISH", own, "Event: credential\r\nContent-Type: application/pkix-cert\r\n",
				buf_slice(&cert), w.answer.nonce != NULL);
			again = challenged(&w, conn_next(&w.c));
		}
		buf_clear(&cert);
	}
	conn_close(&w.c);
}

/* REGISTER of the worker's user, once more when the nonce is stale. Several users may answer one nonce. */
static void register_user(struct worker *w)
{
	for (bool again = true; again;) {
		char user[24];
		struct buf out = {0};

		snprintf(user, sizeof(user), "u%u", w->index);
		w->cseq++;
		buf_addf(
			&out,
			"REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK%u.%d;rport\r\n"
			"Max-Forwards: 70\r\nFrom: <sip:%s@example.com>;tag=1\r\nTo: <sip:%s@example.com>\r\n"
			"Call-ID: %s-%d\r\nCSeq: %u REGISTER\r\nContact: <sip:%s@127.0.0.1:9;transport=tcp>\r\n"
			"Expires: 3600\r\n",
			w->cseq, (int)getpid(), user, user, user, (int)getpid(), w->cseq, user);
		if (w->answer.nonce != NULL) {
			const struct answer_request r = {.user = slice_str(user),
							 .password = slice_str(w->s->password),
							 .method = S("REGISTER"),
							 .uri = S("sip:example.com")};

			answer_make(&w->answer, &r, &out);
		}
		buf_adds(&out, "Content-Length: 0\r\n\r\n");
		conn_send(&w->c, buf_slice(&out));
		buf_free(&out);
		again = challenged(w, conn_next(&w->c));
	}
}

/* All users over one connection, as behind a proxy; then, when a line comes on standard input, SECONDS times more. */
static void register_all(struct shared *s)
{
	struct worker w = {.s = s};

	conn_open(&w.c, s->port, NULL, NULL);
	for (double rounds = 0; rounds <= s->seconds; rounds++) {
		for (w.index = 0; w.index < s->count; w.index++)
			register_user(&w);
		if (rounds == 0) {
			printf("registered %u\n", s->count);
			fflush(stdout);
			getchar();
		}
	}
	printf("registered %u\n", s->count);
	conn_close(&w.c);
}

static void *run_handshake(void *arg, bool resume)
{
	struct worker *w = arg;
	struct tls_session *session = NULL;
	unsigned long resumed = 0;

	if (resume) {
		conn_open(&w->c, w->s->port, w->s->tls, NULL);
		session = tls_session_save(w->c.tls);
		conn_close(&w->c);
	}
	while (now_s() < w->s->until) {
		conn_open(&w->c, w->s->port, w->s->tls, session);
		resumed += tls_resumed(w->c.tls);
		conn_close(&w->c);
		atomic_fetch_add(&w->s->done, 1);
	}
	if (resume && resumed == 0)
		die("nothing was resumed");
	tls_session_free(session);
	return NULL;
}

static void *run_full(void *arg)
{
	return run_handshake(arg, false);
}

static void *run_resumed(void *arg)
{
	return run_handshake(arg, true);
}

/* Connections or subscriptions that stay, until standard input ends. */
static void hold(struct shared *s, bool subscribe)
{
	struct worker *all = mem_calloc(s->count, sizeof(*all));
	unsigned connections = subscribe ? 8 : s->count;

	for (unsigned i = 0; i < connections; i++) {
		all[i] = (struct worker){.s = s, .index = i};
		conn_open(&all[i].c, s->port, s->tls, NULL);
	}
	for (unsigned i = 0; subscribe && i < s->count; i++)
		fetch_one(&all[i % connections], "Event: certificate\r\nExpires: 3600\r\n");
	printf("held %u\n", s->count);
	fflush(stdout);
	if (getchar() == EOF)
		for (unsigned i = 0; i < connections; i++)
			conn_close(&all[i].c);
}

static struct tls_config *client_config(const char *ca)
{
	struct trust *trust = trust_new();
	struct tls_config *config;
	struct buf pem = {0};
	size_t count;

	if (buf_read_file(&pem, ca, 1 << 20) != ERR_OK || trust_add_pem(trust, buf_slice(&pem), &count) != ERR_OK)
		die(ca);
	if (tls_config_new(&(struct tls_params){.slots = 1, .trust = trust}, &config) != ERR_OK)
		die("tls_config_new");
	return config;
}

static void run_threads(struct shared *s, void *(*run)(void *), bool with_probe)
{
	struct worker *all = mem_calloc(s->count, sizeof(*all));
	double begin = now_s();

	s->until = begin + s->seconds;
	for (unsigned i = 0; i < s->count; i++) {
		all[i] = (struct worker){.s = s, .index = i};
		if (pthread_create(&all[i].thread, NULL, run, &all[i]) != 0)
			die("pthread_create");
	}
	if (with_probe)
		probe(s);
	for (unsigned i = 0; i < s->count; i++)
		pthread_join(all[i].thread, NULL);
	printf("per-second %.1f\n", (double)atomic_load(&s->done) / s->seconds);
}

int main(int argc, char **argv)
{
	struct shared s = {0};
	const char *mode = argc > 4 ? argv[1] : "";

	if (tls_library_init() != ERR_OK)
		die("crypto_init");
	if (argc > 4) {
		s.port = (unsigned)strtoul(argv[2], NULL, 10);
		s.count = (unsigned)strtoul(argv[3], NULL, 10);
		s.seconds = strtod(argv[4], NULL);
	}
	if (argc > 5 && strcmp(argv[5], "-") != 0)
		s.tls = client_config(argv[5]);
	if (argc > 6)
		s.password = argv[6];
	if (strcmp(mode, "fetch") == 0)
		run_threads(&s, run_fetch, true);
	else if (strcmp(mode, "publish") == 0)
		run_threads(&s, run_publish, false);
	else if (strcmp(mode, "publish-once") == 0)
		publish_once(&s);
	else if (strcmp(mode, "register-all") == 0)
		register_all(&s);
	else if (strcmp(mode, "full") == 0)
		run_threads(&s, run_full, false);
	else if (strcmp(mode, "resumed") == 0)
		run_threads(&s, run_resumed, false);
	else if (strcmp(mode, "hold-connections") == 0)
		hold(&s, false);
	else if (strcmp(mode, "hold-subscriptions") == 0)
		hold(&s, true);
	else
		return 2;
	return 0;
}
