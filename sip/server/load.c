#include "sip/server/control.h"
#include "sip/server/load_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"
#include "crypto/encode.h"
#include "crypto/pkcs8.h"
#include "crypto/seal.h"
#include "sip/transport/peer.h"
#include "store/master.h"
#include "store/named.h"

/* From file names to checked objects. The rules of the configuration itself are in load_rules.c and config.c. */

#define PEM_MAX (1u << 20) /* octets of a file */
#define FILES_KEPT 320 /* descriptors that are not for connections: a batch of the store (256), listeners, threads */
#define CONNECTIONS_LEAST 8 /* connections that are allowed even with very few descriptors */

bool load_file(const struct config *c, const char *value, bool secret, struct buf *out, struct buf *why)
{
	struct buf path = {0};
	bool ok;

	config_path(c, value, &path);
	ok = named_guarded(path.p, why) && named_read(path.p, secret, PEM_MAX, out, why);
	buf_free(&path);
	return ok;
}

/* read_reach: identity.fetch-allow, besides the public Internet, where certificates come from, and proxy.reach. */
static bool read_reach(const struct config *c, struct reach *fetch, struct reach *proxy, struct buf *why)
{
	static const char expected[] =
		"addresses and prefixes like 10.1.0.0/16, ::1, and the words public, private, any";
	struct slice bad;

	*fetch = (struct reach){.public = true};
	*proxy = (struct reach){0};
	if (!reach_read(slice_str(c->identity_fetch_allow), fetch, &bad))
		buf_addf(why, "%s: identity.fetch-allow has \"%.*s\"; expected %s", c->file, SLICE_ARG(bad), expected);
	else if (!reach_read(slice_str(c->proxy_reach), proxy, &bad))
		buf_addf(why, "%s: proxy.reach has \"%.*s\"; expected %s", c->file, SLICE_ARG(bad), expected);
	else
		return true;
	return false;
}

/* The configuration has checked each line, so none is refused here. */
static struct routes *routes_of(const struct config *c)
{
	struct routes *r = routes_new();

	for (uint32_t i = 0; i < c->route_count; i++)
		if (routes_add(r, slice_str(c->routes[i].domain), slice_str(c->routes[i].targets)) != ERR_OK)
			log_line(LOG_ERROR, "event=route_refused domain=%s", c->routes[i].domain);
	return r;
}

/* add_anchors: the certificates of a file; none without a name. key: for the sentence. */
static bool add_anchors(const struct config *c, const char *key, const char *name, struct trust *t, struct buf *why)
{
	struct buf pem = {0};
	size_t count = 0;
	bool ok = true;

	if (name[0] != '\0') {
		ok = load_file(c, name, false, &pem, why);
		if (ok && (trust_add_pem(t, buf_slice(&pem), &count) != ERR_OK || count == 0)) {
			buf_addf(why, "%s: %s has no certificates that can be read", key, name);
			ok = false;
		}
	}
	buf_free(&pem);
	return ok;
}

/* add_lists: the revocation lists of tls.crl, which count for the certificates of all kinds of peers. */
static bool add_lists(const struct config *c, struct trust *t, struct buf *why)
{
	struct buf pem = {0};
	bool ok = true;

	if (c->tls_crl[0] != '\0') {
		ok = load_file(c, c->tls_crl, false, &pem, why);
		if (ok && trust_add_crl(t, buf_slice(&pem)) != ERR_OK) {
			buf_addf(why,
				 "tls.crl: %s has no revocation list that can be read; expected \"X509 CRL\" in PEM",
				 c->tls_crl);
			ok = false;
		}
	}
	buf_free(&pem);
	return ok;
}

/*
 * read_trust: without tls.ca there are no anchors, and no certificate of a peer is trusted. In handshakes clients may
 * show certificates of users, too; *client_trust alone says what these are good for.
 */
static bool read_trust(struct settings *s, struct trust **handshakes, struct buf *why)
{
	const struct config *c = &s->config;
	bool users = c->credential_client_certificate != OWNER_CERT_OFF;

	s->trust = trust_new();
	*handshakes = trust_new();
	if (users)
		s->client_trust = trust_new();
	return add_anchors(c, "tls.ca", c->tls_ca, s->trust, why) &&
	       add_anchors(c, "tls.ca", c->tls_ca, *handshakes, why) &&
	       (!users || (add_anchors(c, "credential.client-ca", c->credential_client_ca, *handshakes, why) &&
			   add_anchors(c, "credential.client-ca", c->credential_client_ca, s->client_trust, why))) &&
	       add_lists(c, s->trust, why) && add_lists(c, *handshakes, why) &&
	       (!users || add_lists(c, s->client_trust, why));
}

/*
 * identity_base: what Identity-Info begins with: identity.url, or "https://DOMAIN:PORT" of the first https or http
 * listener.
 */
static void identity_base(const struct config *c, struct buf *out)
{
	bool https = c->listen_https[0] != '\0';
	struct slice list = slice_list(slice_str(https ? c->listen_https : c->listen_http)), at;
	struct peer p;

	if (c->identity_url[0] != '\0') {
		buf_adds(out, c->identity_url);
		return;
	}
	buf_addf(out, "%s://%s", https ? "https" : "http", c->domain);
	if (slice_item(&list, &at) && peer_parse(at, &p) && peer_port(&p) != (https ? 443 : 80))
		buf_addf(out, ":%u", peer_port(&p));
}

bool load_identity(const struct config *c, unsigned workers, int64_t now, struct domain_certs *into, struct buf *why)
{
	struct buf cert = {0}, key = {0}, reason = {0}, base = {0};
	bool ok;

	if (c->identity_certificate[0] == '\0' || c->identity_key[0] == '\0') {
		buf_adds(why, "identity.certificate and identity.key are needed: every NOTIFY is signed with them");
		return false;
	}
	identity_base(c, &base);
	ok = load_file(c, c->identity_certificate, false, &cert, why) && load_file(c, c->identity_key, true, &key, why);
	if (ok && !domain_certs_set(into, buf_slice(&cert), buf_slice(&key), slice_str(c->domain), buf_slice(&base),
				    workers, now, &reason)) {
		buf_addf(why, "identity.certificate %s, identity.key %s: %s", c->identity_certificate, c->identity_key,
			 reason.p);
		ok = false;
	}
	buf_free(&reason);
	buf_free(&base);
	buf_free(&cert);
	buf_wipe(&key);
	return ok;
}

bool load_master(const struct config *c, uint8_t *key, struct buf *why)
{
	struct buf text = {0}, octets = {0};
	bool ok = load_file(c, c->master_key, true, &text, why);

	if (ok && (hex_decode(&octets, slice_trim(buf_slice(&text))) != ERR_OK || octets.n != SEAL_KEY)) {
		buf_addf(why, "server.master-key: %s must be %d hexadecimal digits", c->master_key, 2 * SEAL_KEY);
		ok = false;
	}
	if (ok)
		memcpy(key, octets.p, SEAL_KEY);
	buf_wipe(&text);
	buf_wipe(&octets);
	return ok;
}

bool load_belongs(const struct config *c, int dirfd, bool write, struct buf *why)
{
	uint8_t master[SEAL_KEY];
	enum err e;

	if (!load_master(c, master, why))
		return false;
	e = master_check(dirfd, master, write);
	mem_wipe(master, sizeof(master));
	if (e == ERR_CRYPTO)
		buf_addf(why, "%s does not belong to this store; put the right master key back, or another store",
			 c->master_key);
	else if (e != ERR_OK)
		buf_addf(why, "the store %s cannot be checked: %s", c->store, strerror(errno));
	return e == ERR_OK;
}

bool load_lost(int dirfd, struct buf *why)
{
	struct stat st;

	if (fstatat(dirfd, USER_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 || !master_has_records(dirfd))
		return false;
	buf_adds(why, "the file " USER_FILE " is missing, but the store has records of users; put it back, or move the "
		      "records (*.rec, bindings) away if there are to be no users");
	return true;
}

bool load_store(const struct config *c, bool create, int *dirfd, struct buf *why)
{
	struct buf path = {0};
	struct stat st;
	enum err e;

	config_path(c, c->store, &path);
	e = file_open_dir(path.p, create, dirfd, why);
	if (e != ERR_OK && !create && stat(path.p, &st) != 0 && errno == ENOENT) {
		buf_clear(why);
		buf_addf(why, "the store %s is not there: is server.store right? For a new one: mkdir -m 700 %s",
			 path.p, path.p);
	}
	buf_free(&path);
	return e == ERR_OK;
}

void load_limits(struct config *c)
{
	struct rlimit files;
	rlim_t room = FILES_KEPT + CONNECTIONS_LEAST;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) != 0 && getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	if (files.rlim_cur > room)
		room = files.rlim_cur;
	if (c->limit_connections <= room - FILES_KEPT)
		return;
	c->limit_connections = (uint32_t)(room - FILES_KEPT);
	log_line(LOG_WARN, "event=connections_limited connections=%u files=%llu", c->limit_connections,
		 (unsigned long long)files.rlim_cur);
}

bool load_settings(struct config *config, unsigned slots, int64_t now, struct settings *out, struct buf *why)
{
	struct settings s = {.config = *config};
	const struct config *c = &s.config;
	struct trust *handshakes = NULL;
	bool ok;

	*config = (struct config){0};
	ok = load_rules(c, why) && read_trust(&s, &handshakes, why) && load_tls(&s, handshakes, slots, now, why) &&
	     read_reach(c, &s.fetch_reach, &s.proxy_reach, why);
	trust_unref(handshakes);
	if (!ok) {
		settings_drop(&s);
		return false;
	}
	if (c->dns[0] != '\0' && !dns_servers_list(slice_str(c->dns), &s.dns))
		abort(); /* load_rules has read it */
	s.routes = routes_of(c);
	*out = s;
	return true;
}

/* why_not: why the file of users cannot be read. */
static const char *why_not(enum err e)
{
	if (e == ERR_CRYPTO)
		return "the master key does not belong to this store";
	return e == ERR_SYNTAX ? "the file has damaged lines, which the log names" : strerror(errno);
}

void load_users_seal(const struct config *c, int dirfd)
{
	uint8_t master[SEAL_KEY];
	struct buf why = {0};
	struct users *u;
	int lock;

	/* Whoever cannot do it now does it at the next start, or the next change. */
	if (!load_master(c, master, &why) || file_lock(dirfd, FILE_LOCK_USERS, &lock) != ERR_OK) {
		mem_wipe(master, sizeof(master));
		buf_free(&why);
		return;
	}
	/* The file is read again under its lock, because a verb may have changed it. */
	u = users_new(slice_str(config_credential_realm(c)));
	if (users_load(u, dirfd, master) == ERR_OK && users_outdated(u))
		log_line(LOG_WARN, "event=users_sealed users=%zu ok=%d", users_count(u),
			 users_save(u, dirfd, master) == ERR_OK);
	users_free(u);
	mem_wipe(master, sizeof(master));
	close(lock);
}

bool load_users(const struct config *c, int dirfd, const struct users *running, struct users **out, struct buf *why)
{
	struct users *u;
	uint8_t master[SEAL_KEY];
	enum err e;

	if (!load_master(c, master, why))
		return false;
	u = users_new(slice_str(config_credential_realm(c)));
	e = users_load(u, dirfd, master);
	mem_wipe(master, sizeof(master));
	if (e == ERR_OK || (e == ERR_NOTFOUND && (running == NULL || users_count(running) == 0))) {
		*out = u;
		return true;
	}
	buf_addf(why, "the users cannot be read: %s%s", why_not(e), running != NULL ? "; the old ones stay" : "");
	users_free(u);
	return false;
}

/* lock_store: two processes on one store would destroy it. check: could it be locked, were it free? */
static bool lock_store(const struct config *c, int dirfd, bool check, int *lock, struct buf *why)
{
	struct buf path = {0};
	enum err e;

	if (check)
		e = faccessat(dirfd, ".", W_OK, AT_EACCESS) == 0 ? ERR_OK : ERR_IO;
	else
		e = file_lock(dirfd, FILE_LOCK, lock);
	if (e == ERR_OK)
		return true;
	config_path(c, c->store, &path);
	if (e == ERR_EXISTS)
		buf_addf(why, "the store %s is held by another running vouch; stop that one first", path.p);
	else
		buf_addf(why, "the store %s cannot be locked: %s", path.p, strerror(errno));
	buf_free(&path);
	return false;
}

void load_start_drop(struct load_start *s)
{
	settings_drop(&s->settings);
	if (s->dirfd >= 0)
		close(s->dirfd);
	if (s->lock >= 0)
		close(s->lock);
}

bool load_start(struct config *config, bool check, unsigned slots, int64_t now, struct domain_certs *certs,
		struct load_start *out, struct buf *why)
{
	struct load_start s = {.dirfd = -1, .lock = -1};
	const struct config *c = &s.settings.config;

	if (load_settings(config, slots, now, &s.settings, why) && load_listen_here(c, why) &&
	    load_identity(c, slots, now, certs, why) && load_store(c, false, &s.dirfd, why) && control_fits(c, why) &&
	    lock_store(c, s.dirfd, check, &s.lock, why) && load_belongs(c, s.dirfd, !check, why) &&
	    !load_lost(s.dirfd, why) && load_users(c, s.dirfd, NULL, &s.settings.users, why)) {
		if (!check && users_outdated(s.settings.users))
			load_users_seal(c, s.dirfd);
		*out = s;
		return true;
	}
	load_start_drop(&s);
	return false;
}
