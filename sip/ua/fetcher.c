#include "sip/ua/fetcher.h"

#include <stdio.h>
#include <string.h>

/* NOTIFYs may be checked in parallel by the verifier; subscriber_accept then takes only the newest one. */

/* --- NOTIFYs --- */

static void end(struct fetcher *f)
{
	if (f->user->over != NULL)
		f->user->over(f, f->code);
	else
		agent_finish(f->c.agent, f->code);
}

/* stays: with --watch a bad NOTIFY is told, and does not end the verb, once a good one has come. */
static bool stays(const struct fetcher *f)
{
	return f->c.watch && subscriber_began(f->subscriber);
}

static void answer(struct fetcher *f, uint64_t tx_id, const struct judgement *j, bool accepted)
{
	if (!stays(f))
		f->code = j->exit;
	subscriber_answer(f->subscriber, tx_id, j->code, j->reason, accepted);
	if (!accepted && !stays(f) && !f->over) {
		f->over = true;
		end(f);
	}
}

/* untrusted: the NOTIFY is refused, and nothing that it says counts (UAC-12). */
static void untrusted(struct fetcher *f, uint64_t tx_id, unsigned code, const char *reason, const char *text)
{
	const struct judgement j = {.code = code, .reason = reason, .exit = EXIT_UNTRUSTED};

	usage_say(f->c.usage, 0, "what came as %s %.*s is not to be trusted (%u %s): %s%s", f->user->what,
		  SLICE_ARG(buf_slice(&f->resource)), code, reason != NULL ? reason : status_phrase(code), text,
		  stays(f) ? "; nothing was changed" : "");
	answer(f, tx_id, &j, false);
}

/* from_fits: SEC-04, UAC-06: From is the URI that was asked for (RFC 3261 19.1.4). */
static bool from_fits(const struct fetcher *f, const struct sip_msg *m)
{
	struct uri asked;

	return uri_parse(buf_slice(&f->resource), &asked) == ERR_OK && uri_equal(&asked, &m->from.uri);
}

static void judge(struct fetcher *f, struct tx *tx, bool proven)
{
	struct sip_msg *m = tx_request(tx);
	struct judgement j;

	/* First, because verdicts come in any order: one that is older than an accepted one must not count. */
	if (!subscriber_accept(f->subscriber, tx))
		return;
	if (f->troubled)
		usage_say(f->c.usage, 0, "subscribed again");
	f->troubled = false;
	f->vouched_by = proven ? m->from.uri.host : SLICE_NONE;
	j = f->user->judge(f, m);
	f->vouched_by = SLICE_NONE;
	answer(f, tx_id(tx), &j, true);
	/* Nobody learns of further changes: the subscription ends, and usage_written tells why. */
	if (f->c.watch && ferror(stdout))
		subscriber_stop(f->subscriber);
}

static void on_verdict(void *arg, uint64_t tx_id, const struct verdict *v)
{
	struct fetcher *f = arg;
	struct tx *tx = tx_find(agent_transactions(f->c.agent), tx_id);

	if (tx == NULL || f->over)
		return;
	if (v->code != 0)
		untrusted(f, tx_id, v->code, v->reason, v->text);
	else
		judge(f, tx, true);
}

/*
 * on_notify: what is checked before the state counts. A credential without any Identity is accepted on the own
 * connection, whose certificate was checked; a half or wrong Identity is not.
 */
static void on_notify(void *arg, struct tx *tx)
{
	struct fetcher *f = arg;
	struct sip_msg *m = tx_request(tx);
	bool claimed = msg_value(m, HDR_IDENTITY).p != NULL || msg_value(m, HDR_IDENTITY_INFO).p != NULL;

	if (f->user->own && !agent_is_current(f->c.agent, tx))
		untrusted(f, tx_id(tx), 403, NULL, "it came by another connection");
	else if (!from_fits(f, m))
		untrusted(f, tx_id(tx), 403, "From Is Not The Subscribed Resource", "its From names somebody else");
	else if (claimed || !f->user->own)
		verifier_check(agent_verifier(f->c.agent), m, NULL, tx_id(tx), on_verdict, f);
	else
		judge(f, tx, false);
}

/* --- the subscription --- */

/* The subscription is over: refused, failed, or ended as asked. Tells which, and ends the verb. */
static void on_end(void *arg, const struct sip_msg *response, const char *why)
{
	struct fetcher *f = arg;
	struct buf what = {0};

	if (f->over)
		return;
	f->over = true;
	buf_addf(&what, "asking for %s %.*s", f->user->what, SLICE_ARG(buf_slice(&f->resource)));
	if (response != NULL)
		f->code = command_refused(&f->c, what.p, response);
	else if (why != NULL)
		f->code = usage_say(f->c.usage, EXIT_LOCAL, "%s: %s", what.p, why);
	else if (f->stopped && !f->c.watch)
		f->code = usage_say(f->c.usage, EXIT_LOCAL, "%s: interrupted by a signal", what.p);
	buf_free(&what);
	end(f);
}

static void on_trouble(void *arg, const char *why, unsigned again_s)
{
	struct fetcher *f = arg;

	f->troubled = true;
	if (again_s > 0)
		usage_say(f->c.usage, 0, "%s; trying again in %u seconds", why, again_s);
	else
		usage_say(f->c.usage, 0, "%s; subscribing again", why);
}

static const struct subscriber_user subscriber_user = {
	.on_notify = on_notify, .on_end = on_end, .on_trouble = on_trouble};

static void again(void *arg)
{
	struct fetcher *f = arg;

	f->over = false;
	subscriber_again(f->subscriber);
}

void fetcher_again(struct fetcher *f)
{
	f->over = true; /* this round is over, so that its end does not end the verb */
	loop_defer(agent_loop(f->c.agent), again, f);
}

/* --- the agent --- */

static void on_request(void *arg, struct tx *tx)
{
	struct fetcher *f = arg;

	subscriber_request(f->subscriber, tx);
}

static void on_lost(void *arg, const char *why)
{
	struct fetcher *f = arg;

	subscriber_lost(f->subscriber, why);
}

static void on_stop(void *arg)
{
	struct fetcher *f = arg;

	f->stopped = true;
	subscriber_stop(f->subscriber);
}

static const struct agent_user agent_callbacks = {.on_request = on_request, .on_lost = on_lost, .on_stop = on_stop};

bool fetcher_news(struct fetcher *f, struct slice state)
{
	uint8_t digest[HASH_MAX];
	bool news;

	hash_parts(HASH_SHA256, &state, 1, digest);
	news = !f->has_told || memcmp(digest, f->told, sizeof(digest)) != 0;
	memcpy(f->told, digest, sizeof(digest));
	f->has_told = true;
	return news;
}

void fetcher_start(struct fetcher *f)
{
	const struct subscriber_options o = {.package = f->user->package,
					     .resource = buf_slice(&f->resource),
					     .expires = f->c.watch ? f->user->expires : 0,
					     .user = &subscriber_user,
					     .arg = f};

	f->code = f->c.watch ? EXIT_DONE : EXIT_LOCAL;
	agent_user(f->c.agent, &agent_callbacks, f);
	f->subscriber = subscriber_new(f->c.agent, &o);
}

int fetcher_run(struct fetcher *f)
{
	int code;

	fetcher_start(f);
	code = agent_run(f->c.agent);
	fetcher_free(f);
	return code;
}

void fetcher_free(struct fetcher *f)
{
	if (f->subscriber != NULL)
		subscriber_free(f->subscriber);
	f->subscriber = NULL;
}
