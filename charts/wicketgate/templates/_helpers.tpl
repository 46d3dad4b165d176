{{/* The chart's name, which is also app.kubernetes.io/name. */}}
{{- define "wicketgate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/*
What the operator's objects are called: RELEASE-operator where the release's name says wicketgate,
RELEASE-wicketgate-operator elsewhere. Short enough for a suffix of ten letters.
*/}}
{{- define "wicketgate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "wicketgate.name" . -}}
{{- $base := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- printf "%s-operator" ($base | trunc 43 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{/* Cluster-wide objects carry the namespace, so that releases in two namespaces do not meet. */}}
{{- define "wicketgate.clusterWideName" -}}
{{- printf "%s:%s" .Release.Namespace (include "wicketgate.fullname" .) -}}
{{- end -}}

{{- define "wicketgate.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* What tells the operator's pods from all others. Immutable: never add to it. */}}
{{- define "wicketgate.selectorLabels" -}}
app.kubernetes.io/name: {{ include "wicketgate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "wicketgate.labels" -}}
{{ include "wicketgate.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: wicketgate
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ include "wicketgate.chart" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "wicketgate.serviceAccountName" -}}
{{- default (include "wicketgate.fullname" .) .Values.serviceAccount.name -}}
{{- end -}}

{{/* An image's full name: a digest wins over the tag, and the tag is the chart's appVersion unless said. */}}
{{- define "wicketgate.image" -}}
{{- $image := .image -}}
{{- $name := $image.repository -}}
{{- if $image.registry -}}{{- $name = printf "%s/%s" $image.registry $name -}}{{- end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .root.Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "wicketgate.operatorImage" -}}
{{- include "wicketgate.image" (dict "root" . "image" .Values.image) -}}
{{- end -}}

{{- define "wicketgate.daemonImage" -}}
{{- include "wicketgate.image" (dict "root" . "image" .Values.daemon.image) -}}
{{- end -}}

{{- define "wicketgate.leaseName" -}}
{{- default (include "wicketgate.fullname" .) .Values.leaderElection.leaseName -}}
{{- end -}}

{{/* The ConfigMap with the first cluster's manifest; its owner. */}}
{{- define "wicketgate.clusterManifestName" -}}
{{- printf "%s-cluster" (include "wicketgate.fullname" .) -}}
{{- end -}}

{{/* Where `helm test` makes its cluster: where the operator looks. */}}
{{- define "wicketgate.testNamespace" -}}
{{- if or (not .Values.watchNamespaces) (has .Release.Namespace .Values.watchNamespaces) -}}
{{- .Release.Namespace -}}
{{- else -}}
{{- first .Values.watchNamespaces -}}
{{- end -}}
{{- end -}}

{{/* What values can say that a schema cannot refuse. */}}
{{- define "wicketgate.check" -}}
{{- if and (not .Values.leaderElection.enabled) (gt (int .Values.replicaCount) 1) -}}
{{- fail "leaderElection.enabled=false lets every replica write at once: set replicaCount to 1, or leave leader election on" -}}
{{- end -}}
{{- if and .Values.cluster.create .Values.watchNamespaces (not (has .Release.Namespace .Values.watchNamespaces)) -}}
{{- fail (printf "cluster.create makes a RateLimitCluster in %s, which the operator would not watch: add it to watchNamespaces, or set cluster.create=false" .Release.Namespace) -}}
{{- end -}}
{{- $budget := .Values.podDisruptionBudget -}}
{{- if and $budget.enabled (not (kindIs "invalid" $budget.minAvailable)) (not (kindIs "invalid" $budget.maxUnavailable)) -}}
{{- fail "podDisruptionBudget takes minAvailable or maxUnavailable, not both: leave one of them out" -}}
{{- end -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) -}}
{{- fail "serviceAccount.create=false needs serviceAccount.name: the operator's rights are not for the account that every pod has" -}}
{{- end -}}
{{- if and .Values.metrics.prometheusRule.enabled (not .Values.metrics.serviceMonitor.enabled) (not (has "WicketgateNoLeader" .Values.metrics.prometheusRule.disabled)) -}}
{{- fail "metrics.prometheusRule would say at once that nobody leads, since nobody asks the operator for its metrics: set metrics.serviceMonitor.enabled=true, or add WicketgateNoLeader to metrics.prometheusRule.disabled where something else asks" -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled (not .Values.metrics.service.enabled) -}}
{{- fail "metrics.serviceMonitor needs the Service: set metrics.service.enabled=true" -}}
{{- end -}}
{{- end -}}

{{/* The manifest of the release's own cluster. The operator adds the namespace and the owner. */}}
{{- define "wicketgate.clusterManifest" -}}
apiVersion: wicketgate.dev/v1alpha1
kind: RateLimitCluster
metadata:
  name: {{ .Values.cluster.name }}
  labels:
    {{- /* Not the operator's name and instance: these tell its pods from others. */}}
    app.kubernetes.io/part-of: wicketgate
    app.kubernetes.io/managed-by: {{ .Release.Service }}
    helm.sh/chart: {{ include "wicketgate.chart" . }}
    {{- with .Values.commonLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with .Values.cluster.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.cluster.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- toYaml .Values.cluster.spec | nindent 2 }}
{{- end -}}
