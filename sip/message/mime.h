#ifndef SIP_MESSAGE_MIME_H
#define SIP_MESSAGE_MIME_H

#include "core/buf.h"
#include "sip/message/header.h"

/*
 * Multipart bodies, RFC 2046 5.1, RFC 5621. Read leniently and written strictly (T-16, FMT-17): the CR LF before a
 * delimiter belongs to the delimiter, a closing delimiter ends the body, parts are binary.
 */
struct mime_part {
	struct slice content_type; /* values as in the part's head, SLICE_NONE when absent */
	struct slice encoding;
	struct slice disposition;
	struct slice body;
};

/*
 * mime_boundary: the boundary parameter of a multipart media type, 1 to 70 characters. false when it is absent or has
 * characters that a boundary cannot have.
 */
bool mime_boundary(const struct media *m, struct slice *boundary);

/*
 * mime_parse: cuts body into at most max parts; *count is how many. Preamble and epilogue are skipped. The end of the
 * body closes the last part when the closing delimiter is missing; a delimiter with nothing behind it closes the body,
 * too. Slices point into body. Nested multiparts are parts like others: the caller may parse them again
 * (SIP_MIME_DEPTH).
 *
 * ERR_SYNTAX: there is no delimiter, or a part has no end of its head. ERR_LIMIT: more than max parts.
 */
MUST_USE enum err mime_parse(struct slice body, struct slice boundary, struct mime_part *parts, unsigned max,
			     unsigned *count);

/*
 * mime_add_part: appends one binary part to out, which is empty before the first one. mime_close: appends the closing
 * delimiter. boundary must not occur in any part.
 */
void mime_add_part(struct buf *out, struct slice boundary, const char *content_type, struct slice body);
void mime_close(struct buf *out, struct slice boundary);

#endif
