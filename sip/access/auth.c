#include "sip/access/auth.h"

#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/rate.h"
#include "crypto/rng.h"
#include "sip/message/header.h"
#include "sip/message/limits.h"
#include "sip/access/nonce.h"

/*
 * How an answer is judged (auth_check): it is found, its nonce is one of ours, its syntax is right, the guesses of its
 * account and source are not used up, the response fits. Only then is the age of the nonce looked at. Nothing before
 * the response depends on whether the user exists.
 */

#define ANONYMOUS S("anonymous")
#define REVOKED_MAX 4096 /* AORs; with more, all older nonces of everybody are stale */

/* An AOR whose nonces were revoked. */
struct revoked {
	struct map_node node;
	char *aor;
	uint64_t floor; /* nonces made up to this one are stale */
	int64_t at_s;   /* when; wall clock, as the lifetime of nonces */
};

struct auth {
	struct loop *loop;
	const struct settings *settings;
	struct nonces *nonces;
	struct rate *guesses;
	struct map revoked;
	uint64_t floor;    /* nonces made up to this one are stale for everybody */
	struct buf nobody; /* random digits: the HA1 of users that do not exist */
	struct ha1 anonymous;
};

struct auth *auth_new(struct loop *l, const struct settings *settings)
{
	const struct config *c = &settings->config;
	struct auth *a = mem_alloc(sizeof(*a));

	a->loop = l;
	a->settings = settings;
	a->nonces = nonces_new(c->digest_nonce_lifetime);
	a->guesses = rate_new(c->digest_guesses, c->digest_guesses);
	map_init(&a->revoked);
	rng_hex(&a->nobody, HASH_MAX);
	ha1_make(ANONYMOUS, slice_str(c->domain), slice_str(c->domain), S(""), &a->anonymous);
	return a;
}

static void forget_revoked(struct auth *a, struct revoked *r)
{
	map_remove(&a->revoked, &r->node);
	mem_free(r->aor);
	mem_free(r);
}

void auth_free(struct auth *a)
{
	struct map_node *n;

	if (a == NULL)
		return;
	while ((n = map_first(&a->revoked)) != NULL)
		forget_revoked(a, MAP_ENTRY(n, struct revoked, node));
	map_free(&a->revoked);
	nonces_free(a->nonces);
	rate_free(a->guesses);
	buf_wipe(&a->nobody);
	mem_free(a);
}

bool auth_knows(const struct auth *a, struct slice aor)
{
	return users_find(a->settings->users, aor) != NULL;
}

static struct revoked *find_revoked(const struct auth *a, struct slice aor)
{
	struct map_node *n = map_find(&a->revoked, aor);

	return n == NULL ? NULL : MAP_ENTRY(n, struct revoked, node);
}

void auth_revoke(struct auth *a, struct slice aor)
{
	struct revoked *r = find_revoked(a, aor);
	int64_t now = loop_wall_s(a->loop);

	if (r == NULL) {
		/* An entry is needed only as long as a nonce lives. */
		for (struct map_node *n = map_first(&a->revoked), *next; n != NULL; n = next) {
			struct revoked *old = MAP_ENTRY(n, struct revoked, node);

			next = map_next(&a->revoked, n);
			if (now - old->at_s > a->settings->config.digest_nonce_lifetime)
				forget_revoked(a, old);
		}
		if (a->revoked.count >= REVOKED_MAX) {
			a->floor = nonce_made(a->nonces);
			return;
		}
		r = mem_alloc(sizeof(*r));
		r->aor = slice_dup(aor);
		map_add(&a->revoked, &r->node, slice_str(r->aor));
	}
	r->floor = nonce_made(a->nonces);
	r->at_s = now;
}

static enum header header_of_use(enum auth_use use)
{
	return use == AUTH_PROXY ? HDR_PROXY_AUTHORIZATION : HDR_AUTHORIZATION;
}

unsigned auth_status(enum auth_use use)
{
	return use == AUTH_PROXY ? 407 : 401;
}

/* The scope of a nonce: the use, and the connection or the address. */
struct scope {
	size_t n;
	uint8_t octets[1 + 16];
};

static struct scope scope_of(enum auth_use use, const struct flow *f)
{
	struct slice place = peer_octets(&f->remote);
	struct scope s = {.octets = {(uint8_t)use}};

	if (use == AUTH_CREDENTIAL)
		place = slice_of(&f->id, sizeof(f->id));
	memcpy(s.octets + 1, place.p, place.n);
	s.n = 1 + place.n;
	return s;
}

static struct slice domain_of(const struct auth *a)
{
	return slice_str(a->settings->config.domain);
}

static struct slice realm_of(const struct auth *a, enum auth_use use)
{
	return use == AUTH_CREDENTIAL ? slice_str(config_credential_realm(&a->settings->config)) : domain_of(a);
}

/* has_old_realm: is the realm of the domain good as well, for those users who have no hash of the other one? */
static bool has_old_realm(const struct auth *a, enum auth_use use)
{
	return use == AUTH_CREDENTIAL && !slice_eq(realm_of(a, use), domain_of(a)) &&
	       users_lacking(a->settings->users) > 0;
}

/* The answers for our realms in a request. */
struct answers {
	struct digest_params of_realm, of_domain; /* of_domain: only with has_old_realm */
	unsigned sha256, other, domain_count; /* sha256, other: for the realm, by that algorithm and by another one */
};

/*
 * find_answers: AUTH_OK: there is one. Answers for other realms are for other servers on the way. At most SIP_AUTH_MAX
 * are looked at. Of one realm there may be one for each challenge (RFC 3261 22.3), and the better one counts; with two
 * of one algorithm nothing says which. The credential service has one challenge.
 */
static struct auth_result find_answers(const struct auth *a, const struct sip_msg *m, enum auth_use use,
				       struct answers *out)
{
	bool old = has_old_realm(a, use);
	enum header which = header_of_use(use);
	unsigned total = 0;
	bool several;

	for (const struct sip_header *h = msg_each(m, which, NULL); h != NULL; h = msg_each(m, which, h)) {
		struct digest_params d;
		enum err e = digest_params_parse(h->value, &d);

		if (++total > SIP_AUTH_MAX)
			return (struct auth_result){AUTH_BAD, "Too Many Authorization Header Fields", NULL};
		if (e == ERR_UNSUPPORTED) /* Basic and unknown schemes do not count (DIG-02) */
			continue;
		if (e != ERR_OK)
			return (struct auth_result){AUTH_BAD, "Bad Authorization Header Field", NULL};
		if (slice_eq(d.realm, realm_of(a, use))) {
			bool weak = !slice_ieq(d.algorithm, S("SHA-256"));

			if (!weak || out->sha256 == 0)
				out->of_realm = d;
			*(weak ? &out->other : &out->sha256) += 1;
		} else if (old && slice_eq(d.realm, domain_of(a))) {
			out->of_domain = d;
			out->domain_count++;
		}
	}
	several = use == AUTH_CREDENTIAL ? out->sha256 + out->other > 1 : out->sha256 > 1 || out->other > 1;
	if (several || out->domain_count > 1)
		return (struct auth_result){AUTH_BAD, "Several Answers For One Realm", NULL};
	return (struct auth_result){.verdict = out->sha256 + out->other + out->domain_count > 0 ? AUTH_OK
												: AUTH_CHALLENGE};
}

/* parse_nc: eight hexadecimal digits (RFC 7616 3.4). */
static bool parse_nc(struct slice s, uint32_t *out)
{
	uint64_t v;

	if (s.n != 8 || !slice_hex(s, &v))
		return false;
	*out = (uint32_t)v;
	return true;
}

/* RFC 7616 3.4.6: the uri of the answer must name the Request-URI; phones write it in equivalent forms. */
static bool same_uri(const struct sip_msg *m, struct slice text)
{
	struct uri u, own;

	if (slice_eq(text, m->uri_text))
		return true;
	return uri_parse(text, &u) == ERR_OK && uri_parse(m->uri_text, &own) == ERR_OK && uri_equal(&u, &own);
}

/*
 * find_user: the user that username names, or NULL, which must not show. The name is the user part of an AOR, compared
 * octet for octet: if other spellings (escapes, ":password") led to the same account, each would have guesses of its
 * own.
 */
static const struct user *find_user(const struct auth *a, struct slice username)
{
	struct buf aor = {0};
	const struct user *user;

	buf_adds(&aor, "sip:");
	buf_add(&aor, username);
	buf_addc(&aor, '@');
	for (const char *c = a->settings->config.domain; *c != '\0'; c++)
		buf_addc(&aor, ascii_lower(*c));
	user = users_find(a->settings->users, buf_slice(&aor));
	buf_free(&aor);
	return user;
}

static bool lacks(const struct user *user)
{
	return user_ha1_credential(user)[0] == '\0';
}

/*
 * choose: of two answers that for the realm of this use, unless the user can only be known by that for the domain. So
 * a user with a hash of the realm is never known by less.
 */
static bool choose(const struct auth *a, const struct answers *found, struct digest_params *out)
{
	bool old = found->domain_count > 0;

	if (old && found->sha256 + found->other > 0) {
		const struct user *user = find_user(a, found->of_domain.username);

		old = user != NULL && lacks(user);
	}
	*out = old ? found->of_domain : found->of_realm;
	return old;
}

/*
 * ha1_of: HA1 in hexadecimal. For an unknown user, or one without a hash of this algorithm and realm, digits that fit
 * no password. old: of the domain at the credential service.
 */
static struct slice ha1_of(const struct auth *a, const struct user *user, enum auth_use use, bool old,
			   enum hash_alg alg)
{
	struct slice known = SLICE_NONE;

	if (user == NULL && use == AUTH_ANONYMOUS)
		known = slice_str(alg == HASH_MD5 ? a->anonymous.md5 : a->anonymous.sha256);
	else if (user != NULL && use == AUTH_CREDENTIAL && !old && !slice_eq(realm_of(a, use), domain_of(a)))
		known = slice_str(user_ha1_credential(user));
	else if (user != NULL && !(old && !lacks(user)))
		known = slice_str(alg == HASH_MD5 ? user->ha1.md5 : user->ha1.sha256);
	return known.n == 2 * hash_size(alg) ? known : slice_sub(buf_slice(&a->nobody), 0, 2 * hash_size(alg));
}

/* RFC 7616 3.4.1: does the response fit HA1? With qop auth-int the hash of the body is part of it. */
static bool response_fits(struct slice ha1, const struct sip_msg *m, const struct digest_params *d, enum hash_alg alg)
{
	struct slice colon = S(":");
	char ha2[2 * HASH_MAX + 1], body[2 * HASH_MAX + 1], expected[2 * HASH_MAX + 1];
	struct slice a2[5] = {m->method_name, colon, d->uri, colon, SLICE_NONE};
	bool with_body = slice_ieq(d->qop, S("auth-int"));
	bool fits;

	if (with_body) {
		hash_hex(alg, &m->body, 1, body);
		a2[4] = slice_str(body);
	}
	hash_hex(alg, a2, with_body ? 5 : 3, ha2);
	const struct slice all[11] = {ha1,       colon, d->nonce, colon, d->nc,         colon,
				      d->cnonce, colon, d->qop,   colon, slice_str(ha2)};

	hash_hex(alg, all, 11, expected);
	fits = d->response.n == 2 * hash_size(alg);
	for (size_t i = 0; fits && i < d->response.n; i++)
		body[i] = ascii_lower(d->response.p[i]);
	fits = fits && mem_equal_ct(expected, body, d->response.n);
	mem_wipe(expected, sizeof(expected));
	return fits;
}

/* RFC 7616 3.3: without a name it is MD5. */
static bool algorithm_is(struct slice name, enum hash_alg alg)
{
	if (name.p == NULL)
		return alg == HASH_MD5;
	return slice_ieq(name, alg == HASH_MD5 ? S("MD5") : S("SHA-256"));
}

/*
 * guess_key: guesses are counted for an account and a source together. Counted for the account alone, anybody could
 * lock out its owner.
 */
static void guess_key(const struct flow *from, struct slice username, struct buf *out)
{
	buf_add(out, peer_prefix(&from->remote));
	buf_addc(out, ' ');
	buf_add(out, username);
}

static bool is_revoked(const struct auth *a, const struct user *user, const struct nonce_info *info)
{
	const struct revoked *r = user == NULL ? NULL : find_revoked(a, slice_str(user->aor));

	return info->count <= a->floor || (r != NULL && info->count <= r->floor);
}

struct auth_result auth_check(struct auth *a, const struct sip_msg *m, const struct flow *from, enum auth_use use)
{
	const struct scope scope = scope_of(use, from);
	const struct auth_result challenge = {.verdict = AUTH_CHALLENGE}, stale = {.verdict = AUTH_STALE};
	struct answers found = {0};
	int64_t now = loop_wall_s(a->loop);
	const struct user *user;
	struct nonce_info nonce;
	struct digest_params d = {0};
	struct buf key = {0};
	struct auth_result r;
	uint32_t nc;
	bool fits, open, old, anonymous;

	r = find_answers(a, m, use, &found);
	if (r.verdict != AUTH_OK)
		return r;
	old = choose(a, &found, &d);
	if (!nonce_read(a->nonces, d.nonce, slice_of(scope.octets, scope.n), now, &nonce) ||
	    !algorithm_is(d.algorithm, nonce.alg))
		return challenge;
	/* RFC 8760 2.6: qop is always offered, so an answer without it was not made for our challenge. */
	if ((!slice_ieq(d.qop, S("auth")) && !slice_ieq(d.qop, S("auth-int"))) || d.cnonce.n == 0)
		return challenge;
	if (!parse_nc(d.nc, &nc))
		return (struct auth_result){AUTH_BAD, "Bad Nonce Count", NULL};
	/* 22.4 6: a phone that follows a 302 brings what it was asked for before, and has to be asked again. */
	if (!same_uri(m, d.uri))
		return challenge;
	/*
	 * An answer with a nonce that was for somebody else is not looked at, nor counted as a guess: whoever has one
	 * could forge the source of the owner, and lock him out (G19).
	 */
	if (!nonce.here)
		return stale;

	anonymous = use == AUTH_ANONYMOUS && slice_eq(d.username, ANONYMOUS);
	/* digest.insecure = off: no password of a user is looked at outside of TLS, not even for a source address. */
	if (use == AUTH_ANONYMOUS && !anonymous && !a->settings->config.digest_insecure)
		return challenge;
	guess_key(from, d.username, &key);
	open = rate_ok(a->guesses, buf_slice(&key), loop_now_ms(a->loop));
	if (open) {
		user = anonymous ? NULL : find_user(a, d.username);
		fits = response_fits(ha1_of(a, user, use, old, nonce.alg), m, &d, nonce.alg) &&
		       (user != NULL || anonymous);
		if (!fits)
			rate_take(a->guesses, buf_slice(&key), loop_now_ms(a->loop));
	}
	buf_free(&key);
	if (!open)
		return (struct auth_result){.verdict = AUTH_BUSY};
	if (!fits) {
		log_line(LOG_WARN, "event=chal_resp_failed user=%s peer=%s", log_esc(d.username).text,
			 peer_text(&from->remote).text);
		return challenge;
	}
	/* nonce_use is last, because it uses up the nonce count. */
	if (!nonce.fresh || is_revoked(a, user, &nonce) || !nonce_use(a->nonces, &nonce, nc, now))
		return stale;
	return (struct auth_result){.verdict = AUTH_OK, .user = user};
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

void auth_challenge(struct auth *a, const struct sip_msg *m, const struct flow *from, enum auth_use use, bool stale,
		    size_t room, struct buf *out)
{
	const struct config *c = &a->settings->config;
	const struct scope scope = scope_of(use, from);
	const struct asking k = {.use = use,
				 .scope = slice_of(scope.octets, scope.n),
				 .qop = m->method == METHOD_PUBLISH ? "auth-int,auth" : "auth,auth-int",
				 .stale = stale};
	enum hash_alg order[2];
	unsigned n = algorithms(c, use, order);

	for (unsigned i = 0; i < n; i++)
		add_challenge(a, &k, realm_of(a, use), order[i], out);
	if (has_old_realm(a, use))
		add_challenge(a, &k, domain_of(a), HASH_SHA256, out);
	if (n > 1 && out->n > room) {
		buf_clear(out);
		add_challenge(a, &k, realm_of(a, use), HASH_MD5, out);
	}
}

void auth_announce(const struct auth *a)
{
	if (has_old_realm(a, AUTH_CREDENTIAL))
		log_line(LOG_WARN,
			 "event=old_realm users=%zu realm=%s reason=their_password_was_set_before_credential.realm",
			 users_lacking(a->settings->users), log_esc(domain_of(a)).text);
}
