#include "fuzz/fuzz.h"
#include "sip/message/build.h"
#include "sip/message/digest_string.h"
#include "sip/message/edit.h"
#include "sip/message/header.h"

/* A message: parsed, its header fields read, answered, changed, and read again. */

static void check_slices(const struct sip_msg *m)
{
	CHECK(inside(m->start, m->raw) && inside(m->body, m->raw) && m->body.p != NULL);
	CHECK(inside(m->call_id, m->raw) && inside(m->via.text, m->raw) && inside(m->via.branch, m->raw));
	CHECK(inside(m->from.spec, m->raw) && inside(m->from_tag, m->raw) && inside(m->to_tag, m->raw));
	CHECK(inside(m->uri_text, m->raw) && inside(m->uri.host, m->raw));
	CHECK(m->body.p + m->body.n == m->raw.p + m->raw.n);
	for (unsigned i = 0; i < m->header_count; i++) {
		const struct sip_header *h = &m->headers[i];

		CHECK(inside(h->line, m->raw) && inside(h->name, h->line) && inside(h->value, h->line));
		CHECK(header_of(h->name) == h->id && slice_ends(h->line, S("\r\n")));
	}
}

static void read_element(enum header id, struct slice item)
{
	struct media media;
	struct addr a;
	struct via v;

	if (id == HDR_VIA && via_parse(item, &v) == ERR_OK)
		CHECK(inside(v.host, item) && inside(v.params, item) && inside(v.received, item));
	else if (id == HDR_ACCEPT && media_parse(item, &media) == ERR_OK)
		CHECK(inside(media.params, item));
	else if (id != HDR_VIA && addr_parse(item, &a) == ERR_OK)
		CHECK(inside(a.spec, item) && inside(a.params, item) && inside(addr_tag(&a), item));
}

static void read_header(const struct sip_header *h)
{
	struct slice rest = h->value, item, method;
	struct digest_params d;
	struct event ev;
	int64_t date;
	uint32_t n;
	bool bad;

	while (scan_list(&rest, &item, &bad)) {
		CHECK(item.n > 0 && inside(item, h->value));
		read_element(h->id, item);
	}
	if (event_parse(h->value, &ev) == ERR_OK)
		CHECK(inside(ev.package, h->value) && inside(ev.id, h->value));
	if (digest_params_parse(h->value, &d) == ERR_OK)
		CHECK(inside(d.nonce, h->value) && inside(d.response, h->value));
	if (cseq_parse(h->value, &n, &method) == ERR_OK)
		CHECK(n <= INT32_MAX && inside(method, h->value));
	(void)!date_parse(h->value, &date);
	(void)!delta_parse(h->value, &n);
	disposition_is_optional(h->value);
}

/* An answer to a request without defect is a message without defect that says the same. */
static void check_reply(const struct sip_msg *m)
{
	struct build_reply r = {.code = 200, .to_tag = S("fuzz"), .received = S("192.0.2.1"), .rport = 5060};
	struct buf out = {0};
	struct sip_msg *back;
	const char *why;

	build_reply(&out, m, &r);
	CHECK(out.n <= m->raw.n + 256);
	if (m->defect_code == 0 && out.n < 4096) {
		CHECK(msg_parse(buf_slice(&out), &back, &why) == ERR_OK);
		CHECK(back->defect_code == 0 && !back->request && back->status == 200 && back->body.n == 0);
		CHECK(slice_eq(back->call_id, m->call_id) && back->cseq == m->cseq && back->method == m->method);
		CHECK(same(back->from_tag, m->from_tag) && msg_vias(back) == msg_vias(m));
		CHECK(slice_eq(back->to_tag, m->to_tag.n > 0 ? m->to_tag : S("fuzz")));
		CHECK(same(back->via.branch, m->via.branch));
		msg_unref(back);
	}
	buf_free(&out);
}

/* What no edit names stays as it is; a field put in is found again, the rest unmoved. */
static void check_edit(const struct sip_msg *m)
{
	struct edit_list l;
	struct buf out = {0};
	struct sip_msg *back;
	const char *why;

	edit_start(&l, m);
	edit_apply(&l, &out);
	CHECK(slice_eq(buf_slice(&out), m->raw));
	buf_clear(&out);
	CHECK(edit_insert(&l, NULL, S("X-Last: 1\r\n")) == ERR_OK);
	edit_apply(&l, &out);
	if (msg_parse(buf_slice(&out), &back, &why) == ERR_OK) {
		CHECK(back->header_count == m->header_count + 1 && slice_eq(back->body, m->body));
		CHECK(slice_eq(back->headers[back->header_count - 1].name, S("X-Last")));
		CHECK(back->defect_code == m->defect_code && slice_eq(back->start, m->start));
		msg_unref(back);
	} else {
		CHECK(m->header_count >= 128 || m->raw.n > 16000);
	}
	buf_free(&out);
}

static void check_digest_string(const struct sip_msg *m)
{
	struct digest_string a, b;
	enum err e = digest_string(m, &a);

	CHECK(digest_string(m, &b) == e);
	for (unsigned i = 0; e == ERR_OK && i < DIGEST_STRING_PARTS; i++) {
		CHECK(slice_eq(a.parts[i], b.parts[i]));
		CHECK(i % 2 != 0 || i == DIGEST_STRING_PARTS - 1 || slice_chr(a.parts[i], '|') == a.parts[i].n);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sip_msg *m, *again;
	struct addr contact;
	const char *why;
	enum err e = msg_parse(input_octets(data, size), &m, &why);

	if (e != ERR_OK) {
		CHECK(why != NULL);
		return 0;
	}
	CHECK(msg_parse(m->raw, &again, &why) == ERR_OK && again->defect_code == m->defect_code);
	CHECK(slice_eq(again->raw, m->raw) && slice_eq(again->body, m->body));
	msg_unref(again);
	check_slices(m);
	for (unsigned i = 0; i < m->header_count; i++)
		read_header(&m->headers[i]);
	(void)!msg_contact(m, &contact);
	if (m->request) {
		CHECK(m->defect_code != 0 || uri_equal(&m->uri, &m->uri));
		check_reply(m);
	}
	check_edit(m);
	check_digest_string(m);
	msg_unref(m);
	return 0;
}
