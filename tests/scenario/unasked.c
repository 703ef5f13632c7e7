#include "tests/test.h"

#include "tests/scenario/proxy_scene.h"

/*
 * What a user's phone sends in a dialog that a stranger has begun goes where the stranger says (G14): over UDP once,
 * unless he has been seen there: by an ACK with the token that only the address of the INVITE was sent, or because
 * something that was sent there was answered.
 */

#define THIRD "sip:eve@192.0.2.77:5060"
#define HERE "sip:eve@192.0.2.66:5060"
#define BOB "<sip:bob@example.com>;tag=b"

enum ack { NO_ACK, ACK_FROM_HER, ACK_FROM_THERE, ACK_OF_ANOTHER_CALL, ACK_WITHOUT_TOKEN };

static struct req in_dialog(const char *method, const char *uri, const struct buf *route, unsigned cseq)
{
	return (struct req){.method = method,
			    .uri = uri,
			    .from = BOB,
			    .to = EVE,
			    .call_id = "call",
			    .headers = route->p,
			    .cseq = cseq};
}

/* Eve calls Bob, whose phone picks up by itself; its Route, which is also hers. */
static void call(struct scene *s, const char *contact, struct buf *route)
{
	char headers[700];
	struct sip_msg *m;

	snprintf(headers, sizeof(headers), "Contact: <%s>\r\nX-Fill: " MORE_TEXT MORE_TEXT "\r\n", contact);
	say(s, &s->eve, (struct req){.method = "INVITE", .call_id = "call", .headers = headers});
	m = asked(s, &s->phone1, METHOD_INVITE);
	build_header(route, "Route", msg_value(m, HDR_RECORD_ROUTE));
	reply(s, &s->phone1, m, 200, "Contact: <" PHONE1 ">\r\n");
	msg_unref(m);
	expect(s, &s->eve, 200);
}

static void acknowledge(struct scene *s, enum ack ack, const struct buf *route)
{
	const struct flow third = fake_udp("192.0.2.77:5060");
	struct sip_msg *m;

	if (ack == NO_ACK)
		return;
	say(s, ack == ACK_FROM_THERE ? &third : &s->eve,
	    (struct req){.method = "ACK",
			 .uri = PHONE1,
			 .to = BOB,
			 .call_id = ack == ACK_OF_ANOTHER_CALL ? "another" : "call",
			 .headers = ack == ACK_WITHOUT_TOKEN ? NULL : route->p});
	while ((m = next(s, NULL)) != NULL)
		msg_unref(m);
}

/* How often the request of Bob's phone is sent while nobody answers; all of it goes to that address. */
static unsigned copies(struct scene *s, struct req r, const char *where)
{
	const struct flow there = fake_udp(where);
	struct flow to;
	struct sip_msg *m;
	unsigned n = 0;

	say_as(s, &s->phone1, "bob", r);
	fake_advance(s->w->loop, 40000);
	while ((m = next(s, &to)) != NULL) {
		if (m->request && m->method != METHOD_ACK) {
			assert_true(flow_same(&to, &there));
			n++;
		}
		msg_unref(m);
	}
	return n;
}

static void a_stranger_is_sent_a_user_s_request_once(void **state)
{
	static const char *const methods[] = {"BYE", "INFO", "INVITE", "UPDATE", "NOTIFY", "REFER"};
	static const enum ack acks[] = {NO_ACK, ACK_FROM_HER, ACK_FROM_THERE, ACK_OF_ANOTHER_CALL, ACK_WITHOUT_TOKEN};

	for (unsigned i = 0; i < 6 * 5 * 2; i++) {
		const char *method = methods[i % 6];
		enum ack ack = acks[i / 6 % 5];
		bool third = i / 30 == 1;
		struct buf route = {0};
		struct scene *s;

		begin(state);
		s = *state;
		call(s, third ? THIRD : HERE, &route);
		acknowledge(s, ack, &route);
		if (ack == ACK_FROM_HER && !third)
			assert_in_range(copies(s, in_dialog(method, HERE, &route, 7), "192.0.2.66:5060"), 7, 11);
		else
			assert_int_equal(copies(s, in_dialog(method, third ? THIRD : HERE, &route, 7),
						third ? "192.0.2.77:5060" : "192.0.2.66:5060"),
					 1);
		buf_free(&route);
		end(state);
	}
}

/* Whoever answers one request is there, and is sent the next one like anybody. */
static void an_answer_shows_where_a_stranger_is(void **state)
{
	struct scene *s = *state;
	struct buf route = {0};
	struct sip_msg *m;

	call(s, HERE, &route);
	say_as(s, &s->phone1, "bob", in_dialog("INFO", HERE, &route, 7));
	m = asked(s, &s->eve, METHOD_INFO);
	reply(s, &s->eve, m, 200, NULL);
	msg_unref(m);
	expect(s, &s->phone1, 200);
	assert_in_range(copies(s, in_dialog("BYE", HERE, &route, 17), "192.0.2.66:5060"), 7, 11);
	buf_free(&route);
}

/* Who was called by a user has not chosen anything: what the user sends goes there as ever. */
static void a_stranger_who_was_called_is_no_such(void **state)
{
	struct scene *s = *state;
	struct buf route = {0};
	struct sip_msg *m;

	say_as_alice(s, &s->alice,
		     (struct req){.method = "INVITE", .uri = HERE, .to = "<" HERE ">", .call_id = "call"});
	m = asked(s, &s->eve, METHOD_INVITE);
	build_header(&route, "Route", msg_value(m, HDR_RECORD_ROUTE));
	reply(s, &s->eve, m, 200, "Contact: <" THIRD ">\r\n");
	msg_unref(m);
	expect(s, &s->alice, 200);
	say_as_alice(s, &s->alice,
		     (struct req){.method = "BYE",
				  .uri = THIRD,
				  .to = "<" HERE ">;tag=b",
				  .call_id = "call",
				  .headers = route.p,
				  .cseq = 7});
	fake_advance(s->w->loop, 31000);
	assert_in_range(fake_sent(s->w->site->transport), 9, 11);
	buf_free(&route);
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stranger_is_sent_a_user_s_request_once),
		T(an_answer_shows_where_a_stranger_is),
		T(a_stranger_who_was_called_is_no_such),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
