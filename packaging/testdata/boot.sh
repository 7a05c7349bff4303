# Boots a systemd on this machine as it is, on a layer above its disk ($2) that nobody else
# sees, and in a control group ($3), and has it run the package ($1): as root, in a mount
# namespace of its own. None of this machine's services is started there, and its network is a
# loopback of its own.
set -e
root=$2/merged
echo 0 > "$3/cgroup.procs"
mount -t tmpfs tmpfs /run # what systemd-nspawn keeps there goes with it
mount -t tmpfs tmpfs "$2"
mkdir "$2/upper" "$2/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$2/upper,workdir=$2/work" "$root"

# The version that comes next has another program, too.
cp "$1" "$root/godwit.deb"
dpkg-deb --raw-extract "$1" "$2/next"
sed -i 's/^Version: .*/&+next/' "$2/next/DEBIAN/control"
echo next >> "$2/next/usr/bin/godwit"
dpkg-deb -Znone --build "$2/next" "$root/next.deb" > /dev/null

: > "$root/etc/machine-id"
rm -rf "$root/etc/systemd/system/network-online.target.wants" # there is nothing to wait for
rm -f "$root/var/lib/man-db/auto-update" # which takes seconds
cat > "$root/etc/systemd/system/try.service" << 'END'
[Unit]
Requires=dbus.socket
After=dbus.socket
SuccessAction=exit-force
FailureAction=exit-force

[Service]
Type=oneshot
ExecStart=/bin/sh -e /try.sh
StandardOutput=append:/said
StandardError=append:/said
TimeoutStartSec=10min
END
cat > "$root/try.sh" << 'END'
say() { echo "== $*"; }
pid() { systemctl show --property MainPID --value godwit; }
ready() { until godwit status > /dev/null 2>&1; do sleep 0.1; done; }
# The commands of docs/operations.md find address and token by this.
export HOME=/tmp GODWIT_DATA=/var/lib/godwit

dpkg -i /godwit.deb
say installed "$(systemctl is-enabled godwit) $(systemctl is-active godwit)"
systemd-analyze verify --man=no godwit.service
systemd-analyze security --no-pager --threshold=20 godwit > /security || { cat /security; exit 1; }

systemctl enable --now godwit
ready
godwit namespace create birds
godwit put birds knot 'flies far'
say value "$(godwit get birds knot)"
say process "$(stat -c %U "/proc/$(pid)")" $(grep -E '^(NoNewPrivs|Seccomp|CapEff):' "/proc/$(pid)/status")
say directory "$(stat -c '%a %U' /var/lib/godwit)"

before=$(pid)
systemctl reload godwit
ready
say reloaded "$(($(pid) - before)) $(systemctl is-active godwit) $(godwit get birds knot)"

kill -KILL "$(pid)"
until [ "$(systemctl show --property NRestarts --value godwit)" = 1 ]; do sleep 0.1; done
ready
say killed "$(godwit get birds knot)"

dpkg -i /next.deb
ready
say upgraded "$(systemctl is-enabled godwit) $(systemctl is-active godwit) $(tail -c 5 "/proc/$(pid)/exe") $(godwit get birds knot)"

systemctl stop godwit
say stopped "$(systemctl is-active godwit) $(systemctl show --property Result --value godwit) $(ls /var/lib/godwit/CLOSED)"
dpkg -i /godwit.deb
say left "$(systemctl is-active godwit)"
systemctl start godwit
ready
journalctl --quiet --unit godwit --grep 'node is ready' > /dev/null
say secret "$(journalctl --quiet --unit godwit | grep -c -F -f /var/lib/godwit/root-token)"

dpkg -r godwit
say removed "$(systemctl is-active godwit) $(ls -d /etc/godwit/* /etc/systemd/system/*/godwit.service 2>&1 | tr '\n' ' ')"
dpkg -P godwit
say purged "$(systemctl show --property LoadState --value godwit) $(ls -d /etc/godwit /var/lib/godwit/FORMAT 2>&1 | tr '\n' ' ') $(getent passwd godwit)"
END
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
timeout 12m systemd-nspawn --quiet --directory "$root" --machine=godwit --boot --private-network --link-journal=no \
    --register=no --keep-unit --console=pipe systemd.unit=try.service < /dev/null > "$2/console" 2>&1 || { cat "$2/console"; failed=1; }
cat "$root/said"
exit "${failed:-0}"
