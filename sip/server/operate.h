#ifndef SIP_SERVER_OPERATE_H
#define SIP_SERVER_OPERATE_H

#include "sip/server/serve.h"

/*
 * What an administrator asks of the running server: status, reload and revoke by the control socket (control.h), and
 * reload by SIGHUP.
 */
struct operate;

/* operate_open: opens the control socket and handles SIGHUP. server is borrowed. false: *why is a sentence. */
MUST_USE bool operate_open(struct serve *server, struct operate **out, struct buf *why);

/* operate_close: after serve_stop, which has answered all who waited. NULL is ignored. */
void operate_close(struct operate *o);

#endif
