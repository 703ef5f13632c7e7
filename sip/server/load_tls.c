#include "sip/server/load_private.h"

#include "core/mem.h"
#include "crypto/encode.h"
#include "crypto/pkcs8.h"
#include "sip/server/chain.h"

/* tls.certificate and tls.key: which certificates may be shown, and with which keys (TLS-13, T-30). */

#define TLS_IDS_MAX 8 /* certificates in tls.certificate */

bool load_key(struct slice pem, struct key **out)
{
	return pkcs8_read(pem, SLICE_NONE, out) == ERR_OK || key_read_private(pem, out) == ERR_OK;
}

/* The first certificate of a PEM file; NULL: none that can be read. */
static struct cert *leaf_of(struct slice pem)
{
	static const char *const labels[] = {"CERTIFICATE", NULL};
	struct buf der = {0};
	struct cert *c = NULL;
	const char *label;
	size_t pos = 0;

	if (pem_read(pem, labels, &pos, &label, &der) == ERR_OK && cert_read(buf_slice(&der), &c) != ERR_OK)
		c = NULL;
	buf_free(&der);
	return c;
}

/*
 * leaf_is_fine: TLS-13. The first certificate has to be RSA for the domain, for the suites that the draft demands;
 * further ones may be ECDSA or for other names.
 */
static bool leaf_is_fine(const struct config *c, const struct cert *leaf, const char *name, bool first, int64_t now,
			 struct buf *why)
{
	if (leaf == NULL)
		buf_addf(why, "tls.certificate: %s is not a PEM certificate that can be read", name);
	else if (now > cert_not_after(leaf))
		buf_addf(why, "tls.certificate: %s has expired; a new one is needed", name);
	else if (now < cert_not_before(leaf))
		buf_addf(why, "tls.certificate: %s is not valid yet; is the clock right?", name);
	else if (first && !cert_matches_sip_domain(leaf, slice_str(c->domain)))
		buf_addf(why, "tls.certificate: %s is not for the domain %s (RFC 5922 7.1)", name, c->domain);
	else if (first && (cert_key_kind(leaf) != KEY_RSA || cert_key_bits(leaf) < 2048))
		buf_addf(why, "tls.certificate: the first, %s, needs an RSA key of 2048 bits or more", name);
	else if (first && (!cert_usage_allows(leaf, CERT_DIGITAL_SIGNATURE) ||
			   (c->tls_static_rsa && !cert_usage_allows(leaf, CERT_KEY_ENCIPHERMENT))))
		buf_addf(why, "tls.certificate: the key usage of %s must allow digitalSignature and keyEncipherment",
			 name);
	else
		return true;
	return false;
}

/* chain_is_fine: the certificates behind the first one. */
static bool chain_is_fine(struct slice pem, const char *name, int64_t now, struct buf *why)
{
	struct buf clause = {0};
	struct chain chain;
	bool ok = chain_read(pem, &chain);

	if (!ok)
		buf_adds(&clause, "behind the first certificate stands one that cannot be read");
	ok = ok && chain_holds(&chain, now, &clause);
	if (!ok)
		buf_addf(why, "tls.certificate: %s: %s", name, clause.p);
	chain_drop(&chain);
	buf_free(&clause);
	return ok;
}

/*
 * key_is_separate: T-30: a static-RSA TLS key can be an oracle (Bleichenbacher), which must not be able to forge
 * Identity.
 */
static bool key_is_separate(const struct config *c, const struct key *key, struct buf *why)
{
	struct buf pem = {0}, a = {0}, b = {0};
	struct key *identity = NULL;
	bool same = false;

	if (c->identity_key[0] == '\0' || !load_file(c, c->identity_key, true, &pem, why) ||
	    !load_key(buf_slice(&pem), &identity)) {
		buf_wipe(&pem);
		return why->n == 0;
	}
	key_spki(key, &a);
	key_spki(identity, &b);
	same = slice_eq(buf_slice(&a), buf_slice(&b));
	if (same)
		buf_addf(why,
			 "tls.key and identity.key %s are the same key; they must be two, so that an attack on the one "
			 "cannot forge with the other",
			 c->identity_key);
	key_free(identity);
	buf_wipe(&pem);
	buf_free(&a);
	buf_free(&b);
	return !same;
}

/* nth: the i-th element of a list. false: there are fewer. */
static bool nth(const char *list, unsigned i, struct slice *out)
{
	struct slice rest = slice_list(slice_str(list));

	while (slice_item(&rest, out))
		if (i-- == 0)
			return true;
	return false;
}

/* load_tls_id: the i-th certificate and its key. *chain keeps the PEM text, which the TLS configuration reads. */
static bool load_tls_id(const struct config *c, unsigned i, int64_t now, struct buf *chain, struct key **key,
			struct buf *why)
{
	struct slice cert_name, key_name;
	struct buf pem = {0}, spki = {0};
	struct cert *leaf = NULL;
	char *cert_file = NULL, *key_file = NULL;
	bool ok = false;

	if (!nth(c->tls_certificate, i, &cert_name) || !nth(c->tls_key, i, &key_name)) {
		buf_adds(why, "tls.certificate and tls.key must name as many files as each other, at least one");
		return false;
	}
	cert_file = slice_dup(cert_name);
	key_file = slice_dup(key_name);
	if (!load_file(c, cert_file, false, chain, why) || !load_file(c, key_file, true, &pem, why))
		goto out;
	leaf = leaf_of(buf_slice(chain));
	if (!leaf_is_fine(c, leaf, cert_file, i == 0, now, why) ||
	    !chain_is_fine(buf_slice(chain), cert_file, now, why))
		goto out;
	if (!load_key(buf_slice(&pem), key)) {
		buf_addf(why, "tls.key: %s is not an unencrypted private key in PEM", key_file);
		goto out;
	}
	key_spki(*key, &spki);
	if (!slice_eq(buf_slice(&spki), cert_spki(leaf)))
		buf_addf(why, "tls.key: %s does not belong to the certificate %s", key_file, cert_file);
	else
		ok = key_is_separate(c, *key, why);
out:
	cert_free(leaf);
	buf_wipe(&pem);
	buf_free(&spki);
	mem_free(cert_file);
	mem_free(key_file);
	return ok;
}

/* All certificates of tls.certificate, with the texts and keys that they borrow. */
struct tls_files {
	struct tls_identity ids[TLS_IDS_MAX];
	struct buf chains[TLS_IDS_MAX];
	struct key *keys[TLS_IDS_MAX];
	size_t count;
};

static bool tls_files_load(const struct config *c, int64_t now, struct tls_files *f, struct buf *why)
{
	struct slice name;

	for (unsigned i = 0; i < TLS_IDS_MAX && (i == 0 || nth(c->tls_certificate, i, &name)); i++) {
		if (!load_tls_id(c, i, now, &f->chains[i], &f->keys[i], why))
			return false;
		f->ids[i] = (struct tls_identity){buf_slice(&f->chains[i]), f->keys[i]};
		f->count++;
	}
	return true;
}

static void tls_files_free(struct tls_files *f)
{
	for (unsigned i = 0; i < TLS_IDS_MAX; i++) {
		buf_free(&f->chains[i]);
		key_free(f->keys[i]);
	}
}

bool load_tls(struct settings *s, struct trust *handshakes, unsigned slots, int64_t now, struct buf *why)
{
	const struct config *c = &s->config;
	const struct tls_params common = {
		.static_rsa = c->tls_static_rsa, .eku_strict = c->tls_eku_strict, .trust = s->trust, .slots = slots};
	struct tls_params server = common, client = common;
	struct tls_files files = {0};
	bool ok = true;

	client.eku_strict = false; /* tls.eku-strict is about certificates of clients */
	if (c->tls_certificate[0] != '\0') {
		ok = tls_files_load(c, now, &files, why);
		server.server = true;
		server.trust = handshakes;
		server.eku_client = c->tls_peer_eku == PEER_EKU_CLIENT;
		server.client_auth = (enum tls_client_auth)c->tls_client_certificate;
		server.session_cache = c->tls_sessions;
		server.ids = client.ids = files.ids;
		server.id_count = files.count;
		client.id_count = 1;
	}
	if (ok && ((server.server && tls_config_new(&server, &s->server_tls) != ERR_OK) ||
		   tls_config_new(&client, &s->client_tls) != ERR_OK)) {
		buf_adds(why, "the TLS configuration is refused by the library; are certificate and key of one kind?");
		ok = false;
	}
	tls_files_free(&files);
	return ok;
}
