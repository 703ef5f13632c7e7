#ifndef SIP_REGISTRAR_REGISTER_PRIVATE_H
#define SIP_REGISTRAR_REGISTER_PRIVATE_H

#include "sip/message/limits.h"
#include "sip/registrar/registrar_private.h"

/*
 * Shared by register.c (who may, and what changes) and register_read.c (what the request says); private to this room.
 */

/* What one Contact of the request asks for. */
struct change {
	struct addr contact;
	size_t params, params_end; /* where its parameters lie in plan.params */
	struct slice instance;     /* SLICE_NONE: none */
	uint32_t reg_id;           /* 0: the binding is known by its URI; else by instance and reg_id (RFC 5626 6) */
	uint32_t expires;          /* seconds granted; 0: the binding is removed */
	uint16_t q;                /* thousandths */
	struct binding *old;       /* the binding that it replaces or removes, NULL: none */
	bool moot;                 /* another one of the request is about the same binding, and counts */
};

/* A REGISTER as it is read and checked, before anything is changed. */
struct plan {
	struct registrar *r;
	struct tx *tx;
	const struct sip_msg *m;
	struct slice aor;        /* whose bindings */
	uint64_t secret;         /* the secret generation of that user */
	struct buf path, params; /* the values of Path, separated by commas; parameters of Contacts that are kept */
	struct flow source;      /* the flow that the request came by */
	unsigned path_count;     /* values of Path */
	bool path_secure;        /* all values of Path are sips URIs */
	bool first_hop;          /* RFC 5626 6: the request came straight from the UA */
	bool can_outbound;       /* it came straight from the UA, or through a proxy that keeps the flow ("ob") */
	bool asks_outbound;      /* option tag "outbound" in Supported or Require */
	bool outbound;           /* a Contact has a reg-id that counts */
	unsigned making_way;     /* dead bindings that are removed for the new ones */
	bool again;              /* its credentials were used before: see access_user */
	bool all;                /* "Contact: *": all bindings are removed */
	unsigned count;
	struct change changes[SIP_CONTACTS_MAX];
};

/* register_refuse: answers the request, and returns false. reason NULL: the default phrase. */
bool register_refuse(struct plan *p, unsigned code, const char *reason);

/* register_supports: is the option tag in Supported or Require? */
bool register_supports(const struct sip_msg *m, struct slice tag);

/* register_read_path, register_read_contacts: read into *p. false: the request has been answered. */
bool register_read_path(struct plan *p);
bool register_read_contacts(struct plan *p);

#endif
