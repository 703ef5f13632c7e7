#include "sip/verb/setup_private.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "crypto/encode.h"
#include "crypto/pkcs8.h"
#include "store/file.h"
#include "store/named.h"

/* New certificates for the keys that setup_domain has made: when somebody asks for them, and for a lab when it starts.
 */

#define RENEW_DAYS 30 /* a certificate with less ends soon */
#define PEM_MAX 65536 /* octets of a key or certificate here */

/* read_key: a private key that setup_domain has written. */
static bool read_key(struct making *m, const char *name, struct key **out)
{
	struct buf pem = {0}, path = {0};
	bool ok;

	buf_addf(&path, "%s/%s", m->dir, name);
	ok = named_read(path.p, true, PEM_MAX, &pem, m->why);
	if (ok && pkcs8_read(buf_slice(&pem), SLICE_NONE, out) != ERR_OK) {
		buf_addf(m->why, "%s is no private key that was made here", path.p);
		ok = false;
	}
	buf_free(&path);
	buf_wipe(&pem);
	return ok;
}

static bool read_cert(struct making *m, const char *name, struct cert **out)
{
	static const char *const labels[] = {"CERTIFICATE", NULL};
	struct buf pem = {0}, der = {0};
	const char *label;
	size_t pos = 0;
	bool ok = file_read(m->dirfd, name, PEM_MAX, &pem) == ERR_OK &&
		  pem_read(buf_slice(&pem), labels, &pos, &label, &der) == ERR_OK &&
		  cert_read(buf_slice(&der), out) == ERR_OK;

	if (!ok)
		buf_addf(m->why, "%s/%s is no certificate that can be read", m->dir, name);
	buf_free(&pem);
	buf_free(&der);
	return ok;
}

/* read_ca: its key may have been taken away, as the manual advises. */
static bool read_ca(struct making *m)
{
	struct stat st;
	struct buf spki = {0};
	bool ok;

	if (fstatat(m->dirfd, SETUP_CA "/ca.key", &st, 0) != 0 && fstatat(m->dirfd, "ca.key", &st, 0) == 0) {
		buf_addf(m->why,
			 "%s/ca.key is where older versions had it: mkdir -m 700 %s/" SETUP_CA
			 ", move it there, and try again",
			 m->dir, m->dir);
		return false;
	}
	if (fstatat(m->dirfd, SETUP_CA "/ca.key", &st, 0) != 0) {
		buf_addf(m->why,
			 "%s/" SETUP_CA
			 "/ca.key is not there: put the key of the CA there for the renewal, and take it "
			 "away again afterwards",
			 m->dir);
		return false;
	}
	if (!read_key(m, SETUP_CA "/ca.key", &m->ca_key) || !read_cert(m, "ca.crt", &m->ca))
		return false;
	key_spki(m->ca_key, &spki);
	ok = slice_eq(buf_slice(&spki), cert_spki(m->ca));
	if (!ok)
		buf_addf(m->why, "%s/" SETUP_CA "/ca.key does not belong to ca.crt", m->dir);
	buf_free(&spki);
	return ok;
}

/* is_issued: has the CA signed that certificate? Either may be over. */
static bool is_issued(const struct making *m, const struct cert *c)
{
	enum trust_verdict v = TRUST_UNTRUSTED;
	struct trust *t = trust_new();

	if (trust_add_der(t, cert_der(m->ca)) == ERR_OK)
		v = trust_check(t, c, NULL, 0, time(NULL), true);
	trust_unref(t);
	return v == TRUST_OK || v == TRUST_EXPIRED || v == TRUST_NOT_YET;
}

/* read_domain: a certificate of ours names one, and both the same. */
static bool read_domain(struct making *m, const char *name, const struct cert *c, struct buf *domain)
{
	struct slice uri;

	if (!cert_san(c, CERT_URI, 0, &uri) || !slice_istarts(uri, S("sip:"))) {
		buf_addf(m->why, "%s/%s does not name a SIP domain as those do that are made here", m->dir, name);
		return false;
	}
	uri = slice_sub(uri, 4, uri.n);
	if (domain->n == 0)
		buf_add(domain, uri);
	if (slice_eq(uri, buf_slice(domain)))
		return true;
	buf_addf(m->why, "%s/%s is for %.*s, and tls.crt for %s: one of them is not of this domain", m->dir, name,
		 SLICE_ARG(uri), domain->p);
	return false;
}

/* A certificate that may have to be made anew. */
struct old {
	const char *stem;
	struct key *key;
	bool ours, local; /* the CA of this folder has signed it; it names the local host, as that of a lab does */
};

/* read_old: one that is not there, or that somebody else has signed, is none of ours. */
static bool read_old(struct making *m, struct old *o, struct buf *domain)
{
	struct buf crt = {0}, key = {0}, spki = {0};
	struct cert *c = NULL;
	struct stat st;
	bool ok;

	buf_addf(&crt, "%s.crt", o->stem);
	buf_addf(&key, "%s.key", o->stem);
	ok = fstatat(m->dirfd, crt.p, &st, 0) != 0 || read_cert(m, crt.p, &c);
	o->ours = c != NULL && is_issued(m, c);
	if (ok && o->ours) {
		o->local = cert_matches_host(c, S("localhost"), false);
		ok = read_domain(m, crt.p, c, domain) && read_key(m, key.p, &o->key);
		if (ok)
			key_spki(o->key, &spki);
		if (ok && !slice_eq(buf_slice(&spki), cert_spki(c))) {
			buf_addf(m->why, "%s/%s does not belong to %s", m->dir, key.p, crt.p);
			ok = false;
		}
	}
	cert_free(c);
	buf_free(&crt);
	buf_free(&key);
	buf_free(&spki);
	return ok;
}

/* ends_soon: a certificate that has less than RENEW_DAYS. */
static bool ends_soon(const struct cert *c)
{
	return cert_not_after(c) < time(NULL) + RENEW_DAYS * SETUP_DAY;
}

/* renew: all is read before the first file is written. */
static bool renew(struct making *m, struct setup_renewed *out)
{
	struct old tls = {.stem = "tls"}, identity = {.stem = "identity"};
	bool ok = read_ca(m) && read_old(m, &tls, &out->domain) && read_old(m, &identity, &out->domain);

	if (ok && !tls.ours && !identity.ours) {
		buf_addf(m->why, "the CA of %s has signed neither tls.crt nor identity.crt there: nothing to renew",
			 m->dir);
		ok = false;
	}
	m->domain = out->domain.p;
	m->lab = tls.local;
	out->tls = tls.ours;
	out->identity = identity.ours;
	out->ca = ok && ends_soon(m->ca);
	ok = ok && (!out->ca || setup_ca_cert(m)) && (!tls.ours || setup_sign(m, "tls", true, tls.key)) &&
	     (!identity.ours || setup_sign(m, "identity", false, identity.key));
	key_free(tls.key);
	key_free(identity.key);
	return ok;
}

bool setup_renew(const char *dir, struct setup_renewed *out, struct buf *why)
{
	struct making m = {.dirfd = -1, .dir = dir, .why = why};
	bool ok;

	*out = (struct setup_renewed){0};
	if (file_open_dir(dir, false, &m.dirfd, why) != ERR_OK)
		return false;
	ok = renew(&m, out);
	key_free(m.ca_key);
	cert_free(m.ca);
	close(m.dirfd);
	return ok;
}

/* --- a lab, each time it starts --- */

/* is_due: one that cannot be read is not ours to replace. */
static bool is_due(struct making *m, const char *name)
{
	struct cert *c;
	bool due;

	if (!read_cert(m, name, &c))
		return false;
	due = ends_soon(c);
	cert_free(c);
	return due;
}

/* names_all: does the certificate of TLS name the host, as that of a lab does (*lab), and the address? */
static bool names_all(struct making *m, bool *lab)
{
	struct cert *c;
	bool all;

	if (!read_cert(m, "tls.crt", &c))
		return false;
	*lab = cert_matches_host(c, S("localhost"), false);
	all = cert_matches_ip(c, slice_str(m->address));
	cert_free(c);
	return all;
}

bool setup_refresh(const char *dir, const char *address, struct buf *why)
{
	struct making m = {.dirfd = -1, .dir = dir, .address = address, .why = why};
	struct setup_renewed renewed = {0};
	bool lab = false, complete, ok;

	if (file_open_dir(dir, false, &m.dirfd, why) != ERR_OK)
		return false;
	complete = names_all(&m, &lab);
	ok = !lab || (complete && !is_due(&m, "ca.crt") && !is_due(&m, "tls.crt") && !is_due(&m, "identity.crt"));
	/* What could not be read is told by the server, which may have been given other files. */
	buf_clear(why);
	ok = ok || renew(&m, &renewed);
	buf_free(&renewed.domain);
	key_free(m.ca_key);
	cert_free(m.ca);
	close(m.dirfd);
	return ok;
}
