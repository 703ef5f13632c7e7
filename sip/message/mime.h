#ifndef SIP_MESSAGE_MIME_H
#define SIP_MESSAGE_MIME_H

#include "core/buf.h"
#include "sip/message/header.h"

/*
 * Multipart bodies, RFC 2046 5.1, RFC 5621. Read leniently (T-16), written strictly: CR LF belongs to
 * the delimiter, a closing delimiter, binary parts.
 */
struct mime_part {
	struct slice content_type; /* values as in the part's head, SLICE_NONE when absent */
	struct slice encoding;
	struct slice disposition;
	struct slice body;
};

/* mime_boundary: the boundary parameter of a multipart media type, 1 to 70 characters. false when absent or odd. */
bool mime_boundary(const struct media *m, struct slice *boundary);

/*
 * mime_parse: cuts body into at most max parts; *count is how many. Preamble and epilogue are skipped; the end of the
 * body closes the last part when the closing delimiter is missing; a delimiter with nothing behind it closes too.
 * ERR_SYNTAX: no delimiter at all or a part without a head; ERR_LIMIT: more than max. Slices point into body.
 */
MUST_USE enum err mime_parse(struct slice body, struct slice boundary, struct mime_part *parts, unsigned max,
			     unsigned *count);

/* mime_add_part: appends one binary part. mime_close: the closing delimiter. boundary must not occur in any part. */
void mime_add_part(struct buf *out, struct slice boundary, const char *content_type, struct slice body);
void mime_close(struct buf *out, struct slice boundary);

#endif
