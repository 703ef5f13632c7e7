#ifndef SIP_UA_TRACE_H
#define SIP_UA_TRACE_H

#include "sip/transport/transport.h"

/*
 * trace_message: writes a message to stderr for a person (-v): start line and headers, a body only as its size and
 * type, the answers to digest challenges left out. For transport_trace.
 */
void trace_message(void *arg, const struct flow *f, bool sent, struct slice octets);

#endif
