# shellcheck shell=bash disable=SC2154
# The upstream and the proxies before it, as proxy measures them: writes their settings into $work and starts them.
# Each gets its ${address[NAME]}, and ${held_address[NAME]} that leads to the upstream that does not answer.

# One worker for each, measured: with two, they and the load generator are in each other's way on two cores.
nginx_workers=${NGINX_WORKERS:-1}
upstream_workers=${UPSTREAM_WORKERS:-1}
envoy_workers=${ENVOY_WORKERS:-2}
refusal='{"status":"error","errorType":"throttle-proxy","error":"congestion window closed, backoff from backpressure"}'

nginx_settings() { # NAME WORKERS, and the body of http on stdin
  local folder=$work/$1 part
  mkdir "$folder"
  {
    # Its workers write below $work, which is root's where root runs this.
    [ "$(id -u)" -ne 0 ] || echo 'user root;'
    echo "daemon off; worker_processes $2; pid $folder/pid; error_log stderr warn; worker_rlimit_nofile $(ulimit -n);"
    echo 'events { worker_connections 16384; multi_accept on; }'
    echo 'http {'
    echo '  access_log off; keepalive_timeout 1h; keepalive_requests 1000000000; default_type text/plain;'
    for part in client_body proxy fastcgi uwsgi scgi; do echo "  ${part}_temp_path $folder/$part;"; done
    cat
    echo '}'
  } >"$folder/nginx.conf"
}

await_answer() { # NAME URL
  local tries
  for ((tries = 0; tries < 100; tries++)); do
    kill -0 "${pid[$1]}" 2>/dev/null || fail "$1 ended"
    [[ $(curl -s -o /dev/null -w '%{http_code}' "$2") == 200 ]] && return
    sleep 0.1
  done
  fail "$1 does not answer $2 with 200"
}

# It also stands in for the Prometheus that is asked for the signal: all is well.
start_upstream() {
  nginx_settings upstream "$upstream_workers" <<CONF
  server {
    listen $upstream backlog=4096;
    location / { return 200 '$text'; }
    location = /api/v1/query {
      default_type application/json;
      return 200 '{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[0,"0"]}]}}';
    }
  }
CONF
  start direct nginx -e stderr -c "$work/upstream/nginx.conf"
  address[direct]=$upstream
  await_answer direct "http://$upstream/"
}

start_nginx() {
  address[nginx]=127.0.0.1:${ports[3]}
  held_address[nginx]=${address[nginx]}
  nginx_settings nginx "$nginx_workers" <<CONF
  upstream backend { server $upstream; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 1h; }
  upstream held { server $held_upstream; }
  server {
    listen ${address[nginx]} backlog=4096;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    location / { proxy_pass http://backend; }
    location = /held { proxy_pass http://held; proxy_read_timeout 1h; }
  }
CONF
  start nginx nginx -e stderr -c "$work/nginx/nginx.conf"
  await_answer nginx "http://${address[nginx]}/"
}

envoy_cluster() { # NAME HOST:PORT
  cat <<CONF
  - name: $1
    type: STATIC
    connect_timeout: 5s
    circuit_breakers: {thresholds: [{max_connections: 100000, max_pending_requests: 100000, max_requests: 100000}]}
    load_assignment:
      cluster_name: $1
      endpoints:
      - lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: ${2##*:}}}}}]
CONF
}

# envoy_listener NAME PORT CLUSTER, and its filters before the router on stdin
envoy_listener() {
  cat <<CONF
  - name: $1
    address: {socket_address: {address: 127.0.0.1, port_value: $2}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: $1
          codec_type: HTTP1
          route_config:
            virtual_hosts:
            - {name: all, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: $3, timeout: 0s}}]}
          http_filters:
$(cat)
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
CONF
}

# Its limit cannot fall below what the load has in flight: what is measured is what asking it costs. The held requests
# have a listener without it, since their latency is no latency.
start_envoy() {
  address[envoy]=127.0.0.1:${ports[4]}
  held_address[envoy]=127.0.0.1:${ports[5]}
  {
    echo 'static_resources:'
    echo '  clusters:'
    envoy_cluster backend "$upstream"
    envoy_cluster held "$held_upstream"
    echo '  listeners:'
    envoy_listener limited "${address[envoy]##*:}" backend <<CONF
          - name: envoy.filters.http.adaptive_concurrency
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency
              gradient_controller_config:
                sample_aggregate_percentile: {value: 50}
                concurrency_limit_params: {max_concurrency_limit: 1000, concurrency_update_interval: 0.1s}
                min_rtt_calc_params: {interval: 60s, request_count: 50, min_concurrency: $((connections * 2))}
CONF
    envoy_listener held "${held_address[envoy]##*:}" held </dev/null
  } >"$work/envoy.yaml"
  # Without --base-id two Envoys on one machine would share memory.
  start envoy "$envoy" -c "$work/envoy.yaml" --concurrency "$envoy_workers" --use-dynamic-base-id --log-level warning
  await_answer envoy "http://${address[envoy]}/"
}

# ours_policy NAME PORT UPSTREAM WIDTH
ours_policy() {
  cat <<CONF
---
apiVersion: wicketgate.dev/v1alpha1
kind: BackpressurePolicy
metadata: {name: $1}
spec:
  clusterRef: {name: bench}
  listener: {port: $2}
  upstream: {url: http://$3, maxConnections: 4096}
  window: {min: $4, max: $4}
  signals:
    - {name: load, query: load, warning: 1, emergency: 2}
  prometheus: {url: http://$upstream}
  timeouts: {idle: 0s}
CONF
}

# Three policies of one process: the one whose window is never full, one before the upstream that does not answer, and
# one whose window a single request fills, for refusals.
start_ours() {
  address[ours]=127.0.0.1:${ports[6]}
  address[closed]=127.0.0.1:${ports[7]}
  held_address[ours]=127.0.0.1:${ports[8]}
  {
    echo '{apiVersion: wicketgate.dev/v1alpha1, kind: RateLimitCluster, metadata: {name: bench}, spec: {replicas: 1}}'
    ours_policy open "${address[ours]##*:}" "$upstream" 1000
    ours_policy held "${held_address[ours]##*:}" "$held_upstream" "$((held + 100))"
    ours_policy closed "${address[closed]##*:}" "$closed_upstream" 1
  } >"$work/ours.yaml"
  start ours "$binaries/wicketgated" standalone -f "$work/ours.yaml" --no-watch \
    --http-address 127.0.0.1:0 --grpc-address 127.0.0.1:0
  await_answer ours "http://${address[ours]}/"
}

start_upstream
[[ $wanted == *" direct "* ]] || names=()
if [[ $wanted == *" nginx "* ]]; then
  start_nginx
  names+=(nginx)
fi
if [[ $wanted == *" envoy "* && -n $envoy ]]; then
  start_envoy
  names+=(envoy)
fi
if [ -n "${PEER_HTTP:-}" ]; then
  address[peer]=$PEER_HTTP
  names+=(peer)
fi
if [[ $wanted == *" ours "* ]]; then
  start_ours
  names+=(ours)
fi
