#!/bin/sh
# The program as it was built: position-independent, its relocations read-only, no executable stack, no writable code, stack
# protector and fortified calls linked in, no search path, and no library but libc, mbedTLS and libevent.
bad=0
say() { echo "$*"; bad=1; }
file=${VOUCH:-vouch}
command -v readelf >/dev/null || { echo "readelf is missing (binutils)"; exit 1; }
headers=$(readelf -Wl "$file")
dynamic=$(readelf -Wd "$file")
symbols=$(readelf -W --dyn-syms "$file")
readelf -Wh "$file" | grep -q 'Type:.*DYN' || say "$file is not position-independent"
echo "$headers" | grep -q GNU_RELRO || say "$file has no read-only relocations"
echo "$dynamic" | grep -qE 'BIND_NOW|Flags:.*NOW' || say "$file binds lazily"
echo "$headers" | grep GNU_STACK | grep -q 'RWE' && say "$file has an executable stack"
echo "$headers" | grep LOAD | grep -q 'RWE' && say "$file has writable code"
echo "$dynamic" | grep -qE 'RPATH|RUNPATH' && say "$file has a search path"
for library in $(echo "$dynamic" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p'); do
	case $library in
	libc.so* | libc.musl* | ld-* | libmbed* | libevent_core* | libpthread*) ;;
	libasan* | libubsan* | libtsan* | libgcc_s* | libm.* | librt.* | libdl.*) ;; # sanitizers bring these
	*) say "$file needs $library" ;;
	esac
done
# A build under sanitizers is not fortified.
if ! echo "$dynamic$symbols" | grep -qE 'asan|tsan'; then
	echo "$symbols" | grep -q __stack_chk_fail || say "$file has no stack protector"
	echo "$symbols" | grep -q '_chk@' || say "$file has no fortified calls"
fi
exit $bad
