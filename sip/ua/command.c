#include "sip/ua/command.h"

#include <getopt.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "sip/prompt.h"
#include "store/named.h"

/* Command lines by two tables: which letter an option has, and which field of struct command it fills. */

#define PHRASE_MAX 1024 /* octets of a pass phrase */
#define QUOTE_MAX 200   /* octets of a reason phrase or warning that are shown: the hint stands behind them */

static const struct option names[] = {
	{"alg", required_argument, NULL, 'g'},
	{"at", required_argument, NULL, 't'},
	{"ca", required_argument, NULL, 'A'},
	{"cert", required_argument, NULL, 'c'},
	{"cert-only", no_argument, NULL, 'C'},
	{"hash", required_argument, NULL, 'h'},
	{"json", no_argument, NULL, 'j'},
	{"key", required_argument, NULL, 'k'},
	{"new", no_argument, NULL, 'n'},
	{"passphrase-file", required_argument, NULL, 'p'},
	{"pkcs8", required_argument, NULL, 'P'},
	{"signature", no_argument, NULL, 's'},
	{"signature-only", no_argument, NULL, 'S'},
	{"string", no_argument, NULL, 'r'},
	{"url", required_argument, NULL, 'u'},
	{"watch", no_argument, NULL, 'w'},
	{NULL, 0, NULL, 0},
};

int command_say(const struct command *c, int code, const char *fmt, ...)
{
	struct buf text = {0};
	char line[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	/* A reason phrase of a server must not steer the terminal, or look like another line. */
	report_plain(&text, slice_str(line));
	fprintf(stderr, "vouch %s: %s\n", c->form->verb, text.n > 0 ? text.p : "");
	buf_free(&text);
	return code;
}

int command_refused(const struct command *c, const char *what, const struct sip_msg *response)
{
	static const struct {
		unsigned status;
		const char *hint;
	} hints[] = {
		{401, "; is the password in the account file right?"},
		{404, "; the server does not serve that domain or address"},
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
	return command_say(c, EXIT_REFUSED, "%s: the server answered %u %.*s%s%.*s%s", what, response->status,
			   SLICE_ARG(reason), warning.n > 0 ? ", " : "", SLICE_ARG(warning), hint);
}

/* Where the value of an option goes; for flags, which bool becomes true. */
static const struct {
	int letter;
	size_t at;
} values[] =
	{
		{'a', offsetof(struct command, account_file)}, {'A', offsetof(struct command, ca)},
		{'c', offsetof(struct command, cert)},         {'g', offsetof(struct command, alg)},
		{'h', offsetof(struct command, hash)},         {'k', offsetof(struct command, key)},
		{'o', offsetof(struct command, out)},          {'p', offsetof(struct command, phrase_file)},
		{'P', offsetof(struct command, profile)},      {'t', offsetof(struct command, at)},
		{'u', offsetof(struct command, url)},
},
  flags[] = {
	  {'C', offsetof(struct command, cert_only)}, {'j', offsetof(struct command, json)},
	  {'n', offsetof(struct command, fresh)},     {'r', offsetof(struct command, string)},
	  {'s', offsetof(struct command, signature)}, {'S', offsetof(struct command, signature_only)},
	  {'v', offsetof(struct command, verbose)},   {'w', offsetof(struct command, watch)},
};

/* take: stores an option of the command line in its field. */
static void take(struct command *c, int letter, const char *value)
{
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		if (values[i].letter == letter)
			*(const char **)(void *)((char *)c + values[i].at) = value;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (flags[i].letter == letter)
			*(bool *)((char *)c + flags[i].at) = true;
}

bool command_words(struct command *c, const struct command_form *form, int argc, char **argv, int *code)
{
	bool ok = true;
	int letter;

	*c = (struct command){.form = form};
	/* getopt prints nothing: the usage line says more. A verb takes only the letters of its form. */
	opterr = 0;
	optind = 1;
	while (ok && (letter = getopt_long(argc, argv, "a:o:v", names, NULL)) != -1) {
		ok = letter != '?' && strchr(form->letters, letter) != NULL;
		if (ok)
			take(c, letter, optarg);
	}
	for (; ok && optind < argc && c->count < 2; optind++)
		c->words[c->count++] = argv[optind];
	if (ok && optind == argc && c->count == form->words &&
	    (c->account_file != NULL || strchr(form->letters, 'a') == NULL))
		return true;
	*code = command_say(c, EXIT_USAGE, "usage: vouch %s %s", form->verb, form->usage);
	return false;
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
		*code = command_say(c, EXIT_LOCAL, "%s", why.p);
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
