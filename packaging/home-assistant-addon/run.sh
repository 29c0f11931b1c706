#!/bin/sh
# Turns the options of the add-on into variables that metergate reads, and becomes metergate.
# `run.sh [OPTIONS.json [METERGATE.toml]]`; the arguments are for tests.
set -eu

options=${1:-/data/options.json}
own=${2:-/config/metergate.toml}

# A name is part of a variable's name, so it is checked again here; values are quoted for the shell.
settings=$(jq --raw-output '
    def setting($meter; $key; $value):
        select($value != null and $value != "")
        | "export METERGATE_METER__\($meter | ascii_upcase)__\($key)=\($value | tostring | @sh)";
    .meters[]?
    | .name as $name
    | if $name | test("^[a-z][a-z0-9]{0,31}$") then . else error("\($name) is no name for a meter") end
    | setting($name; "PORT"; .device // .address),
      setting($name; "MODEL"; .model),
      setting($name; "PROTOCOL"; .protocol),
      setting($name; "KEY"; .key),
      setting($name; "AUTH_KEY"; .auth_key)
' "$options")
eval "$settings"

# The log of the add-on shows one reading a minute and meter.
export METERGATE_SINK__LOG__KIND=stdout METERGATE_SINK__LOG__MIN_INTERVAL="1 min"

if [ "$(jq '.home_assistant' "$options")" = true ]; then
    # The supervisor knows the broker and gives us an account; the answer holds its password, so it is not shown.
    if service=$(curl --silent --fail --max-time 10 --header "Authorization: Bearer ${SUPERVISOR_TOKEN:-}" \
        http://supervisor/services/mqtt); then
        broker=$(printf '%s' "$service" | jq --raw-output '.data
            | "export METERGATE_SINK__HOMEASSISTANT__KIND=mqtt",
              "export METERGATE_SINK__HOMEASSISTANT__URL=\(
                  "mqtt\(if .ssl then "s" else "" end)://\(.host):\(.port)" | @sh)",
              "export METERGATE_SINK__HOMEASSISTANT__USERNAME=\(.username // "" | tostring | @sh)",
              "export METERGATE_SINK__HOMEASSISTANT__PASSWORD=\(.password // "" | tostring | @sh)"')
        eval "$broker"
    else
        echo "There is no MQTT broker: install the add-on Mosquitto broker, then restart this one." >&2
    fi
fi

set -- run
if [ -e "$own" ]; then
    set -- "$@" --config "$own"
fi
case $(jq --raw-output '.log // "normal"' "$options") in
normal) set -- "$@" -v ;;
telegrams) set -- "$@" -vv ;;
bytes) set -- "$@" -vvv ;;
esac

# From here on without root: only the groups that own serial ports, whatever their numbers on this host.
install -d -o 65532 -g 65532 -m 750 /data/metergate /tmp/metergate
groups=65532
for port in /dev/ttyUSB* /dev/ttyACM* /dev/ttyAMA* /dev/ttyS*; do
    if [ -c "$port" ]; then
        groups=$groups,$(stat -c %g "$port")
    fi
done
# A port that is plugged in later belongs to the same group as the others, or on Debian to dialout.
groups=$groups,20
unset SUPERVISOR_TOKEN HASSIO_TOKEN
export STATE_DIRECTORY=/data/metergate RUNTIME_DIRECTORY=/tmp/metergate
exec setpriv --reuid=65532 --regid=65532 --groups="$groups" --inh-caps=-all --bounding-set=-all --no-new-privs \
    metergate "$@"
