#include "sip/message/msg.h"

#include <string.h>

#include "core/mem.h"
#include "sip/message/header.h"
#include "sip/message/limits.h"

/*
 * The parser of messages, in the order of the octets: start line, fields, then the fields that an answer needs, then
 * the body. Octets that it does not understand are never guessed at:
 *
 * - without a readable Via, From, To, Call-ID and CSeq nothing can be answered: ERR_SYNTAX;
 * - any other fault is a defect, and the first one is the answer;
 * - a lone CR or LF, or a control character, is a defect in every field, since another parser may end a line there.
 */

#define FIELDS 16 /* the array of header fields grows by that many */

struct sip_msg *msg_ref(struct sip_msg *m)
{
	m->refs++;
	return m;
}

void msg_unref(struct sip_msg *m)
{
	if (m == NULL || --m->refs > 0)
		return;
	mem_free(m->headers);
	mem_free(m);
}

/* Notes what is wrong with the message. The first fault counts: later ones may follow from it. */
static void defect(struct sip_msg *m, unsigned code, const char *reason)
{
	if (m->defect_code == 0) {
		m->defect_code = code;
		m->defect = reason;
	}
}

void msg_refuse(struct sip_msg *m, unsigned code, const char *reason)
{
	m->defect_code = code;
	m->defect = reason;
}

/*
 * value_is_clean: no control characters but TAB, folds, and what a quoted-pair escapes (RFC 4475 3.1.1.2 has a NUL
 * there).
 */
static bool value_is_clean(struct slice v)
{
	for (size_t i = 0; i < v.n; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (char_is(v.p[i], CHAR_PLAIN))
			continue;
		if (c == '\\' && i + 1 < v.n && v.p[i + 1] != '\r' && v.p[i + 1] != '\n') {
			i++;
		} else if (c == '\r' && i + 2 < v.n && v.p[i + 1] == '\n') {
			i++;
		} else if (c != '\\') {
			return false;
		}
	}
	return true;
}

/* Request-Line: Method SP Request-URI SP SIP-Version, exactly one SP each (RFC 3261 7.1). */
static enum err parse_request_line(struct sip_msg *m, struct slice line)
{
	struct slice rest, version;
	size_t last;

	/* RFC 4475 3.1.2.10: blanks at the end are a fault, but leave no doubt about the rest. */
	for (; slice_ends(line, S(" ")); line.n--)
		defect(m, 400, "Blanks at the End of the Request Line");
	last = slice_rchr(line, ' ');
	if (!slice_cut(line, ' ', &m->method_name, &rest) || !scan_is_token(m->method_name))
		return ERR_SYNTAX;
	if (last <= m->method_name.n)
		return ERR_SYNTAX;
	version = slice_sub(line, last + 1, line.n);
	m->uri_text = slice_sub(line, m->method_name.n + 1, last);
	m->request = true;
	m->method = method_of(m->method_name);
	if (!slice_istarts(version, S("SIP/")))
		return ERR_SYNTAX;
	if (!slice_ieq(version, S("SIP/2.0")))
		defect(m, 505, "Version Not Supported");
	switch (uri_parse(m->uri_text, &m->uri)) {
	case ERR_OK:
		break;
	case ERR_LIMIT:
		defect(m, 414, "Request-URI Too Long");
		break;
	default:
		defect(m, 400, "Bad Request-URI");
	}
	/* RFC 3261 19.1.1: not allowed there. RFC 4475 3.1.2.11: must not be passed on either. */
	if (m->uri.headers.p != NULL)
		defect(m, 400, "Header Fields in the Request-URI");
	return ERR_OK;
}

/* Status-Line: SIP-Version SP Status-Code SP Reason-Phrase. */
static enum err parse_status_line(struct sip_msg *m, struct slice line)
{
	uint32_t code;

	/* "SIP/2.0 200 " is the shortest: the blank before an empty reason must be there. */
	if (line.n < 12 || !slice_istarts(line, S("SIP/2.0 ")) || line.p[11] != ' ' ||
	    !slice_u32(slice_sub(line, 8, 11), 699, &code) || code < 100)
		return ERR_SYNTAX;
	m->status = code;
	m->reason = slice_sub(line, 12, line.n);
	if (!value_is_clean(m->reason))
		defect(m, 400, "Control Character in Reason Phrase");
	return ERR_OK;
}

/*
 * field_end: where the field that starts raw ends: at the CR LF that no blank follows. raw.n when it does not end. A
 * lone CR or LF stays in the value and is found by value_is_clean.
 */
static size_t field_end(struct slice raw)
{
	for (size_t at = 0; at < raw.n; at++) {
		at += slice_chr(slice_sub(raw, at, raw.n), '\r');
		if (at + 1 < raw.n && raw.p[at + 1] == '\n' &&
		    (at + 2 == raw.n || (raw.p[at + 2] != ' ' && raw.p[at + 2] != '\t')))
			return at;
	}
	return raw.n;
}

/*
 * parse_field: takes one field apart; line has its CR LF. Returns NULL or the defect. h->name is absent when there is
 * no usable name.
 */
static const char *parse_field(struct sip_header *h, struct slice line)
{
	struct slice name;
	bool clean;

	*h = (struct sip_header){.name = SLICE_NONE, .line = line};
	if (!slice_cut(slice_sub(line, 0, line.n - 2), ':', &name, &h->value))
		return "Header Field Without Colon";
	/* RFC 3261 25.1 HCOLON allows blanks before the colon, on the same line only. */
	while (name.n > 0 && (name.p[name.n - 1] == ' ' || name.p[name.n - 1] == '\t'))
		name.n--;
	if (!scan_is_token(name))
		return "Bad Header Field Name";
	h->name = name;
	h->id = header_of(name);
	/* Before blanks are taken off the ends: a lone LF there makes another end of the head to other readers. */
	clean = value_is_clean(h->value);
	h->value = slice_trim(h->value);
	if (h->value.n > SIP_HEADER_MAX)
		return "Header Field Too Long";
	return clean ? NULL : "Control Character in Header Field";
}

static void add_field(struct sip_msg *m, const struct sip_header *h)
{
	if (m->header_count % FIELDS == 0)
		m->headers = mem_resize(m->headers, (m->header_count + FIELDS) * sizeof(*h));
	m->headers[m->header_count++] = *h;
}

/* parse_fields: all fields of the block. *at goes from the first field to behind the empty line. */
static enum err parse_fields(struct sip_msg *m, struct slice raw, size_t *at, const char **why)
{
	for (;;) {
		struct slice rest = slice_sub(raw, *at, raw.n);
		struct sip_header h;
		size_t end;
		const char *bad;

		if (slice_starts(rest, S("\r\n"))) {
			*at += 2;
			break;
		}
		end = field_end(rest);
		if (end == rest.n) {
			*why = "the header block has no end";
			return ERR_SYNTAX;
		}
		bad = parse_field(&h, slice_sub(rest, 0, end + 2));
		if (bad != NULL)
			defect(m, 400, bad);
		/* Fields beyond the cap are not kept; the message is refused anyway. */
		if (m->header_count == SIP_HEADERS_MAX)
			defect(m, 400, "Too Many Header Fields");
		else if (h.name.p != NULL)
			add_field(m, &h);
		*at += end + 2;
	}
	if (*at > SIP_HEADER_BLOCK_MAX)
		defect(m, 400, "Header Fields Too Long");
	return ERR_OK;
}

/*
 * RFC 3261 7.3.1: with two From (or Call-ID ...) fields one reader may take the first and another one the last, so such
 * a message is refused.
 */
static void index_fields(struct sip_msg *m)
{
	for (unsigned i = 0; i < m->header_count; i++) {
		enum header id = m->headers[i].id;

		if (m->first[id] == 0)
			m->first[id] = (unsigned char)(i + 1);
		else if (header_is_single(id))
			defect(m, 400, "Duplicate Header Field");
	}
}

struct slice msg_value(const struct sip_msg *m, enum header id)
{
	return m->first[id] == 0 ? SLICE_NONE : m->headers[m->first[id] - 1].value;
}

const struct sip_header *msg_each(const struct sip_msg *m, enum header id, const struct sip_header *at)
{
	unsigned i;

	if (at != NULL)
		i = (unsigned)(at - m->headers) + 1;
	else if (m->first[id] != 0)
		i = m->first[id] - 1u;
	else
		return NULL;
	for (; i < m->header_count; i++)
		if (m->headers[i].id == id)
			return &m->headers[i];
	return NULL;
}

unsigned msg_count(const struct sip_msg *m, enum header id)
{
	unsigned n = 0;

	for (const struct sip_header *h = msg_each(m, id, NULL); h != NULL; h = msg_each(m, id, h))
		n++;
	return n;
}

unsigned msg_vias(const struct sip_msg *m)
{
	unsigned n = 0;

	for (const struct sip_header *h = msg_each(m, HDR_VIA, NULL); h != NULL; h = msg_each(m, HDR_VIA, h)) {
		struct slice rest = h->value, item;
		bool bad;

		while (scan_list(&rest, &item, &bad))
			n++;
	}
	return n;
}

bool msg_list_has(const struct sip_msg *m, enum header id, struct slice token)
{
	for (const struct sip_header *h = msg_each(m, id, NULL); h != NULL; h = msg_each(m, id, h))
		if (scan_list_has(h->value, token))
			return true;
	return false;
}

enum err msg_contact(const struct sip_msg *m, struct addr *out)
{
	struct slice rest = msg_value(m, HDR_CONTACT), item;
	bool bad;

	if (rest.p == NULL)
		return ERR_NOTFOUND;
	if (msg_count(m, HDR_CONTACT) > 1)
		return ERR_LIMIT;
	if (!scan_list(&rest, &item, &bad))
		return ERR_SYNTAX;
	if (scan_skip(rest).n > 0)
		return ERR_LIMIT;
	return addr_parse(item, out);
}

/*
 * tag_is_fine: tag-param is "tag" EQUAL token (RFC 3261 25.1). An empty tag would hide the one that an answer or a
 * dialog appends.
 */
static bool tag_is_fine(const struct addr *a)
{
	struct param p;

	return !scan_param_find(a->params, S("tag"), &p) || p.value.n > 0;
}

/*
 * copies_are_lines: does all that an answer copies stay in its line? Otherwise a stranger would write lines of our
 * answers, and between proxies these go by a connection that others share.
 */
static bool copies_are_lines(const struct sip_msg *m)
{
	static const enum header copied[] = {HDR_VIA, HDR_FROM, HDR_TO, HDR_CALL_ID, HDR_CSEQ};

	if (m->defect_code == 0)
		return true;
	for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++)
		for (const struct sip_header *h = msg_each(m, copied[i], NULL); h != NULL;
		     h = msg_each(m, copied[i], h))
			if (scan_has_lone_line_end(h->value))
				return false;
	return true;
}

/*
 * parse_routing: reads what an answer copies (RFC 3261 8.2.6.2). Returns why no answer is possible, or NULL; other
 * faults are defects.
 */
static const char *parse_routing(struct sip_msg *m)
{
	struct slice vias = msg_value(m, HDR_VIA), top, method;
	bool bad;

	if (!copies_are_lines(m))
		return "lone CR or LF in a header field that an answer copies";
	if (vias.p == NULL || !scan_list(&vias, &top, &bad))
		return "no usable Via";
	switch (via_parse(top, &m->via)) {
	case ERR_OK:
		break;
	case ERR_UNSUPPORTED:
		defect(m, 505, "Version Not Supported");
		break;
	default:
		return "no usable Via";
	}
	if (msg_vias(m) > SIP_VIA_MAX)
		defect(m, 400, "Too Many Via Header Fields");
	m->call_id = msg_value(m, HDR_CALL_ID);
	if (m->call_id.n == 0)
		return "no usable Call-ID";
	if (msg_value(m, HDR_FROM).p == NULL || msg_value(m, HDR_TO).p == NULL || msg_value(m, HDR_CSEQ).p == NULL)
		return "From, To or CSeq is missing";
	if (addr_parse(msg_value(m, HDR_FROM), &m->from) != ERR_OK || !tag_is_fine(&m->from))
		defect(m, 400, "Bad From Header Field");
	if (addr_parse(msg_value(m, HDR_TO), &m->to) != ERR_OK || !tag_is_fine(&m->to))
		defect(m, 400, "Bad To Header Field");
	m->from_tag = addr_tag(&m->from);
	m->to_tag = addr_tag(&m->to);
	if (m->call_id.n > SIP_CALLID_MAX || m->from_tag.n > SIP_CALLID_MAX || m->to_tag.n > SIP_CALLID_MAX ||
	    m->via.branch.n > SIP_CALLID_MAX)
		defect(m, 400, "Call-ID, Tag or Branch Too Long");
	/*
	 * RFC 3261 25.1: none of these is a character of word. "|" separates the fields of RFC 4474 9, and control
	 * characters have no escape here.
	 */
	for (size_t i = 0; i < m->call_id.n; i++)
		if ((unsigned char)m->call_id.p[i] <= 0x20 || m->call_id.p[i] == 0x7f || m->call_id.p[i] == '|')
			defect(m, 400, "Bad Call-ID Header Field");
	if (cseq_parse(msg_value(m, HDR_CSEQ), &m->cseq, &method) != ERR_OK)
		defect(m, 400, "Bad CSeq Header Field");
	else if (!m->request)
		m->method = method_of(method);
	else if (!slice_eq(method, m->method_name))
		defect(m, 400, "CSeq Method Does Not Match Request");
	return NULL;
}

static void parse_body(struct sip_msg *m, size_t at)
{
	struct slice length = msg_value(m, HDR_CONTENT_LENGTH);
	uint64_t n;

	/* RFC 3261 18.3: Content-Length ends the body; without it a datagram ends it. */
	m->body = slice_sub(m->raw, at, m->raw.n);
	if (length.p == NULL)
		return;
	if (!slice_u64(length, UINT64_MAX, &n)) {
		defect(m, 400, "Bad Content-Length Header Field");
	} else if (n > m->body.n) {
		defect(m, 400, "Body Shorter Than Content-Length");
	} else {
		m->body.n = (size_t)n;
		m->raw.n = at + (size_t)n;
	}
}

enum err msg_parse(struct slice raw, struct sip_msg **out, const char **why)
{
	/* One allocation for the message and its octets; only the list of fields is apart. */
	struct sip_msg *m = mem_alloc(sizeof(*m) + raw.n + 1);
	size_t line_end, at;
	enum err e = ERR_SYNTAX;
	const char *unanswerable;

	m->refs = 1;
	memcpy(m + 1, raw.p, raw.n);
	m->raw = slice_of(m + 1, raw.n);
	line_end = slice_find(m->raw, S("\r\n"), 0);
	m->start = slice_sub(m->raw, 0, line_end);
	*why = "the start line is neither request nor response";
	if (line_end == raw.n)
		goto fail;
	e = slice_istarts(m->start, S("SIP/")) ? parse_status_line(m, m->start) : parse_request_line(m, m->start);
	if (e != ERR_OK)
		goto fail;
	at = line_end + 2;
	e = parse_fields(m, m->raw, &at, why);
	if (e != ERR_OK)
		goto fail;
	index_fields(m);
	unanswerable = parse_routing(m);
	if (unanswerable != NULL) {
		*why = unanswerable;
		e = ERR_SYNTAX;
		goto fail;
	}
	parse_body(m, at);
	*out = m;
	return ERR_OK;
fail:
	mem_free(m->headers);
	mem_free(m);
	return e;
}
