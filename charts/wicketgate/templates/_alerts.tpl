{{/*
What is worth waking somebody for, or telling them in the morning. docs/kubernetes.md says what to do.
The operator's own are told apart by its namespace; the daemons' by the Service that a cluster is asked through.
*/}}
{{- define "wicketgate.alerts" -}}
{{- $operator := printf `{namespace=%q}` .Release.Namespace -}}
- alert: WicketgateNoLeader
  expr: (sum(wicketgate_operator_leader{{ $operator }}) or vector(0)) != 1
  for: 2m
  labels: {severity: critical}
  annotations:
    summary: No operator of Wicketgate leads, or more than one does
    description: Limits are enforced as they are, and no change takes effect. Look at the operator's pods and its Lease in {{ .Release.Namespace }}.
- alert: WicketgateReconcileErrors
  expr: sum by (kind, reason) (rate(wicketgate_operator_reconcile_errors_total{{ $operator }}[5m])) > 0
  for: 10m
  labels: {severity: warning}
  annotations:
    summary: {{ `Reconciling {{ $labels.kind }} fails ({{ $labels.reason }})` }}
    description: The operator's log names the objects. What it could not write stays as it was.
- alert: WicketgateDocumentRefused
  expr: sum by (namespace, service) (increase(wicketgate_config_reloads_total{result="failure"}[10m])) > 0
  labels: {severity: critical}
  annotations:
    summary: {{ `Pods of the cluster {{ $labels.namespace }}/{{ $labels.service }} refuse its limits` }}
    description: The limits before stay in force. The cluster's condition Degraded has the reason.
- alert: WicketgateRevisionsDiffer
  expr: count by (namespace, service) (count by (namespace, service, revision) (wicketgate_document_revision_info)) > 1
  for: 5m
  labels: {severity: warning}
  annotations:
    summary: {{ `Pods of the cluster {{ $labels.namespace }}/{{ $labels.service }} enforce different limits` }}
    description: The cluster's status.pods says which pod is behind.
- alert: WicketgateRingsDiffer
  expr: max by (namespace, service) (wicketgate_peers) != min by (namespace, service) (wicketgate_peers)
  for: 5m
  labels: {severity: critical}
  annotations:
    summary: {{ `Pods of the cluster {{ $labels.namespace }}/{{ $labels.service }} do not know all others` }}
    description: A key may be counted by two pods, each with the whole limit. Look at the EndpointSlices of its headless Service and at the pods' logs.
- alert: WicketgateWatchRefused
  expr: sum by (namespace, service, resource) (rate(wicketgate_watch_errors_total{kind="refused"}[5m])) > 0
  for: 10m
  labels: {severity: warning}
  annotations:
    summary: {{ `Pods of the cluster {{ $labels.namespace }}/{{ $labels.service }} may not watch {{ $labels.resource }}` }}
    description: Their Role or RoleBinding is not what the operator makes, or somebody else's.
- alert: WicketgateTableTooSmall
  expr: sum by (namespace, service) (rate(gubernator_unexpired_evictions_count[15m])) > 0
  for: 30m
  labels: {severity: warning}
  annotations:
    summary: {{ `The cluster {{ $labels.namespace }}/{{ $labels.service }} forgets keys that still count` }}
    description: There are more keys than its pods hold. Raise spec.capacity, or the number of pods.
{{- end -}}
