#ifndef TESTS_BENCH_CLIENT_H
#define TESTS_BENCH_CLIENT_H

/* A blocking SIP connection for load: TCP, or TLS by the program's own client side. One thread a connection. */

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "crypto/tls.h"
#include "sip/transport/frame.h"

struct conn {
	int fd;
	struct tls *tls;
	struct buf in;
	struct frame frame;
	size_t used; /* of the last message, to be dropped */
};

static inline void die(const char *what)
{
	perror(what);
	exit(1);
}

static inline double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline void write_all(int fd, struct slice s)
{
	while (s.n > 0) {
		ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);

		if (n <= 0)
			die("send");
		s = slice_sub(s, (size_t)n, s.n);
	}
}

static inline void flush_tls(struct conn *c)
{
	struct buf *out = tls_output(c->tls);

	write_all(c->fd, buf_slice(out));
	buf_free(out);
}

/* One read of the socket; false at the end of the connection. */
static inline bool read_some(struct conn *c)
{
	char octets[16384];
	ssize_t n = recv(c->fd, octets, sizeof(octets), 0);

	if (n <= 0)
		return false;
	if (c->tls == NULL) {
		buf_add(&c->in, slice_of(octets, (size_t)n));
		return true;
	}
	tls_input(c->tls, slice_of(octets, (size_t)n));
	return true;
}

static inline void conn_open(struct conn *c, unsigned port, struct tls_config *config,
			     const struct tls_session *session)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int on = 1;
	enum err e;

	*c = (struct conn){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		die("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (config == NULL)
		return;
	c->tls = tls_new(config, 0, S("example.com"), TLS_NAME_SIP);
	if (session != NULL)
		tls_session_use(c->tls, session);
	while ((e = tls_handshake(c->tls)) == ERR_AGAIN) {
		flush_tls(c);
		if (!read_some(c))
			die("handshake");
	}
	flush_tls(c);
	if (e != ERR_OK) {
		fprintf(stderr, "handshake: %s\n", tls_reason(c->tls));
		exit(1);
	}
}

static inline void conn_close(struct conn *c)
{
	close(c->fd);
	tls_free(c->tls);
	buf_free(&c->in);
}

static inline void conn_send(struct conn *c, struct slice s)
{
	if (c->tls == NULL) {
		write_all(c->fd, s);
		return;
	}
	if (tls_write(c->tls, s) != ERR_OK)
		die("tls_write");
	flush_tls(c);
}

/* The next message; good until the next call. */
static inline struct slice conn_next(struct conn *c)
{
	uint64_t body;
	size_t n;

	buf_drop(&c->in, c->used);
	c->used = 0;
	for (;;) {
		enum frame_found f = frame_next(&c->frame, buf_slice(&c->in), 65536, &n, &body);

		if (f == FRAME_MESSAGE) {
			c->used = n;
			return slice_sub(buf_slice(&c->in), 0, n);
		}
		if (f != FRAME_MORE)
			die("frame");
		if (c->tls != NULL && tls_read(c->tls, &c->in, 65536) == ERR_OK)
			continue;
		if (!read_some(c))
			die("the server closed the connection");
		if (c->tls != NULL && tls_read(c->tls, &c->in, 65536) == ERR_CRYPTO)
			die("tls_read");
	}
}

/* The value of a header of a message, by its full name. */
static inline struct slice value_of(struct slice m, const char *name)
{
	char key[48];
	size_t at, end;

	snprintf(key, sizeof(key), "\r\n%s: ", name);
	at = slice_find(m, slice_str(key), 0);
	if (at == m.n)
		return SLICE_NONE;
	at += strlen(key);
	end = slice_find(m, S("\r\n"), at);
	return slice_sub(m, at, end);
}

static inline unsigned status_of(struct slice m)
{
	uint32_t code;

	return slice_starts(m, S("SIP/2.0 ")) && slice_u32(slice_sub(m, 8, 11), 699, &code) ? code : 0;
}

#endif
