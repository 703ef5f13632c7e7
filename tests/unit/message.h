#ifndef TESTS_UNIT_MESSAGE_H
#define TESTS_UNIT_MESSAGE_H

/* Messages to parse, whole or with something odd about them. */

#include "tests/test.h"

#include "core/buf.h"
#include "sip/message/msg.h"
#include "tests/unit/prefix.h"

#define VIA "Via: SIP/2.0/TCP pc33.atlanta.com;branch=z9hG4bK776asdhds\r\n"
#define FROM "From: Alice <sip:alice@atlanta.com>;tag=1928301774\r\n"
#define TO "To: Bob <sip:bob@biloxi.com>\r\n"
#define CALL_ID "Call-ID: a84b4c76e66710@pc33.atlanta.com\r\n"
#define CSEQ "CSeq: 314159 OPTIONS\r\n"
#define NEEDED VIA FROM TO CALL_ID CSEQ
#define OPTIONS "OPTIONS sip:bob@biloxi.com SIP/2.0\r\n"
#define END "Content-Length: 0\r\n\r\n"

/* parsed: the message or NULL; *why is set for NULL only. Parsed right before a guard page. */
static inline struct sip_msg *parsed(struct slice raw)
{
	struct slice in = guard_copy(raw);
	struct sip_msg none, *m = &none; /* not to be touched by a failure */
	const char *why = NULL;
	enum err e = msg_parse(in, &m, &why);

	guard_free(in);
	if (e == ERR_OK)
		return m;
	assert_int_equal(e, ERR_SYNTAX);
	assert_ptr_equal(m, &none);
	assert_non_null(why);
	return NULL;
}

/* outcome: 0 accepted, else the code of the answer; 1: nothing that could be answered. */
static inline unsigned outcome(struct slice raw)
{
	struct sip_msg *m = parsed(raw);
	unsigned code = m == NULL ? 1 : m->defect_code;

	if (m != NULL)
		assert_int_equal(m->defect != NULL, code != 0);
	msg_unref(m);
	return code;
}

/* good: the message, which has no defect. The caller's. */
static inline struct sip_msg *good_message(struct slice raw)
{
	struct sip_msg *m = parsed(raw);

	if (m == NULL || m->defect_code != 0)
		fail_msg("%s: %.*s", m == NULL ? "not parsed" : m->defect, SLICE_ARG(raw));
	return m;
}

/* all_inside: every slice of m lies in its own copy of the octets. */
static inline void all_inside(const struct sip_msg *m)
{
	const struct slice parts[] = {
		m->start,         m->body,        m->method_name,   m->uri_text,      m->uri.text,     m->uri.user,
		m->uri.password,  m->uri.host,    m->uri.params,    m->uri.headers,   m->reason,       m->via.text,
		m->via.transport, m->via.host,    m->via.params,    m->via.branch,    m->via.received, m->from.display,
		m->from.spec,     m->from.params, m->from.uri.user, m->from.uri.host, m->to.display,   m->to.spec,
		m->to.params,     m->to.uri.user, m->to.uri.host,   m->from_tag,      m->to_tag,       m->call_id,
	};

	for (size_t i = 0; i < COUNT(parts); i++)
		assert_true(inside(m->raw, parts[i]));
	for (unsigned i = 0; i < m->header_count; i++) {
		assert_true(inside(m->raw, m->headers[i].line));
		assert_true(inside(m->headers[i].line, m->headers[i].name));
		assert_true(inside(m->headers[i].line, m->headers[i].value));
	}
}

#endif
