#ifndef TESTS_UNIT_TLS_PAIR_H
#define TESTS_UNIT_TLS_PAIR_H

/* For the tests of tls.h: certificates for a fixed clock, and a client and a server joined by their buffers. */

#include "tests/test.h"

#include "core/mem.h"
#include "crypto/cert.h"
#include "crypto/encode.h"
#include "crypto/rng.h"
#include "crypto/tls.h"
#include "tests/unit/vector.h"

#define NOW 1800000000
#define DAY 86400

static int64_t clock_now = NOW;

static inline int64_t fixed_clock(void)
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

static inline const struct slice *one(struct slice s)
{
	list[0] = s;
	list[1] = SLICE_NONE;
	return list;
}

static inline void make(struct made *m, const struct cert_params *p, enum key_kind kind, const struct made *issuer)
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

static inline void drop(struct made *m)
{
	key_free(m->key);
	buf_free(&m->pem);
	buf_free(&m->der);
	memset(m, 0, sizeof(*m));
}

static inline struct cert_params leaf_params(const char *name)
{
	return (struct cert_params){
		.common_name = slice_str(name),
		.not_before = NOW - DAY,
		.not_after = NOW + DAY,
		.alg = HASH_SHA256,
	};
}

static inline int set_up(void **state)
{
	struct cert_params p = leaf_params("test CA");

	(void)state;
	assert_int_equal(tls_library_init(), ERR_OK);
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

static inline int tear_down(void **state)
{
	(void)state;
	trust_unref(trust);
	trust_unref(other_trust);
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

static inline struct tls_config *config(struct tls_params p, const struct made *const *who, size_t n)
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

static inline struct tls_config *server_of(const struct made *m)
{
	return config((struct tls_params){.server = true, .static_rsa = true}, &m, 1);
}

static inline struct tls_config *client_with(struct trust *t)
{
	return config((struct tls_params){.trust = t, .static_rsa = true}, NULL, 0);
}

struct pair {
	struct tls *client;
	struct tls *server;
	enum err client_err;
	enum err server_err;
};

static inline void move(struct tls *from, struct tls *to, size_t piece)
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
static inline void shake(struct pair *p, size_t piece)
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

static inline struct pair join(struct tls_config *cc, struct tls_config *sc, const char *name, enum tls_name_rule rule)
{
	struct pair p;

	p.client = tls_new(cc, 0, slice_str(name), rule);
	p.server = tls_new(sc, 0, SLICE_NONE, TLS_NAME_SIP);
	shake(&p, 0);
	return p;
}

static inline void part(struct pair *p)
{
	tls_free(p->client);
	tls_free(p->server);
}

static inline void assert_good(const struct pair *p)
{
	if (p->client_err != ERR_OK || p->server_err != ERR_OK)
		print_error("client: %s; server: %s\n", tls_reason(p->client), tls_reason(p->server));
	assert_int_equal(p->client_err, ERR_OK);
	assert_int_equal(p->server_err, ERR_OK);
}

static inline void free_two(struct tls_config *a, struct tls_config *b)
{
	tls_config_unref(a);
	tls_config_unref(b);
}

/* talk: octets in both directions, in pieces. */
static inline void talk(struct pair *p)
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

#endif
