#ifndef SIP_REGISTRAR_REGISTRAR_H
#define SIP_REGISTRAR_REGISTRAR_H

#include "sip/access/access.h"
#include "store/binding.h"

/*
 * The registrar (RFC 3261 10.3), with Path (RFC 3327), outbound (RFC 5626 6) and sips (RFC 5630 5.2): it keeps the
 * bindings of each AOR, that is, where a user can be reached. A REGISTER is always challenged, and changes only the AOR
 * of the user that answers the challenge.
 */
struct registrar;

#define REGISTRAR_SUPPORTED S("path, outbound") /* option tags that a Require may have */

struct registrar_deps {
	struct loop *loop;
	struct transport *transport;
	struct access access;
	struct commit *commit;
	int dirfd; /* of the store */
};

/*
 * registrar_new: deps are copied. Brings back the bindings of the last run. ERR_IO: errno is set. registrar_free
 * ignores NULL.
 */
MUST_USE enum err registrar_new(const struct registrar_deps *deps, struct registrar **out);
void registrar_free(struct registrar *r);

/*
 * registrar_register: answers a REGISTER. The caller has checked that the Request-URI is of the domain and that Require
 * has nothing unknown. Answers: 200; 420, 401, 400, 404, 403, 439, 423, 413, 503; 500 for a CSeq that is out of order.
 */
void registrar_register(struct registrar *r, struct tx *tx);

/* One place where a user can be reached. Texts are valid until the next REGISTER or turn of the loop. */
struct contact {
	struct slice uri;      /* the Contact URI as it was registered */
	struct slice path;     /* the values of Path, separated by commas; SLICE_NONE: none */
	struct flow flow;      /* the flow that the REGISTER came by, completed by transport_flow and alive */
	bool has_flow;         /* flow is set */
	bool flow_only;        /* uri alone leads nowhere: without flow the contact is not listed */
	bool flow_first;       /* flow leads to the device that uri names: prefer it; else only if uri leads nowhere */
	unsigned q;            /* thousandths, 0 to 1000 */
	struct slice instance; /* instance-id (RFC 5626) without the quotes; SLICE_NONE: none */
	uint32_t reg_id;       /* 0: none */
};

/*
 * registrar_contacts: the sip and sips contacts of aor that a request can be sent to now, best first: by q, among
 * equals the one registered last. Returns how many, at most max and SIP_CONTACTS_MAX. registrar_knows: is aor a user?
 */
unsigned registrar_contacts(struct registrar *r, struct slice aor, struct contact *out, unsigned max);
bool registrar_knows(const struct registrar *r, struct slice aor);

/* registrar_flow_closed: a connection is over. Bindings that had no other way to their UA go with it. */
void registrar_flow_closed(struct registrar *r, uint64_t flow_id);

/*
 * registrar_forget: removes the bindings of aor that were registered with another password, or by another user of that
 * name (T-48). registrar_enforce: does so for all AORs, after the start.
 */
void registrar_forget(struct registrar *r, struct slice aor);
void registrar_enforce(struct registrar *r);

/* registrar_bindings: the table, for counting and listing. */
const struct bindings *registrar_bindings(const struct registrar *r);

#endif
