#ifndef SIP_REGISTRAR_REGISTRAR_PRIVATE_H
#define SIP_REGISTRAR_REGISTRAR_PRIVATE_H

#include "sip/registrar/registrar.h"

/* Shared by registrar.c (bindings, and the questions about them) and register.c (requests); private to this room. */
struct registrar {
	struct registrar_deps d;
	struct bindings *bindings;
};

/*
 * registrar_put: adds a binding, or replaces old (NULL: none). peer is the sender, for the log. registrar_drop: removes
 * b; why goes to the log, one word.
 */
void registrar_put(struct registrar *r, struct binding *old, const struct binding_record *record,
		   const struct peer *peer);
void registrar_drop(struct registrar *r, struct binding *b, const char *why);

/*
 * registrar_instance: the instance-id (RFC 5626 4.1) in the parameters of a Contact, without quotes; SLICE_NONE: none.
 */
struct slice registrar_instance(struct slice params);

#endif
