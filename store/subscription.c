#include "store/subscription.h"

#include <stddef.h>

#include "store/words.h"

/*
 * The line is the numbers, then the texts in the order of this table. Older versions had no etag. Another table reads
 * no older journals.
 */

static const size_t texts[] = {
	offsetof(struct subscription, aor),       offsetof(struct subscription, package),
	offsetof(struct subscription, event_id),  offsetof(struct subscription, call_id),
	offsetof(struct subscription, local_tag), offsetof(struct subscription, remote_tag),
	offsetof(struct subscription, local),     offsetof(struct subscription, remote),
	offsetof(struct subscription, target),    offsetof(struct subscription, contact),
	offsetof(struct subscription, routes),    offsetof(struct subscription, peer),
	offsetof(struct subscription, etag),
};

#define TEXTS (sizeof(texts) / sizeof(texts[0]))
#define NUMBERS 4

void subscription_write(const struct subscription *r, struct buf *out)
{
	buf_addf(out, "%u %u %u %llu", r->proto, r->local_cseq, r->remote_cseq, (unsigned long long)r->expires);
	for (size_t i = 0; i < TEXTS; i++)
		words_add(out, *(const struct slice *)(const void *)((const char *)r + texts[i]));
}

enum err subscription_read(struct slice line, struct buf *scratch, struct subscription *out)
{
	size_t ends[TEXTS], start = scratch->n, count = 0;
	struct subscription r = {0};
	uint64_t numbers[NUMBERS];

	for (size_t i = 0; i < NUMBERS; i++)
		if (!words_number(&line, i < 3 ? UINT32_MAX : INT64_MAX, &numbers[i]))
			return ERR_SYNTAX;
	while (count < TEXTS && (count < TEXTS - 1 || line.n > 0)) {
		if (!words_text(&line, scratch))
			return ERR_SYNTAX;
		ends[count++] = scratch->n;
	}
	if (line.n > 0)
		return ERR_SYNTAX;
	r.proto = (uint32_t)numbers[0];
	r.local_cseq = (uint32_t)numbers[1];
	r.remote_cseq = (uint32_t)numbers[2];
	r.expires = numbers[3];
	/*
	 * Slices are made only now, because the buffer may have moved while it grew. The reserve gives it memory when
	 * all texts are empty, since an empty text is not an absent one.
	 */
	buf_reserve(scratch, 0);
	for (size_t i = 0; i < count; i++) {
		*(struct slice *)(void *)((char *)&r + texts[i]) = slice_sub(buf_slice(scratch), start, ends[i]);
		start = ends[i];
	}
	*out = r;
	return ERR_OK;
}
