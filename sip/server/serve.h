#ifndef SIP_SERVER_SERVE_H
#define SIP_SERVER_SERVE_H

#include "sip/config.h"

/* The running server: everything hangs off struct app, see serve_private.h. */
struct app;

/*
 * app_new: reads, checks, binds; nothing is left half-started when it fails, and *why is one sentence. config becomes
 * the app's. overrides: for reloading.
 */
MUST_USE bool app_new(struct config *config, const char *const *overrides, struct app **out, struct buf *why);

/* app_ready: appends the ready line with the real ports. app_run: until SIGTERM or SIGINT. app_free: ends in good
 * order. */
void app_ready(const struct app *a, struct buf *out);
void app_run(struct app *a);
void app_free(struct app *a);

/* What the control socket may ask; answers are text for the caller's terminal. */
void app_status(struct app *a, bool json, struct buf *out);
bool app_reload(struct app *a, struct buf *out);
bool app_reload_users(struct app *a, struct buf *out);

/* app_revoke: done(arg, ok, text) later or at once. */
typedef void (*app_done_fn)(void *arg, bool ok, const char *text);
void app_revoke(struct app *a, struct slice aor, app_done_fn done, void *arg);

struct loop *app_loop(struct app *a);
int app_dirfd(const struct app *a);

#endif
