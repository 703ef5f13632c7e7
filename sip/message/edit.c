#include "sip/message/edit.h"

/* Edits are kept sorted by position while they are added, so that edit_apply copies from one to the next. */

void edit_start(struct edit_list *l, const struct sip_msg *m)
{
	l->msg = m;
	l->count = 0;
}

/*
 * add: puts the edit behind those with a lower position. At one position the inserts stand in the order of their calls,
 * and what replaces the octets there comes behind them.
 */
static enum err add(struct edit_list *l, size_t from, size_t to, struct slice text)
{
	unsigned i = l->count;

	if (l->count == EDIT_MAX)
		return ERR_LIMIT;
	for (; i > 0 && (l->edits[i - 1].from > from || (l->edits[i - 1].from == from && l->edits[i - 1].to > to)); i--)
		l->edits[i] = l->edits[i - 1];
	l->edits[i].from = from;
	l->edits[i].to = to;
	l->edits[i].text = text;
	l->count++;
	return ERR_OK;
}

enum err edit_value(struct edit_list *l, struct slice old, struct slice text)
{
	size_t from = (size_t)(old.p - l->msg->raw.p);

	return add(l, from, from + old.n, text);
}

enum err edit_start_line(struct edit_list *l, struct slice line)
{
	return add(l, 0, l->msg->start.n + 2, line);
}

enum err edit_replace(struct edit_list *l, const struct sip_header *h, struct slice line)
{
	return edit_value(l, h->line, line);
}

enum err edit_insert(struct edit_list *l, const struct sip_header *before, struct slice line)
{
	/* NULL: in front of the empty line, which is the two octets before the body. */
	size_t at = before != NULL ? (size_t)(before->line.p - l->msg->raw.p)
				   : (size_t)(l->msg->body.p - l->msg->raw.p) - 2;

	return add(l, at, at, line);
}

size_t edit_size(const struct edit_list *l)
{
	size_t n = l->msg->raw.n;

	for (unsigned i = 0; i < l->count; i++)
		n += l->edits[i].text.n - (l->edits[i].to - l->edits[i].from);
	return n;
}

void edit_apply(const struct edit_list *l, struct buf *out)
{
	struct slice raw = l->msg->raw;
	size_t at = 0;

	for (unsigned i = 0; i < l->count; i++) {
		buf_add(out, slice_sub(raw, at, l->edits[i].from));
		buf_add(out, l->edits[i].text);
		at = l->edits[i].to;
	}
	buf_add(out, slice_sub(raw, at, raw.n));
}
