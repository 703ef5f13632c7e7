#ifndef SIP_IDENTITY_SIGNER_H
#define SIP_IDENTITY_SIGNER_H

#include "core/work.h"
#include "sip/identity/domain_cert.h"
#include "sip/settings.h"

/*
 * The authentication service's pen, RFC 4474 5 step 4: hashes the digest-string of a finished request on the loop,
 * signs it in a worker, and adds Identity and Identity-Info. Nothing in the digest-string may change afterwards.
 */
struct signer;

/* signer_new: settings say with which algorithm (identity.alg). */
struct signer *signer_new(struct work *w, const struct domain_certs *certs, const struct settings *settings);
void signer_free(struct signer *s);

/* signer_ready: may a message dated now be signed (AUT-07)? */
bool signer_ready(const struct signer *s, int64_t now);

/* signer_overhead: octets that signing adds to a request. */
size_t signer_overhead(const struct signer *s);

/*
 * done: ERR_OK and octets is the signed request, whose memory is the callee's to take; else octets is empty. id is what
 * was given: whoever asked finds its object by it, or drops the result.
 */
typedef void (*signer_fn)(void *arg, uint64_t id, enum err e, struct buf *octets);

/*
 * signer_sign: octets is a whole request with Date and without Identity; its memory is taken on ERR_OK. ERR_BUSY: the
 * queue is full; ERR_SYNTAX: what the request says must not be signed (two Contacts, "|" in a part ...).
 */
MUST_USE enum err signer_sign(struct signer *s, struct buf *octets, uint64_t id, signer_fn done, void *arg);

#endif
