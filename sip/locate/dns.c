#include "sip/locate/dns.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/mem.h"
#include "crypto/rng.h"

/*
 * Sockets of the DNS client. Each question to one server: UDP first; TCP when the answer is truncated, or when so many
 * wrong datagrams came that somebody may be guessing.
 */

#define DATAGRAM_MAX 4096 /* we announce no more than the 512 octets of RFC 1035; some servers send more */
#define STREAM_MAX 65535
#define WRONG_MAX 32  /* wrong datagrams after which TCP is used, because somebody may be guessing (RFC 5452 9.2) */
#define LOOK_MS 200   /* milliseconds between two looks at over */
#define LINES_MAX 200 /* of resolv.conf */

int64_t dns_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- the servers --- */

/* server_of: a numeric address, with a scope as in "fe80::1%eth0". */
static bool server_of(const char *text, struct peer *out)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *list = NULL;
	bool ok = getaddrinfo(text, "53", &hints, &list) == 0;

	if (ok) {
		memset(out, 0, sizeof(*out));
		memcpy(&out->u, list->ai_addr, list->ai_addrlen);
		freeaddrinfo(list);
	}
	return ok;
}

static void read_option(const char *word, struct dns_servers *out)
{
	struct slice name, value;
	uint32_t n;

	if (!slice_cut(slice_str(word), ':', &name, &value) || !slice_u32(value, 30, &n) || n == 0)
		return;
	if (slice_eq(name, S("timeout")))
		out->timeout_ms = n < 5 ? n * 1000 : 5000;
	else if (slice_eq(name, S("attempts")))
		out->attempts = n < 3 ? n : 3;
}

static void read_line(char *line, struct dns_servers *out)
{
	char *rest = NULL, *word = strtok_r(line, " \t\r\n", &rest), *value;

	if (word == NULL)
		return;
	value = strtok_r(NULL, " \t\r\n", &rest);
	if (strcmp(word, "nameserver") == 0) {
		if (value != NULL && out->count < DNS_SERVERS_MAX && server_of(value, &out->at[out->count]))
			out->count++;
	} else if (strcmp(word, "options") == 0) {
		for (; value != NULL; value = strtok_r(NULL, " \t\r\n", &rest))
			read_option(value, out);
	}
}

void dns_servers_system(struct dns_servers *out)
{
	FILE *f = fopen("/etc/resolv.conf", "re");
	char line[512];

	*out = (struct dns_servers){.timeout_ms = 2000, .attempts = 2};
	for (unsigned i = 0; f != NULL && i < LINES_MAX && fgets(line, sizeof(line), f) != NULL; i++)
		read_line(line, out);
	if (f != NULL)
		fclose(f);
	if (out->count == 0)
		out->count = server_of("127.0.0.1", &out->at[0]) ? 1 : 0;
}

bool dns_servers_list(struct slice text, struct dns_servers *out)
{
	struct dns_servers s = {.timeout_ms = 2000, .attempts = 2};

	for (struct slice rest = slice_list(text), one; slice_item(&rest, &one);) {
		if (s.count == DNS_SERVERS_MAX || !peer_parse(one, &s.at[s.count]) || peer_port(&s.at[s.count]) == 0)
			return false;
		s.count++;
	}
	if (s.count == 0)
		return false;
	*out = s;
	return true;
}

/* --- one question to one server --- */

/* A socket to a server, for as long as one answer may take. */
struct link {
	int fd;
	int64_t deadline_ms;
	const atomic_bool *over;
};

static bool is_over(const atomic_bool *over)
{
	return over != NULL && atomic_load(over);
}

/* wait_for: waits for events. false at the deadline, when all is over, or when poll fails. */
static bool wait_for(const struct link *l, short events)
{
	struct pollfd p = {.fd = l->fd, .events = events};
	int n = 0;

	while (n == 0 || (n < 0 && errno == EINTR)) {
		int64_t left = l->deadline_ms - dns_now_ms();

		if (left <= 0 || is_over(l->over))
			return false;
		n = poll(&p, 1, left > LOOK_MS ? LOOK_MS : (int)left);
	}
	return n > 0;
}

static int open_socket(const struct peer *server, int type)
{
	int fd = socket(server->u.sa.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, &server->u.sa, peer_len(server)) != 0 && errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool write_all(const struct link *l, struct slice octets)
{
	while (octets.n > 0) {
		ssize_t n;

		if (!wait_for(l, POLLOUT))
			return false;
		n = send(l->fd, octets.p, octets.n, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return false;
		if (n > 0)
			octets = slice_sub(octets, (size_t)n, octets.n);
	}
	return true;
}

static bool read_all(const struct link *l, char *p, size_t size)
{
	for (size_t got = 0; got < size;) {
		ssize_t n;

		if (!wait_for(l, POLLIN))
			return false;
		n = recv(l->fd, p + got, size - got, 0);
		if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
			return false;
		if (n > 0)
			got += (size_t)n;
	}
	return true;
}

/* over_tcp: RFC 1035 4.2.2: each message stands behind its length in two octets. */
static enum dns_found over_tcp(const struct peer *server, struct link l, struct slice question, struct dns_answer *out)
{
	unsigned char head[2] = {(unsigned char)(question.n >> 8), (unsigned char)question.n};
	enum dns_found found = DNS_SILENT;
	char *message = NULL;

	l.fd = open_socket(server, SOCK_STREAM);
	if (l.fd < 0)
		return DNS_SILENT;
	if (write_all(&l, slice_of(head, 2)) && write_all(&l, question) && read_all(&l, (char *)head, 2)) {
		size_t n = (size_t)head[0] << 8 | head[1];

		message = mem_alloc(STREAM_MAX);
		if (read_all(&l, message, n))
			found = dns_message_read(slice_of(message, n), question, out);
	}
	mem_free(message);
	close(l.fd);
	return found == DNS_OTHER || found == DNS_TRUNCATED ? DNS_BROKEN : found;
}

static enum dns_found over_udp(const struct peer *server, struct link l, struct slice question, struct dns_answer *out)
{
	enum dns_found found = DNS_SILENT;
	char message[DATAGRAM_MAX];

	l.fd = open_socket(server, SOCK_DGRAM);
	if (l.fd < 0)
		return DNS_SILENT;
	if (send(l.fd, question.p, question.n, MSG_NOSIGNAL) < 0)
		goto out;
	for (unsigned wrong = 0; wait_for(&l, POLLIN);) {
		ssize_t n = recv(l.fd, message, sizeof(message), MSG_TRUNC);

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			break; /* ICMP: nothing listens there */
		found = n > DATAGRAM_MAX ? DNS_TRUNCATED
					 : dns_message_read(slice_of(message, (size_t)n), question, out);
		if (found != DNS_OTHER)
			break;
		found = ++wrong == WRONG_MAX ? DNS_TRUNCATED : DNS_SILENT;
		if (wrong == WRONG_MAX)
			break;
	}
out:
	close(l.fd);
	return found;
}

static enum dns_found ask_one(const struct peer *server, struct link l, struct slice name, enum dns_type type,
			      struct dns_answer *out)
{
	uint8_t question[DNS_QUESTION_MAX];
	enum dns_found found;
	uint16_t id;
	size_t n;

	rng_fill(&id, sizeof(id));
	if (dns_message_question(id, name, type, question, &n) != ERR_OK)
		return DNS_OTHER;
	found = over_udp(server, l, slice_of(question, n), out);
	if (found == DNS_TRUNCATED)
		found = over_tcp(server, l, slice_of(question, n), out);
	return found;
}

/*
 * ask_all: asks until one of the servers has an answer. A failure of one is kept as the result if no other one does
 * better.
 */
static enum dns_found ask_all(const struct dns_servers *servers, int64_t deadline_ms, struct slice name,
			      enum dns_type type, struct dns_answer *out)
{
	enum dns_found found, best = DNS_SILENT;

	for (unsigned i = 0; i < servers->attempts * servers->count; i++) {
		int64_t now = dns_now_ms(), end = now + servers->timeout_ms;
		struct link l = {-1, end < deadline_ms ? end : deadline_ms, servers->over};

		if (now >= deadline_ms || is_over(servers->over))
			break;
		found = ask_one(&servers->at[i % servers->count], l, name, type, out);
		if (found == DNS_RECORDS || found == DNS_NOTHING || found == DNS_ALIAS || found == DNS_OTHER)
			return found;
		if (found != DNS_SILENT)
			best = found;
	}
	return best;
}

enum dns_found dns_ask(const struct dns_servers *servers, int64_t deadline_ms, struct slice name, enum dns_type type,
		       struct dns_answer *out)
{
	uint32_t ttl_s = UINT32_MAX;
	char alias[DNS_NAME_MAX];
	enum dns_found found;

	/* A chain of aliases over several answers lives as long as its shortest link. */
	for (unsigned links = 0; links <= DNS_ALIASES_MAX; links++) {
		found = ask_all(servers, deadline_ms, name, type, out);
		if (found != DNS_RECORDS && found != DNS_ALIAS)
			return found;
		if (out->ttl_s < ttl_s)
			ttl_s = out->ttl_s;
		out->ttl_s = ttl_s;
		if (found == DNS_RECORDS)
			return found;
		memcpy(alias, out->alias, sizeof(alias));
		name = slice_str(alias);
	}
	out->ttl_s = 0;
	return DNS_NOTHING;
}
