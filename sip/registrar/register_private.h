#ifndef SIP_REGISTRAR_REGISTER_PRIVATE_H
#define SIP_REGISTRAR_REGISTER_PRIVATE_H

#include "sip/message/limits.h"
#include "sip/registrar/registrar_private.h"

/* What register.c (who may, what changes) and register_read.c (what is asked) share. Nobody else includes this. */

/* One Contact of the request. */
struct change {
	struct addr contact;
	size_t params, params_end; /* in plan.params */
	struct slice instance;     /* SLICE_NONE without one, or when reg_id does not count */
	uint32_t reg_id;           /* 0: the URI tells bindings apart */
	uint32_t expires;
	uint16_t q;
	struct binding *old;
};

struct plan {
	struct registrar *r;
	struct tx *tx;
	const struct sip_msg *m;
	struct slice aor;
	struct buf path, params;
	struct flow source;
	unsigned path_count;
	bool path_secure;   /* all values are sips */
	bool first_hop;     /* RFC 5626 6: the request came straight from the UA */
	bool can_outbound;  /* ... or through a proxy that keeps the flow */
	bool asks_outbound; /* by an option tag */
	bool outbound;      /* RFC 5626 applies to a Contact */
	bool all;           /* Contact: * */
	unsigned count;
	struct change changes[SIP_CONTACTS_MAX];
};

/* register_refuse: answers, and is false. */
bool register_refuse(struct plan *p, unsigned code, const char *reason);

/* register_supports: is the option tag in Supported or Require? */
bool register_supports(const struct sip_msg *m, struct slice tag);

/* register_read_path, register_read_contacts: into the plan. false: answered. */
bool register_read_path(struct plan *p);
bool register_read_contacts(struct plan *p);

#endif
