#include "sip/verb/start.h"

#include <stdio.h>
#include <unistd.h>

#include "sip/server/operate.h"
#include "sip/verb/verbs.h"

/* Running a server in the foreground, and the verb serve. */

/*
 * A program that waits for the ready line must not find more than that. What cannot be told that the server is ready
 * waits forever, so the server ends then. Ending goes in the reverse order.
 */
int start_server(const struct usage *u, struct config *config, const char *const *overrides,
		 const struct start_words *words)
{
	struct buf why = {0}, ready = {0};
	struct serve *server = NULL;
	struct operate *operate;
	int code;

	if (!serve_new(config, overrides, words->taken, &server, &why) || !operate_open(server, &operate, &why)) {
		usage_say(u, EXIT_REFUSED, "%s", why.p);
		buf_free(&why);
		if (server != NULL)
			serve_free(server);
		return EXIT_REFUSED;
	}
	serve_ready(server, &ready);
	fputs(ready.p, stdout);
	if (words->hint != NULL && isatty(STDOUT_FILENO))
		words->hint(words->arg);
	buf_free(&ready);
	code = usage_written(u->verb, EXIT_DONE);
	if (code == EXIT_DONE)
		serve_run(server);
	serve_stop(server);
	operate_close(operate);
	serve_free(server);
	return code;
}

struct serve_options {
	const char *file;
	struct usage_list overrides;
};

/* The overrides are kept: a reload applies them again. */
static int run(const struct usage *u, int argc, char **argv)
{
	const char *overrides[USAGE_LIST_MAX + 1] = {0};
	struct serve_options o = {0};
	struct buf why = {0};
	struct config config;
	int code;

	if (!usage_read(u, argc, argv, &o, NULL, &code))
		return code;
	for (unsigned i = 0; i < o.overrides.count; i++)
		overrides[i] = o.overrides.at[i];
	if (!config_load(o.file, overrides, &config, &why)) {
		usage_say(u, EXIT_REFUSED, "%s", why.p);
		buf_free(&why);
		return EXIT_REFUSED;
	}
	return start_server(u, &config, overrides,
			    &(struct start_words){.taken = "\"ss -lntup\" shows which, or name another one"});
}

static const struct usage_option options[] = {
	{'c', NULL, USAGE_TEXT, true, "FILE", "the configuration, vouch.conf", offsetof(struct serve_options, file)},
	{'o', NULL, USAGE_LIST, false, "SECTION.KEY=VALUE", "override one key of it; may be given again",
	 offsetof(struct serve_options, overrides)},
	{0}};

const struct usage verb_serve = {
	.verb = "serve",
	.purpose = "the server of a domain, in the foreground",
	.run = run,
	.options = options,
	.example = "vouch serve -c site/vouch.conf",
};
