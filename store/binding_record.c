#include "store/binding_record.h"

#include <stddef.h>

#include "store/words.h"

/*
 * The line is the numbers, then the texts in the order of this table; a brief line has three numbers only. The last
 * number, the generation, was not there in earlier versions.
 */

static const size_t texts[] = {
	offsetof(struct binding_record, aor),    offsetof(struct binding_record, uri),
	offsetof(struct binding_record, params), offsetof(struct binding_record, call_id),
	offsetof(struct binding_record, path),   offsetof(struct binding_record, flow),
};

#define TEXTS (sizeof(texts) / sizeof(texts[0]))
#define BRIEF S("~ ")

static void add_number(struct buf *out, uint64_t v)
{
	buf_addc(out, ' ');
	buf_addu(out, v);
}

void binding_record_write(const struct binding_record *r, uint64_t until_s, bool brief, struct buf *out)
{
	struct binding_record kept = *r;

	if (brief)
		buf_add(out, BRIEF);
	buf_addu(out, r->cseq);
	add_number(out, until_s);
	add_number(out, r->interval_s);
	if (brief)
		return;
	add_number(out, r->reg_id);
	add_number(out, r->q);
	add_number(out, r->flow_only);
	if (r->secret != 0)
		add_number(out, r->secret);
	if (r->flow_id != 0)
		kept.flow = SLICE_NONE;
	for (size_t i = 0; i < TEXTS; i++)
		words_add(out, *(const struct slice *)(const void *)((const char *)&kept + texts[i]));
}

static bool read_numbers(struct slice *line, bool brief, struct binding_record *r, uint64_t *until_s)
{
	uint64_t cseq, interval, reg_id = 0, q = 0, flow_only = 0, secret = 0;

	if (!words_number(line, UINT32_MAX, &cseq) || !words_number(line, INT64_MAX, until_s) ||
	    !words_number(line, UINT32_MAX, &interval))
		return false;
	if (!brief && (!words_number(line, UINT32_MAX, &reg_id) || !words_number(line, 1000, &q) ||
		       !words_number(line, 1, &flow_only)))
		return false;
	/* Texts begin with "=", so a digit is the generation. */
	if (!brief && line->n > 0 && line->p[0] != '=' && !words_number(line, UINT64_MAX, &secret))
		return false;
	r->secret = secret;
	r->cseq = (uint32_t)cseq;
	r->interval_s = (uint32_t)interval;
	r->reg_id = (uint32_t)reg_id;
	r->q = (uint16_t)q;
	r->flow_only = flow_only != 0;
	return true;
}

enum err binding_record_read(struct slice line, struct buf *scratch, struct binding_record *out, uint64_t *until_s,
			     bool *brief)
{
	size_t ends[TEXTS], start = scratch->n;
	bool is_brief = slice_starts(line, BRIEF);
	struct binding_record r = {0};
	uint64_t until;

	if (is_brief)
		line = slice_sub(line, BRIEF.n, line.n);
	if (!read_numbers(&line, is_brief, &r, &until))
		return ERR_SYNTAX;
	for (size_t i = 0; !is_brief && i < TEXTS; i++) {
		if (!words_text(&line, scratch))
			return ERR_SYNTAX;
		ends[i] = scratch->n;
	}
	if (line.n > 0)
		return ERR_SYNTAX;
	/* Slices are made only now, because the buffer may have moved while it grew. */
	buf_reserve(scratch, 0);
	for (size_t i = 0; !is_brief && i < TEXTS; i++) {
		*(struct slice *)(void *)((char *)&r + texts[i]) = slice_sub(buf_slice(scratch), start, ends[i]);
		start = ends[i];
	}
	*out = r;
	*until_s = until;
	*brief = is_brief;
	return ERR_OK;
}
