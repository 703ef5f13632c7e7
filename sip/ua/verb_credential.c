#include "sip/ua/own.h"
#include "sip/ua/user_verbs.h"

/* vouch credential: the user's own certificate and private key, as another device published them (draft 7.6, 7.11). */

static int run(const struct usage *u, int argc, char **argv)
{
	struct own k = {0};
	int code;

	if (!command_words(&k.f.c, u, argc, argv, &code))
		return code;
	if (command_open(&k.f.c, true, &code))
		code = own_run(&k);
	own_free(&k);
	command_close(&k.f.c);
	return code;
}

static const struct usage_option options[] = {
	COMMAND_ACCOUNT,
	COMMAND_OUT("PREFIX", "write PREFIX.crt and PREFIX.key; default: as ACCOUNT"),
	COMMAND_TEXT("passphrase-file", phrase_file, "FILE", "the pass phrase of the private key (mode 0600)"),
	COMMAND_FLAG("watch", watch, "stay, and take each change until Ctrl-C"),
	COMMAND_JSON,
	COMMAND_VERBOSE,
	{0}};

const struct usage verb_credential = {
	.verb = "credential",
	.purpose = "fetch your own certificate and private key",
	.run = run,
	.options = options,
	.example = "vouch credential -a lab/bob.account --passphrase-file phrase",
};
