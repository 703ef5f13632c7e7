#ifndef SIP_LOCATE_DNS_H
#define SIP_LOCATE_DNS_H

#include <stdatomic.h>

#include "sip/locate/dns_message.h"
#include "sip/transport/peer.h"

/*
 * Questions to name servers that wait for the answer: for worker threads only.
 *
 * Written here and not left to libc. The resolver of glibc draws its IDs from the clock, and its documented interface
 * takes neither an IPv6 server nor a deadline; that of musl has no state of its own. Here each question has an ID of
 * getrandom(2) and a socket of its own. The kernel draws the port of the socket, and the socket is connected, so only
 * octets from the address and port of the server arrive. An answer without that ID and question is ignored (RFC 5452
 * 9).
 */
#define DNS_SERVERS_MAX 4

struct dns_servers {
	unsigned count;
	struct peer at[DNS_SERVERS_MAX];
	unsigned timeout_ms;     /* the time for one server to answer; less when the deadline comes before */
	unsigned attempts;       /* rounds over all servers, at least 1 */
	const atomic_bool *over; /* once it is true, everybody stops waiting within 200 ms; NULL: never */
};

/*
 * dns_servers_system: the servers of /etc/resolv.conf with its timeout and attempts; without any, 127.0.0.1, as
 * resolv.conf(5) says.
 */
void dns_servers_system(struct dns_servers *out);

/*
 * dns_servers_list: reads "address:port, ...", at most DNS_SERVERS_MAX, with 2 s and two rounds. false: malformed, *out
 * untouched.
 */
MUST_USE bool dns_servers_list(struct slice text, struct dns_servers *out);

/* dns_now_ms: the monotonic clock of deadlines; workers have no loop to ask. */
int64_t dns_now_ms(void);

/*
 * dns_ask: asks the servers in turn until one of them answers, over TCP when the answer does not fit a datagram, and
 * follows aliases. Ends at deadline_ms (dns_now_ms). DNS_RECORDS and DNS_NOTHING fill *out. DNS_FAILED, DNS_BROKEN: no
 * server did better. DNS_SILENT: none answered. DNS_OTHER: the name cannot be asked for.
 */
enum dns_found dns_ask(const struct dns_servers *servers, int64_t deadline_ms, struct slice name, enum dns_type type,
		       struct dns_answer *out);

#endif
