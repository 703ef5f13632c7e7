#include "sip/locate/dns_message.h"

#include <string.h>

/*
 * Reading DNS messages, which anybody may have written: every offset is checked against the message, pointers in names
 * only lead back, and the number of records and pointers is bounded.
 */

#define HEAD 12         /* octets before the question */
#define WIRE_NAME 255   /* octets of a name, RFC 1035 2.3.4 */
#define ITEMS_MAX 512   /* records of a message that are looked at */
#define POINTERS_MAX 32 /* pointers in one name; each leads back, so names need few */

#define FLAG_ANSWER 0x8000u
#define FLAG_TRUNCATED 0x0200u
#define FLAG_RECURSION 0x0100u
#define CODE_NO_NAME 3u
#define CLASS_IN 1u

/* One record of a section. */
struct item {
	char owner[DNS_NAME_MAX];
	unsigned type, class;
	uint32_t ttl_s;
	size_t data, end; /* in the message */
};

/* The records of a message, from at on. */
struct walk {
	struct slice m;
	size_t at;
	unsigned left;
};

static unsigned get16(struct slice m, size_t at)
{
	return (unsigned)(unsigned char)m.p[at] << 8 | (unsigned char)m.p[at + 1];
}

static uint32_t get32(struct slice m, size_t at)
{
	return (uint32_t)get16(m, at) << 16 | get16(m, at + 2);
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static bool is_name_octet(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/*
 * read_name: reads the name at *at into out, "" for the root; *at goes behind it. false: it does not end, or is too
 * long. *odd: a label has an octet that no host or service name has; a dot in a label would read as another name.
 */
static bool read_name(struct slice m, size_t *at, char out[DNS_NAME_MAX], bool *odd)
{
	size_t from = *at, n = 0, start = from;
	unsigned pointers = 0;

	*odd = false;
	for (;;) {
		unsigned len;

		if (from >= m.n)
			return false;
		len = (unsigned char)m.p[from];
		if (len >= 0xc0) {
			size_t to;

			if (m.n - from < 2 || ++pointers > POINTERS_MAX)
				return false;
			to = get16(m, from) & 0x3fff;
			if (pointers == 1)
				*at = from + 2;
			/* RFC 1035 4.1.4: a pointer leads to a prior name: each one further back, so the walk ends. */
			if (to >= start)
				return false;
			from = start = to;
			continue;
		}
		if (len > 63 || m.n - from <= len)
			return false;
		if (len == 0)
			break;
		if (n + len + 2 > DNS_NAME_MAX)
			return false;
		if (n > 0)
			out[n++] = '.';
		for (size_t i = 1; i <= len; i++) {
			out[n] = ascii_lower(m.p[from + i]);
			*odd |= !is_name_octet(out[n++]);
		}
		from += 1 + len;
	}
	if (pointers == 0)
		*at = from + 1;
	out[n] = '\0';
	return true;
}

/* next_item: reads the next record. false at the end, or with *broken when it is cut. */
static bool next_item(struct walk *w, struct item *out, bool *broken)
{
	size_t n;
	bool odd;

	if (w->left == 0)
		return false;
	w->left--;
	*broken = true;
	if (!read_name(w->m, &w->at, out->owner, &odd) || w->m.n - w->at < 10)
		return false;
	/* Such an owner matches no name that was asked for. */
	if (odd)
		out->owner[0] = '\0';
	out->type = get16(w->m, w->at);
	out->class = get16(w->m, w->at + 2);
	out->ttl_s = get32(w->m, w->at + 4);
	/* RFC 2181 8: a TTL with the highest bit set counts as 0. */
	if (out->ttl_s > 0x7fffffff)
		out->ttl_s = 0;
	n = get16(w->m, w->at + 8);
	out->data = w->at + 10;
	if (w->m.n - out->data < n)
		return false;
	out->end = w->at = out->data + n;
	*broken = false;
	return true;
}

/* char_string: the character string at *at, which goes behind it; SLICE_NONE when it is cut. */
static struct slice char_string(struct slice m, size_t *at, size_t end)
{
	size_t n;

	if (*at >= end)
		return SLICE_NONE;
	n = (unsigned char)m.p[*at];
	if (end - *at - 1 < n)
		return SLICE_NONE;
	*at += 1 + n;
	return slice_sub(m, *at - n, *at);
}

/* last_name: a name that fills the rest of the record. */
static bool last_name(struct slice m, size_t at, size_t end, char out[DNS_NAME_MAX])
{
	bool odd;

	return read_name(slice_sub(m, 0, end), &at, out, &odd) && at == end && !odd;
}

/* RFC 3403 4.1: order, preference, flags, services, regexp, replacement. */
static bool read_naptr(struct slice m, const struct item *it, struct dns_record *out)
{
	struct slice flags, services;
	size_t at = it->data + 4;

	if (it->end - it->data < 7)
		return false;
	out->rank = (uint16_t)get16(m, it->data);
	out->weight = (uint16_t)get16(m, it->data + 2);
	flags = char_string(m, &at, it->end);
	services = char_string(m, &at, it->end);
	if (char_string(m, &at, it->end).p == NULL || !last_name(m, at, it->end, out->name))
		return false;
	if (flags.n == 1)
		out->flag = ascii_lower(flags.p[0]);
	for (size_t i = 0; i < services.n && services.n < sizeof(out->service); i++) {
		char c = services.p[i];

		out->service[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
	}
	return true;
}

/* RFC 2782: priority, weight, port, target. */
static bool read_srv(struct slice m, const struct item *it, struct dns_record *out)
{
	if (it->end - it->data < 7)
		return false;
	out->rank = (uint16_t)get16(m, it->data);
	out->weight = (uint16_t)get16(m, it->data + 2);
	out->port = (uint16_t)get16(m, it->data + 4);
	return last_name(m, it->data + 6, it->end, out->name);
}

static bool read_data(struct slice m, const struct item *it, struct dns_record *out)
{
	size_t n = it->end - it->data;

	memset(out, 0, sizeof(*out));
	switch (it->type) {
	case DNS_A:
	case DNS_AAAA:
		if (n != (it->type == DNS_A ? 4 : 16))
			return false;
		memcpy(out->address, m.p + it->data, n);
		return true;
	case DNS_SRV:
		return read_srv(m, it, out);
	case DNS_NAPTR:
		return read_naptr(m, it, out);
	}
	return false;
}

/* keep: when there is no room the record with the worst rank goes; servers send them in any order. */
static void keep(struct dns_answer *out, const struct dns_record *r)
{
	struct dns_record *worst = &out->records[0];

	if (out->count < DNS_RECORDS_MAX) {
		out->records[out->count++] = *r;
		return;
	}
	for (unsigned i = 1; i < out->count; i++)
		if (out->records[i].rank > worst->rank)
			worst = &out->records[i];
	if (r->rank < worst->rank)
		*worst = *r;
}

static void shorten(uint32_t *ttl_s, uint32_t other)
{
	if (other < *ttl_s)
		*ttl_s = other;
}

/*
 * collect: all records of that type at name, or else the CNAME there, whose target goes to next. *any: there was a
 * record of that type, even an unusable one. false: the message is broken.
 */
static bool collect(struct walk w, const char *name, unsigned type, struct dns_answer *out, char next[DNS_NAME_MAX],
		    bool *any)
{
	uint32_t ttl_s = out->ttl_s;
	struct dns_record record;
	bool broken = false;
	struct item it;

	next[0] = '\0';
	while (next_item(&w, &it, &broken)) {
		if (it.class != CLASS_IN || strcmp(it.owner, name) != 0)
			continue;
		if (it.type == type) {
			*any = true;
			if (read_data(w.m, &it, &record))
				keep(out, &record);
			shorten(&ttl_s, it.ttl_s);
		} else if (it.type == DNS_CNAME && next[0] == '\0') {
			if (!last_name(w.m, it.data, it.end, next))
				return false;
			shorten(&ttl_s, it.ttl_s);
		}
	}
	out->ttl_s = ttl_s;
	return !broken;
}

/*
 * find_soa: RFC 2308 5: how long "there is nothing" may be remembered: the TTL of the SOA or its MINIMUM, whichever is
 * less.
 */
static bool find_soa(struct walk w, unsigned authorities, uint32_t *ttl_s)
{
	bool broken = false;
	struct item it;

	while (next_item(&w, &it, &broken))
		continue;
	w.left = broken ? 0 : authorities;
	while (next_item(&w, &it, &broken)) {
		if (it.type != DNS_SOA || it.class != CLASS_IN || it.end - it.data < 22)
			continue;
		*ttl_s = it.ttl_s;
		shorten(ttl_s, get32(w.m, it.end - 4));
		return true;
	}
	return false;
}

static bool is_same_question(struct slice message, struct slice question)
{
	if (message.n < question.n || question.n < HEAD || get16(message, 0) != get16(question, 0))
		return false;
	return (get16(message, 2) & FLAG_ANSWER) != 0 && get16(message, 4) == 1 &&
	       slice_ieq(slice_sub(message, HEAD, question.n), slice_sub(question, HEAD, question.n));
}

static unsigned bounded(unsigned n)
{
	return n < ITEMS_MAX ? n : ITEMS_MAX;
}

enum dns_found dns_message_read(struct slice message, struct slice question, struct dns_answer *out)
{
	struct walk w = {message, HEAD, 0};
	char name[DNS_NAME_MAX], next[DNS_NAME_MAX];
	bool odd, any = false, aliased;
	unsigned flags, type;
	uint32_t ttl_s = 0;

	if (!is_same_question(message, question) || !read_name(question, &w.at, name, &odd))
		return DNS_OTHER;
	flags = get16(message, 2);
	type = get16(question, w.at);
	w.at += 4;
	w.left = bounded(get16(message, 6));
	if ((flags & FLAG_TRUNCATED) != 0)
		return DNS_TRUNCATED;
	if ((flags & 0xf) != 0 && (flags & 0xf) != CODE_NO_NAME)
		return DNS_FAILED;
	out->count = 0;
	out->ttl_s = UINT32_MAX;
	/* Follow CNAMEs within this message; a longer chain goes on in the next question. */
	for (unsigned links = 0;; links++) {
		if (!collect(w, name, type, out, next, &any))
			return DNS_BROKEN;
		if (any || next[0] == '\0' || links == DNS_ALIASES_MAX)
			break;
		memcpy(name, next, sizeof(name));
	}
	if (out->count > 0)
		return DNS_RECORDS;
	/* RFC 6604 3: behind an alias the response code, like the SOA, is about the last name of the chain. */
	aliased = out->ttl_s != UINT32_MAX && !any && next[0] == '\0' && (flags & 0xf) == 0;
	if (find_soa(w, bounded(get16(message, 8)), &ttl_s) || !aliased) {
		out->ttl_s = ttl_s;
		return DNS_NOTHING;
	}
	memcpy(out->alias, name, sizeof(name));
	return DNS_ALIAS;
}

enum err dns_message_question(uint16_t id, struct slice name, enum dns_type type, uint8_t out[DNS_QUESTION_MAX],
			      size_t *n)
{
	size_t at = HEAD;

	if (slice_ends(name, S(".")))
		name = slice_sub(name, 0, name.n - 1);
	if (name.n == 0 || name.n >= DNS_NAME_MAX)
		return ERR_SYNTAX;
	for (struct slice rest = name; rest.n > 0 || rest.p != NULL;) {
		size_t len = slice_chr(rest, '.');

		if (len == 0 || len > 63)
			return ERR_SYNTAX;
		out[at++] = (uint8_t)len;
		for (size_t i = 0; i < len; i++) {
			char c = ascii_lower(rest.p[i]);

			if (!is_name_octet(c))
				return ERR_SYNTAX;
			out[at++] = (uint8_t)c;
		}
		rest = len == rest.n ? SLICE_NONE : slice_sub(rest, len + 1, rest.n);
	}
	out[at++] = 0;
	put16(out, id);
	put16(out + 2, FLAG_RECURSION);
	put16(out + 4, 1);
	memset(out + 6, 0, HEAD - 6);
	put16(out + at, type);
	put16(out + at + 2, CLASS_IN);
	*n = at + 4;
	return ERR_OK;
}
