#ifndef SIP_REGISTRAR_REGISTRAR_H
#define SIP_REGISTRAR_REGISTRAR_H

#include "sip/access/access.h"
#include "store/binding.h"

/*
 * The registrar, RFC 3261 10.3, with Path (RFC 3327), outbound (RFC 5626 6) and sips (RFC 5630 5.2): who may be reached
 * where. REGISTER is always challenged, and only for the AOR of the user who answers.
 */
struct registrar;

#define REGISTRAR_SUPPORTED S("path, outbound") /* option tags */

struct registrar_deps {
	struct loop *loop;
	struct transport *transport;
	struct access access;
	struct commit *commit;
	int dirfd; /* of the store */
};

/* registrar_new: also brings back the bindings of the last run. deps are kept by value. */
MUST_USE enum err registrar_new(const struct registrar_deps *deps, struct registrar **out);
void registrar_free(struct registrar *r);

/* registrar_register: answers a REGISTER whose Request-URI is of the domain and which requires nothing unknown. */
void registrar_register(struct registrar *r, struct tx *tx);

/* One way to a user. Texts are good until the next REGISTER or turn of the loop. */
struct contact {
	struct slice uri;  /* the Contact URI as it was registered */
	struct slice path; /* values of Path, comma-separated; SLICE_NONE: none */
	struct flow flow;  /* it came by; completed by transport_flow, and alive */
	bool has_flow;
	bool flow_only;        /* uri alone leads nowhere */
	unsigned q;            /* 0..1000 */
	struct slice instance; /* RFC 5626, as in +sip.instance without the quotes; SLICE_NONE: none */
	uint32_t reg_id;       /* 0: none */
};

/*
 * registrar_contacts: where the AOR can be reached now by a SIP or SIPS URI, best first: by q, then the one registered
 * last. Returns how many, at most max. registrar_knows: is there such a user?
 */
unsigned registrar_contacts(struct registrar *r, struct slice aor, struct contact *out, unsigned max);
bool registrar_knows(const struct registrar *r, struct slice aor);

/* registrar_flow_closed: bindings that had no other way are gone. */
void registrar_flow_closed(struct registrar *r, uint64_t flow_id);

/* registrar_forget: this AOR is nobody's any more. */
void registrar_forget(struct registrar *r, struct slice aor);

const struct bindings *registrar_bindings(const struct registrar *r);

#endif
