#include "fuzz/fuzz.h"
#include "sip/message/header.h"
#include "sip/message/msg.h"

/* libre has structures of the same names, and asks whether there is bool. */
#define HAVE_STDBOOL_H
#define sip_msg re_msg
#define uri re_uri
#include <re/re.h>
#undef sip_msg
#undef uri

/*
 * A message, read here and by libre, with which baresip reads (G5). What both take for a message they read alike in all
 * that decides where it goes, whose it is and where it ends; else somebody could send one message that is two.
 */

/* reads: blanks at an end mean nothing. Both readings are said when they differ. */
static bool reads(struct slice ours, const struct pl *theirs)
{
	struct slice s = slice_trim(slice_of(theirs->p, theirs->l));

	if (slice_eq(slice_trim(ours), s))
		return true;
	fprintf(stderr, "here \"%.*s\", there \"%.*s\"\n", (int)ours.n, ours.p, (int)s.n, s.p);
	return false;
}

/* reads_tag: libre finds no tag that has a blank before its "=", which RFC 3261 25.1 allows. */
static bool reads_tag(struct slice ours, const struct pl *theirs)
{
	return theirs->l == 0 || reads(ours, theirs);
}

static bool is_element(enum header id, struct slice s)
{
	struct addr a;
	struct via v;

	return id == HDR_VIA ? via_parse(s, &v) == ERR_OK : addr_parse(s, &a) == ERR_OK;
}

/* elements: of all lists of this kind. false: one is malformed, and nobody goes by it, or cannot be compared. */
static bool elements(const struct sip_msg *m, enum header id, uint32_t *count)
{
	bool bad = false;

	*count = 0;
	for (const struct sip_header *h = msg_each(m, id, NULL); h != NULL; h = msg_each(m, id, h)) {
		struct slice rest = h->value, item;

		for (; scan_list(&rest, &item, &bad); ++*count)
			/* libre cuts at a comma in brackets, too, where RFC 3261 25.1 allows one. */
			if (!is_element(id, item) || slice_chr(item, ',') < item.n)
				return false;
		if (bad || h->value.n == 0)
			return false;
	}
	return true;
}

static const struct {
	enum header ours;
	enum sip_hdrid theirs;
	bool list; /* of which libre takes the elements apart */
} kinds[] = {
	{HDR_VIA, SIP_HDR_VIA, true},
	{HDR_ROUTE, SIP_HDR_ROUTE, true},
	{HDR_RECORD_ROUTE, SIP_HDR_RECORD_ROUTE, true},
	{HDR_CONTACT, SIP_HDR_CONTACT, true},
	{HDR_FROM, SIP_HDR_FROM, false},
	{HDR_TO, SIP_HDR_TO, false},
	{HDR_CALL_ID, SIP_HDR_CALL_ID, false},
	{HDR_CSEQ, SIP_HDR_CSEQ, false},
	{HDR_CONTENT_LENGTH, SIP_HDR_CONTENT_LENGTH, false},
	{HDR_CONTENT_TYPE, SIP_HDR_CONTENT_TYPE, false},
	{HDR_AUTHORIZATION, SIP_HDR_AUTHORIZATION, false},
	{HDR_PROXY_AUTHORIZATION, SIP_HDR_PROXY_AUTHORIZATION, false},
	{HDR_WWW_AUTHENTICATE, SIP_HDR_WWW_AUTHENTICATE, false},
	{HDR_PROXY_AUTHENTICATE, SIP_HDR_PROXY_AUTHENTICATE, false},
	{HDR_IDENTITY, SIP_HDR_IDENTITY, false},
	{HDR_IDENTITY_INFO, SIP_HDR_IDENTITY_INFO, false},
	{HDR_DATE, SIP_HDR_DATE, false},
	{HDR_EVENT, SIP_HDR_EVENT, false},
	{HDR_EXPIRES, SIP_HDR_EXPIRES, false},
	{HDR_MAX_FORWARDS, SIP_HDR_MAX_FORWARDS, false},
	{HDR_SIP_IF_MATCH, SIP_HDR_SIP_IF_MATCH, false},
	{HDR_SIP_ETAG, SIP_HDR_SIP_ETAG, false},
	{HDR_P_ASSERTED_IDENTITY, SIP_HDR_P_ASSERTED_IDENTITY, false},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* is_mistaken: libre knows a field by twelve bits of a hash of its name, which other names have too. */
static bool is_mistaken(const struct re_msg *theirs)
{
	for (const struct le *at = theirs->hdrl.head; at != NULL; at = at->next) {
		const struct sip_hdr *h = at->data;

		for (size_t i = 0; i < KINDS; i++)
			if (h->id == kinds[i].theirs && header_of(slice_of(h->name.p, h->name.l)) != kinds[i].ours)
				return true;
	}
	return false;
}

static void check_counts(const struct sip_msg *m, const struct re_msg *theirs)
{
	for (size_t i = 0; i < KINDS; i++) {
		uint32_t ours = msg_count(m, kinds[i].ours), other = sip_msg_hdr_count(theirs, kinds[i].theirs);

		if (kinds[i].list && !elements(m, kinds[i].ours, &ours))
			continue;
		if (ours != other)
			fprintf(stderr, "kind %zu: here %u, there %u\n", i, ours, other);
		CHECK(ours == other);
	}
}

static void check_same(const struct sip_msg *m, const struct re_msg *theirs, size_t octets)
{
	struct slice method;
	uint32_t number;

	CHECK(m->request == theirs->req);
	if (m->request) {
		CHECK(reads(m->method_name, &theirs->met) && reads(m->uri_text, &theirs->ruri));
	} else {
		CHECK(m->status == theirs->scode && reads(m->reason, &theirs->reason));
	}
	CHECK(reads(m->via.branch, &theirs->via.branch));
	CHECK(reads(m->from.spec, &theirs->from.auri) && reads_tag(m->from_tag, &theirs->from.tag));
	CHECK(reads(m->to.spec, &theirs->to.auri) && reads_tag(m->to_tag, &theirs->to.tag));
	CHECK(reads(m->call_id, &theirs->callid));
	CHECK(cseq_parse(msg_value(m, HDR_CSEQ), &number, &method) == ERR_OK);
	CHECK(number == theirs->cseq.num && reads(method, &theirs->cseq.met));
	CHECK(m->body.n == (pl_isset(&theirs->clen) ? pl_u32(&theirs->clen) : octets));
	check_counts(m, theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mbuf *octets;
	struct re_msg *theirs;
	struct sip_msg *m;
	const char *why;

	if (msg_parse(input_octets(data, size), &m, &why) != ERR_OK)
		return 0;
	octets = mbuf_alloc(size);
	CHECK(octets != NULL && mbuf_write_mem(octets, data, size) == 0);
	mbuf_set_pos(octets, 0);
	if (m->defect_code == 0 && sip_msg_decode(&theirs, octets) == 0) {
		if (!is_mistaken(theirs))
			check_same(m, theirs, mbuf_get_left(octets));
		mem_deref(theirs);
	}
	mem_deref(octets);
	msg_unref(m);
	return 0;
}
