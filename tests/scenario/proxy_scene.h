#ifndef TESTS_SCENARIO_PROXY_SCENE_H
#define TESTS_SCENARIO_PROXY_SCENE_H

#include "tests/test.h"

#include "core/mem.h"
#include "tests/scenario/world.h"

/* The proxy of example.com, Alice and Bob of it, Eve who is a stranger, and Bob's phones. */

#define EVE "<sip:eve@example.org>;tag=e"
#define ALICE "<sip:alice@example.com>;tag=a"
#define PHONE1 "sip:bob@192.0.2.10:5070"
#define PHONE2 "sip:bob@192.0.2.11:5070"

struct scene {
	struct world *w;
	struct flow eve, alice, phone1, phone2;
	unsigned calls;
};

struct req {
	const char *method, *uri, *from, *to, *call_id, *headers; /* NULL: MESSAGE, Bob, Eve, Bob, "c", none */
	const char *branch;
	unsigned cseq, hops; /* hops 0: 70 */
};

static inline void say(struct scene *s, const struct flow *f, struct req r)
{
	struct buf out = {0};
	const char *method = r.method != NULL ? r.method : "MESSAGE";
	char branch[32];

	snprintf(branch, sizeof(branch), "z9hG4bKx%u", ++s->calls);
	buf_addf(&out, "%s %s SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=%s;rport\r\n", method,
		 r.uri != NULL ? r.uri : "sip:bob@example.com", flow_proto_name(f->proto), peer_text(&f->remote).text,
		 r.branch != NULL ? r.branch : branch);
	buf_addf(&out, PHONE_LINES "Max-Forwards: %u\r\nFrom: %s\r\nTo: %s\r\n", r.hops != 0 ? r.hops - 1 : 70,
		 r.from != NULL ? r.from : EVE, r.to != NULL ? r.to : "<sip:bob@example.com>");
	buf_addf(&out, "Call-ID: %s\r\nCSeq: %u %s\r\nX-Odd :  Kept, as it  is\r\n%sContent-Length: 2\r\n\r\nhi",
		 r.call_id != NULL ? r.call_id : "c", r.cseq != 0 ? r.cseq : 1, method,
		 r.headers != NULL ? r.headers : "");
	fake_inject(s->w->site->transport, f, buf_slice(&out));
	buf_free(&out);
}

static inline struct sip_msg *next(struct scene *s, struct flow *to)
{
	return fake_next(s->w->site->transport, to);
}

/* What makes an INVITE as long as those of phones are: twice as much goes to a stranger (G14). */
#define SOME_TEXT "0123456789abcdef"
#define MORE_TEXT SOME_TEXT SOME_TEXT SOME_TEXT SOME_TEXT SOME_TEXT SOME_TEXT SOME_TEXT SOME_TEXT
#define AS_LONG "X-Fill: " MORE_TEXT MORE_TEXT MORE_TEXT MORE_TEXT MORE_TEXT "\r\n"

/* The next message sent is a response with this code, to f. */
static inline struct sip_msg *answered(struct scene *s, const struct flow *f, unsigned code)
{
	struct flow to;
	struct sip_msg *m = next(s, &to);

	assert_non_null(m);
	assert_false(m->request);
	assert_int_equal(m->status, code);
	assert_true(flow_same(&to, f));
	return m;
}

static inline void expect(struct scene *s, const struct flow *f, unsigned code)
{
	msg_unref(answered(s, f, code));
}

/* The next message sent is this request, to f. */
static inline struct sip_msg *asked(struct scene *s, const struct flow *f, enum method method)
{
	struct flow to;
	struct sip_msg *m = next(s, &to);

	assert_non_null(m);
	assert_true(m->request);
	assert_int_equal(m->method, method);
	assert_true(flow_same(&to, f));
	return m;
}

static inline void silence(struct scene *s)
{
	assert_int_equal(fake_sent(s->w->site->transport), 0);
}

/* A phone's answer, with Record-Route as it came (RFC 3261 12.1.1); m stays the caller's. */
static inline void reply(struct scene *s, const struct flow *f, const struct sip_msg *m, unsigned code,
			 const char *headers)
{
	struct buf out = {0}, lines = {0};

	for (const struct sip_header *h = msg_each(m, HDR_RECORD_ROUTE, NULL); code > 100 && h != NULL;
	     h = msg_each(m, HDR_RECORD_ROUTE, h))
		build_header(&lines, "Record-Route", h->value);
	buf_adds(&lines, headers != NULL ? headers : "");
	build_reply(&out, m,
		    &(struct build_reply){.code = code,
					  .to_tag = code > 100 ? S("b") : SLICE_NONE,
					  .headers = buf_slice(&lines),
					  .received = S("192.0.2.1"),
					  .rport = 5060});
	fake_inject(s->w->site->transport, f, buf_slice(&out));
	buf_free(&out);
	buf_free(&lines);
}

static inline void put(struct scene *s, const struct flow *f, const char *contact)
{
	bool secure = strstr(contact, "sips:") != NULL;
	char headers[160];
	struct sip_msg *m;

	snprintf(headers, sizeof(headers), "Contact: %s\r\n%s", contact, contact[0] == '*' ? "Expires: 0\r\n" : "");
	m = world_ask_as(s->w, f, "bob",
			 (struct ask){.method = "REGISTER",
				      .uri = secure ? "sips:example.com" : "sip:example.com",
				      .to = secure ? "<sips:bob@example.com>" : "<sip:bob@example.com>",
				      .from = "<sip:bob@example.com>;tag=r",
				      .headers = headers});
	assert_int_equal(m->status, 200);
	msg_unref(m);
}

#define INSTANCE ";+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>\""

static inline void put_flow(struct scene *s, const struct flow *f, const char *params)
{
	char headers[256];
	struct sip_msg *m;

	snprintf(headers, sizeof(headers), "Supported: path, outbound\r\nContact: <sip:bob@10.1.1.1>" INSTANCE "%s\r\n",
		 params);
	m = world_ask_as(s->w, f, "bob",
			 (struct ask){.method = "REGISTER",
				      .uri = "sip:example.com",
				      .to = "<sip:bob@example.com>",
				      .from = "<sip:bob@example.com>;tag=r",
				      .headers = headers});
	assert_int_equal(m->status, 200);
	msg_unref(m);
}

static inline int begin_with(void **state, const char *const *options)
{
	struct scene *s = mem_alloc(sizeof(*s));

	s->w = world_new(options);
	s->eve = fake_udp("192.0.2.66:5060");
	s->alice = fake_udp("192.0.2.5:5060");
	s->phone1 = fake_udp("192.0.2.10:5070");
	s->phone2 = fake_udp("192.0.2.11:5070");
	put(s, &s->phone1, "<" PHONE1 ">");
	*state = s;
	return 0;
}

static inline int begin(void **state)
{
	return begin_with(state, NULL);
}

static inline int end(void **state)
{
	struct scene *s = *state;

	world_free(s->w);
	mem_free(s);
	return 0;
}

/* That user's request, with the answer to the challenge. The 407 is over when this returns. */
static inline void say_as(struct scene *s, const struct flow *f, const char *user, struct req r)
{
	struct answer answer = {.user = user,
				.password = user[0] == 'a' ? "alice-pw" : "bob-pw",
				.method = r.method != NULL ? r.method : "MESSAGE",
				.uri = r.uri != NULL ? r.uri : "sip:bob@example.com",
				.nc = 1};
	struct buf value = {0}, lines = {0};
	struct sip_msg *m;

	say(s, f, r);
	m = answered(s, f, 407);
	assert_true(answer_read(&answer, m));
	msg_unref(m);
	answer_make(&answer, &value);
	buf_addf(&lines, "%sProxy-Authorization: %s\r\n", r.headers != NULL ? r.headers : "", value.p);
	r.headers = lines.p;
	r.cseq = (r.cseq != 0 ? r.cseq : 1) + 1;
	say(s, f, r);
	buf_free(&value);
	buf_free(&lines);
}

static inline void say_as_alice(struct scene *s, const struct flow *f, struct req r)
{
	r.from = r.from != NULL ? r.from : ALICE;
	say_as(s, f, "alice", r);
}

#endif
