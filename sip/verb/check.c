#include <stdio.h>
#include <time.h>

#include "sip/report.h"
#include "sip/server/load.h"
#include "sip/verb/verbs.h"

/* vouch check: what is wrong with a configuration: all that a server refuses, and what can hardly be meant. */

struct check {
	const struct usage *usage;
	const char *file;
	bool json, dump;
	struct buf errors, warnings; /* JSON strings with commas between them */
	unsigned error_count, warning_count;
};

static const struct usage_option options[] = {
	{'c', NULL, USAGE_TEXT, true, "FILE", "the configuration, vouch.conf", offsetof(struct check, file)},
	{'\0', "dump", USAGE_FLAG, false, NULL, "print every key with its value and meaning",
	 offsetof(struct check, dump)},
	{'\0', "json", USAGE_FLAG, false, NULL, "print one JSON object", offsetof(struct check, json)},
	{0}};

/* note: an error, or a warning. Each is a line on stderr, or a string of the JSON object. */
static void note(struct check *k, bool grave, const char *sentence)
{
	struct buf *list = grave ? &k->errors : &k->warnings;

	++*(grave ? &k->error_count : &k->warning_count);
	if (!k->json)
		usage_say(k->usage, 0, "%s%s", grave ? "" : "warning: ", sentence);
	if (list->n > 0)
		buf_addc(list, ',');
	report_json(list, slice_str(sentence));
}

static void note_doubt(void *arg, const struct load_doubt *d)
{
	note(arg, d->grave, d->sentence);
}

/*
 * look: the first thing that a server refuses, since later ones may follow from it; else all doubts. Whoever checks may
 * be somebody else than who will run it.
 */
static void look(struct check *k, struct config *config)
{
	struct domain_certs *certs = domain_certs_new();
	int64_t now = (int64_t)time(NULL);
	struct load_start start;
	struct ends ends;
	struct buf why = {0};

	if (load_start(config, true, 1, now, certs, &start, &why)) {
		ends_read(&start.settings.config, now, &ends);
		load_doubts(&start.settings, &ends, now, note_doubt, k);
		ends_drop(&ends);
		if (!load_listen_allowed(&start.settings.config, &why))
			note(k, false, why.p);
		load_start_drop(&start);
	} else {
		note(k, true, why.p);
	}
	buf_free(&why);
	domain_certs_free(certs);
}

static void tell(const struct check *k, const struct buf *dump)
{
	struct buf out = {0};

	if (k->json) {
		buf_adds(&out, "{\"file\":");
		report_json(&out, slice_str(k->file));
		buf_addf(&out, ",\"fine\":%s,\"errors\":[%.*s],\"warnings\":[%.*s]}\n",
			 k->error_count == 0 ? "true" : "false", SLICE_ARG(buf_slice(&k->errors)),
			 SLICE_ARG(buf_slice(&k->warnings)));
	} else if (k->error_count == 0 && k->dump) {
		buf_add(&out, buf_slice(dump));
	} else if (k->error_count == 0) {
		buf_addf(&out, "%s is fine", k->file);
		if (k->warning_count > 0)
			buf_addf(&out, ", but for %u warning%s", k->warning_count, k->warning_count == 1 ? "" : "s");
		buf_addc(&out, '\n');
	}
	usage_print(buf_slice(&out));
	buf_free(&out);
}

static int run(const struct usage *u, int argc, char **argv)
{
	struct check k = {.usage = u};
	struct buf why = {0}, dump = {0};
	struct config config;
	int code;

	if (!usage_read(u, argc, argv, &k, NULL, &code))
		return code;
	if (k.json && k.dump)
		return usage_wrong(u, "--dump and --json cannot both be printed");
	if (config_load(k.file, NULL, &config, &why)) {
		config_dump(&config, &dump);
		look(&k, &config);
	} else {
		note(&k, true, why.p);
	}
	tell(&k, &dump);
	buf_free(&why);
	buf_free(&dump);
	buf_free(&k.errors);
	buf_free(&k.warnings);
	return k.error_count == 0 ? EXIT_DONE : EXIT_REFUSED;
}

const struct usage verb_check = {
	.verb = "check",
	.purpose = "say what is wrong with a configuration",
	.run = run,
	.options = options,
	.example = "vouch check -c site/vouch.conf",
};
