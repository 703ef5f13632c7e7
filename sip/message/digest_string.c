#include "sip/message/digest_string.h"

#include <stdio.h>

#include "sip/message/header.h"

static bool unambiguous(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f || s.p[i] == '|')
			return false;
	return true;
}

enum err digest_string(const struct sip_msg *m, struct digest_string *out)
{
	struct slice date = msg_value(m, HDR_DATE), method;
	struct addr contact = {0};
	uint32_t number;
	enum err e;

	if (date.p == NULL)
		return ERR_NOTFOUND;
	if (date_parse(date, &out->date_s) != ERR_OK)
		return ERR_SYNTAX;
	e = msg_contact(m, &contact);
	if (e != ERR_OK && e != ERR_NOTFOUND)
		return ERR_SYNTAX;
	if (cseq_parse(msg_value(m, HDR_CSEQ), &number, &method) != ERR_OK || method.n > 32)
		return ERR_SYNTAX;
	snprintf(out->cseq, sizeof(out->cseq), "%u %.*s", number, SLICE_ARG(method));
	date_format(out->date_s, out->date);

	const struct slice bar = S("|");
	const struct slice parts[DIGEST_STRING_PARTS] = {
		m->from.spec,         bar, m->to.spec,   bar, m->call_id, bar, slice_str(out->cseq), bar,
		slice_str(out->date), bar, contact.spec, bar, m->body,
	};
	for (unsigned i = 0; i < DIGEST_STRING_PARTS; i++) {
		if (i % 2 == 0 && i < DIGEST_STRING_PARTS - 1 && !unambiguous(parts[i]))
			return ERR_SYNTAX;
		out->parts[i] = parts[i];
	}
	return ERR_OK;
}
