#ifndef SIP_MESSAGE_MSG_H
#define SIP_MESSAGE_MSG_H

#include "sip/message/addr.h"
#include "sip/message/proto.h"
#include "sip/message/via.h"

/*
 * A received SIP message: one reference-counted copy of its octets and slices into it. Parsed once, never changed. The
 * only reference-counted type of the program; the loop thread alone counts.
 */
struct sip_header {
	enum header id;
	struct slice name;  /* as written */
	struct slice value; /* blanks at both ends taken off; folds are still in it */
	struct slice line;  /* all octets of the field with its CR LF, to copy or leave out as it is */
};

struct sip_msg {
	unsigned refs;
	struct slice raw; /* start line to the end of the body */
	struct slice start;
	struct slice body; /* p != NULL, n may be 0 */

	bool request;
	enum method method; /* requests: of the start line; responses: of CSeq */
	struct slice method_name;
	struct slice uri_text; /* Request-URI as written */
	struct uri uri;        /* parsed, when it could be */
	unsigned status;
	struct slice reason;

	/* Defect: the message can be answered (Via, From, To, Call-ID and CSeq are there), but with this only. 0 =
	 * none. */
	unsigned defect_code;
	const char *defect; /* reason phrase, static */

	struct via via; /* topmost */
	struct addr from, to;
	struct slice from_tag, to_tag; /* SLICE_NONE when absent */
	struct slice call_id;
	uint32_t cseq;

	unsigned header_count;
	struct sip_header *headers;     /* in the order of the message */
	unsigned char first[HDR_COUNT]; /* index + 1 of the first of each kind, 0 = none */
};

/*
 * msg_parse: raw is one message: a datagram, or what frame_next found; at most SIP_MSG_MAX unless the caller allows
 * more. *out: one reference, drop it with msg_unref. Copies raw. ERR_SYNTAX: nothing that could be answered; *why says
 * what (static). A request that can be answered but must be refused is ERR_OK with defect set: 400, 414, 505. Octets of
 * a datagram behind Content-Length are dropped (RFC 3261 18.3). Cases: RFC 4475.
 */
MUST_USE enum err msg_parse(struct slice raw, struct sip_msg **out, const char **why);

/* msg_refuse: for transports: the message is to be refused with this, whatever else is wrong. Before anybody else has
 * it. */
void msg_refuse(struct sip_msg *m, unsigned code, const char *reason);

struct sip_msg *msg_ref(struct sip_msg *m);
void msg_unref(struct sip_msg *m); /* NULL is ignored */

/* msg_value: value of the first header of this kind, SLICE_NONE when absent. */
struct slice msg_value(const struct sip_msg *m, enum header id);

/* msg_each: calls for every header of a kind: start with at = NULL, goes on from at. NULL at the end. */
const struct sip_header *msg_each(const struct sip_msg *m, enum header id, const struct sip_header *at);

/* msg_count: how many header fields of this kind; msg_vias: Via elements, commas counted. */
unsigned msg_count(const struct sip_msg *m, enum header id);
unsigned msg_vias(const struct sip_msg *m);

/* msg_list_has: is the token in any header field of this kind (Supported, Require)? */
bool msg_list_has(const struct sip_msg *m, enum header id, struct slice token);

/* msg_contact: the first Contact; ERR_NOTFOUND when there is none, ERR_SYNTAX, ERR_LIMIT for several. */
MUST_USE enum err msg_contact(const struct sip_msg *m, struct addr *out);

#endif
