#include "crypto/tls.h"

#include <stdlib.h>
#include <time.h>

#include <mbedtls/ssl.h>
#include <mbedtls/ssl_cache.h>
#include <mbedtls/version.h>
#if MBEDTLS_VERSION_NUMBER >= 0x03000000
#include <psa/crypto.h>
#endif

#include "core/mem.h"
#include "crypto/cert_state.h"
#include "crypto/encode.h"
#include "crypto/tls_state.h"

/*
 * Configurations: suites, versions, and the certificates that we show. Each slot is a configuration of the library with
 * private keys of its own, because mbedTLS locks a key for a whole signature.
 */

/* clang-format off */
#if MBED_3
#define SUITES_1_3 \
	MBEDTLS_TLS1_3_AES_128_GCM_SHA256, \
	MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256, \
	MBEDTLS_TLS1_3_AES_256_GCM_SHA384,
#else
#define SUITES_1_3
#endif
#define SUITES_FORWARD_SECRET \
	SUITES_1_3 \
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, \
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, \
	MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, \
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, \
	MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, \
	MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
/* clang-format on */

static const int suites_forward_secret[] = {SUITES_FORWARD_SECRET, 0};

/* The static-RSA suites stand last, for peers that have no others. */
static const int suites_with_static_rsa[] = {
	SUITES_FORWARD_SECRET,
	MBEDTLS_TLS_RSA_WITH_AES_128_CBC_SHA256,
	MBEDTLS_TLS_RSA_WITH_AES_128_CBC_SHA,
	0,
};

/*
 * Lists of groups and signature algorithms. SHA-1 is at the end, and only for servers with static RSA. RFC 5246
 * 7.4.1.4.1 reads a ClientHello without signature_algorithms as SHA-1, and mbedTLS 2.28 then refuses even suites that
 * sign nothing unless SHA-1 is in the list.
 */
#if MBED_3
static const uint16_t groups[] = {
	MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
	MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
	MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1,
	MBEDTLS_SSL_IANA_TLS_GROUP_NONE,
};

#define SIG(hash, kind) ((MBEDTLS_SSL_HASH_##hash << 8) | MBEDTLS_SSL_SIG_##kind)
/*
 * PSS stands last because it is for TLS 1.3, which takes no other RSA signature whatever the order. Most servers choose
 * the first algorithm that they know; a TLS 1.2 server that chose PSS would be refused by the library (3.6.6), although
 * RFC 8446 4.2.3 allows it.
 */
#define SIGS_2 \
	MBEDTLS_TLS1_3_SIG_ECDSA_SECP256R1_SHA256, MBEDTLS_TLS1_3_SIG_ECDSA_SECP384R1_SHA384, \
		MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA256, MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA384, \
		MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA512, MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA256, \
		MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA384, MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA512
static const uint16_t signatures[] = {SIGS_2, MBEDTLS_TLS1_3_SIG_NONE};
static const uint16_t signatures_sha1[] = {SIGS_2, SIG(SHA1, ECDSA), SIG(SHA1, RSA), MBEDTLS_TLS1_3_SIG_NONE};
#else
static const mbedtls_ecp_group_id groups[] = {MBEDTLS_ECP_DP_CURVE25519, MBEDTLS_ECP_DP_SECP256R1,
					      MBEDTLS_ECP_DP_SECP384R1, MBEDTLS_ECP_DP_NONE};
static const int signatures[] = {MBEDTLS_MD_SHA256, MBEDTLS_MD_SHA384, MBEDTLS_MD_SHA512, MBEDTLS_MD_NONE};
static const int signatures_sha1[] = {MBEDTLS_MD_SHA256, MBEDTLS_MD_SHA384, MBEDTLS_MD_SHA512, MBEDTLS_MD_SHA1,
				      MBEDTLS_MD_NONE};
#endif

static int64_t system_time(void)
{
	return (int64_t)time(NULL);
}

static void set_lists(mbedtls_ssl_config *ssl, bool sha1)
{
#if MBED_3
	mbedtls_ssl_conf_groups(ssl, groups);
	mbedtls_ssl_conf_sig_algs(ssl, sha1 ? signatures_sha1 : signatures);
#else
	mbedtls_ssl_conf_curves(ssl, groups);
	mbedtls_ssl_conf_sig_hashes(ssl, sha1 ? signatures_sha1 : signatures);
#endif
}

/*
 * set_versions: a server that asks for client certificates stays with TLS 1.2, where the certificate comes in the clear
 * and is judged before the library calculates with its key; a hostile key costs ten thousand times a normal one. A
 * server that keeps sessions stays with 1.2 as well, because 1.3 resumes by tickets only.
 */
static void set_versions(mbedtls_ssl_config *ssl, const struct tls_params *p)
{
#if MBED_3
	bool only_12 = p->server && (p->client_auth != TLS_CLIENT_OFF || p->session_cache > 0);

	mbedtls_ssl_conf_min_tls_version(ssl, MBEDTLS_SSL_VERSION_TLS1_2);
	mbedtls_ssl_conf_max_tls_version(ssl, only_12 ? MBEDTLS_SSL_VERSION_TLS1_2 : MBEDTLS_SSL_VERSION_TLS1_3);
	mbedtls_ssl_conf_tls13_key_exchange_modes(ssl, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL);
#else
	(void)p;
	mbedtls_ssl_conf_min_version(ssl, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
#endif
}

/*
 * on_server_name: offers the library every identity that names the host. It takes an ECDSA one first, because ECDSA
 * suites stand first and it picks the key by suite and curve.
 */
static int on_server_name(void *arg, mbedtls_ssl_context *ssl, const unsigned char *name, size_t n)
{
	struct tls_slot *slot = arg;
	struct tls_config *c = slot->config;
	struct slice host = slice_of(name, n);

	for (size_t i = 0; i < c->id_count; i++) {
		const struct cert *leaf = c->ids[i].leaf;

		if (!cert_matches_sip_domain(leaf, host) && !cert_matches_host(leaf, host, true))
			continue;
		if (mbedtls_ssl_set_hs_own_cert(ssl, &c->ids[i].chain, &slot->keys[i]->pk) != 0)
			return -1;
	}
	return 0; /* no identity fits: the default one is shown, RFC 6066 3 */
}

static enum err slot_start(struct tls_config *c, struct tls_slot *slot, const struct tls_params *p)
{
	int role = p->server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT;
	mbedtls_ssl_config *ssl = &slot->ssl;

	slot->config = c;
	if (mbedtls_ssl_config_defaults(ssl, role, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT) != 0)
		abort(); /* only for want of memory */
	mbedtls_ssl_conf_rng(ssl, rng_mbedtls, NULL);
	set_versions(ssl, p);
	set_lists(ssl, p->server && p->static_rsa);
	mbedtls_ssl_conf_ciphersuites(ssl, p->static_rsa ? suites_with_static_rsa : suites_forward_secret);
	mbedtls_ssl_conf_renegotiation(ssl, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
	/*
	 * NONE for clients: tls_peer.c alone judges the server, before any use of its key. For a server NONE would mean
	 * that no certificate is asked for; so it is OPTIONAL, and tls_peer.c judges before the library does.
	 */
	mbedtls_ssl_conf_authmode(ssl, p->server && p->client_auth != TLS_CLIENT_OFF ? MBEDTLS_SSL_VERIFY_OPTIONAL
										     : MBEDTLS_SSL_VERIFY_NONE);
	if (p->server) {
		/* The names of all authorities would cost kilobytes in every handshake; an empty list means any. */
		mbedtls_ssl_conf_cert_req_ca_list(ssl, MBEDTLS_SSL_CERT_REQ_CA_LIST_DISABLED);
		mbedtls_ssl_conf_sni(ssl, on_server_name, slot);
		if (p->session_cache > 0)
			mbedtls_ssl_conf_session_cache(ssl, &c->cache, mbedtls_ssl_cache_get, mbedtls_ssl_cache_set);
	} else {
		mbedtls_ssl_conf_session_tickets(ssl, MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
	}
	for (size_t i = 0; i < c->id_count; i++) {
		enum err e = key_dup(p->ids[i].key, &slot->keys[i]);

		if (e != ERR_OK)
			return e;
	}
	if (c->id_count > 0 && mbedtls_ssl_conf_own_cert(ssl, &c->ids[0].chain, &slot->keys[0]->pk) != 0)
		abort();
	return ERR_OK;
}

static bool key_belongs(const struct key *key, const struct cert *leaf)
{
	struct buf ours = {0}, theirs = {0};
	struct key *public_key;
	bool same = false;

	if (cert_public_key(leaf, &public_key) == ERR_OK) {
		key_spki(key, &ours);
		key_spki(public_key, &theirs);
		same = slice_eq(buf_slice(&ours), buf_slice(&theirs));
		key_free(public_key);
	}
	buf_free(&ours);
	buf_free(&theirs);
	return same;
}

static enum err read_identity(const struct tls_identity *id, struct tls_own *own)
{
	static const char *const labels[] = {"CERTIFICATE", NULL};
	struct buf der = {0};
	const char *label;
	size_t pos = 0, n = 0;
	enum err e;

	while ((e = pem_read(id->chain_pem, labels, &pos, &label, &der)) == ERR_OK) {
		struct cert *c;

		e = cert_read(buf_slice(&der), &c);
		if (e != ERR_OK)
			break;
		if (own->leaf == NULL)
			own->leaf = c;
		else
			cert_free(c);
		e = ++n > CERT_CHAIN_MAX ? ERR_UNSUPPORTED : ERR_OK;
		if (e == ERR_OK && mbedtls_x509_crt_parse_der(&own->chain, (const unsigned char *)der.p, der.n) != 0)
			e = ERR_SYNTAX;
		if (e != ERR_OK)
			break;
		buf_clear(&der);
	}
	buf_free(&der);
	if (e != ERR_NOTFOUND)
		return e == ERR_LIMIT ? ERR_UNSUPPORTED : e;
	if (own->leaf == NULL)
		return ERR_SYNTAX;
	mbed_crt_forget_purpose(&own->chain);
	return key_belongs(id->key, own->leaf) ? ERR_OK : ERR_CRYPTO;
}

static void config_free(struct tls_config *c)
{
	for (size_t i = 0; i < c->slot_count; i++) {
		mbedtls_ssl_config_free(&c->slots[i].ssl);
		for (size_t k = 0; k < TLS_IDS_MAX; k++)
			key_free(c->slots[i].keys[k]);
	}
	mem_free(c->slots);
	for (size_t i = 0; i < TLS_IDS_MAX; i++) {
		mbedtls_x509_crt_free(&c->ids[i].chain);
		cert_free(c->ids[i].leaf);
	}
	mbedtls_ssl_cache_free(&c->cache);
	tls_config_unref(c->forward);
	trust_unref(c->trust);
	mem_free(c);
}

enum err tls_config_new(const struct tls_params *p, struct tls_config **out)
{
	struct tls_config *c;
	enum err e = ERR_OK;

	if (p->slots == 0 || p->id_count > TLS_IDS_MAX || (p->server && p->id_count == 0) ||
	    (!p->server && p->id_count > 1))
		return ERR_UNSUPPORTED;
	c = mem_alloc(sizeof(*c));
	atomic_init(&c->refs, 1);
	c->server = p->server;
	c->eku_strict = p->eku_strict;
	c->eku_client = p->eku_client;
	c->client_auth = p->client_auth;
	c->trust = p->trust != NULL ? trust_ref(p->trust) : NULL;
	c->now = system_time;
	for (size_t i = 0; i < TLS_IDS_MAX; i++)
		mbedtls_x509_crt_init(&c->ids[i].chain);
	mbedtls_ssl_cache_init(&c->cache);
	mbedtls_ssl_cache_set_max_entries(&c->cache, (int)p->session_cache);
	mbedtls_ssl_cache_set_timeout(&c->cache, TLS_SESSION_S);
	c->slots = mem_calloc(p->slots, sizeof(*c->slots));
	c->slot_count = p->slots;
	for (size_t i = 0; i < c->slot_count; i++)
		mbedtls_ssl_config_init(&c->slots[i].ssl);
	c->id_count = p->id_count;
	for (size_t i = 0; i < c->id_count && e == ERR_OK; i++)
		e = read_identity(&p->ids[i], &c->ids[i]);
	for (size_t i = 0; i < c->slot_count && e == ERR_OK; i++)
		e = slot_start(c, &c->slots[i], p);
	if (e == ERR_OK && p->server && p->static_rsa) {
		/*
		 * A second configuration for peers under suspicion: see tls_config_forward. It has no static RSA, so
		 * this recurses once.
		 */
		struct tls_params without = *p;

		without.static_rsa = false;
		e = tls_config_new(&without, &c->forward);
	}
	if (e != ERR_OK)
		config_free(c);
	else
		*out = c;
	return e;
}

void tls_config_ref(struct tls_config *c)
{
	atomic_fetch_add(&c->refs, 1);
}

void tls_config_unref(struct tls_config *c)
{
	if (c != NULL && atomic_fetch_sub(&c->refs, 1) == 1)
		config_free(c);
}

struct tls_config *tls_config_forward(struct tls_config *c)
{
	return c->forward != NULL ? c->forward : c;
}

void tls_config_time(struct tls_config *c, int64_t (*now)(void))
{
	c->now = now;
	if (c->forward != NULL)
		c->forward->now = now;
}

enum err tls_library_init(void)
{
#if MBED_3
	/* TLS 1.3 of mbedTLS 3.6 calculates with PSA, whose random numbers come from its own generator. */
	if (psa_crypto_init() != PSA_SUCCESS)
		return ERR_CRYPTO;
#endif
	return ERR_OK;
}

const char *tls_library_version(void)
{
	static char text[32]; /* always filled with the same octets */

	mbedtls_version_get_string_full(text);
	return text;
}
