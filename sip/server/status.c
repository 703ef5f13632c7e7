#include "sip/server/status.h"

#include <inttypes.h>

#include "core/secret.h"
#include "sip/message/date.h"
#include "sip/report.h"
#include "sip/version.h"

/* A list in the status. first: no element was written yet, so no comma is needed. */
struct listing {
	const struct site *site;
	struct buf *out;
	bool json, first;
};

/* --- the server --- */

static void list_listeners(const struct serve *s, bool json, struct buf *out)
{
	const struct serve_listener *list;
	unsigned count = serve_listeners(s, &list);

	for (unsigned i = 0; i < count; i++)
		buf_addf(out, json ? "%s{\"kind\":\"%s\",\"at\":\"%s\"}" : "%s  %s %s\n", json && i > 0 ? "," : "",
			 list[i].kind, peer_text(&list[i].at).text);
}

static void list_certificates(const struct serve *s, int64_t now, bool json, struct buf *out)
{
	const struct ends *ends = serve_ends(s);
	char date[DATE_SIZE];

	for (unsigned i = 0; i < ends->count; i++) {
		const struct end *e = &ends->list[i];

		if (json) {
			buf_addf(out, "%s{\"key\":\"%s\",\"file\":", i > 0 ? "," : "", e->key);
			report_json(out, slice_str(e->file));
			buf_addf(out, ",\"ends\":%" PRId64 ",\"days\":%" PRId64 "}", e->at, ends_days(e, now));
		} else {
			date_format(e->at, date);
			buf_addf(out, "  %s ", e->key);
			report_plain(out, slice_str(e->file));
			buf_addf(out, " ends %s, in %" PRId64 " days\n", date, ends_days(e, now));
		}
	}
}

static void list_server(const struct serve *s, const struct site *site, bool json, struct buf *out)
{
	int64_t now = loop_wall_s(site->loop);
	char date[DATE_SIZE];

	if (json) {
		buf_addf(out, "{\"version\":\"" VERSION "\",\"since\":%" PRId64 ",\"domain\":\"%s\",\"listeners\":[",
			 serve_since(s), site->settings->config.domain);
		list_listeners(s, json, out);
		buf_adds(out, "],\"certificates\":[");
		list_certificates(s, now, json, out);
		buf_adds(out, "],");
		return;
	}
	date_format(serve_since(s), date);
	buf_addf(out, "version " VERSION "\nsince %s\ndomain %s\nlisteners\n", date, site->settings->config.domain);
	list_listeners(s, json, out);
	buf_adds(out, "certificates\n");
	list_certificates(s, now, json, out);
}

/* --- what it has --- */

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

/* shown_json, shown_plain: what a phone has written must not steer the terminal, break the JSON, or tell a secret. */
static void shown_json(struct buf *out, struct slice text)
{
	struct buf plain = {0};

	secret_hide(text, &plain);
	report_json(out, buf_slice(&plain));
	buf_wipe(&plain);
}

static void shown_plain(struct buf *out, struct slice text)
{
	struct buf plain = {0};

	secret_hide(text, &plain);
	report_plain(out, buf_slice(&plain));
	buf_wipe(&plain);
}

static void list_binding(void *arg, const struct binding *b)
{
	struct listing *l = arg;
	uint32_t left = binding_left_s(registrar_bindings(l->site->registrar), b);

	if (l->json) {
		buf_addf(l->out, "%s{\"aor\":", l->first ? "" : ",");
		report_json(l->out, binding_aor(b));
		buf_adds(l->out, ",\"contact\":");
		shown_json(l->out, binding_uri(b));
		buf_addf(l->out, ",\"expires_in\":%u}", left);
	} else {
		buf_adds(l->out, "  ");
		report_plain(l->out, binding_aor(b));
		buf_adds(l->out, "  ");
		shown_plain(l->out, binding_uri(b));
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

static void list_counts(const struct site *s, bool json, struct buf *out)
{
	const struct proxy_identities *ids = proxy_identities(s->proxy);
	unsigned bindings = 0;

	bindings_each(registrar_bindings(s->registrar), count_binding, &bindings);
	buf_addf(out,
		 json ? "\"users\":%zu,\"connections\":%u,\"transactions\":%u,"
			"\"certificate_subscriptions\":%u,\"credential_subscriptions\":%u,\"registrations\":%u,"
			"\"identity_signed\":%llu,\"identity_verified\":%llu,\"identity_failed\":%llu"
		      : "users %zu\nconnections %u\ntransactions %u\ncertificate subscriptions %u\n"
			"credential subscriptions %u\nregistrations %u\nidentity signed %llu\nidentity verified %llu\n"
			"identity failed %llu\n",
		 users_count(s->settings->users), streams_count(s->streams), tx_count(s->transactions),
		 notifier_count(s->notifier, PACKAGE_CERTIFICATE), notifier_count(s->notifier, PACKAGE_CREDENTIAL),
		 bindings, ids->signatures, ids->verified, ids->failed);
}

/* From was written by a stranger. */
static void list_watch(void *arg, const struct notifier_watch *w)
{
	struct listing *l = arg;
	struct peer_text peer = w->peer->u.sa.sa_family == 0 ? (struct peer_text){"-"} : peer_text(w->peer);

	if (l->json) {
		buf_addf(l->out, "%s{\"package\":\"%s\",\"aor\":", l->first ? "" : ",", package_name(w->package));
		report_json(l->out, w->aor);
		buf_adds(l->out, ",\"watcher\":");
		shown_json(l->out, w->watcher);
		buf_addf(l->out, ",\"peer\":\"%s\",\"expires_in\":%" PRId64 "}", peer.text, w->left_s);
	} else {
		buf_addf(l->out, "  %s  ", package_name(w->package));
		report_plain(l->out, w->aor);
		buf_adds(l->out, "  ");
		shown_plain(l->out, w->watcher);
		buf_addf(l->out, "  %s  %" PRId64 " s\n", peer.text, w->left_s);
	}
	l->first = false;
}

void status_write(struct serve *server, bool json, bool subscriptions, struct buf *out)
{
	const struct site *s = serve_site(server);
	struct listing l = {.site = s, .out = out, .json = json, .first = true};

	list_server(server, s, json, out);
	list_counts(s, json, out);
	buf_adds(out, json ? ",\"credentials\":[" : "credentials\n");
	credential_each(s->store, list_one, &l);
	buf_adds(out, json ? "],\"contacts\":[" : "contacts\n");
	l.first = true;
	bindings_each(registrar_bindings(s->registrar), list_binding, &l);
	if (subscriptions) {
		buf_adds(out, json ? "],\"subscriptions\":[" : "subscriptions\n");
		l.first = true;
		notifier_each(s->notifier, list_watch, &l);
	}
	if (json)
		buf_adds(out, "]}\n");
}
