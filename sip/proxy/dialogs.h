#ifndef SIP_PROXY_DIALOGS_H
#define SIP_PROXY_DIALOGS_H

#include "core/loop.h"
#include "sip/proxy/record_route.h"

/*
 * What this proxy remembers of dialogs besides their tokens (record_route.h): who is alive, who was answered, who is
 * where. It is of this run only; what was forgotten costs a challenge, or a copy that is not sent. dialog is the id of
 * a token; life_ms is proxy.dialog-max.
 */
struct dialogs;

struct dialogs *dialogs_new(struct loop *l);
void dialogs_free(struct dialogs *d); /* NULL is ignored */

/*
 * dialogs_lives: a request of this dialog goes on, after all that could refuse it. dialogs_is_over: a dialog ends when
 * it had no request for life_ms, since its beginning, which its token tells, or since one that is remembered. ACK and
 * BYE, which are all that most dialogs have, need no memory.
 */
void dialogs_lives(struct dialogs *d, const uint8_t dialog[RECORD_ROUTE_ID], enum method method, int64_t life_ms);
bool dialogs_is_over(const struct dialogs *d, const struct dialog_way *way, int64_t life_ms);

/*
 * dialogs_answered: the request with this token had a 2xx from where it went with it. dialogs_is_answered: did it, as
 * far as is known? Before that, whoever was called is nobody but somebody who has seen the request.
 */
void dialogs_answered(struct dialogs *d, const uint8_t dialog[RECORD_ROUTE_ID], int64_t life_ms);
bool dialogs_is_answered(const struct dialogs *d, const uint8_t dialog[RECORD_ROUTE_ID]);

/* Who begins a call: where he is, and the secret generation of the user that From names, 0 for others. */
struct caller {
	const struct flow *source;
	uint64_t secret;
};

/*
 * dialogs_invited: the INVITE m goes on; shown: its sender has shown who he is. dialogs_expects_ack: the ACK m comes
 * from the same address as such an INVITE, by whatever connection, of a user who is still the same one. An ACK cannot
 * be challenged, and repeats credentials that are used up (RFC 3261 13.2.2.4).
 */
void dialogs_invited(struct dialogs *d, const struct sip_msg *m, const struct caller *by, bool shown);
bool dialogs_expects_ack(const struct dialogs *d, const struct sip_msg *m, const struct caller *by);

/*
 * dialogs_accepted: the 2xx m to such an INVITE, of a sender who has shown who he is, goes back to him.
 * dialogs_expects_bare_ack: the ACK m goes from there to the Contact of such a 2xx, and has its tags. It has no token
 * where the phone takes a route set from nothing but the first response: Twinkle does, and linphone's 180 has no
 * Contact, so that it makes no dialog.
 */
void dialogs_accepted(struct dialogs *d, const struct sip_msg *m, const struct caller *by);
bool dialogs_expects_bare_ack(const struct dialogs *d, const struct sip_msg *m, const struct caller *by);

/*
 * dialogs_acked: the ACK m has the token of this dialog, which went to the address that the INVITE came from and to no
 * other: so whoever began the dialog is at that address, if m comes from there. dialogs_caller_is_at: is he at that
 * address?
 */
void dialogs_acked(struct dialogs *d, const uint8_t dialog[RECORD_ROUTE_ID], const struct sip_msg *m,
		   const struct caller *by, int64_t life_ms);
bool dialogs_caller_is_at(const struct dialogs *d, const uint8_t dialog[RECORD_ROUTE_ID], const struct peer *at);

#endif
