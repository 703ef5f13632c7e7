#include "fuzz/fuzz.h"
#include "sip/message/addr.h"
#include "sip/message/limits.h"
#include "sip/message/via.h"

/* URIs, one a line, and what is built of them: name-addr, Via, parameters. */

static void check_aor(const struct uri *u)
{
	struct buf key = {0}, again = {0};
	struct uri back;

	buf_addc(&key, 'x');
	if (uri_aor(u, &key) == ERR_OK) {
		struct slice aor = slice_sub(buf_slice(&key), 1, key.n);

		CHECK(aor.n <= SIP_AOR_MAX && slice_starts(aor, S("sip:")));
		for (size_t i = 0; i < aor.n; i++)
			CHECK(aor.p[i] > 0x20 && aor.p[i] < 0x7f);
		/* A key is a URI whose key it is. */
		CHECK(uri_parse(aor, &back) == ERR_OK && back.port == 0 && back.params.n == 0);
		CHECK(uri_aor(&back, &again) == ERR_OK && slice_eq(buf_slice(&again), aor));
		CHECK(slice_ends(aor, back.host) && slice_ieq(back.host, uri_domain(u)));
	} else {
		CHECK(key.n == 1);
	}
	buf_free(&key);
	buf_free(&again);
}

static void check_uri(struct slice text, const struct uri *u)
{
	struct slice value;

	CHECK(slice_eq(u->text, text) && inside(u->user, text) && inside(u->password, text));
	CHECK(inside(u->host, text) && inside(u->params, text) && inside(u->headers, text));
	CHECK(u->port <= 65535 && (u->scheme == URI_OTHER || u->host.n > 0));
	CHECK(uri_equal(u, u));
	if (uri_param(u, S("transport"), &value))
		CHECK(inside(value, text));
	check_aor(u);
}

static void check_params(struct slice text)
{
	struct slice rest = text;
	struct param p, found;
	unsigned count = 0;
	bool bad;

	while (scan_param(&rest, &p, &bad)) {
		count++;
		CHECK(inside(p.name, text) && scan_is_token(p.name) && inside(p.value, text) && inside(rest, text));
		CHECK(scan_param_find(text, p.name, &found) && slice_ieq(found.name, p.name));
	}
	CHECK(scan_params_check(text) == (!bad && count <= SIP_PARAMS_MAX));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = input_octets(data, size);
	struct uri last = {0}, u;
	struct addr a;
	struct via v;

	while (rest.n > 0) {
		struct slice line = input_cut(&rest);

		if (uri_parse(line, &u) == ERR_OK) {
			check_uri(line, &u);
			CHECK(last.text.n == 0 || uri_equal(&u, &last) == uri_equal(&last, &u));
			last = u;
		}
		if (addr_parse(line, &a) == ERR_OK) {
			CHECK(inside(a.display, line) && inside(a.spec, line) && inside(addr_tag(&a), line));
			CHECK(scan_params_check(a.params));
			check_uri(a.spec, &a.uri);
		}
		if (via_parse(line, &v) == ERR_OK) {
			CHECK(inside(v.host, line) && inside(v.branch, line) && inside(v.params, line));
			CHECK(scan_params_check(v.params) && v.port <= 65535);
		}
		check_params(line);
	}
	return 0;
}
