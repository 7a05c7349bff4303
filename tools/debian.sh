#!/usr/bin/env bash
# debian.sh COMMAND...: installs the Debian packages of those commands that are missing.
set -euo pipefail

# Those whose package has another name. A package with - behind it stays out, though
# another recommends it.
declare -A packages=(
	[dbus-daemon]=dbus
	[etcd]=etcd-server
	[ip]=iproute2
	[man]=man-db
	[nginx]=nginx-light
	[promtool]='prometheus prometheus-node-exporter-'
	[script]=bsdutils
	[systemd-analyze]=systemd
	[systemd-nspawn]=systemd-container
)

missing=()
for name; do
	command -v "$name" > /dev/null || missing+=(${packages[$name]-$name})
done
((${#missing[@]})) || exit 0
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -yq "${missing[@]}"
