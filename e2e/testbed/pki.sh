# shellcheck shell=bash
# The cluster's certificates and kubeconfigs, made anew for each start; sourced by `up` after env.sh.

new_key() { openssl ecparam -genkey -name prime256v1 -noout -out "$1"; }

# certificate NAME SUBJECT ALTERNATIVE_NAMES: signed by the cluster's authority, good for both ends of a connection.
certificate() {
  new_key "$1.key"
  openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -out "$1.crt" \
    -extfile <(printf 'extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=%s' "$3")
}

make_certificates() (
  cd "$state/pki"
  umask 077
  new_key ca.key
  openssl req -x509 -new -key ca.key -out ca.crt -subj /CN=wicketgate-testbed -days 365
  certificate kube-apiserver /CN=kube-apiserver \
    "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:127.0.0.1,IP:$api_service,IP:$node_ip"
  # The names are RBAC's: each part gets the rights that Kubernetes binds to it.
  certificate admin /O=system:masters/CN=admin DNS:admin
  certificate kubelet "/O=system:nodes/CN=system:node:$node" "DNS:$node,IP:$node_ip"
  certificate kube-controller-manager /CN=system:kube-controller-manager DNS:kube-controller-manager
  certificate kube-scheduler /CN=system:kube-scheduler DNS:kube-scheduler
  certificate kube-proxy /CN=system:kube-proxy DNS:kube-proxy
  certificate coredns /CN=system:coredns DNS:coredns
  new_key service-accounts.key
  openssl ec -in service-accounts.key -pubout -out service-accounts.pub
) &>"$state/logs/pki.log"

# make_kubeconfig NAME: $state/NAME.conf, which speaks with the certificate NAME.
make_kubeconfig() (
  cd "$state/pki"
  umask 077
  encoded() { base64 -w0 "$1"; }
  cat >"$state/$1.conf" <<YAML
apiVersion: v1
kind: Config
clusters:
  - name: wicketgate-testbed
    cluster: {server: "https://$node_ip:6443", certificate-authority-data: $(encoded ca.crt)}
users:
  - name: $1
    user: {client-certificate-data: $(encoded "$1.crt"), client-key-data: $(encoded "$1.key")}
contexts:
  - name: wicketgate-testbed
    context: {cluster: wicketgate-testbed, user: $1}
current-context: wicketgate-testbed
YAML
)
