#ifndef SIP_SERVICE_ROUTER_H
#define SIP_SERVICE_ROUTER_H

#include "sip/service/credential.h"
#include "sip/service/notifier.h"
#include "sip/service/registrar.h"

/* Which service a request is for: by method, and by the domain of its Request-URI. */
struct router {
	const char *domain;
	struct credentials *credentials;
	struct notifier *notifier;
	struct registrar *registrar;
};

/* router_request: answers tx, now or later. */
void router_request(const struct router *r, struct tx *tx);

#endif
