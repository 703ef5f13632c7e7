#include <string.h>

#include "core/buf.h"
#include "fuzz/fuzz.h"
#include "sip/message/date.h"
#include "sip/message/header.h"
#include "sip/access/nonce.h"

/* Values of single header fields: each line of the input is given to every reader. */

static void check_digest(struct slice line)
{
	struct digest_params d = {0}, again = {0};
	enum err e = digest_params_parse(line, &d);

	CHECK(digest_params_parse(line, &again) == e && memcmp(&d, &again, sizeof(d)) == 0);
	if (e != ERR_OK)
		return;
	CHECK(inside(d.realm, line) && inside(d.nonce, line) && inside(d.opaque, line) && inside(d.algorithm, line));
	CHECK(inside(d.qop, line) && inside(d.uri, line) && inside(d.username, line) && inside(d.response, line));
	CHECK(inside(d.cnonce, line) && inside(d.nc, line) && inside(d.stale, line));
}

/* A date that was read has one written form, which reads as the same second. */
static void check_date(struct slice line)
{
	char text[DATE_SIZE];
	int64_t t, back;

	if (date_parse(line, &t) != ERR_OK)
		return;
	date_format(t, text);
	CHECK(date_parse(slice_str(text), &back) == ERR_OK && back == t);
	CHECK(t >= -62135596800 && t <= 253402300800); /* years 1 to 9999, with a leap second at the end */
}

static void check_lists(struct slice line)
{
	struct slice rest = line, item;
	bool bad;

	while (scan_list(&rest, &item, &bad)) {
		CHECK(!bad && item.n > 0 && inside(item, line) && inside(rest, line));
		CHECK(slice_eq(slice_trim(item), item));
	}
	if (accept_covers(line, S("application"), S("pkix-cert")))
		CHECK(slice_chr(line, '/') < line.n);
	if (disposition_is_optional(line))
		CHECK(slice_chr(line, '=') < line.n);
}

static void check_values(struct slice line)
{
	struct media m;
	struct event ev;
	struct slice method;
	uint32_t n;

	if (event_parse(line, &ev) == ERR_OK)
		CHECK(scan_is_token(ev.package) && (ev.id.p == NULL || scan_is_token(ev.id)) &&
		      inside(ev.params, line));
	if (media_parse(line, &m) == ERR_OK)
		CHECK(scan_is_token(m.type) && scan_is_token(m.subtype) && media_is(&m, m.type, m.subtype));
	if (cseq_parse(line, &n, &method) == ERR_OK)
		CHECK(n <= INT32_MAX && scan_is_token(method) && inside(method, line));
	if (delta_parse(line, &n) == ERR_OK)
		CHECK(slice_trim(line).n > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = input_octets(data, size);
	struct nonces *nonces = nonces_new(300);
	struct nonce_info info;

	while (rest.n > 0) {
		struct slice line = input_cut(&rest);

		check_digest(line);
		check_date(line);
		check_lists(line);
		check_values(line);
		/* Nobody makes up a nonce. */
		CHECK(!nonce_read(nonces, line, SLICE_NONE, 1, &info));
	}
	nonces_free(nonces);
	return 0;
}
