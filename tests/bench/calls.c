#include <errno.h>
#include <poll.h>

#include "core/mem.h"
#include "sip/message/msg.h"
#include "sip/ua/answer.h"
#include "tests/bench/client.h"

/*
 * Load over UDP for bench.py: calls MODE PORT SECONDS LOAD USERS PASSWORD. MODE: register (with its challenge), message
 * and invite (from a stranger to u0, who is registered first and answers here; INVITE to the end of BYE), signed (a
 * message of a user to u0, with its challenge, which the server signs). LOAD: a
 * number is how many are under way at once, @number how many begin each second, whatever becomes of them. Nothing is
 * sent again. Prints "name value" lines.
 */

#define CALLS 65536 /* remembered at once: a number's place is its lowest bits */
#define PATIENCE 2  /* seconds, after which another one begins in the place of one that was lost */

struct call {
	unsigned number; /* 0: free */
	double began;
};

struct bench {
	int caller, callee;
	struct sockaddr_in server;
	char caller_at[32], callee_at[32];
	const char *mode, *password;
	unsigned users, next, under_way, begun, done, refused, failed;
	struct call calls[CALLS];
	double *took; /* of each that is done */
	double until;
};

static int open_udp(char at[32])
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), room = 4 << 20;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) != 0 || getsockname(fd, (struct sockaddr *)&a, &n) != 0)
		die("bind");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	snprintf(at, 32, "127.0.0.1:%u", ntohs(a.sin_port));
	return fd;
}

static void send_out(struct bench *b, int fd, struct buf *out)
{
	if (sendto(fd, out->p, out->n, 0, (struct sockaddr *)&b->server, sizeof(b->server)) < 0 && errno != EAGAIN)
		die("sendto");
	buf_free(out);
}

/* The head of a request that is the step-th of call n. */
static struct buf head(const struct bench *b, const char *method, struct slice target, unsigned n, unsigned step)
{
	bool registers = strcmp(method, "REGISTER") == 0;
	bool local = registers || strcmp(b->mode, "signed") == 0;
	char user[64];
	struct buf out = {0};

	snprintf(user, sizeof(user), local ? "u%u@example.com" : "s%u@example.org", n % b->users);
	buf_addf(&out,
		 "%s %.*s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%u.%u.%d;rport\r\nMax-Forwards: 70\r\n"
		 "From: <sip:%s>;tag=%u\r\nTo: <sip:%s>",
		 method, SLICE_ARG(target), b->caller_at, n, step, (int)getpid(), user, n,
		 registers ? user : "u0@example.com");
	return out;
}

static void tail(const struct bench *b, struct buf *out, const char *method, unsigned n, unsigned step, const char *at)
{
	buf_addf(out, "\r\nCall-ID: %u-%d\r\nCSeq: %u %s\r\nContact: <sip:x@%s>\r\n", n, (int)getpid(), step, method,
		 at);
	(void)b;
}

/* The credentials that answer this challenge, as a header line. */
static void add_credentials(const struct bench *b, struct buf *out, const char *method, struct slice uri, unsigned n,
			    struct slice body, struct slice challenge)
{
	struct answer a = {0};
	struct sip_msg *m;
	const char *why;
	char user[16];
	bool stale;

	if (msg_parse(challenge, &m, &why) != ERR_OK)
		return;
	snprintf(user, sizeof(user), "u%u", n % b->users);
	if (answer_take(&a, m, SLICE_NONE, HASH_MD5, &stale))
		answer_make(&a,
			    &(struct answer_request){.user = slice_str(user),
						     .password = slice_str(b->password),
						     .method = slice_str(method),
						     .uri = uri,
						     .body = body},
			    out);
	answer_drop(&a);
	msg_unref(m);
}

static void register_one(struct bench *b, unsigned n, struct slice challenge, const char *contact)
{
	struct buf out = head(b, "REGISTER", S("sip:example.com"), n, challenge.n > 0 ? 2 : 1);

	tail(b, &out, "REGISTER", n, challenge.n > 0 ? 2 : 1, contact);
	if (challenge.n > 0)
		add_credentials(b, &out, "REGISTER", S("sip:example.com"), n, SLICE_NONE, challenge);
	buf_adds(&out, "Content-Length: 0\r\n\r\n");
	send_out(b, b->caller, &out);
}

static void ask(struct bench *b, const char *method, unsigned n, struct slice challenge)
{
	static const char text[] = "The quick brown fox jumps over the lazy dog; this body is exactly one hundred and "
				   "twenty-eight octets long, I am sure of it.....";
	static const char sdp[] = "v=0\r\no=alice 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
				  "m=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";
	bool invite = strcmp(method, "INVITE") == 0;
	const struct slice to = S("sip:u0@example.com");
	unsigned step = challenge.n > 0 ? 2 : 1;
	struct buf out = head(b, method, to, n, step);
	struct slice body = slice_str(invite ? sdp : text);

	tail(b, &out, method, n, step, b->caller_at);
	if (challenge.n > 0)
		add_credentials(b, &out, method, to, n, body, challenge);
	buf_addf(&out, "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n", invite ? "application/sdp" : "text/plain",
		 body.n);
	buf_add(&out, body);
	send_out(b, b->caller, &out);
}

/* In the dialog that this 200 makes. */
static void in_dialog(struct bench *b, const char *method, unsigned n, unsigned step, struct slice ok)
{
	struct slice contact = value_of(ok, "Contact"), to = value_of(ok, "To");
	size_t tag = slice_find(to, S(";tag="), 0);
	struct buf out = head(b, method, slice_sub(contact, 1, contact.n - 1), n, step);

	buf_add(&out, slice_sub(to, tag, to.n));
	tail(b, &out, method, n, strcmp(method, "ACK") == 0 ? 1 : step, b->caller_at);
	buf_addf(&out, "Route: %.*s\r\nContent-Length: 0\r\n\r\n", SLICE_ARG(value_of(ok, "Record-Route")));
	send_out(b, b->caller, &out);
}

static void begin(struct bench *b)
{
	unsigned n = ++b->next;
	struct call *c = &b->calls[n % CALLS];

	if (c->number == 0)
		b->under_way++;
	*c = (struct call){.number = n, .began = now_s()};
	b->begun++;
	if (strcmp(b->mode, "register") == 0)
		register_one(b, n, SLICE_NONE, b->callee_at);
	else
		ask(b, strcmp(b->mode, "invite") == 0 ? "INVITE" : "MESSAGE", n, SLICE_NONE);
}

static void over(struct bench *b, struct call *c, unsigned status)
{
	if (status == 200)
		b->took[b->done++ % CALLS] = now_s() - c->began;
	else if (status == 503)
		b->refused++;
	else
		b->failed++;
	c->number = 0;
	b->under_way--;
}

static void on_answer(struct bench *b, struct slice m)
{
	struct slice call_id = value_of(m, "Call-ID"), cseq = value_of(m, "CSeq");
	unsigned status = status_of(m);
	struct call *c;
	uint32_t n;

	if (!slice_u32(slice_sub(call_id, 0, slice_chr(call_id, '-')), UINT32_MAX, &n))
		return;
	c = &b->calls[n % CALLS];
	if (status < 200 || c->number != n)
		return;
	if (status == 401 && slice_eq(cseq, S("1 REGISTER"))) {
		register_one(b, n, m, b->callee_at);
	} else if (status == 407 && slice_eq(cseq, S("1 MESSAGE"))) {
		ask(b, "MESSAGE", n, m);
	} else if (status == 200 && slice_ends(cseq, S("INVITE"))) {
		in_dialog(b, "ACK", n, 2, m);
		in_dialog(b, "BYE", n, 3, m);
	} else {
		over(b, c, status);
	}
}

static void answer_with(struct bench *b, struct slice m, const char *line, const char *more)
{
	static const char *const copied[] = {"Via", "From", "To", "Call-ID", "CSeq", "Record-Route"};
	struct slice rest = m, field;
	struct buf out = {0};

	buf_adds(&out, line);
	while (slice_cut(rest, '\n', &field, &rest) && field.n > 1)
		for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++)
			if (slice_starts(field, slice_str(copied[i])) && field.p[strlen(copied[i])] == ':') {
				buf_add(&out, slice_trim(field));
				if (i == 2 && slice_find(field, S(";tag="), 0) == field.n)
					buf_adds(&out, ";tag=callee");
				buf_adds(&out, "\r\n");
			}
	buf_addf(&out, "Contact: <sip:u0@%s>\r\n%sContent-Length: 0\r\n\r\n", b->callee_at, more);
	send_out(b, b->callee, &out);
}

static void on_request(struct bench *b, struct slice m)
{
	if (slice_starts(m, S("INVITE ")))
		answer_with(b, m, "SIP/2.0 180 Ringing\r\n", "");
	if (!slice_starts(m, S("ACK ")) && m.n > 0)
		answer_with(b, m, "SIP/2.0 200 OK\r\n", "");
}

/* Whatever has come; how much. */
static unsigned drain(struct bench *b)
{
	char octets[4096];
	unsigned count = 0;
	ssize_t n;

	while (count < 64 && (n = recv(b->callee, octets, sizeof(octets), 0)) > 0 && ++count)
		on_request(b, slice_of(octets, (size_t)n));
	while (count < 128 && (n = recv(b->caller, octets, sizeof(octets), 0)) > 0 && ++count)
		on_answer(b, slice_of(octets, (size_t)n));
	return count;
}

static void wait_for(struct bench *b, int ms)
{
	struct pollfd p[2] = {{b->caller, POLLIN, 0}, {b->callee, POLLIN, 0}};

	poll(p, 2, ms);
}

/* So many under way at once; places of those that were lost are taken again. */
static void run_closed(struct bench *b, unsigned window)
{
	double look = now_s() + PATIENCE;

	while (now_s() < b->until) {
		while (b->under_way < window)
			begin(b);
		if (drain(b) == 0)
			wait_for(b, 10);
		if (now_s() < look)
			continue;
		look = now_s() + PATIENCE;
		for (unsigned i = 0; i < CALLS; i++)
			if (b->calls[i].number != 0 && look - b->calls[i].began > 2 * PATIENCE)
				over(b, &b->calls[i], 0);
	}
}

static void run_open(struct bench *b, double rate)
{
	double start = now_s(), now;

	while ((now = now_s()) < b->until) {
		for (unsigned i = 0; i < 32 && b->begun < (now - start) * rate; i++)
			begin(b);
		if (drain(b) == 0 && b->begun >= (now - start) * rate)
			wait_for(b, 1);
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report(struct bench *b, double seconds)
{
	unsigned n = b->done < CALLS ? b->done : CALLS;

	qsort(b->took, n, sizeof(double), compare);
	printf("done %u\nper-second %.1f\nrefused-per-second %.1f\nfailed %u\n", b->done, b->done / seconds,
	       b->refused / seconds, b->failed);
	printf("p50-ms %.3f\np99-ms %.3f\n", n == 0 ? 0 : 1000 * b->took[n / 2],
	       n == 0 ? 0 : 1000 * b->took[n * 99 / 100]);
}

/* u0's phone is the callee. */
static void register_callee(struct bench *b)
{
	const char *mode = b->mode;

	b->mode = "register";
	b->next = b->users - 1;
	begin(b);
	for (double end = now_s() + 5; b->under_way > 0 && now_s() < end;)
		if (drain(b) == 0)
			wait_for(b, 10);
	if (b->done != 1) {
		fprintf(stderr, "the callee could not register\n");
		exit(1);
	}
	b->mode = mode;
	b->begun = b->done = 0;
}

int main(int argc, char **argv)
{
	struct bench *b = mem_alloc(sizeof(*b));
	double seconds;

	if (argc != 7)
		return 2;
	*b = (struct bench){.mode = argv[1], .password = argv[6], .users = (unsigned)strtoul(argv[5], NULL, 10)};
	b->server =
		(struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10))};
	b->server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	seconds = strtod(argv[3], NULL);
	b->took = mem_calloc(CALLS, sizeof(double));
	b->caller = open_udp(b->caller_at);
	b->callee = open_udp(b->callee_at);
	register_callee(b);
	b->until = now_s() + seconds;
	if (argv[4][0] == '@')
		run_open(b, strtod(argv[4] + 1, NULL));
	else
		run_closed(b, (unsigned)strtoul(argv[4], NULL, 10));
	report(b, seconds);
	return 0;
}
