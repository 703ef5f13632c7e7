"""Runs Kamailio as the proxy and registrar of a domain: UDP and TCP on one port, TLS on the next."""

import glob

from others.program import Program, address
from peer import lab as program
from peer.lab import free_ports

TLS = glob.glob("/usr/lib/*/kamailio/modules/tls.so") + glob.glob("/usr/lib*/kamailio/modules/tls.so")
CONFIGURATION = """#!KAMAILIO
debug=2
log_stderror=yes
children=2
tcp_children=2
auto_aliases=no
alias="{domain}"
dns=no
rev_dns=no
enable_tls=yes
listen=udp:{address}:{port}
listen=tcp:{address}:{port}
listen=tls:{address}:{tls}
loadmodule "tls.so"
loadmodule "kex.so"
loadmodule "corex.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xlog.so"
loadmodule "auth.so"
modparam("tls", "tls_method", "TLSv1.2+")
modparam("tls", "certificate", "{certificate}")
modparam("tls", "private_key", "{key}")
modparam("tls", "ca_list", "{ca}")
modparam("tls", "verify_certificate", 1)
modparam("tls", "require_certificate", 1)
modparam("rr", "enable_full_lr", 1)

request_route {{
	xlog("L_WARN", "came $rm $ru from $fu by $proto $si:$sp\\n");
	xlog("L_WARN", "with <$hdr(Authorization)> <$hdr(Proxy-Authorization)>\\n");
	if (!mf_process_maxfwd_header("70")) {{
		sl_send_reply("483", "Too Many Hops");
		exit;
	}}
	if (is_method("CANCEL")) {{
		if (t_check_trans())
			route(RELAY);
		exit;
	}}
	if (!is_method("ACK"))
		t_check_trans();
	if (has_totag()) {{
		if (loose_route())
			route(RELAY);
		else if (is_method("ACK") && t_check_trans())
			t_relay();
		else if (!is_method("ACK"))
			sl_send_reply("481", "No Such Dialog");
		exit;
	}}
	remove_hf("Route");
	if (is_method("INVITE|SUBSCRIBE|REFER"))
		{record_route};
	if (is_method("REGISTER")) {{
		if (!save("location"))
			sl_reply_error();
		exit;
	}}
{challenges}
	if ($rd == "{domain}") {{
		if (!lookup("location")) {{
			sl_send_reply("404", "Not Found");
			exit;
		}}
	}}
	route(RELAY);
}}

# Where other domains are, whatever the DNS says: by the Request-URI, or by what loose_route found in Route.
route[RELAY] {{
{others}
	if (!t_relay())
		sl_reply_error();
	exit;
}}
"""
OTHER = """	if (($du == $null && $rd == "{name}") || $dd == "{name}")
		$du = "sip:{address}:{port};transport={transport}";"""
PASSWORD = "open sesame"
CHALLENGE = """	if ($rU == "{user}") {{
		if (pv_{kind}_authenticate("{realm}", "{password}", "0"))
			sl_send_reply("200", "Known");
		else
			{kind}_challenge("{realm}", "1");
		exit;
	}}"""


class Kamailio(Program):
    """`others` says where domains are: {name: (transport, port) or (transport, port, address)}; `names` what else
    its certificate has. `ca` is trusted, and `directory` has the CA that makes its certificate. `named`: Record-Route has the
    domain, not the address. `asks`: for whom it wants a password: {user: (401 or 407, realm)}; it is the one that
    others.kamailio.PASSWORD says. `at` is its host, where it has the usual ports."""

    def __init__(self, folder, domain, others, directory, ca, names=(), named=False, asks=(), at=None):
        self.port, self.domain, self.ca = 5060 if at else free_ports(4), domain, ca
        certificate, key = program.domain_certificate(directory, domain, f"sip:{domain}", f"DNS:{domain}",
                                                      *(f"sip:{name}" for name in names))
        path = folder / "kamailio.cfg"
        path.write_text(CONFIGURATION.format(
            domain=domain, address=address(at), port=self.port, tls=self.port + 1,
            certificate=certificate, key=key, ca=ca,
            record_route=f'record_route_advertised_address("{domain}:{self.port + 1}")' if named else "record_route()",
            challenges="\n".join(CHALLENGE.format(user=user, password=PASSWORD, realm=asks[user][1],
                                                  kind={401: "www", 407: "proxy"}[asks[user][0]]) for user in asks),
            others="\n".join(OTHER.format(name=name, transport=where[0], port=where[1], address=(*where, "127.0.0.1")[2])
                             for name, where in others.items())))
        super().__init__(folder, "kamailio", "kamailio", "-f", path, "-DD", "-E", "-m", 32, "-M", 4, "-Y", folder, "-w", folder,
                         at=at)
