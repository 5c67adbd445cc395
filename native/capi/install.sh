#!/bin/sh
# Builds the C library and installs header, libraries and pkg-config file: install.sh [PREFIX]. PREFIX is /usr/local without one; DESTDIR
# and CARGO_TARGET_DIR mean what they usually do.
set -eu
prefix=${1:-/usr/local}
cd "$(dirname "$0")"
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' ../Cargo.toml)
# The number in the name of the shared library changes with DP_ABI_VERSION.
abi=$(sed -n 's/^#define DP_ABI_VERSION //p' include/dialplane.h)
${CARGO:-cargo} rustc --quiet --locked --release --package dialplane-capi --lib --crate-type staticlib,cdylib -- \
    -C "link-arg=-Wl,-soname,libdialplane.so.$abi"
built=${CARGO_TARGET_DIR:-../target}/release
to=${DESTDIR:-}$prefix
mkdir -p "$to/include" "$to/lib/pkgconfig"
install -m 644 include/dialplane.h "$to/include/dialplane.h"
install -m 644 "$built/libdialplane.a" "$to/lib/libdialplane.a"
install -m 755 "$built/libdialplane.so" "$to/lib/libdialplane.so.$abi.$version"
if command -v strip >/dev/null; then
    strip --strip-debug "$to/lib/libdialplane.a"
    strip --strip-unneeded "$to/lib/libdialplane.so.$abi.$version"
fi
ln -sf "libdialplane.so.$abi.$version" "$to/lib/libdialplane.so.$abi"
ln -sf "libdialplane.so.$abi" "$to/lib/libdialplane.so"
sed "s#@PREFIX@#$prefix#; s#@VERSION@#$version#" dialplane.pc.in >"$to/lib/pkgconfig/dialplane.pc"
echo "dialplane $version (ABI $abi) in $to"
