#include "tests/test.h"

#include <unistd.h>

#include "core/mem.h"
#include "crypto/rng.h"
#include "sip/locate/resolver.h"
#include "sip/transport/udp.h"
#include "tests/unit/dns_zone.h"

/*
 * RFC 3263 against a name server of the test's own, on the same loop. What it is asked for is counted, and it can fail
 * in all ways that name servers have.
 */
enum mood {
	GOOD,
	FAILING,   /* SERVFAIL */
	SILENT,    /* no answer */
	TRUNCATED, /* over UDP all answers have TC and no records; over TCP they are whole */
	FORGED,    /* others answer first: a wrong ID, a wrong question, an answer that is none */
	FLOODED,   /* more of these than anybody sends by chance; TCP has the answer */
	BROKEN,    /* records that are cut */
	BAD_TYPES, /* SERVFAIL for all but addresses */
};

static struct {
	struct loop *loop;
	struct udp *udp;
	struct io *tcp_io;
	int tcp;
	struct peer at;
	const struct row *rows;
	enum mood mood;
	unsigned asked, asked_tcp;
	char log[4096]; /* "SRV _sip._udp.x;" of all questions */
} stub;

static const char *type_text(unsigned type)
{
	return type == DNS_A       ? "A"
	       : type == DNS_AAAA  ? "AAAA"
	       : type == DNS_SRV   ? "SRV"
	       : type == DNS_NAPTR ? "NAPTR"
				   : "?";
}

static void send_datagram(const struct peer *to, const struct buf *b)
{
	assert_int_equal(udp_send(stub.udp, to, NULL, buf_slice(b)), ERR_OK);
}

/* What somebody sends who wants to be believed: another ID, another question, no answer at all; all to 10.6.6.6. */
static void forge(const struct peer *to, struct slice question, unsigned times)
{
	static const struct row rows[] = {ROW_A("evil.test", 60, "10.6.6.6"), ROW_END};
	uint8_t other[DNS_QUESTION_MAX];
	struct row own = rows[0];
	const struct row *const list[] = {&own};
	char name[DNS_NAME_MAX];
	struct buf b = {0};
	unsigned type;
	size_t n;

	zone_asked(question, name, &type);
	own.name = name;
	for (unsigned i = 0; i < times; i++) {
		buf_clear(&b);
		zone_message(&b, question, 0, list, 1, NULL);
		b.p[1] ^= (char)(i + 1);
		send_datagram(to, &b);
	}
	assert_int_equal(dns_message_question(0, S("evil.test"), DNS_A, other, &n), ERR_OK);
	memcpy(other, question.p, 2);
	buf_clear(&b);
	zone_answer(rows, slice_of(other, n), &b);
	send_datagram(to, &b);
	buf_clear(&b);
	zone_message(&b, question, 0, list, 1, NULL);
	b.p[2] &= 0x7f;
	send_datagram(to, &b);
	send_datagram(to, &(struct buf){.p = (char[]){1}, .n = 1});
	buf_free(&b);
}

static void note(struct slice question, unsigned *type)
{
	char name[DNS_NAME_MAX];
	size_t n = strlen(stub.log);

	zone_asked(question, name, type);
	snprintf(stub.log + n, sizeof(stub.log) - n, "%s %s;", type_text(*type), name);
	stub.asked++;
}

static void on_question(void *arg, const struct peer *remote, const struct peer *local, struct slice question,
			uint32_t waited_ms)
{
	struct buf b = {0};
	unsigned type;

	(void)waited_ms;
	(void)arg;
	(void)local;
	note(question, &type);
	switch (stub.mood) {
	case SILENT:
		return;
	case BAD_TYPES:
		if (type == DNS_A || type == DNS_AAAA)
			zone_answer(stub.rows, question, &b);
		else
			zone_message(&b, question, 2, NULL, 0, NULL);
		break;
	case FAILING:
		zone_message(&b, question, 2, NULL, 0, NULL);
		break;
	case TRUNCATED:
		zone_message(&b, question, 0x200, NULL, 0, NULL);
		break;
	case FORGED:
	case FLOODED:
		forge(remote, question, stub.mood == FLOODED ? 40 : 3);
		if (stub.mood == FLOODED)
			return;
		zone_answer(stub.rows, question, &b);
		break;
	case BROKEN:
		zone_answer(stub.rows, question, &b);
		b.p[7] = 9;
		break;
	case GOOD:
		zone_answer(stub.rows, question, &b);
		break;
	}
	send_datagram(remote, &b);
	buf_free(&b);
}

/* One question per connection; the worker that asks writes at once, so waiting here is short. */
static void on_connection(void *arg, int events)
{
	int fd = accept(stub.tcp, NULL, NULL);
	unsigned char question[512];
	struct buf b = {0}, framed = {0};
	ssize_t n = 0;

	(void)arg;
	(void)events;
	assert_true(fd >= 0);
	while (n < 2 || n < 2 + question[1]) {
		ssize_t got = recv(fd, question + n, sizeof(question) - (size_t)n, 0);

		assert_true(got > 0);
		n += got;
	}
	stub.asked_tcp++;
	zone_answer(stub.rows, slice_of(question + 2, (size_t)n - 2), &b);
	zone_u16(&framed, (unsigned)b.n);
	buf_add(&framed, buf_slice(&b));
	/* In two pieces: a stream has no datagrams. */
	assert_int_equal(send(fd, framed.p, 3, MSG_NOSIGNAL), 3);
	assert_true(send(fd, framed.p + 3, framed.n - 3, MSG_NOSIGNAL) > 0);
	close(fd);
	buf_free(&b);
	buf_free(&framed);
}

/* A port that is free for both; that of UDP may be somebody's for TCP. */
static void open_port(void)
{
	int on = 1;

	for (int i = 0; i < 100; i++) {
		assert_true(peer_of(S("127.0.0.1"), 0, &stub.at));
		assert_int_equal(udp_new(stub.loop, &stub.at, on_question, NULL, &stub.udp), ERR_OK);
		stub.tcp = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(setsockopt(stub.tcp, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
		if (bind(stub.tcp, &stub.at.u.sa, peer_len(&stub.at)) == 0)
			return;
		close(stub.tcp);
		udp_free(stub.udp);
	}
	fail_msg("no port is free");
}

static int set_up(void **state)
{
	(void)state;
	memset(&stub, 0, sizeof(stub));
	stub.loop = loop_new();
	open_port();
	assert_int_equal(listen(stub.tcp, 10), 0);
	stub.tcp_io = io_new(stub.loop, stub.tcp, on_connection, NULL);
	io_want(stub.tcp_io, IO_READ);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	io_free(stub.tcp_io);
	close(stub.tcp);
	udp_free(stub.udp);
	loop_free(stub.loop);
	return 0;
}

/* --- asking --- */

static atomic_bool over; /* nothing waits for name servers any more */

struct world {
	struct dns_servers dns;
	struct routes *routes;
	struct work *names;
	struct resolver *resolver;
};

/* What one request was told. */
struct told {
	enum err err;
	unsigned calls;
	uint64_t id;
	struct hops hops;
	char text[1024], why[400];
};

static unsigned to_come;

static void write_down(struct told *t, const struct hops *h)
{
	t->hops = *h;
	t->text[0] = '\0';
	for (unsigned i = 0; i < h->count; i++) {
		size_t n = strlen(t->text);

		snprintf(t->text + n, sizeof(t->text) - n, "%s%s %s", i == 0 ? "" : ", ",
			 flow_proto_name(h->hops[i].proto), peer_text(&h->hops[i].at).text);
	}
}

static void on_told(void *arg, uint64_t id, const struct hops *h, const char *why)
{
	struct told *t = arg;

	assert_non_null(why);
	t->calls++;
	t->id = id;
	write_down(t, h);
	snprintf(t->why, sizeof(t->why), "%s", why);
	if (--to_come == 0)
		loop_stop(stub.loop);
}

static struct dns_servers servers(const char *list)
{
	struct dns_servers s;

	assert_true(dns_servers_list(slice_str(list), &s));
	s.over = &over;
	return s;
}

static struct world world_new(const struct row *rows, unsigned protos, const char *const *routes)
{
	struct world w = {.names = work_new(stub.loop, 4, 8, 0)};

	over = false;
	w.dns = servers(peer_text(&stub.at).text);
	w.routes = routes_new();
	for (; routes != NULL && routes[0] != NULL; routes += 2)
		assert_int_equal(routes_add(w.routes, slice_str(routes[0]), slice_str(routes[1])), ERR_OK);
	stub.rows = rows;
	w.resolver = resolver_new(stub.loop, w.names,
				  &(struct resolver_options){.dns = &w.dns, .protos = protos, .routes = w.routes});
	return w;
}

static void world_free(struct world *w)
{
	atomic_store(&over, true);
	work_free(w->names);
	resolver_free(w->resolver);
	routes_free(w->routes);
}

static void begin(struct world *w, const char *uri, bool large, struct told *t)
{
	const char *why = NULL;
	struct hops hops;
	struct uri u;

	memset(t, 0, sizeof(*t));
	assert_int_equal(uri_parse(slice_str(uri), &u), ERR_OK);
	t->err = resolver_ask(w->resolver, &u, large, &hops, on_told, t, 42, &why);
	if (t->err == ERR_OK)
		write_down(t, &hops);
	else if (t->err == ERR_AGAIN)
		to_come++;
	else
		snprintf(t->why, sizeof(t->why), "%s", why);
}

static void ask_large(struct world *w, const char *uri, bool large, struct told *t)
{
	begin(w, uri, large, t);
	if (t->err != ERR_AGAIN)
		return;
	loop_run(stub.loop);
	assert_int_equal(t->calls, 1);
	assert_int_equal(t->id, 42);
}

static const char *ask(struct world *w, const char *uri)
{
	static struct told t;

	ask_large(w, uri, false, &t);
	return t.hops.count > 0 ? t.text : t.why;
}

/* A table of URIs and what they lead to, each with a resolver that knows nothing yet. */
struct expected {
	const char *uri, *hops;
};

static void check_all(const struct row *rows, unsigned protos, const struct expected *e, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct world w = world_new(rows, protos, NULL);
		const char *got = ask(&w, e[i].uri);

		if (strcmp(got, e[i].hops) != 0)
			fail_msg("%s\n got: %s\nwant: %s\nasked: %s", e[i].uri, got, e[i].hops, stub.log);
		world_free(&w);
		stub.log[0] = '\0';
	}
}

#define CHECK_ALL(rows, protos, e) check_all(rows, protos, e, sizeof(e) / sizeof(e[0]))

static const struct row zone[] = {
	ROW_NAPTR("all.test", 60, 50, 50, "s", "SIPS+D2T", "_sips._tcp.all.test"),
	ROW_NAPTR("all.test", 60, 90, 50, "s", "SIP+D2T", "_sip._tcp.all.test"),
	ROW_NAPTR("all.test", 60, 100, 50, "s", "SIP+D2U", "_sip._udp.all.test"),
	ROW_NAPTR("all.test", 60, 1, 1, "u", "E2U+sip", "_x.all.test"),
	ROW_SRV("_sips._tcp.all.test", 60, 0, 0, 5071, "h1.test"),
	ROW_SRV("_sip._tcp.all.test", 60, 0, 0, 5072, "h1.test"),
	ROW_SRV("_sip._udp.all.test", 60, 0, 0, 5073, "h1.test"),
	ROW_NAPTR("udp.test", 60, 10, 20, "s", "SIP+D2T", "_t.provider.test"),
	ROW_NAPTR("udp.test", 60, 10, 10, "s", "sip+d2u", "_u.provider.test"),
	ROW_SRV("_t.provider.test", 60, 0, 0, 5062, "h1.test"),
	ROW_SRV("_u.provider.test", 60, 0, 0, 5063, "h2.test"),
	ROW_SRV("_sip._udp.srv.test", 60, 20, 0, 5060, "h2.test"),
	ROW_SRV("_sip._udp.srv.test", 60, 10, 0, 5080, "gone.test"),
	ROW_SRV("_sip._udp.srv.test", 60, 15, 0, 5081, "h1.test"),
	ROW_SRV("_sip._tcp.srv.test", 60, 0, 0, 5082, "h1.test"),
	ROW_SRV("_sips._tcp.srv.test", 60, 0, 0, 5083, "six.test"),
	ROW_SRV("_sip._udp.closed.test", 60, 0, 0, 0, ""),
	ROW_SRV("_sip._tcp.closed.test", 60, 0, 0, 5060, "gone.test"),
	ROW_A("closed.test", 60, "10.0.0.9"),
	ROW_A("h1.test", 60, "10.0.0.1"),
	ROW_A("h2.test", 60, "10.0.0.2"),
	ROW_A("two.test", 60, "10.0.0.3"),
	ROW_AAAA("two.test", 60, "2001:db8::3"),
	ROW_AAAA("six.test", 60, "2001:db8::6"),
	ROW_CNAME("alias.test", 60, "alias2.test"),
	ROW_CNAME("alias2.test", 60, "h1.test"),
	ROW_CNAME("loop.test", 60, "pool.test"),
	ROW_CNAME("pool.test", 60, "loop.test"),
	ROW_A("any.test", 60, "0.0.0.0"),
	ROW_END,
};

static void transports_ports_and_addresses(void **state)
{
	static const struct expected e[] = {
		/* RFC 3263 4.1: numeric, or a port. */
		{"sip:a@192.0.2.1", "UDP 192.0.2.1:5060"},
		{"sip:a@192.0.2.1:5070", "UDP 192.0.2.1:5070"},
		{"sip:[2001:db8::1]", "UDP [2001:db8::1]:5060"},
		{"sips:[2001:db8::1]:7", "TLS [2001:db8::1]:7"},
		{"sips:192.0.2.1", "TLS 192.0.2.1:5061"},
		{"sip:192.0.2.1;transport=TCP", "TCP 192.0.2.1:5060"},
		{"sip:192.0.2.1;transport=tls", "TLS 192.0.2.1:5061"},
		{"sips:192.0.2.1;transport=tcp", "TLS 192.0.2.1:5061"},
		{"sip:a@all.test;maddr=192.0.2.9", "UDP 192.0.2.9:5060"},
		{"sip:h1.test:5070", "UDP 10.0.0.1:5070"},
		{"sips:h1.test:5070", "TLS 10.0.0.1:5070"},
		{"sip:all.test:5070;transport=tcp", "all.test has no address"},
		/* NAPTR: TLS first, and nothing less. */
		{"sip:a@all.test", "TLS 10.0.0.1:5071"},
		{"sip:ALL.test.", "TLS 10.0.0.1:5071"},
		{"sips:all.test", "TLS 10.0.0.1:5071"},
		{"sip:udp.test", "UDP 10.0.0.2:5063, TCP 10.0.0.1:5062"},
		{"sip:a@x;maddr=udp.test", "UDP 10.0.0.2:5063, TCP 10.0.0.1:5062"},
		/* The transport parameter asks for SRV at once. */
		{"sip:all.test;transport=tcp", "TCP 10.0.0.1:5072"},
		{"sip:all.test;transport=udp", "UDP 10.0.0.1:5073"},
		/* No NAPTR: SRV for each transport; a target without an address does not matter. */
		{"sip:srv.test", "UDP 10.0.0.1:5081, UDP 10.0.0.2:5060, TCP 10.0.0.1:5082"},
		{"sips:srv.test", "TLS [2001:db8::6]:5083"},
		{"sip:srv.test;transport=tls", "TLS [2001:db8::6]:5083"},
		{"sip:closed.test", "gone.test has no address"},
		{"sip:closed.test;transport=udp", "_sip._udp.closed.test says that there is no such service"},
		/* Neither: the domain's own addresses. */
		{"sip:two.test", "UDP 10.0.0.3:5060, UDP [2001:db8::3]:5060"},
		{"sips:two.test", "TLS 10.0.0.3:5061, TLS [2001:db8::3]:5061"},
		{"sip:two.test;transport=tcp", "TCP 10.0.0.3:5060, TCP [2001:db8::3]:5060"},
		{"sip:alias.test", "UDP 10.0.0.1:5060"},
		{"sip:loop.test", "loop.test has no address"},
		{"sip:nowhere.test", "nowhere.test has no address"},
		{"sip:any.test", "any.test has no address or port that a request could go to"},
		{"sip:0.0.0.0", "0.0.0.0 is no address that a request goes to"},
		/* What is not done. */
		{"sips:srv.test;transport=udp", "udp is no transport that can be used for this URI"},
		{"sip:srv.test;transport=sctp", "sctp is no transport that can be used for this URI"},
		{"tel:+123", "only sip and sips URIs lead to a next hop"},
	};

	(void)state;
	CHECK_ALL(zone, PROTOS_ALL, e);
}

/* Only transports with a listener are used; services that need others are passed over. */
static void some_transports(void **state)
{
	static const struct expected udp[] = {
		{"sip:all.test", "UDP 10.0.0.1:5073"},
		{"sip:srv.test", "UDP 10.0.0.1:5081, UDP 10.0.0.2:5060"},
		{"sips:srv.test", "TLS is a transport without a listener here"},
		{"sip:192.0.2.1;transport=tcp", "TCP is a transport without a listener here"},
	};
	static const struct expected tcp[] = {
		{"sip:all.test", "TCP 10.0.0.1:5072"},
		{"sip:192.0.2.1", "TCP 192.0.2.1:5060"},
		{"sip:two.test", "TCP 10.0.0.3:5060, TCP [2001:db8::3]:5060"},
	};
	static const struct expected tls[] = {
		{"sip:all.test", "TLS 10.0.0.1:5071"},
		{"sip:srv.test", "TLS [2001:db8::6]:5083"},
		{"sip:h1.test", "TLS 10.0.0.1:5061"},
	};

	(void)state;
	CHECK_ALL(zone, PROTO_BIT(PROTO_UDP), udp);
	CHECK_ALL(zone, PROTO_BIT(PROTO_TCP), tcp);
	CHECK_ALL(zone, PROTO_BIT(PROTO_TLS), tls);
}

/* RFC 5922 7.3: the name is the domain that was asked for, whatever NAPTR, SRV, CNAME or maddr say. */
static void names_for_tls(void **state)
{
	static const struct {
		const char *uri, *name;
	} rows[] = {{"sips:A@All.Test.", "all.test"},
		    {"sips:alias.test", "alias.test"},
		    {"sips:all.test;maddr=srv.test", "all.test"},
		    {"sips:[2001:DB8::1]", "2001:db8::1"},
		    {"sips:routed.test", "routed.test"},
		    {"sip:h1.test", "h1.test"}};
	const char *const routes[] = {"routed.test", "tls:h1.test:99", NULL};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world w = world_new(zone, PROTOS_ALL, routes);
		struct told t;

		ask_large(&w, rows[i].uri, false, &t);
		assert_true(t.hops.count > 0);
		assert_string_equal(t.hops.name, rows[i].name);
		world_free(&w);
	}
}

static void large_requests(void **state)
{
	static const struct expected e[] = {
		{"sip:192.0.2.1", "TCP 192.0.2.1:5060, UDP 192.0.2.1:5060"},
		{"sip:192.0.2.1;transport=udp", "UDP 192.0.2.1:5060"},
		{"sip:h1.test:7", "TCP 10.0.0.1:7, UDP 10.0.0.1:7"},
		{"sip:h1.test", "TCP 10.0.0.1:5060, UDP 10.0.0.1:5060"},
		{"sip:srv.test", "TCP 10.0.0.1:5082, UDP 10.0.0.1:5081, UDP 10.0.0.2:5060"},
		{"sip:udp.test", "TCP 10.0.0.1:5062, UDP 10.0.0.2:5063"},
		{"sips:h1.test", "TLS 10.0.0.1:5061"},
	};
	struct world w = world_new(zone, PROTOS_ALL, NULL);
	struct told t;

	(void)state;
	for (size_t i = 0; i < sizeof(e) / sizeof(e[0]); i++) {
		ask_large(&w, e[i].uri, true, &t);
		assert_string_equal(t.text, e[i].hops);
	}
	/* Small and large have one answer in common. */
	stub.asked = 0;
	assert_string_equal(ask(&w, "sip:udp.test"), "UDP 10.0.0.2:5063, TCP 10.0.0.1:5062");
	assert_int_equal(stub.asked, 0);
	world_free(&w);
}

static void routes_win(void **state)
{
	static const char *const routes[] = {"routed.test",
					     "tls:h1.test:5071, udp:[2001:db8::1]:5080",
					     "ROUTED.test.",
					     "tcp:10.0.0.8:5060",
					     "192.0.2.1",
					     "udp:127.0.0.1:5081",
					     "[2001:db8::7]",
					     "tcp:127.0.0.1:5082",
					     "clear.test",
					     "tcp:127.0.0.1:5083",
					     "dead.test",
					     "tcp:gone.test:5083",
					     NULL};
	static const struct expected e[] = {
		{"sip:a@routed.test", "TLS 10.0.0.1:5071, UDP [2001:db8::1]:5080, TCP 10.0.0.8:5060"},
		{"sip:Routed.TEST.:9;transport=udp", "TLS 10.0.0.1:5071, UDP [2001:db8::1]:5080, TCP 10.0.0.8:5060"},
		{"sips:routed.test", "TLS 10.0.0.1:5071"},
		{"sip:x;maddr=routed.test", "TLS 10.0.0.1:5071, UDP [2001:db8::1]:5080, TCP 10.0.0.8:5060"},
		{"sip:192.0.2.1:77", "UDP 127.0.0.1:5081"},
		{"sip:[2001:DB8:0::7]", "TCP 127.0.0.1:5082"},
		{"sip:clear.test", "TCP 127.0.0.1:5083"},
		{"sips:clear.test", "clear.test has a route, but none over a transport that can be used for it"},
		{"sip:dead.test", "gone.test has no address"},
	};
	struct world w = world_new(zone, PROTOS_ALL, routes);
	struct told t;

	(void)state;
	for (size_t i = 0; i < sizeof(e) / sizeof(e[0]); i++)
		assert_string_equal(ask(&w, e[i].uri), e[i].hops);
	/* Literal targets are an answer at once, also for a large request: the configuration demands UDP. */
	begin(&w, "sip:192.0.2.1", true, &t);
	assert_int_equal(t.err, ERR_OK);
	assert_string_equal(t.text, "UDP 127.0.0.1:5081");
	world_free(&w);
}

static void routes_that_are_refused(void **state)
{
	static const char *const bad[] = {"",          "tls",      "tls:h",    "tls:h:0",   "tls:h:65536", "sctp:h:1",
					  "udp:::1:5", "udp:h:5,", ",udp:h:5", "udp:h h:5", "udp::5",      "udp:h:5 x"};
	struct route route = {0};
	struct routes *r = routes_new();

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(route_parse(slice_str(bad[i]), &route), ERR_SYNTAX);
	assert_int_equal(route.count, 0);
	for (unsigned i = 0; i < LOCATE_STEPS_MAX; i++)
		assert_int_equal(routes_add(r, S("a.test"), S("udp:[::1]:5060")), ERR_OK);
	assert_int_equal(routes_add(r, S("a.test"), S("udp:[::1]:5060")), ERR_LIMIT);
	assert_int_equal(routes_add(r, S("a b"), S("udp:[::1]:5060")), ERR_SYNTAX);
	for (unsigned i = 1; i < ROUTES_MAX; i++) {
		char name[20];

		snprintf(name, sizeof(name), "d%u.test", i);
		assert_int_equal(routes_add(r, slice_str(name), S("udp:h:1")), ERR_OK);
	}
	assert_int_equal(routes_add(r, S("more.test"), S("udp:h:1")), ERR_LIMIT);
	assert_int_equal(routes_find(r, "a.test")->count, LOCATE_STEPS_MAX);
	assert_null(routes_find(r, "A.test"));
	routes_free(r);
}

/* --- time --- */

static void answers_are_kept(void **state)
{
	static const struct row rows[] = {ROW_SOA("test", 600, "1"), ROW_A("short.test", 1, "10.0.0.1"),
					  ROW_A("zero.test", 0, "10.0.0.1"), ROW_END};
	struct world w = world_new(rows, PROTOS_ALL, NULL);
	struct told t;
	unsigned before;

	(void)state;
	assert_string_equal(ask(&w, "sip:short.test:1"), "UDP 10.0.0.1:1");
	before = stub.asked;
	assert_int_equal(before, 2); /* A, AAAA */
	begin(&w, "sip:short.test:1", false, &t);
	assert_int_equal(t.err, ERR_OK);
	assert_string_equal(t.text, "UDP 10.0.0.1:1");
	begin(&w, "sips:nowhere.test:1", false, &t);
	assert_int_equal(t.err, ERR_AGAIN);
	loop_run(stub.loop);
	assert_int_equal(t.hops.count, 0);
	begin(&w, "sips:nowhere.test:1", false, &t);
	assert_int_equal(t.err, ERR_NOTFOUND);
	assert_string_equal(t.why, "nowhere.test has no address");
	assert_string_equal(ask(&w, "sip:zero.test:1"), "UDP 10.0.0.1:1");
	usleep(1100000);
	stub.asked = 0;
	assert_string_equal(ask(&w, "sip:short.test:1"), "UDP 10.0.0.1:1");
	assert_string_equal(ask(&w, "sips:nowhere.test:1"), "nowhere.test has no address");
	assert_int_equal(stub.asked, 4);
	assert_string_equal(ask(&w, "sip:zero.test:1"), "UDP 10.0.0.1:1");
	assert_string_equal(ask(&w, "sip:zero.test:1"), "UDP 10.0.0.1:1");
	assert_int_equal(stub.asked, 8);
	world_free(&w);
}

static void one_question_for_all(void **state)
{
	struct world w = world_new(zone, PROTOS_ALL, NULL);
	static struct told t[100];

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		begin(&w, i % 2 == 0 ? "sip:h1.test:5070" : "sip:bob@H1.TEST:5070;lr", i % 2 != 0, &t[i]);
		assert_int_equal(t[i].err, ERR_AGAIN);
	}
	loop_run(stub.loop);
	assert_int_equal(stub.asked, 2);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(t[i].calls, 1);
		assert_string_equal(t[i].text,
				    i % 2 == 0 ? "UDP 10.0.0.1:5070" : "TCP 10.0.0.1:5070, UDP 10.0.0.1:5070");
	}
	world_free(&w);
}

/* A full queue is an answer; a server that does not answer holds up nobody who asks for something that is known. */
static void a_full_queue(void **state)
{
	struct world w = world_new(zone, PROTOS_ALL, NULL);
	static struct told t[200];
	unsigned busy = 0;

	(void)state;
	assert_string_equal(ask(&w, "sip:h1.test:1"), "UDP 10.0.0.1:1");
	stub.mood = SILENT;
	for (unsigned i = 0; i < 200; i++) {
		char uri[40];

		snprintf(uri, sizeof(uri), "sip:n%u.test:1", i);
		begin(&w, uri, false, &t[i]);
		assert_true(t[i].err == ERR_AGAIN || t[i].err == ERR_BUSY);
		busy += t[i].err == ERR_BUSY;
	}
	assert_in_range(busy, 180, 195);
	assert_string_equal(ask(&w, "sip:h1.test:1"), "UDP 10.0.0.1:1");
	/* Whoever waits is told when all ends. */
	world_free(&w);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(t[i].calls, t[i].err == ERR_AGAIN);
	to_come = 0;
}

static void many_names_push_out_old_ones(void **state)
{
	struct world w = world_new(zone, PROTOS_ALL, NULL);

	(void)state;
	assert_string_equal(ask(&w, "sip:h1.test:1"), "UDP 10.0.0.1:1");
	for (unsigned i = 0; i < RESOLVER_KNOWN_MAX + 10; i++) {
		char uri[40];

		snprintf(uri, sizeof(uri), "sip:h2.test:%u", i + 1);
		ask(&w, uri);
		if (i == RESOLVER_KNOWN_MAX / 2)
			ask(&w, "sip:h1.test:1");
	}
	stub.asked = 0;
	ask(&w, "sip:h1.test:1");
	assert_int_equal(stub.asked, 0);
	ask(&w, "sip:h2.test:1");
	assert_int_equal(stub.asked, 2);
	world_free(&w);
}

static struct world *again_world;
static struct told again;

static void ask_again(void *arg, uint64_t id, const struct hops *h, const char *why)
{
	on_told(arg, id, h, why);
	begin(again_world, "sip:h2.test:9", false, &again);
}

/* Who is told may ask for something else in the same breath. */
static void asking_from_the_answer(void **state)
{
	struct world w = world_new(zone, PROTOS_ALL, NULL);
	static struct told t;
	const char *why;
	struct hops hops;
	struct uri u;

	(void)state;
	again_world = &w;
	to_come = 1;
	assert_int_equal(uri_parse(S("sip:h1.test:9"), &u), ERR_OK);
	assert_int_equal(resolver_ask(w.resolver, &u, false, &hops, ask_again, &t, 1, &why), ERR_AGAIN);
	loop_run(stub.loop);
	assert_int_equal(again.err, ERR_AGAIN);
	loop_run(stub.loop);
	assert_string_equal(again.text, "UDP 10.0.0.2:9");
	world_free(&w);
}

static void reload(void **state)
{
	struct world w = world_new(zone, PROTOS_ALL, NULL);
	struct routes *old = w.routes, *routes = routes_new();
	struct told t;

	(void)state;
	assert_string_equal(ask(&w, "sip:h1.test:1"), "UDP 10.0.0.1:1");
	begin(&w, "sip:h2.test:1", false, &t);
	assert_int_equal(routes_add(routes, S("h1.test"), S("udp:10.0.0.5:5")), ERR_OK);
	resolver_reload(w.resolver,
			&(struct resolver_options){.dns = &w.dns, .protos = PROTOS_ALL, .routes = w.routes = routes});
	routes_free(old);
	loop_run(stub.loop);
	assert_string_equal(t.text, "UDP 10.0.0.2:1");
	assert_string_equal(ask(&w, "sip:h1.test:1"), "UDP 10.0.0.5:5");
	stub.asked = 0;
	assert_string_equal(ask(&w, "sip:h2.test:1"), "UDP 10.0.0.2:1");
	assert_int_equal(stub.asked, 2); /* what came after the reload was asked before it */
	world_free(&w);
}

/* --- name servers that are not well --- */

static void bad_servers(void **state)
{
	static const struct {
		enum mood mood;
		const char *uri, *text;
		unsigned tcp;
	} rows[] = {
		{FORGED, "sip:h1.test:1", "UDP 10.0.0.1:1", 0},
		{TRUNCATED, "sip:h1.test:1", "UDP 10.0.0.1:1", 2},
		{TRUNCATED, "sip:udp.test", "UDP 10.0.0.2:5063, TCP 10.0.0.1:5062", 7},
		{FLOODED, "sip:h1.test:1", "UDP 10.0.0.1:1", 2},
		{BAD_TYPES, "sip:h1.test", "UDP 10.0.0.1:5060", 0},
		{FAILING, "sip:h1.test:1", "h1.test has an unknown AAAA record: the name server failed", 0},
		{BROKEN, "sip:h1.test:1", "h1.test has an unknown AAAA record: the name server sent a broken answer",
		 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world w = world_new(zone, PROTOS_ALL, NULL);

		stub.mood = rows[i].mood;
		stub.asked_tcp = 0;
		assert_string_equal(ask(&w, rows[i].uri), rows[i].text);
		assert_int_equal(stub.asked_tcp, rows[i].tcp);
		/* A failure is remembered, too, if not for long: a burst of requests does not become one of questions.
		 */
		stub.asked = 0;
		assert_string_equal(ask(&w, rows[i].uri), rows[i].text);
		assert_int_equal(stub.asked, 0);
		world_free(&w);
	}
}

static void silence_has_an_end(void **state)
{
	struct world w = world_new(zone, PROTOS_ALL, NULL);
	int64_t start = dns_now_ms();

	(void)state;
	stub.mood = SILENT;
	assert_string_equal(ask(&w, "sip:srv.test"),
			    "srv.test has an unknown NAPTR record: no name server answered in time");
	assert_in_range(dns_now_ms() - start, 3500, LOCATE_MS + 500);
	assert_string_equal(stub.log, "NAPTR srv.test;NAPTR srv.test;");
	world_free(&w);
}

/* Two servers: the second one is asked when nobody listens at the first, without waiting. */
static void the_next_server(void **state)
{
	struct work *names = work_new(stub.loop, 4, 8, 0);
	struct peer_text at = peer_text(&stub.at);
	struct world w = {.names = names, .routes = routes_new()};
	char dns[200];
	int64_t start = dns_now_ms();

	(void)state;
	snprintf(dns, sizeof(dns), "127.0.0.1:1, %s", at.text);
	over = false;
	w.dns = servers(dns);
	stub.rows = zone;
	w.resolver = resolver_new(stub.loop, names,
				  &(struct resolver_options){.dns = &w.dns, .protos = PROTOS_ALL, .routes = w.routes});
	assert_string_equal(ask(&w, "sip:h1.test:1"), "UDP 10.0.0.1:1");
	assert_in_range(dns_now_ms() - start, 0, 1500);
	world_free(&w);
}

/* Whoever owns a zone cannot make it a long way. */
static void questions_are_bounded(void **state)
{
	static struct row rows[400];
	static char names[400][40];
	struct world w;
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		snprintf(names[n], sizeof(names[n]), "_sip._udp.t%u.test", i);
		rows[n] = (struct row)ROW_NAPTR("long.test", 60, (uint16_t)i, 0, "s", "SIP+D2U", names[n]);
		n++;
		for (unsigned k = 0; k < 12; k++) {
			snprintf(names[n], sizeof(names[n]), "h%ux%u.test", i, k);
			rows[n] = (struct row)ROW_SRV(names[n - 1 - k], 60, 1, 1, 9, names[n]);
			n++;
		}
	}
	w = world_new(rows, PROTOS_ALL, NULL);
	ask(&w, "sip:long.test");
	assert_in_range(stub.asked, 70, LOCATE_QUERIES_MAX);
	world_free(&w);
}

static void name_servers_of_the_configuration(void **state)
{
	static const char *const bad[] = {"",
					  "127.0.0.1",
					  "127.0.0.1:0",
					  "127.0.0.1:53,",
					  "host:53",
					  "1.1.1.1:1,1.1.1.1:2,1.1.1.1:3,1.1.1.1:4,1.1.1.1:5"};
	struct dns_servers s = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(dns_servers_list(slice_str(bad[i]), &s));
	assert_int_equal(s.count, 0);
	assert_true(dns_servers_list(S("127.0.0.1:53 , [::1]:5353"), &s));
	assert_int_equal(s.count, 2);
	assert_string_equal(peer_text(&s.at[1]).text, "[::1]:5353");
}

#define RUN(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUN(transports_ports_and_addresses),
		RUN(some_transports),
		RUN(names_for_tls),
		RUN(large_requests),
		RUN(routes_win),
		RUN(routes_that_are_refused),
		RUN(answers_are_kept),
		RUN(one_question_for_all),
		RUN(a_full_queue),
		RUN(many_names_push_out_old_ones),
		RUN(asking_from_the_answer),
		RUN(reload),
		RUN(bad_servers),
		RUN(silence_has_an_end),
		RUN(the_next_server),
		RUN(questions_are_bounded),
		RUN(name_servers_of_the_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
