#ifndef SIP_UA_ACCOUNT_H
#define SIP_UA_ACCOUNT_H

#include "sip/transport/transport.h"

#define ACCOUNT_SYSTEM_CA "/etc/ssl/certs/ca-certificates.crt"

/*
 * The account file of a user: "key = value" lines aor, password, server and ca, mode 0600. Beside it, in FILE.etag,
 * what this device knows of its publication.
 */
struct account {
	char *file;                /* as named on the command line */
	char *aor;                 /* "sip:user@domain", as written */
	struct slice user, domain; /* inside aor */
	char *password;
	bool has_server; /* else RFC 3263 with the domain */
	enum proto proto;
	char *host; /* without brackets */
	uint16_t port;
	char *ca; /* path of a PEM bundle; NULL: the system's */
};

/* account_load: false and *why is a sentence with file and line. account_free: wipes; also after a failure. */
MUST_USE bool account_load(const char *file, struct account *out, struct buf *why);
void account_free(struct account *a);

/*
 * account_etag: appends the entity-tag that this device learnt last, nothing when there is none. account_learn: keeps
 * it (SLICE_NONE: forgets it). Failures only cost the next publication its condition, so they are told and no more.
 */
void account_etag(const struct account *a, struct buf *out);
MUST_USE bool account_learn(const struct account *a, struct slice etag, struct buf *why);

#endif
