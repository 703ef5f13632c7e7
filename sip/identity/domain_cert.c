#include "sip/identity/domain_cert.h"

#include "core/mem.h"
#include "crypto/encode.h"
#include "crypto/pkcs8.h"

/* Generations of the certificate that signs Identity: the current one, and older ones that are still served. */

#define OLD_MAX 16 /* generations; with more changes in a day the oldest goes before its time */

/* An older generation. Its key is gone: often it was replaced because somebody else may have it. */
struct old {
	struct buf der;
	char *path;
	int64_t until; /* seconds since 1970; not served any more afterwards */
};

struct domain_certs {
	struct domain_cert *current;
	struct old old[OLD_MAX]; /* newest first */
	unsigned old_count;
};

void domain_cert_unref(struct domain_cert *d)
{
	if (d == NULL || --d->refs > 0)
		return;
	for (unsigned i = 0; i < d->workers; i++)
		key_free(d->keys[i]);
	mem_free(d->keys);
	cert_free(d->cert);
	mem_free(d->path);
	mem_free(d->url);
	mem_free(d);
}

static void old_free(struct old *o)
{
	buf_free(&o->der);
	mem_free(o->path);
}

struct domain_certs *domain_certs_new(void)
{
	return mem_alloc(sizeof(struct domain_certs));
}

void domain_certs_free(struct domain_certs *all)
{
	if (all == NULL)
		return;
	domain_cert_unref(all->current);
	for (unsigned i = 0; i < all->old_count; i++)
		old_free(&all->old[i]);
	mem_free(all);
}

struct domain_cert *domain_certs_current(const struct domain_certs *all)
{
	return all->current;
}

static struct cert *read_cert(struct slice pem, struct buf *why)
{
	static const char *const labels[] = {"CERTIFICATE", NULL};
	struct buf der = {0};
	struct cert *cert = NULL;
	const char *label;
	size_t pos = 0;

	if (pem_read(pem, labels, &pos, &label, &der) != ERR_OK)
		buf_adds(why, "the identity certificate is not a PEM certificate");
	else if (cert_read(buf_slice(&der), &cert) != ERR_OK)
		buf_adds(why, "the identity certificate cannot be read; expected X.509 v3 with an RSA key");
	buf_free(&der);
	return cert;
}

static bool certificate_fits(const struct cert *c, struct slice domain, int64_t now, struct buf *why)
{
	if (cert_key_kind(c) != KEY_RSA || cert_key_bits(c) < 2048)
		buf_adds(why,
			 "the identity certificate needs an RSA key of 2048 bits or more (RFC 4474 signs with RSA)");
	else if (!cert_usage_allows(c, CERT_DIGITAL_SIGNATURE))
		buf_adds(why, "the identity certificate's key usage does not allow signatures");
	else if (!cert_matches_host(c, domain, false))
		buf_addf(why, "the identity certificate is not for the domain %.*s (RFC 4474 13.4)", SLICE_ARG(domain));
	else if (now < cert_not_before(c))
		buf_adds(why, "the identity certificate is not valid yet; is the clock right?");
	else if (now > cert_not_after(c))
		buf_adds(why, "the identity certificate has expired; a new one is needed");
	else
		return true;
	return false;
}

/* Do key and certificate have the same public key, as SubjectPublicKeyInfo? */
static bool key_fits(const struct key *key, const struct cert *cert)
{
	struct buf spki = {0};
	bool same;

	key_spki(key, &spki);
	same = slice_eq(buf_slice(&spki), cert_spki(cert));
	buf_free(&spki);
	return same;
}

/* path_of: 128 bits of SHA-256 name the certificate. The caller frees it. */
static char *path_of(struct slice der)
{
	char hex[2 * HASH_MAX + 1];
	struct buf b = {0};

	hash_hex(HASH_SHA256, &der, 1, hex);
	buf_addf(&b, DOMAIN_CERT_PATH "%.32s.cer", hex);
	return buf_take(&b);
}

/* name_it: sets path and url. base may end in a slash. */
static void name_it(struct domain_cert *d, struct slice base)
{
	struct buf b = {0};

	d->path = path_of(cert_der(d->cert));
	while (base.n > 0 && base.p[base.n - 1] == '/')
		base.n--;
	buf_add(&b, base);
	buf_adds(&b, d->path);
	d->url = buf_take(&b);
}

/* keep_old: der is served until then. With too many the oldest makes way. */
static void keep_old(struct domain_certs *all, struct slice der, int64_t until)
{
	struct old o = {.path = path_of(der), .until = until};

	buf_add(&o.der, der);
	if (all->old_count == OLD_MAX)
		old_free(&all->old[--all->old_count]);
	for (unsigned i = all->old_count; i > 0; i--)
		all->old[i] = all->old[i - 1];
	all->old[0] = o;
	all->old_count++;
}

/* retire: the certificate of the current generation is served for a while. Whoever still signs has a reference. */
static void retire(struct domain_certs *all, int64_t now)
{
	keep_old(all, cert_der(all->current->cert), now + DOMAIN_CERT_KEEP_S);
}

static bool same_cert(const struct domain_certs *all, const struct cert *c)
{
	return all->current != NULL && slice_eq(cert_der(all->current->cert), cert_der(c));
}

bool domain_certs_set(struct domain_certs *all, struct slice cert_pem, struct slice key_pem, struct slice domain,
		      struct slice base, unsigned workers, int64_t now, struct buf *why)
{
	struct cert *cert = read_cert(cert_pem, why);
	struct key *key = NULL;
	struct domain_cert *d;

	if (cert == NULL)
		return false;
	if (!certificate_fits(cert, domain, now, why))
		goto fail;
	if (pkcs8_read(key_pem, SLICE_NONE, &key) != ERR_OK && key_read_private(key_pem, &key) != ERR_OK) {
		buf_adds(why, "the identity key cannot be read; expected an unencrypted RSA private key in PEM");
		goto fail;
	}
	if (!key_fits(key, cert)) {
		buf_adds(why, "the identity key does not belong to the identity certificate");
		goto fail;
	}
	d = mem_alloc(sizeof(*d));
	d->refs = 1;
	d->cert = cert;
	d->workers = workers;
	d->keys = mem_calloc(workers, sizeof(struct key *));
	for (unsigned i = 0; i < workers; i++) {
		if (key_dup(key, &d->keys[i]) != ERR_OK) {
			buf_adds(why, "the identity key cannot be copied");
			domain_cert_unref(d);
			key_free(key);
			return false;
		}
	}
	key_free(key);
	name_it(d, base);
	/* A reload with the same certificate has no older generation: path and URL are the same. */
	if (all->current != NULL && !same_cert(all, cert))
		retire(all, now);
	domain_cert_unref(all->current);
	all->current = d;
	return true;
fail:
	key_free(key);
	cert_free(cert);
	return false;
}

/* --- what a restart must not forget --- */

static void write_one(int64_t until, struct slice der, struct buf *out)
{
	buf_addf(out, "%lld ", (long long)until);
	base64url_encode(out, der);
	buf_addc(out, '\n');
}

void domain_certs_write(const struct domain_certs *all, struct buf *out)
{
	for (unsigned i = all->old_count; i > 0; i--)
		write_one(all->old[i - 1].until, buf_slice(&all->old[i - 1].der), out);
	if (all->current != NULL)
		write_one(0, cert_der(all->current->cert), out);
}

void domain_certs_restore(struct domain_certs *all, struct slice text, int64_t now)
{
	struct slice line, number;
	struct buf der = {0};
	uint64_t until;

	while (slice_cut(text, '\n', &line, &text)) {
		struct cert *c = NULL;

		buf_clear(&der);
		if (!slice_cut(line, ' ', &number, &line) || !slice_u64(number, INT64_MAX, &until) ||
		    base64url_decode(&der, line) != ERR_OK || cert_read(buf_slice(&der), &c) != ERR_OK)
			continue;
		if (until == 0)
			until = (uint64_t)now + DOMAIN_CERT_KEEP_S;
		/* A clock that was set back must not make one immortal. */
		if (!same_cert(all, c) && (int64_t)until >= now && (int64_t)until <= now + DOMAIN_CERT_KEEP_S)
			keep_old(all, buf_slice(&der), (int64_t)until);
		cert_free(c);
	}
	buf_free(&der);
}

struct slice domain_certs_find(const struct domain_certs *all, struct slice path, int64_t now)
{
	if (all->current != NULL && slice_eq(path, slice_str(all->current->path)))
		return cert_der(all->current->cert);
	for (unsigned i = 0; i < all->old_count; i++)
		if (now <= all->old[i].until && slice_eq(path, slice_str(all->old[i].path)))
			return buf_slice(&all->old[i].der);
	return SLICE_NONE;
}
