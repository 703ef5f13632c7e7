#ifndef SIP_REGISTRAR_REGISTRAR_PRIVATE_H
#define SIP_REGISTRAR_REGISTRAR_PRIVATE_H

#include "sip/registrar/registrar.h"

/* What registrar.c (the bindings, and who asks for them) and register.c (requests) share. Nobody else includes this. */
struct registrar {
	struct registrar_deps d;
	struct bindings *bindings;
};

/* registrar_put: adds a binding or replaces old; peer: who did it. registrar_drop: b is gone, for this reason. */
void registrar_put(struct registrar *r, struct binding *old, const struct binding_record *record,
		   const struct peer *peer);
void registrar_drop(struct registrar *r, struct binding *b, const char *why);

/* registrar_instance: the instance-id in the parameters of a Contact, or SLICE_NONE. */
struct slice registrar_instance(struct slice params);

#endif
