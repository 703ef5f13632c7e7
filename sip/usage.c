#include "sip/usage.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "core/buf.h"
#include "sip/report.h"

/*
 * Reading command lines by the description of a verb. Words and options may stand in any order; behind "--" there are
 * words only. getopt is not used, because it does not say which argument is wrong.
 */

#define SENTENCE_MAX 2048 /* octets of a sentence that is told */
#define PORT_MAX 65533    /* two more ports follow the one that is named */
#define OPTIONS_MAX 32    /* options of a verb */
#define COLUMN 26         /* where the help of an option begins */

/* --- what is told --- */

static void say(const char *verb, const char *text, const char *hint)
{
	struct buf line = {0};

	/* A reason phrase of a server must not steer the terminal, or look like another line. */
	report_plain(&line, slice_str(text));
	fprintf(stderr, "vouch %s: %s%s", verb, line.n > 0 ? line.p : "", hint);
	if (hint[0] != '\0')
		fprintf(stderr, "%s --help\"", verb);
	fputc('\n', stderr);
	buf_free(&line);
}

int usage_say(const struct usage *u, int code, const char *fmt, ...)
{
	char text[SENTENCE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say(u->verb, text, "");
	return code;
}

int usage_wrong(const struct usage *u, const char *fmt, ...)
{
	char text[SENTENCE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say(u->verb, text, "; see \"vouch ");
	return EXIT_USAGE;
}

void usage_print(struct slice text)
{
	if (text.n > 0)
		fwrite(text.p, 1, text.n, stdout);
}

int usage_written(const char *verb, int code)
{
	bool failed = fflush(stdout) != 0;

	if (!failed && !ferror(stdout))
		return code;
	fprintf(stderr, "vouch %s: standard output cannot be written%s%s\n", verb, failed ? ": " : "",
		failed ? strerror(errno) : "");
	return EXIT_LOCAL;
}

/* --- help --- */

static bool is_last(const struct usage_option *o)
{
	return o->letter == '\0' && o->name == NULL;
}

/* add_option: "-a ACCOUNT", "--new". */
static void add_option(struct buf *out, const struct usage_option *o)
{
	if (o->letter != '\0')
		buf_addf(out, "-%c", o->letter);
	else
		buf_addf(out, "--%s", o->name);
	if (o->value != NULL)
		buf_addf(out, " %s", o->value);
}

/* line: a left half and a right half that begins in a column of its own. */
static void line(FILE *to, const char *left, const char *right)
{
	if (strlen(left) < COLUMN - 2)
		fprintf(to, "  %-*s%s\n", COLUMN - 2, left, right);
	else
		fprintf(to, "  %s\n%*s%s\n", left, COLUMN, "", right);
}

/* help: the purpose, how it is typed, a line for each option, an example, and where the rest is said. */
static void help(const struct usage *u, FILE *to)
{
	struct buf text = {0};
	bool more = false;

	buf_addf(&text, "vouch %s", u->verb);
	for (size_t i = 0; u->words[i] != NULL; i++)
		buf_addf(&text, " %s", u->words[i]);
	for (const struct usage_option *o = u->options; !is_last(o); o++) {
		if (o->needed) {
			buf_addc(&text, ' ');
			add_option(&text, o);
		}
		more = more || !o->needed;
	}
	fprintf(to, "%s%s\n    %s\n\n", text.p, more ? " [options]" : "", u->purpose);
	for (const struct usage_option *o = u->options; !is_last(o); o++) {
		buf_clear(&text);
		add_option(&text, o);
		line(to, text.p, o->help);
	}
	line(to, "-h, --help", "this text");
	fprintf(to, "\nExample: %s\nManual: vouch(8)\n", u->example);
	buf_free(&text);
}

/* is_of: is verb the name of the use, or its first word? */
static bool is_of(const struct usage *u, const char *verb)
{
	size_t n = strlen(verb);

	return strncmp(u->verb, verb, n) == 0 && (u->verb[n] == '\0' || u->verb[n] == ' ');
}

/* help_all: whole: for uses of exactly this name; otherwise for those that begin with it. Returns how many there are.
 */
static unsigned help_all(const struct usage *const *all, const char *verb, bool whole, FILE *to)
{
	unsigned found = 0;

	for (; *all != NULL; all++) {
		if (!is_of(*all, verb) || (whole && strcmp((*all)->verb, verb) != 0))
			continue;
		if (found++ > 0)
			fputc('\n', to);
		help(*all, to);
	}
	return found;
}

bool usage_help(const struct usage *const *all, const char *verb, FILE *to)
{
	if (help_all(all, verb, true, to) == 0)
		return help_all(all, verb, false, to) > 0;
	for (; *all != NULL; all++)
		if (is_of(*all, verb) && strcmp((*all)->verb, verb) != 0)
			fprintf(to, "See also: vouch %s --help\n", (*all)->verb);
	return true;
}

void usage_list(const struct usage *const *all, FILE *to)
{
	for (; *all != NULL; all++)
		fprintf(to, "  %-19s%s\n", (*all)->verb, (*all)->purpose);
}

static bool asks_help(const char *arg)
{
	return strcmp(arg, "-h") == 0 || strcmp(arg, "--help") == 0;
}

/* --- which use --- */

/* second: the word behind the first one in the name of a use; NULL: it has one word. */
static const char *second(const struct usage *u)
{
	const char *blank = strchr(u->verb, ' ');

	return blank == NULL ? NULL : blank + 1;
}

/* has_letter: is there an argument that begins with "-" and the letter? */
static bool has_letter(int argc, char **argv, char letter)
{
	for (int i = 1; i < argc; i++)
		if (argv[i][0] == '-' && argv[i][1] == letter)
			return true;
	return false;
}

/* unclear: none of the uses of a verb is meant; tells what may stand behind it. */
static void unclear(const struct usage *const *all, const char *verb, const char *given)
{
	struct buf text = {0};
	const char *comma = "";

	if (given != NULL)
		buf_addf(&text, "%s: ", given);
	buf_addf(&text, "expected one of");
	for (; *all != NULL; all++)
		if (is_of(*all, verb) && second(*all) != NULL) {
			buf_addf(&text, "%s %s", comma, second(*all));
			comma = ",";
		}
	say(verb, text.p, "; see \"vouch ");
	buf_free(&text);
}

const struct usage *usage_find(const struct usage *const *all, int *argc, char ***argv, int *code)
{
	const char *verb = (*argv)[0], *next = *argc > 1 ? (*argv)[1] : NULL;
	const struct usage *other = NULL, *chosen = NULL;
	bool known = false;

	for (size_t i = 0; all[i] != NULL; i++) {
		const struct usage *u = all[i];

		if (!is_of(u, verb))
			continue;
		known = true;
		if (second(u) != NULL && next != NULL && strcmp(second(u), next) == 0) {
			++*argv;
			--*argc;
			return u;
		}
		if (second(u) == NULL && u->chosen_by == '\0')
			other = u;
		else if (second(u) == NULL && has_letter(*argc, *argv, u->chosen_by))
			chosen = u;
	}
	*code = EXIT_USAGE;
	if (known && *argc == 2 && asks_help(next)) {
		*code = 0;
		usage_help(all, verb, stdout);
	} else if (chosen != NULL || other != NULL) {
		return chosen != NULL ? chosen : other;
	} else if (known) {
		unclear(all, verb, next);
	} else {
		fprintf(stderr, "vouch: there is no verb \"%s\"; \"vouch help\" lists them\n", verb);
	}
	return NULL;
}

/* --- reading --- */

/* What is known while a command line is read. */
struct reading {
	const struct usage *usage;
	int argc, next; /* next: the argument that is read next */
	char **argv;
	char *into;
	bool seen[OPTIONS_MAX]; /* the option was given */
	const char *words[USAGE_WORDS];
	unsigned count; /* of words */
};

/* is_choice: is value one of "a|b|c"? expected gets them as "a, b, c". */
static bool is_choice(const char *choices, const char *value, struct buf *expected)
{
	bool found = false;

	for (struct slice rest = slice_str(choices); rest.p != NULL;) {
		struct slice one = rest;

		if (!slice_cut(rest, '|', &one, &rest))
			rest = SLICE_NONE;
		buf_addf(expected, "%s%.*s", expected->n > 0 ? ", " : "", SLICE_ARG(one));
		found = found || slice_eq(one, slice_str(value));
	}
	return found;
}

/* store_choice: const char * of argv. */
static bool store_choice(struct reading *r, const struct usage_option *o, const char *given, const char *value)
{
	struct buf expected = {0};
	bool ok = is_choice(o->value, value, &expected);

	if (ok)
		*(const char **)(void *)(r->into + o->at) = value;
	else
		usage_wrong(r->usage, "%s %s: expected one of %s", given, value, expected.p);
	buf_free(&expected);
	return ok;
}

/* store: the field of an option gets its value. false: it is not of its kind; the user was told. */
static bool store(struct reading *r, const struct usage_option *o, const char *given, const char *value)
{
	void *field = r->into + o->at;
	struct usage_list *list = field;
	uint32_t port;

	switch (o->kind) {
	case USAGE_FLAG:
		*(bool *)field = true;
		return true;
	case USAGE_CHOICE:
		return store_choice(r, o, given, value);
	case USAGE_TEXT:
		*(const char **)field = value;
		return true;
	case USAGE_PORT:
		if (!slice_u32(slice_str(value), PORT_MAX, &port) || port == 0) {
			usage_wrong(r->usage, "%s %s: expected a port from 1 to %d", given, value, PORT_MAX);
			return false;
		}
		*(unsigned *)field = port;
		return true;
	case USAGE_LIST:
		if (list->count == USAGE_LIST_MAX) {
			usage_wrong(r->usage, "%s %s: it may be given %d times", given, value, USAGE_LIST_MAX);
			return false;
		}
		list->at[list->count++] = value;
		return true;
	}
	return false;
}

/*
 * take: an option was found; given: as it was typed, attached: the value in the same argument, NULL: none. false: the
 * user was told what is wrong.
 */
static bool take(struct reading *r, const struct usage_option *o, const char *given, const char *attached)
{
	const char *value = attached;

	if (is_last(o)) {
		usage_wrong(r->usage, "%s: no option of \"vouch %s\"", given, r->usage->verb);
		return false;
	}
	if (o->kind == USAGE_FLAG && attached != NULL) {
		usage_wrong(r->usage, "%s: nothing may stand behind it, but \"%s\" does", given, attached);
		return false;
	}
	/* What begins with a hyphen is the next option; as a value it stands in the argument of this one. */
	if (o->kind != USAGE_FLAG && value == NULL && r->next < r->argc &&
	    (r->argv[r->next][0] != '-' || r->argv[r->next][1] == '\0'))
		value = r->argv[r->next++];
	if (o->kind != USAGE_FLAG && value == NULL) {
		usage_wrong(r->usage, "%s: %s is missing behind it", given, o->value);
		return false;
	}
	r->seen[o - r->usage->options] = true;
	return store(r, o, given, value);
}

/* take_long: "--name" or "--name=value". */
static bool take_long(struct reading *r, const char *arg)
{
	const struct usage_option *o = r->usage->options;
	struct slice name = slice_str(arg + 2), value = SLICE_NONE;
	struct buf given = {0};
	bool ok;

	slice_cut(name, '=', &name, &value);
	while (!is_last(o) && (o->name == NULL || !slice_eq(name, slice_str(o->name))))
		o++;
	buf_addf(&given, "--%.*s", SLICE_ARG(name));
	ok = take(r, o, given.p, value.p);
	buf_free(&given);
	return ok;
}

/* take_letters: "-a value", "-avalue", or flags behind one hyphen. */
static bool take_letters(struct reading *r, const char *arg)
{
	bool ok = true;

	for (arg++; ok && *arg != '\0';) {
		const struct usage_option *o = r->usage->options;
		const char given[] = {'-', *arg++, '\0'};
		const char *attached = NULL;

		while (!is_last(o) && o->letter != given[1])
			o++;
		if (!is_last(o) && o->kind != USAGE_FLAG && *arg != '\0') {
			attached = arg;
			arg += strlen(arg);
		}
		ok = take(r, o, given, attached);
	}
	return ok;
}

/* is_complete: is everything there that the verb needs? false: the user was told what is missing. */
static bool is_complete(const struct reading *r)
{
	const char *word = r->usage->words[r->count];
	struct buf text = {0};
	bool ok = true;

	for (const struct usage_option *o = r->usage->options; ok && !is_last(o); o++) {
		if (!o->needed || r->seen[o - r->usage->options])
			continue;
		add_option(&text, o);
		usage_wrong(r->usage, "%s is missing", text.p);
		ok = false;
	}
	buf_free(&text);
	if (!ok || word == NULL)
		return ok;
	usage_wrong(r->usage, "%s is missing", word);
	return false;
}

/* take_word: a word besides the options. false: there are enough; the user was told. */
static bool take_word(struct reading *r, const char *arg)
{
	const char *const *expected = r->usage->words;

	if (expected[r->count] != NULL) {
		r->words[r->count++] = arg;
		return true;
	}
	usage_wrong(r->usage, "\"%s\" is one word too many; expected %s%s%s besides options", arg,
		    expected[0] == NULL ? "nothing" : expected[0], r->count > 1 ? " and " : "",
		    r->count > 1 ? expected[1] : "");
	return false;
}

bool usage_read(const struct usage *u, int argc, char **argv, void *into, const char **words, int *code)
{
	struct reading r = {.usage = u, .argc = argc, .next = 1, .argv = argv, .into = into};
	bool ok = true, words_only = false;

	*code = EXIT_USAGE;
	while (ok && r.next < argc) {
		const char *arg = argv[r.next++];

		if (!words_only && asks_help(arg)) {
			*code = EXIT_DONE;
			help(u, stdout);
			return false;
		}
		if (words_only || arg[0] != '-' || arg[1] == '\0')
			ok = take_word(&r, arg);
		else if (strcmp(arg, "--") == 0)
			words_only = true;
		else
			ok = arg[1] == '-' ? take_long(&r, arg) : take_letters(&r, arg);
	}
	if (!ok || !is_complete(&r))
		return false;
	if (words != NULL)
		memcpy(words, r.words, sizeof(r.words));
	return true;
}
