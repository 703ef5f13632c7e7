#include "sip/identity/verifier.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "core/list.h"
#include "core/mem.h"
#include "crypto/cert.h"
#include "sip/message/digest_string.h"
#include "sip/identity/cert_cache.h"
#include "sip/identity/identity.h"
#include "sip/identity/replay.h"

/* One request that is being checked. */
struct check {
	struct work_job job;
	struct cert_waiter waiter;
	struct list_node node; /* in verifier.decided */
	struct verifier *verifier;
	struct sip_msg *request;
	uint64_t id;
	verifier_fn done;
	void *arg;
	enum hash_alg alg;
	int64_t date_s;
	uint8_t digest[HASH_MAX];
	struct buf sig, url, der;
	struct flow source;
	bool has_source;
	int64_t now_s;       /* when the worker looks */
	struct trust *trust; /* the settings then */
	bool wildcard;
	uint32_t skew_s;
	bool looked_again; /* for another certificate at the same URL */
	bool replayed;
	/* The verdict. */
	unsigned code;
	const char *reason;
	char text[320];
};

struct verifier {
	struct verifier_deps d;
	struct cert_cache *cache;
	struct list decided; /* told by the timer, never from within verifier_check */
	struct timer *turn;
	struct replay *replay;
	unsigned checking; /* in workers */
};

static void on_turn(void *arg);

struct verifier *verifier_new(const struct verifier_deps *deps)
{
	struct verifier *v = mem_alloc(sizeof(*v));

	v->d = *deps;
	list_init(&v->decided);
	v->cache = cert_cache_new(&deps->fetch);
	v->turn = timer_new(deps->fetch.loop, on_turn, v);
	return v;
}

static void free_check(struct check *c)
{
	msg_unref(c->request);
	trust_unref(c->trust);
	buf_free(&c->sig);
	buf_free(&c->url);
	buf_free(&c->der);
	mem_free(c);
}

/* The oldest whose verdict is to be told, or NULL. */
static struct check *take_decided(struct verifier *v)
{
	struct list_node *n = list_take(&v->decided);

	return n == NULL ? NULL : LIST_ENTRY(n, struct check, node);
}

void verifier_free(struct verifier *v)
{
	struct check *c;

	if (v == NULL)
		return;
	cert_cache_free(v->cache);
	while ((c = take_decided(v)) != NULL)
		free_check(c);
	timer_free(v->turn);
	mem_free(v);
}

/* --- verdicts --- */

static void refuse(struct check *c, unsigned code, const char *reason, const char *fmt, ...) PRINTF_LIKE(4, 5);

static void refuse(struct check *c, unsigned code, const char *reason, const char *fmt, ...)
{
	va_list ap;

	c->code = code;
	c->reason = reason;
	va_start(ap, fmt);
	vsnprintf(c->text, sizeof(c->text), fmt, ap);
	va_end(ap);
}

static void tell(struct check *c)
{
	const struct verdict v = {.code = c->code, .reason = c->reason, .text = c->text, .replayed = c->replayed};

	c->done(c->arg, c->id, &v);
	free_check(c);
}

static void on_turn(void *arg)
{
	struct verifier *v = arg;
	struct check *c;

	while ((c = take_decided(v)) != NULL)
		tell(c);
}

static void tell_later(struct check *c)
{
	struct verifier *v = c->verifier;

	list_add(&v->decided, &c->node);
	timer_start(v->turn, 0);
}

/* --- all but replays, in a worker --- */

static bool signature_fits(struct check *c, const struct cert *cert)
{
	struct key *key = NULL;

	if (cert_key_kind(cert) != KEY_RSA)
		refuse(c, 437, NULL, "the domain certificate has no RSA key");
	else if (!cert_usage_allows(cert, CERT_DIGITAL_SIGNATURE))
		refuse(c, 437, NULL, "the key usage of the domain certificate does not allow signatures");
	else if (cert_public_key(cert, &key) != ERR_OK)
		refuse(c, 437, NULL, "the key of the domain certificate cannot be used");
	else if (key_verify(key, c->alg, c->digest, buf_slice(&c->sig)) != ERR_OK)
		refuse(c, 438, NULL, "the signature does not fit the message: it was changed on its way, or forged");
	key_free(key);
	return c->code == 0;
}

/* Step 4, in its order. */
static void check_date(struct check *c, const struct cert *cert)
{
	if (c->date_s < c->now_s - c->skew_s || c->date_s > c->now_s + c->skew_s)
		refuse(c, 403, "Stale Date", "Date is %lld seconds off the clock here, and %u are allowed",
		       (long long)(c->date_s - c->now_s), c->skew_s);
	else if (c->date_s < cert_not_before(cert) || c->date_s > cert_not_after(cert))
		refuse(c, 437, NULL, "Date is outside of the life of the domain certificate");
}

static void run(struct work_job *job, unsigned worker)
{
	struct check *c = (struct check *)(void *)job;
	struct slice domain = uri_domain(&c->request->from.uri);
	struct cert *cert = NULL;
	enum trust_verdict t;
	enum err e;

	(void)worker;
	e = cert_read(buf_slice(&c->der), &cert);
	if (e != ERR_OK) {
		refuse(c, e == ERR_UNSUPPORTED ? 437 : 436, NULL, "what %.*s holds is %s",
		       SLICE_ARG(buf_slice(&c->url)),
		       e == ERR_UNSUPPORTED ? "a certificate of a kind that is not taken" : "not a DER certificate");
		return;
	}
	t = trust_check(c->trust, cert, NULL, 0, c->now_s, false);
	if (t != TRUST_OK)
		refuse(c, 437, NULL, "the domain certificate cannot be trusted: %s",
		       t == TRUST_UNTRUSTED && cert_is_self_signed(cert) ? "it is self-signed" : trust_str(t));
	else if (!cert_matches_host(cert, domain, c->wildcard))
		refuse(c, 437, NULL, "the domain certificate is not for %.*s, the domain of From", SLICE_ARG(domain));
	else if (signature_fits(c, cert))
		check_date(c, cert);
	cert_free(cert);
}

/* --- replays, in the loop --- */

static void check_replay(struct check *c)
{
	const struct verifier_deps *d = &c->verifier->d;
	const struct sip_msg *m = c->request;
	const struct replay_key key = {.from = m->from.spec,
				       .domain = uri_domain(&m->from.uri),
				       .call_id = m->call_id,
				       .method = m->method_name,
				       .cseq = m->cseq};

	switch (replay_enter(d->replay, &key, loop_now_ms(d->fetch.loop), loop_wall_s(d->fetch.loop))) {
	case ERR_OK:
		break;
	case ERR_EXISTS:
		c->replayed = true;
		refuse(c, 403, "Replayed Request", "the same signed request was here before");
		break;
	default:
		refuse(c, 503, NULL,
		       "too many signed requests within two hours, of all or of this domain, to tell replays");
		break;
	}
}

/* --- the certificate --- */

static void worker_done(struct work_job *job);

static void with_certificate(struct check *c, struct slice der)
{
	struct verifier *v = c->verifier;
	const struct settings *settings = v->d.fetch.settings;

	buf_clear(&c->der);
	buf_add(&c->der, der);
	c->now_s = loop_wall_s(v->d.fetch.loop);
	trust_unref(c->trust);
	c->trust = trust_ref(settings->trust);
	c->wildcard = settings->config.identity_wildcard;
	c->skew_s = settings->config.identity_date_skew;
	c->job = (struct work_job){.run = run, .done = worker_done};
	if (v->checking < v->d.checking_max && work_submit(v->d.work, &c->job) == ERR_OK) {
		v->checking++;
		return;
	}
	refuse(c, 503, NULL, "too many signatures to check at once");
	tell_later(c);
}

static void without_certificate(struct check *c, const char *why)
{
	refuse(c, 436, NULL, "%.150s cannot be fetched: %s", c->url.p, why);
	tell_later(c);
}

static void on_certificate(struct cert_waiter *w, struct slice der, const char *why)
{
	struct check *c = (struct check *)(void *)((char *)w - offsetof(struct check, waiter));

	if (der.n > 0)
		with_certificate(c, der);
	else if (why != NULL)
		without_certificate(c, why);
	else
		free_check(c); /* the server ends */
}

static void find_certificate(struct check *c)
{
	struct slice der;
	const char *why;

	c->waiter.done = on_certificate;
	switch (cert_cache_ask(c->verifier->cache, buf_slice(&c->url), c->has_source ? &c->source : NULL, &c->waiter,
			       &der, &why)) {
	case ERR_OK:
		with_certificate(c, der);
		break;
	case ERR_AGAIN:
		break;
	case ERR_BUSY:
		refuse(c, 503, NULL, "%s", why);
		tell_later(c);
		break;
	default:
		without_certificate(c, why);
	}
}

/* The domain may have a new certificate where the cached one was: it is asked for once before the message is refused.
 */
static bool look_again(struct check *c)
{
	struct slice der;
	enum err e;

	if (c->looked_again || (c->code != 437 && c->code != 438))
		return false;
	e = cert_cache_again(c->verifier->cache, buf_slice(&c->url), buf_slice(&c->der),
			     c->has_source ? &c->source : NULL, &c->waiter, &der);
	if (e != ERR_OK && e != ERR_AGAIN)
		return false;
	c->looked_again = true;
	c->code = 0;
	c->text[0] = '\0';
	if (e == ERR_OK)
		with_certificate(c, der);
	return true;
}

static void worker_done(struct work_job *job)
{
	struct check *c = (struct check *)(void *)job;
	struct verifier *v = c->verifier;

	v->checking--;
	if (look_again(c))
		return;
	if (c->code == 0 || c->code == 403)
		cert_cache_proved(v->cache, buf_slice(&c->url), buf_slice(&c->der));
	if (c->code == 0)
		check_replay(c);
	tell(c);
}

/* --- what the message says --- */

static bool read_identity(struct check *c)
{
	enum identity_fault f = identity_read(c->request, &c->sig);

	if (f != IDENTITY_FINE)
		refuse(c, identity_fault_code(f), NULL, "%s", identity_fault_str(f));
	return f == IDENTITY_FINE;
}

static bool read_info(struct check *c)
{
	struct slice s = msg_value(c->request, HDR_IDENTITY_INFO), url, alg;
	struct fetch_url parts;

	if (s.p == NULL)
		refuse(c, 436, NULL, "there is no Identity-Info header field: no certificate to check with");
	else if (identity_info_parse(s, &url, &alg) != ERR_OK)
		refuse(c, 436, NULL, "the Identity-Info header field is malformed");
	else if (!fetch_url(url, &parts))
		refuse(c, 436, NULL, "Identity-Info names no http or https URL");
	else if (alg.n == 0)
		refuse(c, 436, NULL, "Identity-Info names no algorithm");
	else if (!identity_alg(alg, &c->alg))
		refuse(c, 437, NULL, "Identity-Info names the algorithm %.*s, which is unknown",
		       alg.n < 40 ? (int)alg.n : 40, alg.p);
	if (c->code == 0)
		buf_add(&c->url, url);
	return c->code == 0;
}

static bool read_signed(struct check *c)
{
	struct digest_string ds;

	switch (digest_string(c->request, &ds)) {
	case ERR_OK:
		break;
	case ERR_NOTFOUND:
		refuse(c, 400, "Missing Date Header Field", "there is no Date");
		return false;
	default:
		refuse(c, 400, "Bad Date Or Contact Header Field", "Date or Contact cannot be read");
		return false;
	}
	if (c->request->from.uri.scheme == URI_OTHER) {
		refuse(c, 437, NULL, "From is no SIP URI: no domain vouches for it");
		return false;
	}
	c->date_s = ds.date_s;
	hash_parts(c->alg, ds.parts, DIGEST_STRING_PARTS, c->digest);
	return true;
}

void verifier_check(struct verifier *v, struct sip_msg *m, const struct flow *source, uint64_t id, verifier_fn done,
		    void *arg)
{
	struct check *c = mem_alloc(sizeof(*c));

	c->verifier = v;
	c->request = msg_ref(m);
	c->has_source = source != NULL;
	if (source != NULL)
		c->source = *source;
	c->id = id;
	c->done = done;
	c->arg = arg;
	if (read_identity(c) && read_info(c) && read_signed(c))
		find_certificate(c);
	else
		tell_later(c);
}
