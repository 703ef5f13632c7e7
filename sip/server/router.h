#ifndef SIP_SERVER_ROUTER_H
#define SIP_SERVER_ROUTER_H

#include "sip/credential/credentials.h"
#include "sip/event/notifier.h"
#include "sip/proxy/proxy.h"
#include "sip/registrar/registrar.h"

/*
 * The router finds the service for each new request: the proxy for a request that goes elsewhere or to the phones of a
 * user, otherwise one of our own services. All pointers are borrowed.
 */
struct router {
	const struct settings *settings;
	struct credentials *credentials;
	struct notifier *notifier;
	struct registrar *registrar;
	struct proxy *proxy;
	struct transport *transport;
	const char *domain; /* server.domain, which messages point into: it outlives them */
};

/* router_request: hands tx to a service, which answers it now or later, or answers it itself. */
void router_request(const struct router *r, struct tx *tx);

/* router_ack, router_cancel: as tx_user's on_ack and on_cancel. */
void router_ack(const struct router *r, const struct flow *source, struct sip_msg *ack);
void router_cancel(const struct router *r, struct tx *tx);

#endif
