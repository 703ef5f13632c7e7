#include "sip/server/operate.h"

#include <signal.h>

#include "core/mem.h"
#include "sip/server/control.h"
#include "sip/server/status.h"

/* The commands of the control socket. */

#define NO_USER "there is no such user; \"vouch user list\" names them all\n"

struct operate {
	struct serve *server;
	struct site *site;
	struct control *control;
};

/* --- revoke --- */

static void on_revoked(void *arg, enum err e)
{
	control_answer(arg, e == ERR_OK, e == ERR_OK ? "revoked\n" : "the revocation could not be stored\n");
}

/* revoke_user: the answer follows when the revocation is durable. */
static void revoke_user(struct site *s, struct slice aor, struct asker *asker)
{
	enum err e = credentials_revoke(s->credentials, aor, on_revoked, asker);

	if (e == ERR_NOTFOUND && users_find(s->settings->users, aor) == NULL)
		control_answer(asker, false, NO_USER);
	else if (e == ERR_NOTFOUND)
		control_answer(asker, true, "there was nothing to revoke: the user has published no certificate\n");
	else if (e != ERR_OK)
		control_answer(asker, false, "busy; try again\n");
}

/* --- create --- */

static void on_created(void *arg, enum err e)
{
	control_answer(arg, e == ERR_OK,
		       e == ERR_OK ? "made; \"vouch credential\" fetches it\n" : "it could not be stored\n");
}

/* create_for: the answer follows when certificate and key are durable. */
static void create_for(struct site *s, struct slice aor, struct asker *asker)
{
	enum err e = users_find(s->settings->users, aor) == NULL
			     ? ERR_NOTFOUND
			     : credentials_create(s->credentials, aor, on_created, asker);

	switch (e) {
	case ERR_OK:
		break;
	case ERR_NOTFOUND:
		control_answer(asker, false, NO_USER);
		break;
	case ERR_EXISTS:
		control_answer(asker, false, "the user has a certificate; \"vouch revoke\" takes it back first\n");
		break;
	case ERR_UNSUPPORTED:
		control_answer(asker, false,
			       "credential.style allows no key that the server knows; expected 3 or any\n");
		break;
	default:
		control_answer(asker, false, "busy; try again\n");
	}
}

/* --- commands --- */

/* has_word: is it one of the words of text, which have one blank between them? */
static bool has_word(struct slice text, struct slice word)
{
	struct slice one;

	while (slice_cut(text, ' ', &one, &text))
		if (slice_eq(one, word))
			return true;
	return slice_eq(text, word);
}

static void on_command(void *arg, struct asker *asker, struct slice line)
{
	struct operate *o = arg;
	struct slice verb = line, rest = SLICE_NONE;
	struct buf out = {0};
	bool ok = true;

	slice_cut(line, ' ', &verb, &rest);
	if (slice_eq(verb, S("revoke"))) {
		revoke_user(o->site, rest, asker);
		return;
	}
	if (slice_eq(verb, S("create"))) {
		create_for(o->site, rest, asker);
		return;
	}
	if (slice_eq(verb, S("status"))) {
		status_write(o->server, has_word(rest, S("json")), has_word(rest, S("subscriptions")), &out);
	} else if (slice_eq(verb, S("reached"))) {
		config_reached(&o->site->settings->config, &out);
	} else if (slice_eq(verb, S("reload"))) {
		ok = serve_reload(o->server, &out);
	} else if (slice_eq(verb, S("users"))) {
		ok = serve_reload_users(o->server, &out);
	} else {
		ok = false;
		buf_adds(&out, "unknown command\n");
	}
	control_answer(asker, ok, out.p != NULL ? out.p : "");
	buf_free(&out);
}

/* SIGHUP has nobody to answer; the log says what came of it. */
static void on_hangup(void *arg)
{
	struct operate *o = arg;
	struct buf out = {0};

	serve_reload(o->server, &out);
	buf_free(&out);
}

bool operate_open(struct serve *server, struct operate **out, struct buf *why)
{
	struct operate *o = mem_alloc(sizeof(*o));
	struct site *s = serve_site(server);

	o->server = server;
	o->site = s;
	if (control_open(s->loop, s->dirfd, &s->settings->config, on_command, o, &o->control, why)) {
		if (loop_signal(s->loop, SIGHUP, on_hangup, o) == ERR_OK) {
			*out = o;
			return true;
		}
		buf_adds(why, "signals cannot be handled");
	}
	operate_close(o);
	return false;
}

void operate_close(struct operate *o)
{
	if (o == NULL)
		return;
	control_free(o->control);
	mem_free(o);
}
