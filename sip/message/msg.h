#ifndef SIP_MESSAGE_MSG_H
#define SIP_MESSAGE_MSG_H

#include "sip/message/addr.h"
#include "sip/message/proto.h"
#include "sip/message/via.h"

/*
 * A received SIP message: one copy of its octets and slices into it. It is parsed once. After msg_parse only msg_refuse
 * changes it, and the router, which writes the domain for its other names into uri (in REGISTER into from and to, too):
 * both before anybody else has it.
 *
 * References are counted by a plain integer, so only the loop thread may take and drop them. Transactions, branches and
 * subscriptions share one copy this way.
 */
struct sip_header {
	enum header id;
	struct slice name;  /* as written */
	struct slice value; /* without blanks at both ends; folds are still in it */
	struct slice line;  /* all octets of the field with its CR LF: a copy, or a removal, of the field as it came */
};

struct sip_msg {
	unsigned refs;
	struct slice raw; /* start line to the end of the body */
	struct slice start;
	struct slice body; /* never absent, may be empty */

	bool request;
	enum method method; /* requests: of the start line; responses: of CSeq */
	struct slice method_name;
	struct slice uri_text; /* Request-URI as written */
	struct uri uri;        /* parsed, when it could be */
	unsigned status;
	struct slice reason;

	/*
	 * Defect: the message can be answered (Via, From, To, Call-ID and CSeq are there) and must be, with this code.
	 * 0 = none.
	 */
	unsigned defect_code;
	const char *defect; /* reason phrase, static */

	struct via via; /* topmost */
	struct addr from, to;
	struct slice from_tag, to_tag; /* SLICE_NONE when absent */
	struct slice call_id;
	uint32_t cseq;

	unsigned header_count;
	struct sip_header *headers;     /* in the order of the message */
	unsigned char first[HDR_COUNT]; /* index + 1 of the first field of each kind, 0 = none */
};

/*
 * msg_parse: raw is exactly one message: a datagram, or what frame_next found, at most SIP_MSG_MAX unless the caller
 * allows more. Copies raw. *out has one reference, dropped by msg_unref.
 *
 * ERR_SYNTAX: nothing that could be answered; *why says what (static). A message that can be answered but must be
 * refused is ERR_OK with a defect: 400, 414 or 505. Octets of a datagram behind Content-Length are dropped (RFC 3261
 * 18.3). RFC 3261 7, 25; cases: RFC 4475.
 */
MUST_USE enum err msg_parse(struct slice raw, struct sip_msg **out, const char **why);

/*
 * msg_refuse: for transports: the message is to be answered with this code, whatever else is wrong with it. reason is
 * static.
 */
void msg_refuse(struct sip_msg *m, unsigned code, const char *reason);

/*
 * msg_ref: one reference more; returns m. msg_unref: drops one; the last one frees the message and ends its slices.
 * NULL is ignored.
 */
struct sip_msg *msg_ref(struct sip_msg *m);
void msg_unref(struct sip_msg *m);

/* msg_value: value of the first header of this kind, SLICE_NONE when absent. */
struct slice msg_value(const struct sip_msg *m, enum header id);

/* msg_each: the next field of this kind behind at; the first one for at = NULL; NULL at the end. */
const struct sip_header *msg_each(const struct sip_msg *m, enum header id, const struct sip_header *at);

/* msg_count: how many header fields of this kind. msg_vias: how many Via elements, those behind commas included. */
unsigned msg_count(const struct sip_msg *m, enum header id);
unsigned msg_vias(const struct sip_msg *m);

/* msg_list_has: do the comma-separated lists of this kind have the token (Supported, Require)? */
bool msg_list_has(const struct sip_msg *m, enum header id, struct slice token);

/* msg_contact: the only Contact. ERR_NOTFOUND: none. ERR_LIMIT: several. ERR_SYNTAX. */
MUST_USE enum err msg_contact(const struct sip_msg *m, struct addr *out);

#endif
