#ifndef SIP_LOCATE_LOCATE_H
#define SIP_LOCATE_LOCATE_H

#include "sip/locate/dns.h"
#include "sip/locate/hops.h"

/*
 * Server location by the DNS, RFC 3263 4.1 and 4.2. Waits for answers: for worker threads only. The DNS is trusted for
 * addresses and nothing else; whoever answers there has to prove by TLS that it serves the name.
 */
#define LOCATE_STEPS_MAX 8    /* targets of one line of the configuration */
#define LOCATE_MS 10000       /* milliseconds until locate_run gives up; a transaction waits 32 s */
#define LOCATE_QUERIES_MAX 80 /* of one call: eight NAPTR records, eight SRV records of each, and some addresses */

enum locate_kind {
	LOCATE_DOMAIN,  /* NAPTR, SRV, or the domain's own address */
	LOCATE_SERVICE, /* the transport is known: SRV, or the domain's own address */
	LOCATE_HOST,    /* transport and port are known */
};

struct locate_step {
	enum locate_kind kind;
	enum proto proto; /* not for LOCATE_DOMAIN */
	uint16_t port;    /* LOCATE_HOST */
	char host[DNS_NAME_MAX];
};

struct locate {
	struct dns_servers dns; /* count 0: as the system does, with /etc/hosts */
	unsigned protos;        /* LOCATE_DOMAIN: those that can be used */
	bool secure;            /* LOCATE_DOMAIN: only TLS, for a sips URI */
	bool demanded;          /* goes into the result */
	unsigned count;
	struct locate_step steps[LOCATE_STEPS_MAX]; /* all of them are followed; each is a group of places of its own */
};

struct located {
	struct places places; /* if there are none, why says in a clause what was asked and what came back */
	uint32_t ttl_s;       /* how long the result may be kept, at most LOCATE_TTL_MAX_S */
	char why[DNS_NAME_MAX + 96];
};

#define LOCATE_TTL_MAX_S 3600
#define LOCATE_TTL_NOTHING_S 30 /* there is nothing, and no SOA says for how long */
#define LOCATE_TTL_FAILED_S 5   /* servers failed or were silent: not each of many requests shall wait for them */
#define LOCATE_TTL_SYSTEM_S 60  /* addresses of libc, which has no TTL to tell */

/*
 * locate_name: writes host, as a URI has it, in the one form that is asked for and compared: an address as peer_ip
 * writes it, a name in lower case without a final dot. false: neither an address nor a name that a host can have.
 */
MUST_USE bool locate_name(struct slice host, char out[DNS_NAME_MAX]);

/* locate_run: follows all steps of ask; writes all of *out. */
void locate_run(const struct locate *ask, struct located *out);

#endif
