#ifndef SIP_USAGE_H
#define SIP_USAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/slice.h"

/*
 * How a verb is used: one description, from which the command line is read, --help is written, and a wrong argument is
 * told.
 */
#define USAGE_WORDS 2     /* words that a verb takes at most, besides its options */
#define USAGE_LIST_MAX 64 /* how often an option may be given that may be given again */

/* Exit codes, as vouch(8) lists them. */
enum {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1, /* the other side refused, with a SIP status that is told; the server cannot start */
	EXIT_USAGE = 2,
	EXIT_LOCAL = 3,     /* a local error, or no answer */
	EXIT_UNTRUSTED = 4, /* a step of draft 9.3 or of RFC 4474 6 failed */
	EXIT_NOTHING = 5,   /* there is no certificate */
};

/* What follows an option, and the type of the field that gets it. */
enum usage_kind {
	USAGE_FLAG,   /* nothing; bool becomes true */
	USAGE_TEXT,   /* anything; const char * of argv */
	USAGE_CHOICE, /* one of the words of value, "a|b"; const char * of argv */
	USAGE_PORT,   /* a port with room for two more behind it; unsigned */
	USAGE_LIST,   /* anything; struct usage_list: each time it is given, one more */
};

struct usage_list {
	const char *at[USAGE_LIST_MAX]; /* of argv */
	unsigned count;
};

struct usage_option {
	char letter;      /* "-a"; '\0': it has none */
	const char *name; /* "--new", without the hyphens; NULL: it has none */
	enum usage_kind kind;
	bool needed;       /* the verb does nothing without it */
	const char *value; /* what help calls the value: "FILE"; NULL: a flag */
	const char *help;  /* half a line */
	size_t at;         /* offset of the field in the struct that usage_read fills */
};

struct usage {
	const char *verb;    /* as it is typed: "publish", "user add" */
	const char *purpose; /* half a line */
	/* run: what the verb does. argv[0] is the last word of its name. Returns the exit code of the program. */
	int (*run)(const struct usage *u, int argc, char **argv);
	const struct usage_option *options; /* the last one has neither letter nor name */
	const char
		*words[USAGE_WORDS + 1]; /* what help calls the words that must be there besides options, then NULL */
	char chosen_by; /* of two uses of one verb: the letter by which this one is meant; '\0': it is the other one */
	const char *example;
};

/*
 * usage_find: which of the uses in all (the last one NULL) the command line means, whose first word is a verb. *argc
 * and *argv are moved to the last word of its name. NULL: the user was told what is wrong, or got the help that was
 * asked for; *code is the exit code.
 */
const struct usage *usage_find(const struct usage *const *all, int *argc, char ***argv, int *code);

/*
 * usage_read: fills the fields of *into, which keep what they have when their option is not given, and words, which has
 * room for USAGE_WORDS (NULL: the verb takes none). false: the user was told which argument is wrong, or got the help
 * that was asked for; *code is the exit code.
 */
MUST_USE bool usage_read(const struct usage *u, int argc, char **argv, void *into, const char **words, int *code);

/* usage_help: writes the help for a verb, or for all that begin with the word "user". false: there is no such verb. */
bool usage_help(const struct usage *const *all, const char *verb, FILE *to);

/* usage_list: writes a line for each use. */
void usage_list(const struct usage *const *all, FILE *to);

/*
 * usage_say: writes "vouch VERB: sentence" to stderr as one line, control characters escaped. Returns code.
 * usage_wrong: the same for a wrong argument; names the help of the verb behind it, and returns EXIT_USAGE.
 */
int usage_say(const struct usage *u, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
int usage_wrong(const struct usage *u, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* usage_print: writes to standard output; what cannot be written is noticed by usage_written. */
void usage_print(struct slice text);

/*
 * usage_written: the end of each verb: writes what is left of standard output. Returns code, or EXIT_LOCAL if
 * something could not be written, which the user is told: a script must not take half an answer for a whole one.
 */
int usage_written(const char *verb, int code);

#endif
