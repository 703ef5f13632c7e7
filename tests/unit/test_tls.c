#include "tests/test.h"

#include "tests/unit/tls_pair.h"

static void full_handshake(void **state)
{
	const struct made *const servers[] = {&ec_server, &rsa_server};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct tls_config *sc = server_of(servers[i]), *cc = client_with(trust);
		struct pair p = join(cc, sc, "example.com", TLS_NAME_SIP);
		struct buf got = {0};

		assert_good(&p);
		print_message("%s %s with %s\n", tls_version(p.client), tls_suite(p.client), tls_library_version());
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
		{&ec_server, "example.com", TLS_NAME_SIP, NOW - 2 * DAY,
		 "the peer's certificate is not valid yet; is the clock right?", "alert 42"},
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
	trust_unref(t);
	buf_free(&root);
}

/* Certificates of other domains that are for one side of TLS only. */
static void purpose_of_clients(void **state)
{
	static const struct {
		const char *file;
		bool strict, client; /* eku_strict, eku_client */
		bool taken;
	} rows[] = {
		{"peer-server", false, false, true}, {"peer-client", false, false, true},
		{"peer-server", false, true, false}, {"peer-client", false, true, true},
		{"peer-server", true, false, false}, {"peer-client", true, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct made m = from_vectors(rows[i].file);
		const struct made *user = &m, *who = &ec_server;
		struct trust *t = trust_new();
		struct tls_config *sc, *cc;
		struct pair p;

		assert_int_equal(trust_add_der(t, buf_slice(&m.der)), ERR_OK);
		sc = config((struct tls_params){.server = true,
						.trust = t,
						.client_auth = TLS_CLIENT_REQUIRED,
						.eku_strict = rows[i].strict,
						.eku_client = rows[i].client},
			    &who, 1);
		cc = config((struct tls_params){.trust = trust}, &user, 1);
		p = join(cc, sc, "example.com", TLS_NAME_SIP);
		if (rows[i].taken) {
			assert_good(&p);
			assert_true(slice_eq(tls_peer(p.server), buf_slice(&m.der)));
			assert_true(slice_eq(tls_name(p.client), S("example.com")));
			assert_int_equal(tls_name(p.server).n, 0);
			part(&p);
		} else {
			refused(&p, false, "the peer's certificate is not for a TLS client",
				"alert 43 (unsupported certificate)");
		}
		free_two(cc, sc);
		trust_unref(t);
		drop(&m);
	}
}

/* A server's certificate has no such choice. */
static void purpose_of_servers(void **state)
{
	static const char *const files[] = {"peer-server", "peer-client"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct made m = from_vectors(files[i]);
		const struct made *who = &m;
		struct trust *t = trust_new();
		struct tls_config *sc = server_of(who), *cc;
		struct pair p;

		assert_int_equal(trust_add_der(t, buf_slice(&m.der)), ERR_OK);
		cc = client_with(t);
		p = join(cc, sc, "other.example", TLS_NAME_SIP);
		if (i == 0) {
			assert_good(&p);
			part(&p);
		} else {
			refused(&p, true, "the peer's certificate is not for a TLS server",
				"alert 43 (unsupported certificate)");
		}
		free_two(cc, sc);
		trust_unref(t);
		drop(&m);
	}
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
		cmocka_unit_test(purpose_of_clients),
		cmocka_unit_test(purpose_of_servers),
		cmocka_unit_test(client_certificates),
		cmocka_unit_test(client_expired),
		cmocka_unit_test(resumption),
		cmocka_unit_test(no_resumption),
		cmocka_unit_test(server_names),
		cmocka_unit_test(configurations),
		cmocka_unit_test(slots),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
