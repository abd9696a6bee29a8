{{/* Names as the chart of the same name made them; what is kept under them must be found again. */}}
{{- define "influxdb2.fullname" -}}
{{- include "alumet-common.fullname" (dict "root" . "key" "influxdb") -}}
{{- end }}

{{/* The name label follows nameOverride, as it always did: it is part of the immutable selector. */}}
{{- define "influxdb2.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "influxdb2.selectorLabels" -}}
app.kubernetes.io/name: {{ include "influxdb2.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "influxdb2.labels" -}}
helm.sh/chart: {{ include "alumet-common.chart" . }}
{{ include "influxdb2.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "influxdb2.secretName" -}}
{{- (.Values.adminUser).existingSecret | default (printf "%s-auth" (include "influxdb2.fullname" .)) -}}
{{- end }}

{{- define "influxdb2.claimName" -}}
{{- (.Values.persistence).name | default (include "influxdb2.fullname" .) -}}
{{- end }}

{{- define "influxdb2.serviceAccountName" -}}
{{- $account := .Values.serviceAccount | default dict -}}
{{- if include "alumet-common.flag" (dict "value" $account.create "default" true) -}}
{{- $account.name | default (include "influxdb2.fullname" .) -}}
{{- else -}}
{{- $account.name | default "default" -}}
{{- end -}}
{{- end }}

{{/* Organization and bucket: from here, else from `global.alumet.influxdb`, which the relay server reads too. */}}
{{- define "influxdb2.organization" -}}
{{- include "alumet-common.text" (.Values.adminUser).organization | default (include "alumet-common.shared" (dict "root" . "key" "influxdb" "field" "organization")) | default "influxdata" -}}
{{- end }}

{{- define "influxdb2.bucket" -}}
{{- include "alumet-common.text" (.Values.adminUser).bucket | default (include "alumet-common.shared" (dict "root" . "key" "influxdb" "field" "bucket")) | default "default" -}}
{{- end }}

{{- define "influxdb2.port" -}}
{{- (.Values.service).port | default (include "alumet-common.shared" (dict "root" . "key" "influxdb" "field" "port")) | default 80 | int -}}
{{- end }}

{{/* What a probe says, over what it says when nobody says anything. Zero is a value. */}}
{{- define "influxdb2.probe" -}}
{{- $own := dict -}}
{{- range $key, $value := .own | default dict }}
  {{- if not (kindIs "invalid" $value) }}{{ $_ := set $own $key $value }}{{ end }}
{{- end }}
{{- $probe := mergeOverwrite .usual $own -}}
httpGet:
  path: {{ $probe.path | default "/health" | quote }}
  port: {{ .port }}
  scheme: {{ $probe.scheme | default "HTTP" }}
{{- range $key, $value := omit $probe "path" "scheme" "enabled" }}
{{ $key }}: {{ $value | int }}
{{- end }}
{{- end }}

{{/*
One credential, for `data`: the one that is kept in the Secret of an earlier install wins, since the database was set up
with it; a given one that differs would lock everybody out, and ends the render. Arguments: root, key, given, field.
*/}}
{{- define "influxdb2.credential" -}}
{{- $name := include "influxdb2.secretName" .root -}}
{{- $kept := get ((lookup "v1" "Secret" .root.Release.Namespace $name).data | default dict) .key -}}
{{- $given := "" -}}
{{- if .given }}{{ $given = include "alumet-common.text" .given }}{{ end -}}
{{- if and $kept $given (ne ($kept | b64dec) $given) -}}
{{- fail (printf "influxdb2.adminUser.%s is not the one in Secret %s/%s (key %s), and InfluxDB reads it only when it is set up first: remove influxdb2.adminUser.%s from the values, or change it in InfluxDB, then in the Secret, then in the values" .field .root.Release.Namespace $name .key .field) -}}
{{- end -}}
{{- $kept | default (($given | default (randAlphaNum 32)) | b64enc) -}}
{{- end }}
