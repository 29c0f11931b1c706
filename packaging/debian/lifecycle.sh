#!/bin/sh
# The life of the package on a copy of this machine that is thrown away: installed, its service run as its user,
# upgraded, removed, purged.
#
#   unshare --mount --pid --fork lifecycle.sh FIRST.deb SECOND.deb RESULTS
#
# SECOND has a higher version. The copy is an overlay over / in memory, so it needs root and a Debian, and changes
# nothing. What the daemon asked the kernel for is left in RESULTS/calls, if strace is there.
set -eu

first=$1 second=$2 results=$3
step() { echo "- $*"; }
fail() {
    echo "lifecycle: $*" >&2
    exit 1
}

scratch=$results/scratch
mkdir -p "$scratch"
mount -t tmpfs tmpfs "$scratch"
changes=$scratch/changes world=$scratch/world
mkdir "$changes" "$scratch/work" "$world"
mount -t overlay overlay -o "lowerdir=/,upperdir=$changes,workdir=$scratch/work" "$world"
mount -t proc proc "$world/proc"
mount --rbind /dev "$world/dev"
# Without /run/systemd nobody talks to the manager of this machine.
mount -t tmpfs tmpfs "$world/run"
mount -t tmpfs tmpfs "$world/tmp"
cp "$first" "$world/tmp/first.deb"
cp "$second" "$world/tmp/second.deb"
inside() { chroot "$world" "$@"; }
install_package() { inside env DEBIAN_FRONTEND=noninteractive dpkg --install "$1" </dev/null; }

config=/etc/metergate/metergate.toml
secrets=/etc/metergate/metergate.secrets.toml
key=000102030405060708090A0B0C0D0E0F

# Runs the command of the installed unit with what systemd would have prepared: user, groups, folders, no privilege.
run_service() {
    command=$(sed -n 's/^ExecStart=//p' "$world/lib/systemd/system/metergate.service")
    inside install -d -o metergate -g metergate -m 750 /var/lib/metergate /run/metergate
    trace=
    if command -v strace >/dev/null; then
        trace="strace -f -qq -o /tmp/calls -e signal=none"
    fi
    # The command is words, as systemd would split it.
    # shellcheck disable=SC2086
    inside env -i PATH=/usr/bin:/bin STATE_DIRECTORY=/var/lib/metergate RUNTIME_DIRECTORY=/run/metergate \
        setpriv --reuid=metergate --regid=metergate --init-groups --inh-caps=-all --bounding-set=-all \
        --no-new-privs $trace $command >"$scratch/readings" 2>"$scratch/log" ||
        fail "the service ended with $?: $(cat "$scratch/log")"
    if [ -n "$trace" ]; then
        cat "$world/tmp/calls" >>"$results/calls"
    fi
}

imports() { grep -o '"obis":"1-0:1.8.0\*255"[^}]*"value":"[^"]*"' "$1" | sed 's/.*"value"//'; }

# The last three telegrams of the meter were read, and the file of the sink has this many lines.
check_readings() {
    imports "$world/tmp/truth" | tail -n 3 >"$scratch/sent"
    imports "$scratch/readings" >"$scratch/read"
    [ "$(wc -l <"$scratch/sent")" = 3 ] || fail "the simulated meter sent $(cat "$scratch/sent")"
    cmp "$scratch/sent" "$scratch/read" || fail "the service read something else: $(cat "$scratch/log")"
    [ "$(cat "$world"/var/lib/metergate/csv/*.CSV | grep -c '^[0-3]')" = "$1" ] ||
        fail "not $1 lines in $(ls "$world/var/lib/metergate/csv")"
}

step "install"
install_package /tmp/first.deb
inside id -nG metergate | grep -q dialout ||
    fail "the user is not in dialout"
[ "$(inside stat -c '%U:%G %a' "$secrets")" = "root:metergate 640" ] || fail "rights of $secrets"
inside metergate check-config 2>&1 | grep -q 'there is no meter' || fail "an empty configuration is not explained"
# Its example holds once the marks of comments are gone.
sed 's/^# \(\[\|[a-z_]* = \)/\1/' "$world$config" >"$world/tmp/example.toml"
inside env STATE_DIRECTORY=/var/lib/metergate metergate check-config --config /tmp/example.toml |
    grep '^ok: 1 meter, 3 sinks' || fail "the example in $config is wrong"

step "run as the service user, with a meter, its key and two sinks"
inside metergate simulate kaifa --count 3 --key "$key" --out /tmp/meter.bin --truth /tmp/truth
cat >>"$world$config" <<END
[default.meter.house]
port = "file:/tmp/meter.bin"
[default.sink.screen]
kind = "stdout"
format = "json"
[default.sink.archive]
kind = "csv"
directory = "/var/lib/metergate/csv"
END
printf '[default.meter.house]\nkey = "%s"\n' "$key" >>"$world$secrets"
run_service
check_readings 3

step "upgrade, without a question, keeping the edited configuration, keys and state"
before=$(cksum "$world$config" "$world$secrets")
install_package /tmp/second.deb
[ "$(cksum "$world$config" "$world$secrets")" = "$before" ] || fail "the upgrade touched the configuration"
# The first three telegrams again, which the counter that was kept refuses, and three new ones.
inside metergate simulate kaifa --count 6 --key "$key" --out /tmp/meter.bin --truth /tmp/truth
run_service
check_readings 6

step "remove, keeping configuration and state"
inside dpkg --remove metergate
[ ! -e "$world/usr/bin/metergate" ] || fail "the program is still there"
[ -e "$world$config" ] && [ -e "$world$secrets" ] && [ -d "$world/var/lib/metergate" ] ||
    fail "removing lost configuration or state"

purge() {
    inside dpkg --purge metergate
    left=$(cd "$changes" && find . -path '*metergate*')
    [ -z "$left" ] || fail "the purge left $left"
}
step "purge"
mkdir -p "$world/etc/systemd/system/multi-user.target.wants"
ln -s /lib/systemd/system/metergate@.service "$world/etc/systemd/system/multi-user.target.wants/metergate@t210.service"
purge

if inside sh -c 'command -v adduser' >/dev/null; then
    step "install and purge where systemd-sysusers is missing"
    inside userdel metergate
    rm -f "$world/usr/bin/systemd-sysusers" "$world/bin/systemd-sysusers"
    install_package /tmp/first.deb
    inside id -nG metergate | grep -q dialout || fail "adduser made another user"
    purge
fi
step "nothing is left but the user"
