#ifndef SIP_MESSAGE_ADDR_H
#define SIP_MESSAGE_ADDR_H

#include "sip/message/scan.h"
#include "sip/message/uri.h"

/*
 * name-addr and addr-spec with header parameters, RFC 3261 20.10: the values of From, To, Contact, Route, Record-Route,
 * Path.
 */
struct addr {
	struct slice display; /* as written, with its quotes; may be empty */
	struct slice spec;    /* addr-spec: the URI with its own parameters, no brackets (RFC 4474 9, T-13) */
	struct uri uri;
	struct slice params; /* header parameters from the first ";", checked; may be empty */
};

/*
 * addr_parse: s is one element of a list. Without brackets everything from ";" on is a header parameter, not part of
 * the URI (RFC 3261 20). All slices point into s. ERR_SYNTAX, ERR_LIMIT (a URI over SIP_URI_MAX); *out untouched.
 */
MUST_USE enum err addr_parse(struct slice s, struct addr *out);

/* addr_tag: the value of the tag parameter, or SLICE_NONE when it is absent or empty. */
struct slice addr_tag(const struct addr *a);

#endif
