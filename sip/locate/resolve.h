#ifndef SIP_LOCATE_RESOLVE_H
#define SIP_LOCATE_RESOLVE_H

#include "core/work.h"
#include "sip/locate/dns.h"
#include "sip/transport/peer.h"

/*
 * Names to addresses in worker threads, for the verbs and for fetching by https, which ask seldom and need no cache;
 * the proxy has resolver.h. The DNS is trusted for addresses and nothing else; whoever answers there has to prove its
 * name by TLS.
 */
#define RESOLVE_MAX 16 /* addresses of one answer, in the order to try them */

struct resolved {
	unsigned count;
	struct peer peers[RESOLVE_MAX];
};

/*
 * Called once, in the loop. r->count 0: why is a clause that says what was asked and what came back. Both are valid
 * during the call.
 */
typedef void (*resolve_fn)(void *arg, const struct resolved *r, const char *why);

/*
 * resolve_host: A and AAAA records (or /etc/hosts) of host, which may be a literal address, with that port. dns is
 * copied; count 0: as the system does.
 *
 * resolve_sips: RFC 3263 4.1 and 4.2 for a sips URI with that domain and no port: NAPTR records for SIPS+D2T, else SRV
 * of _sips._tcp, else the domain itself at port 5061.
 *
 * ERR_BUSY: the queue is full. ERR_LIMIT: no name can be like that. done is not called then.
 */
MUST_USE enum err resolve_host(struct work *w, const struct dns_servers *dns, struct slice host, uint16_t port,
			       resolve_fn done, void *arg);
MUST_USE enum err resolve_sips(struct work *w, const struct dns_servers *dns, struct slice domain, resolve_fn done,
			       void *arg);

#endif
