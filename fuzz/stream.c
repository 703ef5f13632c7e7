#include "core/buf.h"
#include "fuzz/fuzz.h"
#include "sip/message/limits.h"
#include "sip/message/msg.h"
#include "sip/transport/frame.h"

/*
 * An octet stream with messages in it. The first octet of the input says how it is cut: the pieces are octet % first +
 * 1 long. However it is cut, the same messages must come out.
 */

#define MESSAGE_MAX 8192

/* The receiving side of a connection, as transport.c has it. */
struct receiver {
	struct frame frame;
	struct buf in;
	uint64_t skip;
	bool ended;
	struct buf story; /* what was found */
};

/* Framing and parsing must agree on where a message ends, or one of them can be made to see another message. */
static void check_message(struct slice raw)
{
	struct sip_msg *m;
	const char *why;

	if (msg_parse(raw, &m, &why) != ERR_OK)
		return;
	CHECK(m->defect_code != 0 || m->raw.n == raw.n);
	msg_unref(m);
}

static void take(struct receiver *r, enum frame_found found, size_t n, uint64_t body)
{
	CHECK(n <= r->in.n);
	buf_addf(&r->story, "%d %zu %llu ", found, n, (unsigned long long)body);
	buf_add(&r->story, slice_of(r->in.p, n));
	if (found == FRAME_MESSAGE) {
		CHECK(n <= MESSAGE_MAX);
		check_message(slice_of(r->in.p, n));
	}
	if (found == FRAME_LARGE)
		r->skip = body;
	r->ended = found == FRAME_BAD || found == FRAME_LINES || (found == FRAME_LARGE && body > SIP_SKIP_MAX);
	CHECK(n > 0 || r->ended);
	buf_drop(&r->in, n);
}

static void feed(struct receiver *r, struct slice piece)
{
	buf_add(&r->in, piece);
	while (!r->ended && r->in.n > 0) {
		uint64_t body = 0;
		size_t n = 0;
		enum frame_found found;

		if (r->skip > 0) {
			n = r->skip < r->in.n ? (size_t)r->skip : r->in.n;
			r->skip -= n;
			buf_drop(&r->in, n);
			continue;
		}
		found = frame_next(&r->frame, buf_slice(&r->in), MESSAGE_MAX, &n, &body);
		if (found == FRAME_MORE)
			break;
		take(r, found, n, body);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct receiver whole = {0}, pieces = {0};
	struct slice all = input_octets(data, size), rest = slice_sub(all, 1, all.n);

	feed(&whole, rest);
	while (rest.n > 0) {
		size_t n = all.p[0] == 0 ? 1 : (unsigned char)rest.p[0] % (unsigned char)all.p[0] + 1u;

		feed(&pieces, slice_sub(rest, 0, n));
		rest = slice_sub(rest, n, rest.n);
	}
	CHECK(slice_eq(buf_slice(&whole.story), buf_slice(&pieces.story)));
	CHECK(whole.ended == pieces.ended && whole.skip == pieces.skip);
	buf_free(&whole.in);
	buf_free(&whole.story);
	buf_free(&pieces.in);
	buf_free(&pieces.story);
	return 0;
}
