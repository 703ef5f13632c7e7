#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/mem.h"
#include "crypto/cert.h"
#include "crypto/encode.h"
#include "crypto/rng.h"
#include "crypto/tls.h"
#include "tests/unit/vector.h"

/* Two connections joined by their buffers. Certificates are made once, by cert_make, for a fixed clock. */

#define NOW 1800000000
#define DAY 86400

static int64_t clock_now = NOW;

static int64_t fixed_clock(void)
{
	return clock_now;
}

struct made {
	struct key *key;
	struct buf pem;
	struct buf der;
};

static struct made ca, other_ca, rsa_server, ec_server, web_server, client, stranger, rsa_other, bare;
static struct trust *trust, *other_trust;

static struct slice list[2];

static const struct slice *one(struct slice s)
{
	list[0] = s;
	list[1] = SLICE_NONE;
	return list;
}

static void make(struct made *m, const struct cert_params *p, enum key_kind kind, const struct made *issuer)
{
	struct cert *above = NULL;

	memset(m, 0, sizeof(*m));
	assert_int_equal(key_generate(kind, kind == KEY_RSA ? 2048 : 256, &m->key), ERR_OK);
	if (issuer != NULL)
		assert_int_equal(cert_read(buf_slice(&issuer->der), &above), ERR_OK);
	assert_int_equal(cert_make(p, m->key, above, issuer == NULL ? m->key : issuer->key, &m->der), ERR_OK);
	pem_write(&m->pem, "CERTIFICATE", buf_slice(&m->der));
	cert_free(above);
}

static void drop(struct made *m)
{
	key_free(m->key);
	buf_free(&m->pem);
	buf_free(&m->der);
	memset(m, 0, sizeof(*m));
}

static struct cert_params leaf_params(const char *name)
{
	return (struct cert_params){
		.common_name = slice_str(name),
		.not_before = NOW - DAY,
		.not_after = NOW + DAY,
		.alg = HASH_SHA256,
	};
}

static int set_up(void **state)
{
	struct cert_params p = leaf_params("test CA");

	(void)state;
	assert_int_equal(crypto_init(), ERR_OK);
	p.ca = true;
	make(&ca, &p, KEY_EC, NULL);
	make(&other_ca, &p, KEY_EC, NULL);
	p = leaf_params("example.com");
	p.sip_domain = true;
	p.uris = one(S("sip:example.com"));
	make(&rsa_server, &p, KEY_RSA, &ca);
	make(&ec_server, &p, KEY_EC, &ca);
	p.uris = one(S("sip:other.example"));
	make(&client, &p, KEY_EC, &ca);
	make(&stranger, &p, KEY_EC, &other_ca);
	make(&rsa_other, &p, KEY_RSA, &ca);
	p = leaf_params("web");
	p.dns = one(S("*.web.example"));
	p.ips = (struct slice[]){S("127.0.0.1"), SLICE_NONE};
	make(&web_server, &p, KEY_EC, &ca);
	p = leaf_params("example.com");
	make(&bare, &p, KEY_EC, NULL);
	trust = trust_new();
	assert_int_equal(trust_add_der(trust, buf_slice(&ca.der)), ERR_OK);
	other_trust = trust_new();
	assert_int_equal(trust_add_der(other_trust, buf_slice(&other_ca.der)), ERR_OK);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	trust_free(trust);
	trust_free(other_trust);
	drop(&stranger);
	drop(&rsa_other);
	drop(&bare);
	drop(&ca);
	drop(&other_ca);
	drop(&rsa_server);
	drop(&ec_server);
	drop(&web_server);
	drop(&client);
	return 0;
}

static struct tls_config *config(struct tls_params p, const struct made *const *who, size_t n)
{
	struct tls_identity ids[8];
	struct tls_config *c = NULL;

	for (size_t i = 0; i < n; i++)
		ids[i] = (struct tls_identity){buf_slice(&who[i]->pem), who[i]->key};
	p.ids = ids;
	p.id_count = n;
	p.slots = p.slots == 0 ? 1 : p.slots;
	assert_int_equal(tls_config_new(&p, &c), ERR_OK);
	tls_config_time(c, fixed_clock);
	return c;
}

static struct tls_config *server_of(const struct made *m)
{
	return config((struct tls_params){.server = true, .static_rsa = true}, &m, 1);
}

static struct tls_config *client_with(const struct trust *t)
{
	return config((struct tls_params){.trust = t, .static_rsa = true}, NULL, 0);
}

struct pair {
	struct tls *client;
	struct tls *server;
	enum err client_err;
	enum err server_err;
};

static void move(struct tls *from, struct tls *to, size_t piece)
{
	struct buf *out = tls_output(from);

	while (out->n > 0) {
		size_t n = piece == 0 || piece > out->n ? out->n : piece;

		tls_input(to, slice_sub(buf_slice(out), 0, n));
		buf_drop(out, n);
		if (piece > 0)
			break;
	}
}

/* shake: runs both sides until neither moves. piece: octets that are carried at once, 0 = all. */
static void shake(struct pair *p, size_t piece)
{
	p->client_err = p->server_err = ERR_AGAIN;
	for (;;) {
		bool moved = tls_output(p->client)->n > 0 || tls_output(p->server)->n > 0;

		move(p->client, p->server, piece);
		move(p->server, p->client, piece);
		p->client_err = tls_handshake(p->client);
		p->server_err = tls_handshake(p->server);
		if (!moved && tls_output(p->client)->n == 0 && tls_output(p->server)->n == 0)
			return;
	}
}

static struct pair join(struct tls_config *cc, struct tls_config *sc, const char *name, enum tls_name_rule rule)
{
	struct pair p;

	p.client = tls_new(cc, 0, slice_str(name), rule);
	p.server = tls_new(sc, 0, SLICE_NONE, TLS_NAME_SIP);
	shake(&p, 0);
	return p;
}

static void part(struct pair *p)
{
	tls_free(p->client);
	tls_free(p->server);
}

static void assert_good(const struct pair *p)
{
	if (p->client_err != ERR_OK || p->server_err != ERR_OK)
		print_error("client: %s; server: %s\n", tls_reason(p->client), tls_reason(p->server));
	assert_int_equal(p->client_err, ERR_OK);
	assert_int_equal(p->server_err, ERR_OK);
}

static void free_two(struct tls_config *a, struct tls_config *b)
{
	tls_config_unref(a);
	tls_config_unref(b);
}

/* talk: octets in both directions, in pieces. */
static void talk(struct pair *p)
{
	struct buf got = {0}, text = {0};

	for (int i = 0; i < 10000; i++)
		buf_addf(&text, "%d ", i);
	for (int way = 0; way < 2; way++) {
		struct tls *from = way == 0 ? p->client : p->server, *to = way == 0 ? p->server : p->client;

		buf_clear(&got);
		assert_int_equal(tls_read(to, &got, 100), ERR_AGAIN);
		assert_int_equal(tls_write(from, S("")), ERR_OK);
		assert_int_equal(tls_output(from)->n, 0);
		assert_int_equal(tls_write(from, buf_slice(&text)), ERR_OK);
		move(from, to, 0);
		while (tls_read(to, &got, 1000) == ERR_OK)
			continue;
		assert_true(slice_eq(buf_slice(&got), buf_slice(&text)));
	}
	buf_free(&got);
	buf_free(&text);
}

static void full_handshake(void **state)
{
	const struct made *const servers[] = {&ec_server, &rsa_server};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct tls_config *sc = server_of(servers[i]), *cc = client_with(trust);
		struct pair p = join(cc, sc, "example.com", TLS_NAME_SIP);
		struct buf got = {0};

		assert_good(&p);
		print_message("%s %s with %s\n", tls_version(p.client), tls_suite(p.client), crypto_version());
		assert_true(slice_eq(tls_peer(p.client), buf_slice(&servers[i]->der)));
		assert_null(tls_peer(p.server).p);
		assert_false(tls_resumed(p.client) || tls_resumed(p.server));
		assert_false(tls_is_static_rsa(p.client) || tls_is_static_rsa(p.server));
		assert_int_equal(tls_handshake(p.client), ERR_OK);
		assert_string_equal(tls_reason(p.client), "no error");
		talk(&p);
		tls_close(p.server);
		move(p.server, p.client, 0);
		assert_int_equal(tls_read(p.client, &got, 100), ERR_CLOSED);
		assert_int_equal(tls_read(p.client, &got, 100), ERR_CLOSED);
		assert_int_equal(tls_write(p.client, S("x")), ERR_CLOSED);
		assert_string_equal(tls_reason(p.client), "the peer closed the connection");
		buf_free(&got);
		part(&p);
		free_two(cc, sc);
	}
}

/* Input one octet at a time, and in pieces of odd sizes. */
static void slow_input(void **state)
{
	static const size_t pieces[] = {1, 2, 7, 100, 1000};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		for (int auth = 0; auth < 2; auth++) {
			const struct made *who = &ec_server, *user = &client;
			struct tls_config *sc = config(
				(struct tls_params){.server = true,
						    .trust = trust,
						    .client_auth = auth == 0 ? TLS_CLIENT_OFF : TLS_CLIENT_REQUIRED},
				&who, 1);
			struct tls_config *cc = config((struct tls_params){.trust = trust}, &user, 1);
			struct pair p;

			p.client = tls_new(cc, 0, S("example.com"), TLS_NAME_SIP);
			p.server = tls_new(sc, 0, SLICE_NONE, TLS_NAME_SIP);
			shake(&p, pieces[i]);
			assert_good(&p);
			assert_int_equal(tls_peer(p.server).p != NULL, auth);
			talk(&p);
			part(&p);
			free_two(cc, sc);
		}
	}
}

/* refused: the handshake fails on both sides; the first to see why says reason, the other gets an alert. */
static void refused(struct pair *p, bool by_client, const char *reason, const char *alert)
{
	const char *own = tls_reason(by_client ? p->client : p->server);
	const char *other = tls_reason(by_client ? p->server : p->client);
	struct buf got = {0};

	if (strcmp(own, reason) != 0 || strstr(other, alert) == NULL)
		fail_msg("\"%s\" and \"%s\"\nnot \"%s\" and \"%s\"", own, other, reason, alert);
	assert_int_equal(by_client ? p->client_err : p->server_err, ERR_CRYPTO);
	assert_int_equal(tls_handshake(by_client ? p->client : p->server), ERR_CRYPTO);
	assert_int_equal(tls_read(by_client ? p->client : p->server, &got, 10), ERR_CRYPTO);
	assert_int_equal(tls_write(by_client ? p->client : p->server, S("x")), ERR_CRYPTO);
	assert_false(tls_resumed(p->client));
	assert_null(tls_session_save(p->client));
	tls_close(p->client);
	part(p);
}

/* What a client thinks of a server's certificate. */
static void servers_refused(void **state)
{
	static const struct {
		const struct made *server;
		const char *name;
		enum tls_name_rule rule;
		int64_t now;
		const char *reason;
		const char *alert;
	} rows[] = {
		{&ec_server, "example.net", TLS_NAME_SIP, NOW, "the certificate names example.com, not example.net",
		 "alert 42 (bad certificate)"},
		{&ec_server, "", TLS_NAME_SIP, NOW, "the certificate names example.com, not ", "alert 42"},
		{&ec_server, "127.0.0.1", TLS_NAME_WEB, NOW, "the certificate names example.com, not 127.0.0.1",
		 "alert 42"},
		{&web_server, "sip.web.example", TLS_NAME_SIP, NOW,
		 "the certificate names *.web.example, not sip.web.example", "alert 42"},
		{&web_server, "127.0.0.1", TLS_NAME_SIP, NOW, "the certificate names *.web.example, not 127.0.0.1",
		 "alert 42"},
		{&ec_server, "example.com", TLS_NAME_SIP, NOW + 2 * DAY, "the peer's certificate has expired",
		 "alert 45 (certificate expired)"},
		{&ec_server, "example.com", TLS_NAME_SIP, NOW - 2 * DAY, "the peer's certificate is not valid yet",
		 "alert 42"},
		{&stranger, "other.example", TLS_NAME_SIP, NOW,
		 "the peer's certificate is not signed by a trusted authority", "the peer sent alert 48 (unknown CA)"},
		{&bare, "example.com", TLS_NAME_SIP, NOW,
		 "the peer's certificate is self-signed and not among the trusted ones", "alert 48 (unknown CA)"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tls_config *sc = server_of(rows[i].server), *cc = client_with(trust);
		struct pair p;

		clock_now = rows[i].now;
		p = join(cc, sc, rows[i].name, rows[i].rule);
		clock_now = NOW;
		refused(&p, true, rows[i].reason, rows[i].alert);
		free_two(cc, sc);
	}
}

static void servers_taken(void **state)
{
	static const struct {
		const struct made *server;
		const char *name;
		enum tls_name_rule rule;
	} rows[] = {
		{&ec_server, "EXAMPLE.com", TLS_NAME_SIP},
		{&ec_server, "example.com", TLS_NAME_WEB},
		{&web_server, "sip.web.example", TLS_NAME_WEB},
		{&web_server, "127.0.0.1", TLS_NAME_WEB},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tls_config *sc = server_of(rows[i].server), *cc = client_with(trust);
		struct pair p = join(cc, sc, rows[i].name, rows[i].rule);

		assert_good(&p);
		part(&p);
		free_two(cc, sc);
	}
}

/* Nothing is trusted when no trust is given. */
static void no_trust(void **state)
{
	struct tls_config *sc = server_of(&ec_server), *cc = client_with(NULL);
	struct pair p = join(cc, sc, "example.com", TLS_NAME_SIP);

	(void)state;
	refused(&p, true, "the peer's certificate is not signed by a trusted authority", "alert 48");
	free_two(cc, sc);
}

/* A name that cannot be sent or has a NUL ends the connection before it begins. */
static void bad_names(void **state)
{
	struct tls_config *cc = client_with(trust);
	char name[300];
	struct tls *t;

	(void)state;
	memset(name, 'a', sizeof(name));
	t = tls_new(cc, 0, slice_of(name, sizeof(name)), TLS_NAME_SIP);
	assert_int_equal(tls_handshake(t), ERR_CRYPTO);
	assert_int_equal(tls_output(t)->n, 0);
	tls_free(t);
	t = tls_new(cc, 0, S("example.com\0.evil.example"), TLS_NAME_SIP);
	assert_int_equal(tls_handshake(t), ERR_CRYPTO);
	assert_int_equal(tls_output(t)->n, 0);
	tls_free(t);
	tls_config_unref(cc);
}

static struct made from_vectors(const char *name)
{
	struct buf pem;
	struct made m = {0};
	char path[80];

	snprintf(path, sizeof(path), "certs/%s.der", name);
	m.der = vector_file(path);
	pem_write(&m.pem, "CERTIFICATE", buf_slice(&m.der));
	snprintf(path, sizeof(path), "certs/%s.key", name);
	pem = vector_file(path);
	assert_int_equal(key_read_private(buf_slice(&pem), &m.key), ERR_OK);
	buf_free(&pem);
	return m;
}

/* Certificates for other purposes, from the vectors. */
static void wrong_purpose(void **state)
{
	static const char *const rows[][3] = {
		{"leaf-code", "the peer's certificate is not for a TLS server",
		 "the peer's certificate is not for a TLS client"},
		{"leaf-encipher", NULL, "the key usage of the peer's certificate does not allow digital signatures"},
	};
	struct buf root = vector_file("certs/root.der");
	struct trust *t = trust_new();

	(void)state;
	assert_int_equal(trust_add_der(t, buf_slice(&root)), ERR_OK);
	assert_int_equal(trust_add_der(t, buf_slice(&ca.der)), ERR_OK);
	for (int i = 0; i < 2; i++) {
		struct made m = from_vectors(rows[i][0]);
		const struct made *odd = &m, *good = &ec_server;
		struct tls_config *sc = server_of(odd), *cc = client_with(t);
		struct pair p = join(cc, sc, "example.com", TLS_NAME_SIP);

		/* The library does not show a certificate whose key must not sign. */
		if (rows[i][1] == NULL) {
			assert_int_equal(p.server_err, ERR_CRYPTO);
			part(&p);
		} else {
			refused(&p, true, rows[i][1], "alert 43 (unsupported certificate)");
		}
		free_two(cc, sc);
		sc = config((struct tls_params){.server = true, .trust = t, .client_auth = TLS_CLIENT_OPTIONAL}, &good,
			    1);
		cc = config((struct tls_params){.trust = t}, &odd, 1);
		p = join(cc, sc, "example.com", TLS_NAME_SIP);
		refused(&p, false, rows[i][2], "alert 43 (unsupported certificate)");
		free_two(cc, sc);
		drop(&m);
	}
	trust_free(t);
	buf_free(&root);
}

static void strict_purpose(void **state)
{
	struct tls_config *sc = server_of(&ec_server);
	struct tls_config *cc = config((struct tls_params){.trust = trust, .eku_strict = true}, NULL, 0);
	struct pair p = join(cc, sc, "example.com", TLS_NAME_SIP);

	(void)state;
	assert_good(&p); /* id-kp-sipDomain is there */
	part(&p);
	free_two(cc, sc);
}

static void client_certificates(void **state)
{
	static const struct {
		enum tls_client_auth auth;
		const struct made *client;
		const char *reason; /* NULL: all is well */
		const char *alert;
	} rows[] = {
		{TLS_CLIENT_OFF, NULL, NULL, NULL},
		{TLS_CLIENT_OFF, &client, NULL, NULL},
		{TLS_CLIENT_OPTIONAL, NULL, NULL, NULL},
		{TLS_CLIENT_OPTIONAL, &client, NULL, NULL},
		{TLS_CLIENT_OPTIONAL, &rsa_other, NULL, NULL},
		{TLS_CLIENT_OPTIONAL, &stranger, "the peer's certificate is not signed by a trusted authority",
		 "alert 48 (unknown CA)"},
		{TLS_CLIENT_OPTIONAL, &bare, "the peer's certificate is self-signed and not among the trusted ones",
		 "alert 48 (unknown CA)"},
		{TLS_CLIENT_REQUIRED, &client, NULL, NULL},
		{TLS_CLIENT_REQUIRED, NULL, "the client sent no certificate", "alert 40 (handshake failure)"},
		{TLS_CLIENT_REQUIRED, &stranger, "the peer's certificate is not signed by a trusted authority",
		 "alert 48"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct made *who = &rsa_server;
		struct tls_config *sc = config(
			(struct tls_params){.server = true, .trust = trust, .client_auth = rows[i].auth}, &who, 1);
		struct tls_config *cc =
			config((struct tls_params){.trust = trust}, &rows[i].client, rows[i].client == NULL ? 0 : 1);
		struct pair p = join(cc, sc, "example.com", TLS_NAME_SIP);

		if (rows[i].reason != NULL) {
			refused(&p, false, rows[i].reason, rows[i].alert);
		} else {
			struct slice want = SLICE_NONE;

			if (rows[i].client != NULL && rows[i].auth != TLS_CLIENT_OFF)
				want = buf_slice(&rows[i].client->der);
			assert_good(&p);
			assert_true(slice_eq(tls_peer(p.server), want));
			talk(&p);
			part(&p);
		}
		free_two(cc, sc);
	}
}

/* The date of a client's certificate counts, too. */
static void client_expired(void **state)
{
	struct cert_params params = leaf_params("old");
	const struct made *who = &ec_server, *user;
	struct tls_config *sc, *cc;
	struct made old;
	struct pair p;

	(void)state;
	params.not_before = NOW - 2 * DAY;
	params.not_after = NOW - 1;
	make(&old, &params, KEY_EC, &ca);
	user = &old;
	sc = config((struct tls_params){.server = true, .trust = trust, .client_auth = TLS_CLIENT_OPTIONAL}, &who, 1);
	cc = config((struct tls_params){.trust = trust}, &user, 1);
	p = join(cc, sc, "example.com", TLS_NAME_SIP);
	refused(&p, false, "the peer's certificate has expired", "alert 45 (certificate expired)");
	free_two(cc, sc);
	drop(&old);
}

static struct tls_config *caching_server(enum tls_client_auth auth)
{
	const struct made *who = &ec_server;

	return config((struct tls_params){.server = true, .trust = trust, .client_auth = auth, .session_cache = 10},
		      &who, 1);
}

static struct pair join_with(struct tls_config *cc, struct tls_config *sc, const char *name,
			     const struct tls_session *s)
{
	struct pair p;

	p.client = tls_new(cc, 0, slice_str(name), TLS_NAME_SIP);
	p.server = tls_new(sc, 0, SLICE_NONE, TLS_NAME_SIP);
	tls_session_use(p.client, s);
	shake(&p, 0);
	return p;
}

static void resumption(void **state)
{
	const struct made *user = &client;

	(void)state;
	for (int auth = 0; auth < 3; auth++) {
		struct tls_config *sc = caching_server((enum tls_client_auth)auth);
		struct tls_config *cc = config((struct tls_params){.trust = trust}, &user, 1);
		struct tls_config *stranger_cc = config((struct tls_params){.trust = trust}, &user, 1);
		struct pair p = join(cc, sc, "example.com", TLS_NAME_SIP);
		struct tls_session *s;

		assert_good(&p);
		assert_string_equal(tls_version(p.client), "TLSv1.2");
		s = tls_session_save(p.client);
		assert_non_null(s);
		part(&p);
		for (int i = 0; i < 3; i++) {
			p = join_with(cc, sc, "example.com", s);
			assert_good(&p);
			assert_true(tls_resumed(p.client) && tls_resumed(p.server));
			assert_true(slice_eq(tls_peer(p.client), buf_slice(&ec_server.der)));
			assert_true(auth == 0 || slice_eq(tls_peer(p.server), buf_slice(&client.der)));
			talk(&p);
			part(&p);
		}
		/* The clock and the name count again: the session is not used, and a full handshake refuses. */
		p = join_with(cc, sc, "example.net", s);
		refused(&p, true, "the certificate names example.com, not example.net", "alert 42");
		clock_now = NOW + 2 * DAY;
		p = join_with(cc, sc, "example.com", s);
		clock_now = NOW;
		assert_string_equal(tls_reason(p.client), "the peer's certificate has expired");
		part(&p);
		/* A session of another configuration is not used: its certificate was judged by other rules. */
		p = join_with(stranger_cc, sc, "example.com", s);
		assert_good(&p);
		assert_false(tls_resumed(p.client) || tls_resumed(p.server));
		part(&p);
		/* The session outlives the configuration's other users. */
		free_two(cc, sc);
		tls_config_unref(stranger_cc);
		tls_session_free(s);
	}
}

static void no_resumption(void **state)
{
	struct tls_config *sc = server_of(&ec_server), *other = caching_server(TLS_CLIENT_OFF),
			  *cc = client_with(trust);
	struct pair p = join(cc, sc, "example.com", TLS_NAME_SIP);
	struct tls_session *s = tls_session_save(p.client);

	(void)state;
	assert_good(&p);
	assert_null(tls_session_save(p.server));
	/* Without a cache mbedTLS gives out a session id all the same; it leads to a full handshake. */
	part(&p);
	p = join_with(cc, other, "example.com", s);
	assert_good(&p);
	assert_false(tls_resumed(p.client) || tls_resumed(p.server));
	part(&p);
	tls_session_free(s);
	tls_session_free(NULL);
	tls_config_unref(other);
	free_two(cc, sc);
}

static void server_names(void **state)
{
	static const struct {
		const char *name;
		enum tls_name_rule rule;
		const struct made *want;
	} rows[] = {
		{"example.com", TLS_NAME_SIP, &ec_server}, /* and not the RSA one of the same name */
		{"other.example", TLS_NAME_SIP, &rsa_other},
		{"a.web.example", TLS_NAME_WEB, &web_server},
		{"A.WEB.EXAMPLE", TLS_NAME_WEB, &web_server},
		{"127.0.0.1", TLS_NAME_WEB, NULL}, /* no SNI: the first, which has another name */
		{"nobody.example", TLS_NAME_SIP, NULL},
	};
	const struct made *const who[] = {&rsa_server, &rsa_other, &web_server, &ec_server};
	struct tls_config *sc = config((struct tls_params){.server = true, .static_rsa = true}, who, 4);
	struct tls_config *cc = client_with(trust);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pair p = join(cc, sc, rows[i].name, rows[i].rule);

		if (rows[i].want != NULL) {
			assert_good(&p);
			assert_true(slice_eq(tls_peer(p.client), buf_slice(&rows[i].want->der)));
		} else {
			assert_non_null(strstr(tls_reason(p.client), "the certificate names example.com, not "));
		}
		part(&p);
	}
	free_two(cc, sc);
}

static void configurations(void **state)
{
	struct tls_identity id = {buf_slice(&ec_server.pem), ec_server.key};
	struct tls_params p = {.server = true, .ids = &id, .id_count = 1, .slots = 3};
	struct buf der, chain = {0};
	struct tls_config *c;

	(void)state;
	assert_int_equal(tls_config_new(&p, &c), ERR_OK);
	tls_config_ref(c);
	tls_config_unref(c);
	tls_config_unref(c);
	id.key = web_server.key;
	assert_int_equal(tls_config_new(&p, &c), ERR_CRYPTO);
	id.key = rsa_server.key;
	assert_int_equal(tls_config_new(&p, &c), ERR_CRYPTO);
	id.key = ec_server.key;
	id.chain_pem = S("");
	assert_int_equal(tls_config_new(&p, &c), ERR_SYNTAX);
	id.chain_pem = S("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
	assert_int_equal(tls_config_new(&p, &c), ERR_SYNTAX);
	der = vector_file("certs/bad-p521.der");
	pem_write(&chain, "CERTIFICATE", buf_slice(&der));
	id.chain_pem = buf_slice(&chain);
	assert_int_equal(tls_config_new(&p, &c), ERR_UNSUPPORTED);
	p.id_count = 0;
	assert_int_equal(tls_config_new(&p, &c), ERR_UNSUPPORTED);
	buf_free(&der);
	buf_free(&chain);
}

/* hello: a ClientHello of TLS 1.2 with those suites; signatures = false: without signature_algorithms. */
static struct buf hello(const uint16_t *suites, size_t n, bool signatures, uint8_t minor)
{
	struct buf b = {0};
	size_t body;

	buf_add(&b, S("\x16\x03\x01\0\0\x01\0\0\0\x03"));
	buf_addc(&b, (char)minor);
	for (int i = 0; i < 32; i++)
		buf_addc(&b, (char)i);
	buf_addc(&b, 0);
	buf_addc(&b, 0);
	buf_addc(&b, (char)(2 * n));
	for (size_t i = 0; i < n; i++) {
		buf_addc(&b, (char)(suites[i] >> 8));
		buf_addc(&b, (char)suites[i]);
	}
	buf_add(&b, S("\x01\0"));
	if (signatures)
		buf_add(&b, S("\0\x18\0\x0d\0\x06\0\x04\x04\x01\x04\x03\0\x0a\0\x04\0\x02\0\x17\0\x0b\0\x02\x01\0"));
	else
		buf_add(&b, S("\0\x0e\0\x0a\0\x04\0\x02\0\x17\0\x0b\0\x02\x01\0"));
	body = b.n - 9;
	b.p[3] = (char)((b.n - 5) >> 8);
	b.p[4] = (char)(b.n - 5);
	b.p[7] = (char)(body >> 8);
	b.p[8] = (char)body;
	return b;
}

struct hello_row {
	uint16_t suites[3];
	size_t n;
	bool signatures;
	bool static_rsa;
	const struct made *server;
	uint8_t minor;
	uint16_t chosen; /* 0: refused */
	const char *reason;
};

static void hellos(void **state)
{
	static const struct hello_row rows[] = {
		{{0x002f}, 1, true, true, &rsa_server, 3, 0x002f, NULL},
		{{0x003c}, 1, true, true, &rsa_server, 3, 0x003c, NULL},
		{{0x002f}, 1, false, true, &rsa_server, 3, 0x002f, NULL}, /* mbedTLS 2.28 by itself refuses this */
		{{0x003c}, 1, false, true, &rsa_server, 3, 0x003c, NULL},
		{{0x002f, 0x003c}, 2, true, true, &rsa_server, 3, 0x003c, NULL},
		{{0x002f, 0xc02f, 0x003c}, 3, true, true, &rsa_server, 3, 0xc02f, NULL}, /* static RSA is last */
		{{0x002f, 0xc02b, 0xc02f}, 3, true, true, &ec_server, 3, 0xc02b, NULL},
		{{0x002f}, 1, true, false, &rsa_server, 3, 0, "no cipher suite in common"},
		{{0x002f}, 1, false, false, &rsa_server, 3, 0, "no cipher suite in common"},
		{{0x002f}, 1, true, true, &ec_server, 3, 0, "no cipher suite in common"},
		{{0xc02f}, 1, true, true, &ec_server, 3, 0, "no cipher suite in common"},
		{{0x000a, 0x0035, 0x009c}, 3, true, true, &rsa_server, 3, 0, "no cipher suite in common"},
		{{0x0001, 0x0002, 0x003b}, 3, true, true, &rsa_server, 3, 0, "no cipher suite in common"}, /* NULL */
		{{0x002f}, 1, true, true, &rsa_server, 2, 0, "no TLS version in common (1.2 is the least)"},
		{{0x002f}, 1, false, true, &rsa_server, 1, 0, "no TLS version in common (1.2 is the least)"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct hello_row *r = &rows[i];
		struct tls_config *sc =
			config((struct tls_params){.server = true, .static_rsa = r->static_rsa}, &r->server, 1);
		struct tls *t = tls_new(sc, 0, SLICE_NONE, TLS_NAME_SIP);
		struct buf b = hello(r->suites, r->n, r->signatures, r->minor);
		enum err e;

		tls_input(t, buf_slice(&b));
		e = tls_handshake(t);
		if (r->chosen != 0) {
			const unsigned char *out = (const unsigned char *)tls_output(t)->p;
			size_t at = 5 + 4 + 2 + 32;

			if (e != ERR_AGAIN)
				fail_msg("row %zu: %s", i, tls_reason(t));
			at += 1 + out[at];
			assert_int_equal(out[at] << 8 | out[at + 1], r->chosen);
			assert_int_equal(tls_is_static_rsa(t), r->chosen < 0x100);
		} else {
			assert_int_equal(e, ERR_CRYPTO);
			if (strncmp(tls_reason(t), r->reason, strlen(r->reason)) != 0)
				fail_msg("row %zu: %s", i, tls_reason(t));
			assert_int_equal(tls_output(t)->p[0], 21); /* an alert */
		}
		buf_free(&b);
		tls_free(t);
		tls_config_unref(sc);
	}
}

static void put_record(struct buf *out, uint8_t type, struct slice body)
{
	buf_addc(out, (char)type);
	buf_add(out, S("\x03\x03"));
	buf_addc(out, (char)(body.n >> 8));
	buf_addc(out, (char)body.n);
	buf_add(out, body);
}

static void put_24(struct buf *out, size_t n)
{
	buf_addc(out, (char)(n >> 16));
	buf_addc(out, (char)(n >> 8));
	buf_addc(out, (char)n);
}

/* certificate_message: n times the same certificate; wrong: the list says one octet more. */
static struct buf certificate_message(struct slice der, size_t n, size_t wrong)
{
	struct buf b = {0};

	buf_addc(&b, 11);
	put_24(&b, 3 + n * (3 + der.n));
	put_24(&b, n * (3 + der.n) + wrong);
	for (size_t i = 0; i < n; i++) {
		put_24(&b, der.n);
		buf_add(&b, der);
	}
	return b;
}

/* at_certificate: a server that waits for the client's certificate. */
static struct tls *at_certificate(struct tls_config *sc)
{
	struct tls *t = tls_new(sc, 0, SLICE_NONE, TLS_NAME_SIP);
	struct buf b = hello((const uint16_t[]){0xc02b}, 1, true, 3);

	tls_input(t, buf_slice(&b));
	assert_int_equal(tls_handshake(t), ERR_AGAIN);
	buf_free(&b);
	return t;
}

/* Hostile keys in client certificates: refused by their form, before a signature is looked at. */
static void hostile_clients(void **state)
{
	static const struct {
		const char *file;
		size_t times;
		size_t wrong;
		const char *reason;
	} rows[] = {
		{"bad-rsa-8192", 1, 0, "the peer's certificate is of a kind that is not taken"},
		{"bad-rsa-large-e", 4, 0, "the peer's certificate is of a kind that is not taken"},
		{"bad-ed25519", 1, 0, "the peer's certificate is of a kind that is not taken"},
		{"bad-san-cut", 1, 0, "the peer's certificate cannot be read"},
		{"leaf", 5, 0, "the peer's certificate chain is too long"},
		{"leaf", 25, 0, "the peer's certificate chain is too long"},
		{"leaf", 1, 1, "a malformed certificate message"},
		{"leaf", 60, 0, "a malformed certificate message"}, /* more than the library can hold */
	};
	const struct made *who = &ec_server;
	struct tls_config *sc = config(
		(struct tls_params){.server = true, .trust = trust, .client_auth = TLS_CLIENT_OPTIONAL}, &who, 1);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tls *t = at_certificate(sc);
		struct buf der, msg, records = {0};
		char path[80];

		snprintf(path, sizeof(path), "certs/%s.der", rows[i].file);
		der = vector_file(path);
		msg = certificate_message(buf_slice(&der), rows[i].times, rows[i].wrong);
		for (size_t at = 0; at < msg.n; at += 16384)
			put_record(&records, 22, slice_sub(buf_slice(&msg), at, at + 16384));
		tls_input(t, buf_slice(&records));
		assert_int_equal(tls_handshake(t), ERR_CRYPTO);
		if (strcmp(tls_reason(t), rows[i].reason) != 0)
			fail_msg("row %zu: %s", i, tls_reason(t));
		buf_free(&der);
		buf_free(&msg);
		buf_free(&records);
		tls_free(t);
	}
	tls_config_unref(sc);
}

/* An alert, an empty record or another message where the certificate should be. */
static void not_certificates(void **state)
{
	static const struct {
		uint8_t type;
		struct slice body;
		const char *reason;
	} rows[] = {
		{21, {"\x02\x2a", 2}, "the peer sent alert 42 (bad certificate)"},
		{22, {"\x10\0\0\x01\0", 5}, NULL},
		{22, {"\x0b\0\0\x02\0\0", 6}, "a malformed certificate message"},
		{22, {"\x0b\0\0\x06\0\0\x03\0\0\0", 10}, "a malformed certificate message"},
		{23, {"x", 1}, NULL},
		{20, {"\x01", 1}, NULL},
		{22, {"", 0}, NULL},
	};
	const struct made *who = &ec_server;
	struct tls_config *sc = config(
		(struct tls_params){.server = true, .trust = trust, .client_auth = TLS_CLIENT_OPTIONAL}, &who, 1);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tls *t = at_certificate(sc);
		struct buf record = {0};
		enum err e;

		put_record(&record, rows[i].type, rows[i].body);
		tls_input(t, buf_slice(&record));
		e = tls_handshake(t);
		if (e == ERR_OK || (rows[i].reason != NULL && strcmp(tls_reason(t), rows[i].reason) != 0))
			fail_msg("row %zu: %s, %s", i, err_str(e), tls_reason(t));
		buf_free(&record);
		tls_free(t);
	}
	tls_config_unref(sc);
}

/* A server that shows a hostile key: the client must not calculate with it. */
static void hostile_server(void **state)
{
	struct buf der = vector_file("certs/bad-rsa-8192.der"), msg = {0}, records = {0};
	struct tls_config *cc = client_with(trust);
	struct tls *t = tls_new(cc, 0, S("example.com"), TLS_NAME_SIP);

	(void)state;
	assert_int_equal(tls_handshake(t), ERR_AGAIN);
	/* ServerHello: TLS 1.2, no session, ECDHE_RSA_WITH_AES_128_GCM_SHA256, renegotiation_info. */
	buf_add(&msg, S("\x02\0\0\x2d\x03\x03"));
	for (int i = 0; i < 32; i++)
		buf_addc(&msg, (char)i);
	buf_add(&msg, S("\0\xc0\x2f\0\0\x05\xff\x01\0\x01\0"));
	put_record(&records, 22, buf_slice(&msg));
	buf_free(&msg);
	msg = certificate_message(buf_slice(&der), 3, 0);
	put_record(&records, 22, buf_slice(&msg));
	tls_input(t, buf_slice(&records));
	assert_int_equal(tls_handshake(t), ERR_CRYPTO);
	assert_string_equal(tls_reason(t), "the peer's certificate is of a kind that is not taken");
	buf_free(&der);
	buf_free(&msg);
	buf_free(&records);
	tls_free(t);
	tls_config_unref(cc);
}

static void garbage(void **state)
{
	struct tls_config *sc = server_of(&ec_server), *cc = client_with(trust);
	struct tls *t;

	(void)state;
	t = tls_new(sc, 0, SLICE_NONE, TLS_NAME_SIP);
	tls_input(t, S("OPTIONS sip:example.com SIP/2.0\r\n\r\n"));
	assert_int_equal(tls_handshake(t), ERR_CRYPTO);
	assert_string_equal(tls_reason(t), "the peer does not speak TLS");
	tls_free(t);
	t = tls_new(cc, 0, S("example.com"), TLS_NAME_SIP);
	assert_int_equal(tls_handshake(t), ERR_AGAIN);
	tls_input(t, S("SIP/2.0 400 Bad Request\r\n\r\n"));
	assert_int_equal(tls_handshake(t), ERR_CRYPTO);
	assert_string_equal(tls_reason(t), "the peer does not speak TLS");
	tls_free(t);
	for (int i = 0; i < 200; i++) {
		char octets[300];

		rng_fill(octets, sizeof(octets));
		if (i % 2 == 0)
			memcpy(octets, "\x16\x03\x03\x01\x00\x01\x00\x00\xfc\x03\x03", 11);
		t = tls_new(sc, 0, SLICE_NONE, TLS_NAME_SIP);
		tls_input(t, slice_of(octets, sizeof(octets)));
		assert_int_not_equal(tls_handshake(t), ERR_OK);
		tls_free(t);
	}
	free_two(cc, sc);
}

/* shake_with: as shake, but octet at of what the client (or the server) sends is changed. */
static void shake_with(struct pair *p, bool of_client, size_t at)
{
	size_t sent = 0;

	p->client_err = p->server_err = ERR_AGAIN;
	for (int round = 0; round < 20; round++) {
		struct buf *out;

		p->client_err = tls_handshake(p->client);
		p->server_err = tls_handshake(p->server);
		out = tls_output(of_client ? p->client : p->server);
		if (at >= sent && at < sent + out->n)
			out->p[at - sent] ^= 0x21;
		sent += out->n;
		move(p->client, p->server, 0);
		move(p->server, p->client, 0);
	}
}

/* One changed octet anywhere in a handshake: it fails, or it was one that means nothing and both sides can talk. */
static void changed_handshakes(void **state)
{
	const struct made *who = &ec_server, *user = &client;
	struct tls_config *sc = config(
		(struct tls_params){.server = true, .trust = trust, .client_auth = TLS_CLIENT_REQUIRED}, &who, 1);
	struct tls_config *cc = config((struct tls_params){.trust = trust}, &user, 1);
	size_t survived = 0;

	(void)state;
	for (size_t i = 0; i < 2 * 900; i += 2) {
		struct pair p;

		p.client = tls_new(cc, 0, S("example.com"), TLS_NAME_SIP);
		p.server = tls_new(sc, 0, SLICE_NONE, TLS_NAME_SIP);
		shake_with(&p, i % 4 == 0, i / 2);
		if (p.client_err == ERR_OK && p.server_err == ERR_OK) {
			talk(&p);
			survived++;
		}
		part(&p);
	}
	print_message("%zu of 900 changes meant nothing\n", survived);
	free_two(cc, sc);
}

/* A changed, repeated or cut record of an open connection. */
static void changed_records(void **state)
{
	struct tls_config *sc = server_of(&ec_server), *cc = client_with(trust);
	struct buf got = {0};

	(void)state;
	for (size_t i = 0; i < 40; i++) {
		struct pair p = join(cc, sc, "example.com", TLS_NAME_SIP);
		struct buf *out = tls_output(p.client);
		enum err e;

		assert_good(&p);
		assert_int_equal(tls_write(p.client, S("some octets")), ERR_OK);
		out->p[i % out->n] ^= 0x40;
		move(p.client, p.server, 0);
		e = tls_read(p.server, &got, 100);
		assert_true(e == ERR_CRYPTO || e == ERR_AGAIN);
		assert_int_equal(got.n, 0);
		part(&p);
	}
	{
		struct pair p = join(cc, sc, "example.com", TLS_NAME_SIP);
		struct buf twice = {0};

		assert_int_equal(tls_write(p.client, S("once")), ERR_OK);
		buf_add(&twice, buf_slice(tls_output(p.client)));
		for (size_t n = 0; n < twice.n; n++) {
			tls_input(p.server, slice_sub(buf_slice(&twice), n, n + 1));
			assert_int_equal(tls_read(p.server, &got, 100), n + 1 < twice.n ? ERR_AGAIN : ERR_OK);
		}
		assert_string_equal(got.p, "once");
		tls_input(p.server, buf_slice(&twice));
		assert_int_equal(tls_read(p.server, &got, 100), ERR_CRYPTO);
		assert_string_equal(got.p, "once");
		assert_string_equal(tls_reason(p.server), "a TLS record was changed on the way");
		part(&p);
		buf_free(&twice);
	}
	buf_free(&got);
	free_two(cc, sc);
}

/* Both sides sign with the key copies of their own slots. */
static void slots(void **state)
{
	const struct made *who = &rsa_server;
	struct tls_config *sc = config((struct tls_params){.server = true, .slots = 3}, &who, 1);
	struct tls_config *cc = config((struct tls_params){.trust = trust, .slots = 2}, NULL, 0);

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct pair p;

		p.client = tls_new(cc, i % 2, S("example.com"), TLS_NAME_SIP);
		p.server = tls_new(sc, i % 3, SLICE_NONE, TLS_NAME_SIP);
		shake(&p, 0);
		assert_good(&p);
		part(&p);
	}
	free_two(cc, sc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_handshake),
		cmocka_unit_test(slow_input),
		cmocka_unit_test(servers_refused),
		cmocka_unit_test(servers_taken),
		cmocka_unit_test(no_trust),
		cmocka_unit_test(bad_names),
		cmocka_unit_test(wrong_purpose),
		cmocka_unit_test(strict_purpose),
		cmocka_unit_test(client_certificates),
		cmocka_unit_test(client_expired),
		cmocka_unit_test(resumption),
		cmocka_unit_test(no_resumption),
		cmocka_unit_test(server_names),
		cmocka_unit_test(configurations),
		cmocka_unit_test(hellos),
		cmocka_unit_test(hostile_clients),
		cmocka_unit_test(not_certificates),
		cmocka_unit_test(hostile_server),
		cmocka_unit_test(garbage),
		cmocka_unit_test(changed_handshakes),
		cmocka_unit_test(changed_records),
		cmocka_unit_test(slots),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
