{{/* A container of the daemons' image that asks a cluster and ends. */}}
{{- define "wicketgate.testContainer" -}}
{{- $ := .root -}}
- name: {{ .name }}
  image: {{ include "wicketgate.daemonImage" $ }}
  imagePullPolicy: {{ $.Values.daemon.image.pullPolicy }}
  args:
    {{- range .args }}
    - {{ . | quote }}
    {{- end }}
  env:
    - name: GUBER_HTTP_RETRY_COUNT
      value: {{ $.Values.test.tries | quote }}
  resources:
    {{- toYaml $.Values.test.resources | nindent 4 }}
  securityContext:
    {{- toYaml $.Values.securityContext | nindent 4 }}
{{- end -}}
