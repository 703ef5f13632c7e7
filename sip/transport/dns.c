#include "sip/transport/dns.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/mem.h"
#include "crypto/rng.h"

#define DATAGRAM_MAX 4096 /* we announce no more than the 512 of RFC 1035; some send more */
#define STREAM_MAX 65535
#define WRONG_MAX 32  /* datagrams that do not fit the question: somebody guesses, so TCP decides (RFC 5452 9.2) */
#define LINES_MAX 200 /* of resolv.conf */

int64_t dns_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- the servers --- */

/* A numeric address with its scope, as in "fe80::1%eth0". */
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

	for (struct slice rest = text; rest.p != NULL;) {
		struct slice one = rest;

		if (!slice_cut(rest, ',', &one, &rest))
			rest = SLICE_NONE;
		if (s.count == DNS_SERVERS_MAX || !peer_parse(slice_trim(one), &s.at[s.count]) ||
		    peer_port(&s.at[s.count]) == 0)
			return false;
		s.count++;
	}
	if (s.count == 0)
		return false;
	*out = s;
	return true;
}

/* --- one question to one server --- */

/* Waits for fd; false at the deadline or when there is nothing to wait for. */
static bool wait_for(int fd, short events, int64_t deadline_ms)
{
	struct pollfd p = {.fd = fd, .events = events};
	int n;

	do {
		int64_t left = deadline_ms - dns_now_ms();

		if (left <= 0)
			return false;
		n = poll(&p, 1, left > 60000 ? 60000 : (int)left);
	} while (n < 0 && errno == EINTR);
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

static bool write_all(int fd, struct slice octets, int64_t deadline_ms)
{
	while (octets.n > 0) {
		ssize_t n;

		if (!wait_for(fd, POLLOUT, deadline_ms))
			return false;
		n = send(fd, octets.p, octets.n, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return false;
		if (n > 0)
			octets = slice_sub(octets, (size_t)n, octets.n);
	}
	return true;
}

static bool read_all(int fd, char *p, size_t size, int64_t deadline_ms)
{
	for (size_t got = 0; got < size;) {
		ssize_t n;

		if (!wait_for(fd, POLLIN, deadline_ms))
			return false;
		n = recv(fd, p + got, size - got, 0);
		if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
			return false;
		if (n > 0)
			got += (size_t)n;
	}
	return true;
}

/* RFC 1035 4.2.2: each message behind its length in two octets. */
static enum dns_found over_tcp(const struct peer *server, int64_t deadline_ms, struct slice question,
			       struct dns_answer *out)
{
	unsigned char head[2] = {(unsigned char)(question.n >> 8), (unsigned char)question.n};
	enum dns_found found = DNS_SILENT;
	char *message = NULL;
	int fd = open_socket(server, SOCK_STREAM);

	if (fd < 0)
		return DNS_SILENT;
	if (write_all(fd, slice_of(head, 2), deadline_ms) && write_all(fd, question, deadline_ms) &&
	    read_all(fd, (char *)head, 2, deadline_ms)) {
		size_t n = (size_t)head[0] << 8 | head[1];

		message = mem_alloc(STREAM_MAX);
		if (read_all(fd, message, n, deadline_ms))
			found = dns_read(slice_of(message, n), question, out);
	}
	mem_free(message);
	close(fd);
	return found == DNS_OTHER || found == DNS_TRUNCATED ? DNS_BROKEN : found;
}

static enum dns_found over_udp(const struct peer *server, int64_t deadline_ms, struct slice question,
			       struct dns_answer *out)
{
	enum dns_found found = DNS_SILENT;
	char message[DATAGRAM_MAX];
	int fd = open_socket(server, SOCK_DGRAM);

	if (fd < 0)
		return DNS_SILENT;
	if (send(fd, question.p, question.n, MSG_NOSIGNAL) < 0)
		goto out;
	for (unsigned wrong = 0; wait_for(fd, POLLIN, deadline_ms);) {
		ssize_t n = recv(fd, message, sizeof(message), MSG_TRUNC);

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			break; /* nobody listens there */
		found = n > DATAGRAM_MAX ? DNS_TRUNCATED : dns_read(slice_of(message, (size_t)n), question, out);
		if (found != DNS_OTHER)
			break;
		found = ++wrong == WRONG_MAX ? DNS_TRUNCATED : DNS_SILENT;
		if (wrong == WRONG_MAX)
			break;
	}
out:
	close(fd);
	return found;
}

static enum dns_found ask_one(const struct peer *server, int64_t deadline_ms, struct slice name, enum dns_type type,
			      struct dns_answer *out)
{
	uint8_t question[DNS_QUESTION_MAX];
	enum dns_found found;
	uint16_t id;
	size_t n;

	rng_fill(&id, sizeof(id));
	if (dns_question(id, name, type, question, &n) != ERR_OK)
		return DNS_OTHER;
	found = over_udp(server, deadline_ms, slice_of(question, n), out);
	if (found == DNS_TRUNCATED)
		found = over_tcp(server, deadline_ms, slice_of(question, n), out);
	return found;
}

/* Until one of the servers knows. */
static enum dns_found ask_all(const struct dns_servers *servers, int64_t deadline_ms, struct slice name,
			      enum dns_type type, struct dns_answer *out)
{
	enum dns_found found, best = DNS_SILENT;

	for (unsigned i = 0; i < servers->attempts * servers->count; i++) {
		int64_t now = dns_now_ms(), end = now + servers->timeout_ms;

		if (now >= deadline_ms)
			break;
		found = ask_one(&servers->at[i % servers->count], end < deadline_ms ? end : deadline_ms, name, type,
				out);
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
