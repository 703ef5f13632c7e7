#include "sip/ua/command.h"

#include <unistd.h>

#include "core/mem.h"
#include "sip/prompt.h"
#include "store/named.h"

/* The account, the pass phrase and the agent of a verb, and what a server that refuses is told to mean. */

#define PHRASE_MAX 1024 /* octets of a pass phrase */
#define QUOTE_MAX 200   /* octets of a reason phrase or warning that are shown: the hint stands behind them */

int command_refused(const struct command *c, const char *what, const struct sip_msg *response)
{
	static const struct {
		unsigned status;
		const char *hint;
	} hints[] = {
		{401, "; is the password in the account file right?"},
		{404,
		 "; the server does not serve that domain or address, or finds no address of the domain (its log says "
		 "which)"},
		{423, "; the certificate is valid for too short a time for this server"},
		{437, "; the server does not take this certificate"},
		{503, "; try again later"},
	};
	struct slice reason = slice_sub(response->reason, 0, QUOTE_MAX);
	struct slice warning = slice_sub(msg_value(response, HDR_WARNING), 0, QUOTE_MAX);
	const char *hint = "";

	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		if (hints[i].status == response->status)
			hint = hints[i].hint;
	return usage_say(c->usage, EXIT_REFUSED, "%s: the server answered %u %.*s%s%.*s%s", what, response->status,
			 SLICE_ARG(reason), warning.n > 0 ? ", " : "", SLICE_ARG(warning), hint);
}

bool command_words(struct command *c, const struct usage *u, int argc, char **argv, int *code)
{
	*c = (struct command){.usage = u};
	return usage_read(u, argc, argv, c, c->words, code);
}

/* read_phrase: the line of the file without its line end. Blanks belong to the pass phrase. */
static bool read_phrase(struct command *c, struct buf *why)
{
	if (!named_read(c->phrase_file, true, PHRASE_MAX, &c->phrase, why))
		return false;
	while (c->phrase.n > 0 && (c->phrase.p[c->phrase.n - 1] == '\n' || c->phrase.p[c->phrase.n - 1] == '\r'))
		c->phrase.n--;
	if (c->phrase.n > 0 && slice_chr(buf_slice(&c->phrase), '\n') == c->phrase.n)
		return true;
	buf_addf(why, "%s: expected a pass phrase on one line", c->phrase_file);
	return false;
}

/* has_password: verbs for keys are always challenged, so without a password they cannot end well. */
static bool has_password(const struct command *c, bool secure, struct buf *why)
{
	if (!secure || c->account.password != NULL)
		return true;
	buf_addf(why, "%s: there is no line \"password = ...\"", c->account_file);
	return false;
}

/* phrase_is_own: FMT-16, draft 9.5: with one secret for both, the server could open the private key. */
static bool phrase_is_own(const struct command *c, struct buf *why)
{
	if (c->phrase.n == 0 || !slice_eq(buf_slice(&c->phrase), slice_str(c->account.password)))
		return true;
	buf_addf(why,
		 "the pass phrase in %s is the password of the account: choose another, or the server could read the "
		 "key",
		 c->phrase_file);
	return false;
}

bool command_open(struct command *c, bool secure, int *code)
{
	const struct agent_options o = {.secure = secure, .verbose = c->verbose};
	struct buf why = {0};
	bool ok = account_load(c->account_file, &c->account, &why) && has_password(c, secure, &why) &&
		  (c->phrase_file == NULL || read_phrase(c, &why)) && phrase_is_own(c, &why) &&
		  agent_new(&c->account, &o, &c->agent, &why);

	if (!ok)
		*code = usage_say(c->usage, EXIT_LOCAL, "%s", why.p);
	buf_free(&why);
	return ok;
}

void command_close(struct command *c)
{
	if (c->agent != NULL)
		agent_free(c->agent);
	buf_wipe(&c->phrase);
	account_free(&c->account);
}

bool command_prompt(struct command *c)
{
	char line[PHRASE_MAX];
	bool ok = isatty(STDIN_FILENO) && prompt_secret("Pass phrase of the private key: ", line, sizeof(line));

	buf_wipe(&c->phrase);
	if (ok)
		buf_adds(&c->phrase, line);
	mem_wipe(line, sizeof(line));
	return ok;
}

void command_sips(const struct command *c, struct buf *out)
{
	buf_addf(out, "sips:%s", c->account.aor + sizeof("sip:") - 1);
}

void command_aor(const struct command *c, struct buf *out)
{
	struct uri u;

	/* account_load has checked it, so neither call fails. */
	if (uri_parse(slice_str(c->account.aor), &u) != ERR_OK || uri_aor(&u, out) != ERR_OK)
		buf_clear(out);
}
