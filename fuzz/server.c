#include "core/mem.h"
#include "fuzz/fuzz.h"
#include "sip/message/edit.h"
#include "tests/scenario/world.h"

/*
 * The whole server on virtual time. The input is a list of steps with two octets 0xff between them; the first octet of
 * a step says what it is: u, t, s: a message comes over UDP, TCP, TLS; S: over TLS, and when it is challenged again
 * with alice's answer; r: a response with that status to the oldest NOTIFY; w: wait for so many seconds; c: the
 * connections go.
 */

#define STEPS_MAX 24
#define WEEKS_S (60 * 7 * 86400) /* longer than any subscription lives */

static struct world *w;
static struct flow udp, tcp, tls;
static struct sip_msg *waiting; /* a NOTIFY that was looked at, for the next r */
static struct flow waiting_from;

static void connect_all(void)
{
	udp = fake_udp("192.0.2.4:5070");
	tcp = fake_stream(w->site->transport, PROTO_TCP, "192.0.2.4:40000");
	tls = fake_stream(w->site->transport, PROTO_TLS, "192.0.2.4:40001");
}

static void come_in(const struct flow *from, struct slice octets)
{
	struct sip_msg *m;
	const char *why;

	if (msg_parse(octets, &m, &why) != ERR_OK)
		return;
	msg_unref(m);
	fake_inject(w->site->transport, from, octets);
}

/* Of the proxy: a request that somebody else has sent, or what its machines send for one. */
static bool is_passed_on(const struct sip_msg *m)
{
	return m->request && (msg_vias(m) > 1 || m->method == METHOD_CANCEL || m->method == METHOD_ACK);
}

/* What the server sends is readable; what it says of its own goes over UDP to nobody but who asked. */
static struct sip_msg *next_sent(struct flow *to)
{
	struct sip_msg *m = fake_next(w->site->transport, to);

	if (m != NULL) {
		CHECK(is_passed_on(m) || to->proto != PROTO_UDP || peer_same_host(&to->remote, &udp.remote));
		CHECK(!m->request || m->defect_code == 0);
		CHECK(!m->request || m->method == METHOD_NOTIFY || is_passed_on(m));
		CHECK(m->request || m->method == METHOD_INVITE || (m->status >= 200 && m->status != 408));
	}
	return m;
}

static void drop_sent(void)
{
	struct sip_msg *m;
	struct flow to;

	while ((m = next_sent(&to)) != NULL)
		msg_unref(m);
	msg_unref(waiting);
	waiting = NULL;
}

/* A SUBSCRIBE that is accepted is followed by its NOTIFY at once (EVT-02), whatever strange things it says. */
static void come_in_and_look(const struct flow *from, struct slice octets)
{
	struct sip_msg *request, *m;
	struct flow to;
	const char *why;

	if (msg_parse(octets, &request, &why) != ERR_OK)
		return;
	drop_sent();
	come_in(from, octets);
	m = next_sent(&to);
	if (m != NULL && !m->request && m->status == 200 && request->method == METHOD_SUBSCRIBE &&
	    request->to_tag.n == 0) {
		waiting = next_sent(&waiting_from);
		CHECK(waiting != NULL && waiting->request && slice_eq(waiting->call_id, m->call_id));
		CHECK(slice_eq(waiting->from_tag, m->to_tag) && slice_eq(waiting->from.spec, request->to.spec));
	}
	msg_unref(m);
	msg_unref(request);
}

static void ask_as_alice(struct slice octets)
{
	struct answer a = {.user = "alice", .password = "alice-pw", .nc = 1};
	struct sip_msg *request, *answer;
	struct buf line = {0}, out = {0};
	struct edit_list edits;
	struct flow to;
	const char *why;

	if (msg_parse(octets, &request, &why) != ERR_OK)
		return;
	drop_sent();
	come_in(&tls, octets);
	answer = next_sent(&to);
	if (request->request && answer != NULL && (answer->status == 401 || answer->status == 407) &&
	    answer_read(&a, answer)) {
		char *method = slice_dup(request->method_name), *uri = slice_dup(request->uri_text);

		a.method = method;
		a.uri = uri;
		buf_adds(&line, answer->status == 407 ? "Proxy-Authorization: " : "Authorization: ");
		answer_make(&a, &line);
		buf_adds(&line, "\r\n");
		edit_start(&edits, request);
		CHECK(edit_insert(&edits, NULL, buf_slice(&line)) == ERR_OK);
		edit_apply(&edits, &out);
		come_in_and_look(&tls, buf_slice(&out));
		mem_free(method);
		mem_free(uri);
	}
	msg_unref(answer);
	msg_unref(request);
	buf_free(&line);
	buf_free(&out);
}

static void respond_next(struct slice status)
{
	struct sip_msg *m = waiting;
	struct flow to = waiting_from;
	struct buf out = {0};
	uint32_t code;

	waiting = NULL;
	while (m == NULL && fake_sent(w->site->transport) > 0) {
		m = next_sent(&to);
		if (!m->request) {
			msg_unref(m);
			m = NULL;
		}
	}
	if (m != NULL && slice_u32(status, 699, &code) && code >= 100) {
		build_reply(&out, m, &(struct build_reply){.code = code, .received = S("192.0.2.1")});
		come_in(&to, buf_slice(&out));
	}
	msg_unref(m);
	buf_free(&out);
}

static void step(struct slice s)
{
	struct slice rest = slice_sub(s, 1, s.n);
	uint32_t seconds;

	switch (s.n > 0 ? s.p[0] : 0) {
	case 'u':
		come_in(&udp, rest);
		break;
	case 't':
		come_in_and_look(&tcp, rest);
		break;
	case 's':
		come_in_and_look(&tls, rest);
		break;
	case 'S':
		ask_as_alice(rest);
		break;
	case 'r':
		respond_next(rest);
		break;
	case 'w':
		if (slice_u32(rest, WEEKS_S, &seconds))
			fake_advance(w->loop, seconds * INT64_C(1000));
		break;
	case 'c':
		fake_close(w->site->transport, &tcp);
		fake_close(w->site->transport, &tls);
		connect_all();
		break;
	default:
		break;
	}
}

static void remove_store(void)
{
	world_free(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = input_octets(data, size);

	if (w == NULL) {
		w = world_new(NULL);
		atexit(remove_store);
	}
	connect_all();
	for (unsigned i = 0; i < STEPS_MAX && in.n > 0; i++) {
		size_t end = slice_find(in, S("\xff\xff"), 0);

		step(slice_sub(in, 0, end));
		in = slice_sub(in, end + 2, in.n);
	}
	drop_sent();
	/* Nothing lives for ever. */
	fake_advance(w->loop, WEEKS_S * INT64_C(1000));
	CHECK(notifier_count(w->site->notifier, PACKAGE_CERTIFICATE) == 0);
	CHECK(notifier_count(w->site->notifier, PACKAGE_CREDENTIAL) == 0);
	fake_set_wall(w->loop, FAKE_START_S);
	world_restart(w);
	return 0;
}
