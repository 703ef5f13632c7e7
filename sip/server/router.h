#ifndef SIP_SERVER_ROUTER_H
#define SIP_SERVER_ROUTER_H

#include "sip/credential/credentials.h"
#include "sip/event/notifier.h"
#include "sip/proxy/proxy.h"
#include "sip/registrar/registrar.h"

/* Which service a request is for: the proxy when it is on its way to somewhere or somebody else, or one of our own. */
struct router {
	const struct settings *settings;
	struct credentials *credentials;
	struct notifier *notifier;
	struct registrar *registrar;
	struct proxy *proxy;
};

/* router_request: answers tx, now or later. */
void router_request(const struct router *r, struct tx *tx);

/* router_ack, router_cancel: as tx_user's on_ack and on_cancel. */
void router_ack(const struct router *r, const struct flow *source, struct sip_msg *ack);
void router_cancel(const struct router *r, struct tx *tx);

#endif
