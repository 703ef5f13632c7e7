#ifndef SIP_MESSAGE_EDIT_H
#define SIP_MESSAGE_EDIT_H

#include "core/buf.h"
#include "sip/message/limits.h"
#include "sip/message/msg.h"

/*
 * A list of changes to a message, applied to its original octets. What no edit names goes out octet for octet as it
 * came, because RFC 4474 signs octets (CRT-26). The message and the texts of edits are borrowed until edit_apply.
 */
#define EDIT_MAX (SIP_HEADERS_MAX + 16) /* each header field, and what a proxy adds */

struct edit_list {
	const struct sip_msg *msg;
	unsigned count;
	struct {
		size_t from, to; /* octets of msg->raw that text replaces */
		struct slice text;
	} edits[EDIT_MAX];
};

void edit_start(struct edit_list *l, const struct sip_msg *m);

/*
 * Each function adds one edit; ERR_LIMIT when EDIT_MAX edits were made. Lines come with their CR LF. Replaced ranges
 * must not overlap. edit_replace with an empty line removes the field. edit_value replaces old, a slice of msg->raw.
 * edit_insert puts the line before that field, or behind the last field (NULL).
 */
MUST_USE enum err edit_start_line(struct edit_list *l, struct slice line);
MUST_USE enum err edit_replace(struct edit_list *l, const struct sip_header *h, struct slice line);
MUST_USE enum err edit_value(struct edit_list *l, struct slice old, struct slice text);
MUST_USE enum err edit_insert(struct edit_list *l, const struct sip_header *before, struct slice line);

/* edit_size: of the changed message. edit_apply: appends the changed message. Several inserts at one place keep the
 * order in which they were made. */
size_t edit_size(const struct edit_list *l);
void edit_apply(const struct edit_list *l, struct buf *out);

#endif
