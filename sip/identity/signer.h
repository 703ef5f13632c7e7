#ifndef SIP_IDENTITY_SIGNER_H
#define SIP_IDENTITY_SIGNER_H

#include "core/work.h"
#include "sip/identity/domain_cert.h"
#include "sip/settings.h"

/*
 * The signing part of the authentication service (RFC 4474 5 step 4). It hashes the digest-string of a finished request
 * on the loop, signs the hash in a worker, and adds Identity and Identity-Info. Nothing that the digest-string covers
 * may change afterwards.
 */
struct signer;

/*
 * signer_new: w is the pool for RSA. certs and settings (identity.alg) are borrowed. signer_free ignores NULL; see
 * server/site.c.
 */
struct signer *signer_new(struct work *w, const struct domain_certs *certs, const struct settings *settings);
void signer_free(struct signer *s);

/*
 * signer_ready: is there a certificate of the domain, and is it valid at now (seconds since 1970)? Nothing may be
 * signed with a Date outside of its validity (AUT-07). The two functions below need a certificate to be there.
 */
bool signer_ready(const struct signer *s, int64_t now);

/*
 * signer_overhead: the most octets that signing adds to a request, for the choice between UDP and TCP (RFC 3261
 * 18.1.1).
 */
size_t signer_overhead(const struct signer *s);

/*
 * Called once, from the loop, in a later turn. ERR_OK: octets is the signed request, and the callee may take its
 * memory; what is left is wiped. Any other error: octets is empty. id is the one given to signer_sign: the asker finds
 * its object by it, or drops the result when the object is gone.
 */
typedef void (*signer_fn)(void *arg, uint64_t id, enum err e, struct buf *octets);

/*
 * signer_sign: octets is a whole request with Date and without Identity. On ERR_OK its memory is taken, and done is
 * called; otherwise octets stays the caller's, and done is not called. ERR_BUSY: the queue of the workers is full.
 * ERR_SYNTAX, ERR_LIMIT, ERR_NOTFOUND (no Date): the request has no digest-string, or must not be signed as it is (two
 * Contacts, a "|" in a part, an Identity that is there already).
 */
MUST_USE enum err signer_sign(struct signer *s, struct buf *octets, uint64_t id, signer_fn done, void *arg);

#endif
