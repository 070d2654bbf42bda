#!/bin/sh
# A RabbitMQ of one's own on loopback, for trying things out: its data, logs, cookie and node name are in DIR, and nothing of a
# RabbitMQ that the machine runs as a service is touched. Needs Debian's package rabbitmq-server; runs as the present user.
#
#   rabbitmq.sh start DIR PORT    returns when it takes connections; also uses PORT+1 and PORT+2 on loopback
#   rabbitmq.sh stop DIR          ends it as a service would: what is in durable queues stays in DIR
#   rabbitmq.sh kill DIR          ends it as a power cut would
set -eu

usage() { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }

# Waits until the process is gone, 30 s at most.
gone() {
    for _ in $(seq 300); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.1
    done
    return 1
}

end() {
    for name in server epmd; do
        pid=$(cat "$dir/$name.pid" 2>/dev/null) || continue
        kill "-$1" "$pid" 2>/dev/null || true
        gone "$pid" || { echo "process $pid ($name) does not end" >&2; exit 1; }
        rm -f "$dir/$name.pid"
    done
}

[ $# -ge 2 ] || usage
mkdir -p "$2"
dir=$(cd "$2" && pwd)

case $1 in
start)
    [ $# -eq 3 ] || usage
    server=/usr/lib/rabbitmq/bin/rabbitmq-server # not the wrapper in /usr/sbin, which changes to the user of the service
    [ -x $server ] || { echo "RabbitMQ is not installed: apt-get install rabbitmq-server" >&2; exit 3; }
    export RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT="$3" RABBITMQ_DIST_PORT=$(($3 + 1))
    export ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT=$(($3 + 2))
    export RABBITMQ_NODENAME="guarita$3@localhost"
    export RABBITMQ_MNESIA_BASE="$dir/data" RABBITMQ_LOG_BASE="$dir/log" RABBITMQ_PID_FILE="$dir/server.pid"
    export RABBITMQ_CONFIG_FILE="$dir/rabbitmq.conf" RABBITMQ_ENABLED_PLUGINS_FILE="$dir/plugins"
    export RABBITMQ_CONF_ENV_FILE="$dir/rabbitmq-env.conf"
    export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}"
    export HOME="$dir" # where Erlang keeps the cookie
    printf 'listeners.tcp.default = 127.0.0.1:%s\n' "$3" > "$RABBITMQ_CONFIG_FILE"
    echo '[].' > "$RABBITMQ_ENABLED_PLUGINS_FILE"
    : > "$RABBITMQ_CONF_ENV_FILE"
    rm -rf "$dir/log" "$dir/server.pid"
    # Erlang's name server. Started here, since one that the server starts by itself would outlive it.
    cd "$dir"
    epmd >> "$dir/epmd.log" 2>&1 &
    echo $! > "$dir/epmd.pid"
    setsid $server >> "$dir/server.log" 2>&1 < /dev/null &
    started=$!
    for _ in $(seq 600); do
        grep -qs 'Server startup complete' "$dir"/log/*.log && exit 0
        kill -0 $started 2>/dev/null || break
        sleep 0.1
    done
    echo "RabbitMQ does not start; see $dir/server.log" >&2
    end KILL
    exit 1
    ;;
stop) end TERM ;;
kill) end KILL ;;
*) usage ;;
esac
