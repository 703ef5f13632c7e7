#ifndef SIP_IDENTITY_WEB_URL_H
#define SIP_IDENTITY_WEB_URL_H

#include "core/slice.h"

#define WEB_URL_MAX 1024 /* octets */

/*
 * web_url_parse: the parts of an absolute http or https URL of at most WEB_URL_MAX octets; they lie in url. false:
 * another scheme, user information, a character that must not stand in a URL, or another fault of syntax.
 */
struct web_url {
	bool https;
	struct slice host;      /* without brackets */
	struct slice authority; /* host and port as written, for the Host header field */
	uint16_t port;
	struct slice target; /* path and query without fragment; a "/" has to be put before one that begins otherwise */
};
bool web_url_parse(struct slice url, struct web_url *out);

#endif
