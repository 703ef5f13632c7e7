#include "sip/access/auth.h"

#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "crypto/rng.h"
#include "sip/access/auth_private.h"

/*
 * How an answer is judged (auth_check): it is found, its nonce is one of ours, its syntax is right, the guesses of its
 * account and source are not used up, the response fits. Only then is the age of the nonce looked at. Nothing before
 * the response depends on whether the user exists.
 */

#define REVOKED_MAX 4096 /* AORs; with more, all older nonces of everybody are stale */

/* An AOR whose nonces were revoked. */
struct revoked {
	struct map_node node;
	char *aor;
	uint64_t floor; /* nonces made up to this one are stale */
	int64_t at_s;   /* when; wall clock, as the lifetime of nonces */
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
	ha1_make(AUTH_NOBODY, slice_str(c->domain), slice_str(c->domain), S(""), &a->anonymous);
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

unsigned auth_status(enum auth_use use)
{
	return use == AUTH_PROXY ? 407 : 401;
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

/* log_failed: an answer to a challenge that does not count: the administrator who is asked "why" finds it here. */
static void log_failed(const struct answer *x, const struct flow *from, const char *reason)
{
	log_line(LOG_WARN, "event=chal_resp_failed user=%s peer=%s reason=%s", log_esc(x->d.username).text,
		 peer_text(&from->remote).text, reason);
}

/* guessed: counts a wrong answer. With the last one that is allowed, the right password is refused for a while, too. */
static void guessed(struct auth *a, const struct answer *x, const struct flow *from, struct slice key)
{
	int64_t now_ms = loop_now_ms(a->loop);

	rate_take(a->guesses, key, now_ms);
	if (!rate_ok(a->guesses, key, now_ms))
		log_line(LOG_WARN, "event=guesses_spent user=%s peer=%s refused=all_answers_for_a_while",
			 log_esc(x->d.username).text, peer_text(&from->remote).text);
}

struct auth_result auth_check(struct auth *a, const struct sip_msg *m, const struct flow *from, enum auth_use use)
{
	const struct auth_scope scope = auth_scope(use, from);
	const struct auth_result challenge = {.verdict = AUTH_CHALLENGE}, stale = {.verdict = AUTH_STALE};
	int64_t now = loop_wall_s(a->loop);
	const struct user *user = NULL;
	struct nonce_info nonce;
	struct answer x = {0};
	struct buf key = {0};
	struct auth_result r;
	bool fits, open, anonymous;

	r = answer_find(a, m, use, &x);
	if (r.verdict != AUTH_OK)
		return r;
	if (!nonce_read(a->nonces, x.d.nonce, slice_of(scope.octets, scope.n), now, &nonce) ||
	    !algorithm_is(x.d.algorithm, nonce.alg) || !auth_offers(a, use, nonce.alg))
		return challenge;
	r = answer_shape(a, m, use, &x);
	if (r.verdict == AUTH_CHALLENGE && x.d.qop.n == 0)
		log_failed(&x, from, "no_qop");
	if (r.verdict != AUTH_OK)
		return r;
	/*
	 * An answer with a nonce that was for somebody else is not looked at, nor counted as a guess: whoever has one
	 * could forge the source of the owner, and lock him out (G19).
	 */
	if (!nonce.here)
		return stale;

	anonymous = use == AUTH_ANONYMOUS && slice_eq(x.d.username, AUTH_NOBODY);
	/* digest.insecure = off: no password of a user is looked at outside of TLS, not even for a source address. */
	if (use == AUTH_ANONYMOUS && !anonymous && !a->settings->config.digest_insecure)
		return challenge;
	guess_key(from, x.name, &key);
	open = rate_ok(a->guesses, buf_slice(&key), loop_now_ms(a->loop));
	if (open) {
		user = anonymous ? NULL : answer_user(a, &x);
		fits = answer_fits(a, m, use, &x, user, nonce.alg) && (user != NULL || anonymous);
		if (!fits) {
			log_failed(&x, from, answer_fault(a, use, &x, user, nonce.alg));
			guessed(a, &x, from, buf_slice(&key));
		}
	}
	buf_free(&key);
	if (!open)
		return (struct auth_result){.verdict = AUTH_BUSY};
	if (!fits)
		return challenge;
	if (!nonce.fresh || is_revoked(a, user, &nonce))
		return stale;
	/* The last question, because it uses up the nonce count, or, without one, the nonce. */
	if (x.bare ? nonce_use_up(a->nonces, &nonce, now) : nonce_use(a->nonces, &nonce, x.nc, now))
		return (struct auth_result){.verdict = AUTH_OK, .user = user};
	if (use == AUTH_REGISTRAR && auth_relaxed(a, use) && !x.bare && nonce_was_used(a->nonces, &nonce, x.nc))
		return (struct auth_result){.verdict = AUTH_AGAIN, .user = user};
	return stale;
}
