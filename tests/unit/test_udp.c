#include "tests/test.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <time.h>
#include <unistd.h>

#include "sip/transport/udp.h"

/* UDP sockets of the system, on the loopback interface. */

struct world {
	struct loop *loop;
	struct timer *end; /* of what was expected */
	struct udp *here, *there;
	struct peer here_at, there_at;
	unsigned datagrams, refusals, wanted;
	struct peer refused_at;
	char text[64];
	uint32_t waited_ms;
};

static void on_end(void *arg)
{
	struct world *w = arg;

	loop_stop(w->loop);
}

static void on_datagram(void *arg, const struct peer *remote, const struct peer *local, struct slice octets,
			uint32_t waited_ms)
{
	struct world *w = arg;

	assert_true(peer_same(remote, &w->here_at));
	assert_true(peer_same(local, &w->there_at));
	assert_true(octets.n < sizeof(w->text));
	memcpy(w->text, octets.p, octets.n);
	w->waited_ms = waited_ms;
	if (++w->datagrams == w->wanted)
		loop_stop(w->loop);
}

static void on_refused(void *arg, const struct peer *remote, struct slice sent)
{
	struct world *w = arg;

	w->refused_at = *remote;
	assert_true(sent.n < sizeof(w->text));
	memcpy(w->text, sent.p, sent.n);
	w->refusals++;
	if (w->wanted == 0)
		loop_stop(w->loop);
}

static void run(struct world *w, uint32_t ms)
{
	timer_start(w->end, ms);
	loop_run(w->loop);
}

static void begin(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->loop = loop_new();
	w->end = timer_new(w->loop, on_end, w);
	assert_true(peer_of(S("127.0.0.1"), 0, &w->here_at));
	w->there_at = w->here_at;
	assert_int_equal(udp_new(w->loop, &w->here_at, on_datagram, w, &w->here), ERR_OK);
	assert_int_equal(udp_new(w->loop, &w->there_at, on_datagram, w, &w->there), ERR_OK);
	udp_on_refused(w->here, on_refused);
}

static void end(struct world *w)
{
	udp_free(w->here);
	udp_free(w->there);
	timer_free(w->end);
	loop_free(w->loop);
}

static void many_datagrams_come(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	w.wanted = 200; /* more than a turn reads */
	for (unsigned i = 0; i < w.wanted; i++)
		assert_int_equal(udp_send(w.here, &w.there_at, &w.here_at, S("hello")), ERR_OK);
	run(&w, 10000);
	assert_int_equal(w.datagrams, 200);
	assert_string_equal(w.text, "hello");
	assert_true(w.waited_ms < 60000);
	end(&w);
}

/* G13: the system says how long a datagram lay there. */
static void waiting_is_measured(void **state)
{
	const struct timespec pause = {.tv_nsec = 120000000};
	struct world w;

	(void)state;
	begin(&w);
	/* Linux begins to note arrivals a little after it was asked to. */
	for (unsigned i = 0; i < 50 && w.waited_ms < 119; i++) {
		w.wanted = i + 1;
		assert_int_equal(udp_send(w.here, &w.there_at, NULL, S("hello")), ERR_OK);
		nanosleep(&pause, NULL);
		run(&w, 10000);
		assert_int_equal(w.datagrams, i + 1);
	}
	assert_true(w.waited_ms >= 119);
	end(&w);
}

static void a_closed_port_is_told(void **state)
{
	struct world w;
	struct peer closed;

	(void)state;
	begin(&w);
	closed = w.there_at;
	udp_free(w.there);
	w.there = NULL;
	assert_int_equal(udp_send(w.here, &closed, &w.here_at, S("is anybody there?")), ERR_OK);
	run(&w, 10000);
	assert_int_equal(w.refusals, 1);
	assert_true(peer_same(&w.refused_at, &closed));
	assert_string_equal(w.text, "is anybody there?");
	/* Nothing is left that would keep the loop busy. */
	run(&w, 50);
	assert_int_equal(w.refusals, 1);
	end(&w);
}

/* What a router would say of the datagram that was just sent to `to`. */
static bool forge_icmp(int raw, const struct world *w, const struct peer *to, uint8_t type, uint8_t code,
		       struct slice payload)
{
	struct {
		struct icmphdr icmp;
		struct iphdr ip;
		struct udphdr udp;
		char payload[32];
	} m = {.icmp = {.type = type, .code = code}};
	size_t n = offsetof(__typeof__(m), payload) + payload.n;
	const uint8_t *p = (const uint8_t *)&m;
	uint32_t sum = 0;

	m.ip = (struct iphdr){.version = 4,
			      .ihl = 5,
			      .ttl = 64,
			      .protocol = IPPROTO_UDP,
			      .tot_len = htons((uint16_t)(sizeof(m.ip) + sizeof(m.udp) + payload.n)),
			      .saddr = w->here_at.u.in.sin_addr.s_addr,
			      .daddr = to->u.in.sin_addr.s_addr};
	m.udp = (struct udphdr){.source = w->here_at.u.in.sin_port,
				.dest = to->u.in.sin_port,
				.len = htons((uint16_t)(sizeof(m.udp) + payload.n))};
	memcpy(m.payload, payload.p, payload.n);
	for (size_t i = 0; i < n; i++)
		sum += (uint32_t)p[i] << (i % 2 == 0 ? 8 : 0);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	m.icmp.checksum = htons((uint16_t)~sum);
	return sendto(raw, &m, n, 0, &w->here_at.u.sa, sizeof(w->here_at.u.in)) == (ssize_t)n;
}

/* RFC 3261 18.4. */
static void which_errors_are_failures(void **state)
{
	static const struct {
		uint8_t type, code;
		bool failure;
	} rows[] = {
		{ICMP_DEST_UNREACH, ICMP_NET_UNREACH, true},
		{ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, true},
		{ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, true},
		{ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, true},
		{ICMP_DEST_UNREACH, ICMP_HOST_UNKNOWN, true},
		{ICMP_DEST_UNREACH, ICMP_PKT_FILTERED, true},
		{ICMP_PARAMETERPROB, 0, true},
		{ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, false},
		{ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, false},
		{ICMP_SOURCE_QUENCH, 0, false},
	};
	int raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);

	(void)state;
	if (raw < 0)
		skip(); /* for who may not forge them */
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world w;

		begin(&w);
		assert_int_equal(udp_send(w.here, &w.there_at, &w.here_at, S("hello")), ERR_OK);
		assert_true(forge_icmp(raw, &w, &w.there_at, rows[i].type, rows[i].code, S("hello")));
		run(&w, rows[i].failure ? 10000 : 100);
		assert_int_equal(w.refusals, rows[i].failure);
		assert_true(!rows[i].failure || peer_same(&w.refused_at, &w.there_at));
		/* Whatever it was, datagrams go out and come in as before. */
		w.wanted = w.datagrams + 1;
		assert_int_equal(udp_send(w.here, &w.there_at, &w.here_at, S("again")), ERR_OK);
		run(&w, 10000);
		assert_int_equal(w.datagrams, w.wanted);
		end(&w);
	}
	close(raw);
}

/* The error of one datagram is not that of the next, which goes elsewhere. */
static void an_error_takes_nothing_with_it(void **state)
{
	struct world w;
	struct peer closed;
	struct udp *other;

	(void)state;
	begin(&w);
	closed = w.here_at;
	peer_set_port(&closed, 0);
	assert_int_equal(udp_new(w.loop, &closed, on_datagram, &w, &other), ERR_OK);
	udp_free(other);
	w.wanted = 20;
	for (unsigned i = 0; i < w.wanted; i++) {
		assert_int_equal(udp_send(w.here, &closed, &w.here_at, S("lost")), ERR_OK);
		assert_int_equal(udp_send(w.here, &w.there_at, &w.here_at, S("hello")), ERR_OK);
	}
	run(&w, 10000);
	assert_int_equal(w.datagrams, 20);
	assert_true(w.refusals > 0);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_datagrams_come),
		cmocka_unit_test(waiting_is_measured),
		cmocka_unit_test(a_closed_port_is_told),
		cmocka_unit_test(which_errors_are_failures),
		cmocka_unit_test(an_error_takes_nothing_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
