#include "store/subscription.h"

#include <stddef.h>

static const size_t texts[] = {
	offsetof(struct sub_record, aor),       offsetof(struct sub_record, package),
	offsetof(struct sub_record, event_id),  offsetof(struct sub_record, call_id),
	offsetof(struct sub_record, local_tag), offsetof(struct sub_record, remote_tag),
	offsetof(struct sub_record, local),     offsetof(struct sub_record, remote),
	offsetof(struct sub_record, target),    offsetof(struct sub_record, contact),
	offsetof(struct sub_record, routes),    offsetof(struct sub_record, peer),
};

#define TEXTS (sizeof(texts) / sizeof(texts[0]))
#define NUMBERS 4

/* Blanks, line ends, "%" and what is not printable become %XX, so that a field is one word and a record one line. */
static void add_escaped(struct buf *out, struct slice s)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c > 0x20 && c < 0x7f && c != '%') {
			buf_addc(out, (char)c);
			continue;
		}
		buf_addc(out, '%');
		buf_addc(out, digits[c >> 4]);
		buf_addc(out, digits[c & 15]);
	}
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool add_unescaped(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '%') {
			buf_addc(out, s.p[i]);
			continue;
		}
		if (s.n - i < 3 || digit(s.p[i + 1]) < 0 || digit(s.p[i + 2]) < 0)
			return false;
		buf_addc(out, (char)(digit(s.p[i + 1]) * 16 + digit(s.p[i + 2])));
		i += 2;
	}
	return true;
}

void sub_record_write(const struct sub_record *r, struct buf *out)
{
	buf_addf(out, "%u %u %u %llu", r->proto, r->local_cseq, r->remote_cseq, (unsigned long long)r->expires);
	for (size_t i = 0; i < TEXTS; i++) {
		buf_addc(out, ' ');
		/* A leading mark keeps an empty field a word. */
		buf_addc(out, '=');
		add_escaped(out, *(const struct slice *)(const void *)((const char *)r + texts[i]));
	}
}

static bool next_word(struct slice *rest, struct slice *word)
{
	size_t end = slice_chr(*rest, ' ');

	*word = slice_sub(*rest, 0, end);
	*rest = slice_sub(*rest, end + 1, rest->n);
	return word->n > 0;
}

enum err sub_record_read(struct slice line, struct buf *scratch, struct sub_record *out)
{
	size_t ends[TEXTS], start = scratch->n;
	struct sub_record r = {0};
	uint64_t numbers[NUMBERS];
	struct slice word;

	for (size_t i = 0; i < NUMBERS; i++)
		if (!next_word(&line, &word) || !slice_u64(word, i < 3 ? UINT32_MAX : INT64_MAX, &numbers[i]))
			return ERR_SYNTAX;
	for (size_t i = 0; i < TEXTS; i++) {
		if (!next_word(&line, &word) || word.p[0] != '=' || !add_unescaped(scratch, slice_sub(word, 1, word.n)))
			return ERR_SYNTAX;
		ends[i] = scratch->n;
	}
	if (line.n > 0)
		return ERR_SYNTAX;
	r.proto = (uint32_t)numbers[0];
	r.local_cseq = (uint32_t)numbers[1];
	r.remote_cseq = (uint32_t)numbers[2];
	r.expires = numbers[3];
	/* Only now: the buffer may have moved while it grew. Empty fields are there, too, when all are empty. */
	buf_reserve(scratch, 0);
	for (size_t i = 0; i < TEXTS; i++) {
		*(struct slice *)(void *)((char *)&r + texts[i]) = slice_sub(buf_slice(scratch), start, ends[i]);
		start = ends[i];
	}
	*out = r;
	return ERR_OK;
}
