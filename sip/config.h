#ifndef SIP_CONFIG_H
#define SIP_CONFIG_H

#include <stdio.h>

#include "core/buf.h"

/*
 * The configuration. One table in config.c gives each key its section, type, default, range and help. The parser, the
 * defaults, "vouch check" and -o use this table, and tests/lint/manual.sh compares it with vouch.conf(5).
 */
#define CONFIG_ADDRESSES 4 /* addresses in one listen key */

/* The CAs of the system, where Debian and others have them. */
#define CONFIG_SYSTEM_CA "/etc/ssl/certs/ca-certificates.crt"

/* Values of the keys that offer a choice, in the order of the table. */
enum config_profile { PROFILE_BOTH, PROFILE_DRAFT06, PROFILE_RFC6072 };
enum config_client_cert { CLIENT_CERT_OFF, CLIENT_CERT_OPTIONAL, CLIENT_CERT_REQUIRE };
enum config_peer_eku { PEER_EKU_ANY, PEER_EKU_CLIENT };
enum config_alg { ALG_RSA_SHA1, ALG_RSA_SHA256 };
enum config_sign { SIGN_ALL, SIGN_OUTBOUND, SIGN_OFF };
enum config_verify { VERIFY_MARK, VERIFY_REJECT, VERIFY_OFF };
enum config_anonymous { ANONYMOUS_PERSIST, ANONYMOUS_PROBATION };
enum config_style { STYLE_ANY, STYLE_1, STYLE_2, STYLE_3 };
enum config_owner_cert { OWNER_CERT_OFF, OWNER_CERT_ACCEPT, OWNER_CERT_REQUIRE };
enum config_empty { EMPTY_DRAFT, EMPTY_HYBRID, EMPTY_RFC3903 };
enum config_prefer { PREFER_MD5, PREFER_SHA256 };
enum config_record_route { RECORD_ROUTE_SIP, RECORD_ROUTE_SIPS };
enum config_compat { COMPAT_STRICT, COMPAT_PHONES };
enum config_level { LEVEL_ERROR, LEVEL_WARN, LEVEL_INFO, LEVEL_DEBUG };

/* A domain of [route], and its targets in the syntax of the file; both valid. */
struct config_route {
	char *domain, *targets;
	bool by_option; /* the targets are those of -o */
};

/* The values of all keys. Numbers have the unit that vouch.conf(5) gives; a CHOICE is one of the enums above. */
struct config {
	char *file; /* path as given; paths in the file are relative to its folder */

	char *domain;
	char *listen_udp, *listen_tcp, *listen_tls, *listen_https,
		*listen_http; /* comma-separated "host:port", valid; the first three see config_listener */
	char *address;        /* of all that advertise nothing of their own */
	char *alias;          /* names, separated by commas */
	char *store, *master_key;
	char *dns;        /* "host:port, ..."; empty: the name servers of the system */
	uint32_t workers; /* 0: one for each core */
	uint32_t profile;

	char *tls_ca, *tls_crl;
	char *tls_certificate, *tls_key; /* certificate and key are lists of files, separated by commas */
	uint32_t tls_client_certificate;
	bool tls_static_rsa, tls_eku_strict;
	uint32_t tls_peer_eku;
	uint32_t tls_sessions;

	char *identity_certificate, *identity_key, *identity_url;
	uint32_t identity_alg, identity_sign, identity_verify_inbound, identity_date_skew;
	char *identity_require, *identity_fetch_allow; /* lists separated by commas: domains, "*"; prefixes */
	bool identity_wildcard;

	uint32_t notify_interval;
	bool notify_event_etag;

	uint32_t certificate_anonymous, certificate_default_expires, certificate_max_expires, certificate_min_expires;
	bool certificate_publish;

	uint32_t credential_style, credential_default_expires, credential_max_expires, credential_min_expires;
	uint32_t credential_publish_min_expires, credential_empty_publish, credential_min_rsa_bits;
	uint32_t credential_client_certificate;
	char *credential_client_ca;
	char *credential_realm; /* empty: the domain; see config_credential_realm */
	bool credential_check_san, credential_san_email, credential_direct, credential_create;

	uint32_t registrar_default_expires, registrar_max_expires, registrar_min_expires;

	uint32_t proxy_ring_time, proxy_dialog_max;
	char *proxy_reach; /* words and prefixes, valid */

	bool digest_sha256, digest_md5, digest_insecure;
	uint32_t digest_prefer;
	uint32_t digest_compat, proxy_record_route;
	uint32_t digest_nonce_lifetime, digest_guesses;

	uint32_t limit_message, limit_connections, limit_connections_per_source, limit_transactions, limit_queue;
	uint32_t limit_subscriptions, limit_subscriptions_per_source, limit_subscriptions_per_aor;
	uint32_t limit_replays;
	uint32_t limit_bindings, limit_contacts_per_aor;
	uint32_t limit_handshake_timeout, limit_first_message_timeout, limit_message_timeout, limit_idle_timeout;
	uint32_t limit_kept_idle_timeout, limit_handshakes, limit_handshakes_per_source, limit_rsa_failures;

	struct config_route *routes;
	uint32_t route_count;

	uint32_t log_level;
};

/*
 * config_load: the defaults, then the file, then the overrides ("section.key=value", the last one NULL; or NULL: none).
 * The later value counts. false: *why is a sentence with file, line and what is expected. config_free: frees what
 * config_load has made.
 */
MUST_USE bool config_load(const char *file, const char *const *overrides, struct config *out, struct buf *why);
void config_free(struct config *c);

/* A key whose new value differs from the running one. */
struct config_change {
	const char *section, *key;
	struct slice was, is; /* as they would stand in the file; for [route] all lines; valid during the call */
	bool needs_restart;   /* only a restart changes it */
};
typedef void (*config_change_fn)(void *arg, const struct config_change *change);

/* config_compare: calls fn for each key that differs, in the order of the table. */
void config_compare(const struct config *running, const struct config *next, config_change_fn fn, void *arg);

/* config_keep: gives next the running values of all keys that need a restart, so that it says what really runs. */
void config_keep(struct config *next, const struct config *running);

/*
 * config_listener: reads "host:port", or "host:port advertise HOST", "... advertise HOST:PORT", an element of a listen
 * key. *advertised is empty when nothing is said. false: it is none of these.
 */
struct peer;
MUST_USE bool config_listener(struct slice item, struct peer *at, struct slice *advertised);

/*
 * config_reached: appends where users reach the first TLS listener, "tls:host:port", as an account file says it.
 * Nothing is appended if it listens on all addresses and none is named.
 */
void config_reached(const struct config *c, struct buf *out);

/* config_path: appends the path of value, relative to the folder of the configuration file, with a NUL behind. */
void config_path(const struct config *c, const char *value, struct buf *out);

/* config_credential_realm: credential.realm, or the domain. */
const char *config_credential_realm(const struct config *c);

/*
 * config_is_domain: a DNS name as a URI compares it (labels of at most 63 octets, no dot behind), or an address; nothing
 * that some read as an address and others do not, like 256.1.1.1 or 0x7f.1.
 */
bool config_is_domain(struct slice s);

/* config_is_alias: is host one of server.alias, as peer_same_name has it? */
bool config_is_alias(const struct config *c, struct slice host);

/* config_dump: appends every key with its value and help, as a file that config_load reads. */
void config_dump(const struct config *c, struct buf *out);

#endif
