#include "sip/config_private.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/ini.h"
#include "core/mem.h"
#include "sip/message/scan.h"
#include "sip/transport/peer.h"
#include "store/named.h"

/*
 * The table of all keys, and loading. The table is read by tests/lint/manual.sh, too, so each row is one line. A value
 * of the file that is the default counts as set: the profile does not change it.
 */

#define AT(field) offsetof(struct config, field)
#define TEXT(s, k, f, d, w, h) \
	{ \
		s, k, TYPE_TEXT, AT(f), d, 0, 0, NULL, w, h \
	}
#define ADDRESSES(s, k, f, w, h) \
	{ \
		s, k, TYPE_ADDRESSES, AT(f), "", 0, 0, NULL, w, h \
	}
#define LISTENERS(s, k, f, w, h) \
	{ \
		s, k, TYPE_LISTENERS, AT(f), "", 0, 0, NULL, w, h \
	}
#define NUMBER(s, k, f, d, lo, hi, w, h) \
	{ \
		s, k, TYPE_NUMBER, AT(f), d, lo, hi, NULL, w, h \
	}
#define SWITCH(s, k, f, d, w, h) \
	{ \
		s, k, TYPE_SWITCH, AT(f), d, 0, 0, "off|on", w, h \
	}
#define CHOICE(s, k, f, d, c, w, h) \
	{ \
		s, k, TYPE_CHOICE, AT(f), d, 0, 0, c, w, h \
	}
/* A section whose keys are chosen by the user; k only stands for them. */
#define ROUTES(s, k, f, w, h) \
	{ \
		s, k, TYPE_ROUTES, AT(f), "", 0, 0, NULL, w, h \
	}

#define WEEK 604800 /* seconds */

/* clang-format off */
static const struct entry table[] = {
TEXT("server", "domain", domain, "", RESTART, "the SIP domain that is served; the realm of digest"),
LISTENERS("server", "listen-udp", listen_udp, RESTART, "addresses host:port for SIP over UDP, comma-separated"),
LISTENERS("server", "listen-tcp", listen_tcp, RESTART, "addresses for SIP over TCP"),
LISTENERS("server", "listen-tls", listen_tls, RESTART, "addresses for SIP over TLS"),
ADDRESSES("server", "listen-https", listen_https, RESTART, "addresses for https: the certificate that Identity-Info names"),
ADDRESSES("server", "listen-http", listen_http, RESTART, "the same over plain http"),
TEXT("server", "address", address, "", RESTART, "the host that Via and Record-Route name instead of the address of a listener"),
TEXT("server", "alias", alias, "", NOW, "further hosts by which phones name the domain"),
ADDRESSES("server", "dns", dns, NOW, "name servers that are asked instead of those of the system"),
TEXT("server", "store", store, "store", RESTART, "folder of all state, mode 0700"),
TEXT("server", "master-key", master_key, "master.key", RESTART, "file with 64 hexadecimal digits that seal private keys"),
NUMBER("server", "workers", workers, "0", 0, 64, RESTART, "threads for RSA and TLS handshakes; 0 = one for each core"),
CHOICE("server", "profile", profile, "both", "both|draft06|rfc6072", NOW, "whose defaults hold where the two differ"),

TEXT("tls", "ca", tls_ca, "", NOW, "PEM file of trust anchors for certificates of peers"),
TEXT("tls", "crl", tls_crl, "", NOW, "PEM file of revocation lists for certificates of peers"),
TEXT("tls", "certificate", tls_certificate, "", NOW, "PEM chains, comma-separated; SNI chooses, the first is the default"),
TEXT("tls", "key", tls_key, "", NOW, "PEM private keys in the same order"),
CHOICE("tls", "client-certificate", tls_client_certificate, "optional", "off|optional|require", NOW, "whether TLS peers show one"),
SWITCH("tls", "static-rsa", tls_static_rsa, "on", NOW, "the two suites without forward secrecy that RFC 6072 demands"),
SWITCH("tls", "eku-strict", tls_eku_strict, "off", NOW, "client certificates need id-kp-sipDomain (RFC 5924)"),
CHOICE("tls", "peer-eku", tls_peer_eku, "any", "any|client", NOW, "whether a TLS client may show a certificate that is for servers only"),
NUMBER("tls", "sessions", tls_sessions, "1000", 0, 100000, NOW, "TLS sessions kept for resumption"),

TEXT("identity", "certificate", identity_certificate, "", NOW, "PEM certificate of the domain that signs Identity"),
TEXT("identity", "key", identity_key, "", NOW, "PEM RSA key that belongs to it; not the TLS key"),
CHOICE("identity", "alg", identity_alg, "rsa-sha1", "rsa-sha1|rsa-sha256", NOW, "the signature in Identity"),
CHOICE("identity", "sign", identity_sign, "all", "all|outbound|off", NOW, "which requests of users are signed: all, or those that leave the domain"),
CHOICE("identity", "verify-inbound", identity_verify_inbound, "mark", "mark|reject|off", NOW, "what is done with requests of strangers for users"),
TEXT("identity", "require", identity_require, "", NOW, "domains whose requests must be signed, comma-separated; * = all"),
TEXT("identity", "fetch-allow", identity_fetch_allow, "", NOW, "addresses and prefixes that are not public, but certificates come from"),
SWITCH("identity", "wildcard", identity_wildcard, "on", NOW, "a domain certificate for *.D is for all of D's hosts"),
NUMBER("identity", "date-skew", identity_date_skew, "3600", 60, 3600, NOW, "seconds that the Date of a signed request may be off"),
TEXT("identity", "url", identity_url, "", NOW, "where this server's https (or http) is reached; default https://DOMAIN:PORT"),

NUMBER("notify", "interval", notify_interval, "60", 0, 86400, NOW, "seconds between state-change NOTIFYs; 0 = no limit"),
SWITCH("notify", "event-etag", notify_event_etag, "on", NOW, "the etag parameter of Event in NOTIFY"),

CHOICE("certificate", "anonymous", certificate_anonymous, "persist", "persist|probation", NOW, "keep subscriptions without authentication"),
NUMBER("certificate", "default-expires", certificate_default_expires, "86400", 1, WEEK * 52, NOW, "seconds, when SUBSCRIBE has no Expires"),
NUMBER("certificate", "max-expires", certificate_max_expires, "604800", 1, WEEK * 52, NOW, "seconds that are granted at most"),
NUMBER("certificate", "min-expires", certificate_min_expires, "60", 0, 3600, NOW, "seconds; less is answered 423"),
SWITCH("certificate", "publish", certificate_publish, "off", NOW, "PUBLISH with Event: certificate"),

CHOICE("credential", "style", credential_style, "any", "any|1|2|3", NOW, "what may be published: 1 certificates, 2 encrypted keys, 3 keys"),
SWITCH("credential", "create", credential_create, "off", NOW, "make one for a user whose first subscription finds none; style 3"),
NUMBER("credential", "default-expires", credential_default_expires, "86400", 1, WEEK, NOW, "seconds, when SUBSCRIBE has no Expires"),
NUMBER("credential", "max-expires", credential_max_expires, "604800", 1, WEEK, NOW, "seconds that are granted at most"),
NUMBER("credential", "min-expires", credential_min_expires, "60", 0, 3600, NOW, "seconds; less is answered 423"),
NUMBER("credential", "publish-min-expires", credential_publish_min_expires, "60", 0, 3600, NOW, "seconds of a publication; less is answered 423"),
SWITCH("credential", "check-san", credential_check_san, "on", NOW, "a URI name of the certificate must be the AOR"),
SWITCH("credential", "san-email", credential_san_email, "off", NOW, "an e-mail name user@domain counts too"),
TEXT("credential", "realm", credential_realm, "", NOW, "realm of digest at the credential service; default the domain"),
CHOICE("credential", "client-certificate", credential_client_certificate, "off", "off|accept|require", NOW, "what a TLS client certificate of the owner is good for: nothing, instead of the password, besides it"),
TEXT("credential", "client-ca", credential_client_ca, "", NOW, "PEM file of the authorities that issue such certificates"),
SWITCH("credential", "direct", credential_direct, "on", NOW, "refuse credential requests that came through a proxy"),
CHOICE("credential", "empty-publish", credential_empty_publish, "draft", "draft|hybrid|rfc3903", NOW, "what PUBLISH without a body means"),
NUMBER("credential", "min-rsa-bits", credential_min_rsa_bits, "1024", 1024, 4096, NOW, "smaller RSA keys are answered 437"),

NUMBER("registrar", "default-expires", registrar_default_expires, "3600", 60, WEEK, NOW, "seconds, when REGISTER says nothing"),
NUMBER("registrar", "max-expires", registrar_max_expires, "7200", 60, WEEK, NOW, "seconds that are granted at most"),
NUMBER("registrar", "min-expires", registrar_min_expires, "60", 0, 3600, NOW, "seconds; less is answered 423"),

CHOICE("proxy", "record-route", proxy_record_route, "sip", "sip|sips", NOW, "scheme of Record-Route on TLS, for requests to sip URIs"),
NUMBER("proxy", "ring-time", proxy_ring_time, "20", 0, 180, NOW, "seconds that Contacts of one q ring before those of a lower one; 0 = three minutes"),
NUMBER("proxy", "dialog-max", proxy_dialog_max, "86400", 60, WEEK, NOW, "seconds without a request after which a dialog is over"),
TEXT("proxy", "reach", proxy_reach, "public,private", NOW, "where requests may go that users aim: public, private, any, addresses and prefixes"),

SWITCH("digest", "sha-256", digest_sha256, "off", NOW, "offer SHA-256 as well, which ends the attempts of some phones"),
CHOICE("digest", "prefer", digest_prefer, "md5", "md5|sha-256", NOW, "which of the two is offered first, when both are"),
CHOICE("digest", "compat", digest_compat, "phones", "strict|phones", NOW, "what registrar and proxy take for an answer: RFC 7616, or what phones send"),
SWITCH("digest", "md5", digest_md5, "on", NOW, "offer MD5"),
SWITCH("digest", "insecure", digest_insecure, "on", NOW, "users may log in over UDP and TCP, too"),
NUMBER("digest", "nonce-lifetime", digest_nonce_lifetime, "300", 1, 86400, RESTART, "seconds"),
NUMBER("digest", "guesses", digest_guesses, "20", 0, 100000, RESTART, "wrong answers a minute for one account and source; 0 = no limit"),

NUMBER("limits", "message", limit_message, "65536", 4096, 1048576, RESTART, "octets of a message; more is answered 413"),
NUMBER("limits", "connections", limit_connections, "8192", 8, 1000000, RESTART, "TCP and TLS connections in all"),
NUMBER("limits", "connections-per-source", limit_connections_per_source, "1024", 1, 1000000, RESTART, "with one address, in either direction"),
NUMBER("limits", "transactions", limit_transactions, "65536", 64, 1000000, RESTART, "server transactions without an answer, and client ones, at once; more is answered 503"),
NUMBER("limits", "queue", limit_queue, "1000", 1, 100000, RESTART, "jobs that wait for a worker; more is answered 503"),
NUMBER("limits", "subscriptions", limit_subscriptions, "100000", 1, 10000000, NOW, "of each package; more is answered 503"),
NUMBER("limits", "subscriptions-per-source", limit_subscriptions_per_source, "10000", 1, 10000000, NOW, "of one address, unauthenticated"),
NUMBER("limits", "subscriptions-per-aor", limit_subscriptions_per_aor, "10000", 1, 10000000, NOW, "of each package to one AOR"),
NUMBER("limits", "replays", limit_replays, "360000", 100, 10000000, RESTART, "verified requests that are remembered for two hours"),
NUMBER("limits", "bindings", limit_bindings, "100000", 1, 10000000, NOW, "registered Contacts in all; more is answered 503"),
NUMBER("limits", "contacts-per-aor", limit_contacts_per_aor, "10", 1, 30, NOW, "registered Contacts of one AOR; more is answered 503"),
NUMBER("limits", "handshake-timeout", limit_handshake_timeout, "5", 1, 600, RESTART, "seconds for connect and TLS handshake"),
NUMBER("limits", "first-message-timeout", limit_first_message_timeout, "10", 1, 600, RESTART, "seconds until the first whole message"),
NUMBER("limits", "message-timeout", limit_message_timeout, "10", 1, 600, RESTART, "seconds for a message once begun"),
NUMBER("limits", "idle-timeout", limit_idle_timeout, "120", 1, 86400, RESTART, "seconds of silence on a connection"),
NUMBER("limits", "kept-idle-timeout", limit_kept_idle_timeout, "0", 0, 604800, RESTART, "the same while it carries subscriptions or registrations; 0 = none"),
NUMBER("limits", "handshakes", limit_handshakes, "200", 0, 100000, RESTART, "TLS handshakes a second in all; 0 = no limit"),
NUMBER("limits", "handshakes-per-source", limit_handshakes_per_source, "50", 0, 100000, RESTART, "of one address"),
NUMBER("limits", "rsa-failures", limit_rsa_failures, "10", 0, 100000, RESTART, "failed static-RSA handshakes a minute of one address"),

ROUTES("route", "DOMAIN", routes, NOW, "where requests for a domain go, whatever the DNS says"),

CHOICE("log", "level", log_level, "warn", "error|warn|info|debug|trace", NOW, "what is written to stderr"),
};
/* clang-format on */

#define ENTRIES (sizeof(table) / sizeof(table[0]))

/* What is known while a configuration is loaded. */
struct loading {
	struct config *config;
	bool set[ENTRIES];      /* the key was set by the file or by -o */
	unsigned line[ENTRIES]; /* of the file, where it was set; 0: not there */
	struct buf *why;
	const char *where; /* for errors: the name of the file, or "-o" */
};

/* find: the row of a key; NULL: unknown. Any key of [route] is its row. */
static const struct entry *find(struct slice section, struct slice key)
{
	for (size_t i = 0; i < ENTRIES; i++)
		if (slice_eq(section, slice_str(table[i].section)) &&
		    (table[i].type == TYPE_ROUTES || slice_eq(key, slice_str(table[i].key))))
			return &table[i];
	return NULL;
}

/* explain_unknown: lists what would have been right: the sections, or the keys of the section. */
static void explain_unknown(struct slice section, struct slice key, struct buf *why)
{
	bool section_known = false;

	for (size_t i = 0; i < ENTRIES; i++)
		section_known = section_known || slice_eq(section, slice_str(table[i].section));
	if (!section_known) {
		buf_addf(why, "there is no section [%.*s]; expected one of", SLICE_ARG(section));
		for (size_t i = 0; i < ENTRIES; i++)
			if (i == 0 || strcmp(table[i].section, table[i - 1].section) != 0)
				buf_addf(why, " [%s]", table[i].section);
		return;
	}
	buf_addf(why, "[%.*s] has no key \"%.*s\"; expected one of", SLICE_ARG(section), SLICE_ARG(key));
	for (size_t i = 0; i < ENTRIES; i++)
		if (slice_eq(section, slice_str(table[i].section)))
			buf_addf(why, " %s", table[i].key);
}

/* is_again: was the key set by a line above? One of the two was forgotten, and nobody knows which. */
static bool is_again(struct loading *l, const struct entry *e, unsigned line)
{
	if (e->type == TYPE_ROUTES || line == 0)
		return false;
	if (l->line[e - table] == 0) {
		l->line[e - table] = line;
		return false;
	}
	buf_addf(l->why, "%s:%u: %s.%s is set in line %u already; expected it once", l->where, line, e->section, e->key,
		 l->line[e - table]);
	return true;
}

/* on_setting: one line of the file, or one option (line 0), which replaces what the file says. */
static bool on_setting(void *arg, struct slice section, struct slice key, struct slice value, unsigned line)
{
	struct loading *l = arg;
	const struct entry *e = find(section, key);
	bool ok = e != NULL && (e->type == TYPE_ROUTES ? config_value_route(l->config, key, value, line == 0)
						       : config_value_read(l->config, e, value));

	if (ok) {
		l->set[e - table] = true;
		return !is_again(l, e, line);
	}
	buf_adds(l->why, l->where);
	if (line > 0)
		buf_addf(l->why, ":%u", line);
	buf_adds(l->why, ": ");
	if (e == NULL) {
		explain_unknown(section, key, l->why);
	} else {
		buf_addf(l->why, "%s.%.*s = \"%.*s\" is not valid; expected ", e->section, SLICE_ARG(key),
			 SLICE_ARG(value));
		config_value_expected(e, l->why);
	}
	return false;
}

/* load_file: reads the whole file; the first error ends it. */
static bool load_file(const char *file, struct loading *l)
{
	struct buf text = {0};
	unsigned line;
	const char *why;
	enum err e;

	if (!named_guarded(file, l->why))
		return false;
	e = buf_read_file(&text, file, 1 << 20);
	if (e != ERR_OK) {
		buf_addf(l->why, "%s: the configuration cannot be read: %s", file,
			 e == ERR_LIMIT ? "it is larger than 1 MiB" : strerror(errno));
		return false;
	}
	l->where = file;
	e = ini_parse(buf_slice(&text), on_setting, l, &line, &why);
	if (e == ERR_SYNTAX)
		buf_addf(l->why, "%s:%u: \"%.*s\": expected %s", file, line,
			 SLICE_ARG(ini_line(buf_slice(&text), line)), why);
	buf_free(&text);
	return e == ERR_OK;
}

/* load_override: a -o option. A dot ends the section, so that a key may have dots: domains in [route]. */
static bool load_override(const char *text, struct loading *l)
{
	struct slice name, value, section, key;

	l->where = "-o";
	if (!slice_cut(slice_str(text), '=', &name, &value) || !slice_cut(name, '.', &section, &key)) {
		buf_addf(l->why, "-o %s: expected section.key=value", text);
		return false;
	}
	return on_setting(l, slice_trim(section), slice_trim(key), slice_trim(value), 0);
}

/* apply_profile: where draft-06 and RFC 6072 differ, server.profile gives the default of each key that was not set. */
static void apply_profile(struct loading *l)
{
	static const struct {
		enum config_profile profile;
		const char *section, *key, *value;
	} presets[] = {
		{PROFILE_DRAFT06, "credential", "empty-publish", "draft"},   /* D-03 */
		{PROFILE_RFC6072, "notify", "event-etag", "off"},            /* D-01 */
		{PROFILE_RFC6072, "credential", "check-san", "off"},         /* D-05 */
		{PROFILE_RFC6072, "credential", "empty-publish", "rfc3903"}, /* D-03 */
	};

	for (size_t i = 0; i < sizeof(presets) / sizeof(presets[0]); i++) {
		const struct entry *e = find(slice_str(presets[i].section), slice_str(presets[i].key));

		if (presets[i].profile == l->config->profile && !l->set[e - table] &&
		    !config_value_read(l->config, e, slice_str(presets[i].value)))
			return;
	}
}

/*
 * follow_max: who shortens max-expires need not know the other two: where these were not set, they are no greater. Set
 * ones are the word of the administrator, and load_rules refuses them.
 */
static void follow_max(struct loading *l)
{
	static const char *const sections[] = {"certificate", "credential", "registrar"};
	static const char *const keys[] = {"default-expires", "min-expires"};

	for (size_t i = 0; i < 6; i++) {
		const struct entry *max = find(slice_str(sections[i / 2]), S("max-expires"));
		const struct entry *e = find(slice_str(sections[i / 2]), slice_str(keys[i % 2]));
		uint32_t *value = (uint32_t *)(void *)((char *)l->config + e->offset);
		uint32_t limit = *(const uint32_t *)(const void *)((const char *)l->config + max->offset);

		if (!l->set[e - table] && *value > limit)
			*value = limit;
	}
}

/* Everything is read into a struct of its own, so that *out is untouched on failure. */
bool config_load(const char *file, const char *const *overrides, struct config *out, struct buf *why)
{
	struct config c = {.file = mem_strdup(file)};
	struct loading l = {.config = &c, .why = why};
	bool ok;

	for (size_t i = 0; i < ENTRIES; i++)
		if (table[i].type != TYPE_ROUTES && !config_value_read(&c, &table[i], slice_str(table[i].standard)))
			abort(); /* the default in the table is not of its own type */
	ok = load_file(file, &l);
	for (; ok && overrides != NULL && *overrides != NULL; overrides++)
		ok = load_override(*overrides, &l);
	if (!ok) {
		config_free(&c);
		return false;
	}
	apply_profile(&l);
	follow_max(&l);
	*out = c;
	return true;
}

void config_free(struct config *c)
{
	for (size_t i = 0; i < ENTRIES; i++)
		config_value_free(c, &table[i]);
	mem_free(c->file);
	*c = (struct config){0};
}

const char *config_credential_realm(const struct config *c)
{
	return c->credential_realm[0] != '\0' ? c->credential_realm : c->domain;
}

bool config_is_domain(struct slice s)
{
	struct slice rest = s, label = SLICE_NONE;
	struct peer address;

	if (!scan_is_host(s))
		return false;
	if (s.p[0] == '[')
		return true;
	do {
		size_t end = slice_chr(rest, '.');

		label = slice_sub(rest, 0, end);
		if (label.n == 0 || label.n > 63)
			return false;
		rest = end == rest.n ? SLICE_NONE : slice_sub(rest, end + 1, rest.n);
	} while (rest.p != NULL);
	return label.p[0] < '0' || label.p[0] > '9' || peer_of(s, 0, &address);
}

bool config_is_alias(const struct config *c, struct slice host)
{
	struct slice rest = slice_list(slice_str(c->alias)), one;

	while (slice_item(&rest, &one))
		if (peer_same_name(host, one))
			return true;
	return false;
}

void config_path(const struct config *c, const char *value, struct buf *out)
{
	named_beside(c->file, value, out);
}

void config_dump(const struct config *c, struct buf *out)
{
	for (size_t i = 0; i < ENTRIES; i++) {
		if (i == 0 || strcmp(table[i].section, table[i - 1].section) != 0)
			buf_addf(out, "%s[%s]\n", i == 0 ? "" : "\n", table[i].section);
		if (table[i].type == TYPE_ROUTES) {
			buf_addf(out, "# %s\n", table[i].help);
			for (uint32_t k = 0; k < c->route_count; k++)
				buf_addf(out, "%s = %s\n", c->routes[k].domain, c->routes[k].targets);
			continue;
		}
		buf_addf(out, "# %s\n%s = ", table[i].help, table[i].key);
		config_value_write(c, &table[i], out);
		buf_addc(out, '\n');
	}
}

/* Values are compared as text, so each type needs no comparison of its own. */
void config_compare(const struct config *running, const struct config *next, config_change_fn fn, void *arg)
{
	struct buf was = {0}, is = {0};

	for (size_t i = 0; i < ENTRIES; i++) {
		const struct entry *e = &table[i];

		buf_clear(&was);
		buf_clear(&is);
		config_value_write(running, e, &was);
		config_value_write(next, e, &is);
		if (!slice_eq(buf_slice(&was), buf_slice(&is)))
			fn(arg, &(struct config_change){.section = e->section,
							.key = e->key,
							.was = buf_slice(&was),
							.is = buf_slice(&is),
							.needs_restart = e->when == RESTART});
	}
	buf_free(&was);
	buf_free(&is);
}

void config_keep(struct config *next, const struct config *running)
{
	struct buf value = {0};

	for (size_t i = 0; i < ENTRIES; i++) {
		if (table[i].when != RESTART)
			continue;
		buf_clear(&value);
		config_value_write(running, &table[i], &value);
		if (!config_value_read(next, &table[i], buf_slice(&value)))
			abort(); /* it was read from such a text before */
	}
	buf_free(&value);
}
