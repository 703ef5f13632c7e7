#include "fuzz/fuzz.h"
#include "sip/message/limits.h"
#include "sip/message/mime.h"

/* A multipart: the first line of the input is its Content-Type, the rest its body. Read; then written and read again.
 */

#define OUR_BOUNDARY S("vouch-fuzz-boundary")

static void write_and_read(const struct mime_part *parts, unsigned count)
{
	struct mime_part back[SIP_PARTS_MAX];
	struct buf out = {0};
	unsigned n;

	for (unsigned i = 0; i < count; i++) {
		if (slice_find(parts[i].body, OUR_BOUNDARY, 0) < parts[i].body.n)
			goto out; /* the writer's promise ends here */
		mime_add_part(&out, OUR_BOUNDARY, "application/pkix-cert", parts[i].body);
	}
	if (count > 0) {
		mime_close(&out, OUR_BOUNDARY);
		CHECK(mime_parse(buf_slice(&out), OUR_BOUNDARY, back, SIP_PARTS_MAX, &n) == ERR_OK && n == count);
		for (unsigned i = 0; i < count; i++) {
			CHECK(slice_eq(back[i].body, parts[i].body) && slice_eq(back[i].encoding, S("binary")));
			CHECK(slice_eq(back[i].content_type, S("application/pkix-cert")));
		}
	}
out:
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice body = input_octets(data, size), type = input_cut(&body), boundary;
	struct mime_part parts[SIP_PARTS_MAX], again[SIP_PARTS_MAX];
	unsigned count = 0, n;
	struct media m;
	enum err e;

	if (media_parse(type, &m) != ERR_OK || !mime_boundary(&m, &boundary))
		return 0;
	CHECK(inside(boundary, type) && boundary.n >= 1 && boundary.n <= 70);
	e = mime_parse(body, boundary, parts, SIP_PARTS_MAX, &count);
	if (e != ERR_OK)
		return 0;
	CHECK(count <= SIP_PARTS_MAX && mime_parse(body, boundary, again, SIP_PARTS_MAX, &n) == ERR_OK && n == count);
	for (unsigned i = 0; i < count; i++) {
		CHECK(inside(parts[i].body, body) && inside(parts[i].content_type, body));
		CHECK(inside(parts[i].encoding, body) && inside(parts[i].disposition, body));
		CHECK(slice_eq(parts[i].body, again[i].body));
		/* Parts do not overlap and come in order. */
		CHECK(i == 0 || parts[i].body.p >= parts[i - 1].body.p + parts[i - 1].body.n);
	}
	write_and_read(parts, count);
	return 0;
}
