#include <string.h>

#include "core/log.h"
#include "sip/access/auth_private.h"

/* What is asked: realms, algorithms, and the scope of nonces. */

struct slice auth_domain(const struct auth *a)
{
	return slice_str(a->settings->config.domain);
}

struct slice auth_realm(const struct auth *a, enum auth_use use)
{
	return use == AUTH_CREDENTIAL ? slice_str(config_credential_realm(&a->settings->config)) : auth_domain(a);
}

bool auth_old_realm(const struct auth *a, enum auth_use use)
{
	return use == AUTH_CREDENTIAL && !slice_eq(auth_realm(a, use), auth_domain(a)) &&
	       users_lacking(a->settings->users) > 0;
}

bool auth_relaxed(const struct auth *a, enum auth_use use)
{
	return (use == AUTH_REGISTRAR || use == AUTH_PROXY) && a->settings->config.digest_compat == COMPAT_PHONES;
}

struct auth_scope auth_scope(enum auth_use use, const struct flow *f)
{
	struct slice place = peer_octets(&f->remote);
	struct auth_scope s = {.octets = {(uint8_t)use}};

	if (use == AUTH_CREDENTIAL)
		place = slice_of(&f->id, sizeof(f->id));
	memcpy(s.octets + 1, place.p, place.n);
	s.n = 1 + place.n;
	return s;
}

/* What is asked with each line of a challenge. */
struct asking {
	enum auth_use use;
	struct slice scope;
	const char *qop;
	bool stale;
};

static void add_challenge(struct auth *a, const struct asking *k, struct slice realm, enum hash_alg alg,
			  struct buf *out)
{
	buf_adds(out, k->use == AUTH_PROXY ? "Proxy-Authenticate" : "WWW-Authenticate");
	buf_add(out, S(": Digest realm=\""));
	buf_add(out, realm);
	buf_add(out, S("\", nonce=\""));
	nonce_make(a->nonces, alg, k->scope, loop_wall_s(a->loop), out);
	buf_add(out, S("\", algorithm="));
	buf_adds(out, alg == HASH_MD5 ? "MD5" : "SHA-256");
	buf_add(out, S(", qop=\""));
	buf_adds(out, k->qop);
	buf_add(out, k->stale ? S("\", stale=true\r\n") : S("\"\r\n"));
}

/* algorithms: those that are offered, in their order (RFC 8760 2.3). Returns how many. */
static unsigned algorithms(const struct config *c, enum auth_use use, enum hash_alg out[2])
{
	bool md5 = c->digest_md5 && use != AUTH_CREDENTIAL, sha256 = c->digest_sha256 || use == AUTH_CREDENTIAL;
	bool md5_first = md5 && (!sha256 || c->digest_prefer == PREFER_MD5);

	out[0] = md5_first ? HASH_MD5 : HASH_SHA256;
	out[1] = md5_first ? HASH_SHA256 : HASH_MD5;
	return md5 && sha256 && use != AUTH_ANONYMOUS ? 2 : 1;
}

bool auth_offers(const struct auth *a, enum auth_use use, enum hash_alg alg)
{
	/* SHA-256 was asked for at some time, and is never the weaker one. */
	return alg == HASH_SHA256 || (a->settings->config.digest_md5 && use != AUTH_CREDENTIAL);
}

void auth_challenge(struct auth *a, const struct sip_msg *m, const struct flow *from, enum auth_use use, bool stale,
		    size_t room, struct buf *out)
{
	const struct config *c = &a->settings->config;
	const struct auth_scope scope = auth_scope(use, from);
	const struct asking k = {.use = use,
				 .scope = slice_of(scope.octets, scope.n),
				 .qop = m->method == METHOD_PUBLISH ? "auth-int,auth" : "auth,auth-int",
				 .stale = stale};
	enum hash_alg order[2];
	unsigned n = algorithms(c, use, order);

	for (unsigned i = 0; i < n; i++)
		add_challenge(a, &k, auth_realm(a, use), order[i], out);
	if (auth_old_realm(a, use))
		add_challenge(a, &k, auth_domain(a), HASH_SHA256, out);
	if (n > 1 && out->n > room) {
		buf_clear(out);
		add_challenge(a, &k, auth_realm(a, use), HASH_MD5, out);
	}
}

void auth_announce(const struct auth *a)
{
	if (auth_old_realm(a, AUTH_CREDENTIAL))
		log_line(LOG_WARN,
			 "event=old_realm users=%zu realm=%s reason=their_password_was_set_before_credential.realm",
			 users_lacking(a->settings->users), log_esc(auth_domain(a)).text);
}
