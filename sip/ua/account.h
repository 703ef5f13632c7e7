#ifndef SIP_UA_ACCOUNT_H
#define SIP_UA_ACCOUNT_H

#include "sip/config.h"
#include "sip/transport/transport.h"

/*
 * The account file of a user: lines "key = value" with aor, password, server and ca, mode 0600. Beside it FILE.etag
 * holds the entity-tag of the publication as this device last knew it.
 */
struct account {
	char *file;                /* as named on the command line */
	char *aor;                 /* "sip:user@domain", as written */
	struct slice user, domain; /* of aor, inside it */
	char *password;            /* NULL: none is given */
	bool has_server; /* proto, host and port are given; otherwise the DNS is asked for the domain (RFC 3263) */
	enum proto proto;
	char *host; /* without brackets */
	uint16_t port;
	char *ca; /* path of a PEM file of trusted CAs; by default CONFIG_SYSTEM_CA */
};

/*
 * account_load: reads the file. false: *why is a sentence with file and line. account_free: wipes the password; call it
 * after a failure, too.
 */
MUST_USE bool account_load(const char *file, struct account *out, struct buf *why);
void account_free(struct account *a);

/*
 * account_etag: appends the entity-tag that was kept; nothing when there is none. account_learn: keeps etag, or forgets
 * the one that was kept (SLICE_NONE). A failure (false, *why is a sentence) only makes the next publication
 * unconditional.
 */
void account_etag(const struct account *a, struct buf *out);
MUST_USE bool account_learn(const struct account *a, struct slice etag, struct buf *why);

#endif
