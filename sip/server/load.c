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
#include "sip/message/scan.h"
#include "sip/transport/peer.h"
#include "store/master.h"
#include "store/named.h"

/*
 * From file names to checked objects. The checks that need several keys of the configuration are in rules_hold; those
 * of one value are in the table of config.c.
 */

#define PEM_MAX (1u << 20) /* octets of a file */
#define FILES_KEPT 320 /* descriptors that are not for connections: a batch of the store (256), listeners, threads */
#define CONNECTIONS_LEAST 8 /* connections that are allowed even with very few descriptors */

bool load_file(const struct config *c, const char *value, bool secret, struct buf *out, struct buf *why)
{
	struct buf path = {0};
	bool ok;

	config_path(c, value, &path);
	ok = named_read(path.p, secret, PEM_MAX, out, why);
	buf_free(&path);
	return ok;
}

/* bad_domain: the first element of list that is neither a domain nor "*"; SLICE_NONE: all are fine. */
static struct slice bad_domain(const char *list)
{
	char name[DNS_NAME_MAX];
	for (struct slice rest = slice_list(slice_str(list)), one; slice_item(&rest, &one);)
		if (!slice_eq(one, S("*")) && !locate_name(one, name))
			return one;
	return SLICE_NONE;
}

/* bad_host: the first element of list that cannot be the host of a URI; SLICE_NONE: all are fine. */
static struct slice bad_host(const char *list)
{
	for (struct slice rest = slice_list(slice_str(list)), one; slice_item(&rest, &one);)
		if (!scan_is_host(one))
			return one;
	return SLICE_NONE;
}

/* realm_is_fine: it stands between quotes in challenges and between colons under a hash; neither has escapes then. */
static bool realm_is_fine(const char *realm)
{
	struct slice s = slice_str(realm);

	for (size_t i = 0; i < s.n; i++)
		if (!char_is(s.p[i], CHAR_TOKEN) && s.p[i] != ' ')
			return false;
	return slice_trim(s).n == s.n;
}

static bool is_any(const char *address)
{
	struct peer at;

	return peer_of(slice_str(address), 0, &at) && peer_is_any(&at);
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

/* rules_hold: values that are fine alone, but make no sense together, or are not of their syntax. */
static bool rules_hold(const struct config *c, struct buf *why)
{
	struct slice domain = bad_domain(c->identity_require), alias = bad_host(c->alias);
	struct dns_servers servers;
	struct reach fetch, proxy;

	if (!read_reach(c, &fetch, &proxy, why))
		return false;
	if (c->domain[0] == '\0')
		buf_addf(why, "%s: server.domain is not set; expected the SIP domain that is served", c->file);
	else if (c->dns[0] != '\0' && !dns_servers_list(slice_str(c->dns), &servers))
		buf_addf(why, "%s: server.dns = %s has a server without a port; expected addresses like 127.0.0.1:53",
			 c->file, c->dns);
	else if (domain.p != NULL)
		buf_addf(why, "%s: identity.require has \"%.*s\"; expected domains, or * for all", c->file,
			 SLICE_ARG(domain));
	else if (c->identity_require[0] != '\0' && c->identity_verify_inbound == VERIFY_OFF)
		buf_addf(
			why,
			"%s: identity.require asks for signatures that identity.verify-inbound = off does not look at; "
			"expected mark or reject",
			c->file);
	else if (alias.p != NULL)
		buf_addf(why, "%s: server.alias has \"%.*s\"; expected names and addresses, comma-separated", c->file,
			 SLICE_ARG(alias));
	else if (c->address[0] != '\0' && (!scan_is_host(slice_str(c->address)) || is_any(c->address)))
		buf_addf(why,
			 "%s: server.address = %s; expected a host that peers reach this server by: a name, or an "
			 "address like "
			 "192.0.2.1 or [2001:db8::1]; ports stand behind \"advertise\" in the listen keys",
			 c->file, c->address);
	else if (c->credential_client_certificate != OWNER_CERT_OFF && c->tls_client_certificate == CLIENT_CERT_OFF)
		buf_addf(why,
			 "%s: credential.client-certificate = %s needs clients to show one; expected "
			 "tls.client-certificate = optional or require",
			 c->file, c->credential_client_certificate == OWNER_CERT_ACCEPT ? "accept" : "require");
	else if (c->credential_client_certificate != OWNER_CERT_OFF && c->credential_client_ca[0] == '\0')
		buf_addf(why,
			 "%s: credential.client-certificate needs credential.client-ca; expected a PEM file of the "
			 "authorities of users' certificates",
			 c->file);
	else if (!realm_is_fine(config_credential_realm(c)))
		buf_addf(why,
			 "%s: credential.realm = %s; expected letters, digits, dots, hyphens and blanks between them",
			 c->file, c->credential_realm);
	else if (!c->digest_sha256 && !c->digest_md5)
		buf_addf(why,
			 "%s: digest.sha-256 and digest.md5 are both off; expected at least one, or nobody can log in",
			 c->file);
	else if (c->credential_create && (c->credential_style == STYLE_1 || c->credential_style == STYLE_2))
		buf_addf(
			why,
			"%s: credential.create = on makes keys without a pass phrase, which credential.style = %d does "
			"not allow; expected style 3 or any",
			c->file, c->credential_style == STYLE_1 ? 1 : 2);
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
			   add_anchors(c, "credential.client-ca", c->credential_client_ca, s->client_trust, why)));
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
	enum err e;

	config_path(c, c->store, &path);
	e = file_open_dir(path.p, create, dirfd, why);
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
	ok = rules_hold(c, why) && read_trust(&s, &handshakes, why) && load_tls(&s, handshakes, slots, now, why) &&
	     read_reach(c, &s.fetch_reach, &s.proxy_reach, why);
	trust_unref(handshakes);
	if (!ok) {
		settings_drop(&s);
		return false;
	}
	if (c->dns[0] != '\0' && !dns_servers_list(slice_str(c->dns), &s.dns))
		abort(); /* rules_hold has read it */
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

/*
 * seal_users: hashes that an older version wrote in the clear are sealed. The file is read again under its lock,
 * because a verb may have changed it. Whoever cannot do it now does it at the next start, or the next change.
 */
static void seal_users(const struct config *c, int dirfd, const uint8_t *master)
{
	struct users *u;
	int lock;

	if (file_lock(dirfd, FILE_LOCK_USERS, &lock) != ERR_OK)
		return;
	u = users_new(slice_str(config_credential_realm(c)));
	if (users_load(u, dirfd, master) == ERR_OK && users_outdated(u))
		log_line(LOG_WARN, "event=users_sealed users=%zu ok=%d", users_count(u),
			 users_save(u, dirfd, master) == ERR_OK);
	users_free(u);
	close(lock);
}

bool load_users(const struct config *c, int dirfd, const struct users *running, struct users **out, struct buf *why)
{
	struct users *u;
	uint8_t master[SEAL_KEY];
	enum err e;
	bool complete;

	if (!load_master(c, master, why))
		return false;
	u = users_new(slice_str(config_credential_realm(c)));
	e = users_load(u, dirfd, master);
	if (e == ERR_OK && running == NULL && users_outdated(u))
		seal_users(c, dirfd, master);
	mem_wipe(master, sizeof(master));
	complete = e == ERR_OK || (e == ERR_NOTFOUND && (running == NULL || users_count(running) == 0));
	/* At the start some users are better than no server. */
	if (complete || (running == NULL && e == ERR_SYNTAX)) {
		*out = u;
		return true;
	}
	buf_addf(why, "the users cannot be read: %s%s", why_not(e), running != NULL ? "; the old ones stay" : "");
	users_free(u);
	return false;
}

bool load_check(struct config *config, int64_t now, struct buf *why)
{
	struct domain_certs *certs = domain_certs_new();
	struct settings s = {0};
	struct buf ignored = {0};
	uint8_t master[SEAL_KEY];
	int dirfd;
	bool ok;

	ok = load_settings(config, 1, now, &s, why) && load_identity(&s.config, 1, now, certs, why) &&
	     load_master(&s.config, master, why);
	mem_wipe(master, sizeof(master));
	/* A store that is not there yet is made at the start. */
	if (ok && load_store(&s.config, false, &dirfd, &ignored)) {
		ok = load_belongs(&s.config, dirfd, false, why) && !load_lost(dirfd, why);
		close(dirfd);
	}
	buf_free(&ignored);
	settings_drop(&s);
	domain_certs_free(certs);
	return ok;
}
