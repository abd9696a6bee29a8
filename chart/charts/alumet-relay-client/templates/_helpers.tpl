{{/* The name of the charts before this one; it is not the chart's name, and it stays. */}}
{{- define "alumet-relay-client.serviceAccountName" -}}
{{- $account := .Values.serviceAccount | default dict -}}
{{- if include "alumet-common.flag" (dict "value" $account.create "default" true) -}}
{{- $account.name | default (printf "%s-alumet-reader" .Release.Name) -}}
{{- else -}}
{{- $account.name | default "default" -}}
{{- end -}}
{{- end }}

{{/* Whether the pods get a token for the API server: only plugin k8s calls it. */}}
{{- define "alumet-relay-client.automount" -}}
{{- $account := .root.Values.serviceAccount | default dict -}}
{{- and .apiAccess (eq "true" (include "alumet-common.flag" (dict "value" $account.automount "default" true))) -}}
{{- end }}

{{/* Cluster-wide, so it names the namespace too; neither part can hold a colon. */}}
{{- define "alumet-relay-client.clusterRoleName" -}}
alumet-reader:{{ .Release.Namespace }}:{{ .Release.Name }}
{{- end }}

{{/* One point of whichever node the Service chose. */}}
{{- define "alumet-relay-client.exporterTest" -}}
export REQUEST=$'GET /metrics HTTP/1.0\r\nHost: alumet\r\n\r\n'
measured() { http | grep -qE '^[A-Za-z_][A-Za-z0-9_]*(\{| )'; }
if attempt measured; then
  echo "the exporter at $HOST:$PORT has points"
else
  echo "no point from $HOST:$PORT/metrics: look at the logs of the relay clients" >&2
  exit 1
fi
{{- end }}
