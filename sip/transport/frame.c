#include "sip/transport/frame.h"

#include "sip/message/limits.h"
#include "sip/message/proto.h"
#include "sip/message/scan.h"

/*
 * Content-Length alone ends a message on a stream (RFC 3261 18.3). If two readers disagree about it, an attacker can
 * hide a message in the body of another; so whatever is doubtful about it ends the connection.
 */

/*
 * content_length: Content-Length of the head (start line to empty line). false when it is missing, not a number, or
 * there with two different values.
 */
static bool content_length(struct slice head, uint64_t *out)
{
	size_t at = slice_find(head, S("\r\n"), 0) + 2;
	bool found = false;

	while (at + 2 < head.n) {
		size_t end = slice_find(head, S("\r\n"), at);
		struct slice line, name, value;
		uint64_t v;

		/*
		 * A folded line belongs to the field before it, so that a fold cannot hide or forge a Content-Length.
		 */
		while (end + 2 < head.n && (head.p[end + 2] == ' ' || head.p[end + 2] == '\t'))
			end = slice_find(head, S("\r\n"), end + 2);
		line = slice_sub(head, at, end);
		at = end + 2;
		if (!slice_cut(line, ':', &name, &value) || header_of(slice_trim(name)) != HDR_CONTENT_LENGTH)
			continue;
		if (!slice_u64(slice_trim(value), UINT64_MAX, &v) || (found && v != *out))
			return false;
		*out = v;
		found = true;
	}
	return found;
}

/*
 * RFC 3261 7.5: line ends before a message are ignored. RFC 5626 3.5.1: two of them are a keep-alive. Fewer than four
 * octets may still become one.
 */
static enum frame_found blanks(struct slice s, size_t *n)
{
	if (slice_starts(s, S("\r\n\r\n"))) {
		*n = 4;
		return FRAME_PING;
	}
	if (s.n < 4 && slice_starts(S("\r\n\r\n"), s))
		return FRAME_MORE;
	*n = s.p[0] == '\r' && s.n > 1 && s.p[1] == '\n' ? 2 : 1;
	return FRAME_BLANK;
}

/*
 * measure: the header block is complete; how long is the message? length is compared alone first, so that the sum
 * cannot overflow.
 */
static enum frame_found measure(struct frame *f, struct slice s, size_t head, size_t max, size_t *n, uint64_t *body)
{
	uint64_t length = 0;

	*n = head;
	if (scan_has_lone_line_end(slice_sub(s, 0, head)))
		return FRAME_LINES;
	if (!content_length(slice_sub(s, 0, head), &length))
		return FRAME_BAD;
	if (length > max || head + (size_t)length > max) {
		*body = length;
		return FRAME_LARGE;
	}
	f->total = head + (size_t)length;
	return FRAME_MESSAGE;
}

static bool is_noise(char c)
{
	unsigned char octet = (unsigned char)c;

	return (octet < ' ' && octet != '\t') || octet >= 0x7f;
}

static enum frame_found find(struct frame *f, struct slice s, size_t max, size_t *n, uint64_t *body)
{
	if (f->total == 0) {
		/* The end mark has four octets, three of which may have been there before. */
		size_t from = f->scanned > 3 ? f->scanned - 3 : 0, end;
		enum frame_found found;

		if (s.n > 0 && f->scanned == 0 && (s.p[0] == '\r' || s.p[0] == '\n'))
			return blanks(s, n);
		/* No message begins so, but a TLS handshake does: its client need not wait for a time limit to be told.
		 */
		if (s.n > 0 && f->scanned == 0 && is_noise(s.p[0])) {
			*n = 0;
			return FRAME_BAD;
		}
		end = slice_find(s, S("\r\n\r\n"), from);
		/* A head that is too long is refused, whether its end is there already or not. */
		*n = 0;
		if (end == s.n ? s.n >= SIP_HEADER_BLOCK_MAX : end + 4 > SIP_HEADER_BLOCK_MAX)
			return FRAME_BAD;
		if (end == s.n) {
			f->scanned = s.n;
			return FRAME_MORE;
		}
		found = measure(f, s, end + 4, max, n, body);
		if (found != FRAME_MESSAGE)
			return found;
	}
	*n = f->total;
	return s.n < f->total ? FRAME_MORE : FRAME_MESSAGE;
}

enum frame_found frame_next(struct frame *f, struct slice buffered, size_t max, size_t *n, uint64_t *body)
{
	enum frame_found found = find(f, buffered, max, n, body);

	if (found != FRAME_MORE)
		*f = (struct frame){0};
	return found;
}
