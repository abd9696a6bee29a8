{{/* The Secret with what the values hold of secrets; nothing when they hold none. */}}
{{- define "alumet-common.credentialsSecret" -}}
{{- $secrets := dict -}}
{{- include "alumet-common.plugins" (dict "root" .root "key" .key "plugins" dict "secrets" $secrets) -}}
{{- if $secrets -}}
apiVersion: v1
kind: Secret
metadata:
  name: {{ include "alumet-common.credentials" . }}
  labels:
    {{- include "alumet-common.labels" .root | nindent 4 }}
type: Opaque
data:
  {{- range $key, $text := $secrets }}
  {{ $key }}: {{ $text | b64enc }}
  {{- end }}
{{- end -}}
{{- end }}
