#include "sip/server/operate.h"

#include <signal.h>

#include "core/mem.h"
#include "sip/report.h"
#include "sip/server/control.h"

/* The commands of the control socket. The texts are for people and may change; the JSON form is for programs. */

struct operate {
	struct serve *server;
	struct site *site;
	struct control *control;
};

/* --- status --- */

/* A list in the status. first: no element was written yet, so no comma is needed. */
struct listing {
	struct site *site;
	struct buf *out;
	bool json, first;
};

/* Fingerprints only: neither certificate nor key leaves this way (DEP-08). */
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

/* A Contact was written by a user's phone, so it must not steer the terminal, or break the JSON. */
static void list_binding(void *arg, const struct binding *b)
{
	struct listing *l = arg;
	uint32_t left = binding_left_s(registrar_bindings(l->site->registrar), b);

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

/* bindings_count would count those that are over and not swept yet. */
static void count_binding(void *arg, const struct binding *b)
{
	(void)b;
	++*(unsigned *)arg;
}

static void status(struct site *s, bool json, struct buf *out)
{
	struct listing l = {.site = s, .out = out, .json = json, .first = true};
	const struct proxy_identities *ids = proxy_identities(s->proxy);
	unsigned bindings = 0;

	bindings_each(registrar_bindings(s->registrar), count_binding, &bindings);
	buf_addf(out,
		 json ? "{\"domain\":\"%s\",\"users\":%zu,\"connections\":%u,\"transactions\":%u,"
			"\"certificate_subscriptions\":%u,\"credential_subscriptions\":%u,\"registrations\":%u,"
			"\"identity_signed\":%llu,\"identity_verified\":%llu,\"identity_failed\":%llu,\"credentials\":["
		      : "domain %s\nusers %zu\nconnections %u\ntransactions %u\ncertificate subscriptions %u\n"
			"credential subscriptions %u\nregistrations %u\nidentity signed %llu\nidentity verified %llu\n"
			"identity failed %llu\ncredentials\n",
		 s->settings->config.domain, users_count(s->settings->users), streams_count(s->streams),
		 tx_count(s->transactions), notifier_count(s->notifier, PACKAGE_CERTIFICATE),
		 notifier_count(s->notifier, PACKAGE_CREDENTIAL), bindings, ids->signatures, ids->verified,
		 ids->failed);
	credential_each(s->store, list_one, &l);
	buf_adds(out, json ? "],\"contacts\":[" : "contacts\n");
	l.first = true;
	bindings_each(registrar_bindings(s->registrar), list_binding, &l);
	if (json)
		buf_adds(out, "]}\n");
}

/* --- revoke --- */

static void on_revoked(void *arg, enum err e)
{
	control_answer(arg, e == ERR_OK, e == ERR_OK ? "revoked\n" : "the revocation could not be stored\n");
}

/* revoke_user: the answer follows when the revocation is durable. */
static void revoke_user(struct site *s, struct slice aor, struct asker *asker)
{
	enum err e = credentials_revoke(s->credentials, aor, on_revoked, asker);

	if (e == ERR_NOTFOUND)
		control_answer(asker, true, "there was nothing to revoke\n");
	else if (e != ERR_OK)
		control_answer(asker, false, "busy; try again\n");
}

/* --- commands --- */

static void on_command(void *arg, struct asker *asker, struct slice line)
{
	struct operate *o = arg;
	struct slice verb = line, rest = SLICE_NONE;
	struct buf out = {0};
	bool ok = true;

	slice_cut(line, ' ', &verb, &rest);
	if (slice_eq(verb, S("revoke"))) {
		revoke_user(o->site, rest, asker);
		return;
	}
	if (slice_eq(verb, S("status"))) {
		status(o->site, slice_eq(rest, S("json")), &out);
	} else if (slice_eq(verb, S("reload"))) {
		ok = serve_reload(o->server, &out);
	} else if (slice_eq(verb, S("users"))) {
		ok = serve_reload_users(o->server, &out);
	} else {
		ok = false;
		buf_adds(&out, "unknown command\n");
	}
	control_answer(asker, ok, out.p != NULL ? out.p : "");
	buf_free(&out);
}

/* SIGHUP has nobody to answer; the log says what came of it. */
static void on_hangup(void *arg)
{
	struct operate *o = arg;
	struct buf out = {0};

	serve_reload(o->server, &out);
	buf_free(&out);
}

bool operate_open(struct serve *server, struct operate **out, struct buf *why)
{
	struct operate *o = mem_alloc(sizeof(*o));
	struct site *s = serve_site(server);

	o->server = server;
	o->site = s;
	if (control_open(s->loop, s->dirfd, &s->settings->config, on_command, o, &o->control, why)) {
		if (loop_signal(s->loop, SIGHUP, on_hangup, o) == ERR_OK) {
			*out = o;
			return true;
		}
		buf_adds(why, "signals cannot be handled");
	}
	operate_close(o);
	return false;
}

void operate_close(struct operate *o)
{
	if (o == NULL)
		return;
	control_free(o->control);
	mem_free(o);
}
