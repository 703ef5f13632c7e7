#include "sip/message/digest_string.h"

#include <stdio.h>

#include "sip/message/header.h"

/*
 * Nothing is copied or normalised but CSeq and Date, of which RFC 4474 9 says so. All other parts are slices of the
 * message.
 */

/* A "|" in a part could shift the borders between fields: two messages would have one string (AUT-10). */
static bool unambiguous(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f || s.p[i] == '|')
			return false;
	return true;
}

/* fault_of: NULL when m may be signed, else why not, as a clause. Fills cseq, date and *contact. */
static const char *fault_of(const struct sip_msg *m, struct digest_string *out, struct addr *contact)
{
	struct slice date = msg_value(m, HDR_DATE), method;
	uint32_t number;

	if (date.p == NULL)
		return "there is no Date";
	if (date_parse(date, &out->date_s) != ERR_OK)
		return "Date is not as in \"Sat, 13 Nov 2010 23:29:00 GMT\"";
	switch (msg_contact(m, contact)) {
	case ERR_OK:
	case ERR_NOTFOUND:
		break;
	case ERR_LIMIT:
		return "there are several Contacts, and only one can be signed";
	default:
		return "Contact cannot be read";
	}
	if (cseq_parse(msg_value(m, HDR_CSEQ), &number, &method) != ERR_OK || method.n > 32)
		return "CSeq cannot be read";
	if (m->from.spec.n == 0 || m->to.spec.n == 0)
		return m->to.spec.n == 0 ? "To cannot be read" : "From cannot be read";
	snprintf(out->cseq, sizeof(out->cseq), "%u %.*s", number, SLICE_ARG(method));
	date_format(out->date_s, out->date);
	if (!unambiguous(m->from.spec))
		return "From has a \"|\" or a control character in its address";
	if (!unambiguous(m->to.spec))
		return "To has a \"|\" or a control character in its address";
	if (!unambiguous(m->call_id))
		return "Call-ID has a \"|\" or a control character";
	if (!unambiguous(contact->spec))
		return "Contact has a \"|\" or a control character in its address";
	return unambiguous(slice_str(out->cseq)) ? NULL : "CSeq has a \"|\" in its method";
}

const char *digest_string_fault(const struct sip_msg *m)
{
	struct digest_string ds;
	struct addr contact = {0};

	return fault_of(m, &ds, &contact);
}

enum err digest_string(const struct sip_msg *m, struct digest_string *out)
{
	struct addr contact = {0};

	if (fault_of(m, out, &contact) != NULL)
		return msg_value(m, HDR_DATE).p == NULL ? ERR_NOTFOUND : ERR_SYNTAX;

	const struct slice bar = S("|");
	const struct slice parts[DIGEST_STRING_PARTS] = {
		m->from.spec,         bar, m->to.spec,   bar, m->call_id, bar, slice_str(out->cseq), bar,
		slice_str(out->date), bar, contact.spec, bar, m->body,
	};
	for (unsigned i = 0; i < DIGEST_STRING_PARTS; i++)
		out->parts[i] = parts[i];
	return ERR_OK;
}
