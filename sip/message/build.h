#ifndef SIP_MESSAGE_BUILD_H
#define SIP_MESSAGE_BUILD_H

#include "core/buf.h"
#include "sip/message/msg.h"

/*
 * Writing messages: responses that copy what RFC 3261 8.2.6 says they must, and single header lines. Requests are
 * written by their rooms with build_header and build_end.
 */

struct build_reply {
	unsigned code;
	const char *reason;    /* NULL: status_phrase(code) */
	struct slice to_tag;   /* added to To when the request's To has none; SLICE_NONE: leave To as it is */
	struct slice headers;  /* further header lines, each with CR LF */
	struct slice body;     /* its Content-Type is in headers */
	struct slice received; /* source address of the request in text, without brackets */
	uint16_t rport;        /* source port of the request */
};

/*
 * build_reply: appends the response to req: the Via list, From, To, Call-ID, CSeq, headers, Content-Length, body. The
 * topmost Via gets received and rport (RFC 3261 18.2.1, RFC 3581).
 */
void build_reply(struct buf *out, const struct sip_msg *req, const struct build_reply *r);

/* build_top_via: appends the topmost Via element of req as in a response, without the header name. */
void build_top_via(struct buf *out, const struct sip_msg *req, struct slice received, uint16_t rport);

/*
 * build_header: appends "Name: value CR LF". value must not have CR or LF outside folds, or it could add header fields.
 */
void build_header(struct buf *out, const char *name, struct slice value);

/* build_end: appends Content-Length, the empty line and the body. */
void build_end(struct buf *out, struct slice body);

#endif
