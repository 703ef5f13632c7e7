#include "sip/verb/setup_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/mem.h"
#include "crypto/cert.h"
#include "crypto/encode.h"
#include "crypto/pkcs8.h"
#include "crypto/rng.h"
#include "crypto/seal.h"
#include "sip/config.h"
#include "sip/verb/lab_users.h"
#include "sip/transport/peer.h"
#include "store/file.h"

/*
 * What a new domain consists of. The files that setup_domain makes are those that vouch.conf names; it is written last,
 * so that its presence says that all others are there.
 */

#define MASTER_MAX 4096 /* octets of the file */
#define CA_DAYS 3650
#define CERT_DAYS 825 /* the most that many TLS clients accept */

/* fail: tells what could not be made, with errno; returns false. */
static bool fail(struct making *m, const char *what)
{
	buf_addf(m->why, "%s: cannot make %s: %s", m->dir, what, strerror(errno));
	return false;
}

/* write_file: files are replaced whole, mode 0600 (store/file.h). */
static bool write_file(struct making *m, const char *name, struct slice text)
{
	return file_replace(m->dirfd, name, text) == ERR_OK || fail(m, name);
}

static bool write_pem(struct making *m, const char *name, const char *label, struct slice der)
{
	struct buf pem = {0};
	bool ok;

	pem_write(&pem, label, der);
	ok = write_file(m, name, buf_slice(&pem));
	buf_wipe(&pem);
	return ok;
}

static bool write_key(struct making *m, const char *name, const struct key *key)
{
	struct buf der = {0};
	bool ok = pkcs8_write(key, &der) == ERR_OK && write_pem(m, name, "PRIVATE KEY", buf_slice(&der));

	buf_wipe(&der);
	return ok;
}

/*
 * write_ca_key: the key of the CA is in a folder of its own, which the server never opens: whoever takes over the
 * server must not be able to make certificates. The administrator may take the folder away.
 */
static bool write_ca_key(struct making *m)
{
	struct making folder = {.dir = m->dir, .why = m->why, .dirfd = -1};
	bool ok;

	if (!file_make_dir(m->dirfd, SETUP_CA))
		return fail(m, SETUP_CA);
	folder.dirfd = openat(m->dirfd, SETUP_CA, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	ok = folder.dirfd >= 0 && write_key(&folder, "ca.key", m->ca_key);
	if (folder.dirfd >= 0)
		close(folder.dirfd);
	return ok || (m->why->n > 0 ? false : fail(m, SETUP_CA "/ca.key"));
}

bool setup_ca_cert(struct making *m)
{
	struct buf der = {0}, name = {0};
	int64_t now = time(NULL);
	struct cert_params p = {.not_before = now - SETUP_DAY,
				.not_after = now + (int64_t)CA_DAYS * SETUP_DAY,
				.ca = true,
				.alg = HASH_SHA256};
	bool ok;

	buf_addf(&name, "%s vouch CA", m->domain);
	p.common_name = buf_slice(&name);
	cert_free(m->ca);
	m->ca = NULL;
	ok = cert_make(&p, m->ca_key, NULL, m->ca_key, &der) == ERR_OK && cert_read(buf_slice(&der), &m->ca) == ERR_OK;
	ok = ok && write_pem(m, "ca.crt", "CERTIFICATE", buf_slice(&der));
	buf_free(&der);
	buf_free(&name);
	return ok;
}

/* An EC key signs faster and is smaller. RFC 4474 demands RSA only of the certificate that signs Identity. */
static bool make_ca(struct making *m)
{
	return key_generate(KEY_EC, 256, &m->ca_key) == ERR_OK && write_ca_key(m) && setup_ca_cert(m);
}

/* add_once: to a list that ends with SLICE_NONE. */
static void add_once(struct slice *list, size_t *count, struct slice one)
{
	for (size_t i = 0; i < *count; i++)
		if (slice_eq(list[i], one))
			return;
	list[(*count)++] = one;
}

bool setup_sign(struct making *m, const char *stem, bool web, struct key *key)
{
	struct buf uri = {0}, der = {0}, name = {0};
	struct slice uris[2] = {SLICE_NONE, SLICE_NONE}, dns[3] = {SLICE_NONE}, ips[4] = {SLICE_NONE};
	size_t dns_count = 0, ip_count = 0;
	int64_t now = time(NULL), end = now + (int64_t)CERT_DAYS * SETUP_DAY;
	struct peer address;
	bool ok;

	/* After the CA it would be worth nothing. */
	if (end > cert_not_after(m->ca))
		end = cert_not_after(m->ca);

	buf_addf(&uri, "sip:%s", m->domain);
	uris[0] = buf_slice(&uri);
	if (peer_of(slice_str(m->domain), 0, &address))
		ips[ip_count++] = slice_str(m->domain);
	else
		dns[dns_count++] = slice_str(m->domain);
	if (web && m->lab) {
		dns[dns_count++] = S("localhost");
		add_once(ips, &ip_count, S("127.0.0.1"));
		add_once(ips, &ip_count, slice_str(m->address));
	}
	const struct cert_params p = {.common_name = slice_str(m->domain),
				      .uris = uris,
				      .dns = dns,
				      .ips = ips,
				      .not_before = now - SETUP_DAY,
				      .not_after = end,
				      .sip_domain = true,
				      .alg = HASH_SHA256};

	buf_addf(&name, "%s.crt", stem);
	ok = cert_make(&p, key, m->ca, m->ca_key, &der) == ERR_OK &&
	     write_pem(m, name.p, "CERTIFICATE", buf_slice(&der));
	buf_free(&uri);
	buf_free(&der);
	buf_free(&name);
	return ok || (m->why->n > 0 ? false : fail(m, stem));
}

/* make_cert: STEM.key and its certificate. */
static bool make_cert(struct making *m, const char *stem, bool web)
{
	struct buf name = {0};
	struct key *key = NULL;
	bool ok;

	buf_addf(&name, "%s.key", stem);
	ok = key_generate(KEY_RSA, 2048, &key) == ERR_OK && write_key(m, name.p, key) && setup_sign(m, stem, web, key);
	key_free(key);
	buf_free(&name);
	return ok || (m->why->n > 0 ? false : fail(m, stem));
}

/*
 * make_master: 256 bits in hexadecimal, under which the store seals private keys (DEP-07). One that is there stays: the
 * configuration may have been lost, and what the store has is sealed under it.
 */
static bool make_master(struct making *m)
{
	struct buf hex = {0}, octets = {0};
	enum err e = file_read(m->dirfd, "master.key", MASTER_MAX, &hex);
	bool ok = true;

	if (e == ERR_NOTFOUND) {
		rng_hex(&hex, SEAL_KEY);
		buf_addc(&hex, '\n');
		ok = write_file(m, "master.key", buf_slice(&hex));
	}
	if (ok && (hex_decode(&octets, slice_trim(buf_slice(&hex))) != ERR_OK || octets.n != SEAL_KEY)) {
		buf_addf(m->why, "%s/master.key is there and is no key; remove it if nothing is sealed under it",
			 m->dir);
		ok = false;
	}
	if (ok)
		memcpy(m->master, octets.p, SEAL_KEY);
	buf_wipe(&hex);
	buf_wipe(&octets);
	return ok;
}

/* The credential service is a protection domain of its own (DIG-12). */
static void credential_realm(const struct making *m, struct buf *out)
{
	buf_addf(out, "credential.%s", m->domain);
}

/* make_config: everything else has its default. A real domain listens on all addresses, the lab on this host only. */
static bool make_config(struct making *m)
{
	const char *host = m->lab ? "127.0.0.1" : "0.0.0.0";
	struct buf text = {0}, realm = {0};
	bool ok;

	credential_realm(m, &realm);
	buf_addf(&text,
		 "# vouch.conf(5) explains every key.\n"
		 "[server]\ndomain = %s\nlisten-udp = %s:5060\nlisten-tcp = %s:5060\nlisten-tls = %s:5061\n"
		 "listen-https = %s:%u\nstore = store\nmaster-key = master.key\n\n"
		 "[tls]\nca = ca.crt\ncertificate = tls.crt\nkey = tls.key\n\n"
		 "[identity]\ncertificate = identity.crt\nkey = identity.key\n\n"
		 "[credential]\nrealm = %s\n",
		 m->domain, host, host, host, host, m->lab ? 5062 : 443, realm.p);
	buf_free(&realm);
	ok = write_file(m, "vouch.conf", buf_slice(&text));
	buf_free(&text);
	return ok;
}

/* domain_is_fine: the name goes into certificates, file contents and URIs without escaping. */
static bool domain_is_fine(const char *domain)
{
	struct slice s = slice_str(domain);

	for (size_t i = 0; i < s.n; i++)
		if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && !(s.p[i] >= '0' && s.p[i] <= '9') && s.p[i] != '-' &&
		    s.p[i] != '.')
			return false;
	return s.n < 200 && config_is_domain(s);
}

static bool make_users(struct making *m, const char *password)
{
	struct buf realm = {0};
	bool ok;

	credential_realm(m, &realm);
	ok = lab_users_make(m->dirfd, m->domain, buf_slice(&realm), m->master, password, m->why);
	buf_free(&realm);
	return ok;
}

bool setup_domain(const char *dir, const char *domain, const struct setup_lab *lab, bool *made, struct buf *why)
{
	struct making m = {.dirfd = -1,
			   .dir = dir,
			   .domain = domain,
			   .lab = lab != NULL,
			   .address = lab != NULL ? lab->address : NULL,
			   .why = why};
	struct stat st;
	bool ok;

	if (!domain_is_fine(domain)) {
		buf_addf(why, "--domain %s: expected a DNS name in lower case, like example.com, or an IPv4 address",
			 domain);
		return false;
	}
	if (file_open_dir(dir, true, &m.dirfd, why) != ERR_OK)
		return false;
	*made = fstatat(m.dirfd, "vouch.conf", &st, 0) != 0;
	ok = true;
	if (*made) {
		if (!file_make_dir(m.dirfd, "store"))
			ok = fail(&m, "store");
		/* The configuration last: its presence says that the rest is there. */
		ok = ok && make_ca(&m) && make_cert(&m, "tls", true) && make_cert(&m, "identity", false) &&
		     make_master(&m) && (lab == NULL || make_users(&m, lab->password)) && make_config(&m);
		if (!ok && why->n == 0)
			fail(&m, "keys and certificates");
	}
	mem_wipe(m.master, sizeof(m.master));
	key_free(m.ca_key);
	cert_free(m.ca);
	close(m.dirfd);
	return ok;
}
