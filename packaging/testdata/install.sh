# Installs a package ($1) on this machine as it is, but on a layer above its disk ($2) that
# nobody else sees: as root, in a mount namespace of its own.
set -e
mount -t tmpfs tmpfs "$2"
mkdir "$2/upper" "$2/work" "$2/merged"
mount -t overlay overlay -o "lowerdir=/,upperdir=$2/upper,workdir=$2/work" "$2/merged"
cp "$1" "$2/merged/godwit.deb"
rm -f "$2/merged/var/lib/man-db/auto-update" # which takes seconds
exec chroot "$2/merged" sh -e << 'END'
say() { echo "== $*"; }
cd /
if getent passwd godwit; then say "there is a godwit already"; exit 1; fi
dpkg -i godwit.deb

say account "$(getent passwd godwit)"
say settings "$(stat -c '%a %U' /etc/godwit/godwit.env)"
say version "$(/usr/bin/godwit version)"
say page "$(man -w godwit-serve)"
say differs "$(dpkg -V godwit)"

mkdir -m 700 /var/lib/godwit
chown godwit: /var/lib/godwit
as_godwit="setpriv --reuid godwit --regid godwit --clear-groups"
$as_godwit godwit serve --data /var/lib/godwit --listen 127.0.0.1:0 --binding-listen 127.0.0.1:0 --ready-file /var/lib/godwit/ready &
until [ -e /var/lib/godwit/ready ]; do sleep 0.1; done
kill $!
wait $!
$as_godwit godwit fsck /var/lib/godwit
say fsck done

echo GODWIT_LOCATION=lhr >> /etc/godwit/godwit.env
dpkg -i --force-confdef godwit.deb
say kept "$(tail -n 1 /etc/godwit/godwit.env)"
dpkg -r godwit
say removed "$(ls /etc/godwit /usr/bin/godwit 2>&1 | tr '\n' ' ')"
dpkg -P godwit
say purged "$(ls -d /etc/godwit /var/lib/godwit/FORMAT 2>&1 | tr '\n' ' ')"
END
