#include "tests/test.h"

#include "crypto/tls_state.h"
#include "tests/unit/tls_pair.h"

/* What strangers send: ClientHellos of all kinds, hostile certificates, garbage, changed octets. */

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
		{"bad-p521", 4, 0, "the peer's certificate is of a kind that is not taken"},
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
		/* Warnings before it must not hide it. */
		for (size_t k = 0; k < i % 3; k++)
			put_record(&records, 21, S("\x01\x5a"));
		for (size_t at = 0; at < msg.n; at += 16384)
			put_record(&records, 22, slice_sub(buf_slice(&msg), at, at + 16384));
		tls_input(t, buf_slice(&records));
		assert_int_equal(tls_handshake(t), ERR_CRYPTO);
		if (strcmp(tls_reason(t), rows[i].reason) != 0)
			fail_msg("row %zu: %s", i, tls_reason(t));
		tls_free(t);
		t = at_certificate(sc);
		for (size_t at = 0; at < records.n; at++) {
			tls_input(t, slice_sub(buf_slice(&records), at, at + 1));
			if (tls_handshake(t) != ERR_AGAIN)
				break;
		}
		assert_int_equal(tls_handshake(t), ERR_CRYPTO);
		if (strcmp(tls_reason(t), rows[i].reason) != 0)
			fail_msg("row %zu, octet by octet: %s", i, tls_reason(t));
		buf_free(&der);
		buf_free(&msg);
		buf_free(&records);
		tls_free(t);
	}
	tls_config_unref(sc);
}

/* A certificate in the record of the ClientHello, where nobody could look at it in time. */
static void certificate_in_hello(void **state)
{
	const struct made *who = &ec_server;
	struct tls_config *sc = config(
		(struct tls_params){.server = true, .trust = trust, .client_auth = TLS_CLIENT_OPTIONAL}, &who, 1);
	struct tls *t = tls_new(sc, 0, SLICE_NONE, TLS_NAME_SIP);
	struct buf b = hello((const uint16_t[]){0xc02b}, 1, true, 3), der = vector_file("certs/leaf.der");
	struct buf msg = certificate_message(buf_slice(&der), 1, 0);
	size_t n = b.n - 5 + msg.n;

	(void)state;
	b.p[3] = (char)(n >> 8);
	b.p[4] = (char)n;
	buf_add(&b, buf_slice(&msg));
	tls_input(t, buf_slice(&b));
	assert_int_equal(tls_handshake(t), ERR_CRYPTO);
	print_message("%s\n", tls_reason(t));
	tls_free(t);
	buf_free(&b);
	buf_free(&der);
	buf_free(&msg);
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
		{22, {"", 0}, "a malformed certificate message"},
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

/* RFC 5246 7.2.2: who fails says so before the connection ends. code 0: any. */
static void assert_alert(struct tls *t, int code)
{
	const struct buf *out = tls_output(t);

	assert_true(out->n >= 7 && memcmp(out->p + out->n - 7, "\x15\x03\x03\x00\x02\x02", 6) == 0);
	if (code != 0)
		assert_int_equal((unsigned char)out->p[out->n - 1], code);
}

/* A client of TLS 1.3 only, in every length that may have come; one that has 1.2 as well is another matter. */
static void newer_clients(void **state)
{
	static const struct {
		const char *versions;
		size_t n;
		bool newer;
	} rows[] = {
		{"\x02\x03\x04", 3, true},          {"\x04\x03\x04\x03\x05", 5, true},
		{"\x04\x03\x04\x03\x03", 5, false}, {"\x04\x7f\x1c\x03\x03", 5, false},
		{"\x02\x03\x03", 3, false},
	};
	const uint16_t suite = 0x1301;
	struct tls_config *sc = server_of(&ec_server);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b = hello(&suite, 1, false, 3);
		struct tls *t = tls_new(sc, 0, SLICE_NONE, TLS_NAME_SIP);

		buf_add(&b, S("\0\x2b\0"));
		buf_addc(&b, (char)rows[i].n);
		buf_add(&b, slice_of(rows[i].versions, rows[i].n));
		b.p[4] = (char)(b.p[4] + 4 + rows[i].n);
		b.p[8] = (char)(b.p[8] + 4 + rows[i].n);
		b.p[51] = (char)(b.p[51] + 4 + rows[i].n);
		assert_int_equal(tls_hello_look(buf_slice(&b)), rows[i].newer ? ERR_NOTFOUND : ERR_OK);
		for (size_t n = 0; n < b.n; n++)
			assert_int_equal(tls_hello_look(slice_sub(buf_slice(&b), 0, n)), ERR_AGAIN);
		tls_input(t, slice_sub(buf_slice(&b), 0, 20));
		assert_int_equal(tls_handshake(t), ERR_AGAIN);
		tls_input(t, slice_sub(buf_slice(&b), 20, b.n));
		assert_int_equal(tls_handshake(t), ERR_CRYPTO);
		if (rows[i].newer && !MBED_3) {
			assert_alert(t, 70);
			assert_non_null(strstr(tls_reason(t), "no TLS version in common"));
		} else {
			assert_alert(t, 0);
		}
		tls_free(t);
		buf_free(&b);
	}
	tls_config_unref(sc);
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
		if (i % 2 == 0)
			assert_alert(t, 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hellos),
		cmocka_unit_test(hostile_clients),
		cmocka_unit_test(certificate_in_hello),
		cmocka_unit_test(not_certificates),
		cmocka_unit_test(hostile_server),
		cmocka_unit_test(newer_clients),
		cmocka_unit_test(garbage),
		cmocka_unit_test(changed_handshakes),
		cmocka_unit_test(changed_records),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
