#include "sip/verb/admin.h"

#include <stdio.h>

#include "sip/message/uri.h"
#include "sip/report.h"
#include "sip/server/control.h"
#include "sip/verb/verbs.h"

/*
 * What the verbs of an administrator share, and those that ask the running server: status, revoke, reload,
 * credential create. They read
 * the configuration for the place of the control socket.
 */

bool admin_begin(struct admin *a, const struct usage *u, int argc, char **argv, int *code)
{
	struct buf why = {0};
	bool ok;

	*a = (struct admin){.usage = u};
	if (!usage_read(u, argc, argv, a, a->words, code))
		return false;
	ok = config_load(a->file, NULL, &a->config, &why);
	if (!ok)
		*code = usage_say(u, EXIT_REFUSED, "%s", why.p);
	buf_free(&why);
	return ok;
}

void admin_say(const struct admin *a, struct slice sentence)
{
	struct buf out = {0};

	if (a->json) {
		buf_addf(&out, "{\"event\":\"%s\",\"said\":", a->usage->verb);
		report_json(&out, sentence);
		buf_adds(&out, "}\n");
	} else {
		buf_add(&out, sentence);
		buf_addc(&out, '\n');
	}
	usage_print(buf_slice(&out));
	buf_free(&out);
}

bool admin_aor(const struct config *c, struct slice word, struct buf *aor)
{
	struct buf text = {0};
	struct uri u;
	bool ok;

	/* A colon ends a scheme, or it begins a password, which no AOR has. */
	if (slice_chr(word, ':') == word.n)
		buf_adds(&text, "sip:");
	buf_add(&text, word);
	if (slice_chr(word, ':') == word.n && slice_chr(word, '@') == word.n)
		buf_addf(&text, "@%s", c->domain);
	ok = uri_parse(buf_slice(&text), &u) == ERR_OK && uri_aor(&u, aor) == ERR_OK &&
	     slice_ieq(u.host, slice_str(c->domain));
	buf_free(&text);
	return ok;
}

/* Only the hashes are stored (RFC 7616 3.4.2), for both algorithms and both realms. */
void admin_ha1(const struct config *c, struct slice aor, struct slice password, struct ha1 *out)
{
	struct slice name = slice_sub(aor, sizeof("sip:") - 1, slice_rchr(aor, '@'));

	ha1_make(name, slice_str(c->domain), slice_str(config_credential_realm(c)), password, out);
}

/* ask: sends line to the running server and prints its answer: as it is (whole), or a sentence. Frees the
 * configuration. */
static int ask(struct admin *a, const char *line, bool whole)
{
	struct buf answer = {0};
	bool running;
	int code = EXIT_DONE;

	if (control_ask(&a->config, line, &answer, &running)) {
		if (whole || !a->json)
			usage_print(buf_slice(&answer));
		else
			admin_say(a, slice_trim(buf_slice(&answer)));
	} else {
		code = usage_say(a->usage, running ? EXIT_REFUSED : EXIT_LOCAL, "%.*s",
				 SLICE_ARG(slice_trim(buf_slice(&answer))));
	}
	buf_free(&answer);
	config_free(&a->config);
	return code;
}

static int run_status(const struct usage *u, int argc, char **argv)
{
	struct admin a;
	int code;

	if (!admin_begin(&a, u, argc, argv, &code))
		return code;
	return ask(&a,
		   a.json && a.subscriptions ? "status json subscriptions"
		   : a.json                  ? "status json"
		   : a.subscriptions         ? "status subscriptions"
					     : "status",
		   true);
}

static int run_reload(const struct usage *u, int argc, char **argv)
{
	struct admin a;
	int code;

	if (!admin_begin(&a, u, argc, argv, &code))
		return code;
	return ask(&a, "reload", false);
}

/* ask_about: the same, about the AOR that the word names. */
static int ask_about(const struct usage *u, int argc, char **argv, const char *what)
{
	struct buf aor = {0}, line = {0};
	struct admin a;
	int code;

	if (!admin_begin(&a, u, argc, argv, &code))
		return code;
	if (!admin_aor(&a.config, slice_str(a.words[0]), &aor)) {
		code = usage_say(u, EXIT_REFUSED, "%s is no address of %s", a.words[0], a.config.domain);
		config_free(&a.config);
	} else {
		buf_addf(&line, "%s %s", what, aor.p);
		code = ask(&a, line.p, false);
	}
	buf_free(&aor);
	buf_free(&line);
	return code;
}

static int run_revoke(const struct usage *u, int argc, char **argv)
{
	return ask_about(u, argc, argv, "revoke");
}

static int run_create(const struct usage *u, int argc, char **argv)
{
	return ask_about(u, argc, argv, "create");
}

static const struct usage_option status_options[] = {
	ADMIN_FILE,
	ADMIN_JSON,
	ADMIN_FLAG("subscriptions", subscriptions, "also who watches what, from where, for how long"),
	{0}};
static const struct usage_option plain_options[] = {ADMIN_FILE, ADMIN_JSON, {0}};

const struct usage verb_status = {
	.verb = "status",
	.purpose = "what the running server has",
	.run = run_status,
	.options = status_options,
	.example = "vouch status -c site/vouch.conf",
};

const struct usage verb_reload = {
	.verb = "reload",
	.purpose = "the running server reads its configuration again",
	.run = run_reload,
	.options = plain_options,
	.example = "vouch reload -c site/vouch.conf",
};

const struct usage verb_revoke_user = {
	.verb = "revoke",
	.purpose = "take the certificate of a user back, as administrator",
	.run = run_revoke,
	.options = plain_options,
	.words = {"AOR"},
	.chosen_by = 'c',
	.example = "vouch revoke sip:bob@example.com -c site/vouch.conf",
};

const struct usage verb_credential_create = {
	.verb = "credential create",
	.purpose = "make a certificate and key for a user, as administrator",
	.run = run_create,
	.options = plain_options,
	.words = {"AOR"},
	.example = "vouch credential create bob -c site/vouch.conf",
};
