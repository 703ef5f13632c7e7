#ifndef SIP_MESSAGE_ADDR_H
#define SIP_MESSAGE_ADDR_H

#include "sip/message/scan.h"
#include "sip/message/uri.h"

/* name-addr and addr-spec with header parameters: From, To, Contact, Route, Record-Route, Identity-Info's kin. */
struct addr {
	struct slice display; /* as written, with its quotes; may be empty */
	struct slice spec;    /* addr-spec: the URI with its own parameters, no brackets (RFC 4474 9, T-13) */
	struct uri uri;
	struct slice params; /* header parameters from the first ";", well-formed; may be empty */
};

/* addr_parse: s is one element. Without brackets everything from ";" on is a header parameter (RFC 3261 20). */
MUST_USE enum err addr_parse(struct slice s, struct addr *out);

/* addr_tag: the tag parameter, or SLICE_NONE. */
struct slice addr_tag(const struct addr *a);

#endif
