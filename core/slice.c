#include "core/slice.h"

#include <string.h>

#include "core/mem.h"

/* The longer functions on slices. They never look at the locale, and treat NUL like any other octet. */

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice slice_trim(struct slice s)
{
	while (s.n > 0 && is_space(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && is_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool slice_ieq(struct slice a, struct slice b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (a.p[i] != b.p[i] && ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
			return false;
	return true;
}

bool slice_starts(struct slice s, struct slice prefix)
{
	return s.n >= prefix.n && slice_eq(slice_sub(s, 0, prefix.n), prefix);
}

bool slice_istarts(struct slice s, struct slice prefix)
{
	return s.n >= prefix.n && slice_ieq(slice_sub(s, 0, prefix.n), prefix);
}

bool slice_ends(struct slice s, struct slice suffix)
{
	return s.n >= suffix.n && slice_eq(slice_sub(s, s.n - suffix.n, s.n), suffix);
}

size_t slice_chr(struct slice s, char c)
{
	const char *hit = s.n == 0 ? NULL : memchr(s.p, c, s.n);

	return hit == NULL ? s.n : (size_t)(hit - s.p);
}

size_t slice_rchr(struct slice s, char c)
{
	const char *hit = s.n == 0 ? NULL : memrchr(s.p, c, s.n);

	return hit == NULL ? s.n : (size_t)(hit - s.p);
}

size_t slice_find(struct slice s, struct slice needle, size_t from)
{
	const char *hit;

	if (from > s.n || s.p == NULL)
		return s.n;
	hit = memmem(s.p + from, s.n - from, needle.p, needle.n);
	return hit == NULL ? s.n : (size_t)(hit - s.p);
}

bool slice_cut(struct slice s, char c, struct slice *head, struct slice *tail)
{
	size_t i = slice_chr(s, c);

	if (i == s.n)
		return false;
	*head = slice_sub(s, 0, i);
	*tail = slice_sub(s, i + 1, s.n);
	return true;
}

bool slice_u64(struct slice s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned d = (unsigned)(unsigned char)s.p[i] - '0';

		/* v * 10 + d <= max, written without overflow: v <= (max - d) / 10. */
		if (d > 9 || d > max || v > (max - d) / 10)
			return false;
		v = v * 10 + d;
	}
	*out = v;
	return true;
}

bool slice_u32(struct slice s, uint32_t max, uint32_t *out)
{
	uint64_t v;

	if (!slice_u64(s, max, &v))
		return false;
	*out = (uint32_t)v;
	return true;
}

char *slice_dup(struct slice s)
{
	char *p = mem_alloc(s.n + 1);

	/* mem_alloc zeroes, so the NUL is there already. */
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return p;
}

struct slice slice_copy(struct slice s)
{
	return (struct slice){slice_dup(s), s.n};
}

void slice_drop(struct slice *s)
{
	/* The octets came from slice_copy, which owns them: taking const off here gives them back. */
	mem_free((void *)(uintptr_t)s->p);
	*s = SLICE_NONE;
}

int ascii_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool slice_hex(struct slice s, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0 || s.n > 16)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		int digit = ascii_hex(s.p[i]);

		if (digit < 0)
			return false;
		v = v << 4 | (uint64_t)digit;
	}
	*out = v;
	return true;
}

struct slice slice_list(struct slice text)
{
	return slice_trim(text).n == 0 ? SLICE_NONE : text;
}

bool slice_item(struct slice *rest, struct slice *item)
{
	struct slice head = *rest, tail = SLICE_NONE;

	if (rest->p == NULL)
		return false;
	slice_cut(*rest, ',', &head, &tail);
	*item = slice_trim(head);
	*rest = tail;
	return true;
}
