#include "sip/transport/udp.h"

#include <errno.h>
#include <netinet/ip.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef IP_RECVERR
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#endif

#include "core/mem.h"

/*
 * Datagrams are read and errors drained in batches, because a call to the system for each would be the larger part of
 * the work. Control data tell the local address and the time of arrival.
 */

#define BATCH 16 /* datagrams that one recvmmsg reads */
#define BATCHES_A_TURN 4
#define ERRORS_A_TURN 64
#define QUOTED_MAX 1024   /* octets of our datagram that an error brings back */
#define WAIT_MAX_MS 60000 /* a longer wait can only be a clock that was set */

struct udp {
	struct loop *loop;
	struct io *io;
	int fd;
	struct peer at;
	udp_fn fn;
	udp_refused_fn refused; /* or NULL */
	void *arg;
	struct batch *batch;
};

union control {
	char space[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct timespec))];
	struct cmsghdr align;
};

/*
 * waited_since: milliseconds since the time of arrival, which the system tells in wall time. 0 when the clock was set
 * meanwhile.
 */
static uint32_t waited_since(const struct timespec *then)
{
	struct timespec now;
	int64_t ms;

	clock_gettime(CLOCK_REALTIME, &now);
	ms = ((int64_t)now.tv_sec - then->tv_sec) * 1000 + (now.tv_nsec - then->tv_nsec) / 1000000;
	return ms < 0 || ms > WAIT_MAX_MS ? 0 : (uint32_t)ms;
}

/* read_control: the address that the datagram came to (the port is that of the socket), and how long it waited. */
static void read_control(struct msghdr *m, struct peer *local, uint32_t *waited_ms)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			local->u.in.sin_addr = info.ipi_addr;
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			local->u.in6.sin6_addr = info.ipi6_addr;
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
			struct timespec then;

			memcpy(&then, CMSG_DATA(c), sizeof(then));
			*waited_ms = waited_since(&then);
		}
	}
}

/* What one recvmmsg fills; kept, because it has a megabyte. */
struct batch {
	struct mmsghdr headers[BATCH];
	struct iovec iov[BATCH];
	struct peer remote[BATCH];
	union control control[BATCH];
	char octets[BATCH][UDP_MAX];
};

static struct batch *batch_new(void)
{
	struct batch *b = mem_alloc(sizeof(*b));

	for (unsigned i = 0; i < BATCH; i++) {
		b->iov[i] = (struct iovec){b->octets[i], UDP_MAX};
		b->headers[i].msg_hdr.msg_iov = &b->iov[i];
		b->headers[i].msg_hdr.msg_iovlen = 1;
	}
	return b;
}

static int receive(struct udp *u)
{
	struct batch *b = u->batch;

	for (unsigned i = 0; i < BATCH; i++) {
		struct msghdr *h = &b->headers[i].msg_hdr;

		h->msg_name = &b->remote[i].u;
		h->msg_namelen = sizeof(b->remote[i].u);
		h->msg_control = &b->control[i];
		h->msg_controllen = sizeof(b->control[i]);
		h->msg_flags = 0;
	}
	return recvmmsg(u->fd, b->headers, BATCH, 0, NULL);
}

#ifdef IP_RECVERR
union error_control {
	char space[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct timespec)) +
		   CMSG_SPACE(sizeof(struct sock_extended_err) + sizeof(struct sockaddr_in6))];
	struct cmsghdr align;
};

/*
 * is_failure: RFC 3261 18.4: unreachable and parameter problem are failures. "Fragmentation needed" is none: the system
 * sends smaller packets from then on.
 */
static bool is_failure(const struct sock_extended_err *e)
{
	if (e->ee_origin == SO_EE_ORIGIN_ICMP)
		return (e->ee_type == ICMP_DEST_UNREACH && e->ee_code != ICMP_FRAG_NEEDED) ||
		       e->ee_type == ICMP_PARAMETERPROB;
	return e->ee_origin == SO_EE_ORIGIN_ICMP6 &&
	       (e->ee_type == ICMP6_DST_UNREACH || e->ee_type == ICMP6_PARAM_PROB);
}

static bool is_refusal(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
		struct sock_extended_err e;

		if (!(c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) &&
		    !(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
			continue;
		memcpy(&e, CMSG_DATA(c), sizeof(e));
		return is_failure(&e);
	}
	return false;
}

/* drain_errors: empties the queue of errors; otherwise the socket would stay readable and the loop spin. */
static void drain_errors(struct udp *u)
{
	for (unsigned i = 0; i < ERRORS_A_TURN; i++) {
		char octets[QUOTED_MAX];
		union error_control control;
		struct peer remote = {0};
		struct iovec iov = {octets, sizeof(octets)};
		struct msghdr m = {.msg_name = &remote.u,
				   .msg_namelen = sizeof(remote.u),
				   .msg_iov = &iov,
				   .msg_iovlen = 1,
				   .msg_control = &control,
				   .msg_controllen = sizeof(control)};
		ssize_t n = recvmsg(u->fd, &m, MSG_ERRQUEUE);

		if (n < 0)
			return;
		if (u->refused != NULL && is_refusal(&m))
			u->refused(u->arg, &remote, slice_of(octets, (size_t)n));
	}
}

static void ask_for_errors(int fd, bool v6)
{
	int on = 1;

	setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVERR : IP_RECVERR, &on, sizeof(on));
}
#else
static void drain_errors(struct udp *u)
{
	(void)u;
}

static void ask_for_errors(int fd, bool v6)
{
	(void)fd;
	(void)v6;
}
#endif

static void on_readable(void *arg, int events)
{
	struct udp *u = arg;

	(void)events;
	drain_errors(u);
	for (unsigned turn = 0; turn < BATCHES_A_TURN; turn++) {
		struct batch *b = u->batch;
		int n = receive(u);

		for (int i = 0; i < n; i++) {
			struct msghdr *h = &b->headers[i].msg_hdr;
			struct peer local = u->at;
			uint32_t waited_ms = 0;

			if ((h->msg_flags & MSG_TRUNC) == 0) {
				read_control(h, &local, &waited_ms);
				u->fn(u->arg, &b->remote[i], &local, slice_of(b->octets[i], b->headers[i].msg_len),
				      waited_ms);
			}
			/* The batch stays; a password or key that somebody sent in the clear does not. */
			mem_wipe(b->octets[i], b->headers[i].msg_len);
		}
		/* An error belongs to an earlier datagram and is told once; datagrams may lie behind it. */
		if (n < BATCH && (n >= 0 || errno == EAGAIN || errno == EWOULDBLOCK))
			return;
	}
}

enum err udp_new(struct loop *l, struct peer *at, udp_fn fn, void *arg, struct udp **out)
{
	int fd = socket(at->u.sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool v6 = at->u.sa.sa_family == AF_INET6;
	socklen_t n = sizeof(at->u);
	int on = 1, room = 4 << 20, saved;
	struct udp *u;

	if (fd < 0)
		return ERR_IO;
	if (v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0)
		goto fail;
	if (setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, &on, sizeof(on)) != 0)
		goto fail;
	if (bind(fd, &at->u.sa, peer_len(at)) != 0 || getsockname(fd, &at->u.sa, &n) != 0)
		goto fail;
	ask_for_errors(fd, v6);
	/* Without time stamps overload cannot be noticed, and nothing is refused for it (G13). */
	setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
	/* A burst must not be lost while the loop is busy. The system may grant less. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	u = mem_alloc(sizeof(*u));
	u->loop = l;
	u->fd = fd;
	u->at = *at;
	u->fn = fn;
	u->arg = arg;
	u->batch = batch_new();
	u->io = io_new(l, fd, on_readable, u);
	io_want(u->io, IO_READ);
	*out = u;
	return ERR_OK;
fail:
	saved = errno;
	close(fd);
	errno = saved;
	return ERR_IO;
}

void udp_free(struct udp *u)
{
	if (u == NULL)
		return;
	io_free(u->io);
	close(u->fd);
	mem_free(u->batch);
	mem_free(u);
}

void udp_on_refused(struct udp *u, udp_refused_fn fn)
{
	u->refused = fn;
}

/*
 * set_source: puts the source address into the control data, so that the answer comes from the address that was asked.
 */
static void set_source(struct msghdr *m, union control *control, const struct peer *local)
{
	struct cmsghdr *c;

	memset(control, 0, sizeof(*control));
	m->msg_control = control;
	m->msg_controllen = sizeof(*control);
	c = CMSG_FIRSTHDR(m);
	if (local->u.sa.sa_family == AF_INET) {
		struct in_pktinfo info = {.ipi_spec_dst = local->u.in.sin_addr};

		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		m->msg_controllen = CMSG_SPACE(sizeof(info));
	} else {
		struct in6_pktinfo info = {.ipi6_addr = local->u.in6.sin6_addr};

		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		m->msg_controllen = CMSG_SPACE(sizeof(info));
	}
}

enum err udp_send(struct udp *u, const struct peer *to, const struct peer *local, struct slice octets)
{
	struct iovec iov = {(void *)(uintptr_t)octets.p, octets.n};
	struct peer name = *to;
	struct msghdr m = {.msg_name = &name.u, .msg_namelen = peer_len(to), .msg_iov = &iov, .msg_iovlen = 1};
	union control control;

	if (local != NULL && peer_is_any(&u->at))
		set_source(&m, &control, local);
	/*
	 * An error that an earlier datagram met (ICMP) is told by this call in place of sending, once for each. Try
	 * again; what is wrong with this datagram itself fails each time.
	 */
	for (int i = 0; i < 4; i++)
		if (sendmsg(u->fd, &m, 0) >= 0 || errno == EAGAIN || errno == EWOULDBLOCK)
			return ERR_OK;
	return ERR_IO;
}
