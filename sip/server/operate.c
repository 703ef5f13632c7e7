#include <errno.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "sip/server/serve_private.h"
#include "sip/identity/verifier.h"
#include "sip/report.h"

/* What an administrator asks of the running server: status, reload, revoke. */

struct listing {
	struct app *app;
	struct buf *out;
	bool json, first;
};

static void list_one(void *arg, const struct credential *c)
{
	struct listing *l = arg;
	struct buf print = {0};

	if (!c->present)
		return;
	hash_fingerprint(c->sha256, sizeof(c->sha256), &print);
	if (l->json)
		buf_addf(l->out, "%s{\"aor\":\"%s\",\"expires\":%lld,\"key\":%s,\"sha256\":\"%s\"}",
			 l->first ? "" : ",", c->aor, (long long)c->expires, c->has_key ? "true" : "false", print.p);
	else
		buf_addf(l->out, "  %s  %s  %s\n", c->aor, c->has_key ? "certificate+key" : "certificate", print.p);
	l->first = false;
	buf_free(&print);
}

static void list_binding(void *arg, const struct binding *b)
{
	struct listing *l = arg;
	uint32_t left = binding_left_s(registrar_bindings(l->app->registrar), b);

	if (l->json) {
		buf_addf(l->out, "%s{\"aor\":", l->first ? "" : ",");
		report_json(l->out, binding_aor(b));
		buf_adds(l->out, ",\"contact\":");
		report_json(l->out, binding_uri(b));
		buf_addf(l->out, ",\"expires_in\":%u}", left);
	} else {
		buf_adds(l->out, "  ");
		report_plain(l->out, binding_aor(b));
		buf_adds(l->out, "  ");
		report_plain(l->out, binding_uri(b));
		buf_addf(l->out, "  %u s\n", left);
	}
	l->first = false;
}

static void count_binding(void *arg, const struct binding *b)
{
	(void)b;
	++*(unsigned *)arg;
}

void app_status(struct app *a, bool json, struct buf *out)
{
	struct listing l = {.app = a, .out = out, .json = json, .first = true};
	const struct proxy_identities *ids = proxy_identities(a->proxy);
	unsigned bindings = 0;

	bindings_each(registrar_bindings(a->registrar), count_binding, &bindings);
	buf_addf(out,
		 json ? "{\"domain\":\"%s\",\"users\":%zu,\"connections\":%u,\"transactions\":%u,"
			"\"certificate_subscriptions\":%u,\"credential_subscriptions\":%u,\"registrations\":%u,"
			"\"identity_signed\":%llu,\"identity_verified\":%llu,\"identity_failed\":%llu,\"credentials\":["
		      : "domain %s\nusers %zu\nconnections %u\ntransactions %u\ncertificate subscriptions %u\n"
			"credential subscriptions %u\nregistrations %u\nidentity signed %llu\nidentity verified %llu\n"
			"identity failed %llu\ncredentials\n",
		 a->config.domain, users_count(a->users), streams_count(a->streams), tx_count(a->transactions),
		 notifier_count(a->notifier, PACKAGE_CERTIFICATE), notifier_count(a->notifier, PACKAGE_CREDENTIAL),
		 bindings, ids->signatures, ids->verified, ids->failed);
	credential_each(a->store, list_one, &l);
	buf_adds(out, json ? "],\"contacts\":[" : "contacts\n");
	l.first = true;
	bindings_each(registrar_bindings(a->registrar), list_binding, &l);
	if (json)
		buf_adds(out, "]}\n");
}

struct comparison {
	struct app *app;
	const struct users *next;
};

static void compare_user(void *arg, const struct user *u)
{
	const struct comparison *c = arg;
	const struct user *next = users_find(c->next, slice_str(u->aor));

	if (next == NULL || strcmp(next->md5, u->md5) != 0 || strcmp(next->sha256, u->sha256) != 0)
		notifier_deactivate(c->app->notifier, slice_str(u->aor));
	if (next == NULL)
		registrar_forget(c->app->registrar, slice_str(u->aor));
	/* T-48: who is no user any more has no credential either. */
	if (next == NULL && credentials_revoke(c->app->credentials, slice_str(u->aor), NULL, NULL) == ERR_BUSY)
		log_line(LOG_WARN, "event=not_revoked aor=%s reason=busy", log_esc(slice_str(u->aor)).text);
}

/* The list in the store. NULL: it is damaged or gone, and who is missing in it must not lose a credential for that. */
static struct users *read_users(const struct app *a, struct buf *why)
{
	struct users *next = users_new();
	enum err e = users_load(next, a->dirfd);

	if (e == ERR_OK || (e == ERR_NOTFOUND && users_count(a->users) == 0))
		return next;
	buf_addf(why, "the users cannot be read: %s; the old ones stay",
		 e == ERR_SYNTAX ? "the file has damaged lines, which the log names" : strerror(errno));
	users_free(next);
	return NULL;
}

static void take_users(struct app *a, struct users *next, struct buf *out)
{
	struct users *old = a->users;
	struct comparison c = {.app = a, .next = next};

	auth_users(a->auth, next);
	a->users = next;
	users_each(old, compare_user, &c);
	users_free(old);
	buf_addf(out, "%zu users\n", users_count(next));
}

bool app_reload_users(struct app *a, struct buf *out)
{
	struct users *next = read_users(a, out);

	if (next == NULL)
		buf_addc(out, '\n');
	else
		take_users(a, next, out);
	return next != NULL;
}

/* What is looked up when it is needed changes at once; the domain's text is borrowed by others and stays where it is.
 */
static void take_settings(struct app *a, struct config *next)
{
	struct config old = a->config;
	char *domain = next->domain;
	struct buf why = {0};

	next->domain = old.domain;
	old.domain = domain;
	a->config = *next;
	*next = old;
	log_set((enum log_level)a->config.log_level);
	signer_alg(a->signer, a->config.identity_alg == ALG_RSA_SHA1 ? HASH_SHA1 : HASH_SHA256);
	if (!app_fetch_rules(a, &why)) /* load_rules has looked */
		log_line(LOG_ERROR, "event=not_reloaded reason=%s", log_esc(buf_slice(&why)).text);
	buf_free(&why);
}

static void drop_tls(struct tls_pair *tls)
{
	tls_config_unref(tls->server);
	tls_config_unref(tls->client);
}

/* New connections use the new certificates; who listens with TLS goes on with the old ones when there are none. */
static void take_tls(struct app *a, struct tls_pair *next, struct trust *trust)
{
	struct tls_pair old = {a->server_tls, a->client_tls};

	notifier_tls(a->notifier, next->client);
	proxy_tls(a->proxy, next->client);
	verifier_reload(a->verifier, next->client, trust, a->config.identity_date_skew, a->config.identity_wildcard);
	a->client_tls = next->client;
	trust_unref(a->trust);
	a->trust = trust_ref(trust);
	if (next->server != NULL) {
		transport_tls(a->transport, next->server);
		for (unsigned i = 0; i < a->web_tls_count; i++)
			stream_listener_config(a->web_tls[i], next->server);
		a->server_tls = next->server;
	} else {
		old.server = NULL;
	}
	drop_tls(&old);
}

/* Users, certificates, and all settings but listeners, store and limits, which need a restart. A wrong file changes
 * nothing. */
bool app_reload(struct app *a, struct buf *out)
{
	struct buf why = {0}, base = {0};
	struct tls_pair tls = {0};
	int64_t now = loop_wall_s(a->loop);
	struct users *users = NULL;
	struct trust *trust = NULL;
	struct config next;
	bool ok = config_load(a->config.file, a->overrides, &next, &why);

	if (ok && !load_rules(&next, &why)) {
		config_free(&next);
		ok = false;
	}
	if (ok && strcmp(next.domain, a->config.domain) != 0) {
		buf_adds(&why, "server.domain cannot change while the server runs; restart it");
		config_free(&next);
		ok = false;
	}
	if (ok) {
		users = read_users(a, &why);
		load_identity_base(&next, &base);
		ok = users != NULL && load_trust(&next, &trust, &why) &&
		     load_tls(&next, trust, a->workers, now, &tls, &why) &&
		     load_identity(&next, base.p, a->workers, now, a->certs, &why);
		if (ok) {
			const struct resolver_options names = app_resolver_options(a, &next);

			resolver_reload(a->resolver, &names);
			take_settings(a, &next);
		}
		config_free(&next);
	}
	if (ok)
		take_tls(a, &tls, trust);
	else
		drop_tls(&tls);
	trust_unref(trust);
	if (ok)
		take_users(a, users, out);
	else
		buf_addf(out, "not reloaded: %s\n", why.p);
	if (!ok)
		users_free(users);
	log_line(ok ? LOG_INFO : LOG_ERROR, "event=reload ok=%d reason=%s", ok, log_esc(buf_slice(&why)).text);
	buf_free(&why);
	buf_free(&base);
	return ok;
}

struct revoking {
	app_done_fn done;
	void *arg;
};

static void on_revoked(void *arg, enum err e)
{
	struct revoking *r = arg;

	r->done(r->arg, e == ERR_OK, e == ERR_OK ? "revoked\n" : "the revocation could not be stored\n");
	mem_free(r);
}

void app_revoke(struct app *a, struct slice aor, app_done_fn done, void *arg)
{
	struct revoking *r = mem_alloc(sizeof(*r));
	enum err e;

	*r = (struct revoking){done, arg};
	e = credentials_revoke(a->credentials, aor, on_revoked, r);
	if (e == ERR_OK)
		return;
	mem_free(r);
	done(arg, e == ERR_NOTFOUND, e == ERR_NOTFOUND ? "there was nothing to revoke\n" : "busy; try again\n");
}
