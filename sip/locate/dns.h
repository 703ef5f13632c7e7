#ifndef SIP_LOCATE_DNS_H
#define SIP_LOCATE_DNS_H

#include <stdatomic.h>

#include "sip/locate/dns_message.h"
#include "sip/transport/peer.h"

/*
 * Questions to name servers that wait for the answer: for worker threads only. Written here rather than left to libc
 * because the resolver of glibc draws its IDs from the clock and can neither be told of an IPv6 server nor of a
 * deadline by its documented interface, and musl's has no state of its own at all. Each question here goes out with an
 * ID of getrandom(2) from a socket of its own, whose port the kernel draws and which is connected, so that only octets
 * from the server's address and port arrive; what does not have the ID and the question is passed over (RFC 5452 9).
 */
#define DNS_SERVERS_MAX 4

struct dns_servers {
	unsigned count;
	struct peer at[DNS_SERVERS_MAX];
	unsigned timeout_ms;     /* for one server to answer; at most as long as the deadline leaves */
	unsigned attempts;       /* rounds over all servers */
	const atomic_bool *over; /* once true nothing is waited for any more; NULL: never */
};

/* dns_servers_system: those of /etc/resolv.conf with its timeout and attempts, or 127.0.0.1 as resolv.conf(5) says. */
void dns_servers_system(struct dns_servers *out);

/* dns_servers_list: "address:port, ..." with at most DNS_SERVERS_MAX elements, 2 s, two rounds. false: not like that.
 */
MUST_USE bool dns_servers_list(struct slice text, struct dns_servers *out);

/* dns_now_ms: the monotonic clock of deadlines, outside the loop. */
int64_t dns_now_ms(void);

/*
 * dns_ask: asks the servers in turn until one of them answers, over TCP when the answer does not fit a datagram, and
 * follows aliases. DNS_RECORDS and DNS_NOTHING fill *out; DNS_FAILED, DNS_BROKEN: no server had better; DNS_SILENT.
 * DNS_OTHER: name cannot be asked for. Ends at the deadline.
 */
enum dns_found dns_ask(const struct dns_servers *servers, int64_t deadline_ms, struct slice name, enum dns_type type,
		       struct dns_answer *out);

#endif
