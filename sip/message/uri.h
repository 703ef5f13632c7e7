#ifndef SIP_MESSAGE_URI_H
#define SIP_MESSAGE_URI_H

#include "core/buf.h"

/* SIP and SIPS URIs, RFC 3261 19.1. Other schemes are kept as text, since a proxy passes them on. */

enum uri_scheme { URI_OTHER, URI_SIP, URI_SIPS };

struct uri {
	struct slice text; /* all of it; the slices below point into it */
	enum uri_scheme scheme;
	struct slice user; /* SLICE_NONE without "@"; escapes left in */
	struct slice password;
	struct slice host;    /* with brackets for IPv6 */
	uint32_t port;        /* 0 = none given */
	struct slice params;  /* from the first ";", or empty */
	struct slice headers; /* behind "?", or SLICE_NONE */
};

/*
 * uri_parse: s is exactly one absolute URI without blanks. Slices point into s. ERR_SYNTAX, ERR_LIMIT (SIP_URI_MAX);
 * *out untouched.
 */
MUST_USE enum err uri_parse(struct slice s, struct uri *out);

/*
 * uri_equal: RFC 3261 19.1.4: escapes, case of the host and parameters as the section says. sip and sips are never
 * equal. Other schemes: octet by octet.
 */
bool uri_equal(const struct uri *a, const struct uri *b);

/*
 * uri_plain: s, a user part, with its escapes resolved, into out: for what this server wrote itself and reads back. Some
 * phones escape letters that need none, which makes an equal URI (RFC 3261 19.1.4). SLICE_NONE: longer than size octets.
 */
struct slice uri_plain(struct slice s, char *out, size_t size);

/* uri_param: the value of a URI parameter (SLICE_NONE when it has none); false when absent. */
bool uri_param(const struct uri *u, struct slice name, struct slice *value);

/* uri_domain: the host without the dot that a DNS name may end in: "example.com." is "example.com". */
struct slice uri_domain(const struct uri *u);

/* uri_target: the text without header fields, which are not allowed in a Request-URI (RFC 3261 19.1.1). */
struct slice uri_target(const struct uri *u);

/*
 * uri_aor: appends the AOR key, by which users are stored, authorized and compared (T-29): "sip:user@host", with sips
 * as sip, the host in lower case, without port, parameters, password and headers, and the user part with as few escapes
 * as possible (RFC 3261 10.3 step 5, RFC 5630 5.2). It is printable without blanks. Never used for what is signed.
 *
 * ERR_UNSUPPORTED: another scheme. ERR_NOTFOUND: no user part. ERR_LIMIT: over SIP_AOR_MAX. out is as before then.
 */
MUST_USE enum err uri_aor(const struct uri *u, struct buf *out);

#endif
