#include <string.h>

#include "core/mem.h"
#include "sip/access/auth_private.h"
#include "sip/message/limits.h"

/* What a request answers to a challenge: which of its answers counts, for whom it is, and whether it is right. */

static enum header header_of_use(enum auth_use use)
{
	return use == AUTH_PROXY ? HDR_PROXY_AUTHORIZATION : HDR_AUTHORIZATION;
}

/* The answers for our realms in a request. */
struct answers {
	struct digest_params of_realm, of_domain; /* of_domain: only with auth_old_realm */
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
	bool old = auth_old_realm(a, use);
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
		if (slice_eq(d.realm, auth_realm(a, use))) {
			bool weak = !slice_ieq(d.algorithm, S("SHA-256"));

			if (!weak || out->sha256 == 0)
				out->of_realm = d;
			*(weak ? &out->other : &out->sha256) += 1;
		} else if (old && slice_eq(d.realm, auth_domain(a))) {
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

/*
 * same_uri: RFC 7616 3.4.6: the uri of the answer must name the Request-URI; phones write it in equivalent forms.
 * relaxed: it may lack port and parameters.
 */
static bool same_uri(const struct sip_msg *m, struct slice text, bool relaxed)
{
	struct uri u, own;

	if (slice_eq(text, m->uri_text))
		return true;
	if (uri_parse(text, &u) != ERR_OK || uri_parse(m->uri_text, &own) != ERR_OK)
		return false;
	if (relaxed && u.port == 0)
		own.port = 0;
	if (relaxed && u.params.n == 0)
		own.params = u.params;
	return uri_equal(&u, &own);
}

/*
 * user_of: the user that this name has, or NULL, which must not show. It is the user part of an AOR, compared octet for
 * octet: if other spellings (escapes, ":password") led to the same account, each would have guesses of its own.
 */
static const struct user *user_of(const struct auth *a, struct slice name)
{
	struct buf aor = {0};
	const struct user *user;

	buf_adds(&aor, "sip:");
	buf_add(&aor, name);
	buf_addc(&aor, '@');
	for (const char *c = a->settings->config.domain; *c != '\0'; c++)
		buf_addc(&aor, ascii_lower(*c));
	user = users_find(a->settings->users, buf_slice(&aor));
	buf_free(&aor);
	return user;
}

const struct user *answer_user(const struct auth *a, const struct answer *x)
{
	return user_of(a, x->name);
}

/* read_name: some phones name themselves user@domain, and have that in the hash. */
static void read_name(const struct auth *a, enum auth_use use, struct answer *x)
{
	size_t at = slice_rchr(x->d.username, '@');

	x->name = x->d.username;
	x->named = auth_relaxed(a, use) && at < x->d.username.n &&
		   slice_ieq(slice_sub(x->d.username, at + 1, x->d.username.n), auth_domain(a));
	if (x->named)
		x->name = slice_sub(x->d.username, 0, at);
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
		const struct user *user = user_of(a, found->of_domain.username);

		old = user != NULL && lacks(user);
	}
	*out = old ? found->of_domain : found->of_realm;
	return old;
}

/*
 * ha1_of: HA1 in hexadecimal. For an unknown user, or one without a hash of this algorithm and realm, digits that fit
 * no password.
 */
static struct slice ha1_of(const struct auth *a, const struct user *user, enum auth_use use, const struct answer *x,
			   enum hash_alg alg)
{
	struct slice known = SLICE_NONE;

	if (user == NULL && use == AUTH_ANONYMOUS)
		known = slice_str(alg == HASH_MD5 ? a->anonymous.md5 : a->anonymous.sha256);
	else if (user != NULL && x->named)
		known = slice_str(user->ha1.named);
	else if (user != NULL && use == AUTH_CREDENTIAL && !x->old && !slice_eq(auth_realm(a, use), auth_domain(a)))
		known = slice_str(user_ha1_credential(user));
	else if (user != NULL && !(x->old && !lacks(user)))
		known = slice_str(alg == HASH_MD5 ? user->ha1.md5 : user->ha1.sha256);
	return known.n == 2 * hash_size(alg) ? known : slice_sub(buf_slice(&a->nobody), 0, 2 * hash_size(alg));
}

/*
 * response_of: RFC 7616 3.4.1. With qop auth-int the hash of the body is part of it; without qop neither count nor
 * cnonce (RFC 2069).
 */
static void response_of(struct slice ha1, const struct sip_msg *m, const struct answer *x, enum hash_alg alg,
			char out[2 * HASH_MAX + 1])
{
	struct slice colon = S(":");
	const struct digest_params *d = &x->d;
	char ha2[2 * HASH_MAX + 1], body[2 * HASH_MAX + 1];
	struct slice a2[5] = {m->method_name, colon, d->uri, colon, SLICE_NONE};
	bool with_body = slice_ieq(d->qop, S("auth-int"));

	if (with_body) {
		hash_hex(alg, &m->body, 1, body);
		a2[4] = slice_str(body);
	}
	hash_hex(alg, a2, with_body ? 5 : 3, ha2);
	const struct slice bare[5] = {ha1, colon, d->nonce, colon, slice_str(ha2)};
	const struct slice all[11] = {ha1,       colon, d->nonce, colon, d->nc,         colon,
				      d->cnonce, colon, d->qop,   colon, slice_str(ha2)};

	if (x->bare)
		hash_hex(alg, bare, 5, out);
	else
		hash_hex(alg, all, 11, out);
}

bool answer_fits(const struct auth *a, const struct sip_msg *m, enum auth_use use, const struct answer *x,
		 const struct user *user, enum hash_alg alg)
{
	char expected[2 * HASH_MAX + 1], given[2 * HASH_MAX + 1];
	struct slice response = x->d.response;
	bool fits = response.n == 2 * hash_size(alg);

	response_of(ha1_of(a, user, use, x, alg), m, x, alg, expected);
	for (size_t i = 0; fits && i < response.n; i++)
		given[i] = ascii_lower(response.p[i]);
	fits = fits && mem_equal_ct(expected, given, response.n);
	mem_wipe(expected, sizeof(expected));
	return fits;
}

const char *answer_fault(const struct auth *a, enum auth_use use, const struct answer *x, const struct user *user,
			 enum hash_alg alg)
{
	if (user != NULL)
		return ha1_of(a, user, use, x, alg).p == a->nobody.p ? "no_hash_of_this_algorithm" : "wrong_password";
	return slice_chr(x->d.username, '@') < x->d.username.n ? "user_is_an_address" : "unknown_user";
}

struct auth_result answer_find(const struct auth *a, const struct sip_msg *m, enum auth_use use, struct answer *out)
{
	struct answers found = {0};
	struct auth_result r = find_answers(a, m, use, &found);

	if (r.verdict != AUTH_OK)
		return r;
	out->old = choose(a, &found, &out->d);
	read_name(a, use, out);
	return r;
}

struct auth_result answer_shape(const struct auth *a, const struct sip_msg *m, enum auth_use use, struct answer *x)
{
	const struct auth_result challenge = {.verdict = AUTH_CHALLENGE};
	const struct digest_params *d = &x->d;
	bool relaxed = auth_relaxed(a, use);

	/* RFC 8760 2.6: qop is always offered, so an answer without it was not made for our challenge. Phones do it. */
	x->bare = relaxed && d->qop.p == NULL;
	if (!x->bare && ((!slice_ieq(d->qop, S("auth")) && !slice_ieq(d->qop, S("auth-int"))) || d->cnonce.n == 0))
		return challenge;
	if (!x->bare && !parse_nc(d->nc, &x->nc))
		return (struct auth_result){AUTH_BAD, "Bad Nonce Count", NULL};
	/* 22.4 6: a phone that follows a 302 brings what it was asked for before, and has to be asked again. */
	if (!same_uri(m, d->uri, relaxed))
		return challenge;
	return (struct auth_result){.verdict = AUTH_OK};
}
