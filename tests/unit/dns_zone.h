#ifndef TESTS_UNIT_DNS_ZONE_H
#define TESTS_UNIT_DNS_ZONE_H

/* DNS answers for tests: rows of a zone, and the message that answers a question from them. */

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "sip/locate/dns_message.h"

struct row {
	const char *name;
	enum dns_type type;
	uint32_t ttl_s;
	const char *data; /* address, target, replacement; SOA: its MINIMUM */
	uint16_t a, b, c; /* priority, weight, port; order, preference */
	const char *flags, *service;
};

#define ROW_A(name, ttl_s, address) \
	{ \
		name, DNS_A, ttl_s, address, 0, 0, 0, NULL, NULL \
	}
#define ROW_AAAA(name, ttl_s, address) \
	{ \
		name, DNS_AAAA, ttl_s, address, 0, 0, 0, NULL, NULL \
	}
#define ROW_CNAME(name, ttl_s, target) \
	{ \
		name, DNS_CNAME, ttl_s, target, 0, 0, 0, NULL, NULL \
	}
#define ROW_SOA(name, ttl_s, minimum) \
	{ \
		name, DNS_SOA, ttl_s, minimum, 0, 0, 0, NULL, NULL \
	}
#define ROW_SRV(name, ttl_s, priority, weight, port, target) \
	{ \
		name, DNS_SRV, ttl_s, target, priority, weight, port, NULL, NULL \
	}
#define ROW_NAPTR(name, ttl_s, order, preference, flags, service, target) \
	{ \
		name, DNS_NAPTR, ttl_s, target, order, preference, 0, flags, service \
	}
#define ROW_END \
	{ \
		NULL, DNS_A, 0, NULL, 0, 0, 0, NULL, NULL \
	}

static inline void zone_u16(struct buf *out, unsigned v)
{
	buf_addc(out, (char)(v >> 8));
	buf_addc(out, (char)v);
}

static inline void zone_u32(struct buf *out, uint32_t v)
{
	zone_u16(out, v >> 16);
	zone_u16(out, v & 0xffff);
}

static inline void zone_text(struct buf *out, const char *text)
{
	buf_addc(out, (char)strlen(text));
	buf_adds(out, text);
}

static inline void zone_name(struct buf *out, const char *name)
{
	while (*name != '\0') {
		size_t n = strcspn(name, ".");

		buf_addc(out, (char)n);
		buf_add(out, slice_of(name, n));
		name += n + (name[n] == '.');
	}
	buf_addc(out, '\0');
}

static inline void zone_data(struct buf *out, const struct row *r)
{
	uint8_t address[16];

	switch (r->type) {
	case DNS_A:
	case DNS_AAAA:
		if (inet_pton(r->type == DNS_A ? AF_INET : AF_INET6, r->data, address) != 1)
			abort();
		buf_add(out, slice_of(address, r->type == DNS_A ? 4 : 16));
		break;
	case DNS_CNAME:
		zone_name(out, r->data);
		break;
	case DNS_SOA:
		zone_name(out, "ns.test");
		zone_name(out, "root.test");
		for (int i = 0; i < 4; i++)
			zone_u32(out, 1);
		zone_u32(out, (uint32_t)atoi(r->data));
		break;
	case DNS_SRV:
		zone_u16(out, r->a);
		zone_u16(out, r->b);
		zone_u16(out, r->c);
		zone_name(out, r->data);
		break;
	case DNS_NAPTR:
		zone_u16(out, r->a);
		zone_u16(out, r->b);
		zone_text(out, r->flags);
		zone_text(out, r->service);
		zone_text(out, "");
		zone_name(out, r->data);
		break;
	}
}

static inline void zone_record(struct buf *out, const struct row *r)
{
	struct buf data = {0};

	zone_name(out, r->name);
	zone_u16(out, (unsigned)r->type);
	zone_u16(out, 1);
	zone_u32(out, r->ttl_s);
	zone_data(&data, r);
	zone_u16(out, (unsigned)data.n);
	buf_add(out, buf_slice(&data));
	buf_free(&data);
}

/* A message: the question's head with these flags, the question, and rows as answer; soa, when there, as authority. */
static inline void zone_message(struct buf *out, struct slice question, unsigned flags, const struct row *const *rows,
				unsigned count, const struct row *soa)
{
	buf_add(out, slice_sub(question, 0, 2));
	zone_u16(out, 0x8180 | flags);
	zone_u16(out, 1);
	zone_u16(out, count);
	zone_u16(out, soa != NULL);
	zone_u16(out, 0);
	buf_add(out, slice_sub(question, 12, question.n));
	for (unsigned i = 0; i < count; i++)
		zone_record(out, rows[i]);
	if (soa != NULL)
		zone_record(out, soa);
}

/* The name and type that a question asks for. */
static inline void zone_asked(struct slice question, char name[DNS_NAME_MAX], unsigned *type)
{
	size_t at = 12, n = 0;

	while (at < question.n && question.p[at] != '\0') {
		size_t len = (unsigned char)question.p[at];

		if (n > 0)
			name[n++] = '.';
		memcpy(name + n, question.p + at + 1, len);
		n += len;
		at += len + 1;
	}
	name[n] = '\0';
	*type = (unsigned)(unsigned char)question.p[at + 1] << 8 | (unsigned char)question.p[at + 2];
}

/* The answer of a recursive server over all rows (the last has no name): the chain of aliases and what is at its end.
 */
static inline void zone_answer(const struct row *rows, struct slice question, struct buf *out)
{
	const struct row *found[128], *soa = NULL, *alias;
	char name[DNS_NAME_MAX];
	unsigned type, count = 0, links = 0;
	bool exists = false;

	zone_asked(question, name, &type);
	do {
		alias = NULL;
		for (const struct row *r = rows; r->name != NULL; r++) {
			if (r->type == DNS_SOA)
				soa = r;
			if (strcmp(r->name, name) != 0)
				continue;
			exists = true;
			if ((unsigned)r->type == type && count < 128)
				found[count++] = r;
			else if (r->type == DNS_CNAME)
				alias = r;
		}
		if (alias != NULL && count < 128) {
			found[count++] = alias;
			strcpy(name, alias->data);
		}
	} while (alias != NULL && ++links < 12);
	zone_message(out, question, exists ? 0 : 3, found, count, count == 0 ? soa : NULL);
}

#endif
