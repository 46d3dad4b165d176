# shellcheck shell=bash
# The cluster's parts: their configuration, how each is started, when it is ready, how it is ended.
# Sourced after env.sh.

# command_of NAME: the part's command line, one argument a line.
command_of() {
  local pki=$state/pki
  case $1 in
    containerd) printf '%s\n' containerd -c "$state/containerd.toml" ;;
    etcd)
      # Without fsync: what this cluster holds need not outlive a power cut.
      printf '%s\n' "$kube" etcd --name "$node" --data-dir "$state/etcd" --unsafe-no-fsync --log-level warn \
        --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
        --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
        --initial-cluster "$node=http://127.0.0.1:2380"
      ;;
    kube-apiserver)
      # Kubelets are reached by address: the node's name resolves nowhere. Owner references are checked as OpenShift
      # does, so that an operator's rights suffice there too.
      printf '%s\n' "$kube" kube-apiserver --etcd-servers=http://127.0.0.1:2379 \
        --advertise-address="$node_ip" --secure-port=6443 --service-cluster-ip-range="$services" \
        --authorization-mode=Node,RBAC --allow-privileged=true \
        --enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement \
        --client-ca-file="$pki/ca.crt" --tls-cert-file="$pki/kube-apiserver.crt" \
        --tls-private-key-file="$pki/kube-apiserver.key" \
        --service-account-issuer=https://kubernetes.default.svc.cluster.local \
        --service-account-key-file="$pki/service-accounts.pub" \
        --service-account-signing-key-file="$pki/service-accounts.key" \
        --kubelet-client-certificate="$pki/admin.crt" --kubelet-client-key="$pki/admin.key" \
        --kubelet-certificate-authority="$pki/ca.crt" --kubelet-preferred-address-types=InternalIP \
        --audit-policy-file="$state/audit.yaml" --audit-log-path="$state/logs/audit.jsonl" \
        --audit-log-maxsize=200 --audit-log-maxbackup=1
      ;;
    kube-controller-manager)
      printf '%s\n' "$kube" kube-controller-manager --kubeconfig="$state/kube-controller-manager.conf" \
        --leader-elect=false --use-service-account-credentials --root-ca-file="$pki/ca.crt" \
        --service-account-private-key-file="$pki/service-accounts.key" \
        --cluster-signing-cert-file="$pki/ca.crt" --cluster-signing-key-file="$pki/ca.key"
      ;;
    kube-scheduler)
      printf '%s\n' "$kube" kube-scheduler --kubeconfig="$state/kube-scheduler.conf" --leader-elect=false
      ;;
    coredns) printf '%s\n' "$kube" coredns -conf "$state/Corefile" -dns.port 53 ;;
    kubelet)
      printf '%s\n' "$kube" kubelet --config="$state/kubelet.yaml" --kubeconfig="$state/kubelet.conf" \
        --hostname-override="$node" --node-ip="$node_ip" --root-dir="$state/kubelet"
      ;;
    kube-proxy)
      # A sandbox may not set conntrack's limits: 0 leaves them as they are.
      printf '%s\n' "$kube" kube-proxy --kubeconfig="$state/kube-proxy.conf" --hostname-override="$node" \
        --proxy-mode=nftables --cluster-cidr="$pods" --conntrack-max-per-core=0 --conntrack-min=0
      ;;
    *) fail 64 "no part '$1': one of ${parts[*]}" ;;
  esac
}

# is_ready NAME: does the part say so itself?
is_ready() {
  local ask=(in_ns curl --noproxy '*' -fsSk --max-time 5)
  case $1 in
    containerd) containers version ;;
    etcd) "${ask[@]}" http://127.0.0.1:2379/readyz ;;
    kube-apiserver) kubectl get --raw /readyz ;;
    kube-controller-manager) "${ask[@]}" https://127.0.0.1:10257/healthz ;;
    kube-scheduler) "${ask[@]}" https://127.0.0.1:10259/readyz ;;
    coredns) "${ask[@]}" http://127.0.0.1:8181/ready ;;
    kubelet) "${ask[@]}" http://127.0.0.1:10248/healthz ;;
    kube-proxy) "${ask[@]}" http://127.0.0.1:10256/healthz ;;
  esac
}

# launch NAME: starts the part in the node's network, with an environment of its own: no proxy, no credentials.
launch() {
  local command pid
  mapfile -t command < <(command_of "$1")
  # Straight to the programs, which each become the next: the id is the part's own, not a shell's around it.
  nsenter --net="/run/netns/$netns" setsid env -i PATH="$PATH" HOME="$state" "${command[@]}" \
    >>"$state/logs/$1.log" 2>&1 </dev/null 9>&- &
  pid=$!
  echo "$pid $(started "$pid")" >"$state/pid/$1"
}

# end NAME SIGNAL SECONDS: ends the part by its own id and awaits that; SIGKILL if it takes longer.
end() {
  local pid signal=$2 limit=$(($3 * 10)) tick=0
  while pid=$(pid_of "$1"); do
    if ((tick == 0)); then kill -s "$signal" "$pid"; elif ((tick == limit)); then kill -s KILL "$pid"; fi 2>/dev/null || true
    tick=$((tick + 1))
    sleep 0.1
  done
  rm -f "$state/pid/$1"
}

write_configuration() {
  cat >"$state/containerd.toml" <<TOML
version = 2
root = "$state/containerd/root"
state = "$state/containerd/state"
[grpc]
  address = "$socket"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/wicketgate/pause:testbed"
  # Without CAP_SYS_RESOURCE runc may not lower a score, and no pod would start.
  restrict_oom_score_adj = true
  # So that the sandboxes' networks are found, and removed, with the state.
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$(cni_plugins)"
    conf_dir = "$state/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "$(snapshotter)"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
TOML
  # Each pod has a link of its own to the node, and all between pods is routed: a bridge would answer past the
  # node's address translation, unless the kernel filters bridges too.
  cat >"$state/cni/10-pods.conflist" <<JSON
{"cniVersion": "0.4.0", "name": "wicketgate-testbed", "plugins": [
  {"type": "ptp", "ipMasq": false, "ipam": {"type": "host-local", "dataDir": "$state/ipam",
    "ranges": [[{"subnet": "$pods"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON
  cat >"$state/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, x509: {clientCAFile: $state/pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $state/pki/kubelet.crt
tlsPrivateKeyFile: $state/pki/kubelet.key
containerRuntimeEndpoint: unix://$socket
cgroupDriver: cgroupfs
cgroupRoot: /$cgroup
failCgroupV1: false   # many sandboxes still have version 1
failSwapOn: false
clusterDNS: [$node_ip]
clusterDomain: cluster.local
resolvConf: ""        # nothing of the machine's own names
podLogsDir: $state/pod-logs
volumePluginDir: $state/kubelet/volume-plugins
registerNode: true
serializeImagePulls: false
imageGCHighThresholdPercent: 100   # never: there is no registry to fetch an image from again
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
YAML
  cat >"$state/Corefile" <<CORE
.:53 {
  errors
  ready
  cache {
    success 4096 2
    denial 1024 1
  }
  kubernetes cluster.local in-addr.arpa {
    kubeconfig $state/coredns.conf wicketgate-testbed
    ttl 2
  }
}
CORE
  # What pods ask of the API, and nothing else: the tests count an operator's calls by it.
  cat >"$state/audit.yaml" <<YAML
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
omitManagedFields: true
rules:
  - {level: None, userGroups: ["system:serviceaccounts:kube-system"]}
  - {level: Metadata, userGroups: ["system:serviceaccounts"]}
  - {level: None}
YAML
}

# Overlay on overlay is refused by the kernel, as where the state lies inside a container.
snapshotter() {
  if [[ $(stat -f -c %T "$state") == overlayfs ]]; then echo native; else echo overlayfs; fi
}
