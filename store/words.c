#include "store/words.h"

static bool is_plain(char c)
{
	return c > 0x20 && c < 0x7f && c != '%';
}

/* plain_run: how many octets from i on need no escape. */
static size_t plain_run(struct slice s, size_t i)
{
	size_t start = i;

	while (i < s.n && is_plain(s.p[i]))
		i++;
	return i - start;
}

void words_add(struct buf *out, struct slice s)
{
	static const char digits[] = "0123456789ABCDEF";

	/* The "=" makes an empty text a word. */
	buf_add(out, S(" ="));
	for (size_t i = 0; i < s.n; i++) {
		size_t n = plain_run(s, i);

		buf_add(out, slice_sub(s, i, i + n));
		i += n;
		if (i < s.n) {
			unsigned char c = (unsigned char)s.p[i];

			buf_addc(out, '%');
			buf_addc(out, digits[c >> 4]);
			buf_addc(out, digits[c & 15]);
		}
	}
}

bool words_next(struct slice *rest, struct slice *word)
{
	size_t end = slice_chr(*rest, ' ');

	*word = slice_sub(*rest, 0, end);
	*rest = slice_sub(*rest, end + 1, rest->n);
	return word->n > 0;
}

bool words_number(struct slice *rest, uint64_t max, uint64_t *out)
{
	struct slice word;

	return words_next(rest, &word) && slice_u64(word, max, out);
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool words_text(struct slice *rest, struct buf *out)
{
	struct slice word;

	if (!words_next(rest, &word) || word.p[0] != '=')
		return false;
	for (size_t i = 1; i < word.n; i++) {
		if (word.p[i] != '%') {
			buf_addc(out, word.p[i]);
			continue;
		}
		if (word.n - i < 3 || digit(word.p[i + 1]) < 0 || digit(word.p[i + 2]) < 0)
			return false;
		buf_addc(out, (char)(digit(word.p[i + 1]) * 16 + digit(word.p[i + 2])));
		i += 2;
	}
	return true;
}
