# shellcheck shell=bash
# Where things of the test cluster are and how its scripts talk; sourced by each of them.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
checkout=$(cd "$here/../.." && pwd)
absolute() { case $1 in /*) echo "$1" ;; *) echo "$PWD/$1" ;; esac; }
cache=$(absolute "${WICKETGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/wicketgate}")
state=$(absolute "${WICKETGATE_STATE:-$cache/testbed}")
kube=$cache/kube/kube   # etcd, every part of Kubernetes, CoreDNS and kubectl
pause=$cache/kube/pause # the program that holds a pod's namespaces
kubeconfig=$state/admin.conf

# The machine has room for one test cluster: these names and ranges are its own. 198.18.0.0/15 is set aside for
# tests by RFC 2544, so that it hides no network that the machine can reach.
netns=wicketgate
link=wicketgate0
host_ip=198.18.0.1 node_ip=198.18.0.2
nodes=198.18.0.0/24 pods=198.18.1.0/24 services=198.19.0.0/16
api_service=198.19.0.1
node=testbed
cgroup=wicketgate-testbed
socket=$state/containerd.sock
# Who started the cluster that runs on this machine: lines of key=value, gone with the cluster or at reboot.
owner=/run/wicketgate-testbed

parts=(containerd etcd kube-apiserver kube-controller-manager kube-scheduler coredns kubelet kube-proxy)

say() { echo "testbed: $*"; }
fail() {
  local code=$1
  shift
  echo "testbed: $*" >&2
  exit "$code"
}

# in_ns COMMAND...: in the node's network. Not `ip netns exec`: that mounts /sys anew and hides the cgroups.
in_ns() { nsenter --net="/run/netns/$netns" "$@"; }
kubectl() { NO_PROXY='*' no_proxy='*' "$kube" kubectl --kubeconfig="$kubeconfig" "$@"; }
containers() { ctr -a "$socket" -n k8s.io "$@"; }

owned_by() { sed -n "s/^$1=//p" "$owner" 2>/dev/null || true; }

# started PID: when the process began, in ticks since boot; empty when there is none, or only its zombie.
# Together with the id it names one process, whatever got the same id later.
started() {
  local stat
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
  read -ra stat <<<"${stat##*) }"
  [[ ${stat[0]} == Z ]] || echo "${stat[19]}"
}

# pid_of NAME: the id of that part's process, if it runs.
pid_of() {
  local pid since
  { read -r pid since <"$state/pid/$1"; } 2>/dev/null || return 1
  [[ -n $since && $(started "$pid") == "$since" ]] && echo "$pid"
}

# await SECONDS NAME WHAT COMMAND...: until the command succeeds. Says what it waits for; gives up when the time
# is over or when the part NAME has ended, with the end of its log.
await() {
  local limit=$1 name=$2 what=$3 from=$SECONDS next=5
  shift 3
  until "$@" &>/dev/null && pid_of "$name" >/dev/null; do
    if ! pid_of "$name" >/dev/null; then give_up "$name" "$name ended before $what"; fi
    if ((SECONDS - from >= limit)); then give_up "$name" "not within $limit s: $what"; fi
    if ((SECONDS - from >= next)); then
      say "waiting until $what ($((SECONDS - from)) s)"
      next=$((next + 5))
    fi
    sleep 0.1
  done
  say "$what ($SECONDS s)"
}
give_up() {
  { echo "--- the end of $state/logs/$1.log"; tail -n 25 "$state/logs/$1.log"; echo "---"; } >&2 || true
  fail 70 "$2; all logs are in $state/logs"
}

# cgroups: where they are mounted: version 1 has one mount for each controller, beside or instead of version 2's one.
cgroups() { awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/mounts; }

# exclusively: no second up or down meanwhile.
exclusively() {
  exec 9>"$owner.lock"
  if ! flock -n 9; then
    say "waiting for another up or down of the test cluster"
    flock 9
  fi
}

# cni_plugins: the folder that has them; Debian's first, then where everybody else puts them.
cni_plugins() {
  local dir
  for dir in /usr/lib/cni /opt/cni/bin; do
    [[ -x $dir/ptp && -x $dir/host-local && -x $dir/portmap ]] && echo "$dir" && return
  done
  return 1
}
