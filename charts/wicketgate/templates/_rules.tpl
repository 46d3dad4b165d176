{{/*
What the operator may do where it watches. docs/kubernetes.md explains each line.
*/}}
{{- define "wicketgate.rules" -}}
# What people declare: read. Their spec is never written.
- apiGroups: [wicketgate.dev]
  resources: [ratelimitclusters, ratelimits, backpressurepolicies]
  verbs: [get, list, watch]
- apiGroups: [wicketgate.dev]
  resources: [ratelimitclusters/status, ratelimits/status, backpressurepolicies/status]
  verbs: [get, patch, update]
# To own objects in a way that blocks the owner's deletion, where the API server guards that.
- apiGroups: [wicketgate.dev]
  resources: [ratelimitclusters/finalizers]
  verbs: [update]
# What a cluster is made of. Configmaps also because the daemons' Role grants reading them.
- apiGroups: [""]
  resources: [configmaps, services, serviceaccounts]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [monitoring.coreos.com]
  resources: [servicemonitors]
  verbs: [get, list, watch, create, patch, delete]
# Held to be granted: the daemons find their peers, and the endpoints of what policies name, in EndpointSlices.
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch]
# Which pods to ask what they run.
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- if .Values.rbac.secrets }}
# The keys that policies name: read one by one, and put into one Secret for each cluster, which its pods may watch.
# Kubernetes lets nobody grant what he does not hold, and so list and watch are here; the operator itself only gets.
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
{{- end -}}
