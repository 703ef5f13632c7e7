#include <string.h>

#include "core/log.h"
#include "core/mem.h"
#include "crypto/pkcs8.h"
#include "sip/credential/credential_private.h"
#include "sip/identity/user_cert.h"

/*
 * Credentials that the server makes for its users: style 3 (draft 3, DEP-06). The key has no pass phrase; the store
 * seals it. A turn is held from the start, so that a PUBLISH that comes meanwhile waits and has the last word.
 */

/* One credential that is being made. The worker has all of it while the job runs. */
struct making {
	struct work_job job;
	struct credentials *all;
	char *aor;
	int64_t now_s;
	struct buf cert, key; /* DER */
	enum err result;
};

static void run(struct work_job *job, unsigned worker)
{
	struct making *m = (struct making *)(void *)job;
	struct key *key = NULL;

	(void)worker;
	m->result = user_cert_make(slice_str(m->aor), m->now_s, HASH_SHA256, &key, &m->cert);
	if (m->result == ERR_OK)
		m->result = pkcs8_write(key, &m->key);
	key_free(key);
}

/* write_it: the turn ends with the write, or here when there is nothing to write. */
static enum err write_it(struct making *m, struct turn *t)
{
	struct credential_change change = {.aor = slice_str(m->aor),
					   .cert = buf_slice(&m->cert),
					   .key = buf_slice(&m->key),
					   .published = m->now_s,
					   .made_here = true};
	struct cert *cert;
	enum err e = cert_read(buf_slice(&m->cert), &cert);

	if (e != ERR_OK) {
		turn_end(t, e);
		return e;
	}
	change.not_before = cert_not_before(cert);
	change.not_after = change.expires = cert_not_after(cert);
	cert_free(cert);
	return turn_write(t, &change);
}

static void done(struct work_job *job)
{
	struct making *m = (struct making *)(void *)job;
	/* Only this job ends the turn that creator_start has begun, so it is still there. */
	struct turn *t = turn_find(m->all, slice_str(m->aor));
	enum err e = m->result;

	if (e != ERR_OK)
		turn_end(t, e);
	else
		e = write_it(m, t);
	log_line(e == ERR_OK ? LOG_INFO : LOG_ERROR, "event=cred_made aor=%s reason=%s",
		 log_esc(slice_str(m->aor)).text, log_esc(slice_str(err_str(e))).text);
	buf_free(&m->cert);
	buf_wipe(&m->key);
	mem_free(m->aor);
	mem_free(m);
}

enum err creator_start(struct credentials *all, struct slice aor, commit_fn told, void *arg)
{
	struct making *m = mem_alloc(sizeof(*m));
	struct turn *t;
	enum err e;

	*m = (struct making){.job = {.run = run, .done = done},
			     .all = all,
			     .aor = slice_dup(aor),
			     .now_s = loop_wall_s(all->d.loop)};
	e = work_submit(all->d.work, &m->job);
	/* done comes in a later turn of the loop, so the turn may begin behind work_submit. */
	if (e == ERR_OK) {
		t = turn_begin(all, aor, EFFECT_CHANGED);
		t->done = told;
		t->arg = arg;
		return ERR_OK;
	}
	mem_free(m->aor);
	mem_free(m);
	return e;
}
